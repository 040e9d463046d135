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

use std::fmt;
use std::time::Duration;

use url::Url;

use super::classify::{self, Answer};
use super::hook::{self, Form, Hook, Verdict};
use super::uncertain::OnUncertain;
use super::{Build, Carrier, HttpRequest, Kind, Method, Next, Notifier, Pace, Reply, Step, base, fingerprint};
use crate::domain::{Job, NotifierClass, Operation, Telling};
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

struct Teams {
    url: Url,
    on_uncertain: OnUncertain,
}

fn read(section: &Section) -> Option<Teams> {
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
    Some(Teams { url, on_uncertain: on_uncertain? })
}

impl Notifier for Teams {
    fn class(&self) -> NotifierClass {
        NotifierClass::AppendOnly
    }

    fn fingerprint(&self) -> [u8; 16] {
        fingerprint::of(&[b"teams", self.url.as_str().as_bytes()])
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

impl Hook for Teams {
    const NAME: &'static str = "Teams";

    fn on_uncertain(&self) -> OnUncertain {
        self.on_uncertain
    }

    fn request(&self, job: &Job<'_>, telling: &Telling<'_>, form: Form) -> HttpRequest {
        HttpRequest::json(Method::Post, self.url.clone(), card::message(job, telling, form))
    }

    fn verdict(&self, answer: &Answer<'_>) -> Verdict {
        reply::verdict(answer)
    }

    /// The signature, and what names the workflow.
    fn secrets(&self) -> Vec<String> {
        base::secrets_of(&self.url, WORDS)
    }
}

/// Shows nothing of the URL, which is a credential.
impl fmt::Debug for Teams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Teams by workflow")
    }
}

/// Parts of every workflow's URL, which are no secrets.
const WORDS: &[&str] =
    &["automations", "direct", "invoke", "manual", "paths", "powerautomate", "triggers", "workflows"];

/// A message a second: connectors of Power Automate take some hundreds a minute, and people can follow no more.
const PACE: Pace = Pace { concurrency: 1, burst: 3, interval: Duration::from_secs(1) };

#[cfg(test)]
mod tests;
