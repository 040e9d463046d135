//! An event as an OCSF 1.8.0 Detection Finding (class 2004).
//!
//! Nothing is lost: what the class has no place for goes to `unmapped`, the vendor's fields under their own names and
//! ours under `gatepost`. Objects of the class are closed, so a value that does not fit its attribute (a method that is
//! no HTTP method, a country without an address) moves there too. An event that says that its alert is over is the activity
//! Close, with the status Resolved. Not redacted: this is for machines and archives.

use serde_json::{Map, Value, json};

use crate::domain::{Actor, Event, EventOutcome, EventState, Target};

/// The event as an OCSF document.
pub fn document(event: &Event) -> Value {
    let mut rest = Map::new();
    rest.insert("receipt".into(), json!(event.receipt));
    rest.extend(event.group.as_ref().map(|group| ("group".into(), json!(group))));
    rest.extend(event.incident.map(|number| ("incident".into(), json!(number))));
    rest.extend(event.state.map(|state| ("state".into(), json!(state))));
    let is_resolved = event.state == Some(EventState::Resolved);
    let (activity_id, activity) = if is_resolved { (ACTIVITY_CLOSE, "Close") } else { (ACTIVITY_CREATE, "Create") };
    let mut document = json!({
        "activity_id": activity_id,
        "activity_name": activity,
        "category_uid": CATEGORY_FINDINGS,
        "category_name": "Findings",
        "class_uid": CLASS_DETECTION_FINDING,
        "class_name": "Detection Finding",
        "type_uid": CLASS_DETECTION_FINDING * 100 + activity_id,
        "type_name": format!("Detection Finding: {activity}"),
        "severity_id": event.severity.id(),
        "severity": event.severity.caption(),
        "time": event.time.as_millis(),
        "is_alert": true,
        "message": event.message,
        "risk_details": event.impact,
        "remediation": event.remediation.as_ref().map(|text| json!({ "desc": text })),
        "status": event.status,
        "status_id": if is_resolved { Some(STATUS_RESOLVED) } else { event.status.as_deref().map(status_id) },
        "metadata": metadata(event),
        "finding_info": finding_info(event),
        "evidences": evidences(event, &mut rest),
        "observables": observables(event),
        "resources": agent(event),
    });
    if let Some(outcome) = event.outcome {
        add_outcome(outcome, &mut document);
    }
    if !event.links.is_empty() {
        rest.insert("links".into(), json!(event.links));
    }
    document["unmapped"] = Value::Object(unmapped(event, rest));
    drop_nulls(&mut document);
    document
}

/// The attributes of the profile `security_control`. What succeeded was allowed, and is a suspected breach as well.
fn add_outcome(outcome: EventOutcome, document: &mut Value) {
    let (action_id, action, disposition_id, disposition) = match outcome {
        EventOutcome::Blocked => (2, "Denied", 2, "Blocked"),
        EventOutcome::Allowed | EventOutcome::Succeeded => (1, "Allowed", 1, "Allowed"),
    };
    document["action_id"] = json!(action_id);
    document["action"] = json!(action);
    document["disposition_id"] = json!(disposition_id);
    document["disposition"] = json!(disposition);
    document["metadata"]["profiles"] = json!(["security_control"]);
    if outcome == EventOutcome::Succeeded {
        document["is_suspected_breach"] = json!(true);
    }
}

fn metadata(event: &Event) -> Value {
    let tags: Vec<Value> = event.labels.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({
        "version": VERSION,
        "uid": event.id,
        "correlation_uid": event.key,
        "original_event_uid": event.vendor_id,
        "event_code": event.kind,
        "log_provider": "gatepost",
        "log_name": event.source,
        "logged_time": event.received_at.as_millis(),
        "product": { "uid": event.vendor, "vendor_name": event.vendor },
        "tags": if tags.is_empty() { Value::Null } else { Value::Array(tags) },
    })
}

