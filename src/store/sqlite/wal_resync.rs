//! Makes sure that the WAL, as it is read, is on the disk.
//!
//! When a sync fails, the kernel marks the pages that it could not write as clean: readers see them, and a later sync
//! that succeeds says nothing about them. A process that is started after that would find a commit in the WAL that is
//! on no disk, answer its repetition as a duplicate, and add commits behind it; after a power failure the WAL would end
//! before all of them. So nothing is built on a WAL that another connection has written before its bytes have been
//! written again and synced.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Writes the WAL again as it is read, and syncs it and the names of the files. Must come before anything that writes
/// or checkpoints the WAL.
pub fn resync_wal(connection: &Connection, path: &Path) -> Result<(), Fault> {
    // The holder of the write lock is the only writer of the WAL. This also makes SQLite create the file.
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let rewritten = rewrite(&PathBuf::from(format!("{}-wal", path.display())));
    connection.execute_batch("ROLLBACK")?;
    rewritten?;
    // SQLite does so as well, but ignores a failure.
    sync_folder(path)?;
    Ok(())
}

fn rewrite(log: &Path) -> std::io::Result<()> {
    let log = match File::options().read(true).write(true).open(log) {
        Ok(log) => log,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; PIECE];
    let mut offset = 0;
    loop {
        let length = match log.read_at(&mut bytes, offset) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if length == 0 {
            break;
        }
        log.write_all_at(&bytes[..length], offset)?;
        offset += length as u64;
    }
    if offset > 0 { log.sync_data() } else { Ok(()) }
}

/// A file system that cannot sync a folder does not need it.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(folder)?.sync_all() {
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

/// As much is written at once.
const PIECE: usize = 64 << 10;
