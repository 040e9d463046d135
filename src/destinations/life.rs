//! The life of an incident for the tests of all notifiers: from its opening to its end, and what each kind is told of it.

use serde_json::{Value, json};

use super::testing;
use super::{HttpRequest, Message, Next, Notifier, Reply};
use crate::domain::{
    Acknowledgement, Audience, Change, DigestFacts, Event, EventOutcome, Facets, Incident, IncidentKey, IncidentKind,
    IncidentNumber, IncidentState, Intent, Job, Notification, NotifierClass, Operation, Origin, Outcome, Progress,
    Rank, Reference, Rule, Severity, Standing, StormFacts, Target, Telling, Timestamp, Told, Wording,
};

/// One change that a notifier is told, with everything that it borrows.
#[derive(Clone)]
pub struct OwnedTelling {
    pub event: Event,
    pub incident: Incident,
    pub facets: Facets,
    pub told: Notification,
    pub intent: Intent,
    pub wording: Wording,
    pub now: Timestamp,
}

impl OwnedTelling {
    pub fn telling(&self) -> Telling<'_> {
        Telling {
            notification: "0190b6a0-0000-7000-b000-000000000001".parse().unwrap(),
            incident: &self.incident,
            facets: &self.facets,
            told: &self.told,
            intent: &self.intent,
            wording: &self.wording,
        }
    }

    /// A first, certain try.
    pub fn job(&self) -> Job<'_> {
        Job { now: self.now, ..testing::job(&self.event) }
    }

    /// With another operation of the same change.
    pub fn with(mut self, change: Change, operation: Operation) -> Self {
        self.intent = Intent { change, operation, then: then(&self.told, &self.incident, operation, self.now) };
        self
    }
}

/// The stages of a life, in their order.
pub const STAGES: [&str; 12] = [
    "open",
    "update",
    "raise",
    "spread",
    "acknowledge",
    "worse",
    "resolve",
    "reopen",
    "quiet",
    "repeat",
    "storm",
    "digest",
];

/// An incident of two victims in the middle of its life, told of its opening, for a change of one's own.
pub fn at(stage: &str, class: NotifierClass) -> OwnedTelling {
    let mut world = World::new();
    for name in STAGES {
        world.reach(name);
        if name == stage {
            break;
        }
    }
    let (change, operations) = told_of(stage, class, &world);
    let operation = operations.first().copied().unwrap_or(Operation::Edit);
    world.telling(change, operation)
}

/// Lets a notifier tell a whole life; `respond` answers as the receiver. The conversation of each stage that it is told
/// of.
pub fn live(notifier: &dyn Notifier, respond: impl Fn(&str, &HttpRequest) -> Reply) -> Vec<(&'static str, Value)> {
    live_by(notifier, |job, telling| try_until_settled(notifier, job, telling, &respond))
}

/// The same where the notifier does not speak HTTP: `tell` drives it until the change is settled.
pub fn live_by(
    notifier: &dyn Notifier,
    tell: impl Fn(&Job<'_>, &Telling<'_>) -> (Vec<Value>, Outcome),
) -> Vec<(&'static str, Value)> {
    let mut world = World::new();
    let mut stages = Vec::new();
    for stage in STAGES {
        world.reach(stage);
        let (change, operations) = told_of(stage, notifier.class(), &world);
        let mut said = Vec::new();
        for operation in operations {
            let told = world.telling(change, operation);
            let (conversation, outcome) = tell(&told.job(), &told.telling());
            said.extend(conversation);
            let Outcome::Delivered { remote } = outcome else { panic!("{stage} {operation:?}: {outcome:?}") };
            let reference = remote.or(world.told.reference);
            world.told = Notification { reference, ..told.intent.then };
        }
        if !said.is_empty() {
            stages.push((stage, Value::Array(said)));
        }
    }
    stages
}

/// Tries as the queue does, without its pauses, as long as the notifier notes something new for the next try.
pub fn try_until_settled(
    notifier: &dyn Notifier,
    job: &Job<'_>,
    telling: &Telling<'_>,
    respond: &impl Fn(&str, &HttpRequest) -> Reply,
) -> (Vec<Value>, Outcome) {
    let (mut said, mut notes, mut now) = (Vec::new(), Progress::default(), job.now);
    loop {
        let job = Job { progress: &notes, now, ..*job };
        let (conversation, outcome) = converse(notifier, &job, telling, respond);
        said.extend(conversation);
        match outcome {
            Outcome::Retry { progress, after: Some(pause), .. } | Outcome::Pending { progress, after: pause, .. }
                if progress != notes =>
            {
                (notes, now) = (progress, now.plus(pause));
            }
            outcome => return (said, outcome),
        }
    }
}

