//! Batches to requests, replies to outcomes, and acknowledgements over several tries.

use super::*;
use crate::destinations::Fault;
use crate::destinations::testing::{self, reply, reply_with, sent};
use crate::domain::OutcomeKind::{self, Delivered, Misconfigured, Refused, Retry, Unknown};
use crate::domain::{EventId, Purpose};

const SETTINGS: &str = "url = \"https://splunk.acme.example:8088\"\ntoken = { env = \"SPLUNK_TOKEN\" }";

fn sink(more: &str) -> Box<dyn Sink> {
    testing::sink(&KIND, &format!("{SETTINGS}\n{more}"))
}

fn batch() -> testing::OwnedBatch {
    testing::batch_of(&[testing::event("minimal")], Purpose::Alert)
}

fn outcome_by(more: &str, step: Step, batch: &Batch<'_>, reply: &Reply) -> Outcome {
    match sink(more).next(batch, step, reply) {
        Next::Done(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

fn outcome(reply: &Reply) -> Outcome {
    outcome_by("", "event", &batch().as_batch(), reply)
}

fn events(request: &HttpRequest) -> Vec<Value> {
    let text = std::str::from_utf8(&request.body).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn settings_are_read_and_faults_named() {
    for good in ["index = \"security_2\"\nack = true", "format = \"ocsf\"\nack = false\ncompression = \"gzip\""] {
        assert!(testing::build(&KIND, &format!("{SETTINGS}\n{good}")).is_ok(), "{good}");
    }
    for (bad, said) in [
        ("token = { env = \"SPLUNK_TOKEN\" }".to_owned(), "url: is missing"),
        ("url = \"https://h.example\"".to_owned(), "token: is missing"),
        ("url = \"https://h.example\"\ntoken = { env = \"LINES\" }".to_owned(), "is not a token"),
        (format!("{SETTINGS}\nindex = \"Main\""), "is not the name of an index"),
        (format!("{SETTINGS}\nindex = \"\""), "is empty"),
        (format!("{SETTINGS}\nack = \"yes\""), "not true or false"),
        (format!("{SETTINGS}\ncompression = true"), "compression"),
        (format!("{SETTINGS}\nformat = \"cef\""), "'cef' is not known"),
    ] {
        let faults = testing::build(&KIND, &bad).unwrap_err();
        assert!(faults.contains(said), "{bad}: {faults}");
    }
    testing::assert_template(&KIND);
    assert!(!testing::leaks(&format!("{:?}", sink(""))));
}

#[test]
fn the_address_may_be_given_as_manuals_print_it() {
    for path in ["", "/", "/services/collector", "/services/collector/", "/services/collector/event"] {
        let settings = SETTINGS.replace(":8088", &format!(":8088{path}"));
        let (_, request) = sent(testing::sink(&KIND, &settings).first(&batch().as_batch()));
        assert_eq!(request.url.as_str(), "https://splunk.acme.example:8088/services/collector/event", "{path}");
    }
}

#[test]
fn requests_are_golden() {
    for (form, more) in
        [("event", ""), ("ocsf", "format = \"ocsf\""), ("acknowledged", "ack = true\nindex = \"security\"")]
    {
        for (name, batch) in &testing::batches() {
            let (step, request) = sent(sink(more).first(&batch.as_batch()));
            assert_eq!(step, "event");
            assert!(!testing::leaks(&format!("{request:?}")));
            testing::golden("splunk", &format!("{name}.{form}"), &testing::transcript(&request));
        }
    }
}

#[test]
fn a_compressed_body_holds_the_same_and_a_question_is_not_compressed() {
    let owned = testing::batch_of(&testing::most_events(), Purpose::Alert);
    let (_, plain) = sent(sink("").first(&owned.as_batch()));
    let (_, small) = sent(sink("compression = \"gzip\"").first(&owned.as_batch()));
    let mut inflated = Vec::new();
    crate::domain::inflate(&small.body, 64 << 20, |piece| inflated.extend_from_slice(piece)).unwrap();
    assert!(inflated == plain.body && small.body.len() < plain.body.len());
    let progress = noted();
    let later = Batch { tries: 2, progress: &progress, ..owned.as_batch() };
    let (step, question) = sent(sink("ack = true\ncompression = \"gzip\"").first(&later));
    assert_eq!((step, testing::body(&question)), ("ack", json!({ "acks": [7] })));
}

#[test]
fn every_event_fulfils_the_contract() {
    let contract = testing::contract("splunk-hec.schema.json");
    let all = testing::most_events();
    for more in ["", "format = \"ocsf\"\nindex = \"security\""] {
        let owned = testing::batch_of(&all, Purpose::Alert);
        let found = events(&sent(sink(more).first(&owned.as_batch())).1);
        assert_eq!(found.len(), all.len());
        for (envelope, event) in found.iter().zip(&all) {
            assert_eq!(envelope["fields"]["event_id"], json!(event.id));
            if let Some(contract) = &contract {
                contract.assert(envelope);
            }
        }
    }
}

#[test]
fn an_event_that_cannot_be_read_is_refused() {
    let refused = sink("").first(&testing::OwnedBatch::broken().as_batch());
    assert!(matches!(refused, Next::Done(Outcome::Refused { .. })), "{refused:?}");
}

#[test]
fn the_table_is_obeyed() {
    testing::assert_errors(errors::COLLECTOR, |status, sample| Next::Done(outcome(&reply(status, sample))));
}

#[test]
fn the_table_knows_every_code_of_the_contract_with_its_status_and_text() {
    let Some(contract) = testing::shared("splunk-hec.schema.json") else { return };
    for (number, code) in contract["x-codes"].as_object().unwrap() {
        let (status, text) = (u16::try_from(code["http"].as_u64().unwrap()).unwrap(), code["text"].as_str().unwrap());
        if status == 200 {
            continue;
        }
        let body = json!({ "text": text, "code": number.parse::<u64>().unwrap() }).to_string();
        let wanted: &[OutcomeKind] = match code["class"].as_str().unwrap() {
            "config" => &[Misconfigured],
            // Of the collector's health, whose texts stand for faults of the token elsewhere.
            "health" => &[Misconfigured],
            "permanent" => &[Refused],
            _ => &[Retry, Unknown],
        };
        let found = outcome(&reply(status, &body));
        assert!(wanted.contains(&found.kind()), "{number}: {found:?}");
        assert!(found.reason().unwrap().contains(&text.to_owned()), "{number}: {found:?}");
    }
}

#[test]
fn the_reply_table() {
    let rows: &[(Reply, OutcomeKind, &str)] = &[
        (reply(200, "<html>"), Unknown, "without saying"),
        (reply(200, r#"{"text":"HEC is healthy","code":17}"#), Unknown, "without saying"),
        (testing::cut_off(200, r#"{"text":"Success","code":0}"#), Unknown, "without saying"),
        (reply(204, ""), Unknown, "without saying"),
        (reply(401, "00000000-aaaa-4bbb-8ccc-00not0a0real \u{1b}[2J"), Misconfigured, "401"),
        (reply(403, r#"{"text":"Invalid token","code":4}"#), Misconfigured, "`token`"),
        (reply(400, r#"{"text":"Invalid data format","code":6,"invalid-event-number":0}"#), Refused, "defect"),
        (reply(404, ""), Misconfigured, "`url`"),
        (reply(413, ""), Refused, "too large"),
        (reply(429, ""), Retry, "rate"),
        (reply(500, ""), Unknown, "trouble"),
        (reply(503, ""), Unknown, "trouble"),
        (reply(503, r#"{"text":"Server is busy","code":9}"#), Retry, "too much to do"),
        (reply_with(303, &[("location", "https://x")], ""), Misconfigured, "redirects are not followed"),
        (Reply::Failed(Fault { may_have_arrived: false, detail: "refused".into() }), Retry, "cannot be reached"),
        (Reply::Failed(Fault { may_have_arrived: true, detail: "timed out".into() }), Unknown, "timed out"),
        (Reply::Appended, Unknown, "another kind"),
    ];
    for (reply, kind, said) in rows {
        let outcome = outcome(reply);
        assert_eq!(outcome.kind(), *kind, "{reply:?}");
        let reason = outcome.reason().unwrap();
        assert!(reason.contains(said) && !testing::leaks(reason) && !reason.contains('\u{1b}'), "{reason}");
    }
    let taken = |code: u64| outcome(&reply(200, &json!({ "text": "Success", "code": code }).to_string()));
    assert_eq!(taken(0), Outcome::Delivered { remote: None });
    for code in [24, 25] {
        assert_eq!(taken(code).kind(), Delivered, "{code}");
        assert_eq!(taken(code), Outcome::DeliveredSlowDown { pause: Duration::from_secs(1) }, "{code}");
    }
}

#[test]
fn a_collector_that_is_busy_is_left_alone() {
    let busy = r#"{"text":"Server is busy","code":9}"#;
    for (headers, seconds) in [(vec![], 5), (vec![("retry-after", "30")], 30)] {
        let Outcome::Retry { after, scope, .. } = outcome(&reply_with(503, &headers, busy)) else { panic!() };
        assert_eq!((after, scope), (Some(Duration::from_secs(seconds)), Scope::Destination));
    }
}

/// What is noted after the events were taken and not acknowledged.
fn noted() -> Progress {
    let taken = reply(200, r#"{"text":"Success","code":0,"ackId":7}"#);
    match outcome_by("ack = true", "event", &batch().as_batch(), &taken) {
        Outcome::Retry { progress, scope: Scope::Delivery, after: Some(_), .. } => progress,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_acknowledgement_is_asked_for_until_it_comes_and_the_events_are_not_sent_meanwhile() {
    let (owned, progress) = (batch(), noted());
    let later = Batch { tries: 2, progress: &progress, ..owned.as_batch() };
    let (step, request) = sent(sink("ack = true").first(&later));
    assert_eq!((step, testing::body(&request)), ("ack", json!({ "acks": [7] })));
    testing::golden("splunk", "acknowledgement", &testing::transcript(&request));
    let (_, events) = sent(sink("ack = true").first(&owned.as_batch()));
    let channel = |request: &HttpRequest| request.headers.last().unwrap().1.expose_str().unwrap().to_owned();
    assert_eq!(channel(&request), channel(&events));
    assert!(request.url.as_str().ends_with(&format!("/services/collector/ack?channel={}", channel(&request))));
    let said = |body: &str| outcome_by("ack = true", "ack", &later, &reply(200, body));
    assert_eq!(said(r#"{"acks":{"7":true}}"#), Outcome::Delivered { remote: None });
    let Outcome::Retry { progress: still, .. } = said(r#"{"acks":{"7":false}}"#) else { panic!() };
    assert_eq!(still, progress);
    for odd in [r#"{"acks":{"8":true}}"#, "{}", "<html>"] {
        let Outcome::Retry { progress: still, .. } = said(odd) else { panic!("{odd}") };
        assert_eq!(still, progress, "{odd}");
    }
    let silent = Reply::Failed(Fault { may_have_arrived: true, detail: "timed out".into() });
    let Outcome::Retry { progress: still, .. } = outcome_by("ack = true", "ack", &later, &silent) else { panic!() };
    assert_eq!(still, progress, "a question that was lost is asked again");
}

#[test]
fn what_is_not_acknowledged_within_five_minutes_is_sent_again() {
    let (owned, progress) = (batch(), noted());
    let after = |seconds: u64| {
        let now = owned.as_batch().now.plus(Duration::from_secs(seconds));
        sent(sink("ack = true").first(&Batch { tries: 2, progress: &progress, now, ..owned.as_batch() })).0
    };
    assert_eq!((after(299), after(300)), ("ack", "event"));
    let switched_off = Batch { tries: 2, progress: &progress, ..owned.as_batch() };
    assert_eq!(sent(sink("").first(&switched_off)).0, "event");
}

#[test]
fn a_token_without_acknowledgements_is_a_fault_of_the_settings() {
    let taken = reply(200, r#"{"text":"Success","code":0}"#);
    let found = outcome_by("ack = true", "event", &batch().as_batch(), &taken);
    let Outcome::Misconfigured { reason, scope: Scope::Destination } = found else { panic!("{found:?}") };
    assert!(reason.contains("ack = false"), "{reason}");
}

#[test]
fn what_stands_before_a_refused_event_is_not_sent_again() {
    let events: Vec<_> =
        (0..6).map(|_| crate::domain::Event { id: EventId::generate(), ..testing::event("minimal") }).collect();
    let owned = testing::batch_of(&events, Purpose::Alert);
    let answer = |number: Value| {
        let said = json!({ "text": "Invalid data format", "code": 6, "invalid-event-number": number });
        reply(400, &said.to_string())
    };
    let Outcome::DeliveredExcept { refused, again } = outcome_by("", "event", &owned.as_batch(), &answer(json!(3)))
    else {
        panic!()
    };
    // Some versions count from one: the event before is sent by itself as well, so that none is lost.
    let ids: Vec<EventId> = again.iter().map(|(id, _)| *id).collect();
    assert_eq!((refused.len(), ids), (0, events[2..].iter().map(|event| event.id).collect()));
    assert!(again[1].1.contains("cannot read an event") && again[2].1.contains("behind"), "{again:?}");
    // Where nothing is known to be there, where a number names none of them, and where acknowledgements are waited for.
    for odd in [json!(0), json!(1), json!(6), json!(-1), json!("3"), Value::Null] {
        assert_eq!(outcome_by("", "event", &owned.as_batch(), &answer(odd.clone())).kind(), Refused, "{odd}");
    }
    assert_eq!(outcome_by("ack = true", "event", &owned.as_batch(), &answer(json!(3))).kind(), Refused);
    assert_eq!(outcome(&answer(json!(0))).kind(), Refused, "one by itself is a dead letter");
    let busy = json!({ "text": "Server is busy", "code": 9, "invalid-event-number": 3 }).to_string();
    assert_eq!(outcome_by("", "event", &owned.as_batch(), &reply(503, &busy)).kind(), Retry);
}

#[test]
fn a_queue_that_is_nearly_full_is_given_time_once_its_events_are_acknowledged() {
    let owned = batch();
    for (code, slow) in [(0, false), (24, true), (25, true)] {
        let taken = reply(200, &json!({ "text": "x", "code": code, "ackId": 7 }).to_string());
        let Outcome::Retry { progress, .. } = outcome_by("ack = true", "event", &owned.as_batch(), &taken) else {
            panic!()
        };
        let later = Batch { tries: 2, progress: &progress, ..owned.as_batch() };
        let said = |body: &str| outcome_by("ack = true", "ack", &later, &reply(200, body));
        let Outcome::Retry { progress: still, .. } = said(r#"{"acks":{"7":false}}"#) else { panic!() };
        assert_eq!(still, progress);
        let pause = Duration::from_secs(1);
        let wanted = if slow { Outcome::DeliveredSlowDown { pause } } else { Outcome::Delivered { remote: None } };
        assert_eq!(said(r#"{"acks":{"7":true}}"#), wanted, "{code}");
    }
}
