//! Durable state, as five roles: each caller sees its own and no more.
//!
//! | role | who calls it | what it does |
//! |---|---|---|
//! | [`Inbox`] | `server::ingress` | accepts a verified request, once, durably |
//! | [`Outbox`] | `pipeline` | hands out work under a lease and takes back what became of it |
//! | [`Queries`] | the operator, through `cli` and `server::admin` | reads, and replays on order |
//! | [`Overview`] | the operator, through `cli` | what came in and went out lately |
//! | [`Upkeep`] | `pipeline::retention` | retention, sizes, backup |
//!
//! Calls that write answer with a [`Ticket`], a future that is ready when the commit is on the disk. Policy is not here:
//! what happens to a delivery next is computed by `pipeline::retry` and only written down by the store.

mod claim;
mod incident_roles;
mod policy;
mod reply_batch;
mod sqlite;

pub use claim::{Claim, Ticket};
pub use incident_roles::{
    Commands, EventPlace, IncidentDetails, IncidentFilter, IncidentQueries, MilestoneRow, NotificationRow,
};
pub use policy::{NotifierPolicy, Policy};
pub use reply_batch::{ReplyBatch, Responder};
pub use sqlite::{Access, OpenError, SqliteStore};

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{
    Attempt, Delivery, DeliveryId, DeliveryState, DestinationName, Encoding, Event, EventId, EventKey, Facets,
    IdPrefix, Incident, IncidentKey, IncidentNumber, Intent, Note, Notification, NotificationId, Progress, Receipt,
    ReceiptId, Reference, RequestKey, RouteName, Severity, SourceName, Telling, Timestamp, Urgency,
};
use crate::incidents::{GroupBy, Hint, NewEvent, group};
use crate::verify::Verified;

/// Where verified requests are accepted.
pub trait Inbox: Send + Sync {
    /// Takes a request. The ticket is ready once it is committed and synced, or once it is known to be a repetition of
    /// a committed one. Answers [`StoreError::Crowded`] at once when the waiting room is full. A thread that waits for
    /// many answers has them put into its `replies`.
    fn accept(&self, arrival: Arrival, replies: Option<&ReplyBatch>) -> Ticket<Acceptance>;

    /// What is accepted of a source and waits to be read, without what has been handed out. Counted in memory and answered
    /// at once.
    fn backlog(&self, source: &SourceName) -> Backlog;

    /// Writes and syncs a few bytes, to find out whether an accept would be committed.
    fn check_writable(&self) -> Ticket<()>;
}

/// What of a source waits to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many receipts.
    pub receipts: u64,
    /// How long their bodies are together, in bytes.
    pub bytes: u64,
}

/// A verified request on its way into the store.
#[derive(Debug)]
pub struct Arrival {
    /// The request. Only `verify` can make one.
    pub request: Verified,
    /// The source that took it.
    pub source: SourceName,
    /// What makes it the same as another.
    pub key: RequestKey,
    /// The `Content-Type`, as sent.
    pub content_type: Option<String>,
    /// How the body is encoded.
    pub encoding: Encoding,
    /// How soon it should be read.
    pub urgency: Urgency,
}

/// What became of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It is stored as this receipt.
    New(ReceiptId),
    /// It had been stored before, as this receipt.
    Duplicate(ReceiptId),
    /// Its body had been stored before under another id that is not signed, as this receipt.
    Repeated(ReceiptId),
}

/// Where work is handed out and taken back.
pub trait Outbox: Send + Sync {
    /// Leases receipts that are not dispatched yet.
    ///
    /// The sources that have some waiting are served in turn. Of a source the most urgent go first, and a quarter of its
    /// turn goes to its oldest. What has been claimed before and was not concluded, or is replayed, goes first, up to half
    /// of the limit where others wait. The claims are answered in the order in which they should be read.
    ///
    /// A receipt that was under way when the process ended more than twice is claimed alone, while no other receipt is
    /// leased, so that only the one that ends the process gets the blame. Those whose rows cannot be read are set aside,
    /// so that they do not keep the others.
    fn claim_receipts(&self, limits: ReceiptLimits, lease: Lease) -> Ticket<ClaimedReceipts>;

    /// Records some of a large receipt's events and gives the claim back, its lease renewed.
    fn extend(
        &self,
        claim: Claim<ReceiptWork>,
        events: Vec<PlannedEvent>,
        policy: &Arc<Policy>,
        lease: Lease,
    ) -> Ticket<Extended>;

