//! An event in the Common Event Format, version 0.
//!
//! The format has a place for the facts of an event and none for everything: labels, links beyond the first and the
//! vendor's own fields are left out. Values are cut to the lengths of the format's dictionary, and further where the
//! message is too long; a value that was cut ends with `…`.

use std::net::IpAddr;

use super::width::{cut, widest};
use crate::domain::{Event, EventOutcome, Severity, Timestamp};

/// The event as one line of at most `max` bytes, and whether anything of it was cut; `None` where it cannot be made short
/// enough.
pub(super) fn fit(event: &Event, max: usize) -> Option<(String, bool)> {
    let (record, is_cut) = Record::of(event);
    let whole = record.line(usize::MAX);
    if whole.len() <= max {
        return Some((whole, is_cut));
    }
    let least = (max / TEXTS_MIN).max(WIDTH_MIN);
    for kept in (0..=record.fields.len()).rev() {
        let record = Record { fields: record.fields.get(..kept)?.to_vec(), ..record.clone() };
        if let Some(line) = widest(least, max, |width| record.line(width)) {
            return Some((line, true));
        }
    }
    None
}

#[derive(Clone)]
struct Record {
    /// Vendor, product, version, signature and name.
    header: Vec<String>,
    severity: u8,
    fields: Vec<Field>,
}

/// A value of the extension, with its label where its key says nothing.
#[derive(Clone)]
struct Field {
    key: &'static str,
    label: Option<(&'static str, &'static str)>,
    value: String,
}

/// Gathers the fields, in the order in which they are kept.
#[derive(Default)]
struct Fields {
    fields: Vec<Field>,
    is_cut: bool,
}

impl Fields {
    fn add(&mut self, key: &'static str, chars_max: usize, value: Option<&str>) {
        self.push(key, None, chars_max, value);
    }

    fn custom(
        &mut self,
        key: &'static str,
        label: (&'static str, &'static str),
        chars_max: usize,
        value: Option<&str>,
    ) {
        self.push(key, Some(label), chars_max, value);
    }

    fn push(
        &mut self,
        key: &'static str,
        label: Option<(&'static str, &'static str)>,
        chars_max: usize,
        value: Option<&str>,
    ) {
        let value = visible(value.unwrap_or_default());
        let value = value.trim();
        if !value.is_empty() {
            let value = self.limited(value, chars_max);
            self.fields.push(Field { key, label, value });
        }
    }

    /// At most so many characters.
    fn limited(&mut self, value: &str, chars_max: usize) -> String {
        let shorter = cut_chars(value, chars_max);
        self.is_cut |= shorter.is_some();
        shorter.unwrap_or_else(|| value.to_owned())
    }
}

impl Record {
    /// What the event has to say, and whether something was longer than the dictionary allows.
    fn of(event: &Event) -> (Self, bool) {
        let mut fields = Fields::default();
        let rule = event.rule.as_ref();
        let signature = rule.and_then(|rule| rule.id.as_deref()).unwrap_or(&event.kind);
        let header = [
            (event.vendor.as_str(), VENDOR_CHARS_MAX),
            (event.vendor.as_str(), VENDOR_CHARS_MAX),
            (VERSION, VERSION_CHARS_MAX),
            (signature, LONG),
            (event.title.as_str(), NAME_CHARS_MAX),
        ];
        let header = header.map(|(text, max)| fields.limited(visible(&text.replace(['\r', '\n'], " ")).trim(), max));
        fields.add("rt", LONG, Some(&millis(event.time)));
        fields.add("externalId", EXTERNAL_ID_CHARS_MAX, Some(&event.id.to_string()));
        fields.add("cat", LONG, Some(&event.kind));
        fields.add("act", ACTION_CHARS_MAX, event.outcome.map(EventOutcome::as_str));
        add_actor_and_target(event, &mut fields);
        fields.add("msg", LONG, event.message.as_deref());
        fields.custom("cs1", ("cs1Label", "source"), CUSTOM, Some(event.source.as_str()));
        fields.custom("cs2", ("cs2Label", "key"), CUSTOM, Some(&event.key.to_string()));
        fields.custom("cs3", ("cs3Label", "vendorId"), CUSTOM, event.vendor_id.as_deref());
        fields.custom("cs4", ("cs4Label", "ruleName"), CUSTOM, rule.and_then(|rule| rule.name.as_deref()));
        fields.custom("flexString1", ("flexString1Label", "state"), LONG, event.state.map(|state| state.as_str()));
        fields.custom("flexString2", ("flexString2Label", "status"), LONG, event.status.as_deref());
        let received = millis(event.received_at);
        fields.custom("deviceCustomDate1", ("deviceCustomDate1Label", "receivedAt"), LONG, Some(&received));
        fields.custom("cs5", ("cs5Label", "link"), CUSTOM, event.links.first().map(|link| link.url.as_str()));
        fields.add("reason", LONG, event.impact.as_deref());
        fields.custom("cs6", ("cs6Label", "evidence"), CUSTOM, event.evidence.as_deref());
        let severity = severity(event.severity);
        (Self { header: header.to_vec(), severity, fields: fields.fields }, fields.is_cut)
    }

