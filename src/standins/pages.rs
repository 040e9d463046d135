//! What the pages of the documentation show of each destination: the life of an incident as people see it there, or an event
//! as a sink gets it. Each page holds exactly that; `GATEPOST_BLESS=1` writes it anew.

use std::cell::RefCell;
use std::fmt::Write;

use serde_json::Value;

use super::wire::Arrived;
use super::{Card, Line, Rate, Service, StandIn, Style, Tone};
use super::{discord, jira, mattermost, opsgenie, pagerduty, servicenow, slack, teams};
use crate::destinations::{HttpReply, HttpRequest, Reply, life, testing};
use crate::domain::{Change, Headers, IncidentNumber, NotifierClass, Operation, Outcome, Telling, Timestamp};

/// What has been shown so far.
#[derive(Default)]
struct Shown {
    text: String,
    cards: Vec<Card>,
    stage: Option<(Change, IncidentNumber)>,
}

impl Shown {
    /// Adds what is new after a change: new cards whole, of others the lines that were not there before.
    fn add(&mut self, telling: &Telling<'_>, cards: Vec<Card>) {
        let stage = (telling.intent.change, telling.incident.number);
        let mut new = String::new();
        for (index, card) in cards.iter().enumerate() {
            match self.cards.get(index) {
                Some(before) if before == card => {}
                Some(before) => new.push_str(&changed(before, card).render(Style::Plain)),
                None => new.push_str(&card.render(Style::Plain)),
            }
        }
        self.cards = cards;
        if self.stage != Some(stage) && !new.is_empty() {
            let break_before = if self.text.is_empty() { "" } else { "\n" };
            let heading = stage.0.as_str().to_uppercase();
            writeln!(self.text, "{break_before}{heading}").unwrap();
            self.stage = Some(stage);
        }
        self.text.push_str(&new);
    }
}

fn changed(before: &Card, now: &Card) -> Card {
    let is_new = |line: &&Line| !before.lines.contains(line);
    Card { heading: format!("{}, changed", now.heading), lines: now.lines.iter().filter(is_new).cloned().collect() }
}

/// Where a message can be edited, the edit alone tells of an acknowledgement.
fn is_told(telling: &Telling<'_>, class: NotifierClass) -> bool {
    let is_reply = matches!(telling.intent.operation, Operation::Reply { .. });
    !(is_reply && telling.intent.change == Change::Acknowledge && class == NotifierClass::EditableChat)
}

/// Storms and digests are other incidents.
fn is_of_this_life(telling: &Telling<'_>) -> bool {
    telling.incident.number == IncidentNumber(4711)
}

/// The life of an incident at a destination that speaks HTTP.
fn life_at<S: Service>(kind: &str, settings: &str, standin: &StandIn<S>) -> String {
    let notifier = testing::notifier(crate::destinations::find(kind).unwrap(), settings);
    let shown = RefCell::new(Shown::default());
    life::live_by(notifier.as_ref(), |job, telling| {
        if !is_told(telling, notifier.class()) {
            return (Vec::new(), Outcome::Delivered { remote: None });
        }
        let respond = |_: &str, request: &HttpRequest| {
            let answer = standin.shared.service().answer(&arrived(request, job.now));
            let headers: Headers = answer.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Reply::Http(HttpReply { status: answer.status, headers, body: answer.body.into(), truncated: false })
        };
        let told = life::try_until_settled(notifier.as_ref(), job, telling, &respond);
        if is_of_this_life(telling) {
            shown.borrow_mut().add(telling, standin.cards());
        }
        told
    });
    shown.into_inner().text
}

fn arrived(request: &HttpRequest, received_at: Timestamp) -> Arrived {
    let lines = request.headers.iter().map(|(name, value)| (name.as_ref(), value.expose_str().unwrap()));
    Arrived {
        method: request.method.as_str().to_owned(),
        path: request.url.path().to_owned(),
        query: request.url.query().unwrap_or_default().to_owned(),
        headers: lines.chain([("Content-Type", request.content_type)]).collect(),
        body: request.body.clone(),
        received_at,
    }
}

