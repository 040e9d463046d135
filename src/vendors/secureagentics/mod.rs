//! Secureagentics (Adrian), which watches AI agents: one signed JSON envelope a request.
//!
//! Documented are the envelope (`id`, `type`, `timestamp`, `data`) and `data` of `alert.triggered`; the `data` of the
//! other types and the test ping are not, so that nearly every field here is read if it is there and kept if it is not
//! known. The envelope's id stays the same over the vendor's retries.

mod about;
mod setup;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value};

use about::About;
use setup::{SAMPLES, SETUP, TEMPLATE};

use super::lenient::{self, Fields, Record, Records, Text};
use super::severities::{Severities, Stated};
use super::urgency_hint::{self, worse};
use super::{Hint, Normalizer, Reading, Vendor, own_words};
use crate::domain::{Actor, Draft, EventOutcome, Note, Request, Rule, Severity, Target};
use crate::settings::Section;
use crate::verify::{HmacScheme, Scheme};

/// Secureagentics.
pub const VENDOR: Vendor = Vendor {
    name: "secureagentics",
    title: "Secureagentics",
    scheme: Some(scheme),
    body_limit_bytes: 1 << 20,
    gzip: false,
    default_severity: Severity::High,
    normalizer,
    samples: SAMPLES,
    setup: SETUP,
    schema: "{}",
    template: TEMPLATE,
};

/// HMAC-SHA256 over the body in bare hexadecimal. `sha256=` before it is accepted too: it costs nothing, and vendors have
/// been known to start writing it.
fn scheme() -> Scheme {
    Scheme::Hmac(HmacScheme {
        prefix: "sha256=".to_owned(),
        prefix_optional: true,
        ..HmacScheme::sha256_hex("x-secureagentics-signature")
    })
}

fn normalizer(section: &Section) -> Option<Box<dyn Normalizer>> {
    Some(Box::new(Secureagentics { severities: Severities::read(section)? }))
}

struct Secureagentics {
    severities: Severities,
}

impl Normalizer for Secureagentics {
    /// `id` of the envelope. A doubled `id` counts as none: the raw body is used instead.
    fn event_id(&self, request: &Request) -> Option<String> {
        let body = lenient::without_bom(&request.body);
        match serde_json::from_slice(body) {
            Ok(Envelope { id: Some(Id::Text(text)) }) => Some(text.trim().to_owned()).filter(|id| !id.is_empty()),
            Ok(Envelope { id: Some(Id::Number(number)) }) if !number.is_f64() => Some(number.to_string()),
            Ok(Envelope { id: None }) => None,
            // A number that serde_json would round: two ids must not become one.
            Ok(_) | Err(_) => long_id(body),
        }
    }

    /// Reads the fields that [`Secureagentics::severity`] reads: `type` is in the envelope, the others in `data`.
    fn urgency_hint(&self, beginning: &[u8]) -> Hint {
        let mut hint = Hint::default();
        let (mut ordered, mut of_kind) = (None, None);
        let mut about = About::default();
        urgency_hint::fields(beginning, HINTS, DATA_DEPTH, |field| {
            about.note(field);
            match field.value {
                kind if field.is_one_of(KINDS) && field.depth < DATA_DEPTH => {
                    ordered = worse(ordered, self.severities.of_kind(kind));
                    of_kind = worse(of_kind, severity_of_kind(kind));
                }
                _ if field.is_one_of(KINDS) => {}
                word if field.is_one_of(&["severity"]) => {
                    hint.note(self.severities.of_word(word), field.depth, DATA_DEPTH);
                }
                _ if field.is_one_of(&["outcome", "action"]) => hint.has_succeeded |= field.says_success(),
                _ => {}
            }
        });
        Hint { own: ordered.or(hint.own).or(of_kind), about: about.words(), ..hint }
    }

    fn read(&self, body: &[u8], take: &mut dyn FnMut(Draft)) -> Option<Note> {
        if lenient::is_blank(body) {
            return Some(Note::Ping);
        }
        let text = Text::of(body);
        if let Some(records) = Records::of(&text) {
            return self.read_list(records, take);
        }
        match text.parse() {
            Ok(parsed) => {
                let reading = self.read_value(parsed.value, parsed.doubled, body);
                let repaired = (parsed.repaired && reading.note.is_none()).then_some(Note::Repaired);
                reading.hand_out(take).or(repaired)
            }
            Err(why) => Reading::unparsed(body, why).hand_out(take),
        }
    }
}

