//! The grammar of a syslog message (RFC 5424, 6), read strictly.

/// A message, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The numerical code of the facility.
    pub facility: u8,
    /// The numerical code of the severity.
    pub severity: u8,
    /// TIMESTAMP.
    pub timestamp: String,
    /// HOSTNAME.
    pub hostname: String,
    /// APP-NAME.
    pub app_name: String,
    /// PROCID.
    pub process: String,
    /// MSGID.
    pub message_id: String,
    /// The elements of the structured data.
    pub structured: Vec<Element>,
    /// MSG, where there is one.
    pub text: Option<String>,
}

/// An element of the structured data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// SD-ID.
    pub id: String,
    /// Names and values, without their escapes.
    pub parameters: Vec<(String, String)>,
}

impl Received {
    /// The value of the first parameter of that name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut all = self.structured.iter().flat_map(|element| &element.parameters);
        all.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a message.
///
/// # Errors
/// What is wrong with it.
pub fn parse(message: &[u8]) -> Result<Received, String> {
    let message = std::str::from_utf8(message).map_err(|error| format!("it is no UTF-8: {error}"))?;
    let rest = message.strip_prefix('<').ok_or("it does not begin with <")?;
    let (priority, rest) = rest.split_once('>').ok_or("PRI has no end")?;
    let priority = number(priority, 191).ok_or_else(|| format!("the PRI '{priority}'"))?;
    let mut rest = rest;
    let mut next = |name: &str| {
        let (field, after) = rest.split_once(' ').ok_or_else(|| format!("it ends before {name}"))?;
        rest = after;
        Ok::<String, String>(field.to_owned())
    };
    if next("VERSION")? != "1" {
        return Err("the version is not 1".to_owned());
    }
    let timestamp = next("TIMESTAMP")?;
    if timestamp != "-" && !is_timestamp(timestamp.as_bytes()) {
        return Err(format!("the TIMESTAMP '{timestamp}'"));
    }
    let mut header = Vec::new();
    for (name, max) in [("HOSTNAME", 255), ("APP-NAME", 48), ("PROCID", 128), ("MSGID", 32)] {
        let field = next(name)?;
        if field.is_empty() || field.len() > max || !field.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("the {name} '{field}'"));
        }
        header.push(field);
    }
    let (structured, rest) = structured(rest)?;
    let text = match rest.strip_prefix(' ') {
        Some(text) => Some(text.to_owned()),
        None if rest.is_empty() => None,
        None => return Err("something stands between the structured data and the text".to_owned()),
    };
    if text.as_ref().is_some_and(|text| text.chars().any(char::is_control)) {
        return Err("the text holds a control character".to_owned());
    }
    let mut header = header.into_iter();
    let mut field = || header.next().unwrap_or_default();
    let (facility, severity) = (priority / 8, priority % 8);
    let (hostname, app_name, process, message_id) = (field(), field(), field(), field());
    Ok(Received { facility, severity, timestamp, hostname, app_name, process, message_id, structured, text })
}

/// A number up to `max`, without zeros before it.
fn number(text: &str, max: u8) -> Option<u8> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|number| is_plain && *number <= max)
}

/// `2003-10-11T22:14:15.003Z`, with up to six decimals, or with an offset.
fn is_timestamp(text: &[u8]) -> bool {
    let pattern = b"dddd-dd-ddTdd:dd:dd";
    let fits = |pattern: &[u8], text: &[u8]| {
        let same = |(wanted, found): (&u8, &u8)| if *wanted == b'd' { found.is_ascii_digit() } else { wanted == found };
        pattern.len() == text.len() && pattern.iter().zip(text).all(same)
    };
    let Some((date, rest)) = text.split_at_checked(pattern.len()) else { return false };
    let rest = match rest.split_first() {
        Some((b'.', decimals)) => {
            let count = decimals.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=6).contains(&count) {
                return false;
            }
            decimals.get(count..).unwrap_or_default()
        }
        _ => rest,
    };
    let is_offset = rest == b"Z" || fits(b"+dd:dd", rest) || fits(b"-dd:dd", rest);
    let is_real = std::str::from_utf8(text).ok().and_then(crate::domain::Timestamp::parse).is_some();
    fits(pattern, date) && is_offset && is_real
}

/// The structured data, and what stands behind it.
fn structured(text: &str) -> Result<(Vec<Element>, &str), String> {
    if let Some(rest) = text.strip_prefix('-') {
        return Ok((Vec::new(), rest));
    }
    let mut elements: Vec<Element> = Vec::new();
    let mut rest = text;
    while let Some(inner) = rest.strip_prefix('[') {
        let (element, after) = element(inner)?;
        if elements.iter().any(|other| other.id == element.id) {
            return Err(format!("the SD-ID '{}' comes twice", element.id));
        }
        elements.push(element);
        rest = after;
    }
    if elements.is_empty() { Err("there is no structured data".to_owned()) } else { Ok((elements, rest)) }
}

fn element(text: &str) -> Result<(Element, &str), String> {
    let (id, mut rest) = name(text)?;
    let mut parameters = Vec::new();
    while let Some(inner) = rest.strip_prefix(' ') {
        let (name, after) = name(inner)?;
        let after = after.strip_prefix("=\"").ok_or_else(|| format!("'{name}' has no value in quotes"))?;
        let (value, after) = value(after)?;
        parameters.push((name.to_owned(), value));
        rest = after;
    }
    let rest = rest.strip_prefix(']').ok_or("an element has no end")?;
    Ok((Element { id: id.to_owned(), parameters }, rest))
}

fn name(text: &str) -> Result<(&str, &str), String> {
    let is_part = |c: char| c.is_ascii_graphic() && !matches!(c, '=' | ']' | '"');
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    match text.split_at_checked(end) {
        Some((name, rest)) if (1..=32).contains(&name.len()) => Ok((name, rest)),
        _ => Err("a name of the structured data is empty or too long".to_owned()),
    }
}

/// A value up to its quote, without its escapes.
fn value(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((place, c)) = characters.next() {
        match c {
            '"' => return Ok((value, text.get(place + 1..).unwrap_or_default())),
            ']' => return Err("a ] in a value is not escaped".to_owned()),
            '\\' => match characters.next() {
                Some((_, c @ ('"' | '\\' | ']'))) => value.push(c),
                _ => return Err("a \\ in a value escapes nothing".to_owned()),
            },
            c => value.push(c),
        }
    }
    Err("a value has no end".to_owned())
}
