//! The first requests of a kind: an event of another rule or another victim must not wait for the backlog of a flood.
//!
//! Intake asks [`Novelty`] for the urgency of what it accepts. Recent kinds are remembered for each source, in a table
//! of fixed size; the first two requests of a kind that is not in it are read before all others. How many are is
//! bounded by an allowance for each source, class and part of the kind, so that a sender that invents kinds gains
//! nothing, and one that invents victims does not use up the allowance of rules. Nothing of it is stored: after a
//! restart the first requests of every kind are new. It only orders what waits.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::{SourceName, Timestamp, Urgency};
use crate::vendors::{Preview, RequestKind};

/// What each source has sent recently.
#[derive(Debug, Default)]
pub struct Novelty(Mutex<HashMap<SourceName, Lately>>);

impl Novelty {
    /// How urgent a request is, once it is known whether its kind is new. `steady` is monotonic.
    pub fn urgency(&self, source: &SourceName, preview: Preview, steady: Timestamp) -> Urgency {
        let Preview { urgency, kind } = preview;
        if kind == RequestKind::default() {
            return urgency;
        }
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = match sources.get_mut(source) {
            Some(lately) => lately,
            None => sources.entry(source.clone()).or_default(),
        };
        if lately.is_first(urgency, kind, steady) { Urgency::First } else { urgency }
    }
}

/// What a source has sent recently.
#[derive(Debug)]
struct Lately {
    rules: Part,
    victims: Part,
}

impl Default for Lately {
    fn default() -> Self {
        Self { rules: Part::of(RULES_MAX), victims: Part::of(VICTIMS_MAX) }
    }
}

impl Lately {
    /// Both parts are noted, whatever the first says.
    fn is_first(&mut self, urgency: Urgency, kind: RequestKind, now: Timestamp) -> bool {
        let by_rule = self.rules.is_first(urgency, kind.rule, now);
        // What is told apart by its rule needs nothing of what is for victims.
        let by_victim = self.victims.is_first(urgency, kind.victim.filter(|_| !by_rule), now);
        if by_rule && let Some(kind) = kind.victim {
            self.victims.kinds.is_new(kind, now);
        }
        by_rule || by_victim
    }
}

/// The kinds of one part, and how many more may be called new.
#[derive(Debug)]
struct Part {
    kinds: Kinds,
    allowances: [Allowance; 3],
}

impl Part {
    fn of(kinds_max: usize) -> Self {
        Self { kinds: Kinds::of(kinds_max), allowances: Default::default() }
    }

    fn is_first(&mut self, urgency: Urgency, kind: Option<u64>, now: Timestamp) -> bool {
        let [normal, high, critical] = &mut self.allowances;
        let allowance = match urgency {
            Urgency::Normal => normal,
            Urgency::High => high,
            Urgency::Critical => critical,
            // What is low may wait, new or not.
            Urgency::Low | Urgency::First => return false,
        };
        kind.is_some_and(|kind| self.kinds.is_new(kind, now)) && allowance.take(now)
    }
}

/// Recent kinds, in sets of [`WAYS`]: a full set evicts the least recently used.
#[derive(Debug)]
struct Kinds(Vec<Seen>);

/// A kind and when it last came, in seconds; `times` is 0 where there is none.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    kind: u64,
    last_s: u32,
    times: u8,
}

impl Kinds {
    fn of(most: usize) -> Self {
        Self(vec![Seen::default(); most])
    }

    /// Notes that a kind has come, and whether that is one of its first times.
    fn is_new(&mut self, kind: u64, now: Timestamp) -> bool {
        let now_s = u32::try_from(now.as_millis() / 1_000).unwrap_or(0);
        let sets = (self.0.len() / WAYS).max(1) as u64;
        let Some(set) = self.0.chunks_exact_mut(WAYS).nth((kind % sets) as usize) else { return false };
        let known = set.iter().position(|seen| seen.times > 0 && seen.kind == kind);
        let oldest = || set.iter().enumerate().min_by_key(|(_, seen)| (seen.times > 0, seen.last_s)).map(|(at, _)| at);
        let Some(seen) = known.or_else(oldest).and_then(|at| set.get_mut(at)) else { return false };
        let is_lately = known.is_some() && now_s.saturating_sub(seen.last_s) < LATELY_S;
        let before = if is_lately { seen.times } else { 0 };
        *seen = Seen { kind, last_s: now_s, times: before.saturating_add(1) };
        before < FIRST_TIMES
    }
}

/// How many more may be called new: so many at once, and one more in each interval.
#[derive(Clone, Copy, Debug, Default)]
struct Allowance {
    /// When all of it is there again, in milliseconds.
    whole_at_ms: i64,
}

impl Allowance {
    fn take(&mut self, now: Timestamp) -> bool {
        let interval_ms = i64::try_from(NEW_INTERVAL.as_millis()).unwrap_or(i64::MAX);
        let after = self.whole_at_ms.max(now.as_millis()).saturating_add(interval_ms);
        let is_there = after <= now.as_millis().saturating_add(interval_ms.saturating_mul(NEW_AT_ONCE));
        if is_there {
            self.whole_at_ms = after;
        }
        is_there
    }
}

