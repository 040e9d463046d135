//! The worker of one destination: it keeps its own pace and depends on no other worker.
//!
//! A worker claims what is due, tries it, and records the outcomes, several at a time in one transaction. What has been
//! tried is recorded before anything else is claimed: if the disk is full the worker waits with the outcome in memory
//! instead of sending the same thing again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::attempt::{ATTEMPT_LONGEST, Attempts};
use super::batch_gap::BatchGap;
use super::beat::Beat;
use super::breaker::{Breaker, Change};
use super::pace::Pacer;
use super::presentation::Presentation;
use super::retry::{Case, decide};
use super::suspects::Suspects;
use super::under_way::{Finished, UnderWay};
use crate::destinations::Receiver;
use crate::domain::{Attempt, Clock, DeliveryState, DestinationName, EventId, OutcomeKind, ReceiptId, Timestamp};
use crate::egress::Egress;
use crate::store::{
    ClaimOrder, Content, DeliveryWork, Lease, Outbox, Policy, SetAside, Settlement, StoreError, Verdict,
};
use crate::telemetry::{ByQueue, DeliveryEnd, Line, LineBudget, Metrics, TELL_AFTER};

/// The state of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerState {
    /// It works.
    Running,
    /// It has not been seen to work since it was started, nor to fail: nothing was due.
    Untried,
    /// The destination fails; it is retried automatically.
    Failing {
        /// What the last try said.
        reason: String,
    },
    /// Stopped for a fault of the operator's making; everything is kept.
    Stopped {
        /// What to fix.
        reason: String,
    },
}

/// Everything for one destination.
pub struct Worker {
    /// The destination's name.
    pub name: DestinationName,
    /// The destination.
    pub receiver: Receiver,
    /// Which destinations are notifiers, and how incidents are timed.
    pub policy: Arc<Policy>,
    /// The operator's words.
    pub presentation: Arc<Presentation>,
    /// The store.
    pub outbox: Arc<dyn Outbox>,
    /// The way out.
    pub egress: Egress,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// What wakes it.
    pub wake: Arc<Notify>,
    /// Its signs of life.
    pub beat: Arc<Beat>,
    /// How it is doing.
    pub state: Arc<Mutex<WorkerState>>,
    /// How many deliveries have a log line of their own.
    pub delivered: Arc<LineBudget>,
}

/// What a worker knows about its destination.
struct Health {
    /// Since when there has been something to know, by the monotonic clock.
    started: Timestamp,
    breaker: Breaker,
    suspects: Suspects,
    /// The destination may have been fixed, so that what waits for a later time need not.
    may_be_mended: bool,
}

