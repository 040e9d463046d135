//! How long a body may take.

use std::time::Duration;

use tokio::time::Instant;

use super::limits::IngressLimits;

/// The time that is left for a body. All of it has the usual time. A large one may take longer for as long as it keeps
/// coming at a fair speed, whatever has come before, and [`TIMES_MOST`] as long at most.
#[derive(Debug)]
pub struct Pace {
    limits: IngressLimits,
    begun: Instant,
    until: Instant,
    /// What has come since the time was last extended.
    bytes: u64,
}

impl Pace {
    /// Of a body that begins to come now.
    pub fn new(limits: IngressLimits, now: Instant) -> Self {
        Self { limits, begun: now, until: now + limits.total, bytes: 0 }
    }

    /// Counts bytes that have come. As much as a fair sender sends in the usual time buys that time again.
    pub fn came(&mut self, bytes: u64, now: Instant) {
        self.bytes = self.bytes.saturating_add(bytes);
        let price = price_of(self.limits.total);
        if self.bytes >= price {
            self.bytes %= price;
            self.until = (now + self.limits.total).min(self.begun + self.limits.total * TIMES_MOST);
        }
    }

    /// When the next piece must be here.
    pub fn deadline(&self, now: Instant) -> Instant {
        self.until.min(now + self.limits.idle)
    }
}

fn price_of(total: Duration) -> u64 {
    let millis = u64::try_from(total.as_millis()).unwrap_or(u64::MAX);
    (millis.saturating_mul(BYTES_PER_SECOND_LEAST) / 1_000).max(1)
}

/// A body that comes slower than this must be done within the usual time.
const BYTES_PER_SECOND_LEAST: u64 = 128 << 10;
/// How many times the usual time a body may take at most.
const TIMES_MOST: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: IngressLimits = IngressLimits { idle: Duration::from_secs(5), total: Duration::from_secs(10) };

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn what_came_at_first_buys_no_time_for_a_drip() {
        let begun = Instant::now();
        let mut pace = Pace::new(LIMITS, begun);
        assert_eq!(pace.deadline(begun), begun + seconds(5));
        pace.came(21 << 20, begun + seconds(1));
        (2..12).for_each(|second| pace.came(1, begun + seconds(second)));
        assert_eq!(pace.deadline(begun + seconds(10)), begun + seconds(11), "ten seconds after the last that was fair");
    }

    #[test]
    fn a_large_body_may_take_longer_while_it_keeps_coming_but_not_for_ever() {
        let begun = Instant::now();
        let mut pace = Pace::new(LIMITS, begun);
        for second in 1..=120 {
            let now = begun + seconds(second);
            pace.came(BYTES_PER_SECOND_LEAST * 2, now);
            assert_eq!(pace.deadline(now) > now, second < 60, "{second}");
        }
        let mut slow = Pace::new(LIMITS, begun);
        (1..=10).for_each(|second| slow.came(BYTES_PER_SECOND_LEAST - 1, begun + seconds(second)));
        assert_eq!(slow.deadline(begun + seconds(9)), begun + seconds(10));
    }
}
