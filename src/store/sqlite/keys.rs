//! Which requests have been accepted before: dedupe keys in parts, each small enough to stay in one place.
//!
//! Keys are hashes, so that one tree over all of them takes every new one in at another page: a batch of 256 arrivals
//! then writes 256 pages into the log. Here keys are numbered off into parts of [`PART_KEYS`], and the primary key of
//! `dedupe_keys` begins with the part: a batch falls into the one or two pages of the newest part, and what is too old
//! lies together at the other end.
//!
//! Within a part the primary key is the arbiter. Whether an older part holds a key is asked of the table, in the
//! transaction that inserts it, by the only thread that inserts. What is kept in memory, and rebuilt at start, only says
//! where to look: for the keys of the newest generation the part, for those of older ones a Bloom filter of two bytes a
//! key. It may remember keys that a rolled-back transaction or retention has taken away: that costs a look, never an
//! answer. It never lacks a key that the table holds.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};

use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, params};

use super::super::StoreFault;
use crate::domain::{DedupeKey, ReceiptId, Timestamp};

/// The part that is being filled, and where keys may lie.
#[derive(Debug, Default)]
pub struct Keys {
    part: i64,
    in_part: usize,
    /// The part of each key of the newest generation.
    newest: Places,
    /// The generations before it, oldest first.
    older: VecDeque<Generation>,
    /// Where repetitions of older keys were found of late.
    found: Places,
}

/// The table, within one transaction.
pub struct KeyTable<'t> {
    transaction: &'t Transaction<'t>,
    insert: CachedStatement<'t>,
    find: CachedStatement<'t>,
}

/// The part in which each key lies.
type Places = HashMap<Key, i64, BuildHasherDefault<FirstBytes>>;

/// A dedupe key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key([u8; 16]);

/// Keys are hashes already: pieces of them serve where others would hash.
#[derive(Debug, Default)]
struct FirstBytes(u64);

/// The keys of [`GENERATION_PARTS`] parts.
#[derive(Debug)]
struct Generation {
    number: i64,
    filter: Filter,
}

/// A Bloom filter.
#[derive(Debug)]
struct Filter(Box<[u64]>);

impl<'t> KeyTable<'t> {
    /// Prepares what is needed for many keys.
    pub fn of(transaction: &'t Transaction<'t>) -> rusqlite::Result<Self> {
        Ok(Self {
            transaction,
            insert: transaction
                .prepare_cached("INSERT INTO dedupe_keys (part, key, receipt, seen_at) VALUES (?1, ?2, ?3, ?4)")?,
            find: transaction.prepare_cached("SELECT receipt FROM dedupe_keys WHERE part = ?1 AND key = ?2")?,
        })
    }

    fn find(&mut self, part: i64, key: Key) -> rusqlite::Result<Option<ReceiptId>> {
        let receipt = self.find.query_row(params![part, key.0], |row| row.get(0)).optional()?;
        Ok(receipt.map(ReceiptId::from_bytes))
    }
}

