//! Akto, which watches APIs and AI agents: three senders that have little in common, none of which signs.
//!
//! | sender | body | read in |
//! |---|---|---|
//! | "Export via webhook", the one to use | a list of up to 5,000 flat records | [`threat`] |
//! | custom webhook | an object with one key an option, often no valid JSON; or a template of the operator's own, for which the documentation shows `maliciousEvents` | [`options`], [`unescaped`], [`threat`] |
//! | Microsoft Teams webhook | an Adaptive Card with a comma too many | [`card`] |
//!
//! The custom webhook is never retried, the export comes again as a whole for as long as it is not answered with 2xx,
//! and sends records twice at the boundaries of its time windows: so every record has a key of its own, and one that
//! cannot be read costs no other.

mod card;
mod filters;
mod options;
mod sample;
mod threat;
mod unescaped;

#[cfg(test)]
mod tests;

use serde_json::Value;
use url::Url;

use super::lenient::{self, Fields, Records, Text};
use super::severities::Severities;
use super::urgency_hint::{self, Field, worse};
use super::{Hint, Normalizer, Reading, Sample, Vendor};
use crate::domain::{Draft, Note, Request, Severity};
use crate::settings::Section;
use crate::verify::{Scheme, TokenScheme};

/// Akto.
pub const VENDOR: Vendor = Vendor {
    name: "akto",
    title: "Akto",
    scheme: Some(scheme),
    body_limit_bytes: 64 << 20,
    gzip: true,
    default_severity: Severity::High,
    normalizer,
    samples: SAMPLES,
    setup: SETUP,
    schema: r##"{
  "dashboard_url": {"type": "string", "description": "akto: where your Akto dashboard is, for links", "format": "uri"}
}"##,
    template: TEMPLATE,
};

/// Akto signs nothing, but sends any header that its operator types.
fn scheme() -> Scheme {
    Scheme::Token(TokenScheme::bearer())
}

fn normalizer(section: &Section) -> Option<Box<dyn Normalizer>> {
    let severities = Severities::read(section);
    let dashboard = section.url("dashboard_url");
    if section.has("dashboard_url") && dashboard.is_none() {
        return None;
    }
    Some(Box::new(Akto { severities: severities?, dashboard }))
}

/// The reader of one source.
struct Akto {
    severities: Severities,
    dashboard: Option<Url>,
}

impl Normalizer for Akto {
    /// Akto gives its requests no id.
    fn event_id(&self, _request: &Request) -> Option<String> {
        None
    }

    /// Found like the severity of a threat, for single records; those of a list, and the facts of a card, raise the
    /// urgency of all.
    fn urgency_hint(&self, beginning: &[u8]) -> Hint {
        let mut words = Words::default();
        let mut fact = "";
        urgency_hint::fields(beginning, HINTS, 1, |field| {
            if field.is_one_of(&["title"]) {
                fact = field.value.trim_end_matches(':');
            } else if field.is_one_of(&["value"]) {
                let field = Field { name: fact.as_bytes(), ..field };
                words.note(&self.severities, field);
                words.note_about(field);
            } else {
                words.note(&self.severities, field);
                if is_of_record(&field) {
                    words.note_about(field);
                }
            }
        });
        words.hint()
    }

    fn read(&self, body: &[u8], take: &mut dyn FnMut(Draft)) -> Option<Note> {
        if lenient::is_blank(body) {
            return Some(Note::Empty);
        }
        let text = Text::of(body);
        if let Some(records) = Records::of(&text) {
            let repaired = records.hand_out(|fields| self.threat_if(fields), take);
            return repaired.then_some(Note::Repaired);
        }
        match text.parse() {
            Ok(parsed) => {
                let mut count = 0;
                let known = self.read_value(parsed.value, parsed.doubled, &mut |draft| {
                    count += 1;
                    take(draft);
                });
                match known {
                    Some(()) if count == 0 => Some(Note::Empty),
                    Some(()) => parsed.repaired.then_some(Note::Repaired),
                    None => Reading::unparsed(body, "it has none of the forms in which Akto sends").hand_out(take),
                }
            }
            Err(why) => {
                let text = text.as_text();
                match text.as_deref().and_then(unescaped::items) {
                    Some(items) => {
                        lenient::hand_out(items, |fields| self.threat_if(fields), take);
                        Some(Note::Repaired)
                    }
                    None => Reading::unparsed(body, why).hand_out(take),
                }
            }
        }
    }
}

