//! The Adaptive Card that Akto means for Microsoft Teams: each set of facts is a threat.

use serde_json::{Map, Value};

use super::{Akto, threat};
use crate::domain::Draft;
use crate::vendors::lenient::{self, Fields, Parsed};
use crate::vendors::own_words;

impl Akto {
    /// One event a set of facts; a card without any is one event with its text. `None` where it is no card.
    pub(super) fn card(&self, mut message: Fields) -> Option<Vec<Draft>> {
        let cards: Vec<Fields> = match message.list("attachments") {
            Some(attachments) => attachments.into_iter().filter_map(content).collect(),
            None => vec![message],
        };
        let mut facts = Vec::new();
        let mut texts = Vec::new();
        for mut card in cards {
            gather(card.list("body").unwrap_or_default(), &mut facts, &mut texts);
        }
        if facts.is_empty() && texts.is_empty() {
            return None;
        }
        if facts.is_empty() {
            return Some(vec![told(texts)]);
        }
        let read =
            |fields: Fields| if threat::is_threat(&fields) { Ok(self.threat(fields)) } else { Ok(plain(fields)) };
        Some(lenient::drafts(facts.into_iter().map(Ok), read))
    }
}

/// The card in an attachment.
fn content(attachment: Value) -> Option<Fields> {
    Fields::of(attachment)?.object("content")
}

/// Sets of facts and blocks of text, also inside of containers and columns.
fn gather(elements: Vec<Value>, facts: &mut Vec<Parsed>, texts: &mut Vec<String>) {
    for element in elements {
        let Some(mut element) = Fields::of(element) else { continue };
        match element.text(&["type"]).as_deref() {
            Some("FactSet") => facts.extend(element.list("facts").map(fact_set)),
            Some("TextBlock") => texts.extend(element.text(&["text"])),
            _ => {
                for inner in ["items", "columns"] {
                    gather(element.list(inner).unwrap_or_default(), facts, texts);
                }
            }
        }
    }
}

/// Titles end in a colon; a title that comes again is kept as doubled keys are.
fn fact_set(facts: Vec<Value>) -> Parsed {
    let (mut map, mut doubled) = (Map::new(), false);
    for fact in facts.into_iter().filter_map(Fields::of) {
        let mut fact = fact;
        let name = fact.text(&["title"]).map(|title| title.trim_end_matches(':').trim().to_owned());
        if let (Some(name), Some(value)) = (name, fact.text(&["value"])) {
            doubled |= lenient::insert(&mut map, name, Value::String(value));
        }
    }
    Parsed::part(Value::Object(map), doubled)
}

fn told(texts: Vec<String>) -> Draft {
    let title = texts.first().cloned().unwrap_or_default();
    let message = texts.get(1..).filter(|rest| !rest.is_empty()).map(|rest| rest.join("\n"));
    Draft { kind: "card".to_owned(), title, message, ..Draft::default() }
}

fn plain(fields: Fields) -> Draft {
    let mut draft = Draft {
        kind: "card".to_owned(),
        title: "A card whose facts are not known".to_owned(),
        is_unrecognized: true,
        unmapped: fields.rest(),
        ..Draft::default()
    };
    own_words::speak_for(&mut draft);
    draft
}
