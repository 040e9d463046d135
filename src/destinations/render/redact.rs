//! Credentials, taken out of what people are shown.
//!
//! Excerpts of requests hold the session cookies and tokens of the users who were attacked; a chat or a ticket is read
//! by many and kept for long. This finds them by the name before them (headers and fields, in plain text, JSON, JSON
//! inside JSON, forms, XML) and by their own shape (JWT, cloud keys). It errs towards redacting too much. It promises
//! no completeness: a password in a sentence stays. Time is linear in the text: the regex engine does not backtrack,
//! and every value is walked once.
//!
//! Redact before truncating: half a token no longer has the shape by which it is recognized.

mod patterns;

use regex::Captures;

use patterns::{
    BEARER, CONTINUATION, CREDENTIAL_AT_START, CURL_USER, ESCAPED_BREAK_AT_END, FLAG, HEADER_AT_START, JSON_PAIR,
    JSON_PAIR_REVERSED, LINE_BREAK, NAMED, PRIVATE_KEY, QUERY, SHAPED, USER_INFO, XML_ELEMENT, XML_PAIR,
};

/// The text with every credential that was recognized replaced by `[redacted]`.
pub fn text(text: &str) -> String {
    let text = PRIVATE_KEY.replace_all(text, MARK);
    let text = XML_PAIR.replace_all(&text, "${before}[redacted]");
    let text = XML_ELEMENT.replace_all(&text, "${before}[redacted]${after}");
    let text = JSON_PAIR_REVERSED.replace_all(&text, "${before}[redacted]${after}");
    let text = pairs(&text);
    let text = named_values(&text);
    let text = CURL_USER.replace_all(&text, "${before}${quoted}${bare}[redacted]");
    let text = FLAG.replace_all(&text, |found: &Captures<'_>| flag(found));
    let text = BEARER.replace_all(&text, |found: &Captures<'_>| bearer(found));
    let text = QUERY.replace_all(&text, "${1}${first}[redacted]");
    let text = USER_INFO.replace_all(&text, "${before}${encoded}[redacted]${after}${at}");
    SHAPED.replace_all(&text, "${before}[redacted]").into_owned()
}

/// A URL with its credentials replaced by the word `redacted`, so that it stays a URL.
pub fn url(url: &str) -> String {
    text(url).replace(MARK, "redacted")
}

/// The value of a field of that name: all of it where the name announces a credential, else what is one in it.
pub fn value(name: &str, value: &str) -> String {
    let announced = format!("{name}=x");
    if text(&announced) != announced {
        return MARK.to_owned();
    }
    let both = text(&format!("{name}={value}"));
    both.strip_prefix(&announced[..announced.len() - 1]).map_or_else(|| text(value), str::to_owned)
}

/// Replaces the values whose names stand in another field.
fn pairs(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut done = 0;
    while let Some(found) = JSON_PAIR.captures_at(text, done) {
        let value = found.get_match().end();
        let rest = &text[value..];
        let open = found.name("open").map_or("", |open| open.as_str());
        let end = value
            + match rest.as_bytes().first() {
                _ if !open.is_empty() => quoted_end(rest, open),
                Some(b'[' | b'{') => nested_end(rest),
                _ => json_word_end(rest),
            };
        kept.push_str(&text[done..value]);
        kept.push_str(if is_empty(&text[value..end]) { &text[value..end] } else { MARK });
        done = end;
    }
    kept.push_str(&text[done..]);
    kept
}

/// Replaces the values behind names such as `password` and `Authorization`.
fn named_values(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut done, mut at) = (0, 0);
    while let Some(found) = NAMED.captures_at(text, at) {
        let Some(named) = Named::of(text, &found) else { break };
        match named.value_end() {
            Some(end) => {
                kept.push_str(&text[done..named.value]);
                kept.push_str(MARK);
                (done, at) = (end, end);
            }
            None => at = named.name_end,
        }
    }
    kept.push_str(&text[done..]);
    kept
}

/// A name that announces a credential, and where its value begins.
struct Named<'t> {
    text: &'t str,
    class: Class,
    name: usize,
    name_end: usize,
    /// What stands between the name and the value, without quotes.
    separator: &'t str,
    /// Whether the name was quoted, as in JSON.
    quoted_name: bool,
    /// Whether the name ends in an `s` of its own: `tokens`, which are also counted.
    is_plural: bool,
    /// The quote that opens the value, with the backslashes before it.
    open: &'t str,
    value: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// A header: the value is the rest of the line.
    Header,
    /// A header whose name is also a word of prose: its value must look like a credential.
    Claim,
    /// A field: the value is one word.
    Field,
    /// A field whose name is also a word of prose, `pass`: it counts where it is a name for certain.
    Short,
    /// Something that ends in `key`: a credential only if its value looks like one.
    Key,
}

