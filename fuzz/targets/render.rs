//! Every destination renders any event so that the strict stand-in of the service takes it, shows the
//! title as it is, and mentions none of the people that the event names.

#![no_main]

use std::sync::LazyLock;

use gatepost::config::Config;
use gatepost::destinations::render::Summary;
use gatepost::destinations::{Exchange, HttpReply, HttpRequest, Message, Next, ProbeTelling, Receiver, Reply};
use gatepost::domain::{
    Actor, Batch, BatchEvent, DeliveryId, Draft, Encoding, Event, EventDocument, Headers, Job, Link, Outcome, Progress,
    Purpose, Receipt, ReceiptId, Rule, Severity, Target, Timestamp,
};
use gatepost::settings::{Environment, PathFacts};
use gatepost::standins::{Answer, Arrived, Card, Service, jira, pagerduty, slack, syslog};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static DESTINATIONS: LazyLock<Vec<(String, Receiver)>> = LazyLock::new(|| {
    let text = format!(
        r#"
        [destinations.bot]
        type = "slack"
        token = {{ value = "{bot_token}" }}
        channel = "{channel}"
        [destinations.events]
        type = "file"
        path = "x"
        [destinations.jira]
        type = "jira"
        url = "https://jira.example.com"
        email = "{email}"
        api_token = {{ value = "{api_token}" }}
        project = "{project}"
        priority = true
        [destinations.ocsf]
        type = "file"
        path = "y"
        format = "ocsf"
        [destinations.pagerduty]
        type = "pagerduty"
        routing_key = {{ value = "{routing_key}" }}
        [destinations.slack]
        type = "slack"
        webhook_url = {{ value = "https://hooks.slack.com{webhook_path}" }}
        [destinations.syslog]
        type = "syslog"
        address = "tcp://127.0.0.1:601"
        [destinations.syslog-cef]
        type = "syslog"
        address = "udp://127.0.0.1"
        format = "cef"
        [destinations.wiki]
        type = "jira"
        url = "https://jira.example.com"
        deployment = "datacenter"
        token = {{ value = "{api_token}" }}
        project = "{project}"
        "#,
        bot_token = slack::BOT_TOKEN,
        channel = slack::CHANNEL,
        email = jira::EMAIL,
        api_token = jira::API_TOKEN,
        project = jira::PROJECT,
        routing_key = pagerduty::ROUTING_KEY,
        webhook_path = slack::WEBHOOK_PATH,
    );
    let nothing = Environment {
        variable: Box::new(|_| None),
        read_file: Box::new(|_| Err(std::io::ErrorKind::NotFound.into())),
        paths: PathFacts::default(),
        now: gatepost::domain::Timestamp::from_millis(1_795_000_000_000),
        base: std::path::PathBuf::new(),
    };
    let config = Config::parse(&text, &nothing).unwrap_or_else(|faults| panic!("{faults:?}"));
    config.destinations.into_iter().map(|(name, destination)| (name.to_string(), destination)).collect()
});

/// The stand-in of the destination.
enum Place {
    Slack(slack::Slack),
    Jira(jira::Jira),
    PagerDuty(pagerduty::PagerDuty),
    File(Vec<Vec<u8>>),
    Syslog(Vec<syslog::Received>),
}

type Texts = [String; 10];

fuzz_target!(|data: (u8, u8, bool, bool, Texts, Vec<(String, String)>)| {
    let (which, severity, uncertain, is_probe, texts, labels) = data;
    let event = event(severity, texts, &labels);
    let (name, destination) = &DESTINATIONS[usize::from(which) % DESTINATIONS.len()];
    let progress = Progress::default();
    let job = Job {
        id: DeliveryId::generate(),
        event: &event,
        purpose: if is_probe { Purpose::Probe } else { Purpose::Alert },
        tries: 1,
        uncertain,
        progress: &progress,
        now: event.received_at,
    };
    let mut place = Place::of(name);
    let outcome = match destination {
        Receiver::Sink(sink) => {
            let document = EventDocument::of(&event).expect("an event is JSON");
            let events = [BatchEvent { id: event.id, document }];
            let Job { id, purpose, tries, uncertain, now, .. } = job;
            let batch = Batch { id, events: &events, purpose, tries, uncertain, progress: &progress, now };
            converse(Exchange::Batch(sink.as_ref(), &batch), &mut place)
        }
        Receiver::Notifier(notifier) => {
            let opening = ProbeTelling::of(&event, notifier.class(), job.now);
            converse(Exchange::Change(notifier.as_ref(), &job, &opening.telling()), &mut place)
        }
    };
    match outcome {
        Outcome::Delivered { .. } => place.check(&job),
        // Jira's search may lag: it is asked again later.
        Outcome::Retry { .. } if uncertain && (name == "jira" || name == "wiki") => {}
        other => panic!("{name}: {other:?}"),
    }
});

