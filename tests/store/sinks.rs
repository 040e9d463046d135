//! What the store promises sinks: every event in batches from a position, each batch the same until it is done.

use std::sync::Arc;
use std::time::Instant;

use gatepost::domain::{
    BatchSize, DeliveryState, EventId, IncidentNumber, NotifierClass, ReceiptId, Severity, Timestamp,
};
use gatepost::store::{
    Acceptance, Claim, ClaimOrder, Commands, Conclusion, Content, DeliveryFilter, DeliveryRow, DeliveryWork, Doubt,
    EventFilter, Horizons, Lease, NotifierPolicy, Outbox, Policy, Queries, Upkeep, Verdict,
};

use super::fixture::*;

const SIZE: BatchSize = BatchSize { events: 100, bytes: 1 << 20 };

impl Fixture {
    /// Records so many events, each of a receipt of its own, in one transaction for all.
    pub fn record(&self, count: usize, to: &[&str]) {
        let ids: Vec<String> = (0..count).map(|_| EventId::generate().to_string()).collect();
        let tickets: Vec<_> =
            ids.iter().map(|id| gatepost::store::Inbox::accept(&self.store, self.arrival("s", id, id), None)).collect();
        tickets.into_iter().for_each(|ticket| assert!(matches!(ticket.wait(), Ok(Acceptance::New(_)))));
        loop {
            let claims = self.claim_receipts(0);
            if claims.is_empty() {
                return;
            }
            let conclude = |claim: Claim<_>| {
                let events = vec![planned(&claim, "e", Severity::Medium, to)];
                Conclusion { claim, events, note: None }
            };
            let conclusions = claims.into_iter().map(conclude).collect();
            self.store.conclude(Arc::new(conclusions), &Arc::default(), at(0)).wait().unwrap();
        }
    }

    fn batches(&self, sink: &str, limit: usize, size: BatchSize, lease: Lease) -> Vec<Claim<DeliveryWork>> {
        self.store.claim_batches(&name(sink), limit, ClaimOrder::MostSevere, size, lease).wait().unwrap().claims
    }

    fn batch(&self, sink: &str, now: i64) -> Option<Claim<DeliveryWork>> {
        self.batches(sink, 1, SIZE, lease(now)).pop()
    }

    fn ids(&self, claim: &Claim<DeliveryWork>) -> Vec<EventId> {
        self.events(claim).iter().map(|event| event.id).collect()
    }

    /// Takes everything that a sink is to be sent, in the order in which it is handed out.
    fn drain(&self, sink: &str) -> Vec<EventId> {
        let mut all = Vec::new();
        while let Some(claim) = self.batch(sink, 1_000) {
            all.extend(self.ids(&claim));
            self.settle(claim, delivered());
        }
        all
    }

    fn all_events(&self) -> Vec<EventId> {
        let mut events: Vec<_> = self.store.events(&LONG, &EventFilter::default()).unwrap();
        events.reverse();
        events.into_iter().map(|row| row.event.id).collect()
    }

    fn rows(&self, filter: DeliveryFilter) -> Vec<DeliveryRow> {
        self.store.deliveries(&LONG, &filter).unwrap()
    }

    fn waiting(&self, sink: &str) -> u64 {
        let depths = self.store.depths(Timestamp::from_millis(i64::MAX)).unwrap();
        let open = |state| state == DeliveryState::Waiting || state == DeliveryState::Leased;
        depths.iter().filter(|depth| depth.destination.as_str() == sink && open(depth.state)).map(|d| d.count).sum()
    }
}

const LONG: gatepost::store::Page = gatepost::store::Page { limit: 100_000, before: None };

#[test]
fn every_event_arrives_once_in_the_order_of_recording_whatever_the_size_of_a_batch() {
    for size in [1, 2, 7, 100, 1000] {
        let fixture = Fixture::new();
        fixture.record(120, &["all"]);
        fixture.record(30, &["all", "some"]);
        fixture.record(30, &[]);
        fixture.record(50, &["some", "all"]);
        let all = fixture.all_events();
        assert_eq!((fixture.waiting("all"), fixture.waiting("some"), fixture.waiting("none")), (200, 80, 0));
        let size = BatchSize { events: size, bytes: 1 << 20 };
        let mut found = Vec::new();
        while let Some(claim) = fixture.batches("all", 1, size, lease(1)).pop() {
            let ids = fixture.ids(&claim);
            assert!(ids.len() <= size.events);
            found.extend(ids);
            fixture.settle(claim, delivered());
        }
        assert_eq!(found, [&all[..150], &all[180..]].concat());
        assert_eq!(fixture.drain("some"), [&all[120..150], &all[180..]].concat());
        assert_eq!((fixture.waiting("all"), fixture.waiting("some")), (0, 0));
        fixture.record(1, &["all"]);
        assert_eq!(fixture.drain("all"), fixture.all_events()[230..]);
    }
}

