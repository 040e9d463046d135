//! Lines of Markdown, as chats read it: our own words, and what came from outside in code spans.
//!
//! What must be escaped differs from chat to chat, so each hands in how it escapes.

use super::render::{Fact, Piece, Words, truncate, utc};
use crate::domain::Timestamp;

/// How a chat writes text that must have no effect.
pub(super) type Escape = fn(&str) -> String;

/// A code span, where a chat knows no markup and no mention. Backticks cannot be escaped inside one, so they become
/// apostrophes.
pub(super) fn code(text: &str, chars_max: usize) -> String {
    let text = truncate::chars(text, chars_max).replace('`', "'");
    // A blank span would be two backticks, which begin another.
    if text.trim().is_empty() { String::new() } else { format!("`{text}`") }
}

/// A line: our words escaped, what came from outside in code spans, times in UTC.
pub(super) fn line(words: &Words, value_chars_max: usize, now: Timestamp, escape: Escape) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Ours(text) => escape(text),
        Piece::Strong(text) => format!("**{}**", escape(text)),
        Piece::Value(text) => code(text, value_chars_max),
        Piece::Time(time) => escape(&utc(*time, Some(now))),
    };
    words.pieces().iter().map(text).collect()
}

/// Named values in one line, and how many more labels there are.
pub(super) fn facts(facts: &[&Fact], more_labels: usize, value_chars_max: usize, escape: Escape) -> String {
    let fact = |fact: &&Fact| {
        format!("{} {}", escape(&truncate::chars(&fact.name, value_chars_max)), code(&fact.value, value_chars_max))
    };
    let more =
        (more_labels > 0).then(|| format!("{more_labels} more label{}", if more_labels == 1 { "" } else { "s" }));
    facts.iter().map(fact).chain(more).collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_outside_cannot_leave_its_code_span() {
        for (text, span) in [("a`b", "`a'b`"), ("``", "`''`"), ("", ""), ("abcd", "`ab…`"), ("a\\", "`a\\`")] {
            assert_eq!(code(text, 3), span);
        }
        let words = Words::of("by ").value("a`*b*").then(Words::default().strong("x_y"));
        let now = Timestamp::parse("2026-11-21T02:41:00Z").unwrap();
        assert_eq!(line(&words, 10, now, |text| text.replace('_', "\\_")), "by `a'*b*`**x\\_y**");
        let fact = Fact { name: "a_b".into(), value: "`".into() };
        assert_eq!(facts(&[&fact, &fact], 1, 10, |text| text.replace('_', "-")), "a-b `'` · a-b `'` · 1 more label");
    }
}