    /// Whether keys have ever been deleted for their age. As long as none has, whatever was accepted is known.
    fn forgets(&self) -> bool;

    /// Records the (remaining) events and deliveries of receipts and closes them, all in one transaction. The conclusions
    /// are shared so that they can be handed in again after a fault.
    fn conclude(&self, conclusions: Arc<Vec<Conclusion>>, policy: &Arc<Policy>, now: Timestamp) -> Ticket<Dispatched>;

    /// Leases up to `limit` deliveries of one destination that are due.
    fn claim_deliveries(
        &self,
        destination: &DestinationName,
        limit: usize,
        order: ClaimOrder,
        policy: &Arc<Policy>,
        lease: Lease,
    ) -> Ticket<Claimed>;

    /// Makes up to `limit` deliveries of one destination due that wait for a later time than `now`, the most severe first.
    /// They go by their age again, as if they had never been tried. Returns how many there were; fewer than `limit` means
    /// that none is left.
    fn make_due(&self, destination: &DestinationName, now: Timestamp, limit: usize) -> Ticket<usize>;

    /// Records attempts and what is to become of their deliveries, all in one transaction. The answer counts those
    /// whose lease had passed to somebody else, of which nothing was written. The settlements are shared so that they
    /// can be handed in again after a fault: what has been sent must not be forgotten because the disk is full.
    ///
    /// What a notifier was told is written with them, and what it is to be told next is planned.
    fn settle(&self, settlements: Arc<Vec<Settlement>>, policy: &Arc<Policy>, now: Timestamp) -> Ticket<LeasesLost>;

    /// Takes up to `limit` incidents whose time has come: those that nothing has happened to for long go quiet,
    /// acknowledgements lapse, held resolutions come true. Returns whom there is something to tell.
    fn advance_incidents(
        &self,
        limit: usize,
        policy: &Arc<Policy>,
        listening_since: Timestamp,
        now: Timestamp,
    ) -> Ticket<Advanced>;
}

/// Which of the deliveries that are due are handed out first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimOrder {
    /// The most severe, then the oldest.
    MostSevere,
    /// The one that has been due the longest, whatever its severity, and no other.
    LongestDue,
}

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

/// From when and until when a claim is good.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// The present moment by the wall clock: what is due by then is handed out.
    pub now: Timestamp,
    /// The present moment on the clock that nobody sets ([`Clock::steady`](crate::domain::Clock::steady)): leases run by
    /// it, so that a wall clock that is set forward takes nobody's work away. A start ends all leases, so that they need
    /// not outlive the process.
    pub steady: Timestamp,
    /// How long the claim is good.
    pub length: Duration,
}

impl Lease {
    /// When the lease ends.
    pub(crate) fn until(&self) -> Timestamp {
        self.steady.plus(self.length)
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

/// A row that this binary cannot read: it was damaged, or something else wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The number of the row.
    pub row: i64,
    /// What is wrong with it.
    pub reason: String,
}

/// Whether the database file is sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Soundness {
    /// That is being found out.
    Checking,
    /// It is.
    Sound,
    /// It is not.
    Damaged {
        /// What was found.
        reason: String,
    },
    /// It could not be found out.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl Soundness {
    /// The words of all kinds.
    pub const WORDS: [&'static str; 4] = ["checking", "sound", "damaged", "unknown"];

    /// The word in metrics and in `/readyz`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Checking => Self::WORDS[0],
            Self::Sound => Self::WORDS[1],
            Self::Damaged { .. } => Self::WORDS[2],
            Self::Unknown { .. } => Self::WORDS[3],
        }
    }

    /// Why it is not known to be sound.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Checking | Self::Sound => None,
            Self::Damaged { reason } | Self::Unknown { reason } => Some(reason),
        }
    }
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
    /// The rows of the events that are recorded already, where it is a replay.
    pub(super) replayed: HashSet<i64>,
}

impl Claim<ReceiptWork> {
    /// Takes the receipt with its body out of the claim, which keeps everything but the body: a body is worked on, and
    /// let go of, long before the claim is settled.
    pub fn take_receipt(&mut self) -> Receipt {
        let receipt = &mut self.work_mut().receipt;
        let body = std::mem::take(&mut receipt.body);
        Receipt { body, ..receipt.clone() }
    }
}

