//! Sending a sink the past: the role behind `gatepost replay --to`.

use serde::Serialize;

use super::StoreError;
use crate::domain::{DestinationName, Event, Timestamp};

/// The operator's orders to send a sink events of the past. They work beside a process that serves, which takes batches of
/// what was chosen from a position of its own beside the live one. The caller chooses the events, because only it knows the
/// routes; what it chose is kept, so that later changes of the routes change nothing. Calls block on the disk.
///
/// A sink has at most one replay at a time. A choice that was never ordered is dropped by the next one.
pub trait SinkReplays: Send + Sync {
    /// Events of a period whose rows lie behind `after`, in the order in which they were recorded, and what the sink knows of
    /// each.
    fn past_events(
        &self,
        sink: &DestinationName,
        period: Period,
        after: i64,
        limit: usize,
    ) -> Result<Vec<PastEvent>, StoreError>;

    /// The beginning of what the store still holds; `None` where it has never removed an event.
    fn removed(&self) -> Result<Option<Removed>, StoreError>;

    /// Begins a choice. The inner error is the replay that the sink is being sent.
    fn choose(
        &self,
        sink: &DestinationName,
        period: Period,
        now: Timestamp,
    ) -> Result<Result<Choice, SinkReplay>, StoreError>;

    /// Adds events to a choice, by their rows, ascending over all calls. `false`: it was dropped.
    fn add(&self, choice: &Choice, events: Vec<i64>) -> Result<bool, StoreError>;

    /// Has what was chosen sent. `false`: the choice was dropped, or holds nothing.
    fn order_replay(&self, choice: Choice) -> Result<bool, StoreError>;

    /// Ends the replay that a sink is being sent: what is in batches already is still sent.
    fn stop_replay(&self, sink: &DestinationName) -> Result<Option<SinkReplay>, StoreError>;

    /// The replays that were ordered, newest first: the last hundred.
    fn sink_replays(&self) -> Result<Vec<SinkReplay>, StoreError>;
}

/// From when and before when events were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Period {
    /// At this time or later.
    pub since: Timestamp,
    /// Before this time.
    pub until: Timestamp,
}

/// An event of the past.
#[derive(Clone, Debug, PartialEq)]
pub struct PastEvent {
    /// Its row.
    pub row: i64,
    /// The event, or why it cannot be read.
    pub event: Result<Event, String>,
    /// It is in quarantine: no destination is told.
    pub is_quarantined: bool,
    /// What the sink knows of it.
    pub known: Known,
}

/// What a sink knows of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It was never planned for it.
    Unsent,
    /// It was sent it, or is being sent it: live, by itself or by an earlier replay.
    Sent,
    /// It is planned for it, and its position will come to it.
    Waits,
}

/// What retention has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// How many events were recorded before the first that is left.
    pub events: u64,
    /// When the first that is left was received; `None` where none is.
    pub oldest_left: Option<Timestamp>,
}

/// The right to add to a choice, and to order it.
#[derive(Debug)]
pub struct Choice(pub(super) i64);

/// How far a replay is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SinkReplay {
    /// The sink.
    pub sink: DestinationName,
    /// Of which period.
    #[serde(flatten)]
    pub period: Period,
    /// When it was ordered.
    pub ordered_at: Timestamp,
    /// How it stands.
    pub state: ReplayState,
    /// How many events were chosen.
    pub events: u64,
    /// How many of them were taken into batches.
    pub batched: u64,
    /// How many of them are in batches that have not come to an end.
    pub open: u64,
    /// How many were removed by retention before they were taken into a batch.
    pub removed: u64,
}

/// How a replay stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayState {
    /// Batches are taken of it.
    Running,
    /// All of it was taken into batches.
    Over,
    /// The operator has stopped it.
    Stopped,
}

impl SinkReplay {
    /// Whether something of it is still to be sent.
    pub fn is_open(&self) -> bool {
        self.state == ReplayState::Running || self.open > 0
    }
}
