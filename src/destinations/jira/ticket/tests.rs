//! Incidents to tickets, replies to outcomes.

use super::*;
use crate::destinations::jira::comment::{COMMENT, COMMENTS, REPEAT, mark};
use crate::destinations::jira::create::{CREATE, CREATE_BARE, SEARCH, label};
use crate::destinations::jira::transition::{STATUS, TRANSITION, TRANSITIONS};
use crate::destinations::jira::{DESCRIPTION_BYTES_MAX, KIND};
use crate::destinations::life::{self, OwnedTelling};
use crate::destinations::testing::{self, body, done, reply, sent};
use crate::destinations::{HttpReply, HttpRequest, ProbeTelling};
use crate::domain::OutcomeKind::{Delivered, Gone, Misconfigured, Refused, Retry, Unknown};
use crate::domain::{Audience, Progress, Purpose, Reference};

const CLOUD: &str = "url = \"https://example.atlassian.net\"\nemail = \"soc@example.com\"\n\
                     api_token = { env = \"JIRA_API_TOKEN\" }\nproject = \"SEC\"";
const DATA_CENTER: &str = "url = \"https://jira.example/jira\"\ndeployment = \"datacenter\"\n\
                           token = { env = \"JIRA_API_TOKEN\" }\nproject = \"10100\"\nissue_type = \"3\"";
const PRIORITY_ON: &str = "priority = true\nlabels = [\"security\"]";
const MOVES: &str = "resolve_transition = \"done\"\nreopen_transition = \"31\"";

const CREATE_1: Operation = Operation::Create { number: 1 };
const COMMENT_2: Operation = Operation::Reply { number: 2, audience: Audience::Thread };

fn notifier(settings: &str) -> Box<dyn Notifier> {
    testing::notifier(&KIND, settings)
}

/// In the middle of its life, with a ticket whose priority gatepost has set.
fn told(stage: &str, operation: Operation) -> OwnedTelling {
    let mut told = life::at(stage, NotifierClass::Ticket);
    told.told.creations = 1;
    told.told.reference = life::reference("SEC-88", json!({ "id": "10088", "priority": "Medium" }));
    let change = told.intent.change;
    told.with(change, operation)
}

fn first(settings: &str, told: &OwnedTelling) -> Next {
    notifier(settings).first(&told.job(), &told.telling())
}

fn next(settings: &str, told: &OwnedTelling, step: Step, reply: &Reply) -> Next {
    notifier(settings).next(&told.job(), &told.telling(), step, reply)
}

fn issue(fields: Value) -> Reply {
    reply(200, &json!({ "id": "10088", "key": "SEC-88", "fields": fields }).to_string())
}

fn status(category: &str) -> Reply {
    issue(json!({ "status": { "name": "X", "statusCategory": { "key": category } } }))
}

fn transitions() -> Reply {
    let offered = json!([{ "id": "21", "name": "Done" }, { "id": "31", "name": "Reopen" }]);
    reply(200, &json!({ "transitions": offered }).to_string())
}

