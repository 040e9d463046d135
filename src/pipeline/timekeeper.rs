//! What is done when the wall clock is set.
//!
//! Leases, the day of retries, pauses and paces use the monotonic clock and are not affected. Two things must use the
//! wall clock, because people and other processes read them: when a retry is due, and when a row was written. So the
//! timekeeper compares both clocks once a second. If they have moved apart it logs that, and
//!
//! - whatever would wait for a time that is now far away is made due: a retry costs at most one try more, and what is too
//!   early is planned anew. What was planned by the former time may still be on its way into the store, so the store is
//!   asked again for a minute;
//! - retention does not follow a clock that was set forward until it has stood there for a day, so that nothing is
//!   deleted early and a repetition stays known as one. It follows a clock that was set back at once: it deletes less.
//!
//! Quarantine trusts the wall clock even less: a clock far ahead would make it hold back every alert. It does not
//! follow a clock that was set forward, however long it stays there, until a request has carried a time that agrees
//! with it: see [`Witness`].
//!
//! The times that retention and quarantine follow are kept in the store, so that a clock that was set while gatepost
//! was down is noticed, too. Set forward it looks like a long downtime, and is treated alike: retention waits a day.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::horizon::Witness;
use crate::domain::{Clock, Timestamp};
use crate::store::{Hastened, NotedTime, StoreError, Upkeep};
use crate::telemetry::Metrics;

/// Watches the clock.
pub struct Timekeeper<U> {
    /// The store.
    store: U,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    time: Time,
    /// The time that retention follows.
    settled: watch::Sender<Timestamp>,
    /// The time that quarantine follows.
    vouched: watch::Sender<Timestamp>,
    witness: Arc<Witness>,
    jumped_at_start: Option<Jump>,
    late_writes: Option<LateWrites>,
}

/// What may be written by the former time although the clock has been set back: a transaction that waited for its turn, an
/// answer that arrived while the clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LateWrites {
    /// What it plans waits for a time after this one.
    beyond: Timestamp,
    /// On the steady hand: later there are none.
    until: Timestamp,
}

impl LateWrites {
    /// Of a clock that was set back to `now`. `None`: they wait no longer than a short while.
    fn after(by: Duration, now: Timestamp, steady: Timestamp) -> Option<Self> {
        let beyond = now.plus(by).minus(LATE_MAX);
        (by > 2 * LATE_MAX).then(|| Self { beyond, until: steady.plus(LATE_MAX) })
    }

    /// What is to be made due now.
    fn at(self, steady: Timestamp) -> Option<Timestamp> {
        (steady <= self.until).then_some(self.beyond)
    }
}

/// The clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Jump {
    Forward(Duration),
    Back(Duration),
}

/// Both hands of the clock as they were last seen, and what retention and quarantine make of them.
#[derive(Clone, Debug)]
struct Time {
    wall: Timestamp,
    steady: Timestamp,
    settled: Timestamp,
    /// Never ahead of what is settled.
    vouched: Timestamp,
    /// Since when the wall clock has been ahead of what is settled, on the steady hand.
    ahead_since: Option<Timestamp>,
}

impl Time {
    /// At a start, with what was noted last.
    fn new(noted: Option<NotedTime>, wall: Timestamp, steady: Timestamp) -> (Self, Option<Jump>) {
        let noted = noted.unwrap_or(NotedTime { settled: wall, vouched: wall });
        let ahead = wall.since(noted.settled) > NOTED_AGE_MAX;
        let settled = if ahead { noted.settled } else { wall };
        let vouched = noted.vouched.plus(settled.since(noted.settled)).min(wall);
        let time = Self { wall, steady, settled, vouched, ahead_since: ahead.then_some(steady) };
        let behind = noted.settled.since(wall);
        (time, (behind > JUMP_MIN).then_some(Jump::Back(behind)))
    }

