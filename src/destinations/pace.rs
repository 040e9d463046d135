//! How fast a destination may be told.

use std::time::Duration;

/// How fast a destination may be told, and how much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Tries under way at the same time.
    pub concurrency: usize,
    /// Tries that may start without a pause in between, after a quiet time.
    pub burst: u32,
    /// The pause that each try beyond the burst adds; zero: no limit.
    pub interval: Duration,
}

impl Pace {
    /// No limit but the number at once.
    pub const fn unlimited(concurrency: usize) -> Self {
        Self { concurrency, burst: 1, interval: Duration::ZERO }
    }
}
