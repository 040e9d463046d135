//! The contract of the store about incidents: what is counted, planned, told and forgotten, run against every store there is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatepost::domain::{
    Attempt, Audience, BatchSize, Change, DeliveryState, DestinationName, DigestFacts, DigestOf, Draft, EventOutcome,
    EventState, IncidentKind, IncidentNumber, IncidentState, MilestoneKind, NotifierClass, Operation, Origin,
    OutcomeKind, Progress, Reference, Rule, Severity, Target, Timestamp,
};
use gatepost::incidents::{GroupBy, Joined, Order, OrderError, Present, StormLimits, Timing};
use gatepost::store::{
    Access, Advanced, Claim, ClaimOrder, Commands, Conclusion, Content, DeliveryFilter, DeliveryWork, Dispatched,
    Doubt, Fallback, Fallbacks, FellBack, Hastened, Horizons, Inbox, IncidentDetails, IncidentFilter, IncidentQueries,
    Joining, Lease, NotifierPolicy, Outbox, Page, PlannedEvent, Policy, Queries, ReceiptLimits, Routed, Settlement,
    SqliteStore, Upkeep, Verdict,
};

#[path = "harness/authentic.rs"]
mod authentic;
use authentic::authentic;

const ALL: Page = Page { limit: 1000, before: None };
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// An event that is to be accepted.
#[derive(Clone)]
struct Alert {
    id: String,
    rule: &'static str,
    host: &'static str,
    severity: Severity,
    outcome: Option<EventOutcome>,
    state: Option<EventState>,
    /// One group for all, and a victim of this number.
    group: Option<u64>,
    /// The vendor's group, and its name of the alert.
    named: Option<(&'static str, Option<&'static str>)>,
    /// It happened two days before it came.
    is_old: bool,
    to: Vec<&'static str>,
}

fn alert(id: impl ToString) -> Alert {
    let to = vec!["pager", "chat", "hook", "tickets"];
    let (severity, id) = (Severity::High, id.to_string());
    let (outcome, state, group, named, is_old) = (None, None, None, None, false);
    Alert { id, rule: "sqli", host: "api", severity, outcome, state, group, named, is_old, to }
}

struct Fixture {
    folder: tempfile::TempDir,
    store: SqliteStore,
    policy: Arc<Policy>,
}

impl Fixture {
    fn new() -> Self {
        Self::timed(Timing { storm: None, ..Timing::default() })
    }

    fn timed(timing: Timing) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let notifiers = [
            ("pager", NotifierClass::Pager),
            ("chat", NotifierClass::EditableChat),
            ("hook", NotifierClass::AppendOnly),
            ("tickets", NotifierClass::Ticket),
        ];
        let notifiers = notifiers
            .map(|(name, class)| (name.parse().unwrap(), NotifierPolicy { class, fingerprint: [class as u8; 16] }));
        let policy = Arc::new(Policy { notifiers: notifiers.into_iter().collect(), timing, ..Policy::default() });
        Self { folder, store, policy }
    }

    fn reopen(self) -> Self {
        self.store.close();
        let store = open(self.folder.path());
        Self { store, ..self }
    }

    /// Accepts and records these events, all in one transaction.
    fn take(&self, now: i64, alerts: &[Alert]) -> Dispatched {
        self.take_of("s", now, alerts)
    }

    fn take_of(&self, source: &str, now: i64, alerts: &[Alert]) -> Dispatched {
        alerts.iter().for_each(|alert| self.accept(source, now, alert));
        let claims = self.store.claim_receipts(ReceiptLimits::of_any_size(1000), lease(now)).wait().unwrap().claims;
        assert_eq!(claims.len(), alerts.len());
        self.record(now, claims, alerts)
    }

    fn accept(&self, source: &str, now: i64, alert: &Alert) {
        let arrival = authentic(source, &format!("{now}-{}", alert.id), &alert.id, at(now));
        self.store.accept(arrival, None).wait().unwrap();
    }

    fn record(&self, now: i64, claims: Vec<Claim<gatepost::store::ReceiptWork>>, alerts: &[Alert]) -> Dispatched {
        let conclude = |claim: Claim<gatepost::store::ReceiptWork>| {
            let id = String::from_utf8(claim.work().receipt.body.to_vec()).unwrap();
            let alert = alerts.iter().find(|alert| alert.id == id).unwrap();
            Conclusion { events: vec![planned(&claim, alert)], claim, note: None }
        };
        let conclusions = Arc::new(claims.into_iter().map(conclude).collect());
        self.store.conclude(conclusions, &self.policy, at(now)).wait().unwrap()
    }

    fn claim(&self, destination: &str, now: i64) -> Option<Claim<DeliveryWork>> {
        self.claim_all(destination, 1, now).pop()
    }

    fn claim_all(&self, destination: &str, limit: usize, now: i64) -> Vec<Claim<DeliveryWork>> {
        let claimed =
            self.store.claim_deliveries(&name(destination), limit, ClaimOrder::MostSevere, &self.policy, lease(now));
        claimed.wait().unwrap().claims
    }

    fn settle(&self, claim: Claim<DeliveryWork>, verdict: Verdict, now: i64) -> usize {
        let attempt = Attempt {
            number: claim.work().tries,
            started_at: at(now),
            duration_ms: 5,
            outcome: OutcomeKind::Delivered,
            reason: None,
        };
        let settlements = Arc::new(vec![Settlement { claim, attempt, verdict }]);
        self.store.settle(settlements, &self.policy, at(now)).wait().unwrap().0
    }

    /// What a notifier is told now, change by change, each delivered at once.
    fn told(&self, destination: &str, now: i64) -> Vec<(Change, Operation)> {
        let mut told = Vec::new();
        while let Some(claim) = self.claim(destination, now) {
            let intent = &change(&claim).intent;
            told.push((intent.change, intent.operation));
            assert!(told.len() < 100, "{told:?}");
            self.settle(claim, delivered(), now);
        }
        told
    }

    fn changes(&self, destination: &str, now: i64) -> Vec<Change> {
        self.told(destination, now).into_iter().map(|(change, _)| change).collect()
    }

    fn advance(&self, now: i64) -> Advanced {
        self.advance_at(Present { now: at(now), settled: at(now), listening_since: at(0) })
    }

    fn advance_at(&self, present: Present) -> Advanced {
        self.store.advance_incidents(100, &self.policy, present).wait().unwrap()
    }

    fn order(&self, number: u64, order: Order, now: i64) -> Result<(), OrderError> {
        let by = Origin::CommandLine { user: "dana".to_owned() };
        self.store.order(IncidentNumber(number), order, by, None, at(now)).unwrap().map(|_| ())
    }

    fn incident(&self, number: u64) -> IncidentDetails {
        self.store.incident(IncidentNumber(number)).unwrap().unwrap()
    }

    fn states(&self) -> Vec<DeliveryState> {
        let rows = self.store.deliveries(&ALL, &DeliveryFilter::default()).unwrap();
        rows.into_iter().rev().map(|row| row.delivery.state).collect()
    }
}

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(&folder.join("test.db"), Access::Serve).unwrap()
}

fn name(destination: &str) -> DestinationName {
    destination.parse().unwrap()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + ms)
}

fn lease(now: i64) -> Lease {
    Lease { now: at(now), steady: at(now), length: Duration::from_secs(30) }
}

fn planned(claim: &Claim<gatepost::store::ReceiptWork>, alert: &Alert) -> PlannedEvent {
    let draft = Draft {
        key: vec![alert.id.clone()],
        title: format!("{} at {}", alert.rule, alert.host),
        kind: "attack".to_owned(),
        rule: Some(Rule { id: Some(alert.rule.to_owned()), name: None }),
        target: Some(Target { host: Some(alert.host.to_owned()), ..Target::default() }),
        outcome: alert.outcome,
        state: alert.state,
        group: alert.named.map(|(group, _)| group.to_owned()),
        correlation: alert.named.and_then(|(_, name)| name.map(str::to_owned)),
        ..Draft::default()
    };
    let event = draft.into_event(&claim.work().receipt, "v", alert.severity, 0);
    let deliveries = alert.to.iter().map(|to| (name(to), "r".parse().unwrap())).collect();
    let routed = if alert.to.is_empty() { Routed::No } else { Routed::Yes };
    let mut joining = Joining::of(&event);
    if let Some(victim) = alert.group {
        joining.event.victim = Some(format!("host-{victim}"));
    }
    if alert.is_old {
        joining.event.happened_at = event.received_at.minus(Duration::from_secs(48 * 3600));
    }
    PlannedEvent { event, deliveries, routed, recurrence: None, joining }
}

fn delivered() -> Verdict {
    Verdict::Delivered { remote: Some(Reference::named("made-there")) }
}

fn again(uncertain: bool, now: i64) -> Verdict {
    Verdict::Again {
        not_before: at(now),
        retrying_since: Some(at(now)),
        uncertain,
        is_pending: false,
        progress: Progress::default(),
        reason: "no answer".to_owned(),
    }
}

fn change(claim: &Claim<DeliveryWork>) -> &gatepost::store::ChangeContent {
    match &claim.work().content {
        Content::Change(change) => change,
        Content::Event(_) | Content::Batch(_) => panic!("events at a notifier"),
    }
}

#[test]
fn thirty_identical_events_are_one_incident_and_one_page() {
    let fixture = Fixture::new();
    let alerts: Vec<Alert> = (0..30).map(alert).collect();
    let dispatched = fixture.take(0, &alerts);
    assert_eq!(dispatched.total().incidents_opened, 1);
    assert!(dispatched.to_tell.contains(&name("pager")) && !dispatched.to_tell.contains(&name("hook")));
    assert_eq!(fixture.told("pager", 0), [(Change::Open, Operation::Trigger { page: 1 })]);
    fixture.take(1_000, &(30..60).map(alert).collect::<Vec<_>>());
    assert_eq!(fixture.told("pager", 1_000), []);
    let details = fixture.incident(1);
    assert_eq!((details.incident.count, details.incident.victims), (60, 1));
    assert_eq!(details.events.iter().map(|(_, count)| count).sum::<u64>(), 60);
}

#[test]
fn every_event_knows_its_incident_and_why_it_was_not_told_by_itself() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1), alert(2), Alert { to: vec!["archive"], ..alert(3) }]);
    let place = |title: &str, id: &str| {
        let events = fixture.store.events(&ALL, &Default::default()).unwrap();
        let found = events.into_iter().filter(|row| row.event.title == title);
        let mut places: Vec<_> = found.map(|row| fixture.store.incident_of(row.event.id).unwrap()).collect();
        places.reverse();
        places[id.parse::<usize>().unwrap()]
    };
    let first = place("sqli at api", "0").unwrap();
    assert_eq!((first.incident, first.joined), (Some(IncidentNumber(1)), Joined::Opened));
    assert_eq!(place("sqli at api", "1").unwrap().joined, Joined::Counted);
    assert_eq!(place("sqli at api", "2"), None, "no route sends it to a notifier");
    let mut listed = fixture.store.events(&ALL, &Default::default()).unwrap();
    listed.reverse();
    let listed: Vec<_> = listed.iter().map(|row| (row.event.incident, row.joined)).collect();
    let of_first = |joined| (Some(IncidentNumber(1)), Some(joined));
    assert_eq!(listed, [of_first(Joined::Opened), of_first(Joined::Counted), (None, None)]);
}

#[test]
fn what_a_sink_is_sent_names_the_incident_of_each_event() {
    let fixture = Fixture::new();
    let both = |id| Alert { to: vec!["pager", "archive"], ..alert(id) };
    fixture.take(0, &[both(1), both(2), Alert { to: vec!["archive"], ..alert(3) }]);
    let (sink, size) = (name("archive"), BatchSize { events: 10, bytes: 1 << 20 });
    let claimed = fixture.store.claim_batches(&sink, 1, ClaimOrder::PastFirst, size, lease(0)).wait().unwrap();
    let Content::Batch(range) = &claimed.claims[0].work().content else { panic!("no batch") };
    let events = fixture.store.batch_events(&sink, *range).unwrap();
    let incidents: Vec<_> = events.iter().map(|event| event.document.read().unwrap().incident).collect();
    assert_eq!(incidents, [Some(IncidentNumber(1)), Some(IncidentNumber(1)), None]);
    let line = String::from_utf8(events[1].document.json().to_vec()).unwrap();
    assert!(line.ends_with(r#","incident":1}"#), "{line}");
}

#[test]
fn the_same_event_again_is_not_counted() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert("a")]);
    // Another receipt with the same event.
    let dispatched = fixture.take(5, &[alert("a")]);
    assert_eq!((dispatched.total().events_new, dispatched.total().events_duplicate), (0, 1));
    assert_eq!(fixture.incident(1).incident.count, 1);
}

