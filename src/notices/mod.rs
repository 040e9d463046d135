//! What gatepost tells its operator about itself: which conditions hold, when they are worth a notice, and the event that says so.
//!
//! `pipeline::notice_task` gathers [`Facts`] every few seconds, asks [`conditions`] which conditions hold, and hands what a
//! [`Watch`] has seen hold for long enough to the store. The store compares it with the notices that are open, inside one
//! transaction, by [`compare`]: a condition is opened once for its kind and subject, brought up to date when it has grown, and
//! resolved when it no longer holds. Its events belong to incidents of the source [`SourceName::own`](crate::domain::SourceName::own),
//! so that notices are kept, retried and told like any other incident.
//!
//! The number of notices is bounded by the kinds and the configured names. What becomes of a notice makes no notice of its own
//! kind: dead letters of notices are not counted, and no destination is told of its own condition.

mod compare;
mod condition;
mod event;
mod facts;
mod kind;
mod operator;
mod table;
mod watch;

pub use compare::{Known, Step, compare};
pub use condition::{Condition, NoticeId};
pub use event::{begun, ended, is_about, may_tell};
pub use facts::{DestinationFacts, Facts, Health, SourceFacts, StoreFacts};
pub use kind::NoticeKind;
pub use operator::{Limits, Operator};
pub use table::{conditions, unproven};
pub use watch::{Seen, Watch};

#[cfg(test)]
mod tests;
