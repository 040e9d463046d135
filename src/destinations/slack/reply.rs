//! What Slack's replies mean. A webhook answers with a status and a word; the Web API answers 200 to everything and
//! says in the body whether it worked.

use serde_json::Value;

use crate::destinations::judge::{self, Answer};
use crate::destinations::render::cut;
use crate::domain::{DeliveryId, Outcome, Scope};

/// A verdict on a posted message.
pub enum Verdict {
    /// The try is over.
    Done(Outcome),
    /// Slack does not like the blocks. It certainly took nothing, and may take the plain text.
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
    /// Slack does not let us look, or we cannot read what it shows.
    CannotTell,
    /// Ask later.
    Later(Outcome),
}

/// The table of a webhook.
pub fn webhook(answer: &Answer<'_>) -> Verdict {
    let word = String::from_utf8_lossy(&answer.reply.body).trim().to_owned();
    Verdict::Done(match (answer.reply.status, word.as_str()) {
        (200, "ok") if !answer.reply.truncated => Outcome::Delivered { remote: None },
        (200..300, _) => answer.unknown("Slack answered without its 'ok'"),
        (400, "invalid_blocks" | "invalid_blocks_format" | "msg_blocks_too_long") => {
            return Verdict::WithoutBlocks(answer.refused("Slack does not accept the message"));
        }
        (403 | 404 | 410, _) => answer.misconfigured(webhook_advice(&word)),
        _ => answer.by_status(),
    })
}

fn webhook_advice(word: &str) -> &'static str {
    match word {
        "channel_is_archived" => "The webhook's channel is archived: unarchive it, or make a webhook for another one",
        "channel_not_found" => "The webhook's channel does not exist any more: make a webhook for another one",
        "action_prohibited" | "posting_to_general_channel_denied" => {
            "An administrator has forbidden the webhook to post there: ask for the permission"
        }
        "no_team" | "team_disabled" => "The webhook's workspace is gone: make a webhook in another one",
        _ => "Slack does not know the webhook any more: make a new one and set it as `webhook_url`",
    }
}

