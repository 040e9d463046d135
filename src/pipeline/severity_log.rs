//! Logs severity words that are not known: once a day for each source and word.
//!
//! An attacker that can write an alert can write new words, so only a limited number of words of a source are
//! remembered and logged within a day; the metric counts them all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::{Event, SourceName, Timestamp};

/// The words that were logged recently.
#[derive(Debug, Default)]
pub struct SeverityLog(Mutex<BTreeMap<SourceName, Day>>);

/// A source's words of one day.
#[derive(Debug, Default)]
struct Day {
    began: Option<Timestamp>,
    words: BTreeSet<String>,
}

/// Whether a word is to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// It was logged today, or there were too many.
    No,
    /// It is new today.
    Yes,
    /// It is new, and the last one of today.
    Last,
}

impl SeverityLog {
    /// Logs the word of an event if it has one that is due; `steady` is the present on the monotonic clock.
    pub fn tell(&self, event: &Event, steady: Timestamp) {
        let Some(word) = event.severity_word() else { return };
        let source = &event.source;
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = sources.entry(source.clone()).or_default().due(word, steady);
        drop(sources);
        if due == Due::No {
            return;
        }
        tracing::warn!(
            %source, word, severity = event.severity.as_str(), receipt = %event.receipt,
            "a severity word is not known, so the event has a default severity; `gatepost explain` says what to set"
        );
        if due == Due::Last {
            tracing::warn!(%source, words = WORDS_MAX, "further unknown severity words are not logged within a day");
        }
    }
}

impl Day {
    fn due(&mut self, word: &str, steady: Timestamp) -> Due {
        if self.began.is_none_or(|began| steady.since(began) >= DAY) {
            *self = Self { began: Some(steady), words: BTreeSet::new() };
        }
        if self.words.len() >= WORDS_MAX || !self.words.insert(word.to_owned()) {
            return Due::No;
        }
        if self.words.len() == WORDS_MAX { Due::Last } else { Due::Yes }
    }
}

/// How long a word is not logged again.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How many words of a source are logged, and remembered, within a day. Events hold them to 64 characters.
const WORDS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_logged_once_a_day_and_minted_words_end() {
        let (mut day, at) = (Day::default(), |hours: i64| Timestamp::from_millis(hours * 3_600_000));
        assert_eq!(
            [day.due("purple", at(1)), day.due("purple", at(2)), day.due("pink", at(3))],
            [Due::Yes, Due::No, Due::Yes]
        );
        assert_eq!((day.due("purple", at(24)), day.due("purple", at(25))), (Due::No, Due::Yes));
        let minted: Vec<Due> = (0..1000).map(|n| day.due(&format!("w{n}"), at(26))).collect();
        let count = |due| minted.iter().filter(|found| **found == due).count();
        assert_eq!((count(Due::Yes), count(Due::Last)), (WORDS_MAX - 2, 1));
        assert_eq!(day.words.len(), WORDS_MAX);
        assert_eq!(day.due("w1", at(60)), Due::Yes);
    }
}
