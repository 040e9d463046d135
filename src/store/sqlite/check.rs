//! Whether the database is sound: a check in the background after a start.
//!
//! `PRAGMA quick_check` reads the whole file, which may take minutes, so it has a thread and a connection of its own
//! and nothing waits for it. While it reads, the WAL cannot be fully checkpointed: when the WAL has grown long
//! meanwhile, the check closes its connection and begins again later.
//!
//! SQLite closes no handle of a file for as long as the process has any connection to it, also none that has failed to
//! sync. Before a database is reopened after a failure, the check is [held](SoundnessCheck::hold).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::super::Soundness;
use super::access::Access;
use super::connection::connect_to_read;

/// The check of one store. Cloning gives another handle to the same one.
#[derive(Clone, Debug)]
pub struct SoundnessCheck(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    outcome: Mutex<Soundness>,
    /// Held by the thread while it has a connection, and by a caller that must be sure that it has none.
    connection: Mutex<()>,
    is_held: AtomicBool,
    is_stopped: AtomicBool,
    pause: Mutex<()>,
    stopping: Condvar,
}

impl Shared {
    fn must_let_go(&self) -> bool {
        self.is_held.load(Ordering::Acquire) || self.is_stopped.load(Ordering::Acquire)
    }
}

/// As long as this is held the check has no connection.
#[derive(Debug)]
pub struct Held<'c> {
    shared: &'c Shared,
    _connection: MutexGuard<'c, ()>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.shared.is_held.store(false, Ordering::Release);
    }
}

/// Why a check did not finish.
enum Unfinished {
    /// It was held, or stopped.
    Interrupted,
    /// The WAL has grown long during the check.
    LogTooLong,
    /// SQLite failed.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl SoundnessCheck {
    /// Of the database at `path`; not begun.
    pub fn new(path: PathBuf) -> Self {
        Self(Arc::new(Shared {
            path,
            outcome: Mutex::new(Soundness::Checking),
            connection: Mutex::default(),
            is_held: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
            pause: Mutex::default(),
            stopping: Condvar::new(),
        }))
    }

    /// Begins in the background.
    pub fn begin(&self) -> std::io::Result<()> {
        let check = self.clone();
        std::thread::Builder::new().name("store-check".to_owned()).spawn(move || check.run()).map(drop)
    }

    /// What is known by now.
    pub fn outcome(&self) -> Soundness {
        lock(&self.0.outcome).clone()
    }

    /// Records an outcome that was found elsewhere.
    pub fn note(&self, outcome: Soundness) {
        *lock(&self.0.outcome) = outcome;
    }

    /// Makes the check close its connection until the guard is dropped.
    pub fn hold(&self) -> Held<'_> {
        self.0.is_held.store(true, Ordering::Release);
        Held { shared: &self.0, _connection: lock(&self.0.connection) }
    }

    /// Ends the check, and waits until it has no connection any more.
    pub fn stop(&self) {
        let pause = lock(&self.0.pause);
        self.0.is_stopped.store(true, Ordering::Release);
        drop(pause);
        self.0.stopping.notify_all();
        drop(lock(&self.0.connection));
    }

    fn run(&self) {
        let begun = Instant::now();
        for _ in 0..TRIES_MAX {
            match self.try_once() {
                Ok(problems) if problems.is_empty() => {
                    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                    tracing::info!(ms, "the database has been checked and is sound");
                    return self.note(Soundness::Sound);
                }
                Ok(problems) => {
                    let reason = problems.join("; ");
                    tracing::error!(%reason, "the database is damaged; make a copy and restore a backup");
                    return self.note(Soundness::Damaged { reason });
                }
                Err(Unfinished::Failed(error)) => {
                    tracing::error!(%error, "the database cannot be checked");
                    return self.note(Soundness::Unknown { reason: error.to_string() });
                }
                Err(Unfinished::Interrupted | Unfinished::LogTooLong) => {}
            }
            if self.is_stopped_within(TRY_AGAIN) || self.outcome() != Soundness::Checking {
                return;
            }
        }
        let reason = "requests come in too fast for it to be read to its end".to_owned();
        tracing::warn!(%reason, "the database could not be checked");
        self.note(Soundness::Unknown { reason });
    }

    fn try_once(&self) -> Result<Vec<String>, Unfinished> {
        let _alone = lock(&self.0.connection);
        if self.0.must_let_go() {
            return Err(Unfinished::Interrupted);
        }
        let connection = connect_to_read(&self.0.path, Access::Operate);
        let connection = connection.map_err(|error| Unfinished::Failed(error.into()))?;
        let shared = Arc::clone(&self.0);
        let log = log_of(&self.0.path);
        let length_before = length(&log);
        let (mut looked, is_too_long) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&is_too_long);
        let interrupt = move || {
            if looked.elapsed() >= LOOK_INTERVAL {
                told.fetch_or(length(&log).saturating_sub(length_before) > LOG_GROWTH_MAX, Ordering::AcqRel);
                // Half of the time is left to others.
                std::thread::sleep(LOOK_INTERVAL);
                looked = Instant::now();
            }
            shared.must_let_go() || told.load(Ordering::Acquire)
        };
        let watching = connection.progress_handler(STEPS, Some(interrupt));
        watching.map_err(|error| Unfinished::Failed(error.into()))?;
        problems(&connection).map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) if is_too_long.load(Ordering::Acquire) => {
                Unfinished::LogTooLong
            }
            Some(rusqlite::ErrorCode::OperationInterrupted) => Unfinished::Interrupted,
            _ => Unfinished::Failed(error.into()),
        })
    }

    /// Waits; whether it was stopped meanwhile.
    fn is_stopped_within(&self, time: Duration) -> bool {
        let is_stopped = || self.0.is_stopped.load(Ordering::Acquire);
        drop(self.0.stopping.wait_timeout_while(lock(&self.0.pause), time, |()| !is_stopped()));
        is_stopped()
    }
}

