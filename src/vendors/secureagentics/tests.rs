use serde_json::json;

use super::super::tests::{build, request};
use super::*;
use crate::domain::Timestamp;

const DOCUMENTED: &[u8] = SAMPLES[0].body;

fn read(body: &Value) -> Reading {
    let normalizer = build("secureagentics", "").unwrap_or_else(|faults| panic!("{faults:?}"));
    normalizer.normalize(body.to_string().as_bytes())
}

fn draft(body: &Value) -> Draft {
    let reading = read(body);
    assert_eq!(reading.drafts.len(), 1, "{body}: {reading:?}");
    reading.drafts.into_iter().next().unwrap()
}

#[test]
fn the_documented_alert_reads_as_people_should_see_it() {
    let normalizer = build("secureagentics", "").unwrap_or_else(|faults| panic!("{faults:?}"));
    assert_eq!(normalizer.event_id(&request(&[], DOCUMENTED)).as_deref(), Some("evt_abc123"));
    let reading = normalizer.normalize(DOCUMENTED);
    let draft = &reading.drafts[0];
    assert_eq!((reading.note, draft.title.as_str()), (None, "Rate limit exceeded: 150 prompts/min"));
    assert_eq!((draft.severity, draft.kind.as_str()), (Some(Severity::High), "alert.triggered"));
    assert_eq!(draft.rule.as_ref().unwrap().id.as_deref(), Some("alrt_xyz"));
    assert_eq!(draft.target.as_ref().unwrap().agent.as_deref(), Some("agt_abc123"));
    assert_eq!(draft.time, Timestamp::parse("2024-01-15T10:30:00Z"));
    assert_eq!(draft.key, ["id", "evt_abc123"]);
    assert!(draft.unmapped.is_empty() && draft.message.is_none());
}

#[test]
fn the_signature_is_bare_hex_and_a_prefix_is_tolerated() {
    let Some(Scheme::Hmac(scheme)) = VENDOR.scheme.map(|scheme| scheme()) else { panic!("an HMAC was expected") };
    assert_eq!((scheme.header.as_str(), scheme.prefix.as_str()), ("x-secureagentics-signature", "sha256="));
    assert!(scheme.prefix_optional && scheme.timestamp.is_none());
}

#[test]
fn test_messages_yield_no_event() {
    for body in [
        json!({"type": "ping"}),
        json!({"type": "webhook.test"}),
        json!({"type": "WEBHOOK_PING", "id": "x"}),
        json!({"event": "test"}),
        json!({}),
        json!({"ping": true}),
        json!({"test": true}),
        json!([{"type": "ping"}, {}]),
        json!("ping"),
        json!({"type": "test event", "data": {"a": 1}}),
    ] {
        assert_eq!(read(&body), Reading::nothing(Note::Ping), "{body}");
    }
    let normalizer = build("secureagentics", "").unwrap_or_else(|faults| panic!("{faults:?}"));
    assert_eq!(normalizer.normalize(b""), Reading::nothing(Note::Ping));
    assert_eq!(normalizer.normalize(b"ping"), Reading::nothing(Note::Ping));
}

#[test]
fn alerts_are_not_taken_for_test_messages() {
    for body in [
        json!({"type": "alert.triggered"}),
        json!({"type": "pingback.abuse"}),
        json!({"id": "x", "data": {"ping": 1}}),
        json!({"data": {"type": "ping"}}),
        json!({"test": "true"}),
        json!({"id": "a", "test": true}),
    ] {
        assert_eq!(read(&body).drafts.len(), 1, "{body}");
    }
    let doubled = br#"{"type":"ping","type":"alert.triggered","test":true,"test":false,"id":"x"}"#;
    let normalizer = build("secureagentics", "").unwrap_or_else(|faults| panic!("{faults:?}"));
    let reading = normalizer.normalize(doubled);
    assert_eq!((reading.drafts.len(), reading.note), (1, Some(Note::Repaired)));
    assert!(reading.drafts[0].key.is_empty() && reading.drafts[0].severity != Some(Severity::Informational));
    assert_eq!(reading.drafts[0].unmapped["type#2"], "alert.triggered");
}

