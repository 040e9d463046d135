//! Reading a body within limits of size and time. actix-web has neither a time-out for bodies nor a limit on a raw
//! payload.

use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::super::problem::Problem;
use super::IngressLimits;

/// Reads the whole body. A length that is announced and too large is refused unread. What is not read is left to the
/// caller, who must see to it that the connection ends.
pub async fn read_body(
    http: &HttpRequest,
    payload: &mut web::Payload,
    limit_bytes: u64,
    limits: IngressLimits,
) -> Result<Bytes, Problem> {
    let announced = http.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit_bytes) {
        return Err(Problem::BodyTooLarge);
    }
    let total = Instant::now() + limits.total;
    let mut first = Bytes::new();
    let mut rest: Option<BytesMut> = None;
    loop {
        // Most bodies are here already: no timer is armed for them.
        let piece = match payload.next().now_or_never() {
            Some(piece) => piece,
            None => {
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
