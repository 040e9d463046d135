//! Requirements of some tests that not every machine meets. A test that cannot run says so; how many that were, and why,
//! is the last line of its test binary, which `tests/runner` writes. With `GATEPOST_REQUIRE` it fails instead.
//!
//! | need | what |
//! |---|---|
//! | `strace` | the program, and the right to trace |
//! | `faketime` | its library |
//! | `mount` | the right to mount a file system, and `mkfs.ext4` |
//! | `promtool` | the program, of Debian's package `prometheus` |
//! | `shared` | the folder of contracts and samples beside the project, or where `GATEPOST_SHARED` says |

// Each crate that has this module uses its own part of it.
#![allow(dead_code)]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Notes that the test that calls this, or a part of it, cannot run here.
pub fn skip(need: &str, why: &str) {
    let required = std::env::var("GATEPOST_REQUIRE").unwrap_or_default();
    assert!(!is_required(&required, need), "{why}; GATEPOST_REQUIRE={required} does not allow to skip what needs it");
    println!("skipped: {why}");
    let Some(list) = std::env::var_os("GATEPOST_SKIPPED") else { return };
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("unnamed");
    // One write of one line: tests run at the same time.
    let line = format!("{test}\t{why}\n");
    File::options().create(true).append(true).open(list).unwrap().write_all(line.as_bytes()).unwrap();
}

/// A path in the folder `shared`; `None` if it is not there and need not be.
pub fn shared(path: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("GATEPOST_SHARED").map_or_else(beside, PathBuf::from);
    if !folder.is_dir() {
        skip("shared", "no folder 'shared' beside the project");
        return None;
    }
    let found = folder.join(path);
    assert!(found.exists(), "{} not found", found.display());
    Some(found)
}

/// `required` lists needs with commas between them.
pub fn is_required(required: &str, need: &str) -> bool {
    required.split(',').any(|word| word.trim() == need)
}
