//! What a JSON document may hold: closed objects with checked fields.
//!
//! The stand-ins state their rules as tables of [`Field`]s. A key that no table names is a fault, because a misspelt
//! one must not pass unnoticed.

use serde_json::{Map, Value};

/// One field of an object.
pub(super) struct Field {
    pub(super) name: &'static str,
    need: Need,
    check: Check,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Must,
    May,
}

impl Field {
    pub(super) fn is_required(&self) -> bool {
        self.need == Need::Must
    }
}

/// Says what is wrong with a value.
pub(super) type Check = fn(&Value) -> Result<(), Fault>;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// A JSON pointer; empty for the value itself.
    pub(super) at: String,
    pub(super) why: String,
}

impl Fault {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { at: String::new(), why: why.into() }
    }

    /// The same fault, seen from the object or array that holds the value.
    pub(super) fn under(self, step: impl std::fmt::Display) -> Self {
        Self { at: format!("/{step}{}", self.at), why: self.why }
    }
}

/// A field that must be there.
pub(super) const fn must(name: &'static str, check: Check) -> Field {
    Field { name, need: Need::Must, check }
}

/// A field that may be there.
pub(super) const fn may(name: &'static str, check: Check) -> Field {
    Field { name, need: Need::May, check }
}

/// All faults of an object with these fields and no other.
pub(super) fn faults(value: &Value, fields: &[Field]) -> Vec<Fault> {
    let Some(object) = value.as_object() else { return vec![Fault::new("must be an object")] };
    let known = fields.iter().filter_map(|field| fault_of(object, field));
    let is_known = |key: &str| fields.iter().any(|field| field.name == key);
    let unknown = object.keys().filter(|key| !is_known(key)).map(|key| Fault::new("is not known").under(key));
    known.chain(unknown).collect()
}

/// Refuses an object with its first fault.
pub(super) fn object(value: &Value, fields: &[Field]) -> Result<(), Fault> {
    faults(value, fields).into_iter().next().map_or(Ok(()), Err)
}

/// Refuses anything but an array of `min` to `max` elements that each pass.
pub(super) fn list(value: &Value, min: usize, max: usize, each: Check) -> Result<(), Fault> {
    let Some(elements) = value.as_array() else { return Err(Fault::new("must be an array")) };
    if !(min..=max).contains(&elements.len()) {
        return Err(Fault::new(format!("must have {min} to {max} elements, has {}", elements.len())));
    }
    for (index, element) in elements.iter().enumerate() {
        each(element).map_err(|fault| fault.under(index))?;
    }
    Ok(())
}

/// Refuses anything but a string of `min` to `max` characters.
pub(super) fn text(value: &Value, min: usize, max: usize) -> Result<(), Fault> {
    let Some(text) = value.as_str() else { return Err(Fault::new("must be a string")) };
    let length = text.chars().count();
    if (min..=max).contains(&length) {
        return Ok(());
    }
    Err(Fault::new(format!("must have {min} to {max} characters, has {length}")))
}

/// Refuses anything but one of these words.
pub(super) fn one_of(value: &Value, words: &[&str]) -> Result<(), Fault> {
    match value.as_str() {
        Some(word) if words.contains(&word) => Ok(()),
        _ => Err(Fault::new(format!("must be one of {}", words.join(", ")))),
    }
}

/// Refuses anything but a string.
pub(super) fn any_text(value: &Value) -> Result<(), Fault> {
    text(value, 0, usize::MAX)
}

/// Refuses anything but true or false.
pub(super) fn boolean(value: &Value) -> Result<(), Fault> {
    if value.is_boolean() { Ok(()) } else { Err(Fault::new("must be true or false")) }
}

/// Refuses anything but a number.
pub(super) fn number(value: &Value) -> Result<(), Fault> {
    if value.is_number() { Ok(()) } else { Err(Fault::new("must be a number")) }
}

/// Refuses anything but an object.
pub(super) fn any_object(value: &Value) -> Result<(), Fault> {
    if value.is_object() { Ok(()) } else { Err(Fault::new("must be an object")) }
}

/// Refuses anything but an absolute URL.
pub(super) fn url(value: &Value) -> Result<(), Fault> {
    match value.as_str().map(url::Url::parse) {
        Some(Ok(_)) => Ok(()),
        _ => Err(Fault::new("must be a URL")),
    }
}

/// The string under `key`; empty where there is none.
pub(super) fn text_of<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The elements under `key`; none where there is no array.
pub(super) fn elements_of<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn fault_of(object: &Map<String, Value>, field: &Field) -> Option<Fault> {
    let fault = match object.get(field.name) {
        Some(value) => (field.check)(value).err()?,
        None if field.need == Need::Must => Fault::new("is missing"),
        None => return None,
    };
    Some(fault.under(field.name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PERSON: &[Field] =
        &[must("name", |value| text(value, 1, 3)), may("tags", |value| list(value, 0, 2, any_text))];

    fn first(value: Value) -> String {
        object(&value, PERSON).err().map(|fault| format!("{} {}", fault.at, fault.why)).unwrap_or_default()
    }

    #[test]
    fn faults_name_their_place() {
        assert_eq!(first(json!({"name": "ab", "tags": ["x"]})), "");
        assert_eq!(first(json!([])), " must be an object");
        assert_eq!(first(json!({})), "/name is missing");
        assert_eq!(first(json!({"name": "éééé"})), "/name must have 1 to 3 characters, has 4");
        assert_eq!(first(json!({"name": "a", "tags": ["x", 1]})), "/tags/1 must be a string");
        assert_eq!(first(json!({"name": "a", "tags": ["x", "y", "z"]})), "/tags must have 0 to 2 elements, has 3");
        assert_eq!(first(json!({"name": "a", "tag": []})), "/tag is not known");
        assert_eq!(faults(&json!({"x": 1}), PERSON).len(), 2);
    }
}