#[test]
fn a_name_with_a_hash_in_it_is_no_doubled_name() {
    let draft =
        draft(&json!({"id": "x", "id#2": "y", "type": "agent.registered", "data": {"a": 1, "a#2": 2, "a#": 3}}));
    assert!(!draft.key.is_empty() && !draft.labels.contains_key("doubled_keys"));
    let normalizer = build("secureagentics", "").unwrap_or_else(|faults| panic!("{faults:?}"));
    assert_eq!(normalizer.normalize(br#"{"type":"ping","type#2":"x"}"#).note, Some(Note::Ping));
}

#[test]
fn severity_is_the_operators_then_the_events_then_the_types() {
    let of = |kind: &str, data: Value| draft(&json!({"id": "x", "type": kind, "data": data})).severity;
    assert_eq!(of("agent.error", json!({})), Some(Severity::Medium));
    assert_eq!(of("agent.registered", json!({"severity": "LOW"})), Some(Severity::Low));
    assert_eq!(of("policy.violated", json!({"severity": "purple"})), Some(Severity::High));
    assert_eq!(of("agent.retired", json!({})), None);
    let purple = draft(&json!({"id": "x", "type": "policy.violated", "data": {"severity": "purple"}}));
    assert_eq!(purple.severity_word.as_deref(), Some("purple"));
    let normalizer = build("secureagentics", "severities = { PURPLE = \"low\" }").ok().unwrap();
    let purple = normalizer.normalize(br#"{"id":"x","type":"policy.violated","data":{"severity":"purple"}}"#);
    assert_eq!((purple.drafts[0].severity, &purple.drafts[0].severity_word), (Some(Severity::Low), &None));
    let normalizer = build("secureagentics", "severity = { \"alert.triggered\" = \"critical\" }").ok().unwrap();
    let body = br#"{"id":"x","type":"alert.triggered","data":{"severity":"low"}}"#;
    assert_eq!(normalizer.normalize(body).drafts[0].severity, Some(Severity::Critical));
}

#[test]
fn what_was_done_about_it_is_the_outcome() {
    let of = |data: Value| draft(&json!({"id": "evt_1", "type": "policy.violated", "data": data}));
    for (data, outcome) in [
        (json!({"action": "block"}), Some(EventOutcome::Blocked)),
        (json!({"action": "LOG"}), Some(EventOutcome::Allowed)),
        (json!({"action": "alert"}), Some(EventOutcome::Allowed)),
        (json!({"action": "require_approval"}), None),
        (json!({"action": "block", "outcome": "succeeded"}), Some(EventOutcome::Succeeded)),
        (json!({"outcome": "unclear"}), None),
        (json!({}), None),
    ] {
        assert_eq!(of(data.clone()).outcome, outcome, "{data}");
    }
    let blocked = of(json!({"action": "block", "risk_score": 97}));
    assert_eq!(blocked.vendor_id.as_deref(), Some("evt_1"));
    assert_eq!((blocked.labels["action"].as_str(), blocked.labels["risk_score"].as_str()), ("block", "97"));
    assert_eq!(of(json!({"outcome": "unclear"})).unmapped["outcome"], "unclear");
    let normalizer = build("secureagentics", "").unwrap_or_else(|faults| panic!("{faults:?}"));
    let doubled = br#"{"id":"x","type":"t","data":{"action":"block","a":1,"a":2}}"#;
    assert_eq!(normalizer.normalize(doubled).drafts[0].outcome, None, "the reassuring reading is not believed");
}

#[test]
fn events_of_one_alert_or_policy_have_their_type_and_rule_in_common() {
    let parts = |kind: &str, data: Value| draft(&json!({"id": "x", "type": kind, "data": data})).incident_parts;
    for (kind, data, wanted) in [
        ("alert.triggered", json!({"alert_id": "alrt_1", "agent_id": "a", "details": "one"}), &["alrt_1"][..]),
        ("alert.triggered", json!({"alert_id": "alrt_1", "agent_id": "b", "details": "other"}), &["alrt_1"]),
        ("alert.triggered", json!({"alert_id": "alrt_2", "policy_id": "pol_1"}), &["alrt_2"]),
        ("policy.violated", json!({"alert_id": "alrt_2", "policy_id": "pol_1"}), &["pol_1"]),
        ("agent.error", json!({"agent_id": "a", "error": "Tool call failed 3 times"}), &[]),
    ] {
        let rule = wanted.iter().copied();
        let wanted: Vec<&str> = (!wanted.is_empty()).then_some(kind).into_iter().chain(rule).collect();
        assert_eq!(parts(kind, data.clone()), wanted, "{data}");
    }
    let told = draft(&json!({"id": "x", "type": "policy.violated", "data": {"policy_id": "p", "agent_id": "a"}}));
    assert_eq!((told.victim, told.target.unwrap().agent.as_deref()), (None, Some("a")), "the agent is the default");
    assert_eq!((told.group, told.correlation, told.state), (None, None, None), "none is documented");
    let normalizer = build("secureagentics", "").unwrap_or_else(|faults| panic!("{faults:?}"));
    let doubled = br#"{"id":"x","type":"policy.violated","data":{"policy_id":"known","policy_id":"other"}}"#;
    assert_eq!(normalizer.normalize(doubled).drafts[0].incident_parts, ["policy.violated", "doubled_keys"]);
}

#[test]
fn only_the_time_of_the_envelope_is_documented() {
    let of = |body: Value| {
        let draft = draft(&body);
        (draft.time.is_some(), draft.is_time_documented)
    };
    assert_eq!(of(json!({"type": "t.u", "timestamp": 1705314600})), (true, true));
    assert_eq!(of(json!({"type": "t.u", "data": {"timestamp": 1705314600}})), (true, false));
    assert_eq!(of(json!({"type": "t.u"})), (false, false));
}

#[test]
fn a_test_event_says_so() {
    let said = draft(&json!({"id": "x", "type": "alert.triggered", "test": true}));
    assert_eq!((said.labels["test"].as_str(), said.severity), ("true", Some(Severity::Informational)));
    let smuggled =
        draft(&json!({"id": "x", "type": "alert.triggered", "data": {"test": true, "severity": "critical"}}));
    assert_eq!((smuggled.labels.get("test"), smuggled.severity), (None, Some(Severity::Critical)));
}

#[test]
fn odd_envelopes_are_read_all_the_same() {
    let text = draft(&json!({"id": 7, "type": "alert.triggered", "timestamp": 1705314600, "data": "Too fast"}));
    assert_eq!((text.title.as_str(), text.key), ("Too fast", vec!["id".to_owned(), "7".to_owned()]));
    assert_eq!(text.time, Timestamp::parse("2024-01-15T10:30:00Z"));
    let millis = draft(&json!({"type": "agent.error", "timestamp": "1705314600000", "data": {"agent": {"id": "a1"}}}));
    assert_eq!((millis.title.as_str(), millis.key.len()), ("Agent error: a1", 6));
    let bare = draft(&json!({"id": "x"}));
    assert_eq!((bare.title.as_str(), bare.kind.as_str()), ("An event without a type", "unknown"));
    let list = draft(&json!({"id": "x", "type": "t.u", "timestamp": "soon", "data": [1]}));
    assert_eq!((list.title.as_str(), list.time), ("T u", None));
    assert_eq!(Value::Object(list.unmapped), json!({"data": [1], "timestamp": "soon"}));
    assert!(draft(&json!({"type": "agent.error"})).key.is_empty());
    let many = read(&json!([{"id": "a", "type": "t"}, {"id": "b", "type": "t"}, {"type": "ping"}, 5]));
    assert_eq!(many.drafts.iter().map(|draft| draft.kind.as_str()).collect::<Vec<_>>(), ["t", "t", "unparsed"]);
    let person = draft(&json!({"id": "x", "type": "t", "data": {"user": "dana", "source_ip": "192.0.2.1", "ip": "?"}}));
    assert_eq!(person.actor.unwrap().user.as_deref(), Some("dana"));
}

#[test]
fn what_is_not_understood_is_shown_in_its_own_words() {
    let odd = draft(&json!({"foo": 1}));
    assert!(odd.is_unrecognized);
    assert_eq!(odd.title, "An event without a type · foo: 1");
    assert_eq!(odd.evidence.as_deref(), Some("foo: 1"));
    let undocumented = draft(&json!({"id": "x", "type": "policy.violated", "data": {"tool": "shell", "path": "/"}}));
    assert_eq!((undocumented.is_unrecognized, undocumented.title.as_str()), (false, "Policy violated"));
    assert_eq!(undocumented.evidence.as_deref(), Some("path: \"/\"\ntool: \"shell\""));
    let told = draft(&json!({"id": "x", "type": "policy.violated", "data": {"details": "D", "tool": "shell"}}));
    assert_eq!((told.is_unrecognized, told.evidence), (false, None));
}

#[test]
fn only_a_single_plain_id_stands_for_the_request() {
    let normalizer = build("secureagentics", "").ok().unwrap();
    let id = |body: &str| normalizer.event_id(&request(&[], body.as_bytes()));
    assert_eq!(id(r#"{"data":{"id":"no"},"id":"a\/b"}"#).as_deref(), Some("a/b"));
    assert_eq!(id("\u{feff}{\"id\":12}").as_deref(), Some("12"));
    for long in ["123456789012345678901234567890", "18446744073709551616", "0.12345678901234567890", "1e400"] {
        let body = format!("{{\"id\":{long},\"type\":\"t\"}}");
        assert_eq!(id(&body).as_deref(), Some(long));
        let draft = normalizer.normalize(body.as_bytes()).drafts.remove(0);
        assert_eq!((draft.key[1].as_str(), draft.vendor_id.as_deref()), (long, Some(long)));
    }
    for body in
        [r#"{"id":"a","id":"b"}"#, r#"{"id":""}"#, r#"{"id":null}"#, r#"{"id":{}}"#, "[]", "", "{\"id\":\"a\"", "{}"]
    {
        assert_eq!(id(body), None, "{body}");
    }
}
