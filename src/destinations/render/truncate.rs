//! Text truncated to the limit of a field.
//!
//! Truncate first, escape afterwards: truncating within `&amp;` would leave `&am`. Truncated text ends with `…`.

use std::borrow::Cow;

/// At most `max` characters, counted in UTF-16 units as Java and JavaScript count them. Receivers that count code
/// points see no more than that.
pub fn chars(text: &str, max: usize) -> Cow<'_, str> {
    shortened(text, max, char::len_utf16, 1)
}

/// At most `max` bytes of UTF-8.
pub fn bytes(text: &str, max: usize) -> Cow<'_, str> {
    shortened(text, max, char::len_utf8, ELLIPSIS.len_utf8())
}

/// At most `lines_max` lines that are not blank, and `chars_max` characters.
pub fn lines(text: &str, lines_max: usize, chars_max: usize) -> Cow<'_, str> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let kept: Vec<&str> = lines.by_ref().take(lines_max).collect();
    let mut kept = kept.join("\n");
    if lines.next().is_some() {
        kept.push_str("\n…");
    }
    Cow::Owned(chars(&kept, chars_max).into_owned())
}

fn shortened(text: &str, max: usize, size: fn(char) -> usize, ellipsis_size: usize) -> Cow<'_, str> {
    // Every unit is at least a byte, so a short text needs no counting.
    if text.len() <= max || text.chars().map(size).sum::<usize>() <= max {
        return Cow::Borrowed(text);
    }
    let Some(room) = max.checked_sub(ellipsis_size) else { return Cow::Borrowed("") };
    let mut used = 0;
    let mut kept: String = text
        .chars()
        .take_while(|c| {
            used += size(*c);
            used <= room
        })
        .collect();
    // A joiner at the end would glue the ellipsis to the character before it.
    kept.truncate(kept.trim_end_matches(['\u{200d}', '\u{fe0f}']).len());
    kept.push(ELLIPSIS);
    Cow::Owned(kept)
}

const ELLIPSIS: char = '…';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_left_alone() {
        assert_eq!(chars("héllo", 5), "héllo");
        assert_eq!(bytes("héllo", 6), "héllo");
        assert_eq!(chars("", 0), "");
    }

    #[test]
    fn what_does_not_fit_ends_with_an_ellipsis_at_a_character() {
        assert_eq!(chars("hello", 4), "hel…");
        assert_eq!(bytes("ééé", 5), "é…");
        assert_eq!(chars("😀😀😀", 4), "😀…");
        assert_eq!(chars("👩\u{200d}🚒x", 5), "👩…");
        assert_eq!(chars("ab", 1), "…");
        assert_eq!(bytes("abcd", 2), "");
    }

    #[test]
    fn a_few_lines_are_kept_and_the_rest_is_not_hidden() {
        assert_eq!(lines("a\n\n  b\nc", 2, 80), "a\n  b\n…");
        assert_eq!(lines("a\nb\n", 2, 80), "a\nb");
        assert_eq!(lines("abcdef", 2, 4), "abc…");
        assert_eq!(lines("", 2, 4), "");
    }

    #[test]
    fn no_limit_is_ever_passed() {
        let text = "a😀é\u{200d}中".repeat(20);
        for max in 0..120 {
            assert!(chars(&text, max).encode_utf16().count() <= max, "{max}");
            assert!(bytes(&text, max).len() <= max, "{max}");
        }
    }
}