fn finding_info(event: &Event) -> Value {
    let analytic = event.rule.as_ref().filter(|rule| rule.id.is_some() || rule.name.is_some());
    json!({
        "uid": event.key,
        "uid_alt": event.correlation,
        "title": event.title,
        "types": [event.kind],
        "src_url": event.links.first().map(|link| &link.url),
        "analytic": analytic.map(|rule| json!({ "type_id": ANALYTIC_RULE, "uid": rule.id, "name": rule.name })),
    })
}

/// One evidence with everything that was seen; none where nothing was.
fn evidences(event: &Event, rest: &mut Map<String, Value>) -> Value {
    let mut evidence = Map::new();
    if let Some(text) = &event.evidence {
        evidence.insert("data".into(), json!(text));
    }
    if let Some(actor) = &event.actor {
        add_actor(actor, &mut evidence, rest);
    }
    if let Some(target) = &event.target {
        add_target(target, &mut evidence, rest);
    }
    if evidence.is_empty() { Value::Null } else { json!([evidence]) }
}

fn add_actor(actor: &Actor, evidence: &mut Map<String, Value>, rest: &mut Map<String, Value>) {
    let location = actor.country.as_ref().map(|country| json!({ "country": country }));
    match (actor.ip, location) {
        (Some(ip), location) => {
            evidence.insert("src_endpoint".into(), json!({ "ip": ip, "location": location }));
        }
        (None, Some(location)) => {
            rest.insert("actor_location".into(), location);
        }
        (None, None) => {}
    }
    if let Some(user) = &actor.user {
        evidence.insert("actor".into(), json!({ "user": { "name": user } }));
    }
}

fn add_target(target: &Target, evidence: &mut Map<String, Value>, rest: &mut Map<String, Value>) {
    if let Some(url) = &target.url {
        evidence.insert("url".into(), json!({ "url_string": url }));
    }
    if let Some(host) = &target.host {
        evidence.insert("dst_endpoint".into(), json!({ "hostname": host }));
    }
    let Some(method) = &target.method else { return };
    // An evidence must hold more than a request.
    if HTTP_METHODS.contains(&method.as_str()) && !evidence.is_empty() {
        evidence.insert("http_request".into(), json!({ "http_method": method }));
    } else {
        rest.insert("target_method".into(), json!(method));
    }
}

fn observables(event: &Event) -> Value {
    let actor = event.actor.as_ref();
    let ip = actor.and_then(|actor| actor.ip).map(|ip| {
        json!({ "name": "evidences[0].src_endpoint.ip", "type_id": OBSERVABLE_IP, "type": "IP Address", "value": ip })
    });
    let user = actor.and_then(|actor| actor.user.as_ref()).map(|user| {
        json!({ "name": "evidences[0].actor.user.name", "type_id": OBSERVABLE_USER, "type": "User Name", "value": user })
    });
    let all: Vec<Value> = ip.into_iter().chain(user).collect();
    if all.is_empty() { Value::Null } else { Value::Array(all) }
}

/// OCSF 1.8.0 has no object for an AI agent on this class; 1.9 will.
fn agent(event: &Event) -> Value {
    let agent = event.target.as_ref().and_then(|target| target.agent.as_ref());
    agent.map_or(Value::Null, |agent| json!([{ "uid": agent, "type": "Agent" }]))
}

fn unmapped(event: &Event, mut ours: Map<String, Value>) -> Map<String, Value> {
    let mut unmapped = event.unmapped.clone();
    if let Some(shadowed) = unmapped.remove("gatepost") {
        ours.insert("gatepost".into(), shadowed);
    }
    unmapped.insert("gatepost".into(), Value::Object(ours));
    unmapped
}

/// OCSF `status_id`; a vendor's own word is Other, and is in `status` in any case.
fn status_id(status: &str) -> u8 {
    match status.trim().to_ascii_lowercase().as_str() {
        "new" => 1,
        "in progress" => 2,
        "suppressed" => 3,
        "resolved" => STATUS_RESOLVED,
        _ => 99,
    }
}

/// Removes absent attributes of our own making; the vendor's `unmapped` keeps its nulls.
fn drop_nulls(document: &mut Value) {
    let Some(object) = document.as_object_mut() else { return };
    object.retain(|_, value| !value.is_null());
    for (name, value) in object.iter_mut().filter(|(name, _)| *name != "unmapped" && *name != "data") {
        match value {
            Value::Array(items) if name != "tags" => items.iter_mut().for_each(drop_nulls),
            _ => drop_nulls(value),
        }
    }
}

