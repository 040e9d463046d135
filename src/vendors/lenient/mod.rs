//! Lenient reading of what vendors send: JSON that is almost JSON, fields that are almost what was documented.
//!
//! The normalizers of this module call it. An attacker chooses much of the text in an alert, and vendors do not always
//! escape it, so a body that a strict parser refuses must not make its own alert disappear. Reading goes in passes,
//! each linear in the length of the body: strict JSON first; then a scanner that repairs the known defects. It does not
//! promise that a repaired value is what the vendor meant, so [`Parsed::repaired`] reports the repair.
//!
//! A list is read record by record ([`Records`]), anything else as a whole. What may be in memory at once is limited
//! apart from the length of the body, because a few bytes of JSON can become a hundred times as many.

mod build;
mod fields;
mod parsed;
mod records;
mod scanner;
mod shape;

use std::borrow::Cow;

use serde_json::Value;

pub use build::insert;
pub use fields::{Fields, digest, doubtful, doubtful_outcome, doubtful_parts, holds_doubled, time_of, truncated};
pub use parsed::Parsed;
pub use records::{Record, Records, drafts, each, hand_out};
pub use shape::{shape, shape_of_names};

use build::Allowance;
use parsed::TOO_MUCH;
use scanner::Scanner;

/// Reads a body as a whole. The error is a short reason for [`super::Reading::unparsed`].
pub fn parse(body: &[u8]) -> Result<Parsed, &'static str> {
    Text::of(body).parse()
}

/// The value at the beginning of a text, whatever follows it.
pub fn parse_first(text: &str) -> Option<Value> {
    Scanner::new(text.as_bytes(), 0, Allowance::new(RECORD_BYTES_MAX)).value().ok()
}

/// Whether there is nothing in the body: no byte, or only blanks and NULs.
pub fn is_blank(body: &[u8]) -> bool {
    without_bom(body).iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0)
}

/// The body without a UTF-8 byte order mark, which RFC 8259 lets a reader ignore.
pub fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// A body in UTF-8, or what passes for it.
#[derive(Debug)]
pub struct Text<'b> {
    bytes: Cow<'b, [u8]>,
    converted: bool,
}

impl<'b> Text<'b> {
    /// UTF-16 with a byte order mark is converted. Anything else stays as it is, so that a long body is not in memory
    /// twice.
    pub fn of(body: &'b [u8]) -> Self {
        let body = without_bom(body);
        let big = match body {
            [0xfe, 0xff, ..] if body.len() <= CONVERTED_BYTES_MAX => true,
            [0xff, 0xfe, ..] if body.len() <= CONVERTED_BYTES_MAX => false,
            _ => return Self { bytes: Cow::Borrowed(body), converted: false },
        };
        let units = body.get(2..).unwrap_or_default().chunks(2).map(|pair| match pair {
            [a, b] if big => u16::from_be_bytes([*a, *b]),
            [a, b] => u16::from_le_bytes([*a, *b]),
            _ => 0xfffd,
        });
        let text: String = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        Self { bytes: Cow::Owned(text.into_bytes()), converted: true }
    }

    /// Reads it as a whole.
    pub fn parse(&self) -> Result<Parsed, &'static str> {
        let room = || Allowance::new((self.bytes.len() * 2).saturating_add(SMALL_BYTES).min(WHOLE_BYTES_MAX));
        let allowance = room();
        if let Some(parsed) = build::strict(&self.bytes, &allowance) {
            return Ok(Parsed { repaired: parsed.repaired || self.converted, ..parsed });
        }
        if allowance.is_spent() {
            return Err(TOO_MUCH);
        }
        let mut scanner = Scanner::new(&self.bytes, 0, room());
        let value = scanner.document()?;
        Ok(Parsed { value, repaired: self.converted || scanner.repaired(), doubled: scanner.doubled() })
    }

    /// The text, with U+FFFD for what is none; `None` where it is no text and so long that a copy would cost too much.
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => Some(Cow::Borrowed(text)),
            Err(_) => (self.bytes.len() <= CONVERTED_BYTES_MAX).then(|| String::from_utf8_lossy(&self.bytes)),
        }
    }
}

