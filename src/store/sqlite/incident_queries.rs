//! The operator's reads of incidents.

use std::collections::BTreeMap;

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::super::{
    DeliveryRow, EventPlace, IncidentDetails, IncidentFilter, IncidentQueries, MilestoneRow, NotificationRow, Page,
    StoreError,
};
use super::listing::{DELIVERIES, delivery_row};
use super::numbers::Numbered;
use super::query::like;
use super::rows::{document, document_in, name, readable, row_of};
use super::{SqliteStore, id_order};
use crate::domain::{
    EventId, Facets, Incident, IncidentNumber, IncidentState, Milestone, NotificationId, Severity, Timestamp,
};
use crate::incidents::Joined;

impl IncidentQueries for SqliteStore {
    fn incidents(&self, page: &Page, filter: &IncidentFilter) -> Result<Vec<Incident>, StoreError> {
        let mut statement = SELECT_INCIDENTS.to_owned();
        let mut values = Vec::new();
        for (condition, value) in conditions(page, filter) {
            statement.push_str(" AND ");
            statement.push_str(condition);
            values.push(value);
        }
        if filter.is_listed {
            statement.push_str(" AND (is_live = 1 OR (state = 'quiet' AND json_extract(document, '$.is_unattended')))");
        }
        statement.push_str(&format!(" ORDER BY number DESC LIMIT {}", page.limit));
        let connection = self.reader.lock();
        let mut select = connection.prepare_cached(&statement)?;
        readable_rows(select.query_map(params_from_iter(values), document)?)
    }

    fn incident(&self, number: IncidentNumber) -> Result<Option<IncidentDetails>, StoreError> {
        let connection = self.reader.lock();
        let row = row_of(number);
        let incident: Option<Incident> =
            connection.query_row("SELECT document FROM incidents WHERE number = ?1", [row], document).optional()?;
        let Some(incident) = incident else { return Ok(None) };
        let texts = "SELECT event, facets FROM incident_texts WHERE incident = ?1";
        let (event, facets): (_, Facets) =
            connection.query_row(texts, [row], |row| Ok((document_in(row, 0)?, document_in(row, 1)?)))?;
        Ok(Some(IncidentDetails {
            event,
            facets,
            milestones: last_milestones(&connection, row)?,
            notifications: notifications(&connection, row)?,
            deliveries: last_deliveries(&connection, row)?,
            events: events_by_reason(&connection, row)?,
            incident,
        }))
    }

    fn incident_of(&self, event: EventId) -> Result<Option<EventPlace>, StoreError> {
        let connection = self.reader.lock();
        let row = id_order::find(&connection, Numbered::Events, event.as_bytes())?;
        let found: Option<(Option<i64>, Option<u8>)> = connection
            .query_row("SELECT incident, joined FROM events WHERE seq = ?1", [row], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        Ok(found.and_then(|(incident, joined)| {
            let joined = Joined::from_number(joined?)?;
            Some(EventPlace { incident: incident.map(|number| IncidentNumber(number.unsigned_abs())), joined })
        }))
    }

    fn incident_counts(&self) -> Result<Vec<(IncidentState, u64)>, StoreError> {
        // One walk over a narrow index, however many incidents there are.
        let connection = self.reader.lock();
        let mut select = connection.prepare_cached("SELECT state, count(*) FROM incidents GROUP BY state")?;
        let counts: BTreeMap<String, i64> =
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        let count = |state: IncidentState| counts.get(state.as_str()).map_or(0, |count| count.unsigned_abs());
        Ok(IncidentState::ALL.into_iter().map(|state| (state, count(state))).collect())
    }

    fn milestones_after(&self, cursor: i64, limit: usize) -> Result<Vec<MilestoneRow>, StoreError> {
        let connection = self.reader.lock();
        let mut select = connection.prepare_cached(
            "SELECT m.seq, m.document, i.document FROM milestones m JOIN incidents i ON i.number = m.incident
             WHERE m.seq > ?1 ORDER BY m.seq LIMIT ?2",
        )?;
        let rows = select.query_map(params![cursor, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            let incident: Incident = document_in(row, 2)?;
            Ok(MilestoneRow {
                cursor: row.get(0)?,
                incident: incident.number,
                milestone: document_in(row, 1)?,
                title: incident.title,
                source: incident.source,
                severity: incident.rank.severity,
            })
        })?;
        readable_rows(rows)
    }

    fn newest_milestone(&self) -> Result<i64, StoreError> {
        let newest: Option<i64> =
            self.reader.lock().query_row("SELECT max(seq) FROM milestones", [], |row| row.get(0))?;
        Ok(newest.unwrap_or(0))
    }
}

/// Those that can be read: one that is damaged must not keep the others from being listed.
fn readable_rows<T>(rows: impl Iterator<Item = rusqlite::Result<T>>) -> Result<Vec<T>, StoreError> {
    let mut all = Vec::new();
    for row in rows {
        all.extend(readable(row)?.ok());
    }
    Ok(all)
}

/// What is damaged is not looked into: SQLite would refuse the whole statement.
const SELECT_INCIDENTS: &str = "SELECT document FROM (SELECT number, source, state, is_live, level, storm,
    iif(json_valid(document), document, '{}') AS document FROM incidents) WHERE 1";

