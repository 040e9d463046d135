//! A message in the channel of the stand-in.

use serde_json::{Value, json};

use crate::domain::Timestamp;

/// The name of the channel, which the Web API takes in place of the id.
pub const CHANNEL_NAME: &str = "#soc-alerts";

/// A message in the channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The id of the message in its channel, `SECONDS.MICROSECONDS`.
    pub ts: String,
    /// How it came.
    pub via: Via,
    /// What stands where blocks cannot be shown: notifications, old clients.
    pub text: String,
    /// What is shown in the channel.
    pub blocks: Vec<Value>,
    /// Older blocks with a bar at their side.
    pub attachments: Vec<Value>,
    /// What only programs see.
    pub metadata: Option<Value>,
    /// The `ts` of the message that this one answers.
    pub thread_ts: Option<String>,
    /// Whether the channel sees this reply as well.
    pub is_broadcast: bool,
    /// The undocumented token that the sender chose.
    pub client_msg_id: Option<String>,
    /// How often it was updated.
    pub updates: usize,
    /// When it came.
    pub received_at: Timestamp,
}

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Through the incoming webhook; it cannot be updated.
    Webhook,
    /// Through the Web API.
    Api,
}

impl Message {
    /// The message as `conversations.history` shows it with all metadata.
    pub(super) fn to_json(&self) -> Value {
        let mut json = json!({
            "type": "message", "ts": self.ts, "text": self.text, "bot_id": "B000", "app_id": "A000",
            "blocks": self.blocks, "attachments": self.attachments,
        });
        let optional = [("metadata", self.metadata.clone())]
            .into_iter()
            .chain([("thread_ts", self.thread_ts.clone().map(Value::from))])
            .chain([("client_msg_id", self.client_msg_id.clone().map(Value::from))]);
        let optional = optional.chain([("subtype", self.is_broadcast.then(|| "thread_broadcast".into()))]);
        for (key, value) in optional {
            if let Some(value) = value {
                json[key] = value;
            }
        }
        json
    }
}
