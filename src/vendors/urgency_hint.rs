//! How urgent a request is, and what it is about, from the beginning of its body: see
//! [`Source::preview`](super::Source::preview).
//!
//! The scan finds fields with plain values, and how deep each is nested; it builds nothing, and every byte is passed
//! once. It is no parser: its result only orders requests that wait. A word nested deeper than the vendor's own fields
//! may be written by an attacker, and can only make a request more urgent.

use memchr::memchr2;

use super::KindWords;
use crate::domain::{EventOutcome, Severity};

/// What the beginning of a body says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// How bad the event is by the vendor's own word, where the vendor says it.
    pub own: Option<Severity>,
    /// The worst of the words that stand deeper.
    pub nested: Option<Severity>,
    /// Whether an attack has succeeded, by any word.
    pub has_succeeded: bool,
    /// What it is about, by the vendor's own words.
    pub about: KindWords,
}

/// A field with a plain value: a text without quotes and with escapes as they stand, a number, `true`, `false` or `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'b> {
    /// How deep it is nested in objects and lists.
    pub depth: usize,
    /// The name of the object that it is in, or of the list around that; empty at the top and deeper than
    /// `PARENTS_MAX`.
    pub parent: &'b [u8],
    /// Its name, as it is written in the body.
    pub name: &'b [u8],
    /// Its value.
    pub value: &'b str,
}

impl Field<'_> {
    /// Whether it has one of the names, whatever their case.
    pub fn is_one_of(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.name.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// Whether its value is a word for an attack that has succeeded.
    pub fn says_success(&self) -> bool {
        EventOutcome::from_vendor_word(self.value) == Some(EventOutcome::Succeeded)
    }
}

impl Hint {
    /// Notes a word that the vendor says at this depth, found at another or the same.
    pub fn note(&mut self, found: Option<Severity>, depth: usize, own_depth: usize) {
        let place = if depth <= own_depth { &mut self.own } else { &mut self.nested };
        *place = worse(*place, found);
    }
}

/// The worse of two severities.
pub fn worse(one: Option<Severity>, other: Option<Severity>) -> Option<Severity> {
    [one, other].into_iter().flatten().max_by_key(|severity| severity.rank())
}

/// The fields of any of these names in the beginning of a JSON text, in its order. Of those deeper than `own_depth` only
/// the first are looked at, so that a body full of them costs little and hides none that stands where it should.
pub fn fields<'b>(beginning: &'b [u8], names: &[&str], own_depth: usize, mut take: impl FnMut(Field<'b>)) {
    let mut look = Look { text: beginning, at: 0 };
    let (mut depth, mut nested, mut own) = (0_usize, 0, 0);
    let mut parents = Parents::default();
    while let Some(byte) = look.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                parents.enter(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let Some(name) = look.text() else { return };
                let Some(value) = look.value() else {
                    parents.opened = matches!(look.peek(), Some(b'{' | b'[')).then_some(name);
                    continue;
                };
                let looked_at = if depth <= own_depth { &mut own } else { &mut nested };
                let is_named = names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
                if !is_named || *looked_at == FIELDS_MAX {
                    continue;
                }
                *looked_at += 1;
                if let Ok(value) = std::str::from_utf8(value) {
                    take(Field { depth, parent: parents.of(depth), name, value });
                }
            }
            _ => {}
        }
    }
}

/// The names of the objects and lists around a position.
#[derive(Default)]
struct Parents<'b> {
    names: [&'b [u8]; PARENTS_MAX],
    /// The field whose value begins next.
    opened: Option<&'b [u8]>,
}

impl<'b> Parents<'b> {
    /// The name at that depth.
    fn of(&self, depth: usize) -> &'b [u8] {
        self.names.get(depth).copied().unwrap_or_default()
    }

    /// An object or list begins, which takes things to that depth. The elements of a list have its name.
    fn enter(&mut self, depth: usize) {
        let name = self.opened.take().unwrap_or_else(|| self.of(depth - 1));
        if let Some(place) = self.names.get_mut(depth) {
            *place = name;
        }
    }
}

/// A position in a text.
struct Look<'b> {
    text: &'b [u8],
    at: usize,
}

