//! Batches to requests, replies to outcomes.

use super::*;
use crate::destinations::Fault;
use crate::destinations::testing::{self, reply, reply_with, sent};
use crate::domain::OutcomeKind::{self, Delivered, Misconfigured, Refused, Retry, Unknown};
use crate::domain::{Headers, Purpose, Request, Scope};
use crate::verify::{HmacScheme, Scheme, Verifier};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const SETTINGS: &str =
    "url = \"https://soar.acme.example/hooks?key=not-a-real-key\"\nsecret = { env = \"WEBHOOK_SECRET\" }";

fn sink(more: &str) -> Box<dyn Sink> {
    testing::sink(&KIND, &format!("{SETTINGS}\n{more}"))
}

fn outcome(reply: &Reply) -> Outcome {
    let owned = testing::batch_of(&[testing::event("minimal")], Purpose::Alert);
    match sink("headers = { authorization = { env = \"COLLECTOR_TOKEN\" } }").next(&owned.as_batch(), "post", reply) {
        Next::Done(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

fn header<'r>(request: &'r HttpRequest, name: &str) -> &'r str {
    let line = request.headers.iter().find(|(line, _)| line == name);
    line.and_then(|(_, value)| value.expose_str()).unwrap_or_default()
}

#[test]
fn settings_are_read_and_faults_named() {
    for good in [
        "batch = 1000\nformat = \"ocsf\"\ncompression = \"none\"",
        "format = \"cloudevents\"",
        "previous_secret = { env = \"WEBHOOK_SECRET_BEFORE\" }",
        "headers = { x-tenant = \"soc\", Authorization = { env = \"COLLECTOR_TOKEN\" } }",
    ] {
        assert!(testing::build(&KIND, &format!("{SETTINGS}\n{good}")).is_ok(), "{good}");
    }
    let secret = |text: &str| format!("url = \"https://h.example\"\nsecret = {{ value = \"{text}\" }}");
    for (bad, said) in [
        ("secret = { env = \"WEBHOOK_SECRET\" }".to_owned(), "url: is missing"),
        ("url = \"https://h.example\"".to_owned(), "secret: is missing"),
        (secret("whsec_bm90"), "24 to 64 bytes"),
        (secret(&format!("whsec_{}", STANDARD.encode([7; 65]))), "24 to 64 bytes"),
        (secret(&STANDARD.encode([7; 32])), "24 to 64 bytes"),
        (secret("whsec_*"), "24 to 64 bytes"),
        (secret("whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="), "is not a private ed25519 key"),
        (secret("whpk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), "is a public key"),
        (format!("{SETTINGS}\ncompression = \"zstd\""), "'zstd' is not known"),
        (format!("{SETTINGS}\nprevious_secret = {{ env = \"SHORT\" }}"), "previous_secret: is not a secret"),
        (format!("{SETTINGS}\nbatch = 0"), "out of range"),
        (format!("{SETTINGS}\nbatch = 1001"), "out of range"),
        (format!("{SETTINGS}\nformat = \"csv\""), "'csv' is not known"),
        (format!("{SETTINGS}\nheaders = {{ webhook-id = \"1\" }}"), "gatepost sets itself"),
        (format!("{SETTINGS}\nheaders = {{ Content-Length = \"1\" }}"), "gatepost sets itself"),
        (format!("{SETTINGS}\nheaders = {{ \"a b\" = \"1\" }}"), "is not the name of a header"),
        (format!("{SETTINGS}\nheaders = {{ a = \"1\\n2\" }}"), "cannot stand in a header"),
        (format!("{SETTINGS}\nheaders = {{ a = 1 }}"), "a secret is not written here"),
        (format!("{SETTINGS}\nheaders = \"a: b\""), "not a table of texts and secrets"),
        (SETTINGS.replace("https", "ftp"), "neither http nor https"),
    ] {
        let faults = testing::build(&KIND, &bad).unwrap_err();
        assert!(faults.contains(said), "{bad}: {faults}");
    }
    testing::assert_template(&KIND);
    assert!(!testing::leaks(&format!("{:?}", sink(""))));
}

#[test]
fn requests_are_golden() {
    for (form, more) in [
        ("event", ""),
        ("ocsf", "format = \"ocsf\""),
        ("cloudevents", "format = \"cloudevents\""),
        ("cloudevents-batch", "format = \"cloudevents\"\nbatch = 10"),
        ("ecs", "format = \"ecs\""),
        (
            "array",
            "batch = 10\nprevious_secret = { env = \"WEBHOOK_SECRET_BEFORE\" }\nheaders = { x-tenant = \"soc\" }",
        ),
    ] {
        for (name, batch) in &testing::batches() {
            let (step, request) = sent(sink(more).first(&batch.as_batch()));
            assert_eq!(step, "post");
            assert!(!testing::leaks(&format!("{request:?}")));
            testing::golden("webhook", &format!("{name}.{form}"), &testing::transcript(&request));
        }
    }
}

const BODY: &str = r#"body = """
{ "alert": {{ event.title | json }}, "severity": {{ event.severity | json }}, "who": {{ event.actor.ip | json }},
  "labels": {{ event.labels | json }} }
""""#;

#[test]
fn a_body_of_ones_own_is_json_whatever_an_alert_says() {
    let sink = sink(BODY);
    for (name, batch) in &testing::batches() {
        let (_, request) = sent(sink.first(&batch.as_batch()));
        let made: serde_json::Value =
            serde_json::from_slice(&request.body).unwrap_or_else(|error| panic!("{name}: {error}"));
        let event = batch.as_batch().events[0].document.read().unwrap();
        let title = if name.contains("probe") { format!("TEST · {}", event.title) } else { event.title.clone() };
        assert_eq!(made["alert"], title.as_str(), "{name}");
        assert_eq!(made["who"].is_null(), event.actor.is_none_or(|actor| actor.ip.is_none()), "{name}");
        assert_eq!(made.as_object().unwrap().len(), 4, "{name}");
        assert_eq!(request.content_type, "application/json");
    }
}

#[test]
fn a_template_of_a_body_is_tried_when_it_is_read() {
    let samples: Vec<crate::domain::Event> = serde_json::from_str(include_str!("samples.json")).unwrap();
    assert_eq!(samples.len(), 3);
    for (body, said) in [
        ("body = \"{{ event.titel | json }}\"", "line 1 names 'event.titel', which does not exist"),
        ("body = \"{{ title | json }}\"", "names 'title', which does not exist"),
        ("body = \"{{ event.title }}\"", "makes no JSON"),
        ("body = \"{% if event.title %}{}\"", "is not a template"),
        ("body = \"{{ event.title | jsn }}\"", "did you mean 'json'?"),
        ("body = \"{% if false %}{{ 1 is odd }}{% endif %}{}\"", "there are no tests and functions"),
        ("body = \"{}\"\nformat = \"ocsf\"", "has no effect beside `format`"),
        ("body = \"{}\"\nbatch = 2", "has no effect beside `batch`"),
        ("body = { file = \"nowhere.json\" }", "the file nowhere.json cannot be read"),
        ("body = 5", "not a text in quotes"),
    ] {
        let faults = testing::build(&KIND, &format!("{SETTINGS}\n{body}")).unwrap_err();
        assert!(faults.contains(said), "{body}: {faults}");
    }
}

#[test]
fn the_kind_of_a_key_decides_how_it_signs_and_both_kinds_may_sign() {
    let key = "secret = { value = \"whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\" }";
    let settings = SETTINGS.replace("secret = { env = \"WEBHOOK_SECRET\" }", key);
    let owned = testing::batch_of(&[testing::event("minimal")], Purpose::Alert);
    let versions = |more: &str| {
        let sink = testing::sink(&KIND, &format!("{settings}\n{more}"));
        assert!(!testing::leaks(&format!("{sink:?}")) && !format!("{sink:?}").contains("AAECAwQFBg"), "{sink:?}");
        let (_, request) = sent(sink.first(&owned.as_batch()));
        let line = header(&request, "webhook-signature").to_owned();
        line.split(' ').map(|one| one.split_once(',').unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(versions(""), ["v1a"]);
    assert_eq!(versions("previous_secret = { env = \"WEBHOOK_SECRET_BEFORE\" }"), ["v1a", "v1"]);
}

#[test]
fn a_compressed_body_is_signed_as_it_goes_over_the_wire() {
    let owned = testing::batch_of(&testing::most_events(), Purpose::Alert);
    let request = |more: &str| sent(sink(&format!("batch = 1000\n{more}")).first(&owned.as_batch())).1;
    let (plain, small) = (request(""), request("compression = \"gzip\""));
    assert_eq!((header(&plain, "Content-Encoding"), header(&small, "Content-Encoding")), ("", "gzip"));
    let mut inflated = Vec::new();
    crate::domain::inflate(&small.body, 64 << 20, |piece| inflated.extend_from_slice(piece)).unwrap();
    assert_eq!(inflated, plain.body);
    let secret = Secret::new("whsec_bm90LWEtcmVhbC13ZWJob29rLXNlY3JldA==");
    let verifier = Verifier::new(Scheme::Hmac(HmacScheme::standard_webhooks()), vec![secret]).unwrap();
    let mut headers = Headers::default();
    small.headers.iter().for_each(|(name, value)| headers.push(name, value.expose()));
    let now = owned.as_batch().now;
    assert!(verifier.verify(Request { headers, body: small.body, received_at: now }, now).is_ok());
}

#[test]
fn each_secret_signs_and_the_id_outlives_a_try() {
    let owned = testing::batch_of(&testing::most_events(), Purpose::Alert);
    let batch = owned.as_batch();
    let settings = "batch = 100\nprevious_secret = { env = \"WEBHOOK_SECRET_BEFORE\" }";
    let (_, first) = sent(sink(settings).first(&batch));
    let later = Batch { tries: 2, uncertain: true, now: batch.now.plus(Duration::from_secs(60)), ..batch };
    let (_, second) = sent(sink(settings).first(&later));
    assert_eq!(header(&first, "webhook-id"), batch.id.to_string());
    assert_eq!(header(&first, "webhook-id"), header(&second, "webhook-id"));
    assert_eq!(first.body, second.body);
    assert_ne!(header(&first, "webhook-timestamp"), header(&second, "webhook-timestamp"));
    assert_ne!(header(&first, "webhook-signature"), header(&second, "webhook-signature"));
    assert_eq!(header(&first, "webhook-signature").split(' ').count(), 2);
    for secret in ["bm90LWEtcmVhbC13ZWJob29rLXNlY3JldA==", "bm90LWEtcmVhbC13ZWJob29rLXByZWRlY2Vzc29y"] {
        let secrets = vec![Secret::new(format!("whsec_{secret}"))];
        let verifier = Verifier::new(Scheme::Hmac(HmacScheme::standard_webhooks()), secrets).unwrap();
        let mut headers = Headers::default();
        first.headers.iter().for_each(|(name, value)| headers.push(name, value.expose()));
        let request = Request { headers, body: first.body.clone(), received_at: batch.now };
        assert!(verifier.verify(request, batch.now).is_ok(), "{secret}");
    }
}

#[test]
fn one_event_stands_by_itself_and_several_are_an_array_in_their_order() {
    let events = testing::most_events();
    let owned = testing::batch_of(&events, Purpose::Alert);
    let found = testing::body(&sent(sink("batch = 100").first(&owned.as_batch())).1);
    assert_eq!(found, serde_json::to_value(&events).unwrap());
    let owned = testing::batch_of(&events[..1], Purpose::Alert);
    let body = |more: &str| testing::body(&sent(sink(more).first(&owned.as_batch())).1);
    assert_eq!(body(""), serde_json::to_value(&events[0]).unwrap());
    assert_eq!(body("batch = 2"), serde_json::to_value(&events[..1]).unwrap());
    assert_eq!(sink("").batch_size(), BatchSize { events: 1, bytes: 1 << 20 });
    assert_eq!(sink("batch = 7").batch_size().events, 7);
}

#[test]
fn an_event_that_cannot_be_read_is_refused_where_it_must_be_read() {
    let broken = testing::OwnedBatch::broken();
    assert!(matches!(sink("").first(&broken.as_batch()), Next::Send(..)));
    let refused = sink("format = \"ocsf\"").first(&broken.as_batch());
    assert!(matches!(refused, Next::Done(Outcome::Refused { .. })), "{refused:?}");
}

#[test]
fn the_error_table_is_obeyed() {
    let owned = testing::batch_of(&[testing::event("minimal")], Purpose::Alert);
    testing::assert_errors(errors::WEBHOOK, |status, sample| {
        sink("").next(&owned.as_batch(), "post", &reply(status, sample))
    });
}

#[test]
fn the_reply_table() {
    let failed = |may_have_arrived| Reply::Failed(Fault { may_have_arrived, detail: "connection lost".into() });
    let rows: &[(Reply, OutcomeKind, &str)] = &[
        (reply(400, "whsec_bm90LWEtcmVhbC13ZWJob29rLXNlY3JldA== \u{1b}[2J"), Misconfigured, "`secret`"),
        (reply(401, "Bearer not-a-real-collector-token"), Misconfigured, "`secret`"),
        (reply(402, ""), Refused, "402"),
        (reply(403, "key=not-a-real-key"), Misconfigured, "allow"),
        (reply(404, ""), Misconfigured, "`url`"),
        (reply(409, ""), Refused, "409"),
        (reply(410, ""), Misconfigured, "no more webhooks"),
        (reply(413, ""), Refused, "too large"),
        (reply(422, ""), Misconfigured, "`format`"),
        (reply(425, ""), Retry, "early"),
        (reply(429, ""), Retry, "rate"),
        (reply(500, ""), Retry, "trouble"),
        (reply(502, ""), Retry, "trouble"),
        (reply(504, ""), Retry, "trouble"),
        (reply(304, ""), Misconfigured, "redirect"),
        (reply_with(307, &[("location", "https://x")], ""), Misconfigured, "redirects are not followed"),
        (reply(100, ""), Retry, "unexpected"),
        (failed(false), Retry, "cannot be reached"),
        (failed(true), Unknown, "connection lost"),
        (Reply::NotSent("expired".into()), Misconfigured, "expired"),
        (Reply::Appended, Unknown, "another kind"),
    ];
    for (reply, kind, said) in rows {
        let outcome = outcome(reply);
        assert_eq!(outcome.kind(), *kind, "{reply:?}");
        let reason = outcome.reason().unwrap();
        assert!(reason.contains(said) && !testing::leaks(reason) && !reason.contains('\u{1b}'), "{reason}");
        assert!(!reason.contains("not-a-real"), "{reason}");
    }
    for (status, body) in [(200, "ok"), (201, "<html>"), (202, ""), (204, "")] {
        assert_eq!(outcome(&reply(status, body)).kind(), Delivered, "{status}");
    }
    assert_eq!(outcome(&testing::cut_off(200, "{")).kind(), Delivered);
}

#[test]
fn a_rate_limit_holds_up_the_destination_and_who_wants_no_more_stops_it() {
    for (headers, seconds) in [(vec![], 5), (vec![("retry-after", "90")], 90), (vec![("retry-after", "soon")], 5)] {
        let Outcome::Retry { after, scope, .. } = outcome(&reply_with(429, &headers, "")) else { panic!() };
        assert_eq!((after, scope), (Some(Duration::from_secs(seconds)), Scope::Destination));
    }
    let unavailable = outcome(&reply_with(503, &[("retry-after", "20")], ""));
    let Outcome::Retry { after: Some(after), scope: Scope::Destination, .. } = unavailable else { panic!() };
    assert_eq!(after, Duration::from_secs(20));
    assert!(matches!(outcome(&reply(410, "")), Outcome::Misconfigured { scope: Scope::Destination, .. }));
}

#[test]
fn no_part_of_an_address_that_is_a_credential_is_repeated() {
    let owned = testing::batch_of(&[testing::event("minimal")], Purpose::Alert);
    let url = "https://soar.acme.example/hooks/events/k7Qd-2xZ9pLw4?sig=a%2Bb1c2d3e4f5g6&v=1";
    let sink = testing::sink(&KIND, &SETTINGS.replace("https://soar.acme.example/hooks?key=not-a-real-key", url));
    for said in [
        "k7Qd-2xZ9pLw4",
        "a%2Bb1c2d3e4f5g6",
        "a+b1c2d3e4f5g6",
        "/hooks/events/k7Qd-2xZ9pLw4",
        "sig=a%2Bb1c2d3e4f5g6&v=1",
    ] {
        let answer = reply(404, &format!("no events for {said} here"));
        let Next::Done(outcome) = sink.next(&owned.as_batch(), "post", &answer) else { panic!() };
        let reason = outcome.reason().unwrap();
        assert!(!reason.contains(said) && reason.contains("no events for [secret] here"), "{reason}");
    }
}
