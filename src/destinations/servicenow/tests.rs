//! Settings, openings to requests, replies to outcomes.

use std::time::Duration;

use serde_json::json;

use super::content::{SHORT_DESCRIPTION_CHARS_MAX, TEXT_CHARS_MAX};
use super::create::{CREATE, SEARCH, correlation};
use super::*;
use crate::destinations::testing::{self, Opening, body, done, reply, reply_with, sent};
use crate::destinations::{Fault, Reply, Step};
use crate::domain::OutcomeKind::{self, Delivered, Misconfigured, Refused, Retry, Unknown};
use crate::domain::{Event, Outcome, Progress, Reference, Scope};

const SETTINGS: &str = "url = \"https://dev.service-now.com\"\nuser = \"gatepost\"\n\
                        password = { env = \"SERVICENOW_PASSWORD\" }";
const MADE: &str = r#"{"result":{"sys_id":"0123456789abcdef0123456789abcdef","number":"INC0010001",
                       "correlation_id":"gatepost-x","impact":"2","urgency":"1"}}"#;

fn destination() -> Opening {
    Opening::at(&KIND, SETTINGS)
}

fn doubtful<'a>(event: &'a Event, progress: &'a Progress) -> Job<'a> {
    Job { uncertain: true, progress, ..testing::job(event) }
}

/// The correlation id of every [`Opening`].
fn own() -> String {
    correlation(&format!("{}/1", testing::OPENING))
}

#[test]
fn settings_are_read_and_faults_named() {
    let token = "url = \"https://dev.service-now.com\"\ntoken = { env = \"SERVICENOW_TOKEN\" }";
    for good in [
        SETTINGS.to_owned(),
        token.to_owned(),
        format!("{SETTINGS}\ntable = \"sn_si_incident\"\nresolve_state = \"3\"\nreopen_state = \"-5\""),
        format!(
            "{SETTINGS}\nclose_code = \"Solution provided\"\nfields = {{ u_team = \"SOC\", category = \"security\" }}"
        ),
    ] {
        assert!(testing::build(&KIND, &good).is_ok(), "{good}");
    }
    let without = |line: &str| SETTINGS.lines().filter(|known| !known.starts_with(line)).collect::<Vec<_>>().join("\n");
    for (bad, said) in [
        (without("url"), "url: is missing"),
        (without("user"), "user: is missing"),
        (without("password"), "password: is missing"),
        (format!("{SETTINGS}\ntoken = {{ env = \"SERVICENOW_TOKEN\" }}"), "stands beside 'token'"),
        (SETTINGS.replace("\"gatepost\"", "\"gate:post\""), "no user name has"),
        (token.replace("SERVICENOW_TOKEN", "LINES"), "no token has"),
        (format!("{SETTINGS}\ntable = \"incident/../sys_user\""), "not the name of a table"),
        (format!("{SETTINGS}\ntable = \"Incident\""), "not the name of a table"),
        (format!("{SETTINGS}\nresolve_state = \"resolved\""), "not the value of a state"),
        (format!("{SETTINGS}\nreopen_state = \"\""), "reopen_state"),
        (format!("{SETTINGS}\nfields = {{ short_description = \"x\" }}"), "would not accept"),
        (format!("{SETTINGS}\nfields = {{ \"a^b\" = \"x\" }}"), "would not accept"),
        (format!("{SETTINGS}\nfields = {{ category = 1 }}"), "a text in quotes"),
        (format!("{SETTINGS}\nassignment_group = \"x\""), "not a known key"),
    ] {
        let faults = testing::build(&KIND, &bad).unwrap_err();
        assert!(faults.contains(said) && !testing::leaks(&faults), "{bad}: {faults}");
    }
    testing::assert_template(&KIND);
    assert!(!testing::leaks(&format!("{:?}", destination())));
}

#[test]
fn requests_are_golden() {
    for (name, job) in &testing::jobs() {
        let (_, request) = sent(destination().first(&job.as_job()));
        assert!(!testing::leaks(&format!("{request:?}")));
        testing::golden("servicenow", name, &testing::transcript(&request));
    }
    let (event, nothing) = (testing::event("akto"), Progress::default());
    let (step, request) = sent(destination().first(&doubtful(&event, &nothing)));
    assert_eq!((step, request.method.as_str(), request.body.len()), (SEARCH, "GET", 0));
    testing::golden("servicenow", "akto.search", &testing::transcript(&request));
}

