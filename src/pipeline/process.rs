//! From a stored body to events: inflating, normalizing, planning. Synchronous; the dispatcher runs it on a thread that
//! may be busy for a while.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::horizon::{Horizon, Witness};
use super::rules::Rules;
use crate::domain::{Draft, Encoding, Event, Note, Receipt, Severity, Timestamp, inflate, inflated_length_hint};
use crate::incidents::{Grouped, Hint, NewEvent, group};
use crate::routing::Plan;
use crate::store::{Joining, PlannedEvent, Recurrence, Routed};
use crate::vendors::{Reading, Source};

/// An event, the destinations that must be told, and the routes whose condition could not be decided, with the reason.
pub type Planned = (PlannedEvent, Vec<(String, String)>);

/// What else there is to say about a receipt that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// For the operator who looks at it.
    pub note: Option<Note>,
    /// Whether it is passed on unread, because reading it fails or has ended the process: a defect of gatepost, which
    /// must be told.
    pub is_poison: bool,
    /// Whether a time in it agrees with the clock by which it was received.
    pub is_witness: bool,
    /// How many of its events hold no field that the source knows.
    pub unrecognized: u64,
    /// How many of its events are told, but so old that others like them will be held back.
    pub aging: u64,
}

/// Reads a receipt and hands out its events one by one, planned. Never fails and never panics: what cannot be read
/// becomes an event that says so. What happened beyond the horizon is planned for quarantine, where the source says so.
pub fn process(
    mut receipt: Receipt,
    tries: u32,
    horizon: Horizon,
    rules: &Rules,
    take: &mut dyn FnMut(Planned),
) -> End {
    let source = rules.sources.get(&receipt.source);
    let vendor = source.map_or("unknown", |source| source.vendor.name);
    let default = source.map_or(Severity::Medium, |source| source.default_severity);
    let digest = source.and_then(|source| digest_beside_unauthenticated_id(&receipt, source));
    let body = std::mem::take(&mut receipt.body);
    let (mut position, mut is_witness, mut unrecognized, mut aging) = (0, false, 0, 0);
    let mut plan = |mut draft: Draft| {
        if let Some(digest) = &digest {
            draft.key.extend([digest.clone(), position.to_string()]);
            draft.recurs = true;
        }
        let recurrence = source.and_then(|source| {
            Some(Recurrence { key: draft.recurring_key(&receipt.source)?, known_for: source.repeat_window })
        });
        let is_held = source.is_some_and(|source| horizon.holds(source, &draft));
        aging += u64::from(source.is_some_and(|source| horizon.warns_of(source, &draft)));
        is_witness |= source.is_some_and(|source| Witness::is_heard_in(source, draft.time, receipt.received_at));
        unrecognized += u64::from(draft.is_unrecognized);
        let documented = draft.time.filter(|_| draft.is_time_documented);
        let hint = Hint { parts: std::mem::take(&mut draft.incident_parts), victim: draft.victim.take() };
        let event = draft.into_event(&receipt, vendor, default, position);
        let joining = joining(&event, documented, &hint, rules);
        position += 1;
        if is_held {
            let routed = Routed::Quarantined;
            return take((PlannedEvent { event, deliveries: Vec::new(), routed, recurrence, joining }, Vec::new()));
        }
        let Plan { deliveries, routes_taken, undecided } = rules.router.plan(&event);
        let routed = if routes_taken > 0 { Routed::Yes } else { Routed::No };
        let undecided = undecided.into_iter().map(|(route, why)| (route.to_string(), why)).collect();
        take((PlannedEvent { event, deliveries, routed, recurrence, joining }, undecided));
    };
    let (unread, is_poison) = match source {
        Some(_) if tries > TRIES_MAX => {
            let tries = tries - 1;
            tracing::error!(
                receipt = %receipt.id, source = %receipt.source, tries,
                "the process ended each time a body was read; it is passed on unread"
            );
            (Reading::unparsed(&body, "the process ended several times while reading it"), true)
        }
        Some(source) => match read(body, source, &receipt, &mut plan) {
            Ok(note) => {
                // More urgent for the operator than that it was repaired.
                let note = if unrecognized > 0 { Some(Note::Unrecognized) } else { note };
                return End { note, is_poison: false, is_witness, unrecognized, aging };
            }
            Err(ended) => ended,
        },
        None => (Reading::unparsed(&body, "its source is no longer configured"), false),
    };
    unread.drafts.into_iter().for_each(plan);
    End { note: unread.note, is_poison, is_witness, unrecognized, aging }
}

