//! A message as a mail program reads it: RFC 5322, RFC 2045 to 2047. What a gateway of alerts must not send is refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The fields of the header, unfolded and as they came.
    pub fields: Vec<(String, String)>,
    /// The text.
    pub plain: String,
    /// The HTML.
    pub html: String,
}

impl Message {
    /// Reads a message with CRLF at the end of each line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(raw: &[u8]) -> Result<Self, String> {
        let text = checked_lines(raw)?;
        let (header, body) = text.split_once("\r\n\r\n").ok_or("no blank line after the header")?;
        let fields = fields(header)?;
        let one = |name: &str| only(&fields, name);
        for name in ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Auto-Submitted"] {
            one(name)?;
        }
        check_ids(&fields)?;
        if one("Auto-Submitted")? != "auto-generated" {
            return Err("Auto-Submitted is not auto-generated".into());
        }
        if !one("Date")?.ends_with(" +0000") {
            return Err("Date is not in UTC".into());
        }
        let content_type = one("Content-Type")?;
        let boundary = content_type
            .strip_prefix("multipart/alternative;")
            .and_then(|rest| rest.split("boundary=\"").nth(1)?.split('"').next())
            .ok_or("Content-Type is not multipart/alternative with a boundary")?;
        let [plain, html] = parts(body, boundary)?;
        let (plain, html) = (part(&plain, "text/plain")?, part(&html, "text/html")?);
        check_html(&html)?;
        let message = Self { fields, plain, html };
        if message.subject().contains(|c: char| c.is_control()) {
            return Err("Subject decodes to control characters".into());
        }
        Ok(message)
    }

    /// A field as it came; blank where there is none.
    pub fn field(&self, name: &str) -> &str {
        only(&self.fields, name).unwrap_or_default()
    }

    /// The subject, decoded.
    pub fn subject(&self) -> String {
        decoded_words(self.field("Subject"))
    }
}

/// ASCII, every line ended by CRLF and at most 998 octets long (RFC 5322, section 2.1.1).
fn checked_lines(raw: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(raw).ok().filter(|text| text.is_ascii()).ok_or("more than ASCII")?;
    if text.contains('\0') {
        return Err("a NUL".into());
    }
    let rest = text.strip_suffix("\r\n").ok_or("the last line is not ended by CRLF")?;
    for line in rest.split("\r\n") {
        if line.contains(['\r', '\n']) {
            return Err("a CR or LF by itself".into());
        }
        if line.len() > LINE_OCTETS_MAX {
            return Err(format!("a line of {} octets", line.len()));
        }
    }
    Ok(text)
}

fn fields(header: &str) -> Result<Vec<(String, String)>, String> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in header.split("\r\n") {
        if let Some(more) = line.strip_prefix([' ', '\t']) {
            let (_, value) = fields.last_mut().ok_or("the header begins with a folded line")?;
            if more.trim().is_empty() {
                return Err("a folded line of blanks".into());
            }
            value.push(' ');
            value.push_str(more.trim_start());
            continue;
        }
        let (name, value) = line.split_once(':').ok_or("a line of the header without a colon")?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a field without a name".into());
        }
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
    Ok(fields)
}

fn only<'f>(fields: &'f [(String, String)], name: &str) -> Result<&'f str, String> {
    let mut found = fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Ok(value),
        (None, _) => Err(format!("{name} is missing")),
        (Some(_), Some(_)) => Err(format!("{name} is there twice")),
    }
}

fn check_ids(fields: &[(String, String)]) -> Result<(), String> {
    for (name, value) in fields {
        let is_id = ["message-id", "in-reply-to", "references"].contains(&name.to_ascii_lowercase().as_str());
        let inside = value.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
        let is_good = inside.is_some_and(|id| {
            id.matches('@').count() == 1 && id.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>".contains(&byte))
        });
        if is_id && !is_good {
            return Err(format!("{name} is no id"));
        }
    }
    Ok(())
}

