//! The proof that a request is authentic.

use bytes::Bytes;

use crate::domain::{Headers, Request, Timestamp};

/// A request that was verified, byte for byte as it came. Only this module makes one, so storing an unverified request
/// does not compile.
#[derive(Debug)]
pub struct Verified {
    request: Request,
    slot: Option<usize>,
}

impl Verified {
    pub(super) fn new(request: Request, slot: Option<usize>) -> Self {
        Self { request, slot }
    }

    /// The header lines.
    pub fn headers(&self) -> &Headers {
        &self.request.headers
    }

    /// The body as it stood on the wire.
    pub fn body(&self) -> &Bytes {
        &self.request.body
    }

    /// When its last byte arrived.
    pub fn received_at(&self) -> Timestamp {
        self.request.received_at
    }

    /// The whole request, for those who read it and keep nothing.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Which of the source's secrets matched, from 0 in the order of the configuration; `None` where nothing had to.
    /// A rotation is over when the old one is not seen any more.
    pub fn slot(&self) -> Option<usize> {
        self.slot
    }

    /// Whether the source takes unauthenticated requests (`danger_unsigned`).
    pub fn is_unsigned(&self) -> bool {
        self.slot.is_none()
    }

    /// The headers, the body and the time of arrival.
    pub fn into_parts(self) -> (Headers, Bytes, Timestamp) {
        (self.request.headers, self.request.body, self.request.received_at)
    }
}
