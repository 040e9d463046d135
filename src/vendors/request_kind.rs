//! What a request is about, by the vendor's own words at the beginning of its body: see
//! [`Source::preview`](super::Source::preview).
//!
//! Intake compares kinds to find the first request of a kind that has not come recently. A kind is a pair of hashes: it
//! is small, and reveals nothing of the body. It decides nothing about an event, and two requests of one kind need not
//! belong to one incident.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::domain::Urgency;

/// What a request is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestKind {
    /// Type, rule and outcome; `None` where the beginning of the body names none of them.
    pub rule: Option<u64>,
    /// The same with the victim; `None` where no victim is named, and for a list, whose victims are many.
    pub victim: Option<u64>,
}

/// The words that make a kind, as they are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindWords {
    rule: WordSet,
    victim: WordSet,
}

impl KindWords {
    /// Notes a word for type, rule or outcome. `place` tells equal words in different places apart.
    pub fn note_rule(&mut self, place: &str, word: &str) {
        self.rule.add(place, [word.as_bytes()]);
    }

    /// Notes a text that stands for a missing rule. Digits make no difference: they count and date what happens.
    pub fn note_text(&mut self, place: &str, text: &str) {
        let text = text.as_bytes();
        let beginning = text.get(..WORD_BYTES_MAX).unwrap_or(text);
        self.rule.add(place, beginning.split(u8::is_ascii_digit));
    }

    /// Notes a word for the victim.
    pub fn note_victim(&mut self, place: &str, word: &str) {
        self.victim.add(place, [word.as_bytes()]);
    }

    /// Whether a word for type, rule or outcome has been noted.
    pub fn has_rule(&self) -> bool {
        self.rule.count > 0
    }

    /// The kind of a request of that class. The same words at another severity are another kind.
    pub fn kind(&self, class: Urgency, is_list: bool) -> RequestKind {
        let whole = (!is_list && self.victim.count > 0).then(|| mix(class, &[self.rule, self.victim]));
        RequestKind { rule: self.has_rule().then(|| mix(class, &[self.rule])), victim: whole }
    }
}

/// Distinct words without an order: vendors may write their fields in any, and a list may repeat them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct WordSet {
    hashes: [u64; WORDS_MAX],
    count: usize,
}

impl WordSet {
    /// Adds a word that comes in pieces.
    fn add<'w>(&mut self, place: &str, word: impl IntoIterator<Item = &'w [u8]>) {
        let (known, free) = self.hashes.split_at_mut(self.count);
        let Some(free) = free.first_mut() else { return };
        let mut hasher = DefaultHasher::new();
        hasher.write(place.as_bytes());
        hasher.write_u8(0);
        for piece in word {
            hasher.write(piece.get(..WORD_BYTES_MAX).unwrap_or(piece));
        }
        let hash = hasher.finish();
        if !known.contains(&hash) {
            *free = hash;
            self.count += 1;
        }
    }

    fn sum(&self) -> u64 {
        self.hashes.iter().take(self.count).fold(0, |sum, hash| sum.wrapping_add(*hash))
    }
}

fn mix(class: Urgency, sets: &[WordSet]) -> u64 {
    let mut hasher = DefaultHasher::new();
    class.hash(&mut hasher);
    sets.iter().for_each(|set| hasher.write_u64(set.sum()));
    hasher.finish()
}

/// More distinct words than these make no difference.
const WORDS_MAX: usize = 8;
/// Nor does what stands behind so many bytes of a word.
const WORD_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::Urgency::{Critical, High};
    use super::*;

    fn kind(class: Urgency, rules: &[(&str, &str)], victims: &[&str]) -> RequestKind {
        let mut words = KindWords::default();
        rules.iter().for_each(|(place, word)| words.note_rule(place, word));
        victims.iter().for_each(|word| words.note_victim("host", word));
        words.kind(class, false)
    }

    #[test]
    fn a_kind_is_made_of_distinct_words_in_any_order() {
        let one = kind(High, &[("type", "a"), ("rule", "b")], &["h"]);
        assert_eq!(one, kind(High, &[("rule", "b"), ("type", "a"), ("rule", "b")], &["h", "h"]));
        let others = [
            kind(Critical, &[("type", "a"), ("rule", "b")], &["h"]),
            kind(High, &[("type", "b"), ("rule", "a")], &["h"]),
            kind(High, &[("type", "a"), ("rule", "c")], &["h"]),
            kind(High, &[("type", "a")], &["h"]),
        ];
        for other in others {
            assert!(other.rule != one.rule && other.victim != one.victim, "{other:?}");
        }
        let elsewhere = kind(High, &[("type", "a"), ("rule", "b")], &["i"]);
        assert!(elsewhere.rule == one.rule && elsewhere.victim != one.victim);
    }

    #[test]
    fn without_words_there_is_no_kind() {
        assert_eq!(kind(High, &[], &[]), RequestKind::default());
        assert_eq!(kind(High, &[("type", "a")], &[]).victim, None);
        assert!(kind(High, &[], &["h"]).victim.is_some_and(|_| kind(High, &[], &["h"]).rule.is_none()));
        let mut list = KindWords::default();
        list.note_rule("rule", "a");
        list.note_victim("host", "h");
        assert!(list.kind(High, true).rule.is_some());
        assert_eq!(list.kind(High, true).victim, None);
    }

    #[test]
    fn a_text_that_counts_is_one_kind() {
        let text = |text: &str| {
            let mut words = KindWords::default();
            words.note_text("title", text);
            words.kind(High, false).rule
        };
        assert_eq!(text("12 failures at 09:30"), text("7 failures at 10:01"));
        assert_ne!(text("failures"), text("successes"));
    }

    #[test]
    fn words_without_number_or_end_are_bounded() {
        let mut words = KindWords::default();
        (0..1_000).for_each(|n| words.note_rule("rule", &n.to_string()));
        assert_eq!(words.rule.count, WORDS_MAX);
        let long = "x".repeat(WORD_BYTES_MAX);
        assert_eq!(kind(High, &[("rule", &long)], &[]), kind(High, &[("rule", &format!("{long}y"))], &[]));
    }
}
