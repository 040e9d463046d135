//! Which source is told next at each notifier, among changes that are equally urgent.
//!
//! A source that has many of them waiting does not hold up the others: they are told in turn, each its oldest.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;

use rusqlite::{Transaction, params};

use super::rows::row_limit;
use crate::domain::{DestinationName, Timestamp};

/// The source that was told last, by destination.
#[derive(Debug, Default)]
pub struct SourceTurns(HashMap<DestinationName, String>);

impl SourceTurns {
    /// The rows of at most `limit` deliveries of this urgency that are due, the sources in turn, of each the one that has been due the
    /// longest. Looked at are those [`WINDOW`] that have been due the longest.
    pub fn take(
        &mut self,
        transaction: &Transaction<'_>,
        destination: &DestinationName,
        urgency: u8,
        now: Timestamp,
        limit: usize,
    ) -> rusqlite::Result<Vec<i64>> {
        let mut select = transaction.prepare_cached(DUE)?;
        let window = row_limit(limit.max(WINDOW));
        let mut rows = select.query(params![destination.as_str(), urgency, now.as_millis(), window])?;
        let mut waiting: BTreeMap<String, VecDeque<i64>> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let source = row.get::<_, Option<String>>(1)?.unwrap_or_default();
            waiting.entry(source).or_default().push_back(row.get(0)?);
        }
        let last = self.0.entry(destination.clone()).or_default();
        let mut taken = Vec::new();
        while taken.len() < limit {
            let Some((source, row)) = next(&mut waiting, last) else { break };
            *last = source;
            taken.push(row);
        }
        Ok(taken)
    }
}

/// The oldest of the source that follows `last` by name, after the last one that of the first.
fn next(waiting: &mut BTreeMap<String, VecDeque<i64>>, last: &str) -> Option<(String, i64)> {
    let after = waiting.range::<str, _>((Bound::Excluded(last), Bound::Unbounded)).next();
    let source = after.or_else(|| waiting.iter().next()).map(|(source, _)| source.clone())?;
    let rows = waiting.get_mut(&source)?;
    let row = rows.pop_front()?;
    if rows.is_empty() {
        waiting.remove(&source);
    }
    Some((source, row))
}

/// So many are looked at for other sources: beyond them the one that has been due the longest comes first.
const WINDOW: usize = 256;

const DUE: &str = "SELECT d.seq, i.source FROM deliveries d
    LEFT JOIN notifications n ON n.seq = d.notification LEFT JOIN incidents i ON i.number = n.incident
    WHERE d.destination = ?1 AND d.urgency = ?2 AND d.state = 0 AND d.not_before <= ?3
    ORDER BY d.not_before, d.seq LIMIT ?4";
