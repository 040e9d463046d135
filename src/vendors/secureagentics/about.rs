//! What the beginning of a body says about the subject of its event.

use super::{AGENTS, DATA_DEPTH, DETAILS, KINDS, RULES, UNKNOWN, rule_names};
use crate::vendors::KindWords;
use crate::vendors::urgency_hint::Field;

/// What an event is about, as far as it is found in one pass.
#[derive(Default)]
pub(super) struct About<'b> {
    pub(super) kind: Option<&'b str>,
    /// At the names of [`RULES`].
    pub(super) rules: [Option<&'b str>; RULES.len()],
    pub(super) text: Option<&'b str>,
    pub(super) words: KindWords,
}

impl<'b> About<'b> {
    /// Notes a field of the envelope or of `data`.
    pub(super) fn note(&mut self, field: Field<'b>) {
        let is_in_data = field.depth == DATA_DEPTH && field.parent == b"data";
        if is_in_data && let Some(at) = RULES.iter().position(|name| field.is_one_of(&[name])) {
            if let Some(rule) = self.rules.get_mut(at) {
                *rule = rule.or(Some(field.value));
            }
        } else if is_in_data && field.is_one_of(AGENTS) {
            self.words.note_victim("agent", field.value);
        } else if is_in_data && field.is_one_of(&["outcome", "action"]) {
            self.words.note_rule("outcome", field.value);
        } else if is_in_data && field.is_one_of(DETAILS) {
            self.text = self.text.or(Some(field.value));
        } else if field.depth < DATA_DEPTH && field.is_one_of(KINDS) {
            self.kind = self.kind.or(Some(field.value));
        }
    }

    /// As [`rule`] and [`title`] have it.
    pub(super) fn words(mut self) -> KindWords {
        let kind = self.kind.unwrap_or(UNKNOWN);
        let of_name = |name: &&str| {
            RULES.iter().position(|known| known == name).and_then(|at| self.rules.get(at).copied().flatten())
        };
        match (rule_names(kind).iter().find_map(of_name), self.text) {
            (Some(rule), _) => self.words.note_rule("rule", rule),
            (None, Some(text)) => self.words.note_text("text", text),
            (None, None) => {}
        }
        self.words.note_rule("type", kind);
        self.words
    }
}
