//! Openings to requests, replies to outcomes.

use std::time::Duration;

use super::create::{CREATE, SEARCH, label};
use super::description::description;
use super::*;
use crate::destinations::render::{IncidentSummary, truncate};
use crate::destinations::testing::{self, Opening, body, done, reply, reply_with, sent};
use crate::destinations::{Fault, Next, ProbeTelling, Reply, Step, classify};
use crate::domain::OutcomeKind::{self, Delivered, Misconfigured, Refused, Retry, Unknown};
use crate::domain::{Event, NotifierClass, Outcome, Progress, Reference, Scope};

const CLOUD: &str = "url = \"https://example.atlassian.net\"\nemail = \"soc@example.com\"\n\
                     api_token = { env = \"JIRA_API_TOKEN\" }\nproject = \"SEC\"";
const DATA_CENTER: &str = "url = \"https://jira.example/jira\"\ndeployment = \"datacenter\"\n\
                           token = { env = \"JIRA_API_TOKEN\" }\nproject = \"10100\"\nissue_type = \"3\"";
const OPTIONAL: &str = "labels = [\"security\"]\npriority = true";

fn destination(settings: &str) -> Opening {
    Opening::at(&KIND, settings)
}

#[test]
fn settings_are_read_and_faults_named() {
    for good in [CLOUD.to_owned(), DATA_CENTER.to_owned(), format!("{CLOUD}\n{OPTIONAL}")] {
        assert!(testing::build(&KIND, &good).is_ok(), "{good}");
    }
    let without = |line: &str| CLOUD.lines().filter(|known| !known.starts_with(line)).collect::<Vec<_>>().join("\n");
    for (bad, said) in [
        (without("url"), "url: is missing"),
        (without("email"), "email: is missing"),
        (without("api_token"), "api_token: is missing"),
        (without("project"), "project: is missing"),
        (format!("{}\nproject = \"SEC\\\" OR 1=1\"", without("project")), "neither a project's key"),
        (format!("{CLOUD}\nlabels = [\"two words\"]"), "would not accept"),
        (format!("{CLOUD}\nlabels = [\"gatepost-1\"]"), "would not accept"),
        (format!("{CLOUD}\ndeployment = \"server\""), "'server' is not known"),
        (format!("{CLOUD}\ndeployment = \"datacenter\""), "belongs to the other deployment"),
        (format!("{CLOUD}\ntoken = {{ env = \"JIRA_API_TOKEN\" }}"), "belongs to the other deployment"),
        (DATA_CENTER.replace("JIRA_API_TOKEN", "LINES"), "no token has"),
        (format!("{CLOUD}\nassignee = \"x\""), "not a known key"),
    ] {
        let faults = testing::build(&KIND, &bad).unwrap_err();
        assert!(faults.contains(said) && !testing::leaks(&faults), "{bad}: {faults}");
    }
    testing::assert_template(&KIND);
    assert!(!testing::leaks(&format!("{:?}", destination(CLOUD))));
}

#[test]
fn a_token_without_an_account_is_that_of_a_data_center() {
    let untold = DATA_CENTER.replace("deployment = \"datacenter\"\n", "");
    assert_ne!(untold, DATA_CENTER);
    let (_, job) = &testing::jobs()[0];
    let request = |settings| testing::transcript(&sent(destination(settings).first(&job.as_job())).1);
    assert_eq!(request(&untold), request(DATA_CENTER));
    assert_ne!(request(&untold), request(CLOUD));
}

#[test]
fn requests_are_golden() {
    for (name, job) in &testing::jobs() {
        let cloud = format!("{CLOUD}\n{OPTIONAL}");
        for (deployment, settings) in [("cloud", cloud.as_str()), ("datacenter", DATA_CENTER)] {
            let (_, request) = sent(destination(settings).first(&job.as_job()));
            assert!(!testing::leaks(&format!("{request:?}")));
            testing::golden("jira", &format!("{name}.{deployment}"), &testing::transcript(&request));
        }
    }
}

#[test]
fn searches_are_golden() {
    let event = testing::event("akto");
    let cloud = ("jira-cloud-v3.openapi.json", "#/components/schemas/SearchAndReconcileRequestBean");
    let data_center = ("jira-datacenter-v2.openapi.json", "#/components/schemas/SearchRequestBean");
    for (deployment, settings, (file, part)) in [("cloud", CLOUD, cloud), ("datacenter", DATA_CENTER, data_center)] {
        let (_, request) = sent(destination(settings).first(&doubtful(&event)));
        if let Some(contract) = testing::contract_part(file, part) {
            contract.assert(&body(&request));
        }
        testing::golden("jira", &format!("akto.{deployment}-search"), &testing::transcript(&request));
    }
}

