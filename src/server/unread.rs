//! The end of a connection whose request was answered before its body had been read.
//!
//! A chunked body whose reader was dropped is drained by actix-http for as long as its sender likes to send, and the
//! connection is kept for as long as he does not: a stranger could take all of them with a few bytes each. A body that
//! is still held when the answer is written makes actix-http linger for a second and close. So the answer holds it.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::{HttpResponse, web};
use bytes::Bytes;

/// The body of an answer, which holds what was not read of the request.
struct Holding {
    answer: BoxBody,
    _unread: web::Payload,
}

/// The answer, after which the connection is closed if `payload` was not read to its end.
pub fn closing(answer: HttpResponse, payload: web::Payload) -> HttpResponse {
    answer.map_body(|_, answer| BoxBody::new(Holding { answer, _unread: payload }))
}

impl MessageBody for Holding {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().answer).poll_next(context)
    }
}
