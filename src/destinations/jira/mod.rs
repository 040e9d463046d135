//! Jira, Cloud and Data Center: tickets.
//!
//! Jira has no idempotency key. Each ticket is created with a label of its own, which is searched for before anything is
//! created again ([`create`]); each comment ends with a mark that is looked for among the ticket's comments ([`comment`]). What
//! people have changed stays as they left it ([`ticket`]).

mod adf;
mod comment;
mod create;
mod description;
pub(super) mod errors;
mod part;
mod reference;
mod reply;
mod ticket;
mod transition;
mod wiki;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::Url;

use super::classify::{Again, Answer};
use super::{Build, Carrier, HttpReply, HttpRequest, Kind, Message, Method, Notifier, Pace, base};
use crate::domain::{Job, Secret, Severity};
use crate::settings::Section;

/// The `jira` destination.
pub const KIND: Kind = Kind {
    name: "jira",
    title: "Jira",
    build: Build::Notifier(|section| Some(Box::new(read(section)?) as Box<dyn Notifier>)),
    carrier: Carrier::Http,
    schema: r##"{
  "url": {"type": "string", "description": "Your site", "format": "uri"},
  "api_url": {"type": "string", "description": "The same as url", "format": "uri"},
  "deployment": {"enum": ["cloud", "datacenter"]},
  "email": {"type": "string", "description": "cloud: the account of the token"},
  "api_token": {"$ref": "#/$defs/secret", "description": "cloud: its API token"},
  "token": {"$ref": "#/$defs/secret", "description": "datacenter: a personal access token"},
  "project": {"type": "string", "description": "The key of the project"},
  "issue_type": {"type": "string", "description": "The name of the issue type"},
  "labels": {"type": "array", "items": {"type": "string"}, "description": "Further labels"},
  "priority": {"type": "boolean", "description": "Whether to set the priority by Jira's usual names"},
  "reopen_transition": {"type": "string", "description": "The transition of a closed ticket whose incident is back, by name or id"},
  "resolve_transition": {"type": "string", "description": "The transition of a ticket whose incident is resolved, by name or id"}
}"##,
    required: &["url", "project"],
    template: r#"url = "https://example.atlassian.net"
email = "soc-bot@example.com"
api_token = { env = "JIRA_API_TOKEN" }
project = "SEC"                     # the project's key or id
# issue_type = "Task"               # name or id
# labels = ["security"]             # beside gatepost's own label
# priority = true                   # sets Highest … Lowest, where the project has these names
# resolve_transition = "Done"       # by name or id, once the incident is resolved; default: the status is left alone
# reopen_transition = "Reopen"      # for a closed ticket whose incident is back; default: a new ticket, linked to it
# token = { env = "JIRA_TOKEN" }    # Data Center: a personal access token, instead of email and api_token
"#,
    examples: &["url", "email", "project"],
};

#[derive(Debug)]
struct Jira {
    deployment: Deployment,
    base: Url,
    /// The value of the `Authorization` header.
    authorization: Secret,
    /// The credential inside it, which a reply may repeat.
    token: Secret,
    project: String,
    issue_type: String,
    labels: Vec<String>,
    priorities: Priorities,
    /// The transition of a ticket whose incident is resolved, by name or id.
    resolve_transition: Option<String>,
    /// The transition of a closed ticket whose incident is back.
    reopen_transition: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deployment {
    Cloud,
    DataCenter,
}

/// Whether tickets get a priority: its names are the site's own, so it is off unless asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Priorities {
    Set,
    Unset,
}

/// How much of everything goes into a description.
struct Extent {
    text_chars_max: usize,
    value_chars_max: usize,
    facts_max: usize,
}

fn read(section: &Section) -> Option<Jira> {
    let words = [("cloud", Deployment::Cloud), ("datacenter", Deployment::DataCenter)];
    let is_data_center = section.has("token") && !section.has("email") && !section.has("api_token");
    let by_credentials = if is_data_center { Deployment::DataCenter } else { Deployment::Cloud };
    let deployment =
        if section.has("deployment") { section.choice("deployment", &words) } else { Some(by_credentials) };
    let base = base::setting(section, None);
    warn_of_examples(section, base.as_ref());
    let project = project(section);
    let issue_type = if section.has("issue_type") { section.required_text("issue_type") } else { Some("Task".into()) };
    let labels = labels(section);
    let priorities = if section.flag("priority") { Priorities::Set } else { Priorities::Unset };
    let transition = |key| if section.has(key) { section.required_text(key) } else { None };
    let (resolve_transition, reopen_transition) = (transition("resolve_transition"), transition("reopen_transition"));
    let deployment = deployment?;
    let (authorization, token) = credentials(section, deployment)?;
    Some(Jira {
        deployment,
        base: base?,
        authorization,
        token,
        project: project?,
        issue_type: issue_type?,
        labels: labels?,
        priorities,
        resolve_transition,
        reopen_transition,
    })
}

/// Nothing arrives where the operator left the template's host or address.
fn warn_of_examples(section: &Section, base: Option<&Url>) {
    let host = base.and_then(Url::host_str);
    if host.is_some_and(|host| host == "example.atlassian.net" || is_reserved(host)) {
        let key = if section.has("url") { "url" } else { "api_url" };
        section.warn(key, "still has the host of the example", "write the address of your own Jira");
    }
    let is_example = |email: String| email.rsplit_once('@').is_some_and(|(_, host)| is_reserved(host));
    if section.text("email").is_some_and(is_example) {
        let fix = "write the address of the account that the API token belongs to";
        section.warn("email", "still has the address of the example", fix);
    }
}

