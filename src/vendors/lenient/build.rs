//! The strict pass: serde_json, building a value that keeps every one of doubled keys.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Parsed;

/// How much memory a value may still take, roughly. A few bytes of JSON can become a hundred times as many in memory, so
/// that the length of a body says little about what reading it costs.
#[derive(Debug)]
pub struct Allowance(Cell<usize>);

impl Allowance {
    /// Allows this many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Cell::new(bytes))
    }

    /// Takes a part; `false` when there is not enough left, and from then on.
    pub fn spend(&self, bytes: usize) -> bool {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}

/// What an element of a list takes, with the spare capacity of a growing list.
pub const ELEMENT_BYTES: usize = 64;
/// What a list or an object takes that is not empty, beyond its elements.
pub const NESTED_BYTES: usize = 512;
/// What a field of an object takes, beyond its texts.
pub const FIELD_BYTES: usize = 128;

/// Reads valid JSON; `None` for anything else, for what the allowance does not reach, and for numbers whose digits
/// serde_json would round away: they may be ids.
pub fn strict(body: &[u8], allowance: &Allowance) -> Option<Parsed> {
    let (doubled, fractional) = (Cell::new(false), Cell::new(false));
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let build = Build { doubled: &doubled, fractional: &fractional, allowance };
    let value = build.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    let is_exact = !fractional.get() || !may_hold_rounded(body);
    is_exact.then(|| Parsed::part(value, doubled.get()))
}

/// Reads the valid JSON at the beginning of the text, as [`strict`] does; the value, and where it ends.
pub fn strict_first(text: &[u8], allowance: &Allowance) -> Option<(Parsed, usize)> {
    let (doubled, fractional) = (Cell::new(false), Cell::new(false));
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let build = Build { doubled: &doubled, fractional: &fractional, allowance };
    let value = build.deserialize(&mut deserializer).ok()?;
    let end = deserializer.into_iter::<IgnoredAny>().byte_offset();
    let is_exact = !fractional.get() || !may_hold_rounded(text.get(..end).unwrap_or(text));
    is_exact.then(|| (Parsed::part(value, doubled.get()), end))
}

/// Whether a text may hold a number with more digits than a double keeps, or one so small that it becomes zero. It looks at
/// texts as well as at numbers: reading with more care than needed costs only time.
fn may_hold_rounded(text: &[u8]) -> bool {
    let (mut digits, mut before) = (0, 0);
    for &byte in text {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'.' => {}
            b'-' if matches!(before, b'e' | b'E') && digits > 0 => return true,
            b'e' | b'E' => {
                before = byte;
                continue;
            }
            _ => digits = 0,
        }
        before = byte;
        if digits > DIGITS_EXACT {
            return true;
        }
    }
    false
}

/// Where the valid JSON at the beginning of the text ends, at no cost of memory.
pub fn strict_end(text: &[u8]) -> Option<usize> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    Pass.deserialize(&mut deserializer).ok()?;
    Some(deserializer.into_iter::<IgnoredAny>().byte_offset())
}

/// Puts a value under its key, or under `key#2` … where the key is taken. Returns whether it was. What comes after the
/// ninth is dropped; the stored body has it.
pub fn insert(map: &mut Map<String, Value>, key: String, value: Value) -> bool {
    if !map.contains_key(&key) {
        map.insert(key, value);
        return false;
    }
    let free = (2..=9).map(|n| format!("{key}#{n}")).find(|name| !map.contains_key(name));
    if let Some(name) = free {
        map.insert(name, value);
    }
    true
}

#[derive(Clone, Copy)]
struct Build<'f> {
    doubled: &'f Cell<bool>,
    /// Whether there was a number that is not whole.
    fractional: &'f Cell<bool>,
    allowance: &'f Allowance,
}

impl Build<'_> {
    fn spend<E: Error>(self, bytes: usize) -> Result<(), E> {
        if self.allowance.spend(bytes) { Ok(()) } else { Err(E::custom("more than is read at once")) }
    }
}

impl<'de> DeserializeSeed<'de> for Build<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Build<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        if value.abs() >= WHOLE_MAX {
            return Err(E::custom("perhaps not exact"));
        }
        self.fractional.set(true);
        Ok(Value::from(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.spend(value.len())?;
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            self.spend(if list.is_empty() { NESTED_BYTES } else { ELEMENT_BYTES })?;
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.spend(key.len() + if map.is_empty() { NESTED_BYTES } else { FIELD_BYTES })?;
            let value = entries.next_value_seed(self)?;
            if insert(&mut map, key, value) {
                self.doubled.set(true);
            }
        }
        Ok(Value::Object(map))
    }
}

/// Passes over a value. serde_json's own way to ignore one takes memory for each level, and knows no limit to them.
#[derive(Clone, Copy)]
struct Pass;

impl<'de> DeserializeSeed<'de> for Pass {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pass {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_key_seed(self)?.is_some() {
            entries.next_value_seed(self)?;
        }
        Ok(())
    }
}

/// A double keeps so many decimal digits whatever they are.
const DIGITS_EXACT: usize = 15;
/// 2^63: whole numbers from here on may reach us rounded.
const WHOLE_MAX: f64 = 9_223_372_036_854_775_808.0;
