//! How long the queues are and how old their oldest entry is: measured by the retention, shown as metrics and in `/readyz`.
//! The figures are as old as the last measurement.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::{DeliveryState, DestinationName, SourceName, Timestamp};
use crate::store::{Backlog, Depth};
use crate::telemetry::Metrics;

/// The queue of one destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Deliveries that are neither delivered nor dead.
    pub waiting: u64,
    /// Dead letters.
    pub dead: u64,
    /// How long ago the first of those that wait was planned; zero where none waits.
    pub oldest_waiting: Duration,
}

/// The queues as they were last measured; none before the first measurement.
#[derive(Clone, Debug, Default)]
pub struct QueueBoard(Arc<Mutex<BTreeMap<DestinationName, Queue>>>);

impl QueueBoard {
    /// The queues that were not empty, and those of configured destinations.
    pub fn read(&self) -> BTreeMap<DestinationName, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Shows measurements. Whatever has been shown once is shown again, as nothing where there is nothing left: the last
/// figure would be shown for ever.
#[derive(Debug, Default)]
pub struct QueueGauges {
    board: QueueBoard,
    destinations: BTreeSet<DestinationName>,
    sources: BTreeSet<SourceName>,
}

impl QueueGauges {
    /// Gauges whose measurements are also put on this board.
    pub fn new(board: QueueBoard) -> Self {
        Self { board, destinations: BTreeSet::new(), sources: BTreeSet::new() }
    }

    /// Shows the queues of these destinations and of all that have one.
    pub fn show_deliveries(
        &mut self,
        depths: &[Depth],
        configured: Vec<DestinationName>,
        now: Timestamp,
        metrics: &Metrics,
    ) {
        self.destinations.extend(configured.iter().chain(depths.iter().map(|depth| &depth.destination)).cloned());
        let mut counts: BTreeMap<(&DestinationName, &str), u64> = BTreeMap::new();
        let mut queues: BTreeMap<DestinationName, Queue> =
            configured.into_iter().map(|name| (name, Queue::default())).collect();
        for depth in depths {
            counts.insert((&depth.destination, depth.state.as_str()), depth.count);
            let queue = queues.entry(depth.destination.clone()).or_default();
            if depth.state == DeliveryState::Dead {
                queue.dead = depth.count;
            } else {
                queue.waiting += depth.count;
                queue.oldest_waiting = queue.oldest_waiting.max(now.since(depth.oldest));
            }
        }
        for destination in &self.destinations {
            for state in [DeliveryState::Waiting, DeliveryState::Leased, DeliveryState::Dead] {
                let count = counts.get(&(destination, state.as_str())).copied().unwrap_or_default();
                metrics.show_depth(destination.as_str(), state, count);
            }
            let oldest = queues.get(destination).map_or(Duration::ZERO, |queue| queue.oldest_waiting);
            metrics.show_untold_age(destination.as_str(), oldest);
        }
        *self.board.0.lock().unwrap_or_else(PoisonError::into_inner) = queues;
    }

    /// Shows how far the configured sinks are behind.
    pub fn show_sinks(&self, depths: &[Depth], sinks: Vec<DestinationName>, now: Timestamp, metrics: &Metrics) {
        for sink in sinks {
            let open = depths.iter().filter(|depth| depth.destination == sink && depth.state != DeliveryState::Dead);
            let (events, age) = open.fold((0, Duration::ZERO), |(events, age), depth| {
                (events + depth.count, age.max(now.since(depth.oldest)))
            });
            metrics.show_sink_lag(sink.as_str(), events, age);
        }
    }

    /// Shows what waits of each source to be read for the first time.
    pub fn show_backlogs(&mut self, backlogs: &BTreeMap<SourceName, Backlog>, metrics: &Metrics) {
        self.sources.extend(backlogs.keys().cloned());
        for source in &self.sources {
            let Backlog { receipts, bytes } = backlogs.get(source).copied().unwrap_or_default();
            metrics.show_backlog(source.as_str(), receipts, bytes);
        }
    }

