//! What reading a body comes to.

use serde_json::Value;

/// A body that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// What it says. Of a key that an object holds several times, the first value stays under the key and the others
    /// under `key#2`, `key#3` …: parsers disagree on which of them counts, so none may hide another.
    pub value: Value,
    /// It was not valid JSON, or held a key twice, and was read all the same.
    pub repaired: bool,
    /// An object in it held a key twice. Which one, its keys say; they alone do not say it, because `key#2` may also be the
    /// sender's own name.
    pub doubled: bool,
}

impl Parsed {
    /// A part of something that was read already, and held a key twice or not.
    pub fn part(value: Value, doubled: bool) -> Self {
        Self { value, repaired: doubled, doubled }
    }
}

/// How deep values may nest: serde_json's own limit, so that both passes refuse the same bodies.
pub(super) const DEPTH_MAX: usize = 127;
/// Why something is not read although nothing is wrong with it.
pub(super) const TOO_MUCH: &str = "it holds more values than are read at once; the stored request has them all";
