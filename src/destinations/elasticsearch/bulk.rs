//! The bulk API: a line of action and a line of document for each event, and an answer for each.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{BUSY_PAUSE, errors};
use crate::destinations::HttpReply;
use crate::destinations::classify::{Again, Answer};
use crate::destinations::errors::{Classified, ErrorRow};
use crate::destinations::event_format::EventFormat;
use crate::domain::{Batch, EventId, Outcome, Scope};

/// The body of a request. Data streams take nothing but `create`, and no document without `@timestamp`.
pub(super) fn body(batch: &Batch<'_>, format: EventFormat) -> serde_json::Result<Vec<u8>> {
    let mut body = Vec::new();
    for event in batch.events {
        let (read, mut document) = format.document(event, batch.purpose)?;
        document["@timestamp"] = json!(read.time.to_string());
        for line in [json!({ "create": { "_id": event.id.to_string() } }), document] {
            serde_json::to_writer(&mut body, &line)?;
            body.push(b'\n');
        }
    }
    Ok(body)
}

/// What became of the documents of a request that was taken as a whole.
pub(super) fn outcome(batch: &Batch<'_>, answer: &Answer<'_>) -> Outcome {
    let events = batch.events;
    if answer.reply.is_too_long() && events.len() > 1 {
        return Outcome::Refused { reason: "Elasticsearch says more about the batch than is read".to_owned() };
    }
    let Some(items) = items(answer).filter(|items| items.len() == events.len()) else {
        let reason = format!("Elasticsearch answered {} without saying what it has", answer.reply.status);
        return Answer { again: Again::Doubled, secrets: answer.secrets.clone(), ..*answer }.unknown(&reason);
    };
    let ids = events.iter().map(|event| event.id);
    let mut failed: Vec<(EventId, Outcome)> =
        ids.zip(&items).filter_map(|(id, item)| Some((id, item.failure(answer)?))).collect();
    if failed.is_empty() {
        return Outcome::Delivered { remote: None };
    }
    if failed.len() == events.len()
        && let Some(at) = of_all(&failed)
    {
        return failed.swap_remove(at).1;
    }
    match of_many(&failed) {
        Some(at) => failed.swap_remove(at).1,
        None => excepted(failed),
    }
}

/// Where so many have to wait that all are sent again: a delivery for each would keep a busy cluster busy. What it has taken
/// it knows by its id.
fn of_many(failed: &[(EventId, Outcome)]) -> Option<usize> {
    let is_busy = |(_, outcome): &(_, Outcome)| matches!(outcome, Outcome::Retry { scope: Scope::Destination, .. });
    let busy = failed.iter().filter(|failure| is_busy(failure)).count();
    if busy > SINGLED_OUT_MAX { failed.iter().position(is_busy) } else { None }
}

/// Where none was taken: the failure that holds for all of them. What is a single event's own fault does not.
fn of_all(failed: &[(EventId, Outcome)]) -> Option<usize> {
    let is_settings = |(_, outcome): &(_, Outcome)| matches!(outcome, Outcome::Misconfigured { .. });
    let is_later = |(_, outcome): &(_, Outcome)| !matches!(outcome, Outcome::Refused { .. });
    let settings = failed.iter().position(is_settings);
    settings.or_else(|| failed.iter().all(is_later).then_some(0)).or_else(|| (failed.len() == 1).then_some(0))
}

/// Where others were taken, what fails by itself is at fault by itself.
fn excepted(failed: Vec<(EventId, Outcome)>) -> Outcome {
    let (mut refused, mut again) = (Vec::new(), Vec::new());
    for (id, outcome) in failed {
        let is_later = matches!(outcome, Outcome::Retry { .. } | Outcome::Unknown { .. });
        let reason = (id, outcome.reason().unwrap_or_default().to_owned());
        if is_later { again.push(reason) } else { refused.push(reason) }
    }
    Outcome::DeliveredExcept { refused, again }
}

/// The answers about the documents, in the order of the request; `None` where the body is something else.
fn items(answer: &Answer<'_>) -> Option<Vec<Item>> {
    let reply: BulkReply = serde_json::from_value(answer.json()?).ok()?;
    reply.items.into_iter().map(|actions| actions.into_values().next()).collect()
}

#[derive(Deserialize)]
struct BulkReply {
    /// Each an object with one key, the action.
    items: Vec<BTreeMap<String, Item>>,
}

#[derive(Deserialize)]
struct Item {
    status: u16,
    #[serde(default)]
    error: Value,
    /// `used` where the document did not get into the stream, but into its failure store.
    #[serde(default)]
    failure_store: Option<String>,
}

impl Item {
    /// Why it may not be there; `None` where it is, now or since an earlier try.
    fn failure(&self, whole: &Answer<'_>) -> Option<Outcome> {
        let kind = self.error["type"].as_str().unwrap_or_default().to_owned();
        let is_there = self.status == 409 && kind == ALREADY_THERE;
        if self.failure_store.as_deref() == Some("used") {
            return Some(Outcome::Refused { reason: errors::IN_FAILURE_STORE.to_owned() });
        }
        if is_there || (200..300).contains(&self.status) {
            return None;
        }
        let body = match &self.error {
            Value::Null => Bytes::new(),
            error => Bytes::from(error.to_string()),
        };
        let reply = HttpReply { status: self.status, headers: whole.reply.headers.clone(), body, truncated: false };
        let answer = Answer { reply: &reply, secrets: whole.secrets.clone(), ..*whole };
        let row = ErrorRow::find(errors::DOCUMENT, self.status, &[kind]);
        Some(match row.map(|row| row.classify(&answer, BUSY_PAUSE)) {
            Some(Classified::Done(outcome) | Classified::Plainer(outcome)) => outcome,
            None => answer.by_status(),
        })
    }
}

/// So many documents of a request that must wait get deliveries of their own.
const SINGLED_OUT_MAX: usize = 8;
/// The id is taken: by the event itself, because ids are not used twice.
const ALREADY_THERE: &str = "version_conflict_engine_exception";
