//! How long each source that is expected to send has sent nothing.
//!
//! Measured from the last request that was accepted, over restarts: what was accepted is in the store, and so is the time at
//! which a source was first expected to send that never has.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::{SourceName, Timestamp};

/// The sources that are expected to send.
#[derive(Debug, Default)]
pub struct SourceSilence {
    /// What the store remembers, with the newest receipts.
    remembered: BTreeMap<SourceName, Timestamp>,
    known: BTreeMap<SourceName, Activity>,
}

#[derive(Clone, Copy, Debug)]
struct Activity {
    last: Timestamp,
    accepted: u64,
    /// What the store remembers of it.
    noted: Option<Timestamp>,
}

impl SourceSilence {
    /// `noted`: what was remembered; `received`: when each of the sources of the newest receipts was heard last.
    pub fn new(
        noted: BTreeMap<SourceName, Timestamp>,
        received: impl IntoIterator<Item = (SourceName, Timestamp)>,
    ) -> Self {
        let mut remembered = noted;
        for (source, at) in received {
            let last = remembered.entry(source).or_insert(at);
            *last = (*last).max(at);
        }
        Self { remembered, known: BTreeMap::new() }
    }

    /// How long the source has sent nothing; `accepted`: how many of its requests this process has accepted.
    pub fn look(&mut self, source: &SourceName, accepted: u64, now: Timestamp) -> Duration {
        let remembered = self.remembered.get(source).copied();
        let activity = self.known.entry(source.clone()).or_insert_with(|| {
            // A time ahead of the clock was written before the clock was set back.
            let last = remembered.map_or(now, |at| at.min(now));
            Activity { last, accepted, noted: None }
        });
        if activity.accepted != accepted {
            (activity.accepted, activity.last) = (accepted, now);
        }
        now.since(activity.last)
    }

    /// What the store should remember and does not yet.
    pub fn to_note(&self) -> BTreeMap<SourceName, Timestamp> {
        let is_news = |activity: &Activity| activity.noted.is_none_or(|noted| activity.last.since(noted) >= NOTE_EVERY);
        let news = self.known.iter().filter(|(_, activity)| is_news(activity));
        news.map(|(source, activity)| (source.clone(), activity.last)).collect()
    }

    /// The store remembers this now.
    pub fn noted(&mut self, sources: &BTreeMap<SourceName, Timestamp>) {
        for (source, at) in sources {
            if let Some(activity) = self.known.get_mut(source) {
                activity.noted = Some(*at);
            }
        }
    }

    /// Forgets sources of which nothing is expected any more: should something be expected of one again, it counts from then.
    pub fn keep(&mut self, is_expected: impl Fn(&SourceName) -> bool) {
        self.known.retain(|source, _| is_expected(source));
    }
}

/// How often the store is told of one source at most.
const NOTE_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + minutes * 60_000)
    }

    fn akto() -> SourceName {
        "akto".parse().unwrap()
    }

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    #[test]
    fn silence_is_measured_from_the_last_request_over_restarts() {
        let noted = BTreeMap::from([(akto(), at(-50))]);
        let mut silence = SourceSilence::new(noted, [(akto(), at(-30))]);
        assert_eq!(silence.look(&akto(), 0, at(10)), minutes(40));
        assert_eq!(silence.look(&akto(), 3, at(20)), Duration::ZERO, "it has sent something");
        assert_eq!(silence.look(&akto(), 3, at(25)), minutes(5));
    }

    #[test]
    fn a_source_that_never_sent_counts_from_when_it_was_first_expected_to() {
        let mut first = SourceSilence::default();
        first.look(&akto(), 0, at(0));
        let noted = first.to_note();
        assert_eq!(noted, BTreeMap::from([(akto(), at(0))]));
        first.noted(&noted);
        assert_eq!(first.to_note(), BTreeMap::new(), "it is remembered once");
        let mut second = SourceSilence::new(noted, []);
        assert_eq!(second.look(&akto(), 0, at(100)), minutes(100));
    }

    #[test]
    fn what_is_remembered_is_written_once_a_minute_at_most() {
        let mut silence = SourceSilence::default();
        silence.look(&akto(), 0, at(0));
        let noted = silence.to_note();
        silence.noted(&noted);
        silence.look(&akto(), 1, at(0).plus(Duration::from_secs(59)));
        assert_eq!(silence.to_note(), BTreeMap::new());
        silence.look(&akto(), 2, at(1));
        assert_eq!(silence.to_note(), BTreeMap::from([(akto(), at(1))]));
        silence.keep(|_| false);
        assert_eq!(silence.to_note(), BTreeMap::new());
    }

    #[test]
    fn a_time_ahead_of_the_clock_is_not_waited_for() {
        let mut silence = SourceSilence::new(BTreeMap::from([(akto(), at(500))]), []);
        silence.look(&akto(), 0, at(0));
        assert_eq!(silence.look(&akto(), 0, at(60)), minutes(60));
    }
}
