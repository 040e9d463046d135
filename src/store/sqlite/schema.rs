//! The tables, and how an older file becomes a newer one.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::access::Access;
use super::open_error::{OpenError, unusable};
use super::{
    id_order, incident_schema, numbers, operator_schema, replay_schema, runs, sink_schema, stored_places, token_schema,
};

/// Refuses a newer or foreign file, before anything in it is changed. An older one is refused as well for a command of the
/// operator's: only the process that serves, which has the file for itself, brings it to the newest schema. A command of a
/// newer version would change the tables under the process that serves.
pub fn look(connection: &Connection, path: &Path, access: Access) -> Result<(), OpenError> {
    let known = MIGRATIONS.len() as i64;
    let header = Header::of(connection).map_err(|error| unusable(path, error))?;
    if header.is_foreign() {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let found = header.version;
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    match access {
        Access::Serve => Ok(()),
        Access::Operate if found == known => Ok(()),
        Access::Operate if header.tables == 0 => Err(OpenError::Absent { path: path.to_owned() }),
        Access::Operate => Err(OpenError::Older { path: path.to_owned(), found, known }),
    }
}

/// What the file says of itself.
struct Header {
    application: i64,
    version: i64,
    tables: i64,
}

impl Header {
    fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let number = |statement: &str| connection.query_row(statement, [], |row| row.get(0));
        Ok(Self {
            application: number("PRAGMA application_id")?,
            version: number("PRAGMA user_version")?,
            tables: number("SELECT count(*) FROM sqlite_schema")?,
        })
    }

    fn is_foreign(&self) -> bool {
        self.application != APPLICATION_ID && self.tables > 0
    }
}

/// Brings the file to the newest schema, in one transaction: only for the process that serves.
pub fn prepare(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let known = MIGRATIONS.len() as i64;
    let migrate = |connection: &mut Connection| -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = Header::of(&transaction)?.version;
        if found < known {
            for migration in &MIGRATIONS[usize::try_from(found).unwrap_or(0)..] {
                migration.iter().try_for_each(|piece| transaction.execute_batch(piece))?;
            }
            transaction
                .execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {known};"))?;
        }
        transaction.commit()
    };
    migrate(connection).map_err(|error| unusable(path, error))
}

/// "gate" in ASCII.
const APPLICATION_ID: i64 = 0x6761_7465;

/// One entry a version; entries are never edited once released.
///
/// - `dedupe_keys` and `event_keys` are the arbiters of "once": narrow, apart from what they guard, so that they can
///   outlive it and stay small.
/// - `receipts` is only ever appended to: what becomes of a receipt is written into `receipt_results`, so that no page
///   with bodies is written twice. What waits to be claimed by a dispatcher is in `runs`: receipts of one source and
///   urgency with consecutive numbers, as one commit took them in. `receipt_queue` holds what has been claimed, or is
///   replayed, and is not dispatched yet.
/// - `body_pieces` holds long bodies: `receipts.body` is empty then, and `receipts.long_body` says which. `loose_bodies`
///   are those that no receipt holds yet.
/// - `deliveries` is the queue: `deliveries_due` holds only what waits, `deliveries_leased` only what is under way.
/// - `incidents` is narrow, because it is touched in every transaction of a flood; the texts that are shown are in
///   `incident_texts`. At most one incident of a key is live.
/// - `notifications` says what a destination was told about an incident. Its `pending` is the one delivery, if any, that
///   will bring it up to date: `deliveries.notification` points back. A delivery of a sink has a range of events instead, or
///   one `event`: see [`sink_schema`].
/// - `numbers` says which numbers of receipts and events have been given out, `stray_ids` whose ids are out of order: see
///   [`numbers`] and [`id_order`].
/// - `notices` and `source_activity` are for what the operator is told: see [`operator_schema`].
/// - `token_chains` holds refresh tokens: see [`token_schema`].
/// - `key_places` says in which parts keys are, so that not all are read at a start: see [`stored_places`].
const MIGRATIONS: &[&[&str]] = &[
    &[KEYS, FIRST],
    &[runs::SCHEMA, incident_schema::SCHEMA],
    &[sink_schema::SCHEMA],
    &[replay_schema::SCHEMA, operator_schema::NOTICES, operator_schema::FALLBACKS],
    &[numbers::SCHEMA, id_order::SCHEMA, token_schema::SCHEMA],
    &[stored_places::SCHEMA],
    &[incident_schema::FIRINGS, incident_schema::CHECKED],
];

