//! Events that were old when they arrived, as in a first export of several days: one digest for a source tells them.
//!
//! The store calls [`digest`] for an incident whose first events were all old. One that has a new event, or raises above the
//! digest, is told by itself.

use crate::domain::{DigestFacts, Fold, IncidentId, IncidentKey, IncidentKind, IncidentNumber, SourceName, Timestamp};

use super::collective::{counted, gather, live_or_opened, mark};
use super::subject::Subject;

/// The key of the digest of that source.
pub fn digest_key(source: &SourceName) -> IncidentKey {
    IncidentKey::of(source, &["digest"])
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
    let incident = &mut digest.incident;
    if let IncidentKind::Digest(facts) = &mut incident.kind {
        facts.incidents = facts.incidents.saturating_add(1);
        incident.title = format!("{} of events older than a day", counted(facts.incidents, "incident"));
    }
    incident.count = incident.count.saturating_add(folded.incident.count);
    if folded.incident.rank > incident.rank {
        (incident.rank, incident.rank_since) = (folded.incident.rank, now);
    }
    gather(&mut digest, folded, now);
    mark(folded, Fold { storm: digest.incident.number, rank: digest.incident.rank, is_digest: true }, now);
    digest
}
