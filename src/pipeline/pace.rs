//! How many tries may start now: a bucket of tokens that fills at the destination's rate.

use std::time::Duration;

use tokio::time::Instant;

use crate::destinations::Pace;

/// The bucket of one destination. Full at first.
#[derive(Debug)]
pub struct Pacer {
    pace: Pace,
    /// When the bucket would be full if nothing were taken; the distance from now is what is missing.
    full_at: Instant,
}

impl Pacer {
    /// A full bucket.
    pub fn new(pace: Pace, now: Instant) -> Self {
        Self { pace, full_at: now }
    }

    /// How many tries may start at `now`.
    pub fn available(&self, now: Instant) -> usize {
        if self.pace.interval.is_zero() {
            return usize::MAX;
        }
        let missing = self.full_at.saturating_duration_since(now);
        let taken = missing.as_nanos().div_ceil(self.pace.interval.as_nanos().max(1));
        usize::try_from(u128::from(self.pace.burst).saturating_sub(taken)).unwrap_or(0)
    }

    /// Takes tokens for tries that start.
    pub fn take(&mut self, tries: usize, now: Instant) {
        let tries = u32::try_from(tries).unwrap_or(u32::MAX);
        self.full_at = self.full_at.max(now) + self.pace.interval.saturating_mul(tries);
    }

    /// How long until one more may start; zero if one may.
    pub fn wait(&self, now: Instant) -> Duration {
        let room = self.pace.interval.saturating_mul(self.pace.burst.saturating_sub(1));
        self.full_at.saturating_duration_since(now).saturating_sub(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_by_one() {
        let start = Instant::now();
        let pace = Pace { concurrency: 1, burst: 3, interval: Duration::from_secs(1) };
        let mut pacer = Pacer::new(pace, start);
        assert_eq!(pacer.available(start), 3);
        pacer.take(3, start);
        assert_eq!((pacer.available(start), pacer.wait(start)), (0, Duration::from_secs(1)));
        let later = start + Duration::from_millis(1500);
        assert_eq!(pacer.available(later), 1);
        pacer.take(1, later);
        assert_eq!(pacer.available(start + Duration::from_secs(60)), 3);
        assert_eq!(Pacer::new(Pace::unlimited(4), start).available(start), usize::MAX);
    }
}
