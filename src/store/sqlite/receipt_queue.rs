//! Receipts that wait to be processed, handed out under a lease.
//!
//! What has never been claimed is stored in [`runs`]; a claimed receipt has a row in `receipt_queue` until it is
//! concluded.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rusqlite::{CachedStatement, Connection, Row, Transaction, params};

use super::super::{
    Backlog, Claim, ClaimedReceipts, Lease, ReceiptLimits, ReceiptSize, ReceiptWork, SetAside, StoreError,
};
use super::bodies;
use super::recent_receipts::RecentReceipts;
use super::rows::{row_limit, set_aside, unreadable};
use super::runs::{self, QueueKey, Run};
use super::turns::Turns;
use crate::domain::{Encoding, Note, Receipt, ReceiptId, Timestamp, Urgency};

/// Claims receipts: see [`Outbox::claim_receipts`](super::super::Outbox::claim_receipts).
pub fn claim_receipts(
    (transaction, recent): (&Transaction<'_>, &RecentReceipts),
    turns: &mut Turns,
    limits: ReceiptLimits,
    lease: Lease,
) -> Result<ClaimedReceipts, StoreError> {
    let mut batch = Batch::new((transaction, recent), limits, lease);
    if has_suspects(transaction, lease)? {
        if !is_any_leased(transaction, lease)? {
            batch.claim_again(SUSPECT, 1)?;
        }
        return batch.end();
    }
    let sizes =
        [ReceiptSize::Small, ReceiptSize::Large].into_iter().filter(|size| limits.size.is_none_or(|of| of == *size));
    for size in sizes.clone() {
        batch.claim_again(claimed_before(size), limits.receipts.div_ceil(2))?;
        batch.claim_in_turn(turns, size)?;
    }
    for size in sizes {
        batch.claim_again(claimed_before(size), limits.receipts)?;
    }
    if let Some(size) = limits.size {
        let other = if size == ReceiptSize::Small { ReceiptSize::Large } else { ReceiptSize::Small };
        batch.is_other_size_waiting = is_waiting(transaction, other, lease)?;
    }
    batch.end()
}

/// Whether a receipt waits for its third try or a later one, or has it: it may be what ends the process.
fn has_suspects(connection: &Connection, lease: Lease) -> rusqlite::Result<bool> {
    let statement = "SELECT 1 FROM receipt_queue INDEXED BY receipt_queue_suspects
        WHERE tries >= 2 AND (tries > 2 OR lease_until <= ?1)";
    connection.prepare_cached(statement)?.exists([lease.steady.as_millis()])
}

fn is_any_leased(connection: &Connection, lease: Lease) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM receipt_queue WHERE lease_until > ?1")?.exists([lease.steady.as_millis()])
}

/// Whether receipts of that size wait, for the first time or again.
fn is_waiting(connection: &Connection, size: ReceiptSize, lease: Lease) -> rusqlite::Result<bool> {
    Ok(runs::is_waiting(connection, size)?
        || connection.prepare_cached(claimed_before(size))?.exists(params![lease.steady.as_millis(), 1])?)
}

/// Receipts that are claimed together.
struct Batch<'t> {
    transaction: &'t Transaction<'t>,
    recent: &'t RecentReceipts,
    limits: ReceiptLimits,
    lease: Lease,
    /// With the place of each in the order of reading.
    claims: Vec<(Place, Claim<ReceiptWork>)>,
    set_aside: Vec<SetAside>,
    bytes: usize,
    no_longer_waiting: BTreeMap<String, Backlog>,
    is_other_size_waiting: bool,
}

/// In which order claimed receipts are read: what has been claimed before, then the most urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    ClaimedBefore,
    New(std::cmp::Reverse<Urgency>),
}

