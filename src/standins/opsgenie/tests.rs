//! The stand-in by itself, and the notifier against it over real HTTP.

use super::Status::{Acknowledged, Closed, Open};
use super::*;
use crate::destinations::life;
use crate::domain::{Operation, Outcome, OutcomeKind, Progress};
use crate::standins::notifiers::{Told, converse};
use crate::standins::{Fault as Scripted, Style};

async fn pager(more: &str) -> (StandIn<Opsgenie>, Told) {
    let pager = start().await.unwrap();
    let settings = format!("api_key = {{ value = \"{API_KEY}\" }}\nurl = \"{}\"\n{more}", pager.base_url());
    (pager, Told::by("opsgenie", &settings))
}

/// Tells until Opsgenie has said what became of it, as the queue does, without its pauses.
async fn tell(told: &mut Told, stage: &str, operation: Operation) -> Outcome {
    let mut progress = Progress::default();
    let mut owned = told.telling(stage, operation);
    for _ in 0..16 {
        let job = crate::domain::Job { progress: &progress, ..owned.job() };
        match converse(told.notifier.as_ref(), &told.egress, &job, &owned.telling()).await {
            Outcome::Pending { progress: notes, after: pause, .. } => {
                progress = notes;
                owned.now = owned.now.plus(pause);
            }
            outcome => return told.settle(owned, outcome),
        }
    }
    panic!("its tries do not come to an end");
}

async fn delivers(told: &mut Told, stage: &str, operation: Operation) {
    let outcome = tell(told, stage, operation).await;
    assert_eq!(outcome.kind(), OutcomeKind::Delivered, "{stage} {operation:?}: {outcome:?}");
}

fn statuses(pager: &StandIn<Opsgenie>) -> Vec<Status> {
    pager.alerts().iter().map(|alert| alert.status).collect()
}

#[tokio::test]
async fn alerts_are_created_acknowledged_and_closed_each_by_its_own_alias() {
    let (pager, mut told) = pager("responders = [\"team:SOC\", \"user:ann@example.com\"]").await;
    delivers(&mut told, "open", Operation::Trigger { page: 1 }).await;
    delivers(&mut told, "raise", Operation::Trigger { page: 2 }).await;
    assert_eq!(statuses(&pager), [Open; 2]);
    let alert = pager.alerts().remove(0).requests.remove(0);
    assert_eq!(alert["responders"][1], json!({ "type": "user", "username": "ann@example.com" }));
    for page in 1..=2 {
        delivers(&mut told, "acknowledge", Operation::AcknowledgePage { page }).await;
    }
    assert_eq!(statuses(&pager), [Acknowledged; 2]);
    for page in 1..=2 {
        delivers(&mut told, "resolve", Operation::ResolvePage { page }).await;
    }
    assert_eq!(statuses(&pager), [Closed; 2]);
    delivers(&mut told, "reopen", Operation::Trigger { page: 3 }).await;
    assert_eq!(statuses(&pager), [Closed, Closed, Open]);
    let shown = pager.render_terminal(Style::Plain);
    assert!(shown.contains("#4711") && shown.contains("looking at the logs") && shown.contains("blocked at the edge"));
}

#[tokio::test]
async fn after_a_lost_answer_it_is_there_once() {
    let (pager, mut told) = pager("").await;
    for (page, fault) in [(1, Scripted::TakenThenReset), (2, Scripted::Reset)] {
        pager.script([fault]);
        assert_eq!(tell(&mut told, "open", Operation::Trigger { page }).await.kind(), OutcomeKind::Unknown);
        let owned = told.telling("open", Operation::Trigger { page });
        let nothing = Progress::default();
        let job = life::in_doubt(owned.job(), &nothing);
        let outcome = converse(told.notifier.as_ref(), &told.egress, &job, &owned.telling()).await;
        let is_there = page == 1;
        assert_eq!(outcome.kind(), if is_there { OutcomeKind::Delivered } else { OutcomeKind::Retry }, "{outcome:?}");
        assert_eq!((pager.effects(), pager.alerts()[page as usize - 1].requests.len()), (page as usize, 1));
    }
}