/// What `quick_check` finds wrong; nothing where the database is sound.
fn problems(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut select = connection.prepare(&format!("PRAGMA quick_check({PROBLEMS_MAX})"))?;
    let mut rows = select.query([])?;
    let mut found = Vec::new();
    loop {
        match rows.next() {
            Ok(Some(row)) => found.push(row.get::<_, String>(0)?),
            Ok(None) => break,
            // Some damage ends the check itself.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
                found.push(error.to_string());
                break;
            }
            Err(error) => return Err(error),
        }
    }
    found.retain(|line| line != "ok");
    Ok(found)
}

fn log_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", path.display()))
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many problems are reported.
const PROBLEMS_MAX: usize = 5;
/// Steps of SQLite's virtual machine between two checks whether to go on.
const STEPS: std::os::raw::c_int = 1_000;
/// How long it reads before it pauses, and how long it pauses.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// By how much the WAL may grow while it reads.
const LOG_GROWTH_MAX: u64 = 256 << 20;
/// How often it begins anew, and after how long.
const TRIES_MAX: u32 = 24;
const TRY_AGAIN: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::super::SqliteStore;
    use super::*;

    fn until_known(check: &SoundnessCheck) -> Soundness {
        for _ in 0..3_000 {
            match check.outcome() {
                Soundness::Checking => std::thread::sleep(Duration::from_millis(10)),
                known => return known,
            }
        }
        panic!("the check does not end");
    }

    fn filled(path: &Path) {
        SqliteStore::open(path, Access::Serve).unwrap().close();
        let connection = Connection::open(path).unwrap();
        connection
            .execute_batch(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
                 INSERT INTO dedupe_keys SELECT 0, randomblob(16), randomblob(16), i FROM n;
                 PRAGMA wal_checkpoint(TRUNCATE);",
            )
            .unwrap();
    }

    #[test]
    fn a_sound_database_is_found_sound_and_a_damaged_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        filled(&path);
        let check = SoundnessCheck::new(path.clone());
        check.begin().unwrap();
        assert_eq!(until_known(&check), Soundness::Sound);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2 / 8192 * 8192;
        bytes[middle..middle + 8192].fill(0xa5);
        std::fs::write(&path, bytes).unwrap();
        let check = SoundnessCheck::new(path);
        check.begin().unwrap();
        assert!(matches!(until_known(&check), Soundness::Damaged { .. }), "{:?}", check.outcome());
    }

    #[test]
    fn a_held_check_has_no_connection() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        filled(&path);
        let check = SoundnessCheck::new(path);
        let held = check.hold();
        assert!(check.0.connection.try_lock().is_err() && check.0.must_let_go(), "it could open a connection");
        drop(held);
        assert!(matches!(check.try_once(), Ok(problems) if problems.is_empty()));
        check.stop();
        assert!(matches!(check.try_once(), Err(Unfinished::Interrupted)));
    }
}
