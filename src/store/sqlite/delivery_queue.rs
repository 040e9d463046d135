//! Deliveries that wait for a destination, handed out under a lease, and what became of them.

use rusqlite::{CachedStatement, OptionalExtension, Transaction, params};

use super::super::{
    Claim, ClaimOrder, Claimed, Content, DeliveryWork, Lease, Policy, SetAside, Settlement, StoreError, Verdict,
};
use super::adoption::Adoption;
use super::batches::{self, BatchRow};
use super::delivery_candidates::{Candidate, CandidateContent};
use super::notifications::{Notifications, Prepared};
use super::rows::row_limit;
use super::source_turns::SourceTurns;
use super::update_digest::{Surplus, UpdateDigest};
use crate::domain::{BatchEvent, DestinationName, Progress, Timestamp};

/// Claims deliveries of one destination, in one transaction.
pub struct Claimer<'t> {
    transaction: &'t Transaction<'t>,
    destination: &'t DestinationName,
    policy: &'t Policy,
    turns: &'t mut SourceTurns,
    lease: Lease,
    claimed: Claimed,
    /// Deliveries that were looked at and not handed out.
    passed_over: usize,
    /// Nothing of this urgency or below is handed out.
    waits_below: Option<u8>,
}

impl<'t> Claimer<'t> {
    pub fn of(
        transaction: &'t Transaction<'t>,
        destination: &'t DestinationName,
        policy: &'t Policy,
        turns: &'t mut SourceTurns,
        lease: Lease,
    ) -> Self {
        Self {
            transaction,
            destination,
            policy,
            turns,
            lease,
            claimed: Claimed::default(),
            passed_over: 0,
            waits_below: None,
        }
    }

    pub fn claim(mut self, limit: usize, order: ClaimOrder) -> Result<Claimed, StoreError> {
        let waiting = urgencies(self.transaction, self.destination)?;
        let updates = UpdateDigest::of(self.transaction, self.policy, self.destination, self.lease.now);
        if let Surplus::WaitsBelow(urgency) = updates.fold(&waiting)? {
            self.waits_below = Some(urgency);
        }
        match order {
            ClaimOrder::MostSevere | ClaimOrder::PastFirst => self.most_severe(limit),
            ClaimOrder::LongestDue => self.longest_due(limit),
        }
    }

    /// The delivery that has been due the longest.
    fn longest_due(mut self, limit: usize) -> Result<Claimed, StoreError> {
        let mut longest: Option<(i64, u8)> = None;
        for urgency in self.urgencies()? {
            if let Some(soonest) = self.soonest_due(urgency)?
                && longest.is_none_or(|(found, _)| soonest < found)
            {
                longest = Some((soonest, urgency));
            }
        }
        if let Some((_, urgency)) = longest {
            self.claim_of_urgency(urgency, limit.min(1))?;
        }
        // After one that was handed out there may be another.
        let next_due = longest.map(|(due, _)| Timestamp::from_millis(due).max(self.lease.now));
        Ok(Claimed { next_due, ..self.claimed })
    }

    /// The most urgent, then the oldest of each source in turn.
    fn most_severe(mut self, limit: usize) -> Result<Claimed, StoreError> {
        let mut next_due = None;
        for urgency in self.urgencies()? {
            self.claim_of_urgency(urgency, limit - self.claimed.claims.len())?;
            if self.claimed.claims.len() == limit || self.passed_over >= PASSED_OVER_MAX {
                return Ok(Claimed { next_due: Some(self.lease.now), ..self.claimed });
            }
        }
        // What was postponed may have another urgency now.
        for urgency in self.urgencies()? {
            next_due = [next_due, self.soonest_due(urgency)?].into_iter().flatten().min();
        }
        Ok(Claimed { next_due: next_due.map(Timestamp::from_millis), ..self.claimed })
    }

    /// The urgencies of what waits, the highest first: one step in the index for each.
    fn urgencies(&self) -> Result<Vec<u8>, StoreError> {
        let mut found = urgencies(self.transaction, self.destination)?;
        found.retain(|urgency| self.waits_below.is_none_or(|below| *urgency > below));
        Ok(found)
    }

    /// When the next delivery with this urgency is due.
    fn soonest_due(&self, urgency: u8) -> rusqlite::Result<Option<i64>> {
        self.transaction
            .prepare_cached(
                "SELECT min(not_before) FROM deliveries WHERE destination = ?1 AND urgency = ?2 AND state = 0",
            )?
            .query_row(params![self.destination.as_str(), urgency], |row| row.get(0))
    }

    fn claim_of_urgency(&mut self, urgency: u8, limit: usize) -> Result<(), StoreError> {
        let wanted = self.claimed.claims.len() + limit;
        while self.claimed.claims.len() < wanted && self.passed_over < PASSED_OVER_MAX {
            let candidates = self.due_of(urgency, wanted - self.claimed.claims.len())?;
            if candidates.is_empty() {
                return Ok(());
            }
            for candidate in candidates {
                if self.passed_over >= PASSED_OVER_MAX {
                    return Ok(());
                }
                match candidate {
                    Ok(candidate) => self.hand_out(candidate)?,
                    Err(unreadable) => self.set_aside(unreadable)?,
                }
            }
        }
        Ok(())
    }

