//! Work handed out under a lease, and what became of it.
//!
//! A claim raises the row's generation; whoever settles must show the generation it was given. A lease that has run out
//! is simply claimed again, with the delivery marked uncertain: whoever held it may have sent it before it died.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Transaction, params};

use super::super::{
    Claim, ClaimOrder, Claimed, ClaimedReceipts, Conclusion, Consignment, Dispatched, Document, Extended, Lease,
    LeasesLost, Outbox, PlannedEvent, ReceiptWork, Routed, SetAside, Settlement, StoreError, Tally, Ticket, Verdict,
};
use super::keys::{EventKeyTable, Keys, Seen};
use super::{SqliteStore, bodies};
use crate::domain::{
    Attempt, DeliveryId, DestinationName, Encoding, Event, EventId, Note, OutcomeKind, Receipt, ReceiptId, Severity,
    Timestamp,
};

impl Outbox for SqliteStore {
    fn claim_receipts(&self, limit: usize, lease: Lease) -> Ticket<ClaimedReceipts> {
        self.writer.write(move |transaction| claim_receipts(transaction, limit, lease))
    }

    fn extend(&self, mut claim: Claim<ReceiptWork>, events: Vec<PlannedEvent>, lease: Lease) -> Ticket<Extended> {
        // Written out here and not in the transaction: the thread that writes has enough to do.
        let documents = match events.iter().map(document).collect::<Result<Vec<_>, _>>() {
            Ok(documents) => documents,
            Err(fault) => return Ticket::refused(fault),
        };
        self.writer.write_with_keys(move |transaction, keys| {
            if !renew(transaction, &claim, lease)? {
                return Err(StoreError::LeaseLost);
            }
            let mut recorder = Recorder::of(transaction, keys.get(transaction)?, lease.now)?;
            let (tally, replayed) = recorder.record(&claim, events.iter().zip(&documents))?;
            claim.work_mut().replayed.extend(replayed);
            add_result(transaction, &claim, lease.now, tally, None)?;
            Ok(Extended { claim, tally })
        })
    }

    fn forgets(&self) -> bool {
        self.forgets.load(Ordering::Acquire)
    }

    fn conclude(&self, conclusions: Arc<Vec<Conclusion>>, now: Timestamp) -> Ticket<Dispatched> {
        let events = conclusions.iter().flat_map(|conclusion| &conclusion.events);
        let documents = match events.map(document).collect::<Result<Vec<_>, _>>() {
            Ok(documents) => documents,
            Err(fault) => return Ticket::refused(fault),
        };
        self.writer.write_with_keys(move |transaction, keys| {
            let mut total = Dispatched::default();
            let mut recorder = Recorder::of(transaction, keys.get(transaction)?, now)?;
            let mut documents = documents.as_slice();
            for conclusion in conclusions.iter() {
                let (its, rest) = documents.split_at(conclusion.events.len());
                conclude(transaction, &mut recorder, conclusion, its, &mut total)?;
                documents = rest;
            }
            Ok(total)
        })
    }

    fn claim_deliveries(
        &self,
        destination: &DestinationName,
        limit: usize,
        order: ClaimOrder,
        lease: Lease,
    ) -> Ticket<Claimed> {
        let destination = destination.clone();
        self.writer.write(move |transaction| {
            free_expired(transaction, &destination, lease)?;
            match order {
                ClaimOrder::MostSevere => claim_most_severe(transaction, &destination, limit, lease),
                ClaimOrder::LongestDue => claim_longest_due(transaction, &destination, limit, lease),
            }
        })
    }

    fn make_due(&self, destination: &DestinationName, now: Timestamp, limit: usize) -> Ticket<usize> {
        let destination = destination.clone();
        self.writer.write(move |transaction| make_due(transaction, &destination, now, limit))
    }

