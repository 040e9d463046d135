//! What the operator typed becomes what the program needs, or a list of everything that is wrong with it.
//!
//! `app` and the commands call [`Config::load`]. Each component reads its own settings (see [`crate::settings`]); this
//! module checks only how they fit together: which source has which vendor, which route names which destination. It
//! does not promise that a destination can be reached or that an address is free: that shows when it is tried.

mod annotations;
mod fallbacks;
mod incidents;
mod names;
mod operator;
mod outline;
mod routes;
mod schema;
mod sources;
mod split;
mod templates;

pub use outline::Outline;
pub use schema::schema;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::destinations::templates::Templates;
use crate::destinations::{self, Receiver};
use crate::domain::{DestinationName, SourceName};
use crate::incidents::{GroupBy, Timing};
use crate::notices::Operator;
use crate::pipeline::{Heartbeat, Retention};
use crate::routing::{Annotations, Router};
use crate::server::{ConnectionLimits, IngressLimits, Network};
use crate::settings::{Document, Environment, Fault, Level, Section};
use crate::store::{Fallback, NotifierPolicy, Policy, SqliteStore};
use crate::vendors::Sources;
use names::{Built, name_of};

/// A configuration that can run.
pub struct Config {
    /// Where vendors reach us.
    pub listen: SocketAddr,
    /// How long their bodies may take.
    pub limits: IngressLimits,
    /// How many may be connected.
    pub connections: ConnectionLimits,
    /// Where the operator reaches us.
    pub admin_listen: SocketAddr,
    /// Names under which the operator reaches gatepost beside addresses and `localhost`, in lower case.
    pub admin_hosts: Vec<String>,
    /// The database file.
    pub store: PathBuf,
    /// The sources.
    pub sources: Arc<Sources>,
    /// The destinations.
    pub destinations: BTreeMap<DestinationName, Receiver>,
    /// Who is told instead of a destination that has not taken what must be told at once.
    pub fallbacks: BTreeMap<DestinationName, Fallback>,
    /// The templates of those that have some.
    pub templates: BTreeMap<DestinationName, Arc<Templates>>,
    /// What the events of one incident have in common, for sources that say so.
    pub group_by: BTreeMap<SourceName, GroupBy>,
    /// How incidents are timed.
    pub timing: Timing,
    /// The routes.
    pub router: Router,
    /// What the operator says about events.
    pub annotations: Arc<Annotations>,
    /// How long what is kept.
    pub retention: Retention,
    /// Who is told how gatepost itself is doing.
    pub operator: Operator,
    /// Where a dead man's switch is told that gatepost is well.
    pub heartbeat: Option<Heartbeat>,
    /// What the operator should look at.
    pub warnings: Vec<Fault>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is at fault.
    #[error("{path} has {} {}", count(.faults), if count(.faults) == 1 { "fault" } else { "faults" })]
    Faulty {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong, by line; warnings among them.
        faults: Vec<Fault>,
    },
}

impl Config {
    /// Reads the file at `path` with the process's environment.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read_text(path)?;
        let base = path.parent().map(Path::to_owned).unwrap_or_default();
        Self::parse(&text, &Environment::of_process(base))
            .map_err(|faults| ConfigError::Faulty { path: path.to_owned(), faults })
    }

    /// Reads a text. All faults are found at once.
    pub fn parse(text: &str, environment: &Environment) -> Result<Self, Vec<Fault>> {
        let document = Document::new(text, environment);
        let table = document.parse();
        let config = read(&document.root(table.get_ref()));
        match config {
            Some(config) if !document.any_error() => Ok(Self { warnings: document.into_faults(), ..config }),
            _ => Err(document.into_faults()),
        }
    }

    /// What the store must know of it to decide inside a transaction.
    pub fn policy(&self) -> Policy {
        let notifiers = self.destinations.iter().filter_map(|(name, receiver)| match receiver {
            Receiver::Notifier(notifier) => {
                let policy = NotifierPolicy { class: notifier.class(), fingerprint: notifier.fingerprint() };
                Some((name.clone(), policy))
            }
            Receiver::Sink(_) => None,
        });
        let former = self.destinations.iter().filter_map(|(name, receiver)| match receiver {
            Receiver::Notifier(notifier) => Some((name.clone(), notifier.former_fingerprint()?)),
            Receiver::Sink(_) => None,
        });
        Policy {
            notifiers: notifiers.collect(),
            former_fingerprints: former.collect(),
            fallbacks: self.fallbacks.clone(),
            timing: self.timing,
            group_by: self.group_by.clone(),
        }
    }

    /// Every setting that the components ask for when they read `text`: what the published schema must hold.
    pub fn settings_asked(text: &str, environment: &Environment) -> Vec<String> {
        let document = Document::new(text, environment);
        let table = document.parse();
        drop(read(&document.root(table.get_ref())));
        document.asked()
    }
}

