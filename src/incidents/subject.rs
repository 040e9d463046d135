//! An incident as events change it.

use super::correlations::Correlations;
use crate::domain::{Facets, Fold, Incident, Milestone};

/// An incident with what only its events change.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The incident.
    pub incident: Incident,
    /// Its actors, targets and victims.
    pub facets: Facets,
    /// The vendor's alerts in it.
    pub correlations: Correlations,
    /// What changed: new ones only.
    pub milestones: Vec<Milestone>,
    /// The index of the event that shows the incident best from now on; `None`: the one that did before.
    pub shows: Option<usize>,
    /// Of an incident that these events opened: all of them were old when they arrived, so that a digest tells it.
    pub is_old: bool,
    /// The storm or the digest that it is told through is over.
    pub is_fold_over: bool,
    /// Through what it was told before these events reopened it: that is over, so that it is to be told by itself.
    pub unfolded: Option<Fold>,
}

impl Subject {
    /// As stored.
    pub fn new(incident: Incident, facets: Facets, correlations: Correlations) -> Self {
        Self {
            incident,
            facets,
            correlations,
            milestones: Vec::new(),
            shows: None,
            is_old: false,
            is_fold_over: false,
            unfolded: None,
        }
    }
}