/// What the beginning of a body says, by the fields that say it.
#[derive(Default)]
struct Words {
    stated: Hint,
    /// What the operator says of filters and subcategories.
    ordered: Hint,
    of_filter: Hint,
}

impl Words {
    fn note(&mut self, severities: &Severities, field: Field<'_>) {
        let (word, depth) = (field.value, field.depth);
        if field.is_one_of(&["severity"]) {
            self.stated.note(severities.of_word(word), depth, 1);
        } else if field.is_one_of(&["filterId", "filter", "subCategory"]) {
            self.ordered.note(severities.of_kind(word), depth, 1);
            self.of_filter.note(filters::severity(word), depth, 1);
        } else if field.is_one_of(&["successfulExploit"]) {
            self.stated.has_succeeded |= word.trim().eq_ignore_ascii_case("true");
        } else if field.is_one_of(&["behaviour", "behavior", "action"]) {
            self.stated.has_succeeded |= field.says_success();
        }
    }

    /// Notes what a record of its own, or the first ones of a list, are about.
    fn note_about(&mut self, field: Field<'_>) {
        let about = &mut self.stated.about;
        if field.is_one_of(&["filterId", "filter"]) {
            about.note_rule("filter", field.value);
        } else if field.is_one_of(&["category", "subCategory"]) {
            about.note_rule("category", field.value);
        } else if field.is_one_of(&["behaviour", "behavior", "action", "successfulExploit"]) {
            about.note_rule("outcome", field.value);
        } else if field.is_one_of(&["host"]) {
            about.note_victim("host", field.value);
        } else if field.is_one_of(&["latestApiCollectionId", "apiCollectionId"]) {
            about.note_victim("collection", field.value);
        }
    }

    fn hint(self) -> Hint {
        let Self { stated, ordered, of_filter } = self;
        Hint {
            own: ordered.own.or(stated.own).or(of_filter.own),
            nested: worse(worse(ordered.nested, stated.nested), of_filter.nested),
            ..stated
        }
    }
}

/// Whether it stands where the fields of a record do, that is alone or in a list.
fn is_of_record(field: &Field<'_>) -> bool {
    match field.depth {
        0 | 1 => true,
        2 => field.parent.is_empty(),
        _ => field.depth == 3 && field.parent == b"maliciousEvents",
    }
}

impl Akto {
    /// Hands out the events of a body that is no list of records; `None`, and none handed out, where its form is not
    /// known.
    fn read_value(&self, value: Value, any_doubled: bool, take: &mut dyn FnMut(Draft)) -> Option<()> {
        match value {
            Value::Null => Some(()),
            Value::Array(items) => items.is_empty().then_some(()),
            Value::Object(map) if map.is_empty() => Some(()),
            Value::Object(map) => self.read_object(Fields::read(map, any_doubled), take),
            Value::String(text) => options::object_names(&text).map(|count| take(self.exploits(count))),
            _ => None,
        }
    }

    fn read_object(&self, fields: Fields, take: &mut dyn FnMut(Draft)) -> Option<()> {
        if fields.has("maliciousEvents") {
            return self.documented(fields, take);
        }
        let drafts = if fields.is_list("attachments") || fields.is_list("body") {
            self.card(fields)?
        } else if fields.has("countPendingTests") {
            vec![self.pending_tests(fields)]
        } else if threat::is_threat(&fields) {
            vec![self.threat(fields)]
        } else {
            self.options(fields)?
        };
        drafts.into_iter().for_each(take);
        Some(())
    }

