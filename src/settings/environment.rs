//! What settings may refer to outside the file. An argument, so that tests bring their own.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::domain::{Clock, SystemClock, Timestamp};

type Lookup = dyn Fn(&str) -> Option<String>;
type ReadFile = dyn Fn(&Path) -> std::io::Result<Vec<u8>>;

/// Environment variables, secret files, and what the file system says of paths.
pub struct Environment {
    /// The value of an environment variable.
    pub variable: Box<Lookup>,
    /// The content of a file.
    pub read_file: Box<ReadFile>,
    /// What the file system says of paths.
    pub paths: PathFacts,
    /// The present moment.
    pub now: Timestamp,
    /// The folder that relative paths in the file start from.
    pub base: PathBuf,
}

impl Environment {
    /// The process's own environment and files; relative paths start at `base`.
    #[allow(clippy::disallowed_methods, reason = "this is where the environment is read")]
    pub fn of_process(base: PathBuf) -> Self {
        Self {
            variable: Box::new(|name| std::env::var(name).ok()),
            read_file: Box::new(|path| std::fs::read(path)),
            paths: PathFacts { is_exposed, is_same_file, absent_folder },
            now: SystemClock.now(),
            base,
        }
    }
}

/// What the file system says of paths. The default knows no file system.
#[derive(Clone, Copy, Debug)]
pub struct PathFacts {
    /// Whether users who are neither the owner nor in the group can read the file or write to it.
    pub is_exposed: fn(&Path) -> bool,
    /// Whether both lead to one file, which need not exist yet.
    pub is_same_file: fn(&Path, &Path) -> bool,
    /// The folder of the file, where it does not exist.
    pub absent_folder: fn(&Path) -> Option<PathBuf>,
}

impl Default for PathFacts {
    fn default() -> Self {
        Self { is_exposed: |_| false, is_same_file: |one, other| one == other, absent_folder: |_| None }
    }
}

/// By the mode bits of the file, and of the folders that lead to it: a folder that others cannot enter hides its files.
fn is_exposed(path: &Path) -> bool {
    let mode = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.mode());
    let real = target(path);
    let can_be_reached = real.ancestors().skip(1).all(|folder| mode(folder) & ENTER_BY_OTHERS != 0);
    mode(&real) & (READ_BY_OTHERS | WRITE_BY_OTHERS) != 0 && can_be_reached
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    target(one) == target(other) || identity(one).is_some_and(|id| identity(other) == Some(id))
}

/// What cannot be looked at for lack of permission may exist.
fn absent_folder(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    (folder.try_exists().ok() == Some(false)).then(|| folder.to_owned())
}

/// The path with every symbolic link followed, also where the file at its end does not exist yet.
fn target(path: &Path) -> PathBuf {
    let mut path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for _ in 0..LINKS_MAX {
        let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
        if let Some((folder, name)) = folder.zip(path.file_name()) {
            path = folder.join(name);
        }
        match std::fs::read_link(&path) {
            Ok(next) => path = path.parent().unwrap_or(Path::new("/")).join(next),
            Err(_) => break,
        }
    }
    path
}

const READ_BY_OTHERS: u32 = 0o004;
const WRITE_BY_OTHERS: u32 = 0o002;
const ENTER_BY_OTHERS: u32 = 0o001;
/// As many as Linux follows.
const LINKS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn others_read_a_file_only_if_they_can_enter_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        set_mode(folder.path(), 0o755);
        let file = folder.path().join("secret");
        std::fs::write(&file, "x").unwrap();
        let link = folder.path().join("link");
        symlink("secret", &link).unwrap();
        for (mode, exposed) in [(0o600, false), (0o640, false), (0o660, false), (0o644, true), (0o602, true)] {
            set_mode(&file, mode);
            assert_eq!((is_exposed(&file), is_exposed(&link)), (exposed, exposed), "{mode:o}");
        }
        set_mode(folder.path(), 0o750);
        assert!(!is_exposed(&file));
        assert!(!is_exposed(&folder.path().join("absent")));
    }

    #[test]
    fn one_file_has_many_paths() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        symlink("store.db", path("link")).unwrap();
        symlink(".", path("here")).unwrap();
        for exists in [false, true] {
            for same in ["store.db", "./store.db", "link", "here/store.db", "here/link", "here/../store.db"] {
                // `here/..` is the parent of the folder that `here` leads to.
                let expected = same != "here/../store.db";
                assert_eq!(is_same_file(&path(same), &path("store.db")), expected, "{same}, exists: {exists}");
            }
            assert!(!is_same_file(&path("store.db.ndjson"), &path("store.db")));
            std::fs::write(path("store.db"), "x").unwrap();
        }
        std::fs::hard_link(path("store.db"), path("hard")).unwrap();
        assert!(is_same_file(&path("hard"), &path("store.db")));
        symlink("loop", path("loop")).unwrap();
        assert!(!is_same_file(&path("loop"), &path("store.db")));
    }
}