/// Jira with one ticket, which is open until it is closed.
fn taken(step: &str, request: &HttpRequest) -> Reply {
    match step {
        "create" | "create-without-optional-fields" => reply(201, r#"{"id":"10088","key":"SEC-88","self":"x"}"#),
        "comment" => reply(201, r#"{"id":"1"}"#),
        "read" => issue(json!({ "priority": { "name": "Medium" } })),
        "status" => status("indeterminate"),
        "transitions" => transitions(),
        _ => {
            assert!(matches!(request.method.as_str(), "PUT" | "POST"), "{step}");
            reply(204, "")
        }
    }
}

#[test]
fn a_life_is_golden() {
    for (deployment, settings) in [("cloud", CLOUD), ("datacenter", DATA_CENTER)] {
        let jira = notifier(&format!("{settings}\n{PRIORITY_ON}\n{MOVES}"));
        let stages = life::live(jira.as_ref(), taken);
        let names: Vec<&str> = stages.iter().map(|(name, _)| *name).collect();
        let never = ["quiet", "repeat"];
        assert_eq!(names, life::STAGES.into_iter().filter(|stage| !never.contains(stage)).collect::<Vec<_>>());
        for (name, conversation) in stages {
            testing::golden("jira", &format!("life/{name}.{deployment}"), &conversation);
        }
    }
}

#[test]
fn the_summary_has_the_number_and_no_rank_that_could_become_wrong() {
    let (_, request) = sent(first(CLOUD, &told("worse", CREATE_1)));
    assert_eq!(body(&request)["fields"]["summary"], "SQL injection on POST /v1/payments · #4711");
    let mut long = told("worse", CREATE_1);
    long.incident.title = "x".repeat(400);
    let (_, request) = sent(first(CLOUD, &long));
    let summary = body(&request)["fields"]["summary"].as_str().unwrap().to_owned();
    assert!(summary.chars().count() == 254 && summary.ends_with("… · #4711"), "{summary}");
}

#[test]
fn every_request_fulfils_the_contract_and_does_not_break_out() {
    let adf = testing::contract("adf.schema.json");
    let cloud = [
        testing::contract_part("jira-create-issue.schema.json", "#/$defs/cloud"),
        testing::contract_part("jira-cloud-v3.openapi.json", "#/components/schemas/IssueUpdateDetails"),
    ];
    let data_center = [
        testing::contract_part("jira-create-issue.schema.json", "#/$defs/datacenter"),
        testing::contract_part("jira-datacenter-v2.openapi.json", "#/components/schemas/IssueUpdateBean"),
    ];
    let comment = [
        testing::contract_part("jira-cloud-v3.openapi.json", "#/components/schemas/Comment"),
        testing::contract_part("jira-datacenter-v2.openapi.json", "#/components/schemas/CommentJsonBean"),
    ];
    let (by_cloud, by_data_center) = (notifier(&format!("{CLOUD}\n{PRIORITY_ON}")), notifier(DATA_CENTER));
    for told in life::every_telling(NotifierClass::Ticket, 31) {
        for operation in [CREATE_1, COMMENT_2] {
            let mut told = told.clone().with(told.intent.change, operation);
            told.told.reference = life::reference("SEC-88", json!({ "id": "10088" }));
            for (index, (notifier, contracts)) in
                [(&by_cloud, &cloud), (&by_data_center, &data_center)].iter().enumerate()
            {
                let document = body(&sent(notifier.first(&told.job(), &told.telling())).1);
                let rich = document.pointer("/fields/description").or(document.get("body")).unwrap();
                if operation == CREATE_1 {
                    contracts.iter().flatten().for_each(|contract| contract.assert(&document));
                    let summary = document["fields"]["summary"].as_str().unwrap();
                    assert!(summary.encode_utf16().count() <= 254 && !summary.contains(['\n', '\r', '\u{202e}']));
                } else if let Some(contract) = &comment[index] {
                    contract.assert(&document);
                }
                assert!(rich.to_string().len() <= DESCRIPTION_BYTES_MAX);
                match (rich.as_str(), &adf) {
                    (Some(wiki), _) => assert_harmless(wiki),
                    (None, Some(adf)) => adf.assert(rich),
                    (None, None) => {}
                }
                assert!(!testing::leaks(&document.to_string()));
            }
        }
    }
}

/// What is left of wiki markup outside `{noformat}` is our own.
fn assert_harmless(wiki: &str) {
    let lower = wiki.to_ascii_lowercase();
    assert_eq!(lower.matches("{noformat").count(), wiki.matches("{noformat}").count());
    assert_eq!(wiki.matches("{noformat}").count() % 2, 0, "{wiki}");
    let ours: String = wiki.split("{noformat}").step_by(2).collect();
    for line in ours.lines().filter(|line| !line.is_empty()) {
        let is_heading =
            line.starts_with("h3. ") && line[4..].chars().all(|c| c.is_ascii_alphabetic() || ", ".contains(c));
        let is_link = line.starts_with('[') && line.ends_with(']') && line.matches(['[', ']', '|']).count() == 3;
        let is_strong = line.starts_with('*') && line.ends_with('*') && line.matches('*').count() == 2;
        assert!(is_heading || is_link || is_strong || line.starts_with("gatepost-"), "{line:?}");
    }
}

#[test]
fn a_ticket_in_doubt_is_searched_for_by_the_number_of_its_creation() {
    let nothing = Progress::default();
    let label = |operation| {
        let told = told("open", operation);
        let (step, request) = sent(notifier(CLOUD).first(&life::in_doubt(told.job(), &nothing), &told.telling()));
        assert_eq!(step, SEARCH);
        let jql = body(&request)["jql"].as_str().unwrap().to_owned();
        let made = body(&sent(first(CLOUD, &told)).1)["fields"]["labels"][0].as_str().unwrap().to_owned();
        assert!(jql.contains(&made), "{jql}");
        made
    };
    assert_ne!(label(CREATE_1), label(Operation::Create { number: 2 }));
    let told = told("open", CREATE_1);
    let found = reply(200, r#"{"issues":[{"id":"10088","key":"SEC-88"}]}"#);
    let outcome = done(next(&format!("{CLOUD}\n{PRIORITY_ON}"), &told, SEARCH, &found));
    let reference = life::reference("SEC-88", json!({ "id": "10088", "priority": "Medium" }));
    assert_eq!(outcome, Outcome::Delivered { remote: reference });
    let missed = next(CLOUD, &told, SEARCH, &reply(200, r#"{"issues":[]}"#));
    assert_eq!(done(missed).kind(), Retry);
}

#[test]
fn a_reference_keeps_the_id_and_the_priority_that_was_set() {
    let created = reply(201, r#"{"id":"10088","key":"SEC-88"}"#);
    let told = told("worse", CREATE_1);
    let with = format!("{CLOUD}\n{PRIORITY_ON}");
    for (settings, step, data) in [
        (with.as_str(), CREATE, json!({ "id": "10088", "priority": "Highest" })),
        (with.as_str(), CREATE_BARE, json!({ "id": "10088" })),
        (CLOUD, CREATE, json!({ "id": "10088" })),
    ] {
        let outcome = done(next(settings, &told, step, &created));
        assert_eq!(outcome, Outcome::Delivered { remote: life::reference("SEC-88", data) });
    }
}

#[test]
fn a_ticket_that_is_made_again_follows_the_old_one() {
    let told = told("raise", Operation::Create { number: 2 });
    let (_, request) = sent(first(CLOUD, &told));
    let issue = body(&request);
    let link = json!([{ "add": { "type": { "name": "Relates" }, "outwardIssue": { "key": "SEC-88" } } }]);
    assert_eq!(issue["update"]["issuelinks"], link);
    assert!(issue["fields"]["description"].to_string().contains("Follows "));
    let refusal = reply(400, r#"{"errorMessages":[],"errors":{"issuelinks":"Field 'issuelinks' cannot be set."}}"#);
    let (step, bare) = sent(next(CLOUD, &told, CREATE, &refusal));
    assert_eq!((step, body(&bare).get("update")), (CREATE_BARE, None));
}

#[test]
fn an_incident_that_was_resolved_before_it_was_told_is_one_ticket_that_says_so_once() {
    let (_, request) = sent(first(DATA_CENTER, &told("resolve", CREATE_1)));
    let description = body(&request)["fields"]["description"].as_str().unwrap().to_owned();
    assert_eq!(description.matches("resolved by dana at").count(), 1, "{description}");
}

#[test]
fn a_comment_tells_a_difference_and_ends_with_its_mark() {
    for settings in [CLOUD, DATA_CENTER] {
        let told = told("update", COMMENT_2);
        let (step, request) = sent(first(settings, &told));
        assert_eq!(step, COMMENT);
        assert!(request.url.path().ends_with("/issue/10088/comment"), "by its id, which stays when it is moved");
        let text = body(&request)["body"].to_string();
        let mark = mark(&told.telling(), 2);
        assert!(text.contains("120 events") && text.contains(&mark), "{text}");
        assert!(!text.contains("What happened"), "never the whole again: {text}");
    }
}

#[test]
fn a_comment_in_doubt_is_looked_for_by_its_mark() {
    let told = told("update", COMMENT_2);
    let nothing = Progress::default();
    for settings in [CLOUD, DATA_CENTER] {
        let (step, request) = sent(notifier(settings).first(&life::in_doubt(told.job(), &nothing), &told.telling()));
        assert_eq!((step, request.method.as_str()), (COMMENTS, "GET"));
        assert_eq!(request.url.query(), Some("orderBy=-created&maxResults=20"));
        let mark = mark(&told.telling(), 2);
        let page = |text: &str, total: u64| {
            reply(200, &json!({ "comments": [{ "id": "1", "body": text }], "total": total }).to_string())
        };
        let answer = |reply: &Reply| next(settings, &told, COMMENTS, reply);
        assert_eq!(done(answer(&page(&format!("x\n{mark}"), 1))), Outcome::Delivered { remote: None });
        // Another comment of ours, and one that begins alike, are others.
        for other in [format!("{mark}1"), mark.replace("-2", "-1"), String::new()] {
            assert_eq!(sent(answer(&page(&other, 1))).0, COMMENT);
        }
        let (step, request) = sent(answer(&page("x", 50)));
        assert_eq!(step, REPEAT);
        assert!(body(&request).to_string().contains("Possible repeat"));
        let long = testing::cut_off(200, &format!("{{\"comments\":[{}", " ".repeat(HttpReply::BODY_BYTES_MAX - 13)));
        assert_eq!(sent(answer(&long)).0, REPEAT);
        assert_eq!(done(answer(&testing::cut_off(200, &format!("{{\"body\":\"{mark}\"")))).kind(), Delivered);
        assert_eq!(done(answer(&testing::cut_off(200, "{"))).kind(), Retry);
        assert_eq!(done(answer(&reply(404, ""))).kind(), Gone);
        assert_eq!(done(answer(&reply(503, ""))).kind(), Retry);
    }
}

#[test]
fn a_priority_is_changed_only_where_people_have_left_it() {
    let settings = format!("{CLOUD}\n{PRIORITY_ON}");
    let told = told("worse", Operation::Edit);
    let (step, request) = sent(first(&settings, &told));
    assert_eq!(
        (step, request.url.path(), request.url.query()),
        (READ, "/rest/api/3/issue/10088", Some("fields=priority"))
    );
    let read = |name: &str| next(&settings, &told, READ, &issue(json!({ "priority": { "name": name } })));
    let (step, request) = sent(read("Medium"));
    assert_eq!((step, request.method.as_str()), (EDIT, "PUT"));
    assert_eq!(body(&request), json!({ "fields": { "priority": { "name": "Highest" } } }));
    let set = |data| Outcome::Delivered { remote: life::reference("SEC-88", data) };
    let highest = json!({ "id": "10088", "priority": "Highest" });
    assert_eq!(done(next(&settings, &told, EDIT, &reply(204, ""))), set(highest.clone()));
    // An answer was lost: it is as it was to be.
    assert_eq!(done(read("Highest")), set(highest));
    // People have changed it: it is theirs from now on.
    assert_eq!(done(read("Low")), set(json!({ "id": "10088" })));
    assert_eq!(done(next(&settings, &told, READ, &issue(json!({ "priority": null })))), set(json!({ "id": "10088" })));
    let refusal = reply(400, r#"{"errorMessages":[],"errors":{"priority":"Field 'priority' cannot be set."}}"#);
    let Outcome::Delivered { remote: Some(kept) } = done(next(&settings, &told, EDIT, &refusal)) else { panic!() };
    assert!(kept.data[LEFT].as_str().unwrap().contains("priority"), "{kept:?}");
    // Off, or never set by gatepost: nothing is asked.
    assert_eq!(done(first(CLOUD, &told)), Outcome::Delivered { remote: None });
    let mut never = told.clone();
    never.told.reference = life::reference("SEC-88", json!({ "id": "10088" }));
    assert_eq!(done(first(&settings, &never)), Outcome::Delivered { remote: None });
}

#[test]
fn what_a_lost_answer_may_have_set_is_not_taken_for_what_people_set() {
    let settings = format!("{CLOUD}\n{PRIORITY_ON}");
    // The intent was to set High; the incident has become critical since.
    let mut told = told("raise", Operation::Edit);
    told.incident.rank.severity = crate::domain::Severity::Critical;
    let read = issue(json!({ "priority": { "name": "High" } }));
    let (_, request) = sent(next(&settings, &told, READ, &read));
    assert_eq!(body(&request)["fields"]["priority"]["name"], "Highest");
}

#[test]
fn a_status_follows_the_incident_and_peoples_decision() {
    let settings = format!("{CLOUD}\n{MOVES}");
    let resolve = told("resolve", Operation::Transition);
    let (step, request) = sent(first(&settings, &resolve));
    assert_eq!((step, request.url.query()), (STATUS, Some("fields=status")));
    let (step, _) = sent(next(&settings, &resolve, STATUS, &status("indeterminate")));
    assert_eq!(step, TRANSITIONS);
    let (step, request) = sent(next(&settings, &resolve, TRANSITIONS, &transitions()));
    assert_eq!((step, body(&request)), (TRANSITION, json!({ "transition": { "id": "21" } })), "by name");
    assert_eq!(done(next(&settings, &resolve, TRANSITION, &reply(204, ""))), Outcome::Delivered { remote: None });
    // People were faster.
    assert_eq!(done(next(&settings, &resolve, STATUS, &status("done"))), Outcome::Delivered { remote: None });

    let reopen = told("reopen", Operation::Transition);
    assert_eq!(done(next(&settings, &reopen, STATUS, &status("new"))), Outcome::Delivered { remote: None });
    assert_eq!(sent(next(&settings, &reopen, STATUS, &status("done"))).0, TRANSITIONS);
    let (_, request) = sent(next(&settings, &reopen, TRANSITIONS, &transitions()));
    assert_eq!(body(&request), json!({ "transition": { "id": "31" } }), "by id");

    // Without a setting the status is people's own.
    assert_eq!(done(first(CLOUD, &resolve)), Outcome::Delivered { remote: None });
    assert_eq!(done(first(&settings, &told("quiet", Operation::Transition))), Outcome::Delivered { remote: None });
}

#[test]
fn a_transition_that_is_not_offered_is_done_with_the_reason_kept() {
    let settings = format!("{CLOUD}\n{MOVES}");
    let told = told("resolve", Operation::Transition);
    let none = reply(200, r#"{"transitions":[{"id":"99","name":"Elsewhere"}]}"#);
    let late = reply(400, r#"{"errorMessages":["Transition id '21' is not valid for this issue."],"errors":{}}"#);
    for (step, reply, said) in
        [(TRANSITIONS, none, "does not offer the transition 'done'"), (TRANSITION, late, "not possible")]
    {
        let Outcome::Delivered { remote: Some(kept) } = done(next(&settings, &told, step, &reply)) else { panic!() };
        assert!(kept.data[LEFT].as_str().unwrap().contains(said), "{kept:?}");
        assert_eq!((kept.name.as_str(), &kept.data["id"]), ("SEC-88", &json!("10088")));
    }
}

#[test]
fn an_incident_that_is_back_gets_a_new_ticket_where_the_old_one_stays_closed() {
    let told = told("reopen", Operation::Transition);
    assert_eq!(sent(first(CLOUD, &told)).0, STATUS);
    let (step, request) = sent(next(CLOUD, &told, STATUS, &status("done")));
    assert_eq!(step, CREATE);
    let issue = body(&request);
    assert_eq!(issue["update"]["issuelinks"][0]["add"]["outwardIssue"]["key"], "SEC-88");
    let text = issue["fields"]["description"].to_string();
    assert!(text.contains("Follows ") && text.contains("reopened at"), "{text}");
    let created = next(CLOUD, &told, CREATE, &reply(201, r#"{"id":"10099","key":"SEC-99"}"#));
    assert_eq!(done(created), Outcome::Delivered { remote: life::reference("SEC-99", json!({ "id": "10099" })) });
    // In doubt it is looked for first, under a label of its own.
    let nothing = Progress::default();
    let job = life::in_doubt(told.job(), &nothing);
    let (step, request) = sent(notifier(CLOUD).next(&job, &told.telling(), STATUS, &status("done")));
    assert_eq!(step, SEARCH);
    assert!(body(&request)["jql"].as_str().unwrap().contains(issue["fields"]["labels"][0].as_str().unwrap()));
}

#[test]
fn every_documented_error_has_its_outcome() {
    let settings = format!("{CLOUD}\n{PRIORITY_ON}\n{MOVES}");
    let (comment, edit, transition) =
        (told("raise", COMMENT_2), told("raise", Operation::Edit), told("resolve", Operation::Transition));
    testing::assert_errors(errors::COMMENT, |status, body| next(&settings, &comment, COMMENT, &reply(status, body)));
    testing::assert_errors(errors::CHANGE, |status, body| next(&settings, &edit, EDIT, &reply(status, body)));
    testing::assert_errors(errors::CHANGE, |status, body| next(&settings, &edit, READ, &reply(status, body)));
    for step in [STATUS, TRANSITIONS, TRANSITION] {
        testing::assert_errors(errors::CHANGE, |status, body| next(&settings, &transition, step, &reply(status, body)));
    }
    testing::assert_errors(errors::CREATE, |status, body| {
        next(&settings, &told("open", CREATE_1), CREATE, &reply(status, body))
    });
}

#[test]
fn replies_that_cannot_be_read_leave_a_doubt_or_are_asked_for_again() {
    let settings = format!("{CLOUD}\n{PRIORITY_ON}\n{MOVES}");
    for (operation, step, answer, kind) in [
        (COMMENT_2, COMMENT, reply(201, "<html>"), Unknown),
        (COMMENT_2, COMMENT, reply(200, "{}"), Unknown),
        (COMMENT_2, COMMENT, reply(503, ""), Unknown),
        (Operation::Edit, READ, reply(200, "<html>"), Retry),
        (Operation::Edit, EDIT, reply(503, ""), Unknown),
        (Operation::Transition, STATUS, reply(200, "{}"), Retry),
        (Operation::Transition, TRANSITION, reply(502, ""), Unknown),
        (Operation::Transition, STATUS, reply(302, ""), Misconfigured),
    ] {
        assert_eq!(done(next(&settings, &told("resolve", operation), step, &answer)).kind(), kind, "{step} {answer:?}");
    }
}

#[test]
fn after_a_doubt_status_and_priority_are_read_first() {
    let settings = format!("{CLOUD}\n{PRIORITY_ON}\n{MOVES}");
    let nothing = Progress::default();
    for (operation, step) in [(Operation::Edit, READ), (Operation::Transition, STATUS)] {
        let told = told("resolve", operation);
        assert_eq!(sent(notifier(&settings).first(&life::in_doubt(told.job(), &nothing), &told.telling())).0, step);
    }
}

#[test]
fn no_reference_reaches_an_address_that_is_not_a_name_of_a_ticket() {
    for (name, data) in [
        ("SEC-88/../../myself", Value::Null),
        ("../SEC-1", Value::Null),
        ("SEC-1?x", json!({ "id": "1/2" })),
        ("", Value::Null),
        ("-1", Value::Null),
    ] {
        for operation in [COMMENT_2, Operation::Edit, Operation::Transition] {
            let mut told = told("resolve", operation);
            told.told.reference = life::reference(name, data.clone());
            assert_eq!(done(first(&format!("{CLOUD}\n{MOVES}"), &told)).kind(), Gone, "{name}");
        }
    }
    let mut told = told("resolve", COMMENT_2);
    told.told.reference = life::reference("A_1-9", Value::Null);
    assert!(sent(first(CLOUD, &told)).1.url.path().ends_with("/issue/A_1-9/comment"));
    let other = told.with(crate::domain::Change::Raise, Operation::Trigger { page: 1 });
    assert_eq!(done(first(CLOUD, &other)).kind(), Refused);
}

#[test]
fn a_probe_says_test_and_shows_no_number() {
    let event = testing::event("minimal");
    let job = Job { purpose: Purpose::Probe, ..testing::job(&event) };
    for settings in [CLOUD, DATA_CENTER] {
        let jira = notifier(settings);
        let probe = ProbeTelling::of(&event, jira.class(), job.now);
        let issue = body(&sent(jira.first(&job, &probe.telling())).1);
        assert!(issue["fields"]["summary"].as_str().unwrap().starts_with("TEST · "));
        let text = issue.to_string();
        assert!(!text.contains("#0") && !text.contains("incidents show"), "{text}");
    }
}

#[test]
fn another_project_is_another_place_and_another_credential_is_not() {
    let all = [
        CLOUD.to_owned(),
        DATA_CENTER.to_owned(),
        CLOUD.replace("\"SEC\"", "\"OPS\""),
        CLOUD.replace("example.atlassian", "other.atlassian"),
    ];
    let prints: std::collections::BTreeSet<[u8; 16]> =
        all.iter().map(|settings| notifier(settings).fingerprint()).collect();
    assert_eq!(prints.len(), all.len());
    let account = notifier(&CLOUD.replace("soc@", "bot@"));
    assert_eq!(notifier(CLOUD).fingerprint(), account.fingerprint());
    assert_ne!(notifier(CLOUD).former_fingerprint(), account.former_fingerprint());
    // Labels, priorities and transitions change nothing about what was made.
    assert_eq!(notifier(CLOUD).fingerprint(), notifier(&format!("{CLOUD}\n{PRIORITY_ON}\n{MOVES}")).fingerprint());
}

#[test]
fn a_ticket_that_may_have_been_made_before_incidents_were_told_has_the_label_of_its_event() {
    let event = testing::event("full").key;
    let mut told = life::at("open", NotifierClass::Ticket);
    told.told.reference = Some(Reference::former(crate::domain::DeliveryId::generate(), event));
    let told = told.with(crate::domain::Change::Open, CREATE_1);
    let progress = Progress::default();
    let job = life::in_doubt(told.job(), &progress);
    let (step, request) = sent(notifier(CLOUD).first(&job, &told.telling()));
    assert_eq!(step, SEARCH);
    assert!(body(&request)["jql"].as_str().unwrap().contains(&label(&event.to_string())));
}
