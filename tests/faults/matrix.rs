//! Every other kind of destination under every trouble, one of each at a time: nothing is lost, what is idempotent has one
//! effect, and what is not repeats no more than what was in doubt, and says so.
//!
//! The short form has each kind in one trouble that is over within seconds, the long form each kind in all of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepost::domain::{OutcomeKind, Severity};
use gatepost::store::{Access, DeliveryFilter, EventFilter, IncidentFilter, IncidentQueries, Queries, SqliteStore};
use tokio::sync::Semaphore;

use super::dice::Dice;
use super::expectations::Expectations;
use super::gateway::Gateway;
use super::guests::{Guest, KINDS, Trouble};
use super::misdeeds::RETRY_AFTER;
use super::oracle::{self, ALL, Allowance};
use super::proxy::Mode;
use super::world::{GUEST, World};
use super::{is_long, schedule};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_destination_in_every_trouble_loses_nothing_and_repeats_only_what_was_in_doubt() {
    schedule::measured(troubles).await;
}

async fn troubles() {
    let mut dice = Dice::of("every kind of destination");
    let at_once = Arc::new(Semaphore::new(CASES_AT_ONCE));
    let cases: Vec<_> = cases(&mut dice)
        .into_iter()
        .map(|(kind, trouble)| {
            let (at_once, dice) = (Arc::clone(&at_once), dice.fork());
            tokio::spawn(async move {
                let _permit = at_once.acquire_owned().await.unwrap();
                case(kind, trouble, dice).await;
            })
        })
        .collect();
    schedule::joined(cases).await;
}

/// The slow ones first.
fn cases(dice: &mut Dice) -> Vec<(&'static str, Trouble)> {
    let all = Trouble::ALL.into_iter().flat_map(|trouble| KINDS.map(|kind| (kind, trouble)));
    let all: Vec<_> = all.filter(|(kind, trouble)| trouble.is_of(kind)).collect();
    if is_long() {
        return all;
    }
    let one = |kind| {
        let short: Vec<_> = all.iter().filter(|(of, trouble)| *of == kind && trouble.is_short(kind)).collect();
        *short[dice.below(short.len() as u64) as usize]
    };
    KINDS.map(one).to_vec()
}

async fn case(kind: &'static str, trouble: Trouble, mut dice: Dice) {
    let world = World::hosting(Guest::start(kind).await).await;
    let proxy = world.guest_behind_proxy(0).await;
    let expectations = Expectations::new(&mut dice);
    let gateway = Gateway::ready(&world, &expectations).await;
    gateway.drained(DRAIN_LIMIT).await;
    let guest = &world.guests[0];
    let (known, asked) = (guest.effects(), guest.requests().len());
    let begun = Instant::now();
    let network = trouble.of_network(kind);
    let is_away = matches!(network, Mode::Refuse | Mode::Reset);
    guest.suffers(trouble);
    proxy.set(network);
    for _ in 0..EVENTS {
        let posting = expectations.write(expectations.adrian("critical", 200));
        assert_eq!(expectations.post_once(posting, world.public).await, Some(200));
        tokio::time::sleep(EVENT_INTERVAL).await;
    }
    the_archive_has(&world, EVENTS).await;
    tokio::time::sleep(trouble.lasts().saturating_sub(begun.elapsed())).await;
    if is_away {
        assert_eq!(guest.effects(), known, "{kind} {trouble:?}: it is not away");
        assert_eq!(gateway.state_of(GUEST).await, "failing", "{kind} {trouble:?}");
    }
    proxy.set(Mode::Pass);
    guest.mend();
    let drained = gateway.drained(DRAIN_LIMIT).await;
    gateway.stop().await;
    oracle::check(&world, &expectations, Allowance::default());
    let (repeats, in_doubt) = (the_guest_has_everything(&world), in_doubt(&world, GUEST));
    println!("matrix: {kind} {trouble:?}: 0 lost, {repeats} repeated of {in_doubt} in doubt, drained in {drained:?}");
    assert!(repeats <= in_doubt, "{kind} {trouble:?}: {repeats} repeats, and {in_doubt} were in doubt");
    assert!(repeats == 0 || !guest.is_idempotent(), "{kind} {trouble:?}: {repeats} repeats");
    let must_doubt = matches!(trouble, Trouble::AnswerLost | Trouble::AnswerLate);
    assert!(!must_doubt || in_doubt > 0, "{kind} {trouble:?}: the trouble has met nothing");
    if trouble == Trouble::TooMany {
        the_pause_is_kept(guest, asked);
    }
}

