//! Openings to messages, replies to outcomes.

use std::time::Duration;

use serde_json::json;

use super::notifier::METADATA_TYPE;
use super::post::{HISTORY, POST, POST_PLAIN, REPEAT};
use super::*;
use crate::destinations::testing::{self, Opening, body, done, reply, reply_with, sent};
use crate::destinations::{Fault, HttpReply, Next, Reply};
use crate::domain::OutcomeKind::{self, Delivered, Misconfigured, Refused, Retry, Unknown};
use crate::domain::{Event, Outcome, Progress, Repeat, Scope};

const WEBHOOK: &str = "webhook_url = { env = \"SLACK_WEBHOOK_URL\" }";
const API: &str = "token = { env = \"SLACK_TOKEN\" }\nchannel = \"C00000000\"";

fn destination(settings: &str) -> Opening {
    Opening::at(&KIND, settings)
}

#[test]
fn settings_are_read_and_faults_named() {
    let more = "api_url = \"http://127.0.0.1:9/api\"\non_uncertain = \"drop\"";
    for good in [WEBHOOK.to_owned(), API.to_owned(), format!("{WEBHOOK}\n{more}"), format!("{API}\n{more}")] {
        assert!(testing::build(&KIND, &good).is_ok(), "{good}");
    }
    for (bad, said) in [
        ("", "webhook_url: is missing"),
        ("channel = \"C00000000\"", "token: is missing"),
        ("token = { env = \"SLACK_TOKEN\" }", "channel: is missing"),
        ("token = { env = \"LINES\" }\nchannel = \"C00000000\"", "no token has"),
        ("webhook_url = { env = \"NO_URL\" }", "is not a URL"),
        ("webhook_url = { env = \"SLACK_WEBHOOK_URL\" }\nchannel = \"C1\"", "stands beside"),
        ("webhook_url = { env = \"SLACK_WEBHOOK_URL\" }\non_uncertain = \"ask\"", "'ask' is not known"),
        ("webhook_url = { env = \"SLACK_WEBHOOK_URL\" }\nurl = \"nowhere\"", "is not a URL"),
        ("webhook_url = { env = \"SLACK_WEBHOOK_URL\" }\nicon = \"x\"", "not a known key"),
    ] {
        let faults = testing::build(&KIND, bad).unwrap_err();
        assert!(faults.contains(said) && !testing::leaks(&faults), "{bad}: {faults}");
    }
    testing::assert_template(&KIND);
    assert!(!testing::leaks(&format!("{:?} {:?}", destination(WEBHOOK), destination(API))));
}

#[test]
fn a_base_takes_the_place_of_slacks_host() {
    let event = testing::event("minimal");
    let url = |settings: &str| sent(destination(settings).first(&testing::job(&event))).1.url.to_string();
    assert_eq!(url(API), "https://slack.com/api/chat.postMessage");
    assert_eq!(url(&format!("{API}\nurl = \"http://127.0.0.1:9/api/\"")), "http://127.0.0.1:9/api/chat.postMessage");
    let rebased = url(&format!("{WEBHOOK}\nurl = \"http://127.0.0.1:9\""));
    assert_eq!(rebased, "http://127.0.0.1:9/services/T00000000/B00000000/not-a-real-webhook");
    assert!(url("webhook_url = { env = \"LOCAL_WEBHOOK_URL\" }").starts_with("http://127.0.0.1:9/services/"));
}

#[test]
fn requests_are_golden() {
    for (name, job) in &testing::jobs() {
        for (way, settings) in [("webhook", WEBHOOK), ("api", API)] {
            let (_, request) = sent(destination(settings).first(&job.as_job()));
            assert!(!testing::leaks(&format!("{request:?}")));
            testing::golden("slack", &format!("{name}.{way}"), &testing::transcript(&request));
        }
    }
}

