//! Receipts and events are found by their ids without an index over them: ids made later sort later, so that the tables, which
//! are in the order of their rows, are in the order of their ids as well, and are searched by halving.
//!
//! A row whose id is not above all before it is a *stray*: the clock had been ahead when the process before this one ended, or
//! two bodies were read side by side. Strays are few; their ids are in `stray_ids`, and the search passes over their rows.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::numbers::Numbered;

/// An id as it is stored.
type Id = [u8; 16];

/// The greatest id of a table, on the thread that writes.
#[derive(Debug)]
pub struct IdOrder {
    table: Numbered,
    greatest: Option<Id>,
}

/// Rows that may have the ids of a range: those from the first to the last number, and the strays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    pub first: i64,
    pub last: i64,
}

impl IdOrder {
    /// Of a table as it is.
    pub fn load(table: Numbered, connection: &Connection) -> rusqlite::Result<Self> {
        let greatest = connection.query_row(statements(table).greatest, [], |row| Ok(id_in(row, 0))).optional()?;
        Ok(Self { table, greatest: greatest.and_then(|id| Id::try_from(id).ok()) })
    }

    /// A row has been written behind all others. That this may be rolled back makes no difference: the next one is a stray
    /// then, at worst.
    pub fn note(&mut self, transaction: &Transaction<'_>, row: i64, id: &Id) -> rusqlite::Result<()> {
        if self.greatest.is_none_or(|greatest| *id > greatest) {
            self.greatest = Some(*id);
            return Ok(());
        }
        transaction
            .prepare_cached("INSERT INTO stray_ids (kind, id, seq) VALUES (?1, ?2, ?3)")?
            .execute(params![self.table.kind(), id, row])
            .map(drop)
    }
}

/// What was stored while the clock was ahead becomes strays instead of all that comes until that time: at a start, before
/// anything is stored. `present`: an id of now.
pub fn forget_the_future(connection: &Connection, present: &Id) -> rusqlite::Result<()> {
    for table in [Numbered::Receipts, Numbered::Events] {
        let Some((first, _)) = first_from(connection, table, present)? else { continue };
        let marked = connection.execute(statements(table).mark, [first])?;
        tracing::warn!(
            rows = marked,
            "ids were made while the clock was ahead; they are kept in an index of their own"
        );
    }
    Ok(())
}

/// The row of an id.
pub fn find(connection: &Connection, table: Numbered, id: &Id) -> rusqlite::Result<Option<i64>> {
    let stray = connection
        .prepare_cached("SELECT seq FROM stray_ids WHERE kind = ?1 AND id = ?2")?
        .query_row(params![table.kind(), id], |row| row.get(0))
        .optional()?;
    if stray.is_some() {
        return Ok(stray);
    }
    let found = first_from(connection, table, id)?;
    Ok(found.filter(|(_, found)| found.as_slice() == id).map(|(row, _)| row))
}

/// The rows of the ids between two, both included.
pub fn range(connection: &Connection, table: Numbered, low: &Id, high: &Id) -> rusqlite::Result<Rows> {
    let first = first_from(connection, table, low)?.map_or(i64::MAX, |(row, _)| row);
    let above = u128::from_be_bytes(*high).checked_add(1).map(u128::to_be_bytes);
    let beyond = above.map(|above| first_from(connection, table, &above)).transpose()?.flatten();
    Ok(Rows { first, last: beyond.map_or(i64::MAX, |(row, _)| row - 1) })
}

/// The first row, but for strays, whose id is not below.
fn first_from(connection: &Connection, table: Numbered, id: &Id) -> rusqlite::Result<Option<(i64, Vec<u8>)>> {
    let ends = connection
        .prepare_cached(statements(table).ends)?
        .query_row([], |row| Ok(row.get::<_, Option<i64>>(0)?.zip(row.get::<_, Option<i64>>(1)?)))?;
    let Some((mut low, mut high)) = ends else { return Ok(None) };
    let mut next = connection.prepare_cached(statements(table).next)?;
    let mut found = None;
    while low <= high {
        let middle = low + (high - low) / 2;
        let row: Option<(i64, Vec<u8>)> =
            next.query_row([middle, high], |row| Ok((row.get(0)?, id_in(row, 1)))).optional()?;
        match row {
            None => high = middle - 1,
            Some((row, of_row)) if of_row.as_slice() < id.as_slice() => low = row + 1,
            Some(row) => {
                found = Some(row);
                high = middle - 1;
            }
        }
    }
    Ok(found)
}

/// What stands in the place of an id: a row that is damaged must not keep the others from being found.
fn id_in(row: &Row<'_>, column: usize) -> Vec<u8> {
    match row.get_ref(column) {
        Ok(ValueRef::Blob(bytes) | ValueRef::Text(bytes)) => bytes.to_vec(),
        _ => Vec::new(),
    }
}

/// How the ids of a table are read, without strays.
struct Statements {
    greatest: &'static str,
    /// Each end by itself: both together would read the whole table.
    ends: &'static str,
    next: &'static str,
    /// Makes the rows from a number on strays.
    mark: &'static str,
}

