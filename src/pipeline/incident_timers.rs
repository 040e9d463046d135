//! What the passing of time does to incidents: silence, acknowledgements that lapse, resolutions that were held.
//!
//! Each incident carries the time at which it is to be looked at next; this task asks the store once a second for those
//! whose time has come. It sends nothing: it wakes the workers of the notifiers that are to be told.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::rules::Rules;
use super::worker_registry::WorkerRegistry;
use crate::domain::{DestinationName, Timestamp};
use crate::store::{Outbox, StoreError};

/// Looks at incidents whose time has come.
pub struct IncidentTimers {
    /// The store.
    pub outbox: Arc<dyn Outbox>,
    /// How incidents are timed, now.
    pub rules: watch::Receiver<Arc<Rules>>,
    /// The time, by a clock that is known not to have been set forward recently: a jump must not end incidents.
    pub now: watch::Receiver<Timestamp>,
    /// The workers to wake.
    pub workers: Arc<WorkerRegistry>,
}

impl IncidentTimers {
    /// Works until `stop` changes. Silence counts from the first check on: while gatepost was down it received nothing.
    pub async fn run(&mut self, mut stop: watch::Receiver<bool>) {
        let mut listening_since = *self.now.borrow();
        while !*stop.borrow() {
            // At the start the clock may have been ahead.
            listening_since = listening_since.min(*self.now.borrow());
            if let Err(fault) = self.advance(listening_since).await {
                tracing::warn!(%fault, "incidents cannot be looked at now; they are looked at later");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                _ = stop.changed() => {}
            }
        }
    }

    async fn advance(&self, listening_since: Timestamp) -> Result<(), StoreError> {
        loop {
            let (policy, now) = (Arc::clone(&self.rules.borrow().policy), *self.now.borrow());
            let advanced = self.outbox.advance_incidents(LOOKED_AT_ONCE, &policy, listening_since, now).await?;
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