/// The keys of accepted requests and of events, part by part: see [`parts`](super::key_partitions).
const KEYS: &str = "
    CREATE TABLE dedupe_keys (
        part    INTEGER NOT NULL,
        key     BLOB NOT NULL,
        receipt BLOB NOT NULL,
        seen_at INTEGER NOT NULL,
        PRIMARY KEY (part, key)
    ) WITHOUT ROWID;

    CREATE TABLE event_keys (
        part    INTEGER NOT NULL,
        key     BLOB NOT NULL,
        event   INTEGER NOT NULL,
        seen_at INTEGER NOT NULL,
        PRIMARY KEY (part, key)
    ) WITHOUT ROWID;
";

const FIRST: &str = "
    CREATE TABLE receipts (
        seq          INTEGER PRIMARY KEY AUTOINCREMENT,
        id           BLOB NOT NULL UNIQUE,
        source       TEXT NOT NULL,
        received_at  INTEGER NOT NULL,
        content_type TEXT,
        encoding     TEXT NOT NULL,
        bytes        INTEGER NOT NULL,
        body         BLOB NOT NULL,
        long_body    INTEGER
    );

    CREATE TABLE body_pieces (
        body  INTEGER NOT NULL,
        place INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (body, place)
    ) WITHOUT ROWID;

    CREATE TABLE loose_bodies (
        body INTEGER PRIMARY KEY AUTOINCREMENT
    );

    CREATE TABLE dispatch_mark (
        id  INTEGER PRIMARY KEY CHECK (id = 1),
        seq INTEGER NOT NULL
    );
    INSERT INTO dispatch_mark VALUES (1, 0);

    CREATE TABLE receipt_queue (
        seq         INTEGER PRIMARY KEY,
        lease_until INTEGER NOT NULL DEFAULT 0,
        generation  INTEGER NOT NULL DEFAULT 0,
        tries       INTEGER NOT NULL DEFAULT 0,
        replay      INTEGER NOT NULL DEFAULT 0
    );

    CREATE TABLE receipt_results (
        seq              INTEGER PRIMARY KEY,
        dispatched_at    INTEGER NOT NULL,
        events_new       INTEGER NOT NULL,
        events_duplicate INTEGER NOT NULL,
        note             TEXT
    );

    CREATE TABLE events (
        seq         INTEGER PRIMARY KEY AUTOINCREMENT,
        id          BLOB NOT NULL UNIQUE,
        receipt     BLOB NOT NULL,
        source      TEXT NOT NULL,
        received_at INTEGER NOT NULL,
        severity    INTEGER NOT NULL,
        unrouted    INTEGER NOT NULL,
        quarantined INTEGER NOT NULL,
        title       TEXT NOT NULL,
        document    TEXT NOT NULL
    );
    CREATE INDEX events_receipt ON events (receipt);
    CREATE INDEX events_unrouted ON events (seq) WHERE unrouted = 1;
    CREATE INDEX events_quarantined ON events (seq) WHERE quarantined = 1;

    CREATE TABLE deliveries (
        seq            INTEGER PRIMARY KEY AUTOINCREMENT,
        id             BLOB NOT NULL UNIQUE,
        event          INTEGER NOT NULL,
        destination    TEXT NOT NULL,
        route          TEXT NOT NULL,
        state          INTEGER NOT NULL DEFAULT 0,
        urgency        INTEGER NOT NULL,
        not_before     INTEGER NOT NULL,
        lease_until    INTEGER NOT NULL DEFAULT 0,
        generation     INTEGER NOT NULL DEFAULT 0,
        tries          INTEGER NOT NULL DEFAULT 0,
        uncertain      INTEGER NOT NULL DEFAULT 0,
        retrying_since INTEGER,
        created_at     INTEGER NOT NULL,
        progress       TEXT,
        remote         TEXT,
        reason         TEXT,
        UNIQUE (event, destination)
    );
    CREATE INDEX deliveries_due ON deliveries (destination, urgency, not_before) WHERE state = 0;
    CREATE INDEX deliveries_leased ON deliveries (destination, lease_until) WHERE state = 1;
    CREATE INDEX deliveries_dead ON deliveries (seq) WHERE state = 3;

    CREATE TABLE attempts (
        delivery    INTEGER NOT NULL,
        number      INTEGER NOT NULL,
        started_at  INTEGER NOT NULL,
        duration_ms INTEGER NOT NULL,
        outcome     TEXT NOT NULL,
        reason      TEXT,
        PRIMARY KEY (delivery, number)
    ) WITHOUT ROWID;

    CREATE TABLE pulse (
        id      INTEGER PRIMARY KEY CHECK (id = 1),
        at      INTEGER NOT NULL,
        vouched INTEGER NOT NULL,
        forgets INTEGER NOT NULL
    );
    INSERT INTO pulse VALUES (1, 0, 0, 0);
