//! The words of one delivery, in the order that is the same everywhere.

use std::time::Duration;

use url::{Position, Url};

use super::{redact, sanitize, truncate};
use crate::domain::{Actor, Event, EventOutcome, Job, Link, Purpose, Rule, Target};

/// What there is to say about one event. Texts are redacted and free of control characters, neither cut nor escaped;
/// what the event does not hold is `None` or missing from the list, never blank.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// `TEST` on a probe.
    pub mark: Option<&'static str>,
    /// One line, never blank.
    pub title: String,
    /// Sentences that must not be overlooked: it is a test, it may be a repetition.
    pub notes: Vec<&'static str>,
    /// Who did what to what.
    pub action: Option<Action>,
    /// `Akto`
    pub vendor: String,
    /// The vendor's word for what happened.
    pub kind: String,
    agent: Option<String>,
    /// Agent, rule, status, risk score and action, in this order.
    pub facts: Vec<Fact>,
    /// The other labels, which come last.
    pub labels: Vec<Fact>,
    /// `15 Jan 2024 10:30:00 UTC, received 2 s later`
    pub when: String,
    /// The name of the source.
    pub source: String,
    /// The vendor's id of the event, short enough for a line.
    pub vendor_id: Option<String>,
    /// Our id of the event, whole: ids made within a minute begin alike, so a shortened one finds nothing.
    pub event: String,
    /// What happened, several lines; `None` where the title says it already.
    pub message: Option<String>,
    /// What it means, several lines.
    pub impact: Option<String>,
    /// What to do, several lines.
    pub remediation: Option<String>,
    /// What was seen, several lines.
    pub evidence: Option<String>,
}

/// Who did what to what. At least one side is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// `14.143.179.162 (IN)`
    pub who: Option<String>,
    /// `POST v1/api/test/orders`
    pub what: Option<String>,
}

/// A named value: `rule`, `alrt_xyz`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its name.
    pub name: String,
    /// Its value, one line.
    pub value: String,
}

impl Summary {
    /// The words of a job.
    pub fn of(job: &Job<'_>) -> Self {
        let event = job.event;
        let title = line(&event.title).or_else(|| line(&event.kind)).unwrap_or_else(|| "Alert without a title".into());
        let is_probe = job.purpose == Purpose::Probe;
        Self {
            mark: is_probe.then_some("TEST"),
            notes: if is_probe { vec![PROBE_NOTE] } else { Vec::new() },
            action: Action::of(event),
            vendor: capitalized(&event.vendor),
            kind: line(&event.kind).unwrap_or_else(|| "unknown".into()),
            agent: agent(event),
            facts: facts(event),
            labels: labels(event),
            when: when(event),
            source: event.source.to_string(),
            vendor_id: event
                .vendor_id
                .as_deref()
                .and_then(line)
                .map(|id| truncate::chars(&id, ID_CHARS_MAX).into_owned()),
            event: event.id.to_string(),
            message: text(event.message.as_deref()).filter(|message| *message != title),
            impact: text(event.impact.as_deref()),
            remediation: text(event.remediation.as_deref()),
            evidence: text(event.evidence.as_deref()),
            title,
        }
    }

    /// Marks it as something that the reader may have seen before.
    pub fn possible_repeat(mut self) -> Self {
        self.notes.push(REPEAT_NOTE);
        self
    }

    /// At most `LABELS_SHOWN` labels, and how many more there are: for places where a screen is all there is.
    pub fn few_labels(&self) -> (&[Fact], usize) {
        let shown = &self.labels[..self.labels.len().min(LABELS_SHOWN)];
        (shown, self.labels.len() - shown.len())
    }

    /// The agent, where the event names one. A label called `agent` is not it.
    pub fn agent(&self) -> Option<&str> {
        self.agent.as_deref()
    }
}

impl Action {
    /// Of an event; `None` where it names neither side.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let who = event.actor.as_ref().and_then(who);
        let what = event.target.as_ref().and_then(what);
        (who.is_some() || what.is_some()).then_some(Self { who, what })
    }
}

