//! Whatever a destination answers, each try comes to an end, a delivery counts only after a yes, and no reason holds a secret
//! or what a terminal obeys.
//!
//! The input is text, so that answers can be written down as they are: a byte for the destination, then answers with NUL between
//! them, each a status, header lines, an empty line and a body. The seeds in `fuzz/run` are such answers.

#![no_main]

use std::sync::LazyLock;

use gatepost::config::Config;
use gatepost::destinations::{
    Exchange, HttpReply, MailAnswer, MailResult, MailStage, Message, Next, ProbeTelling, Receiver, Reply,
};
use gatepost::domain::{
    Batch, BatchEvent, DeliveryId, Draft, Encoding, Event, EventDocument, Headers, Job, Outcome, Progress, Purpose,
    Receipt, ReceiptId, Severity, Timestamp,
};
use gatepost::settings::{Environment, PathFacts};
use libfuzzer_sys::fuzz_target;

/// What every credential holds.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

static DESTINATIONS: LazyLock<Vec<(String, Receiver)>> = LazyLock::new(|| {
    let hooks = [
        ("discord", "https://discord.com/api/webhooks/100000000000000001/"),
        ("mattermost", "https://chat.example.com/hooks/"),
        ("slack", "https://hooks.slack.com/services/T00000000/B00000000/"),
        ("teams", "https://prod-00.westeurope.logic.azure.com/workflows/1/triggers/manual/paths/invoke?sig="),
    ];
    let hook = |(kind, url): (&str, &str)| {
        format!("[destinations.{kind}]\ntype = \"{kind}\"\nwebhook_url = {{ value = \"{url}{SECRET}\" }}\n")
    };
    let hooks: String = hooks.into_iter().map(hook).collect();
    let text = format!(
        r#"{hooks}
        [destinations.elasticsearch]
        type = "elasticsearch"
        url = "https://elastic.example.com"
        index = "gatepost"
        api_key = {{ value = "{SECRET}" }}
        [destinations.email]
        type = "email"
        smtp = "smtps://alerts@smtp.example.com"
        password = {{ value = "{SECRET}" }}
        from = "gatepost@example.com"
        to = ["soc@example.com", "dana@example.com"]
        [destinations.jira]
        type = "jira"
        url = "https://jira.example.com"
        email = "gatepost@example.com"
        api_token = {{ value = "{SECRET}" }}
        project = "SEC"
        [destinations.opsgenie]
        type = "opsgenie"
        api_key = {{ value = "{SECRET}" }}
        [destinations.pagerduty]
        type = "pagerduty"
        routing_key = {{ value = "{SECRET}" }}
        [destinations.servicenow]
        type = "servicenow"
        url = "https://example.service-now.com"
        user = "gatepost"
        password = {{ value = "{SECRET}" }}
        [destinations.slack-token]
        type = "slack"
        token = {{ value = "xoxb-{SECRET}" }}
        channel = "C00000000"
        [destinations.splunk]
        type = "splunk"
        url = "https://splunk.example.com"
        token = {{ value = "{SECRET}" }}
        ack = true
        [destinations.webhook]
        type = "webhook"
        url = "https://soar.example.com"
        secret = {{ value = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=" }}
        batch = 10
        "#
    );
    let nothing = Environment {
        variable: Box::new(|_| None),
        read_file: Box::new(|_| Err(std::io::ErrorKind::NotFound.into())),
        paths: PathFacts::default(),
        base: std::path::PathBuf::new(),
        now: gatepost::domain::Timestamp::from_millis(1_795_000_000_000),
    };
    let config = Config::parse(&text, &nothing).unwrap_or_else(|faults| panic!("{faults:?}"));
    config.destinations.into_iter().map(|(name, destination)| (name.to_string(), destination)).collect()
});

/// An answer as it is written down.
struct Answer<'d> {
    status: u16,
    headers: Headers,
    body: &'d [u8],
}

/// What the destination says, one answer after the other; from the end on the last one again.
struct Answers<'d> {
    left: std::vec::IntoIter<Answer<'d>>,
    last: Option<Answer<'d>>,
    has_said_yes: bool,
}

fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else { return };
    let (name, destination) = &DESTINATIONS[usize::from(*which) % DESTINATIONS.len()];
    let all: Vec<Answer<'_>> = data.split(|byte| *byte == 0).take(32).map(Answer::read).collect();
    let mut answers = Answers { left: all.into_iter(), last: None, has_said_yes: false };
    let event = event();
    let (mut progress, mut uncertain, mut now) = (Progress::default(), false, event.received_at);
    for tries in 1..=TRIES {
        let job = Job {
            id: DeliveryId::generate(),
            event: &event,
            purpose: Purpose::Alert,
            tries,
            uncertain,
            progress: &progress,
            now,
        };
        let outcome = one_try(destination, &job, &mut answers);
        check(name, &outcome, &answers);
        match outcome {
            Outcome::Retry { progress: next, after, .. } => {
                now = now.plus(after.unwrap_or_default());
                progress = next;
            }
            Outcome::Unknown { progress: next, .. } => (progress, uncertain) = (next, true),
            _ => return,
        }
    }
});

