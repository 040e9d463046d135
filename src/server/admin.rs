//! The operator's listener: `/healthz`, `/readyz`, `/metrics`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::same_origin;
use crate::store::{Inbox, check_accepts};
use crate::telemetry::Metrics;

/// The operator's listener.
pub struct Admin {
    /// Where requests are accepted, to check whether one would be.
    pub inbox: Arc<dyn Inbox>,
    /// Whether requests are refused because the process is about to end.
    pub is_stopping: Box<dyn Fn() -> bool + Send + Sync>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Names of the listener beside addresses and `localhost`, in lower case.
    pub hosts: Vec<String>,
    /// How each destination is doing.
    pub destinations: Box<dyn Fn() -> BTreeMap<String, DestinationHealth> + Send + Sync>,
    /// The dispatcher and the destinations whose tasks have not gone on for too long.
    pub stuck: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    /// The conditions that the operator should know of.
    pub notices: Box<dyn Fn() -> Vec<NoticeHealth> + Send + Sync>,
    /// Whether the database file is sound, as far as that has been found out.
    pub check: Box<dyn Fn() -> CheckHealth + Send + Sync>,
    /// The last answer of the store and when it came, so that a curious load balancer does not become a write load.
    pub checked: Mutex<Option<(Instant, Result<(), String>)>>,
}

/// How a destination is doing.
#[derive(Clone, Debug, Serialize)]
pub struct DestinationHealth {
    /// `running`, `failing` or `stopped`; `unconfigured` where deliveries wait for a destination that is not configured.
    pub state: &'static str,
    /// Why, unless it is running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How much waits for it, once that has been measured.
    #[serde(flatten)]
    pub queue: Option<QueueHealth>,
}

/// How much waits for a destination.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct QueueHealth {
    /// Deliveries that are neither delivered nor dead.
    pub waiting: u64,
    /// Dead letters.
    pub dead: u64,
    /// How long ago the first of those that wait was planned.
    pub oldest_waiting_seconds: u64,
}

/// A condition that the operator should know of.
#[derive(Clone, Debug, Serialize)]
pub struct NoticeHealth {
    /// What it is about.
    pub kind: &'static str,
    /// The destination, the source, or `store`.
    pub subject: String,
    /// One line.
    pub title: String,
    /// The reason, the numbers.
    pub message: String,
}

/// Whether the database file is sound.
#[derive(Clone, Debug, Serialize)]
pub struct CheckHealth {
    /// `checking`, `sound`, `damaged` or `unknown`.
    pub state: &'static str,
    /// What was found, or why nothing could be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    store: String,
    check: CheckHealth,
    destinations: BTreeMap<String, DestinationHealth>,
    stuck: Vec<String>,
    notices: Vec<NoticeHealth>,
}

impl Admin {
    /// Adds the routes of the listener.
    pub fn configure(routes: &mut web::ServiceConfig) {
        routes
            .route("/healthz", web::get().to(healthz))
            .route("/readyz", web::get().to(readyz))
            .route("/metrics", web::get().to(metrics));
    }

    /// Whether an accept would be committed now; the text says why not.
    async fn writable(&self) -> Result<(), String> {
        if (self.is_stopping)() {
            return Err("gatepost is shutting down".to_owned());
        }
        let mut checked = self.checked.lock().await;
        if let Some((at, answer)) = checked.as_ref()
            && at.elapsed() < CHECK_AGAIN
        {
            return answer.clone();
        }
        let answer = check_accepts(self.inbox.as_ref()).await;
        *checked = Some((Instant::now(), answer.clone()));
        answer
    }
}

/// Refuses what a page of a foreign site may have sent.
pub async fn refuse_foreign(
    admin: web::Data<Admin>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if let Err(problem) = same_origin::check(request.headers(), request.uri(), &admin.hosts) {
        return Ok(request.into_response(problem.response()));
    }
    next.call(request).await
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body("{\"status\":\"alive\"}")
}

async fn readyz(admin: web::Data<Admin>) -> HttpResponse {
    let answer = admin.writable().await;
    let readiness = Readiness {
        status: if answer.is_ok() { "ready" } else { "not ready" },
        store: answer.as_ref().err().cloned().unwrap_or_else(|| "ok".to_owned()),
        check: (admin.check)(),
        destinations: (admin.destinations)(),
        stuck: (admin.stuck)(),
        notices: (admin.notices)(),
    };
    let mut response = if answer.is_ok() { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(readiness)
}

async fn metrics(admin: web::Data<Admin>) -> HttpResponse {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, content_type)).body(admin.metrics.render())
}

/// How old an answer of the store may be.
const CHECK_AGAIN: Duration = Duration::from_secs(1);
