//! A mail as it goes out: header and body of RFC 5322, in ASCII.
//!
//! Nothing that came from outside is in the header but the subject, which is one line and encoded. Both parts are
//! quoted-printable: lines of at most 76 characters, and none that could pass for a boundary.

use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message, MultiPart, SinglePart};

use super::notice::Notice;
use super::{html, text};
use crate::domain::Timestamp;

/// What stands in the header of a mail.
pub struct Header<'a> {
    /// The sender.
    pub from: &'a Mailbox,
    /// All recipients, also those who get it by another transaction.
    pub to: &'a [Mailbox],
    /// One line.
    pub subject: &'a str,
    /// When it is sent.
    pub date: Timestamp,
    /// Its own id, in angle brackets.
    pub message_id: &'a str,
    /// The id of the first mail of the thread, where it is not this one.
    pub first_id: Option<&'a str>,
    /// Further fields, whose values are ours.
    pub more: Vec<(&'static str, String)>,
}

/// The mail, with CRLF at the end of each line.
///
/// # Errors
/// Where the header cannot be written, with the reason.
pub fn compose(header: &Header<'_>, notice: &Notice) -> Result<Vec<u8>, String> {
    let mut builder = Message::builder().from(header.from.clone());
    for to in header.to {
        builder = builder.to(to.clone());
    }
    builder = builder
        .date(at(header.date))
        .subject(header.subject)
        .message_id(Some(header.message_id.to_owned()))
        .raw_header(field("Auto-Submitted", "auto-generated".to_owned())?)
        // Exchange goes by its own.
        .raw_header(field("X-Auto-Response-Suppress", "All".to_owned())?);
    if let Some(first) = header.first_id {
        builder = builder.in_reply_to(first.to_owned()).references(first.to_owned());
    }
    for (name, value) in &header.more {
        builder = builder.raw_header(field(name, value.clone())?);
    }
    let parts = MultiPart::alternative()
        .boundary(boundary(header.message_id))
        .singlepart(part(ContentType::TEXT_PLAIN, text::render(notice))?)
        .singlepart(part(ContentType::TEXT_HTML, html::render(notice))?);
    let message = builder.multipart(parts).map_err(|error| error.to_string())?;
    Ok(message.formatted())
}

fn field(name: &'static str, value: String) -> Result<HeaderValue, String> {
    let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|error| error.to_string())?;
    Ok(HeaderValue::new(name, value))
}

fn part(content_type: ContentType, text: String) -> Result<SinglePart, String> {
    let body = Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable);
    let body = body.map_err(|_| "the text cannot be encoded".to_owned())?;
    Ok(SinglePart::builder().header(content_type).body(body))
}

/// `=_` stands in no text that is quoted-printable (RFC 2045, section 6.7).
fn boundary(message_id: &str) -> String {
    let id: String = message_id.chars().filter(char::is_ascii_alphanumeric).take(BOUNDARY_CHARS_MAX).collect();
    format!("=_{id}")
}

fn at(time: Timestamp) -> SystemTime {
    let millis = u64::try_from(time.as_millis()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

/// RFC 2046, section 5.1.1: at most 70 characters.
const BOUNDARY_CHARS_MAX: usize = 48;
