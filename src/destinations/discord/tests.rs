//! Incidents to messages, answers to outcomes.

use serde_json::{Value, json};

use super::edit::{EDIT, EDIT_PLAIN};
use super::*;
use crate::destinations::hook::{POST, POST_PLAIN, REPEAT};
use crate::destinations::life::{self, OwnedTelling};
use crate::destinations::testing::{self, Opening, body, done, reply, reply_with, sent};
use crate::destinations::{Fault, ProbeTelling};
use crate::domain::OutcomeKind::{self, Delivered, Gone, Misconfigured, Refused, Retry, Unknown};
use crate::domain::{Audience, Progress, Purpose, Reference, Scope};

const SETTINGS: &str = "webhook_url = { env = \"DISCORD_WEBHOOK_URL\" }";
const CREATE: Operation = Operation::Create { number: 1 };
const REPLY: Operation = Operation::Reply { number: 1, audience: Audience::Channel };
const POSTED: &str = r#"{"id":"1200000000000000001","channel_id":"1100000000000000001","content":"x"}"#;

fn notifier() -> Box<dyn Notifier> {
    testing::notifier(&KIND, SETTINGS)
}

/// In the middle of its life, with the message that was posted.
fn told(stage: &str, operation: Operation) -> OwnedTelling {
    let mut told = life::at(stage, NotifierClass::EditableChat);
    told.told.creations = 1;
    told.told.reference = Some(posted());
    let change = told.intent.change;
    told.with(change, operation)
}

fn posted() -> Reference {
    Reference { name: "1200000000000000001".into(), data: json!({ "message": "1200000000000000001" }) }
}

fn first(told: &OwnedTelling) -> Value {
    body(&sent(notifier().first(&told.job(), &told.telling())).1)
}

/// What people read of a text: a backslash makes the next character plain, and marks are not shown.
fn plain(markup: &str) -> String {
    let (mut text, mut rest) = (String::new(), markup.chars());
    while let Some(c) = rest.next() {
        match c {
            '\\' => text.extend(rest.next()),
            '`' | '*' => {}
            c => text.push(c),
        }
    }
    text
}

#[test]
fn settings_are_read_and_faults_named() {
    let more = "url = \"http://127.0.0.1:9\"\non_uncertain = \"drop\"";
    for good in [SETTINGS.to_owned(), format!("{SETTINGS}\n{more}")] {
        assert!(testing::build(&KIND, &good).is_ok(), "{good}");
    }
    let hook = |url: &str| format!("webhook_url = {{ value = \"{url}\" }}");
    let hooks = "https://discord.com/api/webhooks/100000000000000001";
    for (bad, said) in [
        (String::new(), "webhook_url: is missing"),
        ("webhook_url = { env = \"NO_URL\" }".to_owned(), "is not a URL"),
        (hook("https://discord.com/channels/1/2"), "is not that of a Discord webhook"),
        (hook(hooks), "is not that of a Discord webhook"),
        (hook(&format!("{hooks}/not-a-real-discord-token/slack")), "is not that of a Discord webhook"),
        (hook("https://discord.com/api/webhooks/abc/not-a-real-discord-token"), "is not that of a Discord webhook"),
        (format!("{SETTINGS}\non_uncertain = \"ask\""), "'ask' is not known"),
        (format!("{SETTINGS}\nchannel = \"x\""), "not a known key"),
    ] {
        let faults = testing::build(&KIND, &bad).unwrap_err();
        assert!(faults.contains(said) && !testing::leaks(&faults), "{bad}: {faults}");
    }
    testing::assert_template(&KIND);
    assert!(!testing::leaks(&format!("{:?}", notifier())));
}

