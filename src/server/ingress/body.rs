//! Reading a body within limits of size and time. actix-web has neither a time-out for bodies nor a limit on a raw
//! payload.

use actix_web::error::PayloadError;
use actix_web::{HttpRequest, web};
use bytes::Bytes;
use futures_util::future::{Either, LocalBoxFuture, Ready, ready};
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

/// The whole body.
type ReadBody = Result<Bytes, Problem>;

/// Reads the whole body. A length that is announced and too large is refused unread. What is not read is left to the
/// caller, which must close the connection.
///
/// Most bodies are here already. Only one that is waited for has a future, in memory of its own: so what is kept of every
/// request is small.
pub fn read_body<'r, 'b: 'r>(
    http: &HttpRequest,
    payload: &'r mut web::Payload,
    reader: Reader<'r, 'b>,
) -> Either<Ready<ReadBody>, LocalBoxFuture<'r, ReadBody>> {
    if announced(http).is_some_and(|length| length > reader.limit_bytes) {
        return Either::Left(ready(Err(Problem::BodyTooLarge)));
    }
    let mut read =
        ReadSoFar { pace: Pace::new(reader.limits, Instant::now()), reader, first: Bytes::new(), rest: None };
    match read.take_ready(payload).transpose() {
        Some(result) => Either::Left(ready(result)),
        None => Either::Right(Box::pin(read.wait_for_rest(payload))),
    }
}

/// What has come of a body.
struct ReadSoFar<'r, 'b> {
    reader: Reader<'r, 'b>,
    pace: Pace,
    /// The first piece, while it is the only one.
    first: Bytes,
    /// All pieces, where there are several.
    rest: Option<Vec<u8>>,
}

/// A piece of a body; `None` at its end.
type Piece = Option<Result<Bytes, PayloadError>>;

impl ReadSoFar<'_, '_> {
    /// Takes what is here already, as most bodies are, for which no timer is armed: the body, if that is all of it.
    fn take_ready(&mut self, payload: &mut web::Payload) -> Result<Option<Bytes>, Problem> {
        while let Some(piece) = payload.next().now_or_never() {
            if let Some(body) = self.take(piece)? {
                return Ok(Some(body));
            }
        }
        Ok(None)
    }

    /// The body, when all of it has come.
    async fn wait_for_rest(mut self, payload: &mut web::Payload) -> ReadBody {
        loop {
            let deadline = self.pace.deadline(Instant::now());
            let piece = tokio::select! {
                biased;
                piece = payload.next() => piece,
                () = self.reader.share.revoked() => return Err(Problem::TooManyBodies),
                () = sleep_until(deadline) => return Err(Problem::BodyTooSlow),
            };
            if let Some(body) = self.take(piece)? {
                return Ok(body);
            }
            if let Some(body) = self.take_ready(payload)? {
                return Ok(body);
            }
        }
    }

    /// The body, if this was its end.
    fn take(&mut self, piece: Piece) -> Result<Option<Bytes>, Problem> {
        let share = &mut *self.reader.share;
        let piece = match piece {
            None if share.complete() => {
                let first = std::mem::take(&mut self.first);
                return Ok(Some(self.rest.take().map_or(first, Bytes::from)));
            }
            None => return Err(Problem::TooManyBodies),
            Some(Ok(piece)) => piece,
            Some(Err(_)) => return Err(Problem::BodyIncomplete),
        };
        let length = self.rest.as_ref().map_or(self.first.len(), Vec::len);
        if (length + piece.len()) as u64 > self.reader.limit_bytes {
            return Err(Problem::BodyTooLarge);
        }
        let now = Instant::now();
        self.pace.came(piece.len() as u64, now);
        if !share.take(piece.len() as u64, now) {
            return Err(Problem::TooManyBodies);
        }
        match &mut self.rest {
            Some(rest) => append(rest, &piece),
            None if self.first.is_empty() => self.first = piece,
            None => {
                let joined = self.rest.insert(Vec::with_capacity((self.first.len() + piece.len()) * 2));
                append(joined, &std::mem::take(&mut self.first));
                append(joined, &piece);
            }
        }
        Ok(None)
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
