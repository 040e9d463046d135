//! The repairing pass: one scan over the text, which repairs what vendors are known to get wrong.
//!
//! Repaired are raw control characters inside texts, superfluous commas, unpaired surrogates, unknown escapes, numbers
//! that fit no machine type (kept as text), NUL between values, and bare words where a value should stand, such as the
//! names of Java objects (kept as text), and bytes that are no UTF-8 (U+FFFD). A quote that is not escaped is not
//! repaired: where the text ends can only be guessed, and a guess would let an attacker write fields of the alert.

use serde_json::{Map, Number, Value};

use super::build::{Allowance, ELEMENT_BYTES, FIELD_BYTES, NESTED_BYTES, insert};
use super::parsed::{DEPTH_MAX, TOO_MUCH};

/// A position in a text.
pub struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
    token: usize,
    depth: usize,
    repaired: bool,
    doubled: bool,
    allowance: Allowance,
}

type Fault = &'static str;

impl<'t> Scanner<'t> {
    /// At a place in the text, outside of everything.
    pub fn new(text: &'t [u8], at: usize, allowance: Allowance) -> Self {
        Self { text, at, token: at, depth: 0, repaired: false, doubled: false, allowance }
    }

    /// The one value that the whole text is.
    pub fn document(&mut self) -> Result<Value, Fault> {
        self.skip_blanks();
        let is_json = matches!(self.peek(), None | Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9'));
        let value = self.value().map_err(|fault| if is_json { fault } else { NOT_JSON })?;
        self.skip_blanks();
        match self.at < self.text.len() {
            true if is_json => Err("something follows after its end"),
            true => Err(NOT_JSON),
            false => Ok(value),
        }
    }

    /// The value that begins here.
    pub fn value(&mut self) -> Result<Value, Fault> {
        self.skip_blanks();
        self.token = self.at;
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => Ok(self.number()),
            Some(byte) if is_word(byte) => Ok(self.word()),
            Some(_) => Err("a value was expected and something else stands there"),
            None => Err("it ends too early"),
        }
    }

    /// Whether anything had to be repaired so far.
    pub fn repaired(&self) -> bool {
        self.repaired || self.doubled
    }

    /// Whether an object so far held a key twice.
    pub fn doubled(&self) -> bool {
        self.doubled
    }

    /// The position, in bytes.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Where the last text, number or word began: the place from which a reader that gave up may continue.
    pub fn token(&self) -> usize {
        self.token
    }