fn statements(table: Numbered) -> Statements {
    match table {
        Numbered::Receipts => Statements {
            greatest: "SELECT r.id FROM receipts r WHERE NOT EXISTS
                (SELECT 1 FROM stray_ids s WHERE s.kind = 0 AND s.seq = r.seq) ORDER BY r.seq DESC LIMIT 1",
            ends: "SELECT (SELECT min(seq) FROM receipts), (SELECT max(seq) FROM receipts)",
            next: "SELECT r.seq, r.id FROM receipts r WHERE r.seq BETWEEN ?1 AND ?2 AND NOT EXISTS
                (SELECT 1 FROM stray_ids s WHERE s.kind = 0 AND s.seq = r.seq) ORDER BY r.seq LIMIT 1",
            mark: "INSERT INTO stray_ids (kind, id, seq) SELECT 0, id, seq FROM receipts WHERE seq >= ?1
                ON CONFLICT DO NOTHING",
        },
        Numbered::Events => Statements {
            greatest: "SELECT e.id FROM events e WHERE NOT EXISTS
                (SELECT 1 FROM stray_ids s WHERE s.kind = 1 AND s.seq = e.seq) ORDER BY e.seq DESC LIMIT 1",
            ends: "SELECT (SELECT min(seq) FROM events), (SELECT max(seq) FROM events)",
            next: "SELECT e.seq, e.id FROM events e WHERE e.seq BETWEEN ?1 AND ?2 AND NOT EXISTS
                (SELECT 1 FROM stray_ids s WHERE s.kind = 1 AND s.seq = e.seq) ORDER BY e.seq LIMIT 1",
            mark: "INSERT INTO stray_ids (kind, id, seq) SELECT 1, id, seq FROM events WHERE seq >= ?1
                ON CONFLICT DO NOTHING",
        },
    }
}

/// Forgets the strays among rows that are deleted.
pub fn prune(transaction: &Transaction<'_>, table: Numbered, deleted: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM stray_ids WHERE kind = ?1 AND seq = ?2")?
        .execute(params![table.kind(), deleted])
        .map(drop)
}

