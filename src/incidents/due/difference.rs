//! What has changed since something was told, in one word.

use crate::domain::{Change, IncidentState, Standing};

use super::super::spread::steps;
use super::Comparison;

impl Comparison<'_> {
    /// The change that is to be said, other than that there are more events; the one that tells most, where there are
    /// several.
    pub(super) fn change_since(&self, said: &Standing) -> Option<Change> {
        let is = &self.is;
        match is.state {
            // It may have been reopened, become worse than was ever told, and have ended again.
            IncidentState::Resolved => {
                (said.state != IncidentState::Resolved || is.rank > said.rank).then_some(Change::Resolve)
            }
            IncidentState::Quiet => self.quiet_since(said).then_some(Change::Quiet),
            IncidentState::Open if ended(said) => Some(Change::Reopen),
            // Only changes before the acknowledgement are not told: a raise or spread after it cancels it.
            IncidentState::Acknowledged => self.acknowledged_since(said).then_some(Change::Acknowledge),
            IncidentState::Open => self.worse_since(said).or_else(|| {
                // The acknowledgement was withdrawn, or has lapsed.
                (said.state == IncidentState::Acknowledged).then_some(Change::Acknowledge)
            }),
        }
    }

    /// What is told of a silenced incident as well.
    pub(super) fn worse_since(&self, said: &Standing) -> Option<Change> {
        let is = &self.is;
        // Rules that a storm names, and what comes late into a digest, are told like a higher rank.
        if is.rank > said.rank || is.named > said.named {
            Some(Change::Raise)
        } else {
            let steps = |victims| steps(&self.incident.kind, victims);
            (steps(is.victims) > steps(said.victims)).then_some(Change::Spread)
        }
    }

    /// The same, of an incident that goes on.
    pub(super) fn worse_while_live(&self, said: &Standing) -> Option<Change> {
        self.worse_since(said).filter(|_| self.is.state.is_live())
    }

    fn acknowledged_since(&self, said: &Standing) -> bool {
        said.state != IncidentState::Acknowledged || self.is.acknowledgements > said.acknowledgements
    }

    /// One that was acknowledged, or that does not matter, ends inside gatepost only.
    fn quiet_since(&self, said: &Standing) -> bool {
        self.incident.is_unattended && said.state != IncidentState::Quiet
    }
}

/// People were told that it had ended.
fn ended(said: &Standing) -> bool {
    matches!(said.state, IncidentState::Resolved | IncidentState::Quiet)
}
