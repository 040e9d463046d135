//! Incidents to cards, answers to outcomes.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::destinations::hook::{POST, POST_PLAIN, REPEAT};
use crate::destinations::life::{self, OwnedTelling};
use crate::destinations::testing::{self, Opening, body, done, reply, reply_with, sent};
use crate::destinations::{HttpReply, ProbeTelling, Reply};
use crate::domain::OutcomeKind::{self, Delivered, Misconfigured, Refused, Retry, Unknown};
use crate::domain::{Audience, NotifierClass, Operation, Outcome, Progress, Purpose, Scope};

const SETTINGS: &str = "webhook_url = { env = \"TEAMS_WEBHOOK_URL\" }";
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

/// Everything that a person reads of it, a paragraph a line.
fn text_of(message: &Value) -> String {
    let card = &message["attachments"][0]["content"];
    let text = |block: &Value| match block["inlines"].as_array() {
        Some(runs) => runs.iter().map(|run| run["text"].as_str().unwrap()).collect::<String>(),
        None => block["text"].as_str().unwrap().replace('\\', ""),
    };
    card["body"].as_array().unwrap().iter().map(text).collect::<Vec<_>>().join("\n")
}

#[test]
fn settings_are_read_and_faults_named() {
    let more = "url = \"http://127.0.0.1:9\"\non_uncertain = \"drop\"";
    for good in [SETTINGS.to_owned(), format!("{SETTINGS}\n{more}")] {
        assert!(testing::build(&KIND, &good).is_ok(), "{good}");
    }
    let hook = |url: &str| format!("webhook_url = {{ value = \"{url}\" }}");
    let unsigned = "https://0.1.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/1";
    for (bad, said) in [
        (String::new(), "webhook_url: is missing"),
        ("webhook_url = { env = \"NO_URL\" }".to_owned(), "is not a URL"),
        (hook("https://acme.webhook.office.com/webhookb2/not-a-real-signature"), "Microsoft has retired"),
        (hook("https://outlook.office.com/webhook/not-a-real-signature"), "Microsoft has retired"),
        (hook(unsigned), "has no signature"),
        (hook("https://prod-1.westeurope.logic.azure.com/workflows/1?sig="), "has no signature"),
        (format!("{SETTINGS}\non_uncertain = \"ask\""), "'ask' is not known"),
        (format!("{SETTINGS}\nurl = \"nowhere\""), "is not a URL"),
        (format!("{SETTINGS}\nchannel = \"x\""), "not a known key"),
    ] {
        let faults = testing::build(&KIND, &bad).unwrap_err();
        assert!(faults.contains(said) && !testing::leaks(&faults), "{bad}: {faults}");
    }
    testing::assert_template(&KIND);
    assert!(!testing::leaks(&format!("{:?}", notifier())));
}

#[test]
fn a_base_takes_the_place_of_the_host_and_the_signature_stays() {
    let told = told("open", CREATE);
    let rebased = testing::notifier(&KIND, &format!("{SETTINGS}\nurl = \"http://127.0.0.1:9\""));
    let (_, request) = sent(rebased.first(&told.job(), &told.telling()));
    let path = "/workflows/0123456789abcdef/triggers/manual/paths/invoke";
    let query = "api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=not-a-real-signature";
    assert_eq!(request.url.as_str(), format!("http://127.0.0.1:9{path}?{query}"));
    let (_, request) = sent(notifier().first(&told.job(), &told.telling()));
    assert_eq!((request.url.query(), request.url.path()), (Some(query), path), "nothing of it is written differently");
    assert!(!testing::leaks(&format!("{request:?}")));
}

#[test]
fn requests_are_golden() {
    let teams = Opening::at(&KIND, SETTINGS);
    for (name, owned) in testing::jobs() {
        let (_, request) = sent(teams.first(&owned.as_job()));
        testing::golden("teams", name, &testing::transcript(&request));
    }
}

#[test]
fn a_life_is_golden() {
    let stages = life::live(notifier().as_ref(), |_, _| reply(202, ""));
    assert_eq!(stages.len(), life::STAGES.len());
    for (name, conversation) in stages {
        testing::golden("teams", &format!("life/{name}"), &conversation);
    }
}

#[test]
fn every_message_stands_alone_and_its_first_line_tells_the_present_state() {
    let title = "SQL injection on POST /v1/payments · #4711";
    for (stage, operation, line, news) in [
        ("open", CREATE, format!("🟡 MEDIUM · blocked · {title}"), "14.143.179.162"),
        ("raise", REPLY, format!("🟠 HIGH · allowed · {title}"), "⬆ now HIGH, allowed since 02:30 UTC"),
        (
            "acknowledge",
            REPLY,
            format!("👀 🟠 acknowledged · HIGH · allowed · {title}"),
            "👀 dana has it since 02:40 UTC",
        ),
        ("resolve", REPLY, format!("✅ resolved · CRITICAL · SUCCEEDED · {title}"), "✅ resolved by dana at 03:05 UTC"),
        ("reopen", REPLY, format!("🔴 CRITICAL · SUCCEEDED · {title}"), "↩ reopened at 03:20 UTC"),
        ("quiet", REPLY, format!("💤 quiet · CRITICAL · SUCCEEDED · {title}"), "💤 no event for"),
    ] {
        let text = text_of(&first(&told(stage, operation)));
        assert_eq!(text.lines().next(), Some(line.as_str()));
        assert!(text.contains(news) && text.ends_with("gatepost incidents show 4711"), "{stage}: {text}");
    }
}

