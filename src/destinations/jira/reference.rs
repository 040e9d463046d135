//! What is kept of a ticket: its key, its id, and notes about what gatepost has set.

use serde_json::{Value, json};

use super::is_number;
use crate::domain::{Outcome, Reference, Telling};

/// The name of the ticket in the address of a request: its id, else its key. `None` for anything that could be more than that.
pub fn issue_of<'a>(telling: &Telling<'a>) -> Option<&'a str> {
    let reference = telling.told.reference.as_ref()?;
    let id = reference.data.get("id").and_then(Value::as_str).filter(|id| is_number(id));
    id.or_else(|| Some(reference.name.as_str()).filter(|key| is_key(key) || is_number(key)))
}

pub fn nothing_there() -> Outcome {
    Outcome::Gone { reason: "it is not known which ticket is that of the incident".to_owned() }
}

/// That it is done, with a note beside the reference; `None` takes the note away.
pub fn delivered(telling: &Telling<'_>, name: &str, note: Option<&str>) -> Outcome {
    Outcome::Delivered { remote: telling.told.reference.as_ref().map(|reference| noted(reference, name, note)) }
}

/// The reference with a note beside it; `None` takes the note away.
pub fn noted(reference: &Reference, name: &str, note: Option<&str>) -> Reference {
    let mut data = reference.data.as_object().cloned().unwrap_or_default();
    match note {
        Some(note) => data.insert(name.to_owned(), json!(note)),
        None => data.remove(name),
    };
    Reference { name: reference.name.clone(), data: Value::Object(data) }
}

/// `SEC-123`
pub fn is_key(text: &str) -> bool {
    let Some((project, number)) = text.rsplit_once('-') else { return false };
    let is_project = project.starts_with(|c: char| c.is_ascii_alphabetic())
        && project.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_project && is_number(number) && text.len() <= 255
}

/// In the data of a reference: the name of the priority that gatepost has set last.
pub const PRIORITY: &str = "priority";
/// In the data of a reference: what was left as it is, and why.
pub const LEFT: &str = "left";
