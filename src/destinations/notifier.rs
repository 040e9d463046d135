//! What a destination must be able to do that tells people about incidents. Called by the workers and by `gatepost probe`.

use std::fmt::Debug;

use super::{Next, Pace, Reply, Step};
use crate::domain::{Job, NotifierClass, Telling};

/// One configured notifier: a small step machine over the incident as it is, what it was told last, and the change.
pub trait Notifier: Send + Sync + Debug {
    /// What is told, and when.
    fn class(&self) -> NotifierClass;

    /// What stands for the place where its messages go: address, credential and channel or project, hashed. Where it
    /// differs from that of a notification, what was made for that is out of reach.
    fn fingerprint(&self) -> [u8; 16];

    /// What an earlier version has called the same place, where that was something else: what was made for it is in reach.
    fn former_fingerprint(&self) -> Option<[u8; 16]> {
        None
    }

    /// How fast it may be told, and how much at once.
    fn pace(&self) -> Pace;

    /// The first message of a try, or an outcome where there is nothing to send.
    fn first(&self, job: &Job<'_>, telling: &Telling<'_>) -> Next;

    /// What to make of the reply to the message that [`Next::Send`] named `step`.
    fn next(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next;
}
