//! Jira, Cloud and Data Center: one ticket an event.
//!
//! Jira has no idempotency key. Each ticket is created with a label made of the event's key; after a try that may have
//! arrived the label is searched for before anything is created again. Cloud's index lags by seconds to minutes, so a
//! miss counts only after several searches with pauses in between; a lag beyond them makes a second ticket. A certain
//! refusal needs no search.

mod adf;
pub(super) mod errors;
mod reply;
mod wiki;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use self::reply::{Found, Verdict};
use super::classify::{self, Again, Answer};
use super::render::{Summary, truncate};
use super::{Destination, HttpReply, HttpRequest, Kind, Message, Next, Pace, Reply, Step, base};
use crate::domain::{EventKey, Job, Outcome, Progress, Reference, Scope, Secret, Severity, Timestamp};
use crate::settings::Section;

/// The `jira` destination.
pub const KIND: Kind = Kind {
    name: "jira",
    title: "Jira",
    build,
    notifier: None,
    template: r#"url = "https://example.atlassian.net"
email = "soc-bot@example.com"
api_token = { env = "JIRA_API_TOKEN" }
project = "SEC"                     # the project's key or id
# issue_type = "Task"               # name or id
# labels = ["security"]             # beside gatepost's own label
# priority = true                   # sets Highest … Lowest, where the project has these names
# deployment = "datacenter"         # then, instead of email and api_token:
# token = { env = "JIRA_TOKEN" }    # a personal access token
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

fn build(section: &Section) -> Option<Box<dyn Destination>> {
    let words = [("cloud", Deployment::Cloud), ("datacenter", Deployment::DataCenter)];
    let deployment = if section.has("deployment") { section.choice("deployment", &words) } else { Some(words[0].1) };
    let base = base::setting(section, None);
    warn_of_examples(section, base.as_ref());
    let project = project(section);
    let issue_type = if section.has("issue_type") { section.required_text("issue_type") } else { Some("Task".into()) };
    let labels = labels(section);
    let priorities = if section.flag("priority") { Priorities::Set } else { Priorities::Unset };
    let deployment = deployment?;
    let (authorization, token) = credentials(section, deployment)?;
    Some(Box::new(Jira {
        deployment,
        base: base?,
        authorization,
        token,
        project: project?,
        issue_type: issue_type?,
        labels: labels?,
        priorities,
    }))
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

impl Destination for Jira {
    fn pace(&self) -> Pace {
        Pace { concurrency: 4, burst: 5, interval: Duration::from_millis(100) }
    }

    fn first(&self, job: &Job<'_>) -> Next {
        match (classify::in_doubt(job), too_early(job)) {
            (true, Some(rest)) => Next::Done(not_found_yet(rest, classify::carried(job))),
            (true, None) => self.search(job),
            (false, _) => self.create(job, CREATE),
        }
    }

    fn next(&self, job: &Job<'_>, step: Step, reply: &Reply) -> Next {
        if step == SEARCH { self.searched(job, reply) } else { self.created(job, step, reply) }
    }
}

impl Jira {
    fn search(&self, job: &Job<'_>) -> Next {
        // Both names are of an alphabet that needs no escaping: checked when the settings were read, and hexadecimal.
        let jql = format!("project = \"{}\" AND labels = \"{}\"", self.project, own_label(job.event.key));
        let query = json!({ "jql": jql, "fields": ["key"], "maxResults": 1 });
        let path = match self.deployment {
            Deployment::Cloud => "/rest/api/3/search/jql",
            Deployment::DataCenter => "/rest/api/2/search",
        };
        Next::Send(SEARCH, self.request(path, &query))
    }

    fn create(&self, job: &Job<'_>, step: Step) -> Next {
        let path = match self.deployment {
            Deployment::Cloud => "/rest/api/3/issue",
            Deployment::DataCenter => "/rest/api/2/issue",
        };
        Next::Send(step, self.request(path, &self.issue(job, step)))
    }

    fn request(&self, path: &str, document: &Value) -> Message {
        let request = HttpRequest::post_json(base::join(&self.base, path), document);
        Message::Http(
            request
                .header("Authorization", self.authorization.clone())
                .header("Accept", Secret::new("application/json")),
        )
    }

    fn issue(&self, job: &Job<'_>, step: Step) -> Value {
        let summary = Summary::of(job);
        let mut labels = vec![own_label(job.event.key)];
        let mut fields = json!({
            "project": by_id_or("key", &self.project),
            "issuetype": by_id_or("name", &self.issue_type),
            "summary": truncate::chars(&summary.headline(), SUMMARY_CHARS_MAX),
            "description": self.description(&summary),
        });
        if step == CREATE {
            labels.extend(self.labels.iter().cloned());
            if self.priorities == Priorities::Set {
                fields["priority"] = json!({ "name": priority(summary.severity) });
            }
        }
        fields["labels"] = json!(labels);
        json!({ "fields": fields })
    }

    /// The longest description that Jira takes.
    fn description(&self, summary: &Summary) -> Value {
        let mut description = Value::Null;
        for extent in &EXTENTS {
            description = match self.deployment {
                Deployment::Cloud => adf::document(summary, extent),
                Deployment::DataCenter => Value::String(wiki::document(summary, extent)),
            };
            if description.to_string().len() <= DESCRIPTION_BYTES_MAX {
                break;
            }
        }
        description
    }

    fn created(&self, job: &Job<'_>, step: Step, reply: &Reply) -> Next {
        let reply = match classify::http(job, NAME, Again::Doubled, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        match reply::create(&self.answer(job, reply, Again::Doubled)) {
            Verdict::WithoutOptional(_) if step == CREATE && self.has_optional() => self.create(job, CREATE_BARE),
            Verdict::WithoutOptional(outcome) | Verdict::Done(outcome) => Next::Done(outcome),
        }
    }

    fn has_optional(&self) -> bool {
        self.priorities == Priorities::Set || !self.labels.is_empty()
    }

    fn searched(&self, job: &Job<'_>, reply: &Reply) -> Next {
        let reply = match classify::http(job, NAME, Again::Harmless, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        match reply::search(&self.answer(job, reply, Again::Harmless)) {
            Found::Yes(key) => Next::Done(Outcome::Delivered { remote: Some(Reference::named(key)) }),
            Found::Done(outcome) => Next::Done(outcome),
            Found::No => self.missed(job),
        }
    }

    /// Searches again after a pause, and creates after the last miss.
    fn missed(&self, job: &Job<'_>) -> Next {
        let misses = job.progress.0["misses"].as_u64().unwrap_or(0);
        let pauses = match self.deployment {
            Deployment::Cloud => &CLOUD_PAUSES[..],
            Deployment::DataCenter => &DATA_CENTER_PAUSES[..],
        };
        let Some(pause) = usize::try_from(misses).ok().and_then(|misses| pauses.get(misses)) else {
            return self.create(job, CREATE);
        };
        let mut progress = classify::carried(job);
        progress.0["misses"] = json!(misses + 1);
        progress.0["search_at"] = json!(job.now.plus(*pause).as_millis());
        Next::Done(not_found_yet(*pause, progress))
    }

    fn answer<'a>(&self, job: &'a Job<'a>, reply: &'a HttpReply, again: Again) -> Answer<'a> {
        let texts = [self.token.expose_str(), self.authorization.expose_str().and_then(|text| text.split(' ').nth(1))];
        let secrets = texts.into_iter().flatten().map(str::to_owned).collect();
        Answer { job, who: NAME, reply, secrets, again }
    }
}

fn not_found_yet(pause: Duration, progress: Progress) -> Outcome {
    Outcome::Retry {
        reason: "an earlier try may have made the ticket; it is not in Jira's search yet, which lags behind".into(),
        after: Some(pause),
        scope: Scope::Delivery,
        progress,
    }
}

/// What is left of the pause after a miss, where the queue made the delivery due before its end: a miss counts only if
/// the search had the time to catch up.
fn too_early(job: &Job<'_>) -> Option<Duration> {
    let rest = Timestamp::from_millis(job.progress.0["search_at"].as_i64()?).since(job.now);
    // More than a pause is left only where a clock was set.
    (!rest.is_zero() && rest <= CLOUD_PAUSES[CLOUD_PAUSES.len() - 1]).then_some(rest)
}

/// The label by which a ticket is found again: the same for every try of every delivery of the event.
fn own_label(key: EventKey) -> String {
    let digest = Sha256::digest(key.to_string().as_bytes());
    format!("{LABEL_PREFIX}{}", hex::encode(&digest[..8]))
}

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
const SEARCH: Step = "search";
const CREATE: Step = "create";
const CREATE_BARE: Step = "create-without-optional-fields";

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

/// After each miss but the last. Cloud's index is eventually consistent, seconds to minutes; Data Center's lags by less
/// than a second.
const CLOUD_PAUSES: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(30), Duration::from_secs(60)];
const DATA_CENTER_PAUSES: [Duration; 1] = [Duration::from_secs(5)];

#[cfg(test)]
mod tests;
