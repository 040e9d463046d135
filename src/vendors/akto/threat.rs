//! One threat: a record of the export, of the documented body, of a card, of the dashboard's own answers or of the
//! custom webhook before November 2025. They share most names; where they do not, all are tried.

use serde_json::{Map, Value};

use super::sample::{Recorded, recorded};
use super::{Akto, filters};
use crate::domain::{Actor, Draft, EventOutcome, Link, Rule, Target, Timestamp};
use crate::vendors::lenient::{self, Fields, truncated};
use crate::vendors::severities::Stated;

/// Whether the object says enough to be a threat.
pub fn is_threat(fields: &Fields) -> bool {
    let telling = ["filterId", "filter", "latestApiEndpoint", "latestApiOrig", "refId", "maliciousPayloadsResponses"];
    telling.iter().any(|name| fields.has(name)) || fields.has("actor") && fields.has("url")
}

impl Akto {
    /// The body of the documentation: threats, with one explanation and one remedy for all of them. The remedy is text
    /// and nothing else: in the documented body it belongs to another finding. `None` where there are no threats in it.
    pub(super) fn documented(&self, mut body: Fields, take: &mut dyn FnMut(Draft)) -> Option<()> {
        let any_doubled = body.any_doubled();
        let events: Vec<Value> = body.every("maliciousEvents").into_iter().flat_map(listed).collect();
        if !events.is_empty() && !events.iter().any(Value::is_object) {
            return None;
        }
        let mut overview = body.object("overview").unwrap_or_default();
        // Every event gets a copy: none longer than an event keeps.
        let short = |text: String| truncated(&text, SHARED_BYTES_MAX);
        let description = overview.text(&["description", "details"]).map(short);
        let impact = overview.text(&["impact"]).map(short);
        let remediation = body.value("remediation").and_then(remediation).map(short);
        let mut rest = Some(body.rest());
        lenient::hand_out(lenient::each(events, any_doubled), |fields| self.threat_if(fields), &mut |mut draft| {
            draft.message = draft.message.take().or_else(|| description.clone());
            draft.impact = draft.impact.take().or_else(|| impact.clone());
            draft.remediation = draft.remediation.take().or_else(|| remediation.clone());
            draft.unmapped.extend(rest.take().unwrap_or_default());
            take(draft);
        });
        Some(())
    }

    /// One threat. Akto's own state of it (`IGNORED`, `TRAINING`) becomes the status and lowers nothing: the operator's
    /// routes decide whether it is told.
    pub(super) fn threat(&self, mut fields: Fields) -> Draft {
        let doubled = fields.doubled();
        let whole = (!fields.has("id")).then(|| fields.digest());
        let id = fields.text(&["id"]);
        let filter = fields.text(&["filterId", "filter"]);
        let (recorded, samples) = take_recorded(&mut fields);
        let mut metadata = take_metadata(&mut fields);
        let named = fields.text(&["actor"]);
        let sub_category = fields.text(&["subCategory"]);
        let category = fields.text(&["category"]);
        let documented_time = fields.time(&["detectedAt", "timestamp", "discovered"]);
        let time = documented_time.or_else(|| fields.time(&["ts"])).or(samples.1);
        let stated_host = fields.text(&["host"]);
        let target = target(&mut fields, stated_host.as_deref(), &recorded);

        let stated = self.severity(filter.as_deref(), sub_category.as_deref(), &mut fields);
        let mut draft = Draft {
            kind: kind(&mut fields),
            time,
            is_time_documented: documented_time.is_some(),
            severity: stated.severity,
            severity_word: stated.unknown,
            vendor_id: id.clone(),
            actor: actor(named.as_deref(), &mut fields, &mut metadata),
            status: fields.text(&["status"]),
            message: metadata.text(&["overview", "reason"]),
            impact: metadata.text(&["impact"]),
            remediation: metadata.text(&["remediation"]),
            evidence: recorded.evidence,
            ..Draft::default()
        };
        let words = [sub_category.as_deref(), category.as_deref()];
        draft.title = title(filter.as_deref(), words, target.as_ref());
        draft.key = match id {
            Some(id) => vec!["id".to_owned(), id],
            None => content_key(whole, filter.as_deref(), target.as_ref(), draft.time),
        };
        draft.links = self.links(&mut fields, filter.as_deref(), named.as_deref());
        add_what_was_done(&mut draft, &mut fields, &mut metadata);
        label(&mut draft, "category", category);
        label(&mut draft, "sub_category", sub_category);
        labels(&mut draft, &mut fields);
        if samples.0 > 0 {
            label(&mut draft, "samples", Some(samples.0.to_string()));
        }
        let rule = Rule { id: filter, name: metadata.text(&["policyName", "ruleViolated"]) };
        draft.incident_parts = incident_parts(&draft, &rule);
        draft.victim = stated_host.map(|host| host.to_ascii_lowercase()).or_else(|| collection(&draft));
        draft.rule = Some(rule);
        draft.target = target;
        draft.unmapped = fields.rest();
        let about = metadata.rest();
        if !about.is_empty() {
            draft.unmapped.insert("metadata".to_owned(), Value::Object(about));
        }
        if doubled {
            draft.key = Vec::new();
            draft.severity = lenient::doubtful(draft.severity);
            draft.outcome = lenient::doubtful_outcome(draft.outcome);
            draft.incident_parts = lenient::doubtful_parts(&draft.kind);
            label(&mut draft, "doubled_keys", Some("true".to_owned()));
        }
        draft
    }

