//! The contract of the store: what every store must do, run against every store there is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;
mod releases;
mod replays;
mod sinks;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use gatepost::domain::{
    Attempt, DeliveryState, EventKey, Note, OutcomeKind, Progress, ReceiptId, Severity, SourceName, Timestamp, Urgency,
};
use gatepost::store::{
    Acceptance, Access, Backlog, Claim, ClaimOrder, Conclusion, DeliveryFilter, DeliveryWork, Doubt, EventFilter,
    Hastened, Horizons, Inbox, Lease, LeasesLost, NotedTime, OpenError, Outbox, Page, PlannedEvent, Queries,
    ReceiptFilter, ReceiptLimits, ReceiptSize, ReceiptWork, Recurrence, Routed, Settlement, SqliteStore, StoreError,
    Upkeep, Verdict,
};

#[path = "../harness/authentic.rs"]
mod authentic;
use authentic::{REPEAT_WINDOW, Sent};
use fixture::*;

#[test]
fn the_same_key_is_accepted_once_also_within_one_transaction() {
    let fixture = Fixture::new();
    let tickets: Vec<_> = (0..200).map(|_| fixture.store.accept(fixture.arrival("s", "one", "body"), None)).collect();
    let answers: Vec<Acceptance> = tickets.into_iter().map(|ticket| ticket.wait().unwrap()).collect();
    let new: Vec<ReceiptId> =
        answers.iter().filter_map(|a| if let Acceptance::New(id) = a { Some(*id) } else { None }).collect();
    assert_eq!(new.len(), 1);
    assert!(answers.iter().all(|a| matches!(a, Acceptance::New(id) | Acceptance::Duplicate(id) if *id == new[0])));
    assert!(matches!(
        fixture.store.accept(fixture.arrival("other", "one", "body"), None).wait(),
        Ok(Acceptance::New(_))
    ));
    let fixture = fixture.reopen();
    assert_eq!(fixture.accept("one"), Acceptance::Duplicate(new[0]));
    assert_eq!(fixture.store.receipts(&ALL, &ReceiptFilter::default()).unwrap().len(), 2);
}

#[test]
fn bodies_are_kept_byte_for_byte() {
    let fixture = Fixture::new();
    let body = "\u{0}\u{feff}{\"a\":\"\n\"}";
    let Ok(Acceptance::New(id)) = fixture.store.accept(fixture.arrival("s", "x", body), None).wait() else { panic!() };
    let (row, receipt) = fixture.store.receipt(id).unwrap().unwrap();
    assert_eq!(receipt.unwrap().body, body.as_bytes());
    assert_eq!((row.state, row.bytes), ("waiting", body.len() as u64));
    assert!(fixture.store.receipt(ReceiptId::generate()).unwrap().is_none());
}

/// Of the length of several pieces and a bit, each of them another.
fn long_body(first: char) -> String {
    std::iter::once(first)
        .chain((0_u32..).flat_map(|number| format!("{number}\n").chars().collect::<Vec<_>>()))
        .take(3_000_001)
        .collect()
}

impl Fixture {
    /// Pieces of bodies in the store, and bodies that no receipt holds.
    fn pieces(&self) -> (i64, i64) {
        let connection = rusqlite::Connection::open(self.folder.path().join("test.db")).unwrap();
        let count = "SELECT (SELECT count(*) FROM body_pieces), (SELECT count(*) FROM loose_bodies)";
        connection.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    }
}

#[test]
fn a_long_body_is_kept_byte_for_byte_once_and_delays_no_other() {
    let fixture = Fixture::new();
    let body = long_body('x');
    let long = || fixture.store.accept(fixture.arrival("s", "long", &body), None);
    let other = long_body('y');
    let begun = [long(), fixture.store.accept(fixture.arrival("s", "other", &other), None), long()];
    // It was handed in later, and its answer does not wait for the three.
    assert!(matches!(fixture.accept("short"), Acceptance::New(_)));
    let answers = begun.map(|ticket| ticket.wait().unwrap());
    let [Acceptance::New(id), Acceptance::New(other_id), Acceptance::Duplicate(first)] = answers else {
        panic!("{answers:?}")
    };
    assert_eq!(first, id);
    assert_eq!(fixture.store.accept(fixture.arrival("s", "long", &body), None).wait(), Ok(Acceptance::Duplicate(id)));
    assert_eq!(fixture.pieces(), (12, 0));
    let fixture = fixture.reopen();
    let lengths: Vec<usize> = fixture
        .store
        .claim_receipts(ReceiptLimits::of_any_size(10), lease(0))
        .wait()
        .unwrap()
        .claims
        .iter()
        .map(|claim| claim.work().receipt.body.len())
        .collect();
    assert_eq!(lengths, [5, body.len(), body.len()]);
    for (id, body) in [(id, &body), (other_id, &other)] {
        let (row, receipt) = fixture.store.receipt(id).unwrap().unwrap();
        assert!(receipt.unwrap().body == body.as_bytes());
        assert_eq!(row.bytes, body.len() as u64);
    }
}

#[test]
fn what_a_dead_process_left_of_a_long_body_is_removed() {
    let fixture = Fixture::new();
    let connection = rusqlite::Connection::open(fixture.folder.path().join("test.db")).unwrap();
    connection.execute("INSERT INTO loose_bodies DEFAULT VALUES", []).unwrap();
    connection.execute("INSERT INTO body_pieces VALUES (last_insert_rowid(), 0, x'00')", []).unwrap();
    drop(connection);
    assert_eq!(fixture.pieces(), (1, 1));
    let fixture = fixture.reopen();
    assert_eq!(fixture.pieces(), (0, 0));
    let body = long_body('x');
    assert!(matches!(fixture.store.accept(fixture.arrival("s", "x", &body), None).wait(), Ok(Acceptance::New(_))));
    assert_eq!(fixture.pieces(), (6, 0));
}

#[test]
fn a_long_body_goes_with_its_receipt() {
    let fixture = Fixture::new();
    let arrival = fixture.arrival("s", "x", &long_body('x'));
    assert!(matches!(fixture.store.accept(arrival, None).wait(), Ok(Acceptance::New(_))));
    fixture.accept("short");
    fixture.dispatch(0, &[]);
    let horizons = Horizons { keys: at(0), receipts: at(1_001), events: at(0) };
    while fixture.store.prune(horizons, Vec::new(), 100).wait().unwrap() > 0 {}
    assert_eq!(fixture.store.receipts(&ALL, &ReceiptFilter::default()).unwrap().len(), 0);
    assert_eq!(fixture.pieces(), (0, 0));
}

#[test]
fn a_receipt_is_leased_and_taken_up_again_when_the_lease_ends() {
    let fixture = Fixture::new();
    fixture.accept("a");
    let first = fixture.claim_receipts(0);
    assert_eq!(first.len(), 1);
    assert!(fixture.claim_receipts(29_999).is_empty());
    let second = fixture.claim_receipts(30_000);
    assert_eq!((second.len(), second[0].work().tries), (1, 2));
    // The first comes too late: nothing of it is written.
    let late: Vec<Conclusion> = first
        .into_iter()
        .map(|claim| Conclusion { events: vec![planned(&claim, "late", Severity::Low, &[])], claim, note: None })
        .collect();
    let outcome = fixture.store.conclude(Arc::new(late), &Arc::default(), at(30_001)).wait().unwrap();
    assert_eq!((outcome.leases_lost, outcome.by_source.len()), (1, 0));
    let held: Vec<Conclusion> = second
        .into_iter()
        .map(|claim| Conclusion {
            events: vec![planned(&claim, "held", Severity::Low, &["d"])],
            claim,
            note: Some(Note::Repaired),
        })
        .collect();
    let outcome = fixture.store.conclude(Arc::new(held), &Arc::default(), at(30_002)).wait().unwrap();
    let tally = outcome.total();
    assert_eq!((tally.events_new, tally.deliveries), (1, 1));
    assert!(fixture.claim_receipts(100_000).is_empty());
    let row = &fixture.store.receipts(&ALL, &ReceiptFilter::default()).unwrap()[0];
    assert_eq!((row.state, row.events, row.note), ("dispatched", 1, Some(Note::Repaired)));
}

