//! Elasticsearch and OpenSearch: documents by the bulk API.
//!
//! Every document is created under the event's id, so a repetition changes nothing: what is there already (409) counts as
//! delivered. The answer names each document by itself, and so does the outcome. An id is unique within one index: in a
//! data stream that rolled over between two tries, a document may stand twice.

mod bulk;
pub(super) mod errors;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use url::Url;

use super::classify::{self, Again, Answer};
use super::compression::Compression;
use super::errors::{Classified, ErrorRow};
use super::event_format::EventFormat;
use super::{
    Build, Carrier, HttpReply, HttpRequest, Kind, Message, Method, Next, OAuth, Pace, Reply, Sink, Step, base,
};
use crate::domain::{Batch, BatchSize, Outcome, Secret};
use crate::settings::Section;

/// The `elasticsearch` destination.
pub const KIND: Kind = Kind {
    name: "elasticsearch",
    title: "Elasticsearch, OpenSearch",
    build: Build::Sink(|section| Some(Box::new(read(section)?) as Box<dyn Sink>)),
    carrier: Carrier::HttpOrOAuth { token_path: None },
    schema: r##"{
  "url": {"type": "string", "description": "The base of the cluster", "format": "uri"},
  "api_url": {"type": "string", "description": "The same as url", "format": "uri"},
  "index": {"type": "string", "description": "The index or alias to write to"},
  "data_stream": {"type": "string", "description": "The data stream to write to"},
  "api_key": {"$ref": "#/$defs/secret", "description": "As it is shown, encoded, or ID:KEY"},
  "user": {"type": "string"},
  "password": {"$ref": "#/$defs/secret"},
  "compression": {"enum": ["none", "gzip"]},
  "format": {"enum": ["ecs", "event", "ocsf"], "description": "Default: ecs for a data stream, event for an index"}
}"##,
    required: &[],
    template: r#"url = "https://elastic.example.com:9200"
data_stream = "logs-gatepost-default"  # or index = "gatepost"
api_key = { env = "ELASTIC_API_KEY" }  # or user = "…" and password = { env = "NAME" }
# format = "ecs"                       # or "event", "ocsf"; default: ecs for a data stream, event for an index
# compression = "gzip"                 # of the body; default: "none"
"#,
    examples: &["url"],
};

#[derive(Debug)]
struct Elasticsearch {
    bulk: Url,
    /// The value of the `Authorization` header, and the credential inside it; none for a cluster without security.
    authorization: Option<(Secret, Secret)>,
    format: EventFormat,
    compression: Compression,
}

fn read(section: &Section) -> Option<Elasticsearch> {
    let base = base::setting(section, None);
    if base.as_ref().and_then(Url::host_str) == Some("elastic.example.com") {
        let key = if section.has("url") { "url" } else { "api_url" };
        section.warn(key, "still has the host of the example", "write the address of your own cluster");
    }
    // Templates of data streams for logs are made for the common schema; what stands in an index is the operator's.
    let default = if section.has("index") { EventFormat::Event } else { EventFormat::Ecs };
    let format = EventFormat::setting(section, FORMATS, default);
    let compression = Compression::setting(section);
    let target = target(section);
    let authorization = authorization(section)?;
    let mut bulk = base::join(&base?, &format!("/{}/_bulk", target?));
    // Without it the answer about a full batch is longer than what is read of an answer.
    bulk.set_query(Some(
        "filter_path=errors,items.*.status,items.*.failure_store,items.*.error.type,items.*.error.reason",
    ));
    Some(Elasticsearch { bulk, authorization, format: format?, compression: compression? })
}

/// The index or data stream. Its name is a part of the address.
fn target(section: &Section) -> Option<String> {
    let (index, data_stream) = (section.has("index"), section.has("data_stream"));
    let key = match (index, data_stream) {
        (true, true) => {
            section.fault("data_stream", "does not go with 'index'", "keep one of them");
            return None;
        }
        (true, false) => "index",
        (false, _) => "data_stream",
    };
    let name = section.required_text(key)?;
    let is_good = !name.starts_with(['-', '_', '+', '.'])
        && name.len() <= NAME_BYTES_MAX
        && !name.contains(|c: char| {
            c.is_uppercase() || c.is_whitespace() || c.is_control() || r#"\/*?"<>|,#:%"#.contains(c)
        });
    if !is_good {
        let fix = "lower case, without blanks and \\ / * ? \" < > | , # : %, not beginning with - _ + .";
        section.fault(key, "is not the name of an index", fix);
        return None;
    }
    Some(name)
}

