//! What a sink needs to know to send a batch of events.

use super::{BatchEvent, DeliveryId, Job, Progress, Purpose, Timestamp};

/// Events for a sink. After a crash or an answer that did not come the same batch is tried again, under the same id.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The delivery's id: stable over all tries, so a fit idempotency token.
    pub id: DeliveryId,
    /// The events, in the order in which they were recorded: at least one.
    pub events: &'a [BatchEvent],
    /// Why they are sent.
    pub purpose: Purpose,
    /// The number of this try, from 1.
    pub tries: u32,
    /// An earlier try may have arrived unnoticed: its outcome was unknown, or the process ended during it.
    pub uncertain: bool,
    /// What the destination wrote down at the end of the last try.
    pub progress: &'a Progress,
    /// The present moment.
    pub now: Timestamp,
}

/// How much a sink takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSize {
    /// At most so many events.
    pub events: usize,
    /// At most so many bytes of events as they are stored, beyond the first one.
    pub bytes: usize,
}

/// What the tries of a batch and of a change of an incident have in common, where replies are classified.
#[derive(Clone, Copy, Debug)]
pub struct Try<'a> {
    /// An earlier try may have arrived unnoticed.
    pub uncertain: bool,
    /// What the destination wrote down at the end of the last try.
    pub progress: &'a Progress,
    /// The present moment.
    pub now: Timestamp,
}

impl<'a> From<&Job<'a>> for Try<'a> {
    fn from(job: &Job<'a>) -> Self {
        Self { uncertain: job.uncertain, progress: job.progress, now: job.now }
    }
}

impl<'a> From<&Batch<'a>> for Try<'a> {
    fn from(batch: &Batch<'a>) -> Self {
        Self { uncertain: batch.uncertain, progress: batch.progress, now: batch.now }
    }
}
