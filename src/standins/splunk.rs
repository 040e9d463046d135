//! A stand-in of Splunk's HTTP Event Collector.
//!
//! It answers with the collector's own codes, and like the collector it keeps the events that stand before one it does not
//! take, and keeps an event twice that comes twice. With acknowledgements switched on it says once that a request is
//! indexed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::shape::{self, Fault, Field, may, must};
use super::terminal::{Card, Line};
use super::wire::{Answer, Arrived};
use super::{Service, StandIn};

/// The token that the stand-in knows.
pub const TOKEN: &str = "57a4d000-0000-4000-8000-00000000c0de";
/// An index that the token may write to, beside its own.
pub const INDEX: &str = "security";

/// Starts a stand-in on a free port of 127.0.0.1.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub async fn start() -> std::io::Result<StandIn<Splunk>> {
    StandIn::start(Splunk::default(), 0).await
}

impl StandIn<Splunk> {
    /// The events with what stands around them, oldest first, each as often as it came.
    pub fn events(&self) -> Vec<Value> {
        self.shared.service().events.clone()
    }

    /// How many events have come since this was last asked; they are forgotten.
    pub fn forget_events(&self) -> usize {
        self.shared.forget_requests();
        std::mem::take(&mut self.shared.service().events).len()
    }

    /// Events that hold this text are refused from now on, and with them what stands behind them in their request.
    pub fn refuse_events_with(&self, text: &str) {
        self.shared.service().unfit = Some(text.to_owned());
    }

    /// Switches indexer acknowledgement on; a request is indexed once it has been asked for so many times.
    pub fn acknowledge_after(&self, questions: u32) {
        self.shared.service().acknowledges_after = Some(questions);
    }
}

/// The state of the stand-in.
#[derive(Debug, Default)]
pub struct Splunk {
    events: Vec<Value>,
    acknowledges_after: Option<u32>,
    unfit: Option<String>,
    /// By channel and number, how often each was asked for; what was answered with true is gone.
    pending: BTreeMap<(String, u64), u32>,
    next: u64,
}

impl Splunk {
    fn event(&mut self, request: &Arrived) -> Answer {
        let channel = match self.admit(request) {
            Ok(channel) => channel,
            Err(refusal) => return refusal,
        };
        let Some(Arrived { body, .. }) = request.inflated() else { return said(400, 6, "Invalid data format") };
        if body.iter().all(u8::is_ascii_whitespace) {
            return said(400, 5, "No data");
        }
        // Objects one after the other, blanks between them or none.
        let events = serde_json::Deserializer::from_slice(&body).into_iter::<Value>();
        for (number, event) in events.enumerate() {
            let fault = match &event {
                Ok(event) if self.unfit.as_ref().is_some_and(|text| event.to_string().contains(text)) => {
                    Some((15, "Error in handling indexed fields"))
                }
                Ok(event) => fault_of(event),
                Err(_) => Some((6, "Invalid data format")),
            };
            if let Some((code, text)) = fault {
                return Answer::json(400, &json!({ "text": text, "code": code, "invalid-event-number": number }));
            }
            self.events.extend(event);
        }
        if self.acknowledges_after.is_none() {
            return said(200, 0, "Success");
        }
        let id = self.next;
        self.next += 1;
        self.pending.insert((channel, id), 0);
        Answer::json(200, &json!({ "text": "Success", "code": 0, "ackId": id }))
    }

    /// Says of each number whether it is indexed; true is said once.
    fn ack(&mut self, request: &Arrived) -> Answer {
        let channel = match self.admit(request) {
            Ok(channel) => channel,
            Err(refusal) => return refusal,
        };
        let Some(after) = self.acknowledges_after else { return said(400, 14, "ACK is disabled") };
        let query = request.json().unwrap_or_default();
        let numbers: Vec<u64> = shape::elements_of(&query, "acks").iter().filter_map(Value::as_u64).collect();
        let mut acks = serde_json::Map::new();
        for number in numbers {
            let key = (channel.clone(), number);
            let asked = self.pending.get_mut(&key).map(|asked| {
                *asked += 1;
                *asked
            });
            let is_indexed = asked.is_some_and(|asked| asked > after);
            if is_indexed {
                self.pending.remove(&key);
            }
            acks.insert(number.to_string(), json!(is_indexed));
        }
        if acks.is_empty() {
            return said(400, 6, "Invalid data format");
        }
        Answer::json(200, &json!({ "acks": acks }))
    }

