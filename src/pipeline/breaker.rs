//! Whether a destination may be tried at all.
//!
//! A destination that fails as a whole is left alone for a while, longer each time, and then tried with a single
//! delivery; the others keep their tries. A destination that is misconfigured is stopped: everything is kept, and one
//! delivery is sent now and then to check whether the fault has been fixed.

use std::time::Duration;

use tokio::time::Instant;

use super::retry::backoff;
use crate::domain::{Outcome, Scope};

/// The state of one destination. Starts closed, that is, letting everything through.
#[derive(Debug, Default)]
pub struct Breaker {
    failures: u32,
    /// When the last of them was counted.
    counted: Option<Instant>,
    failing: Option<String>,
    until: Option<Instant>,
    stopped: Option<String>,
    has_worked: bool,
}

/// What changed with an outcome, worth a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// It has just been stopped.
    Stopped,
    /// It works again after having been stopped.
    Resumed,
}

impl Breaker {
    /// How many of `capacity` tries may start at `now`.
    pub fn allowed(&self, capacity: usize, under_way: usize, now: Instant) -> usize {
        if self.until.is_some_and(|until| now < until) {
            return 0;
        }
        if self.is_on_trial() { 1_usize.saturating_sub(under_way).min(capacity) } else { capacity }
    }

    /// Whether only single tries may start, to check whether it works again.
    pub fn is_on_trial(&self) -> bool {
        self.stopped.is_some() || self.failures > 0
    }

    /// Until when nothing may start.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Why it is stopped, if it is.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// Whether it has ever taken or answered a try.
    pub fn has_worked(&self) -> bool {
        self.has_worked
    }

    /// What the last of several failures said, while it fails.
    pub fn failing(&self) -> Option<&str> {
        self.failing.as_deref()
    }

    /// Updates the state at `now` with the outcome of a try that was begun at `begun`. `jitter` is a random number from
    /// 0 to 1.
    pub fn learn(&mut self, outcome: &Outcome, begun: Instant, now: Instant, jitter: f64) -> Change {
        match outcome {
            // A refusal is an answer too: the destination works.
            Outcome::Delivered { .. }
            | Outcome::DeliveredExcept { .. }
            | Outcome::Refused { .. }
            | Outcome::Gone { .. } => self.succeed(begun, now),
            Outcome::DeliveredSlowDown { pause } => {
                let change = self.succeed(begun, now);
                self.hold(*pause, now);
                change
            }
            Outcome::Pending { .. }
            | Outcome::Retry { scope: Scope::Delivery, .. }
            | Outcome::Unknown { scope: Scope::Delivery, .. } => Change::None,
            Outcome::Retry { scope: Scope::Destination, after, reason, .. }
            | Outcome::Unknown { after, reason, .. } => {
                let own = self.fail(begun, now, jitter);
                self.pause(reason, own.max(after.unwrap_or_default()), now)
            }
            Outcome::Misconfigured { reason, .. } => {
                self.count(begun, now);
                self.stop(reason, now)
            }
        }
    }

    /// Counts a failure. Tries that were under way together fail together, of one cause: they count as one failure, and
    /// the result is `false` for all but the first.
    fn count(&mut self, begun: Instant, now: Instant) -> bool {
        if self.is_of_before(begun) {
            return false;
        }
        self.counted = Some(now);
        self.failures = self.failures.saturating_add(1);
        true
    }

    /// It works; but a try of before the last failure does not end a pause that the destination has asked for since.
    fn succeed(&mut self, begun: Instant, now: Instant) -> Change {
        let is_paused = self.until.is_some_and(|until| now < until);
        if self.stopped.is_none() && is_paused && self.is_of_before(begun) { Change::None } else { self.close() }
    }

    /// Whether a try was begun before the last failure was counted.
    fn is_of_before(&self, begun: Instant) -> bool {
        self.counted.is_some_and(|counted| begun < counted)
    }

    fn close(&mut self) -> Change {
        self.failures = 0;
        self.has_worked = true;
        self.counted = None;
        self.failing = None;
        self.until = None;
        if self.stopped.take().is_some() { Change::Resumed } else { Change::None }
    }

    /// Counts a failure; how long to wait after it. The first may be an accident; an answer with Retry-After is not.
    fn fail(&mut self, begun: Instant, now: Instant, jitter: f64) -> Duration {
        if self.count(begun, now) && self.failures > 1 {
            backoff(self.failures - 1, jitter).min(LONGEST_PAUSE)
        } else {
            Duration::ZERO
        }
    }

    fn pause(&mut self, reason: &str, length: Duration, now: Instant) -> Change {
        self.failing = Some(reason.to_owned());
        self.hold(length, now);
        Change::None
    }

    /// Nothing may start for so long, or for as long as has been asked for already.
    fn hold(&mut self, length: Duration, now: Instant) {
        let until = now + length;
        self.until = Some(self.until.map_or(until, |current| current.max(until)));
    }

    fn stop(&mut self, reason: &str, now: Instant) -> Change {
        let wait = TRIAL_FIRST.saturating_mul(1 << self.failures.saturating_sub(1).min(10)).min(TRIAL_LONGEST);
        self.hold(wait, now);
        let first = self.stopped.is_none();
        self.stopped = Some(reason.to_owned());
        if first { Change::Stopped } else { Change::None }
    }
}

