//! One receipt, event or delivery in full, for `show`.

use serde::Serialize;
use serde_json::json;

use super::{Failure, Outcome, out, terminal};
use crate::domain::{Attempt, Event, Receipt};
use crate::store::{DeliveryRow, EventRow, ReceiptRow};

/// One JSON line that commands no terminal: what JSON lets stand in a text and a terminal obeys is escaped.
pub fn json_of<T: Serialize>(value: &T) -> Result<String, Failure> {
    let text = serde_json::to_string(value);
    let text = text.map_err(|error| Failure::Found(format!("it cannot be written as JSON: {error}")))?;
    Ok(terminal::escaped(&text))
}

/// A receipt with its body and its events.
pub fn receipt((row, receipt): &(ReceiptRow, Option<Receipt>), events: &[EventRow], json: bool) -> Outcome {
    let body = receipt.as_ref().map(|receipt| String::from_utf8_lossy(&receipt.body).into_owned());
    if json {
        let receipt = receipt.as_ref();
        let document = json!({
            "receipt": row,
            "content_type": receipt.and_then(|receipt| receipt.content_type.as_deref()),
            "encoding": receipt.map(|receipt| receipt.encoding),
            "body": body,
            "body_hex": receipt.map(|receipt| hex::encode(&receipt.body)),
            "events": events,
        });
        return out!("{}", json_of(&document)?);
    }
    out!("receipt {} from {}", row.id, row.source)?;
    out!("  received {} · {} bytes · {}", row.received_at.to_human(), row.bytes, row.state)?;
    if let Some(note) = row.note {
        out!("  the body is {}", note.as_str())?;
    }
    for row in events {
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

/// An event and whom it was told.
pub fn event(row: &EventRow, deliveries: &[DeliveryRow], json: bool) -> Outcome {
    if json {
        let deliveries: Vec<_> = deliveries.iter().map(|row| &row.delivery).collect();
        return out!("{}", json_of(&json!({ "event": row, "deliveries": deliveries }))?);
    }
    let event = &row.event;
    out!("{} · {}", event.rank(), terminal::clean(&event.title))?;
    for (what, text) in facts(event) {
        let text = terminal::clean(&text).replace('\n', "\n              ");
        out!("  {what:<11} {text}")?;
    }
    if row.unrouted {
        out!("  no route took it")?;
    }
    if row.quarantined {
        out!("  it is in quarantine: it is older than its key would be known, so it may be a request sent again")?;
        out!("  to tell it all the same: gatepost replay --receipt {}", event.receipt)?;
    }
    for row in deliveries {
        let delivery = &row.delivery;
        let reason = delivery.reason.as_deref().map(|reason| format!(": {}", terminal::line(reason, 160)));
        let remote = delivery.remote.as_deref().map(|remote| format!(" as {}", terminal::line(remote, 80)));
        out!(
            "  -> {} {}{}{} (delivery {}, by route {})",
            delivery.destination,
            delivery.state.as_str(),
            remote.unwrap_or_default(),
            reason.unwrap_or_default(),
            delivery.id,
            delivery.route
        )?;
    }
    Ok(())
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
    let all = [
        ("type", Some(event.kind.clone())),
        ("actor", joined([actor.ip.map(|ip| ip.to_string()), actor.user, actor.country, None])),
        ("target", joined([target.method, target.url, target.host, target.agent])),
        ("rule", joined([rule.id, rule.name, None, None])),
        ("outcome", event.outcome.map(|outcome| outcome.as_str().to_owned())),
        ("status", event.status.clone()),
        ("happened", Some(event.time.to_human())),
        ("received", Some(event.received_at.to_human())),
        ("source", Some(format!("{} ({})", event.source, event.vendor))),
        ("message", event.message.clone()),
        ("impact", event.impact.clone()),
        ("remediation", event.remediation.clone()),
        ("evidence", event.evidence.clone()),
        ("link", event.links.first().map(|link| format!("{}: {}", link.title, link.url))),
        ("id", Some(event.id.to_string())),
        ("vendor's id", event.vendor_id.clone()),
        ("key", Some(event.key.to_string())),
        ("receipt", Some(event.receipt.to_string())),
    ];
    all.into_iter().filter_map(|(what, text)| Some((what, text?))).collect()
}

/// A delivery with its attempts.
pub fn delivery(row: &DeliveryRow, attempts: &[Attempt], json: bool) -> Outcome {
    if json {
        return out!("{}", json_of(&json!({ "delivery": row, "attempts": attempts }))?);
    }
    let delivery = &row.delivery;
    out!("delivery {} to {}: {}", delivery.id, delivery.destination, delivery.state.as_str())?;
    out!("  event {} · {}", delivery.event, terminal::line(&row.title, 80))?;
    out!("  planned {} by route {}", delivery.created_at.to_human(), delivery.route)?;
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
