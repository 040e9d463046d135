//! A stand-in of Elasticsearch's bulk API, as far as documents are created by it.
//!
//! It knows the index `gatepost` and data streams whose names begin with `logs-`, and makes no others. Each document is
//! answered by itself, in the order of the request.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::shape::{self, Field, must};
use super::terminal::{Card, Line};
use super::wire::{Answer, Arrived};
use super::{Service, StandIn};
use crate::domain::Timestamp;

/// The API key that the stand-in knows, encoded as Elasticsearch shows it.
pub const API_KEY: &str = "c3RhbmQtaW46b2YtZWxhc3RpY3NlYXJjaA==";
/// An index that is there.
pub const INDEX: &str = "gatepost";
/// A data stream that is there.
pub const DATA_STREAM: &str = "logs-gatepost-default";

/// Starts a stand-in on a free port of 127.0.0.1.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub async fn start() -> std::io::Result<StandIn<Elasticsearch>> {
    StandIn::start(Elasticsearch::default(), 0).await
}

impl StandIn<Elasticsearch> {
    /// The documents, oldest first.
    pub fn documents(&self) -> Vec<Document> {
        self.shared.service().documents.clone()
    }

    /// How many documents have come since this was last asked; they are forgotten but for their ids.
    pub fn forget_documents(&self) -> usize {
        self.shared.forget_requests();
        std::mem::take(&mut self.shared.service().documents).len()
    }

    /// Documents that hold this text do not fit the mapping from now on.
    pub fn refuse_documents_with(&self, text: &str) {
        self.shared.service().unfit = Some(text.to_owned());
    }

    /// What does not fit the mapping is put into the failure store of its data stream from now on, and answered as created.
    pub fn keep_failures(&self) {
        self.shared.service().failures = Some(Vec::new());
    }

    /// What stands in the failure stores.
    pub fn failures(&self) -> Vec<Document> {
        self.shared.service().failures.clone().unwrap_or_default()
    }

    /// Has no room in its queues for the next so many documents.
    pub fn reject_documents(&self, count: usize) {
        self.shared.service().rejections = count;
    }

    /// Takes requests up to so many bytes instead of 1.5 MiB.
    pub fn limit_body(&self, bytes: usize) {
        self.shared.service().body_bytes_max = bytes;
    }
}

/// A document.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its index or data stream.
    pub index: String,
    /// Its id.
    pub id: String,
    /// What stands in it.
    pub source: Value,
}

/// The state of the stand-in.
#[derive(Debug)]
pub struct Elasticsearch {
    documents: Vec<Document>,
    /// The targets and ids of the documents.
    taken: HashSet<(String, String)>,
    failures: Option<Vec<Document>>,
    unfit: Option<String>,
    rejections: usize,
    body_bytes_max: usize,
}

impl Default for Elasticsearch {
    fn default() -> Self {
        Self {
            documents: Vec::new(),
            taken: HashSet::new(),
            failures: None,
            unfit: None,
            rejections: 0,
            body_bytes_max: BODY_BYTES_MAX,
        }
    }
}

/// Where a document was put.
enum Place {
    Target,
    FailureStore,
}

