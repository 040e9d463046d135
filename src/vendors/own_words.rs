//! The values of a body that no field of the event holds, as lines of `name: value`.
//!
//! An event in which nothing was recognized still happened, and its reader needs to see what it says. The lines are
//! neither redacted nor escaped: like every excerpt they are redacted and escaped when they are shown. Texts are in
//! quotes and names at the beginning of a line, so that redaction knows where a credential begins and ends.

use serde_json::{Map, Value};

use super::lenient::truncated;
use crate::domain::Draft;

/// Fills an event without a text of its own from the values that no field holds: the most informative line goes into
/// the title, all of it becomes the excerpt.
pub fn speak_for(draft: &mut Draft) {
    let Some(lines) = lines(&draft.unmapped) else { return };
    let title = if draft.title.is_empty() { &draft.kind } else { &draft.title };
    let values = lines.lines().map(str::trim_start).filter(|line| !line.ends_with(':'));
    let most_telling = values.min_by_key(|line| telling(line.split(':').next().unwrap_or_default()));
    draft.title = format!("{title} · {}", most_telling.unwrap_or(&lines));
    show(draft, lines);
}

/// Shows what no field holds as the excerpt, if there is none.
pub fn show_rest(draft: &mut Draft) {
    if let Some(lines) = lines(&draft.unmapped) {
        show(draft, lines);
    }
}

fn show(draft: &mut Draft, lines: String) {
    draft.evidence.get_or_insert(lines);
    if draft.is_unrecognized {
        draft.message.get_or_insert_with(|| UNRECOGNIZED.to_owned());
    }
}

/// The fields as lines, the telling ones first; `None` where there are none.
fn lines(fields: &Map<String, Value>) -> Option<String> {
    let mut out = String::new();
    write_fields(fields, 0, &mut out);
    let text = out.trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}

fn write_fields(fields: &Map<String, Value>, depth: usize, out: &mut String) {
    let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
    sorted.sort_by_key(|(name, value)| (telling(name), matches!(value, Value::Array(_) | Value::Object(_))));
    for (name, value) in sorted {
        write_one(name, value, depth, out);
        if out.len() > LINES_BYTES_MAX {
            return;
        }
    }
}

fn write_one(name: &str, value: &Value, depth: usize, out: &mut String) {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '#' | ' ' | '/' | '@');
    let name = truncated(name, NAME_BYTES_MAX);
    let name = if !name.is_empty() && name.chars().all(is_plain) { name } else { Value::from(name).to_string() };
    out.push_str(&"  ".repeat(depth));
    out.push_str(&name);
    out.push(':');
    match value {
        Value::Object(fields) if !fields.is_empty() && depth < DEPTH_MAX => {
            out.push('\n');
            write_fields(fields, depth + 1, out);
            return;
        }
        Value::Array(items) if items.iter().any(Value::is_object) && depth < DEPTH_MAX => {
            out.push('\n');
            for (place, item) in items.iter().take(ITEMS_MAX).enumerate() {
                write_one(&(place + 1).to_string(), item, depth + 1, out);
            }
            return;
        }
        Value::String(text) => {
            out.push(' ');
            out.push_str(&Value::from(truncated(text, VALUE_BYTES_MAX)).to_string());
        }
        other => {
            out.push(' ');
            out.push_str(&truncated(&other.to_string(), VALUE_BYTES_MAX));
        }
    }
    out.push('\n');
}

/// The place of a name among those that say what happened; the others come after all of them.
fn telling(name: &str) -> usize {
    let name = name.to_ascii_lowercase();
    TELLING.iter().position(|word| name.contains(word)).unwrap_or(TELLING.len())
}

/// Parts of names, most telling first.
const TELLING: &[&str] =
    &["title", "summary", "subject", "message", "description", "reason", "detail", "text", "name", "rule", "alert"];
const UNRECOGNIZED: &str =
    "No field that this source knows is in the message. Its first lines are below, as they came.";
/// As much as an event keeps of an excerpt.
const LINES_BYTES_MAX: usize = 4096;
const NAME_BYTES_MAX: usize = 128;
const VALUE_BYTES_MAX: usize = 512;
const DEPTH_MAX: usize = 6;
const ITEMS_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines_of(value: Value) -> Option<String> {
        lines(value.as_object().unwrap())
    }

    #[test]
    fn names_and_values_stand_in_lines_and_the_telling_ones_come_first() {
        let body = json!({
            "b": [1, "x"], "a": {"host name": "h", "n": null}, "ok": true, "rule": {"title": "Brute\nforce"},
            "odd: \"key\"": 7, "list": [{"ip": "192.0.2.1"}, 5], "empty": {},
        });
        let wanted = "rule:\n  title: \"Brute\\nforce\"\n\"odd: \\\"key\\\"\": 7\nok: true\na:\n  host name: \"h\"\n  n: null\n\
                      b: [1,\"x\"]\nempty: {}\nlist:\n  1:\n    ip: \"192.0.2.1\"\n  2: 5";
        assert_eq!(lines_of(body).as_deref(), Some(wanted));
        assert_eq!(lines_of(json!({})), None);
    }

    #[test]
    fn no_body_makes_it_long() {
        let wide: Map<String, Value> = (0..10_000).map(|n| (n.to_string(), json!("é".repeat(5000)))).collect();
        assert!(lines(&wide).unwrap().len() < LINES_BYTES_MAX + 2 * VALUE_BYTES_MAX);
        let deep = (0..100).fold(json!(1), |inner, _| json!({ "a": [inner] }));
        assert!(lines_of(deep).unwrap().len() < LINES_BYTES_MAX);
        let branching = (0..DEPTH_MAX + 2)
            .fold(json!("x"), |inner, _| Value::Object((0..6).map(|n| (format!("k{n}"), inner.clone())).collect()));
        assert!(lines_of(branching).unwrap().len() < 2 * LINES_BYTES_MAX);
    }

    #[test]
    fn credentials_in_it_are_redacted_wherever_they_stand() {
        use crate::destinations::render::redact;
        let body = json!({
            "password": "two words", "headers": {"Authorization": "Bearer abcdefgh1", "cookie": "a=b; c=d"},
            "list": [{"api_key": "k 1"}], "note": "fine",
        });
        let mut draft =
            Draft { kind: "alert".to_owned(), unmapped: body.as_object().unwrap().clone(), ..Draft::default() };
        speak_for(&mut draft);
        let shown = redact::text(&draft.evidence.unwrap());
        for secret in ["two", "words", "abcdefgh1", "a=b", "c=d", "k 1"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("note: \"fine\"") && shown.contains("password: \"[redacted]\""), "{shown}");
    }
}
