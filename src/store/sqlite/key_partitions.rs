//! Keys in partitions, each small enough to stay within few pages.
//!
//! Keys are hashes, so that a single tree over all of them inserts each new one into another page: a batch of 256
//! arrivals then writes 256 pages into the WAL. Here keys are assigned in order to parts of [`PART_KEYS`], and the
//! primary key of their table begins with the part: a batch falls into the one or two pages of the newest part, and
//! expired keys are contiguous at the other end.
//!
//! Within a part the primary key decides. Whether an older part holds a key is asked of the table, in the transaction
//! that inserts it, by the only thread that inserts. What is kept in memory only says where to look: for the keys of the
//! newest generation their parts, for those of each older one its [`KeyPlaces`]. It may hold keys that a rolled-back
//! transaction or retention has removed: that costs a lookup, never a wrong answer. It never lacks a key that the table
//! holds.
//!
//! A generation that is closed gets no more keys, also after a restart. So its places can be stored, and a start reads only
//! the keys of the newest generation, and of those whose places are missing: see [`stored_places`].

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use rusqlite::{Connection, Transaction, params};

use super::super::StoreError;
use super::key_places::{Key, KeyPlaces, PLACES};
use super::stored_places;
use crate::domain::Timestamp;

/// The part of a table that is being filled, and which parts may hold its keys.
#[derive(Debug)]
pub struct Parts {
    table: &'static Table,
    part: i64,
    in_part: usize,
    /// Where in the newest generation each of its keys was put last.
    newest: Places,
    /// Where some of them were put before that: what has moved them may have been rolled back.
    before: Vec<(Key, u16)>,
    /// The generations before it, oldest first.
    closed: VecDeque<Generation>,
}

/// A table with the columns `part`, `key` and `seen_at` and the primary key `(part, key)`.
#[derive(Debug)]
pub struct Table {
    /// Its number in `key_places`.
    pub kind: i64,
    /// Keys in a part: [`PART_KEYS`].
    pub part_keys: usize,
    /// Parts in a generation: [`GENERATION_PARTS`].
    pub generation_parts: i64,
    /// Selects part and key of the rows from part `?1` to `?2`, by part.
    pub keys: &'static str,
    /// Selects the lowest part from `?1` on.
    pub next: &'static str,
    /// Selects the highest part.
    pub newest: &'static str,
    /// Deletes from the part `?1` what was last seen before `?2`, `?3` rows at most.
    pub prune: &'static str,
}

/// For each key the place of its part in the generation.
type Places = HashMap<Key, u16, BuildHasherDefault<FirstBytes>>;

/// Keys are hashes already: their bytes are used instead of another hash.
#[derive(Debug, Default)]
struct FirstBytes(u64);

/// The keys of as many parts, none of which is filled any more.
#[derive(Debug)]
struct Generation {
    number: i64,
    places: KeyPlaces,
    /// It held no key when this was last looked at, and what was stored of it was deleted.
    is_forgotten: bool,
}

impl Generation {
    fn new(number: i64, places: KeyPlaces) -> Self {
        Self { number, places, is_forgotten: false }
    }
}

impl Parts {
    /// Of a table without rows.
    pub fn of(table: &'static Table) -> Self {
        let (newest, before, closed) = (Places::default(), Vec::new(), VecDeque::new());
        Self { table, part: 0, in_part: 0, newest, before, closed }
    }

    /// Reads which keys there are: those of closed generations as they are stored, the others one by one, some million a
    /// second.
    pub fn load(table: &'static Table, connection: &Connection) -> rusqlite::Result<Self> {
        let mut parts = Self::of(table);
        let newest: Option<i64> = connection.query_row(table.newest, [], |row| row.get(0))?;
        let open = stored_places::first_open(connection, table.kind)?;
        parts.part = newest.unwrap_or(0).max(table.first_part(open));
        let open = table.generation_of(parts.part);
        let mut from = i64::MIN;
        while let Some(number) = table.next_generation(connection, from)?.filter(|number| *number < open) {
            let places = match stored_places::read(connection, table.kind, number) {
                Some(places) => places,
                None => table.make_places(connection, number)?,
            };
            parts.closed.push_back(Generation::new(number, places));
            from = table.first_part(number + 1);
        }
        let last = table.place_of(parts.part);
        table.read_keys(connection, open, |key, place| {
            parts.in_part += usize::from(place == last);
            parts.newest.insert(key, place);
        })?;
        Ok(parts)
    }

