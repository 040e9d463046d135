//! `gatepost deliveries list|show|discard`

use std::path::Path;

use clap::{Args, Subcommand};

use super::discard::Discard;
use super::failure::{Failure, Outcome};
use super::json::{DeliveryJson, json_of, next_try};
use super::listing::Paging;
use super::number::parse_incident;
use super::opening::read_store;
use super::paint::Tone;
use super::table::{Cell, Table};
use super::{delivery_words, find, moment, names, show};
use crate::domain::{Clock, DeliveryState, IdPrefix, IncidentNumber, SystemClock};
use crate::store::{DeliveryFilter, DeliveryRow, Queries};

#[derive(Args)]
pub struct Deliveries {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List deliveries
    List(List),
    /// Show one delivery with its attempts
    Show {
        /// Its id, the beginning of it, or the id of its event or receipt
        id: IdPrefix,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Close dead letters, or all that waits for a destination that is no longer in the configuration
    Discard(Discard),
}

#[derive(Args)]
#[command(after_help = "Examples:
  gatepost deliveries list --state dead --destination oncall
  gatepost deliveries list --state waiting
  gatepost deliveries list --incident 4711
  gatepost deliveries list --text SEC-88 --json")]
struct List {
    #[command(flatten)]
    paging: Paging,
    /// Only for this destination
    #[arg(long)]
    destination: Option<String>,
    /// Only those that stand here: waiting, leased, delivered, dead, superseded
    #[arg(long, value_parser = parse_state)]
    state: Option<DeliveryState>,
    /// Only those with this text in the title, the reason, or what the destination calls it
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Only those of this event
    #[arg(long, value_name = "ID")]
    event: Option<IdPrefix>,
    /// Only those that tell of this incident
    #[arg(long, value_name = "NUMBER", value_parser = parse_incident)]
    incident: Option<IncidentNumber>,
}

impl Deliveries {
    pub fn run(&self, path: &Path) -> Outcome {
        match &self.action {
            Action::List(list) => {
                let (outline, store) = read_store(path)?;
                names::check_destination(&outline, &store, list.destination.as_deref())?;
                let filter = DeliveryFilter {
                    destination: list.destination.clone(),
                    state: list.state,
                    since: list.paging.since,
                    until: list.paging.until,
                    text: list.text.clone(),
                    event: list.event.as_ref().map(|id| find::event(&store, id)).transpose()?,
                    incident: list.incident,
                    id: None,
                };
                let rows = store.deliveries(&list.paging.page(), &filter)?;
                list.paging.print(&rows, |row| row.cursor, |row| json_of(&DeliveryJson::from(row)), table)
            }
            Action::Show { id, json } => {
                let (_, store) = read_store(path)?;
                let id = find::delivery(&store, id)?;
                let found = store.delivery(id)?;
                let (row, attempts) =
                    found.ok_or_else(|| Failure::Found(format!("there is no delivery {id} in the store")))?;
                show::delivery(&row, &attempts, *json)
            }
            Action::Discard(discard) => discard.run(path),
        }
    }
}

fn table(rows: &[DeliveryRow]) -> Table {
    let now = SystemClock.now();
    let mut table = Table::with_id(&[
        "PLANNED (UTC)",
        "DELIVERY",
        "STATE",
        "SEVERITY",
        "DESTINATION",
        " TRIES",
        "NEXT TRY",
        "TITLE",
    ]);
    for row in rows {
        let delivery = &row.delivery;
        let reason = delivery.reason.as_deref().map(|reason| format!(" · {reason}")).unwrap_or_default();
        table.row(vec![
            moment::short(delivery.created_at).into(),
            delivery.id.to_string().into(),
            Cell::new(Tone::of_state(delivery.state), delivery.state.as_str()),
            Cell::new(Tone::of_severity(row.severity), row.severity.as_str()),
            delivery.destination.as_str().into(),
            delivery.tries.to_string().into(),
            next_try(row).map_or(String::new(), |at| delivery_words::when(at, now)).into(),
            format!("{}{}{reason}", delivery_words::subject(row), row.title).into(),
        ]);
    }
    table
}

fn parse_state(text: &str) -> Result<DeliveryState, String> {
    let found = DeliveryState::ALL.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| "a delivery is waiting, leased, delivered, dead or superseded".to_owned())
}