fn event(severity: u8, texts: Texts, labels: &[(String, String)]) -> Event {
    let [title, message, rule, actor, url, host, agent, evidence, status, link] = texts;
    let receipt = Receipt {
        id: ReceiptId::generate(),
        source: "s".parse().expect("a name"),
        received_at: Timestamp::from_millis(1_700_000_000_000),
        content_type: None,
        encoding: Encoding::Identity,
        body: bytes::Bytes::new(),
    };
    let draft = Draft {
        key: vec![title.clone()],
        kind: status.clone(),
        title,
        message: Some(message),
        rule: Some(Rule { id: Some(rule.clone()), name: Some(rule) }),
        actor: Actor::from_text(&actor),
        target: Some(Target { method: Some("GET".into()), url: Some(url), host: Some(host), agent: Some(agent) }),
        evidence: Some(evidence.clone()),
        impact: Some(evidence.clone()),
        remediation: Some(evidence),
        status: Some(status),
        links: vec![Link { title: "Open".into(), url: format!("https://{link}") }],
        labels: labels.iter().cloned().collect(),
        unmapped: labels.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect(),
        ..Draft::default()
    };
    draft.into_event(&receipt, "v", Severity::from_id(severity % 8), 0)
}

/// The whole exchange, without a network.
fn converse(exchange: Exchange<'_>, place: &mut Place) -> Outcome {
    let mut next = exchange.first();
    for _ in 0..16 {
        match next {
            Next::Done(outcome) => return outcome,
            Next::Send(step, message) => {
                let reply = place.take(message);
                next = exchange.next(step, &reply);
            }
        }
    }
    panic!("the exchange does not end");
}

impl Place {
    fn of(name: &str) -> Self {
        match name {
            "slack" | "bot" => Self::Slack(slack::Slack::default()),
            "jira" | "wiki" => Self::Jira(jira::Jira::default()),
            "pagerduty" => Self::PagerDuty(pagerduty::PagerDuty::default()),
            "syslog" | "syslog-cef" => Self::Syslog(Vec::new()),
            _ => Self::File(Vec::new()),
        }
    }

    fn take(&mut self, message: Message) -> Reply {
        let answer = match (&mut *self, message) {
            (Self::File(lines), Message::Append(append)) => {
                for line in append.lines {
                    assert!(!line.text.contains(&b'\n'), "more than one line");
                    lines.push(line.text.to_vec());
                }
                return Reply::Appended;
            }
            (Self::Syslog(received), Message::Syslog(sent)) => {
                for message in sent.messages {
                    assert!(message.len() <= 8096, "{} bytes", message.len());
                    received.push(syslog::parse(&message).expect("a message of RFC 5424"));
                }
                return Reply::Written;
            }
            (Self::Slack(slack), Message::Http(request)) => {
                if let Ok(document) = serde_json::from_slice(&request.body) {
                    check_mrkdwn(&document);
                }
                slack.answer(&arrived(request))
            }
            (Self::Jira(jira), Message::Http(request)) => jira.answer(&arrived(request)),
            (Self::PagerDuty(pagerduty), Message::Http(request)) => pagerduty.answer(&arrived(request)),
            (_, _) => {
                panic!("a message of the wrong kind")
            }
        };
        reply(answer)
    }