    /// Finds a key with the help of `look`, which looks into one part. Repetitions are mostly recent: the newest parts
    /// are asked first.
    pub fn find<T>(
        &self,
        key: Key,
        mut look: impl FnMut(i64) -> rusqlite::Result<Option<T>>,
    ) -> rusqlite::Result<Option<T>> {
        if let Some(last) = self.newest.get(&key) {
            let before = self.before.iter().rev().filter(|(other, _)| *other == key).map(|(_, place)| place);
            let first = self.table.first_part(self.table.generation_of(self.part));
            for place in std::iter::once(last).chain(before) {
                if let Some(row) = look(first + i64::from(*place))? {
                    return Ok(Some(row));
                }
            }
        }
        for generation in self.closed.iter().rev() {
            for place in generation.places.of_key(key) {
                if let Some(row) = look(self.table.first_part(generation.number) + i64::from(place))? {
                    return Ok(Some(row));
                }
            }
        }
        Ok(None)
    }

    /// The part into which a new key goes.
    pub fn place(&mut self, connection: &Connection, key: Key) -> rusqlite::Result<i64> {
        let is_full = self.in_part >= self.table.part_keys;
        let has_closed = is_full && self.begin_part();
        self.in_part += 1;
        let place = self.table.place_of(self.part);
        if let Some(before) = self.newest.insert(key, place)
            && before != place
        {
            self.before.push((key, before));
        }
        if has_closed {
            self.store_closed(connection)?;
        }
        Ok(self.part)
    }

    /// Whether that has closed a generation.
    fn begin_part(&mut self) -> bool {
        let number = self.table.generation_of(self.part);
        self.part += 1;
        self.in_part = 0;
        if self.table.generation_of(self.part) == number {
            return false;
        }
        let newest = self.newest.iter().map(|(key, place)| (*key, *place));
        let places = KeyPlaces::of(newest.chain(self.before.iter().copied()));
        self.newest.clear();
        self.before = Vec::new();
        self.closed.push_back(Generation::new(number, places));
        true
    }

    /// In the transaction that begins the next generation: stores the places of those that are closed, also of earlier ones
    /// where that transaction was rolled back, and forgets those that retention has emptied.
    ///
    /// What empties a generation may be rolled back with this transaction. So only what is stored of it is deleted now; when the
    /// next generation begins, in another transaction, and that is still so, it was committed, and what is in memory goes as well.
    fn store_closed(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let kind = self.table.kind;
        let newest = self.table.generation_of(self.part);
        let oldest = self.table.next_generation(connection, i64::MIN)?.unwrap_or(newest);
        let stored = stored_places::generations(connection, kind)?;
        self.closed.retain(|one| one.number >= oldest || stored.contains(&one.number) || !one.is_forgotten);
        stored_places::forget_before(connection, kind, oldest)?;
        for Generation { number, places, is_forgotten } in &mut self.closed {
            match stored.contains(number) {
                true => *is_forgotten = *number < oldest,
                false => stored_places::write(connection, kind, *number, places)?,
            }
        }
        Ok(())
    }
}

impl Table {
    /// The first generation with keys, of those from a part on.
    fn next_generation(&self, connection: &Connection, from: i64) -> rusqlite::Result<Option<i64>> {
        let part: Option<i64> = connection.query_row(self.next, [from], |row| row.get(0))?;
        Ok(part.map(|part| self.generation_of(part)))
    }

    /// The places of a closed generation whose places are not stored.
    fn make_places(&self, connection: &Connection, number: i64) -> rusqlite::Result<KeyPlaces> {
        let mut keys = Vec::new();
        self.read_keys(connection, number, |key, place| keys.push((key, place)))?;
        let places = KeyPlaces::of(keys.into_iter());
        // In a transaction of another's they may wait for the next start.
        if connection.is_autocommit()
            && let Err(error) = stored_places::write(connection, self.kind, number, &places)
        {
            tracing::warn!(%error, "the places of keys cannot be stored; the next start reads those keys again");
        }
        Ok(places)
    }

    /// Reads the keys of a generation, each with the place of its part.
    fn read_keys(&self, connection: &Connection, number: i64, mut each: impl FnMut(Key, u16)) -> rusqlite::Result<()> {
        let mut select = connection.prepare(self.keys)?;
        let mut rows = select.query([self.first_part(number), self.first_part(number + 1).saturating_sub(1)])?;
        while let Some(row) = rows.next()? {
            each(Key(row.get(1)?), self.place_of(row.get(0)?));
        }
        Ok(())
    }

