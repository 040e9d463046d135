//! The end of a connection whose request was answered before its body had been read.
//!
//! When the reader of a chunked body is dropped, actix-http drains the body for as long as the client sends, and keeps
//! the connection for as long as it does not: an unauthenticated client could hold all connections with a few bytes
//! each. A body that is still held when the answer is written makes actix-http linger for a second and close. So the
//! answer holds it.

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
