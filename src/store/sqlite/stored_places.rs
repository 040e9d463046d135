//! Where the keys of closed generations are, as it is stored: a start reads these few bytes instead of all keys.
//!
//! Written by [`key_partitions`](super::key_partitions) in the transaction that begins the next generation. A row that is missing
//! or damaged is made anew from the keys, at the next start at the latest. It may name keys that retention has deleted.

use std::collections::BTreeSet;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};

use super::key_places::KeyPlaces;

/// The sixth schema. Never edited once released.
///
/// A row of `key_places` is a generation of parts of `dedupe_keys` (`kind` 0) or `event_keys` (1) that gets no more keys.
pub const SCHEMA: &str = "
    CREATE TABLE key_places (
        kind       INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        places     BLOB NOT NULL,
        UNIQUE (kind, generation)
    );
";

/// The generation from which on keys may be added: those before it, of which one is stored, are closed for good.
pub fn first_open(connection: &Connection, kind: i64) -> rusqlite::Result<i64> {
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(generation) FROM key_places WHERE kind = ?1")?
        .query_row([kind], |row| row.get(0))?;
    Ok(last.map_or(0, |last| last.saturating_add(1)))
}

/// The generations whose places are stored.
pub fn generations(connection: &Connection, kind: i64) -> rusqlite::Result<BTreeSet<i64>> {
    let mut select = connection.prepare_cached("SELECT generation FROM key_places WHERE kind = ?1")?;
    select.query_map([kind], |row| row.get(0))?.collect()
}

/// The places of a generation; `None` where they are not stored, or not readable.
pub fn read(connection: &Connection, kind: i64, generation: i64) -> Option<KeyPlaces> {
    let found = connection
        .prepare_cached("SELECT places FROM key_places WHERE kind = ?1 AND generation = ?2")
        .and_then(|mut select| {
            let read = |row: &rusqlite::Row<'_>| match row.get_ref(0)? {
                ValueRef::Blob(bytes) => Ok(KeyPlaces::from_bytes(bytes)),
                _ => Ok(None),
            };
            select.query_row([kind, generation], read).optional()
        });
    match found {
        Ok(None) => None,
        Ok(Some(Some(places))) => Some(places),
        Ok(Some(None)) | Err(_) => {
            tracing::warn!("the stored places of keys are damaged; they are made anew from the keys");
            None
        }
    }
}

/// Stores the places of a generation, in place of what was stored of it before.
pub fn write(connection: &Connection, kind: i64, generation: i64, places: &KeyPlaces) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO key_places (kind, generation, places) VALUES (?1, ?2, ?3)")?
        .execute(params![kind, generation, places.to_bytes()])
        .map(drop)
}

/// Forgets the generations before this one.
pub fn forget_before(connection: &Connection, kind: i64, generation: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM key_places WHERE kind = ?1 AND generation < ?2")?
        .execute([kind, generation])
        .map(drop)
}
