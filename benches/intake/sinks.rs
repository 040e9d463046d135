//! What each sink sustains, and how far it lags behind, beside a file in the same run.
//!
//! Each sink sends to its strict stand-in in this process, with the settings that it is shipped with. First events come as
//! fast as they leave, with a bounded number under way; then at a fixed rate, at which the lag is looked at.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gatepost::standins::{StandIn, elasticsearch, splunk, syslog, webhook};

use super::archive::Archive;
use super::flood::{Address, post, request};
use super::gateway::{Gateway, Setup};
use super::plan::Plan;
use super::process::{Folder, new_folder};
use super::targets::{Goal, Target};
use super::{Outcome, progress};

/// A file, then every other sink.
pub fn run(plan: &Plan) -> Outcome<Vec<Target>> {
    println!("{HEAD}");
    let (mut targets, mut of_file) = (Vec::new(), None);
    for name in SINKS {
        progress(&format!("events to {name}"));
        let seen = measure(plan, name)?;
        let ratio = seen.per_second / *of_file.get_or_insert(seen.per_second);
        println!(
            "| {name} | {:.0} | {ratio:.2} | {:.0} | {:.0} | {:.0} | {:.0} | {:.2} | {:.0} |",
            seen.per_second, seen.offered, seen.lag_p50_ms, seen.lag_p99_ms, seen.lag_worst_ms, seen.cores, seen.memory
        );
        let what = format!("events to {name}, sustained");
        targets.push(Target::found(what, "/s", Goal::AtLeast(WANTED_PER_SECOND), seen.per_second));
    }
    println!();
    Ok(targets)
}

/// What was seen of a sink.
struct Seen {
    per_second: f64,
    /// Events a second at which the lag was looked at.
    offered: f64,
    lag_p50_ms: f64,
    lag_p99_ms: f64,
    lag_worst_ms: f64,
    /// Of gatepost, while events came as fast as they left.
    cores: f64,
    /// The most that gatepost held, in MB.
    memory: f64,
}

fn measure(plan: &Plan, name: &str) -> Outcome<Seen> {
    let folder = new_folder()?;
    let (setup, mut receiver) = Receiver::start(name, &folder)?;
    let gateway = Gateway::start_in(&setup, &folder)?;
    let counts = Arc::<Counts>::default();
    let address: Address = Arc::new(RwLock::new(gateway.address));

    let senders = Senders::start(&address, &counts, None);
    watch(&mut receiver, &counts, WARM_UP, |_| ())?;
    let (cpu, before, begun) = (gateway.cpu()?, counts.arrived(), Instant::now());
    watch(&mut receiver, &counts, plan.sinks, |_| ())?;
    let took = begun.elapsed().as_secs_f64();
    let per_second = (counts.arrived() - before) as f64 / took;
    let cores = (gateway.cpu()? - cpu).as_secs_f64() / took;
    senders.end();
    drain(&mut receiver, &counts)?;

    let offered = WANTED_PER_SECOND.min(per_second / 2.0);
    let senders = Senders::start(&address, &counts, Some(offered));
    let mut lags = Vec::new();
    watch(&mut receiver, &counts, plan.sinks / 2, |behind| lags.push(behind as f64 / offered * 1e3))?;
    senders.end();
    drain(&mut receiver, &counts)?;
    let failed = gateway.metrics()?.failed();
    if failed > 0.0 {
        return Err(format!("{name}: {failed:.0} tries did not arrive").into());
    }
    lags.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| lags.get((lags.len() as f64 * share) as usize).or(lags.last()).copied().unwrap_or(0.0);
    let memory = gateway.memory()?.most / 1e6;
    Ok(Seen { per_second, offered, lag_p50_ms: at(0.5), lag_p99_ms: at(0.99), lag_worst_ms: at(1.0), cores, memory })
}

/// Looks at what has arrived, for so long; each time says how many events are behind.
fn watch(receiver: &mut Receiver, counts: &Counts, length: Duration, mut look: impl FnMut(u64)) -> Outcome {
    let begun = Instant::now();
    while begun.elapsed() < length {
        std::thread::sleep(LOOK_EVERY);
        // What is answered after this look at the count may have arrived already.
        let accepted = counts.accepted();
        counts.arrived.fetch_add(receiver.arrived()?, Ordering::Relaxed);
        look(accepted.saturating_sub(counts.arrived()));
    }
    Ok(())
}

fn drain(receiver: &mut Receiver, counts: &Counts) -> Outcome {
    let begun = Instant::now();
    while counts.arrived() < counts.accepted() {
        if begun.elapsed() > DRAIN_MAX {
            return Err(format!("{} of {} events arrived", counts.arrived(), counts.accepted()).into());
        }
        watch(receiver, counts, LOOK_EVERY, |_| ())?;
    }
    match counts.arrived() - counts.accepted() {
        0 => Ok(()),
        more => Err(format!("{more} events arrived twice").into()),
    }
}

/// Where events arrive.
enum Receiver {
    File(Archive),
    Syslog(syslog::Collector),
    Elasticsearch(StandIn<elasticsearch::Elasticsearch>),
    Splunk(StandIn<splunk::Splunk>),
    Webhook(StandIn<webhook::Webhook>),
}

