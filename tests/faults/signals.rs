//! Stopping and reloading under load.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::dice::Dice;
use super::expectations::{Expectations, request_of};
use super::gateway::{Gateway, STOP_LIMIT};
use super::load::{Amount, Load};
use super::oracle::{self, Allowance};
use super::wire::Wire;
use super::world::World;
use super::{is_long, percentile, schedule};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_under_load_answers_what_it_has_taken() {
    schedule::measured(stops).await;
}

async fn stops() {
    let mut dice = Dice::of("stop");
    let rounds = if is_long() { 100 } else { 5 };
    let world = World::new().await;
    let expectations = Arc::new(Expectations::new(&mut dice));
    let busy = Amount { connections: 10, pause: Duration::from_millis(2), ..Amount::default() };
    let load = Load::start(&expectations, world.public, busy, &mut dice);
    let (mut stops, mut early, mut late) = (Vec::new(), 0, 0);
    for _ in 0..rounds {
        let mut gateway = Gateway::ready(&world, &expectations).await;
        tokio::time::sleep(dice.millis(100, 600)).await;
        expectations.entries().unanswered.clear();
        let signalled_at = Instant::now();
        gateway.signal("TERM");
        let status = gateway.ended(STOP_LIMIT).await;
        assert!(status.is_some_and(|status| status.success()), "{status:?}\n{}", gateway.log());
        stops.push(signalled_at.elapsed());
        let unanswered = std::mem::take(&mut expectations.entries().unanswered);
        early += unanswered.iter().filter(|sent_at| **sent_at < signalled_at).count();
        late += unanswered.iter().filter(|sent_at| **sent_at >= signalled_at).count();
    }
    let gateway = Gateway::ready(&world, &expectations).await;
    load.stop().await;
    gateway.drained(Duration::from_secs(120)).await;
    gateway.stop().await;
    let figures = oracle::check(&world, &expectations, Allowance::default());
    let (median, worst) = (percentile(&stops, 0.5), percentile(&stops, 1.0));
    let entries = expectations.entries();
    println!("stop: {rounds} stops; {figures}; median {median:?}, worst {worst:?}; answers {:?}", entries.answers);
    println!("stop: sent before the signal and not answered: {early}; sent after it and not answered: {late}");
    assert_eq!((early, entries.torn, entries.silent), (0, 0, 0), "requests were cut off");
    assert!(entries.answers.keys().all(|status| [200, 503].contains(status)), "{:?}", entries.answers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_destination_does_not_hold_up_the_stop() {
    schedule::measured(stop_while_hanging).await;
}

async fn stop_while_hanging() {
    let mut dice = Dice::of("stop while hanging");
    let world = World::new().await;
    let expectations = Expectations::new(&mut dice);
    let mut gateway = Gateway::ready(&world, &expectations).await;
    hang(&world, &expectations).await;
    // A reload waits for what is under way, and the stop comes on top of it.
    gateway.signal("HUP");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let signalled_at = Instant::now();
    gateway.signal("TERM");
    let status = gateway.ended(STOP_LIMIT).await;
    println!("stop: with a hanging destination and a reload under way: {:?}", signalled_at.elapsed());
    assert!(status.is_some_and(|status| status.success()), "{status:?}\n{}", gateway.log());
    world.slack.as_ref().unwrap().always(None);
    let gateway = Gateway::ready(&world, &expectations).await;
    gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    oracle::check(&world, &expectations, Allowance::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_while_one_destination_hangs_delays_no_other() {
    schedule::measured(reload_while_hanging).await;
}

async fn reload_while_hanging() {
    let mut dice = Dice::of("reload while hanging");
    let world = World::new().await;
    let expectations = Expectations::new(&mut dice);
    let gateway = Gateway::ready(&world, &expectations).await;
    hang(&world, &expectations).await;
    gateway.signal("HUP");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    let posting = expectations.write(expectations.adrian("high", 10));
    assert_eq!(expectations.post_once(posting, world.public).await, Some(200));
    world.pagerduty.as_ref().unwrap().wait_for(2, Duration::from_secs(20)).await.unwrap();
    let paged = begun.elapsed();
    println!("reload: paged {paged:?} after the alert, with another destination hanging");
    schedule::within("the page", paged, Duration::from_secs(2));
    world.slack.as_ref().unwrap().always(None);
    gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    oracle::check(&world, &expectations, Allowance::default());
}

/// One message that Slack does not answer.
async fn hang(world: &World, expectations: &Expectations) {
    let slack = world.slack.as_ref().unwrap();
    slack.always(Some(gatepost::standins::Fault::Hang(Duration::from_secs(12))));
    let posting = expectations.write(expectations.adrian("critical", 10));
    assert_eq!(expectations.post_once(posting, world.public).await, Some(200));
    slack.wait_for_requests(1, Duration::from_secs(10)).await.unwrap();
    world.pagerduty.as_ref().unwrap().wait_for(1, Duration::from_secs(10)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloading_under_load_fails_no_request() {
    let _turn = schedule::beside_others().await;
    let mut dice = Dice::of("reload");
    let world = World::new().await;
    let expectations = Arc::new(Expectations::new(&mut dice));
    let gateway = Gateway::ready(&world, &expectations).await;
    let load = Load::start(&expectations, world.public, Amount::default(), &mut dice);
    let good = world.config_text();
    let with_source =
        format!("{good}\n[sources.late]\nvendor = \"akto\"\nsecrets = [{{ value = \"{}\" }}]\n", "x".repeat(32));
    for round in 0..4 {
        world.write_config(if round % 2 == 0 { &with_source } else { &good });
        reloaded(&gateway, "the configuration has been reloaded", round + 1).await;
        let late = expectations.akto("LOW", 1);
        let request = request_of(&late);
        let request = String::from_utf8(request).unwrap().replace("/webhooks/akto", "/webhooks/late");
        let status = Wire::open(world.public).await.unwrap().ask(request.as_bytes()).await.unwrap().status;
        // The other secret is not the right one here, so the new source is known by its refusal.
        assert_eq!(status, if round % 2 == 0 { 401 } else { 404 });
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let bad =
        good.replace("vendor = \"akto\"", "vendor = \"akzo\"").replace("event.severity >= high", "event.severty >=");
    let bad = bad.replace("project = ", "projekt = ");
    world.write_config(&bad);
    reloaded(&gateway, "the configuration was not reloaded; the old one stays in force", 1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let log = gateway.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("fault in the configuration")).collect();
    for part in ["sources.akto.vendor", "destinations.tickets.project", "when"] {
        assert!(told.iter().any(|line| line.contains(part)), "{part} is not told: {told:#?}");
    }
    assert!(gateway.metrics().await.contains("gatepost_config_reloads_refused_total 1"));
    world.write_config(&good.replace("127.0.0.1:", "127.0.0.2:"));
    reloaded(&gateway, "the configuration was not reloaded; the old one stays in force", 2).await;
    world.write_config(&good);
    load.stop().await;
    gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    let figures = oracle::check(&world, &expectations, Allowance::default());
    let entries = expectations.entries();
    println!("reload: 4 good, 2 bad; {figures}; answers {:?}", entries.answers);
    assert_eq!(entries.answers.keys().copied().collect::<Vec<_>>(), [200]);
    assert_eq!((entries.unanswered.len(), entries.torn, entries.silent, entries.unsent), (0, 0, 0, 0));
}

/// Sends SIGHUP and waits for its `count`th outcome in the log.
async fn reloaded(gateway: &Gateway, outcome: &str, count: usize) {
    gateway.signal("HUP");
    let deadline = Instant::now() + Duration::from_secs(15);
    while gateway.log().matches(outcome).count() < count {
        assert!(Instant::now() < deadline, "no '{outcome}' in\n{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
