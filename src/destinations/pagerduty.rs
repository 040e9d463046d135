//! PagerDuty, Events API v2: an alert that wakes a person.
//!
//! `dedup_key` makes it safe to repeat: PagerDuty folds events of one key and one routing key into the open alert. The
//! key is the event's, so a vendor's repetition that became its own event is its own alert. A 202 means that PagerDuty
//! has the event, not that a person was reached.

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::classify::{self, Again, Answer};
use super::errors::{ANY, Classified, ErrorClass, ErrorRow};
use super::render::{Summary, truncate};
use super::{Destination, HttpRequest, Kind, Message, Next, Pace, Reply, Step, base};
use crate::domain::{EventOutcome, Job, Outcome, Purpose, Reference, Secret, Severity};
use crate::settings::Section;

/// The `pagerduty` destination.
pub const KIND: Kind = Kind {
    name: "pagerduty",
    title: "PagerDuty",
    build,
    template: r#"routing_key = { env = "PAGERDUTY_ROUTING_KEY" }   # the integration key of an "Events API v2" integration
# url = "https://events.eu.pagerduty.com"         # the EU service region; default https://events.pagerduty.com
"#,
    examples: &[],
};

#[derive(Debug)]
struct PagerDuty {
    endpoint: Url,
    routing_key: Secret,
}

fn build(section: &Section) -> Option<Box<dyn Destination>> {
    let base = base::setting(section, Some("https://events.pagerduty.com"));
    let routing_key = section.required_secret("routing_key")?;
    if routing_key.len() != ROUTING_KEY_CHARS || !routing_key.expose().iter().all(u8::is_ascii_alphanumeric) {
        let fix = "copy the integration key of an \"Events API v2\" integration";
        section.fault("routing_key", "is not a routing key of 32 letters and digits", fix);
        return None;
    }
    Some(Box::new(PagerDuty { endpoint: base::join(&base?, "/v2/enqueue"), routing_key }))
}

impl Destination for PagerDuty {
    /// PagerDuty takes about 120 events a minute and key; 100 and a burst of 20 stay below it.
    fn pace(&self) -> Pace {
        Pace { concurrency: 4, burst: 20, interval: Duration::from_millis(600) }
    }

    fn first(&self, job: &Job<'_>) -> Next {
        Next::Send("trigger", Message::Http(HttpRequest::post_json(self.endpoint.clone(), &self.trigger(job))))
    }

    fn next(&self, job: &Job<'_>, _step: Step, reply: &Reply) -> Next {
        // Harmless again because of dedup_key, but what is unknown stays unknown on the operator's screen.
        let reply = match classify::http(job, NAME, Again::Doubled, reply) {
            Ok(reply) => reply,
            Err(outcome) => return Next::Done(outcome),
        };
        let secrets = vec![String::from_utf8_lossy(self.routing_key.expose()).into_owned()];
        Next::Done(judge(&Answer { job, who: NAME, reply, secrets, again: Again::Harmless }))
    }
}

impl PagerDuty {
    /// The event, trimmed to what PagerDuty takes: first the details, then the links.
    fn trigger(&self, job: &Job<'_>) -> Value {
        let summary = Summary::of(job);
        let mut event = Value::Null;
        for text_chars_max in [65_536, 8192, 2048, 256] {
            event = self.event(job, &summary, text_chars_max);
            if event.to_string().len() <= REQUEST_BYTES_MAX {
                return event;
            }
        }
        event["payload"]["custom_details"] = ids(job);
        if event.to_string().len() > REQUEST_BYTES_MAX {
            event["links"] = json!([]);
        }
        event
    }

