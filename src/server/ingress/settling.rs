//! How long a commit may take before the sender is asked to retry.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The long bodies that are being committed. They go to the disk one after the other, piece by piece, each with a commit
/// of its own: see `store::sqlite::bodies`.
#[derive(Debug, Default)]
pub struct Settling(AtomicU64);

/// A body that is being committed; until this is dropped.
#[derive(Debug)]
pub struct Entry<'s> {
    settling: &'s Settling,
    /// Its own bytes, where it is a long one.
    own: u64,
    /// All that goes to the disk before its answer can come.
    until_done: u64,
}

impl Settling {
    /// A body of so many bytes is handed to the store.
    pub fn enter(&self, bytes: u64) -> Entry<'_> {
        let own = if bytes > LONG_BYTES { bytes } else { 0 };
        let until_done = if own == 0 { 0 } else { self.0.fetch_add(own, Ordering::AcqRel) + own };
        Entry { settling: self, own, until_done }
    }
}

impl Entry<'_> {
    /// How long its commit may take. A client that has disconnected by then gets no answer; the body is stored all the
    /// same, and when it is sent again it is a duplicate.
    pub fn limit(&self) -> Duration {
        SETTLE_LIMIT + Duration::from_millis(self.until_done * 1_000 / BYTES_PER_SECOND_LEAST)
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.settling.0.fetch_sub(self.own, Ordering::AcqRel);
    }
}

/// How long the commit of a body may take that is not long: vendors wait five seconds or more.
pub const SETTLE_LIMIT: Duration = Duration::from_secs(4);
/// Longer ones come in pieces.
const LONG_BYTES: u64 = 1 << 20;
/// A disk that takes less is too slow.
const BYTES_PER_SECOND_LEAST: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_follows_the_size_of_what_goes_before() {
        let settling = Settling::default();
        let seconds = |entry: &Entry<'_>| entry.limit().as_secs();
        let first = settling.enter(64 << 20);
        let second = settling.enter(32 << 20);
        let short = settling.enter(1 << 20);
        assert_eq!([&first, &second, &short].map(seconds), [20, 28, 4]);
        drop((first, second, short));
        assert_eq!(seconds(&settling.enter(8 << 20)), 6);
    }
}
