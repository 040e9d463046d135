//! What notifiers were told, and the one delivery of each notification that will bring it up to date.
//!
//! Called wherever an incident has changed ([`Notifications::arm`]), where a delivery of a change is claimed
//! ([`Notifications::prepare`]) and where it is settled ([`Notifications::settle`]). What is due is decided by
//! [`incidents::due`]; a delivery is planned as soon as something will be due, and is only a hint: what it tells is computed
//! anew when it is claimed.

mod change_queue;
mod fall_back;
mod fold;
mod prepare;
mod settle;
mod stored;
mod take_over;

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Transaction, params};

use change_queue::{ChangeQueue, Doubt};
pub use fold::{DueUpdate, TellingProgress};
pub use prepare::{Candidate, Prepared};
use stored::{NotificationRows, Stored};

use super::super::{Policy, StoreError};
use super::rows::{row_of, to_text};
use super::urgency::urgency_of_change;
use crate::domain::{
    Change, DestinationName, Incident, IncidentState, Notification, NotificationId, NotifierClass, RouteName, Timestamp,
};
use crate::incidents::{self, Due};

/// Notifications of one transaction.
pub struct Notifications<'t> {
    transaction: &'t Transaction<'t>,
    policy: &'t Policy,
    now: Timestamp,
}

impl<'t> Notifications<'t> {
    pub fn of(transaction: &'t Transaction<'t>, policy: &'t Policy, now: Timestamp) -> Self {
        Self { transaction, policy, now }
    }

