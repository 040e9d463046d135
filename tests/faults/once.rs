//! What is a repetition and what only resembles one: one id in two sources, the same text later, and a captured
//! request that comes again when its key has been deleted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepost::app::App;
use gatepost::config::Config;
use gatepost::domain::{Clock, Event, SystemClock, Timestamp};
use gatepost::store::{Access, IncidentFilter, IncidentQueries, Page, SqliteStore};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::clock::{SetClock, app_drained};
use super::dice::Dice;
use super::expectations::{Expectations, Posting};
use super::gateway::{Gateway, command};
use super::oracle::{self, Allowance};
use super::schedule;
use super::wire::{self, Wire};
use super::world::{ADRIAN_SECRET, World};

/// Sources beside those of the world. They all sign the body and nothing else.
const SOURCES: &str = r#"
[sources.twin]
vendor = "secureagentics"
secrets = [{ value = "SECRET" }]
group_by = ["event"]

[sources.open]
vendor = "secureagentics"
secrets = [{ value = "SECRET" }]
group_by = ["event"]
on_old = "deliver"

[sources.brief]
vendor = "generic"
secrets = [{ value = "SECRET" }]
group_by = ["event"]
verify = { scheme = "hmac", header = "x-secureagentics-signature" }
events = "/alerts"
repeat_window = "5s"

[sources.patient]
vendor = "generic"
secrets = [{ value = "SECRET" }]
group_by = ["event"]
verify = { scheme = "hmac", header = "x-secureagentics-signature" }
events = "/alerts"
"#;

/// Adds these sources to the world's, and what else is to be said.
fn configure(world: &World, more: &str) {
    let sources = SOURCES.replace("SECRET", ADRIAN_SECRET);
    world.write_config(&format!("{}{sources}{more}", world.config_text()));
}

/// Posts this many copies at once, each on a connection of its own: how many were new.
async fn post(world: &World, source: &'static str, body: &str, copies: usize) -> usize {
    let mut mac = Hmac::<Sha256>::new_from_slice(ADRIAN_SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let headers = [("X-Secureagentics-Signature".to_owned(), signature)];
    let request = Arc::new(wire::post(&format!("/webhooks/{source}"), &headers, body.as_bytes()));
    let barrier = Arc::new(tokio::sync::Barrier::new(copies));
    let sent = (0..copies).map(|_| {
        let (request, barrier, address) = (Arc::clone(&request), Arc::clone(&barrier), world.public);
        tokio::spawn(async move {
            let mut wire = Wire::open(address).await.unwrap();
            barrier.wait().await;
            wire.ask(&request).await.unwrap()
        })
    });
    let (mut new, mut receipts) = (0, Vec::new());
    for answer in sent.collect::<Vec<_>>() {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 200, "{source}: {}", answer.text());
        let said = answer.json();
        new += usize::from(said["status"] == "accepted");
        receipts.push(said["receipt"].as_str().unwrap().to_owned());
    }
    receipts.sort();
    receipts.dedup();
    assert_eq!(receipts.len(), 1, "{source}: copies were told several receipts");
    new
}

