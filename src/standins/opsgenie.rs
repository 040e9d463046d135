//! A stand-in of Opsgenie's Alert API.
//!
//! Alerts that notify a person are the point: a request whose alias is that of an open alert folds into it. The stand-in keeps
//! alerts with all their requests. It does what a request asks for at once, and says so only when it has been asked about it
//! before, as the real service does that processes requests later.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::rate::{Limiter, Rate};
use super::shape::{self, Fault, Field, may, must};
use super::terminal::{Card, Line, Tone};
use super::wire::{Answer, Arrived};
use super::{Service, StandIn};
use crate::domain::{Clock, SystemClock, Timestamp};

/// The key that the stand-in knows.
pub const API_KEY: &str = "00000000-0000-4000-8000-0standin0000";

/// Starts a stand-in on a free port of 127.0.0.1.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub async fn start() -> std::io::Result<StandIn<Opsgenie>> {
    start_on(0).await
}

/// Starts a stand-in on this port of 127.0.0.1.
///
/// # Errors
/// Where the port cannot be bound or no thread can be started.
pub async fn start_on(port: u16) -> std::io::Result<StandIn<Opsgenie>> {
    StandIn::start(Opsgenie::default(), port).await
}

impl StandIn<Opsgenie> {
    /// The alerts, oldest first, also those that are closed.
    pub fn alerts(&self) -> Vec<Alert> {
        self.shared.service().alerts.clone()
    }

    /// Closes what is open under this alias, as the person does who was notified.
    pub fn close(&self, alias: &str) {
        let now = SystemClock.now();
        let mut opsgenie = self.shared.service();
        for alert in opsgenie.alerts.iter_mut().filter(|alert| alert.is_open_under(alias)) {
            alert.change(Status::Closed, now, None);
        }
    }

    /// Takes requests from now on and does nothing about them, as an integration does whose rules ignore them.
    pub fn ignore(&self) {
        self.shared.service().is_ignoring = true;
    }

    /// Knows a request only after so many questions about it.
    pub fn lag(&self, questions: usize) {
        self.shared.service().lag = questions;
    }

    /// Answers no questions to the key any more: it may only write.
    pub fn revoke_reading(&self) {
        self.shared.service().may_read = false;
    }

    /// Takes this many requests for each key instead of 300 a minute.
    pub fn limit_rate(&self, rate: Rate) {
        self.shared.service().limiter = Limiter::new(rate);
    }
}

/// An alert that notified a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its number, from 1.
    pub number: usize,
    /// What folds requests into it while it is open.
    pub alias: String,
    /// Where it stands.
    pub status: Status,
    /// What was said about it; the first one notified a person, and no other did.
    pub requests: Vec<Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// What became of it, when, and the note that came with that.
    pub changes: Vec<(Status, Timestamp, Option<String>)>,
}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Notifies until a person acts.
    Open,
    /// A person has acknowledged it.
    Acknowledged,
    /// Over.
    Closed,
}

/// The state of the stand-in.
#[derive(Debug)]
pub struct Opsgenie {
    alerts: Vec<Alert>,
    /// What is said about each request, and how often it was asked for.
    requests: BTreeMap<String, (Value, usize)>,
    keys: BTreeSet<String>,
    limiter: Limiter,
    lag: usize,
    is_ignoring: bool,
    may_read: bool,
}

impl Default for Opsgenie {
    fn default() -> Self {
        Self {
            alerts: Vec::new(),
            requests: BTreeMap::new(),
            keys: BTreeSet::from([API_KEY.to_owned()]),
            limiter: Limiter::new(RATE),
            lag: 1,
            is_ignoring: false,
            may_read: true,
        }
    }
}

impl Opsgenie {
    fn create(&mut self, request: &Arrived) -> Answer {
        let Some(body) = request.json().filter(Value::is_object) else { return unreadable() };
        if let Some(refusal) = refusal(&body, ALERT) {
            return refusal;
        }
        let alias = match shape::text_of(&body, "alias") {
            "" => format!("standin-{}", self.alerts.len() + 1),
            given => given.to_owned(),
        };
        if self.is_ignoring {
            return self.taken("Create", false, "Request is ignored by the integration", &alias);
        }
        match self.alerts.iter_mut().find(|alert| alert.is_open_under(&alias)) {
            Some(alert) => alert.requests.push(body),
            None => self.alerts.push(Alert {
                number: self.alerts.len() + 1,
                alias: alias.clone(),
                status: Status::Open,
                requests: vec![body],
                created_at: request.received_at,
                changes: Vec::new(),
            }),
        }
        self.taken("Create", true, "Created alert", &alias)
    }

