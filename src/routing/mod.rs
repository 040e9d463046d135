//! Who must know: routes with conditions, and why a route took an event or did not.
//!
//! The dispatcher asks [`Router::plan`] for each event; `gatepost explain` asks [`Router::explain`]. Both walk the same
//! routes by the same rule. Conditions are compiled and tried at configuration, so that a plan never fails: a condition
//! that cannot be decided for an event takes it, because one page too many is better than one that never comes.

mod condition;
mod route;

pub use condition::{Condition, ConditionFault, Judgement};
pub use route::{Considered, Flow, Plan, Route, Router};
