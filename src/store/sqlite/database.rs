//! The connection that writes, and what is done when the disk fails under it.
//!
//! After an error that leaves the state of the file in doubt (a failed write or sync) the connection is thrown away:
//! the kernel may have dropped the pages that it could not write, so a second sync on the same handle proves nothing.
//! Until a fresh connection has opened, has written and synced once more what the log holds, and has passed its check,
//! everything is refused.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::super::StoreFault;
use super::certain::make_certain;
use super::{connect, log};

/// The connection, while there is one.
pub struct Database {
    connection: Option<Connection>,
    path: PathBuf,
    broken_since: Option<Instant>,
    crowd: Option<Crowd>,
}

/// The disk is full, or was a moment ago.
struct Crowd {
    last_full: Instant,
    /// When the log was last emptied, or could not be.
    tried: Instant,
}

impl Database {
    /// Over a connection that is ready.
    pub fn new(connection: Connection, path: PathBuf) -> Self {
        Self { connection: Some(connection), path, broken_since: None, crowd: None }
    }

    /// The connection; it is reopened first if that is due.
    pub fn ready(&mut self) -> Result<&mut Connection, StoreFault> {
        self.tend();
        self.connection.as_mut().ok_or_else(|| StoreFault::Broken("it is being reopened after an error".to_owned()))
    }

    /// After an error that leaves the file in doubt, gives the connection up.
    pub fn note(&mut self, fault: &StoreFault) {
        match fault {
            StoreFault::Broken(reason) if self.connection.is_some() => {
                tracing::error!(%reason, "the database failed; nothing is acknowledged until it has been reopened");
                self.connection = None;
                self.broken_since = Some(Instant::now());
            }
            StoreFault::Full(reason) => {
                tracing::error!(%reason, "the disk is full; requests are refused with 503");
                let now = Instant::now();
                match &mut self.crowd {
                    Some(crowd) => crowd.last_full = now,
                    None => {
                        self.crowd = Some(Crowd { last_full: now, tried: now });
                        self.make_room();
                    }
                }
            }
            StoreFault::Locked(reason) => tracing::warn!(%reason, "another process holds the database"),
            _ => {}
        }
    }

    /// Empties the log if it has grown long.
    pub fn empty_log(&mut self) {
        let limit = if self.crowd.is_some() { log::PAGES_MAX_CROWDED } else { log::PAGES_MAX };
        let emptied = self.connection.as_ref().map(|connection| log::empty_beyond(connection, limit));
        if let Some(Err(error)) = emptied {
            self.note(&StoreFault::from(error));
        }
    }

    /// Does what is due: opens the database again, makes room on a full disk.
    pub fn tend(&mut self) {
        if self.crowd.as_ref().is_some_and(|crowd| crowd.tried.elapsed() >= TEND_INTERVAL) {
            self.make_room();
        }
        let due = self.broken_since.is_some_and(|since| since.elapsed() >= TEND_INTERVAL);
        if self.connection.is_some() || !due {
            return;
        }
        self.broken_since = Some(Instant::now());
        match reopen(&self.path) {
            Ok(connection) => {
                tracing::warn!("the database has been reopened and is sound; requests are accepted again");
                self.connection = Some(connection);
                self.broken_since = None;
            }
            Err(reason) => tracing::error!(%reason, "the database cannot be reopened yet"),
        }
    }

    /// Makes the most of a disk that is full, or was a moment ago. A log that is emptied at its usual length may never
    /// reach it on such a disk, or leave no room for what is in it: the disk would stay full for ever, however little was
    /// missing. So the log is emptied at once, and kept short for a while.
    fn make_room(&mut self) {
        let (Some(crowd), Some(connection)) = (self.crowd.as_mut(), self.connection.as_ref()) else { return };
        let is_over = crowd.last_full.elapsed() >= CROWDED;
        crowd.tried = Instant::now();
        match log::cut(connection) {
            Ok(()) if is_over => self.crowd = None,
            Ok(()) => {}
            Err(error) => match StoreFault::from(error) {
                fault @ StoreFault::Broken(_) => self.note(&fault),
                fault => tracing::debug!(%fault, "the log cannot be emptied yet"),
            },
        }
    }

    /// Closes the connection.
    pub fn close(self) {
        if let Some(connection) = self.connection
            && let Err((_, error)) = connection.close()
        {
            tracing::warn!(%error, "the database did not close cleanly; nothing that was acknowledged is lost");
        }
    }
}

/// A fresh connection on a file that is sound, and on a log that is on the disk.
fn reopen(path: &Path) -> Result<Connection, String> {
    let connection = connect(path).map_err(|error| error.to_string())?;
    make_certain(&connection, path).map_err(|error| error.to_string())?;
    log::empty_on_close(&connection, true).map_err(|error| error.to_string())?;
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|error| error.to_string())?;
    if verdict == "ok" { Ok(connection) } else { Err(verdict) }
}

/// How soon after a failure the database is opened again, and how often room is made on a full disk.
pub const TEND_INTERVAL: Duration = Duration::from_millis(500);
/// How long after the disk was full the log is kept short.
const CROWDED: Duration = Duration::from_secs(60);
