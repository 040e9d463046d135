//! The place of a delivery among those of its destination, as a number: the highest goes first.

use crate::domain::{Change, Rank, Severity};

/// The place of a change in the order of a destination: what it is, then the rank of the incident.
pub fn urgency_of_change(change: Change, rank: Rank) -> u8 {
    change.urgency() * 32 + rank.level().min(31)
}

/// The highest place that a change has, whatever the rank.
pub fn highest_urgency_of(change: Change) -> u8 {
    change.urgency() * 32 + 31
}

/// The place of an event in the order of a sink, on the same scale as that of a change: its severity.
pub fn urgency_of_event(severity: Severity) -> u8 {
    urgency_of_change(Change::Open, Rank { severity, outcome: None })
}
