//! An incident as pages: triggered, acknowledged, resolved.
//!
//! A trigger on an alert that is open notifies no person, so what is worse is a page of its own, under a key of its own. Counts are
//! never sent. Every operation is absolute while its key is open: after doubt the same request goes out again.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{NAME, PACE, PagerDuty, REQUEST_BYTES_MAX, SHORT_CHARS_MAX, SUMMARY_CHARS_MAX, severity};
use crate::destinations::render::{Fact, Form, IncidentSummary, Side, Summary, Words, line, news, truncate};
use crate::destinations::{Next, Notifier, Pace, Reply, Step, classify, fingerprint};
use crate::domain::{Job, NotifierClass, Operation, Purpose, Reference, Telling};

impl Notifier for PagerDuty {
    fn class(&self) -> NotifierClass {
        NotifierClass::Pager
    }

    fn fingerprint(&self) -> [u8; 16] {
        fingerprint::of(&[b"pagerduty", self.endpoint.as_str().as_bytes(), self.routing_key.expose()])
    }

    fn pace(&self) -> Pace {
        PACE
    }

    fn first(&self, job: &Job<'_>, telling: &Telling<'_>) -> Next {
        match telling.intent.operation {
            Operation::Trigger { page } => self.send(TRIGGER, self.page(job, telling, page)),
            Operation::AcknowledgePage { page } => self.send(ACKNOWLEDGE, self.change("acknowledge", telling, page)),
            Operation::ResolvePage { page } => self.send(RESOLVE, self.change("resolve", telling, page)),
            other => Next::Done(classify::not_supported(NAME, other)),
        }
    }

    fn next(&self, job: &Job<'_>, telling: &Telling<'_>, _step: Step, reply: &Reply) -> Next {
        self.done(job, reply, |_| match telling.intent.operation {
            Operation::Trigger { page } => Some(Reference {
                name: key(telling, page),
                // Keys of pages that were made before pages had numbers.
                data: telling.told.reference.as_ref().map(|reference| reference.data.clone()).unwrap_or_default(),
            }),
            _ => None,
        })
    }
}

impl PagerDuty {
    /// The trigger, trimmed to what PagerDuty takes: first the details, then the links.
    fn page(&self, job: &Job<'_>, telling: &Telling<'_>, page: u32) -> String {
        let incident = IncidentSummary::of(job, telling);
        let mut event = self.trigger_of(job, telling, &incident, page);
        for text_chars_max in [65_536, 8192, 2048, 256] {
            event.payload.custom_details = details(job, telling, &incident, text_chars_max);
            let text = json_of(&event);
            if text.len() <= REQUEST_BYTES_MAX {
                return text;
            }
        }
        event.payload.custom_details = Details(ids(job, &incident));
        if json_of(&event).len() > REQUEST_BYTES_MAX {
            event.links = Vec::new();
        }
        json_of(&event)
    }

    fn trigger_of(&self, job: &Job<'_>, telling: &Telling<'_>, incident: &IncidentSummary, page: u32) -> Event {
        let short = |text: &str| truncate::chars(text, SHORT_CHARS_MAX).into_owned();
        let target = job.event.target.as_ref();
        let host = target.and_then(|target| target.host.as_deref()).and_then(line);
        let is_events = incident.form == Form::Events;
        let origin = host
            .filter(|_| is_events)
            .or_else(|| incident.victim.clone())
            .unwrap_or_else(|| incident.event.source.clone());
        Event {
            routing_key: self.routing_key.expose_str().unwrap_or_default().to_owned(),
            event_action: "trigger",
            dedup_key: key(telling, page),
            client: "gatepost",
            links: incident.links.iter().map(|link| json!({ "href": link.url, "text": short(&link.title) })).collect(),
            payload: Payload {
                summary: summary(incident),
                source: short(&origin),
                severity: severity(incident.rank.severity),
                timestamp: job.event.time.to_string(),
                component: incident.victim.as_deref().map(short),
                group: short(&telling.incident.source.to_string()),
                class: short(&line(&telling.incident.rule).unwrap_or_else(|| incident.event.kind.clone())),
                custom_details: Details(Vec::new()),
            },
        }
    }

    fn change(&self, action: &str, telling: &Telling<'_>, page: u32) -> String {
        json!({
            "routing_key": self.routing_key.expose_str(),
            "event_action": action,
            "dedup_key": key(telling, page),
        })
        .to_string()
    }
}

/// The key of a page: that of the incident and its number, or the one under which it was triggered before pages had numbers.
fn key(telling: &Telling<'_>, page: u32) -> String {
    let known =
        telling.told.reference.as_ref().and_then(|reference| reference.data[DEDUP_KEYS][page.to_string()].as_str());
    match known {
        Some(known) => truncate::chars(known, SHORT_CHARS_MAX).into_owned(),
        None => format!("{}/{page}", telling.incident.id),
    }
}