    /// At a notifier the sources take turns; a sink has its events in their order.
    fn due_of(&mut self, urgency: u8, limit: usize) -> Result<Vec<Result<Candidate, SetAside>>, StoreError> {
        let (transaction, now) = (self.transaction, self.lease.now);
        if self.policy.notifier(self.destination).is_none() {
            return Candidate::due(transaction, self.destination, urgency, now, limit);
        }
        let rows = self.turns.take(transaction, self.destination, urgency, now, limit)?;
        Candidate::of_rows(transaction, &rows)
    }

    fn hand_out(&mut self, mut candidate: Candidate) -> Result<(), StoreError> {
        let content = match candidate.content {
            CandidateContent::Event { .. } if self.policy.notifier(self.destination).is_some() => {
                self.adopt(&candidate)?;
                self.passed_over += PASSED_OVER_MAX / ADOPTED_MAX;
                None
            }
            CandidateContent::Batch(range) if self.policy.notifier(self.destination).is_some() => {
                batches::scatter(self.transaction, self.destination, (candidate.row, range), self.lease.now)?;
                // Its events, a batch of them, are enough for one transaction.
                self.passed_over += PASSED_OVER_MAX;
                None
            }
            CandidateContent::Batch(range) => Some(Content::Batch(range)),
            CandidateContent::Event { id, ref document, .. } => {
                Some(Content::Event(BatchEvent { id, document: document.clone() }))
            }
            CandidateContent::Change(ref change) => {
                match Notifications::of(self.transaction, self.policy, self.lease.now).prepare(change)? {
                    Prepared::Ready(change) => Some(Content::Change(change)),
                    Prepared::Instead(change) => {
                        (candidate.is_uncertain, candidate.retrying_since) = (false, None);
                        candidate.progress = Progress::default();
                        Some(Content::Change(change))
                    }
                    Prepared::NotNow => None,
                    Prepared::Unreadable(reason) => return self.set_aside(SetAside { row: candidate.row, reason }),
                }
            }
        };
        let Some(content) = content else {
            self.passed_over += 1;
            return Ok(());
        };
        self.transaction
            .prepare_cached(
                "UPDATE deliveries SET state = 1, generation = generation + 1, tries = tries + 1, lease_until = ?2
                 WHERE seq = ?1",
            )?
            .execute(params![candidate.row, self.lease.until().as_millis()])?;
        let work = DeliveryWork {
            delivery: candidate.id,
            content,
            tries: candidate.tries.saturating_add(1),
            uncertain: candidate.is_uncertain,
            progress: candidate.progress,
            retrying_since: candidate.retrying_since,
        };
        self.claimed.claims.push(Claim::new(candidate.row, candidate.generation + 1, work));
        Ok(())
    }

    /// A delivery that cannot be read becomes a dead letter.
    fn set_aside(&mut self, delivery: SetAside) -> Result<(), StoreError> {
        self.passed_over += 1;
        write_verdict(self.transaction, delivery.row, &Verdict::Dead { reason: delivery.reason.clone() })?;
        self.claimed.unreadable.push(delivery);
        Ok(())
    }

    /// Takes an event that was planned for this notifier by itself, by an earlier version or while the destination was a
    /// sink, into its incident.
    fn adopt(&self, candidate: &Candidate) -> Result<(), StoreError> {
        Adoption::of(self.transaction, self.policy, self.lease.now).adopt(candidate, self.destination)
    }
}

/// The urgencies of what waits for a destination, the highest first.
fn urgencies(transaction: &Transaction<'_>, destination: &DestinationName) -> Result<Vec<u8>, StoreError> {
    let mut select = transaction
        .prepare_cached("SELECT max(urgency) FROM deliveries WHERE destination = ?1 AND state = 0 AND urgency < ?2")?;
    let mut found = Vec::new();
    let mut below = i64::MAX;
    while let Some(urgency) =
        select.query_row(params![destination.as_str(), below], |row| row.get::<_, Option<i64>>(0))?
    {
        found.extend(u8::try_from(urgency));
        below = urgency;
    }
    Ok(found)
}

pub fn make_due(
    transaction: &Transaction<'_>,
    destination: &DestinationName,
    now: Timestamp,
    limit: usize,
) -> Result<usize, StoreError> {
    // A change that was never tried waits for its own time.
    let mut update = transaction.prepare_cached(
        "UPDATE deliveries SET not_before = min(created_at, ?3) WHERE seq IN (
             SELECT seq FROM deliveries WHERE destination = ?1 AND urgency = ?2 AND state = 0 AND not_before > ?3
             AND (notification IS NULL OR retrying_since IS NOT NULL OR reason IS NOT NULL) LIMIT ?4)",
    )?;
    let mut count = 0;
    for urgency in urgencies(transaction, destination)? {
        if count == limit {
            break;
        }
        let left = row_limit(limit - count);
        count += update.execute(params![destination.as_str(), urgency, now.as_millis(), left])?;
    }
    Ok(count)
}

