//! What is in an alert: the words of an incident in the fields of Opsgenie, each within its limit.
//!
//! Opsgenie shows the HTML of an alert in its console and reads it out as it is on the telephone. There is no escape that is
//! right for both, so what could be a tag loses its angle brackets.

use serde_json::{Map, Value, json};

use super::{Opsgenie, priority};
use crate::destinations::render::{Form, IncidentSummary, Side, Words, line, news, truncate};
use crate::domain::{Job, Purpose, Telling};

impl Opsgenie {
    /// The body of a new alert.
    pub fn alert(&self, job: &Job<'_>, telling: &Telling<'_>, alias: &str) -> Value {
        let incident = IncidentSummary::of(job, telling);
        let mut alert = json!({
            "message": message(&incident),
            "alias": alias,
            "description": description(job, telling, &incident),
            "tags": tags(&incident),
            "details": details(job, telling, &incident),
            "source": source(telling),
            "user": USER,
            "priority": priority(incident.rank.severity),
        });
        if let Some(victim) = &incident.victim {
            alert["entity"] = json!(untagged(victim, ENTITY_CHARS_MAX));
        }
        if !self.responders.is_empty() {
            alert["responders"] = json!(self.responders);
        }
        alert
    }
}

/// The body of an acknowledgement or a closing: who did it, and why.
pub fn change(job: &Job<'_>, telling: &Telling<'_>) -> Value {
    let mut change = json!({ "user": USER, "source": source(telling) });
    if let Some(news) = news(job, telling) {
        change["note"] = json!(untagged(&news.plain(Some(job.now)), NOTE_CHARS_MAX));
    }
    change
}

/// `CRITICAL · SUCCEEDED · SQL injection · api.example.com · #4711`: with the victim, unless the title names it or there is
/// too little room for both.
fn message(incident: &IncidentSummary) -> String {
    let victim = incident.victim.as_deref().filter(|victim| !incident.title.contains(victim));
    let victim = victim.map(|victim| truncate::chars(victim, VICTIM_CHARS_MAX));
    untagged(&incident.headline_with(victim.as_deref(), MESSAGE_CHARS_MAX), MESSAGE_CHARS_MAX)
}

/// As much of everything as there is room for.
fn description(job: &Job<'_>, telling: &Telling<'_>, incident: &IncidentSummary) -> String {
    let mut text = String::new();
    for text_chars_max in [4_000, 1_500, 500, 100] {
        text = paragraphs(job, telling, incident, text_chars_max).join("\n\n");
        if text.encode_utf16().count() <= DESCRIPTION_CHARS_MAX {
            break;
        }
    }
    untagged(&text, DESCRIPTION_CHARS_MAX)
}

