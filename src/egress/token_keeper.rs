//! Where refresh tokens are kept, as the way out needs it: the store is not known here.

use std::fmt::Debug;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use crate::domain::{Renewal, Timestamp, TokenPair, TokenQuery, TokenState};

/// Keeps tokens, so that they outlive the process. The faults that it names hold no secret.
pub trait TokenKeeper: Debug + Send + Sync {
    /// The present moment, by the clock that tokens are kept with.
    fn now(&self) -> Timestamp;

    /// The access token that is kept, or the right to renew it.
    fn claim(&self, query: TokenQuery) -> BoxFuture<'_, Result<TokenState, String>>;

    /// Keeps what a renewal gave.
    fn keep<'a>(&'a self, renewal: &'a Renewal, tokens: &'a TokenPair) -> BoxFuture<'a, Result<(), KeepError>>;

    /// Gives the right to renew back.
    fn give_up(&self, renewal: Renewal) -> BoxFuture<'_, Result<(), String>>;
}

/// Why tokens were not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeepError {
    /// Another renewal has begun since.
    #[error("another renewal has begun since")]
    Superseded,
    /// It may work later.
    #[error("{0}")]
    Fault(String),
    /// The process ends.
    #[error("the process ends")]
    Stopped,
}

/// For commands that send nothing with tokens.
#[derive(Debug)]
pub struct NoTokens;

impl TokenKeeper for NoTokens {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn claim(&self, _query: TokenQuery) -> BoxFuture<'_, Result<TokenState, String>> {
        ready(Err("this command keeps no tokens".to_owned())).boxed()
    }

    fn keep<'a>(&'a self, _renewal: &'a Renewal, _tokens: &'a TokenPair) -> BoxFuture<'a, Result<(), KeepError>> {
        ready(Err(KeepError::Stopped)).boxed()
    }

    fn give_up(&self, _renewal: Renewal) -> BoxFuture<'_, Result<(), String>> {
        ready(Ok(())).boxed()
    }
}