    fn settle(&self, settlements: Arc<Vec<Settlement>>) -> Ticket<LeasesLost> {
        self.writer.write(move |transaction| {
            let mut settler = Settler::of(transaction)?;
            let mut lost = 0;
            for settlement in settlements.iter() {
                lost += usize::from(!settler.settle(settlement)?);
            }
            Ok(LeasesLost(lost))
        })
    }
}

/// Frees what a dead process held: called at start, when this process alone has the file.
pub fn release_leases(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE receipt_queue SET lease_until = 0 WHERE lease_until > 0", [])?;
    connection.execute("UPDATE deliveries SET state = 0, uncertain = 1, lease_until = 0 WHERE state = 1", [])?;
    Ok(())
}

/// Whatever has been claimed before and was not concluded comes first, then what nobody has claimed yet.
fn claim_receipts(transaction: &Transaction<'_>, limit: usize, lease: Lease) -> Result<ClaimedReceipts, StoreError> {
    let mut batch = Batch { claims: Vec::new(), set_aside: Vec::new(), bytes: 0, limit, last_row: None };
    let until = lease.until().as_millis();
    {
        let mut select = transaction.prepare_cached(CLAIMED_BEFORE)?;
        let mut rows = select.query(params![lease.steady.as_millis(), row_limit(limit)])?;
        while let Some(row) = rows.next()?
            && batch.takes(transaction, row)?
        {}
    }
    let mut update = transaction.prepare_cached(
        "UPDATE receipt_queue SET generation = generation + 1, tries = tries + 1, lease_until = ?2 WHERE seq = ?1",
    )?;
    for claim in &batch.claims {
        update.execute(params![claim.row, until])?;
    }
    let first = batch.claims.len();
    batch.last_row = None;
    if batch.is_open() {
        let mut select = transaction.prepare_cached(NEVER_CLAIMED)?;
        let mut rows = select.query([row_limit(limit - first)])?;
        while let Some(row) = rows.next()?
            && batch.takes(transaction, row)?
        {}
    }
    let mut insert = transaction
        .prepare_cached("INSERT INTO receipt_queue (seq, lease_until, generation, tries) VALUES (?1, ?2, 1, 1)")?;
    for claim in &batch.claims[first..] {
        insert.execute(params![claim.row, until])?;
    }
    if let Some(last) = batch.last_row {
        transaction.prepare_cached("UPDATE dispatch_mark SET seq = ?1")?.execute([last])?;
    }
    let Batch { claims, set_aside, .. } = batch;
    set_aside.iter().try_for_each(|receipt| set_receipt_aside(transaction, receipt, lease.now))?;
    Ok(ClaimedReceipts { claims, set_aside })
}

/// Takes a receipt out of the queue with the reason, in the words that `receipts list` reads back.
fn set_receipt_aside(transaction: &Transaction<'_>, receipt: &SetAside, now: Timestamp) -> Result<(), StoreError> {
    transaction.prepare_cached("DELETE FROM receipt_queue WHERE seq = ?1")?.execute([receipt.row])?;
    let note = format!("{}: {}", Note::Unreadable.as_str(), receipt.reason);
    transaction
        .prepare_cached(
            "INSERT INTO receipt_results (seq, dispatched_at, events_new, events_duplicate, note)
             VALUES (?1, ?2, 0, 0, ?3) ON CONFLICT (seq) DO UPDATE SET dispatched_at = ?2, note = ?3",
        )?
        .execute(params![receipt.row, now.as_millis(), note])?;
    Ok(())
}

/// A row that cannot be read, unless it is SQLite that failed.
fn set_aside(row: i64, error: rusqlite::Error) -> Result<SetAside, StoreError> {
    match error.sqlite_error_code() {
        None => Ok(SetAside { row, reason: format!("row {row} of the store: {error}") }),
        Some(_) => Err(error.into()),
    }
}

/// Receipts that are claimed together.
struct Batch {
    claims: Vec<Claim<ReceiptWork>>,
    set_aside: Vec<SetAside>,
    bytes: usize,
    limit: usize,
    /// The last row that was taken, into a claim or aside.
    last_row: Option<i64>,
}

