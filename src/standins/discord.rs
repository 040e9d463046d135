//! A stand-in of Discord: one webhook of one channel, which posts, shows and edits its own messages.
//!
//! It counts characters and embeds as Discord does, wants `allowed_mentions` where a text could mention people, and answers with
//! Discord's numbers. Components, files, polls and threads are unknown here.

use std::time::Duration;

use serde_json::{Value, json};

use super::rate::{Limiter, Rate};
use super::shape::{self, Fault, Field, elements_of, may, must, text_of};
use super::terminal::{Card, Line, Tone};
use super::wire::{Answer, Arrived};
use super::{Service, StandIn};
use crate::domain::Timestamp;

/// The path of the webhook. The last part is its secret.
const PATH: &str = "/webhooks/100000000000000001/standin-webhook-token";

/// Starts a stand-in on a free port of 127.0.0.1.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub async fn start() -> std::io::Result<StandIn<Discord>> {
    StandIn::start(Discord { messages: Vec::new(), posted: 0, posting: Limiter::new(POSTING) }, 0).await
}

impl StandIn<Discord> {
    /// The URL of the webhook, as Discord shows it.
    pub fn webhook_url(&self) -> String {
        format!("{}/api{PATH}", self.base_url())
    }

    /// The messages of the channel, oldest first, as they stand after their edits.
    pub fn messages(&self) -> Vec<Message> {
        self.shared.service().messages.clone()
    }

    /// Takes this many requests instead of the rate of the real service.
    pub fn limit_rate(&self, posting: Rate) {
        self.shared.service().posting = Limiter::new(posting);
    }

    /// Deletes a message as a person does.
    pub fn delete(&self, id: &str) {
        self.shared.service().messages.retain(|message| message.id != id);
    }
}

/// A message in the channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// The text above the embeds.
    pub content: String,
    /// The embeds.
    pub embeds: Vec<Value>,
    /// How often it was edited.
    pub edits: usize,
    /// When it came.
    pub received_at: Timestamp,
}

impl Message {
    /// What people read.
    pub fn text(&self) -> String {
        self.lines().into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n")
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines = vec![Line::new(Tone::Strong, plain(&self.content))];
        for embed in &self.embeds {
            lines.extend(plain(text_of(embed, "description")).lines().map(Line::normal));
            for field in elements_of(embed, "fields") {
                lines.push(Line::normal(format!("{}: {}", text_of(field, "name"), plain(text_of(field, "value")))));
            }
            lines.push(Line::new(Tone::Faint, text_of(&embed["footer"], "text")));
        }
        if self.edits > 0 {
            lines.push(Line::new(Tone::Faint, "(edited)"));
        }
        lines
    }

    fn to_json(&self) -> Value {
        json!({ "id": self.id, "channel_id": CHANNEL, "type": 0, "content": self.content, "embeds": self.embeds,
                "webhook_id": "100000000000000001" })
    }
}

/// The state of the stand-in.
#[derive(Debug)]
pub struct Discord {
    messages: Vec<Message>,
    posted: u64,
    posting: Limiter,
}

impl Discord {
    fn post(&mut self, request: &Arrived) -> Answer {
        let message = match read(request) {
            Ok(message) => message,
            Err(refusal) => return refusal,
        };
        self.posted += 1;
        let message = Message {
            id: (FIRST_ID + self.posted).to_string(),
            content: text_of(&message, "content").to_owned(),
            embeds: elements_of(&message, "embeds").to_vec(),
            edits: 0,
            received_at: request.received_at,
        };
        let waits = request.query.split('&').any(|pair| pair == "wait=true");
        let answer = if waits { Answer::json(200, &message.to_json()) } else { Answer::text(204, "") };
        self.messages.push(message);
        answer
    }

    /// What is left out stays as it was.
    fn edit(&mut self, id: &str, request: &Arrived) -> Answer {
        let edit = match read(request) {
            Ok(edit) => edit,
            Err(refusal) => return refusal,
        };
        let Some(message) = self.messages.iter_mut().find(|message| message.id == id) else {
            return error(404, 10008, "Unknown Message");
        };
        if let Some(content) = edit["content"].as_str() {
            content.clone_into(&mut message.content);
        }
        if let Some(embeds) = edit["embeds"].as_array() {
            message.embeds.clone_from(embeds);
        }
        message.edits += 1;
        Answer::json(200, &message.to_json())
    }
}

impl Service for Discord {
    const NAME: &'static str = "Discord";