    /// Reads the clock again; `is_vouched_for` says whether a request has confirmed it.
    fn look(&mut self, wall: Timestamp, steady: Timestamp, is_vouched_for: bool) -> Option<Jump> {
        let elapsed = steady.since(self.steady);
        let expected = self.wall.plus(elapsed);
        (self.wall, self.steady) = (wall, steady);
        let jump = match (wall.since(expected), expected.since(wall)) {
            (forward, _) if forward > JUMP_MIN => Some(Jump::Forward(forward)),
            (_, back) if back > JUMP_MIN => Some(Jump::Back(back)),
            _ => None,
        };
        if matches!(jump, Some(Jump::Forward(_))) {
            // After another jump forward it has to stay for a day again.
            self.ahead_since = Some(steady);
        }
        let believed = self.ahead_since.is_none_or(|since| steady.since(since) >= BELIEVED_AFTER);
        let held = self.settled.plus(elapsed);
        if believed || wall <= held {
            self.ahead_since = None;
            self.settled = wall;
        } else {
            self.settled = held;
        }
        self.vouched = if is_vouched_for { self.settled } else { self.vouched.plus(elapsed).min(self.settled) };
        jump
    }
}

impl<U: Upkeep> Timekeeper<U> {
    /// Reads what time an earlier process noted. Blocks on the disk for a moment.
    pub fn new(store: U, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        let noted = store.noted_time().unwrap_or_else(|fault| {
            tracing::warn!(%fault, "the time that was noted last cannot be read");
            None
        });
        let (time, jumped_at_start) = Time::new(noted, clock.now(), clock.steady());
        if time.ahead_since.is_some() {
            let (noted, now) = (time.settled, time.wall);
            tracing::info!(%noted, %now, "gatepost was down, or the clock was set: retention waits a day");
        }
        let (settled, _) = watch::channel(time.settled);
        let (vouched, _) = watch::channel(time.vouched);
        Self {
            store,
            clock,
            metrics,
            time,
            settled,
            vouched,
            witness: Arc::default(),
            jumped_at_start,
            late_writes: None,
        }
    }

    /// The time that retention follows, as it changes.
    pub fn settled(&self) -> watch::Receiver<Timestamp> {
        self.settled.subscribe()
    }

    /// The time that quarantine follows, as it changes.
    pub fn vouched(&self) -> watch::Receiver<Timestamp> {
        self.vouched.subscribe()
    }

    /// Who is to be told when a time in a request agrees with the clock.
    pub fn witness(&self) -> Arc<Witness> {
        Arc::clone(&self.witness)
    }

    /// Works until `stop` changes.
    pub async fn run(&mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.take_over() => {}
            _ = stop.changed() => return,
        }
        let mut noted: Option<Timestamp> = None;
        loop {
            if noted.is_none_or(|noted| self.time.steady.since(noted) >= NOTE_INTERVAL) {
                noted = Some(self.time.steady);
                let now = NotedTime { settled: self.time.settled, vouched: self.time.vouched };
                if let Err(fault) = self.store.note_time(now).await {
                    tracing::debug!(%fault, "the time cannot be noted now");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                _ = stop.changed() => return,
            }
            let wall = self.clock.now();
            let jump = self.time.look(wall, self.clock.steady(), self.witness.vouches_for(wall));
            self.settled.send_replace(self.time.settled);
            self.vouched.send_replace(self.time.vouched);
            tokio::select! {
                () = self.follow(jump) => {}
                _ = stop.changed() => return,
            }
        }
    }

    async fn follow(&mut self, jump: Option<Jump>) {
        if let Some(jump) = jump {
            self.report(jump).await;
        } else if let Some(late_writes) = self.late_writes {
            match late_writes.at(self.time.steady) {
                Some(beyond) => self.hasten(Hastened::All, beyond).await,
                None => self.late_writes = None,
            }
        }
    }

    /// What an earlier process left may wait for a time that its clock would have reached.
    async fn take_over(&mut self) {
        if let Some(jump) = self.jumped_at_start {
            return self.report(jump).await;
        }
        self.hasten(Hastened::Retries, self.clock.now().plus(WAIT_LONGEST)).await;
        self.hasten(Hastened::All, self.clock.now().plus(PLANNED_AHEAD_MAX)).await;
    }