/// `14.143.179.162 (IN) → POST v1/api/test/orders`
impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.who, &self.what) {
            (Some(who), Some(what)) => write!(f, "{who} → {what}"),
            (Some(one), None) | (None, Some(one)) => f.write_str(one),
            (None, None) => Ok(()),
        }
    }
}

/// The links that may be shown as links: http and https, written as a URL parser reads them, without credentials. A
/// browser must not read them differently from us.
pub(crate) fn web_links(links: &[Link]) -> Vec<Link> {
    let web = links.iter().filter_map(|link| {
        let url = Url::parse(&redact::url(&link.url)).ok()?;
        let strict = strict(&url);
        let is_web = matches!(url.scheme(), "http" | "https") && strict.len() <= LINK_BYTES_MAX;
        is_web.then(|| Link { title: line(&link.title).unwrap_or_else(|| "Open".into()), url: strict })
    });
    web.collect()
}

/// A link of the operator's own. Its address is not redacted: it is meant to be opened as it stands.
pub(crate) fn own_link(title: &str, url: &str) -> Option<Link> {
    let url = strict(&Url::parse(url).ok()?);
    (url.len() <= LINK_BYTES_MAX).then(|| Link { title: title.to_owned(), url })
}

/// The URL with everything encoded that browsers take and RFC 3986 does not, and that markup gives a meaning to.
fn strict(url: &Url) -> String {
    let (origin, rest) = (&url[..Position::BeforePath], &url[Position::BeforePath..]);
    let encoded = rest.chars().map(|c| match c {
        '|' | '[' | ']' | '{' | '}' | '^' | '\\' | '`' | '"' | '\'' => format!("%{:02X}", u32::from(c)),
        _ => c.to_string(),
    });
    origin.chars().map(String::from).chain(encoded).collect()
}

/// One line that may be shown: redacted, nothing invisible.
pub(crate) fn line(text: &str) -> Option<String> {
    sanitize::line(&redact::text(text))
}

fn text(text: Option<&str>) -> Option<String> {
    sanitize::text(&redact::text(text?))
}