    /// The operator's by filter or subcategory, else the record's own, else the filter's. The export leaves its own
    /// always empty.
    fn severity(&self, filter: Option<&str>, sub_category: Option<&str>, fields: &mut Fields) -> Stated {
        let stated = self.severities.stated(fields.text(&["severity"]).as_deref());
        let ordered = [filter, sub_category].into_iter().flatten().find_map(|word| self.severities.of_kind(word));
        if ordered.is_some() {
            return Stated { severity: ordered, unknown: None };
        }
        Stated { severity: stated.severity.or_else(|| filters::severity(filter?)), ..stated }
    }

    /// The page of the detection, made of the operator's address and the four fields that it takes.
    fn links(&self, fields: &mut Fields, filter: Option<&str>, actor: Option<&str>) -> Vec<Link> {
        let mut links = Vec::new();
        let reference = fields.text(&["refId"]);
        let event_type = fields.text(&["eventType"]);
        if let (Some(reference), Some(event_type), Some(actor), Some(filter)) = (&reference, &event_type, actor, filter)
            && let Some(mut url) = self.page(&["protection", "threat-activity"])
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("refId", reference).append_pair("eventType", event_type);
            query.append_pair("actor", actor).append_pair("filterId", filter);
            drop(query);
            links.push(Link { title: "Open in Akto".to_owned(), url: url.into() });
        }
        if let Some(ticket) = fields.text(&["jiraTicketUrl"]) {
            links.push(Link { title: "Open the ticket that Akto made".to_owned(), url: ticket });
        }
        keep(fields, "refId", reference);
        keep(fields, "eventType", event_type);
        links
    }
}

fn listed(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        other => vec![other],
    }
}

/// Puts a text back, for later readers.
fn keep(fields: &mut Fields, name: &str, text: Option<String>) {
    if let Some(text) = text {
        fields.put(name, Value::String(text));
    }
}

fn kind(fields: &mut Fields) -> String {
    let label = fields.text(&["label"]).map(|label| label.to_lowercase());
    label.unwrap_or_else(|| "threat".to_owned())
}

/// The recorded requests, and how many there are with the time of the first.
fn take_recorded(fields: &mut Fields) -> (Recorded, (usize, Option<Timestamp>)) {
    let mut samples = fields.list("maliciousPayloadsResponses").unwrap_or_default();
    let count = samples.len();
    let first = samples.drain(..).next().and_then(Fields::of);
    if let Some(mut sample) = first {
        if let Some(metadata) = sample.value("metadata").filter(|_| !fields.has("metadata")) {
            fields.put("metadata", metadata);
        }
        let time = sample.time(&["ts"]);
        return (sample.value("orig").map(recorded).unwrap_or_default(), (count, time));
    }
    let value = ["latestApiOrig", "payload", "sample", "orig"].iter().find_map(|name| fields.value(name));
    (value.map(recorded).unwrap_or_default(), (count, None))
}

