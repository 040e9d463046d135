//! Reading what vendors send with patience: JSON that is almost JSON, fields that are almost what was documented.
//!
//! The normalizers of this room call it. An attacker chooses much of the text in an alert, and vendors do not always
//! escape it, so a body that a strict parser refuses must not make its own alert disappear. Reading goes in passes, each
//! linear in the length of the body: strict JSON first; then a scanner of our own that repairs what is known to come;
//! then, for an array, record by record. It does not promise that a repaired value is what the vendor meant, which is
//! why [`Parsed::repaired`] says that it happened.

mod build;
mod fields;
mod records;
mod scanner;

use std::borrow::Cow;

use serde_json::Value;

pub use build::insert;
pub use fields::{Fields, cut, doubtful, holds_doubled, is_doubled, time_of};
pub use records::{RECORDS_MAX, Record, drafts, each, torn};

use scanner::Scanner;

/// A body that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// What it says. Of a key that an object holds several times, the first value stays under the key and the others
    /// under `key#2`, `key#3` …: parsers disagree on which of them counts, so none may hide another.
    pub value: Value,
    /// It was not valid JSON, or held a key twice, and was read all the same.
    pub repaired: bool,
}

/// Reads a body. The error is a short reason for [`super::Reading::unparsed`].
pub fn parse(body: &[u8]) -> Result<Parsed, &'static str> {
    let body = without_bom(body);
    if let Some(parsed) = build::strict(body) {
        return Ok(parsed);
    }
    let (text, replaced) = decoded(body);
    let mut scanner = Scanner::new(&text);
    let value = scanner.document()?;
    Ok(Parsed { value, repaired: replaced || scanner.repaired() })
}

/// The value at the beginning of a text, whatever follows it.
pub fn parse_first(text: &str) -> Option<Value> {
    Scanner::new(text).value().ok()
}

/// Whether there is nothing in the body: no byte, or only blanks and NULs.
pub fn is_blank(body: &[u8]) -> bool {
    without_bom(body).iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0)
}

/// The body without a UTF-8 byte order mark, which RFC 8259 lets a reader ignore.
pub fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// The body as text, and whether that took a change: UTF-16 with a byte order mark is converted, bytes that are no
/// UTF-8 become U+FFFD.
fn decoded(body: &[u8]) -> (Cow<'_, str>, bool) {
    let big = match body {
        [0xfe, 0xff, ..] => true,
        [0xff, 0xfe, ..] => false,
        _ => {
            let text = String::from_utf8_lossy(body);
            let replaced = matches!(text, Cow::Owned(_));
            return (text, replaced);
        }
    };
    let units = body[2..].chunks(2).map(|pair| match pair {
        [a, b] if big => u16::from_be_bytes([*a, *b]),
        [a, b] => u16::from_le_bytes([*a, *b]),
        _ => 0xfffd,
    });
    let text = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    (Cow::Owned(text), true)
}

/// How deep values may nest: serde_json's own limit, so that both passes refuse the same bodies.
const DEPTH_MAX: usize = 127;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value_of(body: &[u8]) -> (Value, bool) {
        let parsed = parse(body).unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(body)));
        (parsed.value, parsed.repaired)
    }

    #[test]
    fn valid_json_is_read_as_it_is() {
        for body in [r#"{"a":[1,-2.5,true,null,"\ud83d\ude00\/\u0000"]}"#, "[]", " {} ", "\u{feff}{\"a\":1}", "1e20"] {
            let (value, repaired) = value_of(body.as_bytes());
            let strict = body.trim_start_matches('\u{feff}');
            assert_eq!(value, serde_json::from_str::<Value>(strict).unwrap(), "{body}");
            assert!(!repaired, "{body}");
        }
    }

    #[test]
    fn what_vendors_get_wrong_is_repaired() {
        let cases: &[(&[u8], Value)] = &[
            (b"{\"a\":\"line\nbreak\tand\0nul\"}", json!({"a": "line\nbreak\tand\0nul"})),
            (b"{\"a\":[1,2,],}", json!({"a": [1, 2]})),
            (br#"{"a":"\ud800"}"#, json!({"a": "\u{fffd}"})),
            (br#"{"a":"\ud800\u0041"}"#, json!({"a": "\u{fffd}A"})),
            (br#"{"a":"\udc00x"}"#, json!({"a": "\u{fffd}x"})),
            (b"{\"a\":\"\xff\xfe\"}", json!({"a": "\u{fffd}\u{fffd}"})),
            (br#"{"a":1e400,"b":-1e400}"#, json!({"a": "1e400", "b": "-1e400"})),
            (br#"{"id":123456789012345678901234567890}"#, json!({"id": "123456789012345678901234567890"})),
            (br#"{"a":"\x41\u00zz"}"#, json!({"a": "\\x41\\u00zz"})),
            (b"{\"a\":[com.x.Dto@1f, com.x.Dto@2a]}\0\0", json!({"a": ["com.x.Dto@1f", "com.x.Dto@2a"]})),
            (b"\xff\xfe{\0\"\0a\0\"\0:\0\x31\0}\0", json!({"a": 1})),
            (b"\xfe\xff\0{\0}", json!({})),
        ];
        for (body, wanted) in cases {
            assert_eq!(value_of(body), (wanted.clone(), true), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_doubled_key_hides_nothing() {
        let wanted = json!({"id": "first", "id#2": "second", "id#3": {"x": 1}, "o": {"k": 1, "k#2": 2}});
        let body = r#"{"id":"first","id":"second","id":{"x":1},"o":{"k":1,"k":2}}"#;
        assert_eq!(value_of(body.as_bytes()), (wanted.clone(), true));
        let sloppy = body.replace("}}", "},}");
        assert_eq!(value_of(sloppy.as_bytes()), (wanted, true), "the repairing pass must agree");
    }

    #[test]
    fn many_doubled_keys_cost_little() {
        let body = format!("{{{}\"b\":1}}", "\"a\":1,".repeat(100_000));
        assert!(value_of(body.as_bytes()).0.as_object().unwrap().len() <= 11);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let deep = "[".repeat(1_000_000);
        let just_too_deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
        for body in [
            "",
            "  ",
            "{",
            "[1",
            "{\"a\"}",
            "{\"a\":1 \"b\":2}",
            "\"open",
            "{} {}",
            "{\"a\":\"x\"y\"}",
            "]",
            "a=b&c=d",
            &deep,
            &just_too_deep,
            "{1:2}",
            "[:]",
        ] {
            let why = parse(body.as_bytes()).unwrap_err();
            assert!(!why.is_empty() && why.len() < 80);
        }
        let deepest = format!("{}{}", "[".repeat(127), "]".repeat(127));
        assert!(parse(deepest.as_bytes()).is_ok());
        assert!(parse(deepest.replace("[]", "[1,]").as_bytes()).unwrap().repaired);
    }

    #[test]
    fn blank_is_blank() {
        assert!(is_blank(b"") && is_blank(b" \r\n\t\0") && is_blank(b"\xef\xbb\xbf\n"));
        assert!(!is_blank(b"{}"));
    }
}
