//! What the log says of events in quarantine.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::{SourceName, Timestamp};

/// Logs events in quarantine, once a minute and source, and those that come near it, once an hour: a sender of captured
/// requests must not fill the log.
#[derive(Debug, Default)]
pub struct HeldLog {
    held: Mutex<BTreeMap<SourceName, Held>>,
    aging: Mutex<BTreeMap<SourceName, Held>>,
}

#[derive(Debug, Default)]
struct Held {
    last_told: Option<Timestamp>,
    untold: u64,
}

impl HeldLog {
    /// So many went to quarantine.
    pub(super) fn tell(&self, source: &SourceName, count: u64, steady: Timestamp) {
        let mut sources = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(events) = sources.entry(source.clone()).or_default().due(count, steady, HELD_INTERVAL) {
            tracing::warn!(%source, events, "signed events are older than keys are kept; they are in quarantine");
        }
    }

    /// So many come near it.
    pub(super) fn warn(&self, source: &SourceName, count: u64, steady: Timestamp) {
        let mut sources = self.aging.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(events) = sources.entry(source.clone()).or_default().due(count, steady, AGING_INTERVAL) {
            tracing::warn!(
                %source, events,
                "signed events are older than half of the time for which keys are kept; beyond it they go to quarantine, \
                 unless the source has on_old = \"deliver\" or [retention] keys is longer"
            );
        }
    }
}

impl Held {
    /// How many there are to log, if it is time.
    fn due(&mut self, count: u64, steady: Timestamp, interval: Duration) -> Option<u64> {
        self.untold += count;
        if self.last_told.is_some_and(|last| steady.since(last) < interval) {
            return None;
        }
        self.last_told = Some(steady);
        Some(std::mem::take(&mut self.untold))
    }
}

/// How often events in quarantine are logged.
const HELD_INTERVAL: Duration = Duration::from_secs(60);
/// How often events that come near it are logged.
const AGING_INTERVAL: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_told_once_a_minute_and_in_full() {
        let mut held = Held::default();
        let mut due = |count, seconds: i64| held.due(count, Timestamp::from_millis(seconds * 1_000), HELD_INTERVAL);
        assert_eq!(due(2, 100), Some(2));
        assert_eq!((due(5, 101), due(1, 159)), (None, None));
        assert_eq!(due(1, 160), Some(7));
    }
}
