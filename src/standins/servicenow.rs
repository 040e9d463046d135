//! A stand-in of ServiceNow: the Table API of one instance with the table `incident`.
//!
//! It is stricter than an instance in two places: a column that it does not know and a text that is longer than its column are
//! refused, where an instance would leave them out or cut them off and say nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use serde_json::{Map, Value, json};

use super::rate::{Limiter, Rate};
use super::terminal::{Card, Line, Tone};
use super::wire::{Answer, Arrived};
use super::{Service, StandIn};
use crate::domain::Timestamp;

/// The account that the stand-in knows.
pub const USER: &str = "gatepost";

/// Its password.
pub const PASSWORD: &str = "standin-password";

/// A token of the same account.
pub const TOKEN: &str = "standin-access-token";

/// Starts a stand-in on a free port of 127.0.0.1.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub async fn start() -> std::io::Result<StandIn<ServiceNow>> {
    start_on(0).await
}

/// Starts a stand-in on this port of 127.0.0.1.
///
/// # Errors
/// Where the port cannot be bound or no thread can be started.
pub async fn start_on(port: u16) -> std::io::Result<StandIn<ServiceNow>> {
    StandIn::start(ServiceNow::default(), port).await
}

impl StandIn<ServiceNow> {
    /// The tickets, oldest first.
    pub fn tickets(&self) -> Vec<Ticket> {
        self.shared.service().tickets.clone()
    }

    /// Sets a column of a ticket, as a person does.
    pub fn set(&self, number: &str, column: &str, value: &str) {
        let mut instance = self.shared.service();
        for ticket in instance.tickets.iter_mut().filter(|ticket| ticket.text("number") == number) {
            ticket.set(column, value);
        }
    }

    /// Deletes a ticket, as a person does.
    pub fn delete(&self, number: &str) {
        self.shared.service().tickets.retain(|ticket| ticket.text("number") != number);
    }

    /// Leaves conditions of queries out from now on, as an instance does with those that it does not understand.
    pub fn ignore_queries(&self) {
        self.shared.service().ignores_queries = true;
    }

    /// Demands this column of every new ticket, as a data policy does.
    pub fn demand(&self, column: &'static str) {
        self.shared.service().demanded = Some(column);
    }

    /// Takes this many requests instead of any number.
    pub fn limit_rate(&self, rate: Rate) {
        self.shared.service().limiter = Limiter::new(rate);
    }
}

/// A ticket.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticket {
    /// Its columns, all of them texts.
    pub columns: BTreeMap<String, String>,
    /// Its work notes, oldest first.
    pub work_notes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The state of the stand-in.
#[derive(Debug)]
pub struct ServiceNow {
    tickets: Vec<Ticket>,
    made: usize,
    limiter: Limiter,
    ignores_queries: bool,
    demanded: Option<&'static str>,
}

impl Default for ServiceNow {
    fn default() -> Self {
        let limiter = Limiter::new(Rate::UNLIMITED);
        Self { tickets: Vec::new(), made: 0, limiter, ignores_queries: false, demanded: None }
    }
}

impl ServiceNow {
    fn route(&mut self, request: &Arrived) -> Answer {
        let path: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
        match (request.method.as_str(), path.strip_prefix(&["api", "now", "table"])) {
            (_, Some([table, ..])) if *table != "incident" => {
                error(400, &format!("Invalid table {table}"), Value::Null)
            }
            ("POST", Some([_])) => self.create(request, &query),
            ("GET", Some([_])) => self.search(&query),
            ("GET", Some([_, id])) => match self.find(id) {
                Some(ticket) => result(200, &ticket.shown(&query)),
                None => no_record(),
            },
            ("PATCH", Some([_, id])) => self.change(id, request, &query),
            _ => error(404, "Requested URI does not represent any resource", Value::Null),
        }
    }

