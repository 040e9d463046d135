//! Chats whose messages can be edited: one message that always shows the present state, with replies for what is new.

use crate::domain::{Audience, Change, IncidentState, Notification, Operation, Standing, Told};

use super::super::spread::steps;
use super::{Comparison, Due};

impl Comparison<'_> {
    pub(super) fn editable_chat(&self) -> Due {
        let Some(said) = &self.told.said else { return self.create(self.opening(), Some(self.told_now())) };
        let change = self.change_since(&said.standing);
        if self.told.is_gone {
            return self.create_again(said, change);
        }
        let shown = self.told.shown.as_ref().unwrap_or(said);
        let to_show = change.or_else(|| self.change_since(&shown.standing));
        let Some(until) = self.silent_until() else { return self.chat(said, shown, change, to_show) };
        match self.worse_while_live(&said.standing) {
            Some(worse) => self.chat(said, shown, Some(worse), Some(worse)),
            None if change.is_some() || self.is != shown.standing => Due::At(until),
            None => self.all_told(None),
        }
    }

    fn chat(&self, said: &Told, shown: &Told, change: Option<Change>, to_show: Option<Change>) -> Due {
        if let Some(to_show) = to_show
            && self.looks_different(&shown.standing)
        {
            return self.edit(to_show);
        }
        match change {
            // The edit was made while the incident was in another state.
            Some(Change::Acknowledge) if self.is.state == IncidentState::Acknowledged => self.edit(Change::Acknowledge),
            Some(change) => self.reply(change, audience(change)),
            None => self.chat_in_time(said, shown),
        }
    }

    /// Brings the counts up to date, and says again that it is there.
    fn chat_in_time(&self, said: &Told, shown: &Told) -> Due {
        let update_at = (self.is.count != shown.standing.count || self.is.victims != shown.standing.victims)
            .then(|| self.after(shown.at, self.timing.update_every));
        let repeat_at = self.repeats_at(said);
        if update_at.is_some_and(|at| at <= self.now) {
            return self.edit(Change::Update);
        }
        if repeat_at.is_some_and(|at| at <= self.now) {
            return self.reply(Change::Repeat, Audience::Channel);
        }
        self.all_told(update_at.into_iter().chain(repeat_at).min())
    }

    /// Whether the message shows something else than counts that are out of date.
    fn looks_different(&self, shown: &Standing) -> bool {
        let steps = |victims| steps(&self.incident.kind, victims);
        let is_acknowledged = self.is.state == IncidentState::Acknowledged;
        self.is.state != shown.state
            || self.is.rank != shown.rank
            || steps(self.is.victims) != steps(shown.victims)
            || self.is.named != shown.named
            || (is_acknowledged && self.is.acknowledgements != shown.acknowledgements)
    }

    /// An acknowledgement is told by the edit alone; everything else is said in a reply, or not at all. That it has ended is
    /// said: another person must take it.
    fn edit(&self, change: Change) -> Due {
        let mut then = Notification { shown: Some(self.told_now()), ..self.told.clone() };
        if change == Change::Acknowledge && self.is.state == IncidentState::Acknowledged {
            then.said = then.shown;
        }
        self.tell(change, Operation::Edit, then)
    }

    pub(super) fn reply(&self, change: Change, audience: Audience) -> Due {
        let number = self.told.replies.saturating_add(1);
        let then = Notification { said: Some(self.told_now()), replies: number, ..self.told.clone() };
        self.tell(change, Operation::Reply { number, audience }, then)
    }

    /// The message was deleted: it is created again when the incident gets worse or is reopened.
    pub(super) fn create_again(&self, said: &Told, change: Option<Change>) -> Due {
        let worse = self.worse_while_live(&said.standing);
        // Where the end was to be told it was gone already, so that it is open by what was said last.
        let is_open_again = self.is.state == IncidentState::Open && self.is.reopenings > said.standing.reopenings;
        let is_reopened = change == Some(Change::Reopen) || is_open_again;
        let reason = match self.silent_until() {
            Some(_) => worse,
            None => is_reopened.then_some(Change::Reopen).or(worse),
        };
        match (reason, self.silent_until()) {
            (Some(reason @ (Change::Raise | Change::Reopen)), _) => self.create(reason, self.shown_when_created()),
            (_, Some(until)) if is_reopened => Due::At(until),
            _ => self.all_told(None),
        }
    }
}

fn audience(change: Change) -> Audience {
    match change {
        Change::Resolve | Change::Update => Audience::Thread,
        Change::Open
        | Change::Raise
        | Change::Spread
        | Change::Reopen
        | Change::Acknowledge
        | Change::Quiet
        | Change::Repeat => Audience::Channel,
    }
}
