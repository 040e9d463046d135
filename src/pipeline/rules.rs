//! What the pipeline goes by, exchanged as a whole when the configuration is reloaded.

use std::sync::Arc;

use crate::routing::{Annotations, Router};
use crate::store::Policy;
use crate::vendors::Sources;

/// How to read receipts and which destinations to tell.
pub struct Rules {
    /// The sources, by name.
    pub sources: Arc<Sources>,
    /// The routes.
    pub router: Router,
    /// What the operator says about events.
    pub annotations: Arc<Annotations>,
    /// Which destinations are notifiers, and how incidents are grouped and timed.
    pub policy: Arc<Policy>,
}
