//! The recorded request in an Akto record: JSON in a text, of which people need the request and the status.

use serde_json::Value;

use crate::vendors::lenient::{self, Fields, truncated};

/// What was recorded.
#[derive(Debug, Default, PartialEq)]
pub struct Recorded {
    /// The excerpt to show, a little longer than an event keeps, so that the cut is marked there.
    pub evidence: Option<String>,
    /// The method of the request.
    pub method: Option<String>,
    /// The path of the request.
    pub path: Option<String>,
    /// The `Host` of the request.
    pub host: Option<String>,
}

/// Reads a recorded request: JSON as text or as object, else whatever text it is (older ones are protobuf's text form).
pub fn recorded(value: Value) -> Recorded {
    match value {
        Value::String(text) if text.len() > PARSE_BYTES_MAX => unread(&text),
        Value::String(text) => match lenient::parse(text.as_bytes()).map(|parsed| Fields::of(parsed.value)) {
            Ok(Some(fields)) => read(fields).unwrap_or_else(|| unread(&text)),
            _ => unread(&text),
        },
        Value::Object(map) => read(Fields::new(map)).unwrap_or_default(),
        _ => Recorded::default(),
    }
}

fn unread(text: &str) -> Recorded {
    let said = !matches!(text.trim(), "" | "{}" | "null" | "[]");
    Recorded { evidence: said.then(|| truncated(text, EVIDENCE_BYTES_MAX)), ..Recorded::default() }
}

/// The request as it stands on the wire, then the status of the answer. `None` where nothing of it is there.
fn read(mut fields: Fields) -> Option<Recorded> {
    let method = fields.text(&["method"]);
    let path = fields.text(&["path"]);
    let version = fields.text(&["type"]).filter(|version| version.starts_with("HTTP/"));
    let mut headers = headers(fields.value("requestHeaders"));
    let payload = fields.long_text(&["requestPayload"]).or_else(|| fields.value("requestPayload").and_then(as_json));
    let status = fields.text(&["status"]).or_else(|| fields.text(&["statusCode"]));
    let host = headers.get("host").and_then(Value::as_str).map(str::to_owned);

    let first: Vec<&str> = [&method, &path, &version].into_iter().flatten().map(String::as_str).collect();
    let mut evidence = first.join(" ");
    for (name, value) in std::mem::take(&mut headers) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        evidence.push_str(&format!("\n{name}: {value}"));
    }
    if let Some(payload) = payload.filter(|payload| !matches!(payload.trim(), "" | "{}")) {
        evidence.push_str("\n\n");
        evidence.push_str(&truncated(&payload, EVIDENCE_BYTES_MAX));
    }
    let evidence = evidence.trim();
    if evidence.is_empty() {
        return None;
    }
    let evidence = truncated(evidence, EVIDENCE_BYTES_MAX - STATUS_BYTES_MAX);
    let answer = status.map(|status| format!("\n\n→ {}", truncated(&status, STATUS_BYTES_MAX))).unwrap_or_default();
    Some(Recorded { evidence: Some(evidence + &answer), method, path, host })
}

/// Headers are JSON in a text inside JSON in a text.
fn headers(value: Option<Value>) -> serde_json::Map<String, Value> {
    let parsed = match value {
        Some(Value::String(text)) => lenient::parse(text.as_bytes()).map(|parsed| parsed.value).ok(),
        other => other,
    };
    match parsed {
        Some(Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    }
}

fn as_json(value: Value) -> Option<String> {
    (!value.is_null()).then(|| value.to_string())
}

/// Longer recordings are shown as they are: parsing one must not cost more than it is useful.
const PARSE_BYTES_MAX: usize = 256 << 10;
/// A little more than an event keeps.
const EVIDENCE_BYTES_MAX: usize = 4100;
const STATUS_BYTES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_shown_as_it_went_over_the_wire() {
        let text = r#"{"method":"POST","path":"/login","type":"HTTP/1.1","requestHeaders":"{\"host\":\"shop.example.com\"}",
            "requestPayload":"user=a","responsePayload":"secret","statusCode":200,"status":"200 OK"}"#;
        let recorded = recorded(json!(text));
        let wanted = "POST /login HTTP/1.1\nhost: shop.example.com\n\nuser=a\n\n→ 200 OK";
        assert_eq!(recorded.evidence.as_deref(), Some(wanted));
        assert_eq!(recorded.host.as_deref(), Some("shop.example.com"));
    }

    #[test]
    fn what_is_no_request_is_shown_as_it_is_and_nothing_as_nothing() {
        let text = "method: \"GET\"\nip: \"1.2.3.4\"";
        assert_eq!(recorded(json!(text)).evidence.as_deref(), Some(text));
        for empty in [json!("{}"), json!(""), json!(null), json!({}), json!(7), json!("  null ")] {
            assert_eq!(recorded(empty.clone()), Recorded::default(), "{empty}");
        }
        let unknown = r#"{"something":"else"}"#;
        assert_eq!(recorded(json!(unknown)).evidence.as_deref(), Some(unknown));
    }

    #[test]
    fn long_recordings_are_cut() {
        for text in ["x".repeat(300_000), format!(r#"{{"method":"GET","requestPayload":"{}"}}"#, "é".repeat(50_000))] {
            let evidence = recorded(json!(text)).evidence.unwrap();
            assert!((3900..=4300).contains(&evidence.len()), "{}", evidence.len());
        }
    }
}
