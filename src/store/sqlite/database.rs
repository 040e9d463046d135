//! The connection that writes, and what is done when the disk fails under it.
//!
//! After an error that leaves the state of the file in doubt (a failed write or sync) the connection is thrown away:
//! the kernel may have dropped the pages that it could not write, so a second sync on the same handle proves nothing.
//! Until a fresh connection has opened, has written and synced once more what the log holds, and has passed its check,
//! everything is refused.
//!
//! When the disk is full, the [`Reserve`] is given up for what has been accepted already: the log is emptied, outcomes are
//! recorded, and new arrivals are refused until there is room again. Only the process that serves does so; a command of
//! the operator's that meets a fault fails.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::super::StoreFault;
use super::certain::make_certain;
use super::reserve::Reserve;
use super::{PAGE_BYTES, connect, log};

/// The connection, while there is one.
pub struct Database {
    connection: Option<Connection>,
    path: PathBuf,
    /// Only whoever serves has one.
    reserve: Option<Reserve>,
    broken_since: Option<Instant>,
    shortage: Option<Shortage>,
    /// The length at which the log is emptied, in pages.
    log_limit: u32,
}

/// The disk is full, and the reserve given up.
struct Shortage {
    /// When room was last looked for.
    tried: Instant,
    /// When it was last said that not even the reserve has been enough.
    told: Instant,
    /// There is as much room within the database: it need not grow.
    has_free_pages: bool,
}

impl Database {
    /// Over a connection that is ready. Whoever serves has a reserve.
    pub fn new(connection: Connection, path: PathBuf, reserve: Option<Reserve>) -> Self {
        let mut database = Self {
            connection: Some(connection),
            path,
            reserve,
            broken_since: None,
            shortage: None,
            log_limit: log::PAGES_MIN,
        };
        database.look_for_room();
        database
    }

    /// Whether new arrivals are to be refused: the room that is left is for what has been accepted.
    pub fn is_shut(&self) -> bool {
        self.shortage.as_ref().is_some_and(|shortage| !shortage.has_free_pages)
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
            StoreFault::Full(reason) => self.run_short(reason),
            StoreFault::Locked(reason) => tracing::warn!(%reason, "another process holds the database"),
            _ => {}
        }
    }

    /// Empties the log if it has grown long.
    pub fn empty_log(&mut self) {
        if self.reserve.is_none() {
            return;
        }
        let emptied = self.connection.as_ref().map(|connection| log::empty_beyond(connection, self.log_limit));
        if let Some(Err(error)) = emptied {
            self.note(&StoreFault::from(error));
        }
    }

    /// Does what is due: opens the database again, makes room on a full disk.
    pub fn tend(&mut self) {
        if self.shortage.as_ref().is_some_and(|shortage| shortage.tried.elapsed() >= TEND_INTERVAL) {
            self.make_room();
        }
        let due = self.broken_since.is_some_and(|since| since.elapsed() >= TEND_INTERVAL);
        if self.connection.is_some() || self.reserve.is_none() || !due {
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

    fn run_short(&mut self, reason: &str) {
        let Some(reserve) = self.reserve.as_mut() else { return };
        let now = Instant::now();
        match self.shortage.as_mut() {
            None => {
                tracing::error!(%reason, "the disk is full; requests are refused with 503, deliveries go on in the reserve");
                reserve.give_up();
                self.shortage = Some(Shortage { tried: now, told: now, has_free_pages: false });
                self.make_room();
            }
            Some(shortage) if shortage.told.elapsed() >= TELL_AGAIN => {
                tracing::error!(%reason, "the disk is full to the last byte; deliveries wait as well");
                shortage.told = now;
            }
            Some(_) => {}
        }
    }

    /// Makes the most of a disk that is full: empties the log and cuts it, and sees whether that is enough. Before the
    /// log is empty the reserve must not take the room that emptying it needs.
    fn make_room(&mut self) {
        let (Some(shortage), Some(connection)) = (self.shortage.as_mut(), self.connection.as_ref()) else { return };
        shortage.tried = Instant::now();
        match log::cut(connection) {
            Ok(()) => self.look_for_room(),
            Err(error) => match StoreFault::from(error) {
                fault @ StoreFault::Broken(_) => self.note(&fault),
                fault => tracing::debug!(%fault, "the log cannot be emptied yet"),
            },
        }
    }

    /// Sees to it that there is a reserve; without one, intake needs as much room within the database: retention makes
    /// room there and not on the disk.
    fn look_for_room(&mut self) {
        let (Some(reserve), Some(connection)) = (self.reserve.as_mut(), self.connection.as_ref()) else { return };
        if reserve.make() {
            let size = reserve.held().unwrap_or_default();
            if self.shortage.take().is_some() {
                tracing::warn!(reserve_bytes = size, "there is room on the disk again; requests are accepted");
            }
            self.log_limit = log::limit_beside(size);
            return;
        }
        let pages = connection.query_row("PRAGMA freelist_count", [], |row| row.get::<_, u32>(0)).unwrap_or(0);
        let has_free_pages = u64::from(pages) * PAGE_BYTES >= reserve.needed();
        let had_free_pages = self.shortage.as_ref().is_none_or(|shortage| shortage.has_free_pages);
        match (had_free_pages, has_free_pages) {
            (false, true) => tracing::warn!("there is room within the database again; requests are accepted"),
            (true, false) => tracing::error!("the disk is nearly full; requests are refused with 503"),
            _ => {}
        }
        let now = Instant::now();
        let shortage = self.shortage.get_or_insert(Shortage { tried: now, told: now, has_free_pages });
        shortage.has_free_pages = has_free_pages;
        self.log_limit = log::PAGES_MIN;
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
/// How often a disk that is full to the last byte is spoken of.
const TELL_AGAIN: Duration = Duration::from_secs(10);
