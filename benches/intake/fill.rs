//! Stores that are filled before the run, through the store's API: keys that have been seen, a month of events, and what waits for a sink.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gatepost::config::Config;
use gatepost::domain::{Clock, Note, Request, SystemClock, Timestamp};
use gatepost::store::{
    Acceptance, Access, Claim, Conclusion, Inbox, Joining, Lease, Outbox, PlannedEvent, ReceiptLimits, ReceiptWork,
    Routed, SqliteStore,
};
use gatepost::vendors::{Authenticated, Source};

use super::gateway::{AWAY, Setup};
use super::process::Folder;
use super::requests::{alert, sign};
use super::{Outcome, progress};

/// What is in the store before gatepost starts on it.
#[derive(Clone, Copy, Default)]
pub struct Past {
    /// Small requests that were accepted and held no event.
    pub keys: usize,
    /// How long ago.
    pub age: Duration,
    /// Alerts that wait for [`AWAY`].
    pub waiting: usize,
}

/// Fills the store of `setup` in the folder, which must not be served.
pub fn fill(folder: &Folder, setup: &Setup, past: Past) -> Outcome {
    progress(&format!("filling a store: {} keys, {} waiting events", past.keys, past.waiting));
    let config = Config::load(&setup.write(folder)?)?;
    let source = config.sources.get(&"bench".parse()?).ok_or("no source")?;
    let store = SqliteStore::open(&config.store, Access::Serve)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let now = SystemClock.now();
        let filler = Filler { source, store: &store };
        filler.fill(past.keys, small, now.minus(past.age)).await?;
        filler.fill(past.waiting, |place| alert(NUMBERED_FROM + place), now).await
    })?;
    store.close();
    Ok(())
}

/// The request for the small body at `place`, as it would come over the wire.
pub fn small_request(place: usize) -> Vec<u8> {
    let body = small(place);
    let head = "POST /webhooks/bench HTTP/1.1\r\nhost: 127.0.0.1\r\nx-secureagentics-signature";
    format!("{head}: {}\r\ncontent-length: {}\r\n\r\n{body}", sign(&body), body.len()).into_bytes()
}

fn small(place: usize) -> String {
    format!("{{\"id\":\"past_{place:012}\",\"type\":\"ping\"}}")
}

struct Filler<'f> {
    source: &'f Source,
    store: &'f SqliteStore,
}

impl Filler<'_> {
    async fn fill(&self, count: usize, body: impl Fn(usize) -> String, at: Timestamp) -> Outcome {
        for begin in (0..count).step_by(AT_ONCE) {
            let mut tickets = Vec::new();
            for place in begin..(begin + AT_ONCE).min(count) {
                tickets.push(self.store.accept(self.arrival(body(place), at)?, None));
            }
            for ticket in tickets {
                if !matches!(ticket.await?, Acceptance::New(_)) {
                    return Err("a key came twice".into());
                }
            }
            self.dispatch().await?;
        }
        Ok(())
    }

    fn arrival(&self, body: String, at: Timestamp) -> Outcome<Authenticated> {
        let signature = sign(&body);
        let headers = [("x-secureagentics-signature", signature.as_str())].into_iter().collect();
        let request = Request { headers, body: Bytes::from(body), received_at: at };
        Ok(self.source.authenticate(request, at).map_err(|refusal| format!("{refusal:?}"))?)
    }

    /// Closes every receipt, with its deliveries to the one destination.
    async fn dispatch(&self) -> Outcome {
        loop {
            let now = SystemClock.now();
            let lease = Lease { now, steady: now, length: Duration::from_secs(60) };
            let claims = self.store.claim_receipts(ReceiptLimits::of_any_size(1_000), lease).await?.claims;
            if claims.is_empty() {
                return Ok(());
            }
            let conclusions: Outcome<Vec<Conclusion>> = claims.into_iter().map(|claim| self.conclude(claim)).collect();
            self.store.conclude(Arc::new(conclusions?), &Arc::default(), now).await?;
        }
    }

    fn conclude(&self, claim: Claim<ReceiptWork>) -> Outcome<Conclusion> {
        let receipt = &claim.work().receipt;
        let reading = self.source.normalizer.normalize(&receipt.body);
        let mut events = Vec::new();
        for (position, draft) in reading.drafts.into_iter().enumerate() {
            let event = draft.into_event(receipt, self.source.vendor.name, self.source.default_severity, position);
            let deliveries = vec![(AWAY.parse()?, "everything".parse()?)];
            let joining = Joining::of(&event);
            events.push(PlannedEvent { event, deliveries, routed: Routed::Yes, recurrence: None, joining });
        }
        let note = events.is_empty().then_some(Note::Ping);
        Ok(Conclusion { claim, events, note })
    }
}

/// Fewer than may wait for a commit at once.
const AT_ONCE: usize = 4_096;
/// Above the numbers of every load.
const NUMBERED_FROM: usize = 100_000_000_000;