#[test]
fn an_event_costs_a_sink_no_row() {
    let fixture = Fixture::new();
    fixture.record(1000, &["a", "b"]);
    fixture.record(1000, &["a", "b"]);
    let rows =
        "SELECT (SELECT count(*) FROM deliveries) + (SELECT count(*) FROM plan_runs) + (SELECT count(*) FROM sinks)";
    assert_eq!(fixture.count(rows), 3, "one run and two sinks");
    let size = BatchSize { events: 2000, bytes: 16 << 20 };
    for sink in ["a", "b"] {
        let claim = fixture.batches(sink, 1, size, lease(1)).pop().unwrap();
        assert_eq!(fixture.ids(&claim).len(), 2000);
        fixture.settle(claim, delivered());
    }
    assert_eq!(fixture.count("SELECT count(*) FROM deliveries"), 2);
}

#[test]
fn a_batch_is_bounded_by_bytes_beyond_its_first_event() {
    let fixture = Fixture::new();
    fixture.record(10, &["a"]);
    let one = fixture.events(&fixture.batch("a", 0).unwrap())[0].clone();
    let bytes = serde_json::to_vec(&one).unwrap().len();
    for (limit, events) in [(0, 1), (bytes, 1), (3 * bytes, 3), (3 * bytes - 1, 2)] {
        let fixture = Fixture::new();
        fixture.record(10, &["a"]);
        let claim = fixture.batches("a", 1, BatchSize { events: 100, bytes: limit }, lease(0)).pop().unwrap();
        assert_eq!(fixture.ids(&claim).len(), events, "{limit} of {bytes}");
        fixture.settle(claim, delivered());
        assert_eq!(fixture.drain("a").len(), 10 - events);
    }
}

#[test]
fn after_a_crash_the_same_batch_is_handed_out_again_in_doubt_and_then_what_follows() {
    let fixture = Fixture::new();
    fixture.record(150, &["a"]);
    let claim = fixture.batch("a", 1).unwrap();
    let (id, events) = (claim.work().delivery, fixture.ids(&claim));
    drop(claim);
    fixture.record(10, &["a"]);
    let fixture = fixture.reopen();
    let again = fixture.batch("a", 2).unwrap();
    assert_eq!((again.work().delivery, fixture.ids(&again)), (id, events));
    assert!(again.work().uncertain);
    assert_eq!(again.work().tries, 2);
    fixture.settle(again, delivered());
    assert_eq!(fixture.drain("a"), fixture.all_events()[100..]);
}

#[test]
fn a_batch_that_waits_for_its_next_try_does_not_keep_the_others_unless_the_sink_is_on_trial() {
    let fixture = Fixture::new();
    fixture.record(250, &["a"]);
    let first = fixture.batch("a", 1).unwrap();
    fixture.settle(first, again(10, false));
    let trial = |now| {
        let claiming = fixture.store.claim_batches(&name("a"), 1, ClaimOrder::LongestDue, SIZE, lease(now));
        claiming.wait().unwrap()
    };
    let held = trial(5);
    assert_eq!((held.claims.len(), held.next_due), (0, Some(at(10))));
    let second = fixture.batch("a", 5).unwrap();
    assert_eq!(fixture.ids(&second), fixture.all_events()[100..200]);
    fixture.settle(second, delivered());
    let due = trial(10).claims.pop().unwrap();
    assert_eq!(fixture.ids(&due), fixture.all_events()[..100]);
    fixture.settle(due, delivered());
    let third = trial(11).claims.pop().unwrap();
    assert_eq!(fixture.ids(&third), fixture.all_events()[200..]);
}