/// Writes attempts and verdicts, with statements that are prepared once for all of them.
pub struct Settler<'t> {
    transaction: &'t Transaction<'t>,
    policy: &'t Policy,
    now: Timestamp,
    held: CachedStatement<'t>,
    attempt: CachedStatement<'t>,
    surplus: CachedStatement<'t>,
}

impl<'t> Settler<'t> {
    pub fn of(transaction: &'t Transaction<'t>, policy: &'t Policy, now: Timestamp) -> rusqlite::Result<Self> {
        Ok(Self {
            transaction,
            policy,
            now,
            held: transaction.prepare_cached(
                "SELECT notification FROM deliveries WHERE seq = ?1 AND generation = ?2 AND state = 1",
            )?,
            attempt: transaction.prepare_cached(
                "INSERT INTO attempts (delivery, number, started_at, duration_ms, outcome, reason)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            )?,
            surplus: transaction.prepare_cached("DELETE FROM attempts WHERE delivery = ?1 AND number <= ?2")?,
        })
    }

    /// `false`, and nothing written, when the lease had passed to another claim.
    pub fn settle(&mut self, settlement: &Settlement) -> Result<bool, StoreError> {
        let claim = &settlement.claim;
        let held = self.held.query_row(params![claim.row, claim.generation], |row| row.get::<_, Option<i64>>(0));
        let Some(notification) = held.optional()? else { return Ok(false) };
        let attempt = &settlement.attempt;
        self.attempt.execute(params![
            claim.row,
            attempt.number,
            attempt.started_at.as_millis(),
            i64::try_from(attempt.duration_ms).unwrap_or(i64::MAX),
            attempt.outcome.as_str(),
            attempt.reason
        ])?;
        // What is tried for as long as its incident goes on keeps its last attempts only.
        self.surplus.execute(params![claim.row, i64::from(attempt.number) - ATTEMPTS_KEPT])?;
        write_verdict(self.transaction, claim.row, &settlement.verdict)?;
        if let Content::Batch(range) = claim.work().content {
            BatchRow { row: claim.row, range }.settle(self.transaction, &settlement.verdict, self.now)?;
        }
        if let Some(notification) = notification {
            let notifications = Notifications::of(self.transaction, self.policy, self.now);
            notifications.settle(claim.row, notification, &settlement.verdict)?;
        }
        Ok(true)
    }
}

fn write_verdict(transaction: &Transaction<'_>, row: i64, verdict: &Verdict) -> Result<(), StoreError> {
    match verdict {
        Verdict::DeliveredExcept { .. } => transaction
            .prepare_cached(
                "UPDATE deliveries SET state = 2, lease_until = 0, reason = NULL, progress = NULL WHERE seq = ?1",
            )?
            .execute([row])?,
        Verdict::Split { reason } => transaction
            .prepare_cached("UPDATE deliveries SET state = 4, lease_until = 0, reason = ?2 WHERE seq = ?1")?
            .execute(params![row, format!("sent again in two halves: {reason}")])?,
        Verdict::Delivered { remote } => transaction
            .prepare_cached(
                "UPDATE deliveries SET state = 2, lease_until = 0, remote = ?2, reason = NULL, progress = NULL WHERE seq = ?1",
            )?
            .execute(params![row, remote.as_ref().map(|remote| &remote.name)])?,
        Verdict::Again { not_before, retrying_since, uncertain, is_pending, progress, reason } => {
            let notes = (!progress.0.is_null()).then(|| progress.0.to_string());
            transaction
                .prepare_cached(
                    "UPDATE deliveries SET state = 0, lease_until = 0, not_before = ?2, retrying_since = ?3,
                     uncertain = CASE WHEN uncertain = 1 OR ?4 THEN 1 WHEN uncertain = 2 OR ?7 THEN 2 ELSE 0 END,
                     progress = ?5, reason = ?6 WHERE seq = ?1",
                )?
                .execute(params![
                    row,
                    not_before.as_millis(),
                    retrying_since.map(Timestamp::as_millis),
                    uncertain,
                    notes,
                    reason,
                    is_pending
                ])?
        }
        Verdict::Gone { reason } => transaction
            .prepare_cached("UPDATE deliveries SET state = 4, lease_until = 0, reason = ?2 WHERE seq = ?1")?
            .execute(params![row, reason])?,
        Verdict::Dead { reason } => transaction
            .prepare_cached("UPDATE deliveries SET state = 3, lease_until = 0, reason = ?2 WHERE seq = ?1")?
            .execute(params![row, reason])?,
    };
    Ok(())
}

const ATTEMPTS_KEPT: i64 = 20;
/// So many deliveries that are found to be superfluous or too early are looked at in one transaction.
const PASSED_OVER_MAX: usize = 256;
/// So many events are taken into their incidents in one transaction: each loads and saves an incident and its notifications.
const ADOPTED_MAX: usize = 24;
