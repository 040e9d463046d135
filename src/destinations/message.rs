//! What goes out and what comes back, between a destination and `egress`.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use url::Url;

use super::connection::Connection;
use super::mailing::{MailResult, Mailing};
use super::tls::TlsSettings;
use crate::domain::{EventId, Headers, Secret, Timestamp};

/// Something to send.
#[derive(Debug)]
pub enum Message {
    /// An HTTP request.
    Http(HttpRequest),
    /// An HTTP request, and how it travels.
    HttpOver(Arc<Connection>, HttpRequest),
    /// Lines for a file.
    Append(Append),
    /// Mails for a mail server.
    Mail(Mailing),
    /// Messages for a collector of logs.
    Syslog(SyslogMessages),
}

/// An HTTP request. Printing it shows neither the URL's path and query, nor header values, nor the body: for many
/// receivers each of them is a credential.
pub struct HttpRequest {
    /// What is asked.
    pub method: Method,
    /// Where to. Made of the operator's settings only, never of an event.
    pub url: Url,
    /// Header lines beside `Content-Type`, such as `Authorization`.
    pub headers: Vec<(Cow<'static, str>, Secret)>,
    /// The `Content-Type` of the body.
    pub content_type: &'static str,
    /// The body; empty for `GET`.
    pub body: Bytes,
}

impl HttpRequest {
    /// A POST of a JSON document.
    pub fn post_json(url: Url, document: &serde_json::Value) -> Self {
        Self::json(Method::Post, url, document.to_string())
    }

    /// A request with a JSON document that is written already.
    pub fn json(method: Method, url: Url, document: String) -> Self {
        let content_type = "application/json; charset=utf-8";
        Self { method, url, headers: Vec::new(), content_type, body: Bytes::from(document) }
    }

    /// With one more header.
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: Secret) -> Self {
        self.headers.push((name.into(), value));
        self
    }
}

/// The methods that destinations use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `PATCH`
    Patch,
    /// `POST`
    Post,
    /// `PUT`
    Put,
}

impl Method {
    /// As it stands in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        write!(f, "{} {}://{host}/… ({} bytes)", self.method.as_str(), self.url.scheme(), self.body.len())
    }
}

/// Lines for a file: all of them are written and synced, or none counts.
#[derive(Debug)]
pub struct Append {
    /// The file; `-` is standard output.
    pub path: PathBuf,
    /// The lines, together at most [`Append::BYTES_MAX`] beyond the first one.
    pub lines: Vec<Line>,
    /// Whether they may be there already: the file's tail is searched for their ids then, and what is there is not written a
    /// second time.
    pub may_be_there: bool,
    /// When the file is put away; absent: never.
    pub rotation: Option<Rotation>,
}

/// When a file is put away and a new one begun.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// Before it is longer than so many bytes.
    pub size: Option<u64>,
    /// At the first line after each multiple of this since 1970, in UTC.
    pub every: Option<Duration>,
    /// So many that were put away are kept; absent: all.
    pub keep: Option<usize>,
    /// The present moment.
    pub now: Timestamp,
}

/// A line of a file.
#[derive(Clone, Debug)]
pub struct Line {
    /// The text without its end.
    pub text: Bytes,
    /// What only this line holds, and where a JSON string begins and ends with it.
    pub id: EventId,
}

impl Append {
    /// What an interrupted try can have left at the end of a file is searched for there.
    pub const BYTES_MAX: usize = 1 << 20;
}

/// Messages for a collector of logs, each as RFC 5424 has it and without a frame: over TCP and TLS the length stands before
/// each (RFC 6587, 3.4.1), and over UDP each is a datagram.
#[derive(Debug)]
pub struct SyslogMessages {
    /// Where to.
    pub collector: Arc<Collector>,
    /// The messages, which are written at once.
    pub messages: Vec<Bytes>,
}

/// A collector of logs. One connection to it is kept.
#[derive(Debug, PartialEq, Eq)]
pub struct Collector {
    /// The name of the destination, whose connection it is.
    pub destination: String,
    /// How messages get there.
    pub transport: Transport,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What a connection of TLS trusts.
    pub tls: TlsSettings,
}

