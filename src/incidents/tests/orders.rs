//! What a person may ask for, and is told where it cannot be.

use super::world::*;
use crate::domain::*;
use crate::incidents::*;

#[test]
fn each_order_is_obeyed_in_some_states_and_refused_in_the_others() {
    use MilestoneKind::{Acknowledged, Noted, Reopened, Silenced, Unacknowledged};
    const RESOLVED: Option<MilestoneKind> = Some(MilestoneKind::Resolved);
    let until = World::new().now.plus(hours(1000));
    // What becomes of it where the incident is open, acknowledged, resolved and quiet.
    let table = [
        (Order::Acknowledge, [Some(Acknowledged), None, None, None]),
        (Order::Unacknowledge, [None, Some(Unacknowledged), None, None]),
        (Order::Resolve, [RESOLVED, RESOLVED, None, RESOLVED]),
        (Order::Reopen, [None, None, Some(Reopened), Some(Reopened)]),
        (Order::Silence { until }, [Some(Silenced), Some(Silenced), None, None]),
        (Order::Note, [Some(Noted), Some(Noted), Some(Noted), Some(Noted)]),
    ];
    for (order, expected) in table {
        for (state, expected) in IncidentState::ALL.into_iter().zip(expected) {
            let mut world = in_state(state);
            let before = world.incident().clone();
            let done = world.order(order);
            assert_eq!(done.as_ref().ok(), expected.as_ref(), "{order:?} while {state:?}: {done:?}");
            if done.is_err() {
                assert_eq!(*world.incident(), before);
            }
        }
    }
}

#[test]
fn a_change_by_a_person_says_who_and_when() {
    let mut world = in_state(IncidentState::Open);
    world.order(Order::Acknowledge).unwrap();
    let incident = world.incident();
    let acknowledgement = incident.acknowledgement.clone().unwrap();
    assert_eq!((acknowledgement.by, acknowledgement.at, acknowledgement.number), (person("dana"), world.now, 1));
    assert_eq!((&incident.state_by, incident.state_since), (&person("dana"), world.now));
    assert_eq!(incident.state_note.as_deref(), Some("a note"));
    let last = world.milestones.last().unwrap();
    assert_eq!((last.by.clone(), last.at, last.note.as_deref()), (person("dana"), world.now, Some("a note")));
}

#[test]
fn what_is_told_of_a_note_belongs_to_the_state_and_is_short() {
    let mut world = in_state(IncidentState::Acknowledged);
    let now = world.now;
    let long = "é".repeat(STATE_NOTE_CHARS_MAX + 1);
    let milestone = obey(world.incident_mut(), Order::Resolve, person("dana"), Some(long.clone()), now).unwrap();
    assert_eq!(milestone.note.as_deref(), Some(long.as_str()), "the timeline has the whole");
    let told = world.incident().state_note.clone().unwrap();
    assert!(told.chars().count() == STATE_NOTE_CHARS_MAX && told.ends_with("é…"), "{told}");
    // A note for the timeline alone leaves it as it is, and the next state begins without one.
    obey(world.incident_mut(), Order::Note, person("ann"), Some("seen".into()), now).unwrap();
    assert_eq!(world.incident().state_note.as_deref(), Some(told.as_str()));
    obey(world.incident_mut(), Order::Reopen, person("ann"), None, now).unwrap();
    assert_eq!(world.incident().state_note, None);
}

#[test]
fn a_refusal_says_what_to_do() {
    let refused = |state, order| in_state(state).order(order).unwrap_err().to_string();
    let text = refused(IncidentState::Acknowledged, Order::Acknowledge);
    assert!(text.starts_with("#1 is acknowledged already, by dana at 21 Nov 2026") && text.contains("unack"), "{text}");
    let text = refused(IncidentState::Quiet, Order::Acknowledge);
    assert_eq!(text, "#1 is quiet; reopen it with `gatepost incidents reopen` first");
    let text = refused(IncidentState::Open, Order::Silence { until: Timestamp::from_millis(0) });
    assert!(text.contains("1970") && text.contains("--for"), "{text}");
    let mut world = in_state(IncidentState::Open);
    let now = world.now;
    let empty = obey(world.incident_mut(), Order::Note, person("dana"), Some("  ".into()), now);
    assert_eq!(empty, Err(OrderError::EmptyNote));
}

#[test]
fn a_resolution_by_a_person_ends_what_was_held_or_quiet() {
    let mut world = in_state(IncidentState::Quiet);
    assert!(world.incident().is_unattended);
    world.order(Order::Resolve).unwrap();
    assert!(!world.incident().is_unattended);
    world.order(Order::Reopen).unwrap();
    assert_eq!((world.incident().reopenings, world.incident().reopened_at.len()), (1, 0), "that is no flapping");
}

fn in_state(state: IncidentState) -> World {
    let mut world = World::new();
    world.take_one(&event(Severity::High));
    match state {
        IncidentState::Open => {}
        IncidentState::Acknowledged => drop(world.order(Order::Acknowledge).unwrap()),
        IncidentState::Resolved => drop(world.order(Order::Resolve).unwrap()),
        IncidentState::Quiet => world.pass(hours(24)),
    }
    assert_eq!(world.state(), state);
    world
}
