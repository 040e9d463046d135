//! Incidents to pages.

use super::*;
use crate::destinations::life::{self, OwnedTelling};
use crate::destinations::pagerduty::{KIND, errors};
use crate::destinations::testing::{self, body, done, reply, sent};
use crate::destinations::{Fault, HttpRequest};
use crate::domain::OutcomeKind::{Delivered, Refused, Unknown};
use crate::domain::{Audience, Change, Outcome};

const SETTINGS: &str = "routing_key = { env = \"PAGERDUTY_ROUTING_KEY\" }";

fn notifier() -> Box<dyn Notifier> {
    testing::notifier(&KIND, SETTINGS)
}

fn taken(_: &str, request: &HttpRequest) -> Reply {
    let key = body(request)["dedup_key"].clone();
    reply(202, &json!({ "status": "success", "message": "Event processed", "dedup_key": key }).to_string())
}

fn told(stage: &str) -> OwnedTelling {
    life::at(stage, NotifierClass::Pager)
}

fn request(told: &OwnedTelling) -> Value {
    body(&sent(notifier().first(&told.job(), &told.telling())).1)
}

#[test]
fn a_life_is_golden() {
    let stages = life::live(notifier().as_ref(), taken);
    let names: Vec<&str> = stages.iter().map(|(name, _)| *name).collect();
    let never = ["update", "quiet", "repeat"];
    assert_eq!(names, life::STAGES.into_iter().filter(|stage| !never.contains(stage)).collect::<Vec<_>>());
    for (name, conversation) in stages {
        testing::golden("pagerduty", &format!("life/{name}"), &conversation);
    }
}

#[test]
fn a_summary_reads_as_promised() {
    let payload = &request(&told("worse"))["payload"];
    let summary = "CRITICAL · SUCCEEDED · SQL injection on POST /v1/payments · api.example.com · #4711";
    assert_eq!(payload["summary"], summary);
    let named = ["component", "group", "class", "source", "severity"].map(|name| payload[name].as_str().unwrap());
    assert_eq!(named, ["api.example.com", "akto", "SqlInjection", "api.example.com", "critical"]);
    let mut told = told("worse");
    told.incident.title = "SQL injection on api.example.com".into();
    assert_eq!(request(&told)["payload"]["summary"], "CRITICAL · SUCCEEDED · SQL injection on api.example.com · #4711");
    told.incident.title = "x".repeat(5000);
    let summary = request(&told)["payload"]["summary"].as_str().unwrap().to_owned();
    assert!(summary.ends_with("… · api.example.com · #4711") && summary.chars().count() == 1024, "{summary}");
}

