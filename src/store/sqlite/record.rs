//! What a receipt came to: its events and their deliveries, recorded in one transaction.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use rusqlite::{CachedStatement, OptionalExtension, Transaction, params};

use super::super::{Claim, Conclusion, Dispatched, PlannedEvent, Policy, ReceiptWork, Routed, StoreError, Tally};
use super::batches;
use super::gathered::Gathered;
use super::incident_rows::IncidentRows;
use super::incidents::{Absorption, Incidents};
use super::keys::{EventKeyTable, Keys, Seen};
use super::notifications::Notifications;
use super::numbers::Numbered;
use super::receipt_queue::Release;
use super::single_events::SingleEvent;
use super::sink_plans::{Destinations, SinkPlanner};
use super::urgency::urgency_of_event;
use crate::domain::{DestinationName, Event, EventState, IncidentNumber, RouteName, Severity, SourceName, Timestamp};

/// Records what receipts hold whose claims still hold. `documents`: those of all their events.
pub fn conclude(
    transaction: &Transaction<'_>,
    recorder: &mut Recorder<'_>,
    conclusions: &[Conclusion],
    mut documents: &[String],
    total: &mut Dispatched,
) -> Result<(), StoreError> {
    let claims = conclusions.iter().map(|conclusion| &conclusion.claim);
    let released = Release::of(transaction)?.release(claims)?;
    for (conclusion, is_released) in conclusions.iter().zip(released) {
        let (its, rest) = documents.split_at(conclusion.events.len());
        documents = rest;
        if is_released {
            conclude_one(transaction, recorder, conclusion, its, total)?;
        } else {
            total.leases_lost += 1;
        }
    }
    Ok(())
}

fn conclude_one(
    transaction: &Transaction<'_>,
    recorder: &mut Recorder<'_>,
    conclusion: &Conclusion,
    documents: &[String],
    total: &mut Dispatched,
) -> Result<(), StoreError> {
    let claim = &conclusion.claim;
    let (tally, _) = recorder.record(claim, conclusion.events.iter().zip(documents))?;
    let work = claim.work();
    let is_usual = tally.events_new == 1 && tally.events_duplicate == 0 && conclusion.note.is_none();
    // Most receipts hold one new event: nothing is written of that.
    if !is_usual || work.replay || work.is_extended {
        add_result(transaction, claim, recorder.now, tally, conclusion.note.map(|note| note.as_str()))?;
    }
    total.by_source.entry(claim.work().receipt.source.clone()).or_default().add(tally);
    Ok(())
}

pub fn add_result(
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

/// Events as they are kept.
pub fn documents<'e>(events: impl Iterator<Item = &'e PlannedEvent>) -> Result<Vec<String>, StoreError> {
    let mut length = DOCUMENT_BYTES;
    let document = |planned: &PlannedEvent| {
        // The next one is about as long as this one, and is written without moving what has been written.
        let mut text = Vec::with_capacity(length + length / 8);
        serde_json::to_writer(&mut text, &planned.event).map_err(|error| StoreError::Failed(error.to_string()))?;
        length = text.len();
        String::from_utf8(text).map_err(|error| StoreError::Failed(error.to_string()))
    };
    events.map(document).collect()
}

/// Records events and their deliveries, with statements that are prepared once for all of them.
pub struct Recorder<'t> {
    transaction: &'t Transaction<'t>,
    now: Timestamp,
    keys: &'t mut Keys,
    key_table: EventKeyTable<'t>,
    event: CachedStatement<'t>,
    /// The number of the event that was recorded last.
    last: i64,
    sinks: SinkPlanner<'t>,
    policy: &'t Policy,
    /// The new events that may belong to an incident.
    gathered: Gathered,
    /// The rows of known events that were received again, and when.
    repeated: BTreeMap<i64, Timestamp>,
    /// How many, by source.
    repetitions: BTreeMap<SourceName, u64>,
}

