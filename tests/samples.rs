//! The bodies that vendors really send, posted as they would: each is taken, and ends as what it is.

// A helper that fails is a test that fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use std::time::{Duration, Instant};

use harness::{Answer, Gateway, Post, gzip, hmac_hex, shared};
use serde_json::{Value, json};

const SECRET: &str = "every-source-shows-these-32-byte";

/// A source for each way in which the samples are sent. They are years old, and some are signed.
const CONFIG: &str = r#"
[sources.adrian]
vendor = "secureagentics"
on_old = "deliver"
secrets = [{ value = "every-source-shows-these-32-byte" }]

[sources.akto]
vendor = "akto"
secrets = [{ value = "every-source-shows-these-32-byte" }]

[sources.github]
vendor = "generic"
secrets = [{ value = "every-source-shows-these-32-byte" }]
verify = { scheme = "hmac", header = "x-hub-signature-256", prefix = "sha256=" }
on_old = "deliver"
id = { header = "x-github-delivery" }

[sources.alertmanager]
vendor = "generic"
secrets = [{ value = "every-source-shows-these-32-byte" }]
verify = { scheme = "token" }
events = "/alerts"
map = { title = "/annotations/summary", time = "/startsAt", status = "/status" }

[sources.other]
vendor = "generic"
secrets = [{ value = "every-source-shows-these-32-byte" }]
verify = { scheme = "token" }

[destinations.archive]
type = "file"
path = "events.ndjson"

[[routes]]
name = "everything"
to = ["archive"]
"#;

/// Source, file, how many events it holds, and what else is said about it.
const SAMPLES: &[(&str, &str, usize, Option<&str>)] = &[
    // The body of the open-source Adrian's Discord sender has no wrapper object: it is one message.
    ("adrian", "adrian-oss-discord-verdict.json", 1, None),
    ("adrian", "secureagentics-alert.triggered.json", 1, None),
    // A template variable without a value: nothing was said.
    ("akto", "akto-customwebhook-empty-body.txt", 0, Some("empty")),
    // One event of the new endpoints together, one for each sensitive one, one for each counter that is not zero.
    ("akto", "akto-customwebhook-new-endpoints.json", 4, None),
    ("akto", "akto-customwebhook-pending-tests.json", 1, None),
    ("akto", "akto-customwebhook-threats-before-2025-11.INVALID.txt", 1, Some("repaired")),
    ("akto", "akto-customwebhook-threats-before-2025-11.json", 2, None),
    // Names of Java objects: all that can be learned is how many.
    ("akto", "akto-customwebhook-threats-since-2025-11.INVALID.txt", 1, Some("repaired")),
    ("akto", "akto-dashboard-fetchAggregateMaliciousRequests.json", 1, None),
    ("akto", "akto-docs-agent-runtime-threat.NOT-STRICT-JSON.txt", 1, Some("repaired")),
    ("akto", "akto-docs-agent-runtime-threat.json", 1, None),
    ("akto", "akto-docs-api-runtime-threat.NOT-STRICT-JSON.txt", 1, Some("repaired")),
    ("akto", "akto-docs-api-runtime-threat.json", 1, None),
    ("akto", "akto-threat-export-array.json", 3, None),
    ("alertmanager", "alertmanager-mixed.json", 2, None),
    ("other", "datadog-default.json", 1, None),
    ("github", "github-ping.json", 1, Some("unrecognized")),
    ("github", "github-secret_scanning_alert.json", 1, None),
    ("github", "github-security_advisory.json", 1, None),
    // A form is no JSON.
    ("other", "slack-slash-command.form.txt", 1, Some("unparsed")),
    ("other", "slack-url_verification.json", 1, None),
    ("other", "snyk-ping.json", 1, Some("unrecognized")),
    ("other", "standardwebhooks-contact.created.json", 1, None),
    ("other", "stripe-event.json", 1, Some("unrecognized")),
];

/// Files beside the samples that are not samples.
const NO_SAMPLES: &[&str] = &["SOURCES.md", "vectors.json"];

fn post(gateway: &Gateway, source: &str, body: &[u8]) -> Answer {
    match source {
        "adrian" => gateway.post_signed(source, SECRET, body),
        "github" => {
            let post =
                Post::to("/webhooks/github").line("x-hub-signature-256", format!("sha256={}", hmac_hex(SECRET, body)));
            // GitHub's ids are its own; here every body has another one.
            post.line("x-github-delivery", hmac_hex("id", body)).body(body).send(gateway.server)
        }
        _ => gateway.post_bearer(source, SECRET, body),
    }
}

#[test]
fn every_sample_is_taken_and_ends_as_what_it_is() {
    let Some(folder) = shared("samples") else { return };
    let mut files: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.retain(|file| !NO_SAMPLES.contains(&file.as_str()));
    files.sort();
    let mut known: Vec<&str> = SAMPLES.iter().map(|(_, file, ..)| *file).collect();
    known.sort_unstable();
    assert_eq!(files, known, "a sample is not in the table, or the other way round");

    let gateway = Gateway::start(CONFIG);
    let mut receipts = Vec::new();
    for (source, file, ..) in SAMPLES {
        let answer = post(&gateway, source, &std::fs::read(folder.join(file)).unwrap());
        assert_eq!(answer.status, 200, "{file}: {}", answer.text());
        receipts.push(answer.accepted());
    }
    gateway.settle();
    for (receipt, (_, file, events, note)) in receipts.iter().zip(SAMPLES) {
        let shown = gateway.show("receipts", receipt);
        let row = &shown["receipt"];
        let found = row["events"].as_u64().unwrap() + row["events_duplicate"].as_u64().unwrap();
        assert_eq!((found, row["note"].as_str()), (*events as u64, *note), "{file}: {shown:#}");
        for event in shown["events"].as_array().unwrap() {
            assert_eq!(event["type"] == "unparsed", *note == Some("unparsed"), "{file}: {event:#}");
            assert!(!event["title"].as_str().unwrap().is_empty(), "{file}");
        }
    }
    // Akto's two documented bodies, in two forms each, hold one event; everything else is another.
    let all: usize = SAMPLES.iter().map(|(.., events, _)| events).sum();
    assert_eq!(gateway.list("events", &[]).len(), all - 3);
    assert_eq!(gateway.folder.lines("events.ndjson").len(), all - 3);
}

