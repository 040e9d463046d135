//! `gatepost events list|show`

use std::path::Path;

use clap::{Args, Subcommand};

use super::failure::{Failure, Outcome};
use super::json::{EventJson, json_of};
use super::listing::Paging;
use super::number::parse_incident;
use super::opening::read_store;
use super::paint::Tone;
use super::table::{Cell, Table};
use super::{find, moment, names, show};
use crate::config::Outline;
use crate::domain::{IdPrefix, IncidentNumber, Severity};
use crate::incidents::Joined;
use crate::store::{DeliveryFilter, EventFilter, EventRow, Page, Queries};

#[derive(Args)]
pub struct Events {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List events
    List(Box<List>),
    /// Show one event whole, and who was told
    Show {
        /// Its id, the beginning of it, or the id of its receipt or of one of its deliveries
        id: IdPrefix,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
#[command(after_help = "Examples:
  gatepost events list --severity high --since 24h
  gatepost events list --text 14.143.179.162 --since 2026-11-21
  gatepost events list --type alert.triggered --source adrian --json
  gatepost events list --vendor-id 6f1c2ab0
  gatepost events list --incident 4711")]
struct List {
    #[command(flatten)]
    paging: Paging,
    /// Only of this source
    #[arg(long)]
    source: Option<String>,
    /// Only those at least this bad
    #[arg(long)]
    severity: Option<Severity>,
    /// Only those of this type, the vendor's word for what happened
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only those with this text in one of their values
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Only those that the vendor knows by this id
    #[arg(long, value_name = "ID")]
    vendor_id: Option<String>,
    /// Only those of this receipt
    #[arg(long, value_name = "ID")]
    receipt: Option<IdPrefix>,
    /// Only those of this incident
    #[arg(long, value_name = "NUMBER", value_parser = parse_incident)]
    incident: Option<IncidentNumber>,
    /// Only those that this delivery to a sink holds
    #[arg(long, value_name = "ID")]
    delivery: Option<IdPrefix>,
    /// Only those that no route took
    #[arg(long)]
    unrouted: bool,
    /// Only those in quarantine: older than their keys are kept, and held back until their receipt is replayed
    #[arg(long)]
    quarantined: bool,
}

impl Events {
    pub fn run(&self, path: &Path) -> Outcome {
        let (outline, store) = read_store(path)?;
        match &self.action {
            Action::List(list) => {
                names::check_source(&outline, &store, list.source.as_deref())?;
                let filter = EventFilter {
                    source: list.source.clone(),
                    since: list.paging.since,
                    until: list.paging.until,
                    severity: list.severity,
                    kind: list.kind.clone(),
                    text: list.text.clone(),
                    vendor_id: list.vendor_id.clone(),
                    receipt: list.receipt.as_ref().map(|id| find::receipt(&store, id)).transpose()?,
                    incident: list.incident,
                    delivery: list.delivery.as_ref().map(|id| find::delivery(&store, id)).transpose()?,
                    unrouted: list.unrouted,
                    quarantined: list.quarantined,
                    id: None,
                };
                let rows = store.events(&list.paging.page(), &filter)?;
                list.paging.print(&rows, |row| row.cursor, |row| json_of(&EventJson::from(row)), table)
            }
            Action::Show { id, json } => {
                let id = find::event(&store, id)?;
                let row = store.event(id)?;
                let row = row.ok_or_else(|| Failure::Found(format!("there is no event {id} in the store")))?;
                let filter = DeliveryFilter { event: Some(id), ..DeliveryFilter::default() };
                let deliveries = store.deliveries(&Page { limit: 1_000, before: None }, &filter)?;
                let annotation = Outline::load_annotations(path).of(&row.event);
                show::event(&row, &annotation, &deliveries, *json)
            }
        }
    }
}

fn table(rows: &[EventRow]) -> Table {
    let mut table = Table::with_id(&["RECEIVED (UTC)", "EVENT", "SEVERITY", "SOURCE", "INCIDENT", "TITLE"]);
    for row in rows {
        let event = &row.event;
        table.row(vec![
            moment::short(event.received_at).into(),
            event.id.to_string().into(),
            Cell::new(Tone::of_severity(event.severity), event.severity.as_str()),
            event.source.as_str().into(),
            place(row).into(),
            format!("{}{}", mark(row), headline(event)).into(),
        ]);
    }
    table
}

/// `#4711 counted`, `nothing to resolve`: where it belongs, and what it did there or why it belongs nowhere.
fn place(row: &EventRow) -> String {
    let number = row.event.incident.map(|number| number.to_string());
    let joined = row.joined.filter(|joined| *joined != Joined::NotTold).map(|joined| joined.as_str().to_owned());
    number.into_iter().chain(joined).collect::<Vec<_>>().join(" ")
}

/// What sets an event apart from those that people were told.
fn mark(row: &EventRow) -> &'static str {
    match (row.quarantined, row.unrouted) {
        (true, _) => "(quarantined) ",
        (false, true) => "(unrouted) ",
        (false, false) => "",
    }
}

/// The title with what became of the attempt in front, where that is known.
pub fn headline(event: &crate::domain::Event) -> String {
    let outcome = event.outcome.map(|outcome| format!("{} · ", outcome.shown()));
    format!("{}{}", outcome.unwrap_or_default(), event.title)
}
