//! The HTTP side of a stand-in: one request in, one answer or one scripted fault out.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use super::fault::{Fault, Script};
use super::{Service, rate};
use crate::domain::{Clock, Headers, SystemClock, Timestamp, inflate};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// `POST`, `GET`.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query without its question mark; empty where there is none.
    pub query: String,
    /// The header lines.
    pub headers: Headers,
    /// The body, byte for byte.
    pub body: Bytes,
    /// When it came.
    pub received_at: Timestamp,
}

impl Arrived {
    /// The body as JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// With the body as it is without its `Content-Encoding`; `None` where it is not what that says, or too large.
    pub(super) fn inflated(&self) -> Option<Self> {
        match self.headers.only("content-encoding") {
            None => Some(self.clone()),
            Some("gzip") => {
                let mut body = Vec::new();
                inflate(&self.body, INFLATED_BYTES_MAX, |piece| body.extend_from_slice(piece)).ok()?;
                Some(Self { body: body.into(), ..self.clone() })
            }
            Some(_) => None,
        }
    }

    /// The credentials after `scheme` in the one `Authorization` line.
    pub(super) fn credentials(&self, scheme: &str) -> Option<&str> {
        let (given, credentials) = self.headers.only("authorization")?.split_once(' ')?;
        given.eq_ignore_ascii_case(scheme).then(|| credentials.trim())
    }

    /// The media type of the body without its parameters, in lower case.
    pub(super) fn media_type(&self) -> String {
        let line = self.headers.only("content-type").unwrap_or_default();
        line.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// What the service says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header lines beside `Content-Type`.
    pub headers: Vec<(&'static str, String)>,
    /// The `Content-Type` of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A JSON document.
    pub fn json(status: u16, document: &Value) -> Self {
        let content_type = "application/json; charset=utf-8";
        Self { status, headers: Vec::new(), content_type, body: document.to_string() }
    }

    /// A word or a sentence.
    pub fn text(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), content_type: "text/plain; charset=utf-8", body: body.to_owned() }
    }

    /// With one more header line.
    pub fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// With `Retry-After`, where there is something to say.
    pub(super) fn retry_after(self, wait: Option<Duration>) -> Self {
        match wait {
            Some(wait) => self.header("Retry-After", rate::whole_seconds(wait)),
            None => self,
        }
    }
}

/// What the handle and the server's thread both hold.
#[derive(Debug)]
pub(super) struct Shared<S> {
    service: Mutex<S>,
    faults: Mutex<Script>,
    requests: Mutex<Vec<Arrived>>,
    arrived: watch::Sender<usize>,
}

impl<S: Service> Shared<S> {
    pub(super) fn new(service: S) -> Self {
        let (arrived, _) = watch::channel(0);
        Self { service: Mutex::new(service), faults: Mutex::default(), requests: Mutex::default(), arrived }
    }

    pub(super) fn service(&self) -> MutexGuard<'_, S> {
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Script> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn requests(&self) -> Vec<Arrived> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets the requests that have come.
    pub(super) fn forget_requests(&self) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many requests have come and had their effect, if they had one.
    pub(super) fn arrived(&self) -> usize {
        *self.arrived.borrow()
    }

    /// Wakes after each request.
    pub(super) fn changes(&self) -> watch::Receiver<usize> {
        self.arrived.subscribe()
    }

    fn record(&self, request: Arrived) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() >= REQUESTS_MAX {
            requests.drain(..REQUESTS_MAX / 10);
        }
        requests.push(request);
    }

    /// Records the request, and lets it have its effect where its fault allows. The lock on the service is held only
    /// here: a fault that hangs does not make other requests hang.
    fn take(&self, request: Arrived) -> (Fault, Answer) {
        let fault = self.faults().draw();
        let answer = {
            let mut service = self.service();
            match &fault {
                Fault::Unauthorized => service.refuse_credentials(&request),
                Fault::Status429 { retry_after } => service.throttle(&request, *retry_after),
                Fault::Status(status) => Answer::text(*status, "scripted"),
                Fault::Answer { status, body } => {
                    let content_type = "application/json; charset=utf-8";
                    Answer { status: *status, headers: Vec::new(), content_type, body: body.clone() }
                }
                Fault::Redirect(url) => Answer::text(307, "").header("Location", url),
                Fault::Garbage200 => Answer::text(200, GARBAGE),
                fault if fault.takes() => service.answer(&request),
                _ => Answer::text(200, ""),
            }
        };
        self.record(request);
        self.arrived.send_modify(|count| *count += 1);
        (fault, answer)
    }
}

