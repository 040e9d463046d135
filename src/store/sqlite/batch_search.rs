//! The search for the next batch of a sink: from its position onward, run by run.

use rusqlite::{Transaction, params};

use super::super::{EventRange, StoreError};
use super::rows::row_limit;
use crate::domain::{BatchSize, DestinationName};

/// What was found for the next batch.
pub struct Found {
    /// The position behind what was looked at.
    pub position: i64,
    /// How many of the events that were planned lie before that position.
    pub passed: i64,
    pub range: Option<EventRange>,
    pub route: String,
    /// Nothing that was planned lies behind that position.
    pub is_end: bool,
}

/// The search for the events of the next batch.
pub struct Search<'t> {
    transaction: &'t Transaction<'t>,
    size: BatchSize,
    range: Option<EventRange>,
    bytes: u64,
    passed: i64,
    route: Option<String>,
}

impl<'t> Search<'t> {
    pub fn new(transaction: &'t Transaction<'t>, size: BatchSize) -> Self {
        Self { transaction, size, range: None, bytes: 0, passed: 0, route: None }
    }

    /// Looks behind a position.
    pub fn from(mut self, mut position: i64, destination: &DestinationName) -> Result<Found, StoreError> {
        for _ in 0..LOOKS_MAX {
            let runs = self.runs_behind(position, destination)?;
            let count = runs.len();
            for (first, last, route) in runs {
                let Some(route) = route else {
                    position = position.max(last);
                    continue;
                };
                let first = first.max(position + 1);
                self.route.get_or_insert(route);
                position = self.take(first, last)?;
                if position < last || self.is_full() {
                    return Ok(self.end(position));
                }
            }
            if count < RUNS_AT_ONCE {
                return Ok(Found { is_end: true, ..self.end(position) });
            }
            if self.range.is_some() {
                break;
            }
        }
        Ok(self.end(position))
    }

    /// Runs that end behind a position, each with its route to the destination if it goes there.
    fn runs_behind(
        &self,
        position: i64,
        destination: &DestinationName,
    ) -> Result<Vec<(i64, i64, Option<String>)>, StoreError> {
        let mut select = self.transaction.prepare_cached(
            "SELECT r.first, r.last, s.route FROM (
                 SELECT first, last, plan FROM plan_runs
                 WHERE first >= coalesce((SELECT max(first) FROM plan_runs WHERE first <= ?1), 0) AND last >= ?1
                 ORDER BY first LIMIT ?3) r
             LEFT JOIN plan_sinks s ON s.plan = r.plan AND s.destination = ?2 ORDER BY r.first",
        )?;
        let rows = select.query_map(params![position + 1, destination.as_str(), row_limit(RUNS_AT_ONCE)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Takes events of a run as far as the size of a batch allows; the last that was looked at.
    fn take(&mut self, first: i64, last: i64) -> Result<i64, StoreError> {
        // The length stands in the head of the row: no page of a long document is read for it.
        let mut select = self.transaction.prepare_cached(
            "SELECT seq, octet_length(document) FROM events WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq",
        )?;
        let mut rows = select.query([first, last])?;
        while let Some(row) = rows.next()? {
            let (event, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
            let bytes = bytes.unsigned_abs();
            if self.range.is_some_and(|range| {
                range.events >= self.size.events as u64 || self.bytes + bytes > self.size.bytes as u64
            }) {
                self.passed += event - first;
                return Ok(event - 1);
            }
            self.bytes += bytes;
            let range = self.range.get_or_insert(EventRange { first: event, last: event, events: 0, replay: None });
            range.last = event;
            range.events += 1;
        }
        self.passed += last - first + 1;
        Ok(last)
    }

    fn is_full(&self) -> bool {
        self.range.is_some_and(|range| range.events >= self.size.events as u64)
    }

    fn end(self, position: i64) -> Found {
        let route = self.route.unwrap_or_default();
        Found { position, passed: self.passed, range: self.range, route, is_end: false }
    }
}

/// Runs that are looked at in one query. A sink that gets few of many events passes over the others by their runs.
const RUNS_AT_ONCE: usize = 512;
/// So many queries for one batch at most: a few milliseconds.
const LOOKS_MAX: usize = 16;
