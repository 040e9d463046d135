//! Authenticated requests for tests of what comes behind their authentication: a source whose senders show a token, and whose
//! requests carry their id in a header.

#![allow(dead_code, clippy::unwrap_used)]

use std::time::Duration;

use gatepost::domain::{Draft, Headers, Note, Request, Secret, Severity, Timestamp};
use gatepost::vendors::{Authenticated, BacklogLimit, Normalizer, OnOld, Source, find};
use gatepost::verify::{Scheme, TokenScheme, Verifier};

/// A request of the source of that name. One without an id is known by its body for [`REPEAT_WINDOW`].
pub struct Sent<'a> {
    pub source: &'a str,
    pub id: Option<&'a str>,
    pub body: &'a str,
    /// By both clocks.
    pub at: Timestamp,
    /// Besides those of its token and its id.
    pub headers: &'a [(&'a str, &'a str)],
}

impl Sent<'_> {
    pub fn authenticated(&self) -> Authenticated {
        let mut headers: Headers = self.headers.iter().copied().collect();
        headers.push("authorization", format!("Bearer {SECRET}"));
        self.id.into_iter().for_each(|id| headers.push(ID_HEADER, id));
        let request = Request { headers, body: self.body.to_owned().into(), received_at: self.at };
        source(self.source).authenticate(request, self.at).unwrap()
    }
}

/// A request with an id and nothing out of the ordinary.
pub fn authentic(source: &str, id: &str, body: &str, at: Timestamp) -> Authenticated {
    Sent { source, id: Some(id), body, at, headers: &[("content-type", "application/json")] }.authenticated()
}

/// The source of that name.
pub fn source(name: &str) -> Source {
    Source {
        name: name.parse().unwrap(),
        vendor: find("generic").unwrap(),
        verifier: Verifier::new(Scheme::Token(TokenScheme::bearer()), vec![Secret::new(SECRET)]).unwrap(),
        normalizer: Box::new(IdOfHeader),
        default_severity: Severity::Medium,
        body_limit_bytes: 1 << 20,
        gzip: true,
        rate_limit_per_second: None,
        backlog_limit: BacklogLimit { requests: u64::MAX, bytes: u64::MAX },
        repeat_window: REPEAT_WINDOW,
        on_old: OnOld::Deliver,
        danger_trust_unsigned_id: false,
    }
}

struct IdOfHeader;

impl Normalizer for IdOfHeader {
    fn event_id(&self, request: &Request) -> Option<String> {
        request.headers.only(ID_HEADER).map(str::to_owned)
    }

    fn id_header(&self) -> Option<&str> {
        Some(ID_HEADER)
    }

    fn read(&self, _body: &[u8], _take: &mut dyn FnMut(Draft)) -> Option<Note> {
        None
    }
}

/// How long a body without an id is known, at least.
pub const REPEAT_WINDOW: Duration = Duration::from_secs(2);
const ID_HEADER: &str = "x-id";
const SECRET: &str = "0123456789abcdef0123456789abcdef";
