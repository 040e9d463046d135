//! How often a source may send: the generic cell rate algorithm, one number a source.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::{SourceName, Timestamp};
use crate::vendors::Source;

/// When each limited source would be allowed its next request if it kept exactly to its rate, in microseconds.
#[derive(Debug, Default)]
pub struct RateLimits(Mutex<HashMap<SourceName, i64>>);

impl RateLimits {
    /// Admits a request, or says how long to wait. A source may save up one second's worth.
    pub fn admit(&self, source: &Source, now: Timestamp) -> Result<(), Duration> {
        match source.rate_limit_per_second {
            Some(per_second) => self.admit_at(&source.name, per_second, now),
            None => Ok(()),
        }
    }

    /// Gives back what a repetition has taken: a captured request that is sent again and again must not use up what the
    /// source may send.
    pub fn refund(&self, source: &Source) {
        let Some(per_second) = source.rate_limit_per_second else { return };
        if let Some(due) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&source.name) {
            *due -= step_micros(per_second);
        }
    }

    fn admit_at(&self, source: &SourceName, per_second: u32, now: Timestamp) -> Result<(), Duration> {
        let now = now.as_millis().saturating_mul(1_000);
        let step = step_micros(per_second);
        let mut due = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = due.entry(source.clone()).or_insert(now);
        // A clock that was set back must not block a source.
        *due = (*due).clamp(now, now.saturating_add(1_000_000 + step));
        let ahead = *due - now;
        if ahead + step > 1_000_000 {
            return Err(Duration::from_micros(u64::try_from(ahead + step - 1_000_000).unwrap_or(0)));
        }
        *due += step;
        Ok(())
    }
}

fn step_micros(per_second: u32) -> i64 {
    1_000_000 / i64::from(per_second.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_may_save_up_a_second_and_no_more() {
        let limits = RateLimits::default();
        let name: SourceName = "s".parse().unwrap();
        let at = |ms| Timestamp::from_millis(ms);
        let admitted = (0..20).filter(|_| limits.admit_at(&name, 10, at(0)).is_ok()).count();
        assert_eq!(admitted, 10);
        assert_eq!(limits.admit_at(&name, 10, at(0)), Err(Duration::from_millis(100)));
        assert!(limits.admit_at(&name, 10, at(100)).is_ok());
        assert!(limits.admit_at(&name, 10, at(100)).is_err());
        // An hour back: not blocked for an hour.
        assert!((0..20).any(|second| limits.admit_at(&name, 10, at(-3_600_000 + second * 1000)).is_ok()));
    }
}
