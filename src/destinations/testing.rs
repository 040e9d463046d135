//! What the tests of all destinations share: events, jobs, replies, golden files, contracts.

use std::path::PathBuf;

use bytes::Bytes;
use serde_json::{Value, json};

use super::errors::{ErrorClass, ErrorRow};
use super::{Build, HttpReply, HttpRequest, Kind, Message, Next, Notifier, ProbeTelling, Receiver, Reply, Sink, Step};
use crate::domain::{
    Actor, Batch, BatchEvent, Event, EventDocument, Headers, Job, Link, Outcome, Progress, Purpose, Rule, Scope,
    Severity, Target, Timestamp,
};
use crate::settings::{Document, Environment, PathFacts, Section};

/// The names of the events in `tests/fixtures/events`.
pub const EVENTS: [&str; 7] = ["secureagentics", "akto", "minimal", "hostile", "full", "unparsed", "unrecognized"];

/// A path inside the project.
pub fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The event of that name.
pub fn event(name: &str) -> Event {
    let text = std::fs::read_to_string(project(&format!("tests/fixtures/events/{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The first, certain try of an event, at ten o'clock.
pub fn job(event: &Event) -> Job<'_> {
    static NOTHING: Progress = Progress(Value::Null);
    Job {
        id: "0190b6a0-0000-7000-a000-000000000001".parse().unwrap(),
        event,
        purpose: Purpose::Alert,
        tries: 1,
        uncertain: false,
        progress: &NOTHING,
        now: Timestamp::parse("2026-11-21T10:00:00Z").unwrap(),
    }
}

/// A job that owns its event.
pub struct OwnedJob {
    event: Event,
    purpose: Purpose,
    uncertain: bool,
}

impl OwnedJob {
    pub fn as_job(&self) -> Job<'_> {
        Job { purpose: self.purpose, uncertain: self.uncertain, ..job(&self.event) }
    }
}

/// The jobs that golden files are made of: every event, and a probe.
pub fn jobs() -> Vec<(&'static str, OwnedJob)> {
    let alert = |name| (name, OwnedJob { event: event(name), purpose: Purpose::Alert, uncertain: false });
    let probe = OwnedJob { event: event("minimal"), purpose: Purpose::Probe, uncertain: false };
    EVENTS.into_iter().map(alert).chain([("probe", probe)]).collect()
}

/// A batch that owns its events.
pub struct OwnedBatch {
    events: Vec<BatchEvent>,
    purpose: Purpose,
}

impl OwnedBatch {
    pub fn as_batch(&self) -> Batch<'_> {
        static NOTHING: Progress = Progress(Value::Null);
        Batch {
            id: "0190b6a0-0000-7000-a000-000000000001".parse().unwrap(),
            events: &self.events,
            purpose: self.purpose,
            tries: 1,
            uncertain: false,
            progress: &NOTHING,
            now: Timestamp::parse("2026-11-21T10:00:00Z").unwrap(),
        }
    }

    /// One whose only event is none.
    pub fn broken() -> Self {
        let event = BatchEvent { id: event("minimal").id, document: EventDocument::new(b"{}".to_vec()) };
        Self { events: vec![event], purpose: Purpose::Alert }
    }
}

/// The first, certain try of a batch of these events.
pub fn batch_of(events: &[Event], purpose: Purpose) -> OwnedBatch {
    let stored = |event: &Event| BatchEvent { id: event.id, document: EventDocument::of(event).unwrap() };
    OwnedBatch { events: events.iter().map(stored).collect(), purpose }
}

/// The batches that golden files are made of: every event by itself, and a probe.
pub fn batches() -> Vec<(&'static str, OwnedBatch)> {
    let alert = |name| (name, batch_of(&[event(name)], Purpose::Alert));
    let probe = batch_of(&[event("minimal")], Purpose::Probe);
    EVENTS.into_iter().map(alert).chain([("probe", probe)]).collect()
}

/// The events of [`EVENTS`] and monsters that no normalizer would let through.
pub fn every_event() -> Vec<Event> {
    let full = event("full");
    let nasty = [
        "",
        " \n\t ",
        "<!channel> <@U1> <#C1> <!subteam^S1> <https://e.example|x>",
        "a\r\nb\u{2028}c\u{b}d\u{85}e",
        "\u{202e}\u{2066}\u{200b}\u{feff}\u{0}\u{1b}[31m\u{9b}0m\u{e0041}",
        "😀👩\u{200d}🚒🇮🇳e\u{301}中文",
        "{noformat}{{{noformat}}}{code}\\{noformat}\\",
        "&amp;&lt;!channel&gt; &#60;!here>",
        "```\n*b* _i_ ~s~ > q\n- [x](javascript:alert(1))",
        "\"\\\"\\\\\"",
    ];
    let mut events: Vec<Event> = EVENTS.into_iter().map(event).collect();
    events.extend(nasty.map(|text| with_every_text(&full, text)));
    for piece in ["x", "<!channel>&", "😀", "\n", "\"\\", "a\n", "é`"] {
        events.push(with_every_text(&full, &piece.repeat(100_000 / piece.len())));
    }
    events
}

/// [`every_event`] with two of the longest ones, which are enough: each of them takes a second to render.
pub fn most_events() -> Vec<Event> {
    let (long, short): (Vec<Event>, Vec<Event>) =
        every_event().into_iter().partition(|event| event.title.len() > 50_000);
    short.into_iter().chain(long.into_iter().take(2)).collect()
}

/// The event with one text in every place where a vendor's text can stand.
pub fn with_every_text(event: &Event, text: &str) -> Event {
    let (text, label) = (|| text.to_owned(), text.chars().take(1000).collect::<String>());
    Event {
        kind: text(),
        vendor_id: Some(text()),
        group: Some(text()),
        correlation: Some(text()),
        title: text(),
        message: Some(text()),
        rule: Some(Rule { id: Some(text()), name: Some(text()) }),
        actor: Some(Actor { ip: event.actor.as_ref().and_then(|a| a.ip), user: Some(text()), country: Some(text()) }),
        target: Some(Target { method: Some(text()), url: Some(text()), host: Some(text()), agent: Some(text()) }),
        status: Some(text()),
        impact: Some(text()),
        remediation: Some(text()),
        evidence: Some(text()),
        links: vec![Link { title: text(), url: format!("https://h.example/{}", text()) }],
        labels: (0..40).map(|n| (format!("{n}{label}"), label.clone())).collect(),
        unmapped: [(text(), json!({ "x": text() }))].into_iter().collect(),
        ..event.clone()
    }
}

/// Texts of hostile pieces in pseudo-random order, the same for the same seed. A failing test prints the event.
pub fn random_events(seed: u64, count: usize) -> Vec<Event> {
    const PIECES: [&str; 24] = [
        "<!channel>",
        "<@U1>",
        "&",
        "<",
        ">",
        "`",
        "{noformat}",
        "{",
        "}",
        "\n",
        "\r",
        "\u{202e}",
        "\u{0}",
        "😀",
        "é",
        " ",
        "word",
        "*",
        "\"",
        "\\",
        "|",
        "[",
        "]",
        "\u{200d}",
    ];
    println!("seed {seed}");
    let mut state = seed.max(1);
    let mut next = move |below: usize| {
        // xorshift64*: good enough to mix, and the same everywhere.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below
    };
    let full = event("full");
    let mut text = || {
        let length = [3, 30, 300, 3000][next(4)];
        (0..next(length)).map(|_| PIECES[next(PIECES.len())]).collect::<String>()
    };
    let mut events = Vec::new();
    for n in 0..count {
        let mut event = with_every_text(&full, &text());
        event.title = text();
        event.message = Some(text());
        event.evidence = Some(text());
        event.severity = Severity::from_id((n % 8) as u8);
        events.push(event);
    }
    events
}

/// Builds a destination from lines of TOML; the faults as text where there are errors.
pub fn build(kind: &Kind, settings: &str) -> Result<Receiver, String> {
    build_with(|section| kind.receiver(section), settings)
}

/// Builds a sink in the same way.
pub fn sink(kind: &Kind, settings: &str) -> Box<dyn Sink> {
    let Build::Sink(build) = kind.build else { panic!("{} is no sink", kind.name) };
    build_with(build, settings).unwrap()
}

/// Builds a notifier in the same way.
pub fn notifier(kind: &Kind, settings: &str) -> Box<dyn Notifier> {
    let Build::Notifier(build) = kind.build else { panic!("{} is no notifier", kind.name) };
    build_with(build, settings).unwrap()
}

/// The outcome of a try that is over.
pub fn done(next: Next) -> Outcome {
    match next {
        Next::Done(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

/// A notifier that is told of the opening of an incident of one event: that of the job.
#[derive(Debug)]
pub struct Opening(Box<dyn Notifier>);

impl Opening {
    pub fn at(kind: &Kind, settings: &str) -> Self {
        Self(notifier(kind, settings))
    }

    pub fn first(&self, job: &Job<'_>) -> Next {
        self.0.first(job, &self.probe(job).telling())
    }

    pub fn next(&self, job: &Job<'_>, step: Step, reply: &Reply) -> Next {
        self.0.next(job, &self.probe(job).telling(), step, reply)
    }

    fn probe(&self, job: &Job<'_>) -> ProbeTelling {
        ProbeTelling::numbered(job.event, self.0.class(), job.now)
    }
}

/// The notification of every [`Opening`].
pub const OPENING: &str = "0190b6a0-0000-7000-b000-000000000001";

fn build_with<T>(build: impl Fn(&Section) -> Option<T>, settings: &str) -> Result<T, String> {
    match read_with(build, settings) {
        (Some(built), false, _) => Ok(built),
        (_, true, faults) => Err(faults),
        (None, false, faults) => panic!("nothing was built, and no fault says why: {faults}"),
    }
}

/// Everything that is said about the settings, warnings too, a line each.
pub fn said(kind: &Kind, settings: &str) -> String {
    read_with(|section| kind.receiver(section), settings).2
}

/// What was built, whether there was a fault, and everything that was said.
fn read_with<T>(build: impl Fn(&Section) -> Option<T>, settings: &str) -> (Option<T>, bool, String) {
    let environment = Environment {
        variable: Box::new(|name| SECRETS.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())),
        read_file: Box::new(|path| match path.file_name().and_then(|name| name.to_str()) {
            Some("empty.pem") => Ok(Vec::new()),
            Some(name) => std::fs::read(project("tests/fixtures/tls").join(name)),
            None => Err(std::io::ErrorKind::NotFound.into()),
        }),
        paths: PathFacts::default(),
        now: crate::domain::Timestamp::from_millis(1_795_000_000_000),
        base: PathBuf::from("/etc/gatepost"),
    };
    let document = Document::new(settings, &environment);
    let table = document.parse();
    let section = document.root(table.get_ref());
    let built = build(&section);
    section.finish();
    let failed = document.any_error();
    let faults = document.into_faults().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    (built, failed, faults)
}

/// Asserts that the template builds as it stands, that every commented setting is known, and no value is secret.
pub fn assert_template(kind: &Kind) {
    build(kind, kind.template).unwrap();
    for key in kind.examples {
        let is_set = |line: &str| line.starts_with(&format!("{key} = \""));
        assert!(kind.template.lines().any(is_set), "{key} is not in the template");
    }
    for line in kind.template.lines() {
        assert!(line.len() <= 120 && !line.contains("value ="), "{line}");
        let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ") else { continue };
        let with_unknown = format!("{key}x = 1\n{}", kind.template);
        assert!(build(kind, &with_unknown).is_err(), "{key}");
        let faults = build(kind, &format!("{key} = {{ a = 1, b = 2 }}")).err().unwrap_or_default();
        assert!(!faults.contains(&format!("{key}: is not a known key")), "{faults}");
    }
}

const SECRETS: &[(&str, &str)] = &[
    ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T00000000/B00000000/not-a-real-webhook"),
    ("SLACK_TOKEN", "xoxb-not-a-real-token"),
    ("SLACK_ROTATED_TOKEN", "xoxe.xoxb-not-a-real-token"),
    ("SLACK_REFRESH_TOKEN", "xoxe-not-a-real-refresh-token"),
    ("SLACK_CLIENT_SECRET", "not-a-real-client-secret"),
    ("PAGERDUTY_ROUTING_KEY", "n0tarealroutingkeyn0tarealroutin"),
    ("JIRA_API_TOKEN", "not-a-real-api-token"),
    ("OPSGENIE_API_KEY", "00000000-aaaa-4bbb-8ccc-00not0a0r3al"),
    ("SERVICENOW_PASSWORD", "not-a-real-servicenow-password"),
    ("SERVICENOW_TOKEN", "not-a-real-servicenow-token"),
    ("WEBHOOK_SECRET", "whsec_bm90LWEtcmVhbC13ZWJob29rLXNlY3JldA=="),
    ("WEBHOOK_SECRET_BEFORE", "whsec_bm90LWEtcmVhbC13ZWJob29rLXByZWRlY2Vzc29y"),
    ("COLLECTOR_TOKEN", "not-a-real-collector-token"),
    ("ELASTIC_API_KEY", "bm90LWEtcmVhbDphcGkta2V5"),
    ("SPLUNK_TOKEN", "00000000-aaaa-4bbb-8ccc-00not0a0real"),
    ("TEAMS_WEBHOOK_URL", TEAMS_WEBHOOK_URL),
    ("SMTP_PASSWORD", "not-a-real-mail-password"),
    ("DISCORD_WEBHOOK_URL", "https://discord.com/api/webhooks/100000000000000001/not-a-real-discord-token"),
    ("MATTERMOST_WEBHOOK_URL", "https://chat.example.com/hooks/not0a0real0mattermost0hook"),
    ("CLIENT_KEY", include_str!("../../tests/fixtures/tls/client.key").trim_ascii_end()),
    ("SHORT", "abc"),
    ("SYMBOLS", "n0t-a-real-routing-keyn0tarealro"),
    ("LINES", "abc\ndef"),
    ("NO_URL", "not a url"),
    ("LOCAL_WEBHOOK_URL", "http://127.0.0.1:9/services/T00000000/B00000000/not-a-real-webhook"),
];

/// Whether the text holds one of the destinations' own credentials.
pub fn leaks(text: &str) -> bool {
    let is_whole = SECRETS.iter().any(|(_, secret)| secret.len() >= 16 && text.contains(secret));
    is_whole || PARTS_OF_SECRETS.iter().any(|part| text.contains(part))
}

/// What is secret within the URL of a webhook.
const PARTS_OF_SECRETS: &[&str] =
    &["B00000000/not-a-real", "not-a-real-signature", "not-a-real-discord", "not0a0real0mattermost"];
const TEAMS_WEBHOOK_URL: &str = "https://prod-00.westeurope.logic.azure.com:443/workflows/0123456789abcdef/triggers/manual/\
                                 paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&\
                                 sig=not-a-real-signature";

/// An HTTP reply.
pub fn reply(status: u16, body: &str) -> Reply {
    reply_with(status, &[], body)
}

/// An HTTP reply with headers.
pub fn reply_with(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let headers: Headers = headers.iter().copied().collect();
    Reply::Http(HttpReply { status, headers, body: Bytes::copy_from_slice(body.as_bytes()), truncated: false })
}

/// Walks a table of errors: `answer` is given the status and the sample of each row, and must come to what the row says.
pub(super) fn assert_errors(table: &[ErrorRow], answer: impl Fn(u16, &str) -> Next) {
    for row in table {
        let status = *row.status.start();
        let next = answer(status, row.sample);
        let about = format!("{status} {}: {next:?}", row.word);
        let outcome = match (next, row.class) {
            (Next::Send(..), ErrorClass::Plainer) | (Next::Done(Outcome::Delivered { .. }), ErrorClass::Left) => {
                continue;
            }
            (Next::Done(outcome), _) => outcome,
            (Next::Send(..), _) => panic!("{about}"),
        };
        let is_right = match row.class {
            ErrorClass::Busy => matches!(outcome, Outcome::Retry { scope: Scope::Destination, after: Some(_), .. }),
            ErrorClass::Again => matches!(outcome, Outcome::Retry { scope: Scope::Delivery, .. }),
            ErrorClass::Unknown => matches!(outcome, Outcome::Unknown { .. }),
            ErrorClass::Settings => matches!(outcome, Outcome::Misconfigured { scope: Scope::Destination, .. }),
            ErrorClass::Suspect => matches!(outcome, Outcome::Misconfigured { scope: Scope::Delivery, .. }),
            ErrorClass::Refused => matches!(outcome, Outcome::Refused { .. }),
            ErrorClass::Gone => matches!(outcome, Outcome::Gone { .. }),
            ErrorClass::Plainer | ErrorClass::Left => false,
            ErrorClass::ByStatus => matches!(outcome, Outcome::Retry { .. } | Outcome::Unknown { .. }),
        };
        assert!(is_right, "{about}");
        let reason = outcome.reason().unwrap();
        let says = |text: &str| row.class == ErrorClass::ByStatus || reason.contains(text);
        assert!(says(row.meaning) && says(row.remedy) && !leaks(reason), "{about}");
    }
}

/// An HTTP reply that broke off.
pub fn cut_off(status: u16, body: &str) -> Reply {
    let Reply::Http(reply) = reply(status, body) else { unreachable!() };
    Reply::Http(HttpReply { truncated: true, ..reply })
}

/// The step and the HTTP request of what comes next.
pub fn sent(next: Next) -> (&'static str, HttpRequest) {
    match next {
        Next::Send(step, Message::Http(request)) => (step, request),
        other => panic!("{other:?}"),
    }
}

/// The body of a request as JSON.
pub fn body(request: &HttpRequest) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// A request as golden files hold it.
pub fn transcript(request: &HttpRequest) -> Value {
    let headers: serde_json::Map<String, Value> =
        request.headers.iter().map(|(name, value)| (name.to_string(), json!(value.expose_str().unwrap()))).collect();
    json!({
        "method": request.method.as_str(),
        "url": request.url.as_str(),
        "headers": headers,
        "content_type": request.content_type,
        "body": serde_json::from_slice(&request.body)
            .unwrap_or_else(|_| json!(String::from_utf8_lossy(&request.body))),
    })
}

/// What of a Markdown text is outside of code spans, each character that a backslash makes plain as an `x`.
pub fn outside_of_code(text: &str) -> String {
    let (mut outside, mut rest) = (String::new(), text.chars());
    while let Some(c) = rest.next() {
        match c {
            '\\' => outside.extend(rest.next().map(|_| 'x')),
            '`' => assert!(rest.any(|c| c == '`'), "a code span does not end: {text}"),
            c => outside.push(c),
        }
    }
    outside
}

/// Compares with `tests/fixtures/destinations/{destination}/{name}.json`, or writes it where `GATEPOST_BLESS=1` is set.
pub fn golden(destination: &str, name: &str, found: &Value) {
    let path = format!("tests/fixtures/destinations/{destination}/{name}.json");
    golden_text(&path, &format!("{}\n", serde_json::to_string_pretty(found).unwrap()));
}

/// Compares with a file of the project, or writes it where `GATEPOST_BLESS=1` is set.
pub fn golden_text(path: &str, found: &str) {
    let path = project(path);
    if std::env::var_os("GATEPOST_BLESS").is_some_and(|bless| bless == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
        return;
    }
    let wanted = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; GATEPOST_BLESS=1 writes it", path.display()));
    assert!(found == wanted, "{} differs; GATEPOST_BLESS=1 rewrites it. Found:\n{found}", path.display());
}

/// A JSON Schema to hold documents against.
pub struct Contract(jsonschema::Validator);

impl Contract {
    pub fn new(schema: &Value) -> Self {
        Self(jsonschema::validator_for(schema).unwrap())
    }

    pub fn accepts(&self, document: &Value) -> bool {
        self.0.is_valid(document)
    }

    pub fn assert(&self, document: &Value) {
        let faults: Vec<String> =
            self.0.iter_errors(document).map(|error| format!("{} at {}", error, error.instance_path())).collect();
        assert!(faults.is_empty(), "{faults:#?}\n{document:#}");
    }
}

/// A file of the shared contracts, as a schema. `None` where they are not there and need not be.
pub fn contract(file: &str) -> Option<Contract> {
    contract_at(file, None)
}

/// A part of a file of the shared contracts: the whole file with another root `$ref`.
pub fn contract_part(file: &str, reference: &str) -> Option<Contract> {
    contract_at(file, Some(reference))
}

fn contract_at(file: &str, reference: Option<&str>) -> Option<Contract> {
    let mut schema = shared(file)?;
    if let Some(reference) = reference {
        schema["$ref"] = json!(reference);
    }
    Some(Contract::new(&schema))
}

/// A JSON file of the shared contracts.
pub fn shared(file: &str) -> Option<Value> {
    let path = crate::needs::shared(&format!("contracts/{file}"))?;
    Some(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
}
