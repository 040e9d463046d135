//! An update that is told through a digest instead of by itself.

use rusqlite::params;

use super::super::super::StoreError;
use super::super::incident_rows::IncidentRows;
use super::super::rows::to_text;
use super::Notifications;
use super::stored::Stored;
use crate::domain::{Change, DestinationName, Incident, IncidentNumber, Intent, Operation, RouteName};
use crate::incidents::{self, Due};

/// A message that says no more than that an incident goes on, and is due.
pub struct DueUpdate {
    delivery: i64,
    stored: Stored,
    intent: Intent,
    /// The incident.
    pub incident: Incident,
}

impl DueUpdate {
    /// The route that asked for the notifier.
    pub fn route(&self) -> &RouteName {
        &self.stored.route
    }
}

/// How far a notifier has been told of an incident that it is told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TellingProgress {
    /// Nothing was sent, or what was sent has not arrived.
    Untold,
    /// It is being sent, or may have arrived.
    UnderWay,
    /// It has arrived.
    Told,
}

impl Notifications<'_> {
    /// How far a notifier has been told of an incident.
    pub fn progress_of(
        &self,
        incident: IncidentNumber,
        notifier: &DestinationName,
    ) -> Result<TellingProgress, StoreError> {
        let all = self.rows().of_incident(incident)?;
        let Some(stored) = all.into_iter().find(|stored| stored.destination == *notifier) else {
            return Ok(TellingProgress::Untold);
        };
        if stored.told.said.is_some() {
            return Ok(TellingProgress::Told);
        }
        let is_under_way = match stored.pending {
            Some(delivery) => self
                .transaction
                .prepare_cached("SELECT 1 FROM deliveries WHERE seq = ?1 AND (state = 1 OR uncertain <> 0)")?
                .exists([delivery])?,
            None => false,
        };
        Ok(if is_under_way { TellingProgress::UnderWay } else { TellingProgress::Untold })
    }

    /// What a waiting delivery would tell, where that is an update or a repeat in a message of its own.
    pub fn due_update(&self, delivery: i64, notification: i64) -> Result<Option<DueUpdate>, StoreError> {
        // What cannot be read is met when it is claimed.
        let Some(Ok(stored)) = self.rows().read(notification)? else { return Ok(None) };
        let Some(notifier) = self.policy.notifier(&stored.destination) else { return Ok(None) };
        if stored.fingerprint != Some(notifier.fingerprint) || self.queue().is_another_under_way(&stored, delivery)? {
            return Ok(None);
        }
        let incidents = IncidentRows::of(self.transaction, self.policy, self.now);
        let Some(Ok(incident)) = incidents.read(stored.incident)? else { return Ok(None) };
        let (due, _) = self.due_beside_refused(&stored, &incident, notifier.class);
        let Due::Now(intent) = due else { return Ok(None) };
        let is_update = matches!(intent.change, Change::Update | Change::Repeat)
            && matches!(intent.operation, Operation::Reply { .. })
            && !stored.has_refused(&intent, &incident);
        Ok(is_update.then_some(DueUpdate { delivery, stored, intent: *intent, incident }))
    }

    /// Takes an update as told: a digest tells it.
    pub fn tell_through(&self, update: DueUpdate, digest: IncidentNumber) -> Result<(), StoreError> {
        let DueUpdate { delivery, mut stored, intent, incident } = update;
        stored.note_delivered(intent, false, None, incidents::standing(&incident));
        self.queue().supersede(delivery, Some(stored.row), &format!("told in {digest}, a digest"))?;
        if stored.pending == Some(delivery) {
            stored.pending = None;
        }
        self.transaction
            .prepare_cached("UPDATE notifications SET document = ?2 WHERE seq = ?1")?
            .execute(params![stored.row, to_text(&stored.told)?])?;
        self.arm_one(&incident, &mut stored)?;
        Ok(())
    }
}
