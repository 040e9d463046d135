//! What Mattermost's messages are written with.
//!
//! What came from outside stands in code spans, where Mattermost knows no markup and no mention, or has a backslash before
//! everything that could be markup. A backslash does not hold off a mention: outside of code spans the at sign is replaced by
//! its full-width form, so that `@channel`, `@here`, `@all` and names ring no phone.

use crate::destinations::render::truncate;
use crate::domain::Link;

/// Text without effect.
pub fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len() + 16), |mut out, c| {
        match c {
            '@' => out.push(AT),
            c if c.is_ascii_punctuation() && !"%&=?;,'\"^/".contains(c) => out.extend(['\\', c]),
            c => out.push(c),
        }
        out
    })
}

/// Links in one line. Their addresses have everything encoded that markup gives a meaning to but for parentheses and `@`.
pub fn links(links: &[Link]) -> Option<String> {
    let link = |link: &Link| {
        let url = link.url.replace('(', "%28").replace(')', "%29").replace('@', "%40");
        format!("[{}]({url})", escape(&truncate::chars(&link.title, LINK_TITLE_CHARS_MAX)))
    };
    (!links.is_empty()).then(|| links.iter().map(link).collect::<Vec<_>>().join(" · "))
}

/// Text that is no markup but may be searched for mentions: a footer, a fallback.
pub fn plain(text: &str) -> String {
    text.replace('@', &AT.to_string())
}

const AT: char = '\u{ff20}';
const LINK_TITLE_CHARS_MAX: usize = 75;