#[test]
fn a_sink_is_drained_by_its_last_new_batch_and_not_by_what_is_tried_again() {
    let fixture = Fixture::new();
    fixture.record(150, &["a"]);
    let claim =
        |now| fixture.store.claim_batches(&name("a"), 1, ClaimOrder::MostSevere, SIZE, lease(now)).wait().unwrap();
    let mut first = claim(1);
    assert_eq!((first.claims.len(), first.is_drained), (1, false), "50 events wait behind it");
    fixture.settle(first.claims.pop().unwrap(), again(10, false));
    let mut second = claim(2);
    assert_eq!((second.claims.len(), second.is_drained), (1, true));
    fixture.settle(second.claims.pop().unwrap(), delivered());
    let third = claim(10);
    assert_eq!((third.claims.len(), third.is_drained), (1, false), "it is the first once more");
}

#[test]
fn only_a_dead_letter_is_closed_as_one() {
    let fixture = Fixture::new();
    fixture.record(1, &["a"]);
    let first = fixture.batch("a", 1).unwrap();
    let delivery = first.work().delivery;
    assert!(!fixture.store.discard_dead(delivery).unwrap(), "it is under way");
    fixture.settle(first, again(10, false));
    assert!(!fixture.store.discard_dead(delivery).unwrap(), "it waits for its next try");
    fixture.settle(fixture.batch("a", 10).unwrap(), delivered());
    assert!(!fixture.store.discard_dead(delivery).unwrap(), "it has arrived");
}

#[test]
fn the_event_that_a_batch_fails_on_is_found_alone_and_all_others_arrive() {
    let fixture = Fixture::new();
    fixture.record(37, &["a", "b"]);
    let all = fixture.all_events();
    let poison = all[23];
    let (mut arrived, mut tries) = (Vec::new(), 0);
    while let Some(claim) = fixture.batch("a", 1) {
        tries += 1;
        let ids = fixture.ids(&claim);
        let reason = || "too odd".to_owned();
        let verdict = match ids.contains(&poison) {
            true if ids.len() > 1 => Verdict::Split { reason: reason() },
            true => Verdict::Dead { reason: reason() },
            false => delivered(),
        };
        if verdict == delivered() {
            arrived.extend(ids);
        }
        fixture.settle(claim, verdict);
    }
    arrived.sort();
    let mut wanted: Vec<_> = all.iter().copied().filter(|id| *id != poison).collect();
    wanted.sort();
    assert_eq!(arrived, wanted);
    assert!(tries <= 14, "{tries}");
    let dead = fixture.rows(DeliveryFilter { state: Some(DeliveryState::Dead), ..DeliveryFilter::default() });
    assert_eq!(dead.iter().map(|row| row.delivery.event).collect::<Vec<_>>(), [Some(poison)]);
    assert_eq!(fixture.drain("b"), all, "no other sink is concerned");
    // On order it is tried again, under the same id.
    let id = dead[0].delivery.id;
    assert!(fixture.store.replay_delivery(id, Doubt::Keep, at(5)).unwrap());
    let again = fixture.batch("a", 6).unwrap();
    assert_eq!((again.work().delivery, fixture.ids(&again)), (id, vec![poison]));
}

#[test]
fn events_that_a_batch_was_taken_without_have_deliveries_of_their_own() {
    let fixture = Fixture::new();
    fixture.record(5, &["a"]);
    let all = fixture.all_events();
    let claim = fixture.batch("a", 1).unwrap();
    let refused = vec![(all[1], "a field is missing".to_owned())];
    let again = vec![(all[3], "busy".to_owned())];
    fixture.settle(claim, Verdict::DeliveredExcept { refused, again, not_before: at(9) });
    let states: Vec<_> = fixture.rows(DeliveryFilter::default());
    let of = |event: EventId| states.iter().find(|row| row.delivery.event == Some(event)).unwrap();
    assert_eq!(of(all[1]).delivery.state, DeliveryState::Dead);
    assert_eq!(of(all[1]).delivery.reason.as_deref(), Some("a field is missing"));
    assert!(fixture.batch("a", 8).is_none());
    let late = fixture.batch("a", 9).unwrap();
    assert_eq!(fixture.ids(&late), [all[3]]);
    fixture.settle(late, delivered());
    assert_eq!(fixture.waiting("a"), 0);
}