#[test]
fn the_same_event_again_shows_that_a_live_incident_goes_on() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert("a")]);
    let dispatched = fixture.take(20 * HOUR, &[alert("a")]);
    assert_eq!(dispatched.held_back.into_iter().collect::<Vec<_>>(), [(("s".parse().unwrap(), "repetition"), 1)]);
    let incident = fixture.incident(1).incident;
    assert_eq!((incident.received_at, incident.last_at, incident.count), (at(20 * HOUR), at(0), 1));
    fixture.advance(25 * HOUR);
    assert_eq!(fixture.incident(1).incident.state, IncidentState::Open, "silence counts from the repetition");
    // One that is over stays so, and that an alert is over shows nothing.
    fixture.take(26 * HOUR, &[Alert { state: Some(EventState::Resolved), ..alert("a") }]);
    assert_eq!(fixture.incident(1).incident.received_at, at(20 * HOUR));
    fixture.order(1, Order::Resolve, 27 * HOUR).unwrap();
    fixture.take(28 * HOUR, &[alert("a")]);
    let incident = fixture.incident(1).incident;
    assert_eq!((incident.state, incident.received_at), (IncidentState::Resolved, at(20 * HOUR)));
}

#[test]
fn a_repetition_after_an_acknowledgement_has_run_out_opens_the_incident() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert("a")]);
    fixture.order(1, Order::Acknowledge, 1).unwrap();
    fixture.take(20 * HOUR, &[alert("a")]);
    fixture.take(25 * HOUR, &[alert("a")]);
    fixture.advance(25 * HOUR + 1);
    assert_eq!(fixture.incident(1).incident.state, IncidentState::Open);
}

#[test]
fn each_class_is_told_the_life_of_an_incident_in_its_own_way() {
    use Change::{Acknowledge, Open, Raise, Reopen, Resolve, Update};
    let fixture = Fixture::new();
    let told = |now| ["pager", "chat", "hook", "tickets"].map(|destination| fixture.changes(destination, now));
    let none = Vec::new;
    fixture.take(0, &[alert("opens")]);
    assert_eq!(told(0), [vec![Open], vec![Open], none(), none()]);
    assert_eq!(told(10_000), [none(), none(), vec![Open], vec![Open]]);
    fixture.take(20_000, &(0..500).map(alert).collect::<Vec<_>>());
    assert_eq!(told(20_000), [none(), none(), none(), none()]);
    assert_eq!(told(6 * MINUTE), [none(), vec![Update], none(), none()]);
    assert_eq!(told(2 * HOUR), [none(), none(), vec![Update], vec![Update]]);
    let worse = Alert { outcome: Some(EventOutcome::Succeeded), ..alert("worse") };
    fixture.take(2 * HOUR + 1, &[worse]);
    // An edit and a reply; a comment and the priority.
    assert_eq!(told(2 * HOUR + 1), [vec![Raise], vec![Raise; 2], vec![Raise], vec![Raise; 2]]);
    fixture.order(1, Order::Acknowledge, 3 * HOUR).unwrap();
    let [pager, chat, hook, tickets] = told(3 * HOUR);
    assert_eq!((pager, hook, tickets), (vec![Acknowledge; 2], vec![Acknowledge], vec![Acknowledge]));
    assert!(!chat.is_empty() && chat.iter().all(|change| *change == Acknowledge), "{chat:?}");
    fixture.order(1, Order::Resolve, 4 * HOUR).unwrap();
    let [pager, chat, hook, tickets] = told(4 * HOUR);
    assert_eq!((pager, chat, hook), (vec![Resolve; 2], vec![Resolve; 2], vec![Resolve]));
    assert!(tickets.iter().all(|change| *change == Resolve) && !tickets.is_empty());
    fixture.take(4 * HOUR + MINUTE, &[alert("again")]);
    let [pager, chat, hook, tickets] = told(4 * HOUR + MINUTE);
    assert_eq!((pager, chat, hook), (vec![Reopen], vec![Reopen; 2], vec![Reopen]));
    // The priority follows the rank, which is that of the new event.
    assert_eq!(tickets, [Reopen, Raise, Reopen]);
    let details = fixture.incident(1);
    assert_eq!((details.incident.state, details.incident.count), (IncidentState::Open, 503));
    for row in &details.notifications {
        assert_eq!(row.told.said.unwrap().standing.rank, details.incident.rank, "{}", row.destination);
        assert_eq!(row.told.reference.as_ref().unwrap().name, "made-there");
    }
}

#[test]
fn a_vendor_s_resolution_ends_the_incident_whatever_the_routes_say_and_never_opens_one() {
    let fixture = Fixture::new();
    let over = |id: &str| Alert { state: Some(EventState::Resolved), to: vec![], ..alert(id) };
    fixture.take(0, &[over("nothing to resolve")]);
    assert!(fixture.store.incidents(&ALL, &IncidentFilter::default()).unwrap().is_empty());
    fixture.take(1, &[alert("fires")]);
    fixture.changes("pager", 1);
    let dispatched = fixture.take(2, &[over("over")]);
    assert!(dispatched.to_tell.contains(&name("pager")));
    assert_eq!(fixture.told("pager", 2), [(Change::Resolve, Operation::ResolvePage { page: 1 })]);
    let incident = fixture.incident(1).incident;
    assert_eq!((incident.state, incident.count, incident.state_by), (IncidentState::Resolved, 1, Origin::Vendor));
}

#[test]
fn a_resolution_that_is_read_after_a_later_firing_ends_nothing() {
    for named in [None, Some(("one", Some("aaaa")))] {
        let fixture = Fixture::new();
        let (state, fires) =
            (Some(EventState::Firing), Alert { severity: Severity::Critical, named, ..alert("fires") });
        fixture.take(0, &[Alert { state, ..fires.clone() }]);
        fixture.changes("pager", 0);
        let over = Alert { id: "over".to_owned(), state: Some(EventState::Resolved), to: vec![], ..fires.clone() };
        let again = Alert { id: "again".to_owned(), state, ..fires };
        fixture.accept("s", 10, &over);
        fixture.accept("s", 15, &again);
        let mut claims = fixture.store.claim_receipts(ReceiptLimits::of_any_size(9), lease(20)).wait().unwrap().claims;
        let both = [over, again];
        claims.sort_by_key(|claim| claim.work().receipt.received_at);
        // The more urgent one is read first.
        fixture.record(20, claims.split_off(1), &both);
        let dispatched = fixture.record(21, claims, &both);
        assert!(dispatched.held_back.keys().any(|(_, reason)| *reason == "resolution outdated"), "{dispatched:?}");
        assert_eq!((fixture.incident(1).incident.state, fixture.told("pager", 30)), (IncidentState::Open, vec![]));
        fixture.take(40, &[Alert { id: "at last".to_owned(), ..both[0].clone() }]);
        assert_eq!(fixture.changes("pager", 50), [Change::Resolve]);
    }
}

#[test]
fn a_resolution_without_a_name_ends_no_group_whose_named_alerts_fire() {
    let fixture = Fixture::new();
    let of = |id: &str, name, state| Alert { named: Some(("one", name)), state: Some(state), ..alert(id) };
    fixture.take(0, &[of("a", Some("aaaa"), EventState::Firing), of("b", Some("bbbb"), EventState::Firing)]);
    fixture.changes("pager", 0);
    fixture.take(10, &[of("over", None, EventState::Resolved)]);
    assert_eq!((fixture.incident(1).incident.state, fixture.told("pager", 20)), (IncidentState::Open, vec![]));
    fixture.take(30, &[of("a is", Some("aaaa"), EventState::Resolved), of("b is", Some("bbbb"), EventState::Resolved)]);
    assert_eq!(fixture.changes("pager", 40), [Change::Resolve]);
}

#[test]
fn what_was_resolved_before_it_was_told_does_not_page_and_says_why() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert("fires")]);
    fixture.take(1, &[Alert { state: Some(EventState::Resolved), ..alert("over") }]);
    assert_eq!(fixture.told("pager", 2), []);
    let rows =
        fixture.store.deliveries(&ALL, &DeliveryFilter { destination: Some("pager".into()), ..Default::default() });
    let rows = rows.unwrap();
    assert_eq!(rows[0].delivery.state, DeliveryState::Superseded);
    assert!(rows[0].delivery.reason.as_deref().unwrap().contains("resolved before"), "{rows:?}");
    let chat = fixture.told("chat", 2);
    assert_eq!(chat.len(), 1, "one combined message: {chat:?}");
}

#[test]
fn an_intent_in_doubt_is_settled_before_anything_newer_is_told() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    let claim = fixture.claim("pager", 0).unwrap();
    let opening = change(&claim).intent.clone();
    fixture.settle(claim, again(true, 1), 1);
    fixture.take(2, &[Alert { severity: Severity::Critical, ..alert(2) }]);
    let claim = fixture.claim("pager", 2).unwrap();
    assert_eq!((change(&claim).intent.clone(), claim.work().uncertain), (opening, true));
    fixture.settle(claim, delivered(), 3);
    assert_eq!(fixture.told("pager", 3), [(Change::Raise, Operation::Trigger { page: 2 })]);
}

#[test]
fn a_raise_does_not_wait_for_a_message_that_may_have_arrived() {
    let fixture = Fixture::new();
    let doubtful = |destination| {
        let claim = fixture.claim(destination, 10_000).unwrap();
        let opening = change(&claim).intent.clone();
        let Verdict::Again { retrying_since, is_pending, reason, .. } = again(true, 10_000) else { panic!() };
        let (not_before, progress) = (at(4 * HOUR), Progress(serde_json::json!({ "sent": 4 })));
        let verdict = Verdict::Again { not_before, retrying_since, uncertain: true, is_pending, progress, reason };
        fixture.settle(claim, verdict, 10_000);
        opening
    };
    fixture.take(0, &[alert(1)]);
    let [_, chat, tickets] = ["hook", "chat", "tickets"].map(doubtful);
    fixture.take(20_000, &[alert(2)]);
    assert!(["hook", "chat", "tickets"].iter().all(|name| fixture.claim(name, 20_000).is_none()), "nothing is worse");
    fixture.take(30_000, &[Alert { severity: Severity::Critical, ..alert(3) }]);
    // A message that cannot be edited says all there is to say, and the one before it is taken as told.
    let claim = fixture.claim("hook", 30_000).expect("it is told at once");
    let raise = (Change::Raise, Operation::Reply { number: 1, audience: Audience::Channel });
    assert_eq!((change(&claim).intent.change, change(&claim).intent.operation), raise);
    assert_eq!((claim.work().uncertain, &claim.work().progress), (false, &Progress::default()));
    // In doubt itself, it is settled before anything newer.
    fixture.settle(claim, again(true, 40_000), 30_000);
    let claim = fixture.claim("hook", 40_000).unwrap();
    assert_eq!((change(&claim).intent.change, claim.work().uncertain), (Change::Raise, true));
    fixture.settle(claim, delivered(), 40_000);
    assert_eq!(fixture.told("hook", HOUR), []);
    // What can be edited is made first.
    let claim = fixture.claim("chat", 30_000).expect("it is tried again at once");
    assert_eq!((change(&claim).intent.clone(), claim.work().uncertain), (chat, true));
    fixture.settle(claim, delivered(), 30_000);
    assert!(fixture.changes("chat", 30_000).contains(&Change::Raise));
    // A ticket may not be found yet.
    assert!(fixture.claim("tickets", 30_000).is_none());
    let claim = fixture.claim("tickets", 4 * HOUR).unwrap();
    assert_eq!((change(&claim).intent.clone(), claim.work().uncertain), (tickets, true));
}

