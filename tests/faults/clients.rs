//! Slow clients, and very many of them at once.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::dice::Dice;
use super::expectations::{Expectations, credentials, request_of};
use super::gateway::Gateway;
use super::oracle::{self, Allowance};
use super::schedule::End;
use super::wire::{self, Broken, Wire};
use super::world::World;
use super::{is_long, percentile, schedule};

/// How a client is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slowness {
    /// Nothing at all.
    Idle,
    /// Half a head, and nothing more.
    Head,
    /// A head that comes a byte at a time.
    DripHead,
    /// Half a body, and nothing more.
    Body,
    /// A body that comes a byte at a time.
    DripBody,
    /// A forged request, and then half a head.
    HeadAfterForged,
    /// An authentic request, and then half a head: the server times the first head of a connection only.
    HeadAfterAuthentic,
    /// An authentic request, and the answer is not read.
    NeverReads,
}

const KINDS: [Slowness; 8] = [
    Slowness::Idle,
    Slowness::Head,
    Slowness::DripHead,
    Slowness::Body,
    Slowness::DripBody,
    Slowness::HeadAfterForged,
    Slowness::HeadAfterAuthentic,
    Slowness::NeverReads,
];

/// A well-behaved client beside the slow ones.
pub struct Honest {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Vec<Duration>>,
}

impl Honest {
    /// Posts, one request after the other; every other one on a connection of its own.
    pub fn start(expectations: &Arc<Expectations>, address: SocketAddr) -> Self {
        Self::start_with(expectations, address, 200)
    }

    /// The same, with so many bytes in every fourth request.
    fn start_with(expectations: &Arc<Expectations>, address: SocketAddr, large: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (expectations, stopped) = (Arc::clone(expectations), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            let mut latencies = Vec::new();
            let mut kept = Wire::open(address).await.unwrap();
            while !stopped.load(Ordering::Relaxed) {
                let posting = expectations.write(expectations.low(if latencies.len() % 4 == 3 { large } else { 200 }));
                let begun = Instant::now();
                let mut fresh = None;
                let wire = match latencies.len() % 2 {
                    0 => &mut kept,
                    _ => fresh.insert(Wire::open(address).await.unwrap()),
                };
                let answer = expectations.post(posting, wire).await.unwrap();
                match answer.status {
                    200 => {}
                    408 => schedule::too_slow("the head of an honest request took 5 s"),
                    status => panic!("an honest request was answered {status}: {}", answer.text()),
                }
                latencies.push(begun.elapsed());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            latencies
        });
        Self { stop, task }
    }

    /// Stops, and fails if it was held up.
    pub async fn stop(self, beside: &str) {
        let p99 = self.latency(beside, 0.99).await;
        schedule::within("p99 of the honest client", p99, HONEST_LIMIT);
    }

    /// Stops, and fails if it was held up more often than while the row of a large body was written: a second in a debug
    /// build, and of some 150 requests one or two.
    pub async fn stop_beside_large(self, beside: &str) {
        let p95 = self.latency(beside, 0.95).await;
        schedule::within("p95 of the honest client", p95, HONEST_LIMIT);
    }