#[tokio::test]
async fn what_a_person_has_closed_stays_closed_and_is_no_failure() {
    let (pager, mut told) = pager("").await;
    delivers(&mut told, "open", Operation::Trigger { page: 1 }).await;
    let alias = pager.alerts()[0].alias.clone();
    assert_eq!(told.reference.as_ref().unwrap().name, alias);
    pager.close(&alias);
    delivers(&mut told, "acknowledge", Operation::AcknowledgePage { page: 1 }).await;
    delivers(&mut told, "resolve", Operation::ResolvePage { page: 1 }).await;
    assert_eq!((statuses(&pager), pager.alerts()[0].changes.len()), (vec![Closed], 1));
}

#[tokio::test]
async fn a_request_that_is_taken_and_ignored_is_not_delivered() {
    let (pager, mut told) = pager("").await;
    pager.ignore();
    let outcome = tell(&mut told, "open", Operation::Trigger { page: 1 }).await;
    assert_eq!((outcome.kind(), pager.effects()), (OutcomeKind::Misconfigured, 0));
    assert!(outcome.reason().unwrap().contains("ignored by the integration"), "{outcome:?}");
}

#[tokio::test]
async fn a_request_of_which_nothing_becomes_known_is_looked_for_and_not_repeated() {
    let (pager, mut told) = pager("").await;
    pager.lag(100);
    delivers(&mut told, "open", Operation::Trigger { page: 1 }).await;
    assert_eq!(pager.alerts()[0].requests.len(), 1);
    let asked = pager.requests().iter().filter(|request| request.path.contains("/requests/")).count();
    assert_eq!(asked, 5);
}

#[tokio::test]
async fn a_key_that_may_only_write_is_enough() {
    let (pager, mut told) = pager("").await;
    pager.revoke_reading();
    delivers(&mut told, "open", Operation::Trigger { page: 1 }).await;
    assert_eq!(pager.effects(), 1);
}

#[tokio::test]
async fn a_rate_limit_and_a_wrong_key_are_told_apart() {
    let (pager, mut told) = pager("").await;
    pager.limit_rate(Rate::new(0, Duration::from_secs(60)));
    let Outcome::Retry { after, .. } = tell(&mut told, "open", Operation::Trigger { page: 1 }).await else { panic!() };
    assert!(after.unwrap() >= Duration::from_secs(60));
    pager.limit_rate(Rate::UNLIMITED);
    pager.script([Scripted::Unauthorized]);
    let outcome = tell(&mut told, "open", Operation::Trigger { page: 1 }).await;
    assert_eq!((outcome.kind(), pager.effects()), (OutcomeKind::Misconfigured, 0));
}

#[test]
fn what_the_real_service_refuses_is_refused() {
    let good = json!({ "message": "x", "alias": "a-1", "details": { "a": "b" }, "tags": ["x"], "priority": "P1" });
    assert_eq!(refusal(&good, ALERT), None);
    for (key, bad) in [
        ("message", json!("x".repeat(131))),
        ("message", json!("😀".repeat(66))),
        ("message", json!("")),
        ("description", json!("x".repeat(15_001))),
        ("alias", json!("x".repeat(513))),
        ("details", json!({ "a": { "b": "c" } })),
        ("details", json!({ "a": "x".repeat(8_000) })),
        ("tags", json!(["x".repeat(51)])),
        ("priority", json!("P0")),
        ("responders", json!([{ "type": "group", "name": "x" }])),
        ("responders", json!([{ "type": "team" }])),
        ("misspelt", json!("x")),
    ] {
        let mut broken = good.clone();
        broken[key] = bad;
        let answer = refusal(&broken, ALERT).unwrap();
        assert!(answer.status == 422 && answer.body.contains(&format!("\"{key}\":")), "{answer:?}");
    }
}
