//! A stand-in of Jira: one project, with the API of Cloud (`/rest/api/3`) or of Data Center (`/rest/api/2`).
//!
//! Both dialects see the same issues. They differ in rich text (an ADF document or wiki markup), in how they search, and
//! in how soon a search finds what was just created.

mod adf;
mod adf_text;
mod comments;
mod create;
mod issue;
mod search;
mod transitions;

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use serde_json::{Map, Value, json};

pub use issue::{Issue, STATUSES};

use super::rate::{Limiter, Rate};
use super::terminal::Card;
use super::wire::{Answer, Arrived};
use super::{Service, StandIn};

/// The account that owns the API token.
pub const EMAIL: &str = "soc-bot@example.com";

/// The token: the password beside [`EMAIL`], or a bearer token by itself.
pub const API_TOKEN: &str = "standin-api-token";

/// The key of the project.
pub const PROJECT: &str = "SEC";

/// The types of issue that the project has.
pub const ISSUE_TYPES: [&str; 3] = ["Task", "Bug", "Incident"];

/// The priorities that the site has, most urgent first.
pub const PRIORITIES: [&str; 5] = ["Highest", "High", "Medium", "Low", "Lowest"];

/// Starts a stand-in on a free port of 127.0.0.1.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub async fn start() -> std::io::Result<StandIn<Jira>> {
    start_on(0).await
}

/// Starts a stand-in on this port of 127.0.0.1.
///
/// # Errors
/// Where the port cannot be bound or no thread can be started.
pub async fn start_on(port: u16) -> std::io::Result<StandIn<Jira>> {
    StandIn::start(Jira::default(), port).await
}

impl StandIn<Jira> {
    /// The issues, oldest first.
    pub fn issues(&self) -> Vec<Issue> {
        self.shared.service().issues.clone()
    }

    /// Deletes an issue as a person does: it is gone for good.
    pub fn delete(&self, key: &str) {
        self.shared.service().issues.retain(|issue| issue.key != key);
    }

    /// Moves an issue to this status, as a person does: one of [`STATUSES`].
    pub fn set_status(&self, key: &str, status: &'static str) {
        let mut jira = self.shared.service();
        for issue in jira.issues.iter_mut().filter(|issue| issue.key == key) {
            issue.status = status;
        }
    }

    /// Sets the priority of an issue, as a person does.
    pub fn set_priority(&self, key: &str, priority: &str) {
        let mut jira = self.shared.service();
        for issue in jira.issues.iter_mut().filter(|issue| issue.key == key) {
            issue.fields.insert("priority".to_owned(), json!({ "name": priority }));
        }
    }

    /// Lets the search of the Cloud dialect find an issue only after this long. At first it finds it at once.
    pub fn lag_search(&self, lag: Duration) {
        self.shared.service().search_lag = lag;
    }

    /// Takes an optional field (`priority`, `labels`, `description`) off the create screen: who sends it is refused.
    pub fn hide_field(&self, field: &str) {
        self.shared.service().hidden.insert(field.to_owned());
    }

    /// Takes this many POST requests for each endpoint of the Cloud dialect instead of 100 a second.
    pub fn limit_rate(&self, rate: Rate) {
        self.shared.service().bursts = Limiter::new(rate);
    }
}

/// Which of the two products it stands in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Cloud,
    DataCenter,
}

/// The state of the stand-in.
#[derive(Debug)]
pub struct Jira {
    issues: Vec<Issue>,
    /// The number of the next issue: one that could not be created has used its number up.
    next_number: u64,
    search_lag: Duration,
    hidden: BTreeSet<String>,
    bursts: Limiter,
    writes: Limiter,
}

impl Default for Jira {
    fn default() -> Self {
        Self {
            issues: Vec::new(),
            next_number: 1,
            search_lag: Duration::ZERO,
            hidden: BTreeSet::new(),
            bursts: Limiter::new(BURST),
            writes: Limiter::new(WRITES_PER_ISSUE),
        }
    }
}