#[test]
fn every_form_of_the_url_leads_to_the_same_version_and_a_thread_stays() {
    let hook = "webhooks/100000000000000001/abc";
    for (given, post, edit) in [
        ("https://discord.com/api/webhooks/100000000000000001/abc", "?wait=true", ""),
        ("https://discordapp.com/api/v9/webhooks/100000000000000001/abc/?wait=false", "?wait=true", ""),
        (
            "http://127.0.0.1:9/api/webhooks/100000000000000001/abc?thread_id=7",
            "?thread_id=7&wait=true",
            "?thread_id=7",
        ),
    ] {
        let discord = testing::notifier(&KIND, &format!("webhook_url = {{ value = \"{given}\" }}"));
        let host = url::Url::parse(given).unwrap().origin().ascii_serialization();
        let url = |operation| {
            let told = told("raise", operation);
            let (_, request) = sent(discord.first(&told.job(), &told.telling()));
            format!("{} {}", request.method.as_str(), request.url)
        };
        assert_eq!(url(CREATE), format!("POST {host}/api/v10/{hook}{post}"));
        assert_eq!(url(REPLY), url(CREATE));
        assert_eq!(url(Operation::Edit), format!("PATCH {host}/api/v10/{hook}/messages/1200000000000000001{edit}"));
    }
    let told = told("open", CREATE);
    let rebased = testing::notifier(&KIND, &format!("{SETTINGS}\napi_url = \"http://127.0.0.1:9\""));
    let (_, request) = sent(rebased.first(&told.job(), &told.telling()));
    assert!(request.url.as_str().starts_with("http://127.0.0.1:9/api/v10/webhooks/100000000000000001/"));
    assert!(!testing::leaks(&format!("{request:?}")));
}

#[test]
fn requests_are_golden() {
    let discord = Opening::at(&KIND, SETTINGS);
    for (name, owned) in testing::jobs() {
        let (_, request) = sent(discord.first(&owned.as_job()));
        testing::golden("discord", name, &testing::transcript(&request));
    }
}

#[test]
fn a_life_is_golden() {
    let stages = life::live(notifier().as_ref(), |_, _| reply(200, POSTED));
    assert_eq!(stages.len(), life::STAGES.len());
    for (name, conversation) in stages {
        testing::golden("discord", &format!("life/{name}"), &conversation);
    }
}

#[test]
fn the_first_line_always_tells_the_present_state() {
    let title = "SQL injection on POST /v1/payments · #4711";
    for (stage, line) in [
        ("open", format!("🟡 MEDIUM · blocked · {title}")),
        ("acknowledge", format!("👀 🟠 acknowledged · HIGH · allowed · {title}")),
        ("worse", format!("🔴 CRITICAL · SUCCEEDED · {title}")),
        ("resolve", format!("✅ resolved · CRITICAL · SUCCEEDED · {title}")),
        ("quiet", format!("💤 quiet · CRITICAL · SUCCEEDED · {title}")),
        ("storm", "🌩 akto: 512 more incidents of 37 rules, MEDIUM, blocked · #4720".to_owned()),
    ] {
        for operation in [Operation::Edit, REPLY] {
            assert_eq!(plain(first(&told(stage, operation))["content"].as_str().unwrap()), line, "{stage}");
        }
    }
    let resolved = first(&told("resolve", Operation::Edit))["embeds"][0]["color"].clone();
    assert_ne!(resolved, first(&told("worse", Operation::Edit))["embeds"][0]["color"], "it loses its colour");
}

#[test]
fn what_is_new_stands_by_itself_and_an_edit_is_complete() {
    let message = first(&told("raise", REPLY));
    let news = plain(message["embeds"][0]["description"].as_str().unwrap());
    assert!(news.starts_with("⬆ now HIGH, allowed since 02:30 UTC: 14.143.179.162 (IN) → "), "{news}");
    let edit = first(&told("raise", Operation::Edit));
    let state = plain(edit["embeds"][0]["description"].as_str().unwrap());
    assert!(state.starts_with("14.143.179.162 (IN)") && !state.contains("⬆ now"), "{state}");
    let again =
        plain(first(&told("worse", Operation::Create { number: 2 }))["embeds"][0]["description"].as_str().unwrap());
    assert!(again.starts_with("worse since dana acknowledged it at "), "{again}");
}

