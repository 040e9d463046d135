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

#[tokio::test]
async fn after_a_downtime_incidents_are_timed_by_the_clock_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("gatepost.db"), Access::Serve).unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::parse("2026-11-21T10:00:00Z").unwrap()));
    let (now, down_at) = (clock.now(), clock.now().minus(SECOND * 2 * 3600));
    store.note_time(NotedTime { settled: down_at, vouched: down_at }).await.unwrap();
    let timekeeper = Timekeeper::new(store, clock as Arc<dyn Clock>, Arc::default());
    assert_eq!(*timekeeper.settled().borrow(), down_at);
    assert_eq!(*timekeeper.present().borrow(), Present { now, settled: down_at, listening_since: now });
}

#[test]
fn silence_counts_anew_from_a_jump_forward_and_goes_on_counting_over_one_back() {
    let (clock, mut time) = start();
    let started = clock.now();
    pass(&clock, &mut time, 100);
    assert_eq!(time.present(), Present { now: clock.now(), settled: clock.now(), listening_since: started });
    clock.set(started.plus(DAY));
    pass(&clock, &mut time, 100);
    let [jumped, now] = [1, 100].map(|seconds| started.plus(DAY + SECOND * seconds));
    assert_eq!((time.present().now, time.present().listening_since), (now, jumped));
    clock.set(now.minus(SECOND * 30));
    pass(&clock, &mut time, 1);
    assert_eq!((time.present().now, time.present().listening_since), (clock.now(), jumped));
    clock.set(started);
    pass(&clock, &mut time, 1);
    assert_eq!((time.present().now, time.present().listening_since), (clock.now(), clock.now()));
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