#[test]
fn a_replay_sends_a_sink_what_it_was_not_sent_and_revives_what_it_refused() {
    let fixture = Fixture::new();
    let Acceptance::New(receipt) = fixture.accept("one") else { panic!() };
    fixture.dispatch(0, &["a", "b"]);
    let event = fixture.all_events()[0];
    fixture.settle(fixture.batch("a", 1).unwrap(), Verdict::Dead { reason: "no".to_owned() });
    fixture.settle(fixture.batch("b", 1).unwrap(), delivered());
    assert!(fixture.store.replay_receipt(receipt).unwrap());
    fixture.dispatch(2, &["a", "b", "c"]);
    for (sink, sent) in [("a", vec![event]), ("b", vec![]), ("c", vec![event])] {
        assert_eq!(fixture.drain(sink), sent, "{sink}");
    }
    assert!(fixture.store.replay_receipt(receipt).unwrap());
    fixture.dispatch(3, &["a", "b", "c"]);
    assert!(["a", "b", "c"].iter().all(|sink| fixture.drain(sink).is_empty()), "each has it now");
}

#[test]
fn an_event_that_a_replayed_receipt_holds_twice_arrives_once() {
    let fixture = Fixture::new();
    let Acceptance::New(receipt) = fixture.accept("one") else { panic!() };
    let conclude = |to: &[&str]| {
        let claim = fixture.claim_receipts(0).remove(0);
        let events = to.iter().flat_map(|sink| [(); 2].map(|()| planned(&claim, "e", Severity::High, &[sink])));
        let conclusion = Conclusion { events: events.collect(), claim, note: None };
        fixture.store.conclude(Arc::new(vec![conclusion]), &Arc::default(), at(0)).wait().unwrap();
    };
    // It could not be read at first.
    conclude(&[]);
    assert!(fixture.store.replay_receipt(receipt).unwrap());
    conclude(&["a"]);
    assert_eq!(fixture.drain("a"), fixture.all_events());
    assert_eq!(fixture.all_events().len(), 1);
}

#[test]
fn a_replay_sends_what_was_discarded() {
    let fixture = Fixture::new();
    let receipts = ["batched", "singled out", "planned"].map(|id| {
        let Acceptance::New(receipt) = fixture.accept(id) else { panic!() };
        fixture.dispatch(0, &["a"]);
        match id {
            "batched" => fixture.settle(fixture.batch("a", 1).unwrap(), Verdict::Dead { reason: "no".to_owned() }).0,
            "singled out" => {
                fixture.single_out("a", 5);
                0
            }
            _ => 0,
        };
        receipt
    });
    assert_eq!(fixture.store.discard(&name("a")).unwrap(), 3);
    fixture.record(1, &["a"]);
    let later = fixture.all_events()[3..].to_vec();
    assert_eq!(fixture.drain("a"), later);
    for receipt in receipts {
        assert!(fixture.store.replay_receipt(receipt).unwrap());
    }
    fixture.dispatch(9, &["a"]);
    let mut found = fixture.drain("a");
    found.sort();
    let mut wanted = fixture.all_events()[..3].to_vec();
    wanted.sort();
    assert_eq!(found, wanted);
    for receipt in receipts {
        assert!(fixture.store.replay_receipt(receipt).unwrap());
    }
    fixture.dispatch(10, &["a"]);
    assert_eq!(fixture.drain("a"), [], "it has them now");
}

#[test]
fn an_event_leads_to_the_batches_that_hold_it() {
    let fixture = Fixture::new();
    fixture.record(250, &["a", "b"]);
    fixture.record(1, &[]);
    let all = fixture.all_events();
    for _ in 0..2 {
        fixture.settle(fixture.batch("a", 1).unwrap(), delivered());
    }
    fixture.settle(fixture.batch("b", 1).unwrap(), delivered());
    let of = |event: EventId| {
        let rows = fixture.rows(DeliveryFilter { event: Some(event), ..DeliveryFilter::default() });
        rows.iter().map(|row| (row.delivery.destination.to_string(), row.delivery.events)).collect::<Vec<_>>()
    };
    let batch = |sink: &str| (sink.to_owned(), Some(100));
    assert_eq!(of(all[0]), [batch("b"), batch("a")]);
    assert_eq!(of(all[99]), [batch("b"), batch("a")]);
    assert_eq!(of(all[100]), [batch("a")]);
    assert_eq!(of(all[249]), []);
    assert_eq!(of(all[250]), []);
    let titles: Vec<_> = fixture.rows(DeliveryFilter::default()).into_iter().map(|row| row.title).collect();
    assert_eq!(titles[0], "e and 99 more");
}

fn horizons(events: i64) -> Horizons {
    Horizons { keys: at(0), receipts: at(0), events: at(events) }
}

