//! The worker of one destination: it keeps its own pace and depends on no other worker.
//!
//! A worker claims what is due, tries it, and records the outcomes, several at a time in one transaction. What has been
//! tried is recorded before anything else is claimed: if the disk is full the worker waits with the outcome in memory
//! instead of sending the same thing again.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::breaker::{Breaker, Change};
use super::pace::Pacer;
use super::retry::{Case, decide};
use super::suspects::Suspects;
use crate::destinations::{Exchange, Next, Receiver};
use crate::domain::{
    Attempt, Clock, DeliveryState, DestinationName, Event, Job, Outcome, OutcomeKind, Progress, Purpose, ReceiptId,
    Repeat, Scope, Timestamp,
};
use crate::egress::Egress;
use crate::store::{
    Claim, ClaimOrder, Content, DeliveryWork, Lease, Outbox, Policy, SetAside, Settlement, StoreError, Verdict,
};
use crate::telemetry::{ByQueue, DeliveryEnd, Line, LineBudget, Metrics, TELL_AFTER};

/// The state of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerState {
    /// It works, or has nothing to do.
    Running,
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

/// A try that has ended.
struct Finished {
    claim: Claim<DeliveryWork>,
    /// The receipt of its event, where that could be read.
    receipt: Option<ReceiptId>,
    outcome: Outcome,
    started_at: Timestamp,
    begun: Instant,
    took: Duration,
}

/// The tries that have been begun and are not written down.
#[derive(Default)]
struct UnderWay {
    running: FuturesUnordered<BoxFuture<'static, Finished>>,
    ended: Vec<Finished>,
    /// Slots of a notifier that went to the most urgent since one went to the oldest.
    since_oldest: usize,
}

impl UnderWay {
    fn len(&self) -> usize {
        self.running.len() + self.ended.len()
    }

    /// A sink keeps everything, so less severe events may be late there. A person must be told of them within a bound.
    fn note_slots(&mut self, receiver: &Receiver, order: ClaimOrder, claimed: usize) {
        match (receiver, order) {
            (Receiver::Sink(_), _) => {}
            (Receiver::Notifier(_), ClaimOrder::LongestDue) => self.since_oldest = 0,
            (Receiver::Notifier(_), ClaimOrder::MostSevere) => self.since_oldest += claimed,
        }
    }

    /// Waits until at least one has ended; for ever, where there is none.
    async fn ended(&mut self) {
        if self.ended.is_empty() {
            match self.running.next().await {
                Some(done) => self.ended.push(done),
                None => std::future::pending().await,
            }
        }
    }

    /// Those that have ended by now, at most `most`.
    fn take_ended(&mut self, most: usize) -> Vec<Finished> {
        while self.ended.len() < most
            && let Some(Some(done)) = self.running.next().now_or_never()
        {
            self.ended.push(done);
        }
        self.ended.drain(..most.min(self.ended.len())).collect()
    }

    /// Waits for something else, and goes on with the tries: an answer that is not polled within its time limit is
    /// lost.
    async fn meanwhile<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = std::pin::pin!(other);
        loop {
            tokio::select! {
                biased;
                result = &mut other => return result,
                Some(done) = self.running.next() => self.ended.push(done),
            }
        }
    }
}

impl Worker {
    /// Works until `stop` changes, then finishes what is under way.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let worker = self;
        let (breaker, suspects) = (Breaker::default(), Suspects::default());
        // A start and a reload may each have fixed it.
        let mut health = Health { started: worker.clock.steady(), breaker, suspects, may_be_mended: true };
        let mut pacer = Pacer::new(worker.receiver.pace(), Instant::now());
        let mut under_way = UnderWay::default();
        // What an earlier worker of this name has shown is over.
        worker.show(&health.breaker);
        while !*stop.borrow() {
            worker.make_due(&mut under_way, &mut health).await;
            let due = worker.start_what_is_due(&mut pacer, &health.breaker, &mut under_way).await;
            let pause = worker.pause_until(due, &pacer, &health.breaker);
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
        self: &Arc<Self>,
        pacer: &mut Pacer,
        breaker: &Breaker,
        under_way: &mut UnderWay,
    ) -> Option<Timestamp> {
        let now = Instant::now();
        let room = self.receiver.pace().concurrency.saturating_sub(under_way.len());
        let limit = breaker.allowed(room.min(pacer.available(now)), under_way.len(), now).min(CLAIMED_AT_ONCE);
        if limit == 0 {
            return None;
        }
        let lease = Lease { now: self.clock.now(), steady: self.clock.steady(), length: LEASE };
        // A trial goes to what has waited longest: were it always the most severe, one message that cannot be delivered
        // would keep the others from showing that they can.
        let is_for_the_oldest = breaker.is_on_trial() || under_way.since_oldest >= SLOTS_BEFORE_OLDEST;
        let order = if is_for_the_oldest { ClaimOrder::LongestDue } else { ClaimOrder::MostSevere };
        let claiming = self.outbox.claim_deliveries(&self.name, limit, order, &self.policy, lease);
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
        for claim in claimed.claims {
            under_way.running.push(Arc::clone(self).attempt(claim).boxed());
        }
        claimed.next_due
    }

