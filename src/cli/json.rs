//! Rows as JSON for scripts: what the store holds, and derived values that a script would have to compute.

use serde::Serialize;

use super::failure::Failure;
use super::terminal;
use crate::domain::{DeliveryState, Event, Incident, MilestoneKind, Timestamp};
use crate::store::{DeliveryRow, EventRow, MilestoneRow};

/// One JSON line that is safe on a terminal: control characters that JSON allows in a string are escaped.
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

impl EventJson<'_> {
    /// An event outside of a listing.
    pub fn of_event(event: &Event) -> Result<serde_json::Value, Failure> {
        let mut value = serde_json::to_value(event)
            .map_err(|error| Failure::Found(format!("it cannot be written as JSON: {error}")))?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("severity_name".to_owned(), event.severity.as_str().into());
        }
        Ok(value)
    }
}

/// An incident.
#[derive(Serialize)]
pub struct IncidentJson<'r> {
    /// Where the next page begins.
    cursor: u64,
    #[serde(flatten)]
    incident: &'r Incident,
    /// The word of `rank.severity`, which is a number.
    severity_name: &'static str,
    /// Who set its state, in one word: `vendor`, `gatepost`, `cli:NAME`.
    state_by_name: String,
}

impl<'r> From<&'r Incident> for IncidentJson<'r> {
    fn from(incident: &'r Incident) -> Self {
        Self {
            cursor: incident.number.0,
            incident,
            severity_name: incident.rank.severity.as_str(),
            state_by_name: incident.state_by.to_word(),
        }
    }
}

/// A change of an incident.
#[derive(Serialize)]
pub struct MilestoneJson<'r> {
    incident: u64,
    at: Timestamp,
    what: MilestoneKind,
    /// `vendor`, `gatepost`, `cli:NAME`.
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'r str>,
    title: &'r str,
    source: &'r str,
    severity: u8,
    /// The word of `severity`, which is a number.
    severity_name: &'static str,
}

impl<'r> From<&'r MilestoneRow> for MilestoneJson<'r> {
    fn from(row: &'r MilestoneRow) -> Self {
        Self {
            incident: row.incident.0,
            at: row.milestone.at,
            what: row.milestone.what,
            by: row.milestone.by.to_word(),
            note: row.milestone.note.as_deref(),
            title: &row.title,
            source: row.source.as_str(),
            severity: row.severity.id(),
            severity_name: row.severity.as_str(),
        }
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
