//! gatepost stands between the tools that raise security alerts and the people who must act on them.

pub mod domain;
pub mod routing;
pub mod settings;
pub mod verify;
