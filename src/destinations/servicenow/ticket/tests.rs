//! Incidents to tickets.

use super::*;
use crate::destinations::life::{self, OwnedTelling};
use crate::destinations::servicenow::content::TEXT_CHARS_MAX;
use crate::destinations::servicenow::note::{NOTE, NOTES, REPEAT, mark};
use crate::destinations::servicenow::state::{CHANGE, STATE};
use crate::destinations::servicenow::{KIND, create};
use crate::destinations::testing::{self, body, done, reply, sent};
use crate::destinations::{HttpReply, HttpRequest};
use crate::domain::OutcomeKind::{Delivered, Gone, Misconfigured, Refused, Retry, Unknown};
use crate::domain::{Audience, Change, Progress, Purpose};

const SETTINGS: &str = "url = \"https://dev.service-now.com\"\nuser = \"gatepost\"\n\
                        password = { env = \"SERVICENOW_PASSWORD\" }";
const MOVES: &str = "close_code = \"Solution provided\"\nreopen_state = \"2\"";
/// How an instance answers.
type Respond<'a> = &'a dyn Fn(&str, &HttpRequest) -> Reply;

const ID: &str = "0123456789abcdef0123456789abcdef";
const NOTE_1: Operation = Operation::Reply { number: 1, audience: Audience::Thread };

fn notifier() -> Box<dyn Notifier> {
    testing::notifier(&KIND, SETTINGS)
}

fn moving() -> Box<dyn Notifier> {
    testing::notifier(&KIND, &format!("{SETTINGS}\n{MOVES}"))
}

/// Told of its opening, with a ticket of which gatepost has set the priority.
fn told(stage: &str, operation: Operation) -> OwnedTelling {
    let told = life::at(stage, NotifierClass::Ticket);
    let change = told.intent.change;
    let mut told = told.with(change, operation);
    told.told.reference = life::reference("INC0010001", json!({ "id": ID, "priority": "2/2" }));
    told
}

fn result(record: &Value) -> Reply {
    reply(200, &json!({ "result": record }).to_string())
}

/// Answers as an instance on which people have changed nothing.
fn instance(step: &str, request: &HttpRequest) -> Reply {
    let sent: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    match step {
        create::CREATE => {
            let record = json!({
                "sys_id": ID, "number": "INC0010001", "correlation_id": sent["correlation_id"],
                "impact": sent["impact"], "urgency": sent["urgency"],
            });
            reply(201, &json!({ "result": record }).to_string())
        }
        READ => result(&json!({ "sys_id": ID, "impact": "2", "urgency": "2", "state": "1", "active": "true" })),
        STATE => result(&json!({ "sys_id": ID, "state": "2", "active": "true" })),
        _ => result(&json!({ "sys_id": ID })),
    }
}

#[test]
fn a_life_is_golden() {
    let stages = life::live(moving().as_ref(), instance);
    let names: Vec<&str> = stages.iter().map(|(name, _)| *name).collect();
    let never = ["quiet", "repeat"];
    assert_eq!(names, life::STAGES.into_iter().filter(|stage| !never.contains(stage)).collect::<Vec<_>>());
    for (name, conversation) in stages {
        testing::golden("servicenow", &format!("life/{name}"), &conversation);
    }
}

#[test]
fn a_work_note_says_what_is_new_and_ends_with_its_mark() {
    for (stage, says) in [
        ("raise", "now HIGH, allowed"),
        ("spread", "pay.example.com"),
        ("acknowledge", "looking at the logs"),
        ("resolve", "blocked at the edge"),
        ("update", "120"),
    ] {
        let told = told(stage, NOTE_1);
        let (step, request) = sent(notifier().first(&told.job(), &told.telling()));
        let note = body(&request)["work_notes"].as_str().unwrap().to_owned();
        assert_eq!(
            (step, request.method.as_str(), request.url.path()),
            (NOTE, "PATCH", format!("/api/now/table/incident/{ID}").as_str())
        );
        assert!(note.contains(says) && note.ends_with(&mark(&told.telling(), 1)), "{stage}: {note}");
    }
}