/// The text of a document as a reader sees it, collected without the code that made it.
fn text_of(node: &Value) -> String {
    match node["type"].as_str().unwrap() {
        "text" => node["text"].as_str().unwrap().to_owned(),
        "hardBreak" => "\n".to_owned(),
        _ => node["content"].as_array().unwrap().iter().map(text_of).collect(),
    }
}

#[test]
fn the_contracts_refuse_what_jira_would_refuse() {
    let event = testing::event("full");
    let good = body(&sent(destination(CLOUD).first(&testing::job(&event))).1);
    let create = testing::contract_part("jira-create-issue.schema.json", "#/$defs/cloud");
    let Some((create, adf)) = create.zip(testing::contract("adf.schema.json")) else { return };
    for (pointer, bad) in [
        ("/fields/summary", json!("two\nlines")),
        ("/fields/summary", json!("x".repeat(256))),
        ("/fields/labels/0", json!("two words")),
        ("/fields/description", json!("wiki")),
        ("/fields/project", json!({})),
    ] {
        let mut broken = good.clone();
        *broken.pointer_mut(pointer).unwrap() = bad;
        assert!(!create.accepts(&broken), "{pointer}");
    }
    let mut empty = good["fields"]["description"].clone();
    empty["content"][0]["content"][0]["text"] = json!("");
    assert!(!adf.accepts(&empty));
}

#[test]
fn a_document_holds_the_words_exactly() {
    for event in testing::most_events().into_iter().chain(testing::random_events(17, 30)) {
        let job = testing::job(&event);
        let probe = ProbeTelling::of(&event, NotifierClass::Ticket, job.now);
        let (incident, extent) = (IncidentSummary::of(&job, &probe.telling()), &EXTENTS[0]);
        let document = adf::of(&description(&incident, None, None, extent));
        let blocks = document["content"].as_array().unwrap();
        let below = |heading: &str| {
            let at = blocks.iter().position(|block| block["type"] == "heading" && text_of(block) == heading)?;
            Some(&blocks[at + 1])
        };
        let words = &incident.event;
        for (heading, text) in [
            ("What happened", &words.message),
            ("What it means", &words.impact),
            ("What to do", &words.remediation),
            (EXCERPT_HEADING, &words.evidence),
        ] {
            let found = below(heading);
            assert_eq!(found.map(text_of), text.as_ref().map(|text| truncate::chars(text, 6000).into_owned()));
            assert!(found.is_none_or(|block| (block["type"] == "codeBlock") == (heading == EXCERPT_HEADING)));
        }
    }
}

#[test]
fn nothing_secret_and_nothing_absent_is_told() {
    for name in ["akto", "hostile"] {
        let event = testing::event(name);
        for settings in [CLOUD, DATA_CENTER] {
            let text = body(&sent(destination(settings).first(&testing::job(&event))).1).to_string();
            assert!(!text.contains("not-a-real") && !text.contains("null"), "{text}");
        }
    }
}

#[test]
fn priorities_are_the_tables() {
    let names: Vec<&str> = (0..=6).chain([99]).map(|id| priority(Severity::from_id(id))).collect();
    assert_eq!(names, ["Medium", "Lowest", "Low", "Medium", "High", "Highest", "Highest", "Medium"]);
}

fn no_answer(may_have_arrived: bool) -> Reply {
    Reply::Failed(Fault { may_have_arrived, detail: "it broke".into() })
}

fn field_error(field: &str, text: &str) -> Reply {
    reply(400, &json!({ "errorMessages": [], "errors": { field: text } }).to_string())
}

fn check(step: Step, job: &Job<'_>, rows: &[(Reply, OutcomeKind, &str)]) {
    for settings in [CLOUD, DATA_CENTER] {
        let jira = destination(settings);
        for (reply, kind, said) in rows {
            let outcome = done(jira.next(job, step, reply));
            assert_eq!(outcome.kind(), *kind, "{reply:?}");
            let reason = outcome.reason().unwrap_or_default();
            assert!(reason.contains(said) && !testing::leaks(reason), "{reply:?}: {reason}");
        }
    }
}

