//! The numbers of receipts and events, which say their order and are never given out twice, also where retention has deleted
//! the last row: positions of sinks, runs and leases are such numbers.

use rusqlite::{Connection, Transaction, params};

/// A table whose rows are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbered {
    Receipts,
    Events,
}

impl Numbered {
    /// As it is stored.
    pub fn kind(self) -> i64 {
        match self {
            Self::Receipts => 0,
            Self::Events => 1,
        }
    }

    /// The number that was given out last; 0 if none was.
    pub fn last(self, connection: &Connection) -> rusqlite::Result<i64> {
        let statement = match self {
            Self::Receipts => {
                "SELECT max(least, coalesce((SELECT max(seq) FROM receipts), 0)) FROM numbers WHERE kind = 0"
            }
            Self::Events => "SELECT max(least, coalesce((SELECT max(seq) FROM events), 0)) FROM numbers WHERE kind = 1",
        };
        connection.prepare_cached(statement)?.query_row([], |row| row.get(0))
    }

    /// Rows up to this number are deleted in this transaction.
    pub fn note_deleted(self, transaction: &Transaction<'_>, last: i64) -> rusqlite::Result<()> {
        transaction
            .prepare_cached("UPDATE numbers SET least = ?2 WHERE kind = ?1 AND least < ?2")?
            .execute(params![self.kind(), last])
            .map(drop)
    }
}

/// A part of the fifth schema. Until then the tables had `AUTOINCREMENT`, which writes a row of another table for each of
/// theirs.
pub const SCHEMA: &str = "
    CREATE TABLE numbers (
        kind  INTEGER PRIMARY KEY,
        least INTEGER NOT NULL
    );
    INSERT INTO numbers VALUES
        (0, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'receipts'), 0)),
        (1, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0));
";
