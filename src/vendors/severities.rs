//! The operator's own severities: which of a vendor's words means how bad.

use std::collections::BTreeMap;

use crate::domain::Severity;
use crate::settings::Section;

/// `severity = { "alert.triggered" = "critical" }`: a vendor's word, without regard to case, and what it means here.
#[derive(Clone, Debug, Default)]
pub struct Severities(BTreeMap<String, Severity>);

impl Severities {
    /// Reads the table; `None` when one of its values is no severity.
    pub fn read(section: &Section) -> Option<Self> {
        let mut table = BTreeMap::new();
        let mut sound = true;
        for (word, meaning) in section.text_map("severity") {
            match meaning.parse() {
                Ok(severity) => {
                    table.insert(folded(&word), severity);
                }
                Err(fault) => {
                    sound = false;
                    section.fault("severity", &format!("'{meaning}' is no severity"), &format!("{fault}"));
                }
            }
        }
        sound.then_some(Self(table))
    }

    /// What the operator says about the word.
    pub fn of(&self, word: &str) -> Option<Severity> {
        if self.0.is_empty() { None } else { self.0.get(&folded(word)).copied() }
    }
}

fn folded(word: &str) -> String {
    word.trim().to_lowercase()
}
