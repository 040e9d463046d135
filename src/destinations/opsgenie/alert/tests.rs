//! Incidents to alerts.

use serde_json::{Value, json};

use super::*;
use crate::destinations::HttpRequest;
use crate::destinations::life::{self, OwnedTelling};
use crate::destinations::opsgenie::KIND;
use crate::destinations::opsgenie::content::{
    DESCRIPTION_CHARS_MAX, DETAILS_CHARS_MAX, ENTITY_CHARS_MAX, MESSAGE_CHARS_MAX, NOTE_CHARS_MAX, SOURCE_CHARS_MAX,
    TAG_CHARS_MAX,
};
use crate::destinations::opsgenie::processing::FIRST_PAUSE;
use crate::destinations::opsgenie::tests::TAKEN;
use crate::destinations::testing::{self, body, done, reply, sent};
use crate::domain::OutcomeKind::Refused;
use crate::domain::{Audience, Change, Progress, Purpose};

const CHANGES: [(&str, Operation); 2] =
    [("acknowledge", Operation::AcknowledgePage { page: 1 }), ("resolve", Operation::ResolvePage { page: 1 })];
const SETTINGS: &str = "api_key = { env = \"OPSGENIE_API_KEY\" }\nresponders = [\"team:SOC\"]";

fn notifier() -> Box<dyn Notifier> {
    testing::notifier(&KIND, SETTINGS)
}

fn told(stage: &str) -> OwnedTelling {
    life::at(stage, NotifierClass::Pager)
}

fn request(told: &OwnedTelling) -> Value {
    body(&sent(notifier().first(&told.job(), &told.telling())).1)
}

fn change(stage: &str, operation: Operation) -> OwnedTelling {
    let told = told(stage);
    let change = told.intent.change;
    told.with(change, operation)
}

