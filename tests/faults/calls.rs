//! Calls to the system that fail, and a process that dies at one: each call in turn, in the real process.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepost::store::{Access, SqliteStore};
use tokio::task::JoinSet;

use super::dice::Dice;
use super::disk::{HEAL_LIMIT, answered_again};
use super::expectations::Expectations;
use super::gateway::{Gateway, STOP_LIMIT};
use super::load::{Amount, Load};
use super::oracle::{self, Allowance};
use super::power::scratch;
use super::strace::{Call, Strace};
use super::world::World;
use super::{is_long, schedule};

/// Which fault is injected at which call: the first of a thread is number 1.
#[derive(Clone, Copy, Debug)]
struct Point {
    calls: &'static str,
    fault: &'static str,
    number: u64,
}

impl Point {
    fn text(&self) -> String {
        format!("{}:{}:when={}", self.calls, self.fault, self.number)
    }
}

const SYNC: &str = "fsync,fdatasync";
const WRITE: &str = "pwrite64";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_fails_is_answered_with_503_or_ends_the_process() {
    let _turn = schedule::beside_others().await;
    let mut dice = Dice::of("failing calls");
    let kinds = [(SYNC, "error=EIO"), (WRITE, "error=EIO"), (WRITE, "error=ENOSPC"), (WRITE, "retval=0")];
    let mut points = Vec::new();
    for (place, (calls, fault)) in kinds.into_iter().enumerate() {
        let numbers: Vec<u64> = match place {
            _ if is_long() => (1..=200).collect(),
            // Within the first start, at its end, at the first checkpoint, and under load.
            0 => vec![1 + dice.below(5), 6, 7, 8, 9, 10 + dice.below(20), 30 + dice.below(100)],
            1 => vec![1 + dice.below(20), 30 + dice.below(60), 90 + dice.below(100)],
            _ => vec![40 + dice.below(150)],
        };
        points.extend(numbers.into_iter().map(|number| Point { calls, fault, number }));
    }
    let Some(outcomes) = in_parallel(points, &mut dice, fails).await else { return };
    let count = |wanted: fn(&Failed) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
    let healed = outcomes.iter().filter_map(|outcome| outcome.healed).max().unwrap_or_default();
    println!(
        "failing calls: {} processes, {} met their fault, {} refused requests, {} ended; healed in at most {healed:?}; \
         {} answered 200, 0 lost",
        outcomes.len(),
        count(|outcome| outcome.was_met),
        count(|outcome| outcome.refused > 0),
        count(|outcome| outcome.healed.is_none()),
        outcomes.iter().map(|outcome| outcome.acknowledged).sum::<usize>(),
    );
    assert!(count(|outcome| outcome.was_met) * 10 >= outcomes.len() * 9, "most faults were not met");
    assert!(count(|outcome| outcome.refused > 0) > 0, "nothing was refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_at_any_call_loses_nothing() {
    let _turn = schedule::beside_others().await;
    let mut dice = Dice::of("dying calls");
    let mut points = Vec::new();
    for (calls, long, short) in [
        (WRITE, 160, vec![1 + dice.below(25), 26 + dice.below(20), 46 + dice.below(30), 76 + dice.below(40)]),
        (SYNC, 40, vec![1 + dice.below(6), 7 + dice.below(5), 12 + dice.below(8)]),
        ("sendto", 10, vec![1]),
        ("recvfrom", 10, vec![1 + dice.below(2)]),
        ("write", 30, vec![2 + dice.below(6)]),
        ("writev", 6, vec![1]),
        ("accept4", 3, vec![1]),
        ("connect", 3, vec![]),
        ("openat", 60, vec![]),
        ("close", 20, vec![]),
    ] {
        let numbers = if is_long() { (1..=long).collect() } else { short };
        points.extend(numbers.into_iter().map(|number| Point { calls, fault: "signal=KILL", number }));
    }
    let Some(deaths) = in_parallel(points, &mut dice, dies).await else { return };
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for place in deaths.iter().flatten() {
        *places.entry(place.clone()).or_default() += 1;
    }
    println!(
        "dying calls: {} processes, killed {} times at {places:?}; 0 lost",
        deaths.len(),
        deaths.iter().flatten().count()
    );
    let died = deaths.iter().flatten().count();
    assert!(is_long() || died * 2 >= deaths.len(), "only {died} died");
    // A few calls by chance need not be those.
    let wanted = ["the log: pwrite64", "the log: fdatasync", "the vendor: sendto"];
    for wanted in wanted.into_iter().filter(|_| is_long()) {
        assert!(places.keys().any(|place| place.ends_with(wanted)), "none died at {wanted}");
    }
}

/// What came of a call that failed.
struct Failed {
    was_met: bool,
    refused: usize,
    acknowledged: usize,
    /// `None` if the process ended.
    healed: Option<Duration>,
}

async fn fails(point: Point, mut dice: Dice) -> Option<Failed> {
    let folder = scratch();
    let strace = Strace::new(folder.path().join("calls"), "fsync,fdatasync,pwrite64,close")?.inject(&point.text());
    let world = World::with_store_in(Some(folder.path())).await;
    let expectations = Arc::new(Expectations::new(&mut dice));
    let started_at = Instant::now();
    let mut gateway = Gateway::start_under(&world, &strace);
    let process = gateway.pid();
    let load = Load::start(&expectations, world.public, ONLY_ARCHIVED, &mut dice);
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut ended = None;
    while ended.is_none() && !strace.has_injected() && Instant::now() < deadline {
        ended = gateway.ended(Duration::from_millis(20)).await;
    }
    let was_met = strace.has_injected();
    if ended.is_none() {
        ended = gateway.ended(Duration::from_millis(700)).await;
    }
    let healed = match ended {
        Some(status) => {
            assert!(status.code().is_some_and(|code| code != 0), "{point:?}: it ended with {status}");
            gateway = Gateway::ready(&world, &expectations).await;
            None
        }
        None => Some(answered_again(&world, &expectations).await),
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    load.stop().await;
    gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    let figures = oracle::check(&world, &expectations, Allowance::default());
    let entries = expectations.entries();
    assert!(entries.answers.keys().all(|status| [200, 503].contains(status)), "{point:?}: {:?}", entries.answers);
    assert_eq!((entries.unhelpful, entries.silent), (0, 0), "{point:?}");
    if let Some(healed) = healed {
        let log = std::fs::read_to_string(&world.setting.log).unwrap_or_default();
        let sent: Vec<Duration> = entries.unanswered.iter().map(|sent_at| *sent_at - started_at).collect();
        assert_eq!((entries.torn, sent.len()), (0, 0), "{point:?}: unanswered, sent after the start: {sent:?}\n{log}");
        assert!(healed <= HEAL_LIMIT, "{point:?}: it healed only after {healed:?}");
    }
    if healed.is_some() {
        // A start that fails answers no request; SQLite rolls back on the handle what it had begun.
        let used = used_after_a_failed_sync(&strace.calls(process), world.store());
        assert!(used.is_empty(), "{point:?}: {used:?}");
    }
    let refused = entries.answers.get(&503).copied().unwrap_or(0);
    Some(Failed { was_met, refused, acknowledged: figures.acknowledged, healed })
}

/// Calls on a handle of the store that has failed to sync, other than closing it.
fn used_after_a_failed_sync(calls: &[Call], store: &Path) -> Vec<String> {
    let mut failed: BTreeMap<u32, String> = BTreeMap::new();
    let mut used = Vec::new();
    for call in calls {
        let (Some(handle), Some(file)) = (call.descriptor(), call.file()) else { continue };
        let name = file.strip_prefix(store.parent().unwrap()).unwrap_or(file).display().to_string();
        match call.name.as_str() {
            "close" => drop(failed.remove(&handle)),
            _ if failed.contains_key(&handle) => {
                used.push(format!("{} on {name} after {}", call.name, failed[&handle]))
            }
            "fsync" | "fdatasync" if call.failed() && name.starts_with("gatepost.db") => {
                failed.insert(handle, format!("line {}", call.begun));
            }
            _ => {}
        }
    }
    used
}

/// One request from its acceptance to its last delivery; where the process died, if it did.
async fn dies(point: Point, mut dice: Dice) -> Option<Option<String>> {
    let folder = scratch();
    let traced = "accept4,recvfrom,pwrite64,fsync,fdatasync,sendto,write,writev,connect,openat,close";
    let strace = Strace::new(folder.path().join("calls"), traced)?.inject(&point.text());
    let world = World::with_store_in(Some(folder.path())).await;
    let expectations = Arc::new(Expectations::new(&mut dice));
    let posting = expectations.write(expectations.adrian("critical", 300));
    let mut gateway = Gateway::start_under(&world, &strace);
    let process = gateway.pid();
    let (mut answered, mut store) = (false, None);
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut has_died = false;
    while !has_died && Instant::now() < deadline {
        has_died = gateway.ended(Duration::from_millis(10)).await.is_some();
        if has_died {
            break;
        }
        if !answered {
            answered = expectations.post_once(posting, world.public).await == Some(200);
            continue;
        }
        let store = match &store {
            Some(store) => store,
            None => {
                let path = world.store().to_owned();
                let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&path, Access::Operate).unwrap());
                store.insert(opened.await.unwrap())
            }
        };
        if Gateway::left(store, Duration::ZERO).await.is_none() {
            break;
        }
    }
    drop(store);
    if !has_died {
        // Its call may come while it stops.
        gateway.drained(Duration::from_secs(60)).await;
        gateway.signal("TERM");
        let status = gateway.ended(STOP_LIMIT).await;
        has_died = status.is_some_and(|status| status.signal() == Some(9));
        assert!(has_died || status.is_some_and(|status| status.success()), "{point:?}: stopping: {status:?}");
    }
    let place = has_died.then(|| place_of_death(&strace.calls(process), point.calls, &world));
    if has_died {
        gateway = Gateway::ready(&world, &expectations).await;
        while !answered {
            answered = expectations.post_once(posting, world.public).await == Some(200);
        }
        gateway.drained(Duration::from_secs(60)).await;
        gateway.stop().await;
    }
    // One message at most was on its way.
    oracle::check(&world, &expectations, Allowance { slack_repeats: 1 });
    let answers: BTreeSet<u16> = expectations.entries().answers.keys().copied().collect();
    assert!(answers.iter().all(|status| [200, 503].contains(status)), "{point:?}: {answers:?}");
    Some(place)
}

