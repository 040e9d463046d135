//! Receipts become events and deliveries.
//!
//! Small and large receipts are worked on side by side: a body of five thousand records takes seconds to read, and an
//! urgent alert must not wait for it. What comes while a batch is worked on waits for its end, however urgent it is: so a
//! batch holds as many receipts as were recently done in 40 ms. While requests come in crowds the dispatcher rests after each
//! batch, for longer than that took: most of what an event costs is paid on the processors that answer requests.

mod batch_limits;
mod held_log;
mod read_events;
mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::{Notify, mpsc, watch};

use batch_limits::{BatchLimits, LARGE, SMALL};
pub use held_log::HeldLog;
use read_events::ReadEvents;
use reader::{Arriving, Piece, Shipper, read_all};

use super::beat::Beat;
use super::horizon::{Horizon, Witness};
use super::process::End;
use super::retention::Retention;
use super::rules::Rules;
use super::severity_log::SeverityLog;
use super::worker_registry::WorkerRegistry;
use crate::domain::{Clock, DestinationName, Note, Receipt, SourceName, Timestamp};
use crate::store::{
    Claim, ClaimedReceipts, Conclusion, Lease, Outbox, PlannedEvent, Policy, ReceiptLimits, ReceiptWork, Routed,
    SetAside, StoreError, Tally,
};
use crate::telemetry::{ByReason, ByRoute, BySource, Metrics};

/// Takes receipts off the store, reads them, and records what they hold and who must know.
pub struct Dispatcher {
    /// The store.
    pub outbox: Arc<dyn Outbox>,
    /// How to read and which destinations to tell, now.
    pub rules: watch::Receiver<Arc<Rules>>,
    /// How long keys are kept, now.
    pub retention: watch::Receiver<Retention>,
    /// The time that quarantine follows.
    pub vouched: watch::Receiver<Timestamp>,
    /// Notified when a time in a request agrees with the clock.
    pub witness: Arc<Witness>,
    /// When events in quarantine were last logged.
    pub held: HeldLog,
    /// When severity words that are not known were last logged.
    pub words: SeverityLog,
    /// The workers to wake.
    pub workers: Arc<WorkerRegistry>,
    /// The wake-up of this task.
    pub wake: Arc<Notify>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

impl Dispatcher {
    /// Works until `stop` changes.
    pub async fn run(&self, stop: watch::Receiver<bool>) {
        let large = Notify::new();
        let (beat_of_small, beat_of_large) = self.workers.dispatcher();
        tokio::join!(
            self.work(BatchLimits::new(SMALL), (&self.wake, &large), beat_of_small, stop.clone()),
            self.work(BatchLimits::new(LARGE), (&large, &self.wake), beat_of_large, stop.clone())
        );
    }

    /// Works on receipts of one size. Intake wakes the worker of the small ones, and each worker wakes the other.
    async fn work(
        &self,
        mut batches: BatchLimits,
        (own, other): (&Notify, &Notify),
        beat: &Beat,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut unrecorded = None;
        loop {
            beat.note(self.clock.steady());
            let is_stopping = *stop.borrow();
            let is_crowded = self.outbox.is_intake_crowded();
            // What is read before a rest would wait for its end.
            let may_read = !(is_stopping || is_crowded && unrecorded.is_some());
            let limits = may_read.then(|| batches.limits());
            // Before the claim, so that it comes first to the thread that writes.
            let (recorded, read) =
                tokio::join!(self.record(unrecorded.take()), self.read_batch(limits, batches.piece_events()));
            match recorded.and_then(|recorded| Ok((recorded, read?))) {
                Ok((recorded, batch)) => {
                    if batch.is_other_size_waiting {
                        other.notify_one();
                    }
                    unrecorded = (batch.receipts > 0).then_some(batch);
                    // What was recorded may have kept back a receipt that is only read alone.
                    let may_be_more = !is_stopping && (unrecorded.is_some() || recorded.is_some());
                    if let Some(recorded) = recorded {
                        batches.note(recorded.receipts, recorded.took);
                        batches.note_pieces(&recorded.pieces);
                        if is_crowded && !is_stopping {
                            rest(recorded.took, &mut stop).await;
                        }
                    }
                    if may_be_more {
                        continue;
                    }
                }
                Err(fault) => tracing::warn!(%fault, "receipts cannot be dispatched now; they wait in the store"),
            }
            tokio::select! {
                () = own.notified() => {}
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                _ = stop.changed() => return,
            }
        }
    }

