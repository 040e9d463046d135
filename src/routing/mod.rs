//! Who must know: routes with conditions, and why a route took an event or did not.
//!
//! The dispatcher asks [`Router::plan`] for each event; `gatepost explain` asks [`Router::explain`]. Both walk the same
//! routes by the same rule. Conditions are checked at configuration, so that a plan never fails: a condition
//! that cannot be decided for an event takes it, because one page too many is better than one that never comes.

mod annotations;
mod checker;
mod complete;
mod condition;
mod environment;
mod error;
mod fields;
mod known;
mod operand;
mod parse;
mod remedy;
mod route;
mod spell;
#[cfg(test)]
mod tests;
mod types;

pub use annotations::{AnnotationRule, Annotations, ConsideredAnnotation};
pub use condition::{Condition, Decision};
pub use known::KnownNames;
pub use route::{Considered, Flow, Plan, Route, Router};
