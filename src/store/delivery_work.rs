//! Deliveries on their way to a destination: what is handed out, and what became of it.

use super::{Claim, SetAside};
use crate::domain::{
    Attempt, BatchEvent, DeliveryId, EventDocument, EventId, Facets, Incident, IncidentNumber, Intent, Notification,
    NotificationId, Progress, Reference, Telling, Timestamp, Wording,
};

/// Leased deliveries, and when to come again if there were fewer than asked for.
#[derive(Debug, Default)]
pub struct Claimed {
    /// The claims.
    pub claims: Vec<Claim<DeliveryWork>>,
    /// When the next delivery of this destination is due; `None` if none waits.
    pub next_due: Option<Timestamp>,
    /// Whether a batch of new events was formed and left none behind for the next. Not so of what is tried again, nor of a replay.
    pub is_drained: bool,
    /// Deliveries whose rows could not be read. They are dead letters now.
    pub unreadable: Vec<SetAside>,
}

/// All that is needed to send one delivery.
#[derive(Debug)]
pub struct DeliveryWork {
    /// Its id.
    pub delivery: DeliveryId,
    /// What to tell.
    pub content: Content,
    /// The number of this try, from 1.
    pub tries: u32,
    /// An earlier try may have arrived.
    pub uncertain: bool,
    /// The destination's own notes.
    pub progress: Progress,
    /// The first failure since which it has been retried, by the monotonic clock.
    pub retrying_since: Option<Timestamp>,
}

/// What a delivery tells. Events are kept as text, to be read where they are rendered: the thread that writes has enough to
/// do.
#[derive(Debug)]
pub enum Content {
    /// A single event, to a sink: it was refused in a batch, replayed, released from quarantine, or planned by an earlier
    /// version.
    Event(BatchEvent),
    /// A batch of events, to a sink: [`Outbox::batch_events`](super::Outbox::batch_events) reads them.
    Batch(EventRange),
    /// A change of an incident, to a notifier.
    Change(Box<ChangeContent>),
}

/// What a change of an incident is told with.
#[derive(Debug)]
pub struct ChangeContent {
    /// The notification.
    pub notification: NotificationId,
    /// The incident as it is.
    pub incident: Incident,
    /// The victims, actors and targets that it concerns.
    pub facets: Facets,
    /// The event that shows it best.
    pub event: EventDocument,
    /// What was told so far.
    pub told: Notification,
    /// What to do, and what counts as told then.
    pub intent: Intent,
}

/// Consecutive events of those that were planned for a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRange {
    /// The row of the first one.
    pub(super) first: i64,
    /// The row of the last one.
    pub(super) last: i64,
    /// How many there are.
    pub events: u64,
    /// The replay that they were chosen by; `None` where they were planned when they were recorded.
    pub(super) replay: Option<i64>,
}

impl Content {
    /// How many events it holds; a change of an incident counts as one.
    pub fn events(&self) -> u64 {
        match self {
            Self::Event(_) | Self::Change(_) => 1,
            Self::Batch(range) => range.events,
        }
    }

    /// Never given up for its age: it tells that an incident that goes on is new, worse or back, or a sink is to keep it.
    pub fn is_never_given_up(&self) -> bool {
        match self {
            Self::Event(_) | Self::Batch(_) => true,
            Self::Change(change) => {
                let is_untold = change.told.said.is_none();
                change.incident.state.is_live() && (is_untold || change.intent.change.is_news())
            }
        }
    }

    /// What it is about, for a log line: the event, or the incident and the change.
    pub fn subject(&self) -> (Option<EventId>, Option<IncidentNumber>, Option<&'static str>) {
        match self {
            Self::Event(event) => (Some(event.id), None, None),
            Self::Batch(_) => (None, None, None),
            Self::Change(change) => (None, Some(change.incident.number), Some(change.intent.change.as_str())),
        }
    }
}

impl ChangeContent {
    /// What the notifier is given, without the operator's words.
    pub fn telling(&self) -> Telling<'_> {
        Telling {
            notification: self.notification,
            incident: &self.incident,
            facets: &self.facets,
            told: &self.told,
            intent: &self.intent,
            wording: Wording::NONE,
        }
    }
}

/// The end of a try.
#[derive(Debug)]
pub struct Settlement {
    /// The right to settle.
    pub claim: Claim<DeliveryWork>,
    /// The try.
    pub attempt: Attempt,
    /// What is to become of the delivery.
    pub verdict: Verdict,
}

/// What is to become of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It has arrived.
    Delivered {
        /// What the destination calls it.
        remote: Option<Reference>,
    },
    /// What was made for the incident is no longer there.
    Gone {
        /// What the destination said.
        reason: String,
    },
    /// It is tried again.
    Again {
        /// Not before this time.
        not_before: Timestamp,
        /// The first failure since which it has been retried, by the monotonic clock; `None` while the fault is the
        /// operator's.
        retrying_since: Option<Timestamp>,
        /// This try may have arrived.
        uncertain: bool,
        /// The destination has it and has not said yet what became of it: it is settled before anything newer is told.
        is_pending: bool,
        /// The destination's own notes.
        progress: Progress,
        /// Why.
        reason: String,
    },
    /// It will not be retried automatically.
    Dead {
        /// Why.
        reason: String,
    },
    /// The batch has arrived, but for some of its events.
    DeliveredExcept {
        /// Events that were refused, each with the reason: they become dead letters.
        refused: Vec<(EventId, String)>,
        /// Events that are sent again by themselves, each with the reason.
        again: Vec<(EventId, String)>,
        /// When these are sent again.
        not_before: Timestamp,
    },
    /// The batch is sent again as two halves, to find the event that it fails on.
    Split {
        /// Why.
        reason: String,
    },
}
