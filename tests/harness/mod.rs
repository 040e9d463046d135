//! What the black-box tests share: the real binary in a temporary folder, raw HTTP/1.1, and the vendors' signatures.
//!
//! Nothing here knows the inside of gatepost. A test starts a [`Gateway`], posts to it as a vendor would, and looks at
//! what came of it through the commands that operators have. Every wait has a deadline; every process is ended when its
//! handle is dropped, also by a panic.

// Each test file is a crate of its own and uses its own part of this.
#![allow(dead_code, unused_imports)]

mod folder;
mod gateway;
mod http;
mod ports;
mod sign;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use folder::{Folder, Ran, run};
pub use gateway::Gateway;
pub use http::{Answer, Connection, Post, chunk};
pub use sign::{hmac_hex, unix_now};

/// How long anything may take before the test says that it does not happen. Generous, because machines are busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Looks until there is something to see. The pause is short beside what is waited for.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited {} s in vain: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A folder of the material that is collected beside the project, such as vendors' bodies. `None` where it is absent
/// and need not be there.
pub fn shared(folder: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let path = std::env::var_os("GATEPOST_SHARED").map_or(beside, PathBuf::from).join(folder);
    if path.is_dir() {
        return Some(path);
    }
    let required = std::env::var_os("GATEPOST_REQUIRE_SHARED").is_some_and(|value| value == "1");
    assert!(!required, "{} not found", path.display());
    println!("skipped: {} not found", path.display());
    None
}

/// gzip (RFC 1952).
pub fn gzip(body: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}
