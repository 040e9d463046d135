//! One configured ingress.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Normalizer, RequestKind, Vendor, lenient};
use crate::domain::{DedupeKey, Draft, Encoding, RequestKey, Severity, SourceName, Timestamp, Urgency};
use crate::verify::{Verified, Verifier};

/// One configured ingress: who sends, how it is verified, what it may send.
pub struct Source {
    /// Its name, as in `POST /webhooks/{source}`.
    pub name: SourceName,
    /// Who sends.
    pub vendor: &'static Vendor,
    /// Tells authentic requests.
    pub verifier: Verifier,
    /// Reads bodies.
    pub normalizer: Box<dyn Normalizer>,
    /// The severity of events that do not say their own.
    pub default_severity: Severity,
    /// The longest body, in bytes, on the wire and inflated.
    pub body_limit_bytes: u64,
    /// Whether bodies may be compressed with gzip.
    pub gzip: bool,
    /// Requests a second that are accepted, if limited.
    pub rate_limit_per_second: Option<u32>,
    /// What may wait to be read.
    pub backlog_limit: BacklogLimit,
    /// For how long the same words are taken for a repetition, where there is neither an id nor a time in them, and the
    /// same bytes where the request has no id.
    pub repeat_window: Duration,
    /// What becomes of an event that happened so long ago that its key may have been forgotten.
    pub on_old: OnOld,
    /// Another id in a header that is not signed makes another request of the same body.
    pub danger_trust_unsigned_id: bool,
}

/// How much of a source may wait to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BacklogLimit {
    /// How many requests.
    pub requests: u64,
    /// How many bytes of bodies, together.
    pub bytes: u64,
}

/// What becomes of an event that happened so long ago that its key may have been forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOld {
    /// It may be a captured request that is sent again: it is kept in quarantine until the operator releases it.
    Quarantine,
    /// The same, but only where the vendor documents its time as the time of the event.
    QuarantineDocumented,
    /// It is told like any other.
    Deliver,
}

impl OnOld {
    /// The time that says how old the event is, where its age matters.
    pub fn time_that_ages(self, draft: &Draft) -> Option<Timestamp> {
        match self {
            Self::Quarantine => draft.time,
            Self::QuarantineDocumented => draft.time.filter(|_| draft.is_time_documented),
            Self::Deliver => None,
        }
    }
}

impl Source {
    /// Whether the id of a request is authenticated. It is not where the source is unsigned, nor where the id is in a
    /// header that is not signed.
    pub fn vouches_for_ids(&self) -> bool {
        match self.normalizer.id_header() {
            Some(header) => self.verifier.vouches_for_header(header),
            None => !self.verifier.is_unsigned(),
        }
    }

    /// Whether a captured request can be sent again under any id: it is signed, and its id is in a header that is not. It
    /// stays authentic for ever, or until its time is too old, where that is signed.
    pub fn has_replayable_ids(&self) -> bool {
        let is_signed = self.verifier.is_replayable() || self.verifier.signs_time();
        is_signed && self.normalizer.id_header().is_some() && !self.vouches_for_ids()
    }

    /// The key by which a repetition of a request is recognized. Only for requests that have been verified: the id of
    /// an unauthenticated client must not be looked at. An unauthenticated id counts only together with the body, or an
    /// attacker that has captured one request could use up the ids of later ones; where a captured request stays
    /// authentic under another id, the body counts without it, with its time where that is signed. Without an id the body
    /// is known for a while; `steady` is the present by the monotonic clock.
    pub(super) fn dedupe_key(&self, verified: &Verified, steady: Timestamp) -> RequestKey {
        let request = verified.request();
        let id = self.normalizer.event_id(request);
        if self.has_replayable_ids() && !self.danger_trust_unsigned_id {
            let (id, body) = (id.as_deref(), &request.body);
            return match self.verifier.signed_time(&request.headers) {
                Some(time) => RequestKey::of_timed(&self.name, id, time, body, self.repeat_window, steady),
                None => RequestKey::of_replayable(&self.name, id, body),
            };
        }
        match id {
            Some(id) if !self.vouches_for_ids() => DedupeKey::of_id_and_body(&self.name, &id, &request.body).into(),
            Some(id) => DedupeKey::of_id(&self.name, &id).into(),
            None => RequestKey::of_body(&self.name, &request.body, self.repeat_window, steady),
        }
    }
}

/// What is known of a request before its body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preview {
    /// How soon it should be read, by its severity.
    pub urgency: Urgency,
    /// What it is about.
    pub kind: RequestKind,
}

impl Source {
    /// How soon a request should be read and what it is about, by a look at the beginning of its body. Only of requests that
    /// have been verified.
    ///
    /// A list is as urgent as the source's default or more, because most of it is not looked at; so is a body whose own word
    /// is not found. What cannot be looked into counts as `high`, and so does a long body without a word at its beginning.
    pub fn preview(&self, body: &[u8], encoding: Encoding) -> Preview {
        let unknown = |urgency| Preview { urgency, kind: RequestKind::default() };
        let default = Urgency::of(self.default_severity);
        let text = lenient::without_bom(body).trim_ascii_start();
        let is_list = match (encoding, text.first()) {
            (Encoding::Identity, None) => return unknown(default),
            (Encoding::Identity, Some(b'{')) => false,
            (Encoding::Identity, Some(b'[')) => true,
            _ => return unknown(default.max(Urgency::High)),
        };
        let hint = self.normalizer.urgency_hint(text.get(..LOOKED_AT_BYTES_MAX).unwrap_or(text));
        let [own, nested] = [hint.own, hint.nested].map(|severity| severity.map(Urgency::of));
        let least = match own {
            Some(own) if !is_list => own,
            None if !is_list && text.len() > LOOKED_AT_BYTES_MAX => default.max(Urgency::High),
            _ => default,
        };
        let success = hint.has_succeeded.then_some(Urgency::Critical);
        let urgency = [own, nested, success].into_iter().flatten().fold(least, Urgency::max);
        Preview { urgency, kind: hint.about.kind(urgency, is_list) }
    }
}

/// How much of a body is looked at to find out how urgent it is: some microseconds, and more than most alerts.
const LOOKED_AT_BYTES_MAX: usize = 8 << 10;

/// All sources, by name.
pub type Sources = BTreeMap<SourceName, Source>;

#[cfg(test)]
mod tests;
