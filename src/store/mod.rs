//! Durable state, as roles: each caller sees its own and no more.
//!
//! | role | who calls it | what it does |
//! |---|---|---|
//! | [`Inbox`] | `server::ingress` | accepts a verified request, once, durably |
//! | [`Outbox`] | `pipeline` | hands out work under a lease and takes back what became of it |
//! | [`Queries`] | the operator, through `cli` and `server::admin` | reads, and replays on order |
//! | [`IncidentQueries`] | the operator, through `cli` | reads incidents |
//! | [`Commands`] | the operator, through `cli` | acknowledges, resolves, silences; also beside a process that serves |
//! | [`SinkReplays`] | the operator, through `cli` | has a sink sent the past; also beside a process that serves |
//! | [`Overview`] | the operator, through `cli` | what came in and went out recently |
//! | [`Fallbacks`] | `pipeline::fallback_task` | has others told of what a notifier has not taken |
//! | [`Notices`] | `pipeline::notice_task` | what gatepost tells its operator about itself |
//! | [`TokenChains`] | `pipeline::stored_tokens` | keeps refresh tokens that are good for one renewal; also beside a process that serves |
//! | [`Upkeep`] | `pipeline::retention` | retention, sizes, backup |
//!
//! Calls that write answer with a [`Ticket`], a future that is ready when the commit is on the disk. Policy is not here:
//! what happens to a delivery next is computed by `pipeline::retry` and only written down by the store. What events make of an
//! incident, and what is due to be told, is decided by the pure [`incidents`](crate::incidents) inside the transaction.
//!
//! For notifiers the store keeps notifications, each with at most one delivery that waits or is under way. For sinks it keeps a
//! position in the order of events and the batches that were taken from there; an event that waits for a sink has no row. The
//! store does not promise that sinks get events in order: a batch that is tried again is overtaken by later ones.

mod acceptance;
mod claim;
mod delivery_work;
mod fallback_roles;
mod inbox;
mod incident_roles;
mod notice_roles;
mod outbox;
mod overview;
mod policy;
mod queries;
mod receipt_work;
mod reply_batch;
mod set_aside;
mod sink_replays;
mod sqlite;
mod token_chains;
mod upkeep;

pub use acceptance::Acceptance;
pub use claim::{Claim, Ticket};
pub use delivery_work::{ChangeContent, Claimed, Content, DeliveryWork, EventRange, Settlement, Verdict};
pub use fallback_roles::{Fallbacks, FellBack, OverdueDelivery};
pub use inbox::{Backlog, Inbox, check_accepts};
pub use incident_roles::{
    Commands, EventPlace, IncidentDetails, IncidentFilter, IncidentQueries, MilestoneRow, NotificationRow,
};
pub use notice_roles::{Notices, Reconciled};
pub use outbox::{Advanced, ClaimOrder, Lease, LeasesLost, Outbox};
pub use overview::{DestinationActivity, Overview, Position, SourceActivity};
pub use policy::{Fallback, NotifierPolicy, Policy};
pub use queries::{
    DeliveryFilter, DeliveryRow, Depth, Doubt, EventFilter, EventRow, Page, Queries, ReceiptFilter, ReceiptRow,
};
pub use receipt_work::{
    ClaimedReceipts, Conclusion, Dispatched, Extended, Joining, PlannedEvent, ReceiptLimits, ReceiptSize, ReceiptWork,
    Recurrence, Routed, Tally,
};
pub use reply_batch::{ReplyBatch, Responder};
pub use set_aside::SetAside;
pub use sink_replays::{Choice, Known, PastEvent, Period, Removed, ReplayState, SinkReplay, SinkReplays};
pub use sqlite::{Access, OpenError, SqliteStore};
pub use token_chains::TokenChains;
pub use upkeep::{Hastened, Horizons, NotedTime, Soundness, Upkeep};

/// Why the store did not do it. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The queue of arrivals is full: the disk is slower than the intake.
    #[error("too many requests wait for their commit")]
    QueueFull,
    /// The disk is full.
    #[error("the disk is full ({0})")]
    Full(String),
    /// Another process holds the database.
    #[error("the database is locked by another process ({0})")]
    Locked(String),
    /// Reading or writing failed; the store reopens the database before it acknowledges anything again.
    #[error("the database cannot be used ({0})")]
    Broken(String),
    /// It was not done, for a reason that says nothing about the file: a row that cannot be read, a statement that cannot
    /// be run. A defect of gatepost.
    #[error("the store could not do it ({0})")]
    Failed(String),
    /// The store is shutting down.
    #[error("the store is shutting down")]
    Stopped,
    /// The lease had passed to another claim.
    #[error("the lease had ended, and another has the work")]
    LeaseLost,
}

impl StoreError {
    /// There is space left, but it is reserved for what has been accepted.
    pub(crate) fn kept_for_deliveries() -> Self {
        Self::Full("what is left is kept for deliveries".to_owned())
    }
}
