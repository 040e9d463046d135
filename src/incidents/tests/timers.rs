//! How the passing of time changes an incident.

use super::world::*;
use crate::domain::*;
use crate::incidents::*;

#[test]
fn silence_makes_an_incident_quiet_and_only_what_matters_and_was_not_taken_stays_listed() {
    let cases = [
        (Severity::High, false, true),
        (Severity::Medium, false, true),
        (Severity::Low, false, false),
        (Severity::High, true, false),
    ];
    for (severity, is_acknowledged, is_unattended) in cases {
        let mut world = World::new();
        world.take_one(&event(severity));
        if is_acknowledged {
            world.order(Order::Acknowledge).unwrap();
        }
        world.pass(hours(24) - minutes(1));
        assert!(world.state().is_live());
        world.pass(minutes(1));
        assert_eq!(
            (world.state(), world.incident().is_unattended),
            (IncidentState::Quiet, is_unattended),
            "{severity}"
        );
        assert_eq!(world.incident().state_by, Origin::Gatepost);
        assert_eq!(world.check_at(), None);
    }
}

#[test]
fn silence_is_measured_only_while_gatepost_listens() {
    let mut world = World::new();
    world.take_one(&event(Severity::High));
    let back = world.now.plus(hours(30));
    world.listening_since = back;
    assert_eq!(world.check_at(), Some(back.plus(hours(24))));
    world.pass(hours(53));
    assert_eq!(world.state(), IncidentState::Open);
    world.pass(hours(1));
    assert_eq!(world.state(), IncidentState::Quiet);
}

#[test]
fn a_repetition_is_seen_without_being_counted() {
    let mut world = World::new();
    world.take_one(&event(Severity::High));
    world.pass(hours(23));
    let now = world.now;
    repeat(world.incident_mut(), now);
    world.pass(hours(23));
    assert_eq!((world.state(), world.incident().count), (IncidentState::Open, 1));
}

#[test]
fn an_incident_that_goes_on_for_a_week_ends_and_is_followed_by_another() {
    let mut world = World::new();
    let mut joined = Vec::new();
    for _ in 0..=7 * 24 {
        joined.push(world.take_one(&event(Severity::High)));
        world.pass(hours(1));
    }
    let opened: Vec<usize> =
        joined.iter().enumerate().filter(|(_, joined)| **joined == Joined::Opened).map(|(hour, _)| hour).collect();
    assert_eq!(opened, [0, 7 * 24]);
}

#[test]
fn an_incident_whose_vendor_sends_resolutions_is_not_ended_by_silence_but_by_its_age() {
    let mut world = World::new();
    world.take_one(&firing(1));
    world.pass(hours(24 * 7) - minutes(1));
    assert_eq!(world.state(), IncidentState::Open);
    // Its resolution was lost, or it fires still.
    world.pass(minutes(1));
    assert_eq!((world.state(), world.incident().is_unattended), (IncidentState::Quiet, true));
    assert_eq!(world.take_one(&firing(1)), Joined::Opened);
    assert_eq!(world.incident().follows, Some(IncidentNumber(1)));
}

#[test]
fn a_resolution_ends_an_incident_that_its_age_has_made_quiet() {
    let mut world = World::new();
    world.take_one(&firing(1));
    let mut pager = Notified::new(NotifierClass::Pager, &world);
    pager.deliver(&world);
    world.pass(hours(24 * 8));
    assert_eq!(pager.deliver(&world), [""; 0], "silence resolves no page");
    assert_eq!(world.take_one(&resolved(1)), Joined::Resolved);
    assert_eq!(pager.deliver(&world), ["resolve: resolve page 1"]);
}

#[test]
fn an_acknowledgement_lapses_after_a_day_if_events_continue() {
    let mut world = World::new();
    world.take_one(&event(Severity::High));
    world.order(Order::Acknowledge).unwrap();
    world.pass(hours(23));
    world.take_one(&event(Severity::High));
    world.pass(hours(2));
    assert_eq!(world.state(), IncidentState::Acknowledged, "nothing has come since it could have lapsed");
    world.changes();
    world.take_one(&event(Severity::High));
    assert_eq!((world.state(), &world.incident().state_by), (IncidentState::Open, &Origin::Gatepost));
    assert_eq!(world.changes(), [MilestoneKind::Lapsed]);

    // A repetition proves as well that it continues.
    world.order(Order::Acknowledge).unwrap();
    for _ in 0..25 {
        world.pass(hours(1));
        let now = world.now;
        repeat(world.incident_mut(), now);
    }
    world.pass(minutes(1));
    assert_eq!(world.state(), IncidentState::Open);
}

#[test]
fn an_acknowledged_incident_whose_events_end_is_quiet_and_attended() {
    let mut world = World::new();
    world.take_one(&event(Severity::High));
    world.order(Order::Acknowledge).unwrap();
    world.pass(hours(1));
    world.take_one(&event(Severity::High));
    world.pass(hours(25));
    assert_eq!((world.state(), world.incident().is_unattended), (IncidentState::Quiet, false));
}

#[test]
fn a_held_resolution_waits_for_time_in_which_gatepost_listened() {
    let mut world = World::new();
    world.take_one(&event(Severity::High));
    world.incident_mut().resolution_held_until = Some(world.now.plus(minutes(30)));
    world.listening_since = world.now.plus(hours(2));
    world.pass(hours(2));
    assert_eq!(world.state(), IncidentState::Open);
    world.pass(minutes(30));
    assert_eq!(world.state(), IncidentState::Resolved);
}

#[test]
fn an_incident_is_too_old_only_by_a_settled_time_and_is_looked_at_again_now_and_then() {
    let mut world = World::new();
    world.take_one(&event(Severity::High));
    // The clock is set forward by a year: gatepost listens from then on.
    world.now = world.now.plus(hours(365 * 24));
    (world.unsettled, world.listening_since) = (hours(365 * 24), world.now);
    let present = world.present();
    let timing = world.timing;
    assert_eq!(advance(world.incident_mut(), &timing, present), None);
    assert_eq!(world.check_at(), Some(world.now.plus(minutes(10))));
    world.take_one(&event(Severity::High));
    assert_eq!((world.state(), world.incident().count), (IncidentState::Open, 2));
    // It is believed.
    world.now = world.now.plus(hours(23));
    world.unsettled = minutes(0);
    world.pass(minutes(0));
    assert_eq!(world.state(), IncidentState::Quiet);
}
