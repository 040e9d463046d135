//! How the passing of time changes an incident.
//!
//! [`check_at`] says when to look again: a hint, because settings and events change. [`advance`] decides anew, one change
//! a call. Silence is measured only over time in which gatepost listened to the source, and by a clock that was not set
//! meanwhile. What only tells people something goes by the clock as it stands; what ends an incident for its age does not
//! follow a clock that was just set forward: see [`Present`].

use std::time::Duration;

use crate::domain::{Incident, IncidentKind, IncidentState, Milestone, MilestoneKind, Origin, Severity, Timestamp};

use super::timing::{HELD_FOR, HOUR, MINUTE, Timing};
use super::{digest, storm};

/// The time that the timers of incidents go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Present {
    /// The wall clock: incidents are dated by it.
    pub now: Timestamp,
    /// A clock that follows the wall clock only after a day where that was set forward, or seems so after a downtime.
    pub settled: Timestamp,
    /// Since when, by the wall clock, everything that sources sent has been read and the clock has not been set forward.
    pub listening_since: Timestamp,
}

impl Present {
    /// Of a clock that was not set, at the time from which gatepost listens.
    pub fn beginning(now: Timestamp) -> Self {
        Self { now, settled: now, listening_since: now }
    }
}

/// When [`advance`] has something to do next, if nothing else comes; `None`: never.
pub fn check_at(incident: &Incident, timing: &Timing, present: Present) -> Option<Timestamp> {
    timers(incident, timing, present).into_iter().flatten().map(|(at, _)| at).min()
}

/// Does one thing that is due by `now`; `None`: there is nothing. To be called until there is nothing.
pub fn advance(incident: &mut Incident, timing: &Timing, present: Present) -> Option<Milestone> {
    let due = timers(incident, timing, present).into_iter().flatten().filter(|(at, _)| *at <= present.now);
    let (_, timer) = due.min_by_key(|(at, _)| *at)?;
    fire(incident, timer, present.now)
}

/// The acknowledgement has held for long enough, and events have come since.
pub(super) fn has_lapsed(incident: &Incident, timing: &Timing, now: Timestamp) -> bool {
    lapses_at(incident, timing).is_some_and(|at| at <= now)
}

/// It was reopened more than three times within the last hour.
pub(super) fn is_flapping(incident: &Incident, now: Timestamp) -> bool {
    let recent = incident.reopened_at.iter().filter(|at| now.distance(**at) <= HOUR).count();
    incident.state.is_live() && recent > REOPENINGS_MAX
}

#[derive(Clone, Copy)]
enum Timer {
    DigestTells,
    HeldResolution,
    Lapse,
    Quiet,
    StormEnds,
    StormNames,
}

fn timers(incident: &Incident, timing: &Timing, present: Present) -> [Option<(Timestamp, Timer)>; 3] {
    let listening_since = present.listening_since;
    if let IncidentKind::Storm(facts) = &incident.kind
        && storm::goes_on(incident)
    {
        let ends = storm::ends_at(facts, listening_since).map(|at| (at, Timer::StormEnds));
        let names = storm::names_at(facts).filter(|_| incident.state.is_live()).map(|at| (at, Timer::StormNames));
        return [ends, names, lapses_at(incident, timing).map(|at| (at, Timer::Lapse))];
    }
    if !incident.state.is_live() {
        return [None, None, None];
    }
    let held = incident.resolution_held_until.map(|at| at.max(listening_since.plus(HELD_FOR)));
    // A vendor's resolution does not end a digest.
    let first = match &incident.kind {
        IncidentKind::Digest(facts) => digest::tells_at(facts).map(|at| (at, Timer::DigestTells)),
        IncidentKind::Events | IncidentKind::Storm(_) => held.map(|at| (at, Timer::HeldResolution)),
    };
    [
        first,
        lapses_at(incident, timing).map(|at| (at, Timer::Lapse)),
        quiet_at(incident, timing, present).map(|at| (at, Timer::Quiet)),
    ]
}

/// Events continue if one comes after that time. One that came before it proves nothing: the incident may go quiet, and
/// an acknowledged incident that is quiet needs no action.
fn lapses_at(incident: &Incident, timing: &Timing) -> Option<Timestamp> {
    let at = incident.acknowledgement.as_ref()?.at.plus(timing.ack_for);
    (incident.state == IncidentState::Acknowledged && incident.received_at >= at).then_some(at)
}

fn quiet_at(incident: &Incident, timing: &Timing, present: Present) -> Option<Timestamp> {
    let old = incident.state_since.plus(timing.max_age);
    let is_old_only_by_now = old <= present.now && old > present.settled;
    let too_old = if is_old_only_by_now { present.now.plus(UNSETTLED_AGAIN) } else { old };
    if incident.ends_by_vendor {
        // Its silence says nothing. One resolution that was lost must not keep all that follows from being told.
        return Some(too_old);
    }
    let silent = incident.received_at.max(present.listening_since).plus(timing.quiet_after);
    Some(silent.min(too_old))
}

fn fire(incident: &mut Incident, timer: Timer, now: Timestamp) -> Option<Milestone> {
    Some(match timer {
        Timer::DigestTells => digest::tell_late(incident, now),
        Timer::HeldResolution => {
            incident.resolution_held_until = None;
            enter(incident, IncidentState::Resolved, Origin::Vendor, now, MilestoneKind::Resolved)
        }
        Timer::Lapse => enter(incident, IncidentState::Open, Origin::Gatepost, now, MilestoneKind::Lapsed),
        Timer::Quiet => {
            let matters = incident.rank.severity.rank() >= Severity::Medium.rank();
            let is_digest = matches!(incident.kind, IncidentKind::Digest(_));
            incident.is_unattended = incident.state == IncidentState::Open && matters && !is_digest;
            incident.resolution_held_until = None;
            enter(incident, IncidentState::Quiet, Origin::Gatepost, now, MilestoneKind::Quiet)
        }
        Timer::StormEnds => return storm::end(incident, now),
        Timer::StormNames => storm::name(incident, now),
    })
}

fn enter(incident: &mut Incident, state: IncidentState, by: Origin, now: Timestamp, what: MilestoneKind) -> Milestone {
    incident.enter(state, by.clone(), now);
    Milestone::new(now, what, by)
}

/// How soon an age is looked at again that may be one of a clock that was set forward.
const UNSETTLED_AGAIN: Duration = Duration::from_secs(10 * MINUTE.as_secs());
/// Within an hour.
const REOPENINGS_MAX: usize = 3;
