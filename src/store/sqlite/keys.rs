//! What has been seen before: the keys of accepted requests and of recorded events.
//!
//! Both tables are filled part by part: see [`parts`](super::key_partitions).

use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, params};

use super::super::{Acceptance, StoreError};
use super::id_order::IdOrder;
use super::key_partitions::{self, GENERATION_PARTS, PART_KEYS, Parts, Table};
use super::key_places::Key;
use super::numbers::Numbered;
use crate::domain::{DedupeKey, EventKey, ReceiptId, RequestKey, Timestamp};

/// Where the keys of requests and of events may be stored.
#[derive(Debug)]
pub struct Keys {
    requests: Parts,
    events: Parts,
    /// The order of the ids of receipts.
    pub receipt_ids: IdOrder,
    /// The order of the ids of events.
    pub event_ids: IdOrder,
}

/// The same, read when it is first needed.
#[derive(Debug, Default)]
pub struct KeysAtHand(Option<Keys>);

/// `dedupe_keys`, within one transaction.
pub struct KeyTable<'t> {
    transaction: &'t Transaction<'t>,
    insert: CachedStatement<'t>,
    find: CachedStatement<'t>,
}

/// `event_keys`, within one transaction.
pub struct EventKeyTable<'t> {
    transaction: &'t Transaction<'t>,
    insert: CachedStatement<'t>,
    find: CachedStatement<'t>,
}

/// Where a key was found, and its row.
pub struct Seen {
    part: i64,
    /// The row of the event.
    pub event: i64,
    /// When the event was received.
    pub at: Timestamp,
}

impl KeysAtHand {
    /// The keys.
    pub fn get(&mut self, connection: &Connection) -> rusqlite::Result<&mut Keys> {
        match &mut self.0 {
            Some(keys) => Ok(keys),
            none => Ok(none.insert(Keys::load(connection)?)),
        }
    }
}

impl Keys {
    /// Reads which keys there are.
    pub fn load(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            requests: Parts::load(&REQUESTS, connection)?,
            events: Parts::load(&EVENTS, connection)?,
            receipt_ids: IdOrder::load(Numbered::Receipts, connection)?,
            event_ids: IdOrder::load(Numbered::Events, connection)?,
        })
    }

    /// Records the key for `receipt`, or answers that another receipt had it before.
    pub fn claim(
        &mut self,
        table: &mut KeyTable<'_>,
        key: &RequestKey,
        receipt: ReceiptId,
        seen_at: Timestamp,
    ) -> Result<Option<Acceptance>, StoreError> {
        if let Some(known) = self.known(table, key, seen_at)? {
            return Ok(Some(known));
        }
        for key in std::iter::once(&key.own).chain(&key.with_id) {
            self.record(table, key, receipt, seen_at)?;
        }
        Ok(None)
    }

    /// Of which receipt the key is a repetition: one that has it, or had it a while ago. A repetition that is known by its id
    /// may have been signed for another time: what it is without its id is recorded, or it would be new under another.
    pub fn known(
        &mut self,
        table: &mut KeyTable<'_>,
        key: &RequestKey,
        seen_at: Timestamp,
    ) -> rusqlite::Result<Option<Acceptance>> {
        let known = self.find(table, key)?;
        if let (Some(Acceptance::Duplicate(first) | Acceptance::Repeated(first)), Some(_)) = (known, key.with_id)
            && self.receipt(table, &key.own)?.is_none()
        {
            self.record(table, &key.own, first, seen_at)?;
        }
        Ok(known)
    }

    fn record(
        &mut self,
        table: &mut KeyTable<'_>,
        key: &DedupeKey,
        receipt: ReceiptId,
        seen_at: Timestamp,
    ) -> rusqlite::Result<()> {
        let key = key.as_bytes();
        let part = self.requests.place(table.transaction, Key(*key))?;
        table.insert.execute(params![part, key, receipt.as_bytes(), seen_at.as_millis()]).map(drop)
    }

    fn find(&mut self, table: &mut KeyTable<'_>, key: &RequestKey) -> rusqlite::Result<Option<Acceptance>> {
        // A key with the id alone is from a time when the ids of the source were authenticated.
        let with_id = key.with_id.as_ref().map(|key| self.receipt(table, key)).transpose()?.flatten();
        if let Some(first) = with_id {
            return Ok(Some(Acceptance::Duplicate(first)));
        }
        let earlier = key.earlier.iter().flat_map(|earlier| earlier.iter());
        for own in std::iter::once(&key.own).chain(earlier) {
            if let Some(first) = self.receipt(table, own)? {
                let is_retry = key.with_id.is_none();
                return Ok(Some(if is_retry { Acceptance::Duplicate(first) } else { Acceptance::Repeated(first) }));
            }
        }
        Ok(None)
    }

    fn receipt(&mut self, table: &mut KeyTable<'_>, key: &DedupeKey) -> rusqlite::Result<Option<ReceiptId>> {
        let key = key.as_bytes();
        self.requests.find(Key(*key), |part| {
            let receipt = table.find.query_row(params![part, key], |row| row.get(0)).optional()?;
            Ok(receipt.map(ReceiptId::from_bytes))
        })
    }

    /// Which event has the key.
    pub fn event(&mut self, table: &mut EventKeyTable<'_>, key: &EventKey) -> rusqlite::Result<Option<Seen>> {
        let key = key.as_bytes();
        self.events.find(Key(*key), |part| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok(Seen { part, event: row.get(0)?, at: Timestamp::from_millis(row.get(1)?) })
            };
            table.find.query_row(params![part, key], read).optional()
        })
    }

    /// Records a key that no event has.
    pub fn add_event(
        &mut self,
        table: &mut EventKeyTable<'_>,
        key: &EventKey,
        event: i64,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        let part = self.events.place(table.transaction, Key(*key.as_bytes()))?;
        table.insert.execute(params![part, key.as_bytes(), event, at.as_millis()]).map(drop)
    }

    /// Gives a key to a later event. The row moves to the newest part, so that the oldest parts hold what is oldest.
    pub fn move_event(
        &mut self,
        table: &mut EventKeyTable<'_>,
        key: &EventKey,
        seen: &Seen,
        event: i64,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        table
            .transaction
            .prepare_cached("DELETE FROM event_keys WHERE part = ?1 AND key = ?2")?
            .execute(params![seen.part, key.as_bytes()])?;
        self.add_event(table, key, event, at)
    }
}

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
}

