//! A collector of logs, by syslog: RFC 5424 over TLS (RFC 5425), TCP with octet counting (RFC 6587) or UDP (RFC 5426).
//!
//! The protocol has no acknowledgement: a batch counts as delivered once it was written to the connection. What the collector
//! had perhaps not read when it died is written again before the next batch. A repetition carries the same id of the event. A message is never longer
//! than the collector takes: what is too long is cut, and says so.

mod address;
mod cef;
mod header;
mod json;
mod width;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::classify::{self, Again};
use super::connection::Proxy;
use super::event_format::EventFormat;
use super::{Build, Carrier, Collector, Kind, Message, Next, Pace, Reply, Sink, Step, SyslogMessages, Transport};
use crate::domain::{Batch, BatchEvent, BatchSize, Event, Outcome, Purpose};
use crate::settings::Section;
use header::Header;
use json::Plan;

/// The `syslog` destination.
pub const KIND: Kind = Kind {
    name: "syslog",
    title: "Syslog",
    build: Build::Sink(|section| Some(Box::new(read(section)?) as Box<dyn Sink>)),
    carrier: Carrier::Own,
    schema: r##"{
  "address": {"type": "string", "description": "The collector: tls://HOST:6514, tcp://HOST:601 or udp://HOST:514", "pattern": "^(tls|tcp|udp)://"},
  "format": {"enum": ["event", "ocsf", "cef"]},
  "facility": {"enum": ["user", "auth", "authpriv", "audit", "alert", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"]},
  "ca_file": {"type": "string", "description": "PEM certificates of the authorities to trust instead of the system's"},
  "client_cert": {"type": "string", "description": "A PEM file with the certificate that gatepost shows, then those between it and an authority"},
  "client_key": {"description": "The key of client_cert in PEM: a file, or a secret",
    "oneOf": [{"type": "string"}, {"$ref": "#/$defs/secret"}]},
  "hostname": {"type": "string", "description": "HOSTNAME of the messages; default: the name of this machine"},
  "sd_id": {"type": "string", "description": "The name of the structured data, NAME@ENTERPRISE-NUMBER"},
  "bom": {"type": "boolean", "description": "Whether a byte order mark stands before the text"},
  "max_bytes": {"type": "integer", "minimum": 1400, "maximum": 1048576, "description": "The longest frame, its length included"}
}"##,
    required: &["address"],
    template: r#"address = "tls://logs.example.com:6514"   # or "tcp://HOST:601", "udp://HOST:514"
# format = "event"                    # or "ocsf": OCSF 1.8.0 Detection Finding; or "cef": Common Event Format
# facility = "audit"                  # user, auth, authpriv, audit, alert, local0 to local7
# ca_file = "logs-ca.pem"             # trust these authorities and no other
# client_cert = "gatepost.pem"        # shown to a collector that asks for a certificate
# client_key = { file = "gatepost.key" }
# max_bytes = 8096                    # the longest frame; what is longer is cut and marked
"#,
    examples: &["address"],
};

#[derive(Debug)]
struct Syslog {
    collector: Arc<Collector>,
    form: Form,
    header: Header,
    /// What stands before the text.
    mark: &'static str,
    /// The longest message, without the length before it.
    message_bytes_max: usize,
}

/// What is written after the header.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// A JSON document.
    Json(EventFormat, &'static Plan),
    /// A line of the Common Event Format.
    Cef,
}

fn read(section: &Section) -> Option<Syslog> {
    let address = address::setting(section);
    let transport = address.as_ref().map_or(Transport::Tls, |address| address.transport);
    let tls = address::tls(section, transport);
    Proxy::refuse(section, "syslog");
    let forms = [
        ("event", Form::Json(EventFormat::Event, &json::EVENT)),
        ("ocsf", Form::Json(EventFormat::Ocsf, &json::OCSF)),
        ("cef", Form::Cef),
    ];
    let form = if section.has("format") { section.choice("format", &forms) } else { Some(forms[0].1) };
    let header = Header::setting(section);
    let mark = if section.flag("bom") { "\u{feff}" } else { "" };
    let frame_bytes_max = frame_bytes_max(section, transport);
    let address = address?;
    let collector = Collector {
        destination: section.name().to_owned(),
        transport,
        host: address.host,
        port: address.port,
        tls: tls?,
    };
    let message_bytes_max = frame_bytes_max?.saturating_sub(length_of_frame(transport));
    Some(Syslog { collector: Arc::new(collector), form: form?, header: header?, mark, message_bytes_max })
}

/// How long a frame may be, its length included; `None` where it is at fault.
fn frame_bytes_max(section: &Section, transport: Transport) -> Option<usize> {
    let (default, most) = match transport {
        Transport::Tls | Transport::Tcp => (FRAME_BYTES, FRAME_BYTES_MAX),
        Transport::Udp => (DATAGRAM_BYTES, DATAGRAM_BYTES_MAX),
    };
    let given =
        if section.has("max_bytes") { section.integer("max_bytes", FRAME_BYTES_MIN..most + 1) } else { Some(default) };
    given.and_then(|bytes| usize::try_from(bytes).ok())
}

/// The digits of the length and the space before a message of up to a mebibyte.
fn length_of_frame(transport: Transport) -> usize {
    if transport == Transport::Udp { 0 } else { LENGTH_BYTES }
}

impl Sink for Syslog {
    fn pace(&self) -> Pace {
        match self.collector.transport {
            Transport::Tls | Transport::Tcp => Pace::unlimited(1),
            // Nothing slows a sender of datagrams down but the sender.
            Transport::Udp => Pace { concurrency: 1, burst: 2, interval: DATAGRAMS_EVERY },
        }
    }

    fn batch_size(&self) -> BatchSize {
        match self.collector.transport {
            Transport::Tls | Transport::Tcp => BatchSize { events: BATCH_EVENTS_MAX, bytes: BATCH_BYTES_MAX },
            Transport::Udp => BatchSize { events: DATAGRAMS_MAX, bytes: BATCH_BYTES_MAX },
        }
    }

    fn first(&self, batch: &Batch<'_>) -> Next {
        let messages = batch.events.iter().map(|event| self.message(event, batch.purpose));
        match messages.collect::<Result<Vec<Bytes>, String>>() {
            Ok(messages) => {
                let collector = Arc::clone(&self.collector);
                Next::Send("write", Message::Syslog(SyslogMessages { collector, messages }))
            }
            Err(reason) => Next::Done(Outcome::Refused { reason }),
        }
    }

    fn next(&self, batch: &Batch<'_>, _step: Step, reply: &Reply) -> Next {
        Next::Done(match reply {
            Reply::Written => Outcome::Delivered { remote: None },
            Reply::Http(_) => classify::mixed_up(batch),
            other => match classify::http(batch, NAME, Again::Doubled, other) {
                Ok(_) => classify::mixed_up(batch),
                Err(outcome) => outcome,
            },
        })
    }
}

impl Syslog {
    /// The message of an event, never longer than the collector takes.
    fn message(&self, stored: &BatchEvent, purpose: Purpose) -> Result<Bytes, String> {
        let unreadable = |error: serde_json::Error| format!("the event cannot be written as syslog: {error}");
        // The text of the event as it is stored is needed only where it is not cut; its fields always are.
        let (event, document) = self.document(stored, purpose).map_err(unreadable)?;
        let head = self.header.of(&event, true);
        let room = self.message_bytes_max.saturating_sub(head.len() + 1 + self.mark.len());
        let (text, is_cut) = match document {
            Some(document) => json::fit(document, room),
            None => cef::fit(&event, room),
        }
        .ok_or_else(|| format!("the event does not fit into {} bytes: raise `max_bytes`", self.message_bytes_max))?;
        let head = if is_cut { head } else { self.header.of(&event, false) };
        Ok(Bytes::from(format!("{head} {}{text}", self.mark)))
    }

    fn document(&self, stored: &BatchEvent, purpose: Purpose) -> serde_json::Result<(Event, Option<json::Document>)> {
        match self.form {
            Form::Cef => Ok((EventFormat::Event.document(stored, purpose)?.0, None)),
            Form::Json(format, plan) => {
                let (event, document) = format.document(stored, purpose)?;
                Ok((event, Some(json::Document { document, plan })))
            }
        }
    }
}

const NAME: &str = "The collector";
/// What rsyslog takes unless it is told otherwise: of a longer one it makes several messages.
const FRAME_BYTES: i64 = 8096;
const FRAME_BYTES_MIN: i64 = 1400;
const FRAME_BYTES_MAX: i64 = 1 << 20;
/// What is not fragmented on its way through most networks (RFC 5426, 3.2).
const DATAGRAM_BYTES: i64 = 1400;
/// The payload of the largest datagram over IPv4.
const DATAGRAM_BYTES_MAX: i64 = 65_507;
const LENGTH_BYTES: usize = "1048576 ".len();
const BATCH_EVENTS_MAX: usize = 1000;
const BATCH_BYTES_MAX: usize = 1 << 20;
/// What the buffer of a receiver holds, which is 208 KiB unless it is told otherwise.
const DATAGRAMS_MAX: usize = 64;
const DATAGRAMS_EVERY: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests;
