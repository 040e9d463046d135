//! Any vendor that is not built in: JSON, and JSON pointers (RFC 6901) that say where the fields are.
//!
//! What `map` does not name is looked for under its own name at the top of the element (`title`, `severity`, …), so
//! that a simple sender needs no map at all. Security-relevant fields must be named: `key`, `link`, and what joins
//! events into incidents and ends those (`group`, `correlation`, `state`, `victim`). The id of a request is read from a
//! header or from the body as it is on the wire: from a compressed body no id is taken, and the raw body is used
//! instead.

mod found;
mod kind_place;
mod places;

use std::borrow::Cow;

use serde_json::Value;

use found::{Found, actor, add_what_was_done, is_bare_number, rest, says_nothing, scalar, target, values};
use kind_place::{KindPlace, kind_places};
use places::{Places, end_of, pointer};

use super::lenient::{self, Fields, Parsed, Records, Text};
use super::outcomes::Outcomes;
use super::severities::Severities;
use super::urgency_hint;
use super::{Hint, Normalizer, Reading, Sample, Unfound, Vendor, own_words};
use crate::domain::{Draft, EventOutcome, EventState, Link, Note, Request, Rule, Severity};
use crate::settings::Section;

/// Any vendor that is not built in.
pub const VENDOR: Vendor = Vendor {
    name: "generic",
    title: "Generic webhook",
    scheme: None,
    body_limit_bytes: 2 << 20,
    gzip: false,
    default_severity: Severity::Medium,
    normalizer,
    samples: SAMPLES,
    setup: SETUP,
    schema: include_str!("schema.json"),
    template: TEMPLATE,
};

fn normalizer(section: &Section) -> Option<Box<dyn Normalizer>> {
    let severities = Severities::read(section);
    let outcomes = Outcomes::read(section);
    let id = id_place(section);
    let events = pointer(section, "events");
    let resolved_words = resolved_words(section);
    let map = section.section("map");
    if section.has("resolved_words") && !map.as_ref().is_some_and(|map| map.has("state")) {
        let fix = "say where the state stands: map = { state = \"/status\" }";
        section.warn("resolved_words", "is never looked at without map.state", fix);
    }
    let places = map.map_or_else(|| Some(Places::default()), |map| Places::read(&map));
    let (events, places) = (events?, places?);
    let kind_places = kind_places(&places, events.as_deref());
    Some(Box::new(Generic {
        severities: severities?,
        outcomes: outcomes?,
        resolved_words: resolved_words?,
        id: id?,
        events,
        places,
        kind_places,
    }))
}

/// The words that mean that an alert is over, folded; `None` where the setting is at fault.
fn resolved_words(section: &Section) -> Option<Vec<String>> {
    if !section.has("resolved_words") {
        return Some(RESOLVED_WORDS.iter().map(|word| (*word).to_owned()).collect());
    }
    let words: Vec<String> = section.text_or_texts("resolved_words")?.iter().map(|word| folded(word)).collect();
    if words.iter().any(String::is_empty) {
        section.fault("resolved_words", "holds a blank word", "name each word that means that an alert is over");
        return None;
    }
    Some(words)
}

/// A word without regard to case and outer blanks.
fn folded(word: &str) -> String {
    word.trim().to_lowercase()
}

fn id_place(section: &Section) -> Option<IdPlace> {
    if !section.has("id") {
        return Some(IdPlace::Nowhere);
    }
    let id = section.section("id")?;
    let header = id.has("header").then(|| id.required_text("header"));
    let place = match (header, pointer(&id, "pointer")?) {
        (Some(header), None) => header.map(|header| IdPlace::Header(header.trim().to_ascii_lowercase())),
        (None, Some(pointer)) => Some(IdPlace::Pointer(pointer)),
        _ => {
            section.fault("id", "needs one place", "write { header = \"x-delivery-id\" } or { pointer = \"/id\" }");
            None
        }
    };
    id.finish();
    place
}

struct Generic {
    severities: Severities,
    outcomes: Outcomes,
    /// The words that mean that an alert is over, folded; any other means that it fires.
    resolved_words: Vec<String>,
    id: IdPlace,
    events: Option<String>,
    places: Places,
    /// Where what an event is about is found in one pass.
    kind_places: Vec<KindPlace>,
}

/// What the message around an event says about it.
#[derive(Default)]
struct Message {
    /// The id of the request, where it is in the body.
    id: Option<String>,
    /// What it says at each pointer of `group`, for events that say nothing there.
    group: Vec<Option<String>>,
}

