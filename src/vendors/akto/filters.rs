//! The filters that Akto ships, and its words made readable.
//!
//! Filter ids are open strings: users write their own policies, and what is not in the list passes with the severity of
//! the source. The category of an event says nothing about its filter, nor the other way round: recorded events
//! contradict both.

use crate::domain::Severity;

/// How bad what the filter finds is, where Akto's own rule files say so.
pub fn severity(filter: &str) -> Option<Severity> {
    FILTERS.iter().find(|row| row.0 == filter).map(|row| row.2)
}

/// What people call the attack that the filter finds.
pub fn name(filter: &str) -> Option<&'static str> {
    FILTERS.iter().find(|row| row.0 == filter).map(|row| row.1).filter(|name| !name.is_empty())
}

/// A word of a program as people write it: `API_LEVEL_RATE_LIMITING` and `ApiLevelRateLimiting` become
/// `API level rate limiting`. Abbreviations stay in capitals.
pub fn humanize(word: &str) -> String {
    let mut human = String::new();
    for part in parts(word) {
        let upper = part.to_uppercase();
        if !human.is_empty() {
            human.push(' ');
        }
        match CAPITALS.iter().find(|capital| capital.to_uppercase() == upper) {
            Some(capital) => human.push_str(capital),
            None if part.starts_with(|c: char| c.is_ascii_digit()) => human.push_str(&upper),
            None if human.is_empty() => human.push_str(&capitalized(&part)),
            None => human.push_str(&part.to_lowercase()),
        }
    }
    human
}

/// Cuts at everything that is no letter or digit, before a digit, and where small letters turn into capitals
/// (`subCategory`) or the last of several capitals begins a word (`SQLInjection`).
fn parts(word: &str) -> Vec<String> {
    let characters: Vec<char> = word.chars().take(WORD_CHARS_MAX).collect();
    let mut parts = vec![String::new()];
    for (at, character) in characters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| characters.get(before).copied());
        let after = characters.get(at + 1);
        let begins = before.is_some_and(|before| {
            let hump = character.is_uppercase() && before.is_lowercase();
            let last_capital =
                character.is_uppercase() && before.is_uppercase() && after.is_some_and(|after| after.is_lowercase());
            hump || last_capital || character.is_ascii_digit() && before.is_alphabetic()
        });
        if begins || !character.is_alphanumeric() {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut().filter(|_| character.is_alphanumeric()) {
            part.push(*character);
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn capitalized(part: &str) -> String {
    let mut characters = part.chars();
    let first = characters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(characters.flat_map(char::to_lowercase)).collect()
}

/// Filter id, what people call it (empty where the event's own subcategory says more), severity.
const FILTERS: &[(&str, &str, Severity)] = &[
    ("4XX_FILTER", "", Severity::Medium),
    ("ApiLevelRateLimited", "", Severity::Medium),
    ("High4XXAlertFilter", "", Severity::Medium),
    ("IpApiRateLimited", "API rate limit exceeded by one address", Severity::Medium),
    ("LocalFileInclusionLFIRFI", "File inclusion", Severity::High),
    ("NoSQLInjection", "NoSQL injection", Severity::Medium),
    ("OSCommandInjection", "OS command injection", Severity::High),
    ("SQLInjection", "SQL injection", Severity::Medium),
    ("SSRF", "Server-side request forgery (SSRF)", Severity::High),
    ("SecurityMisconfig", "Security misconfiguration", Severity::Medium),
    ("SequenceAnomaly", "Unusual sequence of API calls", Severity::High),
    ("WindowsCommandInjection", "Windows command injection", Severity::High),
    ("XSS", "Cross-site scripting (XSS)", Severity::Medium),
];

const CAPITALS: &[&str] = &[
    "AI", "API", "APIs", "BFLA", "BOLA", "CORS", "CSRF", "DNS", "GraphQL", "HTML", "HTTP", "HTTPS", "IDOR", "IP",
    "JSON", "JWT", "LFI", "LLM", "MCP", "NoSQL", "OS", "OWASP", "PII", "RCE", "RFI", "SQL", "SSN", "SSRF", "SSTI",
    "TLS", "URL", "UUID", "VIN", "XML", "XSS", "XXE",
];

/// No id is longer; a longer text is not meant to be read.
const WORD_CHARS_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_readable() {
        for (word, human) in [
            ("API_LEVEL_RATE_LIMITING", "API level rate limiting"),
            ("ApiSequenceAnomaly", "API sequence anomaly"),
            ("4XX_FILTER", "4XX filter"),
            ("High4XXAlertFilter", "High 4XX alert filter"),
            ("SQLInjectionInQueryParam", "SQL injection in query param"),
            ("PIIDataLeak", "PII data leak"),
            ("LFI_RFI", "LFI RFI"),
            ("XSS", "XSS"),
            ("RateLimiting", "Rate limiting"),
            ("Windows_Command", "Windows command"),
            ("Data Exfiltration", "Data exfiltration"),
            ("OVERLY_PERMISSIVE_CORS", "Overly permissive CORS"),
            ("skill:deploy-helper", "Skill deploy helper"),
            ("", ""),
            ("--", ""),
            ("édition", "Édition"),
        ] {
            assert_eq!(humanize(word), human, "{word}");
        }
        assert!(humanize(&"A".repeat(1_000_000)).len() < 200);
    }

    #[test]
    fn the_list_is_sorted_and_unknown_filters_have_no_severity() {
        assert!(FILTERS.is_sorted_by_key(|row| row.0));
        assert_eq!(severity("OSCommandInjection"), Some(Severity::High));
        assert_eq!((severity("MyOwnPolicy"), name("MyOwnPolicy"), name("4XX_FILTER")), (None, None, None));
    }
}
