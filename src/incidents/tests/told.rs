//! What is told, and when: each row of the table in the documentation, for each class of notifier.

use std::time::Duration;

use super::world::*;
use crate::domain::*;
use crate::incidents::*;

use NotifierClass::{AppendOnly, EditableChat, Pager, Ticket};

const HIGH: Severity = Severity::High;

#[test]
fn an_opening_waits_at_append_only_places_and_tickets_unless_it_is_critical() {
    for (severity, waits) in [(HIGH, true), (Severity::Critical, false), (Severity::Fatal, false)] {
        for class in CLASSES {
            let mut world = World::new();
            world.take_one(&event(severity));
            let mut notified = Notified::new(class, &world);
            let waits = waits && matches!(class, AppendOnly | Ticket);
            if waits {
                assert_eq!(notified.due(&world), Due::At(world.now.plus(Duration::from_secs(10))), "{class:?}");
                world.pass(Duration::from_secs(10));
            }
            let expected = if class == Pager { "open: page 1" } else { "open: create 1" };
            assert_eq!(notified.deliver(&world), [expected], "{class:?} {severity}");
        }
    }
}

#[test]
fn each_change_is_told_at_once_in_the_way_of_the_class() {
    type Happens = fn(&mut World);
    let raise: Happens = |world| {
        world.take_one(&event(Severity::Critical));
    };
    let spread: Happens = |world| {
        world.take(&[with_victim("a"), with_victim("b")]);
    };
    let acknowledge: Happens = |world| {
        world.order(Order::Acknowledge).unwrap();
    };
    let resolve: Happens = |world| {
        world.take_one(&resolved(None));
    };
    let counts: Happens = |world| {
        world.take(&vec![event(HIGH); 8]);
    };
    let table: [(&str, Happens, [&[&str]; 4]); 5] = [
        (
            "raise",
            raise,
            [
                &["raise: page 2"],
                &["raise: edit", "raise: reply 1 to the channel"],
                &["raise: reply 1 to the channel"],
                &["raise: reply 1", "raise: edit"],
            ],
        ),
        (
            "spread",
            spread,
            [
                &["spread: page 2"],
                &["spread: edit", "spread: reply 1 to the channel"],
                &["spread: reply 1 to the channel"],
                &["spread: reply 1"],
            ],
        ),
        (
            "acknowledged",
            acknowledge,
            [
                &["acknowledge: acknowledge page 1"],
                &["acknowledge: edit"],
                &["acknowledge: reply 1 to the channel"],
                &["acknowledge: reply 1"],
            ],
        ),
        (
            "resolved",
            resolve,
            [
                &["resolve: resolve page 1"],
                &["resolve: edit", "resolve: reply 1"],
                &["resolve: reply 1 to the channel"],
                &["resolve: reply 1", "resolve: transition"],
            ],
        ),
        ("more events", counts, [&[], &[], &[], &[]]),
    ];
    for (name, happens, expected) in table {
        for (class, expected) in CLASSES.into_iter().zip(expected) {
            let (mut world, mut notified) = told(class);
            world.pass(minutes(1));
            happens(&mut world);
            assert_eq!(notified.deliver(&world), expected, "{name} at {class:?}");
            assert!(notified.intent(&world).is_none());
        }
    }
}

#[test]
fn a_reopening_is_told_where_the_end_was_told_and_else_superseded() {
    let expected: [&[&str]; 4] = [
        &["reopen: page 2"],
        &["reopen: edit", "reopen: reply 2 to the channel"],
        &["reopen: reply 2 to the channel"],
        &["reopen: reply 2", "reopen: transition"],
    ];
    for (class, expected) in CLASSES.into_iter().zip(expected) {
        for is_end_told in [true, false] {
            let (mut world, mut notified) = told(class);
            world.take_one(&resolved(None));
            if is_end_told {
                notified.deliver(&world);
            }
            world.pass(minutes(1));
            assert_eq!(world.take_one(&event(HIGH)), Joined::Reopened);
            let expected = if is_end_told { expected } else { &[] };
            assert_eq!(notified.deliver(&world), expected, "{class:?} {is_end_told}");
        }
    }
}

