//! When incidents are told, and when they end: the settings of `[incidents]`, as the pure code needs them.

use std::time::Duration;

/// How long things take. The defaults are those of the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long an opening waits at append-only chats and tickets. Pagers, editable chats and what is critical never wait.
    pub wait: Duration,
    /// How often the message in an editable chat is brought up to date.
    pub update_every: Duration,
    /// After how long an incident that has not been acknowledged is said again; `None`: never.
    pub repeat_after: Option<Duration>,
    /// After how long without an event an incident goes quiet.
    pub quiet_after: Duration,
    /// How long an incident stays in one state at most before it goes quiet, whatever still comes.
    pub max_age: Duration,
    /// For how long an acknowledgement holds if events continue.
    pub ack_for: Duration,
    /// How long after its resolution an incident is reopened by a new event.
    pub reopen_within: Duration,
    /// From how many incidents on they are told through a storm incident; `None`: never.
    pub storm: Option<StormLimits>,
}

/// How many incidents of one source are told one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StormLimits {
    /// Of one rule and rank.
    pub per_rule: u32,
    /// Of one rank.
    pub per_rank: u32,
    /// Within how long.
    pub within: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(10),
            update_every: 5 * MINUTE,
            repeat_after: None,
            quiet_after: 24 * HOUR,
            max_age: 7 * 24 * HOUR,
            ack_for: 24 * HOUR,
            reopen_within: 30 * MINUTE,
            storm: Some(StormLimits::default()),
        }
    }
}

impl Default for StormLimits {
    fn default() -> Self {
        Self { per_rule: 5, per_rank: 15, within: 15 * MINUTE }
    }
}

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
/// For how long nothing may come before a resolution counts that is held.
pub(super) const HELD_FOR: Duration = Duration::from_secs(30 * MINUTE.as_secs());
