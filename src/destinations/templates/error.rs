//! What is wrong with a template, where, and what to do.

use minijinja::{Error, ErrorKind};

use super::names::{self, FILTERS, FUEL};

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}; {remedy}")]
pub struct TemplateError {
    /// The line within the template, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl TemplateError {
    /// From what the engine says.
    pub(super) fn of(error: &Error) -> Self {
        let said = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        let (message, remedy) = match error.kind() {
            ErrorKind::SyntaxError => {
                (format!("is not a template: {said}"), "write {{ name }} or {% if name %} … {% endif %}".to_owned())
            }
            ErrorKind::UndefinedError => (format!("asks for what is not there: {said}"), SEE.to_owned()),
            ErrorKind::UnknownFilter => (said, format!("filters: {}", FILTERS.join(", "))),
            ErrorKind::UnknownTest | ErrorKind::UnknownFunction | ErrorKind::UnknownMethod => {
                (said, NO_CALLS.to_owned())
            }
            ErrorKind::OutOfFuel => (format!("takes more than {FUEL} steps"), "make its loops shorter".to_owned()),
            _ => (format!("fails: {said}"), SEE.to_owned()),
        };
        Self { line: error.line().unwrap_or(1), message, remedy }
    }

    /// It names something that does not exist.
    pub(super) fn unknown_name(source: &str, name: &str) -> Self {
        let last = name.rsplit('.').next().unwrap_or(name);
        let line = 1 + source.lines().position(|line| holds_word(line, last)).unwrap_or(0);
        let remedy = match names::nearest(name) {
            Some(near) => format!("did you mean '{near}'?"),
            None => SEE.to_owned(),
        };
        Self { line, message: format!("names '{name}', which does not exist"), remedy }
    }

    /// It uses a filter that does not exist.
    pub(super) fn unknown_filter(line: usize, name: &str, more: &[&str]) -> Self {
        let known: Vec<&str> = FILTERS.iter().chain(more).copied().collect();
        let remedy = match crate::settings::nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("filters: {}", known.join(", ")),
        };
        Self { line, message: format!("uses the filter '{name}', which does not exist"), remedy }
    }

    /// It tests or calls something.
    pub(super) fn no_such_call(line: usize, what: &str) -> Self {
        let message = format!("uses '{what}', which does not exist");
        Self { line, message, remedy: NO_CALLS.to_owned() }
    }

    /// It is longer than a template may be.
    pub(super) fn too_long(bytes_max: usize) -> Self {
        let message = format!("is longer than {bytes_max} bytes");
        Self { line: 1, message, remedy: "shorten it".to_owned() }
    }

    /// The engine has failed.
    pub fn panicked() -> Self {
        let message = "the engine failed, which is a defect of gatepost".to_owned();
        Self { line: 1, message, remedy: "report it with the template".to_owned() }
    }
}

fn holds_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.split(|c| !is_part(c)).any(|found| found == word)
}

const NO_CALLS: &str = "there are no tests and functions: compare with ==, in, and, or, not";
const SEE: &str = "docs/templates.md lists what there is";
