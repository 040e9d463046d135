//! Rows as scripts get them: what the store holds, and beside it what a script would have to work out.

use serde::Serialize;

use super::{Failure, terminal};
use crate::domain::{DeliveryState, Timestamp};
use crate::store::{DeliveryRow, EventRow};

/// One JSON line that commands no terminal: what JSON lets stand in a text and a terminal obeys is escaped.
pub fn json_of<T: Serialize>(value: &T) -> Result<String, Failure> {
    let text = serde_json::to_string(value);
    let text = text.map_err(|error| Failure::Found(format!("it cannot be written as JSON: {error}")))?;
    Ok(terminal::escaped(&text))
}

/// An event.
#[derive(Serialize)]
pub struct EventJson<'r> {
    #[serde(flatten)]
    row: &'r EventRow,
    /// The word of `severity`, which is a number.
    severity_name: &'static str,
}

impl<'r> From<&'r EventRow> for EventJson<'r> {
    fn from(row: &'r EventRow) -> Self {
        Self { row, severity_name: row.event.severity.as_str() }
    }
}

/// A delivery.
#[derive(Serialize)]
pub struct DeliveryJson<'r> {
    #[serde(flatten)]
    row: &'r DeliveryRow,
    /// The word of `severity`, which is a number.
    severity_name: &'static str,
    /// Not tried before this time; only while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try: Option<Timestamp>,
}

impl<'r> From<&'r DeliveryRow> for DeliveryJson<'r> {
    fn from(row: &'r DeliveryRow) -> Self {
        Self { row, severity_name: row.severity.as_str(), next_try: next_try(row) }
    }
}

/// When it is tried next, if it waits.
pub fn next_try(row: &DeliveryRow) -> Option<Timestamp> {
    (row.delivery.state == DeliveryState::Waiting).then_some(row.delivery.not_before)
}
