//! How much may wait for its commit, which the writer's handle and its thread share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::backlogs::Backlogs;

/// How much is waiting for its commit. Bounded, so that a slow disk leads to 503 instead of growing memory.
#[derive(Debug, Default)]
pub struct Admission {
    arrivals: AtomicUsize,
    bytes: AtomicUsize,
    is_shut: AtomicBool,
    is_crowded: AtomicBool,
    /// What is committed and not read yet.
    pub backlogs: Backlogs,
}

impl Admission {
    /// With what is committed and not read yet.
    pub fn new(backlogs: Backlogs) -> Self {
        Self { backlogs, ..Self::default() }
    }

    /// Whether arrivals are refused because the disk is full.
    pub fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::Relaxed)
    }

    /// Admits an arrival of `bytes`; `false` when the limits are reached. A single body is always admitted: this limit
    /// is on all arrivals together, each body has its own.
    pub fn enter(&self, bytes: usize) -> bool {
        let waiting = self.arrivals.fetch_add(1, Ordering::AcqRel);
        let held = self.bytes.fetch_add(bytes, Ordering::AcqRel);
        if waiting >= WAITING_ARRIVALS_MAX || (waiting > 0 && held.saturating_add(bytes) > WAITING_BYTES_MAX) {
            self.leave(1, bytes);
            return false;
        }
        true
    }

    /// Refuses new arrivals, or admits them again.
    pub fn shut(&self, is_shut: bool) {
        self.is_shut.store(is_shut, Ordering::Relaxed);
    }

    /// Whether arrivals come many at once.
    pub fn is_crowded(&self) -> bool {
        self.is_crowded.load(Ordering::Relaxed)
    }

    /// Whether they do now.
    pub fn note_crowd(&self, is_crowded: bool) {
        if self.is_crowded() != is_crowded {
            self.is_crowded.store(is_crowded, Ordering::Relaxed);
        }
    }

    /// `arrivals` with together `bytes` have been answered.
    pub fn leave(&self, arrivals: usize, bytes: usize) {
        self.arrivals.fetch_sub(arrivals, Ordering::AcqRel);
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// How many arrivals may wait for their commit.
const WAITING_ARRIVALS_MAX: usize = 8_192;
/// How many bytes of bodies may wait for their commit.
const WAITING_BYTES_MAX: usize = 128 << 20;
