//! Many records in one body: one that cannot be read never costs the others.

use std::collections::HashSet;

use serde_json::Value;

use super::scanner::Scanner;
use super::{Fields, cut, decoded, without_bom};
use crate::domain::Draft;
use crate::vendors::Reading;

/// A record, or the text where one should have been.
pub type Record = Result<Value, String>;

/// One draft a record. A record that is no object, or that `read` hands back, becomes a draft of type `unparsed`. A record
/// whose key came before in the same body is left out. From [`RECORDS_MAX`] on, one draft says how many more there were.
pub fn drafts(
    records: impl IntoIterator<Item = Record>,
    mut read: impl FnMut(Fields) -> Result<Draft, Fields>,
) -> Vec<Draft> {
    let mut records = records.into_iter();
    let mut seen = HashSet::new();
    let mut drafts = Vec::new();
    for record in records.by_ref().take(RECORDS_MAX) {
        let draft = match record {
            Ok(Value::Object(map)) => read(Fields::new(map)).unwrap_or_else(|fields| unreadable(&excerpt_of(fields))),
            Ok(other) => unreadable(&cut(&other.to_string(), EXCERPT_BYTES_MAX)),
            Err(text) => unreadable(&text),
        };
        if draft.key.is_empty() || seen.insert(draft.key.clone()) {
            drafts.push(draft);
        }
    }
    let more = records.count();
    if more > 0 {
        drafts.push(beyond_limit(more));
    }
    drafts
}

/// The values of a list as records.
pub fn each(values: Vec<Value>) -> impl Iterator<Item = Record> {
    values.into_iter().map(Ok)
}

/// The records of a body that is a list and cannot be read as a whole. After a record that cannot be read, the next is
/// looked for where an object follows a comma; a bracket that seems to close the list ends nothing while more follows.
/// `None` where the body is no list or no record in it can be read.
pub fn torn(body: &[u8]) -> Option<Vec<Record>> {
    let (text, _) = decoded(without_bom(body));
    let mut scanner = Scanner::new(&text);
    if !scanner.pass(b'[') {
        return None;
    }
    let mut records = Vec::new();
    loop {
        while scanner.pass(b',') || scanner.pass(b']') {}
        let mut start = scanner.at();
        if start == text.len() {
            break;
        }
        if let Ok(value) = scanner.value() {
            let clean = ends_cleanly(&text[scanner.at()..]);
            if clean || value.is_object() {
                records.push(Ok(value));
                start = scanner.at();
            }
            if clean {
                continue;
            }
        }
        let end = next_object(&text, start.max(scanner.token())).unwrap_or(text.len());
        records.push(Err(match records.len() {
            count if count < RECORDS_MAX => cut(&text[start..end], EXCERPT_BYTES_MAX),
            _ => String::new(),
        }));
        scanner.resume(end);
    }
    records.iter().any(|record| matches!(record, Ok(Value::Object(_)))).then_some(records)
}

/// Whether what follows a record is what may follow one.
fn ends_cleanly(rest: &str) -> bool {
    let next = rest.bytes().find(|byte| !byte.is_ascii_whitespace() && *byte != 0);
    matches!(next, None | Some(b',' | b']'))
}

/// Where an object follows a comma.
fn next_object(text: &str, from: usize) -> Option<usize> {
    let mut after_comma = false;
    for (at, byte) in text.bytes().enumerate().skip(from) {
        match byte {
            b'{' if after_comma => return Some(at),
            b',' => after_comma = true,
            byte if byte.is_ascii_whitespace() => {}
            _ => after_comma = false,
        }
    }
    None
}

fn unreadable(excerpt: &str) -> Draft {
    let reading = Reading::unparsed(excerpt.as_bytes(), "one of its records is not like the others");
    let draft = reading.drafts.into_iter().next().unwrap_or_default();
    Draft { title: "A record that could not be read".to_owned(), ..draft }
}