    fn event(&self, job: &Job<'_>, summary: &Summary, text_chars_max: usize) -> Value {
        let short = |text: &str| truncate::chars(text, SHORT_CHARS_MAX).into_owned();
        let what = summary.action.as_ref().and_then(|action| action.what.as_deref());
        let who = summary.action.as_ref().and_then(|action| action.who.as_deref());
        let agent = summary.agent();
        let mut payload = json!({
            "summary": truncate::chars(&summary.headline(), SUMMARY_CHARS_MAX),
            "source": short(who.or(what).unwrap_or(&summary.source)),
            "severity": severity(summary.severity),
            "timestamp": job.event.time,
            "class": short(&summary.kind),
            "custom_details": details(job, summary, text_chars_max),
        });
        if let Some(what) = what {
            payload["component"] = json!(short(what));
        }
        if let Some(agent) = agent {
            payload["group"] = json!(short(agent));
        }
        let mut event = json!({
            "routing_key": self.routing_key.expose_str(),
            "event_action": "trigger",
            "dedup_key": job.event.key,
            "client": "gatepost",
            "payload": payload,
        });
        if let Some(link) = &summary.link {
            event["links"] = json!([{ "href": link.url, "text": short(&link.title) }]);
        }
        event
    }
}

/// What the responder sees below the summary.
fn details(job: &Job<'_>, summary: &Summary, text_chars_max: usize) -> Value {
    let mut details = ids(job);
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            details[name] = json!(truncate::chars(value, text_chars_max));
        }
    };
    add("outcome", job.event.outcome.map(EventOutcome::as_str));
    add("when", Some(&summary.when));
    add("vendor_id", summary.vendor_id.as_deref());
    add("source", Some(&summary.source));
    add("vendor", Some(&summary.vendor));
    add("type", Some(&summary.kind));
    add("who", summary.action.as_ref().and_then(|action| action.who.as_deref()));
    add("what", summary.action.as_ref().and_then(|action| action.what.as_deref()));
    add("message", summary.message.as_deref());
    add("impact", summary.impact.as_deref());
    add("remediation", summary.remediation.as_deref());
    add("evidence", summary.evidence.as_deref());
    add("note", (!summary.notes.is_empty()).then(|| summary.notes.join(" ")).as_deref());
    for fact in &summary.facts {
        add(&fact.name, Some(&fact.value));
    }
    // In one text: a label may be called like one of the above, and must not replace it.
    let (labels, more) = summary.few_labels();
    let mut labels: Vec<String> = labels
        .iter()
        .map(|label| {
            format!(
                "{} = {}",
                truncate::chars(&label.name, SHORT_CHARS_MAX),
                truncate::chars(&label.value, SHORT_CHARS_MAX)
            )
        })
        .collect();
    if more > 0 {
        labels.push(format!("{more} more"));
    }
    add("labels", (!labels.is_empty()).then(|| labels.join(", ")).as_deref());
    details
}

/// What leads back to us.
fn ids(job: &Job<'_>) -> Value {
    let mut ids = json!({ "event_id": job.event.id, "delivery": job.id });
    if job.purpose == Purpose::Probe {
        ids["test"] = json!(true);
    }
    ids
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational | Severity::Low => "info",
        Severity::Medium | Severity::Unknown | Severity::Other => "warning",
        Severity::High => "error",
        Severity::Critical | Severity::Fatal => "critical",
    }
}

/// What a reply means.
fn judge(answer: &Answer<'_>) -> Outcome {
    let status = answer.reply.status;
    let body = answer.json();
    match status {
        202 => match body.as_ref().filter(|body| body["status"] == "success") {
            Some(body) => Outcome::Delivered {
                remote: body["dedup_key"].as_str().map(|key| Reference::named(truncate::chars(key, 255))),
            },
            None => unreadable(answer),
        },
        200..300 => unreadable(answer),
        _ => {
            match ErrorRow::find(ERRORS, status, &said(answer, body)).map(|row| row.classify(answer, RATE_LIMIT_PAUSE))
            {
                Some(Classified::Done(outcome) | Classified::Plainer(outcome)) => outcome,
                None => answer.by_status(),
            }
        }
    }
}

/// Everything that an answer says: each error by itself, the message, the status; or the body where it is no JSON.
fn said(answer: &Answer<'_>, body: Option<Value>) -> Vec<String> {
    let Some(body) = body.filter(Value::is_object) else {
        return vec![String::from_utf8_lossy(&answer.reply.body).into_owned()];
    };
    let errors = body["errors"].as_array().into_iter().flatten();
    errors.chain([&body["message"], &body["status"]]).filter_map(Value::as_str).map(str::to_owned).collect()
}