    async fn report(&mut self, jump: Jump) {
        self.metrics.clock_jumps.inc();
        let now = self.clock.now();
        match jump {
            Jump::Forward(by) => {
                let seconds = by.as_secs();
                tracing::error!(seconds, %now, "the clock was set forward; nothing is deleted early: retention waits a day");
            }
            Jump::Back(by) => {
                let seconds = by.as_secs();
                tracing::error!(seconds, %now, "the clock was set back; retries that would wait too long are made due");
                self.late_writes = LateWrites::after(by, now, self.time.steady);
                self.hasten(Hastened::All, now).await;
            }
        }
    }

    async fn hasten(&self, what: Hastened, beyond: Timestamp) {
        let now = self.clock.now();
        let mut all = 0;
        loop {
            match self.store.hasten(what, beyond.max(now), now, HASTENED_ROWS).await {
                Ok(count) => {
                    all += count;
                    if count < HASTENED_ROWS {
                        break;
                    }
                }
                Err(StoreError::Stopped) => return,
                Err(fault) => {
                    tracing::warn!(%fault, "retries cannot be made due now");
                    tokio::time::sleep(HASTEN_AGAIN).await;
                }
            }
            tokio::time::sleep(HASTEN_PAUSE).await;
        }
        if all > 0 {
            tracing::warn!(
                rows = all,
                "deliveries and incidents waited for a time that is too far away, and were made due"
            );
        }
    }
}