    /// Claims and reads a batch, while the one before is recorded; nothing without limits. What does not fit into one piece
    /// is recorded as it is read: a body of many events is never in memory as events, and no transaction holds intake up
    /// for long.
    async fn read_batch(&self, limits: Option<ReceiptLimits>, piece_events: usize) -> Result<ReadBatch, StoreError> {
        let begun = tokio::time::Instant::now();
        let Some(limits) = limits else { return Ok(ReadBatch::of_nothing(begun)) };
        let ClaimedReceipts { mut claims, set_aside, is_other_size_waiting, .. } =
            self.outbox.claim_receipts(limits, self.lease()).await?;
        for SetAside { row, reason } in &set_aside {
            self.metrics.receipts_unreadable.inc();
            tracing::error!(row, reason, "a stored request cannot be read; it is set aside and not told");
        }
        let receipts = claims.len() + set_aside.len();
        if claims.is_empty() {
            return Ok(ReadBatch { receipts, is_other_size_waiting, ..ReadBatch::of_nothing(begun) });
        }
        let rules = self.rules.borrow().clone();
        let (now, keys) = (*self.vouched.borrow(), self.retention.borrow().keys);
        let work = |claim: &mut Claim<ReceiptWork>| {
            let receipt = claim.take_receipt();
            let ReceiptWork { tries, replay, .. } = *claim.work();
            // Where every key is known no repetition goes undetected; the operator's order releases what is in
            // quarantine.
            let horizon = match (replay, self.outbox.forgets()) {
                (true, _) => Horizon::default(),
                (false, true) => Horizon::of(now, receipt.received_at, keys),
                (false, false) => Horizon::of(now, receipt.received_at, keys).holding_nothing(),
            };
            (receipt, tries, horizon)
        };
        let works: Vec<(Receipt, u32, Horizon)> = claims.iter_mut().map(work).collect();
        let (sender, receiver) = mpsc::channel(1);
        let reader = tokio::task::spawn_blocking(move || read_all(works, &rules, Shipper::new(sender, piece_events)));
        let mut read = Arriving::of(receiver);
        let mut destinations = Vec::new();
        let mut counts = ReadEvents::of(&self.metrics);
        let mut conclusions = vec![Vec::new()];
        let mut events = 0;
        for mut claim in claims {
            let mut is_left = false;
            loop {
                let Some(Piece { events: planned, undecided, end }) = read.next().await else {
                    tracing::error!("a batch of receipts could not be read; it is taken up again when its lease ends");
                    break;
                };
                if is_left {
                    if end.is_some() {
                        break;
                    }
                    continue;
                }
                counts.add(&claim.work().receipt.source, planned.len());
                self.count(&claim, &planned, &undecided);
                note_destinations(&planned, &mut destinations);
                let Some(end) = end else {
                    is_left = !self.extend(&mut claim, planned).await?;
                    self.workers.wake(&destinations);
                    continue;
                };
                self.count_end(&claim, end);
                events += planned.len();
                if events > piece_events {
                    events = planned.len();
                    conclusions.push(Vec::new());
                }
                if let Some(piece) = conclusions.last_mut() {
                    piece.push(Conclusion { claim, events: planned, note: end.note });
                }
                break;
            }
        }
        drop(reader.await);
        Ok(ReadBatch { begun, receipts, is_other_size_waiting, conclusions, destinations })
    }

    /// Records a piece of a receipt, and retries it from memory while the store cannot take it: otherwise whatever was claimed
    /// with it would wait for the end of its lease and count a try. `false`: the rest of this one receipt is left, because
    /// another has it or it cannot be recorded at all.
    async fn extend(&self, claim: &mut Claim<ReceiptWork>, events: Vec<PlannedEvent>) -> Result<bool, StoreError> {
        let events = Arc::new(events);
        let mut recorded = loop {
            match self.outbox.extend(claim, Arc::clone(&events), &self.policy(), self.lease()).await {
                Ok(recorded) => break recorded,
                Err(StoreError::Stopped) => return Err(StoreError::Stopped),
                Err(fault @ (StoreError::LeaseLost | StoreError::Failed(_))) => {
                    let receipt = claim.work().receipt.id;
                    tracing::error!(%fault, %receipt, "a piece of a receipt cannot be recorded; the receipt is left");
                    return Ok(false);
                }
                Err(fault) => {
                    tracing::error!(%fault, "a piece of a receipt cannot be recorded yet; the dispatcher waits");
                    tokio::time::sleep(RECORD_AGAIN).await;
                }
            }
        };
        claim.note(&mut recorded);
        self.count_recorded(&claim.work().receipt.source, recorded.tally);
        self.count_held_back(&recorded.held_back);
        self.wake_notifiers(recorded.to_tell);
        Ok(true)
    }

