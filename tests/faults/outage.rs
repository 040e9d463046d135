//! A destination that is down: for ten minutes while gatepost is restarted, and for a second while many are under way.

use std::time::{Duration, Instant};

use gatepost::store::{Access, DeliveryFilter, Page, Queries, SqliteStore};

use super::destinations::{DESTINATIONS, latencies, others_have};
use super::dice::Dice;
use super::expectations::Expectations;
use super::gateway::Gateway;
use super::misdeeds::Who;
use super::oracle::{self, Allowance};
use super::proxy::Mode;
use super::world::World;
use super::{is_long, percentile, schedule};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_loses_nothing_and_is_over_when_it_is_over() {
    schedule::measured(outages).await;
}

async fn outages() {
    let mut dice = Dice::of("outage");
    schedule::joined(Who::ALL.map(|who| tokio::spawn(outage(who, dice.fork())))).await;
}

/// First nothing listens, then nothing answers, then every connection is cut; in between the gateway is killed, then
/// stopped, and started again.
async fn outage(who: Who, mut dice: Dice) {
    let mut world = World::new().await;
    let proxy = world.behind_proxy(who, "http").await;
    let expectations = Expectations::new(&mut dice);
    let (interval, of_each) = if is_long() { (Duration::from_secs(10), 20) } else { (Duration::from_secs(1), 3) };
    let begun = Instant::now();
    let mut events = 0;
    let mut running: Option<Gateway> = None;
    for mode in [Mode::Refuse, Mode::Deaf, Mode::Reset] {
        match (&mode, running.take()) {
            (Mode::Deaf, Some(mut gateway)) => gateway.kill(),
            (_, Some(gateway)) => gateway.stop().await,
            (_, None) => {}
        }
        proxy.set(mode);
        let gateway = Gateway::ready(&world, &expectations).await;
        for _ in 0..of_each {
            let posting = expectations.write(expectations.adrian("critical", 200));
            assert_eq!(expectations.post_once(posting, world.public).await, Some(200));
            events += 1;
            tokio::time::sleep(interval).await;
        }
        others_have(&world, who, events).await;
        assert_eq!(world.effects(who), 0, "{who:?}: it is not away");
        running = Some(gateway);
    }
    let lasted = begun.elapsed();
    proxy.set(Mode::Pass);
    let gateway = running.unwrap();
    let drained = gateway.drained(LONGEST_PAUSE + PACE * events as u32 + SPARE).await;
    gateway.stop().await;
    oracle::check(&world, &expectations, Allowance::default());
    let latencies = latencies(&world);
    let others = DESTINATIONS.into_iter().zip(&latencies).filter(|(name, _)| *name != who.name());
    let worst = others.map(|(_, latencies)| percentile(latencies, 0.99)).max().unwrap();
    let tries = tries(&world, who);
    println!(
        "outage: {who:?} away for {lasted:?}: {events} events, 0 lost, once, {tries} tries; the others' p99 is \
         {worst:?}; drained in {drained:?}"
    );
    schedule::within(&format!("{who:?}: the others' p99"), worst, DELAY_LIMIT);
    let storm = events as u64 + 60 + lasted.as_secs() / 5;
    assert!(tries <= storm, "{who:?}: {tries} tries for {events} events in {lasted:?}");
}

/// How often something was tried to be told.
fn tries(world: &World, who: Who) -> u64 {
    let store = SqliteStore::open(world.store(), Access::Operate).unwrap();
    let filter = DeliveryFilter { destination: Some(who.name().to_owned()), ..DeliveryFilter::default() };
    let rows = store.deliveries(&Page { limit: 100_000, before: None }, &filter).unwrap();
    rows.iter().map(|row| u64::from(row.delivery.tries)).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_fail_together_for_a_second_are_there_seconds_later() {
    schedule::measured(failing_together).await;
}

async fn failing_together() {
    let mut dice = Dice::of("together");
    let world = World::new().await;
    let expectations = Expectations::new(&mut dice);
    let gateway = Gateway::ready(&world, &expectations).await;
    gateway.drained(SPARE).await;
    // A folder in the place of the file: no line can be written.
    let aside = world.archive().with_extension("aside");
    std::fs::rename(world.archive(), &aside).unwrap();
    std::fs::create_dir(world.archive()).unwrap();
    // One body, so that its events become due at the same moment.
    let posting = expectations.write(expectations.akto("LOW", TOGETHER));
    assert_eq!(expectations.post_once(posting, world.public).await, Some(200));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(gateway.state_of("archive").await, "failing");
    std::fs::remove_dir(world.archive()).unwrap();
    std::fs::rename(&aside, world.archive()).unwrap();
    let drained = gateway.drained(SPARE).await;
    gateway.stop().await;
    oracle::check(&world, &expectations, Allowance::default());
    let failed = failed_at_first(&world);
    println!("outage: {failed} of {TOGETHER} lines failed within a second; all of them there {drained:?} after it");
    assert!(failed > 0, "none was under way");
}

/// How many events took more than one try.
fn failed_at_first(world: &World) -> u64 {
    let store = SqliteStore::open(world.store(), Access::Operate).unwrap();
    let rows = store.deliveries(&Page { limit: 100_000, before: None }, &DeliveryFilter::default()).unwrap();
    let again = rows.iter().filter(|row| row.delivery.tries > 1);
    again.map(|row| row.delivery.events.unwrap_or(1)).sum()
}

/// The longest pause between trials of a destination that fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Slack's, the slowest.
const PACE: Duration = Duration::from_secs(1);
const SPARE: Duration = Duration::from_secs(15);
const DELAY_LIMIT: Duration = Duration::from_secs(1);
/// Events of one body.
const TOGETHER: usize = 60;
