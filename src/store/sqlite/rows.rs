//! What the statements of several files have in common: rows that cannot be read, attempts, limits.

use rusqlite::Row;
use rusqlite::types::Type;

use super::super::{SetAside, StoreError};
use super::notifications;
use crate::domain::{Attempt, Change, OutcomeKind, Rank, Severity, Timestamp};

/// A row that cannot be read, unless it is SQLite that failed.
pub fn set_aside(row: i64, error: rusqlite::Error) -> Result<SetAside, StoreError> {
    match error.sqlite_error_code() {
        None => Ok(SetAside { row, reason: format!("row {row} of the store: {error}") }),
        Some(_) => Err(error.into()),
    }
}

/// A row, or why it cannot be read. An error only where SQLite failed: one damaged row must not stop what concerns others.
pub fn readable<T>(row: rusqlite::Result<T>) -> Result<Result<T, String>, StoreError> {
    match row {
        Ok(value) => Ok(Ok(value)),
        Err(error) if error.sqlite_error_code().is_none() => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

pub fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The place of an event in the order of a sink, on the same scale as that of a change: its severity.
pub fn urgency(severity: Severity) -> u8 {
    notifications::urgency(Change::Open, Rank { severity, outcome: None })
}

/// A value in the database that this binary did not write like that.
pub fn unreadable(column: usize, fault: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(fault))
}

/// The attempt in a row of `number, started_at, duration_ms, outcome, reason`.
pub fn attempt_of(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    let outcome: String = row.get(3)?;
    Ok(Attempt {
        number: row.get(0)?,
        started_at: Timestamp::from_millis(row.get(1)?),
        duration_ms: u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
        outcome: OutcomeKind::ALL.into_iter().find(|kind| kind.as_str() == outcome).unwrap_or(OutcomeKind::Unknown),
        reason: row.get(4)?,
    })
}