impl Secureagentics {
    fn read_value(&self, value: Value, any_doubled: bool, body: &[u8]) -> Reading {
        match value {
            Value::Null => Reading::nothing(Note::Empty),
            Value::Object(map) if !any_doubled && is_ping(&map) => Reading::nothing(Note::Ping),
            Value::Object(map) => Reading::of(vec![self.draft(Fields::read(map, any_doubled))]),
            Value::Array(items) if items.is_empty() => Reading::nothing(Note::Empty),
            Value::Array(_) => Reading::unparsed(body, "it is a list without an object in it"),
            Value::String(word) if is_ping_word(&word) => Reading::nothing(Note::Ping),
            _ => Reading::unparsed(body, "it is not a JSON object"),
        }
    }

    /// The events of a list; those that are test messages make no event.
    fn read_list(&self, mut records: Records<'_>, take: &mut dyn FnMut(Draft)) -> Option<Note> {
        let mut count = 0;
        let is_ping = |record: &Record| {
            let sound = record.as_ref().ok().filter(|record| !record.doubled);
            sound.and_then(|record| record.value.as_object()).is_some_and(is_ping)
        };
        let events = records.by_ref().filter(|record| !is_ping(record));
        lenient::hand_out(events, |fields| Ok(self.draft(fields)), &mut |draft| {
            count += 1;
            take(draft);
        });
        if count == 0 { Some(Note::Ping) } else { records.repaired().then_some(Note::Repaired) }
    }

    fn draft(&self, mut envelope: Fields) -> Draft {
        let doubled = envelope.doubled();
        let id = envelope.text(&["id"]);
        let kind = envelope.text(KINDS).unwrap_or_else(|| UNKNOWN.to_owned());
        let stated = envelope.value("timestamp");
        let test = envelope.flag("test");
        let mut data = envelope.object("data").unwrap_or_default();
        let doubled = doubled || data.doubled();
        // Only the envelope's own flag counts: `data` may be written by the watched agent.
        let test = !doubled && test == Some(true);

        let details = text_of(&mut data, &mut envelope, DETAILS);
        let rule = rule(&kind, &mut data);
        let agent = agent(&kind, &mut data);
        let documented_time = stated.as_ref().and_then(lenient::time_of);
        let severity = self.severity(&kind, &mut data);
        let mut draft = Draft {
            is_time_documented: documented_time.is_some(),
            time: documented_time.or_else(|| data.time(&["timestamp", "occurredAt"])),
            severity: severity.severity,
            severity_word: severity.unknown,
            title: title(&kind, details.as_deref(), agent.as_deref()),
            actor: actor(&mut data),
            vendor_id: id.clone(),
            status: data.text(&["status"]),
            kind,
            ..Draft::default()
        };
        draft.key = key(id, &draft, stated.as_ref(), [rule.as_deref(), agent.as_deref(), details.as_deref()]);
        let is_told = details.is_some();
        draft.incident_parts = rule.as_ref().map(|rule| vec![draft.kind.clone(), rule.clone()]).unwrap_or_default();
        draft.message = details.filter(|details| !draft.title.ends_with(details));
        draft.rule = rule.map(|id| Rule { id: Some(id), name: data.text(&["policyName", "ruleName", "alertName"]) });
        draft.target = agent.map(|agent| Target { agent: Some(agent), ..Target::default() });
        add_what_was_done(&mut draft, &mut data);
        if let Some(stated) = stated.filter(|_| draft.time.is_none()) {
            draft.unmapped.insert("timestamp".to_owned(), stated);
        }
        draft.is_unrecognized = draft.kind == UNKNOWN
            && draft.rule.is_none()
            && draft.target.is_none()
            && draft.actor.is_none()
            && !is_told;
        keep_rest(&mut draft, envelope, data);
        match is_told {
            true => {}
            false if draft.kind == UNKNOWN => own_words::speak_for(&mut draft),
            false => own_words::show_rest(&mut draft),
        }
        if test {
            draft.severity = Some(Severity::Informational);
            draft.labels.insert("test".to_owned(), "true".to_owned());
        }
        if doubled {
            draft.key = Vec::new();
            draft.severity = lenient::doubtful(draft.severity);
            draft.outcome = lenient::doubtful_outcome(draft.outcome);
            draft.incident_parts = lenient::doubtful_parts(&draft.kind);
            draft.labels.insert("doubled_keys".to_owned(), "true".to_owned());
        }
        draft
    }