#[test]
fn details_come_in_the_order_in_which_they_are_read() {
    let told = told("worse");
    let text = String::from_utf8(sent(notifier().first(&told.job(), &told.telling())).1.body.to_vec()).unwrap();
    let order = [
        "what is new",
        "who",
        "what",
        "how often",
        "when",
        "what happened",
        "what it means",
        "what to do",
        "from",
        "in gatepost",
        "event_id",
    ];
    let places: Vec<usize> = order.iter().map(|name| text.find(&format!("\"{name}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
    let details = &request(&told)["payload"]["custom_details"];
    assert!(details.as_object().unwrap().values().all(Value::is_string), "{details:#}");
    assert!(!details.to_string().contains("null"), "{details:#}");
}

#[test]
fn every_page_has_a_key_of_its_own_and_old_pages_keep_theirs() {
    let id = told("open").incident.id.to_string();
    for (operation, action, page) in [
        (Operation::Trigger { page: 1 }, "trigger", 1),
        (Operation::Trigger { page: 3 }, "trigger", 3),
        (Operation::AcknowledgePage { page: 2 }, "acknowledge", 2),
        (Operation::ResolvePage { page: 1 }, "resolve", 1),
    ] {
        let mut told = told("raise").with(Change::Raise, operation);
        let event = request(&told);
        assert_eq!(
            (event["event_action"].as_str(), event["dedup_key"].as_str()),
            (Some(action), Some(format!("{id}/{page}").as_str()))
        );
        let old = json!({ "dedup_keys": { page.to_string(): "the-old-key" } });
        told.told.reference = life::reference("the-old-key", old.clone());
        assert_eq!(request(&told)["dedup_key"], "the-old-key");
        let (_, outcome) = life::converse(notifier().as_ref(), &told.job(), &told.telling(), &taken);
        let Outcome::Delivered { remote } = outcome else { panic!() };
        // What is known of old pages outlives a new one; acknowledging and resolving create nothing.
        assert_eq!(remote, if action == "trigger" { life::reference("the-old-key", old) } else { None });
    }
}

#[test]
fn acknowledging_and_resolving_say_nothing_but_the_key() {
    for operation in [Operation::AcknowledgePage { page: 1 }, Operation::ResolvePage { page: 1 }] {
        let event = request(&told("resolve").with(Change::Resolve, operation));
        let keys: Vec<&str> = event.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["dedup_key", "event_action", "routing_key"]);
    }
}

#[test]
fn every_request_fulfils_the_contract() {
    let contract = testing::contract("pagerduty-event.schema.json");
    for told in life::every_telling(NotifierClass::Pager, 23) {
        for operation in [told.intent.operation, Operation::Trigger { page: 2 }, Operation::ResolvePage { page: 1 }] {
            let told = told.clone().with(told.intent.change, operation);
            let Next::Send(_, _) = notifier().first(&told.job(), &told.telling()) else { continue };
            let (_, request) = sent(notifier().first(&told.job(), &told.telling()));
            assert!(request.body.len() <= REQUEST_BYTES_MAX);
            let body = body(&request);
            if let Some(contract) = &contract {
                contract.assert(&body);
            }
            let summary = body["payload"]["summary"].as_str().unwrap_or_default();
            assert!(!summary.contains(['\n', '\r', '\u{202e}']), "{summary}");
            assert!(!testing::leaks(&body["payload"].to_string()));
        }
    }
}

#[test]
fn after_a_doubt_the_same_request_goes_out_again() {
    for operation in
        [Operation::Trigger { page: 1 }, Operation::AcknowledgePage { page: 1 }, Operation::ResolvePage { page: 1 }]
    {
        let told = told("raise").with(Change::Raise, operation);
        let nothing = crate::domain::Progress::default();
        let doubtful = life::in_doubt(told.job(), &nothing);
        let again = sent(notifier().first(&doubtful, &told.telling())).1.body;
        assert_eq!(again, sent(notifier().first(&told.job(), &told.telling())).1.body);
    }
}

#[test]
fn replies_mean_the_same_for_every_operation() {
    for operation in
        [Operation::Trigger { page: 1 }, Operation::AcknowledgePage { page: 1 }, Operation::ResolvePage { page: 1 }]
    {
        let told = told("raise").with(Change::Raise, operation);
        let answer = |reply: &Reply| done(notifier().next(&told.job(), &told.telling(), TRIGGER, reply));
        testing::assert_errors(errors::EVENTS, |status, body| {
            notifier().next(&told.job(), &told.telling(), TRIGGER, &reply(status, body))
        });
        assert_eq!(answer(&reply(202, r#"{"status":"success"}"#)).kind(), Delivered);
        assert_eq!(answer(&reply(202, "<html>")).kind(), Unknown);
        assert_eq!(answer(&Reply::Failed(Fault { may_have_arrived: true, detail: "x".into() })).kind(), Unknown);
    }
}

#[test]
fn what_a_pager_has_not_is_refused_and_not_sent() {
    for operation in [
        Operation::Create { number: 1 },
        Operation::Edit,
        Operation::Reply { number: 1, audience: Audience::Thread },
        Operation::Transition,
    ] {
        let told = told("raise").with(Change::Raise, operation);
        assert_eq!(done(notifier().first(&told.job(), &told.telling())).kind(), Refused);
    }
}

#[test]
fn a_probe_says_test_and_shows_no_number() {
    let event = testing::event("minimal");
    let job = Job { purpose: Purpose::Probe, ..testing::job(&event) };
    let probe = crate::destinations::ProbeTelling::of(&event, notifier().class(), job.now);
    let event = body(&sent(notifier().first(&job, &probe.telling())).1);
    let text = event["payload"].to_string();
    assert!(event["payload"]["summary"].as_str().unwrap().starts_with("TEST · "), "{text}");
    assert!(!text.contains("#0") && !text.contains("incidents show"), "{text}");
    assert_eq!(event["payload"]["custom_details"]["test"], "true");
}

#[test]
fn another_key_or_region_is_another_place() {
    let eu = testing::notifier(&KIND, &format!("{SETTINGS}\nurl = \"https://events.eu.pagerduty.com\""));
    assert_eq!(notifier().fingerprint(), notifier().fingerprint());
    assert_ne!(notifier().fingerprint(), eu.fingerprint());
}
