//! Receipts become events and deliveries.
//!
//! Small and large receipts are worked on side by side: a body of five thousand records takes seconds to read, and an
//! urgent alert must not wait for it. What comes while a batch is worked on waits for its end, however urgent it is: so a
//! batch holds as many receipts as were recently done in 40 ms.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::{Notify, mpsc, watch};

use super::horizon::{Horizon, Witness};
use super::process::{End, process};
use super::retention::Retention;
use super::rules::Rules;
use super::severity_log::SeverityLog;
use super::worker_registry::WorkerRegistry;
use crate::domain::{Clock, DestinationName, Note, Receipt, SourceName, Timestamp};
use crate::store::{
    Claim, ClaimedReceipts, Conclusion, Lease, Outbox, PlannedEvent, Policy, ReceiptLimits, ReceiptSize, ReceiptWork,
    Routed, SetAside, StoreError, Tally,
};
use crate::telemetry::{ByReason, ByRoute, BySource, Metrics};

/// Takes receipts off the store, reads them, and records what they hold and who must know.
pub struct Dispatcher {
    /// The store.
    pub outbox: Arc<dyn Outbox>,
    /// How to read and which destinations to tell, now.
    pub rules: watch::Receiver<Arc<Rules>>,
    /// How long keys are kept, now.
    pub retention: watch::Receiver<Retention>,
    /// The time that quarantine follows.
    pub vouched: watch::Receiver<Timestamp>,
    /// Notified when a time in a request agrees with the clock.
    pub witness: Arc<Witness>,
    /// When events in quarantine were last logged.
    pub held: HeldLog,
    /// When severity words that are not known were last logged.
    pub words: SeverityLog,
    /// The workers to wake.
    pub workers: Arc<WorkerRegistry>,
    /// The wake-up of this task.
    pub wake: Arc<Notify>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

impl Dispatcher {
    /// Works until `stop` changes.
    pub async fn run(&self, stop: watch::Receiver<bool>) {
        let large = Notify::new();
        tokio::join!(
            self.work(Batches::new(SMALL), (&self.wake, &large), stop.clone()),
            self.work(Batches::new(LARGE), (&large, &self.wake), stop.clone())
        );
    }

    /// Works on receipts of one size. Intake wakes the worker of the small ones, and each worker wakes the other.
    async fn work(&self, mut batches: Batches, (own, other): (&Notify, &Notify), mut stop: watch::Receiver<bool>) {
        loop {
            let begun = tokio::time::Instant::now();
            match self.dispatch_batch(batches.limits()).await {
                Ok(batch) => {
                    batches.note(batch.receipts, begun.elapsed());
                    if batch.is_other_size_waiting {
                        other.notify_one();
                    }
                    if batch.receipts > 0 && !*stop.borrow() {
                        continue;
                    }
                }
                Err(fault) => tracing::warn!(%fault, "receipts cannot be dispatched now; they wait in the store"),
            }
            tokio::select! {
                () = own.notified() => {}
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                _ = stop.changed() => return,
            }
        }
    }