fn who(actor: &Actor) -> Option<String> {
    let user = actor.user.as_deref().and_then(line);
    let ip = actor.ip.map(|ip| ip.to_string());
    let country = actor.country.as_deref().and_then(line);
    let name = match (user, ip) {
        (Some(user), Some(ip)) => format!("{user}, {ip}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return country,
    };
    Some(match country {
        Some(country) => format!("{name} ({country})"),
        None => name,
    })
}

fn what(target: &Target) -> Option<String> {
    let part = |part: &Option<String>| part.as_deref().and_then(line);
    let (method, url, host) = (part(&target.method), part(&target.url), part(&target.host));
    // A URL that names its host needs no second mention of it.
    let host = host.filter(|host| !url.as_ref().is_some_and(|url| url.contains(host.as_str())));
    let place = match (url, host) {
        (Some(url), Some(host)) => format!("{url} on {host}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return method,
    };
    Some(match method {
        Some(method) => format!("{method} {place}"),
        None => place,
    })
}

fn agent(event: &Event) -> Option<String> {
    event.target.as_ref()?.agent.as_deref().and_then(line)
}

fn facts(event: &Event) -> Vec<Fact> {
    let named = [
        ("agent", agent(event)),
        ("rule", event.rule.as_ref().and_then(rule)),
        ("status", event.status.as_deref().and_then(line)),
    ];
    let named = named.into_iter().filter_map(|(name, value)| Some(Fact { name: name.into(), value: value? }));
    let known = KNOWN_LABELS.iter().filter_map(|(label, name)| {
        let value = event.labels.get(*label).filter(|value| !is_in_rank(event.outcome, label, value))?;
        Some(Fact { name: (*name).into(), value: sanitize::line(&redact::value(label, value))? })
    });
    named.chain(known).collect()
}

/// The labels that no fact has taken and the rank does not say.
fn labels(event: &Event) -> Vec<Fact> {
    let labels = event.labels.iter().filter(|(name, value)| {
        let is_known = KNOWN_LABELS.iter().any(|(label, _)| label == name);
        !is_known && !is_in_rank(event.outcome, name, value)
    });
    labels
        .filter_map(|(name, value)| {
            Some(Fact { name: line(name)?, value: sanitize::line(&redact::value(name, value))? })
        })
        .collect()
}

/// Whether the first line says already what this label says: `blocked` and `action block`.
fn is_in_rank(outcome: Option<EventOutcome>, label: &str, value: &str) -> bool {
    match (outcome, label) {
        (Some(outcome), "action") => EventOutcome::from_vendor_word(value) == Some(outcome),
        (Some(EventOutcome::Succeeded), "successful_exploit") => value.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

fn rule(rule: &Rule) -> Option<String> {
    let name = rule.name.as_deref().and_then(line);
    let id = rule.id.as_deref().and_then(line);
    match (name, id) {
        (Some(name), Some(id)) if name != id => Some(format!("{name} ({id})")),
        (name, id) => name.or(id),
    }
}

fn when(event: &Event) -> String {
    let when = event.time.to_human();
    match delay(event, Duration::from_secs(1)) {
        Some(delay) => format!("{when}, received {delay}"),
        None => when,
    }
}

/// `5 min later`: how much later than it happened it was received, where that is at least `from`.
pub(super) fn delay(event: &Event, from: Duration) -> Option<String> {
    let distance = event.time.distance(event.received_at);
    let direction = if event.received_at > event.time { "later" } else { "earlier" };
    (distance >= from).then(|| format!("{} {direction}", rough(distance)))
}

/// `2 s`, `5 min`, `3 h`, `12 d`: the largest unit of which there are two, or seconds.
pub(super) fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

/// Labels that have a name which people know, most telling first.
const KNOWN_LABELS: &[(&str, &str)] = &[("risk_score", "risk score"), ("action", "action")];
/// How many labels a message shows.
const LABELS_SHOWN: usize = 5;
/// Ids of vendors are shorter; one that is not is still told apart by its beginning.
const ID_CHARS_MAX: usize = 100;
const PROBE_NOTE: &str = "This is a test that was sent on purpose. Nothing happened.";
const REPEAT_NOTE: &str = "Possible repeat: an earlier message about this event may have arrived.";
/// Slack takes 3,000 characters in a button's URL; the others take more.
const LINK_BYTES_MAX: usize = 3000;

#[cfg(test)]
mod tests {
    use super::super::super::testing;
    use super::*;
    use crate::domain::Timestamp;

    fn summary(event: &Event) -> Summary {
        Summary::of(&testing::job(event))
    }

    #[test]
    fn the_documented_examples_read_as_promised() {
        let adrian = testing::event("secureagentics");
        let adrian = summary(&adrian);
        assert_eq!(adrian.title, "Rate limit exceeded: 150 prompts/min");
        assert_eq!((adrian.vendor.as_str(), adrian.kind.as_str()), ("Secureagentics", "alert.triggered"));
        assert_eq!(adrian.action, None);
        let facts: Vec<String> = adrian.facts.iter().map(|fact| format!("{} {}", fact.name, fact.value)).collect();
        assert_eq!(facts, ["agent agt_abc123", "rule alrt_xyz"]);
        assert_eq!(adrian.when, "15 Jan 2024 10:30:00 UTC, received 2 s later");
        assert_eq!((adrian.source.as_str(), adrian.vendor_id.as_deref()), ("adrian", Some("evt_abc123")));
        assert_eq!(adrian.event, "0190b6a0-0000-7000-8000-000000000001");

        let akto = testing::event("akto");
        let akto = summary(&akto);
        assert_eq!(akto.title, "API level rate limiting on POST v1/api/test/orders");
        assert_eq!(akto.action.unwrap().to_string(), "14.143.179.162 (IN) → POST v1/api/test/orders");
    }

    #[test]
    fn nothing_absent_is_shown() {
        let event = testing::event("minimal");
        let summary = summary(&event);
        assert_eq!((summary.action.as_ref(), summary.message.as_ref()), (None, None));
        assert!(summary.facts.is_empty() && summary.notes.is_empty());
        let empty = testing::with_every_text(&testing::event("full"), "");
        let summary = self::summary(&empty);
        assert_eq!(summary.title, "Alert without a title");
        assert!(summary.facts.is_empty(), "{:?}", summary.facts);
        assert_eq!(summary.evidence, None);
    }

    #[test]
    fn a_probe_and_a_repeat_say_so() {
        let event = testing::event("minimal");
        let job = Job { purpose: Purpose::Probe, ..testing::job(&event) };
        let summary = Summary::of(&job).possible_repeat();
        assert_eq!(summary.mark, Some("TEST"));
        assert_eq!(summary.notes, [PROBE_NOTE, REPEAT_NOTE]);
    }

    #[test]
    fn links_are_web_links_without_credentials() {
        let link = |url: &str| Link { title: String::new(), url: url.into() };
        let links = [
            link("javascript:alert(1)"),
            link("https://"),
            link("ftp://h/"),
            link("https://u:p@h.example/\u{202e}x?token=abc&d=1"),
            link(&format!("https://h.example/{}", "x".repeat(4000))),
            link(&format!("https://h.example/{}", "|".repeat(2000))),
            link("http://[::1]/a|b]?[c]#{d}"),
        ];
        let shown = web_links(&links);
        assert_eq!(shown.len(), 2);
        assert_eq!(shown[0].title, "Open");
        assert_eq!(shown[0].url, "https://redacted@h.example/%E2%80%AEx?token=redacted&d=1");
        assert_eq!(shown[1].url, "http://[::1]/a%7Cb%5D?%5Bc%5D#%7Bd%7D");
    }

    #[test]
    fn what_people_know_by_name_comes_before_labels_and_nothing_is_said_twice() {
        let mut event = testing::event("minimal");
        let labels = [("zone", "a"), ("action", "block"), ("risk_score", "97"), ("successful_exploit", "true")];
        event.labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let told = |event: &Event| {
            let summary = summary(event);
            let all = summary.facts.iter().chain(&summary.labels);
            all.map(|fact| format!("{} {}", fact.name, fact.value)).collect::<Vec<_>>()
        };
        assert_eq!(told(&event), ["risk score 97", "action block", "successful_exploit true", "zone a"]);
        event.outcome = Some(EventOutcome::Blocked);
        assert_eq!(told(&event), ["risk score 97", "successful_exploit true", "zone a"]);
        event.outcome = Some(EventOutcome::Succeeded);
        assert_eq!(told(&event), ["risk score 97", "action block", "zone a"], "the two differ, so both are said");
        event.labels = (0..9).map(|n| (format!("l{n}"), "x".to_owned())).collect();
        let summary = summary(&event);
        assert_eq!((summary.few_labels().0.len(), summary.few_labels().1), (5, 4));
    }

    #[test]
    fn labels_are_redacted_by_their_name() {
        let mut event = testing::event("minimal");
        event.labels = [("api_key", "a b c"), ("env", "prod")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let facts = summary(&event).labels;
        assert_eq!(facts[0], Fact { name: "api_key".into(), value: "[redacted]".into() });
        assert_eq!(facts[1], Fact { name: "env".into(), value: "prod".into() });
    }

    #[test]
    fn a_delay_is_told_in_the_unit_that_people_would_use() {
        let mut event = testing::event("minimal");
        for (seconds, told) in [(0, ""), (119, "119 s"), (300, "5 min"), (10_800, "3 h"), (864_000, "10 d")] {
            event.received_at = event.time.plus(Duration::from_secs(seconds));
            assert!(when(&event).ends_with(&if told.is_empty() { " UTC".into() } else { format!("{told} later") }));
        }
        event.received_at = Timestamp::from_millis(event.time.as_millis() - 3000);
        assert!(when(&event).ends_with("received 3 s earlier"));
    }
}
