//! What `gatepost status` and `gatepost tail` look at.

use super::{DeliveryRow, EventRow, StoreError};
use crate::domain::{DestinationName, SourceName, Timestamp};

/// What `gatepost status` and `gatepost tail` look at. Reads only, each bounded whatever the store holds.
pub trait Overview: Send + Sync {
    /// Whether a request came from a source of this name.
    fn knows_source(&self, source: &str) -> Result<bool, StoreError>;

    /// Whether a delivery was planned for a destination of this name.
    fn knows_destination(&self, destination: &str) -> Result<bool, StoreError>;

    /// What each source has sent recently, counted since a time.
    fn active_sources(&self, since: Timestamp) -> Result<Vec<SourceActivity>, StoreError>;

    /// What became of the last deliveries of each destination.
    fn active_destinations(&self) -> Result<Vec<DestinationActivity>, StoreError>;

    /// Where the newest event and the newest delivery stand.
    fn newest(&self) -> Result<Position, StoreError>;

    /// Events behind a cursor, oldest first.
    fn events_after(&self, cursor: i64, limit: usize) -> Result<Vec<EventRow>, StoreError>;

    /// Deliveries behind a cursor, oldest first.
    fn deliveries_after(&self, cursor: i64, limit: usize) -> Result<Vec<DeliveryRow>, StoreError>;

    /// Deliveries by their cursors; those that are gone are left out.
    fn deliveries_at(&self, cursors: &[i64]) -> Result<Vec<DeliveryRow>, StoreError>;

    /// The cursors of up to `limit` deliveries that wait, and of up to `limit` that are under way.
    fn open_deliveries(&self, limit: usize) -> Result<Vec<i64>, StoreError>;
}

/// What a source has sent recently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceActivity {
    /// The source.
    pub source: SourceName,
    /// How many receipts were counted.
    pub receipts: u64,
    /// There are more than were looked at.
    pub is_more: bool,
    /// When the last one was received.
    pub last: Timestamp,
}

/// What became of the last deliveries of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationActivity {
    /// The destination.
    pub destination: DestinationName,
    /// When the last try that arrived was begun.
    pub last_delivered: Option<Timestamp>,
    /// Why the last dead letter is dead.
    pub dead_reason: Option<String>,
}

/// A place in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The cursor of the newest event.
    pub event: i64,
    /// The cursor of the newest delivery.
    pub delivery: i64,
}