impl Jira {
    fn rest(&mut self, dialect: Dialect, call: &str, request: &Arrived) -> Answer {
        if !is_known_caller(request) {
            return self.refuse_credentials(request);
        }
        let parts: Vec<&str> = call.split('/').collect();
        match (request.method.as_str(), parts.as_slice(), dialect) {
            ("GET", ["myself"], _) => Answer::json(200, &myself(dialect)),
            ("POST", ["issue"], _) => self.post(dialect, "issue", request, Self::create),
            ("POST", ["search", "jql"], Dialect::Cloud) | ("POST", ["search"], Dialect::DataCenter) => {
                self.post(dialect, "search", request, Self::search)
            }
            ("GET", ["issue", key], _) => self.show(dialect, key, request),
            ("PUT", ["issue", key], _) => self
                .post(dialect, "edit", request, |jira, dialect, request, body| jira.edit(dialect, key, request, body)),
            ("GET", ["issue", key, "comment"], _) => self.comments(key, request),
            ("GET", ["issue", key, "transitions"], _) => self.transitions(key),
            ("POST", ["issue", key, "transitions"], _) => {
                self.post(dialect, "transitions", request, |jira, _, request, body| jira.transition(key, request, body))
            }
            ("POST", ["issue", key, "comment"], _) => {
                self.post(dialect, "comment", request, |jira, dialect, request, body| {
                    jira.comment(dialect, key, request, body)
                })
            }
            (_, ["myself"], _) => Answer::text(405, "").header("Allow", "GET"),
            (_, ["issue"], _) => Answer::text(405, "").header("Allow", "POST"),
            (_, ["issue", _] | ["issue", _, "comment" | "transitions"], _) => Answer::text(405, ""),
            _ => refuse(404, "null for uri"),
        }
    }

    /// What all POST requests have in common: a rate, a media type, a document.
    fn post(
        &mut self,
        dialect: Dialect,
        endpoint: &str,
        request: &Arrived,
        act: impl FnOnce(&mut Self, Dialect, &Arrived, &Value) -> Answer,
    ) -> Answer {
        if dialect == Dialect::Cloud
            && let Err(wait) = self.bursts.admit(endpoint, request.received_at)
        {
            return self.throttle(request, Some(wait)).header("RateLimit-Reason", "jira-burst-based");
        }
        if request.media_type() != "application/json" {
            return refuse(415, "The request must be application/json");
        }
        match request.json() {
            Some(body) => act(self, dialect, request, &body),
            None => refuse(400, "There was an error parsing JSON. Check that your request body is valid."),
        }
    }

    fn create(&mut self, dialect: Dialect, request: &Arrived, body: &Value) -> Answer {
        let number = self.next_number;
        self.next_number += 1;
        if let Err(refusal) = create::check(dialect, body, &self.hidden) {
            return Answer::json(400, &refusal.to_json());
        }
        let issue = Issue {
            id: (10_000 + number).to_string(),
            key: format!("{PROJECT}-{number}"),
            fields: body["fields"].as_object().cloned().unwrap_or_default(),
            properties: body["properties"].as_array().cloned().unwrap_or_default(),
            comments: Vec::new(),
            commented_at: Vec::new(),
            links: create::links(body),
            status: STATUSES[0].0,
            created_at: request.received_at,
        };
        if let Some(unknown) = issue.links.iter().find(|key| !self.issues.iter().any(|issue| issue.key == **key)) {
            let why = format!("No issue link could be made: {unknown} does not exist.");
            return Answer::json(400, &json!({"errorMessages": [], "errors": {"issuelinks": why}}));
        }
        let answer = json!({"id": issue.id, "key": issue.key, "self": self_url(dialect, request, &issue.id)});
        self.issues.push(issue);
        Answer::json(201, &answer)
    }

    fn issue(&mut self, key: &str) -> Result<&mut Issue, Answer> {
        let found = self.issues.iter_mut().find(|issue| issue.key == key || issue.id == key);
        found.ok_or_else(|| refuse(404, "Issue does not exist or you do not have permission to see it."))
    }

    /// Counts a write to one issue.
    fn admit(&mut self, key: &str, request: &Arrived) -> Result<(), Answer> {
        self.writes
            .admit(key, request.received_at)
            .map_err(|wait| self.throttle(request, Some(wait)).header("RateLimit-Reason", "jira-per-issue-on-write"))
    }