/// The `Authorization` header and the credential inside it; `None` where that is at fault.
fn authorization(section: &Section) -> Option<Option<(Secret, Secret)>> {
    if section.has(OAuth::KEY) {
        return match ["api_key", "user", "password"].into_iter().find(|key| section.has(key)) {
            Some(also) => {
                section.fault(also, "does not go with 'oauth'", "keep one of them");
                None
            }
            None => Some(None),
        };
    }
    let by_user = section.has("user") || section.has("password");
    if section.has("api_key") && by_user {
        section.fault("api_key", "does not go with 'user' and 'password'", "keep one of them");
        return None;
    }
    if by_user {
        let (user, password) = (section.required_text("user"), section.required_secret("password"));
        let (user, password) = (user?, password?);
        let pair = Secret::new([user.as_bytes(), b":", password.expose()].concat());
        let value = Secret::new(format!("Basic {}", STANDARD.encode(pair.expose())));
        return Some(Some((value, password)));
    }
    if !section.has("api_key") {
        let fix = "set api_key, or user and password, unless the cluster asks for none";
        section.warn("", "sends no credentials", fix);
        return Some(None);
    }
    let key = section.secret("api_key")?;
    let encoded =
        if key.expose().contains(&b':') { STANDARD.encode(key.expose()).into_bytes() } else { key.expose().to_vec() };
    if !encoded.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte)) {
        section.fault("api_key", "is not an API key", "copy it encoded, or write ID:KEY");
        return None;
    }
    Some(Some((Secret::new([b"ApiKey ", encoded.as_slice()].concat()), key)))
}

impl Sink for Elasticsearch {
    fn pace(&self) -> Pace {
        PACE
    }

    fn batch_size(&self) -> BatchSize {
        BatchSize { events: BATCH_EVENTS_MAX, bytes: BATCH_BYTES_MAX / self.format.growth() }
    }

    fn first(&self, batch: &Batch<'_>) -> Next {
        match bulk::body(batch, self.format) {
            Ok(body) => Next::Send("bulk", Message::Http(self.request(body))),
            Err(error) => {
                Next::Done(Outcome::Refused { reason: format!("the event cannot be written as JSON: {error}") })
            }
        }
    }

    fn next(&self, batch: &Batch<'_>, _step: Step, reply: &Reply) -> Next {
        // Harmless again because of the ids, but what is unknown stays unknown on the operator's screen.
        Next::Done(match classify::http(batch, NAME, Again::Doubled, reply) {
            Ok(reply) => self.outcome(batch, reply),
            Err(outcome) => outcome,
        })
    }
}

impl Elasticsearch {
    fn request(&self, body: Vec<u8>) -> HttpRequest {
        let (url, content_type) = (self.bulk.clone(), "application/x-ndjson");
        let headers = Vec::new();
        let request = HttpRequest { method: Method::Post, url, headers, content_type, body: Bytes::from(body) };
        let request = self.compression.apply(request);
        match &self.authorization {
            Some((value, _)) => request.header("Authorization", value.clone()),
            None => request,
        }
    }

    fn outcome(&self, batch: &Batch<'_>, reply: &HttpReply) -> Outcome {
        let answer = self.answer(batch, reply);
        if (200..300).contains(&reply.status) {
            return bulk::outcome(batch, &answer);
        }
        let kinds = answer.json().and_then(|body| Some(body["error"]["type"].as_str()?.to_owned()));
        let row = ErrorRow::find(errors::BULK, reply.status, kinds.as_slice());
        match row.map(|row| row.classify(&answer, BUSY_PAUSE)) {
            Some(Classified::Done(outcome) | Classified::Plainer(outcome)) => outcome,
            None => answer.by_status(),
        }
    }

    fn answer<'a>(&self, batch: &Batch<'a>, reply: &'a HttpReply) -> Answer<'a> {
        let parts = self.authorization.iter().flat_map(|(value, credential)| [value, credential]);
        let texts = parts.filter_map(Secret::expose_str);
        // A cluster repeats the header, or what stands behind its scheme.
        let secrets = texts.map(|text| text.split_once(' ').map_or(text, |(_, rest)| rest).to_owned()).collect();
        Answer { attempt: batch.into(), who: NAME, reply, secrets, again: Again::Harmless }
    }
}

const NAME: &str = "Elasticsearch";
const FORMATS: &[EventFormat] = &[EventFormat::Ecs, EventFormat::Event, EventFormat::Ocsf];
const NAME_BYTES_MAX: usize = 255;
/// The answer names each document: about so many fit into what is read of it even if all are refused.
const BATCH_EVENTS_MAX: usize = 200;
/// Small bulks keep a cluster's queues short.
const BATCH_BYTES_MAX: usize = 1 << 20;
const PACE: Pace = Pace::unlimited(2);
/// For a cluster whose queues are full: it does not say how long.
const BUSY_PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
