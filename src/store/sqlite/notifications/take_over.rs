//! A delivery that was sent by itself becomes the opening of a notification.

use std::time::Duration;

use rusqlite::params;

use super::super::super::StoreError;
use super::super::rows::to_text;
use super::Notifications;
use crate::domain::{DeliveryId, DestinationName, Event, Incident, Reference};
use crate::incidents::{self, Due, Timing};

impl Notifications<'_> {
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
        let stored =
            self.rows().of_incident(incident.number)?.into_iter().find(|stored| stored.destination == *destination);
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
}

/// Times that do not wait: to find out what an event that was sent already had opened.
fn without_waiting(timing: &Timing) -> Timing {
    Timing { wait: Duration::ZERO, ..*timing }
}
