//! What became of a delivery of a change.

use rusqlite::params;

use super::super::super::{StoreError, Verdict};
use super::super::incident_rows::IncidentRows;
use super::super::rows::{optional_document, readable, to_text};
use super::Notifications;
use crate::domain::Intent;
use crate::incidents;

impl Notifications<'_> {
    /// Records the outcome of a try of a change, and plans what is to be told next. The delivery's own row is written
    /// by the caller, except where what was made is gone.
    pub fn settle(&self, delivery: i64, notification: i64, verdict: &Verdict) -> Result<(), StoreError> {
        let sent = self
            .transaction
            .prepare_cached("SELECT intent, is_forced, uncertain = 1 FROM deliveries WHERE seq = ?1")?
            .query_row([delivery], |row| Ok((optional_document(row, 0)?, row.get(1)?, row.get(2)?)));
        // The outcome is recorded, even where what was sent cannot be read any more.
        let (intent, is_forced, is_repeated): (Option<Intent>, bool, bool) = readable(sent)?.unwrap_or_default();
        let (Some(mut stored), Some(intent)) = (self.rows().by_row(notification)?, intent) else { return Ok(()) };
        let incidents = IncidentRows::of(self.transaction, self.policy, self.now);
        let Some(incident) = incidents.readable(stored.incident)? else { return Ok(()) };
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
                self.fall_back_from_refusal(&incident, &stored, intent.change)?;
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
}
