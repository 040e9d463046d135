//! What is found in an element, and what is left of it.

use serde_json::{Map, Value};

use super::places::{MATTERS_OF_TRUST, camel_case};
use crate::domain::{Actor, Draft, EventOutcome, Target, Timestamp};
use crate::vendors::lenient;
use crate::vendors::outcomes::Outcomes;
use crate::vendors::severities::{Severities, Stated};

/// An element, and which of its values were understood.
pub(super) struct Found<'e> {
    pub(super) element: &'e Value,
    pub(super) map: &'e [(&'static str, String)],
    pub(super) used: Vec<String>,
}

impl Found<'_> {
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let pointer = self.pointer(name)?;
        self.at(&pointer)
    }

    pub(super) fn at(&mut self, pointer: &str) -> Option<String> {
        let text = self.element.pointer(pointer).and_then(scalar)?;
        self.used.push(pointer.to_owned());
        Some(text)
    }

    /// The values at all of the pointers as one text, where need be those of the message around the element; `None` where
    /// there is no pointer, or one leads to nothing: a part of a name would be the name of more.
    pub(super) fn together(&mut self, pointers: &[String], around: &[Option<String>]) -> Option<String> {
        let own: Vec<Option<String>> = values(self.element, pointers).collect();
        let around = around.iter().cloned().chain(std::iter::repeat(None));
        let parts: Option<Vec<String>> = own.iter().cloned().zip(around).map(|(own, around)| own.or(around)).collect();
        let text = joined(parts.filter(|parts| !parts.is_empty())?);
        let found = pointers.iter().zip(&own).filter(|(_, own)| own.is_some());
        self.used.extend(found.map(|(pointer, _)| pointer.clone()));
        Some(text)
    }

    /// The operator's word, else what the word means everywhere; a word that says nothing stays where it is.
    pub(super) fn outcome(&mut self, operators: &Outcomes) -> Option<EventOutcome> {
        let pointer = self.pointer("outcome")?;
        let word = self.element.pointer(&pointer).and_then(scalar)?;
        let outcome = operators.of(&word)?;
        self.used.push(pointer);
        Some(outcome)
    }

    pub(super) fn time(&mut self, name: &str) -> Option<Timestamp> {
        let pointer = self.pointer(name)?;
        let time = self.element.pointer(&pointer).and_then(lenient::time_of)?;
        self.used.push(pointer);
        Some(time)
    }

    /// What the element says about its severity. A word that is not known stays where it stood.
    pub(super) fn severity(&mut self, name: &str, severities: &Severities) -> Stated {
        let pointer = self.pointer(name);
        let word = pointer.as_deref().and_then(|pointer| self.element.pointer(pointer)).and_then(severity_word);
        // `severity` by the vendor's word is how this table was written first.
        if let Some(severity) = word.as_deref().and_then(|word| severities.of_kind(word)) {
            self.used.extend(pointer);
            return Stated { severity: Some(severity), unknown: None };
        }
        let stated = severities.stated(word.as_deref());
        self.used.extend(pointer.filter(|_| stated.severity.is_some()));
        stated
    }

    pub(super) fn pointer(&self, name: &str) -> Option<String> {
        let given = self.map.iter().find(|(known, _)| *known == name).map(|(_, pointer)| pointer.clone());
        let guessed = || {
            let [snake, camel] = [format!("/{name}"), format!("/{}", camel_case(name))];
            if self.element.pointer(&snake).is_some() { snake } else { camel }
        };
        given.or_else(|| (!MATTERS_OF_TRUST.contains(&name)).then(guessed))
    }
}

/// The parts as one text that other parts do not make: between two of them stands one dot, and so a dot of theirs is
/// written twice.
fn joined(mut parts: Vec<String>) -> String {
    if let [_, _, ..] = parts.as_slice() {
        parts.iter_mut().filter(|part| part.contains(DOT)).for_each(|part| *part = part.replace(DOT, "··"));
    }
    parts.join(" · ")
}

pub(super) fn actor(found: &mut Found) -> Option<Actor> {
    let mut actor = found.text("actor").as_deref().and_then(Actor::from_text).unwrap_or_default();
    if let Some(user) = found.text("user") {
        actor.user = Some(user);
    }
    let address = found.pointer("ip").and_then(|pointer| found.element.pointer(&pointer)).and_then(scalar);
    if let Some(ip) = address.as_deref().and_then(Actor::from_text).and_then(|actor| actor.ip) {
        actor.ip = Some(ip);
        found.used.extend(found.pointer("ip"));
    }
    (actor != Actor::default()).then_some(actor)
}

pub(super) fn target(found: &mut Found) -> Option<Target> {
    let target = Target {
        method: found.text("method"),
        url: found.text("url"),
        host: found.text("host"),
        agent: found.text("agent"),
    };
    (target != Target::default()).then_some(target)
}

/// What was done about it, by its own field or by the action that was taken.
pub(super) fn add_what_was_done(draft: &mut Draft, found: &mut Found, outcomes: &Outcomes) {
    let action = found.text("action");
    draft.outcome = found.outcome(outcomes).or_else(|| outcomes.of(action.as_deref()?));
    for (name, value) in [("action", action), ("risk_score", found.text("risk_score"))] {
        draft.labels.extend(value.map(|value| (name.to_owned(), value)));
    }
}

/// The element without what was understood, and without objects that became empty by that.
pub(super) fn rest(mut element: Value, used: &[String]) -> Map<String, Value> {
    for pointer in used {
        let Some((parent, last)) = pointer.rsplit_once('/') else { continue };
        let last = last.replace("~1", "/").replace("~0", "~");
        if let Some(parent) = element.pointer_mut(parent).and_then(Value::as_object_mut) {
            parent.remove(&last);
        }
    }
    match element {
        Value::Object(map) => map.into_iter().filter(|(_, value)| !says_nothing(value)).collect(),
        _ => Map::new(),
    }
}

pub(super) fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// A text, a number or a truth value as text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// What is at each pointer, as text.
pub(super) fn values(element: &Value, pointers: &[String]) -> impl ExactSizeIterator<Item = Option<String>> {
    pointers.iter().map(|pointer| element.pointer(pointer).and_then(scalar))
}

/// A bare number counts within one thing and is no name of it everywhere: alert 7 of one repository is not alert 7 of
/// another. One with more digits than anything is counted to is an id; some fingerprints have no other digits.
pub(super) fn is_bare_number(name: &str) -> bool {
    name.len() <= COUNTER_DIGITS_MAX && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// What stands where a severity is expected, as a word: a list of one element counts as that element. What is no plain
/// word is represented by its beginning, so that it is reported as an unknown word; an empty value is absent.
pub(super) fn severity_word(mut value: &Value) -> Option<String> {
    while let Value::Array(items) = value
        && let [only] = items.as_slice()
    {
        value = only;
    }
    match value {
        Value::Array(_) | Value::Object(_) if !says_nothing(value) => {
            Some(lenient::truncated(&value.to_string(), ODD_SEVERITY_BYTES_MAX))
        }
        _ => scalar(value),
    }
}

/// How much is kept of a severity that is no plain word; more than the label of the event holds.
pub(super) const ODD_SEVERITY_BYTES_MAX: usize = 256;
/// Between the parts of a name.
const DOT: char = '·';
const COUNTER_DIGITS_MAX: usize = 12;
