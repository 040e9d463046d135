//! Receipts that wait to be processed, handed out under a lease.

use std::collections::HashSet;

use rusqlite::{Connection, Row, Transaction, params};

use super::super::{Claim, ClaimedReceipts, Lease, ReceiptWork, SetAside, StoreError};
use super::bodies;
use super::rows::{row_limit, set_aside, unreadable};
use crate::domain::{Encoding, Note, Receipt, ReceiptId, Timestamp};

/// Whatever has been claimed before and was not concluded comes first, then what nobody has claimed yet.
pub fn claim_receipts(
    transaction: &Transaction<'_>,
    limit: usize,
    lease: Lease,
) -> Result<ClaimedReceipts, StoreError> {
    let mut batch = Batch { claims: Vec::new(), set_aside: Vec::new(), bytes: 0, limit, last_row: None };
    let until = lease.until().as_millis();
    {
        let mut select = transaction.prepare_cached(CLAIMED_BEFORE)?;
        let mut rows = select.query(params![lease.steady.as_millis(), row_limit(limit)])?;
        while let Some(row) = rows.next()?
            && batch.takes(transaction, row)?
        {}
    }
    let mut update = transaction.prepare_cached(
        "UPDATE receipt_queue SET generation = generation + 1, tries = tries + 1, lease_until = ?2 WHERE seq = ?1",
    )?;
    for claim in &batch.claims {
        update.execute(params![claim.row, until])?;
    }
    let first = batch.claims.len();
    batch.last_row = None;
    if batch.is_open() {
        let mut select = transaction.prepare_cached(NEVER_CLAIMED)?;
        let mut rows = select.query([row_limit(limit - first)])?;
        while let Some(row) = rows.next()?
            && batch.takes(transaction, row)?
        {}
    }
    let mut insert = transaction
        .prepare_cached("INSERT INTO receipt_queue (seq, lease_until, generation, tries) VALUES (?1, ?2, 1, 1)")?;
    for claim in &batch.claims[first..] {
        insert.execute(params![claim.row, until])?;
    }
    if let Some(last) = batch.last_row {
        transaction.prepare_cached("UPDATE dispatch_mark SET seq = ?1")?.execute([last])?;
    }
    let Batch { claims, set_aside, .. } = batch;
    set_aside.iter().try_for_each(|receipt| set_receipt_aside(transaction, receipt, lease.now))?;
    Ok(ClaimedReceipts { claims, set_aside })
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

/// Receipts that are claimed together.
struct Batch {
    claims: Vec<Claim<ReceiptWork>>,
    set_aside: Vec<SetAside>,
    bytes: usize,
    limit: usize,
    /// The last row that was taken, into a claim or aside.
    last_row: Option<i64>,
}

impl Batch {
    /// Takes the claim in a row if it fits, or sets it aside if it cannot be read.
    fn takes(&mut self, connection: &Connection, row: &Row<'_>) -> Result<bool, StoreError> {
        let seq = row.get(0)?;
        let takes = match self.takes_readable(connection, row) {
            Ok(fits) => fits,
            Err(error) => {
                self.set_aside.push(set_aside(seq, error)?);
                true
            }
        };
        if takes {
            self.last_row = Some(seq);
        }
        Ok(takes)
    }

    fn takes_readable(&mut self, connection: &Connection, row: &Row<'_>) -> rusqlite::Result<bool> {
        let tries: u32 = row.get(2)?;
        self.bytes += usize::try_from(row.get::<_, i64>(10)?).unwrap_or(0);
        // Whoever was under way when the process ended more than once is read alone, so that only the one that ends it
        // gets the blame. And a handful of large bodies is as much work as a batch of small ones, and as much memory as
        // may be used.
        let fits = self.claims.is_empty() || (self.is_open() && !is_suspect(tries.saturating_add(1)));
        if fits {
            self.claims.push(receipt_claim(connection, row)?);
        }
        Ok(fits)
    }

    /// Whether more may be taken.
    fn is_open(&self) -> bool {
        let is_alone = self.claims.iter().any(|claim| is_suspect(claim.work().tries));
        self.claims.len() < self.limit && self.bytes <= CLAIMED_BYTES_MAX && !is_alone
    }
}

fn is_suspect(tries: u32) -> bool {
    tries > SUSPECT_TRIES
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
    let work = ReceiptWork { receipt, tries: tries.saturating_add(1), replay: row.get(3)?, replayed: HashSet::new() };
    Ok(Claim::new(row.get(0)?, row.get::<_, i64>(1)? + 1, work))
}

/// Whether the claim still holds; if so its lease begins anew.
pub fn renew(transaction: &Transaction<'_>, claim: &Claim<ReceiptWork>, lease: Lease) -> Result<bool, StoreError> {
    let until = lease.until().as_millis();
    let changed = transaction
        .prepare_cached("UPDATE receipt_queue SET lease_until = ?3 WHERE seq = ?1 AND generation = ?2")?
        .execute(params![claim.row, claim.generation, until])?;
    Ok(changed == 1)
}

const CLAIMED_BEFORE: &str = "SELECT q.seq, q.generation, q.tries, q.replay, r.id, r.source, r.received_at,
    r.content_type, r.encoding, r.body, r.bytes, r.long_body
    FROM receipt_queue q JOIN receipts r ON r.seq = q.seq WHERE q.lease_until <= ?1 ORDER BY q.seq LIMIT ?2";
const NEVER_CLAIMED: &str = "SELECT r.seq, 0, 0, 0, r.id, r.source, r.received_at, r.content_type, r.encoding,
    r.body, r.bytes, r.long_body FROM receipts r WHERE r.seq > (SELECT seq FROM dispatch_mark) ORDER BY r.seq LIMIT ?1";
/// So many tries say nothing yet: a machine may be switched off and on.
const SUSPECT_TRIES: u32 = 2;
/// How many bytes of bodies one claim may hold, beyond its first receipt.
const CLAIMED_BYTES_MAX: usize = 8 << 20;