#[test]
fn of_a_receipt_with_one_new_event_nothing_is_written_but_it_and_a_replay_counts_on() {
    let fixture = Fixture::new();
    let Acceptance::New(id) = fixture.accept("a") else { panic!() };
    fixture.dispatch(0, &[]);
    assert_eq!(fixture.count("SELECT count(*) FROM receipt_results"), 0);
    let shown = || {
        let row = fixture.store.receipts(&ALL, &ReceiptFilter::default()).unwrap().remove(0);
        (row.state, row.events, row.events_duplicate)
    };
    assert_eq!(shown(), ("dispatched", 1, 0));
    assert!(fixture.store.replay_receipt(id).unwrap());
    assert_eq!(shown(), ("waiting", 1, 0));
    // The order is given once more before it is carried out.
    assert!(fixture.store.replay_receipt(id).unwrap());
    fixture.dispatch(1, &[]);
    assert_eq!(shown(), ("dispatched", 1, 1));
    fixture.accept("waits");
    assert_eq!(shown(), ("waiting", 0, 0));
}

#[test]
fn an_event_key_has_its_effect_once() {
    let fixture = Fixture::new();
    fixture.accept("a");
    let claim = fixture.claim_receipts(0).remove(0);
    let twice =
        vec![planned(&claim, "k", Severity::Low, &["d", "e"]), planned(&claim, "k", Severity::Low, &["d", "e"])];
    let outcome = fixture
        .store
        .conclude(Arc::new(vec![Conclusion { claim, events: twice, note: None }]), &Arc::default(), at(0))
        .wait()
        .unwrap();
    let tally = outcome.by_source[&"s".parse().unwrap()];
    assert_eq!((tally.events_new, tally.events_duplicate, tally.deliveries), (1, 1, 2));
    assert_eq!(outcome.total(), tally);
}

/// Dispatches the one receipt that waits as one event that recurs, known for ten seconds; whether it was new.
fn dispatch_recurring(fixture: &Fixture, key: &str) -> bool {
    let claim = fixture.claim_receipts(1_000_000).remove(0);
    let mut event = planned(&claim, "e", Severity::Low, &["d"]);
    let key = EventKey::of(&"s".parse().unwrap(), &[key]);
    event.recurrence = Some(Recurrence { key, known_for: Duration::from_secs(10) });
    let conclusions = Arc::new(vec![Conclusion { claim, events: vec![event], note: None }]);
    let tally = fixture.store.conclude(conclusions, &Arc::default(), at(1_000_000)).wait().unwrap().total();
    assert_eq!((tally.events_new + tally.events_duplicate, tally.deliveries), (1, tally.events_new));
    tally.events_new == 1
}

#[test]
fn what_recurs_is_known_for_a_while_and_then_it_has_happened_again() {
    let fixture = Fixture::new();
    // When each was received, and whether it is new: the time runs from the last that was. One that is read late, after
    // a later one, does not move it back.
    for (place, (received_at, new)) in
        [(100_000, true), (110_000, false), (110_001, true), (120_001, false), (99_999, true), (110_002, false)]
            .into_iter()
            .enumerate()
    {
        let id = place.to_string();
        fixture.store.accept(fixture.arrival_at(received_at, "s", &id, &id), None).wait().unwrap();
        assert_eq!(dispatch_recurring(&fixture, "same"), new, "{place}");
    }
    fixture.store.accept(fixture.arrival_at(110_003, "s", "other", "other"), None).wait().unwrap();
    assert!(dispatch_recurring(&fixture, "other"));
    let fixture = fixture.reopen();
    fixture.store.accept(fixture.arrival_at(110_004, "s", "late", "late"), None).wait().unwrap();
    assert!(!dispatch_recurring(&fixture, "same"), "a restart forgets it");
    // Each time that it happened is an event of its own, and a replay finds it again.
    assert_eq!(fixture.store.events(&ALL, &EventFilter::default()).unwrap().len(), 4);
    let rows = fixture.store.receipts(&ALL, &ReceiptFilter::default()).unwrap();
    assert!(fixture.store.replay_receipt(rows.last().unwrap().id).unwrap());
    let claim = fixture.claim("d", 1, 2_000_000).remove(0);
    fixture.settle(claim, Verdict::Dead { reason: "refused".to_owned() });
    let claim = fixture.claim_receipts(2_000_000).remove(0);
    let events = vec![planned(&claim, "e", Severity::Low, &["d", "f"])];
    let conclusions = Arc::new(vec![Conclusion { claim, events, note: None }]);
    let tally = fixture.store.conclude(conclusions, &Arc::default(), at(2_000_000)).wait().unwrap().total();
    assert_eq!((tally.events_duplicate, tally.deliveries), (1, 2), "the dead one and the one that it lacked");
}

#[test]
fn what_is_in_quarantine_waits_for_a_replay() {
    let fixture = Fixture::new();
    let Acceptance::New(receipt) = fixture.accept("a") else { panic!() };
    let quarantined = EventFilter { quarantined: true, ..EventFilter::default() };
    let conclude = |routed: Routed, to: &[&str]| {
        let claim = fixture.claim_receipts(0).remove(0);
        assert_eq!(claim.work().replay, routed == Routed::Yes);
        let events = vec![PlannedEvent { routed, ..planned(&claim, "e", Severity::Low, to) }];
        fixture
            .store
            .conclude(Arc::new(vec![Conclusion { claim, events, note: None }]), &Arc::default(), at(0))
            .wait()
            .unwrap()
            .total()
    };
    let tally = conclude(Routed::Quarantined, &[]);
    assert_eq!((tally.events_new, tally.events_quarantined, tally.deliveries), (1, 1, 0));
    let rows = fixture.store.events(&ALL, &quarantined).unwrap();
    assert_eq!((rows.len(), rows[0].quarantined, rows[0].unrouted), (1, true, false));
    // The same once more is a repetition, and stays one.
    fixture.store.accept(fixture.arrival("s", "b", "a"), None).wait().unwrap();
    let tally = conclude(Routed::Quarantined, &[]);
    assert_eq!((tally.events_duplicate, tally.events_quarantined), (1, 0));
    assert!(fixture.store.replay_receipt(receipt).unwrap());
    assert_eq!(conclude(Routed::Yes, &["d"]).deliveries, 1);
    assert!(fixture.store.events(&ALL, &quarantined).unwrap().is_empty());
    assert_eq!(fixture.claim("d", 9, 1).len(), 1);
}

#[test]
fn the_key_of_an_event_that_is_dated_ahead_is_kept_until_the_event_is_old() {
    let fixture = Fixture::new();
    let day = 24 * 3_600_000;
    for (time, kept_until) in [(500, 1_000), (1_000, 1_000), (5_000, 5_000), (i64::MAX, 1_000 + day)] {
        let dispatch = |id: &str| {
            fixture.store.accept(fixture.arrival("s", id, "body"), None).wait().unwrap();
            let claim = fixture.claim_receipts(0).remove(0);
            let mut planned = planned(&claim, &time.to_string(), Severity::Low, &[]);
            planned.event.time = at(time);
            let conclusions = Arc::new(vec![Conclusion { claim, events: vec![planned], note: None }]);
            fixture.store.conclude(conclusions, &Arc::default(), at(0)).wait().unwrap().total().events_new
        };
        let horizons = |ms| Horizons { keys: at(ms), receipts: at(0), events: at(0) };
        assert_eq!(dispatch(&format!("{time}-1")), 1);
        fixture.store.prune(horizons(kept_until), Vec::new(), 100).wait().unwrap();
        assert_eq!(dispatch(&format!("{time}-2")), 0, "{time}: forgotten too early");
        fixture.store.prune(horizons(kept_until + 1), Vec::new(), 100).wait().unwrap();
        assert_eq!(dispatch(&format!("{time}-3")), 1, "{time}: kept too long");
        fixture.store.prune(horizons(i64::MAX), Vec::new(), 100).wait().unwrap();
    }
}

#[test]
fn a_large_receipt_is_recorded_piece_by_piece() {
    let fixture = Fixture::new();
    fixture.accept("a");
    let mut claim = fixture.claim_receipts(0).remove(0);
    for piece in 0..3 {
        let events = (0..10).map(|i| planned(&claim, &format!("{piece}/{i}"), Severity::Low, &["d"])).collect();
        let mut recorded =
            fixture.store.extend(&claim, Arc::new(events), &Arc::default(), lease(piece)).wait().unwrap();
        assert_eq!(recorded.tally.events_new, 10);
        claim.note(&mut recorded);
    }
    let events = vec![planned(&claim, "last", Severity::Low, &["d"])];
    fixture
        .store
        .conclude(Arc::new(vec![Conclusion { claim, events, note: None }]), &Arc::default(), at(9))
        .wait()
        .unwrap();
    let row = &fixture.store.receipts(&ALL, &ReceiptFilter::default()).unwrap()[0];
    assert_eq!((row.events, row.state), (31, "dispatched"));
    assert_eq!(fixture.claim("d", 100, 10).len(), 31);
}

