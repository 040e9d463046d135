//! Authentic bodies that are hard to parse: each is stored byte for byte, and each is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gatepost::domain::{DeliveryState, Event, Note};
use gatepost::store::{Access, DeliveryFilter, Page, Queries, ReceiptFilter, SqliteStore};
use rusqlite::OpenFlags;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::dice::Dice;
use super::expectations::{Expectations, Posting, request_of};
use super::gateway::{Gateway, command};
use super::poisons::{self, Poison};
use super::schedule;
use super::wire::Wire;
use super::world::World;

/// A poison that was answered 200.
struct Taken {
    poison: Poison,
    receipt: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_poison_is_stored_as_it_came_and_is_told() {
    schedule::measured_while_busy(every_poison).await;
}

async fn every_poison() {
    let mut dice = Dice::of("poison");
    let world = World::new().await;
    world.write_config(&config(&world));
    let expectations = Expectations::new(&mut dice);
    let gateway = Gateway::ready(&world, &expectations).await;
    let begun = Instant::now();
    let mut wire = Wire::open(world.public).await.unwrap();
    let mut taken = Vec::new();
    for poison in poisons::all() {
        let posting = Posting { source: poison.source, body: poison.body.clone(), events: 0 };
        let answer = wire.ask(&request_of(&posting)).await.unwrap();
        assert_eq!(answer.status, 200, "{poison}: {}", answer.text());
        assert_eq!(answer.json()["status"], "accepted", "{poison}");
        let receipt = answer.json()["receipt"].as_str().unwrap().to_owned();
        taken.push(Taken { poison, receipt });
    }
    let posted = begun.elapsed();
    let distinct: BTreeSet<(&str, &[u8])> = taken.iter().map(|t| (t.poison.source, t.poison.body.as_slice())).collect();
    assert!(distinct.len() >= 200 && distinct.len() == taken.len(), "{} of {}", distinct.len(), taken.len());
    // Well-formed requests must still be accepted and delivered.
    let honest = expectations.write(expectations.adrian("critical", 100));
    assert_eq!(expectations.post_once(honest, world.public).await, Some(200));
    gateway.drained(TOLD_LIMIT.saturating_sub(begun.elapsed())).await;
    let told = begun.elapsed();
    let log = gateway.log();
    gateway.stop().await;

    let outcome = checked(&world, &taken);
    assert!(outcome.faults.is_empty(), "{} faults: {:#?}", outcome.faults.len(), outcome.faults);
    assert!(world.slack.as_ref().unwrap().mentions("mark-") > 0, "the honest alert is not on Slack");
    for word in ["panicked", "reading a body failed", "dead letter"] {
        assert!(!log.contains(word), "{word} in the log");
    }
    shown_by_the_command_line(&world, &taken);
    println!(
        "poison: {} bodies, all stored as they came: {}; {} events, {} deliveries, all arrived; posted in {posted:.1?}, \
         told within {told:.1?}",
        taken.len(),
        outcome.summary(),
        outcome.events,
        outcome.deliveries
    );

    // The check can fail: with a changed byte, and with an event that was not told.
    let mut doctored = taken;
    doctored[0].poison.body.push(b' ');
    assert!(!checked(&world, &doctored).faults.is_empty(), "a body that changed is not noticed");
    doctored[0].poison.body.pop();
    std::fs::write(world.archive(), b"").unwrap();
    assert!(!checked(&world, &doctored).faults.is_empty(), "events that are not told are not noticed");
}

/// What became of the poisons.
#[derive(Default)]
struct Verdict {
    faults: Vec<String>,
    /// Bodies by what the reader made of them.
    notes: BTreeMap<&'static str, usize>,
    events: usize,
    deliveries: usize,
}

impl Verdict {
    fn summary(&self) -> String {
        let counted: Vec<String> = self.notes.iter().map(|(note, count)| format!("{count} {note}")).collect();
        counted.join(", ")
    }
}

fn checked(world: &World, taken: &[Taken]) -> Verdict {
    let mut verdict = Verdict::default();
    let store = SqliteStore::open(world.store(), Access::Operate).unwrap();
    let text = std::fs::read_to_string(world.archive()).unwrap();
    let told: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut told_of: BTreeMap<String, usize> = BTreeMap::new();
    told.iter().for_each(|event| *told_of.entry(event.receipt.to_string()).or_default() += 1);
    for Taken { poison, receipt } in taken {
        let Some((row, Some(stored))) = store.receipt(receipt.parse().unwrap()).unwrap() else {
            verdict.faults.push(format!("LOST: {poison}"));
            continue;
        };
        let note = row.note.map_or("read as it is", Note::as_str);
        *verdict.notes.entry(note).or_default() += 1;
        if stored.body != poison.body {
            verdict.faults.push(format!("stored with other bytes: {poison}"));
        }
        let told = told_of.get(receipt).copied().unwrap_or_default();
        let is_silent = matches!(row.note, Some(Note::Ping | Note::Empty));
        if is_silent != poison.says_nothing || (told == 0) != is_silent {
            verdict.faults.push(format!("{poison}: the note {note}, {} events, {told} told", row.events));
        }
        if told as u64 != row.events || told < poison.events_least {
            verdict.faults.push(format!("{poison}: {} events, {told} told", row.events));
        }
    }
    verdict.events = told.len();
    let deliveries = store.deliveries(&ALL, &DeliveryFilter::default()).unwrap();
    verdict.deliveries = deliveries.len();
    for row in deliveries.iter().filter(|row| row.delivery.state != DeliveryState::Delivered) {
        verdict.faults.push(format!("for {}: {:?}", row.delivery.destination, row.delivery.reason));
    }
    // Each event is its own incident, and each is told once.
    let effects = |name: &str| deliveries.iter().filter(|row| row.delivery.destination.as_str() == name).count();
    let arrived = [
        ("oncall", world.pagerduty.as_ref().unwrap().effects()),
        ("soc", world.slack.as_ref().unwrap().effects()),
        ("tickets", world.jira.as_ref().unwrap().effects()),
    ];
    for (name, arrived) in arrived {
        if arrived != effects(name) || arrived == 0 {
            verdict.faults.push(format!("{name} has {arrived} effects of {} deliveries", effects(name)));
        }
    }
    verdict
}

/// The operator's way to the same bytes.
fn shown_by_the_command_line(world: &World, taken: &[Taken]) {
    for Taken { poison, receipt } in taken.iter().filter(|taken| taken.poison.body.len() < 10_000).step_by(20) {
        let shown = command(&world.setting, &["receipts", "show", receipt, "--json"]);
        let document: Value = serde_json::from_slice(&shown.stdout).unwrap();
        assert_eq!(document["body_hex"], hex::encode(&poison.body), "{poison}");
    }
}

/// A body that ends the process each time it is read, as the store sees it: the process dies while the body is claimed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_keeps_ending_the_process_is_told_unread_and_the_others_are_read() {
    let _turn = schedule::beside_others().await;
    let mut dice = Dice::of("deadly");
    let world = World::new().await;
    world.write_config(&config(&world));
    let expectations = Expectations::new(&mut dice);
    let mut gateway = Gateway::ready(&world, &expectations).await;
    // So long that the process can be ended while it is read.
    let mut deadly = expectations.akto("LOW", 20_000);
    deadly.body.extend(b" ".repeat(1 << 20));
    let (hash, length) = (Sha256::digest(&deadly.body), deadly.body.len());
    let mut wire = Wire::open(world.public).await.unwrap();
    let answer = wire.ask(&request_of(&deadly)).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let receipt = answer.json()["receipt"].as_str().unwrap().to_owned();
    let innocent: Vec<usize> = (0..20).map(|_| expectations.write(expectations.low(100))).collect();
    for posting in &innocent {
        assert_eq!(expectations.post_once(*posting, world.public).await, Some(200));
    }
    for death in 1..=DEATHS {
        assert!(claimed(&world, &receipt, death).await, "it is given up after {} deaths", death - 1);
        gateway.kill();
        gateway = Gateway::start(&world);
    }
    gateway.drained(Duration::from_secs(60)).await;
    let (log, metrics) = (gateway.log(), gateway.metrics().await);
    gateway.stop().await;

