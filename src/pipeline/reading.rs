//! From a stored body to events: inflating, normalizing, planning. Synchronous; the dispatcher runs it on a thread that
//! may be busy for a while.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sha2::{Digest, Sha256};

use super::supervisor::Rules;
use crate::domain::{Encoding, Note, Receipt, Severity, inflate};
use crate::routing::Plan;
use crate::store::{PlannedEvent, ReceiptWork, Routed};
use crate::vendors::{Reading, Source};

/// What a receipt turned out to hold.
#[derive(Debug)]
pub struct Processed {
    /// Its events, each with who must know.
    pub events: Vec<PlannedEvent>,
    /// What else there is to say about it.
    pub note: Option<Note>,
    /// Routes whose condition could not be decided, with the reason, one entry an event.
    pub undecided: Vec<(String, String)>,
}

/// Reads a receipt and plans its events. Never fails and never panics: what cannot be read becomes an event that says so.
pub fn process(work: &ReceiptWork, rules: &Rules) -> Processed {
    let receipt = &work.receipt;
    let source = rules.sources.get(&receipt.source);
    let reading = match source {
        Some(_) if work.tries > TRIES_MAX => {
            Reading::unparsed(&receipt.body, "the process ended several times while reading it")
        }
        Some(source) => read(receipt, source),
        None => Reading::unparsed(&receipt.body, "its source is no longer configured"),
    };
    let vendor = source.map_or("unknown", |source| source.vendor.name);
    let default = source.map_or(Severity::Medium, |source| source.default_severity);
    let hearsay = source.and_then(|source| hearsay(receipt, source));
    let mut undecided = Vec::new();
    let mut events = Vec::with_capacity(reading.drafts.len());
    for (position, mut draft) in reading.drafts.into_iter().enumerate() {
        if let Some(hearsay) = &hearsay {
            draft.key.extend([hearsay.clone(), position.to_string()]);
        }
        // What an attacker made unreadable may have been anything.
        let default = if draft.kind == UNPARSED { at_least_high(default) } else { default };
        let event = draft.into_event(receipt, vendor, default, position);
        let Plan { deliveries, routes_taken, undecided: unclear } = rules.router.plan(&event);
        undecided.extend(unclear.into_iter().map(|(route, why)| (route.to_string(), why)));
        let routed = if routes_taken > 0 { Routed::Yes } else { Routed::No };
        events.push(PlannedEvent { event, deliveries, routed });
    }
    Processed { events, note: reading.note, undecided }
}

fn read(receipt: &Receipt, source: &Source) -> Reading {
    let normalize = |body: &[u8]| {
        let reading = catch_unwind(AssertUnwindSafe(|| source.normalizer.normalize(body)));
        reading.unwrap_or_else(|_| {
            tracing::error!(receipt = %receipt.id, source = %receipt.source, "reading a body failed; it is passed on unread");
            Reading::unparsed(body, "reading it failed")
        })
    };
    match receipt.encoding {
        Encoding::Identity => normalize(&receipt.body),
        Encoding::Gzip => {
            let mut body = Vec::new();
            match inflate(&receipt.body, source.body_limit_bytes, |piece| body.extend_from_slice(piece)) {
                Ok(_) => normalize(&body),
                Err(fault) => Reading::unparsed(&receipt.body, &fault.to_string()),
            }
        }
    }
}

/// What must stand in an event's key beside an id that nobody vouches for: the body, so that a stranger cannot spend the
/// id of an event that is still to come, nor make new events of a captured body under new ids. Where the time is not
/// signed either, a body can be captured and sent again for ever, so the hour stands in for it: an alert that really
/// comes again in the same words is told again.
fn hearsay(receipt: &Receipt, source: &Source) -> Option<String> {
    if source.vouches_for_ids() || (source.normalizer.id_header().is_some() && source.verifier.signs_time()) {
        return None;
    }
    let hour = receipt.received_at.as_millis() / 3_600_000;
    Some(format!("{} {hour}", hex::encode(Sha256::digest(&receipt.body))))
}

/// The severity of what could not be read, or could be read in two ways.
fn at_least_high(severity: Severity) -> Severity {
    if severity.rank() >= Severity::High.rank() { severity } else { Severity::High }
}

/// The type of events made of what could not be read.
const UNPARSED: &str = "unparsed";
/// Beyond this a body is suspected of ending the process. Generous, because a machine that is switched off and on is no
/// fault of the body.
const TRIES_MAX: u32 = 10;