impl Receiver {
    fn start(name: &str, folder: &Folder) -> Outcome<(Setup, Self)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let sink = |settings: String| Setup::to_nothing().and("sink", &settings);
        Ok(match name {
            "file" => (
                sink("type = \"file\"\npath = \"events.ndjson\"".to_owned()),
                Self::File(Archive::at(folder.path().join("events.ndjson"))),
            ),
            "syslog" => {
                let collector = runtime.block_on(syslog::start_tcp())?;
                (sink(format!("type = \"syslog\"\naddress = \"{}\"", collector.address())), Self::Syslog(collector))
            }
            "elasticsearch" => {
                let cluster = runtime.block_on(elasticsearch::start())?;
                let settings = format!(
                    "type = \"elasticsearch\"\nurl = \"{}\"\ndata_stream = \"{}\"\napi_key = {{ value = \"{}\" }}",
                    cluster.base_url(),
                    elasticsearch::DATA_STREAM,
                    elasticsearch::API_KEY
                );
                (sink(settings), Self::Elasticsearch(cluster))
            }
            "splunk" => {
                let collector = runtime.block_on(splunk::start())?;
                let (url, token) = (collector.base_url(), splunk::TOKEN);
                let settings = format!("type = \"splunk\"\nurl = \"{url}\"\ntoken = {{ value = \"{token}\" }}");
                (sink(settings), Self::Splunk(collector))
            }
            _ => {
                let receiver = runtime.block_on(webhook::start())?;
                let (url, secret) = (receiver.url(), webhook::SECRET);
                let settings =
                    format!("type = \"webhook\"\nurl = \"{url}\"\nsecret = {{ value = \"{secret}\" }}\nbatch = 500");
                (sink(settings), Self::Webhook(receiver))
            }
        })
    }

    /// How many events have arrived since the last look.
    fn arrived(&mut self) -> Outcome<u64> {
        let events = match self {
            Self::File(archive) => {
                let before = archive.seen();
                archive.lines()? - before
            }
            Self::Syslog(collector) => collector.forget_messages(),
            Self::Elasticsearch(cluster) => cluster.forget_documents(),
            Self::Splunk(collector) => collector.forget_events(),
            Self::Webhook(receiver) => receiver.forget_webhooks(),
        };
        Ok(events as u64)
    }
}

#[derive(Default)]
struct Counts {
    next: AtomicU64,
    accepted: AtomicU64,
    arrived: AtomicU64,
}

impl Counts {
    fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }
}

/// Threads that post events, many in a request, so that the intake is not what is measured.
struct Senders {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Senders {
    /// As fast as events arrive, or so many a second.
    fn start(address: &Address, counts: &Arc<Counts>, per_second: Option<f64>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (begun, first) = (Instant::now(), counts.next.load(Ordering::Relaxed));
        let threads = (0..SENDERS).map(|_| {
            let (address, counts, is_over) = (Arc::clone(address), Arc::clone(counts), Arc::clone(&is_over));
            std::thread::spawn(move || {
                let mut connection = None;
                loop {
                    while per_second.is_none() && counts.accepted() > counts.arrived() + AHEAD_MAX {
                        if is_over.load(Ordering::Relaxed) {
                            return;
                        }
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let number = counts.next.fetch_add(EVENTS_AT_ONCE, Ordering::Relaxed);
                    if let Some(per_second) = per_second {
                        let due = begun + Duration::from_secs_f64((number - first) as f64 / per_second);
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    }
                    let request = request("/webhooks/akto", &body(number));
                    while post(&mut connection, &address, &request) != Some(200) {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    counts.accepted.fetch_add(EVENTS_AT_ONCE, Ordering::Relaxed);
                }
            })
        });
        let threads = threads.collect();
        Self { is_over, threads }
    }

    /// What is under way is answered first.
    fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a sender failed");
        }
    }
}

/// Threats as Akto sends them, of a kilobyte each.
fn body(first: u64) -> String {
    let threat = |number: u64| {
        format!(
            "{{\"id\":\"sinks-{number}\",\"filterId\":\"Rule{:02}\",\"host\":\"shop.example.net\",\"url\":\"/api/{number}\",\
             \"method\":\"GET\",\"actor\":\"203.0.113.9\",\"severity\":\"HIGH\",\"latestApiOrig\":\"{:x<750}\"}}",
            number % 50,
            ""
        )
    };
    format!("[{}]", (first..first + EVENTS_AT_ONCE).map(threat).collect::<Vec<_>>().join(","))
}

/// The first is what the others are compared with.
const SINKS: [&str; 5] = ["file", "syslog", "elasticsearch", "splunk", "webhook"];
const WANTED_PER_SECOND: f64 = 5_000.0;
const WARM_UP: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const DRAIN_MAX: Duration = Duration::from_secs(60);
const SENDERS: usize = 4;
const EVENTS_AT_ONCE: u64 = 50;
/// Enough that no sink waits for the intake.
const AHEAD_MAX: u64 = 10_000;
const HEAD: &str = "\
| sink | events/s sustained | of file | lag at events/s | p50 ms | p99 ms | worst ms | cores | most MB |
|---|---:|---:|---:|---:|---:|---:|---:|---:|";
