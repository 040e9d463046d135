//! What a template can name: the words of an incident, redacted and free of control characters, neither cut nor escaped.
//!
//! Every name is always there: an absent text is `""`, so that `{% if who %}` asks whether it is known.

use std::collections::BTreeMap;

use serde::Serialize;

use super::names::FACTS;
use crate::destinations::render::{
    ChatMessage, Fact, Form, IncidentSummary, Words, growth, line, newest, news, who_and_what,
};
use crate::domain::{Job, Link, NotifierClass, Operation, Purpose, Telling};

/// What a template can name. `docs/templates.md` lists each.
#[derive(Debug, Serialize)]
pub struct Context {
    title: String,
    headline: String,
    mark: &'static str,
    rank: String,
    severity: &'static str,
    outcome: &'static str,
    symbol: &'static str,
    number: String,
    state: &'static str,
    change: &'static str,
    operation: &'static str,
    form: &'static str,
    destination: &'static str,
    is_thread: bool,
    is_test: bool,
    who: String,
    what: String,
    action: String,
    victim: String,
    extent: String,
    news: String,
    growth: String,
    newest: String,
    who_and_what: String,
    parts: Vec<String>,
    standing: Vec<String>,
    notes: Vec<&'static str>,
    message: String,
    impact: String,
    remediation: String,
    evidence: String,
    owner: String,
    runbook: String,
    note: String,
    fact: BTreeMap<&'static str, String>,
    facts: Vec<Named>,
    labels: Vec<Named>,
    links: Vec<Page>,
    count: u64,
    source: String,
    vendor: String,
    #[serde(rename = "type")]
    kind: String,
    rule: String,
    vendor_id: String,
    event: String,
    when: String,
    origin: String,
    lookup: String,
}

#[derive(Debug, Serialize)]
struct Named {
    name: String,
    value: String,
}

#[derive(Debug, Serialize)]
struct Page {
    title: String,
    url: String,
}

impl Context {
    /// Of what a notifier of that kind and class is told.
    pub fn of(job: &Job<'_>, telling: &Telling<'_>, destination: &'static str, class: NotifierClass) -> Self {
        let style = Style::of(destination, job);
        let incident = IncidentSummary::of(job, telling);
        let is_events = incident.form == Form::Events;
        let line_of = |words: &Words| words.shortened(style.value_chars_max).plain(style.now);
        let maybe = |words: Option<Words>| words.as_ref().map(line_of).unwrap_or_default();
        let of_events = |text: &Option<String>| text.clone().filter(|_| is_events).unwrap_or_default();
        let named = |facts: &[Fact]| {
            let named = |fact: &Fact| Named { name: fact.name.clone(), value: fact.value.clone() };
            facts.iter().filter(|_| is_events).map(named).collect::<Vec<_>>()
        };
        let (facts, labels) = (named(&incident.facts), named(&incident.event.labels));
        let symbol = ChatMessage::symbol_of(&incident);
        Self {
            headline: incident.headline(usize::from(u16::MAX)),
            mark: incident.event.mark.unwrap_or_default(),
            rank: incident.rank.to_string(),
            severity: incident.rank.severity.as_str(),
            outcome: incident.rank.outcome.map(|outcome| outcome.as_str()).unwrap_or_default(),
            symbol,
            number: incident.number.map(|number| number.to_string()).unwrap_or_default(),
            state: incident.state.as_str(),
            change: telling.intent.change.as_str(),
            operation: word_of(telling.intent.operation),
            form: match incident.form {
                Form::Events => "events",
                Form::Storm => "storm",
                Form::Digest => "digest",
            },
            destination,
            is_thread: destination == "slack"
                && class == NotifierClass::EditableChat
                && matches!(telling.intent.operation, Operation::Reply { .. }),
            is_test: job.purpose == Purpose::Probe,
            who: incident.who.as_ref().map(|side| format!("{}{}", side.newest, side.more)).unwrap_or_default(),
            what: incident.what.as_ref().map(|side| format!("{}{}", side.newest, side.more)).unwrap_or_default(),
            action: maybe(incident.action()),
            victim: incident.victim.clone().unwrap_or_default(),
            extent: maybe(incident.extent.clone()),
            news: maybe(news(job, telling)),
            growth: maybe(Some(growth(telling))),
            newest: maybe(newest(telling)),
            who_and_what: who_and_what(telling).unwrap_or_default(),
            parts: incident.parts.iter().map(line_of).collect(),
            standing: incident.standing.iter().map(line_of).collect(),
            notes: incident.event.notes.clone(),
            message: of_events(&incident.event.message),
            impact: of_events(&incident.event.impact),
            remediation: of_events(&incident.event.remediation),
            evidence: of_events(&incident.event.evidence),
            owner: incident.owner.clone().unwrap_or_default(),
            runbook: incident.runbook.as_ref().map(|link| link.url.clone()).unwrap_or_default(),
            note: incident.note.clone().unwrap_or_default(),
            fact: FACTS.iter().map(|(key, name)| (*key, value_of(&facts, name))).collect(),
            facts,
            labels,
            links: incident.links.iter().map(page).collect(),
            count: telling.incident.count,
            source: incident.event.source.clone(),
            vendor: incident.event.vendor.clone(),
            kind: incident.event.kind.clone(),
            rule: line(&telling.incident.rule).filter(|_| is_events).unwrap_or_default(),
            vendor_id: incident.event.vendor_id.clone().filter(|_| is_events).unwrap_or_default(),
            event: incident.event.event.clone(),
            when: incident.event.when.clone(),
            origin: incident.origin.clone(),
            lookup: incident.lookup.clone().unwrap_or_default(),
            title: incident.title,
        }
    }
}

/// How lines are written for a kind of notifier.
struct Style {
    value_chars_max: usize,
    now: Option<crate::domain::Timestamp>,
}

impl Style {
    /// A chat and a page are read at once, so that times need no date; a mail and a ticket are read later.
    fn of(destination: &str, job: &Job<'_>) -> Self {
        match destination {
            "email" => Self { value_chars_max: 500, now: None },
            "jira" | "servicenow" => Self { value_chars_max: 300, now: None },
            "pagerduty" | "opsgenie" => Self { value_chars_max: 4_000, now: Some(job.now) },
            _ => Self { value_chars_max: 150, now: Some(job.now) },
        }
    }
}

fn word_of(operation: Operation) -> &'static str {
    match operation {
        Operation::Trigger { .. } | Operation::AcknowledgePage { .. } | Operation::ResolvePage { .. } => "page",
        Operation::Create { .. } | Operation::Transition => "create",
        Operation::Edit => "edit",
        Operation::Reply { .. } => "reply",
    }
}

fn value_of(facts: &[Named], name: &str) -> String {
    facts.iter().find(|fact| fact.name == name).map(|fact| fact.value.clone()).unwrap_or_default()
}

fn page(link: &Link) -> Page {
    Page { title: link.title.clone(), url: link.url.clone() }
}
