//! What the passing of time does to incidents: silence, acknowledgements that lapse, resolutions that were held.
//!
//! Each incident carries the time at which it is to be looked at next; this task asks the store once a second for those
//! whose time has come. It sends nothing: it wakes the workers of the notifiers that are to be told.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::rules::Rules;
use super::worker_registry::WorkerRegistry;
use crate::domain::DestinationName;
use crate::incidents::Present;
use crate::store::{Outbox, StoreError};

/// Looks at incidents whose time has come.
pub struct IncidentTimers {
    /// The store.
    pub outbox: Arc<dyn Outbox>,
    /// How incidents are timed, now.
    pub rules: watch::Receiver<Arc<Rules>>,
    /// The time, and since when it can be trusted: a jump must not end incidents.
    pub present: watch::Receiver<Present>,
    /// The workers to wake.
    pub workers: Arc<WorkerRegistry>,
}

impl IncidentTimers {
    /// Works until `stop` changes.
    pub async fn run(&mut self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            if let Err(fault) = self.advance().await {
                tracing::warn!(%fault, "incidents cannot be looked at now; they are looked at later");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                _ = stop.changed() => {}
            }
        }
    }

    async fn advance(&self) -> Result<(), StoreError> {
        loop {
            let (policy, present) = (Arc::clone(&self.rules.borrow().policy), *self.present.borrow());
            let advanced = self.outbox.advance_incidents(LOOKED_AT_ONCE, &policy, present).await?;
            let to_tell: Vec<DestinationName> = advanced.to_tell.into_iter().collect();
            self.workers.wake(&to_tell);
            if advanced.incidents < LOOKED_AT_ONCE {
                return Ok(());
            }
        }
    }
}

const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// A few milliseconds of work, so that intake need not wait for it.
const LOOKED_AT_ONCE: usize = 200;
