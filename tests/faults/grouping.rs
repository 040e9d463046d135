//! What belongs together is one incident, which pages once.

use std::time::Duration;

use gatepost::standins::pagerduty::Incident;

use super::dice::Dice;
use super::expectations::Expectations;
use super::gateway::Gateway;
use super::oracle::{self, Allowance, Figures};
use super::schedule;
use super::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_events_of_one_rule_and_victim_are_one_page() {
    let (pages, figures) = posted("the same thirty times", |expectations| {
        (0..30).map(|_| expectations.write(expectations.alert("leak", "bot-7", "high", "blocked"))).collect()
    })
    .await;
    assert_eq!((pages.len(), figures.incidents), (1, 1), "{pages:#?}");
    assert_eq!(pages[0].triggers.len(), 1, "{pages:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_rule_at_two_victims_is_two_incidents_and_two_pages() {
    let (pages, figures) = posted("two victims", |expectations| {
        let victims = (0..20).map(|place| if place % 2 == 0 { "bot-7" } else { "bot-8" });
        victims.map(|victim| expectations.write(expectations.alert("leak", victim, "high", "blocked"))).collect()
    })
    .await;
    assert_eq!((pages.len(), figures.incidents), (2, 2), "{pages:#?}");
    let summaries: Vec<String> = pages.iter().map(summary).collect();
    assert!(summaries[0].contains("bot-7") && summaries[1].contains("bot-8"), "{summaries:?}");
}

/// The summary with which an incident paged.
fn summary(page: &Incident) -> String {
    page.triggers[0].event["payload"]["summary"].as_str().unwrap_or_default().to_owned()
}

/// Posts what `write` writes, one after the other, with a stop of the process in the middle.
async fn posted(scenario: &str, write: impl FnOnce(&Expectations) -> Vec<usize>) -> (Vec<Incident>, Figures) {
    let _turn = schedule::beside_others().await;
    let mut dice = Dice::of(scenario);
    let world = World::new().await;
    world.write_config(
        &world.grouped_config_text().replace("[sources.adrian]", "[incidents]\nwait = \"0s\"\n\n[sources.adrian]"),
    );
    let expectations = Expectations::new(&mut dice);
    let postings = write(&expectations);
    let mut gateway = Gateway::ready(&world, &expectations).await;
    for (place, posting) in postings.iter().enumerate() {
        if place == postings.len() / 2 {
            gateway.end().await;
            gateway = Gateway::ready(&world, &expectations).await;
        }
        assert_eq!(expectations.post_once(*posting, world.public).await, Some(200));
    }
    gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    let figures = oracle::check(&world, &expectations, Allowance::default());
    println!("{scenario}: {figures}");
    (world.pagerduty.as_ref().unwrap().incidents(), figures)
}