    fn generation_of(&self, part: i64) -> i64 {
        part.div_euclid(self.generation_parts)
    }

    fn first_part(&self, generation: i64) -> i64 {
        generation.saturating_mul(self.generation_parts)
    }

    /// The place of a part in its generation.
    fn place_of(&self, part: i64) -> u16 {
        // It is below the number of parts.
        u16::try_from(part.rem_euclid(self.generation_parts)).unwrap_or(u16::MAX)
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

/// Deletes up to `limit` keys that were last seen before `before`, from the oldest part on.
pub fn prune(
    table: &Table,
    transaction: &Transaction<'_>,
    before: Timestamp,
    limit: usize,
) -> Result<usize, StoreError> {
    let mut left = limit;
    while left > 0 {
        let oldest: Option<i64> = transaction.prepare_cached(table.next)?.query_row([i64::MIN], |row| row.get(0))?;
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
pub const PART_KEYS: usize = 512;
/// Parts in a generation: 458,752 keys, as many as fill a table of places before it grows.
pub const GENERATION_PARTS: i64 = 896;
const _: () = assert!(GENERATION_PARTS <= PLACES as i64);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use rusqlite::OptionalExtension;
    use sha2::{Digest, Sha256};

    const COUNT: usize = 2 * PART_KEYS + 100;

    const fn table_of(part_keys: usize, generation_parts: i64) -> Table {
        Table {
            kind: 1,
            part_keys,
            generation_parts,
            keys: "SELECT part, key FROM keys WHERE part BETWEEN ?1 AND ?2 ORDER BY part",
            next: "SELECT min(part) FROM keys WHERE part >= ?1",
            newest: "SELECT max(part) FROM keys",
            prune: "DELETE FROM keys WHERE part = ?1 AND key IN
                (SELECT key FROM keys WHERE part = ?1 AND seen_at < ?2 LIMIT ?3)",
        }
    }

    static TABLE: Table = table_of(PART_KEYS, GENERATION_PARTS);
    /// With generations of twelve keys.
    static SMALL: Table = table_of(3, 4);
    const GENERATION: usize = 12;

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
        connection.execute_batch(stored_places::SCHEMA).unwrap();
        connection
    }

    fn place_in_table(parts: &Parts, connection: &Connection, number: usize) -> Option<i64> {
        let Key(bytes) = key(number);
        let look = |part| {
            let select = "SELECT part FROM keys WHERE part = ?1 AND key = ?2";
            connection.prepare_cached(select).unwrap().query_row(params![part, bytes], |row| row.get(0)).optional()
        };
        parts.find(key(number), look).unwrap()
    }

    fn finds(parts: &Parts, connection: &Connection, number: usize) -> bool {
        place_in_table(parts, connection, number).is_some()
    }

    fn insert(parts: &mut Parts, connection: &Connection, number: usize) {
        let part = parts.place(connection, key(number)).unwrap();
        let seen_at = i64::try_from(number).unwrap();
        connection.execute("INSERT INTO keys VALUES (?1, ?2, ?3)", params![part, key(number).0, seen_at]).unwrap();
    }

    /// Whether the key was known.
    fn claim(parts: &mut Parts, connection: &Connection, number: usize) -> bool {
        let is_known = finds(parts, connection, number);
        if !is_known {
            insert(parts, connection, number);
        }
        is_known
    }

    /// Gives the key to a later row.
    fn move_up(parts: &mut Parts, connection: &Connection, number: usize) {
        let part = place_in_table(parts, connection, number).unwrap();
        connection.execute("DELETE FROM keys WHERE part = ?1 AND key = ?2", params![part, key(number).0]).unwrap();
        insert(parts, connection, number);
    }

    /// Claims keys in a transaction; counts those that had been claimed before.
    fn claim_all(parts: &mut Parts, connection: &mut Connection, count: usize) -> usize {
        let transaction = connection.transaction().unwrap();
        let known = (0..count).filter(|number| claim(parts, &transaction, *number)).count();
        transaction.commit().unwrap();
        known
    }

    fn count(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(DISTINCT part) FROM keys", [], |row| row.get(0)).unwrap()
    }

    fn numbers(parts: &Parts) -> Vec<i64> {
        parts.closed.iter().map(|one| one.number).collect()
    }

    fn stored(connection: &Connection) -> Vec<i64> {
        let mut select = connection.prepare("SELECT generation FROM key_places ORDER BY generation").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn a_key_is_claimed_once_in_whichever_part_it_lies_also_after_a_restart() {
        let (mut parts, mut connection) = (Parts::of(&TABLE), table());
        assert_eq!(claim_all(&mut parts, &mut connection, COUNT), 0);
        assert_eq!(count(&connection), 3);
        assert_eq!(claim_all(&mut parts, &mut connection, COUNT), COUNT);
        let mut again = Parts::load(&TABLE, &connection).unwrap();
        assert_eq!((again.part, again.in_part), (parts.part, parts.in_part));
        assert_eq!(claim_all(&mut again, &mut connection, COUNT), COUNT);
    }

    #[test]
    fn a_key_of_a_closed_generation_is_found_again_also_after_a_restart() {
        let (mut parts, mut connection) = (Parts::of(&SMALL), table());
        let count = 5 * GENERATION + 4;
        assert_eq!(claim_all(&mut parts, &mut connection, count), 0);
        assert_eq!((numbers(&parts), parts.newest.len()), (vec![0, 1, 2, 3, 4], 4));
        assert_eq!(stored(&connection), [0, 1, 2, 3, 4]);
        assert_eq!(claim_all(&mut parts, &mut connection, count), count);
        let mut again = Parts::load(&SMALL, &connection).unwrap();
        assert_eq!((again.part, again.in_part, again.newest.len()), (parts.part, parts.in_part, 4));
        assert_eq!(numbers(&again), [0, 1, 2, 3, 4]);
        assert_eq!(claim_all(&mut again, &mut connection, count + GENERATION), count);
    }

    #[test]
    fn a_start_reads_what_is_stored_and_not_the_keys() {
        let (mut parts, mut connection) = (Parts::of(&SMALL), table());
        claim_all(&mut parts, &mut connection, 3 * GENERATION);
        // Another key in the table, that the stored places do not know.
        connection.execute("INSERT INTO keys VALUES (1, ?1, 0)", [key(900).0]).unwrap();
        let again = Parts::load(&SMALL, &connection).unwrap();
        assert!(!finds(&again, &connection, 900), "the keys of a closed generation were read");
        assert!(finds(&again, &connection, 1) && finds(&again, &connection, 3 * GENERATION - 1));
    }

    #[test]
    fn places_that_are_missing_or_damaged_are_made_from_the_keys_and_stored_again() {
        let damages = [
            "DELETE FROM key_places WHERE generation = 1",
            "UPDATE key_places SET places = x'' WHERE generation = 1",
            "UPDATE key_places SET places = 'text' WHERE generation = 1",
            "UPDATE key_places SET places = zeroblob(length(places)) WHERE generation = 1",
            "UPDATE key_places SET places = CAST(substr(places, 1, 50) || x'31' || substr(places, 52) AS BLOB) WHERE generation = 1",
            "DROP TABLE key_places; CREATE TABLE key_places (kind, generation, places, UNIQUE (kind, generation))",
        ];
        for damage in damages {
            let (mut parts, mut connection) = (Parts::of(&SMALL), table());
            let count = 3 * GENERATION + 1;
            claim_all(&mut parts, &mut connection, count);
            let sound = all_places(&connection);
            connection.execute_batch(damage).unwrap();
            let mut again = Parts::load(&SMALL, &connection).unwrap();
            assert_eq!(claim_all(&mut again, &mut connection, count), count, "after {damage}");
            assert_eq!(stored(&connection), [0, 1, 2], "after {damage}");
            for (generation, places) in all_places(&connection).into_iter().enumerate() {
                assert!(KeyPlaces::from_bytes(&places).is_some(), "{generation} after {damage}");
                assert_eq!(places.len(), sound[generation].len(), "{generation} after {damage}");
            }
        }
    }

    fn all_places(connection: &Connection) -> Vec<Vec<u8>> {
        let mut select = connection.prepare("SELECT places FROM key_places ORDER BY generation").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn within_a_transaction_places_are_made_and_not_stored() {
        let (mut parts, mut connection) = (Parts::of(&SMALL), table());
        let count = 2 * GENERATION + 1;
        claim_all(&mut parts, &mut connection, count);
        connection.execute("DELETE FROM key_places", []).unwrap();
        let transaction = connection.transaction().unwrap();
        let again = Parts::load(&SMALL, &transaction).unwrap();
        assert!((0..count).all(|number| finds(&again, &transaction, number)));
        assert_eq!(stored(&transaction), [0; 0]);
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
    fn when_the_transaction_that_closes_a_generation_is_rolled_back_no_key_is_lost_and_none_is_claimed_twice() {
        for rolled_back in [1, 2, GENERATION, GENERATION + 1, 3 * GENERATION] {
            let (mut parts, mut connection) = (Parts::of(&SMALL), table());
            let count = GENERATION - 1;
            claim_all(&mut parts, &mut connection, count);
            let transaction = connection.transaction().unwrap();
            (100..=100 + rolled_back).for_each(|number| assert!(!claim(&mut parts, &transaction, number)));
            transaction.rollback().unwrap();
            assert!((100..=100 + rolled_back).all(|number| !finds(&parts, &connection, number)));
            assert_eq!(stored(&connection), [0; 0], "it was rolled back as well");
            // With and without a restart, and one more after it.
            for restarts in [false, true, true] {
                if restarts {
                    parts = Parts::load(&SMALL, &connection).unwrap();
                }
                assert_eq!(claim_all(&mut parts, &mut connection, count), count, "{rolled_back} {restarts}");
            }
            assert_eq!(claim_all(&mut parts, &mut connection, 4 * GENERATION), count);
            let mut again = Parts::load(&SMALL, &connection).unwrap();
            assert_eq!(claim_all(&mut again, &mut connection, 4 * GENERATION), 4 * GENERATION, "{rolled_back}");
        }
    }

    #[test]
    fn no_key_is_added_to_a_generation_whose_places_are_stored_once_a_restart_has_found_nothing_after_it() {
        let (mut parts, mut connection) = (Parts::of(&SMALL), table());
        claim_all(&mut parts, &mut connection, GENERATION + 1);
        // As if what began the next generation had been deleted; the last part is not full.
        connection.execute("DELETE FROM keys WHERE part >= 4 OR key = ?1", [key(GENERATION - 1).0]).unwrap();
        for number in [500, 501] {
            let mut again = Parts::load(&SMALL, &connection).unwrap();
            assert!(!claim(&mut again, &connection, number));
        }
        assert_eq!(count(&connection), 5, "both are in the first part of the second generation");
        let again = Parts::load(&SMALL, &connection).unwrap();
        assert!(finds(&again, &connection, 500) && finds(&again, &connection, 501));
    }

    #[test]
    fn a_key_whose_move_is_rolled_back_is_found_where_it_was() {
        // The second time after the generation has been closed.
        for more in [1, 2 * GENERATION] {
            let (mut parts, mut connection) = (Parts::of(&SMALL), table());
            claim_all(&mut parts, &mut connection, 4);
            for _ in 0..2 {
                let transaction = connection.transaction().unwrap();
                (0..3).for_each(|number| move_up(&mut parts, &transaction, number));
                transaction.rollback().unwrap();
            }
            (100..100 + more).for_each(|number| assert!(!claim(&mut parts, &connection, number)));
            assert!((0..4).all(|number| finds(&parts, &connection, number)), "with {more} after it");
        }
    }

    #[test]
    fn whatever_happens_every_key_of_the_table_is_found_and_no_other() {
        for seed in 0..40_u64 {
            let (mut parts, mut connection) = (Parts::of(&SMALL), table());
            let mut random = seed;
            let mut next = |below: u64| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                usize::try_from((random >> 33) % below).unwrap()
            };
            let (mut claimed, mut known) = (0, BTreeSet::new());
            for _ in 0..60 {
                let transaction = connection.transaction().unwrap();
                let mut then = known.clone();
                // A transaction begins one generation at most.
                for _ in 0..next(GENERATION as u64) {
                    match next(5) {
                        0 if !then.is_empty() => {
                            let number = *then.iter().nth(next(then.len() as u64)).unwrap();
                            move_up(&mut parts, &transaction, number);
                        }
                        _ => {
                            claimed += 1;
                            assert!(!claim(&mut parts, &transaction, claimed));
                            then.insert(claimed);
                        }
                    }
                }
                match next(4) {
                    0 => transaction.rollback().unwrap(),
                    _ => {
                        transaction.commit().unwrap();
                        known = then;
                    }
                }
                if next(10) == 0 {
                    let transaction = connection.transaction().unwrap();
                    let before = claimed.saturating_sub(next(100));
                    prune(&SMALL, &transaction, Timestamp::from_millis(before as i64), next(50)).unwrap();
                    let mut left = transaction.prepare("SELECT seen_at FROM keys").unwrap();
                    known = left
                        .query_map([], |row| row.get::<_, i64>(0))
                        .unwrap()
                        .map(|one| one.unwrap() as usize)
                        .collect();
                    drop(left);
                    transaction.commit().unwrap();
                }
                if next(8) == 0 {
                    parts = Parts::load(&SMALL, &connection).unwrap();
                }
                let found = (1..=claimed).filter(|number| finds(&parts, &connection, *number)).collect();
                assert_eq!(known, found, "seed {seed}");
            }
            assert!(claimed > 5 * GENERATION, "seed {seed}");
        }
    }

    #[test]
    fn pruning_takes_the_oldest_first_and_no_more_than_asked() {
        let (mut parts, mut connection) = (Parts::of(&TABLE), table());
        claim_all(&mut parts, &mut connection, COUNT);
        let transaction = connection.transaction().unwrap();
        let before = Timestamp::from_millis(i64::try_from(PART_KEYS + 10).unwrap());
        assert_eq!(prune(&TABLE, &transaction, before, 100), Ok(100));
        assert_eq!(prune(&TABLE, &transaction, before, COUNT), Ok(PART_KEYS + 10 - 100));
        assert_eq!(prune(&TABLE, &transaction, before, COUNT), Ok(0));
        assert!(finds(&parts, &transaction, PART_KEYS + 10), "it was seen at that time, not before");
        assert!(!finds(&parts, &transaction, PART_KEYS + 9));
    }

    #[test]
    fn places_of_emptied_generations_are_let_go() {
        let (mut parts, mut connection) = (Parts::of(&SMALL), table());
        claim_all(&mut parts, &mut connection, 4 * GENERATION);
        let other = "INSERT INTO key_places (kind, generation, places) VALUES (0, 0, x'00')";
        connection.execute(other, []).unwrap();
        connection.execute("DELETE FROM keys WHERE part <= 4", []).unwrap();
        assert_eq!(numbers(&Parts::load(&SMALL, &connection).unwrap()), [1, 2]);
        let both = |parts: &Parts, connection: &Connection| (numbers(parts), stored(connection));
        claim_all(&mut parts, &mut connection, 3);
        assert_eq!(both(&parts, &connection), (vec![0, 1, 2, 3], vec![0, 1, 2, 3]), "the other 0 is of another table");
        claim_all(&mut parts, &mut connection, 4 * GENERATION);
        assert_eq!(both(&parts, &connection), (vec![1, 2, 3, 4], vec![0, 1, 2, 3, 4]));
    }

    #[test]
    fn places_that_a_failed_transaction_did_not_store_are_stored_with_the_next() {
        let (mut parts, mut connection) = (Parts::of(&SMALL), table());
        claim_all(&mut parts, &mut connection, GENERATION - 1);
        let transaction = connection.transaction().unwrap();
        (100..102).for_each(|number| insert(&mut parts, &transaction, number));
        transaction.rollback().unwrap();
        assert_eq!((numbers(&parts), stored(&connection)), (vec![0], vec![]));
        claim_all(&mut parts, &mut connection, 3 * GENERATION);
        assert_eq!((numbers(&parts), stored(&connection)), (vec![0, 1, 2], vec![0, 1, 2]));
    }

    #[test]
    fn a_generation_is_not_forgotten_where_what_emptied_it_is_rolled_back() {
        let (mut parts, mut connection) = (Parts::of(&SMALL), table());
        claim_all(&mut parts, &mut connection, 2 * GENERATION);
        for round in 1..4 {
            let transaction = connection.transaction().unwrap();
            transaction.execute("DELETE FROM keys WHERE part < 4", []).unwrap();
            (0..GENERATION).for_each(|number| insert(&mut parts, &transaction, 100 * round + number));
            transaction.rollback().unwrap();
            assert!((0..2 * GENERATION).all(|number| finds(&parts, &connection, number)), "after {round}");
        }
    }

    #[test]
    fn a_table_that_was_emptied_is_filled_from_where_it_was() {
        let (mut parts, mut connection) = (Parts::of(&SMALL), table());
        claim_all(&mut parts, &mut connection, 2 * GENERATION + 1);
        connection.execute("DELETE FROM keys", []).unwrap();
        let mut again = Parts::load(&SMALL, &connection).unwrap();
        assert_eq!(numbers(&again), [0; 0]);
        assert_eq!(claim_all(&mut again, &mut connection, 9 * GENERATION), 0);
        let mut again = Parts::load(&SMALL, &connection).unwrap();
        assert_eq!(claim_all(&mut again, &mut connection, 9 * GENERATION), 9 * GENERATION);
    }
}
