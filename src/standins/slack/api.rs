//! The Web API: always 200, with `ok` true or false in the body, except for the rate limit.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::content::{self, Content};
use super::refusal::Refusal;
use super::ts::micros;
use super::{BOT_TOKEN, CHANNEL, CHANNEL_NAME, Message, Scope, Slack, Via};
use crate::standins::Service;
use crate::standins::shape;
use crate::standins::wire::{Answer, Arrived};

pub(super) fn answer(slack: &mut Slack, method: &str, request: &Arrived) -> Answer {
    let result = match method {
        "oauth.v2.access" => renew(slack, request),
        _ => authorize(slack, request).map_err(Failure::Refused).and_then(|()| call(slack, method, request)),
    };
    match result {
        Ok(mut document) => {
            document["ok"] = true.into();
            Answer::json(200, &warn(document, request))
        }
        Err(Failure::TooFast(wait)) => slack.throttle(request, Some(wait)),
        Err(Failure::Refused(refusal)) => Answer::json(200, &refused(&refusal)),
    }
}

enum Failure {
    Refused(Refusal),
    TooFast(Duration),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn authorize(slack: &mut Slack, request: &Arrived) -> Result<(), Refusal> {
    match (request.credentials("bearer"), &mut slack.rotation) {
        (None, _) => Err(Refusal::new("not_authed", "no bearer token")),
        (Some(token), Some(rotation)) => rotation.authorize(token, request.received_at),
        (Some(BOT_TOKEN), None) => Ok(()),
        (Some(_), None) => Err(Refusal::new("invalid_auth", "another token")),
    }
}

/// It takes the app's own credentials, and no token.
fn renew(slack: &mut Slack, request: &Arrived) -> Result<Value, Failure> {
    match (request.method.as_str(), &mut slack.rotation) {
        ("POST", Some(rotation)) => Ok(rotation.renew(request)?),
        ("POST", None) => Err(Refusal::new("token_rotation_not_enabled", "its tokens do not expire").into()),
        _ => Err(Refusal::new("invalid_post_type", "another HTTP method").into()),
    }
}

fn call(slack: &mut Slack, method: &str, request: &Arrived) -> Result<Value, Failure> {
    match (method, request.method.as_str()) {
        ("chat.postMessage", "POST") => post_message(slack, request),
        ("chat.update", "POST") => update(slack, request),
        ("conversations.history", "GET" | "POST") => history(slack, request),
        ("conversations.replies", "GET" | "POST") => replies(slack, request),
        ("auth.test", "GET" | "POST") => Ok(json!({"team": "stand-in", "user": "gatepost", "bot_id": "B000"})),
        ("chat.postMessage" | "chat.update" | "conversations.history" | "conversations.replies" | "auth.test", _) => {
            Err(Refusal::new("invalid_post_type", "another HTTP method").into())
        }
        _ => Err(Refusal::new("unknown_method", method).into()),
    }
}

fn post_message(slack: &mut Slack, request: &Arrived) -> Result<Value, Failure> {
    let arguments = json_arguments(request)?;
    let content = Content::read(&arguments, content::POST_MESSAGE)?.not_blank()?;
    in_channel(shape::text_of(&arguments, "channel"))?;
    if let Some(parent) = &content.thread_ts {
        can_be_answered(slack, parent)?;
    }
    slack.posting.admit(CHANNEL, request.received_at).map_err(Failure::TooFast)?;
    let message = slack.post(content, Via::Api, request.received_at);
    Ok(json!({"channel": CHANNEL, "ts": message.ts, "message": without_metadata(message)}))
}

/// Omitted blocks and attachments stay; an empty array removes them.
fn update(slack: &mut Slack, request: &Arrived) -> Result<Value, Failure> {
    let arguments = json_arguments(request)?;
    let content = Content::read(&arguments, content::UPDATE)?;
    if content.text.is_none() && content.blocks.is_none() && content.attachments.is_none() {
        return Err(Refusal::new("no_text", "nothing to change").into());
    }
    in_channel(shape::text_of(&arguments, "channel"))?;
    slack.methods.admit("chat.update", request.received_at).map_err(Failure::TooFast)?;
    let ts = shape::text_of(&arguments, "ts");
    let message = slack.messages.iter_mut().find(|message| message.ts == ts);
    let message = message.ok_or_else(|| Refusal::new("message_not_found", ts))?;
    if message.via == Via::Webhook {
        return Err(Refusal::new("cant_update_message", "it came through the webhook").into());
    }
    message.text = content.text.unwrap_or_else(|| message.text.clone());
    message.blocks = content.blocks.unwrap_or_else(|| message.blocks.clone());
    message.attachments = content.attachments.unwrap_or_else(|| message.attachments.clone());
    message.metadata = content.metadata.or_else(|| message.metadata.clone());
    message.updates += 1;
    Ok(json!({"channel": CHANNEL, "ts": message.ts, "text": message.text, "message": without_metadata(message)}))
}

fn history(slack: &mut Slack, request: &Arrived) -> Result<Value, Failure> {
    if slack.history == Scope::Missing {
        return Err(Refusal::new("missing_scope", "channels:history").into());
    }
    let arguments = loose_arguments(request)?;
    let get = |key: &str| arguments.get(key).map(String::as_str);
    in_channel(get("channel").unwrap_or_default())?;
    let page = Page::read(get)?;
    slack.methods.admit("conversations.history", request.received_at).map_err(Failure::TooFast)?;
    let in_channel = |message: &&Message| message.thread_ts.is_none() || message.is_broadcast;
    Ok(page.of(slack.messages.iter().rev().filter(in_channel).filter(|message| page.holds(message))))
}

/// The message, then what answers it, oldest first.
fn replies(slack: &mut Slack, request: &Arrived) -> Result<Value, Failure> {
    if slack.history == Scope::Missing {
        return Err(Refusal::new("missing_scope", "channels:history").into());
    }
    let arguments = loose_arguments(request)?;
    let get = |key: &str| arguments.get(key).map(String::as_str);
    in_channel(get("channel").unwrap_or_default())?;
    let ts = get("ts").unwrap_or_default();
    let page = Page::read(get)?;
    slack.methods.admit("conversations.replies", request.received_at).map_err(Failure::TooFast)?;
    let parent = slack.messages.iter().find(|message| message.ts == ts && message.thread_ts.is_none());
    let parent = parent.ok_or_else(|| Refusal::new("thread_not_found", ts))?;
    let answers = slack.messages.iter().filter(|message| message.thread_ts.as_deref() == Some(ts));
    // The message itself comes whatever time is asked for.
    Ok(page.of([parent].into_iter().chain(answers.filter(|message| page.holds(message)))))
}

/// Which part of the channel is asked for.
struct Page {
    oldest: u64,
    latest: u64,
    limit: usize,
    skip: usize,
    show: fn(&Message) -> Value,
}

impl Page {
    fn read<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Self, Refusal> {
        let time = |key: &str, error, default| match get(key) {
            Some(text) => micros(text).ok_or_else(|| Refusal::new(error, text)),
            None => Ok(default),
        };
        let (oldest, latest) =
            (time("oldest", "invalid_ts_oldest", 0)?, time("latest", "invalid_ts_latest", u64::MAX)?);
        // Both ends are open unless the caller says otherwise; a step of one microsecond opens or closes them.
        let is_inclusive = get("inclusive").is_some_and(is_true);
        let (oldest, latest) = match is_inclusive {
            true => (oldest, latest),
            false => (oldest.saturating_add(1), latest.saturating_sub(1)),
        };
        let number = |key: &str, default: usize| get(key).map_or(Ok(default), str::parse);
        let limit = number("limit", 100).ok().filter(|limit| (1..=999).contains(limit));
        let limit = limit.ok_or_else(|| Refusal::new("invalid_limit", "1 to 999"))?;
        let skip = number("cursor", 0).map_err(|_| Refusal::new("invalid_cursor", "not one of ours"))?;
        let show = if get("include_all_metadata").is_some_and(is_true) { Message::to_json } else { without_metadata };
        Ok(Self { oldest, latest, limit, skip, show })
    }

