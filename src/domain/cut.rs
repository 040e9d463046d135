//! Text held to the limit of a field, without half a word at its end.
//!
//! Credentials are taken out later, by their shape: half a token has none, and the password of a URL that was cut before
//! its `@` does not either. So a cut drops the word that it would go through.

/// Where to cut `text` so that at most `bytes_max` bytes stay; `None` where it fits. A word at the end that would be cut
/// is dropped whole, if it is no longer than [`WORD_CHARS_MAX`] and half of what would stay.
pub(super) fn bytes(text: &str, bytes_max: usize) -> Option<usize> {
    (text.len() > bytes_max).then(|| whole_words(text, text.floor_char_boundary(bytes_max)))
}

/// The same, of at most `chars_max` characters.
pub(super) fn chars(text: &str, chars_max: usize) -> Option<usize> {
    if text.len() <= chars_max {
        return None;
    }
    let (end, _) = text.char_indices().nth(chars_max)?;
    Some(whole_words(text, end))
}

fn whole_words(text: &str, end: usize) -> usize {
    let (kept, rest) = text.split_at(end);
    if rest.starts_with(ends_word) {
        return end;
    }
    let from = kept.ceil_char_boundary(end - (end / 2).min(WORD_CHARS_MAX));
    let last = &kept[from..];
    // A parameter of a URL, where there is no blank.
    let found = last.char_indices().rfind(|(_, c)| ends_word(*c));
    let found = found.or_else(|| last.char_indices().rfind(|(_, c)| matches!(c, '&' | '?' | ';' | ',')));
    found.map_or(end, |(at, c)| from + at + c.len_utf8())
}

/// What no token and no URL holds.
fn ends_word(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '`' | '<' | '>')
}

/// Longer than what a token needs to be recognized.
const WORD_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_drops_the_word_that_it_goes_through() {
        for (text, kept) in [
            ("abcdef gh", None),
            ("abcdef ghi", None),
            ("abcdef ghijk", Some("abcdef ")),
            ("abcdefghi jk", Some("abcdefghi ")),
            ("abcdefghij k", Some("abcdefghij")),
            ("abcdefghijk", Some("abcdefghij")),
            ("ab cdefghijk", Some("ab cdefghi")),
            ("abcd?a=b&cd=", Some("abcd?a=b&")),
            ("abcd&a\"bcdef", Some("abcd&a\"")),
            ("éééééé éééé", Some("éééééé ")),
        ] {
            assert_eq!(chars(text, 10).map(|end| &text[..end]), kept, "{text}");
        }
        assert_eq!((bytes("ééé", 6), bytes("ééé", 5), bytes("aaa éé", 7)), (None, Some(4), Some(4)));
        assert_eq!((chars("ab", 0), bytes("", 0)), (Some(0), None));
    }

    #[test]
    fn a_long_word_is_cut_where_the_field_ends() {
        let text = format!("{} {}", "x".repeat(700), "y".repeat(400));
        assert_eq!((chars(&text, 1000), chars(&text, 850)), (Some(1000), Some(701)));
    }
}
