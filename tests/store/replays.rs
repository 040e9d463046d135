//! What the store promises replays to sinks: what was chosen is sent once, beside what is new, through restarts.

use std::sync::Arc;

use gatepost::domain::{BatchSize, EventId, NotifierClass, Timestamp};
use gatepost::store::{
    Choice, Claim, ClaimOrder, Commands, DeliveryFilter, DeliveryWork, EventFilter, Horizons, Known, NotifierPolicy,
    Outbox, Period, Policy, Queries, ReplayState, SinkReplay, SinkReplays, Upkeep, Verdict,
};

use super::fixture::*;

const SIZE: BatchSize = BatchSize { events: 100, bytes: 1 << 20 };

fn ever() -> Period {
    Period { since: Timestamp::from_millis(0), until: Timestamp::from_millis(i64::MAX) }
}

impl Fixture {
    fn past(&self, sink: &str) -> Vec<(i64, EventId, Known)> {
        let past = self.store.past_events(&name(sink), ever(), 0, 100_000).unwrap();
        past.into_iter().map(|past| (past.row, past.event.unwrap().id, past.known)).collect()
    }

    fn known(&self, sink: &str, known: Known) -> usize {
        self.past(sink).into_iter().filter(|(_, _, found)| *found == known).count()
    }

    fn choice(&self, sink: &str) -> Choice {
        self.store.choose(&name(sink), ever(), at(1)).unwrap().unwrap()
    }

    /// Orders these rows, in several calls.
    fn replay(&self, sink: &str, rows: &[i64]) {
        let choice = self.choice(sink);
        for some in rows.chunks(7) {
            assert_eq!(self.store.add(&choice, some.to_vec()), Ok(true));
        }
        assert_eq!(self.store.order_replay(choice), Ok(true));
    }

    fn batch_of(&self, sink: &str, size: BatchSize, now: i64) -> Option<Claim<DeliveryWork>> {
        let claimed =
            self.store.claim_batches(&name(sink), 4, ClaimOrder::MostSevere, size, lease(now)).wait().unwrap();
        let mut claims = claimed.claims;
        assert!(claims.len() <= 1, "a replay has one batch under way");
        claims.pop()
    }

    fn drained(&self, sink: &str) -> Vec<EventId> {
        let mut all = Vec::new();
        while let Some(claim) = self.batch_of(sink, SIZE, 1_000) {
            all.extend(self.events(&claim).iter().map(|event| event.id));
            self.settle(claim, delivered());
        }
        all
    }

    fn the_replay(&self) -> SinkReplay {
        self.store.sink_replays().unwrap().remove(0)
    }
}

#[test]
fn what_was_chosen_is_sent_once_in_the_order_of_recording_whatever_the_size_of_a_batch() {
    for size in [1, 2, 7, 1000] {
        let fixture = Fixture::new();
        fixture.record(60, &["other"]);
        let past = fixture.past("new");
        assert!(past.iter().all(|(_, _, known)| *known == Known::Unsent));
        let chosen: Vec<_> = past.iter().enumerate().filter(|(n, _)| n % 10 < 6).map(|(_, past)| *past).collect();
        fixture.replay("new", &chosen.iter().map(|(row, ..)| *row).collect::<Vec<_>>());
        let size = BatchSize { events: size, bytes: 1 << 20 };
        let mut found = Vec::new();
        while let Some(claim) = fixture.batch_of("new", size, 1) {
            let ids: Vec<EventId> = fixture.events(&claim).iter().map(|event| event.id).collect();
            assert!(ids.len() <= size.events);
            let listed = EventFilter { delivery: Some(claim.work().delivery), ..EventFilter::default() };
            let mut listed: Vec<_> =
                fixture.store.events(&ALL, &listed).unwrap().into_iter().map(|row| row.event.id).collect();
            listed.reverse();
            assert_eq!(listed, ids, "an operator sees what the batch holds");
            assert!(fixture.batch_of("new", size, 1).is_none(), "one at a time");
            found.extend(ids);
            fixture.settle(claim, delivered());
        }
        assert_eq!(found, chosen.iter().map(|(_, id, _)| *id).collect::<Vec<_>>());
        let replay = fixture.the_replay();
        assert_eq!((replay.state, replay.events, replay.batched, replay.open), (ReplayState::Over, 36, 36, 0));
        assert_eq!(replay.removed, 0);
        assert_eq!((fixture.known("new", Known::Sent), fixture.known("new", Known::Unsent)), (36, 24));
        let filter = DeliveryFilter { event: Some(found[0]), ..DeliveryFilter::default() };
        let rows = fixture.store.deliveries(&ALL, &filter).unwrap();
        assert!(rows.iter().any(|row| row.delivery.destination == name("new")), "{rows:?}");
    }
}

