//! What the operator is told about gatepost itself, from the condition to the message, with the binary and stand-ins.

// A helper that fails is a test that fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
    assert!(
        explained.contains("`[operator] to` names the receivers") && explained.contains("told to ops"),
        "{explained}"
    );
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
fn a_pager_that_was_stopped_before_a_restart_is_not_taken_to_work_because_nothing_waits_for_it() {
    let (pager, chat) = (started(pagerduty::start()), chat());
    let mut gateway = Gateway::start(&config(&pager, WRONG_KEY, &chat, "", ""));
    post(&gateway, "the-page");
    until("the chat is told", || (chat.mentions("oncall is stopped") == 1).then_some(()));
    // The page was never told, so that there is nothing to be told any more.
    gateway.run(&["incidents", "resolve", "1", "--by", "dana"]).done();
    assert!(gateway.stop().success());
    gateway.configure(&config(&pager, pagerduty::ROUTING_KEY, &chat, "", ""));
    gateway.serve_again();
    // With `failing_after = "1s"` what does not hold has ended by then.
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!((&own(&gateway)[0]["state"], own(&gateway).len()), (&"open".into(), 1));
    post(&gateway, "another-page");
    until("the notice has ended", || (own(&gateway)[0]["state"] == "resolved").then_some(()));
    assert_eq!((own(&gateway).len(), pager.effects()), (1, 1));
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

/// Takes heartbeats: the first line of each request. It answers with the status that is set.
struct Switch {
    url: String,
    taken: Arc<Mutex<Vec<String>>>,
    status: Arc<Mutex<&'static str>>,
}

impl Switch {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/ping/the-secret-of-the-switch", listener.local_addr().unwrap());
        let (taken, status) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(Mutex::new("200 OK")));
        let (lines, answer) = (Arc::clone(&taken), Arc::clone(&status));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = [0; 4096];
                let read = stream.read(&mut request).unwrap_or(0);
                let text = String::from_utf8_lossy(&request[..read]).into_owned();
                lines.lock().unwrap().push(text.lines().next().unwrap_or_default().to_owned());
                let status = *answer.lock().unwrap();
                let location = if status.starts_with("30") { "location: /elsewhere\r\n" } else { "" };
                let answer = format!("HTTP/1.1 {status}\r\n{location}content-length: 0\r\nconnection: close\r\n\r\n");
                drop(stream.write_all(answer.as_bytes()));
            }
        });
        Self { url, taken, status }
    }

    fn count(&self) -> usize {
        self.taken.lock().unwrap().len()
    }
}

#[test]
fn heartbeats_are_sent_while_requests_are_stored_and_their_url_is_never_told() {
    let (pager, chat, switch) = (started(pagerduty::start()), chat(), Switch::start());
    let operator = format!("heartbeat = {{ value = \"{}\" }}\nheartbeat_every = \"1s\"", switch.url);
    let gateway = Gateway::start(&config(&pager, WRONG_KEY, &chat, &operator, ""));
    post(&gateway, "the-page");
    // A destination that is down does not withhold them.
    gateway.logs("the destination is stopped");
    let before = switch.count();
    until("more come", || (switch.count() >= before + 2).then_some(()));
    assert!(switch.taken.lock().unwrap().iter().all(|line| line == "GET /ping/the-secret-of-the-switch HTTP/1.1"));

    *switch.status.lock().unwrap() = "302 Found";
    gateway.logs("it answers 302");
    let store = rusqlite::Connection::open(gateway.folder.path().join("gatepost.db")).unwrap();
    store.execute_batch("BEGIN IMMEDIATE").unwrap();
    gateway.logs("heartbeats are withheld");
    let withheld = switch.count();
    assert_eq!(Post::get("/readyz").send(gateway.admin).status, 503, "by the same measure");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(switch.count(), withheld, "none is sent");
    *switch.status.lock().unwrap() = "200 OK";
    store.execute_batch("ROLLBACK").unwrap();
    until("they come again", || (switch.count() > withheld + 1).then_some(()));
    assert!(switch.taken.lock().unwrap().iter().all(|line| !line.contains("elsewhere")), "no redirect is followed");

    // Taken out by a reload.
    gateway.configure(&config(&pager, WRONG_KEY, &chat, "", ""));
    gateway.signal("HUP");
    std::thread::sleep(Duration::from_secs(2));
    let last = switch.count();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(switch.count(), last);
    let shown = [gateway.log(), Post::get("/metrics").send(gateway.admin).text().to_owned()];
    assert!(shown.iter().all(|text| !text.contains("the-secret")), "{shown:?}");
}
