//! gatepost stands between the tools that raise security alerts and the people who must act on them.
//!
//! Vendor webhooks come in; each is authenticated over its raw bytes in constant time, deduplicated, committed to disk
//! and answered 200; a background queue then normalizes it, decides who must know, and tells them.
//!
//! # One way through
//!
//! ```text
//! server::ingress -> verify -> store (receipt) ~wake~> pipeline::dispatcher -> vendors (normalize) -> routing (plan)
//!    -> store (events + deliveries, one transaction) ~wake~> pipeline::worker -> destinations (render)
//!    -> egress (send) -> destinations (judge the reply) -> pipeline::retry (what next)
//!    -> store (attempt + verdict, one transaction)
//! ```
//!
//! Each arrow is a call downward or a row left in the store. A wake-up carries no data: whoever is woken reads the store
//! again, so that a restart or a wake-up that was missed needs no path of its own. The 200 is written after the receipt
//! is committed and synced. Intake goes before everything else that writes.
//!
//! # Rooms and floors
//!
//! A module imports only modules of a lower floor; rooms of one floor do not know each other. `tests/house.rs` reads the
//! `use` lines and fails on an upward import.
//!
//! | floor | rooms | what lives there |
//! |---|---|---|
//! | 0 | [`domain`] | the words as types: receipt, event, delivery, severity, secret, clock. No I/O, no `async` |
//! | 1 | [`telemetry`] | metric names, logging |
//! | 1 | [`settings`] | what the operator typed, read key by key, every fault gathered; each component reads its own |
//! | 2 | [`verify`] | schemes, freshness, secrets; the only maker of [`verify::Verified`]. Pure |
//! | 2 | [`text`] | which characters can be seen, and what a terminal would obey. Pure |
//! | 3 | [`vendors`] | one file a vendor. Pure |
//! | 3 | [`routing`] | routes, conditions, explanation. Pure |
//! | 3 | [`incidents`] | which events belong together, how an incident lives, what is due to be told. Pure |
//! | 3 | [`destinations`] | one file a destination: what to send, what came back. Pure: it never sends |
//! | 4 | [`store`] | durable state behind four roles; `sqlite/` |
//! | 4 | [`egress`] | the only outbound I/O |
//! | 5 | [`pipeline`] | dispatcher, a worker for each destination, retry policy, pacing, breakers, retention |
//! | 5 | [`server`] | inbound HTTP; `problem.rs` is the only place that knows a status code |
//! | 6 | [`config`] | what the operator typed becomes what the program needs |
//! | 7 | [`app`] | builds everything once, runs it, stops it in order |
//! | 7 | [`standins`] | strict local stand-ins of the destinations, for the demo and the fault tests |
//! | 8 | [`cli`] | one file a command |
//!
//! # Proof in types
//!
//! [`verify::Verified`] can be made only by `verify`, and [`store::Inbox::accept`] takes nothing else: storing an
//! unverified request does not compile. [`store::Claim`] is the right to settle one row once; it cannot be copied, and
//! its generation makes a late settlement fail. [`domain::Secret`] cannot print and has no `==`. Time, randomness and
//! limits come in as arguments; only `app` picks a clock.

pub mod app;
pub mod cli;
pub mod config;
pub mod destinations;
pub mod domain;
pub mod egress;
pub mod incidents;
#[cfg(test)]
#[path = "../tests/harness/needs.rs"]
mod needs;
pub mod pipeline;
pub mod routing;
pub mod server;
pub mod settings;
pub mod standins;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod vendors;
pub mod verify;
