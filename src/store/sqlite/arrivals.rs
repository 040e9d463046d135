//! Acceptance of the requests of one commit: the dedupe key, the raw request and its place among those that wait.

use rusqlite::{CachedStatement, Transaction, params};

use super::super::{Acceptance, StoreError};
use super::bodies;
use super::keys::{KeyTable, Keys};
use super::numbers::Numbered;
use super::runs::{QueueKey, RunWriter};
use super::work::Waiting;
use crate::domain::ReceiptId;
use crate::vendors::Authenticated;

/// What became of an arrival.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    /// What it is answered.
    pub acceptance: Acceptance,
    /// The row of its receipt, where it is new.
    pub row: Option<i64>,
}

/// Inserts arrivals, sorted by queue, and answers in the order in which they were handed in. `dedupe_keys` decides what is a
/// repetition, also between two arrivals of the same transaction.
pub fn insert_all(
    transaction: &Transaction<'_>,
    keys: &mut Keys,
    arrivals: &[Waiting],
) -> Result<Vec<Stored>, StoreError> {
    let mut table = KeyTable::of(transaction)?;
    let mut runs = RunWriter::of(transaction)?;
    let mut receipts = transaction.prepare_cached(
        "INSERT INTO receipts (seq, id, source, received_at, content_type, encoding, bytes, body, long_body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let mut last = Numbered::Receipts.last(transaction)?;
    let mut by_queue: Vec<(QueueKey<'_>, usize, &Waiting)> =
        arrivals.iter().enumerate().map(|(place, waiting)| (QueueKey::of(&waiting.arrival), place, waiting)).collect();
    by_queue.sort_unstable_by_key(|(queue, place, _)| (*queue, *place));
    let mut stored = Vec::with_capacity(arrivals.len());
    for (queue, place, waiting) in by_queue {
        let acceptance = insert((transaction, last + 1), &mut table, keys, &mut receipts, waiting)?;
        let is_new = matches!(acceptance, Acceptance::New(_));
        if is_new {
            last += 1;
            runs.add(queue, last, length(&waiting.arrival))?;
        }
        let row = is_new.then_some(last);
        stored.push((place, Stored { acceptance, row }));
    }
    runs.finish()?;
    stored.sort_unstable_by_key(|(place, _)| *place);
    Ok(stored.into_iter().map(|(_, stored)| stored).collect())
}

fn insert(
    (transaction, row): (&Transaction<'_>, i64),
    table: &mut KeyTable<'_>,
    keys: &mut Keys,
    receipts: &mut CachedStatement<'_>,
    waiting: &Waiting,
) -> Result<Acceptance, StoreError> {
    let arrival = &waiting.arrival;
    let id = ReceiptId::generate();
    let received_at = arrival.received_at();
    if let Some(known) = keys.claim(table, arrival.key(), id, received_at)? {
        return Ok(known);
    }
    if let Some(body) = waiting.body {
        bodies::hold(transaction, body)?;
    }
    keys.receipt_ids.note(transaction, row, id.as_bytes())?;
    receipts.execute(params![
        row,
        id.as_bytes(),
        arrival.source().as_str(),
        received_at.as_millis(),
        arrival.content_type(),
        arrival.encoding().as_str(),
        length(arrival),
        if waiting.body.is_some() { &[] } else { arrival.body().as_ref() },
        waiting.body,
    ])?;
    Ok(Acceptance::New(id))
}

/// How long the body is on the wire, in bytes.
fn length(arrival: &Authenticated) -> i64 {
    i64::try_from(arrival.body().len()).unwrap_or(i64::MAX)
}
