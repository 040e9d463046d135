//! Retention in small steps, and the figures that only the store knows.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::{DeliveryState, DestinationName, Timestamp};
use crate::store::{Horizons, Ledger, SqliteStore, StoreFault, Upkeep};
use crate::telemetry::Metrics;

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
pub struct Janitor {
    /// The store.
    pub store: SqliteStore,
    /// How long what is kept, now.
    pub retention: watch::Receiver<Retention>,
    /// The time, by a clock that is known not to have been set forward of late.
    pub now: watch::Receiver<Timestamp>,
    /// Gauges.
    pub metrics: Arc<Metrics>,
}

impl Janitor {
    /// Works until `stop` changes.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut shown: Vec<(DestinationName, DeliveryState)> = Vec::new();
        let mut rounds = 0_u64;
        loop {
            self.measure(&mut shown).await;
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
    async fn prune(&self, stop: &watch::Receiver<bool>) -> Result<(), StoreFault> {
        loop {
            let retention = *self.retention.borrow();
            let now = *self.now.borrow();
            let horizons = Horizons {
                keys: now.minus(retention.keys),
                receipts: now.minus(retention.receipts),
                events: now.minus(retention.events),
            };
            let deleted = self.store.prune(horizons, PRUNE_ROWS).await?;
            if deleted < PRUNE_ROWS || *stop.borrow() {
                return Ok(());
            }
            tokio::time::sleep(PRUNE_PAUSE).await;
        }
    }

    async fn measure(&self, shown: &mut Vec<(DestinationName, DeliveryState)>) {
        let store = self.store.clone();
        let read =
            move || -> Result<_, StoreFault> { Ok((store.depths()?, store.undispatched()?, store.size_bytes())) };
        let Ok(Ok((depths, receipts, bytes))) = tokio::task::spawn_blocking(read).await else {
            tracing::warn!("the queue cannot be measured now");
            return;
        };
        // What was there and is no more must be shown as nothing, or the last figure would stand for ever.
        for (destination, state) in shown.drain(..) {
            self.metrics.show_depth(destination.as_str(), state, 0);
        }
        for depth in depths {
            self.metrics.show_depth(depth.destination.as_str(), depth.state, depth.count);
            shown.push((depth.destination, depth.state));
        }
        self.metrics.queue_receipts.set(i64::try_from(receipts).unwrap_or(i64::MAX));
        self.metrics.store_size.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

const MEASURE_INTERVAL: Duration = Duration::from_secs(5);
const ROUNDS_BETWEEN_PRUNES: u64 = 12;
const PRUNE_ROWS: usize = 500;
const PRUNE_PAUSE: Duration = Duration::from_millis(50);