impl Batch {
    /// Takes the claim in a row if it fits, or sets it aside if it cannot be read.
    fn takes(&mut self, connection: &Connection, row: &Row<'_>) -> Result<bool, StoreError> {
        let seq = row.get(0)?;
        let takes = match self.takes_readable(connection, row) {
            Ok(fits) => fits,
            Err(error) => {
                self.set_aside.push(set_aside(seq, error)?);
                true
            }
        };
        if takes {
            self.last_row = Some(seq);
        }
        Ok(takes)
    }

    fn takes_readable(&mut self, connection: &Connection, row: &Row<'_>) -> rusqlite::Result<bool> {
        let tries: u32 = row.get(2)?;
        self.bytes += usize::try_from(row.get::<_, i64>(10)?).unwrap_or(0);
        // Whoever was under way when the process ended more than once is read alone, so that only the one that ends it
        // gets the blame. And a handful of large bodies is as much work as a batch of small ones, and as much memory as
        // may be used.
        let fits = self.claims.is_empty() || (self.is_open() && !is_suspect(tries.saturating_add(1)));
        if fits {
            self.claims.push(receipt_claim(connection, row)?);
        }
        Ok(fits)
    }

    /// Whether more may be taken.
    fn is_open(&self) -> bool {
        let is_alone = self.claims.iter().any(|claim| is_suspect(claim.work().tries));
        self.claims.len() < self.limit && self.bytes <= CLAIMED_BYTES_MAX && !is_alone
    }
}

fn is_suspect(tries: u32) -> bool {
    tries > SUSPECT_TRIES
}

fn receipt_claim(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<Claim<ReceiptWork>> {
    let encoding: String = row.get(8)?;
    let source: String = row.get(5)?;
    let body = match row.get(11)? {
        Some(long) => bodies::read(connection, long, row.get(10)?)?,
        None => row.get::<_, Vec<u8>>(9)?,
    };
    let receipt = Receipt {
        id: ReceiptId::from_bytes(row.get(4)?),
        source: source.parse().map_err(|fault| unreadable(5, fault))?,
        received_at: Timestamp::from_millis(row.get(6)?),
        content_type: row.get(7)?,
        encoding: Encoding::from_word(&encoding),
        body: body.into(),
    };
    let tries: u32 = row.get(2)?;
    let work = ReceiptWork { receipt, tries: tries.saturating_add(1), replay: row.get(3)?, replayed: HashSet::new() };
    Ok(Claim::new(row.get(0)?, row.get::<_, i64>(1)? + 1, work))
}

/// Whether the claim still holds; if so its lease begins anew.
fn renew(transaction: &Transaction<'_>, claim: &Claim<ReceiptWork>, lease: Lease) -> Result<bool, StoreError> {
    let until = lease.until().as_millis();
    let changed = transaction
        .prepare_cached("UPDATE receipt_queue SET lease_until = ?3 WHERE seq = ?1 AND generation = ?2")?
        .execute(params![claim.row, claim.generation, until])?;
    Ok(changed == 1)
}

fn conclude(
    transaction: &Transaction<'_>,
    recorder: &mut Recorder<'_>,
    conclusion: &Conclusion,
    documents: &[String],
    total: &mut Dispatched,
) -> Result<(), StoreError> {
    let claim = &conclusion.claim;
    if recorder.release.execute(params![claim.row, claim.generation])? == 0 {
        total.leases_lost += 1;
        return Ok(());
    }
    let (tally, _) = recorder.record(claim, conclusion.events.iter().zip(documents))?;
    add_result(transaction, claim, recorder.now, tally, conclusion.note.map(|note| note.as_str()))?;
    total.by_source.entry(claim.work().receipt.source.clone()).or_default().add(tally);
    Ok(())
}

fn add_result(
    transaction: &Transaction<'_>,
    claim: &Claim<ReceiptWork>,
    now: Timestamp,
    tally: Tally,
    note: Option<&str>,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO receipt_results (seq, dispatched_at, events_new, events_duplicate, note)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (seq) DO UPDATE SET dispatched_at = ?2, events_new = events_new + ?3,
                events_duplicate = events_duplicate + ?4, note = coalesce(?5, CASE WHEN note GLOB 'unreadable*' THEN NULL ELSE note END)",
        )?
        .execute(params![
            claim.row,
            now.as_millis(),
            i64::try_from(tally.events_new).unwrap_or(i64::MAX),
            i64::try_from(tally.events_duplicate).unwrap_or(i64::MAX),
            note
        ])?;
    Ok(())
}

