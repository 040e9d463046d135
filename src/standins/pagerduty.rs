//! A stand-in of PagerDuty's Events API v2.
//!
//! Pages are the point: an event that folds into an open incident does not page. The stand-in therefore keeps incidents
//! with all their triggers, and tells how many there are.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::rate::{Limiter, Rate};
use super::shape::{self, Fault, Field, may, must};
use super::terminal::{Card, Line, Tone};
use super::wire::{Answer, Arrived};
use super::{Service, StandIn};
use crate::domain::{Clock, SystemClock, Timestamp};

/// The routing key that the stand-in knows; [`StandIn::know_key`] adds others.
pub const ROUTING_KEY: &str = "0000000000000000000000standin000";

/// Starts a stand-in on a free port of 127.0.0.1.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub async fn start() -> std::io::Result<StandIn<PagerDuty>> {
    start_on(0).await
}

/// Starts a stand-in on this port of 127.0.0.1.
///
/// # Errors
/// Where the port cannot be bound or no thread can be started.
pub async fn start_on(port: u16) -> std::io::Result<StandIn<PagerDuty>> {
    StandIn::start(PagerDuty::default(), port).await
}

impl StandIn<PagerDuty> {
    /// The incidents, oldest first, also those that are resolved.
    pub fn incidents(&self) -> Vec<Incident> {
        self.shared.service().incidents.clone()
    }

    /// Acknowledges what is open under this key, as the person does who was paged.
    pub fn acknowledge(&self, dedup_key: &str) {
        self.change(dedup_key, Status::Acknowledged);
    }

    /// Resolves what is open under this key, as the person does who was paged.
    pub fn resolve(&self, dedup_key: &str) {
        self.change(dedup_key, Status::Resolved);
    }

    fn change(&self, dedup_key: &str, status: Status) {
        let now = SystemClock.now();
        let mut pager = self.shared.service();
        for incident in pager.incidents.iter_mut().filter(|incident| incident.dedup_key == dedup_key) {
            incident.change(status, now);
        }
    }

    /// Takes events for one more routing key.
    pub fn know_key(&self, key: &str) {
        self.shared.service().keys.insert(key.to_owned());
    }

    /// Takes no events for this routing key any more, as if its integration had been deleted.
    pub fn forget_key(&self, key: &str) {
        self.shared.service().keys.remove(key);
    }

    /// Takes this many events for each routing key instead of 120 a minute.
    pub fn limit_rate(&self, rate: Rate) {
        self.shared.service().limiter = Limiter::new(rate);
    }
}

/// An incident that paged a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Its number, from 1.
    pub number: usize,
    /// The service that was told.
    pub routing_key: String,
    /// What folds events into it while it is open.
    pub dedup_key: String,
    /// Where it stands.
    pub status: Status,
    /// What was said about it; the first one paged, and no other notified a person.
    pub triggers: Vec<Trigger>,
    /// What became of it, and when.
    pub changes: Vec<(Status, Timestamp)>,
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Pages until a person acts.
    Triggered,
    /// A person has acknowledged it.
    Acknowledged,
    /// Over.
    Resolved,
}

/// One trigger event.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// When it came.
    pub received_at: Timestamp,
    /// The whole event, without its routing key.
    pub event: Value,
    /// The names of its custom details, in the order in which they are shown.
    pub details: Vec<String>,
}

/// The state of the stand-in.
#[derive(Debug)]
pub struct PagerDuty {
    incidents: Vec<Incident>,
    keys: BTreeSet<String>,
    limiter: Limiter,
}

impl Default for PagerDuty {
    fn default() -> Self {
        Self { incidents: Vec::new(), keys: BTreeSet::from([ROUTING_KEY.to_owned()]), limiter: Limiter::new(RATE) }
    }
}

impl PagerDuty {
    fn enqueue(&mut self, request: &Arrived) -> Answer {
        if request.body.len() > BODY_BYTES_MAX {
            return invalid(413, &["The event is larger than 512 KB".to_owned()]);
        }
        let Some(event) = request.json().filter(Value::is_object) else {
            return invalid(400, &["The event is not a JSON object".to_owned()]);
        };
        if self.limiter.admit(shape::text_of(&event, "routing_key"), request.received_at).is_err() {
            return self.throttle(request, None);
        }
        let faults = faults_of(&event);
        if !faults.is_empty() {
            return invalid(400, &faults);
        }
        if !self.keys.contains(shape::text_of(&event, "routing_key")) {
            return self.refuse_credentials(request);
        }
        let details = serde_json::from_slice(&request.body).map(|Names(names)| names).unwrap_or_default();
        let dedup_key = self.apply(event, details, request.received_at);
        Answer::json(202, &json!({"status": "success", "message": "Event processed", "dedup_key": dedup_key}))
    }

