//! Slack: a message in a channel, by incoming webhook or by bot token.
//!
//! A webhook knows no idempotency of any kind: after an unknown outcome the message is sent again and says that it may
//! be a repeat, or is given up as a dead letter where `on_uncertain = "drop"`. With a bot token the message carries
//! the delivery's id as metadata, and the channel's history is searched for it before anything is sent again; this needs
//! the scope `channels:history` (`groups:history` in private channels) and the channel's id instead of its name.

mod blocks;
pub(super) mod errors;
mod reply;

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use self::reply::{Found, Verdict};
use super::classify::{self, Again, Answer};
use super::render::Summary;
use super::{Destination, HttpReply, HttpRequest, Kind, Message, Next, Pace, Reply, Step, base};
use crate::domain::{Job, Outcome, Reference, Repeat, Secret};
use crate::settings::Section;

/// The `slack` destination.
pub const KIND: Kind = Kind {
    name: "slack",
    title: "Slack",
    build,
    notifier: None,
    template: r#"webhook_url = { env = "SLACK_WEBHOOK_URL" }   # or a bot token, which can look for a message before repeating it:
# token = { env = "SLACK_TOKEN" }           # scopes chat:write and channels:history
# channel = "C0123456789"                   # the channel's id, from its "About" page
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
        token: Secret,
        channel: String,
    },
}

/// What to do with a message that may have arrived when Slack cannot tell.
#[derive(Clone, Copy, Debug)]
enum OnUncertain {
    Repeat,
    Drop,
}

fn build(section: &Section) -> Option<Box<dyn Destination>> {
    let words = [("repeat", OnUncertain::Repeat), ("drop", OnUncertain::Drop)];
    let on_uncertain =
        if section.has("on_uncertain") { section.choice("on_uncertain", &words) } else { Some(OnUncertain::Repeat) };
    let by_token = section.has("token") || section.has("channel");
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
        (true, false) => webhook(section),
    };
    Some(Box::new(Slack { way: way?, on_uncertain: on_uncertain? }))
}

/// The webhook's URL; a base that is set beside it, such as a test server's, takes the place of Slack's own host.
fn webhook(section: &Section) -> Option<Way> {
    let has_base = section.has("url") || section.has("api_url");
    let secret = section.secret("webhook_url")?;
    let url = section.checked_url("webhook_url", secret.expose_str().unwrap_or_default())?;
    if !has_base {
        return Some(Way::Webhook(url));
    }
    Some(Way::Webhook(base::join(&base::setting(section, None)?, url.path())))
}

fn api(section: &Section) -> Option<Way> {
    let base = base::setting(section, Some("https://slack.com/api"));
    let token = section.required_secret("token");
    let channel = section.required_text("channel");
    let (token, channel) = (token?, channel?);
    if !token.expose().iter().all(u8::is_ascii_graphic) {
        section.fault("token", "holds characters that no token has", "copy the bot token anew");
        return None;
    }
    let is_id = channel.len() >= 9 && channel.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    if !is_id {
        let fix = "set the channel's id (C…), or repeats cannot be prevented";
        section.warn("channel", "is a name, and Slack shows the history of ids only", fix);
    }
    Some(Way::Api { base: base?, token, channel })
}

impl Destination for Slack {
    /// Slack takes one message a second and channel, and short bursts.
    fn pace(&self) -> Pace {
        Pace { concurrency: 1, burst: 3, interval: Duration::from_secs(1) }
    }

    fn first(&self, job: &Job<'_>) -> Next {
        match &self.way {
            _ if !classify::in_doubt(job) => self.post(job, POST),
            Way::Webhook(_) => self.uncertain(job),
            Way::Api { .. } => self.look(job, HISTORY[0], None),
        }
    }

    fn next(&self, job: &Job<'_>, step: Step, reply: &Reply) -> Next {
        match HISTORY.iter().position(|history| *history == step) {
            Some(page) => self.looked(job, page, reply),
            None => self.posted(job, step, reply),
        }
    }
}