/// The event as it is kept.
fn document(planned: &PlannedEvent) -> Result<String, StoreError> {
    serde_json::to_string(&planned.event).map_err(|error| StoreError::Failed(error.to_string()))
}

/// Records events and their deliveries, with statements that are prepared once for all of them.
struct Recorder<'t> {
    transaction: &'t Transaction<'t>,
    now: Timestamp,
    release: CachedStatement<'t>,
    keys: &'t mut Keys,
    key_table: EventKeyTable<'t>,
    event: CachedStatement<'t>,
    delivery: CachedStatement<'t>,
}

impl<'t> Recorder<'t> {
    fn of(transaction: &'t Transaction<'t>, keys: &'t mut Keys, now: Timestamp) -> rusqlite::Result<Self> {
        Ok(Self {
            transaction,
            now,
            keys,
            key_table: EventKeyTable::of(transaction)?,
            release: transaction.prepare_cached("DELETE FROM receipt_queue WHERE seq = ?1 AND generation = ?2")?,
            event: transaction.prepare_cached(
                "INSERT INTO events (id, receipt, source, received_at, severity, unrouted, quarantined, title, document)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?,
            delivery: transaction.prepare_cached(
                "INSERT INTO deliveries (id, event, destination, route, urgency, not_before, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (event, destination) DO NOTHING",
            )?,
        })
    }

    /// The primary key of `event_keys` decides what is a repetition. Where it is a replay, the rows of the events are
    /// returned too.
    fn record<'e>(
        &mut self,
        claim: &Claim<ReceiptWork>,
        events: impl Iterator<Item = (&'e PlannedEvent, &'e String)>,
    ) -> Result<(Tally, HashSet<i64>), StoreError> {
        let mut tally = Tally::default();
        let mut replayed = HashSet::new();
        for (planned, document) in events {
            let recurring = self.recurring(planned)?;
            match self.known(planned, recurring.as_ref())? {
                None => {
                    let seq = self.insert_event(planned, document, recurring)?;
                    replayed.extend(claim.work().replay.then_some(seq));
                    tally.events_new += 1;
                    tally.events_quarantined += usize::from(planned.routed == Routed::Quarantined);
                    tally.deliveries += self.plan(seq, planned)?;
                }
                Some(seq) => {
                    tally.events_duplicate += 1;
                    if claim.work().replay {
                        // Of events of one body that have the same key, the first counts, as it does when they are new.
                        if !claim.work().replayed.contains(&seq) && replayed.insert(seq) {
                            self.take_over(seq, planned)?;
                        }
                        tally.deliveries += self.plan_again(seq, planned)?;
                    }
                }
            }
        }
        Ok((tally, replayed))
    }

    /// What has been seen of the words of an event that has no more to be known by.
    fn recurring(&mut self, planned: &PlannedEvent) -> rusqlite::Result<Option<Seen>> {
        match &planned.recurrence {
            Some(recurrence) => self.keys.event(&mut self.key_table, &recurrence.key),
            None => Ok(None),
        }
    }

