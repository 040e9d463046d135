//! What a person sees, on a terminal: cards of plain UTF-8, at most 100 columns wide.
//!
//! The text was written by attackers. Whatever could move the cursor, change colours, hide or reorder text is taken
//! out in the last step, so that no earlier step has to.

use crate::text::is_hidden;

/// Whether to write colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    #[default]
    Plain,
    /// With ANSI colours, for a terminal.
    Ansi,
}

/// How a line stands out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Not at all.
    #[default]
    Normal,
    /// A heading.
    Strong,
    /// A side remark.
    Faint,
    /// Wakes people up.
    Alarm,
}

/// A line of a card. Its text may hold anything, also line breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How it stands out.
    pub tone: Tone,
    /// What it says.
    pub text: String,
}

impl Line {
    /// A line.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, text: text.into() }
    }

    /// A line that does not stand out.
    pub fn normal(text: impl Into<String>) -> Self {
        Self::new(Tone::Normal, text)
    }
}

/// One message, ticket or page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Where it is seen.
    pub heading: String,
    /// What is seen.
    pub lines: Vec<Line>,
}

impl Card {
    /// The card as text, with a line feed at the end. The frame is open to the right: terminals disagree about the
    /// width of too many characters to close it straight.
    pub fn render(&self, style: Style) -> String {
        let mut out = String::new();
        let heading = wrap(&clean(&self.heading), COLUMNS_MAX - 3).into_iter().next().unwrap_or_default();
        push(&mut out, "╭─ ", Tone::Strong, &heading, style);
        for line in &self.lines {
            for part in line.text.split('\n') {
                for row in wrap(&clean(part), COLUMNS_MAX - 2) {
                    push(&mut out, "│ ", line.tone, &row, style);
                }
            }
        }
        out.push_str("╰─\n");
        out
    }
}

/// Takes out what is not seen itself but changes how the rest is seen: control characters (and with them every escape
/// sequence), marks of writing direction, invisible characters.
pub(super) fn clean(text: &str) -> String {
    text.chars().filter_map(|c| if c == '\t' { Some(' ') } else { (!is_invisible(c)).then_some(c) }).collect()
}

/// The presentation selector U+FE0F stays: terminals draw emoji by it.
fn is_invisible(c: char) -> bool {
    c.is_control() || is_hidden(c) || matches!(c, '\u{200d}' | '\u{2028}' | '\u{2029}' | '\u{fe0e}')
}

/// Breaks a line at spaces, and inside a word only where the word is wider than a row. The indentation of the line is
/// kept on every row.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let text = text.trim_end();
    let indent: String = text.chars().take_while(|c| *c == ' ').take(INDENT_MAX).collect();
    let mut rows = vec![indent.clone()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        place(&mut rows, word, &indent, columns);
    }
    rows
}

fn place(rows: &mut Vec<String>, word: &str, indent: &str, columns: usize) {
    let is_fresh = rows.last().is_none_or(|row| row.len() == indent.len());
    let used = rows.last().map_or(0, |row| width(row));
    let gap = usize::from(!is_fresh);
    if !is_fresh && used + gap + width(word) > columns {
        rows.push(indent.to_owned());
    } else if gap == 1 {
        append(rows, ' ');
    }
    for c in word.chars() {
        if rows.last().map_or(0, |row| width(row)) + columns_of(c) > columns {
            rows.push(indent.to_owned());
        }
        append(rows, c);
    }
}

fn append(rows: &mut [String], c: char) {
    if let Some(row) = rows.last_mut() {
        row.push(c);
    }
}

fn push(out: &mut String, edge: &str, tone: Tone, text: &str, style: Style) {
    let (on, off) = match (style, tone) {
        (Style::Plain, _) | (_, Tone::Normal) => ("", ""),
        (Style::Ansi, Tone::Strong) => ("\x1b[1m", "\x1b[0m"),
        (Style::Ansi, Tone::Faint) => ("\x1b[2m", "\x1b[0m"),
        (Style::Ansi, Tone::Alarm) => ("\x1b[1;31m", "\x1b[0m"),
    };
    out.push_str(edge);
    out.push_str(on);
    out.push_str(text);
    out.push_str(off);
    while out.ends_with(' ') {
        out.pop();
    }
    out.push('\n');
}