const VERSION: &str = "1.8.0";
const CATEGORY_FINDINGS: u32 = 2;
const CLASS_DETECTION_FINDING: u32 = 2004;
const ACTIVITY_CREATE: u32 = 1;
const ACTIVITY_CLOSE: u32 = 3;
const STATUS_RESOLVED: u8 = 4;
const ANALYTIC_RULE: u32 = 1;
const OBSERVABLE_IP: u32 = 2;
const OBSERVABLE_USER: u32 = 4;
/// The enumeration of `http_request.http_method`.
const HTTP_METHODS: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

#[cfg(test)]
mod tests {
    use super::super::super::testing;
    use super::*;
    use crate::domain::{IncidentNumber, Link, Rule, Severity, Timestamp};

    /// The way back, written against the class and not against the code above: it proves that nothing was lost.
    fn event_of(document: &Value) -> Event {
        let at = |pointer: &str| document.pointer(pointer).cloned();
        let text = |pointer: &str| at(pointer).and_then(|value| value.as_str().map(str::to_owned));
        let millis = |pointer: &str| Timestamp::from_millis(at(pointer).unwrap().as_i64().unwrap());
        let mut unmapped = document["unmapped"].as_object().unwrap().clone();
        let mut ours = unmapped.remove("gatepost").unwrap();
        if let Some(shadowed) = ours.as_object_mut().unwrap().remove("gatepost") {
            unmapped.insert("gatepost".into(), shadowed);
        }
        let actor = Actor {
            ip: text("/evidences/0/src_endpoint/ip").map(|ip| ip.parse().unwrap()),
            user: text("/evidences/0/actor/user/name"),
            country: text("/evidences/0/src_endpoint/location/country")
                .or_else(|| ours.pointer("/actor_location/country").and_then(Value::as_str).map(str::to_owned)),
        };
        let target = Target {
            method: text("/evidences/0/http_request/http_method")
                .or_else(|| ours["target_method"].as_str().map(str::to_owned)),
            url: text("/evidences/0/url/url_string"),
            host: text("/evidences/0/dst_endpoint/hostname"),
            agent: text("/resources/0/uid"),
        };
        let rule = Rule { id: text("/finding_info/analytic/uid"), name: text("/finding_info/analytic/name") };
        let tags = document.pointer("/metadata/tags").and_then(Value::as_array).cloned().unwrap_or_default();
        let links: Vec<Link> =
            ours.get("links").map(|links| serde_json::from_value(links.clone()).unwrap()).unwrap_or_default();
        Event {
            id: text("/metadata/uid").unwrap().parse().unwrap(),
            key: serde_json::from_value(at("/metadata/correlation_uid").unwrap()).unwrap(),
            vendor_id: text("/metadata/original_event_uid"),
            receipt: ours["receipt"].as_str().unwrap().parse().unwrap(),
            source: text("/metadata/log_name").unwrap().parse().unwrap(),
            vendor: text("/metadata/product/uid").unwrap(),
            kind: text("/metadata/event_code").unwrap(),
            time: millis("/time"),
            received_at: millis("/metadata/logged_time"),
            severity: Severity::from_id(document["severity_id"].as_u64().unwrap() as u8),
            title: text("/finding_info/title").unwrap(),
            message: text("/message"),
            rule: (rule != Rule::default()).then_some(rule),
            actor: (actor != Actor::default()).then_some(actor),
            target: (target != Target::default()).then_some(target),
            group: ours["group"].as_str().map(str::to_owned),
            incident: ours["incident"].as_u64().map(IncidentNumber),
            correlation: text("/finding_info/uid_alt"),
            state: ours.get("state").map(|state| serde_json::from_value(state.clone()).unwrap()),
            outcome: match (document["disposition_id"].as_u64(), document["is_suspected_breach"].as_bool()) {
                (Some(2), None) => Some(EventOutcome::Blocked),
                (Some(1), None) => Some(EventOutcome::Allowed),
                (Some(1), Some(true)) => Some(EventOutcome::Succeeded),
                (None, None) => None,
                other => panic!("{other:?}"),
            },
            status: text("/status"),
            impact: text("/risk_details"),
            remediation: text("/remediation/desc"),
            evidence: text("/evidences/0/data"),
            links,
            labels: tags
                .iter()
                .map(|tag| (tag["name"].as_str().unwrap().to_owned(), tag["value"].as_str().unwrap().to_owned()))
                .collect(),
            unmapped,
        }
    }

