//! Events become part of incidents, inside the transaction that stores them.
//!
//! Called by `record` with the new events of a transaction, and by the passing of time. What happens to an incident is
//! decided by [`crate::incidents`]; this file loads and saves. Nothing of an incident is kept between transactions.

mod collectives;

use std::collections::{BTreeMap, BTreeSet};

use collectives::{Collectives, Shown};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::super::{Advanced, Policy, StoreError};
use super::gathered::{Gathered, GatheredEvent};
use super::incident_rows::IncidentRows;
use super::notifications::{Notifications, TellingProgress};
use super::rows::{document, readable, row_limit, row_of, to_text};
use crate::domain::{
    DestinationName, Facets, Firing, Incident, IncidentId, IncidentKey, IncidentNumber, IncidentState, Origin,
    RouteName, SourceName, Timestamp,
};
use crate::incidents::{self, Correlation, Correlations, Joined, NewEvent, Present, Subject};

/// What became of the events that were absorbed.
#[derive(Default)]
pub struct Absorption {
    /// Incidents that were opened, by source.
    pub opened: BTreeMap<SourceName, usize>,
    /// Events that were not told by themselves, by source and reason.
    pub held_back: BTreeMap<(SourceName, &'static str), u64>,
    /// Notifiers that there is something to tell.
    pub to_tell: BTreeSet<DestinationName>,
}

/// Incidents of one transaction.
pub struct Incidents<'t> {
    transaction: &'t Transaction<'t>,
    policy: &'t Policy,
    now: Timestamp,
    rows: IncidentRows<'t>,
}

impl<'t> Incidents<'t> {
    pub fn of(transaction: &'t Transaction<'t>, policy: &'t Policy, now: Timestamp) -> Self {
        Self { transaction, policy, now, rows: IncidentRows::of(transaction, policy, now) }
    }

    /// Absorbs events: incidents are taken in the order in which their events came, each once.
    pub fn absorb(&self, gathered: Gathered) -> Result<Absorption, StoreError> {
        let mut absorption = Absorption::default();
        let old = gathered.old_by_source();
        let Gathered { mut by_key, order, .. } = gathered;
        let mut collectives = Collectives::default();
        for place in order {
            let Some(events) = by_key.remove(&place) else { continue };
            let (source, key) = place;
            let is_one_of_many_old = old.get(&source).is_some_and(|count| *count > 1);
            self.absorb_key(&source, key, (events, is_one_of_many_old), &mut collectives, &mut absorption)?;
        }
        collectives.finish(self, &mut absorption.to_tell)?;
        Ok(absorption)
    }

