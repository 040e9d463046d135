//! Many records in one body: one that cannot be read never costs the others.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use serde_json::Value;

use super::build::{Allowance, strict_end, strict_first};
use super::parsed::Parsed;
use super::scanner::Scanner;
use super::{Fields, RECORD_BYTES_MAX, Text, shape_of_names, truncated};
use crate::domain::{Draft, Event};
use crate::vendors::Reading;

/// A record, or the text where one should have been.
pub type Record = Result<Parsed, String>;

/// The drafts of all records: see [`hand_out`].
pub fn drafts(
    records: impl IntoIterator<Item = Record>,
    read: impl FnMut(Fields) -> Result<Draft, Fields>,
) -> Vec<Draft> {
    let mut drafts = Vec::new();
    hand_out(records.into_iter(), read, &mut |draft| drafts.push(draft));
    drafts
}

/// One draft a record, one after the other, so that a long list is never in memory as a whole. A record that is no
/// object, or that `read` hands back, becomes a draft of type `unparsed`. A record whose key came before in the same body
/// is left out. From [`RECORDS_MAX`] on, one draft says how many more there were.
pub fn hand_out(
    mut records: impl Iterator<Item = Record>,
    read: impl FnMut(Fields) -> Result<Draft, Fields>,
    take: &mut dyn FnMut(Draft),
) {
    hand_out_first(&mut records, read, take);
    beyond_limit(records.count(), take);
}

fn hand_out_first(
    records: &mut dyn Iterator<Item = Record>,
    mut read: impl FnMut(Fields) -> Result<Draft, Fields>,
    take: &mut dyn FnMut(Draft),
) {
    let hasher = RandomState::new();
    let mut seen = HashSet::new();
    for record in records.take(RECORDS_MAX) {
        let draft = match record {
            Ok(Parsed { value: Value::Object(map), doubled, .. }) => {
                read(Fields::read(map, doubled)).unwrap_or_else(unknown)
            }
            Ok(other) => unreadable(&truncated(&other.value.to_string(), EXCERPT_BYTES_MAX)),
            Err(text) => unreadable(&text),
        };
        if draft.key.is_empty() || seen.insert(hasher.hash_one(&draft.key)) {
            take(draft);
        }
    }
}

/// The values of a list as records; whether the parser saw a key twice in what the list is a part of.
pub fn each(values: Vec<Value>, any_doubled: bool) -> impl Iterator<Item = Record> {
    values.into_iter().map(move |value| Ok(Parsed::part(value, any_doubled)))
}

/// The records of a body that is a list, one after the other, also where it cannot be read as a whole. After a record that
/// cannot be read, the next is looked for where an object follows a comma; a bracket that seems to close the list ends
/// nothing while more follows.
#[derive(Clone, Debug)]
pub struct Records<'t> {
    text: &'t [u8],
    at: usize,
    begun: bool,
    ended: bool,
    /// Behind the last record something stands that does not belong there.
    litter: bool,
    /// Everything so far was valid JSON.
    valid: bool,
    repaired: bool,
}

impl<'t> Records<'t> {
    /// The records; `None` where the text is no list or no record in it is an object.
    pub fn of(text: &'t Text<'_>) -> Option<Self> {
        let converted = text.converted;
        let text = &*text.bytes;
        let mut scanner = Scanner::new(text, 0, Allowance::new(0));
        if !scanner.pass(b'[') {
            return None;
        }
        let repaired = converted || scanner.repaired();
        let records = Self { text, at: scanner.at(), begun: false, ended: false, litter: false, valid: true, repaired };
        let holds_objects = records.clone().any(|record| record.is_ok_and(|record| record.value.is_object()));
        holds_objects.then_some(records)
    }

    /// Whether anything had to be repaired, or could not be, in what was handed out so far.
    pub fn repaired(&self) -> bool {
        self.repaired
    }

    /// [`hand_out`]; whether anything had to be repaired.
    pub fn hand_out(mut self, read: impl FnMut(Fields) -> Result<Draft, Fields>, take: &mut dyn FnMut(Draft)) -> bool {
        hand_out_first(&mut self, read, take);
        beyond_limit(self.count_rest(), take);
        self.repaired
    }

    /// Counts without building, as long as everything is valid.
    fn count_rest(&mut self) -> usize {
        let mut count = 0;
        while self.valid && !self.litter {
            let before = self.clone();
            if !self.advance() {
                return count;
            }
            match strict_end(self.text.get(self.at..).unwrap_or_default()) {
                Some(length) if ends_cleanly(self.text.get(self.at + length..).unwrap_or_default()) => {
                    self.at += length
                }
                _ => {
                    *self = Self { valid: false, ..before };
                    break;
                }
            }
            count += 1;
        }
        count + self.count()
    }

