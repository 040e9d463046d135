//! A stand-in of Mattermost: one incoming webhook of one channel.
//!
//! It answers with the ids of Mattermost's own errors, rewrites texts as Mattermost does for the sake of senders that were
//! written for Slack, and knows which texts would ring phones. Where Mattermost would cut a text into several messages, it
//! refuses it.

use std::time::Duration;

use serde_json::{Value, json};

use super::rate::{Limiter, Rate};
use super::shape::{self, Field, elements_of, may, text_of};
use super::terminal::{Card, Line, Tone};
use super::wire::{Answer, Arrived};
use super::{Service, StandIn};
use crate::domain::Timestamp;

/// The path of the webhook. The last part is its secret.
const PATH: &str = "/hooks/standinhookstandinhook0001";

/// Starts a stand-in on a free port of 127.0.0.1.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub async fn start() -> std::io::Result<StandIn<Mattermost>> {
    StandIn::start(Mattermost { messages: Vec::new(), posting: Limiter::new(POSTING) }, 0).await
}

impl StandIn<Mattermost> {
    /// The URL of the webhook.
    pub fn webhook_url(&self) -> String {
        format!("{}{PATH}", self.base_url())
    }

    /// The messages of the channel, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.shared.service().messages.clone()
    }

    /// Takes this many messages instead of the rate of the real service.
    pub fn limit_rate(&self, posting: Rate) {
        self.shared.service().posting = Limiter::new(posting);
    }
}

/// A message in the channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its text and its attachments, as Mattermost stores them.
    pub document: Value,
    /// When it came.
    pub received_at: Timestamp,
}

impl Message {
    /// What people read.
    pub fn text(&self) -> String {
        self.lines().into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n")
    }

    /// Mentions outside of code spans, which ring phones. A backslash does not hold them off.
    pub fn pings(&self) -> Vec<String> {
        self.markdown().iter().flat_map(|text| pings(text)).collect()
    }

    /// The texts that are Markdown.
    fn markdown(&self) -> Vec<&str> {
        let attachments = elements_of(&self.document, "attachments").iter();
        let attached = attachments.flat_map(|attachment| {
            let fields = elements_of(attachment, "fields").iter().map(|field| text_of(field, "value"));
            [text_of(attachment, "pretext"), text_of(attachment, "text")].into_iter().chain(fields)
        });
        [text_of(&self.document, "text")].into_iter().chain(attached).collect()
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines = vec![Line::new(Tone::Strong, plain(text_of(&self.document, "text")))];
        for attachment in elements_of(&self.document, "attachments") {
            lines.extend(plain(text_of(attachment, "text")).lines().map(|line| Line::normal(line.trim_end())));
            for field in elements_of(attachment, "fields") {
                lines.push(Line::normal(format!("{}: {}", text_of(field, "title"), plain(text_of(field, "value")))));
            }
            lines.push(Line::new(Tone::Faint, text_of(attachment, "footer")));
        }
        lines
    }
}

/// The state of the stand-in.
#[derive(Debug)]
pub struct Mattermost {
    messages: Vec<Message>,
    posting: Limiter,
}

impl Mattermost {
    fn post(&mut self, request: &Arrived) -> Answer {
        let document = match request.media_type().as_str() {
            "application/json" => request.json(),
            _ => None,
        };
        let Some(document) = document else { return error(400, PARSE, "Unable to parse incoming data.") };
        if let Err(fault) = shape::object(&document, MESSAGE) {
            return error(400, PARSE, &format!("{} {}", fault.at, fault.why));
        }
        let attachments = elements_of(&document, "attachments");
        if text_of(&document, "text").is_empty() && attachments.is_empty() {
            return error(400, "web.incoming_webhook.text.app_error", "No text specified.");
        }
        if Value::from(attachments.to_vec()).to_string().chars().count() > ATTACHMENTS_CHARS_MAX {
            let id = "web.incoming_webhook.split_props_length.app_error";
            return error(400, id, "Unable to split webhook props into 7600 character parts.");
        }
        if let Err(wait) = self.posting.admit("", request.received_at) {
            return self.throttle(request, Some(wait));
        }
        self.messages.push(Message { document: rewritten(&document), received_at: request.received_at });
        Answer::text(200, "ok")
    }
}

impl Service for Mattermost {
    const NAME: &'static str = "Mattermost";

    fn answer(&mut self, request: &Arrived) -> Answer {
        match (request.path.as_str(), request.method.as_str()) {
            (PATH, "POST") => self.post(request),
            (path, "POST") if path.starts_with("/hooks/") => self.refuse_credentials(request),
            _ => error(404, "api.context.404.app_error", "Sorry, we could not find the page."),
        }
    }

    fn refuse_credentials(&self, _request: &Arrived) -> Answer {
        error(400, "web.incoming_webhook.invalid.app_error", "Invalid webhook.")
    }

    fn throttle(&self, _request: &Arrived, retry_after: Option<Duration>) -> Answer {
        Answer::text(429, "limit exceeded").retry_after(retry_after)
    }

    fn effects(&self) -> usize {
        self.messages.len()
    }

    fn mentions(&self, text: &str) -> usize {
        self.messages.iter().filter(|message| message.text().contains(text)).count()
    }

