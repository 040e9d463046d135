//! The workers that run: how to wake them, and how they are doing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::worker::WorkerState;
use crate::domain::DestinationName;

/// The running workers: how to wake them, and their states.
#[derive(Debug, Default)]
pub struct WorkerRegistry(Mutex<BTreeMap<DestinationName, WorkerEntry>>);

#[derive(Clone, Debug)]
pub(super) struct WorkerEntry {
    pub wake: Arc<Notify>,
    pub state: Arc<Mutex<WorkerState>>,
    pub is_sink: bool,
}

impl WorkerRegistry {
    /// Puts these workers in the place of those before.
    pub(super) fn replace(&self, entries: BTreeMap<DestinationName, WorkerEntry>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = entries;
    }

    /// Wakes the workers of these destinations.
    pub fn wake(&self, destinations: &[DestinationName]) {
        let workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        destinations.iter().filter_map(|name| workers.get(name)).for_each(|worker| worker.wake.notify_one());
    }

    /// Whether a worker sends to this destination.
    pub fn has(&self, destination: &DestinationName) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(destination)
    }

    /// The destinations that are sent to.
    pub fn names(&self) -> Vec<DestinationName> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The sinks that are sent to.
    pub fn sinks(&self) -> Vec<DestinationName> {
        let workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter().filter(|(_, worker)| worker.is_sink).map(|(name, _)| name.clone()).collect()
    }

    /// How each destination is doing.
    pub fn states(&self) -> BTreeMap<DestinationName, WorkerState> {
        let workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = |worker: &WorkerEntry| worker.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        workers.iter().map(|(name, worker)| (name.clone(), state(worker))).collect()
    }
}
