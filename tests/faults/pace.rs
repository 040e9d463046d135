//! A chat that takes a message a second, and thousands of incidents that wait for it: the pace is kept, what is critical does not
//! wait behind them, and none is lost, also when the process is killed meanwhile.
//!
//! The short form has 1,000 incidents and looks for seconds, the long form 10,000 for ten minutes. Until all are told it takes
//! hours: `GATEPOST_FAULTS=long GATEPOST_PACE=all cargo test --test faults thousands_of_incidents -- --nocapture`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gatepost::domain::{DeliveryState, IncidentNumber};
use gatepost::store::{Access, DeliveryFilter, IncidentFilter, IncidentQueries, Queries, SqliteStore};

use super::dice::Dice;
use super::expectations::Expectations;
use super::gateway::Gateway;
use super::misdeeds::Who;
use super::oracle::ALL;
use super::world::World;
use super::{is_long, schedule};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_incidents_wait_for_a_chat_and_what_is_critical_overtakes_them() {
    schedule::measured(waiting).await;
}

async fn waiting() {
    let (count, watched) = if is_long() { (10_000, Duration::from_secs(600)) } else { (1_000, Duration::from_secs(6)) };
    let mut dice = Dice::of("pace");
    let world = World::new().await;
    world.write_config(&world.config_text().replace("when = 'event.severity >= critical'", "when = 'true'"));
    let expectations = Expectations::new(&mut dice);
    let mut gateway = Gateway::ready(&world, &expectations).await;
    for _ in 0..count / EXPORT {
        let posting = expectations.write(expectations.akto("LOW", EXPORT));
        assert_eq!(expectations.post_once(posting, world.public).await, Some(200));
    }
    gateway.dispatched(DISPATCH_LIMIT).await;
    tokio::time::sleep(watched / 2).await;
    let overtook = is_overtaken(&world, &expectations).await;
    gateway.kill();
    gateway = Gateway::ready(&world, &expectations).await;
    tokio::time::sleep(watched / 2).await;
    let after_the_kill = is_overtaken(&world, &expectations).await;
    if std::env::var("GATEPOST_PACE").is_ok_and(|pace| pace == "all") {
        gateway.drained(Duration::from_secs(count as u64 * 2)).await;
    }
    gateway.stop().await;
    // Beside the exports: what each start was tried with, and what was critical.
    let (told, waiting) = nothing_is_lost(&world, count + 4);
    let busiest = busiest_window(&world);
    println!(
        "pace: {told} told, {waiting} wait, 0 lost; at most {busiest} messages in {WINDOW:?}; a critical one was told after \
         {overtook:.1?}, after a kill and a start {after_the_kill:.1?}"
    );
    assert!(busiest <= WINDOW.as_secs() as usize + AT_ONCE, "{busiest} messages in {WINDOW:?}");
    assert!(told as u64 >= watched.as_secs() / 2, "only {told} were told in {watched:?}");
    for took in [overtook, after_the_kill] {
        schedule::within("what is critical", took, OVERTAKING_LIMIT);
    }
}

/// Posts something critical, and waits until the chat has it.
async fn is_overtaken(world: &World, expectations: &Expectations) -> Duration {
    let slack = world.slack.as_ref().unwrap();
    let known = slack.mentions("CRITICAL");
    let posting = expectations.write(expectations.adrian("critical", 10));
    assert_eq!(expectations.post_once(posting, world.public).await, Some(200));
    let begun = Instant::now();
    while slack.mentions("CRITICAL") == known {
        assert!(begun.elapsed() < DISPATCH_LIMIT, "what is critical waits");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

/// Every incident is told once or waits; how many of each.
fn nothing_is_lost(world: &World, count: usize) -> (usize, usize) {
    let store = SqliteStore::open(world.store(), Access::Operate).unwrap();
    let incidents = store.incidents(&ALL, &IncidentFilter::default()).unwrap();
    assert_eq!(incidents.len(), count);
    let filter = DeliveryFilter { destination: Some(Who::Slack.name().to_owned()), ..DeliveryFilter::default() };
    let mut by_incident: BTreeMap<IncidentNumber, Vec<DeliveryState>> = BTreeMap::new();
    for row in store.deliveries(&ALL, &filter).unwrap() {
        by_incident.entry(row.delivery.incident.unwrap()).or_default().push(row.delivery.state);
    }
    assert_eq!(by_incident.len(), count, "some incidents are neither told nor wait");
    let is = |state: DeliveryState| by_incident.values().filter(|states| **states == [state]).count();
    let (told, waiting) = (is(DeliveryState::Delivered), is(DeliveryState::Waiting) + is(DeliveryState::Leased));
    assert_eq!(told + waiting, count, "{by_incident:?}");
    let messages = world.effects(Who::Slack);
    // What was under way when the process ended may be there and not be known.
    assert!((told..=told + 2).contains(&messages), "{messages} messages of {told} that are told");
    (told, waiting)
}

/// The most messages within [`WINDOW`].
fn busiest_window(world: &World) -> usize {
    let is_message = |path: &str| path.ends_with("/chat.postMessage");
    let requests = world.requests(Who::Slack);
    let times: Vec<_> = requests.iter().filter(|request| is_message(&request.path)).map(|r| r.received_at).collect();
    let within = |first: usize| times[first..].iter().take_while(|at| at.since(times[first]) < WINDOW).count();
    (0..times.len()).map(within).max().unwrap_or_default()
}

/// Records of one request.
const EXPORT: usize = 250;
const DISPATCH_LIMIT: Duration = Duration::from_secs(90);
const WINDOW: Duration = Duration::from_secs(10);
/// Three after a quiet time, as often as the process has begun, and one at the edge.
const AT_ONCE: usize = 7;
/// A few messages at the pace of one a second.
const OVERTAKING_LIMIT: Duration = Duration::from_secs(5);
