//! What a terminal is shown.

use std::io::IsTerminal;
use std::path::Path;

use crate::settings::{Fault, Level};

/// Text without control characters and without characters that turn the direction of writing: what an attacker wrote
/// must not move the cursor, recolour the screen or hide itself.
pub fn clean(text: &str) -> String {
    let harmless = |c: char| match c {
        '\n' => '\n',
        '\t' => ' ',
        c if c.is_control() || is_direction(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(harmless).collect()
}

/// A JSON text with the same characters escaped as JSON has it, so that nothing is lost. They can stand only inside its
/// strings, and all of them are written with four digits.
pub fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() || is_direction(c) {
            text.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}

/// One line, at most `width` characters.
pub fn line(text: &str, width: usize) -> String {
    let clean = clean(text).replace('\n', " ");
    if clean.chars().count() <= width {
        return clean;
    }
    let mut cut: String = clean.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Every fault on its own line, with the file's name in front: `gatepost.toml: line 12: …`.
pub fn print_faults(path: &Path, faults: &[Fault]) {
    for fault in faults {
        let level = match fault.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        eprintln!("{}: {level}: {}", path.display(), clean(&fault.to_string()));
    }
}

/// Whether standard output is looked at by a person.
pub fn is_watched() -> bool {
    std::io::stdout().is_terminal()
}

fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_commanded_by_an_alert() {
        assert_eq!(clean("a\u{1b}[2Jb\u{202e}c\u{9b}d\te"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d e");
        assert_eq!(line("one\ntwo three", 9), "one two …");
    }

    #[test]
    fn json_says_the_same_after_it_is_escaped() {
        let text = "a\u{1b}\u{7f}\u{9b}\u{202e}\u{2066}b\nc\"\\😀é";
        let json = escaped(&serde_json::json!({ text: text }).to_string());
        assert!(json.contains("\\u001b\\u007f\\u009b\\u202e\\u2066"), "{json}");
        assert_eq!(clean(&json), json);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()[text], text);
    }
}