    /// Goes to where the next record should begin; `false` at the end.
    fn advance(&mut self) -> bool {
        if std::mem::take(&mut self.litter) {
            return true;
        }
        if self.ended {
            return false;
        }
        let mut scanner = Scanner::new(self.text, self.at, Allowance::new(0));
        let (mut commas, mut ends) = (0, 0);
        loop {
            if scanner.pass(b',') {
                commas += 1;
            } else if scanner.pass(b']') {
                ends += 1;
            } else {
                break;
            }
        }
        self.at = scanner.at();
        let more = self.at < self.text.len();
        let wanted = if more { (usize::from(self.begun), 0) } else { (0, 1) };
        self.repaired |= scanner.repaired() || (commas, ends) != wanted;
        (self.begun, self.ended) = (true, !more);
        more
    }

    /// The value that begins here, and where it ends; else from where to look for the next.
    fn value(&mut self) -> Result<(Parsed, usize), usize> {
        let text = self.text.get(self.at..).unwrap_or_default();
        let allowance = Allowance::new(RECORD_BYTES_MAX);
        if let Some((parsed, length)) = strict_first(text, &allowance) {
            self.repaired |= parsed.repaired;
            return Ok((parsed, self.at + length));
        }
        // What a record that is too large holds inside must not be taken for records. Where the body turns out not to be
        // valid to its end this is not tried again, or the time would grow with the square of the length.
        if allowance.is_spent() && self.valid {
            match strict_end(text) {
                Some(length) => return Err(self.at + length),
                None => self.valid = false,
            }
        }
        let mut scanner = Scanner::new(self.text, self.at, Allowance::new(RECORD_BYTES_MAX));
        match scanner.value() {
            Ok(value) => {
                self.repaired |= scanner.repaired();
                Ok((Parsed::part(value, scanner.doubled()), scanner.at()))
            }
            Err(_) => Err(scanner.token()),
        }
    }
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let is_litter = self.litter;
        if !self.advance() {
            return None;
        }
        let start = self.at;
        let from = if is_litter {
            start
        } else {
            match self.value() {
                Ok((parsed, end)) => {
                    let clean = ends_cleanly(self.text.get(end..).unwrap_or_default());
                    if clean || parsed.value.is_object() {
                        self.at = end;
                        self.litter = !clean;
                        return Some(Ok(parsed));
                    }
                    end
                }
                Err(from) => from,
            }
        };
        self.repaired = true;
        self.at = next_object(self.text, from.max(start)).unwrap_or(self.text.len());
        Some(Err(excerpt(self.text.get(start..self.at).unwrap_or_default())))
    }
}

/// Whether what follows a record is what may follow one.
fn ends_cleanly(rest: &[u8]) -> bool {
    let next = rest.iter().find(|byte| !byte.is_ascii_whitespace() && **byte != 0);
    matches!(next, None | Some(b',' | b']'))
}

/// Where an object follows a comma.
fn next_object(text: &[u8], from: usize) -> Option<usize> {
    let mut after_comma = false;
    for (at, byte) in text.iter().enumerate().skip(from) {
        match byte {
            b'{' if after_comma => return Some(at),
            b',' => after_comma = true,
            byte if byte.is_ascii_whitespace() => {}
            _ => after_comma = false,
        }
    }
    None
}

/// An object in which nothing is known.
fn unknown(fields: Fields) -> Draft {
    let incident_parts = Reading::unparsed_parts(shape_of_names(fields.names()));
    Draft { incident_parts, ..unreadable(&excerpt_of(fields)) }
}

fn unreadable(excerpt: &str) -> Draft {
    let reading = Reading::unparsed(excerpt.as_bytes(), "one of its records is not like the others");
    let draft = reading.drafts.into_iter().next().unwrap_or_default();
    Draft { title: "A record that could not be read".to_owned(), ..draft }
}

fn beyond_limit(more: usize, take: &mut dyn FnMut(Draft)) {
    if more == 0 {
        return;
    }
    take(Draft {
        kind: Event::UNPARSED.to_owned(),
        title: format!("{more} more records in one message"),
        incident_parts: Reading::unparsed_parts(vec!["more records than are read".to_owned()]),
        message: Some(format!(
            "A message may hold {RECORDS_MAX} records; those beyond are only in the stored request."
        )),
        ..Draft::default()
    });
}

/// The beginning of what is no record.
fn excerpt(text: &[u8]) -> String {
    truncated(&String::from_utf8_lossy(text.get(..EXCERPT_BYTES_MAX).unwrap_or(text)), EXCERPT_BYTES_MAX)
}

/// The record as text, short: enough to find it in the stored body.
fn excerpt_of(fields: Fields) -> String {
    let mut excerpt = String::new();
    for (name, value) in fields.rest().iter().take(EXCERPT_FIELDS_MAX) {
        let value = match value {
            Value::String(text) => truncated(text, EXCERPT_VALUE_BYTES_MAX),
            Value::Array(_) | Value::Object(_) => "…".to_owned(),
            plain => plain.to_string(),
        };
        excerpt.push_str(&format!("{}: {value}\n", truncated(name, EXCERPT_VALUE_BYTES_MAX)));
    }
    excerpt
}