    /// Dispatches a batch. One thread reads while the other records, piece by piece: a body of many events is never in
    /// memory as events, and no transaction holds intake up for long.
    async fn dispatch_batch(&self, limits: ReceiptLimits) -> Result<BatchSummary, StoreError> {
        let ClaimedReceipts { mut claims, set_aside, is_other_size_waiting, .. } =
            self.outbox.claim_receipts(limits, self.lease()).await?;
        for SetAside { row, reason } in &set_aside {
            self.metrics.receipts_unreadable.inc();
            tracing::error!(row, reason, "a stored request cannot be read; it is set aside and not told");
        }
        let batch = BatchSummary { receipts: claims.len() + set_aside.len(), is_other_size_waiting };
        if claims.is_empty() {
            return Ok(batch);
        }
        let rules = self.rules.borrow().clone();
        let (now, keys) = (*self.vouched.borrow(), self.retention.borrow().keys);
        let work = |claim: &mut Claim<ReceiptWork>| {
            let receipt = claim.take_receipt();
            let ReceiptWork { tries, replay, .. } = *claim.work();
            // Where every key is known no repetition goes undetected; the operator's order releases what is in
            // quarantine.
            let horizon = match (replay, self.outbox.forgets()) {
                (true, _) => Horizon::default(),
                (false, true) => Horizon::of(now, receipt.received_at, keys),
                (false, false) => Horizon::of(now, receipt.received_at, keys).holding_nothing(),
            };
            (receipt, tries, horizon)
        };
        let works: Vec<(Receipt, u32, Horizon)> = claims.iter_mut().map(work).collect();
        let (sender, receiver) = mpsc::channel(1);
        let reader = tokio::task::spawn_blocking(move || read_all(works, &rules, Shipper::new(sender)));
        let mut read = Arriving { receiver, at_hand: Vec::new().into_iter() };
        let mut destinations = Vec::new();
        let mut conclusions = vec![Vec::new()];
        let mut events = 0;
        for mut claim in claims {
            loop {
                let Some(Piece { events: planned, undecided, end }) = read.next().await else {
                    tracing::error!("a batch of receipts could not be read; it is taken up again when its lease ends");
                    break;
                };
                self.count(&claim, &planned, &undecided);
                note_destinations(&planned, &mut destinations);
                let Some(end) = end else {
                    let recorded = self.outbox.extend(claim, planned, &self.policy(), self.lease()).await?;
                    claim = recorded.claim;
                    self.count_recorded(&claim.work().receipt.source, recorded.tally);
                    self.count_held_back(&recorded.held_back);
                    self.workers.wake(&destinations);
                    self.wake_notifiers(recorded.to_tell);
                    continue;
                };
                self.count_end(&claim, end);
                events += planned.len();
                if events > PIECE_EVENTS {
                    events = planned.len();
                    conclusions.push(Vec::new());
                }
                if let Some(piece) = conclusions.last_mut() {
                    piece.push(Conclusion { claim, events: planned, note: end.note });
                }
                break;
            }
        }
        try_join_all(conclusions.into_iter().map(|piece| self.conclude(piece))).await?;
        self.workers.wake(&destinations);
        drop(reader.await);
        Ok(batch)
    }

    /// Records conclusions, and retries them from memory while the store cannot take them: if they were dropped, their
    /// receipts would wait for the end of the lease and count a try, and after too many of those a receipt is passed on
    /// unread.
    async fn conclude(&self, conclusions: Vec<Conclusion>) -> Result<(), StoreError> {
        if conclusions.is_empty() {
            return Ok(());
        }
        let conclusions = Arc::new(conclusions);
        let dispatched = loop {
            match self.outbox.conclude(Arc::clone(&conclusions), &self.policy(), self.clock.now()).await {
                Ok(dispatched) => break dispatched,
                Err(StoreError::Stopped) => return Err(StoreError::Stopped),
                Err(fault) => {
                    tracing::error!(%fault, "what receipts hold cannot be recorded yet; the dispatcher waits");
                    tokio::time::sleep(CONCLUDE_AGAIN).await;
                }
            }
        };
        let Tally { events_new, events_duplicate, events_quarantined, deliveries, incidents_opened } =
            dispatched.total();
        tracing::debug!(
            events_new,
            events_duplicate,
            events_quarantined,
            deliveries,
            incidents_opened,
            "receipts dispatched"
        );
        for (source, tally) in &dispatched.by_source {
            self.count_recorded(source, *tally);
        }
        self.count_held_back(&dispatched.held_back);
        self.wake_notifiers(dispatched.to_tell);
        if dispatched.leases_lost > 0 {
            let leases_lost = dispatched.leases_lost;
            tracing::warn!(leases_lost, "receipts had been taken up by another worker meanwhile");
        }
        Ok(())
    }

    /// Counts what only the store knows: whether an event was new.
    fn count_recorded(&self, source: &SourceName, tally: Tally) {
        let by_source = || BySource { source: source.to_string() };
        if tally.events_duplicate > 0 {
            self.metrics.events_duplicate.get_or_create(&by_source()).inc_by(tally.events_duplicate as u64);
        }
        if tally.incidents_opened > 0 {
            self.metrics.incidents_opened.get_or_create(&by_source()).inc_by(tally.incidents_opened as u64);
        }
        if tally.events_quarantined > 0 {
            self.metrics.events_quarantined.get_or_create(&by_source()).inc_by(tally.events_quarantined as u64);
            self.held.tell(source, tally.events_quarantined as u64, self.clock.steady());
        }
    }