    /// The row of the event that this one is; `None` if it is new.
    fn known(&mut self, planned: &PlannedEvent, recurring: Option<&Seen>) -> rusqlite::Result<Option<i64>> {
        if let Some(seen) = self.keys.event(&mut self.key_table, &planned.event.key)? {
            return Ok(Some(seen.event));
        }
        let (Some(recurrence), Some(seen)) = (&planned.recurrence, recurring) else { return Ok(None) };
        let is_of_late = planned.event.received_at.distance(seen.at) <= recurrence.known_for;
        Ok(is_of_late.then_some(seen.event))
    }

    /// Writes a new event; its row.
    fn insert_event(
        &mut self,
        planned: &PlannedEvent,
        document: &str,
        recurring: Option<Seen>,
    ) -> Result<i64, StoreError> {
        let event = &planned.event;
        self.event.execute(params![
            event.id.as_bytes(),
            event.receipt.as_bytes(),
            event.source.as_str(),
            event.received_at.as_millis(),
            event.severity.id(),
            planned.routed == Routed::No,
            planned.routed == Routed::Quarantined,
            event.title,
            document
        ])?;
        let seq = self.transaction.last_insert_rowid();
        let (keys, table) = (&mut *self.keys, &mut self.key_table);
        keys.add_event(table, &event.key, seq, known_from(event))?;
        if let Some(recurrence) = &planned.recurrence {
            match recurring {
                None => keys.add_event(table, &recurrence.key, seq, event.received_at)?,
                // What is read later may have been received earlier: the last time counts.
                Some(seen) if seen.at < event.received_at => {
                    keys.move_event(table, &recurrence.key, &seen, seq, event.received_at)?;
                }
                Some(_) => {}
            }
        }
        Ok(seq)
    }

    fn plan(&mut self, event: i64, planned: &PlannedEvent) -> Result<usize, StoreError> {
        let mut count = 0;
        for (destination, route) in &planned.deliveries {
            count += self.delivery.execute(params![
                DeliveryId::generate().as_bytes(),
                event,
                destination.as_str(),
                route.as_str(),
                urgency(planned.event.severity),
                self.now.as_millis()
            ])?;
        }
        Ok(count)
    }

    /// The stored event becomes what reading it says now, so that what is told, listed and explained agrees with the
    /// routes that are taken. What it is known by stays. An event that is stored readable keeps its account where its body
    /// cannot be read now.
    fn take_over(&self, seq: i64, planned: &PlannedEvent) -> Result<(), StoreError> {
        let mut select = self.transaction.prepare_cached("SELECT document FROM events WHERE seq = ?1")?;
        let document: Option<String> = select.query_row([seq], |row| row.get(0)).optional()?;
        let Some(stored) = document.and_then(|document| serde_json::from_str::<Event>(&document).ok()) else {
            return Ok(());
        };
        let now = &planned.event;
        if now.kind == Event::UNPARSED && stored.kind != Event::UNPARSED {
            return Ok(());
        }
        // Where the vendor says no time, it is that of the receipt.
        let time = if now.time == now.received_at { stored.received_at } else { now.time };
        let Event { id, key, receipt, received_at, .. } = stored;
        let event = Event { id, key, receipt, received_at, time, ..now.clone() };
        let document = serde_json::to_string(&event).map_err(|error| StoreError::Failed(error.to_string()))?;
        self.transaction
            .prepare_cached("UPDATE events SET severity = ?2, title = ?3, document = ?4 WHERE seq = ?1")?
            .execute(params![seq, event.severity.id(), event.title, document])?;
        self.transaction
            .prepare_cached("UPDATE deliveries SET urgency = ?2 WHERE event = ?1")?
            .execute(params![seq, urgency(event.severity)])?;
        Ok(())
    }

