//! How new events change the incident of their key.
//!
//! The store calls [`absorb`] once for each key and transaction, with the newest incident of that key and the events that are
//! new, in the order of their receipt. It determines the state of incidents, not who is told.

use std::time::Duration;

use crate::domain::{
    EventState, Facets, Incident, IncidentId, IncidentKey, IncidentKind, IncidentNumber, IncidentState, Milestone,
    MilestoneKind, Origin, Rank, SourceName, Timestamp,
};

use super::correlations::{Correlations, Ended};
use super::firing::{is_outdated, latest};
use super::new_event::{NewEvent, OLD};
use super::set_back::is_ahead;
use super::spread::steps;
use super::subject::Subject;
use super::timers::{has_lapsed, is_flapping};
use super::timing::{HELD_FOR, Timing};

/// How an event changed the incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Joined {
    /// It opened an incident.
    Opened,
    /// It was counted.
    Counted,
    /// It was counted, and its rank is higher than all before.
    Raised,
    /// It was counted, and its victim is the 2nd, 10th, 100th ...
    Spread,
    /// It was counted, and brought the incident back.
    Reopened,
    /// It was counted, and reopened nothing: it happened before the incident was resolved.
    Late,
    /// It ended one of several alerts; the incident goes on, or was over before.
    Ended,
    /// It ended the incident.
    Resolved,
    /// It would have ended the incident, which is reopened too often: it counts once no event comes for some time.
    ResolutionHeld,
    /// It says that an alert is over for which there is no incident.
    NothingToResolve,
    /// No route sends it to a notifier.
    NotTold,
    /// It says that an alert is over which has fired since.
    ResolutionOutdated,
}

impl serde::Serialize for Joined {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Joined {
    /// All of them, in the order of their numbers in the store.
    pub const ALL: [Self; 12] = [
        Self::Opened,
        Self::Counted,
        Self::Raised,
        Self::Spread,
        Self::Reopened,
        Self::Late,
        Self::Ended,
        Self::Resolved,
        Self::ResolutionHeld,
        Self::NothingToResolve,
        Self::NotTold,
        Self::ResolutionOutdated,
    ];

    /// The word on the screen and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Counted => "counted",
            Self::Raised => "raised",
            Self::Spread => "spread",
            Self::Reopened => "reopened",
            Self::Late => "late",
            Self::Ended => "ended",
            Self::Resolved => "resolved",
            Self::ResolutionHeld => "resolution held",
            Self::NothingToResolve => "nothing to resolve",
            Self::NotTold => "not told",
            Self::ResolutionOutdated => "resolution outdated",
        }
    }

    /// The number in the store; it never changes its meaning.
    pub fn number(self) -> u8 {
        match self {
            Self::Opened => 0,
            Self::Counted => 1,
            Self::Raised => 2,
            Self::Spread => 3,
            Self::Reopened => 4,
            Self::Late => 5,
            Self::Ended => 6,
            Self::Resolved => 7,
            Self::ResolutionHeld => 8,
            Self::NothingToResolve => 9,
            Self::NotTold => 10,
            Self::ResolutionOutdated => 11,
        }
    }

    /// That of the number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|joined| joined.number() == number)
    }
}

/// The incidents and the outcome of each event.
#[derive(Clone, Debug, PartialEq)]
pub struct Absorbed {
    /// The incidents that changed, in the order of their opening: the one that was given, if it changed, then new ones.
    pub subjects: Vec<Subject>,
    /// The outcome of each event, with the index of its incident in `subjects`: `None` for [`Joined::NothingToResolve`] and
    /// [`Joined::NotTold`].
    pub joined: Vec<(Joined, Option<usize>)>,
}

/// Adds events to the newest incident of their key, or opens the next one.
///
/// `latest`: the newest incident of the key, whatever its state, with the correlations that the events name. `numbers`:
/// called once for each incident that is opened.
pub fn absorb(
    latest: Option<Subject>,
    source: &SourceName,
    key: IncidentKey,
    events: &[NewEvent],
    numbers: &mut dyn FnMut() -> (IncidentId, IncidentNumber),
    timing: &Timing,
    now: Timestamp,
) -> Absorbed {
    let mut absorbing =
        Absorbing { source, key, numbers, timing, now, done: Vec::new(), current: latest, is_touched: false };
    let joined = events.iter().enumerate().map(|(place, event)| absorbing.take(place, event)).collect();
    let mut subjects = absorbing.done;
    subjects.extend(absorbing.current.filter(|_| absorbing.is_touched));
    Absorbed { subjects, joined }
}

/// Notes that a known event of the incident was received again: that is not counted, but it has been seen.
pub fn repeat(incident: &mut Incident, received_at: Timestamp) {
    incident.received_at = incident.received_at.max(received_at);
}

struct Absorbing<'a> {
    source: &'a SourceName,
    key: IncidentKey,
    numbers: &'a mut dyn FnMut() -> (IncidentId, IncidentNumber),
    timing: &'a Timing,
    now: Timestamp,
    /// Incidents that were followed by others within this batch.
    done: Vec<Subject>,
    current: Option<Subject>,
    is_touched: bool,
}

