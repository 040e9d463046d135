//! Which incidents a command is about.

use super::super::number::parse_incident;
use crate::domain::{IncidentNumber, IncidentState, Severity};
use crate::store::IncidentFilter;

/// What narrows a listing or an order down.
#[derive(clap::Args)]
pub struct Which {
    /// Only in this state: open, acknowledged, resolved, quiet
    #[arg(long, value_parser = parse_state)]
    pub state: Option<IncidentState>,
    /// Only of this source
    #[arg(long)]
    pub source: Option<String>,
    /// Only those at least this bad
    #[arg(long)]
    severity: Option<Severity>,
    /// Only those that are told through this storm or digest
    #[arg(long, value_name = "NUMBER", value_parser = parse_incident)]
    storm: Option<IncidentNumber>,
    /// Only those with this text in the title or the rule
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
}

impl Which {
    /// Whether anything is given.
    pub fn is_given(&self) -> bool {
        let Self { state, source, severity, storm, text } = self;
        state.is_some() || source.is_some() || severity.is_some() || storm.is_some() || text.is_some()
    }

    /// As the store takes it, whatever the state where none is given.
    pub fn filter(&self) -> IncidentFilter {
        IncidentFilter {
            state: self.state,
            source: self.source.as_deref().and_then(|source| source.parse().ok()),
            severity: self.severity,
            storm: self.storm,
            text: self.text.clone(),
            ..IncidentFilter::default()
        }
    }
}

fn parse_state(text: &str) -> Result<IncidentState, String> {
    IncidentState::from_word(text).ok_or_else(|| "an incident is open, acknowledged, resolved or quiet".to_owned())
}
