//! The store on SQLite: one file, one writer thread, nothing to install.
//!
//! The writer thread owns the only connection that writes while gatepost serves. It commits whatever has gathered as
//! one transaction (group commit) and lets intake go first: requests that wait for their 200 are committed before the
//! next piece of background work is begun. Durability is WAL with `synchronous=FULL`, set and read back at every start.
//! The operator's commands open the same file from another process; SQLite's locks keep them apart.

mod adoption;
mod backlogs;
mod batches;
mod bodies;
mod check;
mod commands;
mod commit_loop;
mod database;
mod delivery_queue;
mod inbox;
mod incident_queries;
mod incident_schema;
mod incidents;
mod key_partitions;
mod keys;
mod lock;
mod notifications;
mod outbox;
mod overview;
mod queries;
mod receipt_queue;
mod record;
mod remedy;
mod reserve;
mod rows;
mod runs;
mod scheduling;
mod schema;
mod single_events;
mod sink_plans;
mod sink_schema;
mod turns;
mod upkeep;
mod wal;
mod wal_resync;
mod work_queue;
mod writer;

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use parking::ReadConnection;
use rusqlite::config::DbConfig;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection, OpenFlags};

use super::{Soundness, StoreError};
use backlogs::Backlogs;
use check::SoundnessCheck;
use database::Service;
use keys::KeysAtHand;
use lock::Lock;
use reserve::Reserve;
use turns::Turns;
use writer::Writer;

mod parking {
    //! A connection for reads behind a lock; a poisoned lock is taken over, because a read leaves nothing half done.

    use std::sync::{Mutex, MutexGuard, PoisonError};

    use rusqlite::Connection;

    use super::wal;

    #[derive(Debug)]
    pub struct ReadConnection(Mutex<Connection>);

    impl ReadConnection {
        pub fn new(connection: Connection) -> Self {
            Self(Mutex::new(connection))
        }

        /// Closes the connection, has everything opened anew, and uses the connection that results. There are no reads
        /// meanwhile; if it fails there is nothing to read until it is tried again.
        ///
        /// As long as a process has one connection to a file SQLite closes no handle of that file, and gives those of
        /// connections that are gone to new ones: also a handle that has failed to sync.
        pub fn renew<T, E: From<rusqlite::Error>>(
            &self,
            open: impl FnOnce() -> Result<(T, Connection), E>,
        ) -> Result<T, E> {
            let mut connection = self.lock();
            let before = std::mem::replace(&mut *connection, Connection::open_in_memory()?);
            // What has failed is left as it is.
            wal::empty_on_close(&before, false)?;
            drop(before);
            let (opened, fresh) = open()?;
            *connection = fresh;
            Ok(opened)
        }

