//! Sinks over HTTP, from the vendor's request to the receiver: every event is there once, whatever the receiver answers in
//! between.

// A helper that fails is a test that fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use std::collections::BTreeSet;
use std::time::Duration;

use gatepost::domain::{Clock, SystemClock};
use gatepost::standins::{Fault, Service, StandIn, webhook};
use harness::{Gateway, Post, until};
use serde_json::Value;

const AKTO: &str = "akto-shows-this-token-of-32-byte";

fn started<S: Service>(standin: impl Future<Output = std::io::Result<StandIn<S>>>) -> StandIn<S> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(standin).unwrap()
}

fn config(destination: &str) -> String {
    format!(
        r#"
[sources.akto]
vendor = "akto"
secrets = [{{ value = "{AKTO}" }}]

[destinations.sink]
{destination}

[[routes]]
name = "all"
to = ["sink"]
"#
    )
}

/// Posts two events, which carry `mark` and a number.
fn post(gateway: &Gateway, mark: &str) {
    let now = SystemClock.now().as_millis();
    let record = |number: u32| {
        format!(
            r#"{{"id":"{mark}-{number}","filterId":"SQLInjection","actor":"198.51.100.7","latestApiMethod":"POST",
            "latestApiEndpoint":"/v1/{mark}/{number}","detectedAt":{now},"refId":"{mark}-{number}","severity":"HIGH"}}"#
        )
    };
    gateway.post_bearer("akto", AKTO, format!("[{},{}]", record(1), record(2)).as_bytes()).accepted();
}

fn events_of(gateway: &Gateway) -> BTreeSet<String> {
    gateway.list("events", &[]).iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

fn sink_of(gateway: &Gateway) -> Value {
    Post::get("/readyz").send(gateway.admin).json()["destinations"]["sink"].clone()
}

fn dead(gateway: &Gateway) -> usize {
    gateway.list("deliveries", &["--state", "dead"]).len()
}

/// What a receiver may do to a request, and the request is not to blame for it.
fn bad_weather() -> [Fault; 6] {
    [
        Fault::Status429 { retry_after: Some(Duration::from_secs(1)) },
        Fault::NoFault,
        Fault::Status(500),
        Fault::TakenThenReset,
        Fault::Reset,
        Fault::Status(503),
    ]
}

#[test]
fn a_webhook_has_every_event_once_and_a_repetition_under_its_id() {
    let receiver = started(webhook::start());
    let (url, secret) = (receiver.url(), webhook::SECRET);
    let destination = format!("type = \"webhook\"\nurl = \"{url}\"\nsecret = {{ value = \"{secret}\" }}\nbatch = 10");
    let gateway = Gateway::start(&config(&destination));
    gateway.run(&["probe", "sink"]).done().prints("sink has taken the test event");
    assert_eq!(receiver.mentions("TEST · "), 1);
    receiver.script(bad_weather());
    for number in 0..6 {
        post(&gateway, &format!("mark{number}"));
        gateway.dispatched();
    }
    until("every event is there", || (receiver.effects() == 1 + 12).then_some(()));
    gateway.settle();
    let taken = receiver.taken();
    let ids: BTreeSet<String> = taken[1..]
        .iter()
        .flat_map(|taken| taken.events())
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, events_of(&gateway));
    assert_eq!(taken.iter().map(|taken| taken.repetitions).sum::<usize>(), 1, "the answer that was lost: {taken:#?}");
    assert_eq!((receiver.effects(), dead(&gateway)), (13, 0));
}

#[test]
fn a_webhook_that_is_not_wanted_any_more_stops_and_keeps_its_events() {
    let receiver = started(webhook::start());
    let destination =
        format!("type = \"webhook\"\nurl = \"{}\"\nsecret = {{ value = \"{}\" }}", receiver.url(), webhook::SECRET);
    let gateway = Gateway::start(&config(&destination));
    receiver.always(Some(Fault::Status(410)));
    post(&gateway, "kept");
    until("it is stopped", || (sink_of(&gateway)["state"] == "stopped").then_some(()));
    let reason = sink_of(&gateway)["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("wants no more webhooks"), "{reason}");
    receiver.always(Some(Fault::Redirect(format!("{}/elsewhere", receiver.base_url()))));
    gateway.signal("HUP");
    until("the redirect is told", || sink_of(&gateway)["reason"].as_str()?.contains("redirect").then_some(()));
    assert!(receiver.requests().iter().all(|request| request.path != "/elsewhere"), "a redirect was followed");
    receiver.always(None);
    gateway.signal("HUP");
    until("every event is there", || (receiver.effects() == 2).then_some(()));
    gateway.settle();
    assert_eq!((receiver.effects(), dead(&gateway)), (2, 0));
}