/// What must hold of any card, checked without the code that made it.
fn assert_harmless(document: &str) {
    let message: Value = serde_json::from_str(document).unwrap();
    let card = &message["attachments"][0]["content"];
    assert_eq!(card["msteams"], json!({ "width": "Full" }), "there are no mentions");
    for block in card["body"].as_array().unwrap() {
        match block["type"].as_str().unwrap() {
            "TextBlock" => {
                let mut rest = block["text"].as_str().unwrap().chars();
                while let Some(c) = rest.next() {
                    assert!(!"`*_[](){}~#<>&!|".contains(c), "{block}");
                    assert!(c != '\\' || rest.next().is_some_and(|c| c.is_ascii_punctuation()), "{block}");
                }
            }
            "RichTextBlock" => {
                for run in block["inlines"].as_array().unwrap() {
                    assert!(run["type"] == "TextRun" && run.get("selectAction").is_none(), "{run}");
                    assert!(!run["text"].as_str().unwrap().contains("{{"), "{run}");
                }
            }
            other => panic!("{other}"),
        }
    }
    for action in card["actions"].as_array().into_iter().flatten() {
        assert!(action["type"] == "Action.OpenUrl" && action["url"].as_str().unwrap().starts_with("http"), "{action}");
    }
    assert!(!document.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{1b}']), "{document}");
    // As Teams counts: the card as a text within its own message.
    let again = serde_json::to_string(document).unwrap();
    let counted: usize = again.chars().map(|c| if c.is_ascii() { 1 } else { 6 * c.len_utf16() }).sum();
    assert!(document.len() <= 20_000 && counted <= 28_672, "{} bytes, counted as {counted}", document.len());
}

#[test]
fn every_request_fulfils_the_contract_and_is_harmless() {
    let contract = testing::contract("teams-workflow-message.schema.json");
    let teams = notifier();
    for told in life::every_telling(NotifierClass::AppendOnly, 31) {
        for operation in [CREATE, REPLY] {
            let told = told.clone().with(told.intent.change, operation);
            let (_, full) = sent(teams.first(&told.job(), &told.telling()));
            let (_, plain) = sent(teams.next(&told.job(), &told.telling(), POST, &reply(413, "")));
            for request in [full, plain] {
                let document = std::str::from_utf8(&request.body).unwrap();
                assert_harmless(document);
                if let Some(contract) = &contract {
                    contract.assert(&body(&request));
                }
            }
        }
    }
}

#[test]
fn markdown_and_dates_have_no_effect() {
    let mut told = told("open", CREATE);
    told.incident.title = "*b* [x](http://e.example) {{DATE(2026-01-01,SHORT)}} <at>all</at>".into();
    let message = first(&told);
    let heading = message["attachments"][0]["content"]["body"][0]["text"].as_str().unwrap();
    let escaped = r"\*b\* \[x\]\(http://e.example\) \{\{DATE\(2026-01-01,SHORT\)\}\} \<at\>all\</at\>";
    assert!(heading.contains(escaped), "{heading}");
    told.event.target.as_mut().unwrap().url = Some("/{{{TIME(x)}}}".into());
    let text = text_of(&first(&told));
    assert!(text.contains("/{ { {TIME(x)}}}"), "{text}");
}

#[test]
fn long_texts_give_way_before_short_ones_and_a_cut_is_marked() {
    let mut told = told("open", CREATE);
    told.event.message = Some("m".repeat(5_000));
    let text = text_of(&first(&told));
    assert!(text.contains(&format!("What happened: {}…", "m".repeat(599))), "{text}");
    told.event.labels = (0..5).map(|n| (format!("l{n}"), "警".repeat(500))).collect();
    told.event.message = Some("警".repeat(5_000));
    told.event.impact = told.event.message.clone();
    told.event.remediation = told.event.message.clone();
    let text = text_of(&first(&told));
    assert!(text.contains("l4") && text.contains('…') && text.contains("#4711"), "{text}");
}

#[test]
fn a_card_that_is_too_large_all_the_same_is_sent_without_what_can_be_left_out() {
    let told = told("raise", REPLY);
    let (step, request) = sent(notifier().next(&told.job(), &told.telling(), POST, &reply(413, "")));
    let text = text_of(&body(&request));
    assert_eq!(step, POST_PLAIN);
    assert!(text.contains("#4711") && text.contains("⬆ now") && !text.contains("What happened"), "{text}");
}

#[test]
fn nothing_secret_and_nothing_absent_is_told() {
    for name in ["akto", "hostile"] {
        for operation in [CREATE, REPLY] {
            let mut told = told("raise", operation);
            told.event = testing::event(name);
            let message = first(&told).to_string();
            let blanks = message.replace("\"contentUrl\":null", "");
            assert!(!message.contains("not-a-real") && !blanks.contains("null"), "{message}");
        }
    }
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
    let old = |status: u16| {
        format!(
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {status} with ContextId x"
        )
    };
    let rows: &[(Reply, OutcomeKind)] = &[
        (reply(202, ""), Delivered),
        (reply(200, ""), Delivered),
        (reply(200, "1"), Delivered),
        (reply(201, r#"{"ok":true}"#), Delivered),
        (reply(200, r#"{"error":null}"#), Delivered),
        (reply(200, "<html>"), Unknown),
        (testing::cut_off(202, "{"), Unknown),
        (reply(200, r#"{"error":{"code":"WorkflowTriggerIsNotEnabled","message":"x"}}"#), Misconfigured),
        (reply(200, r#"{"error":{"code":"TooManyRequests","message":"x"}}"#), Retry),
        (reply(200, r#"{"error":"it did not work"}"#), Misconfigured),
        (reply(200, r#"{"statusCode":429,"error":{"code":"x"}}"#), Retry),
        (reply(200, &old(429)), Retry),
        (reply(200, &old(413)), Refused),
        (reply(200, &old(404)), Misconfigured),
        (reply(200, &old(502)), Unknown),
        (reply(200, &format!("The title said: {}", old(413))), Unknown),
        (reply(404, r#"{"error":{"code":"WorkflowNotFound","message":"x"}}"#), Misconfigured),
        (reply(400, "nothing that is known"), Misconfigured),
        (reply(301, ""), Misconfigured),
        (reply(429, ""), Retry),
        (reply(502, r#"{"error":{"code":"NoResponse","message":"x"}}"#), Unknown),
        (reply(503, ""), Unknown),
    ];
    for (reply, kind) in rows {
        let outcome = answered(reply);
        assert_eq!(outcome.kind(), *kind, "{reply:?}: {outcome:?}");
    }
}

#[test]
fn every_documented_error_has_its_outcome() {
    testing::assert_errors(errors::WORKFLOW, |status, word| {
        let told = told("raise", REPLY);
        let error = json!({ "error": { "code": word, "message": "The request was not accepted." } });
        notifier().next(&told.job(), &told.telling(), POST, &reply(status, &error.to_string()))
    });
}

#[test]
fn a_rate_limit_holds_up_the_destination_as_long_as_it_says() {
    for (headers, seconds) in [(&[("Retry-After", "17")][..], 17), (&[], 1)] {
        let outcome = answered(&reply_with(429, headers, ""));
        let after = Some(Duration::from_secs(seconds));
        assert!(
            matches!(&outcome, Outcome::Retry { after: wait, scope: Scope::Destination, .. } if *wait == after),
            "{outcome:?}"
        );
    }
}

#[test]
fn no_reason_repeats_the_signature() {
    let said = r#"{"error":{"code":"x","message":"no workflow 0123456789abcdef, sp /triggers/manual/run, sig not-a-real-signature"}}"#;
    for status in [200, 400, 401, 404, 500] {
        let outcome = answered(&reply(status, said));
        let reason = outcome.reason().unwrap();
        assert!(!testing::leaks(reason) && !reason.contains("0123456789abcdef"), "{reason}");
    }
}

#[test]
fn what_may_have_arrived_is_repeated_with_a_mark() {
    let (told, nothing) = (told("raise", REPLY), Progress::default());
    let (step, request) = sent(notifier().first(&life::in_doubt(told.job(), &nothing), &told.telling()));
    assert_eq!(step, REPEAT);
    let text = text_of(&body(&request));
    assert!(text.contains("Possible repeat") && text.contains("#4711"), "{text}");
}

#[test]
fn a_probe_says_test_and_shows_no_number() {
    let event = testing::event("minimal");
    let job = Job { purpose: Purpose::Probe, ..testing::job(&event) };
    let probe = ProbeTelling::of(&event, NotifierClass::AppendOnly, job.now);
    let text = text_of(&body(&sent(notifier().first(&job, &probe.telling())).1));
    assert!(text.contains("TEST · ") && text.contains("Nothing happened."), "{text}");
    assert!(!text.contains("#0") && !text.contains("incidents show"), "{text}");
}

#[test]
fn another_workflow_is_another_place() {
    let other = testing::notifier(&KIND, "webhook_url = { env = \"SLACK_WEBHOOK_URL\" }");
    assert_ne!(notifier().fingerprint(), other.fingerprint());
    assert_eq!(notifier().fingerprint(), notifier().fingerprint());
}

#[test]
fn a_reply_is_read_no_further_than_it_is_kept() {
    let Reply::Http(long) = reply(202, &"x".repeat(100)) else { unreachable!() };
    let outcome = answered(&Reply::Http(HttpReply { truncated: true, ..long }));
    assert_eq!(outcome.kind(), Unknown);
}
