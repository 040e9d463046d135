//! Messages for collectors of logs: one connection a destination, kept for as long as the collector does.
//!
//! A collector never answers, so that a message counts as written once the system has taken it. What can be known of a
//! peer that is gone is asked for: before a batch is written the connection is read for its end, a new connection is
//! watched for a moment before and after its first batch, and the system gives up a peer that acknowledges nothing
//! (keep-alive and `TCP_USER_TIMEOUT`). A connection on which a batch was not written to the end is not used again, because
//! its next byte would be read as the rest of a message.

mod connection;
mod recent;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::tls::Tls;
use crate::destinations::{Fault, Reply, SyslogMessages};
use connection::Connection;
use recent::Recent;

/// The connections to collectors, by the name of the destination.
#[derive(Clone, Debug)]
pub struct Collectors {
    tls: Tls,
    slots: Arc<Mutex<HashMap<String, Slot>>>,
}

/// The connection of a destination, while it is not in use.
type Slot = Arc<tokio::sync::Mutex<Kept>>;

/// What is kept of a destination between its batches.
#[derive(Debug, Default)]
struct Kept {
    connection: Option<Connection>,
    recent: Recent,
}

impl Collectors {
    /// With what its connections of TLS are made of.
    pub fn new(tls: Tls) -> Self {
        Self { tls, slots: Arc::default() }
    }

    /// Writes the messages at once.
    pub async fn send(&self, messages: SyslogMessages) -> Reply {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(messages.collector.destination.clone()).or_default())
        };
        let mut kept = slot.lock().await;
        // Taken out: if this is given up half-way, no connection is left that ends within a message.
        let Kept { connection, recent } = &mut *kept;
        let open = match connection.take() {
            Some(open) => open.if_usable(&messages.collector, recent).await,
            None => None,
        };
        let connection = match open {
            Some(open) => Ok(open),
            None => match timeout(CONNECT_TIMEOUT, Connection::open(&messages.collector, &self.tls)).await {
                Ok(opened) => opened,
                Err(_) => Err(not_written(&messages, "no connection within 5 s")),
            },
        };
        let mut all = recent.lost(Instant::now());
        all.extend(messages.messages.iter().cloned());
        let written = match connection {
            Ok(connection) => match timeout(WRITE_TIMEOUT, connection.write(&all, recent)).await {
                Ok(written) => written.map_err(|fault| Reply::Failed(named(&messages, fault))),
                Err(_) => Err(Reply::Failed(named(&messages, late()))),
            },
            Err(reply) => Err(reply),
        };
        match written {
            Ok(connection) => {
                if connection.is_stream() {
                    recent.written(messages.messages, Instant::now());
                }
                kept.connection = Some(connection);
                Reply::Written
            }
            Err(reply) => reply,
        }
    }

    /// Closes the connections that are not in use.
    pub async fn close(&self) {
        let slots: Vec<Slot> = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.drain().map(|(_, slot)| slot).collect()
        };
        let idle = slots.iter().filter_map(|slot| slot.try_lock().ok()?.connection.take());
        let closing = futures_util::future::join_all(idle.map(Connection::close));
        // A peer that takes no more bytes is told nothing.
        drop(timeout(CLOSE_TIMEOUT, closing).await);
    }
}

fn late() -> Fault {
    Fault { may_have_arrived: true, detail: "it did not take the messages within 10 s".to_owned() }
}

fn not_written(messages: &SyslogMessages, detail: &str) -> Reply {
    Reply::Failed(named(messages, Fault { may_have_arrived: false, detail: detail.to_owned() }))
}

/// The fault with the collector's address.
fn named(messages: &SyslogMessages, fault: Fault) -> Fault {
    let (host, port) = (&messages.collector.host, messages.collector.port);
    Fault { detail: format!("{host}:{port}: {}", fault.detail), ..fault }
}

/// Name, connection, TLS, and the moment that a new connection is watched.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A batch, and the moment that a new connection is watched.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// To say goodbye to all.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
