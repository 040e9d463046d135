//! What an incident takes from an event.

use std::time::Duration;

use crate::domain::{Actor, Event, EventState, IncidentKey, Rank, Rule, Target, Timestamp};

use super::CorrelationHash;
use super::timing::HOUR;

/// An event that is new to the store, as far as incidents need it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// How bad it is.
    pub rank: Rank,
    /// Whether the alert fires or is over, where the vendor documents it.
    pub state: Option<EventState>,
    /// When it happened, where the vendor documents the time; else when it was received.
    pub happened_at: Timestamp,
    /// When it was received.
    pub received_at: Timestamp,
    /// A route sends it to a notifier.
    pub is_told: bool,
    /// Its title.
    pub title: String,
    /// The rule as people know it: name, else id, else type.
    pub rule: String,
    /// The victim.
    pub victim: Option<String>,
    /// Who did it.
    pub actor: Option<String>,
    /// To what.
    pub target: Option<String>,
    /// A hash of the vendor's name of the alert.
    pub correlation: Option<CorrelationHash>,
}

impl NewEvent {
    /// Of an event that belongs to an incident of its own severity. `happened_at`: the event's time only where the vendor
    /// documents it, else that of receipt. `victim`: as [`super::group`] says.
    pub fn of(event: &Event, happened_at: Timestamp, victim: Option<String>, is_told: bool) -> Self {
        let correlation = event.correlation.as_ref();
        Self {
            rank: Rank::of(event),
            state: event.state,
            happened_at,
            received_at: event.received_at,
            is_told,
            title: event.title.clone(),
            rule: rule(event),
            victim,
            actor: event.actor.as_ref().and_then(actor),
            target: event.target.as_ref().and_then(target),
            correlation: correlation.map(|name| *IncidentKey::of(&event.source, &["correlation", name]).as_bytes()),
        }
    }

    /// It was older than a day when it arrived, as in a first export of several days.
    pub fn is_old(&self) -> bool {
        self.received_at.since(self.happened_at) > OLD
    }

    /// It happened before `end`, or exactly then by a vendor's clock: an export or a retry that arrives late. A time of
    /// receipt must be earlier: what comes in one request with the end, after it, is new.
    pub(super) fn is_before(&self, end: Timestamp) -> bool {
        if self.happened_at == self.received_at { self.received_at < end } else { self.happened_at <= end }
    }

    /// The time of the vendor as [`at`](Self::at) has it, where the vendor documents one.
    pub(super) fn documented_at(&self) -> Option<Timestamp> {
        (self.happened_at != self.received_at).then(|| self.at())
    }

    /// The time of the vendor, never later than that of receipt: a clock that is ahead must not date what is shown.
    pub(super) fn at(&self) -> Timestamp {
        self.happened_at.min(self.received_at)
    }
}

fn rule(event: &Event) -> String {
    let named = event.rule.as_ref().and_then(|Rule { id, name }| name.as_ref().or(id.as_ref()));
    named.unwrap_or(&event.kind).clone()
}

fn actor(actor: &Actor) -> Option<String> {
    let ip = actor.ip.map(|ip| match &actor.country {
        Some(country) => format!("{ip} ({country})"),
        None => ip.to_string(),
    });
    ip.or_else(|| actor.user.clone())
}

fn target(target: &Target) -> Option<String> {
    let what = target.url.as_ref().or(target.host.as_ref());
    match (&target.method, what) {
        (Some(method), Some(what)) => Some(format!("{method} {what}")),
        (None, Some(what)) => Some(what.clone()),
        (_, None) => target.agent.clone(),
    }
}

/// From this age on an event is old when it arrives; until then one that is late counts for the incident that it belonged
/// to.
pub(super) const OLD: Duration = Duration::from_secs(24 * HOUR.as_secs());