    /// Whether the title stands there for people to read.
    fn check(&self, job: &Job<'_>) {
        let cards = match self {
            Self::Slack(slack) => slack.cards(),
            Self::Jira(jira) => jira.cards(),
            Self::PagerDuty(pagerduty) => pagerduty.cards(),
            Self::File(lines) => return check_line(lines, job),
            Self::Syslog(received) => return check_message(received, job),
        };
        assert_eq!(cards.len(), 1, "{} effects", cards.len());
        let title = Summary::of(job).title;
        let beginning: String = title.chars().take(TITLE_CHARS).collect();
        // The stand-in of Slack shows `:word:` as an emoji.
        if !beginning.contains(':') {
            let shown = text_of(&cards[0]);
            assert!(shown.contains(&beginning), "'{beginning}' is not shown in\n{shown}");
        }
    }
}

fn text_of(card: &Card) -> String {
    card.lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
}

/// The line is the event, or the document that holds it. A probe says in its title that it is one.
fn check_line(lines: &[Vec<u8>], job: &Job<'_>) {
    let [line] = lines else { panic!("{} lines", lines.len()) };
    let document: Value = serde_json::from_slice(line).expect("a JSON document");
    let is_ocsf = document.get("class_uid").is_some();
    let title = if is_ocsf { &document["finding_info"]["title"] } else { &document["title"] };
    match job.purpose {
        Purpose::Alert => assert_eq!(title, job.event.title.as_str()),
        Purpose::Probe => assert_eq!(*title, format!("TEST · {}", job.event.title)),
    }
    if !is_ocsf {
        let event = serde_json::from_value::<Event>(document).expect("an event");
        assert!(event == *job.event || job.purpose == Purpose::Probe, "{event:?}");
    }
}

/// The message is of this event, and its text is a JSON document or a line of CEF.
fn check_message(received: &[syslog::Received], job: &Job<'_>) {
    let [message] = received else { panic!("{} messages", received.len()) };
    assert_eq!(message.parameter("event_id"), Some(job.event.id.to_string().as_str()));
    let text = message.text.as_deref().unwrap_or_default();
    assert!(text.starts_with("CEF:0|") || serde_json::from_str::<Value>(text).is_ok(), "{text}");
}

fn arrived(request: HttpRequest) -> Arrived {
    let mut headers = Headers::default();
    headers.push("content-type", request.content_type);
    request.headers.iter().for_each(|(name, value)| headers.push(name, value.expose()));
    Arrived {
        method: request.method.as_str().to_owned(),
        path: request.url.path().to_owned(),
        query: request.url.query().unwrap_or_default().to_owned(),
        headers,
        body: request.body,
        received_at: Timestamp::from_millis(1_700_000_000_000),
    }
}

fn reply(answer: Answer) -> Reply {
    let mut headers = Headers::default();
    headers.push("content-type", answer.content_type);
    answer.headers.iter().for_each(|(name, value)| headers.push(name, value.as_str()));
    Reply::Http(HttpReply { status: answer.status, headers, body: answer.body.into(), truncated: false })
}

/// No text that Slack reads as mrkdwn holds a mention or a link that the event brought along.
fn check_mrkdwn(value: &Value) {
    match value {
        Value::Object(fields) => {
            let is_mrkdwn = fields.get("type").and_then(Value::as_str) == Some("mrkdwn");
            // Beside the blocks `text` is always read as mrkdwn.
            let is_message = fields.contains_key("blocks");
            if is_mrkdwn || is_message {
                let text = fields.get("text").and_then(Value::as_str).unwrap_or_default();
                assert!(!without_our_tokens(text).contains('<'), "{text}");
            }
            fields.values().for_each(check_mrkdwn);
        }
        Value::Array(items) => items.iter().for_each(check_mrkdwn),
        _ => {}
    }
}

/// The text without the tokens that are ours: times, and links whose words the event did not choose.
fn without_our_tokens(text: &str) -> String {
    let mut rest = text;
    let mut left = String::new();
    while let Some(at) = rest.find("<!date^").or_else(|| rest.find("<https://")) {
        left.push_str(&rest[..at]);
        let token = &rest[at + 1..];
        let end = token.find(['<', '>']).filter(|end| token[*end..].starts_with('>'));
        let Some(end) = end else { return format!("{left}<{token}") };
        rest = &token[end + 1..];
    }
    left + rest
}

/// The length of a title that every destination shows in full.
const TITLE_CHARS: usize = 60;