/// A part of the fifth schema. Until then the ids were in an index of their own, which took an entry for each request and each
/// event.
pub const SCHEMA: &str = "
    CREATE TABLE stray_ids (
        kind INTEGER NOT NULL,
        id   BLOB NOT NULL,
        seq  INTEGER NOT NULL,
        PRIMARY KEY (kind, id)
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX stray_ids_rows ON stray_ids (kind, seq);

    CREATE TABLE receipts_by_number (
        seq          INTEGER PRIMARY KEY,
        id           BLOB NOT NULL,
        source       TEXT NOT NULL,
        received_at  INTEGER NOT NULL,
        content_type TEXT,
        encoding     TEXT NOT NULL,
        bytes        INTEGER NOT NULL,
        body         BLOB NOT NULL,
        long_body    INTEGER
    );
    INSERT INTO receipts_by_number
        SELECT seq, id, source, received_at, content_type, encoding, bytes, body, long_body FROM receipts ORDER BY seq;
    DROP TABLE receipts;
    ALTER TABLE receipts_by_number RENAME TO receipts;

    CREATE TABLE events_by_number (
        seq         INTEGER PRIMARY KEY,
        id          BLOB NOT NULL,
        receipt     BLOB NOT NULL,
        source      TEXT NOT NULL,
        received_at INTEGER NOT NULL,
        severity    INTEGER NOT NULL,
        unrouted    INTEGER NOT NULL,
        quarantined INTEGER NOT NULL,
        title       TEXT NOT NULL,
        document    TEXT NOT NULL,
        incident    INTEGER,
        joined      INTEGER
    );
    INSERT INTO events_by_number
        SELECT seq, id, receipt, source, received_at, severity, unrouted, quarantined, title, document, incident, joined
        FROM events ORDER BY seq;
    DROP TABLE events;
    ALTER TABLE events_by_number RENAME TO events;
    CREATE INDEX events_receipt ON events (receipt);
    CREATE INDEX events_unrouted ON events (seq) WHERE unrouted = 1;
    CREATE INDEX events_quarantined ON events (seq) WHERE quarantined = 1;
    CREATE INDEX events_incident ON events (incident, seq) WHERE incident IS NOT NULL;

    INSERT INTO stray_ids (kind, id, seq)
        SELECT 0, id, seq FROM (SELECT id, seq,
            max(id) OVER (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS greatest FROM receipts)
        WHERE id <= greatest;
    INSERT INTO stray_ids (kind, id, seq)
        SELECT 1, id, seq FROM (SELECT id, seq,
            max(id) OVER (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS greatest FROM events)
        WHERE id <= greatest;
";

#[cfg(test)]
mod tests {
    use super::*;

    fn table(ids: &[(i64, u8)]) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE receipts (seq INTEGER PRIMARY KEY, id BLOB);
                 CREATE TABLE events (seq INTEGER PRIMARY KEY, id BLOB);
                 CREATE TABLE stray_ids (kind INTEGER, id BLOB, seq INTEGER, PRIMARY KEY (kind, id)) WITHOUT ROWID",
            )
            .unwrap();
        let transaction = connection.transaction().unwrap();
        let mut order = IdOrder::load(Numbered::Receipts, &transaction).unwrap();
        for (row, byte) in ids {
            transaction.execute("INSERT INTO receipts VALUES (?1, ?2)", params![row, [*byte; 16]]).unwrap();
            order.note(&transaction, *row, &[*byte; 16]).unwrap();
        }
        transaction.commit().unwrap();
        connection
    }

    fn strays(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM stray_ids", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn every_row_is_found_by_its_id_and_no_other_id_is() {
        // In order; with gaps; with strays at the beginning, in the middle, at the end, many in a row; one; none.
        let tables: [&[(i64, u8)]; 7] = [
            &[(1, 10), (2, 20), (3, 30), (4, 40)],
            &[(5, 10), (900, 20), (901, 30), (5_000_000, 40)],
            &[(1, 90), (2, 20), (3, 30), (4, 91)],
            &[(1, 10), (2, 20), (3, 15), (4, 14), (5, 13), (6, 12), (7, 11), (8, 30)],
            &[(1, 10), (2, 20), (3, 5)],
            &[(7, 10)],
            &[],
        ];
        for rows in tables {
            let connection = table(rows);
            for byte in 0..=255 {
                let expected = rows.iter().find(|(_, of_row)| *of_row == byte).map(|(row, _)| *row);
                assert_eq!(find(&connection, Numbered::Receipts, &[byte; 16]), Ok(expected), "{byte} in {rows:?}");
            }
        }
        assert_eq!(strays(&table(tables[0])), 0);
        assert_eq!(strays(&table(tables[3])), 5);
    }

    #[test]
    fn no_row_is_looked_for_by_reading_the_whole_table() {
        let connection = table(&[(1, 10)]);
        for table in [Numbered::Receipts, Numbered::Events] {
            let Statements { greatest, ends, next, .. } = statements(table);
            for statement in [greatest, ends, next] {
                let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
                let count = plan.parameter_count();
                let values = vec![rusqlite::types::Value::Integer(1); count];
                let steps = plan.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
                let steps: Vec<String> = steps.map(Result::unwrap).collect();
                // The greatest is read from the end, and no further than strays go.
                let scans = steps.iter().filter(|step| step.starts_with("SCAN") && !step.contains("CONSTANT")).count();
                assert!(scans == 0 || statement == greatest, "{statement}: {steps:#?}");
            }
        }
    }

    #[test]
    fn a_range_of_ids_is_a_range_of_rows() {
        let connection = table(&[(1, 10), (4, 20), (5, 30), (9, 40)]);
        let rows = |low: u8, high: u8| {
            let Rows { first, last } = range(&connection, Numbered::Receipts, &[low; 16], &[high; 16]).unwrap();
            (first, last)
        };
        assert_eq!(rows(20, 30), (4, 8));
        assert_eq!(rows(11, 19), (4, 3), "none");
        assert_eq!(rows(0, 255), (1, i64::MAX));
        assert_eq!(rows(41, 50), (i64::MAX, i64::MAX));
    }

    #[test]
    fn ids_of_a_clock_that_was_ahead_do_not_make_strays_of_those_to_come() {
        let mut connection = table(&[(1, 10), (2, 20), (3, 200), (4, 201), (5, 21)]);
        forget_the_future(&connection, &[30; 16]).unwrap();
        assert_eq!(strays(&connection), 3, "the fifth was one before");
        let transaction = connection.transaction().unwrap();
        let mut order = IdOrder::load(Numbered::Receipts, &transaction).unwrap();
        assert_eq!(order.greatest, Some([20; 16]));
        transaction.execute("INSERT INTO receipts VALUES (6, ?1)", [[31_u8; 16]]).unwrap();
        order.note(&transaction, 6, &[31; 16]).unwrap();
        assert_eq!(strays(&transaction), 3);
        for (byte, row) in [(10, 1), (20, 2), (200, 3), (201, 4), (21, 5), (31, 6)] {
            assert_eq!(find(&transaction, Numbered::Receipts, &[byte; 16]), Ok(Some(row)));
        }
        forget_the_future(&transaction, &[40; 16]).unwrap();
        assert_eq!(strays(&transaction), 3, "nothing is ahead any more");
    }

    #[test]
    fn after_a_restart_the_order_goes_on() {
        let mut connection = table(&[(1, 10), (2, 50), (3, 20)]);
        let transaction = connection.transaction().unwrap();
        let mut order = IdOrder::load(Numbered::Receipts, &transaction).unwrap();
        assert_eq!(order.greatest, Some([50; 16]));
        order.note(&transaction, 4, &[30; 16]).unwrap();
        order.note(&transaction, 5, &[60; 16]).unwrap();
        assert_eq!(strays(&transaction), 2);
    }
}
