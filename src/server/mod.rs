//! Inbound HTTP: the public listener that vendors reach, and the operator's own.
//!
//! The two share only `problem`, the only place that knows a status code. Neither speaks HTTP/2 or inflates anything
//! before it is verified: actix-web is built without its default features.

mod admin;
mod connections;
mod forwarded;
mod ingress;
mod network;
mod problem;
mod same_origin;
mod unread;

pub use admin::{Admin, CheckHealth, DestinationHealth, NoticeHealth, QueueHealth, refuse_foreign};
pub use connections::{ConnectionLimits, Connections};
pub use ingress::{Ingress, IngressLimits};
pub use network::Network;
pub use problem::Problem;