    async fn latency(self, beside: &str, share: f64) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        let latencies = match schedule::result(self.task).await {
            Ok(latencies) => latencies,
            Err(End::TooSlow) => schedule::too_slow("an honest client beside it"),
            Err(End::Wrong) => panic!("{beside}: an honest client failed"),
        };
        let (p99, worst) = (percentile(&latencies, 0.99), percentile(&latencies, 1.0));
        println!("{beside}: {} honest requests beside it: p99 {p99:?}, worst {worst:?}", latencies.len());
        percentile(&latencies, share)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_closed_and_delay_no_other() {
    schedule::measured_while_busy(slow_clients).await;
}

async fn slow_clients() {
    let mut dice = Dice::of("slow clients");
    let world = World::new().await;
    let expectations = Arc::new(Expectations::new(&mut dice));
    let gateway = Gateway::ready(&world, &expectations).await;
    let (before, sockets) = (gateway.rss_reset_kib(), gateway.sockets());
    let honest = Honest::start(&expectations, world.public);
    let never_reading = never_reading(&expectations, world.public).await;
    let unread_since = Instant::now();
    // From a hundred addresses. In the long form some of each exceed the limit and are closed even sooner.
    let count = if is_long() { 10_000 } else { 400 };
    let mut slow = Vec::new();
    for place in 0..count {
        let kind = KINDS[place % KINDS.len()];
        let from = IpAddr::from([127, 1, 0, 1 + (place % 100) as u8]);
        slow.push(tokio::spawn(be_slow(kind, from, world.public, Arc::clone(&expectations))));
        if place % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let open = gateway.sockets() - sockets;
    // Two each; in the long form the first are closed before the last have come.
    assert!(open > count / 2, "{open} sockets for {count} clients");
    let mut lasted: BTreeMap<Slowness, (usize, Duration)> = BTreeMap::new();
    for client in slow {
        let (kind, time) = client.await.unwrap();
        let (count, longest) = lasted.entry(kind).or_default();
        (*count, *longest) = (*count + 1, time.max(*longest));
    }
    // These do not see that they are closed, because unread answers precede the end.
    // The last request of each broke off in its body, whose time runs before that of the connection.
    let unread_until = unread_since + limit_of(Slowness::Body) + limit_of(Slowness::NeverReads) + SLACK;
    let mut left = gateway.sockets();
    // The honest client has two.
    while left > sockets + 2 && Instant::now() < unread_until {
        tokio::time::sleep(Duration::from_millis(100)).await;
        left = gateway.sockets();
    }
    println!("slow clients: {open} sockets of the gateway at most, {left} at the end, {sockets} before");
    if left > sockets + 10 {
        schedule::too_slow(&format!("{left} sockets are still open"));
    }
    drop(never_reading);
    let peak = gateway.memory_kib("VmHWM");
    println!("slow clients: {count}; RSS {before} KiB before, peak {peak} KiB");
    honest.stop("slow clients").await;
    for (kind, (count, longest)) in lasted {
        println!("slow clients: {count} of {kind:?} were closed within {longest:?}");
        schedule::within(&format!("{kind:?} lasted"), longest, limit_of(kind) + SLACK);
    }
    assert!(peak <= PEAK_KIB_MAX, "the peak was {peak} KiB");
    let lines = gateway.log().lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).count();
    println!("slow clients: {lines} lines of warnings");
    assert!(lines < 30, "strangers fill the log: {lines} lines\n{}", gateway.log());
    gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    oracle::check(&world, &expectations, Allowance::default());
}

/// Clients that send many authentic requests and read no answer.
async fn never_reading(expectations: &Expectations, address: SocketAddr) -> Vec<Wire> {
    let mut wires = Vec::new();
    for place in 0..10 {
        let posting = expectations.low(4_000);
        let request = request_of(&posting);
        expectations.write(posting);
        let mut wire = Wire::open_deaf(IpAddr::from([127, 2, 0, 1 + place]), address).await.unwrap();
        for _ in 0..500 {
            match tokio::time::timeout(Duration::from_millis(200), wire.send(&request)).await {
                Ok(sent) => sent.unwrap(),
                Err(_) => break,
            }
        }
        wires.push(wire);
    }
    wires
}

/// How long the connection lasted.
async fn be_slow(
    kind: Slowness,
    from: IpAddr,
    address: SocketAddr,
    expectations: Arc<Expectations>,
) -> (Slowness, Duration) {
    let Ok(mut wire) = Wire::open_from(from, address).await else { return (kind, Duration::ZERO) };
    let mut begun = Instant::now();
    // Connections beyond the limit are closed in between.
    let ended = tokio::time::timeout(Duration::from_secs(60), async {
        let drip = begin(kind, &mut wire, &expectations, &mut begun).await.unwrap_or_default();
        for byte in drip {
            if wire.send(&[byte]).await.is_err() {
                return;
            }
            if tokio::time::timeout(DRIP_PAUSE, wire.closed()).await.is_ok() {
                return;
            }
        }
        match kind {
            Slowness::NeverReads => wire.closed_unread().await,
            _ => drop(wire.closed().await),
        }
    });
    drop(ended.await);
    (kind, begun.elapsed())
}

/// Sends what comes at once; the answer is what comes a byte at a time.
async fn begin(
    kind: Slowness,
    wire: &mut Wire,
    expectations: &Expectations,
    begun: &mut Instant,
) -> Result<Vec<u8>, Broken> {
    let posting = expectations.low(4_000);
    let request = request_of(&posting);
    let head = wire::head("/webhooks/adrian", &[credentials(&posting)]);
    match kind {
        Slowness::Idle => {}
        Slowness::Head => wire.send(&head[..40]).await?,
        Slowness::DripHead => return Ok(head),
        Slowness::Body => wire.send(&request[..request.len() / 2]).await?,
        Slowness::DripBody => {
            let body = request.len() - posting.body.len();
            wire.send(&request[..body]).await?;
            return Ok(request[body..].to_vec());
        }
        Slowness::HeadAfterForged => {
            let forged = wire::post("/webhooks/adrian", &[], &posting.body);
            // 408 where the test itself was too slow.
            assert!(matches!(wire.ask(&forged).await?.status, 401 | 408 | 503));
            *begun = Instant::now();
            wire.send(&head[..40]).await?;
        }
        Slowness::HeadAfterAuthentic => {
            expectations.post(expectations.write(posting), wire).await?;
            *begun = Instant::now();
            wire.send(&head[..40]).await?;
        }
        Slowness::NeverReads => {
            expectations.write(posting);
            wire.send(&request).await?;
        }
    }
    Ok(Vec::new())
}

/// From the moment from which the client is late. Nothing after a refusal; the head within 5 s; of the body 5 s between two
/// pieces and 10 s in all; the next request within 15 s.
fn limit_of(kind: Slowness) -> Duration {
    match kind {
        Slowness::HeadAfterForged => Duration::ZERO,
        Slowness::Idle | Slowness::Head | Slowness::DripHead | Slowness::Body => Duration::from_secs(5),
        Slowness::DripBody => Duration::from_secs(10),
        Slowness::HeadAfterAuthentic | Slowness::NeverReads => Duration::from_secs(15),
    }
}

/// Unauthenticated clients can send something that looks like a signature: bodies that come fast at first, then
/// a byte every four seconds, for the source of the honest client, from twenty addresses and through a proxy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_bodies_do_not_block_the_source_that_they_name() {
    schedule::measured_while_busy(slow_bodies).await;
}