        pub fn lock(&self) -> MutexGuard<'_, Connection> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

/// The store. Cloning gives another handle to the same one.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    path: Arc<PathBuf>,
    writer: Arc<Writer>,
    reader: Arc<ReadConnection>,
    /// Whether keys have ever been deleted.
    forgets: Arc<AtomicBool>,
    /// Which source's turn it is to have its receipts claimed. It need not outlive the process.
    turns: Arc<Mutex<Turns>>,
    incident_walk: Arc<Mutex<IncidentWalk>>,
    check: SoundnessCheck,
}

/// Where the walk over ended incidents goes on that are to be deleted: the time of the end and the number of the last one
/// that was looked at. It need not outlive the process.
type IncidentWalk = (i64, i64);

/// What the store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To serve: creates the file, takes it for this process alone, and recovers what an ended process left.
    Serve,
    /// For one of the operator's commands, beside a process that may be serving.
    Operate,
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process serves it.
    #[error("another gatepost already serves {path}; stop it, or give this one its own store.url")]
    Served {
        /// The file.
        path: PathBuf,
    },
    /// The operator's commands do not create stores.
    #[error("there is no store at {path} yet; `gatepost serve` creates it")]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// A newer gatepost has written it.
    #[error("{path} was written by a newer gatepost (schema {found}, this one knows {known}); use that version")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema in the file.
        found: i64,
        /// The newest schema that this binary knows.
        known: i64,
    },
    /// An older gatepost has written it, and only a process that serves brings it up to date.
    #[error(
        "{path} was written by an older gatepost (schema {found}, this one needs {known}); `gatepost serve` of this \
         version brings it up to date when it starts, until then use the version that wrote it"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// The schema in the file.
        found: i64,
        /// The schema that this binary needs.
        known: i64,
    },
    /// Another program has written it.
    #[error("{path} is a database, but not one of gatepost's; give store.url another name")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A setting that durability depends on did not take effect.
    #[error("{path}: SQLite answers {setting} = {found} instead of {wanted}; is it on a network file system?")]
    NotDurable {
        /// The file.
        path: PathBuf,
        /// The setting.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// The file or its folder cannot be used.
    #[error("{path} cannot be opened; {}", remedy::remedy(.path, .source.as_ref()))]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl SqliteStore {
    /// Opens the file at `path`, creating it for [`Access::Serve`].
    pub fn open(path: &Path, access: Access) -> Result<Self, OpenError> {
        let lock = match access {
            Access::Serve => Some(Lock::take(path)?),
            Access::Operate if path.try_exists().map_err(|error| unusable(path, error))? => None,
            Access::Operate => return Err(OpenError::Absent { path: path.to_owned() }),
        };
        let mut reserve = lock.is_some().then(|| Reserve::beside(path));
        let opened = match Connections::open(path, access) {
            // The disk may be full.
            Err(OpenError::Unusable { source, .. }) if reserve.as_mut().is_some_and(Reserve::give_up) => {
                tracing::warn!(%source, "the store cannot be opened; the reserve is given up and it is tried once more");
                Connections::open(path, access)
            }
            opened => opened,
        };
        let Connections { connection, keys, backlogs, reader, forgets } = opened?;
        let reader = Arc::new(ReadConnection::new(reader));
        let check = SoundnessCheck::new(path.to_owned());
        let service = lock.zip(reserve).map(|(lock, reserve)| Service {
            lock,
            reserve,
            reader: Arc::clone(&reader),
            check: check.clone(),
        });
        let writer = Writer::start(connection, path.to_owned(), (keys, backlogs), service)
            .map_err(|error| unusable(path, error))?;
        let forgets = Arc::new(AtomicBool::new(forgets));
        let (turns, incident_walk) = (Arc::default(), Arc::default());
        let writer = Arc::new(writer);
        Ok(Self { path: Arc::new(path.to_owned()), writer, reader, forgets, turns, incident_walk, check })
    }

    /// The database at `path` and everything that is kept beside it under names of ours or of SQLite.
    pub fn files(path: &Path) -> [PathBuf; 6] {
        ["", "-wal", "-shm", "-journal", ".lock", ".reserve"]
            .map(|end| PathBuf::from(format!("{}{end}", path.display())))
    }

    /// Opens the file to read, also beside a process that serves: nothing is created, written or migrated, and nothing
    /// is locked but what SQLite's readers mark in the WAL index. What writes answers [`StoreError::Stopped`].
    pub fn open_to_read(path: &Path) -> Result<Self, OpenError> {
        match std::fs::metadata(path) {
            Ok(file) if file.len() > 0 => {}
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Err(unusable(path, error)),
            _ => return Err(OpenError::Absent { path: path.to_owned() }),
        }
        let open = || -> rusqlite::Result<Connection> {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            run_to_the_end(&connection, "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF; PRAGMA mmap_size=0;")?;
            wal::empty_on_close(&connection, false)?;
            Ok(connection)
        };
        let connection = open().map_err(|error| unusable(path, error))?;
        schema::look(&connection, path, Access::Operate)?;
        let forgets = connection.query_row("SELECT forgets FROM pulse WHERE id = 1", [], |row| row.get(0));
        let forgets: bool = forgets.map_err(|error| unusable(path, error))?;
        Ok(Self {
            path: Arc::new(path.to_owned()),
            writer: Arc::new(Writer::absent()),
            reader: Arc::new(ReadConnection::new(connection)),
            forgets: Arc::new(AtomicBool::new(forgets)),
            turns: Arc::default(),
            incident_walk: Arc::default(),
            check: SoundnessCheck::new(path.to_owned()),
        })
    }

    /// Finishes what was handed in and stops the writer thread; later calls answer [`StoreError::Stopped`].
    pub fn close(&self) {
        self.check.stop();
        self.writer.stop();
    }

    /// Begins to check whether the file is sound, in the background and on a connection of its own.
    pub fn begin_check(&self) {
        if let Err(error) = self.check.begin() {
            tracing::error!(%error, "the database cannot be checked");
            self.check.note(Soundness::Unknown { reason: error.to_string() });
        }
    }

    /// What is known of whether the file is sound.
    pub fn soundness(&self) -> Soundness {
        self.check.outcome()
    }

    /// The size of the database and its WAL on the disk, in bytes.
    pub fn size_bytes(&self) -> u64 {
        let log = PathBuf::from(format!("{}-wal", self.path.display()));
        [self.path.as_path(), log.as_path()]
            .iter()
            .filter_map(|file| std::fs::metadata(file).ok())
            .map(|m| m.len())
            .sum()
    }

    /// Whether requests are refused because the disk is full.
    pub fn is_full(&self) -> bool {
        self.writer.is_shut()
    }
}

/// What a store is opened to.
struct Connections {
    connection: Connection,
    keys: KeysAtHand,
    backlogs: Backlogs,
    reader: Connection,
    forgets: bool,
}