/// A golden file of a destination.
fn golden(path: &str) -> Value {
    let path = testing::project(&format!("tests/fixtures/destinations/{path}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The mails of a life, as its golden files have them.
fn mails() -> String {
    let stages = life::STAGES.iter().filter(|stage| !["storm", "digest"].contains(stage));
    let shown = stages.map(|stage| {
        let mail = &golden(&format!("email/life/{stage}"))[0]["mails"][0];
        let text: Vec<&str> = mail["plain"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let subject = format!("Subject: {}", mail["subject"].as_str().unwrap());
        let lines = vec![Line::new(Tone::Strong, subject), Line::normal(""), Line::normal(text.join("\n"))];
        let card = Card { heading: format!("Email to {}", mail["recipient"].as_str().unwrap()), lines };
        format!("{}\n{}", stage.to_uppercase(), card.render(Style::Plain))
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// An event as a sink gets it.
fn event_at(sink: &str) -> String {
    let golden = |format: &str| golden(&format!("{sink}/secureagentics.{format}"));
    let event = golden("event");
    match sink {
        "file" => format!("{event}\n"),
        "syslog" => {
            let message = |golden: Value| golden["message"].as_str().unwrap().to_owned();
            format!("{}\n{}\n", message(event), message(golden("cef")))
        }
        "elasticsearch" => format!("POST /gatepost/_bulk\n\n{}", event["body"].as_str().unwrap()),
        "splunk" => format!("POST /services/collector/event\n\n{}\n", event["body"]),
        _ => {
            let line = |(name, value): (&String, &Value)| format!("{name}: {}\n", value.as_str().unwrap());
            let headers: String = event["headers"].as_object().unwrap().iter().map(line).collect();
            format!(
                "POST /hooks\ncontent-type: {}\n{headers}\n{}\n",
                event["content_type"].as_str().unwrap(),
                event["body"]
            )
        }
    }
}

/// The page as it must be.
fn page_with(kind: &str, shown: &str) -> String {
    let page = std::fs::read_to_string(testing::project(&format!("docs/destinations/{kind}.md"))).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap_or_else(|| panic!("{kind}.md has no place for it"));
    let (_, after) = rest.split_once(END).unwrap_or_else(|| panic!("{kind}.md has no end of it"));
    assert!(!shown.contains("```") && !testing::leaks(shown), "{shown}");
    format!("{before}{BEGIN}\n\n```text\n{shown}```\n\n{END}{after}")
}

#[tokio::test]
async fn each_page_shows_what_arrives() {
    let unlimited = Rate::UNLIMITED;
    let (slack, pager, jira) =
        (slack::start().await.unwrap(), pagerduty::start().await.unwrap(), jira::start().await.unwrap());
    let (chat, hook, teams) =
        (discord::start().await.unwrap(), mattermost::start().await.unwrap(), teams::start().await.unwrap());
    let (genie, now) = (opsgenie::start().await.unwrap(), servicenow::start().await.unwrap());
    slack.limit_rates(unlimited, unlimited);
    chat.limit_rate(unlimited);
    hook.limit_rate(unlimited);
    teams.limit_rate(unlimited);
    genie.limit_rate(unlimited);
    let secret = |name: &str, value: &str| format!("{name} = {{ value = \"{value}\" }}\n");
    let by_webhook = |url: String| secret("webhook_url", &url);
    let in_slack = format!(
        "url = \"{}\"\nchannel = \"{}\"\n{}",
        slack.api_url(),
        slack::CHANNEL,
        secret("token", slack::BOT_TOKEN)
    );
    let in_jira = format!(
        "url = \"{}\"\nemail = \"{}\"\nproject = \"{}\"\nresolve_transition = \"Done\"\nreopen_transition = \"Reopen\"\n{}",
        jira.base_url(),
        jira::EMAIL,
        jira::PROJECT,
        secret("api_token", jira::API_TOKEN)
    );
    let at_pagerduty = format!("url = \"{}\"\n{}", pager.base_url(), secret("routing_key", pagerduty::ROUTING_KEY));
    let at_opsgenie = format!("url = \"{}\"\n{}", genie.base_url(), secret("api_key", opsgenie::API_KEY));
    let in_servicenow = format!(
        "url = \"{}\"\nuser = \"{}\"\nclose_code = \"Solution provided\"\nreopen_state = \"2\"\n{}",
        now.base_url(),
        servicenow::USER,
        secret("password", servicenow::PASSWORD)
    );
    let notifiers = [
        ("slack", life_at("slack", &in_slack, &slack)),
        ("pagerduty", life_at("pagerduty", &at_pagerduty, &pager)),
        ("jira", life_at("jira", &in_jira, &jira)),
        ("discord", life_at("discord", &by_webhook(chat.webhook_url()), &chat)),
        ("mattermost", life_at("mattermost", &by_webhook(hook.webhook_url()), &hook)),
        ("teams", life_at("teams", &by_webhook(teams.webhook_url()), &teams)),
        ("opsgenie", life_at("opsgenie", &at_opsgenie, &genie)),
        ("servicenow", life_at("servicenow", &in_servicenow, &now)),
        ("email", mails()),
    ];
    let sinks = ["elasticsearch", "file", "splunk", "syslog", "webhook"].map(|sink| (sink, event_at(sink)));
    let pages: Vec<_> = notifiers.into_iter().chain(sinks).collect();
    assert_eq!(pages.len(), crate::destinations::KINDS.len(), "each kind has a page");
    for (kind, shown) in pages {
        testing::golden_text(&format!("docs/destinations/{kind}.md"), &page_with(kind, &shown));
    }
}

const BEGIN: &str = "<!-- rendered by the tests -->";
const END: &str = "<!-- end of what the tests render -->";
