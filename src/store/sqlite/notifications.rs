//! What notifiers were told, and the one delivery of each notification that will bring it up to date.
//!
//! Called wherever an incident has changed ([`Notifications::arm`]), where a delivery of a change is claimed
//! ([`Notifications::prepare`]) and where it is settled ([`Notifications::settle`]). What is due is decided by
//! [`incidents::due`]; a delivery is planned as soon as something will be due, and is only a hint: what it tells is computed
//! anew when it is claimed.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::super::{ChangeContent, Policy, StoreError, Verdict};
use super::adoption::without_waiting;
use super::incidents::{Incidents, document_in, row_of, to_text};
use super::queries::name;
use super::rows::readable;
use crate::domain::{
    Change, DeliveryId, DestinationName, Event, EventDocument, Facets, Incident, IncidentNumber, IncidentState, Intent,
    Notification, NotificationId, NotifierClass, Operation, Rank, Reference, RouteName, Standing, Timestamp,
};
use crate::incidents::{self, Due};

/// Notifications of one transaction.
pub struct Notifications<'t> {
    transaction: &'t Transaction<'t>,
    policy: &'t Policy,
    now: Timestamp,
}

/// A notification as it is stored.
struct Stored {
    row: i64,
    id: NotificationId,
    incident: IncidentNumber,
    destination: DestinationName,
    route: RouteName,
    fingerprint: Option<[u8; 16]>,
    /// The delivery that waits or is under way.
    pending: Option<i64>,
    refused: Vec<Refusal>,
    told: Notification,
}

/// What a destination has refused: it is not tried again by itself until the incident has changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Refusal {
    change: Change,
    operation: Operation,
    standing: Standing,
}

impl Refusal {
    /// Whether the same thing would be sent again.
    fn covers(&self, intent: &Intent, standing: &Standing) -> bool {
        self.change == intent.change && self.operation == intent.operation && self.is_of(standing)
    }

    /// Whether the incident stands as it did. More events alone do not make it worth another try.
    fn is_of(&self, standing: &Standing) -> bool {
        let step = |victims: u64| if victims < 2 { 0 } else { u64::from(victims.ilog10()) + 1 };
        let milestones = |standing: &Standing| Standing { count: 0, victims: step(standing.victims), ..*standing };
        milestones(&self.standing) == milestones(standing)
    }
}

/// The delivery of a change that may be claimed.
pub struct Candidate {
    /// The row of the delivery.
    pub row: i64,
    /// The row of the notification.
    pub notification: i64,
    /// An earlier try may have arrived.
    pub is_uncertain: bool,
    /// The operator wants it sent again as it was.
    pub is_forced: bool,
    /// What an earlier try was about to do.
    pub intent: Option<Intent>,
}

/// What came of a delivery that is to be claimed.
pub enum Prepared {
    /// This is to be told; its intent is stored.
    Ready(Box<ChangeContent>),
    /// There is nothing to tell now: it was postponed, or is superseded by what has happened since.
    NotNow,
    /// What it tells of cannot be read, for this reason.
    Unreadable(String),
}

impl<'t> Notifications<'t> {
    pub fn of(transaction: &'t Transaction<'t>, policy: &'t Policy, now: Timestamp) -> Self {
        Self { transaction, policy, now }
    }

    /// Notifiers that are to know of an incident from now on.
    pub fn join(
        &self,
        incident: &Incident,
        notifiers: &BTreeMap<DestinationName, RouteName>,
    ) -> Result<(), StoreError> {
        let mut insert = self.transaction.prepare_cached(
            "INSERT INTO notifications (id, incident, destination, route, fingerprint, document)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (incident, destination) DO NOTHING",
        )?;
        for (destination, route) in notifiers {
            let Some(notifier) = self.policy.notifier(destination) else { continue };
            insert.execute(params![
                NotificationId::generate().as_bytes(),
                row_of(incident.number),
                destination.as_str(),
                route.as_str(),
                notifier.fingerprint,
                to_text(&Notification::new(self.now))?,
            ])?;
        }
        Ok(())
    }

