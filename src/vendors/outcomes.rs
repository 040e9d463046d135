//! The operator's own outcomes: which of a vendor's words means what for whether something was stopped.

use std::collections::BTreeMap;

use crate::domain::EventOutcome;
use crate::settings::Section;

/// `outcomes = { "drop" = "blocked" }`: a vendor's word, without regard to case, and what it means here.
#[derive(Clone, Debug, Default)]
pub struct Outcomes(BTreeMap<String, EventOutcome>);

impl Outcomes {
    /// Reads the table; `None` when one of its values is no outcome.
    pub fn read(section: &Section) -> Option<Self> {
        let mut table = BTreeMap::new();
        let mut sound = true;
        for (word, meaning) in section.text_map("outcomes") {
            match EventOutcome::ALL.iter().find(|(known, _)| *known == meaning) {
                Some((_, outcome)) => {
                    table.insert(folded(&word), *outcome);
                }
                None => {
                    sound = false;
                    let known = EventOutcome::ALL.map(|(word, _)| word).join(", ");
                    section.fault("outcomes", &format!("'{meaning}' is no outcome"), &format!("use one of {known}"));
                }
            }
        }
        sound.then_some(Self(table))
    }

    /// What the word means: what the operator says, else what it means everywhere.
    pub fn of(&self, word: &str) -> Option<EventOutcome> {
        self.0.get(&folded(word)).copied().or_else(|| EventOutcome::from_vendor_word(word))
    }
}

fn folded(word: &str) -> String {
    word.trim().to_lowercase()
}
