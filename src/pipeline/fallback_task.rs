//! Has other notifiers told of what a notifier has not taken for too long.
//!
//! Once a second it looks for deliveries that have waited for as long as their notifier's `fallback_after` says, whatever they
//! wait for: a destination that is stopped, fails, asks for a pause, or answers nothing. It sends nothing: it wakes the workers
//! of the fallbacks. What a notifier refuses is handed over where the refusal is recorded, without waiting.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::rules::Rules;
use super::worker_registry::WorkerRegistry;
use crate::domain::{Clock, DestinationName};
use crate::store::{Fallbacks, StoreError};

/// Looks for what waits for too long.
pub struct FallbackTask {
    /// The store.
    pub store: Arc<dyn Fallbacks>,
    /// The fallbacks.
    pub rules: watch::Receiver<Arc<Rules>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The workers to wake.
    pub workers: Arc<WorkerRegistry>,
}

impl FallbackTask {
    /// Works until `stop` changes.
    pub async fn run(&mut self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            if let Err(fault) = self.look().await {
                tracing::warn!(%fault, "fallbacks cannot be told now; it is tried again");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                _ = stop.changed() => {}
            }
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let policy = Arc::clone(&self.rules.borrow().policy);
        if policy.fallbacks.is_empty() {
            return Ok(());
        }
        let mut cursor = 0;
        loop {
            let (store, with, now) = (Arc::clone(&self.store), Arc::clone(&policy), self.clock.now());
            let read = tokio::task::spawn_blocking(move || store.overdue(&with, now, cursor, LOOKED_AT_ONCE)).await;
            let overdue = read.map_err(|error| StoreError::Failed(error.to_string()))??;
            let Some(last) = overdue.last() else { return Ok(()) };
            cursor = last.cursor;
            let is_last = overdue.len() < LOOKED_AT_ONCE;
            let fell_back = self.store.fall_back(overdue, &policy, now).await?;
            for (incident, destination, fallback) in &fell_back.handed_over {
                tracing::warn!(%incident, %destination, %fallback, "a fallback is told, because a destination has not taken it");
            }
            self.workers.wake(&fell_back.to_tell.into_iter().collect::<Vec<DestinationName>>());
            if is_last {
                return Ok(());
            }
        }
    }
}

const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// A few milliseconds of work, so that intake need not wait for it.
const LOOKED_AT_ONCE: usize = 100;