#[test]
fn what_sets_a_state_and_was_repeated_after_doubt_is_sent_once_more_a_minute_later() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    for destination in ["pager", "chat", "hook", "tickets"] {
        fixture.changes(destination, 10_000);
    }
    fixture.order(1, Order::Resolve, 20_000).unwrap();
    for (destination, operation) in
        [("pager", Operation::ResolvePage { page: 1 }), ("chat", Operation::Edit), ("tickets", Operation::Transition)]
    {
        let mut told = Vec::new();
        while let Some(claim) = fixture.claim(destination, 20_000) {
            told.push(change(&claim).intent.operation);
            let is_first = told.iter().filter(|told| **told == operation).count() == 1;
            let is_doubtful = is_first && told.last() == Some(&operation);
            fixture.settle(claim, if is_doubtful { again(true, 20_000) } else { delivered() }, 20_000);
        }
        assert_eq!(told.iter().filter(|told| **told == operation).count(), 2, "{destination}: {told:?}");
        assert_eq!(fixture.told(destination, 79_999), [], "{destination}");
        let once_more: Vec<Operation> =
            fixture.told(destination, 80_000).into_iter().map(|(_, operation)| operation).collect();
        let expected = if destination == "tickets" { vec![] } else { vec![operation] };
        assert_eq!(once_more, expected, "{destination}");
        assert_eq!(fixture.told(destination, HOUR), [], "{destination}");
    }
}

/// Taken there, and not finished yet.
fn pending(now: i64) -> Verdict {
    match again(false, now) {
        Verdict::Again { not_before, retrying_since, uncertain, progress, reason, .. } => {
            Verdict::Again { not_before, retrying_since, uncertain, is_pending: true, progress, reason }
        }
        other => other,
    }
}

#[test]
fn what_a_pager_has_and_has_not_finished_is_settled_before_anything_newer_is_told() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    let claim = fixture.claim("pager", 0).unwrap();
    let opening = change(&claim).intent.clone();
    fixture.settle(claim, pending(1), 1);
    // Worse, and over: the page that is being made is finished, and only then told of it.
    fixture.take(2, &[Alert { severity: Severity::Critical, ..alert(2) }]);
    fixture.order(1, Order::Resolve, 3).unwrap();
    let claim = fixture.claim("pager", 4).unwrap();
    assert_eq!(change(&claim).intent, opening);
    // A question about it that fails does not make it another one.
    fixture.settle(claim, again(false, 5), 5);
    let claim = fixture.claim("pager", 5).unwrap();
    assert_eq!(change(&claim).intent, opening);
    fixture.settle(claim, delivered(), 6);
    let claim = fixture.claim("pager", 6).unwrap();
    assert_eq!(change(&claim).intent.operation, Operation::ResolvePage { page: 1 });
    fixture.settle(claim, pending(7), 7);
    fixture.take(8, &[alert(3)]);
    assert_eq!(fixture.incident(1).incident.state, IncidentState::Open);
    assert_eq!(
        fixture.told("pager", 9),
        [(Change::Resolve, Operation::ResolvePage { page: 1 }), (Change::Reopen, Operation::Trigger { page: 2 })]
    );
    // It was certainly taken: nothing is sent once more for a doubt.
    assert_eq!(fixture.told("pager", HOUR), []);
}

#[test]
fn what_was_not_taken_is_told_anew_as_things_are_then() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    let claim = fixture.claim("chat", 0).unwrap();
    let delivery = claim.work().delivery;
    fixture.settle(claim, again(false, 1), 1);
    fixture.take(2, &[Alert { severity: Severity::Critical, ..alert(2) }]);
    let claim = fixture.claim("chat", 2).unwrap();
    assert_eq!(claim.work().delivery, delivery, "the same delivery tells the present state");
    let told = change(&claim);
    assert_eq!(
        (told.intent.change, told.incident.rank.severity, told.incident.count),
        (Change::Open, Severity::Critical, 2)
    );
    fixture.settle(claim, delivered(), 3);
    assert_eq!(fixture.told("chat", 3), []);
}

#[test]
fn a_process_that_dies_between_intent_and_settling_asks_with_the_same_token() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    let claim = fixture.claim("chat", 0).unwrap();
    let (notification, intent) = (change(&claim).notification, change(&claim).intent.clone());
    drop(claim);
    let fixture = fixture.reopen();
    let claim = fixture.claim("chat", 1).unwrap();
    let told = change(&claim);
    assert!(claim.work().uncertain);
    assert_eq!((told.notification, &told.intent), (notification, &intent));
    fixture.settle(claim, delivered(), 1);
    assert_eq!(fixture.incident(1).notifications.iter().filter(|row| row.told.said.is_some()).count(), 1);
}

#[test]
fn changes_of_one_notification_come_one_after_the_other() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    let claim = fixture.claim("pager", 0).unwrap();
    fixture.take(1, &[Alert { severity: Severity::Critical, ..alert(2) }]);
    assert!(fixture.claim_all("pager", 10, 1).is_empty());
    fixture.settle(claim, delivered(), 2);
    assert_eq!(fixture.claim_all("pager", 10, 2).len(), 1);
}

#[test]
fn what_was_refused_is_a_dead_letter_until_the_incident_changes_or_the_operator_asks() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    let claim = fixture.claim("tickets", 20_000).unwrap();
    let delivery = claim.work().delivery;
    fixture.settle(claim, Verdict::Dead { reason: "the form".into() }, 20_000);
    assert_eq!(fixture.told("tickets", 21_000), []);
    fixture.take(22_000, &[alert(2)]);
    assert_eq!(fixture.told("tickets", 22_000), [], "a count alone makes it no better");
    assert!(fixture.store.replay_delivery(delivery, Doubt::Forget, at(23_000)).unwrap());
    let claim = fixture.claim("tickets", 23_000).unwrap();
    assert_eq!(claim.work().delivery, delivery);
    fixture.settle(claim, Verdict::Dead { reason: "the form".into() }, 23_000);
    fixture.take(24_000, &[Alert { severity: Severity::Critical, ..alert(3) }]);
    assert_eq!(fixture.changes("tickets", 24_000), [Change::Open], "a later change creates it");
}

#[test]
fn what_is_gone_is_created_again_at_the_next_raise() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    fixture.changes("chat", 0);
    fixture.take(1, &(10..40).map(alert).collect::<Vec<_>>());
    let claim = fixture.claim("chat", 10 * MINUTE).unwrap();
    fixture.settle(claim, Verdict::Gone { reason: "message_not_found".into() }, 10 * MINUTE);
    assert_eq!(fixture.told("chat", 11 * MINUTE), []);
    let row = |fixture: &Fixture| {
        let rows = fixture.incident(1).notifications;
        rows.into_iter().find(|row| row.destination.as_str() == "chat").unwrap()
    };
    assert!(row(&fixture).told.is_gone && row(&fixture).told.reference.is_none());
    fixture.take(12 * MINUTE, &[Alert { severity: Severity::Critical, ..alert(3) }]);
    let told = fixture.told("chat", 12 * MINUTE);
    assert!(matches!(told[0], (Change::Raise, Operation::Create { number: 2 })), "{told:?}");
    assert!(!row(&fixture).told.is_gone);
}

#[test]
fn what_is_gone_when_the_end_is_told_is_created_again_at_the_reopening() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    fixture.changes("chat", 0);
    fixture.order(1, Order::Resolve, MINUTE).unwrap();
    let claim = fixture.claim("chat", MINUTE).unwrap();
    assert_eq!(change(&claim).intent.change, Change::Resolve);
    fixture.settle(claim, Verdict::Gone { reason: "message_not_found".into() }, MINUTE);
    fixture.take(2 * MINUTE, &[alert(2)]);
    assert_eq!(fixture.told("chat", 2 * MINUTE), [(Change::Reopen, Operation::Create { number: 2 })]);
}

#[test]
fn a_notifier_at_another_place_is_told_anew_at_the_next_change() {
    let mut fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    fixture.changes("chat", 0);
    let mut policy = (*fixture.policy).clone();
    policy.notifiers.get_mut(&name("chat")).unwrap().fingerprint = [9; 16];
    fixture.policy = Arc::new(policy);
    assert_eq!(fixture.told("chat", 10 * MINUTE), []);
    fixture.take(10 * MINUTE, &[alert(2)]);
    assert_eq!(fixture.changes("chat", 10 * MINUTE), [Change::Open]);
}

#[test]
fn a_place_that_is_called_otherwise_since_an_upgrade_is_the_same() {
    let mut fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    assert_eq!(fixture.changes("tickets", HOUR), [Change::Open]);
    let mut policy = (*fixture.policy).clone();
    let ticket = policy.notifiers.get_mut(&name("tickets")).unwrap();
    policy.former_fingerprints.insert(name("tickets"), std::mem::replace(&mut ticket.fingerprint, [9; 16]));
    fixture.policy = Arc::new(policy);
    fixture.take(HOUR, &[Alert { severity: Severity::Critical, ..alert(2) }]);
    let told = fixture.told("tickets", HOUR);
    assert!(!told.is_empty() && told.iter().all(|(change, _)| *change == Change::Raise), "{told:?}");
}

#[test]
fn the_most_urgent_goes_first_and_many_openings_do_not_hold_up_a_critical_one() {
    let fixture = Fixture::new();
    let hosts: Vec<&'static str> = (0..200).map(|n| &*Box::leak(format!("h{n}").into_boxed_str())).collect();
    let alerts: Vec<Alert> = hosts.iter().map(|host| Alert { host, ..alert(host) }).collect();
    fixture.take(0, &alerts);
    fixture.take(1, &[Alert { host: "db", severity: Severity::Critical, ..alert("critical") }]);
    let claim = fixture.claim("pager", 1).unwrap();
    assert_eq!(change(&claim).incident.rank.severity, Severity::Critical);
}

#[test]
fn among_equals_the_sources_are_told_in_turn_and_each_its_oldest_first() {
    let fixture = Fixture::new();
    let opened = |host| Alert { host, ..alert(host) };
    fixture.take_of("busy", 0, &["a1", "a2", "a3", "a4", "a5"].map(opened));
    fixture.take_of("calm", 1, &["b1", "b2"].map(opened));
    fixture.take_of("late", 2, &["c1"].map(opened));
    // Two at a time, and then one by one: the turns go on.
    let told = |limit, now| {
        let claims = fixture.claim_all("pager", limit, now);
        let hosts = claims.iter().map(|claim| change(claim).incident.title.replace("sqli at ", "")).collect::<Vec<_>>();
        for claim in claims {
            fixture.settle(claim, delivered(), now);
        }
        hosts
    };
    let order: Vec<String> = [2, 1, 1, 2, 5].into_iter().flat_map(|limit| told(limit, 2)).collect();
    assert_eq!(order, ["a1", "b1", "c1", "a2", "b2", "a3", "a4", "a5"]);
    // What is worse does not wait for its turn.
    fixture.take_of("calm", 3, &[opened("b3"), opened("b4")]);
    fixture.take_of("busy", 4, &[Alert { severity: Severity::Critical, ..opened("a6") }]);
    fixture.take_of("calm", 4, &[Alert { severity: Severity::Critical, ..opened("b5") }]);
    let order: Vec<String> = (0..4).flat_map(|_| told(1, 4)).collect();
    assert_eq!(order, ["b5", "a6", "b3", "b4"]);
}

#[test]
fn a_storm_is_told_through_one_incident_and_what_outranks_it_by_itself() {
    let limits = StormLimits { per_rule: 5, per_rank: 15, within: Duration::from_secs(900) };
    let fixture = Fixture::timed(Timing { storm: Some(limits), ..Timing::default() });
    let names: Vec<&'static str> = (0..300).map(|n| &*Box::leak(format!("r{n}").into_boxed_str())).collect();
    let mut held_back = 0;
    for (n, rule) in names.iter().enumerate() {
        let dispatched = fixture.take(n as i64, &[Alert { rule, ..alert(rule) }]);
        held_back += dispatched.held_back.get(&("s".parse().unwrap(), "storm")).unwrap_or(&0);
    }
    assert_eq!(held_back, 300 - 15);
    fixture.take(400, &[Alert { rule: "worse", severity: Severity::Critical, ..alert("worse") }]);
    let told = fixture.told("pager", 400);
    assert!((16..=20).contains(&told.len()), "{} pages: {told:?}", told.len());
    let incidents = fixture.store.incidents(&ALL, &IncidentFilter::default()).unwrap();
    let storm = incidents.iter().find(|incident| incident.kind != Default::default()).unwrap();
    let of_storm = IncidentFilter { storm: Some(storm.number), ..IncidentFilter::default() };
    let folded = fixture.store.incidents(&ALL, &of_storm).unwrap();
    assert_eq!(folded.len(), 300 - 15, "what is not told by itself is kept, with a number of its own");
    assert!(incidents[0].fold.is_none() && incidents[0].rank.severity == Severity::Critical);
    assert!(fixture.incident(storm.number.0).notifications.iter().all(|row| row.told.said.is_some() || row.is_pending));
}