    /// The line, in which no text takes more than `width` bytes.
    fn line(&self, width: usize) -> String {
        let header: Vec<String> = self.header.iter().map(|text| escape(text, width, of_header)).collect();
        let mut line = format!("CEF:0|{}|{}|", header.join("|"), self.severity);
        for (number, field) in self.fields.iter().enumerate() {
            let space = if number == 0 { "" } else { " " };
            let label = field.label.map(|(key, label)| format!(" {key}={label}")).unwrap_or_default();
            line.push_str(&format!("{space}{}={}{label}", field.key, escape(&field.value, width, of_value)));
        }
        line
    }
}

fn add_actor_and_target(event: &Event, fields: &mut Fields) {
    if let Some(actor) = &event.actor {
        match actor.ip {
            Some(IpAddr::V4(ip)) => fields.add("src", LONG, Some(&ip.to_string())),
            // Version 0 has IPv4 addresses in `src`.
            Some(IpAddr::V6(ip)) => fields.custom("c6a2", ("c6a2Label", "source"), LONG, Some(&ip.to_string())),
            None => {}
        }
        fields.add("suser", LONG, actor.user.as_deref());
    }
    if let Some(target) = &event.target {
        fields.add("dhost", LONG, target.host.as_deref());
        fields.add("request", LONG, target.url.as_deref());
        fields.add("requestMethod", LONG, target.method.as_deref());
        fields.add("deviceExternalId", DEVICE_ID_CHARS_MAX, target.agent.as_deref());
    }
}

/// The format's own scale from 0 to 10.
fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 1,
        Severity::Low => 3,
        Severity::Unknown | Severity::Other => 5,
        Severity::Medium => 6,
        Severity::High => 8,
        Severity::Critical | Severity::Fatal => 10,
    }
}

fn millis(time: Timestamp) -> String {
    time.as_millis().to_string()
}

/// The text without control characters but the line breaks, which have an escape.
fn visible(text: &str) -> String {
    let kept = |c: char| match c {
        '\r' | '\n' => Some(c),
        '\t' | '\u{2028}' | '\u{2029}' | '\u{85}' => Some(' '),
        c if c.is_control() => None,
        c => Some(c),
    };
    text.chars().filter_map(kept).collect()
}

/// In the header `\` and `|` are escaped, and nothing else.
fn of_header(c: char) -> Option<char> {
    matches!(c, '\\' | '|').then_some(c)
}

/// In a value `\`, `=` and line breaks are escaped, and nothing else.
fn of_value(c: char) -> Option<char> {
    match c {
        '\\' | '=' => Some(c),
        '\n' => Some('n'),
        '\r' => Some('r'),
        _ => None,
    }
}

/// At most so many bytes, cut before it is escaped.
fn escape(text: &str, width: usize, escape: fn(char) -> Option<char>) -> String {
    let size = |c: char| escape(c).map_or(c.len_utf8(), |escaped| 1 + escaped.len_utf8());
    let shorter = cut(text, width, size);
    let mut escaped = String::with_capacity(text.len().min(width));
    for c in shorter.as_deref().unwrap_or(text).chars() {
        match escape(c) {
            Some(c) => escaped.extend(['\\', c]),
            None => escaped.push(c),
        }
    }
    escaped
}

/// At most so many characters, the mark included.
fn cut_chars(text: &str, max: usize) -> Option<String> {
    text.char_indices().nth(max)?;
    let end = text.char_indices().nth(max.saturating_sub(1)).map_or(0, |(place, _)| place);
    Some(format!("{}…", text.get(..end).unwrap_or_default()))
}

/// Of the events, not of gatepost: what a receiver's rules are written for changes when they do.
const VERSION: &str = "1";
/// The lengths of the format's dictionary.
const VENDOR_CHARS_MAX: usize = 63;
const VERSION_CHARS_MAX: usize = 31;
const NAME_CHARS_MAX: usize = 512;
const EXTERNAL_ID_CHARS_MAX: usize = 40;
const ACTION_CHARS_MAX: usize = 63;
const DEVICE_ID_CHARS_MAX: usize = 255;
const LONG: usize = 1023;
const CUSTOM: usize = 4000;
/// Ids, times and addresses are shorter, so that they are never cut.
const WIDTH_MIN: usize = 64;
/// The last fields are left out before texts are cut to less than this part of the message.
const TEXTS_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_the_format() {
        assert_eq!(escape(r"a|b\c=d", 99, of_header), r"a\|b\\c=d");
        assert_eq!(escape("a|b\\c=d\r\ne", 99, of_value), r"a|b\\c\=d\r\ne");
        assert_eq!(escape("====", 6, of_value), "\\=…", "an escape is whole or not there");
        assert_eq!(visible("a\u{1b}[1m\u{7f}b\tc\n"), "a[1mb c\n");
        assert_eq!((cut_chars("abc", 3), cut_chars("abcd", 3).as_deref()), (None, Some("ab…")));
    }
}
