//! Settings, and what replies mean.

use std::time::Duration;

use super::*;
use crate::destinations::testing::{self, Opening, body, reply, reply_with, sent};
use crate::destinations::{Fault, Next, Reply, Step};
use crate::domain::OutcomeKind::{self, Delivered, Misconfigured, Refused, Retry, Unknown};
use crate::domain::{Outcome, Progress, Scope};

const SETTINGS: &str = "api_key = { env = \"OPSGENIE_API_KEY\" }";
pub const REQUEST: &str = "43a29c5c-3dbf-4fa4-9c26-f4f71023e120";
pub const TAKEN: &str =
    r#"{"result":"Request will be processed","took":0.302,"requestId":"43a29c5c-3dbf-4fa4-9c26-f4f71023e120"}"#;

const NOT_YET: &str =
    r#"{"message":"Request not found. It might not be processed, yet.","took":0.003,"requestId":"b8b1a9f5"}"#;

fn destination() -> Opening {
    Opening::at(&KIND, SETTINGS)
}

/// What is noted of a request that was taken with this answer.
fn noted(taken: &str) -> Progress {
    let event = testing::event("minimal");
    match destination().next(&testing::job(&event), "create", &reply(202, taken)) {
        Next::Done(Outcome::Pending { progress, .. }) => progress,
        other => panic!("{other:?}"),
    }
}

