//! Retention in small steps, and a consistent copy while it runs.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use rusqlite::{Row, Transaction, params};

use super::super::{Hastened, Horizons, NotedTime, Policy, StoreError, Ticket, Upkeep};
use super::connection::create_private;
use super::incidents::Incidents;
use super::numbers::Numbered;
use super::rows::row_limit;
use super::{IncidentWalk, SqliteStore, batches, bodies, id_order, keys, replays, runs};
use crate::domain::{DestinationName, Timestamp};

impl Upkeep for SqliteStore {
    fn prune(&self, horizons: Horizons, destinations: Vec<DestinationName>, limit: usize) -> Ticket<usize> {
        let (forgets, walk) = (Arc::clone(&self.forgets), Arc::clone(&self.incident_walk));
        self.writer.write(move |transaction| {
            let keys = keys::prune(transaction, horizons.keys, limit)?;
            if keys > 0 && !forgets.swap(true, Ordering::AcqRel) {
                transaction.execute("UPDATE pulse SET forgets = 1 WHERE id = 1", [])?;
            }
            let mut left = limit - keys;
            left -= prune_results(transaction, horizons.receipts, left)?.min(left);
            left -= prune_receipts(transaction, horizons.receipts, left)?.min(left);
            left -= prune_events(transaction, &destinations, horizons.events, left)?.min(left);
            left -= prune_batches(transaction, horizons.events, left)?.min(left);
            left -= prune_forgotten(transaction, horizons.events, left)?.min(left);
            let mut walk = walk.lock().unwrap_or_else(PoisonError::into_inner);
            left -= prune_incidents(transaction, &mut walk, horizons.events, left)?.min(left);
            Ok(limit - left)
        })
    }

    /// The row that counts checks of whether the disk can be written holds the time, too: each check adds a millisecond.
    fn noted_time(&self) -> Result<Option<NotedTime>, StoreError> {
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let (settled, vouched): (i64, i64) =
            self.reader.lock().query_row("SELECT at, vouched FROM pulse WHERE id = 1", [], read)?;
        let noted = NotedTime { settled: Timestamp::from_millis(settled), vouched: Timestamp::from_millis(vouched) };
        Ok((settled >= NOTED_MILLIS_MIN).then_some(noted))
    }

    fn note_time(&self, now: NotedTime) -> Ticket<()> {
        self.writer.write(move |transaction| {
            let times = params![now.settled.as_millis(), now.vouched.as_millis()];
            transaction.execute("UPDATE pulse SET at = ?1, vouched = ?2 WHERE id = 1", times)?;
            Ok(())
        })
    }

    fn hasten(&self, what: Hastened, beyond: Timestamp, now: Timestamp, limit: usize) -> Ticket<usize> {
        self.writer.write(move |transaction| {
            let run = |statement: &str, left: usize| -> Result<usize, StoreError> {
                let values = params![beyond.as_millis(), now.as_millis(), row_limit(left)];
                Ok(transaction.prepare_cached(statement)?.execute(values)?)
            };
            match what {
                Hastened::Retries => run(HASTEN_RETRIES, limit),
                Hastened::All => {
                    let deliveries = run(HASTEN_DELIVERIES, limit)?;
                    // The settings say only when an incident is checked next, and it is checked now.
                    let policy = Policy::default();
                    let incidents = Incidents::of(transaction, &policy, now);
                    Ok(deliveries + incidents.set_back(beyond, limit.saturating_sub(deliveries))?)
                }
            }
        })
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        if to.exists() {
            return Err(StoreError::Failed(format!("{} exists already", to.display())));
        }
        let refused =
            |error: std::io::Error| StoreError::Failed(format!("{} cannot be created: {error}", to.display()));
        create_private(to).map_err(refused)?;
        // VACUUM INTO reads one snapshot and fills a complete file without a WAL.
        let target = to.to_string_lossy().into_owned();
        self.reader.lock().execute("VACUUM INTO ?1", [target])?;
        let copy = rusqlite::Connection::open(to)?;
        let verdict: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if verdict == "ok" { Ok(()) } else { Err(StoreError::Broken(format!("the copy is not sound: {verdict}"))) }
    }
}

fn prune_results(transaction: &Transaction<'_>, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(transaction.prepare_cached(PRUNE_RESULTS)?.execute(params![before.as_millis(), limit])?)
}

