//! Checkpoints of the WAL, run by gatepost instead of SQLite.
//!
//! By default SQLite checkpoints within the commit that has made the WAL long, before any request is answered, and
//! ignores it when that fails: it goes on with a handle of the database that has failed to sync. Here the checkpoint
//! runs after the answers are sent, and its failure is a failure of the database. A process that does not serve never
//! checkpoints: what it reads of the WAL was perhaps never synced, see [`wal_resync`](super::wal_resync).

use std::cell::Cell;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::pragmas::{BUSY_TIMEOUT, PAGE_BYTES};

thread_local! {
    /// Pages in the WAL after the last commit of this thread.
    static PAGES: Cell<u32> = const { Cell::new(0) };
}

/// From now on SQLite only counts the pages that it adds to the WAL; it does not checkpoint on close either.
pub fn take_charge(connection: &Connection) -> rusqlite::Result<()> {
    connection.wal_hook(Some(|_, pages| {
        PAGES.set(u32::try_from(pages).unwrap_or(0));
        Ok(())
    }));
    empty_on_close(connection, false)
}

/// Whether the last connection to be closed checkpoints the WAL and removes it.
pub fn empty_on_close(connection: &Connection, does: bool) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !does).map(drop)
}

/// Checkpoints the WAL if the last commit of this thread has left it with `limit` pages or more. Pages that a reader
/// still uses stay for the next time.
pub fn empty_beyond(connection: &Connection, limit: u32) -> rusqlite::Result<()> {
    if PAGES.get() < limit {
        return Ok(());
    }
    PAGES.set(0);
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

/// Checkpoints the WAL and truncates the file, whatever its length. Does not block: pages that a reader still uses stay
/// for the next time. Whether the file is empty now.
pub fn truncate(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(Duration::ZERO)?;
    let is_busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    connection.busy_timeout(BUSY_TIMEOUT)?;
    is_busy.map(|is_busy| !is_busy)
}

/// The length at which the WAL is checkpointed, for a reserve of so many bytes: half of the reserve is for the pages of
/// the WAL, the other half for what is written after the disk was full.
pub fn limit_beside(reserve: u64) -> u32 {
    u32::try_from(reserve / 2 / PAGE_BYTES).map_or(PAGES_MAX, |pages| pages.clamp(PAGES_MIN, PAGES_MAX))
}

/// About as many as SQLite takes by default, and eight megabytes.
const PAGES_MAX: u32 = 1000;
/// On a disk that is full: half a megabyte.
pub const PAGES_MIN: u32 = 64;

#[cfg(test)]
mod tests {
    use super::super::access::Access;
    use super::super::connection::connect;
    use super::*;

    #[test]
    fn the_wal_is_truncated_unless_it_is_being_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let connection = connect(&path, Access::Serve).unwrap();
        connection
            .execute_batch("PRAGMA application_id = 0x67617465; CREATE TABLE t (x); INSERT INTO t VALUES (1)")
            .unwrap();
        let reader = connect(&path, Access::Serve).unwrap();
        reader.execute_batch("BEGIN; SELECT * FROM t").unwrap();
        connection.execute_batch("INSERT INTO t VALUES (2)").unwrap();
        assert_eq!(truncate(&connection), Ok(false));
        reader.execute_batch("COMMIT").unwrap();
        assert_eq!(truncate(&connection), Ok(true));
        assert_eq!(std::fs::metadata(folder.path().join("test.db-wal")).unwrap().len(), 0);
    }

    #[test]
    fn the_log_fits_into_half_of_the_reserve() {
        let connection = connect(&tempfile::tempdir().unwrap().path().join("test.db"), Access::Serve).unwrap();
        let page_bytes: u32 = connection.query_row("PRAGMA page_size", [], |row| row.get(0)).unwrap();
        assert_eq!(u64::from(page_bytes), PAGE_BYTES);
        assert_eq!(limit_beside(16 << 20), PAGES_MAX);
        assert_eq!(limit_beside(2 << 20), 128);
        assert_eq!(limit_beside(1 << 20), PAGES_MIN);
        assert_eq!(limit_beside(u64::MAX), PAGES_MAX);
    }
}
