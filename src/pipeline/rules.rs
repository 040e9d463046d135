//! What the pipeline goes by, exchanged as a whole when the configuration is reloaded.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::SourceName;
use crate::incidents::GroupBy;
use crate::routing::Router;
use crate::store::Policy;
use crate::vendors::Sources;

/// How to read receipts and which destinations to tell.
pub struct Rules {
    /// The sources, by name.
    pub sources: Arc<Sources>,
    /// The routes.
    pub router: Router,
    /// What the events of one incident have in common, for sources that say so.
    pub group_by: BTreeMap<SourceName, GroupBy>,
    /// Which destinations are notifiers, and how incidents are timed.
    pub policy: Arc<Policy>,
}
