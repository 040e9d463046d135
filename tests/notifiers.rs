//! Notifiers over HTTP, from the vendor's request to the person: one page and one ticket for an incident, acknowledged and
//! ended with it, whatever the destination answers in between.

// A helper that fails is a test that fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use std::time::Duration;

use gatepost::domain::{Clock, SystemClock};
use gatepost::standins::{Fault, Service, StandIn, opsgenie, servicenow};
use harness::{Gateway, Post, until};

const AKTO: &str = "akto-shows-this-token-of-32-byte";

fn started<S: Service>(standin: impl Future<Output = std::io::Result<StandIn<S>>>) -> StandIn<S> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(standin).unwrap()
}

fn gateway(destination: &str) -> Gateway {
    Gateway::start(&format!(
        r#"
[sources.akto]
vendor = "akto"
secrets = [{{ value = "{AKTO}" }}]

[incidents]
wait = "0s"

[destinations.people]
{destination}

[[routes]]
name = "all"
to = ["people"]
"#
    ))
}

/// Posts two events of one incident.
fn post(gateway: &Gateway) {
    let now = SystemClock.now().as_millis();
    let record = |number: u32| {
        format!(
            r#"{{"id":"mark-{number}","filterId":"SQLInjection","actor":"198.51.100.7","latestApiMethod":"POST",
            "latestApiEndpoint":"/v1/orders","detectedAt":{now},"refId":"mark-{number}","severity":"HIGH"}}"#
        )
    };
    gateway.post_bearer("akto", AKTO, format!("[{},{}]", record(1), record(2)).as_bytes()).accepted();
    gateway.dispatched();
}

/// What a destination may do to a request, and the request is not to blame for it. Few, because pauses double.
fn bad_weather() -> [Fault; 4] {
    let retry_after = Some(Duration::from_secs(1));
    [Fault::Status429 { retry_after }, Fault::TakenThenReset, Fault::NoFault, Fault::Status(503)]
}

fn dead(gateway: &Gateway) -> usize {
    gateway.list("deliveries", &["--state", "dead"]).len()
}

#[test]
fn opsgenie_has_one_alert_for_an_incident_which_is_acknowledged_and_closed_with_it() {
    use opsgenie::Status::{Acknowledged, Closed, Open};
    let pager = started(opsgenie::start());
    let (url, key) = (pager.base_url(), opsgenie::API_KEY);
    let gateway = gateway(&format!("type = \"opsgenie\"\nurl = \"{url}\"\napi_key = {{ value = \"{key}\" }}"));
    let statuses = || pager.alerts().iter().map(|alert| alert.status).collect::<Vec<_>>();
    pager.script(bad_weather());
    post(&gateway);
    until("it is paged", || (statuses() == [Open]).then_some(()));
    gateway.settle();
    assert_eq!(pager.alerts()[0].requests.len(), 1, "it was looked for before it was sent again");
    gateway.run(&["incidents", "ack", "1", "--by", "dana", "--note", "looking"]).done();
    until("it is acknowledged", || (statuses() == [Acknowledged]).then_some(()));
    gateway.settle();
    gateway.run(&["incidents", "resolve", "1", "--by", "dana", "--note", "blocked at the edge"]).done();
    until("it is closed", || (statuses() == [Closed]).then_some(()));
    gateway.settle();
    let notes: Vec<String> = pager.alerts()[0].changes.iter().filter_map(|(_, _, note)| note.clone()).collect();
    assert!(notes[0].contains("looking") && notes[1].contains("blocked at the edge"), "{notes:?}");
    assert_eq!((pager.effects(), dead(&gateway)), (1, 0));
}

#[test]
fn opsgenie_that_refuses_its_key_is_stopped_and_pages_once_the_key_is_right() {
    let pager = started(opsgenie::start());
    let (url, key) = (pager.base_url(), opsgenie::API_KEY);
    let gateway = gateway(&format!("type = \"opsgenie\"\nurl = \"{url}\"\napi_key = {{ value = \"{key}\" }}"));
    pager.always(Some(Fault::Unauthorized));
    post(&gateway);
    let state = || Post::get("/readyz").send(gateway.admin).json()["destinations"]["people"]["state"].clone();
    until("it is stopped", || (state() == "stopped").then_some(()));
    pager.always(None);
    gateway.signal("HUP");
    until("it is paged", || (pager.effects() == 1).then_some(()));
    gateway.settle();
    assert_eq!((state(), pager.alerts()[0].requests.len(), dead(&gateway)), ("running".into(), 1, 0));
}

#[test]
fn servicenow_has_one_ticket_for_an_incident_which_is_resolved_with_it() {
    let instance = started(servicenow::start());
    let gateway = gateway(&format!(
        "type = \"servicenow\"\nurl = \"{}\"\nuser = \"{}\"\npassword = {{ value = \"{}\" }}\n\
         close_code = \"Solution provided\"",
        instance.base_url(),
        servicenow::USER,
        servicenow::PASSWORD
    ));
    instance.script(bad_weather());
    post(&gateway);
    until("there is a ticket", || (instance.effects() == 1).then_some(()));
    gateway.settle();
    gateway.run(&["incidents", "ack", "1", "--by", "dana", "--note", "looking"]).done();
    until("the ticket says who has it", || (instance.tickets()[0].work_notes.len() == 1).then_some(()));
    gateway.settle();
    instance.script([Fault::TakenThenReset]);
    gateway.run(&["incidents", "resolve", "1", "--by", "dana", "--note", "blocked at the edge"]).done();
    until("the ticket is resolved", || (instance.tickets()[0].text("state") == "6").then_some(()));
    gateway.settle();
    let ticket = instance.tickets().remove(0);
    assert!(ticket.text("close_notes").contains("blocked at the edge"), "{ticket:#?}");
    assert_eq!((ticket.work_notes.len(), instance.effects(), dead(&gateway)), (2, 1, 0), "{:#?}", ticket.work_notes);
}
