//! How a command ends.

use crate::config::ConfigError;
use crate::store::{OpenError, StoreError};
use crate::telemetry::LogError;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    App(#[from] crate::app::AppError),
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

pub(super) type Outcome = Result<(), Failure>;

/// Names what was done when the system refused.
pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Failure {
    let what = what.into();
    move |source| Failure::Io { what, source }
}
