//! The stand-in by itself, and the notifier against it over real HTTP.

use super::*;
use crate::domain::{Audience, Operation, Outcome, OutcomeKind, Scope};
use crate::standins::notifiers::Told;
use crate::standins::oauth::{self, CLIENT_ID, CLIENT_SECRET};
use crate::standins::{Fault, Style};

const CREATE: Operation = Operation::Create { number: 1 };

fn reply(number: u32) -> Operation {
    Operation::Reply { number, audience: Audience::Thread }
}

async fn instance(more: &str) -> (StandIn<ServiceNow>, Told) {
    let instance = start().await.unwrap();
    let settings = format!(
        "url = \"{}\"\nuser = \"{USER}\"\npassword = {{ value = \"{PASSWORD}\" }}\n{more}",
        instance.base_url()
    );
    (instance, Told::by("servicenow", &settings))
}

const MOVES: &str = "close_code = \"Solution provided\"\nreopen_state = \"2\"";

#[tokio::test]
async fn a_ticket_is_made_commented_on_raised_resolved_and_taken_up_again() {
    let (instance, mut told) = instance(&format!("{MOVES}\nfields = {{ category = \"security\" }}")).await;
    told.delivers("open", CREATE).await;
    told.delivers("update", reply(1)).await;
    told.delivers("raise", Operation::Edit).await;
    told.delivers("raise", reply(2)).await;
    told.delivers("resolve", reply(3)).await;
    told.delivers("resolve", Operation::Transition).await;
    let ticket = instance.tickets().remove(0);
    let texts = ["state", "impact", "urgency", "category", "close_code"].map(|column| ticket.text(column).to_owned());
    assert_eq!(texts, ["6", "2", "1", "security", "Solution provided"]);
    assert!(ticket.work_notes.len() == 3 && ticket.text("close_notes").contains("blocked at the edge"), "{ticket:#?}");
    told.delivers("reopen", Operation::Transition).await;
    assert_eq!((instance.effects(), instance.tickets()[0].text("state")), (1, "2"));
    assert_eq!(told.reference.as_ref().unwrap().name, "INC0000001");
    assert!(instance.render_terminal(Style::Plain).contains("#4711"));
}

#[tokio::test]
async fn what_people_have_done_to_a_ticket_stays() {
    let (instance, mut told) = instance(MOVES).await;
    told.delivers("open", CREATE).await;
    instance.set("INC0000001", "urgency", "3");
    told.delivers("raise", Operation::Edit).await;
    told.delivers("worse", Operation::Edit).await;
    assert_eq!(instance.tickets()[0].text("urgency"), "3");
    for state in ["6", "7", "8"] {
        instance.set("INC0000001", "state", state);
        told.delivers("resolve", Operation::Transition).await;
        assert_eq!((instance.tickets()[0].text("state"), instance.tickets()[0].text("close_code")), (state, ""));
    }
}

#[tokio::test]
async fn an_incident_that_is_back_is_a_new_ticket_where_people_closed_the_old_one() {
    for (more, state) in [("", "6"), (MOVES, "7")] {
        let (instance, mut told) = instance(more).await;
        told.delivers("open", CREATE).await;
        instance.set("INC0000001", "state", state);
        // The answer is lost: it is found by its correlation id, and made once.
        instance.script([Fault::NoFault, Fault::TakenThenReset]);
        assert_eq!(told.tell("reopen", Operation::Transition).await.kind(), OutcomeKind::Unknown);
        assert_eq!(told.tell_again("reopen", Operation::Transition).await.kind(), OutcomeKind::Delivered);
        let tickets = instance.tickets();
        assert_eq!((tickets.len(), tickets[1].text("parent")), (2, tickets[0].text("sys_id")));
        assert!(tickets[1].text("description").contains("Follows INC0000001"));
        assert_eq!(tickets[0].text("state"), state, "the old one stays as people left it");
        assert_eq!(told.reference.as_ref().unwrap().name, "INC0000002");
        told.delivers("reopen", reply(1)).await;
        assert_eq!(instance.tickets()[1].work_notes.len(), 1);
    }
}

