//! `gatepost replay`: sent again on order, and only what was asked for.

use gatepost::standins::{Fault, Rate, StandIn, pagerduty};

use crate::harness::{Gateway, until};
use crate::{ADRIAN, AKTO, ARCHIVE, block_on, config, sources_by_event};

#[test]
fn what_is_in_quarantine_is_marked_and_released_on_order() {
    let mut gateway = Gateway::start(&config());
    let alert = |id: &str, time: &str| {
        format!(r#"{{"id":"{id}","type":"alert.triggered","timestamp":"{time}","data":{{"details":"{id}"}}}}"#)
    };
    let first = alert("evt_first", "2024-01-15T10:30:00Z");
    gateway.post_signed("adrian", ADRIAN, first.as_bytes()).accepted();
    gateway.settle();
    assert_eq!(gateway.list("deliveries", &[]).len(), 1, "a new store has forgotten nothing");
    // As if keys had been deleted for their age.
    gateway.stop();
    let store = rusqlite::Connection::open(gateway.folder.path().join("gatepost.db")).unwrap();
    assert_eq!(store.execute("UPDATE pulse SET forgets = 1", []), Ok(1));
    drop(store);
    gateway.serve_again();
    let old = alert("evt_old", "2024-01-15T10:30:00Z");
    let receipt = gateway.post_signed("adrian", ADRIAN, old.as_bytes()).accepted();
    gateway.post_bearer("akto", AKTO, br#"[{"id":"a","filterId":"XSS","detectedAt":1705314600}]"#).accepted();
    // Events that come together are one batch.
    gateway.settle();
    // The Unix epoch is a clock that was never set, not a time.
    gateway.post_signed("adrian", ADRIAN, alert("evt_zero", "1970-01-01T00:00:00Z").as_bytes()).accepted();
    gateway.settle();
    assert_eq!(gateway.list("deliveries", &[]).len(), 3, "Akto's and the one without a time");
    let held = gateway.list("events", &["--quarantined"]);
    assert!(held.len() == 1 && held[0]["receipt"] == receipt.as_str() && held[0]["quarantined"] == true, "{held:?}");
    assert!(gateway.list("events", &["--unrouted"]).is_empty());
    gateway.run(&["events", "list", "--quarantined"]).done().prints("(quarantined) evt_old");
    gateway.run(&["receipts", "show", &receipt]).done().prints("evt_old · quarantined");
    let event = held[0]["id"].as_str().unwrap();
    gateway.run(&["explain", event]).done().prints("it is in quarantine").prints("✔ everything");
    gateway.folder.write("body.json", &old);
    let explained = gateway.run(&["explain", "--file", "body.json", "--source", "adrian"]).done();
    explained.prints("it goes to quarantine");
    let shown = gateway.run(&["events", "show", event]).done();
    shown.prints("it is in quarantine").prints(&format!("gatepost replay --receipt {receipt}"));
    gateway.run(&["replay", "--receipt", &receipt]).done();
    until("it is released", || gateway.list("events", &["--quarantined"]).is_empty().then_some(()));
    gateway.settle();
    assert_eq!(gateway.list("deliveries", &["--state", "delivered"]).len(), 4);
}

#[test]
fn a_receipt_again_tells_only_those_who_were_not_told() {
    let mut gateway = Gateway::start(&config());
    let receipt = gateway.post_signed("adrian", ADRIAN, br#"{"id":"evt_1","type":"agent.error"}"#).accepted();
    gateway.settle();
    let dry = gateway.run(&["replay", "--receipt", &receipt, "--dry-run"]).done();
    dry.prints(&format!("would process receipt {receipt} again"));
    gateway.stop();
    let second = config() + &ARCHIVE.replace("archive", "second").replace("events.", "second.");
    gateway.configure(&second.replace("\"everything\"\nto = [\"second\"]", "\"more\"\nto = [\"second\"]"));
    gateway.serve_again();
    assert!(gateway.folder.lines("second.ndjson").is_empty(), "a dry run does nothing");

    gateway.run(&["replay", "--receipt", &receipt]).done().prints("is processed again: ordered; `gatepost serve` ");
    until("the new destination is told", || (gateway.folder.lines("second.ndjson").len() == 1).then_some(()));
    gateway.settle();
    assert_eq!(gateway.folder.lines("events.ndjson").len(), 1, "what has arrived is not sent again");
    assert_eq!((gateway.list("events", &[]).len(), gateway.list("deliveries", &[]).len()), (1, 2));
    gateway.run(&["replay", "--receipt", &receipt]).done();
    gateway.settle();
    assert_eq!(gateway.list("deliveries", &["--state", "delivered"]).len(), 2);
    let unknown = "0190b6a0-0000-7000-a000-000000000001";
    gateway.run(&["replay", "--receipt", unknown]).ended(1).complains("there is no receipt");
    gateway.run(&["replay", "--delivery", unknown]).ended(1).complains("there is no delivery");
}

#[test]
fn a_delivery_is_sent_again_on_order() {
    let gateway = Gateway::start(&config());
    gateway.post_signed("adrian", ADRIAN, br#"{"id":"evt_1","type":"agent.error"}"#).accepted();
    gateway.settle();
    let id = gateway.list("deliveries", &[])[0]["id"].as_str().unwrap().to_owned();
    let dry = gateway.run(&["replay", "--delivery", &id, "--dry-run"]).done();
    dry.prints(&format!("would send delivery {id} to archive again (delivered)"));
    gateway
        .run(&["replay", "--delivery", &id])
        .done()
        .prints(&format!("delivery {id} to archive is sent again: ordered; `gatepost serve` "));
    let lines = until("a second line", || {
        let lines = gateway.folder.lines("events.ndjson");
        (lines.len() == 2).then_some(lines)
    });
    assert_eq!(lines[0], lines[1]);
    gateway.settle();
    assert_eq!(gateway.show("deliveries", &id)["attempts"].as_array().unwrap().len(), 2);
}

#[test]
fn dead_letters_are_revived_by_destination_and_age() {
    let (pager, other) = block_on(async { (pagerduty::start().await.unwrap(), pagerduty::start().await.unwrap()) });
    for place in [&pager, &other] {
        place.limit_rate(Rate::UNLIMITED);
        place.always(Some(Fault::Status(413)));
    }
    let gateway =
        Gateway::start(&format!("{}{}{}", sources_by_event(), on_call("oncall", &pager), on_call("backup", &other)));
    for n in 0..3 {
        let body = format!(r#"{{"id":"evt_{n}","type":"agent.error"}}"#);
        gateway.post_signed("adrian", ADRIAN, body.as_bytes()).accepted();
    }
    gateway.settle();
    let dead = gateway.list("deliveries", &["--state", "dead"]);
    assert_eq!(dead.len(), 6);
    assert!(dead.iter().all(|row| row["reason"].as_str().unwrap().contains("413")), "{dead:?}");
    pager.always(None);
    other.always(None);

    let dry = gateway.run(&["replay", "--dead", "--dry-run"]).done().prints("6 dead letters would be sent again");
    assert!(dead.iter().all(|row| dry.stdout.contains(row["id"].as_str().unwrap())), "{dry}");
    let none = gateway.run(&["replay", "--dead", "--since", "2100-01-01T00:00:00Z"]).done();
    none.prints("0 dead letters are sent again");
    let some = gateway.run(&["replay", "--dead", "--destination", "oncall", "--since", "1h"]).done();
    assert!(some.stdout.starts_with("3 dead letters are sent again: ordered; `gatepost serve` "), "{some}");
    gateway.settle();
    assert_eq!((pager.effects(), other.effects()), (3, 0));
    assert_eq!(gateway.list("deliveries", &["--state", "dead"]).len(), 3);
    gateway.run(&["replay", "--dead"]).done().prints("3 dead letters are sent again");
    gateway.settle();
    assert_eq!((pager.effects(), other.effects()), (3, 3));
    assert!(gateway.list("deliveries", &["--state", "dead"]).is_empty());
}

fn on_call(name: &str, place: &StandIn<pagerduty::PagerDuty>) -> String {
    let (url, key) = (place.base_url(), pagerduty::ROUTING_KEY);
    format!(
        r#"
[destinations.{name}]
type = "pagerduty"
url = "{url}"
routing_key = {{ value = "{key}" }}

[[routes]]
name = "{name}"
to = ["{name}"]
"#
    )
}
