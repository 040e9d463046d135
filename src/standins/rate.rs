//! How many calls a service takes in a sliding window.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::domain::Timestamp;

/// A number of calls in a sliding window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    calls: usize,
    per: Duration,
}

impl Rate {
    /// Every call is taken.
    pub const UNLIMITED: Self = Self::new(usize::MAX, Duration::ZERO);

    /// `calls` in any window of the length `per`.
    pub const fn new(calls: usize, per: Duration) -> Self {
        Self { calls, per }
    }
}

/// The calls of the present window, apart for each key (a channel, a routing key).
#[derive(Debug)]
pub(super) struct Limiter {
    rate: Rate,
    taken: HashMap<String, VecDeque<Timestamp>>,
}

impl Limiter {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, taken: HashMap::new() }
    }

    /// Counts a call, or says after how long the next would be taken. A refused call is not counted.
    pub(super) fn admit(&mut self, key: &str, now: Timestamp) -> Result<(), Duration> {
        if self.rate == Rate::UNLIMITED {
            return Ok(());
        }
        let taken = self.taken.entry(key.to_owned()).or_default();
        while taken.front().is_some_and(|first| now.since(*first) >= self.rate.per) {
            taken.pop_front();
        }
        if taken.len() < self.rate.calls {
            taken.push_back(now);
            return Ok(());
        }
        let oldest = taken.front().copied().unwrap_or(now);
        Err(self.rate.per.saturating_sub(now.since(oldest)))
    }
}

/// A wait in the whole seconds of `Retry-After`, rounded up: never too early.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides_and_keys_are_apart() {
        let mut limiter = Limiter::new(Rate::new(2, Duration::from_secs(60)));
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        assert_eq!(limiter.admit("a", at(0)), Ok(()));
        assert_eq!(limiter.admit("a", at(20)), Ok(()));
        assert_eq!(limiter.admit("a", at(30)), Err(Duration::from_secs(30)));
        assert_eq!(limiter.admit("b", at(30)), Ok(()));
        assert_eq!(
            limiter.admit("a", at(60)),
            Ok(()),
            "the first has left the window, the refused one never was in it"
        );
        assert_eq!(limiter.admit("a", at(61)), Err(Duration::from_secs(19)));
    }

    #[test]
    fn a_wait_is_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(2)), 2);
        assert_eq!(whole_seconds(Duration::ZERO), 0);
    }

    #[test]
    fn unlimited_is_unlimited() {
        let mut limiter = Limiter::new(Rate::UNLIMITED);
        assert!((0..1000).all(|_| limiter.admit("a", Timestamp::from_millis(0)).is_ok()));
    }
}
