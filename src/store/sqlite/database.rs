//! The connection that writes, and the recovery when the disk fails.
//!
//! After an error that leaves the state of the file in doubt (a failed write or sync) the connection is closed: the
//! kernel may have dropped the pages that it could not write, so a second sync on the same handle proves nothing. Until
//! a fresh connection has opened, has rewritten and synced what the WAL holds, and has passed its check, everything is
//! refused. By then the path may name another file: a file system that took no more writes has been repaired and
//! mounted again.
//!
//! When the disk is full, the [`Reserve`] is released for what has been accepted already: the WAL is checkpointed,
//! outcomes are recorded, and new arrivals are refused until there is space again. Only the process that serves does
//! so; an operator's command that meets a fault fails.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::super::{Soundness, StoreError};
use super::access::Access;
use super::check::SoundnessCheck;
use super::connection::{connect, connect_to_read};
use super::lock::Lock;
use super::pragmas::PAGE_BYTES;
use super::read_connection::ReadConnection;
use super::reserve::Reserve;
use super::wal;
use super::wal_resync::resync_wal;

/// The connection, while there is one.
pub struct Database {
    connection: Option<Connection>,
    path: PathBuf,
    service: Option<Service>,
    was_replaced: bool,
    broken_since: Option<Instant>,
    shortage: Option<Shortage>,
    /// The length at which the WAL is checkpointed, in pages.
    log_limit: u32,
}

/// What only the process that serves has.
pub struct Service {
    /// The right to serve.
    pub lock: Lock,
    /// Space for when the disk is full.
    pub reserve: Reserve,
    /// The connection that others in this process read on.
    pub reader: Arc<ReadConnection>,
    /// The check that reads on a connection of its own.
    pub check: SoundnessCheck,
}

/// The disk is full, and the reserve released.
struct Shortage {
    /// When space was last looked for.
    tried: Instant,
    /// When it was last logged that not even the reserve was enough.
    told: Instant,
    /// There is as much free space within the database: the file need not grow.
    has_free_pages: bool,
}

impl Database {
    /// With a connection that is ready.
    pub fn new(connection: Connection, path: PathBuf, service: Option<Service>) -> Self {
        let mut database = Self {
            connection: Some(connection),
            path,
            service,
            was_replaced: false,
            broken_since: None,
            shortage: None,
            log_limit: wal::PAGES_MIN,
        };
        match database.empty_before_looking() {
            Ok(()) => database.check_for_space(),
            Err(error) => database.note(&StoreError::from(error)),
        }
        database
    }

    /// Whether new arrivals are to be refused: the space that is left is for what has been accepted.
    pub fn is_shut(&self) -> bool {
        self.shortage.as_ref().is_some_and(|shortage| !shortage.has_free_pages)
    }

    /// The connection.
    pub fn ready(&mut self) -> Result<&mut Connection, StoreError> {
        self.connection.as_mut().ok_or_else(|| StoreError::Broken("it is being reopened after an error".to_owned()))
    }

    /// After an error that leaves the file in doubt, gives the connection up.
    pub fn note(&mut self, fault: &StoreError) {
        match fault {
            StoreError::Broken(reason) if self.connection.is_some() => {
                tracing::error!(%reason, "the database failed; nothing is acknowledged until it has been reopened");
                self.connection = None;
                self.broken_since = Some(Instant::now());
            }
            StoreError::Full(reason) => self.run_short(reason),
            StoreError::Locked(reason) => tracing::warn!(%reason, "another process holds the database"),
            _ => {}
        }
    }

    /// Checkpoints the WAL if it has grown long.
    pub fn empty_log(&mut self) {
        if self.service.is_none() {
            return;
        }
        let emptied = self.connection.as_ref().map(|connection| wal::empty_beyond(connection, self.log_limit));
        if let Some(Err(error)) = emptied {
            self.note(&StoreError::from(error));
        }
    }

    /// Does what is due: opens the database again, frees space on a full disk.
    pub fn tend(&mut self) {
        if self.shortage.as_ref().is_some_and(|shortage| shortage.tried.elapsed() >= TEND_INTERVAL) {
            self.reclaim_space();
        }
        let due = self.broken_since.is_some_and(|since| since.elapsed() >= TEND_INTERVAL);
        let Some(service) = self.service.as_mut().filter(|_| self.connection.is_none() && due) else { return };
        self.broken_since = Some(Instant::now());
        match service.reopen(&self.path) {
            Ok((connection, was_replaced)) => {
                tracing::warn!("the database has been reopened and is sound; requests are accepted again");
                self.connection = Some(connection);
                self.broken_since = None;
                self.was_replaced |= was_replaced;
            }
            Err(reason) => tracing::error!(%reason, "the database cannot be reopened yet"),
        }
    }

    fn run_short(&mut self, reason: &str) {
        let Some(Service { reserve, .. }) = self.service.as_mut() else { return };
        let now = Instant::now();
        match self.shortage.as_mut() {
            None => {
                tracing::error!(%reason, "the disk is full; requests are refused with 503, deliveries go on in the reserve");
                reserve.give_up();
                self.shortage = Some(Shortage { tried: now, told: now, has_free_pages: false });
                self.reclaim_space();
            }
            Some(shortage) if shortage.told.elapsed() >= TELL_AGAIN => {
                tracing::error!(%reason, "the disk is full to the last byte; deliveries wait as well");
                shortage.told = now;
            }
            Some(_) => {}
        }
    }

