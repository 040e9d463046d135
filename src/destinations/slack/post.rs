//! What is appended: a message in the channel, or a reply in a thread.
//!
//! Slack knows no idempotency. By token a message carries what identifies it as metadata, and the channel's history or the
//! thread's replies are searched for that before anything is sent again. Where Slack cannot tell, and by webhook always,
//! `on_uncertain` decides.

use serde_json::{Value, json};

use super::reply::{self, Found, Verdict};
use super::token::Token;
use super::{NAME, Slack, Way, errors};
use crate::destinations::classify::{self, Again};
use crate::destinations::uncertain::{self, Marked, OnUncertain};
use crate::destinations::{HttpRequest, Message, Method, Next, Reply, Step, base};
use crate::domain::{Job, Outcome, Timestamp};

/// Something to append.
pub struct Post<'a> {
    /// The try.
    pub job: &'a Job<'a>,
    /// What people see.
    pub content: &'a dyn Fn(Marked) -> Content,
    /// What it is found again by.
    pub token: Token,
    /// The thread that it answers.
    pub thread: Option<Thread<'a>>,
    /// It was not sent before this time.
    pub not_before: Timestamp,
}

/// What people see of a message.
pub struct Content {
    /// For notifications, and for clients and errors that take no blocks. Escaped.
    pub text: String,
    /// What is shown in the channel.
    pub blocks: Vec<Value>,
}

/// A thread.
pub struct Thread<'a> {
    pub channel: &'a str,
    pub ts: &'a str,
    /// Whether the channel sees the reply as well.
    pub is_broadcast: bool,
}

impl Slack {
    /// The first message of a try.
    pub fn append(&self, post: &Post<'_>) -> Next {
        match &self.way {
            _ if !classify::in_doubt(post.job) => self.send(post, POST),
            Way::Webhook(_) => self.uncertain(post),
            Way::Api { .. } => self.look(post, HISTORY[0], None),
        }
    }

    /// What to make of a reply to one of the steps here.
    pub fn appended(&self, post: &Post<'_>, step: Step, reply: &Reply) -> Next {
        match HISTORY.iter().position(|history| *history == step) {
            Some(page) => self.looked(post, page, reply),
            None => self.sent(post, step, reply),
        }
    }

    fn send(&self, post: &Post<'_>, step: Step) -> Next {
        let content = (post.content)(if step.starts_with(REPEAT) { Marked::PossibleRepeat } else { Marked::No });
        let mut message = json!({
            "text": content.text,
            "mrkdwn": false,
            "unfurl_links": false,
            "unfurl_media": false,
            "link_names": false,
        });
        if !step.ends_with(WITHOUT_BLOCKS) {
            message["blocks"] = Value::Array(content.blocks);
        }
        Next::Send(step, Message::Http(self.request(post, message)))
    }

    fn request(&self, post: &Post<'_>, mut message: Value) -> HttpRequest {
        match &self.way {
            Way::Webhook(url) => HttpRequest::post_json(url.clone(), &message),
            Way::Api { base, credential, channel } => {
                message["channel"] = json!(channel);
                message["parse"] = json!("none");
                message["metadata"] = post.token.metadata();
                if let Some(thread) = &post.thread {
                    message["channel"] = json!(thread.channel);
                    message["thread_ts"] = json!(thread.ts);
                    message["reply_broadcast"] = json!(thread.is_broadcast);
                }
                let url = base::join(base, "/chat.postMessage");
                credential.authorize(HttpRequest::post_json(url, &message))
            }
        }
    }

    fn sent(&self, post: &Post<'_>, step: Step, reply: &Reply) -> Next {
        let reply = match classify::http(post.job, NAME, Again::Doubled, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(self.bounded(post.job, step, outcome)),
        };
        let answer = self.answer(post.job, reply, Again::Doubled);
        let verdict = match &self.way {
            Way::Webhook(_) => reply::webhook(&answer),
            Way::Api { .. } => reply::api(&answer, errors::API),
        };
        match (verdict, step) {
            (Verdict::WithoutBlocks(_), POST) => self.send(post, POST_PLAIN),
            (Verdict::WithoutBlocks(_), REPEAT) => self.send(post, REPEAT_PLAIN),
            (Verdict::WithoutBlocks(outcome) | Verdict::Done(outcome), _) => {
                Next::Done(self.bounded(post.job, step, outcome))
            }
        }
    }