#[test]
fn the_most_severe_goes_first_and_each_destination_has_its_own_queue() {
    let fixture = Fixture::new();
    for (id, severity) in [("a", Severity::Low), ("b", Severity::Critical), ("c", Severity::Medium)] {
        fixture.accept(id);
        let claim = fixture.claim_receipts(0).remove(0);
        let events = vec![planned(&claim, id, severity, &["d", "e"])];
        fixture
            .store
            .conclude(Arc::new(vec![Conclusion { claim, events, note: None }]), &Arc::default(), at(0))
            .wait()
            .unwrap();
    }
    fixture.single_out("d", 0);
    fixture.single_out("e", 0);
    let titles = |claims: &[Claim<DeliveryWork>]| -> Vec<String> {
        claims.iter().map(|claim| fixture.event(claim).title).collect()
    };
    assert_eq!(titles(&fixture.claim("d", 2, 1)), ["b", "c"]);
    assert_eq!(titles(&fixture.claim("d", 2, 1)), ["a"]);
    assert_eq!(fixture.claim("e", 10, 1).len(), 3);
    assert!(fixture.claim("f", 10, 1).is_empty());
}

#[test]
fn a_delivery_waits_for_its_time_and_says_when() {
    let fixture = Fixture::new();
    fixture.accept("a");
    fixture.dispatch(0, &["d"]);
    let claim = fixture.claim("d", 1, 1).remove(0);
    assert_eq!(fixture.settle(claim, again(5_000, false)), LeasesLost(0));
    let claimed = fixture.claim_by("d", 1, ClaimOrder::MostSevere, 4_999);
    assert_eq!((claimed.claims.len(), claimed.next_due), (0, Some(at(5_000))));
    let claim = fixture.claim("d", 1, 5_000).remove(0);
    let work = claim.work();
    assert_eq!((work.tries, work.uncertain, work.retrying_since), (2, false, Some(at(5))));
    assert_eq!(work.progress, Progress("note".into()));
    fixture.settle(claim, delivered());
    assert_eq!(fixture.states(), [DeliveryState::Delivered]);
    assert!(fixture.claim("d", 1, 1_000_000).is_empty());
}

#[test]
fn a_trial_is_handed_what_has_been_due_the_longest() {
    let fixture = Fixture::new();
    for (id, severity) in [("a", Severity::Critical), ("b", Severity::Low), ("c", Severity::Critical)] {
        fixture.accept(id);
        let claim = fixture.claim_receipts(0).remove(0);
        let events = vec![planned(&claim, id, severity, &["d"])];
        fixture
            .store
            .conclude(Arc::new(vec![Conclusion { claim, events, note: None }]), &Arc::default(), at(0))
            .wait()
            .unwrap();
    }
    fixture.single_out("d", 0);
    for claim in fixture.claim("d", 3, 1) {
        let due = if fixture.event(&claim).title == "b" { 10 } else { 20 };
        fixture.settle(claim, again(due, false));
    }
    let trial = |now| {
        let claimed = fixture.claim_by("d", 5, ClaimOrder::LongestDue, now);
        let title = |claim: &Claim<DeliveryWork>| fixture.event(claim).title;
        (claimed.claims.iter().map(title).collect::<Vec<String>>(), claimed.next_due)
    };
    assert_eq!(trial(9), (vec![], Some(at(10))));
    assert_eq!(trial(25), (vec!["b".to_owned()], Some(at(25))), "one, and not the most severe");
    assert_eq!(trial(25), (vec!["a".to_owned()], Some(at(25))));
    assert_eq!(trial(25), (vec!["c".to_owned()], Some(at(25))));
    assert_eq!(trial(25), (vec![], None));
}

#[test]
fn what_waits_for_one_destination_is_made_due_the_most_severe_first() {
    let fixture = Fixture::new();
    for (id, severity) in [("a", Severity::Low), ("b", Severity::Critical), ("c", Severity::Low)] {
        fixture.accept(id);
        let claim = fixture.claim_receipts(0).remove(0);
        let events = vec![planned(&claim, id, severity, &["d", "e"])];
        fixture
            .store
            .conclude(Arc::new(vec![Conclusion { claim, events, note: None }]), &Arc::default(), at(0))
            .wait()
            .unwrap();
    }
    fixture.single_out("d", 0);
    fixture.single_out("e", 0);
    for destination in ["d", "e"] {
        for claim in fixture.claim(destination, 3, 1) {
            fixture.settle(claim, again(300_000, false));
        }
    }
    let make_due = |limit| fixture.store.make_due(&"d".parse().unwrap(), at(10), limit).wait().unwrap();
    assert_eq!(make_due(1), 1);
    let first = fixture.claim("d", 10, 10);
    assert_eq!(fixture.event(&first[0]).title, "b");
    assert_eq!((first.len(), make_due(10), make_due(10)), (1, 2, 0), "what is under way stays so");
    assert_eq!(fixture.claim("d", 10, 10).len(), 2);
    assert!(fixture.claim("e", 10, 10).is_empty(), "the others wait on");
}

#[test]
fn what_may_have_arrived_stays_uncertain() {
    let fixture = Fixture::new();
    fixture.accept("a");
    fixture.dispatch(0, &["d"]);
    let claim = fixture.claim("d", 1, 1).remove(0);
    fixture.settle(claim, again(2, true));
    let claim = fixture.claim("d", 1, 2).remove(0);
    assert!(claim.work().uncertain);
    fixture.settle(claim, again(3, false));
    assert!(fixture.claim("d", 1, 3).remove(0).work().uncertain);
}

#[test]
fn a_settlement_after_the_lease_is_lost_and_overwrites_nothing() {
    let fixture = Fixture::new();
    fixture.accept("a");
    fixture.dispatch(0, &["d"]);
    let late = fixture.claim("d", 1, 0).remove(0);
    let second = fixture.claim("d", 1, 30_000).remove(0);
    assert!(second.work().uncertain);
    assert_eq!(fixture.settle(late, Verdict::Dead { reason: "late".to_owned() }), LeasesLost(1));
    assert_eq!(fixture.settle(second, delivered()), LeasesLost(0));
    assert_eq!(fixture.states(), [DeliveryState::Delivered]);
}

#[test]
fn a_settlement_that_is_handed_in_twice_counts_once() {
    let fixture = Fixture::new();
    fixture.accept("a");
    fixture.dispatch(0, &["d"]);
    let claim = fixture.claim("d", 1, 0).remove(0);
    let attempt =
        Attempt { number: 1, started_at: at(0), duration_ms: 1, outcome: OutcomeKind::Delivered, reason: None };
    let settlements = Arc::new(vec![Settlement { claim, attempt, verdict: delivered() }]);
    assert_eq!(fixture.store.settle(Arc::clone(&settlements), &Arc::default(), at(0)).wait(), Ok(LeasesLost(0)));
    assert_eq!(fixture.store.settle(settlements, &Arc::default(), at(0)).wait(), Ok(LeasesLost(1)));
    let id = fixture.store.deliveries(&ALL, &DeliveryFilter::default()).unwrap()[0].delivery.id;
    let (row, attempts) = fixture.store.delivery(id).unwrap().unwrap();
    assert_eq!((attempts.len(), row.delivery.remote.as_deref()), (1, Some("KEY-1")));
}

#[test]
fn the_work_of_a_dead_process_is_taken_up_at_the_next_start() {
    let fixture = Fixture::new();
    fixture.accept("a");
    fixture.dispatch(0, &["d"]);
    fixture.accept("b");
    drop(fixture.claim_receipts(1));
    drop(fixture.claim("d", 1, 1));
    let fixture = fixture.reopen();
    assert_eq!(fixture.claim_receipts(2).len(), 1);
    let claims = fixture.claim("d", 1, 2);
    assert!(claims[0].work().uncertain);
}

