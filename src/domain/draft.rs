//! What a normalizer makes of one fact, and the limits within which it becomes an event.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::cut;
use super::event::SEVERITY_WORD;
use super::{
    Actor, Event, EventId, EventKey, EventOutcome, EventState, Link, Receipt, Rule, Severity, SourceName, Target,
    Timestamp,
};

/// What a normalizer makes of one fact, before it has an identity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// What identifies the event within its source: the vendor's id alone, or the fields that tell two apart.
    /// Empty: nothing does, and each receipt's event is its own.
    pub key: Vec<String>,
    /// Nothing in the key tells the event from the same thing happening again: there is neither an id nor a time in it.
    /// It is then known for a while only, the source's `repeat_window`.
    pub recurs: bool,
    /// No field that the source knows was in it: its format has changed, or its map is for another one.
    pub is_unrecognized: bool,
    /// See [`Event::vendor_id`].
    pub vendor_id: Option<String>,
    /// See [`Event::kind`].
    pub kind: String,
    /// See [`Event::time`].
    pub time: Option<Timestamp>,
    /// The vendor documents that `time` is when the event happened. Only then does an old one show that a request was
    /// captured and sent again: a field that is merely mapped may hold the day on which a finding was first seen.
    pub is_time_documented: bool,
    /// See [`Event::severity`]; `None` takes the source's default.
    pub severity: Option<Severity>,
    /// The vendor's word for the severity where it is not known; see [`Event::severity_word`].
    pub severity_word: Option<String>,
    /// See [`Event::title`]; blank takes the type.
    pub title: String,
    /// See [`Event::message`].
    pub message: Option<String>,
    /// See [`Event::rule`].
    pub rule: Option<Rule>,
    /// See [`Event::actor`].
    pub actor: Option<Actor>,
    /// See [`Event::target`].
    pub target: Option<Target>,
    /// See [`Event::outcome`].
    pub outcome: Option<EventOutcome>,
    /// See [`Event::group`].
    pub group: Option<String>,
    /// See [`Event::correlation`].
    pub correlation: Option<String>,
    /// See [`Event::state`].
    pub state: Option<EventState>,
    /// What the events of one incident have in common beside the victim, where the vendor knows better than the default of
    /// type and rule. Empty: the default.
    pub incident_parts: Vec<String>,
    /// The victim, where the vendor knows better than the default of agent, else host.
    pub victim: Option<String>,
    /// See [`Event::status`].
    pub status: Option<String>,
    /// See [`Event::impact`].
    pub impact: Option<String>,
    /// See [`Event::remediation`].
    pub remediation: Option<String>,
    /// See [`Event::evidence`].
    pub evidence: Option<String>,
    /// See [`Event::links`].
    pub links: Vec<Link>,
    /// See [`Event::labels`].
    pub labels: BTreeMap<String, String>,
    /// See [`Event::unmapped`].
    pub unmapped: Map<String, Value>,
}

impl Draft {
    /// What it has in common with the same thing happening again, where nothing tells the two apart.
    pub fn recurring_key(&self, source: &SourceName) -> Option<EventKey> {
        if !self.recurs || self.key.is_empty() {
            return None;
        }
        let parts: Vec<&str> = self.key.iter().map(String::as_str).collect();
        Some(EventKey::of(source, &parts))
    }

    /// The severity if none is stated: the source's, and at least high where nothing in it was understood. What an attacker
    /// made unreadable may have been anything, and so may an alert in a format that the source does not know.
    fn default_severity(&self, of_source: Severity) -> Severity {
        let is_understood = self.kind != Event::UNPARSED && !self.is_unrecognized;
        if is_understood || of_source.rank() >= Severity::High.rank() { of_source } else { Severity::High }
    }

