//! Checkpoints of the WAL beside the writer.
//!
//! A checkpoint copies the pages of the WAL into the database and syncs it, and on the writer thread all requests wait
//! for that. So a thread with a connection of its own copies most of them while transactions go on. The writer runs only
//! the last, short checkpoint, between two transactions: the WAL begins anew only if nothing was added to it since all
//! of it was copied and synced. The [`Database`](super::database::Database) of the process that serves calls this after
//! each commit.
//!
//! - The thread never syncs the WAL: whatever a reader of it sees was synced by its commit. A sync that fails here could
//!   drop what a transaction has just written, and the transaction's own sync would not say so.
//! - The thread never copies the last commit, or SQLite would take the checkpoint for complete and the WAL for free
//!   before the database is synced. So the writer marks by a read transaction how far is to be copied, and starts the
//!   thread after the next commit. Until the thread has told that the database is synced the mark also keeps SQLite from
//!   using the WAL from its begin.
//! - While the thread works the writer does not checkpoint: two syncs at a time would tell only one of them of a failure.
//!   A WAL that reaches its limit has the writer wait.
//! - Until the database is synced, transactions may read pages of it that are only in the system's memory, as beside any
//!   checkpoint that a reader keeps from its end. A system that drops such a page when it cannot write it shows its former
//!   content until the sync tells of it.
//! - A failure of the thread is one of the database, with the same consequences as one of the writer. It does not come to
//!   light before the thread is looked after: commits until then are in the WAL, which is whole.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::super::StoreError;
use super::access::Access;
use super::connection::{connect_to_copy, connect_to_read};
use super::open_error::{OpenError, unusable};
use super::wal;

/// The thread as the writer knows it. When it is dropped, the thread has ended and all its connections are closed.
#[derive(Debug)]
pub struct Checkpointer {
    /// Reads, to mark how far is copied.
    mark: Connection,
    stage: Stage,
    /// So many pages of the WAL are in the database.
    copied: u32,
    orders: Option<Sender<()>>,
    outcomes: Receiver<Outcome>,
    thread: Option<JoinHandle<()>>,
}

/// Where a checkpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is being done.
    Idle,
    /// What is to be copied is marked.
    Marked,
    /// The thread is copying.
    Copying,
    /// What was marked is in the database, and synced.
    Copied,
}

/// What is to be done after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    /// Mark what the thread is to copy.
    Mark,
    /// Let it begin.
    Copy,
    /// Wait for it, and copy what is left.
    Finish,
}

/// How many pages of the WAL are in the database now.
type Outcome = Result<u32, StoreError>;