#[test]
fn replay_revives_what_is_dead_and_repeats_what_is_ordered() {
    let fixture = Fixture::new();
    let Acceptance::New(receipt) = fixture.accept("a") else { panic!() };
    fixture.dispatch(0, &["d", "e"]);
    let claim = fixture.claim("d", 1, 1).remove(0);
    fixture.settle(claim, Verdict::Dead { reason: "refused".to_owned() });
    let claim = fixture.claim("e", 1, 1).remove(0);
    fixture.settle(claim, delivered());
    assert!(fixture.store.replay_receipt(receipt).unwrap());
    assert!(!fixture.store.replay_receipt(ReceiptId::generate()).unwrap());
    assert!(fixture.claim_receipts(2)[0].work().replay);
    // Its claim is given up; the next dispatch adds "f", revives "d" and leaves "e" alone.
    let fixture = fixture.reopen();
    fixture.dispatch(2, &["d", "e", "f"]);
    assert_eq!(
        (fixture.claim("d", 9, 3).len(), fixture.claim("e", 9, 3).len(), fixture.claim("f", 9, 3).len()),
        (1, 0, 1)
    );
    let filter = DeliveryFilter { destination: Some("e".to_owned()), ..DeliveryFilter::default() };
    let id = fixture.store.deliveries(&ALL, &filter).unwrap()[0].delivery.id;
    assert!(fixture.store.replay_delivery(id, Doubt::Keep, at(4)).unwrap());
    assert!(!fixture.claim("e", 9, 4)[0].work().uncertain);
    assert!(!fixture.store.replay_delivery(id, Doubt::Keep, at(4)).unwrap());
}

#[test]
fn a_replayed_event_takes_over_what_reading_it_says_now() {
    let fixture = Fixture::new();
    let Acceptance::New(receipt) = fixture.accept("a") else { panic!() };
    fixture.dispatch(0, &["d", "e"]);
    let claim = fixture.claim("e", 1, 1).remove(0);
    fixture.settle(claim, delivered());
    let before = fixture.store.events(&ALL, &EventFilter::default()).unwrap().remove(0).event;
    // A repetition without an order of the operator changes nothing.
    let read_again = |severities: &[Severity], kind: Option<&str>| {
        let claim = fixture.claim_receipts(2).remove(0);
        let events = severities.iter().map(|severity| {
            let mut planned = planned(&claim, "e", *severity, &["d", "f"]);
            planned.event.title = format!("now {}", severity.as_str());
            planned.event.kind = kind.unwrap_or(&planned.event.kind).to_owned();
            planned
        });
        let conclusion = Conclusion { events: events.collect(), claim, note: None };
        fixture.store.conclude(Arc::new(vec![conclusion]), &Arc::default(), at(2)).wait().unwrap();
        fixture.store.events(&ALL, &EventFilter::default()).unwrap().remove(0).event
    };
    fixture.store.accept(fixture.arrival("s", "b", "a"), None).wait().unwrap();
    assert_eq!(read_again(&[Severity::Low], None), before);
    assert!(fixture.store.replay_receipt(receipt).unwrap());
    // Of two in one body that have the same key, the first counts, as it does when they are new.
    let now = read_again(&[Severity::Critical, Severity::Low], None);
    let told = (now.severity, now.title.as_str());
    assert_eq!(told, (Severity::Critical, "now critical"));
    assert_eq!((now.id, now.key, now.receipt, now.received_at), (before.id, before.key, receipt, before.received_at));
    let high = EventFilter { severity: Some(Severity::High), ..EventFilter::default() };
    assert_eq!(fixture.store.events(&ALL, &high).unwrap().len(), 1, "lists agree");
    let urgent = fixture.claim("d", 9, 3).remove(0);
    assert!(fixture.event(&urgent) == now, "destinations are told it");
    assert_eq!((fixture.claim("e", 9, 3).len(), fixture.claim("f", 9, 3).len()), (0, 1));
    // A body that cannot be parsed now does not replace an event that was parsed before.
    assert!(fixture.store.replay_receipt(receipt).unwrap());
    assert_eq!(read_again(&[Severity::High], Some("unparsed")), now);
}

#[test]
fn the_first_of_two_with_one_key_counts_in_a_replay_of_many_pieces() {
    let fixture = Fixture::new();
    let Acceptance::New(receipt) = fixture.accept("a") else { panic!() };
    fixture.dispatch(0, &["d"]);
    assert!(fixture.store.replay_receipt(receipt).unwrap());
    let mut claim = fixture.claim_receipts(1).remove(0);
    for severity in [Severity::Critical, Severity::Low] {
        let events = vec![planned(&claim, "e", severity, &["d"])];
        let mut recorded = fixture.store.extend(&claim, Arc::new(events), &Arc::default(), lease(1)).wait().unwrap();
        claim.note(&mut recorded);
    }
    let events = vec![planned(&claim, "e", Severity::Low, &["d"])];
    fixture
        .store
        .conclude(Arc::new(vec![Conclusion { claim, events, note: None }]), &Arc::default(), at(1))
        .wait()
        .unwrap();
    let severity = || fixture.store.events(&ALL, &EventFilter::default()).unwrap()[0].event.severity;
    assert_eq!(severity(), Severity::Critical);
    assert!(fixture.store.replay_receipt(receipt).unwrap());
    fixture.dispatch(2, &["d"]);
    assert_eq!(severity(), Severity::Medium, "the next replay begins anew");
    assert!(fixture.store.replay_receipt(receipt).unwrap());
    let claim = fixture.claim_receipts(3).remove(0);
    let events = [Severity::Critical, Severity::Low].map(|severity| planned(&claim, "new", severity, &["d"])).into();
    fixture
        .store
        .conclude(Arc::new(vec![Conclusion { claim, events, note: None }]), &Arc::default(), at(3))
        .wait()
        .unwrap();
    assert_eq!(severity(), Severity::Critical, "also of an event that is new in the replay");
}

#[test]
fn a_delivery_that_waits_takes_the_urgency_of_the_severity_of_now() {
    let fixture = Fixture::new();
    let Acceptance::New(first) = fixture.accept("a") else { panic!() };
    fixture.dispatch(0, &["d"]);
    fixture.accept("b");
    let claim = fixture.claim_receipts(0).remove(0);
    let events = vec![planned(&claim, "e", Severity::High, &["d"])];
    fixture
        .store
        .conclude(Arc::new(vec![Conclusion { claim, events, note: None }]), &Arc::default(), at(0))
        .wait()
        .unwrap();
    fixture.single_out("d", 0);
    assert!(fixture.store.replay_receipt(first).unwrap());
    let claim = fixture.claim_receipts(2).remove(0);
    let events = vec![planned(&claim, "e", Severity::Critical, &["d"])];
    fixture
        .store
        .conclude(Arc::new(vec![Conclusion { claim, events, note: None }]), &Arc::default(), at(2))
        .wait()
        .unwrap();
    let claimed = fixture.claim("d", 1, 3).remove(0);
    assert_eq!(fixture.event(&claimed).receipt, first, "the critical one goes first");
}

#[test]
fn listings_filter_and_page() {
    let fixture = Fixture::new();
    for id in ["a", "b", "c"] {
        fixture.accept(id);
    }
    fixture.dispatch(0, &[]);
    let first = fixture.store.receipts(&Page { limit: 2, before: None }, &ReceiptFilter::default()).unwrap();
    let rest = Page { limit: 2, before: Some(first[1].cursor) };
    assert_eq!((first.len(), fixture.store.receipts(&rest, &ReceiptFilter::default()).unwrap().len()), (2, 1));
    let unrouted = EventFilter { unrouted: true, ..EventFilter::default() };
    assert_eq!(fixture.store.events(&ALL, &unrouted).unwrap().len(), 3);
    let high = EventFilter { severity: Some(Severity::High), ..EventFilter::default() };
    assert!(fixture.store.events(&ALL, &high).unwrap().is_empty());
    let none = ReceiptFilter { source: Some("none".to_owned()), ..ReceiptFilter::default() };
    assert!(fixture.store.receipts(&ALL, &none).unwrap().is_empty());
    let one = EventFilter { receipt: Some(first[0].id), ..EventFilter::default() };
    assert_eq!(fixture.store.events(&ALL, &one).unwrap().len(), 1);
}

