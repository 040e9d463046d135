//! Incidents to messages, replies to outcomes.

use super::*;
use crate::destinations::life::{self, OwnedTelling};
use crate::destinations::slack::post::{HISTORY, POST, POST_PLAIN, REPEAT};
use crate::destinations::slack::{KIND, errors, reply as replies};
use crate::destinations::testing::{self, body, done, reply, sent};
use crate::destinations::{Fault, ProbeTelling};
use crate::domain::OutcomeKind::{Delivered, Gone, Refused, Unknown};
use crate::domain::{Progress, Purpose, Repeat};

const WEBHOOK: &str = "webhook_url = { env = \"SLACK_WEBHOOK_URL\" }";
const API: &str = "token = { env = \"SLACK_TOKEN\" }\nchannel = \"C00000000\"";

fn notifier(settings: &str) -> Box<dyn Notifier> {
    testing::notifier(&KIND, settings)
}

fn taken(_: &str, request: &HttpRequest) -> Reply {
    if request.url.path().starts_with("/services/") {
        return reply(200, "ok");
    }
    reply(200, r#"{"ok":true,"channel":"C00000000","ts":"1700000000.000100"}"#)
}

fn error(word: &str) -> Reply {
    reply(200, &json!({ "ok": false, "error": word }).to_string())
}

/// In the middle of its life, with the message that was posted.
fn told(stage: &str, operation: Operation) -> OwnedTelling {
    let mut told = life::at(stage, NotifierClass::EditableChat);
    told.told.creations = 1;
    told.told.reference = Some(replies::remote("C00000000", "1700000000.000100"));
    let change = told.intent.change;
    told.with(change, operation)
}

const CREATE: Operation = Operation::Create { number: 1 };
const REPLY: Operation = Operation::Reply { number: 2, audience: Audience::Thread };
const BROADCAST: Operation = Operation::Reply { number: 3, audience: Audience::Channel };

fn first(settings: &str, told: &OwnedTelling) -> (Step, Value) {
    let (step, request) = sent(notifier(settings).first(&told.job(), &told.telling()));
    (step, body(&request))
}

#[test]
fn a_life_is_golden() {
    for (way, settings) in [("api", API), ("webhook", WEBHOOK)] {
        let stages = life::live(notifier(settings).as_ref(), taken);
        assert_eq!(stages.len(), life::STAGES.len());
        for (name, conversation) in stages {
            testing::golden("slack", &format!("life/{name}.{way}"), &conversation);
        }
    }
}

#[test]
fn the_first_line_always_tells_the_present_state() {
    let first_line = |stage: &str| {
        let (_, message) = first(API, &told(stage, Operation::Edit));
        let line = message["blocks"][0]["text"]["text"].as_str().unwrap().to_owned();
        assert_eq!(message["text"].as_str().unwrap().lines().next(), Some(line.as_str()));
        line
    };
    let title = "SQL injection on POST /v1/payments · #4711";
    for (stage, line) in [
        ("open", format!("🟡 MEDIUM · blocked · {title}")),
        ("raise", format!("🟠 HIGH · allowed · {title}")),
        ("acknowledge", format!("👀 🟠 acknowledged · HIGH · allowed · {title}")),
        ("worse", format!("🔴 CRITICAL · SUCCEEDED · {title}")),
        ("resolve", format!("✅ resolved · CRITICAL · SUCCEEDED · {title}")),
        ("reopen", format!("🔴 CRITICAL · SUCCEEDED · {title}")),
        ("quiet", format!("💤 quiet · CRITICAL · SUCCEEDED · {title}")),
        ("storm", "🌩 akto: 512 more incidents of 37 rules, MEDIUM, blocked · #4720".to_owned()),
        ("digest", "🕓 akto: 2,311 events from 18 to 21 Nov arrived together · #4721".to_owned()),
    ] {
        assert_eq!(first_line(stage), line, "{stage}");
    }
}

#[test]
fn times_are_the_readers_own_with_utc_as_their_fallback() {
    let (_, message) = first(API, &told("acknowledge", REPLY));
    let text = message["blocks"][0]["text"]["text"].as_str().unwrap();
    let expected = "👀 `dana` has it since <!date^1795228800^{date_short_pretty} {time}|02:40 UTC> (command line)";
    assert!(text.starts_with(expected), "{text}");
    assert!(message["text"].as_str().unwrap().contains("👀 dana has it since 02:40 UTC (command line)"));
}

#[test]
fn a_reply_hangs_on_the_message_and_the_channel_sees_it_where_it_must() {
    for (operation, is_broadcast) in [(REPLY, false), (BROADCAST, true)] {
        let (_, message) = first(API, &told("raise", operation));
        assert_eq!(message["thread_ts"], "1700000000.000100");
        assert_eq!(message["reply_broadcast"], is_broadcast);
    }
    let (_, message) = first(API, &told("open", CREATE));
    assert!(message.get("thread_ts").is_none() && message.get("reply_broadcast").is_none());
    let (_, message) = first(WEBHOOK, &told("raise", BROADCAST));
    assert!(message.get("thread_ts").is_none(), "a webhook names no message");
    assert!(message["blocks"][0]["text"]["text"].as_str().unwrap().ends_with("#4711"), "it stands alone");
}

#[test]
fn a_reference_is_that_of_the_message_and_no_reply_replaces_it() {
    let outcome = |operation| {
        let told = told("raise", operation);
        life::converse(notifier(API).as_ref(), &told.job(), &told.telling(), &taken).1
    };
    let reference = replies::remote("C00000000", "1700000000.000100");
    assert_eq!(reference.data, json!({ "channel": "C00000000", "ts": "1700000000.000100" }));
    assert_eq!(outcome(CREATE), Outcome::Delivered { remote: Some(reference) });
    for operation in [Operation::Edit, REPLY, BROADCAST] {
        assert_eq!(outcome(operation), Outcome::Delivered { remote: None });
    }
}

#[test]
fn without_a_message_there_is_nothing_to_edit_or_to_answer() {
    for operation in [Operation::Edit, REPLY] {
        for reference in
            [None, life::reference("C1:1.1", Value::Null), life::reference("x", json!({ "channel": "C1" }))]
        {
            let mut told = told("raise", operation);
            told.told.reference = reference;
            assert_eq!(done(notifier(API).first(&told.job(), &told.telling())).kind(), Gone);
        }
    }
    for (settings, operation) in [
        (WEBHOOK, Operation::Edit),
        (WEBHOOK, Operation::Transition),
        (API, Operation::Transition),
        (API, Operation::Trigger { page: 1 }),
    ] {
        let told = told("raise", operation);
        assert_eq!(done(notifier(settings).first(&told.job(), &told.telling())).kind(), Refused);
    }
}

/// Everything in the message that Slack reads as mrkdwn.
fn mrkdwn_of(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| mrkdwn_of(item, found)),
        Value::Object(object) => {
            if object.get("type") == Some(&json!("mrkdwn")) || object.contains_key("blocks") {
                found.push(object["text"].as_str().unwrap().to_owned());
            }
            object.values().for_each(|item| mrkdwn_of(item, found));
        }
        _ => {}
    }
}

