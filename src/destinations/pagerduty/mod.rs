//! PagerDuty, Events API v2: what wakes a person.
//!
//! `dedup_key` makes every request safe to repeat: PagerDuty folds events of one key and one routing key into the open
//! alert, and acknowledging or resolving it twice changes nothing. A 202 means that PagerDuty has the event, not that a person
//! was reached. [`page`] tells incidents.

pub(super) mod errors;
mod page;
mod reply;

use std::time::Duration;

use url::Url;

use super::classify::{self, Again, Answer};
use super::{Build, Carrier, HttpReply, HttpRequest, Kind, Message, Method, Next, Notifier, Pace, Reply, Step, base};
use crate::domain::{Job, Outcome, Reference, Secret, Severity};
use crate::settings::Section;

/// The `pagerduty` destination.
pub const KIND: Kind = Kind {
    name: "pagerduty",
    title: "PagerDuty",
    build: Build::Notifier(|section| Some(Box::new(read(section)?) as Box<dyn Notifier>)),
    carrier: Carrier::Http,
    schema: r##"{
  "routing_key": {"$ref": "#/$defs/secret", "description": "The integration key of a service"},
  "url": {"type": "string", "description": "Another base, such as https://events.eu.pagerduty.com", "format": "uri"},
  "api_url": {"type": "string", "description": "The same as url", "format": "uri"}
}"##,
    required: &["routing_key"],
    template: r#"routing_key = { env = "PAGERDUTY_ROUTING_KEY" }   # the integration key of an "Events API v2" integration
# url = "https://events.eu.pagerduty.com"         # the EU service region; default https://events.pagerduty.com
"#,
    examples: &[],
};

#[derive(Debug)]
struct PagerDuty {
    endpoint: Url,
    routing_key: Secret,
}

fn read(section: &Section) -> Option<PagerDuty> {
    let base = base::setting(section, Some("https://events.pagerduty.com"));
    let routing_key = section.required_secret("routing_key")?;
    if routing_key.len() != ROUTING_KEY_CHARS || !routing_key.expose().iter().all(u8::is_ascii_alphanumeric) {
        let fix = "copy the integration key of an \"Events API v2\" integration";
        section.fault("routing_key", "is not a routing key of 32 letters and digits", fix);
        return None;
    }
    Some(PagerDuty { endpoint: base::join(&base?, "/v2/enqueue"), routing_key })
}

impl PagerDuty {
    fn send(&self, step: Step, event: String) -> Next {
        Next::Send(step, Message::Http(HttpRequest::json(Method::Post, self.endpoint.clone(), event)))
    }

    /// The outcome; `taken` is what the store keeps of an event that PagerDuty has.
    fn done(&self, job: &Job<'_>, reply: &Reply, taken: impl FnOnce(&HttpReply) -> Option<Reference>) -> Next {
        // Harmless again because of dedup_key, but what is unknown stays unknown on the operator's screen.
        let reply = match classify::http(job, NAME, Again::Doubled, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        let secrets = vec![String::from_utf8_lossy(self.routing_key.expose()).into_owned()];
        let refusal =
            reply::refusal(&Answer { attempt: job.into(), who: NAME, reply, secrets, again: Again::Harmless });
        Next::Done(refusal.unwrap_or_else(|| Outcome::Delivered { remote: taken(reply) }))
    }
}

/// PagerDuty takes about 120 events a minute and key; 100 and a burst of 20 stay below it.
const PACE: Pace = Pace { concurrency: 4, burst: 20, interval: Duration::from_millis(600) };

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational | Severity::Low => "info",
        Severity::Medium | Severity::Unknown | Severity::Other => "warning",
        Severity::High => "error",
        Severity::Critical | Severity::Fatal => "critical",
    }
}

const NAME: &str = "PagerDuty";
const ROUTING_KEY_CHARS: usize = 32;
const SUMMARY_CHARS_MAX: usize = 1024;
const SHORT_CHARS_MAX: usize = 255;
/// 512 KB for the whole request; a kilobyte counts as 1,000 bytes until PagerDuty says otherwise.
const REQUEST_BYTES_MAX: usize = 512_000;

#[cfg(test)]
mod tests;
