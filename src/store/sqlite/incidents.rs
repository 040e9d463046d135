//! Events become part of incidents, inside the transaction that stores them.
//!
//! Called by `record` with the new events of a transaction, and by the passing of time. What happens to an incident is
//! decided by [`crate::incidents`]; this file loads and saves. Nothing of an incident is kept between transactions.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::super::{Advanced, Joining, Policy, StoreError};
use super::notifications::Notifications;
use super::rows::{readable, row_limit, unreadable};
use crate::domain::{
    DestinationName, Facets, Incident, IncidentId, IncidentKey, IncidentNumber, IncidentState, Milestone, RouteName,
    SourceName, Timestamp,
};
use crate::incidents::{self, Correlation, Correlations, Joined, NewEvent, StormGauge, Subject};

/// New events of a transaction that may belong to an incident, by what they have in common, in their order.
#[derive(Default)]
pub struct Gathered {
    by_key: HashMap<(SourceName, IncidentKey), Vec<GatheredEvent>>,
    /// The keys as they came, so that incidents are numbered in that order.
    order: Vec<(SourceName, IncidentKey)>,
    rows: HashSet<i64>,
}

struct GatheredEvent {
    row: i64,
    event: NewEvent,
    notifiers: Vec<(DestinationName, RouteName)>,
}

impl Gathered {
    /// How many keys of each source have only events that were old when they arrived: one alone is told by itself, several
    /// are a first export, which a digest tells.
    fn old_by_source(&self) -> BTreeMap<SourceName, usize> {
        let mut counts = BTreeMap::new();
        for ((source, _), events) in &self.by_key {
            if events.iter().all(|gathered| gathered.event.is_old()) {
                *counts.entry(source.clone()).or_default() += 1;
            }
        }
        counts
    }

    /// Takes an event that is stored in `row`.
    pub fn add(
        &mut self,
        source: &SourceName,
        row: i64,
        joining: &Joining,
        notifiers: Vec<(DestinationName, RouteName)>,
    ) {
        if !self.rows.insert(row) {
            // The same event twice in one transaction, by a replay.
            return;
        }
        let event = NewEvent { is_told: !notifiers.is_empty(), ..joining.event.clone() };
        let key = (source.clone(), joining.key);
        let events = self.by_key.entry(key.clone()).or_default();
        if events.is_empty() {
            self.order.push(key);
        }
        events.push(GatheredEvent { row, event, notifiers });
    }
}

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
}

impl<'t> Incidents<'t> {
    pub fn of(transaction: &'t Transaction<'t>, policy: &'t Policy, now: Timestamp) -> Self {
        Self { transaction, policy, now }
    }

    /// Absorbs events: incidents are taken in the order in which their events came, each once.
    pub fn absorb(&self, gathered: Gathered) -> Result<Absorption, StoreError> {
        let mut absorption = Absorption::default();
        let old = gathered.old_by_source();
        let Gathered { mut by_key, order, .. } = gathered;
        for place in order {
            let Some(events) = by_key.remove(&place) else { continue };
            let (source, key) = place;
            let is_one_of_many_old = old.get(&source).is_some_and(|count| *count > 1);
            self.absorb_key(&source, key, events, is_one_of_many_old, &mut absorption)?;
        }
        Ok(absorption)
    }

