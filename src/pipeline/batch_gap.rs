//! The least time between batches of a sink, so that batches fill where events come one by one.

use std::time::Duration;

use tokio::time::Instant;

/// The gap after the last batch of one sink.
#[derive(Debug, Default)]
pub struct BatchGap {
    until: Option<Instant>,
}

impl BatchGap {
    /// Notes what was taken at `now`: `is_drained` where it was a batch of new events and none waited behind it. Behind a full
    /// batch, what is tried again and the past there is no gap: it would make a replay last for days.
    pub fn note(&mut self, interval: Duration, is_drained: bool, now: Instant) {
        self.until = is_drained.then(|| now + interval);
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
