//! A connection for reads behind a lock; a poisoned lock is taken over, because a read leaves nothing half done.

use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::wal;

#[derive(Debug)]
pub struct ReadConnection {
    connection: Mutex<Connection>,
    /// The handle by which the database is synced beside SQLite. This connection is the last to be closed, and the handle
    /// goes after it: with any handle of a file that is closed a process loses all its locks on that file.
    handle: Mutex<Option<Arc<File>>>,
}

impl ReadConnection {
    /// `handle`: in the process that serves, that by which the database is synced beside SQLite.
    pub fn new(connection: Connection, handle: Option<Arc<File>>) -> Self {
        Self { connection: Mutex::new(connection), handle: Mutex::new(handle) }
    }

    /// Closes the connection, has everything opened anew, and uses the connection that results. There are no reads
    /// meanwhile; if it fails there is nothing to read until it is tried again.
    ///
    /// As long as a process has one connection to a file SQLite closes no handle of that file, and gives those of
    /// connections that are gone to new ones: also a handle that has failed to sync.
    pub fn renew<T, E: From<rusqlite::Error>>(
        &self,
        open: impl FnOnce() -> Result<(T, Connection, Arc<File>), E>,
    ) -> Result<T, E> {
        let mut connection = self.lock();
        let before = std::mem::replace(&mut *connection, Connection::open_in_memory()?);
        // What has failed is left as it is.
        wal::empty_on_close(&before, false)?;
        drop(before);
        *lock(&self.handle) = None;
        let (opened, fresh, handle) = open()?;
        *connection = fresh;
        *lock(&self.handle) = Some(handle);
        Ok(opened)
    }

    pub fn lock(&self) -> MutexGuard<'_, Connection> {
        lock(&self.connection)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
