//! Batches of a sink: taken from its position in the order of events, one row of `deliveries` each.
//!
//! The row is written, with the range of its events, before anything is sent: after a crash the same batch is sent again
//! under the same id. From then on it is a delivery like any other. The position moves on with it, so that a batch that waits
//! for its next try does not keep the sink from the events behind it.

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::super::{Claim, Content, DeliveryWork, EventRange, Lease, StoreError, Verdict};
use super::batch_search::Search;
use super::numbers::Numbered;
use super::rows::{incident_number, name};
use super::single_events::SingleEvent;
use super::urgency::urgency_of_event;
use super::{id_order, replays};
use crate::domain::{
    BatchEvent, BatchSize, DeliveryId, DestinationName, EventDocument, EventId, Progress, Severity, Timestamp,
};

/// A batch that has been tried.
#[derive(Clone, Copy, Debug)]
pub struct BatchRow {
    pub row: i64,
    pub range: EventRange,
}

impl BatchRow {
    /// Writes what becomes of its events, beside what is written of the batch itself.
    pub fn settle(&self, transaction: &Transaction<'_>, verdict: &Verdict, now: Timestamp) -> Result<(), StoreError> {
        match verdict {
            Verdict::Split { reason } => {
                let (destination, route) = self.destination_and_route(transaction)?;
                let Some(halves) = halves(transaction, &destination, self.range)? else {
                    transaction
                        .prepare_cached("UPDATE deliveries SET state = ?2, reason = ?3 WHERE seq = ?1")?
                        .execute(params![self.row, DEAD, reason])?;
                    return Ok(());
                };
                for half in halves {
                    insert(transaction, &destination, &route, half, (DeliveryId::generate(), now))?;
                }
                Ok(())
            }
            Verdict::DeliveredExcept { refused, again, not_before } => {
                let (destination, route) = self.destination_and_route(transaction)?;
                for (event, reason) in refused {
                    single_out(transaction, (*event, &destination, &route), (DEAD, now), reason)?;
                }
                for (event, reason) in again {
                    single_out(transaction, (*event, &destination, &route), (WAITING, *not_before), reason)?;
                }
                Ok(())
            }
            Verdict::Delivered { .. } | Verdict::Gone { .. } | Verdict::Again { .. } | Verdict::Dead { .. } => Ok(()),
        }
    }

    fn destination_and_route(&self, transaction: &Transaction<'_>) -> Result<(DestinationName, String), StoreError> {
        let mut select = transaction.prepare_cached("SELECT destination, route FROM deliveries WHERE seq = ?1")?;
        Ok(select.query_row([self.row], |row| Ok((name(row, 0)?, row.get(1)?)))?)
    }
}

/// An event of a batch gets a delivery of its own.
fn single_out(
    transaction: &Transaction<'_>,
    (event, destination, route): (EventId, &DestinationName, &str),
    (state, not_before): (i64, Timestamp),
    reason: &str,
) -> Result<(), StoreError> {
    let row = id_order::find(transaction, Numbered::Events, event.as_bytes())?;
    let found: Option<(i64, u8)> = transaction
        .prepare_cached("SELECT seq, severity FROM events WHERE seq = ?1")?
        .query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((event, severity)) = found else { return Ok(()) };
    let severity = Severity::from_id(severity);
    SingleEvent { event, destination, route, severity }.insert(transaction, not_before)?;
    transaction
        .prepare_cached(
            "UPDATE deliveries SET state = ?3, reason = ?4, not_before = ?5 WHERE event = ?1 AND destination = ?2",
        )?
        .execute(params![event, destination.as_str(), state, reason, not_before.as_millis()])?;
    Ok(())
}

/// What is known of a sink.
struct Sink {
    position: i64,
    planned: i64,
    batched: i64,
}

/// What came of the search for the next batch.
pub enum Formed {
    /// It is leased; and whether more waits behind it.
    Batch(Claim<DeliveryWork>, MoreWaits),
    /// None was found in the events that were looked at; there are more.
    NotYet,
    /// Nothing waits for the sink.
    Nothing,
}

/// Whether events wait behind a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoreWaits {
    Yes,
    No,
}