    fn absorb_key(
        &self,
        source: &SourceName,
        key: IncidentKey,
        (events, is_one_of_many_old): (Vec<GatheredEvent>, bool),
        collectives: &mut Collectives,
        absorption: &mut Absorption,
    ) -> Result<(), StoreError> {
        let (news, places): (Vec<NewEvent>, Vec<_>) =
            events.into_iter().map(|gathered| (gathered.event, (gathered.row, gathered.notifiers))).unzip();
        let latest = self.latest(source, key, &news)?;
        let before = latest.as_ref().map_or(0, |latest| latest.incident.count);
        let mut next = self.next_number()?;
        let mut numbers = || {
            let number = IncidentNumber(next);
            next += 1;
            (IncidentId::generate(), number)
        };
        let absorbed = incidents::absorb(latest, source, key, &news, &mut numbers, &self.policy.timing, self.now);
        let mut notifiers: Vec<BTreeMap<DestinationName, RouteName>> = vec![BTreeMap::new(); absorbed.subjects.len()];
        for ((joined, place), (row, to)) in absorbed.joined.iter().zip(&places) {
            let subject = place.and_then(|place| absorbed.subjects.get(place));
            self.mark_event(*row, *joined, subject.map(|subject| subject.incident.number))?;
            if *joined != Joined::Opened {
                *absorption.held_back.entry((source.clone(), joined.as_str())).or_default() += 1;
            }
            if let Some(of_subject) = place.and_then(|place| notifiers.get_mut(place)) {
                for (destination, route) in to {
                    of_subject.entry(destination.clone()).or_insert_with(|| route.clone());
                }
            }
        }
        for (place, (mut subject, of_subject)) in absorbed.subjects.into_iter().zip(notifiers).enumerate() {
            let shown = subject.shows.and_then(|shows| places.get(shows)).map(|(row, _)| *row);
            let is_opened = absorbed.joined.contains(&(Joined::Opened, Some(place)));
            // As many may be reopened at once as were folded.
            let folded_into = if is_opened || subject.unfolded.is_some() {
                let shown = Shown { event: shown, notifiers: &of_subject };
                collectives.fold(self, &mut subject, is_one_of_many_old, shown, &mut numbers)?
            } else {
                collectives.count_in_digest(self, &subject, subject.incident.count.saturating_sub(before))?;
                None
            };
            if folded_into.is_some() && subject.incident.fold.is_none() {
                // A storm that is full: it keeps the new ones as a number, and others stay where they were.
                subject.incident.fold = subject.unfolded;
            }
            if folded_into.is_none() || subject.incident.fold.is_some() {
                *absorption.opened.entry(source.clone()).or_default() += usize::from(is_opened);
                self.save(&subject, shown)?;
                let notifications = Notifications::of(self.transaction, self.policy, self.now);
                let to_tell = &mut absorption.to_tell;
                if is_opened {
                    notifications.tell_first(&subject.incident, &of_subject, to_tell)?;
                } else {
                    notifications.tell(&subject.incident, &of_subject, to_tell)?;
                }
            }
            if let Some(folded_into) = folded_into {
                let reason = if subject.incident.fold.is_some_and(|fold| fold.is_digest) { "digest" } else { "storm" };
                *absorption.held_back.entry((source.clone(), reason)).or_default() += 1;
                if subject.incident.fold.is_none() {
                    let of_subject = absorbed.joined.iter().zip(&places).filter(|((_, of), _)| *of == Some(place));
                    for (_, (row, _)) in of_subject {
                        self.mark_event(*row, Joined::Counted, Some(folded_into))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Notes that known events, by their rows, were received again: live incidents were seen at that time. Nothing is
    /// counted or told.
    pub fn see_again(&self, repeated: &BTreeMap<i64, Timestamp>) -> Result<(), StoreError> {
        let mut select = self.transaction.prepare_cached("SELECT incident FROM events WHERE seq = ?1")?;
        let mut seen: BTreeMap<i64, Timestamp> = BTreeMap::new();
        for (event, received_at) in repeated {
            let incident: Option<Option<i64>> = select.query_row([event], |row| row.get(0)).optional()?;
            if let Some(number) = incident.flatten() {
                let last = seen.entry(number).or_insert(*received_at);
                *last = (*last).max(*received_at);
            }
        }
        for (number, received_at) in seen {
            let Some(mut incident) = self.rows.readable(IncidentNumber(number.unsigned_abs()))? else { continue };
            if incident.state.is_live() && received_at > incident.received_at {
                incidents::repeat(&mut incident, received_at);
                self.rows.save(&incident)?;
            }
        }
        Ok(())
    }

    fn tell(
        &self,
        incident: &Incident,
        notifiers: &BTreeMap<DestinationName, RouteName>,
        to_tell: &mut BTreeSet<DestinationName>,
    ) -> Result<(), StoreError> {
        Notifications::of(self.transaction, self.policy, self.now).tell(incident, notifiers, to_tell)
    }

    /// Adds an incident to the digest of what a notifier was not told, which is told it instead; the number of the digest.
    /// `None`: the digest before is just being told.
    pub fn add_to_digest(
        &self,
        incident: &Incident,
        notifier: &DestinationName,
        route: &RouteName,
    ) -> Result<Option<IncidentNumber>, StoreError> {
        let mut updated = Subject::new(incident.clone(), self.facets(incident.number)?, Correlations::default());
        let mut newest = self.latest(&incident.source, incidents::updates_key(&incident.source, notifier), &[])?;
        if let Some(digest) = newest.as_mut().filter(|digest| digest.incident.state.is_live()) {
            let notifications = Notifications::of(self.transaction, self.policy, self.now);
            match notifications.progress_of(digest.incident.number, notifier)? {
                TellingProgress::Untold => {}
                TellingProgress::UnderWay => return Ok(None),
                TellingProgress::Told => {
                    digest.incident.enter(IncidentState::Resolved, Origin::Gatepost, self.now);
                    self.rows.save(&digest.incident)?;
                }
            }
        }
        let mut next = self.next_number()?;
        let mut numbers = || {
            let number = IncidentNumber(next);
            next += 1;
            (IncidentId::generate(), number)
        };
        let digest = incidents::digest_of_updates(newest, &mut updated, notifier, &mut numbers, self.now);
        self.transaction
            .prepare_cached(
                "INSERT INTO incident_texts (incident, event, facets) SELECT ?1, event, '{}' FROM incident_texts
                 WHERE incident = ?2 ON CONFLICT (incident) DO NOTHING",
            )?
            .execute([row_of(digest.incident.number), row_of(incident.number)])?;
        self.save(&digest, None)?;
        self.rows.add_milestones(incident.number, &updated.milestones)?;
        let to = BTreeMap::from([(notifier.clone(), route.clone())]);
        self.tell(&digest.incident, &to, &mut BTreeSet::new())?;
        Ok(Some(digest.incident.number))
    }

    /// The live incident of a key, else the newest, with what is known of the correlations of these events.
    fn latest(
        &self,
        source: &SourceName,
        key: IncidentKey,
        events: &[NewEvent],
    ) -> Result<Option<Subject>, StoreError> {
        let number: Option<i64> = self
            .transaction
            .prepare_cached(
                // An older one may have been reopened on order.
                "SELECT coalesce(
                    (SELECT number FROM incidents WHERE source = ?1 AND key = ?2 AND is_live = 1),
                    (SELECT number FROM incidents WHERE source = ?1 AND key = ?2 ORDER BY number DESC LIMIT 1))",
            )?
            .query_row(params![source.as_str(), key.as_bytes()], |row| row.get(0))?;
        let Some(number) = number else { return Ok(None) };
        let Some(incident) = self.rows.readable(IncidentNumber(number.unsigned_abs()))? else { return Ok(None) };
        let facets = self.facets(incident.number)?;
        let correlations = self.correlations(incident.number, events)?;
        let is_fold_over = incident.fold.map(|fold| self.is_over(fold.storm)).transpose()?.unwrap_or_default();
        Ok(Some(Subject { is_fold_over, ..Subject::new(incident, facets, correlations) }))
    }

    /// Whether a storm or a digest takes no more, also where a person has it still.
    fn is_over(&self, incident: IncidentNumber) -> Result<bool, StoreError> {
        let mut live = self.transaction.prepare_cached(
            "SELECT 1 FROM incidents WHERE number = ?1 AND is_live = 1
             AND iif(json_valid(document), json_extract(document, '$.kind.storm.open_at'), NULL) IS NULL",
        )?;
        Ok(!live.exists([row_of(incident)])?)
    }

    fn facets(&self, incident: IncidentNumber) -> Result<Facets, StoreError> {
        let found = self
            .transaction
            .prepare_cached("SELECT facets FROM incident_texts WHERE incident = ?1")?
            .query_row([row_of(incident)], document)
            .optional();
        let facets: Result<Option<Facets>, String> = readable(found)?;
        Ok(facets
            .inspect_err(|reason| {
                tracing::error!(%incident, reason, "the actors, targets and victims of an incident cannot be read; they are counted anew");
            })
            .unwrap_or_default()
            .unwrap_or_default())
    }

    fn correlations(&self, incident: IncidentNumber, events: &[NewEvent]) -> Result<Correlations, StoreError> {
        let number = row_of(incident);
        let mut known = BTreeMap::new();
        let hashes: BTreeSet<[u8; 16]> = events.iter().filter_map(|event| event.correlation).collect();
        // What names no alert and says that one is over must know of those that have a name.
        if hashes.is_empty() && events.iter().all(|event| event.state.is_none()) {
            return Ok(Correlations::default());
        }
        let mut select = self.transaction.prepare_cached(
            "SELECT at, is_firing, fired_received_at, fired_happened_at FROM correlations
             WHERE incident = ?1 AND correlation = ?2",
        )?;
        for hash in hashes {
            let found = select.query_row(params![number, hash], correlation).optional()?;
            known.extend(found.map(|correlation| (hash, correlation)));
        }
        let (members, firing): (i64, i64) = self
            .transaction
            .prepare_cached("SELECT count(*), coalesce(sum(is_firing), 0) FROM correlations WHERE incident = ?1")?
            .query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Correlations::new(known, members.unsigned_abs(), firing.unsigned_abs()))
    }

    fn next_number(&self) -> Result<u64, StoreError> {
        let last: Option<i64> = self
            .transaction
            .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'incidents'")?
            .query_row([], |row| row.get(0))
            .optional()?;
        Ok(last.unwrap_or(0).unsigned_abs() + 1)
    }

    fn mark_event(&self, row: i64, joined: Joined, incident: Option<IncidentNumber>) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("UPDATE events SET incident = ?2, joined = ?3 WHERE seq = ?1")?
            .execute(params![row, incident.map(row_of), joined.number()])?;
        Ok(())
    }

    /// Saves an incident with everything that belongs to it. `shown`: the row of the event that shows it best from now on.
    fn save(&self, subject: &Subject, shown: Option<i64>) -> Result<(), StoreError> {
        self.rows.save(&subject.incident)?;
        let number = row_of(subject.incident.number);
        let facets = to_text(&subject.facets)?;
        match shown {
            Some(event) => self
                .transaction
                .prepare_cached(
                    "INSERT INTO incident_texts (incident, event, facets) SELECT ?1, document, ?3 FROM events WHERE seq = ?2
                     ON CONFLICT (incident) DO UPDATE SET event = excluded.event, facets = excluded.facets",
                )?
                .execute(params![number, event, facets])?,
            None => self
                .transaction
                .prepare_cached("UPDATE incident_texts SET facets = ?2 WHERE incident = ?1")?
                .execute(params![number, facets])?,
        };
        let mut correlation = self.transaction.prepare_cached(
            "INSERT INTO correlations (incident, correlation, at, is_firing, fired_received_at, fired_happened_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (incident, correlation) DO UPDATE SET at = excluded.at, is_firing = excluded.is_firing,
                 fired_received_at = excluded.fired_received_at, fired_happened_at = excluded.fired_happened_at",
        )?;
        for (hash, state) in subject.correlations.changed() {
            let received = state.fired.map(|fired| fired.received_at.as_millis());
            let happened = state.fired.and_then(|fired| fired.happened_at).map(Timestamp::as_millis);
            correlation.execute(params![number, hash, state.at.as_millis(), state.is_firing, received, happened])?;
        }
        self.rows.add_milestones(subject.incident.number, &subject.milestones)
    }

    /// Has incidents checked now that would be checked after `beyond`, with times that are ahead of the clock brought back.
    /// Returns how many there were.
    pub fn set_back(&self, beyond: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let mut select =
            self.transaction.prepare_cached("SELECT number FROM incidents WHERE check_at > ?1 LIMIT ?2")?;
        let far: Vec<i64> = select
            .query_map(params![beyond.as_millis(), row_limit(limit)], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for number in &far {
            let Some(mut incident) = self.rows.readable(IncidentNumber(number.unsigned_abs()))? else { continue };
            if incidents::set_back(&mut incident, self.now) {
                self.rows.save(&incident)?;
            }
            self.transaction
                .prepare_cached("UPDATE incidents SET check_at = ?2 WHERE number = ?1")?
                .execute(params![number, self.now.as_millis()])?;
        }
        Ok(far.len())
    }

    /// Takes incidents whose time has come.
    pub fn advance(&self, limit: usize, present: Present) -> Result<Advanced, StoreError> {
        let mut select = self.transaction.prepare_cached(
            "SELECT number FROM incidents WHERE check_at IS NOT NULL AND check_at <= ?1 ORDER BY check_at LIMIT ?2",
        )?;
        let due: Vec<i64> = select
            .query_map(params![self.now.as_millis(), row_limit(limit)], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut advanced = Advanced { incidents: due.len(), to_tell: BTreeSet::new() };
        for number in due {
            let Some(mut incident) = self.rows.readable(IncidentNumber(number.unsigned_abs()))? else { continue };
            let timing = &self.policy.timing;
            let counts_open = incidents::counts_open(&incident, present.listening_since, present.now);
            if counts_open {
                self.note_left_open(&mut incident)?;
            }
            let milestone = incidents::advance(&mut incident, timing, present);
            if counts_open || milestone.is_some() {
                self.rows.save(&incident)?;
            }
            if let Some(milestone) = &milestone {
                self.rows.add_milestones(incident.number, std::slice::from_ref(milestone))?;
                Notifications::of(self.transaction, self.policy, self.now).arm(&incident, &mut advanced.to_tell)?;
            }
            let next = incidents::check_at(&incident, timing, present);
            // Whatever is due now has been done: without this it would be due again at once, for ever.
            let next = next.map(|next| next.max(self.now.plus(CHECK_INTERVAL_MIN)));
            self.transaction
                .prepare_cached("UPDATE incidents SET check_at = ?2 WHERE number = ?1")?
                .execute(params![row_of(incident.number), next.map(Timestamp::as_millis)])?;
        }
        Ok(advanced)
    }

    /// Once a minute for each storm that takes no more: of at most as many incidents as one storm takes.
    fn note_left_open(&self, storm: &mut Incident) -> Result<(), StoreError> {
        let (number, open) = (row_of(storm.number), IncidentState::Open.as_str());
        let count: i64 = self
            .transaction
            .prepare_cached("SELECT count(*) FROM incidents WHERE storm = ?1 AND state = ?2")?
            .query_row(params![number, open], |row| row.get(0))?;
        let mut select = self.transaction.prepare_cached(
            "SELECT document FROM incidents WHERE storm = ?1 AND state = ?2 ORDER BY number LIMIT ?3",
        )?;
        let mut first: Vec<Incident> = Vec::new();
        for found in select.query_map(params![number, open, row_limit(incidents::LEFT_OPEN_MAX)], document)? {
            // One that is damaged is counted, not listed.
            first.extend(readable(found)?.ok());
        }
        incidents::note_left_open(storm, count.unsigned_abs(), &first);
        Ok(())
    }
}

fn correlation(row: &Row<'_>) -> rusqlite::Result<Correlation> {
    let time = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
    let happened_at = time(3)?;
    let fired = time(2)?.map(|received_at| Firing { received_at, happened_at });
    Ok(Correlation { at: Timestamp::from_millis(row.get(0)?), is_firing: row.get(1)?, fired })
}

const CHECK_INTERVAL_MIN: std::time::Duration = std::time::Duration::from_secs(1);
