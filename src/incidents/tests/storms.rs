//! When incidents are too many to be told one by one.

use std::time::Duration;

use super::world::*;
use crate::domain::*;
use crate::incidents::*;

const LIMITS: StormLimits = StormLimits { per_rule: 5, per_rank: 15, within: Duration::from_secs(15 * 60) };

#[test]
fn five_of_a_rule_and_fifteen_of_a_rank_are_told_one_by_one() {
    let mut gauge = StormGauge::default();
    let now = World::new().now;
    let mut admit = |rule: &str, rank| gauge.admit(rank, rule, now, &LIMITS);
    let of_one_rule: Vec<bool> = (0..7).map(|_| admit("a", rank(Severity::Medium))).collect();
    assert_eq!(of_one_rule, [true, true, true, true, true, false, false]);
    let of_many: Vec<bool> = (0..12).map(|n| admit(&format!("rule {n}"), rank(Severity::Medium))).collect();
    assert_eq!(of_many.iter().filter(|is_told| **is_told).count(), 10, "what is folded takes nothing from the rank");
    assert!(!admit("another", rank(Severity::Medium)));
    // A lower rank has its own buckets.
    assert!(admit("a", rank(Severity::Low)));
}

#[test]
fn the_bucket_fills_again_with_time_and_is_full_after_the_window() {
    let mut gauge = StormGauge::default();
    let start = World::new().now;
    let mut told_at = Vec::new();
    for second in 0..3600 {
        if gauge.admit(rank(Severity::Medium), "a", start.plus(Duration::from_secs(second)), &LIMITS) {
            told_at.push(second);
        }
    }
    // Five at once, then one each three minutes.
    let expected: Vec<u64> = (0..5).chain((1..20).map(|n| n * 180)).collect();
    assert_eq!(told_at, expected);
    let later = start.plus(hours(2));
    assert_eq!((0..10).filter(|_| gauge.admit(rank(Severity::Medium), "a", later, &LIMITS)).count(), 5);
}

#[test]
fn a_rank_above_everything_that_was_told_goes_out_by_itself() {
    let mut gauge = StormGauge::default();
    let now = World::new().now;
    let none = StormLimits { per_rule: 0, per_rank: 0, ..LIMITS };
    let mut admit = |severity, at| gauge.admit(rank(severity), "a", at, &none);
    assert!(admit(Severity::Medium, now));
    assert!(!admit(Severity::Medium, now) && !admit(Severity::Low, now));
    assert!(admit(Severity::Critical, now), "it is above medium");
    assert!(!admit(Severity::High, now) && !admit(Severity::Critical, now));
    assert!(admit(Severity::Fatal, now));
    assert!(admit(Severity::Medium, now.plus(LIMITS.within)), "nothing was told within the window");
}

#[test]
fn a_clock_that_jumps_folds_nothing_for_years() {
    let mut gauge = StormGauge::default();
    let now = World::new().now;
    let far = Timestamp::parse("2100-01-01T00:00:00Z").unwrap();
    for at in [far, now, Timestamp::from_millis(0), now, far] {
        let told = (0..100).filter(|_| gauge.admit(rank(Severity::Medium), "a", at, &LIMITS)).count();
        assert_eq!(told, 5, "{at}");
    }
    // A clock that goes back a little is not a jump: the running maximum holds.
    assert!(!gauge.admit(rank(Severity::Medium), "a", far.minus(minutes(10)), &LIMITS));
}

#[test]
fn the_gauge_is_bounded_and_gives_the_same_answers_after_it_was_stored() {
    let mut gauge = StormGauge::default();
    let start = World::new().now;
    for n in 0..3_000u64 {
        let severity = Severity::SCALE[usize::try_from(n % 6).unwrap()].1;
        let at = start.plus(Duration::from_millis(100 * n));
        let stored = serde_json::to_string(&gauge).unwrap();
        assert!(stored.len() < 16 << 10, "{} bytes", stored.len());
        let mut again: StormGauge =
            if n.is_multiple_of(100) { serde_json::from_str(&stored).unwrap() } else { gauge.clone() };
        let rule = format!("rule {n}");
        assert_eq!(gauge.admit(rank(severity), &rule, at, &LIMITS), again.admit(rank(severity), &rule, at, &LIMITS));
        assert_eq!(gauge, again);
    }
}