#[test]
fn an_event_is_found_by_its_id_at_the_vendor() {
    let fixture = Fixture::new();
    for id in ["a", "b"] {
        fixture.accept(id);
    }
    let mut claims = fixture.claim_receipts(0).into_iter();
    let mut conclusion = |vendor_id: Option<&str>| {
        let claim = claims.next().unwrap();
        let mut planned = planned(&claim, "e", Severity::Low, &[]);
        planned.event.vendor_id = vendor_id.map(str::to_owned);
        Conclusion { claim, events: vec![planned], note: None }
    };
    let conclusions = vec![conclusion(Some("alr'_\"1")), conclusion(None)];
    fixture.store.conclude(Arc::new(conclusions), &Arc::default(), at(0)).wait().unwrap();
    let found = |vendor_id: &str| {
        let filter = EventFilter { vendor_id: Some(vendor_id.to_owned()), ..EventFilter::default() };
        fixture.store.events(&ALL, &filter).unwrap()
    };
    assert_eq!(found("alr'_\"1").len(), 1);
    assert_eq!(found("alr'_\"1")[0].event.vendor_id.as_deref(), Some("alr'_\"1"));
    assert!(found("alr").is_empty() && found("").is_empty());
}

#[test]
fn pruning_takes_what_is_old_and_done_and_leaves_what_waits() {
    let fixture = Fixture::new();
    for id in ["a", "b"] {
        fixture.accept(id);
    }
    fixture.dispatch(0, &["d"]);
    fixture.accept("undispatched");
    let claim = fixture.claim("d", 1, 1).remove(0);
    fixture.settle(claim, delivered());
    let horizons = |ms| Horizons { keys: at(ms), receipts: at(ms), events: at(ms) };
    assert_eq!(fixture.store.prune(horizons(1_000), vec![name("d")], 100).wait(), Ok(0));
    while fixture.store.prune(horizons(1_001), vec![name("d")], 2).wait().unwrap() == 2 {}
    assert_eq!(fixture.store.receipts(&ALL, &ReceiptFilter::default()).unwrap().len(), 1);
    assert_eq!(fixture.store.events(&ALL, &EventFilter::default()).unwrap().len(), 1);
    assert_eq!(fixture.claim("d", 9, 2_000).len(), 1);
    assert!(matches!(fixture.accept("a"), Acceptance::New(_)), "its key has been forgotten");
}

#[test]
fn a_backup_is_whole_and_overwrites_nothing() {
    let fixture = Fixture::new();
    fixture.accept("a");
    let copy = fixture.folder.path().join("copy.db");
    fixture.store.backup(&copy).unwrap();
    assert!(fixture.store.backup(&copy).is_err());
    let mode = |path: &std::path::Path| {
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions())
    };
    for private in [&copy, &fixture.folder.path().join("test.db"), &fixture.folder.path().join("test.db-wal")] {
        assert_eq!(mode(private) & 0o077, 0, "{} can be read by others", private.display());
    }
    let restored = SqliteStore::open(&copy, Access::Serve).unwrap();
    assert_eq!(restored.receipts(&ALL, &ReceiptFilter::default()).unwrap().len(), 1);
}

#[test]
fn a_store_that_cannot_be_used_says_why() {
    let fixture = Fixture::new();
    let path = fixture.folder.path().join("test.db");
    assert!(matches!(SqliteStore::open(&path, Access::Serve), Err(OpenError::Served { .. })));
    assert!(SqliteStore::open(&path, Access::Operate).is_ok());
    let absent = fixture.folder.path().join("absent.db");
    assert!(matches!(SqliteStore::open(&absent, Access::Operate), Err(OpenError::Absent { .. })));
    let nowhere = fixture.folder.path().join("no/such/folder.db");
    assert!(matches!(SqliteStore::open(&nowhere, Access::Serve), Err(OpenError::Unusable { .. })));
    let garbage = fixture.folder.path().join("garbage.db");
    std::fs::write(&garbage, "this is no database at all, however long it may be").unwrap();
    assert!(matches!(SqliteStore::open(&garbage, Access::Serve), Err(OpenError::Unusable { .. })));
    let foreign = fixture.folder.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(matches!(SqliteStore::open(&foreign, Access::Serve), Err(OpenError::Foreign { .. })));
    let newer = fixture.folder.path().join("newer.db");
    SqliteStore::open(&newer, Access::Serve).unwrap().close();
    rusqlite::Connection::open(&newer).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    assert!(matches!(SqliteStore::open(&newer, Access::Serve), Err(OpenError::Newer { found: 99, .. })));
}

#[test]
fn what_was_accepted_a_while_ago_is_known_by_the_key_that_it_had_then() {
    let fixture = Fixture::new();
    // A body without an id is known by the period of its arrival and the two before.
    let period_ms = i64::try_from(REPEAT_WINDOW.as_millis() / 2).unwrap();
    let accept = |period: i64| {
        let sent = Sent { source: "s", id: None, body: "body", at: at(period * period_ms), headers: &[] };
        fixture.store.accept(sent.authenticated(), None).wait().unwrap()
    };
    let Acceptance::New(first) = accept(1) else { panic!() };
    assert_eq!(accept(1), Acceptance::Duplicate(first));
    assert_eq!(accept(2), Acceptance::Duplicate(first));
    assert_eq!(accept(3), Acceptance::Duplicate(first));
    let Acceptance::New(next) = accept(4) else { panic!("a repetition makes nothing known for longer") };
    assert_eq!(accept(5), Acceptance::Duplicate(next));
    assert_eq!(fixture.store.receipts(&ALL, &ReceiptFilter::default()).unwrap().len(), 2);
}