    fn show(&mut self, dialect: Dialect, key: &str, request: &Arrived) -> Answer {
        let issue = match self.issue(key) {
            Ok(issue) => issue,
            Err(refusal) => return refusal,
        };
        let wanted = query_of(request, "fields");
        let is_wanted = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted.split(',').any(|field| field == name));
        let category = STATUSES.iter().find(|(name, _)| *name == issue.status).map_or("undefined", |(_, key)| key);
        let status = json!({"name": issue.status, "statusCategory": {"key": category}});
        let default = json!({"name": "Medium"});
        let mut fields: Map<String, Value> =
            issue.fields.iter().filter(|(name, _)| is_wanted(name)).map(|(k, v)| (k.clone(), v.clone())).collect();
        for (name, value) in [("status", status), ("priority", default)] {
            if is_wanted(name) && !fields.contains_key(name) {
                fields.insert(name.to_owned(), value);
            }
        }
        let url = self_url(dialect, request, &issue.id);
        Answer::json(200, &json!({"id": issue.id, "key": issue.key, "self": url, "fields": fields}))
    }

    fn edit(&mut self, dialect: Dialect, key: &str, request: &Arrived, body: &Value) -> Answer {
        let hidden = self.hidden.clone();
        let checked = self.issue(key).map(|_| ()).and_then(|()| self.admit(key, request));
        if let Err(refusal) = checked {
            return refusal;
        }
        if let Err(refusal) = create::check_edit(dialect, body, &hidden) {
            return Answer::json(400, &refusal.to_json());
        }
        if let (Ok(issue), Some(fields)) = (self.issue(key), body["fields"].as_object()) {
            issue.fields.extend(fields.clone());
        }
        done()
    }

    fn search(&mut self, dialect: Dialect, request: &Arrived, body: &Value) -> Answer {
        let lag = match dialect {
            Dialect::Cloud => self.search_lag,
            Dialect::DataCenter => Duration::ZERO,
        };
        let indexed = |issue: &&Issue| request.received_at >= issue.created_at.plus(lag);
        let visible: Vec<&Issue> = self.issues.iter().filter(indexed).collect();
        let self_of = |issue: &Issue| self_url(dialect, request, &issue.id);
        match search::run(dialect, body, &visible, self_of) {
            Ok(found) => Answer::json(200, &found),
            Err(why) => refuse(400, &why),
        }
    }
}

/// Atlassian's document has a type for what has no body.
fn done() -> Answer {
    Answer { content_type: "application/json", ..Answer::text(204, "") }
}

impl Service for Jira {
    const NAME: &'static str = "Jira";

    fn answer(&mut self, request: &Arrived) -> Answer {
        let path = request.path.as_str();
        if let Some(call) = path.strip_prefix("/rest/api/3/") {
            self.rest(Dialect::Cloud, call, request)
        } else if let Some(call) = path.strip_prefix("/rest/api/2/") {
            self.rest(Dialect::DataCenter, call, request)
        } else {
            Answer::text(404, "")
        }
    }

    fn refuse_credentials(&self, _request: &Arrived) -> Answer {
        refuse(401, "You are not authenticated. Authentication required to perform this operation.")
    }

    fn throttle(&self, _request: &Arrived, retry_after: Option<Duration>) -> Answer {
        refuse(429, "Rate limit exceeded.").retry_after(retry_after)
    }

    fn effects(&self) -> usize {
        self.issues.len()
    }

    fn mentions(&self, text: &str) -> usize {
        self.issues.iter().filter(|issue| issue.mentions(text)).count()
    }

    fn cards(&self) -> Vec<Card> {
        self.issues.iter().map(Issue::card).collect()
    }
}

/// Basic with the account's token, or the token as a bearer.
fn is_known_caller(request: &Arrived) -> bool {
    if let Some(token) = request.credentials("bearer") {
        return token == API_TOKEN;
    }
    let basic = request.credentials("basic").and_then(|coded| base64::prelude::BASE64_STANDARD.decode(coded).ok());
    basic.is_some_and(|pair| pair == format!("{EMAIL}:{API_TOKEN}").into_bytes())
}

fn myself(dialect: Dialect) -> Value {
    match dialect {
        Dialect::Cloud => json!({
            "accountId": "5b10a0effa615349cb016cd8", "emailAddress": EMAIL, "displayName": "SOC bot", "active": true
        }),
        Dialect::DataCenter => {
            json!({"name": "soc-bot", "emailAddress": EMAIL, "displayName": "SOC bot", "active": true})
        }
    }
}

fn self_url(dialect: Dialect, request: &Arrived, id: &str) -> String {
    let version = match dialect {
        Dialect::Cloud => 3,
        Dialect::DataCenter => 2,
    };
    format!("http://{}/rest/api/{version}/issue/{id}", request.headers.only("host").unwrap_or("localhost"))
}

fn query_of(request: &Arrived, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(request.query.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn refuse(status: u16, why: &str) -> Answer {
    Answer::json(status, &json!({"errorMessages": [why], "errors": {}}))
}

/// Cloud's default for POST to one endpoint of one site.
const BURST: Rate = Rate::new(100, Duration::from_secs(1));

/// Cloud's limit for writes to one issue.
const WRITES_PER_ISSUE: Rate = Rate::new(20, Duration::from_secs(2));

#[cfg(test)]
mod tests;
