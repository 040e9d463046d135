//! What a vendor's words for severities mean at one source.

use std::collections::BTreeMap;

use crate::domain::{Severity, folded_word};
use crate::settings::Section;

/// The operator's own severities of one source, before the words that are known anywhere.
#[derive(Clone, Debug, Default)]
pub struct Severities {
    /// `severity`: by the type or the filter of an event. They win over what the event says.
    by_kind: BTreeMap<String, Severity>,
    /// `severities`: by the word that the event says.
    words: BTreeMap<String, Severity>,
    /// `severity_numbers`: what a number means.
    numbers: Option<Numbers>,
}

/// A scale of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbers {
    /// The qualitative scale of CVSS v3.1, section 5, which v4.0 kept: 0 to 10, the higher, the worse.
    Cvss,
}

/// What an event says about its severity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    /// The severity, if the word is known.
    pub severity: Option<Severity>,
    /// The word, if it is not.
    pub unknown: Option<String>,
}

impl Severities {
    /// Reads the settings; `None` when one of them is at fault.
    pub fn read(section: &Section) -> Option<Self> {
        let by_kind = table(section, "severity", |kind| kind.trim().to_lowercase());
        let words = table(section, "severities", folded_word);
        let has_numbers = section.has("severity_numbers");
        let numbers = section.choice("severity_numbers", &[("cvss", Numbers::Cvss)]);
        if has_numbers && numbers.is_none() {
            return None;
        }
        Some(Self { by_kind: by_kind?, words: words?, numbers })
    }

    /// What the operator says about a type or a filter.
    pub fn of_kind(&self, kind: &str) -> Option<Severity> {
        if self.by_kind.is_empty() { None } else { self.by_kind.get(&kind.trim().to_lowercase()).copied() }
    }

    /// What a word for a severity means: by the operator, else on the scale of numbers, else anywhere.
    pub fn of_word(&self, word: &str) -> Option<Severity> {
        let own = if self.words.is_empty() { None } else { self.words.get(&folded_word(word)).copied() };
        own.or_else(|| self.numbers?.rate(word)).or_else(|| Severity::from_vendor_word(word))
    }

    /// What an event says about its severity, in its own word.
    pub fn stated(&self, word: Option<&str>) -> Stated {
        let Some(word) = word.map(str::trim).filter(|word| !word.is_empty()) else { return Stated::default() };
        match self.of_word(word) {
            Some(severity) => Stated { severity: Some(severity), unknown: None },
            None => Stated { severity: None, unknown: Some(word.to_owned()) },
        }
    }
}

impl Numbers {
    fn rate(self, word: &str) -> Option<Severity> {
        let Self::Cvss = self;
        let score = word.trim().parse::<f64>().ok().filter(|score| (0.0..=10.0).contains(score))?;
        Some(match score {
            0.0 => Severity::Informational,
            score if score < 4.0 => Severity::Low,
            score if score < 7.0 => Severity::Medium,
            score if score < 9.0 => Severity::High,
            _ => Severity::Critical,
        })
    }
}

/// A table of severities by words, which are compared as `fold` writes them; `None` when it is at fault.
fn table(section: &Section, key: &'static str, fold: fn(&str) -> String) -> Option<BTreeMap<String, Severity>> {
    let mut table = BTreeMap::new();
    let mut sound = true;
    for (word, meaning) in section.text_map(key) {
        let folded = fold(&word);
        let severity = match meaning.parse::<Severity>() {
            Ok(severity) => severity,
            Err(error) => {
                sound = false;
                section.fault(key, &format!("'{meaning}' is no severity"), &error.to_string());
                continue;
            }
        };
        if folded.is_empty() {
            sound = false;
            section.fault(key, &format!("'{word}' is no word"), "write the word that the vendor sends");
        } else if table.insert(folded, severity).is_some_and(|other| other != severity) {
            sound = false;
            section.fault(
                key,
                &format!("'{word}' is given two severities"),
                "case, -, _ and blanks make no difference",
            );
        }
    }
    sound.then_some(table)
}
