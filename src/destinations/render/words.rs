//! A line of words whose parts look different from place to place: our own, those that came from outside, times.
//!
//! Slack shows a time in the reader's zone and a value in a code span, a document of Jira has marks, a page is plain text.
//! Nothing is escaped here: each place escapes by the kind of the part.

use super::truncate;
use crate::domain::Timestamp;

/// One line of words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(Vec<Piece>);

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Written by gatepost.
    Ours(String),
    /// Written by gatepost, and to be seen first.
    Strong(String),
    /// From outside: one line, redacted and free of control characters, neither escaped nor cut.
    Value(String),
    /// A point in time.
    Time(Timestamp),
}

impl Words {
    /// A line that begins with our own words.
    pub fn of(text: impl Into<String>) -> Self {
        Self::default().ours(text)
    }

    /// Followed by our own words.
    pub fn ours(self, text: impl Into<String>) -> Self {
        self.with(Piece::Ours(text.into()))
    }

    /// Followed by our own words, emphasized.
    pub fn strong(self, text: impl Into<String>) -> Self {
        self.with(Piece::Strong(text.into()))
    }

    /// Followed by what came from outside.
    pub fn value(self, text: impl Into<String>) -> Self {
        self.with(Piece::Value(text.into()))
    }

    /// Followed by a time.
    pub fn time(self, time: Timestamp) -> Self {
        self.with(Piece::Time(time))
    }

    /// Followed by another line.
    pub fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Followed by values with a comma between them.
    pub fn values<'v>(mut self, values: impl IntoIterator<Item = &'v str>) -> Self {
        for (index, value) in values.into_iter().enumerate() {
            self = if index == 0 { self } else { self.ours(", ") }.value(value);
        }
        self
    }

    /// With every value of at most `chars_max` characters.
    pub fn shortened(&self, chars_max: usize) -> Self {
        let short = |piece: &Piece| match piece {
            Piece::Value(text) => Piece::Value(truncate::chars(text, chars_max).into_owned()),
            piece => piece.clone(),
        };
        Self(self.0.iter().map(short).collect())
    }

    /// Its parts.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// As plain text, with times in UTC: see [`utc`].
    pub fn plain(&self, now: Option<Timestamp>) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Ours(text) | Piece::Strong(text) | Piece::Value(text) => text.clone(),
            Piece::Time(time) => utc(*time, now),
        };
        self.0.iter().map(text).collect()
    }

    fn with(mut self, piece: Piece) -> Self {
        self.0.push(piece);
        self
    }
}

/// `02:41 UTC`, with the date where it is not that of `now`: what is read at once needs none, what is read later has none to
/// compare with.
pub fn utc(time: Timestamp, now: Option<Timestamp>) -> String {
    let whole = time.to_human();
    // `15 Jan 2024 10:30:00 UTC`: the form has fixed widths.
    let (date, clock) = (whole.get(..11).unwrap_or_default(), whole.get(12..17).unwrap_or_default());
    match now.map(Timestamp::to_human) {
        Some(now) if now.starts_with(date) => format!("{clock} UTC"),
        Some(now) if now.get(7..11) == whole.get(7..11) => {
            format!("{} {clock} UTC", date.get(..6).unwrap_or_default())
        }
        _ => format!("{date} {clock} UTC"),
    }
}

/// `1,204`
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 event`, `1,204 events`
pub fn count(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_says_as_much_of_the_date_as_the_reader_needs() {
        let at = |text| Timestamp::parse(text).unwrap();
        let now = Some(at("2026-11-21T10:00:00Z"));
        for (time, now, told) in [
            ("2026-11-21T02:41:59Z", now, "02:41 UTC"),
            ("2026-11-20T23:05:00Z", now, "20 Nov 23:05 UTC"),
            ("2025-11-21T02:41:00Z", now, "21 Nov 2025 02:41 UTC"),
            ("2026-11-21T02:41:00Z", None, "21 Nov 2026 02:41 UTC"),
        ] {
            assert_eq!(utc(at(time), now), told);
        }
    }

    #[test]
    fn numbers_are_grouped() {
        let told: Vec<String> = [0, 999, 1000, 1_234_567].map(number).into();
        assert_eq!(told, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            (count(1, "event", "events"), count(2000, "event", "events")),
            ("1 event".into(), "2,000 events".into())
        );
    }

    #[test]
    fn a_line_is_read_in_its_order() {
        let time = Timestamp::parse("2026-11-21T02:41:00Z").unwrap();
        let words = Words::of("last ").time(time).ours(" by ").values(["a", "b"]).then(Words::default().strong("!"));
        assert_eq!(words.plain(Some(time)), "last 02:41 UTC by a, b!");
    }
}
