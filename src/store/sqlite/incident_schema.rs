//! The tables of incidents, as a part of the second schema, and what later ones add. Never edited once released.
//!
//! The table of deliveries is made anew, because a change of an incident has no event; urgencies are brought to the scale that
//! changes and events share.

/// The statements of the second schema.
pub const SCHEMA: &str = "
    CREATE TABLE incidents (
        number   INTEGER PRIMARY KEY AUTOINCREMENT,
        id       BLOB NOT NULL UNIQUE,
        source   TEXT NOT NULL,
        key      BLOB NOT NULL,
        state    TEXT NOT NULL,
        is_live  INTEGER NOT NULL,
        level    INTEGER NOT NULL,
        storm    INTEGER,
        check_at INTEGER,
        ended_at INTEGER,
        document TEXT NOT NULL
    );
    CREATE INDEX incidents_state ON incidents (state);
    CREATE INDEX incidents_ended ON incidents (ended_at) WHERE ended_at IS NOT NULL;
    CREATE UNIQUE INDEX incidents_live ON incidents (source, key) WHERE is_live = 1;
    CREATE INDEX incidents_key ON incidents (source, key, number);
    CREATE INDEX incidents_check ON incidents (check_at) WHERE check_at IS NOT NULL;
    CREATE INDEX incidents_storm ON incidents (storm, number) WHERE storm IS NOT NULL;

    CREATE TABLE incident_texts (
        incident INTEGER PRIMARY KEY,
        event    TEXT NOT NULL,
        facets   TEXT NOT NULL
    );

    CREATE TABLE correlations (
        incident    INTEGER NOT NULL,
        correlation BLOB NOT NULL,
        at          INTEGER NOT NULL,
        is_firing   INTEGER NOT NULL,
        PRIMARY KEY (incident, correlation)
    ) WITHOUT ROWID;

    CREATE TABLE milestones (
        seq      INTEGER PRIMARY KEY AUTOINCREMENT,
        incident INTEGER NOT NULL,
        document TEXT NOT NULL
    );
    CREATE INDEX milestones_incident ON milestones (incident, seq);

    CREATE TABLE notifications (
        seq         INTEGER PRIMARY KEY AUTOINCREMENT,
        id          BLOB NOT NULL UNIQUE,
        incident    INTEGER NOT NULL,
        destination TEXT NOT NULL,
        route       TEXT NOT NULL,
        fingerprint BLOB,
        pending     INTEGER,
        refused     TEXT,
        document    TEXT NOT NULL,
        UNIQUE (incident, destination)
    );

    CREATE TABLE storms (
        source   TEXT PRIMARY KEY,
        document TEXT NOT NULL
    ) WITHOUT ROWID;

    ALTER TABLE events ADD COLUMN incident INTEGER;
    ALTER TABLE events ADD COLUMN joined INTEGER;
    CREATE INDEX events_incident ON events (incident, seq) WHERE incident IS NOT NULL;

    DROP INDEX deliveries_due;
    DROP INDEX deliveries_leased;
    DROP INDEX deliveries_dead;
    ALTER TABLE deliveries RENAME TO deliveries_before;
    CREATE TABLE deliveries (
        seq            INTEGER PRIMARY KEY AUTOINCREMENT,
        id             BLOB NOT NULL UNIQUE,
        event          INTEGER,
        notification   INTEGER,
        change         TEXT,
        intent         TEXT,
        is_forced      INTEGER NOT NULL DEFAULT 0,
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
    INSERT INTO deliveries (seq, id, event, destination, route, state, urgency, not_before, lease_until, generation,
        tries, uncertain, retrying_since, created_at, progress, remote, reason)
        SELECT seq, id, event, destination, route, state, 97 + 4 * urgency, not_before, lease_until, generation,
        tries, uncertain, retrying_since, created_at, progress, remote, reason FROM deliveries_before;
    INSERT INTO sqlite_sequence (name, seq) SELECT 'deliveries', 0
        WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'deliveries');
    UPDATE sqlite_sequence SET seq = max(seq,
        coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'deliveries_before'), 0)) WHERE name = 'deliveries';
    DROP TABLE deliveries_before;
    CREATE INDEX deliveries_due ON deliveries (destination, urgency, not_before, created_at) WHERE state = 0;
    CREATE INDEX deliveries_leased ON deliveries (destination, lease_until) WHERE state = 1;
    CREATE INDEX deliveries_dead ON deliveries (seq) WHERE state = 3;
    CREATE INDEX deliveries_notification ON deliveries (notification, seq) WHERE notification IS NOT NULL;
";

/// All that is live is checked once, as a part of the seventh schema: what its vendor ends had no time at which it ends else.
pub const CHECKED: &str = "UPDATE incidents SET check_at = 0 WHERE is_live = 1 AND check_at IS NULL;";

/// The latest firing of each alert, as a part of the seventh schema: a resolution that is older ends nothing. Of alerts that
/// fired before it is not known.
pub const FIRINGS: &str = "
    ALTER TABLE correlations ADD COLUMN fired_received_at INTEGER;
    ALTER TABLE correlations ADD COLUMN fired_happened_at INTEGER;
";