/// Serves on 127.0.0.1 from a thread of its own, so that a stand-in outlives the runtime that started it and a test
/// may drop it from anywhere.
pub(super) async fn serve<S: Service>(
    shared: Arc<Shared<S>>,
    port: u16,
) -> io::Result<(SocketAddr, ServerHandle, JoinHandle<io::Result<()>>)> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", port))?;
    let address = listener.local_addr()?;
    let (started, server) = oneshot::channel();
    let thread = std::thread::Builder::new().name(format!("stand-in {}", S::NAME)).spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let app = move || {
                App::new()
                    .app_data(web::Data::from(shared.clone()))
                    .app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
                    .default_service(web::to(handle::<S>))
            };
            let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(0).listen(listener)?.run();
            drop(started.send(server.handle()));
            server.await
        })
    })?;
    let server = server.await.map_err(|_| io::Error::other("the stand-in did not start"))?;
    Ok((address, server, thread))
}

async fn handle<S: Service>(
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
    shared: web::Data<Shared<S>>,
) -> HttpResponse {
    let Ok(body) = body else { return HttpResponse::PayloadTooLarge().finish() };
    let (fault, answer) = shared.take(read(&request, body));
    match fault {
        Fault::Reset | Fault::TakenThenReset => dropped(),
        Fault::Hang(silence) | Fault::TakenThenHang(silence) => {
            tokio::time::sleep(silence).await;
            dropped()
        }
        Fault::SlowAnswer { bytes_per_second } => {
            let body = slowly(answer.body.clone().into_bytes(), bytes_per_second);
            head(&answer).streaming(body)
        }
        _ => head(&answer).body(answer.body),
    }
}

fn read(request: &HttpRequest, body: Bytes) -> Arrived {
    let mut headers = Headers::default();
    for (name, value) in request.headers() {
        headers.push(name.as_str(), value.as_bytes());
    }
    Arrived {
        method: request.method().to_string(),
        path: request.path().to_owned(),
        query: request.query_string().to_owned(),
        headers,
        body,
        received_at: SystemClock.now(),
    }
}

fn head(answer: &Answer) -> actix_web::HttpResponseBuilder {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.content_type(answer.content_type);
    for (name, value) in &answer.headers {
        response.insert_header((*name, value.as_str()));
    }
    response
}

/// Drops the connection without a byte of an answer: the server gives up on a body that fails at once, and by then it
/// has not flushed the head either. A test reads the raw connection to see that it stays so. The server logs the failure as
/// an error, which it is: only scripts ask for it.
fn dropped() -> HttpResponse {
    let broken = stream::once(std::future::ready(Err::<Bytes, _>(io::Error::other("scripted"))));
    HttpResponse::Ok().streaming(broken)
}

/// The body in ten pieces a second.
fn slowly(body: Vec<u8>, bytes_per_second: u32) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let pieces_per_second = bytes_per_second.clamp(1, 10);
    let pause = Duration::from_secs(1) / pieces_per_second;
    let size = usize::try_from(bytes_per_second / pieces_per_second).unwrap_or(usize::MAX).max(1);
    stream::unfold(Bytes::from(body), move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let piece = rest.split_to(size.min(rest.len()));
        Some((Ok(piece), rest))
    })
}

/// More than any of the services needs.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// More than any sink puts into a batch.
const INFLATED_BYTES_MAX: u64 = 8 << 20;
/// Older requests are forgotten beyond this.
const REQUESTS_MAX: usize = 20_000;

/// What a captive portal says to everything.
const GARBAGE: &str = "<!doctype html><title>Sign in to the network</title>";
