//! What the writer thread is handed: arrivals, and background work.

use rusqlite::Transaction;

use super::super::reply_batch::PendingReply;
use super::super::{Acceptance, StoreError};
use super::keys::KeysAtHand;
use crate::vendors::Authenticated;

/// What the thread is asked to do.
// Under load nearly all are of the larger kind: a box for each would save nothing.
#[allow(clippy::large_enum_variant)]
pub enum Command {
    /// To store an arrival.
    Accept(Waiting),
    /// To do some background work.
    Work(WorkLine, Box<dyn Work>),
}

/// An arrival that waits for its commit.
pub struct Waiting {
    /// The arrival.
    pub arrival: Authenticated,
    /// The body of that number in the store, where it is a long one: see [`bodies`](super::bodies).
    pub body: Option<i64>,
    /// The receiver of the answer.
    pub answer: PendingReply<Acceptance>,
}

/// Background work, which may share its transaction with arrivals and with other work.
pub trait Work: Send {
    /// Does it. What it has written is undone if it fails.
    fn run(&mut self, transaction: &Transaction<'_>, keys: &mut KeysAtHand) -> Result<(), StoreError>;

    /// Answers the caller, once it is known whether what was done is on the disk.
    fn answer(self: Box<Self>, fate: Result<(), StoreError>);
}

/// Which line a piece of work waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkLine {
    /// For people.
    First,
    /// For sinks.
    Later,
}
