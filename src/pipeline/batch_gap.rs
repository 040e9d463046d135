//! The least time between batches of a sink, so that batches fill where events come one by one.

use std::time::Duration;

use tokio::time::Instant;

/// The gap after the last batch of one sink.
#[derive(Debug, Default)]
pub struct BatchGap {
    until: Option<Instant>,
}

impl BatchGap {
    /// Notes what was taken at `now`: `is_last` where a batch was taken and nothing waited behind it. Behind a full batch
    /// there is no gap.
    pub fn note(&mut self, interval: Duration, is_last: bool, now: Instant) {
        self.until = is_last.then(|| now + interval);
    }

    /// How long no batch may be taken; zero if one may.
    pub fn wait(&self, now: Instant) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_gap_after_the_last_batch_and_none_after_a_full_one() {
        let (now, interval) = (Instant::now(), Duration::from_secs(5));
        let mut gap = BatchGap::default();
        assert_eq!(gap.wait(now), Duration::ZERO);
        gap.note(interval, true, now);
        assert_eq!(gap.wait(now + Duration::from_secs(2)), Duration::from_secs(3));
        assert_eq!(gap.wait(now + interval), Duration::ZERO);
        gap.note(interval, false, now);
        assert_eq!(gap.wait(now), Duration::ZERO);
    }
}
