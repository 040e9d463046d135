//! The one thread that writes.
//!
//! It takes whatever has gathered: all waiting arrivals become one transaction, then one piece of background work runs,
//! then the arrivals that came meanwhile, and so on. Nobody waits for company: a single arrival is committed at once.
//! While arrivals keep coming background work has a quarter of the thread's time; as soon as none come it has all of it.
//!
//! After an error that leaves the state of the file in doubt (a failed write or sync) the connection is thrown away:
//! the kernel may have dropped the pages that it could not write, so a second sync on the same handle proves nothing.
//! Until a fresh connection has opened and passed its check, everything is refused.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::super::{Acceptance, Arrival, StoreFault, Ticket};
use super::keys::Keys;
use super::{LOG_PAGES, connect, inbox};

/// The handle on the thread.
#[derive(Debug)]
pub struct Writer {
    commands: Mutex<Option<Sender<Command>>>,
    waiting: Arc<WaitingRoom>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How much is waiting for its commit. Bounded, so that a slow disk is answered with 503 and not with memory.
#[derive(Debug, Default)]
struct WaitingRoom {
    arrivals: AtomicUsize,
    bytes: AtomicUsize,
}

type Answer<T> = oneshot::Sender<Result<T, StoreFault>>;
/// Background work: given the connection or the reason why there is none, it answers its own ticket and returns the
/// fault if there was one.
type Work = Box<dyn FnOnce(Result<&mut Connection, StoreFault>) -> Option<StoreFault> + Send>;

enum Command {
    Accept(Arrival, Answer<Acceptance>),
    Work(Work),
}

impl Writer {
    /// Starts the thread on a connection that is ready.
    /// `keys` spares the thread reading them before its first arrival.
    pub fn start(connection: Connection, path: PathBuf, keys: Option<Keys>) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        let waiting = Arc::new(WaitingRoom::default());
        let desk = Desk {
            connection: Some(connection),
            path,
            keys,
            broken_since: None,
            crowd: None,
            waiting: waiting.clone(),
            turn: Turn::default(),
        };
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || desk.run(&receiver))?;
        Ok(Self { commands: Mutex::new(Some(sender)), waiting, thread: Mutex::new(Some(thread)) })
    }

    /// Queues an arrival, or refuses it when the waiting room is full.
    pub fn accept(&self, arrival: Arrival) -> Ticket<Acceptance> {
        let size = arrival.request.body().len();
        let crowd = self.waiting.arrivals.fetch_add(1, Ordering::AcqRel);
        let bytes = self.waiting.bytes.fetch_add(size, Ordering::AcqRel);
        // A single body is always let in: the limit is on the crowd, each body has its own.
        if crowd >= WAITING_ARRIVALS_MAX || (crowd > 0 && bytes.saturating_add(size) > WAITING_BYTES_MAX) {
            self.waiting.leave(size);
            return Ticket::refused(StoreFault::Crowded);
        }
        let (answer, ticket) = Ticket::new();
        if !self.send(Command::Accept(arrival, answer)) {
            self.waiting.leave(size);
            return Ticket::refused(StoreFault::Stopped);
        }
        ticket
    }

    /// Queues work that runs in a transaction of its own, which is committed if it answers `Ok`.
    pub fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreFault> + Send + 'static,
    ) -> Ticket<T> {
        let (answer, ticket) = Ticket::new();
        let boxed: Work = Box::new(move |connection| {
            let result = connection.and_then(|connection| in_transaction(connection, work));
            let fault = result.as_ref().err().cloned();
            // Whoever asked may have gone: what was committed stays committed.
            drop(answer.send(result));
            fault
        });
        if !self.send(Command::Work(boxed)) {
            return Ticket::refused(StoreFault::Stopped);
        }
        ticket
    }

    /// Finishes what was handed in and ends the thread.
    pub fn stop(&self) {
        drop(lock(&self.commands).take());
        if let Some(thread) = lock(&self.thread).take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer thread ended in a panic");
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

impl WaitingRoom {
    fn leave(&self, bytes: usize) {
        self.arrivals.fetch_sub(1, Ordering::AcqRel);
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// What has come in and is not done yet.
#[derive(Default)]
struct Gathered {
    arrivals: Vec<(Arrival, Answer<Acceptance>)>,
    works: VecDeque<Work>,
}

impl Gathered {
    fn sort(&mut self, command: Command) {
        match command {
            Command::Accept(arrival, answer) => self.arrivals.push((arrival, answer)),
            Command::Work(work) => self.works.push_back(work),
        }
    }
}

/// What the thread works with.
struct Desk {
    connection: Option<Connection>,
    path: PathBuf,
    keys: Option<Keys>,
    broken_since: Option<Instant>,
    crowd: Option<Crowd>,
    waiting: Arc<WaitingRoom>,
    turn: Turn,
}

/// Whose turn it is: keeps background work from taking the thread while requests wait for their answers.
#[derive(Default)]
struct Turn {
    /// Arrivals have been committed since the last piece of work.
    intake_came: bool,
    /// While they come, work goes on no earlier.
    work_not_before: Option<Instant>,
}

impl Turn {
    /// How long work has to wait; zero when it may go on.
    fn work_waits(&self, now: Instant) -> Duration {
        match self.work_not_before {
            Some(not_before) if self.intake_came => not_before.saturating_duration_since(now),
            _ => Duration::ZERO,
        }
    }

    fn intake_ends(&mut self) {
        self.intake_came = true;
    }

    fn work_ends(&mut self, begun: Instant, now: Instant) {
        self.intake_came = false;
        self.work_not_before = Some(now + now.duration_since(begun) * INTAKE_SHARES);
    }
}

/// The disk is full, or was a moment ago.
struct Crowd {
    last_full: Instant,
    /// When the log was last emptied, or could not be.
    tried: Instant,
}

impl Desk {
    fn run(mut self, commands: &Receiver<Command>) {
        let mut gathered = Gathered::default();
        loop {
            let open = self.gather(commands, &mut gathered);
            self.commit(&mut gathered.arrivals);
            let now = Instant::now();
            if (self.turn.work_waits(now).is_zero() || !open)
                && let Some(work) = gathered.works.pop_front()
            {
                self.perform(work);
                self.turn.work_ends(now, Instant::now());
            }
            if !open && gathered.works.is_empty() {
                break;
            }
        }
        self.close();
    }

    /// Takes what has gathered; waits only when there is nothing to do. `false` once no more can come.
    fn gather(&mut self, commands: &Receiver<Command>, gathered: &mut Gathered) -> bool {
        let patience = if gathered.works.is_empty() { REOPEN_INTERVAL } else { self.turn.work_waits(Instant::now()) };
        if !patience.is_zero() {
            match commands.recv_timeout(patience) {
                Ok(command) => gathered.sort(command),
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {
                    self.reopen_if_due();
                    return true;
                }
            }
        }
        for _ in 1..BATCH_MAX {
            match commands.try_recv() {
                Ok(command) => gathered.sort(command),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        true
    }

    fn commit(&mut self, arrivals: &mut Vec<(Arrival, Answer<Acceptance>)>) {
        if arrivals.is_empty() {
            return;
        }
        self.reopen_if_due();
        let result = match self.connection.as_mut() {
            Some(connection) => insert_all(connection, &mut self.keys, arrivals),
            None => Err(self.refusal()),
        };
        if let Err(fault) = &result {
            self.note(fault);
        }
        for (index, (arrival, answer)) in arrivals.drain(..).enumerate() {
            self.waiting.leave(arrival.request.body().len());
            let outcome = match &result {
                Ok(acceptances) => acceptances.get(index).copied().ok_or(StoreFault::Stopped),
                Err(fault) => Err(fault.clone()),
            };
            // A client that has gone gets no answer; its request is stored all the same.
            drop(answer.send(outcome));
        }
        self.turn.intake_ends();
    }

    fn perform(&mut self, work: Work) {
        self.reopen_if_due();
        let fault = match self.connection.as_mut() {
            Some(connection) => work(Ok(connection)),
            None => work(Err(self.refusal())),
        };
        if let Some(fault) = fault {
            self.note(&fault);
        }
    }

    fn refusal(&self) -> StoreFault {
        StoreFault::Broken("it is being reopened after an error".to_owned())
    }

    /// After an error that leaves the file in doubt, gives the connection up.
    fn note(&mut self, fault: &StoreFault) {
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

    /// Makes the most of a disk that is full, or was a moment ago. SQLite empties its log into the database when the log
    /// has reached a length that such a disk does not let it reach, and then has no room for what is in it: it would
    /// stay full for ever, however little was missing. So the log is emptied by hand, and kept short for a while.
    fn make_room(&mut self) {
        let (Some(crowd), Some(connection)) = (self.crowd.as_mut(), self.connection.as_ref()) else { return };
        let is_over = crowd.last_full.elapsed() >= CROWDED;
        let log_pages = if is_over { LOG_PAGES } else { LOG_PAGES_CROWDED };
        crowd.tried = Instant::now();
        let done = connection
            .execute_batch(&format!("PRAGMA wal_autocheckpoint={log_pages}"))
            .and_then(|()| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)));
        match done {
            Ok(_) if is_over => self.crowd = None,
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the log cannot be emptied yet"),
        }
    }

    fn reopen_if_due(&mut self) {
        if self.crowd.as_ref().is_some_and(|crowd| crowd.tried.elapsed() >= REOPEN_INTERVAL) {
            self.make_room();
        }
        let due = self.broken_since.is_some_and(|since| since.elapsed() >= REOPEN_INTERVAL);
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

    fn close(self) {
        if let Some(connection) = self.connection
            && let Err((_, error)) = connection.close()
        {
            tracing::warn!(%error, "the database did not close cleanly; nothing that was acknowledged is lost");
        }
    }
}

fn insert_all(
    connection: &mut Connection,
    keys: &mut Option<Keys>,
    arrivals: &[(Arrival, Answer<Acceptance>)],
) -> Result<Vec<Acceptance>, StoreFault> {
    let keys = match keys {
        Some(keys) => keys,
        None => keys.insert(Keys::load(connection)?),
    };
    in_transaction(connection, |transaction| {
        arrivals.iter().map(|(arrival, _)| inbox::insert(transaction, keys, arrival)).collect()
    })
}

fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreFault>,
) -> Result<T, StoreFault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

/// A fresh connection on a file that is sound.
fn reopen(path: &std::path::Path) -> Result<Connection, String> {
    let connection = connect(path).map_err(|error| error.to_string())?;
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|error| error.to_string())?;
    if verdict == "ok" { Ok(connection) } else { Err(verdict) }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many arrivals may wait for their commit.
const WAITING_ARRIVALS_MAX: usize = 8_192;
/// How many bytes of bodies may wait for their commit.
const WAITING_BYTES_MAX: usize = 128 << 20;
/// How many commands are taken at once: beyond this a larger transaction gains nothing.
const BATCH_MAX: usize = 512;
/// How much longer than the last piece of background work intake has the thread before the next one begins.
const INTAKE_SHARES: u32 = 3;
/// How long after the disk was full the log is kept short.
const CROWDED: Duration = Duration::from_secs(60);
/// As short: half a megabyte.
const LOG_PAGES_CROWDED: u32 = 64;
/// How soon after a failure the database is opened again, and how often room is made on a full disk.
const REOPEN_INTERVAL: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_has_a_quarter_of_the_time_while_arrivals_come_and_all_of_it_when_none_do() {
        let begun = Instant::now();
        let after = |ms| begun + Duration::from_millis(ms);
        let mut turn = Turn::default();
        assert!(turn.work_waits(begun).is_zero(), "the first piece waits for nobody");
        turn.work_ends(begun, after(10));
        assert!(turn.work_waits(after(10)).is_zero(), "nobody came");
        turn.intake_ends();
        assert_eq!(turn.work_waits(after(10)), Duration::from_millis(30));
        assert_eq!(turn.work_waits(after(25)), Duration::from_millis(15));
        assert!(turn.work_waits(after(40)).is_zero(), "work is never put off for ever");
    }
}
