//! From a stored body to events: inflating, normalizing, planning. Synchronous; the dispatcher runs it on a thread that
//! may be busy for a while.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sha2::{Digest, Sha256};

use super::supervisor::Rules;
use crate::domain::{Draft, Encoding, Note, Receipt, Severity, inflate, inflated_length_hint};
use crate::routing::Plan;
use crate::store::{PlannedEvent, Routed};
use crate::vendors::{Reading, Source};

/// An event, who must know of it, and the routes whose condition could not be decided, with the reason.
pub type Planned = (PlannedEvent, Vec<(String, String)>);

/// Reads a receipt and hands out its events one by one, planned; the answer is what else there is to say about it. Never
/// fails and never panics: what cannot be read becomes an event that says so.
pub fn process(mut receipt: Receipt, tries: u32, rules: &Rules, take: &mut dyn FnMut(Planned)) -> Option<Note> {
    let source = rules.sources.get(&receipt.source);
    let vendor = source.map_or("unknown", |source| source.vendor.name);
    let default = source.map_or(Severity::Medium, |source| source.default_severity);
    let hearsay = source.and_then(|source| hearsay(&receipt, source));
    let body = std::mem::take(&mut receipt.body);
    let mut position = 0;
    let mut plan = |mut draft: Draft| {
        if let Some(hearsay) = &hearsay {
            draft.key.extend([hearsay.clone(), position.to_string()]);
        }
        // What an attacker made unreadable may have been anything.
        let default = if draft.kind == UNPARSED { at_least_high(default) } else { default };
        let event = draft.into_event(&receipt, vendor, default, position);
        position += 1;
        let Plan { deliveries, routes_taken, undecided } = rules.router.plan(&event);
        let routed = if routes_taken > 0 { Routed::Yes } else { Routed::No };
        let undecided = undecided.into_iter().map(|(route, why)| (route.to_string(), why)).collect();
        take((PlannedEvent { event, deliveries, routed }, undecided));
    };
    let unread = |body: &[u8], why: &str| Reading::unparsed(body, why);
    let unread = match source {
        Some(_) if tries > TRIES_MAX => unread(&body, "the process ended several times while reading it"),
        None => unread(&body, "its source is no longer configured"),
        Some(source) => {
            let body = match receipt.encoding {
                Encoding::Identity => Ok(Vec::from(body)),
                Encoding::Gzip => inflated(&body, source).map_err(|why| unread(&body, &why)),
            };
            match body {
                Ok(body) => return read(&body, source, &receipt, &mut plan),
                Err(reading) => reading,
            }
        }
    };
    unread.drafts.into_iter().for_each(plan);
    unread.note
}

/// Reads a body. What was handed out before a panic stays.
fn read(body: &[u8], source: &Source, receipt: &Receipt, plan: &mut dyn FnMut(Draft)) -> Option<Note> {
    catch_unwind(AssertUnwindSafe(|| source.normalizer.read(body, plan))).unwrap_or_else(|_| {
        tracing::error!(receipt = %receipt.id, source = %receipt.source, "reading a body failed; it is passed on unread");
        let unread = Reading::unparsed(body, "reading it failed");
        unread.drafts.into_iter().for_each(plan);
        unread.note
    })
}

fn inflated(wire: &[u8], source: &Source) -> Result<Vec<u8>, String> {
    let limit = source.body_limit_bytes;
    let mut body = Vec::with_capacity(inflated_length_hint(wire, limit));
    inflate(wire, limit, |piece| body.extend_from_slice(piece)).map_err(|fault| fault.to_string())?;
    Ok(body)
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
