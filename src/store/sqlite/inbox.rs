//! Acceptance: the dedupe key and the raw request in one transaction.

use rusqlite::{CachedStatement, Transaction, params};

use super::super::{Acceptance, Arrival, Inbox, ReplyBatch, StoreError, Ticket};
use super::keys::{KeyTable, Keys};
use super::writer::Waiting;
use super::{SqliteStore, bodies};
use crate::domain::ReceiptId;

impl Inbox for SqliteStore {
    fn accept(&self, arrival: Arrival, replies: Option<&ReplyBatch>) -> Ticket<Acceptance> {
        self.writer.accept(arrival, replies)
    }

    fn check_writable(&self) -> Ticket<()> {
        if self.writer.is_shut() {
            return Ticket::refused(StoreError::kept_for_deliveries());
        }
        self.writer.write(|transaction| {
            // Another value each time, so that a page is really written.
            transaction.execute("UPDATE pulse SET at = at + 1 WHERE id = 1", [])?;
            Ok(())
        })
    }
}

/// Inserts arrivals. `dedupe_keys` decides what is a repetition, also between two arrivals of the same transaction.
/// A receipt beyond the mark of `dispatch_mark` is waiting to be dispatched: nothing else needs to be written for that.
pub fn insert_all<'a>(
    transaction: &Transaction<'_>,
    keys: &mut Keys,
    arrivals: impl Iterator<Item = &'a Waiting>,
) -> Result<Vec<Acceptance>, StoreError> {
    let mut table = KeyTable::of(transaction)?;
    let mut receipts = transaction.prepare_cached(
        "INSERT INTO receipts (id, source, received_at, content_type, encoding, bytes, body, long_body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    arrivals.map(|waiting| insert(transaction, &mut table, keys, &mut receipts, waiting)).collect()
}

fn insert(
    transaction: &Transaction<'_>,
    table: &mut KeyTable<'_>,
    keys: &mut Keys,
    receipts: &mut CachedStatement<'_>,
    waiting: &Waiting,
) -> Result<Acceptance, StoreError> {
    let arrival = &waiting.arrival;
    let id = ReceiptId::generate();
    let received_at = arrival.request.received_at();
    if let Some(known) = keys.claim(table, &arrival.key, id, received_at)? {
        return Ok(known);
    }
    let body: &[u8] = arrival.request.body();
    receipts.execute(params![
        id.as_bytes(),
        arrival.source.as_str(),
        received_at.as_millis(),
        arrival.content_type,
        arrival.encoding.as_str(),
        i64::try_from(body.len()).unwrap_or(i64::MAX),
        if waiting.body.is_some() { &[] } else { body },
        waiting.body,
    ])?;
    if let Some(body) = waiting.body {
        bodies::hold(transaction, body)?;
    }
    Ok(Acceptance::New(id))
}