    /// Bounds the repeats of a message where Slack cannot be asked.
    fn bounded(&self, job: &Job<'_>, step: Step, outcome: Outcome) -> Outcome {
        let is_blind = matches!(self.way, Way::Webhook(_)) || step.starts_with(REPEAT);
        if is_blind { uncertain::bounded(job, outcome) } else { outcome }
    }

    /// Asks for a page of the channel's history, or of the thread's replies, since the doubt began.
    fn look(&self, post: &Post<'_>, step: Step, cursor: Option<&str>) -> Next {
        let Way::Api { base, credential, channel } = &self.way else { return self.uncertain(post) };
        // The clock may have been ahead.
        let not_before = post.not_before.min(post.job.now);
        let since = classify::in_doubt_since(post.job).unwrap_or(not_before.as_millis());
        let oldest = (since / 1000 - HISTORY_MARGIN_SECONDS).max(0);
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let path = match &post.thread {
            None => {
                form.append_pair("channel", channel);
                "/conversations.history"
            }
            Some(thread) => {
                form.append_pair("channel", thread.channel).append_pair("ts", thread.ts);
                "/conversations.replies"
            }
        };
        form.append_pair("oldest", &oldest.to_string())
            .append_pair("include_all_metadata", "true")
            .append_pair("limit", HISTORY_PAGE);
        if let Some(cursor) = cursor {
            form.append_pair("cursor", cursor);
        }
        let request = HttpRequest {
            method: Method::Post,
            url: base::join(base, path),
            headers: Vec::new(),
            content_type: "application/x-www-form-urlencoded",
            body: form.finish().into(),
        };
        Next::Send(step, Message::Http(credential.authorize(request)))
    }

    fn looked(&self, post: &Post<'_>, page: usize, reply: &Reply) -> Next {
        let reply = match classify::http(post.job, NAME, Again::Harmless, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        match reply::history(&self.answer(post.job, reply, Again::Harmless), &post.token) {
            Found::Yes(ts) => Next::Done(Outcome::Delivered { remote: ts.and_then(|ts| self.remote(&ts)) }),
            Found::No => self.send(post, POST),
            Found::NotYet(cursor) => match HISTORY.get(page + 1) {
                Some(step) => self.look(post, step, Some(&cursor)),
                None => self.uncertain(post),
            },
            Found::CannotTell => self.uncertain(post),
            Found::Done(outcome) => Next::Done(outcome),
        }
    }

    /// An earlier message may have arrived, and that cannot be found out.
    fn uncertain(&self, post: &Post<'_>) -> Next {
        match self.on_uncertain {
            OnUncertain::Repeat => self.send(post, REPEAT),
            OnUncertain::Drop => Next::Done(OnUncertain::dropped(NAME)),
        }
    }

    fn remote(&self, ts: &str) -> Option<crate::domain::Reference> {
        match &self.way {
            Way::Webhook(_) => None,
            Way::Api { channel, .. } => Some(reply::remote(channel, ts)),
        }
    }
}

pub const POST: Step = "post";
pub const POST_PLAIN: Step = "post-without-blocks";
pub const REPEAT: Step = "repeat";
pub const REPEAT_PLAIN: Step = "repeat-without-blocks";
const WITHOUT_BLOCKS: &str = "-without-blocks";

/// One step a page: a busy channel is searched no deeper than this.
pub const HISTORY: [Step; 10] = [
    "history-1",
    "history-2",
    "history-3",
    "history-4",
    "history-5",
    "history-6",
    "history-7",
    "history-8",
    "history-9",
    "history-10",
];
/// Messages a page. A message with blocks takes up to some 4 KB, and no more than 64 KiB of a reply are read.
const HISTORY_PAGE: &str = "15";
/// Clocks differ.
const HISTORY_MARGIN_SECONDS: i64 = 300;
