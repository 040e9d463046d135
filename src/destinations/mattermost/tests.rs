//! Incidents to messages, answers to outcomes.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::destinations::hook::{POST, POST_PLAIN, REPEAT};
use crate::destinations::life::{self, OwnedTelling};
use crate::destinations::testing::{self, Opening, body, done, reply, reply_with, sent};
use crate::destinations::{Fault, ProbeTelling, Reply};
use crate::domain::OutcomeKind::{self, Delivered, Misconfigured, Refused, Retry, Unknown};
use crate::domain::{Audience, NotifierClass, Operation, Outcome, Progress, Purpose, Scope};

const SETTINGS: &str = "webhook_url = { env = \"MATTERMOST_WEBHOOK_URL\" }";
const CREATE: Operation = Operation::Create { number: 1 };
const REPLY: Operation = Operation::Reply { number: 1, audience: Audience::Channel };

fn notifier() -> Box<dyn Notifier> {
    testing::notifier(&KIND, SETTINGS)
}

fn told(stage: &str, operation: Operation) -> OwnedTelling {
    let told = life::at(stage, NotifierClass::AppendOnly);
    let change = told.intent.change;
    told.with(change, operation)
}

fn first(told: &OwnedTelling) -> Value {
    body(&sent(notifier().first(&told.job(), &told.telling())).1)
}

fn text_of(message: &Value) -> String {
    let part = |text: &Value| text.as_str().unwrap_or_default().replace(['\\', '`', '*'], "");
    format!("{}\n{}", part(&message["text"]), part(&message["attachments"][0]["text"]))
}

#[test]
fn settings_are_read_and_faults_named() {
    let more = "url = \"http://127.0.0.1:9\"\non_uncertain = \"drop\"";
    for good in [SETTINGS.to_owned(), format!("{SETTINGS}\n{more}")] {
        assert!(testing::build(&KIND, &good).is_ok(), "{good}");
    }
    let hook = |url: &str| format!("webhook_url = {{ value = \"{url}\" }}");
    assert!(testing::build(&KIND, &hook("https://example.com/mattermost/hooks/abc/")).is_ok(), "below a path");
    for (bad, said) in [
        (String::new(), "webhook_url: is missing"),
        ("webhook_url = { env = \"NO_URL\" }".to_owned(), "is not a URL"),
        (hook("https://chat.example.com/team/channels/x"), "is not that of an incoming webhook"),
        (hook("https://chat.example.com/hooks"), "is not that of an incoming webhook"),
        (format!("{SETTINGS}\non_uncertain = \"ask\""), "'ask' is not known"),
        (format!("{SETTINGS}\nchannel = \"x\""), "not a known key"),
    ] {
        let faults = testing::build(&KIND, &bad).unwrap_err();
        assert!(faults.contains(said) && !testing::leaks(&faults), "{bad}: {faults}");
    }
    testing::assert_template(&KIND);
    let told = told("open", CREATE);
    let (_, request) = sent(notifier().first(&told.job(), &told.telling()));
    assert!(!testing::leaks(&format!("{:?} {request:?}", notifier())));
}

#[test]
fn requests_are_golden() {
    let mattermost = Opening::at(&KIND, SETTINGS);
    for (name, owned) in testing::jobs() {
        let (_, request) = sent(mattermost.first(&owned.as_job()));
        testing::golden("mattermost", name, &testing::transcript(&request));
    }
}

#[test]
fn a_life_is_golden() {
    let stages = life::live(notifier().as_ref(), |_, _| reply(200, "ok"));
    assert_eq!(stages.len(), life::STAGES.len());
    for (name, conversation) in stages {
        testing::golden("mattermost", &format!("life/{name}"), &conversation);
    }
}

#[test]
fn every_message_stands_alone_and_its_first_line_tells_the_present_state() {
    let title = "SQL injection on POST /v1/payments · #4711";
    for (stage, operation, line, news) in [
        ("open", CREATE, format!("🟡 MEDIUM · blocked · {title}"), "14.143.179.162"),
        ("raise", REPLY, format!("🟠 HIGH · allowed · {title}"), "⬆ now HIGH, allowed since 02:30 UTC"),
        ("resolve", REPLY, format!("✅ resolved · CRITICAL · SUCCEEDED · {title}"), "✅ resolved by dana at 03:05 UTC"),
    ] {
        let message = first(&told(stage, operation));
        let text = text_of(&message);
        assert_eq!(text.lines().next(), Some(line.as_str()));
        assert!(text.lines().nth(1).unwrap().starts_with(news), "{stage}: {text}");
        assert!(message["attachments"][0]["footer"].as_str().unwrap().ends_with("gatepost incidents show 4711"));
    }
}

