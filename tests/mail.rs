//! Mail, from the vendor's request to the mailbox, where one of two recipients cannot be reached at first.

// A helper that fails is a test that fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use gatepost::domain::{Clock, SystemClock};
use gatepost::standins::email::{self, Received};
use harness::{Gateway, until};

const AKTO: &str = "akto-shows-this-token-of-32-byte";

fn config(smtp: &str) -> String {
    format!(
        r#"
[incidents]
wait = "0s"

[sources.akto]
vendor = "akto"
secrets = [{{ value = "{AKTO}" }}]
group_by = ["rule"]

[destinations.mail]
type = "email"
smtp = "{smtp}"
from = "gatepost@acme.example"
to = ["a@acme.example", "b@acme.example"]

[[routes]]
name = "all"
to = ["mail"]
"#
    )
}

/// Posts one event of the one incident.
fn post(gateway: &Gateway, number: u32, severity: &str) {
    let now = SystemClock.now().as_millis();
    let record = format!(
        r#"[{{"id":"n-{number}","filterId":"SQLInjection","actor":"198.51.100.7","latestApiMethod":"POST",
        "latestApiEndpoint":"/v1/payments","detectedAt":{now},"refId":"n-{number}","severity":"{severity}"}}]"#
    );
    gateway.post_bearer("akto", AKTO, record.as_bytes()).accepted();
}

fn first_lines(mails: &[Received]) -> Vec<&str> {
    mails.iter().map(|mail| mail.message.plain.lines().next().unwrap().split(" · ").next().unwrap()).collect()
}

#[test]
fn a_full_mailbox_keeps_no_other_from_being_told_and_what_is_worse_goes_to_all_at_once() {
    let server = email::start().unwrap();
    server.answer_recipient("b@acme.example", Some("452 4.2.2 mailbox full"));
    let gateway = Gateway::start(&config(&server.url()));
    let has = |recipient: &str, count: usize| {
        let recipient = format!("{recipient}@acme.example");
        until("the mails are there", || (server.mailbox(&recipient).len() == count).then_some(()));
    };
    post(&gateway, 1, "HIGH");
    has("a", 1);
    // The next try is due in a quarter of an hour; what is worse does not wait for it.
    until("it is written down", || {
        let waiting = gateway.list("deliveries", &["--state", "waiting"]);
        waiting.first()?["reason"].as_str()?.contains("b@acme.example").then_some(())
    });
    server.answer_recipient("b@acme.example", None);
    post(&gateway, 2, "CRITICAL");
    has("b", 1);
    has("a", 2);
    gateway.settle();
    gateway.run(&["incidents", "ack", "1", "--by", "dana"]).done();
    has("a", 3);
    has("b", 2);
    gateway.settle();
    let (a, b) = (server.mailbox("a@acme.example"), server.mailbox("b@acme.example"));
    assert_eq!(first_lines(&a), ["HIGH", "CRITICAL", "👀 acknowledged"]);
    assert_eq!(first_lines(&b), ["CRITICAL", "👀 acknowledged"]);
    assert_eq!(b[1].message.field("In-Reply-To"), b[0].message.field("Message-ID"));
    assert!(a.iter().chain(&b).all(|mail| mail.message.subject() == a[0].message.subject()));
    let mut ids: Vec<&str> = a.iter().map(|mail| mail.message.field("Message-ID")).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert!(gateway.list("deliveries", &["--state", "dead"]).is_empty());
}
