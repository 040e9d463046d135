//! Deliveries that wait for a destination, handed out under a lease, and what became of them.

use rusqlite::{CachedStatement, Row, Transaction, params};

use super::super::{Claim, Claimed, Consignment, Document, Lease, Settlement, StoreError, Verdict};
use super::rows::{URGENCY_MAX, row_limit, set_aside};
use crate::domain::{DeliveryId, DestinationName, EventId, Timestamp};

/// Frees what was not settled within its lease.
pub fn free_expired(
    transaction: &Transaction<'_>,
    destination: &DestinationName,
    lease: Lease,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE deliveries SET state = 0, uncertain = 1 WHERE destination = ?1 AND state = 1 AND lease_until <= ?2",
        )?
        .execute(params![destination.as_str(), lease.steady.as_millis()])?;
    Ok(())
}

pub fn claim_longest_due(
    transaction: &Transaction<'_>,
    destination: &DestinationName,
    limit: usize,
    lease: Lease,
) -> Result<Claimed, StoreError> {
    let name = destination.as_str();
    let mut longest: Option<(i64, u8)> = None;
    for urgency in (0..=URGENCY_MAX).rev() {
        if let Some(soonest) = soonest_due(transaction, name, urgency)?
            && longest.is_none_or(|(found, _)| soonest < found)
        {
            longest = Some((soonest, urgency));
        }
    }
    let mut claimed = Claimed::default();
    if let Some((_, urgency)) = longest {
        claim_of_urgency(transaction, (name, urgency), limit.min(1), lease, &mut claimed)?;
    }
    // After one that was handed out there may be another.
    let next_due = longest.map(|(due, _)| Timestamp::from_millis(due).max(lease.now));
    Ok(Claimed { next_due, ..claimed })
}

/// When the next delivery of a destination with this urgency is due.
fn soonest_due(transaction: &Transaction<'_>, destination: &str, urgency: u8) -> rusqlite::Result<Option<i64>> {
    transaction
        .prepare_cached("SELECT min(not_before) FROM deliveries WHERE destination = ?1 AND urgency = ?2 AND state = 0")?
        .query_row(params![destination, urgency], |row| row.get(0))
}

pub fn claim_most_severe(
    transaction: &Transaction<'_>,
    destination: &DestinationName,
    limit: usize,
    lease: Lease,
) -> Result<Claimed, StoreError> {
    let name = destination.as_str();
    let mut claimed = Claimed::default();
    let mut next_due = None;
    for urgency in (0..=URGENCY_MAX).rev() {
        claim_of_urgency(transaction, (name, urgency), limit - claimed.claims.len(), lease, &mut claimed)?;
        if claimed.claims.len() == limit {
            return Ok(Claimed { next_due: Some(lease.now), ..claimed });
        }
        let soonest = soonest_due(transaction, name, urgency)?;
        next_due = [next_due, soonest].into_iter().flatten().min();
    }
    Ok(Claimed { next_due: next_due.map(Timestamp::from_millis), ..claimed })
}

fn claim_of_urgency(
    transaction: &Transaction<'_>,
    (destination, urgency): (&str, u8),
    limit: usize,
    lease: Lease,
    claimed: &mut Claimed,
) -> Result<(), StoreError> {
    let mut select = transaction.prepare_cached(
        "SELECT d.seq, d.generation, d.id, d.tries, d.uncertain, d.retrying_since, d.progress, e.id,
                e.document
         FROM deliveries d JOIN events e ON e.seq = d.event
         WHERE d.destination = ?1 AND d.urgency = ?2 AND d.state = 0 AND d.not_before <= ?3
         ORDER BY d.not_before, d.seq LIMIT ?4",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (first, first_unreadable) = (claimed.claims.len(), claimed.unreadable.len());
    let mut rows = select.query(params![destination, urgency, lease.now.as_millis(), limit])?;
    while let Some(row) = rows.next()? {
        match delivery_claim(row) {
            Ok(claim) => claimed.claims.push(claim),
            Err(error) => claimed.unreadable.push(set_aside(row.get(0)?, error)?),
        }
    }
    drop(rows);
    for delivery in &claimed.unreadable[first_unreadable..] {
        write_verdict(transaction, delivery.row, &Verdict::Dead { reason: delivery.reason.clone() })?;
    }
    let mut update = transaction.prepare_cached(
        "UPDATE deliveries SET state = 1, generation = generation + 1, tries = tries + 1, lease_until = ?2
         WHERE seq = ?1",
    )?;
    let until = lease.until().as_millis();
    for claim in &claimed.claims[first..] {
        update.execute(params![claim.row, until])?;
    }
    Ok(())
}

pub fn make_due(
    transaction: &Transaction<'_>,
    destination: &DestinationName,
    now: Timestamp,
    limit: usize,
) -> Result<usize, StoreError> {
    let mut update = transaction.prepare_cached(
        "UPDATE deliveries SET not_before = min(created_at, ?3) WHERE seq IN (
             SELECT seq FROM deliveries WHERE destination = ?1 AND urgency = ?2 AND state = 0 AND not_before > ?3 LIMIT ?4)",
    )?;
    let mut count = 0;
    for urgency in (0..=URGENCY_MAX).rev() {
        if count == limit {
            break;
        }
        let left = row_limit(limit - count);
        count += update.execute(params![destination.as_str(), urgency, now.as_millis(), left])?;
    }
    Ok(count)
}

