//! A configured destination of either kind.

use std::path::Path;
use std::sync::Arc;

use super::{Next, Notifier, Pace, Reply, Sink, Step};
use crate::domain::{Batch, Job, Telling};

/// A configured destination: a sink gets every event, a notifier is told of incidents.
#[derive(Clone, Debug)]
pub enum Receiver {
    /// It keeps every event that a route sends there.
    Sink(Arc<dyn Sink>),
    /// It tells people about incidents.
    Notifier(Arc<dyn Notifier>),
}

impl Receiver {
    /// How fast it may be told, and how much at once.
    pub fn pace(&self) -> Pace {
        match self {
            Self::Sink(sink) => sink.pace(),
            Self::Notifier(notifier) => notifier.pace(),
        }
    }

    /// The file that it writes, if it writes one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sink(sink) => sink.file(),
            Self::Notifier(_) => None,
        }
    }
}

/// One try at a destination, step by step.
#[derive(Clone, Copy, Debug)]
pub enum Exchange<'a> {
    /// Events, to a sink.
    Batch(&'a dyn Sink, &'a Batch<'a>),
    /// A change of an incident, to a notifier.
    Change(&'a dyn Notifier, &'a Job<'a>, &'a Telling<'a>),
}

impl Exchange<'_> {
    /// The first message, or an outcome where there is nothing to send.
    pub fn first(&self) -> Next {
        match self {
            Self::Batch(sink, batch) => sink.first(batch),
            Self::Change(notifier, job, telling) => notifier.first(job, telling),
        }
    }

    /// What to make of the reply to the message of that step.
    pub fn next(&self, step: Step, reply: &Reply) -> Next {
        match self {
            Self::Batch(sink, batch) => sink.next(batch, step, reply),
            Self::Change(notifier, job, telling) => notifier.next(job, telling, step, reply),
        }
    }
}