impl<'t> Batch<'t> {
    fn new(
        (transaction, recent): (&'t Transaction<'t>, &'t RecentReceipts),
        limits: ReceiptLimits,
        lease: Lease,
    ) -> Self {
        Self {
            transaction,
            recent,
            limits,
            lease,
            claims: Vec::new(),
            set_aside: Vec::new(),
            bytes: 0,
            no_longer_waiting: BTreeMap::new(),
            is_other_size_waiting: false,
        }
    }

    /// Claims rows of the queue whose lease is over, until the batch holds `count`.
    fn claim_again(&mut self, select: &str, count: usize) -> Result<(), StoreError> {
        let Some(count) = count.min(self.limits.receipts).checked_sub(self.len()).filter(|count| *count > 0) else {
            return Ok(());
        };
        let first = self.claims.len();
        {
            let mut select = self.transaction.prepare_cached(select)?;
            let mut rows = select.query(params![self.lease.steady.as_millis(), row_limit(count)])?;
            while let Some(row) = rows.next()?
                && self.takes(row, Place::ClaimedBefore)?
            {}
        }
        let mut update = self.transaction.prepare_cached(
            "UPDATE receipt_queue SET generation = generation + 1, tries = tries + 1, lease_until = ?2 WHERE seq = ?1",
        )?;
        for (_, claim) in &self.claims[first..] {
            update.execute(params![claim.row, self.lease.until().as_millis()])?;
        }
        Ok(())
    }

    /// Claims what has never been claimed, of one source after the other.
    fn claim_in_turn(&mut self, turns: &mut Turns, size: ReceiptSize) -> Result<(), StoreError> {
        let turn = turns.of(size);
        let count = (self.limits.receipts / TURNS_A_BATCH).max(1);
        while self.is_open()
            && let Some(source) = turn.next(self.transaction, size)?
        {
            let oldest = turn.oldest_share(count);
            if !self.serve(&source, size, (count - oldest, oldest))? {
                return Ok(());
            }
            turn.served(source);
        }
        Ok(())
    }

    /// A source's turn: so many of its most urgent and then of its oldest, within a share of the bytes. Whether anything
    /// has changed.
    fn serve(&mut self, source: &str, size: ReceiptSize, (urgent, oldest): (usize, usize)) -> Result<bool, StoreError> {
        let queue = |urgency| QueueKey { size, source, urgency };
        let bytes_max = self.bytes + self.limits.bytes / TURNS_A_BATCH;
        let mut has_changed = false;
        let mut left = urgent;
        for urgency in Urgency::MOST_URGENT_FIRST {
            while self.is_open()
                && (left > 0 && self.bytes <= bytes_max)
                && let Some(run) = queue(urgency).head(self.transaction)?
            {
                left -= self.claim_of_run(queue(urgency), run, left)?;
                has_changed = true;
            }
        }
        let mut left = left + oldest;
        while self.is_open() && left > 0 && self.bytes <= bytes_max {
            let mut oldest: Option<(Urgency, Run)> = None;
            for urgency in Urgency::MOST_URGENT_FIRST {
                let head = queue(urgency).head(self.transaction)?.map(|run| (urgency, run));
                oldest = [oldest, head].into_iter().flatten().min_by_key(|(_, run)| run.first);
            }
            let Some((urgency, run)) = oldest else { break };
            left -= self.claim_of_run(queue(urgency), run, left)?;
            has_changed = true;
        }
        Ok(has_changed)
    }

    /// Claims up to `count` receipts of a run; how many of its rows have been taken, into claims or aside.
    fn claim_of_run(&mut self, queue: QueueKey<'_>, mut run: Run, count: usize) -> Result<usize, StoreError> {
        let (before, first) = (run, self.claims.len());
        let place = Place::New(std::cmp::Reverse(queue.urgency));
        let mut rows_taken = self.claim_recent(&mut run, place, count);
        let mut has_room = self.claims.is_empty() || self.is_open();
        if has_room && rows_taken < count && !run.is_over() {
            let mut select = self.transaction.prepare_cached(OF_RUN)?;
            let mut rows = select.query(params![run.next, run.last, row_limit(count - rows_taken)])?;
            while has_room && let Some(row) = rows.next()? {
                has_room = self.takes(row, place)?;
                if has_room {
                    run.next = row.get::<_, i64>(0)? + 1;
                    // It was there beyond one that was not.
                    self.recent.take(run.next - 1);
                    run.bytes -= row.get::<_, i64>(10).unwrap_or(0);
                    rows_taken += 1;
                }
            }
        }
        if has_room && rows_taken < count {
            // Those of its rows that are left are gone.
            run.next = run.last + 1;
        }
        run.store(self.transaction)?;
        self.note_gone(queue.source, &before, &run);
        let rows: Vec<i64> = self.claims[first..].iter().map(|(_, claim)| claim.row).collect();
        self.insert(&rows, queue.size)?;
        Ok(rows_taken)
    }

    /// Writes rows for what is claimed for the first time. Those of a run have consecutive numbers, and many of these are
    /// written by one statement.
    fn insert(&self, rows: &[i64], size: ReceiptSize) -> rusqlite::Result<()> {
        let (until, large) = (self.lease.until().as_millis(), runs::is_large(size));
        let mut one = self.transaction.prepare_cached(INSERT_ONE)?;
        let mut many = self.transaction.prepare_cached(&INSERT_MANY)?;
        let consecutive = rows.chunk_by(|row, next| row + 1 == *next);
        for some in consecutive.flat_map(|rows| rows.chunks(INSERTED_AT_ONCE)) {
            match some {
                [first, ..] if some.len() == INSERTED_AT_ONCE => {
                    many.execute(params![first, until, large]).map(drop)?
                }
                _ => some.iter().try_for_each(|row| one.execute(params![row, until, large]).map(drop))?,
            }
        }
        Ok(())
    }

    /// Claims receipts from the beginning of a run as far as they are in memory; how many.
    fn claim_recent(&mut self, run: &mut Run, place: Place, count: usize) -> usize {
        let mut taken = 0;
        while taken < count
            && !run.is_over()
            && (self.claims.is_empty() || self.is_open())
            && let Some(receipt) = self.recent.take(run.next)
        {
            self.bytes += receipt.body.len();
            run.bytes -= i64::try_from(receipt.body.len()).unwrap_or(0);
            self.claims.push((place, Claim::new(run.next, 1, ReceiptWork::first_try_of(receipt))));
            run.next += 1;
            taken += 1;
        }
        taken
    }

    /// Counts what has been taken off a run.
    fn note_gone(&mut self, source: &str, before: &Run, after: &Run) {
        let left = if after.is_over() { 0 } else { after.bytes };
        let gone = match self.no_longer_waiting.get_mut(source) {
            Some(gone) => gone,
            None => self.no_longer_waiting.entry(source.to_owned()).or_default(),
        };
        gone.receipts += before.receipts() - after.receipts();
        gone.bytes += u64::try_from(before.bytes - left).unwrap_or(0);
    }

    /// Takes the claim in a row if it fits, or sets it aside if it cannot be read.
    fn takes(&mut self, row: &Row<'_>, place: Place) -> Result<bool, StoreError> {
        let seq = row.get(0)?;
        match self.takes_readable(row, place) {
            Ok(fits) => Ok(fits),
            Err(error) => {
                self.set_aside.push(set_aside(seq, error)?);
                Ok(true)
            }
        }
    }

    /// A handful of large bodies is as much work as a batch of small ones, and as much memory as may be used.
    fn takes_readable(&mut self, row: &Row<'_>, place: Place) -> rusqlite::Result<bool> {
        self.bytes += usize::try_from(row.get::<_, i64>(10)?).unwrap_or(0);
        let fits = self.claims.is_empty() || self.is_open();
        if fits {
            self.claims.push((place, receipt_claim(self.transaction, row)?));
        }
        Ok(fits)
    }

    /// How many rows it has taken.
    fn len(&self) -> usize {
        self.claims.len() + self.set_aside.len()
    }

    /// Whether more may be taken.
    fn is_open(&self) -> bool {
        self.len() < self.limits.receipts && self.bytes <= self.limits.bytes
    }

    fn end(self) -> Result<ClaimedReceipts, StoreError> {
        let Self { transaction, mut claims, set_aside, lease, .. } = self;
        set_aside.iter().try_for_each(|receipt| set_receipt_aside(transaction, receipt, lease.now))?;
        claims.sort_by_key(|(place, _)| *place);
        Ok(ClaimedReceipts {
            claims: claims.into_iter().map(|(_, claim)| claim).collect(),
            set_aside,
            is_other_size_waiting: self.is_other_size_waiting,
            no_longer_waiting: self.no_longer_waiting,
        })
    }
}

/// Takes a receipt out of the queue with the reason, in the words that `receipts list` reads back.
fn set_receipt_aside(transaction: &Transaction<'_>, receipt: &SetAside, now: Timestamp) -> Result<(), StoreError> {
    transaction.prepare_cached("DELETE FROM receipt_queue WHERE seq = ?1")?.execute([receipt.row])?;
    let note = format!("{}: {}", Note::Unreadable.as_str(), receipt.reason);
    transaction
        .prepare_cached(
            "INSERT INTO receipt_results (seq, dispatched_at, events_new, events_duplicate, note)
             VALUES (?1, ?2, 0, 0, ?3) ON CONFLICT (seq) DO UPDATE SET dispatched_at = ?2, note = ?3",
        )?
        .execute(params![receipt.row, now.as_millis(), note])?;
    Ok(())
}

fn receipt_claim(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<Claim<ReceiptWork>> {
    let encoding: String = row.get(8)?;
    let source: String = row.get(5)?;
    let body = match row.get(11)? {
        Some(long) => bodies::read(connection, long, row.get(10)?)?,
        None => row.get::<_, Vec<u8>>(9)?,
    };
    let receipt = Receipt {
        id: ReceiptId::from_bytes(row.get(4)?),
        source: source.parse().map_err(|fault| unreadable(5, fault))?,
        received_at: Timestamp::from_millis(row.get(6)?),
        content_type: row.get(7)?,
        encoding: Encoding::from_word(&encoding),
        body: body.into(),
    };
    let tries: u32 = row.get(2)?;
    let work =
        ReceiptWork { tries: tries.saturating_add(1), replay: row.get(3)?, ..ReceiptWork::first_try_of(receipt) };
    Ok(Claim::new(row.get(0)?, row.get::<_, i64>(1)? + 1, work))
}

/// Takes receipts off the queue whose claims still hold; which of these do, in their order. Consecutive receipts are looked
/// for and taken off by one statement.
pub struct Release<'t> {
    held: CachedStatement<'t>,
    some: CachedStatement<'t>,
    one: CachedStatement<'t>,
}

impl<'t> Release<'t> {
    pub fn of(transaction: &'t Transaction<'t>) -> rusqlite::Result<Self> {
        Ok(Self {
            held: transaction
                .prepare_cached("SELECT count(*) FROM receipt_queue WHERE seq BETWEEN ?1 AND ?2 AND generation = ?3")?,
            some: transaction
                .prepare_cached("DELETE FROM receipt_queue WHERE seq BETWEEN ?1 AND ?2 AND generation = ?3")?,
            one: transaction.prepare_cached("DELETE FROM receipt_queue WHERE seq = ?1 AND generation = ?2")?,
        })
    }