/// Why something is not done.
type Refusal = (u16, &'static str, String);

impl Elasticsearch {
    fn bulk(&mut self, target: &str, request: &Arrived) -> Answer {
        if !MEDIA_TYPES.contains(&request.media_type().as_str()) {
            let why = format!("Content-Type header [{}] is not supported", request.media_type());
            return Answer::json(406, &json!({ "error": why, "status": 406 }));
        }
        if request.credentials("ApiKey") != Some(API_KEY) {
            return self.refuse_credentials(request);
        }
        if request.body.len() > self.body_bytes_max {
            return Answer::text(413, "");
        }
        if !matches!(request.query.as_str(), "" | FILTER) {
            return refused(&(400, "illegal_argument_exception", "the stand-in knows one filter_path".to_owned()));
        }
        let Some(inflated) = request.inflated() else {
            return refused(&(400, "illegal_argument_exception", "the body is not gzip".to_owned()));
        };
        match pairs(&inflated.body) {
            Ok(pairs) => {
                let is_filtered = request.query == FILTER;
                let items = pairs.into_iter().map(|(action, source)| self.item(target, action, source));
                let items: Vec<Value> = items.map(|item| shown(item, is_filtered)).collect();
                let errors = items.iter().any(|item| item["create"].get("error").is_some());
                let mut body = json!({ "errors": errors, "items": items });
                if !is_filtered {
                    body["took"] = json!(1);
                }
                Answer::json(200, &body)
            }
            Err(why) => refused(&(400, "illegal_argument_exception", why)),
        }
    }

    fn item(&mut self, target: &str, action: Value, source: Value) -> Value {
        let id = shape::text_of(&action["create"], "_id").to_owned();
        let mut item = match self.create(target, &id, source) {
            Ok(Place::Target) => json!({ "_version": 1, "result": "created", "status": 201 }),
            Ok(Place::FailureStore) => {
                json!({ "_version": 1, "result": "created", "status": 201, "failure_store": "used" })
            }
            Err((status, kind, reason)) => json!({ "status": status, "error": { "type": kind, "reason": reason } }),
        };
        item["_index"] = json!(target);
        item["_id"] = json!(id);
        json!({ "create": item })
    }

    fn create(&mut self, target: &str, id: &str, source: Value) -> Result<Place, Refusal> {
        if target != INDEX && !target.starts_with("logs-") {
            return Err((404, "index_not_found_exception", format!("no such index [{target}]")));
        }
        if self.rejections > 0 {
            self.rejections -= 1;
            return Err((429, "es_rejected_execution_exception", "rejected execution of primary operation".to_owned()));
        }
        if self.taken.contains(&(target.to_owned(), id.to_owned())) {
            let why = format!("[{id}]: version conflict, document already exists (current version [1])");
            return Err((409, "version_conflict_engine_exception", why));
        }
        if Timestamp::parse(shape::text_of(&source, "@timestamp")).is_none() {
            let why = "data stream timestamp field [@timestamp] is missing".to_owned();
            return Err((400, "document_parsing_exception", why));
        }
        let document = Document { index: target.to_owned(), id: id.to_owned(), source };
        if self.unfit.as_ref().is_some_and(|text| document.source.to_string().contains(text)) {
            if let Some(failures) = self.failures.as_mut().filter(|_| target != INDEX) {
                failures.push(document);
                return Ok(Place::FailureStore);
            }
            let why = "[1:9] failed to parse field [unmapped.x] of type [long]".to_owned();
            return Err((400, "document_parsing_exception", why));
        }
        self.taken.insert((target.to_owned(), id.to_owned()));
        self.documents.push(document);
        Ok(Place::Target)
    }
}

/// The lines of a request: an action and a document, one after the other, the last one ended as well.
fn pairs(body: &[u8]) -> Result<Vec<(Value, Value)>, String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let Some(text) = text.strip_suffix('\n') else {
        return Err("The bulk request must be terminated by a newline [\\n]".to_owned());
    };
    let lines: Vec<&str> = text.split('\n').collect();
    if !lines.len().is_multiple_of(2) {
        return Err("the last action has no document".to_owned());
    }
    lines.chunks(2).map(pair).collect()
}

fn pair(lines: &[&str]) -> Result<(Value, Value), String> {
    let read = |line: &str| serde_json::from_str::<Value>(line).map_err(|error| format!("Malformed line: {error}"));
    let (action, source) = (read(lines[0])?, read(lines[1])?);
    shape::object(&action, ACTION).map_err(|fault| format!("Malformed action: {} {}", fault.at, fault.why))?;
    if !source.is_object() {
        return Err("Malformed document: no object".to_owned());
    }
    Ok((action, source))
}

/// An item as the filter of the request shows it.
fn shown(mut item: Value, is_filtered: bool) -> Value {
    if let Some(create) = item["create"].as_object_mut().filter(|_| is_filtered) {
        create.retain(|name, _| matches!(name.as_str(), "status" | "error" | "failure_store"));
    }
    item
}

fn refused((status, kind, reason): &Refusal) -> Answer {
    let error = json!({ "root_cause": [{ "type": kind, "reason": reason }], "type": kind, "reason": reason });
    Answer::json(*status, &json!({ "error": error, "status": status }))
}

impl Service for Elasticsearch {
    const NAME: &'static str = "Elasticsearch";

    fn answer(&mut self, request: &Arrived) -> Answer {
        let target = request.path.strip_prefix('/').and_then(|path| path.strip_suffix("/_bulk"));
        let answer = match (target, request.method.as_str()) {
            (Some(target), "POST" | "PUT") if !target.is_empty() && !target.contains('/') => self.bulk(target, request),
            (Some(_), _) => Answer::text(405, "").header("Allow", "POST, PUT"),
            (None, _) => refused(&(404, "resource_not_found_exception", "no handler".to_owned())),
        };
        answer.header("X-elastic-product", "Elasticsearch")
    }

    fn refuse_credentials(&self, _request: &Arrived) -> Answer {
        refused(&(401, "security_exception", "unable to authenticate with provided credentials".to_owned()))
    }

    fn throttle(&self, _request: &Arrived, retry_after: Option<Duration>) -> Answer {
        let why = "rejected execution of coordinating operation".to_owned();
        refused(&(429, "es_rejected_execution_exception", why)).retry_after(retry_after)
    }

    fn effects(&self) -> usize {
        self.documents.len()
    }

    fn mentions(&self, text: &str) -> usize {
        self.documents.iter().filter(|document| document.source.to_string().contains(text)).count()
    }