/// Deletes old receipts, few enough that the pages of their bodies are freed quickly: freeing a page reads it.
fn prune_receipts(transaction: &Transaction<'_>, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut select = transaction.prepare_cached(&format!(
        "SELECT r.seq, r.bytes, r.long_body
         FROM (SELECT seq, bytes, received_at, long_body FROM receipts ORDER BY seq LIMIT ?2) AS r
         WHERE r.received_at < ?1 AND NOT {}
         AND NOT EXISTS (SELECT 1 FROM receipt_queue q WHERE q.seq = r.seq)",
        runs::WAITS
    ))?;
    let rows =
        select.query_map(params![before.as_millis(), limit], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let oldest: Vec<(i64, i64, Option<i64>)> = rows.collect::<Result<_, _>>()?;
    let (mut bytes, mut last) = (0, 0);
    for (seq, size, long_body) in &oldest {
        if let Some(body) = long_body {
            bodies::remove(transaction, *body)?;
        }
        transaction.prepare_cached("DELETE FROM receipts WHERE seq = ?1")?.execute([seq])?;
        id_order::prune(transaction, Numbered::Receipts, *seq)?;
        last = *seq;
        bytes += size;
        if bytes > PRUNED_BYTES_MAX {
            // The rest counts as done for now, so that the next round comes soon.
            break;
        }
    }
    Numbered::Receipts.note_deleted(transaction, last)?;
    Ok(oldest.len())
}

/// Deletes old events that all sinks have been sent, and whose own deliveries have come to an end, with those deliveries and
/// their attempts.
fn prune_events(
    transaction: &Transaction<'_>,
    destinations: &[DestinationName],
    before: Timestamp,
    limit: usize,
) -> Result<usize, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let first_needed = batches::first_needed(transaction, destinations)?;
    // Rows are in the order of their arrival: the walk starts at the oldest and ends at the first that is too young.
    let mut select = transaction.prepare_cached(
        "SELECT seq FROM (SELECT seq, received_at FROM events ORDER BY seq LIMIT ?2 * 20) AS oldest
         WHERE received_at < ?1 AND seq < ?3
         AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event = oldest.seq AND d.state IN (0, 1)) LIMIT ?2",
    )?;
    let values = params![before.as_millis(), limit, first_needed];
    let oldest: Vec<i64> = select.query_map(values, |row| row.get(0))?.collect::<Result<_, _>>()?;
    for event in &oldest {
        transaction
            .prepare_cached("DELETE FROM attempts WHERE delivery IN (SELECT seq FROM deliveries WHERE event = ?1)")?
            .execute([event])?;
        transaction.prepare_cached("DELETE FROM deliveries WHERE event = ?1")?.execute([event])?;
        transaction.prepare_cached("DELETE FROM events WHERE seq = ?1")?.execute([event])?;
        id_order::prune(transaction, Numbered::Events, *event)?;
        Numbered::Events.note_deleted(transaction, *event)?;
    }
    Ok(oldest.len())
}

