//! An inbound request as it stood on the wire.

use bytes::Bytes;

use super::Timestamp;

/// Header lines in the order of the wire, names in lower case, values as bytes. All of them are in one piece of memory:
/// a request costs two allocations, not two a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    text: Vec<u8>,
    lines: Vec<Line>,
}

/// Where a line stands: its name from `begin`, its value from `value` to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    begin: usize,
    value: usize,
    end: usize,
}

impl Headers {
    /// With capacity for so many lines.
    pub fn with_capacity(lines: usize) -> Self {
        Self { text: Vec::with_capacity(lines * LINE_BYTES_USUAL), lines: Vec::with_capacity(lines) }
    }

    /// Adds a line; several lines of one name stay several.
    pub fn push(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let begin = self.text.len();
        self.text.extend_from_slice(name.as_bytes());
        let middle = self.text.len();
        self.text[begin..].make_ascii_lowercase();
        self.text.extend_from_slice(value.as_ref());
        self.lines.push(Line { begin, value: middle, end: self.text.len() });
    }

    /// All values of the name, in order. `name` must be lower case.
    pub fn all<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s [u8]> {
        self.lines
            .iter()
            .filter(move |line| self.text[line.begin..line.value] == *name.as_bytes())
            .map(|line| &self.text[line.value..line.end])
    }

    /// The value where exactly one line has the name and the value is visible text; `None` otherwise.
    pub fn only(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        let first = values.next()?;
        if values.next().is_some() {
            return None;
        }
        std::str::from_utf8(first).ok().map(str::trim)
    }

    /// Every line, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines.iter().map(|line| {
            // Names were text when they were pushed, and lower case does not change that.
            let name = std::str::from_utf8(&self.text[line.begin..line.value]).unwrap_or_default();
            (name, &self.text[line.value..line.end])
        })
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(lines: I) -> Self {
        let mut headers = Self::default();
        for (name, value) in lines {
            headers.push(name, value);
        }
        headers
    }
}

/// A request that is not verified yet.
#[derive(Clone, Debug)]
pub struct Request {
    /// The header lines.
    pub headers: Headers,
    /// The body exactly as it came, still compressed where it came compressed.
    pub body: Bytes,
    /// When its last byte arrived.
    pub received_at: Timestamp,
}

/// As long is a line, name and value together, more or less.
const LINE_BYTES_USUAL: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubled_header_has_no_single_value() {
        let headers: Headers = [("X-Sig", " a "), ("x-sig", "b"), ("X-Id", " 7 ")].into_iter().collect();
        assert_eq!(headers.only("x-sig"), None);
        assert_eq!(headers.only("x-id"), Some("7"));
        assert_eq!(headers.all("x-sig").count(), 2);
    }
}
