//! ServiceNow, Table API: tickets in the table `incident`, or in another that extends `task`.
//!
//! ServiceNow has no idempotency key. Each ticket has a `correlation_id` of its own, which is searched for before anything is
//! created again ([`create`]); each work note ends with a mark that is looked for among the ticket's work notes ([`note`]).
//! What people have changed stays as they left it ([`ticket`], [`state`]).

mod content;
mod create;
pub(super) mod errors;
mod note;
mod reference;
mod reply;
mod state;
mod ticket;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use url::Url;

use super::classify::{Again, Answer};
use super::{Build, Carrier, HttpReply, HttpRequest, Kind, Message, Method, Notifier, OAuth, Pace, base};
use crate::domain::{Job, Secret};
use crate::settings::Section;

/// The `servicenow` destination.
pub const KIND: Kind = Kind {
    name: "servicenow",
    title: "ServiceNow",
    build: Build::Notifier(|section| Some(Box::new(read(section)?) as Box<dyn Notifier>)),
    carrier: Carrier::HttpOrOAuth { token_path: Some("/oauth_token.do") },
    schema: r##"{
  "url": {"type": "string", "description": "Your instance", "format": "uri"},
  "api_url": {"type": "string", "description": "The same as url", "format": "uri"},
  "user": {"type": "string", "description": "The account of gatepost"},
  "password": {"$ref": "#/$defs/secret", "description": "Its password"},
  "token": {"$ref": "#/$defs/secret", "description": "An OAuth access token, instead of user and password"},
  "table": {"type": "string", "description": "The table of the tickets"},
  "fields": {"type": "object", "description": "Further fields of a new ticket", "additionalProperties": {"type": "string"}},
  "close_code": {"type": "string", "description": "Resolves a ticket with its incident, with this code"},
  "resolve_state": {"type": "string", "description": "The state of a resolved ticket"},
  "reopen_state": {"type": "string", "description": "The state of a resolved ticket whose incident is back"}
}"##,
    required: &[],
    template: r#"url = "https://example.service-now.com"
user = "gatepost"
password = { env = "SERVICENOW_PASSWORD" }
# token = { env = "SERVICENOW_TOKEN" }    # an OAuth access token, instead of user and password
# oauth = { client_id = "…", client_secret = { env = "SERVICENOW_CLIENT_SECRET" } }   # or tokens that are fetched
# table = "incident"                      # or another that extends task
# fields = { category = "security", assignment_group = "287ebd7da9fe198100f92cc8d1d2154e" }    # of a new ticket
# close_code = "Solution provided"        # resolves tickets with their incidents; default: the state is left alone
# resolve_state = "6"
# reopen_state = "2"                      # of a resolved ticket whose incident is back; default: a new ticket
"#,
    examples: &["url", "user"],
};

#[derive(Debug)]
struct ServiceNow {
    base: Url,
    /// Absent where its connection has access tokens.
    login: Option<Login>,
    table: String,
    /// Of every new ticket, as the operator has named them.
    fields: Vec<(String, String)>,
    /// What resolves a ticket with its incident.
    close_code: Option<String>,
    resolve_state: String,
    reopen_state: Option<String>,
}

/// The account's own credentials.
#[derive(Debug)]
struct Login {
    /// The value of the `Authorization` header.
    authorization: Secret,
    /// The credential inside it, which a reply may repeat.
    credential: Secret,
}

fn read(section: &Section) -> Option<ServiceNow> {
    let base = base::setting(section, None);
    warn_of_examples(section, base.as_ref());
    let table = table(section);
    let fields = fields(section);
    let close_code = if section.has("close_code") { section.required_text("close_code") } else { None };
    let resolve_state = state(section, "resolve_state");
    let reopen_state = state(section, "reopen_state");
    let login = if section.has(OAuth::KEY) { no_login(section)? } else { Some(login(section)?) };
    Some(ServiceNow {
        base: base?,
        login,
        table: table?,
        fields: fields?,
        close_code,
        resolve_state: resolve_state?.unwrap_or_else(|| RESOLVED.to_owned()),
        reopen_state: reopen_state?,
    })
}

/// Nothing arrives where the operator left the template's host.
fn warn_of_examples(section: &Section, base: Option<&Url>) {
    if base.and_then(Url::host_str) == Some("example.service-now.com") {
        let key = if section.has("url") { "url" } else { "api_url" };
        section.warn(key, "still has the host of the example", "write the address of your own instance");
    }
}

/// It becomes part of an address, so nothing else may.
fn table(section: &Section) -> Option<String> {
    let table = if section.has("table") { section.required_text("table")? } else { "incident".to_owned() };
    if !is_name(&table) {
        section.fault("table", "is not the name of a table", "write it as in `incident`: letters, digits and _");
        return None;
    }
    Some(table)
}

