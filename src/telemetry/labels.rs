//! The labels of metrics. They hold configured names and closed lists only.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};

use crate::domain::DeliveryState;

/// By source and outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByOutcome {
    /// The source, or `unknown`.
    pub source: String,
    /// How the request ended.
    pub outcome: IntakeOutcome,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntakeOutcome {
    /// Stored.
    Accepted,
    /// Stored before.
    Duplicate,
    /// Its body was stored before, under another id that is not signed.
    Repeated,
    /// Refused, with the stable code of the problem.
    Refused(&'static str),
}

impl IntakeOutcome {
    /// The word in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Repeated => "repeated",
            Self::Refused(code) => code,
        }
    }
}

impl EncodeLabelValue for IntakeOutcome {
    fn encode(&self, encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

/// By source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BySource {
    /// The source.
    pub source: String,
}

/// By route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByRoute {
    /// The route.
    pub route: String,
}

/// By reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByReason {
    /// Why an event was not told by itself.
    pub reason: &'static str,
}

/// By what became of a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByHeartbeat {
    /// What became of it.
    pub outcome: &'static str,
}

/// What became of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeartbeatOutcome {
    /// It was sent and taken.
    Sent,
    /// It was sent and not taken.
    NotTaken,
    /// It was not sent, because gatepost is not well.
    Withheld,
}

impl HeartbeatOutcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sent, Self::NotTaken, Self::Withheld];

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::NotTaken => "not-taken",
            Self::Withheld => "withheld",
        }
    }
}

/// By what a notice is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByNotice {
    /// The kind of condition.
    pub kind: &'static str,
    /// The destination, the source, or `store`.
    pub subject: String,
}

/// By the state of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByIncidentState {
    /// The state.
    pub state: &'static str,
}

/// By destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByDestination {
    /// The destination.
    pub destination: String,
}

/// By what is known of the database file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByCheck {
    /// What is known.
    pub state: &'static str,
}

/// By destination and outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByAttempt {
    /// The destination.
    pub destination: String,
    /// The outcome of the attempt.
    pub outcome: &'static str,
}

/// By destination, what was told, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByEnd {
    /// The destination.
    pub destination: String,
    /// The change of an incident, or [`ByEnd::BATCH`].
    pub kind: &'static str,
    /// `delivered`, `dead` or `gone`.
    pub outcome: &'static str,
}

impl ByEnd {
    /// The kind of a delivery to a sink.
    pub const BATCH: &'static str = "batch";
}

/// What a delivery came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryEnd {
    /// It has arrived.
    Delivered,
    /// It is a dead letter.
    Dead,
    /// What was made at the destination is no longer there.
    Gone,
}

impl DeliveryEnd {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Dead, Self::Gone];

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Gone => "gone",
        }
    }
}

/// By destination and state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByQueue {
    /// The destination.
    pub destination: String,
    /// The state of the delivery.
    pub state: &'static str,
}

impl ByQueue {
    /// The deliveries of a destination in a state.
    pub fn of(destination: &str, state: DeliveryState) -> Self {
        Self { destination: destination.to_owned(), state: state.as_str() }
    }
}

/// The labels that the configuration makes known, and the codes of refusals.
#[derive(Clone, Debug, Default)]
pub struct KnownLabels {
    /// The sources.
    pub sources: Vec<String>,
    /// The routes.
    pub routes: Vec<String>,
    /// The destinations.
    pub destinations: Vec<String>,
    /// The codes of refused requests.
    pub refusals: Vec<&'static str>,
}

/// By task of the pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByTask {
    /// The task.
    pub task: &'static str,
}

/// A task of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Receipts become events and deliveries.
    Dispatcher,
    /// Deliveries become messages; one for each destination.
    Delivery,
    /// What is old is deleted, and queues are measured.
    Retention,
    /// The clock is watched.
    Clock,
    /// Incidents are looked at when their time has come.
    Incidents,
    /// The operator is told how gatepost is doing.
    Notices,
    /// Others are told of what a notifier has not taken.
    Fallbacks,
    /// A dead man's switch is told that gatepost is well.
    Heartbeat,
}

impl Task {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Dispatcher,
        Self::Delivery,
        Self::Retention,
        Self::Clock,
        Self::Incidents,
        Self::Notices,
        Self::Fallbacks,
        Self::Heartbeat,
    ];

    /// Its name in metrics and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dispatcher => "dispatcher",
            Self::Delivery => "delivery",
            Self::Retention => "retention",
            Self::Clock => "clock",
            Self::Incidents => "incidents",
            Self::Notices => "notices",
            Self::Fallbacks => "fallbacks",
            Self::Heartbeat => "heartbeat",
        }
    }
}

/// The label of requests that name no configured source.
pub const UNKNOWN_SOURCE: &str = "unknown";
