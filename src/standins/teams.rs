//! A stand-in of Microsoft Teams: one workflow that posts cards into a channel.
//!
//! Like the real one it checks the signature in the query, says 202 as soon as the trigger has taken the message, and runs
//! afterwards: a card that Teams does not take fails in that run, and the sender is not told. Such runs are kept as
//! [`StandIn::failed_runs`]. Elements and properties that the cards of an alert gateway do not need are unknown here.

use std::time::Duration;

use serde_json::{Value, json};

use super::rate::{Limiter, Rate};
use super::shape::{self, Fault, Field, elements_of, may, must, text_of};
use super::terminal::{Card, Line, Tone};
use super::wire::{Answer, Arrived};
use super::{Service, StandIn};
use crate::domain::Timestamp;

/// Path and query of the workflow's trigger. The signature is its credential.
const PATH: &str = "/workflows/0123456789abcdef/triggers/manual/paths/invoke";
const QUERY: &str = "api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=standin%2Dsignature";

/// Starts a stand-in on a free port of 127.0.0.1.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub async fn start() -> std::io::Result<StandIn<Teams>> {
    let teams = Teams { messages: Vec::new(), failed: Vec::new(), posting: Limiter::new(POSTING) };
    StandIn::start(teams, 0).await
}

impl StandIn<Teams> {
    /// The URL of the workflow, with its signature.
    pub fn webhook_url(&self) -> String {
        format!("{}{PATH}?{QUERY}", self.base_url())
    }

    /// The messages of the channel, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.shared.service().messages.clone()
    }

    /// Why runs of the workflow failed after their 202, oldest first.
    pub fn failed_runs(&self) -> Vec<String> {
        self.shared.service().failed.clone()
    }

    /// Takes this many messages instead of the rate of the real service.
    pub fn limit_rate(&self, posting: Rate) {
        self.shared.service().posting = Limiter::new(posting);
    }
}

/// A message in the channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The Adaptive Card.
    pub card: Value,
    /// When it came.
    pub received_at: Timestamp,
}

impl Message {
    /// What people read, a paragraph a line.
    pub fn text(&self) -> String {
        self.lines().into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n")
    }

    fn lines(&self) -> Vec<Line> {
        let body = elements_of(&self.card, "body").iter().flat_map(element);
        let buttons = elements_of(&self.card, "actions").iter();
        let button = |action: &Value| format!("[{}] {}", text_of(action, "title"), text_of(action, "url"));
        body.chain(buttons.map(|action| Line::new(Tone::Faint, button(action)))).collect()
    }
}

/// The state of the stand-in.
#[derive(Debug)]
pub struct Teams {
    messages: Vec<Message>,
    failed: Vec<String>,
    posting: Limiter,
}

impl Teams {
    fn trigger(&mut self, request: &Arrived) -> Answer {
        if request.media_type() != "application/json" {
            return refusal(400, "InvalidRequestContent", "the content type is not application/json");
        }
        let Some(message) = request.json() else {
            return refusal(400, "InvalidRequestContent", "the content is not a JSON document");
        };
        if let Err(fault) = shape::object(&message, MESSAGE) {
            return refusal(400, "TriggerInputSchemaMismatch", &format!("{} {}", fault.at, fault.why));
        }
        if let Err(wait) = self.posting.admit("", request.received_at) {
            return self.throttle(request, Some(wait));
        }
        self.run(&message, request);
        Answer::text(202, "")
    }

    /// What the workflow does after its 202.
    fn run(&mut self, message: &Value, request: &Arrived) {
        let bytes = size_as_encoded_again(&request.body);
        if bytes > MESSAGE_BYTES_MAX {
            self.failed.push(format!("the message is too large: {bytes} bytes"));
            return;
        }
        let content = message.pointer("/attachments/0/content").unwrap_or(&Value::Null);
        match shape::object(content, CARD) {
            Ok(()) => self.messages.push(Message { card: content.clone(), received_at: request.received_at }),
            Err(fault) => self.failed.push(format!("the card is not valid: {} {}", fault.at, fault.why)),
        }
    }
}

impl Service for Teams {
    const NAME: &'static str = "Teams";

    fn answer(&mut self, request: &Arrived) -> Answer {
        match (request.path.as_str(), request.method.as_str()) {
            (PATH, _) if request.query != QUERY => self.refuse_credentials(request),
            (PATH, "POST") => self.trigger(request),
            (PATH, _) => refusal(400, "TriggerRequestMethodNotValid", "the trigger takes POST"),
            _ => refusal(404, "WorkflowNotFound", "the workflow could not be found"),
        }
    }

    fn refuse_credentials(&self, _request: &Arrived) -> Answer {
        refusal(401, "AuthorizationFailed", "the authentication credentials are not valid")
    }

