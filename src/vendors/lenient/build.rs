//! The strict pass: serde_json, building a value that keeps every one of doubled keys.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Parsed;

/// Reads valid JSON; `None` for anything else, and for whole numbers beyond 64 bits, whose digits serde_json would
/// round away: they may be ids.
pub fn strict(body: &[u8]) -> Option<Parsed> {
    let doubled = Cell::new(false);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = Build { doubled: &doubled }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(Parsed { value, repaired: doubled.get() })
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
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self)?;
            if insert(&mut map, key, value) {
                self.doubled.set(true);
            }
        }
        Ok(Value::Object(map))
    }
}

/// 2^63: whole numbers from here on may reach us rounded.
const WHOLE_MAX: f64 = 9_223_372_036_854_775_808.0;
