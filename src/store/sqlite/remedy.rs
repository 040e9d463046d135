//! What to do about a store that cannot be opened.

use std::error::Error;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

/// What the operator can do, after the words `cannot be opened;`.
pub fn remedy(path: &Path, source: &(dyn Error + 'static)) -> String {
    let code = source.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    if code == Some(ErrorCode::NotADatabase) {
        return "it is no database; give store.url another name, or put a backup in its place".to_owned();
    }
    let kind = source.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let may_be_denied =
        kind == Some(ErrorKind::PermissionDenied) || matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly));
    match denied(path).filter(|_| may_be_denied) {
        Some(denied) => format!(
            "permission is denied: {}; run the command as that user, or let this one read and write there",
            owned(&denied)
        ),
        None => "check that the folder exists, is writable and has room".to_owned(),
    }
}

/// The file of the store, or the folder that leads to it, which this process may not use.
fn denied(path: &Path) -> Option<PathBuf> {
    // To open and close a file would drop the locks that this process holds on it.
    let is_denied = |place: &Path, access| {
        matches!(accessat(CWD, place, access, AtFlags::EACCESS), Err(Errno::ACCESS | Errno::PERM))
    };
    let beside = |end: &str| PathBuf::from(format!("{}{end}", path.display()));
    for file in [path.to_owned(), beside("-wal"), beside("-shm"), beside(".lock")] {
        if is_denied(&file, Access::READ_OK | Access::WRITE_OK) {
            // A file that cannot even be looked at is in a folder that cannot be entered.
            let nearest = file.ancestors().find(|place| std::fs::metadata(place).is_ok());
            return nearest.map(Path::to_owned).or(Some(file));
        }
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A disk that is mounted to be read only is no matter of permissions.
    is_denied(folder, Access::WRITE_OK).then(|| folder.to_owned())
}

fn owned(path: &Path) -> String {
    match std::fs::metadata(path) {
        Ok(found) => {
            let (owner, mode) = (found.uid(), found.mode() & 0o7777);
            format!("{} belongs to user {owner} (mode {mode:03o})", path.display())
        }
        Err(_) => format!("{} cannot be looked at", path.display()),
    }
}
