//! A random walk over events, orders, time and deliveries: invariants that hold in any order.

use std::time::Duration;

use super::world::*;
use crate::domain::*;
use crate::incidents::*;

#[test]
fn whatever_comes_the_counts_are_exact_and_everything_is_told_in_the_end() {
    for seed in 0..200 {
        let mut walk = Walk::new(seed);
        for _ in 0..120 {
            walk.step();
        }
        walk.finish();
    }
}

/// One incident key, all classes, and what must come out of it.
struct Walk {
    world: World,
    /// The notifications of each incident: of those that were followed by others as well.
    notified: Vec<(IncidentNumber, Vec<Notified>)>,
    random: u64,
    /// Told events that were taken, resolutions not among them.
    events: u64,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut world = World::new();
        world.timing.repeat_after = seed.is_multiple_of(3).then(|| hours(4));
        Self { world, notified: Vec::new(), random: seed.wrapping_mul(2) | 1, events: 0 }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % limit
    }

    fn step(&mut self) {
        match self.below(12) {
            0..=4 => self.take(),
            5..=6 => self.order(),
            7 => {
                let by = [minutes(1), minutes(20), hours(2), hours(26)][usize::try_from(self.below(4)).unwrap()];
                self.world.pass(by);
            }
            8 => self.world.pass(Duration::from_secs(1)),
            _ => self.deliver(),
        }
    }

    fn take(&mut self) {
        let events: Vec<NewEvent> = (0..=self.below(20)).map(|_| self.event()).collect();
        let joined = self.world.take(&events);
        let is_counted = |joined: &&Joined| {
            use Joined::{Counted, Late, Opened, Raised, Reopened, Spread};
            matches!(joined, Opened | Counted | Raised | Spread | Reopened | Late)
        };
        self.events += u64::try_from(joined.iter().filter(is_counted).count()).unwrap();
        for subject in self.world.past.iter().chain(&self.world.latest) {
            let number = subject.incident.number;
            if self.notified.iter().all(|(known, _)| *known != number) {
                let notified = CLASSES.into_iter().map(|class| Notified::new(class, &self.world)).collect();
                self.notified.push((number, notified));
            }
        }
    }

    fn event(&mut self) -> NewEvent {
        let severity = Severity::SCALE[usize::try_from(self.below(6)).unwrap()].1;
        let earlier = self.world.now.minus(minutes(self.below(60)));
        let correlation = u8::try_from(self.below(3)).unwrap();
        match self.below(10) {
            0..=3 => event(severity),
            4 => happened(event(severity), earlier),
            5 => with_victim(&format!("victim {}", self.below(15))),
            6 => firing(correlation),
            7 => happened(resolved(correlation), earlier),
            8 => resolved(None),
            _ => NewEvent { is_told: false, ..event(severity) },
        }
    }

    fn order(&mut self) {
        if self.world.latest.is_none() {
            return;
        }
        let until = self.world.now.plus(minutes(1 + self.below(300)));
        let orders = [
            Order::Acknowledge,
            Order::Unacknowledge,
            Order::Resolve,
            Order::Reopen,
            Order::Silence { until },
            Order::Note,
        ];
        let order = orders[usize::try_from(self.below(6)).unwrap()];
        // Many are refused in this state.
        drop(self.world.order(order));
    }

    /// One operation at one notifier, or all at all.
    fn deliver(&mut self) {
        let (class, is_all) = (usize::try_from(self.below(4)).unwrap(), self.below(4) == 0);
        let Self { world, notified, .. } = self;
        if let Some((_, notified)) = notified.last_mut() {
            if is_all {
                notified.iter_mut().for_each(|notified| drop(notified.deliver(world)));
            } else {
                notified[class].deliver_one(world);
            }
        }
    }

    /// Lets all end and be told, then looks at what was told.
    fn finish(mut self) {
        self.world.pass(hours(1));
        if self.world.latest.is_none() {
            return;
        }
        if self.world.state().is_live() && self.below(2) == 0 {
            self.world.order(Order::Resolve).unwrap();
        }
        self.world.timing.repeat_after = None;
        // Silences, updates and whatever else is announced.
        for _ in 0..40 {
            self.drain();
            self.world.pass(hours(5));
        }
        let of_all = |count: fn(&Incident) -> u64, world: &World| -> u64 {
            world.past.iter().chain(&world.latest).map(|subject| count(&subject.incident)).sum()
        };
        assert_eq!(of_all(|incident| incident.count, &self.world), self.events);
        let (_, notified) = self.notified.last().unwrap();
        for notified in notified {
            self.is_told(notified);
        }
    }

    fn drain(&mut self) {
        let Self { world, notified, .. } = self;
        for notified in &mut notified.last_mut().unwrap().1 {
            notified.deliver(world);
        }
    }

    fn is_told(&self, notified: &Notified) {
        let (incident, told, class) = (self.world.incident(), &notified.told, notified.class);
        let context = format!("{class:?} {incident:#?} {told:#?}");
        let due = notified.due(&self.world);
        assert!(matches!(due, Due::Nothing | Due::Close(_)), "{due:?} {context}");
        let is = standing(incident);
        let ended_silently = is.state == IncidentState::Quiet;
        if class == NotifierClass::Pager {
            assert!(told.pages_resolved <= told.pages && told.pages_acknowledged <= told.pages);
            if is.state == IncidentState::Resolved {
                assert_eq!(told.pages_resolved, told.pages, "{context}");
            }
            assert!(u64::from(told.pages) <= self.causes(incident), "{context}");
            return;
        }
        let said = told.said.expect(&context).standing;
        if !ended_silently {
            assert_eq!((said.state, said.rank.max(is.rank)), (is.state, said.rank), "{context}");
        }
        if let (NotifierClass::EditableChat, Some(shown)) = (class, told.shown) {
            let shown = shown.standing;
            assert_eq!((shown.count, shown.victims), (is.count, is.victims), "{context}");
            assert!(ended_silently || shown.state == is.state, "{context}");
        }
        if let (NotifierClass::Ticket, Some(shown)) = (class, told.shown) {
            let is_over = |state| state == IncidentState::Resolved;
            assert_eq!(is_over(shown.standing.state), is_over(is.state), "{context}");
            assert_eq!(shown.standing.rank, is.rank, "{context}");
        }
        assert!(told.creations == 1, "{context}");
    }

    /// How often there was reason for a page.
    fn causes(&self, incident: &Incident) -> u64 {
        use MilestoneKind::{Lapsed, Opened, Raised, Reopened, Spread, Unacknowledged};
        // Of all incidents of the key: each page has its cause in one of them.
        let is_cause = |milestone: &&Milestone| {
            matches!(milestone.what, Opened | Raised | Reopened | Spread | Lapsed | Unacknowledged)
        };
        let causes = self.world.milestones.iter().filter(is_cause).count();
        assert!(u64::from(incident.reopenings) <= u64::try_from(causes).unwrap());
        u64::try_from(causes).unwrap()
    }
}
