//! Long bodies, in pieces.
//!
//! A body of many megabytes in one row is one commit of the same size, and all other requests wait while it is written
//! and synced. So a long body is stored piece by piece, each in the transaction of whatever else is committed at the
//! time; the last of these transactions writes its key and its receipt, which only refers to the body. Until then the
//! body is loose: loose bodies that an ended process has left are removed at the next start.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Transaction, params};

use super::super::{Acceptance, StoreError};
use super::keys::{KeyTable, Keys, KeysAtHand};
use super::rows::unreadable;
use super::work::{Waiting, Work};

/// A long body that is coming in.
pub struct Staged {
    waiting: Waiting,
    body: Option<i64>,
    /// How much of it has been committed.
    written: usize,
}

/// What one transaction did for it.
pub enum Step {
    /// Nothing: its key is known.
    Known(Acceptance),
    /// It wrote a piece, up to the byte `end` of the body with this number.
    Written {
        /// The number.
        body: i64,
        /// The byte.
        end: usize,
    },
}

/// Where a body stands after a step that was committed.
pub enum Stage {
    /// There is more of it.
    Unfinished(Staged),
    /// All of it is written; the receipt is next.
    Complete(Waiting),
    /// It is a repetition.
    Repetition(Waiting, Acceptance),
}

impl Staged {
    /// Of which nothing is written yet.
    pub fn new(waiting: Waiting) -> Self {
        Self { waiting, body: None, written: 0 }
    }

    /// Writes the next piece. Nothing is remembered of it before [`Staged::after`]: the transaction may fail yet.
    pub fn step(&self, transaction: &Transaction<'_>, keys: &mut Keys) -> Result<Step, StoreError> {
        let body = match self.body {
            Some(body) => body,
            None => {
                let (mut table, arrival) = (KeyTable::of(transaction)?, &self.waiting.arrival);
                if let Some(known) = keys.known(&mut table, arrival.key(), arrival.received_at())? {
                    return Ok(Step::Known(known));
                }
                transaction.prepare_cached("INSERT INTO loose_bodies DEFAULT VALUES")?.execute([])?;
                transaction.last_insert_rowid()
            }
        };
        let bytes = self.waiting.arrival.body();
        let end = bytes.len().min(self.written + PIECE_BYTES);
        let place = i64::try_from(self.written / PIECE_BYTES).unwrap_or(i64::MAX);
        transaction
            .prepare_cached("INSERT INTO body_pieces (body, place, bytes) VALUES (?1, ?2, ?3)")?
            .execute(params![body, place, &bytes[self.written..end]])?;
        Ok(Step::Written { body, end })
    }

    /// After a step that was committed.
    pub fn after(self, step: Step) -> Stage {
        match step {
            Step::Known(known) => Stage::Repetition(self.waiting, known),
            Step::Written { body, end } if end < self.waiting.arrival.body().len() => {
                Stage::Unfinished(Self { body: Some(body), written: end, ..self })
            }
            Step::Written { body, .. } => Stage::Complete(Waiting { body: Some(body), ..self.waiting }),
        }
    }

    /// The waiting request, and what of it is in the store, if it cannot go on.
    pub fn give_up(self) -> Waiting {
        Waiting { body: self.body, ..self.waiting }
    }
}

/// Whether a body of so many bytes comes in pieces.
pub fn is_long(bytes: usize) -> bool {
    bytes > LONG_BODY_BYTES
}

/// From now on a receipt holds the body.
pub fn hold(transaction: &Transaction<'_>, body: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM loose_bodies WHERE body = ?1")?.execute([body]).map(drop)
}

/// A body of `length` bytes, put together.
pub fn read(connection: &Connection, body: i64, length: i64) -> rusqlite::Result<Vec<u8>> {
    let length = usize::try_from(length).unwrap_or(0);
    let mut whole = Vec::with_capacity(length);
    let mut select = connection.prepare_cached("SELECT bytes FROM body_pieces WHERE body = ?1 ORDER BY place")?;
    let mut rows = select.query([body])?;
    while let Some(row) = rows.next()? {
        whole.extend_from_slice(row.get_ref(0)?.as_blob()?);
    }
    if whole.len() == length { Ok(whole) } else { Err(unreadable(0, Incomplete { found: whole.len(), length })) }
}

/// Pieces of a body are missing.
#[derive(Debug, thiserror::Error)]
#[error("of a body of {length} bytes only {found} are in the store")]
struct Incomplete {
    found: usize,
    length: usize,
}

/// Removes a body.
pub fn remove(connection: &Connection, body: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM body_pieces WHERE body = ?1")?.execute([body]).map(drop)
}

/// Removes what an ended process has left: called at start, when this process alone has the file.
pub fn remove_loose(connection: &Connection) -> rusqlite::Result<()> {
    let mut select = connection.prepare("SELECT body FROM loose_bodies")?;
    let loose: Vec<i64> = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for body in loose {
        remove(connection, body)?;
        connection.execute("DELETE FROM loose_bodies WHERE body = ?1", [body])?;
    }
    Ok(())
}

/// Removes a body that no receipt holds. Its sender was told to retry, so its space may be needed soon: a removal that
/// fails is tried again, at the next start at the latest.
pub struct Removal {
    /// The body.
    pub body: i64,
    /// Where it is put if it cannot be removed.
    pub left: Arc<Left>,
}

/// Bodies that could not be removed yet.
#[derive(Debug, Default)]
pub struct Left(Mutex<Vec<i64>>);

impl Left {
    /// Their removals, again.
    pub fn removals(self: &Arc<Self>) -> Vec<Removal> {
        let bodies = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        bodies.into_iter().map(|body| Removal { body, left: Arc::clone(self) }).collect()
    }
}

impl Work for Removal {
    fn run(&mut self, transaction: &Transaction<'_>, _keys: &mut KeysAtHand) -> Result<(), StoreError> {
        // A commit that failed may be on the disk nevertheless: then a receipt holds the body.
        if transaction.prepare_cached("DELETE FROM loose_bodies WHERE body = ?1")?.execute([self.body])? == 1 {
            remove(transaction, self.body)?;
        }
        Ok(())
    }

    fn answer(self: Box<Self>, fate: Result<(), StoreError>) {
        if let Err(fault) = fate {
            tracing::debug!(%fault, "a body that was not accepted cannot be removed yet");
            self.left.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.body);
        }
    }
}

/// Longer bodies come in pieces: as one row they would take some ten milliseconds and more.
const LONG_BODY_BYTES: usize = 1 << 20;
/// As much as is written and synced in a few milliseconds.
const PIECE_BYTES: usize = 512 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_cannot_be_removed_is_removed_later() {
        let left = Arc::new(Left::default());
        let fails =
            |body| Box::new(Removal { body, left: Arc::clone(&left) }).answer(Err(StoreError::Full(String::new())));
        fails(7);
        fails(8);
        let again = left.removals();
        assert_eq!(again.iter().map(|removal| removal.body).collect::<Vec<_>>(), [7, 8]);
        again.into_iter().for_each(|removal| Box::new(removal).answer(Ok(())));
        assert!(left.removals().is_empty());
    }
}
