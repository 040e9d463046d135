//! A wall clock that is set: by an hour, by a day, to 2038, and back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use gatepost::app::App;
use gatepost::config::Config;
use gatepost::domain::{Clock, DeliveryState, SystemClock, Timestamp};
use gatepost::standins::Fault;
use gatepost::store::{DeliveryFilter, Page, Queries};

use super::dice::Dice;
use super::expectations::Expectations;
use super::gateway::Gateway;
use super::load::{Amount, Load};
use super::oracle::{self, Allowance};
use super::world::World;
use super::{is_long, needs, schedule, wire};

/// The machine's clock, with a wall and a monotonic clock that can be set apart.
#[derive(Debug, Default)]
pub struct SetClock {
    /// How far the wall clock was set ahead, in milliseconds.
    wall_ahead: AtomicI64,
    /// Simulated time, in milliseconds, by which both clocks are ahead of the machine's.
    passed: AtomicI64,
}

impl SetClock {
    pub fn set(&self, ahead_s: i64) {
        self.wall_ahead.store(ahead_s * 1000, Ordering::SeqCst);
    }

    pub fn let_pass(&self, time: Duration) {
        self.passed.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        let ahead = self.wall_ahead.load(Ordering::SeqCst) + self.passed.load(Ordering::SeqCst);
        Timestamp::from_millis(SystemClock.now().as_millis() + ahead)
    }