/// `CRITICAL · SUCCEEDED · SQL injection · api.example.com · #4711`: with the victim, unless the title names it.
fn summary(incident: &IncidentSummary) -> String {
    let victim = incident.victim.as_deref().filter(|victim| !incident.title.contains(victim));
    incident.headline_with(victim, SUMMARY_CHARS_MAX)
}

/// A trigger, in the order in which a responder reads it.
#[derive(Serialize)]
struct Event {
    routing_key: String,
    event_action: &'static str,
    dedup_key: String,
    client: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Value>,
    payload: Payload,
}

#[derive(Serialize)]
struct Payload {
    summary: String,
    source: String,
    severity: &'static str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<String>,
    group: String,
    class: String,
    custom_details: Details,
}

/// Named texts in their order: PagerDuty shows them as they come, and an object within them as JSON.
struct Details(Vec<(String, String)>);

impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

fn json_of(event: &Event) -> String {
    // Texts and maps of texts cannot fail to become JSON; if they did, PagerDuty would say so and nothing would be lost.
    serde_json::to_string(event).unwrap_or_default()
}

/// What the responder sees below the summary.
fn details(job: &Job<'_>, telling: &Telling<'_>, incident: &IncidentSummary, text_chars_max: usize) -> Details {
    let event = &incident.event;
    if let Some(fields) = &incident.own.fields {
        return own_details(job, incident, fields, text_chars_max);
    }
    let mut details: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|_| !details.iter().any(|(known, _)| known == name)) {
            details.push((name.to_owned(), truncate::chars(value, text_chars_max).into_owned()));
        }
    };
    let text = |words: &Words| words.plain(Some(job.now));
    let side = |side: &Side| format!("{}{}", side.newest, side.more);
    add("note", (!event.notes.is_empty()).then(|| event.notes.join(" ")).as_deref());
    let news = news(job, telling);
    add("what is new", news.as_ref().map(text).as_deref());
    add("who", incident.who.as_ref().map(side).as_deref());
    add("what", incident.what.as_ref().map(side).as_deref());
    add("how often", incident.extent.as_ref().map(text).as_deref());
    let lines = |lines: &[Words]| (!lines.is_empty()).then(|| lines.iter().map(text).collect::<Vec<_>>().join(". "));
    add("stands for", lines(&incident.parts).as_deref());
    add("state", lines(&incident.standing).filter(|_| news.is_none()).as_deref());
    if incident.form == Form::Events {
        add("when", Some(&event.when));
        add("what happened", event.message.as_deref());
        add("what it means", event.impact.as_deref());
        add("what to do", event.remediation.as_deref());
        add("owner", incident.owner.as_deref());
        add("runbook", incident.runbook.as_ref().map(|link| link.url.as_str()));
        add("owner's note", incident.note.as_deref());
        add("evidence", event.evidence.as_deref());
        for fact in &incident.facts {
            add(&fact.name, Some(&fact.value));
        }
    }
    add("from", Some(&incident.origin));
    add("in gatepost", incident.lookup.as_deref());
    if incident.form == Form::Events {
        add("labels", labels(event).as_deref());
    }
    details.extend(ids(job, incident));
    Details(details)
}

/// The operator's own details, and what no page goes without: that it may be a test, and what leads back to gatepost.
fn own_details(job: &Job<'_>, incident: &IncidentSummary, fields: &[Fact], text_chars_max: usize) -> Details {
    let short = |text: &str| truncate::chars(text, text_chars_max).into_owned();
    let mut details: Vec<(String, String)> =
        fields.iter().map(|field| (short(&field.name), short(&field.value))).collect();
    let notes = (!incident.event.notes.is_empty()).then(|| incident.event.notes.join(" "));
    let kept = [("note", notes), ("in gatepost", incident.lookup.clone())];
    let kept = kept.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    for (name, value) in kept.chain(ids(job, incident)) {
        if !details.iter().any(|(known, _)| *known == name) {
            details.push((name, value));
        }
    }
    Details(details)
}

/// In one text: a label may be called like one of the other details, and must not replace it.
fn labels(event: &Summary) -> Option<String> {
    let (labels, more) = event.few_labels();
    let short = |text| truncate::chars(text, SHORT_CHARS_MAX);
    let shown = labels.iter().map(|label| format!("{} = {}", short(&label.name), short(&label.value)));
    let shown: Vec<String> = shown.chain((more > 0).then(|| format!("{more} more"))).collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}

/// What leads back to gatepost.
fn ids(job: &Job<'_>, incident: &IncidentSummary) -> Vec<(String, String)> {
    let mut ids = vec![("event_id".to_owned(), incident.event.event.clone())];
    if job.purpose == Purpose::Probe {
        ids.push(("test".to_owned(), "true".to_owned()));
    }
    ids
}

const TRIGGER: Step = "trigger";
const ACKNOWLEDGE: Step = "acknowledge";
const RESOLVE: Step = "resolve";
/// In the data of a reference: an object of page number -> key, for pages that were made before pages had numbers.
const DEDUP_KEYS: &str = "dedup_keys";

#[cfg(test)]
mod tests;
