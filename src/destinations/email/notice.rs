//! What a mail says, part by part, before it is plain text or HTML.

use crate::destinations::render::{Fact, Form, IncidentSummary, Words, news, news_of_whole, truncate};
use crate::domain::{Change, IncidentState, Job, Link, Operation, Severity, Telling};

/// A mail. Texts are cut and not escaped.
pub struct Notice {
    /// `✅ resolved · CRITICAL · SUCCEEDED · SQL injection · #4711`: always the present state.
    pub first_line: String,
    /// How bad it is, for the colour.
    pub severity: Severity,
    /// What stands below, in its order.
    pub parts: Vec<Part>,
}

/// A part of a mail.
pub enum Part {
    /// A sentence that must not be overlooked.
    Note(String),
    /// The operator's own text, several lines.
    Own(String),
    /// Lines of our words and of values.
    Lines(Vec<Words>),
    /// The vendor's or the attacker's own words, several lines.
    Quote { name: &'static str, text: String },
    /// Named values.
    Facts(Vec<(String, String)>),
    /// Pages to open.
    Links(Vec<Link>),
    /// Where it came from, and the way back.
    Origin(String),
}

/// Whether a mail says that it may be a repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    No,
    PossibleRepeat,
}

impl Notice {
    /// What is told of a change: the whole where it is the opening, else what is new and what it is about.
    pub fn of(job: &Job<'_>, telling: &Telling<'_>, marked: Marked) -> Self {
        let mut incident = IncidentSummary::of(job, telling);
        if marked == Marked::PossibleRepeat {
            incident.event = incident.event.possible_repeat();
        }
        let notes = incident.event.notes.iter().map(|note| Part::Note((*note).to_owned()));
        let mut parts: Vec<Part> = notes.collect();
        let own = incident.own_text(OWN_CHARS_MAX);
        let has_own = own.is_some();
        match telling.intent.operation {
            _ if has_own => parts.extend(own.map(Part::Own)),
            Operation::Reply { .. } => parts.extend(update(job, telling, &incident)),
            _ => parts.extend(opening(job, telling, &incident)),
        }
        if let Some(fields) = incident.own.fields.as_ref().filter(|fields| !fields.is_empty()) {
            parts.push(Part::Facts(named(fields)));
        }
        let said = incident.said().into_iter().map(|(name, text)| (name.to_owned(), text.to_owned()));
        let said: Vec<(String, String)> = said.collect();
        if !said.is_empty() && !has_own {
            parts.push(Part::Facts(said));
        }
        if !incident.links.is_empty() {
            parts.push(Part::Links(incident.links.iter().map(short_link).collect()));
        }
        parts.push(Part::Origin(origin(&incident)));
        Self { first_line: first_line(&incident), severity: incident.rank.severity, parts }
    }
}

/// `[#4711] SQL injection on POST /v1/payments`: that of the opening, which all mails of the incident keep.
pub fn subject(job: &Job<'_>, telling: &Telling<'_>) -> String {
    let incident = IncidentSummary::of(job, telling);
    if let Some(subject) = incident.own_subject(SUBJECT_CHARS_MAX) {
        return unencoded(&subject);
    }
    let mark = match (incident.event.mark, incident.number) {
        (Some(mark), _) => format!("[{mark}] "),
        (None, Some(number)) => format!("[{number}] "),
        (None, None) => String::new(),
    };
    let room = SUBJECT_CHARS_MAX.saturating_sub(mark.encode_utf16().count());
    let title = unencoded(&incident.title);
    format!("{mark}{}", truncate::chars(&title, room))
}

/// A mail program would read `=?` as an encoded word, and show something else than what stands there.
fn unencoded(text: &str) -> String {
    text.replace("=?", "= ?")
}

fn first_line(incident: &IncidentSummary) -> String {
    if let Some(title) = incident.own_title(FIRST_LINE_CHARS_MAX) {
        return title;
    }
    let state = match incident.state {
        IncidentState::Open => "",
        IncidentState::Acknowledged => "👀 acknowledged · ",
        IncidentState::Resolved => "✅ resolved · ",
        IncidentState::Quiet => "💤 quiet · ",
    };
    format!("{state}{}", incident.headline(FIRST_LINE_CHARS_MAX))
}