#[test]
fn retention_leaves_what_a_sink_has_not_been_sent_and_takes_what_a_removed_one_left() {
    let fixture = Fixture::new();
    fixture.record(250, &["a"]);
    let prune = |sinks: &[&str]| {
        let sinks: Vec<_> = sinks.iter().map(|sink| name(sink)).collect();
        while fixture.store.prune(horizons(i64::MAX), sinks.clone(), 50).wait().unwrap() >= 50 {}
        fixture.all_events().len()
    };
    let late = fixture.batch("a", 1).unwrap();
    fixture.settle(late, again(20, false));
    fixture.settle(fixture.batch("a", 1).unwrap(), delivered());
    assert_eq!(prune(&["a"]), 250, "the first batch waits");
    let late = fixture.batch("a", 20).unwrap();
    assert_eq!(fixture.ids(&late).len(), 100);
    fixture.settle(late, delivered());
    assert_eq!(prune(&["a"]), 50);
    assert_eq!(fixture.count("SELECT count(*) FROM deliveries"), 0, "batches go with their events");
    assert_eq!(prune(&["b"]), 0, "a sink that was removed keeps nothing");
    assert_eq!(fixture.count("SELECT count(*) FROM plan_runs"), 1, "the last run stays");
    fixture.record(3, &["a"]);
    assert_eq!(fixture.drain("a"), fixture.all_events(), "what is gone is passed over");
    assert_eq!(fixture.waiting("a"), 0);
}

#[test]
fn a_sink_that_comes_back_after_retention_has_nothing_left_to_wait_for() {
    let fixture = Fixture::new();
    fixture.record(3, &["a", "b"]);
    fixture.record(2, &["b"]);
    fixture.record(1, &["a", "b"]);
    fixture.record(1, &["b"]);
    fixture.drain("b");
    let prune = |sinks: &[&str]| {
        let sinks: Vec<_> = sinks.iter().map(|sink| name(sink)).collect();
        while fixture.store.prune(horizons(i64::MAX), sinks.clone(), 50).wait().unwrap() >= 50 {}
        fixture.all_events().len()
    };
    assert_eq!((fixture.waiting("a"), prune(&["b"])), (4, 0));
    assert_eq!(fixture.waiting("a"), 0, "what is gone does not wait");
    fixture.record(2, &["a"]);
    assert_eq!(fixture.waiting("a"), 2);
    assert_eq!(fixture.drain("a").len(), 2);
    assert_eq!(fixture.waiting("a"), 0);
    // It holds back nothing that came after it.
    fixture.record(5, &[]);
    assert_eq!(prune(&["a", "b"]), 0);
}

#[test]
fn a_batch_of_a_sink_that_was_removed_does_not_hold_the_events_of_all() {
    let fixture = Fixture::new();
    fixture.record(3, &["a", "b"]);
    fixture.settle(fixture.batch("a", 1).unwrap(), again(20, false));
    fixture.drain("b");
    let prune = |sinks: &[&str]| {
        let sinks: Vec<_> = sinks.iter().map(|sink| name(sink)).collect();
        while fixture.store.prune(horizons(i64::MAX), sinks.clone(), 50).wait().unwrap() >= 50 {}
        fixture.all_events().len()
    };
    assert_eq!(prune(&["a", "b"]), 3, "a sink that is configured is sent them");
    assert_eq!(prune(&["b"]), 0);
}

#[test]
fn the_age_of_what_waits_is_that_of_the_first_event_that_was_planned_for_the_sink() {
    let fixture = Fixture::new();
    fixture.record(1, &["a", "b"]);
    fixture.drain("a");
    fixture.record(1, &["b"]);
    let late = fixture.arrival_at(90_000, "s", "late", "late");
    assert!(matches!(gatepost::store::Inbox::accept(&fixture.store, late, None).wait(), Ok(Acceptance::New(_))));
    fixture.dispatch(90_000, &["a"]);
    let depths = fixture.store.depths(at(100_000)).unwrap();
    let of = |sink: &str| depths.iter().find(|depth| depth.destination.as_str() == sink).map(|depth| depth.oldest);
    assert_eq!((of("a"), of("b")), (Some(at(90_000)), Some(at(1_000))));
}