#[test]
fn a_life_is_golden() {
    let stages = life::live(notifier().as_ref(), |step, _| match step {
        ASK => reply(200, r#"{"data":{"isSuccess":true,"status":"done"}}"#),
        _ => reply(202, TAKEN),
    });
    let names: Vec<&str> = stages.iter().map(|(name, _)| *name).collect();
    let never = ["update", "quiet", "repeat"];
    assert_eq!(names, life::STAGES.into_iter().filter(|stage| !never.contains(stage)).collect::<Vec<_>>());
    for (name, conversation) in stages {
        testing::golden("opsgenie", &format!("life/{name}"), &conversation);
    }
}

#[test]
fn an_alert_without_one_to_change_is_no_failure() {
    let nothing_there = |_: &str, _: &HttpRequest| reply(404, r#"{"message":"Alert does not exist"}"#);
    for (stage, operation) in CHANGES {
        let told = change(stage, operation);
        let (said, outcome) = life::converse(notifier().as_ref(), &told.job(), &told.telling(), &nothing_there);
        assert_eq!((said.len(), outcome), (1, Outcome::Delivered { remote: None }));
    }
}

#[test]
fn a_message_reads_as_promised() {
    let alert = request(&told("worse"));
    let message = "CRITICAL · SUCCEEDED · SQL injection on POST /v1/payments · api.example.com · #4711";
    assert_eq!((alert["message"].as_str(), alert["priority"].as_str()), (Some(message), Some("P1")));
    let named = ["entity", "source", "user"].map(|name| alert[name].as_str().unwrap());
    assert_eq!(named, ["api.example.com", "gatepost akto", "gatepost"]);
    assert_eq!(alert["tags"], json!(["gatepost", "akto", "critical", "succeeded"]));
    assert_eq!(alert["responders"], json!([{ "type": "team", "name": "SOC" }]));
    let mut told = told("worse");
    told.incident.title = "x".repeat(5000);
    let message = request(&told)["message"].as_str().unwrap().to_owned();
    assert!(message.ends_with("… · api.example.com · #4711") && message.chars().count() == 130, "{message}");
    told.event.target.as_mut().unwrap().host = Some("h".repeat(500));
    let message = request(&told)["message"].as_str().unwrap().to_owned();
    assert!(message.ends_with("… · #4711") && message.contains("xxx"), "the title has its place: {message}");
}

#[test]
fn a_description_comes_in_the_order_in_which_it_is_read() {
    let alert = request(&told("worse"));
    let text = alert["description"].as_str().unwrap();
    let order = [
        "now CRITICAL, SUCCEEDED",
        "14.143.179.162",
        "1,204 events",
        "What happened",
        "What it means",
        "What to do",
        "Akto ·",
        "gatepost incidents show 4711",
    ];
    let places: Vec<usize> =
        order.iter().map(|name| text.find(name).unwrap_or_else(|| panic!("{name}: {text}"))).collect();
    assert!(places.is_sorted(), "{text}");
    let details = alert["details"].as_object().unwrap();
    assert!(details.values().all(Value::is_string) && details["event_id"].is_string(), "{details:#?}");
}

#[test]
fn every_alert_has_an_alias_of_its_own() {
    let id = told("open").incident.id.to_string();
    for (operation, path, page) in [
        (Operation::Trigger { page: 1 }, "/v2/alerts".to_owned(), 1),
        (Operation::Trigger { page: 3 }, "/v2/alerts".to_owned(), 3),
        (Operation::AcknowledgePage { page: 2 }, format!("/v2/alerts/{id}-2/acknowledge"), 2),
        (Operation::ResolvePage { page: 1 }, format!("/v2/alerts/{id}-1/close"), 1),
    ] {
        let told = told("raise").with(Change::Raise, operation);
        let (_, request) = sent(notifier().first(&told.job(), &told.telling()));
        assert_eq!((request.method.as_str(), request.url.path()), ("POST", path.as_str()));
        let is_trigger = matches!(operation, Operation::Trigger { .. });
        assert_eq!(request.url.query(), (!is_trigger).then_some("identifierType=alias"));
        let alias = format!("{id}-{page}");
        assert_eq!(body(&request)["alias"].as_str(), is_trigger.then_some(alias.as_str()));
        let processed = reply(200, r#"{"data":{"isSuccess":true}}"#);
        let outcome = done(notifier().next(&told.job(), &told.telling(), ASK, &processed));
        assert_eq!(outcome, Outcome::Delivered { remote: is_trigger.then(|| Reference::named(alias)) });
    }
}

#[test]
fn acknowledging_and_closing_say_who_and_why() {
    for ((stage, operation), why) in CHANGES.into_iter().zip(["looking at the logs", "blocked at the edge"]) {
        let change = request(&change(stage, operation));
        let keys: Vec<&str> = change.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["note", "source", "user"]);
        let note = change["note"].as_str().unwrap();
        assert!(note.contains("dana") && note.contains(why), "{note}");
    }
}

#[test]
fn every_request_keeps_its_limits_and_holds_no_tag() {
    for told in life::every_telling(NotifierClass::Pager, 29) {
        for operation in [told.intent.operation, Operation::Trigger { page: 2 }, Operation::ResolvePage { page: 1 }] {
            let told = told.clone().with(told.intent.change, operation);
            let Next::Send(..) = notifier().first(&told.job(), &told.telling()) else { continue };
            let (_, request) = sent(notifier().first(&told.job(), &told.telling()));
            let whole = String::from_utf8(request.body.to_vec()).unwrap();
            assert!(!whole.contains(['<', '>']) && !testing::leaks(&whole), "{whole}");
            let body = body(&request);
            let length = |text: &Value| text.as_str().unwrap_or_default().encode_utf16().count();
            for (name, max) in [
                ("message", MESSAGE_CHARS_MAX),
                ("description", DESCRIPTION_CHARS_MAX),
                ("entity", ENTITY_CHARS_MAX),
                ("note", NOTE_CHARS_MAX),
                ("source", SOURCE_CHARS_MAX),
                ("user", SOURCE_CHARS_MAX),
            ] {
                assert!(length(&body[name]) <= max, "{name}");
            }
            assert!(body["details"].to_string().encode_utf16().count() <= DETAILS_CHARS_MAX);
            let tags = body["tags"].as_array().cloned().unwrap_or_default();
            assert!(tags.len() <= 20 && tags.iter().all(|tag| (1..=TAG_CHARS_MAX).contains(&length(tag))), "{tags:?}");
            let message = body["message"].as_str().unwrap_or_default();
            assert!(!message.contains(['\n', '\r', '\u{202e}']), "{message}");
            assert!(!matches!(operation, Operation::Trigger { .. }) || !message.is_empty());
        }
    }
}

#[test]
fn after_a_doubt_an_alert_is_looked_for_and_a_change_goes_out_again() {
    let nothing = Progress::default();
    let told = told("raise").with(Change::Raise, Operation::Trigger { page: 2 });
    let alias = format!("{}-2", told.incident.id);
    let job = life::in_doubt(told.job(), &nothing);
    let (step, request) = sent(notifier().first(&job, &told.telling()));
    assert_eq!(
        (step, request.method.as_str(), request.url.path()),
        (LOOK, "GET", format!("/v2/alerts/{alias}").as_str())
    );
    let looked = |reply: &Reply| notifier().next(&job, &told.telling(), LOOK, reply);
    let there = json!({ "data": { "id": "x", "alias": alias, "status": "open" } }).to_string();
    assert_eq!(done(looked(&reply(200, &there))), Outcome::Delivered { remote: Some(Reference::named(alias)) });
    for not_there in [reply(404, r#"{"message":"Alert does not exist"}"#), reply(403, "")] {
        let (step, again) = sent(looked(&not_there));
        assert_eq!((step, again.body), (CREATE, sent(notifier().first(&told.job(), &told.telling())).1.body));
    }
    let another = json!({ "data": { "alias": "another" } }).to_string();
    for unclear in [reply(200, &another), reply(200, "<html>"), reply(500, "")] {
        assert!(matches!(done(looked(&unclear)), Outcome::Retry { .. }), "{unclear:?}");
    }
    for operation in [Operation::AcknowledgePage { page: 1 }, Operation::ResolvePage { page: 1 }] {
        let told = told.clone().with(Change::Raise, operation);
        let again = sent(notifier().first(&life::in_doubt(told.job(), &nothing), &told.telling()));
        assert_eq!(again.1.body, sent(notifier().first(&told.job(), &told.telling())).1.body);
    }
}

/// What is noted once Opsgenie has taken the request.
fn noted(told: &OwnedTelling) -> Progress {
    match done(notifier().next(&told.job(), &told.telling(), CREATE, &reply(202, TAKEN))) {
        Outcome::Pending { progress, .. } => progress,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_noted_of_one_request_says_nothing_of_another() {
    let told = told("worse");
    let operation = |operation| told.clone().with(Change::Raise, operation);
    let first = |notes: &Progress, told: &OwnedTelling| {
        let job = Job { progress: notes, tries: 2, now: told.now.plus(FIRST_PAUSE), ..told.job() };
        sent(notifier().first(&job, &told.telling())).0
    };
    let all = [
        Operation::Trigger { page: 1 },
        Operation::Trigger { page: 2 },
        Operation::AcknowledgePage { page: 1 },
        Operation::ResolvePage { page: 1 },
    ];
    for taken in all {
        let notes = noted(&operation(taken));
        for asked in all {
            let step = first(&notes, &operation(asked));
            assert_eq!(step == ASK, taken == asked, "{taken:?} {asked:?}: {step}");
        }
    }
    // Nor of the same one at another place.
    let notes = noted(&operation(all[0]));
    let elsewhere = testing::notifier(&KIND, &format!("{SETTINGS}\nurl = \"https://api.eu.opsgenie.com\""));
    let told = operation(all[0]);
    let job = Job { progress: &notes, tries: 2, now: told.now.plus(FIRST_PAUSE), ..told.job() };
    assert_eq!(sent(elsewhere.first(&job, &told.telling())).0, CREATE);
}

#[test]
fn a_request_that_was_not_done_goes_out_again_after_a_mend() {
    let ignored = reply(200, r#"{"data":{"isSuccess":false,"status":"Request is ignored by the integration"}}"#);
    for (operation, then) in [
        (Operation::Trigger { page: 1 }, LOOK),
        (Operation::AcknowledgePage { page: 1 }, ACKNOWLEDGE),
        (Operation::ResolvePage { page: 1 }, CLOSE),
    ] {
        let told = told("worse").with(Change::Raise, operation);
        let notes = noted(&told);
        let at_try = |tries| Job { progress: &notes, tries, now: told.now.plus(FIRST_PAUSE), ..told.job() };
        assert_eq!(sent(notifier().first(&at_try(2), &told.telling())).0, ASK);
        let outcome = done(notifier().next(&at_try(2), &told.telling(), ASK, &ignored));
        // The notes stay as they were before that try.
        assert!(matches!(outcome, Outcome::Misconfigured { .. }), "{outcome:?}");
        assert_eq!(sent(notifier().first(&at_try(3), &told.telling())).0, then);
    }
}

#[test]
fn documented_errors_mean_what_their_tables_say() {
    for (operation, alert, processed) in [
        (Operation::Trigger { page: 1 }, errors::ALERT, errors::PROCESSED_ALERT),
        (Operation::AcknowledgePage { page: 1 }, errors::CHANGE, errors::PROCESSED_CHANGE),
        (Operation::ResolvePage { page: 1 }, errors::CHANGE, errors::PROCESSED_CHANGE),
    ] {
        let told = told("raise").with(Change::Raise, operation);
        let notes = noted(&told);
        let job = Job { progress: &notes, ..told.job() };
        for (step, table) in [(CREATE, alert), (ASK, processed)] {
            testing::assert_errors(table, |status, body| {
                notifier().next(&job, &told.telling(), step, &reply(status, body))
            });
        }
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
        assert_eq!(done(notifier().next(&told.job(), &told.telling(), CREATE, &reply(202, TAKEN))).kind(), Refused);
    }
}

#[test]
fn a_probe_says_test_and_shows_no_number() {
    let event = testing::event("minimal");
    let job = Job { purpose: Purpose::Probe, ..testing::job(&event) };
    let probe = crate::destinations::ProbeTelling::of(&event, notifier().class(), job.now);
    let alert = body(&sent(notifier().first(&job, &probe.telling())).1);
    let text = alert.to_string();
    assert!(alert["message"].as_str().unwrap().starts_with("TEST · "), "{text}");
    assert!(!text.contains("#0") && !text.contains("incidents show"), "{text}");
    assert_eq!(alert["details"]["test"], "true");
}

#[test]
fn another_key_or_region_is_another_place() {
    let eu = testing::notifier(&KIND, &format!("{SETTINGS}\nurl = \"https://api.eu.opsgenie.com\""));
    assert_eq!(notifier().fingerprint(), notifier().fingerprint());
    assert_ne!(notifier().fingerprint(), eu.fingerprint());
}