/// An event and who must know of it.
#[derive(Clone, Debug)]
pub struct PlannedEvent {
    /// The event.
    pub event: Event,
    /// Destination and the first route that asked for it; no destination twice.
    pub deliveries: Vec<(DestinationName, RouteName)>,
    /// Whether any route took it.
    pub routed: Routed,
    /// By what else it is known, for a while.
    pub recurrence: Option<Recurrence>,
    /// Which incident it belongs to, and what it brings there.
    pub joining: Joining,
}

/// Which incident an event belongs to, and what it brings there.
#[derive(Clone, Debug)]
pub struct Joining {
    /// What the events of the incident have in common.
    pub key: IncidentKey,
    /// What the incident needs to know of it.
    pub event: NewEvent,
}

impl Joining {
    /// As far as the event alone tells: without what its vendor's normalizer and its source's settings know better.
    pub fn of(event: &Event) -> Self {
        let grouped = group(event, &Hint::default(), &GroupBy::Vendor);
        Self { key: grouped.key, event: NewEvent::of(event, event.received_at, grouped.victim, false) }
    }
}

/// By what an event is known where nothing in it tells whether the same thing has happened again.
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

/// A piece of a receipt is recorded.
#[derive(Debug)]
pub struct Extended {
    /// The right to go on.
    pub claim: Claim<ReceiptWork>,
    /// What recording the piece did.
    pub tally: Tally,
    /// Notifiers that there is something to tell.
    pub to_tell: BTreeSet<DestinationName>,
    /// Events that were not told by themselves, by source and reason.
    pub held_back: BTreeMap<(SourceName, &'static str), u64>,
}

/// What the passing of time did to incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advanced {
    /// How many were looked at; fewer than the limit means that no other's time has come.
    pub incidents: usize,
    /// Notifiers that there is something to tell.
    pub to_tell: BTreeSet<DestinationName>,
}

/// What conclusions did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dispatched {
    /// What came of the events of each source.
    pub by_source: BTreeMap<SourceName, Tally>,
    /// Receipts whose lease had passed to somebody else.
    pub leases_lost: usize,
    /// Notifiers that there is something to tell.
    pub to_tell: BTreeSet<DestinationName>,
    /// Events that were not told by themselves, by source and reason.
    pub held_back: BTreeMap<(SourceName, &'static str), u64>,
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

/// Leased deliveries, and when to come again if there were fewer than asked for.
#[derive(Debug, Default)]
pub struct Claimed {
    /// The claims.
    pub claims: Vec<Claim<Consignment>>,
    /// When the next delivery of this destination is due; `None` if none waits.
    pub next_due: Option<Timestamp>,
    /// Deliveries whose rows could not be read. They are dead letters now.
    pub unreadable: Vec<SetAside>,
}

/// An event as it is kept.
#[derive(Debug)]
pub struct Document(pub(super) Vec<u8>);

impl Document {
    /// The event.
    ///
    /// # Errors
    ///
    /// If the store holds something else, which is a defect of gatepost.
    pub fn read(&self) -> Result<Event, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }
}

/// All that is needed to send one delivery.
#[derive(Debug)]
pub struct Consignment {
    /// Its id.
    pub delivery: DeliveryId,
    /// What to tell.
    pub content: Content,
    /// The number of this try, from 1.
    pub tries: u32,
    /// An earlier try may have arrived.
    pub uncertain: bool,
    /// The destination's own notes.
    pub progress: Progress,
    /// The first failure since which it has been retried, by the clock that nobody sets.
    pub retrying_since: Option<Timestamp>,
}

/// What a delivery tells. Events are kept as text, to be read where they are rendered: the thread that writes has enough to
/// do.
#[derive(Debug)]
pub enum Content {
    /// An event, to a sink.
    Event {
        /// Its id.
        id: EventId,
        /// The event.
        document: Document,
    },
    /// A change of an incident, to a notifier.
    Change(Box<ChangeContent>),
}

/// What a change of an incident is told with.
#[derive(Debug)]
pub struct ChangeContent {
    /// The notification.
    pub notification: NotificationId,
    /// The incident as it is.
    pub incident: Incident,
    /// Whom and what it concerns.
    pub facets: Facets,
    /// The event that shows it best.
    pub event: Document,
    /// What was told so far.
    pub told: Notification,
    /// What to do, and what counts as told then.
    pub intent: Intent,
}

