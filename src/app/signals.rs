//! The main loop of `gatepost serve`: run until a signal stops it, reload on a signal.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::{App, AppError};
use crate::config::{Config, ConfigError};
use crate::domain::{Clock, SystemClock};
use crate::settings::{Fault, Level};

/// Serves the configuration at `path` until SIGTERM or SIGINT; SIGHUP reloads it.
pub fn run_until_stopped(config: Config, path: &Path) -> Result<(), AppError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .thread_name("pipeline")
        .enable_all()
        .build()
        .map_err(AppError::Process)?;
    let ended = runtime.block_on(serve_by(config, path, Arc::new(SystemClock)));
    // What still blocks a thread (a name that does not resolve) must not hold the process.
    runtime.shutdown_timeout(RUNTIME_STOP_BOUND);
    ended
}

/// The same on the current runtime, and by another clock, for tests that break it.
pub async fn serve_by(config: Config, path: &Path, clock: Arc<dyn Clock>) -> Result<(), AppError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(AppError::Process)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(AppError::Process)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(AppError::Process)?;
    let app = App::start_by(config, clock).await?;
    let (server, admin) = (app.public_address(), app.admin_address());
    tracing::info!(%server, %admin, "gatepost is ready");
    let ended = loop {
        tokio::select! {
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
            fault = app.failed() => break Err(fault),
            _ = hangup.recv() => reload(&app, path).await,
        }
    };
    tracing::info!("stopping: finishing what is under way");
    app.stop().await;
    tracing::info!("stopped");
    ended
}

async fn reload(app: &App, path: &Path) {
    match app.reload(path).await {
        Ok(()) => tracing::info!("the configuration has been reloaded"),
        Err(fault) => {
            tracing::error!(%fault, "the configuration was not reloaded; the old one stays in force");
            if let super::ReloadError::Config(ConfigError::Faulty { faults, .. }) = &fault {
                log_faults(faults);
            }
        }
    }
}

/// Each fault of a configuration, as a line of its own.
pub fn log_faults(faults: &[Fault]) {
    for fault in faults {
        match fault.level {
            Level::Error => tracing::error!(%fault, "fault in the configuration"),
            Level::Warning => tracing::warn!(warning = %fault, "the configuration deserves a look"),
        }
    }
}

const RUNTIME_STOP_BOUND: Duration = Duration::from_millis(500);
/// Dispatching, rendering and waiting for destinations; intake has its own threads.
const WORKER_THREADS: usize = 2;