#[test]
fn after_a_downtime_a_storm_names_what_is_new_in_its_time_and_ends_in_its_time() {
    let limits = StormLimits { per_rule: 5, per_rank: 15, within: Duration::from_secs(900) };
    let fixture = Fixture::timed(Timing { storm: Some(limits), ..Timing::default() });
    let storm = || {
        let incidents = fixture.store.incidents(&ALL, &IncidentFilter::default()).unwrap();
        incidents.into_iter().find(|incident| matches!(incident.kind, IncidentKind::Storm(_))).unwrap()
    };
    let named = || if let IncidentKind::Storm(facts) = storm().kind { facts.named } else { 0 };
    let started = 10 * HOUR;
    take_all(&fixture, started, &of_rules(0..17, 1, "a"));
    assert_eq!(named(), 2);
    // gatepost was down for two hours: retention will not follow the clock for a day.
    let pass = |now: i64| {
        let settled = at(now - 2 * HOUR);
        fixture.advance_at(Present { now: at(now), settled, listening_since: at(started) })
    };
    take_all(&fixture, started + 1_000, &of_rules(17..19, 1, "b"));
    assert_eq!(named(), 2);
    pass(started + MINUTE + 1_000);
    assert_eq!(named(), 4);
    pass(started + 17 * MINUTE);
    assert_eq!((storm().state, storm().state_since), (IncidentState::Quiet, at(started + 17 * MINUTE)));
}

#[test]
fn events_of_a_full_storm_join_it_and_open_no_incident() {
    let fixture = Fixture::timed(Timing::default());
    let hosts = ["a", "b", "c", "d", "e", "f"];
    fixture.take(0, &hosts.map(|host| Alert { host, ..alert(host) }));
    fixture.changes("pager", 0);
    let storm = fixture.incident(6).incident.fold.unwrap().storm;
    damage(
        &fixture,
        "UPDATE incidents SET document = json_set(document, '$.kind.storm.incidents', 10000, '$.count', 10000)
        WHERE number = 7",
    );
    let at_host = |id: &str| Alert { host: "g", group: Some(1), ..alert(id) };
    let dispatched = fixture.take(1_000, &[at_host("first"), at_host("second"), Alert { host: "h", ..alert("third") }]);
    assert_eq!(dispatched.total().incidents_opened, 0);
    let incidents = fixture.store.incidents(&ALL, &IncidentFilter::default()).unwrap();
    assert_eq!((incidents.len(), incidents[0].number, incidents[0].count), (7, storm, 10_003));
    let joined = format!("SELECT count(*) FROM events WHERE incident = {} AND joined = 1", storm.0);
    assert_eq!(rows_of(&fixture, &joined), 3);
    assert_eq!(rows_of(&fixture, "SELECT count(*) FROM notifications WHERE incident > 7"), 0);
    // A higher rank is told by itself, and the next number is the next one.
    fixture.take(2_000, &[Alert { host: "g", severity: Severity::Critical, ..alert("worse") }]);
    assert_eq!(fixture.incident(8).incident.fold, None);
    assert_eq!(fixture.changes("pager", 2_000), [Change::Open], "a second victim of the storm is not news");
}

#[test]
fn a_storm_that_takes_no_more_knows_what_it_leaves_open_at_high_and_above() {
    for (severity, expected) in [(Severity::High, 7), (Severity::Medium, 0)] {
        let fixture = Fixture::timed(Timing::default());
        let hosts = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"];
        fixture.take(0, &hosts.map(|host| Alert { host, severity, ..alert(host) }));
        let incidents = fixture.store.incidents(&ALL, &IncidentFilter::default()).unwrap();
        let folded: Vec<u64> =
            incidents.iter().filter(|one| one.fold.is_some()).map(|one| one.number.0).rev().collect();
        assert_eq!(folded.len(), 8);
        fixture.order(folded[0], Order::Acknowledge, 1).unwrap();
        let storm = fixture.incident(folded[0]).incident.fold.unwrap().storm.0;
        fixture.advance(16 * MINUTE);
        let incident = fixture.incident(storm).incident;
        let IncidentKind::Storm(facts) = incident.kind else { panic!("no storm") };
        let state = if expected > 0 { IncidentState::Quiet } else { IncidentState::Resolved };
        assert_eq!((incident.state, facts.left_open), (state, expected), "{severity:?}");
        let listed: Vec<u64> = facts.left_open_first.iter().map(|one| one.number.0).collect();
        assert_eq!(listed, folded[1..6.min(1 + expected as usize)], "{severity:?}");
    }
}

/// Incident 6 is folded into the storm, which is number 7, and then resolved.
fn folded_and_resolved() -> Fixture {
    let fixture = Fixture::timed(Timing::default());
    let hosts = ["a", "b", "c", "d", "e", "f"];
    fixture.take(0, &hosts.map(|host| Alert { host, ..alert(host) }));
    fixture.changes("pager", 0);
    assert_eq!(fixture.incident(6).incident.fold.map(|fold| fold.storm), Some(IncidentNumber(7)));
    fixture.take(MINUTE, &[Alert { host: "f", state: Some(EventState::Resolved), ..alert("over") }]);
    fixture
}

#[test]
fn a_folded_incident_that_is_reopened_after_its_storm_is_told_by_itself() {
    for (ends_at, fold, told) in [(0, Some(IncidentNumber(7)), vec![]), (16 * MINUTE, None, vec![Change::Open])] {
        let fixture = folded_and_resolved();
        fixture.advance(ends_at);
        fixture.changes("pager", ends_at);
        fixture.take(17 * MINUTE, &[Alert { host: "f", ..alert("again") }]);
        let incident = fixture.incident(6).incident;
        assert_eq!((incident.state, incident.reopenings), (IncidentState::Open, 1));
        assert_eq!((incident.fold.map(|fold| fold.storm), fixture.changes("pager", 17 * MINUTE)), (fold, told));
    }
}

#[test]
fn a_folded_incident_that_a_person_reopens_is_told_by_itself() {
    let fixture = folded_and_resolved();
    fixture.order(6, Order::Reopen, 2 * MINUTE).unwrap();
    assert_eq!(fixture.changes("pager", 2 * MINUTE), [Change::Open]);
}

#[test]
fn many_folded_incidents_that_are_reopened_after_their_storm_are_the_next_storm() {
    let fixture = Fixture::timed(Timing::default());
    let hosts: Vec<&'static str> = (0..45).map(|n| &*Box::leak(format!("h{n}").into_boxed_str())).collect();
    let of = |mark: &str, host, state| Alert { host, state, ..alert(format!("{mark}-{host}")) };
    let all = |mark, state| hosts.iter().map(|host| of(mark, *host, state)).collect::<Vec<_>>();
    fixture.take(0, &all("first", None));
    fixture.changes("pager", 0);
    fixture.take(MINUTE, &all("over", Some(EventState::Resolved)));
    fixture.advance(16 * MINUTE);
    fixture.changes("pager", 16 * MINUTE);
    fixture.take(17 * MINUTE, &all("again", None));
    let told = fixture.changes("pager", 17 * MINUTE);
    let opened = told.iter().filter(|change| **change == Change::Open).count();
    // Five that were told by themselves before, five of the others, and the storm.
    assert_eq!((opened, told.len()), (6, 11), "{told:?}");
    // A storm that is full takes no more: they stay where they were.
    damage(
        &fixture,
        "UPDATE incidents SET document = json_set(document, '$.kind.storm.incidents', 10000) WHERE number = 47",
    );
    let at_last = hosts[44];
    let storm = fixture.incident(45).incident.fold.map(|fold| fold.storm);
    assert_eq!(storm, Some(IncidentNumber(47)));
    fixture.take(18 * MINUTE, &[of("over again", at_last, Some(EventState::Resolved))]);
    damage(&fixture, "UPDATE incidents SET document = json_set(document, '$.fold.storm', 6) WHERE number = 45");
    fixture.take(19 * MINUTE, &[of("at last", at_last, None)]);
    let incident = fixture.incident(45).incident;
    assert_eq!((incident.state, incident.fold.map(|fold| fold.storm)), (IncidentState::Open, Some(IncidentNumber(6))));
}

/// Hosts of which the last eight are folded into a storm.
const FLOODED: [&str; 13] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"];

/// The storm with the highest number, and what is folded into it, by number.
fn storm_of(fixture: &Fixture) -> (u64, Vec<u64>) {
    let all = fixture.store.incidents(&ALL, &IncidentFilter::default()).unwrap();
    let storm = all.iter().find(|one| matches!(one.kind, IncidentKind::Storm(_))).unwrap().number;
    let folded = all.iter().filter(|one| one.fold.is_some_and(|fold| fold.storm == storm));
    (storm.0, folded.map(|one| one.number.0).rev().collect())
}

fn pages_resolved(fixture: &Fixture, incident: u64) -> (u32, u32) {
    let rows = fixture.incident(incident).notifications;
    let pager = rows.into_iter().find(|row| row.destination == name("pager")).unwrap().told;
    (pager.pages, pager.pages_resolved)
}

#[test]
fn the_pages_of_a_storm_stay_until_none_of_its_incidents_is_open() {
    let fixture = Fixture::timed(Timing::default());
    fixture.take(0, &FLOODED.map(|host| Alert { host, ..alert(host) }));
    fixture.told("pager", 0);
    let (storm, folded) = storm_of(&fixture);
    for minute in 1..30 {
        fixture.take(minute * MINUTE, &[Alert { host: "f", ..alert(format!("again {minute}")) }]);
        fixture.advance(minute * MINUTE);
        fixture.told("pager", minute * MINUTE);
    }
    let incident = fixture.incident(storm).incident;
    assert_eq!((incident.state, incident.is_unattended), (IncidentState::Quiet, true));
    assert_eq!(pages_resolved(&fixture, storm), (1, 0), "silence resolves no page");

    // A person takes one after the other, and with the last of them it is over.
    let (last, others) = folded.split_last().unwrap();
    for number in others {
        fixture.order(*number, Order::Acknowledge, 30 * MINUTE).unwrap();
    }
    fixture.advance(31 * MINUTE);
    let IncidentKind::Storm(facts) = fixture.incident(storm).incident.kind else { panic!("no storm") };
    assert_eq!((facts.left_open, facts.left_open_first[0].number.0), (1, *last));
    fixture.order(*last, Order::Resolve, 32 * MINUTE).unwrap();
    fixture.advance(33 * MINUTE);
    assert_eq!(fixture.changes("pager", 33 * MINUTE), [Change::Resolve]);
    assert_eq!(
        (fixture.incident(storm).incident.state, pages_resolved(&fixture, storm)),
        (IncidentState::Resolved, (1, 1))
    );
    fixture.advance(34 * MINUTE);
    assert_eq!(fixture.incident(storm).incident.state_since, at(33 * MINUTE), "it has ended once");
}

#[test]
fn a_storm_that_takes_no_more_can_be_taken_by_a_person_who_keeps_it() {
    let fixture = Fixture::timed(Timing::default());
    fixture.take(0, &FLOODED.map(|host| Alert { host, ..alert(host) }));
    fixture.told("pager", 0);
    let (storm, folded) = storm_of(&fixture);
    fixture.advance(16 * MINUTE);
    fixture.order(storm, Order::Acknowledge, 17 * MINUTE).unwrap();
    assert_eq!(fixture.changes("pager", 17 * MINUTE), [Change::Acknowledge]);
    fixture.advance(20 * MINUTE);
    let incident = fixture.incident(storm).incident;
    assert_eq!((incident.state, incident.is_unattended), (IncidentState::Acknowledged, false));
    assert_eq!(fixture.changes("pager", 20 * MINUTE), []);
    for number in folded {
        fixture.order(number, Order::Resolve, 21 * MINUTE).unwrap();
    }
    fixture.advance(22 * MINUTE);
    assert_eq!(fixture.changes("pager", 22 * MINUTE), [Change::Resolve]);
}

