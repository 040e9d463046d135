//! The fields of an event that the operator can name in `group_by`.

use std::fmt;

use crate::domain::{Actor, Event, Rule, Target};

/// A field of an event: `rule`, `target.host`, `labels.team`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupField(Field);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    Known(&'static str),
    Label(String),
}

/// The word names no field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{word}' is no field to group by; {}", proposal(nearest))]
pub struct UnknownGroupField {
    /// The word.
    pub word: String,
    /// The fields that it resembles, the nearest first; at most three.
    pub nearest: Vec<&'static str>,
}

impl GroupField {
    /// The field of that word. `event`, which stands for no field but for each event alone, is not one of them.
    pub fn parse(word: &str) -> Result<Self, UnknownGroupField> {
        if let Some(known) = FIELDS.iter().find(|known| **known == word) {
            return Ok(Self(Field::Known(known)));
        }
        match word.strip_prefix(LABELS) {
            Some(label) if !label.trim().is_empty() => Ok(Self(Field::Label(label.to_owned()))),
            _ => Err(UnknownGroupField { word: word.to_owned(), nearest: nearest(word) }),
        }
    }

    /// Its value in that event, if it has one.
    pub(super) fn value(&self, event: &Event) -> Option<String> {
        match &self.0 {
            Field::Label(label) => event.labels.get(label).cloned(),
            Field::Known(name) => value(event, name),
        }
    }
}

/// As the operator writes it.
impl fmt::Display for GroupField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Field::Known(name) => f.write_str(name),
            Field::Label(label) => write!(f, "{LABELS}{label}"),
        }
    }
}

fn value(event: &Event, name: &str) -> Option<String> {
    let rule = |part: fn(&Rule) -> &Option<String>| event.rule.as_ref().and_then(|rule| part(rule).clone());
    let actor = |part: fn(&Actor) -> &Option<String>| event.actor.as_ref().and_then(|actor| part(actor).clone());
    let target = |part: fn(&Target) -> &Option<String>| event.target.as_ref().and_then(|target| part(target).clone());
    match name {
        "actor.country" => actor(|actor| &actor.country),
        "actor.ip" => event.actor.as_ref().and_then(|actor| actor.ip).map(|ip| ip.to_string()),
        "actor.user" => actor(|actor| &actor.user),
        "correlation" => event.correlation.clone(),
        "group" => event.group.clone(),
        "outcome" => event.outcome.map(|outcome| outcome.as_str().to_owned()),
        "rule" => rule(|rule| &rule.id).or_else(|| rule(|rule| &rule.name)),
        "rule.id" => rule(|rule| &rule.id),
        "rule.name" => rule(|rule| &rule.name),
        "severity" => Some(event.severity.as_str().to_owned()),
        "target.agent" => target(|target| &target.agent),
        "target.host" => target(|target| &target.host),
        "target.method" => target(|target| &target.method),
        "target.url" => target(|target| &target.url),
        "title" => Some(event.title.clone()),
        "type" => Some(event.kind.clone()),
        "vendor_id" => event.vendor_id.clone(),
        _ => None,
    }
}

fn nearest(word: &str) -> Vec<&'static str> {
    let mut scored: Vec<(f64, &'static str)> =
        FIELDS.iter().map(|known| (likeness(word, known), *known)).filter(|(score, _)| *score > 0.6).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().take(3).map(|(_, known)| known).collect()
}

/// How much the word looks like the field, or like its last part: `host` is meant to be `target.host`.
fn likeness(word: &str, known: &str) -> f64 {
    let word: String = word.to_ascii_lowercase().chars().take(WORD_CHARS_MAX).collect();
    let last = known.rsplit('.').next().unwrap_or(known);
    let word_last = word.rsplit('.').next().unwrap_or(&word);
    strsim::normalized_damerau_levenshtein(&word, known).max(strsim::normalized_damerau_levenshtein(word_last, last))
}

fn proposal(nearest: &[&str]) -> String {
    if nearest.is_empty() {
        format!("the fields are {}, labels.NAME, or \"event\" alone", FIELDS.join(", "))
    } else {
        format!("did you mean {}?", nearest.join(" or "))
    }
}

const FIELDS: [&str; 17] = [
    "actor.country",
    "actor.ip",
    "actor.user",
    "correlation",
    "group",
    "outcome",
    "rule",
    "rule.id",
    "rule.name",
    "severity",
    "target.agent",
    "target.host",
    "target.method",
    "target.url",
    "title",
    "type",
    "vendor_id",
];
const LABELS: &str = "labels.";
const WORD_CHARS_MAX: usize = 64;
