//! Conditions, when they are told and what they say, as tables.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::domain::{DestinationName, EventState, Severity, SourceName, Timestamp};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

fn destination(health: Health) -> DestinationFacts {
    DestinationFacts {
        name: "oncall".parse().unwrap(),
        health,
        waiting: 0,
        oldest_waiting: Duration::ZERO,
        fallback: None,
        dead: 0,
    }
}

fn source() -> SourceFacts {
    SourceFacts { name: "akto".parse().unwrap(), expect: None, silent_for: minutes(600), refused: Vec::new() }
}

fn failing() -> Health {
    Health::Failing { reason: "no answer".to_owned() }
}

fn stopped() -> Health {
    Health::Stopped { reason: "the key is not accepted".to_owned() }
}

fn found(facts: &Facts) -> Vec<(NoticeKind, Severity, String)> {
    let all = conditions(facts, &Limits::default());
    all.into_iter().map(|one| (one.id.kind, one.severity, one.message)).collect()
}

fn of_destination(facts: DestinationFacts) -> Vec<(NoticeKind, Severity, String)> {
    found(&Facts { destinations: vec![facts], ..Facts::default() })
}

fn of_source(facts: SourceFacts) -> Vec<(NoticeKind, Severity, String)> {
    found(&Facts { sources: vec![facts], ..Facts::default() })
}

fn of_store(store: StoreFacts) -> Vec<(NoticeKind, Severity, String)> {
    found(&Facts { store, ..Facts::default() })
}

#[test]
fn each_condition_is_found_from_its_facts_and_from_no_others() {
    let down = |severity, text: &str| vec![(NoticeKind::DestinationDown, severity, text.to_owned())];
    assert_eq!(of_destination(destination(Health::Running)), []);
    assert_eq!(of_destination(destination(failing())), down(Severity::Medium, "no answer"));
    let waiting = DestinationFacts { waiting: 3, oldest_waiting: minutes(90), ..destination(stopped()) };
    let text = "the key is not accepted; 3 wait for it, the oldest for 90 min";
    assert_eq!(of_destination(waiting.clone()), down(Severity::High, text), "what waits there is not a second notice");
    let covered = DestinationFacts { fallback: Some("soc".parse().unwrap()), ..waiting.clone() };
    let text = "the key is not accepted; 3 wait for it, the oldest for 90 min; soc is told instead";
    assert_eq!(of_destination(covered), down(Severity::High, text));

    let behind = |text: &str| vec![(NoticeKind::DestinationBehind, Severity::Medium, text.to_owned())];
    let running = DestinationFacts { health: Health::Running, ..waiting.clone() };
    assert_eq!(of_destination(running.clone()), behind("3 wait for oncall, the oldest for 90 min"));
    assert_eq!(of_destination(DestinationFacts { oldest_waiting: minutes(14), ..running }), []);
    let gone = DestinationFacts { health: Health::Unconfigured, ..waiting };
    assert_eq!(of_destination(gone), behind("3 wait for oncall, which is not configured, the oldest for 90 min"));

    let dead = DestinationFacts { dead: 2, ..destination(Health::Running) };
    assert_eq!(of_destination(dead), [(NoticeKind::DeadLetters, Severity::High, "2 in all".to_owned())]);

    let refused = |mismatch, limited| SourceFacts {
        refused: vec![("rate-limited", limited), ("signature-mismatch", mismatch), ("timestamp-stale", 0)],
        ..source()
    };
    assert_eq!(of_source(refused(40, 9)), []);
    let text = "within 5 min: 40 signature-mismatch, 10 rate-limited".to_owned();
    assert_eq!(of_source(refused(40, 10)), [(NoticeKind::SourceRefused, Severity::Medium, text)]);

    assert_eq!(of_source(source()), [], "nothing is expected of it");
    let expected = |hours: u64| SourceFacts { expect: Some(minutes(60 * hours)), ..source() };
    assert_eq!(of_source(expected(11)), []);
    let text = "`expect` of akto is 10 h".to_owned();
    assert_eq!(of_source(expected(10)), [(NoticeKind::SourceSilent, Severity::High, text)]);

    let disk = |free_bytes, is_full| of_store(StoreFacts { free_bytes, is_full, damage: None });
    let low = |severity, text: &str| vec![(NoticeKind::DiskLow, severity, text.to_owned())];
    assert_eq!(disk(Some(512 << 20), false), []);
    assert_eq!(disk(None, false), []);
    assert_eq!(disk(Some((512 << 20) - 1), false), low(Severity::High, "free: 511 MiB"));
    assert_eq!(disk(Some(512 << 20), true), low(Severity::Critical, "free: 512 MiB"));
    let damage = Some("row 7 is missing".to_owned());
    let damaged = of_store(StoreFacts { damage, ..StoreFacts::default() });
    assert_eq!(damaged, [(NoticeKind::StoreDamaged, Severity::Critical, "row 7 is missing".to_owned())]);
}

