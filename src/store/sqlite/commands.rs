//! The operator's orders about incidents. They may come from another process than the one that serves, which finds what they
//! planned when it looks for work.

use rusqlite::{OptionalExtension, Transaction, params};

use super::super::{Commands, Policy, StoreError};
use super::incidents::{Incidents, row_of};
use super::notifications::Notifications;
use super::{SqliteStore, batches};
use crate::domain::{DestinationName, Incident, IncidentNumber, Milestone, Origin, Timestamp};
use crate::incidents::{Order, OrderError, obey};

impl Commands for SqliteStore {
    fn order(
        &self,
        number: IncidentNumber,
        order: Order,
        by: Origin,
        note: Option<String>,
        now: Timestamp,
    ) -> Result<Result<Milestone, OrderError>, StoreError> {
        let ticket = self.writer.write(move |transaction| {
            // Only the process that serves knows the notifiers; here a check of each notification is planned.
            let policy = Policy::default();
            let incidents = Incidents::of(transaction, &policy, now);
            let mut incident = match incidents.read(number)? {
                Some(Ok(incident)) => incident,
                Some(Err(reason)) => return Err(StoreError::Failed(format!("{number} cannot be read: {reason}"))),
                None => return Err(StoreError::Failed(format!("there is no incident {number}"))),
            };
            if order == Order::Reopen
                && let Some(successor) = live_successor(transaction, &incident)?
            {
                return Ok(Err(OrderError::Succeeded { number, successor }));
            }
            let milestone = match obey(&mut incident, order, by, note, now) {
                Ok(milestone) => milestone,
                Err(error) => return Ok(Err(error)),
            };
            incidents.save_incident(&incident)?;
            incidents.add_milestones(number, std::slice::from_ref(&milestone))?;
            Notifications::of(transaction, &policy, now).arm_blindly(&incident)?;
            Ok(Ok(milestone))
        });
        ticket.wait()
    }

    fn discard(&self, destination: &DestinationName) -> Result<u64, StoreError> {
        let destination = destination.clone();
        let ticket = self.writer.write(move |transaction| {
            let closed: i64 = transaction.query_row(
                "SELECT coalesce(sum(coalesce(events, 1)), 0) FROM deliveries WHERE destination = ?1 AND state IN (0, 3)",
                [destination.as_str()],
                |row| row.get(0),
            )?;
            transaction.execute(
                "UPDATE deliveries SET state = 4, lease_until = 0, reason = 'discarded by the operator'
                 WHERE destination = ?1 AND state IN (0, 3)",
                [destination.as_str()],
            )?;
            transaction.execute("DELETE FROM notifications WHERE destination = ?1", [destination.as_str()])?;
            let unsent = batches::discard(transaction, &destination)?;
            Ok(closed.unsigned_abs() + unsent)
        });
        ticket.wait()
    }
}

/// Another incident of the same key that is live.
fn live_successor(transaction: &Transaction<'_>, incident: &Incident) -> Result<Option<IncidentNumber>, StoreError> {
    let found: Option<i64> = transaction
        .prepare_cached("SELECT number FROM incidents WHERE source = ?1 AND key = ?2 AND is_live = 1 AND number <> ?3")?
        .query_row(params![incident.source.as_str(), incident.key.as_bytes(), row_of(incident.number)], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(found.map(|number| IncidentNumber(number.unsigned_abs())))
}
