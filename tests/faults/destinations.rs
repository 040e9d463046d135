//! Destinations that misbehave in every way, one at a time, while the others must not notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gatepost::standins::{Arrived, Fault, jira, pagerduty, slack};
use gatepost::store::{Access, DeliveryFilter, EventFilter, Ledger, Page, SqliteStore};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::TURN;
use super::book::Book;
use super::dice::Dice;
use super::gateway::Gateway;
use super::oracle::{self, Allowance};
use super::percentile;
use super::world::World;

/// Who misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Slack,
    PagerDuty,
    Jira,
}

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Not at all: what the others are measured by.
    Well,
    /// Nobody listens.
    Refuse,
    Reset,
    Hang,
    TakenThenReset,
    TakenThenHang,
    Garbage,
    /// To a place that must never be asked.
    Redirect,
    Unauthorized,
    /// Once, with `Retry-After`.
    TooMany,
    /// Four times.
    Broken,
}

/// What one case measured.
struct Measured {
    /// From the receipt to the end of the delivery, for each destination.
    latencies: [Vec<Duration>; 4],
    drained: Duration,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_misbehaves_loses_nothing_and_delays_nobody() {
    let _turn = TURN.lock().await;
    let mut dice = Dice::of("destinations");
    let baseline = case(Who::Slack, How::Well, dice.fork()).await;
    let at_once = Arc::new(Semaphore::new(CASES_AT_ONCE));
    let cases: Vec<_> = HOWS
        .into_iter()
        .flat_map(|how| [Who::Slack, Who::PagerDuty, Who::Jira].map(|who| (who, how)))
        .map(|(who, how)| {
            let (at_once, dice) = (Arc::clone(&at_once), dice.fork());
            let run = tokio::spawn(async move {
                let _permit = at_once.acquire_owned().await.unwrap();
                case(who, how, dice).await
            });
            (who, how, run)
        })
        .collect();
    let mut failed = Vec::new();
    for (who, how, run) in cases {
        let Ok(measured) = run.await else {
            failed.push(format!("{who:?} {how:?}"));
            continue;
        };
        let mut worst = Duration::ZERO;
        for (place, name) in DESTINATIONS.into_iter().enumerate().filter(|(_, name)| *name != name_of(who)) {
            let (with, without) =
                (percentile(&measured.latencies[place], 0.99), percentile(&baseline.latencies[place], 0.99));
            let later = with.saturating_sub(without);
            worst = worst.max(later);
            if later > DELAY_LIMIT {
                failed.push(format!("{who:?} {how:?}: {name} was {later:?} later ({with:?} instead of {without:?})"));
            }
        }
        let drained = measured.drained;
        println!("destinations: {who:?} {how:?}: 0 lost, once; others at most {worst:?} later, drained in {drained:?}");
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

async fn case(who: Who, how: How, mut dice: Dice) -> Measured {
    let mut world = World::new().await;
    if how == How::Refuse {
        world.close(who);
    }
    let book = Arc::new(Book::new(&mut dice));
    let canary = Canary::start().await;
    let gateway = Gateway::ready(&world, &book).await;
    let begun = Instant::now();
    misbehave(&world, who, how, &canary.url);
    for _ in 0..EVENTS {
        let posting = book.write(book.adrian("critical", 200));
        assert_eq!(book.post_once(posting, world.public).await, Some(200));
        tokio::time::sleep(EVENT_INTERVAL).await;
    }
    others_have_all(&world, who, how).await;
    if matches!(how, How::Redirect | How::Unauthorized) {
        is_stopped(&gateway, who).await;
    } else if !matches!(how, How::Well | How::TooMany | How::Broken) {
        let state = gateway.state_of(name_of(who)).await;
        assert_ne!(state, "stopped", "{who:?} {how:?}");
    }
    recover(&mut world, who).await;
    if matches!(how, How::Redirect | How::Unauthorized) {
        gateway.signal("HUP");
    }
    let drained = gateway.drained(DRAIN_LIMIT).await;
    if how == How::Unauthorized {
        assert_eq!(gateway.state_of(name_of(who)).await, "running", "{who:?}");
        assert!(!gateway.metrics().await.contains(&stopped_line(who)), "{who:?}");
    }
    gateway.stop().await;
    let figures = oracle::judge(&world, &book, Allowance::default());
    assert_eq!(figures.slack_messages, EVENTS, "{who:?} {how:?}");
    assert_eq!(canary.hits.load(Ordering::Relaxed), 0, "{who:?}: a redirect was followed");
    if how == How::TooMany {
        retry_after_is_kept(&world, who);
    }
    assert!(begun.elapsed() < DRAIN_LIMIT * 2);
    Measured { latencies: latencies(&world), drained }
}

fn misbehave(world: &World, who: Who, how: How, canary: &str) {
    let always = match how {
        How::Well | How::Refuse => return,
        How::Reset => Fault::Reset,
        How::Hang => Fault::Hang(LONGER_THAN_A_TRY),
        How::TakenThenReset => Fault::TakenThenReset,
        How::TakenThenHang => Fault::TakenThenHang(LONGER_THAN_A_TRY),
        How::Garbage => Fault::Garbage200,
        How::Redirect => Fault::Redirect(canary.to_owned()),
        How::Unauthorized => Fault::Unauthorized,
        How::TooMany => return world.script(who, vec![Fault::Status429 { retry_after: Some(RETRY_AFTER) }]),
        How::Broken => return world.script(who, vec![Fault::Status(500); 4]),
    };
    world.always(who, Some(always));
}

/// Waits until everybody else has everything, the fault still being there.
async fn others_have_all(world: &World, who: Who, how: How) {
    let all = |wanted: usize, got: usize| got >= wanted;
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        let archived = std::fs::read_to_string(world.archive()).unwrap_or_default().lines().count();
        let done = all(EVENTS + 1, archived)
            && (who == Who::Slack || all(EVENTS, world.slack.as_ref().unwrap().effects()))
            && (who == Who::PagerDuty || all(EVENTS, world.pagerduty.as_ref().unwrap().effects()))
            && (who == Who::Jira || all(EVENTS, world.jira.as_ref().unwrap().effects()));
        if done {
            return;
        }
        assert!(Instant::now() < deadline, "{who:?} {how:?}: the others do not have everything");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Stopped for the operator to see, and nothing given up.
async fn is_stopped(gateway: &Gateway, who: Who) {
    let readiness = gateway.readiness().await;
    let destination = &readiness["destinations"][name_of(who)];
    assert_eq!(readiness["status"], "ready", "{who:?}: a stopped destination must not refuse vendors");
    assert_eq!(destination["state"], "stopped", "{who:?}: {readiness}");
    assert!(destination["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{who:?}: {readiness}");
    assert!(gateway.metrics().await.contains(&stopped_line(who)), "{who:?}: the metric does not say it");
}

fn stopped_line(who: Who) -> String {
    format!("gatepost_destination_stopped{{name=\"{}\"}} 1", name_of(who))
}

async fn recover(world: &mut World, who: Who) {
    if world.is_closed(who) {
        world.open(who).await;
    }
    world.always(who, None);
}

/// The next request comes when it was asked for, and not much later.
fn retry_after_is_kept(world: &World, who: Who) {
    let requests = world.requests(who);
    let [first, second, ..] = requests.as_slice() else { panic!("{who:?}: {} requests", requests.len()) };
    let gap = second.received_at.since(first.received_at);
    println!("destinations: {who:?} was asked again {gap:?} after a Retry-After of {RETRY_AFTER:?}");
    assert!(gap + Duration::from_millis(100) >= RETRY_AFTER, "{who:?}: asked again after {gap:?}");
    assert!(gap <= RETRY_AFTER + Duration::from_secs(1), "{who:?}: asked again after {gap:?}");
}

fn latencies(world: &World) -> [Vec<Duration>; 4] {
    let store = SqliteStore::open(world.store(), Access::Operate).unwrap();
    let all = Page { limit: 100_000, before: None };
    let events = store.events(&all, &EventFilter::default()).unwrap();
    DESTINATIONS.map(|name| {
        let filter = DeliveryFilter { destination: Some(name.to_owned()), ..DeliveryFilter::default() };
        let rows = store.deliveries(&all, &filter).unwrap();
        let latency = |row: &gatepost::store::DeliveryRow| {
            let event = &events.iter().find(|event| event.event.id == row.delivery.event)?.event;
            let (_, attempts) = store.delivery(row.delivery.id).ok()??;
            let last = attempts.last()?;
            Some(last.started_at.plus(Duration::from_millis(last.duration_ms)).since(event.received_at))
        };
        rows.iter().filter_map(latency).collect()
    })
}

fn name_of(who: Who) -> &'static str {
    match who {
        Who::Slack => "soc",
        Who::PagerDuty => "oncall",
        Who::Jira => "tickets",
    }
}

impl World {
    fn close(&mut self, who: Who) {
        match who {
            Who::Slack => self.slack = None,
            Who::PagerDuty => self.pagerduty = None,
            Who::Jira => self.jira = None,
        }
    }

    fn is_closed(&self, who: Who) -> bool {
        match who {
            Who::Slack => self.slack.is_none(),
            Who::PagerDuty => self.pagerduty.is_none(),
            Who::Jira => self.jira.is_none(),
        }
    }

    async fn open(&mut self, who: Who) {
        let [slack, jira, pagerduty] = self.ports();
        match who {
            Who::Slack => self.slack = Some(slack::start_on(slack).await.unwrap()),
            Who::PagerDuty => self.pagerduty = Some(pagerduty::start_on(pagerduty).await.unwrap()),
            Who::Jira => self.jira = Some(jira::start_on(jira).await.unwrap()),
        }
        self.lift_rates();
    }

    fn always(&self, who: Who, fault: Option<Fault>) {
        match who {
            Who::Slack => self.slack.as_ref().unwrap().always(fault),
            Who::PagerDuty => self.pagerduty.as_ref().unwrap().always(fault),
            Who::Jira => self.jira.as_ref().unwrap().always(fault),
        }
    }

    fn script(&self, who: Who, faults: Vec<Fault>) {
        match who {
            Who::Slack => self.slack.as_ref().unwrap().script(faults),
            Who::PagerDuty => self.pagerduty.as_ref().unwrap().script(faults),
            Who::Jira => self.jira.as_ref().unwrap().script(faults),
        }
    }

    fn requests(&self, who: Who) -> Vec<Arrived> {
        match who {
            Who::Slack => self.slack.as_ref().unwrap().requests(),
            Who::PagerDuty => self.pagerduty.as_ref().unwrap().requests(),
            Who::Jira => self.jira.as_ref().unwrap().requests(),
        }
    }
}

/// A listener that nobody must come to.
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

const DESTINATIONS: [&str; 4] = ["archive", "oncall", "soc", "tickets"];
const HOWS: [How; 10] = [
    How::Hang,
    How::TakenThenHang,
    How::Refuse,
    How::Reset,
    How::TakenThenReset,
    How::Garbage,
    How::Redirect,
    How::Unauthorized,
    How::TooMany,
    How::Broken,
];
const CASES_AT_ONCE: usize = 10;
/// As many as Slack's pace carries within seconds.
const EVENTS: usize = 6;
const EVENT_INTERVAL: Duration = Duration::from_millis(250);
/// The gateway waits ten seconds for an answer.
const LONGER_THAN_A_TRY: Duration = Duration::from_secs(12);
const RETRY_AFTER: Duration = Duration::from_secs(3);
const DELAY_LIMIT: Duration = Duration::from_secs(1);
const DRAIN_LIMIT: Duration = Duration::from_secs(90);
