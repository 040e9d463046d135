//! Runs: what is accepted and has never been claimed.
//!
//! What waits of one source, one urgency and one size is a queue. A commit sorts its arrivals by queue, so that the receipts
//! of a queue have consecutive numbers, and a *run* is those of one queue and one commit: one row (and its entry in one
//! index), however many they are. Runs do not overlap. A claim takes receipts off the beginning of a run and removes the
//! run with its last receipt. Runs say what waits, in which order, and how much.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Transaction, params};

use super::super::ReceiptSize;
use crate::domain::{Encoding, Urgency};
use crate::vendors::Authenticated;

/// Which queue a receipt waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueKey<'a> {
    /// How much work they are.
    pub size: ReceiptSize,
    /// Who sent them.
    pub source: &'a str,
    /// How soon they should be read.
    pub urgency: Urgency,
}

/// Consecutive receipts of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The number of its first receipt, by which the run is known.
    pub first: i64,
    /// The number of the first that has not been claimed.
    pub next: i64,
    /// The number of its last receipt.
    pub last: i64,
    /// How long the bodies are that have not been claimed, together.
    pub bytes: i64,
}

/// Writes the runs of one commit. Its receipts are added in the order of their numbers.
pub struct RunWriter<'t, 'a> {
    insert: CachedStatement<'t>,
    open: Option<(QueueKey<'a>, Run)>,
}

impl<'a> QueueKey<'a> {
    /// Where an arrival waits.
    pub fn of(arrival: &'a Authenticated) -> Self {
        let size = size_of(arrival.body().len(), arrival.encoding());
        Self { size, source: arrival.source().as_str(), urgency: arrival.urgency() }
    }

    /// Its oldest run.
    pub fn head(self, connection: &Connection) -> rusqlite::Result<Option<Run>> {
        let read =
            |row: &Row<'_>| Ok(Run { first: row.get(0)?, next: row.get(1)?, last: row.get(2)?, bytes: row.get(3)? });
        connection
            .prepare_cached(
                "SELECT first, next, last, bytes FROM runs INDEXED BY runs_lanes
                 WHERE large = ?1 AND source = ?2 AND urgency = ?3 ORDER BY first LIMIT 1",
            )?
            .query_row(params![is_large(self.size), self.source, number(self.urgency)], read)
            .optional()
    }
}

impl Run {
    /// Whether all of it has been claimed.
    pub fn is_over(&self) -> bool {
        self.next > self.last
    }

    /// How many of its receipts have not been claimed.
    pub fn receipts(&self) -> u64 {
        u64::try_from(self.last - self.next + 1).unwrap_or(0)
    }

    /// Writes what is left of it.
    pub fn store(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        if self.is_over() {
            transaction.prepare_cached("DELETE FROM runs WHERE first = ?1")?.execute([self.first])?;
        } else {
            transaction
                .prepare_cached("UPDATE runs SET next = ?2, bytes = ?3 WHERE first = ?1")?
                .execute(params![self.first, self.next, self.bytes])?;
        }
        Ok(())
    }
}

impl<'t, 'a> RunWriter<'t, 'a> {
    /// For the commit of this transaction.
    pub fn of(transaction: &'t Transaction<'t>) -> rusqlite::Result<Self> {
        let insert = transaction.prepare_cached(
            "INSERT INTO runs (first, next, last, bytes, large, source, urgency) VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        Ok(Self { insert, open: None })
    }

    /// A receipt has been written.
    pub fn add(&mut self, queue: QueueKey<'a>, seq: i64, bytes: i64) -> rusqlite::Result<()> {
        match &mut self.open {
            Some((open, run)) if *open == queue && run.last + 1 == seq => {
                run.last = seq;
                run.bytes += bytes;
                Ok(())
            }
            _ => {
                self.finish()?;
                self.open = Some((queue, Run { first: seq, next: seq, last: seq, bytes }));
                Ok(())
            }
        }
    }

    /// Writes the last run.
    pub fn finish(&mut self) -> rusqlite::Result<()> {
        let Some((queue, run)) = self.open.take() else { return Ok(()) };
        let QueueKey { size, source, urgency } = queue;
        self.insert.execute(params![run.first, run.last, run.bytes, is_large(size), source, number(urgency)]).map(drop)
    }
}

/// The first source by name behind `after` of which something of that size waits.
pub fn next_source(connection: &Connection, size: ReceiptSize, after: &str) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT source FROM runs INDEXED BY runs_lanes WHERE large = ?1 AND source > ?2 ORDER BY source LIMIT 1",
        )?
        .query_row(params![is_large(size), after], |row| row.get(0))
        .optional()
}

