//! What has held for long enough to be told, and what may have ended.
//!
//! Of a condition that does not hold it may not be known that it has ended: a destination that was down before a restart, and that
//! has had nothing to be sent since, has shown nothing. Its notice stays open until the destination has worked, or for an hour.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Condition, Limits, NoticeId};
use crate::domain::Timestamp;

/// Remembers since when conditions hold, by the monotonic clock. A restart begins anew: what is told comes later by as much at
/// most, and nothing that was open ends before it has been looked for again.
#[derive(Debug)]
pub struct Watch {
    started: Timestamp,
    seen: BTreeMap<NoticeId, Span>,
    /// Since when it is not known whether they hold.
    unproven: BTreeMap<NoticeId, Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    since: Timestamp,
    last: Timestamp,
}

/// What a look has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Conditions that hold and are to be told.
    pub holding: Vec<Condition>,
    /// Notices that stay as they are if they are open: nothing is known that ends them.
    pub undecided: BTreeSet<NoticeId>,
    /// Whether other open notices have ended; not while too little is known.
    pub may_end: bool,
}

impl Watch {
    /// From now on, by the monotonic clock.
    pub fn new(steady: Timestamp) -> Self {
        Self { started: steady, seen: BTreeMap::new(), unproven: BTreeMap::new() }
    }

    /// Takes what holds at this moment, and of what that is not known.
    pub fn look(
        &mut self,
        found: Vec<Condition>,
        unproven: BTreeSet<NoticeId>,
        limits: &Limits,
        steady: Timestamp,
    ) -> Seen {
        let settles = limits.settles_after();
        for condition in &found {
            let span = self.seen.entry(condition.id.clone()).or_insert(Span { since: steady, last: steady });
            span.last = steady;
        }
        self.seen.retain(|id, span| {
            let patience = if id.kind.comes_and_goes() { settles } else { Duration::ZERO };
            span.last == steady || steady.since(span.last) < patience
        });
        let is_told = |condition: &Condition| {
            let span = self.seen.get(&condition.id);
            let has_held = span.is_some_and(|span| steady.since(span.since) >= condition.holds_for);
            has_held && steady.since(self.started) >= condition.known_after
        };
        let holding: Vec<Condition> = found.into_iter().filter(is_told).collect();
        self.unproven.retain(|id, _| unproven.contains(id));
        for id in unproven {
            self.unproven.entry(id).or_insert(steady);
        }
        let waited_for =
            self.unproven.iter().filter(|(_, since)| steady.since(**since) < UNPROVEN_FOR).map(|(id, _)| id);
        let may_hold = self.seen.keys().chain(waited_for);
        let undecided = may_hold.filter(|id| !holding.iter().any(|one| one.id == **id)).cloned().collect();
        Seen { holding, undecided, may_end: steady.since(self.started) >= settles }
    }
}

/// How long a destination that was down may have nothing to be sent before it is taken to work.
const UNPROVEN_FOR: Duration = Duration::from_secs(3600);
