//! What Slack's replies mean. A webhook answers with a status and a word; the Web API answers 200 to everything and
//! says in the body whether it worked.

use std::time::Duration;

use serde_json::{Value, json};

use super::errors;
use super::token::Token;
use crate::destinations::classify::Answer;
use crate::destinations::errors::{Classified, ErrorRow};
use crate::destinations::render::truncate;
use crate::domain::{Outcome, Reference, Scope};

/// A verdict on a posted message.
pub enum Verdict {
    /// The try is over.
    Done(Outcome),
    /// Slack rejects the blocks. It certainly took nothing, and may take the plain text.
    WithoutBlocks(Outcome),
}

/// What a reply to `conversations.history` says about an earlier try.
pub enum Found {
    /// The message is there, at this `ts`.
    Yes(Option<String>),
    /// It is not on this page; the cursor leads to the next.
    NotYet(String),
    /// It is nowhere.
    No,
    /// Slack refuses the search, or its answer cannot be read.
    CannotTell,
    /// The try is over: the thread is gone, or Slack is to be asked later.
    Done(Outcome),
}

/// What the answer of a webhook means.
pub fn webhook(answer: &Answer<'_>) -> Verdict {
    let word = String::from_utf8_lossy(&answer.reply.body).trim().to_owned();
    match (answer.reply.status, word.as_str()) {
        (200, "ok") if !answer.reply.truncated => Verdict::Done(Outcome::Delivered { remote: None }),
        (200..300, _) => Verdict::Done(answer.unknown("Slack answered without its 'ok'")),
        (status, _) => by_table(errors::WEBHOOK, answer, status, word),
    }
}

fn by_table(table: &[ErrorRow], answer: &Answer<'_>, status: u16, word: String) -> Verdict {
    match ErrorRow::find(table, status, &[word]).map(|row| row.classify(answer, RATE_LIMIT_PAUSE)) {
        Some(Classified::Done(outcome)) => Verdict::Done(outcome),
        Some(Classified::Plainer(outcome)) => Verdict::WithoutBlocks(outcome),
        None => Verdict::Done(answer.by_status()),
    }
}

/// What the answer of `chat.postMessage` or `chat.update` means, by the table of its errors.
pub fn api(answer: &Answer<'_>, table: &[ErrorRow]) -> Verdict {
    if answer.reply.status != 200 {
        return by_table(table, answer, answer.reply.status, String::new());
    }
    let Some(body) = answer.json() else {
        return Verdict::Done(answer.unknown("Slack answered with something that is not its JSON"));
    };
    match (body["ok"].as_bool(), body["error"].as_str()) {
        (Some(true), _) => Verdict::Done(posted(answer, &body)),
        (Some(false), Some(error)) => by_table(table, answer, 200, error.to_owned()),
        _ => Verdict::Done(answer.unknown("Slack answered without saying whether it worked")),
    }
}

fn posted(answer: &Answer<'_>, body: &Value) -> Outcome {
    match (body["channel"].as_str(), body["ts"].as_str()) {
        (Some(channel), Some(ts)) => Outcome::Delivered { remote: Some(remote(channel, ts)) },
        _ => answer.unknown("Slack answered 'ok' without the message's channel and time"),
    }
}

/// What the store keeps of a posted message.
pub fn remote(channel: &str, ts: &str) -> Reference {
    Reference {
        name: truncate::chars(&format!("{channel}:{ts}"), 200).into_owned(),
        data: json!({ "channel": truncate::chars(channel, 100), "ts": truncate::chars(ts, 100) }),
    }
}

/// Looks for a message on a page of `conversations.history` or `conversations.replies`.
pub fn history(answer: &Answer<'_>, token: &Token) -> Found {
    match answer.reply.status {
        200 => {}
        429 | 500.. => return Found::Done(answer.by_status()),
        _ => return Found::CannotTell,
    }
    let Some(body) = answer.json() else {
        // The page may be longer than what is read of a reply. The token stands nowhere but in our own metadata.
        let here = String::from_utf8_lossy(&answer.reply.body).contains(&format!("\"{}\"", token.value));
        return match (here, answer.reply.is_too_long()) {
            (true, _) => Found::Yes(None),
            (false, true) => Found::CannotTell,
            // Broken off, or not Slack at all: it may tell when it is asked again.
            (false, false) => Found::Done(answer.unknown("Slack did not answer about an earlier message in its JSON")),
        };
    };
    if body["ok"] != true {
        let is_busy = matches!(body["error"].as_str(), Some("ratelimited" | "rate_limited" | "service_unavailable"));
        let later = || {
            answer.retry(
                Scope::Destination,
                Some(RATE_LIMIT_PAUSE),
                "Slack is too busy to be asked about an earlier message",
            )
        };
        let is_gone = body["error"] == "thread_not_found";
        return match (is_busy, is_gone) {
            (true, _) => Found::Done(later()),
            (_, true) => Found::Done(answer.gone("Slack does not have the thread any more (thread_not_found)")),
            _ => Found::CannotTell,
        };
    }
    let Some(messages) = body["messages"].as_array() else { return Found::CannotTell };
    if let Some(message) = messages.iter().find(|message| is_ours(message, token)) {
        return Found::Yes(message["ts"].as_str().map(str::to_owned));
    }
    match body.pointer("/response_metadata/next_cursor").and_then(Value::as_str) {
        Some(cursor) if !cursor.is_empty() && cursor.len() <= 512 => Found::NotYet(cursor.to_owned()),
        _ if body["has_more"] == true => Found::CannotTell,
        _ => Found::No,
    }
}

fn is_ours(message: &Value, token: &Token) -> bool {
    let metadata = &message["metadata"];
    metadata["event_type"] == token.event_type && metadata["event_payload"][token.key] == token.value.as_str()
}

/// Slack says how long with `Retry-After`; this is for what does not say so.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(1);
