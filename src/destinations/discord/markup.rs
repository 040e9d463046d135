//! What Discord's messages are written with.
//!
//! What came from outside stands in code spans, where Discord knows no markup, no mention and no link, or has a backslash
//! before everything that could be markup. `allowed_mentions` is empty besides, so nothing rings a phone.

use crate::destinations::render::truncate;
use crate::domain::Link;

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

/// Links in one line. Their addresses have everything encoded that markup gives a meaning to but for parentheses.
pub fn links(links: &[Link]) -> Option<String> {
    let link = |link: &Link| {
        let url = link.url.replace('(', "%28").replace(')', "%29");
        format!("[{}](<{url}>)", escape(&truncate::chars(&link.title, LINK_TITLE_CHARS_MAX)))
    };
    (!links.is_empty()).then(|| links.iter().map(link).collect::<Vec<_>>().join(" · "))
}

const LINK_TITLE_CHARS_MAX: usize = 75;
