//! Reading a body within limits of size and time. actix-web has neither a time-out for bodies nor a limit on a raw
//! payload.

use std::time::Duration;

use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::super::problem::Problem;
use super::IngressLimits;
use super::budget::Share;

/// What a body is held to.
pub struct Reader<'r, 'b> {
    /// The longest body, in bytes.
    pub limit_bytes: u64,
    /// The longest time.
    pub limits: IngressLimits,
    /// The memory that it may take.
    pub share: &'r mut Share<'b>,
}

/// Reads the whole body. A length that is announced and too large is refused unread. What is not read is left to the
/// caller, who must see to it that the connection ends.
pub async fn read_body(
    http: &HttpRequest,
    payload: &mut web::Payload,
    reader: Reader<'_, '_>,
) -> Result<Bytes, Problem> {
    let Reader { limit_bytes, limits, share } = reader;
    if announced(http).is_some_and(|length| length > limit_bytes) {
        return Err(Problem::BodyTooLarge);
    }
    let begun = Instant::now();
    let mut first = Bytes::new();
    let mut rest: Option<BytesMut> = None;
    loop {
        // Most bodies are here already: no timer is armed for them.
        let piece = match payload.next().now_or_never() {
            Some(piece) => piece,
            None => {
                // A large body may take longer, as long as it keeps coming at a fair pace.
                let length = rest.as_ref().map_or(first.len(), BytesMut::len) as u64;
                let total = begun + limits.total + Duration::from_millis(length * 1000 / BYTES_PER_SECOND_LEAST);
                let deadline = total.min(Instant::now() + limits.idle);
                timeout_at(deadline, payload.next()).await.map_err(|_| Problem::BodyTooSlow)?
            }
        };
        let piece = match piece {
            None => return Ok(rest.map_or(first, BytesMut::freeze)),
            Some(Ok(piece)) => piece,
            Some(Err(_)) => return Err(Problem::BodyIncomplete),
        };
        let length = rest.as_ref().map_or(first.len(), BytesMut::len);
        if (length + piece.len()) as u64 > limit_bytes {
            return Err(Problem::BodyTooLarge);
        }
        if !share.take(piece.len() as u64) {
            return Err(Problem::StoreUnavailable);
        }
        match &mut rest {
            Some(rest) => rest.extend_from_slice(&piece),
            None if first.is_empty() => first = piece,
            None => {
                let mut joined = BytesMut::with_capacity((first.len() + piece.len()) * 2);
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&piece);
                rest = Some(joined);
            }
        }
    }
}

/// The length that the head announces.
pub fn announced(http: &HttpRequest) -> Option<u64> {
    http.headers().get("content-length")?.to_str().ok()?.parse().ok()
}

/// A body that comes slower than this must be done within the usual time.
const BYTES_PER_SECOND_LEAST: u64 = 128 << 10;