    fn absorb_key(
        &self,
        source: &SourceName,
        key: IncidentKey,
        events: Vec<GatheredEvent>,
        is_one_of_many_old: bool,
        absorption: &mut Absorption,
    ) -> Result<(), StoreError> {
        let (news, places): (Vec<NewEvent>, Vec<_>) =
            events.into_iter().map(|gathered| (gathered.event, (gathered.row, gathered.notifiers))).unzip();
        let latest = self.latest(source, key, &news)?;
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
            self.mark_event(*row, *joined, subject)?;
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
            let crowd = if is_opened { self.fold(&mut subject, is_one_of_many_old, &mut numbers)? } else { None };
            if crowd.is_none() || subject.incident.fold.is_some() {
                *absorption.opened.entry(source.clone()).or_default() += usize::from(is_opened);
                self.save(&subject, shown)?;
                self.tell(&subject.incident, &of_subject, &mut absorption.to_tell)?;
            }
            if let Some(crowd) = crowd {
                let reason = if subject.incident.fold.is_some_and(|fold| fold.is_digest) { "digest" } else { "storm" };
                *absorption.held_back.entry((source.clone(), reason)).or_default() += 1;
                if subject.incident.fold.is_none() {
                    let of_subject = absorbed.joined.iter().zip(&places).filter(|((_, of), _)| *of == Some(place));
                    for (_, (row, _)) in of_subject {
                        self.mark_event(*row, Joined::Counted, Some(&crowd))?;
                    }
                }
                self.show_first(crowd.incident.number, shown)?;
                self.save(&crowd, None)?;
                self.tell(&crowd.incident, &of_subject, &mut absorption.to_tell)?;
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
            let Some(mut incident) = self.incident(IncidentNumber(number.unsigned_abs()))? else { continue };
            if incident.state.is_live() && received_at > incident.received_at {
                incidents::repeat(&mut incident, received_at);
                self.save_incident(&incident)?;
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
        let notifications = Notifications::of(self.transaction, self.policy, self.now);
        notifications.join(incident, notifiers)?;
        notifications.arm(incident, to_tell)
    }

    /// Folds a new incident into a storm or a digest where its source opens too many; which of them then stands for it.
    fn fold(
        &self,
        subject: &mut Subject,
        is_one_of_many_old: bool,
        numbers: &mut dyn FnMut() -> (IncidentId, IncidentNumber),
    ) -> Result<Option<Subject>, StoreError> {
        let source = subject.incident.source.clone();
        if subject.is_old {
            let digest = self.latest(&source, incidents::digest_key(&source), &[])?;
            let is_open = digest.as_ref().is_some_and(|digest| digest.incident.state.is_live());
            if is_open || is_one_of_many_old {
                return Ok(Some(incidents::digest(digest, subject, numbers, self.now)));
            }
        }
        let Some(limits) = &self.policy.timing.storm else { return Ok(None) };
        let Incident { rank, rule, .. } = &subject.incident;
        let found = self
            .transaction
            .prepare_cached("SELECT document FROM storms WHERE source = ?1")?
            .query_row([source.as_str()], document)
            .optional();
        // One that cannot be read is of the last minutes only: it is begun anew.
        let mut gauge: StormGauge = readable(found)?.unwrap_or_default().unwrap_or_default();
        // By the time at which it is read: a backlog is read out of the order of receipt, urgent and oldest in turn.
        let is_admitted = gauge.admit(*rank, rule, self.now, limits);
        self.transaction
            .prepare_cached("INSERT INTO storms (source, document) VALUES (?1, ?2) ON CONFLICT (source) DO UPDATE SET document = ?2")?
            .execute(params![source.as_str(), to_text(&gauge)?])?;
        if is_admitted {
            return Ok(None);
        }
        let storm = self.latest(&source, incidents::storm_key(&source, *rank), &[])?;
        Ok(Some(incidents::fold(storm, subject, numbers, self.now)))
    }

    /// A storm is shown by the first event that it stands for.
    fn show_first(&self, incident: IncidentNumber, event: Option<i64>) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO incident_texts (incident, event, facets) SELECT ?1, document, '{}' FROM events WHERE seq = ?2
                 ON CONFLICT (incident) DO NOTHING",
            )?
            .execute(params![row_of(incident), event])?;
        Ok(())
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
        let Some(incident) = self.incident(IncidentNumber(number.unsigned_abs()))? else { return Ok(None) };
        let facets = self.facets(incident.number)?;
        let correlations = self.correlations(incident.number, events)?;
        Ok(Some(Subject::new(incident, facets, correlations)))
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
                tracing::error!(%incident, reason, "whom an incident concerns cannot be read; it is counted anew");
            })
            .unwrap_or_default()
            .unwrap_or_default())
    }

    fn correlations(&self, incident: IncidentNumber, events: &[NewEvent]) -> Result<Correlations, StoreError> {
        let number = row_of(incident);
        let mut known = BTreeMap::new();
        let hashes: BTreeSet<[u8; 16]> = events.iter().filter_map(|event| event.correlation).collect();
        if hashes.is_empty() {
            return Ok(Correlations::default());
        }
        let mut select = self
            .transaction
            .prepare_cached("SELECT at, is_firing FROM correlations WHERE incident = ?1 AND correlation = ?2")?;
        for hash in hashes {
            let found = select
                .query_row(params![number, hash], |row| {
                    Ok(Correlation { at: Timestamp::from_millis(row.get(0)?), is_firing: row.get(1)? })
                })
                .optional()?;
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

    fn mark_event(&self, row: i64, joined: Joined, subject: Option<&Subject>) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("UPDATE events SET incident = ?2, joined = ?3 WHERE seq = ?1")?
            .execute(params![row, subject.map(|subject| row_of(subject.incident.number)), joined.number()])?;
        Ok(())
    }

    /// Saves an incident with everything that belongs to it. `shown`: the row of the event that shows it best from now on.
    fn save(&self, subject: &Subject, shown: Option<i64>) -> Result<(), StoreError> {
        self.save_incident(&subject.incident)?;
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
            "INSERT INTO correlations (incident, correlation, at, is_firing) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (incident, correlation) DO UPDATE SET at = excluded.at, is_firing = excluded.is_firing",
        )?;
        for (hash, state) in subject.correlations.changed() {
            correlation.execute(params![number, hash, state.at.as_millis(), state.is_firing])?;
        }
        self.add_milestones(subject.incident.number, &subject.milestones)
    }

    pub fn save_incident(&self, incident: &Incident) -> Result<(), StoreError> {
        let timing = &self.policy.timing;
        let check_at = incidents::check_at(incident, timing, incident.received_at);
        self.transaction
            .prepare_cached(
                "INSERT INTO incidents (number, id, source, key, state, is_live, level, storm, check_at, document, ended_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                 ON CONFLICT (number) DO UPDATE SET state = excluded.state, is_live = excluded.is_live,
                     level = excluded.level, storm = excluded.storm, document = excluded.document,
                     ended_at = excluded.ended_at,
                     check_at = min(coalesce(check_at, excluded.check_at), coalesce(excluded.check_at, check_at))",
            )?
            .execute(params![
                row_of(incident.number),
                incident.id.as_bytes(),
                incident.source.as_str(),
                incident.key.as_bytes(),
                incident.state.as_str(),
                incident.state.is_live(),
                incident.rank.level(),
                incident.fold.map(|fold| row_of(fold.storm)),
                check_at.map(Timestamp::as_millis),
                to_text(incident)?,
                (!incident.state.is_live()).then_some(incident.state_since.as_millis()),
            ])?;
        Ok(())
    }

    pub fn add_milestones(&self, incident: IncidentNumber, milestones: &[Milestone]) -> Result<(), StoreError> {
        let mut insert =
            self.transaction.prepare_cached("INSERT INTO milestones (incident, document) VALUES (?1, ?2)")?;
        for milestone in milestones {
            insert.execute(params![row_of(incident), to_text(milestone)?])?;
        }
        if milestones.is_empty() { Ok(()) } else { self.forget_milestones(incident) }
    }

    /// An incident may live for ever: its opening and the newest milestones are kept.
    fn forget_milestones(&self, incident: IncidentNumber) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "DELETE FROM milestones WHERE seq IN
                     (SELECT seq FROM milestones WHERE incident = ?1 ORDER BY seq DESC LIMIT ?2 OFFSET ?3)
                 AND seq > (SELECT min(seq) FROM milestones WHERE incident = ?1)",
            )?
            .execute(params![row_of(incident), FORGOTTEN_AT_ONCE, MILESTONES_KEPT])?;
        Ok(())
    }

    /// The incident of that number. One that cannot be read is left alone from now on.
    pub fn incident(&self, number: IncidentNumber) -> Result<Option<Incident>, StoreError> {
        match self.read(number)? {
            Some(Ok(incident)) => Ok(Some(incident)),
            Some(Err(reason)) => self.leave_alone(number, &reason).map(|()| None),
            None => Ok(None),
        }
    }

    /// The incident of that number, or why it cannot be read; `None`: there is none.
    pub fn read(&self, number: IncidentNumber) -> Result<Option<Result<Incident, String>>, StoreError> {
        let found = self
            .transaction
            .prepare_cached("SELECT document FROM incidents WHERE number = ?1")?
            .query_row([row_of(number)], document)
            .optional();
        readable(found).map(Result::transpose)
    }

    /// An incident that cannot be read takes no more events, and is not checked again. Its row stays as long as that of
    /// one that has ended.
    pub fn leave_alone(&self, number: IncidentNumber, reason: &str) -> Result<(), StoreError> {
        let left = self
            .transaction
            .prepare_cached(
                "UPDATE incidents SET state = ?2, is_live = 0, check_at = NULL, ended_at = coalesce(ended_at, ?3)
                 WHERE number = ?1 AND (is_live = 1 OR check_at IS NOT NULL OR ended_at IS NULL)",
            )?
            .execute(params![row_of(number), IncidentState::Quiet.as_str(), self.now.as_millis()])?;
        if left > 0 {
            tracing::error!(incident = %number, reason, "an incident cannot be read; the next event of its key opens another");
        }
        Ok(())
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
            let Some(mut incident) = self.incident(IncidentNumber(number.unsigned_abs()))? else { continue };
            if incidents::set_back(&mut incident, self.now) {
                self.save_incident(&incident)?;
            }
            self.transaction
                .prepare_cached("UPDATE incidents SET check_at = ?2 WHERE number = ?1")?
                .execute(params![number, self.now.as_millis()])?;
        }
        Ok(far.len())
    }

    /// Takes incidents whose time has come.
    pub fn advance(&self, limit: usize, listening_since: Timestamp) -> Result<Advanced, StoreError> {
        let mut select = self.transaction.prepare_cached(
            "SELECT number FROM incidents WHERE check_at IS NOT NULL AND check_at <= ?1 ORDER BY check_at LIMIT ?2",
        )?;
        let due: Vec<i64> = select
            .query_map(params![self.now.as_millis(), row_limit(limit)], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut advanced = Advanced { incidents: due.len(), to_tell: BTreeSet::new() };
        for number in due {
            let Some(mut incident) = self.incident(IncidentNumber(number.unsigned_abs()))? else { continue };
            let timing = &self.policy.timing;
            let milestone = incidents::advance(&mut incident, timing, listening_since, self.now);
            if let Some(milestone) = &milestone {
                self.save_incident(&incident)?;
                self.add_milestones(incident.number, std::slice::from_ref(milestone))?;
                Notifications::of(self.transaction, self.policy, self.now).arm(&incident, &mut advanced.to_tell)?;
            }
            let next = incidents::check_at(&incident, timing, listening_since);
            // Whatever is due now has been done: without this it would be due again at once, for ever.
            let next = next.map(|next| next.max(self.now.plus(CHECK_INTERVAL_MIN)));
            self.transaction
                .prepare_cached("UPDATE incidents SET check_at = ?2 WHERE number = ?1")?
                .execute(params![row_of(incident.number), next.map(Timestamp::as_millis)])?;
        }
        Ok(advanced)
    }
}

/// The row of an incident.
pub fn row_of(number: IncidentNumber) -> i64 {
    i64::try_from(number.0).unwrap_or(i64::MAX)
}

/// What is kept as JSON in the first column of a row.
pub fn document<T: serde::de::DeserializeOwned>(row: &Row<'_>) -> rusqlite::Result<T> {
    document_in(row, 0)
}

/// What is kept as JSON in a column of a row.
pub fn document_in<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| unreadable(column, error))
}

/// As JSON.
pub fn to_text<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(error.to_string()))
}

/// Beside the first.
const MILESTONES_KEPT: i64 = 200;
/// Few enough that the transaction stays short where an earlier version has kept more.
const FORGOTTEN_AT_ONCE: i64 = 100;
const CHECK_INTERVAL_MIN: std::time::Duration = std::time::Duration::from_secs(1);
