//! Who is told instead of a notifier that has not taken what must be told at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Policy, StoreError, Ticket};
use crate::domain::{DestinationName, IncidentNumber, Timestamp};

/// Deliveries that wait for a notifier which has a fallback.
pub trait Fallbacks: Send + Sync {
    /// Up to `limit` deliveries behind a cursor that may have waited for too long, in their order, for notifiers with a
    /// [fallback](Policy::fallbacks). Reads only; blocks on the disk.
    fn overdue(
        &self,
        policy: &Policy,
        now: Timestamp,
        after: i64,
        limit: usize,
    ) -> Result<Vec<OverdueDelivery>, StoreError>;

    /// Has the fallbacks told of what these deliveries would tell, as if a route had sent it there: an opening, a raise, a
    /// spread or a reopening that has waited for as long as its notifier's fallback says. Each incident is handed over once;
    /// the notifier that has not taken it is told as well when it takes it.
    fn fall_back(&self, overdue: Vec<OverdueDelivery>, policy: &Arc<Policy>, now: Timestamp) -> Ticket<FellBack>;
}

/// A delivery that may have waited for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverdueDelivery {
    /// Where the next ones begin.
    pub cursor: i64,
    /// The row of its notification.
    pub(super) notification: i64,
    /// Since when it has been due.
    pub(super) due_since: Timestamp,
}

/// What was handed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FellBack {
    /// The incidents, each with the notifier that has not taken it and the one that is told instead.
    pub handed_over: Vec<(IncidentNumber, DestinationName, DestinationName)>,
    /// Notifiers that there is something to tell.
    pub to_tell: BTreeSet<DestinationName>,
}