#[test]
fn every_request_keeps_its_columns_and_holds_no_markup() {
    for told in life::every_telling(NotifierClass::Ticket, 31) {
        for operation in [Operation::Create { number: 1 }, NOTE_1, Operation::Transition] {
            let change = told.intent.change;
            let mut told = told.clone().with(change, operation);
            told.told.reference = life::reference("INC0010001", json!({ "id": ID }));
            let closed = |step: &str, request: &HttpRequest| match step {
                STATE => result(&json!({ "state": "7", "active": "false" })),
                _ => instance(step, request),
            };
            let respond: [Respond<'_>; 2] = [&instance, &closed];
            let is_transition = operation == Operation::Transition;
            for respond in respond.into_iter().take(if is_transition { 2 } else { 1 }) {
                let (said, _) =
                    life::converse(moving().as_ref(), &told.job(), &told.telling(), &|s: &str, r: &HttpRequest| {
                        respond(s, r)
                    });
                for said in &said {
                    let body = &said["request"]["body"];
                    let text = body.to_string();
                    assert!(!testing::leaks(&text) && !text.to_lowercase().contains("[code]"), "{text}");
                    for name in ["description", "work_notes", "close_notes", "short_description"] {
                        let length = body[name].as_str().unwrap_or_default().encode_utf16().count();
                        assert!(length <= TEXT_CHARS_MAX, "{name}");
                    }
                }
            }
        }
    }
}

#[test]
fn html_and_mentions_of_an_event_or_a_person_are_broken_up_everywhere() {
    let nasty = "[code]<b>x</b>[/CODE] [ code ] @[Ann Lee]";
    for (stage, operation) in
        [("open", Operation::Create { number: 1 }), ("resolve", NOTE_1), ("resolve", Operation::Transition)]
    {
        let mut told = told(stage, operation);
        told.event = testing::with_every_text(&told.event, nasty);
        told.incident.title = nasty.into();
        told.incident.state_note = Some(nasty.into());
        let (said, outcome) = life::converse(moving().as_ref(), &told.job(), &told.telling(), &instance);
        let text = serde_json::to_string(&said).unwrap();
        assert!(outcome.kind() == Delivered && text.contains("<b>x</b>"), "{text}");
        assert!(
            !text.contains("[code") && !text.contains("[/CODE") && !text.contains("[ code") && !text.contains("@[A")
        );
    }
}

#[test]
fn after_a_doubt_a_work_note_is_looked_for() {
    let nothing = Progress::default();
    let told = told("raise", NOTE_1);
    let job = life::in_doubt(told.job(), &nothing);
    let (step, request) = sent(notifier().first(&job, &told.telling()));
    assert_eq!((step, request.method.as_str()), (NOTES, "GET"));
    let own = mark(&told.telling(), 1);
    let looked = |notes: Value| notifier().next(&job, &told.telling(), NOTES, &result(&json!({ "work_notes": notes })));
    assert_eq!(done(looked(json!(format!("x\n\n{own}\n\n")))), Outcome::Delivered { remote: None });
    for (notes, replies, wanted) in [
        (json!(format!("x\n{own}1\n")), 1, NOTE),
        (json!(""), 0, NOTE),
        (json!(""), 1, REPEAT),
        (Value::Null, 1, REPEAT),
    ] {
        let mut told = told.clone();
        told.told.replies = replies;
        let read = result(&json!({ "sys_id": ID, "work_notes": notes }));
        let (step, request) = sent(notifier().next(&job, &told.telling(), NOTES, &read));
        assert_eq!(step, wanted, "{notes} {replies}");
        let is_marked = body(&request)["work_notes"].as_str().unwrap().starts_with("Possible repeat");
        assert_eq!(is_marked, wanted == REPEAT);
    }
    // A journal that is longer than what is read of a reply: the newest come first.
    for (text, is_there) in [(format!("{own} {}", "x".repeat(70_000)), true), ("x".repeat(70_000), false)] {
        let body = bytes::Bytes::from(text[..HttpReply::BODY_BYTES_MAX].to_owned());
        let long = Reply::Http(HttpReply { status: 200, headers: Default::default(), body, truncated: true });
        match notifier().next(&job, &told.telling(), NOTES, &long) {
            Next::Done(outcome) => assert!(is_there && outcome.kind() == Delivered),
            Next::Send(step, _) => assert!(!is_there && step == REPEAT),
        }
    }
}

#[test]
fn impact_and_urgency_are_raised_only_while_people_have_not_changed_them() {
    let told = told("worse", Operation::Edit);
    let read = |impact: &str, urgency: &str, state: &str| {
        let record = json!({ "impact": impact, "urgency": urgency, "state": state, "active": "true" });
        notifier().next(&told.job(), &told.telling(), READ, &result(&record))
    };
    let (step, request) = sent(read("2", "2", "1"));
    assert_eq!((step, body(&request)), (EDIT, json!({ "impact": "1", "urgency": "1" })));
    let note = |next: Next| match done(next) {
        Outcome::Delivered { remote: Some(reference) } => reference.data["priority"].clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(note(notifier().next(&told.job(), &told.telling(), EDIT, &result(&json!({ "sys_id": ID })))), "1/1");
    assert_eq!(note(read("1", "1", "1")), "1/1");
    assert_eq!(note(read("3", "2", "1")), Value::Null, "people have changed it");
    assert_eq!(note(read("2", "2", "6")), Value::Null, "people have closed it");
    let mut changed = told.clone();
    changed.told.reference = life::reference("INC0010001", json!({ "id": ID }));
    assert_eq!(done(notifier().first(&changed.job(), &changed.telling())), Outcome::Delivered { remote: None });
}

#[test]
fn the_state_follows_the_incident_where_it_is_asked_for_and_people_everywhere() {
    let record =
        |state: &str| json!({ "state": state, "active": if ["7", "8"].contains(&state) { "false" } else { "true" } });
    let resolve = told("resolve", Operation::Transition);
    assert_eq!(done(notifier().first(&resolve.job(), &resolve.telling())), Outcome::Delivered { remote: None });
    let resolved = |state: &str| moving().next(&resolve.job(), &resolve.telling(), STATE, &result(&record(state)));
    for state in ["1", "2", "3"] {
        let (step, request) = sent(resolved(state));
        let body = body(&request);
        assert_eq!((step, &body["state"], &body["close_code"]), (CHANGE, &json!("6"), &json!("Solution provided")));
        assert!(body["close_notes"].as_str().unwrap().contains("blocked at the edge"), "{body}");
    }
    for state in ["6", "7", "8"] {
        assert_eq!(done(resolved(state)), Outcome::Delivered { remote: None }, "people have closed it");
    }
    let reopen = told("reopen", Operation::Transition);
    let reopened =
        |by: Box<dyn Notifier>, state: &str| by.next(&reopen.job(), &reopen.telling(), STATE, &result(&record(state)));
    for state in ["1", "2", "3"] {
        assert_eq!(done(reopened(moving(), state)), Outcome::Delivered { remote: None }, "it is open");
        assert_eq!(done(reopened(notifier(), state)), Outcome::Delivered { remote: None }, "it is open");
    }
    let (step, request) = sent(reopened(moving(), "6"));
    assert_eq!((step, body(&request)), (CHANGE, json!({ "state": "2" })));
    for (by, state) in [(moving(), "7"), (moving(), "8"), (notifier(), "6"), (notifier(), "7")] {
        let (step, request) = sent(reopened(by, state));
        let made = body(&request);
        assert_eq!((step, request.method.as_str(), &made["parent"]), (create::CREATE, "POST", &json!(ID)));
        assert!(made["description"].as_str().unwrap().contains("Follows INC0010001"));
    }
}

#[test]
fn another_table_has_its_own_states() {
    let settings = format!("{SETTINGS}\n{MOVES}\ntable = \"sn_si_incident\"\nresolve_state = \"3\"");
    let notifier = testing::notifier(&KIND, &settings);
    let resolve = told("resolve", Operation::Transition);
    let resolved = |state: &str| {
        let record = json!({ "state": state, "active": "true" });
        notifier.next(&resolve.job(), &resolve.telling(), STATE, &result(&record))
    };
    assert_eq!(body(&sent(resolved("6")).1)["state"], "3");
    assert_eq!(done(resolved("3")), Outcome::Delivered { remote: None });
}

#[test]
fn documented_errors_mean_what_their_tables_say() {
    for (stage, operation, step, table) in [
        ("raise", NOTE_1, NOTE, errors::NOTE),
        ("worse", Operation::Edit, EDIT, errors::CHANGE),
        ("resolve", Operation::Transition, CHANGE, errors::CHANGE),
    ] {
        let told = told(stage, operation);
        testing::assert_errors(table, |status, body| {
            moving().next(&told.job(), &told.telling(), step, &reply(status, body))
        });
        let answer = |reply: &Reply| done(moving().next(&told.job(), &told.telling(), step, reply)).kind();
        assert_eq!(answer(&result(&json!({ "sys_id": ID }))), Delivered);
        assert_eq!(answer(&reply(200, "<html>")), Unknown);
        assert_eq!(answer(&reply(500, "")), Unknown);
    }
    for (operation, step) in [(NOTE_1, NOTES), (Operation::Edit, READ), (Operation::Transition, STATE)] {
        let told = told("resolve", operation);
        let answer = |reply: &Reply| done(moving().next(&told.job(), &told.telling(), step, reply)).kind();
        assert_eq!(answer(&reply(200, "<html>")), Retry);
        assert_eq!(answer(&reply(401, "")), Misconfigured);
        assert_eq!(answer(&reply(404, r#"{"error":{"message":"No Record found","detail":"x"}}"#)), Gone);
    }
}

#[test]
fn a_ticket_that_is_not_known_is_gone_and_its_address_holds_nothing_else() {
    for operation in [NOTE_1, Operation::Edit, Operation::Transition] {
        for bad in [Value::Null, json!("../sys_user"), json!("x"), json!(format!("{ID}?"))] {
            let mut told = told("resolve", operation);
            told.told.reference = life::reference("INC0010001", json!({ "id": bad }));
            assert_eq!(done(moving().first(&told.job(), &told.telling())).kind(), Gone, "{operation:?} {bad}");
        }
    }
}

#[test]
fn what_a_ticket_has_not_is_refused_and_not_sent() {
    for operation in
        [Operation::Trigger { page: 1 }, Operation::AcknowledgePage { page: 1 }, Operation::ResolvePage { page: 1 }]
    {
        let told = told("raise", NOTE_1).with(Change::Raise, operation);
        assert_eq!(done(notifier().first(&told.job(), &told.telling())).kind(), Refused);
    }
}

#[test]
fn a_probe_says_test_and_shows_no_number() {
    let event = testing::event("minimal");
    let job = Job { purpose: Purpose::Probe, ..testing::job(&event) };
    let probe = crate::destinations::ProbeTelling::of(&event, notifier().class(), job.now);
    let ticket = body(&sent(notifier().first(&job, &probe.telling())).1);
    assert!(ticket["short_description"].as_str().unwrap().starts_with("TEST · "), "{ticket}");
    assert!(!ticket.to_string().contains("#0") && !ticket.to_string().contains("incidents show"), "{ticket}");
}

#[test]
fn another_table_is_another_place_and_another_account_is_not() {
    let other = testing::notifier(&KIND, &format!("{SETTINGS}\ntable = \"problem\""));
    let account = testing::notifier(&KIND, &SETTINGS.replace("\"gatepost\"", "\"soc\""));
    assert_eq!(notifier().fingerprint(), notifier().fingerprint());
    assert_ne!(notifier().fingerprint(), other.fingerprint());
    assert_eq!(notifier().fingerprint(), account.fingerprint());
    assert_ne!(notifier().former_fingerprint(), account.former_fingerprint());
}