/// Takes the next events of a sink as a batch, under a lease.
pub fn form(
    transaction: &Transaction<'_>,
    destination: &DestinationName,
    size: BatchSize,
    lease: Lease,
) -> Result<Formed, StoreError> {
    let Some(sink) = sink(transaction, destination)?.filter(|sink| sink.planned > sink.batched) else {
        return Ok(Formed::Nothing);
    };
    let found = Search::new(transaction, size).from(sink.position, destination)?;
    transaction
        .prepare_cached(
            "UPDATE sinks SET position = ?2, batched = iif(?4, planned, batched + ?3) WHERE destination = ?1",
        )?
        .execute(params![destination.as_str(), found.position, found.passed, found.is_end])?;
    let Some(range) = found.range else { return Ok(if found.is_end { Formed::Nothing } else { Formed::NotYet }) };
    let more_waits = if found.is_end { MoreWaits::No } else { MoreWaits::Yes };
    Ok(Formed::Batch(lease_out(transaction, destination, &found.route, range, lease)?, more_waits))
}

/// Takes the next events of the replay of a sink as a batch, under a lease.
pub fn form_of_replay(
    transaction: &Transaction<'_>,
    destination: &DestinationName,
    size: BatchSize,
    lease: Lease,
) -> Result<Option<Claim<DeliveryWork>>, StoreError> {
    let range = replays::next_range(transaction, destination, size)?;
    range.map(|range| lease_out(transaction, destination, REPLAY, range, lease)).transpose()
}

fn lease_out(
    transaction: &Transaction<'_>,
    destination: &DestinationName,
    route: &str,
    range: EventRange,
    lease: Lease,
) -> Result<Claim<DeliveryWork>, StoreError> {
    let delivery = DeliveryId::generate();
    let row = insert(transaction, destination, route, range, (delivery, lease.now))?;
    transaction
        .prepare_cached("UPDATE deliveries SET state = 1, generation = 1, tries = 1, lease_until = ?2 WHERE seq = ?1")?
        .execute(params![row, lease.until().as_millis()])?;
    let work = DeliveryWork {
        delivery,
        content: Content::Batch(range),
        tries: 1,
        uncertain: false,
        progress: Progress::default(),
        retrying_since: None,
    };
    Ok(Claim::new(row, 1, work))
}

/// Writes a batch that is due.
fn insert(
    transaction: &Transaction<'_>,
    destination: &DestinationName,
    route: &str,
    range: EventRange,
    (delivery, now): (DeliveryId, Timestamp),
) -> Result<i64, StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO deliveries (id, destination, route, urgency, not_before, created_at, first_event, last_event, events, replay)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            delivery.as_bytes(),
            destination.as_str(),
            route,
            urgency_of_event(Severity::Informational),
            now.as_millis(),
            range.first,
            range.last,
            i64::try_from(range.events).unwrap_or(i64::MAX),
            range.replay
        ])?;
    Ok(transaction.last_insert_rowid())
}

