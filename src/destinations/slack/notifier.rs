//! Incidents in a channel: by token one message each, kept up to date, with a thread below it; by webhook messages that stand
//! alone.

use serde_json::{Value, json};

use super::notice::Notice;
use super::post::{Content, Post, Thread};
use super::reply::{self, Verdict};
use super::token::Token;
use super::{NAME, PACE, Slack, Way, errors};
use crate::destinations::classify::{self, Again};
use crate::destinations::uncertain::Marked;
use crate::destinations::{HttpRequest, Message, Next, Notifier, Pace, Reply, Step, base, fingerprint};
use crate::domain::{Audience, Job, NotifierClass, Operation, Outcome, Reference, Telling, Timestamp};

impl Notifier for Slack {
    fn class(&self) -> NotifierClass {
        match &self.way {
            Way::Webhook(_) => NotifierClass::AppendOnly,
            Way::Api { .. } => NotifierClass::EditableChat,
        }
    }

    fn fingerprint(&self) -> [u8; 16] {
        match &self.way {
            Way::Webhook(url) => fingerprint::of(&[b"slack webhook", url.as_str().as_bytes()]),
            Way::Api { base, credential, channel } => {
                fingerprint::of(&[b"slack", base.as_str().as_bytes(), channel.as_bytes(), credential.identity()])
            }
        }
    }

    fn pace(&self) -> Pace {
        PACE
    }

    fn first(&self, job: &Job<'_>, telling: &Telling<'_>) -> Next {
        match (telling.intent.operation, &self.way) {
            (Operation::Create { .. }, _) | (Operation::Reply { .. }, Way::Webhook(_)) => {
                self.append(&post(job, telling, None, &|marked| self.content(job, telling, marked)))
            }
            (Operation::Reply { .. }, Way::Api { .. }) => match message_of(telling.told.reference.as_ref()) {
                Some(message) => {
                    self.append(&post(job, telling, Some(message), &|marked| self.content(job, telling, marked)))
                }
                None => Next::Done(nothing_there()),
            },
            (Operation::Edit, Way::Api { .. }) => self.edit(job, telling, EDIT),
            (other, _) => Next::Done(classify::not_supported(NAME, other)),
        }
    }

    fn next(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next {
        if step.starts_with(EDIT) {
            return self.edited(job, telling, step, reply);
        }
        let is_reply = matches!(telling.intent.operation, Operation::Reply { .. });
        let message = message_of(telling.told.reference.as_ref()).filter(|_| is_reply);
        let content = |marked| self.content(job, telling, marked);
        match self.appended(&post(job, telling, message, &content), step, reply) {
            // A reply leaves the reference to the message that it answers.
            Next::Done(Outcome::Delivered { .. }) if is_reply => Next::Done(Outcome::Delivered { remote: None }),
            next => next,
        }
    }
}

impl Slack {
    fn content(&self, job: &Job<'_>, telling: &Telling<'_>, marked: Marked) -> Content {
        let notice = Notice::of(job, telling, marked);
        match (telling.intent.operation, &self.way) {
            (Operation::Reply { .. }, Way::Api { .. }) => notice.reply(),
            (Operation::Reply { .. }, Way::Webhook(_)) => notice.standalone(),
            _ => notice.opening(),
        }
    }

    /// The present state, in the place of whatever the message says. Sent again it says the same.
    fn edit(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step) -> Next {
        let (Way::Api { base, credential, .. }, Some(message)) =
            (&self.way, message_of(telling.told.reference.as_ref()))
        else {
            return Next::Done(nothing_there());
        };
        let content = Notice::of(job, telling, Marked::No).state();
        // What is left out stays as it was, so that blocks are taken away by none.
        let blocks = if step == EDIT_PLAIN { Vec::new() } else { content.blocks };
        let document = json!({
            "channel": message.channel,
            "ts": message.ts,
            "text": content.text,
            "blocks": blocks,
            "parse": "none",
            "link_names": false,
            "metadata": token_of(telling, Made::Message(telling.told.creations)).metadata(),
        });
        let request = HttpRequest::post_json(base::join(base, "/chat.update"), &document);
        Next::Send(step, Message::Http(credential.authorize(request)))
    }

    fn edited(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next {
        let reply = match classify::http(job, NAME, Again::Doubled, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        match reply::api(&self.answer(job, reply, Again::Doubled), errors::UPDATE) {
            Verdict::WithoutBlocks(_) if step == EDIT => self.edit(job, telling, EDIT_PLAIN),
            Verdict::Done(Outcome::Delivered { .. }) => Next::Done(Outcome::Delivered { remote: None }),
            Verdict::WithoutBlocks(outcome) | Verdict::Done(outcome) => Next::Done(outcome),
        }
    }
}

/// A message or a reply of a notification.
fn post<'a>(
    job: &'a Job<'a>,
    telling: &'a Telling<'a>,
    message: Option<PostedMessage<'a>>,
    content: &'a dyn Fn(Marked) -> Content,
) -> Post<'a> {
    let (made, is_broadcast) = match telling.intent.operation {
        Operation::Reply { number, audience } => (Made::Reply(number), audience == Audience::Channel),
        Operation::Create { number } => (Made::Message(number), false),
        _ => (Made::Message(telling.told.creations), false),
    };
    let thread = message.map(|message| Thread { channel: message.channel, ts: message.ts, is_broadcast });
    Post { job, content, token: token_of(telling, made), thread, not_before: last_told(telling) }
}

/// What was told before was told before this was sent.
fn last_told(telling: &Telling<'_>) -> Timestamp {
    let told = [telling.told.said, telling.told.shown].into_iter().flatten().map(|told| told.at);
    told.chain([telling.told.opened_at]).max().unwrap_or(telling.told.opened_at)
}

/// What was made of a notification, by its number.
enum Made {
    Message(u32),
    Reply(u32),
}

fn token_of(telling: &Telling<'_>, made: Made) -> Token {
    let beside = ("incident", json!(telling.incident.id));
    if let (Made::Message(1), Some(delivery)) = (&made, telling.told.former_delivery()) {
        return Token { event_type: FORMER_METADATA_TYPE, key: FORMER_TOKEN_KEY, value: delivery.to_owned(), beside };
    }
    let value = match made {
        Made::Message(number) => format!("{}.m{number}", telling.notification),
        Made::Reply(number) => format!("{}.r{number}", telling.notification),
    };
    Token { event_type: METADATA_TYPE, key: "token", value, beside }
}

/// The message of a notification, as its reference names it.
#[derive(Clone, Copy)]
struct PostedMessage<'a> {
    channel: &'a str,
    ts: &'a str,
}

fn message_of(reference: Option<&Reference>) -> Option<PostedMessage<'_>> {
    let text = |key: &str| reference?.data.get(key).and_then(Value::as_str);
    Some(PostedMessage { channel: text("channel")?, ts: text("ts")? })
}

fn nothing_there() -> Outcome {
    Outcome::Gone { reason: "it is not known which message of Slack's is that of the incident".to_owned() }
}

pub const METADATA_TYPE: &str = "gatepost_notification";
/// Of a message that was sent about a single event, before incidents were told.
const FORMER_METADATA_TYPE: &str = "gatepost_delivery";
const FORMER_TOKEN_KEY: &str = "delivery";
const EDIT: Step = "edit";
const EDIT_PLAIN: Step = "edit-without-blocks";

#[cfg(test)]
mod tests;
