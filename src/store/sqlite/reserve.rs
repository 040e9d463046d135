//! Disk space that is allocated in advance for when the disk is full.
//!
//! The WAL can be checkpointed only into a database that can grow, and the outcome of a delivery be recorded only in a
//! WAL that can. On a completely full disk neither can: the store alone could fill the disk and never recover, and
//! deliveries would stop with intake. So a file beside the database takes space, which is released when the disk is
//! full, and taken again once there is enough. The space is allocated and not written, which takes no time.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// The space that is reserved.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
    /// Its size while it is held.
    held: Option<u64>,
    given_up: Option<GivenUp>,
}

/// What is known since the reserve was released.
#[derive(Clone, Copy, Debug)]
struct GivenUp {
    /// Its size.
    size: u64,
    /// The least free space that was seen on the disk since.
    left: u64,
}

impl Reserve {
    /// The one beside a database, if an earlier process has left it.
    pub fn beside(database: &Path) -> Self {
        let path = Self::path(database);
        let held = std::fs::metadata(&path).ok().filter(|found| SIZES.contains(&found.len()) && is_whole(found));
        Self { path, held: held.map(|found| found.len()), given_up: None }
    }

    /// Where the file is.
    pub fn path(database: &Path) -> PathBuf {
        PathBuf::from(format!("{}.reserve", database.display()))
    }

    /// Its size while it is held.
    pub fn held(&self) -> Option<u64> {
        self.held
    }

    /// How much space must be free elsewhere to go without it.
    pub fn needed(&self) -> u64 {
        self.given_up.map_or(SIZE_LEAST, |then| then.size)
    }

    /// Makes it if twice as much space is free: one half is for other processes that write. Whether it is held now.
    pub fn make(&mut self) -> bool {
        if self.held.is_some() {
            return true;
        }
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Where free space cannot be measured, the attempt shows it.
        let free = statvfs(folder).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        let Some(size) = fitting(free, self.given_up) else {
            self.seen(free);
            return false;
        };
        match allocate(&self.path, size) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                self.seen(free.min(size));
                return false;
            }
            // Serving without a reserve is better than never accepting again.
            Err(error) => tracing::warn!(%error, "no room can be kept for a full disk on this file system"),
        }
        self.held = Some(size);
        self.given_up = None;
        true
    }

    /// Releases its space. Whether there was any.
    pub fn give_up(&mut self) -> bool {
        let Some(size) = self.held.take() else { return false };
        self.given_up = Some(GivenUp { size, left: u64::MAX });
        match std::fs::remove_file(&self.path) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => {
                tracing::warn!(%error, "the reserve beside the database cannot be removed");
                false
            }
        }
    }

    fn seen(&mut self, free: u64) {
        if let Some(then) = &mut self.given_up {
            then.left = then.left.min(free);
        }
    }
}

/// The largest size that takes at most half of what is free. A reserve that was released is made again at its full
/// size, or from space that has become free since: the rest is still needed.
fn fitting(free: u64, given_up: Option<GivenUp>) -> Option<u64> {
    let may = |size: u64| given_up.is_none_or(|then| size >= then.size || free >= then.left.saturating_add(size));
    SIZES.into_iter().find(|size| free / 2 >= *size && may(*size))
}

fn allocate(path: &Path, size: u64) -> std::io::Result<()> {
    let allocated = File::options().create(true).truncate(true).write(true).mode(0o600).open(path).and_then(|file| {
        rustix::io::retry_on_intr(|| fallocate(&file, FallocateFlags::empty(), 0, size))?;
        if is_whole(&file.metadata()?) { Ok(()) } else { Err(ErrorKind::Unsupported.into()) }
    });
    if allocated.is_err() {
        // It may not even have been created.
        drop(std::fs::remove_file(path));
    }
    allocated
}

/// Whether all blocks of a file are allocated: a copy, or a file system that ignores the allocation, may leave it
/// sparse.
fn is_whole(metadata: &std::fs::Metadata) -> bool {
    metadata.blocks() * 512 >= metadata.len()
}

/// The sizes that it may have, the best first.
const SIZES: [u64; 5] = [16 << 20, 8 << 20, 4 << 20, 2 << 20, SIZE_LEAST];
const SIZE_LEAST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn it_takes_at_most_half_of_what_is_free() {
        let first = |free| fitting(free, None).map(|size| size / MIB);
        assert_eq!(first(u64::MAX), Some(16));
        assert_eq!(first(32 * MIB), Some(16));
        assert_eq!(first(32 * MIB - 1), Some(8));
        assert_eq!(first(7 * MIB), Some(2));
        assert_eq!(first(2 * MIB), Some(1));
        assert_eq!(first(2 * MIB - 1), None);
    }

    #[test]
    fn it_is_made_again_whole_or_from_space_freed_since() {
        let again = |free, left| fitting(free, Some(GivenUp { size: 8 * MIB, left })).map(|size| size / MIB);
        assert_eq!(again(8 * MIB, 8 * MIB), None, "that is what it was given up for");
        assert_eq!(again(8 * MIB, 7 * MIB), Some(1), "a little room was made");
        assert_eq!(again(12 * MIB, 8 * MIB), Some(4), "or more");
        assert_eq!(again(16 * MIB, 16 * MIB), Some(8), "there is plenty, only not for one large body");
        assert_eq!(again(100 * MIB, MIB), Some(16));
        assert_eq!(again(16 * MIB - 1, u64::MAX), None, "what is left was not looked at yet");
    }

    #[test]
    fn the_file_takes_space_and_releases_it_and_is_found_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("store.db");
        let path = Reserve::path(&database);
        let mut reserve = Reserve::beside(&database);
        assert_eq!(reserve.held(), None);
        assert!(reserve.make());
        let size = std::fs::metadata(&path).map(|file| file.len()).ok();
        assert!(size.is_some_and(|size| SIZES.contains(&size)), "{size:?}");
        assert_eq!(Reserve::beside(&database).held(), size);
        assert!(reserve.give_up() && !path.exists() && reserve.held().is_none());
        assert!(!reserve.give_up(), "there is no more");
        assert_eq!(Some(reserve.needed()), size);
        assert!(reserve.make() && path.exists());
    }

    #[test]
    fn a_hollow_file_is_no_reserve() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("store.db");
        let path = Reserve::path(&database);
        File::create(&path).unwrap().set_len(MIB).unwrap();
        let mut reserve = Reserve::beside(&database);
        assert_eq!(reserve.held(), None);
        assert!(reserve.make());
        assert!(is_whole(&std::fs::metadata(&path).unwrap()));
    }
}
