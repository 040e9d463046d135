//! `gatepost receipts|events|deliveries list|show`.

use serde_json::Value;

use crate::harness::{Gateway, until};
use crate::{ADRIAN, AKTO, ARCHIVE, SOURCES, commands_in, config};

/// Seven events of two sources, of which one route takes those that are high, and one ping.
fn filled() -> Gateway {
    let some = ARCHIVE.replace("to = [", "when = 'event.severity >= high'\nto = [");
    let gateway = Gateway::start(&format!("{SOURCES}{some}"));
    for n in 0..4 {
        let body = format!(r#"{{"id":"evt_{n}","type":"alert.triggered","data":{{"details":"Alert {n}"}}}}"#);
        gateway.post_signed("adrian", ADRIAN, body.as_bytes()).accepted();
        // Events that come together are one batch.
        gateway.settle();
    }
    gateway.post_signed("adrian", ADRIAN, br#"{"id":"evt_r","type":"agent.registered"}"#).accepted();
    gateway.post_signed("adrian", ADRIAN, br#"{"type":"ping"}"#).accepted();
    let two = br#"[{"id":"1","filterId":"XSS","url":"/a"},{"id":"2","filterId":"XSS","url":"/b","severity":"LOW"}]"#;
    gateway.post_bearer("akto", AKTO, two).accepted();
    gateway.settle();
    gateway
}

#[test]
fn filters_take_what_they_say() {
    let gateway = filled();
    let count = |what: &str, filters: &[&str]| gateway.list(what, filters).len();
    assert_eq!(count("receipts", &[]), 7);
    assert_eq!(count("receipts", &["--source", "akto"]), 1);
    assert_eq!(count("receipts", &["--until", "2100-01-01"]), 7);
    assert_eq!(count("receipts", &["--until", "1h"]), 0);
    assert_eq!(count("receipts", &["--since", "2026-01-01", "--until", "2100-01-01 10:00"]), 7);
    assert_eq!(count("receipts", &["--since", "1h"]), 7);
    assert_eq!(count("receipts", &["--since", "2100-01-01T00:00:00Z"]), 0);
    assert_eq!(count("events", &[]), 7);
    assert_eq!(count("events", &["--source", "adrian"]), 5);
    assert_eq!(count("events", &["--severity", "high"]), 4);
    assert_eq!(count("events", &["--severity", "medium", "--source", "akto"]), 1);
    assert_eq!(count("events", &["--severity", "fatal"]), 0);
    assert_eq!(count("events", &["--unrouted"]), 3);
    assert_eq!(count("events", &["--until", "1h"]), 0);
    assert_eq!(count("events", &["--type", "alert.triggered"]), 4);
    assert_eq!(count("events", &["--type", "alert"]), 0);
    assert_eq!(count("events", &["--text", "alert 3"]), 1);
    assert_eq!(count("events", &["--text", "alert", "--source", "adrian"]), 4);
    for nothing in ["severity", "\",\"", "A%3", "Alert_3"] {
        assert_eq!(count("events", &["--text", nothing]), 0, "names of fields and patterns are no text: {nothing}");
    }
    let odd = r#"[{"id":"3","filterId":"XSS","url":"/c?q=\"50%_!\" é"}]"#;
    gateway.post_bearer("akto", AKTO, odd.as_bytes()).accepted();
    gateway.settle();
    for text in ["q=\"50%_!\"", "/c?q", "é"] {
        assert_eq!(count("events", &["--text", text]), 1, "{text}");
    }
    assert_eq!(count("events", &["--vendor-id", "3"]), 1);
    assert_eq!(count("events", &["--vendor-id", "33"]), 0);
    let receipt = gateway.list("receipts", &["--source", "akto"])[1]["id"].as_str().unwrap().to_owned();
    let of_receipt = gateway.list("events", &["--receipt", &receipt]);
    assert!(of_receipt.len() == 2 && of_receipt.iter().all(|row| row["receipt"] == receipt));
    assert_eq!(count("deliveries", &[]), 4);
    assert_eq!(count("deliveries", &["--state", "delivered"]), 4);
    assert_eq!(count("deliveries", &["--state", "dead"]), 0);
    assert_eq!(count("deliveries", &["--destination", "archive", "--since", "1h"]), 4);
    assert_eq!(count("deliveries", &["--until", "1h"]), 0);
    assert_eq!(count("deliveries", &["--text", "ALERT 2"]), 1);
    assert_eq!(count("deliveries", &["--text", "%"]), 0);
    let newest = &gateway.list("deliveries", &[])[0];
    let (delivery, event) = (newest["id"].as_str().unwrap(), newest["event"].as_str().unwrap());
    assert_eq!(count("deliveries", &["--event", event]), 1);
    assert_eq!(gateway.list("events", &["--delivery", delivery])[0]["id"], event);
}

#[test]
fn pages_hold_every_row_once_newest_first() {
    let gateway = filled();
    for what in ["receipts", "events", "deliveries"] {
        let whole = gateway.list(what, &[]);
        let cursors: Vec<i64> = whole.iter().map(|row| row["cursor"].as_i64().unwrap()).collect();
        assert!(cursors.is_sorted_by(|a, b| a > b), "{what}: {cursors:?}");
        let mut paged: Vec<Value> = Vec::new();
        loop {
            let before = paged.last().map(|row| row["cursor"].to_string());
            let mut arguments = vec![what, "list", "--json", "--limit", "3"];
            arguments.extend(before.iter().flat_map(|before| ["--before", before]));
            let page = gateway.run(&arguments).done().json_lines();
            // What comes in meanwhile does not move the pages.
            let body = format!(r#"{{"id":"evt_{what}_{}","type":"agent.error"}}"#, paged.len());
            gateway.post_signed("adrian", ADRIAN, body.as_bytes()).accepted();
            gateway.dispatched();
            if page.is_empty() {
                break;
            }
            paged.extend(page);
            assert!(paged.len() <= whole.len(), "{what}: a row comes twice, or what is new moves the pages");
        }
        assert_eq!(paged, whole, "{what}");
        let told = gateway.run(&[what, "list", "--limit", "3"]).done();
        let third = gateway.list(what, &[])[2]["cursor"].to_string();
        assert_eq!((told.stdout.lines().count(), told.code), (4, Some(0)), "a header and three rows");
        told.complains(&format!("--before {third}"));
    }
}

#[test]
fn json_is_one_object_a_line_with_stable_keys() {
    let gateway = filled();
    let keys = |row: &Value| {
        let mut keys: Vec<String> = row.as_object().unwrap().keys().cloned().collect();
        keys.sort_unstable();
        keys.join(" ")
    };
    let receipts = gateway.list("receipts", &["--source", "akto"]);
    assert_eq!(keys(&receipts[0]), "bytes cursor events events_duplicate id received_at source state");
    let ping = gateway.list("receipts", &[]).into_iter().find(|row| row["events"] == 0).unwrap();
    assert_eq!((&ping["note"], &ping["state"]), (&"ping".into(), &"dispatched".into()));
    let delivery = &gateway.list("deliveries", &[])[0];
    let delivery_keys =
        "created_at cursor destination event id not_before route severity severity_name source state title tries";
    assert_eq!(keys(delivery), delivery_keys);

    let receipt = gateway.show("receipts", receipts[0]["id"].as_str().unwrap());
    assert_eq!(keys(&receipt), "body body_hex content_type encoding events receipt");
    let event = gateway.show("events", delivery["event"].as_str().unwrap());
    assert_eq!(keys(&event), "annotation deliveries event");
    assert_eq!(event["deliveries"][0]["id"], delivery["id"]);
    let shown = gateway.show("deliveries", delivery["id"].as_str().unwrap());
    assert_eq!(keys(&shown), "attempts delivery");
    assert_eq!(shown["attempts"][0]["outcome"], "delivered");
    for row in gateway.list("events", &[]).iter().chain(&gateway.list("deliveries", &[])).chain([&event["event"]]) {
        let word = ["informational", "low", "medium", "high"][row["severity"].as_u64().unwrap() as usize - 1];
        assert_eq!(row["severity_name"], word, "{row}");
    }

    for what in ["receipts", "events", "deliveries"] {
        let none = gateway.run(&[what, "list", "--json", "--since", "2100-01-01T00:00:00Z"]).done();
        assert_eq!(none.stdout, "");
        let none = gateway.run(&[what, "list", "--since", "2100-01-01T00:00:00Z"]).done();
        assert_eq!(none.stdout, "");
        none.complains("there is nothing like that in the store");
        let unknown = [what, "show", "0190b6a0-0000-7000-a000-000000000001", "--json"];
        assert_eq!(gateway.run(&unknown).ended(1).complains("there is no ").stdout, "");
    }
}

#[test]
fn people_are_shown_the_same_in_words() {
    let gateway = filled();
    gateway.run(&["receipts", "list"]).done().prints("RECEIVED (UTC)").prints("akto ").prints("ping");
    let events = gateway.run(&["events", "list"]).done().prints("Alert 3").prints("informational");
    events.prints("SEVERITY").prints("(unrouted) ");
    gateway.run(&["deliveries", "list"]).done().prints("NEXT TRY").prints("delivered").prints("archive");
    let delivery = &gateway.list("deliveries", &[])[0];
    let id = |field: &str| delivery[field].as_str().unwrap();
    let shown = gateway.run(&["deliveries", "show", id("id")]).done().prints("to archive: delivered");
    shown.prints("try 1 at ").prints("by route everything");
    let shown = gateway.run(&["events", "show", id("event")]).done().prints("-> archive delivered");
    shown.prints("HIGH · ").prints(" UTC");
    let receipt = gateway.list("receipts", &["--source", "adrian"])[5]["id"].as_str().unwrap().to_owned();
    gateway.run(&["receipts", "show", &receipt]).done().prints("Alert 0").prints(r#""id":"evt_0""#);
}

#[test]
fn every_event_is_as_its_published_schema_says() {
    let gateway = filled();
    for (source, sample) in [
        ("adrian", "policy.violated"),
        ("adrian", "agent.error"),
        ("akto", "documented"),
        ("akto", "export"),
        ("akto", "default-body"),
        ("akto", "teams-card"),
        ("akto", "object-names"),
    ] {
        gateway.run(&["send", source, "--sample", sample]).done();
    }
    gateway.post_bearer("akto", AKTO, b"\x00\xffnobody understands this").accepted();
    gateway.settle();
    let schema = gateway.run(&["schema", "event"]).done();
    let schema: Value = serde_json::from_str(&schema.stdout).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let mut events = gateway.list("events", &[]);
    assert!(events.len() > 15 && events.iter().any(|event| event["type"] == "unparsed"));
    for event in &mut events {
        let fields = event.as_object_mut().unwrap();
        assert!(fields.remove("cursor").unwrap().is_i64());
        assert!(["unrouted", "quarantined"].iter().all(|mark| fields.remove(*mark).unwrap().is_boolean()));
        assert!(fields.remove("severity_name").unwrap().is_string());
        let faults: Vec<String> = schema.iter_errors(event).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{faults:?}\n{event:#}");
        event["extra"] = true.into();
        assert!(!schema.is_valid(event), "the schema takes anything");
    }
    // The archive holds the same, without what belongs to the listing.
    for line in gateway.folder.lines("events.ndjson") {
        assert!(schema.is_valid(&serde_json::from_str(&line).unwrap()), "{line}");
    }
}

#[test]
fn an_alert_does_not_command_the_terminal() {
    let gateway = Gateway::start(&config());
    let hostile = "\\u001b[2J\\u001b]0;owned\\u0007 \\u009b31m \\u202egnp.exe \u{9b}1m \u{202e}\u{7f} \u{61c}\u{200b}\u{200d}\u{2066}\u{feff}\u{e0041}";
    let body = format!(
        r#"{{"id":"evt_1","type":"{hostile}","data":{{"details":"{hostile}","user":"{hostile}","x":"{hostile}"}}}}"#
    );
    let receipt = gateway.post_signed("adrian", ADRIAN, body.as_bytes()).accepted();
    // Events that come together are one batch.
    gateway.settle();
    let raw = gateway.post_bearer("akto", AKTO, "\u{1b}[2J\u{9b}1m\u{202e}".as_bytes()).accepted();
    gateway.settle();
    let delivery = &gateway.list("deliveries", &[])[0];
    let (delivery, event) = (delivery["id"].as_str().unwrap(), delivery["event"].as_str().unwrap());
    gateway.folder.write("body.json", &body);
    for arguments in [
        &["receipts", "list"][..],
        &["events", "list"],
        &["deliveries", "list"],
        &["receipts", "show", &receipt],
        &["receipts", "show", &raw],
        &["events", "show", event],
        &["deliveries", "show", delivery],
        &["explain", event],
        &["explain", "--file", "body.json", "--source", "adrian"],
        &["events", "list", "--json"],
        &["events", "show", event, "--json"],
        &["deliveries", "list", "--json"],
        &["receipts", "show", &receipt, "--json"],
        &["receipts", "show", &raw, "--json"],
    ] {
        let ran = gateway.run(arguments).done();
        assert!(commands_in(&ran.stdout).is_empty(), "{arguments:?}: {:?}", ran.stdout);
        assert!(commands_in(&ran.stderr).is_empty(), "{arguments:?}: {:?}", ran.stderr);
    }
    // Escaped, not lost: scripts get what was sent.
    let shown = gateway.show("receipts", &raw);
    assert_eq!(shown["body"], "\u{1b}[2J\u{9b}1m\u{202e}");
}

#[test]
fn an_event_is_shown_with_everything_it_holds() {
    let gateway = Gateway::start(&config());
    gateway.run(&["send", "akto", "--sample", "export"]).done();
    let body = br#"{"id":"evt_1","type":"agent.error","data":{"a~/b":{"deep":[{"x":"innermost"},7]},"note":"outer"}}"#;
    gateway.post_signed("adrian", ADRIAN, body).accepted();
    gateway.settle();
    for row in gateway.list("events", &[]) {
        let id = row["id"].as_str().unwrap();
        let shown = gateway.run(&["events", "show", id]).done().stdout.replace("\n              ", "\n");
        let event = gateway.show("events", id)["event"].clone();
        for text in leaves(&event) {
            let found = shown.contains(&text) || human_time(&text).is_some_and(|human| shown.contains(&human));
            assert!(found, "not shown: {text}\n{shown}");
        }
    }
    let shown = gateway
        .run(&["events", "show", gateway.list("events", &["--source", "adrian"])[0]["id"].as_str().unwrap()])
        .done();
    shown.prints("unmapped    /a~0~1b/deep/0/x: innermost").prints("unmapped    /note: outer");
}

/// The texts and numbers that people should find on the screen.
fn leaves(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = ["cursor", "severity", "severity_name", "unrouted", "quarantined"];
            fields
                .iter()
                .filter(|(name, _)| !own.contains(&name.as_str()))
                .flat_map(|(_, value)| leaves(value))
                .collect()
        }
        Value::Array(items) => items.iter().flat_map(leaves).collect(),
        Value::String(text) => text.lines().map(|line| line.trim().replace('\t', " ")).collect(),
        Value::Null => Vec::new(),
        other => vec![other.to_string()],
    }
}

/// A time as people read it: `21 Nov 2026 16:40:02 UTC`.
fn human_time(text: &str) -> Option<String> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = date.split('-').collect::<Vec<_>>().try_into().ok()?;
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = names.get(month.parse::<usize>().ok()?.checked_sub(1)?)?;
    Some(format!("{day} {month} {year} {} UTC", time.get(..8)?))
}

#[test]
fn a_delivery_that_waits_says_when_it_is_tried_next() {
    let broken = ARCHIVE.replace("events.ndjson", "absent/events.ndjson");
    let gateway = Gateway::start(&format!("{SOURCES}{broken}"));
    gateway.post_signed("adrian", ADRIAN, br#"{"id":"evt_1","type":"agent.error"}"#).accepted();
    let row = until("it waits for its second try", || {
        gateway.list("deliveries", &["--state", "waiting"]).into_iter().find(|row| row["tries"].as_u64() > Some(0))
    });
    assert_eq!(row["next_try"], row["not_before"]);
    let id = row["id"].as_str().unwrap();
    let event = row["event"].as_str().unwrap();
    // Between two looks it may be under way, with no next try.
    for (command, said) in [(["deliveries", "show", id], "  next try "), (["events", "show", event], ", next try ")] {
        until(&format!("{command:?} says {said:?}"), || gateway.run(&command).done().says(said).then_some(()));
    }
}
