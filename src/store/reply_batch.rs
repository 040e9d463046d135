//! Answers in batches: one wake-up for each commit and waiting thread, instead of one for each answer.
//!
//! A commit answers many requests at once. Waking each of them from the writer thread costs a system call; so a thread
//! that serves many requests has a [`ReplyBatch`]: all its answers are put there, it is woken once, and its
//! [`Responder`] sends them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Notify, oneshot};

use super::{Acceptance, StoreError};

type Answer<T> = Result<T, StoreError>;
type Reply = (oneshot::Sender<Answer<Acceptance>>, Answer<Acceptance>);

/// The answers for a thread that waits for many. Its [`Responder`] must run on that thread.
#[derive(Clone, Debug)]
pub struct ReplyBatch(Arc<Slot>);

/// Sends the answers to their requests.
#[derive(Debug)]
pub struct Responder(Weak<Slot>, Arc<Notify>);

#[derive(Debug)]
struct Slot {
    /// `None` once they are no longer fetched.
    pending: Mutex<Option<Vec<Reply>>>,
    wake: Arc<Notify>,
}

/// The receiver of one answer.
#[derive(Debug)]
pub struct PendingReply<T> {
    sender: oneshot::Sender<Answer<T>>,
    replies: Option<ReplyBatch>,
}

/// The answers of one commit; the waiting threads are woken when it is dropped.
#[derive(Default)]
pub struct CommitReplies(Vec<ReplyBatch>);

impl ReplyBatch {
    /// A batch, and what must run on the thread that it belongs to.
    pub fn new() -> (Self, Responder) {
        let slot = Arc::new(Slot { pending: Mutex::new(Some(Vec::new())), wake: Arc::default() });
        let responder = Responder(Arc::downgrade(&slot), Arc::clone(&slot.wake));
        (Self(slot), responder)
    }
}

impl Responder {
    /// Sends the answers as they come, until the batch is dropped.
    pub async fn run(self) {
        let mut replies = Vec::new();
        while let Some(slot) = self.0.upgrade() {
            if let Some(put) = slot.pending().as_mut() {
                std::mem::swap(&mut replies, put);
            }
            drop(slot);
            for (sender, answer) in replies.drain(..) {
                // The receiver may be gone: what was committed stays committed.
                drop(sender.send(answer));
            }
            self.1.notified().await;
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        let Some(slot) = self.0.upgrade() else { return };
        for (sender, answer) in slot.pending().take().into_iter().flatten() {
            drop(sender.send(answer));
        }
    }
}

impl Slot {
    fn pending(&self) -> MutexGuard<'_, Option<Vec<Reply>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // The responder wakes, finds the batch dropped, and ends.
        self.wake.notify_one();
    }
}

impl<T> PendingReply<T> {
    /// An answer to `sender`, by way of `replies` if there is one.
    pub fn new(sender: oneshot::Sender<Answer<T>>, replies: Option<&ReplyBatch>) -> Self {
        Self { sender, replies: replies.cloned() }
    }

    /// Answers at once.
    pub fn send(self, answer: Answer<T>) {
        drop(self.sender.send(answer));
    }
}

impl CommitReplies {
    /// Answers directly, or adds the answer to the batch, which is sent after the wake-up.
    pub fn deliver(&mut self, reply: PendingReply<Acceptance>, answer: Answer<Acceptance>) {
        let PendingReply { sender, replies } = reply;
        let Some(replies) = replies else {
            drop(sender.send(answer));
            return;
        };
        match replies.0.pending().as_mut() {
            Some(pending) => pending.push((sender, answer)),
            // The responder has ended; then each answer is sent directly.
            None => drop(sender.send(answer)),
        }
        if !self.0.iter().any(|known| Arc::ptr_eq(&known.0, &replies.0)) {
            self.0.push(replies);
        }
    }
}

impl Drop for CommitReplies {
    fn drop(&mut self) {
        for replies in &self.0 {
            replies.0.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ReceiptId;

    fn stored() -> Answer<Acceptance> {
        Ok(Acceptance::New(ReceiptId::generate()))
    }

    #[tokio::test]
    async fn answers_arrive_by_the_responder_after_the_commit_and_directly_once_it_is_gone() {
        let (replies, responder) = ReplyBatch::new();
        let responder = tokio::spawn(responder.run());
        let mut commit = CommitReplies::default();
        let receivers: Vec<_> = (0..3)
            .map(|_| {
                let (sender, receiver) = oneshot::channel();
                commit.deliver(PendingReply::new(sender, Some(&replies)), stored());
                receiver
            })
            .collect();
        assert_eq!(commit.0.len(), 1, "one wake-up for all of them");
        drop(commit);
        for receiver in receivers {
            assert!(receiver.await.unwrap().is_ok());
        }
        responder.abort();
        assert!(responder.await.unwrap_err().is_cancelled());
        let (sender, receiver) = oneshot::channel();
        CommitReplies::default().deliver(PendingReply::new(sender, Some(&replies)), stored());
        assert!(receiver.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_responder_that_ends_hands_out_what_it_has_and_one_without_a_reply_batch_ends() {
        let (replies, responder) = ReplyBatch::new();
        let (sender, receiver) = oneshot::channel();
        CommitReplies::default().deliver(PendingReply::new(sender, Some(&replies)), stored());
        drop(responder);
        assert!(receiver.await.unwrap().is_ok());
        let (replies, responder) = ReplyBatch::new();
        drop(replies);
        responder.run().await;
    }
}