    fn queue(&self) -> ChangeQueue<'t> {
        ChangeQueue::of(self.transaction, self.now)
    }

    fn rows(&self) -> NotificationRows<'t> {
        NotificationRows::of(self.transaction, self.now)
    }

    /// Notifiers that are to know of an incident from now on, and what every notifier of it is to be told next.
    /// Destinations for which it is due now are added to `to_tell`.
    pub fn tell(
        &self,
        incident: &Incident,
        notifiers: &BTreeMap<DestinationName, RouteName>,
        to_tell: &mut BTreeSet<DestinationName>,
    ) -> Result<(), StoreError> {
        self.join(incident, notifiers)?;
        self.arm(incident, to_tell)
    }

    /// The same for an incident that was just opened, of which nothing is stored yet.
    pub fn tell_first(
        &self,
        incident: &Incident,
        notifiers: &BTreeMap<DestinationName, RouteName>,
        to_tell: &mut BTreeSet<DestinationName>,
    ) -> Result<(), StoreError> {
        for (destination, route) in notifiers {
            let Some(mut stored) = self.join_one(incident, destination, route)? else { continue };
            if self.arm_one(incident, &mut stored)? {
                to_tell.insert(stored.destination);
            }
        }
        Ok(())
    }

    /// Notifiers that are to know of an incident from now on.
    pub fn join(
        &self,
        incident: &Incident,
        notifiers: &BTreeMap<DestinationName, RouteName>,
    ) -> Result<(), StoreError> {
        notifiers.iter().try_for_each(|(destination, route)| self.join_one(incident, destination, route).map(drop))
    }

    /// One of them; `None` where it is not configured, or knew before.
    fn join_one(
        &self,
        incident: &Incident,
        destination: &DestinationName,
        route: &RouteName,
    ) -> Result<Option<Stored>, StoreError> {
        let Some(notifier) = self.policy.notifier(destination) else { return Ok(None) };
        let (id, told) = (NotificationId::generate(), Notification::new(self.now));
        let added = self
            .transaction
            .prepare_cached(
                "INSERT INTO notifications (id, incident, destination, route, fingerprint, document)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (incident, destination) DO NOTHING",
            )?
            .execute(params![
                id.as_bytes(),
                row_of(incident.number),
                destination.as_str(),
                route.as_str(),
                notifier.fingerprint,
                to_text(&told)?,
            ])?;
        Ok((added > 0).then(|| Stored {
            row: self.transaction.last_insert_rowid(),
            id,
            incident: incident.number,
            destination: destination.clone(),
            route: route.clone(),
            fingerprint: Some(notifier.fingerprint),
            pending: None,
            refused: Vec::new(),
            told,
        }))
    }

    /// Plans for every notifier of an incident what it is to be told next. Destinations for which it is due now are
    /// added to `to_tell`.
    pub fn arm(&self, incident: &Incident, to_tell: &mut BTreeSet<DestinationName>) -> Result<(), StoreError> {
        for mut stored in self.rows().of_incident(incident.number)? {
            if self.arm_one(incident, &mut stored)? {
                to_tell.insert(stored.destination);
            }
        }
        Ok(())
    }

    /// What notifiers have refused of an incident is tried again. Returns how many deliveries were planned for now.
    pub fn revive(&self, incident: &Incident) -> Result<usize, StoreError> {
        self.transaction
            .prepare_cached("UPDATE notifications SET refused = NULL WHERE incident = ?1")?
            .execute([row_of(incident.number)])?;
        let mut to_tell = BTreeSet::new();
        self.arm(incident, &mut to_tell)?;
        Ok(to_tell.len())
    }

    /// Plans a look at every notification of an incident, without knowing the notifiers: what is due is found out when it is
    /// claimed. For orders that come from outside of the process that serves.
    pub fn arm_blindly(&self, incident: &Incident) -> Result<(), StoreError> {
        for stored in self.rows().of_incident(incident.number)? {
            self.queue().plan(
                &stored,
                self.now,
                urgency_of_change(Change::Resolve, incident.rank),
                Doubt::KeepsBack,
            )?;
        }
        Ok(())
    }

    /// Whether something is due now.
    fn arm_one(&self, incident: &Incident, stored: &mut Stored) -> Result<bool, StoreError> {
        let Some(notifier) = self.policy.notifier(&stored.destination) else {
            // Looked at when the destination is configured again.
            self.queue().plan(stored, self.now, urgency_of_change(Change::Resolve, incident.rank), Doubt::KeepsBack)?;
            return Ok(false);
        };
        self.follow_destination(stored, notifier.fingerprint)?;
        let (due, told) = self.due_beside_refused(stored, incident, notifier.class);
        let (at, urgency) = match due {
            Due::Now(intent) if stored.has_refused(&intent, incident) => return Ok(false),
            Due::Now(intent) => (self.now, urgency_of_change(intent.change, incident.rank)),
            // Once the resolution is told only the closing remains, for which nothing is sent.
            Due::At(_) if is_over(&told, incident) => return Ok(false),
            Due::At(at) => (at, urgency_of_change(stored.next_change(), incident.rank)),
            // What waits is found to be superfluous when it is claimed.
            Due::Nothing | Due::Close(_) => return Ok(false),
        };
        // A chat is not searched for long, if it can be searched at all. A page is sent again soon anyway, and a ticket may
        // not be found yet.
        let doubt = match notifier.class {
            NotifierClass::AppendOnly | NotifierClass::EditableChat => Doubt::Yields,
            NotifierClass::Pager | NotifierClass::Ticket => Doubt::KeepsBack,
        };
        self.queue().plan(stored, at, urgency, doubt)?;
        Ok(at <= self.now)
    }

    /// What is due, with what the destination has refused taken as done: a dead letter must not keep back what comes after
    /// it. And what is taken to be told.
    fn due_beside_refused(&self, stored: &Stored, incident: &Incident, class: NotifierClass) -> (Due, Notification) {
        let mut told = stored.told.clone();
        // Each refusal is met once; the bound is for a defect in that.
        for _ in 0..=stored.refused.len() {
            match incidents::due(incident, &told, class, &self.policy.timing, self.now) {
                Due::Now(intent) if stored.has_refused(&intent, incident) && intent.operation.can_be_left_out() => {
                    told = intent.then;
                }
                due => return (due, told),
            }
        }
        (Due::Nothing, told)
    }

    /// Where a destination has another address or credential under the same name, what was made at the old one cannot
    /// be reached: the incident is told anew. Whether it is so.
    fn follow_destination(&self, stored: &mut Stored, fingerprint: [u8; 16]) -> Result<bool, StoreError> {
        if stored.fingerprint == Some(fingerprint) {
            return Ok(false);
        }
        let former = stored.fingerprint.replace(fingerprint);
        if former.is_some() && former.as_ref() == self.policy.former_fingerprints.get(&stored.destination) {
            self.transaction
                .prepare_cached("UPDATE notifications SET fingerprint = ?2 WHERE seq = ?1")?
                .execute(params![stored.row, fingerprint])?;
            return Ok(false);
        }
        stored.told = Notification::new(self.now);
        stored.refused.clear();
        self.transaction
            .prepare_cached("UPDATE notifications SET fingerprint = ?2, refused = NULL, document = ?3 WHERE seq = ?1")?
            .execute(params![stored.row, fingerprint, to_text(&stored.told)?])?;
        Ok(true)
    }
}

fn is_over(told: &Notification, incident: &Incident) -> bool {
    let is_told = told.said.is_some_and(|said| said.standing.state == IncidentState::Resolved);
    is_told && incident.state == IncidentState::Resolved && told.doubts.is_empty()
}