#[test]
fn the_documented_alert_says_what_people_should_see() {
    let Some(folder) = shared("samples") else { return };
    let gateway = Gateway::start(CONFIG);
    let body = std::fs::read(folder.join("secureagentics-alert.triggered.json")).unwrap();
    let receipt = post(&gateway, "adrian", &body).accepted();
    let body = std::fs::read(folder.join("akto-docs-api-runtime-threat.NOT-STRICT-JSON.txt")).unwrap();
    let threat = post(&gateway, "akto", &body).accepted();
    gateway.settle();
    let alert = &gateway.show("receipts", &receipt)["events"][0];
    assert_eq!(alert["title"], "Rate limit exceeded: 150 prompts/min");
    assert_eq!((&alert["severity"], &alert["time"]), (&json!(4), &json!("2024-01-15T10:30:00.000Z")));
    assert_eq!((&alert["target"]["agent"], &alert["rule"]["id"]), (&json!("agt_abc123"), &json!("alrt_xyz")));
    let threat = &gateway.show("receipts", &threat)["events"][0];
    assert_eq!(threat["severity"], 3);
    assert_eq!(threat["actor"], json!({"ip": "14.143.179.162", "country": "IN"}));
    assert_eq!(threat["time"], "2025-05-13T18:51:48.000Z");
    assert_eq!(threat["rule"]["id"], "4XX_FILTER");
}

/// A record of Akto's export, as its source code writes it.
fn record(number: usize) -> Value {
    let request = json!({
        "method": "POST", "path": format!("/v1/orders/{number}"), "type": "HTTP/1.1", "statusCode": "403",
        "requestHeaders": "{\"host\":\"shop.example.com\",\"authorization\":\"Bearer customer-token\"}",
        "requestPayload": "{\"q\":\"' OR 1=1 --\"}", "responsePayload": "x".repeat(300), "akto_account_id": "1000000",
    });
    json!({
        "id": format!("{:08x}-0000-4000-8000-{number:012}", number * 7919),
        "filterId": if number.is_multiple_of(2) { "SQLInjection" } else { "XSS" },
        "actor": format!("198.51.100.{}", number % 250),
        "latestApiIp": format!("198.51.100.{}", number % 250),
        "latestApiEndpoint": format!("/v1/orders/{number}"),
        "country": "US", "latestApiMethod": "POST", "latestApiOrig": request.to_string(),
        "detectedAt": 1_747_162_308_000_u64 + number as u64, "latestApiCollectionId": -1_700_000_000, "eventType": "SINGLE",
        "category": "SQL_INJECTION", "subCategory": "SQL_INJECTION", "type": "Rule-Based",
        "refId": format!("{number:08x}-0000-4000-8000-000000000000"), "severity": null, "metadata": "",
        "successfulExploit": false, "status": "ACTIVE", "label": "threat", "host": "shop.example.com", "jiraTicketUrl": "",
    })
}

#[test]
fn an_export_of_five_thousand_comes_again_and_only_what_is_new_counts() {
    let gateway = Gateway::start(CONFIG);
    let send = |from: usize, to: usize| {
        let body = Value::Array((from..to).map(record).collect()).to_string();
        let zipped = Post::to("/webhooks/akto").line("authorization", format!("Bearer {SECRET}"));
        let zipped = zipped.line("content-encoding", "gzip").line("content-type", "application/json");
        let zipped = zipped.body(gzip(body.as_bytes()));
        let begun = Instant::now();
        let answer = zipped.send(gateway.server);
        // Akto's client gives up after ten seconds and sends the whole window again.
        assert!(begun.elapsed() < Duration::from_secs(10), "answered after {:?}", begun.elapsed());
        answer.accepted()
    };
    let counts = |receipt: &str| {
        let rows = gateway.list("receipts", &[]);
        let row = rows.iter().find(|row| row["id"] == receipt).unwrap();
        (row["events"].as_u64().unwrap(), row["events_duplicate"].as_u64().unwrap(), row["note"].as_str().is_none())
    };
    let first = send(0, 5000);
    gateway.settle();
    assert_eq!(counts(&first), (5000, 0, true));
    // The next window overlaps: the last thousand once more, and five hundred that are new.
    let second = send(4000, 5500);
    gateway.settle();
    assert_eq!(counts(&second), (500, 1000, true));
    // And once more as a whole, as after an answer that was lost on its way.
    let third = send(0, 5500);
    gateway.settle();
    assert_eq!(counts(&third), (0, 5500, true));

    let mut events = gateway.list("events", &[]);
    assert_eq!(events.len(), 5500);
    events.sort_by_key(|event| event["target"]["url"].as_str().unwrap().to_owned());
    events.dedup_by_key(|event| event["target"]["url"].clone());
    assert_eq!(events.len(), 5500, "one event hides another");
    assert_eq!(gateway.folder.lines("events.ndjson").len(), 5500);
    let delivered = gateway.list("deliveries", &["--state", "delivered"]);
    assert_eq!(delivered.iter().map(|row| row["events"].as_u64().unwrap_or(1)).sum::<u64>(), 5500);
}