    /// Does what a valid event says; the dedup key that it has now.
    fn apply(&mut self, mut event: Value, details: Vec<String>, received_at: Timestamp) -> String {
        let routing_key = take_text(&mut event, "routing_key");
        let action = shape::text_of(&event, "event_action").to_owned();
        let dedup_key = match shape::text_of(&event, "dedup_key") {
            "" => format!("standin{:025}", self.incidents.len() + 1),
            given => given.to_owned(),
        };
        let open = self.incidents.iter_mut().find(|incident| incident.folds(&routing_key, &dedup_key));
        match (action.as_str(), open) {
            ("trigger", Some(incident)) => incident.triggers.push(Trigger { received_at, event, details }),
            ("trigger", None) => {
                let number = self.incidents.len() + 1;
                let triggers = vec![Trigger { received_at, event, details }];
                let (status, changes) = (Status::Triggered, Vec::new());
                let dedup_key = dedup_key.clone();
                self.incidents.push(Incident { number, routing_key, dedup_key, status, triggers, changes });
            }
            ("acknowledge", Some(incident)) => incident.change(Status::Acknowledged, received_at),
            ("resolve", Some(incident)) => incident.change(Status::Resolved, received_at),
            // Without an open incident there is nothing to do, and the real service says nothing about it either.
            _ => {}
        }
        dedup_key
    }
}

impl Service for PagerDuty {
    const NAME: &'static str = "PagerDuty";

    fn answer(&mut self, request: &Arrived) -> Answer {
        match (request.path.as_str(), request.method.as_str()) {
            ("/v2/enqueue", "POST") => self.enqueue(request),
            ("/v2/enqueue", _) => Answer::text(405, "").header("Allow", "POST"),
            _ => Answer::text(404, ""),
        }
    }

    fn refuse_credentials(&self, _request: &Arrived) -> Answer {
        Answer::text(400, "Invalid routing key")
    }

    fn throttle(&self, _request: &Arrived, retry_after: Option<Duration>) -> Answer {
        let why = "Events for this routing key are arriving too quickly";
        Answer::json(429, &json!({"status": "throttle exceeded", "message": why})).retry_after(retry_after)
    }

    fn effects(&self) -> usize {
        self.incidents.len()
    }

    fn mentions(&self, text: &str) -> usize {
        self.incidents.iter().filter(|incident| incident.mentions(text)).count()
    }

    fn cards(&self) -> Vec<Card> {
        self.incidents.iter().map(Incident::card).collect()
    }
}

impl Incident {
    /// How many of its triggers hold `text` anywhere.
    pub fn triggers_with(&self, text: &str) -> usize {
        self.triggers.iter().filter(|trigger| trigger.event.to_string().contains(text)).count()
    }

    /// A second acknowledgement changes nothing, and what is resolved stays so.
    fn change(&mut self, status: Status, at: Timestamp) {
        if self.status != Status::Resolved && self.status != status {
            self.status = status;
            self.changes.push((status, at));
        }
    }

    fn mentions(&self, text: &str) -> bool {
        self.dedup_key.contains(text) || self.triggers_with(text) > 0
    }

    fn folds(&self, routing_key: &str, dedup_key: &str) -> bool {
        self.status != Status::Resolved && self.routing_key == routing_key && self.dedup_key == dedup_key
    }

    /// The page as it stands on a lock screen, and the details behind it. The real service shows the first summary
    /// and the latest details.
    fn card(&self) -> Card {
        let first = self.triggers.first().map(|trigger| &trigger.event["payload"]).unwrap_or(&Value::Null);
        let latest = self.triggers.last().map(|trigger| &trigger.event).unwrap_or(&Value::Null);
        let severity = shape::text_of(first, "severity");
        let tone = if matches!(severity, "critical" | "error") { Tone::Alarm } else { Tone::Strong };
        let mut lines = vec![Line::new(tone, shape::text_of(first, "summary"))];
        lines.push(Line::new(Tone::Faint, self.standing(severity)));
        let order = self.triggers.last().map(|trigger| trigger.details.as_slice()).unwrap_or_default();
        for (name, value) in details(&latest["payload"], order) {
            lines.push(Line::normal(format!("{name}: {value}")));
        }
        for link in shape::elements_of(latest, "links") {
            lines.push(Line::new(
                Tone::Faint,
                format!("{} {}", shape::text_of(link, "text"), shape::text_of(link, "href")),
            ));
        }
        for (status, at) in &self.changes {
            lines.push(Line::new(Tone::Faint, format!("{} {}", status.as_str(), at.to_human())));
        }
        Card { heading: format!("PagerDuty · incident #{} · lock screen", self.number), lines }
    }