/// Whether a text has only our own markup: code spans, bold, and links to web pages.
fn assert_literal(text: &str) {
    let outside = testing::outside_of_code(text);
    let link = regex::Regex::new(r"\[[^\[\]]*\]\(https?://[^\s<>()@]+\)").unwrap();
    let rest = link.replace_all(&outside, "").replace("**", "");
    assert!(
        !rest.contains(['*', '_', '~', '|', '>', '<', '#', '[', ']', '(', ')', '@', ':', '$', '!']),
        "{rest:?} in {text}"
    );
}

/// What must hold of any message, checked without the code that made it.
fn assert_harmless(message: &Value) {
    let text = message["text"].as_str().unwrap();
    assert!(text.chars().count() <= 16_383 && !text.is_empty());
    assert_literal(text);
    for attachment in message["attachments"].as_array().into_iter().flatten() {
        assert_literal(attachment["text"].as_str().unwrap());
        for key in ["fallback", "footer"] {
            assert!(!attachment[key].as_str().unwrap().contains('@'), "{attachment}");
        }
        for field in attachment["fields"].as_array().into_iter().flatten() {
            assert_literal(field["value"].as_str().unwrap());
        }
        assert!(attachment.to_string().chars().count() < 7_600, "older servers refuse more");
    }
    let all = message.to_string();
    assert!(!all.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{1b}']), "{all}");
}

#[test]
fn every_request_keeps_the_limits_and_is_harmless() {
    let mattermost = notifier();
    for told in life::every_telling(NotifierClass::AppendOnly, 43) {
        for operation in [CREATE, REPLY] {
            let told = told.clone().with(told.intent.change, operation);
            let (step, full) = sent(mattermost.first(&told.job(), &told.telling()));
            let (_, plain) = sent(mattermost.next(&told.job(), &told.telling(), step, &reply(413, "")));
            assert_harmless(&body(&full));
            assert_harmless(&body(&plain));
        }
    }
}

#[test]
fn mentions_and_markup_have_no_effect() {
    let mut told = told("open", CREATE);
    told.incident.title = "@channel @here @all **b** [x](http://e.example) :skull: $x$".into();
    let message = first(&told);
    let escaped = r"＠channel ＠here ＠all \*\*b\*\* \[x\]\(http\://e\.example\) \:skull\: \$x\$";
    assert!(message["text"].as_str().unwrap().contains(escaped), "{message}");
    told.event.target.as_mut().unwrap().url = Some("/`@all`".into());
    let message = first(&told);
    assert!(
        message["attachments"][0]["text"].as_str().unwrap().contains("/'@all'"),
        "in a code span it is no mention: {message}"
    );
}

#[test]
fn an_attachment_that_is_refused_is_left_out_once() {
    let told = told("raise", REPLY);
    let refusal = reply(400, r#"{"id":"web.incoming_webhook.split_props_length.app_error","status_code":400}"#);
    let (step, request) = sent(notifier().next(&told.job(), &told.telling(), POST, &refusal));
    let message = body(&request);
    assert_eq!((step, message.get("attachments")), (POST_PLAIN, None));
    assert!(text_of(&message).contains("#4711") && text_of(&message).contains("⬆ now"), "{message}");
    assert_eq!(done(notifier().next(&told.job(), &told.telling(), step, &refusal)).kind(), Refused);
}

#[test]
fn what_is_too_long_is_cut_with_a_mark() {
    let mut told = told("open", CREATE);
    told.event.message = Some("m".repeat(5_000));
    let field = first(&told)["attachments"][0]["fields"][0].clone();
    assert_eq!(field, json!({ "title": "What happened", "value": format!("{}…", "m".repeat(599)), "short": false }));
}

#[test]
fn only_messages_can_be_posted() {
    for operation in [Operation::Edit, Operation::Transition, Operation::Trigger { page: 1 }] {
        let told = told("raise", operation);
        assert_eq!(done(notifier().first(&told.job(), &told.telling())).kind(), Refused);
    }
    assert_eq!(notifier().class(), NotifierClass::AppendOnly);
}

fn answered(reply: &Reply) -> Outcome {
    let told = told("raise", REPLY);
    done(notifier().next(&told.job(), &told.telling(), POST_PLAIN, reply))
}

#[test]
fn the_reply_table() {
    let no_answer = |may_have_arrived| Reply::Failed(Fault { may_have_arrived, detail: "it broke".into() });
    let error =
        |status: u16, id: &str| reply(status, &json!({ "id": id, "message": "x", "status_code": status }).to_string());
    let rows: &[(Reply, OutcomeKind)] = &[
        (reply(200, "ok"), Delivered),
        (reply(200, "<html>"), Unknown),
        (reply(200, ""), Unknown),
        (testing::cut_off(200, "ok"), Unknown),
        (error(400, "web.incoming_webhook.invalid.app_error"), Misconfigured),
        (error(400, "web.incoming_webhook.parse.app_error"), Refused),
        (error(501, "web.incoming_webhook.disabled.app_error"), Misconfigured),
        (error(400, "unheard.of"), Misconfigured),
        (reply(400, "the title said web.incoming_webhook.parse.app_error"), Misconfigured),
        (reply(301, ""), Misconfigured),
        (reply(401, ""), Misconfigured),
        (reply(429, "limit exceeded"), Retry),
        (reply(502, ""), Unknown),
        (no_answer(false), Retry),
        (no_answer(true), Unknown),
    ];
    for (reply, kind) in rows {
        let outcome = answered(reply);
        assert_eq!(outcome.kind(), *kind, "{reply:?}: {outcome:?}");
    }
}

#[test]
fn every_documented_error_has_its_outcome() {
    testing::assert_errors(errors::WEBHOOK, |status, word| {
        let told = told("raise", REPLY);
        let error = json!({ "id": word, "message": "It said no", "detailed_error": "", "status_code": status });
        notifier().next(&told.job(), &told.telling(), POST, &reply(status, &error.to_string()))
    });
}

#[test]
fn a_rate_limit_holds_up_the_destination_as_long_as_it_says() {
    for (headers, seconds) in [(&[("Retry-After", "17")][..], 17), (&[], 1)] {
        let outcome = answered(&reply_with(429, headers, "limit exceeded"));
        let Outcome::Retry { after, scope: Scope::Destination, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(after, Some(Duration::from_secs(seconds)));
    }
}

#[test]
fn nothing_secret_and_nothing_absent_is_told() {
    for name in ["akto", "hostile"] {
        for operation in [CREATE, REPLY] {
            let mut told = told("raise", operation);
            told.event = testing::event(name);
            let message = first(&told).to_string();
            assert!(!message.contains("not-a-real") && !message.contains("null"), "{message}");
        }
    }
    for status in [400, 403, 404, 500] {
        let outcome = answered(&reply(status, r#"{"id":"x","message":"no hook not0a0real0mattermost0hook"}"#));
        assert!(!testing::leaks(outcome.reason().unwrap()), "{outcome:?}");
    }
}

#[test]
fn what_may_have_arrived_is_repeated_with_a_mark() {
    let (told, nothing) = (told("raise", REPLY), Progress::default());
    let (step, request) = sent(notifier().first(&life::in_doubt(told.job(), &nothing), &told.telling()));
    assert_eq!(step, REPEAT);
    assert!(text_of(&body(&request)).contains("Possible repeat"), "{request:?}");
}

#[test]
fn a_probe_says_test_and_shows_no_number() {
    let event = testing::event("minimal");
    let job = Job { purpose: Purpose::Probe, ..testing::job(&event) };
    let probe = ProbeTelling::of(&event, NotifierClass::AppendOnly, job.now);
    let message = body(&sent(notifier().first(&job, &probe.telling())).1);
    let text = text_of(&message);
    assert!(text.contains("TEST · ") && text.contains("Nothing happened."), "{text}");
    let all = message.to_string();
    assert!(!all.contains("· #0") && !all.contains("#0 ") && !all.contains("incidents show"), "{all}");
}

#[test]
fn another_webhook_is_another_place() {
    let other = testing::notifier(&KIND, "webhook_url = { value = \"https://chat.example.com/hooks/another\" }");
    assert_ne!(notifier().fingerprint(), other.fingerprint());
    assert_eq!(notifier().fingerprint(), notifier().fingerprint());
}
