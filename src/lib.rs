//! gatepost stands between the tools that raise security alerts and the people who must act on them.
//!
//! Vendor webhooks come in; each is authenticated over its raw bytes in constant time, deduplicated, committed to disk
//! and answered 200; a background queue then normalizes it, decides who must know, and tells them.
//!
//! # One way through
//!
//! ```text
//! server::ingress -> vendors::Source (verify, identify, urgency) -> store::Inbox (receipt; synced; 200)
//!    ~wake~> pipeline::dispatcher -> vendors (normalize) -> routing (sinks, notifiers) -> incidents (which one)
//!    -> store::Outbox (events + incidents + what is now due, one transaction)
//!    ~wake~> pipeline::worker of a notifier: claim a change (intent stored) -> destinations::Notifier (render)
//!    -> egress (send) -> Notifier (classify the reply) -> pipeline::retry (what next)
//!    -> store::Outbox (attempt + what was told + what is due next, one transaction)
//!    ~wake~> pipeline::worker of a sink: claim a batch (its range stored, the position moved on) -> destinations::Sink
//!    -> egress -> Sink -> pipeline::retry -> store::Outbox (attempt + what becomes of the batch, one transaction)
//! ```
//!
//! Each arrow is a call to a lower layer or a row left in the store. A wake-up carries no data: the task that is woken reads
//! the store again, so that a restart or a missed wake-up needs no path of its own. What the store has just committed it hands
//! out from memory, bounded; its tables alone say what waits. The 200 is written after the receipt is committed and synced.
//! Intake goes before everything else that writes.
//!
//! # Two kinds of destination
//!
//! A *sink* keeps every event, in the order in which events were recorded. It has a position in that order and no row for each
//! event that waits. A delivery to it is a batch: the next events from its position, written down as a range before they are
//! sent, and tried again as a whole. A batch that is refused is sent again in two halves, until the event that is at fault is
//! alone and becomes a dead letter. An event that a sink is sent by itself, because it was refused, replayed or released from
//! quarantine, has a delivery of its own.
//!
//! A *notifier* tells people about incidents; a delivery to it is one change of an incident there. What waits for a notifier is
//! never a list of messages but the difference between the incident as it is and what that notifier was told last, computed
//! when the delivery is claimed ([`incidents::due`]). The intent of each remote operation is stored before it is sent, so that
//! after a crash or a lost answer it is settled first.
//!
//! # Layers
//!
//! A module imports only modules of lower layers; modules of one layer do not know each other. `tests/architecture.rs` reads the
//! `use` lines and fails on an upward import, and on files that use each other in a circle.
//!
//! | layer | module | what belongs there |
//! |---|---|---|
//! | 0 | [`domain`] | the words as types: receipt, event, incident, notification, delivery, severity, secret, clock. No I/O, no `async` |
//! | 1 | [`telemetry`] | metric names, logging |
//! | 1 | [`settings`] | what the operator typed, read key by key, every fault gathered; each component reads its own |
//! | 2 | [`verify`] | schemes, freshness, secrets; the only maker of [`verify::Verified`]. Pure |
//! | 2 | [`text`] | which characters can be seen, and what a terminal would obey. Pure |
//! | 3 | [`vendors`] | one file a vendor; a configured source and the proof that a request is authentic. Pure |
//! | 3 | [`routing`] | routes, conditions, explanation. Pure |
//! | 3 | [`incidents`] | which events belong together, how an incident lives, what is due to be told. Pure |
//! | 3 | [`notices`] | what gatepost tells its operator about itself: conditions, when they are told. Pure |
//! | 3 | [`destinations`] | one file a destination, each a sink or a notifier: what to send, what came back. Pure: it never sends |
//! | 4 | [`store`] | durable state behind roles; the engine is in `sqlite/` |
//! | 4 | [`egress`] | the only outbound I/O |
//! | 5 | [`pipeline`] | dispatcher, a worker for each destination, timers of incidents, retry policy, pacing, breakers, retention |
//! | 5 | [`server`] | inbound HTTP |
//! | 6 | [`config`] | what the operator typed becomes what the program needs |
//! | 7 | [`app`] | builds everything once, runs it, stops it in order |
//! | 7 | [`standins`] | strict local stand-ins of the destinations, for the demo and the fault tests |
//! | 8 | [`cli`] | one file a command |
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | receipt | one authenticated request, stored raw: the unit of acknowledgement |
//! | event | one normalized fact; a receipt yields none, one or many |
//! | incident | events that belong together: opened, counted, raised, acknowledged, resolved |
//! | notification | one incident at one notifier: what was said, what can be seen there, the reference to what was made |
//! | sink, notifier | a destination that keeps every event, and one that tells people about incidents |
//! | position | how far the events of a sink have been taken into batches |
//! | batch | consecutive events for one sink, sent and tried again together |
//! | delivery | one batch for a sink, one event by itself, or one change of a notification: the unit that is tried, retried, dead-lettered, replayed |
//! | intent | what a delivery of a change is about to do, stored before it is sent |
//! | attempt, outcome | one try of a delivery, and how it ended: delivered, retry, refused, gone, misconfigured, unknown |
//! | claim, lease | the right to settle one row once, for a limited time |
//!
//! # Proof in types
//!
//! [`vendors::Authenticated`] can be made only by [`vendors::Source::authenticate`], and [`store::Inbox::accept`] takes nothing
//! else: storing an unverified request, or one under the name or the key of another, does not compile. [`store::Claim`] is the
//! right to settle one row once; it cannot be copied, and its generation makes a late settlement fail. [`domain::Secret`] cannot
//! print and has no `==`.

// The table of layers names modules that only this crate uses, too.
#![allow(rustdoc::private_intra_doc_links)]
// Tests read clocks, print and index as they like; the code that they test does not.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::too_many_lines))]
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod app;
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "commands print what they were asked for")]
pub mod cli;
pub mod config;
pub mod destinations;
pub mod domain;
pub(crate) mod egress;
pub mod incidents;
#[cfg(test)]
extern crate self as gatepost;

#[cfg(test)]
#[path = "../tests/harness/authentic.rs"]
mod authentic;
#[cfg(test)]
#[path = "../tests/harness/needs.rs"]
mod needs;
pub mod notices;
pub(crate) mod pipeline;
#[cfg(test)]
mod processor_time;
pub(crate) mod routing;
#[cfg_attr(not(test), warn(clippy::indexing_slicing))]
pub(crate) mod server;
pub mod settings;
pub mod standins;
pub mod store;
pub mod telemetry;
pub(crate) mod text;
#[cfg_attr(not(test), warn(clippy::indexing_slicing))]
pub mod vendors;
#[cfg_attr(not(test), warn(clippy::indexing_slicing))]
pub mod verify;