impl Absorbing<'_> {
    fn take(&mut self, place: usize, event: &NewEvent) -> (Joined, Option<usize>) {
        let joined = if event.state == Some(EventState::Resolved) {
            self.resolve(event)
        } else if event.is_told {
            self.join(place, event)
        } else {
            Joined::NotTold
        };
        let belongs = !matches!(joined, Joined::NothingToResolve | Joined::NotTold);
        self.is_touched |= belongs;
        (joined, belongs.then_some(self.done.len()))
    }

    fn join(&mut self, place: usize, event: &NewEvent) -> Joined {
        let (now, timing) = (self.now, self.timing);
        match self.current.as_mut() {
            Some(subject) if subject.incident.state.is_live() => subject.count_live(place, event, timing, now),
            Some(subject) if subject.incident.state == IncidentState::Resolved => {
                // A resolution that is dated ahead tells nothing of what came before or after it.
                let is_dated_ahead = is_ahead(subject.incident.state_since, now);
                let since = if is_dated_ahead { Duration::MAX } else { now.since(subject.incident.state_since) };
                let is_late = event.is_before(subject.incident.state_since) && since <= OLD;
                let raises = event.rank > subject.incident.rank;
                if since <= timing.reopen_within && (raises || !is_late) {
                    subject.reopen(place, event, now)
                } else if is_late && !raises {
                    subject.count(event);
                    Joined::Late
                } else {
                    self.open(place, event)
                }
            }
            _ => self.open(place, event),
        }
    }

    fn open(&mut self, place: usize, event: &NewEvent) -> Joined {
        let before = self.current.take();
        let follows = before.as_ref().map(|before| before.incident.number);
        self.done.extend(before.filter(|_| self.is_touched));
        self.is_touched = true;
        let (id, number) = (self.numbers)();
        let incident = Incident { follows, ..opened(id, number, self.source, self.key, event, self.now) };
        let mut subject = Subject::new(incident, Facets::default(), Correlations::default());
        (subject.shows, subject.is_old) = (Some(place), event.is_old());
        subject.count(event);
        subject.fire(event);
        subject.milestones.push(Milestone::new(self.now, MilestoneKind::Opened, Origin::Vendor));
        self.current = Some(subject);
        Joined::Opened
    }

    fn resolve(&mut self, event: &NewEvent) -> Joined {
        let now = self.now;
        let Some(subject) = self.current.as_mut() else { return Joined::NothingToResolve };
        let is_over = subject.incident.state == IncidentState::Resolved;
        if is_over && event.correlation.is_none() {
            return Joined::NothingToResolve;
        }
        let firing = subject.correlations.firing();
        match subject.correlations.end(event, now) {
            // It ended an alert of an incident that a person has resolved, or nothing.
            _ if is_over && firing == subject.correlations.firing() => Joined::NothingToResolve,
            Ended::One | Ended::All if is_over => Joined::Ended,
            Ended::Nothing => Joined::NothingToResolve,
            Ended::One => Joined::Ended,
            Ended::Outdated => Joined::ResolutionOutdated,
            Ended::All if is_outdated(event, subject.incident.fired, now) => Joined::ResolutionOutdated,
            Ended::All if is_flapping(&subject.incident, now) => subject.hold(now),
            Ended::All => subject.resolve(event, now),
        }
    }
}

impl Subject {
    /// Counts an event of an incident that goes on.
    fn count_live(&mut self, place: usize, event: &NewEvent, timing: &Timing, now: Timestamp) -> Joined {
        let (rank, spread) = (self.incident.rank, self.steps());
        self.incident.resolution_held_until = None;
        self.count(event);
        self.fire(event);
        self.is_old &= event.is_old();
        if event.rank >= rank {
            self.shows = Some(place);
        }
        self.unfold_if_new(event, now);
        let joined = if event.rank > rank {
            self.raise(rank, event.rank, now)
        } else if self.steps() > spread {
            let victims = format!("{} victims", self.incident.victims);
            self.milestones.push(Milestone::new(now, MilestoneKind::Spread, Origin::Vendor).noting(victims));
            Joined::Spread
        } else {
            Joined::Counted
        };
        if joined != Joined::Counted && self.incident.state == IncidentState::Acknowledged {
            self.enter(IncidentState::Open, Origin::Vendor, now);
        } else if has_lapsed(&self.incident, timing, now) {
            self.enter(IncidentState::Open, Origin::Gatepost, now);
            self.milestones.push(Milestone::new(now, MilestoneKind::Lapsed, Origin::Gatepost));
        }
        joined
    }

    fn steps(&self) -> u32 {
        steps(&self.incident.kind, self.incident.victims)
    }

    fn raise(&mut self, from: Rank, to: Rank, now: Timestamp) -> Joined {
        (self.incident.rank, self.incident.rank_since) = (to, now);
        let ranks = format!("from {from} to {to}");
        self.milestones.push(Milestone::new(now, MilestoneKind::Raised, Origin::Vendor).noting(ranks));
        Joined::Raised
    }

