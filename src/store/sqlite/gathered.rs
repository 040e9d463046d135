//! The new events of a transaction, gathered so that each incident is loaded and saved once.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::Joining;
use crate::domain::{DestinationName, IncidentKey, RouteName, SourceName};
use crate::incidents::NewEvent;

/// New events of a transaction that may belong to an incident, by what they have in common, in their order.
#[derive(Default)]
pub struct Gathered {
    pub by_key: HashMap<(SourceName, IncidentKey), Vec<GatheredEvent>>,
    /// The keys as they came, so that incidents are numbered in that order.
    pub order: Vec<(SourceName, IncidentKey)>,
    rows: HashSet<i64>,
}

/// One of them.
pub struct GatheredEvent {
    /// Where it is stored.
    pub row: i64,
    pub event: NewEvent,
    pub notifiers: Vec<(DestinationName, RouteName)>,
}

impl Gathered {
    /// How many keys of each source have only events that were old when they arrived: one alone is told by itself, several
    /// are a first export, which a digest tells.
    pub fn old_by_source(&self) -> BTreeMap<SourceName, usize> {
        let mut counts = BTreeMap::new();
        for ((source, _), events) in &self.by_key {
            if events.iter().all(|gathered| gathered.event.is_old()) {
                *counts.entry(source.clone()).or_default() += 1;
            }
        }
        counts
    }

    /// Takes an event that is stored in `row`.
    pub fn add(
        &mut self,
        source: &SourceName,
        row: i64,
        joining: &Joining,
        notifiers: Vec<(DestinationName, RouteName)>,
    ) {
        if !self.rows.insert(row) {
            // The same event twice in one transaction, by a replay.
            return;
        }
        let is_told = joining.event.is_told || !notifiers.is_empty();
        let event = NewEvent { is_told, ..joining.event.clone() };
        let key = (source.clone(), joining.key);
        let events = self.by_key.entry(key.clone()).or_default();
        if events.is_empty() {
            self.order.push(key);
        }
        events.push(GatheredEvent { row, event, notifiers });
    }
}
