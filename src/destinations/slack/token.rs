//! What a message of Slack's is found again by.

use serde_json::{Value, json};

/// What a message is found again by: ids only, because every app and user of the workspace can read it.
pub struct Token {
    /// The type of the metadata.
    pub event_type: &'static str,
    /// The one key of the payload that is compared.
    pub key: &'static str,
    /// Its value, which stands nowhere else.
    pub value: String,
    /// A key that is not compared, for those who look for the incident.
    pub beside: (&'static str, Value),
}

impl Token {
    pub fn metadata(&self) -> Value {
        let mut payload = json!({ self.beside.0: self.beside.1 });
        payload[self.key] = json!(self.value);
        json!({ "event_type": self.event_type, "event_payload": payload })
    }
}
