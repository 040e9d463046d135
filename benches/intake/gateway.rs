//! gatepost as a server under load: what it is configured to do, and what it says of itself.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepost::config::Config;
use gatepost::destinations::{Next, Notifier, Pace, Receiver, Reply, Step};
use gatepost::domain::{Job, NotifierClass, Telling};
use gatepost::telemetry::{LogFormat, start_logging};

use super::load::Expected;
use super::machine::Memory;
use super::process::{self, Folder, KEEP, Process};
use super::receiver;
use super::requests::SECRET;

/// The word after `serve-contender` for gatepost with the pace of its HTTP destinations lifted.
pub const LIFTED: &str = "lifted";
/// What a new event is answered.
pub const NEW: Expected = Expected { body: "\"status\":\"accepted\"", once: true };
/// What a repetition is answered.
pub const REPEATED: Expected = Expected { body: "\"status\":\"duplicate\"", once: false };
/// The file destination.
pub const ARCHIVE: &str = "archive";
/// A sink that is away: its events wait.
pub const AWAY: &str = "away";

/// What gatepost is configured to do with every event.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    destinations: String,
    names: Vec<String>,
    retention: &'static str,
    incidents: &'static str,
    /// What the events of an incident of the source `bench` have in common, where it is not the vendor's own.
    group_by: &'static str,
    sources: String,
    lifted: bool,
}

impl Setup {
    /// Into a file.
    pub fn to_file() -> Self {
        Self::default().and(ARCHIVE, "type = \"file\"\npath = \"events.ndjson\"")
    }

    /// To no destination yet.
    pub fn to_nothing() -> Self {
        Self::default()
    }

    /// Also to pagers on loopback, without the pace that protects the real ones.
    ///
    /// As shipped at most 100 events a minute go to a PagerDuty service. So a process of this binary runs the same gatepost
    /// and puts another pace before the same destinations.
    pub fn and_pagers(mut self, addresses: &[SocketAddr]) -> Self {
        self.lifted = true;
        for (place, address) in addresses.iter().enumerate() {
            self = self.and(&format!("pager{place}"), &receiver::pager_settings(*address));
        }
        self
    }

    /// Also to a sink that nothing listens for.
    pub fn and_away(self) -> Self {
        let settings = "type = \"splunk\"\nurl = \"http://127.0.0.1:9\"\ntoken = { value = \"bench-bench-bench\" }";
        self.and(AWAY, settings)
    }

    /// Each event opens an incident, however many there are.
    pub fn each_an_incident(self) -> Self {
        Self { incidents: "[incidents]\nstorm = \"never\"\n", group_by: "group_by = [\"event\"]\n", ..self }
    }

    /// Keeps receipts and keys for this long; `gatepost.toml` without the section otherwise.
    pub fn keeping(self, retention: &'static str) -> Self {
        Self { retention, ..self }
    }

    /// Takes events of one more source of Akto's.
    pub fn and_source(self, name: &str) -> Self {
        let source = format!("[sources.{name}]\nvendor = \"akto\"\nsecrets = [{{ value = \"{SECRET}\" }}]\n");
        Self { sources: self.sources + &source, ..self }
    }

    /// Also to a destination with these settings.
    pub fn and(mut self, name: &str, settings: &str) -> Self {
        self.destinations.push_str(&format!("[destinations.{name}]\n{settings}\n"));
        self.names.push(name.to_owned());
        self
    }

    /// Writes `gatepost.toml`.
    pub fn write(&self, folder: &Folder) -> io::Result<PathBuf> {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite:gatepost.db\"\n\
             {}\n{}[sources.bench]\nvendor = \"secureagentics\"\nsecrets = [{{ value = \"{SECRET}\" }}]\n{}\
             [sources.akto]\nvendor = \"akto\"\nsecrets = [{{ value = \"{SECRET}\" }}]\n{}{}\
             [[routes]]\nname = \"everything\"\nto = {:?}\n",
            self.retention, self.incidents, self.group_by, self.sources, self.destinations, self.names
        );
        let path = folder.path().join("gatepost.toml");
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

/// A running gatepost.
pub struct Gateway {
    process: Process,
    pub address: SocketAddr,
    admin: SocketAddr,
}

impl Gateway {
    /// Starts the gatepost that was built with this benchmark on an empty store.
    pub fn start(setup: &Setup) -> io::Result<Self> {
        Self::start_in(setup, &process::new_folder()?)
    }

