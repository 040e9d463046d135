//! Deliveries of single events to sinks: what was refused in its batch, replayed, or released from quarantine.

use rusqlite::{Transaction, params};

use super::super::StoreError;
use super::urgency::urgency_of_event;
use crate::domain::{DeliveryId, DestinationName, Severity, Timestamp};

/// A delivery of one event to a sink.
#[derive(Clone, Copy, Debug)]
pub struct SingleEvent<'a> {
    /// The row of the event.
    pub event: i64,
    pub destination: &'a DestinationName,
    pub route: &'a str,
    pub severity: Severity,
}

impl SingleEvent<'_> {
    /// Plans it, due at that time. Returns how many there are new: none where it stands there already.
    pub fn insert(&self, transaction: &Transaction<'_>, not_before: Timestamp) -> Result<usize, StoreError> {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO deliveries (id, event, destination, route, urgency, not_before, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (event, destination) DO NOTHING",
        )?;
        Ok(insert.execute(params![
            DeliveryId::generate().as_bytes(),
            self.event,
            self.destination.as_str(),
            self.route,
            urgency_of_event(self.severity),
            not_before.as_millis()
        ])?)
    }
}
