//! When what was old when it arrived is told together.

use std::time::Duration;

use super::world::*;
use crate::domain::*;
use crate::incidents::*;

#[test]
fn a_digest_stands_for_what_was_old_when_it_arrived() {
    let mut world = World::new();
    let yesterday = world.now.minus(hours(30));
    let old = |severity| happened(event(severity), yesterday);
    world.take(&[old(Severity::Medium), old(Severity::Low)]);
    let mut first = world.latest.clone().unwrap();
    assert!(first.is_old);
    let mut numbers = numbers(100);
    let subject = digest(None, &mut first, &mut numbers, &world.timing, world.now);
    let mut second = first.clone();
    second.incident.rank = rank(Severity::High);
    let subject = digest(Some(subject), &mut second, &mut numbers, &world.timing, world.now);
    let incident = &subject.incident;
    assert_eq!(incident.title, "2 incidents of events older than a day");
    assert_eq!((incident.count, incident.rank, incident.first_at), (4, rank(Severity::High), yesterday));
    assert_eq!((incident.key, incident.number), (digest_key(&source()), IncidentNumber(100)));
    assert_eq!(second.incident.fold.map(|fold| (fold.storm, fold.is_digest)), Some((IncidentNumber(100), true)));

    // Further old events change nothing; a new one is told by itself.
    world.latest = Some(first);
    world.take_one(&old(Severity::Medium));
    assert!(world.incident().fold.is_some());
    world.take_one(&event(Severity::Low));
    assert_eq!(world.incident().fold, None);
    assert!(world.changes().contains(&MilestoneKind::Unfolded));
    assert!(!World::new().take(&[event(Severity::Low)]).is_empty());
}

#[test]
fn a_digest_waits_everywhere_until_the_export_has_arrived() {
    for class in CLASSES {
        let mut world = World::new();
        let old = happened(event(Severity::Critical), world.now.minus(hours(30)));
        world.take(std::slice::from_ref(&old));
        let mut first = world.latest.clone().unwrap();
        let opened = world.now;
        let mut subject = digest(None, &mut first, &mut numbers(100), &world.timing, opened);
        let told = Notification::new(opened);
        let (timing, seconds) = (Timing::default(), Duration::from_secs);
        let due_at = |subject: &Subject, now| due(&subject.incident, &told, class, &timing, now);
        let opens_at = |at: u64| Due::At(opened.plus(seconds(at)));
        assert_eq!(due_at(&subject, opened), opens_at(10), "{class:?}");
        // What is still arriving puts it off, for a while.
        for (arrived, expected) in [(8, 18), (16, 26), (24, 34), (33, 43), (42, 52), (51, 60), (59, 60)] {
            count_in_digest(&mut subject, &first, 5, opened.plus(seconds(arrived)));
            assert_eq!(due_at(&subject, opened.plus(seconds(arrived))), opens_at(expected), "{class:?} {arrived}");
        }
        assert!(matches!(due_at(&subject, opened.plus(seconds(60))), Due::Now(_)), "{class:?}");
        assert_eq!(subject.incident.count, 1 + 7 * 5);
    }
}

#[test]
fn what_matters_and_comes_into_a_digest_that_was_told_is_told_like_a_raise() {
    for class in CLASSES {
        let mut export = Export::new(class);
        export.take(Severity::High);
        export.take(Severity::High);
        export.pass(10);
        assert_eq!(export.told(), ["open"], "{class:?}");
        export.acknowledge();
        export.pass(3600);
        // What does not matter changes a number.
        export.take(Severity::Medium);
        assert_eq!((export.state(), export.told()), (IncidentState::Acknowledged, vec![]), "{class:?}");
        export.take(Severity::High);
        export.take(Severity::High);
        assert_eq!((export.state(), export.told()), (IncidentState::Open, vec!["raise"]), "{class:?}");
        assert_eq!(export.notes(), ["#6 SQL injection, #5 SQL injection"], "{class:?}");
        // The next ones wait a minute, the ones after them two.
        export.acknowledge();
        export.pass(10);
        export.take(Severity::High);
        export.pass(49);
        assert_eq!(export.told(), Vec::<&str>::new(), "{class:?}");
        export.pass(1);
        assert_eq!((export.state(), export.told()), (IncidentState::Open, vec!["raise"]), "{class:?}");
        export.pass(1);
        export.take(Severity::High);
        export.pass(118);
        assert_eq!(export.told(), Vec::<&str>::new(), "{class:?}");
        export.pass(1);
        assert_eq!(export.told(), ["raise"], "{class:?}");
        // What outranks all before goes out at once.
        export.acknowledge();
        export.take(Severity::Critical);
        assert_eq!((export.state(), export.told()), (IncidentState::Open, vec!["raise"]), "{class:?}");
    }
}