/// Names that are kept for examples (RFC 2606).
fn is_reserved(host: &str) -> bool {
    let is_in = |domain: &str| host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    ["example.com", "example.net", "example.org"].into_iter().any(is_in)
}

/// A project's key or number. It becomes part of a query, so nothing else may.
fn project(section: &Section) -> Option<String> {
    let project = section.required_text("project")?;
    let is_key = project.starts_with(|c: char| c.is_ascii_alphabetic())
        && project.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !(is_key || is_number(&project)) || project.len() > 255 {
        section.fault("project", "is neither a project's key nor its id", "write it like SEC, as in SEC-123");
        return None;
    }
    Some(project)
}

fn labels(section: &Section) -> Option<Vec<String>> {
    let labels = section.texts("labels");
    let is_good = |label: &String| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && !label.contains(char::is_whitespace)
            && !label.starts_with(LABEL_PREFIX)
    };
    if labels.len() > LABELS_MAX || !labels.iter().all(is_good) {
        let fix = "at most 20, each without blanks, 1 to 255 long, not beginning with 'gatepost-'";
        section.fault("labels", "holds a label that Jira or gatepost would not accept", fix);
        return None;
    }
    Some(labels)
}

/// The `Authorization` header, and the secret in it.
fn credentials(section: &Section, deployment: Deployment) -> Option<(Secret, Secret)> {
    let (wanted, others): (_, &[&'static str]) = match deployment {
        Deployment::Cloud => ("email and api_token", &["token"]),
        Deployment::DataCenter => ("token", &["email", "api_token"]),
    };
    if let Some(other) = others.iter().find(|other| section.has(other)) {
        section.fault(other, "belongs to the other deployment", &format!("use {wanted}, or set `deployment`"));
        return None;
    }
    let (authorization, token) = match deployment {
        Deployment::Cloud => {
            let (email, token) = (section.required_text("email"), section.required_secret("api_token"));
            let (email, token) = (email?, token?);
            let pair = Secret::new([email.as_bytes(), b":", token.expose()].concat());
            (format!("Basic {}", STANDARD.encode(pair.expose())).into_bytes(), token)
        }
        Deployment::DataCenter => {
            let token = section.required_secret("token")?;
            ([b"Bearer ", token.expose()].concat(), token)
        }
    };
    if !authorization[6..].iter().all(|byte| matches!(byte, b' '..=b'~')) {
        let key = if deployment == Deployment::Cloud { "api_token" } else { "token" };
        section.fault(key, "holds characters that no token has", "copy the token anew");
        return None;
    }
    Some((Secret::new(authorization), token))
}

impl Jira {
    /// The address of an API call below the version of the deployment.
    fn address(&self, path: &str) -> Url {
        let version = match self.deployment {
            Deployment::Cloud => 3,
            Deployment::DataCenter => 2,
        };
        base::join(&self.base, &format!("/rest/api/{version}{path}"))
    }

    fn post(&self, path: &str, document: &Value) -> Message {
        self.send(HttpRequest::post_json(self.address(path), document))
    }

    fn put(&self, path: &str, document: &Value) -> Message {
        self.send(HttpRequest::json(Method::Put, self.address(path), document.to_string()))
    }

    /// A question; `query` is made of our own words only.
    fn get(&self, path: &str, query: &str) -> Message {
        let mut url = self.address(path);
        url.set_query((!query.is_empty()).then_some(query));
        self.send(HttpRequest { body: bytes::Bytes::new(), ..HttpRequest::json(Method::Get, url, String::new()) })
    }

    fn send(&self, request: HttpRequest) -> Message {
        Message::Http(
            request
                .header("Authorization", self.authorization.clone())
                .header("Accept", Secret::new("application/json")),
        )
    }

    fn answer<'a>(&self, job: &'a Job<'a>, reply: &'a HttpReply, again: Again) -> Answer<'a> {
        let texts = [self.token.expose_str(), self.authorization.expose_str().and_then(|text| text.split(' ').nth(1))];
        let secrets = texts.into_iter().flatten().map(str::to_owned).collect();
        Answer { attempt: job.into(), who: NAME, reply, secrets, again }
    }
}

const PACE: Pace = Pace { concurrency: 4, burst: 5, interval: Duration::from_millis(100) };

/// Names are translated and renamed, ids are not: a number is an id.
fn by_id_or(name: &str, value: &str) -> Value {
    let name = if is_number(value) { "id" } else { name };
    json!({ name: value })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "Lowest",
        Severity::Low => "Low",
        Severity::Medium | Severity::Unknown | Severity::Other => "Medium",
        Severity::High => "High",
        Severity::Critical | Severity::Fatal => "Highest",
    }
}

const NAME: &str = "Jira";
const LABEL_PREFIX: &str = "gatepost-";
const LABEL_BYTES_MAX: usize = 255;
const LABELS_MAX: usize = 20;
const EXCERPT_HEADING: &str = "Excerpt, credentials redacted";
/// Jira says "less than 255".
const SUMMARY_CHARS_MAX: usize = 254;
/// Below the 32,767 of the manual, and counted over the serialized form, because Cloud may count that.
const DESCRIPTION_BYTES_MAX: usize = 32_000;

/// From generous to what fits in any case: 8 facts, 4 texts and a link, every character escaped or of 4 bytes.
const EXTENTS: [Extent; 4] = [
    Extent { text_chars_max: 6000, value_chars_max: 512, facts_max: 40 },
    Extent { text_chars_max: 3000, value_chars_max: 300, facts_max: 40 },
    Extent { text_chars_max: 1000, value_chars_max: 150, facts_max: 20 },
    Extent { text_chars_max: 200, value_chars_max: 80, facts_max: 8 },
];

#[cfg(test)]
mod tests;