fn delivery_claim(row: &Row<'_>) -> rusqlite::Result<Claim<Consignment>> {
    let progress: Option<String> = row.get(6)?;
    let progress = progress.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let tries: u32 = row.get(3)?;
    let consignment = Consignment {
        delivery: DeliveryId::from_bytes(row.get(2)?),
        event: EventId::from_bytes(row.get(7)?),
        document: Document(row.get_ref(8)?.as_bytes()?.to_vec()),
        tries: tries.saturating_add(1),
        uncertain: row.get(4)?,
        progress,
        retrying_since: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
    };
    Ok(Claim::new(row.get(0)?, row.get::<_, i64>(1)? + 1, consignment))
}

/// Writes attempts and verdicts, with statements that are prepared once for all of them.
pub struct Settler<'t> {
    transaction: &'t Transaction<'t>,
    held: CachedStatement<'t>,
    attempt: CachedStatement<'t>,
}

impl<'t> Settler<'t> {
    pub fn of(transaction: &'t Transaction<'t>) -> rusqlite::Result<Self> {
        Ok(Self {
            transaction,
            held: transaction
                .prepare_cached("SELECT 1 FROM deliveries WHERE seq = ?1 AND generation = ?2 AND state = 1")?,
            attempt: transaction.prepare_cached(
                "INSERT INTO attempts (delivery, number, started_at, duration_ms, outcome, reason)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            )?,
        })
    }

    /// `false`, and nothing written, when the lease had passed to somebody else.
    pub fn settle(&mut self, settlement: &Settlement) -> Result<bool, StoreError> {
        let claim = &settlement.claim;
        if !self.held.exists(params![claim.row, claim.generation])? {
            return Ok(false);
        }
        let attempt = &settlement.attempt;
        self.attempt.execute(params![
            claim.row,
            attempt.number,
            attempt.started_at.as_millis(),
            i64::try_from(attempt.duration_ms).unwrap_or(i64::MAX),
            attempt.outcome.as_str(),
            attempt.reason
        ])?;
        write_verdict(self.transaction, claim.row, &settlement.verdict)?;
        Ok(true)
    }
}

fn write_verdict(transaction: &Transaction<'_>, row: i64, verdict: &Verdict) -> Result<(), StoreError> {
    match verdict {
        Verdict::Delivered { remote } => transaction
            .prepare_cached(
                "UPDATE deliveries SET state = 2, lease_until = 0, remote = ?2, reason = NULL, progress = NULL WHERE seq = ?1",
            )?
            .execute(params![row, remote])?,
        Verdict::Again { not_before, retrying_since, uncertain, progress, reason } => {
            let notes = (!progress.0.is_null()).then(|| progress.0.to_string());
            transaction
                .prepare_cached(
                    "UPDATE deliveries SET state = 0, lease_until = 0, not_before = ?2, retrying_since = ?3,
                     uncertain = uncertain OR ?4, progress = ?5, reason = ?6 WHERE seq = ?1",
                )?
                .execute(params![
                    row,
                    not_before.as_millis(),
                    retrying_since.map(Timestamp::as_millis),
                    uncertain,
                    notes,
                    reason
                ])?
        }
        Verdict::Dead { reason } => transaction
            .prepare_cached("UPDATE deliveries SET state = 3, lease_until = 0, reason = ?2 WHERE seq = ?1")?
            .execute(params![row, reason])?,
    };
    Ok(())
}
