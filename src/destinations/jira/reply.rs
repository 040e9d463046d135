//! What Jira's replies mean, Cloud and Data Center alike.

use std::time::Duration;

use serde_json::Value;

use crate::destinations::judge::Answer;
use crate::destinations::render::cut;
use crate::domain::{Outcome, Scope};

/// A verdict on a create.
pub enum Verdict {
    /// The try is over.
    Done(Outcome),
    /// The project has no place for some field; without the fields that are optional it may work.
    WithoutOptional(Outcome),
}

/// What a search says.
pub enum Found {
    /// The issue is there, under this key.
    Yes(String),
    /// There is no such issue, or the index does not have it yet.
    No,
    /// No answer.
    Done(Outcome),
}

/// The table of `POST /issue`.
pub fn create(answer: &Answer<'_>) -> Verdict {
    Verdict::Done(match answer.reply.status {
        201 => match answer.json().as_ref().and_then(|body| body["key"].as_str()) {
            Some(key) => Outcome::Delivered { remote: Some(cut::chars(key, 255).into_owned()) },
            None => answer.unknown("Jira answered 201 without the key of the issue"),
        },
        400 => return bad_request(answer),
        401 => captcha_or_credentials(answer),
        404 => answer.misconfigured(
            "Jira has nothing at this address, or the account must not see it (404): check `url`, and that the \
             account may create issues in the project",
        ),
        409 => answer.retry(Scope::Delivery, None, "Jira is changing the same thing at the moment (409)"),
        429 => rate_limit(answer),
        _ => answer.by_status(),
    })
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
        401 => captcha_or_credentials(answer),
        429 => rate_limit(answer),
        _ => answer.by_status(),
    })
}

fn found(answer: &Answer<'_>, body: &Value) -> Found {
    match body["issues"].as_array() {
        Some(issues) if issues.is_empty() => Found::No,
        Some(issues) => match issues[0]["key"].as_str().or(issues[0]["id"].as_str()) {
            Some(key) => Found::Yes(cut::chars(key, 255).into_owned()),
            None => Found::Done(answer.unknown("Jira found an issue without a key")),
        },
        None => Found::Done(answer.unknown("Jira answered a search without a list of issues")),
    }
}

/// Errors of a 400 are named by field. Those of project and type are the operator's; those of what we could leave out
/// are tried without it.
fn bad_request(answer: &Answer<'_>) -> Verdict {
    let body = answer.json().unwrap_or(Value::Null);
    let errors = body["errors"].as_object();
    let has = |field: &str| errors.is_some_and(|errors| errors.contains_key(field));
    let says = |words: &str| {
        errors.is_some_and(|errors| errors.values().any(|text| text.as_str().is_some_and(|text| text.contains(words))))
    };
    if has("project") {
        return Verdict::Done(answer.misconfigured(
            "Jira does not know the project set as `project`, or the account must not create issues in it (400)",
        ));
    }
    if has("issuetype") {
        return Verdict::Done(
            answer.misconfigured("The project has no issue type like the one set as `issue_type` (400)"),
        );
    }
    if has("priority") || has("labels") || says("cannot be set") {
        return Verdict::WithoutOptional(answer.misconfigured(
            "The project's create screen lacks a field that every ticket needs (400): add summary, description and \
             labels to it",
        ));
    }
    if says("is required") {
        return Verdict::Done(answer.misconfigured(
            "The project demands a field that gatepost does not fill (400): make it optional for this issue type, or \
             set another `issue_type`",
        ));
    }
    Verdict::Done(answer.refused("Jira refused the ticket (400)"))
}

fn captcha_or_credentials(answer: &Answer<'_>) -> Outcome {
    let denied = answer.reply.headers.only("x-authentication-denied-reason").unwrap_or_default();
    if denied.contains("CAPTCHA") {
        return answer.misconfigured("Jira wants a CAPTCHA from the account: log in with a browser once (401)");
    }
    answer.by_status()
}

/// A limit on one issue's writes concerns nobody else.
fn rate_limit(answer: &Answer<'_>) -> Outcome {
    let scope = match answer.reply.headers.only("ratelimit-reason") {
        Some("jira-per-issue-on-write") => Scope::Delivery,
        _ => Scope::Destination,
    };
    answer.retry(scope, Some(RATE_LIMIT_PAUSE), "Jira limits the rate (429)")
}

/// Some of Jira's gateways say nothing about how long.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(10);