#[test]
fn a_store_that_another_process_holds_refuses_and_recovers() {
    let fixture = Fixture::new();
    let other = rusqlite::Connection::open(fixture.folder.path().join("test.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = fixture.store.accept(fixture.arrival("s", "a", "a"), None).wait();
    assert!(matches!(refused, Err(StoreError::Locked(_))), "{refused:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert!(matches!(fixture.accept("a"), Acceptance::New(_)));
    fixture.store.close();
    assert_eq!(fixture.store.accept(fixture.arrival("s", "b", "b"), None).wait(), Err(StoreError::Stopped));
    assert_eq!(fixture.store.check_writable().wait(), Err(StoreError::Stopped));
}

#[test]
fn leases_go_by_the_monotonic_clock() {
    let fixture = Fixture::new();
    fixture.accept("one");
    let day = 86_400_000;
    let set_forward = Lease { now: at(day), steady: at(1_000), length: Duration::from_secs(30) };
    assert_eq!(fixture.claim_receipts(0).len(), 1);
    assert!(
        fixture.store.claim_receipts(ReceiptLimits::of_any_size(100), set_forward).wait().unwrap().claims.is_empty(),
        "the lease has not ended"
    );
    let fixture = fixture.reopen();
    fixture.dispatch(0, &["d"]);
    let destination = "d".parse().unwrap();
    let again = |lease| {
        fixture
            .store
            .claim_batches(&destination, 10, ClaimOrder::MostSevere, ONE_EVENT, lease)
            .wait()
            .unwrap()
            .claims
            .len()
    };
    assert_eq!(fixture.claim("d", 10, 0).len(), 1);
    assert_eq!(again(set_forward), 0, "the lease has not ended");
    assert_eq!(again(Lease { steady: at(30_000), ..set_forward }), 1);
}

#[test]
fn deliveries_that_wait_for_a_time_far_away_are_made_due() {
    let fixture = Fixture::new();
    for id in ["near", "far", "under way"] {
        fixture.accept(id);
    }
    fixture.dispatch(0, &["d"]);
    let mut claims = fixture.claim("d", 2, 0);
    fixture.settle(claims.remove(0), again(5_000, false));
    fixture.settle(claims.remove(0), again(50_000, false));
    let hasten = |beyond| fixture.store.hasten(Hastened::Retries, at(beyond), at(100), 10).wait().unwrap();
    assert_eq!(fixture.claim("d", 10, 10).len(), 1);
    assert_eq!((hasten(50_000), hasten(5_000), hasten(5_000)), (0, 1, 0));
    assert_eq!(fixture.claim("d", 10, 99).len(), 0);
    assert_eq!(fixture.claim("d", 10, 100).len(), 1);
    assert_eq!(hasten(100), 1);
}

#[test]
fn the_time_that_was_noted_is_known_after_a_restart() {
    let fixture = Fixture::new();
    fixture.store.check_writable().wait().unwrap();
    assert_eq!(fixture.store.noted_time().unwrap(), None, "a check is no time");
    let settled = Timestamp::parse("2026-11-21T10:00:00Z").unwrap();
    let time = NotedTime { settled, vouched: settled.minus(Duration::from_secs(3600)) };
    fixture.store.note_time(time).wait().unwrap();
    let fixture = fixture.reopen();
    assert_eq!(fixture.store.noted_time().unwrap(), Some(time));
    fixture.store.check_writable().wait().unwrap();
    let noted = fixture.store.noted_time().unwrap().unwrap();
    assert!(noted.settled.since(settled) < Duration::from_secs(1) && noted.vouched == time.vouched, "{noted:?}");
}

#[test]
fn the_oldest_that_waits_is_known_for_each_source_and_destination() {
    let fixture = Fixture::new();
    let accept = |at_ms: i64, source: &str, id: &str| {
        fixture.store.accept(fixture.arrival_at(at_ms, source, id, id), None).wait().unwrap();
    };
    assert!(fixture.store.oldest_unread().unwrap().is_empty());
    accept(10, "a", "1");
    accept(20, "b", "2");
    accept(30, "a", "3");
    let oldest = |name: &str| fixture.store.oldest_unread().unwrap().get(&name.parse().unwrap()).copied();
    assert_eq!((oldest("a"), oldest("b"), oldest("c")), (Some(at(10)), Some(at(20)), None));
    // Claimed is not dispatched.
    let claims = fixture.store.claim_receipts(ReceiptLimits::of_any_size(1), lease(0)).wait().unwrap().claims;
    assert_eq!((oldest("a"), oldest("b")), (Some(at(10)), Some(at(20))));
    let id = claims[0].work().receipt.id;
    drop(claims);
    fixture.dispatch(100_000, &["soc", "pager"]);
    assert!(fixture.store.oldest_unread().unwrap().is_empty());
    assert!(fixture.store.replay_receipt(id).unwrap());
    assert!(fixture.store.oldest_unread().unwrap().is_empty(), "an old receipt that is replayed has been read before");

    accept(400_000, "a", "later");
    fixture.dispatch(500_000, &["soc"]);
    let depths = fixture.store.depths(at(1_000_000)).unwrap();
    let of = |name: &str, state| depths.iter().find(|d| d.destination.as_str() == name && d.state == state).unwrap();
    let (waiting, dead) = (DeliveryState::Waiting, DeliveryState::Dead);
    assert_eq!((of("soc", waiting).count, of("soc", waiting).oldest), (4, at(10)), "when it was received");
    for claim in fixture.claim("soc", 3, 600_000) {
        fixture.settle(claim, Verdict::Dead { reason: "no".to_owned() });
    }
    let depths = fixture.store.depths(at(1_000_000)).unwrap();
    let of = |name: &str, state| depths.iter().find(|d| d.destination.as_str() == name && d.state == state).unwrap();
    assert_eq!((of("soc", waiting).count, of("soc", waiting).oldest), (1, at(400_000)));
    assert_eq!((of("soc", dead).count, of("pager", waiting).oldest), (3, at(10)));
}

#[test]
fn what_was_just_accepted_is_claimed_from_memory_and_the_table_says_what_waits() {
    let fixture = Fixture::new();
    for id in ["1", "2", "3", "4"] {
        fixture.accept(id);
    }
    // Where the table no longer agrees, what is in memory is what was answered 200.
    fixture.tamper("UPDATE receipts SET body = x'00' WHERE seq = 2; DELETE FROM receipts WHERE seq > 2");
    let claimed = fixture.store.claim_receipts(ReceiptLimits::of_any_size(2), lease(0)).wait().unwrap();
    let bodies: Vec<_> = claimed.claims.into_iter().map(|mut claim| claim.take_receipt().body).collect();
    assert_eq!(bodies, ["1", "2"]);
    // A process that ends has nothing in memory: the rows that are left are what waits.
    let fixture = fixture.reopen();
    let claimed = fixture.store.claim_receipts(ReceiptLimits::of_any_size(9), lease(0)).wait().unwrap();
    assert_eq!((claimed.claims.len(), claimed.claims[0].work().tries), (2, 2));
}

#[test]
fn numbers_are_not_given_out_twice_where_retention_has_emptied_the_tables() {
    let fixture = Fixture::new();
    for id in ["1", "2"] {
        fixture.accept(id);
    }
    fixture.dispatch(0, &[]);
    let all = Horizons { keys: at(i64::MAX), receipts: at(i64::MAX), events: at(i64::MAX) };
    while fixture.store.prune(all, Vec::new(), 100).wait().unwrap() > 0 {}
    assert_eq!(fixture.store.receipts(&ALL, &ReceiptFilter::default()).unwrap().len(), 0);
    assert_eq!(fixture.store.events(&ALL, &EventFilter::default()).unwrap().len(), 0);
    fixture.accept("3");
    fixture.dispatch(0, &[]);
    assert_eq!(fixture.store.receipts(&ALL, &ReceiptFilter::default()).unwrap()[0].cursor, 3);
    assert_eq!(fixture.store.events(&ALL, &EventFilter::default()).unwrap()[0].cursor, 3);
}

#[test]
fn receipts_that_cannot_be_read_are_set_aside_and_keep_no_others() {
    for damage in [
        "UPDATE receipts SET source = 'not a name' WHERE seq = 2",
        "UPDATE receipts SET id = x'00' WHERE seq = 2",
        "UPDATE receipts SET body = 'text' WHERE seq = 2",
        "UPDATE receipts SET received_at = 'yesterday' WHERE seq = 2",
        "UPDATE receipts SET long_body = 77 WHERE seq = 2",
    ] {
        let fixture = Fixture::new();
        for id in ["1", "2", "3"] {
            fixture.accept(id);
        }
        fixture.tamper(damage);
        // What was just accepted would be claimed from memory.
        let fixture = fixture.reopen();
        let claimed = fixture
            .store
            .claim_receipts(ReceiptLimits::of_any_size(100), lease(0))
            .wait()
            .unwrap_or_else(|fault| panic!("{damage}: {fault}"));
        assert_eq!(claimed.claims.len(), 2, "{damage}");
        let [aside] = claimed.set_aside.as_slice() else { panic!("{damage}: {:?}", claimed.set_aside) };
        assert_eq!(aside.row, 2, "{damage}");
        assert!(!aside.reason.contains("text") || damage.contains("body"), "{}", aside.reason);
        let rows = fixture.store.receipts(&ALL, &ReceiptFilter::default()).unwrap_or_else(|f| panic!("{damage}: {f}"));
        let row = rows.iter().find(|row| row.cursor == 2).unwrap();
        assert_eq!((row.state, row.note), ("unreadable", Some(Note::Unreadable)), "{damage}");
        assert_eq!(row.reason.as_deref(), Some(aside.reason.as_str()));
        assert!(rows.iter().all(|row| row.cursor == 2 || row.reason.is_none()));
        // It is not claimed again, and what comes after it is.
        fixture.accept("4");
        let claimed = fixture.store.claim_receipts(ReceiptLimits::of_any_size(100), lease(60_000)).wait().unwrap();
        assert_eq!((claimed.claims.len(), claimed.set_aside.len()), (3, 0), "{damage}");
        assert_eq!(fixture.store.undispatched(), Ok(3), "{damage}");
    }
}

#[test]
fn a_receipt_that_was_repaired_is_read_when_it_is_replayed() {
    let fixture = Fixture::new();
    let Acceptance::New(id) = fixture.accept("1") else { panic!() };
    fixture.tamper("UPDATE receipts SET source = 'not a name'");
    let fixture = fixture.reopen();
    assert_eq!(
        fixture.store.claim_receipts(ReceiptLimits::of_any_size(1), lease(0)).wait().unwrap().set_aside.len(),
        1
    );
    assert!(fixture.store.replay_receipt(id).unwrap());
    assert_eq!(
        fixture.store.claim_receipts(ReceiptLimits::of_any_size(1), lease(0)).wait().unwrap().set_aside.len(),
        1,
        "it is as before"
    );
    fixture.tamper("UPDATE receipts SET source = 's'");
    assert!(fixture.store.replay_receipt(id).unwrap());
    fixture.dispatch(0, &[]);
    let row = fixture.store.receipts(&ALL, &ReceiptFilter::default()).unwrap().remove(0);
    assert_eq!((row.state, row.events, row.note, row.reason), ("dispatched", 1, None, None));
}

#[test]
fn a_delivery_that_cannot_be_read_becomes_a_dead_letter_and_keeps_no_others() {
    let fixture = Fixture::new();
    for id in ["1", "2", "3"] {
        fixture.accept(id);
    }
    fixture.dispatch(0, &["soc"]);
    for claim in fixture.claim("soc", 10, 0) {
        fixture.settle(claim, again(0, false));
    }
    fixture.tamper("UPDATE deliveries SET id = x'00' WHERE seq = 2");
    let claimed = fixture.claim_by("soc", 10, ClaimOrder::MostSevere, 0);
    assert_eq!((claimed.claims.len(), claimed.unreadable.len()), (2, 1));
    let dead = DeliveryFilter { state: Some(DeliveryState::Dead), ..DeliveryFilter::default() };
    let rows = fixture.store.deliveries(&ALL, &dead).unwrap();
    assert_eq!(rows[0].delivery.reason.as_deref(), Some(claimed.unreadable[0].reason.as_str()));
}

/// The files of a store with what stands in them, without those that only say who has it open.
fn content(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| !name.ends_with(".lock"))
        .collect();
    files.sort();
    files
}

#[test]
fn a_command_of_a_newer_gatepost_leaves_an_older_store_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    // As written by a version without a schema version.
    connection.execute_batch("PRAGMA application_id = 0x67617465; CREATE TABLE older (x)").unwrap();
    drop(connection);
    let before = content(folder.path());
    let refused = SqliteStore::open(&path, Access::Operate);
    assert!(matches!(refused, Err(OpenError::Older { found: 0, .. })), "{refused:?}");
    assert!(content(folder.path()) == before);
    // The process that serves locks the store.
    SqliteStore::open(&path, Access::Serve).unwrap().close();
    SqliteStore::open(&path, Access::Operate).unwrap();
}

#[test]
fn a_store_of_a_newer_gatepost_is_refused_untouched() {
    for access in [Access::Serve, Access::Operate] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        let newer = "PRAGMA application_id = 0x67617465; PRAGMA user_version = 99; CREATE TABLE newer (x)";
        connection.execute_batch(newer).unwrap();
        drop(connection);
        let before = content(folder.path());
        let refused = SqliteStore::open(&path, access);
        let message = refused.err().map(|fault| fault.to_string()).unwrap_or_default();
        assert!(message.contains("was written by a newer gatepost (schema 99"), "{message}");
        assert!(content(folder.path()) == before, "{access:?} has changed it");
    }
}

