//! The tables of sinks, as the third schema. Never edited once released.
//!
//! An event costs a sink no row. What was planned for sinks is kept by runs: consecutive events that go to the same sinks
//! through the same routes. A sink has a position in the order of events; what is taken from there is a batch, one row of
//! `deliveries` with the range of its events. An event that a sink is sent by itself (it was refused in its batch, replayed,
//! released from quarantine, or planned by an earlier version) has a delivery of its own.

/// The statements.
pub const SCHEMA: &str = "
    CREATE TABLE plans (
        plan     INTEGER PRIMARY KEY,
        document TEXT NOT NULL UNIQUE
    );

    CREATE TABLE plan_sinks (
        plan        INTEGER NOT NULL,
        destination TEXT NOT NULL,
        route       TEXT NOT NULL,
        PRIMARY KEY (plan, destination)
    ) WITHOUT ROWID;

    CREATE TABLE plan_runs (
        first INTEGER PRIMARY KEY,
        last  INTEGER NOT NULL,
        plan  INTEGER NOT NULL
    );

    CREATE TABLE sinks (
        destination TEXT PRIMARY KEY,
        position    INTEGER NOT NULL,
        planned     INTEGER NOT NULL,
        batched     INTEGER NOT NULL
    ) WITHOUT ROWID;

    ALTER TABLE deliveries ADD COLUMN first_event INTEGER;
    ALTER TABLE deliveries ADD COLUMN last_event INTEGER;
    ALTER TABLE deliveries ADD COLUMN events INTEGER;
    CREATE INDEX deliveries_batch ON deliveries (destination, first_event) WHERE first_event IS NOT NULL;
    CREATE INDEX deliveries_batch_age ON deliveries (first_event) WHERE first_event IS NOT NULL;
    CREATE INDEX deliveries_open_batch ON deliveries (first_event) WHERE first_event IS NOT NULL AND state < 2;
";
