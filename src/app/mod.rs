//! Builds everything once, runs it, exchanges it on reload, and stops it in order.
//!
//! `gatepost serve` and `gatepost demo` run an [`App`]. This is the only module that picks a clock.

mod intake;
mod signals;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::http::KeepAlive;
use actix_web::middleware::from_fn;
use actix_web::{App as WebApp, HttpServer, web};
use tokio::net::TcpSocket;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::config::{Config, ConfigError};
use crate::domain::{Clock, SystemClock};
use crate::egress::{ClientError, Egress};
use crate::notices::Condition;
use crate::pipeline::{Parts, Pipeline, Queue, Rules, StoredTokens, WorkerState};
use crate::server::{
    Admin, CheckHealth, ConnectionLimits, Connections, DestinationHealth, Ingress, IngressLimits, NoticeHealth,
    Problem, QueueHealth, refuse_foreign,
};
use crate::store::{Access, OpenError, Soundness, SqliteStore};
use crate::telemetry::{KnownLabels, Metrics};
use crate::vendors::Sources;

pub use intake::Intake;
pub use signals::{log_faults, run_until_stopped, serve_by};

/// A running gatepost.
pub struct App {
    store: SqliteStore,
    pipeline: Arc<Pipeline>,
    metrics: Arc<Metrics>,
    sources: watch::Sender<Arc<Sources>>,
    ingress: web::Data<Ingress>,
    fixed: Fixed,
    public: Listener,
    admin: Listener,
}

/// What a reload cannot change.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fixed {
    listen: SocketAddr,
    admin_listen: SocketAddr,
    admin_hosts: Vec<String>,
    store: PathBuf,
    limits: IngressLimits,
    connections: ConnectionLimits,
}

struct Listener {
    address: SocketAddr,
    handle: ServerHandle,
    task: JoinHandle<std::io::Result<()>>,
}

/// Why gatepost cannot run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The configuration is at fault.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// TLS or the HTTP client cannot be set up.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} ([{section}] listen)")]
    Listen {
        /// The section of the configuration.
        section: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A task of the pipeline keeps ending.
    #[error(
        "a task of the pipeline keeps ending ({0}), a defect of gatepost: see the log; what was acknowledged is kept"
    )]
    Ended(&'static str),
    /// The runtime or the signals cannot be set up.
    #[error("the process cannot be set up")]
    Process(#[source] std::io::Error),
}

/// Why a reload was refused; everything goes on as before.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The new configuration is at fault.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It changes what only a restart can change.
    #[error("[{section}] has changed, which needs a restart")]
    NeedsRestart {
        /// The section.
        section: &'static str,
    },
}

impl App {
    /// Opens the store, starts the pipeline and the listeners. Must run on a tokio runtime with several threads.
    pub async fn start(config: Config) -> Result<Self, AppError> {
        Self::start_by(config, Arc::new(SystemClock)).await
    }

    /// The same by another clock, for tests that set it.
    pub async fn start_by(config: Config, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        let metrics = Arc::new(Metrics::new());
        metrics.start_at_zero(&labels_of(&config));
        metrics.show_store_check(&Soundness::WORDS, Soundness::Checking.as_str());
        let fixed = Fixed::of(&config);
        let limits = config.limits;
        let store = open_store(fixed.store.clone()).await?;
        // Before anything is claimed: a start that fails must leave nothing under way.
        let public = bind(fixed.listen, "server")?;
        let admin = bind(fixed.admin_listen, "admin")?;
        let (sources, _) = watch::channel(Arc::clone(&config.sources));
        let egress = Egress::keeping_tokens(Arc::new(StoredTokens::new(Arc::new(store.clone()), Arc::clone(&clock))))?;
        let pipeline =
            Pipeline::start(store.clone(), egress, Arc::clone(&clock), Arc::clone(&metrics), parts_of(config)).await;
        let ingress = web::Data::new(Ingress::new(
            sources.subscribe(),
            Arc::new(store.clone()),
            pipeline.receipts_wake(),
            (clock, Arc::clone(&metrics)),
            limits,
        ));
        let connections = Connections::new(within_files(&fixed.connections));
        let public = listen_public(public, web::Data::clone(&ingress), connections)?;
        let stopping = web::Data::clone(&ingress);
        let operator = web::Data::new(Admin {
            inbox: Arc::new(store.clone()),
            is_stopping: Box::new(move || stopping.is_stopping()),
            metrics: Arc::clone(&metrics),
            hosts: fixed.admin_hosts.clone(),
            destinations: health_of(&pipeline),
            stuck: stuck_of(&pipeline),
            notices: notices_of(&pipeline),
            check: check_of(store.clone()),
            checked: Mutex::default(),
        });
        let admin = listen_admin(admin, operator)?;
        store.begin_check();
        Ok(Self { store, pipeline, metrics, sources, ingress, fixed, public, admin })
    }

