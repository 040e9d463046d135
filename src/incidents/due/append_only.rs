//! Places where what was sent stays as it is: each change is a message of its own, and counts are told sparingly.

use std::time::Duration;

use crate::domain::{Audience, Change, Told};

use super::super::timing::MINUTE;
use super::{Comparison, Due};

impl Comparison<'_> {
    pub(super) fn append_only(&self) -> Due {
        let Some(said) = &self.told.said else { return self.create(self.opening(), None) };
        let change = self.change_since(&said.standing);
        if self.told.is_gone {
            return self.create_again(said, change);
        }
        if let Some(until) = self.silent_until() {
            return self
                .worse_while_live(&said.standing)
                .map_or(Due::At(until), |worse| self.reply(worse, Audience::Channel));
        }
        match change {
            Some(change) => self.reply(change, Audience::Channel),
            None => self.append_in_time(said),
        }
    }

    fn append_in_time(&self, said: &Told) -> Due {
        let is_tenfold = self.is.count >= said.standing.count.saturating_mul(10) && self.is.count > said.standing.count;
        let update_at = (is_tenfold && self.is.state.is_live()).then(|| self.after(said.at, UPDATE_AFTER_MIN));
        let repeat_at = self.repeats_at(said);
        if update_at.is_some_and(|at| at <= self.now) {
            return self.reply(Change::Update, Audience::Channel);
        }
        if repeat_at.is_some_and(|at| at <= self.now) {
            return self.reply(Change::Repeat, Audience::Channel);
        }
        self.all_told(update_at.into_iter().chain(repeat_at).min())
    }
}

const UPDATE_AFTER_MIN: Duration = Duration::from_secs(30 * MINUTE.as_secs());
