//! Every name that a template can use, and every filter. `docs/templates.md` lists each.

/// Whether a name exists: `title`, `fact.rule`.
pub fn is_known(name: &str) -> bool {
    match name.split_once('.') {
        None => NAMES.contains(&name),
        Some(("fact", below)) => FACTS.iter().any(|(key, _)| *key == below),
        Some((first, _)) => NAMES.contains(&first),
    }
}

/// The name that was probably meant.
pub fn nearest(name: &str) -> Option<&'static str> {
    let word = name.rsplit('.').next().unwrap_or(name);
    let known = NAMES.iter().copied().chain(FACTS.iter().map(|(key, _)| *key));
    crate::settings::nearest(word, known)
}

/// The names below `fact`, and those of the facts.
pub const FACTS: &[(&str, &str)] =
    &[("action", "action"), ("agent", "agent"), ("risk_score", "risk score"), ("status", "status")];

/// Every name at the top, in the order of the alphabet.
pub const NAMES: &[&str] = &[
    "action",
    "change",
    "count",
    "destination",
    "event",
    "evidence",
    "extent",
    "fact",
    "facts",
    "form",
    "growth",
    "headline",
    "impact",
    "is_test",
    "is_thread",
    "labels",
    "links",
    "lookup",
    "mark",
    "message",
    "newest",
    "news",
    "note",
    "notes",
    "number",
    "operation",
    "origin",
    "outcome",
    "owner",
    "parts",
    "rank",
    "remediation",
    "rule",
    "runbook",
    "severity",
    "source",
    "standing",
    "state",
    "symbol",
    "title",
    "type",
    "vendor",
    "vendor_id",
    "victim",
    "what",
    "when",
    "who",
    "who_and_what",
];

/// The filters that there are.
pub const FILTERS: &[&str] = &[
    "upper",
    "lower",
    "capitalize",
    "trim",
    "replace",
    "default",
    "join",
    "length",
    "first",
    "last",
    "short",
    "few_lines",
    "indented",
];

/// Steps that a template may take; a large one takes some hundreds.
pub const FUEL: u64 = 50_000;