    fn cards(&self) -> Vec<Card> {
        self.documents.iter().map(card).collect()
    }
}

fn card(document: &Document) -> Card {
    let heading = format!("Elasticsearch · {} · {}", document.index, document.id);
    Card { heading, lines: vec![Line::normal(document.source.to_string())] }
}

/// What gatepost sends: `create` under an id of its own.
const ACTION: &[Field] = &[must("create", |value| shape::object(value, CREATE))];
const CREATE: &[Field] = &[must("_id", |value| shape::text(value, 1, 512))];
const FILTER: &str = "filter_path=errors,items.*.status,items.*.failure_store,items.*.error.type,items.*.error.reason";
/// The last one is what Elastic's own clients send since version 8.
const MEDIA_TYPES: [&str; 3] = ["application/x-ndjson", "application/json", "application/vnd.elasticsearch+x-ndjson"];
const BODY_BYTES_MAX: usize = 3 << 19;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standins::tests::{client, contract, examples};
    use crate::standins::{Fault, Style};

    const AT: &str = "2026-11-21T10:00:00Z";

    fn lines(id: &str, source: &Value) -> String {
        format!("{}\n{source}\n", json!({ "create": { "_id": id } }))
    }

    async fn send(standin: &StandIn<Elasticsearch>, target: &str, body: String) -> (u16, Value) {
        let url = format!("{}/{target}/_bulk", standin.base_url());
        let request = client().post(url).header("content-type", "application/x-ndjson");
        let answer = request.header("authorization", format!("ApiKey {API_KEY}")).body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        // Without it official clients take a server for something else.
        assert!(status != 200 || answer.headers()["x-elastic-product"] == "Elasticsearch");
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    fn statuses(body: &Value) -> Vec<u64> {
        shape::elements_of(body, "items").iter().map(|item| item["create"]["status"].as_u64().unwrap()).collect()
    }

    #[tokio::test]
    async fn each_document_is_answered_by_itself_and_none_is_there_twice() {
        let standin = start().await.unwrap();
        let good = json!({ "@timestamp": AT, "title": "a" });
        standin.refuse_documents_with("poison");
        let poison = json!({ "@timestamp": AT, "title": "poison" });
        let body = [lines("1", &good), lines("2", &poison), lines("3", &json!({})), lines("1", &good)].concat();
        let (status, answer) = send(&standin, DATA_STREAM, body).await;
        assert_eq!((status, statuses(&answer)), (200, vec![201, 400, 400, 409]));
        assert_eq!(answer["errors"], json!(true));
        standin.reject_documents(1);
        let (_, answer) = send(&standin, INDEX, [lines("4", &good), lines("5", &good)].concat()).await;
        assert_eq!(statuses(&answer), [429, 201]);
        let (_, answer) = send(&standin, "elsewhere", lines("6", &good)).await;
        assert_eq!(statuses(&answer), [404]);
        assert_eq!((standin.effects(), standin.mentions("poison")), (2, 0));
        assert!(standin.render_terminal(Style::Plain).contains(DATA_STREAM));
        let Some(mut schema) = contract("elastic-bulk.schema.json") else { return };
        schema["$ref"] = json!("#/$defs/Response");
        assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&answer), "{answer}");
    }

    #[tokio::test]
    async fn what_the_real_one_would_not_read_is_refused_whole() {
        let standin = start().await.unwrap();
        let document = format!("{}\n", json!({ "@timestamp": AT }));
        for action in examples("elastic-gateway.invalid.json") {
            assert_eq!(send(&standin, INDEX, format!("{action}\n{document}")).await.0, 400, "{action}");
        }
        let good = lines("1", &json!({ "@timestamp": AT }));
        for body in [good.trim_end(), "{}\n", "\n", &good[1..], &format!("{good}{{}}\n")] {
            assert_eq!(send(&standin, INDEX, body.to_owned()).await.0, 400, "{body}");
        }
        standin.limit_body(10);
        assert_eq!(send(&standin, INDEX, good.clone()).await.0, 413);
        standin.script([Fault::Status429 { retry_after: Some(Duration::from_secs(1)) }, Fault::Unauthorized]);
        assert_eq!(send(&standin, INDEX, good.clone()).await.0, 429);
        assert_eq!(send(&standin, INDEX, good.clone()).await.0, 401);
        let url = format!("{}/{INDEX}/_bulk", standin.base_url());
        let unnamed = client().post(&url).header("content-type", "application/json").body(good.clone());
        assert_eq!(unnamed.send().await.unwrap().status(), 401);
        assert_eq!(client().post(&url).body(good).send().await.unwrap().status(), 406);
        assert_eq!(client().get(&url).send().await.unwrap().status(), 405);
        assert_eq!(client().post(standin.base_url()).send().await.unwrap().status(), 404);
        assert_eq!(standin.effects(), 0);
    }
}
