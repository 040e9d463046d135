//! Counts the events that are read of a batch.

use crate::domain::SourceName;
use crate::telemetry::{BySource, Metrics};

/// How many events were read of one source after the other. The metric is looked up by its labels once for all events in a
/// row that have the same; what is not counted yet is counted when this is dropped.
pub(super) struct ReadEvents<'m> {
    metrics: &'m Metrics,
    last: Option<(SourceName, u64)>,
}

impl<'m> ReadEvents<'m> {
    pub(super) fn of(metrics: &'m Metrics) -> Self {
        Self { metrics, last: None }
    }

    /// So many more of that source.
    pub(super) fn add(&mut self, source: &SourceName, events: usize) {
        match &mut self.last {
            Some((last, count)) if last == source => *count += events as u64,
            _ => {
                self.count();
                self.last = Some((source.clone(), events as u64));
            }
        }
    }

    fn count(&mut self) {
        if let Some((source, count)) = self.last.take() {
            self.metrics.events_read.get_or_create(&BySource { source: source.to_string() }).inc_by(count);
        }
    }
}

impl Drop for ReadEvents<'_> {
    fn drop(&mut self) {
        self.count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_counted_for_its_source() {
        let metrics = Metrics::default();
        let [a, b]: [SourceName; 2] = ["a", "b"].map(|name| name.parse().unwrap());
        let mut counts = ReadEvents::of(&metrics);
        [(&a, 2), (&a, 1), (&b, 5), (&a, 4)].iter().for_each(|(source, events)| counts.add(source, *events));
        drop(counts);
        let of = |name: &str| metrics.events_read.get_or_create(&BySource { source: name.to_owned() }).get();
        assert_eq!((of("a"), of("b")), (7, 5));
    }
}