impl Worker {
    /// Works until `stop` changes, then finishes what is under way.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let worker = self;
        let (breaker, suspects) = (Breaker::default(), Suspects::default());
        // A start and a reload may each have fixed it.
        let mut health = Health { started: worker.clock.steady(), breaker, suspects, may_be_mended: true };
        let mut pacer = Pacer::new(worker.receiver.pace(), Instant::now());
        let mut gap = BatchGap::default();
        let mut under_way = UnderWay::default();
        let attempts = Arc::new(worker.attempts());
        // What an earlier worker of this name has shown is over.
        worker.show(&health.breaker);
        while !*stop.borrow() {
            worker.beat.note(worker.clock.steady());
            worker.make_due(&mut under_way, &mut health).await;
            let gates = (&mut pacer, &mut gap, &health.breaker);
            let due = worker.start_what_is_due(&attempts, gates, &mut under_way).await;
            let pause = worker.pause_until(due, (&pacer, &gap), &health.breaker);
            tokio::select! {
                () = under_way.ended() => worker.settle(&mut under_way, &mut health).await,
                () = worker.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => {}
            }
        }
        while under_way.len() > 0 {
            under_way.ended().await;
            worker.settle(&mut under_way, &mut health).await;
        }
    }

    fn attempts(&self) -> Attempts {
        Attempts {
            name: self.name.clone(),
            receiver: self.receiver.clone(),
            outbox: Arc::clone(&self.outbox),
            presentation: Arc::clone(&self.presentation),
            metrics: Arc::clone(&self.metrics),
            egress: self.egress.clone(),
            clock: Arc::clone(&self.clock),
        }
    }

    /// After a fix everything that waits is due at once: what was tried before the fix must not be the last to go. A
    /// few deliveries at a time, so that intake need not wait.
    async fn make_due(&self, under_way: &mut UnderWay, health: &mut Health) {
        if !health.may_be_mended {
            return;
        }
        match under_way.meanwhile(self.outbox.make_due(&self.name, self.clock.now(), MADE_DUE_AT_ONCE)).await {
            Ok(count) => health.may_be_mended = count == MADE_DUE_AT_ONCE,
            // It is tried again in the next round.
            Err(fault) => tracing::debug!(destination = %self.name, %fault, "deliveries cannot be made due now"),
        }
    }

    /// Starts as much as pace, breaker and concurrency allow. Returns when the next delivery is due, as far as known.
    async fn start_what_is_due(
        &self,
        attempts: &Arc<Attempts>,
        (pacer, gap, breaker): (&mut Pacer, &mut BatchGap, &Breaker),
        under_way: &mut UnderWay,
    ) -> Option<Timestamp> {
        let now = Instant::now();
        if !gap.wait(now).is_zero() {
            return None;
        }
        let room = self.receiver.pace().concurrency.saturating_sub(under_way.len());
        let limit = breaker.allowed(room.min(pacer.available(now)), under_way.len(), now).min(CLAIMED_AT_ONCE);
        if limit == 0 {
            return None;
        }
        let lease = Lease { now: self.clock.now(), steady: self.clock.steady(), length: LEASE };
        if under_way.is_overdue(lease.steady) {
            // They end within their own time, and are written down first.
            return None;
        }
        // A trial goes to what has waited longest: were it always the most severe, one message that cannot be delivered
        // would keep the others from showing that they can.
        let order = match breaker.is_on_trial() {
            true => ClaimOrder::LongestDue,
            false => under_way.order(&self.receiver, SLOTS_BEFORE_OLDEST),
        };
        let claiming = match &self.receiver {
            Receiver::Sink(sink) => self.outbox.claim_batches(&self.name, limit, order, sink.batch_size(), lease),
            Receiver::Notifier(_) => self.outbox.claim_deliveries(&self.name, limit, order, &self.policy, lease),
        };
        let claimed = match under_way.meanwhile(claiming).await {
            Ok(claimed) => claimed,
            Err(fault) => {
                tracing::warn!(destination = %self.name, %fault, "deliveries cannot be claimed now; they wait");
                return None;
            }
        };
        for SetAside { row, reason } in &claimed.unreadable {
            let labels = ByQueue::of(self.name.as_str(), DeliveryState::Dead);
            self.metrics.delivery_dead.get_or_create(&labels).inc();
            tracing::error!(destination = %self.name, row, reason, "a delivery cannot be read; it became a dead letter");
        }
        under_way.note_slots(&self.receiver, order, claimed.claims.len());
        pacer.take(claimed.claims.len(), now);
        if let Receiver::Sink(sink) = &self.receiver {
            gap.note(sink.batch_interval(), claimed.is_drained, now);
        }
        for claim in claimed.claims {
            let delivery = claim.work().delivery;
            under_way.begin(delivery, lease.until(), Arc::clone(attempts).attempt(claim).boxed());
        }
        claimed.next_due
    }

    /// How long there is nothing to start. `due` is when the next delivery is due, if that is known.
    fn pause_until(&self, due: Option<Timestamp>, (pacer, gap): (&Pacer, &BatchGap), breaker: &Breaker) -> Duration {
        let now = Instant::now();
        let held = breaker.until().map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let held = held.max(pacer.wait(now)).max(gap.wait(now));
        let wait = match due {
            Some(due) => due.since(self.clock.now()).max(held),
            None if held.is_zero() => LOOK_INTERVAL,
            None => held,
        };
        wait.min(LOOK_INTERVAL)
    }

    /// Writes down what has ended by now.
    async fn settle(&self, under_way: &mut UnderWay, health: &mut Health) {
        let finished = under_way.take_ended(SETTLED_AT_ONCE);
        let settlements: Vec<Settlement> = finished.into_iter().map(|done| self.classify(done, health)).collect();
        self.show(&health.breaker);
        let settlements = Arc::new(settlements);
        loop {
            match under_way
                .meanwhile(self.outbox.settle(Arc::clone(&settlements), &self.policy, self.clock.now()))
                .await
            {
                Ok(lost) if lost.0 > 0 => {
                    tracing::warn!(destination = %self.name, lost = lost.0, "deliveries had been taken up by another worker");
                    return;
                }
                Ok(_) => return,
                Err(StoreError::Stopped) => return,
                Err(fault) => {
                    tracing::error!(destination = %self.name, %fault, "what was sent cannot be recorded yet; the worker waits");
                    under_way.meanwhile(tokio::time::sleep(SETTLE_AGAIN)).await;
                }
            }
        }
    }

    fn classify(&self, done: Finished, health: &mut Health) -> Settlement {
        let Finished { claim, event, outcome, started_at, begun, took } = done;
        let jitter = random();
        let breaker = &mut health.breaker;
        let delivery = claim.work().delivery;
        let content = &claim.work().content;
        let outcome = match content {
            Content::Change(_) => health.suspects.classify(delivery, outcome),
            Content::Event(_) | Content::Batch(_) => {
                health.suspects.classify_batch(delivery, content.events(), outcome)
            }
        };
        self.metrics.count_attempt(self.name.as_str(), outcome.kind());
        match breaker.learn(&outcome, begun, Instant::now(), jitter) {
            Change::None => {}
            Change::Stopped => {
                let reason = outcome.reason().unwrap_or_default();
                tracing::error!(destination = %self.name, reason, "the destination is stopped; everything for it is kept");
            }
            Change::Resumed => {
                health.may_be_mended = true;
                tracing::info!(destination = %self.name, "the destination works again");
            }
        }
        let work = claim.work();
        let attempt = Attempt {
            number: work.tries,
            started_at,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            outcome: outcome.kind(),
            reason: outcome.reason().map(str::to_owned),
        };
        let case = Case {
            now: self.clock.now(),
            steady: self.clock.steady(),
            started: health.started,
            tries: work.tries,
            retrying_since: work.retrying_since,
            is_never_given_up: work.content.is_never_given_up(),
            events: work.content.events(),
            progress: work.progress.clone(),
            held: breaker.until().map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now())),
            jitter,
        };
        let verdict = decide(outcome, case);
        self.report(work, event, &attempt, &verdict);
        Settlement { claim, attempt, verdict }
    }

    fn report(&self, work: &DeliveryWork, event: Option<(EventId, ReceiptId)>, attempt: &Attempt, verdict: &Verdict) {
        let (destination, delivery) = (&self.name, work.delivery);
        let receipt = event.map(|(_, receipt)| receipt);
        let (single, incident, change) = work.content.subject();
        let events = Some(work.content.events()).filter(|events| *events > 1);
        // A batch of one is told as what it is: an event.
        let is_single = matches!(work.content, Content::Batch(_)) && events.is_none();
        let event = single.or(event.map(|(event, _)| event).filter(|_| is_single));
        let (event, incident) = (event.map(tracing::field::display), incident.map(tracing::field::display));
        let end = match verdict {
            Verdict::Delivered { .. } | Verdict::DeliveredExcept { .. } => Some(DeliveryEnd::Delivered),
            Verdict::Dead { .. } => Some(DeliveryEnd::Dead),
            Verdict::Gone { .. } => Some(DeliveryEnd::Gone),
            Verdict::Again { .. } | Verdict::Split { .. } => None,
        };
        if let Some(end) = end {
            self.metrics.count_delivery(destination.as_str(), change, end);
        }
        match verdict {
            Verdict::Delivered { .. } => {
                let receipt = receipt.map(tracing::field::display);
                let (tries, ms) = (attempt.number, attempt.duration_ms);
                match self.delivered.line(self.clock.steady()) {
                    Line::Write => {
                        tracing::info!(%destination, %delivery, event, events, incident, change, receipt, tries, ms, "a delivery has arrived");
                    }
                    Line::LeaveOut => {}
                    Line::LeaveOutAndTell => tell_left_out(destination.clone(), Arc::clone(&self.delivered)),
                }
            }
            Verdict::Again { not_before, reason, .. } if attempt.outcome != OutcomeKind::Misconfigured => {
                tracing::warn!(%destination, %delivery, event, events, incident, change, reason, again_at = %not_before, "not delivered yet");
            }
            Verdict::Again { .. } => {}
            Verdict::DeliveredExcept { refused, again, .. } => {
                let labels = ByQueue::of(destination.as_str(), DeliveryState::Dead);
                self.metrics.delivery_dead.get_or_create(&labels).inc_by(refused.len() as u64);
                let (refused, again) = (refused.len(), again.len());
                tracing::warn!(%destination, %delivery, events, refused, again, "a batch has arrived without some of its events");
            }
            Verdict::Split { reason } => {
                tracing::warn!(%destination, %delivery, events, reason, "a batch is sent again in two halves");
            }
            Verdict::Gone { reason } => {
                tracing::warn!(%destination, %delivery, event, events, incident, change, reason, "what was made there is gone");
            }
            Verdict::Dead { reason } => {
                let labels = ByQueue::of(destination.as_str(), DeliveryState::Dead);
                self.metrics.delivery_dead.get_or_create(&labels).inc();
                tracing::error!(%destination, %delivery, event, events, incident, change, reason, "a delivery became a dead letter");
            }
        }
    }

    fn show(&self, breaker: &Breaker) {
        let state = match (breaker.stopped(), breaker.failing()) {
            (Some(reason), _) => WorkerState::Stopped { reason: reason.to_owned() },
            (None, Some(reason)) => WorkerState::Failing { reason: reason.to_owned() },
            (None, None) if breaker.has_worked() => WorkerState::Running,
            (None, None) => WorkerState::Untried,
        };
        let is_stopped = matches!(state, WorkerState::Stopped { .. });
        let is_failing = matches!(state, WorkerState::Failing { .. });
        self.metrics.show_destination(self.name.as_str(), is_stopped, is_failing);
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// Tells, a while later, how many deliveries had no log line of their own.
fn tell_left_out(destination: DestinationName, lines: Arc<LineBudget>) {
    tokio::spawn(async move {
        tokio::time::sleep(TELL_AFTER).await;
        let (more, seconds) = (lines.take_left_out(), TELL_AFTER.as_secs());
        tracing::info!(%destination, more, seconds, "more deliveries have arrived than have a line of their own");
    });
}

/// A random number from 0 (inclusive) to 1 (exclusive).
#[allow(
    clippy::disallowed_methods,
    reason = "the one place where pauses get their randomness; what is computed from it takes it as an argument"
)]
fn random() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness all workers wait the same time: that is worse for the destination, but no fault.
    if getrandom::fill(&mut bytes).is_err() {
        return 0.5;
    }
    f64::from(u32::from_le_bytes(bytes)) / 4_294_967_296.0
}

/// Longer than the longest try and the time to record its outcome, so that nothing under way is claimed again.
const LEASE: Duration = Duration::from_secs(30);
const _: () = assert!(ATTEMPT_LONGEST.as_secs() + 5 <= LEASE.as_secs());
/// How long a wake-up that was missed waits at most.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How soon an outcome that could not be written down is written again.
const SETTLE_AGAIN: Duration = Duration::from_millis(500);
/// Of four slots of a notifier one goes to what has been due the longest, however urgent the others are; of four batches of a
/// sink one to its replay, if it has one.
const SLOTS_BEFORE_OLDEST: usize = 3;
/// Deliveries claimed in one piece of work: about a millisecond, so that intake need not wait for it.
const CLAIMED_AT_ONCE: usize = 64;
/// Deliveries made due in one piece of work.
const MADE_DUE_AT_ONCE: usize = 500;
/// Outcomes written down in one piece of work.
const SETTLED_AT_ONCE: usize = 96;

#[cfg(test)]
mod tests;
