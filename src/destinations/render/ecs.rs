//! An event as a document of the Elastic Common Schema 9.4.
//!
//! Only fields of the schema are set, so that a mapping made for it takes every event, whatever a vendor sends. Nothing is
//! lost: `event.original` holds the event as it is stored. Not redacted: this is for machines and archives.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::domain::{Event, EventOutcome, Severity};

/// The event as an ECS document; `original` is the event as it is stored.
pub fn document(event: &Event, original: &str) -> Value {
    let mut fields = Map::new();
    let mut set = |path: &str, value: Value| insert(&mut fields, path, value);
    set("@timestamp", json!(event.time.to_string()));
    set("ecs.version", json!(VERSION));
    set("message", json!(message(event)));
    set("log.level", json!(event.severity.as_str()));
    set("event.kind", json!("alert"));
    set("event.category", json!(["intrusion_detection"]));
    set("event.type", json!([kind(event.outcome)]));
    set("event.action", json!(event.kind));
    set("event.severity", json!(severity(event.severity)));
    set("event.created", json!(event.received_at.to_string()));
    set("event.module", json!("gatepost"));
    set("event.dataset", json!(format!("gatepost.{}", event.source)));
    set("event.provider", json!(event.vendor));
    set("event.id", json!(event.id));
    set("event.hash", json!(event.key));
    set("event.reason", json!(event.impact));
    set("event.url", json!(event.links.first().map(|link| &link.url)));
    set("event.original", json!(original));
    set("observer.vendor", json!(event.vendor));
    if let Some(rule) = &event.rule {
        set("rule.id", json!(rule.id));
        set("rule.name", json!(rule.name));
    }
    if let Some(actor) = &event.actor {
        set("source.ip", json!(actor.ip));
        set("source.geo.country_iso_code", json!(actor.country));
        set("user.name", json!(actor.user));
        set("related.user", list(actor.user.as_deref()));
    }
    set("related.ip", addresses(event));
    if let Some(target) = &event.target {
        let host = target.host.as_deref();
        let address = host.and_then(|host| host.parse::<IpAddr>().ok());
        let name = host.filter(|_| address.is_none());
        set("destination.ip", json!(address));
        set("host.name", json!(name));
        set("related.hosts", list(name));
        set("http.request.method", json!(target.method));
        set("url.original", json!(target.url));
        set("gen_ai.agent.id", json!(target.agent));
    }
    set("labels", labels(event));
    Value::Object(fields)
}

/// Sets a field by its dotted name; what is absent stays absent.
fn insert(fields: &mut Map<String, Value>, path: &str, value: Value) {
    if value.is_null() {
        return;
    }
    let Some((object, rest)) = path.split_once('.') else {
        fields.insert(path.to_owned(), value);
        return;
    };
    if let Value::Object(inner) = fields.entry(object).or_insert_with(|| Value::Object(Map::new())) {
        insert(inner, rest, value);
    }
}

fn message(event: &Event) -> String {
    match &event.message {
        Some(message) => format!("{}\n{message}", event.title),
        None => event.title.clone(),
    }
}

/// The types that the category takes.
fn kind(outcome: Option<EventOutcome>) -> &'static str {
    match outcome {
        Some(EventOutcome::Blocked) => "denied",
        Some(EventOutcome::Allowed | EventOutcome::Succeeded) => "allowed",
        None => "info",
    }
}

/// The risk scores of Elastic Security for its words.
fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Unknown | Severity::Other => 0,
        Severity::Informational => 1,
        Severity::Low => 21,
        Severity::Medium => 47,
        Severity::High => 73,
        Severity::Critical | Severity::Fatal => 99,
    }
}

fn addresses(event: &Event) -> Value {
    let actor = event.actor.as_ref().and_then(|actor| actor.ip);
    let host = event.target.as_ref().and_then(|target| target.host.as_deref());
    let mut all: Vec<IpAddr> = actor.into_iter().chain(host.and_then(|host| host.parse().ok())).collect();
    all.dedup();
    if all.is_empty() { Value::Null } else { json!(all) }
}

fn list(value: Option<&str>) -> Value {
    value.map_or(Value::Null, |value| json!([value]))
}