    /// The operator's by type, else the event's own, else the type's.
    fn severity(&self, kind: &str, data: &mut Fields) -> Stated {
        let stated = self.severities.stated(data.text(&["severity"]).as_deref());
        if let Some(severity) = self.severities.of_kind(kind) {
            return Stated { severity: Some(severity), unknown: None };
        }
        Stated { severity: stated.severity.or(severity_of_kind(kind)), ..stated }
    }
}

fn severity_of_kind(kind: &str) -> Option<Severity> {
    TYPES.iter().find(|row| row.0 == kind).map(|row| row.1)
}

/// The id with all its digits, of a body that is valid JSON and says it once.
fn long_id(body: &[u8]) -> Option<String> {
    let parsed = lenient::parse(body).ok().filter(|parsed| !parsed.repaired)?;
    match parsed.value {
        Value::Object(map) => Fields::new(map).text(&["id"]),
        _ => None,
    }
}

/// The part of the envelope that intake needs.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<Id<'a>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Id<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Number(serde_json::Number),
}

/// A test message: its body is not documented. Not asked of what holds a key twice, or a doubled `type` could hide an
/// alert.
fn is_ping(map: &Map<String, Value>) -> bool {
    let kind = ["type", "event_type", "event"].iter().find_map(|name| map.get(*name)?.as_str());
    match kind {
        Some(kind) => is_ping_word(kind),
        None => {
            let says_so = |name: &str| map.get(name) == Some(&Value::Bool(true));
            let bare = !map.contains_key("data") && !map.contains_key("id");
            map.is_empty() || bare && (map.contains_key("ping") || says_so("test"))
        }
    }
}

fn is_ping_word(word: &str) -> bool {
    let word = word.trim().to_ascii_lowercase().replace(['_', '-', ' '], ".");
    let word = word.strip_prefix("webhook.").unwrap_or(&word);
    PING_WORDS.contains(&word)
}

/// The first of the names in `data`, else in the envelope; `data` itself where it is a text.
fn text_of(data: &mut Fields, envelope: &mut Fields, names: &[&str]) -> Option<String> {
    let found = data.text(names).or_else(|| envelope.text(&["data"])).or_else(|| envelope.text(names));
    found.or_else(|| envelope.text(&["content"]))
}

/// The rule that fired: of a violation the policy, otherwise the alert.
fn rule(kind: &str, data: &mut Fields) -> Option<String> {
    data.text(rule_names(kind))
}

/// Where the rule of such an event is in `data`.
fn rule_names(kind: &str) -> &'static [&'static str] {
    if kind.starts_with("policy.") { &["policyId", "ruleId", "alertId"] } else { &["alertId", "ruleId", "policyId"] }
}

/// The agent; where the event is about an agent, `data.id` may be its.
fn agent(kind: &str, data: &mut Fields) -> Option<String> {
    let named = data.text(&["agentId"]);
    let own = || kind.starts_with("agent.").then_some("id");
    let found = named.or_else(|| data.text(own().as_slice())).or_else(|| data.text(&["agentName", "agent"]));
    found.or_else(|| {
        let mut agent = data.object("agent")?;
        agent.text(&["id", "name"])
    })
}

/// The actor that `data` names.
fn actor(data: &mut Fields) -> Option<Actor> {
    let user = data.text(&["user", "userId", "userName", "username", "actor", "userEmail"]);
    let address = data.text(&["ip", "ipAddress", "sourceIp", "clientIp"]);
    let mut actor = user.as_deref().and_then(Actor::from_text).unwrap_or_default();
    if let Some(at) = address.as_deref().and_then(Actor::from_text) {
        actor.ip = actor.ip.or(at.ip);
        actor.user = actor.user.or(at.user);
    }
    (actor != Actor::default()).then_some(actor)
}

