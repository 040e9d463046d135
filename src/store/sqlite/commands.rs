//! The operator's orders about incidents. They may come from another process than the one that serves, which finds what they
//! planned when it looks for work.

use rusqlite::{OptionalExtension, Transaction, params};

use super::super::{Commands, Policy, StoreError};
use super::incident_rows::IncidentRows;
use super::notifications::Notifications;
use super::rows::{row_limit, row_of};
use super::{SqliteStore, batches};
use crate::domain::{DeliveryId, DestinationName, Incident, IncidentNumber, Milestone, Origin, Timestamp};
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
            let incidents = IncidentRows::of(transaction, &policy, now);
            let mut incident = match incidents.read(number)? {
                Some(Ok(incident)) => incident,
                Some(Err(reason)) => return Err(StoreError::Failed(format!("{number} cannot be read: {reason}"))),
                None => return Err(StoreError::Failed(format!("there is no incident {number}"))),
            };
            let brings_back = order == Order::Reopen || order == Order::Acknowledge && !incident.state.is_live();
            if brings_back && let Some(successor) = live_successor(transaction, &incident)? {
                return Ok(Err(OrderError::Succeeded { number, successor }));
            }
            let milestone = match obey(&mut incident, order, by, note, now) {
                Ok(milestone) => milestone,
                Err(error) => return Ok(Err(error)),
            };
            incidents.save(&incident)?;
            incidents.add_milestones(number, std::slice::from_ref(&milestone))?;
            Notifications::of(transaction, &policy, now).arm_blindly(&incident)?;
            Ok(Ok(milestone))
        });
        ticket.wait()
    }

    fn discard(&self, destination: &DestinationName) -> Result<u64, StoreError> {
        // First what plans deliveries, so that none comes after the last was closed.
        let mut closed = self.discarding(destination, 0, |transaction, name, _| batches::discard(transaction, name))?;
        for part in [close_notifications, close_leased, close_waiting, close_dead] {
            let mut after = 0;
            loop {
                let part = self.discarding(destination, after, part)?;
                closed += part.events;
                after = part.last;
                if part.rows < DISCARDED_AT_ONCE {
                    break;
                }
            }
        }
        Ok(closed)
    }

    fn discard_dead(&self, delivery: DeliveryId) -> Result<bool, StoreError> {
        let closing = self
            .writer
            .write(move |transaction| Ok(transaction.prepare_cached(CLOSE_DEAD)?.execute([delivery.as_bytes()])? > 0));
        closing.wait()
    }
}

impl SqliteStore {
    fn discarding<T: Send + 'static>(
        &self,
        destination: &DestinationName,
        after: i64,
        part: fn(&Transaction<'_>, &DestinationName, i64) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let destination = destination.clone();
        self.writer.write(move |transaction| part(transaction, &destination, after)).wait()
    }
}

/// What was closed in one transaction.
#[derive(Clone, Copy, Debug, Default)]
struct Closed {
    /// Rows that were looked for: fewer than [`DISCARDED_AT_ONCE`] means that none is left.
    rows: usize,
    /// The row behind which the next transaction goes on.
    last: i64,
    /// Deliveries; of a sink: events.
    events: u64,
}

/// Notifications are forgotten, and what waits of them is closed.
fn close_notifications(
    transaction: &Transaction<'_>,
    destination: &DestinationName,
    after: i64,
) -> Result<Closed, StoreError> {
    let found: Vec<i64> = transaction
        .prepare_cached("SELECT seq FROM notifications WHERE seq > ?3 AND destination = ?1 ORDER BY seq LIMIT ?2")?
        .query_map(params![destination.as_str(), row_limit(DISCARDED_AT_ONCE), after], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut close = transaction.prepare_cached(CLOSE_CHANGES)?;
    let mut forget = transaction.prepare_cached("DELETE FROM notifications WHERE seq = ?1")?;
    let mut events = 0;
    for notification in &found {
        events += close.execute([notification])? as u64;
        forget.execute([notification])?;
    }
    Ok(Closed { rows: found.len(), last: found.last().copied().unwrap_or(after), events })
}

/// What is closed here leaves the index, so that the next transaction begins at the beginning. What is under way is closed
/// too: the worker of a destination that was removed ends by itself, and finds its lease lost.
fn close_leased(transaction: &Transaction<'_>, destination: &DestinationName, _: i64) -> Result<Closed, StoreError> {
    close(transaction, destination, 0, "deliveries_leased WHERE state = 1")
}

fn close_waiting(transaction: &Transaction<'_>, destination: &DestinationName, _: i64) -> Result<Closed, StoreError> {
    close(transaction, destination, 0, "deliveries_due WHERE state = 0")
}

/// Dead letters of all destinations stand in one order.
fn close_dead(transaction: &Transaction<'_>, destination: &DestinationName, after: i64) -> Result<Closed, StoreError> {
    close(transaction, destination, after, "deliveries_dead WHERE state = 3")
}

fn close(
    transaction: &Transaction<'_>,
    destination: &DestinationName,
    after: i64,
    of: &str,
) -> Result<Closed, StoreError> {
    let found: Vec<(i64, i64)> = transaction
        .prepare_cached(&format!(
            "SELECT seq, coalesce(events, 1) FROM deliveries INDEXED BY {of} AND seq > ?3 AND destination = ?1 LIMIT ?2"
        ))?
        .query_map(params![destination.as_str(), row_limit(DISCARDED_AT_ONCE), after], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<Result<_, _>>()?;
    let mut update = transaction.prepare_cached(CLOSE)?;
    let mut closed = Closed { rows: found.len(), last: after, events: 0 };
    for (row, events) in found {
        update.execute([row])?;
        closed.last = closed.last.max(row);
        closed.events += events.unsigned_abs();
    }
    Ok(closed)
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

/// Few enough that intake need not wait.
const DISCARDED_AT_ONCE: usize = 500;
const CLOSE: &str =
    "UPDATE deliveries SET state = 4, lease_until = 0, reason = 'discarded by the operator' WHERE seq = ?1";
const CLOSE_DEAD: &str = "UPDATE deliveries SET state = 4, lease_until = 0,
    reason = 'discarded by the operator' || coalesce('; ' || reason, '') WHERE id = ?1 AND state = 3";
const CLOSE_CHANGES: &str = "UPDATE deliveries SET state = 4, lease_until = 0, reason = 'discarded by the operator'
    WHERE notification = ?1 AND state IN (0, 1, 3)";