impl<'t> Recorder<'t> {
    pub fn of(
        transaction: &'t Transaction<'t>,
        keys: &'t mut Keys,
        policy: &'t Policy,
        now: Timestamp,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            transaction,
            now,
            keys,
            policy,
            gathered: Gathered::default(),
            repeated: BTreeMap::new(),
            repetitions: BTreeMap::new(),
            key_table: EventKeyTable::of(transaction)?,
            event: transaction.prepare_cached(
                "INSERT INTO events
                 (seq, id, receipt, source, received_at, severity, unrouted, quarantined, title, document)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?,
            last: Numbered::Events.last(transaction)?,
            sinks: SinkPlanner::of(transaction),
        })
    }

    /// The new events of the transaction become part of incidents, and are noted for the sinks: at its end, so that each
    /// incident and each sink is touched once.
    pub fn finish(self) -> Result<Absorption, StoreError> {
        self.sinks.finish()?;
        let incidents = Incidents::of(self.transaction, self.policy, self.now);
        let mut absorption = incidents.absorb(self.gathered)?;
        incidents.see_again(&self.repeated)?;
        for (source, count) in self.repetitions {
            absorption.held_back.insert((source, REPETITION), count);
        }
        Ok(absorption)
    }

    /// The primary key of `event_keys` decides what is a repetition. Where it is a replay, the rows of the events are
    /// returned too.
    pub fn record<'e>(
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
                    } else {
                        self.note_repetition(seq, &planned.event);
                    }
                }
            }
        }
        Ok((tally, replayed))
    }

    /// Records an event of gatepost's own, which came in no receipt and is no repetition: for these notifiers, and for no
    /// sink.
    pub fn record_own(&mut self, planned: &PlannedEvent, document: &str) -> Result<(), StoreError> {
        let row = self.insert_event(planned, document, None)?;
        self.gathered.add(&planned.event.source, row, &planned.joining, planned.deliveries.clone());
        Ok(())
    }

    /// That an alert is over says nothing of whether it goes on.
    fn note_repetition(&mut self, seq: i64, event: &Event) {
        *self.repetitions.entry(event.source.clone()).or_default() += 1;
        if event.state != Some(EventState::Resolved) {
            let last = self.repeated.entry(seq).or_insert(event.received_at);
            *last = (*last).max(event.received_at);
        }
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
        let seq = self.last + 1;
        self.event.execute(params![
            seq,
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
        self.last = seq;
        let (keys, table) = (&mut *self.keys, &mut self.key_table);
        keys.event_ids.note(self.transaction, seq, event.id.as_bytes())?;
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

    /// Notes a new event for its sinks, and has the notifiers told of its incident. Returns how many sinks there are.
    fn plan(&mut self, event: i64, planned: &PlannedEvent) -> Result<usize, StoreError> {
        let policy = self.policy;
        let is_notifier = |(destination, _): &&(DestinationName, RouteName)| policy.notifier(destination).is_some();
        self.gather(event, planned, planned.deliveries.iter().filter(is_notifier).cloned().collect());
        self.sinks.plan(event, planned.deliveries.iter().filter(|place| !is_notifier(place)))
    }

    /// The notifiers and the sinks of an event.
    fn by_kind(&self, planned: &PlannedEvent) -> (Destinations, Destinations) {
        planned.deliveries.iter().cloned().partition(|(destination, _)| self.policy.notifier(destination).is_some())
    }

    /// An event that says that something is over belongs to its incident whatever the routes say.
    fn gather(&mut self, event: i64, planned: &PlannedEvent, notifiers: Destinations) {
        let is_resolved = planned.event.state == Some(EventState::Resolved);
        if !notifiers.is_empty() || (is_resolved && planned.routed != Routed::Quarantined) {
            self.gathered.add(&planned.event.source, event, &planned.joining, notifiers);
        }
    }

    /// Sinks that the event was not planned for when it was recorded, or for which it was discarded, are sent it by itself.
    fn plan_sinks_again(&mut self, event: i64, sinks: Destinations, severity: Severity) -> Result<usize, StoreError> {
        let mut count = 0;
        for (destination, route) in sinks {
            if !self.sinks.is_kept_for(event, &destination)? {
                let delivery = SingleEvent { event, destination: &destination, route: route.as_str(), severity };
                count += delivery.insert(self.transaction, self.now)?;
            }
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
            .prepare_cached("UPDATE deliveries SET urgency = ?2 WHERE event = ?1 AND notification IS NULL")?
            .execute(params![seq, urgency_of_event(event.severity)])?;
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
        let (notifiers, sinks) = self.by_kind(planned);
        let mut count = self.plan_sinks_again(seq, sinks, planned.event.severity)?;
        count += self.plan_notifiers_again(seq, planned, notifiers)?;
        for (destination, _) in &planned.deliveries {
            // What was discarded has ended without having been sent to a sink; a notifier is told of its incident.
            let discarded = if self.policy.notifier(destination).is_some() { DEAD } else { SUPERSEDED };
            count += transaction
                .prepare_cached(
                    "UPDATE deliveries SET state = 0, not_before = ?3, retrying_since = NULL
                     WHERE event = ?1 AND destination = ?2 AND state IN (?4, ?5)",
                )?
                .execute(params![seq, destination.as_str(), self.now.as_millis(), DEAD, discarded])?;
            count += batches::revive(transaction, destination, seq, self.now)?;
        }
        let unrouted = planned.routed == Routed::No;
        transaction
            .prepare_cached("UPDATE events SET unrouted = ?2, quarantined = 0 WHERE seq = ?1")?
            .execute(params![seq, unrouted])?;
        Ok(count)
    }

    /// Notifiers that were not to know of the event are told of its incident, and what they have refused is tried again. An
    /// event of no incident joins one, unless an earlier version has told it by itself.
    fn plan_notifiers_again(
        &mut self,
        seq: i64,
        planned: &PlannedEvent,
        notifiers: Destinations,
    ) -> Result<usize, StoreError> {
        let incident: Option<i64> = self
            .transaction
            .prepare_cached("SELECT incident FROM events WHERE seq = ?1")?
            .query_row([seq], |row| row.get(0))?;
        let Some(incident) = incident else {
            let mut told =
                self.transaction.prepare_cached("SELECT 1 FROM deliveries WHERE event = ?1 AND destination = ?2")?;
            let mut untold = Vec::new();
            for (destination, route) in notifiers {
                if !told.exists(params![seq, destination.as_str()])? {
                    untold.push((destination, route));
                }
            }
            let count = untold.len();
            self.gather(seq, planned, untold);
            return Ok(count);
        };
        let incidents = IncidentRows::of(self.transaction, self.policy, self.now);
        match incidents.readable(IncidentNumber(incident.unsigned_abs()))? {
            Some(incident) => {
                let notifications = Notifications::of(self.transaction, self.policy, self.now);
                notifications.join(&incident, &notifiers.into_iter().collect())?;
                notifications.revive(&incident)
            }
            None => Ok(0),
        }
    }
}

/// The time from which the retention of the key is counted. For an event that is dated ahead it is its own time:
/// otherwise the key would be deleted before the event looks old.
fn known_from(event: &Event) -> Timestamp {
    event.received_at.max(event.time.min(event.received_at.plus(AHEAD_MAX)))
}

/// About as long as an event is.
const DOCUMENT_BYTES: usize = 1_024;
const DEAD: i64 = 3;
const SUPERSEDED: i64 = 4;
/// Why an event is not told that is known already.
const REPETITION: &str = "repetition";
/// How far a wrong time zone may set a date ahead. Keys are stored in order of arrival, and one that stays longer keeps
/// those after it.
const AHEAD_MAX: Duration = Duration::from_secs(24 * 3600);