/// The two halves of a batch; `None` where it has one event, or none. Retention may have taken some.
fn halves(
    transaction: &Transaction<'_>,
    destination: &DestinationName,
    range: EventRange,
) -> Result<Option<[EventRange; 2]>, StoreError> {
    let (of, whose) = chosen(destination, range);
    let statement = format!("SELECT count(*) {of}");
    let events: i64 =
        transaction.prepare_cached(&statement)?.query_row(params![range.first, range.last, whose], |row| row.get(0))?;
    let events = events.unsigned_abs();
    if events < 2 {
        return Ok(None);
    }
    let first_half = events / 2;
    let statement = format!("SELECT e.seq {of} {IN_ORDER} LIMIT 2 OFFSET ?4");
    let mut select = transaction.prepare_cached(&statement)?;
    let offset = i64::try_from(first_half - 1).unwrap_or(0);
    let values = params![range.first, range.last, whose, offset];
    let around = select.query_map(values, |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    let [last, first] = around.as_slice() else { return Ok(None) };
    Ok(Some([
        EventRange { last: *last, events: first_half, ..range },
        EventRange { first: *first, events: events - first_half, ..range },
    ]))
}

/// Where the events of a range stand, and whose they are: `?3` there.
fn chosen(destination: &DestinationName, range: EventRange) -> (&'static str, SqlValue) {
    match range.replay {
        Some(replay) => (IN_REPLAY, SqlValue::Integer(replay)),
        None => (IN_RANGE, SqlValue::Text(destination.to_string())),
    }
}

/// The events of a batch as they are kept, in their order. Those that retention has taken are left out.
pub fn events(
    connection: &Connection,
    destination: &DestinationName,
    range: EventRange,
) -> Result<Vec<BatchEvent>, StoreError> {
    let (of, whose) = chosen(destination, range);
    let mut select = connection.prepare_cached(&format!("SELECT e.id, e.document, e.incident {of} {IN_ORDER}"))?;
    let rows = select.query_map(params![range.first, range.last, whose], |row| {
        Ok(BatchEvent {
            id: EventId::from_bytes(row.get(0)?),
            document: EventDocument::with_incident(row.get_ref(1)?.as_bytes()?, incident_number(row, 2)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many events a sink has not been sent and that are in no batch, and when the first of them was received.
pub fn unbatched(connection: &Connection) -> Result<Vec<(String, u64, Timestamp)>, StoreError> {
    let mut select = connection
        .prepare_cached("SELECT destination, planned - batched, position FROM sinks WHERE planned > batched")?;
    let behind = select
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<Vec<(String, i64, i64)>>>()?;
    let mut oldest = connection.prepare_cached(OLDEST_UNBATCHED)?;
    let mut found = Vec::new();
    for (destination, events, position) in behind {
        let at: Option<i64> = oldest.query_row(params![position + 1, destination], |row| row.get(0)).optional()?;
        // What retention has taken waits for nothing.
        found.extend(at.map(|at| (destination, events.unsigned_abs(), Timestamp::from_millis(at))));
    }
    Ok(found)
}

/// The first event that retention has to leave, because one of these destinations has still to be sent it, in a batch that
/// waits or in one to come.
pub fn first_needed(transaction: &Transaction<'_>, destinations: &[DestinationName]) -> Result<i64, StoreError> {
    let mut batched = transaction.prepare_cached(
        "SELECT coalesce(min(first_event), 9223372036854775807) FROM deliveries INDEXED BY deliveries_open_batch
         WHERE first_event IS NOT NULL AND state < 2 AND destination = ?1",
    )?;
    let mut first = i64::MAX;
    for destination in destinations {
        first = first.min(batched.query_row([destination.as_str()], |row| row.get(0))?);
        if let Some(sink) = sink(transaction, destination)?
            && sink.planned > sink.batched
        {
            first = first.min(sink.position + 1);
        }
        first = first.min(replays::first_needed(transaction, destination)?.unwrap_or(i64::MAX));
    }
    Ok(first)
}

/// Counts what was planned in a run, of which nothing is left, as no longer waiting for sinks that had not come to it.
pub fn forget_run(transaction: &Transaction<'_>, (first, last, plan): (i64, i64, i64)) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE sinks SET batched = batched + ?2 - max(?1, position + 1) + 1
             WHERE position < ?2 AND destination IN (SELECT destination FROM plan_sinks WHERE plan = ?3)",
        )?
        .execute([first, last, plan])?;
    transaction.prepare_cached("DELETE FROM plan_runs WHERE first = ?1")?.execute([first])?;
    Ok(())
}

/// Closes what was planned for a destination that was removed for good; how many events it has not been sent.
pub fn discard(transaction: &Transaction<'_>, destination: &DestinationName) -> Result<u64, StoreError> {
    let behind = sink(transaction, destination)?.map_or(0, |sink| sink.planned - sink.batched);
    transaction.execute("DELETE FROM sinks WHERE destination = ?1", [destination.as_str()])?;
    let replayed = replays::stop(transaction, destination)?;
    Ok(u64::try_from(behind).unwrap_or(0) + replayed)
}

/// Has a dead batch that holds an event sent again.
pub fn revive(
    transaction: &Transaction<'_>,
    destination: &DestinationName,
    event: i64,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let Some(batch) = of_event(transaction, destination, event)? else { return Ok(0) };
    let mut update = transaction.prepare_cached(
        "UPDATE deliveries SET state = 0, not_before = ?2, retrying_since = NULL WHERE seq = ?1 AND state = 3",
    )?;
    Ok(update.execute(params![batch, now.as_millis()])?)
}

/// The live batch whose range holds an event: there is at most one that was neither discarded nor halved, because batches are
/// taken one behind the other.
pub fn of_event(
    transaction: &Transaction<'_>,
    destination: &DestinationName,
    event: i64,
) -> Result<Option<i64>, StoreError> {
    let mut select = transaction.prepare_cached(
        "SELECT seq, last_event FROM deliveries
         WHERE destination = ?1 AND first_event <= ?2 AND replay IS NULL AND state <> 4
         ORDER BY first_event DESC LIMIT 1",
    )?;
    let found: Option<(i64, i64)> =
        select.query_row(params![destination.as_str(), event], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.filter(|(_, last)| *last >= event).map(|(batch, _)| batch))
}

/// Whether a sink has still to come to an event.
pub fn is_before(transaction: &Transaction<'_>, destination: &DestinationName, event: i64) -> Result<bool, StoreError> {
    Ok(sink(transaction, destination)?.is_some_and(|sink| sink.position < event))
}

/// What was planned for a destination while it was a sink becomes deliveries of single events, now that it tells incidents: a
/// few at a time. Whether nothing of it is left.
pub fn hand_over(
    transaction: &Transaction<'_>,
    destination: &DestinationName,
    lease: Lease,
) -> Result<bool, StoreError> {
    // Incidents of the past are not told again.
    if replays::first_needed(transaction, destination)?.is_some() {
        replays::stop(transaction, destination)?;
    }
    if sink(transaction, destination)?.is_none() {
        return Ok(true);
    }
    match form(transaction, destination, HANDED_OVER, lease)? {
        Formed::Batch(claim, _) => {
            if let Content::Batch(range) = claim.work().content {
                scatter(transaction, destination, (claim.row, range), lease.now)?;
            }
            Ok(false)
        }
        Formed::NotYet => Ok(false),
        Formed::Nothing => {
            transaction
                .prepare_cached("DELETE FROM sinks WHERE destination = ?1 AND planned <= batched")?
                .execute([destination.as_str()])?;
            Ok(true)
        }
    }
}

/// A batch of a destination that tells incidents now: its events become deliveries of their own, but for those of a replay.
pub fn scatter(
    transaction: &Transaction<'_>,
    destination: &DestinationName,
    (batch, range): (i64, EventRange),
    now: Timestamp,
) -> Result<(), StoreError> {
    let statement = format!("SELECT e.seq, e.severity, s.route {IN_RANGE} {IN_ORDER}");
    let mut select = transaction.prepare_cached(&statement)?;
    let rows = select
        .query_map(params![range.first, range.last, destination.as_str()], |row| {
            Ok((row.get(0)?, Severity::from_id(row.get(1)?), row.get(2)?))
        })?
        .collect::<rusqlite::Result<Vec<(i64, Severity, String)>>>()?;
    for (event, severity, route) in rows.into_iter().filter(|_| range.replay.is_none()) {
        SingleEvent { event, destination, route: &route, severity }.insert(transaction, now)?;
    }
    transaction
        .prepare_cached(
            "UPDATE deliveries SET state = 4, lease_until = 0, reason = 'the destination is a notifier now' WHERE seq = ?1",
        )?
        .execute([batch])?;
    Ok(())
}

/// The range of a row with `first_event, last_event, events, replay`, where it is a batch.
pub fn range(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<EventRange>> {
    let Some(first) = row.get::<_, Option<i64>>(column)? else { return Ok(None) };
    let events: i64 = row.get(column + 2)?;
    let (last, replay) = (row.get(column + 1)?, row.get(column + 3)?);
    Ok(Some(EventRange { first, last, events: events.unsigned_abs(), replay }))
}

fn sink(transaction: &Transaction<'_>, destination: &DestinationName) -> Result<Option<Sink>, StoreError> {
    let mut select =
        transaction.prepare_cached("SELECT position, planned, batched FROM sinks WHERE destination = ?1")?;
    let sink = select.query_row([destination.as_str()], |row| {
        Ok(Sink { position: row.get(0)?, planned: row.get(1)?, batched: row.get(2)? })
    });
    Ok(sink.optional()?)
}

/// As much as is taken into incidents in one transaction.
const HANDED_OVER: BatchSize = BatchSize { events: 24, bytes: 1 << 20 };
const WAITING: i64 = 0;
const DEAD: i64 = 3;
/// What stands for the route of a batch of a replay: its events were chosen by several.
const REPLAY: &str = "replay";
/// The events of a range that were planned for a destination: `?1` and `?2` are the range, `?3` is the destination.
///
/// The order of the tables is prescribed, and by [`IN_ORDER`] that of the rows with it: left to itself SQLite reads all
/// events and looks for the run of each.
const IN_RANGE: &str = "FROM plan_runs r CROSS JOIN plan_sinks s ON s.plan = r.plan AND s.destination = ?3
    CROSS JOIN events e ON e.seq BETWEEN max(r.first, ?1) AND min(r.last, ?2)
    WHERE r.first >= coalesce((SELECT max(first) FROM plan_runs WHERE first <= ?1), 0) AND r.first <= ?2";
/// The events of a range that were chosen by a replay, which is `?3`.
const IN_REPLAY: &str = "FROM replay_runs r CROSS JOIN events e ON e.seq BETWEEN max(r.first, ?1) AND min(r.last, ?2)
    WHERE r.replay = ?3 AND r.first <= ?2
    AND r.first >= coalesce((SELECT max(first) FROM replay_runs WHERE replay = ?3 AND first <= ?1), 0)";
/// The rows of [`IN_RANGE`] and [`IN_REPLAY`] as events were recorded. Runs do not overlap.
const IN_ORDER: &str = "ORDER BY r.first, e.seq";
/// When the first event was received that a sink has still to be sent: `?1` is the row behind its position.
const OLDEST_UNBATCHED: &str = "SELECT e.received_at FROM plan_runs r
    CROSS JOIN plan_sinks s ON s.plan = r.plan AND s.destination = ?2
    CROSS JOIN events e ON e.seq BETWEEN max(r.first, ?1) AND r.last
    WHERE r.first >= coalesce((SELECT max(first) FROM plan_runs WHERE first <= ?1), 0)
    ORDER BY r.first, e.seq LIMIT 1";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::StatementStatus;

    use super::super::schema;
    use super::*;

    /// A store with events of 100 runs, every other of which goes to the archive.
    fn with_events(events: i64) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::prepare(&mut connection, Path::new("test.db")).unwrap();
        connection.execute_batch("INSERT INTO plan_sinks VALUES (1, 'archive', 'all'), (2, 'other', 'all')").unwrap();
        connection
            .execute(
                "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
                 INSERT INTO events
                 SELECT n, randomblob(16), randomblob(16), 'akto', n, 3, 0, 0, '', '{}', NULL, NULL FROM n",
                [events],
            )
            .unwrap();
        connection
            .execute(
                "WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 99)
                 INSERT INTO plan_runs SELECT 1 + n * ?1, (n + 1) * ?1, 1 + n % 2 FROM n",
                [events / 100],
            )
            .unwrap();
        connection
    }

    /// What SQLite did for a batch, in steps of its machine.
    fn steps(connection: &Connection, range: EventRange) -> i32 {
        let found = events(connection, &"archive".parse().unwrap(), range).unwrap();
        assert_eq!(found.len() as u64, range.events);
        let statement = connection.prepare_cached(&format!("SELECT e.id, e.document {IN_RANGE} {IN_ORDER}")).unwrap();
        assert_eq!(statement.get_status(StatementStatus::Sort), 0);
        statement.get_status(StatementStatus::VmStep)
    }

    #[test]
    fn a_batch_is_read_without_its_neighbours() {
        let [few, many] = [with_events(2_000), with_events(200_000)];
        let few = steps(&few, EventRange { first: 41, last: 60, events: 20, replay: None });
        let many = steps(&many, EventRange { first: 120_001, last: 120_020, events: 20, replay: None });
        assert!(many <= few + 10, "{few} steps among 2,000 events, {many} among 200,000");
    }
}
