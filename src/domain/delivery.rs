//! One event for a sink, or one change of an incident for a notifier: the unit of the queue.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Change, DeliveryId, DestinationName, Event, EventId, Facets, Incident, IncidentNumber, Intent, Notification,
    NotificationId, Reference, RouteName, Timestamp, Wording,
};

/// A delivery as an operator sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The event to tell, to a sink, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// How many events, of a batch to a sink that has more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// The incident that is told of, to a notifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentNumber>,
    /// What is told of it, once that is decided: when it is first tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// The destination to tell.
    pub destination: DestinationName,
    /// The first route that asked for it.
    pub route: RouteName,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried, counted before each try.
    pub tries: u32,
    /// When it was planned.
    pub created_at: Timestamp,
    /// Not tried before this time.
    pub not_before: Timestamp,
    /// The name of what the destination made of it: an issue key, a message timestamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// Why it is in its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Waits for its turn.
    Waiting,
    /// A worker holds the lease on it.
    Leased,
    /// Done.
    Delivered,
    /// Will not be retried automatically: a dead letter.
    Dead,
    /// Not needed any more: the incident has changed since, or what it was to change is gone.
    Superseded,
}

impl DeliveryState {
    /// All of them, in the order of their numbers in the store.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Leased, Self::Delivered, Self::Dead, Self::Superseded];

    /// Those that have a queue: they wait, are under way, or wait for a person.
    pub const QUEUED: [Self; 3] = [Self::Waiting, Self::Leased, Self::Dead];

    /// The word on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Leased => "leased",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Superseded => "superseded",
        }
    }
}

/// Why something is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It happened.
    Alert,
    /// An operator tests the destination; what is shown must say so.
    Probe,
}

/// What a destination needs to know to send one delivery.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The delivery's id: stable over all tries, so a fit idempotency token.
    pub id: DeliveryId,
    /// The event to tell.
    pub event: &'a Event,
    /// Why.
    pub purpose: Purpose,
    /// The number of this try, from 1.
    pub tries: u32,
    /// An earlier try may have arrived unnoticed: its outcome was unknown, or the process ended during it.
    pub uncertain: bool,
    /// What the destination wrote down at the end of the last try.
    pub progress: &'a Progress,
    /// The present moment.
    pub now: Timestamp,
}

/// What a notifier needs to know beside its [`Job`]: the incident as it is, what it was told, and what to do.
///
/// `event` of the job is the event that shows the incident best: the newest of the highest rank.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// The notification's id: what is created at the destination is found again by it and the number of the creation.
    pub notification: NotificationId,
    /// The incident as it is.
    pub incident: &'a Incident,
    /// The victims, actors and targets that it concerns.
    pub facets: &'a Facets,
    /// What was told so far, with the reference to what was made.
    pub told: &'a Notification,
    /// What to do now, and what counts as told once it is done.
    pub intent: &'a Intent,
    /// What the operator adds to its words.
    pub wording: &'a Wording,
}

/// A destination's own notes from one try to the next; `Null` at first. Opaque to all other code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Progress(pub Value);

/// How a try ended. Three cases are distinguished: not taken, taken, and perhaps taken.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The destination has it.
    Delivered {
        /// What the destination calls it, for later updates.
        remote: Option<Reference>,
    },
    /// The destination has the batch, but for some of its events.
    DeliveredExcept {
        /// Events that it refuses, each with the reason.
        refused: Vec<(EventId, String)>,
        /// Events that it may take later, each with the reason.
        again: Vec<(EventId, String)>,
    },
    /// The destination has it, and asks to be sent less for a while.
    DeliveredSlowDown {
        /// How long nothing more is to be sent.
        pause: Duration,
    },
    /// The destination has it, and says later what became of it: nothing else is told of its incident until then, because
    /// what comes next depends on whether this was done.
    Pending {
        /// What is waited for.
        reason: String,
        /// At the earliest after this long it is asked.
        after: Duration,
        /// Notes for the next try, which asks.
        progress: Progress,
    },
    /// Not taken, and worth another try.
    Retry {
        /// Why, in a sentence that an operator can act on.
        reason: String,
        /// At the earliest after this long (`Retry-After`), if the destination said so.
        after: Option<Duration>,
        /// What must wait.
        scope: Scope,
        /// Notes for the next try.
        progress: Progress,
    },
    /// The fault is in the message: trying again cannot help.
    Refused {
        /// Why.
        reason: String,
    },
    /// What was made there earlier is no longer there.
    Gone {
        /// What the destination said.
        reason: String,
    },
    /// The fault is the operator's: nothing for this destination can succeed until it is fixed.
    Misconfigured {
        /// Why, and what to fix.
        reason: String,
        /// Whether it may be this message after all, or certainly is not.
        scope: Scope,
    },
    /// It may have arrived.
    Unknown {
        /// Why we do not know.
        reason: String,
        /// What must wait.
        scope: Scope,
        /// Whether it may be sent again.
        repeat: Repeat,
        /// The destination asks to be left alone for so long.
        after: Option<Duration>,
        /// Notes for the next try, which must look for the message first where it can.
        progress: Progress,
    },
}

/// Whether, and when, a message that may have arrived is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// When its turn comes: the next try looks for it first, or the receiver folds repetitions.
    Freely,
    /// It would be there twice, so at the earliest after this long.
    After(Duration),
    /// It has been sent often enough.
    Never,
}

/// What an outcome concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This delivery, and perhaps no other.
    Delivery,
    /// The whole destination: everything for it must wait (rate limits, an outage).
    Destination,
}

/// The kind of an [`Outcome`], as it is recorded and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeKind {
    /// [`Outcome::Delivered`]
    Delivered,
    /// [`Outcome::Retry`], [`Outcome::Pending`]
    Retry,
    /// [`Outcome::Refused`]
    Refused,
    /// [`Outcome::Gone`]
    Gone,
    /// [`Outcome::Misconfigured`]
    Misconfigured,
    /// [`Outcome::Unknown`]
    Unknown,
}

impl OutcomeKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Delivered, Self::Retry, Self::Refused, Self::Gone, Self::Misconfigured, Self::Unknown];

    /// The word in the store, in metrics and on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry => "retry",
            Self::Refused => "refused",
            Self::Gone => "gone",
            Self::Misconfigured => "misconfigured",
            Self::Unknown => "unknown",
        }
    }
}

impl Outcome {
    /// Its kind.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Delivered { .. } | Self::DeliveredExcept { .. } | Self::DeliveredSlowDown { .. } => {
                OutcomeKind::Delivered
            }
            Self::Retry { .. } | Self::Pending { .. } => OutcomeKind::Retry,
            Self::Refused { .. } => OutcomeKind::Refused,
            Self::Gone { .. } => OutcomeKind::Gone,
            Self::Misconfigured { .. } => OutcomeKind::Misconfigured,
            Self::Unknown { .. } => OutcomeKind::Unknown,
        }
    }

    /// Why it did not arrive; `None` when it did.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Delivered { .. } | Self::DeliveredExcept { .. } | Self::DeliveredSlowDown { .. } => None,
            Self::Pending { reason, .. }
            | Self::Retry { reason, .. }
            | Self::Refused { reason }
            | Self::Gone { reason }
            | Self::Misconfigured { reason, .. }
            | Self::Unknown { reason, .. } => Some(reason),
        }
    }
}

/// One try of a delivery, as it is recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// Why it did not arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
