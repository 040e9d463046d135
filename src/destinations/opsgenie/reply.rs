//! What Opsgenie's replies mean, whatever was asked for.

use std::time::Duration;

use serde_json::Value;

use crate::destinations::classify::Answer;
use crate::destinations::errors::{Classified, ErrorRow};
use crate::domain::Outcome;

/// Why Opsgenie has not taken a request; `None` where there is nothing to do.
pub fn refusal(answer: &Answer<'_>, table: &[ErrorRow]) -> Option<Outcome> {
    by_table(answer, table, &said(answer))
}

/// Why a request that was taken has failed; `None` where there was nothing to do.
pub fn failure(answer: &Answer<'_>, table: &[ErrorRow], status: &Value) -> Option<Outcome> {
    by_table(answer, table, &[status.as_str().unwrap_or_default().to_owned()])
}

fn by_table(answer: &Answer<'_>, table: &[ErrorRow], said: &[String]) -> Option<Outcome> {
    match ErrorRow::find(table, answer.reply.status, said).map(|row| row.classify(answer, pause(answer))) {
        Some(Classified::Done(outcome)) => Some(outcome),
        Some(Classified::Plainer(_)) => None,
        None => Some(answer.by_status()),
    }
}

/// Everything that an answer says: the message, each error as `field: text`; or the body where it is no JSON.
fn said(answer: &Answer<'_>) -> Vec<String> {
    let Some(body) = answer.json().filter(Value::is_object) else {
        return vec![String::from_utf8_lossy(&answer.reply.body).into_owned()];
    };
    let fields = body["errors"].as_object().into_iter().flatten();
    let fields = fields.filter_map(|(field, text)| Some(format!("{field}: {}", text.as_str()?)));
    fields.chain(body["message"].as_str().map(str::to_owned)).collect()
}

/// How long the limit lasts, where Opsgenie says so.
fn pause(answer: &Answer<'_>) -> Duration {
    let seconds = answer.reply.headers.only("x-ratelimit-period-in-sec").and_then(|text| text.trim().parse().ok());
    seconds.map_or(RATE_LIMIT_PAUSE, Duration::from_secs).clamp(Duration::from_secs(1), RATE_LIMIT_PAUSE_MAX)
}

/// Opsgenie counts by seconds and by minutes.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(30);
const RATE_LIMIT_PAUSE_MAX: Duration = Duration::from_secs(600);