fn unreadable(answer: &Answer<'_>) -> Outcome {
    let reason = format!("PagerDuty answered {} without saying that it has the event", answer.reply.status);
    Answer { again: Again::Doubled, secrets: answer.secrets.clone(), ..*answer }.unknown(&reason)
}

/// The errors of `POST /v2/enqueue`, by PagerDuty's documentation and by what its users report.
pub(super) const ERRORS: &[ErrorRow] = &[
    ErrorRow {
        status: 400..=403,
        word: "Invalid routing key*",
        class: ErrorClass::Settings,
        meaning: "it does not know the key set as `routing_key`",
        remedy: KEY,
        sample: "Invalid routing key",
    },
    ErrorRow {
        status: 400..=400,
        word: "Length of 'routing_key' is incorrect*",
        class: ErrorClass::Settings,
        meaning: "the key set as `routing_key` is no integration key",
        remedy: KEY,
        sample: r#"{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect (should be 32 characters)"]}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "'routing_key' *",
        class: ErrorClass::Settings,
        meaning: "the key set as `routing_key` is no integration key",
        remedy: KEY,
        sample: r#"{"status":"invalid event","message":"Event object is invalid","errors":["'routing_key' cannot contain non-alphanumeric characters."]}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "'event_type' is missing or blank",
        class: ErrorClass::Settings,
        meaning: "it is the Events API v1 that answers at `url`",
        remedy: "set `url` to the base of the Events API v2, without a path",
        sample: r#"{"status":"invalid event","message":"Event object is invalid","errors":["'event_type' is missing or blank","Service key can't be blank"]}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "Service key *",
        class: ErrorClass::Settings,
        meaning: "it is the Events API v1 that answers at `url`",
        remedy: "set `url` to the base of the Events API v2, without a path",
        sample: r#"{"status":"invalid event","message":"Event object is invalid","errors":["Service key can't be blank"]}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "invalid event",
        class: ErrorClass::Refused,
        meaning: "a field of the event is not as it must be",
        remedy: DEFECT,
        sample: r#"{"status":"invalid event","message":"Event object is invalid","errors":["'summary' is too long (maximum is 1024 characters)"]}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "Unrecognized object",
        class: ErrorClass::Refused,
        meaning: "the event is not JSON as it must be",
        remedy: DEFECT,
        sample: r#"{"status":"Unrecognized object","message":"Event object format is unrecognized","errors":["JSON parse error"]}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: ANY,
        class: ErrorClass::Suspect,
        meaning: "something is wrong that its documentation does not name",
        remedy: "check `routing_key` and `url`, and send a `gatepost probe`",
        sample: "Bad Request",
    },
    ErrorRow {
        status: 413..=413,
        word: ANY,
        class: ErrorClass::Refused,
        meaning: "the event is larger than 512 KB",
        remedy: DEFECT,
        sample: "",
    },
    ErrorRow {
        status: 429..=429,
        word: ANY,
        class: ErrorClass::Busy,
        meaning: "the rate is limited, to about 120 events a minute and key",
        remedy: "",
        sample: r#"{"status":"throttle exceeded","message":"Requests for this service are arriving too quickly. Please retry later."}"#,
    },
    ErrorRow {
        status: 500..=599,
        word: ANY,
        class: ErrorClass::ByStatus,
        meaning: "PagerDuty is in trouble",
        remedy: "",
        sample: "",
    },
];