impl Slack {
    fn post(&self, job: &Job<'_>, step: Step) -> Next {
        let mut summary = Summary::of(job);
        if step.starts_with(REPEAT) {
            summary = summary.possible_repeat();
        }
        let mut message = json!({
            "text": blocks::text(&summary),
            "mrkdwn": false,
            "unfurl_links": false,
            "unfurl_media": false,
            "link_names": false,
        });
        if !step.ends_with(WITHOUT_BLOCKS) {
            message["blocks"] = Value::Array(blocks::blocks(&summary));
        }
        Next::Send(step, Message::Http(self.request(job, message)))
    }

    fn request(&self, job: &Job<'_>, mut message: Value) -> HttpRequest {
        match &self.way {
            Way::Webhook(url) => HttpRequest::post_json(url.clone(), &message),
            Way::Api { base, token, channel } => {
                message["channel"] = json!(channel);
                message["parse"] = json!("none");
                let payload = json!({ "delivery": job.id, "event": job.event.id });
                message["metadata"] = json!({ "event_type": METADATA_TYPE, "event_payload": payload });
                let url = base::join(base, "/chat.postMessage");
                HttpRequest::post_json(url, &message).header("Authorization", bearer(token))
            }
        }
    }

    fn posted(&self, job: &Job<'_>, step: Step, reply: &Reply) -> Next {
        let reply = match classify::http(job, NAME, Again::Doubled, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(self.bounded(job, step, outcome)),
        };
        let answer = self.answer(job, reply, Again::Doubled);
        let verdict = match &self.way {
            Way::Webhook(_) => reply::webhook(&answer),
            Way::Api { .. } => reply::api(&answer),
        };
        match (verdict, step) {
            (Verdict::WithoutBlocks(_), POST) => self.post(job, POST_PLAIN),
            (Verdict::WithoutBlocks(_), REPEAT) => self.post(job, REPEAT_PLAIN),
            (Verdict::WithoutBlocks(outcome) | Verdict::Done(outcome), _) => {
                Next::Done(self.bounded(job, step, outcome))
            }
        }
    }

    /// Bounds the repeats of a message that may have arrived each time, where Slack cannot be asked: something between
    /// may deliver everything and answer 502, and the next repeat would do no better.
    fn bounded(&self, job: &Job<'_>, step: Step, outcome: Outcome) -> Outcome {
        let is_blind = matches!(self.way, Way::Webhook(_)) || step.starts_with(REPEAT);
        match outcome {
            Outcome::Unknown { reason, scope, mut progress, .. } if is_blind => {
                let sent = job.progress.0[SENT].as_u64().unwrap_or(0).saturating_add(1);
                progress.0[SENT] = json!(sent);
                let pause = usize::try_from(sent - 1).ok().and_then(|sent| BLIND_PAUSES.get(sent));
                let (repeat, reason) = match pause {
                    Some(pause) => (Repeat::After(*pause), reason),
                    None => {
                        (Repeat::Never, format!("{reason}. It may have arrived each of {sent} times. {SENT_ENOUGH}"))
                    }
                };
                Outcome::Unknown { reason, scope, repeat, progress }
            }
            other => other,
        }
    }

    /// Asks for a page of the channel's history since the doubt began.
    fn look(&self, job: &Job<'_>, step: Step, cursor: Option<&str>) -> Next {
        let Way::Api { base, token, channel } = &self.way else { return self.uncertain(job) };
        // The event may have come while the clock was ahead.
        let received_at = job.event.received_at.min(job.now);
        let since = classify::in_doubt_since(job).unwrap_or(received_at.as_millis());
        let oldest = (since / 1000 - HISTORY_MARGIN_SECONDS).max(0);
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("channel", channel)
            .append_pair("oldest", &oldest.to_string())
            .append_pair("include_all_metadata", "true")
            .append_pair("limit", HISTORY_PAGE);
        if let Some(cursor) = cursor {
            form.append_pair("cursor", cursor);
        }
        let request = HttpRequest {
            method: "POST",
            url: base::join(base, "/conversations.history"),
            headers: vec![("Authorization".into(), bearer(token))],
            content_type: "application/x-www-form-urlencoded",
            body: form.finish().into(),
        };
        Next::Send(step, Message::Http(request))
    }

