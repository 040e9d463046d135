//! The oracle: is everything that was answered 200 there, unchanged, and has it had its effect once?
//!
//! It is asked when the faults have stopped, the queue is empty and the gateway has ended. It trusts the answers that
//! the vendors got, the stand-ins and the file; the store is only asked what it made of each receipt, and which incident an
//! event belongs to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use gatepost::domain::{Clock, DeliveryState, Event, EventKey, SystemClock};
use gatepost::store::{Access, DeliveryFilter, DeliveryRow, EventFilter, Page, Queries, ReceiptFilter, SqliteStore};

use super::expectations::{Acknowledgement, Entries, Expectations};
use super::told::Told;
use super::world::World;

/// Deviations that a scenario allows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowance {
    /// Slack messages beyond one an event: as many as were in flight at each kill.
    pub slack_repeats: usize,
}

/// The figures, when nothing is wrong.
#[derive(Debug, Default)]
pub struct Figures {
    pub acknowledged: usize,
    pub duplicates_answered: usize,
    pub receipts: usize,
    pub events: usize,
    pub incidents: usize,
    pub deliveries: usize,
    pub slack_messages: usize,
    pub slack_repeats: usize,
    /// Tickets beyond one an event, archive lines and incidents alike: always none.
    pub repeats_elsewhere: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} answered 200 ({} as duplicates), {} receipts, 0 lost; {} events, {} incidents, {} deliveries, all \
             arrived; Slack {} messages, {} repeated",
            self.acknowledged,
            self.duplicates_answered,
            self.receipts,
            self.events,
            self.incidents,
            self.deliveries,
            self.slack_messages,
            self.slack_repeats
        )
    }
}

/// Checks everything, and reports all faults at once.
pub fn check(world: &World, expectations: &Expectations, allowance: Allowance) -> Figures {
    let store = SqliteStore::open(world.store(), Access::Operate).unwrap();
    let mut trial = Trial { world, store, faults: Vec::new(), figures: Figures::default() };
    let entries = expectations.entries();
    trial.acknowledged_is_stored(&entries);
    let events = trial.events_are_unique();
    let told = trial.incidents_are_told(&events);
    trial.deliveries_are_done(&events);
    trial.effects_are_single(&events, &told, allowance);
    trial.file_is_sound();
    let Trial { faults, figures, .. } = trial;
    let shown: Vec<&String> = faults.iter().take(20).collect();
    assert!(faults.is_empty(), "the oracle found {} faults: {shown:#?}\nfigures: {figures:?}", faults.len());
    figures
}

/// What has been found so far.
pub struct Trial<'w> {
    pub world: &'w World,
    pub store: SqliteStore,
    pub faults: Vec<String>,
    pub figures: Figures,
}

