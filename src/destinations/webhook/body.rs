//! The body of a request in the operator's own shape: a template over the event, which must come out as JSON.
//!
//! Texts of attackers are values and are never read as a template. `{{ … | json }}` writes a value as JSON; what comes out and is
//! no JSON all the same is never sent.

use std::panic::{AssertUnwindSafe, catch_unwind};

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value};
use serde::de::IgnoredAny;
use serde_json::{Value as Json, json};

use super::super::templates::engine::{self, Vocabulary};
use super::super::templates::error::TemplateError;
use crate::domain::Event;
use crate::settings::Section;

/// A compiled template of a body.
#[derive(Debug)]
pub(super) struct BodyTemplate(Environment<'static>);

impl BodyTemplate {
    /// Reads `body`: `Some(None)` where it is not set, `None` where it is at fault.
    pub(super) fn setting(section: &Section) -> Option<Option<Self>> {
        if !section.has("body") {
            return Some(None);
        }
        for key in ["format", "batch"] {
            if section.has(key) {
                let message =
                    format!("has no effect beside `{key}`: it is the body of one event, in a shape of its own");
                section.fault("body", &message, &format!("keep `body` or `{key}`"));
                return None;
            }
        }
        let given = section.text_or_file("body")?;
        let place = given.file.map(|file| format!("{file} ")).unwrap_or_default();
        match Self::compile(given.text) {
            Ok(template) => Some(Some(template)),
            Err(TemplateError { line, message, remedy }) => {
                section.fault("body", &format!("{place}line {line} {message}"), &remedy);
                None
            }
        }
    }

    /// Compiles a template and tries it with samples.
    fn compile(source: String) -> Result<Self, TemplateError> {
        let mut engine = engine::environment();
        // What an event does not hold is null: a body keeps its shape.
        engine.set_undefined_behavior(UndefinedBehavior::Chainable);
        engine.add_filter("json", |value: Value| serde_json::to_string(&value).unwrap_or_else(|_| "null".to_owned()));
        engine::parse(&mut engine, NAME, source, &Vocabulary { is_known, more_filters: &["json"] })?;
        let template = Self(engine);
        for event in serde_json::from_str::<Vec<Event>>(SAMPLES).unwrap_or_default() {
            template.render(&event)?;
        }
        Ok(template)
    }

    /// The body of an event.
    pub(super) fn render(&self, event: &Event) -> Result<Vec<u8>, TemplateError> {
        let context = Value::from(Serde(json!({ "event": event })));
        let rendered = catch_unwind(AssertUnwindSafe(|| engine::render(&self.0, NAME, &context, BYTES_MAX)));
        let body = rendered.unwrap_or_else(|_| Err(TemplateError::panicked()))?;
        match serde_json::from_str::<IgnoredAny>(&body) {
            Ok(_) => Ok(body.into_bytes()),
            Err(error) => Err(TemplateError {
                line: error.line(),
                message: format!("makes no JSON: {error}"),
                remedy: "write values as {{ event.title | json }}".to_owned(),
            }),
        }
    }
}

/// Whether an event can hold it: `event.actor.ip`. By the published schema.
fn is_known(name: &str) -> bool {
    let Ok(schema) = serde_json::from_str::<Json>(EVENT_SCHEMA) else { return true };
    let mut parts = name.split('.');
    if parts.next() != Some("event") {
        return false;
    }
    let mut at = &schema;
    for part in parts {
        let Some(properties) = at.get("properties").and_then(Json::as_object) else { return true };
        let Some(next) = properties.get(part) else { return false };
        at = next;
    }
    true
}

/// Events that a template is tried with: one with every field, one with the fewest, one that an attacker wrote.
const SAMPLES: &str = include_str!("samples.json");
const EVENT_SCHEMA: &str = include_str!("../../../schemas/event.v1.schema.json");
const NAME: &str = "body";
/// What comes out beyond this is no JSON any more, and is refused.
const BYTES_MAX: usize = 1 << 20;