fn one_try(destination: &Receiver, job: &Job<'_>, answers: &mut Answers<'_>) -> Outcome {
    match destination {
        Receiver::Sink(sink) => {
            let document = EventDocument::of(job.event).expect("an event is JSON");
            let events = [BatchEvent { id: job.event.id, document }];
            let Job { id, purpose, tries, uncertain, progress, now, .. } = *job;
            let batch = Batch { id, events: &events, purpose, tries, uncertain, progress, now };
            converse(Exchange::Batch(sink.as_ref(), &batch), answers)
        }
        Receiver::Notifier(notifier) => {
            let opening = ProbeTelling::of(job.event, notifier.class(), job.now);
            converse(Exchange::Change(notifier.as_ref(), job, &opening.telling()), answers)
        }
    }
}

fn converse(exchange: Exchange<'_>, answers: &mut Answers<'_>) -> Outcome {
    let mut next = exchange.first();
    for _ in 0..32 {
        match next {
            Next::Done(outcome) => return outcome,
            Next::Send(step, message) => {
                let reply = answers.next(&message);
                next = exchange.next(step, &reply);
            }
        }
    }
    panic!("the exchange does not end");
}

/// What may be said of any outcome.
fn check(name: &str, outcome: &Outcome, answers: &Answers<'_>) {
    let reasons: Vec<&str> = match outcome {
        Outcome::Delivered { .. } => {
            assert!(answers.has_said_yes, "{name}: delivered without a yes");
            Vec::new()
        }
        Outcome::DeliveredSlowDown { pause } => {
            assert!(answers.has_said_yes, "{name}: delivered without a yes");
            assert!(pause.as_secs() <= DAY_SECONDS, "{name}: a pause of {pause:?}");
            Vec::new()
        }
        Outcome::DeliveredExcept { refused, again } => {
            assert!(answers.has_said_yes, "{name}: delivered without a yes");
            refused.iter().chain(again).map(|(_, reason)| reason.as_str()).collect()
        }
        Outcome::Pending { reason, after, .. } => {
            assert!(after.as_secs() <= DAY_SECONDS, "{name}: a pause of {after:?}");
            vec![reason]
        }
        Outcome::Retry { reason, after, .. } => {
            assert!(after.is_none_or(|after| after.as_secs() <= DAY_SECONDS), "{name}: a pause of {after:?}");
            vec![reason]
        }
        Outcome::Refused { reason } | Outcome::Gone { reason } => vec![reason],
        Outcome::Misconfigured { reason, .. } | Outcome::Unknown { reason, .. } => vec![reason],
    };
    for reason in reasons {
        assert!(!reason.is_empty() && reason.len() <= REASON_BYTES_MAX, "{name}: {} bytes: {reason}", reason.len());
        assert!(!reason.chars().any(char::is_control), "{name}: {reason:?}");
        // What the answer itself does not say.
        assert!(!reason.contains(SECRET) || answers.name_the_secret(), "{name}: {reason}");
    }
}

impl<'d> Answer<'d> {
    fn read(text: &'d [u8]) -> Self {
        let (head, body) = match text.windows(2).position(|pair| pair == b"\n\n") {
            Some(at) => (&text[..at], &text[at + 2..]),
            None => (text, &b""[..]),
        };
        let mut lines = head.split(|byte| *byte == b'\n').map(String::from_utf8_lossy);
        let status = lines.next().and_then(|status| status.trim().parse::<u16>().ok()).unwrap_or(200);
        let mut headers = Headers::default();
        for line in lines {
            if let Some((name, value)) = line.split_once(':') {
                headers.push(name.trim(), value.trim());
            }
        }
        Self { status: 200 + status % 400, headers, body }
    }
}

impl Answers<'_> {
    fn next(&mut self, message: &Message) -> Reply {
        self.last = self.left.next().or(self.last.take());
        let Some(answer) = &self.last else { return Reply::NotSent("no answer is left".into()) };
        self.has_said_yes |= answer.status < 300;
        match message {
            Message::Mail(mailing) => {
                let text = String::from_utf8_lossy(answer.body).lines().collect::<Vec<_>>().join(" ");
                let stage = STAGES[usize::from(answer.status) % STAGES.len()];
                let result = MailResult::Answered(MailAnswer { stage, code: answer.status, text });
                Reply::Mailed(vec![result; mailing.mails.len()])
            }
            _ => Reply::Http(HttpReply {
                status: answer.status,
                headers: answer.headers.clone(),
                body: bytes::Bytes::copy_from_slice(answer.body),
                truncated: answer.body.last() == Some(&b'~'),
            }),
        }
    }

    fn name_the_secret(&self) -> bool {
        self.last.as_ref().is_some_and(|last| String::from_utf8_lossy(last.body).contains(SECRET))
    }
}

fn event() -> Event {
    let receipt = Receipt {
        id: ReceiptId::generate(),
        source: "s".parse().expect("a name"),
        received_at: Timestamp::from_millis(1_700_000_000_000),
        content_type: None,
        encoding: Encoding::Identity,
        body: bytes::Bytes::new(),
    };
    let draft = Draft { key: vec!["k".into()], kind: "threat".into(), title: "a title".into(), ..Draft::default() };
    draft.into_event(&receipt, "v", Severity::from_id(4), 0)
}

const TRIES: u32 = 6;
const DAY_SECONDS: u64 = 24 * 60 * 60;
const REASON_BYTES_MAX: usize = 4096;
const STAGES: [MailStage; 8] = [
    MailStage::Content,
    MailStage::Greeting,
    MailStage::Hello,
    MailStage::StartTls,
    MailStage::Login,
    MailStage::Sender,
    MailStage::Recipient,
    MailStage::Data,
];
