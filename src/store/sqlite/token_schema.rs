//! The table of refresh tokens, as the fifth schema. Never edited once released.
//!
//! A row of `token_chains` is a chain of refresh tokens, by the SHA-256 of the one in the configuration. `refresh_token` is the
//! newest, `access_token` what came with it. Times are those of the wall clock, because they outlive the process.

/// The statements.
pub const SCHEMA: &str = "
    CREATE TABLE token_chains (
        chain          BLOB PRIMARY KEY,
        refresh_token  BLOB NOT NULL,
        access_token   BLOB,
        renew_at       INTEGER NOT NULL DEFAULT 0,
        expires_at     INTEGER NOT NULL DEFAULT 0,
        generation     INTEGER NOT NULL DEFAULT 0,
        renewing_until INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
";