impl Connections {
    fn open(path: &Path, access: Access) -> Result<Self, OpenError> {
        if access == Access::Serve {
            create_private(path).map_err(|error| unusable(path, error))?;
        }
        let mut connection = connect(path, access)?;
        if access == Access::Serve {
            wal_resync::resync_wal(&connection, path).map_err(|error| unusable(path, error))?;
            wal::empty_on_close(&connection, true).map_err(|error| unusable(path, error))?;
        }
        if access == Access::Serve {
            schema::prepare(&mut connection, path)?;
        }
        // A process that does not serve accepts nothing, and need not know what has been accepted.
        let mut keys = KeysAtHand::default();
        let backlogs = Backlogs::default();
        if access == Access::Serve {
            outbox::release_leases(&connection).map_err(|error| unusable(path, error))?;
            bodies::remove_loose(&connection).map_err(|error| unusable(path, error))?;
            keys.get(&connection).map_err(|error| unusable(path, error))?;
            backlogs.load(&connection).map_err(|error| unusable(path, error))?;
        }
        let reader = connect_to_read(path, access)?;
        let forgets = reader.query_row("SELECT forgets FROM pulse WHERE id = 1", [], |row| row.get(0));
        let forgets = forgets.map_err(|error| unusable(path, error))?;
        Ok(Self { connection, keys, backlogs, reader, forgets })
    }
}

/// Creates the file for its owner only: it holds what was seen of requests, credentials and all. SQLite gives the WAL
/// the same mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    File::options().create(true).append(true).mode(0o600).open(path).map(drop)
}

/// A connection that writes, with every setting that durability depends on, read back. A file that is not for this
/// binary is refused before any setting is made: some of them are kept in the file.
fn connect(path: &Path, access: Access) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        wal::take_charge(&connection)?;
        // More than there are statements: one that has to give way is compiled anew each time.
        connection.set_prepared_statement_cache_capacity(256);
        // Without it a statement is compiled anew whenever a bound LIMIT changes.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(connection)
    };
    let connection = open().map_err(|error| unusable(path, error))?;
    schema::look(&connection, path, access)?;
    run_to_the_end(&connection, SETTINGS).map_err(|error| unusable(path, error))?;
    for (setting, wanted) in READ_BACK {
        let found = connection
            .query_row(&format!("PRAGMA {setting}"), [], |row| row.get_ref(0).map(to_text))
            .map_err(|error| unusable(path, error))?;
        if found != *wanted {
            return Err(OpenError::NotDurable { path: path.to_owned(), setting, found, wanted });
        }
    }
    Ok(connection)
}

/// Runs statements, each to its end. A change of the journal mode commits only there, after the row that it returns,
/// and a failure of that commit must not be missed: [`Connection::execute_batch`] stops at the row.
fn run_to_the_end(connection: &Connection, statements: &str) -> rusqlite::Result<()> {
    let mut batch = Batch::new(connection, statements);
    while let Some(mut statement) = batch.next()? {
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
    }
    Ok(())
}

fn connect_to_read(path: &Path, access: Access) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| unusable(path, error))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| unusable(path, error))?;
    connection.execute_batch("PRAGMA synchronous=FULL; PRAGMA mmap_size=0;").map_err(|error| unusable(path, error))?;
    wal::empty_on_close(&connection, access == Access::Serve).map_err(|error| unusable(path, error))?;
    Ok(connection)
}

fn unusable(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OpenError {
    OpenError::Unusable { path: path.to_owned(), source: source.into() }
}

fn to_text(value: rusqlite::types::ValueRef<'_>) -> String {
    match value {
        rusqlite::types::ValueRef::Integer(number) => number.to_string(),
        rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(Code::DiskFull) => Self::Full(text),
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Self::Locked(text),
            Some(
                Code::SystemIoFailure
                | Code::CannotOpen
                | Code::DatabaseCorrupt
                | Code::NotADatabase
                | Code::ReadOnly
                | Code::OutOfMemory
                | Code::FileLockingProtocolFailed,
            ) => Self::Broken(text),
            _ => Self::Failed(text),
        }
    }
}

/// How long a write waits for another process's transaction: an operator's replay is a matter of milliseconds, and a
/// vendor waits at most 10 s for its answer.
const BUSY_TIMEOUT: Duration = Duration::from_millis(2_000);

/// The size of a page, as [`SETTINGS`] has it.
const PAGE_BYTES: u64 = 8192;

/// `synchronous=FULL` syncs the WAL at every commit: what was answered 200 survives a power cut. `mmap_size=0` because
/// a mapped file turns an I/O error into a signal. The cache is small: intake appends and does not read.
const SETTINGS: &str = "
    PRAGMA page_size=8192;
    PRAGMA journal_mode=WAL;
    PRAGMA synchronous=FULL;
    PRAGMA foreign_keys=OFF;
    PRAGMA trusted_schema=OFF;
    PRAGMA mmap_size=0;
    PRAGMA cache_size=-16000;
    PRAGMA temp_store=MEMORY;
    PRAGMA journal_size_limit=67108864;
";

/// What is read back, and the answer that must come.
const READ_BACK: &[(&str, &str)] = &[("journal_mode", "wal"), ("synchronous", "2")];
