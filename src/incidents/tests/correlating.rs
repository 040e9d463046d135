//! An incident with several of the vendor's alerts is over when all of them are.

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
    known.insert([1; 16], Correlation { at, is_firing: true });
    known.insert([2; 16], Correlation { at, is_firing: true });
    let mut world = World::new();
    world.take_one(&event(Severity::Low));
    world.latest.as_mut().unwrap().correlations = Correlations::new(known, 7, 7);
    world.take(&[firing(1), firing(3), resolved(2)]);
    let correlations = &world.latest.as_ref().unwrap().correlations;
    let changed: Vec<(u8, bool)> = correlations.changed().map(|(hash, state)| (hash[0], state.is_firing)).collect();
    assert_eq!(changed, [(2, false), (3, true)]);
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
    assert!(world.incident().ends_by_vendor && world.check_at().is_none());
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
