//! The default body of the custom webhook: one key an option, with blanks and capitals in the keys.

use serde_json::{Map, Value};

use super::Akto;
use crate::domain::{Draft, EventOutcome, Link, Severity, Target};
use crate::vendors::lenient::{self, Fields};
use crate::vendors::own_words;

impl Akto {
    /// One event an option, one a sensitive endpoint, one a threat; counters at zero say nothing. `None` where no option is
    /// known. What stands beside the options goes to the first event.
    pub(super) fn options(&self, mut body: Fields) -> Option<Vec<Draft>> {
        let mut drafts = Vec::new();
        let mut known = false;
        let any_doubled = body.any_doubled();
        for threats in body.every("API Threat payloads") {
            known = true;
            drafts.extend(self.threat_payloads(threats, any_doubled));
        }
        if let Some(endpoints) = body.list("New Sensitive Endpoint") {
            known = true;
            body.value("New Sensitive Endpoint Count");
            drafts.extend(lenient::drafts(lenient::each(endpoints, any_doubled), |fields| {
                Ok(self.sensitive_endpoint(fields))
            }));
        }
        if let Some(endpoints) = body.list("New Endpoint") {
            known = true;
            let count = body.count("New Endpoint Count").unwrap_or(0).max(endpoints.len() as u64);
            drafts.extend(counted("endpoint.new", count, NEW_ENDPOINT, Severity::Informational).map(|draft| Draft {
                message: Some(endpoint_lines(&endpoints)),
                unmapped: one("New Endpoint", Value::Array(endpoints)),
                ..draft
            }));
        }
        for (key, kind, words, severity) in COUNTERS {
            if let Some(count) = body.count(key) {
                known = true;
                drafts.extend(counted(kind, count, *words, *severity));
            }
        }
        for (key, kind, title) in TEXTS {
            if let Some(value) = body.value(key).filter(|value| !value.is_null()) {
                known = true;
                drafts.push(text_option(kind, title, value));
            }
        }
        let rest = body.rest();
        let named: u64 = rest.values().filter_map(Value::as_str).filter_map(object_names).sum();
        if named > 0 {
            known = true;
            drafts.insert(0, self.exploits(named));
        }
        if let Some(first) = drafts.first_mut() {
            first.unmapped.extend(rest);
        }
        known.then_some(drafts)
    }

    /// Threats as objects (until November 2025), or only as the names of Java objects (since then).
    fn threat_payloads(&self, value: Value, any_doubled: bool) -> Vec<Draft> {
        let items = match value {
            Value::Array(items) => items,
            Value::Null => return Vec::new(),
            other => vec![other],
        };
        let (names, items): (Vec<Value>, Vec<Value>) =
            items.into_iter().partition(|item| item.as_str().and_then(object_names).is_some());
        let count = names.iter().filter_map(Value::as_str).filter_map(object_names).sum();
        let mut drafts = self.threats(items, any_doubled);
        if count > 0 {
            drafts.push(self.exploits(count));
        }
        drafts
    }

    /// All that Akto said is how many there were.
    pub(super) fn exploits(&self, count: u64) -> Draft {
        let plural = if count == 1 { "exploit" } else { "exploits" };
        let page = self.page(&["protection", "threat-activity"]);
        Draft {
            kind: "threat.count".to_owned(),
            incident_parts: vec!["threat.count".to_owned()],
            severity: Some(Severity::High),
            outcome: Some(EventOutcome::Succeeded),
            title: format!("{count} successful {plural} since the last message"),
            message: Some(EXPLOITS.to_owned()),
            links: page.map(|url| Link { title: "Open in Akto".to_owned(), url: url.into() }).into_iter().collect(),
            labels: [("count".to_owned(), count.to_string())].into(),
            ..Draft::default()
        }
    }

    fn sensitive_endpoint(&self, mut fields: Fields) -> Draft {
        let target = Target {
            method: fields.text(&["method"]),
            url: fields.text(&["url", "path"]),
            host: fields.text(&["host"]),
            agent: None,
        };
        let place = place(&target);
        let data = fields.text(&["subTypes"]).map(|types| types.replace(',', ", "));
        let data = data.map(|data| format!(": {data}")).unwrap_or_default();
        let path = fields.text(&["link"]).filter(|path| path.starts_with('/'));
        let url = path.and_then(|path| self.dashboard.as_ref()?.join(&path).ok());
        let same_host = |url: &url::Url| self.dashboard.as_ref().is_some_and(|base| base.origin() == url.origin());
        let url = url.filter(same_host);
        Draft {
            kind: "endpoint.sensitive".to_owned(),
            incident_parts: vec!["endpoint.sensitive".to_owned()],
            severity: Some(Severity::Low),
            title: format!("New sensitive endpoint {place}{data}"),
            links: url.map(|url| Link { title: "Open in Akto".to_owned(), url: url.into() }).into_iter().collect(),
            target: (target != Target::default()).then_some(target),
            unmapped: fields.rest(),
            ..Draft::default()
        }
    }