    #[test]
    fn every_event_is_a_valid_detection_finding_and_comes_back_whole() {
        let mut events = testing::every_event();
        let mut odd = testing::event("full");
        odd.target = Some(Target { method: Some("BREW".into()), ..Target::default() });
        odd.actor = Some(Actor { country: Some("IN".into()), ..Actor::default() });
        odd.unmapped.insert("gatepost".into(), json!({ "x": null }));
        odd.unmapped.insert("none".into(), Value::Null);
        events.push(odd.clone());
        odd.target = Some(Target { method: Some("GET".into()), ..Target::default() });
        odd.evidence = None;
        odd.actor.as_mut().unwrap().ip = "::ffff:10.0.0.1".parse().ok();
        events.push(odd.clone());
        for (_, outcome) in EventOutcome::ALL {
            events.push(Event { outcome: Some(outcome), vendor_id: Some("v-1".into()), ..odd.clone() });
            events.push(Event { incident: Some(IncidentNumber(4711)), ..odd.clone() });
        }
        for (_, state) in EventState::ALL {
            let status = (state == EventState::Firing).then(|| "resolved".to_owned());
            events.push(Event { state: Some(state), correlation: Some("c-1".into()), status, ..odd.clone() });
        }
        let nameless = Event { group: None, correlation: None, state: None, ..odd };
        events.push(Event { outcome: None, vendor_id: None, ..nameless });
        let schema = testing::contract("ocsf-1.8.0/detection_finding.schema.json");
        for event in events {
            let document = document(&event);
            assert_eq!(event_of(&document), event);
            if let Some(schema) = &schema {
                schema.assert(&document);
            }
        }
    }

    #[test]
    fn the_end_of_an_alert_closes_the_finding() {
        let of = |state, status: Option<&str>| {
            let event = Event { state, status: status.map(str::to_owned), ..testing::event("full") };
            let document = document(&event);
            let number = |name: &str| document[name].as_u64();
            (number("activity_id"), number("type_uid"), number("status_id"), document["type_name"].to_string())
        };
        let created = (Some(1), Some(200_401), "\"Detection Finding: Create\"");
        let closed = (Some(3), Some(200_403), "\"Detection Finding: Close\"");
        for (state, status, wanted, status_id) in [
            (None, None, created, None),
            (None, Some("resolved"), created, Some(4)),
            (Some(EventState::Firing), Some("open"), created, Some(99)),
            (Some(EventState::Resolved), None, closed, Some(4)),
            (Some(EventState::Resolved), Some("fixed"), closed, Some(4)),
        ] {
            let (activity, kind, found, name) = of(state, status);
            assert_eq!((activity, kind, name.as_str()), wanted, "{state:?} {status:?}");
            assert_eq!(found, status_id, "{state:?} {status:?}");
        }
    }

    #[test]
    fn the_schema_refuses_what_is_no_finding() {
        let Some(schema) = testing::contract("ocsf-1.8.0/detection_finding.schema.json") else { return };
        let good = document(&testing::event("full"));
        for (pointer, bad) in [
            ("/time", json!("now")),
            ("/severity_id", json!(7)),
            ("/metadata/product", json!({})),
            ("/evidences/0/src_endpoint/ip", json!("claude")),
        ] {
            let mut broken = good.clone();
            *broken.pointer_mut(pointer).unwrap() = bad;
            assert!(!schema.accepts(&broken), "{pointer}");
        }
        let mut extra = good;
        extra["surprise"] = json!(1);
        assert!(!schema.accepts(&extra));
    }
}
