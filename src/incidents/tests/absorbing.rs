//! How events change an incident.

use super::world::*;
use crate::domain::*;
use crate::incidents::*;

const LOW: Severity = Severity::Low;
const MEDIUM: Severity = Severity::Medium;
const HIGH: Severity = Severity::High;

#[test]
fn events_of_one_key_are_one_incident_and_counted_exactly() {
    let mut world = World::new();
    let joined = world.take(&vec![event(MEDIUM); 10_000]);
    assert_eq!(joined[0], Joined::Opened);
    assert!(joined[1..].iter().all(|joined| *joined == Joined::Counted));
    world.take(&vec![event(LOW); 234]);
    let incident = world.incident();
    assert_eq!((incident.count, incident.number, incident.victims), (10_234, IncidentNumber(1), 1));
    assert_eq!((incident.title.as_str(), incident.rule.as_str()), ("SQL injection", "SqlInjection"));
    assert_eq!((incident.state, &incident.state_by), (IncidentState::Open, &Origin::Vendor));
    assert_eq!(world.changes(), [MilestoneKind::Opened]);
    assert_eq!(world.latest.unwrap().facets.actors.frequent(), [("192.0.2.7", 10_234)]);
}

#[test]
fn a_higher_rank_raises_and_a_lower_one_changes_nothing() {
    let mut world = World::new();
    let ranks = [(MEDIUM, None), (LOW, Some(EventOutcome::Succeeded)), (MEDIUM, Some(EventOutcome::Blocked))];
    let joined: Vec<Joined> =
        ranks.map(|(severity, outcome)| world.take_one(&of_rank(severity, outcome))).into_iter().collect();
    assert_eq!(joined, [Joined::Opened, Joined::Counted, Joined::Counted]);
    world.pass(minutes(1));
    assert_eq!(world.take_one(&of_rank(MEDIUM, Some(EventOutcome::Allowed))), Joined::Raised);
    let since = world.now;
    assert_eq!(world.take_one(&event(HIGH)), Joined::Raised);
    world.pass(minutes(1));
    world.take_one(&event(LOW));
    assert_eq!((world.incident().rank, world.incident().rank_since), (event(HIGH).rank, since));
    assert_eq!(world.milestones[1].note.as_deref(), Some("from MEDIUM to MEDIUM · allowed"));
}

#[test]
fn an_incident_spreads_at_its_second_tenth_and_hundredth_victim() {
    let mut world = World::new();
    let mut spread_at = Vec::new();
    for victim in 1..=120 {
        if world.take_one(&with_victim(&format!("agent-{victim}"))) == Joined::Spread {
            spread_at.push(victim);
        }
        assert_eq!(world.take_one(&with_victim("agent-1")), Joined::Counted);
    }
    assert_eq!(spread_at[..2], [2, 10]);
    // Beyond 64 the number is an estimate.
    assert!(spread_at.len() == 3 && (85..=115).contains(&spread_at[2]), "{spread_at:?}");
}

#[test]
fn what_is_worse_takes_back_an_acknowledgement_and_keeps_it_for_the_words() {
    for worse in [event(HIGH), with_victim("second")] {
        let mut world = World::new();
        world.take_one(&with_victim("first"));
        world.order(Order::Acknowledge).unwrap();
        world.take_one(&with_victim("first"));
        assert_eq!(world.state(), IncidentState::Acknowledged);
        world.pass(minutes(30));
        world.take_one(&worse);
        assert_eq!((world.state(), world.incident().state_since), (IncidentState::Open, world.now));
        assert_eq!(world.incident().acknowledgement.as_ref().map(|by| by.number), Some(1));
        world.order(Order::Acknowledge).unwrap();
        assert_eq!(world.incident().acknowledgement.as_ref().map(|by| by.number), Some(2));
    }
}

#[test]
fn only_what_is_told_opens_or_joins() {
    let mut world = World::new();
    let untold = NewEvent { is_told: false, ..event(HIGH) };
    assert_eq!(world.take_one(&untold), Joined::NotTold);
    assert!(world.latest.is_none());
    world.take_one(&event(LOW));
    assert_eq!(world.take_one(&untold), Joined::NotTold);
    assert_eq!((world.incident().count, world.incident().rank), (1, event(LOW).rank));
}