#[test]
fn new_events_go_before_those_of_a_replay_and_their_position_stays() {
    let fixture = Fixture::new();
    fixture.record(30, &["other"]);
    let past: Vec<i64> = fixture.past("siem").into_iter().map(|(row, ..)| row).collect();
    fixture.record(10, &["siem"]);
    fixture.replay("siem", &past);
    let size = BatchSize { events: 10, bytes: 1 << 20 };
    let live = fixture.store.claim_batches(&name("siem"), 1, ClaimOrder::MostSevere, size, lease(1)).wait().unwrap();
    let new: Vec<_> = fixture.past("siem").into_iter().skip(30).map(|(_, id, _)| id).collect();
    let claim = live.claims.into_iter().next().unwrap();
    assert_eq!(fixture.events(&claim).iter().map(|event| event.id).collect::<Vec<_>>(), new);
    fixture.settle(claim, delivered());
    let first = fixture.batch_of("siem", size, 2).unwrap();
    fixture.record(5, &["siem"]);
    let live = fixture.store.claim_batches(&name("siem"), 4, ClaimOrder::MostSevere, size, lease(3)).wait().unwrap();
    assert_eq!(live.claims.iter().map(|claim| claim.work().content.events()).collect::<Vec<_>>(), [5]);
    for claim in live.claims {
        fixture.settle(claim, delivered());
    }
    fixture.settle(first, delivered());
    assert_eq!(fixture.drained("siem").len(), 20);
    assert_eq!(fixture.known("siem", Known::Sent), 45);
}

#[test]
fn a_replay_comes_first_where_it_is_its_turn() {
    let fixture = Fixture::new();
    fixture.record(30, &["other"]);
    let past = fixture.past("siem");
    fixture.record(30, &["siem"]);
    fixture.replay("siem", &past.iter().map(|(row, ..)| *row).collect::<Vec<_>>());
    let size = BatchSize { events: 10, bytes: 1 << 20 };
    let claim = |limit, order| fixture.store.claim_batches(&name("siem"), limit, order, size, lease(1)).wait().unwrap();
    let replays = |claims: &[Claim<DeliveryWork>]| {
        let is_past = |event: EventId| past.iter().any(|(_, id, _)| *id == event);
        claims.iter().map(|claim| is_past(fixture.events(claim)[0].id)).collect::<Vec<_>>()
    };
    assert_eq!(replays(&claim(1, ClaimOrder::MostSevere).claims), [false]);
    let first = claim(1, ClaimOrder::PastFirst);
    assert_eq!((replays(&first.claims), first.next_due), (vec![true], Some(at(1))));
    // One at a time, and new events beside it.
    assert_eq!(replays(&claim(4, ClaimOrder::PastFirst).claims), [false, false]);
    let nothing = claim(4, ClaimOrder::PastFirst);
    assert_eq!((nothing.claims.len(), nothing.next_due), (0, None), "nothing keeps it from waiting");
    for claim in first.claims {
        fixture.settle(claim, delivered());
    }
    assert_eq!(replays(&claim(4, ClaimOrder::PastFirst).claims), [true]);
}

