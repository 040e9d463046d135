//! The tables of replays to sinks, as the fourth schema. Never edited once released.
//!
//! `replay_runs` holds what was chosen, as runs of consecutive events. A replay has a position of its own in the order of
//! events; a batch of it is a row of `deliveries` like that of a live one, with the number of the replay. A sink has at most
//! one replay that is chosen (0) or running (1); those that are over (2) or stopped (3) stay as long as their events.

/// The statements.
pub const SCHEMA: &str = "
    CREATE TABLE replays (
        number      INTEGER PRIMARY KEY AUTOINCREMENT,
        destination TEXT NOT NULL,
        since       INTEGER NOT NULL,
        until       INTEGER NOT NULL,
        ordered_at  INTEGER NOT NULL,
        state       INTEGER NOT NULL DEFAULT 0,
        position    INTEGER NOT NULL DEFAULT 0,
        events      INTEGER NOT NULL DEFAULT 0,
        batched     INTEGER NOT NULL DEFAULT 0
    );
    CREATE UNIQUE INDEX replays_open ON replays (destination) WHERE state < 2;

    CREATE TABLE replay_runs (
        replay INTEGER NOT NULL,
        first  INTEGER NOT NULL,
        last   INTEGER NOT NULL,
        PRIMARY KEY (replay, first)
    ) WITHOUT ROWID;

    ALTER TABLE deliveries ADD COLUMN replay INTEGER;
    DROP INDEX deliveries_batch;
    CREATE INDEX deliveries_batch ON deliveries (destination, first_event)
        WHERE first_event IS NOT NULL AND replay IS NULL;
    CREATE INDEX deliveries_replay ON deliveries (replay, state) WHERE replay IS NOT NULL;
";
