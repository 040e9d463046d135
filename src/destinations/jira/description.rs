//! What is in a ticket and in a comment, before it becomes a document or wiki markup.

use serde_json::Value;

use super::part::Part;
use super::{DESCRIPTION_BYTES_MAX, Deployment, EXCERPT_HEADING, EXTENTS, Extent, Jira, adf, wiki};
use crate::destinations::render::{
    Fact, Form, IncidentSummary, Own, Summary, Words, growth, newest, news, truncate, who_and_what,
};
use crate::domain::{Change, IncidentKind, Job, Link, Telling};

impl Jira {
    /// The longest form that Jira takes.
    pub fn rich_text(&self, parts: impl Fn(&Extent) -> Vec<Part>) -> Value {
        let mut text = Value::Null;
        for extent in &EXTENTS {
            let parts = parts(extent);
            text = match self.deployment {
                Deployment::Cloud => adf::of(&parts),
                Deployment::DataCenter => Value::String(wiki::of(&parts)),
            };
            if text.to_string().len() <= DESCRIPTION_BYTES_MAX {
                break;
            }
        }
        text
    }
}

/// The description of a ticket: how it stands when it is made, by headings.
pub fn description(
    incident: &IncidentSummary,
    news: Option<&Words>,
    follows: Option<&str>,
    extent: &Extent,
) -> Vec<Part> {
    let event = &incident.event;
    let short = |words: &Words| Part::Line(words.shortened(extent.value_chars_max));
    let mut parts: Vec<Part> = event.notes.iter().map(|note| Part::Strong((*note).to_owned())).collect();
    let is_events = incident.form == Form::Events;
    if let Some(own) = incident.own_text(4 * extent.text_chars_max) {
        parts.push(Part::Text(own));
        parts.extend(follows.map(|key| Part::Line(Words::of("Follows ").value(key))));
        parts.extend(own_fields(&incident.own, extent));
        parts.push(Part::Heading(WHERE_FROM));
        parts.extend(where_from(incident, &incident.links, is_events, extent));
        return parts;
    }
    parts.push(Part::Strong(incident.rank.to_string()));
    parts.extend(news.into_iter().chain(&incident.standing).map(short));
    parts.extend(follows.map(|key| Part::Line(Words::of("Follows ").value(key))));
    let mut section = |heading, body: Vec<Part>| {
        if !body.is_empty() {
            parts.push(Part::Heading(heading));
            parts.extend(body);
        }
    };
    let text = |text: &Option<String>| {
        let text = text.as_ref().filter(|_| is_events);
        text.map(|text| Part::Text(truncate::chars(text, extent.text_chars_max).into_owned())).into_iter().collect()
    };
    section("What happened", text(&event.message));
    let facts = match own_fields(&incident.own, extent) {
        None if incident.own.fields.is_none() => {
            Some(facts(incident, extent)).filter(|facts| !facts.is_empty()).map(Part::Facts)
        }
        own => own,
    };
    section("Who and what", incident.action().as_ref().map(short).into_iter().chain(facts).collect());
    section("How often", incident.extent.iter().chain(&incident.parts).map(short).collect());
    section("What it means", text(&event.impact));
    section("What to do", text(&event.remediation));
    let said = |(name, text)| Part::Line(Words::of(format!("{name}: ")).value(text));
    let runbook = incident.runbook.iter().cloned().map(Part::Link);
    section("Owner and runbook", incident.said().into_iter().map(said).chain(runbook).collect());
    let evidence = event.evidence.as_ref().filter(|_| is_events);
    let evidence = evidence.map(|text| Part::Code(truncate::chars(text, extent.text_chars_max).into_owned()));
    section(EXCERPT_HEADING, evidence.into_iter().collect());
    section(WHERE_FROM, where_from(incident, incident.vendor_links(), is_events, extent));
    parts
}

/// Where it came from, the way back, and the pages to open.
fn where_from(incident: &IncidentSummary, links: &[Link], is_events: bool, extent: &Extent) -> Vec<Part> {
    let when = Words::of(format!("{} · event {}", incident.event.when, incident.event.event));
    let origin = Words::default().value(incident.origin.as_str());
    let lookup = incident.lookup.as_ref().map(|lookup| Words::default().value(lookup.as_str()));
    let origin = [origin].into_iter().chain(is_events.then_some(when)).chain(lookup);
    let links = links.iter().cloned().map(Part::Link);
    origin.map(|words| Part::Line(words.shortened(extent.value_chars_max))).chain(links).collect()
}

/// The operator's own named values.
fn own_fields(own: &Own, extent: &Extent) -> Option<Part> {
    let short = |text: &str| truncate::chars(text, extent.value_chars_max).into_owned();
    let fields = own.fields.as_ref().filter(|fields| !fields.is_empty())?;
    let fields = fields.iter().take(extent.facts_max);
    Some(Part::Facts(fields.map(|fact| Fact { name: short(&fact.name), value: short(&fact.value) }).collect()))
}

/// A comment: what is new against what was told before, never the whole again.
pub fn difference(job: &Job<'_>, telling: &Telling<'_>, repeat: Option<&str>, extent: &Extent) -> Vec<Part> {
    let mut parts: Vec<Part> = repeat.map(|note| Part::Strong(note.to_owned())).into_iter().collect();
    let change = telling.intent.change;
    let own = Own::of(telling.wording);
    if let Some(text) = &own.text {
        parts.push(Part::Text(truncate::chars(text, 4 * extent.text_chars_max).into_owned()));
        parts.extend(own_fields(&own, extent));
        return parts;
    }
    let line = |words: Words| Part::Line(words.shortened(extent.value_chars_max));
    let news = if change == Change::Update { Some(growth(telling)) } else { news(job, telling) };
    parts.extend(news.map(line));
    if matches!(change, Change::Update | Change::Repeat) {
        let who = who_and_what(telling).map(Words::of);
        let newest = newest(telling);
        let words = match (who, newest) {
            (Some(who), Some(newest)) => Some(who.ours("; ").then(newest)),
            (who, newest) => who.or(newest),
        };
        parts.extend(words.map(line));
    }
    if change == Change::Raise {
        let event = Summary::of(job);
        let evidence = event.evidence.filter(|_| telling.incident.kind == IncidentKind::Events);
        parts.extend(evidence.map(|text| Part::Code(truncate::chars(&text, extent.text_chars_max).into_owned())));
    }
    parts
}

fn facts(incident: &IncidentSummary, extent: &Extent) -> Vec<Fact> {
    if incident.form != Form::Events {
        return Vec::new();
    }
    let short = |text: &str| truncate::chars(text, extent.value_chars_max).into_owned();
    let all = incident.facts.iter().chain(&incident.event.labels).take(extent.facts_max);
    all.map(|fact| Fact { name: short(&fact.name), value: short(&fact.value) }).collect()
}

const WHERE_FROM: &str = "Where it came from";