#[test]
fn the_next_flood_opens_the_next_storm_whoever_has_the_one_before() {
    for is_taken in [false, true] {
        let fixture = Fixture::timed(Timing::default());
        let flood = |minute: i64| {
            fixture.take(
                minute * MINUTE,
                &FLOODED.map(|host| Alert {
                    host,
                    rule: ["sqli", "xss"][usize::from(minute > 0)],
                    ..alert(format!("{host} {minute}"))
                }),
            );
        };
        flood(0);
        fixture.told("pager", 0);
        let (first, _) = storm_of(&fixture);
        if is_taken {
            fixture.order(first, Order::Acknowledge, MINUTE).unwrap();
            fixture.told("pager", MINUTE);
        }
        fixture.advance(16 * MINUTE);
        flood(40);
        let (second, folded) = storm_of(&fixture);
        assert!(second > first && folded.len() == 8, "{is_taken}: {folded:?}");
        assert_eq!(fixture.incident(second).incident.follows, Some(IncidentNumber(first)));
        let told = fixture.told("pager", 40 * MINUTE);
        assert!(told.len() == 6 && told.iter().all(|(change, _)| *change == Change::Open), "{is_taken}: {told:?}");
        let before = fixture.incident(first).incident;
        assert_eq!((before.state, before.is_unattended), (IncidentState::Quiet, !is_taken));
        assert_eq!(pages_resolved(&fixture, first), (1, 0));
        let refused = fixture.order(first, Order::Acknowledge, 41 * MINUTE);
        let number = IncidentNumber(first);
        assert_eq!(refused, Err(OrderError::Succeeded { number, successor: IncidentNumber(second) }));
    }
}

#[test]
fn the_limit_of_a_storm_holds_over_transactions_and_restarts() {
    let fixture = Fixture::timed(Timing::default());
    let hosts = ["a", "b", "c", "d", "e", "f", "g"];
    let at_host = |host: &'static str| Alert { host, ..alert(host) };
    fixture.take(0, &hosts[..3].iter().map(|host| at_host(host)).collect::<Vec<_>>());
    let fixture = fixture.reopen();
    for (second, host) in hosts[3..].iter().enumerate() {
        fixture.take(1_000 * (second as i64 + 1), &[at_host(host)]);
    }
    let incidents = fixture.store.incidents(&ALL, &IncidentFilter::default()).unwrap();
    let folded: Vec<u64> = incidents.iter().filter(|row| row.fold.is_some()).map(|row| row.number.0).rev().collect();
    assert_eq!(folded, [6, 8], "the sixth and the seventh; the storm itself is #7");
    // Another rule has a limit of its own, and after the window the first has, too.
    fixture.take(10_000, &[Alert { rule: "xss", ..alert("other") }]);
    fixture.take(HOUR, &[Alert { host: "h", ..alert("later") }]);
    let newest = fixture.store.incidents(&ALL, &IncidentFilter::default()).unwrap();
    assert!(newest[..2].iter().all(|incident| incident.fold.is_none()));
}

#[test]
fn what_is_made_due_goes_step_by_step_and_retries_alone_after_a_start() {
    let fixture = Fixture::new();
    let hosts = ["a", "b", "c"];
    fixture.take(0, &hosts.map(|host| Alert { host, to: vec!["chat"], ..alert(host) }));
    fixture.changes("chat", 0);
    fixture.take(1, &hosts.map(|host| Alert { host, to: vec!["chat"], ..alert(format!("{host} again")) }));
    let hasten = |what, limit| fixture.store.hasten(what, at(2), at(2), limit).wait().unwrap();
    assert_eq!(hasten(Hastened::Retries, 10), 0, "counts wait for their time");
    // Three edits and the checks of three incidents.
    assert_eq!([2, 2, 2, 2].map(|limit| hasten(Hastened::All, limit)), [2, 2, 2, 0]);
    assert_eq!(fixture.told("chat", 3), [], "it is still too early, and planned anew");
    assert_eq!(fixture.advance(3).incidents, 3);
    assert_eq!(fixture.changes("chat", 5 * MINUTE), [Change::Update; 3]);
    fixture.take(HOUR, &[Alert { host: "d", to: vec!["chat"], ..alert("d") }]);
    let claim = fixture.claim("chat", HOUR).unwrap();
    fixture.settle(claim, again(false, 2 * HOUR), HOUR);
    assert_eq!(fixture.store.hasten(Hastened::Retries, at(HOUR), at(HOUR), 10).wait().unwrap(), 1);
    assert_eq!(fixture.changes("chat", HOUR), [Change::Open]);
}

#[test]
fn silence_ends_joining_and_resolves_no_page() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    fixture.changes("pager", 0);
    assert_eq!(fixture.advance(23 * HOUR).incidents, 0);
    fixture.advance(25 * HOUR);
    assert_eq!(fixture.incident(1).incident.state, IncidentState::Quiet);
    assert_eq!(fixture.told("pager", 25 * HOUR), []);
    fixture.take(26 * HOUR, &[alert(2)]);
    let next = fixture.incident(2).incident;
    assert_eq!((next.follows, next.count), (Some(IncidentNumber(1)), 1));
    assert_eq!(fixture.changes("pager", 26 * HOUR), [Change::Open]);
}

#[test]
fn orders_work_from_a_second_process_and_are_refused_with_a_reason() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    fixture.changes("pager", 0);
    let beside = SqliteStore::open(&fixture.folder.path().join("test.db"), Access::Operate).unwrap();
    let by = Origin::CommandLine { user: "ann".to_owned() };
    let number = IncidentNumber(1);
    beside.order(number, Order::Acknowledge, by.clone(), Some("mine".into()), at(5)).unwrap().unwrap();
    assert!(matches!(
        beside.order(number, Order::Acknowledge, by.clone(), None, at(6)).unwrap(),
        Err(OrderError::AlreadyAcknowledged { .. })
    ));
    assert!(beside.order(IncidentNumber(99), Order::Resolve, by, None, at(6)).is_err());
    assert_eq!(fixture.told("pager", 6), [(Change::Acknowledge, Operation::AcknowledgePage { page: 1 })]);
    let details = fixture.incident(1);
    assert_eq!(details.milestones.last().unwrap().note.as_deref(), Some("mine"));
    beside.close();
}

#[test]
fn a_silenced_incident_is_told_only_when_it_is_worse() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    fixture.changes("chat", 0);
    fixture.order(1, Order::Silence { until: at(10 * HOUR) }, 1).unwrap();
    fixture.take(2, &(10..40).map(alert).collect::<Vec<_>>());
    assert_eq!(fixture.changes("chat", HOUR), []);
    fixture.take(2 * HOUR, &[Alert { severity: Severity::Critical, ..alert("worse") }]);
    assert!(fixture.changes("chat", 2 * HOUR).contains(&Change::Raise));
}

#[test]
fn what_is_over_for_long_is_forgotten_with_all_that_belongs_to_it_and_numbers_are_never_given_twice() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    for destination in ["pager", "chat", "hook", "tickets"] {
        fixture.changes(destination, 20_000);
    }
    fixture.order(1, Order::Resolve, 30_000).unwrap();
    let horizons = |now| Horizons { keys: at(now), receipts: at(now), events: at(now) };
    fixture.store.prune(horizons(HOUR), Vec::new(), 100).wait().unwrap();
    assert!(fixture.store.incident(IncidentNumber(1)).unwrap().is_some(), "its end is not told yet");
    for destination in ["pager", "chat", "hook", "tickets"] {
        fixture.changes(destination, 40_000);
    }
    while fixture.store.prune(horizons(HOUR), Vec::new(), 100).wait().unwrap() == 100 {}
    assert!(fixture.store.incident(IncidentNumber(1)).unwrap().is_none(), "{:?}", fixture.incident(1).deliveries);
    assert_eq!(fixture.states(), []);
    fixture.take(2 * HOUR, &[alert(2)]);
    assert_eq!(fixture.incident(2).incident.number, IncidentNumber(2));
}

fn rows_of(fixture: &Fixture, select: &str) -> i64 {
    let connection = rusqlite::Connection::open(fixture.folder.path().join("test.db")).unwrap();
    connection.query_row(select, [], |row| row.get(0)).unwrap()
}

#[test]
fn an_incident_that_lives_for_ever_keeps_a_bounded_history() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert("opens")]);
    fixture.changes("hook", 10_000);
    for round in 0..150 {
        let now = HOUR + round * 10;
        fixture.order(1, Order::Acknowledge, now).unwrap();
        assert_eq!(fixture.changes("hook", now), [Change::Acknowledge]);
        fixture.order(1, Order::Unacknowledge, now + 1).unwrap();
        assert_eq!(fixture.changes("hook", now + 1), [Change::Acknowledge]);
    }
    let of_hook = "SELECT count(*) FROM deliveries WHERE destination = 'hook'";
    assert_eq!(rows_of(&fixture, of_hook), 21, "the last twenty, and one that has ended since");
    let without_delivery = "SELECT count(*) FROM attempts WHERE delivery NOT IN (SELECT seq FROM deliveries)";
    assert_eq!(rows_of(&fixture, without_delivery), 0);
    let milestones = fixture.incident(1).milestones;
    assert_eq!((milestones.len(), milestones[0].what), (201, MilestoneKind::Opened));
    assert_eq!(milestones.last().unwrap().at, at(HOUR + 1491));
    // A try that never ends keeps its last attempts.
    fixture.take(2 * HOUR, &[Alert { severity: Severity::Critical, ..alert("worse") }]);
    for round in 0..30 {
        let claim = fixture.claim("hook", 2 * HOUR + round).unwrap();
        fixture.settle(claim, again(false, 2 * HOUR + round + 1), 2 * HOUR + round);
    }
    let newest = "SELECT count(*) FROM attempts WHERE delivery = (SELECT max(delivery) FROM attempts)";
    assert_eq!(rows_of(&fixture, newest), 20);
}

#[test]
fn incidents_that_cannot_go_do_not_keep_those_after_them() {
    let fixture = Fixture::new();
    let hosts: Vec<&'static str> = (0..30).map(|n| &*Box::leak(format!("h{n}").into_boxed_str())).collect();
    // The first twenty wait for a notifier that is not told.
    for (place, host) in hosts.iter().enumerate() {
        let to = if place < 20 { vec!["hook"] } else { vec!["pager"] };
        fixture.take(place as i64, &[Alert { host, to, ..alert(host) }]);
        fixture.order(place as u64 + 1, Order::Resolve, 100 + place as i64).unwrap();
    }
    fixture.changes("pager", 200);
    let horizons = Horizons { keys: at(0), receipts: at(0), events: at(HOUR) };
    let count = "SELECT count(*) FROM incidents";
    // Thirty events, and then incidents: a few at a time, and around again.
    for _ in 0..40 {
        fixture.store.prune(horizons, Vec::new(), 3).wait().unwrap();
    }
    assert_eq!(rows_of(&fixture, count), 20);
    fixture.changes("hook", HOUR);
    for _ in 0..40 {
        fixture.store.prune(horizons, Vec::new(), 3).wait().unwrap();
    }
    assert_eq!(rows_of(&fixture, count), 0);
}

#[test]
fn a_delivered_change_is_sent_again_as_it_was_on_order() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    let claim = fixture.claim("pager", 0).unwrap();
    let (delivery, intent) = (claim.work().delivery, change(&claim).intent.clone());
    fixture.settle(claim, delivered(), 0);
    assert!(fixture.store.replay_delivery(delivery, Doubt::Keep, at(5)).unwrap());
    let claim = fixture.claim("pager", 5).unwrap();
    assert_eq!((claim.work().delivery, &change(&claim).intent), (delivery, &intent));
    fixture.settle(claim, delivered(), 5);
    assert_eq!(fixture.told("pager", 6), []);
}

#[test]
fn what_is_sent_again_waits_for_what_is_under_way() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    let claim = fixture.claim("pager", 0).unwrap();
    let opening = claim.work().delivery;
    fixture.settle(claim, delivered(), 0);
    fixture.take(1, &[Alert { severity: Severity::Critical, ..alert(2) }]);
    let raise = fixture.claim("pager", 1).unwrap();
    assert!(fixture.store.replay_delivery(opening, Doubt::Keep, at(2)).unwrap());
    assert!(fixture.claim("pager", 2).is_none());
    fixture.settle(raise, delivered(), 3);
    assert_eq!(fixture.claim("pager", 2_000).unwrap().work().delivery, opening);
}

#[test]
fn a_first_export_is_told_as_one_digest_and_one_old_event_by_itself() {
    let fixture = Fixture::new();
    let old = |host, id: &str| Alert { host, is_old: true, ..alert(id) };
    fixture.take(0, &[old("alone", "a")]);
    assert_eq!(fixture.changes("chat", 0), [Change::Open]);
    assert!(fixture.incident(1).incident.fold.is_none());
    let dispatched =
        fixture.take(10, &[old("one", "b"), old("two", "c"), old("three", "d"), Alert { host: "new", ..alert("e") }]);
    assert_eq!(dispatched.held_back.into_iter().collect::<Vec<_>>(), [(("s".parse().unwrap(), "digest"), 3)]);
    let incidents = fixture.store.incidents(&ALL, &IncidentFilter::default()).unwrap();
    let folded = incidents.iter().filter(|incident| incident.fold.is_some()).count();
    assert_eq!((incidents.len(), folded), (6, 3), "four incidents, the digest, and the one before");
    assert_eq!(fixture.changes("chat", 10), [Change::Open], "the new one");
    let told = fixture.told("chat", 10_010);
    assert_eq!(
        told.iter().filter(|(change, _)| *change == Change::Open).count(),
        1,
        "the digest, when the export has arrived: {told:?}"
    );
}