    fn holds(&self, message: &Message) -> bool {
        micros(&message.ts).is_some_and(|ts| (self.oldest..=self.latest).contains(&ts))
    }

    fn of<'m>(&self, messages: impl Iterator<Item = &'m Message>) -> Value {
        let mut found: Vec<&Message> = messages.skip(self.skip).take(self.limit + 1).collect();
        let has_more = found.len() > self.limit;
        found.truncate(self.limit);
        let shown: Vec<Value> = found.into_iter().map(self.show).collect();
        let mut document = json!({"messages": shown, "has_more": has_more, "pin_count": 0});
        if has_more {
            document["response_metadata"] = json!({"next_cursor": (self.skip + self.limit).to_string()});
        }
        document
    }
}

fn json_arguments(request: &Arrived) -> Result<Value, Refusal> {
    if request.media_type() != "application/json" {
        return Err(Refusal::new("invalid_post_type", "not application/json"));
    }
    let arguments = request.json().ok_or_else(|| Refusal::new("invalid_json", "not a JSON document"))?;
    if arguments.is_object() { Ok(arguments) } else { Err(Refusal::new("json_not_object", "not an object")) }
}

/// Reading methods take their arguments from the query, a form or a document.
fn loose_arguments(request: &Arrived) -> Result<BTreeMap<String, String>, Refusal> {
    let mut arguments: BTreeMap<String, String> = pairs(request.query.as_bytes());
    match request.media_type().as_str() {
        "application/json" => {
            let document = json_arguments(request)?;
            arguments.extend(document.as_object().map(texts).unwrap_or_default());
        }
        "application/x-www-form-urlencoded" => arguments.extend(pairs(&request.body)),
        "" if request.body.is_empty() => {}
        _ => return Err(Refusal::new("invalid_post_type", "neither JSON nor a form")),
    }
    Ok(arguments)
}

