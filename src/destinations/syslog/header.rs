//! The header of a message and its structured data (RFC 5424, 6.2 and 6.3).

use crate::domain::{Event, Severity};
use crate::settings::Section;

/// What is the same in the header of every message.
#[derive(Debug)]
pub(super) struct Header {
    facility: u8,
    hostname: String,
    sd_id: String,
    pub process: u32,
}

impl Header {
    /// Reads `facility`, `hostname` and `sd_id`; `None` where one is at fault.
    pub fn setting(section: &Section) -> Option<Self> {
        let facility = if section.has("facility") { section.choice("facility", FACILITIES) } else { Some(AUDIT) };
        let hostname = if section.has("hostname") { hostname(section) } else { Some(of_machine(section)) };
        let sd_id = if section.has("sd_id") { sd_id(section) } else { Some(SD_ID.to_owned()) };
        Some(Self { facility: facility?, hostname: hostname?, sd_id: sd_id?, process: std::process::id() })
    }

    /// Everything before the text of the event, without the space after it.
    pub fn of(&self, event: &Event, is_cut: bool) -> String {
        let priority = u32::from(self.facility) * 8 + u32::from(severity(event.severity));
        let (time, hostname, process) = (event.time, &self.hostname, self.process);
        let message_id = printable(&event.kind, MSGID_CHARS_MAX);
        let mut head = format!("<{priority}>1 {time} {hostname} gatepost {process} {message_id} [{}", self.sd_id);
        let (id, source) = (event.id.to_string(), event.source.to_string());
        let mut parameters = vec![("event_id", id.as_str()), ("source", source.as_str())];
        if is_cut {
            parameters.push(("truncated", "true"));
        }
        for (name, value) in parameters {
            head.push_str(&format!(" {name}=\"{}\"", escaped(value)));
        }
        head.push(']');
        head
    }
}

/// RFC 5424, 6.3.3: a backslash stands before `"`, `\` and `]`.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '"' | '\\' | ']') {
            escaped.push('\\');
        }
        escaped.push(if c.is_control() { ' ' } else { c });
    }
    escaped
}

/// The numerical code of the severity (RFC 5424, table 2).
fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Fatal => 1,
        Severity::Critical => 2,
        Severity::High => 3,
        Severity::Medium => 4,
        Severity::Low | Severity::Unknown | Severity::Other => 5,
        Severity::Informational => 6,
    }
}

/// Printable ASCII without spaces, `_` in the place of everything else; `-` where nothing is left.
fn printable(text: &str, chars_max: usize) -> String {
    let kept = text.trim().chars().take(chars_max).map(|c| if c.is_ascii_graphic() { c } else { '_' });
    let kept: String = kept.collect();
    if kept.is_empty() { NIL.to_owned() } else { kept }
}

fn of_machine(section: &Section) -> String {
    printable(&section.machine_name().unwrap_or_default(), HOSTNAME_CHARS_MAX)
}

fn hostname(section: &Section) -> Option<String> {
    let name = section.required_text("hostname")?;
    if name.len() > HOSTNAME_CHARS_MAX || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        section.fault("hostname", "is not the name of a host", "write at most 255 letters, digits, dots and hyphens");
        return None;
    }
    Some(name)
}

fn sd_id(section: &Section) -> Option<String> {
    let id = section.required_text("sd_id")?;
    let is_name = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'=' | b']' | b'"' | b'@');
    let is_good = id.split_once('@').is_some_and(|(name, number)| {
        let is_number =
            number.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        !name.is_empty() && name.bytes().all(is_name) && is_number
    });
    if id.len() > SD_ID_CHARS_MAX || !is_good {
        let fix = "write NAME@NUMBER with the enterprise number of your organization, at most 32 characters";
        section.fault("sd_id", "is not a name of structured data", fix);
        return None;
    }
    Some(id)
}

/// RFC 5424, table 1.
const FACILITIES: &[(&str, u8)] = &[
    ("user", 1),
    ("auth", 4),
    ("authpriv", 10),
    ("audit", AUDIT),
    ("alert", 14),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];
const AUDIT: u8 = 13;
/// RFC 5424, 6: nothing to say.
const NIL: &str = "-";
/// 32473 is the enterprise number of examples (RFC 5612): gatepost has none of its own.
const SD_ID: &str = "gatepost@32473";
/// RFC 5424, 6.
const HOSTNAME_CHARS_MAX: usize = 255;
const MSGID_CHARS_MAX: usize = 32;
const SD_ID_CHARS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_escaped_and_a_message_id_is_printable() {
        assert_eq!(escaped("a\"b\\c]d[e=f\n"), "a\\\"b\\\\c\\]d[e=f ");
        assert_eq!(printable("policy.violated", 32), "policy.violated");
        assert_eq!(printable("a b\r\n<13>1 é", 32), "a_b__<13>1__");
        assert_eq!(printable(&"x".repeat(99), 32).len(), 32);
        assert_eq!(printable(" \n", 32), "-");
    }
}
