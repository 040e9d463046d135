//! The operator's reads, and replay.

use std::collections::BTreeMap;

use rusqlite::types::Value as SqlValue;
use rusqlite::{OptionalExtension, params};

use super::super::{
    Backlog, DeliveryFilter, DeliveryRow, Depth, Doubt, EventFilter, EventRow, Page, Queries, ReceiptFilter,
    ReceiptRow, StoreError,
};
use super::backlogs::Backlogs;
use super::listing::{DELIVERIES, EVENTS, delivery_row, event_row, receipt_row, select_receipts, state, state_number};
use super::numbers::Numbered;
use super::query::{Query, like, like_in_json};
use super::rows::{attempt_of, name, row_of};
use super::{SqliteStore, batches, bodies, id_order, runs};
use crate::domain::{Attempt, DeliveryId, DeliveryState, Encoding, EventId, Receipt, ReceiptId, SourceName, Timestamp};

impl Queries for SqliteStore {
    fn receipts(&self, page: &Page, filter: &ReceiptFilter) -> Result<Vec<ReceiptRow>, StoreError> {
        let mut query = Query::new(&select_receipts(), "r.seq");
        query.and_text("r.source = ?", filter.source.as_deref());
        query.and_time("r.received_at >= ?", filter.since);
        query.and_time("r.received_at < ?", filter.until);
        let connection = self.reader.lock();
        query.and_id_of(&connection, (Numbered::Receipts, 'r'), filter.id.as_ref())?;
        query.run(&connection, page, receipt_row)
    }

    fn receipt(&self, id: ReceiptId) -> Result<Option<(ReceiptRow, Option<Receipt>)>, StoreError> {
        let connection = self.reader.lock();
        let Some(seq) = id_order::find(&connection, Numbered::Receipts, id.as_bytes())? else { return Ok(None) };
        let statement = format!("{} WHERE r.seq = ?1", select_receipts());
        let row = connection.query_row(&statement, [seq], receipt_row).optional()?;
        let Some(row) = row else { return Ok(None) };
        let receipt = connection
            .query_row(BODY, [seq], |columns| {
                let encoding: String = columns.get(1)?;
                let body = match columns.get(3)? {
                    Some(long) => bodies::read(&connection, long, columns.get(4)?)?,
                    None => columns.get(2)?,
                };
                Ok(Receipt {
                    id,
                    source: row.source.clone(),
                    received_at: row.received_at,
                    content_type: columns.get(0)?,
                    encoding: Encoding::from_word(&encoding),
                    body: body.into(),
                })
            })
            .optional();
        match receipt {
            // The row says why.
            Err(error) if error.sqlite_error_code().is_none() => Ok(Some((row, None))),
            receipt => Ok(Some((row, receipt?))),
        }
    }

    fn events(&self, page: &Page, filter: &EventFilter) -> Result<Vec<EventRow>, StoreError> {
        let mut query = Query::new(EVENTS, "e.seq");
        query.and_text("e.source = ?", filter.source.as_deref());
        query.and_time("e.received_at >= ?", filter.since);
        query.and_time("e.received_at < ?", filter.until);
        let connection = self.reader.lock();
        query.and_id_of(&connection, (Numbered::Events, 'e'), filter.id.as_ref())?;
        query.and_text("json_extract(e.document, '$.type') = ?", filter.kind.as_deref());
        // The first condition is quick and lets too much through: names of fields, and text across two of them.
        query.and_text("e.document LIKE ? ESCAPE '!'", filter.text.as_deref().map(like_in_json).as_deref());
        let value = "EXISTS (SELECT 1 FROM json_tree(e.document) v WHERE v.atom LIKE ? ESCAPE '!')";
        query.and_text(value, filter.text.as_deref().map(like).as_deref());
        if let Some(severity) = filter.severity {
            query.and("e.severity >= ? AND e.severity < 99", SqlValue::Integer(severity.id().into()));
        }
        if let Some(receipt) = filter.receipt {
            query.and("e.receipt = ?", SqlValue::Blob(receipt.as_bytes().to_vec()));
        }
        if let Some(incident) = filter.incident {
            query.and("e.incident = ?", SqlValue::Integer(row_of(incident)));
        }
        if let Some(delivery) = filter.delivery {
            let id = SqlValue::Blob(delivery.as_bytes().to_vec());
            query.and(OF_DELIVERY, id.clone());
            query.values.extend([id.clone(), id]);
        }
        // No column and no index: each event's document is looked into.
        query.and_text("json_extract(e.document, '$.vendor_id') = ?", filter.vendor_id.as_deref());
        if filter.unrouted {
            query.and_mark("e.unrouted = 1");
        }
        if filter.quarantined {
            query.and_mark("e.quarantined = 1");
        }
        query.run(&connection, page, event_row)
    }