impl Trial<'_> {
    /// Every 200 names a receipt that is stored with the very bytes; each posting has one receipt, and was new once.
    fn acknowledged_is_stored(&mut self, entries: &Entries) {
        let mut by_posting: BTreeMap<usize, Vec<&Acknowledgement>> = BTreeMap::new();
        for acknowledged in &entries.acknowledged {
            by_posting.entry(acknowledged.posting).or_default().push(acknowledged);
        }
        self.figures.acknowledged = entries.acknowledged.len();
        self.figures.duplicates_answered = entries.acknowledged.iter().filter(|answer| !answer.is_first).count();
        for (posting, answers) in by_posting {
            let told: BTreeSet<&str> = answers.iter().map(|answer| answer.receipt.as_str()).collect();
            self.check(told.len() == 1, || format!("posting {posting} was told several receipts: {told:?}"));
            let firsts = answers.iter().filter(|answer| answer.is_first).count();
            self.check(firsts <= 1, || format!("posting {posting} was accepted {firsts} times"));
            for id in told {
                self.receipt_is_there(id, &entries.postings[posting]);
            }
        }
        let receipts = self.store.receipts(&ALL, &ReceiptFilter::default()).unwrap();
        self.figures.receipts = receipts.len();
        let waiting = receipts.iter().filter(|receipt| receipt.state != "dispatched").count();
        self.check(waiting == 0, || format!("{waiting} receipts were never dispatched"));
        let written: BTreeSet<(&str, &[u8])> =
            entries.postings.iter().map(|posting| (posting.source, posting.body.as_slice())).collect();
        self.check(receipts.len() <= written.len(), || {
            format!("{} receipts of {} different postings", receipts.len(), written.len())
        });
    }

    fn receipt_is_there(&mut self, id: &str, posting: &super::expectations::Posting) {
        let found = id.parse().ok().and_then(|id| self.store.receipt(id).unwrap());
        let Some((row, Some(receipt))) = found else {
            return self.faults.push(format!("LOST: receipt {id} was answered 200 and is not stored"));
        };
        self.check(receipt.body == posting.body, || format!("the body of receipt {id} is another"));
        self.check(row.source.as_str() == posting.source, || format!("the source of receipt {id} is another"));
        let read = row.events + row.events_duplicate;
        self.check(row.events == posting.events as u64, || {
            format!("receipt {id} yielded {} new of {read} events instead of {}", row.events, posting.events)
        });
        self.check(row.note.is_none(), || format!("receipt {id} has the note {:?}", row.note));
    }

    fn events_are_unique(&mut self) -> Vec<Event> {
        let rows = self.store.events(&ALL, &EventFilter::default()).unwrap();
        let events: Vec<Event> = rows.into_iter().map(|row| row.event).collect();
        let keys: BTreeSet<EventKey> = events.iter().map(|event| event.key).collect();
        self.check(keys.len() == events.len(), || format!("{} events have {} keys", events.len(), keys.len()));
        let unparsed = events.iter().filter(|event| event.kind == "unparsed").count();
        self.check(unparsed == 0, || format!("{unparsed} events were not understood"));
        self.figures.events = events.len();
        events
    }

    /// Each sink that the routes name has the event; of what was to be told to notifiers nothing is left. None is dead here,
    /// for nothing refuses.
    fn deliveries_are_done(&mut self, events: &[Event]) {
        let rows = self.store.deliveries(&ALL, &DeliveryFilter::default()).unwrap();
        self.figures.deliveries = rows.len();
        let now = SystemClock.now();
        let mut by_event: HashMap<_, Vec<&DeliveryRow>> = HashMap::new();
        for row in &rows {
            let delivery = &row.delivery;
            let is_done = match (delivery.state, delivery.incident) {
                (DeliveryState::Delivered, _) | (DeliveryState::Superseded, Some(_)) => true,
                // It was planned for later.
                (DeliveryState::Waiting, Some(_)) => delivery.created_at > now,
                _ => false,
            };
            let (id, to, state) = (delivery.id, &delivery.destination, delivery.state.as_str());
            self.check(is_done, || format!("the delivery {id} to {to} is {state}: {:?}", delivery.reason));
            if delivery.incident.is_none() {
                let filter = EventFilter { delivery: Some(id), ..EventFilter::default() };
                let held = self.store.events(&ALL, &filter).unwrap();
                let count = held.len() as u64;
                self.check(delivery.events.unwrap_or(1) == count, || format!("the batch {id} holds {count} events"));
                for event in held {
                    by_event.entry(event.event.id).or_default().push(row);
                }
            }
        }
        for event in events {
            let rows = by_event.remove(&event.id).unwrap_or_default();
            let mut told: Vec<&str> = rows.iter().map(|row| row.delivery.destination.as_str()).collect();
            told.sort_unstable();
            let wanted = self.world.sinks();
            self.check(told == wanted, || format!("event {} is planned for {told:?}, not {wanted:?}", event.id));
        }
        self.check(by_event.is_empty(), || format!("{} events were delivered and are none", by_event.len()));
    }

    fn effects_are_single(&mut self, events: &[Event], told: &[Told<'_>], allowance: Allowance) {
        let archived = counted(self.archive_lines());
        let wanted: BTreeSet<String> = events.iter().map(|event| event.id.to_string()).collect();
        for mark in &wanted {
            let count = archived.get(mark).copied().unwrap_or(0);
            self.figures.repeats_elsewhere += count.saturating_sub(1);
            self.check(count == 1, || format!("archive has {mark} {count} times"));
        }
        let strangers = archived.keys().filter(|mark| !wanted.contains(*mark)).count();
        self.check(strangers == 0, || format!("archive has {strangers} that belong to no event"));
        self.pages_are_single(told);
        self.tickets_are_single(told);
        self.messages_are_single(told, allowance);
    }

    fn archive_lines(&mut self) -> Vec<String> {
        let text = std::fs::read_to_string(self.world.archive()).unwrap_or_default();
        let mut ids = Vec::new();
        for line in text.lines() {
            match serde_json::from_str::<Event>(line) {
                Ok(event) => ids.push(event.id.to_string()),
                // A kill may truncate the line that is being written, as long as the whole line is elsewhere.
                Err(_) if line.starts_with("{\"id\":") => println!("the archive holds a torn line of {} B", line.len()),
                Err(error) => self.faults.push(format!("a line of the archive is no event: {error}")),
            }
        }
        ids
    }

    fn file_is_sound(&mut self) {
        let connection = rusqlite::Connection::open(self.world.store()).unwrap();
        let text = |statement: &str| -> String { connection.query_row(statement, [], |row| row.get(0)).unwrap() };
        let number = |statement: &str| -> i64 { connection.query_row(statement, [], |row| row.get(0)).unwrap() };
        let verdict = text("PRAGMA integrity_check");
        let (keys, receipts) = (number("SELECT count(*) FROM dedupe_keys"), number("SELECT count(*) FROM receipts"));
        let (event_keys, events) = (number("SELECT count(*) FROM event_keys"), number("SELECT count(*) FROM events"));
        self.check(verdict == "ok", || format!("the database is damaged: {verdict}"));
        self.check(keys == receipts, || format!("{receipts} receipts have {keys} dedupe keys"));
        let (long, kept) = (
            number("SELECT count(long_body) FROM receipts"),
            number("SELECT count(DISTINCT body) + (SELECT count(*) FROM loose_bodies) FROM body_pieces"),
        );
        self.check(long == kept, || format!("{long} receipts have {kept} long bodies"));
        self.check(event_keys == events, || format!("{events} events have {event_keys} event keys"));
    }

    pub fn check(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.faults.push(otherwise());
        }
    }
}

fn counted(marks: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for mark in marks {
        *counts.entry(mark).or_default() += 1;
    }
    counts
}

pub const ALL: Page = Page { limit: 10_000_000, before: None };
