//! Work handed out under a lease, and what became of it.
//!
//! A claim raises the row's generation; a settlement must state the generation of its claim. An expired lease is simply
//! claimed again, with the delivery marked uncertain: the process that held it may have sent it before it ended.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::super::{
    Advanced, Claim, ClaimOrder, Claimed, ClaimedReceipts, Conclusion, Content, Dispatched, EventRange, Extended,
    Lease, LeasesLost, Outbox, PlannedEvent, Policy, ReceiptLimits, ReceiptWork, Settlement, StoreError, Ticket,
};
use super::batches::{Formed, MoreWaits};
use super::delivery_queue::{Claimer, Settler, make_due};
use super::incidents::Incidents;
use super::receipt_queue::{claim_receipts, renew};
use super::record::{Recorder, add_result, conclude, documents};
use super::source_turns::SourceTurns;
use super::work::WorkLine;
use super::{SqliteStore, batches, leases};
use crate::domain::{BatchEvent, BatchSize, DestinationName, Timestamp};
use crate::incidents::Present;

impl Outbox for SqliteStore {
    fn claim_receipts(&self, limits: ReceiptLimits, lease: Lease) -> Ticket<ClaimedReceipts> {
        let (turns, recent) = (Arc::clone(&self.turns), self.writer.recent());
        let kept = Arc::clone(&recent);
        self.writer.write_then(
            move |transaction, _| {
                let mut turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
                claim_receipts((transaction, &recent), &mut turns, limits, lease)
            },
            move |waiting, claimed| {
                waiting.backlogs.take(&claimed.no_longer_waiting);
                // Those of the same transaction were not in memory yet when they were claimed.
                let set_aside = claimed.set_aside.iter().map(|receipt| receipt.row);
                kept.forget(claimed.claims.iter().map(|claim| claim.row).chain(set_aside));
            },
        )
    }

    fn extend(
        &self,
        claim: &Claim<ReceiptWork>,
        events: Arc<Vec<PlannedEvent>>,
        policy: &Arc<Policy>,
        lease: Lease,
    ) -> Ticket<Extended> {
        // Serialized here and not in the transaction, to keep the writer thread free.
        let documents = match documents(events.iter()) {
            Ok(documents) => documents,
            Err(fault) => return Ticket::refused(fault),
        };
        let (claim, policy) = (claim.for_a_piece(), Arc::clone(policy));
        self.writer.write_with_keys(move |transaction, keys| {
            if !renew(transaction, &claim, lease)? {
                return Err(StoreError::LeaseLost);
            }
            let mut recorder = Recorder::of(transaction, keys.get(transaction)?, &policy, lease.now)?;
            let (mut tally, replayed) = recorder.record(&claim, events.iter().zip(&documents))?;
            let absorption = recorder.finish()?;
            tally.incidents_opened = absorption.opened.values().sum();
            add_result(transaction, &claim, lease.now, tally, None)?;
            Ok(Extended { tally, to_tell: absorption.to_tell, held_back: absorption.held_back, replayed })
        })
    }

    fn is_intake_crowded(&self) -> bool {
        self.writer.is_crowded()
    }

    fn forgets(&self) -> bool {
        self.forgets.load(Ordering::Acquire)
    }

    fn conclude(&self, conclusions: Arc<Vec<Conclusion>>, policy: &Arc<Policy>, now: Timestamp) -> Ticket<Dispatched> {
        let documents = match documents(conclusions.iter().flat_map(|conclusion| &conclusion.events)) {
            Ok(documents) => documents,
            Err(fault) => return Ticket::refused(fault),
        };
        let policy = Arc::clone(policy);
        self.writer.write_with_keys(move |transaction, keys| {
            let begun = Instant::now();
            let mut total = Dispatched::default();
            let mut recorder = Recorder::of(transaction, keys.get(transaction)?, &policy, now)?;
            conclude(transaction, &mut recorder, &conclusions, &documents, &mut total)?;
            let absorption = recorder.finish()?;
            for (source, opened) in absorption.opened {
                total.by_source.entry(source).or_default().incidents_opened += opened;
            }
            total.took = begun.elapsed();
            Ok(Dispatched { to_tell: absorption.to_tell, held_back: absorption.held_back, ..total })
        })
    }

