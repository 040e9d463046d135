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
mod tests {
    use super::*;

    /// (before, after); credentials that scanners would take for real ones are put together in `shaped`.
    const CASES: &[(&str, &str)] = &[
        // Header lines.
        ("Authorization: Bearer abc", "Authorization: [redacted]"),
        ("authorization: Basic dXNlcjpwYXNz\r\nHost: x", "authorization: [redacted]\r\nHost: x"),
        ("GET / HTTP/1.1\nCookie: a=\"b\"; c=d\nHost: x", "GET / HTTP/1.1\nCookie: [redacted]\nHost: x"),
        ("Set-Cookie: sid=1; HttpOnly\nX: y", "Set-Cookie: [redacted]\nX: y"),
        ("Proxy-Authorization: Digest username=\"u\", response=\"r\"", "Proxy-Authorization: [redacted]"),
        ("  > X-Api-Key: k1\n", "  > X-Api-Key: [redacted]\n"),
        ("curl -H 'Authorization: Bearer abc' https://x", "curl -H 'Authorization: [redacted]' https://x"),
        ("log: Authorization: Bearer s3cr3t", "log: Authorization: [redacted]"),
        ("seen Cookie: session=abc; b=c", "seen Cookie: [redacted]"),
        // JSON, and JSON in JSON.
        (r#"{"Authorization":"Bearer abc","ip":"1.2.3.4"}"#, r#"{"Authorization":"[redacted]","ip":"1.2.3.4"}"#),
        (r#"{"cookie" : ["a=b","c=d"],"n":1}"#, r#"{"cookie" : [redacted],"n":1}"#),
        (r#"{\"authorization\":\"Bearer abc\",\"a\":\"b\"}"#, r#"{\"authorization\":\"[redacted]\",\"a\":\"b\"}"#),
        (
            r#"{"h":"{\"x\":\"{\\\"cookie\\\":\\\"a=b\\\",\\\"k\\\":1}\"}"}"#,
            r#"{"h":"{\"x\":\"{\\\"cookie\\\":\\\"[redacted]\\\",\\\"k\\\":1}\"}"}"#,
        ),
        (r#"{"raw":"GET /\r\nCookie: a=b\r\nHost: x"}"#, r#"{"raw":"GET /\r\nCookie: [redacted]\r\nHost: x"}"#),
        (r#"{"password":"a\"b","u":"v"}"#, r#"{"password":"[redacted]","u":"v"}"#),
        (r#"{"password":"a\\","u":"v"}"#, r#"{"password":"[redacted]","u":"v"}"#),
        (r#"{"client_secret": "s", "x": 1}"#, r#"{"client_secret": "[redacted]", "x": 1}"#),
        (r#"{"refreshToken":"r"}"#, r#"{"refreshToken":"[redacted]"}"#),
        (r#"{"token":12345}"#, r#"{"token":[redacted]}"#),
        (r#"{"password":"cut off in the mid"#, r#"{"password":"[redacted]"#),
        (r#"{"credentials":{"user":"u","pw":"p"},"a":1}"#, r#"{"credentials":[redacted],"a":1}"#),
        ("{'apiKey': 'abc'}", "{'apiKey': '[redacted]'}"),
        // Forms, queries, logs, XML, multipart.
        ("user=a&password=hunter2&x=1", "user=a&password=[redacted]&x=1"),
        ("https://h/p?access_token=abc&b=1", "https://h/p?access_token=[redacted]&b=1"),
        ("https://h/p?X-Amz-Signature=ab12&y", "https://h/p?X-Amz-Signature=[redacted]&y"),
        ("/cb?code=4%2F0abc&state=1", "/cb?code=[redacted]&state=1"),
        ("passwd: hunter2 next", "passwd: [redacted] next"),
        ("token: Bearer abc def", "token: [redacted] def"),
        ("AWS_SECRET_ACCESS_KEY=wJalr/K7+x", "AWS_SECRET_ACCESS_KEY=[redacted]"),
        ("<user>a</user><password>b</password>", "<user>a</user><password>[redacted]</password>"),
        ("<Password xsi:type=\"x\">b c</Password>", "<Password xsi:type=\"x\">[redacted]</Password>"),
        ("<p:userToken><![CDATA[a<b]]></p:userToken>", "<p:userToken>[redacted]</p:userToken>"),
        ("<secret>cut off", "<secret>[redacted]"),
        ("&lt;password&gt;b c&lt;/password&gt;", "&lt;password&gt;[redacted]&lt;/password&gt;"),
        (r"\u003ctoken\u003eabc\u003c/token\u003e", r"\u003ctoken\u003e[redacted]\u003c/token\u003e"),
        ("<add key=\"dbPass\" value=\"b c\" />", "<add key=\"dbPass\" value=\"[redacted]\" />"),
        ("<entry key=\"password\">b c</entry><p>x</p>", "<entry key=\"password\">[redacted]</entry><p>x</p>"),
        // Short names.
        ("user=a&pass=hunter2&x=1", "user=a&pass=[redacted]&x=1"),
        (r#"{"pass":"two words","pw":"x"}"#, r#"{"pass":"[redacted]","pw":"[redacted]"}"#),
        ("SMTP_PASS=a1 db_pass: b2 dbPass: c3", "SMTP_PASS=[redacted] db_pass: [redacted] dbPass: [redacted]"),
        ("<pass>x</pass>", "<pass>[redacted]</pass>"),
        // Plurals.
        (r#"{"passwords":["a b","c"],"n":1}"#, r#"{"passwords":[redacted],"n":1}"#),
        ("api_keys=abc,def x", "api_keys=[redacted] x"),
        ("access_tokens: abc", "access_tokens: [redacted]"),
        ("name=\"password\"\r\n\r\nhunter2\r\n--b", "name=\"password\"\r\n\r\n[redacted]\r\n--b"),
        ("%7B%22password%22%3A%22abc%22%7D", "%7B%22password%22%3A%22[redacted]%22%7D"),
        ("routing_key=0123456789abcdef0123456789abcdef!", "routing_key=[redacted]!"),
        (r#""service_key":"0123456789abcdef0123456789abcdef""#, r#""service_key":"[redacted]""#),
        // URLs.
        ("postgres://u:p@h/db", "postgres://[redacted]@h/db"),
        ("see https://user@h/x", "see https://[redacted]@h/x"),
        // Bearer in prose.
        ("sent Bearer a1b2c3d4e5", "sent Bearer [redacted]"),
        ("Basic dXNlcjpwYXNz=", "Basic [redacted]"),
        // Private keys, whole and cut off.
        ("a\n-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nb", "a\n[redacted]\nb"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn", "[redacted]"),
    ];

    const LEFT_ALONE: &[&str] = &[
        "",
        "Rate limit exceeded: 150 prompts/min",
        "Broken Object Level Authorization: user A reads what belongs to user B",
        "BOLA: Authorization: missing on 3 endpoints",
        "cookies are not the same as a cookie jar",
        "max_tokens: 100, tokens=5",
        "bypass=1, trespass: yes, compass=north",
        "Pass: 12, Fail: 3",
        "{\"bypass\":\"on\"}",
        "secrets=3",
        "<bypass>on</bypass> <p key=\"a\" value=\"b\">c</p>",
        "<password/>text <token x=\"1\"/>text",
        "{\"token\":null,\"password\":\"\",\"secret\":false}",
        "Basic authentication is used; a bearer assertion is absent",
        "key: rate-limit",
        "monkey = banana",
        "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
        "https://example.com/a@b?c=d@e",
        "user@example.com wrote to https://example.com",
        "14.143.179.162 (IN) -> POST v1/api/test/orders",
        "event 0190b6e2-1111-7222-8333-444455556666",
        "secret_name and token_type are fields",
        "eyJ is how a JWT begins",
        "AKIA is how an access key begins",
        "</password> after the tag <p>",
    ];

    #[test]
    fn named_credentials_are_taken_out() {
        for (before, after) in CASES {
            assert_eq!(text(before), *after, "{before}");
        }
    }

    #[test]
    fn credentials_are_known_by_their_shape() {
        let a = "a1B2".repeat(10);
        let shaped = [
            format!("eyJ{a}.{a}.{a}"),
            format!("eyJ{a}.{a}"),
            format!("AKIA{}", "A1".repeat(8)),
            format!("ghp_{a}"),
            format!("github_pat_{a}"),
            format!("xoxb-{a}"),
            format!("xapp-1-{a}"),
            format!("hooks.slack.com/services/T0/B0/{a}"),
            format!("sk-{a}"),
            format!("sk_live_{a}"),
            format!("AIza{a}"),
            format!("whsec_{a}"),
            format!("glpat-{a}"),
        ];
        for token in &shaped {
            assert_eq!(text(&format!("found {token} in it")), "found [redacted] in it", "{token}");
        }
    }

    #[test]
    fn what_is_no_credential_stays() {
        for harmless in LEFT_ALONE {
            assert_eq!(text(harmless), *harmless);
        }
    }

    #[test]
    fn redaction_is_idempotent() {
        for (before, _) in CASES {
            assert_eq!(text(&text(before)), text(before), "{before}");
        }
    }

    #[test]
    fn a_value_goes_by_its_name() {
        assert_eq!(value("password", "two words"), MARK);
        assert_eq!(value("routing_key", &"0a".repeat(16)), MARK);
        assert_eq!(value("env", "prod; token=abc"), "prod; token=[redacted]");
        assert_eq!(value("token=x", "prod"), MARK);
        assert_eq!(value("", ""), "");
    }

    #[test]
    fn a_url_stays_a_url() {
        assert_eq!(url("https://u:p@h.example/x?token=abc&y=1"), "https://redacted@h.example/x?token=redacted&y=1");
    }

    /// Texts that make a quadratic walk take minutes: each would be some 10^10 steps.
    #[test]
    fn time_is_linear() {
        let hostile = [
            "key=",
            "token",
            "\"key\":\"",
            "\\\\\"",
            "cookie:[",
            "password={",
            "-----BEGIN PRIVATE KEY-----",
            "a://",
            "<key>",
            "eyJaaaaaaaa.",
            "' token: ",
            "pass=",
            "passwords:[",
            "<a key=\"password\" ",
            "<password ",
            "<token><![CDATA[",
            "&lt;token&gt;",
        ];
        for piece in hostile {
            let long = piece.repeat(400_000 / piece.len());
            let (redacted, took) = crate::processor_time::processor_time(|| text(&long));
            assert!(!redacted.is_empty());
            assert!(took.as_secs() < 20, "{piece}: {took:?}");
        }
    }
}
