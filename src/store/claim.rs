//! The right to settle, and the promise of an answer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::StoreError;
use super::reply_batch::{PendingReply, ReplyBatch};

/// The right to settle one row once. It cannot be copied; settling consumes it; its generation makes a late settlement
/// fail instead of overwriting what a later claim has written since.
#[derive(Debug)]
pub struct Claim<T> {
    pub(super) row: i64,
    pub(super) generation: i64,
    work: T,
}

impl<T> Claim<T> {
    pub(super) fn new(row: i64, generation: i64, work: T) -> Self {
        Self { row, generation, work }
    }

    /// What is claimed.
    pub fn work(&self) -> &T {
        &self.work
    }

    pub(super) fn work_mut(&mut self) -> &mut T {
        &mut self.work
    }
}

/// An answer that comes once the commit is on the disk.
#[derive(Debug)]
pub struct Ticket<T>(oneshot::Receiver<Result<T, StoreError>>);

impl<T> Ticket<T> {
    /// A ticket, and the sender of its answer: through `replies` if there is one.
    pub(super) fn by(replies: Option<&ReplyBatch>) -> (PendingReply<T>, Self) {
        let (sender, receiver) = oneshot::channel();
        (PendingReply::new(sender, replies), Self(receiver))
    }

    /// A ticket that is answered already, of an inbox that keeps nothing.
    pub fn answered(answer: T) -> Self {
        let (reply, ticket) = Self::by(None);
        reply.send(Ok(answer));
        ticket
    }

    /// A ticket that is refused already.
    pub(crate) fn refused(fault: StoreError) -> Self {
        let (reply, ticket) = Self::by(None);
        reply.send(Err(fault));
        ticket
    }

    /// Waits for the answer on a thread that may block.
    pub fn wait(self) -> Result<T, StoreError> {
        self.0.blocking_recv().unwrap_or(Err(StoreError::Stopped))
    }
}

impl<T> Future for Ticket<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(StoreError::Stopped)))
    }
}