    /// How long there is nothing to start. `due` is when the next delivery is due, if that is known.
    fn pause_until(&self, due: Option<Timestamp>, pacer: &Pacer, breaker: &Breaker) -> Duration {
        let now = Instant::now();
        let held = breaker.until().map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let held = held.max(pacer.wait(now));
        let wait = match due {
            Some(due) => due.since(self.clock.now()).max(held),
            None if held.is_zero() => LOOK_INTERVAL,
            None => held,
        };
        wait.min(LOOK_INTERVAL)
    }

    /// One try, from the first message to the outcome.
    async fn attempt(self: Arc<Self>, claim: Claim<DeliveryWork>) -> Finished {
        let started_at = self.clock.now();
        let begun = Instant::now();
        let event = match claim.work().content.event() {
            Ok(event) => event,
            // One that cannot be read must not keep the others from being sent.
            Err(fault) => {
                let reason = format!("its event cannot be read from the store, a defect of gatepost: {fault}");
                let outcome = Outcome::Refused { reason };
                return Finished { claim, receipt: None, outcome, started_at, begun, took: begun.elapsed() };
            }
        };
        // What is looked for was perhaps sent before a clock was set forward: better too far back than too late.
        let talk =
            AssertUnwindSafe(self.talk(claim.work(), &event, started_at.min(self.clock.steady()))).catch_unwind();
        let outcome = match tokio::time::timeout(ATTEMPT_LONGEST, talk).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => self.panicked(claim.work()),
            Err(_) => Outcome::Unknown {
                scope: Scope::Destination,
                repeat: Repeat::Freely,
                reason: format!("no end of the exchange within {} s", ATTEMPT_LONGEST.as_secs()),
                progress: claim.work().progress.clone(),
            },
        };
        Finished { claim, receipt: Some(event.receipt), outcome, started_at, begun, took: begun.elapsed() }
    }

    async fn talk(&self, work: &DeliveryWork, event: &Event, now: Timestamp) -> Outcome {
        let job = Job {
            id: work.delivery,
            event,
            purpose: Purpose::Alert,
            tries: work.tries,
            uncertain: work.uncertain,
            progress: &work.progress,
            now,
        };
        match (&self.receiver, &work.content) {
            (Receiver::Sink(sink), Content::Event { .. }) => {
                converse(Exchange::Event(sink.as_ref(), &job), &self.egress, |_, _| ()).await
            }
            (Receiver::Notifier(notifier), Content::Change(change)) => {
                let telling = change.telling();
                converse(Exchange::Change(notifier.as_ref(), &job, &telling), &self.egress, |_, _| ()).await
            }
            // The store hands out what the policy says, and both are made of the same configuration.
            _ => Outcome::Refused { reason: "it was planned for another kind of destination".to_owned() },
        }
    }

    fn panicked(&self, work: &DeliveryWork) -> Outcome {
        tracing::error!(destination = %self.name, delivery = %work.delivery, "rendering a delivery failed");
        let reason = "gatepost failed while rendering it; this is a defect of gatepost".to_owned();
        if work.tries >= PANICS_MAX {
            return Outcome::Refused { reason };
        }
        Outcome::Retry { reason, after: None, scope: Scope::Delivery, progress: Progress::default() }
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
        let Finished { claim, receipt, outcome, started_at, begun, took } = done;
        let jitter = random();
        let breaker = &mut health.breaker;
        let outcome = health.suspects.classify(claim.work().delivery, outcome);
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
            is_news: work.content.is_news(),
            progress: work.progress.clone(),
            held: breaker.until().map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now())),
            jitter,
        };
        let verdict = decide(outcome, case);
        self.report(work, receipt, &attempt, &verdict);
        Settlement { claim, attempt, verdict }
    }

    fn report(&self, work: &DeliveryWork, receipt: Option<ReceiptId>, attempt: &Attempt, verdict: &Verdict) {
        let (destination, delivery) = (&self.name, work.delivery);
        let (event, incident, change) = work.content.subject();
        let (event, incident) = (event.map(tracing::field::display), incident.map(tracing::field::display));
        let end = match verdict {
            Verdict::Delivered { .. } => Some(DeliveryEnd::Delivered),
            Verdict::Dead { .. } => Some(DeliveryEnd::Dead),
            Verdict::Gone { .. } => Some(DeliveryEnd::Gone),
            Verdict::Again { .. } => None,
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
                        tracing::info!(%destination, %delivery, event, incident, change, receipt, tries, ms, "a delivery has arrived");
                    }
                    Line::LeaveOut => {}
                    Line::LeaveOutAndTell => tell_left_out(destination.clone(), Arc::clone(&self.delivered)),
                }
            }
            Verdict::Again { not_before, reason, .. } if attempt.outcome != OutcomeKind::Misconfigured => {
                tracing::warn!(%destination, %delivery, event, incident, change, reason, again_at = %not_before, "not delivered yet");
            }
            Verdict::Again { .. } => {}
            Verdict::Gone { reason } => {
                tracing::warn!(%destination, %delivery, event, incident, change, reason, "what was made there is gone");
            }
            Verdict::Dead { reason } => {
                let labels = ByQueue::of(destination.as_str(), DeliveryState::Dead);
                self.metrics.delivery_dead.get_or_create(&labels).inc();
                tracing::error!(%destination, %delivery, event, incident, change, reason, "a delivery became a dead letter");
            }
        }
    }

    fn show(&self, breaker: &Breaker) {
        let state = match (breaker.stopped(), breaker.failing()) {
            (Some(reason), _) => WorkerState::Stopped { reason: reason.to_owned() },
            (None, Some(reason)) => WorkerState::Failing { reason: reason.to_owned() },
            (None, None) => WorkerState::Running,
        };
        let is_stopped = matches!(state, WorkerState::Stopped { .. });
        let is_failing = matches!(state, WorkerState::Failing { .. });
        self.metrics.show_destination(self.name.as_str(), is_stopped, is_failing);
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// Drives a destination's step machine to its outcome. `seen` is called with each step and its reply, for callers that
/// display them.
pub async fn converse(
    exchange: Exchange<'_>,
    egress: &Egress,
    mut seen: impl FnMut(&'static str, &crate::destinations::Reply),
) -> Outcome {
    let mut next = exchange.first();
    // One round more than messages: the last reply has an outcome too.
    for _ in 0..=STEPS_MAX {
        match next {
            Next::Done(outcome) => return outcome,
            Next::Send(step, message) => {
                let reply = egress.send(message).await;
                seen(step, &reply);
                next = exchange.next(step, &reply);
            }
        }
    }
    Outcome::Refused {
        reason: "the destination's steps do not come to an end; this is a defect of gatepost".to_owned(),
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

/// No try lasts longer than this, whatever the destination does.
const ATTEMPT_LONGEST: Duration = Duration::from_secs(25);
/// Longer than the longest try and the time to record its outcome, so that nothing under way is claimed again.
const LEASE: Duration = Duration::from_secs(30);
const _: () = assert!(ATTEMPT_LONGEST.as_secs() + 5 <= LEASE.as_secs());
/// How long a wake-up that was missed waits at most.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How soon an outcome that could not be written down is written again.
const SETTLE_AGAIN: Duration = Duration::from_millis(500);
/// Of four slots of a notifier one goes to what has been due the longest, however urgent the others are.
const SLOTS_BEFORE_OLDEST: usize = 3;
/// Deliveries claimed in one piece of work: about a millisecond, so that intake need not wait for it.
const CLAIMED_AT_ONCE: usize = 64;
/// Deliveries made due in one piece of work.
const MADE_DUE_AT_ONCE: usize = 500;
/// Outcomes written down in one piece of work.
const SETTLED_AT_ONCE: usize = 96;
/// More steps than any destination has: Slack reads ten pages of a channel's history and then posts, at most twice.
const STEPS_MAX: usize = 16;
/// A delivery whose rendering fails this often is a dead letter.
const PANICS_MAX: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authentic::authentic;
    use crate::destinations::{Append, Message, Pace, Reply, Sink, Step};
    use crate::domain::{DeliveryId, DeliveryState, Draft, Encoding, Event, Receipt, ReceiptId, Severity, SystemClock};
    use crate::store::{
        Access, Conclusion, DeliveryFilter, DeliveryRow, Inbox, Joining, Page, PlannedEvent, Queries, ReceiptLimits,
        ReceiptWork, Routed, SqliteStore,
    };
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Comes to an end after so many messages, as Slack does in a busy channel.
    #[derive(Debug)]
    struct Talkative {
        messages: usize,
        sent: AtomicUsize,
        path: PathBuf,
    }

    impl Talkative {
        fn say(&self) -> Next {
            if self.sent.fetch_add(1, Ordering::Relaxed) == self.messages {
                return Next::Done(Outcome::Delivered { remote: None });
            }
            let line = bytes::Bytes::from_static(b"a step");
            Next::Send("step", Message::Append(Append { path: self.path.clone(), line, unless_present: None }))
        }
    }

    impl Sink for Talkative {
        fn pace(&self) -> Pace {
            Pace::unlimited(1)
        }

        fn first(&self, _job: &Job<'_>) -> Next {
            self.say()
        }

        fn next(&self, _job: &Job<'_>, _step: Step, _reply: &Reply) -> Next {
            self.say()
        }
    }

    fn event() -> Event {
        let receipt = Receipt {
            id: ReceiptId::generate(),
            source: "s".parse().unwrap(),
            received_at: Timestamp::default(),
            content_type: None,
            encoding: Encoding::Identity,
            body: bytes::Bytes::new(),
        };
        Draft::default().into_event(&receipt, "v", Severity::High, 0)
    }

    async fn outcome_after(messages: usize) -> Outcome {
        let folder = tempfile::tempdir().unwrap();
        let talkative = Talkative { messages, sent: AtomicUsize::new(0), path: folder.path().join("steps") };
        let (event, progress) = (event(), Progress::default());
        let job = Job {
            id: DeliveryId::generate(),
            event: &event,
            purpose: Purpose::Alert,
            tries: 1,
            uncertain: false,
            progress: &progress,
            now: Timestamp::default(),
        };
        converse(Exchange::Event(&talkative, &job), &Egress::new().unwrap(), |_, _| ()).await
    }

    #[tokio::test]
    async fn the_longest_exchange_fits_and_an_endless_one_comes_to_an_end() {
        // Ten pages of history, the message with blocks, the message without.
        assert_eq!(outcome_after(12).await, Outcome::Delivered { remote: None });
        assert_eq!(outcome_after(STEPS_MAX).await, Outcome::Delivered { remote: None });
        assert!(matches!(outcome_after(usize::MAX).await, Outcome::Refused { .. }));
    }

    #[tokio::test]
    async fn an_answer_is_received_while_the_worker_waits_for_something_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("gatepost.db"), Access::Serve).unwrap();
        plan(&store, &["heard"]).await;
        let now = SystemClock.now();
        let lease = Lease { now, steady: now, length: LEASE };
        let mut claims = store
            .claim_deliveries(&"d".parse().unwrap(), 1, ClaimOrder::MostSevere, &Arc::default(), lease)
            .await
            .unwrap()
            .claims;
        let claim = claims.pop().unwrap();
        // Answered at once; polled only after the limit, the answer is lost.
        let exchange = async move {
            let (begun, limit) = (Instant::now(), Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(20)).await;
            let outcome = match begun.elapsed() < limit {
                true => Outcome::Delivered { remote: None },
                false => Outcome::Refused { reason: "no answer".into() },
            };
            Finished { claim, receipt: None, outcome, started_at: now, begun, took: begun.elapsed() }
        };
        let mut under_way = UnderWay::default();
        under_way.running.push(exchange.boxed());
        under_way.meanwhile(tokio::time::sleep(Duration::from_millis(1200))).await;
        assert_eq!(under_way.len(), 1);
        under_way.ended().await;
        let ended = under_way.take_ended(8);
        assert_eq!(ended.iter().map(|done| done.outcome.kind()).collect::<Vec<_>>(), [OutcomeKind::Delivered]);
        assert_eq!(under_way.len(), 0);
    }

    /// Has a defect that one event triggers, and takes all others.
    #[derive(Debug)]
    struct Defective;

    impl Sink for Defective {
        fn pace(&self) -> Pace {
            Pace::unlimited(4)
        }

        fn first(&self, job: &Job<'_>) -> Next {
            assert!(job.event.title != POISON, "a defect");
            Next::Done(Outcome::Delivered { remote: None })
        }

        fn next(&self, _job: &Job<'_>, _step: Step, _reply: &Reply) -> Next {
            Next::Done(Outcome::Delivered { remote: None })
        }
    }

    const POISON: &str = "poison";

    /// Stores an event of each title and plans it for the destination `d`.
    async fn plan(store: &SqliteStore, titles: &[&'static str]) {
        let now = SystemClock.now();
        for title in titles {
            store.accept(authentic("s", title, title, now), None).await.unwrap();
        }
        let limits = ReceiptLimits::of_any_size(titles.len());
        let claims = store.claim_receipts(limits, Lease { now, steady: now, length: LEASE }).await.unwrap().claims;
        let conclude = |claim: Claim<ReceiptWork>| {
            let receipt = &claim.work().receipt;
            let title = String::from_utf8(receipt.body.to_vec()).unwrap();
            let event = Draft { title, ..Draft::default() }.into_event(receipt, "v", Severity::High, 0);
            let deliveries = vec![("d".parse().unwrap(), "r".parse().unwrap())];
            let joining = Joining::of(&event);
            let events = vec![PlannedEvent { event, deliveries, routed: Routed::Yes, recurrence: None, joining }];
            Conclusion { claim, events, note: None }
        };
        store.conclude(Arc::new(claims.into_iter().map(conclude).collect()), &Arc::default(), now).await.unwrap();
    }

    #[tokio::test]
    async fn a_delivery_that_panics_three_times_is_a_dead_letter_with_a_notice_and_stops_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("gatepost.db"), Access::Serve).unwrap();
        plan(&store, &[POISON, "sound", "sound too"]).await;
        let metrics = Arc::new(Metrics::new());
        let worker = Worker {
            name: "d".parse().unwrap(),
            receiver: Receiver::Sink(Arc::new(Defective)),
            policy: Arc::default(),
            outbox: Arc::new(store.clone()),
            egress: Egress::new().unwrap(),
            clock: Arc::new(SystemClock),
            metrics: Arc::clone(&metrics),
            wake: Arc::default(),
            state: Arc::new(Mutex::new(WorkerState::Running)),
            delivered: Arc::default(),
        };
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(Arc::new(worker).run(stopped));
        let deadline = Instant::now() + Duration::from_secs(30);
        let settled = |row: &DeliveryRow| matches!(row.delivery.state, DeliveryState::Delivered | DeliveryState::Dead);
        let rows = loop {
            let rows = store.deliveries(&Page { limit: 10, before: None }, &DeliveryFilter::default()).unwrap();
            if rows.len() == 3 && rows.iter().all(settled) {
                break rows;
            }
            assert!(Instant::now() < deadline, "{rows:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        stop.send_replace(true);
        running.await.unwrap();
        let dead: Vec<_> = rows.iter().filter(|row| row.delivery.state == DeliveryState::Dead).collect();
        assert_eq!(dead.len(), 1, "{rows:?}");
        assert_eq!(dead[0].delivery.tries, PANICS_MAX);
        assert!(dead[0].delivery.reason.as_deref().unwrap().contains("a defect of gatepost"), "{rows:?}");
        let notice = "gatepost_delivery_dead_total{destination=\"d\",state=\"dead\"} 1";
        assert!(metrics.render().contains(notice), "{}", metrics.render());
        for (outcome, count) in [("dead", 1), ("delivered", 2)] {
            let ended =
                format!("gatepost_deliveries_total{{destination=\"d\",kind=\"event\",outcome=\"{outcome}\"}} {count}");
            assert!(metrics.render().contains(&ended), "{ended}: {}", metrics.render());
        }
    }
}
