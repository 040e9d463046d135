//! The fields of one object, taken out one by one, whatever form the vendor gave them.

use std::borrow::Cow;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::domain::{EventOutcome, Severity, Timestamp};

/// An object that is being read: what is understood is taken out, and [`Fields::rest`] is what was not understood. A name
/// in camel case also finds its snake case form.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    map: Map<String, Value>,
    /// Whether the parser saw a key twice in what the object is a part of.
    any_doubled: bool,
}

impl Fields {
    /// The fields of an object that holds no key twice.
    pub fn new(map: Map<String, Value>) -> Self {
        Self::read(map, false)
    }

    /// The fields of an object that was read; whether the parser saw a key twice in it or around it.
    pub fn read(map: Map<String, Value>, any_doubled: bool) -> Self {
        Self { map, any_doubled }
    }

    /// Whether the field is there and not null.
    pub fn has(&self, name: &str) -> bool {
        self.key(name).and_then(|key| self.map.get(key.as_ref())).is_some_and(|value| !value.is_null())
    }

    /// Whether the field is there and a list.
    pub fn is_list(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(Value::is_array)
    }

    /// Whether the object held one of its keys more than once. Such an object's identity cannot be trusted.
    pub fn doubled(&self) -> bool {
        self.any_doubled && is_doubled(&self.map)
    }

    /// Whether the parser saw a key twice in the object or around it.
    pub fn any_doubled(&self) -> bool {
        self.any_doubled
    }

    /// The names of the fields that are there now.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.map.keys().map(String::as_str)
    }

    /// A hash of the object as it is now.
    pub fn digest(&self) -> String {
        digest(&self.map)
    }

    /// The first of the names that holds a text, a number or a truth value, as text without outer blanks. Objects
    /// and lists stay where they are.
    pub fn text(&mut self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| {
            let key = self.key(name)?;
            let value = self.map.get(key.as_ref())?;
            let is_taken = !matches!(value, Value::Array(_) | Value::Object(_)) || is_nothing(value);
            is_taken.then(|| self.map.remove(key.as_ref())).flatten().and_then(into_text)
        })
    }

    /// The first of the names that holds a long text, moved and not copied; as it is, blanks included.
    pub fn long_text(&mut self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| {
            let key = self.key(name)?;
            if !self.map.get(key.as_ref())?.is_string() {
                return None;
            }
            match self.map.remove(key.as_ref()) {
                Some(Value::String(text)) => Some(text).filter(|text| !text.trim().is_empty()),
                _ => None,
            }
        })
    }

    /// The first of the names that holds a time.
    pub fn time(&mut self, names: &[&str]) -> Option<Timestamp> {
        names.iter().find_map(|name| {
            let key = self.key(name)?;
            let time = time_of(self.map.get(key.as_ref())?)?;
            self.map.remove(key.as_ref());
            Some(time)
        })
    }

    /// A truth value.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        let key = self.key(name)?;
        let flag = self.map.get(key.as_ref())?.as_bool()?;
        self.map.remove(key.as_ref());
        Some(flag)
    }

    /// A whole number that is not negative, also where it is written as text.
    pub fn count(&mut self, name: &str) -> Option<u64> {
        let key = self.key(name)?;
        let count = text_of(self.map.get(key.as_ref())?)?.parse().ok()?;
        self.map.remove(key.as_ref());
        Some(count)
    }

    /// An object.
    pub fn object(&mut self, name: &str) -> Option<Fields> {
        let key = self.key(name)?;
        match self.map.get(key.as_ref())?.is_object().then(|| self.map.remove(key.as_ref()))?? {
            Value::Object(map) => Some(Self::read(map, self.any_doubled)),
            _ => None,
        }
    }

    /// A list.
    pub fn list(&mut self, name: &str) -> Option<Vec<Value>> {
        let key = self.key(name)?;
        if !self.map.get(key.as_ref())?.is_array() {
            return None;
        }
        match self.map.remove(key.as_ref()) {
            Some(Value::Array(items)) => Some(items),
            _ => None,
        }
    }

    /// Whatever the field holds.
    pub fn value(&mut self, name: &str) -> Option<Value> {
        let key = self.key(name)?;
        self.map.remove(key.as_ref())
    }

    /// Every value of the field, where its key came several times. Null is none.
    pub fn every(&mut self, name: &str) -> Vec<Value> {
        let any_doubled = self.any_doubled;
        let doubles = (2..=9)
            .take_while(|_| any_doubled)
            .filter_map(|n| self.map.remove(&format!("{name}#{n}")))
            .collect::<Vec<_>>();
        self.value(name).into_iter().chain(doubles).filter(|value| !value.is_null()).collect()
    }

    /// Puts a value under a name, to be read later.
    pub fn put(&mut self, name: &str, value: Value) {
        self.map.insert(name.to_owned(), value);
    }

    /// The object as it is now.
    pub fn into_map(self) -> Map<String, Value> {
        self.map
    }

    /// What was not taken and says something.
    pub fn rest(self) -> Map<String, Value> {
        self.map.into_iter().filter(|(_, value)| !is_nothing(value)).collect()
    }

    /// The object in a value, if it is one that holds no key twice.
    pub fn of(value: Value) -> Option<Self> {
        match value {
            Value::Object(map) => Some(Self::new(map)),
            _ => None,
        }
    }

    /// Under which of its forms a name is there. Most names that are asked for are not, and that takes no memory.
    fn key<'n>(&self, name: &'n str) -> Option<Cow<'n, str>> {
        if self.map.contains_key(name) {
            return Some(Cow::Borrowed(name));
        }
        if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let mut buffer = [0; SNAKE_BYTES_MAX];
        let snake = snake_case(name, &mut buffer)?;
        self.map.contains_key(snake).then(|| Cow::Owned(snake.to_owned()))
    }
}