    fn create(&mut self, request: &Arrived, query: &BTreeMap<String, String>) -> Answer {
        let columns = match columns_of(request) {
            Ok(columns) => columns,
            Err(refusal) => return refusal,
        };
        if let Some(missing) = self.demanded.filter(|name| !columns.contains_key(*name)) {
            return data_policy(missing);
        }
        self.made += 1;
        let mut ticket = Ticket { columns: BTreeMap::new(), work_notes: Vec::new(), created_at: request.received_at };
        ticket.set("sys_id", &format!("{:032x}", self.made));
        ticket.set("number", &format!("INC{:07}", self.made));
        for (name, value) in [("state", "1"), ("active", "true"), ("impact", "3"), ("urgency", "3")] {
            ticket.set(name, value);
        }
        ticket.take(columns);
        let answer = result(201, &ticket.shown(query));
        self.tickets.push(ticket);
        answer
    }

    fn search(&self, query: &BTreeMap<String, String>) -> Answer {
        let condition = query.get("sysparm_query").map(String::as_str).unwrap_or_default();
        let wanted = match condition.split_once('=') {
            _ if self.ignores_queries => None,
            Some(("correlation_id", value)) if !value.is_empty() && !value.contains(['^', ',', '=']) => Some(value),
            // An instance would take it for something else.
            _ => return error(400, "The stand-in does not know this query", json!(condition)),
        };
        let limit = query.get("sysparm_limit").and_then(|limit| limit.parse().ok()).unwrap_or(10_000);
        let is_wanted = |ticket: &&Ticket| wanted.is_none_or(|wanted| ticket.text("correlation_id") == wanted);
        let found: Vec<Value> =
            self.tickets.iter().filter(is_wanted).take(limit).map(|ticket| ticket.shown(query)).collect();
        result(200, &Value::Array(found))
    }

    fn change(&mut self, id: &str, request: &Arrived, query: &BTreeMap<String, String>) -> Answer {
        let columns = match columns_of(request) {
            Ok(columns) => columns,
            Err(refusal) => return refusal,
        };
        let Some(ticket) = self.tickets.iter_mut().find(|ticket| ticket.text("sys_id") == id) else {
            return no_record();
        };
        let is_inactive = ticket.text("active") == "false";
        if is_inactive && columns.keys().any(|name| name != "work_notes") {
            return error(403, "Operation Failed", json!("ACL Exception Update Failed due to security constraints"));
        }
        let is_resolved = columns.get("state").is_some_and(|state| ["6", "7"].contains(&state.as_str()));
        if is_resolved && !(columns.contains_key("close_code") && columns.contains_key("close_notes")) {
            return data_policy("Resolution code, Resolution notes");
        }
        ticket.take(columns);
        result(200, &ticket.shown(query))
    }

    fn find(&self, id: &str) -> Option<&Ticket> {
        self.tickets.iter().find(|ticket| ticket.text("sys_id") == id)
    }
}

impl Service for ServiceNow {
    const NAME: &'static str = "ServiceNow";

    fn answer(&mut self, request: &Arrived) -> Answer {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let is_known = request.credentials("Basic") == Some(&basic) || request.credentials("Bearer") == Some(TOKEN);
        if !is_known {
            return self.refuse_credentials(request);
        }
        match self.limiter.admit(USER, request.received_at) {
            Ok(()) => self.route(request),
            Err(wait) => self.throttle(request, Some(wait)),
        }
    }

    fn refuse_credentials(&self, _request: &Arrived) -> Answer {
        error(401, "User Not Authenticated", json!("Required to provide Auth information"))
    }

    fn throttle(&self, _request: &Arrived, retry_after: Option<Duration>) -> Answer {
        error(429, "Rate limit exceeded", json!("Rate limit exceeded for the current user"))
            .header("X-RateLimit-Limit", 100)
            .retry_after(retry_after)
    }

    fn effects(&self) -> usize {
        self.tickets.len()
    }

    fn mentions(&self, text: &str) -> usize {
        let holds =
            |ticket: &&Ticket| ticket.columns.values().chain(&ticket.work_notes).any(|value| value.contains(text));
        self.tickets.iter().filter(holds).count()
    }

    fn cards(&self) -> Vec<Card> {
        self.tickets.iter().map(Ticket::card).collect()
    }
}

impl Ticket {
    /// What stands in a column; blank where there is nothing.
    pub fn text(&self, column: &str) -> &str {
        self.columns.get(column).map(String::as_str).unwrap_or_default()
    }

    fn set(&mut self, column: &str, value: &str) {
        self.columns.insert(column.to_owned(), value.to_owned());
        if column == "state" {
            let is_active = !["7", "8"].contains(&value);
            self.columns.insert("active".to_owned(), is_active.to_string());
        }
    }