impl<'t> EventKeyTable<'t> {
    /// Prepares what is needed for many keys.
    pub fn of(transaction: &'t Transaction<'t>) -> rusqlite::Result<Self> {
        Ok(Self {
            transaction,
            insert: transaction
                .prepare_cached("INSERT INTO event_keys (part, key, event, seen_at) VALUES (?1, ?2, ?3, ?4)")?,
            find: transaction.prepare_cached("SELECT event, seen_at FROM event_keys WHERE part = ?1 AND key = ?2")?,
        })
    }
}

/// Deletes up to `limit` keys of requests and of events that were last seen before `before`.
pub fn prune(transaction: &Transaction<'_>, before: Timestamp, limit: usize) -> Result<usize, StoreError> {
    let requests = key_partitions::prune(&REQUESTS, transaction, before, limit)?;
    Ok(requests + key_partitions::prune(&EVENTS, transaction, before, limit - requests)?)
}

static REQUESTS: Table = Table {
    kind: 0,
    part_keys: PART_KEYS,
    generation_parts: GENERATION_PARTS,
    keys: "SELECT part, key FROM dedupe_keys WHERE part BETWEEN ?1 AND ?2 ORDER BY part",
    next: "SELECT min(part) FROM dedupe_keys WHERE part >= ?1",
    newest: "SELECT max(part) FROM dedupe_keys",
    prune: "DELETE FROM dedupe_keys WHERE part = ?1 AND key IN
        (SELECT key FROM dedupe_keys WHERE part = ?1 AND seen_at < ?2 LIMIT ?3)",
};
static EVENTS: Table = Table {
    kind: 1,
    part_keys: PART_KEYS,
    generation_parts: GENERATION_PARTS,
    keys: "SELECT part, key FROM event_keys WHERE part BETWEEN ?1 AND ?2 ORDER BY part",
    next: "SELECT min(part) FROM event_keys WHERE part >= ?1",
    newest: "SELECT max(part) FROM event_keys",
    prune: "DELETE FROM event_keys WHERE part = ?1 AND key IN
        (SELECT key FROM event_keys WHERE part = ?1 AND seen_at < ?2 LIMIT ?3)",
};
