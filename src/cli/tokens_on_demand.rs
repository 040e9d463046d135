//! The tokens in the store, for a command that rarely needs them.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use crate::domain::{Clock, Renewal, SystemClock, Timestamp, TokenPair, TokenQuery, TokenState};
use crate::egress::{KeepError, TokenKeeper};
use crate::pipeline::StoredTokens;
use crate::store::{Access, SqliteStore};

/// The store's tokens, opened when the first is asked for. A process that serves may have the store open as well.
#[derive(Debug)]
pub(super) struct TokensOnDemand {
    path: PathBuf,
    opened: OnceLock<Result<StoredTokens, String>>,
}

impl TokensOnDemand {
    /// Those in the store at `path`.
    pub(super) fn of(path: PathBuf) -> Self {
        Self { path, opened: OnceLock::new() }
    }

    /// A refresh token is used up by its renewal, so that nothing is renewed where the next one cannot be kept.
    fn opened(&self) -> &Result<StoredTokens, String> {
        self.opened.get_or_init(|| match SqliteStore::open(&self.path, Access::Operate) {
            Ok(store) => Ok(StoredTokens::new(Arc::new(store), Arc::new(SystemClock))),
            Err(error) => Err(format!("{error}; tokens are kept there: start `gatepost serve` first, and probe then")),
        })
    }
}

impl TokenKeeper for TokensOnDemand {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn claim(&self, query: TokenQuery) -> BoxFuture<'_, Result<TokenState, String>> {
        match self.opened() {
            Ok(tokens) => tokens.claim(query),
            Err(fault) => ready(Err(fault.clone())).boxed(),
        }
    }

    fn keep<'a>(&'a self, renewal: &'a Renewal, tokens: &'a TokenPair) -> BoxFuture<'a, Result<(), KeepError>> {
        match self.opened() {
            Ok(opened) => opened.keep(renewal, tokens),
            Err(fault) => ready(Err(KeepError::Fault(fault.clone()))).boxed(),
        }
    }

    fn give_up(&self, renewal: Renewal) -> BoxFuture<'_, Result<(), String>> {
        match self.opened() {
            Ok(tokens) => tokens.give_up(renewal),
            Err(fault) => ready(Err(fault.clone())).boxed(),
        }
    }
}
