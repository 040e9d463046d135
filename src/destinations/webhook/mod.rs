//! Any receiver of signed HTTP requests: Standard Webhooks 1.0.0 with symmetric and asymmetric keys.
//!
//! `webhook-id` is the id of the batch, the same at every try, so a receiver that follows the specification takes a
//! repetition for what it is; time and signature are made anew. Nothing else is known of the receiver: a 2xx means that
//! it has the batch, and its answer is not read further. What is signed is the body as it goes over the wire.

mod body;
pub(super) mod errors;
mod signer;

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use url::Url;

use super::classify::{self, Again, Answer};
use super::compression::Compression;
use super::errors::{Classified, ErrorRow};
use super::event_format::EventFormat;
use super::render::cloudevents;
use super::{
    Build, Carrier, HttpReply, HttpRequest, Kind, Message, Method, Next, OAuth, Pace, Reply, Sink, Step, base,
};
use crate::domain::{Batch, BatchEvent, BatchSize, Outcome, Purpose, Secret};
use crate::settings::Section;
use body::BodyTemplate;
use signer::Signer;

/// The `webhook` destination.
pub const KIND: Kind = Kind {
    name: "webhook",
    title: "Webhook",
    build: Build::Sink(|section| Some(Box::new(read(section)?) as Box<dyn Sink>)),
    carrier: Carrier::HttpOrOAuth { token_path: None },
    schema: r##"{
  "url": {"type": "string", "description": "Where to post to", "format": "uri"},
  "secret": {"$ref": "#/$defs/secret", "description": "The receiver's secret, whsec_ and base64 of 24 to 64 bytes, or a private ed25519 key, whsk_ and base64 of 32"},
  "previous_secret": {"$ref": "#/$defs/secret", "description": "The secret before, while it is being replaced: both sign"},
  "format": {"enum": ["event", "ocsf", "cloudevents", "ecs"]},
  "body": {"$ref": "#/$defs/template", "description": "The body of one event in a shape of your own, instead of a format: a template that makes JSON"},
  "compression": {"enum": ["none", "gzip"]},
  "batch": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "1: an object a request; more: an array of up to so many"},
  "headers": {"type": "object", "description": "Header lines of your own; a value is a text or a secret",
    "additionalProperties": {"oneOf": [{"type": "string"}, {"$ref": "#/$defs/secret"}]}}
}"##,
    required: &["url", "secret"],
    template: r#"url = "https://soar.example.com/hooks/gatepost"
secret = { env = "WEBHOOK_SECRET" }   # Standard Webhooks: whsec_ and base64 of 24 to 64 bytes; or whsk_, ed25519
# previous_secret = { env = "WEBHOOK_SECRET_BEFORE" }   # while the secret is replaced, both sign
# format = "event"                    # or "ocsf", "cloudevents", "ecs"
# batch = 1                           # more than 1: a JSON array of up to so many events
# compression = "gzip"                # of the body; default: "none"
# headers = { authorization = { env = "COLLECTOR_TOKEN" } }
"#,
    examples: &["url"],
};

#[derive(Debug)]
struct Webhook {
    url: Url,
    /// One a secret, the present one first.
    signers: Vec<Signer>,
    secrets: Vec<Secret>,
    format: EventFormat,
    /// Instead of a format.
    template: Option<BodyTemplate>,
    compression: Compression,
    /// How many events a request holds at most. One stands by itself, more are an array.
    events_max: usize,
    headers: Vec<(String, Secret)>,
}

fn read(section: &Section) -> Option<Webhook> {
    let url = match section.required_text("url") {
        Some(_) => section.url("url"),
        None => None,
    };
    warn_of_example(section, url.as_ref());
    let format = EventFormat::setting(section, FORMATS, EventFormat::Event);
    let events_max = if section.has("batch") { section.integer("batch", 1..BATCH_EVENTS_MAX + 1) } else { Some(1) };
    let template = BodyTemplate::setting(section);
    let headers = headers(section);
    let compression = Compression::setting(section);
    let signer = |key, secret: Secret| Some((Signer::of(section, key, &secret)?, secret));
    let present = section.required_secret("secret").and_then(|secret| signer("secret", secret));
    let previous = match section.secret("previous_secret") {
        Some(secret) => Some(signer("previous_secret", secret)?),
        None => None,
    };
    let (signers, secrets) = [Some(present?), previous].into_iter().flatten().unzip();
    let events_max = usize::try_from(events_max?).unwrap_or(1);
    let (format, template, compression) = (format?, template?, compression?);
    Some(Webhook { url: url?, signers, secrets, format, template, compression, events_max, headers: headers? })
}

/// Header lines of the operator's own. Those that gatepost or HTTP itself sets are not among them.
fn headers(section: &Section) -> Option<Vec<(String, Secret)>> {
    let headers = section.secret_map("headers", names_credential);
    for (name, value) in &headers {
        let lower = name.to_ascii_lowercase();
        if lower == "authorization" && section.has(OAuth::KEY) {
            section.fault("headers", &format!("sets '{name}', which is that of 'oauth'"), "keep one of them");
            return None;
        }
        if OWN_HEADERS.contains(&lower.as_str()) || lower.starts_with("webhook-") {
            section.fault("headers", &format!("sets '{name}', which gatepost sets itself"), "leave it out");
            return None;
        }
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        if name.is_empty() || !name.as_bytes().iter().all(is_token) {
            let fix = "a name has letters, digits and hyphens";
            section.fault("headers", &format!("'{name}' is not the name of a header"), fix);
            return None;
        }
        if !value.expose().iter().all(|byte| (b' '..0x7f).contains(byte)) {
            let fix = "a header carries printable ASCII";
            section.fault("headers", &format!("the value of '{name}' cannot stand in a header"), fix);
            return None;
        }
    }
    Some(headers)
}

