//! How far texts have to be cut so that all of them fit together.

/// The largest number of bytes for each text with which `made` is at most `max` bytes long, and what is made with it; `None`
/// where not even `least` is small enough.
pub(super) fn widest(least: usize, max: usize, made: impl Fn(usize) -> String) -> Option<String> {
    let mut best = Some(made(least)).filter(|text| text.len() <= max)?;
    let (mut low, mut high) = (least, max.max(least));
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        let text = made(middle);
        if text.len() <= max {
            (best, low) = (text, middle);
        } else {
            high = middle - 1;
        }
    }
    Some(best)
}

/// The text where it takes at most `max` bytes once it is escaped, else its beginning with a mark. `size` says how many bytes
/// a character takes.
pub(super) fn cut(text: &str, max: usize, size: impl Fn(char) -> usize) -> Option<String> {
    let mut used = 0;
    let mut end = 0;
    for (place, c) in text.char_indices() {
        used += size(c);
        if used > max {
            return Some(format!("{}{MARK}", text.get(..end).unwrap_or_default()));
        }
        if used + MARK.len_utf8() <= max {
            end = place + c.len_utf8();
        }
    }
    None
}

/// What stands where a text was cut.
const MARK: char = '…';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_a_character_and_says_so() {
        let escaped = |c: char| if c == '"' { 2 } else { c.len_utf8() };
        assert_eq!(cut("abcdef", 6, escaped), None);
        assert_eq!(cut("abcdefg", 6, escaped).as_deref(), Some("abc…"));
        assert_eq!(cut("\"\"\"\"", 7, escaped).as_deref(), Some("\"\"…"));
        assert_eq!(cut("ééé", 5, escaped).as_deref(), Some("é…"));
        assert_eq!(cut("", 0, escaped), None);
    }

    #[test]
    fn the_widest_that_fits_is_found() {
        let made = |width: usize| "x".repeat(width * 3);
        for max in 30..200 {
            assert_eq!(widest(10, max, made).unwrap().len(), max / 3 * 3);
        }
        assert_eq!(widest(10, 29, made), None);
    }
}
