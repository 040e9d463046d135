//! What a worker bears: defects, long exchanges, answers while the store waits.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::attempt::{PANICS_MAX, STEPS_MAX, converse};
use super::*;
use crate::authentic::authentic;
use crate::destinations::{Append, Exchange, Message, Next, Pace, Reply, Sink, Step};
use crate::domain::{
    Batch, BatchEvent, BatchSize, DeliveryId, Draft, Encoding, EventDocument, ManualClock, Outcome, Progress, Purpose,
    Receipt, ReceiptId, Severity, SystemClock,
};
use crate::store::{
    Access, Claim, Conclusion, DeliveryFilter, DeliveryRow, Inbox, Joining, Page, Period, PlannedEvent, Queries,
    ReceiptLimits, ReceiptWork, Routed, SinkReplays, SqliteStore,
};

const SIZE: BatchSize = BatchSize { events: 100, bytes: 1 << 20 };

/// Comes to an end after so many messages, as Slack does in a busy channel.
#[derive(Debug)]
struct Talkative {
    messages: usize,
    sent: AtomicUsize,
    path: PathBuf,
}

impl Talkative {
    fn say(&self) -> Next {
        if self.sent.fetch_add(1, Ordering::Relaxed) == self.messages {
            return Next::Done(Outcome::Delivered { remote: None });
        }
        let path = self.path.clone();
        Next::Send("step", Message::Append(Append { path, lines: Vec::new(), may_be_there: false, rotation: None }))
    }
}

impl Sink for Talkative {
    fn pace(&self) -> Pace {
        Pace::unlimited(1)
    }

    fn batch_size(&self) -> BatchSize {
        SIZE
    }

    fn first(&self, _batch: &Batch<'_>) -> Next {
        self.say()
    }

    fn next(&self, _batch: &Batch<'_>, _step: Step, _reply: &Reply) -> Next {
        self.say()
    }
}

fn event() -> BatchEvent {
    let receipt = Receipt {
        id: ReceiptId::generate(),
        source: "s".parse().unwrap(),
        received_at: Timestamp::default(),
        content_type: None,
        encoding: Encoding::Identity,
        body: bytes::Bytes::new(),
    };
    let event = Draft::default().into_event(&receipt, "v", Severity::High, 0);
    BatchEvent { id: event.id, document: EventDocument::of(&event).unwrap() }
}

async fn outcome_after(messages: usize) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let talkative = Talkative { messages, sent: AtomicUsize::new(0), path: folder.path().join("steps") };
    let (events, progress) = ([event()], Progress::default());
    let batch = Batch {
        id: DeliveryId::generate(),
        events: &events,
        purpose: Purpose::Alert,
        tries: 1,
        uncertain: false,
        progress: &progress,
        now: Timestamp::default(),
    };
    converse(Exchange::Batch(&talkative, &batch), &Egress::new().unwrap(), |_, _| ()).await
}

#[tokio::test]
async fn the_longest_exchange_fits_and_an_endless_one_comes_to_an_end() {
    // Ten pages of history, the message with blocks, the message without.
    assert_eq!(outcome_after(12).await, Outcome::Delivered { remote: None });
    assert_eq!(outcome_after(STEPS_MAX).await, Outcome::Delivered { remote: None });
    assert!(matches!(outcome_after(usize::MAX).await, Outcome::Refused { .. }));
}

#[tokio::test]
async fn an_answer_is_received_while_the_worker_waits_for_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("gatepost.db"), Access::Serve).unwrap();
    plan(&store, &["heard"]).await;
    let now = SystemClock.now();
    let lease = Lease { now, steady: now, length: LEASE };
    let mut claims =
        store.claim_batches(&"d".parse().unwrap(), 1, ClaimOrder::MostSevere, SIZE, lease).await.unwrap().claims;
    let claim = claims.pop().unwrap();
    // Answered at once; polled only after the limit, the answer is lost.
    let exchange = async move {
        let (begun, limit) = (Instant::now(), Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(20)).await;
        let outcome = match begun.elapsed() < limit {
            true => Outcome::Delivered { remote: None },
            false => Outcome::Refused { reason: "no answer".into() },
        };
        Finished { claim, event: None, outcome, started_at: now, begun, took: begun.elapsed() }
    };
    let mut under_way = UnderWay::default();
    under_way.running.push(exchange.boxed());
    under_way.meanwhile(tokio::time::sleep(Duration::from_millis(1200))).await;
    assert_eq!(under_way.len(), 1);
    under_way.ended().await;
    let ended = under_way.take_ended(8);
    assert_eq!(ended.iter().map(|done| done.outcome.kind()).collect::<Vec<_>>(), [OutcomeKind::Delivered]);
    assert_eq!(under_way.len(), 0);
}