    fn throttle(&self, _request: &Arrived, retry_after: Option<Duration>) -> Answer {
        refusal(429, "TooManyRequests", "rate limit is exceeded").retry_after(retry_after)
    }

    fn effects(&self) -> usize {
        self.messages.len()
    }

    fn mentions(&self, text: &str) -> usize {
        self.messages.iter().filter(|message| message.text().contains(text)).count()
    }

    fn cards(&self) -> Vec<Card> {
        let card = |message: &Message| Card {
            heading: format!("Teams #soc-alerts · {}", message.received_at.to_human()),
            lines: message.lines(),
        };
        self.messages.iter().map(card).collect()
    }
}

fn refusal(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({ "error": { "code": code, "message": message } }))
}

/// The size that counts: the card as a text inside another document, in ASCII.
fn size_as_encoded_again(body: &[u8]) -> usize {
    let text = Value::from(String::from_utf8_lossy(body).into_owned()).to_string();
    text.chars().map(|c| if c.is_ascii() { 1 } else { c.len_utf16() * r"\u0000".len() }).sum()
}

/// An element as people read it. In Markdown a backslash makes the next character plain.
fn element(element: &Value) -> Vec<Line> {
    match text_of(element, "type") {
        "RichTextBlock" => {
            let runs = elements_of(element, "inlines").iter().map(|run| text_of(run, "text"));
            let is_faint = elements_of(element, "inlines").iter().any(|run| run["isSubtle"] == true);
            vec![Line::new(if is_faint { Tone::Faint } else { Tone::Normal }, runs.collect::<String>())]
        }
        "FactSet" => {
            let fact = |fact: &Value| format!("{}: {}", text_of(fact, "title"), text_of(fact, "value"));
            elements_of(element, "facts").iter().map(|one| Line::normal(fact(one))).collect()
        }
        _ => vec![Line::new(Tone::Strong, plain(text_of(element, "text")))],
    }
}

fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown.chars();
    while let Some(c) = rest.next() {
        text.extend(if c == '\\' { rest.next() } else { Some(c) });
    }
    text
}

fn attachment(value: &Value) -> Result<(), Fault> {
    shape::object(value, ATTACHMENT)
}

fn absent(value: &Value) -> Result<(), Fault> {
    if value.is_null() { Ok(()) } else { Err(Fault::new("must be null")) }
}

fn card_element(value: &Value) -> Result<(), Fault> {
    let fields = match text_of(value, "type") {
        "TextBlock" => TEXT_BLOCK,
        "RichTextBlock" => RICH_TEXT_BLOCK,
        "FactSet" => FACT_SET,
        kind => return Err(Fault::new(format!("is not known here: {kind:?}")).under("type")),
    };
    shape::object(value, fields)
}

fn color(value: &Value) -> Result<(), Fault> {
    shape::one_of(value, &["Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"])
}

fn font_size(value: &Value) -> Result<(), Fault> {
    shape::one_of(value, &["Default", "Small", "Medium", "Large", "ExtraLarge"])
}

fn weight(value: &Value) -> Result<(), Fault> {
    shape::one_of(value, &["Default", "Lighter", "Bolder"])
}

fn web_page(value: &Value) -> Result<(), Fault> {
    shape::url(value)?;
    let is_web = value.as_str().is_some_and(|url| url.starts_with("https://") || url.starts_with("http://"));
    if is_web { Ok(()) } else { Err(Fault::new("must be an http or https URL")) }
}

const TYPE: Field = must("type", shape::any_text);

const MESSAGE: &[Field] = &[
    must("type", |value| shape::one_of(value, &["message"])),
    may("summary", shape::any_text),
    must("attachments", |value| shape::list(value, 1, 1, attachment)),
];

const ATTACHMENT: &[Field] = &[
    must("contentType", |value| shape::one_of(value, &["application/vnd.microsoft.card.adaptive"])),
    may("contentUrl", absent),
    must("content", shape::any_object),
];

const CARD: &[Field] = &[
    must("type", |value| shape::one_of(value, &["AdaptiveCard"])),
    must("version", |value| shape::one_of(value, &["1.2", "1.3", "1.4", "1.5"])),
    may("$schema", shape::url),
    may("fallbackText", shape::any_text),
    // Mentions would be `entities` here.
    may("msteams", |value| shape::object(value, &[may("width", |value| shape::one_of(value, &["Full"]))])),
    must("body", |value| shape::list(value, 1, usize::MAX, card_element)),
    may("actions", |value| shape::list(value, 1, 6, |action| shape::object(action, OPEN_URL))),
];

const TEXT_BLOCK: &[Field] = &[
    TYPE,
    must("text", |value| shape::text(value, 1, usize::MAX)),
    may("style", |value| shape::one_of(value, &["default", "heading"])),
    may("size", font_size),
    may("weight", weight),
    may("color", color),
    must("wrap", shape::boolean),
];