impl<'t> Named<'t> {
    fn of(text: &'t str, found: &Captures<'t>) -> Option<Self> {
        let classes = [
            ("header", Class::Header),
            ("claim", Class::Claim),
            ("field", Class::Field),
            ("short", Class::Short),
            ("key", Class::Key),
        ];
        let (name, class) = classes.iter().find_map(|(group, class)| Some((found.name(group)?, *class)))?;
        let open = found.name("open").map_or("", |open| open.as_str());
        Some(Self {
            text,
            class,
            name: name.start(),
            name_end: name.end(),
            separator: found.name("separator")?.as_str(),
            quoted_name: found.name("close").is_some(),
            is_plural: found.name("plural").is_some(),
            open,
            value: found.get(0)?.end(),
        })
    }

    /// Where the value ends; `None` when it is no credential.
    fn value_end(&self) -> Option<usize> {
        let multipart = self.separator.contains(['\n', '\\']);
        if multipart && !self.quoted_name || self.separator == ">" && !self.is_opening_tag() {
            return None;
        }
        let end = match self.class {
            Class::Header | Class::Claim if !self.quoted_name => self.header_end()?,
            Class::Key => self.key_end()?,
            Class::Short if !self.is_name() => return None,
            _ => self.field_end(),
        };
        let value = &self.text[self.value..end];
        if self.class == Class::Claim && !is_claim(value) {
            return None;
        }
        if self.is_plural && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b',') {
            return None;
        }
        (!is_empty(value)).then_some(end)
    }

    /// Whether a short word is the name of a field, and neither the end of another (`bypass`) nor a verb (`tests pass: 3`).
    fn is_name(&self) -> bool {
        let before = self.text[..self.name].chars().next_back();
        let begins_hump = self.text[self.name..].starts_with(|c: char| c.is_ascii_uppercase())
            && before.is_some_and(|c| c.is_ascii_lowercase());
        let is_whole = before.is_none_or(|c| !c.is_ascii_alphanumeric()) || begins_hump;
        let is_joined = begins_hump || matches!(before, Some('_' | '-' | '.'));
        let assigned = self.separator.contains('=') || self.separator.to_ascii_lowercase().contains("%3d");
        is_whole && (self.quoted_name || assigned || is_joined || !self.open.is_empty())
    }

    /// `Authorization: …` to the end of the line, or of the quotes around the line (`-H 'Authorization: …'`). In the
    /// middle of a sentence it counts only where the value looks like a credential: titles say "Authorization: broken".
    fn header_end(&self) -> Option<usize> {
        let before = &self.text[..self.name];
        let value = self.value - self.open.len();
        let rest = &self.text[value..];
        if let Some(quote) = quote_at_end(before) {
            return Some(value + folded_end(first(rest, quoted_end(rest, quote)), 0));
        }
        let line = before.trim_end_matches([' ', '\t', '<', '>', '|', '*', '$', '#']);
        if line.is_empty() || line.ends_with('\n') || ESCAPED_BREAK_AT_END.is_match(last(line, 16)) {
            return Some(value + folded_end(rest, before.len() - line.len()));
        }
        CREDENTIAL_AT_START.is_match(first(rest, 64)).then(|| value + line_end(rest))
    }

    fn field_end(&self) -> usize {
        let rest = &self.text[self.value..];
        let length = match (self.open, rest.as_bytes().first()) {
            ("", Some(b'[' | b'{')) => nested_end(rest),
            ("", _) if self.separator == ">" => rest.find('<').unwrap_or(rest.len()),
            // A part of a form.
            ("", _) if self.separator.contains(['\n', '\\']) => line_end(rest),
            // A number or a word of JSON.
            ("", _) if self.quoted_name => json_word_end(rest),
            ("", _) => bare_end(rest),
            (quote, _) => quoted_end(rest, quote),
        };
        self.value + length
    }

    fn key_end(&self) -> Option<usize> {
        let rest = first(&self.text[self.value..], 512);
        let length = rest.find(|c: char| !is_token_char(c)).unwrap_or(rest.len());
        (length >= KEY_CHARS_MIN).then_some(self.value + length)
    }

    /// `<user:password>`, and not `</password>` or `a->password>b`.
    fn is_opening_tag(&self) -> bool {
        let before = last(&self.text[..self.name], 64);
        before
            .trim_end_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-' | '.'))
            .ends_with('<')
    }
}

/// `Bearer` and `Basic` are also words of prose, so what follows must look like no word.
fn bearer(found: &Captures<'_>) -> String {
    let token = &found["token"];
    let is_word = token.len() < KEY_CHARS_MIN && token.chars().all(|c| c.is_ascii_alphabetic() || c == '.');
    if is_word { found[0].to_owned() } else { format!("{}{MARK}", &found["scheme"]) }
}

/// An option of a command; of `--password to ...` in prose the next word looks like one.
fn flag(found: &Captures<'_>) -> String {
    let is_prose = |word: &str| {
        let word = word.trim_end_matches(['.', ',', ':', ';', '!', '?', ')']);
        word.len() < KEY_CHARS_MIN && word.chars().all(char::is_alphabetic)
    };
    match (found.name("word"), found.name("open")) {
        (Some(word), _) if is_prose(word.as_str()) => found[0].to_owned(),
        (_, open) => format!("{}{}{MARK}", &found["before"], open.map_or("", |open| open.as_str())),
    }
}

