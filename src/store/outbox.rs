//! Where work is handed out under a lease, and taken back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{
    Claim, Claimed, ClaimedReceipts, Conclusion, Dispatched, EventRange, Extended, PlannedEvent, Policy, ReceiptLimits,
    ReceiptWork, Settlement, StoreError, Ticket,
};
use crate::domain::{BatchEvent, BatchSize, DestinationName, Timestamp};
use crate::incidents::Present;

/// Where work is handed out and taken back.
pub trait Outbox: Send + Sync {
    /// Leases receipts that are not dispatched yet.
    ///
    /// The sources that have some waiting are served in turn. Of a source the most urgent go first, and a quarter of its
    /// turn goes to its oldest. What has been claimed before and was not concluded, or is replayed, goes first, up to half
    /// of the limit where others wait. The claims are answered in the order in which they should be read.
    ///
    /// A receipt that was under way when the process ended more than twice is claimed alone, while no other receipt is
    /// leased, so that the receipt that ends the process is known. Those whose rows cannot be read are set aside, so
    /// that they do not block the others.
    fn claim_receipts(&self, limits: ReceiptLimits, lease: Lease) -> Ticket<ClaimedReceipts>;

    /// Records some of a large receipt's events and renews its lease. The events are shared so that they can be handed in
    /// again after a fault. Answers [`StoreError::LeaseLost`](super::StoreError::LeaseLost) where another claim has the
    /// receipt.
    fn extend(
        &self,
        claim: &Claim<ReceiptWork>,
        events: Arc<Vec<PlannedEvent>>,
        policy: &Arc<Policy>,
        lease: Lease,
    ) -> Ticket<Extended>;

    /// Whether requests come so many at once that what can wait should leave them the processors for a moment.
    fn is_intake_crowded(&self) -> bool;

    /// Whether keys have ever been deleted for their age. As long as none has, whatever was accepted is known.
    fn forgets(&self) -> bool;

    /// Records the (remaining) events and deliveries of receipts and closes them, all in one transaction. The conclusions
    /// are shared so that they can be handed in again after a fault.
    fn conclude(&self, conclusions: Arc<Vec<Conclusion>>, policy: &Arc<Policy>, now: Timestamp) -> Ticket<Dispatched>;

    /// Leases up to `limit` deliveries of one destination that are due.
    fn claim_deliveries(
        &self,
        destination: &DestinationName,
        limit: usize,
        order: ClaimOrder,
        policy: &Arc<Policy>,
        lease: Lease,
    ) -> Ticket<Claimed>;

    /// Leases up to `limit` batches of a sink: those that are due, and then new ones from its position. A new batch is written
    /// before it is answered, so that after a crash the same one is handed out again, in doubt. By
    /// [`ClaimOrder::LongestDue`], which a sink on trial is claimed by, none is formed while others wait. A batch of a replay
    /// comes behind new events, but by [`ClaimOrder::PastFirst`].
    fn claim_batches(
        &self,
        sink: &DestinationName,
        limit: usize,
        order: ClaimOrder,
        size: BatchSize,
        lease: Lease,
    ) -> Ticket<Claimed>;

    /// The events of a batch, in their order, without those that retention has taken. Blocks on the disk.
    fn batch_events(&self, sink: &DestinationName, range: EventRange) -> Result<Vec<BatchEvent>, StoreError>;

    /// Makes up to `limit` deliveries of one destination due that wait for a later time than `now`, the most severe first.
    /// They go by their age again, as if they had never been tried. Returns how many there were; fewer than `limit` means
    /// that none is left.
    fn make_due(&self, destination: &DestinationName, now: Timestamp, limit: usize) -> Ticket<usize>;

    /// Records attempts and what is to become of their deliveries, all in one transaction. The answer counts those
    /// whose lease had passed to another claim, of which nothing was written. The settlements are shared so that they
    /// can be handed in again after a fault: what has been sent must not be forgotten because the disk is full.
    ///
    /// What a notifier was told is written with them, and what it is to be told next is planned.
    fn settle(&self, settlements: Arc<Vec<Settlement>>, policy: &Arc<Policy>, now: Timestamp) -> Ticket<LeasesLost>;

    /// Takes up to `limit` incidents whose time has come: those that nothing has happened to for long go quiet,
    /// acknowledgements lapse, held resolutions take effect. Returns the notifiers that there is something to tell.
    fn advance_incidents(&self, limit: usize, policy: &Arc<Policy>, present: Present) -> Ticket<Advanced>;
}

/// Which of the deliveries that are due are handed out first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimOrder {
    /// The most severe, then the oldest.
    MostSevere,
    /// The one that has been due the longest, whatever its severity, and no other.
    LongestDue,
    /// The most severe, then the oldest; and of a sink a batch of its replay, if it has one, before new events.
    PastFirst,
}

/// From when and until when a claim is valid.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// The present moment by the wall clock: what is due by then is handed out.
    pub now: Timestamp,
    /// The present by the monotonic clock ([`Clock::steady`](crate::domain::Clock::steady)): leases run by it, so that
    /// no lease ends early when the wall clock is set forward. A start ends all leases, so that they need not outlive
    /// the process.
    pub steady: Timestamp,
    /// How long the claim is valid.
    pub length: Duration,
}

impl Lease {
    /// When the lease ends.
    pub(crate) fn until(&self) -> Timestamp {
        self.steady.plus(self.length)
    }
}

/// What the passing of time did to incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advanced {
    /// How many were looked at; fewer than the limit means that no other's time has come.
    pub incidents: usize,
    /// Notifiers that there is something to tell.
    pub to_tell: BTreeSet<DestinationName>,
}

/// How many settlements came too late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeasesLost(pub usize);