    /// Gives the draft its identity and holds it to the limits. `position` is its place in the receipt, the
    /// last resort of identification.
    pub fn into_event(self, receipt: &Receipt, vendor: &str, default_severity: Severity, position: usize) -> Event {
        // Destinations fold what has the same key: each time that it happens needs its own.
        let place = (self.key.is_empty() || self.recurs).then(|| (receipt.id.to_string(), position.to_string()));
        let mut parts: Vec<&str> = self.key.iter().map(String::as_str).collect();
        if let Some((id, position)) = &place {
            parts.extend(["receipt", id, position]);
        }
        let key = EventKey::of(&receipt.source, &parts);
        let severity = self.severity.unwrap_or_else(|| self.default_severity(default_severity));
        let kind = line(self.kind, KIND_CHARS_MAX).unwrap_or_else(|| "unknown".to_owned());
        Event {
            id: EventId::generate(),
            key,
            vendor_id: short(self.vendor_id),
            receipt: receipt.id,
            source: receipt.source.clone(),
            vendor: vendor.to_owned(),
            time: self.time.unwrap_or(receipt.received_at),
            received_at: receipt.received_at,
            severity,
            title: line(self.title, TITLE_CHARS_MAX).unwrap_or_else(|| kind.clone()),
            kind,
            message: text(self.message),
            rule: self.rule.and_then(Rule::limited),
            actor: self.actor.and_then(Actor::limited),
            target: self.target.and_then(Target::limited),
            outcome: self.outcome,
            group: identity(self.group),
            correlation: identity(self.correlation),
            state: self.state,
            incident: None,
            status: short(self.status),
            impact: text(self.impact),
            remediation: text(self.remediation),
            evidence: text(self.evidence),
            links: self.links.into_iter().filter(Link::is_web).take(LINKS_MAX).collect(),
            labels: limited_labels(self.labels, self.severity_word),
            unmapped: limited_unmapped(self.unmapped),
        }
    }
}

impl Rule {
    fn limited(self) -> Option<Self> {
        let rule = Self { id: short(self.id), name: short(self.name) };
        (rule != Self::default()).then_some(rule)
    }
}

impl Actor {
    fn limited(self) -> Option<Self> {
        let actor = Self { ip: self.ip, user: short(self.user), country: short(self.country) };
        (actor != Self::default()).then_some(actor)
    }
}

impl Target {
    fn limited(self) -> Option<Self> {
        let url = self.url.and_then(|url| line(url, URL_CHARS_MAX));
        let target = Self { method: short(self.method), url, host: short(self.host), agent: short(self.agent) };
        (target != Self::default()).then_some(target)
    }
}

impl Link {
    fn is_web(&self) -> bool {
        let known_scheme = self.url.starts_with("https://") || self.url.starts_with("http://");
        known_scheme && self.url.len() <= URL_CHARS_MAX && !self.url.chars().any(|c| c.is_control() || c == ' ')
    }
}

/// One line without control characters, at most `chars_max` long; `None` when nothing is left.
fn line(text: String, chars_max: usize) -> Option<String> {
    if is_plain_line(&text, chars_max) {
        return Some(text);
    }
    let clean = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let kept = cut::chars(clean, chars_max).map_or(clean, |end| &clean[..end]);
    if kept.is_empty() {
        None
    } else if kept.contains(char::is_control) {
        Some(kept.replace(char::is_control, " "))
    } else {
        Some(kept.to_owned())
    }
}

/// Whether a text is certainly what [`line`] would make of it: most are.
fn is_plain_line(text: &str, chars_max: usize) -> bool {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~');
    !text.is_empty()
        && text.len() <= chars_max
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && text.bytes().all(is_plain)
}

/// A short value on one line.
fn short(value: Option<String>) -> Option<String> {
    value.and_then(|value| line(value, SHORT_CHARS_MAX))
}

/// A value that tells things apart: one that is too long is cut, and ends in a hash of the whole.
fn identity(value: Option<String>) -> Option<String> {
    let value = value?;
    if is_plain_line(&value, SHORT_CHARS_MAX) {
        return Some(value);
    }
    let shown = line(value.clone(), SHORT_CHARS_MAX)?;
    if shown == value {
        return Some(shown);
    }
    let hash = hex::encode(&Sha256::digest(value.as_bytes())[..16]);
    let beginning = cut::chars(&shown, SHORT_CHARS_MAX - 33).map_or(shown.as_str(), |end| &shown[..end]);
    Some(format!("{beginning}…{hash}"))
}

/// Text of several lines, at most [`TEXT_BYTES_MAX`], cut between words; `None` when it is blank.
fn text(value: Option<String>) -> Option<String> {
    let mut value = value.filter(|value| !value.trim().is_empty())?;
    if let Some(end) = cut::bytes(&value, TEXT_BYTES_MAX) {
        value.truncate(end);
        value.push('…');
    }
    Some(value)
}

fn limited_labels(labels: BTreeMap<String, String>, severity_word: Option<String>) -> BTreeMap<String, String> {
    let limited = labels.into_iter().filter_map(|(name, value)| Some((line(name, 64)?, line(value, SHORT_CHARS_MAX)?)));
    let word = severity_word.and_then(|word| line(word, SEVERITY_WORD_CHARS_MAX));
    let room = LABELS_MAX - usize::from(word.is_some());
    limited.take(room).chain(word.map(|word| (SEVERITY_WORD.to_owned(), word))).collect()
}

