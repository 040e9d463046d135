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

#[test]
fn dead_letters_are_chosen_by_reason_and_closed_on_order() {
    let (pager, other) = block_on(async { (pagerduty::start().await.unwrap(), pagerduty::start().await.unwrap()) });
    for (place, status) in [(&pager, 413), (&other, 422)] {
        place.limit_rate(Rate::UNLIMITED);
        place.always(Some(Fault::Status(status)));
    }
    let gateway =
        Gateway::start(&format!("{}{}{}", sources_by_event(), on_call("oncall", &pager), on_call("backup", &other)));
    for n in 0..2 {
        let body = format!(r#"{{"id":"evt_{n}","type":"agent.error"}}"#);
        gateway.post_signed("adrian", ADRIAN, body.as_bytes()).accepted();
    }
    gateway.settle();
    let dead = || gateway.list("deliveries", &["--state", "dead"]);
    assert_eq!(dead().len(), 4);

    gateway
        .run(&["replay", "--dead", "--reason", "413", "--dry-run"])
        .done()
        .prints("2 dead letters would be sent again");
    gateway
        .run(&["replay", "--dead", "--until", "1h", "--dry-run"])
        .done()
        .prints("0 dead letters would be sent again");
    let dry = gateway.run(&["deliveries", "discard", "--dead", "--reason", "422", "--dry-run"]).done();
    dry.prints("to backup: ").prints("2 dead letters would be closed");
    assert_eq!(dead().len(), 4, "a dry run does nothing");
    gateway.run(&["deliveries", "discard", "--dead", "--reason", "422"]).done().prints("2 dead letters are closed");
    let left = dead();
    assert!(left.len() == 2 && left.iter().all(|row| row["destination"] == "oncall"), "{left:?}");

    let id = left[0]["id"].as_str().unwrap();
    gateway.run(&["deliveries", "discard", "--delivery", id]).done().prints("1 dead letters are closed");
    gateway.run(&["deliveries", "discard", "--delivery", id]).ended(1).complains("is superseded, and no dead letter");
    let shown = gateway.show("deliveries", id);
    let reason = shown["delivery"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("discarded by the operator; ") && reason.contains("413"), "the reason stays: {reason}");
    assert_eq!(dead().len(), 1);

    // What is configured keeps what waits, and says how to close its dead letters.
    gateway.run(&["deliveries", "discard", "oncall"]).ended(1).complains("--dead --destination oncall");
    gateway.run(&["deliveries", "discard"]).ended(2);
    gateway.run(&["deliveries", "discard", "old", "--dead"]).ended(2);
    gateway.run(&["deliveries", "discard", "--reason", "x"]).ended(2);
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

/// The configuration with a second file, which high severities go to.
fn with_siem() -> String {
    let siem = ARCHIVE.replace("archive", "siem").replace("events.", "siem.").replace("everything", "agents");
    config() + &siem.replace("to = [", "when = 'event.type == \"agent.error\"'\nto = [")
}

#[test]
fn a_new_sink_is_sent_the_past_that_the_routes_of_now_send_there_and_once() {
    let mut gateway = Gateway::start(&config());
    for n in 0..6 {
        let kind = if n % 3 == 0 { "agent.registered" } else { "agent.error" };
        let body = format!(r#"{{"id":"evt_{n}","type":"{kind}"}}"#);
        gateway.post_signed("adrian", ADRIAN, body.as_bytes()).accepted();
    }
    gateway.settle();
    gateway.stop();
    gateway.configure(&with_siem());
    let order = ["replay", "--to", "siem", "--since", "1h"];
    let dry = gateway.run(&[&order[..], &["--dry-run"]].concat()).done();
    dry.prints("would send 4 events to siem, received from ").prints("  left out: 2 sent to siem by no route of now");
    assert!(gateway.run(&["status", "--json"]).done().json()["replays"].as_array().unwrap().is_empty());
    let ordered = gateway.run(&order).done().prints("4 events received from ");
    ordered.prints("are sent to siem: ordered; `gatepost serve` ");
    let twice = gateway.run(&order).ended(1);
    twice.complains("a replay to siem is under way: 0 of 4 events sent, received from ");
    let status = gateway.run(&["status"]).done();
    status.prints("replay     a replay to siem is under way: 0 of 4 events");
    gateway.serve_again();
    let lines = until("the past is there", || {
        let lines = gateway.folder.lines("siem.ndjson");
        (lines.len() == 4).then_some(lines)
    });
    assert!(lines.iter().all(|line| line.contains("agent.error")), "{lines:?}");
    gateway.settle();
    until("it is over", || {
        let status = gateway.run(&["status", "--json"]).done().json();
        status["replays"].as_array().unwrap().is_empty().then_some(())
    });
    gateway.run(&order).done().prints("0 events received").prints("  left out: 4 sent to siem before; --again sends");
    gateway.post_signed("adrian", ADRIAN, br#"{"id":"evt_7","type":"agent.error"}"#).accepted();
    gateway.settle();
    gateway.run(&order).done().prints("  left out: 5 sent to siem before");
    gateway.run(&[&order[..], &["--again"]].concat()).done().prints("  among them: 5 sent to siem before");
    until("they are there twice", || (gateway.folder.lines("siem.ndjson").len() == 10).then_some(()));
    assert_eq!(gateway.folder.lines("events.ndjson").len(), 7, "no other sink is sent anything");
}

#[test]
fn an_event_that_cannot_be_read_is_left_out_of_a_replay_and_named() {
    let mut gateway = Gateway::start(&config());
    for n in 0..4 {
        let body = format!(r#"{{"id":"evt_{n}","type":"agent.error"}}"#);
        gateway.post_signed("adrian", ADRIAN, body.as_bytes()).accepted();
    }
    gateway.settle();
    gateway.stop();
    gateway.configure(&with_siem());
    let store = rusqlite::Connection::open(gateway.folder.path().join("gatepost.db")).unwrap();
    store.execute("UPDATE events SET document = '{\"id\":' WHERE seq = 2", []).unwrap();
    let ordered = gateway.run(&["replay", "--to", "siem", "--since", "1h"]).done();
    let ordered = ordered.prints("3 events received from ").prints("are sent to siem: ordered");
    ordered.prints("  left out: 1 that cannot be read; the first is row 2 of the store: EOF while parsing");
    gateway.serve_again();
    until("the others are there", || (gateway.folder.lines("siem.ndjson").len() == 3).then_some(()));
}

#[test]
fn a_replay_to_a_sink_is_stopped_on_order() {
    let mut gateway = Gateway::start(&config());
    gateway.post_signed("adrian", ADRIAN, br#"{"id":"evt_1","type":"agent.error"}"#).accepted();
    gateway.settle();
    gateway.stop();
    gateway.configure(&with_siem());
    let stop = ["replay", "--to", "siem", "--stop"];
    gateway.run(&stop).done().prints("no replay to siem is under way");
    gateway.run(&["replay", "--to", "siem", "--since", "1h"]).done();
    gateway.run(&[&stop[..], &["--dry-run"]].concat()).done().prints("would stop: a replay to siem is under way");
    gateway.run(&stop).done().prints("the replay to siem is stopped; 1 event of it");
    gateway.serve_again();
    gateway.settle();
    assert!(gateway.folder.lines("siem.ndjson").is_empty());
}

#[test]
fn what_cannot_be_replayed_to_is_refused_with_the_reason() {
    let pager = "[destinations.oncall]\ntype = \"pagerduty\"\nrouting_key = { env = \"UNSET\" }\n";
    let gateway = Gateway::start(&config());
    gateway.folder.write("other.toml", gateway.folder.read("gatepost.toml") + pager);
    let replay = |arguments: &[&str]| gateway.run(&[&["replay", "-c", "other.toml"], arguments].concat());
    replay(&["--to", "oncall", "--since", "1h"]).ended(1).complains("oncall is a notifier (pagerduty)");
    replay(&["--to", "archiv", "--since", "1h"]).ended(1).complains("did you mean 'archive'?");
    replay(&["--to", "archive"]).ended(2).complains("--since 7d");
    replay(&["--to", "archive", "--since", "1h", "--until", "2h"]).ended(2).complains("--until is not after --since");
    replay(&["--dead", "--again"]).ended(2);
    replay(&["--to", "archive", "--stop", "--since", "1h"]).ended(2);
}
