//! `gatepost send`: signs as the vendor would.

use std::io::{Read, Write};

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
    send(&["absent"]).ended(1).complains("there is no source 'absent'; sources: adrian, akto");
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

#[test]
fn a_refusal_is_told_with_the_next_step_and_a_duplicate_with_fresh() {
    let mut gateway = Gateway::start(&config());
    let send = |gateway: &Gateway, arguments: &[&str]| gateway.run(&[&["send"], arguments].concat());
    assert!(!send(&gateway, &["adrian"]).done().stderr.contains("--fresh"));
    let repeated = send(&gateway, &["adrian", "--count", "3"]).done();
    assert_eq!(repeated.stderr.matches("--fresh").count(), 1, "{repeated}");
    assert!(!send(&gateway, &["akto", "--count", "2"]).done().stderr.contains("--fresh"), "its body takes none");

    // What the file says now and the process that serves has not read yet.
    let later = "[sources.later]\nvendor = \"akto\"\nsecrets = [{ value = \"later-shows-this-token-of-32-byte\" }]\n";
    let changed = config().replace("these-32-bytes\" }]", "other-32-bytes\" }]\nbody_limit = \"1KiB\"");
    gateway.configure(&(changed + later));
    gateway.folder.write("large.json", format!(r#"{{"id":"evt_1","type":"{}"}}"#, "x".repeat(5_000)));
    let ran = send(&gateway, &["adrian"]).ended(1).complains("it was answered 401: ");
    ran.complains("gatepost verify adrian --file").complains("reload");
    let ran = send(&gateway, &["later"]).ended(1).complains("it was answered 404: ");
    ran.complains("sources: adrian, akto, later");
    gateway.stop();
    gateway.serve_again();
    let ran = send(&gateway, &["adrian", "--file", "large.json"]).ended(1).complains("it was answered 413: ");
    ran.complains("sources.adrian.body_limit");
}

#[test]
fn a_refusal_for_want_of_a_store_leads_to_readiness() {
    let folder = crate::configured(&format!("[admin]\nlisten = \"0.0.0.0:18081\"\n{}", config()));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream
            .write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
            .unwrap();
    });
    let ran = folder.run(&["send", "adrian", "--url", &url]).ended(1);
    ran.complains("it was answered 503: ").complains("http://127.0.0.1:18081/readyz");
    answering.join().unwrap();
}