const RICH_TEXT_BLOCK: &[Field] = &[
    TYPE,
    must("inlines", |value| shape::list(value, 1, usize::MAX, |run| shape::object(run, TEXT_RUN))),
    may("spacing", |value| shape::one_of(value, &["None", "Small", "Default", "Medium", "Large"])),
];

const TEXT_RUN: &[Field] = &[
    must("type", |value| shape::one_of(value, &["TextRun"])),
    must("text", |value| shape::text(value, 1, usize::MAX)),
    may("size", font_size),
    may("weight", weight),
    may("color", color),
    may("isSubtle", shape::boolean),
    may("fontType", |value| shape::one_of(value, &["Default", "Monospace"])),
];

const FACT_SET: &[Field] =
    &[TYPE, must("facts", |value| shape::list(value, 1, usize::MAX, |fact| shape::object(fact, FACT)))];

const FACT: &[Field] = &[must("title", shape::any_text), must("value", shape::any_text)];

/// Other kinds of actions do not work in a card that came by a webhook.
const OPEN_URL: &[Field] = &[
    must("type", |value| shape::one_of(value, &["Action.OpenUrl"])),
    must("title", |value| shape::text(value, 1, 100)),
    must("url", web_page),
];

/// 28 KB.
const MESSAGE_BYTES_MAX: usize = 28_672;

/// What connectors take.
const POSTING: Rate = Rate::new(60, Duration::from_secs(30));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standins::tests::{client, contract, examples};
    use crate::standins::{Fault as Scripted, Style};

    async fn post(url: &str, body: String) -> (u16, String) {
        let answer = client().post(url).header("content-type", "application/json").body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    fn message(body: Value) -> Value {
        let card = json!({ "type": "AdaptiveCard", "version": "1.5", "body": body });
        let attachment = json!({ "contentType": "application/vnd.microsoft.card.adaptive", "content": card });
        json!({ "type": "message", "attachments": [attachment] })
    }

    fn paragraph(text: &str) -> Value {
        json!([{ "type": "RichTextBlock", "inlines": [{ "type": "TextRun", "text": text }] }])
    }

    #[tokio::test]
    async fn the_trigger_refuses_aloud_and_the_run_fails_unheard() {
        let teams = start().await.unwrap();
        let url = teams.webhook_url();
        let wrong = url.replace("standin%2Dsignature", "other");
        let text = |text: &str| message(json!([{ "type": "TextBlock", "text": text, "wrap": true }])).to_string();
        for (url, body, status, said) in [
            (wrong.as_str(), text("x"), 401, "AuthorizationFailed"),
            (&url, "no JSON".to_owned(), 400, "InvalidRequestContent"),
            (&url, json!({ "text": "x" }).to_string(), 400, "TriggerInputSchemaMismatch"),
            (&url.replace("0123", "9999"), text("x"), 404, "WorkflowNotFound"),
        ] {
            let (found, body) = post(url, body).await;
            assert!(found == status && body.contains(said), "{found} {body}");
        }
        assert_eq!((teams.effects(), teams.failed_runs().len()), (0, 0));
        let mention = json!([{ "type": "TextBlock", "text": "x", "wrap": true, "onclick": "y" }]);
        for body in [
            message(paragraph(&"x".repeat(28_672))),
            message(paragraph(&"é".repeat(4_900))),
            message(paragraph(&"\"".repeat(9_600))),
            message(json!([])),
            message(mention),
        ] {
            assert_eq!(post(&url, body.to_string()).await, (202, String::new()));
        }
        assert_eq!((teams.effects(), teams.failed_runs().len()), (0, 5), "{:?}", teams.failed_runs());
        assert_eq!(post(&url, text(r"🔴 \*HIGH\* \\")).await.0, 202);
        assert_eq!(teams.messages()[0].text(), r"🔴 *HIGH* \");
        assert!(teams.render_terminal(Style::Plain).contains("Teams #soc-alerts"));
        teams.script([Scripted::Unauthorized, Scripted::Status429 { retry_after: Some(Duration::from_secs(3)) }]);
        assert_eq!(post(&url, text("x")).await.0, 401);
        assert_eq!(post(&url, text("x")).await.0, 429);
    }

    #[tokio::test]
    async fn the_examples_of_the_contract_are_taken_or_fail() {
        let teams = start().await.unwrap();
        let valid = examples("teams.valid.json");
        for example in &valid {
            assert_eq!(post(&teams.webhook_url(), example.to_string()).await.0, 202, "{example}");
        }
        assert_eq!(teams.effects(), valid.len(), "{:?}", teams.failed_runs());
        for example in examples("teams.invalid.json") {
            post(&teams.webhook_url(), example.to_string()).await;
            assert_eq!(teams.effects(), valid.len(), "{example}");
        }
        assert!(contract("teams-workflow-message.schema.json").is_none() || !valid.is_empty());
    }
}