fn condition_of(health: Health) -> Condition {
    let facts = Facts { destinations: vec![destination(health)], ..Facts::default() };
    conditions(&facts, &Limits::default()).remove(0)
}

fn dead_letters(amount: u64) -> Condition {
    let facts = DestinationFacts { dead: amount, ..destination(Health::Running) };
    conditions(&Facts { destinations: vec![facts], ..Facts::default() }, &Limits::default()).remove(0)
}

#[test]
fn a_blip_is_not_told_and_what_lasts_is() {
    let limits = Limits::default();
    let mut watch = Watch::new(at(0));
    let mut look = |health: Option<Health>, second| {
        let found = health.map(condition_of).into_iter().collect();
        let seen = watch.look(found, BTreeSet::new(), &limits, at(second));
        (seen.holding.len(), seen.undecided.len(), seen.may_end)
    };
    assert_eq!(look(Some(failing()), 0), (0, 1, false));
    assert_eq!(look(Some(failing()), 299), (0, 1, true));
    assert_eq!(look(None, 300), (0, 1, true), "a pause is not the end");
    assert_eq!(look(Some(failing()), 310), (1, 0, true), "it has failed for five minutes, but for a pause");
    assert_eq!(look(None, 369), (0, 1, true));
    assert_eq!(look(None, 370), (0, 0, true), "a minute without it ends it");
    assert_eq!(look(Some(stopped()), 400), (0, 1, true));
    assert_eq!(look(Some(stopped()), 430), (1, 0, true), "what is stopped is told sooner");
}

#[test]
fn nothing_ends_right_after_a_start_and_what_can_be_counted_ends_at_once_later() {
    let limits = Limits::default();
    let mut watch = Watch::new(at(0));
    assert!(!watch.look(Vec::new(), BTreeSet::new(), &limits, at(59)).may_end);
    let seen = watch.look(vec![dead_letters(1)], BTreeSet::new(), &limits, at(60));
    assert_eq!((seen.holding.len(), seen.may_end), (1, true), "a dead letter is told at once");
    let seen = watch.look(Vec::new(), BTreeSet::new(), &limits, at(61));
    assert_eq!(seen, Seen { holding: Vec::new(), undecided: Default::default(), may_end: true });
}

#[test]
fn a_destination_that_was_down_before_a_restart_is_so_until_it_has_worked_or_had_nothing_to_do_for_an_hour() {
    let look = |watch: &mut Watch, health: Health, second| {
        let facts = Facts { destinations: vec![destination(health)], ..Facts::default() };
        let limits = Limits::default();
        let seen = watch.look(conditions(&facts, &limits), unproven(&facts), &limits, at(second));
        let id = condition_of(stopped()).id;
        let holds = seen.holding.iter().any(|one| one.id == id);
        assert_eq!(seen.may_end, second >= 60);
        holds || seen.undecided.contains(&id)
    };
    let may_hold = |looks: &[(Health, i64, bool)]| {
        let mut watch = Watch::new(at(0));
        for (health, second, wanted) in looks {
            assert_eq!(look(&mut watch, health.clone(), *second), *wanted, "{health:?} at {second} s of {looks:?}");
        }
    };
    let (untried, running) = (|| Health::Untried, || Health::Running);
    may_hold(&[(untried(), 0, true), (untried(), 61, true), (untried(), 3599, true), (untried(), 3600, false)]);
    may_hold(&[(untried(), 0, true), (untried(), 100, true), (running(), 102, false)]);
    may_hold(&[(untried(), 0, true), (stopped(), 100, true), (stopped(), 5000, true), (running(), 5061, false)]);
    may_hold(&[(untried(), 0, true), (Health::Unconfigured, 61, false)]);
    // A reload resets how a destination is doing as well.
    may_hold(&[(stopped(), 0, true), (stopped(), 4000, true), (untried(), 4002, true), (untried(), 7601, true)]);
    may_hold(&[(stopped(), 4000, true), (untried(), 4002, true), (untried(), 7602, false)]);
    may_hold(&[(running(), 0, false), (running(), 3601, false)]);
}

