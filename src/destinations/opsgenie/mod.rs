//! Opsgenie, Alert API: what wakes a person. The alerts of Jira Service Management have the same API below another base.
//!
//! An `alias` makes every request safe to repeat: requests with the alias of an open alert fold into it, and acknowledging or
//! closing it twice changes nothing. Requests are processed after they are answered; a 202 says only that Opsgenie has the
//! request. What became of it is asked for ([`processing`]). Not even that says that a person was reached. [`alert`] tells
//! incidents.

mod alert;
mod content;
pub(super) mod errors;
mod processing;
mod reply;

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::classify::{Again, Answer};
use super::{Build, Carrier, HttpReply, HttpRequest, Kind, Message, Method, Notifier, Pace, base};
use crate::domain::{Job, Secret, Severity};
use crate::settings::Section;

/// The `opsgenie` destination.
pub const KIND: Kind = Kind {
    name: "opsgenie",
    title: "Opsgenie",
    build: Build::Notifier(|section| Some(Box::new(read(section)?) as Box<dyn Notifier>)),
    carrier: Carrier::Http,
    schema: r##"{
  "api_key": {"$ref": "#/$defs/secret", "description": "The key of an API integration"},
  "url": {"type": "string", "description": "Another base, such as https://api.eu.opsgenie.com", "format": "uri"},
  "api_url": {"type": "string", "description": "The same as url", "format": "uri"},
  "responders": {"type": "array", "items": {"type": "string"}, "description": "Who is notified: team:NAME, user:ADDRESS, escalation:NAME, schedule:NAME"}
}"##,
    required: &["api_key"],
    template: r#"api_key = { env = "OPSGENIE_API_KEY" }    # the key of an API integration
# responders = ["team:SOC"]               # or user:ADDRESS, escalation:NAME, schedule:NAME; default: the integration's
# url = "https://api.eu.opsgenie.com"     # the EU region; default https://api.opsgenie.com. Jira Service Management:
#                                         # "https://api.atlassian.com/jsm/ops/integration"
"#,
    examples: &[],
};

#[derive(Debug)]
struct Opsgenie {
    base: Url,
    api_key: Secret,
    /// The value of the `Authorization` header.
    authorization: Secret,
    /// As the API takes them, at most 50.
    responders: Vec<Value>,
}

fn read(section: &Section) -> Option<Opsgenie> {
    let base = base::setting(section, Some("https://api.opsgenie.com"));
    let responders = responders(section);
    let api_key = section.required_secret("api_key")?;
    if api_key.is_empty() || !api_key.expose().iter().all(|byte| matches!(byte, b' '..=b'~')) {
        section.fault("api_key", "holds characters that no key has", "copy the key of the API integration anew");
        return None;
    }
    let authorization = Secret::new([b"GenieKey ", api_key.expose()].concat());
    Some(Opsgenie { base: base?, api_key, authorization, responders: responders? })
}

/// `team:SOC`: a kind, and a name or an id.
fn responders(section: &Section) -> Option<Vec<Value>> {
    let given = section.texts("responders");
    let responders: Option<Vec<Value>> = given.iter().map(|text| responder(text)).collect();
    if responders.is_none() || given.len() > RESPONDERS_MAX {
        let fix = "write at most 50, each like \"team:SOC\", \"user:ann@example.com\", \"escalation:NAME\" or \"schedule:NAME\"";
        section.fault("responders", "holds a responder that Opsgenie would not accept", fix);
        return None;
    }
    responders
}

fn responder(text: &str) -> Option<Value> {
    let (kind, name) = text.split_once(':')?;
    let (kind, name) = (kind.trim(), name.trim());
    let is_known = ["team", "user", "escalation", "schedule"].contains(&kind);
    if !is_known || name.is_empty() || name.chars().any(char::is_control) {
        return None;
    }
    let key = match (uuid::Uuid::try_parse(name), kind) {
        (Ok(_), _) => "id",
        (Err(_), "user") => "username",
        (Err(_), _) => "name",
    };
    Some(json!({ "type": kind, key: name }))
}

impl Opsgenie {
    fn post(&self, below: &[&str], document: &Value) -> HttpRequest {
        self.authorized(HttpRequest::post_json(self.address(below), document))
    }

    fn get(&self, below: &[&str]) -> HttpRequest {
        let url = self.address(below);
        self.authorized(HttpRequest { body: bytes::Bytes::new(), ..HttpRequest::json(Method::Get, url, String::new()) })
    }

    fn authorized(&self, request: HttpRequest) -> HttpRequest {
        request.header("Authorization", self.authorization.clone())
    }

    /// The address of alerts, or of what is below it: ids and words of our own.
    fn address(&self, below: &[&str]) -> Url {
        let mut url = base::join(&self.base, "/v2/alerts");
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(below);
        }
        url
    }

    fn answer<'a>(&self, job: &'a Job<'a>, reply: &'a HttpReply, again: Again) -> Answer<'a> {
        let secrets = self.api_key.expose_str().map(str::to_owned).into_iter().collect();
        Answer { attempt: job.into(), who: NAME, reply, secrets, again }
    }
}

/// With `?identifierType=alias`: the alert is named by its alias.
fn by_alias(mut request: HttpRequest) -> Message {
    request.url.set_query(Some("identifierType=alias"));
    Message::Http(request)
}

/// Opsgenie's limits grow with the number of users of the account. This stays below the least of them: a page is two or three
/// requests.
const PACE: Pace = Pace { concurrency: 4, burst: 20, interval: Duration::from_millis(600) };

fn priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::Fatal => "P1",
        Severity::High => "P2",
        Severity::Medium | Severity::Unknown | Severity::Other => "P3",
        Severity::Low => "P4",
        Severity::Informational => "P5",
    }
}

const NAME: &str = "Opsgenie";
const RESPONDERS_MAX: usize = 50;

#[cfg(test)]
mod tests;