    /// Notifiers are woken by what is due, not by the routes: an event may only be counted, or resolve what notifiers
    /// were told by others.
    fn wake_notifiers(&self, to_tell: BTreeSet<DestinationName>) {
        self.workers.wake(&to_tell.into_iter().collect::<Vec<_>>());
    }

    fn count_held_back(&self, held_back: &BTreeMap<(SourceName, &'static str), u64>) {
        for ((_, reason), count) in held_back {
            self.metrics.events_held_back.get_or_create(&ByReason { reason }).inc_by(*count);
        }
    }

    fn count(&self, claim: &Claim<ReceiptWork>, events: &[PlannedEvent], undecided: &[(String, String)]) {
        let source = || BySource { source: claim.work().receipt.source.to_string() };
        let unrouted = events.iter().filter(|planned| planned.routed == Routed::No).count();
        self.metrics.events_read.get_or_create(&source()).inc_by(events.len() as u64);
        if unrouted > 0 {
            self.metrics.events_unrouted.get_or_create(&source()).inc_by(unrouted as u64);
        }
        for planned in events.iter().filter(|planned| planned.event.severity_word().is_some()) {
            self.metrics.events_severity_unknown.get_or_create(&source()).inc();
            self.words.tell(&planned.event, self.clock.steady());
        }
        for (route, why) in undecided {
            self.metrics.routing_undecided.get_or_create(&ByRoute { route: route.clone() }).inc();
            tracing::warn!(route, why, "a condition could not be decided; the route takes the event");
        }
    }

    fn count_end(&self, claim: &Claim<ReceiptWork>, end: End) {
        let receipt = &claim.work().receipt;
        let source = || BySource { source: receipt.source.to_string() };
        if end.is_witness {
            self.witness.testify(receipt.received_at);
        }
        if end.is_poison {
            self.metrics.receipts_poison.get_or_create(&source()).inc();
        }
        if end.aging > 0 {
            self.metrics.events_aging.get_or_create(&source()).inc_by(end.aging);
            self.held.warn(&receipt.source, end.aging, self.clock.steady());
        }
        if end.unrecognized > 0 {
            self.metrics.events_unrecognized.get_or_create(&source()).inc_by(end.unrecognized);
            tracing::warn!(
                receipt = %receipt.id, source = %receipt.source, events = end.unrecognized,
                "a message holds no field that its source knows; check its map with `gatepost explain --file`"
            );
        }
        if end.note == Some(Note::Unparsed) {
            self.metrics.events_unparsed.get_or_create(&source()).inc();
            tracing::warn!(receipt = %receipt.id, source = %receipt.source, "an authentic body was not understood");
        }
    }

    /// As of now: a reload while a batch is read or waits for the store must not leave it to notifiers that are gone.
    fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.rules.borrow().policy)
    }

    fn lease(&self) -> Lease {
        Lease { now: self.clock.now(), steady: self.clock.steady(), length: LEASE }
    }
}

/// What a batch held.
struct BatchSummary {
    /// How many receipts were claimed or set aside.
    receipts: usize,
    /// Whether there is work for the other worker.
    is_other_size_waiting: bool,
}

/// How many receipts are claimed at once: as many as were recently done in `BATCH_TIME`.
#[derive(Debug)]
struct Batches {
    most: ReceiptLimits,
    receipts: usize,
}

impl Batches {
    /// Of at most that size.
    fn new(most: ReceiptLimits) -> Self {
        Self { most, receipts: most.receipts }
    }

    fn limits(&self) -> ReceiptLimits {
        ReceiptLimits { receipts: self.receipts, ..self.most }
    }

    /// A batch of so many receipts took so long, from its claim to its last commit.
    fn note(&mut self, receipts: usize, took: Duration) {
        if receipts > 0 && took > BATCH_TIME {
            self.receipts = (self.receipts / 2).max(BATCH_RECEIPTS_MIN.min(self.most.receipts));
        } else if receipts >= self.receipts && took < BATCH_TIME / 2 {
            self.receipts = (self.receipts * 2).min(self.most.receipts);
        }
    }
}

/// Some events of a receipt.
struct Piece {
    events: Vec<PlannedEvent>,
    /// Routes whose condition could not be decided, with the reason, one entry an event.
    undecided: Vec<(String, String)>,
    /// They are the last; and what else there is to say about the receipt.
    end: Option<End>,
}

