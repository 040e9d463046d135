//! `gatepost deliveries list|show`

use std::path::Path;

use clap::{Args, Subcommand};

use super::json::{DeliveryJson, json_of, next_try};
use super::listing::Paging;
use super::paint::Tone;
use super::table::{Cell, Table};
use super::{Failure, Outcome, find, moment, names, read_store, show};
use crate::domain::{Clock, DeliveryState, IdPrefix, SystemClock, Timestamp};
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
}

#[derive(Args)]
#[command(after_help = "Examples:
  gatepost deliveries list --state dead --destination oncall
  gatepost deliveries list --state waiting
  gatepost deliveries list --text SEC-88 --json")]
struct List {
    #[command(flatten)]
    paging: Paging,
    /// Only for this destination
    #[arg(long)]
    destination: Option<String>,
    /// Only those that stand here: waiting, leased, delivered, dead
    #[arg(long, value_parser = parse_state)]
    state: Option<DeliveryState>,
    /// Only those with this text in the title, the reason, or what the destination calls it
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Only those of this event
    #[arg(long, value_name = "ID")]
    event: Option<IdPrefix>,
}

impl Deliveries {
    pub fn run(&self, path: &Path) -> Outcome {
        let (outline, store) = read_store(path)?;
        match &self.action {
            Action::List(list) => {
                names::check_destination(&outline, &store, list.destination.as_deref())?;
                let filter = DeliveryFilter {
                    destination: list.destination.clone(),
                    state: list.state,
                    since: list.paging.since,
                    until: list.paging.until,
                    text: list.text.clone(),
                    event: list.event.as_ref().map(|id| find::event(&store, id)).transpose()?,
                    id: None,
                };
                let rows = store.deliveries(&list.paging.page(), &filter)?;
                list.paging.print(&rows, |row| row.cursor, |row| json_of(&DeliveryJson::from(row)), table)
            }
            Action::Show { id, json } => {
                let id = find::delivery(&store, id)?;
                let found = store.delivery(id)?;
                let (row, attempts) =
                    found.ok_or_else(|| Failure::Found(format!("there is no delivery {id} in the store")))?;
                show::delivery(&row, &attempts, *json)
            }
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
            next_try(row).map_or(String::new(), |at| when(at, now)).into(),
            format!("{}{reason}", row.title).into(),
        ]);
    }
    table
}

/// How long until the next try.
pub fn when(at: Timestamp, now: Timestamp) -> String {
    if at <= now { "now".to_owned() } else { format!("in {}", moment::rough(at.since(now))) }
}

fn parse_state(text: &str) -> Result<DeliveryState, String> {
    let found = DeliveryState::ALL.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| "a delivery is waiting, leased, delivered or dead".to_owned())
}
