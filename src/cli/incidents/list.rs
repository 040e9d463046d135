//! `gatepost incidents list`

use std::path::Path;

use super::super::failure::Outcome;
use super::super::json::{IncidentJson, json_of};
use super::super::listing::Paging;
use super::super::opening::read_store;
use super::super::paint::Tone;
use super::super::table::{Cell, Table};
use super::super::{moment, names};
use super::filter::Which;
use crate::domain::{Clock, Incident, IncidentState, SystemClock};
use crate::store::{IncidentFilter, IncidentQueries};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  gatepost incidents list
  gatepost incidents list --severity high --state open
  gatepost incidents list --storm 4720
  gatepost incidents list --all --since 24h --json")]
pub struct List {
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    which: Which,
    /// Those that are over as well
    #[arg(long, conflicts_with = "state")]
    all: bool,
}

impl List {
    pub fn run(&self, path: &Path) -> Outcome {
        let (outline, store) = read_store(path)?;
        names::check_source(&outline, &store, self.which.source.as_deref())?;
        let filter = IncidentFilter {
            is_listed: self.which.state.is_none() && !self.all,
            since: self.paging.since,
            until: self.paging.until,
            ..self.which.filter()
        };
        let rows = store.incidents(&self.paging.page(), &filter)?;
        self.paging.print(&rows, cursor, |row| json_of(&IncidentJson::from(row)), table)
    }
}

/// Where the next page begins.
fn cursor(incident: &Incident) -> i64 {
    i64::try_from(incident.number.0).unwrap_or(i64::MAX)
}

fn table(rows: &[Incident]) -> Table {
    let now = SystemClock.now();
    let mut table = Table::with_id(&["INCIDENT", "FIRST (UTC)", "STATE", "RANK", " EVENTS", "LAST", "SOURCE", "TITLE"]);
    for incident in rows {
        table.row(vec![
            incident.number.to_string().into(),
            moment::short(incident.first_at).into(),
            Cell::new(Tone::of_incident(incident.state), state(incident)),
            Cell::new(Tone::of_severity(incident.rank.severity), incident.rank.to_string()),
            incident.count.to_string().into(),
            moment::ago(incident.last_at.max(incident.received_at), now).into(),
            incident.source.as_str().into(),
            format!("{}{}", mark(incident), incident.title).into(),
        ]);
    }
    table
}

/// What sets an incident apart from those that are told by themselves.
fn mark(incident: &Incident) -> String {
    incident.fold.map(|fold| format!("(through {}) ", fold.storm)).unwrap_or_default()
}

/// The state, and what is special about it.
fn state(incident: &Incident) -> &'static str {
    match incident.state {
        IncidentState::Quiet if incident.is_unattended => "quiet, not acknowledged",
        state => state.as_str(),
    }
}
