//! One incident key with its notifiers, driven step by step: what the store does, in memory and without faults.

use std::time::Duration;

use super::super::*;
use crate::domain::*;

/// The incidents of one key, and the time.
pub struct World {
    pub timing: Timing,
    pub now: Timestamp,
    pub latest: Option<Subject>,
    /// Those that were followed by others.
    pub past: Vec<Subject>,
    pub milestones: Vec<Milestone>,
    pub listening_since: Timestamp,
    /// How far the settled time lags behind.
    pub unsettled: Duration,
    numbers: u64,
}

impl World {
    pub fn new() -> Self {
        let now = Timestamp::parse("2026-11-21T00:00:00Z").unwrap();
        Self {
            timing: Timing::default(),
            now,
            latest: None,
            past: Vec::new(),
            milestones: Vec::new(),
            listening_since: now,
            unsettled: Duration::ZERO,
            numbers: 0,
        }
    }

    /// Advances the time and runs the timers that become due.
    pub fn pass(&mut self, by: Duration) {
        let end = self.now.plus(by);
        while let Some(at) = self.check_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let present = self.present();
            let subject = self.latest.as_mut().unwrap();
            let milestone = advance(&mut subject.incident, &self.timing, present);
            self.milestones.push(milestone.expect("the time that was named has come"));
        }
        self.now = end;
    }

    pub fn present(&self) -> Present {
        let (now, listening_since) = (self.now, self.listening_since);
        Present { now, settled: now.minus(self.unsettled), listening_since }
    }

    pub fn check_at(&self) -> Option<Timestamp> {
        self.latest.as_ref().and_then(|subject| check_at(&subject.incident, &self.timing, self.present()))
    }

    /// Takes events, which are received now unless they say otherwise.
    pub fn take(&mut self, events: &[NewEvent]) -> Vec<Joined> {
        let events: Vec<NewEvent> = events.iter().map(|event| dated(event, self.now)).collect();
        let before = self.latest.take().map(|mut subject| {
            (subject.milestones, subject.shows) = (Vec::new(), None);
            subject
        });
        let numbers = &mut self.numbers;
        let mut next = || {
            *numbers += 1;
            (IncidentId::generate(), IncidentNumber(*numbers))
        };
        let absorbed = absorb(before.clone(), &source(), key(), &events, &mut next, &self.timing, self.now);
        for (joined, place) in &absorbed.joined {
            let is_alone = matches!(joined, Joined::NothingToResolve | Joined::NotTold);
            assert_eq!(place.is_none(), is_alone, "{joined:?}");
            assert!(place.is_none_or(|place| place < absorbed.subjects.len()));
        }
        self.milestones.extend(absorbed.subjects.iter().flat_map(|subject| subject.milestones.iter().cloned()));
        let mut all: Vec<Subject> = absorbed.subjects;
        let is_kept = before.as_ref().is_some_and(|before| all.iter().all(|new| new.incident.id != before.incident.id));
        if is_kept {
            all.insert(0, before.unwrap());
        }
        self.latest = all.pop();
        self.past.extend(all);
        absorbed.joined.into_iter().map(|(joined, _)| joined).collect()
    }

    pub fn take_one(&mut self, event: &NewEvent) -> Joined {
        self.take(std::slice::from_ref(event))[0]
    }

    pub fn order(&mut self, order: Order) -> Result<MilestoneKind, OrderError> {
        let now = self.now;
        let milestone = obey(self.incident_mut(), order, person("dana"), Some("a note".into()), now)?;
        let what = milestone.what;
        self.milestones.push(milestone);
        Ok(what)
    }

    pub fn incident(&self) -> &Incident {
        &self.latest.as_ref().unwrap().incident
    }

    pub fn incident_mut(&mut self) -> &mut Incident {
        &mut self.latest.as_mut().unwrap().incident
    }

    pub fn state(&self) -> IncidentState {
        self.incident().state
    }

    /// What changed, and forgets it.
    pub fn changes(&mut self) -> Vec<MilestoneKind> {
        std::mem::take(&mut self.milestones).into_iter().map(|milestone| milestone.what).collect()
    }
}

/// One notifier, and what it was told.
pub struct Notified {
    pub class: NotifierClass,
    pub told: Notification,
}

impl Notified {
    pub fn new(class: NotifierClass, world: &World) -> Self {
        Self { class, told: Notification::new(world.now) }
    }

    pub fn due(&self, world: &World) -> Due {
        due(world.incident(), &self.told, self.class, &world.timing, world.now)
    }

