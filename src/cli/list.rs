//! `gatepost receipts|events|deliveries list|show`

use std::path::Path;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Failure, Outcome, load, open_store, out, show, terminal};
use crate::domain::{Clock, DeliveryId, DeliveryState, EventId, ReceiptId, Severity, SystemClock, Timestamp};
use crate::settings::parse_duration;
use crate::store::{DeliveryFilter, DeliveryRow, EventFilter, EventRow, Ledger, Page, ReceiptFilter, ReceiptRow};

/// What every listing takes.
#[derive(Args)]
struct Paging {
    /// At most so many, the newest first
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Only what is older than this cursor, which ends the page before
    #[arg(long, value_name = "CURSOR")]
    before: Option<i64>,
    /// Only what came since this time (2026-11-21T10:00:00Z) or within this duration (24h)
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    since: Option<Timestamp>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Paging {
    fn page(&self) -> Page {
        Page { limit: self.limit as usize, before: self.before }
    }
}

#[derive(Args)]
pub struct Receipts {
    #[command(subcommand)]
    action: ReceiptsAction,
}

#[derive(Subcommand)]
enum ReceiptsAction {
    /// List receipts
    List {
        #[command(flatten)]
        paging: Paging,
        /// Only of this source
        #[arg(long)]
        source: Option<String>,
    },
    /// Show one receipt with its body
    Show {
        /// The id that the vendor was told
        id: ReceiptId,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

impl Receipts {
    pub fn run(&self, path: &Path) -> Outcome {
        let store = open_store(&load(path)?)?;
        match &self.action {
            ReceiptsAction::List { paging, source } => {
                let filter = ReceiptFilter { source: source.clone(), since: paging.since };
                print(paging, &store.receipts(&paging.page(), &filter)?, |row| row.cursor, receipt_line)
            }
            ReceiptsAction::Show { id, json } => {
                let found = store.receipt(*id)?.ok_or_else(|| absent("receipt", id))?;
                let events = store.events(
                    &Page { limit: 10_000, before: None },
                    &EventFilter { receipt: Some(*id), ..EventFilter::default() },
                )?;
                show::receipt(&found, &events, *json)
            }
        }
    }
}

#[derive(Args)]
pub struct Events {
    #[command(subcommand)]
    action: EventsAction,
}

#[derive(Subcommand)]
enum EventsAction {
    /// List events
    List {
        #[command(flatten)]
        paging: Paging,
        /// Only of this source
        #[arg(long)]
        source: Option<String>,
        /// Only those at least this bad
        #[arg(long)]
        severity: Option<Severity>,
        /// Only those of this receipt
        #[arg(long)]
        receipt: Option<ReceiptId>,
        /// Only those that no route took
        #[arg(long)]
        unrouted: bool,
        /// Only those in quarantine: older than their keys are kept, and held back until their receipt is replayed
        #[arg(long)]
        quarantined: bool,
    },
    /// Show one event and whom it was told
    Show {
        /// Its id
        id: EventId,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

impl Events {
    pub fn run(&self, path: &Path) -> Outcome {
        let store = open_store(&load(path)?)?;
        match &self.action {
            EventsAction::List { paging, source, severity, receipt, unrouted, quarantined } => {
                let filter = EventFilter {
                    source: source.clone(),
                    since: paging.since,
                    severity: *severity,
                    receipt: *receipt,
                    unrouted: *unrouted,
                    quarantined: *quarantined,
                    ..EventFilter::default()
                };
                print(paging, &store.events(&paging.page(), &filter)?, |row| row.cursor, event_line)
            }
            EventsAction::Show { id, json } => {
                let row = store.event(*id)?.ok_or_else(|| absent("event", id))?;
                let filter = DeliveryFilter { event: Some(*id), ..DeliveryFilter::default() };
                let deliveries = store.deliveries(&Page { limit: 1_000, before: None }, &filter)?;
                show::event(&row, &deliveries, *json)
            }
        }
    }
}

#[derive(Args)]
pub struct Deliveries {
    #[command(subcommand)]
    action: DeliveriesAction,
}

#[derive(Subcommand)]
enum DeliveriesAction {
    /// List deliveries
    List {
        #[command(flatten)]
        paging: Paging,
        /// Only for this destination
        #[arg(long)]
        destination: Option<String>,
        /// Only those that stand here: waiting, leased, delivered, dead
        #[arg(long, value_parser = parse_state)]
        state: Option<DeliveryState>,
        /// Only those of this event
        #[arg(long)]
        event: Option<EventId>,
    },
    /// Show one delivery with its attempts
    Show {
        /// Its id
        id: DeliveryId,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

impl Deliveries {
    pub fn run(&self, path: &Path) -> Outcome {
        let store = open_store(&load(path)?)?;
        match &self.action {
            DeliveriesAction::List { paging, destination, state, event } => {
                let filter = DeliveryFilter {
                    destination: destination.clone(),
                    state: *state,
                    since: paging.since,
                    event: *event,
                };
                print(paging, &store.deliveries(&paging.page(), &filter)?, |row| row.cursor, delivery_line)
            }
            DeliveriesAction::Show { id, json } => {
                let (row, attempts) = store.delivery(*id)?.ok_or_else(|| absent("delivery", id))?;
                show::delivery(&row, &attempts, *json)
            }
        }
    }
}

/// Prints a page, and how to get the next one.
fn print<T: Serialize>(
    paging: &Paging,
    rows: &[T],
    cursor: impl Fn(&T) -> i64,
    line: impl Fn(&T) -> String,
) -> Outcome {
    for row in rows {
        if paging.json { out!("{}", show::json_of(row)?)? } else { out!("{}", line(row))? }
    }
    if let Some(last) = rows.last()
        && rows.len() == paging.limit as usize
        && !paging.json
    {
        eprintln!("there may be more: --before {}", cursor(last));
    }
    if rows.is_empty() && !paging.json {
        eprintln!("there is nothing like that in the store");
    }
    Ok(())
}

fn receipt_line(row: &ReceiptRow) -> String {
    let reason = row.reason.as_deref().map(|reason| format!(": {}", terminal::line(reason, 120))).unwrap_or_default();
    let note = row.note.map(|note| format!(" · {}{reason}", note.as_str())).unwrap_or_default();
    let again = if row.events_duplicate > 0 { format!(" (+{} known)", row.events_duplicate) } else { String::new() };
    let plural = if row.events == 1 { "" } else { "s" };
    let held = match row.state {
        "waiting" => "waiting".to_owned(),
        "unreadable" => "set aside".to_owned(),
        _ => format!("{} event{plural}{again}", row.events),
    };
    format!("{}  {}  {:<16} {:>9} B  {held}{note}", row.received_at, row.id, row.source.as_str(), row.bytes)
}

fn event_line(row: &EventRow) -> String {
    let event = &row.event;
    let mark = match (row.quarantined, row.unrouted) {
        (true, _) => " · quarantined",
        (false, true) => " · unrouted",
        (false, false) => "",
    };
    let outcome = event.outcome.map(|outcome| format!("{} · ", outcome.shown())).unwrap_or_default();
    let title = outcome + &terminal::line(&event.title, 80);
    format!(
        "{}  {}  {:<13} {:<16} {title}{mark}",
        event.received_at,
        event.id,
        event.severity.as_str(),
        event.source.as_str()
    )
}

fn delivery_line(row: &DeliveryRow) -> String {
    let delivery = &row.delivery;
    let reason =
        delivery.reason.as_deref().map(|reason| format!(" · {}", terminal::line(reason, 120))).unwrap_or_default();
    format!(
        "{}  {}  {:<9} {:<16} {} tries  {}{reason}",
        delivery.created_at,
        delivery.id,
        delivery.state.as_str(),
        delivery.destination.as_str(),
        delivery.tries,
        terminal::line(&row.title, 60)
    )
}

/// A time, or a duration before now.
pub fn parse_since(text: &str) -> Result<Timestamp, String> {
    if let Some(duration) = parse_duration(text) {
        return Ok(SystemClock.now().minus(duration));
    }
    Timestamp::parse(text).ok_or_else(|| "write a time like 2026-11-21T10:00:00Z or a duration like 24h".to_owned())
}

fn parse_state(text: &str) -> Result<DeliveryState, String> {
    let found = DeliveryState::ALL.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| "a delivery is waiting, leased, delivered or dead".to_owned())
}

fn absent(what: &str, id: &dyn std::fmt::Display) -> Failure {
    Failure::Found(format!("there is no {what} {id} in the store"))
}
