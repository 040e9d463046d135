//! Where authenticated requests are accepted.

use std::time::Duration;

use super::{Acceptance, ReplyBatch, Ticket};
use crate::domain::SourceName;
use crate::vendors::Authenticated;

/// Where authenticated requests are accepted.
pub trait Inbox: Send + Sync {
    /// Takes a request. The ticket is ready once it is committed and synced, or once it is known to be a repetition of
    /// a committed one. Answers [`StoreError::QueueFull`](super::StoreError::QueueFull) at once when the queue of arrivals
    /// is full. A thread that waits for many answers has them put into its `replies`.
    fn accept(&self, request: Authenticated, replies: Option<&ReplyBatch>) -> Ticket<Acceptance>;

    /// What is accepted of a source and waits to be read, without what has been handed out. Counted in memory and answered
    /// at once.
    fn backlog(&self, source: &SourceName) -> Backlog;

    /// Writes and syncs a few bytes, to check whether an accept would be committed.
    fn check_writable(&self) -> Ticket<()>;
}

/// What of a source waits to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many receipts.
    pub receipts: u64,
    /// How long their bodies are together, in bytes.
    pub bytes: u64,
}

/// Whether an accept would be committed now: the measure of `/readyz` and of heartbeats. Writes to the store.
///
/// # Errors
/// Why it would not.
pub async fn check_accepts(inbox: &dyn Inbox) -> Result<(), String> {
    match tokio::time::timeout(CHECK_LIMIT, inbox.check_writable()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(fault)) => Err(fault.to_string()),
        Err(_) => Err(format!("the store does not answer within {} s", CHECK_LIMIT.as_secs())),
    }
}

/// How long the store may take to answer.
const CHECK_LIMIT: Duration = Duration::from_secs(3);