    fn take(&mut self, columns: BTreeMap<String, String>) {
        for (name, value) in columns {
            if name == "work_notes" {
                self.work_notes.push(value);
            } else {
                self.set(&name, &value);
            }
        }
    }

    /// The columns that are asked for. A journal shows only where it is to be read by people, the newest first.
    fn shown(&self, query: &BTreeMap<String, String>) -> Value {
        let is_for_people = query.get("sysparm_display_value").is_some_and(|shown| shown == "true");
        let notes: String =
            self.work_notes.iter().rev().fold(String::new(), |text, note| {
                text + "2026-11-21 02:10:00 - Gatepost (Work notes)\n" + note + "\n\n"
            });
        let mut all: Map<String, Value> =
            self.columns.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        all.insert("work_notes".to_owned(), json!(if is_for_people { notes } else { String::new() }));
        if let Some(fields) = query.get("sysparm_fields") {
            all.retain(|name, _| fields.split(',').any(|field| field == name));
        }
        Value::Object(all)
    }

    fn card(&self) -> Card {
        let standing = format!(
            "state {} · impact {} · urgency {} · {}",
            self.text("state"),
            self.text("impact"),
            self.text("urgency"),
            self.created_at.to_human()
        );
        let mut lines = vec![Line::new(Tone::Strong, self.text("short_description")), Line::new(Tone::Faint, standing)];
        lines.extend(self.text("description").lines().map(Line::normal));
        for note in &self.work_notes {
            lines.push(Line::new(Tone::Faint, "work note"));
            lines.extend(note.lines().map(Line::normal));
        }
        Card { heading: format!("ServiceNow · {}", self.text("number")), lines }
    }
}

/// The columns of a body, or what is wrong with it.
fn columns_of(request: &Arrived) -> Result<BTreeMap<String, String>, Answer> {
    let unreadable = || error(400, "Exception while reading request", json!("The payload is not valid JSON."));
    let body = request.json().filter(|_| request.media_type() == "application/json").ok_or_else(unreadable)?;
    let mut columns = BTreeMap::new();
    for (name, value) in body.as_object().ok_or_else(unreadable)? {
        let refusal = |why: &str| error(400, &format!("Invalid field {name}"), json!(why));
        let text = value.as_str().ok_or_else(|| refusal("is no text"))?;
        let known = COLUMNS.iter().find(|(column, _)| column == name);
        let units_max = match known {
            Some((_, units_max)) => *units_max,
            None if name.starts_with("u_") => 40,
            None => return Err(refusal("is not known")),
        };
        if text.encode_utf16().count() > units_max {
            return Err(refusal("is too long"));
        }
        if ["impact", "urgency"].contains(&name.as_str()) && !["1", "2", "3"].contains(&text) {
            return Err(refusal("is no choice"));
        }
        columns.insert(name.clone(), text.to_owned());
    }
    Ok(columns)
}

fn result(status: u16, result: &Value) -> Answer {
    Answer::json(status, &json!({ "result": result }))
}

fn error(status: u16, message: &str, detail: Value) -> Answer {
    Answer::json(status, &json!({ "error": { "message": message, "detail": detail }, "status": "failure" }))
}

fn no_record() -> Answer {
    error(404, "No Record found", json!("Record doesn't exist or ACL restricts the record retrieval"))
}

fn data_policy(columns: &str) -> Answer {
    let detail = format!("Data Policy Exception: The following fields are mandatory: {columns}");
    error(403, "Operation Failed", json!(detail))
}

/// The columns that the stand-in knows, and how long their texts may be.
const COLUMNS: [(&str, usize); 17] = [
    ("short_description", 160),
    ("description", 4000),
    ("correlation_id", 100),
    ("correlation_display", 100),
    ("impact", 1),
    ("urgency", 1),
    ("parent", 32),
    ("state", 3),
    ("close_code", 40),
    ("close_notes", 4000),
    ("work_notes", 4000),
    ("category", 40),
    ("subcategory", 40),
    ("assignment_group", 32),
    ("assigned_to", 32),
    ("caller_id", 32),
    ("contact_type", 40),
];

#[cfg(test)]
mod tests;
