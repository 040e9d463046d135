//! The whole life cycle of an incident, told to each class: at once, at the end, and always one change behind.

use std::time::Duration;

use super::world::*;
use crate::domain::*;
use crate::incidents::*;

use NotifierClass::{AppendOnly, EditableChat, Pager, Ticket};

/// Open, 10,000 events, raise, spread, acknowledge, worse, resolve, late event, reopen, quiet.
const STEPS: [fn(&mut World); 10] = [
    |world| {
        world.take_one(&with_victim("a"));
    },
    |world| {
        world.pass(minutes(1));
        world.take(&vec![with_victim("a"); 10_000]);
        // Late enough for updates in chat, too early for tickets.
        world.pass(minutes(30));
    },
    |world| {
        world.take_one(&event(Severity::High));
    },
    |world| {
        world.take_one(&with_victim("b"));
    },
    |world| {
        world.order(Order::Acknowledge).unwrap();
    },
    |world| {
        world.take_one(&event(Severity::Critical));
    },
    |world| {
        world.pass(minutes(2));
        world.take_one(&resolved(None));
    },
    |world| {
        let before = world.now.minus(minutes(1));
        world.pass(minutes(1));
        assert_eq!(world.take_one(&happened(with_victim("a"), before)), Joined::Late);
    },
    |world| {
        world.pass(minutes(1));
        assert_eq!(world.take_one(&event(Severity::High)), Joined::Reopened);
    },
    |world| world.pass(hours(25)),
];

#[test]
fn a_life_that_is_told_at_once() {
    let expected: [(NotifierClass, &[&str]); 4] = [
        (
            Pager,
            &[
                "open: page 1",
                "",
                "raise: page 2",
                "spread: page 3",
                "acknowledge: acknowledge page 1, acknowledge: acknowledge page 2, acknowledge: acknowledge page 3",
                "raise: page 4",
                "resolve: resolve page 1, resolve: resolve page 2, resolve: resolve page 3, resolve: resolve page 4",
                "",
                "reopen: page 5",
                "",
            ],
        ),
        (
            EditableChat,
            &[
                "open: create 1",
                "update: edit",
                "raise: edit, raise: reply 1 to the channel",
                "spread: edit, spread: reply 2 to the channel",
                "acknowledge: edit",
                "raise: edit, raise: reply 3 to the channel",
                "resolve: edit, resolve: reply 4",
                "",
                "reopen: edit, reopen: reply 5 to the channel",
                "quiet: edit, quiet: reply 6 to the channel",
            ],
        ),
        (
            AppendOnly,
            &[
                "open: create 1",
                "update: reply 1 to the channel",
                "raise: reply 2 to the channel",
                "spread: reply 3 to the channel",
                "acknowledge: reply 4 to the channel",
                "raise: reply 5 to the channel",
                "resolve: reply 6 to the channel",
                "",
                "reopen: reply 7 to the channel",
                "quiet: reply 8 to the channel",
            ],
        ),
        (
            Ticket,
            &[
                "open: create 1",
                "",
                "raise: reply 1, raise: edit",
                "spread: reply 2",
                "acknowledge: reply 3",
                "raise: reply 4, raise: edit",
                "resolve: reply 5, resolve: transition",
                "",
                "reopen: reply 6, raise: edit, reopen: transition",
                "",
            ],
        ),
    ];
    for (class, expected) in expected {
        let (mut world, mut notified) = beginning(class);
        for (place, (step, expected)) in STEPS.into_iter().zip(expected).enumerate() {
            step(&mut world);
            assert_eq!(notified.deliver(&world).join(", "), *expected, "{class:?}, step {place}");
        }
        assert_eq!((world.incident().count, world.state()), (10_006, IncidentState::Quiet));
    }
}

#[test]
fn a_life_that_is_told_only_when_it_has_been_resolved() {
    let expected: [(NotifierClass, &[&str]); 4] = [
        (Pager, &[]),
        (EditableChat, &["resolve: create 1"]),
        (AppendOnly, &["resolve: create 1"]),
        (Ticket, &["resolve: create 1", "resolve: transition"]),
    ];
    for (class, expected) in expected {
        let (mut world, mut notified) = beginning(class);
        STEPS[..8].iter().for_each(|step| step(&mut world));
        assert_eq!(notified.deliver(&world), expected, "{class:?}");
    }
}

#[test]
fn a_life_that_is_told_only_when_all_is_quiet() {
    for (class, expected) in [
        (Pager, "open: page 1"),
        (EditableChat, "quiet: create 1"),
        (AppendOnly, "quiet: create 1"),
        (Ticket, "quiet: create 1"),
    ] {
        let (mut world, mut notified) = beginning(class);
        STEPS.iter().for_each(|step| step(&mut world));
        assert_eq!(notified.deliver(&world), [expected], "{class:?}");
        assert_eq!(notified.told.said.unwrap().standing, standing(world.incident()));
    }
}

/// A try is under way while the incident changes: it is taken, and the difference computed anew.
#[test]
fn a_life_whose_every_try_is_taken_only_after_the_next_change() {
    let expected: [(NotifierClass, &str); 4] = [
        (
            Pager,
            "open: page 1, raise: page 2, spread: page 3, acknowledge: acknowledge page 1, raise: page 4, \
             resolve: resolve page 1, resolve: resolve page 2",
        ),
        (
            EditableChat,
            "open: create 1, update: edit, raise: edit, raise: edit, acknowledge: edit, raise: edit, \
             resolve: edit, resolve: reply 1, reopen: edit, quiet: edit, quiet: reply 2 to the channel",
        ),
        (
            AppendOnly,
            "open: create 1, update: reply 1 to the channel, raise: reply 2 to the channel, \
             spread: reply 3 to the channel, acknowledge: reply 4 to the channel, raise: reply 5 to the channel, \
             resolve: reply 6 to the channel, reopen: reply 7 to the channel, quiet: reply 8 to the channel",
        ),
        (
            Ticket,
            "open: create 1, raise: reply 1, spread: reply 2, acknowledge: reply 3, raise: reply 4, \
             resolve: reply 5, raise: edit, reopen: reply 6, raise: edit",
        ),
    ];
    for (class, expected) in expected {
        let (mut world, mut notified) = beginning(class);
        let mut words = Vec::new();
        let mut under_way: Option<Intent> = None;
        for step in STEPS {
            step(&mut world);
            if let Some(intent) = under_way.take() {
                words.push(word(&intent));
                notified.told = intent.then;
            }
            under_way = notified.intent(&world);
        }
        if let Some(intent) = under_way {
            words.push(word(&intent));
            notified.told = intent.then;
        }
        words.extend(notified.deliver(&world));
        assert_eq!(words.join(", "), expected, "{class:?}");
    }
}

fn beginning(class: NotifierClass) -> (World, Notified) {
    let mut world = World::new();
    world.timing.wait = Duration::ZERO;
    let notified = Notified::new(class, &world);
    (world, notified)
}