enum IdPlace {
    Nowhere,
    Header(String),
    Pointer(String),
}

impl Normalizer for Generic {
    fn id_header(&self) -> Option<&str> {
        match &self.id {
            IdPlace::Header(name) => Some(name),
            IdPlace::Nowhere | IdPlace::Pointer(_) => None,
        }
    }

    fn event_id(&self, request: &Request) -> Option<String> {
        match &self.id {
            IdPlace::Nowhere => None,
            IdPlace::Header(name) => request.headers.only(name).filter(|id| !id.is_empty()).map(str::to_owned),
            IdPlace::Pointer(pointer) => {
                let parsed = lenient::parse(&request.body).ok().filter(|parsed| !parsed.repaired)?;
                parsed.value.pointer(pointer).and_then(scalar)
            }
        }
    }

    /// By the names at the ends of the pointers. Where the events are in a list, what is found raises only.
    fn urgency_hint(&self, beginning: &[u8]) -> Hint {
        let mut hint = Hint::default();
        let place = |name: &'static str| {
            let mapped = self.places.map.iter().find(|(known, _)| *known == name).map(|(_, pointer)| pointer.as_str());
            mapped.map_or((1, Cow::Borrowed(name)), end_of)
        };
        let [(severity_depth, severity), (_, outcome), (_, action)] = ["severity", "outcome", "action"].map(place);
        let is_list = self.events.as_deref().is_some_and(|events| !events.is_empty());
        let own_depth = if is_list { 0 } else { severity_depth };
        let mut names = vec![severity.as_ref(), outcome.as_ref(), action.as_ref()];
        names.extend(self.kind_places.iter().map(|place| place.name.as_str()));
        let is_bare_list = beginning.first() == Some(&b'[');
        urgency_hint::fields(beginning, &names, own_depth, |field| {
            for place in self.kind_places.iter().filter(|place| place.is(&field, is_bare_list)) {
                place.note(field.value, &mut hint.about);
            }
            if field.is_one_of(names.get(..1).unwrap_or_default()) {
                let severity = self.severities.of_kind(field.value).or_else(|| self.severities.of_word(field.value));
                hint.note(severity, field.depth, own_depth);
            }
            hint.has_succeeded |= field.is_one_of(names.get(1..3).unwrap_or_default())
                && self.outcomes.of(field.value) == Some(EventOutcome::Succeeded);
        });
        hint
    }

    fn unfound(&self, body: &[u8]) -> Vec<Unfound> {
        let Ok(parsed) = lenient::parse(body) else { return Vec::new() };
        let mut all = Vec::new();
        let mut look = |setting: &str, pointer: &str, missing: usize, of: usize| {
            if missing > 0 {
                let (setting, pointer) = (setting.to_owned(), pointer.to_owned());
                all.push(Unfound { setting, pointer, missing, of });
            }
        };
        if let IdPlace::Pointer(pointer) = &self.id {
            look("id.pointer", pointer, usize::from(parsed.value.pointer(pointer).and_then(scalar).is_none()), 1);
        }
        let list =
            self.events.as_deref().map(|events| (events, parsed.value.pointer(events).and_then(Value::as_array)));
        if let Some((events, None)) = list {
            look("events", events, 1, 1);
        }
        let elements = list.and_then(|(_, list)| list).or(parsed.value.as_array());
        let elements = elements.map_or(std::slice::from_ref(&parsed.value), Vec::as_slice);
        let around = list.map(|_| &parsed.value);
        let key = self.places.key.iter().map(|pointer| ("key", pointer));
        for (name, pointer) in self.places.all().chain(key) {
            let fits = |element: &Value| self.fits(name, pointer, element, around);
            let missing = elements.iter().filter(|element| !fits(element)).count();
            look(&format!("map.{name}"), pointer, missing, elements.len());
        }
        all
    }

    fn read(&self, body: &[u8], take: &mut dyn FnMut(Draft)) -> Option<Note> {
        if lenient::is_blank(body) {
            return Some(Note::Empty);
        }
        let is_list = self.events.as_deref().is_none_or(str::is_empty) && !matches!(self.id, IdPlace::Pointer(_));
        let text = Text::of(body);
        if is_list && let Some(records) = Records::of(&text) {
            let message = Message::default();
            let read = |fields: Fields| Ok(self.draft(fields, &message, 0));
            let repaired = records.hand_out(read, take);
            return repaired.then_some(Note::Repaired);
        }
        match text.parse() {
            Ok(parsed) => {
                let repaired = parsed.repaired;
                let note = self.read_value(parsed, body, take);
                note.or(repaired.then_some(Note::Repaired))
            }
            Err(why) => Reading::unparsed(body, why).hand_out(take),
        }
    }
}

