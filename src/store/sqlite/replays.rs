//! Replays to sinks: events of the past, chosen by the operator, taken into batches from a position of their own.
//!
//! The live position of a sink goes first: a batch of a replay is formed where nothing new waits, or where it is its turn among
//! new ones, and at most one at a time is under way, so that new events wait for one request at most.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::super::{
    Choice, EventRange, Known, PastEvent, Period, Removed, ReplayState, SinkReplay, SinkReplays, StoreError,
};
use super::SqliteStore;
use super::numbers::Numbered;
use super::rows::{name, row_limit};
use crate::domain::{BatchSize, DestinationName, EventDocument, Timestamp};

impl SinkReplays for SqliteStore {
    fn past_events(
        &self,
        sink: &DestinationName,
        period: Period,
        after: i64,
        limit: usize,
    ) -> Result<Vec<PastEvent>, StoreError> {
        let connection = self.reader.lock();
        let mut select = connection.prepare_cached(PAST_EVENTS)?;
        let (since, until) = (period.since.as_millis(), period.until.as_millis());
        let values = params![sink.as_str(), after, since, until, row_limit(limit)];
        let mut rows = select.query(values)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(past_event(row)?);
        }
        Ok(found)
    }

    fn removed(&self) -> Result<Option<Removed>, StoreError> {
        let connection = self.reader.lock();
        let oldest: Option<(i64, i64)> = connection
            .query_row("SELECT seq, received_at FROM events ORDER BY seq LIMIT 1", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let before = match oldest {
            Some((first, _)) => first - 1,
            None => Numbered::Events.last(&connection)?,
        };
        let oldest_left = oldest.map(|(_, at)| Timestamp::from_millis(at));
        Ok((before > 0).then_some(Removed { events: before.unsigned_abs(), oldest_left }))
    }

    fn choose(
        &self,
        sink: &DestinationName,
        period: Period,
        now: Timestamp,
    ) -> Result<Result<Choice, SinkReplay>, StoreError> {
        let sink = sink.clone();
        let ticket = self.writer.write(move |transaction| {
            if let Some(open) = open_replay(transaction, &sink)? {
                return Ok(Err(open));
            }
            drop_choices(transaction, &sink)?;
            let (since, until) = (period.since.as_millis(), period.until.as_millis());
            transaction
                .prepare_cached("INSERT INTO replays (destination, since, until, ordered_at) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![sink.as_str(), since, until, now.as_millis()])?;
            Ok(Ok(Choice(transaction.last_insert_rowid())))
        });
        ticket.wait()
    }

    fn add(&self, choice: &Choice, events: Vec<i64>) -> Result<bool, StoreError> {
        let replay = choice.0;
        self.writer.write(move |transaction| add(transaction, replay, &events)).wait()
    }

    fn order_replay(&self, choice: Choice) -> Result<bool, StoreError> {
        let ticket = self.writer.write(move |transaction| {
            let first = "(SELECT min(first) - 1 FROM replay_runs WHERE replay = ?1)";
            let ordered = transaction.execute(
                &format!(
                    "UPDATE replays SET state = 1, position = {first} WHERE number = ?1 AND state = 0 AND events > 0"
                ),
                [choice.0],
            )?;
            if ordered == 0 {
                transaction.execute("DELETE FROM replays WHERE number = ?1 AND state = 0", [choice.0])?;
            }
            Ok(ordered == 1)
        });
        ticket.wait()
    }

    fn stop_replay(&self, sink: &DestinationName) -> Result<Option<SinkReplay>, StoreError> {
        let sink = sink.clone();
        let ticket = self.writer.write(move |transaction| {
            let open = open_replay(transaction, &sink)?;
            stop(transaction, &sink)?;
            Ok(open)
        });
        ticket.wait()
    }

    fn sink_replays(&self) -> Result<Vec<SinkReplay>, StoreError> {
        let connection = self.reader.lock();
        let mut select =
            connection.prepare_cached(&format!("{REPLAYS} WHERE p.state > 0 ORDER BY p.number DESC LIMIT 100"))?;
        Ok(select.query_map([], sink_replay)?.collect::<Result<_, _>>()?)
    }
}

fn past_event(row: &Row<'_>) -> Result<PastEvent, StoreError> {
    let event = match row.get_ref(1)?.as_bytes() {
        Ok(document) => EventDocument::new(document.to_vec()).read().map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let known = match row.get(3)? {
        0 => Known::Unsent,
        1 => Known::Sent,
        _ => Known::Waits,
    };
    Ok(PastEvent { row: row.get(0)?, event, is_quarantined: row.get(2)?, known })
}

fn open_replay(transaction: &Transaction<'_>, sink: &DestinationName) -> Result<Option<SinkReplay>, StoreError> {
    let mut select = transaction.prepare_cached(&format!("{REPLAYS} WHERE p.destination = ?1 AND p.state = 1"))?;
    Ok(select.query_row([sink.as_str()], sink_replay).optional()?)
}

fn sink_replay(row: &Row<'_>) -> rusqlite::Result<SinkReplay> {
    let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    let state = match row.get(4)? {
        3 => ReplayState::Stopped,
        2 => ReplayState::Over,
        _ => ReplayState::Running,
    };
    let (events, batched) = (count(5)?, count(6)?);
    let removed = if state == ReplayState::Over { events.saturating_sub(batched) } else { 0 };
    let time = |column| row.get(column).map(Timestamp::from_millis);
    let period = Period { since: time(1)?, until: time(2)? };
    Ok(SinkReplay {
        sink: name(row, 0)?,
        period,
        ordered_at: time(3)?,
        state,
        events,
        batched,
        open: count(7)?,
        removed,
    })
}

/// What was chosen for a sink and never ordered.
fn drop_choices(transaction: &Transaction<'_>, sink: &DestinationName) -> Result<(), StoreError> {
    let of = "SELECT number FROM replays WHERE destination = ?1 AND state = 0";
    transaction.execute(&format!("DELETE FROM replay_runs WHERE replay IN ({of})"), [sink.as_str()])?;
    transaction.execute("DELETE FROM replays WHERE destination = ?1 AND state = 0", [sink.as_str()])?;
    Ok(())
}

fn add(transaction: &Transaction<'_>, replay: i64, events: &[i64]) -> Result<bool, StoreError> {
    let counted = transaction
        .prepare_cached("UPDATE replays SET events = events + ?2 WHERE number = ?1 AND state = 0")?
        .execute(params![replay, row_limit(events.len())])?;
    if counted == 0 {
        return Ok(false);
    }
    let last: Option<(i64, i64)> = transaction
        .prepare_cached("SELECT first, last FROM replay_runs WHERE replay = ?1 ORDER BY first DESC LIMIT 1")?
        .query_row([replay], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let mut write = transaction.prepare_cached(
        "INSERT INTO replay_runs (replay, first, last) VALUES (?1, ?2, ?3)
         ON CONFLICT (replay, first) DO UPDATE SET last = ?3",
    )?;
    let mut run = last;
    for event in events {
        run = match run {
            Some((first, last)) if last + 1 == *event => Some((first, *event)),
            Some((first, last)) => {
                write.execute([replay, first, last])?;
                Some((*event, *event))
            }
            None => Some((*event, *event)),
        };
    }
    if let Some((first, last)) = run {
        write.execute([replay, first, last])?;
    }
    Ok(true)
}

/// Ends the replay of a sink; how many of its events are in no batch.
pub fn stop(transaction: &Transaction<'_>, sink: &DestinationName) -> Result<u64, StoreError> {
    drop_choices(transaction, sink)?;
    let left: Option<i64> = transaction
        .prepare_cached(
            "UPDATE replays SET state = 3 WHERE destination = ?1 AND state = 1 RETURNING max(events - batched, 0)",
        )?
        .query_row([sink.as_str()], |row| row.get(0))
        .optional()?;
    Ok(left.map_or(0, i64::unsigned_abs))
}

/// The next events of the replay of a sink, its position moved behind them; `None` where it has none, where one of its
/// batches is under way, or where all of it was taken.
pub fn next_range(
    transaction: &Transaction<'_>,
    sink: &DestinationName,
    size: BatchSize,
) -> Result<Option<EventRange>, StoreError> {
    let found: Option<(i64, i64)> = transaction
        .prepare_cached(
            "SELECT number, position FROM replays WHERE destination = ?1 AND state = 1
             AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.replay = number AND d.state = 1)",
        )?
        .query_row([sink.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((replay, position)) = found else { return Ok(None) };
    let range = take(transaction, replay, position, size)?;
    match range {
        Some(range) => transaction
            .prepare_cached("UPDATE replays SET position = ?2, batched = batched + ?3 WHERE number = ?1")?
            .execute(params![replay, range.last, i64::try_from(range.events).unwrap_or(i64::MAX)])?,
        None => {
            transaction.prepare_cached("UPDATE replays SET state = 2 WHERE number = ?1")?.execute(params![replay])?
        }
    };
    Ok(range)
}

fn take(
    transaction: &Transaction<'_>,
    replay: i64,
    position: i64,
    size: BatchSize,
) -> Result<Option<EventRange>, StoreError> {
    let mut select = transaction.prepare_cached(BEHIND)?;
    let mut rows = select.query([replay, position + 1])?;
    let (mut range, mut bytes): (Option<EventRange>, u64) = (None, 0);
    while let Some(row) = rows.next()? {
        let (event, length): (i64, i64) = (row.get(0)?, row.get(1)?);
        bytes += length.unsigned_abs();
        let is_full = |range: &EventRange| range.events >= size.events as u64 || bytes > size.bytes as u64;
        if range.as_ref().is_some_and(is_full) {
            break;
        }
        let range = range.get_or_insert(EventRange { first: event, last: event, events: 0, replay: Some(replay) });
        range.last = event;
        range.events += 1;
    }
    Ok(range)
}

/// The first event that retention has to leave for the replay of a sink.
pub fn first_needed(transaction: &Transaction<'_>, sink: &DestinationName) -> Result<Option<i64>, StoreError> {
    let mut select =
        transaction.prepare_cached("SELECT position + 1 FROM replays WHERE destination = ?1 AND state = 1")?;
    Ok(select.query_row([sink.as_str()], |row| row.get(0)).optional()?)
}

/// Whether a replay sends an event to a sink, or has sent it.
pub fn holds(connection: &Connection, sink: &DestinationName, event: i64) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached(&format!("SELECT 1 WHERE {REPLAYED}"))?.exists(params![sink.as_str(), event])?)
}

/// Deletes what was noted of events before `first`, the first that is left, and replays of which nothing is left. Returns how
/// many rows there were.
pub fn prune(transaction: &Transaction<'_>, first: i64, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let runs = transaction.prepare_cached(PRUNE_RUNS)?.execute(params![first, row_limit(limit)])?;
    let replays = transaction.prepare_cached(PRUNE_REPLAYS)?.execute([before.as_millis()])?;
    Ok(runs + replays)
}

const REPLAYS: &str = "SELECT p.destination, p.since, p.until, p.ordered_at, p.state, p.events, p.batched,
    (SELECT coalesce(sum(d.events), 0) FROM deliveries d WHERE d.replay = p.number AND d.state < 2) FROM replays p";
/// `?1` is the sink, `?2` the row of the event.
const REPLAYED: &str = "EXISTS (SELECT 1 FROM replays p CROSS JOIN replay_runs r ON r.replay = p.number
    AND r.first = (SELECT max(first) FROM replay_runs WHERE replay = p.number AND first <= ?2) AND r.last >= ?2
    WHERE p.destination = ?1 AND (p.state IN (1, 2) OR p.state = 3 AND p.position >= ?2))";
/// An event waits where the position of the sink will come to it. It was sent where a batch holds it that was not discarded,
/// where it has a delivery of its own, or where a replay has come to it.
const PAST_EVENTS: &str = "SELECT e.seq, e.document, e.quarantined, CASE
    WHEN EXISTS (SELECT 1 FROM plan_runs r CROSS JOIN plan_sinks s ON s.plan = r.plan AND s.destination = ?1
        WHERE r.first = (SELECT max(first) FROM plan_runs WHERE first <= e.seq) AND r.last >= e.seq)
    AND e.seq > (SELECT position FROM sinks WHERE destination = ?1) THEN 2
    WHEN EXISTS (SELECT 1 FROM deliveries d WHERE d.event = e.seq AND d.destination = ?1)
    OR EXISTS (SELECT 1 FROM plan_runs r CROSS JOIN plan_sinks s ON s.plan = r.plan AND s.destination = ?1
        WHERE r.first = (SELECT max(first) FROM plan_runs WHERE first <= e.seq) AND r.last >= e.seq)
    AND e.seq <= (SELECT b.last_event FROM deliveries b WHERE b.destination = ?1 AND b.first_event <= e.seq
        AND b.replay IS NULL AND b.state <> 4 ORDER BY b.first_event DESC LIMIT 1)
    OR EXISTS (SELECT 1 FROM replays p CROSS JOIN replay_runs r ON r.replay = p.number
        AND r.first = (SELECT max(first) FROM replay_runs WHERE replay = p.number AND first <= e.seq) AND r.last >= e.seq
        WHERE p.destination = ?1 AND (p.state IN (1, 2) OR p.state = 3 AND p.position >= e.seq)) THEN 1
    ELSE 0 END
    FROM events e WHERE e.seq > ?2 AND e.received_at >= ?3 AND e.received_at < ?4 ORDER BY e.seq LIMIT ?5";
/// The chosen events behind a position: `?1` is the replay, `?2` the row behind its position.
const BEHIND: &str = "SELECT e.seq, octet_length(e.document) FROM replay_runs r
    CROSS JOIN events e ON e.seq BETWEEN max(r.first, ?2) AND r.last
    WHERE r.replay = ?1 AND r.first >= coalesce((SELECT max(first) FROM replay_runs WHERE replay = ?1 AND first <= ?2), 0)
    ORDER BY r.first, e.seq";
const PRUNE_RUNS: &str = "DELETE FROM replay_runs WHERE (replay, first) IN (SELECT r.replay, r.first FROM replays p
    CROSS JOIN replay_runs r ON r.replay = p.number AND r.first < ?1 WHERE r.last < ?1 LIMIT ?2)";
/// A choice that was never ordered goes with the events of its time.
const PRUNE_REPLAYS: &str = "DELETE FROM replays WHERE (state >= 2 OR state = 0 AND ordered_at < ?1)
    AND NOT EXISTS (SELECT 1 FROM replay_runs r WHERE r.replay = number)
    AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.replay = number)";