const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Time servers correct less than this in normal operation.
const JUMP_MIN: Duration = Duration::from_secs(5);
/// How long a clock that was set forward has to stand before rows are deleted by it.
const BELIEVED_AFTER: Duration = Duration::from_secs(24 * 3600);
/// How often the time is noted.
const NOTE_INTERVAL: Duration = Duration::from_secs(60);
/// A restart is over sooner.
const NOTED_AGE_MAX: Duration = Duration::from_secs(300);
/// Nothing waits longer: twice the longest `Retry-After` that is kept to.
const WAIT_LONGEST: Duration = Duration::from_secs(7200);
/// Counts are brought up to date within a day; what is planned for later than that is checked at a start, and planned anew
/// where its time has not come.
const PLANNED_AHEAD_MAX: Duration = Duration::from_secs(48 * 3600);
/// A transaction that was begun before the clock was set has ended by then.
const LATE_MAX: Duration = Duration::from_secs(60);
/// Few enough that intake need not wait.
const HASTENED_ROWS: usize = 500;
const HASTEN_PAUSE: Duration = Duration::from_millis(20);
const HASTEN_AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;

    use super::*;
    use crate::domain::DestinationName;
    use crate::domain::ManualClock;
    use crate::store::{Access, Horizons, SqliteStore, Ticket};

    /// What was asked to be made due: what, and beyond which time.
    type Asked = Arc<Mutex<Vec<(Hastened, Timestamp)>>>;

    struct Recording {
        store: SqliteStore,
        asked: Asked,
    }

    impl Upkeep for Recording {
        fn prune(&self, horizons: Horizons, sinks: Vec<DestinationName>, limit: usize) -> Ticket<usize> {
            self.store.prune(horizons, sinks, limit)
        }

        fn noted_time(&self) -> Result<Option<NotedTime>, StoreError> {
            self.store.noted_time()
        }

        fn note_time(&self, now: NotedTime) -> Ticket<()> {
            self.store.note_time(now)
        }

        fn hasten(&self, what: Hastened, beyond: Timestamp, now: Timestamp, limit: usize) -> Ticket<usize> {
            self.asked.lock().unwrap().push((what, beyond));
            self.store.hasten(what, beyond, now, limit)
        }

        fn backup(&self, to: &Path) -> Result<(), StoreError> {
            self.store.backup(to)
        }
    }

    #[tokio::test]
    async fn what_waits_too_long_is_made_due_at_a_start_after_a_jump_back_and_for_a_minute_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("gatepost.db"), Access::Serve).unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::parse("2026-11-21T10:00:00Z").unwrap()));
        let (before, asked) = (clock.now(), Asked::default());
        let recording = Recording { store, asked: Arc::clone(&asked) };
        let take = || std::mem::take(&mut *asked.lock().unwrap());
        let mut timekeeper = Timekeeper::new(recording, Arc::clone(&clock) as Arc<dyn Clock>, Arc::default());
        timekeeper.take_over().await;
        let [retries, all] = [before.plus(WAIT_LONGEST), before.plus(PLANNED_AHEAD_MAX)];
        assert_eq!(take(), [(Hastened::Retries, retries), (Hastened::All, all)]);
        let mut asked_after = Vec::new();
        clock.set(before.minus(DAY));
        for _ in 0..120 {
            clock.advance(SECOND);
            let jump = timekeeper.time.look(clock.now(), clock.steady(), false);
            timekeeper.follow(jump).await;
            asked_after.push(take());
        }
        assert_eq!(asked_after[0], [(Hastened::All, before.minus(DAY).plus(SECOND))], "whatever waits, at once");
        let late = (Hastened::All, before.plus(SECOND).minus(LATE_MAX));
        assert!(asked_after[1..=60].iter().all(|asked| *asked == [late]), "{asked_after:?}");
        assert!(asked_after[61..].iter().all(Vec::is_empty), "{asked_after:?}");
        clock.advance(DAY);
        clock.set(clock.now().plus(DAY));
        let jump = timekeeper.time.look(clock.now(), clock.steady(), false);
        assert!(matches!(jump, Some(Jump::Forward(_))));
        timekeeper.follow(jump).await;
        assert_eq!(take(), [], "nothing waits too long for a clock that is ahead");
    }

    const DAY: Duration = Duration::from_secs(24 * 3600);
    const SECOND: Duration = Duration::from_secs(1);

    fn start() -> (ManualClock, Time) {
        let clock = ManualClock::at(Timestamp::parse("2026-11-21T10:00:00Z").unwrap());
        let (time, jump) = Time::new(noted(clock.now().minus(SECOND)), clock.now(), clock.steady());
        assert_eq!((time.vouched, jump), (clock.now(), None));
        (clock, time)
    }

    /// Noted by a process whose wall clock had not been set.
    fn noted(at: Timestamp) -> Option<NotedTime> {
        Some(NotedTime { settled: at, vouched: at })
    }

    /// Lets so many seconds pass, one look each; the jumps that were seen.
    fn pass(clock: &ManualClock, time: &mut Time, seconds: usize) -> Vec<Jump> {
        let look = |_| {
            clock.advance(SECOND);
            time.look(clock.now(), clock.steady(), false)
        };
        (0..seconds).filter_map(look).collect()
    }

    #[test]
    fn a_clock_that_is_not_set_is_followed() {
        let (clock, mut time) = start();
        assert_eq!(pass(&clock, &mut time, 100), []);
        assert_eq!(time.settled, clock.now());
        // Small corrections are not logged either.
        for correction in [3_000, -3_000] {
            clock.set(Timestamp::from_millis(clock.now().as_millis() + correction));
            assert_eq!(pass(&clock, &mut time, 1), []);
            assert_eq!(time.settled, clock.now());
        }
    }

    #[test]
    fn retention_waits_a_day_when_the_clock_is_set_forward_and_comes_along_when_it_is_set_back() {
        for years in [1, 12] {
            let (clock, mut time) = start();
            let (before, by) = (clock.now(), DAY * 365 * years);
            clock.set(before.plus(by));
            assert_eq!(pass(&clock, &mut time, 1), [Jump::Forward(by)]);
            assert_eq!(time.settled, before.plus(SECOND), "it goes on from where it was");
            let mut later = time.clone();
            pass(&clock, &mut later, 24 * 3600 - 1);
            assert_eq!(later.settled, before.plus(DAY));
            pass(&clock, &mut later, 1);
            assert_eq!(later.settled, clock.now(), "after a day it is believed");

            clock.set(before.plus(SECOND * 10));
            time.look(clock.now(), clock.steady(), false);
            assert_eq!((time.settled, time.ahead_since), (clock.now(), None), "back where it was");
        }
        let (clock, mut time) = start();
        clock.set(clock.now().minus(DAY));
        assert_eq!(pass(&clock, &mut time, 1), [Jump::Back(DAY)]);
        assert_eq!(time.settled, clock.now());
    }

    #[test]
    fn a_clock_that_goes_back_and_forth_is_never_believed() {
        let (clock, mut time) = start();
        let before = clock.steady();
        for _ in 0..30 {
            clock.set(clock.now().plus(DAY));
            assert_eq!(pass(&clock, &mut time, 3600).len(), 1);
            assert_eq!(time.settled, clock.steady(), "never ahead");
        }
        assert_eq!(clock.steady(), before.plus(SECOND * 30 * 3600));
    }

    #[test]
    fn what_was_on_its_way_while_the_clock_was_set_back_is_made_due_as_well() {
        let (clock, mut time) = start();
        let before = clock.now();
        clock.set(before.minus(DAY));
        let [Jump::Back(by)] = pass(&clock, &mut time, 1)[..] else { panic!("not seen") };
        let (now, steady) = (clock.now(), clock.steady());
        let late_writes = LateWrites::after(by, now, steady).unwrap();
        let beyond = late_writes.at(steady.plus(LATE_MAX)).unwrap();
        assert!(beyond < before && beyond > now.plus(LATE_MAX), "what is planned rightly keeps its time");
        assert_eq!(late_writes.at(steady.plus(LATE_MAX + SECOND)), None);
        assert_eq!(LateWrites::after(LATE_MAX, now, steady), None);
    }

    #[test]
    fn a_start_tells_a_restart_from_a_downtime_and_from_a_clock_that_was_set_back() {
        let now = Timestamp::parse("2026-11-21T10:00:00Z").unwrap();
        let (time, jump) = Time::new(noted(now.minus(SECOND * 90)), now, now);
        assert_eq!((time.settled, time.ahead_since, jump), (now, None, None));
        let (time, jump) = Time::new(noted(now.minus(DAY * 40)), now, now);
        assert_eq!((time.settled, time.ahead_since, jump), (now.minus(DAY * 40), Some(now), None));
        let (time, jump) = Time::new(noted(now.plus(DAY)), now, now);
        assert_eq!((time.settled, time.ahead_since, jump), (now, None, Some(Jump::Back(DAY))));
        let (time, jump) = Time::new(None, now, now);
        assert_eq!((time.settled, jump), (now, None));
    }
    #[test]
    fn quarantine_follows_a_clock_that_was_set_forward_only_when_a_request_confirms_it() {
        let (clock, mut time) = start();
        let (before, year) = (clock.now(), DAY * 365);
        clock.set(before.plus(year));
        pass(&clock, &mut time, 3 * 24 * 3600);
        assert_eq!((time.settled, time.vouched), (clock.now(), before.plus(DAY * 3)), "retention believes it by now");
        // Neither a restart nor a downtime makes the clock right.
        let noted = Some(NotedTime { settled: time.settled, vouched: time.vouched });
        let (restarted, _) = Time::new(noted, clock.now().plus(SECOND * 90), clock.steady());
        assert_eq!(restarted.vouched, before.plus(DAY * 3 + SECOND * 90));
        let (down, _) = Time::new(noted, clock.now().plus(DAY * 40), clock.steady());
        assert_eq!(down.vouched, before.plus(DAY * 3));
        // A clock that is set back to the right time is followed at once, also while gatepost is down.
        let right = clock.now().minus(year);
        let (back, _) = Time::new(noted, right, clock.steady());
        assert_eq!((back.settled, back.vouched), (right, right));
        let mut set_back = time.clone();
        set_back.look(right.minus(DAY), clock.steady(), false);
        assert_eq!(set_back.vouched, right.minus(DAY));
        // It was wrong before and is right now: a request of now says so.
        time.look(clock.now(), clock.steady(), true);
        assert_eq!(time.vouched, clock.now());
        // While retention waits, no witness makes quarantine go ahead of it.
        clock.set(clock.now().plus(year));
        time.look(clock.now(), clock.steady(), true);
        assert_eq!(time.vouched, clock.now().minus(year));
    }
}