#[test]
fn a_resolution_joins_whatever_the_routes_say_and_never_opens_counts_or_raises() {
    let mut world = World::new();
    let resolution = NewEvent { rank: event(HIGH).rank, ..resolved(None) };
    assert_eq!(world.take_one(&resolution), Joined::NothingToResolve);
    world.take_one(&event(LOW));
    world.pass(minutes(1));
    assert_eq!(world.take(&vec![resolution; 1000])[..2], [Joined::Resolved, Joined::NothingToResolve]);
    let incident = world.incident();
    assert_eq!((incident.count, incident.rank, incident.state), (1, event(LOW).rank, IncidentState::Resolved));
    assert_eq!((&incident.state_by, incident.state_since), (&Origin::Vendor, world.now));
    assert_eq!(world.changes(), [MilestoneKind::Opened, MilestoneKind::Resolved]);
}

#[test]
fn an_event_after_the_resolution_reopens_within_half_an_hour_and_opens_the_next_incident_later() {
    for (after, joined, count) in [(29, Joined::Reopened, 2), (30, Joined::Reopened, 2), (31, Joined::Opened, 1)] {
        let mut world = World::new();
        world.take_one(&event(HIGH));
        world.order(Order::Resolve).unwrap();
        world.pass(minutes(after));
        assert_eq!(world.take_one(&event(LOW)), joined, "{after}");
        let incident = world.incident();
        assert_eq!((incident.state, incident.count, incident.rank), (IncidentState::Open, count, event(LOW).rank));
        assert_eq!(incident.follows, (joined == Joined::Opened).then_some(IncidentNumber(1)));
        assert_eq!(incident.reopenings, u32::from(joined == Joined::Reopened));
    }
}

#[test]
fn an_event_after_silence_opens_the_next_incident() {
    let mut world = World::new();
    world.take_one(&event(HIGH));
    world.pass(hours(24));
    assert_eq!((world.state(), world.incident().is_unattended), (IncidentState::Quiet, true));
    assert_eq!(world.take_one(&event(HIGH)), Joined::Opened);
    assert_eq!((world.incident().number, world.incident().follows), (IncidentNumber(2), Some(IncidentNumber(1))));
    assert!(world.past.iter().all(|past| past.incident.state == IncidentState::Quiet));
}

#[test]
fn what_happened_before_the_resolution_is_counted_and_reopens_nothing_unless_it_raises() {
    let cases = [
        // Severity, how long before the resolution, how long after it received, what becomes of it.
        (LOW, 1, 10, Joined::Late),
        (LOW, 0, 10, Joined::Late),
        (LOW, 1, 60 * 23, Joined::Late),
        (LOW, 1, 60 * 25, Joined::Opened),
        (HIGH, 1, 10, Joined::Reopened),
        (HIGH, 1, 40, Joined::Opened),
    ];
    for (severity, before, after, expected) in cases {
        let mut world = World::new();
        world.take_one(&event(MEDIUM));
        world.pass(minutes(5));
        world.order(Order::Resolve).unwrap();
        let late = happened(event(severity), world.now.minus(minutes(before)));
        world.pass(minutes(after));
        assert_eq!(world.take_one(&late), expected, "{severity} {before} {after}");
        if expected == Joined::Late {
            assert_eq!((world.state(), world.incident().count), (IncidentState::Resolved, 2));
        }
    }
}

#[test]
fn a_firing_that_arrives_after_the_resolution_but_happened_after_it_as_well_reopens() {
    let mut world = World::new();
    world.take_one(&firing(1));
    world.pass(minutes(10));
    let (over, again) = (world.now, world.now.plus(minutes(1)));
    world.pass(minutes(2));
    assert_eq!(world.take_one(&happened(resolved(1), over)), Joined::Resolved);
    assert_eq!(world.incident().state_since, over);
    world.pass(minutes(1));
    assert_eq!(world.take_one(&happened(firing(1), again)), Joined::Reopened);
    assert_eq!(world.latest.unwrap().correlations.firing(), 1);
}

#[test]
fn what_follows_the_resolution_in_one_request_without_times_is_news() {
    let mut world = World::new();
    let joined = world.take(&[event(LOW), resolved(None), event(LOW)]);
    assert_eq!(joined, [Joined::Opened, Joined::Resolved, Joined::Reopened]);
}

