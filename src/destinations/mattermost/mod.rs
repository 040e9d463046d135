//! Mattermost: messages in a channel, by an incoming webhook.
//!
//! The webhook answers `ok` and no id, so nothing can be edited or looked for: each change of an incident is a message of
//! its own, and after doubt `on_uncertain` decides.

pub(super) mod errors;
mod markup;
mod message;
mod reply;

use url::Url;

use super::append_only::{AppendOnly, Chat};
use super::classify::Answer;
use super::hook::{Form, Verdict};
use super::uncertain::OnUncertain;
use super::{Build, Carrier, HttpRequest, Kind, Notifier, base};
use crate::domain::{Job, Telling};
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

/// What is its own.
struct Mattermost;

fn read(section: &Section) -> Option<AppendOnly<Mattermost>> {
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
    Some(AppendOnly::new(url, on_uncertain?))
}

impl Chat for Mattermost {
    const KIND: &'static str = KIND.name;
    const NAME: &'static str = "Mattermost";
    const WORDS: &'static [&'static str] = &["hooks"];

    fn request(url: &Url, job: &Job<'_>, telling: &Telling<'_>, form: Form) -> HttpRequest {
        HttpRequest::post_json(url.clone(), &message::message(job, telling, form))
    }

    fn verdict(answer: &Answer<'_>) -> Verdict {
        reply::verdict(answer)
    }
}

#[cfg(test)]
mod tests;