/// SHA-256 of the value in one line of JSON, in hexadecimal.
pub fn digest(value: &impl serde::Serialize) -> String {
    struct Hasher(Sha256);
    impl std::io::Write for Hasher {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut hasher = std::io::BufWriter::new(Hasher(Sha256::new()));
    // Neither the hash nor a JSON value can fail to be written.
    drop(serde_json::to_writer(&mut hasher, value));
    hasher.into_inner().map(|hasher| hex::encode(hasher.0.finalize())).unwrap_or_default()
}

/// Whether the object held one of its keys more than once, where the parser saw one twice: see [`super::Parsed`].
fn is_doubled(map: &Map<String, Value>) -> bool {
    let is_place = |place: &str| matches!(place.as_bytes(), [b'2'..=b'9']);
    map.keys().any(|key| key.rsplit_once('#').is_some_and(|(first, place)| is_place(place) && map.contains_key(first)))
}

/// Whether any object in the value holds a key twice, where the parser saw one twice.
pub fn holds_doubled(value: &Value) -> bool {
    match value {
        Value::Object(map) => is_doubled(map) || map.values().any(holds_doubled),
        Value::Array(items) => items.iter().any(holds_doubled),
        _ => false,
    }
}

/// The severity of something that can be read in two ways: at least high, because an attacker would prefer the harmless
/// reading.
pub fn doubtful(severity: Option<Severity>) -> Option<Severity> {
    severity.filter(|severity| severity.rank() >= Severity::High.rank()).or(Some(Severity::High))
}

/// The outcome of something that can be read in two ways: the reassuring outcomes are dropped.
pub fn doubtful_outcome(outcome: Option<EventOutcome>) -> Option<EventOutcome> {
    outcome.filter(|outcome| *outcome == EventOutcome::Succeeded)
}

/// What events that can be read in two ways have in common: their type and that. They make incidents of their own, so that
/// none disappears in one that people have taken already.
pub fn doubtful_parts(kind: &str) -> Vec<String> {
    vec![kind.to_owned(), "doubled_keys".to_owned()]
}

/// A time in one of the forms that vendors use: RFC 3339 (in UTC where the offset is left out), or seconds, milliseconds
/// or microseconds since 1970, as number or text. The unit follows from the size: seconds reach to the year 5138.
/// Zero and below are an unset field, not a time.
pub fn time_of(value: &Value) -> Option<Timestamp> {
    let text = match value {
        Value::Number(number) => return epoch(number.as_f64()?),
        Value::String(text) => text.trim(),
        _ => return None,
    };
    if text.len() > TIME_BYTES_MAX {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return epoch(text.parse().ok()?);
    }
    Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}Z")))
}

