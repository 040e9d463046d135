//! Deliveries of a destination that are due, as they stand in the store.

use rusqlite::{Row, Transaction, params};

use super::super::{EventRange, SetAside, StoreError};
use super::batches;
use super::notifications::Candidate as ChangeCandidate;
use super::rows::{incident_number, name, optional_document, row_limit, set_aside};
use crate::domain::{DeliveryId, DestinationName, EventDocument, EventId, Progress, RouteName, Timestamp};

/// A delivery that is due.
pub struct Candidate {
    pub row: i64,
    pub generation: i64,
    pub id: DeliveryId,
    pub tries: u32,
    pub is_uncertain: bool,
    pub retrying_since: Option<Timestamp>,
    pub progress: Progress,
    pub route: RouteName,
    pub content: CandidateContent,
}

/// What it tells.
pub enum CandidateContent {
    Event { row: i64, id: EventId, document: EventDocument },
    Batch(EventRange),
    Change(ChangeCandidate),
}

impl Candidate {
    /// Those of this urgency, the one that has been due the longest first.
    pub fn due(
        transaction: &Transaction<'_>,
        destination: &DestinationName,
        urgency: u8,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Result<Self, SetAside>>, StoreError> {
        let mut select = transaction.prepare_cached(CANDIDATES)?;
        let mut rows = select.query(params![destination.as_str(), urgency, now.as_millis(), row_limit(limit)])?;
        let mut candidates = Vec::new();
        while let Some(row) = rows.next()? {
            candidates.push(or_set_aside(row)?);
        }
        Ok(candidates)
    }

    /// These, in this order.
    pub fn of_rows(transaction: &Transaction<'_>, rows: &[i64]) -> Result<Vec<Result<Self, SetAside>>, StoreError> {
        let mut select = transaction.prepare_cached(CANDIDATE)?;
        let candidates = rows.iter().map(|row| select.query_row([row], |row| Ok(or_set_aside(row)))?);
        candidates.collect()
    }
}

/// The candidate, or that it is to be set aside because it cannot be read.
fn or_set_aside(row: &Row<'_>) -> Result<Result<Candidate, SetAside>, StoreError> {
    match candidate(row) {
        Ok(candidate) => Ok(Ok(candidate)),
        Err(error) => Ok(Err(set_aside(row.get(0)?, error)?)),
    }
}

fn candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    let progress: Option<String> = row.get(6)?;
    let is_uncertain = row.get(4)?;
    let content = match (row.get(7)?, batches::range(row, 14)?) {
        (Some(notification), _) => CandidateContent::Change(ChangeCandidate {
            row: row.get(0)?,
            notification,
            is_uncertain,
            is_forced: row.get(8)?,
            intent: optional_document(row, 9)?,
        }),
        (None, Some(range)) => CandidateContent::Batch(range),
        (None, None) => CandidateContent::Event {
            row: row.get(10)?,
            id: EventId::from_bytes(row.get(11)?),
            document: EventDocument::with_incident(row.get_ref(12)?.as_bytes()?, incident_number(row, 18)?),
        },
    };
    Ok(Candidate {
        row: row.get(0)?,
        generation: row.get(1)?,
        id: DeliveryId::from_bytes(row.get(2)?),
        tries: row.get(3)?,
        is_uncertain,
        retrying_since: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
        progress: progress.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        route: name(row, 13)?,
        content,
    })
}

macro_rules! select {
    ($end:literal) => {
        concat!(
            "SELECT d.seq, d.generation, d.id, d.tries, d.uncertain, d.retrying_since, d.progress,
             d.notification, d.is_forced, d.intent, d.event, e.id, e.document, d.route, d.first_event, d.last_event,
             d.events, d.replay, e.incident
             FROM deliveries d LEFT JOIN events e ON e.seq = d.event ",
            $end
        )
    };
}

const CANDIDATES: &str = select!(
    "WHERE d.destination = ?1 AND d.urgency = ?2 AND d.state = 0 AND d.not_before <= ?3
     ORDER BY d.not_before, d.seq LIMIT ?4"
);
const CANDIDATE: &str = select!("WHERE d.seq = ?1");
