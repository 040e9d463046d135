//! The fields of an event as conditions see them: the one table of their names, types and values.
//!
//! A new field of the event costs one line in [`FIELDS`]. Every field of the table is always present: absent text is `""`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cel::Value;
use cel::objects::{Key, Map};

use super::types::{Shape, Type};
use crate::domain::{Event, EventOutcome, EventState};

/// One field below `event`.
#[derive(Debug)]
pub struct Field {
    /// Its path below `event`: `title`, `actor.ip`.
    pub path: &'static str,
    /// Its type.
    pub kind: fn() -> Type,
    value: fn(&Event) -> Value,
}

/// Every field that a condition can use, groups together.
pub const FIELDS: &[Field] = &[
    field("id", free, |event| text(&event.id.to_string())),
    field("key", free, |event| text(&event.key.to_string())),
    field("receipt", free, |event| text(&event.receipt.to_string())),
    field("vendor_id", free, |event| maybe(&event.vendor_id)),
    field("source", || Type::Text(Shape::Source), |event| text(event.source.as_str())),
    field("vendor", || Type::Text(Shape::Vendor), |event| text(&event.vendor)),
    field("type", free, |event| text(&event.kind)),
    field("time", time, |event| text(&event.time.to_string())),
    field("received_at", time, |event| text(&event.received_at.to_string())),
    field("severity", || Type::Severity, |event| Value::Int(event.severity.rank().into())),
    field("title", free, |event| text(&event.title)),
    field("message", free, |event| maybe(&event.message)),
    field("outcome", outcome, |event| text(event.outcome.map_or("", EventOutcome::as_str))),
    field("group", free, |event| maybe(&event.group)),
    field("correlation", free, |event| maybe(&event.correlation)),
    field("state", state, |event| text(event.state.map_or("", EventState::as_str))),
    field("status", free, |event| maybe(&event.status)),
    field("rule.id", free, |event| part(&event.rule, |rule| &rule.id)),
    field("rule.name", free, |event| part(&event.rule, |rule| &rule.name)),
    field(
        "actor.ip",
        || Type::Text(Shape::Address),
        |event| text(&event.actor.as_ref().and_then(|actor| actor.ip).map(|ip| ip.to_string()).unwrap_or_default()),
    ),
    field("actor.user", free, |event| part(&event.actor, |actor| &actor.user)),
    field("actor.country", free, |event| part(&event.actor, |actor| &actor.country)),
    field("target.method", free, |event| part(&event.target, |target| &target.method)),
    field("target.url", free, |event| part(&event.target, |target| &target.url)),
    field("target.host", free, |event| part(&event.target, |target| &target.host)),
    field("target.agent", free, |event| part(&event.target, |target| &target.agent)),
    field("labels", labels, |event| map(event.labels.iter().map(|(name, value)| (name.as_str(), text(value))))),
    field("unmapped", unmapped, |event| {
        map(event.unmapped.iter().map(|(name, value)| (name.as_str(), from_json(value))))
    }),
];

/// The field at a path below `event`.
pub fn find(path: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.path == path)
}

/// The names below a group such as `actor`; empty where there is no such group.
pub fn group(name: &str) -> Vec<&'static str> {
    let below = FIELDS.iter().filter_map(|field| field.path.split_once('.'));
    below.filter(|(group, _)| *group == name).map(|(_, name)| name).collect()
}

/// The names directly below `event`, each once, in the order of the table.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for field in FIELDS {
        let first = first_name(field.path);
        if !names.contains(&first) {
            names.push(first);
        }
    }
    names
}

/// The fields that conditions may ask for. Making the others for every event would cost as much as reading it.
#[derive(Debug, Default)]
pub struct Asked(Vec<&'static Field>);

impl Asked {
    /// The fields that a condition names, by its text. One too many is of no consequence; where `event` is not followed
    /// by the name of a field, it is all of them.
    pub fn by(condition: &str) -> Self {
        let is_whole = condition.split("event").skip(1).any(|rest| !rest.trim_start().starts_with('.'));
        let is_named = |field: &&Field| is_whole || condition.contains(first_name(field.path));
        Self(FIELDS.iter().filter(is_named).collect())
    }

    /// The fields that any of several conditions asks for.
    pub fn by_any<'c>(conditions: impl IntoIterator<Item = &'c str>) -> Self {
        let asked: Vec<Self> = conditions.into_iter().map(Self::by).collect();
        let is_asked = |field: &&Field| asked.iter().any(|asked| asked.0.iter().any(|other| other.path == field.path));
        Self(FIELDS.iter().filter(is_asked).collect())
    }
}