#[test]
fn a_storm_counts_what_is_folded_and_says_so() {
    let mut storm = Storm::new();
    storm.fold("a", Severity::Medium, "host-1");
    assert_eq!(storm.incident().title, "1 more incident of 1 rule");
    for n in 0..511 {
        storm.fold(&format!("rule {}", n % 36), Severity::Medium, &format!("host-{}", n % 50));
    }
    let incident = storm.incident();
    assert_eq!(
        (incident.title.as_str(), incident.count, incident.victims),
        ("512 more incidents of 37 rules", 512, 50)
    );
    assert_eq!((incident.rank, incident.state), (rank(Severity::Medium), IncidentState::Open));
    assert_eq!(incident.key, storm_key(&source(), rank(Severity::Medium)));
    assert_ne!(incident.key, storm_key(&source(), rank(Severity::High)));
    let facts = storm.facts();
    assert_eq!((facts.incidents, facts.rules.len(), facts.more_rules), (512, 37, 0));
    for n in 0..1000 {
        storm.fold(&format!("one more rule {n}"), Severity::Medium, "host-1");
    }
    let facts = storm.facts();
    assert_eq!((facts.incidents, facts.rules.len()), (1512, 64));
    assert!((900..1100).contains(&(64 + facts.more_rules)), "{}", facts.more_rules);
}

#[test]
fn beyond_ten_thousand_incidents_events_belong_to_the_storm_itself() {
    let mut storm = Storm::new();
    assert!(storm.fold("a", Severity::Medium, "host-1").incident.fold.is_some());
    let incident = &mut storm.subject.as_mut().unwrap().incident;
    let IncidentKind::Storm(facts) = &mut incident.kind else { panic!("no storm") };
    (facts.incidents, incident.count) = (9_999, 9_999);
    assert!(storm.fold("a", Severity::Medium, "host-2").incident.fold.is_some());
    assert_eq!((storm.incident().count, storm.incident().title.as_str()), (10_000, "10000 more incidents of 1 rule"));
    storm.pass(minutes(14));
    let beyond = storm.fold("b", Severity::Medium, "host-3");
    assert_eq!((beyond.incident.fold, beyond.milestones.len()), (None, 1), "it is not to be kept");
    let incident = storm.incident();
    assert_eq!((incident.count, incident.victims), (10_001, 3));
    assert_eq!(incident.title, "over 10000 more incidents of 2 rules");
    assert_eq!((storm.facts().incidents, storm.facts().named), (10_000, 2), "the new rule is named");
    storm.pass(minutes(14));
    assert!(storm.incident().state.is_live(), "it goes on");
}

#[test]
fn new_rules_are_named_a_minute_apart_and_then_ever_more_rarely() {
    let mut storm = Storm::new();
    let start = storm.now;
    let mut named_at = Vec::new();
    for second in 0..3600 {
        if u64::is_multiple_of(second, 50) {
            storm.fold(&format!("rule {second}"), Severity::Medium, "host-1");
        }
        let before = storm.facts().named;
        storm.pass(Duration::from_secs(1));
        if storm.facts().named > before || second == 0 {
            named_at.push(storm.now.since(start).as_secs() / 60);
        }
    }
    // Rules beyond the 64 that a storm lists are a number.
    assert_eq!(named_at, [0, 1, 3, 7, 15, 30, 45, 60]);
}