fn outcome_at(step: Step, reply: &Reply) -> Outcome {
    let event = testing::event("minimal");
    let notes = noted(TAKEN);
    let job = Job { progress: &notes, ..testing::job(&event) };
    match destination().next(&job, step, reply) {
        Next::Done(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

#[test]
fn settings_are_read_and_faults_named() {
    for good in [
        "url = \"https://api.eu.opsgenie.com\"",
        "api_url = \"https://api.atlassian.com/jsm/ops/integration/v2/alerts\"",
        "responders = [\"team:SOC\", \"user:ann@example.com\", \"escalation: night\", \"schedule:first line\"]",
    ] {
        assert!(testing::build(&KIND, &format!("{SETTINGS}\n{good}")).is_ok(), "{good}");
    }
    let many = format!("{SETTINGS}\nresponders = {:?}", vec!["team:a"; 51]);
    let cases = [
        ("", "api_key: is missing"),
        ("api_key = { env = \"LINES\" }", "no key has"),
        ("api_key = { env = \"OPSGENIE_API_KEY\" }\nurl = \"ftp://x\"", "neither http nor https"),
        ("api_key = { env = \"OPSGENIE_API_KEY\" }\nresponders = [\"SOC\"]", "would not accept"),
        ("api_key = { env = \"OPSGENIE_API_KEY\" }\nresponders = [\"group:SOC\"]", "would not accept"),
        ("api_key = { env = \"OPSGENIE_API_KEY\" }\nresponders = [\"team: \"]", "would not accept"),
        ("api_key = { env = \"OPSGENIE_API_KEY\" }\nteam = \"SOC\"", "not a known key"),
        (many.as_str(), "would not accept"),
    ];
    for (bad, said) in cases {
        let faults = testing::build(&KIND, bad).unwrap_err();
        assert!(faults.contains(said) && !testing::leaks(&faults), "{bad}: {faults}");
    }
    testing::assert_template(&KIND);
    assert!(!testing::leaks(&format!("{:?}", destination())));
}

#[test]
fn responders_are_named_as_the_api_names_them() {
    for (text, wanted) in [
        ("team:SOC", json!({ "type": "team", "name": "SOC" })),
        ("user: ann@example.com", json!({ "type": "user", "username": "ann@example.com" })),
        ("schedule:a:b", json!({ "type": "schedule", "name": "a:b" })),
        (
            "escalation:c9cec2cb-e782-4ebb-bc1d-1b2fa703cf03",
            json!({ "type": "escalation", "id": "c9cec2cb-e782-4ebb-bc1d-1b2fa703cf03" }),
        ),
    ] {
        assert_eq!(responder(text), Some(wanted), "{text}");
    }
}

#[test]
fn addresses_lie_below_the_base_and_hold_nothing_but_one_segment_each() {
    let event = testing::event("minimal");
    for (base, wanted) in [
        ("", "https://api.opsgenie.com/v2/alerts"),
        ("url = \"https://api.eu.opsgenie.com/\"", "https://api.eu.opsgenie.com/v2/alerts"),
        (
            "api_url = \"https://api.atlassian.com/jsm/ops/integration\"",
            "https://api.atlassian.com/jsm/ops/integration/v2/alerts",
        ),
    ] {
        let opening = Opening::at(&KIND, &format!("{SETTINGS}\n{base}"));
        assert_eq!(sent(opening.first(&testing::job(&event))).1.url.as_str(), wanted);
    }
    // The id of a request comes from outside.
    for bad in ["", "a/b", "..", "a?b", "é", &"a".repeat(101)] {
        let outcome = outcome_at("create", &reply(202, &json!({ "requestId": bad }).to_string()));
        assert_eq!(outcome.kind(), Unknown, "{bad}");
        let mut notes = noted(TAKEN);
        notes.0["request"] = json!(bad);
        let job = Job { progress: &notes, ..testing::job(&event) };
        assert_eq!(sent(destination().first(&job)).0, "create", "{bad}");
    }
}

#[test]
fn requests_are_golden() {
    for (name, job) in &testing::jobs() {
        let (_, request) = sent(destination().first(&job.as_job()));
        assert!(!testing::leaks(&format!("{request:?}")));
        testing::golden("opsgenie", name, &testing::transcript(&request));
    }
}

#[test]
fn nothing_secret_and_nothing_absent_is_told() {
    for name in ["akto", "hostile"] {
        let event = testing::event(name);
        let text = body(&sent(destination().first(&testing::job(&event))).1).to_string();
        assert!(!text.contains("not-a-real") && !text.contains("null"), "{text}");
    }
}

#[test]
fn severities_are_priorities() {
    let words: Vec<&str> = (0..=6).chain([99]).map(|id| priority(Severity::from_id(id))).collect();
    assert_eq!(words, ["P3", "P5", "P4", "P3", "P2", "P1", "P1", "P3"]);
}

#[test]
fn the_reply_table() {
    let error = |field: &str, text: &str| json!({ "message": "Please check", "errors": { field: text } }).to_string();
    let rows: &[(Reply, OutcomeKind, &str)] = &[
        (reply(202, TAKEN), Retry, "has not said yet"),
        (reply(202, "<html>"), Unknown, "without the id"),
        (reply(202, r#"{"result":"x"}"#), Unknown, "without the id"),
        (testing::cut_off(202, TAKEN), Unknown, "without the id"),
        (reply(200, TAKEN), Unknown, "200"),
        (reply(204, ""), Unknown, "204"),
        (reply(400, "not JSON"), Refused, "not JSON"),
        (reply(401, r#"{"message":"Could not authenticate"}"#), Misconfigured, "`api_key`"),
        (reply(401, "00000000-aaaa-4bbb-8ccc-00not0a0r3al"), Misconfigured, "[secret]"),
        (reply(402, ""), Misconfigured, "plan"),
        (reply(403, r#"{"code":40301}"#), Misconfigured, "right to read"),
        (reply(404, ""), Misconfigured, "`url`"),
        (reply(409, ""), Retry, "same thing"),
        (reply(413, ""), Refused, "too large"),
        (reply(422, &error("responders", "unknown")), Misconfigured, "`responders`"),
        // What an alert says, repeated by Opsgenie, is no complaint about the settings.
        (reply(422, &error("message", "responders x")), Refused, "a field"),
        (reply_with(302, &[("location", "https://x")], ""), Misconfigured, "redirects are not followed"),
        (reply(429, ""), Retry, "rate"),
        (reply(500, "\u{1b}[2J"), Retry, "trouble"),
        (reply(503, ""), Retry, "trouble"),
        (Reply::Failed(Fault { may_have_arrived: false, detail: "refused".into() }), Retry, "cannot be reached"),
        (Reply::Failed(Fault { may_have_arrived: true, detail: "timed out".into() }), Unknown, "timed out"),
    ];
    for (reply, kind, said) in rows {
        let outcome = outcome_at("create", reply);
        assert_eq!(outcome.kind(), *kind, "{reply:?}");
        let reason = outcome.reason().unwrap();
        assert!(reason.contains(said) && !testing::leaks(reason) && !reason.contains('\u{1b}'), "{reason}");
    }
}

#[test]
fn what_became_of_a_request() {
    let data = |is_success: bool, status: &str| {
        json!({ "data": { "success": is_success, "isSuccess": is_success, "status": status } }).to_string()
    };
    let rows: &[(Reply, OutcomeKind)] = &[
        (reply(200, &data(true, "Created alert")), Delivered),
        (reply(200, r#"{"data":{"success":true}}"#), Delivered),
        (reply(200, &data(false, "Alert is ignored")), Misconfigured),
        (reply(200, "{}"), Retry),
        (reply(200, "<html>"), Retry),
        (testing::cut_off(200, &data(true, "Created alert")), Retry),
        (reply(200, r#"{"action":"Create","isSuccess":true,"status":"Created alert"}"#), Delivered),
        (reply(200, r#"{"action":"Create","isSuccess":false,"status":"Alert is ignored"}"#), Misconfigured),
        (reply(404, NOT_YET), Retry),
        (reply(404, "<html>no such path</html>"), Delivered),
        (reply(404, r#"{"status":404,"error":"Not Found","message":"No message available","path":"/x"}"#), Delivered),
        (reply(403, r#"{"message":"no"}"#), Delivered),
        (reply(401, ""), Misconfigured),
        (reply(429, ""), Retry),
        (reply(503, ""), Retry),
        (Reply::Failed(Fault { may_have_arrived: true, detail: "timed out".into() }), Retry),
    ];
    for (reply, kind) in rows {
        let outcome = outcome_at("ask", reply);
        assert_eq!(outcome.kind(), *kind, "{reply:?} {outcome:?}");
        if let Outcome::Retry { progress, .. } | Outcome::Pending { progress, .. } = outcome {
            assert_eq!(progress.0["request"], REQUEST, "it is asked about again");
        }
    }
}

#[test]
fn a_request_is_asked_about_after_pauses_and_then_looked_for() {
    let event = testing::event("minimal");
    let Outcome::Pending { after, mut progress, .. } = outcome_at("create", &reply(202, TAKEN)) else { panic!() };
    assert_eq!(after, Duration::from_secs(1));
    let mut now = testing::job(&event).now;
    for pause in [1, 2, 5, 15, 30] {
        // Due too early: it waits for the rest.
        let early = Job { progress: &progress, now: now.plus(Duration::from_millis(400)), ..testing::job(&event) };
        let Next::Done(Outcome::Pending { after, .. }) = destination().first(&early) else { panic!() };
        assert_eq!(after, Duration::from_millis(pause * 1000 - 400));
        now = now.plus(Duration::from_secs(pause));
        let job = Job { progress: &progress, now, ..testing::job(&event) };
        let (step, request) = sent(destination().first(&job));
        let wanted = format!("https://api.opsgenie.com/v2/alerts/requests/{REQUEST}");
        assert_eq!(
            (step, request.method.as_str(), request.url.as_str(), request.body.len()),
            ("ask", "GET", wanted.as_str(), 0)
        );
        let Next::Done(Outcome::Pending { progress: notes, .. }) = destination().next(&job, step, &reply(404, NOT_YET))
        else {
            panic!()
        };
        progress = notes;
    }
    let job = Job { progress: &progress, now, ..testing::job(&event) };
    assert_eq!(sent(destination().first(&job)).0, "look");
    assert_eq!(sent(destination().next(&job, "look", &reply(404, "{}"))).0, "create");
    // Sent again, and nothing becomes known of that either: it is not sent a third time, which might notify a person again.
    let again = destination().next(&job, "create", &reply(202, TAKEN));
    let Next::Done(Outcome::Pending { mut progress, .. }) = again else { panic!("{again:?}") };
    for _ in 0..5 {
        now = now.plus(Duration::from_secs(30));
        let job = Job { progress: &progress, now, ..testing::job(&event) };
        assert_eq!(sent(destination().first(&job)).0, "ask");
        let asked = destination().next(&job, "ask", &reply(404, NOT_YET));
        let Next::Done(Outcome::Pending { progress: notes, .. }) = asked else { panic!("{asked:?}") };
        progress = notes;
    }
    let job = Job { progress: &progress, now, ..testing::job(&event) };
    assert!(matches!(destination().first(&job), Next::Done(Outcome::Delivered { remote: Some(_) })));
}

#[test]
fn a_rate_limit_holds_up_the_destination_as_long_as_it_says() {
    let period = "x-ratelimit-period-in-sec";
    for (headers, seconds) in [
        (vec![], 30),
        (vec![("retry-after", "7")], 7),
        (vec![(period, "60"), ("x-ratelimit-state", "THROTTLED")], 60),
        (vec![(period, "soon")], 30),
        (vec![(period, "0")], 1),
        (vec![(period, "18446744073709551615")], 600),
    ] {
        for step in ["create", "ask", "look"] {
            let Outcome::Retry { after, scope, .. } = outcome_at(step, &reply_with(429, &headers, "")) else {
                panic!()
            };
            assert_eq!((after, scope), (Some(Duration::from_secs(seconds)), Scope::Destination), "{step}");
        }
    }
}