impl<'b> Look<'b> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// What is left of a text up to its quote, which is passed; `None` where it does not end.
    fn text(&mut self) -> Option<&'b [u8]> {
        let begin = self.at;
        loop {
            let end = self.at + memchr2(b'"', b'\\', self.text.get(self.at..)?)?;
            match self.text.get(end) {
                Some(b'"') => {
                    self.at = end + 1;
                    return self.text.get(begin..end);
                }
                // What stands behind a backslash ends nothing.
                _ => self.at = end + 2,
            }
        }
    }

    /// The plain value behind a name; `None` where no colon or no plain value follows, and only blanks and the colon
    /// are passed.
    fn value(&mut self) -> Option<&'b [u8]> {
        self.skip_blanks();
        if self.peek()? != b':' {
            return None;
        }
        self.at += 1;
        self.skip_blanks();
        match self.peek()? {
            b'"' => {
                self.at += 1;
                self.text()
            }
            b'{' | b'[' => None,
            _ => {
                let rest = self.text.get(self.at..)?;
                let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
                let length = rest.iter().position(ends).unwrap_or(rest.len());
                self.at += length;
                rest.get(..length)
            }
        }
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }
}

/// How many fields are looked at of those where they should stand, and of those that stand deeper.
const FIELDS_MAX: usize = 128;
/// How deep the names of objects are known.
const PARENTS_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(usize, &str, &str)> {
        let mut all = Vec::new();
        fields(text.as_bytes(), &["a", "b"], 1, |field| {
            all.push((field.depth, std::str::from_utf8(field.name).unwrap(), field.value));
        });
        all
    }

    #[test]
    fn fields_are_found_with_their_depth() {
        assert_eq!(
            found(r#"{"a": "x", "c": 1, "o": {"b" : 2.5, "l": [{"A":true}]}, "b":null}"#),
            [(1, "a", "x"), (2, "b", "2.5"), (4, "A", "true"), (1, "b", "null")]
        );
        assert_eq!(found(r#"[{"a":1},{"b":"2"}]"#), [(2, "a", "1"), (2, "b", "2")]);
    }

    #[test]
    fn fields_know_the_object_or_the_list_that_they_stand_in() {
        let parents = |text: &str| {
            let mut all = Vec::new();
            fields(text.as_bytes(), &["a"], 9, |field| all.push(String::from_utf8_lossy(field.parent).into_owned()));
            all
        };
        assert_eq!(parents(r#"{"a":1,"o":{"a":2,"p" : {"a":3},"a":4},"a":5}"#), ["", "o", "p", "o", ""]);
        assert_eq!(parents(r#"{"l":[{"a":1},{"o":{"a":2}},{"a":3}],"t":["x",{"a":4}]}"#), ["l", "o", "l", "t"]);
        assert_eq!(parents(r#"[{"a":1}]"#), [""]);
        let deep = format!("{}{{\"a\":1}}", "{\"o\":".repeat(PARENTS_MAX));
        assert_eq!(parents(&deep), [""]);
    }

    #[test]
    fn what_stands_behind_a_backslash_ends_no_text() {
        assert_eq!(found(r#"{"x":"\"a\":1,\"","b":2}"#), [(1, "b", "2")]);
        assert_eq!(found(r#"{"a":"\\\"","b":"\"#), [(1, "a", r#"\\\""#)]);
    }

    #[test]
    fn what_stands_in_a_text_is_no_field() {
        assert_eq!(found(r#"{"x":"{\"a\":\"no\"}","b":"yes\\"}"#), [(1, "b", r"yes\\")]);
        assert_eq!(found(r#"{"x":"a","y":["a","b"],"a":"yes"}"#), [(1, "a", "yes")]);
    }

    #[test]
    fn what_is_no_json_or_breaks_off_ends_the_look() {
        for text in
            ["", "\"", "\"a", "\"a\"", "\"a\":", "\"a\" \"", "{\"a\":\"x", "{\"x\\", "}}}]]]", "\"\\", "{\"a\":{"]
        {
            assert!(found(text).is_empty(), "{text}");
        }
        assert_eq!(found("}}\"a\":1"), [(0, "a", "1")]);
    }

    #[test]
    fn deep_ones_hide_none_that_stands_where_it_should() {
        let text = format!("{{\"o\":[{}0],\"a\":\"own\"}}", "{\"a\":1},".repeat(1_000));
        let all = found(&text);
        assert_eq!((all.len(), all.last()), (FIELDS_MAX + 1, Some(&(1, "a", "own"))));
    }
}
