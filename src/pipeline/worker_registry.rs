//! The workers that run: how to wake them, and how they are doing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::beat::Beat;
use super::worker::WorkerState;
use crate::domain::{DestinationName, Timestamp};

/// The running workers: how to wake them, and their states.
#[derive(Debug, Default)]
pub struct WorkerRegistry {
    workers: Mutex<BTreeMap<DestinationName, WorkerEntry>>,
    /// Of the dispatcher: of what reads small receipts, and of what reads large ones.
    dispatcher: (Beat, Beat),
}

#[derive(Clone, Debug)]
pub(super) struct WorkerEntry {
    pub wake: Arc<Notify>,
    pub state: Arc<Mutex<WorkerState>>,
    pub is_sink: bool,
    pub beat: Arc<Beat>,
}

impl WorkerRegistry {
    /// Puts these workers in the place of those before.
    pub(super) fn replace(&self, entries: BTreeMap<DestinationName, WorkerEntry>) {
        *self.workers.lock().unwrap_or_else(PoisonError::into_inner) = entries;
    }

    /// Wakes the workers of these destinations.
    pub fn wake(&self, destinations: &[DestinationName]) {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        destinations.iter().filter_map(|name| workers.get(name)).for_each(|worker| worker.wake.notify_one());
    }

    /// Whether a worker sends to this destination.
    pub fn has(&self, destination: &DestinationName) -> bool {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).contains_key(destination)
    }

    /// The destinations that are sent to.
    pub fn names(&self) -> Vec<DestinationName> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The sinks that are sent to.
    pub fn sinks(&self) -> Vec<DestinationName> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter().filter(|(_, worker)| worker.is_sink).map(|(name, _)| name.clone()).collect()
    }

    /// The signs of life of the dispatcher: of what reads small receipts, and of what reads large ones.
    pub(super) fn dispatcher(&self) -> &(Beat, Beat) {
        &self.dispatcher
    }

    /// The dispatcher and the destinations whose tasks have not gone on for too long.
    pub fn stuck(&self, steady: Timestamp) -> Vec<String> {
        let (small, large) = &self.dispatcher;
        let is_dispatcher_late = small.is_late(steady) || large.is_late(steady);
        let dispatcher = is_dispatcher_late.then(|| "the dispatcher".to_owned());
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let late = workers.iter().filter(|(_, worker)| worker.beat.is_late(steady));
        dispatcher.into_iter().chain(late.map(|(name, _)| name.to_string())).collect()
    }

    /// How each destination is doing.
    pub fn states(&self) -> BTreeMap<DestinationName, WorkerState> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let state = |worker: &WorkerEntry| worker.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        workers.iter().map(|(name, worker)| (name.clone(), state(worker))).collect()
    }
}
