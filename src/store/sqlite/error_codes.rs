//! What an error of SQLite means for the store.

use super::super::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(Code::DiskFull) => Self::Full(text),
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Self::Locked(text),
            Some(
                Code::SystemIoFailure
                | Code::CannotOpen
                | Code::DatabaseCorrupt
                | Code::NotADatabase
                | Code::ReadOnly
                | Code::OutOfMemory
                | Code::FileLockingProtocolFailed,
            ) => Self::Broken(text),
            _ => Self::Failed(text),
        }
    }
}
