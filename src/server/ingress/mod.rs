//! `POST /webhooks/{source}`: read, verify, identify, commit, answer.
//!
//! The order is the guarantee. Nothing is parsed before it is verified; nothing is answered 200 before it is on the
//! disk; and an authentic request is never refused for its content.

mod accepted;
mod body;
mod budget;
mod limits;
mod novelty;
mod pace;
mod rate;
mod refusals;
mod settling;
mod strays;

use std::cell::OnceCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::{ConnectionType, Method, header};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::future::Either;
use tokio::sync::{Notify, watch};

use super::connections::Connection;
use super::problem::Problem;
use super::unread::closing;
use crate::domain::{Clock, Encoding, Headers, InflateError, Request, inflate};
use crate::store::{Acceptance, Backlog, Inbox, ReplyBatch, StoreError};
use crate::telemetry::{IntakeOutcome, Metrics, UNKNOWN_SOURCE};
use crate::vendors::{Authenticated, Source, Sources};
use crate::verify::{Refusal, Verifier};
use accepted::AcceptedLog;
use body::{Reader, announced, read_body};
use budget::{Budget, BudgetLimits, Sender, Share};
pub use limits::IngressLimits;
use novelty::Novelty;
use rate::RateLimits;
use refusals::{QUIET, Refusals};
use settling::Settling;
use strays::{Stray, Strays};

/// The public listener.
pub struct Ingress {
    /// The sources, now.
    pub sources: watch::Receiver<Arc<Sources>>,
    /// Where requests are accepted.
    pub inbox: Arc<dyn Inbox>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Wakes the dispatcher, which waits for receipts.
    pub wake: Arc<Notify>,
    /// How long a body may take.
    pub limits: IngressLimits,
    decoy: Verifier,
    rates: RateLimits,
    novelty: Novelty,
    /// For bodies whose sender has shown the token, and for those that are authentic until they are stored.
    proven: Budget,
    /// For bodies that will be verified when they are here.
    bodies: Budget,
    /// For bodies of clients that name no source, or whose headers fail the precheck.
    unauthenticated: Budget,
    /// What is being committed.
    settling: Settling,
    refusals: Refusals,
    strays: Strays,
    accepted: AcceptedLog,
    stopping: AtomicBool,
}

/// The refusal and, if known, the source it was addressed to.
struct Refused<'s> {
    source: Option<&'s Source>,
    problem: Problem,
}

impl Ingress {
    /// A listener over these parts.
    pub fn new(
        sources: watch::Receiver<Arc<Sources>>,
        inbox: Arc<dyn Inbox>,
        wake: Arc<Notify>,
        (clock, metrics): (Arc<dyn Clock>, Arc<Metrics>),
        limits: IngressLimits,
    ) -> Self {
        let decoy = Verifier::decoy();
        let (proven, bodies, unauthenticated) =
            (Budget::new(PROVEN), Budget::new(BODIES), Budget::new(UNAUTHENTICATED));
        let (rates, refusals, stopping) = (RateLimits::default(), Refusals::default(), AtomicBool::new(false));
        Self {
            sources,
            inbox,
            clock,
            metrics,
            wake,
            limits,
            decoy,
            rates,
            novelty: Novelty::default(),
            proven,
            bodies,
            unauthenticated,
            settling: Settling::default(),
            refusals,
            strays: Strays::default(),
            accepted: AcceptedLog::default(),
            stopping,
        }
    }