#[test]
fn a_source_that_was_silent_before_a_restart_is_neither_told_nor_over_before_it_could_send() {
    let facts = SourceFacts { expect: Some(minutes(60)), ..source() };
    let silent = || conditions(&Facts { sources: vec![facts.clone()], ..Facts::default() }, &Limits::default());
    let mut watch = Watch::new(at(0));
    let mut look = |second| {
        let seen = watch.look(silent(), BTreeSet::new(), &Limits::default(), at(second));
        (seen.holding.len(), seen.undecided.len())
    };
    assert_eq!([look(0), look(120), look(599), look(600)], [(0, 1), (0, 1), (0, 1), (1, 0)]);
}

#[test]
fn a_condition_is_opened_once_and_told_again_when_it_has_grown_or_is_worse() {
    let known = |amount| Known { severity: Severity::High, amount, told_at: at(0) };
    let minute = 60;
    let cases = [
        (None, dead_letters(1), at(0), Step::Open),
        (Some(known(1)), dead_letters(1), at(60 * minute), Step::Nothing),
        (Some(known(1)), dead_letters(2), at(4 * minute), Step::Nothing),
        (Some(known(1)), dead_letters(2), at(5 * minute), Step::Update),
        (Some(known(3)), dead_letters(2), at(60 * minute), Step::Lower),
        (Some(known(1)), condition_of(stopped()), at(60 * minute), Step::Nothing),
    ];
    for (known, condition, now, step) in cases {
        assert_eq!(compare(known.as_ref(), &condition, now), step, "{known:?} {condition:?}");
    }
    let medium = Known { severity: Severity::Medium, ..known(1) };
    assert_eq!(compare(Some(&medium), &condition_of(stopped()), at(1)), Step::Update, "it was failing, and is stopped");
    let refusals = |amount| Condition {
        id: NoticeId { kind: NoticeKind::SourceRefused, subject: "akto".to_owned() },
        amount,
        ..dead_letters(1)
    };
    assert_eq!(compare(Some(&known(60)), &refusals(599), at(60 * minute)), Step::Nothing);
    assert_eq!(compare(Some(&known(60)), &refusals(600), at(60 * minute)), Step::Update);
}

#[test]
fn the_events_of_a_notice_belong_together_and_end_each_other() {
    let condition = condition_of(stopped());
    let (begun, ended) = (begun(&condition, at(0)), ended(&condition.id, at(9)));
    assert_eq!((begun.source.clone(), begun.vendor.as_str()), (SourceName::own(), "gatepost"));
    assert_eq!((begun.group.as_deref(), begun.state), (Some("destination-down/oncall"), Some(EventState::Firing)));
    assert_eq!((&ended.group, ended.state), (&begun.group, Some(EventState::Resolved)));
    assert_eq!((begun.severity, begun.received_at, ended.received_at), (Severity::High, at(0), at(9)));
    assert!(begun.remediation.is_some_and(|remedy| remedy.contains("reload")));
    assert_ne!(begun.key, ended.key);
}

#[test]
fn no_destination_is_told_of_itself() {
    let [oncall, soc]: [DestinationName; 2] = ["oncall", "soc"].map(|name| name.parse().unwrap());
    for kind in NoticeKind::ALL {
        assert_eq!(NoticeKind::from_word(kind.as_str()), Some(kind));
        let id = NoticeId { kind, subject: "oncall".to_owned() };
        assert_eq!(may_tell(&id, &oncall), !kind.is_of_destination(), "a source may have the same name");
        assert!(may_tell(&id, &soc));
    }
}