";

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of the first schema, with these rows in it.
    fn first(rows: &str) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        MIGRATIONS[0].iter().for_each(|piece| connection.execute_batch(piece).unwrap());
        connection.execute_batch(rows).unwrap();
        connection.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection
    }

    fn rows(connection: &Connection, select: &str) -> Vec<String> {
        let mut select = connection.prepare(select).unwrap();
        let columns = select.column_count();
        let rows = select.query_map([], |row| {
            let values = (0..columns).map(|column| Ok(format!("{:?}", row.get::<_, rusqlite::types::Value>(column)?)));
            Ok(values.collect::<rusqlite::Result<Vec<_>>>()?.join(" "))
        });
        rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
    }

    #[test]
    fn what_waited_in_a_store_of_the_first_schema_waits_as_before() {
        let mut connection = first(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 12)
             INSERT INTO receipts (id, source, received_at, encoding, bytes, body)
             SELECT randomblob(16), iif(n IN (6, 7, 9), 'b', 'a'), n, iif(n = 12, 'gzip', 'identity'),
                iif(n IN (2, 11), 131073, iif(n = 12, 16385, 10)), x'00' FROM n;
             UPDATE dispatch_mark SET seq = 3;
             INSERT INTO receipt_queue (seq, generation, tries, replay) VALUES (1, 4, 2, 0), (2, 0, 0, 1);",
        );
        prepare(&mut connection, Path::new("test.db")).unwrap();
        let text = |value: &str| format!("Text(\"{value}\")");
        let (a, b) = (text("a"), text("b"));
        let run = |first: i64, last: i64, bytes: i64, large: i64, source: &str| {
            format!(
                "Integer({first}) Integer({first}) Integer({last}) Integer({bytes}) Integer({large}) {source} Integer(1)"
            )
        };
        assert_eq!(
            rows(&connection, "SELECT first, next, last, bytes, large, source, urgency FROM runs ORDER BY first"),
            [run(4, 5, 20, 0, &a), run(6, 7, 20, 0, &b), run(8, 8, 10, 0, &a), run(9, 9, 10, 0, &b)]
                .into_iter()
                .chain([run(10, 10, 10, 0, &a), run(11, 12, 147_458, 1, &a)])
                .collect::<Vec<_>>()
        );
        assert_eq!(
            rows(&connection, "SELECT seq, generation, tries, replay, large FROM receipt_queue ORDER BY seq"),
            [
                "Integer(1) Integer(4) Integer(2) Integer(0) Integer(0)",
                "Integer(2) Integer(0) Integer(0) Integer(1) Integer(1)"
            ]
        );
        assert_eq!(rows(&connection, "SELECT 1 FROM sqlite_schema WHERE name = 'dispatch_mark'"), [""; 0]);
    }

    #[test]
    fn a_store_of_the_first_schema_with_nothing_waiting_has_no_runs() {
        let mut connection = first(
            "INSERT INTO receipts VALUES (7, x'00', 'a', 0, NULL, 'identity', 1, x'00', NULL);
             UPDATE dispatch_mark SET seq = 7;",
        );
        prepare(&mut connection, Path::new("test.db")).unwrap();
        assert_eq!(rows(&connection, "SELECT * FROM runs"), [""; 0]);
    }

    #[test]
    fn what_is_live_and_was_never_to_be_checked_is_checked_after_the_migration() {
        let mut connection = first("");
        MIGRATIONS[1..6].iter().flat_map(|pieces| pieces.iter()).for_each(|piece| {
            connection.execute_batch(piece).unwrap();
        });
        connection.pragma_update(None, "user_version", 6).unwrap();
        connection
            .execute_batch(
                "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3)
                 INSERT INTO incidents (id, source, key, state, is_live, level, check_at, document)
                 SELECT randomblob(16), 'a', randomblob(16), 'open', n < 3, 1, iif(n = 2, 7, NULL), '{}' FROM n;",
            )
            .unwrap();
        prepare(&mut connection, Path::new("test.db")).unwrap();
        let times = rows(&connection, "SELECT check_at FROM incidents ORDER BY number");
        assert_eq!(times, ["Integer(0)", "Integer(7)", "Null"]);
    }

    #[test]
    fn the_keys_of_a_store_without_their_places_are_known_after_the_migration_and_their_places_are_stored() {
        let mut connection = first(
            "WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 9)
             INSERT INTO dedupe_keys SELECT 500 * n, zeroblob(15) || char(65 + n), x'00', n FROM n;
             UPDATE dedupe_keys SET key = CAST(key AS BLOB);",
        );
        prepare(&mut connection, Path::new("test.db")).unwrap();
        super::super::keys::Keys::load(&connection).unwrap();
        let stored = rows(&connection, "SELECT kind, generation FROM key_places ORDER BY generation");
        // The highest part is 4500: five generations of 896 parts have been filled, and the sixth is open.
        assert_eq!(stored, (0..5).map(|number| format!("Integer(0) Integer({number})")).collect::<Vec<_>>());
    }
}