    fn standing(&self, severity: &str) -> String {
        let status = self.status.as_str();
        let since = self.triggers.first().map(|trigger| trigger.received_at.to_human()).unwrap_or_default();
        let count = match self.triggers.len() {
            0 | 1 => String::new(),
            count => format!(" · {count} triggers"),
        };
        format!("{status} · {severity} · {since}{count}")
    }
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Triggered => "triggered",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

/// The names of the custom details of an event in the order in which they came: a document of values has lost it.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Event {
            #[serde(default)]
            payload: Payload,
        }
        #[derive(Default, Deserialize)]
        struct Payload {
            #[serde(default, deserialize_with = "keys")]
            custom_details: Vec<String>,
        }
        Ok(Self(Event::deserialize(deserializer)?.payload.custom_details))
    }
}

fn keys<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Keys;
    impl<'de> serde::de::Visitor<'de> for Keys {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut keys = Vec::new();
            while let Some((key, serde::de::IgnoredAny)) = map.next_entry()? {
                keys.push(key);
            }
            Ok(keys)
        }
    }
    deserializer.deserialize_map(Keys)
}

/// What stands under the summary: the payload's own fields, then the custom details in their order, one line each.
fn details(payload: &Value, order: &[String]) -> Vec<(String, String)> {
    let fixed = ["source", "component", "group", "class", "timestamp"].into_iter();
    let fixed = fixed.filter_map(|name| Some((name.to_owned(), payload.get(name)?.as_str()?.to_owned())));
    let custom = order.iter().filter_map(|name| Some((name, payload["custom_details"].get(name)?)));
    let custom = custom.map(|(name, value)| match value {
        Value::String(text) => (name.clone(), text.clone()),
        other => (name.clone(), other.to_string()),
    });
    fixed.chain(custom).collect()
}

/// What is wrong with an event, in the words that the real service uses where they are known.
fn faults_of(event: &Value) -> Vec<String> {
    let mut faults: Vec<String> = shape::faults(event, EVENT).into_iter().map(say).collect();
    let is_trigger = shape::text_of(event, "event_action") == "trigger";
    if is_trigger && event.get("payload").is_none() {
        faults.push("'payload' is missing or blank".to_owned());
    }
    if !is_trigger && event.get("dedup_key").is_none() {
        faults.push("'dedup_key' is missing or blank".to_owned());
    }
    faults
}

fn say(fault: Fault) -> String {
    match (fault.at.as_str(), fault.why.as_str()) {
        ("/routing_key", why) if why.starts_with("must have") => {
            "Length of 'routing_key' is incorrect (should be 32 characters)".to_owned()
        }
        (at, "is missing") => format!("'{}' is missing or blank", at.trim_start_matches('/').replace('/', ".")),
        (at, why) => format!("'{}' {why}", at.trim_start_matches('/').replace('/', ".")),
    }
}

fn invalid(status: u16, errors: &[String]) -> Answer {
    Answer::json(status, &json!({"status": "invalid event", "message": "Event object is invalid", "errors": errors}))
}

fn take_text(value: &mut Value, key: &str) -> String {
    match value.as_object_mut().and_then(|object| object.remove(key)) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    }
}

fn is_time(value: &Value) -> Result<(), Fault> {
    match value.as_str().and_then(Timestamp::parse) {
        Some(_) => Ok(()),
        None => Err(Fault::new("must be an ISO 8601 time with an offset")),
    }
}

fn is_https(value: &Value) -> Result<(), Fault> {
    match value.as_str() {
        Some(text) if text.starts_with("https://") => Ok(()),
        _ => Err(Fault::new("must be an https URL")),
    }
}

const EVENT: &[Field] = &[
    must("routing_key", |value| shape::text(value, 32, 32)),
    must("event_action", |value| shape::one_of(value, &["trigger", "acknowledge", "resolve"])),
    may("dedup_key", |value| shape::text(value, 1, 255)),
    may("client", shape::any_text),
    may("client_url", shape::url),
    may("links", |value| shape::list(value, 0, usize::MAX, |link| shape::object(link, LINK))),
    may("images", |value| shape::list(value, 0, usize::MAX, |image| shape::object(image, IMAGE))),
    may("payload", |value| shape::object(value, PAYLOAD)),
];

const PAYLOAD: &[Field] = &[
    must("summary", |value| shape::text(value, 1, 1024)),
    must("severity", |value| shape::one_of(value, &["critical", "error", "warning", "info"])),
    must("source", |value| shape::text(value, 1, usize::MAX)),
    may("timestamp", is_time),
    may("component", shape::any_text),
    may("group", shape::any_text),
    may("class", shape::any_text),
    may("custom_details", shape::any_object),
];

const LINK: &[Field] = &[must("href", shape::url), may("text", shape::any_text)];

const IMAGE: &[Field] = &[must("src", is_https), may("href", shape::url), may("alt", shape::any_text)];

/// The limit of the Events API v2 for a whole request.
const BODY_BYTES_MAX: usize = 512 * 1024;

/// The limit of the Events API v2 for one integration key.
const RATE: Rate = Rate::new(120, Duration::from_secs(60));

#[cfg(test)]
mod tests;