/// Whether anything of that size waits.
pub fn is_waiting(connection: &Connection, size: ReceiptSize) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM runs INDEXED BY runs_lanes WHERE large = ?1 LIMIT 1")?
        .exists([is_large(size)])
}

/// How much work a body of so many bytes is. The same as [`IS_LARGE`].
pub fn size_of(bytes: usize, encoding: Encoding) -> ReceiptSize {
    let limit = if encoding == Encoding::Identity { SMALL_BYTES_MAX } else { SMALL_COMPRESSED_BYTES_MAX };
    if bytes > limit { ReceiptSize::Large } else { ReceiptSize::Small }
}

/// As it is stored in the tables.
pub fn is_large(size: ReceiptSize) -> bool {
    size == ReceiptSize::Large
}

/// The number of an urgency in the table: the more urgent, the less.
fn number(urgency: Urgency) -> i8 {
    match urgency {
        Urgency::First => -1,
        Urgency::Critical => 0,
        Urgency::High => 1,
        Urgency::Normal => 2,
        Urgency::Low => 3,
    }
}

/// A body of that length, of alerts of half a kilobyte, takes some ten milliseconds to read and to record.
const SMALL_BYTES_MAX: usize = 131_072;
/// Text becomes a tenth when it is compressed.
const SMALL_COMPRESSED_BYTES_MAX: usize = 16_384;

/// The same as [`size_of`] of a row `r` of `receipts`.
pub const IS_LARGE: &str = "(r.bytes > 131072 OR (r.encoding <> 'identity' AND r.bytes > 16384))";

/// Whether a row `r` of `receipts` has never been claimed.
pub const WAITS: &str = "coalesce((SELECT r.seq BETWEEN w.next AND w.last FROM runs w WHERE w.first <= r.seq
    ORDER BY w.first DESC LIMIT 1), 0)";

/// The part of the second schema that concerns receipts. What waited beyond `dispatch_mark` becomes runs of the urgency
/// `high`, because how urgent it is is not known; what was claimed or is replayed stays in `receipt_queue`, where rows of
/// many tries and large ones are found by small indices.
pub const SCHEMA: &str = "
    CREATE TABLE runs (
        first   INTEGER PRIMARY KEY,
        next    INTEGER NOT NULL,
        last    INTEGER NOT NULL,
        bytes   INTEGER NOT NULL,
        large   INTEGER NOT NULL,
        source  TEXT NOT NULL,
        urgency INTEGER NOT NULL
    );
    CREATE INDEX runs_lanes ON runs (large, source, urgency);

    INSERT INTO runs (first, next, last, bytes, large, source, urgency)
    SELECT min(seq), min(seq), max(seq), sum(bytes), large, source, 1 FROM (
        SELECT seq, bytes, large, source, seq - row_number() OVER (PARTITION BY source, large ORDER BY seq) AS island
        FROM (
            SELECT r.seq, r.bytes, r.source,
                (r.bytes > 131072 OR (r.encoding <> 'identity' AND r.bytes > 16384)) AS large
            FROM receipts r WHERE r.seq > (SELECT seq FROM dispatch_mark)
        )
    ) GROUP BY source, large, island;
    DROP TABLE dispatch_mark;

    ALTER TABLE receipt_queue ADD COLUMN large INTEGER NOT NULL DEFAULT 0;
    UPDATE receipt_queue SET large = 1 WHERE seq IN (
        SELECT r.seq FROM receipts r
        WHERE r.seq IN (SELECT seq FROM receipt_queue)
        AND (r.bytes > 131072 OR (r.encoding <> 'identity' AND r.bytes > 16384))
    );
    CREATE INDEX receipt_queue_large ON receipt_queue (large) WHERE large = 1;
    CREATE INDEX receipt_queue_suspects ON receipt_queue (tries) WHERE tries >= 2;
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_for_sizes_is_the_same_in_the_tables() {
        let connection = Connection::open_in_memory().unwrap();
        assert!(SCHEMA.contains(IS_LARGE));
        for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Unknown] {
            for bytes in [0, 16_384, 16_385, 131_072, 131_073] {
                let statement = format!("SELECT {IS_LARGE} FROM (SELECT ?1 AS bytes, ?2 AS encoding) r");
                let found =
                    connection.query_row(&statement, params![bytes as i64, encoding.as_str()], |row| row.get(0));
                assert_eq!(found, Ok(is_large(size_of(bytes, encoding))), "{encoding:?} {bytes}");
            }
        }
    }

    #[test]
    fn the_table_has_the_most_urgent_first() {
        assert!(Urgency::MOST_URGENT_FIRST.map(number).is_sorted());
    }
}
