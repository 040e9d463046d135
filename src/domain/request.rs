//! An inbound request as it stood on the wire.

use bytes::Bytes;

use super::Timestamp;

/// Header lines in the order of the wire, names in lower case, values as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// Adds a line; several lines of one name stay several.
    pub fn push(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.push((name.to_ascii_lowercase(), value.into()));
    }

    /// All values of the name, in order. `name` must be lower case.
    pub fn all<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s [u8]> {
        self.0.iter().filter(move |(line, _)| line == name).map(|(_, value)| value.as_slice())
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
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
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

/// A request that nobody has verified yet.
#[derive(Clone, Debug)]
pub struct Request {
    /// The header lines.
    pub headers: Headers,
    /// The body exactly as it came, still compressed where it came compressed.
    pub body: Bytes,
    /// When its last byte arrived.
    pub received_at: Timestamp,
}

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
