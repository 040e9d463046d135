//! The operator's reads, and replay: receipts, events, deliveries.

use std::collections::BTreeMap;

use super::{Backlog, StoreError};
use crate::domain::{
    Attempt, Delivery, DeliveryId, DeliveryState, DestinationName, Event, EventId, IdPrefix, IncidentNumber, Note,
    Receipt, ReceiptId, Severity, SourceName, Timestamp,
};
use crate::incidents::Joined;

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

    /// How many deliveries are in each state, by destination: for a sink, how many events. What will be due only later than
    /// `now` does not wait yet.
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
    /// A delivery that may have arrived is looked for first, where the destination allows it: for bulk replays.
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
    /// That this delivery to a sink holds.
    pub delivery: Option<DeliveryId>,
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
    /// It is in quarantine: no destination is told before its receipt is replayed.
    pub quarantined: bool,
    /// What it did to its incident, or why it has none; none until that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joined: Option<Joined>,
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

/// How many deliveries of a destination are in a state.
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
