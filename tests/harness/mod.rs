//! What the black-box tests share: the real binary in a temporary folder, raw HTTP/1.1, and the vendors' signatures.
//!
//! Nothing here depends on gatepost's internals. A test starts a [`Gateway`], posts to it as a vendor would, and checks
//! the outcome with the operator's commands. Every wait has a deadline; every process is ended when its handle is
//! dropped, also by a panic.

// Each test file is a crate of its own and uses its own part of this.
#![allow(dead_code, unused_imports)]

mod folder;
mod gateway;
mod http;
mod needs;
mod ports;
mod sign;

use std::time::{Duration, Instant};

pub use folder::{Folder, Ran, run};
pub use gateway::Gateway;
pub use http::{Answer, Connection, Post, chunk};
pub use needs::{shared, skip};
pub use ports::free_port;
pub use sign::{hmac_hex, unix_now};

/// The deadline of every wait. Generous, because machines are busy.
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

/// gzip (RFC 1952).
pub fn gzip(body: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}