#[test]
fn what_a_sink_knows_of_an_event_is_told() {
    let fixture = Fixture::new();
    fixture.record(3, &["siem"]);
    fixture.record(2, &["other"]);
    let known =
        |fixture: &Fixture| [Known::Sent, Known::Waits, Known::Unsent].map(|known| fixture.known("siem", known));
    assert_eq!(known(&fixture), [0, 3, 2]);
    assert_eq!(fixture.drained("siem").len(), 3);
    assert_eq!(known(&fixture), [3, 0, 2]);
    let filter = DeliveryFilter { destination: Some("siem".into()), ..DeliveryFilter::default() };
    assert_eq!(fixture.store.deliveries(&ALL, &filter).unwrap().len(), 1);
    let rows: Vec<i64> = fixture.past("siem").into_iter().skip(3).map(|(row, ..)| row).collect();
    fixture.replay("siem", &rows);
    assert_eq!(known(&fixture), [5, 0, 0], "what is ordered is not chosen again");
    assert!(fixture.store.stop_replay(&name("siem")).unwrap().is_some());
    assert_eq!(known(&fixture), [3, 0, 2], "what was stopped may be chosen again");
    assert_eq!(fixture.drained("siem").len(), 0);
    let of = |since, until| Period { since: at(since), until: at(until) };
    let count = |period| fixture.store.past_events(&name("siem"), period, 0, 100).unwrap().len();
    assert_eq!([of(0, 1_000), of(1_000, 1_001), of(1_001, 9_000)].map(count), [0, 5, 0], "all came at 1,000");
}

#[test]
fn a_sink_has_one_replay_at_a_time_and_what_was_not_ordered_is_dropped() {
    let fixture = Fixture::new();
    fixture.record(10, &["other"]);
    let rows: Vec<i64> = fixture.past("new").into_iter().map(|(row, ..)| row).collect();
    let abandoned = fixture.choice("new");
    assert_eq!(fixture.store.add(&abandoned, rows.clone()), Ok(true));
    assert!(fixture.batch_of("new", SIZE, 1).is_none(), "nothing is sent before it is ordered");
    let choice = fixture.choice("new");
    assert_eq!(fixture.store.add(&abandoned, rows.clone()), Ok(false));
    assert_eq!(fixture.store.order_replay(abandoned), Ok(false));
    assert_eq!(fixture.store.order_replay(choice), Ok(false), "it holds nothing");
    assert!(fixture.store.sink_replays().unwrap().is_empty());
    fixture.replay("new", &rows);
    let open = fixture.store.choose(&name("new"), ever(), at(1)).unwrap().unwrap_err();
    assert_eq!((open.state, open.events, open.batched), (ReplayState::Running, 10, 0));
    assert!(fixture.store.choose(&name("other"), ever(), at(1)).unwrap().is_ok(), "another sink may have one");
    assert_eq!(fixture.drained("new").len(), 10);
    assert!(fixture.store.choose(&name("new"), ever(), at(1)).unwrap().is_ok());
}

#[test]
fn after_a_crash_the_same_batch_comes_again_and_then_the_rest() {
    let fixture = Fixture::new();
    fixture.record(30, &["other"]);
    let past = fixture.past("new");
    fixture.replay("new", &past.iter().map(|(row, ..)| *row).collect::<Vec<_>>());
    let size = BatchSize { events: 20, bytes: 1 << 20 };
    let claim = fixture.batch_of("new", size, 1).unwrap();
    let (id, events) = (claim.work().delivery, fixture.events(&claim));
    drop(claim);
    let fixture = fixture.reopen();
    let again = fixture.batch_of("new", size, 1).unwrap();
    assert_eq!((again.work().delivery, again.work().uncertain), (id, true));
    assert_eq!(fixture.events(&again), events);
    fixture.settle(again, delivered());
    assert_eq!(fixture.drained("new"), past[20..].iter().map(|(_, id, _)| *id).collect::<Vec<_>>());
}

#[test]
fn a_batch_of_a_replay_that_is_refused_is_halved_down_to_the_event_at_fault() {
    let fixture = Fixture::new();
    fixture.record(40, &["other"]);
    let past = fixture.past("new");
    fixture.replay("new", &past.iter().map(|(row, ..)| *row).collect::<Vec<_>>());
    let poison = past[17].1;
    let mut arrived = Vec::new();
    while let Some(claim) = fixture.batches_of_replay("new").pop() {
        let ids: Vec<EventId> = fixture.events(&claim).iter().map(|event| event.id).collect();
        let reason = "no".to_owned();
        let verdict = match ids.as_slice() {
            [one] if *one == poison => Verdict::Dead { reason },
            ids if ids.contains(&poison) => Verdict::Split { reason },
            _ => delivered(),
        };
        if matches!(verdict, Verdict::Delivered { .. }) {
            arrived.extend(ids);
        }
        fixture.settle(claim, verdict);
    }
    arrived.sort_unstable();
    let mut wanted: Vec<_> = past.iter().map(|(_, id, _)| *id).filter(|id| *id != poison).collect();
    wanted.sort_unstable();
    assert_eq!(arrived, wanted);
}

