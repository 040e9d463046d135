//! The rows of listings: receipts, events and deliveries as the operator sees them.

use rusqlite::Row;

use super::super::{DeliveryRow, EventRow, ReceiptRow};
use super::rows::{incident_number, name, unreadable};
use super::runs;
use crate::domain::{
    Change, Delivery, DeliveryId, DeliveryState, Event, EventId, Note, ReceiptId, Severity, Timestamp,
};
use crate::incidents::Joined;

/// A receipt, from a row of [`select_receipts`].
pub fn receipt_row(row: &Row<'_>) -> rusqlite::Result<ReceiptRow> {
    let waiting: bool = row.get(5)?;
    let number = |column| row.get::<_, Option<i64>>(column).map(|n| n.map(|n| u64::try_from(n).unwrap_or(0)));
    // Of a receipt that held one new event nothing else is written.
    let usual = u64::from(!waiting);
    let note: Option<String> = row.get(8)?;
    let (word, reason) = match note.as_deref().map(|note| note.split_once(": ").unwrap_or((note, ""))) {
        Some((word, reason)) => (Note::from_word(word), (!reason.is_empty()).then(|| reason.to_owned())),
        None => (None, None),
    };
    let state = match (waiting, word) {
        (true, _) => "waiting",
        (false, Some(Note::Unreadable)) => "unreadable",
        (false, _) => "dispatched",
    };
    // A row that cannot be read must not keep the others from being listed.
    Ok(ReceiptRow {
        cursor: row.get(0)?,
        id: ReceiptId::from_bytes(row.get(1).unwrap_or_default()),
        source: name(row, 2).or_else(|_| UNREADABLE_NAME.parse().map_err(|fault| unreadable(2, fault)))?,
        received_at: Timestamp::from_millis(row.get(3).unwrap_or_default()),
        bytes: number(4).unwrap_or_default().unwrap_or_default(),
        state,
        events: number(6)?.unwrap_or(usual),
        events_duplicate: number(7)?.unwrap_or(0),
        note: word,
        reason,
    })
}

/// An event, from a row of [`EVENTS`].
pub fn event_row(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    let document: String = row.get(3)?;
    let event: Event = serde_json::from_str(&document).map_err(|fault| unreadable(3, fault))?;
    let event = Event { incident: incident_number(row, 4)?, ..event };
    let joined = row.get::<_, Option<u8>>(5)?.and_then(Joined::from_number);
    Ok(EventRow { cursor: row.get(0)?, unrouted: row.get(1)?, quarantined: row.get(2)?, joined, event })
}

/// A delivery, from a row of [`DELIVERIES`].
pub fn delivery_row(row: &Row<'_>) -> rusqlite::Result<DeliveryRow> {
    // A batch of one is shown as what it is: an event.
    let events = row.get::<_, Option<i64>>(16)?.map(i64::unsigned_abs).filter(|events| *events != 1);
    let title: String = row.get(11)?;
    let delivery = Delivery {
        // A dead letter may be one because its row cannot be read.
        id: DeliveryId::from_bytes(row.get(1).unwrap_or_default()),
        event: row.get::<_, Option<[u8; 16]>>(2)?.filter(|_| events.is_none()).map(EventId::from_bytes),
        events,
        incident: incident_number(row, 14)?,
        change: row.get::<_, Option<String>>(15)?.and_then(|word| Change::from_word(&word)),
        destination: name(row, 3)?,
        route: name(row, 4)?,
        state: state(row, 5)?,
        tries: row.get(6)?,
        created_at: Timestamp::from_millis(row.get(7)?),
        not_before: Timestamp::from_millis(row.get(8)?),
        remote: row.get(9)?,
        reason: row.get(10)?,
    };
    Ok(DeliveryRow {
        cursor: row.get(0)?,
        delivery,
        title: match events {
            Some(events) => format!("{title} and {} more", events - 1),
            None => title,
        },
        severity: Severity::from_id(row.get(12)?),
        source: name(row, 13)?,
    })
}

/// The state of a delivery in a column of a row.
pub fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<DeliveryState> {
    let number: usize = row.get::<_, u32>(column)? as usize;
    Ok(DeliveryState::ALL.get(number).copied().unwrap_or(DeliveryState::Dead))
}

pub fn select_receipts() -> String {
    format!(
        "SELECT r.seq, r.id, r.source, r.received_at, r.bytes, q.seq IS NOT NULL OR {},
         s.events_new, s.events_duplicate, s.note
         FROM receipts r LEFT JOIN receipt_queue q ON q.seq = r.seq LEFT JOIN receipt_results s ON s.seq = r.seq",
        runs::WAITS
    )
}

/// The number under which a state is stored.
pub fn state_number(state: DeliveryState) -> i64 {
    match state {
        DeliveryState::Waiting => 0,
        DeliveryState::Leased => 1,
        DeliveryState::Delivered => 2,
        DeliveryState::Dead => 3,
        DeliveryState::Superseded => 4,
    }
}

/// What is shown for the name of a source that is none.
const UNREADABLE_NAME: &str = "unreadable";
pub const EVENTS: &str = "SELECT e.seq, e.unrouted, e.quarantined, e.document, e.incident, e.joined FROM events e";
/// A change whose notification was discarded leads to no incident any more.
pub const DELIVERIES: &str = "SELECT d.seq, d.id, e.id, d.destination, d.route, d.state, d.tries, d.created_at,
    d.not_before, d.remote, d.reason, coalesce(e.title, iif(json_valid(i.document), json_extract(i.document, '$.title'), NULL), ''),
    coalesce(e.severity, iif(json_valid(i.document), json_extract(i.document, '$.rank.severity'), NULL), 0),
    coalesce(e.source, i.source, 'unknown'), i.number, d.change, d.events
    FROM deliveries d LEFT JOIN events e ON e.seq = coalesce(d.event, d.first_event)
    LEFT JOIN notifications n ON n.seq = d.notification LEFT JOIN incidents i ON i.number = n.incident";
