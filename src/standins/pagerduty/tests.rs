use super::*;
use crate::standins::Style;
use crate::standins::tests::{client, contract, examples};

fn trigger(dedup_key: &str) -> Value {
    json!({
        "routing_key": ROUTING_KEY, "event_action": "trigger", "dedup_key": dedup_key,
        "payload": {"summary": "HIGH · too fast", "severity": "error", "source": "14.143.179.162"}
    })
}

fn act(action: &str, dedup_key: &str) -> Value {
    json!({"routing_key": ROUTING_KEY, "event_action": action, "dedup_key": dedup_key})
}

fn with(mut event: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(parent).unwrap()[key] = value;
    event
}

async fn send(pager: &StandIn<PagerDuty>, event: &Value) -> (u16, Value) {
    let url = format!("{}/v2/enqueue", pager.base_url());
    let answer = client().post(url).header("content-type", "application/json").body(event.to_string()).send().await;
    let answer = answer.unwrap();
    (answer.status().as_u16(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
}

async fn unlimited() -> StandIn<PagerDuty> {
    let pager = start().await.unwrap();
    pager.limit_rate(Rate::UNLIMITED);
    pager
}

/// Events that the derived schema refuses, each in one respect.
fn broken() -> Vec<Value> {
    let event = || trigger("k");
    vec![
        json!([]),
        json!({}),
        with(event(), "/routing_key", json!("short")),
        with(event(), "/routing_key", json!("x".repeat(33))),
        with(event(), "/routing_key", json!(7)),
        with(event(), "/event_action", json!("open")),
        with(event(), "/dedup_key", json!("")),
        with(event(), "/dedup_key", json!("k".repeat(256))),
        with(event(), "/routing_keys", json!("x")),
        with(event(), "/payload", json!(null)),
        with(event(), "/payload/summary", json!("")),
        with(event(), "/payload/summary", json!("é".repeat(1025))),
        with(event(), "/payload/severity", json!("high")),
        with(event(), "/payload/source", json!("")),
        with(event(), "/payload/source", json!(null)),
        with(event(), "/payload/timestamp", json!("yesterday")),
        with(event(), "/payload/custom_details", json!("text")),
        with(event(), "/payload/extra", json!(1)),
        with(event(), "/links", json!([{"text": "no address"}])),
        with(event(), "/links", json!([{"href": "https://a.example", "title": "x"}])),
        with(event(), "/images", json!([{"src": "http://a.example/x.png"}])),
        with(event(), "/client_url", json!("no address")),
        json!({"routing_key": ROUTING_KEY, "event_action": "trigger"}),
        json!({"routing_key": ROUTING_KEY, "event_action": "resolve"}),
        json!({"routing_key": ROUTING_KEY, "event_action": "acknowledge"}),
    ]
}

fn sound() -> Vec<Value> {
    let event = || trigger("k");
    let mut unnamed = event();
    unnamed.as_object_mut().unwrap().remove("dedup_key");
    vec![
        event(),
        unnamed,
        with(event(), "/payload/summary", json!("é".repeat(1024))),
        with(event(), "/dedup_key", json!("k".repeat(255))),
        with(event(), "/payload/timestamp", json!("2024-01-15T10:30:00.000Z")),
        with(event(), "/payload/custom_details", json!({"a": {"b": [1]}})),
        with(event(), "/links", json!([{"href": "https://a.example"}, {"href": "https://a.example", "text": "x"}])),
        with(event(), "/images", json!([{"src": "https://a.example/x.png", "alt": "x"}])),
        with(event(), "/client", json!("gatepost")),
        act("resolve", "other"),
        act("acknowledge", "other"),
    ]
}

#[tokio::test]
async fn an_event_is_taken_and_its_key_comes_back() {
    let pager = start().await.unwrap();
    let (status, answer) = send(&pager, &trigger("k")).await;
    assert_eq!(status, 202);
    assert_eq!(answer, json!({"status": "success", "message": "Event processed", "dedup_key": "k"}));
    let mut unnamed = trigger("");
    unnamed.as_object_mut().unwrap().remove("dedup_key");
    let given = send(&pager, &unnamed).await.1["dedup_key"].as_str().unwrap().to_owned();
    assert_eq!(given.len(), 32);
    assert_eq!(pager.incidents()[1].dedup_key, given);
    assert_eq!(pager.requests()[0].path, "/v2/enqueue");
    assert_eq!(pager.requests()[0].headers.only("content-type"), Some("application/json"));
}

#[tokio::test]
async fn what_is_invalid_is_refused_with_its_reasons() {
    let pager = unlimited().await;
    for event in broken() {
        let (status, answer) = send(&pager, &event).await;
        assert_eq!((status, &answer["status"]), (400, &json!("invalid event")), "{event}");
        assert!(!answer["errors"].as_array().unwrap().is_empty(), "{event}");
    }
    assert_eq!(pager.effects(), 0);
    let reasons = |answer: Value| answer["errors"].as_array().unwrap().clone();
    let (_, answer) = send(&pager, &with(trigger("k"), "/routing_key", json!("short"))).await;
    assert_eq!(reasons(answer), ["Length of 'routing_key' is incorrect (should be 32 characters)"]);
    let (_, answer) = send(&pager, &with(trigger("k"), "/payload", json!({"summary": "x"}))).await;
    assert_eq!(reasons(answer), ["'payload.severity' is missing or blank"]);
}

#[tokio::test]
async fn what_is_valid_is_taken() {
    let pager = unlimited().await;
    for event in sound() {
        assert_eq!(send(&pager, &event).await.0, 202, "{event}");
    }
}

#[test]
fn the_derived_schema_decides_alike() {
    let Some(schema) = contract("pagerduty-event.schema.json") else { return };
    let schema = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    for event in sound() {
        assert!(schema.is_valid(&event), "{event}");
        assert!(faults_of(&event).is_empty(), "{event}");
    }
    for event in broken() {
        assert!(!schema.is_valid(&event), "{event}");
        assert!(!faults_of(&event).is_empty(), "{event}");
    }
    for (name, is_sound) in [("pagerduty.valid.json", true), ("pagerduty.invalid.json", false)] {
        for event in examples(name) {
            assert_eq!(faults_of(&event).is_empty(), is_sound, "{event}");
        }
    }
}

#[tokio::test]
async fn one_incident_collects_triggers_until_it_is_resolved() {
    let pager = start().await.unwrap();
    for event in [trigger("k"), trigger("k"), act("acknowledge", "k"), trigger("k"), act("resolve", "k"), trigger("k")]
    {
        assert_eq!(send(&pager, &event).await.0, 202);
    }
    let seen: Vec<(Status, usize)> =
        pager.incidents().iter().map(|incident| (incident.status, incident.triggers.len())).collect();
    assert_eq!(seen, [(Status::Resolved, 3), (Status::Triggered, 1)]);
}

#[tokio::test]
async fn a_trigger_notifies_a_person_only_where_nothing_is_open() {
    let pager = start().await.unwrap();
    for event in [act("acknowledge", "k"), trigger("k"), act("acknowledge", "k"), act("acknowledge", "k"), trigger("k")]
    {
        assert_eq!(send(&pager, &event).await.0, 202);
    }
    let incidents = pager.incidents();
    assert_eq!((incidents.len(), incidents[0].status), (1, Status::Acknowledged), "it stays acknowledged");
    assert_eq!(incidents[0].changes.len(), 1, "a second acknowledgement changes nothing");
    pager.resolve("k");
    for event in [act("acknowledge", "k"), act("resolve", "k")] {
        assert_eq!(send(&pager, &event).await.0, 202, "dropped without a word");
    }
    assert_eq!(pager.incidents()[0].status, Status::Resolved);
    send(&pager, &trigger("k")).await;
    pager.acknowledge("k");
    let seen: Vec<Status> = pager.incidents().iter().map(|incident| incident.status).collect();
    assert_eq!(seen, [Status::Resolved, Status::Acknowledged], "after the resolution it is a new page");
    let shown = pager.render_terminal(Style::Plain);
    assert!(shown.contains("│ acknowledged · error") && shown.matches("│ resolved ").count() == 2, "{shown}");
}

#[tokio::test]
async fn details_are_shown_in_the_order_in_which_they_came() {
    let pager = start().await.unwrap();
    let text =
        trigger("k").to_string().replace("\"payload\":{", "\"payload\":{\"custom_details\":{\"who\":\"z\",\"a\":1},");
    let url = format!("{}/v2/enqueue", pager.base_url());
    let answer = client().post(url).header("content-type", "application/json").body(text).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    assert!(pager.render_terminal(Style::Plain).contains("│ who: z\n│ a: 1\n"));
}

#[tokio::test]
async fn another_routing_key_is_another_service() {
    let pager = start().await.unwrap();
    let other = "1".repeat(32);
    pager.know_key(&other);
    let elsewhere = |event: Value| with(event, "/routing_key", json!(other));
    for event in [trigger("k"), elsewhere(act("resolve", "k")), elsewhere(trigger("k")), act("resolve", "unknown")] {
        assert_eq!(send(&pager, &event).await.0, 202);
    }
    let seen: Vec<(String, Status)> =
        pager.incidents().into_iter().map(|incident| (incident.routing_key, incident.status)).collect();
    assert_eq!(seen, [(ROUTING_KEY.to_owned(), Status::Triggered), (other.clone(), Status::Triggered)]);
}

#[tokio::test]
async fn a_key_of_no_integration_is_refused_in_the_words_of_the_real_service() {
    let pager = start().await.unwrap();
    let url = format!("{}/v2/enqueue", pager.base_url());
    let said = async |event: Value| {
        let answer = client().post(&url).header("content-type", "application/json").body(event.to_string());
        let answer = answer.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let refused = (400, "Invalid routing key".to_owned());
    assert_eq!(said(with(trigger("k"), "/routing_key", json!("1".repeat(32)))).await, refused);
    assert_eq!(said(trigger("k")).await.0, 202);
    pager.forget_key(ROUTING_KEY);
    assert_eq!(said(trigger("k")).await, refused);
    assert_eq!(pager.effects(), 1);
}

#[tokio::test]
async fn too_many_events_for_one_key_are_throttled() {
    let pager = start().await.unwrap();
    pager.know_key(&"1".repeat(32));
    for _ in 0..120 {
        assert_eq!(send(&pager, &trigger("k")).await.0, 202);
    }
    assert_eq!(send(&pager, &trigger("k")).await.0, 429);
    let elsewhere = with(trigger("k"), "/routing_key", json!("1".repeat(32)));
    assert_eq!(send(&pager, &elsewhere).await.0, 202, "the limit is for each routing key");
    assert_eq!(pager.incidents()[0].triggers.len(), 120, "a throttled event is lost");
    pager.limit_rate(Rate::new(1, Duration::from_secs(60)));
    assert_eq!(send(&pager, &trigger("k")).await.0, 202);
    assert_eq!(send(&pager, &trigger("k")).await.0, 429);
}

#[tokio::test]
async fn a_request_beyond_512_kilobytes_is_too_large() {
    let pager = start().await.unwrap();
    let sized = |size: usize| {
        let event = |pad: usize| with(trigger("k"), "/payload/custom_details", json!({"x": "y".repeat(pad)}));
        let empty = event(0).to_string().len();
        event(size - empty)
    };
    assert_eq!(send(&pager, &sized(512 * 1024)).await.0, 202);
    assert_eq!(send(&pager, &sized(512 * 1024 + 1)).await.0, 413);
}

#[tokio::test]
async fn other_methods_paths_and_bodies_are_refused() {
    let pager = start().await.unwrap();
    let base = pager.base_url();
    let status = |request: reqwest::RequestBuilder| async { request.send().await.unwrap().status().as_u16() };
    assert_eq!(status(client().get(format!("{base}/v2/enqueue"))).await, 405);
    assert_eq!(status(client().post(format!("{base}/v2/change/enqueue"))).await, 404);
    assert_eq!(status(client().post(format!("{base}/v2/enqueue")).body("{")).await, 400);
    assert_eq!(pager.effects(), 0);
}

#[tokio::test]
async fn mentions_count_incidents_and_triggers_apart() {
    let pager = start().await.unwrap();
    let about = |key: &str, id: &str| with(trigger(key), "/payload/custom_details", json!({"event_id": id}));
    for event in [about("a", "id-1"), about("a", "id-1"), about("b", "id-2")] {
        send(&pager, &event).await;
    }
    assert_eq!((pager.mentions("id-1"), pager.mentions("id-2"), pager.mentions("id-3")), (1, 1, 0));
    assert_eq!(pager.incidents()[0].triggers_with("id-1"), 2);
}

#[tokio::test]
async fn the_lock_screen_shows_the_first_summary_and_the_latest_details() {
    let pager = start().await.unwrap();
    let first = with(trigger("k"), "/payload/custom_details", json!({"agent": "a\u{1b}[31m", "count": 1}));
    let second = with(trigger("k"), "/payload/custom_details", json!({"count": 2}));
    let second = with(second, "/payload/summary", json!("another summary"));
    let second = with(second, "/links", json!([{"href": "https://a.example/x", "text": "Open"}]));
    send(&pager, &first).await;
    assert!(pager.render_terminal(Style::Plain).contains("│ agent: a[31m\n"));
    send(&pager, &second).await;
    let shown = pager.render_terminal(Style::Plain);
    let rows: Vec<&str> = shown.lines().collect();
    assert_eq!(rows[0], "╭─ PagerDuty · incident #1 · lock screen");
    assert_eq!(rows[1], "│ HIGH · too fast");
    assert!(rows[2].starts_with("│ triggered · error · ") && rows[2].ends_with(" · 2 triggers"), "{shown}");
    assert_eq!(rows[3..], ["│ source: 14.143.179.162", "│ count: 2", "│ Open https://a.example/x", "╰─"]);
    assert!(!shown.contains(ROUTING_KEY));
    assert!(pager.render_terminal(Style::Ansi).contains("\x1b[1;31mHIGH"));
}