#[test]
fn what_comes_later_of_an_export_is_counted_in_its_digest() {
    let fixture = Fixture::new();
    let old = |host, id: &str| Alert { host, is_old: true, ..alert(id) };
    let digest = || {
        let all = fixture.store.incidents(&ALL, &IncidentFilter::default()).unwrap();
        let digest = all.into_iter().find(|incident| matches!(incident.kind, IncidentKind::Digest(_))).unwrap();
        let IncidentKind::Digest(facts) = digest.kind else { panic!("no digest") };
        (facts.incidents, digest.count)
    };
    fixture.take(0, &[old("one", "a"), old("two", "b")]);
    assert_eq!(digest(), (2, 2));
    fixture.take(8_000, &[old("one", "c"), old("one", "d"), old("two", "e")]);
    assert_eq!(digest(), (2, 5));
    assert_eq!(fixture.changes("pager", 12_000), [], "it waits until the export has arrived");
    fixture.take(16_000, &[old("two", "f"), old("three", "g")]);
    assert_eq!(digest(), (3, 7));
    assert_eq!(fixture.changes("pager", 26_000), [Change::Open]);
    // What is new is told by its own incident.
    fixture.take(27_000, &[Alert { host: "one", ..alert("h") }]);
    fixture.take(28_000, &[old("one", "i")]);
    assert_eq!((digest(), fixture.changes("pager", 29_000)), ((3, 7), vec![Change::Open]));
}

#[test]
fn what_comes_late_into_a_digest_takes_back_its_acknowledgement() {
    let fixture = Fixture::new();
    let old = |host, id: &str| Alert { host, is_old: true, severity: Severity::Critical, ..alert(id) };
    fixture.take(0, &[old("one", "a"), old("two", "b")]);
    assert_eq!(fixture.changes("pager", 10_000), [Change::Open]);
    let digest = fixture.incident(1).incident.fold.unwrap().storm.0;
    fixture.order(digest, Order::Acknowledge, MINUTE).unwrap();
    assert_eq!(fixture.changes("pager", MINUTE), [Change::Acknowledge]);
    fixture.take(10 * MINUTE, &[Alert { rule: "DCDump", ..old("dc1", "c") }]);
    assert_eq!(fixture.incident(digest).incident.state, IncidentState::Open);
    assert_eq!(fixture.changes("pager", 10 * MINUTE), [Change::Raise]);
    assert_eq!(fixture.changes("hook", 10 * MINUTE), [Change::Open]);
    // The next one waits, for less than the check of its silence does.
    fixture.take(10 * MINUTE + 1, &[Alert { rule: "NTDS dump", ..old("dc1", "d") }]);
    assert_eq!(fixture.changes("pager", 10 * MINUTE + 2), []);
    fixture.advance(11 * MINUTE);
    assert_eq!(fixture.changes("pager", 11 * MINUTE), [Change::Raise]);
    let notes = fixture.incident(digest).milestones.into_iter().filter(|one| one.what == MilestoneKind::Raised);
    assert_eq!(notes.filter_map(|one| one.note).collect::<Vec<_>>(), ["#4 DCDump at dc1", "#5 NTDS dump at dc1"]);
}

#[test]
fn what_was_planned_while_the_clock_was_ahead_does_not_wait_for_it() {
    const AHEAD: i64 = 12 * 365 * 24 * HOUR;
    let fixture = Fixture::new();
    let old = |host, id: &str| Alert { host, is_old: true, ..alert(id) };
    let hasten = || fixture.store.hasten(Hastened::All, at(AHEAD - MINUTE), at(0), 100).wait().unwrap();
    let waits_for_years = || {
        let rows = fixture.store.deliveries(&ALL, &DeliveryFilter::default()).unwrap();
        let waiting = rows.into_iter().filter(|row| row.delivery.state == DeliveryState::Waiting);
        waiting.filter(|row| row.delivery.not_before > at(25 * HOUR)).count()
    };
    fixture.take(AHEAD, &[old("one", "a"), old("two", "b")]);
    assert_eq!(fixture.changes("chat", AHEAD + 10_000), [Change::Open], "the digest");
    // The digest's message is to be brought up to date in five minutes, by a clock that is set back now.
    fixture.take(AHEAD + 10_001, &[old("three", "c")]);
    assert!(hasten() > 0);
    assert_eq!((fixture.changes("chat", 0), waits_for_years()), (vec![Change::Update], 0));
    // A transaction that was begun before ends after that.
    fixture.take(AHEAD + 10_002, &[old("four", "d"), Alert { host: "new", ..alert("e") }]);
    assert!(waits_for_years() > 0 && hasten() > 0);
    let told: Vec<Change> = fixture.told("chat", 1).into_iter().map(|(change, _)| change).collect();
    assert!(told.contains(&Change::Open), "{told:?}");
    for destination in ["pager", "chat", "hook", "tickets"] {
        fixture.changes(destination, HOUR);
    }
    assert_eq!((waits_for_years(), hasten()), (0, 0));
    // Silence is measured from now on.
    assert_eq!(fixture.incident(1).incident.received_at, at(0));
    fixture.advance(25 * HOUR);
    assert_eq!(fixture.incident(1).incident.state, IncidentState::Quiet);
}

#[test]
fn an_older_incident_that_is_reopened_takes_the_next_event() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    fixture.advance(25 * HOUR);
    fixture.take(26 * HOUR, &[alert(2)]);
    fixture.order(2, Order::Resolve, 26 * HOUR + 1).unwrap();
    fixture.order(1, Order::Reopen, 26 * HOUR + 2).unwrap();
    assert!(matches!(fixture.order(2, Order::Reopen, 26 * HOUR + 3), Err(OrderError::Succeeded { .. })));
    fixture.take(26 * HOUR + 4, &[alert(3)]);
    assert_eq!([1, 2].map(|number| fixture.incident(number).incident.count), [2, 1]);
}

#[test]
fn a_raise_does_not_inherit_the_back_off_of_what_was_failing() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    fixture.changes("chat", 0);
    fixture.take(1, &[alert(2)]);
    let update = fixture.claim("chat", 10 * MINUTE).unwrap();
    let critical = Alert { severity: Severity::Critical, ..alert(3) };
    // While it is under way, and then while it waits.
    fixture.take(10 * MINUTE, &[critical]);
    fixture.settle(update, again(false, HOUR), 11 * MINUTE);
    let raise = fixture.claim("chat", 11 * MINUTE).unwrap();
    assert_eq!((change(&raise).intent.change, raise.work().retrying_since), (Change::Raise, None));
    fixture.settle(raise, again(false, 10 * HOUR), 12 * MINUTE);
    assert!(fixture.claim("chat", 13 * MINUTE).is_none(), "the same again waits for its turn");
    fixture.take(14 * MINUTE, &[Alert { severity: Severity::Fatal, ..alert(4) }]);
    let raise = fixture.claim("chat", 14 * MINUTE).unwrap();
    assert_eq!((change(&raise).incident.rank.severity, raise.work().retrying_since), (Severity::Fatal, None));
}

#[test]
fn a_dead_change_that_is_replayed_does_not_undo_what_was_told_since() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    let opening = fixture.claim("hook", 10_000).unwrap();
    let delivery = opening.work().delivery;
    fixture.settle(opening, again(true, 10_000), 10_000);
    let opening = fixture.claim("hook", 10_000).unwrap();
    fixture.settle(opening, Verdict::Dead { reason: "given up".into() }, 10_001);
    fixture.take(11_000, &[Alert { severity: Severity::Critical, ..alert(2) }]);
    assert_eq!(fixture.changes("hook", 11_000), [Change::Open]);
    assert!(fixture.store.replay_delivery(delivery, Doubt::Keep, at(12_000)).unwrap());
    assert_eq!(fixture.told("hook", 12_000), []);
    let told =
        fixture.incident(1).notifications.into_iter().find(|row| row.destination.as_str() == "hook").unwrap().told;
    assert_eq!(told.said.unwrap().standing.rank.severity, Severity::Critical);
}

#[test]
fn what_changed_while_a_notifier_was_not_configured_is_told_when_it_is_back() {
    let mut fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    fixture.changes("pager", 0);
    let whole = Arc::clone(&fixture.policy);
    let mut without = (*whole).clone();
    without.notifiers.remove(&name("pager"));
    fixture.policy = Arc::new(without);
    fixture.take(1, &[Alert { state: Some(EventState::Resolved), to: vec![], ..alert("over") }]);
    fixture.policy = whole;
    assert_eq!(fixture.told("pager", 2), [(Change::Resolve, Operation::ResolvePage { page: 1 })]);
}

#[test]
fn a_spread_is_told_although_an_earlier_one_was_refused() {
    let fixture = Fixture::new();
    let at_hosts =
        |from: u64, to: u64| (from..to).map(|host| Alert { group: Some(host), ..alert(host) }).collect::<Vec<_>>();
    fixture.take(0, &at_hosts(0, 1));
    fixture.changes("hook", 10_000);
    fixture.take(11_000, &at_hosts(1, 2));
    let spread = fixture.claim("hook", 11_000).unwrap();
    assert_eq!(change(&spread).intent.change, Change::Spread);
    fixture.settle(spread, Verdict::Dead { reason: "the form".into() }, 11_000);
    fixture.take(12_000, &at_hosts(2, 9));
    assert_eq!(fixture.changes("hook", 12_000), []);
    fixture.take(13_000, &at_hosts(9, 12));
    assert_eq!(fixture.changes("hook", 13_000), [Change::Spread]);
}

/// Refuses whatever `is_refused` says, and delivers the rest.
fn told_but(
    fixture: &Fixture,
    destination: &str,
    now: i64,
    is_refused: impl Fn(Operation) -> bool,
) -> Vec<(Change, Operation)> {
    let mut told = Vec::new();
    for _ in 0..100 {
        let Some(claim) = fixture.claim(destination, now) else { return told };
        let (change, operation) = (change(&claim).intent.change, change(&claim).intent.operation);
        let refused = Verdict::Dead { reason: "the form".into() };
        let verdict = if is_refused(operation) { refused } else { delivered() };
        told.extend((verdict == delivered()).then_some((change, operation)));
        fixture.settle(claim, verdict, now);
    }
    panic!("it never ends: {told:?}");
}

#[test]
fn what_comes_after_a_refused_operation_is_told() {
    let to_channel = |number| Operation::Reply { number, audience: Audience::Channel };
    let comment = |number| Operation::Reply { number, audience: Audience::Thread };
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    for destination in ["pager", "chat", "hook", "tickets"] {
        fixture.changes(destination, 10_000);
    }
    let critical = |id: i32| Alert { severity: Severity::Critical, ..alert(id) };
    fixture.take(11_000, &[critical(2)]);
    let is_edit = |operation| operation == Operation::Edit;
    let is_reply = |operation| matches!(operation, Operation::Reply { .. });
    assert_eq!(told_but(&fixture, "chat", 11_000, is_edit), [(Change::Raise, to_channel(1))]);
    assert_eq!(told_but(&fixture, "tickets", 11_000, is_reply), [(Change::Raise, Operation::Edit)]);
    assert_eq!(fixture.changes("pager", 11_000), [Change::Raise]);
    assert_eq!(fixture.told("chat", 11_001), [], "it is not tried again by itself");
    let filter = DeliveryFilter { state: Some(DeliveryState::Dead), ..DeliveryFilter::default() };
    for row in fixture.store.deliveries(&ALL, &filter).unwrap() {
        assert!(fixture.store.replay_delivery(row.delivery.id, Doubt::Forget, at(11_002)).unwrap());
    }
    assert_eq!(fixture.told("chat", 11_002), [(Change::Raise, Operation::Edit)], "what was refused can be replayed");
    assert_eq!(fixture.told("tickets", 11_002), [(Change::Raise, comment(1))]);
    fixture.order(1, Order::Resolve, 12_000).unwrap();
    let is_first_page = |operation| operation == Operation::ResolvePage { page: 1 };
    assert_eq!(
        told_but(&fixture, "pager", 12_000, is_first_page),
        [(Change::Resolve, Operation::ResolvePage { page: 2 })]
    );
    assert_eq!(told_but(&fixture, "tickets", 12_000, is_reply), [(Change::Resolve, Operation::Transition)]);
    assert_eq!(fixture.told("chat", 12_000), [(Change::Resolve, Operation::Edit), (Change::Resolve, comment(2))]);
    // Everything is refused: each is a dead letter once.
    fixture.take(13_000, &[Alert { severity: Severity::Fatal, ..alert(3) }]);
    let before = dead_letters(&fixture).len();
    assert_eq!(told_but(&fixture, "tickets", 13_000, |_| true), []);
    assert_eq!(dead_letters(&fixture).len() - before, 3, "a comment, the priority and the status");
    assert_eq!(told_but(&fixture, "tickets", 14_000, |_| true), []);
}

