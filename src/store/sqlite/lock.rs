//! The file beside the database that says who serves it.

use std::fs::{File, Permissions, TryLockError};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::open_error::{OpenError, unusable};

/// The lock for serving a store. The system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
    database: PathBuf,
}

impl Lock {
    /// Takes the lock, for this process alone. No other user may open its file: who can open it can lock it.
    pub fn take(database: &Path) -> Result<Self, OpenError> {
        let opened = File::options().create(true).append(true).mode(OWN_MODE).open(beside(database));
        let file = opened.map_err(|error| unusable(database, error))?;
        // One that is there already may be open to others. Where it belongs to another user it stays as it is.
        drop(file.set_permissions(Permissions::from_mode(OWN_MODE)));
        match file.try_lock() {
            Ok(()) => Ok(Self { file, database: database.to_owned() }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Served { path: database.to_owned() }),
            Err(TryLockError::Error(error)) => Err(unusable(database, error)),
        }
    }

    /// Checks the lock after a failure of the disk. A file system may have been unmounted, repaired and mounted again:
    /// then the path names another file, which is not locked. The lock on that one, if it is so.
    pub fn renew(&self) -> Result<Option<Self>, OpenError> {
        let failed = |error| unusable(&self.database, error);
        // Not created: where it is missing, there is no store.
        let there = File::options().append(true).open(beside(&self.database)).map_err(failed)?;
        match there.try_lock() {
            Ok(()) => Ok(Some(Self { file: there, database: self.database.clone() })),
            Err(TryLockError::WouldBlock) => {
                let (ours, found) = (self.file.metadata().map_err(failed)?, there.metadata().map_err(failed)?);
                let is_ours = (ours.dev(), ours.ino()) == (found.dev(), found.ino());
                if is_ours { Ok(None) } else { Err(OpenError::Served { path: self.database.clone() }) }
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// The mode of the database's own files.
const OWN_MODE: u32 = 0o600;

fn beside(database: &Path) -> PathBuf {
    PathBuf::from(format!("{}.lock", database.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("store.db");
        let lock = Lock::take(&database).unwrap();
        assert!(matches!(Lock::take(&database), Err(OpenError::Served { .. })));
        assert!(lock.renew().unwrap().is_none(), "it is still the same");
        drop(lock);
        Lock::take(&database).unwrap();
    }

    #[test]
    fn no_other_user_can_open_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("store.db");
        let mode = || beside(&database).metadata().unwrap().permissions().mode() & 0o777;
        drop(Lock::take(&database).unwrap());
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(beside(&database), Permissions::from_mode(0o644)).unwrap();
        drop(Lock::take(&database).unwrap());
        assert_eq!(mode(), 0o600, "one of an earlier version is closed too");
    }

    #[test]
    fn a_folder_that_was_replaced_is_locked_anew_unless_another_process_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let (place, away) = (folder.path().join("store"), folder.path().join("away"));
        std::fs::create_dir(&place).unwrap();
        let database = place.join("store.db");
        let mut lock = Lock::take(&database).unwrap();
        std::fs::rename(&place, &away).unwrap();
        std::fs::create_dir(&place).unwrap();
        assert!(matches!(lock.renew(), Err(OpenError::Unusable { .. })), "there is no store");
        assert!(!beside(&database).exists(), "and none is made");
        let other = Lock::take(&database).unwrap();
        assert!(matches!(lock.renew(), Err(OpenError::Served { .. })));
        drop(other);
        lock = lock.renew().unwrap().unwrap();
        assert!(matches!(Lock::take(&database), Err(OpenError::Served { .. })));
        assert!(lock.renew().unwrap().is_none());
        Lock::take(&away.join("store.db")).unwrap();
    }
}
