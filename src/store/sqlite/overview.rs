//! What is going on: the reads of `gatepost status` and `gatepost tail`.

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::super::{DeliveryRow, DestinationActivity, EventRow, Overview, Position, SourceActivity, StoreError};
use super::SqliteStore;
use super::listing::{DELIVERIES, EVENTS, delivery_row, event_row};
use super::rows::name;
use crate::domain::Timestamp;

impl Overview for SqliteStore {
    fn knows_source(&self, source: &str) -> Result<bool, StoreError> {
        self.reader.lock().exists("SELECT 1 FROM receipts WHERE source = ?1", source)
    }

    fn knows_destination(&self, destination: &str) -> Result<bool, StoreError> {
        self.reader.lock().exists("SELECT 1 FROM deliveries WHERE destination = ?1", destination)
    }

    fn active_sources(&self, since: Timestamp) -> Result<Vec<SourceActivity>, StoreError> {
        let connection = self.reader.lock();
        let mut select = connection.prepare_cached(ACTIVE_SOURCES)?;
        let rows = select.query_map([since.as_millis()], |row| {
            Ok(SourceActivity {
                source: name(row, 0)?,
                receipts: row.get::<_, i64>(1)?.unsigned_abs(),
                is_more: row.get(2)?,
                last: Timestamp::from_millis(row.get(3)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn active_destinations(&self) -> Result<Vec<DestinationActivity>, StoreError> {
        let connection = self.reader.lock();
        let mut select = connection.prepare_cached(ACTIVE_DESTINATIONS)?;
        let rows = select.query_map([], |row| {
            let at: Option<i64> = row.get(1)?;
            Ok(DestinationActivity {
                destination: name(row, 0)?,
                last_delivered: at.map(Timestamp::from_millis),
                dead_reason: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn newest(&self) -> Result<Position, StoreError> {
        let connection = self.reader.lock();
        let newest = |table: &str| -> Result<i64, StoreError> {
            let statement = format!("SELECT max(seq) FROM {table}");
            let newest: Option<i64> = connection.query_row(&statement, [], |row| row.get(0)).optional()?.flatten();
            Ok(newest.unwrap_or(0))
        };
        Ok(Position { event: newest("events")?, delivery: newest("deliveries")? })
    }

    fn events_after(&self, cursor: i64, limit: usize) -> Result<Vec<EventRow>, StoreError> {
        let statement = format!("{EVENTS} WHERE e.seq > ? ORDER BY e.seq LIMIT {limit}");
        rows(&self.reader.lock(), &statement, &[cursor], event_row)
    }

    fn deliveries_after(&self, cursor: i64, limit: usize) -> Result<Vec<DeliveryRow>, StoreError> {
        let statement = format!("{DELIVERIES} WHERE d.seq > ? ORDER BY d.seq LIMIT {limit}");
        rows(&self.reader.lock(), &statement, &[cursor], delivery_row)
    }

    fn deliveries_at(&self, cursors: &[i64]) -> Result<Vec<DeliveryRow>, StoreError> {
        let connection = self.reader.lock();
        let mut all = Vec::new();
        // Few enough for SQLite's limit on parameters.
        for some in cursors.chunks(500) {
            let places = vec!["?"; some.len()].join(",");
            let statement = format!("{DELIVERIES} WHERE d.seq IN ({places}) ORDER BY d.seq");
            all.extend(rows(&connection, &statement, some, delivery_row)?);
        }
        Ok(all)
    }

    fn open_deliveries(&self, limit: usize) -> Result<Vec<i64>, StoreError> {
        let statement = format!(
            "SELECT seq FROM (SELECT seq FROM deliveries INDEXED BY deliveries_due WHERE state = 0 LIMIT {limit})
             UNION ALL SELECT seq FROM (SELECT seq FROM deliveries INDEXED BY deliveries_leased WHERE state = 1
             LIMIT {limit})"
        );
        rows(&self.reader.lock(), &statement, &[], |row| row.get(0))
    }
}

trait Exists {
    /// Whether a row of that value is there.
    fn exists(&self, statement: &str, value: &str) -> Result<bool, StoreError>;
}

impl Exists for Connection {
    fn exists(&self, statement: &str, value: &str) -> Result<bool, StoreError> {
        Ok(self.prepare_cached(&format!("{statement} LIMIT 1"))?.exists([value])?)
    }
}

fn rows<T>(
    connection: &Connection,
    statement: &str,
    values: &[i64],
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let values = values.iter().map(|value| SqlValue::Integer(*value));
    let mut select = connection.prepare_cached(statement)?;
    let found = select.query_map(params_from_iter(values), read)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Among the newest 20,000, which is some ten megabytes to read. Bodies stand behind what is read of a row.
const ACTIVE_SOURCES: &str = "
    WITH recent AS (SELECT source, received_at FROM receipts ORDER BY seq DESC LIMIT 20000)
    SELECT source, count(*) FILTER (WHERE received_at >= ?1),
        (SELECT count(*) = 20000 AND min(received_at) >= ?1 FROM recent), max(received_at)
    FROM recent GROUP BY source ORDER BY source";
/// Delivered ones among the newest 20,000; those that are dead are in an index of their own.
const ACTIVE_DESTINATIONS: &str = "
    WITH recent AS (SELECT seq, destination, state FROM deliveries ORDER BY seq DESC LIMIT 20000),
    good AS (SELECT destination, max(seq) AS seq FROM recent WHERE state = 2 GROUP BY 1),
    dead AS (SELECT destination, max(seq) AS seq FROM deliveries INDEXED BY deliveries_dead WHERE state = 3 GROUP BY 1)
    SELECT names.destination,
        (SELECT max(a.started_at) FROM attempts a WHERE a.delivery = good.seq),
        (SELECT d.reason FROM deliveries d WHERE d.seq = dead.seq)
    FROM (SELECT destination FROM good UNION SELECT destination FROM dead) names
    LEFT JOIN good ON good.destination = names.destination
    LEFT JOIN dead ON dead.destination = names.destination";
