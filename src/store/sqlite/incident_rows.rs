//! The rows of incidents: one is read, written, or left alone because it cannot be read.
//!
//! Called by what absorbs events, by what tells notifiers, and by the orders of the operator. Nothing is decided here.

use rusqlite::{OptionalExtension, Transaction, params};

use super::super::{Policy, StoreError};
use super::rows::{document, readable, row_of, to_text};
use crate::domain::{Incident, IncidentNumber, IncidentState, Milestone, MilestoneKind, Timestamp};
use crate::incidents::{self, Present};

/// Rows of incidents in one transaction.
pub struct IncidentRows<'t> {
    transaction: &'t Transaction<'t>,
    policy: &'t Policy,
    now: Timestamp,
}

impl<'t> IncidentRows<'t> {
    pub fn of(transaction: &'t Transaction<'t>, policy: &'t Policy, now: Timestamp) -> Self {
        Self { transaction, policy, now }
    }

    /// Writes an incident, without what belongs to it.
    pub fn save(&self, incident: &Incident) -> Result<(), StoreError> {
        let timing = &self.policy.timing;
        let check_at = incidents::check_at(incident, timing, Present::beginning(incident.received_at));
        self.transaction
            .prepare_cached(
                "INSERT INTO incidents (number, id, source, key, state, is_live, level, storm, check_at, document, ended_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                 ON CONFLICT (number) DO UPDATE SET state = excluded.state, is_live = excluded.is_live,
                     level = excluded.level, storm = excluded.storm, document = excluded.document,
                     ended_at = excluded.ended_at,
                     check_at = min(coalesce(check_at, excluded.check_at), coalesce(excluded.check_at, check_at))",
            )?
            .execute(params![
                row_of(incident.number),
                incident.id.as_bytes(),
                incident.source.as_str(),
                incident.key.as_bytes(),
                incident.state.as_str(),
                incident.state.is_live(),
                incident.rank.level(),
                incident.fold.map(|fold| row_of(fold.storm)),
                check_at.map(Timestamp::as_millis),
                to_text(incident)?,
                (!incident.state.is_live()).then_some(incident.state_since.as_millis()),
            ])?;
        Ok(())
    }

    /// Adds milestones to the timeline of an incident.
    pub fn add_milestones(&self, incident: IncidentNumber, milestones: &[Milestone]) -> Result<(), StoreError> {
        let mut insert =
            self.transaction.prepare_cached("INSERT INTO milestones (incident, document) VALUES (?1, ?2)")?;
        for milestone in milestones {
            insert.execute(params![row_of(incident), to_text(milestone)?])?;
        }
        // One that was just opened has no others.
        let is_first = milestones.first().is_some_and(|first| first.what == MilestoneKind::Opened);
        if milestones.is_empty() || is_first { Ok(()) } else { self.forget_milestones(incident) }
    }

    /// An incident may live for ever: its opening and the newest milestones are kept.
    fn forget_milestones(&self, incident: IncidentNumber) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "DELETE FROM milestones WHERE seq IN
                     (SELECT seq FROM milestones WHERE incident = ?1 ORDER BY seq DESC LIMIT ?2 OFFSET ?3)
                 AND seq > (SELECT min(seq) FROM milestones WHERE incident = ?1)",
            )?
            .execute(params![row_of(incident), FORGOTTEN_AT_ONCE, MILESTONES_KEPT])?;
        Ok(())
    }

    /// The incident of that number. One that cannot be read is left alone from now on.
    pub fn readable(&self, number: IncidentNumber) -> Result<Option<Incident>, StoreError> {
        match self.read(number)? {
            Some(Ok(incident)) => Ok(Some(incident)),
            Some(Err(reason)) => self.leave_alone(number, &reason).map(|()| None),
            None => Ok(None),
        }
    }

    /// The incident of that number, or why it cannot be read; `None`: there is none.
    pub fn read(&self, number: IncidentNumber) -> Result<Option<Result<Incident, String>>, StoreError> {
        let found = self
            .transaction
            .prepare_cached("SELECT document FROM incidents WHERE number = ?1")?
            .query_row([row_of(number)], document)
            .optional();
        readable(found).map(Result::transpose)
    }

    /// An incident that cannot be read takes no more events, and is not checked again. Its row stays as long as that of
    /// one that has ended.
    pub fn leave_alone(&self, number: IncidentNumber, reason: &str) -> Result<(), StoreError> {
        let left = self
            .transaction
            .prepare_cached(
                "UPDATE incidents SET state = ?2, is_live = 0, check_at = NULL, ended_at = coalesce(ended_at, ?3)
                 WHERE number = ?1 AND (is_live = 1 OR check_at IS NOT NULL OR ended_at IS NULL)",
            )?
            .execute(params![row_of(number), IncidentState::Quiet.as_str(), self.now.as_millis()])?;
        if left > 0 {
            tracing::error!(incident = %number, reason, "an incident cannot be read; the next event of its key opens another");
        }
        Ok(())
    }
}

/// Beside the first.
const MILESTONES_KEPT: i64 = 200;
/// Few enough that the transaction stays short where an earlier version has kept more.
const FORGOTTEN_AT_ONCE: i64 = 100;
