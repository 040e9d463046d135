//! What a notifier is to be told: the difference between the incident as it is and what was told.
//!
//! The store calls [`due`] whenever an incident or a notification has changed, when a time that it named has come, and once
//! more when a worker claims the change: what is told is the state at that time. One operation at a time; whether it
//! succeeded is written into the notification, and the difference computed anew.
//!
//! - *said*: what was last told in words of its own (a page, a message, a reply, a comment).
//! - *shown*: what can be seen there now (the edited message, the fields and the status of a ticket).
//!
//! What was said is never taken back; what came and went before it was told is never told.

mod append_only;
mod confirm;
mod difference;
mod editable_chat;
mod pager;
mod ticket;

use std::time::Duration;

use crate::domain::{
    Change, Incident, IncidentKind, IncidentState, Intent, Notification, NotifierClass, Operation, Severity, Standing,
    Timestamp, Told,
};

use super::set_back::is_ahead;
use super::timing::Timing;

/// What is due at a notifier.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    /// This, now.
    Now(Box<Intent>),
    /// Something at that time, if nothing changes until then.
    At(Timestamp),
    /// Nothing, unless something changes.
    Nothing,
    /// Nothing, for the reason given. Should the incident change again after all (a reopening), the difference is computed
    /// anew: closing says that nothing is left to do, not that nothing can come.
    Close(&'static str),
}

/// What that notification of the incident needs next.
pub fn due(
    incident: &Incident,
    notification: &Notification,
    class: NotifierClass,
    timing: &Timing,
    now: Timestamp,
) -> Due {
    let comparison = Comparison { incident, told: notification, timing, now, is: standing(incident), class };
    comparison.with_confirmations(comparison.difference())
}

/// The state of the incident, as far as notifiers are told.
pub fn standing(incident: &Incident) -> Standing {
    let named = match &incident.kind {
        IncidentKind::Storm(facts) => u64::try_from(facts.named_in_all()).unwrap_or(u64::MAX),
        IncidentKind::Digest(facts) => facts.latecomers.told,
        IncidentKind::Events => 0,
    };
    Standing {
        state: incident.state,
        rank: incident.rank,
        count: incident.count,
        victims: incident.victims,
        acknowledgements: incident.acknowledgement.as_ref().map_or(0, |acknowledgement| acknowledgement.number),
        reopenings: incident.reopenings,
        named,
    }
}

/// An incident beside what one notifier was told of it.
struct Comparison<'a> {
    incident: &'a Incident,
    told: &'a Notification,
    timing: &'a Timing,
    now: Timestamp,
    is: Standing,
    class: NotifierClass,
}

