//! Text that came from outside, made fit to be seen. Pure.
//!
//! Destinations, files that are a terminal and the command line all ask the same question here: which characters can be
//! seen, and what a terminal would obey.

mod terminal;
mod visible;

pub use terminal::{escape_json, for_terminal};
pub use visible::is_hidden;