impl Fixture {
    /// Accepts requests of these sources and urgencies as one transaction would, if they come at once.
    fn accept_urgent(&self, source: &str, id: &str, urgency: Urgency) {
        let arrival = self.arrival(source, id, id).with_urgency(urgency);
        assert!(matches!(self.store.accept(arrival, None).wait(), Ok(Acceptance::New(_))));
    }

    /// The bodies of the receipts that the next claim holds, in its order.
    fn claim_bodies(&self, limits: ReceiptLimits) -> Vec<String> {
        let claims = self.store.claim_receipts(limits, lease(0)).wait().unwrap().claims;
        claims.iter().map(|claim| String::from_utf8_lossy(&claim.work().receipt.body).into_owned()).collect()
    }

    /// A store in which so many receipts of a source have been accepted, five hundred in a commit.
    fn flooded(source: &str, receipts: usize) -> Self {
        let fixture = Self::new();
        fixture.store.close();
        fixture.tamper(&format!(
            "BEGIN;
             WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {receipts})
             INSERT INTO receipts (id, source, received_at, content_type, encoding, bytes, body, long_body)
             SELECT randomblob(16), '{source}', 500, NULL, 'identity', 5, CAST('flood' AS BLOB), NULL FROM n;
             INSERT INTO runs (first, next, last, bytes, large, source, urgency)
             SELECT min(seq), min(seq), max(seq), sum(bytes), 0, '{source}', 1 FROM receipts GROUP BY (seq - 1) / 500;
             COMMIT"
        ));
        fixture.reopen()
    }
}

/// Up to so many small ones.
fn small(receipts: usize) -> ReceiptLimits {
    ReceiptLimits { size: Some(ReceiptSize::Small), receipts, bytes: 256 << 10 }
}

fn large(receipts: usize) -> ReceiptLimits {
    ReceiptLimits { size: Some(ReceiptSize::Large), receipts, bytes: 8 << 20 }
}

fn flood_of(fixture: &Fixture, source: &str, count: usize) {
    let arrival = |n: usize| fixture.arrival(source, &n.to_string(), source).with_urgency(Urgency::High);
    let tickets: Vec<_> = (0..count).map(|n| fixture.store.accept(arrival(n), None)).collect();
    tickets.into_iter().for_each(|ticket| assert!(matches!(ticket.wait(), Ok(Acceptance::New(_)))));
}

#[test]
fn sources_have_their_receipts_claimed_in_turn() {
    let fixture = Fixture::new();
    flood_of(&fixture, "b", 500);
    flood_of(&fixture, "a", 20);
    fixture.accept("s");
    let count = |bodies: &[String], body: &str| bodies.iter().filter(|found| *found == body).count();
    // Eight claims of eight: a, b, s, and again without s, which has nothing left.
    let first = fixture.claim_bodies(small(64));
    assert_eq!((count(&first, "a"), count(&first, "b"), count(&first, "s")), (20, 43, 1));
    fixture.accept("later");
    let second = fixture.claim_bodies(small(64));
    assert_eq!((count(&second, "b"), count(&second, "later")), (63, 1));
    // Wherever the round robin stands, the next source is another one.
    flood_of(&fixture, "c", 100);
    let third = fixture.claim_bodies(small(8));
    let fourth = fixture.claim_bodies(small(8));
    assert_eq!([count(&third, "b") + count(&fourth, "b"), count(&third, "c") + count(&fourth, "c")], [8, 8]);
}

#[test]
fn of_a_source_the_urgent_go_first_and_a_quarter_of_its_turn_is_for_the_oldest() {
    let fixture = Fixture::new();
    for (id, urgency) in [
        ("low", Urgency::Low),
        ("normal", Urgency::Normal),
        ("high", Urgency::High),
        ("critical", Urgency::Critical),
        ("critical2", Urgency::Critical),
    ] {
        fixture.accept_urgent("s", id, urgency);
    }
    assert_eq!(fixture.claim_bodies(small(32)), ["critical", "critical2", "high", "normal", "low"]);

    // Urgent ones that keep coming do not keep the oldest back.
    fixture.accept_urgent("s", "oldest", Urgency::Low);
    fixture.accept_urgent("s", "old", Urgency::Low);
    let mut places = Vec::new();
    for round in 0..10 {
        (0..3).for_each(|n| fixture.accept_urgent("s", &format!("{round}/{n}"), Urgency::Critical));
        let bodies: Vec<String> = (0..2).flat_map(|_| fixture.claim_bodies(small(1))).collect();
        places.extend(bodies.iter().position(|body| body.starts_with("old")).map(|_| round));
    }
    assert_eq!(places.len(), 2, "two of twenty claims, and all that were old");
    assert!(places[1] < 4, "{places:?}");
    // It is claimed with the others, and read after them.
    let fixture = Fixture::new();
    fixture.accept_urgent("s", "old", Urgency::Low);
    (0..20).for_each(|n| fixture.accept_urgent("s", &format!("{n}"), Urgency::Critical));
    let bodies = fixture.claim_bodies(small(8));
    assert_eq!(bodies, ["0", "1", "2", "3", "4", "5", "6", "old"]);
}

#[test]
fn the_first_of_a_kind_is_in_the_next_claim_whatever_waits_of_its_severity() {
    let fixture = Fixture::flooded("flood", 50_000);
    (0..100).for_each(|n| fixture.accept_urgent("flood", &format!("worse {n}"), Urgency::Critical));
    fixture.accept_urgent("flood", "another rule", Urgency::First);
    assert_eq!(fixture.claim_bodies(small(8))[0], "another rule");
    assert_eq!(fixture.count("SELECT count(*) FROM runs WHERE urgency = -1"), 0, "its run is gone");
}