#[test]
fn more_than_three_reopenings_in_an_hour_hold_the_next_resolution_until_half_an_hour_is_quiet() {
    let mut world = World::new();
    world.take_one(&event(MEDIUM));
    for _ in 0..4 {
        world.pass(minutes(2));
        assert_eq!(world.take_one(&resolved(None)), Joined::Resolved);
        world.pass(minutes(2));
        assert_eq!(world.take_one(&event(MEDIUM)), Joined::Reopened);
    }
    world.changes();
    assert_eq!(world.take(&[resolved(None), resolved(None)]), [Joined::ResolutionHeld; 2]);
    assert_eq!(world.changes(), [MilestoneKind::ResolutionHeld]);
    world.pass(minutes(29));
    assert_eq!(world.state(), IncidentState::Open);
    assert_eq!(world.take_one(&event(MEDIUM)), Joined::Counted);
    world.pass(minutes(2));
    assert_eq!(world.state(), IncidentState::Open, "a new event voids the resolution");
    // An hour after the first reopening there were fewer than four within the hour.
    world.pass(minutes(30));
    assert_eq!(world.take_one(&resolved(None)), Joined::Resolved);

    let mut world = held();
    world.pass(minutes(31));
    assert_eq!((world.state(), &world.incident().state_by), (IncidentState::Resolved, &Origin::Vendor));
    assert_eq!(world.incident().resolution_held_until, None);
}

fn held() -> World {
    let mut world = World::new();
    let round = [resolved(None), event(MEDIUM)];
    let rounds: Vec<NewEvent> = std::iter::once(event(MEDIUM)).chain(round.into_iter().cycle().take(1000)).collect();
    let joined = world.take(&rounds);
    let reopened = joined.iter().filter(|joined| **joined == Joined::Reopened).count();
    assert_eq!((reopened, world.incident().reopened_at.len(), world.incident().count), (4, 4, 501));
    assert_eq!(world.take_one(&resolved(None)), Joined::ResolutionHeld);
    world
}

#[test]
fn the_newest_event_of_the_highest_rank_shows_the_incident() {
    let mut world = World::new();
    let shows = |world: &mut World, events: &[NewEvent]| {
        world.take(events);
        world.latest.as_ref().unwrap().shows
    };
    assert_eq!(shows(&mut world, &[event(MEDIUM), event(LOW), event(MEDIUM), event(LOW)]), Some(2));
    assert_eq!(shows(&mut world, &[event(LOW)]), None);
    assert_eq!(shows(&mut world, &[event(LOW), event(HIGH), event(MEDIUM)]), Some(1));
    world.order(Order::Resolve).unwrap();
    world.pass(minutes(1));
    assert_eq!(shows(&mut world, &[event(LOW), event(LOW)]), Some(1), "the rank begins anew with a reopening");
}

#[test]
fn one_batch_may_hold_the_end_of_one_incident_and_the_beginning_of_the_next() {
    let mut world = World::new();
    world.timing.reopen_within = std::time::Duration::ZERO;
    world.take_one(&event(MEDIUM));
    world.pass(minutes(1));
    let ended = happened(resolved(None), world.now.minus(minutes(1)));
    let joined = world.take(&[event(MEDIUM), ended.clone(), event(MEDIUM), event(HIGH), ended, event(LOW)]);
    use Joined::{Counted, Opened, Raised, Resolved};
    assert_eq!(joined, [Counted, Resolved, Opened, Raised, Resolved, Opened]);
    let counts: Vec<u64> = world.past.iter().map(|past| past.incident.count).collect();
    assert_eq!((counts, world.incident().count), (vec![2, 2], 1));
    assert_eq!(world.incident().follows, Some(IncidentNumber(2)));
}

#[test]
fn every_word_and_number_of_what_became_of_an_event_is_its_own() {
    let numbers: Vec<u8> = Joined::ALL.iter().map(|joined| joined.number()).collect();
    assert_eq!(numbers, (0..12).collect::<Vec<u8>>());
    assert!(Joined::ALL.iter().all(|joined| Joined::from_number(joined.number()) == Some(*joined)));
    assert_eq!(Joined::from_number(12), None);
}

fn of_rank(severity: Severity, outcome: Option<EventOutcome>) -> NewEvent {
    NewEvent { rank: Rank { severity, outcome }, ..event(severity) }
}
