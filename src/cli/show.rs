//! One receipt, event or delivery in full, for `show`.

use serde_json::{Map, Value, json};

use super::failure::Outcome;
use super::json::{DeliveryJson, EventJson, json_of, next_try};
use super::output::out;
use super::paint::{Paint, Tone};
use super::{delivery_words, terminal};
use crate::domain::{Annotation, Attempt, Clock, Event, Receipt, SystemClock};
use crate::store::{DeliveryRow, EventRow, ReceiptRow};

/// A receipt with its body and its events.
pub fn receipt((row, receipt): &(ReceiptRow, Option<Receipt>), yielded: &[EventRow], json: bool) -> Outcome {
    let body = receipt.as_ref().map(|receipt| String::from_utf8_lossy(&receipt.body).into_owned());
    if json {
        let receipt = receipt.as_ref();
        let document = json!({
            "receipt": row,
            "content_type": receipt.and_then(|receipt| receipt.content_type.as_deref()),
            "encoding": receipt.map(|receipt| receipt.encoding),
            "body": body,
            "body_hex": receipt.map(|receipt| hex::encode(&receipt.body)),
            "events": yielded.iter().map(EventJson::from).collect::<Vec<_>>(),
        });
        return out!("{}", json_of(&document)?);
    }
    out!("receipt {} from {}", row.id, row.source)?;
    out!("  received {} · {} bytes · {}", row.received_at.to_human(), row.bytes, row.state)?;
    if let Some(note) = row.note {
        out!("  the body is {}", note.as_str())?;
    }
    for row in yielded {
        let mark = if row.quarantined { " · quarantined" } else { "" };
        out!("  event {} · {} · {}{mark}", row.event.id, row.event.severity, terminal::line(&row.event.title, 80))?;
    }
    match body {
        Some(body) => out!("\n{}", terminal::clean(&body)),
        None => match &row.reason {
            Some(reason) => out!("  it cannot be read: {}", terminal::line(reason, 300)),
            None => out!("  its body is past its retention"),
        },
    }
}

/// An event and where it was told.
pub fn event(row: &EventRow, annotation: &Annotation, planned: &[DeliveryRow], json: bool) -> Outcome {
    if json {
        let deliveries: Vec<_> = planned.iter().map(DeliveryJson::from).collect();
        let document = json!({ "event": EventJson::from(row), "annotation": annotation, "deliveries": deliveries });
        return out!("{}", json_of(&document)?);
    }
    let event = &row.event;
    whole(event)?;
    said(annotation).try_for_each(|(what, text)| fact(what, text))?;
    match (event.incident, row.joined) {
        (Some(incident), joined) => {
            let joined = joined.map(|joined| format!("{} · ", joined.as_str())).unwrap_or_default();
            fact("incident", &format!("{incident} ({joined}gatepost incidents show {})", incident.0))?;
        }
        (None, Some(joined)) => fact("incident", &format!("none: {}", joined.as_str()))?,
        (None, None) => {}
    }
    if row.unrouted {
        out!("  no route took it")?;
    }
    if row.quarantined {
        out!("  it is in quarantine: it is older than its key would be known, so it may be a request sent again")?;
        out!("  to tell it all the same: gatepost replay --receipt {}", event.receipt)?;
    }
    let now = SystemClock.now();
    for row in planned {
        let delivery = &row.delivery;
        let next = next_try(row).map(|at| format!(", next try {}", delivery_words::when(at, now)));
        let reason = delivery.reason.as_deref().map(|reason| format!(": {}", terminal::line(reason, 160)));
        let remote = delivery.remote.as_deref().map(|remote| format!(" as {}", terminal::line(remote, 80)));
        out!(
            "  -> {} {}{}{}{}{} (delivery {}, by route {})",
            delivery.destination,
            delivery_words::subject(row),
            Paint::of_stdout().paint(Tone::of_state(delivery.state), delivery.state.as_str()),
            next.unwrap_or_default(),
            remote.unwrap_or_default(),
            reason.unwrap_or_default(),
            delivery.id,
            delivery.route
        )?;
    }
    Ok(())
}

/// What the operator says about an event, each part with its name.
pub fn said(annotation: &Annotation) -> impl Iterator<Item = (&'static str, &str)> {
    let all = [("owner", &annotation.owner), ("runbook", &annotation.runbook), ("note", &annotation.note)];
    all.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)))
}

/// Everything that an event holds.
pub fn whole(event: &Event) -> Outcome {
    let rank = Paint::of_stdout().paint(Tone::of_severity(event.severity), &event.rank());
    out!("{rank} · {}", terminal::clean(&event.title))?;
    for (what, text) in facts(event) {
        fact(what, &text)?;
    }
    for (name, value) in &event.labels {
        fact("label", &format!("{name}: {value}"))?;
    }
    let mut rest = Vec::new();
    flatten("", &Value::Object(event.unmapped.clone()), &mut rest);
    rest.iter().try_for_each(|text| fact("unmapped", text))?;
    other_fields(event).iter().try_for_each(|text| fact("also", text))
}

fn fact(what: &str, text: &str) -> Outcome {
    let text = terminal::clean(text).replace('\n', "\n              ");
    out!("  {what:<11} {text}")
}

