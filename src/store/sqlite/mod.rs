//! The store on SQLite: one file, one writer thread, nothing to install.
//!
//! The writer thread owns the only connection that writes while gatepost serves. It commits whatever has gathered as
//! one transaction (group commit) and lets intake go first: requests that wait for their 200 are committed before the
//! next piece of background work is begun. Durability is WAL with `synchronous=FULL`, set and read back at every start.
//! The operator's commands open the same file from another process; SQLite's locks keep them apart.

mod access;
mod admission;
mod adoption;
mod arrivals;
mod backlogs;
mod batch_search;
mod batches;
mod bodies;
mod check;
mod commands;
mod commit_loop;
mod connection;
mod database;
mod delivery_candidates;
mod delivery_queue;
mod density;
mod error_codes;
mod fallbacks;
mod gathered;
mod id_order;
mod inbox;
mod incident_queries;
mod incident_rows;
mod incident_schema;
mod incidents;
mod key_partitions;
mod key_places;
mod keys;
mod leases;
mod listing;
mod lock;
mod notices;
mod notifications;
mod numbers;
mod open_error;
mod operator_schema;
mod outbox;
mod overview;
mod pragmas;
mod queries;
mod query;
mod read_connection;
mod receipt_queue;
mod recent_receipts;
mod record;
mod remedy;
mod replay_schema;
mod replays;
mod reserve;
mod rows;
mod runs;
mod scheduling;
mod schema;
mod single_events;
mod sink_plans;
mod sink_schema;
mod source_turns;
mod stored_places;
mod token_chains;
mod token_schema;
mod turns;
mod update_digest;
mod upkeep;
mod urgency;
mod wal;
mod wal_resync;
mod work;
mod work_queue;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use backlogs::Backlogs;
use check::SoundnessCheck;
use connection::{connect, connect_read_only, connect_to_read, create_private};
use database::Service;
use keys::KeysAtHand;
use lock::Lock;
use open_error::unusable;
use read_connection::ReadConnection;
use reserve::Reserve;
use source_turns::SourceTurns;
use turns::Turns;
use writer::Writer;

use super::Soundness;
use crate::domain::ReceiptId;

pub use access::Access;
pub use open_error::OpenError;

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
    /// Which source was told last at each notifier. It need not outlive the process.
    source_turns: Arc<Mutex<SourceTurns>>,
    incident_walk: Arc<Mutex<IncidentWalk>>,
    check: SoundnessCheck,
}

/// Where the walk over ended incidents goes on that are to be deleted: the time of the end and the number of the last one
/// that was looked at. It need not outlive the process.
type IncidentWalk = (i64, i64);

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
        Ok(Self {
            path: Arc::new(path.to_owned()),
            writer: Arc::new(writer),
            reader,
            forgets,
            turns: Arc::default(),
            source_turns: Arc::default(),
            incident_walk: Arc::default(),
            check,
        })
    }

    /// The database at `path` and everything that is kept beside it under names of ours or of SQLite.
    pub fn files(path: &Path) -> [PathBuf; 6] {
        ["", "-wal", "-shm", "-journal", ".lock", ".reserve"]
            .map(|end| PathBuf::from(format!("{}{end}", path.display())))
    }

    /// Opens the file to read, also beside a process that serves: nothing is created, written or migrated, and nothing
    /// is locked but what SQLite's readers mark in the WAL index. What writes answers [`StoreError::Stopped`](super::StoreError::Stopped).
    pub fn open_to_read(path: &Path) -> Result<Self, OpenError> {
        let connection = connect_read_only(path)?;
        let forgets = connection.query_row("SELECT forgets FROM pulse WHERE id = 1", [], |row| row.get(0));
        let forgets: bool = forgets.map_err(|error| unusable(path, error))?;
        Ok(Self {
            path: Arc::new(path.to_owned()),
            writer: Arc::new(Writer::absent()),
            reader: Arc::new(ReadConnection::new(connection)),
            forgets: Arc::new(AtomicBool::new(forgets)),
            turns: Arc::default(),
            source_turns: Arc::default(),
            incident_walk: Arc::default(),
            check: SoundnessCheck::new(path.to_owned()),
        })
    }

    /// Finishes what was handed in and stops the writer thread; later calls answer [`StoreError::Stopped`](super::StoreError::Stopped).
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

    /// What is free on the disk of the database, in bytes, for processes other than root's; `None` where the system does not say.
    pub fn free_bytes(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(self.path.as_path()).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
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
            leases::release_all(&connection).map_err(|error| unusable(path, error))?;
            bodies::remove_loose(&connection).map_err(|error| unusable(path, error))?;
            let present = ReceiptId::generate();
            id_order::forget_the_future(&connection, present.as_bytes()).map_err(|error| unusable(path, error))?;
            keys.get(&connection).map_err(|error| unusable(path, error))?;
            backlogs.load(&connection).map_err(|error| unusable(path, error))?;
        }
        let reader = connect_to_read(path, access)?;
        let forgets = reader.query_row("SELECT forgets FROM pulse WHERE id = 1", [], |row| row.get(0));
        let forgets = forgets.map_err(|error| unusable(path, error))?;
        Ok(Self { connection, keys, backlogs, reader, forgets })
    }
}
