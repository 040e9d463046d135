//! HTTP requests out, each the way that its destination has.
//!
//! All requests have the same limits: no redirect is followed, no proxy of the environment is used, an exchange takes ten
//! seconds at most, and 64 KiB of an answer are read.

mod peer;
mod proxied;
mod tokens;
mod unrepeated;
mod way;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::tls::Tls;
use super::token_keeper::TokenKeeper;
use crate::destinations::{Connection, HttpRequest, Reply};
use tokens::{Chains, Tokens};
use way::Way;

pub use way::ClientError;

/// What sends requests. Cloning shares the pools of connections.
#[derive(Clone, Debug)]
pub struct Client {
    tls: Tls,
    /// For destinations that set nothing of their own.
    common: Arc<Way>,
    /// For the others, by the address of their settings.
    own: Arc<Mutex<HashMap<usize, Arc<Own>>>>,
    chains: Chains,
}

/// The way of one destination. It holds the settings, so that no others come to lie at their address.
#[derive(Debug)]
struct Own {
    connection: Arc<Connection>,
    way: Arc<Way>,
    tokens: Tokens,
}

impl Client {
    /// Prepares the common pool.
    ///
    /// # Errors
    /// Where TLS or the client cannot be set up.
    pub fn new(tls: Tls, keeper: Arc<dyn TokenKeeper>) -> Result<Self, ClientError> {
        let common = Arc::new(Way::new(&tls, &Connection::default())?);
        Ok(Self { tls, common, own: Arc::default(), chains: Chains::new(keeper) })
    }

    /// Waits until the tokens that are being renewed are kept.
    pub async fn settle(&self) {
        self.chains.settle().await;
    }

    /// Sends one request.
    pub async fn send(&self, request: HttpRequest) -> Reply {
        self.common.exchange(&request).await
    }

    /// Sends one request as the operator has set for its destination.
    pub async fn send_over(&self, connection: &Arc<Connection>, request: HttpRequest) -> Reply {
        match self.own(connection) {
            Ok(own) => own.tokens.exchange(&own.way, &own.connection, &request).await,
            Err(error) => Reply::NotSent(format!("no connection can be prepared: {}", error.cause())),
        }
    }

    fn own(&self, connection: &Arc<Connection>) -> Result<Arc<Own>, ClientError> {
        let key = Arc::as_ptr(connection).addr();
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = own.get(&key) {
            return Ok(Arc::clone(known));
        }
        // Settings that only this list holds are those of an earlier configuration.
        own.retain(|_, other| Arc::strong_count(&other.connection) > 1);
        let way = Arc::new(Way::new(&self.tls, connection)?);
        let tokens = Tokens::of(connection, &self.chains);
        let made = Arc::new(Own { connection: Arc::clone(connection), way, tokens });
        own.insert(key, Arc::clone(&made));
        Ok(made)
    }
}

#[cfg(test)]
mod tests;
