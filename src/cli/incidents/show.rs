//! `gatepost incidents show`: one incident whole, with its timeline.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::failure::{Failure, Outcome};
use super::super::json::{DeliveryJson, EventJson, IncidentJson, json_of};
use super::super::output::out;
use super::super::paint::{Paint, Tone};
use super::super::show::said;
use super::super::{delivery_words, moment, terminal, told};
use crate::config::Outline;
use crate::domain::{
    Annotation, Clock, DeliveryState, DigestFacts, DigestOf, Distinct, Event, Facet, Incident, IncidentKind,
    IncidentState, MilestoneKind, SystemClock, Timestamp, Told,
};
use crate::routing::Annotations;
use crate::store::{DeliveryRow, IncidentDetails, NotificationRow, SqliteStore};

/// Prints it.
pub fn incident(
    outline: &Outline,
    annotations: &Annotations,
    store: &SqliteStore,
    details: &IncidentDetails,
    json: bool,
) -> Outcome {
    // What is said of one event of many would mislead.
    let is_of_events = details.incident.kind == IncidentKind::Events;
    let annotation = if is_of_events { annotations.of(&details.event) } else { Annotation::NONE };
    if json {
        return out!("{}", json_of(&document(store, details, &annotation)?)?);
    }
    head(&details.incident)?;
    facts(details)?;
    said(&annotation).try_for_each(|(what, text)| fact(what, text))?;
    timeline(store, details)?;
    told_so_far(outline, details)?;
    held_back(details)
}

fn head(incident: &Incident) -> Outcome {
    let paint = Paint::of_stdout();
    let state = paint.paint(Tone::of_incident(incident.state), incident.state.as_str());
    let rank = paint.paint(Tone::of_severity(incident.rank.severity), &incident.rank.to_string());
    out!("{} {state} · {rank} · {}", incident.number, terminal::line(&incident.title, 160))
}

fn facts(details: &IncidentDetails) -> Outcome {
    let incident = &details.incident;
    let facets = &details.facets;
    let is_storm = is_storm(incident);
    let counted = match incident.count {
        1 => format!("1, at {}", told::utc(incident.first_at)),
        count => format!("{count} since {}, last {}", told::utc(incident.first_at), told::utc(incident.last_at)),
    };
    // A repetition is not counted, and shows that it goes on; an export may tell of what is long ago.
    let is_later = incident.received_at > incident.last_at.plus(LATER);
    let shown = [
        ("state", Some(standing(incident))),
        ("acknowledged", acknowledged(incident)),
        ("silenced", silenced(incident, SystemClock.now())),
        ("stands for", stands_for(incident)),
        ("told through", incident.fold.map(|fold| format!("{}, not by itself", fold.storm))),
        ("follows", incident.follows.map(|before| format!("{before}, which had ended"))),
        ("source", Some(format!("{} ({})", incident.source, details.event.vendor))),
        ("rule", Some(incident.rule.clone())),
        (if is_storm { "incidents" } else { "events" }, Some(counted)),
        ("last received", is_later.then(|| told::utc(incident.received_at))),
        ("how they came", Some(by_reason(details))),
        ("victims", facet(&facets.victims)),
        ("actors", facet(&facets.actors)),
        (if is_storm { "rules" } else { "targets" }, facet(&facets.targets)),
        ("message", details.event.message.clone()),
        ("shown by", Some(format!("event {}", details.event.id))),
    ];
    for (what, text) in shown.into_iter().filter_map(|(what, text)| Some((what, text.filter(|text| !text.is_empty())?)))
    {
        fact(what, &text)?;
    }
    links(&details.event)
}

fn fact(what: &str, text: &str) -> Outcome {
    out!("  {what:<WHAT_CHARS$} {}", terminal::line(text, TEXT_CHARS_MAX))
}

fn links(event: &Event) -> Outcome {
    event.links.iter().try_for_each(|link| fact("link", &format!("{}: {}", link.title, link.url)))
}

