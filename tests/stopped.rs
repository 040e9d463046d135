//! A destination that is stopped for a fault in its settings keeps everything, and sends it once the fault is fixed.

// A helper that fails is a test that fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use std::time::{Duration, Instant};

use gatepost::domain::{Clock, SystemClock};
use gatepost::standins::{Rate, StandIn, pagerduty};
use harness::{Gateway, Post, until};
use serde_json::Value;

const AKTO: &str = "akto-shows-this-token-of-32-byte";
/// Of the right form, and of no integration.
const WRONG_KEY: &str = "11111111111111111111111111111111";
/// More than PagerDuty is told at once, so that an order can be seen.
const LESSER: usize = 8;

fn start_pager() -> StandIn<pagerduty::PagerDuty> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pager = runtime.block_on(pagerduty::start()).unwrap();
    pager.limit_rate(Rate::UNLIMITED);
    pager
}

fn config(pager: &StandIn<pagerduty::PagerDuty>, key: &str) -> String {
    format!(
        r#"
[incidents]
storm = "never"

[sources.akto]
vendor = "akto"
secrets = [{{ value = "{AKTO}" }}]
group_by = ["event"]

[destinations.oncall]
type = "pagerduty"
url = "{}"
routing_key = {{ value = "{key}" }}

[[routes]]
name = "page"
to = ["oncall"]
"#,
        pager.base_url()
    )
}

fn post(gateway: &Gateway, mark: &str, severity: &str) {
    let now = SystemClock.now().as_millis();
    let record = format!(
        r#"[{{"id":"{mark}","filterId":"SQLInjection","actor":"198.51.100.7","latestApiEndpoint":"/v1/{mark}",
        "latestApiMethod":"POST","detectedAt":{now},"refId":"{mark}","severity":"{severity}"}}]"#
    );
    gateway.post_bearer("akto", AKTO, record.as_bytes()).accepted();
}

fn oncall(gateway: &Gateway) -> Value {
    Post::get("/readyz").send(gateway.admin).json()["destinations"]["oncall"].clone()
}

/// A critical page that has been tried with the wrong key, and lesser ones behind it.
fn stopped_with_pages(pager: &StandIn<pagerduty::PagerDuty>) -> Gateway {
    let gateway = Gateway::start(&config(pager, WRONG_KEY));
    post(&gateway, "the-critical-one", "CRITICAL");
    let health = until("the destination is stopped", || {
        let health = oncall(&gateway);
        (health["state"] == "stopped").then_some(health)
    });
    assert!(health["reason"].as_str().unwrap().contains("copy the integration key"), "{health}");
    for number in 0..LESSER {
        post(&gateway, &format!("lesser-{number}"), "LOW");
    }
    gateway.dispatched();
    assert_eq!(gateway.list("deliveries", &["--state", "waiting"]).len(), 1 + LESSER, "nothing is given up");
    assert_eq!(pager.effects(), 0);
    gateway
}

fn all_are_told_the_critical_one_first(gateway: &Gateway, pager: &StandIn<pagerduty::PagerDuty>) {
    let fixed_at = Instant::now();
    until("every page is told", || (pager.effects() == 1 + LESSER).then_some(()));
    let took = fixed_at.elapsed();
    gateway.settle();
    let place = pager.incidents().iter().position(|incident| incident.triggers_with("the-critical-one") > 0).unwrap();
    println!("stopped: all {} pages told {took:?} after the mend, the critical one at place {place}", 1 + LESSER);
    // Four are told at once.
    assert!(place < 4, "the critical page was told at place {place}");
    assert!(took < Duration::from_secs(8), "it took {took:?}");
    assert_eq!(gateway.list("deliveries", &["--state", "dead"]).len(), 0);
}

#[test]
fn a_wrong_key_costs_no_page_and_after_a_reload_the_most_severe_goes_first() {
    let pager = start_pager();
    let gateway = stopped_with_pages(&pager);
    gateway.configure(&config(&pager, pagerduty::ROUTING_KEY));
    gateway.signal("HUP");
    all_are_told_the_critical_one_first(&gateway, &pager);
    assert_eq!(oncall(&gateway)["state"], "running");
}

#[test]
fn after_a_restart_with_the_right_key_the_most_severe_goes_first() {
    let pager = start_pager();
    let mut gateway = stopped_with_pages(&pager);
    assert!(gateway.stop().success());
    gateway.configure(&config(&pager, pagerduty::ROUTING_KEY));
    gateway.serve_again();
    all_are_told_the_critical_one_first(&gateway, &pager);
}

/// Fixed at PagerDuty: nothing is reloaded, and the next trial succeeds.
#[test]
fn after_a_mend_elsewhere_everything_is_due_at_once() {
    let pager = start_pager();
    let gateway = stopped_with_pages(&pager);
    pager.know_key(WRONG_KEY);
    until("the trial has found out", || (pager.effects() > 0).then_some(()));
    let resumed = Instant::now();
    gateway.settle();
    assert_eq!(pager.effects(), 1 + LESSER);
    assert!(resumed.elapsed() < Duration::from_secs(8), "it took {:?}", resumed.elapsed());
    assert_eq!(gateway.list("deliveries", &["--state", "dead"]).len(), 0);
}