#[test]
fn the_reply_table_of_a_create() {
    let event = testing::event("minimal");
    let screen = "Field 'labels' cannot be set. It is not on the appropriate screen, or unknown.";
    let basic = STANDARD.encode("soc@example.com:not-a-real-api-token");
    check(
        CREATE,
        &testing::job(&event),
        &[
            (reply(201, r#"{"id":"1","key":"SEC-1","self":"https://x"}"#), Delivered, ""),
            (reply(201, "<html>"), Unknown, "without the key"),
            (reply(201, "{}"), Unknown, "without the key"),
            (testing::cut_off(201, r#"{"key":"SEC-1"}"#), Unknown, "without the key"),
            (reply(200, r#"{"key":"SEC-1"}"#), Unknown, "unexpected"),
            (field_error("project", "project is required"), Misconfigured, "`project`"),
            (field_error("issuetype", "Specify a valid issue type"), Misconfigured, "`issue_type`"),
            (field_error("labels", screen), Misconfigured, "create screen"),
            (field_error("customfield_1", "Region is required."), Misconfigured, "Region is required"),
            (field_error("summary", "too long"), Refused, "too long"),
            (reply(400, r#"{"errorMessages":["CONTENT_LIMIT_EXCEEDED"],"errors":{}}"#), Refused, "CONTENT_LIMIT"),
            (reply(400, "nonsense"), Misconfigured, "nonsense"),
            (reply(422, ""), Misconfigured, "workflow"),
            (reply(401, "not-a-real-api-token"), Misconfigured, "[secret]"),
            (reply(403, &format!("you sent {basic}")), Misconfigured, "permission"),
            (
                reply_with(401, &[("X-Authentication-Denied-Reason", "CAPTCHA_CHALLENGE; login-url=x")], ""),
                Misconfigured,
                "CAPTCHA",
            ),
            (reply(404, ""), Misconfigured, "`url`"),
            (reply_with(302, &[("location", "/login")], ""), Misconfigured, "redirects are not followed"),
            (reply(409, ""), Retry, "409"),
            (reply(413, ""), Refused, "too large"),
            (reply(429, ""), Retry, "rate"),
            (reply(500, ""), Unknown, "trouble"),
            (reply(503, ""), Unknown, "trouble"),
            (no_answer(false), Retry, "cannot be reached"),
            (no_answer(true), Unknown, "may have taken it"),
            (Reply::Appended, Unknown, "defect"),
        ],
    );
    let reply = reply(201, r#"{"key":"SEC-1"}"#);
    let outcome = done(destination(CLOUD).next(&testing::job(&event), CREATE, &reply));
    assert_eq!(outcome, Outcome::Delivered { remote: Some(Reference::named("SEC-1")) });
}

#[test]
fn the_reply_table_of_a_search() {
    let event = testing::event("minimal");
    check(
        SEARCH,
        &doubtful(&event),
        &[
            (reply(200, r#"{"issues":[{"id":"1","key":"SEC-1"}]}"#), Delivered, ""),
            (reply(200, r#"{"issues":[]}"#), Retry, "lags"),
            (reply(200, r#"{"issues":[{}]}"#), Retry, "without a key"),
            (reply(200, "{}"), Retry, "without a list"),
            (reply(200, "<html>"), Retry, "not its JSON"),
            (testing::cut_off(200, r#"{"issues":[]}"#), Retry, "not its JSON"),
            (reply(400, r#"{"errorMessages":["no such project"]}"#), Misconfigured, "no such project"),
            (reply(401, ""), Misconfigured, "credentials"),
            (reply(403, ""), Misconfigured, "permission"),
            (reply(404, ""), Misconfigured, "address"),
            (reply(301, ""), Misconfigured, "redirects are not followed"),
            (reply(429, ""), Retry, "rate"),
            (reply(500, ""), Retry, "trouble"),
            (no_answer(false), Retry, "cannot be reached"),
            (no_answer(true), Retry, "cannot be reached"),
        ],
    );
}

#[test]
fn a_rate_limit_holds_up_what_it_concerns() {
    let event = testing::event("minimal");
    let job = testing::job(&event);
    for (headers, seconds, scope) in [
        (vec![("Retry-After", "7")], 7, Scope::Destination),
        (vec![("Retry-After", "Sat, 21 Nov 2026 10:01:00 GMT")], 60, Scope::Destination),
        (vec![], 10, Scope::Destination),
        (vec![("RateLimit-Reason", "jira-burst-based")], 10, Scope::Destination),
        (vec![("RateLimit-Reason", "jira-per-issue-on-write"), ("Retry-After", "2")], 2, Scope::Delivery),
    ] {
        for step in [CREATE, SEARCH] {
            let outcome = done(destination(CLOUD).next(&job, step, &reply_with(429, &headers, "")));
            let Outcome::Retry { after, scope: found, .. } = outcome else { panic!() };
            assert_eq!((after, found), (Some(Duration::from_secs(seconds)), scope));
        }
    }
}

#[test]
fn optional_fields_are_left_out_once_and_the_own_label_never() {
    let event = testing::event("minimal");
    let job = testing::job(&event);
    let jira = destination(&format!("{CLOUD}\n{OPTIONAL}"));
    let ours = label(&format!("{}/1", testing::OPENING));
    let (_, full) = sent(jira.first(&job));
    assert_eq!(body(&full)["fields"]["labels"], json!([ours, "security"]));
    assert_eq!(body(&full)["fields"]["priority"], json!({ "name": "Medium" }));
    let refusal = field_error("priority", "Field 'priority' cannot be set. It is not on the appropriate screen.");
    let (step, bare) = sent(jira.next(&job, CREATE, &refusal));
    assert_eq!(body(&bare)["fields"]["labels"], json!([ours]));
    assert!(body(&bare)["fields"].get("priority").is_none());
    assert_eq!(done(jira.next(&job, step, &refusal)).kind(), Misconfigured);
    // With nothing to leave out there is nothing to try.
    assert_eq!(done(destination(CLOUD).next(&job, CREATE, &refusal)).kind(), Misconfigured);
}

fn doubtful(event: &Event) -> Job<'_> {
    Job { uncertain: true, ..testing::job(event) }
}

/// Drives tries until something is created, as the queue would; gives the pauses.
fn pauses_until_create(settings: &str) -> Vec<u64> {
    let event = testing::event("minimal");
    let jira = destination(settings);
    let miss = reply(200, r#"{"issues":[],"isLast":true}"#);
    let mut notes = classify::doubt(&doubtful(&event));
    let mut pauses = Vec::new();
    let mut now = testing::job(&event).now;
    for _ in 0..10 {
        let progress = notes.clone();
        // Made due before its time, it waits for the rest of the pause and nothing else.
        if let Some(pause) = pauses.last().map(|seconds| Duration::from_secs(*seconds)) {
            let early = Job { progress: &progress, now: now.plus(pause / 2), ..testing::job(&event) };
            let Next::Done(Outcome::Retry { after, progress: kept, .. }) = jira.first(&early) else { panic!() };
            assert_eq!((after, &kept), (Some(pause / 2), &progress));
            now = now.plus(pause);
        }
        let job = Job { progress: &progress, now, ..testing::job(&event) };
        let (step, _) = sent(jira.first(&job));
        assert_eq!(step, SEARCH);
        match jira.next(&job, step, &miss) {
            Next::Send(step, _) => {
                assert_eq!(step, CREATE);
                return pauses;
            }
            Next::Done(Outcome::Retry { after, scope, progress, .. }) => {
                assert_eq!(scope, Scope::Delivery);
                pauses.push(after.unwrap().as_secs());
                notes = progress;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("never created");
}

#[test]
fn in_doubt_it_searches_with_pauses_and_then_creates() {
    assert_eq!(pauses_until_create(CLOUD), [10, 30, 60]);
    assert_eq!(pauses_until_create(DATA_CENTER), [5]);
}

#[test]
fn a_certain_refusal_needs_no_search_and_a_new_doubt_starts_anew() {
    let event = testing::event("minimal");
    let job = testing::job(&event);
    let jira = destination(CLOUD);
    let Outcome::Retry { progress, .. } = done(jira.next(&job, CREATE, &reply(429, ""))) else { panic!() };
    assert_eq!(sent(jira.first(&Job { progress: &progress, ..job })).0, CREATE);

    let late = Progress(json!({ "doubt": true, "misses": 3 }));
    let job = Job { progress: &late, ..job };
    let Outcome::Retry { progress, .. } = done(jira.next(&job, CREATE, &reply(429, ""))) else { panic!() };
    assert_eq!(progress.0["misses"], 3);
    let Outcome::Unknown { progress, .. } = done(jira.next(&job, CREATE, &reply(502, ""))) else { panic!() };
    assert_eq!(progress.0.get("misses"), None);
    assert_eq!(sent(jira.first(&Job { progress: &progress, ..job })).0, SEARCH);
}