#[test]
fn an_urgent_receipt_is_in_the_next_claim_whatever_waits() {
    let fixture = Fixture::flooded("flood", 200_000);
    assert_eq!(fixture.store.backlog(&"flood".parse().unwrap()), Backlog { receipts: 200_000, bytes: 1_000_000 });
    drop(fixture.claim_bodies(small(64)));
    fixture.accept_urgent("flood", "urgent here", Urgency::Critical);
    fixture.accept_urgent("other", "urgent there", Urgency::Critical);
    fixture.accept_urgent("third", "low there", Urgency::Low);
    let begun = std::time::Instant::now();
    let bodies = fixture.claim_bodies(small(64));
    let took = begun.elapsed();
    assert_eq!(bodies.len(), 64);
    assert_eq!(bodies[..2], ["urgent there", "urgent here"].map(str::to_owned), "{took:?}");
    assert!(bodies.contains(&"low there".to_owned()));
    assert!(took < Duration::from_millis(100), "a claim took {took:?}");
    // Claimed receipts still count as undispatched.
    assert_eq!(fixture.store.undispatched(), Ok(200_003));
}

#[test]
fn sources_that_come_and_go_cost_nothing() {
    let fixture = Fixture::new();
    let arrivals = (0..10_000).map(|n| fixture.arrival(&format!("source-{n}"), "id", "body"));
    let tickets: Vec<_> = arrivals.map(|arrival| fixture.store.accept(arrival, None)).collect();
    // More than may wait for their commit at once are refused.
    let accepted = tickets.into_iter().map(|ticket| ticket.wait());
    let accepted = accepted.filter(|answer| matches!(answer, Ok(Acceptance::New(_)))).count();
    assert!(accepted > 5_000, "{accepted}");
    let begun = std::time::Instant::now();
    let mut sources = std::collections::BTreeSet::new();
    let mut claims = 0;
    loop {
        let claimed = fixture.store.claim_receipts(small(64), lease(0)).wait().unwrap().claims;
        if claimed.is_empty() {
            break;
        }
        claims += 1;
        sources.extend(claimed.iter().map(|claim| claim.work().receipt.source.clone()));
        let conclusions = claimed.into_iter().map(|claim| Conclusion { claim, events: Vec::new(), note: None });
        fixture.store.conclude(Arc::new(conclusions.collect()), &Arc::default(), at(0)).wait().unwrap();
    }
    let took = begun.elapsed();
    assert_eq!((sources.len(), claims), (accepted, accepted.div_ceil(64)), "each has had its turn");
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(fixture.count("SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM receipt_queue)"), 0);
    assert!(fixture.store.backlogs().unwrap().is_empty());
}

#[test]
fn what_waits_is_in_the_same_order_after_a_restart() {
    let fixture = Fixture::new();
    for (id, urgency) in [("low", Urgency::Low), ("critical", Urgency::Critical), ("high", Urgency::High)] {
        fixture.accept_urgent("s", id, urgency);
    }
    let source = "s".parse().unwrap();
    let before = fixture.store.backlog(&source);
    assert_eq!(before, Backlog { receipts: 3, bytes: 15 });
    let fixture = fixture.reopen();
    assert_eq!(fixture.store.backlog(&source), before);
    assert_eq!(fixture.claim_bodies(small(2)), ["critical", "high"]);
    // What a dead process had claimed comes first.
    let fixture = fixture.reopen();
    assert_eq!(fixture.store.backlog(&source), Backlog { receipts: 1, bytes: 3 });
    assert_eq!(fixture.claim_bodies(small(8)), ["critical", "high", "low"]);
}

#[test]
fn a_backlog_counts_what_has_never_been_claimed() {
    let fixture = Fixture::new();
    let source: SourceName = "s".parse().unwrap();
    let receipts = || fixture.store.backlog(&source).receipts;
    assert_eq!(fixture.store.backlog(&source), Backlog::default());
    fixture.accept("one");
    assert!(matches!(fixture.accept("one"), Acceptance::Duplicate(_)));
    fixture.accept("two");
    assert_eq!(receipts(), 2, "a repetition does not wait");
    assert_eq!(fixture.store.backlogs().unwrap()[&source], fixture.store.backlog(&source));
    drop(fixture.claim_bodies(small(1)));
    assert_eq!(receipts(), 1);
    drop(fixture.claim_bodies(small(8)));
    assert_eq!((receipts(), fixture.store.backlogs().unwrap().len()), (0, 0));
}

#[test]
fn large_receipts_are_claimed_apart_from_small_ones() {
    let fixture = Fixture::new();
    let body = "x".repeat(200_000);
    for id in ["1", "2"] {
        fixture.store.accept(fixture.arrival("s", id, &body), None).wait().unwrap();
    }
    let headers = &[("content-encoding", "gzip")];
    let gzip = Sent { source: "s", id: Some("3"), body: &body[..20_000], at: at(1_000), headers };
    fixture.store.accept(gzip.authenticated(), None).wait().unwrap();
    fixture.accept("small");
    let claimed = fixture.store.claim_receipts(small(8), lease(0)).wait().unwrap();
    assert_eq!((claimed.claims.len(), claimed.is_other_size_waiting), (1, true));
    let lengths = |limits| fixture.claim_bodies(limits).iter().map(String::len).collect::<Vec<_>>();
    assert_eq!(lengths(large(8)), [200_000, 200_000, 20_000]);
    let claimed = fixture.store.claim_receipts(small(8), lease(0)).wait().unwrap();
    assert_eq!((claimed.claims.len(), claimed.is_other_size_waiting), (0, false));
    // A replay goes the same way.
    let fixture = fixture.reopen();
    let claimed = fixture.store.claim_receipts(small(8), lease(0)).wait().unwrap();
    assert_eq!((claimed.claims.len(), claimed.is_other_size_waiting), (1, true));
    assert_eq!(fixture.claim_bodies(large(8)).len(), 3);
}

#[test]
fn many_that_are_replayed_leave_half_of_a_claim_to_what_is_new() {
    let fixture = Fixture::new();
    let old: Vec<ReceiptId> = (0..20)
        .map(|n| {
            let Acceptance::New(id) = fixture.accept(&format!("old {n}")) else { panic!() };
            id
        })
        .collect();
    fixture.dispatch(0, &[]);
    old.iter().for_each(|id| assert!(fixture.store.replay_receipt(*id).unwrap()));
    (0..20).for_each(|n| fixture.accept_urgent("s", &format!("new {n}"), Urgency::Critical));
    let bodies = fixture.claim_bodies(small(8));
    assert_eq!(bodies.iter().filter(|body| body.starts_with("new")).count(), 4, "{bodies:?}");
    assert_eq!(fixture.claim_bodies(ReceiptLimits::of_any_size(100)).len(), 32);
}

#[test]
fn a_receipt_that_may_end_the_process_is_claimed_alone_while_no_other_is_under_way() {
    let fixture = Fixture::new();
    fixture.accept("poison");
    let body = "x".repeat(200_000);
    fixture.store.accept(fixture.arrival("s", "large", &body), None).wait().unwrap();
    let mut fixture = fixture;
    for _ in 0..2 {
        assert_eq!((fixture.claim_bodies(small(8)).len(), fixture.claim_bodies(large(8)).len()), (1, 1));
        fixture = fixture.reopen();
    }
    fixture.accept_urgent("s", "new", Urgency::Critical);
    // Both were under way each time: now each is claimed alone, to find the one that ends the process.
    let claimed = fixture.store.claim_receipts(small(8), lease(0)).wait().unwrap().claims;
    assert_eq!((claimed.len(), claimed[0].work().tries), (1, 3));
    assert!(fixture.claim_bodies(large(8)).is_empty() && fixture.claim_bodies(small(8)).is_empty());
    let conclude = |claims: Vec<Claim<ReceiptWork>>| {
        let conclusions = claims.into_iter().map(|claim| Conclusion { claim, events: Vec::new(), note: None });
        fixture.store.conclude(Arc::new(conclusions.collect()), &Arc::default(), at(0)).wait().unwrap();
    };
    conclude(claimed);
    let claimed = fixture.store.claim_receipts(small(8), lease(0)).wait().unwrap().claims;
    assert_eq!((claimed.len(), claimed[0].work().receipt.body.len()), (1, 200_000));
    conclude(claimed);
    assert_eq!(fixture.claim_bodies(small(8)), ["new"]);
}