    /// Records what a batch holds, in pieces.
    async fn record(&self, batch: Option<ReadBatch>) -> Result<Option<Recorded>, StoreError> {
        let Some(ReadBatch { begun, receipts, conclusions, destinations, .. }) = batch else { return Ok(None) };
        let pieces = try_join_all(conclusions.into_iter().map(|piece| self.conclude(piece))).await?;
        self.workers.wake(&destinations);
        Ok(Some(Recorded { receipts, took: begun.elapsed(), pieces }))
    }

    /// Records conclusions, and retries them from memory while the store cannot take them: if they were dropped, their
    /// receipts would wait for the end of the lease and count a try, and after too many of those a receipt is passed on
    /// unread. How many events that were, and how long they had the thread that writes.
    async fn conclude(&self, conclusions: Vec<Conclusion>) -> Result<(usize, Duration), StoreError> {
        if conclusions.is_empty() {
            return Ok((0, Duration::ZERO));
        }
        let events = conclusions.iter().map(|conclusion| conclusion.events.len()).sum();
        let conclusions = Arc::new(conclusions);
        let dispatched = loop {
            match self.outbox.conclude(Arc::clone(&conclusions), &self.policy(), self.clock.now()).await {
                Ok(dispatched) => break dispatched,
                Err(StoreError::Stopped) => return Err(StoreError::Stopped),
                Err(fault) => {
                    tracing::error!(%fault, "what receipts hold cannot be recorded yet; the dispatcher waits");
                    tokio::time::sleep(RECORD_AGAIN).await;
                }
            }
        };
        let Tally { events_new, events_duplicate, events_quarantined, deliveries, incidents_opened } =
            dispatched.total();
        tracing::debug!(
            events_new,
            events_duplicate,
            events_quarantined,
            deliveries,
            incidents_opened,
            "receipts dispatched"
        );
        for (source, tally) in &dispatched.by_source {
            self.count_recorded(source, *tally);
        }
        self.count_held_back(&dispatched.held_back);
        self.wake_notifiers(dispatched.to_tell);
        if dispatched.leases_lost > 0 {
            let leases_lost = dispatched.leases_lost;
            tracing::warn!(leases_lost, "receipts had been taken up by another worker meanwhile");
        }
        Ok((events, dispatched.took))
    }

    /// Counts what only the store knows: whether an event was new.
    fn count_recorded(&self, source: &SourceName, tally: Tally) {
        let by_source = || BySource { source: source.to_string() };
        if tally.events_duplicate > 0 {
            self.metrics.events_duplicate.get_or_create(&by_source()).inc_by(tally.events_duplicate as u64);
        }
        if tally.incidents_opened > 0 {
            self.metrics.incidents_opened.get_or_create(&by_source()).inc_by(tally.incidents_opened as u64);
        }
        if tally.events_quarantined > 0 {
            self.metrics.events_quarantined.get_or_create(&by_source()).inc_by(tally.events_quarantined as u64);
            self.held.tell(source, tally.events_quarantined as u64, self.clock.steady());
        }
    }

    /// Notifiers are woken by what is due, not by the routes: an event may only be counted, or resolve what notifiers
    /// were told by others.
    fn wake_notifiers(&self, to_tell: BTreeSet<DestinationName>) {
        self.workers.wake(&to_tell.into_iter().collect::<Vec<_>>());
    }

