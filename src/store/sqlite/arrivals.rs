//! Acceptance of the requests of one commit: the dedupe key, the raw request and its place among those that wait.

use rusqlite::{CachedStatement, Transaction, params};

use super::super::{Acceptance, StoreError};
use super::bodies;
use super::keys::{KeyTable, Keys};
use super::runs::{QueueKey, RunWriter};
use super::work::Waiting;
use crate::domain::ReceiptId;
use crate::vendors::Authenticated;

/// Inserts arrivals, sorted by queue, and answers in the order in which they were handed in. `dedupe_keys` decides what is a
/// repetition, also between two arrivals of the same transaction.
pub fn insert_all(
    transaction: &Transaction<'_>,
    keys: &mut Keys,
    arrivals: &[Waiting],
) -> Result<Vec<Acceptance>, StoreError> {
    let mut table = KeyTable::of(transaction)?;
    let mut runs = RunWriter::of(transaction)?;
    let mut receipts = transaction.prepare_cached(
        "INSERT INTO receipts (id, source, received_at, content_type, encoding, bytes, body, long_body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let mut by_queue: Vec<(QueueKey<'_>, usize, &Waiting)> =
        arrivals.iter().enumerate().map(|(place, waiting)| (QueueKey::of(&waiting.arrival), place, waiting)).collect();
    by_queue.sort_unstable_by_key(|(queue, place, _)| (*queue, *place));
    let mut acceptances = Vec::with_capacity(arrivals.len());
    for (queue, place, waiting) in by_queue {
        let acceptance = insert(transaction, &mut table, keys, &mut receipts, waiting)?;
        if let Acceptance::New(_) = acceptance {
            runs.add(queue, transaction.last_insert_rowid(), length(&waiting.arrival))?;
        }
        acceptances.push((place, acceptance));
    }
    runs.finish()?;
    acceptances.sort_unstable_by_key(|(place, _)| *place);
    Ok(acceptances.into_iter().map(|(_, acceptance)| acceptance).collect())
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
    let received_at = arrival.received_at();
    if let Some(known) = keys.claim(table, arrival.key(), id, received_at)? {
        return Ok(known);
    }
    // Nothing may be inserted behind the receipt: its row is what was inserted last.
    if let Some(body) = waiting.body {
        bodies::hold(transaction, body)?;
    }
    receipts.execute(params![
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
