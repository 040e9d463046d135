//! What PagerDuty's replies mean, whatever was asked for.

use std::time::Duration;

use serde_json::Value;

use super::errors;
use crate::destinations::classify::{Again, Answer};
use crate::destinations::errors::{Classified, ErrorRow};
use crate::domain::Outcome;

/// Why PagerDuty may not have the event; `None` where it says that it has.
pub fn refusal(answer: &Answer<'_>) -> Option<Outcome> {
    let status = answer.reply.status;
    let body = answer.json();
    let found = match status {
        202 if body.as_ref().is_some_and(|body| body["status"] == "success") => return None,
        200..300 => return Some(unreadable(answer)),
        _ => ErrorRow::find(errors::EVENTS, status, &said(answer, body)),
    };
    Some(match found.map(|row| row.classify(answer, RATE_LIMIT_PAUSE)) {
        Some(Classified::Done(outcome) | Classified::Plainer(outcome)) => outcome,
        None => answer.by_status(),
    })
}

/// Everything that an answer says: each error by itself, the message, the status; or the body where it is no JSON.
fn said(answer: &Answer<'_>, body: Option<Value>) -> Vec<String> {
    let Some(body) = body.filter(Value::is_object) else {
        return vec![String::from_utf8_lossy(&answer.reply.body).into_owned()];
    };
    let errors = body["errors"].as_array().into_iter().flatten();
    errors.chain([&body["message"], &body["status"]]).filter_map(Value::as_str).map(str::to_owned).collect()
}

fn unreadable(answer: &Answer<'_>) -> Outcome {
    let reason = format!("PagerDuty answered {} without saying that it has the event", answer.reply.status);
    Answer { again: Again::Doubled, secrets: answer.secrets.clone(), ..*answer }.unknown(&reason)
}

/// PagerDuty names no time of its own and advises to wait this long.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(30);
