//! Tokens of destinations, kept in the store for the way out: `app` and `gatepost probe` hand this to `egress`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::domain::{Clock, Renewal, Timestamp, TokenPair, TokenQuery, TokenState};
use crate::egress::{KeepError, TokenKeeper};
use crate::store::{StoreError, TokenChains};

/// The store's tokens, by one clock.
pub struct StoredTokens {
    store: Arc<dyn TokenChains>,
    clock: Arc<dyn Clock>,
}

impl StoredTokens {
    /// Tokens in this store.
    pub fn new(store: Arc<dyn TokenChains>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }
}

impl TokenKeeper for StoredTokens {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn claim(&self, query: TokenQuery) -> BoxFuture<'_, Result<TokenState, String>> {
        self.store.claim_renewal(query, RENEWAL_LEASE, self.clock.now()).map(|answer| answer.map_err(worded)).boxed()
    }

    fn keep<'a>(&'a self, renewal: &'a Renewal, tokens: &'a TokenPair) -> BoxFuture<'a, Result<(), KeepError>> {
        let refusal = |fault| match fault {
            StoreError::LeaseLost => KeepError::Superseded,
            StoreError::Stopped => KeepError::Stopped,
            other => KeepError::Fault(worded(other)),
        };
        self.store.keep_renewed(renewal, tokens).map(move |answer| answer.map_err(refusal)).boxed()
    }

    fn give_up(&self, renewal: Renewal) -> BoxFuture<'_, Result<(), String>> {
        self.store.give_up_renewal(renewal).map(|answer| answer.map_err(worded)).boxed()
    }
}

impl fmt::Debug for StoredTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredTokens")
    }
}

fn worded(fault: StoreError) -> String {
    fault.to_string()
}

/// Longer than a renewal takes: what a process that has ended left is free then.
const RENEWAL_LEASE: Duration = Duration::from_secs(20);