    pub fn release<'c>(&mut self, claims: impl Iterator<Item = &'c Claim<ReceiptWork>>) -> rusqlite::Result<Vec<bool>> {
        let places: Vec<(i64, i64)> = claims.map(|claim| (claim.row, claim.generation)).collect();
        let mut released = Vec::with_capacity(places.len());
        for some in places.chunk_by(|(row, generation), next| (row + 1, *generation) == *next) {
            if let [(first, generation), .., (last, _)] = some
                && self.are_held(*first, *last, *generation)?
            {
                self.some.execute([first, last, generation])?;
                released.extend(some.iter().map(|_| true));
                continue;
            }
            for (row, generation) in some {
                released.push(self.one.execute([row, generation])? == 1);
            }
        }
        Ok(released)
    }

    fn are_held(&mut self, first: i64, last: i64, generation: i64) -> rusqlite::Result<bool> {
        let count: i64 = self.held.query_row([first, last, generation], |row| row.get(0))?;
        Ok(count == last - first + 1)
    }
}

/// Whether the claim still holds; if so its lease begins anew.
pub fn renew(transaction: &Transaction<'_>, claim: &Claim<ReceiptWork>, lease: Lease) -> Result<bool, StoreError> {
    let until = lease.until().as_millis();
    let changed = transaction
        .prepare_cached("UPDATE receipt_queue SET lease_until = ?3 WHERE seq = ?1 AND generation = ?2")?
        .execute(params![claim.row, claim.generation, until])?;
    Ok(changed == 1)
}

