//! The end of `gatepost explain`: which incident an event belongs to and why, who was told of it, and who was not.

use std::path::Path;

use serde_json::{Value, json};

use super::failure::{Failure, Outcome};
use super::output::out;
use super::{delivery_words, terminal, told};
use crate::config::Outline;
use crate::domain::{
    Clock, DeliveryState, DestinationName, Event, Incident, IncidentKey, IncidentNumber, SystemClock, Timestamp,
};
use crate::incidents::{GroupBy, Hint, Joined, group};
use crate::store::{
    DeliveryFilter, DeliveryRow, EventRow, IncidentDetails, IncidentQueries, NotificationRow, Page, Queries,
    SqliteStore,
};

/// The explanation of one event.
pub struct Place {
    /// What it did to its incident; `None`: no notifier was to know of it, so that no incident was looked for.
    joined: Option<Joined>,
    incident: Option<IncidentNumber>,
    why: Option<String>,
    lines: Vec<Line>,
}

/// One destination: told, or not.
struct Line {
    destination: DestinationName,
    at: Option<Timestamp>,
    text: String,
}

impl Place {
    /// Looks it up; `None` for an event of which neither a sink nor an incident knows, as in quarantine.
    /// `planned`: where the current routes would send it.
    pub fn find(
        path: &Path,
        store: &SqliteStore,
        row: &EventRow,
        planned: &[DestinationName],
    ) -> Result<Option<Self>, Failure> {
        let event = &row.event;
        let mut lines = sinks(store, event)?;
        let Some(place) = store.incident_of(event.id)? else {
            let is_known = !lines.is_empty();
            return Ok(is_known.then_some(Self { joined: None, incident: None, why: None, lines }));
        };
        let details = place.incident.map(|number| store.incident(number)).transpose()?.flatten();
        let mut why = None;
        if let Some(details) = &details {
            let group_by = Outline::load_group_by(path, &event.source);
            why = Some(because(event, details.incident.key, group_by.as_ref()));
            let through = details.incident.fold.map(|fold| storm(store, event, fold.storm)).transpose()?;
            let through = through.unwrap_or_default();
            for notification in &details.notifications {
                // What a storm or digest tells is said once.
                let is_through = through.iter().any(|line| line.destination == notification.destination);
                if notification.told.said.is_some() || !is_through {
                    lines.push(notifier(store, event, place.joined, details, notification)?);
                }
            }
            lines.extend(through);
        }
        for destination in planned
            .iter()
            .filter(|name| !lines.iter().any(|line| line.destination == **name))
            .cloned()
            .collect::<Vec<_>>()
        {
            let text = not_told(place.joined).to_owned();
            lines.push(Line { destination, at: None, text });
        }
        Ok(Some(Self { joined: Some(place.joined), incident: place.incident, why, lines }))
    }

    /// For people.
    pub fn print(&self) -> Outcome {
        match (self.joined, self.incident, &self.why) {
            (Some(Joined::Opened), Some(number), Some(why)) => {
                out!("  opened incident {number}; events join it where {why}")?;
            }
            (Some(place), Some(number), Some(why)) => out!("  {} incident {number} because {why}", joined(place))?,
            (Some(place), Some(number), None) => {
                out!("  {} incident {number}, which is past its retention", joined(place))?;
            }
            (Some(place), None, _) => out!("  no incident: {}", not_told(place))?,
            (None, ..) => out!("  no incident: no route sent it to a notifier when it came")?,
        }
        for line in &self.lines {
            match line.at {
                Some(at) => out!("  told to {} at {}: {}", line.destination, told::utc(at), line.text)?,
                None => out!("  not told to {}: {}", line.destination, line.text)?,
            }
        }
        Ok(())
    }

    /// For scripts.
    pub fn json(&self) -> Value {
        let told: Vec<Value> = self
            .lines
            .iter()
            .map(|line| json!({ "destination": line.destination, "at": line.at, "what": line.text }))
            .collect();
        json!({ "incident": self.incident, "joined": self.joined.map(Joined::as_str), "because": self.why, "told": told })
    }
}

/// What the event did to its incident.
fn joined(joined: Joined) -> &'static str {
    match joined {
        Joined::Opened => "opened",
        Joined::Raised => "joined and raised",
        Joined::Spread => "joined and spread",
        Joined::Reopened => "joined and reopened",
        Joined::Late => "joined, too late to reopen,",
        Joined::Ended => "ended an alert of",
        Joined::Resolved => "resolved",
        Joined::ResolutionHeld => "would have resolved",
        Joined::ResolutionOutdated => "is older than the latest firing of",
        Joined::Counted | Joined::NothingToResolve | Joined::NotTold => "joined",
    }
}

/// Why an event told no notifier anything by itself.
fn not_told(joined: Joined) -> &'static str {
    match joined {
        Joined::NothingToResolve => "nothing to resolve: it says that something is over which was not there",
        Joined::NotTold => "no route sent it to a notifier when it came",
        Joined::Opened | Joined::Raised | Joined::Spread | Joined::Reopened => "no route sent it there when it came",
        Joined::Counted | Joined::Late => "counted; no route sent it there when it came",
        Joined::Ended | Joined::Resolved | Joined::ResolutionHeld | Joined::ResolutionOutdated => {
            "it was not told that the incident began"
        }
    }
}

