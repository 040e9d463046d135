//! The incident as a pure state machine: which events it groups, how it changes, and which notifications are due.
//!
//! The store calls it inside its transactions; nothing here reads a clock, draws a number or remembers anything.
//!
//! - [`group`]: which incident an event belongs to.
//! - [`absorb`]: how events change an incident.
//! - [`obey`]: how a person's order changes it.
//! - [`advance`]: how the passing of time changes it; [`check_at`]: when to check again.
//! - [`set_back`]: how it follows a clock that was set back.
//! - [`due`]: what a notifier is to be told, as the difference between the incident and what was told.
//! - [`StormGauge`], [`fold`], [`digest`]: when incidents are too many to be told one by one.

mod absorb;
mod collective;
mod correlations;
mod digest;
mod due;
mod firing;
mod group_field;
mod grouping;
mod new_event;
mod orders;
mod set_back;
mod spread;
mod storm;
mod storm_gauge;
mod subject;
#[cfg(test)]
mod tests;
mod timers;
mod timing;

pub use absorb::{Absorbed, Joined, absorb, repeat};
pub use correlations::{Correlation, CorrelationHash, Correlations, MEMBERS_MAX};
pub use digest::{count_in_digest, digest, digest_key, digest_of_updates, updates_key};
pub use due::{Due, due, standing};
pub use group_field::{GroupField, UnknownGroupField};
pub use grouping::{GroupBy, Grouped, Hint, group};
pub use new_event::NewEvent;
pub use orders::{Order, OrderError, obey};
pub use set_back::set_back;
pub use storm::{LEFT_OPEN_MAX, counts_open, fold, give_way, note_left_open, storm_key};
pub use storm_gauge::StormGauge;
pub use subject::Subject;
pub use timers::{Present, advance, check_at};
pub use timing::{StormLimits, Timing};
