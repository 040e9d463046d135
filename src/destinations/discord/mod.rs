//! Discord: one message an incident in a channel, by the channel's webhook, kept up to date by edits.
//!
//! A webhook can edit what it posted and can neither answer a message nor list what it posted. So what is new is a message of its own
//! beside the one that is edited, and after doubt a message cannot be looked for: `on_uncertain` decides. An edit is
//! absolute and is simply sent again.

mod edit;
pub(super) mod errors;
mod markup;
mod message;
mod reply;

use std::fmt;
use std::time::Duration;

use url::Url;

use super::classify::{self, Answer};
use super::hook::{self, Form, Hook, Verdict};
use super::uncertain::OnUncertain;
use super::{Build, Carrier, HttpRequest, Kind, Next, Notifier, Pace, Reply, Step, base, fingerprint};
use crate::domain::{Job, NotifierClass, Operation, Outcome, Telling};
use crate::settings::Section;

/// The `discord` destination.
pub const KIND: Kind = Kind {
    name: "discord",
    title: "Discord",
    build: Build::Notifier(|section| Some(Box::new(read(section)?) as Box<dyn Notifier>)),
    carrier: Carrier::Http,
    schema: r##"{
  "webhook_url": {"$ref": "#/$defs/secret", "description": "The URL of a channel's webhook"},
  "url": {"type": "string", "description": "Another scheme, host and port for it", "format": "uri"},
  "api_url": {"type": "string", "description": "The same as url", "format": "uri"},
  "on_uncertain": {"enum": ["repeat", "drop"], "description": "What to do with a message that may have arrived"}
}"##,
    required: &["webhook_url"],
    template: r#"webhook_url = { env = "DISCORD_WEBHOOK_URL" } # of a channel: Edit Channel > Integrations > Webhooks
# on_uncertain = "repeat"                   # or "drop": when a message may have arrived and Discord cannot tell
"#,
    examples: &[],
};

struct Discord {
    /// `/api/v10/webhooks/ID/TOKEN`, and perhaps the thread to post into.
    url: Url,
    on_uncertain: OnUncertain,
}

fn read(section: &Section) -> Option<Discord> {
    let on_uncertain = OnUncertain::read(section);
    let url = base::webhook(section)?;
    let Some(path) = webhook_path(&url) else {
        let fix = "copy it from the channel: https://discord.com/api/webhooks/ID/TOKEN, with nothing behind it";
        section.fault("webhook_url", "is not that of a Discord webhook", fix);
        return None;
    };
    Some(Discord { url: at(&url, &path), on_uncertain: on_uncertain? })
}

/// The path in the version of the API that this is written for: without one Discord takes its oldest. `None` where it is none,
/// or has the `/slack` or `/github` behind it that makes Discord expect another form.
fn webhook_path(url: &Url) -> Option<String> {
    let parts: Vec<&str> = url.path_segments()?.filter(|part| !part.is_empty()).collect();
    let parts = match parts.as_slice() {
        ["api", version, rest @ ..] if version.starts_with('v') => rest,
        ["api", rest @ ..] => rest,
        _ => return None,
    };
    let [_, id, token] = parts else { return None };
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    (parts.first() == Some(&"webhooks") && is_id).then(|| format!("/api/v10/webhooks/{id}/{token}"))
}

/// The address with another path. A thread that the operator named stays in its query.
fn at(url: &Url, path: &str) -> Url {
    let thread = url.query_pairs().find(|(name, _)| name == THREAD).map(|(_, id)| id.into_owned());
    let mut at = url.clone();
    at.set_path(path);
    at.set_query(None);
    if let Some(thread) = thread {
        at.query_pairs_mut().append_pair(THREAD, &thread);
    }
    at
}

impl Notifier for Discord {
    fn class(&self) -> NotifierClass {
        NotifierClass::EditableChat
    }

    fn fingerprint(&self) -> [u8; 16] {
        fingerprint::of(&[b"discord", self.url.as_str().as_bytes()])
    }

    fn pace(&self) -> Pace {
        PACE
    }

    fn first(&self, job: &Job<'_>, telling: &Telling<'_>) -> Next {
        match telling.intent.operation {
            Operation::Create { .. } | Operation::Reply { .. } => hook::first(self, job, telling),
            Operation::Edit => self.edit(job, telling, edit::EDIT),
            other => Next::Done(classify::not_supported(Self::NAME, other)),
        }
    }

    fn next(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next {
        if step.starts_with(edit::EDIT) {
            return self.edited(job, telling, step, reply);
        }
        let is_reply = matches!(telling.intent.operation, Operation::Reply { .. });
        match hook::next(self, job, telling, step, reply) {
            // What is new stands beside the message that is edited, which stays the one that the reference names.
            Next::Done(Outcome::Delivered { .. }) if is_reply => Next::Done(Outcome::Delivered { remote: None }),
            next => next,
        }
    }
}

impl Hook for Discord {
    const NAME: &'static str = "Discord";

    fn on_uncertain(&self) -> OnUncertain {
        self.on_uncertain
    }

    /// `wait` makes Discord answer with the message, once it is there.
    fn request(&self, job: &Job<'_>, telling: &Telling<'_>, form: Form) -> HttpRequest {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("wait", "true");
        HttpRequest::post_json(url, &message::posted(job, telling, form))
    }

    fn verdict(&self, answer: &Answer<'_>) -> Verdict {
        reply::posted(answer)
    }

    fn secrets(&self) -> Vec<String> {
        base::secrets_of(&self.url, &["api", "v10", "webhooks"])
    }
}

/// Shows nothing of the URL, which is a credential.
impl fmt::Debug for Discord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Discord by webhook")
    }
}

const THREAD: &str = "thread_id";

/// Discord takes 30 messages a minute and channel, and five in two seconds from a webhook.
const PACE: Pace = Pace { concurrency: 1, burst: 4, interval: Duration::from_secs(2) };

#[cfg(test)]
mod tests;
