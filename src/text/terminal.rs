//! What a terminal may be shown: nothing that it obeys, nothing that it hides.

use super::is_hidden;

/// Text in which what a terminal would obey or hide is replaced by `�`, so that it shows that something was there. Line
/// breaks stay, a tab becomes a space.
pub fn for_terminal(text: &str) -> String {
    let harmless = |c: char| match c {
        '\n' => '\n',
        '\t' => ' ',
        c if is_harmful(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(harmless).collect()
}

/// A JSON text with the same characters escaped as JSON has it (RFC 8259, 7), so that nothing is lost. They can stand
/// only inside its strings.
pub fn escape_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_harmful(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        } else {
            text.push(c);
        }
    }
    text
}

/// Unlike in chat, where emoji are joined by it, the joiner U+200D is not let through: few terminals join by it, and all
/// hide it.
fn is_harmful(c: char) -> bool {
    c.is_control() || is_hidden(c) || matches!(c, '\u{200d}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A character of each kind: controls of both ranges, directions, zero-width, tags, a variation selector.
    const HARMFUL: &str = "\u{1b}\u{7f}\u{9b}\u{61c}\u{200b}\u{200c}\u{200d}\u{200e}\u{202e}\u{2028}\u{2060}\u{2066}\u{feff}\u{e0001}\u{e0041}\u{e0100}";

    #[test]
    fn a_terminal_is_not_commanded_and_hides_nothing() {
        assert_eq!(for_terminal("a\u{1b}[2Jb\u{202e}c\u{9b}d\te\nf"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d e\nf");
        assert_eq!(for_terminal(HARMFUL), "\u{fffd}".repeat(HARMFUL.chars().count()));
        assert_eq!(for_terminal("Ünïcode 中 ⚠\u{fe0f} ا"), "Ünïcode 中 ⚠\u{fe0f} ا");
    }

    #[test]
    fn json_says_the_same_after_it_is_escaped() {
        let text = format!("a{HARMFUL}b\nc\"\\😀é");
        let json = escape_json(&serde_json::json!({ &text: &text }).to_string());
        assert!(json.contains("\\u061c\\u200b") && json.contains("\\udb40\\udc41"), "{json}");
        assert_eq!(for_terminal(&json), json);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()[&text], text);
    }
}
