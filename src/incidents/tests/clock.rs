//! Incidents that were changed while the clock was ahead, once it has been set back.

use super::world::*;
use crate::domain::*;
use crate::incidents::*;

/// The clock is set back by years.
fn set_clock_back(world: &mut World) {
    world.now = world.now.minus(hours(12 * 365 * 24));
    world.listening_since = world.now;
}

#[test]
fn an_incident_of_a_clock_that_was_ahead_ends_in_its_time() {
    let mut world = World::new();
    world.take_one(&event(Severity::High));
    set_clock_back(&mut world);
    let now = world.now;
    assert!(world.check_at().unwrap() > now.plus(hours(24)));
    assert!(set_back(world.incident_mut(), now) && !set_back(world.incident_mut(), now));
    assert_eq!(world.check_at(), Some(now.plus(hours(24))));
    world.pass(hours(24));
    assert_eq!(world.state(), IncidentState::Quiet);
}

#[test]
fn an_acknowledgement_and_a_held_resolution_count_from_the_present() {
    let mut world = World::new();
    world.take_one(&event(Severity::High));
    world.order(Order::Acknowledge).unwrap();
    world.incident_mut().resolution_held_until = Some(world.now.plus(minutes(30)));
    set_clock_back(&mut world);
    let now = world.now;
    assert!(set_back(world.incident_mut(), now));
    assert_eq!(world.incident().acknowledgement.as_ref().unwrap().at, now);
    assert_eq!(world.incident().resolution_held_until, Some(now.plus(minutes(30))));
    world.pass(minutes(30));
    assert_eq!(world.state(), IncidentState::Resolved);
}

#[test]
fn a_storm_names_and_ends_in_its_time() {
    let mut world = World::new();
    world.take_one(&event(Severity::High));
    let ahead = world.now;
    let rules = vec![("named".to_owned(), 1), ("new".to_owned(), 1)];
    let facts = StormFacts {
        incidents: 2,
        rules,
        named: 1,
        named_at: Some((ahead, 60_000)),
        last_fold: Some(ahead),
        ..StormFacts::default()
    };
    world.incident_mut().kind = IncidentKind::Storm(facts);
    set_clock_back(&mut world);
    let now = world.now;
    assert!(set_back(world.incident_mut(), now));
    world.changes();
    world.pass(minutes(1));
    assert_eq!(world.changes(), [MilestoneKind::StormNamed]);
    world.pass(minutes(14));
    assert_eq!(world.state(), IncidentState::Resolved);
}

#[test]
fn an_event_after_a_resolution_that_is_dated_ahead_is_told() {
    let mut world = World::new();
    world.take_one(&event(Severity::High));
    world.order(Order::Resolve).unwrap();
    set_clock_back(&mut world);
    assert_eq!(world.take_one(&event(Severity::High)), Joined::Opened);
}

#[test]
fn nothing_waits_for_the_end_of_a_resolution_that_is_dated_ahead() {
    for class in CLASSES {
        let mut world = World::new();
        world.take_one(&event(Severity::High));
        let mut notified = Notified::new(class, &world);
        world.pass(minutes(1));
        notified.deliver(&world);
        world.order(Order::Resolve).unwrap();
        notified.deliver(&world);
        set_clock_back(&mut world);
        assert!(matches!(notified.due(&world), Due::Close(_)), "{class:?}: {:?}", notified.due(&world));
    }
}

#[test]
fn a_time_that_is_hardly_ahead_stays() {
    let mut world = World::new();
    world.take_one(&event(Severity::High));
    let now = world.now.minus(minutes(1));
    assert!(!set_back(world.incident_mut(), now));
}

#[test]
fn a_resolution_after_a_firing_that_is_dated_ahead_counts() {
    for (fires, ends) in [(firing(1), resolved(1)), (event(Severity::High), resolved(None))] {
        let mut world = World::new();
        world.take_one(&fires);
        set_clock_back(&mut world);
        assert_eq!(world.take_one(&ends), Joined::Resolved);
    }
}

#[test]
fn a_silence_lasts_as_long_as_was_asked_for() {
    let mut world = World::new();
    world.take_one(&event(Severity::High));
    world.order(Order::Silence { until: world.now.plus(hours(4)) }).unwrap();
    set_clock_back(&mut world);
    let now = world.now;
    assert!(set_back(world.incident_mut(), now) && !set_back(world.incident_mut(), now));
    assert_eq!(world.incident().silenced_until, Some(now.plus(hours(4))));
}
