//! What templates are tried with when the configuration is checked: how an incident looks over its life, and what an attacker
//! can make of one.

use crate::destinations::probe;
use crate::domain::{
    Actor, Audience, Change, DeliveryId, Draft, Encoding, Event, EventOutcome, Facets, Incident, IncidentKind,
    IncidentNumber, IncidentState, Intent, Job, Link, Notification, NotificationId, NotifierClass, Operation, Origin,
    Progress, Purpose, Rank, Receipt, ReceiptId, Rule, Severity, Standing, StormFacts, Target, Telling, Timestamp,
    Told, Wording,
};

/// A change of an incident, with everything that it borrows.
#[derive(Debug)]
pub struct Sample {
    /// What it is a sample of.
    pub name: &'static str,
    id: DeliveryId,
    notification: NotificationId,
    event: Event,
    incident: Incident,
    facets: Facets,
    told: Notification,
    intent: Intent,
    progress: Progress,
    now: Timestamp,
}

impl Sample {
    /// A first try.
    pub fn job(&self) -> Job<'_> {
        Job {
            id: self.id,
            event: &self.event,
            purpose: Purpose::Alert,
            tries: 1,
            uncertain: false,
            progress: &self.progress,
            now: self.now,
        }
    }

    /// What is told.
    pub fn telling(&self) -> Telling<'_> {
        Telling {
            notification: self.notification,
            incident: &self.incident,
            facets: &self.facets,
            told: &self.told,
            intent: &self.intent,
            wording: Wording::NONE,
        }
    }
}

/// Every sample, as a notifier of that class is told of it: each by a message of its own and as an addition to one.
pub fn all(class: NotifierClass) -> Vec<Sample> {
    let operations: &[Operation] = match class {
        NotifierClass::Pager => &[Operation::Trigger { page: 1 }],
        NotifierClass::EditableChat => &[CREATE, Operation::Edit, REPLY],
        NotifierClass::AppendOnly | NotifierClass::Ticket => &[CREATE, REPLY],
    };
    let samples = operations.iter().flat_map(|operation| {
        let kinds = [
            ("an opening", Change::Open, Kind::Events),
            ("a raise", Change::Raise, Kind::Events),
            ("a storm", Change::Open, Kind::Storm),
            ("a resolution", Change::Resolve, Kind::Resolved),
            ("an event that attackers wrote", Change::Open, Kind::Hostile),
            ("an event of which little is known", Change::Open, Kind::Bare),
        ];
        kinds.map(|(name, change, kind)| sample(name, change, kind, *operation))
    });
    samples.flatten().collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Events,
    Storm,
    Resolved,
    Hostile,
    Bare,
}

fn sample(name: &'static str, change: Change, kind: Kind, operation: Operation) -> Option<Sample> {
    let now = Timestamp::parse("2026-11-21T03:05:00Z")?;
    let event = event(kind)?;
    let mut incident = probe::incident(&event, now);
    incident.number = IncidentNumber(4711);
    let before = Rank { severity: Severity::Low, ..incident.rank };
    if kind != Kind::Bare {
        (incident.count, incident.first_at) = (1_204, Timestamp::parse("2026-11-21T02:10:00Z")?);
    }
    match kind {
        Kind::Storm => {
            let rules = vec![("SqlInjection".to_owned(), 341), ("Ssrf".to_owned(), 12)];
            incident.kind =
                IncidentKind::Storm(StormFacts { incidents: 512, named: 2, rules, ..StormFacts::default() });
        }
        Kind::Resolved => {
            incident.enter(IncidentState::Resolved, Origin::CommandLine { user: "dana".to_owned() }, now);
            incident.state_note = Some("blocked at the edge".to_owned());
        }
        Kind::Events | Kind::Hostile | Kind::Bare => {}
    }
    let mut facets = Facets::default();
    for address in ["203.0.113.7", "203.0.113.9"].into_iter().filter(|_| kind != Kind::Bare) {
        facets.actors.add(address);
    }
    let mut told = Notification::new(incident.first_at);
    if change != Change::Open {
        let standing = Standing {
            state: IncidentState::Open,
            rank: before,
            count: 120,
            victims: 1,
            acknowledgements: 0,
            reopenings: 0,
            named: 0,
        };
        told.said = Some(Told { standing, at: incident.first_at });
    }
    let intent = Intent { change, operation, then: told.clone() };
    let (id, notification) = (DeliveryId::generate(), NotificationId::generate());
    Some(Sample { name, id, notification, event, incident, facets, told, intent, progress: Progress::default(), now })
}

fn event(kind: Kind) -> Option<Event> {
    let receipt = Receipt {
        id: ReceiptId::generate(),
        source: "sample".parse().ok()?,
        received_at: Timestamp::parse("2026-11-21T02:41:02Z")?,
        content_type: None,
        encoding: Encoding::Identity,
        body: bytes::Bytes::new(),
    };
    let draft = match kind {
        Kind::Bare => Draft { title: "Something".to_owned(), ..Draft::default() },
        Kind::Hostile => full(&|_| HOSTILE.repeat(40)),
        Kind::Events | Kind::Storm | Kind::Resolved => full(&str::to_owned),
    };
    let event = draft.into_event(&receipt, "akto", Severity::High, 0);
    let outcome = (kind != Kind::Bare).then_some(EventOutcome::Succeeded);
    Some(Event { outcome, time: Timestamp::parse("2026-11-21T02:41:00Z")?, ..event })
}

/// A draft that holds everything, each text by way of `text`.
fn full(text: &dyn Fn(&str) -> String) -> Draft {
    let some = |plain: &str| Some(text(plain));
    Draft {
        kind: text("threat"),
        title: text("SQL injection on POST /v1/payments"),
        vendor_id: some("6f1c2ab0"),
        message: some("The parameter `id` was closed and a UNION SELECT appended; the server answered 200."),
        rule: Some(Rule { id: some("sqli-1"), name: some("SqlInjection") }),
        actor: Some(Actor { ip: None, user: some("14.143.179.162"), country: some("IN") }),
        target: Some(Target {
            method: some("POST"),
            url: some("/v1/payments"),
            host: some("api.example.com"),
            agent: some("build-runner-7"),
        }),
        status: some("ACTIVE"),
        impact: some("Records of customers can be read."),
        remediation: some("Block the address at the edge.\nCheck the answers since then."),
        evidence: some("POST /v1/payments?id=1'+UNION+SELECT+1 HTTP/1.1"),
        links: vec![Link { title: text("Open in Akto"), url: "https://akto.example.com/threats/6f1c2ab0".to_owned() }],
        labels: [("risk_score", "97"), ("environment", "production")]
            .map(|(name, value)| (name.to_owned(), text(value)))
            .into(),
        ..Draft::default()
    }
}

const CREATE: Operation = Operation::Create { number: 1 };
const REPLY: Operation = Operation::Reply { number: 1, audience: Audience::Channel };
/// What would have an effect in one place or another.
const HOSTILE: &str = "{{ 7 * 7 }}{% raw %}<!channel> @here [x](javascript:alert(1)) {noformat}\"\\ \u{202e}\r\n`*_";