    /// Checks the token; the channel, where one is needed.
    fn admit(&self, request: &Arrived) -> Result<String, Answer> {
        if request.headers.only("authorization").is_none() {
            return Err(said(401, 2, "Token is required"));
        }
        let Some(token) = request.credentials("Splunk") else { return Err(said(401, 3, "Invalid authorization")) };
        if token != TOKEN {
            return Err(self.refuse_credentials(request));
        }
        let header = request.headers.only("x-splunk-request-channel");
        let channel = header.or_else(|| request.query.strip_prefix("channel="));
        match channel {
            None if self.acknowledges_after.is_some() => Err(said(400, 10, "Data channel is missing")),
            Some(channel) if !is_guid(channel) => Err(said(400, 11, "Invalid data channel")),
            channel => Ok(channel.unwrap_or_default().to_owned()),
        }
    }
}

fn is_guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// The code for what is wrong with an event.
fn fault_of(event: &Value) -> Option<(u64, &'static str)> {
    if !event.is_object() {
        return Some((6, "Invalid data format"));
    }
    match &event["event"] {
        Value::Null => return Some((12, "Event field is required")),
        Value::String(text) if text.trim().is_empty() => return Some((13, "Event field cannot be blank")),
        Value::Object(fields) if fields.is_empty() => return Some((13, "Event field cannot be blank")),
        Value::Array(items) if items.is_empty() => return Some((13, "Event field cannot be blank")),
        _ => {}
    }
    let fault = shape::object(event, ENVELOPE).err()?;
    match fault.at.split('/').nth(1) {
        Some("fields" | "time") => Some((15, "Error in handling indexed fields")),
        Some("index") => Some((7, "Incorrect index")),
        _ => Some((6, "Invalid data format")),
    }
}

/// Seconds since 1970 as a plain decimal; a number in scientific notation is refused, which a parsed number hides.
fn time(value: &Value) -> Result<(), Fault> {
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match value.as_str() {
        Some(text) if is_plain(text) && text.parse::<f64>().is_ok() => Ok(()),
        _ => Err(Fault::new("must be a decimal in a text")),
    }
}

/// Flat, of texts and lists of texts.
fn fields(value: &Value) -> Result<(), Fault> {
    let is_flat = |value: &Value| match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => true,
        Value::Array(items) => items.iter().all(Value::is_string),
        Value::Object(_) | Value::Null => false,
    };
    match value.as_object() {
        Some(fields) if fields.values().all(is_flat) => Ok(()),
        _ => Err(Fault::new("must be flat")),
    }
}

fn said(status: u16, code: u64, text: &str) -> Answer {
    Answer::json(status, &json!({ "text": text, "code": code }))
}

impl Service for Splunk {
    const NAME: &'static str = "Splunk";

    fn answer(&mut self, request: &Arrived) -> Answer {
        match (request.path.as_str(), request.method.as_str()) {
            (EVENT, "POST") => self.event(request),
            (ACK, "POST") => self.ack(request),
            (EVENT | ACK, _) => Answer::text(405, "").header("Allow", "POST"),
            _ => Answer::text(404, ""),
        }
    }

    fn refuse_credentials(&self, _request: &Arrived) -> Answer {
        said(403, 4, "Invalid token")
    }

    fn throttle(&self, _request: &Arrived, retry_after: Option<Duration>) -> Answer {
        said(429, 26, "HEC queue is at capacity and cannot process any more requests").retry_after(retry_after)
    }

    fn effects(&self) -> usize {
        self.events.len()
    }

    fn mentions(&self, text: &str) -> usize {
        self.events.iter().filter(|event| event.to_string().contains(text)).count()
    }

    fn cards(&self) -> Vec<Card> {
        self.events.iter().map(card).collect()
    }
}

fn card(event: &Value) -> Card {
    let heading = format!("Splunk · {}", shape::text_of(event, "sourcetype"));
    Card { heading, lines: vec![Line::normal(event["event"].to_string())] }
}

const EVENT: &str = "/services/collector/event";
const ACK: &str = "/services/collector/ack";

