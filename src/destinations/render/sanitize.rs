//! Text without characters that people cannot see.
//!
//! Alerts quote attackers. Direction controls make `gpj.exe` read as `exe.jpg`, terminal escapes rewrite a screen, and
//! invisible tag characters hide whole sentences. They are replaced by `�`, so that it shows that something was there.

use crate::text::is_hidden;

/// One line: line breaks and runs of blanks become one space. `None` when nothing visible is left.
pub fn line(text: &str) -> Option<String> {
    let clean: String = text.chars().map(|c| if is_break(c) { ' ' } else { visible(c) }).collect();
    let joined = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    (!joined.is_empty()).then_some(joined)
}

/// Several lines, ended by `\n`; tabs stay. `None` when nothing visible is left.
pub fn text(text: &str) -> Option<String> {
    let unix = text.replace("\r\n", "\n");
    let clean: String = unix.chars().map(|c| if c == '\t' { c } else { newline_or_visible(c) }).collect();
    let trimmed = clean.trim_matches('\n').trim_end();
    (!trimmed.trim().is_empty()).then(|| trimmed.to_owned())
}

fn newline_or_visible(c: char) -> char {
    if is_break(c) { '\n' } else { visible(c) }
}

fn visible(c: char) -> char {
    if c.is_control() || is_hidden(c) { '\u{fffd}' } else { c }
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_that_shows_what_it_holds() {
        assert_eq!(line("a\r\n\tb  c").as_deref(), Some("a b c"));
        assert_eq!(line("x\u{202e}gpj.exe").as_deref(), Some("x\u{fffd}gpj.exe"));
        assert_eq!(line("\u{1b}[31mred\u{9b}0m").as_deref(), Some("\u{fffd}[31mred\u{fffd}0m"));
        assert_eq!(line("a\u{2028}b\u{85}c").as_deref(), Some("a b c"));
        assert_eq!(line(" \n\t "), None);
        assert_eq!(line(""), None);
        assert_eq!(line("👩\u{200d}🚒 é 中").as_deref(), Some("👩\u{200d}🚒 é 中"));
    }

    #[test]
    fn a_text_keeps_its_lines_and_its_indentation() {
        assert_eq!(text("\n  a\r\n\tb\u{0}\n\n").as_deref(), Some("  a\n\tb\u{fffd}"));
        assert_eq!(text("a\rb").as_deref(), Some("a\nb"));
        assert_eq!(text(" \r\n "), None);
    }
}