#[tokio::test]
async fn a_ticket_and_a_work_note_are_found_again_after_a_lost_answer() {
    let (instance, mut told) = instance("").await;
    instance.script([Fault::TakenThenReset]);
    assert_eq!(told.tell("open", CREATE).await.kind(), OutcomeKind::Unknown);
    assert_eq!(told.tell_again("open", CREATE).await.kind(), OutcomeKind::Delivered);
    for (number, fault) in [(1, Fault::TakenThenReset), (2, Fault::Reset)] {
        instance.script([fault]);
        assert_eq!(told.tell("raise", reply(number)).await.kind(), OutcomeKind::Unknown);
        assert_eq!(told.tell_again("raise", reply(number)).await.kind(), OutcomeKind::Delivered);
        assert_eq!(instance.tickets()[0].work_notes.len(), number as usize, "each is there once");
    }
    assert_eq!(instance.effects(), 1);
    // Not there yet: looked for again later, and not made at once.
    let (instance, mut told) = self::instance("").await;
    assert_eq!(told.tell_again("open", CREATE).await.kind(), OutcomeKind::Retry);
    assert_eq!(instance.effects(), 0);
}

#[tokio::test]
async fn another_ticket_is_never_taken_for_the_one_that_is_looked_for() {
    let (instance, mut told) = instance("").await;
    told.delivers("open", Operation::Create { number: 7 }).await;
    instance.ignore_queries();
    assert_eq!(told.tell_again("open", CREATE).await.kind(), OutcomeKind::Misconfigured);
    assert_eq!(instance.effects(), 1);
}

#[tokio::test]
async fn a_ticket_that_was_deleted_is_gone_and_can_be_made_again() {
    let (instance, mut told) = instance(MOVES).await;
    told.delivers("open", CREATE).await;
    instance.delete("INC0000001");
    for operation in [Operation::Edit, reply(1), Operation::Transition] {
        assert_eq!(told.tell("resolve", operation).await.kind(), OutcomeKind::Gone, "{operation:?}");
    }
    assert_eq!(told.tell_again("raise", reply(1)).await.kind(), OutcomeKind::Gone);
    told.delivers("raise", Operation::Create { number: 2 }).await;
    assert_eq!(instance.effects(), 1);
}

#[tokio::test]
async fn what_a_data_policy_demands_is_the_operators_to_fill() {
    let (instance, mut told) = instance("").await;
    instance.demand("caller_id");
    let outcome = told.tell("open", CREATE).await;
    assert_eq!((outcome.kind(), instance.effects()), (OutcomeKind::Misconfigured, 0));
    assert!(outcome.reason().unwrap().contains("`fields`"), "{outcome:?}");
}

#[tokio::test]
async fn a_rate_limit_and_wrong_credentials_are_told_apart_and_a_token_does() {
    let (instance, mut told) = instance("").await;
    instance.limit_rate(Rate::new(0, Duration::from_secs(90)));
    let crate::domain::Outcome::Retry { after, .. } = told.tell("open", CREATE).await else { panic!() };
    assert!(after.unwrap() >= Duration::from_secs(89));
    instance.limit_rate(Rate::UNLIMITED);
    instance.script([Fault::Unauthorized]);
    assert_eq!(told.tell("open", CREATE).await.kind(), OutcomeKind::Misconfigured);
    let settings = format!("url = \"{}\"\ntoken = {{ value = \"{TOKEN}\" }}", instance.base_url());
    Told::by("servicenow", &settings).delivers("open", CREATE).await;
    assert_eq!(instance.effects(), 1);
}

