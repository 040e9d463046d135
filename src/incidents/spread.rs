//! At how many victims an incident has spread.

use crate::domain::IncidentKind;

/// How many of the steps 2, 10, 100, 1,000 ... that many victims have reached; of a storm or a digest the first step is 10:
/// a second victim is nothing new where many incidents are told together.
pub(super) fn steps(kind: &IncidentKind, victims: u64) -> u32 {
    match (kind, victims) {
        (_, 0 | 1) | (IncidentKind::Storm(_) | IncidentKind::Digest(_), 2..=9) => 0,
        (IncidentKind::Events, 2..=9) => 1,
        (_, more) => more.ilog10() + 1,
    }
}
