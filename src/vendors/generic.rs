//! Any vendor that is not built in: JSON, and JSON pointers (RFC 6901) that say where the fields are.
//!
//! What `map` does not name is looked for under its own name at the top of the element (`title`, `severity`, …), so
//! that a simple sender needs no map at all. Security-relevant fields must be named: `key`, `link`, and what joins
//! events into incidents and ends those (`group`, `correlation`, `state`, `victim`). The id of a request is read from a
//! header or from the body as it is on the wire: from a compressed body no id is taken, and the raw body is used
//! instead.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::lenient::{self, Fields, Records, Text};
use super::outcomes::Outcomes;
use super::severities::{Severities, Stated};
use super::urgency_hint::{self, Field};
use super::{Hint, KindWords, Normalizer, Reading, Sample, Unfound, Vendor, own_words};
use crate::domain::{Actor, Draft, EventOutcome, EventState, Link, Note, Request, Rule, Severity, Target, Timestamp};
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

/// Where the fields of an element are, as JSON pointers.
#[derive(Default)]
struct Places {
    /// What makes two events the same, together; none where nothing is mapped.
    key: Vec<String>,
    /// The vendor's own group, together; also in the message around the list.
    group: Vec<String>,
    /// The vendor's name of the alert, together.
    correlation: Vec<String>,
    /// The rest of what `map` knows, where it is mapped.
    map: Vec<(&'static str, String)>,
}

impl Places {
    /// Reads `map`; `None` where a pointer in it is at fault.
    fn read(map: &Section) -> Option<Self> {
        let given: Vec<_> = NAMES.iter().map(|name| Some((*name, pointer(map, name)?))).collect();
        let (key, group) = (key_pointers(map), pointers(map, "group"));
        let correlation = pointers(map, "correlation");
        map.finish();
        let given = given.into_iter().collect::<Option<Vec<_>>>()?;
        let map = given.into_iter().filter_map(|(name, pointer)| Some((name, pointer?))).collect();
        Some(Self { key: key?, group: group?, correlation: correlation?, map })
    }