#[test]
fn every_page_is_acknowledged_and_resolved_one_by_one() {
    let (mut world, mut notified) = told(Pager);
    world.take_one(&event(Severity::Critical));
    notified.deliver(&world);
    world.take_one(&event(Severity::Fatal));
    notified.deliver(&world);
    world.order(Order::Acknowledge).unwrap();
    let words = notified.deliver(&world);
    assert_eq!(words, [1, 2, 3].map(|page| format!("acknowledge: acknowledge page {page}")));
    assert_eq!(notified.told.said.unwrap().standing, standing(world.incident()));
    world.order(Order::Resolve).unwrap();
    // A resolution that is under way when the incident comes back leaves pages open: acknowledged ones, by whom it was over.
    notified.deliver_one(&world);
    world.pass(minutes(1));
    world.take_one(&event(HIGH));
    assert_eq!(notified.deliver(&world), ["reopen: page 4"]);
    world.order(Order::Resolve).unwrap();
    assert_eq!(notified.deliver(&world), [2, 3, 4].map(|page| format!("resolve: resolve page {page}")));
    assert_eq!(notified.told.said.unwrap().standing.state, IncidentState::Resolved);
}

#[test]
fn what_was_acknowledged_before_the_page_makes_none_until_it_is_worse() {
    let mut world = World::new();
    world.take_one(&event(HIGH));
    let mut notified = Notified::new(Pager, &world);
    world.order(Order::Acknowledge).unwrap();
    assert_eq!(notified.due(&world), Due::Nothing);
    world.take_one(&event(Severity::Critical));
    assert_eq!(notified.deliver(&world), ["open: page 1"]);
}

#[test]
fn more_events_are_told_in_each_classs_own_time() {
    // When the count is told, in minutes since the opening, while an event comes every minute: the first three times.
    let table: [(NotifierClass, &[u64]); 4] = [
        (Pager, &[]),
        (EditableChat, &[5, 10, 15]),
        // 10 events are there after 9 minutes, but half an hour must have passed: 31 are told then, 310 at 309.
        (AppendOnly, &[30, 309, 3099]),
        (Ticket, &[60, 60 + 24 * 60, 60 + 48 * 60]),
    ];
    for (class, expected) in table {
        let (mut world, mut notified) = told(class);
        let start = world.now;
        let mut told_at = Vec::new();
        while world.now.since(start) < hours(60) && told_at.len() < 3 {
            world.pass(minutes(1));
            world.take_one(&event(HIGH));
            let words = notified.deliver(&world);
            let expected = if class == EditableChat { "update: edit" } else { "update: reply" };
            assert!(words.len() <= 1 && words.iter().all(|word| word.starts_with(expected)), "{words:?}");
            told_at.extend(words.iter().map(|_| world.now.since(start).as_secs() / 60));
        }
        assert_eq!(told_at, expected, "{class:?}");
    }
}

#[test]
fn the_next_update_is_announced() {
    let (mut world, notified) = told(EditableChat);
    let opened_at = world.now;
    world.pass(minutes(1));
    assert_eq!(notified.due(&world), Due::Nothing);
    world.take_one(&event(HIGH));
    assert_eq!(notified.due(&world), Due::At(opened_at.plus(minutes(5))));
    let (mut world, notified) = told(Ticket);
    world.take_one(&event(HIGH));
    assert_eq!(notified.due(&world), Due::At(notified.told.opened_at.plus(hours(1))));
}

#[test]
fn an_incident_that_has_not_been_acknowledged_is_said_again_where_that_is_wanted() {
    let expected: [&[&str]; 4] = [&[], &["repeat: reply 1 to the channel"], &["repeat: reply 1 to the channel"], &[]];
    for (class, expected) in CLASSES.into_iter().zip(expected) {
        let (mut world, mut notified) = told(class);
        world.pass(hours(4));
        assert!(notified.intent(&world).is_none(), "the default is never");
        world.timing.repeat_after = Some(hours(4));
        assert_eq!(notified.deliver(&world), expected, "{class:?}");
        if !expected.is_empty() {
            assert_eq!(notified.due(&world), Due::At(world.now.plus(hours(4))));
        }
        world.order(Order::Acknowledge).unwrap();
        notified.deliver(&world);
        world.pass(hours(5));
        assert!(notified.intent(&world).is_none(), "{class:?} after the acknowledgement");
    }
}

#[test]
fn what_is_given_back_or_lapses_is_said_to_all_and_is_a_new_page() {
    let expected: [&[&str]; 4] = [
        &["acknowledge: page 2"],
        &["acknowledge: edit", "acknowledge: reply 1 to the channel"],
        &["acknowledge: reply 2 to the channel"],
        &["acknowledge: reply 2"],
    ];
    let ends: [fn(&mut World); 2] = [
        |world| {
            world.order(Order::Unacknowledge).unwrap();
        },
        |world| {
            world.take_one(&event(HIGH));
        },
    ];
    for (class, expected) in CLASSES.into_iter().zip(expected) {
        for (lapses, ends) in ends.into_iter().enumerate() {
            let (mut world, mut notified) = told(class);
            // An incident without an owner that goes on.
            world.timing.ack_for = if lapses == 1 { Duration::ZERO } else { hours(24) };
            world.order(Order::Acknowledge).unwrap();
            notified.deliver(&world);
            ends(&mut world);
            assert_eq!(world.state(), IncidentState::Open);
            assert_eq!(notified.deliver(&world), expected, "{class:?} {lapses}");
            assert!(notified.intent(&world).is_none(), "{class:?}");
        }
    }
}