impl Keys {
    /// Reads which keys there are: some million a second.
    pub fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut keys = Self::default();
        let mut select = connection.prepare("SELECT part, key FROM dedupe_keys ORDER BY part")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            keys.remember(row.get(0)?, Key(row.get(1)?));
        }
        Ok(keys)
    }

    /// Records the key for `receipt`, or answers which receipt had it before.
    pub fn claim(
        &mut self,
        table: &mut KeyTable<'_>,
        key: &DedupeKey,
        receipt: ReceiptId,
        seen_at: Timestamp,
    ) -> Result<Option<ReceiptId>, StoreFault> {
        if let Some(first) = self.first(table, key)? {
            return Ok(Some(first));
        }
        let key = Key(*key.as_bytes());
        let generations = self.older.len();
        self.remember(if self.in_part < PART_KEYS { self.part } else { self.part + 1 }, key);
        if self.older.len() > generations {
            self.forget_emptied(table.transaction)?;
        }
        table.insert.execute(params![self.part, key.0, receipt.as_bytes(), seen_at.as_millis()])?;
        Ok(None)
    }

    /// Which receipt has the key.
    pub fn first(&mut self, table: &mut KeyTable<'_>, key: &DedupeKey) -> rusqlite::Result<Option<ReceiptId>> {
        self.find(table, Key(*key.as_bytes()))
    }

    /// Repetitions are mostly of late: the newest are asked first.
    fn find(&mut self, table: &mut KeyTable<'_>, key: Key) -> rusqlite::Result<Option<ReceiptId>> {
        for places in [&self.newest, &self.found] {
            if let Some(part) = places.get(&key)
                && let Some(receipt) = table.find(*part, key)?
            {
                return Ok(Some(receipt));
            }
        }
        for generation in self.older.iter().rev().filter(|generation| generation.filter.may_hold(key)) {
            let first = generation.number * GENERATION_PARTS;
            for part in (first..first + GENERATION_PARTS).rev() {
                let Some(receipt) = table.find(part, key)? else { continue };
                // Whoever sends an old one again sends it once more.
                if self.found.len() >= FOUND_MAX {
                    self.found.clear();
                }
                self.found.insert(key, part);
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }

    fn remember(&mut self, part: i64, key: Key) {
        if part != self.part {
            if generation_of(part) != generation_of(self.part) {
                self.close_generation();
            }
            self.part = part;
            self.in_part = 0;
        }
        self.in_part += 1;
        self.newest.insert(key, part);
    }

    fn close_generation(&mut self) {
        let mut filter = Filter::new();
        self.newest.drain().for_each(|(key, _)| filter.add(key));
        self.older.push_back(Generation { number: generation_of(self.part), filter });
    }

    /// Lets go of the filters over parts that retention has emptied.
    fn forget_emptied(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let oldest: Option<i64> = connection.query_row(OLDEST_PART, [], |row| row.get(0))?;
        let oldest = generation_of(oldest.unwrap_or(self.part));
        self.older.retain(|generation| generation.number >= oldest);
        Ok(())
    }
}

fn generation_of(part: i64) -> i64 {
    part / GENERATION_PARTS
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

impl Filter {
    fn new() -> Self {
        Self(vec![0; FILTER_BITS / 64].into())
    }

    fn add(&mut self, key: Key) {
        for bit in positions(key) {
            self.0[bit / 64] |= 1 << (bit % 64);
        }
    }

    fn may_hold(&self, key: Key) -> bool {
        positions(key).all(|bit| self.0[bit / 64] & (1 << (bit % 64)) != 0)
    }
}

fn positions(key: Key) -> impl Iterator<Item = usize> {
    let Key(bytes) = key;
    (0..4).map(move |piece| {
        let [a, b, c, d] = [0, 1, 2, 3].map(|byte| bytes[4 * piece + byte]);
        u32::from_le_bytes([a, b, c, d]) as usize % FILTER_BITS
    })
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
/// Keys in a part: three pages of 8 KiB.
const PART_KEYS: usize = 512;
/// Parts in a generation: 458,752 keys, as many as fill a table of places before it grows.
const GENERATION_PARTS: i64 = 896;
/// 18 bits a key and four positions: one new key in 600 is looked up in vain.
const FILTER_BITS: usize = 1 << 23;
/// So many places of old keys are remembered.
const FOUND_MAX: usize = 4_096;

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
        let known = {
            let mut table = KeyTable::of(&transaction).unwrap();
            let mut claim = |number: usize| {
                let seen_at = Timestamp::from_millis(i64::try_from(number).unwrap());
                keys.claim(&mut table, &key(number), ReceiptId::generate(), seen_at).unwrap()
            };
            (0..COUNT).filter(|number| claim(*number).is_some()).count()
        };
        transaction.commit().unwrap();
        known
    }

    fn finds(keys: &mut Keys, transaction: &Transaction<'_>, number: usize) -> bool {
        let mut table = KeyTable::of(transaction).unwrap();
        keys.find(&mut table, Key(*key(number).as_bytes())).unwrap().is_some()
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
    fn a_key_of_an_older_generation_is_found_again() {
        let (mut keys, mut connection) = (Keys::default(), table());
        claim_all(&mut keys, &mut connection);
        // As if the generation had been filled.
        connection.execute("UPDATE dedupe_keys SET part = part + ?1 - 2", [GENERATION_PARTS - 1]).unwrap();
        let mut keys = Keys::load(&connection).unwrap();
        keys.remember(GENERATION_PARTS, Key([7; 16]));
        assert_eq!((keys.older.len(), keys.newest.len(), keys.found.len()), (1, 1, 0));
        assert_eq!(claim_all(&mut keys, &mut connection), COUNT, "the filter knows them, and the table where they are");
        assert_eq!(keys.found.len(), COUNT.min(FOUND_MAX), "they are found sooner the next time");
        assert_eq!(claim_all(&mut keys, &mut connection), COUNT);
        let again = Keys::load(&connection).unwrap();
        assert_eq!((again.older.len(), again.newest.len()), (0, COUNT), "nothing was stored beyond it");
    }

    #[test]
    fn a_key_of_a_rolled_back_transaction_can_be_claimed_again() {
        let (mut keys, mut connection) = (Keys::default(), table());
        let now = Timestamp::from_millis(0);
        for _ in 0..2 {
            let transaction = connection.transaction().unwrap();
            let mut table = KeyTable::of(&transaction).unwrap();
            assert_eq!(keys.claim(&mut table, &key(1), ReceiptId::generate(), now), Ok(None));
            drop(table);
            transaction.rollback().unwrap();
        }
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
        assert!(finds(&mut keys, &transaction, PART_KEYS + 10), "it was seen at that time, not before");
        assert!(!finds(&mut keys, &transaction, PART_KEYS + 9));
    }

    #[test]
    fn filters_over_emptied_parts_are_let_go() {
        let (mut keys, connection) = (Keys::default(), table());
        for part in [0, GENERATION_PARTS, 2 * GENERATION_PARTS, 3 * GENERATION_PARTS] {
            keys.remember(part, Key([7; 16]));
        }
        connection.execute("INSERT INTO dedupe_keys VALUES (?1, x'07', x'', 0)", [GENERATION_PARTS + 1]).unwrap();
        keys.forget_emptied(&connection).unwrap();
        assert_eq!(keys.older.iter().map(|one| one.number).collect::<Vec<_>>(), [1, 2]);
    }
}
