//! How a command ends.

use std::path::Path;

use crate::app::AppError;
use crate::config::ConfigError;
use crate::settings::Fault;
use crate::store::{OpenError, StoreError};
use crate::telemetry::LogError;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{what}")]
    Io {
        what: String,
        #[source]
        source: std::io::Error,
    },
    /// A sentence for the operator; what was found wrong has been printed already where it is more than a sentence.
    #[error("{0}")]
    Found(String),
    /// The command was used wrongly in a way that the parser cannot see.
    #[error("{0}")]
    Usage(String),
}

impl Failure {
    /// What is wrong with the configuration, and in which file.
    pub fn faults(&self) -> Option<(&Path, &[Fault])> {
        match self {
            Self::Config(ConfigError::Faulty { path, faults })
            | Self::App(AppError::Config(ConfigError::Faulty { path, faults })) => Some((path, faults)),
            _ => None,
        }
    }

    /// Whether there is a log by now to which it can be said.
    pub fn may_be_logged(&self) -> bool {
        !matches!(self, Self::Log(_) | Self::Usage(_))
    }
}

pub(super) type Outcome = Result<(), Failure>;

/// Names what was done when the system refused.
pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Failure {
    let what = what.into();
    move |source| Failure::Io { what, source }
}