    /// Plans for every notifier of an incident what it is to be told next. Destinations for which it is due now are
    /// added to `to_tell`.
    pub fn arm(&self, incident: &Incident, to_tell: &mut BTreeSet<DestinationName>) -> Result<(), StoreError> {
        for mut stored in self.of_incident(incident.number)? {
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
        for stored in self.of_incident(incident.number)? {
            self.plan(&stored, self.now, urgency(Change::Resolve, incident.rank))?;
        }
        Ok(())
    }

    /// Whether something is due now.
    fn arm_one(&self, incident: &Incident, stored: &mut Stored) -> Result<bool, StoreError> {
        let Some(notifier) = self.policy.notifier(&stored.destination) else {
            // Looked at when the destination is configured again.
            self.plan(stored, self.now, urgency(Change::Resolve, incident.rank))?;
            return Ok(false);
        };
        self.follow_destination(stored, notifier.fingerprint)?;
        let (due, told) = self.due_beside_refused(stored, incident, notifier.class);
        let (at, urgency) = match due {
            Due::Now(intent) if stored.has_refused(&intent, incident) => return Ok(false),
            Due::Now(intent) => (self.now, urgency(intent.change, incident.rank)),
            // Once the resolution is told only the closing remains, for which nothing is sent.
            Due::At(_) if is_over(&told, incident) => return Ok(false),
            Due::At(at) => (at, urgency(stored.next_change(), incident.rank)),
            // What waits is found to be superfluous when it is claimed.
            Due::Nothing | Due::Close(_) => return Ok(false),
        };
        self.plan(stored, at, urgency)?;
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
    /// be reached: the incident is told anew.
    fn follow_destination(&self, stored: &mut Stored, fingerprint: [u8; 16]) -> Result<(), StoreError> {
        if stored.fingerprint == Some(fingerprint) {
            return Ok(());
        }
        stored.fingerprint = Some(fingerprint);
        stored.told = Notification::new(self.now);
        stored.refused.clear();
        self.transaction
            .prepare_cached("UPDATE notifications SET fingerprint = ?2, refused = NULL, document = ?3 WHERE seq = ?1")?
            .execute(params![stored.row, fingerprint, to_text(&stored.told)?])?;
        Ok(())
    }

    /// Ensures that a delivery is claimed at a time. One that waits is brought forward; a back-off after a failure ends
    /// only for something more urgent.
    fn plan(&self, stored: &Stored, at: Timestamp, urgency: u8) -> Result<(), StoreError> {
        let pending = match stored.pending {
            Some(row) => self
                .transaction
                .prepare_cached("SELECT state, tries, not_before, urgency, uncertain FROM deliveries WHERE seq = ?1")?
                .query_row([row], |found| {
                    Ok((row, found.get(0)?, found.get(1)?, found.get(2)?, found.get(3)?, found.get(4)?))
                })
                .optional()?,
            None => None,
        };
        match pending {
            Some((row, WAITING, tries, not_before, planned, is_uncertain)) => {
                let (tries, not_before, planned): (u32, i64, u8) = (tries, not_before, planned);
                let is_uncertain: bool = is_uncertain;
                // What may have arrived is repeated no sooner for what has come since.
                let is_sooner = at.as_millis() < not_before && (tries == 0 || urgency > planned) && !is_uncertain;
                if is_sooner || urgency > planned {
                    let at = if is_sooner { at.as_millis() } else { not_before };
                    self.transaction
                        .prepare_cached(
                            "UPDATE deliveries SET not_before = ?2, urgency = ?3, created_at = min(created_at, ?2),
                             retrying_since = NULL WHERE seq = ?1",
                        )?
                        .execute(params![row, at, urgency.max(planned)])?;
                }
                Ok(())
            }
            // It is planned again when that is settled.
            Some((_, LEASED, ..)) => Ok(()),
            _ => self.insert(stored, at, urgency),
        }
    }

    fn insert(&self, stored: &Stored, at: Timestamp, urgency: u8) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO deliveries (id, notification, destination, route, urgency, not_before, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
            )?
            .execute(params![
                DeliveryId::generate().as_bytes(),
                stored.row,
                stored.destination.as_str(),
                stored.route.as_str(),
                urgency,
                // It counts as waiting from then on.
                at.as_millis()
            ])?;
        let row = self.transaction.last_insert_rowid();
        self.transaction
            .prepare_cached("UPDATE notifications SET pending = ?2 WHERE seq = ?1")?
            .execute([stored.row, row])?;
        self.forget_oldest(stored.row)
    }

    /// An incident may live for ever: of the deliveries of a notification that have ended, the newest are kept.
    fn forget_oldest(&self, notification: i64) -> Result<(), StoreError> {
        let mut select = self.transaction.prepare_cached(
            "SELECT seq FROM deliveries WHERE notification = ?1 AND state IN (2, 3, 4) ORDER BY seq DESC LIMIT ?2 OFFSET ?3",
        )?;
        let surplus: Vec<i64> = select
            .query_map(params![notification, FORGOTTEN_AT_ONCE, ENDED_KEPT], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for delivery in surplus {
            self.transaction.prepare_cached("DELETE FROM attempts WHERE delivery = ?1")?.execute([delivery])?;
            self.transaction.prepare_cached("DELETE FROM deliveries WHERE seq = ?1")?.execute([delivery])?;
        }
        Ok(())
    }

    /// What a claimed delivery tells, with its intent stored.
    pub fn prepare(&self, candidate: &Candidate) -> Result<Prepared, StoreError> {
        let stored = match self.read(candidate.notification)? {
            Some(Ok(stored)) => stored,
            Some(Err(reason)) => {
                self.start_anew(candidate.notification, &reason)?;
                self.release(candidate.notification, candidate.row)?;
                return Ok(Prepared::Unreadable(format!("its notification cannot be read: {reason}")));
            }
            None => {
                self.supersede(candidate.row, None, "its notification is gone")?;
                return Ok(Prepared::NotNow);
            }
        };
        let incidents = Incidents::of(self.transaction, self.policy, self.now);
        match incidents.read(stored.incident)? {
            Some(Ok(incident)) => self.prepare_of(candidate, stored, incident),
            Some(Err(reason)) => {
                incidents.leave_alone(stored.incident, &reason)?;
                self.release(stored.row, candidate.row)?;
                Ok(Prepared::Unreadable(format!("its incident cannot be read: {reason}")))
            }
            None => {
                self.supersede(candidate.row, Some(stored.row), "its incident is gone")?;
                Ok(Prepared::NotNow)
            }
        }
    }

    fn prepare_of(
        &self,
        candidate: &Candidate,
        mut stored: Stored,
        incident: Incident,
    ) -> Result<Prepared, StoreError> {
        let Some(notifier) = self.policy.notifier(&stored.destination) else {
            self.supersede(candidate.row, Some(stored.row), "the destination is no notifier any more")?;
            return Ok(Prepared::NotNow);
        };
        if self.is_another_under_way(&stored, candidate.row)? {
            self.postpone(candidate.row)?;
            return Ok(Prepared::NotNow);
        }
        let is_moved = stored.fingerprint != Some(notifier.fingerprint);
        self.follow_destination(&mut stored, notifier.fingerprint)?;
        let settled_first =
            candidate.intent.clone().filter(|_| candidate.is_forced || (candidate.is_uncertain && !is_moved));
        let intent = match settled_first {
            Some(intent) => intent,
            None => match self.due(candidate, &stored, &incident, notifier.class)? {
                Some(intent) => intent,
                None => return Ok(Prepared::NotNow),
            },
        };
        let Some((event, facets)) = self.texts(stored.incident)? else {
            self.release(stored.row, candidate.row)?;
            return Ok(Prepared::Unreadable("the event that shows its incident is missing".to_owned()));
        };
        self.transaction
            .prepare_cached("UPDATE deliveries SET change = ?2, intent = ?3 WHERE seq = ?1")?
            .execute(params![candidate.row, intent.change.as_str(), to_text(&intent)?])?;
        let content = ChangeContent { notification: stored.id, incident, facets, event, told: stored.told, intent };
        Ok(Prepared::Ready(Box::new(content)))
    }

    /// Changes of one notification happen one after the other.
    fn is_another_under_way(&self, stored: &Stored, delivery: i64) -> Result<bool, StoreError> {
        let mut select = self.transaction.prepare_cached(
            "SELECT 1 FROM deliveries INDEXED BY deliveries_leased
                 WHERE destination = ?1 AND state = 1 AND notification = ?2 AND seq <> ?3",
        )?;
        Ok(select.exists(params![stored.destination.as_str(), stored.row, delivery])?)
    }

    fn postpone(&self, delivery: i64) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("UPDATE deliveries SET not_before = ?2 WHERE seq = ?1")?
            .execute(params![delivery, self.now.plus(POSTPONED).as_millis()])?;
        Ok(())
    }

    fn due(
        &self,
        candidate: &Candidate,
        stored: &Stored,
        incident: &Incident,
        class: NotifierClass,
    ) -> Result<Option<Intent>, StoreError> {
        let (due, taken_as_told) = self.due_beside_refused(stored, incident, class);
        match due {
            Due::Now(intent) if stored.has_refused(&intent, incident) => {
                self.supersede(candidate.row, Some(stored.row), "the destination has refused it")?;
            }
            Due::Now(intent) => return Ok(Some(stored.without_refused(*intent, &taken_as_told))),
            Due::At(at) => {
                let urgency = urgency(stored.next_change(), incident.rank);
                self.transaction
                    .prepare_cached(
                        "UPDATE deliveries SET not_before = ?2, created_at = ?2, urgency = ?3, uncertain = 0,
                         retrying_since = NULL, reason = NULL WHERE seq = ?1",
                    )?
                    .execute(params![candidate.row, at.max(self.now.plus(POSTPONED_MIN)).as_millis(), urgency])?;
            }
            Due::Nothing => self.supersede(candidate.row, Some(stored.row), "nothing was left to tell")?,
            Due::Close(reason) => self.supersede(candidate.row, Some(stored.row), reason)?,
        }
        Ok(None)
    }

    /// A delivery is no longer needed. One that was never tried leaves nothing behind, unless there is a reason to be kept.
    fn supersede(&self, delivery: i64, notification: Option<i64>, reason: &str) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("UPDATE deliveries SET state = 4, lease_until = 0, reason = ?2 WHERE seq = ?1")?
            .execute(params![delivery, reason])?;
        if let Some(notification) = notification {
            self.release(notification, delivery)?;
        }
        Ok(())
    }

