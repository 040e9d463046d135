//! Mattermost: messages in a channel, by an incoming webhook.
//!
//! The webhook answers `ok` and no id, so nothing can be edited or looked for: each change of an incident is a message of
//! its own, and after doubt `on_uncertain` decides.

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
use crate::domain::{Job, NotifierClass, Operation, Telling};
use crate::settings::Section;

/// The `mattermost` destination.
pub const KIND: Kind = Kind {
    name: "mattermost",
    title: "Mattermost",
    build: Build::Notifier(|section| Some(Box::new(read(section)?) as Box<dyn Notifier>)),
    carrier: Carrier::Http,
    schema: r##"{
  "webhook_url": {"$ref": "#/$defs/secret", "description": "The URL of an incoming webhook"},
  "url": {"type": "string", "description": "Another scheme, host and port for it", "format": "uri"},
  "api_url": {"type": "string", "description": "The same as url", "format": "uri"},
  "on_uncertain": {"enum": ["repeat", "drop"], "description": "What to do with a message that may have arrived"}
}"##,
    required: &["webhook_url"],
    template: r#"webhook_url = { env = "MATTERMOST_WEBHOOK_URL" }  # of an incoming webhook: https://HOST/hooks/ID
# on_uncertain = "repeat"                   # or "drop": when a message may have arrived, which Mattermost never tells
"#,
    examples: &[],
};

struct Mattermost {
    url: Url,
    on_uncertain: OnUncertain,
}

fn read(section: &Section) -> Option<Mattermost> {
    let on_uncertain = OnUncertain::read(section);
    let url = base::webhook(section)?;
    // Mattermost may be served below a path of its host.
    let mut parts = url.path_segments().into_iter().flatten().filter(|part| !part.is_empty()).rev();
    let (id, hooks) = (parts.next(), parts.next());
    if id.is_none() || hooks != Some("hooks") {
        let fix = "copy it from Integrations > Incoming Webhooks: https://HOST/hooks/ID";
        section.fault("webhook_url", "is not that of an incoming webhook", fix);
        return None;
    }
    Some(Mattermost { url, on_uncertain: on_uncertain? })
}

impl Notifier for Mattermost {
    fn class(&self) -> NotifierClass {
        NotifierClass::AppendOnly
    }

    fn fingerprint(&self) -> [u8; 16] {
        fingerprint::of(&[b"mattermost", self.url.as_str().as_bytes()])
    }

    fn pace(&self) -> Pace {
        PACE
    }

    fn first(&self, job: &Job<'_>, telling: &Telling<'_>) -> Next {
        match telling.intent.operation {
            Operation::Create { .. } | Operation::Reply { .. } => hook::first(self, job, telling),
            other => Next::Done(classify::not_supported(Self::NAME, other)),
        }
    }

    fn next(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next {
        hook::next(self, job, telling, step, reply)
    }
}

impl Hook for Mattermost {
    const NAME: &'static str = "Mattermost";

    fn on_uncertain(&self) -> OnUncertain {
        self.on_uncertain
    }

    fn request(&self, job: &Job<'_>, telling: &Telling<'_>, form: Form) -> HttpRequest {
        HttpRequest::post_json(self.url.clone(), &message::message(job, telling, form))
    }

    fn verdict(&self, answer: &Answer<'_>) -> Verdict {
        reply::verdict(answer)
    }

    fn secrets(&self) -> Vec<String> {
        base::secrets_of(&self.url, &["hooks"])
    }
}

/// Shows nothing of the URL, which is a credential.
impl fmt::Debug for Mattermost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mattermost by webhook")
    }
}

/// A message a second: more than that no person can follow. Mattermost itself takes ten requests a second.
const PACE: Pace = Pace { concurrency: 1, burst: 3, interval: Duration::from_secs(1) };

#[cfg(test)]
mod tests;
