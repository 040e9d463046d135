//! What conditions are found from.

use std::time::Duration;

use crate::domain::{DestinationName, SourceName};

/// How things stand at one moment.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Every destination that is configured or for which something waits.
    pub destinations: Vec<DestinationFacts>,
    /// Every configured source.
    pub sources: Vec<SourceFacts>,
    /// The store.
    pub store: StoreFacts,
}

/// How a destination stands.
#[derive(Clone, Debug)]
pub struct DestinationFacts {
    /// Its name.
    pub name: DestinationName,
    /// How it is doing.
    pub health: Health,
    /// Deliveries, or events of a sink, that are due and neither delivered nor dead.
    pub waiting: u64,
    /// How long the oldest of them has been due.
    pub oldest_waiting: Duration,
    /// Who is told instead of it for as long as it takes nothing.
    pub fallback: Option<DestinationName>,
    /// Dead letters, without those of notices.
    pub dead: u64,
}

/// How a destination is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It takes what it is sent.
    Running,
    /// It has not been sent anything since gatepost was started or has read its settings anew.
    Untried,
    /// It fails and is tried again.
    Failing {
        /// What the last try said.
        reason: String,
    },
    /// Stopped for a fault of the operator's making.
    Stopped {
        /// What to mend.
        reason: String,
    },
    /// It is not in the configuration.
    Unconfigured,
}

/// How a source stands.
#[derive(Clone, Debug)]
pub struct SourceFacts {
    /// Its name.
    pub name: SourceName,
    /// How long it may send nothing, where the operator says so.
    pub expect: Option<Duration>,
    /// How long it has sent nothing that was accepted; zero where that is not known.
    pub silent_for: Duration,
    /// How many of its requests were refused within the last five minutes, by code.
    pub refused: Vec<(&'static str, u64)>,
}

/// How the store stands.
#[derive(Clone, Debug, Default)]
pub struct StoreFacts {
    /// What is free on its disk, in bytes, where the system says so.
    pub free_bytes: Option<u64>,
    /// Requests are refused because the disk is full.
    pub is_full: bool,
    /// What the check of the database has found.
    pub damage: Option<String>,
}