    /// Takes an incident out of the digest once it has a new event.
    fn unfold_if_new(&mut self, event: &NewEvent, now: Timestamp) {
        let is_in_digest = self.incident.fold.is_some_and(|fold| fold.is_digest);
        if is_in_digest && !event.is_old() {
            self.unfold(now);
        }
    }

    fn unfold(&mut self, now: Timestamp) {
        self.incident.fold = None;
        self.milestones.push(Milestone::new(now, MilestoneKind::Unfolded, Origin::Gatepost));
    }

    fn reopen(&mut self, place: usize, event: &NewEvent, now: Timestamp) -> Joined {
        self.count(event);
        self.fire(event);
        self.unfold_if_new(event, now);
        if self.is_fold_over && self.incident.fold.is_some() {
            self.unfolded = self.incident.fold;
            self.unfold(now);
        }
        self.enter(IncidentState::Open, Origin::Vendor, now);
        let incident = &mut self.incident;
        incident.reopenings = incident.reopenings.saturating_add(1);
        incident.reopened_at.push(now);
        let surplus = incident.reopened_at.len().saturating_sub(REOPENINGS_KEPT);
        incident.reopened_at.drain(..surplus);
        (incident.rank, incident.rank_since) = (event.rank, now);
        (incident.is_unattended, incident.resolution_held_until, incident.is_hold_noted) = (false, None, false);
        self.shows = Some(place);
        self.milestones.push(Milestone::new(now, MilestoneKind::Reopened, Origin::Vendor));
        Joined::Reopened
    }

    fn hold(&mut self, now: Timestamp) -> Joined {
        if !std::mem::replace(&mut self.incident.is_hold_noted, true) {
            self.milestones.push(Milestone::new(now, MilestoneKind::ResolutionHeld, Origin::Vendor));
        }
        self.incident.resolution_held_until = Some(now.plus(HELD_FOR));
        Joined::ResolutionHeld
    }

    /// The resolution is dated as the vendor dates it, as far as that is plausible: what happened after it reopens the
    /// incident, even if it arrives before the resolution.
    fn resolve(&mut self, event: &NewEvent, now: Timestamp) -> Joined {
        let at = event.at().min(now).max(now.minus(RESOLUTION_DELAY_MAX));
        self.enter(IncidentState::Resolved, Origin::Vendor, at);
        (self.incident.is_unattended, self.incident.resolution_held_until) = (false, None);
        self.milestones.push(Milestone::new(now, MilestoneKind::Resolved, Origin::Vendor));
        Joined::Resolved
    }

    fn count(&mut self, event: &NewEvent) {
        let incident = &mut self.incident;
        incident.count = incident.count.saturating_add(1);
        incident.first_at = incident.first_at.min(event.at());
        incident.last_at = incident.last_at.max(event.at());
        repeat(incident, event.received_at);
        for (facet, value) in [
            (&mut self.facets.victims, &event.victim),
            (&mut self.facets.actors, &event.actor),
            (&mut self.facets.targets, &event.target),
        ] {
            if let Some(value) = value {
                facet.add(value);
            }
        }
        // An estimate may decrease; what was told must not.
        incident.victims = incident.victims.max(self.facets.victims.distinct().number());
    }

    fn fire(&mut self, event: &NewEvent) {
        match event.correlation {
            Some(hash) => self.correlations.fire(hash, event),
            None => self.incident.fired = Some(latest(self.incident.fired, event)),
        }
        if event.state == Some(EventState::Firing) {
            self.incident.ends_by_vendor = true;
        }
        // Its end can no longer be derived from the resolutions, so silence must end it.
        self.incident.ends_by_vendor &= !self.correlations.is_overflown();
    }

    fn enter(&mut self, state: IncidentState, by: Origin, at: Timestamp) {
        self.incident.enter(state, by, at);
    }
}

/// An incident with no event yet.
fn opened(
    id: IncidentId,
    number: IncidentNumber,
    source: &SourceName,
    key: IncidentKey,
    event: &NewEvent,
    now: Timestamp,
) -> Incident {
    Incident {
        id,
        number,
        source: source.clone(),
        key,
        kind: IncidentKind::Events,
        title: event.title.clone(),
        rule: event.rule.clone(),
        state: IncidentState::Open,
        state_since: now,
        state_by: Origin::Vendor,
        state_note: None,
        acknowledgement: None,
        rank: event.rank,
        rank_since: now,
        count: 0,
        victims: 1,
        first_at: event.at(),
        last_at: event.at(),
        received_at: event.received_at,
        reopenings: 0,
        reopened_at: Vec::new(),
        resolution_held_until: None,
        is_hold_noted: false,
        is_unattended: false,
        ends_by_vendor: false,
        fired: None,
        silenced_until: None,
        silence: None,
        fold: None,
        follows: None,
    }
}

const REOPENINGS_KEPT: usize = 4;
/// A resolution that the vendor dates earlier than that is dated so: its clock is wrong, or it names the time of the alert.
const RESOLUTION_DELAY_MAX: Duration = Duration::from_secs(10 * 60);