/// Metadata is an object, JSON in a text, or protobuf's text form: lines of `name: "value"`.
fn take_metadata(fields: &mut Fields) -> Fields {
    match fields.value("metadata") {
        Some(Value::Object(map)) => Fields::new(map),
        Some(Value::String(text)) => {
            let parsed = lenient::parse(text.as_bytes()).ok().and_then(|parsed| Fields::of(parsed.value));
            parsed.unwrap_or_else(|| protobuf_text(&text))
        }
        _ => Fields::default(),
    }
}

fn protobuf_text(text: &str) -> Fields {
    let mut map = Map::new();
    for line in text.lines().take(METADATA_LINES_MAX) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim().trim_matches('"');
        map.entry(truncated(name.trim(), 64))
            .or_insert_with(|| Value::from(truncated(value, METADATA_VALUE_BYTES_MAX)));
    }
    if map.is_empty() && !text.trim().is_empty() {
        map.insert("text".to_owned(), Value::from(truncated(text, METADATA_VALUE_BYTES_MAX)));
    }
    Fields::new(map)
}

/// Akto's actor is an address, an address with port, a user or a program. The address of the request counts where the
/// actor is none.
fn actor(named: Option<&str>, fields: &mut Fields, metadata: &mut Fields) -> Option<Actor> {
    let mut actor = named.and_then(Actor::from_text).unwrap_or_default();
    let several = fields.text(&["IPs"]);
    let several = several.as_deref().map(|list| list.trim_matches(['[', ']']));
    if let Some(first) = several.and_then(|list| list.split(',').next()).and_then(Actor::from_text) {
        actor = Actor { ip: actor.ip.or(first.ip), user: actor.user.or(first.user), country: None };
    }
    if let Some(list) = several.filter(|list| list.contains(',')) {
        fields.put("IPs", Value::from(list));
    }
    if let Some(from) = fields.text(&["latestApiIp", "ip"]) {
        match from.parse() {
            Ok(ip) if actor.ip.is_none() => actor.ip = Some(ip),
            _ if named == Some(from.as_str()) || actor.ip.is_some_and(|ip| ip.to_string() == from) => {}
            _ => fields.put("ip", Value::String(from)),
        }
    }
    let country = metadata.text(&["countryCode"]);
    actor.country = fields.text(&["country"]).or(country);
    (actor != Actor::default()).then_some(actor)
}

/// What was attacked: the record's own words, else those of the recorded request.
fn target(fields: &mut Fields, stated_host: Option<&str>, recorded: &Recorded) -> Option<Target> {
    let host = stated_host.map(str::to_owned).or_else(|| recorded.host.clone());
    let agent = host.as_deref().and_then(|host| host.split_once(".ai-agent.")).map(|(_, agent)| agent.to_owned());
    let target = Target {
        method: fields.text(&["latestApiMethod", "method"]).or_else(|| recorded.method.clone()),
        url: fields.text(&["latestApiEndpoint", "url", "endpoint"]).or_else(|| recorded.path.clone()),
        host,
        agent,
    };
    (target != Target::default()).then_some(target)
}

/// `API level rate limiting on POST v1/api/test/orders`.
fn title(filter: Option<&str>, words: [Option<&str>; 2], target: Option<&Target>) -> String {
    let known = filter.and_then(filters::name).map(str::to_owned);
    let spoken = || words.into_iter().flatten().chain(filter).map(filters::humanize).find(|words| !words.is_empty());
    let what = known.or_else(spoken).unwrap_or_else(|| "Threat".to_owned());
    let Some(target) = target else { return what };
    let place = match (&target.method, &target.url) {
        (Some(method), Some(url)) => Some(format!("{method} {url}")),
        (None, Some(url)) => Some(url.clone()),
        _ => target.host.clone(),
    };
    place.map(|place| format!("{what} on {place}")).unwrap_or(what)
}

