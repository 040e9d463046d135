//! Pagers: pages are triggered, acknowledged and resolved, each by itself; counts are never sent.
//!
//! Each raise, spread and reopening is a page of its own, and so is an acknowledgement that lapses or is given back: a trigger on
//! a page that is open does not notify again, and one that a person has resolved would be opened again.

use crate::domain::{Change, IncidentState, Notification, Operation, Told};

use super::{Comparison, Due};

impl Comparison<'_> {
    pub(super) fn pager(&self) -> Due {
        let Some(said) = &self.told.said else { return self.page(Change::Open) };
        match self.is.state {
            IncidentState::Resolved => self.resolve_page(),
            IncidentState::Acknowledged => self.acknowledge_page(),
            IncidentState::Quiet => self.all_told(None),
            IncidentState::Open => self.page_of(said),
        }
    }

    fn page_of(&self, said: &Told) -> Due {
        let is_closed = self.told.pages_resolved >= self.told.pages;
        let worse = self.worse_since(&said.standing);
        // A pager keeps a page acknowledged: that it has no owner any more takes another one.
        let is_given_back = said.standing.state == IncidentState::Acknowledged;
        match (self.silent_until(), worse) {
            (Some(_), Some(worse)) => self.page(worse),
            (Some(until), None) if is_closed || is_given_back => Due::At(until),
            (None, _) if is_closed => self.page(Change::Reopen),
            (None, Some(worse)) => self.page(worse),
            (None, None) if is_given_back && self.is.reopenings > said.standing.reopenings => self.page(Change::Reopen),
            (None, None) if is_given_back => self.page(Change::Acknowledge),
            (_, None) => Due::Nothing,
        }
    }

    fn page(&self, change: Change) -> Due {
        let page = self.told.pages.saturating_add(1);
        let then = Notification { said: Some(self.told_now()), pages: page, ..self.told.clone() };
        self.tell(change, Operation::Trigger { page }, then)
    }

    /// Told of a silenced incident as well: it ends an alert and raises none.
    fn acknowledge_page(&self) -> Due {
        let done = self.told.pages_acknowledged.max(self.told.pages_resolved);
        if done >= self.told.pages {
            return Due::Nothing;
        }
        let page = done.saturating_add(1);
        let mut then = Notification { pages_acknowledged: page, ..self.told.clone() };
        self.say_with_last(page, &mut then);
        self.tell(Change::Acknowledge, Operation::AcknowledgePage { page }, then)
    }

    /// Told of a silenced incident as well.
    fn resolve_page(&self) -> Due {
        if self.told.pages_resolved >= self.told.pages {
            return self.all_told(None);
        }
        let page = self.told.pages_resolved.saturating_add(1);
        let mut then = Notification { pages_resolved: page, ..self.told.clone() };
        self.say_with_last(page, &mut then);
        self.tell(Change::Resolve, Operation::ResolvePage { page }, then)
    }

    fn say_with_last(&self, page: u32, then: &mut Notification) {
        if page >= self.told.pages {
            then.said = Some(self.told_now());
        }
    }
}
