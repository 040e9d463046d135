//! The one thread that writes.
//!
//! It takes whatever has gathered: all waiting arrivals become one transaction, then those that came meanwhile, and so
//! on. No arrival is delayed to fill a batch: a single one is committed at once. Background work shares the
//! transactions of arrivals, and so their syncs; when no arrivals come it has the thread to itself. [`Schedule`] says
//! when it may run. A long body is stored piece by piece, one in each transaction, see [`bodies`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use rusqlite::{Transaction, TransactionBehavior};

use super::super::reply_batch::CommitReplies;
use super::super::{Acceptance, StoreError};
use super::admission::Admission;
use super::arrivals::{self, Stored};
use super::bodies::{self, Left, Removal, Stage, Staged, Step};
use super::database::{Database, TEND_INTERVAL};
use super::keys::KeysAtHand;
use super::recent_receipts::RecentReceipts;
use super::scheduling::Schedule;
use super::work::{Command, Waiting, Work, WorkLine};
use super::work_queue::{OpenLines, WorkQueue};

/// What the thread works with.
pub struct CommitLoop {
    database: Database,
    keys: KeysAtHand,
    waiting: Arc<Admission>,
    recent: Arc<RecentReceipts>,
    schedule: Schedule,
    /// A commit has failed since the backlogs were counted: it may be durable nevertheless.
    are_backlogs_in_doubt: bool,
    /// Bodies of refused requests that are still there, and when their removal was last tried again.
    left: Arc<Left>,
    tried: Instant,
}

/// What has come in and is not done yet.
#[derive(Default)]
struct Gathered {
    arrivals: Vec<Waiting>,
    /// Arrivals whose bodies come in piece by piece, one body after the other.
    long: VecDeque<Staged>,
    works: WorkQueue,
}

/// What a transaction did for intake.
struct Taken {
    /// For each arrival.
    stored: Vec<Stored>,
    /// For the long body whose turn it was.
    step: Option<Step>,
}

/// Work that was done, and how it ended.
type Done = (Box<dyn Work>, Result<(), StoreError>);

impl Gathered {
    fn sort(&mut self, command: Command) {
        match command {
            Command::Accept(waiting) if bodies::is_long(waiting.arrival.body().len()) => {
                self.long.push_back(Staged::new(waiting));
            }
            Command::Accept(waiting) => self.arrivals.push(waiting),
            Command::Work(line, work) => self.works.push(line, work),
        }
    }

    /// Whether no request waits for an answer.
    fn has_no_intake(&self) -> bool {
        self.arrivals.is_empty() && self.long.is_empty()
    }
}

impl CommitLoop {
    /// Over a database that is ready.
    pub fn new(database: Database, keys: KeysAtHand, waiting: Arc<Admission>, recent: Arc<RecentReceipts>) -> Self {
        Self {
            database,
            keys,
            waiting,
            recent,
            schedule: Schedule::default(),
            are_backlogs_in_doubt: false,
            left: Arc::default(),
            tried: Instant::now(),
        }
    }

    /// Works until no more can come and everything is done.
    pub fn run(mut self, commands: &Receiver<Command>) {
        let mut gathered = Gathered::default();
        loop {
            self.waiting.shut(self.database.is_shut());
            let open = self.gather(commands, &mut gathered);
            if open && self.tried.elapsed() >= REMOVE_AGAIN {
                self.tried = Instant::now();
                for removal in self.left.removals() {
                    gathered.works.push(WorkLine::Later, Box::new(removal));
                }
            }
            if self.database.is_shut() && !gathered.has_no_intake() {
                self.turn_away(&mut gathered);
            }
            let alone = gathered.has_no_intake();
            let lines = if open { self.schedule.open_lines(Instant::now(), alone) } else { OpenLines::ALL };
            self.waiting.note_crowd(self.schedule.is_crowded(Instant::now()));
            if !alone || gathered.works.has(lines) {
                self.commit(&mut gathered, lines);
                self.database.empty_log();
            }
            if !open && gathered.works.is_empty() && gathered.has_no_intake() {
                break;
            }
        }
        self.database.close();
    }

