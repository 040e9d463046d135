//! The end of leases that were not settled: when they expire, and when the process that held them has ended.

use rusqlite::{Connection, Transaction, params};

use super::super::{Lease, StoreError};
use crate::domain::DestinationName;

/// Frees what was not settled within its lease.
pub fn free_expired(
    transaction: &Transaction<'_>,
    destination: &DestinationName,
    lease: Lease,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE deliveries SET state = 0, uncertain = 1 WHERE destination = ?1 AND state = 1 AND lease_until <= ?2",
        )?
        .execute(params![destination.as_str(), lease.steady.as_millis()])?;
    Ok(())
}

/// Ends the leases of an ended process: called at start, when this process alone has the file.
pub fn release_all(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE receipt_queue SET lease_until = 0 WHERE lease_until > 0", [])?;
    connection.execute("UPDATE deliveries SET state = 0, uncertain = 1, lease_until = 0 WHERE state = 1", [])?;
    // One that a command has meanwhile fails by its generation if another follows it.
    connection.execute("UPDATE token_chains SET renewing_until = 0 WHERE renewing_until > 0", [])?;
    Ok(())
}