/// An event as conditions see it: made once, decided by every route.
pub struct Facts(pub(super) Value);

impl Facts {
    /// The facts of an event for the conditions that ask for these fields.
    pub fn of(event: &Event, asked: &Asked) -> Self {
        let mut fields: HashMap<Key, Value> = HashMap::new();
        let mut groups: BTreeMap<&str, HashMap<Key, Value>> = BTreeMap::new();
        for field in &asked.0 {
            let value = (field.value)(event);
            match field.path.split_once('.') {
                Some((group, name)) => groups.entry(group).or_default().insert(key(name), value),
                None => fields.insert(key(field.path), value),
            };
        }
        for (name, group) in groups {
            fields.insert(key(name), Value::Map(Map { map: Arc::new(group) }));
        }
        Self(Value::Map(Map { map: Arc::new(fields) }))
    }
}

/// The name directly below `event`.
fn first_name(path: &str) -> &str {
    path.split_once('.').map_or(path, |(group, _)| group)
}

const fn field(path: &'static str, kind: fn() -> Type, value: fn(&Event) -> Value) -> Field {
    Field { path, kind, value }
}

fn free() -> Type {
    Type::Text(Shape::Free)
}

fn time() -> Type {
    Type::Text(Shape::Time)
}

fn outcome() -> Type {
    Type::Text(Shape::Words(OUTCOMES))
}

fn state() -> Type {
    Type::Text(Shape::Words(STATES))
}

fn labels() -> Type {
    Type::Map(Box::new(free()), Box::new(Type::Text(Shape::Label)))
}

fn unmapped() -> Type {
    Type::Map(Box::new(free()), Box::new(Type::Any))
}

fn text(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

fn maybe(text: &Option<String>) -> Value {
    Value::String(Arc::new(text.clone().unwrap_or_default()))
}

fn part<G>(group: &Option<G>, part: impl Fn(&G) -> &Option<String>) -> Value {
    group.as_ref().map_or_else(|| text(""), |group| maybe(part(group)))
}

fn key(name: &str) -> Key {
    Key::String(Arc::new(name.to_owned()))
}

fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let entries: HashMap<Key, Value> = entries.into_iter().map(|(name, value)| (key(name), value)).collect();
    Value::Map(Map { map: Arc::new(entries) })
}

fn from_json(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(from_json).collect())),
        Json::Object(fields) => map(fields.iter().map(|(name, value)| (name.as_str(), from_json(value)))),
    }
}

/// The words of [`EventOutcome`].
const OUTCOMES: &[&str] = &["blocked", "allowed", "succeeded"];
/// The words of [`EventState`].
const STATES: &[&str] = &["firing", "resolved"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_an_outcome_and_of_a_state_are_all_of_them() {
        assert_eq!(OUTCOMES, EventOutcome::ALL.map(|(word, _)| word));
        assert_eq!(STATES, EventState::ALL.map(|(word, _)| word));
    }

    #[test]
    fn a_condition_asks_for_the_fields_that_it_names() {
        let cases = [
            ("true", &[][..]),
            ("event.severity >= high", &["severity"]),
            ("event . title == 'x' || event.rule.name == ''", &["title", "rule.id", "rule.name"]),
            ("has(event.labels.team)", &["labels"]),
        ];
        for (condition, names) in cases {
            let asked: Vec<&str> = Asked::by(condition).0.iter().map(|field| field.path).collect();
            assert_eq!(asked, names, "{condition}");
        }
        for whole in ["size(event) > 3", "event['title'] == ''", "event.state == '' && event == event"] {
            assert_eq!(Asked::by(whole).0.len(), FIELDS.len(), "{whole}");
        }
        let both = Asked::by_any(["event.title == ''", "event.title == 'x' && event.severity == low"]);
        assert_eq!(both.0.iter().map(|field| field.path).collect::<Vec<_>>(), ["severity", "title"]);
    }

    #[test]
    fn no_field_is_named_twice_and_the_documentation_lists_each() {
        let page = include_str!("../../docs/routing.md");
        for (place, field) in FIELDS.iter().enumerate() {
            assert!(FIELDS[..place].iter().all(|other| other.path != field.path), "{}", field.path);
            let documented = page.contains(&format!("`event.{}`", field.path));
            assert!(documented || page.contains(&format!("`event.{}.NAME`", field.path)), "{}", field.path);
        }
    }
}
