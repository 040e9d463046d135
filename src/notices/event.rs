//! The events that notices are made of.

use bytes::Bytes;

use super::{Condition, NoticeId, NoticeKind};
use crate::domain::{
    DestinationName, Draft, Encoding, Event, EventState, IncidentKey, Receipt, ReceiptId, Rule, Severity, SourceName,
    Timestamp,
};

/// The event that says that a condition holds.
pub fn begun(condition: &Condition, now: Timestamp) -> Event {
    let Condition { id, severity, title, message, remedy, amount, .. } = condition;
    let draft = Draft {
        severity: Some(*severity),
        title: title.clone(),
        message: Some(message.clone()),
        remediation: Some(remedy.clone()),
        state: Some(EventState::Firing),
        // One is what is not counted.
        labels: (*amount > 1).then(|| ("amount".to_owned(), amount.to_string())).into_iter().collect(),
        ..draft(id)
    };
    event(draft, *severity, now)
}

/// The event that says that it has ended.
pub fn ended(id: &NoticeId, now: Timestamp) -> Event {
    let title = format!("{} of {} is over", id.kind.as_str(), id.subject);
    let draft = Draft { title, state: Some(EventState::Resolved), ..draft(id) };
    event(draft, Severity::Informational, now)
}

/// Whether this notifier is told of it: never of itself.
pub fn may_tell(id: &NoticeId, notifier: &DestinationName) -> bool {
    !(id.kind.is_of_destination() && notifier.as_str() == id.subject)
}

/// Whether the incident of this key, of gatepost's own source, is about this destination.
pub fn is_about(key: &IncidentKey, destination: &DestinationName) -> bool {
    let of_destinations = NoticeKind::ALL.into_iter().filter(|kind| kind.is_of_destination());
    let key_of = |kind: NoticeKind| IncidentKey::of(&SourceName::own(), &["group", &group(kind, destination.as_str())]);
    of_destinations.into_iter().any(|kind| key_of(kind) == *key)
}

fn group(kind: NoticeKind, subject: &str) -> String {
    format!("{}/{subject}", kind.as_str())
}

fn draft(id: &NoticeId) -> Draft {
    let kind = id.kind.as_str();
    Draft {
        kind: kind.to_owned(),
        rule: Some(Rule { id: Some(kind.to_owned()), name: None }),
        group: Some(group(id.kind, &id.subject)),
        ..Draft::default()
    }
}

/// It comes in no request; the id of the receipt stands for none.
fn event(draft: Draft, severity: Severity, now: Timestamp) -> Event {
    let receipt = Receipt {
        id: ReceiptId::generate(),
        source: SourceName::own(),
        received_at: now,
        content_type: None,
        encoding: Encoding::Identity,
        body: Bytes::new(),
    };
    draft.into_event(&receipt, SourceName::OWN, severity, 0)
}
