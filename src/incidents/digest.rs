//! Many incidents of one source that one message tells.
//!
//! The store calls [`digest`] for an incident whose first events were all old, as in a first export of several days. One that
//! has a new event, or raises above the digest, is told by itself. It calls [`digest_of_updates`] where a notifier is behind
//! with the updates of many incidents, as after a long absence.

use std::time::Duration;

use crate::domain::{
    DestinationName, DigestFacts, DigestOf, Fold, Incident, IncidentId, IncidentKey, IncidentKind, IncidentNumber,
    IncidentState, Latecomers, Milestone, MilestoneKind, Origin, SourceName, Timestamp, Updated,
};

use super::collective::{NAMING_WAIT_MIN, counted, gather, is_high, live_or_opened, mark, naming};
use super::due::EXPORT_WAITS_MAX;
use super::subject::Subject;
use super::timing::Timing;

/// The key of the digest of that source.
pub fn digest_key(source: &SourceName) -> IncidentKey {
    IncidentKey::of(source, &["digest"])
}

/// The key of the digest of what a source's incidents were not told to that notifier.
pub fn updates_key(source: &SourceName, notifier: &DestinationName) -> IncidentKey {
    IncidentKey::of(source, &["updates", notifier.as_str()])
}

/// Folds an incident into the digest of its source, and marks it so.
///
/// `digest`: the newest of [`digest_key`], whatever its state; where it has ended, or there is none, another is opened. Once
/// it has been told, an incident at high or above is told like a raise, and so is at once one that outranks all before it.
pub fn digest(
    digest: Option<Subject>,
    folded: &mut Subject,
    numbers: &mut dyn FnMut() -> (IncidentId, IncidentNumber),
    timing: &Timing,
    now: Timestamp,
) -> Subject {
    let key = digest_key(&folded.incident.source);
    let kind = IncidentKind::Digest(DigestFacts::default());
    let mut digest = live_or_opened(digest, kind, "digest", key, &folded.incident, numbers, now);
    let is_late = is_told(&digest.incident, timing, now);
    let outranks = folded.incident.rank > digest.incident.rank;
    if let IncidentKind::Digest(facts) = &mut digest.incident.kind {
        if facts.incidents == 0 {
            facts.opened_at = Some(now);
        }
        facts.incidents = facts.incidents.saturating_add(1);
        digest.incident.title = format!("{} of events older than a day", counted(facts.incidents, "incident"));
    }
    add(&mut digest, folded, now);
    if is_late && (outranks || is_high(folded.incident.rank)) {
        come_late(&mut digest, &folded.incident, outranks, now);
    }
    mark(folded, Fold { storm: digest.incident.number, rank: digest.incident.rank, is_digest: true }, now);
    digest
}

/// When those that came late are told; `None`: all are.
pub(super) fn tells_at(facts: &DigestFacts) -> Option<Timestamp> {
    let late = &facts.latecomers;
    let opened = || facts.opened_at.map_or(Timestamp::default(), |at| at.plus(NAMING_WAIT_MIN));
    let at = late.told_at.map_or_else(opened, |(at, wait_ms)| at.plus(Duration::from_millis(wait_ms)));
    (late.told < late.incidents).then_some(at)
}

/// Tells those that came late. It takes back an acknowledgement, which did not cover them.
pub(super) fn tell_late(incident: &mut Incident, now: Timestamp) -> Milestone {
    let mut names = String::new();
    if let IncidentKind::Digest(DigestFacts { latecomers: late, .. }) = &mut incident.kind {
        if !is_telling(late, now) {
            late.told_before = late.told;
            late.told_at = Some(naming(late.told_at, now));
        }
        late.told = late.incidents;
        let new = late.told.saturating_sub(late.told_before);
        let listed = late.newest.iter().rev().take(usize::try_from(new).unwrap_or(usize::MAX));
        let listed: Vec<String> = listed.map(|one| format!("{} {}", one.number, one.title)).collect();
        let more = new.saturating_sub(u64::try_from(listed.len()).unwrap_or(u64::MAX));
        names = listed.join(", ");
        if more > 0 {
            names.push_str(&format!(" and {more} more"));
        }
    }
    if incident.state == IncidentState::Acknowledged {
        incident.enter(IncidentState::Open, Origin::Vendor, now);
    }
    Milestone::new(now, MilestoneKind::Raised, Origin::Vendor).noting(names)
}