    /// Space that is freed by checkpointing what an earlier process has left in the WAL is not new space.
    fn empty_before_looking(&self) -> rusqlite::Result<()> {
        match (&self.service, &self.connection) {
            (Some(service), Some(connection)) if service.reserve.held().is_none() => {
                wal::truncate(connection).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Frees what can be freed on a full disk: checkpoints the WAL and truncates it, and checks whether that is enough.
    /// Before that the reserve must not take the space that the checkpoint needs, and the WAL's own space is not new.
    fn reclaim_space(&mut self) {
        let (Some(shortage), Some(connection)) = (self.shortage.as_mut(), self.connection.as_ref()) else { return };
        shortage.tried = Instant::now();
        match wal::truncate(connection) {
            Ok(true) => self.check_for_space(),
            Ok(false) => {}
            Err(error) => match StoreError::from(error) {
                fault @ StoreError::Broken(_) => self.note(&fault),
                fault => tracing::debug!(%fault, "the log cannot be emptied yet"),
            },
        }
    }

    /// Makes the reserve if it can; without one, intake needs as much free space within the database: retention frees
    /// space there and not on the disk.
    fn check_for_space(&mut self) {
        let (Some(service), Some(connection)) = (self.service.as_mut(), self.connection.as_ref()) else { return };
        let reserve = &mut service.reserve;
        if reserve.make() {
            let size = reserve.held().unwrap_or_default();
            if self.shortage.take().is_some() {
                tracing::warn!(reserve_bytes = size, "there is room on the disk again; requests are accepted");
            }
            self.log_limit = wal::limit_beside(size);
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
        self.log_limit = wal::PAGES_MIN;
    }

    /// Whether the path names another file than when this was last asked: what is remembered of it may be wrong then.
    pub fn was_replaced(&mut self) -> bool {
        std::mem::take(&mut self.was_replaced)
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

impl Service {
    /// A fresh connection on a file that is sound, and on a WAL that is synced; and whether it is another file.
    fn reopen(&mut self, path: &Path) -> Result<(Connection, bool), Fault> {
        // Before everything else: where nothing is mounted, a connection would create an empty store.
        let elsewhere = self.lock.renew()?;
        let _held = self.check.hold();
        let connection = self.reader.renew(|| -> Result<_, Fault> {
            let connection = connect(path, Access::Serve)?;
            resync_wal(&connection, path)?;
            let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
            if verdict != "ok" {
                self.check.note(Soundness::Damaged { reason: verdict.clone() });
                return Err(verdict.into());
            }
            self.check.note(Soundness::Sound);
            wal::empty_on_close(&connection, true)?;
            Ok((connection, connect_to_read(path, Access::Serve)?))
        })?;
        let Some(lock) = elsewhere else { return Ok((connection, false)) };
        self.lock = lock;
        self.reserve = Reserve::beside(path);
        tracing::warn!("another file stands in the place of the database, and is served from now on");
        Ok((connection, true))
    }
}

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// How soon after a failure the database is opened again, and how often space is freed on a full disk.
pub const TEND_INTERVAL: Duration = Duration::from_millis(500);
/// How often a completely full disk is logged.
const TELL_AGAIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::super::{OpenError, SqliteStore};
    use super::*;
    use crate::authentic::authentic;
    use crate::domain::Timestamp;
    use crate::store::{Acceptance, Inbox, Queries};

    fn serve(folder: &Path) -> SqliteStore {
        std::fs::create_dir_all(folder).unwrap();
        SqliteStore::open(&folder.join("test.db"), Access::Serve).unwrap()
    }

    fn accept(store: &SqliteStore, id: &str) -> Result<Acceptance, StoreError> {
        store.accept(authentic("s", id, id, Timestamp::from_millis(1_000)), None).wait()
    }

    fn fail(store: &SqliteStore, fault: StoreError) {
        store.writer.write::<()>(|_| Err(fault)).wait().unwrap_err();
    }

    #[test]
    fn another_file_in_the_place_of_the_database_is_served_with_all_that_it_knows() {
        let folder = tempfile::tempdir().unwrap();
        let (place, away, repaired) =
            (folder.path().join("store"), folder.path().join("away"), folder.path().join("b"));
        let before = serve(&repaired);
        accept(&before, "b").unwrap();
        before.close();
        let store = serve(&place);
        accept(&store, "a").unwrap();
        std::fs::rename(&place, &away).unwrap();
        fail(&store, StoreError::Broken("the file system is gone".to_owned()));
        std::thread::sleep(TEND_INTERVAL + Duration::from_millis(100));
        assert!(matches!(accept(&store, "b"), Err(StoreError::Broken(_))));
        assert!(!place.exists());
        std::fs::rename(&repaired, &place).unwrap();
        std::thread::sleep(TEND_INTERVAL + Duration::from_millis(100));
        assert!(matches!(accept(&store, "b"), Ok(Acceptance::Duplicate(_))), "its keys are not known");
        assert!(matches!(accept(&store, "a"), Ok(Acceptance::New(_))));
        assert_eq!(store.undispatched(), Ok(2), "others still read the other one");
        assert!(Reserve::path(&place.join("test.db")).exists());
        let second = SqliteStore::open(&place.join("test.db"), Access::Serve);
        assert!(matches!(second, Err(OpenError::Served { .. })), "another process may serve it, too");
    }

    #[test]
    fn a_failed_large_write_does_not_stop_intake_where_there_is_space() {
        let folder = tempfile::tempdir().unwrap();
        let store = serve(folder.path());
        fail(&store, StoreError::Full("a body of a terabyte".to_owned()));
        assert!(Reserve::path(&folder.path().join("test.db")).exists());
        accept(&store, "a").unwrap();
        assert!(!store.is_full());
    }
}
