//! What Mattermost's answers mean: `ok`, or a document whose `id` names the error.

use serde_json::Value;

use super::errors::WEBHOOK;
use crate::destinations::classify::Answer;
use crate::destinations::hook::{Verdict, by_table};
use crate::domain::Outcome;

/// What the answer means.
pub fn verdict(answer: &Answer<'_>) -> Verdict {
    let text = String::from_utf8_lossy(&answer.reply.body);
    match answer.reply.status {
        200 if text.trim() == "ok" && !answer.reply.truncated => Verdict::Done(Outcome::Delivered { remote: None }),
        200..300 => Verdict::Done(answer.unknown("Mattermost answered without its 'ok'")),
        status => {
            let id = answer.json().as_ref().and_then(|body| body.get("id").and_then(Value::as_str)).map(str::to_owned);
            by_table(WEBHOOK, answer, status, id.as_slice())
        }
    }
}