/// What any body may take in memory, however short it is.
const SMALL_BYTES: usize = 16 << 20;
/// What a body that is no list may take in memory.
const WHOLE_BYTES_MAX: usize = 48 << 20;
/// What one record of a list may take in memory.
const RECORD_BYTES_MAX: usize = 16 << 20;
/// Up to here a copy may be made of a body, which may become longer than the body itself.
const CONVERTED_BYTES_MAX: usize = 8 << 20;

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
    fn what_never_was_json_is_called_so() {
        for body in ["body not json at all", "<html>502</html>", "nullify, please", "id=5&x=6", "=1"] {
            assert_eq!(parse(body.as_bytes()), Err("it is not JSON"), "{body}");
        }
        assert_eq!(parse(b"{\"a\":1} and more"), Err("something follows after its end"));
        assert_eq!(parse(b"{\"a\":<b>}"), Err("a value was expected and something else stands there"));
        assert_eq!(value_of(b"java.lang.Object@5f"), (json!("java.lang.Object@5f"), true));
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
            (b"{\"b\":1-2,\"c\":.5}", json!({"b": "1-2", "c": ".5"})),
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
    fn a_number_keeps_its_digits_or_its_text() {
        for exact in [
            "0",
            "-7",
            "18446744073709551615",
            "-9223372036854775808",
            "0.93",
            "1.10",
            "-2.5e3",
            "1747162308.123",
            "1e20",
        ] {
            let (value, repaired) = value_of(exact.as_bytes());
            assert!(value.is_number() && !repaired, "{exact}: {value}");
        }
        for long in [
            "18446744073709551616",
            "-9223372036854775809",
            "123456789012345678901234567890",
            "9007199254740993.5",
            "0.1000000000000000055511",
            "1234567890123456.78e3",
            "1e400",
            "-1e400",
            "1e-400",
            "1e99999999999",
            &"9".repeat(100),
        ] {
            for body in [format!("{{\"id\":{long}}}"), format!("[{{\"id\":{long},\"x\":0.5}}]")] {
                let (value, repaired) = value_of(body.as_bytes());
                let id = value.pointer("/id").or_else(|| value.pointer("/0/id")).unwrap();
                assert_eq!((id, repaired), (&json!(long), false), "{body}");
            }
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
    fn what_takes_too_much_memory_is_not_read() {
        for piece in ["[],", "{},", "0,", "{\"\":0},", "[0],", "\"\","] {
            let body = format!("[[{}0]]", piece.repeat((4 << 20) / piece.len()));
            assert_eq!(parse(body.as_bytes()).unwrap_err(), TOO_MUCH, "{piece}");
            let sloppy = body.replacen("[[", "[,[", 1);
            assert_eq!(parse(sloppy.as_bytes()).unwrap_err(), TOO_MUCH, "{piece}");
        }
        let keys: String = (0..400_000).map(|n| format!("\"{n}\":0,")).collect();
        assert_eq!(parse(format!("{{{keys}\"z\":0}}").as_bytes()).unwrap_err(), TOO_MUCH);
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(20 << 20));
        assert!(parse(long.as_bytes()).is_ok(), "long texts are no bomb");
    }

    #[test]
    fn long_bodies_that_are_no_text_are_not_copied() {
        let mut body = vec![0xff; CONVERTED_BYTES_MAX + 1];
        body[1] = 0xfe;
        let text = Text::of(&body);
        assert!(matches!(text.bytes, Cow::Borrowed(_)) && text.as_text().is_none());
        assert_eq!(Text::of(b"a\xff").as_text().unwrap(), "a\u{fffd}");
        let quoted = [b"\"", vec![0xff; 20 << 20].as_slice(), b"\""].concat();
        assert_eq!(parse(&quoted).unwrap_err(), TOO_MUCH, "three bytes for one");
    }

    #[test]
    fn blank_is_blank() {
        assert!(is_blank(b"") && is_blank(b" \r\n\t\0") && is_blank(b"\xef\xbb\xbf\n"));
        assert!(!is_blank(b"{}"));
    }
}
