//! Words about a delivery that several commands print.

use super::moment;
use crate::domain::Timestamp;
use crate::store::DeliveryRow;

/// `#4711 · raise`: what a change tells; nothing for an event.
pub fn subject(row: &DeliveryRow) -> String {
    match (row.delivery.incident, row.delivery.change) {
        (Some(incident), Some(change)) => format!("{incident} {} · ", change.as_str()),
        (Some(incident), None) => format!("{incident} · "),
        (None, _) => String::new(),
    }
}

/// How long until the next try.
pub fn when(at: Timestamp, now: Timestamp) -> String {
    if at <= now { "now".to_owned() } else { format!("in {}", moment::rough(at.since(now))) }
}