impl Content {
    /// The event that is shown.
    ///
    /// # Errors
    ///
    /// If the store holds something else, which is a defect of gatepost.
    pub fn event(&self) -> Result<Event, serde_json::Error> {
        match self {
            Self::Event { document, .. } => document.read(),
            Self::Change(change) => change.event.read(),
        }
    }

    /// It tells of an incident that goes on and of which nothing was told there before.
    pub fn is_first_word(&self) -> bool {
        match self {
            Self::Event { .. } => false,
            Self::Change(change) => change.told.said.is_none() && change.incident.state.is_live(),
        }
    }

    /// What it is about, for a log line: the event, or the incident and the change.
    pub fn subject(&self) -> (Option<EventId>, Option<IncidentNumber>, Option<&'static str>) {
        match self {
            Self::Event { id, .. } => (Some(*id), None, None),
            Self::Change(change) => (None, Some(change.incident.number), Some(change.intent.change.as_str())),
        }
    }
}

impl ChangeContent {
    /// What the notifier is given.
    pub fn telling(&self) -> Telling<'_> {
        Telling {
            notification: self.notification,
            incident: &self.incident,
            facets: &self.facets,
            told: &self.told,
            intent: &self.intent,
        }
    }
}

/// The end of a try.
#[derive(Debug)]
pub struct Settlement {
    /// The right to settle.
    pub claim: Claim<Consignment>,
    /// The try.
    pub attempt: Attempt,
    /// What is to become of the delivery.
    pub verdict: Verdict,
}

/// What is to become of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It has arrived.
    Delivered {
        /// What the destination calls it.
        remote: Option<Reference>,
    },
    /// What was made for the incident is no longer there.
    Gone {
        /// What the destination said.
        reason: String,
    },
    /// It is tried again.
    Again {
        /// Not before this time.
        not_before: Timestamp,
        /// The first failure since which it has been retried, by the clock that nobody sets; `None` while the fault is
        /// the operator's.
        retrying_since: Option<Timestamp>,
        /// This try may have arrived.
        uncertain: bool,
        /// The destination's own notes.
        progress: Progress,
        /// Why.
        reason: String,
    },
    /// It will not be tried again by itself.
    Dead {
        /// Why.
        reason: String,
    },
}

/// How many settlements came too late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeasesLost(pub usize);

/// The operator's reads, and replay. Calls block on the disk: not for the threads that answer requests.
pub trait Queries: Send + Sync {
    /// Receipts, newest first.
    fn receipts(&self, page: &Page, filter: &ReceiptFilter) -> Result<Vec<ReceiptRow>, StoreError>;

    /// One receipt with its body.
    fn receipt(&self, id: ReceiptId) -> Result<Option<(ReceiptRow, Option<Receipt>)>, StoreError>;

    /// Events, newest first.
    fn events(&self, page: &Page, filter: &EventFilter) -> Result<Vec<EventRow>, StoreError>;

    /// One event.
    fn event(&self, id: EventId) -> Result<Option<EventRow>, StoreError>;

    /// Deliveries, newest first.
    fn deliveries(&self, page: &Page, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>, StoreError>;

    /// One delivery with its attempts.
    fn delivery(&self, id: DeliveryId) -> Result<Option<(DeliveryRow, Vec<Attempt>)>, StoreError>;

    /// How many deliveries stand where, by destination. What will be due only later than `now` does not wait yet.
    fn depths(&self, now: Timestamp) -> Result<Vec<Depth>, StoreError>;

    /// When the oldest receipt of each source was received that has not been dispatched yet. Replays do not count. Looked
    /// for among the oldest 10,000 commits, so that a long queue costs no more: the oldest of all is always among them.
    fn oldest_unread(&self) -> Result<BTreeMap<SourceName, Timestamp>, StoreError>;

    /// How many receipts are not dispatched yet.
    fn undispatched(&self) -> Result<u64, StoreError>;

    /// What waits to be read of each source that has something waiting, without what has been handed out.
    fn backlogs(&self) -> Result<BTreeMap<SourceName, Backlog>, StoreError>;

    /// Has a receipt dispatched again. Events that exist get the deliveries that they lack, dead ones revive, those in
    /// quarantine are released, and what has arrived is not sent again. `false`: there is no such receipt.
    fn replay_receipt(&self, id: ReceiptId) -> Result<bool, StoreError>;

    /// Has a delivery sent again, also one that has arrived. `false`: there is none, or it is under way.
    fn replay_delivery(&self, id: DeliveryId, doubt: Doubt, now: Timestamp) -> Result<bool, StoreError>;
}

/// What a replay makes of the doubt whether an earlier try has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Whoever may have sent it finds out first, where the destination allows it: for many at once.
    Keep,
    /// The operator has looked, and wants it sent.
    Forget,
}