    /// From now on a request that begins is refused, to be sent again, and every answer closes its connection. A server that
    /// stops drops what it has not read yet; this lets clients finish sending before.
    pub fn stop_accepting(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether requests are refused because the process is about to end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The listener. It has one path, `POST /webhooks/{source}`, and every request is held against it here: a router
    /// would match a regular expression for each.
    pub fn configure(config: &mut web::ServiceConfig) {
        config.default_service(web::to(route));
    }

    async fn accept<'s>(
        &self,
        sources: &'s Sources,
        name: &str,
        http: &HttpRequest,
        payload: &mut web::Payload,
        address: Option<IpAddr>,
    ) -> Result<(&'s Source, Acceptance), Refused<'s>> {
        let headers = headers_of(http);
        let source = name.parse().ok().and_then(|name| sources.get(&name));
        let refused = |problem| Refused { source, problem };
        let sender = Sender { source: source.map(|source| &source.name), address };
        let budget = match source {
            Some(source) if source.verifier.precheck(&headers).is_err() => &self.unauthenticated,
            Some(source) if source.verifier.is_token() => &self.proven,
            Some(_) => &self.bodies,
            None => &self.unauthenticated,
        };
        let mut share = budget.share(sender);
        let body = self.body(source, &headers, (http, payload), &mut share).await.map_err(refused)?;
        let request = Request { headers, body, received_at: self.clock.now() };
        let Some(source) = source else {
            // The same work as for a source that exists, so that names cannot be told apart by time.
            drop(self.decoy.verify(request, self.clock.now()));
            return Err(refused(Problem::UnknownSource));
        };
        let commit = self.verify_and_commit(source, request, share).map_err(refused)?;
        let acceptance = commit.await.map_err(refused)?;
        Ok((source, acceptance))
    }

    /// Verifies a request and hands it to the store, where nothing else has to be awaited before; what the store answers.
    /// `share`: the memory that its body has been given.
    ///
    /// None of these steps is an `async fn`: what waits for the commit does not hold the request.
    fn verify_and_commit<'s>(
        &'s self,
        source: &'s Source,
        request: Request,
        mut share: Share<'s>,
    ) -> Result<impl Future<Output = Result<Acceptance, Problem>> + 's, Problem> {
        let authenticated = source.authenticate(request, self.clock.steady()).map_err(Problem::NotAuthentic)?;
        if !source.verifier.is_token() {
            // From here on no attacker competes for its memory.
            share = self.proven.share(share.sender());
            if !share.take(authenticated.body().len() as u64, tokio::time::Instant::now()) {
                return Err(Problem::TooManyBodies);
            }
        }
        if authenticated.encoding() == Encoding::Gzip && source.gzip {
            return Ok(Either::Right(Box::pin(async move {
                check_inflated(authenticated.body().clone(), source.body_limit_bytes).await?;
                self.commit(source, authenticated, share)?.await
            })));
        }
        self.commit(source, authenticated, share).map(Either::Left)
    }

    /// Hands an authentic request to the store, if its source may send more now; what the store answers.
    fn commit<'s>(
        &'s self,
        source: &'s Source,
        authenticated: Authenticated,
        share: Share<'s>,
    ) -> Result<impl Future<Output = Result<Acceptance, Problem>> + 's, Problem> {
        let admitted = self.rates.admit(source, authenticated.received_at());
        admitted.map_err(|retry_after| Problem::RateLimited { retry_after })?;
        if self.is_backlog_full(source) {
            return Err(Problem::BacklogFull);
        }
        let preview = source.preview(authenticated.body(), authenticated.encoding());
        let urgency = self.novelty.urgency(&source.name, preview, self.clock.steady());
        let authenticated = authenticated.with_urgency(urgency);
        let settling = self.settling.enter(authenticated.body().len() as u64);
        let ticket =
            REPLIES.with(|replies| self.inbox.accept(authenticated, Some(replies.get_or_init(open_reply_batch))));
        Ok(async move {
            let answer = match tokio::time::timeout(settling.limit(), ticket).await {
                Ok(answer) => answer,
                Err(_) => Err(StoreError::QueueFull),
            };
            drop(share);
            let acceptance = answer.map_err(|_| {
                self.metrics.store_faults.inc();
                Problem::StoreUnavailable
            })?;
            if !matches!(acceptance, Acceptance::New(_)) {
                self.rates.refund(source);
            }
            Ok(acceptance)
        })
    }

    /// The body, within the source's limits. A wrong token is known before a large body is taken in.
    fn body<'r, 'b: 'r>(
        &self,
        source: Option<&Source>,
        headers: &Headers,
        (http, payload): (&'r HttpRequest, &'r mut web::Payload),
        share: &'r mut Share<'b>,
    ) -> impl Future<Output = Result<Bytes, Problem>> + use<'r, 'b> {
        let (limit, early) = match source {
            Some(source) => (source.body_limit_bytes, source.verifier.precheck(headers).err()),
            None => (UNKNOWN_SOURCE_LIMIT_BYTES, None),
        };
        let reader = Reader { limit_bytes: limit, limits: self.limits, share };
        match early {
            None => Either::Left(read_body(http, payload, reader)),
            Some(refusal) => Either::Right(Box::pin(refuse_when_read(http, payload, reader, refusal))),
        }
    }

    /// Whether as much waits of a source as may. What is on its way to the commit is not counted yet; it is bounded by the
    /// store.
    fn is_backlog_full(&self, source: &Source) -> bool {
        let Backlog { receipts, bytes } = self.inbox.backlog(&source.name);
        receipts >= source.backlog_limit.requests || bytes >= source.backlog_limit.bytes
    }
}

thread_local! {
    /// Where this thread receives the answers of the store, all of a commit at once.
    static REPLIES: OnceCell<ReplyBatch> = const { OnceCell::new() };
}

fn open_reply_batch() -> ReplyBatch {
    let (replies, responder) = ReplyBatch::new();
    actix_web::rt::spawn(responder.run());
    replies
}

