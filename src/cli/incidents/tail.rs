//! `gatepost incidents tail`: changes of incidents as they come.

use std::path::Path;

use super::super::failure::Outcome;
use super::super::json::{MilestoneJson, json_of};
use super::super::number::parse_count;
use super::super::opening::read_store;
use super::super::output::out;
use super::super::{names, tail};
use crate::domain::Severity;
use crate::store::{IncidentQueries, MilestoneRow};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  gatepost incidents tail
  gatepost incidents tail --severity high --json

Ends with Ctrl-C. `gatepost tail` shows events and deliveries as well.")]
pub struct Tail {
    /// Begin with so many of the last changes
    #[arg(short = 'n', long, default_value_t = 10, value_parser = parse_count::<0, 10_000>)]
    lines: u32,
    /// Only of this source
    #[arg(long)]
    source: Option<String>,
    /// Only of incidents that are at least this bad
    #[arg(long)]
    severity: Option<Severity>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Tail {
    pub fn run(&self, path: &Path) -> Outcome {
        let (outline, store) = read_store(path)?;
        names::check_source(&outline, &store, self.source.as_deref())?;
        let mut cursor = store.newest_milestone()?.saturating_sub(self.lines.into()).max(0);
        tail::follow(|| {
            for row in store.milestones_after(cursor, tail::BATCH)? {
                cursor = row.cursor;
                self.print(&row)?;
            }
            Ok(())
        })
    }

    fn print(&self, row: &MilestoneRow) -> Outcome {
        let is_bad_enough = self.severity.is_none_or(|least| row.severity.rank() >= least.rank());
        if !is_bad_enough || self.source.as_ref().is_some_and(|wanted| wanted != row.source.as_str()) {
            return Ok(());
        }
        if self.json {
            return out!("{}", json_of(&MilestoneJson::from(row))?);
        }
        out!("{}", tail::milestone_line(row))
    }
}
