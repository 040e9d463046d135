//! Tickets: a comment says what has changed, then the fields follow, then the status.
//!
//! A ticket is created open, whatever the state of the incident, so that a transition alone changes its status. The
//! destination decides whether there is a transition to make, and whether people have changed the fields.

use std::time::Duration;

use crate::domain::{Audience, Change, IncidentState, Notification, NotifierClass, Operation, Standing, Told};

use super::super::timing::HOUR;
use super::{Comparison, Due};

impl Comparison<'_> {
    pub(super) fn ticket(&self) -> Due {
        let Some(said) = &self.told.said else { return self.create(self.opening(), self.shown_when_created()) };
        // Silence is not told in tickets.
        let change = self.change_since(&said.standing).filter(|change| *change != Change::Quiet);
        if self.told.is_gone {
            return self.create_again(said, change);
        }
        let shown = self.told.shown.as_ref().unwrap_or(said);
        if let Some(until) = self.silent_until() {
            let comment = self.worse_while_live(&said.standing).map(|worse| self.reply(worse, Audience::Thread));
            let is_raised = self.is.rank > shown.standing.rank;
            return comment.or_else(|| self.fields(shown).filter(|_| is_raised)).unwrap_or(Due::At(until));
        }
        if let Some(change) = change {
            return self.reply(change, Audience::Thread);
        }
        self.fields(shown).or_else(|| self.status(shown)).unwrap_or_else(|| self.ticket_in_time(said))
    }

    /// What the ticket shows once it has been created.
    pub(super) fn shown_when_created(&self) -> Option<Told> {
        let mut shown = self.told_now();
        if self.class == NotifierClass::Ticket {
            shown.standing.state = IncidentState::Open;
        }
        Some(shown).filter(|_| self.class != NotifierClass::AppendOnly)
    }

    fn fields(&self, shown: &Told) -> Option<Due> {
        let standing = Standing { state: shown.standing.state, ..self.is };
        let then = Notification { shown: Some(Told { standing, at: self.now }), ..self.told.clone() };
        (shown.standing.rank != self.is.rank).then(|| self.tell(Change::Raise, Operation::Edit, then))
    }

    fn status(&self, shown: &Told) -> Option<Due> {
        let (is_over, was_over) =
            (self.is.state == IncidentState::Resolved, shown.standing.state == IncidentState::Resolved);
        let change = if is_over { Change::Resolve } else { Change::Reopen };
        let standing = Standing { rank: shown.standing.rank, ..self.is };
        let then = Notification { shown: Some(Told { standing, at: self.now }), ..self.told.clone() };
        (is_over != was_over).then(|| self.tell(change, Operation::Transition, then))
    }

    fn ticket_in_time(&self, said: &Told) -> Due {
        let is_over = self.is.state == IncidentState::Resolved;
        let has_more = self.is.count > said.standing.count && !is_over;
        let first_at = self.after(self.told.opened_at, FIRST_UPDATE_AFTER);
        let update_at = if said.at < first_at { first_at } else { self.after(said.at, UPDATE_EVERY) };
        if has_more && update_at <= self.now {
            return self.reply(Change::Update, Audience::Thread);
        }
        self.all_told(has_more.then_some(update_at))
    }
}

const FIRST_UPDATE_AFTER: Duration = HOUR;
const UPDATE_EVERY: Duration = Duration::from_secs(24 * HOUR.as_secs());