#[test]
fn a_token_is_a_bearer() {
    let settings = "url = \"https://dev.service-now.com\"\ntoken = { env = \"SERVICENOW_TOKEN\" }";
    let event = testing::event("minimal");
    let (_, request) = sent(Opening::at(&KIND, settings).first(&testing::job(&event)));
    assert_eq!(request.headers[0].1.expose_str(), Some("Bearer not-a-real-servicenow-token"));
}

#[test]
fn a_query_holds_nothing_that_an_event_says() {
    let nothing = Progress::default();
    for event in testing::most_events() {
        let (_, request) = sent(destination().first(&doubtful(&event, &nothing)));
        let query: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
        assert_eq!(query[0], ("sysparm_query".to_owned(), format!("correlation_id={}", own())));
        assert_eq!(request.url.path(), "/api/now/table/incident");
    }
}

#[test]
fn a_new_ticket_has_the_operators_fields_and_its_columns_lengths() {
    let settings = format!("{SETTINGS}\nfields = {{ category = \"security\" }}");
    for event in testing::most_events().into_iter().filter(|event| event.title.len() <= 50_000) {
        let record = body(&sent(Opening::at(&KIND, &settings).first(&testing::job(&event))).1);
        let text = |name: &str| record[name].as_str().unwrap();
        assert_eq!(
            [text("category"), text("correlation_id"), text("correlation_display")],
            ["security", &own(), "gatepost"]
        );
        let short = text("short_description");
        assert!((1..=SHORT_DESCRIPTION_CHARS_MAX).contains(&short.encode_utf16().count()), "{short}");
        assert!(!short.contains(['\n', '\r', '\u{202e}']) && short.ends_with("#4711"), "{short}");
        assert!(text("description").encode_utf16().count() <= TEXT_CHARS_MAX);
        assert!(!record.to_string().contains("[code]") && !testing::leaks(&record.to_string()));
        assert!(!record.to_string().contains("null"), "{record:#}");
    }
}