    /// Shows the age of the oldest unread receipt of each source.
    pub fn show_unread(&mut self, oldest: &BTreeMap<SourceName, Timestamp>, now: Timestamp, metrics: &Metrics) {
        self.sources.extend(oldest.keys().cloned());
        for source in &self.sources {
            let age = oldest.get(source).map_or(Duration::ZERO, |received_at| now.since(*received_at));
            metrics.show_unread_age(source.as_str(), age);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn depth(name: &str, state: DeliveryState, count: u64, oldest: i64) -> Depth {
        Depth { destination: name.parse().unwrap(), state, count, oldest: at(oldest) }
    }

    fn shows(metrics: &Metrics, line: &str) {
        let text = metrics.render();
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }

    #[test]
    fn the_oldest_that_waits_counts_and_is_forgotten_once_it_is_told() {
        let (metrics, board) = (Metrics::new(), QueueBoard::default());
        let mut gauges = QueueGauges::new(board.clone());
        let depths = [
            depth("soc", DeliveryState::Waiting, 3, 90),
            depth("soc", DeliveryState::Leased, 1, 70),
            depth("gone", DeliveryState::Waiting, 2, 40),
            depth("gone", DeliveryState::Dead, 5, 1),
        ];
        let configured = || vec!["soc".parse().unwrap(), "idle".parse().unwrap()];
        gauges.show_deliveries(&depths, configured(), at(100), &metrics);
        shows(&metrics, "gatepost_oldest_untold_age_seconds{destination=\"soc\"} 30");
        shows(&metrics, "gatepost_oldest_untold_age_seconds{destination=\"gone\"} 60");
        shows(&metrics, "gatepost_oldest_untold_age_seconds{destination=\"idle\"} 0");
        shows(&metrics, "gatepost_queue_deliveries{destination=\"gone\",state=\"dead\"} 5");
        let queues = board.read();
        let of = |name: &str| queues[&name.parse::<DestinationName>().unwrap()];
        assert_eq!((of("soc").waiting, of("gone").dead, of("idle")), (4, 5, Queue::default()));

        gauges.show_deliveries(&[], configured(), at(105), &metrics);
        shows(&metrics, "gatepost_oldest_untold_age_seconds{destination=\"soc\"} 0");
        shows(&metrics, "gatepost_queue_deliveries{destination=\"gone\",state=\"dead\"} 0");
        assert_eq!(board.read().len(), 2, "what is gone and empty is no queue");
    }

    #[test]
    fn a_sink_is_as_far_behind_as_its_open_events() {
        let (metrics, gauges) = (Metrics::new(), QueueGauges::default());
        let depths = [
            depth("archive", DeliveryState::Waiting, 300, 90),
            depth("archive", DeliveryState::Leased, 20, 70),
            depth("archive", DeliveryState::Dead, 5, 1),
            depth("soc", DeliveryState::Waiting, 7, 40),
        ];
        let sinks = || vec!["archive".parse().unwrap(), "idle".parse().unwrap()];
        gauges.show_sinks(&depths, sinks(), at(100), &metrics);
        shows(&metrics, "gatepost_sink_lag_events{destination=\"archive\"} 320");
        shows(&metrics, "gatepost_sink_lag_seconds{destination=\"archive\"} 30");
        shows(&metrics, "gatepost_sink_lag_events{destination=\"idle\"} 0");
        assert!(!metrics.render().contains("lag_events{destination=\"soc\"}"), "a notifier is told of incidents");
        gauges.show_sinks(&[], sinks(), at(105), &metrics);
        shows(&metrics, "gatepost_sink_lag_events{destination=\"archive\"} 0");
    }

    #[test]
    fn the_oldest_unread_receipt_of_each_source_counts() {
        let (metrics, mut gauges) = (Metrics::new(), QueueGauges::default());
        gauges.show_unread(
            &[("a".parse().unwrap(), at(10)), ("b".parse().unwrap(), at(200))].into(),
            at(100),
            &metrics,
        );
        shows(&metrics, "gatepost_oldest_unread_age_seconds{source=\"a\"} 90");
        // The clock has been set back since.
        shows(&metrics, "gatepost_oldest_unread_age_seconds{source=\"b\"} 0");
        gauges.show_unread(&BTreeMap::new(), at(101), &metrics);
        shows(&metrics, "gatepost_oldest_unread_age_seconds{source=\"a\"} 0");
    }

    #[test]
    fn what_waits_of_a_source_is_shown_until_nothing_is_left() {
        let (metrics, mut gauges) = (Metrics::new(), QueueGauges::default());
        gauges.show_backlogs(&[("a".parse().unwrap(), Backlog { receipts: 3, bytes: 900 })].into(), &metrics);
        shows(&metrics, "gatepost_backlog_receipts{source=\"a\"} 3");
        shows(&metrics, "gatepost_backlog_bytes{source=\"a\"} 900");
        gauges.show_backlogs(&BTreeMap::new(), &metrics);
        shows(&metrics, "gatepost_backlog_receipts{source=\"a\"} 0");
        shows(&metrics, "gatepost_backlog_bytes{source=\"a\"} 0");
    }
}