#[test]
fn nothing_is_told_to_what_could_not_be_created() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    for destination in ["pager", "chat", "tickets"] {
        assert_eq!(told_but(&fixture, destination, 10_000, |_| true), [], "{destination}");
        assert_eq!(fixture.told(destination, 2 * HOUR), [], "{destination}");
    }
    fixture.take(3 * HOUR, &[Alert { severity: Severity::Critical, ..alert(2) }]);
    assert_eq!(fixture.told("pager", 3 * HOUR), [(Change::Open, Operation::Trigger { page: 1 })]);
    assert_eq!(fixture.told("chat", 3 * HOUR), [(Change::Open, Operation::Create { number: 1 })]);
}

/// Runs a statement on the file, as a damage would come about.
fn damage(fixture: &Fixture, statement: &str) {
    let connection = rusqlite::Connection::open(fixture.folder.path().join("test.db")).unwrap();
    assert!(connection.execute(statement, []).unwrap() > 0, "{statement}");
}

fn dead_letters(fixture: &Fixture) -> Vec<String> {
    let filter = DeliveryFilter { state: Some(DeliveryState::Dead), ..DeliveryFilter::default() };
    let rows = fixture.store.deliveries(&ALL, &filter).unwrap();
    rows.into_iter().filter_map(|row| row.delivery.reason).collect()
}

#[test]
fn one_damaged_document_stops_no_claim_and_becomes_a_dead_letter() {
    for (statement, reason) in [
        ("UPDATE incidents SET document = '{' WHERE number = 1", "its incident cannot be read"),
        ("UPDATE incidents SET document = x'ff' WHERE number = 1", "its incident cannot be read"),
        ("UPDATE notifications SET document = '{' WHERE incident = 1", "its notification cannot be read"),
        ("UPDATE notifications SET refused = '{' WHERE incident = 1", "its notification cannot be read"),
        ("DELETE FROM incident_texts WHERE incident = 1", "is missing"),
        ("UPDATE deliveries SET intent = '{' WHERE seq = 1", "row 1 of the store"),
    ] {
        let fixture = Fixture::new();
        let to = vec!["pager"];
        fixture.take(0, &[Alert { to: to.clone(), ..alert(1) }, Alert { to, host: "db", ..alert(2) }]);
        damage(&fixture, statement);
        let told = fixture.told("pager", 0);
        assert_eq!(told, [(Change::Open, Operation::Trigger { page: 1 })], "the other incident: {statement}");
        let dead = dead_letters(&fixture);
        assert!(dead.len() == 1 && dead[0].contains(reason), "{statement}: {dead:?}");
        assert_eq!(fixture.told("pager", 1), [], "{statement}");
        assert!(!fixture.store.incidents(&ALL, &IncidentFilter::default()).unwrap().is_empty());
        fixture.store.milestones_after(0, 100).unwrap();
    }
}

#[test]
fn facets_that_cannot_be_read_are_counted_anew_and_the_incident_is_told() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    damage(&fixture, "UPDATE incident_texts SET facets = '{'");
    assert_eq!(fixture.changes("pager", 0), [Change::Open]);
    fixture.take(1, &[Alert { severity: Severity::Critical, ..alert(2) }]);
    assert_eq!(fixture.changes("pager", 1), [Change::Raise]);
    assert_eq!(fixture.incident(1).facets.targets.distinct().number(), 1);
}

#[test]
fn the_next_event_of_an_incident_that_cannot_be_read_opens_another() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    fixture.changes("pager", 0);
    damage(&fixture, "UPDATE incidents SET document = '{' WHERE number = 1");
    fixture.take(1, &[alert(2), Alert { host: "db", ..alert(3) }]);
    assert_eq!([2, 3].map(|number| fixture.incident(number).incident.count), [1, 1]);
    assert_eq!(fixture.changes("pager", 1), [Change::Open, Change::Open]);
    assert!(fixture.store.order(IncidentNumber(1), Order::Resolve, Origin::Vendor, None, at(2)).is_err());
}

#[test]
fn a_check_of_incidents_leaves_alone_what_it_cannot_read() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1), Alert { host: "db", ..alert(2) }]);
    damage(&fixture, "UPDATE incidents SET document = '{' WHERE number = 1");
    assert_eq!(fixture.advance(25 * HOUR).incidents, 2);
    assert_eq!(fixture.incident(2).incident.state, IncidentState::Quiet);
    assert_eq!(fixture.advance(50 * HOUR).incidents, 0, "it is not looked at again");
}

#[test]
fn a_gauge_that_cannot_be_read_is_begun_anew() {
    let fixture = Fixture::timed(Timing::default());
    fixture.take(0, &[alert(1)]);
    damage(&fixture, "UPDATE storms SET document = '{'");
    fixture.take(1, &[Alert { host: "db", ..alert(2) }]);
    assert_eq!(fixture.incident(2).incident.fold, None);
}

#[test]
fn an_outcome_is_recorded_although_what_it_concerns_cannot_be_read() {
    for statement in [
        "UPDATE incidents SET document = '{'",
        "UPDATE notifications SET document = '{'",
        "UPDATE deliveries SET intent = '{'",
    ] {
        let fixture = Fixture::new();
        fixture.take(0, &[Alert { to: vec!["pager"], ..alert(1) }]);
        let claim = fixture.claim("pager", 0).unwrap();
        damage(&fixture, statement);
        assert_eq!(fixture.settle(claim, delivered(), 1), 0);
        assert_eq!(fixture.states(), [DeliveryState::Delivered], "{statement}");
        // What was told is known again from what was sent, as far as that can be read.
        let damaged = fixture.store.incident(IncidentNumber(1));
        let is_told = |told: IncidentDetails| told.notifications.iter().any(|row| row.told.said.is_some());
        assert_eq!(damaged.ok().flatten().is_some_and(is_told), statement.contains("notifications"), "{statement}");
    }
}

#[test]
fn an_incident_is_armed_although_one_of_its_notifications_cannot_be_read() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    for destination in ["pager", "chat"] {
        fixture.changes(destination, 0);
    }
    damage(&fixture, "UPDATE notifications SET document = '{' WHERE destination = 'pager'");
    fixture.take(1, &[Alert { severity: Severity::Critical, ..alert(2) }]);
    assert_eq!(fixture.changes("chat", 1), [Change::Raise, Change::Raise]);
    assert_eq!(
        fixture.told("pager", 1),
        [(Change::Open, Operation::Trigger { page: 1 })],
        "the same key: no second page"
    );
}

#[test]
fn what_was_planned_before_there_were_incidents_is_grouped_as_its_source_says_and_a_few_at_a_time() {
    for (by, incidents) in [(GroupBy::Vendor, 1), (GroupBy::Event, 60)] {
        let mut fixture = Fixture::new();
        let notifiers = Arc::clone(&fixture.policy);
        fixture.policy = Arc::default();
        fixture.take(0, &(0..60).map(|id| Alert { to: vec!["chat"], ..alert(id) }).collect::<Vec<_>>());
        let group_by = [("s".parse().unwrap(), by)].into();
        fixture.policy = Arc::new(Policy { group_by, ..(*notifiers).clone() });
        let adopted = "SELECT count(*) FROM events WHERE incident IS NOT NULL";
        let mut most = 0;
        let mut told = 0;
        let open = "SELECT (SELECT count(*) FROM deliveries WHERE state = 0 AND not_before <= 600000)
            + (SELECT count(*) FROM sinks)";
        while rows_of(&fixture, open) > 0 {
            let before = rows_of(&fixture, adopted);
            for claim in fixture.claim_all("chat", 64, 10 * MINUTE) {
                told += 1;
                fixture.settle(claim, delivered(), 10 * MINUTE);
            }
            most = most.max(rows_of(&fixture, adopted) - before);
            assert!(told <= incidents, "{told}");
        }
        assert_eq!((told, rows_of(&fixture, adopted)), (incidents, 60));
        assert!((20..=24).contains(&most), "{most} in one transaction");
    }
}

#[test]
fn incidents_are_counted_by_state() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1), Alert { host: "db", ..alert(2) }]);
    fixture.order(2, Order::Resolve, 1).unwrap();
    let counts = fixture.store.incident_counts().unwrap();
    let of = |state| counts.iter().find(|(counted, _)| *counted == state).unwrap().1;
    let found = IncidentState::ALL.map(of);
    assert_eq!(found, [1, 0, 1, 0]);
}

#[test]
fn a_discarded_destination_leaves_nothing_waiting() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    assert_eq!(fixture.store.discard(&name("pager")).unwrap(), 1);
    assert_eq!(fixture.told("pager", 1), []);
    assert!(!fixture.incident(1).notifications.iter().any(|row| row.destination.as_str() == "pager"));
}

#[test]
fn changes_that_a_discarded_destination_was_told_go_with_retention() {
    let fixture = Fixture::new();
    fixture.take(0, &[alert(1)]);
    assert_ne!(fixture.told("pager", 1), []);
    fixture.store.discard(&name("pager")).unwrap();
    let changes = "SELECT count(*) FROM deliveries WHERE destination = 'pager'";
    let prune = |events: i64| {
        let horizons = Horizons { keys: at(0), receipts: at(0), events: at(events) };
        while fixture.store.prune(horizons, Vec::new(), 10).wait().unwrap() >= 10 {}
        rows_of(&fixture, changes)
    };
    // The incident goes on, and with it what others are told.
    for other in ["chat", "hook", "tickets"] {
        fixture.store.discard(&name(other)).unwrap();
    }
    assert_eq!(rows_of(&fixture, "SELECT count(*) FROM notifications"), 0);
    assert!(prune(0) > 0 && prune(1_000_000_000) == 0);
}

/// Events of so many incidents, `each` a number of events.
fn of_rules(rules: std::ops::Range<usize>, each: usize, mark: &str) -> Vec<Alert> {
    let of_rule = |rule: usize| {
        let name: &'static str = Box::leak(format!("rule-{rule}").into_boxed_str());
        (0..each).map(move |number| Alert { rule: name, ..alert(format!("{mark}-{rule}-{number}")) })
    };
    rules.flat_map(of_rule).collect()
}

fn take_all(fixture: &Fixture, now: i64, alerts: &[Alert]) {
    for part in alerts.chunks(1_000) {
        fixture.take(now, part);
    }
}

/// A digest of updates, as the only thing that a notifier is told: how many incidents it stands for, and the first numbers.
fn digest_told(fixture: &Fixture, destination: &str, now: i64) -> (u64, Vec<u64>) {
    let claims = fixture.claim_all(destination, 100, now);
    let [claim] = <[Claim<DeliveryWork>; 1]>::try_from(claims).unwrap_or_else(|claims| panic!("{claims:?}"));
    let change = change(&claim);
    assert_eq!(change.intent.change, Change::Open);
    let IncidentKind::Digest(DigestFacts { incidents, of: DigestOf::Updates(listed), .. }) = &change.incident.kind
    else {
        panic!("{:?}", change.incident.kind)
    };
    let told = (*incidents, listed.iter().map(|updated| updated.number.0).collect());
    fixture.settle(claim, delivered(), now);
    told
}