fn pairs(encoded: &[u8]) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(encoded).into_owned().collect()
}

fn texts(object: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    object.iter().map(|(key, value)| (key.clone(), text(value))).collect()
}

fn in_channel(channel: &str) -> Result<(), Refusal> {
    if channel == CHANNEL || channel == CHANNEL_NAME {
        return Ok(());
    }
    Err(Refusal::new("channel_not_found", channel))
}

/// Threads hang on a message of the channel, never on a reply.
fn can_be_answered(slack: &Slack, parent: &str) -> Result<(), Refusal> {
    match slack.messages.iter().find(|message| message.ts == parent) {
        Some(message) if message.thread_ts.is_none() => Ok(()),
        Some(_) => Err(Refusal::new("cannot_reply_to_message", "it is a reply itself")),
        None => Err(Refusal::new("cannot_reply_to_message", "there is no such message")),
    }
}

fn without_metadata(message: &Message) -> Value {
    let mut shown = message.to_json();
    if let Some(object) = shown.as_object_mut() {
        object.remove("metadata");
    }
    shown
}

fn is_true(text: &str) -> bool {
    matches!(text, "true" | "1")
}

/// A document without a charset is taken, with a warning.
fn warn(mut document: Value, request: &Arrived) -> Value {
    let content_type = request.headers.only("content-type").unwrap_or_default();
    if request.media_type() == "application/json" && !content_type.to_ascii_lowercase().contains("charset=") {
        document["warning"] = "missing_charset".into();
    }
    document
}

fn refused(refusal: &Refusal) -> Value {
    let mut document =
        json!({"ok": false, "error": refusal.error, "response_metadata": {"messages": [refusal.detail]}});
    if refusal.error == "missing_scope" {
        document["needed"] = "channels:history".into();
        document["provided"] = "chat:write".into();
    }
    document
}