/// Those that come in one moment are told together.
fn come_late(digest: &mut Subject, folded: &Incident, outranks: bool, now: Timestamp) {
    let IncidentKind::Digest(facts) = &mut digest.incident.kind else { return };
    let late = &mut facts.latecomers;
    late.incidents = late.incidents.saturating_add(1);
    late.newest.push(listed(folded));
    let surplus = late.newest.len().saturating_sub(NEWEST_MAX);
    late.newest.drain(..surplus);
    let is_due = outranks || is_telling(late, now);
    if is_due || tells_at(facts).is_some_and(|at| at <= now) {
        let told = tell_late(&mut digest.incident, now);
        digest.milestones.retain(|milestone| (milestone.what, milestone.at) != (told.what, now));
        digest.milestones.push(told);
    }
}

fn is_telling(late: &Latecomers, now: Timestamp) -> bool {
    late.told_at.is_some_and(|(at, _)| at == now)
}

/// Whether people know of the digest: its export has arrived, or one of them has taken it.
fn is_told(digest: &Incident, timing: &Timing, now: Timestamp) -> bool {
    let IncidentKind::Digest(facts) = &digest.kind else { return false };
    let latest = facts.opened_at.map(|opened| opened.plus(timing.wait.saturating_mul(EXPORT_WAITS_MAX)));
    let has_arrived = latest.is_none_or(|latest| digest.received_at.plus(timing.wait).min(latest) <= now);
    facts.incidents > 0 && (has_arrived || digest.state == IncidentState::Acknowledged)
}

fn listed(incident: &Incident) -> Updated {
    let title = incident.title.chars().take(TITLE_CHARS_MAX).collect();
    Updated { number: incident.number, title, count: incident.count }
}

/// Counts `more` events of an incident that is folded into the digest already: an export arrives in several transactions.
/// Its rank stays: an incident that raises above it is told by itself.
pub fn count_in_digest(digest: &mut Subject, folded: &Subject, more: u64, now: Timestamp) {
    digest.incident.count = digest.incident.count.saturating_add(more);
    gather(digest, folded, now);
}

/// Adds an incident to the digest of what a notifier was not told, and notes that at the incident: it goes on by itself.
///
/// `digest`: the newest of [`updates_key`], if it is live and was not told; where there is none, another is opened.
pub fn digest_of_updates(
    digest: Option<Subject>,
    updated: &mut Subject,
    notifier: &DestinationName,
    numbers: &mut dyn FnMut() -> (IncidentId, IncidentNumber),
    now: Timestamp,
) -> Subject {
    let key = updates_key(&updated.incident.source, notifier);
    let kind = IncidentKind::Digest(DigestFacts { of: DigestOf::Updates(Vec::new()), ..DigestFacts::default() });
    let mut digest = live_or_opened(digest, kind, "digest", key, &updated.incident, numbers, now);
    if let IncidentKind::Digest(facts) = &mut digest.incident.kind {
        facts.incidents = facts.incidents.saturating_add(1);
        digest.incident.title = format!("{} went on", counted(facts.incidents, "incident"));
        if let DigestOf::Updates(listed) = &mut facts.of
            && listed.len() < LISTED_MAX
        {
            let incident = &updated.incident;
            let (number, title, count) = (incident.number, incident.title.clone(), incident.count);
            listed.push(Updated { number, title, count });
        }
    }
    add(&mut digest, updated, now);
    let through = format!("{} at {notifier}", digest.incident.number);
    updated.milestones.push(Milestone::new(now, MilestoneKind::Folded, Origin::Gatepost).noting(through));
    digest
}

fn add(digest: &mut Subject, folded: &Subject, now: Timestamp) {
    let incident = &mut digest.incident;
    incident.count = incident.count.saturating_add(folded.incident.count);
    if folded.incident.rank > incident.rank {
        (incident.rank, incident.rank_since) = (folded.incident.rank, now);
    }
    gather(digest, folded, now);
}

/// Incidents that a digest of updates lists by name.
const LISTED_MAX: usize = 20;
/// Incidents that came late and are listed by name, each with that much of its title.
const NEWEST_MAX: usize = 5;
const TITLE_CHARS_MAX: usize = 200;