/// What has been claimed before, or is replayed, of a size.
fn claimed_before(size: ReceiptSize) -> &'static str {
    match size {
        ReceiptSize::Small => SMALL_CLAIMED_BEFORE,
        ReceiptSize::Large => LARGE_CLAIMED_BEFORE,
    }
}

/// So many rows one statement writes.
const INSERTED_AT_ONCE: usize = 16;
const INSERT_ONE: &str =
    "INSERT INTO receipt_queue (seq, lease_until, generation, tries, large) VALUES (?1, ?2, 1, 1, ?3)";
/// The same of [`INSERTED_AT_ONCE`] consecutive ones, the first of which is `?1`.
static INSERT_MANY: LazyLock<String> = LazyLock::new(|| {
    let others: String = (1..INSERTED_AT_ONCE).map(|place| format!(", (?1 + {place}, ?2, 1, 1, ?3)")).collect();
    format!("{INSERT_ONE}{others}")
});
/// How many turns of sources fit into a batch.
const TURNS_A_BATCH: usize = 8;

/// Two tries say nothing yet: a machine may be switched off and on.
const SUSPECT: &str = "SELECT q.seq, q.generation, q.tries, q.replay, r.id, r.source, r.received_at,
    r.content_type, r.encoding, r.body, r.bytes, r.long_body
    FROM receipt_queue q INDEXED BY receipt_queue_suspects JOIN receipts r ON r.seq = q.seq
    WHERE q.tries >= 2 AND q.lease_until <= ?1 ORDER BY q.seq LIMIT ?2";
const SMALL_CLAIMED_BEFORE: &str = "SELECT q.seq, q.generation, q.tries, q.replay, r.id, r.source, r.received_at,
    r.content_type, r.encoding, r.body, r.bytes, r.long_body
    FROM receipt_queue q JOIN receipts r ON r.seq = q.seq
    WHERE q.lease_until <= ?1 AND q.large = 0 ORDER BY q.seq LIMIT ?2";
const LARGE_CLAIMED_BEFORE: &str = "SELECT q.seq, q.generation, q.tries, q.replay, r.id, r.source, r.received_at,
    r.content_type, r.encoding, r.body, r.bytes, r.long_body
    FROM receipt_queue q INDEXED BY receipt_queue_large JOIN receipts r ON r.seq = q.seq
    WHERE q.lease_until <= ?1 AND q.large = 1 ORDER BY q.seq LIMIT ?2";
const OF_RUN: &str = "SELECT r.seq, 0, 0, 0, r.id, r.source, r.received_at, r.content_type, r.encoding,
    r.body, r.bytes, r.long_body FROM receipts r WHERE r.seq BETWEEN ?1 AND ?2 ORDER BY r.seq LIMIT ?3";