/// Drives a notifier to the end of a try. What it sent, and the outcome.
pub fn converse(
    notifier: &dyn Notifier,
    job: &Job<'_>,
    telling: &Telling<'_>,
    respond: &impl Fn(&str, &HttpRequest) -> Reply,
) -> (Vec<Value>, Outcome) {
    let mut said = Vec::new();
    let mut next = notifier.first(job, telling);
    loop {
        match next {
            Next::Done(outcome) => return (said, outcome),
            Next::Send(step, Message::Http(request)) => {
                assert!(!testing::leaks(&format!("{request:?}")) && said.len() < 16, "{said:#?}");
                said.push(json!({ "step": step, "request": testing::transcript(&request) }));
                next = notifier.next(job, telling, step, &respond(step, &request));
            }
            Next::Send(_, other) => panic!("{other:?}"),
        }
    }
}

/// A try in doubt: an earlier one may have arrived.
pub fn in_doubt<'a>(job: Job<'a>, progress: &'a Progress) -> Job<'a> {
    Job { uncertain: true, progress, ..job }
}

struct World {
    event: Event,
    incident: Incident,
    facets: Facets,
    told: Notification,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        let mut event = testing::event("akto");
        event.title = "SQL injection on POST /v1/payments".into();
        event.kind = "threat".into();
        event.rule = Some(Rule { id: None, name: Some("SqlInjection".into()) });
        event.target = Some(Target {
            method: Some("POST".into()),
            url: Some("/v1/payments".into()),
            host: Some("api.example.com".into()),
            agent: None,
        });
        event.impact = Some("Records of customers can be read.".into());
        event.remediation =
            Some("Block the address at the edge.\nCheck the answers since then for customer data.".into());
        event.vendor_id = Some("6f1c2ab0".into());
        event.severity = Severity::Medium;
        event.outcome = Some(EventOutcome::Blocked);
        event.time = at_time("02:10:00");
        event.received_at = at_time("02:10:01");
        let incident = Incident {
            id: "0190b6a0-0000-7000-c000-000000000001".parse().unwrap(),
            number: IncidentNumber(4711),
            source: event.source.clone(),
            key: IncidentKey::from_bytes([7; 16]),
            kind: IncidentKind::Events,
            title: event.title.clone(),
            rule: "SqlInjection".into(),
            state: IncidentState::Open,
            state_since: at_time("02:10:01"),
            state_by: Origin::Vendor,
            state_note: None,
            acknowledgement: None,
            rank: Rank::of(&event),
            rank_since: event.time,
            count: 1,
            victims: 1,
            first_at: event.time,
            last_at: event.time,
            received_at: event.received_at,
            reopenings: 0,
            reopened_at: Vec::new(),
            resolution_held_until: None,
            is_unattended: false,
            is_hold_noted: false,
            ends_by_vendor: false,
            fired: None,
            silenced_until: None,
            silence: None,
            fold: None,
            follows: None,
        };
        let mut facets = Facets::default();
        facets.actors.add("14.143.179.162");
        facets.targets.add("POST /v1/payments");
        facets.victims.add("api.example.com");
        let told = Notification::new(event.received_at);
        Self { event, incident, facets, told, now: at_time("02:10:02") }
    }

    fn reach(&mut self, stage: &str) {
        match stage {
            "open" => {}
            "update" => {
                self.events(120, "02:20:00");
                self.facets.actors.add("203.0.113.7");
                self.facets.actors.add("203.0.113.9");
                self.facets.targets.add("POST /v1/refunds");
            }
            "raise" => self.raise(Severity::High, EventOutcome::Allowed, 432, "02:30:00"),
            "spread" => {
                self.events(440, "02:35:00");
                self.facets.victims.add("pay.example.com");
                self.incident.victims = 2;
            }
            "acknowledge" => {
                self.state(IncidentState::Acknowledged, "02:40:00");
                let by = self.incident.state_by.clone();
                self.incident.acknowledgement = Some(Acknowledgement { at: at_time("02:40:00"), by, number: 1 });
                self.incident.state_note = Some("looking at the logs".into());
            }
            "worse" => {
                self.raise(Severity::Critical, EventOutcome::Succeeded, 1_204, "02:50:00");
                self.state(IncidentState::Open, "02:50:00");
                self.incident.state_by = Origin::Vendor;
            }
            "resolve" => {
                self.state(IncidentState::Resolved, "03:05:00");
                self.incident.state_note = Some("blocked at the edge".into());
            }
            "reopen" => {
                self.events(1_207, "03:20:00");
                self.state(IncidentState::Open, "03:20:00");
                self.incident.state_by = Origin::Vendor;
                self.incident.reopenings = 1;
                self.incident.reopened_at = vec![at_time("03:20:00")];
            }
            "quiet" => {
                self.state(IncidentState::Quiet, "23:20:00");
                self.incident.state_by = Origin::Gatepost;
                self.incident.is_unattended = true;
            }
            "repeat" => {
                self.state(IncidentState::Open, "03:20:00");
                self.incident.state_by = Origin::Vendor;
            }
            "storm" => self.storm(),
            "digest" => self.digest(),
            other => panic!("{other}"),
        }
    }

    fn events(&mut self, count: u64, last: &str) {
        self.incident.count = count;
        self.incident.last_at = at_time(last);
        self.now = at_time(last).plus(std::time::Duration::from_secs(1));
    }

    fn raise(&mut self, severity: Severity, outcome: EventOutcome, count: u64, at: &str) {
        self.events(count, at);
        (self.event.severity, self.event.outcome) = (severity, Some(outcome));
        (self.event.time, self.event.received_at) = (at_time(at), at_time(at));
        self.incident.rank = Rank::of(&self.event);
        self.incident.rank_since = at_time(at);
    }

    fn state(&mut self, state: IncidentState, at: &str) {
        self.incident.enter(state, Origin::CommandLine { user: "dana".into() }, at_time(at));
        self.now = at_time(at).plus(std::time::Duration::from_secs(1));
    }

    fn storm(&mut self) {
        *self = Self::new();
        self.events(512, "04:00:00");
        self.incident.number = IncidentNumber(4720);
        let rules = [("4XX_FILTER", 341), ("Ssrf", 12), ("CommandInjection", 2)];
        self.incident.kind = IncidentKind::Storm(StormFacts {
            incidents: 512,
            rules: rules.map(|(rule, incidents)| (rule.to_owned(), incidents)).into(),
            more_rules: 34,
            named: 3,
            last_fold: Some(at_time("04:00:00")),
            ..StormFacts::default()
        });
        // Its first rule was told when it opened.
        let before = then(&self.told, &self.incident, Operation::Edit, self.now).shown;
        self.told.said = before.map(|told| Told { standing: Standing { named: 1, ..told.standing }, ..told });
    }

    fn digest(&mut self) {
        *self = Self::new();
        self.incident.number = IncidentNumber(4721);
        self.incident.kind = IncidentKind::Digest(DigestFacts { incidents: 14, ..DigestFacts::default() });
        self.incident.count = 2_311;
        self.incident.first_at = Timestamp::parse("2026-11-18T04:00:00Z").unwrap();
        self.incident.last_at = at_time("04:00:00");
        self.incident.rank = Rank { severity: Severity::High, outcome: Some(EventOutcome::Blocked) };
    }

    fn telling(&self, change: Change, operation: Operation) -> OwnedTelling {
        OwnedTelling {
            event: self.event.clone(),
            incident: self.incident.clone(),
            facets: self.facets.clone(),
            told: self.told.clone(),
            intent: Intent { change, operation, then: then(&self.told, &self.incident, operation, self.now) },
            wording: Wording::NONE.clone(),
            now: self.now,
        }
    }
}