    /// The operator asked for a receipt again: its known events get the deliveries that they lack, dead ones revive, and
    /// those in quarantine are released.
    fn plan_again(&mut self, seq: i64, planned: &PlannedEvent) -> Result<usize, StoreError> {
        let transaction = self.transaction;
        if !transaction.prepare_cached("SELECT 1 FROM events WHERE seq = ?1")?.exists([seq])? {
            // The event itself has been pruned: its key alone is left, and says that it has had its effect.
            return Ok(0);
        }
        let mut count = self.plan(seq, planned)?;
        for (destination, _) in &planned.deliveries {
            count += transaction
                .prepare_cached(
                    "UPDATE deliveries SET state = 0, not_before = ?3, retrying_since = NULL
                     WHERE event = ?1 AND destination = ?2 AND state = 3",
                )?
                .execute(params![seq, destination.as_str(), self.now.as_millis()])?;
        }
        let unrouted = planned.routed == Routed::No;
        transaction
            .prepare_cached("UPDATE events SET unrouted = ?2, quarantined = 0 WHERE seq = ?1")?
            .execute(params![seq, unrouted])?;
        Ok(count)
    }
}

/// From when on the time runs for which the key is kept. Of an event that is dated ahead, from its own time: otherwise it
/// would be forgotten before it looks old.
fn known_from(event: &Event) -> Timestamp {
    event.received_at.max(event.time.min(event.received_at.plus(AHEAD_MAX)))
}

/// Frees what was not settled within its lease.
fn free_expired(transaction: &Transaction<'_>, destination: &DestinationName, lease: Lease) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE deliveries SET state = 0, uncertain = 1 WHERE destination = ?1 AND state = 1 AND lease_until <= ?2",
        )?
        .execute(params![destination.as_str(), lease.steady.as_millis()])?;
    Ok(())
}

fn claim_longest_due(
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

fn claim_most_severe(
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

fn make_due(
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
struct Settler<'t> {
    transaction: &'t Transaction<'t>,
    held: CachedStatement<'t>,
    attempt: CachedStatement<'t>,
}

impl<'t> Settler<'t> {
    fn of(transaction: &'t Transaction<'t>) -> rusqlite::Result<Self> {
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
    fn settle(&mut self, settlement: &Settlement) -> Result<bool, StoreError> {
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

fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// What goes first within a destination: its severity.
fn urgency(severity: Severity) -> u8 {
    severity.rank().min(URGENCY_MAX)
}

/// A value in the database that this binary did not write like that.
pub fn unreadable(column: usize, fault: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(fault))
}

/// The attempt in a row of `number, started_at, duration_ms, outcome, reason`.
pub fn attempt_of(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    let outcome: String = row.get(3)?;
    Ok(Attempt {
        number: row.get(0)?,
        started_at: Timestamp::from_millis(row.get(1)?),
        duration_ms: u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
        outcome: OutcomeKind::ALL.into_iter().find(|kind| kind.as_str() == outcome).unwrap_or(OutcomeKind::Unknown),
        reason: row.get(4)?,
    })
}

const CLAIMED_BEFORE: &str = "SELECT q.seq, q.generation, q.tries, q.replay, r.id, r.source, r.received_at,
    r.content_type, r.encoding, r.body, r.bytes, r.long_body
    FROM receipt_queue q JOIN receipts r ON r.seq = q.seq WHERE q.lease_until <= ?1 ORDER BY q.seq LIMIT ?2";
const NEVER_CLAIMED: &str = "SELECT r.seq, 0, 0, 0, r.id, r.source, r.received_at, r.content_type, r.encoding,
    r.body, r.bytes, r.long_body FROM receipts r WHERE r.seq > (SELECT seq FROM dispatch_mark) ORDER BY r.seq LIMIT ?1";
/// As far as a mistaken time zone may set a date ahead. Keys lie in the order of their coming, and one that stays longer
/// keeps those after it.
const AHEAD_MAX: Duration = Duration::from_secs(24 * 3600);
/// The rank of `fatal`.
const URGENCY_MAX: u8 = 6;
/// So many tries say nothing yet: a machine may be switched off and on.
const SUSPECT_TRIES: u32 = 2;
/// How many bytes of bodies one claim may hold, beyond its first receipt.
const CLAIMED_BYTES_MAX: usize = 8 << 20;
