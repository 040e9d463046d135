//! Receipts become events and deliveries.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::{Notify, watch};

use super::reading::{Processed, process};
use super::supervisor::{LaneBoard, Rules};
use crate::domain::{Clock, DestinationName, Note};
use crate::store::{Claim, Conclusion, Dispatched, Lease, Outbox, PlannedEvent, ReceiptWork, Routed, StoreFault};
use crate::telemetry::{ByRoute, BySource, Metrics};

/// Takes receipts off the store, reads them, and records what they hold and who must know.
pub struct Dispatcher {
    /// The store.
    pub outbox: Arc<dyn Outbox>,
    /// How to read and whom to tell, now.
    pub rules: watch::Receiver<Arc<Rules>>,
    /// Whom to wake.
    pub lanes: Arc<LaneBoard>,
    /// What wakes us.
    pub wake: Arc<Notify>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

impl Dispatcher {
    /// Works until `stop` changes.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            match self.round().await {
                Ok(0) => {}
                Ok(_) if !*stop.borrow() => continue,
                Ok(_) => {}
                Err(fault) => tracing::warn!(%fault, "receipts cannot be dispatched now; they wait in the store"),
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                _ = stop.changed() => return,
            }
        }
    }

    /// Dispatches a batch; returns how many receipts it held.
    async fn round(&self) -> Result<usize, StoreFault> {
        let claims = self.outbox.claim_receipts(BATCH_RECEIPTS, self.lease()).await?;
        if claims.is_empty() {
            return Ok(0);
        }
        let count = claims.len();
        let rules = self.rules.borrow().clone();
        let read = move || -> Vec<(Claim<ReceiptWork>, Processed)> {
            claims
                .into_iter()
                .map(|claim| {
                    let processed = process(claim.work(), &rules);
                    (claim, processed)
                })
                .collect()
        };
        let Ok(processed) = tokio::task::spawn_blocking(read).await else {
            tracing::error!("a batch of receipts could not be read; it is taken up again when its lease ends");
            return Ok(count);
        };
        let mut destinations = Vec::new();
        let mut pieces = vec![Vec::new()];
        let mut events = 0;
        for (claim, processed) in processed {
            self.count(&claim, &processed);
            note_destinations(&processed.events, &mut destinations);
            let conclusion = self.conclusion_of(claim, processed).await?;
            events += conclusion.events.len();
            if events > PIECE_EVENTS {
                events = conclusion.events.len();
                pieces.push(Vec::new());
            }
            if let Some(piece) = pieces.last_mut() {
                piece.push(conclusion);
            }
        }
        try_join_all(pieces.into_iter().map(|piece| self.conclude(piece))).await?;
        self.lanes.wake(&destinations);
        Ok(count)
    }

    /// Records all but the last piece of a large receipt, so that no transaction holds intake up for long.
    async fn conclusion_of(&self, claim: Claim<ReceiptWork>, processed: Processed) -> Result<Conclusion, StoreFault> {
        let Processed { mut events, note, .. } = processed;
        let mut claim = claim;
        while events.len() > PIECE_EVENTS {
            let rest = events.split_off(PIECE_EVENTS);
            let source = claim.work().receipt.source.to_string();
            let before = events.len();
            claim = self.outbox.extend(claim, events, self.lease()).await?;
            tracing::debug!(source, events = before, "a piece of a large receipt is recorded");
            events = rest;
        }
        Ok(Conclusion { claim, events, note })
    }

    /// Records conclusions, and while the store cannot take them keeps them in hand: let go of, their receipts would wait
    /// for the end of the lease and count a try, and after too many of those a receipt is passed on unread.
    async fn conclude(&self, conclusions: Vec<Conclusion>) -> Result<(), StoreFault> {
        let conclusions = Arc::new(conclusions);
        let dispatched = loop {
            match self.outbox.conclude(Arc::clone(&conclusions), self.clock.now()).await {
                Ok(dispatched) => break dispatched,
                Err(StoreFault::Stopped) => return Err(StoreFault::Stopped),
                Err(fault) => {
                    tracing::error!(%fault, "what receipts hold cannot be recorded yet; the dispatcher waits");
                    tokio::time::sleep(CONCLUDE_AGAIN).await;
                }
            }
        };
        let Dispatched { events_new, events_duplicate, deliveries, leases_lost } = dispatched;
        tracing::debug!(events_new, events_duplicate, deliveries, "receipts dispatched");
        if leases_lost > 0 {
            tracing::warn!(leases_lost, "receipts had been taken up by somebody else meanwhile");
        }
        Ok(())
    }

    fn count(&self, claim: &Claim<ReceiptWork>, processed: &Processed) {
        let source = || BySource { source: claim.work().receipt.source.to_string() };
        let unrouted = processed.events.iter().filter(|planned| planned.routed == Routed::No).count();
        self.metrics.events_read.get_or_create(&source()).inc_by(processed.events.len() as u64);
        if unrouted > 0 {
            self.metrics.events_unrouted.get_or_create(&source()).inc_by(unrouted as u64);
        }
        if processed.note == Some(Note::Unparsed) {
            self.metrics.events_unparsed.get_or_create(&source()).inc();
            let receipt = &claim.work().receipt;
            tracing::warn!(receipt = %receipt.id, source = %receipt.source, "an authentic body was not understood");
        }
        for (route, why) in &processed.undecided {
            self.metrics.routing_undecided.get_or_create(&ByRoute { name: route.clone() }).inc();
            tracing::warn!(route, why, "a condition could not be decided; the route takes the event");
        }
    }

    fn lease(&self) -> Lease {
        Lease { now: self.clock.now(), length: LEASE }
    }
}

fn note_destinations(events: &[PlannedEvent], destinations: &mut Vec<DestinationName>) {
    for (destination, _) in events.iter().flat_map(|planned| &planned.deliveries) {
        if !destinations.contains(destination) {
            destinations.push(destination.clone());
        }
    }
}

/// Receipts taken at once.
const BATCH_RECEIPTS: usize = 128;
/// Events recorded in one piece of work: about a millisecond, so that intake need not wait for it.
const PIECE_EVENTS: usize = 24;
/// Reading 64 MiB takes seconds; the rest is room for a machine that is busy.
const LEASE: Duration = Duration::from_secs(30);
/// How long a wake-up that was missed, or another process's replay, waits at most.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How soon conclusions that could not be recorded are recorded again.
const CONCLUDE_AGAIN: Duration = Duration::from_millis(500);
