//! The shape of a body that was not understood: what bodies that are broken by one defect of the sender have in common.
//!
//! [`Reading::unparsed`](crate::vendors::Reading::unparsed) calls it, so that a thousand such bodies are one incident.
//! The shape describes the structure of the body and holds none of its values. It promises no more than that: the
//! sender of a body chooses its shape.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::{Text, is_blank, truncated};

/// The shape: of an object its kind and the sorted names of its top-level fields without their digits, each once, as far
/// as it is valid JSON; of anything else its kind alone.
pub fn shape(body: &[u8]) -> Vec<String> {
    if is_blank(body) {
        return vec!["nothing".to_owned()];
    }
    let text = Text::of(body);
    let bytes = text.bytes.trim_ascii_start();
    match kind(bytes) {
        OBJECT => shape_of_names(names(bytes)),
        other => vec![other.to_owned()],
    }
}

/// The shape of an object with these top-level fields.
pub fn shape_of_names<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Vec<String> {
    let mut distinct = BTreeSet::new();
    for name in names {
        distinct.insert(truncated(name.as_ref(), NAME_BYTES_MAX).replace(|c: char| c.is_ascii_digit(), ""));
        if distinct.len() == NAMES_MAX {
            break;
        }
    }
    std::iter::once(OBJECT.to_owned()).chain(distinct).collect()
}

/// What the body is, by how it begins.
fn kind(bytes: &[u8]) -> &'static str {
    let beginning = bytes.get(..BEGINNING_BYTES).unwrap_or(bytes);
    let is_form = |byte: u8| byte.is_ascii_alphanumeric() || b"_.%+-[]".contains(&byte);
    match beginning {
        [b'{', ..] => OBJECT,
        [b'[', ..] => "list",
        [b'"', ..] => "text",
        [b'<', ..] => "markup",
        [0x1f, 0x8b, ..] => "gzip",
        [b'-' | b'0'..=b'9', ..] => "number",
        _ if beginning.contains(&0) || is_no_text(beginning) => "binary",
        _ if beginning.split(|byte| *byte == b'=').next().is_some_and(|name| {
            name.len() < beginning.len() && !name.is_empty() && name.iter().all(|byte| is_form(*byte))
        }) =>
        {
            "form"
        }
        _ => "words",
    }
}

/// Whether there are bytes in it that are no UTF-8. A character may be cut off at its end.
fn is_no_text(beginning: &[u8]) -> bool {
    std::str::from_utf8(beginning).is_err_and(|fault| fault.error_len().is_some())
}

/// The names of the top-level fields, up to where the text is no valid JSON.
fn names(text: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    // What is behind the fault has no names that could be relied on.
    drop(serde_json::Deserializer::from_slice(text).deserialize_map(Names(&mut names)));
    names
}

/// Collects the names of an object, and keeps them where the object breaks off.
struct Names<'n>(&'n mut Vec<String>);

impl<'de> Visitor<'de> for Names<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            self.0.push(truncated(&name, NAME_BYTES_MAX));
            if self.0.len() == NAMES_READ_MAX {
                return Err(A::Error::custom("more names than are looked at"));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

const OBJECT: &str = "object";
/// So much is looked at to tell the kind of a body.
const BEGINNING_BYTES: usize = 512;
const NAMES_MAX: usize = 32;
/// Names that differ in their digits only may be many.
const NAMES_READ_MAX: usize = 1000;
const NAME_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_the_names_of_its_fields_and_anything_else_its_kind() {
        for (body, wanted) in [
            (&b"{\"b\":1,\"a\":{\"c\":2},\"a\":3}"[..], &["object", "a", "b"][..]),
            (b"\xef\xbb\xbf \n{\"a\":[1,2,{\"x\":1}],\"b\":\"torn", &["object", "a", "b"]),
            (b"{\"a\":1 \"b\":2}", &["object", "a"]),
            (b"{\"a\":\"x\"y\",\"b\":2}", &["object", "a"]),
            (b"{\"k1\":1,\"k22\":2,\"3k\":3}", &["object", "k"]),
            (b"{}", &["object"]),
            (b"{'a':1}", &["object"]),
            (b"\xff\xfe{\0\"\0a\0\"\0:\0\x31\0", &["object", "a"]),
            (b"[1,{\"a\":1}]", &["list"]),
            (b"\"hello\"", &["text"]),
            (b"-7", &["number"]),
            (b"<html>502</html>", &["markup"]),
            (b"payload=%7B%7D&a=b", &["form"]),
            (b"a = b", &["words"]),
            (b"=1", &["words"]),
            (b"Something bad happened! x=1", &["words"]),
            (b"Caf\xc3\xa9", &["words"]),
            (b"\x1f\x8b\x08\0", &["gzip"]),
            (b"\x89PNG\r\n", &["binary"]),
            (b"a\0b", &["binary"]),
            (b" \r\n\0", &["nothing"]),
        ] {
            assert_eq!(shape(body), wanted, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_character_across_the_end_of_what_is_looked_at_makes_no_binary() {
        let body = format!("{}é", "x".repeat(BEGINNING_BYTES - 1));
        assert_eq!(shape(body.as_bytes()), ["words"]);
    }

    #[test]
    fn no_body_makes_the_shape_long() {
        let many: String = (0..100_000).map(|n| format!("\"{}\":0,", "k".repeat(n % 100))).collect();
        let long = format!("{{\"{}\":1}}", "é".repeat(1 << 20));
        for body in
            [format!("{{{many}\"z\":0}}"), long, "{\"a\":".repeat(100_000), format!("{{\"a\":{}", "[".repeat(1 << 20))]
        {
            let shape = shape(body.as_bytes());
            assert!(shape.len() <= 1 + NAMES_MAX, "{}", shape.len());
            assert!(shape.iter().all(|part| part.len() <= NAME_BYTES_MAX), "{shape:?}");
        }
    }
}