/// Deletes batches, and notes of which events go to which sinks, whose events are all gone.
fn prune_batches(transaction: &Transaction<'_>, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let oldest: Option<i64> =
        transaction.prepare_cached("SELECT min(seq) FROM events")?.query_row([], |row| row.get(0))?;
    let first = oldest.map_or_else(|| Numbered::Events.last(transaction), Ok)?;
    let rows = row_limit(limit);
    let mut select = transaction.prepare_cached(OLD_RUNS)?;
    let runs: Vec<(i64, i64, i64)> = select
        .query_map(params![first, rows], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for run in &runs {
        batches::forget_run(transaction, *run)?;
    }
    let mut select = transaction.prepare_cached(OLD_BATCHES)?;
    let batches: Vec<i64> = select.query_map(params![first, rows], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for batch in &batches {
        transaction.prepare_cached("DELETE FROM attempts WHERE delivery = ?1")?.execute([batch])?;
        transaction.prepare_cached("DELETE FROM deliveries WHERE seq = ?1")?.execute([batch])?;
    }
    let replayed = replays::prune(transaction, first, before, limit)?;
    Ok(runs.len() + batches.len() + replayed)
}

/// Deletes old changes of notifications that the operator has had forgotten, once no older notification is left: those of
/// other notifications go with their incidents.
fn prune_forgotten(transaction: &Transaction<'_>, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let mut select = transaction.prepare_cached(FORGOTTEN_CHANGES)?;
    let changes: Vec<i64> =
        select.query_map(params![before.as_millis(), row_limit(limit)], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for change in &changes {
        transaction.prepare_cached("DELETE FROM attempts WHERE delivery = ?1")?.execute([change])?;
        transaction.prepare_cached("DELETE FROM deliveries WHERE seq = ?1")?.execute([change])?;
    }
    Ok(changes.len())
}

/// Deletes incidents that have been over for long and of which nothing waits to be told, with everything that belongs to
/// them except their events. Those of which something waits, perhaps for a destination that was removed, are passed over: a
/// call looks at a bounded number, and the next one goes on from there.
fn prune_incidents(
    transaction: &Transaction<'_>,
    walk: &mut IncidentWalk,
    before: Timestamp,
    limit: usize,
) -> Result<usize, StoreError> {
    let window = limit.saturating_mul(INCIDENTS_LOOKED_AT);
    let mut select = transaction.prepare_cached(ENDED_INCIDENTS)?;
    let ended: Vec<(i64, i64, bool)> = select
        .query_map(params![before.as_millis(), walk.0, walk.1, row_limit(window)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<Result<_, _>>()?;
    let is_last = ended.len() < window;
    let mut count = 0;
    for (ended_at, number, waits) in ended {
        if count == limit {
            return Ok(count);
        }
        *walk = (ended_at, number);
        if !waits {
            for statement in DELETE_INCIDENT {
                transaction.prepare_cached(statement)?.execute([number])?;
            }
            count += 1;
        }
    }
    if is_last {
        *walk = IncidentWalk::default();
    }
    Ok(count)
}

/// The last run stays: the next event may continue it.
const OLD_RUNS: &str = "SELECT first, last, plan FROM plan_runs
    WHERE first < (SELECT max(first) FROM plan_runs) AND last < ?1 ORDER BY first LIMIT ?2";
const OLD_BATCHES: &str = "SELECT seq FROM deliveries INDEXED BY deliveries_batch_age
    WHERE first_event IS NOT NULL AND first_event < ?1 AND last_event < ?1 AND state >= 2 LIMIT ?2";
const FORGOTTEN_CHANGES: &str = "SELECT seq FROM (SELECT seq, created_at FROM deliveries INDEXED BY deliveries_notification
        WHERE notification IS NOT NULL AND state >= 2 AND notification <
            (SELECT coalesce(min(seq), (SELECT seq + 1 FROM sqlite_sequence WHERE name = 'notifications'), 0) FROM notifications)
        ORDER BY notification LIMIT 4 * ?2)
    WHERE created_at < ?1 LIMIT ?2";
/// What waits of an incident is looked for only in the rows that are read.
const ENDED_INCIDENTS: &str = "SELECT ended_at, number, EXISTS (SELECT 1 FROM notifications n
        JOIN deliveries d ON d.notification = n.seq WHERE n.incident = i.number AND d.state IN (0, 1))
    FROM incidents i WHERE ended_at IS NOT NULL AND ended_at < ?1 AND (ended_at, number) > (?2, ?3)
    ORDER BY ended_at, number LIMIT ?4";
/// For each that may be deleted.
const INCIDENTS_LOOKED_AT: usize = 4;
/// What belongs to an incident, from the leaves to the root.
const DELETE_INCIDENT: [&str; 7] = [
    "DELETE FROM attempts WHERE delivery IN (SELECT d.seq FROM deliveries d JOIN notifications n ON n.seq = d.notification
        WHERE n.incident = ?1)",
    "DELETE FROM deliveries WHERE notification IN (SELECT seq FROM notifications WHERE incident = ?1)",
    "DELETE FROM notifications WHERE incident = ?1",
    "DELETE FROM milestones WHERE incident = ?1",
    "DELETE FROM correlations WHERE incident = ?1",
    "DELETE FROM incident_texts WHERE incident = ?1",
    "DELETE FROM incidents WHERE number = ?1",
];
const HASTEN_RETRIES: &str = "UPDATE deliveries SET not_before = ?2, created_at = min(created_at, ?2) WHERE seq IN
    (SELECT seq FROM deliveries INDEXED BY deliveries_due WHERE state = 0 AND not_before > ?1
     AND (urgency >= 64 OR notification IS NULL OR retrying_since IS NOT NULL OR reason IS NOT NULL) LIMIT ?3)";
const HASTEN_DELIVERIES: &str = "UPDATE deliveries SET not_before = ?2, created_at = min(created_at, ?2) WHERE seq IN
    (SELECT seq FROM deliveries INDEXED BY deliveries_due WHERE state = 0 AND not_before > ?1 LIMIT ?3)";
/// The year 2000: less is a count of checks, and no time.
const NOTED_MILLIS_MIN: i64 = 946_684_800_000;
const PRUNE_RESULTS: &str = "DELETE FROM receipt_results WHERE seq IN
    (SELECT r.seq FROM (SELECT seq, received_at FROM receipts ORDER BY seq LIMIT ?2) AS r
     WHERE r.received_at < ?1 AND NOT EXISTS (SELECT 1 FROM receipt_queue q WHERE q.seq = r.seq))";
/// As much of bodies goes in one step.
const PRUNED_BYTES_MAX: i64 = 16 << 20;
