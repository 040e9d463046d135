//! The tries of one destination that have been begun and are not written down.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use crate::destinations::Receiver;
use crate::domain::{DeliveryId, EventId, Outcome, ReceiptId, Timestamp};
use crate::store::{Claim, ClaimOrder, DeliveryWork};

/// A try that has ended.
pub struct Finished {
    pub claim: Claim<DeliveryWork>,
    /// Its event and the event's receipt, where it has one that could be read.
    pub event: Option<(EventId, ReceiptId)>,
    pub outcome: Outcome,
    pub started_at: Timestamp,
    pub begun: Instant,
    pub took: Duration,
}

/// The tries that have been begun and are not written down.
#[derive(Default)]
pub struct UnderWay {
    pub running: FuturesUnordered<BoxFuture<'static, Finished>>,
    pub ended: Vec<Finished>,
    /// When the lease of each of them ends, by the monotonic clock.
    leases: HashMap<DeliveryId, Timestamp>,
    /// Slots of a notifier that went to the most urgent since one went to the oldest; of a sink, batches since one could be of
    /// the past.
    pub since_oldest: usize,
}

impl UnderWay {
    /// Begins a try of a delivery that is leased until then.
    pub fn begin(&mut self, delivery: DeliveryId, until: Timestamp, attempt: BoxFuture<'static, Finished>) {
        self.leases.insert(delivery, until);
        self.running.push(attempt);
    }

    /// Whether the lease of one of them has ended, so that a claim would hand it out again: the store has answered late, or
    /// takes no outcomes.
    pub fn is_overdue(&self, steady: Timestamp) -> bool {
        self.leases.values().any(|until| *until <= steady)
    }

    pub fn len(&self) -> usize {
        self.running.len() + self.ended.len()
    }

    /// In which order the next ones are handed out after so many that went to the most urgent. A sink keeps everything, so
    /// less severe events may be late there, and only its replay has a share. A person must be told of them within a bound.
    pub fn order(&self, receiver: &Receiver, slots_before_oldest: usize) -> ClaimOrder {
        match receiver {
            _ if self.since_oldest < slots_before_oldest => ClaimOrder::MostSevere,
            Receiver::Sink(_) => ClaimOrder::PastFirst,
            Receiver::Notifier(_) => ClaimOrder::LongestDue,
        }
    }

    /// Notes what was handed out.
    pub fn note_slots(&mut self, receiver: &Receiver, order: ClaimOrder, claimed: usize) {
        match (receiver, order) {
            (Receiver::Sink(_), ClaimOrder::LongestDue) => {}
            (_, ClaimOrder::LongestDue | ClaimOrder::PastFirst) => self.since_oldest = 0,
            (_, ClaimOrder::MostSevere) => self.since_oldest += claimed,
        }
    }

    /// Waits until at least one has ended; for ever, where there is none.
    pub async fn ended(&mut self) {
        if self.ended.is_empty() {
            match self.running.next().await {
                Some(done) => self.ended.push(done),
                None => std::future::pending().await,
            }
        }
    }

    /// Those that have ended by now, at most `most`.
    pub fn take_ended(&mut self, most: usize) -> Vec<Finished> {
        while self.ended.len() < most
            && let Some(Some(done)) = self.running.next().now_or_never()
        {
            self.ended.push(done);
        }
        let taken: Vec<Finished> = self.ended.drain(..most.min(self.ended.len())).collect();
        for done in &taken {
            self.leases.remove(&done.claim.work().delivery);
        }
        taken
    }

    /// Waits for something else, and goes on with the tries: an answer that is not polled within its time limit is
    /// lost.
    pub async fn meanwhile<T>(&mut self, other: impl Future<Output = T>) -> T {
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
