//! How long the work of a test takes, whatever else the machine does.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The result, and the processor time that this thread took for it.
pub fn processor_time<T>(work: impl Fn() -> T) -> (T, Duration) {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
    let started = now();
    let result = work();
    (result, now() - started)
}
