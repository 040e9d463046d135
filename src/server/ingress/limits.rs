//! What the operator limits of the reading of bodies.

use std::time::Duration;

/// How long a body may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IngressLimits {
    /// Between two pieces of it.
    pub idle: Duration,
    /// In all.
    pub total: Duration,
}