    let store = SqliteStore::open(world.store(), Access::Operate).unwrap();
    let (row, stored) = store.receipt(receipt.parse().unwrap()).unwrap().unwrap();
    assert_eq!(row.note, Some(Note::Unparsed));
    assert_eq!(Sha256::digest(&stored.unwrap().body), hash);
    let text = std::fs::read_to_string(world.archive()).unwrap();
    let told: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let unread: Vec<&Event> = told.iter().filter(|event| event.kind == "unparsed").collect();
    assert_eq!(unread.len(), 1, "only the deadly one is told unread");
    assert_eq!(unread[0].receipt.to_string(), receipt);
    assert!(unread[0].message.as_deref().unwrap().contains("the process ended several times while reading it"));
    // What was recorded of it before it ended the process stays, and is told once.
    let of_it = told.iter().filter(|event| event.receipt.to_string() == receipt).count();
    assert_eq!(of_it as u64, row.events);
    let marks = expectations.entries().postings.len();
    assert_eq!(told.len(), marks + of_it, "the others are told as they are");
    assert_eq!(store.receipts(&ALL, &ReceiptFilter::default()).unwrap().len(), marks + 1);
    // The operator's notice.
    assert!(log.contains("the process ended each time a body was read; it is passed on unread"), "{log}");
    assert!(metrics.contains("gatepost_receipts_poison_total{source=\"akto\"} 1"), "{metrics}");
    println!("deadly: {length} B ended the process {DEATHS} times, then told unread; {marks} others told as they are");
}

