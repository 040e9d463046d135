//! Acceptance: the dedupe key, the raw request and its place in the queue, in one transaction.

use rusqlite::{OptionalExtension, Transaction, params};

use super::super::{Acceptance, Arrival, Inbox, StoreFault, Ticket};
use super::SqliteStore;
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

/// Inserts one arrival. The primary key of `dedupe_keys` decides what is a repetition, also between two arrivals of the
/// same transaction.
pub fn insert(transaction: &Transaction<'_>, arrival: &Arrival) -> Result<Acceptance, StoreFault> {
    let id = ReceiptId::generate();
    let received_at = arrival.request.received_at().as_millis();
    let fresh = transaction
        .prepare_cached("INSERT INTO dedupe_keys (key, receipt, seen_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute(params![arrival.key.as_bytes(), id.as_bytes(), received_at])?;
    if fresh == 0 {
        return first_of(transaction, arrival).map(Acceptance::Duplicate);
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
            received_at,
            arrival.content_type,
            arrival.encoding.as_str(),
            i64::try_from(body.len()).unwrap_or(i64::MAX),
            body,
        ])?;
    let seq = transaction.last_insert_rowid();
    transaction.prepare_cached("INSERT INTO receipt_queue (seq) VALUES (?1)")?.execute([seq])?;
    Ok(Acceptance::New(id))
}

fn first_of(transaction: &Transaction<'_>, arrival: &Arrival) -> Result<ReceiptId, StoreFault> {
    let first: Option<[u8; 16]> = transaction
        .prepare_cached("SELECT receipt FROM dedupe_keys WHERE key = ?1")?
        .query_row([arrival.key.as_bytes()], |row| row.get(0))
        .optional()?;
    first.map(ReceiptId::from_bytes).ok_or_else(|| StoreFault::Broken("a dedupe key vanished".to_owned()))
}
