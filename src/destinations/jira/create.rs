//! The creation of a ticket, looked for before it is repeated.
//!
//! Each ticket has a label of its own. After a try that may have arrived the label is searched for. Cloud's index lags by
//! seconds to minutes, so a miss counts only after several searches with pauses in between; a lag beyond them makes a
//! second ticket. A certain refusal needs no search.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::reply::{self, Found, Verdict};
use super::{Deployment, Jira, LABEL_PREFIX, NAME, Priorities, by_id_or, priority};
use crate::destinations::classify::{self, Again};
use crate::destinations::{Next, Reply, Step};
use crate::domain::{Job, Outcome, Progress, Scope, Severity, Timestamp};

/// A ticket to make.
pub struct Creation<'a> {
    /// The try.
    pub job: &'a Job<'a>,
    /// By which it is found again.
    pub label: String,
    /// One line.
    pub summary: String,
    /// Its content.
    pub description: Value,
    /// Decides the priority.
    pub severity: Severity,
    /// The key of the ticket that it follows.
    pub follows: Option<String>,
}

impl Jira {
    /// The first message of a try.
    pub fn make(&self, ticket: &Creation<'_>) -> Next {
        match (classify::in_doubt(ticket.job), too_early(ticket.job)) {
            (true, Some(rest)) => Next::Done(not_found_yet(rest, classify::carried(ticket.job))),
            (true, None) => self.search(ticket),
            (false, _) => self.create(ticket, CREATE),
        }
    }

    /// What to make of a reply to one of the steps here.
    pub fn made(&self, ticket: &Creation<'_>, step: Step, reply: &Reply) -> Next {
        if step == SEARCH { self.searched(ticket, reply) } else { self.created(ticket, step, reply) }
    }

    fn search(&self, ticket: &Creation<'_>) -> Next {
        // Both names are of an alphabet that needs no escaping: checked when the settings were read, and hexadecimal.
        let jql = format!("project = \"{}\" AND labels = \"{}\"", self.project, ticket.label);
        let query = json!({ "jql": jql, "fields": ["key"], "maxResults": 1 });
        let path = match self.deployment {
            Deployment::Cloud => "/search/jql",
            Deployment::DataCenter => "/search",
        };
        Next::Send(SEARCH, self.post(path, &query))
    }

    fn create(&self, ticket: &Creation<'_>, step: Step) -> Next {
        Next::Send(step, self.post("/issue", &self.issue(ticket, step)))
    }

    fn issue(&self, ticket: &Creation<'_>, step: Step) -> Value {
        let mut labels = vec![ticket.label.clone()];
        let mut issue = json!({ "fields": {
            "project": by_id_or("key", &self.project),
            "issuetype": by_id_or("name", &self.issue_type),
            "summary": ticket.summary,
            "description": ticket.description,
        } });
        if step == CREATE {
            labels.extend(self.labels.iter().cloned());
            if self.priorities == Priorities::Set {
                issue["fields"]["priority"] = json!({ "name": priority(ticket.severity) });
            }
            if let Some(key) = &ticket.follows {
                let link = json!({ "type": { "name": "Relates" }, "outwardIssue": { "key": key } });
                issue["update"] = json!({ "issuelinks": [{ "add": link }] });
            }
        }
        issue["fields"]["labels"] = json!(labels);
        issue
    }

    fn created(&self, ticket: &Creation<'_>, step: Step, reply: &Reply) -> Next {
        let reply = match classify::http(ticket.job, NAME, Again::Doubled, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        match reply::create(&self.answer(ticket.job, reply, Again::Doubled)) {
            Verdict::WithoutOptional(_) if step == CREATE && self.has_optional(ticket) => {
                self.create(ticket, CREATE_BARE)
            }
            Verdict::WithoutOptional(outcome) | Verdict::Done(outcome) => Next::Done(outcome),
        }
    }

    fn has_optional(&self, ticket: &Creation<'_>) -> bool {
        self.priorities == Priorities::Set || !self.labels.is_empty() || ticket.follows.is_some()
    }

    fn searched(&self, ticket: &Creation<'_>, reply: &Reply) -> Next {
        let reply = match classify::http(ticket.job, NAME, Again::Harmless, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        match reply::search(&self.answer(ticket.job, reply, Again::Harmless)) {
            Found::Yes(reference) => Next::Done(Outcome::Delivered { remote: Some(reference) }),
            Found::Done(outcome) => Next::Done(outcome),
            Found::No => self.missed(ticket),
        }
    }

    /// Searches again after a pause, and creates after the last miss.
    fn missed(&self, ticket: &Creation<'_>) -> Next {
        let job = ticket.job;
        let misses = job.progress.0["misses"].as_u64().unwrap_or(0);
        let pauses = match self.deployment {
            Deployment::Cloud => &CLOUD_PAUSES[..],
            Deployment::DataCenter => &DATA_CENTER_PAUSES[..],
        };
        let Some(pause) = usize::try_from(misses).ok().and_then(|misses| pauses.get(misses)) else {
            return self.create(ticket, CREATE);
        };
        let mut progress = classify::carried(job);
        progress.0["misses"] = json!(misses + 1);
        progress.0["search_at"] = json!(job.now.plus(*pause).as_millis());
        Next::Done(not_found_yet(*pause, progress))
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

/// The label by which a ticket is found again: the same for every try that has the same name.
pub fn label(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    format!("{LABEL_PREFIX}{}", hex::encode(&digest[..8]))
}

pub const SEARCH: Step = "search";
pub const CREATE: Step = "create";
pub const CREATE_BARE: Step = "create-without-optional-fields";

/// After each miss but the last. Cloud's index is eventually consistent, seconds to minutes; Data Center's lags by less
/// than a second.
const CLOUD_PAUSES: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(30), Duration::from_secs(60)];
const DATA_CENTER_PAUSES: [Duration; 1] = [Duration::from_secs(5)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_made_of_its_name_alone() {
        // printf 00000000000000000000000000000002 | sha256sum | cut -c 1-16
        assert_eq!(label("00000000000000000000000000000002"), "gatepost-d2b1f1d83f0ad4f5");
        assert_ne!(label("a/1"), label("a/2"));
    }
}
