//! A connection for reads behind a lock; a poisoned lock is taken over, because a read leaves nothing half done.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::wal;

#[derive(Debug)]
pub struct ReadConnection(Mutex<Connection>);

impl ReadConnection {
    pub fn new(connection: Connection) -> Self {
        Self(Mutex::new(connection))
    }

    /// Closes the connection, has everything opened anew, and uses the connection that results. There are no reads
    /// meanwhile; if it fails there is nothing to read until it is tried again.
    ///
    /// As long as a process has one connection to a file SQLite closes no handle of that file, and gives those of
    /// connections that are gone to new ones: also a handle that has failed to sync.
    pub fn renew<T, E: From<rusqlite::Error>>(
        &self,
        open: impl FnOnce() -> Result<(T, Connection), E>,
    ) -> Result<T, E> {
        let mut connection = self.lock();
        let before = std::mem::replace(&mut *connection, Connection::open_in_memory()?);
        // What has failed is left as it is.
        wal::empty_on_close(&before, false)?;
        drop(before);
        let (opened, fresh) = open()?;
        *connection = fresh;
        Ok(opened)
    }

    pub fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
