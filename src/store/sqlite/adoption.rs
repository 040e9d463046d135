//! Deliveries of single events at a notifier become part of incidents: those that an earlier version planned, and those that
//! were planned while the destination was a sink.
//!
//! Called when such a delivery is claimed. What may have arrived keeps the id under which it was sent, so that the
//! destination can be asked for it.

use rusqlite::{OptionalExtension, Transaction, params};

use super::super::{Joining, Policy, StoreError};
use super::delivery_candidates::{Candidate, CandidateContent};
use super::gathered::Gathered;
use super::incident_rows::IncidentRows;
use super::incidents::Incidents;
use super::notifications::Notifications;
use crate::domain::{DestinationName, Event, IncidentNumber, Timestamp};

/// Adoption within one transaction.
pub struct Adoption<'t> {
    transaction: &'t Transaction<'t>,
    policy: &'t Policy,
    now: Timestamp,
}

impl<'t> Adoption<'t> {
    pub fn of(transaction: &'t Transaction<'t>, policy: &'t Policy, now: Timestamp) -> Self {
        Self { transaction, policy, now }
    }

    /// Takes the event of a delivery into its incident; the delivery has come to an end, or has become a change in doubt.
    pub fn adopt(&self, candidate: &Candidate, destination: &DestinationName) -> Result<(), StoreError> {
        let CandidateContent::Event { row, document, .. } = &candidate.content else { return Ok(()) };
        let event: Event = match document.read() {
            Ok(event) => event,
            Err(error) => return self.end(candidate, DEAD, &format!("its event cannot be read: {error}")),
        };
        let notifiers = [(destination.clone(), candidate.route.clone())];
        let number = match self.incident_of(*row)? {
            Some(number) => Some(number),
            None => {
                let mut gathered = Gathered::default();
                let joining = Joining::grouped(&event, self.policy.group_by(&event.source));
                gathered.add(&event.source, *row, &joining, notifiers.to_vec());
                Incidents::of(self.transaction, self.policy, self.now).absorb(gathered)?;
                self.incident_of(*row)?
            }
        };
        let incidents = IncidentRows::of(self.transaction, self.policy, self.now);
        let Some(incident) = number.map(|number| incidents.readable(number)).transpose()?.flatten() else {
            return self.end(candidate, SUPERSEDED, "there was nothing to resolve");
        };
        let notifications = Notifications::of(self.transaction, self.policy, self.now);
        notifications.join(&incident, &notifiers.into_iter().collect())?;
        if candidate.is_uncertain {
            let is_taken_over = notifications.take_over(&incident, destination, candidate.row, candidate.id, &event)?;
            let reason = format!("it may have arrived by itself; {} tells the rest", incident.number);
            return if is_taken_over { Ok(()) } else { self.end(candidate, DEAD, &reason) };
        }
        notifications.arm(&incident, &mut Default::default())?;
        self.end(candidate, SUPERSEDED, &format!("told as part of {}", incident.number))
    }

    fn incident_of(&self, event: i64) -> Result<Option<IncidentNumber>, StoreError> {
        let found: Option<Option<i64>> = self
            .transaction
            .prepare_cached("SELECT incident FROM events WHERE seq = ?1")?
            .query_row([event], |row| row.get(0))
            .optional()?;
        Ok(found.flatten().map(|number| IncidentNumber(number.unsigned_abs())))
    }

    fn end(&self, candidate: &Candidate, state: i64, reason: &str) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("UPDATE deliveries SET state = ?2, lease_until = 0, reason = ?3 WHERE seq = ?1")?
            .execute(params![candidate.row, state, reason])?;
        Ok(())
    }
}

const DEAD: i64 = 3;
const SUPERSEDED: i64 = 4;
