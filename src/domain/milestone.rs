//! Changes of an incident, with time and origin: the lines of its timeline beside its events.

use serde::{Deserialize, Serialize};

use super::{Origin, Timestamp};

/// One change of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Milestone {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: MilestoneKind,
    /// The origin of the change.
    pub by: Origin,
    /// What there is to add: a person's note, the rank before, the names of rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MilestoneKind {
    /// Its first event.
    Opened,
    /// An event of a higher rank than all before.
    Raised,
    /// A 2nd, 10th, 100th ... victim.
    Spread,
    /// A person has taken it.
    Acknowledged,
    /// A person has given it back.
    Unacknowledged,
    /// Its acknowledgement has lapsed: its events went on for too long.
    Lapsed,
    /// It is over.
    Resolved,
    /// The vendor's resolution waits: the incident came back too often.
    ResolutionHeld,
    /// It is back.
    Reopened,
    /// Nothing has come for a long time.
    Quiet,
    /// Only a raise or a spread is told for some time.
    Silenced,
    /// A person has written a note.
    Noted,
    /// It is told through a storm incident or a digest.
    Folded,
    /// It is told by itself again.
    Unfolded,
    /// A storm incident names rules that it had not named before.
    StormNamed,
    /// A notifier had not taken it, so that its fallback is told.
    FellBack,
}

impl MilestoneKind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Opened,
        Self::Raised,
        Self::Spread,
        Self::Acknowledged,
        Self::Unacknowledged,
        Self::Lapsed,
        Self::Resolved,
        Self::ResolutionHeld,
        Self::Reopened,
        Self::Quiet,
        Self::Silenced,
        Self::Noted,
        Self::Folded,
        Self::Unfolded,
        Self::StormNamed,
        Self::FellBack,
    ];

    /// The word in the store and on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Raised => "raised",
            Self::Spread => "spread",
            Self::Acknowledged => "acknowledged",
            Self::Unacknowledged => "unacknowledged",
            Self::Lapsed => "lapsed",
            Self::Resolved => "resolved",
            Self::ResolutionHeld => "resolution_held",
            Self::Reopened => "reopened",
            Self::Quiet => "quiet",
            Self::Silenced => "silenced",
            Self::Noted => "noted",
            Self::Folded => "folded",
            Self::Unfolded => "unfolded",
            Self::StormNamed => "storm_named",
            Self::FellBack => "fell_back",
        }
    }

    /// The kind of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Milestone {
    /// One with nothing to add.
    pub fn new(at: Timestamp, what: MilestoneKind, by: Origin) -> Self {
        Self { at, what, by, note: None }
    }

    /// The same with something to add.
    #[must_use]
    pub fn noting(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_word_in_the_store_and_in_json() {
        for kind in MilestoneKind::ALL {
            assert_eq!(MilestoneKind::from_word(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(MilestoneKind::from_word("over"), None);
    }
}