#[test]
fn what_the_stand_in_refuses() {
    let mut instance = ServiceNow::default();
    let authorization = format!("Bearer {TOKEN}");
    let mut answer = |method: &str, path: &str, query: &str, body: Value| {
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
        let request = Arrived {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers.into_iter().collect(),
            body: body.to_string().into(),
            received_at: Timestamp::from_millis(0),
        };
        instance.answer(&request).status
    };
    let table = "/api/now/table/incident";
    assert_eq!(answer("POST", table, "", json!({ "short_description": "x" })), 201);
    for (column, bad) in [
        ("short_description", json!("x".repeat(161))),
        ("description", json!("😀".repeat(2001))),
        ("impact", json!("0")),
        ("urgency", json!(1)),
        ("misspelt", json!("x")),
    ] {
        assert_eq!(answer("POST", table, "", json!({ column: bad })), 400, "{column}");
    }
    let found = |query: &str| format!("sysparm_query={query}&sysparm_limit=1");
    assert_eq!(answer("GET", table, &found("correlation_id%3Dgatepost-1"), Value::Null), 200);
    for injected in ["correlation_id%3Da%5EORactive%3Dtrue", "active%3Dtrue", "correlation_id%3D", ""] {
        assert_eq!(answer("GET", table, &found(injected), Value::Null), 400, "{injected}");
    }
    assert_eq!(answer("GET", "/api/now/table/incidents", "", Value::Null), 400);
    assert_eq!(answer("GET", "/api/now/tables", "", Value::Null), 404);
    let ticket = format!("{table}/{:032x}", 1);
    assert_eq!(answer("PATCH", &ticket, "", json!({ "state": "6" })), 403);
    assert_eq!(answer("PATCH", &ticket, "", json!({ "state": "7", "close_code": "x", "close_notes": "x" })), 200);
    assert_eq!(answer("PATCH", &ticket, "", json!({ "urgency": "1" })), 403);
    assert_eq!(answer("PATCH", &ticket, "", json!({ "work_notes": "x" })), 200);
}

/// A notifier whose tokens come from the endpoint.
fn told_by_oauth(instance: &StandIn<ServiceNow>, endpoint: &StandIn<oauth::TokenEndpoint>, secret: &str) -> Told {
    let (url, token_url) = (instance.base_url(), endpoint.url());
    let client = format!("client_id = \"{CLIENT_ID}\", client_secret = {{ value = \"{secret}\" }}");
    Told::by("servicenow", &format!("url = \"{url}\"\noauth = {{ token_url = \"{token_url}\", {client} }}"))
}

#[tokio::test]
async fn tokens_are_fetched_and_a_client_that_is_not_known_stops_the_destination() {
    let (instance, endpoint) = (start().await.unwrap(), oauth::start().await.unwrap());
    for token in [TOKEN, "another-that-is-refused"] {
        endpoint.issue(token);
    }
    let mut told = told_by_oauth(&instance, &endpoint, CLIENT_SECRET);
    told.delivers("open", CREATE).await;
    told.delivers("update", reply(1)).await;
    assert_eq!((instance.effects(), endpoint.given().len()), (1, 1));
    instance.script([Fault::Unauthorized]);
    let refused = told.tell("raise", Operation::Edit).await;
    assert_eq!(refused.kind(), OutcomeKind::Misconfigured, "{refused:?}");
    assert!(!refused.reason().unwrap().contains("another-that-is-refused"), "{refused:?}");
    endpoint.issue(TOKEN);
    told.delivers("raise", Operation::Edit).await;

    let outcome = told_by_oauth(&instance, &endpoint, "wrong").tell("open", CREATE).await;
    let Outcome::Misconfigured { reason, scope: Scope::Destination } = outcome else { panic!("{outcome:?}") };
    assert!(
        reason.starts_with("ServiceNow was sent nothing: no access token: the token endpoint 127.0.0.1:"),
        "{reason}"
    );
    endpoint.script([Fault::Status(503)]);
    let outcome = told_by_oauth(&instance, &endpoint, CLIENT_SECRET).tell("open", CREATE).await;
    assert!(matches!(outcome, Outcome::Retry { scope: Scope::Destination, .. }), "{outcome:?}");
    assert_eq!(instance.effects(), 1);
}