    /// Where vendors reach us.
    pub fn public_address(&self) -> SocketAddr {
        self.public.address
    }

    /// Where the operator reaches us.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address
    }

    /// The store, for reads while the app runs.
    pub fn store(&self) -> &SqliteStore {
        &self.store
    }

    /// Waits until it cannot go on, because a task of the pipeline keeps ending.
    pub async fn failed(&self) -> AppError {
        AppError::Ended(self.pipeline.failed().await.as_str())
    }

    /// Takes a new configuration as a whole, or keeps the old one and says why.
    pub async fn reload(&self, path: &Path) -> Result<(), ReloadError> {
        let result = self.try_reload(path).await;
        if result.is_err() {
            self.metrics.reloads_refused.inc();
        }
        result
    }

    async fn try_reload(&self, path: &Path) -> Result<(), ReloadError> {
        let config = Config::load(path)?;
        let new = Fixed::of(&config);
        let (old, server) = (&self.fixed, |fixed: &Fixed| (fixed.listen, fixed.limits, fixed.connections.clone()));
        for (section, changed) in [
            ("server", server(&new) != server(old)),
            ("admin", (new.admin_listen, &new.admin_hosts) != (old.admin_listen, &old.admin_hosts)),
            ("store", new.store != self.fixed.store),
        ] {
            if changed {
                return Err(ReloadError::NeedsRestart { section });
            }
        }
        let (sources, labels) = (Arc::clone(&config.sources), labels_of(&config));
        let warnings = config.warnings.clone();
        self.pipeline.exchange(parts_of(config)).await;
        self.metrics.start_at_zero(&labels);
        for warning in &warnings {
            tracing::warn!(%warning, "the configuration deserves a look");
        }
        self.sources.send_replace(sources);
        Ok(())
    }

    /// Stops accepting, finishes what is under way within a bound, and closes the store.
    pub async fn stop(self) {
        self.ingress.stop_accepting();
        tokio::time::sleep(DRAIN_TIME).await;
        let public = stop_listener(self.public, "server");
        let admin = stop_listener(self.admin, "admin");
        tokio::join!(public, admin);
        self.pipeline.stop(PIPELINE_STOP_BOUND).await;
        let store = self.store;
        if tokio::task::spawn_blocking(move || store.close()).await.is_err() {
            tracing::error!("closing the store failed; nothing that was acknowledged is lost");
        }
    }
}

impl Fixed {
    fn of(config: &Config) -> Self {
        Self {
            listen: config.listen,
            admin_listen: config.admin_listen,
            admin_hosts: config.admin_hosts.clone(),
            store: config.store.clone(),
            limits: config.limits,
            connections: config.connections.clone(),
        }
    }
}

/// An address that is taken for this process and not listened on yet. A client that connects meanwhile is refused; on a
/// listener that was opened only to try the address its request would be reset.
struct Bound {
    section: &'static str,
    address: SocketAddr,
    socket: TcpSocket,
}

fn bind(address: SocketAddr, section: &'static str) -> Result<Bound, AppError> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let bound = socket.and_then(|socket| {
        // A restart takes the address again while connections of the last run linger in the system.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    });
    match bound {
        Ok(socket) => Ok(Bound { section, address, socket }),
        Err(source) => Err(AppError::Listen { section, address, source }),
    }
}

