//! Destinations that misbehave in every way, one at a time, without an effect on the others: faults of the service
//! itself, and faults of the network before it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gatepost::domain::{EventId, IncidentNumber, Timestamp};
use gatepost::standins::Fault;
use gatepost::store::{Access, DeliveryFilter, EventFilter, IncidentQueries, Page, Queries, SqliteStore};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::dice::Dice;
use super::expectations::Expectations;
use super::gateway::Gateway;
use super::misdeeds::{How, LONGER_THAN_A_TRY, RETRY_AFTER, Who};
use super::oracle::{self, Allowance};
use super::proxy::Proxy;
use super::schedule::End;
use super::world::World;
use super::{is_long, percentile, schedule};

/// What one case measured.
struct Measured {
    /// From the receipt to the end of the delivery, for each destination.
    latencies: [Vec<Duration>; 4],
    drained: Duration,
}

impl Measured {
    /// Prints how it went; how much later the others were than when all is well.
    fn tell(&self, who: Who, how: How, baseline: &Self) -> Duration {
        let others = DESTINATIONS.into_iter().zip(self.latencies.iter().zip(&baseline.latencies));
        let others = others.filter(|(name, _)| *name != who.name());
        let later = others.map(|(_, (with, without))| percentile(with, 0.99).saturating_sub(percentile(without, 0.99)));
        let (worst, drained) = (later.max().unwrap_or_default(), self.drained);
        println!("destinations: {who:?} {how:?}: 0 lost, once; others at most {worst:?} later, drained in {drained:?}");
        worst
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_misbehaves_loses_nothing_and_delays_no_other() {
    let turn = schedule::beside_others().await;
    let mut dice = Dice::of("destinations");
    let baseline = case(Who::Slack, How::Well, dice.fork()).await;
    let at_once = Arc::new(Semaphore::new(CASES_AT_ONCE));
    let cases: Vec<_> = cases(&mut dice)
        .into_iter()
        .map(|(who, how)| {
            let (at_once, dice) = (Arc::clone(&at_once), dice.fork());
            let run = tokio::spawn(async move {
                let _permit = at_once.acquire_owned().await.unwrap();
                case(who, how, dice).await
            });
            (who, how, run)
        })
        .collect();
    let (mut failed, mut slow) = (Vec::new(), Vec::new());
    for (who, how, run) in cases {
        match schedule::result(run).await {
            Ok(measured) if measured.tell(who, how, &baseline) > DELAY_LIMIT => slow.push((who, how)),
            Ok(_) => {}
            Err(End::TooSlow) => slow.push((who, how)),
            Err(End::Wrong) => failed.push(format!("{who:?} {how:?}")),
        }
    }
    drop(turn);
    // With so much at once the machine may have been too slow. Alone it must hold.
    let _turn = if slow.is_empty() { None } else { Some(schedule::alone().await) };
    for (who, how) in slow {
        let later = case(who, how, dice.fork()).await.tell(who, how, &baseline);
        if later > DELAY_LIMIT {
            failed.push(format!("{who:?} {how:?}: others were {later:?} later"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_heard_while_the_store_waits() {
    let _turn = schedule::beside_others().await;
    let mut dice = Dice::of("answers and a lock");
    let world = World::new().await;
    let expectations = Expectations::new(&mut dice);
    let gateway = Gateway::ready(&world, &expectations).await;
    // One page is answered a second after the store is locked, the other a few seconds later: while the first one waits
    // to be written down.
    let answers = [60, 25].map(|bytes_per_second| Fault::SlowAnswer { bytes_per_second });
    world.script(Who::PagerDuty, answers.to_vec());
    for _ in 0..2 {
        let posting = expectations.write(expectations.adrian("high", 10));
        assert_eq!(expectations.post_once(posting, world.public).await, Some(200));
    }
    let pager = world.pagerduty.as_ref().unwrap();
    pager.wait_for_requests(2, Duration::from_secs(10)).await.unwrap();
    let lock = rusqlite::Connection::open(world.store()).unwrap();
    lock.busy_timeout(Duration::from_secs(5)).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    tokio::time::sleep(LONGER_THAN_A_TRY).await;
    lock.execute_batch("COMMIT").unwrap();
    gateway.drained(DRAIN_LIMIT).await;
    gateway.stop().await;
    oracle::check(&world, &expectations, Allowance::default());
    assert_eq!(world.requests(Who::PagerDuty).len(), 2, "an answer that had come was taken for none");
}

/// Each fault is applied to one destination in the short form, and to every one in the long form.
fn cases(dice: &mut Dice) -> Vec<(Who, How)> {
    let faults = How::OF_NETWORKS.into_iter().chain(How::OF_SERVICES);
    let cases = faults.flat_map(|how| {
        let chosen = dice.below(3) as usize;
        let cases = Who::ALL.into_iter().enumerate().filter(move |(place, _)| is_long() || *place == chosen);
        cases.map(move |(_, who)| (who, how))
    });
    cases.collect()
}

async fn case(who: Who, how: How, mut dice: Dice) -> Measured {
    let mut world = World::new().await;
    let proxy = world.behind_proxy(who, if how.advice().is_some() { "https" } else { "http" }).await;
    proxy.set(how.of_network());
    let expectations = Arc::new(Expectations::new(&mut dice));
    let canary = Canary::start().await;
    let gateway = Gateway::ready(&world, &expectations).await;
    let begun = Instant::now();
    let memory_kib = gateway.rss_reset_kib();
    how.trouble_service(&world, who, &canary.url);
    for _ in 0..EVENTS {
        let posting = expectations.write(expectations.adrian("critical", 200));
        assert_eq!(expectations.post_once(posting, world.public).await, Some(200));
        tokio::time::sleep(EVENT_INTERVAL).await;
    }
    others_have(&world, who, EVENTS).await;
    if how.stops() {
        is_stopped(&gateway, who, how).await;
    }
    tokio::time::sleep(how.lasts().saturating_sub(begun.elapsed())).await;
    if how.is_endless() {
        let rise_kib = gateway.memory_kib("VmHWM").saturating_sub(memory_kib);
        println!("destinations: {who:?} {how:?}: memory rose by {rise_kib} KiB");
        assert!(rise_kib <= MEMORY_RISE_LIMIT_KIB, "{who:?} {how:?}: memory rose by {rise_kib} KiB");
    }
    // A try has come to its end, whatever the destination does with it.
    if !how.stops() && !how.is_over_by_itself() {
        assert_eq!(gateway.state_of(who.name()).await, "failing", "{who:?} {how:?}");
    }
    if how.advice().is_some() {
        is_told_nothing(&world, who, how, &proxy);
    }
    world.always(who, None);
    proxy.set(how.mended_network());
    if matches!(how, How::Redirect | How::Unauthorized) {
        gateway.signal("HUP");
    }
    let drained = gateway.drained(DRAIN_LIMIT).await;
    // A fault that was fixed by a reload or elsewhere shows as fixed.
    if how.stops() && how != How::Redirect {
        assert_eq!(gateway.state_of(who.name()).await, "running", "{who:?}");
        assert!(!gateway.metrics().await.contains(&stopped_line(who)), "{who:?}");
    }
    gateway.stop().await;
    let figures = oracle::check(&world, &expectations, Allowance::default());
    assert_eq!(figures.slack_messages, EVENTS, "{who:?} {how:?}");
    assert_eq!(canary.hits.load(Ordering::Relaxed), 0, "{who:?}: a redirect was followed");
    if how == How::TooMany {
        retry_after_is_kept(&world, who);
    }
    if how.advice().is_some() {
        assert!(proxy.trusted() > 0, "{who:?} {how:?}: the way that was mended has carried nothing");
    }
    assert!(begun.elapsed() < DRAIN_LIMIT * 2);
    Measured { latencies: latencies(&world), drained }
}

/// Waits until every other destination has this many events, while the fault lasts.
pub async fn others_have(world: &World, who: Who, events: usize) {
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        let archived = std::fs::read_to_string(world.archive()).unwrap_or_default().lines().count();
        let others = Who::ALL.into_iter().filter(|other| *other != who);
        if archived > events && others.map(|other| world.effects(other)).all(|effects| effects >= events) {
            return;
        }
        assert!(Instant::now() < deadline, "{who:?}: the others do not have everything");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Stopped for the operator to see, with what to do, and nothing given up.
async fn is_stopped(gateway: &Gateway, who: Who, how: How) {
    let readiness = gateway.readiness().await;
    let destination = &readiness["destinations"][who.name()];
    assert_eq!(readiness["status"], "ready", "{who:?}: a stopped destination must not refuse vendors");
    assert_eq!(destination["state"], "stopped", "{who:?} {how:?}: {readiness}");
    let reason = destination["reason"].as_str().unwrap_or_default();
    assert!(!reason.is_empty() && reason.contains(how.advice().unwrap_or_default()), "{who:?} {how:?}: {reason}");
    assert!(gateway.metrics().await.contains(&stopped_line(who)), "{who:?}: the metric does not say it");
}

/// No request, and no connection on which the certificate was trusted.
fn is_told_nothing(world: &World, who: Who, how: How, proxy: &Proxy) {
    assert!(world.requests(who).is_empty(), "{who:?} {how:?}: told something to another");
    assert_eq!(proxy.trusted(), 0, "{who:?} {how:?}: the certificate was trusted");
}

fn stopped_line(who: Who) -> String {
    format!("gatepost_destination_stopped{{destination=\"{}\"}} 1", who.name())
}

/// The next request comes when it was asked for, and not much later.
fn retry_after_is_kept(world: &World, who: Who) {
    let requests = world.requests(who);
    let [first, second, ..] = requests.as_slice() else { panic!("{who:?}: {} requests", requests.len()) };
    let gap = second.received_at.since(first.received_at);
    println!("destinations: {who:?} was asked again {gap:?} after a Retry-After of {RETRY_AFTER:?}");
    if gap < EVENT_INTERVAL {
        schedule::too_slow("two requests were under way at once, before the first was answered");
    }
    assert!(gap + Duration::from_millis(100) >= RETRY_AFTER, "{who:?}: asked again after {gap:?}");
    assert!(gap <= RETRY_AFTER + Duration::from_secs(1), "{who:?}: asked again after {gap:?}");
}

/// From the receipt of each event to the end of its delivery, or of the first one about its incident, for each destination.
pub fn latencies(world: &World) -> [Vec<Duration>; 4] {
    let store = SqliteStore::open(world.store(), Access::Operate).unwrap();
    let all = Page { limit: 100_000, before: None };
    let events = store.events(&all, &EventFilter::default()).unwrap();
    let received_at: HashMap<EventId, Timestamp> =
        events.iter().map(|row| (row.event.id, row.event.received_at)).collect();
    let opened_at: HashMap<IncidentNumber, Timestamp> =
        received_at.iter().filter_map(|(id, at)| Some((store.incident_of(*id).unwrap()?.incident?, *at))).collect();
    DESTINATIONS.map(|name| {
        let filter = DeliveryFilter { destination: Some(name.to_owned()), ..DeliveryFilter::default() };
        let rows = store.deliveries(&all, &filter).unwrap();
        let latency = |row: &gatepost::store::DeliveryRow| {
            let of_event = row.delivery.event.and_then(|id| received_at.get(&id));
            let since = of_event.or_else(|| opened_at.get(&row.delivery.incident?))?;
            let (_, attempts) = store.delivery(row.delivery.id).ok()??;
            let last = attempts.last()?;
            Some(last.started_at.plus(Duration::from_millis(last.duration_ms)).since(*since))
        };
        rows.iter().filter_map(latency).collect()
    })
}

/// A listener that must get no connection.
struct Canary {
    url: String,
    hits: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Canary {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/elsewhere", listener.local_addr().unwrap());
        let hits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&hits);
        let task = tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { url, hits, task }
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub const DESTINATIONS: [&str; 4] = ["archive", "oncall", "soc", "tickets"];
const CASES_AT_ONCE: usize = 14;
/// As many as Slack's pace carries within seconds.
const EVENTS: usize = 6;
const EVENT_INTERVAL: Duration = Duration::from_millis(250);
/// For an answer without end, beside what the other workers take.
const MEMORY_RISE_LIMIT_KIB: u64 = 32 << 10;
const DELAY_LIMIT: Duration = Duration::from_secs(1);
const DRAIN_LIMIT: Duration = Duration::from_secs(90);