/// Has a defect that one event triggers, and takes all others.
#[derive(Debug)]
struct Defective;

impl Sink for Defective {
    fn pace(&self) -> Pace {
        Pace::unlimited(4)
    }

    fn batch_size(&self) -> BatchSize {
        SIZE
    }

    fn first(&self, batch: &Batch<'_>) -> Next {
        assert!(batch.events.iter().all(|event| event.document.read().unwrap().title != POISON), "a defect");
        Next::Done(Outcome::Delivered { remote: None })
    }

    fn next(&self, _batch: &Batch<'_>, _step: Step, _reply: &Reply) -> Next {
        Next::Done(Outcome::Delivered { remote: None })
    }
}

const POISON: &str = "poison";

/// Stores an event of each title and plans it for the destination `d`.
async fn plan(store: &SqliteStore, titles: &[&'static str]) {
    plan_for(store, "d", titles).await;
}

/// The same for another destination.
async fn plan_for(store: &SqliteStore, destination: &'static str, titles: &[&'static str]) {
    let now = SystemClock.now();
    for title in titles {
        store.accept(authentic("s", title, title, now), None).await.unwrap();
    }
    let limits = ReceiptLimits::of_any_size(titles.len());
    let claims = store.claim_receipts(limits, Lease { now, steady: now, length: LEASE }).await.unwrap().claims;
    let conclude = |claim: Claim<ReceiptWork>| {
        let receipt = &claim.work().receipt;
        let title = String::from_utf8(receipt.body.to_vec()).unwrap();
        let event = Draft { title, ..Draft::default() }.into_event(receipt, "v", Severity::High, 0);
        let deliveries = vec![(destination.parse().unwrap(), "r".parse().unwrap())];
        let joining = Joining::of(&event);
        let events = vec![PlannedEvent { event, deliveries, routed: Routed::Yes, recurrence: None, joining }];
        Conclusion { claim, events, note: None }
    };
    store.conclude(Arc::new(claims.into_iter().map(conclude).collect()), &Arc::default(), now).await.unwrap();
}

fn worker(store: &SqliteStore, clock: Arc<dyn Clock>) -> Worker {
    Worker {
        name: "d".parse().unwrap(),
        receiver: Receiver::Sink(Arc::new(Defective)),
        policy: Arc::default(),
        presentation: Arc::default(),
        outbox: Arc::new(store.clone()),
        egress: Egress::new().unwrap(),
        clock,
        metrics: Arc::default(),
        wake: Arc::default(),
        beat: Arc::default(),
        state: Arc::new(Mutex::new(WorkerState::Running)),
        delivered: Arc::default(),
    }
}

#[tokio::test]
async fn what_is_under_way_is_written_down_before_its_lease_hands_it_out_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("gatepost.db"), Access::Serve).unwrap();
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let worker = worker(&store, Arc::clone(&clock) as Arc<dyn Clock>);
    let attempts = Arc::new(worker.attempts());
    let (mut pacer, breaker) = (Pacer::new(worker.receiver.pace(), Instant::now()), Breaker::default());
    let mut health = Health {
        started: clock.steady(),
        breaker: Breaker::default(),
        suspects: Suspects::default(),
        may_be_mended: false,
    };
    let (mut under_way, mut gap) = (UnderWay::default(), BatchGap::default());
    plan(&store, &["first"]).await;
    worker.start_what_is_due(&attempts, (&mut pacer, &mut gap, &breaker), &mut under_way).await;
    assert_eq!(under_way.len(), 1);
    // As where the disk stands still for longer than the lease.
    clock.advance(LEASE);
    plan(&store, &["second"]).await;
    worker.start_what_is_due(&attempts, (&mut pacer, &mut gap, &breaker), &mut under_way).await;
    assert_eq!(under_way.len(), 1, "the first is not begun again");
    under_way.ended().await;
    worker.settle(&mut under_way, &mut health).await;
    worker.start_what_is_due(&attempts, (&mut pacer, &mut gap, &breaker), &mut under_way).await;
    under_way.ended().await;
    worker.settle(&mut under_way, &mut health).await;
    let rows = store.deliveries(&Page { limit: 10, before: None }, &DeliveryFilter::default()).unwrap();
    let ended: Vec<_> = rows.iter().map(|row| (row.delivery.state, row.delivery.tries)).collect();
    assert_eq!(ended, [(DeliveryState::Delivered, 1); 2]);
}