/// Whether a value is one that says that there is none, or that it has been taken out.
fn is_empty(value: &str) -> bool {
    matches!(value, "" | "null" | "true" | "false" | MARK)
}

/// Whether a value has a form of credentials, or is a word that is none of prose.
fn is_claim(value: &str) -> bool {
    let is_word = value.len() >= 8 && value.chars().all(is_token_char);
    CREDENTIAL_AT_START.is_match(first(value, 64)) || is_word && value.contains(|c: char| c.is_ascii_digit())
}

/// The end of a value in quotes, where the quote may be escaped (`\"`, `\\\"`) as deep as the JSON is nested: the next
/// quote that is escaped no deeper than the first.
fn quoted_end(rest: &str, open: &str) -> usize {
    if open.starts_with(['%', '&']) {
        return rest.find(open).unwrap_or(rest.len());
    }
    let (depth, quote) = (open.len() - 1, open.as_bytes()[open.len() - 1]);
    let mut backslashes = 0;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'\\' => backslashes += 1,
            _ if byte == quote && (backslashes <= depth || depth == 0 && backslashes % 2 == 0) => {
                return at - backslashes.min(depth);
            }
            _ => backslashes = 0,
        }
    }
    rest.len()
}

/// The end of a list or an object, with all that is in it. A quote begins a string only where a value or a name is due:
/// elsewhere it is an apostrophe.
fn nested_end(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let (mut at, mut depth, mut is_due, mut backslashes) = (0, 0_usize, false, 0);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        let escapes = std::mem::take(&mut backslashes);
        match byte {
            b'\\' => backslashes = escapes + 1,
            b'"' | b'\'' | b'`' if is_due => {
                let open = &rest[at - 1 - escapes..at];
                at += quoted_end(&rest[at..], open);
                // Any other end is that of the string around it all, or of the text.
                if !rest[at..].starts_with(open) {
                    return at;
                }
                at += open.len();
                is_due = false;
            }
            b'[' | b'{' => (depth, is_due) = (depth + 1, true),
            b']' | b'}' if depth == 1 => return at,
            b']' | b'}' => (depth, is_due) = (depth - 1, false),
            b',' | b':' | b'=' | b'(' => is_due = true,
            // A line break in JSON within JSON, and what stands before a quote: `b"..."`.
            b'n' | b'r' | b't' if escapes > 0 => {}
            b'b' | b'B' | b'u' | b'U' | b'r' | b'R' | b'f' | b'F' => {}
            _ if byte.is_ascii_whitespace() => {}
            _ => is_due = false,
        }
    }
    bytes.len()
}

/// The end of a word without quotes. A scheme (`token: Bearer x`) includes the next word.
fn bare_end(rest: &str) -> usize {
    let word = |from: usize| {
        let stops = |c: char| c.is_whitespace() || matches!(c, '&' | '"' | '\'' | '`' | '\\' | '<' | '>');
        rest[from..].find(stops).map_or(rest.len(), |length| from + length)
    };
    let end = word(0);
    if !matches!(rest[..end].to_ascii_lowercase().as_str(), "bearer" | "basic" | "token" | "digest") {
        return end;
    }
    word(rest.len() - rest[end..].trim_start_matches([' ', '\t']).len())
}

/// The end of a header line: a line break, real or escaped as in JSON.
fn line_end(rest: &str) -> usize {
    LINE_BREAK.find(rest).map_or(rest.len(), |end| end.start())
}

/// The end of a header at the beginning of a line: those that follow and are indented more belong to it, unless they are
/// headers themselves.
fn folded_end(rest: &str, indent: usize) -> usize {
    let mut end = line_end(rest);
    while let Some(next) = CONTINUATION.captures(&rest[end..]) {
        let line = &rest[end + next.get_match().end()..];
        if next["indent"].len() <= indent || HEADER_AT_START.is_match(line) {
            break;
        }
        end = rest.len() - line.len() + line_end(line);
    }
    end
}

/// The end of a number or a word of JSON.
fn json_word_end(rest: &str) -> usize {
    rest.find([',', '}', ']', '\n', ' ', '&', '"', '\'', '\\']).unwrap_or(rest.len())
}

/// The quote with its backslashes that `before` ends with.
fn quote_at_end(before: &str) -> Option<&str> {
    let bare = before.strip_suffix(['"', '\'', '`'])?;
    Some(&before[bare.trim_end_matches('\\').len()..])
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/' | '=' | '.' | '~')
}

/// At most `max` bytes from the start, whole characters.
fn first(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// At most `max` bytes from the end, whole characters.
fn last(text: &str, max: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(max))..]
}

const MARK: &str = "[redacted]";

/// A key shorter than this is more likely the name of one.
const KEY_CHARS_MIN: usize = 20;

#[cfg(test)]
mod tests;