    /// Passes over `byte` if it is the next after blanks.
    pub fn pass(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Fault>) -> Result<Value, Fault> {
        if self.depth >= DEPTH_MAX {
            return Err("it is nested too deep");
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value, Fault> {
        let mut map = Map::new();
        while !self.ends(b'}')? {
            if self.peek() != Some(b'"') {
                return Err("the name of a field was expected");
            }
            let key = self.string()?;
            if !self.pass(b':') {
                return Err("a colon was expected");
            }
            let value = self.value()?;
            self.spend(if map.is_empty() { NESTED_BYTES } else { FIELD_BYTES })?;
            self.doubled |= insert(&mut map, key, value);
            self.separator(b'}')?;
        }
        Ok(Value::Object(map))
    }

    fn array(&mut self) -> Result<Value, Fault> {
        let mut list = Vec::new();
        while !self.ends(b']')? {
            let value = self.value()?;
            self.spend(if list.is_empty() { NESTED_BYTES } else { ELEMENT_BYTES })?;
            list.push(value);
            self.separator(b']')?;
        }
        Ok(Value::Array(list))
    }

    fn spend(&self, bytes: usize) -> Result<(), Fault> {
        if self.allowance.spend(bytes) { Ok(()) } else { Err(TOO_MUCH) }
    }

    /// Passes over stray commas, and over the end if it is here.
    fn ends(&mut self, end: u8) -> Result<bool, Fault> {
        while self.pass(b',') {
            self.repaired = true;
        }
        match self.peek() {
            None => Err("it ends too early"),
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(true)
            }
            Some(_) => Ok(false),
        }
    }

    /// One comma, or the end, which stays.
    fn separator(&mut self, end: u8) -> Result<(), Fault> {
        if self.pass(b',') {
            self.skip_blanks();
            self.repaired |= self.peek() == Some(end);
            return Ok(());
        }
        match self.peek() {
            Some(byte) if byte == end => Ok(()),
            Some(_) => Err("a comma was expected; perhaps a quote inside a text is not escaped"),
            None => Err("it ends too early"),
        }
    }

    fn string(&mut self) -> Result<String, Fault> {
        self.token = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(length) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) else {
                return Err("a text does not end");
            };
            let piece = rest.get(..length).unwrap_or_default();
            let is_text = std::str::from_utf8(piece).is_ok();
            self.spend(if is_text { length } else { length * 3 })?;
            self.repaired |= !is_text || piece.iter().any(|byte| *byte < 0x20);
            out.push_str(&String::from_utf8_lossy(piece));
            self.at += length + 1;
            if rest.get(length) == Some(&b'"') {
                return Ok(out);
            }
            self.escape(&mut out)?;
        }
    }

    /// What stands after a backslash.
    fn escape(&mut self, out: &mut String) -> Result<(), Fault> {
        let plain = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(out),
            Some(_) => {
                self.repaired = true;
                out.push('\\');
                return Ok(());
            }
            None => return Err("a text does not end"),
        };
        self.at += 1;
        out.push(plain);
        Ok(())
    }

    fn unicode(&mut self, out: &mut String) -> Result<(), Fault> {
        let Some(first) = self.four_digits(self.at + 1) else {
            self.repaired = true;
            out.push('\\');
            return Ok(());
        };
        self.at += 5;
        let second =
            self.text.get(self.at..).unwrap_or_default().starts_with(b"\\u").then(|| self.four_digits(self.at + 2));
        let pair = second.flatten().map(|second| char::decode_utf16([first, second]).next());
        let alone = char::from_u32(u32::from(first));
        match (alone, pair) {
            (Some(character), _) => out.push(character),
            (None, Some(Some(Ok(character)))) => {
                self.at += 6;
                out.push(character);
            }
            _ => {
                self.repaired = true;
                out.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Ok(())
    }

    fn four_digits(&self, at: usize) -> Option<u16> {
        let digits = self.text.get(at..at + 4)?;
        let hexadecimal = digits.iter().all(u8::is_ascii_hexdigit);
        let digits = std::str::from_utf8(digits).ok().filter(|_| hexadecimal)?;
        u16::from_str_radix(digits, 16).ok()
    }

    fn number(&mut self) -> Value {
        let text = self.while_next(|byte| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'));
        let whole = text.bytes().all(|byte| matches!(byte, b'-' | b'0'..=b'9'));
        let short = text.len() <= NUMBER_BYTES_MAX;
        let number = match (short, whole) {
            (false, _) => None,
            (true, true) => {
                text.parse::<i64>().map(Number::from).ok().or_else(|| text.parse::<u64>().map(Number::from).ok())
            }
            (true, false) => {
                let rounded = text.parse::<f64>().ok().and_then(Number::from_f64);
                rounded.filter(|number| decimal(&number.to_string()) == decimal(text))
            }
        };
        match number {
            Some(number) => Value::Number(number),
            None => {
                // A number that no machine type holds is valid all the same, and keeps its digits as text.
                self.repaired |= decimal(text).is_none();
                Value::from(text)
            }
        }
    }

    fn word(&mut self) -> Value {
        match self.while_next(is_word) {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            other => {
                self.repaired = true;
                Value::from(other)
            }
        }
    }

    /// What follows of certain ASCII characters.
    fn while_next(&mut self, is_part: fn(u8) -> bool) -> &'t str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| !is_part(*byte)).unwrap_or(rest.len());
        self.at += length;
        std::str::from_utf8(rest.get(..length).unwrap_or_default()).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0);
        let length = rest.iter().position(|byte| !blank(byte)).unwrap_or(rest.len());
        self.repaired |= rest.get(..length).unwrap_or_default().contains(&0);
        self.at += length;
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
}

/// A JSON number by its sign, its digits without zeros around them, and the power of ten of the first; `None` for what is
/// no JSON number.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (is_negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_whole = is_digits(whole) && (whole == "0" || !whole.starts_with('0'));
    if !is_whole || !fraction.is_none_or(is_digits) {
        return None;
    }
    let exponent = match exponent {
        None => 0,
        Some(exponent) => {
            let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            // One that is longer than any that counts still makes a JSON number.
            is_digits(unsigned).then(|| exponent.parse::<i32>().map_or(i64::MAX / 2, i64::from))?
        }
    };
    let digits = format!("{whole}{}", fraction.unwrap_or_default());
    let significant = digits.trim_start_matches('0');
    let power = exponent + whole.len() as i64 - (digits.len() - significant.len()) as i64;
    let significant = significant.trim_end_matches('0');
    let power = if significant.is_empty() { 0 } else { power };
    Some((is_negative && !significant.is_empty(), significant.to_owned(), power))
}

/// What a bare word is made of: enough for `com.example.Name@1f2e` and `NaN`.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.' | b'@' | b'-')
}

/// A text that does not begin like JSON, and is not one bare word either.
const NOT_JSON: Fault = "it is not JSON";
/// Longer numbers stay text: no machine type holds them.
const NUMBER_BYTES_MAX: usize = 64;