/// How many times a kind is new: what comes first may be refused by the store, and is then sent again.
const FIRST_TIMES: u8 = 2;
/// After so long without it a kind is new again: 15 minutes.
const LATELY_S: u32 = 900;
/// How many kinds by type, rule and outcome are remembered of a source.
const RULES_MAX: usize = 1_024;
/// How many of these with a victim.
const VICTIMS_MAX: usize = 4_096;
/// How many places a kind has in the table.
const WAYS: usize = 4;
/// How many may be new at once: fewer than a batch holds.
const NEW_AT_ONCE: i64 = 32;
/// How soon there may be another one.
const NEW_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
    }

    /// Any number as a hash.
    fn hash(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn preview(urgency: Urgency, rule: u64, victim: u64) -> Preview {
        Preview { urgency, kind: RequestKind { rule: Some(hash(rule)), victim: Some(hash(victim)) } }
    }

    struct Sender(Novelty, SourceName);

    impl Sender {
        fn new() -> Self {
            Self(Novelty::default(), "s".parse().unwrap())
        }

        fn sends(&self, preview: Preview, seconds: i64) -> Urgency {
            self.0.urgency(&self.1, preview, at(seconds))
        }

        fn is_first(&self, rule: u64, victim: u64, seconds: i64) -> bool {
            self.sends(preview(Urgency::High, rule, victim), seconds) == Urgency::First
        }
    }

    #[test]
    fn the_first_two_of_a_rule_and_of_a_victim_go_first() {
        let sender = Sender::new();
        let firsts = |rule, victim| [0; 4].map(|_| sender.is_first(rule, victim, 0));
        assert_eq!(firsts(1, 1), [true, true, false, false]);
        assert_eq!(firsts(2, 2), [true, true, false, false], "another rule");
        assert_eq!(firsts(1, 3), [true, true, false, false], "another victim of the same rule");
        assert_eq!(firsts(1, 1), [false; 4]);
    }

    #[test]
    fn a_kind_that_has_not_come_for_a_quarter_of_an_hour_is_new_again() {
        let sender = Sender::new();
        let firsts = |seconds| [0; 3].map(|_| sender.is_first(1, 1, seconds));
        assert_eq!(firsts(0), [true, true, false]);
        assert_eq!(firsts(899), [false; 3]);
        assert_eq!(firsts(899 + 899), [false; 3], "it is the last time that counts");
        assert_eq!(firsts(899 + 899 + 900), [true, true, false]);
    }

    #[test]
    fn what_is_low_or_of_no_kind_keeps_its_place() {
        let sender = Sender::new();
        assert_eq!(sender.sends(preview(Urgency::Low, 1, 1), 0), Urgency::Low);
        for urgency in [Urgency::Low, Urgency::Normal, Urgency::High, Urgency::Critical] {
            assert_eq!(sender.sends(Preview { urgency, kind: RequestKind::default() }, 0), urgency);
        }
        assert_eq!(sender.sends(preview(Urgency::Normal, 2, 2), 0), Urgency::First);
        assert_eq!(sender.sends(preview(Urgency::Critical, 3, 3), 0), Urgency::First);
    }

    #[test]
    fn a_million_kinds_use_up_the_allowance_and_no_more_than_the_tables() {
        let sender = Sender::new();
        let firsts = (0..1_000_000).filter(|n| sender.is_first(*n, *n, 0)).count();
        assert_eq!(firsts, 64, "the allowance of each part");
        assert_eq!(
            (0..100).filter(|n| sender.is_first(2_000_000 + n, 2_000_000 + n, 1)).count(),
            2,
            "one more a second"
        );
        let sources = sender.0.0.lock().unwrap();
        let lately = sources.values().next().unwrap();
        assert_eq!((sources.len(), lately.rules.kinds.0.len(), lately.victims.kinds.0.len()), (1, 1_024, 4_096));
    }

    #[test]
    fn minted_victims_do_not_use_up_what_is_for_rules_nor_one_class_that_of_another() {
        let sender = Sender::new();
        assert_eq!((0..10_000).filter(|n| sender.is_first(1, *n, 0)).count(), 34, "two by the rule");
        assert!(!sender.is_first(1, 20_000, 0), "what is for victims is used up");
        assert!(sender.is_first(2, 2, 0), "another rule");
        assert!((2..10_000).filter(|n| sender.is_first(*n, *n, 0)).count() < 64);
        assert!(!sender.is_first(20_000, 20_000, 0));
        assert_eq!(sender.sends(preview(Urgency::Critical, 20_001, 20_001), 0), Urgency::First);
        let other = "other".parse().unwrap();
        assert_eq!(sender.0.urgency(&other, preview(Urgency::High, 1, 1), at(0)), Urgency::First);
    }

    #[test]
    fn a_flood_of_one_kind_is_remembered_among_others_that_come_and_go() {
        let sender = Sender::new();
        assert!([0, 0, 0].map(|_| sender.is_first(1, 1, 0)).contains(&false));
        for n in 2..100_000 {
            sender.is_first(n, n, n as i64 / 100);
            // It has come in the meantime and is not the one evicted.
            assert!(n % 50 != 0 || !sender.is_first(1, 1, n as i64 / 100), "{n}");
        }
    }
}
