//! A stand-in of Slack: one incoming webhook and the Web API of one app in one channel.
//!
//! Both post into the same channel, because what counts is what the people in it see.

mod api;
mod blocks;
mod content;
mod message;
mod refusal;
mod rotation;
mod text;
mod ts;
mod webhook;

use std::time::Duration;

use serde_json::json;

use super::rate::{Limiter, Rate};
use super::terminal::Card;
use super::wire::{Answer, Arrived};
use super::{Service, StandIn};
use crate::domain::Timestamp;
use content::Content;
pub use message::{CHANNEL_NAME, Message, Via};
use rotation::Rotation;
pub use rotation::{CLIENT_ID, CLIENT_SECRET};
use ts::micros;

/// The path of the incoming webhook. The last part is its secret.
pub const WEBHOOK_PATH: &str = "/services/T000/B000/standin-webhook";

/// The bot token that the Web API knows.
pub const BOT_TOKEN: &str = "xoxb-standin";

/// The id of the channel.
pub const CHANNEL: &str = "C0STANDIN";

/// Starts a stand-in on a free port of 127.0.0.1.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub async fn start() -> std::io::Result<StandIn<Slack>> {
    start_on(0).await
}

/// Starts a stand-in on this port of 127.0.0.1.
///
/// # Errors
/// Where the port cannot be bound or no thread can be started.
pub async fn start_on(port: u16) -> std::io::Result<StandIn<Slack>> {
    StandIn::start(Slack::default(), port).await
}

impl StandIn<Slack> {
    /// The URL of the incoming webhook.
    pub fn webhook_url(&self) -> String {
        format!("{}{WEBHOOK_PATH}", self.base_url())
    }

    /// The base of the Web API, `http://127.0.0.1:PORT/api`.
    pub fn api_url(&self) -> String {
        format!("{}/api", self.base_url())
    }

    /// The messages of the channel, oldest first, as they stand after their updates.
    pub fn messages(&self) -> Vec<Message> {
        self.shared.service().messages.clone()
    }

    /// Takes this many messages for the channel, and this many calls of each other method, instead of the rates of
    /// the real service.
    pub fn limit_rates(&self, posting: Rate, methods: Rate) {
        let mut slack = self.shared.service();
        slack.posting = Limiter::new(posting);
        slack.methods = Limiter::new(methods);
    }

    /// Deletes a message as a person does: it can be neither edited nor answered any more. Its replies stay.
    pub fn delete(&self, ts: &str) {
        self.shared.service().messages.retain(|message| message.ts != ts);
    }

    /// Turns token rotation on, which cannot be turned off: the bot token is not accepted any more, and the app has this refresh
    /// token.
    pub fn rotate(&self, refresh: &str) {
        self.shared.service().rotation = Some(Rotation::new(refresh));
    }

    /// How many access tokens `oauth.v2.access` has given.
    pub fn renewals(&self) -> usize {
        self.shared.service().rotation.as_ref().map_or(0, Rotation::given)
    }

    /// How long access tokens live that are given from now on; twelve hours at first.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.rotation(|rotation| rotation.set_lifetime(lifetime));
    }

    /// How long a refresh token is taken after its first use; not at all at first.
    pub fn set_grace(&self, grace: Duration) {
        self.rotation(|rotation| rotation.set_grace(grace));
    }

    /// Lets the access tokens expire.
    pub fn expire_tokens(&self) {
        self.rotation(Rotation::expire);
    }

    /// Revokes every refresh token.
    pub fn revoke_refresh_tokens(&self) {
        self.rotation(Rotation::revoke);
    }

    /// Takes this refresh token too, as if a person had generated it in the settings of the app.
    pub fn generate_refresh_token(&self, refresh: &str) {
        self.rotation(|rotation| rotation.generate(refresh));
    }

    /// Whether a refresh token is good and was not used.
    pub fn is_fresh(&self, refresh: &str) -> bool {
        self.shared.service().rotation.as_ref().is_some_and(|rotation| rotation.is_fresh(refresh))
    }

    fn rotation(&self, change: impl FnOnce(&mut Rotation)) {
        if let Some(rotation) = self.shared.service().rotation.as_mut() {
            change(rotation);
        }
    }

    /// Takes away the scope that `conversations.history` and `conversations.replies` need.
    pub fn revoke_history(&self) {
        self.shared.service().history = Scope::Missing;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Granted,
    Missing,
}

/// The state of the stand-in.
#[derive(Debug)]
pub struct Slack {
    messages: Vec<Message>,
    posting: Limiter,
    methods: Limiter,
    history: Scope,
    rotation: Option<Rotation>,
}

impl Default for Slack {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            posting: Limiter::new(POSTING),
            methods: Limiter::new(TIER_3),
            history: Scope::Granted,
            rotation: None,
        }
    }
}

impl Slack {
    /// Puts a message into the channel.
    fn post(&mut self, content: Content, via: Via, received_at: Timestamp) -> &Message {
        let ts = self.next_ts(received_at);
        self.messages.push(Message {
            ts,
            via,
            text: content.text.unwrap_or_default(),
            blocks: content.blocks.unwrap_or_default(),
            attachments: content.attachments.unwrap_or_default(),
            metadata: content.metadata,
            thread_ts: content.thread_ts,
            is_broadcast: content.is_broadcast,
            client_msg_id: content.client_msg_id,
            updates: 0,
            received_at,
        });
        &self.messages[self.messages.len() - 1]
    }

    /// Later than every earlier one, also when the clock is set back.
    fn next_ts(&self, now: Timestamp) -> String {
        let now = u64::try_from(now.as_millis()).unwrap_or(0) * 1000;
        let last = self.messages.last().and_then(|message| micros(&message.ts)).unwrap_or(0);
        let micros = now.max(last + 1);
        format!("{:010}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

impl Service for Slack {
    const NAME: &'static str = "Slack";

    fn answer(&mut self, request: &Arrived) -> Answer {
        if request.path.starts_with("/services/") {
            webhook::answer(self, request)
        } else if let Some(method) = request.path.strip_prefix("/api/") {
            api::answer(self, method, request)
        } else {
            Answer::text(404, "")
        }
    }

    fn refuse_credentials(&self, request: &Arrived) -> Answer {
        if is_api(request) {
            Answer::json(200, &json!({"ok": false, "error": "invalid_auth"}))
        } else {
            Answer::text(403, "invalid_token")
        }
    }

    fn throttle(&self, request: &Arrived, retry_after: Option<Duration>) -> Answer {
        let answer = if is_api(request) {
            Answer::json(429, &json!({"ok": false, "error": "ratelimited"}))
        } else {
            Answer::text(429, "rate_limited")
        };
        answer.retry_after(retry_after)
    }

    fn effects(&self) -> usize {
        self.messages.len()
    }

    fn mentions(&self, text: &str) -> usize {
        self.messages.iter().filter(|message| message.to_json().to_string().contains(text)).count()
    }

    fn cards(&self) -> Vec<Card> {
        self.messages.iter().map(Message::card).collect()
    }
}

fn is_api(request: &Arrived) -> bool {
    request.path.starts_with("/api/")
}

/// One message a second for a channel, with short bursts.
const POSTING: Rate = Rate::new(30, Duration::from_secs(30));

/// What Slack calls tier 3: 50 calls a minute for a method.
const TIER_3: Rate = Rate::new(50, Duration::from_secs(60));

#[cfg(test)]
mod tests;