/// Waits until the receipt is claimed for the `time`th time; `false` once it is done with.
async fn claimed(world: &World, receipt: &str, time: u32) -> bool {
    let deadline = Instant::now() + Duration::from_secs(30);
    let id: gatepost::domain::ReceiptId = receipt.parse().unwrap();
    while Instant::now() < deadline {
        // A process that has just been ended leaves its WAL to the next process that opens the file.
        let connection =
            rusqlite::Connection::open_with_flags(world.store(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let ask = |statement: &str| -> rusqlite::Result<u32> {
            connection.query_row(statement, [id.as_bytes()], |row| row.get(0))
        };
        match ask("SELECT q.tries FROM receipt_queue q JOIN receipts r ON r.seq = q.seq WHERE r.id = ?1") {
            Ok(tries) if tries >= time => return true,
            Err(rusqlite::Error::QueryReturnedNoRows) => {
                let done = "SELECT 1 FROM receipts r WHERE r.id = ?1
                    AND NOT EXISTS (SELECT 1 FROM runs w WHERE r.seq BETWEEN w.next AND w.last)";
                if ask(done).is_ok() {
                    return false;
                }
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("the receipt is not claimed");
}

/// Everything for the archive; as much for the others as their pace allows.
fn config(world: &World) -> String {
    let text = world.config_text();
    let (head, _) = text.split_once("[[routes]]").unwrap();
    let head = head.replace("body_limit = \"1MiB\"", "body_limit = \"32MiB\"");
    let head = head.replacen("vendor = \"secureagentics\"", "vendor = \"secureagentics\"\nbody_limit = \"8MiB\"", 1);
    format!(
        r#"{head}
[sources.scanner]
vendor = "generic"
secrets = [{{ value = "{secret}" }}]
group_by = ["event"]
body_limit = "8MiB"
events = "/alerts"
verify = {{ scheme = "token" }}
map = {{ title = "/title", severity = "/level", message = "/message", key = "/id" }}

[[routes]]
name = "people"
when = 'event.source == "adrian" && event.severity >= critical'
to = ["soc"]

[[routes]]
name = "page"
when = 'event.source == "scanner" && event.title.matches("[0-3] bytes")'
to = ["oncall"]

[[routes]]
name = "work"
when = 'event.source == "adrian" && !event.title.startsWith("mark-")'
to = ["tickets"]

[[routes]]
name = "everything"
to = ["archive"]
"#,
        secret = super::world::AKTO_SECRET
    )
}

const ALL: Page = Page { limit: 10_000_000, before: None };
/// What is promised from the answer to the alert.
const TOLD_LIMIT: Duration = Duration::from_secs(60);
/// Two claimed with others, three alone.
const DEATHS: u32 = 5;