    fn change(&mut self, request: &Arrived, alias: &str, status: Status) -> Answer {
        let Some(body) = request.json().filter(Value::is_object) else { return unreadable() };
        if let Some(refusal) = refusal(&body, CHANGE) {
            return refusal;
        }
        let action = if status == Status::Closed { "Close" } else { "Acknowledge" };
        let note = body["note"].as_str().map(str::to_owned);
        match self.alerts.iter_mut().find(|alert| alert.is_open_under(alias)) {
            Some(alert) if alert.status == status => self.taken(action, false, "Alert is already acknowledged", alias),
            Some(alert) => {
                alert.change(status, request.received_at, note);
                self.taken(
                    action,
                    true,
                    if status == Status::Closed { "Closed alert" } else { "Acknowledged alert" },
                    alias,
                )
            }
            None => self.taken(action, false, &format!("There is no open alert with alias [{alias}]."), alias),
        }
    }

    /// The answer to a request that is processed later, and what is said about it then.
    fn taken(&mut self, action: &str, is_success: bool, status: &str, alias: &str) -> Answer {
        let id = request_id(self.requests.len());
        let data = json!({
            "success": is_success, "isSuccess": is_success, "action": action, "status": status,
            "alias": alias, "alertId": if is_success { alias } else { "" }, "processedAt": "2026-11-21T10:00:00.000Z",
        });
        self.requests.insert(id.clone(), (data, 0));
        Answer::json(202, &json!({ "result": "Request will be processed", "took": 0.302, "requestId": id }))
    }

    fn status_of(&mut self, id: &str) -> Answer {
        let lag = self.lag;
        match self.requests.get_mut(id) {
            Some((data, asked)) if *asked >= lag => said(200, &json!({ "data": data })),
            Some((_, asked)) => {
                *asked += 1;
                not_found("Request not found. It might not be processed, yet.")
            }
            None => not_found("Request not found. It might not be processed, yet."),
        }
    }

    fn show(&self, alias: &str) -> Answer {
        match self.alerts.iter().find(|alert| alert.is_open_under(alias)) {
            Some(alert) => said(
                200,
                &json!({ "data": {
                    "id": format!("{}-1", alert.alias), "tinyId": alert.number.to_string(), "alias": alert.alias,
                    "message": alert.requests[0]["message"], "status": "open", "count": alert.requests.len(),
                    "acknowledged": alert.status == Status::Acknowledged,
                } }),
            ),
            None => not_found("Alert does not exist"),
        }
    }

    fn route(&mut self, request: &Arrived) -> Answer {
        let path: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        let Some(below) = path.strip_prefix(&["v2", "alerts"]) else { return not_found("Page not found") };
        let is_by_alias = request.query == "identifierType=alias";
        match (request.method.as_str(), below) {
            ("POST", []) => self.create(request),
            ("GET", _) if !self.may_read => not_permitted(),
            ("GET", ["requests", id]) => self.status_of(id),
            ("GET", [alias]) if is_by_alias => self.show(alias),
            ("POST", [alias, "acknowledge"]) if is_by_alias => self.change(request, alias, Status::Acknowledged),
            ("POST", [alias, "close"]) if is_by_alias => self.change(request, alias, Status::Closed),
            ("GET" | "POST", _) => not_found("Page not found"),
            _ => said(405, &json!({ "message": "Method not allowed" })),
        }
    }
}

impl Service for Opsgenie {
    const NAME: &'static str = "Opsgenie";

    fn answer(&mut self, request: &Arrived) -> Answer {
        let key = request.credentials("GenieKey").unwrap_or_default();
        if !self.keys.contains(key) {
            return self.refuse_credentials(request);
        }
        match self.limiter.admit(key, request.received_at) {
            Ok(()) => self.route(request),
            Err(wait) => self.throttle(request, Some(wait)),
        }
    }

    fn refuse_credentials(&self, _request: &Arrived) -> Answer {
        said(401, &json!({ "message": "Could not authenticate" }))
    }

    fn throttle(&self, _request: &Arrived, retry_after: Option<Duration>) -> Answer {
        let seconds = retry_after.map_or(60, |wait| wait.as_secs() + 1);
        said(429, &json!({ "message": "You are making too many requests!" }))
            .header("X-RateLimit-State", "THROTTLED")
            .header("X-RateLimit-Reason", "ACCOUNT")
            .header("X-RateLimit-Period-In-Sec", seconds)
    }

    fn effects(&self) -> usize {
        self.alerts.len()
    }

    fn mentions(&self, text: &str) -> usize {
        let holds = |alert: &&Alert| {
            alert.alias.contains(text) || alert.requests.iter().any(|request| request.to_string().contains(text))
        };
        self.alerts.iter().filter(holds).count()
    }

    fn cards(&self) -> Vec<Card> {
        self.alerts.iter().map(Alert::card).collect()
    }
}

impl Alert {
    fn is_open_under(&self, alias: &str) -> bool {
        self.status != Status::Closed && self.alias == alias
    }

