//! Which incident an event belongs to: its key.
//!
//! The dispatcher calls [`group`] for each event, the settings of a source make the [`GroupBy`]. A key says nothing about
//! whether the incident is live: [`super::absorb`] decides that.

use crate::domain::{Event, IncidentKey, Rule, Target};

use super::GroupField;

/// What the events of one incident have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum GroupBy {
    /// The vendor's group, else the vendor's name of the alert, else type, rule and victim.
    #[default]
    Vendor,
    /// Each event is its own incident: `group_by = ["event"]`.
    Event,
    /// The same values in these fields.
    Fields(Vec<GroupField>),
}

/// What the vendor's normalizer knows better than the fields of the event say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// What stands for type and rule; empty: these themselves.
    pub parts: Vec<String>,
    /// The victim.
    pub victim: Option<String>,
}

/// Where an event belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouped {
    /// The key of its incident.
    pub key: IncidentKey,
    /// The victim. Where the key names the victim, all events of an incident have the same.
    pub victim: Option<String>,
    /// What the key was made of, for `explain`.
    pub by: &'static str,
}

/// The key of the incident that the event belongs to.
pub fn group(event: &Event, hint: &Hint, by: &GroupBy) -> Grouped {
    match by {
        GroupBy::Event => {
            let key = hex::encode(event.key.as_bytes());
            let key = IncidentKey::of(&event.source, &["event", &key]);
            Grouped { key, victim: victim(event, hint), by: "event" }
        }
        GroupBy::Fields(fields) => by_fields(event, hint, fields),
        GroupBy::Vendor => by_vendor(event, hint),
    }
}

fn by_fields(event: &Event, hint: &Hint, fields: &[GroupField]) -> Grouped {
    let mut parts = vec!["fields".to_owned()];
    for field in fields {
        let value = field.value(event);
        // The presence is a part of its own: a field that is absent differs from one that is empty.
        parts.extend([field.to_string(), value.is_some().to_string(), value.unwrap_or_default()]);
    }
    Grouped { key: key(event, &parts), victim: victim(event, hint), by: "group_by" }
}

fn by_vendor(event: &Event, hint: &Hint) -> Grouped {
    if let Some(group) = &event.group {
        let key = IncidentKey::of(&event.source, &["group", group]);
        return Grouped { key, victim: victim(event, hint), by: "group" };
    }
    if let Some(correlation) = &event.correlation {
        let key = IncidentKey::of(&event.source, &["correlation", correlation]);
        return Grouped { key, victim: victim(event, hint), by: "correlation" };
    }
    let victim = victim(event, hint);
    let named = victim.clone().unwrap_or_default();
    let (parts, by) = if hint.parts.is_empty() {
        (vec!["rule".to_owned(), event.kind.clone(), rule(event), named], "type, rule and victim")
    } else {
        let parts = ["vendor"].map(str::to_owned).into_iter().chain(hint.parts.iter().cloned());
        (parts.chain([named]).collect(), "the vendor's fields and victim")
    };
    Grouped { key: key(event, &parts), victim, by }
}

fn key(event: &Event, parts: &[String]) -> IncidentKey {
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    IncidentKey::of(&event.source, &parts)
}

/// The agent with its device, else the host.
fn victim(event: &Event, hint: &Hint) -> Option<String> {
    if hint.victim.is_some() {
        return hint.victim.clone();
    }
    let Target { host, agent, .. } = event.target.as_ref()?;
    match (agent, host) {
        (Some(agent), Some(host)) => Some(format!("{agent} on {host}")),
        (Some(one), None) | (None, Some(one)) => Some(one.clone()),
        (None, None) => None,
    }
}

/// The rule's id, else its name, else the shape of the texts: a missing rule must not widen the key.
fn rule(event: &Event) -> String {
    let of_vendor = event.rule.as_ref().and_then(|Rule { id, name }| id.as_ref().or(name.as_ref()));
    of_vendor.cloned().unwrap_or_else(|| {
        let message = event.message.as_deref().filter(|_| event.kind == Event::UNPARSED);
        let text = event.title.chars().chain(message.unwrap_or_default().chars());
        text.filter(|c| !c.is_numeric()).collect()
    })
}