    /// The pointers that are mapped with their names, but for those of the key.
    fn all(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let one_by_one = self.map.iter().map(|(name, pointer)| (*name, pointer));
        let group = self.group.iter().map(|pointer| ("group", pointer));
        one_by_one.chain(group).chain(self.correlation.iter().map(|pointer| ("correlation", pointer)))
    }
}

/// Where a pointer that the operator gave leads: `Some(None)` where none was given, `None` where it is at fault.
fn pointer(section: &Section, key: &'static str) -> Option<Option<String>> {
    if !section.has(key) {
        return Some(None);
    }
    checked(section, key, section.text(key)?).map(Some)
}

/// The pointer, if it is one.
fn checked(section: &Section, key: &'static str, pointer: String) -> Option<String> {
    if pointer.is_empty() || pointer.starts_with('/') {
        return Some(pointer);
    }
    let fix =
        format!("write a JSON pointer like \"/{}\"", pointer.trim_start_matches(['$', '.', '#']).replace('.', "/"));
    section.fault(key, &format!("'{pointer}' is no JSON pointer"), &fix);
    None
}

/// `key = "/alert_id"`, or `key = ["/fingerprint", "/startsAt", "/status"]`; `None` where a pointer is at fault.
fn key_pointers(map: &Section) -> Option<Vec<String>> {
    let pointers = pointers(map, "key")?;
    if let [pointer] = pointers.as_slice()
        && is_of_the_alert(pointer)
    {
        let message = format!(
            "'{pointer}' is the same each time that an alert fires, and when it is resolved: for as long as keys are kept only \
             the first of them would be told"
        );
        map.warn("key", &message, "add what differs, as in key = [\"/fingerprint\", \"/startsAt\", \"/status\"]");
    }
    Some(pointers)
}

/// One pointer, or several whose values count together; none where nothing is given, `None` where one is at fault.
fn pointers(map: &Section, name: &'static str) -> Option<Vec<String>> {
    if !map.has(name) {
        return Some(Vec::new());
    }
    let given = map.text_or_texts(name)?;
    let pointers: Vec<Option<String>> = given.into_iter().map(|pointer| checked(map, name, pointer)).collect();
    pointers.into_iter().collect()
}

/// Whether a pointer leads to what names an alert, and not one time that it happens.
fn is_of_the_alert(pointer: &str) -> bool {
    let last = pointer.rsplit('/').next().unwrap_or_default();
    let bare: String = last.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    LASTING.contains(&bare.as_str())
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

/// A field that says what an event is about.
struct KindPlace {
    /// Its name in `map`.
    part: &'static str,
    /// Its own name, and that of the object around it, where the pointer says it.
    name: String,
    parent: Option<String>,
    /// How deep it is nested in objects and lists.
    depth: usize,
}

impl KindPlace {
    /// Where the pointer leads, in an element that stands `lead` deep.
    fn of(part: &'static str, pointer: &str, lead: usize) -> Self {
        let (depth, name) = end_of(pointer);
        let is_name = |part: &&str| part.bytes().any(|byte| !byte.is_ascii_digit());
        let parent = pointer.rsplit('/').nth(1).filter(is_name).map(unescaped);
        Self { part, name: name.into_owned(), parent: parent.map(Cow::into_owned), depth: lead + depth }
    }

    /// Whether it is that field; `is_list`: the body is a list of elements.
    fn is(&self, field: &Field<'_>, is_list: bool) -> bool {
        field.is_one_of(&[&self.name])
            && field.depth == self.depth + usize::from(is_list)
            && self.parent.as_deref().is_none_or(|parent| field.parent == parent.as_bytes())
    }

    fn note(&self, word: &str, about: &mut KindWords) {
        match self.part {
            "victim" | "host" | "agent" => about.note_victim(self.part, word),
            "title" => about.note_text(self.part, word),
            _ => about.note_rule(self.part, word),
        }
    }
}

/// Where the words stand by which events are put into incidents, mapped or under their own names. Where a rule is mapped the
/// title, which may name much else, does not stand for it.
fn kind_places(places: &Places, events: Option<&str>) -> Vec<KindPlace> {
    let lead = events.filter(|events| !events.is_empty()).map_or(0, |events| events.matches('/').count() + 1);
    let has_rule = places.map.iter().any(|(name, _)| RULES.contains(name));
    let mut all = Vec::new();
    for part in KIND_NAMES.iter().copied().filter(|part| *part != "title" || !has_rule) {
        match places.map.iter().find(|(name, _)| *name == part) {
            Some((_, pointer)) => all.push(KindPlace::of(part, pointer, lead)),
            None if MATTERS_OF_TRUST.contains(&part) => {}
            None => {
                let [snake, camel] = [part.to_owned(), camel_case(part)];
                let is_one = snake == camel;
                all.push(KindPlace::of(part, &format!("/{snake}"), lead));
                all.extend((!is_one).then(|| KindPlace::of(part, &format!("/{camel}"), lead)));
            }
        }
    }
    all
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
        for (name, pointer) in self.places.all() {
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
            let read = |fields: Fields| Ok(self.draft(Value::Object(fields.into_map()), &message, 0));
            let repaired = records.hand_out(read, take);
            return repaired.then_some(Note::Repaired);
        }
        match text.parse() {
            Ok(parsed) => {
                let note = self.read_value(parsed.value, parsed.repaired, body, take);
                note.or(parsed.repaired.then_some(Note::Repaired))
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
    fn read_value(&self, mut value: Value, repaired: bool, body: &[u8], take: &mut dyn FnMut(Draft)) -> Option<Note> {
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
                if lenient::holds_doubled(&root) {
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
            let draft = self.draft(Value::Object(fields.into_map()), &message, position);
            position += 1;
            Ok(draft)
        };
        lenient::hand_out(lenient::each(elements), read, take);
        None
    }

    fn draft(&self, element: Value, message: &Message, position: usize) -> Draft {
        let is_doubled = lenient::holds_doubled(&element);
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

    /// The mapped key; else the id of the request with the element's place in it; else the element's content. Where the id
    /// is in a header, nothing: the receipt, which is one an id, then tells its events apart.
    fn key(&self, found: &mut Found, delivery: Option<(&str, usize)>) -> Vec<String> {
        let parts: Vec<Option<String>> = self.places.key.iter().map(|pointer| found.at(pointer)).collect();
        if parts.iter().any(Option::is_some) {
            let parts = parts.into_iter().map(Option::unwrap_or_default);
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

/// An element, and which of its values were understood.
struct Found<'e> {
    element: &'e Value,
    map: &'e [(&'static str, String)],
    used: Vec<String>,
}

impl Found<'_> {
    fn text(&mut self, name: &str) -> Option<String> {
        let pointer = self.pointer(name)?;
        self.at(&pointer)
    }

    fn at(&mut self, pointer: &str) -> Option<String> {
        let text = self.element.pointer(pointer).and_then(scalar)?;
        self.used.push(pointer.to_owned());
        Some(text)
    }

    /// The values at all of the pointers as one text, where need be those of the message around the element; `None` where
    /// there is no pointer, or one leads to nothing: a part of a name would be the name of more.
    fn together(&mut self, pointers: &[String], around: &[Option<String>]) -> Option<String> {
        let own: Vec<Option<String>> = values(self.element, pointers).collect();
        let around = around.iter().cloned().chain(std::iter::repeat(None));
        let parts: Option<Vec<String>> = own.iter().cloned().zip(around).map(|(own, around)| own.or(around)).collect();
        let text = parts.filter(|parts| !parts.is_empty())?.join(" · ");
        let found = pointers.iter().zip(&own).filter(|(_, own)| own.is_some());
        self.used.extend(found.map(|(pointer, _)| pointer.clone()));
        Some(text)
    }

    /// The operator's word, else what the word means everywhere; a word that says nothing stays where it is.
    fn outcome(&mut self, operators: &Outcomes) -> Option<EventOutcome> {
        let pointer = self.pointer("outcome")?;
        let word = self.element.pointer(&pointer).and_then(scalar)?;
        let outcome = operators.of(&word)?;
        self.used.push(pointer);
        Some(outcome)
    }

    fn time(&mut self, name: &str) -> Option<Timestamp> {
        let pointer = self.pointer(name)?;
        let time = self.element.pointer(&pointer).and_then(lenient::time_of)?;
        self.used.push(pointer);
        Some(time)
    }

    /// What the element says about its severity. A word that is not known stays where it stood.
    fn severity(&mut self, name: &str, severities: &Severities) -> Stated {
        let pointer = self.pointer(name);
        let word = pointer.as_deref().and_then(|pointer| self.element.pointer(pointer)).and_then(severity_word);
        // `severity` by the vendor's word is how this table was written first.
        if let Some(severity) = word.as_deref().and_then(|word| severities.of_kind(word)) {
            self.used.extend(pointer);
            return Stated { severity: Some(severity), unknown: None };
        }
        let stated = severities.stated(word.as_deref());
        self.used.extend(pointer.filter(|_| stated.severity.is_some()));
        stated
    }

    fn pointer(&self, name: &str) -> Option<String> {
        let given = self.map.iter().find(|(known, _)| *known == name).map(|(_, pointer)| pointer.clone());
        let guessed = || {
            let [snake, camel] = [format!("/{name}"), format!("/{}", camel_case(name))];
            if self.element.pointer(&snake).is_some() { snake } else { camel }
        };
        given.or_else(|| (!MATTERS_OF_TRUST.contains(&name)).then(guessed))
    }
}

fn actor(found: &mut Found) -> Option<Actor> {
    let mut actor = found.text("actor").as_deref().and_then(Actor::from_text).unwrap_or_default();
    if let Some(user) = found.text("user") {
        actor.user = Some(user);
    }
    let address = found.pointer("ip").and_then(|pointer| found.element.pointer(&pointer)).and_then(scalar);
    if let Some(ip) = address.as_deref().and_then(Actor::from_text).and_then(|actor| actor.ip) {
        actor.ip = Some(ip);
        found.used.extend(found.pointer("ip"));
    }
    (actor != Actor::default()).then_some(actor)
}

fn target(found: &mut Found) -> Option<Target> {
    let target = Target {
        method: found.text("method"),
        url: found.text("url"),
        host: found.text("host"),
        agent: found.text("agent"),
    };
    (target != Target::default()).then_some(target)
}

/// What was done about it, by its own field or by the action that was taken.
fn add_what_was_done(draft: &mut Draft, found: &mut Found, outcomes: &Outcomes) {
    let action = found.text("action");
    draft.outcome = found.outcome(outcomes).or_else(|| outcomes.of(action.as_deref()?));
    for (name, value) in [("action", action), ("risk_score", found.text("risk_score"))] {
        draft.labels.extend(value.map(|value| (name.to_owned(), value)));
    }
}

/// How deep the field stands that a pointer leads to, and its name.
fn end_of(pointer: &str) -> (usize, Cow<'_, str>) {
    (pointer.matches('/').count(), unescaped(pointer.rsplit('/').next().unwrap_or_default()))
}

/// A part of a pointer, as the name is written in a body.
fn unescaped(part: &str) -> Cow<'_, str> {
    if part.contains('~') { part.replace("~1", "/").replace("~0", "~").into() } else { part.into() }
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |all, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        all + &head.to_ascii_uppercase() + tail
    })
}

/// The element without what was understood, and without objects that became empty by that.
fn rest(mut element: Value, used: &[String]) -> Map<String, Value> {
    for pointer in used {
        let Some((parent, last)) = pointer.rsplit_once('/') else { continue };
        let last = last.replace("~1", "/").replace("~0", "~");
        if let Some(parent) = element.pointer_mut(parent).and_then(Value::as_object_mut) {
            parent.remove(&last);
        }
    }
    match element {
        Value::Object(map) => map.into_iter().filter(|(_, value)| !says_nothing(value)).collect(),
        _ => Map::new(),
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// A text, a number or a truth value as text.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// What is at each pointer, as text.
fn values(element: &Value, pointers: &[String]) -> impl ExactSizeIterator<Item = Option<String>> {
    pointers.iter().map(|pointer| element.pointer(pointer).and_then(scalar))
}

/// A bare number counts within one thing and is no name of it everywhere: alert 7 of one repository is not alert 7 of
/// another. One with more digits than anything is counted to is an id; some fingerprints have no other digits.
fn is_bare_number(name: &str) -> bool {
    name.len() <= COUNTER_DIGITS_MAX && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// What stands where a severity is expected, as a word: a list of one element counts as that element. What is no plain
/// word is represented by its beginning, so that it is reported as an unknown word; an empty value is absent.
fn severity_word(mut value: &Value) -> Option<String> {
    while let Value::Array(items) = value
        && let [only] = items.as_slice()
    {
        value = only;
    }
    match value {
        Value::Array(_) | Value::Object(_) if !says_nothing(value) => {
            Some(lenient::cut(&value.to_string(), ODD_SEVERITY_BYTES_MAX))
        }
        _ => scalar(value),
    }
}

/// How much is kept of a severity that is no plain word; more than the label of the event holds.
const ODD_SEVERITY_BYTES_MAX: usize = 256;

/// What `map` knows, beside what several pointers may tell together.
const NAMES: &[&str] = &[
    "title",
    "message",
    "severity",
    "time",
    "actor",
    "type",
    "rule",
    "rule_name",
    "method",
    "url",
    "host",
    "agent",
    "status",
    "link",
    "user",
    "ip",
    "outcome",
    "vendor_id",
    "action",
    "risk_score",
    "state",
    "victim",
];

/// The names in `map` that say what an event is about.
const KIND_NAMES: &[&str] = &["type", "rule", "rule_name", "title", "host", "agent", "victim", "outcome", "action"];
const RULES: &[&str] = &["rule", "rule_name"];

/// The words that mean that an alert is over unless `resolved_words` says otherwise, folded.
const RESOLVED_WORDS: &[&str] = &["resolved", "ok", "closed", "inactive"];
const COUNTER_DIGITS_MAX: usize = 12;
/// The first part of a key that is mapped.
const KEY: &str = "key";
/// The first part of a key that is made of the element's content.
const CONTENT: &str = "content";
/// What is never guessed.
const MATTERS_OF_TRUST: &[&str] = &["link", "state", "victim"];
/// Names of fields that stay the same for as long as an alert exists, in small letters and without marks.
const LASTING: &[&str] = &["fingerprint", "groupkey", "dedupkey", "alertname", "ruleid", "alertcyclekey", "aggregkey"];

const SAMPLES: &[Sample] = &[Sample {
    name: "alert",
    content_type: "application/json",
    body: include_bytes!("../../tests/fixtures/vendors/generic/alert.json"),
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
mod tests {
    use serde_json::json;

    use super::super::tests::{build, request};
    use super::*;

    fn read(settings: &str, body: &Value) -> Reading {
        build("generic", settings).unwrap_or_else(|faults| panic!("{faults:?}")).normalize(body.to_string().as_bytes())
    }

    #[test]
    fn a_simple_sender_needs_no_map() {
        let body =
            json!({"title": "T", "severity": "HIGH", "time": 1748765730, "actor": "claude", "ip": "10.0.0.1", "x": 1});
        let draft = read("", &body).drafts.remove(0);
        assert_eq!((draft.title.as_str(), draft.severity, draft.kind.as_str()), ("T", Some(Severity::High), "alert"));
        let actor = draft.actor.unwrap();
        assert_eq!((actor.user.as_deref(), actor.ip), (Some("claude"), "10.0.0.1".parse().ok()));
        assert_eq!(Value::Object(draft.unmapped), json!({"x": 1}));
        assert_eq!(draft.key[0], "content");
    }

    #[test]
    fn pointers_lead_anywhere_and_odd_names_are_escaped() {
        let settings = "events = \"/a~1b/list\"\n[map]\ntitle = \"/n/0\"\nseverity = \"/s\"\nkey = \"/k\"\nlink = \"/u\"\n\
                        rule = \"/m~0n\"\n[severity]\nP1 = \"critical\"\n3 = \"low\"";
        let body = json!({"a/b": {"list": [
            {"n": ["first"], "s": "p1", "k": 1, "u": "https://example.com/1", "m~n": "r"},
            {"n": ["second"], "s": 3, "k": 2, "ip": "not one"},
            {"n": [], "s": 4},
        ]}});
        let drafts = read(settings, &body).drafts;
        let severities: Vec<_> = drafts.iter().map(|draft| draft.severity).collect();
        assert_eq!(severities, [Some(Severity::Critical), Some(Severity::Low), None]);
        let words: Vec<_> = drafts.iter().map(|draft| draft.severity_word.as_deref()).collect();
        assert_eq!(words, [None, None, Some("4")]);
        assert_eq!((drafts[0].title.as_str(), &drafts[0].key), ("first", &vec!["key".to_owned(), "1".to_owned()]));
        assert_eq!((drafts[0].links.len(), drafts[0].rule.as_ref().unwrap().id.as_deref()), (1, Some("r")));
        assert_eq!(Value::Object(drafts[1].unmapped.clone()), json!({"n": ["second"], "ip": "not one"}));
        assert_eq!(Value::Object(drafts[2].unmapped.clone()), json!({"s": 4}));
    }

    #[test]
    fn a_severity_that_is_no_plain_word_is_an_unknown_word() {
        let stated = |severity: &Value| {
            let draft = read("", &json!({"title": "t", "severity": severity})).drafts.remove(0);
            assert!(draft.severity_word.is_none() || draft.unmapped.contains_key("severity"), "{severity} is kept");
            (draft.severity, draft.severity_word)
        };
        for (severity, word) in [
            (json!({"level": "high"}), r#"{"level":"high"}"#),
            (json!(["high", "low"]), r#"["high","low"]"#),
            (json!([{"level": 3}]), r#"{"level":3}"#),
            (json!(true), "true"),
            (json!(["purple"]), "purple"),
        ] {
            assert_eq!(stated(&severity), (None, Some(word.to_owned())));
        }
        assert_eq!(stated(&json!(["high"])), (Some(Severity::High), None));
        assert_eq!(stated(&json!([["P1"]])), (Some(Severity::Critical), None));
        for absent in [json!(null), json!(""), json!(" \t"), json!([""]), json!([]), json!({})] {
            assert_eq!(stated(&absent), (None, None), "{absent}");
        }
        let long = stated(&json!(vec!["high"; 10_000])).1.unwrap();
        assert!(long.len() < 300 && long.starts_with("[\"high\""), "{}", long.len());
    }

    #[test]
    fn what_was_done_about_it_is_the_outcome() {
        let read_one = |settings: &str, body: Value| read(settings, &body).drafts.remove(0);
        for (settings, body, outcome) in [
            ("", json!({"outcome": "Blocked"}), Some(EventOutcome::Blocked)),
            ("", json!({"action": "deny"}), Some(EventOutcome::Blocked)),
            ("", json!({"action": "opened"}), None),
            ("", json!({"outcome": "failure", "action": "allow"}), Some(EventOutcome::Allowed)),
            (
                "map = { outcome = \"/waf/stopped\" }\noutcomes = { true = \"blocked\", false = \"succeeded\" }",
                json!({"waf": {"stopped": false}}),
                Some(EventOutcome::Succeeded),
            ),
            ("outcomes = { deny = \"allowed\" }", json!({"outcome": "DENY"}), Some(EventOutcome::Allowed)),
        ] {
            assert_eq!(read_one(settings, body.clone()).outcome, outcome, "{body}");
        }
        let draft = read_one("", json!({"id": 5, "riskScore": 97, "action": "deny", "outcome": "odd"}));
        assert_eq!(draft.vendor_id.as_deref(), Some("5"));
        assert_eq!((draft.labels["risk_score"].as_str(), draft.labels["action"].as_str()), ("97", "deny"));
        assert_eq!(Value::Object(draft.unmapped), json!({"outcome": "odd"}));
        let mapped = read_one("map = { vendor_id = \"/case/no\" }", json!({"id": 5, "case": {"no": "C-7"}}));
        assert_eq!(mapped.vendor_id.as_deref(), Some("C-7"));
        let faults = build("generic", "outcomes = { a = \"stopped\" }").err().unwrap();
        assert!(faults[0].contains("'stopped' is no outcome") && faults[0].contains("succeeded"), "{faults:?}");
    }

    #[test]
    fn what_no_field_of_the_map_fits_is_shown_in_its_own_words() {
        let body = json!({"finding": {"name": "Brute force", "password": "a b"}, "n": 7});
        let draft = read("", &body).drafts.remove(0);
        assert!(draft.is_unrecognized);
        assert_eq!(draft.title, "alert · name: \"Brute force\"");
        let evidence = "n: 7\nfinding:\n  name: \"Brute force\"\n  password: \"a b\"";
        assert_eq!(draft.evidence.as_deref(), Some(evidence));
        assert!(draft.message.unwrap().contains("No field"));
        let by_id = read("", &json!({"id": 5, "foo": 1})).drafts.remove(0);
        assert!(by_id.is_unrecognized && by_id.title == "alert · foo: 1", "an id alone says nothing");
        let without_title = read("", &json!({"severity": "low", "foo": 1})).drafts.remove(0);
        assert!(!without_title.is_unrecognized && without_title.message.is_none());
        assert_eq!(
            (without_title.title.as_str(), without_title.evidence.as_deref()),
            ("alert · foo: 1", Some("foo: 1"))
        );
        let told = read("", &json!({"title": "T", "foo": 1})).drafts.remove(0);
        assert_eq!((told.title.as_str(), told.evidence), ("T", None));
    }

    #[test]
    fn a_key_may_be_made_of_several_fields() {
        let settings = "events = \"/alerts\"\n[map]\nkey = [\"/fingerprint\", \"/startsAt\", \"/status\"]";
        let alert = |starts: &str, status: &str| json!({"fingerprint": "f1", "startsAt": starts, "status": status});
        let body = json!({"alerts": [alert("1", "firing"), alert("1", "resolved"), alert("2", "firing"), {"x": 1}]});
        let keys: Vec<_> = read(settings, &body).drafts.into_iter().map(|draft| draft.key).collect();
        assert_eq!(keys[0], ["key", "f1", "1", "firing"]);
        assert_eq!(keys[1], ["key", "f1", "1", "resolved"]);
        assert_eq!((keys[2][2].as_str(), keys[3][0].as_str()), ("2", "content"));
        let part = read("map = { key = [\"/a\", \"/b\"] }", &json!({"b": 1})).drafts.remove(0);
        assert_eq!(part.key, ["key", "", "1"], "an absent part is no other part");
        for (settings, fault) in [
            ("map = { key = [] }", "is an empty list"),
            ("map = { key = [\"/a\", \"b\"] }", "'b' is no JSON pointer"),
            ("map = { key = [1] }", "a list of texts"),
            ("map = { key = \"/fingerprint\" }", "key = [\"/fingerprint\", \"/startsAt\", \"/status\"]"),
            ("map = { key = [\"/groupKey\"] }", "only the first of them would be told"),
        ] {
            let faults = build("generic", settings).err().unwrap_or_else(|| panic!("{settings} was taken"));
            assert!(faults.iter().any(|found| found.contains(fault)), "{settings}: {faults:?}");
        }
        assert!(build("generic", "map = { key = \"/alert_id\" }").is_ok());
    }

    #[test]
    fn the_end_of_an_alert_is_told_by_the_operators_words() {
        let state = |settings: &str, word: Value| {
            let draft = read(settings, &json!({"title": "t", "status": word})).drafts.remove(0);
            assert!(draft.state.is_some() != draft.unmapped.contains_key("status") || word.is_null(), "{word}");
            draft.state
        };
        let (firing, resolved) = (Some(EventState::Firing), Some(EventState::Resolved));
        let mapped = "map = { state = \"/status\" }";
        for (word, wanted) in [
            (json!("resolved"), resolved),
            (json!(" OK "), resolved),
            (json!("Closed"), resolved),
            (json!("inactive"), resolved),
            (json!("firing"), firing),
            (json!("unresolved"), firing),
            (json!(7), firing),
            (json!(""), None),
            (json!(null), None),
        ] {
            let found = read(mapped, &json!({"title": "t", "status": word})).drafts.remove(0).state;
            assert_eq!(found, wanted, "{word}");
        }
        assert_eq!(state(mapped, json!({"is": "resolved"})), None, "no word");
        assert_eq!(state(&format!("resolved_words = [\"Fixed\", \"false\"]\n{mapped}"), json!("FIXED")), resolved);
        assert_eq!(state(&format!("resolved_words = [\"Fixed\", \"false\"]\n{mapped}"), json!(false)), resolved);
        assert_eq!(state(&format!("resolved_words = [\"Fixed\"]\n{mapped}"), json!("resolved")), firing);
    }

    #[test]
    fn what_joins_events_or_ends_an_alert_is_never_guessed() {
        let body = json!({
            "title": "t", "group": "g", "groupKey": "g", "correlation": "c", "state": "resolved", "victim": "v",
        });
        let draft = read("", &body).drafts.remove(0);
        assert_eq!((draft.group, draft.correlation, draft.state, draft.victim), (None, None, None, None));
        assert_eq!(draft.unmapped.len(), 5, "and nothing is lost");
        let settings =
            "map = { group = \"/group\", correlation = \"/correlation\", state = \"/state\", victim = \"/victim\" }";
        let draft = read(settings, &body).drafts.remove(0);
        assert_eq!((draft.group.as_deref(), draft.correlation.as_deref()), (Some("g"), Some("c")));
        assert_eq!((draft.state, draft.victim.as_deref()), (Some(EventState::Resolved), Some("v")));
        assert_eq!(draft.unmapped.keys().collect::<Vec<_>>(), ["groupKey"]);
        assert!(draft.incident_parts.is_empty(), "type and rule are the default");
    }

    #[test]
    fn what_can_be_read_in_two_ways_neither_joins_an_incident_nor_ends_one() {
        let settings = "events = \"/alerts\"\n\
                        map = { group = \"/g\", correlation = \"/c\", state = \"/s\", victim = \"/v\", key = \"/k\" }";
        let normalizer = build("generic", settings).unwrap_or_else(|faults| panic!("{faults:?}"));
        let first = |body: &str| normalizer.normalize(body.as_bytes()).drafts.remove(0);
        let draft = first(r#"{"g":"known","alerts":[{"c":"known","s":"resolved","s":"firing","v":"known","k":1}]}"#);
        assert_eq!((draft.group, draft.correlation, draft.state, draft.victim), (None, None, None, None));
        assert_eq!(draft.incident_parts, ["alert", "doubled_keys"]);
        assert_eq!((&draft.unmapped["s"], &draft.unmapped["s#2"]), (&json!("resolved"), &json!("firing")));
        let around = first(r#"{"g":"known","g":"other","alerts":[{"c":"c"}]}"#);
        assert_eq!((around.group, around.correlation.as_deref()), (None, Some("c")));
    }

    #[test]
    fn the_group_of_a_message_is_that_of_its_events() {
        let settings = "events = \"/alerts\"\nmap = { group = \"/groupKey\" }";
        let groups = |settings: &str, body: Value| {
            let drafts = read(settings, &body).drafts;
            drafts.into_iter().map(|draft| draft.group.unwrap_or_default()).collect::<Vec<_>>()
        };
        let alerts = json!([{"title": "a"}, {"title": "b", "groupKey": "own"}]);
        assert_eq!(groups(settings, json!({"groupKey": "all", "alerts": alerts})), ["all", "own"]);
        assert_eq!(groups(settings, json!({"alerts": alerts})), ["", "own"]);
        assert_eq!(groups("map = { group = \"/groupKey\" }", json!({"title": "a", "groupKey": "all"})), ["all"]);
        let several = "map = { group = [\"/labels/cluster\", \"/labels/alertname\"] }";
        assert_eq!(groups(several, json!({"labels": {"cluster": "eu", "alertname": "Disk"}})), ["eu · Disk"]);
        assert_eq!(groups(several, json!({"labels": {"cluster": "eu"}})), [""], "half a name names more");
        let both = "events = \"/alerts\"\nmap = { group = [\"/cluster\", \"/name\"] }";
        let body = json!({"cluster": "eu", "name": "all", "alerts": [{"name": "Disk"}, {"title": "b"}]});
        assert_eq!(groups(both, body), ["eu · Disk", "eu · all"]);
    }

    #[test]
    fn a_bare_number_is_the_name_of_no_alert() {
        let named = |settings: &str, body: Value| {
            let draft = read(&format!("map = {{ correlation = {settings} }}"), &body).drafts.remove(0);
            assert_eq!(draft.correlation.is_none(), draft.unmapped.contains_key("n"), "{body}");
            draft.correlation
        };
        assert_eq!(named("\"/n\"", json!({"n": 7})), None);
        assert_eq!(named("\"/n\"", json!({"n": "999999999999"})), None);
        assert_eq!(named("\"/n\"", json!({"n": "4624254118161234"})).as_deref(), Some("4624254118161234"));
        assert_eq!(named("\"/n\"", json!({"n": "https://example.com/7"})).as_deref(), Some("https://example.com/7"));
        assert_eq!(named("[\"/repo\", \"/n\"]", json!({"repo": "a/b", "n": 7})).as_deref(), Some("a/b · 7"));
        assert_eq!(named("[\"/repo\", \"/n\"]", json!({"n": 7})), None);
    }

    #[test]
    fn the_end_of_an_alert_is_no_repetition_of_its_beginning() {
        let settings = "map = { key = \"/alert_id\", state = \"/status\" }";
        let key = |status: &str| read(settings, &json!({"alert_id": 5, "status": status})).drafts.remove(0).key;
        assert_eq!(key("firing"), ["key", "5"]);
        assert_eq!(key("resolved"), ["key", "5", "resolved"]);
        assert_eq!(key("firing"), key("acknowledged"));
    }

    #[test]
    fn keys_follow_the_id() {
        let body = json!({"id": "d1", "alerts": [{"t": 1}, {"t": 1}]});
        let keys = |settings: &str| read(settings, &body).drafts.into_iter().map(|d| d.key).collect::<Vec<_>>();
        let by_id = keys("events = \"/alerts\"\nid = { pointer = \"/id\" }");
        assert_eq!(by_id, [["delivery", "d1", "0"], ["delivery", "d1", "1"]]);
        assert_eq!(keys("events = \"/alerts\"\nid = { header = \"X-Id\" }"), [Vec::<String>::new(), Vec::new()]);
        assert_eq!(keys("events = \"/alerts\"").len(), 1, "equal content is one event");
    }

    #[test]
    fn what_has_neither_an_id_nor_a_time_recurs() {
        let recurs = |settings: &str, body: &Value| read(settings, body).drafts.remove(0).recurs;
        let (plain, dated) = (json!({"title": "x", "n": 1}), json!({"title": "x", "n": 1, "time": 1_748_765_730}));
        assert!(recurs("", &plain) && !recurs("", &dated));
        assert!(!recurs("map = { key = \"/n\" }", &plain), "a mapped key");
        assert!(!recurs("id = { pointer = \"/n\" }", &plain), "an id");
        assert!(!recurs("id = { header = \"X-Id\" }", &plain), "an id that is not in the body");
    }

    #[test]
    fn the_id_of_a_request_comes_from_one_place() {
        let by_header = build("generic", "id = { header = \"X-Delivery\" }").ok().unwrap();
        assert_eq!(by_header.event_id(&request(&[("x-delivery", "7")], b"{}")).as_deref(), Some("7"));
        assert_eq!(by_header.event_id(&request(&[("x-delivery", "7"), ("x-delivery", "8")], b"{}")), None);
        let by_pointer = build("generic", "id = { pointer = \"/meta/id\" }").ok().unwrap();
        let id = |body: &str| by_pointer.event_id(&request(&[], body.as_bytes()));
        assert_eq!(id(r#"{"meta":{"id":5}}"#).as_deref(), Some("5"));
        for body in [r#"{"meta":{"id":"a","id":"b"}}"#, r#"{"meta":{"id":" "}}"#, r#"{"meta":{"id":[1]}}"#, "x", ""] {
            assert_eq!(id(body), None, "{body}");
        }
    }

    #[test]
    fn a_long_id_is_not_rounded() {
        let normalizer = build("generic", "id = { pointer = \"/id\" }\nmap = { key = \"/id\" }").ok().unwrap();
        for long in ["123456789012345678901234567890", "123456789012345678901234567891", "9007199254740993.5", "1e400"]
        {
            let body = format!("{{\"id\":{long},\"title\":\"t\"}}");
            assert_eq!(normalizer.event_id(&request(&[], body.as_bytes())).as_deref(), Some(long));
            let draft = normalizer.normalize(body.as_bytes()).drafts.remove(0);
            assert_eq!((draft.key[1].as_str(), draft.vendor_id.as_deref()), (long, Some(long)));
        }
    }

    #[test]
    fn bodies_of_any_form_give_an_event_or_say_why_not() {
        assert_eq!(read("", &json!([])), Reading::nothing(Note::Empty));
        assert_eq!(read("events = \"/alerts\"", &json!({"alerts": []})), Reading::nothing(Note::Empty));
        assert_eq!(read("", &json!([{"a": 1}, {"a": 2}])).drafts.len(), 2);
        assert_eq!(read("events = \"/alerts\"", &json!({"alerts": {"title": "x"}})).drafts.len(), 1);
        assert_eq!(read("events = \"/none\"", &json!({"title": "x"})).drafts[0].title, "x");
        assert_eq!(read("", &json!([1, 2])).note, Some(Note::Unparsed));
        let normalizer = build("generic", "").ok().unwrap();
        for body in ["a=b&c=d", "plain text", "<a/>", "7"] {
            assert_eq!(normalizer.normalize(body.as_bytes()).note, Some(Note::Unparsed), "{body}");
        }
        let hidden = br#"{"alerts":[{"title":"a"}],"alerts":[{"title":"b"}]}"#;
        let reading = build("generic", "events = \"/alerts\"").ok().unwrap().normalize(hidden);
        assert_eq!((reading.drafts.len(), reading.note), (2, Some(Note::Repaired)));
        assert!(reading.drafts[1].unmapped.contains_key("alerts#2"));
    }

    #[test]
    fn pointers_that_lead_to_nothing_are_named() {
        let settings = "id = { pointer = \"/id\" }\nevents = \"/alerts\"\n\
                        map = { title = \"/t\", severity = \"/s\", time = \"/at\", user = \"/u/name\" }";
        let told = |body: &Value| {
            let normalizer = build("generic", settings).ok().unwrap();
            normalizer.unfound(body.to_string().as_bytes()).iter().map(Unfound::to_string).collect::<Vec<_>>()
        };
        let whole =
            json!({"id": 1, "alerts": [{"t": "x", "s": "high", "at": "2025-06-01T08:15:30Z", "u": {"name": "a"}}]});
        assert_eq!(told(&whole), [""; 0]);
        let some =
            json!({"alerts": [{"t": "x", "s": [], "at": "soon", "u": {"name": "a"}}, {"t": " ", "s": "low", "u": 1}]});
        assert_eq!(
            told(&some),
            [
                "id.pointer = \"/id\" found nothing that fits",
                "map.title = \"/t\" found nothing that fits in 1 of 2 events",
                "map.severity = \"/s\" found nothing that fits in 1 of 2 events",
                "map.time = \"/at\" found nothing that fits in 2 of 2 events",
                "map.user = \"/u/name\" found nothing that fits in 1 of 2 events",
            ]
        );
        assert_eq!(told(&json!({"id": 1}))[0], "events = \"/alerts\" found nothing that fits");
    }

    #[test]
    fn pointers_that_join_events_are_named_where_they_lead_to_nothing() {
        let settings = "events = \"/alerts\"\n\
                        map = { group = [\"/groupKey\", \"/zone\"], correlation = \"/n\", state = \"/s\", victim = \"/v\" }";
        let told = |body: &Value| {
            let normalizer = build("generic", settings).unwrap_or_else(|faults| panic!("{faults:?}"));
            normalizer.unfound(body.to_string().as_bytes()).iter().map(Unfound::to_string).collect::<Vec<_>>()
        };
        let whole = json!({"groupKey": "g", "zone": "z", "alerts": [{"n": "a", "s": "ok", "v": "h"}]});
        assert_eq!(told(&whole), [""; 0]);
        assert_eq!(
            told(&json!({"zone": "z", "alerts": [{"n": 7, "s": {}}]})),
            [
                "map.state = \"/s\" found nothing that fits",
                "map.victim = \"/v\" found nothing that fits",
                "map.group = \"/groupKey\" found nothing that fits",
                "map.correlation = \"/n\" found nothing that fits",
            ]
        );
    }

    #[test]
    fn settings_at_fault_say_how_to_mend_them() {
        for (settings, fault) in [
            ("events = \"alerts\"", "'alerts' is no JSON pointer; write a JSON pointer like \"/alerts\""),
            ("events = \"$.a.b\"", "like \"/a/b\""),
            ("map = { titel = \"/t\" }", "did you mean 'title'?"),
            ("map = { title = 7 }", "is an integer, not a text in quotes"),
            ("map = { severity = \"level\" }", "'level' is no JSON pointer"),
            ("map = { group = \"groupKey\" }", "'groupKey' is no JSON pointer"),
            ("map = { correlation = [] }", "is an empty list"),
            ("map = { state = \"/s\" }\nresolved_words = []", "is an empty list"),
            ("map = { state = \"/s\" }\nresolved_words = [\"done\", \" \"]", "holds a blank word"),
            ("resolved_words = [\"done\"]", "is never looked at without map.state"),
            ("map = { title = \"/t\" }\nresolved_words = [\"done\"]", "is never looked at without map.state"),
            ("id = { }", "needs one place"),
            ("id = { header = \"a\", pointer = \"/b\" }", "needs one place"),
            ("id = { header = \" \" }", "is empty"),
            ("id = { pointer = \"id\" }", "'id' is no JSON pointer"),
            ("id = \"x\"", "not a table"),
            ("id = { heade = \"x\" }", "needs one place"),
        ] {
            let faults = build("generic", settings).err().unwrap_or_else(|| panic!("{settings} was taken"));
            assert!(faults.iter().any(|found| found.contains(fault)), "{settings}: {faults:?}");
        }
    }
}