/// Whether a text has only our own markup: code spans, bold, and links to web pages in angle brackets.
fn assert_literal(text: &str) {
    let outside = testing::outside_of_code(text);
    let link = regex::Regex::new(r"\[[^\[\]]*\]\(<https?://[^\s<>()]+>\)").unwrap();
    let rest = link.replace_all(&outside, "").replace("**", "");
    assert!(
        !rest.contains(['*', '_', '~', '|', '>', '<', '#', '[', ']', '(', ')', '@', '/', ':']),
        "{rest:?} in {text}"
    );
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// What must hold of any message, checked without the code that made it.
fn assert_harmless(message: &Value) {
    assert_eq!(message["allowed_mentions"], json!({ "parse": [] }));
    let content = message["content"].as_str().unwrap();
    assert!(!content.is_empty() && units(content) <= 2000, "{content}");
    assert_literal(content);
    let mut total = 0;
    for embed in message["embeds"].as_array().unwrap() {
        let description = embed["description"].as_str().unwrap();
        let footer = embed["footer"]["text"].as_str().unwrap();
        assert!(!description.is_empty() && units(description) <= 4096 && units(footer) <= 2048);
        assert_literal(description);
        total += units(description) + units(footer);
        for field in embed["fields"].as_array().into_iter().flatten() {
            let (name, value) = (field["name"].as_str().unwrap(), field["value"].as_str().unwrap());
            assert!(!value.is_empty() && units(name) <= 256 && units(value) <= 1024, "{value}");
            assert_literal(value);
            total += units(name) + units(value);
        }
    }
    assert!(total <= 6000, "{total}");
    let all = message.to_string();
    assert!(!all.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{1b}']), "{all}");
}

#[test]
fn every_request_keeps_the_limits_and_is_harmless() {
    let discord = notifier();
    for told in life::every_telling(NotifierClass::EditableChat, 41) {
        for operation in [CREATE, REPLY, Operation::Edit] {
            let mut told = told.clone().with(told.intent.change, operation);
            told.told.reference = Some(posted());
            let (step, full) = sent(discord.first(&told.job(), &told.telling()));
            let refusal = reply(400, r#"{"code":50035,"message":"Invalid Form Body"}"#);
            let (_, plain) = sent(discord.next(&told.job(), &told.telling(), step, &refusal));
            assert_harmless(&body(&full));
            assert_harmless(&body(&plain));
        }
    }
}

#[test]
fn markup_mentions_and_links_have_no_effect() {
    let mut told = told("open", CREATE);
    told.incident.title = "@everyone <@1> **b** https://e.example discord.gg/x [y](http://z.example)".into();
    let content = first(&told)["content"].as_str().unwrap().to_owned();
    let escaped = r"\@everyone \<\@1\> \*\*b\*\* https\:\/\/e\.example discord\.gg\/x \[y\]\(http\:\/\/z\.example\)";
    assert!(content.contains(escaped), "{content}");
}

#[test]
fn what_is_too_long_is_cut_with_a_mark() {
    let mut told = told("open", CREATE);
    told.event.message = Some("m".repeat(5_000));
    let field = first(&told)["embeds"][0]["fields"][0].clone();
    assert_eq!(field, json!({ "name": "What happened", "value": format!("{}…", "m".repeat(449)), "inline": false }));
    told.incident.title = "t".repeat(1_000);
    let message = first(&told);
    assert!(message["content"].as_str().unwrap().contains('…'), "{message}");
    assert!(message["embeds"][0]["description"].as_str().unwrap().starts_with(&"t".repeat(599)), "{message}");
}

#[test]
fn a_form_that_is_refused_is_left_out_once() {
    let refusal = reply(400, r#"{"code":50035,"message":"Invalid Form Body"}"#);
    for (operation, plainer) in [(CREATE, POST_PLAIN), (REPLY, POST_PLAIN), (Operation::Edit, EDIT_PLAIN)] {
        let told = told("raise", operation);
        let (step, _) = sent(notifier().first(&told.job(), &told.telling()));
        let (step, request) = sent(notifier().next(&told.job(), &told.telling(), step, &refusal));
        let message = body(&request);
        assert_eq!(
            (step, &message["embeds"]),
            (plainer, &json!([])),
            "an edit that leaves them out would leave the old ones"
        );
        assert!(message["content"].as_str().unwrap().contains(r"\#4711"), "{message}");
        assert_eq!(done(notifier().next(&told.job(), &told.telling(), step, &refusal)).kind(), Refused);
    }
}

#[test]
fn a_reference_is_that_of_the_message_and_nothing_else_replaces_it() {
    let outcome = |operation| {
        let told = told("raise", operation);
        life::converse(notifier().as_ref(), &told.job(), &told.telling(), &|_, _| reply(200, POSTED)).1
    };
    assert_eq!(outcome(CREATE), Outcome::Delivered { remote: Some(posted()) });
    for operation in [Operation::Edit, REPLY] {
        assert_eq!(outcome(operation), Outcome::Delivered { remote: None });
    }
}

#[test]
fn without_a_message_there_is_nothing_to_edit() {
    for reference in [None, life::reference("x", json!({})), life::reference("x", json!({ "message": "1/../../2" }))] {
        let mut told = told("raise", Operation::Edit);
        told.told.reference = reference;
        assert_eq!(done(notifier().first(&told.job(), &told.telling())).kind(), Gone);
    }
    for operation in [Operation::Transition, Operation::Trigger { page: 1 }] {
        let told = told("raise", operation);
        assert_eq!(done(notifier().first(&told.job(), &told.telling())).kind(), Refused);
    }
    assert_eq!(notifier().class(), NotifierClass::EditableChat);
}

#[test]
fn every_documented_error_has_its_outcome() {
    let answer = |operation, status, word: &str| {
        let told = told("raise", operation);
        let (step, _) = sent(notifier().first(&told.job(), &told.telling()));
        let code: i64 = word.parse().unwrap_or(0);
        let error = json!({ "code": code, "message": "It said no" });
        notifier().next(&told.job(), &told.telling(), step, &reply(status, &error.to_string()))
    };
    for operation in [CREATE, REPLY] {
        testing::assert_errors(errors::POST, |status, word| answer(operation, status, word));
    }
    testing::assert_errors(errors::EDIT, |status, word| answer(Operation::Edit, status, word));
}

#[test]
fn the_reply_table() {
    let no_answer = |may_have_arrived| Reply::Failed(Fault { may_have_arrived, detail: "it broke".into() });
    let rows: &[(Reply, OutcomeKind, OutcomeKind)] = &[
        (reply(200, POSTED), Delivered, Delivered),
        (reply(204, ""), Delivered, Delivered),
        (reply(200, "<html>"), Unknown, Unknown),
        (reply(200, r#"{"id":"1/2"}"#), Unknown, Unknown),
        (testing::cut_off(200, POSTED), Unknown, Unknown),
        (reply(404, r#"{"code":10015,"message":"Unknown Webhook"}"#), Misconfigured, Misconfigured),
        (reply(404, r#"{"code":10008,"message":"Unknown Message"}"#), Misconfigured, Gone),
        (reply(401, r#"{"code":0,"message":"401: Unauthorized"}"#), Misconfigured, Misconfigured),
        (reply(400, r#"{"message":"a title that says 50006"}"#), Misconfigured, Misconfigured),
        (reply(301, ""), Misconfigured, Misconfigured),
        (reply(429, "<html>"), Retry, Retry),
        (reply(502, ""), Unknown, Unknown),
        (no_answer(false), Retry, Retry),
        (no_answer(true), Unknown, Unknown),
    ];
    for (answer, of_message, of_edit) in rows {
        for (operation, step, kind) in [(CREATE, POST, of_message), (Operation::Edit, EDIT, of_edit)] {
            let told = told("raise", operation);
            let outcome = done(notifier().next(&told.job(), &told.telling(), step, answer));
            assert_eq!(outcome.kind(), *kind, "{step} {answer:?}: {outcome:?}");
        }
    }
}

#[test]
fn a_rate_limit_holds_up_the_destination_as_long_as_the_longest_wait_that_it_says() {
    let limited = |seconds: &str| {
        format!(r#"{{"message":"You are being rate limited.","retry_after":{seconds},"global":false}}"#)
    };
    for (headers, said, millis) in [
        (&[][..], limited("1.25"), 1_250),
        (&[("Retry-After", "2")], limited("1.337"), 2_000),
        (&[("Retry-After", "64.5")], String::new(), 64_500),
        (&[("X-RateLimit-Reset-After", "3.5")], limited("0.1"), 3_500),
        (&[], limited("86400.0"), 3_600_000),
        (&[], limited("-1"), 1_000),
        (&[("Retry-After", "NaN")], limited("\"soon\""), 1_000),
    ] {
        for (operation, step) in [(CREATE, POST), (Operation::Edit, EDIT)] {
            let told = told("raise", operation);
            let outcome = done(notifier().next(&told.job(), &told.telling(), step, &reply_with(429, headers, &said)));
            let Outcome::Retry { after, scope: Scope::Destination, .. } = outcome else { panic!("{outcome:?}") };
            assert_eq!(after, Some(Duration::from_millis(millis)), "{headers:?} {said}");
        }
    }
}

#[test]
fn an_edit_in_doubt_is_sent_again_and_a_message_with_a_mark() {
    let nothing = Progress::default();
    let edit = told("raise", Operation::Edit);
    let (step, request) = sent(notifier().first(&life::in_doubt(edit.job(), &nothing), &edit.telling()));
    assert_eq!((step, body(&request)), (EDIT, first(&edit)));
    for operation in [CREATE, REPLY] {
        let told = told("raise", operation);
        let (step, request) = sent(notifier().first(&life::in_doubt(told.job(), &nothing), &told.telling()));
        let message = body(&request);
        assert_eq!(step, REPEAT);
        assert!(message["embeds"][0]["description"].as_str().unwrap().contains("Possible repeat"), "{message}");
    }
}

#[test]
fn nothing_secret_and_nothing_absent_is_told() {
    for name in ["akto", "hostile"] {
        for operation in [CREATE, REPLY, Operation::Edit] {
            let mut told = told("raise", operation);
            told.event = testing::event(name);
            let message = first(&told).to_string();
            assert!(!message.contains("not-a-real") && !message.contains("null"), "{message}");
        }
    }
    let said = r#"{"code":1,"message":"no webhook 100000000000000001/not-a-real-discord-token"}"#;
    for status in [400, 401, 403, 404, 500] {
        let told = told("raise", CREATE);
        let outcome = done(notifier().next(&told.job(), &told.telling(), POST, &reply(status, said)));
        assert!(!testing::leaks(outcome.reason().unwrap()), "{outcome:?}");
    }
}

#[test]
fn a_probe_says_test_and_shows_no_number() {
    let event = testing::event("minimal");
    let job = Job { purpose: Purpose::Probe, ..testing::job(&event) };
    let probe = ProbeTelling::of(&event, NotifierClass::EditableChat, job.now);
    let text = plain(&body(&sent(notifier().first(&job, &probe.telling())).1).to_string());
    assert!(text.contains("TEST · ") && text.contains("Nothing happened"), "{text}");
    assert!(!text.contains("#0") && !text.contains("incidents show"), "{text}");
}

#[test]
fn another_webhook_is_another_place() {
    let other = "webhook_url = { value = \"https://discord.com/api/webhooks/100000000000000001/another\" }";
    let thread =
        "webhook_url = { value = \"https://discord.com/api/webhooks/100000000000000001/another?thread_id=1\" }";
    let prints = [SETTINGS, other, thread].map(|settings| testing::notifier(&KIND, settings).fingerprint());
    assert_eq!(prints.into_iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
}
