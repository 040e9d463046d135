//! What the store must know of the configuration to decide inside a transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::{DestinationName, NotifierClass, SourceName};
use crate::incidents::{GroupBy, Timing};

/// Which destinations are notifiers, and how incidents are grouped and timed. Handed to each call that absorbs events or decides what is
/// due, so that a reload takes effect with the next one. The default knows no notifier: every delivery is an event's.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The notifiers, by name. Any other destination is a sink.
    pub notifiers: BTreeMap<DestinationName, NotifierPolicy>,
    /// What an earlier version has called the places of notifiers, where it differs from their fingerprints.
    pub former_fingerprints: BTreeMap<DestinationName, [u8; 16]>,
    /// Who is told instead of a notifier that has not taken what must be told at once.
    pub fallbacks: BTreeMap<DestinationName, Fallback>,
    /// How incidents are timed.
    pub timing: Timing,
    /// What the events of one incident have in common, for sources that say so.
    pub group_by: BTreeMap<SourceName, GroupBy>,
}

/// What there is to know of a notifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotifierPolicy {
    /// What is told, and when.
    pub class: NotifierClass,
    /// Where its messages go: see [`Notifier::fingerprint`](crate::destinations::Notifier::fingerprint).
    pub fingerprint: [u8; 16],
}

/// Who is told as well of what a notifier has not taken, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The other notifier.
    pub to: DestinationName,
    /// How long a change that must be told at once may wait.
    pub after: Duration,
}

impl Policy {
    /// What there is to know of a destination, where it is a notifier.
    pub fn notifier(&self, destination: &DestinationName) -> Option<NotifierPolicy> {
        self.notifiers.get(destination).copied()
    }

    /// What the events of one incident of a source have in common.
    pub fn group_by(&self, source: &SourceName) -> &GroupBy {
        self.group_by.get(source).unwrap_or(&GroupBy::Vendor)
    }
}
