//! When a destination took a delivery, and how that is displayed.

use super::failure::Failure;
use super::{moment, terminal};
use crate::domain::{DeliveryState, Milestone, Origin, OutcomeKind, Timestamp};
use crate::store::{DeliveryRow, Queries, SqliteStore};

/// When the destination took a delivery: when the try began that arrived; `None` where none has.
pub fn at(store: &SqliteStore, row: &DeliveryRow) -> Result<Option<Timestamp>, Failure> {
    if row.delivery.state != DeliveryState::Delivered {
        return Ok(None);
    }
    let attempts = store.delivery(row.delivery.id)?.map(|(_, attempts)| attempts).unwrap_or_default();
    let arrived = attempts.iter().rev().find(|attempt| attempt.outcome == OutcomeKind::Delivered);
    Ok(arrived.map(|attempt| attempt.started_at))
}

/// What a delivery tells: the change of an incident, or `the event`.
pub fn what(row: &DeliveryRow) -> &'static str {
    match (row.delivery.change, row.delivery.incident) {
        (Some(change), _) => change.as_str(),
        (None, Some(_)) => "a change",
        (None, None) => "the event",
    }
}

/// ` as SEC-88`: what the destination calls it.
pub fn remote(row: &DeliveryRow) -> String {
    let remote = row.delivery.remote.as_deref().filter(|remote| !remote.is_empty());
    remote.map(|remote| format!(" as {}", terminal::line(remote, 80))).unwrap_or_default()
}

/// The reason for its state, after a colon.
pub fn reason(row: &DeliveryRow) -> String {
    let reason = row.delivery.reason.as_deref();
    reason.map(|reason| format!(": {}", terminal::line(reason, 200))).unwrap_or_default()
}

/// The details of a milestone, after its kind: ` by dana (command line): looking at the logs`.
pub fn by_and_note(milestone: &Milestone) -> String {
    let by = match &milestone.by {
        Origin::CommandLine { user } => format!("by {} (command line)", terminal::line(user, 64)),
        origin => format!("by {}", origin.shown()),
    };
    let note = milestone.note.as_deref().map(|note| format!(": {}", terminal::line(note, 300)));
    format!("{by}{}", note.unwrap_or_default())
}

/// `2026-11-21 10:00:00 UTC`.
pub fn utc(time: Timestamp) -> String {
    format!("{} UTC", moment::short(time))
}
