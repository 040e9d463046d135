//! What keeps the store in shape.

use super::{StoreError, Ticket};
use crate::domain::{DestinationName, Timestamp};

/// What keeps the store in shape.
pub trait Upkeep: Send + Sync {
    /// Deletes up to `limit` rows that are older than their time. Returns how many went; fewer than `limit` means that
    /// nothing is left to do. What has not been dispatched or settled stays, whatever its age, and so does what one of these
    /// destinations, those that are configured, has not been sent: one that tells incidents now may have been a sink. What
    /// was planned for a sink that was removed goes with its events.
    fn prune(&self, horizons: Horizons, destinations: Vec<DestinationName>, limit: usize) -> Ticket<usize>;

    /// What was last [noted](Upkeep::note_time), also by an earlier process; `None` if nothing was.
    fn noted_time(&self) -> Result<Option<NotedTime>, StoreError>;

    /// Keeps the present time, so that the next start can tell whether the clock was set meanwhile.
    fn note_time(&self, now: NotedTime) -> Ticket<()>;

    /// Makes up to `limit` rows due at `now` that wait for a time after `beyond`: the clock by which they were to wait has
    /// been set back. Returns how many there were; fewer than `limit` means that none is left.
    fn hasten(&self, what: Hastened, beyond: Timestamp, now: Timestamp, limit: usize) -> Ticket<usize>;

    /// Writes a consistent copy to a file that does not exist yet.
    fn backup(&self, to: &std::path::Path) -> Result<(), StoreError>;
}

/// What is made due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hastened {
    /// What is to be told now or was tried before. Counts that are to be brought up to date later keep their time.
    Retries,
    /// Every delivery, and every incident that is to be checked later. What is too early is planned anew when it is claimed
    /// or checked.
    All,
}

/// The present time, by two clocks that trust the machine's wall clock to a different degree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotedTime {
    /// The time that retention follows.
    pub settled: Timestamp,
    /// The time that quarantine follows, never later than `settled`.
    pub vouched: Timestamp,
}

/// Before which time what may go.
#[derive(Clone, Copy, Debug)]
pub struct Horizons {
    /// Dedupe keys and event keys.
    pub keys: Timestamp,
    /// Receipts with their raw bodies.
    pub receipts: Timestamp,
    /// Events with their deliveries and attempts.
    pub events: Timestamp,
}

/// Whether the database file is sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Soundness {
    /// The check has not finished.
    Checking,
    /// It is.
    Sound,
    /// It is not.
    Damaged {
        /// What was found.
        reason: String,
    },
    /// The check failed.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl Soundness {
    /// The words of all kinds.
    pub const WORDS: [&'static str; 4] = ["checking", "sound", "damaged", "unknown"];

    /// The word in metrics and in `/readyz`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Checking => Self::WORDS[0],
            Self::Sound => Self::WORDS[1],
            Self::Damaged { .. } => Self::WORDS[2],
            Self::Unknown { .. } => Self::WORDS[3],
        }
    }

    /// Why it is not known to be sound.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Checking | Self::Sound => None,
            Self::Damaged { reason } | Self::Unknown { reason } => Some(reason),
        }
    }
}
