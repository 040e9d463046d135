//! Slack: messages in a channel, by incoming webhook or by bot token.
//!
//! A webhook knows no idempotency of any kind: after an unknown outcome the message is sent again and says that it may
//! be a repeat, or is given up as a dead letter where `on_uncertain = "drop"`. With a bot token the message carries
//! an id as metadata, and the channel's history is searched for it before anything is sent again; this needs
//! the scope `channels:history` (`groups:history` in private channels) and the channel's id instead of its name. Of an app with
//! token rotation ([`rotation`]) the bot token comes with the connection.
//!
//! [`notifier`] tells incidents: by token a message that is kept up to date and a thread, by webhook messages that stand
//! alone. Both append by [`post`].

pub(super) mod errors;
mod markup;
mod notice;
mod notifier;
mod post;
mod reply;
mod rotation;
mod token;

use std::fmt;
use std::time::Duration;

use url::Url;

use super::classify::{Again, Answer};
use super::uncertain::OnUncertain;
use super::{Build, Carrier, HttpReply, HttpRequest, Kind, Notifier, Pace, Rotating, base};
use crate::domain::{Job, Secret};
use crate::settings::Section;

/// The `slack` destination.
pub const KIND: Kind = Kind {
    name: "slack",
    title: "Slack",
    build: Build::Notifier(|section| Some(Box::new(read(section)?) as Box<dyn Notifier>)),
    carrier: Carrier::HttpOrRotation(&rotation::Rotation),
    schema: r##"{
  "webhook_url": {"$ref": "#/$defs/secret", "description": "The URL of an incoming webhook"},
  "token": {"$ref": "#/$defs/secret", "description": "A bot token, with channel"},
  "channel": {"type": "string", "description": "The channel's id"},
  "api_url": {"type": "string", "description": "Another base of the Web API", "format": "uri"},
  "url": {"type": "string", "description": "The same as api_url", "format": "uri"},
  "on_uncertain": {"enum": ["repeat", "drop"], "description": "What to do with a message that may have arrived"}
}"##,
    required: &[],
    template: r#"webhook_url = { env = "SLACK_WEBHOOK_URL" }   # or a bot token, which can look for a message before repeating it:
# token = { env = "SLACK_TOKEN" }           # scopes chat:write and channels:history
# channel = "C0123456789"                   # the channel's id, from its "About" page
# refresh_token = { env = "SLACK_REFRESH_TOKEN" }   # instead of token, where the app has token rotation
# client_id = "1234567890.1234567890"       # the app's, from Basic Information > App Credentials
# client_secret = { env = "SLACK_CLIENT_SECRET" }
# on_uncertain = "repeat"                   # or "drop": when a message may have arrived and Slack cannot tell
"#,
    examples: &[],
};

struct Slack {
    way: Way,
    on_uncertain: OnUncertain,
}

/// How messages get there.
enum Way {
    /// The URL is the credential.
    Webhook(Url),
    Api {
        base: Url,
        credential: Credential,
        channel: String,
    },
}

/// What requests of the Web API carry.
enum Credential {
    /// A token that does not expire.
    Token(Secret),
    /// Nothing: the connection has tokens that are renewed. They belong to the app with this client id.
    Rotating { client_id: String },
}

impl Credential {
    /// What stands for it.
    fn identity(&self) -> &[u8] {
        match self {
            Self::Token(token) => token.expose(),
            Self::Rotating { client_id } => client_id.as_bytes(),
        }
    }

    fn authorize(&self, request: HttpRequest) -> HttpRequest {
        match self {
            Self::Token(token) => request.header("Authorization", bearer(token)),
            Self::Rotating { .. } => request,
        }
    }
}

fn read(section: &Section) -> Option<Slack> {
    let on_uncertain = OnUncertain::read(section);
    let by_token = ["token", "channel"].iter().chain(Rotating::KEYS).any(|key| section.has(key));
    let way = match (section.has("webhook_url"), by_token) {
        (true, true) => {
            let fix = "keep either webhook_url or token and channel";
            section.fault("webhook_url", "stands beside token or channel", fix);
            None
        }
        (false, true) => api(section),
        (false, false) => {
            section.fault("webhook_url", "is missing", "add webhook_url = …, or token = … and channel = …");
            None
        }
        (true, false) => base::webhook(section).map(Way::Webhook),
    };
    Some(Slack { way: way?, on_uncertain: on_uncertain? })
}

fn api(section: &Section) -> Option<Way> {
    let base = base::setting(section, Some("https://slack.com/api"));
    let credential = credential(section);
    let channel = section.required_text("channel");
    let (credential, channel) = (credential?, channel?);
    let is_id = channel.len() >= 9 && channel.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    if !is_id {
        let fix = "set the channel's id (C…), or repeats cannot be prevented";
        section.warn("channel", "is a name, and Slack shows the history of ids only", fix);
    }
    Some(Way::Api { base: base?, credential, channel })
}

fn credential(section: &Section) -> Option<Credential> {
    if let Some(rotating) = Rotating::KEYS.iter().find(|key| section.has(key)) {
        if section.has("token") {
            section.fault("token", &format!("stands beside '{rotating}'"), "keep token, or what token rotation needs");
            return None;
        }
        // The connection reads the others, and says what is wrong with them.
        return section.text("client_id").map(|client_id| Credential::Rotating { client_id });
    }
    let token = section.required_secret("token")?;
    if !token.expose().iter().all(u8::is_ascii_graphic) {
        section.fault("token", "holds characters that no token has", "copy the bot token anew");
        return None;
    }
    if token.expose().starts_with(b"xoxe.") {
        let fix = "set refresh_token, client_id and client_secret instead";
        section.warn("token", "expires after 12 hours, because the app has token rotation", fix);
    }
    Some(Credential::Token(token))
}

impl Slack {
    fn answer<'a>(&self, job: &'a Job<'a>, reply: &'a HttpReply, again: Again) -> Answer<'a> {
        let secrets = match &self.way {
            // "services" is no secret and stays readable.
            Way::Webhook(url) => base::secrets_of(url, &["services"]),
            Way::Api { credential: Credential::Token(token), .. } => {
                token.expose_str().map(str::to_owned).into_iter().collect()
            }
            // The way out takes them from what Slack answers.
            Way::Api { credential: Credential::Rotating { .. }, .. } => Vec::new(),
        };
        Answer { attempt: job.into(), who: NAME, reply, secrets, again }
    }
}

/// Shows how, but neither the URL nor the token: both are credentials.
impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Way::Webhook(_) => f.write_str("Slack by webhook"),
            Way::Api { channel, .. } => write!(f, "Slack by token to {channel}"),
        }
    }
}

fn bearer(token: &Secret) -> Secret {
    Secret::new([b"Bearer ", token.expose()].concat())
}

/// Slack takes one message a second and channel, and short bursts.
const PACE: Pace = Pace { concurrency: 1, burst: 3, interval: Duration::from_secs(1) };
const NAME: &str = "Slack";

#[cfg(test)]
mod tests;
