//! Whether a condition is news, beside the notice that is open.

use std::time::Duration;

use super::Condition;
use crate::domain::{Severity, Timestamp};

/// An open notice, as the store keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The highest severity that was told.
    pub severity: Severity,
    /// The amount that was told last; of dead letters, what has been left of them since.
    pub amount: u64,
    /// When it was told last.
    pub told_at: Timestamp,
}

/// What is to be done about a condition that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A notice is opened.
    Open,
    /// It is brought up to date.
    Update,
    /// Nothing is told, but there is less of it: what comes from now on is compared with that.
    Lower,
    /// Nothing: it is open and says enough.
    Nothing,
}

/// Compares a condition that holds with its notice, if that is open. A person may have resolved its incident: it stays so
/// until the condition has ended and come again, has grown or is worse.
pub fn compare(known: Option<&Known>, condition: &Condition, now: Timestamp) -> Step {
    let Some(known) = known else { return Step::Open };
    if condition.severity.rank() > known.severity.rank() {
        return Step::Update;
    }
    if condition.id.kind.is_compared_with_the_least(known.amount, condition.amount) {
        return Step::Lower;
    }
    let has_grown = condition.id.kind.has_grown(known.amount, condition.amount);
    if has_grown && now.distance(known.told_at) >= UPDATE_EVERY { Step::Update } else { Step::Nothing }
}

/// How often a number is brought up to date at most.
const UPDATE_EVERY: Duration = Duration::from_secs(5 * 60);