fn beyond_limit(more: usize) -> Draft {
    Draft {
        kind: "unparsed".to_owned(),
        title: format!("{more} more records in one message"),
        message: Some(format!(
            "A message may hold {RECORDS_MAX} records; those beyond are only in the stored request."
        )),
        ..Draft::default()
    }
}

/// The record as text, short: enough to find it in the stored body.
fn excerpt_of(fields: Fields) -> String {
    let mut excerpt = String::new();
    for (name, value) in fields.rest().iter().take(EXCERPT_FIELDS_MAX) {
        let value = match value {
            Value::String(text) => cut(text, EXCERPT_VALUE_BYTES_MAX),
            Value::Array(_) | Value::Object(_) => "…".to_owned(),
            plain => plain.to_string(),
        };
        excerpt.push_str(&format!("{}: {value}\n", cut(name, EXCERPT_VALUE_BYTES_MAX)));
    }
    excerpt
}

/// Twice what any vendor is known to send in one body.
pub const RECORDS_MAX: usize = 10_000;
const EXCERPT_BYTES_MAX: usize = 2048;
const EXCERPT_FIELDS_MAX: usize = 16;
const EXCERPT_VALUE_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(mut fields: Fields) -> Result<Draft, Fields> {
        let Some(id) = fields.text(&["id"]) else { return Err(fields) };
        Ok(Draft { key: vec![id.clone()], kind: "t".to_owned(), title: id, ..Draft::default() })
    }

    fn titles(drafts: &[Draft]) -> Vec<&str> {
        drafts.iter().map(|draft| draft.title.as_str()).collect()
    }

    #[test]
    fn one_bad_record_does_not_cost_the_others() {
        let values = vec![json!({"id": "a"}), json!(5), json!({"no": 1}), json!({"id": "a"}), json!({"id": "b"})];
        let drafts = drafts(each(values), read);
        let bad = "A record that could not be read";
        assert_eq!(titles(&drafts), ["a", bad, bad, "b"]);
        assert_eq!(drafts[2].evidence.as_deref(), Some("no: 1\n"));
        assert_eq!(drafts[1].kind, "unparsed");
    }

    #[test]
    fn a_torn_list_keeps_what_can_be_read() {
        let body = br#"[{"id":"a"}, {"id":"b","url":"/q="><script>"}, {"id":"c"},{"id":"d","x":"},{"id":"e"},{"id":"f"#;
        let records = torn(body).unwrap();
        let ids: Vec<_> = records.iter().filter_map(|r| r.as_ref().ok()).map(|v| v["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["a", "c", "e"]);
        assert_eq!(records.iter().filter(|record| record.is_err()).count(), 3);
        let closed_early = br#"[{"id":"a","url":"x"}]","method":"GET"},{"id":"b"}]"#;
        assert_eq!(torn(closed_early).unwrap().iter().filter(|record| record.is_ok()).count(), 2);
        for hopeless in [&b"{}"[..], b"[", b"[[[[", b"[x y", b"[1,2", b"", b"[\"},{\""] {
            assert!(torn(hopeless).is_none(), "{}", String::from_utf8_lossy(hopeless));
        }
    }

    #[test]
    fn tearing_stays_linear() {
        for piece in ["{\"},", "},{\"", "{x},", "{\"a\":{\"a\":", "},{ ", "[{\"a\":1}x,", "},", "\","] {
            let body = format!("[{}", piece.repeat(1_000_000 / piece.len()));
            let started = std::time::Instant::now();
            drop(torn(body.as_bytes()));
            assert!(started.elapsed().as_secs() < 3, "{piece}: {:?}", started.elapsed());
        }
    }

    #[test]
    fn more_than_the_limit_is_counted() {
        let values = (0..RECORDS_MAX + 7).map(|n| Ok(json!({"id": n})));
        let drafts = drafts(values, read);
        assert_eq!(drafts.len(), RECORDS_MAX + 1);
        assert_eq!(drafts.last().unwrap().title, "7 more records in one message");
    }
}
