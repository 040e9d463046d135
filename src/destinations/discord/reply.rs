//! What Discord's answers mean: a status, and in JSON a number for the error.

use std::time::Duration;

use serde_json::{Value, json};

use super::errors;
use crate::destinations::classify::Answer;
use crate::destinations::errors::ErrorRow;
use crate::destinations::hook::{Verdict, by_table};
use crate::domain::{Outcome, Reference};

/// What the answer to a new message means.
pub fn posted(answer: &Answer<'_>) -> Verdict {
    match answer.reply.status {
        // Something between left `wait` out. It is there, and cannot be edited.
        204 => Verdict::Done(Outcome::Delivered { remote: None }),
        200..300 => Verdict::Done(match answer.json().as_ref().and_then(remote) {
            Some(remote) => Outcome::Delivered { remote: Some(remote) },
            None => answer.unknown("Discord answered without the message"),
        }),
        _ => refused(answer, errors::POST),
    }
}

/// What the answer to an edit means.
pub fn edited(answer: &Answer<'_>, table: &[ErrorRow]) -> Verdict {
    match answer.reply.status {
        200..300 if answer.reply.status == 204 || answer.json().as_ref().and_then(remote).is_some() => {
            Verdict::Done(Outcome::Delivered { remote: None })
        }
        200..300 => Verdict::Done(answer.unknown("Discord answered without the message")),
        _ => refused(answer, table),
    }
}

/// The id of the message that a reference names. It becomes part of an address, so it is a number.
pub fn message_of(reference: Option<&Reference>) -> Option<&str> {
    reference?.data.get(MESSAGE)?.as_str().filter(|id| is_snowflake(id))
}

fn remote(message: &Value) -> Option<Reference> {
    let id = message["id"].as_str().filter(|id| is_snowflake(id))?;
    Some(Reference { name: id.to_owned(), data: json!({ MESSAGE: id }) })
}

fn is_snowflake(id: &str) -> bool {
    (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}

fn refused(answer: &Answer<'_>, table: &[ErrorRow]) -> Verdict {
    let body = answer.json();
    let said = body.as_ref().map(|body| body["code"].to_string()).into_iter().collect::<Vec<_>>();
    let verdict = by_table(table, answer, answer.reply.status, &said);
    match verdict {
        Verdict::Done(Outcome::Retry { reason, after, scope, progress }) => {
            // Seconds with fractions, in the body; the header has them in whole seconds or not at all.
            let after = after.max(wait(answer, body.as_ref()));
            Verdict::Done(Outcome::Retry { reason, after, scope, progress })
        }
        verdict => verdict,
    }
}

/// The longest wait that the answer asks for.
fn wait(answer: &Answer<'_>, body: Option<&Value>) -> Option<Duration> {
    let seconds = |name: &str| answer.reply.headers.only(name)?.parse::<f64>().ok();
    let said = body.and_then(|body| body["retry_after"].as_f64());
    let all = [said, seconds("retry-after"), seconds("x-ratelimit-reset-after")];
    let wait = all.into_iter().flatten().filter_map(|seconds| Duration::try_from_secs_f64(seconds).ok()).max()?;
    Some(wait.min(WAIT_MAX))
}

const MESSAGE: &str = "message";
/// One that asks for more is asked again after this.
const WAIT_MAX: Duration = Duration::from_secs(3600);
