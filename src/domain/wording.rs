//! What the operator adds to the words of a change, decided anew for each try from the present configuration.

use serde::Serialize;

/// What the operator adds to the words of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wording {
    /// Who and what helps with it.
    pub annotation: Annotation,
    /// What stands in the place of the first line, the summary of a page or a ticket. Plain text, neither cut nor escaped, as
    /// all below.
    pub title: Option<String>,
    /// What stands in the place of the subject of a mail.
    pub subject: Option<String>,
    /// What stands in the place of everything between the title and where it came from.
    pub text: Option<String>,
    /// What stands in the place of the named values.
    pub fields: Option<Vec<(String, String)>>,
}

impl Wording {
    /// Nothing is added.
    pub const NONE: &'static Self =
        &Self { annotation: Annotation::NONE, title: None, subject: None, text: None, fields: None };
}

/// Who and what helps with an event. The texts are the operator's: one line each, not escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Annotation {
    /// The page that says what to do, an http or https URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// Who is responsible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What else to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Annotation {
    /// Nothing.
    pub const NONE: Self = Self { runbook: None, owner: None, note: None };

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// Takes from another what this one does not say.
    pub fn complete_by(&mut self, other: &Self) {
        for (mine, theirs) in
            [(&mut self.runbook, &other.runbook), (&mut self.owner, &other.owner), (&mut self.note, &other.note)]
        {
            if mine.is_none() {
                mine.clone_from(theirs);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_first_stays() {
        let some = |text: &str| Some(text.to_owned());
        let mut first = Annotation { owner: some("@web"), ..Annotation::NONE };
        assert!(!first.is_empty() && Annotation::NONE.is_empty());
        first.complete_by(&Annotation { runbook: some("r"), owner: some("@all"), note: None });
        assert_eq!(first, Annotation { runbook: some("r"), owner: some("@web"), note: None });
    }
}