    fn count_held_back(&self, held_back: &BTreeMap<(SourceName, &'static str), u64>) {
        for ((_, reason), count) in held_back {
            self.metrics.events_held_back.get_or_create(&ByReason { reason }).inc_by(*count);
        }
    }

    fn count(&self, claim: &Claim<ReceiptWork>, events: &[PlannedEvent], undecided: &[(String, String)]) {
        let source = || BySource { source: claim.work().receipt.source.to_string() };
        let unrouted = events.iter().filter(|planned| planned.routed == Routed::No).count();
        if unrouted > 0 {
            self.metrics.events_unrouted.get_or_create(&source()).inc_by(unrouted as u64);
        }
        for planned in events.iter().filter(|planned| planned.event.severity_word().is_some()) {
            self.metrics.events_severity_unknown.get_or_create(&source()).inc();
            self.words.tell(&planned.event, self.clock.steady());
        }
        for (route, why) in undecided {
            self.metrics.routing_undecided.get_or_create(&ByRoute { route: route.clone() }).inc();
            tracing::warn!(route, why, "a condition could not be decided; the route takes the event");
        }
    }

    fn count_end(&self, claim: &Claim<ReceiptWork>, end: End) {
        let receipt = &claim.work().receipt;
        let source = || BySource { source: receipt.source.to_string() };
        if end.is_witness {
            self.witness.testify(receipt.received_at);
        }
        if end.is_poison {
            self.metrics.receipts_poison.get_or_create(&source()).inc();
        }
        if end.aging > 0 {
            self.metrics.events_aging.get_or_create(&source()).inc_by(end.aging);
            self.held.warn(&receipt.source, end.aging, self.clock.steady());
        }
        if end.unrecognized > 0 {
            self.metrics.events_unrecognized.get_or_create(&source()).inc_by(end.unrecognized);
            tracing::warn!(
                receipt = %receipt.id, source = %receipt.source, events = end.unrecognized,
                "a message holds no field that its source knows; check its map with `gatepost explain --file`"
            );
        }
        if end.note == Some(Note::Unparsed) {
            self.metrics.events_unparsed.get_or_create(&source()).inc();
            tracing::warn!(receipt = %receipt.id, source = %receipt.source, "an authentic body was not understood");
        }
    }

    /// As of now: a reload while a batch is read or waits for the store must not leave it to notifiers that are gone.
    fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.rules.borrow().policy)
    }

    fn lease(&self) -> Lease {
        Lease { now: self.clock.now(), steady: self.clock.steady(), length: LEASE }
    }
}

/// A batch that was read and is to be recorded.
struct ReadBatch {
    /// When it was claimed.
    begun: tokio::time::Instant,
    /// How many receipts were claimed or set aside.
    receipts: usize,
    /// Whether there is work for the other worker.
    is_other_size_waiting: bool,
    /// What they hold, in pieces of one transaction each.
    conclusions: Vec<Vec<Conclusion>>,
    /// Where that goes.
    destinations: Vec<DestinationName>,
}

/// A batch that was recorded.
struct Recorded {
    /// How many receipts that were.
    receipts: usize,
    /// How long they took from their claim.
    took: Duration,
    /// The events of each piece, and how long it had the thread that writes.
    pieces: Vec<(usize, Duration)>,
}

impl ReadBatch {
    fn of_nothing(begun: tokio::time::Instant) -> Self {
        Self { begun, receipts: 0, is_other_size_waiting: false, conclusions: Vec::new(), destinations: Vec::new() }
    }
}

/// Leaves the processors to those who wait for an answer, after a batch that took so long.
async fn rest(took: Duration, stop: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = tokio::time::sleep((took * REST_SHARES).min(REST_LONGEST)) => {}
        _ = stop.changed() => {}
    }
}

fn note_destinations(events: &[PlannedEvent], destinations: &mut Vec<DestinationName>) {
    for (destination, _) in events.iter().flat_map(|planned| &planned.deliveries) {
        if !destinations.contains(destination) {
            destinations.push(destination.clone());
        }
    }
}

/// Reading 64 MiB takes seconds; the rest is a margin for a busy machine.
const LEASE: Duration = Duration::from_secs(30);
/// How long a wake-up that was missed, or another process's replay, waits at most.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// While requests come in crowds they have the processors for so many times as long as a batch took.
const REST_SHARES: u32 = 3;
/// And no longer than this: what is urgent waits for the end of a rest.
const REST_LONGEST: Duration = Duration::from_millis(60);
/// How soon what could not be recorded is recorded again.
const RECORD_AGAIN: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