/// An outage is noticed to be over within a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How soon a stopped destination is tried again for the first time.
const TRIAL_FIRST: Duration = Duration::from_secs(10);
/// A corrected setting is normally announced by a reload, which resets the breaker; this is for what is fixed
/// elsewhere.
const TRIAL_LONGEST: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Progress;

    fn down(after: Option<Duration>) -> Outcome {
        Outcome::Retry { reason: "down".into(), after, scope: Scope::Destination, progress: Progress::default() }
    }

    #[test]
    fn a_destination_that_asks_to_be_sent_less_is_left_alone_for_so_long_and_does_not_fail() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        let pause = Duration::from_secs(1);
        assert_eq!(breaker.learn(&Outcome::DeliveredSlowDown { pause }, now, now, 1.0), Change::None);
        assert_eq!((breaker.allowed(4, 0, now), breaker.allowed(4, 0, now + pause)), (0, 4));
        assert_eq!((breaker.failing(), breaker.is_on_trial()), (None, false));
    }

    #[test]
    fn an_outage_leaves_one_try_at_a_time() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        assert_eq!(breaker.allowed(8, 0, now), 8);
        breaker.learn(&down(None), now, now, 1.0);
        assert_eq!((breaker.allowed(8, 0, now), breaker.allowed(8, 1, now)), (1, 0));
        breaker.learn(&down(None), now, now, 1.0);
        assert_eq!(breaker.allowed(8, 0, now), 0);
        assert_eq!(breaker.allowed(8, 0, now + Duration::from_secs(1)), 1);
        breaker.learn(&Outcome::Delivered { remote: None }, now, now, 1.0);
        assert_eq!(breaker.allowed(8, 0, now), 8);
    }

    #[test]
    fn tries_that_fail_together_are_one_failure() {
        let (begun, now) = (Instant::now(), Instant::now() + Duration::from_millis(5));
        let mut breaker = Breaker::default();
        for _ in 0..20 {
            breaker.learn(&down(None), begun, now, 1.0);
        }
        assert_eq!(breaker.allowed(8, 0, now), 1, "an accident is tried again at once");
        // Asked for by any of them, a pause is kept.
        breaker.learn(&down(Some(Duration::from_secs(5))), begun, now, 1.0);
        assert_eq!(breaker.allowed(8, 0, now + Duration::from_secs(4)), 0);
        // What is tried after that and fails is the second failure: a second's pause, not a minute's.
        let later = now + Duration::from_secs(5);
        breaker.learn(&down(None), later, later, 1.0);
        assert_eq!(breaker.allowed(8, 0, later), 0);
        assert_eq!(breaker.allowed(8, 0, later + Duration::from_secs(1)), 1);
    }

    #[test]
    fn retry_after_holds_the_whole_destination() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        breaker.learn(&down(Some(Duration::from_secs(30))), now, now, 0.0);
        let wrong = Outcome::Misconfigured { reason: "401".into(), scope: Scope::Delivery };
        breaker.learn(&wrong, now, now, 0.0);
        assert_eq!(breaker.allowed(8, 0, now + Duration::from_secs(29)), 0);
        assert_eq!(breaker.allowed(8, 0, now + Duration::from_secs(30)), 1);
    }

    #[test]
    fn a_success_of_before_does_not_end_a_pause_that_was_asked_for() {
        let (begun, now) = (Instant::now(), Instant::now() + Duration::from_millis(5));
        let delivered = Outcome::Delivered { remote: None };
        let mut breaker = Breaker::default();
        breaker.learn(&down(Some(Duration::from_secs(30))), begun, now, 0.0);
        breaker.learn(&delivered, begun, now + Duration::from_secs(1), 0.0);
        assert_eq!(breaker.allowed(8, 0, now + Duration::from_secs(29)), 0);
        assert!(breaker.failing().is_some());
        let later = now + Duration::from_secs(30);
        breaker.learn(&delivered, later, later, 0.0);
        assert_eq!((breaker.allowed(8, 0, later), breaker.failing()), (8, None));
        // Where nothing was asked for, any success shows that it works.
        breaker.learn(&down(None), later, later, 0.0);
        breaker.learn(&delivered, begun, later, 0.0);
        assert_eq!(breaker.allowed(8, 0, later), 8);
    }

    #[test]
    fn a_misconfigured_destination_stops_and_resumes_and_says_so_once() {
        let now = Instant::now();
        let wrong = Outcome::Misconfigured { reason: "401".into(), scope: Scope::Delivery };
        let mut breaker = Breaker::default();
        assert_eq!(breaker.learn(&wrong, now, now, 0.0), Change::Stopped);
        assert_eq!(breaker.learn(&wrong, now, now, 0.0), Change::None);
        assert_eq!(breaker.stopped(), Some("401"));
        assert_eq!(breaker.allowed(8, 0, now + TRIAL_FIRST), 0);
        assert_eq!(breaker.allowed(8, 0, now + TRIAL_FIRST * 2), 1);
        assert_eq!(breaker.learn(&Outcome::Delivered { remote: None }, now, now, 0.0), Change::Resumed);
        assert_eq!(breaker.stopped(), None);
    }
}
