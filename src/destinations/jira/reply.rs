//! What Jira's replies mean, Cloud and Data Center alike.

use std::time::Duration;

use serde_json::{Value, json};

use super::{errors, is_number};
use crate::destinations::classify::Answer;
use crate::destinations::errors::{Classified, ErrorRow};
use crate::destinations::render::truncate;
use crate::domain::{Outcome, Reference, Scope};

/// A verdict on a create.
pub enum Verdict {
    /// The try is over.
    Done(Outcome),
    /// The project has no place for some field; without the fields that are optional it may work.
    WithoutOptional(Outcome),
}

/// What a search says.
pub enum Found {
    /// The issue is there.
    Yes(Reference),
    /// There is no such issue, or the index does not have it yet.
    No,
    /// No answer.
    Done(Outcome),
}

/// What the answer of `POST /issue` means.
pub fn create(answer: &Answer<'_>) -> Verdict {
    Verdict::Done(match answer.reply.status {
        201 => match answer.json().as_ref().and_then(reference) {
            Some(reference) => Outcome::Delivered { remote: Some(reference) },
            None => answer.unknown("Jira answered 201 without the key of the issue"),
        },
        401 if wants_captcha(answer) => captcha(answer),
        429 if concerns_one_issue(answer) => rate_limit(answer),
        _ => return by_table(answer),
    })
}

fn by_table(answer: &Answer<'_>) -> Verdict {
    match ErrorRow::find(errors::CREATE, answer.reply.status, &said(answer)) {
        Some(row) => match row.classify(answer, RATE_LIMIT_PAUSE) {
            Classified::Done(outcome) => Verdict::Done(outcome),
            Classified::Plainer(Outcome::Refused { reason }) => {
                // Without them there is no ticket in this project, whatever it is about.
                Verdict::WithoutOptional(Outcome::Misconfigured { reason, scope: Scope::Delivery })
            }
            Classified::Plainer(outcome) => Verdict::WithoutOptional(outcome),
        },
        None => Verdict::Done(answer.by_status()),
    }
}

/// Everything that an answer says: each error of a field, each message; or the body where it is no JSON.
fn said(answer: &Answer<'_>) -> Vec<String> {
    let Some(body) = answer.json().filter(Value::is_object) else {
        return vec![String::from_utf8_lossy(&answer.reply.body).into_owned()];
    };
    let fields = body["errors"].as_object().into_iter().flatten();
    let fields = fields.filter_map(|(field, text)| Some(format!("{field}: {}", text.as_str()?)));
    let messages = body["errorMessages"].as_array().into_iter().flatten().chain([&body["message"]]);
    fields.chain(messages.filter_map(Value::as_str).map(str::to_owned)).collect()
}

/// The table of a search.
pub fn search(answer: &Answer<'_>) -> Found {
    Found::Done(match answer.reply.status {
        200 => match answer.json() {
            Some(body) => return found(answer, &body),
            None => answer.unknown("Jira answered a search with something that is not its JSON"),
        },
        400 => answer.misconfigured(
            "Jira does not search the project, so a ticket that may exist cannot be looked for (400): check that \
             `project` exists and that the account may browse it",
        ),
        401 if wants_captcha(answer) => captcha(answer),
        429 => rate_limit(answer),
        _ => answer.by_status(),
    })
}

fn found(answer: &Answer<'_>, body: &Value) -> Found {
    match body["issues"].as_array() {
        Some(issues) if issues.is_empty() => Found::No,
        Some(issues) => match reference(&issues[0]) {
            Some(reference) => Found::Yes(reference),
            None => Found::Done(answer.unknown("Jira found an issue without a key")),
        },
        None => Found::Done(answer.unknown("Jira answered a search without a list of issues")),
    }
}

/// What the store keeps of an issue: its key for people, and its id, which stays when the issue is moved.
fn reference(issue: &Value) -> Option<Reference> {
    let (key, id) = (issue["key"].as_str(), issue["id"].as_str().filter(|id| is_number(id)));
    let name = truncate::chars(key.or(id)?, 255).into_owned();
    Some(Reference { name, data: id.map(|id| json!({ "id": id })).unwrap_or_default() })
}

/// What the answer to a request about an issue that exists means.
pub enum Change {
    /// It is done; the body, where there is one.
    Done(Option<Value>),
    /// It is not possible here, and left as it is: why.
    Left(String),
    /// The try is over.
    Over(Outcome),
}

/// What the answer of a request about one issue means, by the table of its errors.
pub fn change(answer: &Answer<'_>, table: &[ErrorRow]) -> Change {
    Change::Over(match answer.reply.status {
        200 if answer.json().is_none() => answer.unknown("Jira answered 200 with something that is not its JSON"),
        200 | 201 | 204 => return Change::Done(answer.json()),
        401 if wants_captcha(answer) => captcha(answer),
        429 if concerns_one_issue(answer) => rate_limit(answer),
        status => match ErrorRow::find(table, status, &said(answer)) {
            Some(row) => match row.classify(answer, RATE_LIMIT_PAUSE) {
                Classified::Done(outcome) => outcome,
                Classified::Plainer(outcome) => {
                    return Change::Left(outcome.reason().unwrap_or_default().to_owned());
                }
            },
            None => answer.by_status(),
        },
    })
}

fn wants_captcha(answer: &Answer<'_>) -> bool {
    let denied = answer.reply.headers.only("x-authentication-denied-reason").unwrap_or_default();
    denied.contains("CAPTCHA")
}

fn captcha(answer: &Answer<'_>) -> Outcome {
    answer.settings_at_fault("Jira wants a CAPTCHA from the account: log in with a browser once (401)")
}

fn concerns_one_issue(answer: &Answer<'_>) -> bool {
    answer.reply.headers.only("ratelimit-reason") == Some("jira-per-issue-on-write")
}

/// A limit on one issue's writes concerns no other issue.
fn rate_limit(answer: &Answer<'_>) -> Outcome {
    let scope = if concerns_one_issue(answer) { Scope::Delivery } else { Scope::Destination };
    answer.retry(scope, Some(RATE_LIMIT_PAUSE), "Jira limits the rate (429)")
}

/// Some of Jira's gateways say nothing about how long.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(10);
