//! The words by which vendors say how bad something is, and what each means: the one table of them.
//!
//! Normalizers ask [`Severity::from_vendor_word`] after the operator's own words (`severities` of a source). The table is
//! printed in `docs/vendors.md`, and a test compares the two. A bare number is not in it, because scales of numbers run in
//! both directions.

use super::Severity;

impl Severity {
    /// What a vendor's word means, whatever its case and with or without `-`, `_` and blanks: `HIGH`, `SEV-1`,
    /// `1 - Critical`. `None` for a word that is not in the table.
    pub fn from_vendor_word(word: &str) -> Option<Self> {
        let folded = folded_word(word);
        // Ticket systems write the rank before the word.
        let bare = folded.trim_start_matches(|character: char| character.is_ascii_digit());
        let rank =
            || ["p", "priority", "s", "sev", "severity"].iter().find_map(|prefix| ranked(folded.strip_prefix(prefix)?));
        let row = WORDS.iter().find(|(_, words)| words.contains(&bare));
        row.map(|(severity, _)| *severity).or_else(rank)
    }
}

/// A severity word as it is compared: in lower case, without `-`, `_` and blanks.
pub fn folded_word(word: &str) -> String {
    let kept = word.chars().filter(|character| !matches!(character, '-' | '_') && !character.is_whitespace());
    kept.flat_map(char::to_lowercase).collect()
}

/// A rank of the scales P0 to P5 and SEV0 to SEV5: the lower, the worse.
fn ranked(rank: &str) -> Option<Severity> {
    Some(match rank {
        "0" | "1" => Severity::Critical,
        "2" => Severity::High,
        "3" => Severity::Medium,
        "4" => Severity::Low,
        "5" => Severity::Informational,
        _ => return None,
    })
}

/// Each severity with the words for it.
const WORDS: &[(Severity, &[&str])] = &[
    (
        Severity::Informational,
        &[
            "informational",
            "information",
            "info",
            "notice",
            "note",
            "none",
            "debug",
            "trace",
            "trivial",
            "lowest",
            "ok",
        ],
    ),
    (Severity::Low, &["low", "minor"]),
    (Severity::Medium, &["medium", "med", "moderate", "average", "normal", "warning", "warn", "ticket"]),
    (Severity::High, &["high", "major", "important", "error", "err"]),
    (
        Severity::Critical,
        &[
            "critical",
            "crit",
            "severe",
            "veryhigh",
            "highest",
            "urgent",
            "page",
            "alert",
            "emergency",
            "emerg",
            "panic",
            "disaster",
            "blocker",
        ],
    ),
    (Severity::Fatal, &["fatal"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_and_ranks_mean_what_the_documentation_says() {
        for (word, severity) in [
            ("P1", Severity::Critical),
            ("p-2", Severity::High),
            ("P5", Severity::Informational),
            ("sev0", Severity::Critical),
            ("sev1", Severity::Critical),
            ("SEV-1", Severity::Critical),
            ("Sev 2", Severity::High),
            ("severity_3", Severity::Medium),
            ("S4", Severity::Low),
            ("Priority 4", Severity::Low),
            ("urgent", Severity::Critical),
            ("page", Severity::Critical),
            ("warning", Severity::Medium),
            ("error", Severity::High),
            ("emergency", Severity::Critical),
            ("Very High", Severity::Critical),
            ("1 - Critical", Severity::Critical),
            (" HIGH ", Severity::High),
            ("fatal", Severity::Fatal),
        ] {
            assert_eq!(Severity::from_vendor_word(word), Some(severity), "{word}");
        }
        for word in ["purple", "", " ", "-", "9.8", "1", "10", "P6", "sev9", "sev", "p", "p11", "highlow", "sévère"] {
            assert_eq!(Severity::from_vendor_word(word), None, "{word}");
        }
    }

    #[test]
    fn every_word_means_one_severity_and_is_documented() {
        let page = include_str!("../../docs/vendors.md");
        for (place, (severity, words)) in WORDS.iter().enumerate() {
            let begins = format!("| `{severity}` |");
            let row = page.lines().find(|line| line.starts_with(&begins)).unwrap_or_else(|| panic!("{severity}"));
            for word in *words {
                assert_eq!(folded_word(word), *word);
                assert!(row.replace("very high", "veryhigh").contains(&format!("`{word}`")), "{word} is not in {row}");
                assert!(WORDS[..place].iter().all(|(_, others)| !others.contains(word)), "{word} means two severities");
            }
            let documented = row.matches('`').count() / 2 - 1;
            let ranks = (0..=5).filter(|rank| ranked(&rank.to_string()) == Some(*severity)).count() * 2;
            assert_eq!(documented, words.len() + ranks, "{row}");
        }
    }
}