/// Writes what nests too deep as text, then drops the largest values until the rest fits; the raw body has them all.
fn limited_unmapped(mut unmapped: Map<String, Value>) -> Map<String, Value> {
    for value in unmapped.values_mut() {
        if nests_deeper(value, UNMAPPED_DEPTH_MAX) {
            *value = Value::String(value.to_string());
        }
    }
    // To write the values only to learn how long they are would cost as much as to store them.
    let most: usize = unmapped.iter().map(|(name, value)| name.len() + json_bytes_most(value)).sum();
    if most <= UNMAPPED_BYTES_MAX {
        return unmapped;
    }
    let mut sizes: Vec<(usize, String)> =
        unmapped.iter().map(|(name, value)| (name.len() + value.to_string().len(), name.clone())).collect();
    let mut total: usize = sizes.iter().map(|(size, _)| size).sum();
    sizes.sort_unstable();
    while total > UNMAPPED_BYTES_MAX {
        let Some((size, name)) = sizes.pop() else { break };
        unmapped.remove(&name);
        total -= size;
    }
    unmapped
}

/// No more than so many bytes is a value in JSON: each byte of a text is escaped, each number as long as any.
fn json_bytes_most(value: &Value) -> usize {
    let of_text = |text: &str| ESCAPED_BYTES * text.len() + 2;
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => NUMBER_BYTES,
        Value::String(text) => of_text(text),
        Value::Array(items) => items.iter().map(|item| json_bytes_most(item) + 1).sum::<usize>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| of_text(name) + json_bytes_most(value) + 2).sum::<usize>() + 2
        }
    }
}

/// Whether a value nests more than `levels` deep.
fn nests_deeper(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return value.is_array() || value.is_object() };
    match value {
        Value::Array(items) => items.iter().any(|item| nests_deeper(item, below)),
        Value::Object(fields) => fields.values().any(|field| nests_deeper(field, below)),
        _ => false,
    }
}

