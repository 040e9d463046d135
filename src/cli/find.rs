//! What an id on the command line means: whole or its beginning, of the kind that was asked for or of another that leads
//! to it.

use std::collections::BTreeMap;

use super::failure::Failure;
use super::output::note;
use super::{moment, terminal};
use crate::domain::{DeliveryId, EventId, IdPrefix, ReceiptId};
use crate::store::{
    DeliveryFilter, DeliveryRow, EventFilter, EventRow, Page, Queries, ReceiptFilter, ReceiptRow, SqliteStore,
};

/// The receipt of that id, else the one that the event or delivery of that id came from.
pub fn receipt(store: &SqliteStore, id: &IdPrefix) -> Result<ReceiptId, Failure> {
    let receipts = receipts(store, id)?;
    if !receipts.is_empty() {
        return one(id, receipts.iter().map(|row| (row.id, receipt_line(row))).collect());
    }
    let mut found = BTreeMap::new();
    for row in events_behind(store, id)? {
        found.insert(row.event.receipt, format!("{}  with {}", row.event.receipt, event_line(&row)));
    }
    taken("receipt", id, found)
}

/// The event of that id, else the one that the delivery of that id tells, or that the receipt of that id yielded.
pub fn event(store: &SqliteStore, id: &IdPrefix) -> Result<EventId, Failure> {
    let own = events(store, EventFilter { id: Some(id.clone()), ..EventFilter::default() })?;
    if !own.is_empty() {
        return one(id, own.iter().map(|row| (row.event.id, event_line(row))).collect());
    }
    let mut found = BTreeMap::new();
    for row in events_behind(store, id)?.into_iter().chain(events_of_receipts(store, id)?) {
        found.insert(row.event.id, event_line(&row));
    }
    taken("event", id, found)
}

/// The delivery of that id, else the one of the event or receipt of that id.
pub fn delivery(store: &SqliteStore, id: &IdPrefix) -> Result<DeliveryId, Failure> {
    let own = deliveries(store, DeliveryFilter { id: Some(id.clone()), ..DeliveryFilter::default() })?;
    if !own.is_empty() {
        return one(id, own.iter().map(|row| (row.delivery.id, delivery_line(row))).collect());
    }
    let own_events = events(store, EventFilter { id: Some(id.clone()), ..EventFilter::default() })?;
    let mut found = BTreeMap::new();
    for event in own_events.into_iter().chain(events_of_receipts(store, id)?).take(SHOWN_MAX) {
        for row in deliveries(store, DeliveryFilter { event: Some(event.event.id), ..DeliveryFilter::default() })? {
            found.insert(row.delivery.id, delivery_line(&row));
        }
    }
    taken("delivery", id, found)
}

/// The events that the deliveries of that id tell, or whose incident they tell, and those of that id themselves.
fn events_behind(store: &SqliteStore, id: &IdPrefix) -> Result<Vec<EventRow>, Failure> {
    let mut found = events(store, EventFilter { id: Some(id.clone()), ..EventFilter::default() })?;
    for row in deliveries(store, DeliveryFilter { id: Some(id.clone()), ..DeliveryFilter::default() })? {
        found.extend(events(store, EventFilter { delivery: Some(row.delivery.id), ..EventFilter::default() })?);
        if let Some(incident) = row.delivery.incident {
            found.extend(events(store, EventFilter { incident: Some(incident), ..EventFilter::default() })?);
        }
    }
    Ok(found)
}

fn events_of_receipts(store: &SqliteStore, id: &IdPrefix) -> Result<Vec<EventRow>, Failure> {
    let mut found = Vec::new();
    for row in receipts(store, id)? {
        found.extend(events(store, EventFilter { receipt: Some(row.id), ..EventFilter::default() })?);
    }
    Ok(found)
}

fn receipts(store: &SqliteStore, id: &IdPrefix) -> Result<Vec<ReceiptRow>, Failure> {
    Ok(store.receipts(&SOME, &ReceiptFilter { id: Some(id.clone()), ..ReceiptFilter::default() })?)
}

fn events(store: &SqliteStore, filter: EventFilter) -> Result<Vec<EventRow>, Failure> {
    Ok(store.events(&SOME, &filter)?)
}

fn deliveries(store: &SqliteStore, filter: DeliveryFilter) -> Result<Vec<DeliveryRow>, Failure> {
    Ok(store.deliveries(&SOME, &filter)?)
}

/// The one that another kind's id leads to; it is said that it does.
fn taken<T: Copy + Ord + std::fmt::Display>(
    kind: &str,
    id: &IdPrefix,
    found: BTreeMap<T, String>,
) -> Result<T, Failure> {
    if found.is_empty() {
        let which = if id.is_whole() { format!("{kind} {id}") } else { format!("{kind} whose id begins with {id}") };
        return Err(Failure::Found(format!("there is no {which} in the store")));
    }
    let taken = one(id, found.into_iter().collect())?;
    note!("{id} leads to {kind} {taken}");
    Ok(taken)
}

/// The only one, or a failure that lists them.
fn one<T: Copy>(id: &IdPrefix, found: Vec<(T, String)>) -> Result<T, Failure> {
    if let [(only, _)] = found.as_slice() {
        return Ok(*only);
    }
    let mut text = format!("{id} may mean one of several; give more of the id, or the id of one of these:");
    for (_, line) in found.iter().take(SHOWN_MAX) {
        text.push_str(&format!("\n  {line}"));
    }
    if found.len() > SHOWN_MAX {
        text.push_str("\n  and more");
    }
    Err(Failure::Found(text))
}

fn receipt_line(row: &ReceiptRow) -> String {
    format!("{}  {}  {}", row.id, moment::short(row.received_at), row.source)
}

fn event_line(row: &EventRow) -> String {
    let event = &row.event;
    format!(
        "{}  {}  {}  {}",
        event.id,
        moment::short(event.received_at),
        event.severity,
        terminal::line(&event.title, 60)
    )
}

fn delivery_line(row: &DeliveryRow) -> String {
    let delivery = &row.delivery;
    let title = terminal::line(&row.title, 60);
    format!("{}  {}  {}  {title}", delivery.id, delivery.destination, delivery.state.as_str())
}

/// So many are listed of those that may be meant.
const SHOWN_MAX: usize = 10;
const SOME: Page = Page { limit: SHOWN_MAX + 1, before: None };