    /// The notification has no pending delivery any more.
    fn release(&self, notification: i64, delivery: i64) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("UPDATE notifications SET pending = NULL WHERE seq = ?1 AND pending = ?2")?
            .execute([notification, delivery])?;
        Ok(())
    }

    /// Records the outcome of a try of a change, and plans what is to be told next. The delivery's own row is written
    /// by the caller, except where what was made is gone.
    pub fn settle(&self, delivery: i64, notification: i64, verdict: &Verdict) -> Result<(), StoreError> {
        let sent = self
            .transaction
            .prepare_cached("SELECT intent, is_forced, uncertain FROM deliveries WHERE seq = ?1")?
            .query_row([delivery], |row| Ok((optional_document(row, 0)?, row.get(1)?, row.get(2)?)));
        // The outcome is recorded, even where what was sent cannot be read any more.
        let (intent, is_forced, is_repeated): (Option<Intent>, bool, bool) = readable(sent)?.unwrap_or_default();
        let (Some(mut stored), Some(intent)) = (self.by_row(notification)?, intent) else { return Ok(()) };
        let incidents = Incidents::of(self.transaction, self.policy, self.now);
        let Some(incident) = incidents.incident(stored.incident)? else { return Ok(()) };
        match verdict {
            // What has come since may be more urgent than the back-off allows.
            Verdict::Again { .. } => {
                self.arm_one(&incident, &mut stored)?;
                return Ok(());
            }
            // Batches of sinks have no notification.
            Verdict::DeliveredExcept { .. } | Verdict::Split { .. } => return Ok(()),
            Verdict::Delivered { remote } => {
                let (standing, operation) = (incidents::standing(&incident), intent.operation);
                stored.note_delivered(intent, is_forced, remote.clone(), standing);
                if is_repeated {
                    stored.told.note_doubt(operation, self.now);
                }
            }
            Verdict::Dead { .. } if is_forced => {}
            Verdict::Dead { .. } => {
                stored.note_refused(&intent, incidents::standing(&incident));
            }
            Verdict::Gone { .. } => {
                stored.told.is_gone = true;
                stored.told.reference = None;
            }
        }
        if stored.pending == Some(delivery) {
            stored.pending = None;
        }
        let refused = if stored.refused.is_empty() { None } else { Some(to_text(&stored.refused)?) };
        self.transaction
            .prepare_cached("UPDATE notifications SET pending = ?2, refused = ?3, document = ?4 WHERE seq = ?1")?
            .execute(params![stored.row, stored.pending, refused, to_text(&stored.told)?])?;
        self.arm_one(&incident, &mut stored)?;
        Ok(())
    }

    /// Makes a delivery that was sent by itself, and may have arrived, the opening of a notification: under the id by which
    /// the destination knows it. `false` where the notifier has been told of the incident already.
    pub fn take_over(
        &self,
        incident: &Incident,
        destination: &DestinationName,
        delivery: i64,
        id: DeliveryId,
        event: &Event,
    ) -> Result<bool, StoreError> {
        let stored = self.of_incident(incident.number)?.into_iter().find(|stored| stored.destination == *destination);
        let Some((mut stored, notifier)) = stored.zip(self.policy.notifier(destination)) else { return Ok(false) };
        let is_new = stored.told.said.is_none() && !self.is_tried(stored.pending)?;
        let timing = without_waiting(&self.policy.timing);
        stored.told.reference = Some(Reference::former(id, event.key));
        let due = incidents::due(incident, &stored.told, notifier.class, &timing, self.now);
        let (true, Due::Now(intent)) = (is_new, due) else { return Ok(false) };
        if let Some(pending) = stored.pending {
            self.transaction.prepare_cached("DELETE FROM deliveries WHERE seq = ?1")?.execute([pending])?;
        }
        self.transaction
            .prepare_cached("UPDATE notifications SET id = ?2, pending = ?3, document = ?4 WHERE seq = ?1")?
            .execute(params![stored.row, id.as_bytes(), delivery, to_text(&stored.told)?])?;
        self.transaction
            .prepare_cached(
                "UPDATE deliveries SET event = NULL, notification = ?2, change = ?3, intent = ?4 WHERE seq = ?1",
            )?
            .execute(params![delivery, stored.row, intent.change.as_str(), to_text(&intent)?])?;
        Ok(true)
    }

    fn is_tried(&self, delivery: Option<i64>) -> Result<bool, StoreError> {
        let Some(delivery) = delivery else { return Ok(false) };
        let mut select = self.transaction.prepare_cached("SELECT 1 FROM deliveries WHERE seq = ?1 AND tries > 0")?;
        Ok(select.exists([delivery])?)
    }

    fn of_incident(&self, incident: IncidentNumber) -> Result<Vec<Stored>, StoreError> {
        let statement = format!("{NOTIFICATIONS} WHERE incident = ?1 ORDER BY seq");
        let mut select = self.transaction.prepare_cached(&statement)?;
        let mut rows = select.query([row_of(incident)])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            match readable(stored(row))? {
                Ok(stored) => all.push(stored),
                Err(reason) => {
                    let seq = row.get(0)?;
                    self.start_anew(seq, &reason)?;
                    all.extend(self.read(seq)?.and_then(Result::ok));
                }
            }
        }
        Ok(all)
    }

    fn by_row(&self, row: i64) -> Result<Option<Stored>, StoreError> {
        if let Some(Err(reason)) = self.read(row)? {
            self.start_anew(row, &reason)?;
        }
        Ok(self.read(row)?.and_then(Result::ok))
    }

    /// A notification, or why it cannot be read; `None`: there is none.
    fn read(&self, row: i64) -> Result<Option<Result<Stored, String>>, StoreError> {
        let statement = format!("{NOTIFICATIONS} WHERE seq = ?1");
        readable(self.transaction.prepare_cached(&statement)?.query_row([row], stored).optional())
            .map(Result::transpose)
    }

    /// What a notifier was told is not known any more: the next change is told as if it were the first.
    fn start_anew(&self, row: i64, reason: &str) -> Result<(), StoreError> {
        tracing::error!(
            row,
            reason,
            "what a notifier was told of an incident cannot be read; its next change is told as new"
        );
        self.transaction
            .prepare_cached("UPDATE notifications SET refused = NULL, document = ?2 WHERE seq = ?1")?
            .execute(params![row, to_text(&Notification::new(self.now))?])?;
        Ok(())
    }

    /// The event that shows an incident, and whom and what it concerns; nothing of that where it cannot be read.
    fn texts(&self, incident: IncidentNumber) -> Result<Option<(EventDocument, Facets)>, StoreError> {
        let texts = |row: &Row<'_>| {
            let facets = document_in(row, 1).unwrap_or_default();
            Ok((EventDocument::new(row.get_ref(0)?.as_bytes()?.to_vec()), facets))
        };
        let found = self
            .transaction
            .prepare_cached("SELECT event, facets FROM incident_texts WHERE incident = ?1")?
            .query_row([row_of(incident)], texts)
            .optional();
        Ok(readable(found)?.ok().flatten())
    }
}

