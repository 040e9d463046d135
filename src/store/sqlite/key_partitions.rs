//! Keys in partitions, each small enough to stay within few pages.
//!
//! Keys are hashes, so that a single tree over all of them inserts each new one into another page: a batch of 256
//! arrivals then writes 256 pages into the WAL. Here keys are assigned in order to parts of [`PART_KEYS`], and the
//! primary key of their table begins with the part: a batch falls into the one or two pages of the newest part, and
//! expired keys are contiguous at the other end.
//!
//! Within a part the primary key decides. Whether an older part holds a key is asked of the table, in the transaction
//! that inserts it, by the only thread that inserts. What is kept in memory, and rebuilt at start, only says where to
//! look: for the keys of the newest generation the part, for those of older ones a Bloom filter of two bytes a key. It
//! may hold keys that a rolled-back transaction or retention has removed: that costs a lookup, never a wrong answer. It
//! never lacks a key that the table holds.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};

use rusqlite::{Connection, Transaction, params};

use super::super::StoreError;
use crate::domain::Timestamp;

/// The part of a table that is being filled, and which parts may hold its keys.
#[derive(Debug)]
pub struct Parts {
    table: &'static Table,
    part: i64,
    in_part: usize,
    /// The part of each key of the newest generation.
    newest: Places,
    /// The generations before it, oldest first.
    older: VecDeque<Generation>,
    /// Where repetitions of older keys were found recently.
    found: Places,
}

/// A table with the columns `part`, `key` and `seen_at` and the primary key `(part, key)`.
#[derive(Debug)]
pub struct Table {
    /// Selects part and key of all rows, by part.
    pub all: &'static str,
    /// Selects the lowest part.
    pub oldest: &'static str,
    /// Deletes from the part `?1` what was last seen before `?2`, `?3` rows at most.
    pub prune: &'static str,
}

/// The part that holds each key.
type Places = HashMap<Key, i64, BuildHasherDefault<FirstBytes>>;

/// A key: a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(pub [u8; 16]);

/// Keys are hashes already: their bytes are used instead of another hash.
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

impl Parts {
    /// Of a table without rows.
    pub fn of(table: &'static Table) -> Self {
        let (newest, found, older) = (Places::default(), Places::default(), VecDeque::new());
        Self { table, part: 0, in_part: 0, newest, older, found }
    }