#[test]
fn what_comes_into_a_digest_while_its_export_arrives_is_told_with_it() {
    for class in CLASSES {
        let mut export = Export::new(class);
        export.take(Severity::Low);
        export.pass(9);
        export.take(Severity::Critical);
        export.pass(10);
        assert_eq!(export.told(), ["open"], "{class:?}");
        export.pass(3600);
        assert_eq!((export.told(), export.notes()), (vec![], vec![]), "{class:?}");
    }
}

#[test]
fn a_sender_of_old_events_has_few_messages() {
    let mut export = Export::new(NotifierClass::Pager);
    let mut told_at = Vec::new();
    for second in 0..3600 {
        export.take(Severity::High);
        let told = export.told();
        assert!(told.len() < 2);
        told_at.extend(told.iter().map(|_| second / 60));
        export.pass(1);
    }
    assert_eq!(told_at, [1, 2, 4, 8, 16, 31, 46]);
}

/// A digest of old events at one notifier.
struct Export {
    digest: Option<Subject>,
    now: Timestamp,
    class: NotifierClass,
    told: Notification,
    milestones: Vec<Milestone>,
    next: u64,
}

impl Export {
    fn new(class: NotifierClass) -> Self {
        let now = World::new().now;
        Self { digest: None, now, class, told: Notification::new(now), milestones: Vec::new(), next: 1 }
    }

    fn take(&mut self, severity: Severity) {
        let mut world = World::new();
        world.take_one(&happened(event(severity), self.now.minus(hours(30))));
        let mut folded = world.latest.unwrap();
        self.next += 1;
        folded.incident.number = IncidentNumber(self.next);
        let timing = Timing::default();
        let mut subject = digest(self.digest.take(), &mut folded, &mut numbers(1), &timing, self.now);
        if subject.milestones.first().is_some_and(|first| first.what == MilestoneKind::Opened) {
            subject.milestones.clear();
        }
        self.digest = Some(subject);
    }

    fn incident_mut(&mut self) -> &mut Incident {
        &mut self.digest.as_mut().unwrap().incident
    }

    fn state(&self) -> IncidentState {
        self.digest.as_ref().unwrap().incident.state
    }

    fn acknowledge(&mut self) {
        let now = self.now;
        obey(self.incident_mut(), Order::Acknowledge, person("dana"), None, now).unwrap();
        self.told();
    }

    fn pass(&mut self, seconds: u64) {
        let (timing, mut present) = (Timing::default(), Present::beginning(self.now));
        self.now = self.now.plus(Duration::from_secs(seconds));
        present.now = self.now;
        let milestones: Vec<Milestone> =
            std::iter::from_fn(|| advance(self.incident_mut(), &timing, present)).collect();
        self.milestones.extend(milestones);
    }

    /// The changes that are told now.
    fn told(&mut self) -> Vec<&'static str> {
        let mut words = Vec::new();
        let timing = Timing::default();
        let incident = &self.digest.as_ref().unwrap().incident;
        while let Due::Now(intent) = due(incident, &self.told, self.class, &timing, self.now) {
            words.push(intent.change.as_str());
            self.told = intent.then;
        }
        words.retain(|word| *word != "update");
        words.dedup();
        words
    }

    fn notes(&mut self) -> Vec<String> {
        let mut all = std::mem::take(&mut self.digest.as_mut().unwrap().milestones);
        all.append(&mut self.milestones);
        all.into_iter().filter_map(|milestone| milestone.note).collect()
    }
}

#[test]
fn an_incident_that_has_something_new_in_its_first_batch_is_no_digest() {
    let mut world = World::new();
    let old = happened(event(Severity::Medium), world.now.minus(hours(30)));
    world.take(&[old, event(Severity::Medium)]);
    assert!(!world.latest.unwrap().is_old);
}