#[test]
fn a_new_rule_is_told_like_a_raise_and_an_acknowledgement_covers_only_what_was_named() {
    for class in CLASSES {
        let mut storm = Storm::new();
        storm.fold("a", Severity::Medium, "host-1");
        let mut told = Notification::new(storm.now);
        told = storm.deliver(class, told).1;
        obey(&mut storm.subject.as_mut().unwrap().incident, Order::Acknowledge, person("dana"), None, storm.now)
            .unwrap();
        told = storm.deliver(class, told).1;
        for _ in 0..100 {
            storm.fold("a", Severity::Medium, "host-1");
        }
        let (words, after) = storm.deliver(class, told);
        assert_eq!(words, Vec::<String>::new(), "{class:?}");
        storm.pass(Duration::from_secs(1));
        storm.fold("b", Severity::Medium, "host-1");
        storm.pass(minutes(1));
        assert_eq!(storm.incident().state, IncidentState::Open);
        let (words, _) = storm.deliver(class, after);
        assert!(words.iter().any(|word| word.starts_with("raise")), "{class:?}: {words:?}");
        let last = storm.milestones.last().unwrap();
        assert_eq!((last.what, last.note.as_deref()), (MilestoneKind::StormNamed, Some("b")));
    }
}

#[test]
fn a_naming_names_no_more_rules_than_a_message_says_and_the_next_one_takes_the_rest() {
    let mut storm = Storm::new();
    let rules: Vec<String> = (0..63).map(|n| format!("rule {n}")).collect();
    for rule in &rules[..2] {
        storm.fold(rule, Severity::Medium, "host-1");
    }
    assert_eq!(storm.facts().named, 2, "what comes with the opening is named with it");
    let mut told = storm.deliver(NotifierClass::Pager, Notification::new(storm.now)).1;
    storm.pass(Duration::from_secs(1));
    for rule in &rules[2..] {
        storm.fold(rule, Severity::Medium, "host-1");
    }
    let (words, after) = storm.deliver(NotifierClass::Pager, told);
    assert_eq!((words, storm.facts().named), (Vec::<String>::new(), 2));
    told = after;
    let mut named = Vec::new();
    for wait in [1, 2, 4, 8] {
        obey(&mut storm.subject.as_mut().unwrap().incident, Order::Acknowledge, person("dana"), None, storm.now)
            .unwrap();
        told = storm.deliver(NotifierClass::Pager, told).1;
        storm.fold("rule 0", Severity::Medium, "host-1");
        storm.pass(minutes(wait));
        assert_eq!(storm.incident().state, IncidentState::Open, "the acknowledgement did not cover the rest");
        let (words, after) = storm.deliver(NotifierClass::Pager, told);
        assert!(words.len() == 1 && words[0].starts_with("raise"), "{words:?}");
        told = after;
        named.push(storm.milestones.last().unwrap().note.clone().unwrap());
    }
    let of = |range: std::ops::Range<usize>| rules[range].join(", ");
    assert_eq!(named, [of(2..22), of(22..42), of(42..62), of(62..63)]);
    storm.pass(minutes(6));
    assert_eq!((storm.facts().named, storm.deliver(NotifierClass::Pager, told).0), (63, Vec::<String>::new()));
}

#[test]
fn what_opens_a_storm_names_no_more_rules_than_a_message_says() {
    let mut storm = Storm::new();
    for n in 0..STORM_NAMED_MAX + 3 {
        storm.fold(&format!("rule {n}"), Severity::Medium, "host-1");
    }
    assert_eq!(storm.facts().named, STORM_NAMED_MAX);
    storm.pass(minutes(1));
    assert_eq!(storm.facts().named, STORM_NAMED_MAX + 3);
}

#[test]
fn at_high_a_naming_takes_all_that_is_new_and_says_how_many_it_does_not_name() {
    for class in CLASSES {
        let mut storm = Storm::new();
        storm.fold("first", Severity::High, "host-1");
        let mut told = storm.deliver(class, Notification::new(storm.now)).1;
        storm.pass(Duration::from_secs(1));
        for n in 0..100 {
            storm.fold(&format!("rule {n}"), Severity::High, "host-1");
        }
        storm.pass(minutes(1));
        let named = storm.milestones.last().unwrap().note.as_deref();
        let names: Vec<String> = (0..20).map(|n| format!("rule {n}")).collect();
        let said = format!("{} and 80 more", names.join(", "));
        assert_eq!(named, Some(said.as_str()), "{class:?}");
        assert_eq!(storm.facts().named_in_all(), 101);
        let (words, after) = storm.deliver(class, told);
        assert_eq!(words.iter().filter(|word| word.starts_with("raise: ")).count(), raises(class), "{words:?}");
        told = after;
        storm.pass(minutes(13));
        assert_eq!(storm.deliver(class, told).0, Vec::<String>::new(), "{class:?}: nothing is left");
    }
}