#[tokio::test]
async fn an_event_that_panics_in_its_batch_is_found_alone_and_is_a_dead_letter_after_three_tries() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("gatepost.db"), Access::Serve).unwrap();
    plan(&store, &[POISON, "sound", "sound too"]).await;
    let metrics = Arc::new(Metrics::new());
    let worker = Worker { metrics: Arc::clone(&metrics), ..worker(&store, Arc::new(SystemClock)) };
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(Arc::new(worker).run(stopped));
    let deadline = Instant::now() + Duration::from_secs(30);
    let is_open = |row: &&DeliveryRow| matches!(row.delivery.state, DeliveryState::Waiting | DeliveryState::Leased);
    let events = |rows: &[DeliveryRow], state| {
        let rows = rows.iter().filter(|row| row.delivery.state == state);
        rows.map(|row| row.delivery.events.unwrap_or(1)).sum::<u64>()
    };
    let rows = loop {
        let rows = store.deliveries(&Page { limit: 10, before: None }, &DeliveryFilter::default()).unwrap();
        let all = events(&rows, DeliveryState::Delivered) + events(&rows, DeliveryState::Dead);
        if all == 3 && rows.iter().filter(is_open).count() == 0 {
            break rows;
        }
        assert!(Instant::now() < deadline, "{rows:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    stop.send_replace(true);
    running.await.unwrap();
    let dead: Vec<_> = rows.iter().filter(|row| row.delivery.state == DeliveryState::Dead).collect();
    assert_eq!((dead.len(), dead[0].title.as_str()), (1, POISON), "{rows:?}");
    assert_eq!(dead[0].delivery.tries, PANICS_MAX);
    assert!(dead[0].delivery.reason.as_deref().unwrap().contains("a defect of gatepost"), "{rows:?}");
    let notice = "gatepost_delivery_dead_total{destination=\"d\",state=\"dead\"} 1";
    assert!(metrics.render().contains(notice), "{}", metrics.render());
    let dead = "gatepost_deliveries_total{destination=\"d\",kind=\"batch\",outcome=\"dead\"} 1";
    assert!(metrics.render().contains(dead), "{}", metrics.render());
}

/// Takes one event at a time, and remembers their titles.
#[derive(Debug, Default)]
struct Remembering(Mutex<Vec<String>>);

impl Sink for Remembering {
    fn pace(&self) -> Pace {
        Pace::unlimited(1)
    }

    fn batch_size(&self) -> BatchSize {
        BatchSize { events: 1, ..SIZE }
    }

    fn first(&self, batch: &Batch<'_>) -> Next {
        let titles = batch.events.iter().map(|event| event.document.read().unwrap().title);
        self.0.lock().unwrap().extend(titles);
        Next::Done(Outcome::Delivered { remote: None })
    }

    fn next(&self, _batch: &Batch<'_>, _step: Step, _reply: &Reply) -> Next {
        Next::Done(Outcome::Delivered { remote: None })
    }
}

#[tokio::test]
async fn a_replay_goes_on_while_new_events_keep_coming() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("gatepost.db"), Access::Serve).unwrap();
    plan_for(&store, "other", &["past 1", "past 2", "past 3"]).await;
    let ordering = store.clone();
    let order = move || {
        let sink: DestinationName = "d".parse().unwrap();
        let period = Period { since: Timestamp::default(), until: Timestamp::from_millis(i64::MAX) };
        let rows = ordering.past_events(&sink, period, 0, 10).unwrap().iter().map(|event| event.row).collect();
        let choice = ordering.choose(&sink, period, SystemClock.now()).unwrap().unwrap();
        assert_eq!((ordering.add(&choice, rows), ordering.order_replay(choice)), (Ok(true), Ok(true)));
    };
    // Orders come from threads that may wait.
    tokio::task::spawn_blocking(order).await.unwrap();
    let new =
        ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20"];
    plan(&store, &new).await;
    let taken = Arc::new(Remembering::default());
    let receiver = Receiver::Sink(Arc::clone(&taken) as Arc<dyn Sink>);
    let worker = Worker { receiver, ..worker(&store, Arc::new(SystemClock)) };
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(Arc::new(worker).run(stopped));
    let deadline = Instant::now() + Duration::from_secs(30);
    while taken.0.lock().unwrap().len() < 23 {
        assert!(Instant::now() < deadline, "{taken:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.send_replace(true);
    running.await.unwrap();
    let titles = taken.0.lock().unwrap().clone();
    let past: Vec<usize> = (0..titles.len()).filter(|at| titles[*at].starts_with("past")).collect();
    assert_eq!(past, [3, 7, 11], "of four batches one is of the past: {titles:?}");
}
