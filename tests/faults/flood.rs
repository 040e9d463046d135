//! Thousands of events of one rule and victim at full speed, and four more important ones among them.
//!
//! The flood is one incident, which pages at most twice: once, and once more because one of its events succeeded. What is
//! worse, and what comes from another source, is paged while the flood goes on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gatepost::domain::Incident;
use gatepost::store::{Access, EventFilter, IncidentFilter, IncidentQueries, Queries, SqliteStore};
use tokio::task::JoinHandle;

use super::dice::Dice;
use super::expectations::{Expectations, Posting, Threat};
use super::gateway::Gateway;
use super::oracle::ALL;
use super::wire::Wire;
use super::world::World;
use super::{is_long, schedule};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_one_incident_and_hides_nothing() {
    schedule::measured_while_busy(|| flood("flood", 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_counted_exactly_through_kills() {
    schedule::measured_while_busy(|| flood("flood and kills", 5)).await;
}

async fn flood(scenario: &'static str, kills: usize) {
    let mut dice = Dice::of(scenario);
    let world = World::new().await;
    world.write_config(&config(&world));
    let expectations = Arc::new(Expectations::new(&mut dice));
    let mut gateway = Gateway::ready(&world, &expectations).await;
    let begun = Instant::now();
    let running = Flood::start(&expectations, &world);
    let mut paged = Vec::new();
    for (place, needle) in NEEDLES.iter().enumerate() {
        running.has_sent(events() * (place + 1) / (NEEDLES.len() + 2)).await;
        for _ in 0..kills / NEEDLES.len() + usize::from(place < kills % NEEDLES.len()) {
            tokio::time::sleep(dice.millis(20, 300)).await;
            gateway.kill();
            gateway = Gateway::start(&world);
        }
        paged.push(needle.is_paged(&world, &expectations).await);
    }
    running.ended().await;
    let sent = begun.elapsed();
    gateway.drained(DRAIN_LIMIT).await;
    let drained = begun.elapsed();
    queue_is_empty(&gateway).await;
    gateway.stop().await;
    let pages = checked(&world, &expectations);
    println!(
        "{scenario}: {} events in {sent:.1?}, {kills} kills, read after {drained:.1?}; the flood paged {pages} times; \
         from 200 to the page of what matters: {paged:.0?}",
        events()
    );
    if kills == 0 {
        for (needle, took) in NEEDLES.iter().zip(paged) {
            schedule::within(&format!("the page of {}", needle.mark()), took, needle.limit());
        }
    }
}

/// Counts are exact, and what was to page has paged: how often the flood did.
fn checked(world: &World, expectations: &Expectations) -> usize {
    let store = SqliteStore::open(world.store(), Access::Operate).unwrap();
    let postings = expectations.entries().postings.len();
    let acknowledged: BTreeSet<usize> =
        expectations.entries().acknowledged.iter().map(|answer| answer.posting).collect();
    assert_eq!(acknowledged.len(), postings, "not every posting was answered 200 in the end");
    assert_eq!(store.events(&ALL, &EventFilter::default()).unwrap().len(), postings, "one event each");
    let incidents = store.incidents(&ALL, &IncidentFilter::default()).unwrap();
    let counts: Vec<(String, u64)> =
        incidents.iter().rev().map(|incident| (incident.rule.clone(), incident.count)).collect();
    // The event that succeeded is one of the flood.
    assert_eq!(incidents.len(), NEEDLES.len(), "{counts:?}");
    let flood: Vec<&Incident> = incidents.iter().filter(|incident| incident.rule == FLOOD.filter).collect();
    assert_eq!((flood.len(), flood[0].count), (1, events() as u64 + 1), "{counts:?}");
    assert!(incidents.iter().all(|incident| incident.rule == FLOOD.filter || incident.count == 1), "{counts:?}");

    let pages = world.pagerduty.as_ref().unwrap().incidents();
    let keys: Vec<&str> = pages.iter().map(|page| page.dedup_key.as_str()).collect();
    let distinct: BTreeSet<&str> = keys.iter().copied().collect();
    assert_eq!(distinct.len(), keys.len(), "a page is there twice: {keys:?}");
    let of = |incident: &Incident| keys.iter().filter(|key| key.starts_with(&format!("{}/", incident.id))).count();
    for incident in &incidents {
        let (count, number) = (of(incident), incident.number);
        assert!((1..=2).contains(&count), "{number} has paged {count} times: {keys:?}");
        assert!(count == 1 || incident.rule == FLOOD.filter, "{number} has paged {count} times: {keys:?}");
    }
    assert_eq!(incidents.iter().map(of).sum::<usize>(), keys.len(), "pages of no incident: {keys:?}");
    of(flood[0])
}

/// The metric follows within its interval.
async fn queue_is_empty(gateway: &Gateway) {
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let metrics = gateway.metrics().await;
        let queued = metrics.lines().filter(|line| line.starts_with("gatepost_queue_"));
        let left: Vec<&str> = queued.filter(|line| !line.ends_with(" 0")).collect();
        if left.is_empty() && metrics.contains("gatepost_queue_receipts 0") {
            return;
        }
        assert!(Instant::now() < deadline, "the queue is not empty: {left:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// One of the more important events.
enum Needle {
    Threat(Threat),
    Alert,
}

impl Needle {
    fn posting(&self, expectations: &Expectations) -> Posting {
        match self {
            Self::Threat(threat) => expectations.threat(threat),
            Self::Alert => expectations.alert("needle", "bot-7", "high", "blocked"),
        }
    }

    /// What its page says and no other.
    fn mark(&self) -> &'static str {
        match self {
            Self::Threat(Threat { succeeded: true, .. }) => "SUCCEEDED",
            Self::Threat(threat) => threat.filter,
            Self::Alert => "needle of bot-7",
        }
    }

    /// What is as urgent as the flood, and from the same source, waits until what came before it has been read.
    fn limit(&self) -> Duration {
        match self {
            Self::Threat(Threat { succeeded: false, severity, .. }) if *severity == FLOOD.severity => DRAIN_LIMIT,
            _ => PAGE_LIMIT,
        }
    }

    /// How long after the 200 its page is there.
    async fn is_paged(&self, world: &World, expectations: &Expectations) -> Duration {
        let posting = expectations.write(self.posting(expectations));
        while expectations.post_once(posting, world.public).await != Some(200) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let answered_at = Instant::now();
        let pager = world.pagerduty.as_ref().unwrap();
        while pager.mentions(self.mark()) == 0 {
            assert!(answered_at.elapsed() < DRAIN_LIMIT, "{} was never paged", self.mark());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        answered_at.elapsed()
    }
}

/// Senders at full speed.
struct Flood {
    sent: Arc<AtomicUsize>,
    senders: Vec<JoinHandle<()>>,
}

impl Flood {
    fn start(expectations: &Arc<Expectations>, world: &World) -> Self {
        let (begun, sent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let senders = (0..SENDERS).map(|_| {
            let (expectations, begun, sent, address) =
                (Arc::clone(expectations), Arc::clone(&begun), Arc::clone(&sent), world.public);
            tokio::spawn(async move {
                let mut wire = None;
                while begun.fetch_add(1, Ordering::Relaxed) < events() {
                    let posting = expectations.write(expectations.threat(&FLOOD));
                    // A vendor repeats what is not answered.
                    while !posted(&expectations, posting, &mut wire, address).await {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let senders = senders.collect();
        Self { sent, senders }
    }

    /// Waits until so many were answered 200.
    async fn has_sent(&self, count: usize) {
        while self.sent.load(Ordering::Relaxed) < count {
            assert!(!self.senders.iter().any(JoinHandle::is_finished), "the flood has ended early");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn ended(self) {
        for sender in self.senders {
            sender.await.unwrap();
        }
    }
}

/// Whether it was answered 200. The connection is kept while it stands.
async fn posted(
    expectations: &Expectations,
    posting: usize,
    wire: &mut Option<Wire>,
    address: std::net::SocketAddr,
) -> bool {
    let Some(mut open) = (match wire.take() {
        Some(open) => Some(open),
        None => Wire::open(address).await.ok(),
    }) else {
        return false;
    };
    let Ok(answer) = expectations.post(posting, &mut open).await else { return false };
    let closes = answer.header("connection").is_some_and(|word| word.eq_ignore_ascii_case("close"));
    *wire = (!closes).then_some(open);
    answer.status == 200
}

/// People are paged, and nothing else keeps the gateway busy.
fn config(world: &World) -> String {
    let text = world.grouped_config_text();
    let (head, _) = text.split_once("[[routes]]").unwrap();
    format!("{head}[[routes]]\nname = \"page\"\nwhen = 'event.severity >= high'\nto = [\"oncall\"]\n")
}

const FLOOD: Threat = Threat { filter: "SQLInjection", host: "shop.example.net", severity: "HIGH", succeeded: false };
/// How many events the flood has: in the short form enough for some seconds, in which everything else comes.
fn events() -> usize {
    if is_long() { 20_000 } else { 8_000 }
}

/// A higher severity of the same source, another source, another rule of the same severity, the same rule with success.
const NEEDLES: [Needle; 4] = [
    Needle::Threat(Threat { filter: "NeedleCritical", severity: "CRITICAL", ..FLOOD }),
    Needle::Alert,
    Needle::Threat(Threat { filter: "NeedleRule", ..FLOOD }),
    Needle::Threat(Threat { succeeded: true, ..FLOOD }),
];
const SENDERS: usize = 16;
/// A debug build on a machine that does other things as well; 0.1 s where it is alone.
const PAGE_LIMIT: Duration = Duration::from_secs(2);
const DRAIN_LIMIT: Duration = Duration::from_secs(120);
