use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;
use crate::authentic::authentic;
use crate::domain::{BatchEvent, BatchSize, Draft, NotifierClass, Request, Severity, SystemClock};
use crate::incidents::Present;
use crate::routing::{Flow, Route, Router};
use crate::store::{
    Access, Advanced, ClaimOrder, Claimed, Dispatched, EventFilter, EventRange, Extended, Inbox, IncidentFilter,
    IncidentQueries, LeasesLost, NotifierPolicy, Page, Queries, ReceiptFilter, Settlement, SqliteStore, Ticket,
};
use crate::vendors::{self, BacklogLimit, Normalizer, OnOld, Source};
use crate::verify::{Scheme, Verifier};

/// A vendor whose bodies hold an event for each piece between commas.
struct Commas;

impl Normalizer for Commas {
    fn event_id(&self, _request: &Request) -> Option<String> {
        None
    }

    fn read(&self, body: &[u8], take: &mut dyn FnMut(Draft)) -> Option<Note> {
        body.split(|byte| *byte == b',').for_each(|_| take(Draft::default()));
        None
    }
}

fn unsigned() -> Verifier {
    Verifier::new(Scheme::DangerUnsigned, Vec::new()).unwrap()
}

fn rules(notifiers: &[&str]) -> Arc<Rules> {
    let source = Source {
        name: "s".parse().unwrap(),
        vendor: vendors::find("akto").unwrap(),
        verifier: unsigned(),
        normalizer: Box::new(Commas),
        default_severity: Severity::High,
        body_limit_bytes: 1024,
        gzip: false,
        rate_limit_per_second: None,
        backlog_limit: BacklogLimit { requests: 1_000, bytes: 1 << 20 },
        repeat_window: Duration::from_secs(60),
        on_old: OnOld::Deliver,
        danger_trust_unsigned_id: false,
    };
    let to = vec!["d".parse().unwrap()];
    let route = Route { name: "r".parse().unwrap(), when: None, to, flow: Flow::Continue };
    let notifier = NotifierPolicy { class: NotifierClass::Pager, fingerprint: [0; 16] };
    let notifiers = notifiers.iter().map(|name| (name.parse().unwrap(), notifier)).collect();
    Arc::new(Rules {
        sources: Arc::new([(source.name.clone(), source)].into()),
        router: Router::new(vec![route]),
        annotations: Arc::default(),
        policy: Arc::new(Policy { notifiers, ..Policy::default() }),
    })
}

/// A store that is asked for something only once a batch has been claimed, and has the rules exchanged then. It answers
/// the first pieces with these faults.
struct Eventful {
    store: SqliteStore,
    rules: watch::Sender<Arc<Rules>>,
    faults: Mutex<VecDeque<StoreError>>,
}

impl Outbox for Eventful {
    fn is_intake_crowded(&self) -> bool {
        self.store.is_intake_crowded()
    }

    fn forgets(&self) -> bool {
        self.rules.send_replace(rules(&["d"]));
        self.store.forgets()
    }

    fn claim_receipts(&self, limits: ReceiptLimits, lease: Lease) -> Ticket<ClaimedReceipts> {
        self.store.claim_receipts(limits, lease)
    }

    fn extend(
        &self,
        claim: &Claim<ReceiptWork>,
        events: Arc<Vec<PlannedEvent>>,
        policy: &Arc<Policy>,
        lease: Lease,
    ) -> Ticket<Extended> {
        if let Some(fault) = self.faults.lock().unwrap().pop_front() {
            return Ticket::refused(fault);
        }
        self.store.extend(claim, events, policy, lease)
    }

    fn conclude(&self, conclusions: Arc<Vec<Conclusion>>, policy: &Arc<Policy>, now: Timestamp) -> Ticket<Dispatched> {
        self.store.conclude(conclusions, policy, now)
    }

    fn claim_deliveries(
        &self,
        destination: &DestinationName,
        limit: usize,
        order: ClaimOrder,
        policy: &Arc<Policy>,
        lease: Lease,
    ) -> Ticket<Claimed> {
        self.store.claim_deliveries(destination, limit, order, policy, lease)
    }

    fn claim_batches(
        &self,
        sink: &DestinationName,
        limit: usize,
        order: ClaimOrder,
        size: BatchSize,
        lease: Lease,
    ) -> Ticket<Claimed> {
        self.store.claim_batches(sink, limit, order, size, lease)
    }

