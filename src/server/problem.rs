//! Refusals, as `application/problem+json` (RFC 9457).
//!
//! Vendors show them to their users: one short sentence, a stable code, nothing about the implementation.

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde_json::json;

use crate::verify::Refusal;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is not authentic.
    NotAuthentic(Refusal),
    /// There is no such source.
    UnknownSource,
    /// There is nothing at this path.
    NotFound,
    /// Webhooks are posted.
    MethodNotAllowed,
    /// The body is longer than the source takes, on the wire or inflated.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTooSlow,
    /// The body broke off, or its framing is wrong.
    BodyIncomplete,
    /// More than the source may send.
    RateLimited {
        /// When there is capacity again.
        retry_after: Duration,
    },
    /// As much of its source waits to be read as may.
    BacklogFull,
    /// It cannot be stored now.
    StoreUnavailable,
    /// It came after the signal to stop.
    ShuttingDown,
    /// There are too many connections, in all or from its address.
    TooManyConnections,
    /// Too many bodies are on their way at once, and this one was the slowest.
    TooManyBodies,
    /// The operator's listener was asked under a name that is not its own.
    ForeignHost,
    /// The operator's listener was asked by a page of another site.
    ForeignOrigin,
}

impl Problem {
    /// One of each kind, of the public listener.
    const EACH: [Self; 15] = [
        Self::NotAuthentic(Refusal::SignatureMissing),
        Self::NotAuthentic(Refusal::SignatureMismatch),
        Self::NotAuthentic(Refusal::TimestampStale),
        Self::UnknownSource,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BodyTooLarge,
        Self::BodyTooSlow,
        Self::BodyIncomplete,
        Self::RateLimited { retry_after: Duration::ZERO },
        Self::BacklogFull,
        Self::StoreUnavailable,
        Self::ShuttingDown,
        Self::TooManyConnections,
        Self::TooManyBodies,
    ];

    /// Every stable code.
    pub fn codes() -> Vec<&'static str> {
        Self::EACH.into_iter().map(Self::code).collect()
    }

    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotAuthentic(refusal) => refusal.code(),
            Self::UnknownSource => "unknown-source",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::BodyTooLarge => "body-too-large",
            Self::BodyTooSlow => "body-too-slow",
            Self::BodyIncomplete => "body-incomplete",
            Self::RateLimited { .. } => "rate-limited",
            Self::BacklogFull => "backlog-full",
            Self::StoreUnavailable => "store-unavailable",
            Self::ShuttingDown => "shutting-down",
            Self::TooManyConnections => "too-many-connections",
            Self::TooManyBodies => "too-many-bodies",
            Self::ForeignHost => "foreign-host",
            Self::ForeignOrigin => "foreign-origin",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::NotAuthentic(_) => StatusCode::UNAUTHORIZED,
            Self::UnknownSource | Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyIncomplete => StatusCode::BAD_REQUEST,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::ForeignHost | Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::BacklogFull
            | Self::StoreUnavailable
            | Self::ShuttingDown
            | Self::TooManyConnections
            | Self::TooManyBodies => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn detail(self) -> String {
        let sentence = match self {
            Self::NotAuthentic(refusal) => return refusal.to_string(),
            Self::UnknownSource => "There is no such webhook source here.",
            Self::NotFound => "There is nothing at this path.",
            Self::MethodNotAllowed => "Send webhooks with POST.",
            Self::BodyTooLarge => "The body is larger than this source accepts.",
            Self::BodyTooSlow => "The body did not arrive in time.",
            Self::BodyIncomplete => "The body did not arrive whole.",
            Self::RateLimited { .. } => "This source sends faster than it may.",
            Self::BacklogFull => "Too many requests of this source wait to be read; send it again later.",
            Self::StoreUnavailable => "The request cannot be stored now; send it again later.",
            Self::ShuttingDown => "The gateway is shutting down; send it again later.",
            Self::TooManyConnections => "There are too many connections; send it again later, on fewer of them.",
            Self::ForeignHost => "Ask by address, or add this host name to hosts in the configuration.",
            Self::ForeignOrigin => "Pages of other sites may not ask here.",
            Self::TooManyBodies => "Too many bodies are on their way; send it again later, and faster.",
        };
        sentence.to_owned()
    }

    /// The answer. The connection is closed with it, except for clients that may send another request on it.
    pub fn response(self) -> HttpResponse {
        let status = self.status();
        let mut answer: HttpResponseBuilder = HttpResponse::build(status);
        answer.insert_header((header::CACHE_CONTROL, "no-store"));
        match self {
            Self::MethodNotAllowed => {
                answer.insert_header((header::ALLOW, "POST")).force_close();
            }
            Self::RateLimited { retry_after } => {
                answer.insert_header((header::RETRY_AFTER, retry_after.as_secs().max(1)));
            }
            Self::BacklogFull => {
                answer.insert_header((header::RETRY_AFTER, BACKLOG_RETRY_AFTER.as_secs()));
            }
            Self::StoreUnavailable => {
                answer.insert_header((header::RETRY_AFTER, STORE_RETRY_AFTER.as_secs()));
            }
            Self::ShuttingDown | Self::TooManyConnections | Self::TooManyBodies => {
                answer.insert_header((header::RETRY_AFTER, STORE_RETRY_AFTER.as_secs())).force_close();
            }
            // A client that is not authenticated gets no second request on the connection.
            _ => {
                answer.force_close();
            }
        }
        let title = status.canonical_reason().unwrap_or("Refused");
        let body = json!({
            "type": format!("urn:gatepost:problem:{}", self.code()),
            "title": title,
            "status": status.as_u16(),
            "code": self.code(),
            "detail": self.detail(),
        });
        answer.content_type("application/problem+json").body(body.to_string())
    }
}

/// A full disk or a locked database is seldom repaired faster.
const STORE_RETRY_AFTER: Duration = Duration::from_secs(5);
/// Some ten thousand requests are read meanwhile.
const BACKLOG_RETRY_AFTER: Duration = Duration::from_secs(10);