/// What the event has in common with the others, as far as the event and the current settings tell.
fn because(event: &Event, key: IncidentKey, group_by: Option<&GroupBy>) -> String {
    let by_event = GroupBy::Event;
    let ways = [group_by, Some(&GroupBy::Vendor), Some(&by_event)];
    let hint = Hint::default();
    let fitting = ways.into_iter().flatten().find(|by| group(event, &hint, by).key == key);
    let text = |text: Option<&String>| terminal::line(text.map_or("", String::as_str), 120);
    match (fitting, fitting.map(|by| group(event, &hint, by).by)) {
        (Some(GroupBy::Event), _) => format!("group_by of {} makes each event an incident of its own", event.source),
        (Some(GroupBy::Fields(fields)), _) => {
            let names: Vec<String> = fields.iter().map(ToString::to_string).collect();
            format!("group_by of {}: the same {}", event.source, names.join(", "))
        }
        (_, Some("group")) => format!("the vendor's group is the same: {}", text(event.group.as_ref())),
        (_, Some("correlation")) => format!("the vendor's alert is the same: {}", text(event.correlation.as_ref())),
        (_, Some(by)) => format!("{by} are the same: {}", type_rule_and_victim(event)),
        (None, _) if matches!(group_by, Some(GroupBy::Fields(_) | GroupBy::Event)) => {
            format!("group_by of {} as it was when the event came", event.source)
        }
        (_, None) => format!(
            "what {} calls the same alert, and the victim, are the same: {}",
            event.vendor,
            type_rule_and_victim(event)
        ),
    }
}

/// A missing rule is replaced by the title without its digits.
fn type_rule_and_victim(event: &Event) -> String {
    let rule = event.rule.as_ref().and_then(|rule| rule.id.as_ref().or(rule.name.as_ref()));
    let rule = rule.cloned().or_else(|| Some(format!("'{}' without its digits", event.title)));
    let (agent, host) = event.target.clone().map(|target| (target.agent, target.host)).unwrap_or_default();
    let parts = [Some(event.kind.clone()), rule, agent, host].into_iter().flatten();
    parts.map(|part| terminal::line(&part, 80)).collect::<Vec<_>>().join(" · ")
}

/// The destinations that keep every event.
fn sinks(store: &SqliteStore, event: &Event) -> Result<Vec<Line>, Failure> {
    let filter = DeliveryFilter { event: Some(event.id), ..DeliveryFilter::default() };
    let rows = store.deliveries(&Page { limit: 1_000, before: None }, &filter)?;
    let mut lines = Vec::new();
    for row in rows.into_iter().rev().filter(|row| row.delivery.incident.is_none()) {
        lines.push(of_delivery(store, &row)?);
    }
    Ok(lines)
}

/// What a notifier knows of the event: the first change that was told after it came.
fn notifier(
    store: &SqliteStore,
    event: &Event,
    joined: Joined,
    details: &IncidentDetails,
    notification: &NotificationRow,
) -> Result<Line, Failure> {
    let name = &notification.destination;
    let of_it: Vec<&DeliveryRow> = details.deliveries.iter().filter(|row| row.delivery.destination == *name).collect();
    for row in &of_it {
        let at = told::at(store, row)?.filter(|at| *at >= event.received_at);
        if let Some(at) = at {
            let text = format!("{}{} (delivery {})", told::what(row), told::remote(row), row.delivery.id);
            return Ok(Line { destination: name.clone(), at: Some(at), text });
        }
    }
    let open = of_it.iter().rev().find(|row| row.delivery.state != DeliveryState::Delivered);
    let text = match open {
        Some(row) if is_open(row) => silenced(&details.incident)
            .filter(|_| waits_for_silence(row, &details.incident))
            .unwrap_or_else(|| pending(row)),
        _ => silenced(&details.incident).unwrap_or_else(|| match open {
            Some(row) => format!("{}{}", joined.as_str(), told::reason(row)),
            None => format!("{} in {}; what was told covers it", joined.as_str(), details.incident.number),
        }),
    };
    Ok(Line { destination: name.clone(), at: None, text })
}

/// Those who are told of a storm or digest instead.
fn storm(store: &SqliteStore, event: &Event, number: IncidentNumber) -> Result<Vec<Line>, Failure> {
    let Some(details) = store.incident(number)? else { return Ok(Vec::new()) };
    let mut lines = Vec::new();
    for notification in &details.notifications {
        let told = notifier(store, event, Joined::Counted, &details, notification)?;
        let text = format!("through {number}: {}", told.text);
        lines.push(Line { text, ..told });
    }
    Ok(lines)
}

fn of_delivery(store: &SqliteStore, row: &DeliveryRow) -> Result<Line, Failure> {
    let (destination, at) = (row.delivery.destination.clone(), told::at(store, row)?);
    let text = match at {
        Some(_) => format!("{}{} (delivery {})", told::what(row), told::remote(row), row.delivery.id),
        None => pending(row),
    };
    Ok(Line { destination, at, text })
}

fn is_open(row: &DeliveryRow) -> bool {
    matches!(row.delivery.state, DeliveryState::Waiting | DeliveryState::Leased | DeliveryState::Dead)
}

fn pending(row: &DeliveryRow) -> String {
    let delivery = &row.delivery;
    match delivery.state {
        DeliveryState::Waiting => {
            format!(
                "due {}{} (delivery {})",
                delivery_words::when(delivery.not_before, SystemClock.now()),
                told::reason(row),
                delivery.id
            )
        }
        DeliveryState::Leased => format!("under way (delivery {})", delivery.id),
        _ => format!("{}{} (delivery {})", delivery.state.as_str(), told::reason(row), delivery.id),
    }
}

/// It waits for the end of a silence, and not for the next try.
fn waits_for_silence(row: &DeliveryRow, incident: &Incident) -> bool {
    let delivery = &row.delivery;
    delivery.state == DeliveryState::Waiting
        && incident.silenced_until.is_some_and(|until| delivery.not_before >= until)
}

fn silenced(incident: &Incident) -> Option<String> {
    let until = incident.silenced_until.filter(|until| *until > SystemClock.now())?;
    Some(format!("silenced until {}", told::utc(until)))
}