/// The columns that a text takes, near enough for a frame without a right side.
fn width(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

fn columns_of(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36F}' | '\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}' => 0,
        '\u{1100}'..='\u{115F}' | '\u{2E80}'..='\u{A4CF}' | '\u{AC00}'..='\u{D7A3}' | '\u{F900}'..='\u{FAFF}' => 2,
        '\u{FE30}'..='\u{FE6F}' | '\u{FF00}'..='\u{FF60}' | '\u{FFE0}'..='\u{FFE6}' | '\u{1F300}'..='\u{1FAFF}' => 2,
        '\u{20000}'..='\u{3FFFD}' => 2,
        '\u{26A0}' | '\u{26AA}' | '\u{26AB}' | '\u{2705}' | '\u{274C}' => 2,
        _ => 1,
    }
}

/// The widest row.
const COLUMNS_MAX: usize = 100;

/// Deeper indentation is truncated, so that there is space for text.
const INDENT_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn card(text: &str) -> Card {
        Card { heading: "Slack".to_owned(), lines: vec![Line::new(Tone::Alarm, text)] }
    }

    #[test]
    fn a_card_stays_within_its_columns() {
        let text = format!("a {} {} end", "word ".repeat(60), "x".repeat(250));
        let shown = card(&text).render(Style::Plain);
        assert!(shown.lines().all(|row| width(row) <= COLUMNS_MAX), "{shown}");
        let words: String = shown.lines().map(|row| row.trim_start_matches(['│', ' '])).collect();
        assert_eq!(words.matches('x').count(), 250);
        assert!(shown.starts_with("╭─ Slack\n│ a word") && shown.ends_with("end\n╰─\n"), "{shown}");
        let wide = card(&"警".repeat(200)).render(Style::Plain);
        assert!(wide.lines().all(|row| width(row) <= COLUMNS_MAX), "{wide}");
    }

    #[test]
    fn indentation_is_kept_and_bounded() {
        let shown = card(&format!("    {}", "word ".repeat(40))).render(Style::Plain);
        assert!(shown.lines().filter(|row| row.starts_with('│')).all(|row| row.starts_with("│     word")), "{shown}");
        let deep = card(&format!("{}x", " ".repeat(500))).render(Style::Plain);
        assert!(deep.lines().count() == 3 && deep.contains('x'), "{deep}");
    }

    #[test]
    fn nothing_of_an_alert_reaches_the_terminal_as_a_command() {
        let evil =
            "a\x1b[31mb\x1b]0;owned\x07c\u{9b}2Jd\r\u{8}e\u{202e}f\u{2066}g\u{200b}h\u{feff}i\u{e0041}j\u{7f}k\tl";
        for style in [Style::Plain, Style::Ansi] {
            let shown = card(evil).render(style);
            assert!(shown.contains("a[31mb]0;ownedc2Jdefghijk l"), "{shown:?}");
        }
        let plain = card(evil).render(Style::Plain);
        assert!(!plain.chars().any(|c| c != '\n' && is_invisible(c)), "{plain:?}");
        let mut heading = card("x");
        heading.heading = "a\nb\x1b[2J".to_owned();
        assert!(heading.render(Style::Plain).starts_with("╭─ ab[2J\n"));
    }

    #[test]
    fn colours_are_written_only_on_request_and_always_ended() {
        assert!(!card("x").render(Style::Plain).contains('\x1b'));
        let shown = card("x\ny").render(Style::Ansi);
        assert_eq!(shown.matches("\x1b[1;31m").count(), 2);
        assert!(shown.lines().filter(|row| row.contains('\x1b')).all(|row| row.ends_with("\x1b[0m")));
    }
}