fn at_time(time: &str) -> Timestamp {
    Timestamp::parse(&format!("2026-11-21T{time}Z")).unwrap()
}

/// What a notifier of that class is told at that stage.
fn told_of(stage: &str, class: NotifierClass, world: &World) -> (Change, Vec<Operation>) {
    let change = match stage {
        "open" | "storm" | "digest" => Change::Open,
        "update" => Change::Update,
        "raise" | "worse" => Change::Raise,
        "spread" => Change::Spread,
        "acknowledge" => Change::Acknowledge,
        "resolve" => Change::Resolve,
        "reopen" => Change::Reopen,
        "quiet" => Change::Quiet,
        "repeat" => Change::Repeat,
        other => panic!("{other}"),
    };
    let (pages, number) = (world.told.pages, world.told.replies + 1);
    let reply = |audience| Operation::Reply { number, audience };
    let create = vec![Operation::Create { number: 1 }];
    let operations = match (class, change) {
        (NotifierClass::Pager, Change::Open | Change::Raise | Change::Spread | Change::Reopen) => {
            vec![Operation::Trigger { page: pages + 1 }]
        }
        (NotifierClass::Pager, Change::Acknowledge) => {
            (1..=pages).map(|page| Operation::AcknowledgePage { page }).collect()
        }
        (NotifierClass::Pager, Change::Resolve) => (1..=pages).map(|page| Operation::ResolvePage { page }).collect(),
        (NotifierClass::Pager, _) => Vec::new(),
        (_, Change::Open) => create,
        (NotifierClass::EditableChat, Change::Update) => vec![Operation::Edit],
        (NotifierClass::EditableChat, Change::Repeat) => vec![reply(Audience::Channel)],
        (NotifierClass::EditableChat, Change::Acknowledge | Change::Resolve) => {
            vec![Operation::Edit, reply(Audience::Thread)]
        }
        (NotifierClass::EditableChat, _) => vec![Operation::Edit, reply(Audience::Channel)],
        (NotifierClass::AppendOnly, _) => vec![reply(Audience::Channel)],
        (NotifierClass::Ticket, Change::Quiet | Change::Repeat) => Vec::new(),
        (NotifierClass::Ticket, Change::Raise) => vec![Operation::Edit, reply(Audience::Thread)],
        (NotifierClass::Ticket, Change::Resolve | Change::Reopen) => {
            vec![reply(Audience::Thread), Operation::Transition]
        }
        (NotifierClass::Ticket, _) => vec![reply(Audience::Thread)],
    };
    (change, operations)
}

