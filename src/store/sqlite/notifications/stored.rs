//! The rows of notifications.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use super::super::super::StoreError;
use super::super::rows::{document_in, name, optional_document, readable, row_of, to_text};
use crate::domain::{
    Change, DestinationName, Incident, IncidentNumber, Intent, Notification, NotificationId, Operation, Reference,
    RouteName, Standing, Timestamp,
};
use crate::incidents;

/// A notification as it is stored.
pub struct Stored {
    pub row: i64,
    pub id: NotificationId,
    pub incident: IncidentNumber,
    pub destination: DestinationName,
    pub route: RouteName,
    pub fingerprint: Option<[u8; 16]>,
    /// The delivery that waits or is under way.
    pub pending: Option<i64>,
    pub refused: Vec<Refusal>,
    pub told: Notification,
}

/// What a destination has refused: it is not tried again by itself until the incident has changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
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

impl Stored {
    pub fn has_refused(&self, intent: &Intent, incident: &Incident) -> bool {
        let standing = incidents::standing(incident);
        self.refused.iter().any(|refusal| refusal.covers(intent, &standing))
    }

    /// The same, so that on success only what it does itself counts as told: what was refused is still untold, and can be
    /// replayed.
    pub fn without_refused(&self, intent: Intent, taken_as_told: &Notification) -> Intent {
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
    pub fn note_refused(&mut self, intent: &Intent, standing: Standing) {
        self.refused.retain(|refusal| refusal.is_of(&standing) && !refusal.covers(intent, &standing));
        self.refused.push(Refusal { change: intent.change, operation: intent.operation, standing });
    }

    /// What a planned time in the future is for.
    pub fn next_change(&self) -> Change {
        if self.told.said.is_none() { Change::Open } else { Change::Update }
    }

    pub fn note_delivered(&mut self, intent: Intent, is_forced: bool, remote: Option<Reference>, standing: Standing) {
        // What was sent again on order tells how things stood then.
        let reference = remote.or(self.told.reference.take());
        if !is_forced {
            self.told = intent.then;
        }
        self.told.reference = reference;
        self.refused.retain(|refusal| refusal.is_of(&standing));
    }
}

/// Rows of notifications in one transaction.
pub struct NotificationRows<'t> {
    transaction: &'t Transaction<'t>,
    now: Timestamp,
}

impl<'t> NotificationRows<'t> {
    pub fn of(transaction: &'t Transaction<'t>, now: Timestamp) -> Self {
        Self { transaction, now }
    }

    pub fn of_incident(&self, incident: IncidentNumber) -> Result<Vec<Stored>, StoreError> {
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

    pub fn by_row(&self, row: i64) -> Result<Option<Stored>, StoreError> {
        if let Some(Err(reason)) = self.read(row)? {
            self.start_anew(row, &reason)?;
        }
        Ok(self.read(row)?.and_then(Result::ok))
    }

    /// A notification, or why it cannot be read; `None`: there is none.
    pub fn read(&self, row: i64) -> Result<Option<Result<Stored, String>>, StoreError> {
        let statement = format!("{NOTIFICATIONS} WHERE seq = ?1");
        readable(self.transaction.prepare_cached(&statement)?.query_row([row], stored).optional())
            .map(Result::transpose)
    }

    /// What a notifier was told is not known any more: the next change is told as if it were the first.
    pub fn start_anew(&self, row: i64, reason: &str) -> Result<(), StoreError> {
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

const NOTIFICATIONS: &str =
    "SELECT seq, id, incident, destination, route, fingerprint, pending, refused, document FROM notifications";
