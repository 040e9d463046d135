//! A JSON document that fits into a message: texts are cut, and where that is not enough fields are left out.
//!
//! What was cut ends with `…`, and the document says which of its fields are no longer whole. It stays valid JSON and
//! valid by its schema.

use serde_json::{Value, json};

use super::width::{cut, widest};

/// A document and how it is made shorter.
pub(super) struct Document {
    pub document: Value,
    pub plan: &'static Plan,
}

/// How a kind of document is made shorter.
#[derive(Debug)]
pub(super) struct Plan {
    /// What is left out where cutting texts is not enough, as JSON pointers, the first first.
    left_out: &'static [&'static str],
    /// Puts the names of the fields that are not whole into the document.
    mark: fn(&mut Value, &[&str]),
}

/// An event as it is stored.
pub(super) const EVENT: Plan = Plan {
    left_out: &[
        "/unmapped",
        "/labels",
        "/links",
        "/evidence",
        "/remediation",
        "/impact",
        "/message",
        "/group",
        "/status",
        "/correlation",
        "/target",
        "/actor",
        "/rule",
        "/vendor_id",
    ],
    mark: |document, names| {
        if !document["labels"].is_object() {
            document["labels"] = json!({});
        }
        document["labels"]["truncated"] = json!(names.join(", "));
    },
};

/// An OCSF document: what is left out is recommended or optional for the class.
pub(super) const OCSF: Plan = Plan {
    left_out: &[
        "/unmapped",
        "/metadata/tags",
        "/observables",
        "/evidences",
        "/resources",
        "/remediation",
        "/risk_details",
        "/message",
        "/finding_info/src_url",
        "/finding_info/uid_alt",
        "/finding_info/types",
        "/finding_info/analytic",
        "/metadata/original_event_uid",
        "/metadata/event_code",
        "/activity_name",
        "/category_name",
        "/class_name",
        "/type_name",
    ],
    mark: |document, names| {
        for pointer in ["/unmapped", "/unmapped/gatepost"] {
            if !document.pointer(pointer).is_some_and(Value::is_object) {
                let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
                if let Some(parent) = document.pointer_mut(parent) {
                    parent[name] = json!({});
                }
            }
        }
        document["unmapped"]["gatepost"]["truncated"] = json!(names);
    },
};

/// The document as one line of at most `max` bytes, and whether anything of it was cut; `None` where it cannot be made
/// short enough.
pub(super) fn fit(document: Document, max: usize) -> Option<(String, bool)> {
    let Document { document: whole, plan } = document;
    let text = line(&whole);
    if text.len() <= max {
        return Some((text, false));
    }
    // No text is longer than the message: what is tried below costs little then.
    let mut shorter = whole.clone();
    cut_texts(&mut shorter, max);
    let left_out = plan.left_out.iter().map(Some);
    // Better all of a few texts than the beginnings of many, until nothing is left to leave out.
    let least = std::iter::once(None).chain(left_out).map(|pointer| (pointer, max / TEXTS_MIN));
    for (pointer, least) in least.chain([(None, 0)]) {
        if let Some(pointer) = pointer {
            remove(&mut shorter, pointer);
        }
        let made = |width: usize| {
            let mut made = shorter.clone();
            cut_texts(&mut made, width);
            let names = differing(&whole, &made);
            (plan.mark)(&mut made, &names);
            line(&made)
        };
        if let Some(text) = widest(least.max(WIDTH_MIN), max, made) {
            return Some((text, true));
        }
    }
    None
}

/// The document without line breaks and other control characters: JSON escapes only those of ASCII.
fn line(document: &Value) -> String {
    let text = document.to_string();
    if !text.chars().any(is_escaped) {
        return text;
    }
    let escape = |c: char| if is_escaped(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    text.chars().map(escape).collect()
}

fn is_escaped(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// How many bytes a character takes within a JSON text.
fn size(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if is_escaped(c) => 6,
        c => c.len_utf8(),
    }
}

fn cut_texts(value: &mut Value, max: usize) {
    match value {
        Value::String(text) => {
            if let Some(shorter) = cut(text, max, size) {
                *text = shorter;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| cut_texts(item, max)),
        Value::Object(fields) => fields.values_mut().for_each(|value| cut_texts(value, max)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn remove(document: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    if let Some(parent) = document.pointer_mut(parent).and_then(Value::as_object_mut) {
        parent.remove(name);
    }
}

/// The names of the fields that are not in both documents alike.
fn differing<'d>(whole: &'d Value, made: &Value) -> Vec<&'d str> {
    let fields = whole.as_object().into_iter().flatten();
    fields.filter(|(name, value)| made.get(name.as_str()) != Some(*value)).map(|(name, _)| name.as_str()).collect()
}

/// Ids and times are shorter, so that they are never cut.
const WIDTH_MIN: usize = 64;
/// A field is left out before the texts that remain are cut to less than this part of the message.
const TEXTS_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(document: &Value, max: usize) -> (Value, bool) {
        let (text, is_cut) = fit(Document { document: document.clone(), plan: &EVENT }, max).unwrap();
        assert!(text.len() <= max, "{} of {max}", text.len());
        (serde_json::from_str(&text).unwrap(), is_cut)
    }

    #[test]
    fn what_fits_is_left_alone() {
        let document = json!({ "title": "a\u{85}\u{7f}\u{2028}\n", "labels": { "a": "b" } });
        assert_eq!(fitted(&document, 200), (document.clone(), false));
        assert_eq!(line(&json!("a\u{85}\u{7f}\u{2028}\n")), r#""a\u0085\u007f\u2028\n""#);
    }

    #[test]
    fn the_longest_texts_are_cut_and_named() {
        let document = json!({ "title": "short", "message": "é\n".repeat(3000), "evidence": "x".repeat(900) });
        let (made, is_cut) = fitted(&document, 2000);
        assert!(is_cut);
        assert_eq!((made["title"].as_str(), &made["evidence"]), (Some("short"), &document["evidence"]));
        let message = made["message"].as_str().unwrap();
        assert!(
            message.ends_with('…') && document["message"].as_str().unwrap().starts_with(message.trim_end_matches('…'))
        );
        assert_eq!(made["labels"], json!({ "truncated": "message" }));
        assert!(line(&made).len() > 1990, "no more is cut than must be");
    }

    #[test]
    fn what_cannot_be_cut_is_left_out() {
        let numbers: Vec<u32> = (0..2000).collect();
        let document = json!({ "title": "short", "message": "m".repeat(300), "unmapped": { "numbers": numbers } });
        let (made, _) = fitted(&document, 1000);
        assert_eq!(
            made,
            json!({ "title": "short", "message": "m".repeat(300), "labels": { "truncated": "unmapped" } })
        );
    }
}
