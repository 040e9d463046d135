//! What gatepost tells its operator about itself, and what is remembered for it over restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Policy, StoreError, Ticket};
use crate::domain::{DestinationName, SourceName, Timestamp};
use crate::notices::{Known, NoticeId, Seen};

/// Notices, for the one task that looks after them.
pub trait Notices: Send + Sync {
    /// Opens, brings up to date and ends notices, so that those that are open are those that hold. Whether anything is news is
    /// decided inside the transaction that records it as events of incidents: what a crash takes away is found again by the
    /// next look, and nothing is told twice. New notices are opened only where there is a notifier in `to`; none is told of
    /// itself.
    fn reconcile(
        &self,
        seen: Seen,
        to: Vec<DestinationName>,
        policy: &Arc<Policy>,
        now: Timestamp,
    ) -> Ticket<Reconciled>;

    /// The notices that are open. Blocks on the disk.
    fn open_notices(&self) -> Result<BTreeMap<NoticeId, Known>, StoreError>;

    /// Dead letters of notices, by destination. Blocks on the disk.
    fn dead_notices(&self) -> Result<BTreeMap<DestinationName, u64>, StoreError>;

    /// When each of the sources that are watched was last known to have sent something. Blocks on the disk.
    fn source_activity(&self) -> Result<BTreeMap<SourceName, Timestamp>, StoreError>;

    /// Remembers when sources have sent something.
    fn note_source_activity(&self, sources: BTreeMap<SourceName, Timestamp>) -> Ticket<()>;
}

/// What a reconciliation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// The notices that are open now.
    pub open: BTreeMap<NoticeId, Known>,
    /// Incidents that were opened.
    pub incidents_opened: usize,
    /// Notifiers that there is something to tell.
    pub to_tell: BTreeSet<DestinationName>,
}
