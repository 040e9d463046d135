//! `gatepost send`: signs as the vendor would.

use serde_json::Value;

use crate::harness::{Gateway, Ran};
use crate::{column, config};

/// The status words that were printed.
fn words(ran: &Ran) -> Vec<String> {
    let word = |line: &str| {
        let (status, body) = line.split_once(' ').unwrap();
        assert_eq!(status, "200", "{ran}");
        serde_json::from_str::<Value>(body).unwrap()["status"].as_str().unwrap().to_owned()
    };
    ran.stdout.lines().map(word).collect()
}

#[test]
fn it_signs_and_posts_as_the_vendor_would() {
    let scanner = r#"
[sources.scanner]
vendor = "generic"
secrets = [{ value = "scanner-signs-with-these-32-byte" }]
verify = { scheme = "hmac", header = "x-sig", signed = "{timestamp}.{body}", timestamp = { header = "x-time" } }
"#;
    let gateway = Gateway::start(&(config() + scanner));
    let send = |arguments: &[&str]| gateway.run(&[&["send"], arguments].concat());
    assert_eq!(words(&send(&["adrian"]).done()), ["accepted"]);
    assert_eq!(words(&send(&["adrian"]).done()), ["duplicate"]);
    let repeated = send(&["adrian", "--sample", "policy.violated", "--count", "3"]).done();
    assert_eq!(words(&repeated), ["accepted", "duplicate", "duplicate"]);
    let fresh = send(&["adrian", "--count", "3", "--fresh"]).done();
    assert_eq!(words(&fresh), ["accepted", "accepted", "accepted"]);
    assert_eq!(words(&send(&["akto", "--sample", "export"]).done()), ["accepted"]);
    assert_eq!(words(&send(&["scanner"]).done()), ["accepted"]);
    gateway.folder.write("body.json", r#"{"id":"evt_own","type":"agent.error"}"#);
    assert_eq!(words(&send(&["adrian", "--file", "body.json"]).done()), ["accepted"]);
    gateway.settle();
    let kinds = gateway.list("events", &["--source", "adrian"]);
    let kinds = column(&kinds, "type");
    let alert = "alert.triggered";
    assert_eq!(kinds, ["agent.error", alert, alert, alert, "policy.violated", alert]);
}

#[test]
fn what_goes_wrong_is_said_and_is_a_failure() {
    let gateway = Gateway::start(&config());
    let send = |arguments: &[&str]| gateway.run(&[&["send"], arguments].concat());
    send(&["nobody"]).ended(1).complains("there is no source 'nobody'; sources: adrian, akto");
    send(&["adrian", "--sample", "x"]).ended(1).complains("samples: alert.triggered, policy.violated");
    send(&["adrian", "--file", "absent.json"]).ended(1).complains("absent.json cannot be read");
    send(&["akto", "--fresh"]).ended(1).complains("--fresh needs a body that is a JSON object with an id");
    let elsewhere = format!("http://{}/webhooks/akto", gateway.server);
    let ran = send(&["adrian", "--url", &elsewhere]).ended(1).complains("it was answered 401");
    ran.prints("401 ").prints("\"code\":\"signature-missing\"");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = send(&["adrian", "--url", &format!("http://{free}/webhooks/adrian?token=visible")]).ended(1);
    let ran = ran.complains(&format!("no answer from http://{free}: "));
    let ran = ran.complains("does `gatepost serve` run there?");
    assert!(!ran.stderr.contains("visible"), "{ran}");
    assert!(gateway.list("receipts", &[]).is_empty());
}