/// Pieces on their way from the thread that reads, several at a time: small receipts are many.
struct Shipper {
    sender: mpsc::Sender<Vec<Piece>>,
    pieces: Vec<Piece>,
    events: usize,
}

impl Shipper {
    fn new(sender: mpsc::Sender<Vec<Piece>>) -> Self {
        Self { sender, pieces: Vec::new(), events: 0 }
    }

    /// Whether the receiver is gone: the receipts will be claimed again.
    fn is_in_vain(&self) -> bool {
        self.sender.is_closed()
    }

    fn push(&mut self, piece: Piece) {
        self.events += piece.events.len();
        self.pieces.push(piece);
        if self.events >= PIECE_EVENTS {
            self.ship();
        }
    }

    fn ship(&mut self) {
        self.events = 0;
        let pieces = std::mem::take(&mut self.pieces);
        drop(self.sender.blocking_send(pieces));
    }
}

struct Arriving {
    receiver: mpsc::Receiver<Vec<Piece>>,
    at_hand: std::vec::IntoIter<Piece>,
}

impl Arriving {
    async fn next(&mut self) -> Option<Piece> {
        loop {
            if let Some(piece) = self.at_hand.next() {
                return Some(piece);
            }
            self.at_hand = self.receiver.recv().await?.into_iter();
        }
    }
}

/// Reads receipts one after the other, until the receiver of the pieces is gone.
fn read_all(works: Vec<(Receipt, u32, Horizon)>, rules: &Rules, mut shipper: Shipper) {
    for (receipt, tries, horizon) in works {
        let (mut events, mut undecided) = (Vec::new(), Vec::new());
        let end = process(receipt, tries, horizon, rules, &mut |(planned, unclear)| {
            if shipper.is_in_vain() {
                return;
            }
            if events.len() == PIECE_EVENTS {
                let (events, undecided) = (std::mem::take(&mut events), std::mem::take(&mut undecided));
                shipper.push(Piece { events, undecided, end: None });
            }
            events.push(planned);
            undecided.extend(unclear);
        });
        shipper.push(Piece { events, undecided, end: Some(end) });
        if shipper.is_in_vain() {
            return;
        }
    }
    shipper.ship();
}

/// Logs events in quarantine, once a minute and source, and those that come near it, once an hour: a sender of captured
/// requests must not fill the log.
#[derive(Debug, Default)]
pub struct HeldLog {
    held: Mutex<BTreeMap<SourceName, Held>>,
    aging: Mutex<BTreeMap<SourceName, Held>>,
}

#[derive(Debug, Default)]
struct Held {
    last_told: Option<Timestamp>,
    untold: u64,
}

impl HeldLog {
    fn tell(&self, source: &SourceName, count: u64, steady: Timestamp) {
        let mut sources = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(events) = sources.entry(source.clone()).or_default().due(count, steady, HELD_INTERVAL) {
            tracing::warn!(%source, events, "signed events are older than keys are kept; they are in quarantine");
        }
    }

    fn warn(&self, source: &SourceName, count: u64, steady: Timestamp) {
        let mut sources = self.aging.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(events) = sources.entry(source.clone()).or_default().due(count, steady, AGING_INTERVAL) {
            tracing::warn!(
                %source, events,
                "signed events are older than half of the time for which keys are kept; beyond it they go to quarantine, \
                 unless the source has on_old = \"deliver\" or [retention] keys is longer"
            );
        }
    }
}

impl Held {
    /// How many there are to log, if it is time.
    fn due(&mut self, count: u64, steady: Timestamp, interval: Duration) -> Option<u64> {
        self.untold += count;
        if self.last_told.is_some_and(|last| steady.since(last) < interval) {
            return None;
        }
        self.last_told = Some(steady);
        Some(std::mem::take(&mut self.untold))
    }
}

fn note_destinations(events: &[PlannedEvent], destinations: &mut Vec<DestinationName>) {
    for (destination, _) in events.iter().flat_map(|planned| &planned.deliveries) {
        if !destinations.contains(destination) {
            destinations.push(destination.clone());
        }
    }
}