/// The text without Slack's tokens for times, which hold only digits and the time in UTC.
fn without_dates(text: &str) -> String {
    let date = regex::Regex::new(r"<!date\^-?\d+\^\{date_short_pretty\} \{time\}\|[0-9A-Za-z: ]+>").unwrap();
    date.replace_all(text, "").into_owned()
}

/// What must hold of any message, checked without the code that made it.
fn assert_harmless(message: &Value) {
    let mut texts = Vec::new();
    mrkdwn_of(message, &mut texts);
    assert!(!texts.is_empty());
    for text in texts.iter().map(|text| without_dates(text)) {
        assert!(!text.contains('<') && !text.contains('>'), "{text}");
        for after in text.split('&').skip(1) {
            assert!(["amp;", "lt;", "gt;"].iter().any(|entity| after.starts_with(entity)), "{text}");
        }
    }
    // Outside code spans only our own words are left. The first text is the one for notifications.
    for section in texts.iter().skip(1).map(|text| without_dates(text)) {
        assert_eq!(section.matches('`').count() % 2, 0, "{section}");
        for ours in section.split('`').step_by(2) {
            let is_ours = |c: char| c.is_ascii_alphanumeric() || " ·→\n-.,;:#+*()\"👀✅💤↩⬆🔁🔕".contains(c);
            assert!(ours.chars().all(is_ours), "{ours:?} in {section:?}");
        }
    }
    let all = message.to_string();
    assert!(!all.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{1b}']), "{all}");
    assert!(message["blocks"].to_string().len() < 12_000);
    assert!(message["text"].as_str().unwrap().encode_utf16().count() <= 40_000);
    assert_eq!(message["link_names"], false);
}

#[test]
fn every_request_fulfils_the_contract_and_is_harmless() {
    let part = |name: &str| testing::contract_part("slack-message.schema.json", &format!("#/definitions/{name}"));
    let request = |method: &str| {
        let path = format!("#/paths/~1{method}/post/requestBody/content/application~1json/schema");
        testing::contract_part("slack-api.openapi.json", &path)
    };
    let webhook = [part("SlackWebhookMessage"), None];
    let posts = [part("SlackPostMessage"), request("chat.postMessage")];
    let updates = [part("SlackUpdateMessage"), request("chat.update")];
    let (by_webhook, by_api) = (notifier(WEBHOOK), notifier(API));
    for told in life::every_telling(NotifierClass::EditableChat, 29) {
        for (notifier, operation, contracts) in [
            (&by_webhook, CREATE, &webhook),
            (&by_webhook, BROADCAST, &webhook),
            (&by_api, CREATE, &posts),
            (&by_api, REPLY, &posts),
            (&by_api, BROADCAST, &posts),
            (&by_api, Operation::Edit, &updates),
        ] {
            let mut told = told.clone().with(told.intent.change, operation);
            told.told.reference = Some(replies::remote("C00000000", "1700000000.000100"));
            let message = body(&sent(notifier.first(&told.job(), &told.telling())).1);
            assert_harmless(&message);
            for contract in contracts.iter().flatten() {
                contract.assert(&message);
            }
        }
    }
}

#[test]
fn nothing_secret_and_nothing_absent_is_told() {
    for name in ["akto", "hostile"] {
        for (settings, operation) in [(API, CREATE), (API, REPLY), (WEBHOOK, BROADCAST)] {
            let mut told = told("raise", operation);
            told.event = testing::event(name);
            let message = first(settings, &told).1.to_string();
            assert!(!message.contains("not-a-real") && !message.contains("null"), "{message}");
        }
    }
}

#[test]
fn blocks_that_are_refused_are_left_out_once() {
    for (settings, operation, refusal, plainer) in [
        (API, CREATE, error("invalid_blocks"), POST_PLAIN),
        (API, REPLY, error("msg_blocks_too_long"), POST_PLAIN),
        (API, Operation::Edit, error("invalid_blocks_format"), EDIT_PLAIN),
        (WEBHOOK, BROADCAST, reply(400, "invalid_blocks"), POST_PLAIN),
    ] {
        let told = told("raise", operation);
        let (job, telling, notifier) = (told.job(), told.telling(), notifier(settings));
        let (step, _) = sent(notifier.first(&job, &telling));
        let (step, request) = sent(notifier.next(&job, &telling, step, &refusal));
        assert_eq!(step, plainer);
        // An edit that leaves them out would leave the old ones.
        let blocks = body(&request).get("blocks").cloned();
        assert_eq!(blocks, (operation == Operation::Edit).then(|| json!([])));
        assert_eq!(done(notifier.next(&job, &telling, step, &refusal)).kind(), Refused);
    }
}

#[test]
fn every_documented_error_has_its_outcome() {
    let answer = |settings: &str, operation, step, status, word: &str| {
        let told = told("raise", operation);
        let is_api = settings == API && status == 200;
        let reply = if is_api { error(word) } else { reply(status, word) };
        notifier(settings).next(&told.job(), &told.telling(), step, &reply)
    };
    testing::assert_errors(errors::UPDATE, |status, word| answer(API, Operation::Edit, EDIT, status, word));
    for operation in [CREATE, REPLY] {
        testing::assert_errors(errors::API, |status, word| answer(API, operation, POST, status, word));
        testing::assert_errors(errors::WEBHOOK, |status, word| answer(WEBHOOK, operation, POST, status, word));
    }
}

#[test]
fn every_error_of_the_contract_has_a_row() {
    let path = "/paths/~1chat.update/post/responses/200/content/application~1json/schema/oneOf/1/properties/error/enum";
    let Some(contract) = testing::shared("slack-api.openapi.json") else { return };
    for word in contract.pointer(path).unwrap().as_array().unwrap() {
        let told = told("raise", Operation::Edit);
        let next = notifier(API).next(&told.job(), &told.telling(), EDIT, &error(word.as_str().unwrap()));
        assert!(!format!("{next:?}").contains("not in gatepost's table"), "{word}");
    }
}

#[test]
fn the_reply_table_of_an_edit() {
    let good = r#"{"ok":true,"channel":"C1","ts":"1.1","text":"x"}"#;
    let no_answer = |may_have_arrived| Reply::Failed(Fault { may_have_arrived, detail: "it broke".into() });
    use crate::domain::OutcomeKind::{Misconfigured, Retry};
    for (reply, kind) in [
        (reply(200, good), Delivered),
        (reply(200, "<html>"), Unknown),
        (testing::cut_off(200, good), Unknown),
        (error("message_not_found"), Gone),
        (error("cant_update_message"), Gone),
        (error("edit_window_closed"), Gone),
        (error("channel_not_found"), Misconfigured),
        (error("token_revoked"), Misconfigured),
        (error("msg_too_long"), Refused),
        (reply(429, ""), Retry),
        (reply(503, ""), Unknown),
        (no_answer(false), Retry),
        (no_answer(true), Unknown),
    ] {
        let told = told("raise", Operation::Edit);
        let outcome = done(notifier(API).next(&told.job(), &told.telling(), EDIT, &reply));
        assert_eq!(outcome.kind(), kind, "{reply:?}");
    }
}

#[test]
fn an_edit_in_doubt_is_sent_again_with_the_present_state() {
    let told = told("raise", Operation::Edit);
    let nothing = Progress::default();
    let again = sent(notifier(API).first(&life::in_doubt(told.job(), &nothing), &told.telling()));
    assert_eq!(again.0, EDIT);
    assert_eq!(again.1.body, sent(notifier(API).first(&told.job(), &told.telling())).1.body);
}

/// A page that holds a message with this token.
fn page(token: &str, cursor: &str) -> Reply {
    let with =
        |event_type: &str| json!({ "event_type": event_type, "event_payload": { "token": token, "incident": "x" } });
    let messages = json!([
        { "ts": "0.9", "text": "hello" },
        { "ts": "1.1", "metadata": with("other") },
        { "ts": "2.2", "metadata": with(METADATA_TYPE) },
    ]);
    let more = json!({ "next_cursor": cursor });
    let page = json!({ "ok": true, "messages": messages, "has_more": !cursor.is_empty(), "response_metadata": more });
    reply(200, &page.to_string())
}

#[test]
fn a_message_in_doubt_is_looked_for_by_its_number() {
    let told = told("open", CREATE);
    let nothing = Progress::default();
    let (job, telling, slack) = (life::in_doubt(told.job(), &nothing), told.telling(), notifier(API));
    let (step, request) = sent(slack.first(&job, &telling));
    assert_eq!((step, request.url.path()), (HISTORY[0], "/api/conversations.history"));
    let form = String::from_utf8(request.body.to_vec()).unwrap();
    let oldest = told.told.opened_at.as_millis() / 1000 - 300;
    assert_eq!(form, format!("channel=C00000000&oldest={oldest}&include_all_metadata=true&limit=15"));

    let ours = format!("{}.m1", telling.notification);
    let found = done(slack.next(&job, &telling, step, &page(&ours, "")));
    assert_eq!(found, Outcome::Delivered { remote: Some(replies::remote("C00000000", "2.2")) });
    // The first message of another creation, and a token that begins alike, are others.
    for other in [format!("{}.m2", telling.notification), format!("{ours}1"), format!("{}.r1", telling.notification)] {
        let (next, request) = sent(slack.next(&job, &telling, step, &page(&other, "")));
        assert_eq!(next, POST);
        assert_eq!(body(&request)["metadata"]["event_payload"]["token"], ours);
    }
    let (next, request) = sent(slack.next(&job, &telling, step, &page("another", "c1")));
    assert_eq!((next, request.body.ends_with(b"&cursor=c1")), (HISTORY[1], true));
}

#[test]
fn a_reply_in_doubt_is_looked_for_in_its_thread() {
    let told = told("raise", BROADCAST);
    let nothing = Progress::default();
    let (job, telling, slack) = (life::in_doubt(told.job(), &nothing), told.telling(), notifier(API));
    let (step, request) = sent(slack.first(&job, &telling));
    assert_eq!((step, request.url.path()), (HISTORY[0], "/api/conversations.replies"));
    let form = String::from_utf8(request.body.to_vec()).unwrap();
    assert!(form.starts_with("channel=C00000000&ts=1700000000.000100&oldest="), "{form}");
    let ours = format!("{}.r3", telling.notification);
    assert_eq!(done(slack.next(&job, &telling, step, &page(&ours, ""))), Outcome::Delivered { remote: None });
    let (next, request) = sent(slack.next(&job, &telling, step, &page("another", "")));
    assert_eq!((next, &body(&request)["thread_ts"]), (POST, &json!("1700000000.000100")));
    assert_eq!(done(slack.next(&job, &telling, step, &error("thread_not_found"))).kind(), Gone);
}

#[test]
fn what_cannot_be_found_out_is_repeated_with_a_mark_or_dropped() {
    let nothing = Progress::default();
    for (settings, operation, cannot_tell) in [
        (API, CREATE, Some(error("missing_scope"))),
        (API, REPLY, Some(error("missing_scope"))),
        (API, REPLY, Some(error("channel_not_found"))),
        (WEBHOOK, CREATE, None),
        (WEBHOOK, BROADCAST, None),
    ] {
        let told = told("raise", operation);
        let (job, telling) = (life::in_doubt(told.job(), &nothing), told.telling());
        let look = |slack: &dyn Notifier| match &cannot_tell {
            None => slack.first(&job, &telling),
            Some(reply) => slack.next(&job, &telling, HISTORY[0], reply),
        };
        let (step, request) = sent(look(notifier(settings).as_ref()));
        assert_eq!(step, REPEAT);
        let message = body(&request);
        assert!(message["text"].as_str().unwrap().contains("Possible repeat"), "{message:#}");
        assert!(message["blocks"].to_string().contains("Possible repeat"), "{message:#}");
        let drop = notifier(&format!("{settings}\non_uncertain = \"drop\""));
        assert!(done(look(drop.as_ref())).reason().unwrap().contains("replay"));
        let next = notifier(settings).next(&job, &telling, REPEAT, &reply(502, ""));
        assert!(matches!(done(next), Outcome::Unknown { repeat: Repeat::After(_), .. }));
    }
}

#[test]
fn a_message_that_is_made_again_says_why_and_shows_the_present_state() {
    let (_, message) = first(API, &told("worse", Operation::Create { number: 2 }));
    assert!(message["metadata"]["event_payload"]["token"].as_str().unwrap().ends_with(".m2"));
    let text = message["blocks"][1]["text"]["text"].as_str().unwrap();
    assert!(text.starts_with("worse since `dana` acknowledged it at "), "{text}");
    // Resolved before it was told: one combined message.
    let (_, message) = first(API, &told("resolve", CREATE));
    let all = message["blocks"].to_string();
    assert!(message["text"].as_str().unwrap().starts_with("✅ resolved · CRITICAL"), "{message:#}");
    assert_eq!(all.matches("✅ resolved by").count(), 1, "{all}");
}

#[test]
fn a_probe_says_test_and_shows_no_number() {
    let event = testing::event("minimal");
    let job = Job { purpose: Purpose::Probe, ..testing::job(&event) };
    for settings in [API, WEBHOOK] {
        let slack = notifier(settings);
        let probe = ProbeTelling::of(&event, slack.class(), job.now);
        let message = body(&sent(slack.first(&job, &probe.telling())).1);
        assert!(message["blocks"][0]["text"]["text"].as_str().unwrap().contains("TEST · "));
        assert!(message["text"].as_str().unwrap().contains("TEST · "));
        let text = message.to_string();
        assert!(!text.contains("#0") && !text.contains("incidents show"), "{text}");
    }
}

#[test]
fn another_channel_or_credential_is_another_place() {
    let all = [
        API.to_owned(),
        WEBHOOK.to_owned(),
        API.replace("C00000000", "C00000001"),
        API.replace("SLACK_TOKEN", "JIRA_API_TOKEN"),
        format!("{API}\nurl = \"http://127.0.0.1:9/api\""),
        WEBHOOK.replace("SLACK_WEBHOOK_URL", "LOCAL_WEBHOOK_URL"),
    ];
    let prints: std::collections::BTreeSet<[u8; 16]> =
        all.iter().map(|settings| notifier(settings).fingerprint()).collect();
    assert_eq!(prints.len(), all.len());
    assert_eq!(notifier(API).fingerprint(), notifier(API).fingerprint());
    assert_eq!(
        (notifier(API).class(), notifier(WEBHOOK).class()),
        (NotifierClass::EditableChat, NotifierClass::AppendOnly)
    );
}

#[test]
fn what_may_have_arrived_before_incidents_were_told_is_looked_for_as_it_was_sent() {
    let (delivery, event) = (crate::domain::DeliveryId::generate(), testing::event("full").key);
    let mut told = life::at("open", NotifierClass::EditableChat);
    told.told.reference = Some(Reference::former(delivery, event));
    let told = told.with(crate::domain::Change::Open, CREATE);
    let (notifier, progress) = (notifier(API), Progress::default());
    let job = life::in_doubt(told.job(), &progress);
    let (step, _) = sent(notifier.first(&job, &told.telling()));
    let metadata = json!({ "event_type": "gatepost_delivery", "event_payload": { "delivery": delivery.to_string() } });
    let there = json!({ "ok": true, "messages": [{ "ts": "1700000000.000200", "metadata": metadata }] });
    let outcome = done(notifier.next(&job, &told.telling(), step, &reply(200, &there.to_string())));
    assert_eq!(outcome, Outcome::Delivered { remote: Some(replies::remote("C00000000", "1700000000.000200")) });
    let absent = reply(200, r#"{"ok":true,"messages":[]}"#);
    let (_, request) = sent(notifier.next(&job, &told.telling(), step, &absent));
    assert_eq!(body(&request)["metadata"]["event_payload"]["delivery"], delivery.to_string());
}
