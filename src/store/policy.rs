//! What the store must know of the configuration to decide inside a transaction.

use std::collections::BTreeMap;

use crate::domain::{DestinationName, NotifierClass};
use crate::incidents::Timing;

/// Which destinations are notifiers, and how incidents are timed. Handed to each call that absorbs events or decides what is
/// due, so that a reload takes effect with the next one. The default knows no notifier: every delivery is an event's.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The notifiers, by name. Any other destination is a sink.
    pub notifiers: BTreeMap<DestinationName, NotifierPolicy>,
    /// How incidents are timed.
    pub timing: Timing,
}

/// What there is to know of a notifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotifierPolicy {
    /// What is told, and when.
    pub class: NotifierClass,
    /// Where its messages go: see [`Notifier::fingerprint`](crate::destinations::Notifier::fingerprint).
    pub fingerprint: [u8; 16],
}

impl Policy {
    /// What there is to know of a destination, where it is a notifier.
    pub fn notifier(&self, destination: &DestinationName) -> Option<NotifierPolicy> {
        self.notifiers.get(destination).copied()
    }
}