    /// Takes what has gathered; waits only when there is nothing to do. `false` once no more can come.
    fn gather(&mut self, commands: &Receiver<Command>, gathered: &mut Gathered) -> bool {
        let now = Instant::now();
        let patience = match gathered.has_no_intake() {
            false => Duration::ZERO,
            true if gathered.works.is_empty() => TEND_INTERVAL,
            true => self.schedule.work_waits(now),
        };
        if !patience.is_zero() {
            match commands.recv_timeout(patience) {
                Ok(command) => gathered.sort(command),
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {
                    self.database.tend();
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

    /// Refuses arrivals that were queued when intake was stopped: the space that is left is for those accepted before.
    fn turn_away(&mut self, gathered: &mut Gathered) {
        let Gathered { arrivals, long, works } = gathered;
        arrivals.extend(long.drain(..).map(Staged::give_up));
        self.reply(arrivals, &Err(StoreError::kept_for_deliveries()), works);
    }

    /// Commits all arrivals, a piece of a long body, and as much work of these lines as fits into a slice of time, but
    /// at least one piece if there is one. Failing work does not fail arrivals: if all of it together cannot be
    /// committed, the arrivals are committed alone.
    fn commit(&mut self, gathered: &mut Gathered, lines: OpenLines) {
        self.schedule.transaction_begins();
        let Gathered { arrivals, long, works } = gathered;
        let mut done = Vec::new();
        let staged = long.pop_front();
        let result = self.attempt(arrivals, staged.as_ref(), works, lines, &mut done);
        let were_alone = done.is_empty() && staged.is_none();
        let fault = result.as_ref().err().cloned();
        if let Ok(Taken { stored, .. }) = &result {
            // Before the work is answered: a claim in the same transaction may have taken some of it away again.
            self.note_committed(arrivals, stored);
        }
        for (work, fate) in done {
            work.answer(fault.clone().map_or(fate, Err));
        }
        let (mut result, step) = match result {
            Ok(Taken { stored, step }) => (Ok(stored), step),
            Err(fault) => (Err(fault), None),
        };
        let complete = match staged {
            Some(staged) => self.advance(staged, step, fault.as_ref(), long, works),
            None => None,
        };
        if fault.is_some() && !were_alone && !arrivals.is_empty() {
            let alone = self.attempt(arrivals, None, works, OpenLines::NONE, &mut Vec::new());
            result = alone.map(|taken| taken.stored).inspect(|stored| self.note_committed(arrivals, stored));
        }
        self.answer(arrivals, &result, works);
        arrivals.extend(complete);
    }

    /// What becomes of a long body after a transaction: the arrival, if its body is complete.
    fn advance(
        &mut self,
        staged: Staged,
        step: Option<Step>,
        fault: Option<&StoreError>,
        long: &mut VecDeque<Staged>,
        works: &mut WorkQueue,
    ) -> Option<Waiting> {
        let (waiting, answer) = match step {
            None => (staged.give_up(), Err(fault.cloned().unwrap_or(StoreError::Stopped))),
            Some(step) => match staged.after(step) {
                Stage::Repetition(waiting, acceptance) => (waiting, Ok(vec![Stored { acceptance, row: None }])),
                Stage::Complete(waiting) => return Some(waiting),
                Stage::Unfinished(staged) => {
                    long.push_front(staged);
                    return None;
                }
            },
        };
        self.answer(&mut vec![waiting], &answer, works);
        None
    }

    fn attempt(
        &mut self,
        arrivals: &[Waiting],
        staged: Option<&Staged>,
        works: &mut WorkQueue,
        lines: OpenLines,
        done: &mut Vec<Done>,
    ) -> Result<Taken, StoreError> {
        let Self { database, keys, schedule, waiting, recent, are_backlogs_in_doubt, .. } = self;
        database.tend();
        if database.was_replaced() {
            *keys = KeysAtHand::default();
            recent.clear();
            *are_backlogs_in_doubt = true;
        }
        let result = database.ready().and_then(|connection| {
            if *are_backlogs_in_doubt {
                waiting.backlogs.load(connection)?;
                *are_backlogs_in_doubt = false;
            }
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let taken = take_in(&transaction, keys, arrivals, staged)?;
            if works.has(lines) {
                let slice = schedule.slice(arrivals.is_empty() && staged.is_none());
                work_for(slice, lines, (&transaction, keys), works, schedule, done)?;
            }
            transaction.commit()?;
            Ok(taken)
        });
        match &result {
            Err(fault) => {
                database.note(fault);
                *are_backlogs_in_doubt = true;
                // Work that was not even begun must not wait for a database that may not come back.
                if done.is_empty() {
                    done.extend(works.pop(lines).map(|(_, work)| (work, Ok(()))));
                }
            }
            Ok(_) => done.iter().filter_map(|(_, fate)| fate.as_ref().err()).for_each(|fault| database.note(fault)),
        }
        result
    }

    /// What is committed waits to be read, and is at hand in memory.
    fn note_committed(&self, arrivals: &[Waiting], stored: &[Stored]) {
        for (waiting, stored) in arrivals.iter().zip(stored) {
            if let Stored { acceptance: Acceptance::New(id), row: Some(row) } = *stored {
                self.waiting.backlogs.add(&waiting.arrival);
                self.recent.add(row, id, &waiting.arrival);
            }
        }
    }

    fn answer(&mut self, arrivals: &mut Vec<Waiting>, result: &Result<Vec<Stored>, StoreError>, works: &mut WorkQueue) {
        if arrivals.is_empty() {
            return;
        }
        self.schedule.intake_ends(arrivals.len(), Instant::now());
        self.reply(arrivals, result, works);
    }

    fn reply(&mut self, arrivals: &mut Vec<Waiting>, result: &Result<Vec<Stored>, StoreError>, works: &mut WorkQueue) {
        let bytes = arrivals.iter().map(|waiting| waiting.arrival.body().len()).sum();
        self.waiting.leave(arrivals.len(), bytes);
        let mut replies = CommitReplies::default();
        for (index, waiting) in arrivals.drain(..).enumerate() {
            let outcome = match result {
                Ok(stored) => stored.get(index).copied().ok_or(StoreError::Stopped),
                Err(fault) => Err(fault.clone()),
            };
            let is_new = outcome.as_ref().is_ok_and(|stored| stored.row.is_some());
            if let Some(body) = waiting.body.filter(|_| !is_new) {
                works.push(WorkLine::Later, Box::new(Removal { body, left: Arc::clone(&self.left) }));
            }
            // A client that has disconnected gets no answer; its request is stored nevertheless.
            replies.deliver(waiting.answer, outcome.map(|stored| stored.acceptance));
        }
    }
}

fn take_in(
    transaction: &Transaction<'_>,
    keys: &mut KeysAtHand,
    arrivals: &[Waiting],
    staged: Option<&Staged>,
) -> Result<Taken, StoreError> {
    if arrivals.is_empty() && staged.is_none() {
        return Ok(Taken { stored: Vec::new(), step: None });
    }
    let keys = keys.get(transaction)?;
    let stored = if arrivals.is_empty() { Vec::new() } else { arrivals::insert_all(transaction, keys, arrivals)? };
    let step = staged.map(|staged| staged.step(transaction, keys)).transpose()?;
    Ok(Taken { stored, step })
}

/// Works for as long as `slice`, each piece in a savepoint of its own.
fn work_for(
    slice: Duration,
    lines: OpenLines,
    (transaction, keys): (&Transaction<'_>, &mut KeysAtHand),
    works: &mut WorkQueue,
    schedule: &mut Schedule,
    done: &mut Vec<Done>,
) -> Result<(), StoreError> {
    let begun = Instant::now();
    let (mut first, mut later) = (Duration::ZERO, Duration::ZERO);
    while let Some((line, mut work)) = works.pop(lines) {
        let piece_begun = Instant::now();
        let fate = in_savepoint(transaction, |transaction| work.run(transaction, keys));
        // After some errors the whole transaction is over, or should be, and with it what the others have written.
        let is_over = transaction.is_autocommit();
        let grave = fate.as_ref().err().filter(|fault| is_over || is_grave(fault)).cloned();
        done.push((work, fate));
        if let Some(fault) = grave {
            return Err(fault);
        }
        match line {
            WorkLine::First => first += piece_begun.elapsed(),
            WorkLine::Later => later += piece_begun.elapsed(),
        }
        if begun.elapsed() >= slice {
            break;
        }
    }
    for (line, took) in [(WorkLine::First, first), (WorkLine::Later, later)] {
        if !took.is_zero() {
            schedule.work_ends(line, took, Instant::now(), works.len(line));
        }
    }
    Ok(())
}

/// Whether nothing more should be committed on the connection.
fn is_grave(fault: &StoreError) -> bool {
    matches!(fault, StoreError::Broken(_) | StoreError::Full(_))
}

fn in_savepoint(
    transaction: &Transaction<'_>,
    work: impl FnOnce(&Transaction<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let run = |statement: &str| -> Result<(), StoreError> {
        transaction.prepare_cached(statement)?.execute([])?;
        Ok(())
    };
    run("SAVEPOINT work")?;
    let result = work(transaction);
    if result.is_err() && !transaction.is_autocommit() {
        run("ROLLBACK TO work")?;
    }
    if !transaction.is_autocommit() {
        run("RELEASE work")?;
    }
    result
}

/// How long after a body could not be removed that is tried again.
const REMOVE_AGAIN: Duration = Duration::from_secs(1);
/// How many commands are taken at once: beyond this a larger transaction gains nothing.
const BATCH_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::super::super::{Access, Backlog, Inbox, Lease, Outbox, ReceiptLimits};
    use super::super::SqliteStore;
    use super::*;
    use crate::authentic::authentic;
    use crate::domain::Timestamp;

    #[test]
    fn what_is_accepted_and_claimed_in_one_transaction_no_longer_waits_and_is_not_kept_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("test.db"), Access::Serve).unwrap();
        let now = Timestamp::from_millis(1_000);
        let lease = Lease { now, steady: now, length: Duration::from_secs(30) };
        let mut claimed = 0;
        for round in 0..20 {
            // While the thread is held, an arrival and a claim gather: they share the next transaction.
            let (release, held) = channel::<()>();
            let holding = store.writer.write(move |_| held.recv().map_err(|_| StoreError::Stopped));
            let accepted = store.accept(authentic("s", &round.to_string(), "body", now), None);
            let claim = store.claim_receipts(ReceiptLimits::of_any_size(100), lease);
            release.send(()).unwrap();
            holding.wait().unwrap();
            accepted.wait().unwrap();
            claimed += claim.wait().unwrap().claims.len();
        }
        claimed += store.claim_receipts(ReceiptLimits::of_any_size(100), lease).wait().unwrap().claims.len();
        assert_eq!(claimed, 20);
        assert_eq!(store.backlog(&"s".parse().unwrap()), Backlog::default());
        let recent = store.writer.recent();
        assert_eq!(
            (1..=20).filter(|row| recent.take(*row).is_some()).count(),
            0,
            "nothing would take them out any more"
        );
    }
}