impl Comparison<'_> {
    fn difference(&self) -> Due {
        if self.told.said.is_some() && self.incident.kind.is_of_updates() {
            return Due::Close(DIGEST_TOLD);
        }
        if self.told.said.is_none()
            && let Some(due) = self.not_opened()
        {
            return due;
        }
        match self.class {
            NotifierClass::Pager => self.pager(),
            NotifierClass::EditableChat => self.editable_chat(),
            NotifierClass::AppendOnly => self.append_only(),
            NotifierClass::Ticket => self.ticket(),
        }
    }

    /// Why the incident is not told yet, or not at all; `None`: it is to be told now.
    fn not_opened(&self) -> Option<Due> {
        if self.incident.fold.is_some_and(|fold| self.is.rank <= fold.rank) {
            return Some(if self.is.state.is_live() { Due::Nothing } else { Due::Close(FOLDED) });
        }
        let is_pager = self.class == NotifierClass::Pager;
        match self.is.state {
            IncidentState::Resolved if is_pager => return Some(Due::Close(RESOLVED_UNTOLD)),
            IncidentState::Quiet if is_pager && !self.incident.is_unattended => return Some(Due::Close(QUIET_UNTOLD)),
            // It was acknowledged before it was paged.
            IncidentState::Acknowledged if is_pager => return Some(Due::Nothing),
            IncidentState::Resolved | IncidentState::Quiet | IncidentState::Acknowledged | IncidentState::Open => {}
        }
        let opens_at = if self.is.state.is_live() { self.opens_at() } else { self.now };
        let silent_until = self.silent_until().filter(|_| !self.opens_in_silence(opens_at));
        self.not_before(opens_at.max(silent_until.unwrap_or(opens_at)))
    }

    /// A silence holds back no opening that was due before it, and none of an incident that is worse by now.
    fn opens_in_silence(&self, opens_at: Timestamp) -> bool {
        self.incident.silence.is_some_and(|silence| {
            let then = Standing { rank: silence.rank, victims: silence.victims, named: silence.named, ..self.is };
            self.is.state.is_live() && (opens_at <= silence.at || self.worse_since(&then).is_some())
        })
    }

    fn opens_at(&self) -> Timestamp {
        let waits = matches!(self.class, NotifierClass::AppendOnly | NotifierClass::Ticket)
            && self.is.rank.severity.rank() < Severity::Critical.rank();
        let wait = self.timing.wait;
        match &self.incident.kind {
            // Until all of them have been found.
            IncidentKind::Digest(_) if self.incident.kind.is_of_updates() => self.after(self.told.opened_at, wait),
            // Until the export has arrived, as far as it does so without a pause.
            IncidentKind::Digest(_) => {
                let latest = self.after(self.told.opened_at, wait.saturating_mul(EXPORT_WAITS_MAX));
                self.after(self.incident.received_at.max(self.told.opened_at), wait).min(latest)
            }
            IncidentKind::Events | IncidentKind::Storm(_) => {
                self.after(self.told.opened_at, if waits { wait } else { Duration::ZERO })
            }
        }
    }

    /// The change that the first message tells: one that combines all, where the incident is over.
    fn opening(&self) -> Change {
        match self.is.state {
            IncidentState::Resolved => Change::Resolve,
            IncidentState::Quiet => Change::Quiet,
            IncidentState::Open | IncidentState::Acknowledged => Change::Open,
        }
    }

    /// Until when only a raise or a spread is told.
    fn silent_until(&self) -> Option<Timestamp> {
        self.incident.silenced_until.filter(|until| *until > self.now)
    }

    /// That long after something was told. A time ahead of the clock was written before the clock was set back: what
    /// would otherwise wait until the clock reaches it again does not wait.
    fn after(&self, told_at: Timestamp, wait: Duration) -> Timestamp {
        if is_ahead(told_at, self.now) { self.now } else { told_at.plus(wait) }
    }

    /// `None` where the time has come.
    fn not_before(&self, at: Timestamp) -> Option<Due> {
        (at > self.now).then_some(Due::At(at))
    }

    /// The present state, as told.
    fn told_now(&self) -> Told {
        Told { standing: self.is, at: self.now }
    }

    /// Nothing is left to tell: it is closed, or checked again at that time.
    fn all_told(&self, next: Option<Timestamp>) -> Due {
        match self.is.state {
            IncidentState::Resolved => {
                let over_at = self.after(self.incident.state_since, self.timing.reopen_within);
                let at = next.or((over_at > self.now).then_some(over_at));
                at.map_or(Due::Close(OVER), Due::At)
            }
            IncidentState::Quiet if next.is_none() && !self.incident.is_unattended => Due::Close(QUIET),
            _ => next.map_or(Due::Nothing, Due::At),
        }
    }

    /// Does this, and counts it as done on success.
    fn tell(&self, change: Change, operation: Operation, then: Notification) -> Due {
        Due::Now(Box::new(Intent { change, operation, then }))
    }

    /// Creates the message or the ticket. The class decides what `shown` then holds.
    fn create(&self, change: Change, shown: Option<Told>) -> Due {
        let number = self.told.creations.saturating_add(1);
        let said = Some(self.told_now());
        let then = Notification { said, shown, creations: number, is_gone: false, ..self.told.clone() };
        self.tell(change, Operation::Create { number }, then)
    }

    /// When the incident is said again because it has not been acknowledged.
    fn repeats_at(&self, said: &Told) -> Option<Timestamp> {
        let repeat_after = self.timing.repeat_after?;
        (self.is.state == IncidentState::Open).then(|| self.after(said.at, repeat_after))
    }
}

/// As many waits long the first message of a digest is put off at most while its events still arrive.
pub(super) const EXPORT_WAITS_MAX: u32 = 6;
const FOLDED: &str = "told through a storm incident or a digest";
const DIGEST_TOLD: &str = "a digest is told once";
const RESOLVED_UNTOLD: &str = "resolved before it was told";
const QUIET_UNTOLD: &str = "quiet before it was told";
const OVER: &str = "resolved";
const QUIET: &str = "quiet";