/// How messages get to a collector of logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// RFC 5425.
    Tls,
    /// RFC 6587 with octet counting.
    Tcp,
    /// RFC 5426.
    Udp,
}

impl Transport {
    /// All with their schemes.
    pub const ALL: [(&'static str, Self); 3] = [("tls", Self::Tls), ("tcp", Self::Tcp), ("udp", Self::Udp)];

    /// The port where none is given.
    pub fn port(self) -> u16 {
        match self {
            Self::Tls => 6514,
            Self::Tcp => 601,
            Self::Udp => 514,
        }
    }
}

/// What came back.
#[derive(Debug)]
pub enum Reply {
    /// An HTTP response.
    Http(HttpReply),
    /// The line is on the disk, now or since an earlier try.
    Appended,
    /// What became of each mail, in their order.
    Mailed(Vec<MailResult>),
    /// Everything was handed to the network, by a protocol that has no acknowledgement.
    Written,
    /// No answer.
    Failed(Fault),
    /// Nothing was sent, and nothing can be until the operator has acted: the receiver has not shown that it is the right one,
    /// for example. Why, and what to do.
    NotSent(String),
}

/// An HTTP response. Redirects are not followed and arrive here as they are.
#[derive(Debug)]
pub struct HttpReply {
    /// The status code.
    pub status: u16,
    /// The header lines.
    pub headers: Headers,
    /// The body, at most [`Self::BODY_BYTES_MAX`] of it.
    pub body: Bytes,
    /// Whether the body was longer, or broke off.
    pub truncated: bool,
}

impl HttpReply {
    /// What is read of a body: no receiver has more to say that matters.
    pub const BODY_BYTES_MAX: usize = 64 << 10;

    /// Whether the body is longer than what is read of it, and did not break off.
    pub fn is_too_long(&self) -> bool {
        self.truncated && self.body.len() >= Self::BODY_BYTES_MAX
    }

    /// `Retry-After`, in seconds or as a date (RFC 9110, section 10.2.3), counted from `now` and at most an hour.
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let value = self.headers.only("retry-after")?;
        let wait = match value.parse::<u64>() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => until_http_date(value, now)?,
        };
        Some(wait.min(RETRY_AFTER_MAX))
    }

    /// The body as text, for a reason that people read: one line, at most 200 characters, no control characters.
    pub fn excerpt(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        clean.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whether the message may have arrived all the same. `false` only where it certainly has not: no address, no
    /// connection, no space to write.
    pub may_have_arrived: bool,
    /// What happened, without credentials.
    pub detail: String,
}

fn until_http_date(text: &str, now: Timestamp) -> Option<Duration> {
    let date: SystemTime = httpdate(text)?;
    let millis = i64::try_from(date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis()).ok()?;
    Some(Timestamp::from_millis(millis).since(now))
}

fn httpdate(text: &str) -> Option<SystemTime> {
    let parsed = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(parsed.timestamp().into())
}

/// A destination that asks for more is asked again after this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(retry_after: &str) -> HttpReply {
        let headers = [("Retry-After", retry_after)].into_iter().collect();
        HttpReply { status: 429, headers, body: Bytes::from_static(b"a\x1b[31m\r\n  b"), truncated: false }
    }

    #[test]
    fn retry_after_has_two_forms_and_a_ceiling() {
        let now = Timestamp::parse("2026-11-21T10:00:00Z").unwrap();
        assert_eq!(reply("30").retry_after(now), Some(Duration::from_secs(30)));
        assert_eq!(reply("Sat, 21 Nov 2026 10:01:00 GMT").retry_after(now), Some(Duration::from_secs(60)));
        assert_eq!(reply("Sat, 21 Nov 2026 09:00:00 GMT").retry_after(now), Some(Duration::ZERO));
        assert_eq!(reply("86400").retry_after(now), Some(RETRY_AFTER_MAX));
        assert_eq!(reply("soon").retry_after(now), None);
        assert_eq!(reply("-1").retry_after(now), None);
        assert_eq!(reply("1").excerpt(), "a [31m b");
    }
}
