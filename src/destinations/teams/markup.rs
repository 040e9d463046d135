//! What cards are written with.
//!
//! What came from outside stands in text runs, which Teams shows as they are. Only the first line is a text block, for it is a
//! heading to screen readers; text blocks are Markdown, so it is escaped as a whole. Nothing is ever a mention: a card has
//! mentions only where its `msteams.entities` name people, and ours has none.

use serde_json::{Value, json};

use crate::destinations::render::{Fact, Piece, Words, truncate, utc};
use crate::domain::{IncidentState, Link, Severity, Timestamp};

/// The first line: a heading, in the color of its severity, or of what is over.
pub fn heading(text: &str, severity: Severity, state: IncidentState) -> Value {
    json!({
        "type": "TextBlock",
        "text": escape(text),
        "style": "heading",
        "size": "Medium",
        "weight": "Bolder",
        "color": color(severity, state),
        "wrap": true,
    })
}

/// Markdown without effect: a backslash before each character that could have one. Two braces would begin a date.
pub fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len() + 16), |mut out, c| {
        if "\\`*_[](){}~#<>&!|".contains(c) {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// One paragraph of runs.
pub fn paragraph(runs: Vec<Value>) -> Value {
    json!({ "type": "RichTextBlock", "inlines": runs })
}

/// One paragraph that continues the one before it.
pub fn continued(runs: Vec<Value>) -> Value {
    json!({ "type": "RichTextBlock", "inlines": runs, "spacing": "None" })
}

/// Text as it is.
pub fn run(text: &str) -> Value {
    json!({ "type": "TextRun", "text": literal(text) })
}

/// Text as it is, to be seen first.
pub fn strong(text: &str) -> Value {
    json!({ "type": "TextRun", "text": literal(text), "weight": "Bolder" })
}

/// Text as it is, for a side remark.
pub fn faint(text: &str) -> Value {
    json!({ "type": "TextRun", "text": literal(text), "size": "Small", "isSubtle": true })
}

/// A line: our words as text, what came from outside in another type.
pub fn words(words: &Words, value_chars_max: usize, now: Timestamp) -> Value {
    let one = |piece: &Piece| match piece {
        Piece::Ours(text) => run(text),
        Piece::Strong(text) => strong(text),
        Piece::Value(text) => value(text, value_chars_max),
        Piece::Time(time) => run(&utc(*time, Some(now))),
    };
    let is_blank = |run: &Value| run["text"] == "";
    paragraph(words.pieces().iter().map(one).filter(|run| !is_blank(run)).collect())
}

/// Named values in one line.
pub fn facts(facts: &[&Fact], more_labels: usize, value_chars_max: usize) -> Value {
    let mut runs = Vec::new();
    for fact in facts {
        let separator = if runs.is_empty() { "" } else { " · " };
        runs.push(run(&format!("{separator}{} ", truncate::chars(&fact.name, value_chars_max))));
        runs.push(value(&fact.value, value_chars_max));
    }
    if more_labels > 0 {
        runs.push(run(&format!(" · {more_labels} more label{}", if more_labels == 1 { "" } else { "s" })));
    }
    paragraph(runs)
}

/// Links as buttons. Other kinds of buttons do not work in cards that came by a webhook.
pub fn buttons(links: &[Link]) -> Vec<Value> {
    let button = |link: &Link| {
        let title = truncate::chars(&link.title, BUTTON_CHARS_MAX);
        json!({ "type": "Action.OpenUrl", "title": title, "url": link.url })
    };
    links.iter().map(button).collect()
}

fn value(text: &str, chars_max: usize) -> Value {
    json!({ "type": "TextRun", "text": literal(&truncate::chars(text, chars_max)), "fontType": "Monospace" })
}

/// Runs show text as it is but for `{{DATE(…)}}`, which clients replace by a date: two braces never stand together.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '{' && out.ends_with('{') {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

fn color(severity: Severity, state: IncidentState) -> &'static str {
    match (state, severity) {
        (IncidentState::Resolved, _) => "Good",
        (IncidentState::Quiet, _) => "Default",
        (_, Severity::Fatal | Severity::Critical | Severity::High) => "Attention",
        (_, Severity::Medium) => "Warning",
        (_, Severity::Low) => "Accent",
        (_, Severity::Informational | Severity::Unknown | Severity::Other) => "Default",
    }
}

const BUTTON_CHARS_MAX: usize = 75;
