//! What is the same, and what only looks like it: one id in two sources, and the same words later.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepost::domain::{Clock, Event, SystemClock};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use super::TURN;
use super::book::{Book, Posting};
use super::dice::Dice;
use super::gateway::Gateway;
use super::oracle::{self, Allowance};
use super::wire::{self, Wire};
use super::world::{ADRIAN_SECRET, World};

/// Sources beside those of the world. They all sign the body and nothing else.
const SOURCES: &str = r#"
[sources.twin]
vendor = "secureagentics"
secrets = [{ value = "SECRET" }]

[sources.brief]
vendor = "generic"
secrets = [{ value = "SECRET" }]
verify = { scheme = "hmac", header = "x-secureagentics-signature" }
events = "/alerts"
repeat_window = "5s"

[sources.patient]
vendor = "generic"
secrets = [{ value = "SECRET" }]
verify = { scheme = "hmac", header = "x-secureagentics-signature" }
events = "/alerts"
"#;

/// Adds these sources to the world's.
fn configure(world: &World) {
    let sources = SOURCES.replace("SECRET", ADRIAN_SECRET);
    world.write_config(&format!("{}{sources}", world.config_text()));
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
    let _turn = TURN.lock().await;
    let mut dice = Dice::of("two sources");
    let world = World::new().await;
    configure(&world);
    let book = Arc::new(Book::new(&mut dice));
    let gateway = Gateway::ready(&world, &book).await;
    let before = book.entries().acknowledged.len();
    let mut wire = Wire::open(world.public).await.unwrap();
    for place in 0..COUNT {
        let posting = book.adrian(if place == 0 { "critical" } else { "low" }, 100);
        let postings = [posting.clone(), Posting { source: "twin", ..posting }].map(|posting| book.write(posting));
        // Each vendor sends everything twice, and they take turns.
        for posting in postings.into_iter().chain(postings) {
            assert_eq!(book.post(posting, &mut wire).await.unwrap().status, 200);
        }
    }
    gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    let figures = oracle::judge(&world, &book, Allowance::default());
    let entries = book.entries();
    let firsts = entries.acknowledged[before..].iter().filter(|answer| answer.is_first).count();
    println!("two sources: {COUNT} ids in each, {firsts} receipts; {figures}");
    assert_eq!((firsts, figures.events), (2 * COUNT, 2 * COUNT + before));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_words_are_one_alert_for_a_while_and_then_another() {
    let _turn = TURN.lock().await;
    let mut dice = Dice::of("words");
    let world = World::new().await;
    configure(&world);
    let book = Book::new(&mut dice);
    let mut gateway = Gateway::ready(&world, &book).await;
    let (words, dated) = ("the disk is almost full", "a disk was removed");
    let time = SystemClock.now();
    // Each batch is a body of its own, and in all of them is the same: once without a time, once with one.
    let batch = |number: usize| {
        let alerts = json!([{"title": words, "severity": "low"}, {"title": dated, "severity": "low", "time": time}]);
        json!({"batch": number, "alerts": alerts}).to_string()
    };
    for source in ["brief", "patient"] {
        assert_eq!(post(&world, source, &batch(0), COPIES).await, 1);
    }
    let told_at = Instant::now();
    assert_eq!(post(&world, "brief", &batch(1), COPIES).await, 1);
    assert!(told_at.elapsed() < WINDOW, "the machine is too slow to tell");
    gateway.drained(Duration::from_secs(60)).await;
    assert_eq!([words, dated].map(|title| archived(&world, "brief", title)), [1, 1]);
    let known = "gatepost_events_duplicate_total{source=\"brief\"} 2";
    let metrics = gateway.metrics().await;
    assert!(metrics.lines().any(|line| line == known), "{known} is missing in\n{metrics}");
    // What the window is about survives a kill.
    gateway.kill();
    let gateway = Gateway::ready(&world, &book).await;
    assert_eq!(post(&world, "patient", &batch(2), COPIES).await, 1);
    tokio::time::sleep((WINDOW + Duration::from_millis(500)).saturating_sub(told_at.elapsed())).await;
    assert_eq!(post(&world, "brief", &batch(3), COPIES).await, 1);
    gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    let told = ["brief", "patient"].map(|source| [words, dated].map(|title| archived(&world, source, title)));
    assert_eq!(told, [[2, 1], [1, 1]], "the window of `brief` was over, that of `patient` was not");
    println!("words: 5 bodies in {COPIES} copies each, told again after {WINDOW:?} and not before");
}

const COUNT: usize = 40;
const COPIES: usize = 50;
/// The `repeat_window` of the source `brief`.
const WINDOW: Duration = Duration::from_secs(5);
