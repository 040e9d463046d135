//! A request that its source has authenticated: the only thing that the store accepts.

use bytes::Bytes;

use super::Source;
use crate::domain::{Encoding, Headers, Request, RequestKey, SourceName, Timestamp, Urgency};
use crate::verify::{Refusal, Verified};

/// An authentic request with the source that took it and the key by which a repetition is recognized. Only
/// [`Source::authenticate`] makes one, so that no request can be stored unverified, under the name of another source, or under
/// a key that is not its own.
#[derive(Debug)]
pub struct Authenticated {
    verified: Verified,
    source: SourceName,
    key: RequestKey,
    content_type: Option<String>,
    encoding: Encoding,
    urgency: Urgency,
}

impl Source {
    /// Verifies a request over its raw bytes at the time when it was received. `steady` is the present by the monotonic clock:
    /// see [`RequestKey::of_body`].
    ///
    /// # Errors
    /// Why it is not authentic.
    pub fn authenticate(&self, request: Request, steady: Timestamp) -> Result<Authenticated, Refusal> {
        let received_at = request.received_at;
        let verified = self.verifier.verify(request, received_at)?;
        let key = self.dedupe_key(&verified, steady);
        let stated = Encoding::of(verified.headers());
        let is_vouched_for = self.verifier.vouches_for_header("content-encoding");
        let encoding = if is_vouched_for { stated } else { stated.of_body(verified.body()) };
        let content_type = content_type(verified.headers());
        Ok(Authenticated { verified, source: self.name.clone(), key, content_type, encoding, urgency: Urgency::Normal })
    }
}

impl Authenticated {
    /// The same, to be read as soon as this says; [`Urgency::Normal`] otherwise.
    #[must_use]
    pub fn with_urgency(self, urgency: Urgency) -> Self {
        Self { urgency, ..self }
    }

    /// The source that took it.
    pub fn source(&self) -> &SourceName {
        &self.source
    }

    /// What makes it the same as another.
    pub fn key(&self) -> &RequestKey {
        &self.key
    }

    /// The body as it stood on the wire.
    pub fn body(&self) -> &Bytes {
        self.verified.body()
    }

    /// When its last byte arrived.
    pub fn received_at(&self) -> Timestamp {
        self.verified.received_at()
    }

    /// The `Content-Type` as sent, cut to 256 bytes.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// How the body is encoded: as its header says where that is authenticated, else as can be told by the body.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// How soon it should be read.
    pub fn urgency(&self) -> Urgency {
        self.urgency
    }
}

fn content_type(headers: &Headers) -> Option<String> {
    headers.only("content-type").map(|text| text[..text.floor_char_boundary(CONTENT_TYPE_BYTES_MAX)].to_owned())
}

const CONTENT_TYPE_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authentic::{Sent, authentic, source};
    use crate::domain::DedupeKey;

    #[test]
    fn a_request_has_the_name_and_the_key_of_the_source_that_authenticated_it() {
        let at = Timestamp::from_millis(5);
        let (a, b) = (authentic("a", "1", "x", at), authentic("b", "1", "x", at));
        let name: SourceName = "a".parse().unwrap();
        assert_eq!((a.source(), a.key().own), (&name, DedupeKey::of_id(&name, "1")));
        assert_ne!(a.key(), b.key());
        assert_eq!((a.body().as_ref(), a.received_at(), a.urgency()), (&b"x"[..], at, Urgency::Normal));
        assert_eq!(a.with_urgency(Urgency::Critical).urgency(), Urgency::Critical);
    }

    #[test]
    fn the_headers_say_how_it_is_encoded_and_what_it_is() {
        let long = format!("text/{}", "é".repeat(200));
        for (headers, encoding, length) in [
            (vec![], Encoding::Identity, None),
            (vec![("content-encoding", "GZIP"), ("content-type", "a/b")], Encoding::Gzip, Some(3)),
            (vec![("content-encoding", "br")], Encoding::Unknown, None),
            (vec![("content-encoding", "gzip"), ("content-encoding", "gzip")], Encoding::Unknown, None),
            (vec![("content-type", long.as_str())], Encoding::Identity, Some(255)),
        ] {
            let sent = Sent { source: "s", id: None, body: "", at: Timestamp::default(), headers: &headers };
            let request = sent.authenticated();
            assert_eq!((request.encoding(), request.content_type().map(str::len)), (encoding, length));
        }
    }

    #[test]
    fn what_is_not_authentic_does_not_become_authenticated() {
        let headers = [("authorization", "Bearer of-another")].into_iter().collect();
        let request = Request { headers, body: Bytes::new(), received_at: Timestamp::default() };
        assert!(source("s").authenticate(request, Timestamp::default()).is_err());
    }
}
