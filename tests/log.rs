//! What `serve` logs at its default level, and what it keeps out of the log.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};

use harness::{Gateway, Post, until};
use serde_json::Value;

const SECRET: &str = "adrian-signs-with-these-32-bytes";

const CONFIG: &str = r#"
[sources.adrian]
vendor = "secureagentics"
secrets = [{ value = "adrian-signs-with-these-32-bytes" }]

[sources.akto-prod]
vendor = "akto"
secrets = [{ value = "akto-shows-this-token-of-32-byte" }]

[destinations.archive]
type = "file"
path = "events.ndjson"

[[routes]]
name = "everything"
to = ["archive"]
"#;

/// The log lines with this message.
fn lines(gateway: &Gateway, message: &str) -> Vec<Value> {
    let parsed = gateway.log();
    let lines = parsed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"] == message).collect()
}

/// A process that is killed at the end.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let mut gateway = Gateway::start(CONFIG);
    assert!(gateway.stop().success());
    // As where the log is a file on a full disk.
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = gateway.folder.command(&["serve", "--log-format", "json"]);
    let mut serving = Killed(command.stdout(Stdio::null()).stderr(full).spawn().unwrap());
    until("it listens", || TcpStream::connect(gateway.server).ok());
    for n in 0..20 {
        let body = format!(r#"{{"id":"evt_{n}","type":"agent.error"}}"#);
        gateway.post_signed("adrian", SECRET, body.as_bytes()).accepted();
    }
    until("all are in the file", || (gateway.folder.lines("events.ndjson").len() == 20).then_some(()));
    assert!(serving.0.try_wait().unwrap().is_none());
}

#[test]
fn each_mistyped_source_is_told_once_a_minute_with_the_nearest_name() {
    let gateway = Gateway::start(CONFIG);
    let message = "a request names no configured source; is the vendor's URL mistyped?";
    let post = |path: &str| Post::to(path).body(b"{}").send(gateway.server).status;
    // An unauthenticated request first, which must not hide what follows.
    assert_eq!(post("/webhooks/wp-login.php%1b[31m"), 404);
    gateway.logs("wp-login.php");
    for _ in 0..5 {
        assert_eq!(post("/webhooks/adrain"), 404);
    }
    assert_eq!(post("/webhook/adrian"), 404);
    let told = until("each is told", || Some(lines(&gateway, message)).filter(|told| told.len() == 3));
    assert!(told.iter().all(|line| line["level"] == "WARN"), "{told:?}");
    assert!(!told[0]["typed"].as_str().unwrap().contains(['[', '\u{1b}']), "{told:?}");
    assert_eq!((&told[1]["typed"], &told[1]["nearest"]), (&"adrain".into(), &"adrian".into()));
    assert_eq!(told[1]["code"], "unknown-source");
    assert_eq!((&told[2]["typed"], &told[2]["code"]), (&"/webhook/adrian".into(), &"not-found".into()));
    assert_eq!(told[2]["nearest"], "adrian");
    assert!(told[2]["more"].as_u64().unwrap() <= 4, "{told:?}");
    let metrics = Post::get("/metrics").send(gateway.admin).text().to_owned();
    for counted in [
        "gatepost_intake_requests_total{source=\"unknown\",outcome=\"unknown-source\"} 6",
        "gatepost_intake_requests_total{source=\"unknown\",outcome=\"not-found\"} 1",
    ] {
        assert!(metrics.lines().any(|line| line == counted), "{counted} is missing in\n{metrics}");
    }
}

