//! What storms and digests have in common: an incident that stands for others.

use std::time::Duration;

use crate::domain::{
    Facets, Fold, Incident, IncidentId, IncidentKey, IncidentKind, IncidentNumber, IncidentState, Milestone,
    MilestoneKind, Origin, Rank, Severity, Timestamp,
};

use super::correlations::Correlations;
use super::subject::Subject;
use super::timing::MINUTE;

/// The newest that stands for others, if it is live; else the next one, which stands for none yet.
pub(super) fn live_or_opened(
    newest: Option<Subject>,
    kind: IncidentKind,
    rule: &str,
    key: IncidentKey,
    first: &Incident,
    numbers: &mut dyn FnMut() -> (IncidentId, IncidentNumber),
    now: Timestamp,
) -> Subject {
    let follows = match newest {
        Some(newest) if newest.incident.state.is_live() => return newest,
        ended => ended.map(|ended| ended.incident.number),
    };
    let (id, number) = numbers();
    let incident = Incident {
        id,
        number,
        source: first.source.clone(),
        key,
        kind,
        title: String::new(),
        rule: rule.to_owned(),
        state: IncidentState::Open,
        state_since: now,
        state_by: Origin::Vendor,
        state_note: None,
        acknowledgement: None,
        rank: first.rank,
        rank_since: now,
        count: 0,
        victims: 1,
        first_at: first.first_at,
        last_at: first.last_at,
        received_at: first.received_at,
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
        follows,
    };
    let mut subject = Subject::new(incident, Facets::default(), Correlations::default());
    subject.milestones.push(Milestone::new(now, MilestoneKind::Opened, Origin::Gatepost));
    subject
}

/// Takes over its actors, targets and victims, and its times.
pub(super) fn gather(subject: &mut Subject, folded: &Subject, now: Timestamp) {
    for victim in folded.facets.victims.newest() {
        subject.facets.victims.add(victim);
    }
    for actor in folded.facets.actors.newest() {
        subject.facets.actors.add(actor);
    }
    let incident = &mut subject.incident;
    incident.victims = incident.victims.max(subject.facets.victims.distinct().number());
    incident.first_at = incident.first_at.min(folded.incident.first_at);
    incident.last_at = incident.last_at.max(folded.incident.last_at);
    incident.received_at = incident.received_at.max(folded.incident.received_at).max(now);
}

/// Marks an incident as told through another.
pub(super) fn mark(folded: &mut Subject, fold: Fold, now: Timestamp) {
    folded.incident.fold = Some(fold);
    let through = fold.storm.to_string();
    folded.milestones.push(Milestone::new(now, MilestoneKind::Folded, Origin::Gatepost).noting(through));
}

/// A naming of that moment, and how long the next one waits: a minute after the first, then ever longer.
pub(super) fn naming(before: Option<(Timestamp, u64)>, now: Timestamp) -> (Timestamp, u64) {
    let before = before.map_or(Duration::ZERO, |(_, wait_ms)| Duration::from_millis(wait_ms));
    let wait = before.saturating_mul(2).clamp(NAMING_WAIT_MIN, NAMING_WAIT_MAX);
    (now, u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
}

/// Whether it matters so much that nothing of it may be told late.
pub(super) fn is_high(rank: Rank) -> bool {
    rank.severity.rank() >= Severity::High.rank()
}

/// `1 rule`, `2 rules`.
pub(super) fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

pub(super) const NAMING_WAIT_MIN: Duration = MINUTE;
const NAMING_WAIT_MAX: Duration = Duration::from_secs(15 * MINUTE.as_secs());
