//! Where what an event is about is found in one pass over the beginning of a body.

use std::borrow::Cow;

use super::places::{MATTERS_OF_TRUST, Places, camel_case, end_of, unescaped};
use crate::vendors::KindWords;
use crate::vendors::urgency_hint::Field;

/// A field that says what an event is about.
pub(super) struct KindPlace {
    /// Its name in `map`.
    pub(super) part: &'static str,
    /// Its own name, and that of the object around it, where the pointer says it.
    pub(super) name: String,
    pub(super) parent: Option<String>,
    /// How deep it is nested in objects and lists.
    pub(super) depth: usize,
}

impl KindPlace {
    /// Where the pointer leads, in an element that stands `lead` deep.
    pub(super) fn of(part: &'static str, pointer: &str, lead: usize) -> Self {
        let (depth, name) = end_of(pointer);
        let is_name = |part: &&str| part.bytes().any(|byte| !byte.is_ascii_digit());
        let parent = pointer.rsplit('/').nth(1).filter(is_name).map(unescaped);
        Self { part, name: name.into_owned(), parent: parent.map(Cow::into_owned), depth: lead + depth }
    }

    /// Whether it is that field; `is_list`: the body is a list of elements.
    pub(super) fn is(&self, field: &Field<'_>, is_list: bool) -> bool {
        field.is_one_of(&[&self.name])
            && field.depth == self.depth + usize::from(is_list)
            && self.parent.as_deref().is_none_or(|parent| field.parent == parent.as_bytes())
    }

    pub(super) fn note(&self, word: &str, about: &mut KindWords) {
        match self.part {
            "victim" | "host" | "agent" => about.note_victim(self.part, word),
            "title" => about.note_text(self.part, word),
            _ => about.note_rule(self.part, word),
        }
    }
}

/// Where the words stand by which events are put into incidents, mapped or under their own names. Where a rule is mapped the
/// title, which may name much else, does not stand for it.
pub(super) fn kind_places(places: &Places, events: Option<&str>) -> Vec<KindPlace> {
    let lead = events.filter(|events| !events.is_empty()).map_or(0, |events| events.matches('/').count() + 1);
    let has_rule = places.map.iter().any(|(name, _)| RULES.contains(name));
    let mut all = Vec::new();
    for part in KIND_NAMES.iter().copied().filter(|part| *part != "title" || !has_rule) {
        match places.map.iter().find(|(name, _)| *name == part) {
            Some((_, pointer)) => all.push(KindPlace::of(part, pointer, lead)),
            None if MATTERS_OF_TRUST.contains(&part) => {}
            None => {
                let [snake, camel] = [part.to_owned(), camel_case(part)];
                let is_one = snake == camel;
                all.push(KindPlace::of(part, &format!("/{snake}"), lead));
                all.extend((!is_one).then(|| KindPlace::of(part, &format!("/{camel}"), lead)));
            }
        }
    }
    all
}
/// The names in `map` that say what an event is about.
const KIND_NAMES: &[&str] = &["type", "rule", "rule_name", "title", "host", "agent", "victim", "outcome", "action"];
const RULES: &[&str] = &["rule", "rule_name"];