impl Checkpointer {
    /// Starts the thread. `handle`: the file at `path`, opened; it must not be closed before all connections to it.
    pub fn start(path: &Path, handle: Arc<File>) -> Result<Self, OpenError> {
        let mark = connect_to_read(path, Access::Operate)?;
        let connection = connect_to_copy(path)?;
        let (orders, ordered) = channel();
        let (outcome, outcomes) = channel();
        let run = move || {
            while ordered.recv().is_ok() {
                if outcome.send(copy(&connection, &handle)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("store-ckpt".to_owned()).spawn(run);
        let thread = Some(thread.map_err(|error| unusable(path, error))?);
        Ok(Self { mark, stage: Stage::Idle, copied: 0, orders: Some(orders), outcomes, thread })
    }

    /// Goes on after a commit of the writer that has left so many pages in the WAL. At `limit` the WAL is checkpointed
    /// by the writer, whatever the thread does.
    pub fn after_commit(&mut self, writer: &Connection, pages: u32, limit: u32) -> Result<(), StoreError> {
        self.look()?;
        if pages < self.copied {
            self.copied = 0;
        }
        match next(self.stage, pages, self.copied, limit) {
            Step::Nothing => {}
            Step::Mark => {
                // A transaction reads what there is at its first statement.
                if let Err(error) = self.mark.execute_batch("BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1") {
                    // What has failed is told, and not that there is nothing to end.
                    drop(self.mark.execute_batch("ROLLBACK"));
                    return Err(error.into());
                }
                self.stage = Stage::Marked;
            }
            Step::Copy => {
                self.orders.as_ref().and_then(|orders| orders.send(()).ok()).ok_or_else(has_ended)?;
                self.stage = Stage::Copying;
            }
            Step::Finish => {
                self.finish()?;
                self.copied = wal::empty(writer)?;
            }
        }
        Ok(())
    }

    /// Whether the thread is at work, as far as is known.
    #[cfg(test)]
    pub fn is_copying(&self) -> bool {
        self.stage == Stage::Copying
    }

    /// Looks whether the thread has failed. Does not wait.
    pub fn look(&mut self) -> Result<(), StoreError> {
        if self.stage != Stage::Copying {
            return Ok(());
        }
        match self.outcomes.try_recv() {
            Ok(outcome) => self.is_told(outcome),
            Err(TryRecvError::Empty) => Ok(()),
            Err(TryRecvError::Disconnected) => self.is_told(Err(has_ended())),
        }
    }

    /// Waits until nothing is being copied, and lets the WAL begin anew when all of it is in the database.
    pub fn finish(&mut self) -> Result<(), StoreError> {
        if self.stage == Stage::Copying {
            let outcome = self.outcomes.recv().unwrap_or_else(|_| Err(has_ended()));
            self.is_told(outcome)?;
        }
        self.take_mark_away()
    }

    fn is_told(&mut self, outcome: Outcome) -> Result<(), StoreError> {
        self.stage = Stage::Copied;
        match outcome {
            Ok(copied) => {
                self.copied = copied;
                Ok(())
            }
            Err(fault) => {
                // What has failed is told, and not that a second thing did.
                drop(self.take_mark_away());
                Err(fault)
            }
        }
    }

    fn take_mark_away(&mut self) -> Result<(), StoreError> {
        if self.stage != Stage::Idle {
            self.stage = Stage::Idle;
            self.mark.execute_batch("COMMIT")?;
        }
        Ok(())
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.orders.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's checkpoint thread ended in a panic");
        }
    }
}

/// What is to be done where so many pages are in the WAL, and so many of them in the database.
fn next(stage: Stage, pages: u32, copied: u32, limit: u32) -> Step {
    match stage {
        _ if pages >= limit => Step::Finish,
        Stage::Copied => Step::Finish,
        Stage::Copying => Step::Nothing,
        Stage::Marked => Step::Copy,
        Stage::Idle if limit < LIMIT_LEAST => Step::Nothing,
        Stage::Idle if pages >= limit / 4 * 3 && pages.saturating_sub(copied) > SHORT => Step::Mark,
        Stage::Idle => Step::Nothing,
    }
}

/// Copies what is marked. SQLite syncs nothing on this connection.
fn copy(connection: &Connection, handle: &File) -> Outcome {
    let copied = wal::empty(connection)?;
    // As SQLite has it, whatever the reason.
    handle.sync_data().map_err(|error| StoreError::Broken(format!("the database cannot be synced: {error}")))?;
    Ok(copied)
}

fn has_ended() -> StoreError {
    StoreError::Broken("the store's checkpoint thread has ended".to_owned())
}

/// Where the WAL is checkpointed at fewer pages the thread is of no use.
const LIMIT_LEAST: u32 = 256;
/// So many pages are not worth a checkpoint before the limit.
const SHORT: u32 = 100;

#[cfg(test)]
mod tests {
    use super::super::connection::connect;
    use super::*;

    /// A store whose thread syncs by this file, with a table to write to.
    fn store(path: &Path, synced: &Path) -> (Connection, Checkpointer) {
        let writer = connect(path, Access::Serve).unwrap();
        writer.execute_batch("PRAGMA application_id = 0x67617465; CREATE TABLE t (n INTEGER PRIMARY KEY, x)").unwrap();
        let handle = Arc::new(File::open(synced).unwrap());
        (writer, Checkpointer::start(path, handle).unwrap())
    }

    /// Adds some ten pages to the WAL. How many it has then.
    fn write(writer: &Connection, turn: u32) -> u32 {
        writer.execute("INSERT OR REPLACE INTO t VALUES (?1, randomblob(80000))", [turn % 20]).unwrap();
        wal::length_after_commit().unwrap()
    }

    #[test]
    fn the_thread_copies_most_and_the_writer_the_rest() {
        let table = [
            (Stage::Idle, 749, 0, Step::Nothing, "it is short"),
            (Stage::Idle, 750, 0, Step::Mark, "it is long"),
            (Stage::Idle, 850, 750, Step::Nothing, "most of it is in the database, and read at the moment"),
            (Stage::Idle, 851, 750, Step::Mark, "that has gone on"),
            (Stage::Idle, 1_000, 999, Step::Finish, "it must be short again"),
            (Stage::Marked, 760, 0, Step::Copy, "there was another commit"),
            (Stage::Copying, 999, 0, Step::Nothing, "the thread is at work"),
            (Stage::Copying, 1_000, 0, Step::Finish, "the thread is too slow"),
            (Stage::Copied, 800, 750, Step::Finish, "little is left"),
        ];
        for (stage, pages, copied, step, why) in table {
            assert_eq!(next(stage, pages, copied, 1_000), step, "{why}");
        }
        assert_eq!(next(Stage::Idle, 127, 0, 128), Step::Nothing, "on a small disk the thread is of no use");
        assert_eq!(next(Stage::Idle, 128, 0, 128), Step::Finish);
    }

    #[test]
    fn the_wal_stays_within_its_limit_while_it_is_written_without_a_pause() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let (writer, mut checkpointer) = store(&path, &path);
        let (mut longest, mut before, mut begun_anew, mut was_told) = (0, 0, 0, 0);
        for turn in 0..1_000 {
            let pages = write(&writer, turn);
            longest = longest.max(pages);
            begun_anew += u32::from(pages < before);
            before = pages;
            let copied = checkpointer.copied;
            checkpointer.after_commit(&writer, pages, 300).unwrap();
            was_told += u32::from(checkpointer.stage == Stage::Marked && copied == 0);
        }
        assert!(longest < 300 + 30, "{longest} pages");
        assert!(begun_anew > 20 && was_told > 10, "{begun_anew} times anew, {was_told} times by the thread");
        checkpointer.finish().unwrap();
        drop(checkpointer);
        assert_eq!(wal::truncate(&writer), Ok(true), "something still reads");
    }

    #[test]
    fn the_thread_leaves_the_last_commit_to_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let (writer, mut checkpointer) = store(&path, &path);
        let mut turn = 0;
        while checkpointer.stage != Stage::Copying {
            turn += 1;
            let pages = write(&writer, turn);
            checkpointer.after_commit(&writer, pages, 300).unwrap();
        }
        checkpointer.finish().unwrap();
        assert!(checkpointer.copied >= 225, "{} pages", checkpointer.copied);
        assert_eq!(wal::is_half_copied(&writer), Ok(true), "SQLite takes the WAL for free");
        assert!(wal::empty(&writer).unwrap() > checkpointer.copied);
        assert_eq!(wal::is_half_copied(&writer), Ok(false));
        assert!(write(&writer, 1) < 30, "it is not begun anew");
    }

    #[test]
    fn a_sync_that_fails_is_told_after_one_of_the_next_commits() {
        let folder = tempfile::tempdir().unwrap();
        // The system cannot sync this one.
        let (writer, mut checkpointer) = store(&folder.path().join("test.db"), Path::new("/dev/null"));
        let fault = (0..60).find_map(|turn| {
            let pages = write(&writer, turn);
            checkpointer.after_commit(&writer, pages, 300).err()
        });
        assert!(matches!(fault, Some(StoreError::Broken(reason)) if reason.contains("cannot be synced")));
    }
}