#[test]
fn what_is_given_back_while_it_is_silenced_is_a_page_after_that() {
    let (mut world, mut notified) = told(Pager);
    world.order(Order::Acknowledge).unwrap();
    notified.deliver(&world);
    let until = world.now.plus(hours(4));
    world.order(Order::Silence { until }).unwrap();
    world.order(Order::Unacknowledge).unwrap();
    assert_eq!(notified.due(&world), Due::At(until));
    world.pass(hours(4));
    assert_eq!(notified.deliver(&world), ["acknowledge: page 2"]);
}

#[test]
fn silence_is_said_once_in_chat_if_the_incident_is_unattended_and_ends_nothing_elsewhere() {
    let unattended: [&[&str]; 4] =
        [&[], &["quiet: edit", "quiet: reply 1 to the channel"], &["quiet: reply 1 to the channel"], &[]];
    for (class, unattended) in CLASSES.into_iter().zip(unattended) {
        let (mut world, mut notified) = told(class);
        world.pass(hours(24));
        assert_eq!(world.state(), IncidentState::Quiet);
        assert_eq!(notified.deliver(&world), unattended, "{class:?}");
        assert_eq!(notified.due(&world), Due::Nothing);
        // Once a person resolves it, pages and tickets follow.
        world.order(Order::Resolve).unwrap();
        assert!(!notified.deliver(&world).is_empty());
        if class == Pager {
            assert_eq!(notified.told.pages_resolved, notified.told.pages);
        }

        let (mut world, mut notified) = told(class);
        world.order(Order::Acknowledge).unwrap();
        notified.deliver(&world);
        world.pass(hours(25));
        assert_eq!(notified.due(&world), Due::Close("quiet"), "{class:?}");
    }
}

#[test]
fn what_was_resolved_before_it_was_told_is_one_message_and_no_page() {
    for class in CLASSES {
        let mut world = World::new();
        world.take_one(&event(HIGH));
        let mut notified = Notified::new(class, &world);
        world.take_one(&resolved(None));
        if class == Pager {
            assert_eq!(notified.due(&world), Due::Close("resolved before it was told"));
            world.pass(minutes(1));
            world.take_one(&event(HIGH));
            assert_eq!(notified.deliver(&world), ["open: page 1"], "closing is not for ever");
            continue;
        }
        let words = notified.deliver(&world);
        // A ticket is created open, and closed by a transition like any other.
        let expected: &[&str] =
            if class == Ticket { &["resolve: create 1", "resolve: transition"] } else { &["resolve: create 1"] };
        assert_eq!(words, expected, "{class:?}");
    }
}

#[test]
fn what_went_quiet_before_it_was_told_is_told_unless_it_needs_no_page() {
    for (severity, words) in [(HIGH, ["open: page 1", "quiet: create 1"]), (Severity::Low, ["", "quiet: create 1"])] {
        for class in CLASSES {
            let mut world = World::new();
            world.take_one(&event(severity));
            let mut notified = Notified::new(class, &world);
            world.pass(hours(24));
            let expected = words[usize::from(class != Pager)];
            let words = notified.deliver(&world);
            assert_eq!(words.first().map_or("", String::as_str), expected, "{class:?} {severity}");
            assert!(words.len() <= 1);
        }
    }
}

#[test]
fn a_silenced_incident_lets_only_a_raise_and_a_spread_through() {
    for class in CLASSES {
        let (mut world, mut notified) = told(class);
        let until = world.now.plus(hours(4));
        world.order(Order::Silence { until }).unwrap();
        world.take(&vec![event(HIGH); 1000]);
        world.pass(hours(2));
        assert!(notified.intent(&world).is_none(), "{class:?}");
        world.take_one(&event(Severity::Critical));
        assert!(notified.deliver(&world).iter().any(|word| word.starts_with("raise")), "{class:?}");
        world.take(&[with_victim("a"), with_victim("b")]);
        assert!(notified.deliver(&world).iter().any(|word| word.starts_with("spread")), "{class:?}");
        world.order(Order::Resolve).unwrap();
        if class == Pager {
            // This ends pages and raises none.
            assert_eq!(notified.deliver(&world).len(), 3);
            world.pass(minutes(1));
            world.take_one(&event(Severity::Critical));
            assert_eq!(notified.due(&world), Due::At(until));
            world.pass(hours(2));
            assert_eq!(notified.deliver(&world), ["reopen: page 4"]);
        } else {
            assert_eq!(notified.due(&world), Due::At(until), "{class:?}");
            world.pass(hours(2));
            assert!(notified.deliver(&world).iter().any(|word| word.starts_with("resolve")), "{class:?}");
        }
    }
}