const KEY: &str = "copy the integration key of an \"Events API v2\" integration into `routing_key`";
const DEFECT: &str = "report this as a defect of gatepost";
const NAME: &str = "PagerDuty";
const ROUTING_KEY_CHARS: usize = 32;
const SUMMARY_CHARS_MAX: usize = 1024;
const SHORT_CHARS_MAX: usize = 255;
/// 512 KB for the whole request; a kilobyte counts as 1,000 bytes until PagerDuty says otherwise.
const REQUEST_BYTES_MAX: usize = 512_000;
/// PagerDuty names no time of its own and advises to wait this long.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::super::Fault;
    use super::super::testing::{self, body, reply, reply_with, sent};
    use super::*;
    use crate::domain::OutcomeKind::{self, Misconfigured, Refused, Retry, Unknown};
    use crate::domain::Scope;

    const SETTINGS: &str = "routing_key = { env = \"PAGERDUTY_ROUTING_KEY\" }";

    fn destination() -> Box<dyn Destination> {
        testing::build(&KIND, SETTINGS).unwrap()
    }

    fn outcome(reply: &Reply) -> Outcome {
        let event = testing::event("minimal");
        match destination().next(&testing::job(&event), "trigger", reply) {
            Next::Done(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn settings_are_read_and_faults_named() {
        for good in ["url = \"https://events.eu.pagerduty.com\"", "api_url = \"http://127.0.0.1:9/v2/enqueue\""] {
            assert!(testing::build(&KIND, &format!("{SETTINGS}\n{good}")).is_ok(), "{good}");
        }
        for (bad, said) in [
            ("", "routing_key: is missing"),
            ("routing_key = { env = \"SHORT\" }", "32 letters and digits"),
            ("routing_key = { env = \"SYMBOLS\" }", "32 letters and digits"),
            ("routing_key = { env = \"PAGERDUTY_ROUTING_KEY\" }\nurl = \"ftp://x\"", "neither http nor https"),
            ("routing_key = { env = \"PAGERDUTY_ROUTING_KEY\" }\nseverity = \"info\"", "not a known key"),
        ] {
            let faults = testing::build(&KIND, bad).unwrap_err();
            assert!(faults.contains(said), "{bad}: {faults}");
        }
        testing::assert_template(&KIND);
        assert!(!testing::leaks(&format!("{:?}", destination())));
    }

    #[test]
    fn requests_are_golden() {
        for (name, job) in &testing::jobs() {
            let (_, request) = sent(destination().first(&job.as_job()));
            assert!(!testing::leaks(&format!("{request:?}")));
            testing::golden("pagerduty", name, &testing::transcript(&request));
        }
    }

    #[test]
    fn every_request_fulfils_the_contract() {
        let contract = testing::contract("pagerduty-event.schema.json");
        let events = testing::every_event().into_iter().chain(testing::random_events(7, 60));
        for event in events {
            let (_, request) = sent(destination().first(&testing::job(&event)));
            assert!(request.body.len() <= REQUEST_BYTES_MAX);
            let body = body(&request);
            if let Some(contract) = &contract {
                contract.assert(&body);
            }
            let summary = body["payload"]["summary"].as_str().unwrap();
            assert!(!summary.contains(['\n', '\r', '\u{202e}']), "{summary}");
            assert_eq!(body["dedup_key"], event.key.to_string());
            assert_eq!(body["payload"]["custom_details"]["event_id"], event.id.to_string());
            assert!(body["links"].as_array().is_none_or(|links| links.len() == 1));
        }
    }

    #[test]
    fn the_contract_refuses_what_pagerduty_would_refuse() {
        let Some(contract) = testing::contract("pagerduty-event.schema.json") else { return };
        let event = testing::event("full");
        let good = body(&sent(destination().first(&testing::job(&event))).1);
        for (pointer, bad) in [
            ("/payload/summary", json!("x".repeat(1025))),
            ("/payload/summary", json!("")),
            ("/payload/severity", json!("high")),
            ("/payload/source", json!("")),
            ("/routing_key", json!("short")),
            ("/dedup_key", json!("x".repeat(256))),
            ("/links/0", json!({ "text": "nowhere" })),
        ] {
            let mut broken = good.clone();
            *broken.pointer_mut(pointer).unwrap() = bad;
            assert!(!contract.accepts(&broken), "{pointer}");
        }
    }

    #[test]
    fn nothing_secret_and_nothing_absent_is_told() {
        for name in ["akto", "hostile"] {
            let event = testing::event(name);
            let text = body(&sent(destination().first(&testing::job(&event))).1)["payload"].to_string();
            assert!(!text.contains("not-a-real"), "{text}");
            assert!(!text.contains("null"), "{text}");
        }
    }

    #[test]
    fn severities_are_pagerdutys() {
        let words: Vec<&str> = (0..=6).chain([99]).map(|id| severity(Severity::from_id(id))).collect();
        assert_eq!(words, ["warning", "info", "info", "warning", "error", "critical", "critical", "warning"]);
    }

    #[test]
    fn the_reply_table() {
        let key_error = r#"{"status":"invalid event","errors":["Length of 'routing_key' is incorrect"]}"#;
        let rows: &[(Reply, OutcomeKind, &str)] = &[
            (reply(202, "<html>"), Unknown, "without saying"),
            (reply(202, r#"{"status":"failure"}"#), Unknown, "without saying"),
            (testing::cut_off(202, r#"{"status":"success"}"#), Unknown, "without saying"),
            (reply(200, r#"{"status":"success"}"#), Unknown, "200"),
            (reply(204, ""), Unknown, "204"),
            (reply(400, key_error), Misconfigured, "`routing_key`"),
            (reply(400, r#"{"status":"invalid event","errors":["'payload' is missing"]}"#), Refused, "'payload'"),
            (reply(400, "\u{1b}[2Jn0tarealroutingkeyn0tarealroutin"), Misconfigured, "400"),
            (reply(400, "Invalid routing key"), Misconfigured, "It said: Invalid routing key"),
            (reply(400, r#"{"message":"Invalid Routing Key"}"#), Misconfigured, "copy the integration key"),
            (reply(403, "Invalid routing key"), Misconfigured, "copy the integration key"),
            // What an alert says, repeated by PagerDuty, is no complaint about the key.
            (
                reply(400, r#"{"status":"invalid event","errors":["'payload.class' x Invalid routing key"]}"#),
                Refused,
                "payload.class",
            ),
            (reply(401, ""), Misconfigured, "credentials"),
            (reply(403, ""), Misconfigured, "403"),
            (reply(404, ""), Misconfigured, "address"),
            (reply(413, ""), Refused, "larger than 512 KB"),
            (reply_with(302, &[("location", "https://x")], ""), Misconfigured, "redirects are not followed"),
            (reply(429, ""), Retry, "rate"),
            (reply(500, ""), Retry, "trouble"),
            (reply(503, ""), Retry, "trouble"),
            (Reply::Failed(Fault { may_have_arrived: false, detail: "refused".into() }), Retry, "cannot be reached"),
            (Reply::Failed(Fault { may_have_arrived: true, detail: "timed out".into() }), Unknown, "timed out"),
        ];
        for (reply, kind, said) in rows {
            let outcome = outcome(reply);
            assert_eq!(outcome.kind(), *kind, "{reply:?}");
            let reason = outcome.reason().unwrap();
            assert!(reason.contains(said) && !testing::leaks(reason) && !reason.contains('\u{1b}'), "{reason}");
        }
        let taken = reply(202, r#"{"status":"success","message":"Event processed","dedup_key":"k"}"#);
        assert_eq!(outcome(&taken), Outcome::Delivered { remote: Some(Reference::named("k")) });
    }

    #[test]
    fn every_documented_error_has_its_outcome() {
        let event = testing::event("minimal");
        testing::assert_errors(ERRORS, |status, body| {
            destination().next(&testing::job(&event), "trigger", &reply(status, body))
        });
    }

    #[test]
    fn an_invalid_key_is_held_against_no_page() {
        for status in [400, 403] {
            let outcome = outcome(&reply(status, "Invalid routing key"));
            assert!(matches!(outcome, Outcome::Misconfigured { scope: Scope::Destination, .. }), "{outcome:?}");
        }
    }

    #[test]
    fn a_rate_limit_holds_up_the_destination_as_long_as_it_says() {
        for (headers, seconds) in [
            (vec![], 30),
            (vec![("retry-after", "7")], 7),
            (vec![("retry-after", "Sat, 21 Nov 2026 10:01:00 GMT")], 60),
            (vec![("retry-after", "soon")], 30),
        ] {
            let Outcome::Retry { after, scope, .. } = outcome(&reply_with(429, &headers, "")) else { panic!() };
            assert_eq!((after, scope), (Some(Duration::from_secs(seconds)), Scope::Destination));
        }
        assert!(matches!(outcome(&reply(500, "")), Outcome::Retry { scope: Scope::Delivery, .. }));
        assert!(matches!(outcome(&reply(503, "")), Outcome::Retry { scope: Scope::Destination, .. }));
    }
}