    fn answer(&mut self, request: &Arrived) -> Answer {
        let path = request.path.strip_prefix("/api").unwrap_or_default();
        // Without a version it is the oldest one, which is to be retired.
        let Some(path) = path.strip_prefix("/v10") else { return error(404, 0, "404: Not Found") };
        let Some(rest) = path.strip_prefix(PATH) else { return unknown_webhook(path) };
        if let Err(wait) = self.posting.admit("", request.received_at) {
            return self.throttle(request, Some(wait));
        }
        match (request.method.as_str(), rest.strip_prefix("/messages/")) {
            ("POST", None) if rest.is_empty() => self.post(request),
            ("PATCH", Some(id)) => self.edit(id, request),
            (_, None) if !rest.is_empty() => error(404, 0, "404: Not Found"),
            _ => error(405, 0, "405: Method Not Allowed"),
        }
    }

    fn refuse_credentials(&self, _request: &Arrived) -> Answer {
        error(401, 50027, "Invalid Webhook Token")
    }

    /// The wait in seconds with fractions in the body, and in whole ones in the header.
    fn throttle(&self, _request: &Arrived, retry_after: Option<Duration>) -> Answer {
        let seconds = retry_after.unwrap_or(Duration::from_millis(500)).as_secs_f64();
        let body = json!({ "message": "You are being rate limited.", "retry_after": seconds, "global": false });
        Answer::json(429, &body).retry_after(retry_after)
    }

    fn effects(&self) -> usize {
        self.messages.len()
    }

    fn mentions(&self, text: &str) -> usize {
        self.messages.iter().filter(|message| message.text().contains(text)).count()
    }

    fn cards(&self) -> Vec<Card> {
        let card = |message: &Message| Card {
            heading: format!("Discord #soc-alerts · {}", message.received_at.to_human()),
            lines: message.lines(),
        };
        self.messages.iter().map(card).collect()
    }
}

fn unknown_webhook(path: &str) -> Answer {
    match path.strip_prefix("/webhooks/100000000000000001/") {
        Some(_) => error(401, 50027, "Invalid Webhook Token"),
        None => error(404, 10015, "Unknown Webhook"),
    }
}

/// The document of a message or an edit, or why it is refused.
fn read(request: &Arrived) -> Result<Value, Answer> {
    let document = match request.media_type().as_str() {
        "application/json" => request.json(),
        _ => None,
    };
    let document = document.ok_or_else(|| error(400, 50109, "The request body contains invalid JSON."))?;
    let form = |fault: Fault| {
        let body = json!({ "code": 50035, "message": "Invalid Form Body",
                           "errors": { fault.at.clone(): { "_errors": [{ "message": fault.why }] } } });
        Answer::json(400, &body)
    };
    shape::object(&document, MESSAGE).map_err(form)?;
    let total: usize = elements_of(&document, "embeds").iter().map(characters_of).sum();
    if total > EMBEDS_CHARS_MAX {
        return Err(form(Fault::new("Embed size exceeds maximum size of 6000").under("embeds")));
    }
    if text_of(&document, "content").trim().is_empty() && elements_of(&document, "embeds").is_empty() {
        return Err(error(400, 50006, "Cannot send an empty message"));
    }
    Ok(document)
}

fn characters_of(embed: &Value) -> usize {
    let fields = elements_of(embed, "fields");
    let texts = fields.iter().flat_map(|field| [text_of(field, "name"), text_of(field, "value")]);
    let own = [text_of(embed, "title"), text_of(embed, "description"), text_of(&embed["footer"], "text")];
    own.into_iter().chain(texts).map(|text| text.chars().count()).sum()
}

fn error(status: u16, code: u32, message: &str) -> Answer {
    Answer::json(status, &json!({ "message": message, "code": code }))
}

/// A text as people read it. Within a code span a backslash is a backslash.
fn plain(markup: &str) -> String {
    let (mut text, mut rest, mut is_code) = (String::new(), markup.chars(), false);
    while let Some(c) = rest.next() {
        match (c, is_code) {
            ('`', _) => is_code = !is_code,
            ('\\', false) => text.extend(rest.next()),
            ('*', false) => {}
            _ => text.push(c),
        }
    }
    text
}

/// No person may be mentioned by what an alert holds.
fn no_mentions(value: &Value) -> Result<(), Fault> {
    shape::object(value, &[must("parse", |value| shape::list(value, 0, 0, shape::any_text))])
}

fn embed(value: &Value) -> Result<(), Fault> {
    shape::object(value, EMBED)
}