#[test]
fn what_is_worse_than_when_it_was_silenced_is_told_to_those_who_were_not_told_before() {
    type Event = fn() -> NewEvent;
    let worse: [(&str, Event); 2] = [("a raise", || event(Severity::Critical)), ("a spread", || with_victim("b"))];
    for (name, worse) in worse {
        for class in CLASSES {
            let mut world = World::new();
            world.take_one(&NewEvent { rank: event(Severity::Low).rank, ..with_victim("a") });
            world.pass(minutes(1));
            world.order(Order::Silence { until: world.now.plus(hours(4)) }).unwrap();
            world.pass(minutes(1));
            // A route sends it there from now on.
            let mut notified = Notified::new(class, &world);
            world.take_one(&event(Severity::Low));
            assert_eq!(notified.due(&world), Due::At(world.now.plus(hours(4) - minutes(1))), "{class:?}");
            world.take_one(&worse());
            world.pass(minutes(1));
            let opened = if class == Pager { "open: page 1" } else { "open: create 1" };
            assert_eq!(notified.deliver(&world), [opened], "{name} at {class:?}");
        }
    }
}

#[test]
fn an_opening_that_was_due_before_the_silence_is_told() {
    for class in CLASSES {
        let mut world = World::new();
        world.take_one(&event(HIGH));
        let mut notified = Notified::new(class, &world);
        let until = world.now.plus(hours(4));
        let (mut silenced_sooner, waits) =
            (world.now.plus(Duration::from_secs(5)), matches!(class, AppendOnly | Ticket));
        std::mem::swap(&mut world.now, &mut silenced_sooner);
        world.order(Order::Silence { until }).unwrap();
        world.pass(minutes(1));
        // It had waited for the rest of its ten seconds when it was silenced.
        assert_eq!(notified.intent(&world).is_none(), waits, "{class:?}");
        world.order(Order::Silence { until }).unwrap();
        assert_eq!(notified.deliver(&world).len(), 1, "{class:?}");
    }
}

#[test]
fn a_silence_of_an_earlier_version_holds_an_opening_back_until_its_end() {
    let mut world = World::new();
    world.take_one(&event(HIGH));
    let until = world.now.plus(hours(4));
    world.incident_mut().silenced_until = Some(until);
    world.take_one(&event(Severity::Critical));
    assert_eq!(Notified::new(Pager, &world).due(&world), Due::At(until));
}

#[test]
fn a_reopening_that_is_silenced_and_worse_is_told_as_a_raise() {
    for class in CLASSES {
        let (mut world, mut notified) = told(class);
        world.order(Order::Resolve).unwrap();
        notified.deliver(&world);
        world.incident_mut().silenced_until = Some(world.now.plus(hours(1)));
        world.pass(minutes(1));
        world.take_one(&event(Severity::Critical));
        let words = notified.deliver(&world);
        assert!(!words.is_empty() && words.iter().all(|word| word.starts_with("raise")), "{class:?}: {words:?}");
    }
}

#[test]
fn what_is_gone_is_created_again_at_the_next_raise_or_reopening() {
    for class in [EditableChat, AppendOnly, Ticket] {
        let (mut world, mut notified) = told(class);
        notified.told.is_gone = true;
        world.take(&vec![event(HIGH); 1000]);
        world.pass(hours(2));
        world.order(Order::Acknowledge).unwrap();
        assert!(notified.intent(&world).is_none(), "{class:?}");
        world.take_one(&event(Severity::Critical));
        assert_eq!(notified.deliver(&world), ["raise: create 2"], "{class:?}");
        assert!(!notified.told.is_gone);
        world.order(Order::Resolve).unwrap();
        notified.deliver(&world);
        notified.told.is_gone = true;
        world.pass(minutes(1));
        world.take_one(&event(HIGH));
        assert_eq!(notified.deliver(&world), ["reopen: create 3"], "{class:?}");
    }
}

