//! What ServiceNow's replies mean, whatever was asked for.

use std::time::Duration;

use serde_json::Value;

use crate::destinations::classify::Answer;
use crate::destinations::errors::{Classified, ErrorRow};
use crate::domain::Outcome;

/// What the answer to a request means.
pub enum Said {
    /// It is done: the `result`.
    Done(Value),
    /// It is not possible here, and left as it is: why.
    Left(String),
    /// The try is over.
    Over(Outcome),
}

/// What an answer means, by the table of its errors. A 200 may hold an error.
pub fn read(answer: &Answer<'_>, table: &[ErrorRow]) -> Said {
    let status = answer.reply.status;
    let body = answer.json().filter(Value::is_object);
    match body {
        Some(mut body) if (200..=201).contains(&status) && !body["error"].is_object() => {
            return match body["result"].take() {
                Value::Null => Said::Over(answer.unknown("ServiceNow answered without a result")),
                result => Said::Done(result),
            };
        }
        _ => {}
    }
    match ErrorRow::find(table, status, &said(answer)).map(|row| row.classify(answer, RATE_LIMIT_PAUSE)) {
        Some(Classified::Done(outcome)) => Said::Over(outcome),
        Some(Classified::Plainer(outcome)) => Said::Left(outcome.reason().unwrap_or_default().to_owned()),
        None if (200..300).contains(&status) => {
            Said::Over(answer.unknown(&format!("ServiceNow answered {status} with something that is not its JSON")))
        }
        None => Said::Over(answer.by_status()),
    }
}

/// Everything that an answer says: the message and the detail of the error; or the body where it is no JSON.
fn said(answer: &Answer<'_>) -> Vec<String> {
    let Some(body) = answer.json().filter(Value::is_object) else {
        return vec![String::from_utf8_lossy(&answer.reply.body).into_owned()];
    };
    let error = &body["error"];
    [&error["message"], &error["detail"], error].into_iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Rules count by the hour, and ServiceNow says how long in `Retry-After`; limits of its own say nothing.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(30);