/// Flat and of texts only. A dot in a name would make an object of it.
fn labels(event: &Event) -> Value {
    let incident = event.incident.map(|number| number.0.to_string());
    let own = [
        ("vendor_id", event.vendor_id.as_deref()),
        ("correlation", event.correlation.as_deref()),
        ("group", event.group.as_deref()),
        ("incident", incident.as_deref()),
        ("state", event.state.map(|state| state.as_str())),
        ("status", event.status.as_deref()),
        ("outcome", event.outcome.map(EventOutcome::as_str)),
    ];
    let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    let named = event.labels.iter().map(|(name, value)| (name.replace('.', "_"), value.clone()));
    // A label of the vendor's does not take the place of ours.
    let all: BTreeMap<String, String> = named.chain(own).filter(|(name, _)| !name.is_empty()).collect();
    if all.is_empty() { Value::Null } else { json!(all) }
}

const VERSION: &str = "9.4.0";

#[cfg(test)]
mod tests {
    use super::super::super::testing;
    use super::*;

    fn of(event: &Event) -> Value {
        document(event, &serde_json::to_string(event).unwrap())
    }

    /// The values of a document by their dotted names; `labels` is one field.
    fn flat(document: &Value, prefix: &str, found: &mut Vec<(String, Value)>) {
        for (name, value) in document.as_object().unwrap() {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value {
                Value::Object(_) if path != "labels" => flat(value, &path, found),
                value => found.push((path, value.clone())),
            }
        }
    }

    fn fits(value: &Value, kind: &str) -> bool {
        match kind {
            "date" => value.as_str().is_some_and(|text| crate::domain::Timestamp::parse(text).is_some()),
            "ip" => value.as_str().is_some_and(|text| text.parse::<IpAddr>().is_ok()),
            "long" => value.is_i64() || value.is_u64(),
            "object" => value.as_object().is_some_and(|labels| {
                labels.iter().all(|(name, value)| value.is_string() && !name.contains('.') && !name.is_empty())
            }),
            "keyword" | "match_only_text" | "wildcard" => value.is_string(),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn every_field_is_one_of_the_schema_and_of_its_type() {
        let Some(schema) = testing::shared("ecs-9.4.0.fields.json") else { return };
        assert_eq!(schema["ecs_version"], VERSION);
        for event in testing::most_events() {
            let mut found = Vec::new();
            flat(&of(&event), "", &mut found);
            for (path, value) in found {
                let field = &schema["fields"][&path];
                let kind = field["type"].as_str().unwrap_or_else(|| panic!("{path} is no field of the schema"));
                let is_list = field["normalize"].as_array().is_some_and(|rules| rules.contains(&json!("array")));
                assert_eq!(value.is_array(), is_list, "{path}");
                let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                assert!(
                    !values.is_empty() && values.iter().all(|value| fits(value, kind)),
                    "{path}: {value} is no {kind}"
                );
                let allowed = field["allowed_values"].as_array();
                assert!(
                    allowed.is_none_or(|allowed| values.iter().all(|value| allowed.contains(value))),
                    "{path}: {value}"
                );
                let expected = &schema["fields"]["event.category"]["expected_event_types"]["intrusion_detection"];
                assert!(path != "event.type" || expected.as_array().unwrap().contains(&values[0]), "{value}");
            }
        }
    }

    #[test]
    fn nothing_is_lost() {
        for event in testing::most_events() {
            let document = of(&event);
            let original: Event = serde_json::from_str(document["event"]["original"].as_str().unwrap()).unwrap();
            assert_eq!(original, event);
            assert!(document["message"].as_str().unwrap().starts_with(&event.title));
        }
    }

    #[test]
    fn a_host_that_is_an_address_is_one_and_labels_stay_flat() {
        let mut event = testing::event("minimal");
        event.labels = [("a.b".to_owned(), "1".to_owned()), ("status".to_owned(), "theirs".to_owned())].into();
        event.status = Some("ours".to_owned());
        let target = crate::domain::Target { host: Some("203.0.113.9".to_owned()), ..Default::default() };
        event.target = Some(target);
        let document = of(&event);
        assert_eq!(document["destination"], json!({ "ip": "203.0.113.9" }));
        assert_eq!(document["related"]["ip"], json!(["203.0.113.9"]));
        assert!(document.get("host").is_none());
        assert_eq!(document["labels"], json!({ "a_b": "1", "status": "ours" }));
        event.target = Some(crate::domain::Target { host: Some("shop".to_owned()), ..Default::default() });
        let document = of(&event);
        assert_eq!((&document["host"]["name"], &document["related"]["hosts"]), (&json!("shop"), &json!(["shop"])));
        for (outcome, kind) in [(EventOutcome::Blocked, "denied"), (EventOutcome::Succeeded, "allowed")] {
            event.outcome = Some(outcome);
            assert_eq!(of(&event)["event"]["type"], json!([kind]));
        }
    }
}
