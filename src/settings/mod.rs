//! The operator's configuration, read leniently: a view on `gatepost.toml` that gathers every fault, with its line, its
//! path and a remedy, instead of stopping at the first.
//!
//! Each component reads its own settings from the [`Section`] it is given. A `Section` remembers which keys were asked
//! for; [`Section::finish`] reports the others, with the nearest key that exists. Reading never fails by itself:
//! a getter that finds a fault records it and answers `None`, and the code that builds from the settings gives up at the end.

mod environment;
mod faults;
mod quantity;
mod section;

pub use environment::{Environment, PathFacts};
pub use faults::{Fault, Faults, Level};
pub use quantity::{parse_duration, parse_size};
pub use section::{Document, Section, SourcedText, nearest};
