//! How many requests of each source were refused lately, from the counters that only grow.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::domain::{SourceName, Timestamp};

/// How many requests were refused, by code.
pub type ByCode = Vec<(&'static str, u64)>;

/// Readings of the counters of the last five minutes.
#[derive(Debug, Default)]
pub struct RefusalWindow(BTreeMap<SourceName, VecDeque<(Timestamp, ByCode)>>);

impl RefusalWindow {
    /// Takes a reading, and says how many requests of the source were refused within the window. The first reading is what
    /// later ones are compared with.
    pub fn look(&mut self, source: &SourceName, counters: ByCode, steady: Timestamp) -> ByCode {
        let readings = self.0.entry(source.clone()).or_default();
        if readings.back().is_none_or(|(at, _)| steady.since(*at) >= READ_EVERY) {
            readings.push_back((steady, counters.clone()));
        }
        while readings.get(1).is_some_and(|(at, _)| steady.since(*at) >= WINDOW) {
            readings.pop_front();
        }
        let before = readings.front().map(|(_, before)| before.as_slice()).unwrap_or_default();
        let since = |(code, now): (&'static str, u64)| {
            let before = before.iter().find(|(known, _)| *known == code).map_or(0, |(_, count)| *count);
            (code, now.saturating_sub(before))
        };
        counters.into_iter().map(since).collect()
    }

    /// Forgets sources that are not configured any more.
    pub fn keep(&mut self, is_configured: impl Fn(&SourceName) -> bool) {
        self.0.retain(|source, _| is_configured(source));
    }
}

const WINDOW: Duration = Duration::from_secs(5 * 60);
const READ_EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_refused_lately_counts() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let akto: SourceName = "akto".parse().unwrap();
        let mut window = RefusalWindow::default();
        let mut look = |count, seconds| window.look(&akto, vec![("rate-limited", count)], at(seconds))[0].1;
        assert_eq!(look(7, 0), 0, "what was counted before the first look is not new");
        assert_eq!(look(57, 2), 50);
        assert_eq!(look(60, 290), 53);
        assert_eq!(look(60, 301), 53, "the reading of the beginning is the last one before the window");
        assert_eq!(look(60, 591), 0);
        assert_eq!(look(61, 600), 1);
        window.keep(|_| false);
        assert_eq!(window.look(&akto, vec![("rate-limited", 90)], at(601)), [("rate-limited", 0)]);
    }
}