impl Bound {
    fn listen(self) -> Result<TcpListener, AppError> {
        let Self { section, address, socket } = self;
        let listener = socket.listen(BACKLOG).and_then(tokio::net::TcpListener::into_std);
        listener.map_err(|source| AppError::Listen { section, address, source })
    }
}

async fn open_store(path: PathBuf) -> Result<SqliteStore, AppError> {
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&path, Access::Serve)).await;
    opened.map_err(|error| AppError::Process(std::io::Error::other(error)))?.map_err(AppError::Store)
}

fn labels_of(config: &Config) -> KnownLabels {
    KnownLabels {
        sources: config.sources.keys().map(ToString::to_string).collect(),
        routes: config.router.routes().iter().map(|route| route.name.to_string()).collect(),
        destinations: config.destinations.keys().map(ToString::to_string).collect(),
        refusals: Problem::codes(),
    }
}

fn parts_of(config: Config) -> Parts {
    let policy = Arc::new(config.policy());
    let annotations = Arc::clone(&config.annotations);
    let rules = Rules { sources: config.sources, router: config.router, annotations, policy };
    let operator = Arc::new(config.operator);
    let Config { destinations, templates, retention, heartbeat, .. } = config;
    Parts { rules: Arc::new(rules), destinations, templates, retention, operator, heartbeat }
}

fn stuck_of(pipeline: &Arc<Pipeline>) -> Box<dyn Fn() -> Vec<String> + Send + Sync> {
    let pipeline = Arc::clone(pipeline);
    Box::new(move || pipeline.stuck())
}

fn notices_of(pipeline: &Arc<Pipeline>) -> Box<dyn Fn() -> Vec<NoticeHealth> + Send + Sync> {
    let pipeline = Arc::clone(pipeline);
    Box::new(move || {
        let shown = |condition: Condition| NoticeHealth {
            kind: condition.id.kind.as_str(),
            subject: condition.id.subject,
            title: condition.title,
            message: condition.message,
        };
        pipeline.notices().into_iter().map(shown).collect()
    })
}

fn health_of(pipeline: &Arc<Pipeline>) -> Box<dyn Fn() -> BTreeMap<String, DestinationHealth> + Send + Sync> {
    let pipeline = Arc::clone(pipeline);
    let health = |state| {
        let (state, reason) = match state {
            WorkerState::Running | WorkerState::Untried => ("running", None),
            WorkerState::Failing { reason } => ("failing", Some(reason)),
            WorkerState::Stopped { reason } => ("stopped", Some(reason)),
        };
        DestinationHealth { state, reason, queue: None }
    };
    Box::new(move || {
        let queues = pipeline.queues();
        let mut all: BTreeMap<String, DestinationHealth> =
            pipeline.worker_states().into_iter().map(|(name, state)| (name.to_string(), health(state))).collect();
        for (name, Queue { waiting, dead, oldest_waiting }) in queues {
            let queue = Some(QueueHealth { waiting, dead, oldest_waiting_seconds: oldest_waiting.as_secs() });
            let unconfigured = || DestinationHealth { state: "unconfigured", reason: None, queue: None };
            all.entry(name.to_string()).or_insert_with(unconfigured).queue = queue;
        }
        all
    })
}

fn check_of(store: SqliteStore) -> Box<dyn Fn() -> CheckHealth + Send + Sync> {
    Box::new(move || {
        let found = store.soundness();
        CheckHealth { state: found.as_str(), reason: found.reason().map(str::to_owned) }
    })
}

/// The limits, lowered to what the process may open.
fn within_files(configured: &ConnectionLimits) -> ConnectionLimits {
    let table = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files =
        table.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok());
    let Some(files) = files else { return configured.clone() };
    let limits = configured.clone().within_files(files);
    if limits.total < configured.total {
        let connections = limits.total;
        tracing::info!(files, connections, "fewer connections are served, because the process may not open more files");
    }
    limits
}