    /// The records of a list.
    fn threats(&self, items: Vec<Value>, any_doubled: bool) -> Vec<Draft> {
        lenient::drafts(lenient::each(items, any_doubled), |fields| self.threat_if(fields))
    }

    fn threat_if(&self, fields: Fields) -> Result<Draft, Fields> {
        if threat::is_threat(&fields) { Ok(self.threat(fields)) } else { Err(fields) }
    }

    /// A page of the dashboard, where the operator told us where it stands.
    fn page(&self, path: &[&str]) -> Option<Url> {
        let mut url = self.dashboard.clone()?;
        url.set_query(None);
        url.set_fragment(None);
        let copied_with_page = url.path().trim_end_matches('/').ends_with("/dashboard");
        let mut segments = url.path_segments_mut().ok()?;
        segments.pop_if_empty();
        if !copied_with_page {
            segments.push("dashboard");
        }
        segments.extend(path);
        drop(segments);
        Some(url)
    }
}

/// Names of the fields by which a request is put in order.
const HINTS: &[&str] = &[
    "severity",
    "filterId",
    "filter",
    "subCategory",
    "category",
    "host",
    "latestApiCollectionId",
    "apiCollectionId",
    "successfulExploit",
    "behaviour",
    "behavior",
    "action",
    "title",
    "value",
];

const SAMPLES: &[Sample] = &[
    sample("documented", include_bytes!("../../../tests/fixtures/vendors/akto/documented.txt")),
    sample("documented-agent", include_bytes!("../../../tests/fixtures/vendors/akto/documented-agent.txt")),
    sample("export", include_bytes!("../../../tests/fixtures/vendors/akto/export.json")),
    sample("default-body", include_bytes!("../../../tests/fixtures/vendors/akto/default-body.json")),
    sample("teams-card", include_bytes!("../../../tests/fixtures/vendors/akto/teams-card.txt")),
    sample("pending-tests", include_bytes!("../../../tests/fixtures/vendors/akto/pending-tests.json")),
    sample("empty", include_bytes!("../../../tests/fixtures/vendors/akto/empty.txt")),
    sample("object-names", include_bytes!("../../../tests/fixtures/vendors/akto/object-names.txt")),
];

const fn sample(name: &'static str, body: &'static [u8]) -> Sample {
    // The token authenticates the whole request: old events are told.
    Sample { name, content_type: "application/json", body, time: None }
}

const SETUP: &str = "\
Threats (best): in Akto open Settings > Integrations > Export via webhook.
  URL:      {url}
  Headers:  Authorization: Bearer {secret}
  Every 15 minutes Akto then sends each threat with its request. The first time it sends those of the past three days.
Discovery and tests: open Settings > Integrations > Webhooks > Create Custom Webhook.
  URL:      {url}
  Headers:  {\"content-type\": \"application/json\", \"Authorization\": \"Bearer {secret}\"}
  Options:  New endpoint, New sensitive endpoint and the like. Leave `New API runtime threats` to the export: since
            November 2025 the custom webhook sends no data about them, only how many there were. Akto sends once an hour,
            whatever `Run every` says, and never again what was not taken.
Cards: a Microsoft Teams Webhook in Akto may point at {url} too; its threats are read.
Akto refuses receivers whose address begins with 10.0., 172.31., 127.0., 0.0. or 169.254.: in a default AWS network the
gateway needs another address or a public name. Set dashboard_url in gatepost.toml to get an `Open in Akto` link.
";

const TEMPLATE: &str = "\
# dashboard_url = \"https://app.akto.io\"                                  # where your dashboard stands, for links
# severity = { \"SQLInjection\" = \"critical\", \"4XX_FILTER\" = \"low\" }   # by filter id, wins over what the event says
";

#[cfg(test)]
fn for_tests() -> Akto {
    let dashboard = Some(Url::parse("https://akto.example.com").unwrap());
    Akto { severities: Severities::default(), dashboard }
}