/// Small receipts taken at once, at most.
const SMALL: ReceiptLimits = ReceiptLimits { size: Some(ReceiptSize::Small), receipts: 128, bytes: 256 << 10 };
/// Large receipts taken at once: one, where it is a large one.
const LARGE: ReceiptLimits = ReceiptLimits { size: Some(ReceiptSize::Large), receipts: 4, bytes: 512 << 10 };
/// How long a batch may take before the next one is made smaller. An urgent receipt waits for the end of one batch and the
/// claim of the next.
const BATCH_TIME: Duration = Duration::from_millis(40);
/// Fewer receipts than are recorded in one piece of work take no less time.
const BATCH_RECEIPTS_MIN: usize = PIECE_EVENTS;
/// Events recorded in one piece of work: about a millisecond, so that intake need not wait for it.
const PIECE_EVENTS: usize = 24;
/// Reading 64 MiB takes seconds; the rest is a margin for a busy machine.
const LEASE: Duration = Duration::from_secs(30);
/// How long a wake-up that was missed, or another process's replay, waits at most.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How soon conclusions that could not be recorded are recorded again.
const CONCLUDE_AGAIN: Duration = Duration::from_millis(500);
/// How often events in quarantine are logged.
const HELD_INTERVAL: Duration = Duration::from_secs(60);
/// How often events that come near it are logged.
const AGING_INTERVAL: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authentic::authentic;
    use crate::domain::{BatchEvent, BatchSize, Draft, NotifierClass, Request, Severity, SystemClock};
    use crate::routing::{Flow, Route, Router};
    use crate::store::{
        Access, Advanced, ClaimOrder, Claimed, Dispatched, EventRange, Extended, Inbox, IncidentFilter,
        IncidentQueries, LeasesLost, NotifierPolicy, Page, Settlement, SqliteStore, Ticket,
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
            policy: Arc::new(Policy { notifiers, ..Policy::default() }),
        })
    }

    /// A store that is asked for something only once a batch has been claimed, and has the rules exchanged then.
    struct Reloading {
        store: SqliteStore,
        rules: watch::Sender<Arc<Rules>>,
    }

    impl Outbox for Reloading {
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

        fn conclude(
            &self,
            conclusions: Arc<Vec<Conclusion>>,
            policy: &Arc<Policy>,
            now: Timestamp,
        ) -> Ticket<Dispatched> {
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

        fn settle(
            &self,
            settlements: Arc<Vec<Settlement>>,
            policy: &Arc<Policy>,
            now: Timestamp,
        ) -> Ticket<LeasesLost> {
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
        assert_eq!(dispatcher.dispatch_batch(SMALL).await.unwrap().receipts, 1);
        let page = Page { limit: 10, before: None };
        let incidents = store.incidents(&page, &IncidentFilter::default()).unwrap();
        assert_eq!(incidents.len(), 1, "`d` is a notifier by now");
    }

    #[test]
    fn what_is_held_is_told_once_a_minute_and_in_full() {
        let mut held = Held::default();
        let mut due = |count, seconds: i64| held.due(count, Timestamp::from_millis(seconds * 1_000), HELD_INTERVAL);
        assert_eq!(due(2, 100), Some(2));
        assert_eq!((due(5, 101), due(1, 159)), (None, None));
        assert_eq!(due(1, 160), Some(7));
    }

    #[test]
    fn a_batch_holds_as_many_as_are_done_in_time() {
        let mut batches = Batches::new(SMALL);
        let (slow, quick) = (BATCH_TIME + Duration::from_millis(1), BATCH_TIME / 4);
        let mut after = |receipts, took| {
            batches.note(receipts, took);
            batches.limits().receipts
        };
        assert_eq!(after(128, quick), 128);
        assert_eq!([after(128, slow), after(64, slow), after(32, slow), after(24, slow)], [64, 32, 24, 24]);
        assert_eq!(after(0, slow), 24, "waiting for a claim of nothing says nothing");
        assert_eq!((after(5, quick), after(24, BATCH_TIME)), (24, 24), "nothing says that more could be done");
        assert_eq!([after(24, quick), after(48, quick), after(96, quick)], [48, 96, 128]);
        let mut large = Batches::new(LARGE);
        large.note(1, Duration::from_secs(9));
        assert_eq!(large.limits().receipts, LARGE.receipts);
    }
}