/// How many operations tell a raise.
fn raises(class: NotifierClass) -> usize {
    if class == NotifierClass::EditableChat { 2 } else { 1 }
}

#[test]
fn a_rule_beyond_those_that_a_storm_lists_is_named_once() {
    for severity in [Severity::Critical, Severity::Medium] {
        let mut storm = Storm::new();
        for n in 0..69 {
            storm.fold(&format!("rule {n}"), severity, "host-1");
            storm.fold("frequent", severity, "host-1");
        }
        storm.pass(minutes(10));
        storm.fold("frequent", severity, "host-1");
        let told = storm.deliver(NotifierClass::Pager, Notification::new(storm.now)).1;
        let incident = &mut storm.subject.as_mut().unwrap().incident;
        obey(incident, Order::Acknowledge, person("dana"), None, storm.now).unwrap();
        let told = storm.deliver(NotifierClass::Pager, told).1;
        storm.fold("NTDS dump", severity, "host-1");
        for _ in 0..10 {
            storm.pass(minutes(14));
            storm.fold("frequent", severity, "host-1");
        }
        let notes = storm.milestones.iter().filter_map(|milestone| milestone.note.as_deref());
        assert_eq!(notes.filter(|note| note.ends_with("NTDS dump")).count(), 1, "{severity}");
        let (words, told) = storm.deliver(NotifierClass::Pager, told);
        assert_eq!(words, ["raise: page 2"], "{severity}");
        // What gave way is not new.
        let named = storm.facts().named_in_all();
        for n in 0..69 {
            storm.fold(&format!("rule {n}"), severity, "host-1");
        }
        storm.fold("NTDS dump", severity, "host-1");
        storm.pass(minutes(14));
        let facts = storm.facts();
        assert_eq!((facts.named_in_all(), facts.rules.len()), (named, 64), "{severity}");
        assert_eq!(storm.deliver(NotifierClass::Pager, told).0, Vec::<String>::new(), "{severity}");
        assert!(facts.rules.iter().any(|(rule, incidents)| rule == "frequent" && *incidents > 60));
    }
}

#[test]
fn a_sender_who_makes_up_rules_has_few_namings_and_hides_no_other_rule() {
    let mut storm = Storm::new();
    let start = storm.now;
    for second in 0..7200 {
        storm.fold(&format!("rule {second}"), Severity::High, "host-1");
        storm.pass(Duration::from_secs(1));
    }
    let mut namings: Vec<u64> = storm
        .milestones
        .iter()
        .filter(|milestone| milestone.what == MilestoneKind::StormNamed)
        .map(|milestone| milestone.at.since(start).as_secs() / 60)
        .collect();
    namings.dedup();
    assert_eq!(namings, [0, 1, 3, 7, 15, 30, 45, 60, 75, 90, 105, 120]);
    let stored = serde_json::to_string(storm.incident()).unwrap();
    assert!(stored.len() < 16 << 10, "{} bytes", stored.len());
    storm.pass(Duration::from_secs(1));
    storm.fold("NTDS dump", Severity::High, "host-1");
    storm.pass(minutes(14));
    storm.fold("NTDS dump", Severity::High, "host-1");
    storm.pass(minutes(2));
    assert_eq!(storm.milestones.last().unwrap().note.as_deref(), Some("NTDS dump"));
}

#[test]
fn victims_in_a_storm_are_told_as_a_spread_from_ten_on() {
    for class in CLASSES {
        let mut storm = Storm::new();
        storm.fold("a", Severity::Medium, "host-1");
        let mut told = storm.deliver(class, Notification::new(storm.now)).1;
        let mut spread_at = Vec::new();
        for victims in 2..=100 {
            storm.fold("a", Severity::Medium, &format!("host-{victims}"));
            let (words, after) = storm.deliver(class, told);
            told = after;
            if words.iter().any(|word| word.starts_with("spread")) {
                spread_at.push(victims);
            }
        }
        // Of more than 64 the number is an estimate.
        assert_eq!((spread_at.len(), spread_at[0]), (2, 10), "{class:?}: {spread_at:?}");
    }
}

