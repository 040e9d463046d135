//! What has changed since something was told, in one word.

use crate::domain::{Change, IncidentKind, IncidentState, Standing};

use super::super::spread::steps;
use super::Comparison;

impl Comparison<'_> {
    /// The change that is to be said, other than that there are more events; the one that tells most, where there are
    /// several.
    pub(super) fn change_since(&self, said: &Standing) -> Option<Change> {
        let is = &self.is;
        match is.state {
            IncidentState::Resolved => (said.state != IncidentState::Resolved).then_some(Change::Resolve),
            IncidentState::Quiet => self.quiet_since(said).then_some(Change::Quiet),
            IncidentState::Open if ended(said) => Some(Change::Reopen),
            // Only what came before the acknowledgement is unsaid: a raise or spread after it takes it back.
            IncidentState::Acknowledged => self.acknowledged_since(said).then_some(Change::Acknowledge),
            IncidentState::Open => self.worse_since(said).or_else(|| {
                // It has been given back, or has lapsed.
                (said.state == IncidentState::Acknowledged).then_some(Change::Repeat)
            }),
        }
    }

    /// What is told of a silenced incident as well.
    pub(super) fn worse_since(&self, said: &Standing) -> Option<Change> {
        let is_storm = matches!(self.incident.kind, IncidentKind::Storm(_));
        // Of a storm the number of rules is compared that it has named.
        let has_named = is_storm && self.is.victims > said.victims;
        let has_spread = !is_storm && steps(self.is.victims) > steps(said.victims);
        match (self.is.rank > said.rank || has_named, has_spread) {
            (true, _) => Some(Change::Raise),
            (false, true) => Some(Change::Spread),
            (false, false) => None,
        }
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