#[test]
fn more_than_twenty_updates_that_are_due_at_once_are_one_digest() {
    let fixture = Fixture::new();
    fixture.take(0, &of_rules(0..30, 1, "first"));
    assert_eq!(fixture.changes("hook", 10_000), [Change::Open; 30]);
    // What is new is told by itself, however much of it there is; what goes on is told together.
    fixture.take(20_000, &of_rules(0..30, 20, "more"));
    assert_eq!(fixture.changes("hook", 2 * HOUR), [], "the digest gathers for as long as a message waits");
    let digest = 31;
    let (incidents, listed) = digest_told(&fixture, "hook", 2 * HOUR + 10_000);
    assert_eq!((incidents, listed), (30, (1..=20).collect()));
    let details = fixture.incident(7);
    let hook = details.notifications.iter().find(|row| row.destination == name("hook")).unwrap();
    assert_eq!(hook.told.said.unwrap().standing.count, 21);
    assert!(details.milestones.iter().any(|milestone| milestone.note.as_deref() == Some("#31 at hook")), "{details:?}");
    assert_eq!(fixture.changes("hook", 3 * HOUR), []);
    // Other notifiers are told in their own way.
    assert_eq!(fixture.changes("tickets", 3 * HOUR), [Change::Open; 30]);

    // The next absence has a digest of its own, and the one before is over, of which nothing is said.
    take_all(&fixture, 4 * HOUR, &of_rules(0..25, 190, "most"));
    assert_eq!(fixture.changes("hook", 8 * HOUR), []);
    assert_eq!(digest_told(&fixture, "hook", 8 * HOUR + 10_000).0, 25);
    assert_eq!(fixture.incident(digest).incident.state, IncidentState::Resolved);
    assert_eq!(fixture.incident(digest + 1).incident.follows, Some(IncidentNumber(digest)));
    for day in 1..9 {
        fixture.advance(day * 24 * HOUR);
        assert_eq!(
            fixture.changes("hook", day * 24 * HOUR).iter().filter(|change| **change != Change::Quiet).count(),
            0
        );
    }
}

#[test]
fn twenty_updates_are_told_one_by_one() {
    let fixture = Fixture::new();
    fixture.take(0, &of_rules(0..20, 1, "first"));
    fixture.changes("hook", 10_000);
    fixture.take(20_000, &of_rules(0..20, 20, "more"));
    assert_eq!(fixture.changes("hook", 2 * HOUR), [Change::Update; 20]);
}

#[test]
fn updates_that_are_due_while_a_digest_is_on_its_way_wait_for_the_next_one() {
    let fixture = Fixture::new();
    fixture.take(0, &of_rules(0..25, 1, "first"));
    fixture.changes("hook", 10_000);
    fixture.take(20_000, &of_rules(0..25, 20, "more"));
    assert_eq!(fixture.changes("hook", 2 * HOUR), []);
    let claim = fixture.claim("hook", 2 * HOUR + 10_000).unwrap();
    take_all(&fixture, 2 * HOUR + 11_000, &of_rules(0..25, 190, "most"));
    let later = 3 * HOUR;
    let worse = Alert { outcome: Some(EventOutcome::Succeeded), ..of_rules(0..1, 1, "worse").remove(0) };
    fixture.take(later, &[worse]);
    // The answer is late: the lease is long over, and it may have arrived.
    fixture.settle(claim, again(true, later), later);
    let claims = fixture.claim_all("hook", 100, later);
    let told: Vec<_> =
        claims.iter().map(|claim| (change(claim).intent.change, change(claim).incident.number.0)).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.contains(&(Change::Raise, 1)) && told.contains(&(Change::Open, 26)), "{told:?}");
    for claim in claims {
        fixture.settle(claim, delivered(), later);
    }
    assert_eq!(fixture.changes("hook", later + 1_000), []);
    assert_eq!(digest_told(&fixture, "hook", later + 12_000).0, 24);
}

impl Fixture {
    /// The pager's fallback is the chat, after ten minutes.
    fn with_fallback() -> Self {
        let mut fixture = Self::new();
        let fallback = Fallback { to: name("chat"), after: Duration::from_secs(600) };
        let fallbacks = [(name("pager"), fallback)].into();
        fixture.policy = Arc::new(Policy { fallbacks, ..(*fixture.policy).clone() });
        fixture
    }

    fn fall_back(&self, now: i64) -> FellBack {
        let overdue = self.store.overdue(&self.policy, at(now), 0, 100).unwrap();
        self.store.fall_back(overdue, &self.policy, at(now)).wait().unwrap()
    }
}

fn paged(id: u32) -> Alert {
    Alert { to: vec!["pager"], severity: Severity::Critical, ..alert(id) }
}

fn misconfigured(now: i64) -> Verdict {
    let verdict = again(false, now);
    match verdict {
        Verdict::Again { not_before, uncertain, is_pending, progress, reason, .. } => {
            Verdict::Again { not_before, retrying_since: None, uncertain, is_pending, progress, reason }
        }
        other => other,
    }
}

#[test]
fn what_a_pager_has_not_taken_is_told_at_its_fallback_once_and_at_the_pager_when_it_is_back() {
    let fixture = Fixture::with_fallback();
    fixture.take(0, &[paged(1)]);
    for minute in [0, 3, 6] {
        let claim = fixture.claim("pager", minute * MINUTE).unwrap();
        let later = (minute + 3) * MINUTE;
        let verdict = if minute == 6 { again(true, later) } else { misconfigured(later) };
        fixture.settle(claim, verdict, minute * MINUTE);
        assert_eq!(fixture.fall_back(minute * MINUTE), FellBack::default());
    }
    let fixture = fixture.reopen();
    assert_eq!(fixture.fall_back(10 * MINUTE - 1), FellBack::default());
    let fell_back = fixture.fall_back(10 * MINUTE);
    assert_eq!(fell_back.handed_over, [(IncidentNumber(1), name("pager"), name("chat"))]);
    assert!(fell_back.to_tell.contains(&name("chat")));
    assert_eq!(fixture.changes("chat", 10 * MINUTE), [Change::Open]);
    let fixture = fixture.reopen();
    assert_eq!(fixture.fall_back(30 * MINUTE), FellBack::default(), "once");
    let details = fixture.incident(1);
    let noted: Vec<&str> = details.milestones.iter().filter_map(|milestone| milestone.note.as_deref()).collect();
    assert_eq!(noted, ["told at chat, because pager had not taken it for 10 min"]);
    let instead: Vec<_> = details.notifications.iter().map(|row| row.instead_of.clone()).collect();
    assert_eq!(instead, [None, Some(name("pager"))]);
    assert_eq!(fixture.changes("pager", 31 * MINUTE), [Change::Open]);
    fixture.order(1, Order::Resolve, 32 * MINUTE).unwrap();
    assert_eq!(fixture.changes("pager", 32 * MINUTE), [Change::Resolve]);
    assert!(fixture.changes("chat", 32 * MINUTE).contains(&Change::Resolve), "it is told of the end like any other");
}

#[test]
fn a_page_under_way_for_too_long_falls_back_as_well() {
    let fixture = Fixture::with_fallback();
    fixture.take(0, &[paged(1)]);
    let claim = fixture.claim("pager", 9 * MINUTE).unwrap();
    assert_eq!(fixture.fall_back(10 * MINUTE).handed_over.len(), 1);
    fixture.settle(claim, delivered(), 10 * MINUTE);
    assert_eq!(fixture.changes("pager", 10 * MINUTE), []);
}

#[test]
fn a_raise_falls_back_by_its_own_time_and_so_does_a_reopening() {
    let fixture = Fixture::with_fallback();
    fixture.take(0, &[Alert { severity: Severity::High, ..paged(1) }]);
    assert_eq!(fixture.changes("pager", 0), [Change::Open]);
    fixture.take(HOUR, &[paged(2)]);
    assert_eq!(fixture.fall_back(HOUR + 9 * MINUTE), FellBack::default());
    assert_eq!(fixture.fall_back(HOUR + 10 * MINUTE).handed_over.len(), 1);

    let fixture = Fixture::with_fallback();
    fixture.take(0, &[paged(1)]);
    fixture.changes("pager", 0);
    fixture.order(1, Order::Resolve, MINUTE).unwrap();
    assert_eq!(fixture.fall_back(20 * MINUTE), FellBack::default(), "an end is no news");
    fixture.take(20 * MINUTE, &[paged(2)]);
    assert_eq!(fixture.fall_back(29 * MINUTE), FellBack::default(), "the reopening has waited for nine minutes");
    fixture.changes("pager", 29 * MINUTE);
    assert_eq!(fixture.fall_back(40 * MINUTE), FellBack::default(), "it has been told");
}

#[test]
fn an_opening_that_was_due_before_a_silence_falls_back_as_well() {
    let fixture = Fixture::with_fallback();
    fixture.take(0, &[paged(1)]);
    fixture.order(1, Order::Silence { until: at(HOUR) }, MINUTE).unwrap();
    assert_eq!(fixture.fall_back(20 * MINUTE).handed_over.len(), 1);
}

#[test]
fn what_needs_no_one_at_once_does_not_fall_back() {
    let fixture = Fixture::with_fallback();
    let at_b = |id| Alert { host: "b", ..paged(id) };
    fixture.take(0, &[paged(1), Alert { to: vec!["hook"], ..at_b(2) }, Alert { host: "c", ..paged(3) }]);
    fixture.order(1, Order::Acknowledge, MINUTE).unwrap();
    fixture.order(2, Order::Silence { until: at(HOUR) }, MINUTE).unwrap();
    fixture.order(3, Order::Resolve, MINUTE).unwrap();
    fixture.take(2 * MINUTE, &[at_b(4)]);
    assert_eq!(fixture.fall_back(20 * MINUTE), FellBack::default());
    assert_eq!(fixture.fall_back(2 * HOUR).handed_over, [(IncidentNumber(2), name("pager"), name("chat"))]);
}

#[test]
fn a_fallback_that_a_route_has_told_is_not_told_again() {
    let fixture = Fixture::with_fallback();
    fixture.take(0, &[Alert { to: vec!["pager", "chat"], ..paged(1) }]);
    assert_eq!(fixture.changes("chat", 0), [Change::Open]);
    assert_eq!(fixture.fall_back(HOUR), FellBack::default());
    assert_eq!(fixture.incident(1).notifications[1].instead_of, None);
}

#[test]
fn what_a_pager_refuses_is_told_at_its_fallback_without_waiting() {
    let fixture = Fixture::with_fallback();
    fixture.take(0, &[paged(1)]);
    let claim = fixture.claim("pager", 0).unwrap();
    fixture.settle(claim, Verdict::Dead { reason: "no".to_owned() }, 0);
    assert_eq!(fixture.changes("chat", 0), [Change::Open]);
    let details = fixture.incident(1);
    let last = details.milestones.last().unwrap();
    assert_eq!(last.what, MilestoneKind::FellBack);
    assert_eq!(last.note.as_deref(), Some("told at chat, because pager has refused it"));
}

#[test]
fn more_than_are_looked_at_at_once_fall_back_in_turn() {
    let fixture = Fixture::with_fallback();
    let hosts: Vec<&'static str> = (0..25).map(|host| &*format!("h{host}").leak()).collect();
    let alerts: Vec<Alert> = hosts.iter().zip(0..).map(|(host, id)| Alert { host, ..paged(id) }).collect();
    fixture.take(0, &alerts);
    let (mut cursor, mut all) = (0, 0);
    loop {
        let overdue = fixture.store.overdue(&fixture.policy, at(HOUR), cursor, 10).unwrap();
        let Some(last) = overdue.last() else { break };
        cursor = last.cursor;
        all += fixture.store.fall_back(overdue, &fixture.policy, at(HOUR)).wait().unwrap().handed_over.len();
    }
    assert_eq!(all, 25);
}

#[test]
fn a_raise_that_finds_an_update_waiting_counts_from_the_raise() {
    let mut fixture = Fixture::new();
    let fallback = Fallback { to: name("hook"), after: Duration::from_secs(600) };
    let fallbacks = [(name("chat"), fallback)].into();
    fixture.policy = Arc::new(Policy { fallbacks, ..(*fixture.policy).clone() });
    let alert = |id: u32| Alert { to: vec!["chat"], ..alert(id) };
    fixture.take(0, &[alert(1)]);
    assert_eq!(fixture.changes("chat", 0), [Change::Open]);
    fixture.take(MINUTE, &[alert(2)]);
    assert_eq!(fixture.fall_back(30 * MINUTE), FellBack::default(), "a count is no news");
    fixture.take(30 * MINUTE, &[Alert { severity: Severity::Critical, ..alert(3) }]);
    assert_eq!(fixture.fall_back(39 * MINUTE), FellBack::default(), "the raise has waited for nine minutes");
    assert_eq!(fixture.fall_back(40 * MINUTE).handed_over, [(IncidentNumber(1), name("chat"), name("hook"))]);
}
