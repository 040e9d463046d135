//! What the operator has configured of notices.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::{DestinationName, SourceName};

/// Who is told of what, and from when on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operator {
    /// The notifiers that are told; none: notices are logged and shown in `/readyz` and in metrics only.
    pub to: Vec<DestinationName>,
    /// From when on a condition is told.
    pub limits: Limits,
    /// How long these sources may send nothing.
    pub expect: BTreeMap<SourceName, Duration>,
}

/// From when on a condition is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a destination must fail.
    pub failing_after: Duration,
    /// How long what is due may wait.
    pub untold_after: Duration,
    /// How many requests of a source may be refused within five minutes.
    pub refused: u64,
    /// How much of the store's disk must be free, in bytes.
    pub disk_free: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            failing_after: Duration::from_secs(5 * 60),
            untold_after: Duration::from_secs(15 * 60),
            refused: 50,
            disk_free: 512 << 20,
        }
    }
}

impl Limits {
    /// How long a stopped destination must be stopped: a trial that succeeds within that time was an accident.
    pub(super) fn stopped_after(&self) -> Duration {
        self.failing_after.min(Duration::from_secs(30))
    }

    /// How long a condition that comes and goes must be gone before it has ended; and how long after a start nothing ends,
    /// because nothing is known yet.
    pub(super) fn settles_after(&self) -> Duration {
        self.failing_after.min(Duration::from_secs(60))
    }
}
