//! What happens after the 200: receipts become events and incidents, and destinations are sent what is due.
//!
//! ```text
//! store (receipt) ~wake~> dispatcher -> vendors -> routing -> store (events + incidents + what is due)
//!                 ~wake~> worker of a notifier: claim a change -> Notifier -> egress -> Notifier -> retry -> store
//!                 ~wake~> worker of a sink: claim a batch from its position -> Sink -> egress -> Sink -> retry -> store
//! ```
//!
//! A wake-up carries no data: the task that is woken reads the store. A restart, a wake-up that was missed and an operator's
//! replay from another process therefore need no path of their own; each worker also polls once a second.
//!
//! Each destination has its own `worker`, with its own pace and its own breaker, so that a failing one delays no other. Both
//! kinds share it: they differ in what they claim and in how a try is rendered, see `attempt`.
//! The pipeline promises that what is stored ends as delivered or as a dead letter with a reason. It does not promise
//! that a destination is told only once where the destination has no way to tell a repetition: see
//! [`crate::destinations`].

mod attempt;
mod batch_gap;
mod beat;
mod breaker;
mod dispatcher;
mod fallback_task;
mod heartbeat;
mod horizon;
mod incident_timers;
mod notice_board;
mod notice_task;
mod pace;
mod presentation;
mod process;
mod queues;
mod refusal_window;
mod retention;
mod retry;
mod rules;
mod severity_log;
#[cfg(test)]
mod simulation;
mod source_silence;
mod stored_tokens;
mod supervise;
mod supervisor;
mod suspects;
mod timekeeper;
mod under_way;
mod worker;
mod worker_registry;

pub use attempt::converse;
pub use heartbeat::Heartbeat;
pub use horizon::Horizon;
pub use presentation::Presentation;
pub use queues::Queue;
pub use retention::Retention;
pub use rules::Rules;
pub use stored_tokens::StoredTokens;
pub use supervisor::{Parts, Pipeline};
pub use worker::WorkerState;
