//! A destination whose requests travel as the operator has set.

use std::path::Path;
use std::sync::Arc;

use super::{Connection, Message, Next, Notifier, Pace, Reply, Sink, Step};
use crate::domain::{Batch, BatchSize, Job, NotifierClass, Telling};

/// A destination and how its requests travel. All else is as the destination has it.
#[derive(Debug)]
pub(super) struct Connected<D: ?Sized> {
    connection: Arc<Connection>,
    destination: Box<D>,
}

impl<D: ?Sized> Connected<D> {
    /// The requests of `destination` over `connection`.
    pub(super) fn new(destination: Box<D>, connection: Arc<Connection>) -> Self {
        Self { connection, destination }
    }

    fn over(&self, next: Next) -> Next {
        match next {
            Next::Send(step, Message::Http(request)) => {
                Next::Send(step, Message::HttpOver(Arc::clone(&self.connection), request))
            }
            other => other,
        }
    }
}

impl Sink for Connected<dyn Sink> {
    fn pace(&self) -> Pace {
        self.destination.pace()
    }

    fn batch_size(&self) -> BatchSize {
        self.destination.batch_size()
    }

    fn first(&self, batch: &Batch<'_>) -> Next {
        self.over(self.destination.first(batch))
    }

    fn next(&self, batch: &Batch<'_>, step: Step, reply: &Reply) -> Next {
        self.over(self.destination.next(batch, step, reply))
    }

    fn file(&self) -> Option<&Path> {
        self.destination.file()
    }
}

impl Notifier for Connected<dyn Notifier> {
    fn class(&self) -> NotifierClass {
        self.destination.class()
    }

    fn fingerprint(&self) -> [u8; 16] {
        self.destination.fingerprint()
    }

    fn former_fingerprint(&self) -> Option<[u8; 16]> {
        self.destination.former_fingerprint()
    }

    fn pace(&self) -> Pace {
        self.destination.pace()
    }

    fn first(&self, job: &Job<'_>, telling: &Telling<'_>) -> Next {
        self.over(self.destination.first(job, telling))
    }

    fn next(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next {
        self.over(self.destination.next(job, telling, step, reply))
    }
}
