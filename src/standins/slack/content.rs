//! What a message consists of, read from the arguments of the webhook and of `chat.*`.

use serde_json::{Map, Value};

use super::blocks;
use super::refusal::Refusal;
use super::ts::micros;
use crate::standins::shape::{self, Field, may, must};

/// The parts of a message that the sender gave.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) text: Option<String>,
    pub(super) blocks: Option<Vec<Value>>,
    pub(super) attachments: Option<Vec<Value>>,
    pub(super) metadata: Option<Value>,
    pub(super) thread_ts: Option<String>,
    pub(super) is_broadcast: bool,
    pub(super) client_msg_id: Option<String>,
}

impl Content {
    /// Reads and checks the arguments; those that `known` does not name are refused.
    pub(super) fn read(arguments: &Value, known: &[Field]) -> Result<Self, Refusal> {
        let Some(given) = arguments.as_object() else { return Err(Refusal::new("invalid_payload", "not an object")) };
        if let Some(fault) = shape::faults(arguments, known).into_iter().next() {
            return Err(Refusal::new(error_for(&fault.at, &fault.why), format!("{} {}", fault.at, fault.why)));
        }
        let content = Self {
            text: text(given, "text"),
            blocks: array(given, "blocks"),
            attachments: array(given, "attachments"),
            metadata: given.get("metadata").cloned(),
            thread_ts: text(given, "thread_ts"),
            is_broadcast: given.get("reply_broadcast").is_some_and(|value| *value == true),
            client_msg_id: text(given, "client_msg_id"),
        };
        if content.is_broadcast && content.thread_ts.is_none() && !known.iter().any(|field| field.name == "ts") {
            return Err(Refusal::new("invalid_arguments", "/reply_broadcast is for replies"));
        }
        blocks::check_total(content.blocks.iter().flatten().chain(attached_blocks(&content.attachments)))?;
        Ok(content)
    }

    /// Refuses what would show nothing at all.
    pub(super) fn not_blank(self) -> Result<Self, Refusal> {
        let is_shown = |part: &Option<Vec<Value>>| part.as_ref().is_some_and(|part| !part.is_empty());
        let has_text = self.text.as_ref().is_some_and(|text| !text.trim().is_empty());
        if has_text || is_shown(&self.blocks) || is_shown(&self.attachments) {
            Ok(self)
        } else {
            Err(Refusal::new("no_text", "neither text nor blocks nor attachments"))
        }
    }
}

/// The service's word for a fault at this place.
fn error_for(at: &str, why: &str) -> &'static str {
    let argument = at.split('/').nth(1).unwrap_or_default();
    match argument {
        "text" if why.starts_with("must have") => "msg_too_long",
        "blocks" if at == "/blocks" && why == "must be an array" => "invalid_blocks_format",
        "blocks" => "invalid_blocks",
        "attachments" if at == "/attachments" && why.starts_with("must have") => "too_many_attachments",
        "attachments" if at.contains("/blocks") => "invalid_blocks",
        "metadata" => "invalid_metadata_format",
        "channel" => "channel_not_found",
        _ => "invalid_arguments",
    }
}

fn text(given: &Map<String, Value>, key: &str) -> Option<String> {
    given.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn array(given: &Map<String, Value>, key: &str) -> Option<Vec<Value>> {
    given.get(key).and_then(Value::as_array).cloned()
}

fn attached_blocks(attachments: &Option<Vec<Value>>) -> impl Iterator<Item = &Value> {
    attachments.iter().flatten().flat_map(|attachment| shape::elements_of(attachment, "blocks"))
}

fn is_ts(value: &Value) -> Result<(), shape::Fault> {
    match value.as_str().and_then(micros) {
        Some(_) => Ok(()),
        None => Err(shape::Fault::new("must be the ts of a message")),
    }
}

fn is_uuid(value: &Value) -> Result<(), shape::Fault> {
    match value.as_str().map(uuid::Uuid::parse_str) {
        Some(Ok(_)) => Ok(()),
        _ => Err(shape::Fault::new("must be a UUID")),
    }
}

fn is_metadata(value: &Value) -> Result<(), shape::Fault> {
    shape::object(value, METADATA)
}

fn is_attachment(value: &Value) -> Result<(), shape::Fault> {
    shape::object(value, ATTACHMENT)
}

fn is_parse(value: &Value) -> Result<(), shape::Fault> {
    shape::one_of(value, &["full", "none"])
}

const fn any_text(name: &'static str) -> Field {
    may(name, shape::any_text)
}

const fn switch(name: &'static str) -> Field {
    may(name, shape::boolean)
}

const TEXT: Field = may("text", |value| shape::text(value, 0, 40_000));
const SOME_BLOCKS: Field = may("blocks", |value| blocks::check(value, 1));
const ANY_BLOCKS: Field = may("blocks", |value| blocks::check(value, 0));
const ATTACHMENTS: Field = may("attachments", |value| shape::list(value, 0, 100, is_attachment));
const METADATA_FIELD: Field = may("metadata", is_metadata);
const PARSE: Field = may("parse", is_parse);

/// The arguments of the incoming webhook.
pub(super) const WEBHOOK: &[Field] = &[
    TEXT,
    SOME_BLOCKS,
    ATTACHMENTS,
    METADATA_FIELD,
    PARSE,
    switch("link_names"),
    may("thread_ts", is_ts),
    switch("reply_broadcast"),
    switch("unfurl_links"),
    switch("unfurl_media"),
    switch("mrkdwn"),
    any_text("username"),
    any_text("icon_emoji"),
    any_text("icon_url"),
];

/// The arguments of `chat.postMessage`.
pub(super) const POST_MESSAGE: &[Field] = &[
    must("channel", shape::any_text),
    TEXT,
    SOME_BLOCKS,
    ATTACHMENTS,
    METADATA_FIELD,
    PARSE,
    switch("link_names"),
    may("thread_ts", is_ts),
    switch("reply_broadcast"),
    switch("unfurl_links"),
    switch("unfurl_media"),
    switch("mrkdwn"),
    any_text("username"),
    any_text("icon_emoji"),
    any_text("icon_url"),
    may("client_msg_id", is_uuid),
];

/// The arguments of `chat.update`.
pub(super) const UPDATE: &[Field] = &[
    must("channel", shape::any_text),
    must("ts", shape::any_text),
    TEXT,
    ANY_BLOCKS,
    ATTACHMENTS,
    METADATA_FIELD,
    PARSE,
    switch("link_names"),
    switch("reply_broadcast"),
];

const METADATA: &[Field] = &[must("event_type", shape::any_text), must("event_payload", shape::any_object)];

/// The parts of an attachment that still make sense beside blocks.
const ATTACHMENT: &[Field] = &[
    SOME_BLOCKS,
    any_text("color"),
    any_text("fallback"),
    any_text("text"),
    any_text("title"),
    any_text("title_link"),
    any_text("footer"),
];
