//! One try of a delivery: from what the store hands out to the outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::presentation::Presentation;
use super::under_way::Finished;
use crate::destinations::{Exchange, Next, Notifier, Receiver, Reply, Sink};
use crate::domain::{
    Batch, BatchEvent, Clock, DestinationName, EventId, Job, Outcome, Progress, Purpose, ReceiptId, Repeat, Scope,
    Telling, Timestamp,
};
use crate::egress::Egress;
use crate::store::{ChangeContent, Claim, Content, DeliveryWork, Outbox};
use crate::telemetry::Metrics;

/// What tries need, for one destination.
pub struct Attempts {
    /// The destination's name.
    pub name: DestinationName,
    /// The destination.
    pub receiver: Receiver,
    /// The store.
    pub outbox: Arc<dyn Outbox>,
    /// The operator's words.
    pub presentation: Arc<Presentation>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The way out.
    pub egress: Egress,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The outcome of a try, and its event with the event's receipt, where there is one.
type Ended = (Outcome, Option<(EventId, ReceiptId)>);

impl Attempts {
    /// One try, from the first message to the outcome. Never longer than [`ATTEMPT_LONGEST`].
    pub async fn attempt(self: Arc<Self>, claim: Claim<DeliveryWork>) -> Finished {
        let started_at = self.clock.now();
        let begun = Instant::now();
        // What is looked for was perhaps sent before a clock was set forward: better too far back than too late.
        let now = started_at.min(self.clock.steady());
        let talk = AssertUnwindSafe(self.talk(claim.work(), now)).catch_unwind();
        let (outcome, event) = match tokio::time::timeout(ATTEMPT_LONGEST, talk).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) => (self.panicked(claim.work()), None),
            Err(_) => (too_long(claim.work()), None),
        };
        Finished { claim, event, outcome, started_at, begun, took: begun.elapsed() }
    }

    async fn talk(&self, work: &DeliveryWork, now: Timestamp) -> Ended {
        match (&self.receiver, &work.content) {
            (Receiver::Sink(sink), Content::Event(event)) => {
                self.send_batch(sink.as_ref(), work, std::slice::from_ref(event)).await
            }
            (Receiver::Sink(sink), Content::Batch(_)) => match self.events_of(work).await {
                Ok(events) => self.send_batch(sink.as_ref(), work, &events).await,
                Err(outcome) => (outcome, None),
            },
            (Receiver::Notifier(notifier), Content::Change(change)) => {
                self.tell(notifier.as_ref(), work, change, now).await
            }
            // The store hands out what the policy says, and both are made of the same configuration.
            _ => (Outcome::Refused { reason: "it was planned for another kind of destination".to_owned() }, None),
        }
    }

    /// The events of a batch, read beside the thread that writes.
    async fn events_of(&self, work: &DeliveryWork) -> Result<Vec<BatchEvent>, Outcome> {
        let Content::Batch(range) = work.content else { return Ok(Vec::new()) };
        let (outbox, name) = (Arc::clone(&self.outbox), self.name.clone());
        let read = tokio::task::spawn_blocking(move || outbox.batch_events(&name, range)).await;
        let fault = match read {
            Ok(Ok(events)) if events.is_empty() => {
                return Err(Outcome::Refused { reason: "retention has deleted its events".to_owned() });
            }
            Ok(Ok(events)) => return Ok(events),
            Ok(Err(fault)) => fault.to_string(),
            Err(error) => error.to_string(),
        };
        let reason = format!("its events cannot be read from the store now: {fault}");
        Err(Outcome::Retry { reason, after: None, scope: Scope::Destination, progress: work.progress.clone() })
    }

    /// A receiver compares the time of a signature with its own clock, so it is the wall clock's: the monotonic one stands
    /// still while a machine sleeps.
    async fn send_batch(&self, sink: &dyn Sink, work: &DeliveryWork, events: &[BatchEvent]) -> Ended {
        let batch = Batch {
            id: work.delivery,
            events,
            purpose: Purpose::Alert,
            tries: work.tries,
            uncertain: work.uncertain,
            progress: &work.progress,
            now: self.clock.now(),
        };
        let outcome = converse(Exchange::Batch(sink, &batch), &self.egress, |_, _| ()).await;
        let event = match events {
            [event] => event.document.read().ok().map(|event| (event.id, event.receipt)),
            _ => None,
        };
        (outcome, event)
    }

    async fn tell(
        &self,
        notifier: &dyn Notifier,
        work: &DeliveryWork,
        change: &ChangeContent,
        now: Timestamp,
    ) -> Ended {
        let event = match change.event.read() {
            Ok(event) => event,
            // One that cannot be read must not keep the others from being sent.
            Err(fault) => {
                let reason = format!("its event cannot be read from the store, a defect of gatepost: {fault}");
                return (Outcome::Refused { reason }, None);
            }
        };
        let job = Job {
            id: work.delivery,
            event: &event,
            purpose: Purpose::Alert,
            tries: work.tries,
            uncertain: work.uncertain,
            progress: &work.progress,
            now,
        };
        let telling = change.telling();
        let wording = self.presentation.told(&self.name, &self.metrics, &job, &telling);
        let telling = Telling { wording: &wording, ..telling };
        let exchange = Exchange::Change(notifier, &job, &telling);
        (converse(exchange, &self.egress, |_, _| ()).await, Some((event.id, event.receipt)))
    }

    fn panicked(&self, work: &DeliveryWork) -> Outcome {
        tracing::error!(destination = %self.name, delivery = %work.delivery, "rendering a delivery failed");
        let reason = "gatepost failed while rendering it; this is a defect of gatepost".to_owned();
        if work.tries >= PANICS_MAX || work.content.events() > 1 {
            return Outcome::Refused { reason };
        }
        Outcome::Retry { reason, after: None, scope: Scope::Delivery, progress: Progress::default() }
    }
}

fn too_long(work: &DeliveryWork) -> Outcome {
    Outcome::Unknown {
        scope: Scope::Destination,
        repeat: Repeat::Freely,
        after: None,
        reason: format!("no end of the exchange within {} s", ATTEMPT_LONGEST.as_secs()),
        progress: work.progress.clone(),
    }
}

/// Drives a destination's step machine to its outcome. `seen` is called with each step and its reply, for callers that
/// display them.
pub async fn converse(exchange: Exchange<'_>, egress: &Egress, mut seen: impl FnMut(&'static str, &Reply)) -> Outcome {
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

/// No try lasts longer than this, whatever the destination does.
pub const ATTEMPT_LONGEST: Duration = Duration::from_secs(25);
/// More steps than any destination has: Slack reads ten pages of a channel's history and then posts, at most twice.
pub const STEPS_MAX: usize = 16;
/// A delivery whose rendering fails this often is a dead letter.
pub const PANICS_MAX: u32 = 3;