impl Stored {
    fn has_refused(&self, intent: &Intent, incident: &Incident) -> bool {
        let standing = incidents::standing(incident);
        self.refused.iter().any(|refusal| refusal.covers(intent, &standing))
    }

    /// The same, so that on success only what it does itself counts as told: what was refused is still untold, and can be
    /// replayed.
    fn without_refused(&self, intent: Intent, taken_as_told: &Notification) -> Intent {
        let (told, then) = (&self.told, intent.then);
        let then = Notification {
            said: if then.said == taken_as_told.said { told.said } else { then.said },
            shown: if then.shown == taken_as_told.shown { told.shown } else { then.shown },
            replies: if then.replies == taken_as_told.replies { told.replies } else { then.replies },
            ..then
        };
        Intent { then, ..intent }
    }

    /// What was refused while the incident stood otherwise may be tried again.
    fn note_refused(&mut self, intent: &Intent, standing: Standing) {
        self.refused.retain(|refusal| refusal.is_of(&standing) && !refusal.covers(intent, &standing));
        self.refused.push(Refusal { change: intent.change, operation: intent.operation, standing });
    }

    /// What a planned time in the future is for.
    fn next_change(&self) -> Change {
        if self.told.said.is_none() { Change::Open } else { Change::Update }
    }

    fn note_delivered(&mut self, intent: Intent, is_forced: bool, remote: Option<Reference>, standing: Standing) {
        // What was sent again on order tells how things stood then.
        let reference = remote.or(self.told.reference.take());
        if !is_forced {
            self.told = intent.then;
        }
        self.told.reference = reference;
        self.refused.retain(|refusal| refusal.is_of(&standing));
    }
}