#[test]
fn the_reply_table_of_a_new_ticket() {
    let error = |message: &str, detail: &str| {
        json!({ "error": { "message": message, "detail": detail }, "status": "failure" }).to_string()
    };
    let event = testing::event("minimal");
    let rows: &[(Reply, OutcomeKind, &str)] = &[
        (reply(201, "<html>"), Unknown, "not its JSON"),
        (reply(201, r#"{"result":{"number":"INC1"}}"#), Unknown, "without the id"),
        (reply(201, r#"{"result":{"sys_id":"../../sys_user"}}"#), Unknown, "without the id"),
        (reply(201, "{}"), Unknown, "without a result"),
        (testing::cut_off(201, MADE), Unknown, "not its JSON"),
        (reply(204, ""), Unknown, "204"),
        (reply(200, &error("Transaction cancelled: maximum execution time exceeded", "x")), Unknown, "given up"),
        (reply(200, "<title>Instance Hibernating page</title>"), Retry, "sleeps"),
        (reply(400, &error("Invalid table x", "")), Misconfigured, "`table`"),
        (reply(400, &error("Exception while reading request", "")), Misconfigured, "cannot read"),
        (reply(401, &error("User Not Authenticated", "")), Misconfigured, "`password`"),
        (reply(401, "not-a-real-servicenow-password"), Misconfigured, "[secret]"),
        (reply(403, &error("Operation Failed", "Data Policy Exception: mandatory: Caller")), Misconfigured, "`fields`"),
        (reply(403, &error("Operation Failed", "ACL Exception")), Misconfigured, "role"),
        (reply(404, &error("Requested URI does not represent any resource", "")), Misconfigured, "`url`"),
        (reply(413, ""), Refused, "too large"),
        (reply_with(302, &[("location", "https://x")], ""), Misconfigured, "redirects are not followed"),
        (reply(429, &error("Rate limit exceeded", "")), Retry, "rate"),
        (reply(500, "\u{1b}[2J"), Unknown, "trouble"),
        (reply(503, ""), Unknown, "trouble"),
        (Reply::Failed(Fault { may_have_arrived: false, detail: "refused".into() }), Retry, "cannot be reached"),
        (Reply::Failed(Fault { may_have_arrived: true, detail: "timed out".into() }), Unknown, "timed out"),
    ];
    for (reply, kind, said) in rows {
        let outcome = done(destination().next(&testing::job(&event), CREATE, reply));
        assert_eq!(outcome.kind(), *kind, "{reply:?}");
        let reason = outcome.reason().unwrap();
        assert!(reason.contains(said) && !testing::leaks(reason) && !reason.contains('\u{1b}'), "{reason}");
    }
}

#[test]
fn what_is_kept_of_a_new_ticket() {
    let event = testing::event("minimal");
    let made = |text: &str| match done(destination().next(&testing::job(&event), CREATE, &reply(201, text))) {
        Outcome::Delivered { remote: Some(reference) } => reference,
        other => panic!("{other:?}"),
    };
    let whole = made(&MADE.replace("gatepost-x", &own()));
    let data = json!({ "id": "0123456789abcdef0123456789abcdef", "priority": "2/1" });
    assert_eq!(whole, Reference { name: "INC0010001".into(), data });
    let lost = made(MADE);
    assert!(lost.data["left"].as_str().unwrap().contains("correlation id"), "{lost:?}");
    let bare = made(r#"{"result":{"sys_id":"0123456789abcdef0123456789abcdef"}}"#);
    assert_eq!((bare.name.as_str(), &bare.data["priority"]), ("0123456789abcdef0123456789abcdef", &Value::Null));
}

#[test]
fn a_search_finds_its_own_ticket_and_no_other() {
    let (event, nothing) = (testing::event("minimal"), Progress::default());
    let searched = |text: &str| destination().next(&doubtful(&event, &nothing), SEARCH, &reply(200, text));
    let record = |correlation: &str| json!({ "sys_id": "0".repeat(32), "number": "INC1", "correlation_id": correlation, "impact": "1", "urgency": "1" });
    let Outcome::Delivered { remote: Some(found) } = done(searched(&json!({ "result": [record(&own())] }).to_string()))
    else {
        panic!()
    };
    assert_eq!(found.name, "INC1");
    for (answer, kind) in [
        (json!({ "result": [record("gatepost-another")] }), Misconfigured),
        (json!({ "result": [{ "sys_id": "0".repeat(32) }] }), Misconfigured),
        (json!({ "result": {} }), Retry),
        (json!({ "result": [] }), Retry),
        (json!({ "result": [], "error": { "message": "Transaction cancelled: x" } }), Retry),
    ] {
        let outcome = done(searched(&answer.to_string()));
        assert_eq!(outcome.kind(), kind, "{answer}: {outcome:?}");
    }
}

#[test]
fn a_miss_counts_only_after_pauses() {
    let event = testing::event("minimal");
    let mut progress = Progress::default();
    let mut now = testing::job(&event).now;
    for pause in [5, 30] {
        let job = Job { now, ..doubtful(&event, &progress) };
        let Outcome::Retry { after, progress: notes, .. } =
            done(destination().next(&job, SEARCH, &reply(200, r#"{"result":[]}"#)))
        else {
            panic!()
        };
        assert_eq!(after, Some(Duration::from_secs(pause)));
        progress = notes;
        let early = Job { now: now.plus(Duration::from_secs(1)), ..doubtful(&event, &progress) };
        assert!(matches!(done(destination().first(&early)), Outcome::Retry { .. }));
        now = now.plus(Duration::from_secs(pause));
        assert_eq!(sent(destination().first(&Job { now, ..doubtful(&event, &progress) })).0, SEARCH);
    }
    let job = Job { now, ..doubtful(&event, &progress) };
    assert_eq!(sent(destination().next(&job, SEARCH, &reply(200, r#"{"result":[]}"#))).0, CREATE);
}

#[test]
fn a_rate_limit_holds_up_the_destination_as_long_as_it_says() {
    let event = testing::event("minimal");
    for (headers, seconds) in [(vec![], 30), (vec![("retry-after", "7")], 7), (vec![("retry-after", "soon")], 30)] {
        let steps: [Step; 2] = [CREATE, SEARCH];
        for step in steps {
            let reply = reply_with(429, &headers, "");
            let Outcome::Retry { after, scope, .. } = done(destination().next(&testing::job(&event), step, &reply))
            else {
                panic!()
            };
            assert_eq!((after, scope), (Some(Duration::from_secs(seconds)), Scope::Destination));
        }
    }
}

#[test]
fn documented_errors_mean_what_their_table_says() {
    let event = testing::event("minimal");
    testing::assert_errors(errors::CREATE, |status, body| {
        destination().next(&testing::job(&event), CREATE, &reply(status, body))
    });
    assert_eq!(done(destination().next(&testing::job(&event), CREATE, &reply(201, MADE))).kind(), Delivered);
}