const ENVELOPE: &[Field] = &[
    must("event", |_| Ok(())),
    may("time", time),
    may("host", shape::any_text),
    may("source", shape::any_text),
    may("sourcetype", shape::any_text),
    may("index", |value| shape::one_of(value, &[INDEX])),
    may("fields", fields),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standins::Style;
    use crate::standins::fault::Fault;
    use crate::standins::tests::{client, examples};

    const CHANNEL: &str = "00000000-0000-4000-8000-000000000001";

    async fn post(splunk: &StandIn<Splunk>, path: &str, body: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let mut request = client().post(format!("{}{path}", splunk.base_url())).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    fn token() -> String {
        format!("Splunk {TOKEN}")
    }

    #[tokio::test]
    async fn each_refusal_has_its_code_and_what_stands_before_it_is_kept() {
        let splunk = start().await.unwrap();
        let token = token();
        let known = [("authorization", token.as_str())];
        for (headers, body, status, code) in [
            (&[][..], "{}", 401, 2),
            (&[("authorization", "Bearer x")], "{}", 401, 3),
            (&[("authorization", "Splunk x")], "{}", 403, 4),
            (&known, " \n", 400, 5),
            (&known, "{", 400, 6),
            (&known, "[1]", 400, 6),
            (&known, r#"{"event":"a","index":"main2"}"#, 400, 7),
            (&known, "{}", 400, 12),
            (&known, r#"{"event":" "}"#, 400, 13),
            (&known, r#"{"event":{}}"#, 400, 13),
            (&known, r#"{"event":"a","fields":{"a":{}}}"#, 400, 15),
            (&known, r#"{"event":"a","time":"1e9"}"#, 400, 15),
            (&known, r#"{"event":"a","tme":"1"}"#, 400, 6),
        ] {
            let (found, said) = post(&splunk, EVENT, body, headers).await;
            assert_eq!((found, said["code"].as_u64()), (status, Some(code)), "{body}");
        }
        assert_eq!(splunk.effects(), 0);
        let (status, said) = post(&splunk, EVENT, r#"{"event":"a"}{"event":"b"} {}"#, &known).await;
        assert_eq!((status, said["invalid-event-number"].as_u64(), splunk.effects()), (400, Some(2), 2));
        for good in examples("splunk-hec.valid.json").iter().filter(|event| event.get("index").is_none()) {
            let plain = good.get("time").is_none_or(Value::is_string);
            assert_eq!(post(&splunk, EVENT, &good.to_string(), &known).await.0 == 200, plain, "{good}");
        }
        assert!(splunk.render_terminal(Style::Plain).contains("Splunk"));
        assert_eq!(post(&splunk, ACK, r#"{"acks":[0]}"#, &known).await.1["code"], json!(14));
        splunk.script([Fault::Unauthorized, Fault::Status429 { retry_after: None }]);
        assert_eq!(post(&splunk, EVENT, "{}", &known).await.1["code"], json!(4));
        assert_eq!(post(&splunk, EVENT, "{}", &known).await.1["code"], json!(26));
        assert_eq!(post(&splunk, "/elsewhere", "{}", &known).await.0, 404);
    }

    #[tokio::test]
    async fn an_acknowledgement_is_given_once_and_on_its_channel() {
        let splunk = start().await.unwrap();
        splunk.acknowledge_after(1);
        let token = token();
        let known = [("authorization", token.as_str())];
        let channel = [known[0], ("x-splunk-request-channel", CHANNEL)];
        assert_eq!(post(&splunk, EVENT, r#"{"event":"a"}"#, &known).await.1["code"], json!(10));
        let odd = [known[0], ("x-splunk-request-channel", "x")];
        assert_eq!(post(&splunk, EVENT, r#"{"event":"a"}"#, &odd).await.1["code"], json!(11));
        assert_eq!(post(&splunk, EVENT, r#"{"event":"a"}"#, &channel).await.1["ackId"], json!(0));
        let elsewhere = [known[0], ("x-splunk-request-channel", "00000000-0000-4000-8000-000000000002")];
        let mut said = Vec::new();
        for headers in [&elsewhere, &channel, &channel, &channel] {
            said.push(post(&splunk, ACK, r#"{"acks":[0]}"#, headers).await.1["acks"]["0"].clone());
        }
        assert_eq!(said, [json!(false), json!(false), json!(true), json!(false)]);
        assert_eq!(post(&splunk, ACK, "{}", &channel).await.1["code"], json!(6));
    }
}