#[test]
fn of_a_batch_that_retention_has_taken_a_part_of_the_event_it_fails_on_is_found() {
    let fixture = Fixture::new();
    fixture.record(37, &["a"]);
    fixture.settle(fixture.batch("a", 1).unwrap(), Verdict::Dead { reason: "no".to_owned() });
    fixture.tamper("DELETE FROM events WHERE seq <= 30");
    let dead = fixture.rows(DeliveryFilter { state: Some(DeliveryState::Dead), ..DeliveryFilter::default() });
    assert!(fixture.store.replay_delivery(dead[0].delivery.id, Doubt::Keep, at(5)).unwrap());
    let poison = fixture.all_events()[2];
    let mut arrived = 0;
    while let Some(claim) = fixture.batch("a", 6) {
        let ids = fixture.ids(&claim);
        let reason = "odd".to_owned();
        let verdict = match (ids.contains(&poison), ids.len()) {
            (true, 1) => Verdict::Dead { reason },
            (true, _) => Verdict::Split { reason },
            (false, count) => {
                arrived += count;
                delivered()
            }
        };
        fixture.settle(claim, verdict);
    }
    assert_eq!(arrived, 6);
}

#[test]
fn what_waits_for_a_sink_that_was_removed_for_good_is_discarded_on_order() {
    let fixture = Fixture::new();
    fixture.record(250, &["a", "b"]);
    fixture.settle(fixture.batch("a", 1).unwrap(), again(9, false));
    assert_eq!(fixture.store.discard(&name("a")).unwrap(), 250, "those of a batch, and those that are in none");
    assert_eq!(fixture.waiting("a"), 0);
    assert!(fixture.batch("a", 10).is_none());
    assert_eq!(fixture.drain("b").len(), 250);
    fixture.record(2, &["a"]);
    assert_eq!(fixture.drain("a"), fixture.all_events()[250..], "if it comes back it begins with what is new");
}

#[test]
fn a_batch_of_a_destination_that_has_become_a_notifier_is_told_as_incidents() {
    let fixture = Fixture::new();
    fixture.record(3, &["a"]);
    fixture.settle(fixture.batch("a", 1).unwrap(), again(2, false));
    let notifier = NotifierPolicy { class: NotifierClass::Pager, fingerprint: [0; 16] };
    let policy = Policy { notifiers: [(name("a"), notifier)].into(), ..Policy::default() };
    let policy = Arc::new(policy);
    let mut told = Vec::new();
    for now in [3, 4, 60_000, 120_000] {
        let claiming = fixture.store.claim_deliveries(&name("a"), 9, ClaimOrder::MostSevere, &policy, lease(now));
        for claim in claiming.wait().unwrap().claims {
            let Content::Change(change) = &claim.work().content else { panic!("{claim:?}") };
            told.push((change.incident.number, change.incident.count));
            drop(claim);
        }
    }
    told.dedup();
    assert_eq!(told, [(IncidentNumber(1), 3)]);
}

#[test]
fn batches_of_a_destination_that_has_become_a_notifier_are_parted_one_at_a_time() {
    let fixture = Fixture::new();
    fixture.record(250, &["a"]);
    for _ in 0..3 {
        fixture.settle(fixture.batch("a", 1).unwrap(), again(2, false));
    }
    let notifier = NotifierPolicy { class: NotifierClass::Pager, fingerprint: [0; 16] };
    let policy = Arc::new(Policy { notifiers: [(name("a"), notifier)].into(), ..Policy::default() });
    let open = "SELECT count(*) FROM deliveries WHERE first_event IS NOT NULL AND state = 0";
    let mut left = Vec::new();
    for _ in 0..4 {
        let claiming = fixture.store.claim_deliveries(&name("a"), 9, ClaimOrder::MostSevere, &policy, lease(3));
        assert_eq!(claiming.wait().unwrap().next_due, Some(at(3)), "there is more to part or to take in");
        left.push(fixture.count(open));
    }
    assert!(left[0] >= 2 && left.windows(2).all(|pair| pair[0] - pair[1] <= 1), "{left:?}");
}