/// Waits until the archive has this many events beside the first, while the trouble lasts.
async fn the_archive_has(world: &World, events: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::fs::read_to_string(world.archive()).unwrap_or_default().lines().count() <= events {
        if Instant::now() > deadline {
            schedule::too_slow("the archive does not have everything");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Every event or incident is there, and nothing that is none; how often more than once. People are told which are repeats.
fn the_guest_has_everything(world: &World) -> usize {
    let guest = &world.guests[0];
    let marks = if guest.is_notifier() { incidents_of(world) } else { events_of(world) };
    let mut known = 0;
    for mark in &marks {
        let times = guest.mentions(mark);
        assert!(times > 0, "LOST: {} has nothing of {mark}", guest.kind);
        known += times;
    }
    assert_eq!(guest.effects(), known, "{} has what belongs to none of {marks:?}", guest.kind);
    let repeats = known - marks.len();
    let marked = guest.mentions("ossible repeat") + guest.mentions("may be a repeat");
    assert!(!guest.says_repeats() || marked >= repeats, "{}: {marked} of {repeats} repeats say so", guest.kind);
    repeats
}

/// `#1` to `#9`: none is the beginning of another.
fn incidents_of(world: &World) -> Vec<String> {
    let store = SqliteStore::open(world.store(), Access::Operate).unwrap();
    let incidents = store.incidents(&ALL, &IncidentFilter::default()).unwrap();
    assert_eq!(incidents.len(), EVENTS);
    incidents.iter().map(|incident| incident.number.to_string()).collect()
}

fn events_of(world: &World) -> Vec<String> {
    let store = SqliteStore::open(world.store(), Access::Operate).unwrap();
    let events = store.events(&ALL, &EventFilter::default()).unwrap();
    assert_eq!(events.iter().filter(|row| row.event.severity == Severity::Critical).count(), EVENTS);
    events.iter().map(|row| row.event.id.to_string()).collect()
}

/// How many events or messages were in tries of which it is not known whether they arrived.
pub fn in_doubt(world: &World, destination: &str) -> usize {
    let store = SqliteStore::open(world.store(), Access::Operate).unwrap();
    let filter = DeliveryFilter { destination: Some(destination.to_owned()), ..DeliveryFilter::default() };
    let rows = store.deliveries(&ALL, &filter).unwrap();
    let doubts = rows.iter().map(|row| {
        let (_, attempts) = store.delivery(row.delivery.id).unwrap().unwrap();
        let tries = attempts.iter().filter(|attempt| attempt.outcome == OutcomeKind::Unknown).count();
        tries * row.delivery.events.unwrap_or(1) as usize
    });
    doubts.sum()
}

/// The next request comes when it was asked for, or later.
fn the_pause_is_kept(guest: &Guest, asked: usize) {
    let requests = guest.requests();
    let [first, second, ..] = &requests[asked..] else { return };
    let gap = second.received_at.since(first.received_at);
    println!("matrix: {} was asked again after {gap:?}", guest.kind);
    assert!(gap + Duration::from_millis(100) >= RETRY_AFTER, "{}: asked again after {gap:?}", guest.kind);
}

const CASES_AT_ONCE: usize = 12;
/// As many as the slowest pace carries within seconds.
const EVENTS: usize = 4;
const EVENT_INTERVAL: Duration = Duration::from_millis(250);
/// Mail in doubt is repeated after a minute, and its lost answer takes fifteen seconds.
const DRAIN_LIMIT: Duration = Duration::from_secs(150);
