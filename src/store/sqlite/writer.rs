//! The handle of the writer thread: submitted commands wait here until the [`commit_loop`](super::commit_loop) takes
//! them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction};

use super::super::reply_batch::PendingReply;
use super::super::{Acceptance, Backlog, ReplyBatch, StoreError, Ticket};
use super::admission::Admission;
use super::backlogs::Backlogs;
use super::commit_loop::CommitLoop;
use super::database::{Database, Service};
use super::keys::KeysAtHand;
use super::recent_receipts::RecentReceipts;
use super::work::{Command, Waiting, Work, WorkLine};
use crate::vendors::Authenticated;

/// The handle.
#[derive(Debug)]
pub struct Writer {
    commands: Mutex<Option<Sender<Command>>>,
    waiting: Arc<Admission>,
    recent: Arc<RecentReceipts>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A piece of work with the value that it yields.
struct Job<T, F, C> {
    work: Option<F>,
    /// What is done with the value once it is on the disk.
    committed: C,
    waiting: Arc<Admission>,
    value: Option<T>,
    answer: PendingReply<T>,
}

impl<T, F, C> Work for Job<T, F, C>
where
    T: Send,
    F: FnOnce(&Transaction<'_>, &mut KeysAtHand) -> Result<T, StoreError> + Send,
    C: FnOnce(&Admission, &T) + Send,
{
    fn run(&mut self, transaction: &Transaction<'_>, keys: &mut KeysAtHand) -> Result<(), StoreError> {
        if let Some(work) = self.work.take() {
            self.value = Some(work(transaction, keys)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, fate: Result<(), StoreError>) {
        let Self { value, answer, committed, waiting, .. } = *self;
        if let (Some(value), Ok(())) = (&value, &fate) {
            committed(&waiting, value);
        }
        answer.send(fate.and_then(|()| value.ok_or(StoreError::Stopped)));
    }
}

impl Writer {
    /// Starts the thread on a connection that is ready. `service`: what only the process that serves has.
    pub fn start(
        connection: Connection,
        path: PathBuf,
        (keys, backlogs): (KeysAtHand, Backlogs),
        service: Option<Service>,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        let waiting = Arc::new(Admission::new(backlogs));
        let recent = Arc::<RecentReceipts>::default();
        let database = Database::new(connection, path, service);
        let commit_loop = CommitLoop::new(database, keys, Arc::clone(&waiting), Arc::clone(&recent));
        let run = move || {
            let ended = catch_unwind(AssertUnwindSafe(|| commit_loop.run(&receiver)));
            if ended.is_err() {
                // Without it nothing is accepted or told. What is committed is safe, and so is a new start.
                tracing::error!("the thread that writes has panicked; the process ends, so that it is started again");
                std::process::abort();
            }
        };
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(run)?;
        Ok(Self { commands: Mutex::new(Some(sender)), waiting, recent, thread: Mutex::new(Some(thread)) })
    }

    /// The handle of a store that is only read: what is handed in is refused.
    pub fn absent() -> Self {
        Self { commands: Mutex::new(None), waiting: Arc::default(), recent: Arc::default(), thread: Mutex::new(None) }
    }

    /// What of a source is committed and not read yet.
    pub fn backlog(&self, source: &str) -> Backlog {
        self.waiting.backlogs.of(source)
    }

    /// Whether arrivals are refused because the disk is full.
    pub fn is_shut(&self) -> bool {
        self.waiting.is_shut()
    }

    /// Whether requests come so many at once that background work should leave them the processors.
    pub fn is_crowded(&self) -> bool {
        self.waiting.is_crowded()
    }

    /// What was just accepted.
    pub fn recent(&self) -> Arc<RecentReceipts> {
        Arc::clone(&self.recent)
    }

    /// Queues an arrival, or refuses it when the queue is full or closed.
    pub fn accept(&self, arrival: Authenticated, replies: Option<&ReplyBatch>) -> Ticket<Acceptance> {
        if self.is_shut() {
            return Ticket::refused(StoreError::kept_for_deliveries());
        }
        let size = arrival.body().len();
        if !self.waiting.enter(size) {
            return Ticket::refused(StoreError::QueueFull);
        }
        let (answer, ticket) = Ticket::by(replies);
        if !self.send(Command::Accept(Waiting { arrival, body: None, answer })) {
            self.waiting.leave(1, size);
            return Ticket::refused(StoreError::Stopped);
        }
        ticket
    }

    /// Queues work that is committed as a whole if it answers `Ok`.
    pub fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Ticket<T> {
        self.write_with_keys(move |transaction, _| work(transaction))
    }

    /// The same for work that asks which keys are known.
    pub fn write_with_keys<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &mut KeysAtHand) -> Result<T, StoreError> + Send + 'static,
    ) -> Ticket<T> {
        self.write_then(work, |_, _| {})
    }

    /// The same; `committed` is called with the value once what was done is on the disk, before it is answered.
    pub fn write_then<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &mut KeysAtHand) -> Result<T, StoreError> + Send + 'static,
        committed: impl FnOnce(&Admission, &T) + Send + 'static,
    ) -> Ticket<T> {
        self.queue(WorkLine::First, work, committed)
    }

    /// The same as [`Writer::write`] for work that may wait in this line.
    pub fn write_in<T: Send + 'static>(
        &self,
        line: WorkLine,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Ticket<T> {
        self.queue(line, move |transaction, _| work(transaction), |_, _| {})
    }

    fn queue<T: Send + 'static>(
        &self,
        line: WorkLine,
        work: impl FnOnce(&Transaction<'_>, &mut KeysAtHand) -> Result<T, StoreError> + Send + 'static,
        committed: impl FnOnce(&Admission, &T) + Send + 'static,
    ) -> Ticket<T> {
        let (answer, ticket) = Ticket::by(None);
        let job = Job { work: Some(work), committed, waiting: Arc::clone(&self.waiting), value: None, answer };
        if !self.send(Command::Work(line, Box::new(job))) {
            return Ticket::refused(StoreError::Stopped);
        }
        ticket
    }

    /// Finishes what was handed in and ends the thread.
    pub fn stop(&self) {
        drop(lock(&self.commands).take());
        if let Some(thread) = lock(&self.thread).take() {
            // Where it panics the process ends.
            drop(thread.join());
        }
    }

    fn send(&self, command: Command) -> bool {
        lock(&self.commands).as_ref().is_some_and(|commands| commands.send(command).is_ok())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::super::super::Access;
    use super::super::SqliteStore;
    use super::*;

    /// What tells the process that is to end.
    const IS_TO_END: &str = "GATEPOST_TEST_PANICS";
    /// SIGABRT.
    const ABORTED: i32 = 6;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "it tells one process of the test from the other")]
    fn where_the_thread_panics_the_process_ends() {
        if std::env::var_os(IS_TO_END).is_some() {
            let folder = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(&folder.path().join("test.db"), Access::Serve).unwrap();
            let panicked = store.writer.write(|_| -> Result<(), StoreError> { panic!("as a defect would") }).wait();
            panic!("it goes on: {panicked:?}");
        }
        let name = "store::sqlite::writer::tests::where_the_thread_panics_the_process_ends";
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        let ended = again.args(["--exact", name]).env(IS_TO_END, "1").output().unwrap().status;
        assert_eq!(ended.signal(), Some(ABORTED));
    }
}