impl Generic {
    /// Whether what a pointer of `map` leads to is of use; `around` is the message, where the element is in its list.
    fn fits(&self, name: &str, pointer: &str, element: &Value, around: Option<&Value>) -> bool {
        let found = element.pointer(pointer);
        match name {
            "time" => found.and_then(lenient::time_of).is_some(),
            "group" => found.and_then(scalar).or_else(|| around?.pointer(pointer).and_then(scalar)).is_some(),
            "correlation" => found.and_then(scalar).is_some() && !self.is_number_alone(element),
            _ => found.and_then(scalar).is_some(),
        }
    }

    /// One event an element of the list: the one that `events` leads to, or the body where it is a list itself. Anything
    /// else is one event.
    fn read_value(&self, parsed: Parsed, body: &[u8], take: &mut dyn FnMut(Draft)) -> Option<Note> {
        let Parsed { mut value, repaired, doubled } = parsed;
        if says_nothing(&value) {
            return Some(Note::Empty);
        }
        let mut message = Message::default();
        if let IdPlace::Pointer(pointer) = &self.id
            && !repaired
        {
            message.id = value.pointer(pointer).and_then(scalar);
        }
        let list = self.events.as_deref().and_then(|events| value.pointer_mut(events)).and_then(Value::as_array_mut);
        let elements = match (list.map(std::mem::take), value) {
            (Some(mut elements), root) => {
                // A doubled key may hide a second list: the rest of the body then counts as one more event.
                if doubled && lenient::holds_doubled(&root) {
                    elements.push(root);
                } else {
                    message.group = values(&root, &self.places.group).collect();
                }
                elements
            }
            (None, Value::Array(elements)) => elements,
            (None, element @ Value::Object(_)) => vec![element],
            _ => return Reading::unparsed(body, "it is neither a JSON object nor a list of them").hand_out(take),
        };
        if elements.is_empty() {
            return Some(Note::Empty);
        }
        if !elements.iter().any(Value::is_object) {
            return Reading::unparsed(body, "it is a list without an object in it").hand_out(take);
        }
        let mut position = 0;
        let read = |fields: Fields| {
            let draft = self.draft(fields, &message, position);
            position += 1;
            Ok(draft)
        };
        lenient::hand_out(lenient::each(elements, doubled), read, take);
        None
    }

    fn draft(&self, fields: Fields, message: &Message, position: usize) -> Draft {
        let any_doubled = fields.any_doubled();
        let element = Value::Object(fields.into_map());
        let is_doubled = any_doubled && lenient::holds_doubled(&element);
        let mut found = Found { element: &element, map: &self.places.map, used: Vec::new() };
        let mut draft = Draft {
            kind: found.text("type").unwrap_or_else(|| "alert".to_owned()),
            time: found.time("time"),
            message: found.text("message"),
            status: found.text("status"),
            actor: actor(&mut found),
            target: target(&mut found),
            ..Draft::default()
        };
        let stated = found.severity("severity", &self.severities);
        (draft.severity, draft.severity_word) = (stated.severity, stated.unknown);
        let rule = Rule { id: found.text("rule"), name: found.text("rule_name") };
        draft.rule = (rule != Rule::default()).then_some(rule);
        let first_line = || draft.message.as_deref().and_then(|message| message.lines().next()).map(str::to_owned);
        draft.title = found.text("title").or_else(first_line).unwrap_or_default();
        add_what_was_done(&mut draft, &mut found, &self.outcomes);
        let link = found.text("link");
        draft.links = link.map(|url| Link { title: "Open at the source".to_owned(), url }).into_iter().collect();
        // What can be read in two ways neither joins an incident nor ends one.
        if !is_doubled {
            self.add_alert(&mut draft, &mut found, message);
        }
        draft.key = self.key(&mut found, message.id.as_deref().map(|id| (id, position)));
        if draft.state == Some(EventState::Resolved) && draft.key.first().is_some_and(|basis| basis == KEY) {
            // The end of an alert is no repetition of its beginning, whatever the operator's key is made of.
            draft.key.push(EventState::Resolved.as_str().to_owned());
        }
        draft.is_unrecognized = found.used.is_empty();
        draft.vendor_id = found.text("vendor_id").or_else(|| found.at("/id"));
        draft.recurs = draft.time.is_none() && draft.key.first().is_some_and(|basis| basis == CONTENT);
        if is_doubled {
            draft.key = Vec::new();
            draft.severity = lenient::doubtful(draft.severity);
            draft.outcome = lenient::doubtful_outcome(draft.outcome);
            draft.incident_parts = lenient::doubtful_parts(&draft.kind);
            draft.labels.insert("doubled_keys".to_owned(), "true".to_owned());
        }
        let used = found.used;
        draft.unmapped = rest(element, &used);
        if draft.title.is_empty() {
            own_words::speak_for(&mut draft);
        }
        draft
    }

