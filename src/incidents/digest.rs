//! Many incidents of one source that one message tells.
//!
//! The store calls [`digest`] for an incident whose first events were all old, as in a first export of several days. One that
//! has a new event, or raises above the digest, is told by itself. It calls [`digest_of_updates`] where a notifier is behind
//! with the updates of many incidents, as after a long absence.

use crate::domain::{
    DestinationName, DigestFacts, DigestOf, Fold, IncidentId, IncidentKey, IncidentKind, IncidentNumber, Milestone,
    MilestoneKind, Origin, SourceName, Timestamp, Updated,
};

use super::collective::{counted, gather, live_or_opened, mark};
use super::subject::Subject;

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
/// `digest`: the newest of [`digest_key`], whatever its state; where it has ended, or there is none, another is opened.
pub fn digest(
    digest: Option<Subject>,
    folded: &mut Subject,
    numbers: &mut dyn FnMut() -> (IncidentId, IncidentNumber),
    now: Timestamp,
) -> Subject {
    let key = digest_key(&folded.incident.source);
    let kind = IncidentKind::Digest(DigestFacts::default());
    let mut digest = live_or_opened(digest, kind, "digest", key, &folded.incident, numbers, now);
    if let IncidentKind::Digest(facts) = &mut digest.incident.kind {
        facts.incidents = facts.incidents.saturating_add(1);
        digest.incident.title = format!("{} of events older than a day", counted(facts.incidents, "incident"));
    }
    add(&mut digest, folded, now);
    mark(folded, Fold { storm: digest.incident.number, rank: digest.incident.rank, is_digest: true }, now);
    digest
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
    let kind = IncidentKind::Digest(DigestFacts { incidents: 0, of: DigestOf::Updates(Vec::new()) });
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
