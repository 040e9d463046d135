//! An incident with several of the vendor's alerts is over when all of them are.

use std::time::Duration;

use super::world::*;
use crate::domain::*;
use crate::incidents::*;

#[test]
fn an_incident_is_resolved_when_every_alert_that_fired_in_it_is() {
    let mut world = World::new();
    world.take(&[firing(1), firing(2), firing(2)]);
    world.pass(minutes(1));
    assert_eq!(world.take_one(&resolved(1)), Joined::Ended);
    assert_eq!(world.take_one(&resolved(1)), Joined::NothingToResolve, "it had ended");
    assert_eq!(world.take_one(&resolved(3)), Joined::NothingToResolve, "it never fired");
    assert_eq!(world.take_one(&resolved(None)), Joined::Ended, "without a name it ends nothing that has one");
    assert_eq!(world.state(), IncidentState::Open);
    assert_eq!(world.take_one(&resolved(2)), Joined::Resolved);
    let subject = world.latest.unwrap();
    assert_eq!((subject.correlations.members(), subject.correlations.firing()), (2, 0));
}

#[test]
fn a_late_firing_does_not_keep_an_incident_open() {
    let mut world = World::new();
    let began = world.now;
    world.take(&[firing(1), firing(2)]);
    world.pass(minutes(10));
    world.take_one(&resolved(1));
    world.pass(minutes(1));
    assert_eq!(world.take_one(&happened(firing(1), began)), Joined::Counted);
    assert_eq!(world.take_one(&resolved(2)), Joined::Resolved);
}

#[test]
fn an_alert_that_fires_again_must_end_again() {
    let mut world = World::new();
    world.take(&[firing(1), firing(2)]);
    world.pass(minutes(10));
    world.take_one(&resolved(1));
    world.pass(minutes(1));
    world.take_one(&firing(1));
    assert_eq!(world.take_one(&resolved(2)), Joined::Ended);
    assert_eq!(world.take_one(&resolved(1)), Joined::Resolved);
}

#[test]
fn what_the_vendor_ends_after_a_person_did_is_remembered_for_a_reopening() {
    let mut world = World::new();
    world.take(&[firing(1), firing(2)]);
    world.order(Order::Resolve).unwrap();
    world.pass(minutes(1));
    assert_eq!(world.take_one(&resolved(1)), Joined::Ended);
    assert_eq!(world.take_one(&resolved(1)), Joined::NothingToResolve);
    assert_eq!(world.take_one(&resolved(None)), Joined::NothingToResolve);
    world.order(Order::Reopen).unwrap();
    assert_eq!(world.take_one(&resolved(2)), Joined::Resolved);
}

#[test]
fn only_what_changed_is_written() {
    let mut known = std::collections::BTreeMap::new();
    let at = World::new().now.minus(hours(1));
    known.insert([1; 16], Correlation { at, is_firing: true, fired: None });
    known.insert([2; 16], Correlation { at, is_firing: true, fired: None });
    let mut world = World::new();
    world.take_one(&event(Severity::Low));
    world.latest.as_mut().unwrap().correlations = Correlations::new(known, 7, 7);
    world.take(&[firing(1), firing(3), resolved(2)]);
    let correlations = &world.latest.as_ref().unwrap().correlations;
    let changed: Vec<(u8, bool)> = correlations.changed().map(|(hash, state)| (hash[0], state.is_firing)).collect();
    assert_eq!(changed, [(1, true), (2, false), (3, true)], "that it fires still is news as well");
    assert_eq!((correlations.members(), correlations.firing()), (8, 7));
}

#[test]
fn beyond_ten_thousand_alerts_resolutions_no_longer_count_and_silence_ends_the_incident() {
    let mut world = World::new();
    let many: Vec<NewEvent> = (0..10_001u32)
        .map(|n| {
            let mut hash = [0; 16];
            hash[..4].copy_from_slice(&n.to_le_bytes());
            NewEvent { correlation: Some(hash), ..firing(0) }
        })
        .collect();
    world.take(&many[..10_000]);
    assert!(world.incident().ends_by_vendor);
    assert_eq!(world.check_at(), Some(world.now.plus(hours(24 * 7))));
    world.take(&many[10_000..]);
    let ends: Vec<NewEvent> =
        many.iter().map(|event| NewEvent { correlation: event.correlation, ..resolved(None) }).collect();
    assert!(world.take(&ends).iter().all(|joined| *joined == Joined::Ended));
    assert_eq!(world.incident().count, 10_001);
    world.pass(hours(24));
    assert_eq!(world.state(), IncidentState::Quiet);
}

