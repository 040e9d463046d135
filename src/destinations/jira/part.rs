//! The parts of a ticket or a comment, before they become a document or wiki markup.

use crate::destinations::render::{Fact, Words};
use crate::domain::Link;

/// A part of a text, one below the other.
pub enum Part {
    /// Our own words, emphasized.
    Strong(String),
    /// One line.
    Line(Words),
    /// A heading, our own words.
    Heading(&'static str),
    /// What came from outside, several lines.
    Text(String),
    /// What came from outside, as it is.
    Code(String),
    /// Named values.
    Facts(Vec<Fact>),
    /// A page to open.
    Link(Link),
    /// By which a comment is found again.
    Mark(String),
}