    fn batch_events(&self, sink: &DestinationName, range: EventRange) -> Result<Vec<BatchEvent>, StoreError> {
        self.store.batch_events(sink, range)
    }

    fn make_due(&self, destination: &DestinationName, now: Timestamp, limit: usize) -> Ticket<usize> {
        self.store.make_due(destination, now, limit)
    }

    fn settle(&self, settlements: Arc<Vec<Settlement>>, policy: &Arc<Policy>, now: Timestamp) -> Ticket<LeasesLost> {
        self.store.settle(settlements, policy, now)
    }

    fn advance_incidents(&self, limit: usize, policy: &Arc<Policy>, present: Present) -> Ticket<Advanced> {
        self.store.advance_incidents(limit, policy, present)
    }
}

struct Fixture {
    _folder: tempfile::TempDir,
    store: SqliteStore,
    dispatcher: Dispatcher,
    now: Timestamp,
}

impl Fixture {
    fn new(faults: impl IntoIterator<Item = StoreError>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("gatepost.db"), Access::Serve).unwrap();
        let now = SystemClock.now();
        let (sender, receiver) = watch::channel(rules(&[]));
        let day = Duration::from_secs(24 * 3600);
        let faults = Mutex::new(faults.into_iter().collect());
        let dispatcher = Dispatcher {
            outbox: Arc::new(Eventful { store: store.clone(), rules: sender, faults }),
            rules: receiver,
            retention: watch::channel(Retention { keys: day, receipts: day, events: day }).1,
            vouched: watch::channel(now).1,
            witness: Arc::default(),
            held: HeldLog::default(),
            words: SeverityLog::default(),
            workers: Arc::default(),
            wake: Arc::default(),
            clock: Arc::new(SystemClock),
            metrics: Arc::new(Metrics::new()),
        };
        Self { _folder: folder, store, dispatcher, now }
    }

    async fn accept(&self, bodies: &[&str]) {
        for (place, body) in bodies.iter().enumerate() {
            self.store.accept(authentic("s", &place.to_string(), body, self.now), None).await.unwrap();
        }
    }

    /// Has what waits be read in pieces of so many events, and recorded.
    async fn work(&self, piece_events: usize) -> Option<usize> {
        let batch = self.dispatcher.read_batch(Some(SMALL), piece_events).await.unwrap();
        self.dispatcher.record(Some(batch)).await.unwrap().map(|recorded| recorded.receipts)
    }

    /// How many events are recorded, and of how many receipts.
    fn recorded(&self) -> (usize, usize) {
        let page = Page { limit: 100, before: None };
        let receipts = self.store.receipts(&page, &ReceiptFilter::default()).unwrap();
        let dispatched = receipts.iter().filter(|receipt| receipt.state == "dispatched").count();
        (self.store.events(&page, &EventFilter::default()).unwrap().len(), dispatched)
    }
}

#[tokio::test]
async fn a_batch_that_is_read_while_the_rules_are_exchanged_is_recorded_by_the_new_ones() {
    let fixture = Fixture::new([]);
    fixture.accept(&["alert"]).await;
    assert_eq!(fixture.work(24).await, Some(1));
    let page = Page { limit: 10, before: None };
    let incidents = fixture.store.incidents(&page, &IncidentFilter::default()).unwrap();
    assert_eq!(incidents.len(), 1, "`d` is a notifier by now");
}

#[tokio::test]
async fn a_piece_that_the_store_cannot_take_is_handed_in_again_and_costs_nobody_a_try() {
    let fault = StoreError::Locked("by a backup".to_owned());
    let fixture = Fixture::new([fault]);
    fixture.accept(&["first", "a,b,c,d", "last"]).await;
    assert_eq!(fixture.work(1).await, Some(3));
    assert_eq!(fixture.recorded(), (6, 3));
}

#[tokio::test]
async fn a_receipt_that_another_has_or_that_cannot_be_recorded_leaves_the_others_of_its_batch_alone() {
    for fault in [StoreError::LeaseLost, StoreError::Failed("a defect".to_owned())] {
        let fixture = Fixture::new([fault]);
        fixture.accept(&["first", "a,b,c,d", "last"]).await;
        assert_eq!(fixture.work(1).await, Some(3));
        assert_eq!(fixture.recorded(), (2, 2));
    }
}
