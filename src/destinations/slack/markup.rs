//! What Slack's messages are written with.
//!
//! Two rules keep attackers' text from pinging people or faking links. It stands either in `plain_text` objects, which
//! Slack shows as they are, or in code spans with `&`, `<`, `>` escaped and backticks replaced; everything else in
//! mrkdwn is ours. And `text`, which Slack always reads as mrkdwn in notifications, is escaped as a whole.

use serde_json::{Value, json};

use crate::destinations::render::{Fact, Piece, Words, truncate, utc};
use crate::domain::{Link, Timestamp};

/// A name of letters, digits, spaces, `-` and `.` needs no quoting; any other (`_` is markup) is quoted like a value.
pub fn name(name: &str) -> String {
    let is_word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ' '));
    if is_word && name.len() <= 64 { name.to_owned() } else { code(name) }
}

/// A code span. Backticks cannot be escaped inside one, so they become apostrophes.
pub fn code(value: &str) -> String {
    let value = truncate::chars(value, VALUE_CHARS_MAX).replace('`', "'");
    format!("`{}`", escape(&value))
}

/// The three characters that Slack wants escaped, the ampersand first.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// `emoji` is off: `:skull:` in an alert's text stays text.
pub fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

pub fn section(text: Value) -> Value {
    json!({ "type": "section", "text": text })
}

pub fn serialized_len(blocks: &[Value]) -> usize {
    blocks.iter().map(|block| block.to_string().len() + 1).sum::<usize>() + 1
}

/// A line in mrkdwn: what came from outside in code spans, times in the reader's own zone.
pub fn mrkdwn(words: &Words, now: Timestamp) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Ours(text) => escape(text),
        Piece::Strong(text) => format!("*{}*", escape(text)),
        Piece::Value(text) => code(text),
        Piece::Time(time) => date(*time, now),
    };
    words.pieces().iter().map(text).collect()
}

/// Slack's token for a time, which is shown in each reader's time zone; UTC where it is not understood.
fn date(time: Timestamp, now: Timestamp) -> String {
    let seconds = time.as_millis().div_euclid(1000);
    format!("<!date^{seconds}^{{date_short_pretty}} {{time}}|{}>", utc(time, Some(now)))
}

/// Lines of mrkdwn as one section; those that do not fit are left out.
pub fn lines(lines: &[String]) -> Value {
    let mut text = String::new();
    for line in lines {
        let separator = if text.is_empty() { "" } else { "\n" };
        if text.encode_utf16().count() + line.encode_utf16().count() + separator.len() > SECTION_CHARS_MAX {
            break;
        }
        text.push_str(separator);
        text.push_str(line);
    }
    section(json!({ "type": "mrkdwn", "text": text, "verbatim": true }))
}

/// A named value.
pub fn fact(fact: &Fact) -> String {
    format!("{} {}", name(&fact.name), code(&fact.value))
}

/// Links as buttons.
pub fn buttons(links: &[Link]) -> Option<Value> {
    let button = |link: &Link| {
        let text = plain(&truncate::chars(&link.title, BUTTON_CHARS_MAX));
        json!({ "type": "button", "text": text, "url": link.url })
    };
    let all: Vec<Value> = links.iter().map(button).collect();
    (!all.is_empty()).then(|| json!({ "type": "actions", "elements": all }))
}

/// Slack refuses blocks beyond some 13,200 characters in total, which no manual says.
pub const BLOCKS_BYTES_MAX: usize = 11_900;
pub const HEADER_CHARS_MAX: usize = 150;
pub const SECTION_CHARS_MAX: usize = 2900;
const BUTTON_CHARS_MAX: usize = 75;
const VALUE_CHARS_MAX: usize = 150;
pub const EXCERPT_LINES_MAX: usize = 8;
pub const EXCERPT_CHARS_MAX: usize = 600;