    fn change(&mut self, status: Status, at: Timestamp, note: Option<String>) {
        self.status = status;
        self.changes.push((status, at, note));
    }

    /// The alert as a telephone shows it, and what is behind it.
    fn card(&self) -> Card {
        let first = self.requests.first().unwrap_or(&Value::Null);
        let priority = shape::text_of(first, "priority");
        let tone = if matches!(priority, "P1" | "P2") { Tone::Alarm } else { Tone::Strong };
        let mut lines = vec![Line::new(tone, shape::text_of(first, "message"))];
        let since = self.created_at.to_human();
        lines.push(Line::new(Tone::Faint, format!("{} · {priority} · {since}", self.status.as_str())));
        lines.extend(shape::text_of(first, "description").lines().map(Line::normal));
        for (status, at, note) in &self.changes {
            let note = note.as_ref().map(|note| format!(" · {note}")).unwrap_or_default();
            lines.push(Line::new(Tone::Faint, format!("{} {}{note}", status.as_str(), at.to_human())));
        }
        Card { heading: format!("Opsgenie · alert #{}", self.number), lines }
    }
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Closed => "closed",
        }
    }
}

/// With what stands in every answer.
fn said(status: u16, body: &Value) -> Answer {
    let mut body = body.clone();
    body["took"] = json!(0.004);
    body["requestId"] = json!(request_id(usize::MAX));
    Answer::json(status, &body)
}

fn not_found(message: &str) -> Answer {
    said(404, &json!({ "message": message }))
}

fn not_permitted() -> Answer {
    said(403, &json!({ "message": "You are not authorized to do this operation", "code": 40301 }))
}

fn unreadable() -> Answer {
    said(400, &json!({ "message": "Could not parse the request body" }))
}

fn request_id(number: usize) -> String {
    format!("43a29c5c-3dbf-4fa4-9c26-{:012x}", number & 0xffff_ffff_ffff)
}

/// What is wrong with a body, as the real service says it: each field with its fault.
fn refusal(body: &Value, fields: &[Field]) -> Option<Answer> {
    let faults = shape::faults(body, fields);
    let place = |fault: &Fault| fault.at.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
    let errors: serde_json::Map<String, Value> =
        faults.iter().map(|fault| (place(fault), json!(format!("{} {}", fault.at, fault.why)))).collect();
    let message = "Request body is not processable. Please check the errors.";
    (!errors.is_empty()).then(|| said(422, &json!({ "message": message, "errors": errors })))
}

/// Refuses anything but a string of at most `max` UTF-16 units, as Java counts them.
fn units(value: &Value, min: usize, max: usize) -> Result<(), Fault> {
    shape::any_text(value)?;
    let length = value.as_str().unwrap_or_default().encode_utf16().count();
    if (min..=max).contains(&length) { Ok(()) } else { Err(Fault::new(format!("has {length} of {max} characters"))) }
}

fn details(value: &Value) -> Result<(), Fault> {
    shape::any_object(value)?;
    let fields = value.as_object().into_iter().flatten();
    for (name, text) in fields {
        shape::any_text(text).map_err(|fault| fault.under(name))?;
    }
    units(&json!(value.to_string()), 0, 8000)
}

fn responder(value: &Value) -> Result<(), Fault> {
    shape::object(value, RESPONDER)?;
    let names = ["id", "name", "username"].iter().filter(|key| value.get(**key).is_some()).count();
    if names == 1 { Ok(()) } else { Err(Fault::new("must have one of id, name and username")) }
}

const ALERT: &[Field] = &[
    must("message", |value| units(value, 1, 130)),
    may("alias", |value| units(value, 1, 512)),
    may("description", |value| units(value, 0, 15_000)),
    may("responders", |value| shape::list(value, 0, 50, responder)),
    may("tags", |value| shape::list(value, 0, 20, |tag| units(tag, 1, 50))),
    may("details", details),
    may("entity", |value| units(value, 0, 512)),
    may("source", |value| units(value, 0, 100)),
    may("priority", |value| shape::one_of(value, &["P1", "P2", "P3", "P4", "P5"])),
    may("user", |value| units(value, 0, 100)),
    may("note", |value| units(value, 0, 25_000)),
];

const CHANGE: &[Field] = &[
    may("user", |value| units(value, 0, 100)),
    may("source", |value| units(value, 0, 100)),
    may("note", |value| units(value, 0, 25_000)),
];

const RESPONDER: &[Field] = &[
    must("type", |value| shape::one_of(value, &["team", "user", "escalation", "schedule"])),
    may("id", shape::any_text),
    may("name", shape::any_text),
    may("username", shape::any_text),
];

/// The real limit grows with the number of users.
const RATE: Rate = Rate::new(300, Duration::from_secs(60));

#[cfg(test)]
mod tests;
