//! Openings to requests, replies to outcomes.

use super::*;
use crate::destinations::Fault;
use crate::destinations::testing::{self, Opening, body, reply, reply_with, sent};
use crate::domain::OutcomeKind::{self, Misconfigured, Refused, Retry, Unknown};
use crate::domain::Scope;
use serde_json::json;

const SETTINGS: &str = "routing_key = { env = \"PAGERDUTY_ROUTING_KEY\" }";

fn destination() -> Opening {
    Opening::at(&KIND, SETTINGS)
}

fn outcome(reply: &Reply) -> Outcome {
    let event = testing::event("minimal");
    match destination().next(&testing::job(&event), "trigger", reply) {
        Next::Done(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

#[test]
fn settings_are_read_and_faults_named() {
    for good in ["url = \"https://events.eu.pagerduty.com\"", "api_url = \"http://127.0.0.1:9/v2/enqueue\""] {
        assert!(testing::build(&KIND, &format!("{SETTINGS}\n{good}")).is_ok(), "{good}");
    }
    for (bad, said) in [
        ("", "routing_key: is missing"),
        ("routing_key = { env = \"SHORT\" }", "32 letters and digits"),
        ("routing_key = { env = \"SYMBOLS\" }", "32 letters and digits"),
        ("routing_key = { env = \"PAGERDUTY_ROUTING_KEY\" }\nurl = \"ftp://x\"", "neither http nor https"),
        ("routing_key = { env = \"PAGERDUTY_ROUTING_KEY\" }\nseverity = \"info\"", "not a known key"),
    ] {
        let faults = testing::build(&KIND, bad).unwrap_err();
        assert!(faults.contains(said), "{bad}: {faults}");
    }
    testing::assert_template(&KIND);
    assert!(!testing::leaks(&format!("{:?}", destination())));
}

#[test]
fn requests_are_golden() {
    for (name, job) in &testing::jobs() {
        let (_, request) = sent(destination().first(&job.as_job()));
        assert!(!testing::leaks(&format!("{request:?}")));
        testing::golden("pagerduty", name, &testing::transcript(&request));
    }
}

#[test]
fn the_contract_refuses_what_pagerduty_would_refuse() {
    let Some(contract) = testing::contract("pagerduty-event.schema.json") else { return };
    let event = testing::event("full");
    let good = body(&sent(destination().first(&testing::job(&event))).1);
    for (pointer, bad) in [
        ("/payload/summary", json!("x".repeat(1025))),
        ("/payload/summary", json!("")),
        ("/payload/severity", json!("high")),
        ("/payload/source", json!("")),
        ("/routing_key", json!("short")),
        ("/dedup_key", json!("x".repeat(256))),
        ("/links/0", json!({ "text": "nowhere" })),
    ] {
        let mut broken = good.clone();
        *broken.pointer_mut(pointer).unwrap() = bad;
        assert!(!contract.accepts(&broken), "{pointer}");
    }
}

#[test]
fn nothing_secret_and_nothing_absent_is_told() {
    for name in ["akto", "hostile"] {
        let event = testing::event(name);
        let text = body(&sent(destination().first(&testing::job(&event))).1)["payload"].to_string();
        assert!(!text.contains("not-a-real"), "{text}");
        assert!(!text.contains("null"), "{text}");
    }
}

#[test]
fn severities_are_pagerdutys() {
    let words: Vec<&str> = (0..=6).chain([99]).map(|id| severity(Severity::from_id(id))).collect();
    assert_eq!(words, ["warning", "info", "info", "warning", "error", "critical", "critical", "warning"]);
}

#[test]
fn the_reply_table() {
    let key_error = r#"{"status":"invalid event","errors":["Length of 'routing_key' is incorrect"]}"#;
    let rows: &[(Reply, OutcomeKind, &str)] = &[
        (reply(202, "<html>"), Unknown, "without saying"),
        (reply(202, r#"{"status":"failure"}"#), Unknown, "without saying"),
        (testing::cut_off(202, r#"{"status":"success"}"#), Unknown, "without saying"),
        (reply(200, r#"{"status":"success"}"#), Unknown, "200"),
        (reply(204, ""), Unknown, "204"),
        (reply(400, key_error), Misconfigured, "`routing_key`"),
        (reply(400, r#"{"status":"invalid event","errors":["'payload' is missing"]}"#), Refused, "'payload'"),
        (reply(400, "\u{1b}[2Jn0tarealroutingkeyn0tarealroutin"), Misconfigured, "400"),
        (reply(400, "Invalid routing key"), Misconfigured, "It said: Invalid routing key"),
        (reply(400, r#"{"message":"Invalid Routing Key"}"#), Misconfigured, "copy the integration key"),
        (reply(403, "Invalid routing key"), Misconfigured, "copy the integration key"),
        // What an alert says, repeated by PagerDuty, is no complaint about the key.
        (
            reply(400, r#"{"status":"invalid event","errors":["'payload.class' x Invalid routing key"]}"#),
            Refused,
            "payload.class",
        ),
        (reply(401, ""), Misconfigured, "credentials"),
        (reply(403, ""), Misconfigured, "403"),
        (reply(404, ""), Misconfigured, "address"),
        (reply(413, ""), Refused, "larger than 512 KB"),
        (reply_with(302, &[("location", "https://x")], ""), Misconfigured, "redirects are not followed"),
        (reply(429, ""), Retry, "rate"),
        (reply(500, ""), Retry, "trouble"),
        (reply(503, ""), Retry, "trouble"),
        (Reply::Failed(Fault { may_have_arrived: false, detail: "refused".into() }), Retry, "cannot be reached"),
        (Reply::Failed(Fault { may_have_arrived: true, detail: "timed out".into() }), Unknown, "timed out"),
    ];
    for (reply, kind, said) in rows {
        let outcome = outcome(reply);
        assert_eq!(outcome.kind(), *kind, "{reply:?}");
        let reason = outcome.reason().unwrap();
        assert!(reason.contains(said) && !testing::leaks(reason) && !reason.contains('\u{1b}'), "{reason}");
    }
    let taken = reply(202, r#"{"status":"success","message":"Event processed","dedup_key":"k"}"#);
    let Outcome::Delivered { remote: Some(reference) } = outcome(&taken) else { panic!() };
    assert!(reference.name.ends_with("/1"), "{reference:?}");
}

#[test]
fn an_invalid_key_is_held_against_no_page() {
    for status in [400, 403] {
        let outcome = outcome(&reply(status, "Invalid routing key"));
        assert!(matches!(outcome, Outcome::Misconfigured { scope: Scope::Destination, .. }), "{outcome:?}");
    }
}

#[test]
fn a_rate_limit_holds_up_the_destination_as_long_as_it_says() {
    for (headers, seconds) in [
        (vec![], 30),
        (vec![("retry-after", "7")], 7),
        (vec![("retry-after", "Sat, 21 Nov 2026 10:01:00 GMT")], 60),
        (vec![("retry-after", "soon")], 30),
    ] {
        let Outcome::Retry { after, scope, .. } = outcome(&reply_with(429, &headers, "")) else { panic!() };
        assert_eq!((after, scope), (Some(Duration::from_secs(seconds)), Scope::Destination));
    }
    assert!(matches!(outcome(&reply(500, "")), Outcome::Retry { scope: Scope::Delivery, .. }));
    assert!(matches!(outcome(&reply(503, "")), Outcome::Retry { scope: Scope::Destination, .. }));
}