/// What the event holds, in the order in which people want to know it.
fn facts(event: &Event) -> Vec<(&'static str, String)> {
    let joined = |parts: [Option<String>; 4]| -> Option<String> {
        let present: Vec<String> = parts.into_iter().flatten().collect();
        (!present.is_empty()).then(|| present.join(" · "))
    };
    let actor = event.actor.clone().unwrap_or_default();
    let target = event.target.clone().unwrap_or_default();
    let rule = event.rule.clone().unwrap_or_default();
    let first = [
        ("type", Some(event.kind.clone())),
        ("actor", joined([actor.ip.map(|ip| ip.to_string()), actor.user, actor.country, None])),
        ("target", joined([target.method, target.url, target.host, target.agent])),
        ("rule", joined([rule.id, rule.name, None, None])),
        ("outcome", event.outcome.map(|outcome| outcome.as_str().to_owned())),
        ("state", event.state.map(|state| state.as_str().to_owned())),
        ("status", event.status.clone()),
        ("happened", Some(event.time.to_human())),
        ("received", Some(event.received_at.to_human())),
        ("source", Some(format!("{} ({})", event.source, event.vendor))),
        ("message", event.message.clone()),
        ("impact", event.impact.clone()),
        ("remediation", event.remediation.clone()),
        ("evidence", event.evidence.clone()),
    ];
    let links = event.links.iter().map(|link| ("link", Some(format!("{}: {}", link.title, link.url))));
    let last = [
        ("id", Some(event.id.to_string())),
        ("vendor's id", event.vendor_id.clone()),
        ("group", event.group.clone()),
        ("correlation", event.correlation.clone()),
        ("key", Some(event.key.to_string())),
        ("receipt", Some(event.receipt.to_string())),
    ];
    first.into_iter().chain(links).chain(last).filter_map(|(what, text)| Some((what, text?))).collect()
}

/// Fields of the event without a line of their own, including ones that later versions add.
fn other_fields(event: &Event) -> Vec<String> {
    let mut fields = match serde_json::to_value(event) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    fields.retain(|name, _| !SHOWN.contains(&name.as_str()));
    let mut rest = Vec::new();
    flatten("", &Value::Object(fields), &mut rest);
    rest
}

/// Each value with its JSON pointer (RFC 6901).
fn flatten(pointer: &str, value: &Value, into: &mut Vec<String>) {
    let below = |name: &str| format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, value)| flatten(&below(name), value, into));
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().enumerate().for_each(|(place, item)| flatten(&below(&place.to_string()), item, into));
        }
        Value::Object(_) if pointer.is_empty() => {}
        Value::String(text) => into.push(format!("{pointer}: {text}")),
        other => into.push(format!("{pointer}: {other}")),
    }
}

/// The fields of an event that have their own lines.
const SHOWN: &[&str] = &[
    "id",
    "key",
    "vendor_id",
    "receipt",
    "source",
    "vendor",
    "type",
    "time",
    "received_at",
    "severity",
    "title",
    "message",
    "rule",
    "actor",
    "target",
    "outcome",
    "group",
    "correlation",
    "state",
    "status",
    "impact",
    "remediation",
    "evidence",
    "links",
    "labels",
    "unmapped",
];

/// A delivery with its attempts.
pub fn delivery(row: &DeliveryRow, attempts: &[Attempt], json: bool) -> Outcome {
    if json {
        return out!("{}", json_of(&json!({ "delivery": DeliveryJson::from(row), "attempts": attempts }))?);
    }
    let delivery = &row.delivery;
    let state = Paint::of_stdout().paint(Tone::of_state(delivery.state), delivery.state.as_str());
    out!("delivery {} to {}: {state}", delivery.id, delivery.destination)?;
    let what = match (delivery.incident, delivery.change, delivery.event) {
        (Some(incident), Some(change), _) => format!("incident {incident} · {}", change.as_str()),
        (Some(incident), None, _) => format!("incident {incident}"),
        (None, _, Some(event)) => format!("event {event}"),
        (None, _, None) if delivery.events.is_some() => {
            let (count, id) = (delivery.events.unwrap_or_default(), delivery.id);
            format!("a batch of {count} events (`gatepost events list --delivery {id}`)")
        }
        (None, _, None) => "nothing that is known".to_owned(),
    };
    out!("  {what} · {} · {}", row.severity, terminal::line(&row.title, 80))?;
    out!("  planned {} by route {}", delivery.created_at.to_human(), delivery.route)?;
    if let Some(at) = next_try(row) {
        out!("  next try {} ({})", delivery_words::when(at, SystemClock.now()), at.to_human())?;
    }
    if let Some(remote) = &delivery.remote {
        out!("  the destination calls it {}", terminal::line(remote, 120))?;
    }
    if let Some(reason) = &delivery.reason {
        out!("  {}", terminal::line(reason, 300))?;
    }
    for attempt in attempts {
        let reason = attempt.reason.as_deref().map(|reason| format!(": {}", terminal::line(reason, 300)));
        let (number, outcome) = (attempt.number, attempt.outcome.as_str());
        out!(
            "  try {number} at {} took {} ms: {outcome}{}",
            attempt.started_at,
            attempt.duration_ms,
            reason.unwrap_or_default()
        )?;
    }
    Ok(())
}
