//! Retention in small steps, and the figures that only the store knows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::queues::{QueueBoard, QueueGauges};
use super::worker_registry::WorkerRegistry;
use crate::domain::{Clock, DeliveryState, DestinationName, Timestamp};
use crate::store::{Depth, Horizons, IncidentQueries, Queries, Soundness, SqliteStore, StoreError, Upkeep};
use crate::telemetry::{ByIncidentState, Metrics};

/// How long what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Dedupe keys and event keys: the time within which a repetition is known as one.
    pub keys: Duration,
    /// Receipts with their raw bodies.
    pub receipts: Duration,
    /// Events with their deliveries and attempts.
    pub events: Duration,
}

/// Keeps the store in shape.
pub struct RetentionTask {
    /// The store.
    pub store: SqliteStore,
    /// How long what is kept, now.
    pub retention: watch::Receiver<Retention>,
    /// The time, by a clock that is known not to have been set forward recently.
    pub now: watch::Receiver<Timestamp>,
    /// Which destinations there are.
    pub workers: Arc<WorkerRegistry>,
    /// The time by which the age of queues is measured.
    pub clock: Arc<dyn Clock>,
    /// Where the queues are shown, beside the metrics.
    pub queues: QueueBoard,
    /// Gauges.
    pub metrics: Arc<Metrics>,
}

/// Deliveries that are not sent, because their destination has been removed from the configuration.
#[derive(Debug, Default)]
struct Stranded(BTreeMap<DestinationName, u64>);

impl Stranded {
    /// Records the queues; which of those without a worker have not been logged yet, and how long they are.
    fn look(&mut self, depths: &[Depth], has_worker: impl Fn(&DestinationName) -> bool) -> Vec<(DestinationName, u64)> {
        let mut now = BTreeMap::new();
        for depth in depths.iter().filter(|depth| depth.state != DeliveryState::Dead && !has_worker(&depth.destination))
        {
            *now.entry(depth.destination.clone()).or_default() += depth.count;
        }
        let before = std::mem::replace(&mut self.0, now);
        let new = self.0.iter().filter(|(name, _)| !before.contains_key(*name));
        new.map(|(name, count)| (name.clone(), *count)).collect()
    }
}

impl RetentionTask {
    /// Works until `stop` changes.
    pub async fn run(&mut self, mut stop: watch::Receiver<bool>) {
        let mut gauges = QueueGauges::new(self.queues.clone());
        let mut stranded = Stranded::default();
        let mut rounds = 0_u64;
        loop {
            self.measure(&mut gauges, &mut stranded).await;
            if rounds.is_multiple_of(ROUNDS_BETWEEN_PRUNES)
                && let Err(fault) = self.prune(&stop).await
            {
                tracing::warn!(%fault, "old rows cannot be deleted now");
            }
            rounds += 1;
            tokio::select! {
                () = tokio::time::sleep(MEASURE_INTERVAL) => {}
                // What a reload has shortened goes at once.
                Ok(()) = self.retention.changed() => rounds = 0,
                _ = stop.changed() => return,
            }
        }
    }

    /// Deletes what is past its time, a few rows a transaction, so that intake need not wait for it.
    async fn prune(&self, stop: &watch::Receiver<bool>) -> Result<(), StoreError> {
        loop {
            let retention = *self.retention.borrow();
            let now = *self.now.borrow();
            let horizons = Horizons {
                keys: now.minus(retention.keys),
                receipts: now.minus(retention.receipts),
                events: now.minus(retention.events),
            };
            let deleted = self.store.prune(horizons, self.workers.names(), PRUNE_ROWS).await?;
            if deleted < PRUNE_ROWS || *stop.borrow() {
                return Ok(());
            }
            tokio::time::sleep(PRUNE_PAUSE).await;
        }
    }

    async fn measure(&self, gauges: &mut QueueGauges, stranded: &mut Stranded) {
        self.metrics.store_full.set(self.store.is_full().into());
        self.metrics.show_store_check(&Soundness::WORDS, self.store.soundness().as_str());
        let (store, now) = (self.store.clone(), self.clock.now());
        let read = move || -> Result<_, StoreError> {
            let unread = (store.oldest_unread()?, store.backlogs()?);
            Ok((store.depths(now)?, unread, store.undispatched()?, store.size_bytes(), store.incident_counts()?))
        };
        let measured = tokio::task::spawn_blocking(read).await;
        let Ok(Ok((depths, (unread, backlogs), receipts, bytes, incidents))) = measured else {
            tracing::warn!("the queue cannot be measured now");
            return;
        };
        for (destination, deliveries) in stranded.look(&depths, |name| self.workers.has(name)) {
            tracing::warn!(%destination, deliveries, "deliveries wait for a destination that is not configured");
        }
        gauges.show_deliveries(&depths, self.workers.names(), now, &self.metrics);
        gauges.show_sinks(&depths, self.workers.sinks(), now, &self.metrics);
        gauges.show_unread(&unread, now, &self.metrics);
        gauges.show_backlogs(&backlogs, &self.metrics);
        self.metrics.queue_receipts.set(i64::try_from(receipts).unwrap_or(i64::MAX));
        for (state, count) in incidents {
            let gauge = self.metrics.incidents.get_or_create(&ByIncidentState { state: state.as_str() });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.metrics.store_size.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

const MEASURE_INTERVAL: Duration = Duration::from_secs(5);
const ROUNDS_BETWEEN_PRUNES: u64 = 12;
const PRUNE_ROWS: usize = 500;
const PRUNE_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_without_a_worker_is_told_once_each_time_it_comes_about() {
        let depth = |name: &str, state, count| Depth {
            destination: name.parse().unwrap(),
            state,
            count,
            oldest: Timestamp::default(),
        };
        let (waiting, leased, dead) = (DeliveryState::Waiting, DeliveryState::Leased, DeliveryState::Dead);
        let depths = [
            depth("gone", waiting, 3),
            depth("gone", leased, 1),
            depth("gone", dead, 7),
            depth("here", waiting, 5),
            depth("dead-only", dead, 1),
        ];
        let gone: Vec<(DestinationName, u64)> = vec![("gone".parse().unwrap(), 4)];
        let without_gone = |name: &DestinationName| name.as_str() == "here";
        let mut stranded = Stranded::default();
        assert_eq!(stranded.look(&depths, |_| true), []);
        assert_eq!(stranded.look(&depths, without_gone), gone);
        assert_eq!(stranded.look(&depths, without_gone), [], "it has been told");
        assert_eq!(stranded.look(&depths, |_| true), [], "it is configured again");
        assert_eq!(stranded.look(&depths, without_gone), gone, "and gone again");
    }
}