fn standing(incident: &Incident) -> String {
    let unattended = if incident.is_unattended { ", not acknowledged by a person" } else { "" };
    let since = told::utc(incident.state_since);
    let held = incident.resolution_held_until.map(|until| {
        format!("; the vendor's resolution counts from {} on, because it came back too often", told::utc(until))
    });
    let by = incident.state_by.shown();
    format!("{} since {since}, by {by}{unattended}{}", incident.state.as_str(), held.unwrap_or_default())
}

/// Who had it, where that is not what the state says.
fn acknowledged(incident: &Incident) -> Option<String> {
    let by = incident.acknowledgement.as_ref().filter(|_| incident.state != IncidentState::Acknowledged)?;
    Some(format!("by {} at {}, before", by.by.shown(), told::utc(by.at)))
}

fn silenced(incident: &Incident, now: Timestamp) -> Option<String> {
    let until = incident.silenced_until.filter(|until| *until > now)?;
    Some(format!("until {}: only a raise or a spread is told", told::utc(until)))
}

fn stands_for(incident: &Incident) -> Option<String> {
    let number = incident.number.0;
    match &incident.kind {
        IncidentKind::Events => None,
        IncidentKind::Digest(DigestFacts { incidents, of: DigestOf::Updates(listed), .. }) => {
            let numbers: Vec<String> = listed.iter().map(|updated| updated.number.to_string()).collect();
            let more = if usize::try_from(*incidents).is_ok_and(|all| all > numbers.len()) { " and more" } else { "" };
            Some(format!("{incidents} incidents that went on while they were not told: {}{more}", numbers.join(", ")))
        }
        IncidentKind::Digest(facts) => Some(format!(
            "{} incidents whose events were old when they came: gatepost incidents list --all --storm {number}",
            facts.incidents
        )),
        IncidentKind::Storm(facts) => {
            let rules = u64::try_from(facts.rules.len()).unwrap_or(u64::MAX).saturating_add(facts.more_rules);
            let named = u64::try_from(facts.named_in_all()).unwrap_or(u64::MAX).min(rules);
            let are = if named == 1 { "is" } else { "are" };
            Some(format!(
                "{} of {}, of which {} {are} named: gatepost incidents list --storm {number}",
                number_of(facts.incidents, "incident"),
                number_of(rules, "rule"),
                named
            ))
        }
    }
}

/// A storm counts incidents, and keeps its rules in the place of targets.
fn is_storm(incident: &Incident) -> bool {
    matches!(incident.kind, IncidentKind::Storm(_))
}

