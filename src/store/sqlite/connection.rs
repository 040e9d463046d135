//! Connections to the file: the one that writes, those that read, and those of a process that must not write.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection, OpenFlags};

use super::access::Access;
use super::open_error::{OpenError, unusable};
use super::pragmas::{BUSY_TIMEOUT, READ_BACK, SETTINGS};
use super::{schema, wal};

/// Creates the file for its owner only: it holds what was seen of requests, credentials and all. SQLite gives the WAL
/// the same mode.
pub fn create_private(path: &Path) -> std::io::Result<()> {
    File::options().create(true).append(true).mode(0o600).open(path).map(drop)
}

/// A connection that writes, with every setting that durability depends on, read back. A file that is not for this
/// binary is refused before any setting is made: some of them are kept in the file.
pub fn connect(path: &Path, access: Access) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        wal::take_charge(&connection)?;
        // More than there are statements: one that has to give way is compiled anew each time.
        connection.set_prepared_statement_cache_capacity(256);
        // Without it a statement is compiled anew whenever a bound LIMIT changes.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(connection)
    };
    let connection = open().map_err(|error| unusable(path, error))?;
    schema::look(&connection, path, access)?;
    run_to_the_end(&connection, SETTINGS).map_err(|error| unusable(path, error))?;
    for (setting, wanted) in READ_BACK {
        let found = connection
            .query_row(&format!("PRAGMA {setting}"), [], |row| row.get_ref(0).map(to_text))
            .map_err(|error| unusable(path, error))?;
        if found != *wanted {
            return Err(OpenError::NotDurable { path: path.to_owned(), setting, found, wanted });
        }
    }
    Ok(connection)
}

/// A connection that reads beside the one that writes, in the same process or another.
pub fn connect_to_read(path: &Path, access: Access) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| unusable(path, error))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| unusable(path, error))?;
    connection.execute_batch("PRAGMA synchronous=FULL; PRAGMA mmap_size=0;").map_err(|error| unusable(path, error))?;
    wal::empty_on_close(&connection, access == Access::Serve).map_err(|error| unusable(path, error))?;
    Ok(connection)
}

/// A connection that only reads, also beside a process that serves: nothing is created, written or migrated, and nothing
/// is locked but what SQLite's readers mark in the WAL index.
pub fn connect_read_only(path: &Path) -> Result<Connection, OpenError> {
    match std::fs::metadata(path) {
        Ok(file) if file.len() > 0 => {}
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Err(unusable(path, error)),
        _ => return Err(OpenError::Absent { path: path.to_owned() }),
    }
    let open = || -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        run_to_the_end(&connection, "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF; PRAGMA mmap_size=0;")?;
        wal::empty_on_close(&connection, false)?;
        Ok(connection)
    };
    let connection = open().map_err(|error| unusable(path, error))?;
    schema::look(&connection, path, Access::Operate)?;
    Ok(connection)
}

/// Runs statements, each to its end. A change of the journal mode commits only there, after the row that it returns,
/// and a failure of that commit must not be missed: [`Connection::execute_batch`] stops at the row.
fn run_to_the_end(connection: &Connection, statements: &str) -> rusqlite::Result<()> {
    let mut batch = Batch::new(connection, statements);
    while let Some(mut statement) = batch.next()? {
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
    }
    Ok(())
}

fn to_text(value: rusqlite::types::ValueRef<'_>) -> String {
    match value {
        rusqlite::types::ValueRef::Integer(number) => number.to_string(),
        rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    }
}
