//! What a delivery of a change tells, found out when it is claimed.

use rusqlite::{OptionalExtension, Row, params};

use super::super::super::{ChangeContent, StoreError};
use super::super::incident_rows::IncidentRows;
use super::super::rows::{document_in, readable, row_of, to_text};
use super::super::urgency::urgency_of_change;
use super::Notifications;
use super::stored::Stored;
use crate::domain::{Change, EventDocument, Facets, Incident, IncidentNumber, Intent, NotifierClass};
use crate::incidents::{self, Due};

/// The delivery of a change that may be claimed.
pub struct Candidate {
    /// The row of the delivery.
    pub row: i64,
    /// The row of the notification.
    pub notification: i64,
    /// An earlier try may have arrived, or has and was not finished yet.
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
    /// The same, instead of what an earlier try may have told: this was never sent.
    Instead(Box<ChangeContent>),
    /// There is nothing to tell now: it was postponed, or is superseded by what has happened since.
    NotNow,
    /// What it tells of cannot be read, for this reason.
    Unreadable(String),
}

impl Notifications<'_> {
    /// What a claimed delivery tells, with its intent stored.
    pub fn prepare(&self, candidate: &Candidate) -> Result<Prepared, StoreError> {
        let stored = match self.rows().read(candidate.notification)? {
            Some(Ok(stored)) => stored,
            Some(Err(reason)) => {
                self.rows().start_anew(candidate.notification, &reason)?;
                self.queue().release(candidate.notification, candidate.row)?;
                return Ok(Prepared::Unreadable(format!("its notification cannot be read: {reason}")));
            }
            None => {
                self.queue().supersede(candidate.row, None, "its notification is gone")?;
                return Ok(Prepared::NotNow);
            }
        };
        let incidents = IncidentRows::of(self.transaction, self.policy, self.now);
        match incidents.read(stored.incident)? {
            Some(Ok(incident)) => self.prepare_of(candidate, stored, incident),
            Some(Err(reason)) => {
                incidents.leave_alone(stored.incident, &reason)?;
                self.queue().release(stored.row, candidate.row)?;
                Ok(Prepared::Unreadable(format!("its incident cannot be read: {reason}")))
            }
            None => {
                self.queue().supersede(candidate.row, Some(stored.row), "its incident is gone")?;
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
            self.queue().supersede(candidate.row, Some(stored.row), "the destination is no notifier any more")?;
            return Ok(Prepared::NotNow);
        };
        if self.queue().is_another_under_way(&stored, candidate.row)? {
            self.queue().postpone(candidate.row)?;
            return Ok(Prepared::NotNow);
        }
        let is_moved = self.follow_destination(&mut stored, notifier.fingerprint)?;
        let settled_first =
            candidate.intent.clone().filter(|_| candidate.is_forced || (candidate.is_uncertain && !is_moved));
        let worse = settled_first.as_ref().filter(|_| !candidate.is_forced);
        let worse = worse.and_then(|doubtful| self.worse_than(doubtful, &stored, &incident, notifier.class));
        let is_instead = worse.is_some();
        if let (Some(_), Some(doubtful)) = (&worse, &settled_first) {
            stored.told = doubtful.then.clone();
            self.queue().begin_anew(candidate.row)?;
        }
        let intent = match worse.or(settled_first) {
            Some(intent) => intent,
            None => match self.due(candidate, &stored, &incident, notifier.class)? {
                Some(intent) => intent,
                None => return Ok(Prepared::NotNow),
            },
        };
        let Some((event, facets)) = self.texts(stored.incident)? else {
            self.queue().release(stored.row, candidate.row)?;
            return Ok(Prepared::Unreadable("the event that shows its incident is missing".to_owned()));
        };
        self.transaction
            .prepare_cached("UPDATE deliveries SET change = ?2, intent = ?3 WHERE seq = ?1")?
            .execute(params![candidate.row, intent.change.as_str(), to_text(&intent)?])?;
        let content = ChangeContent { notification: stored.id, incident, facets, event, told: stored.told, intent };
        let content = Box::new(content);
        Ok(if is_instead { Prepared::Instead(content) } else { Prepared::Ready(content) })
    }

    /// Where the incident is worse than a message says that may have arrived and can neither be edited nor looked for: that,
    /// as a message of its own. It says all that there is to say, so the doubtful one is taken as told.
    fn worse_than(
        &self,
        doubtful: &Intent,
        stored: &Stored,
        incident: &Incident,
        class: NotifierClass,
    ) -> Option<Intent> {
        if class != NotifierClass::AppendOnly {
            return None;
        }
        match incidents::due(incident, &doubtful.then, class, &self.policy.timing, self.now) {
            Due::Now(intent) if intent.change == Change::Raise && !stored.has_refused(&intent, incident) => {
                Some(*intent)
            }
            _ => None,
        }
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
                self.queue().supersede(candidate.row, Some(stored.row), "the destination has refused it")?;
            }
            Due::Now(intent) => return Ok(Some(stored.without_refused(*intent, &taken_as_told))),
            Due::At(at) => {
                let urgency = urgency_of_change(stored.next_change(), incident.rank);
                self.queue().put_off(candidate.row, at, urgency)?;
            }
            Due::Nothing => self.queue().supersede(candidate.row, Some(stored.row), "nothing was left to tell")?,
            Due::Close(reason) => self.queue().supersede(candidate.row, Some(stored.row), reason)?,
        }
        Ok(None)
    }

    /// The event that shows an incident, and its actors, targets and victims; nothing where they cannot be read.
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