fn number_of(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn by_reason(details: &IncidentDetails) -> String {
    let reasons: Vec<String> = details.events.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    reasons.join(" · ")
}

/// `3: 203.0.113.7 (10), 198.51.100.2 (2)`; nothing where there are none.
fn facet(facet: &Facet) -> Option<String> {
    let frequent = facet.frequent();
    let shown: Vec<String> = frequent.iter().map(|(value, count)| format!("{value} ({count})")).collect();
    let distinct = match facet.distinct() {
        Distinct::Exactly(number) => number.to_string(),
        Distinct::About(number) => format!("about {number}"),
    };
    let newest: Vec<&str> = facet.newest().filter(|value| !frequent.iter().any(|(known, _)| known == value)).collect();
    let newest = if newest.is_empty() { String::new() } else { format!("; newest {}", newest.join(", ")) };
    (!shown.is_empty()).then(|| format!("{distinct}: {}{newest}", shown.join(", ")))
}

/// What changed and who was told, in the order in which it happened.
fn timeline(store: &SqliteStore, details: &IncidentDetails) -> Outcome {
    let paint = Paint::of_stdout();
    out!("{}", paint.paint(Tone::Heading, "Timeline (UTC)"))?;
    let mut lines: Vec<(Timestamp, String)> = Vec::new();
    for milestone in &details.milestones {
        let word = milestone.what.as_str().replace('_', " ");
        let tone = tone_of(milestone.what);
        lines.push((milestone.at, line(paint.paint(tone, &format!("{word:<16}")), &told::by_and_note(milestone))));
    }
    for row in &details.deliveries {
        if let Some(at) = told::at(store, row)? {
            let word = paint.paint(Tone::of_state(DeliveryState::Delivered), &format!("{:<16}", "told"));
            let text = format!("{}: {}{}", row.delivery.destination, told::what(row), told::remote(row));
            lines.push((at, line(word, &text)));
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    lines.iter().try_for_each(|(at, line)| out!("  {}  {line}", moment::short(*at)))
}

fn line(word: String, text: &str) -> String {
    format!("{word} {text}")
}

fn tone_of(what: MilestoneKind) -> Tone {
    match what {
        MilestoneKind::Raised | MilestoneKind::Spread | MilestoneKind::Reopened => Tone::Bad,
        MilestoneKind::Resolved => Tone::Good,
        MilestoneKind::Acknowledged => Tone::Waiting,
        _ => Tone::Plain,
    }
}

/// What each notifier knows, and what it is to be told still.
fn told_so_far(outline: &Outline, details: &IncidentDetails) -> Outcome {
    out!("{}", Paint::of_stdout().paint(Tone::Heading, "Told"))?;
    if details.notifications.is_empty() {
        let why =
            if details.incident.fold.is_some() { "it is told through another one" } else { "no notifier has joined" };
        return out!("  none: {why}");
    }
    for row in &details.notifications {
        let open = details
            .deliveries
            .iter()
            .rev()
            .find(|delivery| delivery.delivery.destination == row.destination && is_open(delivery));
        let is_known = outline.destinations.contains_key(row.destination.as_str());
        let absent = if is_known { "" } else { " (not configured)" };
        let next = open.map(next).unwrap_or_default();
        let knows = knows(row, if is_storm(&details.incident) { "incident" } else { "event" });
        out!("  {}{absent}: {knows}{}{next}", row.destination, instead(row, &details.notifications))?;
    }
    Ok(())
}

fn is_open(row: &DeliveryRow) -> bool {
    matches!(row.delivery.state, DeliveryState::Waiting | DeliveryState::Leased | DeliveryState::Dead)
}

/// `what`: what the incident counts.
fn knows(row: &NotificationRow, what: &str) -> String {
    let notification = &row.told;
    let Some(said) = &notification.said else { return "knows nothing of it yet".to_owned() };
    let reference = notification.reference.as_ref().map(|reference| reference.name.as_str());
    let reference = reference.filter(|name| !name.is_empty()).map(|name| format!(" as {}", terminal::line(name, 80)));
    let pages = match notification.pages {
        0 => String::new(),
        pages => format!(
            ", pages {pages}, acknowledged {}, resolved {}",
            notification.pages_acknowledged, notification.pages_resolved
        ),
    };
    let shown = notification
        .shown
        .as_ref()
        .filter(|shown| shown.at > said.at)
        .map(|shown| format!("; shows {}", stood(shown, what)));
    let gone = if notification.is_gone { "; what was made there is gone" } else { "" };
    let refused = if row.is_refused { "; it has refused the last change" } else { "" };
    format!(
        "told {}{}{pages}{}{gone}{refused}",
        stood(said, what),
        reference.unwrap_or_default(),
        shown.unwrap_or_default()
    )
}

/// Which notifier is told instead of this one, or the other way round.
fn instead(row: &NotificationRow, all: &[NotificationRow]) -> String {
    let of = row.instead_of.iter().map(|other| format!("; as the fallback of {other}, which had not taken it"));
    let by = all.iter().filter(|other| other.instead_of.as_ref() == Some(&row.destination));
    of.chain(by.map(|other| format!("; told at {} instead, its fallback", other.destination))).collect()
}

/// The state at that time.
fn stood(told: &Told, what: &str) -> String {
    let standing = &told.standing;
    let count = number_of(standing.count, what);
    format!("{} · {} · {count} at {}", standing.state.as_str(), standing.rank, told::utc(told.at))
}

fn next(row: &DeliveryRow) -> String {
    let delivery = &row.delivery;
    match delivery.state {
        DeliveryState::Waiting => {
            let when = delivery_words::when(delivery.not_before, SystemClock.now());
            format!("; next look {when}{}", told::reason(row))
        }
        DeliveryState::Leased => format!("; {} is under way", told::what(row)),
        _ => format!(
            "; {} is a dead letter{} (gatepost replay --delivery {})",
            told::what(row),
            told::reason(row),
            delivery.id
        ),
    }
}

/// What was not told by itself, and why.
fn held_back(details: &IncidentDetails) -> Outcome {
    let number = details.incident.number;
    let mut lines: Vec<String> = Vec::new();
    for (reason, count) in &details.events {
        let text = match *reason {
            "counted" => format!("{count} events: counted in {number}; counts are told in time, to a pager never"),
            "late" => format!("{count} events: counted, and older than the resolution, so that they reopen nothing"),
            "ended" => format!("{count} events: the end of one alert, while others go on or all was over"),
            "resolution held" => format!("{count} events: the end of an incident that came back too often"),
            "resolution outdated" => format!("{count} events: the end of an alert that has fired since"),
            _ => continue,
        };
        lines.push(text);
    }
    let mut superseded: BTreeMap<(String, String), u64> = BTreeMap::new();
    for row in details.deliveries.iter().filter(|row| row.delivery.state == DeliveryState::Superseded) {
        let reason = row.delivery.reason.clone().unwrap_or_default();
        *superseded.entry((row.delivery.destination.to_string(), reason)).or_default() += 1;
    }
    lines.extend(
        superseded
            .into_iter()
            .map(|((to, why), count)| format!("{count} looks at {to}: {}", terminal::line(&why, 200))),
    );
    lines.extend(silenced(&details.incident, SystemClock.now()).map(|text| format!("silenced {text}")));
    lines.extend(details.incident.fold.map(|fold| format!("everything: it is told through {}", fold.storm)));
    if lines.is_empty() {
        return Ok(());
    }
    out!("{}", Paint::of_stdout().paint(Tone::Heading, "Held back"))?;
    lines.iter().try_for_each(|line| out!("  {line}"))
}

fn document(store: &SqliteStore, details: &IncidentDetails, annotation: &Annotation) -> Result<Value, Failure> {
    let mut changes = Vec::new();
    for row in &details.deliveries {
        changes.push(json!({ "delivery": DeliveryJson::from(row), "told_at": told::at(store, row)? }));
    }
    let milestones: Vec<Value> = details
        .milestones
        .iter()
        .map(|one| json!({ "at": one.at, "what": one.what, "by": one.by.to_word(), "note": one.note }))
        .collect();
    let event = EventJson::of_event(&details.event)?;
    let facets = &details.facets;
    let none = Facet::default();
    let is_storm = is_storm(&details.incident);
    let targets = if is_storm { &none } else { &facets.targets };
    let mut document = json!({
        "incident": IncidentJson::from(&details.incident),
        "annotation": annotation,
        "events_by_reason": details.events.iter().copied().collect::<BTreeMap<_, _>>(),
        "victims": facet_json(&facets.victims, "events"),
        "actors": facet_json(&facets.actors, "events"),
        "targets": facet_json(targets, "events"),
        "event": event,
        "milestones": milestones,
        "notifications": details.notifications,
        "changes": changes,
    });
    if is_storm {
        document["rules"] = facet_json(&facets.targets, "incidents");
    }
    Ok(document)
}

/// `counted`: what each value was counted in.
fn facet_json(facet: &Facet, counted: &str) -> Value {
    let frequent = facet.frequent().into_iter().map(|(value, count)| json!({ "value": value, counted: count }));
    json!({
        "distinct": facet.distinct().number(),
        "is_exact": matches!(facet.distinct(), Distinct::Exactly(_)),
        "frequent": frequent.collect::<Vec<_>>(),
        "newest": facet.newest().collect::<Vec<_>>(),
    })
}

/// Where the last request is later than the last event by this much, its time is shown too.
const LATER: Duration = Duration::from_secs(2);
const WHAT_CHARS: usize = 13;
const TEXT_CHARS_MAX: usize = 600;
