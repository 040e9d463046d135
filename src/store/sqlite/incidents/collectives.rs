//! Storms and digests while events are absorbed: each is read once in a transaction and written once at its end, however many
//! incidents are folded into it.
//!
//! Called by [`Incidents::absorb`]. What is folded, and how, is decided by [`crate::incidents`].

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, params};

use super::super::super::StoreError;
use super::super::rows::{document, readable, row_of, to_text};
use super::Incidents;
use crate::domain::{DestinationName, Incident, IncidentId, IncidentKey, IncidentNumber, RouteName, SourceName};
use crate::incidents::{self, StormGauge, Subject};

/// What makes the number and the id of an incident that is opened.
type Numbers<'n> = &'n mut dyn FnMut() -> (IncidentId, IncidentNumber);

/// The storms and digests of one transaction, and how much their sources have told.
#[derive(Default)]
pub struct Collectives {
    gauges: BTreeMap<SourceName, StormGauge>,
    collected: BTreeMap<(SourceName, IncidentKey), Collected>,
    /// Notifiers that there is something to tell of a storm that has given way to the next one.
    to_tell: BTreeSet<DestinationName>,
}

/// One of them, with what has been folded into it.
struct Collected {
    subject: Subject,
    /// Who is to know of it.
    notifiers: BTreeMap<DestinationName, RouteName>,
    /// There is something to write and to tell.
    has_changed: bool,
}

/// What an incident that is folded brings along.
pub struct Shown<'s> {
    /// The row of the event that shows it.
    pub event: Option<i64>,
    /// Who is to know of it.
    pub notifiers: &'s BTreeMap<DestinationName, RouteName>,
}

impl Collectives {
    /// Folds a new incident into a storm or a digest where its source opens too many; which of them then stands for it.
    pub fn fold(
        &mut self,
        incidents: &Incidents<'_>,
        subject: &mut Subject,
        is_one_of_many_old: bool,
        shown: Shown<'_>,
        numbers: Numbers<'_>,
    ) -> Result<Option<IncidentNumber>, StoreError> {
        let source = subject.incident.source.clone();
        if subject.is_old {
            let place = (source.clone(), incidents::digest_key(&source));
            let digest = self.take(incidents, &place)?;
            let is_open = digest.as_ref().is_some_and(|digest| digest.subject.incident.state.is_live());
            if is_open || is_one_of_many_old {
                let (notifiers, digest) = split(digest);
                let before = digest.as_ref().map(|digest| digest.incident.number);
                let digest = incidents::digest(digest, subject, numbers, &incidents.policy.timing, incidents.now);
                return self.put(incidents, place, (digest, notifiers), before, shown).map(Some);
            }
        }
        if self.admits(incidents, &subject.incident)? {
            return Ok(None);
        }
        let place = (source.clone(), incidents::storm_key(&source, subject.incident.rank));
        let (notifiers, mut storm) = split(self.take(incidents, &place)?);
        if let Some(storm) = &mut storm
            && let Some(milestone) = incidents::give_way(&mut storm.incident, incidents.now)
        {
            incidents.rows.save(&storm.incident)?;
            incidents.rows.add_milestones(storm.incident.number, &[milestone])?;
            incidents.tell(&storm.incident, &BTreeMap::new(), &mut self.to_tell)?;
        }
        let before = storm.as_ref().map(|storm| storm.incident.number);
        let storm = incidents::fold(storm, subject, numbers, incidents.now);
        self.put(incidents, place, (storm, notifiers), before, shown).map(Some)
    }

    /// Counts further events of an incident in the digest that tells it, unless that is over.
    pub fn count_in_digest(
        &mut self,
        incidents: &Incidents<'_>,
        folded: &Subject,
        more: u64,
    ) -> Result<(), StoreError> {
        let Some(fold) = folded.incident.fold.filter(|fold| fold.is_digest && more > 0) else { return Ok(()) };
        let source = &folded.incident.source;
        let place = (source.clone(), incidents::digest_key(source));
        let Some(mut digest) = self.take(incidents, &place)? else { return Ok(()) };
        let incident = &digest.subject.incident;
        if incident.number == fold.storm && incident.state.is_live() {
            incidents::count_in_digest(&mut digest.subject, folded, more, incidents.now);
            digest.has_changed = true;
        }
        self.collected.insert(place, digest);
        Ok(())
    }

