//! Which characters take no space on a screen.

/// Whether `c` cannot be seen: a direction control, a filler or a tag. Such characters make `gpj.exe` read as `exe.jpg`,
/// split a word so that a search misses it, or hide whole sentences. Unicode's Default_Ignorable_Code_Point and Bidi_Control,
/// and the annotation marks. Two are left out because scripts and emoji are written with them: the joiner U+200D and the
/// presentation selectors U+FE0E and U+FE0F.
pub fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0d}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_no_space_is_hidden_and_what_people_write_is_not() {
        for hidden in ['\u{61c}', '\u{200b}', '\u{200c}', '\u{202e}', '\u{2066}', '\u{feff}', '\u{e0041}', '\u{ad}'] {
            assert!(is_hidden(hidden), "U+{:04x}", u32::from(hidden));
        }
        for seen in ['a', 'é', '中', '👩', '\u{200d}', '\u{fe0f}', ' ', '\u{a0}', '\u{301}', 'ا'] {
            assert!(!is_hidden(seen), "U+{:04x}", u32::from(seen));
        }
    }
}