    /// What is due now; nothing is sent.
    pub fn intent(&self, world: &World) -> Option<Intent> {
        match self.due(world) {
            Due::Now(intent) => Some(*intent),
            Due::At(at) => {
                assert!(at > world.now, "{at} is not after {}", world.now);
                None
            }
            Due::Nothing | Due::Close(_) => None,
        }
    }

    /// Delivers one operation, and names it.
    pub fn deliver_one(&mut self, world: &World) -> Option<String> {
        let intent = self.intent(world)?;
        let word = word(&intent);
        self.told = intent.then;
        Some(word)
    }

    /// Delivers all that is due now.
    pub fn deliver(&mut self, world: &World) -> Vec<String> {
        let words: Vec<String> = std::iter::from_fn(|| self.deliver_one(world)).take(100).collect();
        assert!(words.len() < 100, "it never ends: {words:?}");
        words
    }
}

/// `raise: reply 2 to the channel`.
pub fn word(intent: &Intent) -> String {
    let operation = match intent.operation {
        Operation::Trigger { page } => format!("page {page}"),
        Operation::AcknowledgePage { page } => format!("acknowledge page {page}"),
        Operation::ResolvePage { page } => format!("resolve page {page}"),
        Operation::Create { number } => format!("create {number}"),
        Operation::Edit => "edit".to_owned(),
        Operation::Reply { number, audience: Audience::Thread } => format!("reply {number}"),
        Operation::Reply { number, audience: Audience::Channel } => format!("reply {number} to the channel"),
        Operation::Transition => "transition".to_owned(),
    };
    format!("{}: {operation}", intent.change.as_str())
}

/// An event of that severity that a route sends to a notifier; its times are those at which it is taken.
pub fn event(severity: Severity) -> NewEvent {
    NewEvent {
        rank: Rank { severity, outcome: None },
        state: None,
        happened_at: undated(),
        received_at: undated(),
        is_told: true,
        title: "SQL injection".into(),
        rule: "SqlInjection".into(),
        victim: None,
        actor: Some("192.0.2.7".into()),
        target: Some("POST /v1/payments".into()),
        correlation: None,
    }
}

pub fn with_victim(victim: &str) -> NewEvent {
    NewEvent { victim: Some(victim.into()), ..event(Severity::Medium) }
}

pub fn happened(event: NewEvent, at: Timestamp) -> NewEvent {
    NewEvent { happened_at: at, ..event }
}

/// One that is read later than others that came after it.
pub fn received(event: NewEvent, at: Timestamp) -> NewEvent {
    NewEvent { received_at: at, ..event }
}

pub fn firing(correlation: u8) -> NewEvent {
    let state = Some(EventState::Firing);
    NewEvent { state, correlation: Some([correlation; 16]), ..event(Severity::Medium) }
}

/// A resolution, which no route sends to a notifier.
pub fn resolved(correlation: impl Into<Option<u8>>) -> NewEvent {
    let correlation = correlation.into().map(|byte| [byte; 16]);
    NewEvent { state: Some(EventState::Resolved), is_told: false, correlation, ..event(Severity::Medium) }
}

fn dated(event: &NewEvent, now: Timestamp) -> NewEvent {
    let received_at = if event.received_at == undated() { now } else { event.received_at };
    let happened_at = if event.happened_at == undated() { received_at } else { event.happened_at };
    NewEvent { happened_at, received_at, ..event.clone() }
}

pub fn person(name: &str) -> Origin {
    Origin::CommandLine { user: name.into() }
}

pub fn source() -> SourceName {
    "akto".parse().unwrap()
}

pub fn key() -> IncidentKey {
    IncidentKey::of(&source(), &["a key"])
}

pub fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

pub fn hours(hours: u64) -> Duration {
    minutes(60 * hours)
}

pub const CLASSES: [NotifierClass; 4] =
    [NotifierClass::Pager, NotifierClass::EditableChat, NotifierClass::AppendOnly, NotifierClass::Ticket];

/// The vendor's time is that of receipt.
fn undated() -> Timestamp {
    Timestamp::from_millis(i64::MIN)
}

/// Ids and numbers of incidents that stand for others, from this one on.
pub fn numbers(first: u64) -> impl FnMut() -> (IncidentId, IncidentNumber) {
    let mut next = first;
    move || {
        next += 1;
        (IncidentId::generate(), IncidentNumber(next - 1))
    }
}

/// A rank without an outcome.
pub fn rank(severity: Severity) -> Rank {
    Rank { severity, outcome: None }
}