    /// Which alert the event is about, its victim, and whether it goes on.
    fn add_alert(&self, draft: &mut Draft, found: &mut Found, message: &Message) {
        draft.group = found.together(&self.places.group, &message.group);
        if !self.is_number_alone(found.element) {
            draft.correlation = found.together(&self.places.correlation, &[]);
        }
        draft.state = found.text("state").map(|word| match self.resolved_words.contains(&folded(&word)) {
            true => EventState::Resolved,
            false => EventState::Firing,
        });
        draft.victim = found.text("victim");
    }

    /// Whether the one pointer of `correlation` leads to a bare number.
    fn is_number_alone(&self, element: &Value) -> bool {
        let mut names = values(element, &self.places.correlation);
        names.len() == 1 && names.next().flatten().is_some_and(|name| is_bare_number(&name))
    }

    /// The mapped key, if all parts of it are there: without one, many alerts would have the same. Else the id of the request with the element's place in it; else the element's content. Where the id
    /// is in a header, nothing: the receipt, which is one an id, then tells its events apart.
    fn key(&self, found: &mut Found, delivery: Option<(&str, usize)>) -> Vec<String> {
        let parts: Option<Vec<String>> = values(found.element, &self.places.key).collect();
        if let Some(parts) = parts.filter(|parts| !parts.is_empty()) {
            found.used.extend_from_slice(&self.places.key);
            return std::iter::once(KEY.to_owned()).chain(parts).collect();
        }
        match (&self.id, delivery) {
            (_, Some((id, position))) => vec!["delivery".to_owned(), id.to_owned(), position.to_string()],
            (IdPlace::Nowhere, None) => {
                vec![CONTENT.to_owned(), lenient::digest(found.element)]
            }
            _ => Vec::new(),
        }
    }
}

/// The words that mean that an alert is over unless `resolved_words` says otherwise, folded.
const RESOLVED_WORDS: &[&str] = &["resolved", "ok", "closed", "inactive"];
/// The first part of a key that is mapped.
const KEY: &str = "key";
/// The first part of a key that is made of the element's content.
const CONTENT: &str = "content";

const SAMPLES: &[Sample] = &[Sample {
    name: "alert",
    content_type: "application/json",
    body: include_bytes!("../../../tests/fixtures/vendors/generic/alert.json"),
    time: Some("2025-06-01T08:15:30Z"),
}];

const SETUP: &str = "\
Where your tool asks for a webhook, give it
  URL:     {url}
  Secret:  {secret}
and tell gatepost in `verify` how it signs: the scheme, the header and what is signed. A tool that cannot sign may send
the secret in a header: verify = { scheme = \"token\" }. Then say in `map` where title, severity and the rest stand.
";

const TEMPLATE: &str = "\
# How your tool shows that it is the sender. Keep the line that fits, with the names of its headers; docs/configuration.md
# has every choice. The first is a hash of the body, keyed with the secret; where it has a time, say so, and no request can
# be sent again later; a tool that cannot sign sends the secret itself.
verify = { scheme = \"hmac\", algorithm = \"sha256\", header = \"x-signature\", encoding = \"hex\", signed = \"{body}\" }
# verify = { scheme = \"hmac\", header = \"x-signature\", signed = \"{timestamp}.{body}\", timestamp = { header = \"x-timestamp\" } }
# verify = { scheme = \"token\", header = \"authorization\", prefix = \"Bearer \" }
# id = { header = \"x-delivery-id\" }              # or { pointer = \"/id\" }: the same on every retry
# events = \"/alerts\"                             # JSON pointer to a list: one event an element
# map = { title = \"/rule/name\", severity = \"/level\", time = \"/at\", actor = \"/src_ip\", key = \"/event_id\", state = \"/status\" }
# resolved_words = [\"resolved\", \"ok\", \"closed\", \"inactive\"]   # the words of the state that mean that it is over
# outcomes = { \"drop\" = \"blocked\", \"monitor\" = \"allowed\" }
# severities = { \"S1\" = \"critical\" }              # words that are not known; or severity_numbers = \"cvss\"
";

#[cfg(test)]
mod tests;