/// What Secureagentics did about it. A policy's documented actions are `block`, `alert` and `log`; the last two let it
/// pass.
fn add_what_was_done(draft: &mut Draft, data: &mut Fields) {
    let action = data.text(&["action"]);
    let stated = data.text(&["outcome"]);
    let of_action = |action: &str| match action.to_ascii_lowercase().as_str() {
        "alert" | "log" => Some(EventOutcome::Allowed),
        other => EventOutcome::from_vendor_word(other),
    };
    draft.outcome = stated.as_deref().and_then(EventOutcome::from_vendor_word);
    draft.outcome = draft.outcome.or_else(|| action.as_deref().and_then(of_action));
    if let Some(stated) = stated.filter(|stated| EventOutcome::from_vendor_word(stated).is_none()) {
        data.put("outcome", Value::String(stated));
    }
    for (name, value) in [("action", action), ("risk_score", data.text(&["riskScore"]))] {
        draft.labels.extend(value.map(|value| (name.to_owned(), value)));
    }
}

/// An alert's details are clear without a title; elsewhere the type says what they are the details of.
fn title(kind: &str, details: Option<&str>, agent: Option<&str>) -> String {
    let first_line = details.and_then(|details| details.lines().map(str::trim).find(|line| !line.is_empty()));
    match (kind, first_line) {
        ("alert.triggered" | "unknown", Some(line)) => line.to_owned(),
        ("unknown", None) => "An event without a type".to_owned(),
        (_, Some(line)) => format!("{}: {line}", spoken(kind)),
        (_, None) => match agent {
            Some(agent) => format!("{}: {agent}", spoken(kind)),
            None => spoken(kind),
        },
    }
}

/// `policy.violated` as people say it: `Policy violated`.
fn spoken(kind: &str) -> String {
    let words = kind.replace(['.', '_', '-'], " ");
    let mut characters = words.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// The envelope's id alone; without it, the fields that identify the event, if it has a time; else nothing.
fn key(id: Option<String>, draft: &Draft, stated: Option<&Value>, parts: [Option<&str>; 3]) -> Vec<String> {
    match (id, stated) {
        (Some(id), _) => vec!["id".to_owned(), id],
        (None, Some(stated)) if draft.time.is_some() => {
            let mut key = vec!["fields".to_owned(), draft.kind.clone(), stated.to_string()];
            key.extend(parts.map(|part| part.unwrap_or_default().to_owned()));
            key
        }
        _ => Vec::new(),
    }
}

/// What was not taken is kept as fields: those of `data` as they are, those of the envelope where the name is free.
fn keep_rest(draft: &mut Draft, envelope: Fields, data: Fields) {
    for (name, value) in data.rest().into_iter().chain(envelope.rest()) {
        draft.unmapped.entry(name).or_insert(value);
    }
}

/// Names of the type.
const KINDS: &[&str] = &["type", "event_type", "event"];
/// Names of the fields by which a request is put in order.
const HINTS: &[&str] = &[
    "type",
    "event_type",
    "event",
    "severity",
    "outcome",
    "action",
    "alertId",
    "ruleId",
    "policyId",
    "agentId",
    "agentName",
    "agent",
    "details",
    "message",
    "description",
    "reason",
    "error",
    "errorMessage",
    "title",
    "summary",
];
/// Where rules are in `data`.
const RULES: [&str; 3] = ["alertId", "ruleId", "policyId"];
/// Where the agent is in `data`.
const AGENTS: &[&str] = &["agentId", "agentName", "agent"];
/// Where the fields of `data` stand.
const DATA_DEPTH: usize = 2;

/// The documented types and how bad each is unless the event or the operator says otherwise.
const TYPES: &[(&str, Severity)] = &[
    ("agent.error", Severity::Medium),
    ("agent.registered", Severity::Informational),
    ("alert.triggered", Severity::High),
    ("policy.violated", Severity::High),
];

/// The type of what does not say its type.
const UNKNOWN: &str = "unknown";
/// Where the words about an event may stand; only `details` is documented.
const DETAILS: &[&str] = &["details", "message", "description", "reason", "error", "errorMessage", "title", "summary"];

/// What the undocumented test message may call itself.
const PING_WORDS: &[&str] =
    &["ping", "test", "ping.test", "test.ping", "test.event", "event.test", "connection.test", "verification"];

#[cfg(test)]
mod tests;