#[test]
fn what_was_planned_for_a_sink_is_handed_over_without_a_pause_once_it_is_a_notifier() {
    let fixture = Fixture::new();
    fixture.record(100, &["a"]);
    let notifier = NotifierPolicy { class: NotifierClass::Pager, fingerprint: [0; 16] };
    let policy = Arc::new(Policy { notifiers: [(name("a"), notifier)].into(), ..Policy::default() });
    let mut rounds = 0;
    while fixture.count("SELECT count(*) FROM sinks") > 0 {
        let claiming = fixture.store.claim_deliveries(&name("a"), 9, ClaimOrder::MostSevere, &policy, lease(3));
        let next_due = claiming.wait().unwrap().next_due;
        let is_left = fixture.count("SELECT count(*) FROM sinks") > 0;
        assert!(!is_left || next_due == Some(at(3)), "{next_due:?}");
        rounds += 1;
    }
    assert!((4..10).contains(&rounds), "{rounds}");
}

#[test]
fn a_sink_that_has_to_pass_over_very_many_runs_goes_on_without_a_pause() {
    let fixture = Fixture::new();
    fixture.record(1, &["all"]);
    fixture.tamper(
        "WITH RECURSIVE n(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)
         INSERT INTO plan_runs (first, last, plan) SELECT n, n, 1 FROM n;
         UPDATE numbers SET least = 20000 WHERE kind = 1;
         INSERT INTO sinks VALUES ('few', 0, 0, 0);",
    );
    fixture.record(1, &["few"]);
    let mut rounds = 0;
    let found = loop {
        rounds += 1;
        let mut claimed =
            fixture.store.claim_batches(&name("few"), 1, ClaimOrder::MostSevere, SIZE, lease(7)).wait().unwrap();
        assert_eq!(claimed.next_due, Some(at(7)));
        if let Some(claim) = claimed.claims.pop() {
            break fixture.ids(&claim);
        }
    };
    assert_eq!((rounds, found), (3, fixture.all_events()[1..].to_vec()));
}

#[test]
fn what_is_under_way_for_a_sink_that_was_removed_for_good_is_discarded_with_the_rest() {
    let fixture = Fixture::new();
    fixture.record(1300, &["a"]);
    let size = BatchSize { events: 1, bytes: 1 << 20 };
    let mut claims = fixture.batches("a", 1300, size, lease(1));
    let under_way = claims.pop().unwrap();
    for (place, claim) in claims.into_iter().enumerate() {
        let dead = Verdict::Dead { reason: "no".to_owned() };
        fixture.settle(claim, if place < 700 { dead } else { again(9, false) });
    }
    assert_eq!(fixture.store.discard(&name("a")).unwrap(), 1300, "in several transactions");
    assert_eq!(fixture.count("SELECT count(*) FROM deliveries WHERE state <> 4"), 0);
    assert_eq!(fixture.waiting("a"), 0);
    assert_eq!(fixture.settle(under_way, again(9, false)).0, 1, "its lease is lost");
    assert_eq!(fixture.waiting("a"), 0);
}

#[test]
fn a_sink_that_gets_few_of_many_events_passes_over_the_others_by_their_runs() {
    let fixture = Fixture::new();
    fixture.record(2000, &["all"]);
    fixture.record(1, &["all", "few"]);
    // Runs as short as they can be.
    fixture.tamper(
        "DELETE FROM plan_runs WHERE first = 1;
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2000)
         INSERT INTO plan_runs (first, last, plan) SELECT n, n, 1 FROM n;
         INSERT INTO sinks VALUES ('few', 0, 1, 0) ON CONFLICT (destination) DO UPDATE SET position = 0;",
    );
    let begun = Instant::now();
    assert_eq!(fixture.drain("few"), fixture.all_events()[2000..]);
    assert_eq!(fixture.drain("all").len(), 2001);
    println!("passed over 2000 runs in {:?}", begun.elapsed());
}

#[test]
fn a_receipt_in_quarantine_reaches_its_sinks_once_it_is_released() {
    let fixture = Fixture::new();
    let Acceptance::New(receipt) = fixture.accept("one") else { panic!() };
    let claim = fixture.claim_receipts(0).remove(0);
    let mut events = vec![planned(&claim, "e", Severity::High, &[])];
    events[0].routed = gatepost::store::Routed::Quarantined;
    let conclusion = Conclusion { claim, events, note: None };
    fixture.store.conclude(Arc::new(vec![conclusion]), &Arc::default(), at(0)).wait().unwrap();
    assert!(fixture.batch("a", 1).is_none());
    let unknown = ReceiptId::generate();
    assert!(!fixture.store.replay_receipt(unknown).unwrap() && fixture.store.replay_receipt(receipt).unwrap());
    fixture.dispatch(2, &["a"]);
    assert_eq!(fixture.drain("a"), fixture.all_events());
}
