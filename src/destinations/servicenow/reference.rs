//! What is kept of a ticket: its number, its id, and notes about what gatepost has set.

use serde_json::{Value, json};

use super::is_name;
use crate::destinations::render::truncate;
use crate::domain::{Outcome, Reference, Telling};

/// The id of the ticket, which becomes part of an address. `None` for anything that could be more than that.
pub fn ticket_of<'a>(telling: &Telling<'a>) -> Option<&'a str> {
    let reference = telling.told.reference.as_ref()?;
    reference.data.get("id").and_then(Value::as_str).filter(|id| is_id(id))
}

/// The number that people know, where it can be said to people.
pub fn number_of<'a>(telling: &Telling<'a>) -> Option<&'a str> {
    let name = telling.told.reference.as_ref().map(|reference| reference.name.as_str())?;
    is_name(&name.to_ascii_lowercase()).then_some(name)
}

/// What the store keeps of a ticket as ServiceNow shows it.
pub fn of(record: &Value) -> Option<Reference> {
    let id = record["sys_id"].as_str().filter(|id| is_id(id))?;
    let name = record["number"].as_str().filter(|number| !number.is_empty()).unwrap_or(id);
    Some(Reference { name: truncate::chars(name, 80).into_owned(), data: json!({ "id": id }) })
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

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// In the data of a reference: impact and urgency as gatepost has set them last, `2/1`.
pub const PRIORITY: &str = "priority";
/// In the data of a reference: what was left as it is, and why.
pub const LEFT: &str = "left";