async fn route(http: HttpRequest, payload: web::Payload, ingress: web::Data<Ingress>) -> HttpResponse {
    let source = http.path().strip_prefix("/webhooks/").filter(|name| !name.is_empty() && !name.contains('/'));
    match source {
        None => {
            ingress.metrics.count_intake(UNKNOWN_SOURCE, IntakeOutcome::Refused(Problem::NotFound.code()));
            if http.method() == Method::POST {
                log_stray(&ingress, http.path(), Problem::NotFound, &http);
            }
            closing(Problem::NotFound.response(), payload)
        }
        Some(name) if http.method() != Method::POST => {
            let problem = Problem::MethodNotAllowed;
            let sources = ingress.sources.borrow().clone();
            let source = name.parse().ok().and_then(|name| sources.get(&name));
            let source = source.map_or(UNKNOWN_SOURCE, |source| source.name.as_str());
            ingress.metrics.count_intake(source, IntakeOutcome::Refused(problem.code()));
            closing(problem.response(), payload)
        }
        Some(name) => receive(name, &http, payload, &ingress).await,
    }
}

async fn receive(
    name: &str,
    http: &HttpRequest,
    mut payload: web::Payload,
    ingress: &web::Data<Ingress>,
) -> HttpResponse {
    let sources = ingress.sources.borrow().clone();
    let begun = tokio::time::Instant::now();
    let connection = Connection::of(http).filter(|connection| !connection.is_surplus());
    let _busy = connection.map(Connection::busy);
    let result = match connection {
        Some(_) if ingress.is_stopping() => {
            let source = name.parse().ok().and_then(|name| sources.get(&name));
            Err(Refused { source, problem: Problem::ShuttingDown })
        }
        Some(connection) => {
            let address = connection.counted_as(connection.client(http));
            ingress.accept(&sources, name, http, &mut payload, address).await
        }
        None => Err(Refused { source: None, problem: Problem::TooManyConnections }),
    };
    let (source, outcome, mut response) = match result {
        Ok((source, Acceptance::New(receipt))) => {
            ingress.wake.notify_one();
            log_accepted(ingress, source, receipt, IntakeOutcome::Accepted, begun);
            (Some(source), IntakeOutcome::Accepted, stored("accepted", receipt))
        }
        Ok((source, Acceptance::Duplicate(receipt))) => {
            log_accepted(ingress, source, receipt, IntakeOutcome::Duplicate, begun);
            (Some(source), IntakeOutcome::Duplicate, stored("duplicate", receipt))
        }
        Ok((source, Acceptance::Repeated(receipt))) => {
            log_repeated(ingress, source, receipt, http);
            (Some(source), IntakeOutcome::Repeated, stored("duplicate", receipt))
        }
        Err(Refused { source, problem }) => {
            match problem {
                Problem::UnknownSource => log_stray(ingress, name, problem, http),
                _ => log_refusal(ingress, source, problem, http),
            }
            (source, IntakeOutcome::Refused(problem.code()), closing(problem.response(), payload))
        }
    };
    let name = source.map_or(UNKNOWN_SOURCE, |source| source.name.as_str());
    ingress.metrics.count_intake(name, outcome);
    ingress.metrics.intake_duration.observe(begun.elapsed().as_secs_f64());
    if ingress.is_stopping() {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

fn stored(status: &str, receipt: crate::domain::ReceiptId) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .body(format!("{{\"status\":\"{status}\",\"receipt\":\"{receipt}\"}}"))
}

fn log_accepted(
    ingress: &Ingress,
    source: &Source,
    receipt: crate::domain::ReceiptId,
    outcome: IntakeOutcome,
    begun: tokio::time::Instant,
) {
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    ingress.accepted.tell(&source.name, receipt, outcome, ms, ingress.clock.steady());
}

/// Logs a request to an address that no source has, after its answer: the response time must not reveal similar names.
fn log_stray(ingress: &web::Data<Ingress>, typed: &str, problem: Problem, http: &HttpRequest) {
    let (ingress, typed) = (web::Data::clone(ingress), typed.to_owned());
    let (peer, code) = (http.peer_addr().map(|peer| peer.ip().to_string()).unwrap_or_default(), problem.code());
    actix_web::rt::spawn(async move {
        let sources = ingress.sources.borrow().clone();
        if let Some(Stray { typed, nearest, more }) = ingress.strays.note(&typed, &sources, ingress.clock.steady()) {
            tracing::warn!(
                typed,
                nearest,
                code,
                peer,
                more,
                "a request names no configured source; is the vendor's URL mistyped?"
            );
        }
    });
}

fn log_refusal(ingress: &web::Data<Ingress>, source: Option<&Source>, problem: Problem, http: &HttpRequest) {
    let peer = Connection::of(http).map(|connection| connection.client(http).to_string()).unwrap_or_default();
    let code = problem.code();
    let name = match source {
        Some(source) => source.name.as_str(),
        None if problem == Problem::TooManyConnections => "",
        // Unauthenticated clients can trigger this, so it is logged at debug level only; the metric counts it.
        None => return tracing::debug!(code, peer, "a request to an unknown source was refused"),
    };
    if !ingress.refusals.note(name, code) {
        return;
    }
    tracing::warn!(source = name, code, peer, "a request was refused");
    let (ingress, name) = (web::Data::clone(ingress), name.to_owned());
    actix_web::rt::spawn(async move {
        tokio::time::sleep(QUIET).await;
        let more = ingress.refusals.take(&name, code);
        if more > 0 {
            tracing::warn!(source = name, code, more, "more requests were refused in the last {} s", QUIET.as_secs());
        }
    });
}

/// Repeated requests are not told, so they are logged: the first at once, the others are counted in the metric.
fn log_repeated(ingress: &web::Data<Ingress>, source: &Source, receipt: crate::domain::ReceiptId, http: &HttpRequest) {
    let name = source.name.as_str();
    if !ingress.refusals.note(name, REPEATED) {
        return;
    }
    let peer = Connection::of(http).map(|connection| connection.client(http).to_string()).unwrap_or_default();
    tracing::warn!(source = name, %receipt, peer, "a body came again under another id; it is a duplicate of the receipt");
    let (ingress, name) = (web::Data::clone(ingress), name.to_owned());
    actix_web::rt::spawn(async move {
        tokio::time::sleep(QUIET).await;
        ingress.refusals.take(&name, REPEATED);
    });
}

fn headers_of(http: &HttpRequest) -> Headers {
    let mut headers = Headers::with_capacity(http.headers().len());
    for (name, value) in http.headers() {
        headers.push(name.as_str(), value.as_bytes());
    }
    headers
}

/// A small body is read all the same, so that the sender gets to see the answer.
async fn refuse_when_read(
    http: &HttpRequest,
    payload: &mut web::Payload,
    mut reader: Reader<'_, '_>,
    refusal: Refusal,
) -> Result<Bytes, Problem> {
    let limit = reader.limit_bytes;
    reader.limit_bytes = limit.min(UNKNOWN_SOURCE_LIMIT_BYTES);
    let may_be_longer = limit > UNKNOWN_SOURCE_LIMIT_BYTES;
    match read_body(http, payload, reader).await {
        Ok(_) => Err(Problem::NotAuthentic(refusal)),
        // Larger than is read without a token is not larger than the source takes.
        Err(Problem::BodyTooLarge) if may_be_longer && announced(http).is_none_or(|length| length <= limit) => {
            Err(Problem::NotAuthentic(refusal))
        }
        Err(problem) => Err(problem),
    }
}

/// Inflates the body once to know that it stays within the limit, on a thread that may block; the result is dropped,
/// because what is stored is what came over the wire. A body that cannot be inflated is authentic all the same: it is
/// stored, and becomes an event that says so.
async fn check_inflated(body: Bytes, limit_bytes: u64) -> Result<(), Problem> {
    let checked = web::block(move || inflate(&body, limit_bytes, |_| ())).await;
    match checked {
        Ok(Ok(_) | Err(InflateError::Invalid)) => Ok(()),
        Ok(Err(InflateError::TooLarge)) => Err(Problem::BodyTooLarge),
        Err(_) => Err(Problem::StoreUnavailable),
    }
}

/// Under which word bodies under other ids are logged.
const REPEATED: &str = "repeated";
/// Authenticated senders share all of it: they are the operator's own.
const PROVEN: BudgetLimits = BudgetLimits { total: 128 << 20, per_source: 128 << 20, per_address: 128 << 20 };
/// One source leaves a quarter to the others, one address half.
const BODIES: BudgetLimits = BudgetLimits { total: 128 << 20, per_source: 96 << 20, per_address: 64 << 20 };
/// For clients that name no source, or whose headers fail the precheck.
const UNAUTHENTICATED: BudgetLimits = BudgetLimits { total: 16 << 20, per_source: 16 << 20, per_address: 4 << 20 };
/// As much as is read from a sender that names no source or shows no token.
const UNKNOWN_SOURCE_LIMIT_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn future_bytes<A, B, C, F: Future>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn little_is_kept_of_a_request_while_it_waits() {
        // actix-web puts it into memory of its own, for each request. The C library keeps what has up to 1,032 bytes at hand
        // for the same thread; for more it tidies up first.
        assert!(future_bytes(route) <= 800, "{}", future_bytes(route));
    }
}