async fn slow_bodies() {
    let mut dice = Dice::of("slow bodies");
    let world = World::new().await;
    let text = world.config_text().replacen(
        "vendor = \"secureagentics\"",
        "vendor = \"secureagentics\"\nbody_limit = \"64MiB\"",
        1,
    );
    world.write_config(&text);
    let expectations = Arc::new(Expectations::new(&mut dice));
    let gateway = Gateway::ready(&world, &expectations).await;
    let before = gateway.rss_reset_kib();
    let there = Arc::new(AtomicUsize::new(0));
    let attack = |place: usize, bytes: usize| {
        // Six through the proxy, the others each from one of twenty addresses.
        let from = if bytes > BURST_BYTES { [127, 0, 0, 1] } else { [127, 1, 0, 1 + (place % 20) as u8] };
        tokio::spawn(hold(IpAddr::from(from), world.public, bytes, Arc::clone(&there)))
    };
    let mut attackers: Vec<_> = (0..6).map(|place| attack(place, 22 << 20)).collect();
    attackers.extend((0..994).map(|place| attack(place, BURST_BYTES)));
    let begun = Instant::now();
    while there.load(Ordering::Relaxed) < 1_000 && begun.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("slow bodies: {} of 1,000 are there after {:?}", there.load(Ordering::Relaxed), begun.elapsed());
    let honest = Honest::start_with(&expectations, world.public, 256 << 10);
    tokio::time::sleep(Duration::from_secs(if is_long() { 30 } else { 5 })).await;
    honest.stop("slow bodies").await;
    let peak = gateway.memory_kib("VmHWM");
    println!("slow bodies: RSS {before} KiB before, peak {peak} KiB");
    attackers.iter().for_each(JoinHandle::abort);
    gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    oracle::check(&world, &expectations, Allowance::default());
}