/// How many lines of the archive are about events of this source with this title.
fn archived(world: &World, source: &str, title: &str) -> usize {
    let text = std::fs::read_to_string(world.archive()).unwrap_or_default();
    let events = text.lines().map(|line| serde_json::from_str::<Event>(line).unwrap());
    events.filter(|event| event.source.as_str() == source && event.title == title).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_id_from_two_sources_counts_for_both() {
    let _turn = schedule::beside_others().await;
    let mut dice = Dice::of("two sources");
    let world = World::new().await;
    configure(&world, "");
    let expectations = Arc::new(Expectations::new(&mut dice));
    let gateway = Gateway::ready(&world, &expectations).await;
    let before = expectations.entries().acknowledged.len();
    let mut wire = Wire::open(world.public).await.unwrap();
    for place in 0..COUNT {
        let posting = expectations.adrian(if place == 0 { "critical" } else { "low" }, 100);
        let postings =
            [posting.clone(), Posting { source: "twin", ..posting }].map(|posting| expectations.write(posting));
        // Each vendor sends everything twice, and they take turns.
        for posting in postings.into_iter().chain(postings) {
            assert_eq!(expectations.post(posting, &mut wire).await.unwrap().status, 200);
        }
    }
    gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    let figures = oracle::check(&world, &expectations, Allowance::default());
    let entries = expectations.entries();
    let firsts = entries.acknowledged[before..].iter().filter(|answer| answer.is_first).count();
    println!("two sources: {COUNT} ids in each, {firsts} receipts; {figures}");
    assert_eq!((firsts, figures.events), (2 * COUNT, 2 * COUNT + before));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_words_are_one_alert_for_a_while_and_then_another() {
    schedule::measured(same_words).await;
}

async fn same_words() {
    let mut dice = Dice::of("words");
    let world = World::new().await;
    configure(&world, "");
    let expectations = Expectations::new(&mut dice);
    let mut gateway = Gateway::ready(&world, &expectations).await;
    let (words, dated) = ("the disk is almost full", "a disk was removed");
    let time = SystemClock.now();
    // Each batch is a body of its own, and in all of them is the same: once without a time, once with one.
    let batch = |number: usize| {
        let alerts = json!([{"title": words, "severity": "low"}, {"title": dated, "severity": "low", "time": time}]);
        json!({"batch": number, "alerts": alerts}).to_string()
    };
    let same = json!({"alerts": [{"title": "the very same", "severity": "low"}]}).to_string();
    for source in ["brief", "patient"] {
        assert_eq!(post(&world, source, &batch(0), COPIES).await, 1);
        assert_eq!(post(&world, source, &same, COPIES).await, 1);
    }
    let told_at = Instant::now();
    assert_eq!(post(&world, "brief", &batch(1), COPIES).await, 1);
    assert_eq!(post(&world, "brief", &same, COPIES).await, 0);
    schedule::within("copies of two bodies", told_at.elapsed(), WINDOW);
    gateway.drained(Duration::from_secs(60)).await;
    assert_eq!([words, dated].map(|title| archived(&world, "brief", title)), [1, 1]);
    let known = "gatepost_events_duplicate_total{source=\"brief\"} 2";
    let metrics = gateway.metrics().await;
    assert!(metrics.lines().any(|line| line == known), "{known} is missing in\n{metrics}");
    // The repeat window survives a kill.
    gateway.kill();
    let gateway = Gateway::ready(&world, &expectations).await;
    assert_eq!(post(&world, "patient", &batch(2), COPIES).await, 1);
    tokio::time::sleep((WINDOW + Duration::from_millis(500)).saturating_sub(told_at.elapsed())).await;
    assert_eq!(post(&world, "brief", &batch(3), COPIES).await, 1);
    tokio::time::sleep((WINDOW * 3 / 2 + Duration::from_millis(500)).saturating_sub(told_at.elapsed())).await;
    assert_eq!(post(&world, "brief", &same, COPIES).await, 1, "the same bytes have a window, too");
    assert_eq!(post(&world, "patient", &same, COPIES).await, 0);
    gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    let told = ["brief", "patient"].map(|source| [words, dated].map(|title| archived(&world, source, title)));
    assert_eq!(told, [[2, 1], [1, 1]], "the window of `brief` was over, that of `patient` was not");
    assert_eq!(["brief", "patient"].map(|source| archived(&world, source, "the very same")), [2, 1]);
    println!("words: 5 bodies in {COPIES} copies each, told again after {WINDOW:?} and not before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_captured_request_goes_to_quarantine_when_its_key_is_forgotten() {
    let _turn = schedule::beside_others().await;
    let mut dice = Dice::of("captured");
    let world = World::new().await;
    configure(&world, "");
    let expectations = Expectations::new(&mut dice);
    let gateway = Gateway::ready(&world, &expectations).await;
    let now = SystemClock.now();
    let captured = alert(Some(now.minus(DAY * 5)), "captured");
    let undated = alert(None, "undated");
    for source in ["adrian", "open"] {
        assert_eq!(post(&world, source, &captured, 1).await, 1);
    }
    assert_eq!(post(&world, "adrian", &undated, 1).await, 1);
    gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    assert_eq!(["adrian", "open"].map(|source| archived(&world, source, "captured")), [1, 1]);
    assert_eq!(pages(&world, "captured"), 2);

    // Five days go by, and keys are kept for four.
    age_keys(&world, DAY * 5);
    configure(&world, "[retention]\nkeys = \"4d\"\nreceipts = \"4d\"\n");
    let mut gateway = Gateway::ready(&world, &expectations).await;
    old_keys_are_gone(&world, now.minus(DAY * 4)).await;
    for (source, body) in [("adrian", &captured), ("open", &captured), ("adrian", &undated)] {
        assert_eq!(post(&world, source, body, COPIES).await, 1, "its key is still known: nothing is tried here");
    }
    for (title, age) in [("belated", DAY * 3), ("fresh", Duration::ZERO)] {
        assert_eq!(post(&world, "adrian", &alert(Some(now.minus(age)), title), 1).await, 1);
    }
    gateway.drained(Duration::from_secs(60)).await;
    // The source without the check shows what the check keeps out; an event without a time cannot be checked.
    assert_eq!(["adrian", "open"].map(|source| archived(&world, source, "captured")), [1, 2]);
    assert_eq!(["undated", "belated", "fresh"].map(|title| archived(&world, "adrian", title)), [2, 1, 1]);
    // The repeated event belongs to the same live incident: it is counted, and does not page again.
    assert_eq!(["captured", "undated", "belated", "fresh"].map(|title| pages(&world, title)), [2, 1, 1, 1]);
    assert_eq!(["adrian", "open"].map(|source| events_of(&world, source, "captured")), [1, 2]);
    let held = quarantined(&world);
    assert!(held.len() == 1 && held[0]["title"] == "captured" && held[0]["source"] == "adrian", "{held:#?}");
    let metrics = gateway.metrics().await;
    let counted: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("gatepost_events_quarantined_to") && !line.ends_with(" 0"))
        .collect();
    assert_eq!(counted, ["gatepost_events_quarantined_total{source=\"adrian\"} 1"]);
    assert!(gateway.log().contains("they are in quarantine"), "the log does not tell of it");
    // It is known now, also after a kill, and held until it is released.
    gateway.kill();
    let gateway = Gateway::ready(&world, &expectations).await;
    assert_eq!(post(&world, "adrian", &captured, COPIES).await, 0);
    gateway.drained(Duration::from_secs(60)).await;
    assert_eq!((archived(&world, "adrian", "captured"), quarantined(&world).len()), (1, 1));
    let ran = command(&world.setting, &["replay", "--receipt", held[0]["receipt"].as_str().unwrap()]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    assert_eq!((archived(&world, "adrian", "captured"), quarantined(&world).len()), (2, 0), "it was released");
    assert_eq!(["adrian", "open"].map(|source| events_of(&world, source, "captured")), [2, 2]);
    println!("captured: {} copies after its key was forgotten, 1 in quarantine, 0 told, 1 on order", 2 * COPIES);
}

/// A clock that stands a year ahead for days: by then retention accepts it, and deletes every key. What happens now
/// must be told all the same, and what was captured long before held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_quarantines_nothing_true() {
    let _turn = schedule::beside_others().await;
    let world = World::new().await;
    // A listing of all that was held: events do not go with the keys.
    configure(&world, "[retention]\nevents = \"3650d\"\n");
    let clock = Arc::new(SetClock::default());
    let app = App::start_by(Config::load(&world.setting.config).unwrap(), clock.clone()).await.unwrap();
    let tell = async |time: Timestamp, title: &str| {
        assert_eq!(post(&world, "adrian", &alert(Some(time), title), 1).await, 1);
        app_drained(&app, Duration::from_secs(30)).await;
        (archived(&world, "adrian", title), quarantined(&world).len())
    };
    let begun = SystemClock.now();
    // No key has been deleted yet: whatever is not known is new.
    assert_eq!(tell(begun.minus(DAY * 40), "old").await, (1, 0));
    assert_eq!(tell(begun, "before").await, (1, 0));
    let same = json!({"alerts": [{"title": "the very same", "severity": "low"}]}).to_string();
    assert_eq!(post(&world, "patient", &same, 1).await, 1);
    clock.set(YEAR_S);
    tokio::time::sleep(LOOK).await;
    assert_eq!(tell(begun, "set").await, (1, 0));
    assert_eq!(post(&world, "patient", &same, 1).await, 0, "a body without an id is known whatever the clock says");
    clock.let_pass(DAY * 2);
    tokio::time::sleep(LOOK).await;
    app.reload(&world.setting.config).await.unwrap();
    old_keys_are_gone(&world, begun.plus(DAY)).await;
    assert_eq!(tell(begun.plus(DAY * 2), "believed").await, (1, 0));
    assert_eq!(post(&world, "patient", &same, 1).await, 1, "days have passed");
    assert_eq!(tell(begun.minus(DAY * 40), "old again").await, (0, 1));
    // A request that tells a time near the clock's confirms that it really is a year later.
    assert_eq!(tell(begun.plus(YEAR + DAY * 2), "a year later").await, (1, 1));
    tokio::time::sleep(LOOK).await;
    assert_eq!(tell(begun.plus(DAY * 2), "a year old").await, (0, 2));
    // Once the clock is right, no confirmation is needed.
    clock.set(0);
    tokio::time::sleep(LOOK).await;
    assert_eq!(tell(begun.plus(DAY * 2), "after").await, (1, 2));
    app.stop().await;
    println!("quarantine: a clock a year ahead for two days held nothing that happened then");
}

fn alert(time: Option<Timestamp>, title: &str) -> String {
    let data = json!({"severity": "high", "details": title});
    let mut alert = json!({"id": format!("evt_{title}"), "type": "alert.triggered", "data": data});
    if let Some(time) = time {
        alert["timestamp"] = json!(time);
    }
    alert.to_string()
}

/// How many pages with this title went out.
fn pages(world: &World, title: &str) -> usize {
    let incidents = world.pagerduty.as_ref().unwrap().incidents();
    incidents.iter().map(|incident| incident.triggers_with(title)).sum()
}

/// How many events incidents of a source with this title count.
fn events_of(world: &World, source: &str, title: &str) -> u64 {
    let store = SqliteStore::open(world.store(), Access::Operate).unwrap();
    let filter = IncidentFilter { source: Some(source.parse().unwrap()), ..IncidentFilter::default() };
    let incidents = store.incidents(&Page { limit: 1_000, before: None }, &filter).unwrap();
    incidents.iter().filter(|incident| incident.title == title).map(|incident| incident.count).sum()
}

fn quarantined(world: &World) -> Vec<Value> {
    let ran = command(&world.setting, &["events", "list", "--quarantined", "--json"]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Makes all keys look as if they had been seen so much earlier.
fn age_keys(world: &World, by: Duration) {
    let connection = rusqlite::Connection::open(world.store()).unwrap();
    let millis = i64::try_from(by.as_millis()).unwrap();
    for table in ["dedupe_keys", "event_keys"] {
        let aged = connection.execute(&format!("UPDATE {table} SET seen_at = seen_at - ?1"), [millis]).unwrap();
        assert!(aged > 0, "{table} is empty");
    }
}

/// Waits until the retention task has deleted every key from before `horizon`.
async fn old_keys_are_gone(world: &World, horizon: Timestamp) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let connection = rusqlite::Connection::open(world.store()).unwrap();
    let count = "SELECT (SELECT count(*) FROM dedupe_keys WHERE seen_at < ?1)
        + (SELECT count(*) FROM event_keys WHERE seen_at < ?1)";
    while connection.query_row(count, [horizon.as_millis()], |row| row.get::<_, i64>(0)).unwrap() > 0 {
        assert!(Instant::now() < deadline, "old keys are not deleted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const COUNT: usize = 40;
const COPIES: usize = 50;
const DAY: Duration = Duration::from_secs(24 * 3600);
const YEAR_S: i64 = 365 * 24 * 3600;
const YEAR: Duration = Duration::from_secs(YEAR_S as u64);
/// The clock is read once a second.
const LOOK: Duration = Duration::from_millis(1_500);
/// The `repeat_window` of the source `brief`.
const WINDOW: Duration = Duration::from_secs(5);
