//! `gatepost explain`: which routes take an event, and why.

use crate::harness::Gateway;
use crate::{ADRIAN, ARCHIVE, SOURCES};

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
"#;
    let gateway = Gateway::start(&format!("{SOURCES}{}{routes}", ARCHIVE.split("[[routes]]").next().unwrap()));
    let body = br#"{"id":"evt_1","type":"agent.error","data":{"n":"text"}}"#;
    let receipt = gateway.post_signed("adrian", ADRIAN, body).accepted();
    gateway.dispatched();
    let event = gateway.show("receipts", &receipt)["events"][0]["id"].as_str().unwrap().to_owned();
    let stored = gateway.run(&["explain", &event]).done().prints("MEDIUM · ");
    let stored = stored.prints("✘ page: event.severity >= critical does not hold");
    let stored =
        stored.prints("✔ errors: event.type == \"agent.error\" holds -> archive; the routes below are not asked");
    stored.prints("- odd: not asked, because an earlier route stops the search");

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
        .prints("so it counts as met");
    explain(br#"{"type":"ping"}"#).prints("the body is ping").prints("nobody would be told");
    explain(br#"{"id":"1","type":"a"}"#).prints("HIGH · ");
    assert_eq!(gateway.list("events", &[]).len(), 1, "explaining stores nothing");
    gateway.run(&["explain", "0190b6a0-0000-7000-a000-000000000001"]).ended(1).complains("there is no event");
    gateway.run(&["explain", "--file", "body.json", "--source", "nobody"]).ended(1).complains("there is no source");
    gateway.run(&["explain", "--file", "absent", "--source", "adrian"]).ended(1).complains("absent cannot be read");
    gateway.run(&["explain", &event, "--file", "body.json", "--source", "adrian"]).ended(2);
}