/// Holds as much memory as it may; once that is released, a connection that sends next to nothing.
async fn hold(from: IpAddr, address: SocketAddr, bytes: usize, there: Arc<AtomicUsize>) {
    let headers = [
        ("X-Secureagentics-Signature".to_owned(), "x".to_owned()),
        ("Content-Length".to_owned(), (60 << 20).to_string()),
    ];
    let head = [wire::head("/webhooks/adrian", &headers), b"\r\n".to_vec()].concat();
    let burst = [b' '; 32 << 10];
    for round in 0..100 {
        if let Ok(mut wire) = Wire::open_from(from, address).await {
            let mut sent = wire.send(&head).await.is_ok();
            for _ in 0..if round == 0 { bytes / burst.len() } else { 0 } {
                sent = sent && wire.send(&burst).await.is_ok();
            }
            if round == 0 {
                there.fetch_add(1, Ordering::Relaxed);
            }
            while sent && wire.send(b" ").await.is_ok() {
                if tokio::time::timeout(Duration::from_secs(4), wire.closed()).await.is_ok() {
                    break;
                }
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// As many connections as possible at once, from the address of a proxy: each request is answered with 200 or 503.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_connections_than_are_served_are_answered_or_told_to_retry() {
    schedule::measured(connections).await;
}

async fn connections() {
    let mut dice = Dice::of("connections");
    let world = World::new().await;
    let (count, served) = if is_long() { (10_000, 8_192) } else { (1_000, 800) };
    let text = world.config_text();
    world.write_config(&text.replace("[server]\n", &format!("[server]\nconnections = {served}\n")));
    let expectations = Arc::new(Expectations::new(&mut dice));
    let gateway = Gateway::ready(&world, &expectations).await;
    let before = gateway.rss_reset_kib();
    let all_there = Arc::new(tokio::sync::Barrier::new(count));
    let clients = (0..count).map(|_| {
        let (expectations, address, all_there) = (Arc::clone(&expectations), world.public, Arc::clone(&all_there));
        tokio::spawn(async move {
            let mut wire = Wire::open(address).await.unwrap();
            let mut is_kept = post(&expectations, &mut wire).await;
            all_there.wait().await;
            for _ in 0..2 {
                is_kept = is_kept && post(&expectations, &mut wire).await;
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    for client in clients {
        client.await.unwrap();
    }
    let peak = gateway.memory_kib("VmHWM");
    {
        let entries = expectations.entries();
        println!("{count} connections, {served} served; answers {:?}; RSS {before} to {peak} KiB", entries.answers);
        let broken = (entries.unanswered.len(), entries.torn, entries.silent, entries.unsent);
        assert_eq!(broken, (0, 0, 0, 0), "unanswered, torn, silent, unsent");
        assert!(entries.answers.keys().all(|status| [200, 503].contains(status)), "{:?}", entries.answers);
        assert_eq!(entries.unhelpful, 0, "503 without Retry-After");
        assert!(entries.answers.contains_key(&503), "no client was one too many");
    }
    assert!(peak <= PEAK_KIB_MAX, "the peak was {peak} KiB");
    gateway.drained(Duration::from_secs(180)).await;
    gateway.stop().await;
    oracle::check(&world, &expectations, Allowance::default());
}

/// Posts something new; whether the connection is kept open.
async fn post(expectations: &Expectations, wire: &mut Wire) -> bool {
    let answer = expectations.post(expectations.write(expectations.low(200)), wire).await;
    answer.is_ok_and(|answer| answer.header("connection") != Some("close"))
}

/// A byte a second, as far as a test has the time.
const DRIP_PAUSE: Duration = Duration::from_millis(500);
/// What most of the slow bodies begin with: more than the gateway holds, all together.
const BURST_BYTES: usize = 160 << 10;
const HONEST_LIMIT: Duration = Duration::from_millis(250);
const SLACK: Duration = Duration::from_secs(5);
/// 256 MB.
const PEAK_KIB_MAX: u64 = 256_000_000 / 1024;