/// Which incident an event belongs to, and what it brings there. It happened when the vendor documents that it did, else when
/// it was received.
fn joining(event: &Event, documented: Option<Timestamp>, hint: &Hint, rules: &Rules) -> Joining {
    let Grouped { key, victim, .. } = group(event, hint, rules.policy.group_by(&event.source));
    Joining { key, event: NewEvent::of(event, documented.unwrap_or(event.received_at), victim, false) }
}

/// Reads a body and hands out what it holds. If it cannot be read: what is to be told instead, and whether that is a
/// defect of gatepost. What was handed out before a panic stays.
fn read(
    body: Bytes,
    source: &Source,
    receipt: &Receipt,
    plan: &mut dyn FnMut(Draft),
) -> Result<Option<Note>, (Reading, bool)> {
    let beginning = body.slice(..body.len().min(BEGINNING_BYTES));
    let read = AssertUnwindSafe(|| {
        let unread = |shown: &[u8], why: &str| (Reading::unparsed(shown, why), false);
        let body = match receipt.encoding {
            _ if body.is_empty() => Bytes::new(),
            Encoding::Identity => body,
            Encoding::Unknown => return Err(unread(&body, "its Content-Encoding is none that is read here")),
            Encoding::Gzip if !source.gzip => {
                return Err(unread(&body, "it is compressed, and `gzip` is off for this source"));
            }
            Encoding::Gzip => {
                let limit = source.body_limit_bytes;
                let mut inflated = Vec::with_capacity(inflated_length_hint(&body, limit));
                inflate(&body, limit, |piece| inflated.extend_from_slice(piece)).map_err(|fault| {
                    // Of a body that breaks off, what came before is text.
                    unread(if inflated.is_empty() { &body } else { &inflated }, &fault.to_string())
                })?;
                drop(body);
                Bytes::from(inflated)
            }
        };
        Ok(source.normalizer.read(&body, plan))
    });
    catch_unwind(read).unwrap_or_else(|_| {
        tracing::error!(receipt = %receipt.id, source = %receipt.source, "reading a body failed; it is passed on unread");
        Err((Reading::unparsed(&beginning, "reading it failed"), true))
    })
}

/// What an event's key must hold beside an unauthenticated id: a digest of the body, so that an attacker can neither
/// use up the id of a later event nor make new events of a captured body under new ids. Where the time is not signed
/// either, a body can be captured and sent again for ever: it is then known within the source's `repeat_window` only,
/// so that an alert that really comes again in the same words is told again.
fn digest_beside_unauthenticated_id(receipt: &Receipt, source: &Source) -> Option<String> {
    if source.vouches_for_ids() || (source.normalizer.id_header().is_some() && source.verifier.signs_time()) {
        return None;
    }
    Some(hex::encode(Sha256::digest(&receipt.body)))
}

