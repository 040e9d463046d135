//! Another notifier is told of what a notifier does not take, whatever keeps it from taking it.

// A helper that fails is a test that fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use std::net::TcpListener;
use std::time::Duration;

use gatepost::domain::{Clock, SystemClock};
use gatepost::standins::{Fault, Service, StandIn, mattermost, opsgenie, pagerduty};
use harness::{Gateway, until};

const AKTO: &str = "akto-shows-this-token-of-32-byte";
/// Of the right form, and of no integration.
const WRONG_KEY: &str = "11111111111111111111111111111111";

type Pager = StandIn<pagerduty::PagerDuty>;

fn started<S: Service>(standin: impl Future<Output = std::io::Result<StandIn<S>>>) -> StandIn<S> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(standin).unwrap()
}

/// The pager at `url`, whose fallback is another one, whose fallback is a chat.
fn config(url: &str, key: &str, other: &StandIn<opsgenie::Opsgenie>, chat: &StandIn<mattermost::Mattermost>) -> String {
    format!(
        r#"
[sources.akto]
vendor = "akto"
secrets = [{{ value = "{AKTO}" }}]

[destinations.oncall]
type = "pagerduty"
url = "{url}"
routing_key = {{ value = "{key}" }}
fallback = "second"
fallback_after = "2s"

[destinations.second]
type = "opsgenie"
url = "{}"
api_key = {{ value = "{}" }}
fallback = "chat"
fallback_after = "12s"

[destinations.chat]
type = "mattermost"
webhook_url = {{ value = "{}" }}

[[routes]]
name = "page"
to = ["oncall"]
"#,
        other.base_url(),
        opsgenie::API_KEY,
        chat.webhook_url()
    )
}

fn post(gateway: &Gateway) {
    let now = SystemClock.now().as_millis();
    let record = format!(
        r#"[{{"id":"1","filterId":"SQLInjection","actor":"198.51.100.7","latestApiEndpoint":"/v1/orders",
        "latestApiMethod":"POST","detectedAt":{now},"refId":"1","severity":"CRITICAL"}}]"#
    );
    gateway.post_bearer("akto", AKTO, record.as_bytes()).accepted();
}

struct World {
    pager: Pager,
    second: StandIn<opsgenie::Opsgenie>,
    chat: StandIn<mattermost::Mattermost>,
}

impl World {
    fn new() -> Self {
        Self {
            pager: started(pagerduty::start()),
            second: started(opsgenie::start()),
            chat: started(mattermost::start()),
        }
    }

    fn config(&self, key: &str) -> String {
        config(self.pager.base_url(), key, &self.second, &self.chat)
    }

    fn is_told_at_the_fallback_once(&self, gateway: &Gateway) {
        until("the critical page is told at the fallback", || (self.second.effects() == 1).then_some(()));
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!((self.second.effects(), self.chat.effects()), (1, 0), "once, and no further than it must");
        let shown = gateway.run(&["incidents", "show", "1"]).done().stdout;
        assert!(shown.contains("as the fallback of oncall, which had not taken it"), "{shown}");
        assert!(shown.contains("told at second instead, its fallback"), "{shown}");
        assert!(shown.contains("told at second, because oncall had not taken it for"), "{shown}");
    }
}

#[test]
fn a_page_that_a_stopped_pager_keeps_is_told_at_the_fallback_also_after_a_restart() {
    let world = World::new();
    let slow = world.config(WRONG_KEY).replacen("fallback_after = \"2s\"", "fallback_after = \"1h\"", 1);
    let mut gateway = Gateway::start(&slow);
    post(&gateway);
    gateway.logs("the destination is stopped");
    assert!(gateway.stop().success());
    gateway.configure(&world.config(WRONG_KEY));
    gateway.serve_again();
    world.is_told_at_the_fallback_once(&gateway);
    assert_eq!(world.pager.effects(), 0);
    gateway.configure(&world.config(pagerduty::ROUTING_KEY));
    gateway.signal("HUP");
    until("the pager is told as usual", || (world.pager.effects() == 1).then_some(()));
    gateway.run(&["incidents", "resolve", "1"]).done();
    let is_closed = || world.second.alerts()[0].status == opsgenie::Status::Closed;
    until("both are told of the end", || is_closed().then_some(()));
    gateway.settle();
    assert_eq!((world.second.effects(), world.pager.effects(), world.chat.effects()), (1, 1, 0));
}

#[test]
fn a_page_for_a_pager_that_is_not_there_is_told_at_the_fallback() {
    let world = World::new();
    // Nothing listens there once it is dropped.
    let url = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let gateway = Gateway::start(&config(&url, pagerduty::ROUTING_KEY, &world.second, &world.chat));
    post(&gateway);
    world.is_told_at_the_fallback_once(&gateway);
}

#[test]
fn a_page_that_a_slow_pager_may_have_taken_is_told_at_the_fallback() {
    let world = World::new();
    world.pager.always(Some(Fault::TakenThenHang(Duration::from_secs(60))));
    let gateway = Gateway::start(&world.config(pagerduty::ROUTING_KEY));
    post(&gateway);
    world.is_told_at_the_fallback_once(&gateway);
}

#[test]
fn a_page_that_two_pagers_keep_reaches_the_chat() {
    let world = World::new();
    world.pager.always(Some(Fault::Status429 { retry_after: Some(Duration::from_secs(600)) }));
    world.second.always(Some(Fault::Unauthorized));
    let gateway = Gateway::start(&world.config(pagerduty::ROUTING_KEY));
    post(&gateway);
    until("the chat is told", || (world.chat.effects() == 1).then_some(()));
    assert_eq!((world.pager.effects(), world.second.effects()), (0, 0));
}