#[test]
fn that_there_were_too_many_alerts_is_stored_and_known_to_the_next_batch() {
    let mut world = World::new();
    world.take(&[firing(1)]);
    let mut subject = world.latest.take().unwrap();
    subject.correlations = Correlations::new(Default::default(), MEMBERS_MAX, MEMBERS_MAX);
    world.latest = Some(subject);
    world.take(&[firing(2), firing(3)]);
    let mut subject = world.latest.take().unwrap();
    assert_eq!(subject.correlations.changed().count(), 1, "one beyond the limit is the mark");
    // As the next batch loads it: what is stored, and none still firing of those that are known.
    subject.correlations = Correlations::new(Default::default(), subject.correlations.members(), 0);
    world.latest = Some(subject);
    assert_eq!(world.take_one(&resolved(None)), Joined::Ended);
    assert_eq!(world.state(), IncidentState::Open);
}

type Made = fn() -> NewEvent;

/// An alert with the vendor's name for it, and one without.
const ALERTS: [(Made, Made); 2] = [(|| firing(1), || resolved(1)), (|| event(Severity::Critical), || resolved(None))];

#[test]
fn a_resolution_that_was_received_before_the_latest_firing_ends_nothing() {
    for (fires, ends) in ALERTS {
        let mut world = World::new();
        world.take_one(&fires());
        world.pass(minutes(1));
        let before = world.now;
        world.pass(Duration::from_millis(5));
        // The more urgent one is read first.
        assert_eq!(world.take_one(&fires()), Joined::Counted);
        assert_eq!(world.take_one(&received(ends(), before)), Joined::ResolutionOutdated);
        assert_eq!((world.state(), world.incident().count), (IncidentState::Open, 2));
        assert_eq!(world.take_one(&ends()), Joined::Resolved);
    }
}

#[test]
fn a_resolution_that_the_vendor_dates_before_the_latest_firing_ends_nothing() {
    for (fires, ends) in ALERTS {
        let mut world = World::new();
        world.take_one(&happened(fires(), world.now));
        world.pass(minutes(1));
        let ended = world.now;
        world.pass(minutes(1));
        let again = world.now;
        world.pass(Duration::from_millis(800));
        world.take_one(&happened(fires(), again));
        world.pass(minutes(1));
        // It was refused at first, and is sent again.
        assert_eq!(world.take_one(&happened(ends(), ended)), Joined::ResolutionOutdated);
        assert_eq!(world.state(), IncidentState::Open);
        // Of the same second, by a clock that counts no less: the receipt decides.
        let sooner = again.plus(Duration::from_millis(400));
        assert_eq!(world.take_one(&received(happened(ends(), again), sooner)), Joined::ResolutionOutdated);
        assert_eq!(world.take_one(&happened(ends(), again)), Joined::Resolved);
    }
}

#[test]
fn a_resolution_that_the_vendor_dates_after_the_latest_firing_counts_although_it_came_first() {
    for (fires, ends) in ALERTS {
        let mut world = World::new();
        world.take_one(&happened(fires(), world.now));
        let (again, ended) = (world.now.plus(minutes(1)), world.now.plus(minutes(2)));
        world.pass(minutes(3));
        let came_at = world.now;
        world.pass(minutes(1));
        world.take_one(&happened(fires(), again));
        assert_eq!(world.take_one(&received(happened(ends(), ended), came_at)), Joined::Resolved);
    }
}

#[test]
fn a_resolution_without_a_time_that_is_sent_again_counts() {
    for (fires, ends) in ALERTS {
        let mut world = World::new();
        world.take_one(&happened(fires(), world.now));
        world.pass(minutes(2));
        assert_eq!(world.take_one(&ends()), Joined::Resolved);
    }
}

#[test]
fn the_last_alert_that_ends_leaves_an_incident_open_whose_latest_event_names_none() {
    let mut world = World::new();
    world.take_one(&firing(1));
    world.pass(minutes(1));
    let before = world.now;
    world.pass(minutes(1));
    world.take_one(&event(Severity::Critical));
    assert_eq!(world.take_one(&received(resolved(1), before)), Joined::ResolutionOutdated);
    assert_eq!((world.state(), world.latest.as_ref().unwrap().correlations.firing()), (IncidentState::Open, 0));
    assert_eq!(world.take_one(&resolved(1)), Joined::Resolved);
}