#[test]
fn an_accepted_request_and_its_deliveries_can_be_followed_without_bodies_or_secrets() {
    let gateway = Gateway::start(CONFIG);
    let body = br#"{"event":"alert.triggered","alert_id":"a-1","text":"what-the-body-says"}"#;
    let receipt = gateway.post_signed("adrian", SECRET, body).accepted();
    assert_eq!(gateway.post_signed("adrian", SECRET, body).duplicate(), receipt);
    let arrived = until("the delivery", || lines(&gateway, "a delivery has arrived").pop());
    let accepted = lines(&gateway, "a request was accepted");
    let outcomes: Vec<&Value> = accepted.iter().map(|line| &line["outcome"]).collect();
    assert_eq!(outcomes, ["accepted", "duplicate"]);
    for line in &accepted {
        assert_eq!((&line["level"], &line["source"]), (&"INFO".into(), &"adrian".into()));
        assert_eq!((&line["receipt"], line["ms"].is_u64()), (&receipt.as_str().into(), true), "{line}");
    }
    assert_eq!((&arrived["level"], &arrived["destination"]), (&"INFO".into(), &"archive".into()));
    assert_eq!((&arrived["receipt"], &arrived["tries"]), (&receipt.as_str().into(), &1.into()), "{arrived}");
    let delivery = arrived["delivery"].as_str().unwrap();
    assert_eq!(gateway.show("deliveries", delivery)["delivery"]["event"], arrived["event"]);
    for hidden in ["what-the-body-says", SECRET, "events.ndjson"] {
        assert!(!gateway.log().contains(hidden), "{hidden} stands in the log");
    }
}

#[test]
fn of_many_requests_the_first_have_lines_and_the_number_of_the_others_is_told() {
    let gateway = Gateway::start(&CONFIG.replace("type = \"file\"", "type = \"file\"\nbatch_events = 1"));
    for n in 0..150 {
        let body = format!(r#"{{"event":"alert.triggered","alert_id":"{n}"}}"#);
        gateway.post_signed("adrian", SECRET, body.as_bytes()).accepted();
    }
    let sum = |line: &str, others: &str| {
        let more: u64 = lines(&gateway, others).iter().map(|line| line["more"].as_u64().unwrap()).sum();
        lines(&gateway, line).len() as u64 + more
    };
    until("all requests are told", || {
        let told = sum("a request was accepted", "more requests were accepted than have a line of their own");
        (told == 150).then_some(())
    });
    gateway.settle();
    until("all deliveries are told", || {
        let told = sum("a delivery has arrived", "more deliveries have arrived than have a line of their own");
        (told == 150).then_some(())
    });
}

#[test]
fn https_to_a_plain_port_and_the_reverse_are_named_with_the_host() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = plain.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in plain.incoming().take(50) {
            let Ok(mut stream) = stream else { return };
            drop(stream.read(&mut [0; 4096]));
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
        }
    });
    let secret = "{ value = \"0000000000000000000000standin000\" }";
    let pager = format!("type = \"pagerduty\"\nurl = \"https://127.0.0.1:{port}\"\nrouting_key = {secret}");
    let gateway = Gateway::start(&CONFIG.replace("type = \"file\"\npath = \"events.ndjson\"", &pager));
    gateway.post_signed("adrian", SECRET, br#"{"event":"alert.triggered","alert_id":"a"}"#).accepted();
    let told = until("it fails", || lines(&gateway, "not delivered yet").pop());
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains(&format!("127.0.0.1:{port}: ")), "{reason}");
    assert!(reason.contains("does not speak TLS: if it is a plain http port, write http://"), "{reason}");
}

#[test]
fn warnings_of_a_reload_are_warnings_whether_it_is_taken_or_refused() {
    let gateway = Gateway::start(CONFIG);
    let warning = "the configuration deserves a look";
    let before = lines(&gateway, warning).len();
    assert!(before > 0, "the secrets in the file deserve a look");
    gateway.signal("HUP");
    gateway.logs("the configuration has been reloaded");
    assert_eq!(lines(&gateway, warning).len(), 2 * before);
    gateway.configure(&CONFIG.replace("type = \"file\"", "type = \"fiel\""));
    gateway.signal("HUP");
    until("the fault", || lines(&gateway, "fault in the configuration").pop());
    let faults = lines(&gateway, "fault in the configuration");
    assert!(faults.iter().all(|line| line["fault"].as_str().unwrap().contains("fiel")), "{faults:?}");
    let warnings = lines(&gateway, warning);
    assert_eq!(warnings.len(), 3 * before);
    assert!(warnings.iter().all(|line| line["level"] == "WARN"));
}