    fn event(&self, id: EventId) -> Result<Option<EventRow>, StoreError> {
        let connection = self.reader.lock();
        let Some(seq) = id_order::find(&connection, Numbered::Events, id.as_bytes())? else { return Ok(None) };
        Ok(connection.query_row(&format!("{EVENTS} WHERE e.seq = ?1"), [seq], event_row).optional()?)
    }

    fn deliveries(&self, page: &Page, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>, StoreError> {
        let mut query = Query::new(DELIVERIES, "d.seq");
        query.and_text("d.destination = ?", filter.destination.as_deref());
        query.and_time("d.created_at >= ?", filter.since);
        query.and_time("d.created_at < ?", filter.until);
        query.and_id("d.id", filter.id.as_ref());
        let texts = "coalesce(e.title, iif(json_valid(i.document), json_extract(i.document, '$.title'), NULL), '') || char(10) || coalesce(d.reason, '') || char(10) || coalesce(d.remote, '') LIKE ? ESCAPE '!'";
        query.and_text(texts, filter.text.as_deref().map(like).as_deref());
        if let Some(state) = filter.state {
            query.and("d.state = ?", SqlValue::Integer(state_number(state)));
        }
        let connection = self.reader.lock();
        if let Some(event) = filter.event {
            let seq = id_order::find(&connection, Numbered::Events, event.as_bytes())?;
            query.and(OF_EVENT, seq.map_or(SqlValue::Null, SqlValue::Integer));
        }
        if let Some(incident) = filter.incident {
            query.and("n.incident = ?", SqlValue::Integer(row_of(incident)));
        }
        query.run(&connection, page, delivery_row)
    }

    fn delivery(&self, id: DeliveryId) -> Result<Option<(DeliveryRow, Vec<Attempt>)>, StoreError> {
        let connection = self.reader.lock();
        let statement = format!("{DELIVERIES} WHERE d.id = ?1");
        let Some(row) = connection.query_row(&statement, [id.as_bytes()], delivery_row).optional()? else {
            return Ok(None);
        };
        let mut select = connection.prepare_cached(
            "SELECT number, started_at, duration_ms, outcome, reason FROM attempts WHERE delivery = ?1 ORDER BY number",
        )?;
        let attempts = select.query_map([row.cursor], attempt_of)?.collect::<Result<_, _>>()?;
        Ok(Some((row, attempts)))
    }

    fn depths(&self, now: Timestamp) -> Result<Vec<Depth>, StoreError> {
        let connection = self.reader.lock();
        let mut select = connection.prepare_cached(DEPTHS)?;
        let rows = select.query_map([now.as_millis()], |row| {
            let count: i64 = row.get(2)?;
            Ok(Depth {
                destination: name(row, 0)?,
                state: state(row, 1)?,
                count: u64::try_from(count).unwrap_or(0),
                oldest: Timestamp::from_millis(row.get(3)?),
            })
        })?;
        let mut depths = rows.collect::<Result<Vec<_>, _>>()?;
        for (destination, count, oldest) in batches::unbatched(&connection)? {
            let Ok(destination) = destination.parse() else { continue };
            add_waiting(&mut depths, Depth { destination, state: DeliveryState::Waiting, count, oldest });
        }
        Ok(depths)
    }

    fn oldest_unread(&self) -> Result<BTreeMap<SourceName, Timestamp>, StoreError> {
        let connection = self.reader.lock();
        let mut oldest = BTreeMap::new();
        for statement in [OLDEST_CLAIMED, OLDEST_NEVER_CLAIMED] {
            let mut select = connection.prepare_cached(statement)?;
            let mut rows = select.query([UNREAD_LOOKED_AT])?;
            while let Some(row) = rows.next()? {
                // A row that cannot be read is reported where it is claimed.
                let (Ok(source), Ok(received_at)) = (name(row, 0), row.get(1)) else { continue };
                let received_at = Timestamp::from_millis(received_at);
                let first = oldest.entry(source).or_insert(received_at);
                *first = received_at.min(*first);
            }
        }
        Ok(oldest)
    }

    fn undispatched(&self) -> Result<u64, StoreError> {
        let count: i64 = self.reader.lock().query_row(UNDISPATCHED, [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn backlogs(&self) -> Result<BTreeMap<SourceName, Backlog>, StoreError> {
        let backlogs = Backlogs::read(&self.reader.lock())?;
        // A name that cannot be read is reported where its receipts are claimed.
        Ok(backlogs.into_iter().filter_map(|(source, backlog)| Some((source.parse().ok()?, backlog))).collect())
    }

    fn replay_receipt(&self, id: ReceiptId) -> Result<bool, StoreError> {
        let ticket = self.writer.write(move |transaction| {
            let seq = id_order::find(transaction, Numbered::Receipts, id.as_bytes())?;
            let found: Option<(i64, bool)> = transaction
                .query_row(&format!("SELECT r.seq, {} FROM receipts r WHERE r.seq = ?1", runs::WAITS), [seq], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            // What has never been claimed is dispatched anyway.
            if let Some((seq, false)) = found {
                // What was not written of its first dispatch, because it was as usual.
                transaction.execute(
                    "INSERT INTO receipt_results (seq, dispatched_at, events_new, events_duplicate)
                     SELECT r.seq, r.received_at, 1, 0 FROM receipts r WHERE r.seq = ?1
                     AND NOT EXISTS (SELECT 1 FROM receipt_queue q WHERE q.seq = r.seq) ON CONFLICT (seq) DO NOTHING",
                    [seq],
                )?;
                transaction.execute(
                    &format!(
                        "INSERT INTO receipt_queue (seq, replay, large) SELECT r.seq, 1, {} FROM receipts r WHERE r.seq = ?1
                         ON CONFLICT (seq) DO UPDATE SET replay = 1, tries = 0",
                        runs::IS_LARGE
                    ),
                    [seq],
                )?;
            }
            Ok(found.is_some())
        });
        ticket.wait()
    }

    fn replay_delivery(&self, id: DeliveryId, doubt: Doubt, now: Timestamp) -> Result<bool, StoreError> {
        let forget = doubt == Doubt::Forget;
        let ticket = self.writer.write(move |transaction| {
            // What has certainly arrived is sent again without looking for the first one: that is the order.
            let replayed = transaction.execute(
                "UPDATE deliveries SET is_forced = state = 2 AND notification IS NOT NULL, uncertain = uncertain AND state <> 2 AND NOT ?3
                     AND NOT EXISTS (SELECT 1 FROM deliveries l WHERE l.notification = deliveries.notification
                         AND l.seq > deliveries.seq AND l.state = 2),
                 progress = CASE WHEN state = 2 OR ?3 THEN NULL ELSE progress END,
                 state = 0, not_before = ?2, retrying_since = NULL WHERE id = ?1 AND state IN (0, 2, 3)",
                params![id.as_bytes(), now.as_millis(), forget],
            )?;
            // What was refused may be tried again, and whatever else waits for that notification is superseded.
            transaction.execute(
                "UPDATE notifications SET refused = NULL, pending = coalesce(pending, (SELECT seq FROM deliveries WHERE id = ?1))
                 WHERE seq = (SELECT notification FROM deliveries WHERE id = ?1)",
                [id.as_bytes()],
            )?;
            Ok(replayed)
        });
        ticket.wait().map(|changed| changed == 1)
    }
}

/// Adds what waits for a sink and is in no batch to what else waits for it.
fn add_waiting(depths: &mut Vec<Depth>, more: Depth) {
    let is_same = |depth: &&mut Depth| depth.destination == more.destination && depth.state == more.state;
    match depths.iter_mut().find(is_same) {
        Some(depth) => {
            depth.count += more.count;
            depth.oldest = depth.oldest.min(more.oldest);
        }
        None => depths.push(more),
    }
}

const BODY: &str = "SELECT content_type, encoding, body, long_body, bytes FROM receipts WHERE seq = ?1";
/// What has been claimed or is replayed, and what has never been claimed.
const UNDISPATCHED: &str = "SELECT (SELECT count(*) FROM receipt_queue)
    + coalesce((SELECT sum(last - next + 1) FROM runs), 0)";
/// What is delivered is not counted: it is the whole history, and no queue. The first row of a group has its lowest `seq`, which each of these indexes holds.
/// What will be due later, such as a count to be brought up to date, does not wait yet.
/// A batch counts as its events.
const DEPTHS: &str = "SELECT destination, 0, sum(coalesce(events, 1)), min(created_at)
    FROM deliveries INDEXED BY deliveries_due WHERE state = 0 AND created_at <= ?1 GROUP BY 1
    UNION ALL
    SELECT g.destination, g.state, g.count, d.created_at FROM (
    SELECT destination, 1 AS state, sum(coalesce(events, 1)) AS count, min(seq) AS first
    FROM deliveries INDEXED BY deliveries_leased WHERE state = 1 GROUP BY 1
    UNION ALL
    SELECT destination, 3, sum(coalesce(events, 1)), min(seq) FROM deliveries INDEXED BY deliveries_dead WHERE state = 3 GROUP BY 1
    ) g JOIN deliveries d ON d.seq = g.first";
const OLDEST_CLAIMED: &str = "SELECT r.source, min(r.received_at)
    FROM (SELECT seq FROM receipt_queue WHERE replay = 0 ORDER BY seq LIMIT ?1) q JOIN receipts r ON r.seq = q.seq
    GROUP BY 1";
const OLDEST_NEVER_CLAIMED: &str = "SELECT o.source, r.received_at
    FROM (SELECT source, min(next) AS next FROM (SELECT source, next FROM runs ORDER BY first LIMIT ?1) GROUP BY 1) o
    JOIN receipts r ON r.seq = o.next";
/// As much as is read in some ten milliseconds.
const UNREAD_LOOKED_AT: i64 = 10_000;
const OF_DELIVERY: &str = "e.seq IN (SELECT event FROM deliveries WHERE id = ? UNION ALL
    SELECT x.seq FROM deliveries b
    CROSS JOIN plan_runs r ON r.first <= b.last_event
        AND r.first >= coalesce((SELECT max(first) FROM plan_runs WHERE first <= b.first_event), 0)
    CROSS JOIN plan_sinks s ON s.plan = r.plan AND s.destination = b.destination
    CROSS JOIN events x ON x.seq BETWEEN max(r.first, b.first_event) AND min(r.last, b.last_event)
    WHERE b.id = ? AND b.replay IS NULL
    UNION ALL
    SELECT x.seq FROM deliveries b
    CROSS JOIN replay_runs r ON r.replay = b.replay AND r.first <= b.last_event
        AND r.first >= coalesce((SELECT max(first) FROM replay_runs WHERE replay = b.replay AND first <= b.first_event), 0)
    CROSS JOIN events x ON x.seq BETWEEN max(r.first, b.first_event) AND min(r.last, b.last_event)
    WHERE b.id = ?)";
/// A delivery of the event itself, a batch that holds it, or one that tells of its incident.
const OF_EVENT: &str = "d.seq IN (
    WITH x AS (SELECT seq, incident FROM events WHERE seq = ?)
    SELECT o.seq FROM x JOIN deliveries o ON o.event = x.seq
    UNION ALL
    SELECT b.seq FROM x CROSS JOIN plan_runs r ON r.first = (SELECT max(first) FROM plan_runs WHERE first <= x.seq)
        AND r.last >= x.seq
        CROSS JOIN plan_sinks s ON s.plan = r.plan
        CROSS JOIN deliveries b ON b.destination = s.destination AND b.first_event <= x.seq AND b.last_event >= x.seq
        AND b.replay IS NULL
    UNION ALL
    SELECT b.seq FROM x CROSS JOIN replays p CROSS JOIN replay_runs r ON r.replay = p.number AND r.last >= x.seq
        AND r.first = (SELECT max(first) FROM replay_runs WHERE replay = p.number AND first <= x.seq)
        CROSS JOIN deliveries b ON b.replay = p.number AND b.first_event <= x.seq AND b.last_event >= x.seq
    UNION ALL
    SELECT c.seq FROM x JOIN notifications m ON m.incident = x.incident JOIN deliveries c ON c.notification = m.seq)";