    /// Whether an incident is told by itself.
    fn admits(&mut self, incidents: &Incidents<'_>, incident: &Incident) -> Result<bool, StoreError> {
        let Some(limits) = &incidents.policy.timing.storm else { return Ok(true) };
        let gauge = match self.gauges.entry(incident.source.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let found = incidents
                    .transaction
                    .prepare_cached("SELECT document FROM storms WHERE source = ?1")?
                    .query_row([incident.source.as_str()], document)
                    .optional();
                // One that cannot be read is of the last minutes only: it is begun anew.
                unknown.insert(readable(found)?.unwrap_or_default().unwrap_or_default())
            }
        };
        // By the time at which it is read: a backlog is read out of the order of receipt, urgent and oldest in turn.
        Ok(gauge.admit(incident.rank, &incident.rule, incidents.now, limits))
    }

    fn take(
        &mut self,
        incidents: &Incidents<'_>,
        place: &(SourceName, IncidentKey),
    ) -> Result<Option<Collected>, StoreError> {
        if let Some(collected) = self.collected.remove(place) {
            return Ok(Some(collected));
        }
        let (source, key) = place;
        let found = incidents.latest(source, *key, &[])?;
        Ok(found.map(|subject| Collected { subject, notifiers: BTreeMap::new(), has_changed: false }))
    }

    /// Keeps one that an incident was folded into. A new one is written at once: its number is taken then, and it is shown by
    /// the first event that it stands for.
    fn put(
        &mut self,
        incidents: &Incidents<'_>,
        place: (SourceName, IncidentKey),
        (mut subject, mut notifiers): (Subject, BTreeMap<DestinationName, RouteName>),
        before: Option<IncidentNumber>,
        shown: Shown<'_>,
    ) -> Result<IncidentNumber, StoreError> {
        let number = subject.incident.number;
        if before != Some(number) {
            show_first(incidents, number, shown.event)?;
            incidents.save(&subject, None)?;
            subject.milestones.clear();
        }
        for (destination, route) in shown.notifiers {
            notifiers.entry(destination.clone()).or_insert_with(|| route.clone());
        }
        self.collected.insert(place, Collected { subject, notifiers, has_changed: true });
        Ok(number)
    }

    /// Writes them, and has them told. Notifiers that there is something to tell are added to `to_tell`.
    pub fn finish(self, incidents: &Incidents<'_>, to_tell: &mut BTreeSet<DestinationName>) -> Result<(), StoreError> {
        to_tell.extend(self.to_tell);
        let mut gauges = incidents.transaction.prepare_cached(
            "INSERT INTO storms (source, document) VALUES (?1, ?2) ON CONFLICT (source) DO UPDATE SET document = ?2",
        )?;
        for (source, gauge) in &self.gauges {
            gauges.execute(params![source.as_str(), to_text(gauge)?])?;
        }
        let changed = self.collected.into_values().filter(|collected| collected.has_changed);
        for Collected { subject, notifiers, .. } in changed {
            incidents.save(&subject, None)?;
            incidents.tell(&subject.incident, &notifiers, to_tell)?;
        }
        Ok(())
    }
}

fn split(collected: Option<Collected>) -> (BTreeMap<DestinationName, RouteName>, Option<Subject>) {
    match collected {
        Some(Collected { subject, notifiers, .. }) => (notifiers, Some(subject)),
        None => (BTreeMap::new(), None),
    }
}

fn show_first(incidents: &Incidents<'_>, number: IncidentNumber, event: Option<i64>) -> Result<(), StoreError> {
    incidents
        .transaction
        .prepare_cached(
            "INSERT INTO incident_texts (incident, event, facets) SELECT ?1, document, '{}' FROM events WHERE seq = ?2
             ON CONFLICT (incident) DO NOTHING",
        )?
        .execute(params![row_of(number), event])?;
    Ok(())
}