    fn looked(&self, job: &Job<'_>, page: usize, reply: &Reply) -> Next {
        let reply = match classify::http(job, NAME, Again::Harmless, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        match reply::history(&self.answer(job, reply, Again::Harmless), job.id) {
            Found::Yes(ts) => Next::Done(Outcome::Delivered { remote: ts.and_then(|ts| self.remote(&ts)) }),
            Found::No => self.post(job, POST),
            Found::NotYet(cursor) => match HISTORY.get(page + 1) {
                Some(step) => self.look(job, step, Some(&cursor)),
                None => self.uncertain(job),
            },
            Found::CannotTell => self.uncertain(job),
            Found::Later(outcome) => Next::Done(outcome),
        }
    }

    /// An earlier message may have arrived, and that cannot be found out.
    fn uncertain(&self, job: &Job<'_>) -> Next {
        match self.on_uncertain {
            OnUncertain::Repeat => self.post(job, REPEAT),
            OnUncertain::Drop => Next::Done(Outcome::Refused { reason: DROPPED.to_owned() }),
        }
    }

    fn remote(&self, ts: &str) -> Option<Reference> {
        match &self.way {
            Way::Webhook(_) => None,
            Way::Api { channel, .. } => Some(reply::remote(channel, ts)),
        }
    }

    fn answer<'a>(&self, job: &'a Job<'a>, reply: &'a HttpReply, again: Again) -> Answer<'a> {
        let secrets = match &self.way {
            Way::Webhook(url) => {
                let parts = url.path_segments().into_iter().flatten().map(str::to_owned);
                // "services" is no secret and stays readable.
                parts.filter(|part| part != "services").collect()
            }
            Way::Api { token, .. } => token.expose_str().map(str::to_owned).into_iter().collect(),
        };
        Answer { job, who: NAME, reply, secrets, again }
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

const NAME: &str = "Slack";
const METADATA_TYPE: &str = "gatepost_delivery";

const POST: Step = "post";
const POST_PLAIN: Step = "post-without-blocks";
const REPEAT: Step = "repeat";
const REPEAT_PLAIN: Step = "repeat-without-blocks";
const WITHOUT_BLOCKS: &str = "-without-blocks";

/// One step a page: a busy channel is searched no deeper than this.
const HISTORY: [Step; 10] = [
    "history-1",
    "history-2",
    "history-3",
    "history-4",
    "history-5",
    "history-6",
    "history-7",
    "history-8",
    "history-9",
    "history-10",
];
/// Messages a page. A message with blocks takes up to some 4 KB, and no more than 64 KiB of a reply are read.
const HISTORY_PAGE: &str = "15";
/// Clocks differ.
const HISTORY_MARGIN_SECONDS: i64 = 300;

/// In the notes: how often a message was sent that may have arrived, without a way to find out.
const SENT: &str = "sent";
/// After each of them, as long as the destination is left alone anyway at first; all of it within the day after which
/// everything is given up.
const BLIND_PAUSES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_secs(10),
    Duration::from_secs(120),
    Duration::from_secs(1800),
    Duration::from_secs(4 * 3600),
    Duration::from_secs(19 * 3600),
];
const SENT_ENOUGH: &str = "It is not sent again: look into the channel, and replay the delivery if it is not there";

const DROPPED: &str = "an earlier message may have arrived and Slack cannot tell; it was not sent again because of \
                       `on_uncertain = \"drop\"`: look into the channel, and replay the delivery if it is not there";

#[cfg(test)]
mod tests;