#[test]
fn what_was_found_gone_when_the_end_was_to_be_told_is_created_again_at_a_reopening() {
    for class in [EditableChat, AppendOnly, Ticket] {
        let (mut world, mut notified) = told(class);
        world.order(Order::Resolve).unwrap();
        assert!(notified.intent(&world).is_some(), "{class:?}");
        // So it is told the end of nothing: what was said last is that it is open.
        notified.told.is_gone = true;
        assert!(notified.intent(&world).is_none(), "{class:?}");
        world.pass(minutes(1));
        assert_eq!(world.take_one(&event(HIGH)), Joined::Reopened);
        let until = world.now.plus(hours(1));
        world.incident_mut().silenced_until = Some(until);
        assert_eq!(notified.due(&world), Due::At(until), "{class:?}");
        world.incident_mut().silenced_until = None;
        assert_eq!(notified.deliver(&world), ["reopen: create 2"], "{class:?}");
        assert!(!notified.told.is_gone && notified.intent(&world).is_none(), "{class:?}");
    }
}

#[test]
fn a_notification_is_closed_once_it_was_told_the_end_and_nothing_can_reopen_it() {
    for class in CLASSES {
        let (mut world, mut notified) = told(class);
        world.take_one(&resolved(None));
        notified.deliver(&world);
        assert_eq!(notified.due(&world), Due::At(world.incident().state_since.plus(minutes(30))), "{class:?}");
        world.pass(minutes(30));
        assert_eq!(notified.due(&world), Due::Close("resolved"), "{class:?}");
    }
}

#[test]
fn a_flood_between_edit_and_reply_does_not_hold_the_reply_back() {
    let (mut world, mut notified) = told(EditableChat);
    world.take_one(&event(Severity::Critical));
    assert_eq!(notified.deliver_one(&world).as_deref(), Some("raise: edit"));
    world.take(&vec![event(HIGH); 1000]);
    assert_eq!(notified.deliver_one(&world).as_deref(), Some("raise: reply 1 to the channel"));
}

#[test]
fn what_is_told_counts_as_the_incident_was_when_it_was_claimed() {
    let (mut world, notified) = told(AppendOnly);
    world.take_one(&event(Severity::Critical));
    let intent = notified.intent(&world).unwrap();
    let said = Told { standing: standing(world.incident()), at: world.now };
    assert_eq!(intent.then.said, Some(said));
    assert_eq!((intent.then.replies, intent.then.pages, intent.then.creations), (1, 0, 1));
    assert_eq!(intent.then.reference, notified.told.reference);
}

/// An incident of high that was told just now.
fn told(class: NotifierClass) -> (World, Notified) {
    let mut world = World::new();
    world.take_one(&event(HIGH));
    let mut notified = Notified::new(class, &world);
    world.timing.wait = Duration::ZERO;
    notified.deliver(&world);
    notified.told.reference = Some(Reference::named("made"));
    (world, notified)
}

#[test]
fn what_was_repeated_after_doubt_is_confirmed_with_the_present_state_where_it_still_matters() {
    let doubtful = |class, operation, steps: &[fn(&mut World)]| {
        let mut world = World::new();
        world.take_one(&event(HIGH));
        world.pass(minutes(1));
        let mut notified = Notified::new(class, &world);
        notified.told.opened_at = world.now.minus(minutes(1));
        notified.deliver(&world);
        world.order(Order::Acknowledge).unwrap();
        notified.deliver(&world);
        notified.told.note_doubt(operation, world.now);
        for step in steps {
            step(&mut world);
            notified.deliver(&world);
        }
        world.pass(minutes(1) - Duration::from_millis(1));
        assert_eq!(notified.deliver(&world), [""; 0], "{class:?}");
        world.pass(Duration::from_millis(1));
        let told = notified.deliver(&world);
        if !told.is_empty() {
            assert!(notified.told.doubts.is_empty(), "{class:?}");
        }
        told
    };
    let raise: fn(&mut World) = |world| {
        world.take_one(&event(Severity::Critical));
    };
    let acknowledged = Operation::AcknowledgePage { page: 1 };
    assert_eq!(doubtful(Pager, acknowledged, &[]), ["acknowledge: acknowledge page 1"]);
    assert_eq!(doubtful(Pager, acknowledged, &[raise]), [""; 0], "it is open again");
    assert_eq!(doubtful(EditableChat, Operation::Edit, &[]), ["update: edit"]);
    assert_eq!(doubtful(EditableChat, Operation::Edit, &[raise]), ["update: edit"]);
    assert_eq!(doubtful(Ticket, Operation::Edit, &[]), ["update: edit"]);
    assert_eq!(doubtful(AppendOnly, Operation::Reply { number: 1, audience: Audience::Channel }, &[]), [""; 0]);
}
