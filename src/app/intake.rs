//! The public listener by itself, over an inbox of the caller's: what intake costs without a store.
//!
//! The benchmark runs it. There is no pipeline and no listener for the operator, and nothing is kept unless the inbox keeps it.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::web;
use tokio::sync::{Notify, watch};

use super::{AppError, Fixed, Listener, bind, labels_of, listen_public, within_files};
use crate::config::Config;
use crate::domain::SystemClock;
use crate::server::{Connections, Ingress};
use crate::store::Inbox;
use crate::telemetry::Metrics;

/// A public listener that runs.
pub struct Intake(Listener);

impl Intake {
    /// Listens where the configuration says, and hands what is authentic to the inbox. Must run on a tokio runtime.
    pub fn start(config: &Config, inbox: Arc<dyn Inbox>) -> Result<Self, AppError> {
        let metrics = Arc::new(Metrics::new());
        metrics.start_at_zero(&labels_of(config));
        let fixed = Fixed::of(config);
        let public = bind(fixed.listen, "server")?;
        let (_, sources) = watch::channel(Arc::clone(&config.sources));
        let wake = Arc::new(Notify::new());
        let ingress =
            web::Data::new(Ingress::new(sources, inbox, wake, (Arc::new(SystemClock), metrics), config.limits));
        listen_public(public, ingress, Connections::new(within_files(&fixed.connections))).map(Self)
    }

    /// Where vendors reach it.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Waits until it ends.
    pub async fn ended(self) -> std::io::Result<()> {
        self.0.task.await.map_err(std::io::Error::other)?
    }
}