/// A piece of a listing.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// At most so many rows.
    pub limit: usize,
    /// Only rows older than the one with this `cursor`.
    pub before: Option<i64>,
}

/// Which receipts.
#[derive(Clone, Debug, Default)]
pub struct ReceiptFilter {
    /// Of this source.
    pub source: Option<String>,
    /// Received at this time or later.
    pub since: Option<Timestamp>,
    /// Received before this time.
    pub until: Option<Timestamp>,
    /// Whose id begins so.
    pub id: Option<IdPrefix>,
}

/// A receipt in a listing.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ReceiptRow {
    /// Where the next page begins.
    pub cursor: i64,
    /// Its id.
    pub id: ReceiptId,
    /// The source that took it.
    pub source: SourceName,
    /// When.
    pub received_at: Timestamp,
    /// The length of the body on the wire, in bytes.
    pub bytes: u64,
    /// `waiting` until it is dispatched, then `dispatched`; `unreadable` where its row cannot be read and is set aside.
    pub state: &'static str,
    /// How many new events it yielded.
    pub events: u64,
    /// How many of its events had been stored before.
    pub events_duplicate: u64,
    /// What else there is to say about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of this source.
    pub source: Option<String>,
    /// Received at this time or later.
    pub since: Option<Timestamp>,
    /// Received before this time.
    pub until: Option<Timestamp>,
    /// Whose id begins so.
    pub id: Option<IdPrefix>,
    /// Of this type.
    pub kind: Option<String>,
    /// With this text in one of the values, whatever its case (ASCII).
    pub text: Option<String>,
    /// At least this bad.
    pub severity: Option<Severity>,
    /// Of this receipt.
    pub receipt: Option<ReceiptId>,
    /// Of this incident.
    pub incident: Option<IncidentNumber>,
    /// With this id at the vendor.
    pub vendor_id: Option<String>,
    /// Only those that no route took.
    pub unrouted: bool,
    /// Only those in quarantine.
    pub quarantined: bool,
}

/// An event in a listing.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct EventRow {
    /// Where the next page begins.
    pub cursor: i64,
    /// No route took it.
    pub unrouted: bool,
    /// It is in quarantine: nobody is told before its receipt is replayed.
    pub quarantined: bool,
    /// The incident that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentNumber>,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

/// Which deliveries.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// For this destination.
    pub destination: Option<String>,
    /// Standing here.
    pub state: Option<DeliveryState>,
    /// Planned at this time or later.
    pub since: Option<Timestamp>,
    /// Planned before this time.
    pub until: Option<Timestamp>,
    /// Whose id begins so.
    pub id: Option<IdPrefix>,
    /// With this text in the title, the reason or the destination's name for it, whatever its case (ASCII).
    pub text: Option<String>,
    /// Of this event.
    pub event: Option<EventId>,
    /// That tell of this incident.
    pub incident: Option<IncidentNumber>,
}

/// A delivery in a listing.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct DeliveryRow {
    /// Where the next page begins.
    pub cursor: i64,
    /// The delivery.
    #[serde(flatten)]
    pub delivery: Delivery,
    /// The title of its event or incident; empty where that is gone.
    pub title: String,
    /// The severity of its event or incident.
    pub severity: Severity,
    /// The source of its event or incident; `unknown` where that is gone.
    pub source: SourceName,
}

/// How many deliveries of a destination stand in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// The destination.
    pub destination: DestinationName,
    /// The state.
    pub state: DeliveryState,
    /// How many.
    pub count: u64,
    /// When the first of them was planned.
    pub oldest: Timestamp,
}

/// What `gatepost status` and `gatepost tail` look at. Reads only, each bounded whatever the store holds.
pub trait Overview: Send + Sync {
    /// Whether anything came from a source of this name.
    fn knows_source(&self, source: &str) -> Result<bool, StoreError>;

    /// Whether a delivery was planned for a destination of this name.
    fn knows_destination(&self, destination: &str) -> Result<bool, StoreError>;

    /// What each source has sent lately, counted since a time.
    fn active_sources(&self, since: Timestamp) -> Result<Vec<SourceActivity>, StoreError>;

