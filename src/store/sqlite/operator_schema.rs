//! What is remembered for the operator's notices, as the fourth schema. Never edited once released.
//!
//! A row of `notices` stands for a condition that holds and has been told: it comes and goes in the transaction that records
//! the event which says so. `source_activity` says when a source that is expected to send was last heard: receipts may have
//! been deleted for their age, and there may never have been one. `notifications.instead_of` is the notifier that had not taken
//! what this one is told for that reason.

/// The statements.
pub const NOTICES: &str = "
    CREATE TABLE notices (
        kind     TEXT NOT NULL,
        subject  TEXT NOT NULL,
        severity INTEGER NOT NULL,
        amount   INTEGER NOT NULL,
        told_at  INTEGER NOT NULL,
        PRIMARY KEY (kind, subject)
    ) WITHOUT ROWID;

    CREATE TABLE source_activity (
        source  TEXT PRIMARY KEY,
        last_at INTEGER NOT NULL
    ) WITHOUT ROWID;
";

/// The statements for fallbacks.
pub const FALLBACKS: &str = "
    ALTER TABLE notifications ADD COLUMN instead_of TEXT;
";
