//! Reading a body within limits of size and time. actix-web has neither a time-out for bodies nor a limit on a raw
//! payload.

use actix_web::{HttpRequest, web};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep_until};

use super::super::problem::Problem;
use super::budget::Share;
use super::limits::IngressLimits;
use super::pace::Pace;

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
/// caller, which must close the connection.
pub async fn read_body(
    http: &HttpRequest,
    payload: &mut web::Payload,
    reader: Reader<'_, '_>,
) -> Result<Bytes, Problem> {
    let Reader { limit_bytes, limits, share } = reader;
    if announced(http).is_some_and(|length| length > limit_bytes) {
        return Err(Problem::BodyTooLarge);
    }
    let mut pace = Pace::new(limits, Instant::now());
    let mut first = Bytes::new();
    let mut rest: Option<Vec<u8>> = None;
    loop {
        // Most bodies are here already: no timer is armed for them.
        let piece = match payload.next().now_or_never() {
            Some(piece) => piece,
            None => {
                let deadline = pace.deadline(Instant::now());
                tokio::select! {
                    biased;
                    piece = payload.next() => piece,
                    () = share.revoked() => return Err(Problem::TooManyBodies),
                    () = sleep_until(deadline) => return Err(Problem::BodyTooSlow),
                }
            }
        };
        let piece = match piece {
            None if share.complete() => return Ok(rest.map_or(first, Bytes::from)),
            None => return Err(Problem::TooManyBodies),
            Some(Ok(piece)) => piece,
            Some(Err(_)) => return Err(Problem::BodyIncomplete),
        };
        let length = rest.as_ref().map_or(first.len(), Vec::len);
        if (length + piece.len()) as u64 > limit_bytes {
            return Err(Problem::BodyTooLarge);
        }
        let now = Instant::now();
        pace.came(piece.len() as u64, now);
        if !share.take(piece.len() as u64, now) {
            return Err(Problem::TooManyBodies);
        }
        match &mut rest {
            Some(rest) => append(rest, &piece),
            None if first.is_empty() => first = piece,
            None => {
                let joined = rest.insert(Vec::with_capacity((first.len() + piece.len()) * 2));
                append(joined, &std::mem::take(&mut first));
                append(joined, &piece);
            }
        }
    }
}

/// Grows by a quarter, not by doubling: what a budget counts is bytes, and what is reserved beyond them is not in it.
fn append(body: &mut Vec<u8>, piece: &[u8]) {
    if body.capacity() - body.len() < piece.len() {
        body.reserve_exact(piece.len().max(body.len() / 4));
    }
    body.extend_from_slice(piece);
}

/// The length that the head announces.
pub fn announced(http: &HttpRequest) -> Option<u64> {
    http.headers().get("content-length")?.to_str().ok()?.parse().ok()
}