    fn steady(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.steady().as_millis() + self.passed.load(Ordering::SeqCst))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_loses_nothing_and_forgets_no_key() {
    schedule::measured(set_under_load).await;
}

async fn set_under_load() {
    let mut dice = Dice::of("clock");
    let world = World::new().await;
    let expectations = Arc::new(Expectations::new(&mut dice));
    let clock = Arc::new(SetClock::default());
    let app = App::start_by(Config::load(&world.setting.config).unwrap(), clock.clone()).await.unwrap();
    // Tickets wait for their retries, and pages are under way, whenever the clock is set.
    world.jira.as_ref().unwrap().always(Some(Fault::Status(408)));
    world.pagerduty.as_ref().unwrap().always(Some(Fault::SlowAnswer { bytes_per_second: 40 }));
    let load = Load::start(&expectations, world.public, AMOUNT, &mut dice);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut jumps = 0;
    for (place, ahead_s) in JUMPS.into_iter().enumerate() {
        if place + 1 == JUMPS.len() {
            world.jira.as_ref().unwrap().always(None);
            // What was refused last is to be written down before the clock is set, or it waits its whole pause after it.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        clock.set(ahead_s);
        jumps += 1;
        tokio::time::sleep(step()).await;
        if ahead_s >= YEAR_2038_S {
            // A reload has the retention task look at once.
            let before = count(&world, "dedupe_keys");
            app.reload(&world.setting.config).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            let (keys, events) = (count(&world, "dedupe_keys"), count(&world, "event_keys"));
            assert!(keys >= before && before > 0, "{keys} of {before} keys are left in 2038");
            assert!(events > 0);
        }
    }
    load.stop().await;
    world.pagerduty.as_ref().unwrap().always(None);
    let drained = app_drained(&app, Duration::from_secs(60)).await;
    let figures = oracle::check(&world, &expectations, Allowance::default());
    let metrics = wire::get(world.setting.admin, "/metrics").await.unwrap().text();
    println!("clock: set {jumps} times; {figures}; drained in {drained:?}");
    assert!(metrics.contains(&format!("gatepost_clock_jumps_total {jumps}\n")), "{metrics}");
    let pager = world.pagerduty.as_ref().unwrap();
    let (pages, incidents) = (pager.requests().len(), pager.incidents().len());
    assert_eq!(pages, incidents, "what was under way was sent again");
    assert_eq!(expectations.entries().answers.keys().copied().collect::<Vec<_>>(), [200]);
    app.stop().await;
}

/// The same look of the retention task, at a time to which the clock was set and at one that has come: it is awake.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_go_when_their_time_has_passed_and_not_when_the_clock_says_so() {
    let _turn = schedule::beside_others().await;
    let mut dice = Dice::of("clock and keys");
    let world = World::new().await;
    let expectations = Expectations::new(&mut dice);
    let clock = Arc::new(SetClock::default());
    let app = App::start_by(Config::load(&world.setting.config).unwrap(), clock.clone()).await.unwrap();
    for _ in 0..EVENTS {
        let posting = expectations.write(expectations.adrian("medium", 10));
        assert_eq!(expectations.post_once(posting, world.public).await, Some(200));
    }
    app_drained(&app, Duration::from_secs(60)).await;
    oracle::check(&world, &expectations, Allowance::default());
    let keys = || count(&world, "dedupe_keys") + count(&world, "event_keys");
    let before = keys();
    assert!(before > 0);
    clock.set(YEAR_2038_S);
    tokio::time::sleep(Duration::from_secs(2)).await;
    app.reload(&world.setting.config).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(keys(), before, "keys were deleted in 2038");
    clock.set(0);
    clock.let_pass(Duration::from_secs(31 * 24 * 3600));
    tokio::time::sleep(Duration::from_secs(2)).await;
    app.reload(&world.setting.config).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while keys() > 0 {
        assert!(Instant::now() < deadline, "keys are still there after 31 days");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_makes_no_storm_and_no_delay() {
    schedule::measured(storm).await;
}

async fn storm() {
    let mut dice = Dice::of("clock and retries");
    // The same twice, at the same time: once the clock is left alone.
    let (usual, set) = tokio::join!(retries(dice.fork(), false), retries(dice.fork(), true));
    println!("clock: {} sends of {EVENTS} events with a clock that is set, {} without", set.sends, usual.sends);
    let drained = set.drained.unwrap();
    println!("clock: delivered {drained:?} after it was set back a day and the fault had gone");
    assert!(set.sends <= 2 * usual.sends, "a retry storm");
    schedule::within("retries under a clock that was set back", drained, Duration::from_secs(5));
}

struct Retries {
    sends: usize,
    /// How long it took after the fault, where the clock was set.
    drained: Option<Duration>,
}

async fn retries(mut dice: Dice, is_set: bool) -> Retries {
    let world = World::new().await;
    let expectations = Expectations::new(&mut dice);
    let clock = Arc::new(SetClock::default());
    let app = App::start_by(Config::load(&world.setting.config).unwrap(), clock.clone()).await.unwrap();
    let jira = world.jira.as_ref().unwrap();
    jira.always(Some(Fault::Status(408)));
    for _ in 0..EVENTS {
        let posting = expectations.write(expectations.adrian("medium", 10));
        assert_eq!(expectations.post_once(posting, world.public).await, Some(200));
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    for ahead_s in [HOUR_S, 0, YEAR_2038_S, DAY_S] {
        if is_set {
            clock.set(ahead_s);
        }
        tokio::time::sleep(step() * 2).await;
    }
    let sends = jira.requests().len();
    if !is_set {
        // What waits would wait its usual time: nothing is learned from that.
        app.stop().await;
        return Retries { sends, drained: None };
    }
    jira.always(None);
    // Back by a day: what waits must not wait for it.
    clock.set(0);
    let drained = app_drained(&app, Duration::from_secs(120)).await;
    app.stop().await;
    oracle::check(&world, &expectations, Allowance::default());
    Retries { sends, drained: Some(drained) }
}

/// Waits until nothing is under way any more.
pub async fn app_drained(app: &App, within: Duration) -> Duration {
    let begun = Instant::now();
    loop {
        let depths = app.store().depths(SystemClock.now()).unwrap();
        let waiting = depths.iter().filter(|depth| depth.state != DeliveryState::Dead).count();
        // Counts are brought up to date within that time. What was planned while the clock was ahead waits for longer.
        let later = SystemClock.now().plus(UPDATED_WITHIN);
        let planned = |by| app.store().depths(by).unwrap().iter().map(|depth| depth.count).sum::<u64>();
        if waiting == 0
            && planned(later) == planned(Timestamp::from_millis(i64::MAX))
            && app.store().undispatched().unwrap() == 0
        {
            return begun.elapsed();
        }
        if begun.elapsed() > within {
            let page = Page { limit: 3, before: None };
            let filter = DeliveryFilter { state: Some(DeliveryState::Waiting), ..DeliveryFilter::default() };
            panic!("after {within:?} there is still {depths:?}: {:#?}", app.store().deliveries(&page, &filter));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_process_bears_a_clock_that_is_set() {
    schedule::measured(real_process).await;
}

async fn real_process() {
    let Some(library) = libfaketime() else {
        needs::skip("faketime", "no libfaketime");
        return;
    };
    let mut dice = Dice::of("clock of the process");
    let mut world = World::new().await;
    let setting = tempfile::NamedTempFile::new().unwrap();
    let set = |ahead_s: i64| {
        // Renamed into place, so that no reader sees half of it.
        let beside = setting.path().with_extension("next");
        std::fs::write(&beside, format!("{ahead_s:+}\n")).unwrap();
        std::fs::rename(&beside, setting.path()).unwrap();
    };
    set(0);
    world.setting.environment = BTreeMap::from([
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", setting.path().display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("FAKETIME_DONT_RESET", "1".to_owned()),
    ]);
    let expectations = Arc::new(Expectations::new(&mut dice));
    let gateway = Gateway::ready(&world, &expectations).await;
    world.jira.as_ref().unwrap().always(Some(Fault::Status(408)));
    let load = Load::start(&expectations, world.public, AMOUNT, &mut dice);
    for (place, ahead_s) in JUMPS.into_iter().enumerate() {
        if place + 1 == JUMPS.len() {
            world.jira.as_ref().unwrap().always(None);
            // What was refused last is to be written down before the clock is set, or it waits its whole pause after it.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        set(ahead_s);
        tokio::time::sleep(step()).await;
        if ahead_s >= YEAR_2038_S {
            let before = count(&world, "dedupe_keys");
            gateway.signal("HUP");
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(count(&world, "dedupe_keys") >= before && before > 0, "keys were deleted in 2038");
        }
    }
    load.stop().await;
    let drained = gateway.drained(Duration::from_secs(60)).await;
    let metrics = gateway.metrics().await;
    let jumps = metrics.lines().find_map(|line| line.strip_prefix("gatepost_clock_jumps_total ")).unwrap_or("none");
    assert_eq!(jumps, JUMPS.len().to_string(), "{}", gateway.log());
    assert!(gateway.log().contains("the clock was set forward") && gateway.log().contains("the clock was set back"));
    gateway.stop().await;
    // A start on a clock that is years ahead, and another on one that is right again.
    for ahead_s in [YEAR_2038_S, 0] {
        set(ahead_s);
        let before = count(&world, "dedupe_keys");
        let gateway = Gateway::ready(&world, &expectations).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(count(&world, "dedupe_keys") > before, "a start at {ahead_s:+} s deleted keys");
        gateway.drained(Duration::from_secs(30)).await;
        gateway.stop().await;
    }
    let figures = oracle::check(&world, &expectations, Allowance::default());
    println!("clock: of the real process, set {jumps} times; {figures}; drained in {drained:?}");
}

fn libfaketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let places = folders.chain([PathBuf::from("/usr/lib"), PathBuf::from("/usr/lib64")]);
    places.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists())
}

fn count(world: &World, table: &str) -> i64 {
    let connection = rusqlite::Connection::open(world.store()).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// How long the clock stands where it was set. It is looked at once a second.
fn step() -> Duration {
    Duration::from_millis(if is_long() { 20_000 } else { 1_500 })
}

/// Those of a ticket: an hour after it was opened.
const UPDATED_WITHIN: Duration = Duration::from_secs(3_700);
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;
/// About as many as from now to the end of 32 bits.
const YEAR_2038_S: i64 = 12 * 365 * DAY_S;
/// How far the clock is ahead, one after the other.
const JUMPS: [i64; 9] = [HOUR_S, 0, -HOUR_S, DAY_S, 0, YEAR_2038_S, 0, -DAY_S, 0];
/// Few enough for a destination that takes two seconds a page.
const AMOUNT: Amount =
    Amount { connections: 4, pause: Duration::from_millis(50), paced: [0.3, 0.5, 1.0], padding: 500 };
const EVENTS: usize = 25;
