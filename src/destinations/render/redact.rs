//! Credentials, taken out of what people are shown.
//!
//! Excerpts of requests hold the session cookies and tokens of the users who were attacked; a chat or a ticket is read
//! by many and kept for long. This finds them by the name before them (headers and fields, in plain text, JSON, JSON
//! inside JSON, forms, XML) and by their own shape (JWT, cloud keys). It errs towards redacting too much. It promises
//! no completeness: a password in a sentence stays. Time is linear in the text: the regex engine does not backtrack,
//! and every value is walked once.
//!
//! Redact before truncating: half a token no longer has the shape by which it is recognized.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// The text with every credential that was recognized replaced by `[redacted]`.
pub fn text(text: &str) -> String {
    let text = PRIVATE_KEY.replace_all(text, MARK);
    let text = XML_PAIR.replace_all(&text, "${before}[redacted]");
    let text = XML_ELEMENT.replace_all(&text, "${before}[redacted]${after}");
    let text = named_values(&text);
    let text = BEARER.replace_all(&text, |found: &Captures<'_>| bearer(found));
    let text = QUERY.replace_all(&text, "${1}[redacted]");
    let text = USER_INFO.replace_all(&text, "${1}[redacted]@");
    SHAPED.replace_all(&text, MARK).into_owned()
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
    /// A field: the value is one word.
    Field,
    /// A field whose name is also a word of prose, `pass`: it counts where it is a name for certain.
    Short,
    /// Something that ends in `key`: a credential only if its value looks like one.
    Key,
}

impl<'t> Named<'t> {
    fn of(text: &'t str, found: &Captures<'t>) -> Option<Self> {
        let classes =
            [("header", Class::Header), ("field", Class::Field), ("short", Class::Short), ("key", Class::Key)];
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
            Class::Header if !self.quoted_name => self.header_end()?,
            Class::Key => self.key_end()?,
            Class::Short if !self.is_name() => return None,
            _ => self.field_end(),
        };
        let value = &self.text[self.value..end];
        if self.is_plural && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b',') {
            return None;
        }
        (!matches!(value, "" | "null" | "true" | "false" | MARK)).then_some(end)
    }

    /// Whether a short word is the name of a field, and neither the end of another (`bypass`) nor a verb (`tests pass: 3`).
    fn is_name(&self) -> bool {
        let before = self.text[..self.name].chars().next_back();
        let begins_hump = self.text[self.name..].starts_with('P') && before.is_some_and(|c| c.is_ascii_lowercase());
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
            return Some(value + line_end(rest).min(quoted_end(rest, quote)));
        }
        let begins_line = {
            let indent = before.trim_end_matches([' ', '\t', '<', '>', '|', '*', '$', '#']);
            indent.is_empty() || indent.ends_with('\n') || ESCAPED_BREAK_AT_END.is_match(last(indent, 16))
        };
        (begins_line || CREDENTIAL_AT_START.is_match(first(rest, 64))).then(|| value + line_end(rest))
    }

    fn field_end(&self) -> usize {
        let rest = &self.text[self.value..];
        let length = match (self.open, rest.as_bytes().first()) {
            ("", Some(b'[')) => rest.find(']').map_or(rest.len(), |end| end + 1),
            ("", Some(b'{')) => rest.find('}').map_or(rest.len(), |end| end + 1),
            ("", _) if self.separator == ">" => rest.find('<').unwrap_or(rest.len()),
            // A part of a form.
            ("", _) if self.separator.contains(['\n', '\\']) => line_end(rest),
            // A number or a word of JSON.
            ("", _) if self.quoted_name => {
                rest.find([',', '}', ']', '\n', ' ', '&', '"', '\'', '\\']).unwrap_or(rest.len())
            }
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

macro_rules! pattern {
    ($(#[$doc:meta])* $name:ident, $pattern:expr) => {
        $(#[$doc])*
        #[allow(clippy::expect_used, reason = "a constant pattern; a test compiles every one")]
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($pattern).expect("a constant pattern"));
    };
}

pattern!(
    NAMED,
    concat!(
        r"(?i)(?:(?P<header>proxy-authorization|authorization|set-cookie2?|cookie)",
        r"|(?P<field>passw(?:or)?d|pswd|passcode|pass[-_]?phrase|pwd|secret|token|api[-_]?key|access[-_]?key(?:[-_]?id)?|",
        r"private[-_]?key|signing[-_]?key|client[-_]?key|credentials?|session[-_]?id|jsessionid|phpsessid|webhook[-_]?url)(?P<plural>s)?",
        r"|(?P<short>pass|pw)",
        r"|(?P<key>key))",
        r#"(?P<close>\\*["'`]|%22|&quot;)?"#,
        r"(?P<separator>[ \t]*(?::|=>|=|%3a|%3d)[ \t]*|>|(?:\r?\n){2}|(?:\\+r)?\\+n(?:\\+r)?\\+n)",
        r#"(?P<open>\\*["'`]|%22|&quot;)?"#,
    )
);
/// The end of the name of an XML element or attribute that announces a credential.
macro_rules! xml_name {
    () => {
        concat!(
            r"(?:[a-z0-9_.:-]*?(?:passw(?:or)?d|pswd|pwd|passcode|pass[-_]?phrase|secret|token|api[-_]?key|access[-_]?key|",
            r"private[-_]?key|credential|session[-_]?id|authorization|cookie)s?|(?:[a-z0-9_.:-]*[.:_-])?(?:pass|pw)",
            r"|[a-z0-9_.:-]*(?-i:Pass))\d?",
        )
    };
}

pattern!(
    /// An element with attributes, with CDATA, or escaped: `<Password type="x">`, `&lt;token&gt;`, `\u003ctoken\u003e`.
    XML_ELEMENT,
    concat!(
        r"(?is)(?P<before>(?:<|&lt;|\\+u003c)",
        xml_name!(),
        r#"(?:\s(?:[^<>&/]|/[^<>&])*)?(?:>|&gt;|\\+u003e))"#,
        r"(?:\s*<!\[CDATA\[.*?(?:\]\]>|\z)|[^<&\\\s][^<&\\]*)(?P<after><|&|\\|\z|)"
    )
);
pattern!(
    /// A name in one attribute and its value in another, or in the element: `<add key="password" value="x"/>`.
    XML_PAIR,
    concat!(
        r#"(?is)(?P<before><[^<>]*?\s(?:name|key|id)\s*=\s*["']"#,
        xml_name!(),
        r#"["'](?:[^<>]*?\svalue\s*=\s*["']|(?:\s[^<>]*[^<>/])?>))[^<"']+"#
    )
);
pattern!(LINE_BREAK, r"[\r\n]|\\+[rn]");
pattern!(ESCAPED_BREAK_AT_END, r"\\[rn][ \t]*$");
pattern!(
    /// What a header value looks like that is a credential and no prose.
    CREDENTIAL_AT_START,
    r#"(?i)^["']?(?:(?:bearer|basic|digest|negotiate|ntlm|token|apikey|aws4-[a-z0-9-]+|hmac[a-z0-9-]*)[ \t]+\S|[^\s=;,]+=)"#
);
pattern!(
    PRIVATE_KEY,
    r"(?s)-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\z)"
);
pattern!(BEARER, r"(?i)(?P<scheme>\b(?:bearer|basic)(?:\s+|%20|\+))(?P<token>[a-z0-9._~+/=-]{8,})");
pattern!(
    /// Parameters that are credentials in a query only.
    QUERY,
    r#"(?i)([?&;](?:x-amz-signature|x-amz-credential|sig|signature|code|key|auth|sid|session|jwt|otp|pin)=)[^&\s"'<>\\]+"#
);
pattern!(USER_INFO, r#"(?i)\b([a-z][a-z0-9+.-]{1,20}://)[^\s/@"'<>?#\\]+@"#);
pattern!(
    /// What gives itself away.
    SHAPED,
    concat!(
        r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,4}",
        r"|\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
        r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}",
        r"|\bxox[a-z]-[A-Za-z0-9-]{8,}|\bxapp-[A-Za-z0-9-]{8,}",
        r"|\bhooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]+",
        r"|\bAIza[A-Za-z0-9_-]{30,}|\b[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|\bsk-[A-Za-z0-9_-]{20,}",
        r"|\bnpm_[A-Za-z0-9]{30,}|\bpypi-[A-Za-z0-9_-]{30,}|\bwhsec_[A-Za-z0-9+/=]{16,}|\bATATT[A-Za-z0-9_=-]{20,}",
    )
);

#[cfg(test)]
mod tests;