impl Fixture {
    fn batches_of_replay(&self, sink: &str) -> Vec<Claim<DeliveryWork>> {
        self.store.claim_batches(&name(sink), 1, ClaimOrder::MostSevere, SIZE, lease(2_000)).wait().unwrap().claims
    }
}

#[test]
fn retention_leaves_what_a_replay_has_to_send_and_what_it_took_is_counted() {
    let fixture = Fixture::new();
    fixture.record(20, &["other"]);
    fixture.drained("other");
    fixture.record(1, &["other"]);
    let rows: Vec<i64> = fixture.past("new").into_iter().map(|(row, ..)| row).take(20).collect();
    fixture.replay("new", &rows);
    let all = Horizons { receipts: at(2_000), events: at(2_000), keys: at(0) };
    let prune = |names: &[&str]| {
        let names = names.iter().map(|one| name(one)).collect();
        fixture.store.prune(all, names, 1_000).wait().unwrap()
    };
    let events = || fixture.count("SELECT count(*) FROM events");
    prune(&["new"]);
    assert_eq!(events(), 21, "a configured sink is still to be sent them");
    let size = BatchSize { events: 8, bytes: 1 << 20 };
    let claim = fixture.batch_of("new", size, 1).unwrap();
    prune(&["new"]);
    assert_eq!(events(), 21);
    fixture.settle(claim, delivered());
    prune(&["new"]);
    assert_eq!(events(), 13);
    prune(&["other"]);
    assert_eq!(events(), 1, "only what waits for a sink that is configured is left");
    assert!(fixture.batch_of("new", size, 2).is_none());
    let replay = fixture.the_replay();
    assert_eq!((replay.state, replay.batched, replay.removed), (ReplayState::Over, 8, 12));
    let removed = fixture.store.removed().unwrap().unwrap();
    assert_eq!((removed.events, removed.oldest_left), (20, Some(at(1_000))));
    prune(&["other"]);
    assert_eq!(fixture.count("SELECT (SELECT count(*) FROM replay_runs) + (SELECT count(*) FROM replays)"), 0);
}

#[test]
fn a_destination_that_is_discarded_or_becomes_a_notifier_is_sent_no_more_of_the_past() {
    let fixture = Fixture::new();
    fixture.record(30, &["other", "new"]);
    assert_eq!(fixture.drained("new").len(), 30);
    let rows: Vec<i64> = fixture.past("new").into_iter().map(|(row, ..)| row).collect();
    let size = BatchSize { events: 10, bytes: 1 << 20 };
    for ended in [0, 1] {
        fixture.replay("new", &rows);
        let claim = fixture.batch_of("new", size, 1).unwrap();
        fixture.settle(claim, again(1, false));
        if ended == 0 {
            assert_eq!(fixture.store.discard(&name("new")), Ok(30));
        } else {
            let claimed = fixture.claim_as_notifier("new");
            assert_eq!(claimed, 0);
        }
        assert_eq!(fixture.the_replay().state, ReplayState::Stopped);
        assert!(fixture.batch_of("new", size, 9_000).is_none());
        assert_eq!(fixture.count("SELECT count(*) FROM deliveries WHERE destination = 'new' AND state IN (0, 1)"), 0);
    }
}

impl Fixture {
    fn claim_as_notifier(&self, destination: &str) -> usize {
        let notifier = NotifierPolicy { class: NotifierClass::Pager, fingerprint: [0; 16] };
        let policy = Arc::new(Policy { notifiers: [(name(destination), notifier)].into(), ..Policy::default() });
        let claimed =
            self.store.claim_deliveries(&name(destination), 10, ClaimOrder::MostSevere, &policy, lease(5)).wait();
        claimed.unwrap().claims.len()
    }
}