/// How much of a body is kept for the event that says that reading it failed.
const BEGINNING_BYTES: usize = 64 << 10;
/// Beyond this many tries a body is taken to be what ends the process. The store hands out a body alone after the
/// second time that the process ended while reading it, so the last three tries had only this body.
const TRIES_MAX: u32 = 5;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::domain::{Draft, ReceiptId, Request, Secret};
    use crate::routing::{Flow, Route, Router};
    use crate::vendors::{self, BacklogLimit, Normalizer, OnOld};
    use crate::verify::{Scheme, TokenScheme, Verifier};

    /// A vendor's reader with a defect.
    struct Defective;

    impl Normalizer for Defective {
        fn event_id(&self, _request: &Request) -> Option<String> {
            None
        }

        fn read(&self, body: &[u8], take: &mut dyn FnMut(Draft)) -> Option<Note> {
            assert!(body != POISON, "a defect");
            let time = std::str::from_utf8(body).ok().and_then(|text| Timestamp::parse(text.trim()));
            let is_time_documented = body.starts_with(b" ");
            let is_unrecognized = body == b"odd";
            take(Draft { kind: "alert".to_owned(), time, is_time_documented, is_unrecognized, ..Draft::default() });
            None
        }
    }

    const POISON: &[u8] = b"poison";

    fn bearer() -> Verifier {
        let secret = Secret::new("0123456789abcdef0123456789abcdef");
        Verifier::new(Scheme::Token(TokenScheme::bearer()), vec![secret]).unwrap()
    }

    fn rules(verifier: Verifier) -> Rules {
        rules_of(verifier, OnOld::Deliver)
    }

    fn rules_of(verifier: Verifier, on_old: OnOld) -> Rules {
        let source = Source {
            name: "s".parse().unwrap(),
            vendor: vendors::find("akto").unwrap(),
            verifier,
            normalizer: Box::new(Defective),
            default_severity: Severity::Low,
            body_limit_bytes: 1024,
            gzip: false,
            rate_limit_per_second: None,
            backlog_limit: BacklogLimit { requests: 1_000, bytes: 1 << 20 },
            repeat_window: Duration::from_secs(60),
            on_old,
            danger_trust_unsigned_id: false,
        };
        let to = vec!["d".parse().unwrap()];
        let route = Route { name: "r".parse().unwrap(), when: None, to, flow: Flow::Continue };
        Rules {
            sources: Arc::new([(source.name.clone(), source)].into()),
            router: Router::new(vec![route]),
            annotations: Default::default(),
            policy: Default::default(),
        }
    }

    fn process_all(body: &'static [u8], tries: u32) -> (Vec<PlannedEvent>, End) {
        process_by(&rules(bearer()), body, tries)
    }

    fn process_by(rules: &Rules, body: &'static [u8], tries: u32) -> (Vec<PlannedEvent>, End) {
        let mut events = Vec::new();
        let end = process(receipt(body), tries, Horizon::default(), rules, &mut |(planned, _)| events.push(planned));
        (events, end)
    }

    fn receipt(body: &'static [u8]) -> Receipt {
        Receipt {
            id: ReceiptId::generate(),
            source: "s".parse().unwrap(),
            received_at: Timestamp::parse("2026-11-21T10:00:00Z").unwrap(),
            content_type: None,
            encoding: Encoding::Identity,
            body: bytes::Bytes::from_static(body),
        }
    }

    fn is_told_unread((events, end): (Vec<PlannedEvent>, End), why: &str) {
        let [planned] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((planned.event.kind.as_str(), end.note), (Event::UNPARSED, Some(Note::Unparsed)));
        assert!(planned.event.message.as_deref().unwrap().contains(why), "{planned:?}");
        assert!(planned.event.severity.rank() >= Severity::High.rank() && planned.deliveries.len() == 1);
        assert!(end.is_poison);
    }

    #[test]
    fn a_body_that_makes_the_reader_panic_is_told_unread() {
        is_told_unread(process_all(POISON, 1), "reading it failed");
        assert!(!process_all(b"sound", 1).1.is_poison);
    }

    #[test]
    fn what_holds_no_known_field_is_counted() {
        let (odd, end) = process_all(b"odd", 1);
        assert_eq!((end.unrecognized, end.note, odd[0].event.severity), (1, Some(Note::Unrecognized), Severity::High));
        let (sound, end) = process_all(b"sound", 1);
        assert_eq!((end.unrecognized, end.note, sound[0].event.severity), (0, None, Severity::Low));
    }

    #[test]
    fn an_unsigned_body_is_known_for_a_while() {
        let unsigned = rules(Verifier::new(Scheme::DangerUnsigned, Vec::new()).unwrap());
        let of = |body| process_by(&unsigned, body, 1).0.remove(0);
        let (one, same, other) = (of(b"one"), of(b"one"), of(b"other"));
        assert_eq!(one.recurrence.unwrap().known_for, Duration::from_secs(60));
        assert_eq!(one.recurrence, same.recurrence);
        assert_ne!(one.recurrence, other.recurrence);
        assert_ne!(one.event.key, same.event.key, "a destination would fold the next time into this one");
        assert_eq!(process_all(b"one", 1).0[0].recurrence, None);
    }

    #[test]
    fn what_is_old_is_held_and_what_is_not_is_told_whatever_else_is_wrong() {
        let (old, fresh) = (&b"2026-10-01T00:00:00Z"[..], &b"2026-11-20T12:00:00Z"[..]);
        let of = |rules: &Rules, body| {
            let receipt = receipt(body);
            let horizon = Horizon::of(receipt.received_at, receipt.received_at, Duration::from_secs(30 * 24 * 3600));
            let mut events = Vec::new();
            let end = process(receipt, 1, horizon, rules, &mut |(planned, _)| events.push(planned));
            let [planned] = events.as_slice() else { panic!("{events:?}") };
            assert_eq!(planned.deliveries.len(), usize::from(planned.routed == Routed::Yes));
            (planned.routed, end.is_witness)
        };
        let guarded = rules_of(bearer(), OnOld::Quarantine);
        assert_eq!(of(&guarded, old), (Routed::Quarantined, false));
        assert_eq!(of(&guarded, fresh), (Routed::Yes, true));
        for body in [&b"without a time"[..], b"1970-01-01T00:00:00Z", b"2030-01-01T00:00:00Z", POISON] {
            assert_eq!(of(&guarded, body), (Routed::Yes, false), "{body:?}");
        }
        assert_eq!(of(&rules(bearer()), old), (Routed::Yes, false));
        let unsigned = rules(Verifier::new(Scheme::DangerUnsigned, Vec::new()).unwrap());
        assert_eq!(of(&unsigned, fresh), (Routed::Yes, false), "nothing vouches for what is unsigned");
        let end = process(receipt(old), 1, Horizon::default(), &guarded, &mut |(planned, _)| {
            assert_eq!(planned.routed, Routed::Yes, "the operator has it replayed");
        });
        assert!(!end.is_poison);
    }

    #[test]
    fn only_a_documented_time_holds_back_unless_the_source_says_otherwise() {
        let read = |on_old, body, horizon: Horizon| {
            let mut routed = Vec::new();
            let end = process(receipt(body), 1, horizon, &rules_of(bearer(), on_old), &mut |(planned, _)| {
                routed.push(planned.routed);
            });
            (routed.remove(0), end.aging)
        };
        let received_at = receipt(b"").received_at;
        let horizon = Horizon::of(received_at, received_at, Duration::from_secs(30 * 24 * 3600));
        // The reader of these tests documents the time only of what begins with a blank.
        let (mapped, documented) = (&b"2026-10-01T00:00:00Z"[..], &b" 2026-10-01T00:00:00Z"[..]);
        let ripening = &b" 2026-11-02T00:00:00Z"[..];
        assert_eq!(read(OnOld::QuarantineDocumented, mapped, horizon), (Routed::Yes, 0));
        assert_eq!(read(OnOld::QuarantineDocumented, documented, horizon), (Routed::Quarantined, 0));
        assert_eq!(read(OnOld::Quarantine, mapped, horizon), (Routed::Quarantined, 0));
        assert_eq!(read(OnOld::Deliver, documented, horizon), (Routed::Yes, 0));
        // The warning comes on the first day of a store, and after half of the time in an old one.
        assert_eq!(read(OnOld::QuarantineDocumented, documented, horizon.holding_nothing()), (Routed::Yes, 1));
        assert_eq!(read(OnOld::QuarantineDocumented, ripening, horizon), (Routed::Yes, 1));
        assert_eq!(read(OnOld::QuarantineDocumented, &b" 2026-11-20T00:00:00Z"[..], horizon), (Routed::Yes, 0));
        assert_eq!(read(OnOld::Deliver, ripening, horizon), (Routed::Yes, 0));
    }

    #[test]
    fn a_body_that_keeps_ending_the_process_is_told_unread() {
        let (events, end) = process_all(b"sound", TRIES_MAX);
        assert!(!end.is_poison && events[0].event.kind == "alert", "{events:?}");
        is_told_unread(process_all(b"sound", TRIES_MAX + 1), "the process ended several times");
    }
}
