//! A store in a folder of its own, and short words for what tests do with it.

use std::sync::Arc;
use std::time::Duration;

use gatepost::domain::{
    Attempt, BatchSize, DeliveryId, DeliveryState, DestinationName, Draft, Event, OutcomeKind, Progress, Reference,
    Severity, Timestamp,
};
use gatepost::store::{
    Acceptance, Access, Claim, ClaimOrder, Claimed, Conclusion, Content, DeliveryFilter, DeliveryWork, Inbox, Joining,
    Lease, LeasesLost, Outbox, Page, PlannedEvent, Queries, ReceiptLimits, ReceiptWork, Routed, Settlement,
    SqliteStore, Verdict,
};
use gatepost::vendors::Authenticated;

use super::authentic::authentic;

pub const ONE_EVENT: BatchSize = BatchSize { events: 1, bytes: 1 << 20 };
pub const ALL: Page = Page { limit: 1000, before: None };

pub struct Fixture {
    pub folder: tempfile::TempDir,
    pub store: SqliteStore,
}

impl Fixture {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("test.db"), Access::Serve).unwrap();
        Self { folder, store }
    }

    pub fn reopen(self) -> Self {
        let Self { folder, store } = self;
        store.close();
        drop(store);
        let store = SqliteStore::open(&folder.path().join("test.db"), Access::Serve).unwrap();
        Self { folder, store }
    }

    pub fn arrival(&self, source: &str, id: &str, body: &str) -> Authenticated {
        self.arrival_at(1_000, source, id, body)
    }

    pub fn arrival_at(&self, received_at: i64, source: &str, id: &str, body: &str) -> Authenticated {
        authentic(source, id, body, at(received_at))
    }

    pub fn accept(&self, id: &str) -> Acceptance {
        self.store.accept(self.arrival("s", id, id), None).wait().unwrap()
    }

    pub fn claim_receipts(&self, now: i64) -> Vec<Claim<ReceiptWork>> {
        self.store.claim_receipts(ReceiptLimits::of_any_size(100), lease(now)).wait().unwrap().claims
    }

    /// Dispatches everything, one event a receipt, to these destinations.
    pub fn dispatch(&self, now: i64, to: &[&str]) {
        let conclusions = self
            .claim_receipts(now)
            .into_iter()
            .map(|claim| {
                let events = vec![planned(&claim, "e", Severity::Medium, to)];
                Conclusion { claim, events, note: None }
            })
            .collect();
        self.store.conclude(Arc::new(conclusions), &Arc::default(), at(now)).wait().unwrap();
    }

    /// Claims for a sink, an event a batch.
    pub fn claim(&self, destination: &str, limit: usize, now: i64) -> Vec<Claim<DeliveryWork>> {
        self.claim_by(destination, limit, ClaimOrder::MostSevere, now).claims
    }

    pub fn claim_by(&self, destination: &str, limit: usize, order: ClaimOrder, now: i64) -> Claimed {
        self.store.claim_batches(&destination.parse().unwrap(), limit, order, ONE_EVENT, lease(now)).wait().unwrap()
    }

    /// Has each event of a sink be sent by itself, from then on.
    pub fn single_out(&self, destination: &str, now: i64) {
        for claim in self.claim(destination, 1000, now) {
            let again = self.events(&claim).iter().map(|event| (event.id, "by itself".to_owned())).collect();
            self.settle(claim, Verdict::DeliveredExcept { refused: Vec::new(), again, not_before: at(now) });
        }
    }

    /// The events that are claimed for a sink.
    pub fn events(&self, claim: &Claim<DeliveryWork>) -> Vec<Event> {
        match &claim.work().content {
            Content::Event(event) => vec![event.document.read().unwrap()],
            Content::Batch(range) => {
                let destination = self.destination_of(claim.work().delivery);
                let events = self.store.batch_events(&destination, *range).unwrap();
                events.iter().map(|event| event.document.read().unwrap()).collect()
            }
            Content::Change(_) => panic!("{claim:?}"),
        }
    }

    /// The event of a claim that has one.
    pub fn event(&self, claim: &Claim<DeliveryWork>) -> Event {
        let mut events = self.events(claim);
        assert_eq!(events.len(), 1);
        events.remove(0)
    }

    pub fn destination_of(&self, delivery: DeliveryId) -> DestinationName {
        self.store.delivery(delivery).unwrap().unwrap().0.delivery.destination
    }

    pub fn settle(&self, claim: Claim<DeliveryWork>, verdict: Verdict) -> LeasesLost {
        let attempt = Attempt {
            number: claim.work().tries,
            started_at: at(0),
            duration_ms: 5,
            outcome: OutcomeKind::Retry,
            reason: Some("busy".to_owned()),
        };
        self.store
            .settle(Arc::new(vec![Settlement { claim, attempt, verdict }]), &Arc::default(), at(0))
            .wait()
            .unwrap()
    }

    /// Changes what stands in the file, as a fault of the disk or another program does.
    pub fn tamper(&self, statement: &str) {
        rusqlite::Connection::open(self.folder.path().join("test.db")).unwrap().execute_batch(statement).unwrap();
    }

    pub fn count(&self, statement: &str) -> i64 {
        let connection = rusqlite::Connection::open(self.folder.path().join("test.db")).unwrap();
        connection.query_row(statement, [], |row| row.get(0)).unwrap()
    }

    pub fn states(&self) -> Vec<DeliveryState> {
        let rows = self.store.deliveries(&ALL, &DeliveryFilter::default()).unwrap();
        rows.into_iter().map(|row| row.delivery.state).collect()
    }
}

pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

pub fn lease(now: i64) -> Lease {
    Lease { now: at(now), steady: at(now), length: Duration::from_secs(30) }
}

pub fn planned(claim: &Claim<ReceiptWork>, key: &str, severity: Severity, to: &[&str]) -> PlannedEvent {
    let receipt = &claim.work().receipt;
    let id = String::from_utf8_lossy(&receipt.body).into_owned();
    let draft = Draft { key: vec![key.to_owned(), id], title: key.to_owned(), ..Draft::default() };
    let event: Event = draft.into_event(receipt, "v", severity, 0);
    let deliveries = to.iter().map(|name| (name.parse().unwrap(), "r".parse().unwrap())).collect();
    let routed = if to.is_empty() { Routed::No } else { Routed::Yes };
    let joining = Joining::of(&event);
    PlannedEvent { event, deliveries, routed, recurrence: None, joining }
}

pub fn delivered() -> Verdict {
    Verdict::Delivered { remote: Some(Reference::named("KEY-1")) }
}

pub fn again(not_before: i64, uncertain: bool) -> Verdict {
    Verdict::Again {
        not_before: at(not_before),
        retrying_since: Some(at(5)),
        uncertain,
        is_pending: false,
        progress: Progress("note".into()),
        reason: "busy".to_owned(),
    }
}

pub fn name(text: &str) -> DestinationName {
    text.parse().unwrap()
}