/// Twice what any vendor is known to send in one body.
pub const RECORDS_MAX: usize = 10_000;
const EXCERPT_BYTES_MAX: usize = 2048;
const EXCERPT_FIELDS_MAX: usize = 16;
const EXCERPT_VALUE_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::processor_time::processor_time;

    fn read(mut fields: Fields) -> Result<Draft, Fields> {
        let Some(id) = fields.text(&["id"]) else { return Err(fields) };
        Ok(Draft { key: vec![id.clone()], kind: "t".to_owned(), title: id, ..Draft::default() })
    }

    fn titles(drafts: &[Draft]) -> Vec<&str> {
        drafts.iter().map(|draft| draft.title.as_str()).collect()
    }

    #[test]
    fn one_bad_record_does_not_cost_the_others() {
        let values = vec![json!({"id": "a"}), json!(5), json!({"no": 1}), json!({"id": "a"}), json!({"id": "b"})];
        let drafts = drafts(each(values, false), read);
        let bad = "A record that could not be read";
        assert_eq!(titles(&drafts), ["a", bad, bad, "b"]);
        assert_eq!(drafts[2].evidence.as_deref(), Some("no: 1\n"));
        assert_eq!(drafts[1].kind, "unparsed");
    }

    fn torn(body: &[u8]) -> Option<Vec<Record>> {
        let text = Text::of(body);
        Records::of(&text).map(Iterator::collect)
    }

    /// How many records could be read, how many not, and whether anything was repaired.
    fn tally(body: &str) -> Option<(usize, usize, bool)> {
        let text = Text::of(body.as_bytes());
        let mut records = Records::of(&text)?;
        let counted = records.clone().count_rest();
        let (read, unread): (Vec<Record>, Vec<Record>) = records.by_ref().partition(Result::is_ok);
        assert_eq!(counted, read.len() + unread.len(), "counting and reading differ: {body:.60}");
        Some((read.len(), unread.len(), records.repaired))
    }

    #[test]
    fn a_torn_list_keeps_what_can_be_read() {
        let body = br#"[{"id":"a"}, {"id":"b","url":"/q="><script>"}, {"id":"c"},{"id":"d","x":"},{"id":"e"},{"id":"f"#;
        let records = torn(body).unwrap();
        let ids: Vec<_> =
            records.iter().filter_map(|r| r.as_ref().ok()).map(|v| v.value["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["a", "c", "e"]);
        assert_eq!(records.iter().filter(|record| record.is_err()).count(), 3);
        let closed_early = br#"[{"id":"a","url":"x"}]","method":"GET"},{"id":"b"}]"#;
        assert_eq!(torn(closed_early).unwrap().iter().filter(|record| record.is_ok()).count(), 2);
        for hopeless in [&b"{}"[..], b"[", b"[[[[", b"[x y", b"[1,2", b"", b"[\"},{\""] {
            assert!(torn(hopeless).is_none(), "{}", String::from_utf8_lossy(hopeless));
        }
    }

    #[test]
    fn a_list_says_whether_it_was_mended() {
        for body in ["[{}]", " [ {} , {\"a\":[1]} , 7 ] ", "[{\"a\":\"],[\"}]"] {
            assert!(!tally(body).unwrap().2, "{body}");
        }
        for body in
            ["[{},]", "[,{}]", "[{},,{}]", "[{}", "[{}]]", "[{}],{}]", "[{}\0]", "[{\"a\":1,\"a\":2}]", "[{},1-2]"]
        {
            assert!(tally(body).unwrap().2, "{body}");
        }
    }

    #[test]
    fn a_record_that_takes_too_much_costs_no_other_and_hides_no_records_of_its_own() {
        let huge = format!("{{\"a\":[{}{{\"id\":\"inside\"}}]}}", "{\"id\":0},".repeat(100_000));
        assert_eq!(tally(&format!("[{{\"id\":1}},{huge},{{\"id\":2}}]")), Some((2, 1, true)));
    }

    /// Four times as long a body takes four times as long, and sixteen times if something is quadratic: measured in
    /// processor time, which other work on the machine does not lengthen.
    #[test]
    fn tearing_stays_linear() {
        let long = format!(",1,{{\"a\":{}", "[".repeat(130));
        let took = |piece: &str, bytes: usize| {
            let body = format!("[{}", piece.repeat(bytes / piece.len()));
            processor_time(|| tally(&body)).1
        };
        for piece in ["{\"},", "},{\"", "{x},", "{\"a\":{\"a\":", "},{ ", "[{\"a\":1}x,", "},", "\",", "{},", &long] {
            let is_linear = (0..5).any(|_| took(piece, 400_000) < 12 * took(piece, 100_000));
            assert!(is_linear, "{piece}");
        }
    }

    #[test]
    fn more_than_the_limit_is_counted() {
        let values = (0..RECORDS_MAX + 7).map(|n| json!({"id": n})).collect();
        let drafts = drafts(each(values, false), read);
        assert_eq!(drafts.len(), RECORDS_MAX + 1);
        assert_eq!(drafts.last().unwrap().title, "7 more records in one message");
        let body = format!("[{}{{}}]", "{},".repeat(RECORDS_MAX + 2));
        let text = Text::of(body.as_bytes());
        let mut last = None;
        assert!(!Records::of(&text).unwrap().hand_out(Err, &mut |draft| last = Some(draft.title)));
        assert_eq!(last.unwrap(), "3 more records in one message");
    }
}
