//! Stores that are filled before the run, through the store's API: keys that have been seen, a month of events, and what waits for a sink.

use std::ops::Range;
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
    /// How long ago; the first of them, where they are [`Self::spread`].
    pub age: Duration,
    /// Whether they came evenly from then until now, not all at once.
    pub spread: bool,
    /// Alerts of that time that were read and that no destination waits for.
    pub events: usize,
    /// Alerts that wait for [`AWAY`].
    pub waiting: usize,
}

/// Fills the store of `setup` in the folder, which must not be served.
pub fn fill(folder: &Folder, setup: &Setup, past: Past) -> Outcome {
    let Past { keys, age, spread, events, waiting } = past;
    progress(&format!("filling a store: {keys} keys, {events} events, {waiting} waiting events"));
    let config = Config::load(&setup.write(folder)?)?;
    let source = config.sources.get(&"bench".parse()?).ok_or("no source")?;
    let store = SqliteStore::open(&config.store, Access::Serve)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let now = SystemClock.now();
        let filler = Filler { source, store: &store };
        let at = |place: usize, count: usize| match spread {
            true => now.minus(age.mul_f64(1.0 - place as f64 / count as f64)),
            false => now.minus(age),
        };
        // A request of a month ago comes before one of a week ago, whatever it holds.
        for part in 0..PARTS {
            let part = |count: usize| count * part / PARTS..count * (part + 1) / PARTS;
            filler.fill(part(keys), small, |place| at(place, keys), None).await?;
            filler.fill(part(events), |place| alert(EVENTS_FROM + place), |place| at(place, events), None).await?;
        }
        filler.fill(0..waiting, |place| alert(NUMBERED_FROM + place), |_| now, Some(AWAY)).await
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
    async fn fill(
        &self,
        places: Range<usize>,
        body: impl Fn(usize) -> String,
        at: impl Fn(usize) -> Timestamp,
        sink: Option<&str>,
    ) -> Outcome {
        for begin in places.clone().step_by(AT_ONCE) {
            let mut tickets = Vec::new();
            for place in begin..(begin + AT_ONCE).min(places.end) {
                tickets.push(self.store.accept(self.arrival(body(place), at(place))?, None));
            }
            for ticket in tickets {
                if !matches!(ticket.await?, Acceptance::New(_)) {
                    return Err("a key came twice".into());
                }
            }
            self.dispatch(sink).await?;
        }
        Ok(())
    }

    fn arrival(&self, body: String, at: Timestamp) -> Outcome<Authenticated> {
        let signature = sign(&body);
        let headers = [("x-secureagentics-signature", signature.as_str())].into_iter().collect();
        let request = Request { headers, body: Bytes::from(body), received_at: at };
        Ok(self.source.authenticate(request, at).map_err(|refusal| format!("{refusal:?}"))?)
    }

    /// Closes every receipt; its events wait for the sink.
    async fn dispatch(&self, sink: Option<&str>) -> Outcome {
        loop {
            let now = SystemClock.now();
            let lease = Lease { now, steady: now, length: Duration::from_secs(60) };
            let claims = self.store.claim_receipts(ReceiptLimits::of_any_size(1_000), lease).await?.claims;
            if claims.is_empty() {
                return Ok(());
            }
            let conclusions: Outcome<Vec<Conclusion>> =
                claims.into_iter().map(|claim| self.conclude(claim, sink)).collect();
            self.store.conclude(Arc::new(conclusions?), &Arc::default(), now).await?;
        }
    }

    fn conclude(&self, claim: Claim<ReceiptWork>, sink: Option<&str>) -> Outcome<Conclusion> {
        let receipt = &claim.work().receipt;
        let reading = self.source.normalizer.normalize(&receipt.body);
        let mut events = Vec::new();
        for (position, draft) in reading.drafts.into_iter().enumerate() {
            let event = draft.into_event(receipt, self.source.vendor.name, self.source.default_severity, position);
            let deliveries = match sink {
                Some(sink) => vec![(sink.parse()?, "everything".parse()?)],
                None => Vec::new(),
            };
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
/// Above those.
const EVENTS_FROM: usize = 200_000_000_000;
/// Keys and events in turn.
const PARTS: usize = 100;
