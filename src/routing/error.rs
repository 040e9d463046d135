//! What is wrong with a condition, and what to write instead.

/// A fault in a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {remedy}")]
pub struct ConditionError {
    /// What is wrong, to be read after the word `when`.
    pub message: String,
    /// What to write instead.
    pub remedy: String,
}

impl ConditionError {
    /// A fault and its remedy.
    pub fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: remedy.into() }
    }

    /// A name that does not exist: the nearest one that does, or else what to do.
    pub fn unknown_name(name: &str, near: Option<String>, otherwise: &str) -> Self {
        let remedy = near.map_or_else(|| otherwise.to_owned(), |near| format!("did you mean '{near}'?"));
        Self::new(format!("names '{name}', which does not exist"), remedy)
    }
}

/// The known word that a word was probably meant to be, whatever its case.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let word = word.to_lowercase();
    let scored = known.into_iter().map(|candidate| (strsim::jaro_winkler(&word, &candidate.to_lowercase()), candidate));
    let best = scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, candidate)| candidate.to_owned())
}

/// Where everything stands that a condition can use.
pub const SEE: &str = "see docs/routing.md for what an event has";
/// A sound condition as an example.
pub const EXAMPLE: &str = "write it like event.severity >= high && event.vendor == \"akto\"";