    /// The same on what is in the folder.
    pub fn start_in(setup: &Setup, folder: &Folder) -> io::Result<Self> {
        Self::start_build(Path::new(env!("CARGO_BIN_EXE_gatepost")), setup, folder)
    }

    /// Starts any build of gatepost.
    pub fn start_build(binary: &Path, setup: &Setup, folder: &Folder) -> io::Result<Self> {
        let path = setup.write(folder)?;
        let command = if setup.lifted {
            process::keeper(LIFTED, &path, folder)
        } else {
            let mut command = process::keeper(KEEP, binary, folder);
            command.arg("serve");
            command
        };
        let (process, address, admin) = Process::start_gatepost(command, Folder::clone(folder))?;
        Ok(Self { process, address, admin })
    }

    /// The processor time that it has used.
    pub fn cpu(&self) -> io::Result<Duration> {
        self.process.cpu()
    }

    /// What it has in memory.
    pub fn memory(&self) -> io::Result<Memory> {
        self.process.memory()
    }

    /// The time since it was started.
    pub fn age(&self) -> Duration {
        self.process.started().elapsed().unwrap_or_default()
    }

    /// Its metrics.
    pub fn metrics(&self) -> io::Result<Metrics> {
        Metrics::read(self.admin)
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until a figure is reached.
    pub fn wait_until(&self, what: &str, limit: Duration, reached: impl Fn(&Metrics) -> bool) -> io::Result<()> {
        let begun = Instant::now();
        while !reached(&self.metrics()?) {
            if begun.elapsed() > limit {
                return Err(io::Error::other(format!("{what}: not within {} s", limit.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

/// What `/metrics` said.
pub struct Metrics(String);

impl Metrics {
    /// Asks.
    pub fn read(admin: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect(admin)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        if !text.starts_with("HTTP/1.1 200 ") {
            return Err(io::Error::other(format!("/metrics is answered {}", text.lines().next().unwrap_or_default())));
        }
        Ok(Self(text))
    }

    /// The sum of a metric over all lines that hold these labels.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let lines = self.0.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && labels.iter().all(|label| line.contains(label))
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Attempts that did not arrive, and dead letters.
    pub fn failed(&self) -> f64 {
        let attempts = |outcome: &[&str]| self.sum("gatepost_delivery_attempts_total", outcome);
        attempts(&[]) - attempts(&["outcome=\"delivered\""]) + self.sum("gatepost_delivery_dead_total", &[])
    }

    /// Events that a sink has not been sent.
    pub fn lag(&self, sink: &str) -> f64 {
        self.sum("gatepost_sink_lag_events", &[&format!("destination=\"{sink}\"")])
    }

    /// Events that were read from receipts.
    pub fn read_events(&self) -> f64 {
        self.sum("gatepost_events_read_total", &[])
    }
}

/// Runs gatepost in this process with the pace of its HTTP destinations lifted.
pub fn serve_lifted(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    process::announce_ourselves();
    start_logging(LogFormat::Json, "info")?;
    let mut config = Config::load(path)?;
    for receiver in config.destinations.values_mut() {
        // A sink has no pace of its own.
        if let Receiver::Notifier(notifier) = receiver {
            *receiver = Receiver::Notifier(Arc::new(LiftedNotifier(Arc::clone(notifier))));
        }
    }
    Ok(gatepost::app::run_until_stopped(config, path)?)
}

/// A notifier without its pace; everything else is its own.
#[derive(Debug)]
struct LiftedNotifier(Arc<dyn Notifier>);

impl Notifier for LiftedNotifier {
    fn class(&self) -> NotifierClass {
        self.0.class()
    }

    fn fingerprint(&self) -> [u8; 16] {
        self.0.fingerprint()
    }

    fn pace(&self) -> Pace {
        Pace::unlimited(AT_ONCE)
    }

    fn first(&self, job: &Job<'_>, telling: &Telling<'_>) -> Next {
        self.0.first(job, telling)
    }

    fn next(&self, job: &Job<'_>, telling: &Telling<'_>, step: Step, reply: &Reply) -> Next {
        self.0.next(job, telling, step, reply)
    }
}

/// Messages under way at the same time to a destination whose pace is lifted.
pub const AT_ONCE: usize = 64;
