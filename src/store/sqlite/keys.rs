//! Which requests have been accepted before: dedupe keys in parts, each small enough to stay in one place.
//!
//! Keys are hashes, so that one tree over all of them takes every new one in at another page: a batch of 256 arrivals
//! then writes 256 pages into the log. Here keys are numbered off into parts of [`PART_KEYS`], and the primary key of
//! `dedupe_keys` begins with the part: a batch falls into the few pages of the newest part, and what is too old lies
//! together at the other end.
//!
//! Within a part the primary key is the arbiter. Whether an older part holds a key is asked of the table, in the
//! transaction that inserts it, by the only thread that inserts; a Bloom filter of two bytes a key, rebuilt at start,
//! spares the question for nearly all keys that are new. The filter may remember keys that a rolled-back transaction
//! or retention has taken away: that costs a look, never an answer. It never lacks a key that the table holds.

use std::collections::VecDeque;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::super::StoreFault;
use crate::domain::{DedupeKey, ReceiptId, Timestamp};

/// The part that is being filled, and a filter over each half million of keys.
#[derive(Debug, Default)]
pub struct Keys {
    part: i64,
    in_part: usize,
    generations: VecDeque<Generation>,
}

/// The keys of [`GENERATION_PARTS`] parts, from `first` on.
#[derive(Debug)]
struct Generation {
    first: i64,
    filter: Filter,
}

/// A Bloom filter. Keys are hashes already: pieces of them are the positions.
#[derive(Debug)]
struct Filter(Box<[u64]>);

impl Keys {
    /// Reads which keys there are: some million a second.
    pub fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut keys = Self::default();
        let mut select = connection.prepare("SELECT part, key FROM dedupe_keys ORDER BY part")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            keys.remember(row.get(0)?, &row.get(1)?);
        }
        Ok(keys)
    }

    /// Records the key for `receipt`, or answers which receipt had it before.
    pub fn claim(
        &mut self,
        transaction: &Transaction<'_>,
        key: &DedupeKey,
        receipt: ReceiptId,
        seen_at: Timestamp,
    ) -> Result<Option<ReceiptId>, StoreFault> {
        if let Some(first) = self.find(transaction, key.as_bytes())? {
            return Ok(Some(first));
        }
        let generations = self.generations.len();
        self.remember(if self.in_part < PART_KEYS { self.part } else { self.part + 1 }, key.as_bytes());
        if self.generations.len() > generations {
            self.forget_emptied(transaction)?;
        }
        transaction
            .prepare_cached("INSERT INTO dedupe_keys (part, key, receipt, seen_at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![self.part, key.as_bytes(), receipt.as_bytes(), seen_at.as_millis()])?;
        Ok(None)
    }

    /// Repetitions are mostly of late: the newest part is asked first.
    fn find(&self, transaction: &Transaction<'_>, key: &[u8; 16]) -> Result<Option<ReceiptId>, StoreFault> {
        for generation in self.generations.iter().rev().filter(|generation| generation.filter.may_hold(key)) {
            let last = self.part.min(generation.first + GENERATION_PARTS - 1);
            let mut select =
                transaction.prepare_cached("SELECT receipt FROM dedupe_keys WHERE part = ?1 AND key = ?2")?;
            for part in (generation.first..=last).rev() {
                let receipt = select.query_row(params![part, key], |row| row.get(0)).optional()?;
                if let Some(receipt) = receipt {
                    return Ok(Some(ReceiptId::from_bytes(receipt)));
                }
            }
        }
        Ok(None)
    }

    fn remember(&mut self, part: i64, key: &[u8; 16]) {
        if part != self.part {
            self.part = part;
            self.in_part = 0;
        }
        self.in_part += 1;
        if self.generations.back().is_none_or(|newest| part >= newest.first + GENERATION_PARTS) {
            self.generations.push_back(Generation { first: part, filter: Filter::new() });
        }
        if let Some(newest) = self.generations.back_mut() {
            newest.filter.add(key);
        }
    }

    /// Lets go of the filters over parts that retention has emptied.
    fn forget_emptied(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let oldest: Option<i64> = connection.query_row(OLDEST_PART, [], |row| row.get(0))?;
        let oldest = oldest.unwrap_or(self.part);
        while self.generations.len() > 1 && self.generations[0].first + GENERATION_PARTS <= oldest {
            self.generations.pop_front();
        }
        Ok(())
    }
}

impl Filter {
    fn new() -> Self {
        Self(vec![0; FILTER_BITS / 64].into())
    }

    fn add(&mut self, key: &[u8; 16]) {
        for bit in positions(key) {
            self.0[bit / 64] |= 1 << (bit % 64);
        }
    }

    fn may_hold(&self, key: &[u8; 16]) -> bool {
        positions(key).all(|bit| self.0[bit / 64] & (1 << (bit % 64)) != 0)
    }
}

fn positions(key: &[u8; 16]) -> impl Iterator<Item = usize> {
    let (pieces, _) = key.as_chunks::<4>();
    pieces.iter().map(|piece| u32::from_le_bytes(*piece) as usize % FILTER_BITS)
}