/// Before or after the request came, on what, and in which call.
fn place_of_death(calls: &[Call], wanted: &str, world: &World) -> String {
    let is_wanted = |call: &&Call| call.ended.is_none() && wanted.split(',').any(|name| name == call.name);
    let Some(last) = calls.iter().rev().find(is_wanted) else { return format!("unknown: {wanted}") };
    let has_come = calls.iter().any(|call| call.name == "accept4" && call.ended.is_some());
    let when = if has_come { "with the request" } else { "at the start" };
    format!("{when}, on {}: {}", whose(last, world.public, world.store()), last.name)
}

fn whose(call: &Call, public: SocketAddr, store: &Path) -> &'static str {
    let Some(file) = call.file() else { return "something else" };
    let text = file.display().to_string();
    match text.strip_prefix(&store.display().to_string()) {
        Some("") => return "the database",
        Some("-wal") => return "the log",
        Some(_) => return "a file beside the database",
        None => {}
    }
    match text.strip_prefix("TCP:[") {
        Some(ends) if ends.starts_with(&public.to_string()) => "the vendor",
        Some(_) => "a destination",
        None if text.ends_with("events.ndjson") => "the archive",
        None if Some(file) == store.parent() => "the folder",
        None => "something else",
    }
}

/// Runs the trials a few at a time: each of them mostly waits.
async fn in_parallel<T, F>(points: Vec<Point>, dice: &mut Dice, trial: fn(Point, Dice) -> F) -> Option<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Option<T>> + Send + 'static,
{
    let (mut running, mut outcomes) = (JoinSet::new(), Vec::new());
    let mut points = points.into_iter().peekable();
    loop {
        while running.len() < AT_ONCE
            && let Some(point) = points.next()
        {
            running.spawn(trial(point, dice.fork()));
        }
        match running.join_next().await {
            Some(outcome) => outcomes.push(outcome.unwrap()?),
            None => return Some(outcomes),
        }
    }
}

const ONLY_ARCHIVED: Amount =
    Amount { connections: 4, pause: Duration::from_millis(5), paced: [0.0, 0.0, 0.0], padding: 600 };
const AT_ONCE: usize = 4;
