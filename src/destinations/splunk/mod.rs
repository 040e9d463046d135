//! Splunk: the event endpoint of the HTTP Event Collector.
//!
//! The collector knows no repetition: after a lost answer a batch may stand in the index twice. Each event carries its id as
//! the indexed field `event_id`, by which a search tells them apart. A 200 means that the collector has parsed the
//! events. With `ack` a batch counts as delivered once an indexer has acknowledged it, which is asked for in later tries.

pub(super) mod errors;
mod event;

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::classify::{self, Again, Answer};
use super::compression::Compression;
use super::errors::{Classified, ErrorRow};
use super::event_format::EventFormat;
use super::{Build, Carrier, HttpReply, HttpRequest, Kind, Message, Method, Next, Pace, Reply, Sink, Step, base};
use crate::domain::{Batch, BatchSize, Outcome, Progress, Scope, Secret};
use crate::settings::Section;

/// The `splunk` destination.
pub const KIND: Kind = Kind {
    name: "splunk",
    title: "Splunk",
    build: Build::Sink(|section| Some(Box::new(read(section)?) as Box<dyn Sink>)),
    carrier: Carrier::Http,
    schema: r##"{
  "url": {"type": "string", "description": "The base of the HTTP Event Collector", "format": "uri"},
  "api_url": {"type": "string", "description": "The same as url", "format": "uri"},
  "token": {"$ref": "#/$defs/secret", "description": "A token of the HTTP Event Collector"},
  "index": {"type": "string", "description": "Another index than the token's own"},
  "ack": {"type": "boolean", "description": "Whether to wait for the acknowledgement of an indexer"},
  "format": {"enum": ["event", "ocsf"]},
  "compression": {"enum": ["none", "gzip"]}
}"##,
    required: &["token"],
    template: r#"url = "https://splunk.example.com:8088"
token = { env = "SPLUNK_TOKEN" }    # of the HTTP Event Collector
# index = "security"                # default: the token's own
# ack = true                        # where indexer acknowledgement is switched on for the token
# format = "event"                  # or "ocsf": OCSF 1.8.0 Detection Finding
# compression = "gzip"              # of the body; default: "none"
"#,
    examples: &["url"],
};

#[derive(Debug)]
struct Splunk {
    events: Url,
    acknowledgements: Url,
    token: Secret,
    index: Option<String>,
    format: EventFormat,
    compression: Compression,
    /// The channel of the acknowledgements, where they are waited for.
    channel: Option<Uuid>,
}

fn read(section: &Section) -> Option<Splunk> {
    let base = base::setting(section, None);
    if base.as_ref().and_then(Url::host_str) == Some("splunk.example.com") {
        let key = if section.has("url") { "url" } else { "api_url" };
        section.warn(key, "still has the host of the example", "write the address of your own collector");
    }
    let format = EventFormat::setting(section, FORMATS, EventFormat::Event);
    let compression = Compression::setting(section);
    let index = index(section);
    let waits = section.flag("ack");
    let token = section.required_secret("token")?;
    if !token.expose().iter().all(u8::is_ascii_graphic) {
        section.fault("token", "is not a token of the HTTP Event Collector", "copy the token's value");
        return None;
    }
    let collector = collector(&base?);
    let [events, acknowledgements] = ["event", "ack"].map(|path| base::join(&collector, &format!("/{path}")));
    let name = [events.as_str().as_bytes(), b" ", token.expose()].concat();
    let channel = waits.then(|| Uuid::new_v5(&Uuid::NAMESPACE_URL, &name));
    Some(Splunk { events, acknowledgements, token, index: index?, format: format?, compression: compression?, channel })
}

/// The collector's folder, also where the setting names the folder or its endpoint for events.
fn collector(base: &Url) -> Url {
    let mut base = base.clone();
    let path = base.path().trim_end_matches('/').to_owned();
    base.set_path(path.strip_suffix("/event").unwrap_or(&path));
    base::join(&base, "/services/collector")
}

/// The index, where one is set; `None` where it is at fault.
fn index(section: &Section) -> Option<Option<String>> {
    if !section.has("index") {
        return Some(None);
    }
    let index = section.required_text("index")?;
    let is_good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if !index.chars().all(is_good) || index.starts_with('-') {
        let fix = "lower-case letters, digits, _ and -, not beginning with -";
        section.fault("index", "is not the name of an index", fix);
        return None;
    }
    Some(Some(index))
}

impl Sink for Splunk {
    fn pace(&self) -> Pace {
        PACE
    }

