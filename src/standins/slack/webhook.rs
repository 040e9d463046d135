//! The incoming webhook: a word for an answer, and no id of what was posted.

use super::content::{self, Content};
use super::refusal::Refusal;
use super::{Slack, Via, WEBHOOK_PATH};
use crate::standins::Service;
use crate::standins::wire::{Answer, Arrived};

pub(super) fn answer(slack: &mut Slack, request: &Arrived) -> Answer {
    if request.path != WEBHOOK_PATH {
        return Answer::text(404, "no_service");
    }
    if request.method != "POST" {
        return Answer::text(405, "").header("Allow", "POST");
    }
    let content = match read(request) {
        Ok(content) => content,
        Err(refusal) => return Answer::text(400, word(refusal.error)).header("X-Standin-Detail", printable(&refusal)),
    };
    match slack.posting.admit(super::CHANNEL, request.received_at) {
        Ok(()) => {
            slack.post(content, Via::Webhook, request.received_at);
            Answer::text(200, "ok")
        }
        Err(wait) => slack.throttle(request, Some(wait)),
    }
}

fn read(request: &Arrived) -> Result<Content, Refusal> {
    let arguments = match request.media_type().as_str() {
        "application/json" => request.json(),
        _ => None,
    };
    let arguments = arguments.ok_or_else(|| Refusal::new("invalid_payload", "not a JSON document"))?;
    Content::read(&arguments, content::WEBHOOK)?.not_blank()
}

/// The webhook has fewer words than the Web API.
fn word(error: &'static str) -> &'static str {
    match error {
        "no_text" | "invalid_blocks" | "invalid_blocks_format" | "too_many_attachments" => error,
        "msg_blocks_too_long" => "invalid_blocks",
        _ => "invalid_payload",
    }
}

/// The real service keeps the reason to itself; a developer at a stand-in wants to know it. Only ASCII may be in
/// a header.
fn printable(refusal: &Refusal) -> String {
    refusal.detail.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).take(200).collect()
}