fn read_text(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > CONFIG_BYTES_MAX {
        return Err(unreadable(std::io::Error::other(format!("it is larger than {CONFIG_BYTES_MAX} bytes"))));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

fn read(root: &Section<'_>) -> Option<Config> {
    let (listen, limits, connections) = read_server(root);
    let (admin_listen, admin_hosts) = read_admin(root);
    let store = read_store(root);
    let (sources, group_by, expect) = sources::read(root);
    let timing = incidents::read(root);
    warn_of_open_listeners(root, listen, admin_listen, &sources);
    let NamedDestinations { built: destinations, fallbacks, templates } = read_destinations(root, store.as_deref());
    let (operator, heartbeat) = operator::read(root, &destinations, expect);
    let led_to = operator.to.iter().chain(fallbacks.values().map(|fallback| &fallback.to)).cloned().collect();
    let router = routes::read(root, &destinations, led_to);
    let annotations = annotations::read(root);
    let retention = read_retention(root);
    if let (Some(listen), Some(admin)) = (listen, admin_listen)
        && listen == admin
        && listen.port() != 0
    {
        let (key, other) = if root.has("admin") { ("admin", "server") } else { ("server", "admin") };
        let message = format!("listens where the {other} listens");
        root.fault(key, &message, "give it another port, such as 127.0.0.1:8080 and 127.0.0.1:8081");
    }
    root.finish();
    let built = destinations.into_iter().filter_map(|(name, built)| Some((name, built?))).collect();
    Some(Config {
        listen: listen?,
        limits,
        connections,
        admin_listen: admin_listen?,
        admin_hosts,
        store: store?,
        sources: Arc::new(sources),
        destinations: built,
        fallbacks,
        templates,
        group_by,
        timing,
        router,
        annotations: Arc::new(annotations),
        retention,
        operator,
        heartbeat,
        warnings: Vec::new(),
    })
}

fn read_server(root: &Section<'_>) -> (Option<SocketAddr>, IngressLimits, ConnectionLimits) {
    let section = root.section("server");
    let mut limits = IngressLimits { idle: Duration::from_secs(5), total: Duration::from_secs(10) };
    let mut connections = ConnectionLimits::default();
    if let Some(server) = &section {
        let range = Duration::from_millis(100)..Duration::from_secs(300);
        limits.idle = server.duration("body_idle_timeout", range.clone()).unwrap_or(limits.idle);
        limits.total = server.duration("body_timeout", range).unwrap_or(limits.total);
        let count = |key| server.integer(key, 1..CONNECTIONS_MAX).and_then(|count| usize::try_from(count).ok());
        connections.total = count("connections").unwrap_or(connections.total);
        connections.per_address = count("connections_per_address").unwrap_or(connections.per_address);
        if let Some(texts) = server.texts_given("proxies") {
            connections.proxies = read_networks(server, "proxies", &texts);
        }
        if let Some(texts) = server.texts_given("trusted_proxies") {
            connections.trusted_proxies = read_networks(server, "trusted_proxies", &texts);
        }
    }
    (read_listen(section.as_ref(), 8080), limits, connections)
}

fn read_networks(server: &Section<'_>, key: &'static str, texts: &[String]) -> Vec<Network> {
    let read = |text: &String| {
        let network = text.parse();
        if let Err(fault) = &network {
            let fix =
                "write the address that the proxy comes from, such as \"192.0.2.7\", or its network, \"192.0.2.0/24\"";
            server.fault(key, &format!("'{text}' is {fault}"), fix);
        }
        network.ok()
    };
    texts.iter().filter_map(read).collect()
}

fn read_admin(root: &Section<'_>) -> (Option<SocketAddr>, Vec<String>) {
    let section = root.section("admin");
    let hosts = section.as_ref().map(|admin| admin.texts("hosts")).unwrap_or_default();
    let is_name = |name: &str| !name.is_empty() && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace());
    if let Some(admin) = &section {
        for host in hosts.iter().filter(|host| !is_name(host)) {
            let fix = "write the name alone, such as \"gatepost.internal\", without scheme and port";
            admin.fault("hosts", &format!("'{host}' is not a host name"), fix);
        }
    }
    let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
    (read_listen(section.as_ref(), 8081), hosts)
}

/// What is reached from other machines travels in plain HTTP.
fn warn_of_open_listeners(
    root: &Section<'_>,
    listen: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    sources: &Sources,
) {
    let is_open =
        |address: Option<SocketAddr>| address.is_some_and(|address| !address.ip().to_canonical().is_loopback());
    if let Some(section) = root.section("admin").filter(|_| is_open(admin)) {
        let message = "is reached from other machines, and answers all of them without authentication";
        section.warn("listen", message, "listen on 127.0.0.1, or let only your monitoring through to it");
    }
    let tokens: Vec<&str> =
        sources.values().filter(|source| source.verifier.is_token()).map(|source| source.name.as_str()).collect();
    if let Some(section) = root.section("server").filter(|_| is_open(listen) && !tokens.is_empty()) {
        let names = tokens.join(", ");
        let message =
            format!("takes tokens in plain HTTP from other machines ({names}); who reads one can raise alerts");
        section.warn("listen", &message, "listen on 127.0.0.1, behind a proxy that speaks TLS");
    }
}

fn read_listen(section: Option<&Section<'_>>, port: u16) -> Option<SocketAddr> {
    let default = SocketAddr::from(([127, 0, 0, 1], port));
    let Some(section) = section else { return Some(default) };
    let text = section.text("listen");
    section.finish();
    match text {
        None => Some(default),
        Some(text) => match text.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                let fix = "write an IP address and a port, such as 127.0.0.1:8080 or 0.0.0.0:8080";
                section.fault("listen", &format!("'{text}' is not an address"), fix);
                None
            }
        },
    }
}