    fn batch_size(&self) -> BatchSize {
        BatchSize { events: BATCH_EVENTS_MAX, bytes: BATCH_BYTES_MAX }
    }

    fn first(&self, batch: &Batch<'_>) -> Next {
        if let (Some(channel), Some(awaited)) = (self.channel, Awaited::of(batch)) {
            return self.ask(channel, awaited);
        }
        match event::body(batch, self.format, self.index.as_deref()) {
            Ok(body) => {
                Next::Send("event", Message::Http(self.compression.apply(self.request(self.events.clone(), body))))
            }
            Err(error) => {
                Next::Done(Outcome::Refused { reason: format!("the event cannot be written as JSON: {error}") })
            }
        }
    }

    fn next(&self, batch: &Batch<'_>, step: Step, reply: &Reply) -> Next {
        // The events may be there twice; to ask for an acknowledgement does no harm.
        let again = if step == "ack" { Again::Harmless } else { Again::Doubled };
        Next::Done(match classify::http(batch, NAME, again, reply) {
            Ok(reply) if step == "ack" => self.acknowledged(batch, reply),
            Ok(reply) => self.taken(batch, reply),
            Err(outcome) => outcome,
        })
    }
}

impl Splunk {
    fn request(&self, url: Url, body: Vec<u8>) -> HttpRequest {
        let (content_type, body) = ("application/json", Bytes::from(body));
        let request = HttpRequest { method: Method::Post, url, headers: Vec::new(), content_type, body };
        let authorization = Secret::new([b"Splunk ", self.token.expose()].concat());
        let request = request.header("Authorization", authorization);
        match self.channel {
            Some(channel) => request.header("X-Splunk-Request-Channel", Secret::new(channel.to_string())),
            None => request,
        }
    }

    /// Asks whether what an earlier try has sent is in the index.
    fn ask(&self, channel: Uuid, awaited: Awaited) -> Next {
        let mut url = self.acknowledgements.clone();
        url.set_query(Some(&format!("channel={channel}")));
        let body = json!({ "acks": [awaited.id] }).to_string().into_bytes();
        Next::Send("ack", Message::Http(self.request(url, body)))
    }

    /// What the answer to the events means.
    fn taken(&self, batch: &Batch<'_>, reply: &HttpReply) -> Outcome {
        let answer = self.answer(batch, reply, Again::Doubled);
        let body = answer.json().unwrap_or_default();
        if !(200..300).contains(&reply.status) {
            let outcome = refusal(&answer, &body);
            return match self.stopped_at(batch, reply, &body) {
                Some(at) => rest_alone(batch, at, outcome),
                None => outcome,
            };
        }
        let is_nearly_full = matches!(body["code"].as_u64(), Some(QUEUE_NEARLY_FULL | ACK_NEARLY_FULL));
        match (body["code"].as_u64(), self.channel, body["ackId"].as_u64()) {
            (Some(SUCCESS), None, _) => Outcome::Delivered { remote: None },
            (Some(QUEUE_NEARLY_FULL | ACK_NEARLY_FULL), None, _) => Outcome::DeliveredSlowDown { pause: NEARLY_FULL_PAUSE },
            (Some(SUCCESS | QUEUE_NEARLY_FULL | ACK_NEARLY_FULL), Some(_), Some(id)) => {
                Awaited { id, since: batch.now.as_millis(), is_nearly_full }.outcome()
            }
            (Some(SUCCESS | QUEUE_NEARLY_FULL | ACK_NEARLY_FULL), Some(_), None) => answer.settings_at_fault(
                "Splunk gives no acknowledgements: set `ack = false`, or switch indexer acknowledgement on for the token",
            ),
            _ => answer.unknown(&format!("Splunk answered {} without saying that it has the events", reply.status)),
        }
    }

    /// What the answer about the acknowledgement means. It says that there is one only once, so it is not asked again.
    fn acknowledged(&self, batch: &Batch<'_>, reply: &HttpReply) -> Outcome {
        let answer = self.answer(batch, reply, Again::Harmless);
        let body = answer.json().unwrap_or_default();
        let Some(awaited) = Awaited::of(batch) else { return answer.unknown("Splunk was asked for nothing") };
        if !(200..300).contains(&reply.status) {
            return refusal(&answer, &body);
        }
        match body["acks"][awaited.id.to_string()].as_bool() {
            Some(true) if awaited.is_nearly_full => Outcome::DeliveredSlowDown { pause: NEARLY_FULL_PAUSE },
            Some(true) => Outcome::Delivered { remote: None },
            Some(false) => awaited.outcome(),
            None => answer.unknown(&format!("Splunk answered {} without saying what is indexed", reply.status)),
        }
    }