/// The text, at most `bytes_max` long, in memory of its own size.
pub fn truncated(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

fn epoch(number: f64) -> Option<Timestamp> {
    let millis = match number {
        n if !n.is_finite() || n <= 0.0 => return None,
        n if n < 1e11 => n * 1e3,
        n if n < 1e14 => n,
        n if n < 1e17 => n / 1e3,
        _ => return None,
    };
    Some(Timestamp::from_millis(millis as i64))
}

/// The same as [`text_of`], of a value that is not needed any more.
fn into_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) if text.trim().len() == text.len() => Some(text).filter(|text| !text.is_empty()),
        other => text_of(&other),
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// A name in camel case as it is written in snake case; `None` where it is very long.
fn snake_case<'b>(name: &str, buffer: &'b mut [u8; SNAKE_BYTES_MAX]) -> Option<&'b str> {
    let underscores = name.bytes().filter(u8::is_ascii_uppercase).count();
    let snake = buffer.get_mut(..name.len() + underscores)?;
    let mut places = snake.iter_mut();
    for byte in name.bytes() {
        if byte.is_ascii_uppercase() {
            *places.next()? = b'_';
        }
        *places.next()? = byte.to_ascii_lowercase();
    }
    std::str::from_utf8(snake).ok()
}

/// A longer name is looked for only as it is asked for.
const SNAKE_BYTES_MAX: usize = 128;
/// No time is written longer.
const TIME_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        Fields::of(value).unwrap()
    }

    #[test]
    fn what_is_taken_is_gone_and_the_rest_stays() {
        let mut fields = fields(json!({
            "id": 7, "filter_id": " XSS ", "url": "", "other": "  ", "data": {"x": 1}, "none": null, "on": true, "n": "5",
        }));
        assert_eq!(fields.text(&["filterId"]).as_deref(), Some("XSS"));
        assert_eq!(fields.text(&["missing", "url", "id"]).as_deref(), Some("7"));
        assert_eq!(fields.text(&["data"]), None);
        assert_eq!((fields.flag("on"), fields.flag("data"), fields.count("n")), (Some(true), None, Some(5)));
        assert!(fields.has("data") && !fields.has("none") && !fields.has("id"));
        assert_eq!(Value::Object(fields.rest()), json!({"data": {"x": 1}}));
    }

    #[test]
    fn a_name_in_camel_case_also_finds_its_snake_case() {
        let of = |name: &str, field: &str| fields(json!({field: "x"})).text(&[name]).is_some();
        for (name, field) in [("agentId", "agent_id"), ("agentId", "agentId"), ("aBCd", "a_b_cd"), ("éA", "é_a")] {
            assert!(of(name, field), "{name} {field}");
        }
        assert!(!of("agentid", "agent_id") && !of("agent_id", "agentId") && !of("Agent", "agent"));
        let long = "x".repeat(SNAKE_BYTES_MAX);
        assert!(of(&long, &long) && !of(&format!("{long}A"), &format!("{long}_a")));
        let fitting = "x".repeat(SNAKE_BYTES_MAX - 2);
        assert!(of(&format!("{fitting}A"), &format!("{fitting}_a")));
    }

    #[test]
    fn times_come_in_many_forms() {
        let wanted = Timestamp::parse("2025-05-13T18:51:48Z");
        for value in [
            json!(1747162308),
            json!(1747162308000_i64),
            json!("1747162308"),
            json!("1747162308000"),
            json!(1747162308.0),
            json!(1747162308000000_i64),
            json!("2025-05-13T18:51:48Z"),
            json!("2025-05-13T20:51:48+02:00"),
            json!(" 2025-05-13 18:51:48 "),
        ] {
            assert_eq!(time_of(&value), wanted, "{value}");
        }
        for value in [
            json!(0),
            json!(-5),
            json!(""),
            json!("0"),
            json!("yesterday"),
            json!(1e300),
            json!(null),
            json!([1]),
            json!("9".repeat(100)),
            json!("2025-13-13T00:00:00Z"),
            json!("1.2.3"),
            json!("é".repeat(10)),
        ] {
            assert_eq!(time_of(&value), None, "{value}");
        }
    }

    #[test]
    fn a_doubled_key_is_noticed_and_a_hash_alone_is_none() {
        let doubled = |value: Value, any_doubled| Fields { any_doubled, ..fields(value) }.doubled();
        assert!(doubled(json!({"id": 1, "id#2": 2}), true));
        for value in [json!({"id": 1, "note#2": 2}), json!({"id": 1, "id#": 2, "id#x": 3, "id#10": 4})] {
            assert!(!doubled(value, true));
        }
        assert!(!doubled(json!({"id": 1, "id#2": 2}), false), "the parser saw none");
    }

    #[test]
    fn text_is_cut_at_a_character() {
        assert_eq!(truncated("aéé", 4), "aé");
        assert_eq!(truncated("abc", 10), "abc");
    }
}