/// The two parts of a body.
fn parts(body: &str, boundary: &str) -> Result<[String; 2], String> {
    if boundary.is_empty() || boundary.len() > 70 {
        return Err("a boundary has 1 to 70 characters".into());
    }
    // The CRLF before a boundary belongs to it (RFC 2046, section 5.1.1).
    let (inside, _) = body.split_once(&format!("\r\n--{boundary}--")).ok_or("the last boundary is missing")?;
    let first = format!("--{boundary}\r\n");
    let inside = inside.strip_prefix(&first).ok_or("something stands before the first boundary")?;
    match inside.split_once(&format!("\r\n{first}")) {
        Some((plain, html)) if !html.contains(&first) => Ok([plain.to_owned(), html.to_owned()]),
        _ => Err("not two parts".into()),
    }
}

fn part(text: &str, wanted: &str) -> Result<String, String> {
    let (header, body) = text.split_once("\r\n\r\n").ok_or("a part without a header")?;
    let fields = fields(header)?;
    let content_type = only(&fields, "Content-Type")?.to_ascii_lowercase();
    if !content_type.starts_with(wanted) || !content_type.contains("charset=utf-8") {
        return Err(format!("a part is not {wanted} in UTF-8"));
    }
    let bytes = match only(&fields, "Content-Transfer-Encoding")?.to_ascii_lowercase().as_str() {
        "quoted-printable" => unquoted(body)?,
        "base64" => {
            let joined: String = body.split_whitespace().collect();
            STANDARD.decode(joined).map_err(|_| "base64 that is none")?
        }
        "7bit" => body.as_bytes().to_vec(),
        _ => return Err("an encoding that is not expected".into()),
    };
    let text = String::from_utf8(bytes).map_err(|_| "a part that is not UTF-8")?;
    let text = text.replace("\r\n", "\n");
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err("control characters in a part".into());
    }
    Ok(text)
}

fn unquoted(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut lines = text.split("\r\n").peekable();
    while let Some(line) = lines.next() {
        if line.len() > QUOTED_LINE_MAX {
            return Err("a line of quoted-printable that is too long".into());
        }
        let (line, is_soft) = line.strip_suffix('=').map_or((line, false), |line| (line, true));
        let mut pieces = line.split('=');
        out.extend_from_slice(pieces.next().unwrap_or_default().as_bytes());
        for piece in pieces {
            let (code, rest) = (piece.get(..2).ok_or("a `=` without its code")?, piece.get(2..).unwrap_or_default());
            out.extend(hex::decode(code).map_err(|_| "a `=` without its code")?);
            out.extend_from_slice(rest.as_bytes());
        }
        if !is_soft && lines.peek().is_some() {
            out.extend_from_slice(b"\r\n");
        }
    }
    Ok(out)
}

/// Nothing is run and nothing is fetched.
fn check_html(html: &str) -> Result<(), String> {
    let lower = html.to_ascii_lowercase();
    // Within text a `<` is escaped, so that what is found is a tag.
    let forbidden = ["<script", "<img", "<iframe", "<link", "<form", "<object", "<svg", "<style", "<video"];
    match forbidden.iter().find(|tag| lower.contains(**tag)) {
        Some(tag) => Err(format!("HTML holds {tag}")),
        None => Ok(()),
    }
}

/// A field with its encoded words decoded (RFC 2047).
fn decoded_words(value: &str) -> String {
    let mut out = String::new();
    let mut was_encoded = false;
    for word in value.split(' ').filter(|word| !word.is_empty()) {
        let decoded = decoded_word(word);
        // The blank between two encoded words is none.
        let is_joined = out.is_empty() || was_encoded && decoded.is_some();
        if !is_joined {
            out.push(' ');
        }
        was_encoded = decoded.is_some();
        out.push_str(&decoded.unwrap_or_else(|| word.to_owned()));
    }
    out
}

fn decoded_word(word: &str) -> Option<String> {
    let inside = word.strip_prefix("=?")?.strip_suffix("?=")?;
    let mut parts = inside.splitn(3, '?');
    let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let bytes = match encoding {
        "b" | "B" => STANDARD.decode(text).ok()?,
        "q" | "Q" => unquoted(&text.replace('_', " ")).ok()?,
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

const LINE_OCTETS_MAX: usize = 998;
const QUOTED_LINE_MAX: usize = 76;
