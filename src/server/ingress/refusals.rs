//! Log lines about refusals: the first of a kind at once, the others as a number. Unauthenticated clients can cause any
//! number of refusals, and must not fill the disk or hide other lines with them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What was refused and not told yet, by source and code.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<HashMap<Kind, u64>>);

type Kind = (String, &'static str);

impl Refusals {
    /// Whether this one is told. Of a kind that is told, the others are counted until [`Refusals::take`].
    pub fn note(&self, source: &str, code: &'static str) -> bool {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).entry((source.to_owned(), code)) {
            Entry::Occupied(mut counted) => {
                *counted.get_mut() += 1;
                false
            }
            Entry::Vacant(free) => {
                free.insert(0);
                true
            }
        }
    }

    /// How many there were since one was told; the next is told again.
    pub fn take(&self, source: &str, code: &'static str) -> u64 {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.remove(&(source.to_owned(), code)).unwrap_or(0)
    }
}

/// How long refusals of a kind are only counted after one was told.
pub const QUIET: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_kind_is_told_and_the_others_are_counted() {
        let refusals = Refusals::default();
        assert!(refusals.note("a", "x") && refusals.note("a", "y") && refusals.note("b", "x"));
        assert!(!refusals.note("a", "x") && !refusals.note("a", "x"));
        assert_eq!((refusals.take("a", "x"), refusals.take("a", "y"), refusals.take("a", "x")), (2, 0, 0));
        assert!(refusals.note("a", "x"));
    }
}