/// Deletes up to `limit` keys that were last seen before `before`, from the oldest part on.
pub fn prune(transaction: &Transaction<'_>, before: Timestamp, limit: usize) -> Result<usize, StoreFault> {
    let mut left = limit;
    while left > 0 {
        let oldest: Option<i64> = transaction.prepare_cached(OLDEST_PART)?.query_row([], |row| row.get(0))?;
        let Some(oldest) = oldest else { break };
        let most = i64::try_from(left).unwrap_or(i64::MAX);
        let deleted = transaction.prepare_cached(PRUNE_PART)?.execute(params![oldest, before.as_millis(), most])?;
        if deleted == 0 {
            break;
        }
        left -= deleted.min(left);
    }
    Ok(limit - left)
}

const OLDEST_PART: &str = "SELECT min(part) FROM dedupe_keys";
const PRUNE_PART: &str = "DELETE FROM dedupe_keys WHERE part = ?1 AND key IN
    (SELECT key FROM dedupe_keys WHERE part = ?1 AND seen_at < ?2 LIMIT ?3)";
/// Keys in a part: twenty pages of 8 KiB; with fewer, a look for an old key takes longer.
const PART_KEYS: usize = 4_096;
/// Parts under one filter: 524,288 keys.
const GENERATION_PARTS: i64 = 128;
/// 16 bits a key and four positions: one new key in 400 is looked up in vain.
const FILTER_BITS: usize = 1 << 23;

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: usize = 2 * PART_KEYS + 100;

    fn key(number: usize) -> DedupeKey {
        DedupeKey::of_id(&"s".parse().unwrap(), &number.to_string())
    }

    fn table() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(super::super::schema::DEDUPE_KEYS).unwrap();
        connection
    }

    /// Claims all keys; counts those that had been claimed before.
    fn claim_all(keys: &mut Keys, connection: &mut Connection) -> usize {
        let transaction = connection.transaction().unwrap();
        let mut claim = |number: usize| {
            let seen_at = Timestamp::from_millis(i64::try_from(number).unwrap());
            keys.claim(&transaction, &key(number), ReceiptId::generate(), seen_at).unwrap()
        };
        let known = (0..COUNT).filter(|number| claim(*number).is_some()).count();
        transaction.commit().unwrap();
        known
    }

    fn parts(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(DISTINCT part) FROM dedupe_keys", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_key_is_claimed_once_in_whichever_part_it_lies_also_after_a_restart() {
        let (mut keys, mut connection) = (Keys::default(), table());
        assert_eq!(claim_all(&mut keys, &mut connection), 0);
        assert_eq!(parts(&connection), 3);
        assert_eq!(claim_all(&mut keys, &mut connection), COUNT);
        let mut again = Keys::load(&connection).unwrap();
        assert_eq!((again.part, again.in_part), (keys.part, keys.in_part));
        assert_eq!(claim_all(&mut again, &mut connection), COUNT);
    }

    #[test]
    fn a_key_of_a_rolled_back_transaction_can_be_claimed_again() {
        let (mut keys, mut connection) = (Keys::default(), table());
        let transaction = connection.transaction().unwrap();
        let now = Timestamp::from_millis(0);
        assert_eq!(keys.claim(&transaction, &key(1), ReceiptId::generate(), now), Ok(None));
        transaction.rollback().unwrap();
        let transaction = connection.transaction().unwrap();
        assert_eq!(keys.claim(&transaction, &key(1), ReceiptId::generate(), now), Ok(None));
    }

    #[test]
    fn pruning_takes_the_oldest_first_and_no_more_than_asked() {
        let (mut keys, mut connection) = (Keys::default(), table());
        claim_all(&mut keys, &mut connection);
        let transaction = connection.transaction().unwrap();
        let before = Timestamp::from_millis(i64::try_from(PART_KEYS + 10).unwrap());
        assert_eq!(prune(&transaction, before, 100), Ok(100));
        assert_eq!(prune(&transaction, before, COUNT), Ok(PART_KEYS + 10 - 100));
        assert_eq!(prune(&transaction, before, COUNT), Ok(0));
        let found = keys.find(&transaction, key(PART_KEYS + 10).as_bytes()).unwrap();
        assert!(found.is_some(), "it was seen at that time, not before");
        assert_eq!(keys.find(&transaction, key(PART_KEYS + 9).as_bytes()), Ok(None));
    }

    #[test]
    fn filters_over_emptied_parts_are_let_go() {
        let (mut keys, connection) = (Keys::default(), table());
        for part in [0, GENERATION_PARTS, 2 * GENERATION_PARTS] {
            keys.remember(part, &[7; 16]);
        }
        connection.execute("INSERT INTO dedupe_keys VALUES (?1, x'07', x'', 0)", [GENERATION_PARTS + 1]).unwrap();
        keys.forget_emptied(&connection).unwrap();
        assert_eq!(
            keys.generations.iter().map(|one| one.first).collect::<Vec<_>>(),
            [GENERATION_PARTS, 2 * GENERATION_PARTS]
        );
    }
}
