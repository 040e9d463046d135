//! The contract of the store about notices to the operator: each is opened once, told, brought up to date and ended, whatever
//! happens in between.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatepost::domain::{
    Attempt, Change, DestinationName, IncidentNumber, IncidentState, NotifierClass, Origin, OutcomeKind, Severity,
    SourceName, Timestamp,
};
use gatepost::incidents::{Order, Timing};
use gatepost::notices::{Condition, NoticeId, NoticeKind, Seen};
use gatepost::store::{
    Access, ClaimOrder, Commands, Content, IncidentDetails, IncidentFilter, IncidentQueries, Lease, Notices,
    NotifierPolicy, Outbox, Page, Policy, Queries, Reconciled, Settlement, SqliteStore, Verdict,
};

const ALL: Page = Page { limit: 1000, before: None };
const MINUTE: i64 = 60_000;

struct Fixture {
    folder: tempfile::TempDir,
    store: SqliteStore,
    policy: Arc<Policy>,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let notifiers = ["ops", "oncall"]
            .map(|notifier| (name(notifier), NotifierPolicy { class: NotifierClass::Pager, fingerprint: [1; 16] }));
        let policy =
            Policy { notifiers: notifiers.into_iter().collect(), timing: Timing::default(), ..Policy::default() };
        Self { folder, store, policy: Arc::new(policy) }
    }

    fn restart(self) -> Self {
        self.store.close();
        let store = open(self.folder.path());
        Self { store, ..self }
    }

    fn reconcile_to(&self, to: &[&str], seen: Seen, now: i64) -> Reconciled {
        let to = to.iter().map(|notifier| name(notifier)).collect();
        self.store.reconcile(seen, to, &self.policy, at(now)).wait().unwrap()
    }

    fn reconcile(&self, seen: Seen, now: i64) -> Reconciled {
        self.reconcile_to(&["ops", "oncall"], seen, now)
    }

    fn incidents(&self) -> Vec<IncidentDetails> {
        let mut all = self.store.incidents(&ALL, &IncidentFilter::default()).unwrap();
        all.reverse();
        all.iter().map(|incident| self.store.incident(incident.number).unwrap().unwrap()).collect()
    }

    /// What a notifier is told now, each with this verdict.
    fn told(&self, notifier: &str, verdict: &Verdict, now: i64) -> Vec<Change> {
        let mut told = Vec::new();
        loop {
            let lease = Lease { now: at(now), steady: at(now), length: Duration::from_secs(30) };
            let claiming = self.store.claim_deliveries(&name(notifier), 1, ClaimOrder::MostSevere, &self.policy, lease);
            let Some(claim) = claiming.wait().unwrap().claims.pop() else { return told };
            let Content::Change(change) = &claim.work().content else { panic!("an event at a notifier") };
            told.push(change.intent.change);
            let attempt = Attempt {
                number: claim.work().tries,
                started_at: at(now),
                duration_ms: 5,
                outcome: OutcomeKind::Delivered,
                reason: None,
            };
            let settlements = Arc::new(vec![Settlement { claim, attempt, verdict: verdict.clone() }]);
            self.store.settle(settlements, &self.policy, at(now)).wait().unwrap();
        }
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

fn delivered() -> Verdict {
    Verdict::Delivered { remote: None }
}

fn id(kind: NoticeKind, subject: &str) -> NoticeId {
    NoticeId { kind, subject: subject.to_owned() }
}

fn condition(kind: NoticeKind, subject: &str, amount: u64) -> Condition {
    Condition {
        id: id(kind, subject),
        severity: Severity::High,
        title: format!("{} of {subject}", kind.as_str()),
        message: format!("{amount} in all"),
        remedy: "mend it".to_owned(),
        amount,
        holds_for: Duration::ZERO,
        known_after: Duration::ZERO,
    }
}

fn dead_letters(amount: u64) -> Condition {
    condition(NoticeKind::DeadLetters, "soc", amount)
}

fn holding(conditions: impl IntoIterator<Item = Condition>) -> Seen {
    Seen { holding: conditions.into_iter().collect(), undecided: BTreeSet::new(), may_end: true }
}

#[test]
fn a_condition_is_opened_once_told_brought_up_to_date_and_resolved_by_itself() {
    let fixture = Fixture::new();
    let first = fixture.reconcile(holding([dead_letters(1)]), 0);
    assert_eq!((first.incidents_opened, first.to_tell.len(), first.open.len()), (1, 2, 1));
    assert_eq!(fixture.told("ops", &delivered(), 0), [Change::Open]);
    for minute in 0..5 {
        assert_eq!(fixture.reconcile(holding([dead_letters(1 + minute)]), minute as i64 * MINUTE).incidents_opened, 0);
    }
    assert_eq!(fixture.incidents()[0].incident.count, 1, "numbers are brought up to date every five minutes");
    fixture.reconcile(holding([dead_letters(7)]), 5 * MINUTE);
    let details = fixture.incidents().remove(0);
    assert_eq!((details.incident.count, details.incident.source), (2, SourceName::own()));
    assert_eq!(details.event.message.as_deref(), Some("7 in all"), "the newest numbers are shown");
    assert!(details.notifications.iter().all(|notification| notification.route.as_str() == "operator"));
    let last = fixture.reconcile(holding([]), 6 * MINUTE);
    assert_eq!(last.open.len(), 0);
    assert_eq!(fixture.incidents()[0].incident.state, IncidentState::Resolved);
    assert_eq!(fixture.told("ops", &delivered(), 6 * MINUTE), [Change::Resolve]);
    assert_eq!(fixture.incidents().len(), 1);
}

#[test]
fn a_restart_neither_doubles_nor_loses_nor_ends_a_notice() {
    let fixture = Fixture::new();
    fixture.reconcile(holding([dead_letters(1)]), 0);
    // The answer was lost with the process; the next one looks again.
    let fixture = fixture.restart();
    assert_eq!(fixture.store.open_notices().unwrap().len(), 1);
    let nothing_known = Seen { may_end: false, ..holding([]) };
    assert_eq!(fixture.reconcile(nothing_known, 1_000).open.len(), 1);
    let undecided = BTreeSet::from([id(NoticeKind::DeadLetters, "soc")]);
    assert_eq!(fixture.reconcile(Seen { undecided, ..holding([]) }, 2_000).open.len(), 1);
    assert_eq!(fixture.reconcile(holding([dead_letters(1)]), 3_000).incidents_opened, 0);
    assert_eq!(fixture.told("ops", &delivered(), 3_000), [Change::Open]);
    let fixture = fixture.restart();
    assert_eq!(fixture.told("ops", &delivered(), 4_000), []);
    assert_eq!((fixture.incidents().len(), fixture.incidents()[0].incident.count), (1, 1));
}

#[test]
fn no_destination_is_told_of_itself_and_without_another_the_notice_is_listed_all_the_same() {
    let fixture = Fixture::new();
    let down = |subject: &str| condition(NoticeKind::DestinationDown, subject, 1);
    fixture.reconcile(holding([down("oncall")]), 0);
    assert_eq!(fixture.told("oncall", &delivered(), 0), []);
    assert_eq!(fixture.told("ops", &delivered(), 0), [Change::Open]);
    fixture.reconcile_to(&["ops"], holding([down("oncall"), down("ops")]), 1_000);
    assert_eq!(fixture.told("ops", &delivered(), 1_000), []);
    let incidents = fixture.incidents();
    let told: Vec<usize> = incidents.iter().map(|details| details.notifications.len()).collect();
    assert_eq!(told, [1, 0]);
    assert!(incidents.iter().all(|details| details.incident.state == IncidentState::Open));
}

#[test]
fn what_a_person_has_resolved_stays_so_until_it_has_grown_or_come_again() {
    let fixture = Fixture::new();
    fixture.reconcile(holding([dead_letters(2)]), 0);
    let by = Origin::CommandLine { user: "dana".to_owned() };
    fixture.store.order(IncidentNumber(1), Order::Resolve, by, None, at(1_000)).unwrap().unwrap();
    fixture.reconcile(holding([dead_letters(2)]), 10 * MINUTE);
    let state = || fixture.incidents().last().unwrap().incident.state;
    assert_eq!(state(), IncidentState::Resolved);
    fixture.reconcile(holding([dead_letters(3)]), 11 * MINUTE);
    assert_eq!(state(), IncidentState::Open, "there is one more");
    fixture.reconcile(holding([]), 12 * MINUTE);
    fixture.reconcile(holding([dead_letters(1)]), 13 * MINUTE);
    assert_eq!((state(), fixture.incidents().len()), (IncidentState::Open, 1), "it came again within half an hour");
}

#[test]
fn a_dead_letter_is_told_also_where_there_were_more_before_some_were_seen_to() {
    let fixture = Fixture::new();
    fixture.reconcile(holding([dead_letters(10)]), 0);
    let by = Origin::CommandLine { user: "dana".to_owned() };
    fixture.store.order(IncidentNumber(1), Order::Resolve, by, None, at(1_000)).unwrap().unwrap();
    let state = || fixture.incidents().last().unwrap().incident.state;
    // Some are replayed or discarded: that is no news.
    fixture.reconcile(holding([dead_letters(4)]), 10 * MINUTE);
    assert_eq!((state(), fixture.incidents()[0].incident.count), (IncidentState::Resolved, 1));
    fixture.reconcile(holding([dead_letters(5)]), 11 * MINUTE);
    assert_eq!(state(), IncidentState::Open, "one more than were left");
    assert_eq!(fixture.incidents()[0].event.message.as_deref(), Some("5 in all"));
    // What comes and goes in numbers is told at its peak only.
    let refused = |amount| condition(NoticeKind::SourceRefused, "akto", amount);
    for (amount, now) in [(100, 12), (60, 20), (600, 30)] {
        fixture.reconcile(holding([dead_letters(5), refused(amount)]), now * MINUTE);
    }
    assert_eq!(fixture.incidents().last().unwrap().incident.count, 1);
}

#[test]
fn what_is_worse_is_told_as_a_raise_and_not_again() {
    let fixture = Fixture::new();
    let disk = |severity| Condition { severity, ..condition(NoticeKind::DiskLow, "store", 1) };
    fixture.reconcile(holding([disk(Severity::High)]), 0);
    assert_eq!(fixture.told("ops", &delivered(), 0), [Change::Open]);
    for now in 1..4 {
        fixture.reconcile(holding([disk(Severity::Critical)]), now * 1_000);
        fixture.reconcile(holding([disk(Severity::High)]), now * 1_000 + 500);
    }
    assert_eq!(fixture.told("ops", &delivered(), 9_000), [Change::Raise]);
    assert_eq!(fixture.incidents()[0].incident.count, 2);
}

#[test]
fn nothing_is_opened_for_no_one_and_what_is_open_ends_all_the_same() {
    let fixture = Fixture::new();
    assert_eq!(fixture.reconcile_to(&[], holding([dead_letters(1)]), 0).open.len(), 0);
    assert_eq!(fixture.incidents().len(), 0);
    fixture.reconcile(holding([dead_letters(1)]), 1_000);
    // `[operator]` was taken out of the configuration.
    assert_eq!(fixture.reconcile_to(&[], holding([]), 2_000).open.len(), 0);
    assert_eq!(fixture.incidents()[0].incident.state, IncidentState::Resolved);
}

#[test]
fn a_name_that_is_no_notifier_any_more_is_not_taken_for_a_sink() {
    let fixture = Fixture::new();
    fixture.reconcile_to(&["archive", "ops"], holding([dead_letters(1)]), 0);
    let depths = fixture.store.depths(at(0)).unwrap();
    assert!(depths.iter().all(|depth| depth.destination == name("ops")), "{depths:?}");
}

#[test]
fn dead_letters_of_notices_are_known_as_such() {
    let fixture = Fixture::new();
    fixture.reconcile(holding([condition(NoticeKind::SourceSilent, "akto", 1)]), 0);
    assert_eq!(fixture.store.dead_notices().unwrap(), [].into());
    fixture.told("ops", &Verdict::Dead { reason: "no".to_owned() }, 0);
    assert_eq!(fixture.store.dead_notices().unwrap(), [(name("ops"), 1)].into());
}

#[test]
fn a_flood_of_conditions_is_told_as_a_storm() {
    let fixture = Fixture::new();
    let many = || (0..40).map(|number| condition(NoticeKind::SourceSilent, &format!("source-{number}"), 1));
    fixture.reconcile(holding(many()), 0);
    fixture.reconcile(holding(many()), 1_000);
    assert_eq!(fixture.store.open_notices().unwrap().len(), 40);
    let told = fixture.told("ops", &delivered(), 1_000);
    assert_eq!(told, [Change::Open; 6], "five by themselves, and the storm");
    fixture.reconcile(holding([]), 2_000);
    assert_eq!(fixture.store.open_notices().unwrap().len(), 0);
}

#[test]
fn when_sources_were_heard_is_remembered_over_restarts() {
    let fixture = Fixture::new();
    let source: SourceName = "akto".parse().unwrap();
    for now in [0, 60_000] {
        fixture.store.note_source_activity([(source.clone(), at(now))].into()).wait().unwrap();
    }
    let fixture = fixture.restart();
    assert_eq!(fixture.store.source_activity().unwrap(), [(source, at(60_000))].into());
}
