//! The time before which event keys may have been deleted.
//!
//! An event is recognized by its key, and keys are deleted in time. A captured request that is sent again after that is
//! new by its key; only its own time shows that it is old.
//!
//! That time is compared with a clock, and a clock that is a year ahead would make everything look old. So quarantine
//! follows a clock that was set forward only when a [`Witness`] has confirmed it: the time in a request that came in
//! meanwhile. Until then it follows the clock as it ran before, and what really happens now is never held.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::domain::{Draft, Timestamp};
use crate::vendors::Source;

/// The time before which keys may have been forgotten, and the time half as long ago. By default there is neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Horizon {
    /// Before it keys may have been forgotten; none, where all are known.
    forgotten: Option<Timestamp>,
    /// What happened before it is worth a warning, also where all keys are still known.
    early: Option<Timestamp>,
}

impl Horizon {
    /// The horizon of what was received at `received_at`, where it is `now` and keys are kept for so long. The time
    /// that a receipt waits to be read does not count.
    pub fn of(now: Timestamp, received_at: Timestamp, keys: Duration) -> Self {
        let since = now.min(received_at);
        Self { forgotten: Some(since.minus(keys)), early: Some(since.minus(keys / 2)) }
    }

    /// The same where every key is still known: nothing is held back.
    pub fn holding_nothing(self) -> Self {
        Self { forgotten: None, ..self }
    }

    /// Whether the source wants this event to be held back.
    pub fn holds(self, source: &Source, draft: &Draft) -> bool {
        source.on_old.time_that_ages(draft).is_some_and(|time| self.is_beyond(time))
    }

    /// Whether this event, if it is not held back, is old enough for a warning: one like it will be held back, in this
    /// store as soon as keys have been deleted, or when it comes a little later.
    pub fn warns_of(self, source: &Source, draft: &Draft) -> bool {
        let time = source.on_old.time_that_ages(draft);
        time.is_some_and(|time| is_before(self.early, time) && !self.is_beyond(time))
    }

    /// Whether the key of something that happened at `time` may have been forgotten, or may be before it is looked for. A
    /// time that was never set, as zero is written in many ways, says nothing.
    fn is_beyond(self, time: Timestamp) -> bool {
        is_before(self.forgotten, time)
    }
}

fn is_before(horizon: Option<Timestamp>, time: Timestamp) -> bool {
    time.as_millis() >= SET_SINCE_MS && horizon.is_some_and(|horizon| time.minus(MARGIN) < horizon)
}

/// When a time in a request last agreed with the clock.
#[derive(Debug)]
pub struct Witness(AtomicI64);

impl Default for Witness {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Witness {
    /// Whether an event that this source tells of confirms that the clock was right when it was received.
    /// Unauthenticated requests confirm nothing.
    pub fn is_heard_in(source: &Source, time: Option<Timestamp>, received_at: Timestamp) -> bool {
        !source.verifier.is_unsigned() && time.is_some_and(|time| time.distance(received_at) <= AGREEMENT)
    }

    /// Records that the clock was right when it showed `wall`.
    pub fn testify(&self, wall: Timestamp) {
        self.0.store(wall.as_millis(), Ordering::Relaxed);
    }

    /// Whether that was recent, so that the clock cannot have been set far since.
    pub fn vouches_for(&self, wall: Timestamp) -> bool {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed)).distance(wall) <= OF_LATE
    }
}

/// 1980-01-01T00:00:00Z: an earlier time is a clock that was never set.
const SET_SINCE_MS: i64 = 315_532_800_000;
/// What is read now is looked for among the keys soon, at the latest when a full disk has space again.
const MARGIN: Duration = Duration::from_secs(3600);
/// How far a time may be from the clock and still agree with it: much less than the shortest time for which keys are kept.
const AGREEMENT: Duration = Duration::from_secs(24 * 3600);
/// How long a witness is valid. A clock that was set by less than that is close enough.
const OF_LATE: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const KEYS: Duration = Duration::from_secs(100 * 3600);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(SET_SINCE_MS + millis)
    }

    #[test]
    fn what_happened_before_the_keys_begin_is_beyond() {
        let horizon = Horizon::of(at(200 * HOUR), at(200 * HOUR), KEYS);
        assert!(horizon.is_beyond(at(0)) && horizon.is_beyond(at(99 * HOUR)) && horizon.is_beyond(at(101 * HOUR - 1)));
        assert!(!horizon.is_beyond(at(101 * HOUR)) && !horizon.is_beyond(at(300 * HOUR)));
        assert!(!horizon.is_beyond(at(-1)) && !horizon.is_beyond(Timestamp::from_millis(i64::MIN)), "no time at all");
        assert!(!Horizon::default().is_beyond(at(0)));
    }

    #[test]
    fn what_waits_to_be_read_does_not_grow_old_and_a_clock_that_is_ahead_makes_nothing_old() {
        let (received_at, later) = (at(200 * HOUR), at(9_000 * HOUR));
        for horizon in [Horizon::of(later, received_at, KEYS), Horizon::of(received_at, later, KEYS)] {
            assert!(horizon.is_beyond(at(99 * HOUR)) && !horizon.is_beyond(received_at));
        }
        assert!(Horizon::of(later, later, KEYS).is_beyond(received_at), "nothing else keeps it from being old");
    }

    #[test]
    fn a_witness_is_heard_for_a_while() {
        let witness = Witness::default();
        assert!(!witness.vouches_for(at(0)) && !witness.vouches_for(Timestamp::from_millis(0)));
        witness.testify(at(10 * HOUR));
        assert!(witness.vouches_for(at(10 * HOUR)) && witness.vouches_for(at(11 * HOUR)));
        assert!(!witness.vouches_for(at(11 * HOUR + 1)) && !witness.vouches_for(at(9 * HOUR - 1)));
    }
}
