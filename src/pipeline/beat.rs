//! Signs of life of the tasks that must go on: each notes every round, and one that has not for long is stuck.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::domain::Timestamp;

/// When a task began its last round, by the monotonic clock.
#[derive(Debug, Default)]
pub struct Beat(AtomicI64);

impl Beat {
    /// A round begins.
    pub fn note(&self, steady: Timestamp) {
        self.0.store(steady.as_millis(), Ordering::Relaxed);
    }

    /// Whether the last round has taken too long. A task that has not begun is not stuck: it waits for the one before it.
    pub fn is_late(&self, steady: Timestamp) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        last != 0 && steady.since(Timestamp::from_millis(last)) > LATE_AFTER
    }
}

/// A round lasts about a second, and some more with a long body or while the disk is slow.
const LATE_AFTER: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_stuck_once_its_round_takes_too_long() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let beat = Beat::default();
        assert!(!beat.is_late(at(10_000)), "it has not begun");
        beat.note(at(10_000));
        assert!(!beat.is_late(at(10_120)) && beat.is_late(at(10_121)));
        beat.note(at(10_121));
        assert!(!beat.is_late(at(10_122)));
    }
}
