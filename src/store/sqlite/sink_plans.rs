//! Which events go to which sinks, noted for as many events at once as possible.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{OptionalExtension, Transaction, params};

use super::super::StoreError;
use super::{batches, replays};
use crate::domain::{DestinationName, RouteName};

/// Destinations of an event, each with the first route that asked for it.
pub type Destinations = Vec<(DestinationName, RouteName)>;

/// Notes plans within one transaction. [`SinkPlanner::finish`] writes what was gathered.
pub struct SinkPlanner<'t> {
    transaction: &'t Transaction<'t>,
    /// The run that the next event may continue.
    run: Option<Run>,
    /// The plans that this transaction has met.
    known: HashMap<Destinations, i64>,
    planned: BTreeMap<DestinationName, Planned>,
    /// What the events before had in common, which is not in `planned` yet: most have the same sinks as the one before.
    same: Option<Same>,
}

/// Events that were handed in one after the other for the same sinks.
struct Same {
    sinks: Destinations,
    plan: i64,
    planned: Planned,
}

/// Consecutive events of one plan.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: i64,
    last: i64,
    plan: i64,
    is_written: bool,
}

/// What was planned for one sink.
#[derive(Clone, Copy, Debug)]
struct Planned {
    /// The first event.
    first: i64,
    events: i64,
}

impl<'t> SinkPlanner<'t> {
    pub fn of(transaction: &'t Transaction<'t>) -> Self {
        Self { transaction, run: None, known: HashMap::new(), planned: BTreeMap::new(), same: None }
    }

    /// Notes the sinks of an event that was just recorded: events are handed in by their rows, ascending. Returns how many
    /// sinks there are.
    pub fn plan<'d>(
        &mut self,
        event: i64,
        sinks: impl Iterator<Item = &'d (DestinationName, RouteName)> + Clone,
    ) -> Result<usize, StoreError> {
        let count = sinks.clone().count();
        if count == 0 {
            return Ok(0);
        }
        let plan = match &mut self.same {
            Some(same) if same.sinks.iter().eq(sinks.clone()) => {
                same.planned.events += 1;
                same.plan
            }
            _ => {
                self.note_same();
                let sinks: Destinations = sinks.cloned().collect();
                let plan = self.number_of(sinks.clone())?;
                self.same = Some(Same { sinks, plan, planned: Planned { first: event, events: 1 } });
                plan
            }
        };
        self.note_in_run(event, plan)?;
        Ok(count)
    }

    /// Counts for each sink what the last events had in common.
    fn note_same(&mut self) {
        let Some(Same { sinks, planned: Planned { first, events }, .. }) = self.same.take() else { return };
        for (destination, _) in sinks {
            self.planned.entry(destination).or_insert(Planned { first, events: 0 }).events += events;
        }
    }

    fn note_in_run(&mut self, event: i64, plan: i64) -> Result<(), StoreError> {
        if self.run.is_none() {
            self.run = self.last_run()?;
        }
        match &mut self.run {
            Some(run) if run.plan == plan && run.last + 1 == event => {
                run.last = event;
                run.is_written = false;
            }
            _ => {
                self.write_run()?;
                self.run = Some(Run { first: event, last: event, plan, is_written: false });
            }
        }
        Ok(())
    }

    /// Writes what is still held. A sink that is planned for the first time begins with its first event.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.note_same();
        self.write_run()?;
        let mut upsert = self.transaction.prepare_cached(
            "INSERT INTO sinks (destination, position, planned, batched) VALUES (?1, ?2, ?3, 0)
             ON CONFLICT (destination) DO UPDATE SET planned = planned + ?3",
        )?;
        for (destination, Planned { first, events }) in &self.planned {
            upsert.execute(params![destination.as_str(), first - 1, events])?;
        }
        Ok(())
    }

    fn number_of(&mut self, sinks: Destinations) -> Result<i64, StoreError> {
        if let Some(plan) = self.known.get(&sinks) {
            return Ok(*plan);
        }
        let document = serde_json::to_string(&sinks).map_err(|error| StoreError::Failed(error.to_string()))?;
        let found: Option<i64> = self
            .transaction
            .prepare_cached("SELECT plan FROM plans WHERE document = ?1")?
            .query_row([&document], |row| row.get(0))
            .optional()?;
        let plan = match found {
            Some(plan) => plan,
            None => self.add_plan(&document, &sinks)?,
        };
        self.known.insert(sinks, plan);
        Ok(plan)
    }

    fn add_plan(&self, document: &str, sinks: &Destinations) -> Result<i64, StoreError> {
        self.transaction.prepare_cached("INSERT INTO plans (document) VALUES (?1)")?.execute([document])?;
        let plan = self.transaction.last_insert_rowid();
        let mut insert =
            self.transaction.prepare_cached("INSERT INTO plan_sinks (plan, destination, route) VALUES (?1, ?2, ?3)")?;
        for (destination, route) in sinks {
            insert.execute(params![plan, destination.as_str(), route.as_str()])?;
        }
        Ok(plan)
    }

    fn last_run(&self) -> Result<Option<Run>, StoreError> {
        let mut select =
            self.transaction.prepare_cached("SELECT first, last, plan FROM plan_runs ORDER BY first DESC LIMIT 1")?;
        let run = select.query_row([], |row| {
            Ok(Run { first: row.get(0)?, last: row.get(1)?, plan: row.get(2)?, is_written: true })
        });
        Ok(run.optional()?)
    }

    fn write_run(&mut self) -> Result<(), StoreError> {
        let Some(run) = self.run.filter(|run| !run.is_written) else { return Ok(()) };
        self.transaction
            .prepare_cached(
                "INSERT INTO plan_runs (first, last, plan) VALUES (?1, ?2, ?3)
                 ON CONFLICT (first) DO UPDATE SET last = ?2",
            )?
            .execute(params![run.first, run.last, run.plan])?;
        self.run = Some(Run { is_written: true, ..run });
        Ok(())
    }

    /// Whether an event that is known was planned for a sink or chosen for it, and is part of a batch or will be. What was planned for a
    /// destination and discarded is neither.
    pub fn is_kept_for(&mut self, event: i64, destination: &DestinationName) -> Result<bool, StoreError> {
        // The event may have been planned in this transaction.
        self.note_same();
        self.write_run()?;
        let is_new = self.planned.get(destination).is_some_and(|planned| planned.first <= event);
        let is_live = self.is_planned(event, destination)?
            && (is_new
                || batches::is_before(self.transaction, destination, event)?
                || self.is_batched(event, destination)?);
        Ok(is_live || replays::holds(self.transaction, destination, event)?)
    }

    fn is_planned(&self, event: i64, destination: &DestinationName) -> Result<bool, StoreError> {
        let mut select = self.transaction.prepare_cached(
            "SELECT 1 FROM (SELECT last, plan FROM plan_runs WHERE first <= ?1 ORDER BY first DESC LIMIT 1) r
             JOIN plan_sinks s ON s.plan = r.plan AND s.destination = ?2 WHERE r.last >= ?1",
        )?;
        Ok(select.exists(params![event, destination.as_str()])?)
    }

    fn is_batched(&self, event: i64, destination: &DestinationName) -> Result<bool, StoreError> {
        Ok(batches::of_event(self.transaction, destination, event)?.is_some())
    }
}