const KIND_CHARS_MAX: usize = 128;
const TITLE_CHARS_MAX: usize = 300;
const SHORT_CHARS_MAX: usize = 512;
const URL_CHARS_MAX: usize = 2048;
const TEXT_BYTES_MAX: usize = 4096;
const SEVERITY_WORD_CHARS_MAX: usize = 64;
const LINKS_MAX: usize = 8;
const LABELS_MAX: usize = 32;
const UNMAPPED_BYTES_MAX: usize = 8192;
/// `\u0000`.
const ESCAPED_BYTES: usize = 6;
/// A double: sign, 17 digits, point and exponent.
const NUMBER_BYTES: usize = 32;
/// What is stored must be readable again, and every reader has its own limit on nesting.
const UNMAPPED_DEPTH_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Encoding, ReceiptId};

    fn receipt() -> Receipt {
        Receipt {
            id: ReceiptId::generate(),
            source: "s".parse().unwrap(),
            received_at: Timestamp::from_millis(1_000),
            content_type: None,
            encoding: Encoding::Identity,
            body: bytes::Bytes::new(),
        }
    }

    #[test]
    fn an_address_field_holds_an_address_or_nothing() {
        assert_eq!(Actor::from_text("35.191.238.163:646").unwrap().ip, "35.191.238.163".parse().ok());
        assert_eq!(Actor::from_text("[::1]:80").unwrap().ip, "::1".parse().ok());
        let claude = Actor::from_text("claude").unwrap();
        assert_eq!((claude.ip, claude.user.as_deref()), (None, Some("claude")));
        assert_eq!(Actor::from_text("  "), None);
    }

    #[test]
    fn what_was_stored_before_there_were_an_outcome_and_a_vendor_id_is_still_read() {
        let mut event = Draft { title: "t".into(), ..Draft::default() }.into_event(&receipt(), "v", Severity::Low, 0);
        let stored = serde_json::to_value(&event).unwrap();
        assert!(stored.get("outcome").is_none() && stored.get("vendor_id").is_none(), "what is absent is left out");
        assert_eq!(serde_json::from_value::<Event>(stored).unwrap(), event);
        (event.outcome, event.vendor_id) = (Some(EventOutcome::Succeeded), Some("alr_1".to_owned()));
        let stored = serde_json::to_value(&event).unwrap();
        assert_eq!((&stored["outcome"], &stored["vendor_id"]), (&"succeeded".into(), &"alr_1".into()));
        assert_eq!(serde_json::from_value::<Event>(stored).unwrap(), event);
    }

    #[test]
    fn only_words_with_one_meaning_are_outcomes() {
        for (word, outcome) in EventOutcome::ALL {
            assert_eq!((EventOutcome::from_vendor_word(word), outcome.as_str()), (Some(outcome), word));
        }
        assert_eq!(EventOutcome::from_vendor_word(" BLOCK "), Some(EventOutcome::Blocked));
        for word in ["", "detected", "alert", "failed", "unknown", "true", "blocked by no rule", "not blocked"] {
            assert_eq!(EventOutcome::from_vendor_word(word), None, "{word}");
        }
    }

    #[test]
    fn a_line_has_no_controls_and_no_outer_blanks_and_is_cut_at_a_character() {
        for (given, expected) in [
            ("\u{7}\u{a0}é\nb\t ", Some("é b")),
            ("é\r\nb", Some("é  b")),
            (" \u{85}\t", None),
            ("", None),
            ("ééééé", Some("éééé")),
            ("ééé é", Some("ééé ")),
            ("é\u{9b}31m", Some("é 31")),
        ] {
            assert_eq!(line(given.to_owned(), 4).as_deref(), expected, "{given:?}");
        }
    }

    #[test]
    fn no_cut_leaves_half_a_credential() {
        let before = |chars: usize| format!("{} ", "x".repeat(chars - 1));
        for secret in ["postgres://svc:hunter2secret@db.example", "ghp_A1b2C3d4E5f6G7h8I9j0K1l2"] {
            for place in 1..secret.len() {
                let of = |max: usize| format!("{}{secret} more", before(max - place));
                let (title, message, group) =
                    (of(TITLE_CHARS_MAX), Some(of(TEXT_BYTES_MAX)), Some(of(SHORT_CHARS_MAX - 33)));
                let url = format!("https://h/{}?u={secret}", "x".repeat(URL_CHARS_MAX - 13 - place));
                let target = Some(Target { url: Some(url), agent: Some(of(SHORT_CHARS_MAX)), ..Target::default() });
                let draft = Draft { title, message, group, target, ..Draft::default() };
                let event = draft.into_event(&receipt(), "v", Severity::Low, 0);
                let target = event.target.unwrap();
                let texts = [Some(event.title), event.message, event.group, target.url, target.agent];
                for text in texts.into_iter().flatten() {
                    let shown = text.split('…').next().unwrap();
                    assert!(!shown.ends_with(&secret[..place]), "{place}: {text}");
                }
            }
        }
    }

    #[test]
    fn a_plain_line_is_what_any_other_line_would_become() {
        let of_any = |text: &str| {
            // What is not ASCII is never taken for plain.
            let found = line(format!("é{text}"), SHORT_CHARS_MAX + 1)?;
            found.strip_prefix('é').map(str::trim_start).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        for text in ["", " ", "a", " a", "a ", "a b", "a\tb", "\na", "a\u{7f}", "~", "a\u{0}", "é", "a\u{85}b"] {
            assert_eq!(line(text.to_owned(), SHORT_CHARS_MAX), of_any(text), "{text:?}");
        }
        for length in SHORT_CHARS_MAX - 1..=SHORT_CHARS_MAX + 1 {
            let found = line("x".repeat(length), SHORT_CHARS_MAX).unwrap();
            assert_eq!(found.len(), length.min(SHORT_CHARS_MAX));
        }
    }

    #[test]
    fn no_value_is_longer_in_json_than_the_bound_says() {
        for value in [
            serde_json::json!(null),
            serde_json::json!(false),
            serde_json::json!(-1.797_693_134_862_315_7e308),
            serde_json::json!(-2.225_073_858_507_201_4e-308),
            serde_json::json!(i64::MIN),
            serde_json::json!("\u{0}\u{1f}\"\\\u{7f}é"),
            serde_json::json!([]),
            serde_json::json!([[], {}, [1, "\u{0}"], {"\u{0}\u{1}": {"a": [null]}}]),
            serde_json::json!({"a": 1, "b": "\u{2}"}),
        ] {
            assert!(value.to_string().len() <= json_bytes_most(&value), "{value}");
        }
    }

    #[test]
    fn of_what_is_unmapped_the_largest_goes_only_where_all_is_too_long() {
        let unmapped = |bytes: usize| {
            let fields = [("big".to_owned(), Value::from("x".repeat(bytes))), ("small".to_owned(), Value::from(1))];
            limited_unmapped(fields.into_iter().collect()).keys().cloned().collect::<Vec<_>>()
        };
        // "big", "small", 1 and two quotes beside the text.
        assert_eq!(unmapped(UNMAPPED_BYTES_MAX - 11), ["big", "small"]);
        assert_eq!(unmapped(UNMAPPED_BYTES_MAX - 10), ["small"]);
        assert_eq!(unmapped(1_000), ["big", "small"]);
    }

    #[test]
    fn limits_hold_and_blanks_vanish() {
        let draft = Draft {
            title: "a\nb\u{0}".repeat(1000),
            message: Some("é".repeat(10_000)),
            status: Some("  ".to_owned()),
            vendor_id: Some(format!("a\n{}", "b".repeat(1000))),
            group: Some(" \t".to_owned()),
            correlation: Some("c".to_owned()),
            links: vec![
                Link { title: "x".into(), url: "javascript:alert(1)".into() },
                Link { title: "y".into(), url: "https://example.com/".into() },
            ],
            unmapped: [("big".to_owned(), Value::from("x".repeat(100_000))), ("small".to_owned(), Value::from(1))]
                .into_iter()
                .collect(),
            ..Draft::default()
        };
        let event = draft.into_event(&receipt(), "v", Severity::Medium, 0);
        assert_eq!(event.title.chars().count(), TITLE_CHARS_MAX);
        assert!(!event.title.chars().any(char::is_control));
        assert!(event.message.unwrap().len() <= TEXT_BYTES_MAX + '…'.len_utf8());
        assert_eq!(event.status, None);
        assert_eq!(event.vendor_id.map(|id| id.chars().count()), Some(SHORT_CHARS_MAX));
        assert_eq!((event.group, event.correlation), (None, Some("c".to_owned())));
        assert_eq!(event.links.len(), 1);
        assert_eq!(event.unmapped.keys().collect::<Vec<_>>(), ["small"]);
        assert_eq!((event.kind.as_str(), event.severity), ("unknown", Severity::Medium));
    }

    #[test]
    fn what_tells_alerts_apart_still_does_once_it_is_cut() {
        let of = |text: String| {
            let draft = Draft { group: Some(text.clone()), correlation: Some(text), ..Draft::default() };
            let event = draft.into_event(&receipt(), "v", Severity::Low, 0);
            assert_eq!(event.group, event.correlation);
            event.group.unwrap()
        };
        let (one, other) = (of(format!("{}1", "x".repeat(1000))), of(format!("{}2", "x".repeat(1000))));
        assert!(one != other && one.chars().count() == SHORT_CHARS_MAX, "{one}");
        assert_ne!(of("a\nb".to_owned()), of("a b".to_owned()), "a control character is no blank");
        assert_eq!(of("a b".to_owned()), "a b");
    }

    #[test]
    fn an_unknown_severity_word_becomes_a_short_label_whatever_else_there_is() {
        let labels: BTreeMap<String, String> = (0..100).map(|n| (format!("l{n}"), "x".to_owned())).collect();
        let severity_word = Some(format!("pur\nple{}", "e".repeat(1000)));
        let event = Draft { labels, severity_word, ..Draft::default() }.into_event(&receipt(), "v", Severity::Low, 0);
        let word = event.severity_word().unwrap();
        assert!(word.starts_with("pur ple") && word.chars().count() == SEVERITY_WORD_CHARS_MAX, "{word}");
        assert_eq!((event.labels.len(), event.severity), (LABELS_MAX, Severity::Low));
        let known = Draft { severity_word: Some(" ".to_owned()), ..Draft::default() };
        assert_eq!(known.into_event(&receipt(), "v", Severity::Low, 0).severity_word(), None);
    }

    #[test]
    fn what_nests_deep_can_be_read_again() {
        let deep = (0..126).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        let unmapped = [("deep".to_owned(), deep), ("flat".to_owned(), Value::from(vec![1]))].into_iter().collect();
        let event = Draft { unmapped, ..Draft::default() }.into_event(&receipt(), "v", Severity::Low, 0);
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
        assert!(event.unmapped["deep"].is_string() && event.unmapped["flat"].is_array());
    }

    #[test]
    fn the_json_form_round_trips_and_shows_no_blanks() {
        let draft = Draft { kind: "alert".into(), title: "T".into(), key: vec!["1".into()], ..Draft::default() };
        let event = draft.into_event(&receipt(), "v", Severity::High, 0);
        let json = serde_json::to_string(&event).unwrap();
        assert!(!json.contains("null"), "{json}");
        assert!(json.contains(r#""severity":4"#), "{json}");
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }
}