    /// Tests that wait for their time.
    pub(super) fn pending_tests(&self, mut body: Fields) -> Draft {
        let count = body.text(&["countPendingTests"]).unwrap_or_else(|| "Some".to_owned());
        let tests = body.list("scheduledTestInfo").unwrap_or_default();
        let lines = tests.iter().take(LINES_MAX).map(|test| {
            let text = |name: &str| test.get(name).and_then(Value::as_str).unwrap_or_default();
            format!("{} ({})", text("name"), text("scheduledTimestamp"))
        });
        let message = lines.collect::<Vec<_>>().join("\n");
        Draft {
            kind: "test.pending".to_owned(),
            incident_parts: vec!["test.pending".to_owned()],
            severity: Some(Severity::Informational),
            title: format!("{count} {} pending", if count == "1" { "test is" } else { "tests are" }),
            message: Some(message),
            unmapped: body.rest(),
            ..Draft::default()
        }
    }
}

/// How many Java objects a text names instead of telling about them; `None` for none.
pub fn object_names(text: &str) -> Option<u64> {
    let count = text.matches("MaliciousEventDto@").count();
    (count > 0).then_some(count as u64)
}

/// `2 new endpoints`; nothing for none.
fn counted(kind: &str, count: u64, words: [&str; 2], severity: Severity) -> Option<Draft> {
    let words = if count == 1 { words[0] } else { words[1] };
    (count > 0).then(|| Draft {
        kind: kind.to_owned(),
        // The title counts, and says "endpoint" or "endpoints".
        incident_parts: vec![kind.to_owned()],
        severity: Some(severity),
        title: format!("{count} {words}"),
        labels: [("count".to_owned(), count.to_string())].into(),
        ..Draft::default()
    })
}

fn text_option(kind: &str, title: &str, value: Value) -> Draft {
    let draft =
        Draft { kind: kind.to_owned(), severity: Some(Severity::Low), title: title.to_owned(), ..Draft::default() };
    match value {
        Value::String(text) => Draft { message: Some(text), ..draft },
        other => {
            let mut draft = Draft { unmapped: one(title, other), ..draft };
            own_words::show_rest(&mut draft);
            draft
        }
    }
}

fn endpoint_lines(endpoints: &[Value]) -> String {
    let line = |endpoint: &Value| {
        let text = |name: &str| endpoint.get(name).and_then(Value::as_str).map(str::to_owned);
        place(&Target { method: text("method"), url: text("path"), host: text("host"), agent: None })
    };
    let mut lines: Vec<String> = endpoints.iter().take(LINES_MAX).map(line).collect();
    if endpoints.len() > LINES_MAX {
        lines.push(format!("and {} more", endpoints.len() - LINES_MAX));
    }
    lines.join("\n")
}

/// `POST shop.example.com/api/v1/orders`.
fn place(target: &Target) -> String {
    let path = format!("{}{}", target.host.as_deref().unwrap_or_default(), target.url.as_deref().unwrap_or_default());
    [target.method.as_deref().unwrap_or_default(), &path].join(" ").trim().to_owned()
}

fn one(name: &str, value: Value) -> Map<String, Value> {
    [(name.to_owned(), value)].into_iter().collect()
}

const NEW_ENDPOINT: [&str; 2] = ["new endpoint", "new endpoints"];

/// Key, type, words for one and for several, severity.
const COUNTERS: &[(&str, &str, [&str; 2], Severity)] = &[
    ("New Endpoint Count", "endpoint.new", NEW_ENDPOINT, Severity::Informational),
    (
        "New Sensitive Endpoint Count",
        "endpoint.sensitive",
        ["new sensitive endpoint", "new sensitive endpoints"],
        Severity::Low,
    ),
    ("New Parameter Count", "parameter.new", ["new parameter", "new parameters"], Severity::Informational),
    (
        "New Sensitive Parameter Count",
        "parameter.sensitive",
        ["new sensitive parameter", "new sensitive parameters"],
        Severity::Low,
    ),
];

/// Key, type, title: options whose value is told as it is.
const TEXTS: &[(&str, &str, &str)] = &[
    ("Testing Run Results", "test.results", "Results of a test run"),
    ("Traffic Alerts", "traffic.stopped", "Traffic alert"),
];

const EXPLOITS: &str = "Akto's custom webhook sends the names of its objects instead of what happened. The threats \
    themselves are in Akto's threat activity, and come in full over Settings > Integrations > Export via webhook.";

const LINES_MAX: usize = 20;