fn is_over(told: &Notification, incident: &Incident) -> bool {
    let is_told = told.said.is_some_and(|said| said.standing.state == IncidentState::Resolved);
    is_told && incident.state == IncidentState::Resolved && told.doubts.is_empty()
}

/// The place of a change in the order of a destination: what it is, then the rank of the incident.
pub fn urgency(change: Change, rank: Rank) -> u8 {
    change.urgency() * 32 + rank.level().min(31)
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored {
        row: row.get(0)?,
        id: NotificationId::from_bytes(row.get(1)?),
        incident: IncidentNumber(row.get::<_, i64>(2)?.unsigned_abs()),
        destination: name(row, 3)?,
        route: name(row, 4)?,
        fingerprint: row.get(5)?,
        pending: row.get(6)?,
        refused: optional_document(row, 7)?.unwrap_or_default(),
        told: document_in(row, 8)?,
    })
}

/// What is kept as JSON in a column of a row, where there is anything.
pub fn optional_document<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    if row.get_ref(column)? == rusqlite::types::ValueRef::Null { Ok(None) } else { document_in(row, column).map(Some) }
}

const NOTIFICATIONS: &str =
    "SELECT seq, id, incident, destination, route, fingerprint, pending, refused, document FROM notifications";
const WAITING: i64 = 0;
const LEASED: i64 = 1;
/// So many ended deliveries of a notification are kept.
const ENDED_KEPT: i64 = 20;
/// As many as are deleted when one is added: one, unless an earlier version has kept more.
const FORGOTTEN_AT_ONCE: i64 = 20;
/// How long a delivery waits that was sent once and is to be sent again, while another of its notification is under way.
const POSTPONED: std::time::Duration = std::time::Duration::from_secs(1);
/// A delivery that was claimed too early is not claimed again at once.
const POSTPONED_MIN: std::time::Duration = std::time::Duration::from_millis(50);