fn color(value: &Value) -> Result<(), Fault> {
    match value.as_u64() {
        Some(color) if color <= 0xff_ff_ff => Ok(()),
        _ => Err(Fault::new("must be a number up to 16777215")),
    }
}

const MESSAGE: &[Field] = &[
    may("content", |value| shape::text(value, 0, 2000)),
    may("embeds", |value| shape::list(value, 0, 10, embed)),
    must("allowed_mentions", no_mentions),
];

const EMBED: &[Field] = &[
    may("title", |value| shape::text(value, 1, 256)),
    may("description", |value| shape::text(value, 1, 4096)),
    may("color", color),
    may("url", shape::url),
    may("footer", |value| shape::object(value, &[must("text", |value| shape::text(value, 1, 2048))])),
    may("fields", |value| shape::list(value, 0, 25, |field| shape::object(field, FIELD))),
];

const FIELD: &[Field] = &[
    must("name", |value| shape::text(value, 1, 256)),
    must("value", |value| shape::text(value, 1, 1024)),
    may("inline", shape::boolean),
];

const CHANNEL: &str = "1100000000000000001";
const FIRST_ID: u64 = 1_200_000_000_000_000_000;
const EMBEDS_CHARS_MAX: usize = 6000;

/// What a channel takes from webhooks.
const POSTING: Rate = Rate::new(30, Duration::from_secs(60));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standins::tests::client;
    use crate::standins::{Fault as Scripted, Style};

    async fn send(method: &str, url: &str, body: &Value) -> (u16, Value) {
        let method = method.parse().unwrap();
        let request = client().request(method, url).header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    fn message(key: &str, value: Value) -> Value {
        let mut message = json!({ "content": "x", "allowed_mentions": { "parse": [] } });
        message[key] = value;
        message
    }

    #[tokio::test]
    async fn it_posts_edits_and_refuses_by_discords_numbers() {
        let discord = start().await.unwrap();
        let hook = discord.webhook_url().replace("/api/", "/api/v10/");
        let embeds = |description: usize, values: usize| {
            let field = json!({ "name": "n", "value": "v".repeat(1000) });
            json!([{ "description": "d".repeat(description), "fields": vec![field; values] }])
        };
        for (url, body, status, code) in [
            (&hook, message("content", json!("x".repeat(2001))), 400, 50035),
            (&hook, message("content", json!(" ")), 400, 50006),
            (&hook, message("embeds", embeds(4097, 0)), 400, 50035),
            (&hook, message("embeds", embeds(2000, 4)), 400, 50035),
            (&hook, message("tts", json!(true)), 400, 50035),
            (&hook, message("allowed_mentions", json!({ "parse": ["everyone"] })), 400, 50035),
            (&hook, json!({ "content": "x" }), 400, 50035),
            (&hook.replace("standin", "other"), message("content", json!("x")), 401, 50027),
            (&hook.replace("/1000", "/2000"), message("content", json!("x")), 404, 10015),
            (&discord.webhook_url(), message("content", json!("x")), 404, 0),
        ] {
            let (found, answer) = send("POST", url, &body).await;
            assert_eq!((found, &answer["code"]), (status, &json!(code)), "{body}: {answer}");
        }
        assert_eq!(discord.effects(), 0);
        let (status, answer) = send("POST", &format!("{hook}?wait=true"), &message("embeds", embeds(4000, 1))).await;
        let id = answer["id"].as_str().unwrap().to_owned();
        assert_eq!((status, send("POST", &hook, &message("content", json!("y"))).await.0), (200, 204));
        let edit = message("content", json!(r"\*z\* `a\`"));
        assert_eq!(send("PATCH", &format!("{hook}/messages/{id}"), &edit).await.0, 200);
        let first = discord.messages().remove(0);
        assert_eq!((first.edits, first.embeds.len(), plain(&first.content).as_str()), (1, 1, r"*z* a\"));
        discord.delete(&id);
        assert_eq!(send("PATCH", &format!("{hook}/messages/{id}"), &edit).await.1["code"], 10008);
        assert!(discord.render_terminal(Style::Plain).contains("Discord #soc-alerts"));
        discord
            .script([Scripted::Unauthorized, Scripted::Status429 { retry_after: Some(Duration::from_millis(1500)) }]);
        assert_eq!(send("POST", &hook, &edit).await.0, 401);
        assert_eq!(send("POST", &hook, &edit).await.1["retry_after"], 1.5);
    }
}