/// What the threats of one incident have in common: the filter and the policy, neither of which an attacker chooses; where
/// Akto names neither, its category. Without any of them, nothing: the title then says what it is.
fn incident_parts(draft: &Draft, rule: &Rule) -> Vec<String> {
    if rule.id.is_some() || rule.name.is_some() {
        let [filter, policy] = [&rule.id, &rule.name].map(|part| part.clone().unwrap_or_default());
        return vec![draft.kind.clone(), filter, policy];
    }
    let category = |name: &str| draft.labels.get(name).cloned();
    let parts: Vec<String> = ["category", "sub_category"].into_iter().filter_map(category).collect();
    if parts.is_empty() { parts } else { [vec![draft.kind.clone()], parts].concat() }
}

/// The collection of APIs that was hit, in words for people. 0 is the one of what belongs to none.
fn collection(draft: &Draft) -> Option<String> {
    let number = draft.labels.get("api_collection").filter(|number| *number != "0")?;
    Some(format!("API collection {number}"))
}

/// What identifies a threat without an id: all of it, because an attacker may choose any single field, and a harmless
/// record must not replace another. A repeated record is identical. Without a time there is no identity: the same
/// attack may come again.
fn content_key(
    whole: Option<String>,
    filter: Option<&str>,
    target: Option<&Target>,
    time: Option<Timestamp>,
) -> Vec<String> {
    let url = target.and_then(|target| target.url.as_deref());
    match whole {
        Some(whole) if time.is_some() && (filter.is_some() || url.is_some()) => vec!["record".to_owned(), whole],
        _ => Vec::new(),
    }
}

/// What became of the attack. A successful exploit outweighs what a guardrail says it did; that there was none says
/// neither that it was blocked nor that it was let through. A `warn` may be either, so it is shown as it is.
fn add_what_was_done(draft: &mut Draft, fields: &mut Fields, metadata: &mut Fields) {
    let exploit = fields.text(&["successfulExploit"]);
    let names = &["behaviour", "behavior", "action"];
    let action = metadata.text(names).or_else(|| fields.text(names));
    let done = action.as_deref().and_then(|action| match action.to_ascii_lowercase().as_str() {
        "alert" => Some(EventOutcome::Allowed),
        other => EventOutcome::from_vendor_word(other),
    });
    let succeeded = exploit.as_deref().is_some_and(|exploit| exploit.eq_ignore_ascii_case("true"));
    draft.outcome = if succeeded { Some(EventOutcome::Succeeded) } else { done };
    label(draft, "successful_exploit", exploit);
    label(draft, "action", action);
    label(draft, "risk_score", metadata.text(&["riskScore"]).or_else(|| fields.text(&["riskScore"])));
}

fn labels(draft: &mut Draft, fields: &mut Fields) {
    for (label_name, field) in [
        ("event_type", "eventType"),
        ("detection", "type"),
        ("context", "contextSource"),
        ("ref_id", "refId"),
        ("api_collection", "latestApiCollectionId"),
        ("api_collection", "apiCollectionId"),
    ] {
        label(draft, label_name, fields.text(&[field]));
    }
}

fn label(draft: &mut Draft, name: &str, value: Option<String>) {
    if let Some(value) = value {
        draft.labels.entry(name.to_owned()).or_insert(value);
    }
}

/// The steps of a remedy as one text.
fn remediation(value: Value) -> Option<String> {
    let mut fields = match value {
        Value::String(text) => return Some(text),
        other => Fields::of(other)?,
    };
    let heading = fields.text(&["title"]).map(|title| title.trim_start_matches(['#', ' ']).to_owned());
    let mut paragraphs: Vec<String> = heading.into_iter().collect();
    for step in fields.list("steps").unwrap_or_default().into_iter().take(STEPS_MAX) {
        let step = match step {
            Value::String(text) => Some(text),
            other => Fields::of(other).and_then(|mut step| {
                let parts = [step.text(&["title"]), step.text(&["text", "description"])];
                let said: Vec<String> = parts.into_iter().flatten().collect();
                (!said.is_empty()).then(|| said.join("\n"))
            }),
        };
        paragraphs.extend(step);
    }
    (!paragraphs.is_empty()).then(|| paragraphs.join("\n\n"))
}

const METADATA_LINES_MAX: usize = 64;
const METADATA_VALUE_BYTES_MAX: usize = 2048;
const STEPS_MAX: usize = 50;
/// A little more than an event keeps.
const SHARED_BYTES_MAX: usize = 4100;