fn fields(section: &Section) -> Option<Vec<(String, String)>> {
    let fields = section.text_map("fields");
    let is_good = |(name, value): &(String, String)| {
        is_name(name) && !OWN_FIELDS.contains(&name.as_str()) && value.chars().count() <= FIELD_CHARS_MAX
    };
    if fields.len() > FIELDS_MAX || !fields.iter().all(is_good) {
        let fix = "write at most 50 names of columns, none of those that gatepost fills, with values of at most 1,000 characters";
        section.fault("fields", "holds a field that ServiceNow or gatepost would not accept", fix);
        return None;
    }
    Some(fields)
}

/// The value of a state, which is a number in ServiceNow: `Some(None)` where it is not set.
fn state(section: &Section, key: &'static str) -> Option<Option<String>> {
    if !section.has(key) {
        return Some(None);
    }
    let state = section.required_text(key)?;
    if state.is_empty() || state.len() > 9 || !state.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) {
        section.fault(key, "is not the value of a state", "write the number that ServiceNow keeps, such as \"6\"");
        return None;
    }
    Some(Some(state))
}

/// Nothing, where nothing else is set beside `oauth`.
fn no_login(section: &Section) -> Option<Option<Login>> {
    match ["token", "user", "password"].into_iter().find(|key| section.has(key)) {
        Some(also) => {
            section.fault(also, "stands beside 'oauth'", "keep one of them");
            None
        }
        None => Some(None),
    }
}

/// The `Authorization` header, and the secret in it.
fn login(section: &Section) -> Option<Login> {
    let by_token = section.has("token");
    let also = ["user", "password"].into_iter().find(|key| by_token && section.has(key));
    if let Some(also) = also {
        section.fault(also, "stands beside 'token'", "keep either `token`, or `user` and `password`");
        return None;
    }
    let (key, header, credential) = if by_token {
        let token = section.required_secret("token")?;
        ("token", [b"Bearer ", token.expose()].concat(), token)
    } else {
        let (user, password) = (section.required_text("user"), section.required_secret("password"));
        let (user, password) = (user?, password?);
        if user.contains(':') || user.chars().any(char::is_control) {
            section.fault("user", "holds a character that no user name has", "write the user name of the account");
            return None;
        }
        let pair = Secret::new([user.as_bytes(), b":", password.expose()].concat());
        ("password", format!("Basic {}", STANDARD.encode(pair.expose())).into_bytes(), password)
    };
    if credential.is_empty() || !header.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        section.fault(key, "is empty or holds characters that no token has", "copy it anew");
        return None;
    }
    Some(Login { authorization: Secret::new(header), credential })
}

/// `u_security_case`
fn is_name(text: &str) -> bool {
    text.len() <= 80
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

impl ServiceNow {
    /// The address of the table, or of a ticket; `query` is made of our own words only.
    fn address(&self, ticket: Option<&str>, query: &[(&str, &str)]) -> Url {
        let path = ticket.map(|id| format!("/{id}")).unwrap_or_default();
        let mut url = base::join(&self.base, &format!("/api/now/table/{}{path}", self.table));
        url.query_pairs_mut().extend_pairs(query).append_pair("sysparm_exclude_reference_link", "true");
        url
    }

    fn send(&self, method: Method, url: Url, document: &Value) -> Message {
        self.authorized(HttpRequest::json(method, url, document.to_string()))
    }

    fn get(&self, ticket: Option<&str>, query: &[(&str, &str)]) -> Message {
        let url = self.address(ticket, query);
        self.authorized(HttpRequest { body: bytes::Bytes::new(), ..HttpRequest::json(Method::Get, url, String::new()) })
    }

    fn authorized(&self, request: HttpRequest) -> Message {
        let request = match &self.login {
            Some(login) => request.header("Authorization", login.authorization.clone()),
            None => request,
        };
        Message::Http(request.header("Accept", Secret::new("application/json")))
    }

    fn answer<'a>(&self, job: &'a Job<'a>, reply: &'a HttpReply, again: Again) -> Answer<'a> {
        let secrets = self.login.iter().flat_map(|login| {
            let inside = login.authorization.expose_str().and_then(|text| text.split(' ').nth(1));
            [login.credential.expose_str(), inside].into_iter().flatten().map(str::to_owned)
        });
        let secrets = secrets.collect();
        Answer { attempt: job.into(), who: NAME, reply, secrets, again }
    }
}

/// An instance works on a few requests of its API at once, and keeps the others waiting.
const PACE: Pace = Pace { concurrency: 2, burst: 5, interval: Duration::from_millis(200) };

const NAME: &str = "ServiceNow";
/// Of the table `incident`.
const RESOLVED: &str = "6";
const FIELDS_MAX: usize = 50;
const FIELD_CHARS_MAX: usize = 1000;
/// What gatepost fills itself.
const OWN_FIELDS: [&str; 14] = [
    "short_description",
    "description",
    "correlation_id",
    "correlation_display",
    "impact",
    "urgency",
    "priority",
    "state",
    "work_notes",
    "comments",
    "close_code",
    "close_notes",
    "parent",
    "sys_id",
];

#[cfg(test)]
mod tests;