#[test]
fn a_storm_ends_a_quarter_of_an_hour_after_the_last_fold_and_the_next_one_follows_it() {
    let mut storm = Storm::new();
    storm.fold("a", Severity::Medium, "host-1");
    storm.pass(minutes(14));
    storm.fold("a", Severity::Medium, "host-1");
    storm.pass(minutes(14));
    assert!(storm.incident().state.is_live());
    storm.pass(minutes(1));
    assert_eq!((storm.incident().state, &storm.incident().state_by), (IncidentState::Resolved, &Origin::Gatepost));
    let ended = storm.incident().number;
    storm.fold("a", Severity::Medium, "host-1");
    assert_eq!((storm.incident().follows, storm.incident().count), (Some(ended), 1));
}

#[test]
fn a_folded_incident_is_told_by_itself_only_above_the_rank_of_the_storm() {
    let mut storm = Storm::new();
    let folded = storm.fold("a", Severity::Medium, "host-1");
    assert_eq!(folded.milestones.last().unwrap().what, MilestoneKind::Folded);
    for class in CLASSES {
        let mut world = World::new();
        world.take_one(&event(Severity::Medium));
        world.incident_mut().fold = folded.incident.fold;
        let mut notified = Notified::new(class, &world);
        world.pass(minutes(1));
        assert_eq!(notified.due(&world), Due::Nothing);
        world.take_one(&event(Severity::High));
        assert!(!notified.deliver(&world).is_empty(), "{class:?}");
        world.order(Order::Resolve).unwrap();
        assert!(!notified.deliver(&world).is_empty(), "the end is told where the beginning was");

        let mut world = World::new();
        world.take_one(&event(Severity::Medium));
        world.incident_mut().fold = folded.incident.fold;
        world.order(Order::Resolve).unwrap();
        let notified = Notified::new(class, &world);
        assert_eq!(notified.due(&world), Due::Close("told through a storm incident or a digest"));
    }
}

/// A storm and its time.
struct Storm {
    subject: Option<Subject>,
    now: Timestamp,
    milestones: Vec<Milestone>,
    next: u64,
}

impl Storm {
    fn new() -> Self {
        Self { subject: None, now: World::new().now, milestones: Vec::new(), next: 0 }
    }

    fn fold(&mut self, rule: &str, severity: Severity, victim: &str) -> Subject {
        let mut world = World::new();
        world.now = self.now;
        world.take_one(&NewEvent { rule: rule.into(), victim: Some(victim.into()), ..event(severity) });
        let mut folded = world.latest.unwrap();
        self.next += 1;
        let mut subject = fold(self.subject.take(), &mut folded, &mut numbers(self.next), self.now);
        self.milestones.append(&mut subject.milestones);
        self.subject = Some(subject);
        folded
    }

    fn pass(&mut self, by: Duration) {
        let end = self.now.plus(by);
        let incident = &mut self.subject.as_mut().unwrap().incident;
        let (timing, mut present) = (Timing::default(), Present::beginning(World::new().now));
        while let Some(at) = check_at(incident, &timing, present).filter(|at| *at <= end) {
            present.now = at.max(self.now);
            self.milestones.extend(advance(incident, &timing, present));
        }
        self.now = end;
    }

    fn deliver(&self, class: NotifierClass, mut told: Notification) -> (Vec<String>, Notification) {
        let timing = Timing { wait: Duration::ZERO, ..Timing::default() };
        let mut words = Vec::new();
        while let Due::Now(intent) = due(self.incident(), &told, class, &timing, self.now) {
            words.push(word(&intent));
            told = intent.then;
        }
        (words, told)
    }

    fn incident(&self) -> &Incident {
        &self.subject.as_ref().unwrap().incident
    }

    fn facts(&self) -> &StormFacts {
        let IncidentKind::Storm(facts) = &self.incident().kind else { panic!("no storm") };
        facts
    }
}
