//! The state of the process that serves, from its admin listener.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::super::failure::Failure;
use super::super::runtime::runtime;
use super::super::send;
use crate::destinations::{HttpRequest, Message, Method, Reply};
use crate::egress::Egress;

/// Its answer, or that there is none.
#[derive(Debug, Serialize)]
pub struct Serving {
    /// Where it was asked.
    pub admin: SocketAddr,
    /// `ready`, `not ready`, or `unreachable`.
    pub status: &'static str,
    /// Why it is not ready, or why nothing can be said.
    pub reason: Option<String>,
    /// How its destinations are doing.
    #[serde(skip)]
    pub destinations: BTreeMap<String, Health>,
}

/// How a destination is doing.
#[derive(Debug, Deserialize)]
pub struct Health {
    /// `running`, `failing`, `stopped`, or what a later version calls it.
    pub state: String,
    /// Why it is not running.
    #[serde(default)]
    pub reason: Option<String>,
}

#[derive(Deserialize)]
struct Readiness {
    status: String,
    store: String,
    #[serde(default)]
    destinations: BTreeMap<String, Health>,
}

impl Serving {
    /// Asks `/readyz`.
    pub fn ask(admin: SocketAddr) -> Result<Self, Failure> {
        let reached = send::reachable(admin);
        let url = format!("http://{reached}/readyz").parse();
        let url = url.map_err(|error| Failure::Found(format!("the address of [admin] makes no URL: {error}")))?;
        let egress = Egress::new().map_err(crate::app::AppError::Client)?;
        let request = HttpRequest {
            method: Method::Get,
            url,
            headers: Vec::new(),
            content_type: "text/plain",
            body: Bytes::new(),
        };
        let asked = async { tokio::time::timeout(PATIENCE, egress.send(Message::Http(request))).await };
        let reply = match runtime()?.block_on(asked) {
            Ok(reply) => reply,
            Err(_) => return Ok(Self::unreachable(admin, format!("no answer within {} s", PATIENCE.as_secs()))),
        };
        Ok(match reply {
            Reply::Http(answer) => match serde_json::from_slice::<Readiness>(&answer.body) {
                Ok(readiness) => Self::of(admin, readiness),
                Err(_) => Self::unreachable(admin, "something else than gatepost answers there".to_owned()),
            },
            Reply::Failed(fault) => Self::unreachable(admin, fault.detail),
            Reply::NotSent(_) | Reply::Appended | Reply::Mailed(_) | Reply::Written => {
                Self::unreachable(admin, "nothing was asked".to_owned())
            }
        })
    }

    fn of(admin: SocketAddr, readiness: Readiness) -> Self {
        let is_ready = readiness.status == "ready";
        Self {
            admin,
            status: if is_ready { "ready" } else { "not ready" },
            reason: (!is_ready).then_some(readiness.store),
            destinations: readiness.destinations,
        }
    }

    fn unreachable(admin: SocketAddr, reason: String) -> Self {
        Self { admin, status: "unreachable", reason: Some(reason), destinations: BTreeMap::new() }
    }
}

/// Short, because the command is interactive.
const PATIENCE: Duration = Duration::from_secs(4);