fn conditions(page: &Page, filter: &IncidentFilter) -> Vec<(&'static str, SqlValue)> {
    let mut all = Vec::new();
    all.extend(page.before.map(|before| ("number < ?", SqlValue::Integer(before))));
    all.extend(filter.state.map(|state| ("state = ?", SqlValue::Text(state.as_str().to_owned()))));
    all.extend(filter.source.as_ref().map(|source| ("source = ?", SqlValue::Text(source.to_string()))));
    all.extend(filter.storm.map(|storm| ("storm = ?", SqlValue::Integer(row_of(storm)))));
    all.extend(
        filter.severity.map(|severity: Severity| ("level >= ?", SqlValue::Integer(i64::from(severity.rank()) * 4))),
    );
    let time = |time: Timestamp| SqlValue::Text(time.to_string());
    all.extend(filter.since.map(|since| ("json_extract(document, '$.last_at') >= ?", time(since))));
    all.extend(filter.until.map(|until| ("json_extract(document, '$.first_at') < ?", time(until))));
    let in_texts =
        "json_extract(document, '$.title') || char(10) || json_extract(document, '$.rule') LIKE ? ESCAPE '!'";
    all.extend(filter.text.as_deref().map(|text| (in_texts, SqlValue::Text(like(text)))));
    all
}

fn last_milestones(connection: &Connection, incident: i64) -> Result<Vec<Milestone>, StoreError> {
    let mut select = connection
        .prepare_cached("SELECT document FROM milestones WHERE incident = ?1 ORDER BY seq DESC LIMIT 1000")?;
    let mut milestones: Vec<Milestone> = readable_rows(select.query_map([incident], document)?)?;
    milestones.reverse();
    Ok(milestones)
}

fn notifications(connection: &Connection, incident: i64) -> Result<Vec<NotificationRow>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT id, destination, route, document, pending IS NOT NULL, refused IS NOT NULL, instead_of
         FROM notifications WHERE incident = ?1 ORDER BY seq",
    )?;
    let read = |row: &Row<'_>| {
        Ok(NotificationRow {
            id: NotificationId::from_bytes(row.get(0)?),
            destination: name(row, 1)?,
            route: name(row, 2)?,
            instead_of: row.get::<_, Option<String>>(6)?.and_then(|name| name.parse().ok()),
            told: document_in(row, 3)?,
            is_pending: row.get(4)?,
            is_refused: row.get(5)?,
        })
    };
    readable_rows(select.query_map([incident], read)?)
}

fn last_deliveries(connection: &Connection, incident: i64) -> Result<Vec<DeliveryRow>, StoreError> {
    let statement = format!("{DELIVERIES} WHERE n.incident = ?1 ORDER BY d.seq DESC LIMIT 100");
    let mut select = connection.prepare_cached(&statement)?;
    let mut rows: Vec<DeliveryRow> = select.query_map([incident], delivery_row)?.collect::<Result<_, _>>()?;
    rows.reverse();
    Ok(rows)
}

fn events_by_reason(connection: &Connection, incident: i64) -> Result<Vec<(&'static str, u64)>, StoreError> {
    let mut select = connection
        .prepare_cached("SELECT joined, count(*) FROM events WHERE incident = ?1 AND joined IS NOT NULL GROUP BY 1")?;
    let rows: Vec<(u8, i64)> =
        select.query_map([incident], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let by_word = |(joined, count): (u8, i64)| Some((Joined::from_number(joined)?.as_str(), count.unsigned_abs()));
    Ok(rows.into_iter().filter_map(by_word).collect())
}