/// Whether a header of that name usually carries a credential.
fn names_credential(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["auth", "token", "key", "secret", "cookie", "password"].into_iter().any(|word| lower.contains(word))
}

/// Nothing arrives where the operator left the template's host.
fn warn_of_example(section: &Section, url: Option<&Url>) {
    if url.and_then(Url::host_str) == Some("soar.example.com") {
        section.warn("url", "still has the host of the example", "write the address of your own receiver");
    }
}

impl Sink for Webhook {
    fn pace(&self) -> Pace {
        PACE
    }

    fn batch_size(&self) -> BatchSize {
        BatchSize { events: self.events_max, bytes: BATCH_BYTES_MAX / self.format.growth() }
    }

    fn first(&self, batch: &Batch<'_>) -> Next {
        match self.body(batch) {
            Ok(body) => Next::Send("post", Message::Http(self.request(batch, body))),
            Err(reason) => Next::Done(Outcome::Refused { reason }),
        }
    }

    fn next(&self, batch: &Batch<'_>, _step: Step, reply: &Reply) -> Next {
        // The receiver knows a repetition by its id, but what is unknown stays unknown on the operator's screen.
        Next::Done(match classify::http(batch, NAME, Again::Doubled, reply) {
            Ok(reply) => self.outcome(batch, reply),
            Err(outcome) => outcome,
        })
    }
}

impl Webhook {
    /// The body, or why there can be none.
    fn body(&self, batch: &Batch<'_>) -> Result<Vec<u8>, String> {
        let events = batch.events.iter().map(|event| self.one(event, batch.purpose));
        let events = events.collect::<Result<Vec<Bytes>, String>>()?.join(&b","[..]);
        Ok(if self.events_max == 1 { events } else { [b"[", events.as_slice(), b"]"].concat() })
    }

    fn one(&self, event: &BatchEvent, purpose: Purpose) -> Result<Bytes, String> {
        let defect = |error: serde_json::Error| format!("the event cannot be written as JSON: {error}");
        let Some(template) = &self.template else { return self.format.line(event, purpose).map_err(defect) };
        let (event, _) = EventFormat::Event.document(event, purpose).map_err(defect)?;
        template.render(&event).map(Bytes::from).map_err(|error| format!("the template of the body, {error}"))
    }

    fn request(&self, batch: &Batch<'_>, body: Vec<u8>) -> HttpRequest {
        let headers = self.headers.iter().map(|(name, value)| (Cow::Owned(name.clone()), value.clone())).collect();
        let (url, content_type) = (self.url.clone(), self.content_type());
        let request = HttpRequest { method: Method::Post, url, headers, content_type, body: Bytes::from(body) };
        let request = self.compression.apply(request);
        let signed = signer::lines(&self.signers, &batch.id.to_string(), batch.now, &request.body);
        signed.into_iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    /// What a body holds: one event stands by itself, more are an array.
    fn content_type(&self) -> &'static str {
        match (self.format, self.events_max) {
            (EventFormat::CloudEvents, 1) => cloudevents::ONE,
            (EventFormat::CloudEvents, _) => cloudevents::SEVERAL,
            _ => "application/json",
        }
    }

    fn outcome(&self, batch: &Batch<'_>, reply: &HttpReply) -> Outcome {
        if (200..300).contains(&reply.status) {
            return Outcome::Delivered { remote: None };
        }
        let answer =
            Answer { attempt: batch.into(), who: NAME, reply, secrets: self.credentials(), again: Again::Harmless };
        let row = ErrorRow::find(errors::WEBHOOK, reply.status, &[]);
        match row.map(|row| row.classify(&answer, RATE_LIMIT_PAUSE)) {
            Some(Classified::Done(outcome) | Classified::Plainer(outcome)) => outcome,
            None => answer.by_status(),
        }
    }

    /// What no reason may repeat: secrets, header values, and the parts of the address that are often a credential.
    fn credentials(&self) -> Vec<String> {
        let values = self.headers.iter().map(|(_, value)| value);
        let known = self.secrets.iter().chain(values).filter_map(Secret::expose_str).map(str::to_owned);
        let whole = [Some(self.url.path().to_owned()), self.url.query().map(str::to_owned)];
        known.chain(whole.into_iter().flatten()).chain(self.parts_of_address()).collect()
    }

    /// The parts of the address that may be a credential. Words of its path are none: the quote would be garbled without them.
    fn parts_of_address(&self) -> Vec<String> {
        let is_word = |part: &&str| part.len() < TOKEN_CHARS_MIN && !part.bytes().any(|byte| byte.is_ascii_digit());
        let words: Vec<&str> = self.url.path_segments().into_iter().flatten().filter(is_word).collect();
        base::secrets_of(&self.url, &words)
    }
}

const NAME: &str = "The receiver";
/// A part of a path that is so long is no word.
const TOKEN_CHARS_MIN: usize = 16;
const FORMATS: &[EventFormat] = &[EventFormat::Event, EventFormat::Ocsf, EventFormat::CloudEvents, EventFormat::Ecs];
/// Set by gatepost, or by the HTTP client.
const OWN_HEADERS: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Receivers of arrays are few, and none has asked for more.
const BATCH_EVENTS_MAX: i64 = 1000;
/// What receivers take is unknown; a mebibyte is the usual limit of a body.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Receivers of webhooks answer after their work, so several at once.
const PACE: Pace = Pace::unlimited(4);
/// For a receiver that limits the rate and does not say how long.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