    fn cards(&self) -> Vec<Card> {
        let card = |message: &Message| Card {
            heading: format!("Mattermost ~soc-alerts · {}", message.received_at.to_human()),
            lines: message.lines(),
        };
        self.messages.iter().map(card).collect()
    }
}

fn error(status: u16, id: &str, message: &str) -> Answer {
    let body = json!({ "id": id, "message": message, "detailed_error": "", "request_id": "x", "status_code": status });
    Answer::json(status, &body)
}

/// What Mattermost makes of Slack's own marks, wherever they stand: `<!channel>` becomes a mention.
fn rewritten(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let announcements = [("<!channel>", " @channel "), ("<!here>", " @here "), ("<!all>", " @all ")];
            announcements.iter().fold(text.clone(), |text, (mark, mention)| text.replace(mark, mention)).into()
        }
        Value::Array(elements) => elements.iter().map(rewritten).collect(),
        Value::Object(object) => {
            Value::Object(object.iter().map(|(key, value)| (key.clone(), rewritten(value))).collect())
        }
        other => other.clone(),
    }
}

/// The words outside of code spans that begin with an at sign, as Mattermost looks for mentions: backslashes do not count.
fn pings(markdown: &str) -> Vec<String> {
    let text = read(markdown, false);
    let words = text.split(|c: char| !(c.is_alphanumeric() || "@._-".contains(c)));
    words.filter(|word| word.starts_with('@') && word.len() > 1).map(str::to_owned).collect()
}

/// A text as people read it.
fn plain(markdown: &str) -> String {
    read(markdown, true)
}

/// A text without its marks, with or without what is in code spans. Within one a backslash is a backslash.
fn read(markdown: &str, with_code: bool) -> String {
    let (mut text, mut rest, mut is_code) = (String::new(), markdown.chars(), false);
    while let Some(c) = rest.next() {
        match (c, is_code) {
            ('`', _) => is_code = !is_code,
            ('\\', false) => text.extend(rest.next()),
            ('*', false) => {}
            (_, true) if !with_code => {}
            _ => text.push(c),
        }
    }
    text
}

const MESSAGE: &[Field] = &[
    may("text", |value| shape::text(value, 0, 16_383)),
    may("attachments", |value| shape::list(value, 0, 20, |value| shape::object(value, ATTACHMENT))),
];

const ATTACHMENT: &[Field] = &[
    may("fallback", shape::any_text),
    may("color", shape::any_text),
    may("pretext", shape::any_text),
    may("text", shape::any_text),
    may("footer", |value| shape::text(value, 0, 300)),
    may("fields", |value| shape::list(value, 0, 20, |value| shape::object(value, FIELD))),
];

const FIELD: &[Field] = &[may("title", shape::any_text), may("value", shape::any_text), may("short", shape::boolean)];

const PARSE: &str = "web.incoming_webhook.parse.app_error";

/// What servers before 5.0 take.
const ATTACHMENTS_CHARS_MAX: usize = 7_600;

/// What a server takes by default.
const POSTING: Rate = Rate::new(10, Duration::from_secs(1));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standins::tests::client;
    use crate::standins::{Fault, Style};

    async fn post(url: &str, body: String) -> (u16, String) {
        let answer = client().post(url).header("content-type", "application/json").body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    #[tokio::test]
    async fn it_takes_a_message_and_refuses_by_mattermosts_ids() {
        let mattermost = start().await.unwrap();
        let url = mattermost.webhook_url();
        for (url, body, status, said) in [
            (&url.replace("standin", "another"), json!({ "text": "x" }).to_string(), 400, "webhook.invalid"),
            (&url, "no JSON".to_owned(), 400, "webhook.parse"),
            (&url, json!({ "text": "x", "channels": "y" }).to_string(), 400, "webhook.parse"),
            (&url, json!({ "text": "x".repeat(16_384) }).to_string(), 400, "webhook.parse"),
            (&url, json!({ "text": "" }).to_string(), 400, "webhook.text"),
            (&url, json!({ "attachments": [{ "text": "x".repeat(7_600) }] }).to_string(), 400, "split_props_length"),
            (&mattermost.base_url().to_owned(), json!({ "text": "x" }).to_string(), 404, "404"),
        ] {
            let (found, body) = post(url, body).await;
            assert!(found == status && body.contains(said), "{found} {body}");
        }
        let message = json!({ "text": r"\*x\* `@here`", "attachments": [{ "text": "y", "footer": "z" }] });
        assert_eq!(post(&url, message.to_string()).await, (200, "ok".to_owned()));
        let first = mattermost.messages().remove(0);
        assert_eq!((first.text().as_str(), first.pings().len()), ("*x* @here\ny\nz", 0));
        assert!(mattermost.render_terminal(Style::Plain).contains("Mattermost ~soc-alerts"));
        for text in [r"\@channel", "<!all>", "a (@ann)"] {
            post(&url, json!({ "attachments": [{ "fields": [{ "value": text }] }] }).to_string()).await;
            assert_eq!(mattermost.messages().last().unwrap().pings().len(), 1, "{text}");
        }
        mattermost.script([Fault::Unauthorized, Fault::Status429 { retry_after: Some(Duration::from_secs(3)) }]);
        assert_eq!(post(&url, message.to_string()).await.0, 400);
        assert_eq!(post(&url, message.to_string()).await.0, 429);
    }
}
