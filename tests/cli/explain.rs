//! `gatepost explain`: which routes take an event, and why.

use crate::harness::{Gateway, Post, until};
use crate::{ADRIAN, ARCHIVE, SOURCES, config, configured};

#[test]
fn explain_says_which_routes_take_an_event() {
    let routes = r#"
[[routes]]
name = "page"
when = 'event.severity >= critical'
to = ["archive"]

[[routes]]
name = "errors"
when = 'event.type == "agent.error"'
to = ["archive"]
stop = true

[[routes]]
name = "odd"
when = 'event.unmapped.n > 3'
to = ["archive"]
stop = true
"#;
    let gateway = Gateway::start(&format!("{SOURCES}{}{routes}", ARCHIVE.split("[[routes]]").next().unwrap()));
    let body = br#"{"id":"evt_1","type":"agent.error","data":{"n":"text"}}"#;
    let receipt = gateway.post_signed("adrian", ADRIAN, body).accepted();
    gateway.dispatched();
    let is_delivered = |row: &serde_json::Value| row["state"] == "delivered";
    until("the event is in the file", || gateway.list("deliveries", &[]).iter().any(is_delivered).then_some(()));
    let event = gateway.show("receipts", &receipt)["events"][0]["id"].as_str().unwrap().to_owned();
    let stored = gateway.run(&["explain", &event]).done().prints("MEDIUM · ");
    let stored = stored.prints("✘ page: event.severity >= critical does not hold");
    let stored =
        stored.prints("✔ errors: event.type == \"agent.error\" holds -> archive; the routes below are not asked");
    let stored = stored.prints("- odd: not asked, because an earlier route stops the search");
    // An event that only a sink was to have, which holds it by now.
    let stored = stored.prints("no incident: no route sent it to a notifier when it came");
    stored.prints("told to archive at ").prints(": the event (delivery ");

    let explain = |body: &[u8]| {
        gateway.folder.write("body.json", body);
        gateway.run(&["explain", "--file", "body.json", "--source", "adrian"]).done()
    };
    explain(body).prints("✔ errors");
    explain(br#"{"id":"evt_2","type":"alert.triggered","data":{"n":2}}"#)
        .prints("✘ odd")
        .prints("no route takes it: it is kept, and marked unrouted");
    explain(br#"{"id":"evt_2","type":"alert.triggered","data":{"n":"x"}}"#)
        .prints("? odd")
        .prints("so it takes the event and stops nothing -> archive");
    explain(br#"{"type":"ping"}"#).prints("the body is ping").prints("no destination would be told");
    explain(br#"{"id":"1","type":"a"}"#).prints("HIGH · ");
    assert_eq!(gateway.list("events", &[]).len(), 1, "explaining stores nothing");
    gateway.run(&["explain", "0190b6a0-0000-7000-a000-000000000001"]).ended(1).complains("there is no event");
    gateway.run(&["explain", "--file", "body.json", "--source", "absent"]).ended(1).complains("there is no source");
    gateway.run(&["explain", "--file", "absent", "--source", "adrian"]).ended(1).complains("absent cannot be read");
    gateway.run(&["explain", &event, "--file", "body.json", "--source", "adrian"]).ended(2);
}

const SCANNER: &str = r#"
[sources.scanner]
vendor = "generic"
secrets = [{ value = "scanner-shows-this-token-of-32-b" }]
verify = { scheme = "token" }
default_severity = "low"
severities = { "red alert" = "fatal" }

[sources.scores]
vendor = "generic"
secrets = [{ value = "scanner-shows-this-token-of-32-b" }]
verify = { scheme = "token" }
severity_numbers = "cvss"
"#;

#[test]
fn a_severity_word_that_is_not_known_is_logged_counted_and_explained() {
    let gateway = Gateway::start(&format!("{SOURCES}{SCANNER}{ARCHIVE}"));
    let metric = "gatepost_events_severity_unknown_total";
    let metrics = || Post::get("/metrics").send(gateway.admin).text().to_owned();
    assert!(metrics().contains(&format!("{metric}{{source=\"scanner\"}} 0")), "{}", metrics());
    for number in 0..3 {
        let body = format!(r#"{{"title":"t","number":{number},"severity":"purple"}}"#);
        gateway.post_bearer("scanner", "scanner-shows-this-token-of-32-b", body.as_bytes()).accepted();
    }
    let known = br#"{"title":"t","severity":"SEV-1"}"#;
    gateway.post_bearer("scanner", "scanner-shows-this-token-of-32-b", known).accepted();
    gateway.dispatched();
    assert!(metrics().contains(&format!("{metric}{{source=\"scanner\"}} 3")), "{}", metrics());
    assert!(!metrics().contains("purple"), "a word is no label of a metric");
    assert_eq!(gateway.log().matches("a severity word is not known").count(), 1, "{}", gateway.log());
    let log = gateway.log();
    let line = log.lines().find(|line| line.contains("a severity word is not known")).unwrap();
    assert!(line.contains(r#""word":"purple""#) && line.contains(r#""severity":"low""#), "{line}");
    let first = &gateway.list("receipts", &[])[3]["id"];
    assert!(line.contains(&format!(r#""receipt":{first}"#)), "{line}");

    let events = gateway.list("events", &[]);
    assert_eq!(events.len(), 4);
    gateway
        .run(&["explain", events[3]["id"].as_str().unwrap()])
        .done()
        .prints("LOW · t")
        .prints("its severity word 'purple' is not known")
        .prints("severities = { \"purple\" = \"high\" }");
    let explain = |source: &str, severity: &str| {
        gateway.folder.write("body.json", format!(r#"{{"title":"t","severity":{severity}}}"#));
        gateway.run(&["explain", "--file", "body.json", "--source", source]).done()
    };
    explain("scanner", "\"pink\\u001b[2J\"").prints("its severity word 'pink");
    let number = explain("scanner", "9.8").prints("so its severity is low");
    number.prints("severity_numbers = \"cvss\"").prints("severities = { \"9.8\" = \"high\" }");
    let beyond = explain("scores", "11").prints("severities = { \"11\" = \"high\" }");
    assert!(!beyond.stdout.contains("cvss"), "{beyond}");
    let object = explain("scanner", "{\"level\":\"high\"}").prints("its severity word '{");
    object.prints("map = { severity = ");
    for (source, word, severity) in [
        ("scanner", "\"P1\"", "CRITICAL"),
        ("scanner", "\"P4\"", "LOW"),
        ("scanner", "\"sev2\"", "HIGH"),
        ("scanner", "\"urgent\"", "CRITICAL"),
        ("scanner", "\"Red-Alert\"", "FATAL"),
        ("scanner", "9.8", "LOW"),
        ("scores", "9.8", "CRITICAL"),
        ("scores", "\"7.0\"", "HIGH"),
        ("scores", "6.9", "MEDIUM"),
        ("scores", "0", "INFORMATIONAL"),
        ("scores", "11", "MEDIUM"),
        ("scores", "\"sev5\"", "INFORMATIONAL"),
    ] {
        explain(source, word).prints(&format!("{severity} · t"));
    }
}

#[test]
fn a_severity_word_that_was_made_known_is_applied_by_a_replay() {
    let mut gateway = Gateway::start(&format!("{SOURCES}{SCANNER}{ARCHIVE}"));
    let token = "scanner-shows-this-token-of-32-b";
    let purple = br#"{"title":"t","severity":"purple"}"#;
    let receipt = gateway.post_bearer("scanner", token, purple).accepted();
    gateway.settle();
    let event = gateway.list("events", &[])[0]["id"].as_str().unwrap().to_owned();
    let explain = |gateway: &Gateway| gateway.run(&["explain", &event]).done();
    let advice = format!("gatepost replay --receipt {receipt}");
    let ran = explain(&gateway).prints("'purple' is not known, so its severity is low");
    ran.prints("severities = { \"purple\" = \"high\" }").prints(&advice);

    gateway.stop();
    let mended = SCANNER.replace("\"red alert\" = \"fatal\"", "\"purple\" = \"critical\"");
    let pager = "\n[[routes]]\nname = \"page\"\nwhen = 'event.severity >= critical'\nto = [\"pager\"]\n";
    let second = ARCHIVE.split("[[routes]]").next().unwrap().replace("archive", "pager").replace("events.", "pages.");
    gateway.configure(&format!("{SOURCES}{mended}{ARCHIVE}{second}{pager}"));
    gateway.serve_again();
    let ran = explain(&gateway).prints("LOW · t").prints("was not known when it was read, so its severity is low");
    let ran = ran.prints("the settings of now say critical").prints(&advice);
    assert!(!ran.stdout.contains("severities ="), "it is there already: {ran}");

    gateway.run(&["replay", "--receipt", &receipt]).done();
    let told = until("the page", || gateway.folder.lines("pages.ndjson").pop());
    gateway.settle();
    assert!(told.contains(r#""severity":5"#) && !told.contains("severity_word"), "{told}");
    let ran = explain(&gateway).prints("CRITICAL · t").prints("✔ page");
    assert!(!ran.stdout.contains("purple"), "{ran}");
    assert_eq!(gateway.list("events", &["--severity", "critical"]).len(), 1);
    assert_eq!(gateway.folder.lines("events.ndjson").len(), 1, "what has arrived is not sent again");
}

#[test]
fn a_body_of_which_no_field_is_known_is_at_least_high_and_noted() {
    let gateway = Gateway::start(&format!("{SOURCES}{SCANNER}{ARCHIVE}"));
    let odd = br#"{"finding":{"name":"Brute force"}}"#;
    gateway.post_bearer("scanner", "scanner-shows-this-token-of-32-b", odd).accepted();
    gateway.settle();
    assert_eq!(gateway.list("events", &[])[0]["severity_name"], "high");
    assert_eq!(gateway.list("receipts", &[])[0]["note"], "unrecognized");
    gateway.run(&["receipts", "list"]).done().prints("unrecognized");
    gateway.folder.write("body.json", odd);
    let ran = gateway.run(&["explain", "--file", "body.json", "--source", "scanner"]).done();
    ran.prints("HIGH · alert · name").prints("the body is unrecognized");
    gateway.folder.write("body.json", "no JSON");
    gateway.run(&["explain", "--file", "body.json", "--source", "scanner"]).done().prints("HIGH · A message");
}

#[test]
fn a_body_is_shown_as_it_is_mapped_with_the_pointers_that_found_nothing() {
    let source = r#"
[sources.scanner]
vendor = "generic"
secrets = [{ value = "scanner-signs-with-these-32-byte" }]
verify = { scheme = "hmac", header = "x-sig" }
events = "/alerts"
map = { title = "/rule", severity = "/level", url = "/where" }
"#;
    let folder = configured(&(config() + source));
    folder.write("body.json", r#"{"alerts":[{"rule":"Port scan","level":"HIGH","extra":{"n":7}},{"rule":"Other"}]}"#);
    let explain =
        |more: &[&str]| folder.run(&[&["explain", "--file", "body.json", "--source", "scanner"], more].concat());
    let ran = explain(&[]).done().prints("HIGH · Port scan").prints("unmapped    /extra/n: 7").prints("✔ everything");
    let ran = ran.prints("map.severity = \"/level\" found nothing that fits in 1 of 2 events");
    let ran = ran.prints("map.url = \"/where\" found nothing that fits in 2 of 2 events");
    assert!(!ran.stdout.contains("map.title"), "{ran}");
    let lines = explain(&["--json"]).done().json_lines();
    assert_eq!((lines.len(), &lines[0]["event"]["title"]), (2, &"Port scan".into()));
    assert_eq!((&lines[0]["severity_name"], &lines[0]["routed"]), (&"high".into(), &true.into()));
    assert_eq!(lines[0]["routes"][0]["verdict"], "holds");
    assert_eq!(lines[0]["unfound"][0]["setting"], "map.severity");
    let ran = folder.run(&["explain", "--file", "body.json", "--source", "scaner"]).ended(1);
    ran.complains("did you mean 'scanner'?");
}

const ALERTS: &str = r#"
[sources.alerts]
vendor = "generic"
secrets = [{ value = "scanner-shows-this-token-of-32-b" }]
verify = { scheme = "token" }
events = "/alerts"
map = { title = "/summary", group = "/groupKey", correlation = "/url", state = "/status" }
"#;

#[test]
fn the_alert_that_an_event_belongs_to_is_shown_and_asked_for() {
    let routes = r#"
[[routes]]
name = "over"
when = 'event.state == "resolved" && event.group != "" && event.correlation.startsWith("https://")'
to = ["archive"]
"#;
    let gateway = Gateway::start(&format!("{SOURCES}{ALERTS}{}{routes}", ARCHIVE.split("[[routes]]").next().unwrap()));
    let body =
        br#"{"groupKey":"logins","alerts":[{"summary":"97 logins","url":"https://a.example/7","status":"Resolved"}]}"#;
    let receipt = gateway.post_bearer("alerts", "scanner-shows-this-token-of-32-b", body).accepted();
    gateway.dispatched();
    let event = gateway.show("receipts", &receipt)["events"][0]["id"].as_str().unwrap().to_owned();
    let shown = gateway.run(&["events", "show", &event]).done().prints("state       resolved");
    shown.prints("group       logins").prints("correlation https://a.example/7");
    let explained = gateway.run(&["explain", &event]).done();
    explained.prints("state resolved · group logins · correlation https://a.example/7").prints("✔ over");
    gateway.folder.write("body.json", body);
    let explained = gateway.run(&["explain", "--file", "body.json", "--source", "alerts"]).done();
    explained.prints("state       resolved").prints("✔ over");
    let json = gateway.run(&["events", "show", &event, "--json"]).done().stdout;
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&document["event"]["state"], &document["event"]["group"]), (&"resolved".into(), &"logins".into()));
    let plain = br#"{"alerts":[{"summary":"98 logins"}]}"#;
    let receipt = gateway.post_bearer("alerts", "scanner-shows-this-token-of-32-b", plain).accepted();
    gateway.dispatched();
    let event = gateway.show("receipts", &receipt)["events"][0]["id"].as_str().unwrap().to_owned();
    let explained = gateway.run(&["explain", &event]).done().prints("✘ over");
    assert!(!explained.stdout.contains("\n  state"), "{}", explained.stdout);
}
