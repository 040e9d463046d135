//! Acceptance: the dedupe key and the raw request in one transaction.

use rusqlite::types::ToSqlOutput;
use rusqlite::{CachedStatement, Transaction, params};

use super::super::{Acceptance, Arrival, Inbox, Postbox, StoreFault, Ticket};
use super::SqliteStore;
use super::keys::{KeyTable, Keys};
use crate::domain::ReceiptId;

impl Inbox for SqliteStore {
    fn accept(&self, arrival: Arrival, postbox: Option<&Postbox>) -> Ticket<Acceptance> {
        self.writer.accept(arrival, postbox)
    }

    fn check_writable(&self) -> Ticket<()> {
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
    arrivals: impl Iterator<Item = &'a Arrival>,
) -> Result<Vec<Acceptance>, StoreFault> {
    let mut table = KeyTable::of(transaction)?;
    let mut receipts = transaction.prepare_cached(
        "INSERT INTO receipts (id, source, received_at, content_type, encoding, bytes, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    arrivals.map(|arrival| insert(transaction, &mut table, keys, &mut receipts, arrival)).collect()
}

fn insert(
    transaction: &Transaction<'_>,
    table: &mut KeyTable<'_>,
    keys: &mut Keys,
    receipts: &mut CachedStatement<'_>,
    arrival: &Arrival,
) -> Result<Acceptance, StoreFault> {
    let id = ReceiptId::generate();
    let received_at = arrival.request.received_at();
    if let Some(first) = keys.claim(table, &arrival.key, id, received_at)? {
        return Ok(Acceptance::Duplicate(first));
    }
    let body: &[u8] = arrival.request.body();
    let is_long = body.len() > LONG_BODY_BYTES;
    let column = if is_long { ToSqlOutput::ZeroBlob(body.len().try_into().unwrap_or(i32::MAX)) } else { body.into() };
    receipts.execute(params![
        id.as_bytes(),
        arrival.source.as_str(),
        received_at.as_millis(),
        arrival.content_type,
        arrival.encoding.as_str(),
        i64::try_from(body.len()).unwrap_or(i64::MAX),
        column,
    ])?;
    if is_long {
        write_in_pieces(transaction, transaction.last_insert_rowid(), body)?;
    }
    Ok(Acceptance::New(id))
}

/// As a column, SQLite would hold a long body twice beside ours. In pieces its pages are written twice instead, which is
/// why others go in as they are.
fn write_in_pieces(transaction: &Transaction<'_>, seq: i64, body: &[u8]) -> Result<(), StoreFault> {
    let mut blob = transaction.blob_open("main", "receipts", "body", seq, false)?;
    for (place, piece) in body.chunks(PIECE_BYTES).enumerate() {
        blob.write_all_at(piece, place * PIECE_BYTES)?;
    }
    blob.close()?;
    Ok(())
}

const LONG_BODY_BYTES: usize = 32 << 20;
const PIECE_BYTES: usize = 256 << 10;
