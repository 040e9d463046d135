//! What intake asks of the store; the thread that writes stores what it hands in, see [`arrivals`](super::arrivals).

use super::super::{Acceptance, Backlog, Inbox, ReplyBatch, StoreError, Ticket};
use super::SqliteStore;
use crate::domain::SourceName;
use crate::vendors::Authenticated;

impl Inbox for SqliteStore {
    fn accept(&self, request: Authenticated, replies: Option<&ReplyBatch>) -> Ticket<Acceptance> {
        self.writer.accept(request, replies)
    }

    fn backlog(&self, source: &SourceName) -> Backlog {
        self.writer.backlog(source.as_str())
    }

    fn check_writable(&self) -> Ticket<()> {
        if self.writer.is_shut() {
            return Ticket::refused(StoreError::kept_for_deliveries());
        }
        self.writer.write(|transaction| {
            // Another value each time, so that a page is really written.
            transaction.execute("UPDATE pulse SET at = at + 1 WHERE id = 1", [])?;
            Ok(())
        })
    }
}
