//! What Discord's messages are written with.
//!
//! What came from outside stands in code spans, where Discord knows no markup, no mention and no link, or has a backslash
//! before everything that could be markup. `allowed_mentions` is empty besides, so nothing rings a phone.

use crate::destinations::render::{Fact, Piece, Words, truncate, utc};
use crate::domain::{Link, Timestamp};

/// Text without effect: a backslash before each punctuation mark. Without `://` in one piece no link is made or fetched, and
/// without a bare full stop no invitation.
pub fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len() + 16), |mut out, c| {
        if c.is_ascii_punctuation() && !"%&=?!;,'\"$^".contains(c) {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// A code span. Backticks cannot be escaped inside one, so they become apostrophes.
pub fn code(text: &str, chars_max: usize) -> String {
    let text = truncate::chars(text, chars_max).replace('`', "'");
    // A blank span would be two backticks, which begin another.
    if text.trim().is_empty() { String::new() } else { format!("`{text}`") }
}

/// A line: our words escaped, what came from outside in code spans.
pub fn line(words: &Words, value_chars_max: usize, now: Timestamp) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Ours(text) => escape(text),
        Piece::Strong(text) => format!("**{}**", escape(text)),
        Piece::Value(text) => code(text, value_chars_max),
        Piece::Time(time) => escape(&utc(*time, Some(now))),
    };
    words.pieces().iter().map(text).collect()
}

/// Named values in one line.
pub fn facts(facts: &[&Fact], more_labels: usize, value_chars_max: usize) -> String {
    let fact = |fact: &&Fact| {
        format!("{} {}", escape(&truncate::chars(&fact.name, value_chars_max)), code(&fact.value, value_chars_max))
    };
    let more =
        (more_labels > 0).then(|| format!("{more_labels} more label{}", if more_labels == 1 { "" } else { "s" }));
    facts.iter().map(fact).chain(more).collect::<Vec<_>>().join(" · ")
}

/// Links in one line. Their addresses have everything encoded that markup gives a meaning to but for parentheses.
pub fn links(links: &[Link]) -> Option<String> {
    let link = |link: &Link| {
        let url = link.url.replace('(', "%28").replace(')', "%29");
        format!("[{}](<{url}>)", escape(&truncate::chars(&link.title, LINK_TITLE_CHARS_MAX)))
    };
    (!links.is_empty()).then(|| links.iter().map(link).collect::<Vec<_>>().join(" · "))
}

const LINK_TITLE_CHARS_MAX: usize = 75;
