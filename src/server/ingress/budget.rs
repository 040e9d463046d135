//! How much memory bodies may take that have not been stored yet.
//!
//! A body is held before anybody knows whether it is authentic. Each has its own limit; this is the limit on all of them
//! together, so that a crowd of strangers cannot take the process's memory. Those who name no source share a small part
//! of their own, and leave the rest to those who do.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number of bytes that is shared.
#[derive(Debug)]
pub struct Budget {
    used: AtomicU64,
    limit: u64,
}

/// What one body has taken of a budget; it is given back when this is dropped.
#[derive(Debug)]
pub struct Share<'b> {
    budget: &'b Budget,
    bytes: u64,
}

impl Budget {
    /// A budget of which nothing is used.
    pub const fn new(limit: u64) -> Self {
        Self { used: AtomicU64::new(0), limit }
    }

    /// An empty share.
    pub fn share(&self) -> Share<'_> {
        Share { budget: self, bytes: 0 }
    }
}

impl Share<'_> {
    /// Takes more; `false`, and nothing taken, when it is not there. A single body always fits, whatever its size.
    pub fn take(&mut self, bytes: u64) -> bool {
        let used = self.budget.used.fetch_add(bytes, Ordering::AcqRel);
        let alone = used == self.bytes;
        if used.saturating_add(bytes) > self.budget.limit && !alone {
            self.budget.used.fetch_sub(bytes, Ordering::AcqRel);
            return false;
        }
        self.bytes += bytes;
        true
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_given_back_and_no_more_is_taken_than_there_is() {
        let budget = Budget::new(100);
        let mut first = budget.share();
        assert!(first.take(150), "alone, anything fits");
        let mut second = budget.share();
        assert!(!second.take(1));
        drop(first);
        assert!(second.take(60));
        let mut third = budget.share();
        assert!(!third.take(41) && third.take(40));
        drop((second, third));
        assert_eq!(budget.used.load(Ordering::Acquire), 0);
    }
}