/// The notification as it is once the operation has succeeded.
fn then(told: &Notification, incident: &Incident, operation: Operation, at: Timestamp) -> Notification {
    let standing = Standing {
        state: incident.state,
        rank: incident.rank,
        count: incident.count,
        victims: incident.victims,
        acknowledgements: incident.acknowledgement.as_ref().map_or(0, |acknowledgement| acknowledgement.number),
        reopenings: incident.reopenings,
        named: 0,
    };
    let now = Some(Told { standing, at });
    let mut then = told.clone();
    match operation {
        Operation::Trigger { page } => (then.pages, then.said) = (page, now),
        Operation::AcknowledgePage { page } => then.pages_acknowledged = page,
        Operation::ResolvePage { page } => then.pages_resolved = page,
        Operation::Create { number } => (then.creations, then.said, then.shown) = (number, now, now),
        Operation::Edit | Operation::Transition => then.shown = now,
        Operation::Reply { number, .. } => (then.replies, then.said) = (number, now),
    }
    then
}

/// The events of [`testing::most_events`] and random ones, each as an incident in the middle of its life.
pub fn every_telling(class: NotifierClass, seed: u64) -> Vec<OwnedTelling> {
    let mut all = Vec::new();
    // Of the longest the one of markup, which grows where it is escaped.
    let is_told = |event: &Event| event.title.len() <= 50_000 || event.title.starts_with('<');
    let events = testing::most_events().into_iter().filter(is_told).chain(testing::random_events(seed, 12));
    for (index, event) in events.enumerate() {
        let stage = STAGES[index % STAGES.len()];
        let mut told = at(stage, class);
        told.incident.title = event.title.clone();
        told.incident.rule = event.kind.clone();
        told.incident.state_by = Origin::CommandLine { user: event.title.clone() };
        told.incident.state_note = Some(event.title.clone());
        if let Some(acknowledgement) = &mut told.incident.acknowledgement {
            acknowledgement.by = Origin::CommandLine { user: event.title.clone() };
        }
        if let IncidentKind::Storm(storm) = &mut told.incident.kind {
            storm.rules = vec![(event.title.clone(), 3), (event.kind.clone(), 2)];
        }
        for facet in [&mut told.facets.actors, &mut told.facets.targets, &mut told.facets.victims] {
            facet.add(&event.title);
            facet.add(event.message.as_deref().unwrap_or("x"));
        }
        told.incident.rank.severity = event.severity;
        told.event = event;
        all.push(told);
    }
    all
}

/// A reference as a destination gave it.
pub fn reference(name: &str, data: Value) -> Option<Reference> {
    Some(Reference { name: name.into(), data })
}
