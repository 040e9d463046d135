//! Refresh tokens that are good for one renewal: the role behind the token rotation of a destination.

use std::time::Duration;

use super::Ticket;
use crate::domain::{Renewal, Timestamp, TokenPair, TokenQuery, TokenState};

/// Chains of refresh tokens. Each renewal uses up a refresh token and gives the next, so the newest one has to outlive the
/// process. It is written before the one that it follows is gone: until then a crash leaves the earlier one, which the vendor may
/// still take for a short time.
///
/// Several processes may use a chain, those of commands among them: one at a time has the right to renew.
pub trait TokenChains: Send + Sync {
    /// The access token, if a good one is kept; else the right to renew it for `lease`, unless another process has it.
    fn claim_renewal(&self, query: TokenQuery, lease: Duration, now: Timestamp) -> Ticket<TokenState>;

    /// Keeps what a renewal gave, instead of what it was asked with. [`StoreError::LeaseLost`](super::StoreError::LeaseLost) where another renewal has begun
    /// since.
    fn keep_renewed(&self, renewal: &Renewal, tokens: &TokenPair) -> Ticket<()>;

    /// Gives the right back without new tokens. Nothing happens where another renewal has begun since.
    fn give_up_renewal(&self, renewal: Renewal) -> Ticket<()>;
}
