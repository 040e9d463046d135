//! Microsoft Teams: a workflow that posts cards into a channel or a chat, by its webhook URL.
//!
//! Each change of an incident is a message of its own: what was posted cannot be edited. Teams knows no idempotency, and
//! its 202 says no more than that the workflow was started: the workflow can fail afterwards, and the sender never
//! learns of it. Therefore a message is built so that the workflow cannot fail by it: see [`card`] and [`size`].

mod card;
pub(super) mod errors;
mod markup;
mod reply;
mod size;

use url::Url;

use super::append_only::{AppendOnly, Chat};
use super::classify::Answer;
use super::hook::{Form, Verdict};
use super::uncertain::OnUncertain;
use super::{Build, Carrier, HttpRequest, Kind, Method, Notifier, base};
use crate::domain::{Job, Telling};
use crate::settings::Section;

/// The `teams` destination.
pub const KIND: Kind = Kind {
    name: "teams",
    title: "Microsoft Teams",
    build: Build::Notifier(|section| Some(Box::new(read(section)?) as Box<dyn Notifier>)),
    carrier: Carrier::Http,
    schema: r##"{
  "webhook_url": {"$ref": "#/$defs/secret", "description": "The URL of a workflow that begins with a Teams webhook request"},
  "url": {"type": "string", "description": "Another scheme, host and port for it", "format": "uri"},
  "api_url": {"type": "string", "description": "The same as url", "format": "uri"},
  "on_uncertain": {"enum": ["repeat", "drop"], "description": "What to do with a message that may have arrived"}
}"##,
    required: &["webhook_url"],
    template: r#"webhook_url = { env = "TEAMS_WEBHOOK_URL" }   # of a workflow "Send webhook alerts to a channel", whole
# on_uncertain = "repeat"                   # or "drop": when a message may have arrived, which Teams never tells
"#,
    examples: &[],
};

/// What is its own.
struct Teams;

fn read(section: &Section) -> Option<AppendOnly<Teams>> {
    let on_uncertain = OnUncertain::read(section);
    let url = base::webhook(section)?;
    let host = url.host_str().unwrap_or_default();
    let is_of =
        |domains: &[&str]| domains.iter().any(|domain| host == *domain || host.ends_with(&format!(".{domain}")));
    if is_of(&["webhook.office.com", "outlook.office.com"]) {
        let fix = "make a workflow \"Send webhook alerts to a channel\" in Teams, and set its URL";
        section.fault("webhook_url", "is that of an Office 365 connector, which Microsoft has retired", fix);
        return None;
    }
    let is_signed = url.query_pairs().any(|(name, value)| name == "sig" && !value.is_empty());
    if is_of(&["logic.azure.com", "api.powerplatform.com"]) && !is_signed {
        let fix = "set \"Who can trigger the flow\" to Anyone, and copy the whole URL, up to its end";
        section.fault("webhook_url", "has no signature (sig=…)", fix);
        return None;
    }
    Some(AppendOnly::new(url, on_uncertain?))
}

impl Chat for Teams {
    const KIND: &'static str = KIND.name;
    const NAME: &'static str = "Teams";
    const WORDS: &'static [&'static str] =
        &["automations", "direct", "invoke", "manual", "paths", "powerautomate", "triggers", "workflows"];

    fn request(url: &Url, job: &Job<'_>, telling: &Telling<'_>, form: Form) -> HttpRequest {
        HttpRequest::json(Method::Post, url.clone(), card::message(job, telling, form))
    }

    fn verdict(answer: &Answer<'_>) -> Verdict {
        reply::verdict(answer)
    }
}

#[cfg(test)]
mod tests;