/// The table of `chat.postMessage`.
pub fn api(answer: &Answer<'_>) -> Verdict {
    if answer.reply.status != 200 {
        return Verdict::Done(answer.by_status());
    }
    let Some(body) = answer.json() else {
        return Verdict::Done(answer.unknown("Slack answered with something that is not its JSON"));
    };
    match (body["ok"].as_bool(), body["error"].as_str()) {
        (Some(true), _) => Verdict::Done(posted(answer, &body)),
        (Some(false), Some(error)) => refusal(answer, error),
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
pub fn remote(channel: &str, ts: &str) -> String {
    cut::chars(&format!("{channel}:{ts}"), 200).into_owned()
}

fn refusal(answer: &Answer<'_>, error: &str) -> Verdict {
    // The name goes into a sentence, so nothing but a name may.
    let name: String =
        error.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_').take(64).collect();
    let row = API_ERRORS.iter().find(|(known, ..)| match known.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *known,
    });
    let (class, advice) = row.map_or((Class::Refused, UNLISTED), |(_, class, advice)| (*class, *advice));
    let reason = format!("Slack says {name}: {advice}");
    Verdict::Done(match class {
        Class::Busy => answer.retry(Scope::Destination, None, &reason),
        Class::Again => answer.retry(Scope::Delivery, None, &reason),
        // A body that repeats the name adds nothing to these.
        Class::Unknown => Outcome::Unknown { reason, progress: judge::doubt(answer.job) },
        Class::Config => Outcome::Misconfigured { reason, scope: Scope::Delivery },
        Class::Refused => Outcome::Refused { reason },
        Class::Blocks => return Verdict::WithoutBlocks(Outcome::Refused { reason }),
    })
}

/// Looks for the delivery on a page of `conversations.history`.
pub fn history(answer: &Answer<'_>, delivery: DeliveryId) -> Found {
    match answer.reply.status {
        200 => {}
        429 | 500.. => return Found::Later(answer.by_status()),
        _ => return Found::CannotTell,
    }
    let Some(body) = answer.json() else {
        // The page may be longer than what is read of a reply. The id stands nowhere but in our own metadata.
        let here = String::from_utf8_lossy(&answer.reply.body).contains(&delivery.to_string());
        return match (here, answer.reply.is_too_long()) {
            (true, _) => Found::Yes(None),
            (false, true) => Found::CannotTell,
            // Broken off, or not Slack at all: it may tell when it is asked again.
            (false, false) => Found::Later(answer.unknown("Slack did not answer about an earlier message in its JSON")),
        };
    };
    if body["ok"] != true {
        let is_busy = matches!(body["error"].as_str(), Some("ratelimited" | "rate_limited" | "service_unavailable"));
        let later = || answer.retry(Scope::Destination, None, "Slack is too busy to be asked about an earlier message");
        return if is_busy { Found::Later(later()) } else { Found::CannotTell };
    }
    let Some(messages) = body["messages"].as_array() else { return Found::CannotTell };
    if let Some(message) = messages.iter().find(|message| is_ours(message, delivery)) {
        return Found::Yes(message["ts"].as_str().map(str::to_owned));
    }
    match body.pointer("/response_metadata/next_cursor").and_then(Value::as_str) {
        Some(cursor) if !cursor.is_empty() && cursor.len() <= 512 => Found::NotYet(cursor.to_owned()),
        _ if body["has_more"] == true => Found::CannotTell,
        _ => Found::No,
    }
}

fn is_ours(message: &Value, delivery: DeliveryId) -> bool {
    let metadata = &message["metadata"];
    metadata["event_type"] == super::METADATA_TYPE
        && metadata["event_payload"]["delivery"].as_str() == Some(delivery.to_string().as_str())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// The whole workspace must wait.
    Busy,
    /// Not taken; this message again.
    Again,
    /// Part of it may have been done.
    Unknown,
    /// The operator must act.
    Config,
    /// The blocks are at fault.
    Blocks,
    /// The message is at fault.
    Refused,
}

const UNLISTED: &str = "an error that is not in gatepost's table; the message was not posted";
const TOKEN: &str = "the token set as `token` does not work any more: set a new one";
const SCOPE: &str = "the app lacks a permission: give it the scope chat:write and reinstall it";
const POLICY: &str = "a policy of the workspace forbids posting there: ask an administrator";
const MESSAGE: &str = "the message is not to its liking";

/// Errors of `chat.postMessage`; a name that ends with `*` stands for all that begin like it. The classes follow
/// Slack's method pages; `fatal_error` and `internal_error` say there that part of the work may have been done.
const API_ERRORS: &[(&str, Class, &str)] = &[
    ("ratelimited", Class::Busy, "the rate is limited"),
    ("rate_limited", Class::Busy, "the rate is limited"),
    ("service_unavailable", Class::Busy, "the service is not available at the moment"),
    ("request_timeout", Class::Again, "the request was cut short on its way"),
    ("team_added_to_org", Class::Busy, "the workspace is being moved into an organization"),
    ("org_login_required", Class::Busy, "the workspace is being moved into an organization"),
    ("fatal_error", Class::Unknown, "something went wrong midway"),
    ("internal_error", Class::Unknown, "something went wrong midway"),
    ("invalid_auth", Class::Config, TOKEN),
    ("not_authed", Class::Config, TOKEN),
    ("account_inactive", Class::Config, TOKEN),
    ("token_revoked", Class::Config, TOKEN),
    ("token_expired", Class::Config, TOKEN),
    ("not_allowed_token_type", Class::Config, "`token` must be a bot token that begins with xoxb-"),
    ("metadata_must_be_sent_from_app", Class::Config, "`token` must be a bot token that begins with xoxb-"),
    ("missing_scope", Class::Config, SCOPE),
    ("no_permission", Class::Config, SCOPE),
    ("access_denied", Class::Config, POLICY),
    ("accesslimited", Class::Config, POLICY),
    ("ekm_access_denied", Class::Config, POLICY),
    ("enterprise_is_restricted", Class::Config, POLICY),
    ("team_access_not_granted", Class::Config, POLICY),
    ("two_factor_setup_required", Class::Config, "the account behind `token` must set up two-factor authentication"),
    ("restricted_action*", Class::Config, POLICY),
    ("message_limit_exceeded", Class::Config, "the workspace has used up its messages"),
    ("messages_tab_disabled", Class::Config, "the app's messages tab is off: turn it on, or set another `channel`"),
    (
        "channel_not_found",
        Class::Config,
        "the channel set as `channel` does not exist or the app is not in it: invite the app, or correct the channel",
    ),
    ("not_in_channel", Class::Config, "the app is not in the channel set as `channel`: invite it"),
    ("is_archived", Class::Config, "the channel set as `channel` is archived: unarchive it, or set another one"),
    ("team_not_found", Class::Config, "the workspace behind `token` is gone"),
    ("method_deprecated", Class::Config, "this version of gatepost is too old for Slack: update it"),
    ("deprecated_endpoint", Class::Config, "this version of gatepost is too old for Slack: update it"),
    ("invalid_blocks*", Class::Blocks, MESSAGE),
    ("msg_blocks_too_long", Class::Blocks, MESSAGE),
    ("msg_too_long", Class::Refused, MESSAGE),
    ("no_text", Class::Refused, MESSAGE),
    ("too_many_attachments", Class::Refused, MESSAGE),
    ("attachment_payload_limit_exceeded", Class::Refused, MESSAGE),
    ("invalid_*", Class::Refused, MESSAGE),
    ("metadata_too_large", Class::Refused, MESSAGE),
];
