//! Clocks that are wrong, resolutions without end, alerts that flap, and fields of any length.

use super::world::*;
use crate::domain::*;
use crate::incidents::*;

#[test]
fn a_vendors_clock_in_another_century_dates_nothing_and_ends_nothing() {
    for (time, is_late) in [("2100-01-01T00:00:00Z", false), ("1970-01-01T00:00:00Z", true)] {
        let at = Timestamp::parse(time).unwrap();
        let mut world = World::new();
        world.take(&vec![happened(event(Severity::High), at); 10]);
        world.pass(minutes(1));
        world.take_one(&happened(firing(1), at));
        let incident = world.incident();
        assert_eq!((incident.count, incident.state), (11, IncidentState::Open), "{time}");
        assert!(incident.last_at <= world.now && incident.received_at == world.now);
        // A resolution is dated near the time at which it came, so that the incident can come back.
        assert_eq!(world.take_one(&happened(resolved(1), at)), Joined::Resolved);
        assert!(
            world.incident().state_since >= world.now.minus(minutes(10)) && world.incident().state_since <= world.now
        );
        world.pass(minutes(5));
        let joined = world.take_one(&happened(event(Severity::High), at));
        // What claims to be from before the resolution is late, unless it is worse.
        assert_eq!(joined, if is_late { Joined::Late } else { Joined::Reopened }, "{time}");
        assert_eq!(
            world.take_one(&happened(event(Severity::Fatal), at)),
            [Joined::Raised, Joined::Reopened][usize::from(is_late)]
        );
        for class in CLASSES {
            let mut notified = Notified::new(class, &world);
            world.pass(minutes(1));
            assert!(!notified.deliver(&world).is_empty(), "{class:?}");
        }
    }
}

#[test]
fn a_clock_that_was_set_back_holds_back_nothing() {
    for class in [NotifierClass::EditableChat, NotifierClass::AppendOnly, NotifierClass::Ticket] {
        let mut world = World::new();
        let today = world.now;
        world.take_one(&event(Severity::High));
        world.now = Timestamp::parse("2100-01-01T00:00:00Z").unwrap();
        let mut notified = Notified::new(class, &world);
        world.timing.wait = std::time::Duration::ZERO;
        notified.deliver(&world);
        world.now = today.plus(minutes(10));
        world.take(&vec![event(Severity::High); 100]);
        assert_eq!(notified.deliver(&world).len(), 1, "{class:?}");
        assert!(notified.told.said.unwrap().at <= world.now || notified.told.shown.unwrap().at <= world.now);

        let mut late = Notified { told: Notification::new(world.now.plus(hours(24 * 365))), class };
        assert_eq!(late.deliver(&world).len(), 1, "{class:?}");
    }
}

#[test]
fn a_thousand_resolutions_are_one() {
    let mut world = World::new();
    world.take(&[firing(1), firing(2)]);
    let many: Vec<NewEvent> = [resolved(1), resolved(2)].into_iter().cycle().take(1000).collect();
    let joined = world.take(&many);
    assert_eq!(joined[..2], [Joined::Ended, Joined::Resolved]);
    assert!(joined[2..].iter().all(|joined| *joined == Joined::NothingToResolve));
    assert_eq!(world.milestones.len(), 2);
}

#[test]
fn alerts_that_flap_make_few_pages_and_a_short_timeline() {
    let mut world = World::new();
    let mut pager = Notified::new(NotifierClass::Pager, &world);
    let mut chat = Notified::new(NotifierClass::EditableChat, &world);
    let mut messages = 0;
    for _ in 0..500 {
        world.take(&[firing(1), firing(2)]);
        pager.deliver(&world);
        messages += chat.deliver(&world).len();
        world.pass(minutes(1));
        world.take(&[resolved(2), resolved(1)]);
        pager.deliver(&world);
        messages += chat.deliver(&world).len();
        world.pass(minutes(1));
    }
    // In 1,000 minutes: four reopenings, then an hour in which resolutions are held, and again.
    assert!(world.incident().reopenings <= 80, "{}", world.incident().reopenings);
    assert!(pager.told.pages <= 80 && pager.told.pages_resolved >= pager.told.pages - 1);
    assert!(messages < 600, "{messages}");
    assert_eq!(world.incident().count, 1000);
    assert!(world.incident().reopened_at.len() <= 4 && world.milestones.len() < 300);
    world.pass(hours(2));
    pager.deliver(&world);
    assert_eq!((world.state(), pager.told.pages_resolved), (IncidentState::Resolved, pager.told.pages));
}

#[test]
fn fields_of_any_length_are_told_apart_whole_and_kept_short() {
    let long = "x".repeat(100_000);
    let of = |end: &str| {
        let word = format!("{long}{end}");
        let draft = Draft {
            kind: word.clone(),
            title: word.clone(),
            group: Some(word.clone()),
            correlation: Some(word.clone()),
            actor: Actor::from_text(&word),
            target: Some(Target { url: Some(word.clone()), host: Some(word), ..Target::default() }),
            ..Draft::default()
        };
        draft.into_event(&receipt(), "v", Severity::High, 0)
    };
    let (one, two) = (of("1"), of("2"));
    let grouped = |event: &Event| group(event, &Hint::default(), &GroupBy::Vendor);
    assert_ne!(grouped(&one).key, grouped(&two).key);
    let of = |event: &Event| NewEvent::of(event, event.received_at, grouped(event).victim, true);
    assert_ne!(of(&one).correlation, of(&two).correlation);
    let mut world = World::new();
    world.take(&vec![of(&one); 1000]);
    let subject = world.latest.unwrap();
    assert_eq!(subject.incident.count, 1000);
    assert!(serde_json::to_string(&subject.incident).unwrap().len() < 4 << 10);
    assert!(serde_json::to_string(&subject.facets).unwrap().len() < 4 << 10);
}

#[test]
fn what_an_incident_takes_from_an_event_is_what_people_call_it() {
    let draft = Draft {
        kind: "api_threat".into(),
        title: "T".into(),
        rule: Some(Rule { id: Some("R1".into()), name: Some("SqlInjection".into()) }),
        actor: Some(Actor { ip: "192.0.2.7".parse().ok(), user: Some("bot".into()), country: Some("IN".into()) }),
        target: Some(Target { method: Some("POST".into()), url: Some("/v1".into()), ..Target::default() }),
        outcome: Some(EventOutcome::Blocked),
        ..Draft::default()
    };
    let plain = Draft { kind: "api_threat".into(), actor: Actor::from_text("claude"), ..Draft::default() };
    let of = |draft: Draft| {
        let event = draft.into_event(&receipt(), "v", Severity::High, 0);
        NewEvent::of(&event, event.received_at, None, true)
    };
    let (full, plain) = (of(draft), of(plain));
    assert_eq!((full.rule.as_str(), full.actor.as_deref()), ("SqlInjection", Some("192.0.2.7 (IN)")));
    assert_eq!((full.target.as_deref(), full.rank.to_string()), (Some("POST /v1"), "HIGH · blocked".into()));
    assert_eq!((plain.rule.as_str(), plain.actor.as_deref(), &plain.target), ("api_threat", Some("claude"), &None));
    assert!(!plain.is_old() && plain.correlation.is_none());
}

fn receipt() -> Receipt {
    Receipt {
        id: ReceiptId::generate(),
        source: source(),
        received_at: World::new().now,
        content_type: None,
        encoding: Encoding::Identity,
        body: bytes::Bytes::new(),
    }
}