    fn claim_deliveries(
        &self,
        destination: &DestinationName,
        limit: usize,
        order: ClaimOrder,
        policy: &Arc<Policy>,
        lease: Lease,
    ) -> Ticket<Claimed> {
        let line = line_of(policy, destination);
        let (destination, policy, turns) = (destination.clone(), Arc::clone(policy), Arc::clone(&self.source_turns));
        self.writer.write_in(line, move |transaction| {
            leases::free_expired(transaction, &destination, lease)?;
            let is_notifier = policy.notifier(&destination).is_some();
            let is_handed_over = !is_notifier || batches::hand_over(transaction, &destination, lease)?;
            let mut turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
            let mut claimed = Claimer::of(transaction, &destination, &policy, &mut turns, lease).claim(limit, order)?;
            if !is_handed_over {
                claimed.next_due = Some(lease.now);
            }
            Ok(claimed)
        })
    }

    fn claim_batches(
        &self,
        sink: &DestinationName,
        limit: usize,
        order: ClaimOrder,
        size: BatchSize,
        lease: Lease,
    ) -> Ticket<Claimed> {
        let sink = sink.clone();
        self.writer.write_in(WorkLine::Later, move |transaction| {
            leases::free_expired(transaction, &sink, lease)?;
            let (policy, mut turns) = (Policy::default(), SourceTurns::default());
            let mut claimed = Claimer::of(transaction, &sink, &policy, &mut turns, lease).claim(limit, order)?;
            let may_form = order != ClaimOrder::LongestDue || claimed.next_due.is_none();
            if order == ClaimOrder::PastFirst && claimed.claims.len() < limit {
                claimed.claims.extend(batches::form_of_replay(transaction, &sink, size, lease)?);
                if claimed.claims.len() == limit {
                    // New events were not looked at.
                    claimed.next_due = Some(lease.now);
                }
            }
            while may_form && claimed.claims.len() < limit {
                let formed = batches::form(transaction, &sink, size, lease)?;
                if matches!(formed, Formed::Batch(..) | Formed::NotYet) {
                    claimed.next_due = Some(lease.now);
                }
                let Formed::Batch(batch, more_waits) = formed else { break };
                claimed.is_drained = more_waits == MoreWaits::No;
                claimed.claims.push(batch);
            }
            if may_form && claimed.claims.len() < limit {
                claimed.claims.extend(batches::form_of_replay(transaction, &sink, size, lease)?);
            }
            Ok(claimed)
        })
    }

    fn batch_events(&self, sink: &DestinationName, range: EventRange) -> Result<Vec<BatchEvent>, StoreError> {
        batches::events(&self.reader.lock(), sink, range)
    }

    fn make_due(&self, destination: &DestinationName, now: Timestamp, limit: usize) -> Ticket<usize> {
        let destination = destination.clone();
        self.writer.write(move |transaction| make_due(transaction, &destination, now, limit))
    }

    fn settle(&self, settlements: Arc<Vec<Settlement>>, policy: &Arc<Policy>, now: Timestamp) -> Ticket<LeasesLost> {
        let policy = Arc::clone(policy);
        let is_first = settlements.iter().any(|done| matches!(done.claim.work().content, Content::Change(_)));
        let line = if is_first { WorkLine::First } else { WorkLine::Later };
        self.writer.write_in(line, move |transaction| {
            let mut settler = Settler::of(transaction, &policy, now)?;
            let mut lost = 0;
            for settlement in settlements.iter() {
                lost += usize::from(!settler.settle(settlement)?);
            }
            Ok(LeasesLost(lost))
        })
    }

    fn advance_incidents(&self, limit: usize, policy: &Arc<Policy>, present: Present) -> Ticket<Advanced> {
        let policy = Arc::clone(policy);
        self.writer.write(move |transaction| Incidents::of(transaction, &policy, present.now).advance(limit, present))
    }
}

/// What notifiers are told must not wait for sinks, which have a row for every event.
fn line_of(policy: &Policy, destination: &DestinationName) -> WorkLine {
    if policy.notifier(destination).is_some() { WorkLine::First } else { WorkLine::Later }
}

#[cfg(test)]
mod tests {
    use super::super::super::NotifierPolicy;
    use super::*;
    use crate::domain::NotifierClass;

    #[test]
    fn what_notifiers_are_told_does_not_wait_for_sinks() {
        let [pager, archive]: [DestinationName; 2] = ["pager", "archive"].map(|name| name.parse().unwrap());
        let mut policy = Policy::default();
        policy.notifiers.insert(pager.clone(), NotifierPolicy { class: NotifierClass::Pager, fingerprint: [0; 16] });
        assert_eq!([&pager, &archive].map(|name| line_of(&policy, name)), [WorkLine::First, WorkLine::Later]);
    }
}