#[test]
fn steps_after_a_doubt_are_golden() {
    let event = testing::event("secureagentics");
    let job = Job { uncertain: true, ..testing::job(&event) };
    let (_, repeat) = sent(destination(WEBHOOK).first(&job));
    testing::golden("slack", "secureagentics.webhook-repeat", &testing::transcript(&repeat));
    let (_, history) = sent(destination(API).first(&job));
    testing::golden("slack", "secureagentics.api-history", &testing::transcript(&history));
    let blocks = reply(200, r#"{"ok":false,"error":"invalid_blocks"}"#);
    let (_, plain) = sent(destination(API).next(&job, REPEAT, &blocks));
    testing::golden("slack", "secureagentics.api-repeat-without-blocks", &testing::transcript(&plain));
}

#[test]
fn a_message_addresses_no_person_and_unfurls_no_link() {
    let event = testing::event("hostile");
    for settings in [WEBHOOK, API] {
        let message = body(&sent(destination(settings).first(&testing::job(&event))).1);
        for switch in ["unfurl_links", "unfurl_media", "link_names", "mrkdwn"] {
            assert_eq!(message[switch], false, "{switch}");
        }
        assert_eq!(message.get("parse").is_some(), settings == API);
        assert!(message.get("client_msg_id").is_none());
    }
}

#[test]
fn the_contract_refuses_what_slack_would_refuse() {
    let Some(contract) = testing::contract("slack-message.schema.json") else { return };
    let event = testing::event("full");
    let good = body(&sent(destination(WEBHOOK).first(&testing::job(&event))).1);
    for (pointer, bad) in [
        ("/blocks/0/text/text", json!("x".repeat(151))),
        ("/blocks/0/text/text", json!("")),
        ("/blocks/0/text/type", json!("mrkdwn")),
        ("/blocks/1/text/text", json!("x".repeat(3001))),
        ("/text", json!(1)),
    ] {
        let mut broken = good.clone();
        *broken.pointer_mut(pointer).unwrap() = bad;
        assert!(!contract.accepts(&broken), "{pointer}");
    }
}

fn no_answer(may_have_arrived: bool) -> Reply {
    Reply::Failed(Fault { may_have_arrived, detail: "it broke".into() })
}

fn check(settings: &str, rows: &[(Reply, OutcomeKind, &str)]) {
    let event = testing::event("minimal");
    let destination = destination(settings);
    for (reply, kind, said) in rows {
        let outcome = done(destination.next(&testing::job(&event), POST, reply));
        assert_eq!(outcome.kind(), *kind, "{reply:?}");
        let reason = outcome.reason().unwrap_or_default();
        assert!(reason.contains(said) && !testing::leaks(reason), "{reply:?}: {reason}");
    }
}

#[test]
fn the_reply_table_of_a_webhook() {
    check(
        WEBHOOK,
        &[
            (reply(200, "ok"), Delivered, ""),
            (reply(200, "ok\n"), Delivered, ""),
            (reply(200, "<html>captive portal"), Unknown, "without its 'ok'"),
            (reply(200, ""), Unknown, "without its 'ok'"),
            (testing::cut_off(200, "ok"), Unknown, "without its 'ok'"),
            (reply(204, "ok"), Unknown, "without its 'ok'"),
            (reply(400, "invalid_payload"), Refused, "invalid_payload"),
            (reply(400, "no_text"), Refused, "no_text"),
            (reply(403, "action_prohibited"), Misconfigured, "administrator"),
            (reply(403, "invalid_token"), Misconfigured, "make a new webhook"),
            (reply(404, "no_service"), Misconfigured, "make a new webhook"),
            (reply(404, "channel_not_found"), Misconfigured, "make a new webhook"),
            (reply(410, "channel_is_archived"), Misconfigured, "archived"),
            (reply(404, "/services/T00000000\\/B00000000\\/not-a-real-webhook"), Misconfigured, "make a new webhook"),
            (reply_with(301, &[("location", "https://e.example")], ""), Misconfigured, "redirects are not followed"),
            (reply(413, ""), Refused, "too large"),
            (reply(429, "rate_limited"), Retry, "rate"),
            (reply(500, "rollup_error"), Unknown, "trouble"),
            (reply(503, ""), Unknown, "trouble"),
            (no_answer(false), Retry, "cannot be reached"),
            (no_answer(true), Unknown, "may have taken it"),
            (Reply::Appended, Unknown, "defect"),
        ],
    );
}

fn api_error(error: &str) -> Reply {
    reply(200, &json!({ "ok": false, "error": error }).to_string())
}

#[test]
fn the_reply_table_of_the_api() {
    let good = r#"{"ok":true,"channel":"C1","ts":"1700000000.000100"}"#;
    check(
        API,
        &[
            (reply(200, r#"{"ok":true}"#), Unknown, "channel and time"),
            (reply(200, "{}"), Unknown, "whether it worked"),
            (reply(200, "<html>"), Unknown, "not its JSON"),
            (testing::cut_off(200, good), Unknown, "not its JSON"),
            (api_error("ratelimited"), Retry, "ratelimited"),
            (api_error("service_unavailable"), Retry, "not available"),
            (api_error("request_timeout"), Retry, "cut short"),
            (api_error("team_added_to_org"), Retry, "moved"),
            (api_error("fatal_error"), Unknown, "midway"),
            (api_error("internal_error"), Unknown, "midway"),
            (api_error("invalid_auth"), Misconfigured, "`token`"),
            (api_error("token_revoked"), Misconfigured, "`token`"),
            (api_error("missing_scope"), Misconfigured, "chat:write"),
            (
                api_error("channel_not_found"),
                Misconfigured,
                "Slack says channel_not_found (200): the channel set as `channel` does not exist or the app is not in it",
            ),
            (api_error("not_in_channel"), Misconfigured, "invite"),
            (api_error("is_archived"), Misconfigured, "archived"),
            (api_error("restricted_action_read_only_channel"), Misconfigured, "policy"),
            (api_error("message_limit_exceeded"), Misconfigured, "used up"),
            (api_error("msg_too_long"), Refused, "msg_too_long"),
            (api_error("invalid_arguments"), Refused, "invalid_arguments"),
            (api_error("metadata_too_large"), Refused, "metadata_too_large"),
            (api_error("invalid_metadata_schema"), Refused, "invalid_metadata_schema"),
            (api_error("new_error_of_tomorrow"), Misconfigured, "not in gatepost's table"),
            (api_error("<!x> xoxb-not-a-real-token"), Misconfigured, "not in gatepost's table"),
            (reply(302, ""), Misconfigured, "redirects are not followed"),
            (reply(401, ""), Misconfigured, "credentials"),
            (reply(404, ""), Misconfigured, "address"),
            (reply(429, r#"{"ok":false,"error":"ratelimited"}"#), Retry, "rate"),
            (reply(500, "xoxb-not-a-real-token"), Unknown, "trouble"),
            (no_answer(false), Retry, "cannot be reached"),
            (no_answer(true), Unknown, "may have taken it"),
        ],
    );
    let event = testing::event("minimal");
    let outcome = done(destination(API).next(&testing::job(&event), POST, &reply(200, good)));
    assert_eq!(outcome, Outcome::Delivered { remote: Some(reply::remote("C1", "1700000000.000100")) });
}

#[test]
fn every_error_of_the_contract_has_a_row() {
    let path =
        "/paths/~1chat.postMessage/post/responses/200/content/application~1json/schema/oneOf/1/properties/error/enum";
    let Some(contract) = testing::shared("slack-api.openapi.json") else { return };
    let event = testing::event("minimal");
    let mut unlisted = Vec::new();
    for error in contract.pointer(path).unwrap().as_array().unwrap() {
        let error = error.as_str().unwrap();
        let next = destination(API).next(&testing::job(&event), POST, &api_error(error));
        if matches!(&next, Next::Done(outcome) if outcome.reason().unwrap().contains("not in gatepost's table")) {
            unlisted.push(error.to_owned());
        }
    }
    // Errors of arguments that are never sent.
    let never = [
        "as_user_not_supported",
        "duplicate_channel_not_found",
        "duplicate_message_not_found",
        "markdown_text_conflict",
        "missing_post_type",
        "too_many_contact_cards",
    ];
    assert_eq!(unlisted, never);
}

#[test]
fn a_rate_limit_holds_up_the_destination_as_long_as_it_says() {
    let event = testing::event("minimal");
    for settings in [WEBHOOK, API] {
        for (value, seconds) in [("30", 30), ("Sat, 21 Nov 2026 10:01:00 GMT", 60)] {
            let reply = reply_with(429, &[("Retry-After", value)], "");
            let outcome = done(destination(settings).next(&testing::job(&event), POST, &reply));
            let Outcome::Retry { after, scope, .. } = outcome else { panic!() };
            assert_eq!((after, scope), (Some(Duration::from_secs(seconds)), Scope::Destination));
        }
    }
}

#[test]
fn blocks_that_are_refused_are_left_out_once() {
    let event = testing::event("hostile");
    let job = testing::job(&event);
    for (settings, refusal) in [
        (WEBHOOK, reply(400, "invalid_blocks")),
        (API, api_error("msg_blocks_too_long")),
        (API, api_error("invalid_blocks_format")),
    ] {
        let destination = destination(settings);
        let (step, request) = sent(destination.next(&job, POST, &refusal));
        assert_eq!(step, POST_PLAIN);
        let message = body(&request);
        assert!(message.get("blocks").is_none());
        assert!(!message["text"].as_str().unwrap().contains('<'));
        assert_eq!(done(destination.next(&job, step, &refusal)).kind(), Refused);
    }
}

fn doubtful(event: &Event) -> Job<'_> {
    Job { uncertain: true, ..testing::job(event) }
}

#[test]
fn a_webhook_in_doubt_repeats_with_a_mark_or_drops() {
    let event = testing::event("minimal");
    let (step, request) = sent(destination(WEBHOOK).first(&doubtful(&event)));
    assert_eq!(step, REPEAT);
    assert!(body(&request).to_string().contains("Possible repeat"));
    let drop = destination(&format!("{WEBHOOK}\non_uncertain = \"drop\""));
    let outcome = done(drop.first(&doubtful(&event)));
    assert_eq!(outcome.kind(), Refused);
    assert!(outcome.reason().unwrap().contains("replay"));
    assert!(!body(&sent(drop.first(&testing::job(&event))).1).to_string().contains("Possible repeat"));
}

/// Sends a message whose every answer is this one, as the queue would; how long it waits after each, and the last outcome.
fn blind_pauses(settings: &str, answer: &Reply) -> (Vec<u64>, Outcome) {
    let (event, slack) = (testing::event("minimal"), destination(settings));
    let mut notes = Progress::default();
    let mut pauses = Vec::new();
    for tries in 1..100 {
        let progress = notes.clone();
        let job = Job { tries, uncertain: tries > 1, progress: &progress, ..testing::job(&event) };
        let mut next = slack.first(&job);
        while let Next::Send(step, _) = next {
            let history = api_error("missing_scope");
            next = slack.next(&job, step, if step.starts_with("history") { &history } else { answer });
        }
        match done(next) {
            Outcome::Unknown { repeat: Repeat::After(pause), progress, .. } => {
                pauses.push(pause.as_secs());
                notes = progress;
            }
            // By token the first doubt is looked into.
            Outcome::Unknown { repeat: Repeat::Freely, progress, .. } if tries == 1 => notes = progress,
            last => return (pauses, last),
        }
    }
    panic!("it is repeated without end");
}

#[test]
fn what_may_have_arrived_is_repeated_a_few_times_over_a_day_and_then_given_up_with_the_reason() {
    for settings in [WEBHOOK, API] {
        for (answer, said) in [(reply(502, "bad gateway"), "(502)"), (no_answer(true), "no answer came")] {
            let (pauses, last) = blind_pauses(settings, &answer);
            assert_eq!(pauses, [0, 10, 120, 1800, 14_400, 68_400]);
            let Outcome::Unknown { reason, repeat: Repeat::Never, .. } = last else { panic!("{last:?}") };
            assert!(reason.contains(said) && reason.contains("7 times") && reason.contains("replay"), "{reason}");
        }
    }
}

fn page(token: &str, cursor: &str) -> Reply {
    let payload = json!({ "token": token, "incident": "x" });
    let ours = json!({ "ts": "2.2", "metadata": { "event_type": METADATA_TYPE, "event_payload": payload } });
    let more = json!({ "next_cursor": cursor });
    let page = json!({ "ok": true, "messages": [ours], "has_more": !cursor.is_empty(), "response_metadata": more });
    reply(200, &page.to_string())
}

#[test]
fn the_api_in_doubt_looks_before_it_repeats() {
    let event = testing::event("minimal");
    let job = doubtful(&event);
    let slack = destination(API);
    let (step, _) = sent(slack.first(&job));
    let (next, request) = sent(slack.next(&job, step, &page("another", "c&1")));
    assert_eq!(next, "history-2");
    assert!(request.body.ends_with(b"&cursor=c%261"));

    let (next, request) = sent(slack.next(&job, step, &page("another", "")));
    assert_eq!(next, POST);
    assert!(!body(&request).to_string().contains("Possible repeat"));

    let (next, request) = sent(slack.next(&job, HISTORY[HISTORY.len() - 1], &page("another", "more")));
    assert_eq!(next, REPEAT);
    assert!(body(&request).to_string().contains("Possible repeat"));
}

#[test]
fn a_history_that_cannot_be_read_leaves_the_doubt() {
    let event = testing::event("minimal");
    let job = doubtful(&event);
    let slack = destination(API);
    let drop = destination(&format!("{API}\non_uncertain = \"drop\""));
    let cannot_tell = [
        api_error("missing_scope"),
        api_error("channel_not_found"),
        reply(200, r#"{"ok":true}"#),
        reply(200, r#"{"ok":true,"messages":[],"has_more":true}"#),
        reply(404, ""),
        testing::cut_off(200, &format!("{{\"ok\":true,{}", " ".repeat(HttpReply::BODY_BYTES_MAX - 11))),
    ];
    for reply in cannot_tell {
        assert_eq!(sent(slack.next(&job, HISTORY[0], &reply)).0, REPEAT, "{reply:?}");
        assert_eq!(done(drop.next(&job, HISTORY[0], &reply)).kind(), Refused, "{reply:?}");
    }
    let cut_off = testing::cut_off(200, &format!("{{\"token\":\"{}.m1\"", testing::OPENING));
    assert_eq!(done(slack.next(&job, HISTORY[0], &cut_off)), Outcome::Delivered { remote: None });

    let nothing = Progress::default();
    let ask_again = [
        api_error("ratelimited"),
        reply(429, ""),
        reply(500, ""),
        reply(200, "<html>"),
        testing::cut_off(200, "{\"ok\":true,"),
        no_answer(false),
        no_answer(true),
    ];
    for reply in ask_again {
        let Outcome::Retry { progress, .. } = done(slack.next(&job, HISTORY[0], &reply)) else { panic!("{reply:?}") };
        let later = Job { uncertain: false, progress: &progress, ..job };
        assert!(sent(slack.first(&later)).0.starts_with("history"), "the doubt must outlive {reply:?}");
    }
    assert_eq!(sent(slack.first(&Job { uncertain: false, progress: &nothing, ..job })).0, POST);
}
