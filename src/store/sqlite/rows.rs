//! What the statements of several files have in common: rows that cannot be read, names, documents, attempts, limits.

use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::{Type, ValueRef};

use super::super::{SetAside, StoreError};
use crate::domain::{Attempt, IncidentNumber, NameError, OutcomeKind, Timestamp};

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

/// A name in a column of a row.
pub fn name<N: FromStr<Err = NameError>>(row: &Row<'_>, column: usize) -> rusqlite::Result<N> {
    let text: String = row.get(column)?;
    text.parse().map_err(|fault| unreadable(column, fault))
}

/// The number of an incident in a column of a row, where it holds one.
pub fn incident_number(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<IncidentNumber>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|number| IncidentNumber(number.unsigned_abs())))
}

/// The row of an incident.
pub fn row_of(number: IncidentNumber) -> i64 {
    i64::try_from(number.0).unwrap_or(i64::MAX)
}

/// What is kept as JSON in the first column of a row.
pub fn document<T: serde::de::DeserializeOwned>(row: &Row<'_>) -> rusqlite::Result<T> {
    document_in(row, 0)
}

/// What is kept as JSON in a column of a row.
pub fn document_in<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| unreadable(column, error))
}

/// As JSON.
pub fn to_text<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(error.to_string()))
}

/// What is kept as JSON in a column of a row, where there is anything.
pub fn optional_document<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    if row.get_ref(column)? == ValueRef::Null { Ok(None) } else { document_in(row, column).map(Some) }
}