    /// The place of the event at which the collector has stopped reading, where it says so and has those before it. Where an
    /// indexer is to acknowledge them, that they were read is not enough.
    fn stopped_at(&self, batch: &Batch<'_>, reply: &HttpReply, body: &Value) -> Option<usize> {
        let at = usize::try_from(body["invalid-event-number"].as_u64()?).ok()?;
        (reply.status == 400 && self.channel.is_none() && (2..batch.events.len()).contains(&at)).then_some(at)
    }

    fn answer<'a>(&self, batch: &Batch<'a>, reply: &'a HttpReply, again: Again) -> Answer<'a> {
        let secrets = self.token.expose_str().map(str::to_owned).into_iter().collect();
        Answer { attempt: batch.into(), who: NAME, reply, secrets, again }
    }
}

/// What stands before a refused event is there and not sent again; the others are, each by itself, so that the one at fault is
/// found. The number is counted from zero by most accounts and from one by some: the event before it is among them.
fn rest_alone(batch: &Batch<'_>, at: usize, outcome: Outcome) -> Outcome {
    let Outcome::Refused { reason } = outcome else { return outcome };
    let reason = |place: usize| if place > at { BEHIND_A_REFUSED_ONE.to_owned() } else { reason.clone() };
    let rest = batch.events.iter().enumerate().skip(at.saturating_sub(1));
    Outcome::DeliveredExcept {
        refused: Vec::new(),
        again: rest.map(|(place, event)| (event.id, reason(place))).collect(),
    }
}

fn refusal(answer: &Answer<'_>, body: &Value) -> Outcome {
    let text = body["text"].as_str().map(str::to_owned);
    let row = ErrorRow::find(errors::COLLECTOR, answer.reply.status, text.as_slice());
    match row.map(|row| row.classify(answer, BUSY_PAUSE)) {
        Some(Classified::Done(outcome) | Classified::Plainer(outcome)) => outcome,
        None => answer.by_status(),
    }
}

/// Events that the collector has, and no indexer has acknowledged yet.
#[derive(Clone, Copy)]
struct Awaited {
    id: u64,
    /// When they were sent, in milliseconds since 1970.
    since: i64,
    /// The collector has said that a queue is nearly full.
    is_nearly_full: bool,
}

impl Awaited {
    /// What an earlier try has noted; `None` where nothing is waited for, or no longer.
    fn of(batch: &Batch<'_>) -> Option<Self> {
        let notes = &batch.progress.0;
        let (id, since) = (notes["ack"].as_u64()?, notes["sent"].as_i64()?);
        let is_nearly_full = notes["nearly_full"] == true;
        (batch.now.as_millis() - since < AWAITED_MS_MAX).then_some(Self { id, since, is_nearly_full })
    }

    fn outcome(self) -> Outcome {
        Outcome::Retry {
            reason: "Splunk has the events, and no indexer has acknowledged them yet".to_owned(),
            after: Some(ASK_AGAIN),
            scope: Scope::Delivery,
            progress: Progress(json!({ "ack": self.id, "sent": self.since, "nearly_full": self.is_nearly_full })),
        }
    }
}

const NAME: &str = "Splunk";
const BEHIND_A_REFUSED_ONE: &str = "Splunk stopped reading at an event that it refused, and this one stands behind it";
const FORMATS: &[EventFormat] = &[EventFormat::Event, EventFormat::Ocsf];
/// The codes of a 200.
const SUCCESS: u64 = 0;
const QUEUE_NEARLY_FULL: u64 = 24;
const ACK_NEARLY_FULL: u64 = 25;
/// Splunk Cloud advises requests of at most a megabyte.
const BATCH_EVENTS_MAX: usize = 1000;
const BATCH_BYTES_MAX: usize = 1 << 20;
const PACE: Pace = Pace::unlimited(2);
/// For a collector that is busy: it does not say how long.
const BUSY_PAUSE: Duration = Duration::from_secs(5);
/// For a collector that has taken the events and whose queue is nearly full: the next code is a refusal.
const NEARLY_FULL_PAUSE: Duration = Duration::from_secs(1);
/// An indexer acknowledges within seconds; Splunk advises to ask every few.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// Splunk advises to send again what is not acknowledged within five minutes.
const AWAITED_MS_MAX: i64 = 5 * 60 * 1000;

#[cfg(test)]
mod tests;