fn read_store(root: &Section<'_>) -> Option<PathBuf> {
    let default = || Some(root.path_of("gatepost.db"));
    let Some(store) = root.section("store") else { return default() };
    let url = store.text("url");
    store.finish();
    let Some(url) = url else { return default() };
    match url.strip_prefix("sqlite:") {
        Some(file) if !file.trim_start_matches('/').is_empty() => {
            let file = root.path_of(file.strip_prefix("//").unwrap_or(file));
            store.warn_if_folder_absent("url", &file);
            Some(file)
        }
        _ => {
            store.fault("url", "is not a store that this version has", "write sqlite:FILE, such as sqlite:gatepost.db");
            None
        }
    }
}

fn read_retention(root: &Section<'_>) -> Retention {
    let day = Duration::from_secs(24 * 3600);
    let mut retention = Retention { keys: day * 30, receipts: day * 30, events: day * 90 };
    if let Some(section) = root.section("retention") {
        // Vendors come again for up to ten hours, and Akto sends the last three days whenever its settings are saved.
        retention.keys = section.duration("keys", day * 4..day * 3651).unwrap_or(retention.keys);
        retention.receipts = section.duration("receipts", day..day * 3651).unwrap_or(retention.receipts);
        retention.events = section.duration("events", day..day * 3651).unwrap_or(retention.events);
        section.finish();
        if retention.receipts > retention.keys {
            let message = "is longer than `keys`, so that a receipt could be replayed whose events are forgotten";
            section.fault("receipts", message, "make it at most as long as `keys`, or make `keys` longer");
        }
    }
    retention
}

/// The destinations that were named, with what is read beside them.
struct NamedDestinations {
    /// `None` for one that is at fault, so that routes to it are not faults as well.
    built: Built,
    /// The fallbacks of those that tell people.
    fallbacks: BTreeMap<DestinationName, Fallback>,
    /// The templates of those that have some.
    templates: BTreeMap<DestinationName, Arc<Templates>>,
}

fn read_destinations(root: &Section<'_>, store: Option<&Path>) -> NamedDestinations {
    let (mut built, mut wanted, mut templates) = (Built::new(), fallbacks::Wanted::new(), BTreeMap::new());
    for section in root.named_sections("destinations") {
        let Some(name) = name_of::<DestinationName>(&section) else { continue };
        let kinds: Vec<(&str, &destinations::Kind)> =
            destinations::KINDS.iter().map(|kind| (kind.name, *kind)).collect();
        let mut fallback = None;
        let destination = if section.required_text("type").is_some() {
            section.choice("type", &kinds).and_then(|kind| {
                let destination = kind.receiver(&section);
                fallback = if kind.is_notifier() { fallbacks::read(&section) } else { None };
                let own = self::templates::read(&section, kind, destination.as_ref());
                templates.extend(own.map(|own| (name.clone(), own)));
                section.finish();
                if let Some(file) = destination.as_ref().and_then(|destination| destination.file()) {
                    section.warn_if_folder_absent("path", file);
                }
                destination.filter(|destination| is_apart(&section, destination, store))
            })
        } else {
            None
        };
        wanted.extend(fallback.map(|(to, after)| (name.clone(), section, to, after)));
        built.insert(name, destination);
    }
    let fallbacks = fallbacks::check(wanted, &built);
    NamedDestinations { built, fallbacks, templates }
}

/// Whether the destination writes to no file of the store, which lines of JSON would destroy.
fn is_apart(section: &Section<'_>, destination: &Receiver, store: Option<&Path>) -> bool {
    let Some((file, store)) = destination.file().zip(store) else { return true };
    let of_store = SqliteStore::files(store).into_iter().find(|kept| (section.paths().is_same_file)(file, kept));
    if let Some(kept) = &of_store {
        let message = format!("leads to {}, which belongs to the store", kept.display());
        section.fault("path", &message, "write to another file, such as events.ndjson");
    }
    of_store.is_none()
}

fn count(faults: &[Fault]) -> usize {
    faults.iter().filter(|fault| fault.level == Level::Error).count()
}

/// No machine has more ports to serve them from.
const CONNECTIONS_MAX: i64 = 65_536;
/// No configuration is longer; the limit bounds the memory that a wrong path can cost.
const CONFIG_BYTES_MAX: u64 = 4 << 20;