fn opening(job: &Job<'_>, telling: &Telling<'_>, incident: &IncidentSummary) -> Vec<Part> {
    let news = news_of_whole(job, telling);
    let action = incident.action();
    let words = news.iter().chain(&action).chain(&incident.extent).chain(&incident.parts).chain(&incident.standing);
    let mut parts = vec![Part::Lines(short(words))];
    if incident.form == Form::Events {
        parts.extend(texts(incident));
        parts.extend(incident.own.fields.is_none().then(|| Part::Facts(facts(incident))));
    }
    parts
}

fn update(job: &Job<'_>, telling: &Telling<'_>, incident: &IncidentSummary) -> Vec<Part> {
    // A raise names who did what already.
    let is_raise = telling.intent.change == Change::Raise;
    let action = incident.action().filter(|_| !is_raise);
    let news = news(job, telling);
    let mut parts = vec![Part::Lines(short(&news))];
    parts.push(Part::Lines(short(action.iter().chain(&incident.extent).chain(&incident.parts))));
    if is_raise && incident.form == Form::Events {
        parts.extend(texts(incident));
    }
    parts
}

fn short<'w>(words: impl IntoIterator<Item = &'w Words>) -> Vec<Words> {
    words.into_iter().map(|words| words.shortened(VALUE_CHARS_MAX)).collect()
}

/// What happened, what it means, what to do, what was seen.
fn texts(incident: &IncidentSummary) -> Vec<Part> {
    let event = &incident.event;
    let all = [
        ("What happened", &event.message, TEXT_LINES_MAX, TEXT_CHARS_MAX),
        ("What it means", &event.impact, TEXT_LINES_MAX, TEXT_CHARS_MAX),
        ("What to do", &event.remediation, TEXT_LINES_MAX, TEXT_CHARS_MAX),
        ("Evidence, credentials redacted", &event.evidence, EVIDENCE_LINES_MAX, EVIDENCE_CHARS_MAX),
    ];
    let quote = |(name, text, lines_max, chars_max): (_, &Option<String>, _, _)| {
        let text = truncate::lines(text.as_deref()?, lines_max, chars_max).into_owned();
        Some(Part::Quote { name, text })
    };
    all.into_iter().filter_map(quote).collect()
}

/// Facts with a name that people know, then a few labels.
fn facts(incident: &IncidentSummary) -> Vec<(String, String)> {
    let (labels, more) = incident.event.few_labels();
    let more = (more > 0).then(|| ("more labels".to_owned(), more.to_string()));
    named(incident.facts.iter().chain(labels)).into_iter().chain(more).collect()
}

fn named<'f>(facts: impl IntoIterator<Item = &'f Fact>) -> Vec<(String, String)> {
    let short = |text: &str, chars_max| truncate::chars(text, chars_max).into_owned();
    let named = |fact: &Fact| (short(&fact.name, NAME_CHARS_MAX), short(&fact.value, VALUE_CHARS_MAX));
    facts.into_iter().map(named).collect()
}

fn short_link(link: &Link) -> Link {
    Link { title: truncate::chars(&link.title, NAME_CHARS_MAX).into_owned(), url: link.url.clone() }
}

fn origin(incident: &IncidentSummary) -> String {
    let origin = truncate::chars(&incident.origin, ORIGIN_CHARS_MAX);
    match &incident.lookup {
        Some(lookup) => format!("{origin} · {lookup}"),
        None => format!("{origin} · event {}", incident.event.event),
    }
}

const SUBJECT_CHARS_MAX: usize = 200;
const FIRST_LINE_CHARS_MAX: usize = 400;
const VALUE_CHARS_MAX: usize = 500;
const NAME_CHARS_MAX: usize = 100;
const ORIGIN_CHARS_MAX: usize = 400;
const OWN_CHARS_MAX: usize = 20_000;
const TEXT_LINES_MAX: usize = 60;
const TEXT_CHARS_MAX: usize = 4000;
const EVIDENCE_LINES_MAX: usize = 120;
const EVIDENCE_CHARS_MAX: usize = 8000;
