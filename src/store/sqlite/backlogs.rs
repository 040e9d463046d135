//! What waits to be read of each source, counted in memory: intake asks for it at every request.
//!
//! The counters follow what is committed: the commit loop adds what it has taken in, then a claim, also one of the same
//! transaction, takes away what it has handed out, and after a commit whose fate is not known they are counted anew.
//! [`runs`](super::runs) has what they count.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::super::Backlog;
use crate::vendors::Authenticated;

/// The counters, by source; those at zero are left out, so that sources that come and go leave nothing behind.
#[derive(Debug, Default)]
pub struct Backlogs(Mutex<HashMap<String, Backlog>>);

impl Backlogs {
    /// Counts anew.
    pub fn load(&self, connection: &Connection) -> rusqlite::Result<()> {
        *self.lock() = Self::read(connection)?.into_iter().collect();
        Ok(())
    }

    /// What the table of runs says.
    pub fn read(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Backlog>> {
        let mut select =
            connection.prepare_cached("SELECT source, sum(last - next + 1), sum(bytes) FROM runs GROUP BY source")?;
        let rows = select.query_map([], |row| {
            let count = |column| row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or(0));
            Ok((row.get(0)?, Backlog { receipts: count(1)?, bytes: count(2)? }))
        })?;
        rows.collect()
    }

    /// What waits of a source.
    pub fn of(&self, source: &str) -> Backlog {
        self.lock().get(source).copied().unwrap_or_default()
    }

    /// An arrival is committed.
    pub fn add(&self, arrival: &Authenticated) {
        let bytes = arrival.body().len() as u64;
        let mut all = self.lock();
        let source = arrival.source().as_str();
        match all.get_mut(source) {
            Some(backlog) => {
                backlog.receipts += 1;
                backlog.bytes += bytes;
            }
            None => {
                all.insert(source.to_owned(), Backlog { receipts: 1, bytes });
            }
        }
    }

    /// This no longer waits.
    pub fn take(&self, gone: &BTreeMap<String, Backlog>) {
        let mut all = self.lock();
        for (source, gone) in gone {
            let Some(backlog) = all.get_mut(source) else { continue };
            backlog.receipts = backlog.receipts.saturating_sub(gone.receipts);
            backlog.bytes = backlog.bytes.saturating_sub(gone.bytes);
            if backlog.receipts == 0 {
                all.remove(source);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Backlog>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