    /// Reads which keys there are: some million a second.
    pub fn load(table: &'static Table, connection: &Connection) -> rusqlite::Result<Self> {
        let mut parts = Self::of(table);
        let mut select = connection.prepare(table.all)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            parts.remember(row.get(0)?, Key(row.get(1)?));
        }
        Ok(parts)
    }

    /// Finds a key with the help of `look`, which looks into one part. Repetitions are mostly recent: the newest parts
    /// are asked first.
    pub fn find<T>(
        &mut self,
        key: Key,
        mut look: impl FnMut(i64) -> rusqlite::Result<Option<T>>,
    ) -> rusqlite::Result<Option<T>> {
        for places in [&self.newest, &self.found] {
            if let Some(part) = places.get(&key)
                && let Some(row) = look(*part)?
            {
                return Ok(Some(row));
            }
        }
        for generation in self.older.iter().rev().filter(|generation| generation.filter.may_hold(key)) {
            let first = generation.number * GENERATION_PARTS;
            for part in (first..first + GENERATION_PARTS).rev() {
                let Some(row) = look(part)? else { continue };
                // A sender that repeats an old request is likely to repeat it again.
                if self.found.len() >= FOUND_MAX {
                    self.found.clear();
                }
                self.found.insert(key, part);
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// The part into which a new key goes.
    pub fn place(&mut self, connection: &Connection, key: Key) -> rusqlite::Result<i64> {
        let generations = self.older.len();
        self.remember(if self.in_part < PART_KEYS { self.part } else { self.part + 1 }, key);
        if self.older.len() > generations {
            self.forget_emptied(connection)?;
        }
        Ok(self.part)
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

    /// Drops the filters of parts that retention has emptied.
    fn forget_emptied(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let oldest: Option<i64> = connection.query_row(self.table.oldest, [], |row| row.get(0))?;
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
pub fn prune(
    table: &Table,
    transaction: &Transaction<'_>,
    before: Timestamp,
    limit: usize,
) -> Result<usize, StoreError> {
    let mut left = limit;
    while left > 0 {
        let oldest: Option<i64> = transaction.prepare_cached(table.oldest)?.query_row([], |row| row.get(0))?;
        let Some(oldest) = oldest else { break };
        let most = i64::try_from(left).unwrap_or(i64::MAX);
        let deleted = transaction.prepare_cached(table.prune)?.execute(params![oldest, before.as_millis(), most])?;
        if deleted == 0 {
            break;
        }
        left -= deleted.min(left);
    }
    Ok(limit - left)
}

/// Keys in a part: three pages of 8 KiB.
const PART_KEYS: usize = 512;
/// Parts in a generation: 458,752 keys, as many as fill a table of places before it grows.
const GENERATION_PARTS: i64 = 896;
/// 18 bits a key and four positions: one new key in 600 is looked up without need.
const FILTER_BITS: usize = 1 << 23;
/// So many places of old keys are remembered.
const FOUND_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::OptionalExtension;
    use sha2::{Digest, Sha256};

    const COUNT: usize = 2 * PART_KEYS + 100;

    static TABLE: Table = Table {
        all: "SELECT part, key FROM keys ORDER BY part",
        oldest: "SELECT min(part) FROM keys",
        prune: "DELETE FROM keys WHERE part = ?1 AND key IN
            (SELECT key FROM keys WHERE part = ?1 AND seen_at < ?2 LIMIT ?3)",
    };

    fn key(number: usize) -> Key {
        let mut key = [0; 16];
        key.copy_from_slice(&Sha256::digest(number.to_le_bytes())[..16]);
        Key(key)
    }

    fn table() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let table =
            "CREATE TABLE keys (part INTEGER, key BLOB, seen_at INTEGER, PRIMARY KEY (part, key)) WITHOUT ROWID";
        connection.execute_batch(table).unwrap();
        connection
    }

    fn finds(parts: &mut Parts, transaction: &Transaction<'_>, number: usize) -> bool {
        let Key(bytes) = key(number);
        let look = |part| {
            let select = "SELECT 1 FROM keys WHERE part = ?1 AND key = ?2";
            transaction.query_row(select, params![part, bytes], |_| Ok(())).optional()
        };
        parts.find(key(number), look).unwrap().is_some()
    }

    /// Whether the key was known.
    fn claim(parts: &mut Parts, transaction: &Transaction<'_>, number: usize) -> bool {
        if finds(parts, transaction, number) {
            return true;
        }
        let part = parts.place(transaction, key(number)).unwrap();
        let seen_at = i64::try_from(number).unwrap();
        transaction.execute("INSERT INTO keys VALUES (?1, ?2, ?3)", params![part, key(number).0, seen_at]).unwrap();
        false
    }

    /// Claims all keys; counts those that had been claimed before.
    fn claim_all(parts: &mut Parts, connection: &mut Connection) -> usize {
        let transaction = connection.transaction().unwrap();
        let known = (0..COUNT).filter(|number| claim(parts, &transaction, *number)).count();
        transaction.commit().unwrap();
        known
    }

    fn count(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(DISTINCT part) FROM keys", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_key_is_claimed_once_in_whichever_part_it_lies_also_after_a_restart() {
        let (mut parts, mut connection) = (Parts::of(&TABLE), table());
        assert_eq!(claim_all(&mut parts, &mut connection), 0);
        assert_eq!(count(&connection), 3);
        assert_eq!(claim_all(&mut parts, &mut connection), COUNT);
        let mut again = Parts::load(&TABLE, &connection).unwrap();
        assert_eq!((again.part, again.in_part), (parts.part, parts.in_part));
        assert_eq!(claim_all(&mut again, &mut connection), COUNT);
    }

    #[test]
    fn a_key_of_an_older_generation_is_found_again() {
        let (mut parts, mut connection) = (Parts::of(&TABLE), table());
        claim_all(&mut parts, &mut connection);
        // As if the generation had been filled.
        connection.execute("UPDATE keys SET part = part + ?1 - 2", [GENERATION_PARTS - 1]).unwrap();
        let mut parts = Parts::load(&TABLE, &connection).unwrap();
        parts.remember(GENERATION_PARTS, Key([7; 16]));
        assert_eq!((parts.older.len(), parts.newest.len(), parts.found.len()), (1, 1, 0));
        assert_eq!(
            claim_all(&mut parts, &mut connection),
            COUNT,
            "the filter knows them, and the table where they are"
        );
        assert_eq!(parts.found.len(), COUNT.min(FOUND_MAX), "they are found sooner the next time");
        assert_eq!(claim_all(&mut parts, &mut connection), COUNT);
        let again = Parts::load(&TABLE, &connection).unwrap();
        assert_eq!((again.older.len(), again.newest.len()), (0, COUNT), "nothing was stored beyond it");
    }

    #[test]
    fn a_key_of_a_rolled_back_transaction_can_be_claimed_again() {
        let (mut parts, mut connection) = (Parts::of(&TABLE), table());
        for _ in 0..2 {
            let transaction = connection.transaction().unwrap();
            assert!(!claim(&mut parts, &transaction, 1));
            transaction.rollback().unwrap();
        }
    }

    #[test]
    fn pruning_takes_the_oldest_first_and_no_more_than_asked() {
        let (mut parts, mut connection) = (Parts::of(&TABLE), table());
        claim_all(&mut parts, &mut connection);
        let transaction = connection.transaction().unwrap();
        let before = Timestamp::from_millis(i64::try_from(PART_KEYS + 10).unwrap());
        assert_eq!(prune(&TABLE, &transaction, before, 100), Ok(100));
        assert_eq!(prune(&TABLE, &transaction, before, COUNT), Ok(PART_KEYS + 10 - 100));
        assert_eq!(prune(&TABLE, &transaction, before, COUNT), Ok(0));
        assert!(finds(&mut parts, &transaction, PART_KEYS + 10), "it was seen at that time, not before");
        assert!(!finds(&mut parts, &transaction, PART_KEYS + 9));
    }

    #[test]
    fn filters_over_emptied_parts_are_let_go() {
        let (mut parts, connection) = (Parts::of(&TABLE), table());
        for part in [0, GENERATION_PARTS, 2 * GENERATION_PARTS, 3 * GENERATION_PARTS] {
            parts.remember(part, Key([7; 16]));
        }
        connection.execute("INSERT INTO keys VALUES (?1, x'07', 0)", [GENERATION_PARTS + 1]).unwrap();
        parts.forget_emptied(&connection).unwrap();
        assert_eq!(parts.older.iter().map(|one| one.number).collect::<Vec<_>>(), [1, 2]);
    }
}
