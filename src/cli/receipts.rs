//! `gatepost receipts list|show`

use std::path::Path;

use clap::{Args, Subcommand};

use super::failure::{Failure, Outcome};
use super::json::json_of;
use super::listing::Paging;
use super::opening::read_store;
use super::paint::Tone;
use super::table::{Cell, Table};
use super::{find, moment, names, show};
use crate::domain::IdPrefix;
use crate::store::{EventFilter, Page, Queries, ReceiptFilter, ReceiptRow};

#[derive(Args)]
pub struct Receipts {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List receipts
    #[command(after_help = "Examples:
  gatepost receipts list --source akto --since 24h
  gatepost receipts list --since 2026-11-21 --until 2026-11-22 --json")]
    List {
        #[command(flatten)]
        paging: Paging,
        /// Only of this source
        #[arg(long)]
        source: Option<String>,
    },
    /// Show one receipt with its body
    Show {
        /// The id that the vendor was told, its beginning, or the id of one of its events or deliveries
        id: IdPrefix,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

impl Receipts {
    pub fn run(&self, path: &Path) -> Outcome {
        let (outline, store) = read_store(path)?;
        match &self.action {
            Action::List { paging, source } => {
                names::check_source(&outline, &store, source.as_deref())?;
                let filter =
                    ReceiptFilter { source: source.clone(), since: paging.since, until: paging.until, id: None };
                let rows = store.receipts(&paging.page(), &filter)?;
                paging.print(&rows, |row| row.cursor, json_of, table)
            }
            Action::Show { id, json } => {
                let id = find::receipt(&store, id)?;
                let found = store.receipt(id)?;
                let found = found.ok_or_else(|| Failure::Found(format!("there is no receipt {id} in the store")))?;
                let events = store.events(
                    &Page { limit: 10_000, before: None },
                    &EventFilter { receipt: Some(id), ..EventFilter::default() },
                )?;
                show::receipt(&found, &events, *json)
            }
        }
    }
}

fn table(rows: &[ReceiptRow]) -> Table {
    let mut table = Table::with_id(&["RECEIVED (UTC)", "RECEIPT", "SOURCE", " BYTES", "EVENTS", "NOTE"]);
    for row in rows {
        let again =
            if row.events_duplicate > 0 { format!(" (+{} known)", row.events_duplicate) } else { String::new() };
        let events = match row.state {
            "waiting" => Cell::new(Tone::Waiting, "waiting"),
            "unreadable" => Cell::new(Tone::Bad, "set aside"),
            _ => format!("{}{again}", row.events).into(),
        };
        table.row(vec![
            moment::short(row.received_at).into(),
            row.id.to_string().into(),
            row.source.as_str().into(),
            row.bytes.to_string().into(),
            events,
            note(row).into(),
        ]);
    }
    table
}

fn note(row: &ReceiptRow) -> String {
    let reason = row.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    row.note.map(|note| format!("{}{reason}", note.as_str())).unwrap_or_default()
}
