//! Batches to requests, replies to outcomes, also item by item.

use serde_json::{Value, json};

use super::*;
use crate::destinations::testing::{self, reply, reply_with, sent};
use crate::destinations::{Fault, errors::ErrorRow};
use crate::domain::OutcomeKind::{self, Misconfigured, Refused, Retry, Unknown};
use crate::domain::{Event, Purpose, Scope};

const SETTINGS: &str =
    "url = \"https://es.acme.example\"\nindex = \"gatepost\"\napi_key = { env = \"ELASTIC_API_KEY\" }";

fn sink(settings: &str) -> Box<dyn Sink> {
    testing::sink(&KIND, settings)
}

/// The outcome of a batch of so many events.
fn outcome_of(events: usize, reply: &Reply) -> Outcome {
    let events: Vec<Event> = testing::every_event().into_iter().cycle().take(events).collect();
    let owned = testing::batch_of(&events, Purpose::Alert);
    match sink(SETTINGS).next(&owned.as_batch(), "bulk", reply) {
        Next::Done(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

fn outcome(reply: &Reply) -> Outcome {
    outcome_of(1, reply)
}

/// The answer to a bulk request with these items.
fn items(items: &[(u16, &str)]) -> Reply {
    let item = |(status, error): &(u16, &str)| match *error {
        "" => json!({ "create": { "status": status } }),
        kind => json!({ "create": { "status": status, "error": { "type": kind, "reason": "because" } } }),
    };
    let items: Vec<Value> = items.iter().map(item).collect();
    reply(200, &json!({ "errors": true, "items": items }).to_string())
}

fn lines(request: &HttpRequest) -> Vec<Value> {
    let text = std::str::from_utf8(&request.body).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const CONFLICT: &str = "version_conflict_engine_exception";
const PARSING: &str = "document_parsing_exception";
const REJECTED: &str = "es_rejected_execution_exception";

#[test]
fn settings_are_read_and_faults_named() {
    let with = |more: &str| format!("url = \"https://es.acme.example\"\n{more}");
    let key = "api_key = { env = \"ELASTIC_API_KEY\" }";
    for good in [
        with(&format!("data_stream = \"logs-gatepost-default\"\n{key}\nformat = \"ocsf\"")),
        with("index = \"gatepost\"\nuser = \"elastic\"\npassword = { env = \"SHORT\" }"),
        with("index = \"gatepost\"\napi_key = { value = \"id:key\" }"),
        with("index = \"gatepost\""),
    ] {
        assert!(testing::build(&KIND, &good).is_ok(), "{good}");
    }
    for (bad, said) in [
        (format!("index = \"gatepost\"\n{key}"), "url: is missing"),
        (with(key), "data_stream: is missing"),
        (with(&format!("index = \"a\"\ndata_stream = \"b\"\n{key}")), "does not go with 'index'"),
        (with(&format!("index = \"Gatepost\"\n{key}")), "is not the name of an index"),
        (with(&format!("index = \"a/_doc\"\n{key}")), "is not the name of an index"),
        (with(&format!("index = \"_all\"\n{key}")), "is not the name of an index"),
        (with(&format!("index = \"..\"\n{key}")), "is not the name of an index"),
        (with(&format!("index = \"{}\"\n{key}", "a".repeat(256))), "is not the name of an index"),
        (with(&format!("index = \"a\"\nuser = \"b\"\n{key}")), "does not go with 'user'"),
        (with("index = \"a\"\nuser = \"b\""), "password: is missing"),
        (with("index = \"a\"\npassword = { env = \"SHORT\" }"), "user: is missing"),
        (with("index = \"a\"\napi_key = { env = \"LINES\" }"), "is not an API key"),
        (with(&format!("index = \"a\"\nformat = \"cef\"\n{key}")), "'cef' is not known"),
        (with(&format!("index = \"a\"\ncompression = \"zip\"\n{key}")), "did you mean 'gzip'?"),
    ] {
        let faults = testing::build(&KIND, &bad).unwrap_err();
        assert!(faults.contains(said), "{bad}: {faults}");
    }
    testing::assert_template(&KIND);
    assert!(!testing::leaks(&format!("{:?}", sink(SETTINGS))));
}

#[test]
fn credentials_are_sent_as_each_kind_wants_them() {
    let authorization = |credentials: &str| {
        let settings = format!("url = \"https://es.acme.example\"\nindex = \"gatepost\"\n{credentials}");
        let owned = testing::batch_of(&[testing::event("minimal")], Purpose::Alert);
        let (_, request) = sent(sink(&settings).first(&owned.as_batch()));
        request.headers.first().map(|(_, value)| value.expose_str().unwrap().to_owned())
    };
    let is = |credentials: &str, wanted: &str| assert_eq!(authorization(credentials).as_deref(), Some(wanted));
    is("api_key = { env = \"ELASTIC_API_KEY\" }", "ApiKey bm90LWEtcmVhbDphcGkta2V5");
    is("api_key = { value = \"not-a-real:api-key\" }", "ApiKey bm90LWEtcmVhbDphcGkta2V5");
    is("user = \"elastic\"\npassword = { env = \"SHORT\" }", "Basic ZWxhc3RpYzphYmM=");
    assert_eq!(authorization(""), None);
}

#[test]
fn requests_are_golden() {
    let with = |format: &str| format!("{SETTINGS}\nformat = \"{format}\"");
    for (form, settings) in [("event", SETTINGS.to_owned()), ("ocsf", with("ocsf")), ("ecs", with("ecs"))] {
        for (name, batch) in &testing::batches() {
            let (step, request) = sent(sink(&settings).first(&batch.as_batch()));
            assert_eq!(step, "bulk");
            assert!(!testing::leaks(&format!("{request:?}")));
            testing::golden("elasticsearch", &format!("{name}.{form}"), &testing::transcript(&request));
        }
    }
}

#[test]
fn every_action_fulfils_the_contract_and_every_document_follows_its_own() {
    let contract = testing::contract_part("elastic-bulk.schema.json", "#/$defs/GatewayActionLine");
    let events = testing::most_events();
    let owned = testing::batch_of(&events, Purpose::Alert);
    let (_, request) = sent(sink(SETTINGS).first(&owned.as_batch()));
    let lines = lines(&request);
    assert_eq!(lines.len(), 2 * events.len());
    for (pair, event) in lines.chunks(2).zip(&events) {
        assert_eq!(pair[0], json!({ "create": { "_id": event.id.to_string() } }));
        if let Some(contract) = &contract {
            contract.assert(&pair[0]);
        }
        assert_eq!((&pair[1]["id"], &pair[1]["@timestamp"]), (&json!(event.id), &json!(event.time)));
    }
}

#[test]
fn an_event_that_cannot_be_read_is_refused() {
    let refused = sink(SETTINGS).first(&testing::OwnedBatch::broken().as_batch());
    assert!(matches!(refused, Next::Done(Outcome::Refused { .. })), "{refused:?}");
}

#[test]
fn the_tables_are_obeyed() {
    testing::assert_errors(errors::BULK, |status, sample| Next::Done(outcome(&reply(status, sample))));
    testing::assert_errors(errors::DOCUMENT, |status, sample| {
        let error: Value = serde_json::from_str(sample).unwrap_or(Value::Null);
        let items = json!({ "items": [{ "create": { "status": status, "error": error } }] });
        Next::Done(outcome(&reply(200, &items.to_string())))
    });
}

#[test]
fn the_reply_table() {
    let key = r#"{"error":{"type":"security_exception","reason":"bm90LWEtcmVhbDphcGkta2V5 \u001b[2J"},"status":401}"#;
    let rows: &[(Reply, OutcomeKind, &str)] = &[
        (reply(200, "<html>"), Unknown, "without saying"),
        (reply(200, "{}"), Unknown, "without saying"),
        (reply(200, r#"{"items":[]}"#), Unknown, "without saying"),
        (reply(200, r#"{"items":[{}]}"#), Unknown, "without saying"),
        (items(&[(201, ""), (201, "")]), Unknown, "without saying"),
        (testing::cut_off(200, r#"{"items":[{"create":{"status":201}}]}"#), Unknown, "without saying"),
        (items(&[(400, PARSING)]), Refused, "mapping"),
        (items(&[(400, "strict_dynamic_mapping_exception")]), Misconfigured, "mapping"),
        (items(&[(409, "")]), Refused, "409"),
        (items(&[(429, REJECTED)]), Retry, "queues are full"),
        (items(&[(503, "unavailable_shards_exception")]), Retry, "now"),
        (reply(401, key), Misconfigured, "`api_key`"),
        (reply(403, ""), Misconfigured, "create_doc"),
        (reply(404, ""), Misconfigured, "`url`"),
        (reply(413, ""), Refused, "too large"),
        (reply(429, ""), Retry, "full"),
        (reply(500, ""), Retry, "trouble"),
        (reply(503, ""), Retry, "trouble"),
        (reply_with(302, &[("location", "https://x")], ""), Misconfigured, "redirects are not followed"),
        (Reply::Failed(Fault { may_have_arrived: false, detail: "refused".into() }), Retry, "cannot be reached"),
        (Reply::Failed(Fault { may_have_arrived: true, detail: "timed out".into() }), Unknown, "timed out"),
        (Reply::Appended, Unknown, "another kind"),
    ];
    for (reply, kind, said) in rows {
        let outcome = outcome(reply);
        assert_eq!(outcome.kind(), *kind, "{reply:?}");
        let reason = outcome.reason().unwrap();
        assert!(reason.contains(said) && !testing::leaks(reason) && !reason.contains('\u{1b}'), "{reason}");
    }
    for taken in [items(&[(201, "")]), items(&[(200, "")]), items(&[(409, CONFLICT)])] {
        assert_eq!(outcome(&taken), Outcome::Delivered { remote: None }, "{taken:?}");
    }
}

#[test]
fn each_document_of_a_batch_has_an_outcome_of_its_own() {
    let ids: Vec<_> = testing::every_event().iter().map(|event| event.id).collect();
    let answer = items(&[(201, ""), (400, PARSING), (409, CONFLICT), (429, REJECTED), (503, "x"), (404, "y")]);
    let Outcome::DeliveredExcept { refused, again } = outcome_of(6, &answer) else { panic!() };
    let of = |failed: &[(crate::domain::EventId, String)]| failed.iter().map(|(id, _)| *id).collect::<Vec<_>>();
    assert_eq!((of(&refused), of(&again)), (vec![ids[1], ids[5]], vec![ids[3], ids[4]]));
    assert!(refused[0].1.contains("mapping") && refused[0].1.contains("because"), "{refused:?}");
    assert!(again[0].1.contains("queues are full"), "{again:?}");
    let all = items(&[(201, ""), (409, CONFLICT)]);
    assert_eq!(outcome_of(2, &all), Outcome::Delivered { remote: None });
}

#[test]
fn what_holds_for_all_documents_is_held_against_none() {
    let busy = outcome_of(2, &items(&[(429, REJECTED), (503, "x")]));
    assert!(matches!(busy, Outcome::Retry { scope: Scope::Destination, after: Some(_), .. }), "{busy:?}");
    let closed = outcome_of(2, &items(&[(400, PARSING), (404, "index_not_found_exception")]));
    assert!(matches!(closed, Outcome::Misconfigured { scope: Scope::Destination, .. }), "{closed:?}");
    let both = outcome_of(2, &items(&[(400, PARSING), (400, PARSING)]));
    assert!(matches!(&both, Outcome::DeliveredExcept { refused, again } if refused.len() == 2 && again.is_empty()));
    let mixed = outcome_of(2, &items(&[(400, PARSING), (429, REJECTED)]));
    assert!(matches!(&mixed, Outcome::DeliveredExcept { refused, again } if refused.len() == 1 && again.len() == 1));
}

#[test]
fn where_many_documents_must_wait_all_are_sent_again_later() {
    let answer = |busy: usize| {
        let documents = [vec![(201, ""), (409, CONFLICT), (400, PARSING)], vec![(429, REJECTED); busy]].concat();
        outcome_of(documents.len(), &items(&documents))
    };
    let Outcome::DeliveredExcept { refused, again } = answer(8) else { panic!() };
    assert_eq!((refused.len(), again.len()), (1, 8));
    let Outcome::Retry { scope, after, reason, .. } = answer(9) else { panic!() };
    assert_eq!((scope, after), (Scope::Destination, Some(Duration::from_secs(5))));
    assert!(reason.contains("queues are full"), "{reason}");
    // The next time those that waited are taken, and the one at fault is named.
    let taken = [vec![(409, CONFLICT); 2], vec![(400, PARSING)], vec![(201, ""); 9]].concat();
    let Outcome::DeliveredExcept { refused, again } = outcome_of(12, &items(&taken)) else { panic!() };
    assert_eq!((refused.len(), again.len()), (1, 0));
}

#[test]
fn an_answer_that_is_too_long_to_read_halves_the_batch() {
    let long = "x".repeat(HttpReply::BODY_BYTES_MAX);
    assert_eq!(outcome_of(2, &testing::cut_off(200, &long)).kind(), Refused);
    assert_eq!(outcome_of(1, &testing::cut_off(200, &long)).kind(), Unknown);
    assert_eq!(sink(SETTINGS).batch_size(), BatchSize { events: 200, bytes: 1 << 20 });
}

#[test]
fn a_cluster_that_is_busy_is_left_alone() {
    for (headers, seconds) in [(vec![], 5), (vec![("retry-after", "30")], 30)] {
        let Outcome::Retry { after, scope, .. } = outcome(&reply_with(429, &headers, "")) else { panic!() };
        assert_eq!((after, scope), (Some(Duration::from_secs(seconds)), Scope::Destination));
    }
    let found = ErrorRow::find(errors::BULK, 404, &["index_not_found_exception".to_owned()]);
    assert!(found.is_some_and(|row| row.word == "index_not_found_exception"));
}

#[test]
fn a_data_stream_gets_the_common_schema_and_an_index_gets_events_unless_it_is_set() {
    let of = |target: &str| {
        let settings =
            format!("url = \"https://es.acme.example\"\n{target}\napi_key = {{ env = \"ELASTIC_API_KEY\" }}");
        let owned = testing::batch_of(&[testing::event("minimal")], Purpose::Alert);
        lines(&sent(sink(&settings).first(&owned.as_batch())).1).remove(1)
    };
    let stream = "data_stream = \"logs-gatepost-default\"";
    for (target, is_ecs) in [
        (stream.to_owned(), true),
        (format!("{stream}\nformat = \"event\""), false),
        ("index = \"gatepost\"".to_owned(), false),
        ("index = \"gatepost\"\nformat = \"ecs\"".to_owned(), true),
    ] {
        let document = of(&target);
        assert_eq!(document.get("ecs").is_some(), is_ecs, "{target}: {document}");
        assert!(document["@timestamp"].is_string(), "{target}: {document}");
    }
}

#[test]
fn what_went_into_a_failure_store_is_refused_alone_and_no_batch_is_halved_for_it() {
    let item = |store: &str| json!({ "create": { "status": 201, "failure_store": store } });
    let answer = |stores: &[&str]| {
        let items: Vec<Value> = stores.iter().map(|store| item(store)).collect();
        outcome_of(stores.len(), &reply(200, &json!({ "errors": false, "items": items }).to_string()))
    };
    assert_eq!(answer(&["not_applicable_or_unknown", "not_enabled"]), Outcome::Delivered { remote: None });
    for (stores, count) in [(vec!["used", "not_enabled", "used"], 2), (vec!["used", "used"], 2)] {
        let Outcome::DeliveredExcept { refused, again } = answer(&stores) else { panic!("{stores:?}") };
        assert_eq!((refused.len(), again.len()), (count, 0));
        assert!(refused.iter().all(|(_, reason)| reason.contains("failure store")), "{refused:?}");
    }
    assert_eq!(answer(&["used"]).kind(), Refused);
}

#[test]
fn a_compressed_body_holds_the_same() {
    let owned = testing::batch_of(&testing::most_events(), Purpose::Alert);
    let request = |more: &str| sent(sink(&format!("{SETTINGS}\n{more}")).first(&owned.as_batch())).1;
    let (plain, small) = (request(""), request("compression = \"gzip\""));
    let mut inflated = Vec::new();
    crate::domain::inflate(&small.body, 64 << 20, |piece| inflated.extend_from_slice(piece)).unwrap();
    assert!(inflated == plain.body && small.body.len() < plain.body.len());
    assert!(small.headers.iter().any(|(name, value)| name == "Content-Encoding" && value.expose() == b"gzip"));
}