    /// What became of the last deliveries of each destination.
    fn active_destinations(&self) -> Result<Vec<DestinationActivity>, StoreError>;

    /// Where the newest event and the newest delivery stand.
    fn newest(&self) -> Result<Position, StoreError>;

    /// Events behind a cursor, oldest first.
    fn events_after(&self, cursor: i64, limit: usize) -> Result<Vec<EventRow>, StoreError>;

    /// Deliveries behind a cursor, oldest first.
    fn deliveries_after(&self, cursor: i64, limit: usize) -> Result<Vec<DeliveryRow>, StoreError>;

    /// Deliveries by their cursors; those that are gone are left out.
    fn deliveries_at(&self, cursors: &[i64]) -> Result<Vec<DeliveryRow>, StoreError>;

    /// The cursors of up to `limit` deliveries that wait, and of up to `limit` that are under way.
    fn open_deliveries(&self, limit: usize) -> Result<Vec<i64>, StoreError>;
}

/// What a source has sent lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceActivity {
    /// The source.
    pub source: SourceName,
    /// How many receipts were counted.
    pub receipts: u64,
    /// There are more than were looked at.
    pub is_more: bool,
    /// When the last one was received.
    pub last: Timestamp,
}

/// What became of the last deliveries of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationActivity {
    /// The destination.
    pub destination: DestinationName,
    /// When the last try that arrived was begun.
    pub last_delivered: Option<Timestamp>,
    /// Why the last dead letter is dead.
    pub dead_reason: Option<String>,
}

/// A place in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The cursor of the newest event.
    pub event: i64,
    /// The cursor of the newest delivery.
    pub delivery: i64,
}

/// The present time, by two clocks that trust the machine's to a different degree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotedTime {
    /// The time that retention goes by.
    pub settled: Timestamp,
    /// The time that quarantine goes by, never later than `settled`.
    pub vouched: Timestamp,
}

/// What keeps the store in shape.
pub trait Upkeep: Send + Sync {
    /// Deletes up to `limit` rows that are older than their time. Returns how many went; fewer than `limit` means that
    /// nothing is left to do. What has not been dispatched or settled stays, whatever its age.
    fn prune(&self, horizons: Horizons, limit: usize) -> Ticket<usize>;

    /// What was last [noted](Upkeep::note_time), also by an earlier process; `None` if nothing was.
    fn noted_time(&self) -> Result<Option<NotedTime>, StoreError>;

    /// Keeps the present time, so that the next start can tell whether the clock was set meanwhile.
    fn note_time(&self, now: NotedTime) -> Ticket<()>;

    /// Makes up to `limit` deliveries due at `now` that wait for a time after `beyond`: the clock by which they were to
    /// wait has been set back. Returns how many there were; fewer than `limit` means that none is left.
    fn hasten(&self, beyond: Timestamp, now: Timestamp, limit: usize) -> Ticket<usize>;

    /// Writes a consistent copy to a file that does not exist yet.
    fn backup(&self, to: &std::path::Path) -> Result<(), StoreError>;
}

/// Before which time what may go.
#[derive(Clone, Copy, Debug)]
pub struct Horizons {
    /// Dedupe keys and event keys.
    pub keys: Timestamp,
    /// Receipts with their raw bodies.
    pub receipts: Timestamp,
    /// Events with their deliveries and attempts.
    pub events: Timestamp,
}

/// Why the store did not do it. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The waiting room is full: the disk is slower than what comes in.
    #[error("the waiting room of the store is full")]
    Crowded,
    /// The disk is full.
    #[error("the disk is full ({0})")]
    Full(String),
    /// Another process holds the database.
    #[error("the database is locked by another process ({0})")]
    Locked(String),
    /// Reading or writing failed; the store reopens the database before it acknowledges anything again.
    #[error("the database cannot be used ({0})")]
    Broken(String),
    /// It was not done, for a reason that says nothing about the file: a row that cannot be read, a statement that cannot
    /// be run. A defect of gatepost.
    #[error("the store could not do it ({0})")]
    Failed(String),
    /// The store is shutting down.
    #[error("the store is shutting down")]
    Stopped,
    /// The lease had passed to somebody else.
    #[error("the lease had passed to somebody else")]
    LeaseLost,
}

impl StoreError {
    /// There is room, but not for what is new.
    pub(crate) fn kept_for_deliveries() -> Self {
        Self::Full("what is left is kept for deliveries".to_owned())
    }
}
