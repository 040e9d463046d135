//! Emptying the log into the database, by us and not by SQLite.
//!
//! Left to itself, SQLite empties the log within the commit that has made it long, before anybody gets an answer, and
//! takes no notice when that fails: it goes on with a handle of the database that has failed to sync. Here it is done
//! when the answers are out, and a failure is one of the database's. Whoever does not serve never empties it: what he
//! reads of the log was perhaps never synced, see [`certain`](super::certain).

use std::cell::Cell;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

thread_local! {
    /// Pages in the log after the last commit of this thread.
    static PAGES: Cell<u32> = const { Cell::new(0) };
}

/// From now on SQLite only counts what it adds to the log, and leaves it alone also when the connection is closed.
pub fn take_charge(connection: &Connection) -> rusqlite::Result<()> {
    connection.wal_hook(Some(|_, pages| {
        PAGES.set(u32::try_from(pages).unwrap_or(0));
        Ok(())
    }));
    empty_on_close(connection, false)
}

/// Whether the last connection to be closed empties the log and removes it.
pub fn empty_on_close(connection: &Connection, does: bool) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !does).map(drop)
}

/// Empties the log if the last commit of this thread has left it with as many pages as `limit`, or more. Pages that
/// somebody is still reading stay for the next time.
pub fn empty_beyond(connection: &Connection, limit: u32) -> rusqlite::Result<()> {
    if PAGES.get() < limit {
        return Ok(());
    }
    PAGES.set(0);
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

/// Empties the log and cuts the file, whatever its length.
pub fn cut(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// The length at which it is emptied: about a thousand pages are as many as SQLite takes by default, and eight megabytes.
pub const PAGES_MAX: u32 = 1000;
/// The same on a disk that is nearly full: half a megabyte.
pub const PAGES_MAX_CROWDED: u32 = 64;
