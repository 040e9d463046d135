//! What the operator is told about gatepost itself, from the condition to the message, with the binary and stand-ins.

// A helper that fails is a test that fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use gatepost::domain::{Clock, SystemClock};
use gatepost::standins::{Rate, Service, StandIn, mattermost, pagerduty};
use harness::{Gateway, Post, until};
use serde_json::Value;

const AKTO: &str = "akto-shows-this-token-of-32-byte";
/// Of the right form, and of no integration.
const WRONG_KEY: &str = "11111111111111111111111111111111";

type Chat = StandIn<mattermost::Mattermost>;
type Pager = StandIn<pagerduty::PagerDuty>;

fn started<S: Service>(standin: impl Future<Output = std::io::Result<StandIn<S>>>) -> StandIn<S> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(standin).unwrap()
}

fn chat() -> Chat {
    let chat = started(mattermost::start());
    chat.limit_rate(Rate::UNLIMITED);
    chat
}

/// Everything goes to the pager; `operator` and `source` are lines of their sections.
fn config(pager: &Pager, key: &str, chat: &Chat, operator: &str, source: &str) -> String {
    format!(
        r#"
[incidents]
wait = "0s"

[sources.akto]
vendor = "akto"
secrets = [{{ value = "{AKTO}" }}]
{source}

[destinations.oncall]
type = "pagerduty"
url = "{}"
routing_key = {{ value = "{key}" }}

[destinations.ops]
type = "mattermost"
webhook_url = {{ value = "{}" }}

[operator]
to = ["ops", "oncall"]
failing_after = "1s"
{operator}

[[routes]]
name = "page"
to = ["oncall"]
"#,
        pager.base_url(),
        chat.webhook_url()
    )
}

fn post(gateway: &Gateway, mark: &str) {
    let now = SystemClock.now().as_millis();
    let record = format!(
        r#"[{{"id":"{mark}","filterId":"SQLInjection","actor":"198.51.100.7","latestApiEndpoint":"/v1/{mark}",
        "latestApiMethod":"POST","detectedAt":{now},"refId":"{mark}","severity":"CRITICAL"}}]"#
    );
    gateway.post_bearer("akto", AKTO, record.as_bytes()).accepted();
}

fn own(gateway: &Gateway) -> Vec<Value> {
    gateway.list("incidents", &["--source", "gatepost", "--all"])
}

fn notices(gateway: &Gateway) -> Vec<Value> {
    Post::get("/readyz").send(gateway.admin).json()["notices"].as_array().unwrap().clone()
}

#[test]
fn a_stopped_pager_is_told_in_the_chat_once_over_a_restart_and_ended_once_it_is_mended() {
    let (pager, chat) = (started(pagerduty::start()), chat());
    let mut gateway = Gateway::start(&config(&pager, WRONG_KEY, &chat, "", ""));
    post(&gateway, "the-page");
    until("the chat is told", || (chat.mentions("oncall is stopped") == 1).then_some(()));
    let shown = notices(&gateway);
    assert_eq!(
        (shown.len(), &shown[0]["kind"], &shown[0]["subject"]),
        (1, &"destination-down".into(), &"oncall".into())
    );
    let answer = Post::get("/metrics").send(gateway.admin);
    let metrics = answer.text();
    assert!(metrics.contains("gatepost_notices{kind=\"destination-down\",subject=\"oncall\"} 1"), "{metrics}");
    let incidents = own(&gateway);
    assert_eq!((incidents.len(), &incidents[0]["state"]), (1, &"open".into()), "{incidents:?}");
    let event = gateway.list("events", &["--source", "gatepost"]).remove(0);
    let explained = gateway.run(&["explain", event["id"].as_str().unwrap()]).done().stdout;
    assert!(explained.contains("`[operator] to` says whom") && explained.contains("told to ops"), "{explained}");
    assert!(!explained.contains("oncall:"), "it is not told of itself: {explained}");
    let number = incidents[0]["number"].to_string();
    let shown = gateway.run(&["incidents", "show", &number]).done().stdout;
    assert!(shown.contains("integration key") && shown.contains("source"), "{shown}");

    assert!(gateway.stop().success());
    gateway.serve_again();
    until("it is stopped again", || (!notices(&gateway).is_empty()).then_some(()));
    assert_eq!((chat.mentions("oncall is stopped"), own(&gateway).len()), (1, 1), "it was told before the restart");

    gateway.configure(&config(&pager, pagerduty::ROUTING_KEY, &chat, "", ""));
    gateway.signal("HUP");
    until("the page is told", || (pager.effects() == 1).then_some(()));
    until("the notice has ended", || (own(&gateway)[0]["state"] == "resolved").then_some(()));
    gateway.settle();
    assert_eq!((chat.effects(), pager.effects(), notices(&gateway).len()), (2, 1, 0), "{:#?}", chat.messages());
    gateway.logs("a condition needs the operator's attention");
    gateway.logs("a condition has ended");
}

#[test]
fn a_source_that_falls_silent_is_told_also_after_a_restart_and_over_when_it_sends() {
    let (pager, chat) = (started(pagerduty::start()), chat());
    let mut gateway = Gateway::start(&config(&pager, pagerduty::ROUTING_KEY, &chat, "", "expect = \"3s\""));
    post(&gateway, "first");
    until("the silence is told", || (chat.mentions("akto has sent nothing for 3 s") == 1).then_some(()));
    assert_eq!(pager.mentions("akto has sent nothing"), 1, "all in `to` are told");
    assert!(gateway.stop().success());
    gateway.serve_again();
    until("it is silent still", || (!notices(&gateway).is_empty()).then_some(()));
    assert_eq!(chat.mentions("akto has sent nothing for 3 s"), 1);
    post(&gateway, "second");
    until("the silence is over", || (own(&gateway)[0]["state"] == "resolved").then_some(()));
    assert_eq!(own(&gateway).len(), 1);
}

#[test]
fn requests_that_are_refused_in_numbers_are_told_once() {
    let (pager, chat) = (started(pagerduty::start()), chat());
    let gateway = Gateway::start(&config(&pager, pagerduty::ROUTING_KEY, &chat, "refused = 10", ""));
    // The first look is what later ones are compared with.
    std::thread::sleep(std::time::Duration::from_secs(3));
    for _ in 0..12 {
        assert_eq!(gateway.post_bearer("akto", "another-token-of-some-32-bytes--", b"{}").status, 401);
    }
    until("it is told", || (chat.mentions("requests for akto are refused") == 1).then_some(()));
    let event = gateway.list("events", &["--source", "gatepost"]).remove(0);
    assert_eq!(event["message"], "within 5 min: 12 signature-mismatch");
    gateway.settle();
    assert_eq!((own(&gateway).len(), chat.effects(), pager.effects()), (1, 1, 1));
}
