//! Acceptance: the dedupe key, the raw request and its place in the queue, in one transaction.

use rusqlite::{Transaction, params};

use super::super::{Acceptance, Arrival, Inbox, StoreFault, Ticket};
use super::SqliteStore;
use super::keys::Keys;
use crate::domain::ReceiptId;

impl Inbox for SqliteStore {
    fn accept(&self, arrival: Arrival) -> Ticket<Acceptance> {
        self.writer.accept(arrival)
    }

    fn check_writable(&self) -> Ticket<()> {
        self.writer.write(|transaction| {
            // Another value each time, so that a page is really written.
            transaction.execute("UPDATE pulse SET at = at + 1 WHERE id = 1", [])?;
            Ok(())
        })
    }
}

/// Inserts one arrival. `dedupe_keys` decides what is a repetition, also between two arrivals of the same transaction.
pub fn insert(transaction: &Transaction<'_>, keys: &mut Keys, arrival: &Arrival) -> Result<Acceptance, StoreFault> {
    let id = ReceiptId::generate();
    let received_at = arrival.request.received_at();
    if let Some(first) = keys.claim(transaction, &arrival.key, id, received_at)? {
        return Ok(Acceptance::Duplicate(first));
    }
    let body: &[u8] = arrival.request.body();
    transaction
        .prepare_cached(
            "INSERT INTO receipts (id, source, received_at, content_type, encoding, bytes, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            id.as_bytes(),
            arrival.source.as_str(),
            received_at.as_millis(),
            arrival.content_type,
            arrival.encoding.as_str(),
            i64::try_from(body.len()).unwrap_or(i64::MAX),
            body,
        ])?;
    let seq = transaction.last_insert_rowid();
    transaction.prepare_cached("INSERT INTO receipt_queue (seq) VALUES (?1)")?.execute([seq])?;
    Ok(Acceptance::New(id))
}
