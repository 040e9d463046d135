use super::*;
use crate::authentic::authentic;
use crate::domain::{BatchEvent, BatchSize, Draft, NotifierClass, Request, Severity, SystemClock};
use crate::routing::{Flow, Route, Router};
use crate::store::{
    Access, Advanced, ClaimOrder, Claimed, Dispatched, EventRange, Extended, Inbox, IncidentFilter, IncidentQueries,
    LeasesLost, NotifierPolicy, Page, Settlement, SqliteStore, Ticket,
};
use crate::vendors::{self, BacklogLimit, Normalizer, OnOld, Source};
use crate::verify::{Scheme, Verifier};

/// A vendor whose bodies hold one event each.
struct OneEach;

impl Normalizer for OneEach {
    fn event_id(&self, _request: &Request) -> Option<String> {
        None
    }

    fn read(&self, _body: &[u8], take: &mut dyn FnMut(Draft)) -> Option<Note> {
        take(Draft::default());
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
        normalizer: Box::new(OneEach),
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

/// A store that is asked for something only once a batch has been claimed, and has the rules exchanged then.
struct Reloading {
    store: SqliteStore,
    rules: watch::Sender<Arc<Rules>>,
}

impl Outbox for Reloading {
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
        claim: Claim<ReceiptWork>,
        events: Vec<PlannedEvent>,
        policy: &Arc<Policy>,
        lease: Lease,
    ) -> Ticket<Extended> {
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

    fn advance_incidents(
        &self,
        limit: usize,
        policy: &Arc<Policy>,
        listening_since: Timestamp,
        now: Timestamp,
    ) -> Ticket<Advanced> {
        self.store.advance_incidents(limit, policy, listening_since, now)
    }
}

#[tokio::test]
async fn a_batch_that_is_read_while_the_rules_are_exchanged_is_recorded_by_the_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("gatepost.db"), Access::Serve).unwrap();
    let now = SystemClock.now();
    store.accept(authentic("s", "1", "alert", now), None).await.unwrap();
    let (sender, receiver) = watch::channel(rules(&[]));
    let day = Duration::from_secs(24 * 3600);
    let dispatcher = Dispatcher {
        outbox: Arc::new(Reloading { store: store.clone(), rules: sender }),
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
    let batch = dispatcher.read_batch(Some(SMALL), 24).await.unwrap();
    assert_eq!(dispatcher.record(Some(batch)).await.unwrap().map(|recorded| recorded.receipts), Some(1));
    let page = Page { limit: 10, before: None };
    let incidents = store.incidents(&page, &IncidentFilter::default()).unwrap();
    assert_eq!(incidents.len(), 1, "`d` is a notifier by now");
}