/// In the order in which a responder reads them.
fn paragraphs(job: &Job<'_>, telling: &Telling<'_>, incident: &IncidentSummary, text_chars_max: usize) -> Vec<String> {
    let (event, is_events) = (&incident.event, incident.form == Form::Events);
    let mut paragraphs: Vec<String> = event.notes.iter().map(|note| (*note).to_owned()).collect();
    let short = |text: &str| truncate::chars(text, text_chars_max).into_owned();
    let words = |words: &Words| short(&words.plain(Some(job.now)));
    let news = news(job, telling);
    let standing = incident.standing.iter().filter(|_| news.is_none());
    let action = incident.action();
    let lines = news.iter().chain(&action).chain(&incident.extent).chain(&incident.parts).chain(standing);
    match incident.own_text(DESCRIPTION_CHARS_MAX.min(4 * text_chars_max)) {
        Some(own) => paragraphs.push(own),
        None => paragraphs.push(lines.map(words).collect::<Vec<_>>().join("\n")),
    }
    if is_events && incident.own.text.is_none() {
        let texts = [
            ("What happened", &event.message),
            ("What it means", &event.impact),
            ("What to do", &event.remediation),
            ("Evidence, credentials redacted", &event.evidence),
        ];
        let texts = texts.into_iter().filter_map(|(name, text)| Some(format!("{name}\n{}", short(text.as_ref()?))));
        paragraphs.extend(texts);
        let said = incident.said().into_iter().map(|(name, text)| format!("{name}: {text}"));
        paragraphs.push(said.collect::<Vec<_>>().join("\n"));
    }
    let links = incident.links.iter().map(|link| format!("{}: {}", short(&link.title), short(&link.url)));
    let when = is_events.then(|| event.when.clone());
    let origin = [short(&incident.origin)].into_iter().chain(when).chain(incident.lookup.clone()).chain(links);
    paragraphs.push(origin.collect::<Vec<_>>().join("\n"));
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

/// Only words of our own: Opsgenie gives some tags a meaning, such as one that overrides quiet hours.
fn tags(incident: &IncidentSummary) -> Vec<String> {
    let outcome = incident.rank.outcome.map(|outcome| outcome.as_str().to_owned());
    let all = ["gatepost".to_owned(), incident.event.source.clone(), incident.rank.severity.to_string()];
    let mut tags: Vec<String> = Vec::new();
    for tag in all.into_iter().chain(outcome).map(|tag| truncate::chars(&tag, TAG_CHARS_MAX).into_owned()) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

/// Named texts, as many as there is room for. What leads back to gatepost comes first, so that it is always there.
fn details(job: &Job<'_>, telling: &Telling<'_>, incident: &IncidentSummary) -> Value {
    let mut details = Map::new();
    let mut room = DETAILS_CHARS_MAX;
    let mut add = |name: &str, value: Option<&str>| {
        let Some(value) = value.filter(|_| !details.contains_key(name)) else { return };
        let (name, value) = (untagged(name, DETAIL_CHARS_MAX), untagged(value, DETAIL_CHARS_MAX));
        let size = json!({ name.as_str(): value.as_str() }).to_string().encode_utf16().count();
        if size <= room {
            room -= size;
            details.insert(name, json!(value));
        }
    };
    let is_events = incident.form == Form::Events;
    add("test", (job.purpose == Purpose::Probe).then_some("true"));
    add("event_id", Some(&incident.event.event));
    add("source", Some(&incident.event.source));
    for field in incident.own.fields.iter().flatten() {
        add(&field.name, Some(&field.value));
    }
    let is_events = is_events && incident.own.fields.is_none();
    add("owner", incident.owner.as_deref().filter(|_| is_events));
    add("runbook", incident.runbook.as_ref().map(|link| link.url.as_str()).filter(|_| is_events));
    add("rule", line(&telling.incident.rule).as_deref().filter(|_| is_events));
    add("type", Some(incident.event.kind.as_str()).filter(|_| is_events));
    let side = |side: &Option<Side>| side.as_ref().map(|side| format!("{}{}", side.newest, side.more));
    add("who", side(&incident.who).as_deref().filter(|_| is_events));
    add("what", side(&incident.what).as_deref().filter(|_| is_events));
    for fact in incident.facts.iter().filter(|_| is_events) {
        add(&fact.name, Some(&fact.value));
    }
    let (labels, _) = incident.event.few_labels();
    for label in labels.iter().filter(|_| is_events) {
        add(&format!("label {}", label.name), Some(&label.value));
    }
    Value::Object(details)
}

/// The source of the alert: gatepost and the name of its source.
fn source(telling: &Telling<'_>) -> String {
    truncate::chars(&format!("gatepost {}", telling.incident.source), SOURCE_CHARS_MAX).into_owned()
}

/// At most so many characters, none of them an angle bracket.
fn untagged(text: &str, chars_max: usize) -> String {
    truncate::chars(text, chars_max).replace('<', "‹").replace('>', "›")
}

/// Of the requests, as Opsgenie's log shows it.
const USER: &str = "gatepost";
pub const MESSAGE_CHARS_MAX: usize = 130;
pub const DESCRIPTION_CHARS_MAX: usize = 15_000;
pub const DETAILS_CHARS_MAX: usize = 8_000;
pub const ENTITY_CHARS_MAX: usize = 512;
/// Opsgenie takes 25,000; a note is one line.
pub const NOTE_CHARS_MAX: usize = 2_000;
const VICTIM_CHARS_MAX: usize = 40;
const DETAIL_CHARS_MAX: usize = 500;
pub const SOURCE_CHARS_MAX: usize = 100;
pub const TAG_CHARS_MAX: usize = 50;
