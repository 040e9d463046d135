//! Receipts on their way to events: what is handed out, and what became of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Backlog, Claim, SetAside};
use crate::domain::{DestinationName, Event, EventKey, IncidentKey, Note, Receipt, RouteName, SourceName};
use crate::incidents::{GroupBy, Hint, NewEvent, group};

/// How much work a receipt may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReceiptSize {
    /// A few milliseconds at most.
    Small,
    /// Up to seconds: a long body, or a compressed one that may become long.
    Large,
}

/// How many receipts are claimed at once.
#[derive(Clone, Copy, Debug)]
pub struct ReceiptLimits {
    /// Those of this size only; `None` for all.
    pub size: Option<ReceiptSize>,
    /// At most so many receipts.
    pub receipts: usize,
    /// At most so many bytes of bodies, beyond the first receipt.
    pub bytes: usize,
}

impl ReceiptLimits {
    /// Up to so many receipts of any size, with together eight mebibytes.
    pub fn of_any_size(receipts: usize) -> Self {
        Self { size: None, receipts, bytes: 8 << 20 }
    }
}

/// Leased receipts, and those that could not be read.
#[derive(Debug, Default)]
pub struct ClaimedReceipts {
    /// The claims.
    pub claims: Vec<Claim<ReceiptWork>>,
    /// What was set aside. It keeps its row and is not claimed again unless it is replayed.
    pub set_aside: Vec<SetAside>,
    /// Whether receipts of the size that was not asked for wait.
    pub is_other_size_waiting: bool,
    /// What no longer waits, by source.
    pub(in crate::store) no_longer_waiting: BTreeMap<String, Backlog>,
}

/// A receipt to dispatch.
#[derive(Debug)]
pub struct ReceiptWork {
    /// The receipt.
    pub receipt: Receipt,
    /// The number of this try, from 1.
    pub tries: u32,
    /// An operator asked for it again: events that exist are planned again.
    pub replay: bool,
    /// Some of its events are recorded already, by [`Outbox::extend`](super::Outbox::extend).
    pub(super) is_extended: bool,
    /// The rows of the events that are recorded already, where it is a replay.
    pub(super) replayed: Arc<HashSet<i64>>,
}

impl ReceiptWork {
    /// Of a receipt that was never claimed.
    pub(super) fn first_try_of(receipt: Receipt) -> Self {
        Self { receipt, tries: 1, replay: false, is_extended: false, replayed: Arc::default() }
    }
}

impl Claim<ReceiptWork> {
    /// Takes the receipt with its body out of the claim, which keeps everything but the body: a body is read, and
    /// dropped, long before the claim is settled.
    pub fn take_receipt(&mut self) -> Receipt {
        let receipt = &mut self.work_mut().receipt;
        let body = std::mem::take(&mut receipt.body);
        Receipt { body, ..receipt.clone() }
    }

    /// A piece of the receipt is recorded.
    pub fn note(&mut self, extended: &mut Extended) {
        let work = self.work_mut();
        work.is_extended = true;
        let replayed = std::mem::take(&mut extended.replayed);
        if !replayed.is_empty() {
            Arc::make_mut(&mut work.replayed).extend(replayed);
        }
    }

    /// The same right, to record a piece by: the claim itself stays with the one who has to hand the piece in again if that
    /// fails.
    pub(super) fn for_a_piece(&self) -> Self {
        let ReceiptWork { receipt, tries, replay, is_extended, replayed } = self.work();
        let work = ReceiptWork {
            receipt: receipt.clone(),
            tries: *tries,
            replay: *replay,
            is_extended: *is_extended,
            replayed: Arc::clone(replayed),
        };
        Self::new(self.row, self.generation, work)
    }
}

/// An event and the destinations that must be told.
#[derive(Clone, Debug)]
pub struct PlannedEvent {
    /// The event.
    pub event: Event,
    /// Destination and the first route that asked for it; no destination twice.
    pub deliveries: Vec<(DestinationName, RouteName)>,
    /// Whether any route took it.
    pub routed: Routed,
    /// What else identifies it, for a while.
    pub recurrence: Option<Recurrence>,
    /// Which incident it belongs to, and what it brings there.
    pub joining: Joining,
}

/// Which incident an event belongs to, and what it brings there.
#[derive(Clone, Debug)]
pub struct Joining {
    /// What the events of the incident have in common.
    pub key: IncidentKey,
    /// What the incident needs to know of it. It is told where this says so, or where a route sends it to a notifier.
    pub event: NewEvent,
}

impl Joining {
    /// As far as the event alone tells: without what its vendor's normalizer and its source's settings know better.
    pub fn of(event: &Event) -> Self {
        Self::grouped(event, &GroupBy::Vendor)
    }

    /// The same, of a source that says what the events of one incident have in common.
    pub fn grouped(event: &Event, by: &GroupBy) -> Self {
        let grouped = group(event, &Hint::default(), by);
        Self { key: grouped.key, event: NewEvent::of(event, event.received_at, grouped.victim, false) }
    }
}

/// What identifies an event where nothing in it tells whether the same thing has happened again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recurrence {
    /// What it has in common with the next time.
    pub key: EventKey,
    /// Within this time of each other two such events are one.
    pub known_for: Duration,
}

/// Whether any route took an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routed {
    /// At least one did.
    Yes,
    /// None did: it is kept and marked.
    No,
    /// None was asked: it is kept in quarantine, marked, until the operator has its receipt replayed.
    Quarantined,
}

/// The end of a receipt's dispatch.
#[derive(Debug)]
pub struct Conclusion {
    /// The right to conclude.
    pub claim: Claim<ReceiptWork>,
    /// Its (remaining) events.
    pub events: Vec<PlannedEvent>,
    /// What else there is to say about it.
    pub note: Option<Note>,
}

/// A piece of a receipt is recorded. Its claim is to [note](Claim::note) that.
#[derive(Debug)]
pub struct Extended {
    /// What recording the piece did.
    pub tally: Tally,
    /// Notifiers that there is something to tell.
    pub to_tell: BTreeSet<DestinationName>,
    /// Events that were not told by themselves, by source and reason.
    pub held_back: BTreeMap<(SourceName, &'static str), u64>,
    /// The rows of its events, where it is a replay.
    pub(super) replayed: HashSet<i64>,
}

/// What conclusions did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dispatched {
    /// What came of the events of each source.
    pub by_source: BTreeMap<SourceName, Tally>,
    /// Receipts whose lease had passed to another claim.
    pub leases_lost: usize,
    /// Notifiers that there is something to tell.
    pub to_tell: BTreeSet<DestinationName>,
    /// Events that were not told by themselves, by source and reason.
    pub held_back: BTreeMap<(SourceName, &'static str), u64>,
    /// How long that had the thread that writes.
    pub took: Duration,
}

impl Dispatched {
    /// What came of the events of all sources.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.by_source.values().for_each(|tally| total.add(*tally));
        total
    }
}

/// What recording events did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events that are new.
    pub events_new: usize,
    /// Events that had been stored before.
    pub events_duplicate: usize,
    /// How many of the new ones are in quarantine.
    pub events_quarantined: usize,
    /// Deliveries that were planned.
    pub deliveries: usize,
    /// Incidents that were opened.
    pub incidents_opened: usize,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.events_new += other.events_new;
        self.events_duplicate += other.events_duplicate;
        self.events_quarantined += other.events_quarantined;
        self.deliveries += other.deliveries;
        self.incidents_opened += other.incidents_opened;
    }
}