fn listen_public(
    bound: Bound,
    ingress: web::Data<Ingress>,
    connections: Arc<Connections>,
) -> Result<Listener, AppError> {
    let (section, address) = (bound.section, bound.address);
    let routes = move || WebApp::new().app_data(web::Data::clone(&ingress)).configure(Ingress::configure);
    let server = HttpServer::new(routes)
        .on_connect(move |stream, extensions| connections.on_connect(stream, extensions))
        .client_request_timeout(HEAD_TIMEOUT)
        // Idle connections are closed by `Connections`, at no cost for a request.
        .keep_alive(KeepAlive::Os)
        .max_connections(CONNECTIONS_MAX)
        .disable_signals()
        .shutdown_timeout(LISTENER_STOP_BOUND.as_secs())
        .listen(bound.listen()?)
        .map_err(|source| AppError::Listen { section, address, source })?;
    let bound = server.addrs().first().copied();
    Ok(Listener::start(bound.unwrap_or(address), server.run()))
}

fn listen_admin(bound: Bound, admin: web::Data<Admin>) -> Result<Listener, AppError> {
    let (section, address) = (bound.section, bound.address);
    let routes = move || {
        let app = WebApp::new().app_data(web::Data::clone(&admin));
        app.wrap(from_fn(refuse_foreign)).configure(Admin::configure)
    };
    let server = HttpServer::new(routes)
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(bound.listen()?)
        .map_err(|source| AppError::Listen { section, address, source })?;
    let bound = server.addrs().first().copied();
    Ok(Listener::start(bound.unwrap_or(address), server.run()))
}

impl Listener {
    fn start(address: SocketAddr, server: Server) -> Self {
        Self { address, handle: server.handle(), task: tokio::spawn(server) }
    }
}

async fn stop_listener(listener: Listener, section: &'static str) {
    listener.handle.stop(true).await;
    match listener.task.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(section, %error, "a listener ended with an error"),
        Err(error) => tracing::warn!(section, %error, "a listener did not end well"),
    }
}

/// The head of a request must be here by then.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// The backlog of the listener.
const BACKLOG: u32 = 2_048;
/// Connections to each worker of the public listener, beyond which the system lets them wait: more than are ever
/// served, so that a client beyond the limit is answered 503.
const CONNECTIONS_MAX: usize = 65_536;
/// How long requests are answered that they are to be sent again, and clients have to finish sending what they have begun.
const DRAIN_TIME: Duration = Duration::from_millis(300);
/// Everything together ends within ten seconds.
const LISTENER_STOP_BOUND: Duration = Duration::from_secs(4);
const PIPELINE_STOP_BOUND: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::settings::Environment;

    /// The status and the rest of the answer to a request, on a connection of its own.
    async fn ask(address: SocketAddr, request: &str) -> (u16, String) {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).to_lowercase();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn from_the_signal_to_stop_on_requests_are_to_be_sent_again_and_no_more_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite:{}\"\n
            [sources.akto]\nvendor = \"akto\"\nsecrets = [{{ value = \"akto-shows-this-token-of-32-byte\" }}]",
            folder.path().join("gatepost.db").display()
        );
        let config = Config::parse(&text, &Environment::of_process(folder.path().to_owned())).unwrap();
        let app = App::start(config).await.unwrap();
        let (public, admin) = (app.public_address(), app.admin_address());
        let alert = "POST /webhooks/akto HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
            authorization: Bearer akto-shows-this-token-of-32-byte\r\ncontent-length: 2\r\n\r\n[]";
        let ready = "GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        assert_eq!((ask(public, alert).await.0, ask(admin, ready).await.0), (200, 200));
        app.ingress.stop_accepting();
        let (status, answer) = ask(public, alert).await;
        assert!(status == 503 && answer.contains("retry-after: ") && answer.contains("shutting-down"), "{answer}");
        let (status, answer) = ask(admin, ready).await;
        assert!(status == 503 && answer.contains("shutting down"), "{answer}");
        app.stop().await;
    }
}
