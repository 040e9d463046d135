//! A condition that the operator should know of.

use std::time::Duration;

use super::NoticeKind;
use crate::domain::Severity;

/// What a notice is about, and of which destination, source or store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoticeId {
    /// What it is about.
    pub kind: NoticeKind,
    /// The destination, the source, or `store`.
    pub subject: String,
}

/// A condition that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its kind and its subject.
    pub id: NoticeId,
    /// How bad it is.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// What is known of it: the reason, the numbers.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// How many of it there are; it is told again when this has grown. 1 where there is nothing to count.
    pub amount: u64,
    /// How long it must hold before it is told.
    pub holds_for: Duration,
    /// How long gatepost must have run before it is told: until then it is not known whether it holds.
    pub known_after: Duration,
}
