//! Several vendors at once: new events and repeated ones, from two sources, on connections that are kept open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::dice::Dice;
use super::expectations::{Expectations, Posting};
use super::wire::Wire;

/// A running load.
pub struct Load {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// How much.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    /// Connections.
    pub connections: usize,
    /// Between an answer and the next request of a connection.
    pub pause: Duration,
    /// How many events a second go to the destinations that have a pace: critical, high, medium.
    pub paced: [f64; 3],
    /// The longest padding of a body in bytes.
    pub padding: u64,
}

impl Default for Amount {
    fn default() -> Self {
        Self { connections: 6, pause: Duration::from_millis(25), paced: [2.0, 3.0, 3.0], padding: 2_000 }
    }
}

struct Vendor {
    expectations: Arc<Expectations>,
    address: SocketAddr,
    amount: Amount,
    share: Arc<Share>,
    dice: Dice,
}

/// How many paced events there have been.
struct Share {
    begun: Instant,
    counts: [AtomicU64; 3],
}

impl Load {
    pub fn start(expectations: &Arc<Expectations>, address: SocketAddr, amount: Amount, dice: &mut Dice) -> Self {
        let (stop, _) = watch::channel(false);
        let share = Arc::new(Share { begun: Instant::now(), counts: Default::default() });
        let vendor =
            |dice| Vendor { expectations: Arc::clone(expectations), address, amount, share: Arc::clone(&share), dice };
        let vendors = (0..amount.connections).map(|_| vendor(dice.fork()));
        let tasks = vendors.map(|vendor| tokio::spawn(vendor.run(stop.subscribe()))).collect();
        Self { stop, tasks }
    }

    /// Waits for the answers that are still out.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

impl Vendor {
    async fn run(mut self, stop: watch::Receiver<bool>) {
        let mut wire = None;
        while !*stop.borrow() {
            wire = match wire.take() {
                Some(wire) => self.step(wire).await,
                None => Wire::open(self.address).await.ok(),
            };
            let pause = if wire.is_some() { self.amount.pause } else { Duration::from_millis(5) };
            let paused_at = Instant::now();
            tokio::time::sleep(pause).await;
            // On a busy machine a pause may be so long that the gateway closes the connection as idle.
            wire = wire.filter(|_| paused_at.elapsed() < IDLE_LIMIT);
        }
    }

    /// One request; the connection, while it stands.
    async fn step(&mut self, mut wire: Wire) -> Option<Wire> {
        let posting = self.choose();
        let answer = self.expectations.post(posting, &mut wire).await.ok()?;
        let closes = answer.header("connection").is_some_and(|word| word.eq_ignore_ascii_case("close"));
        (!closes).then_some(wire)
    }

    /// Every fourth is a repetition of something that has been sent, whatever came of it.
    fn choose(&mut self) -> usize {
        let sent = self.expectations.entries().postings.len() as u64;
        if sent > 0 && self.dice.chance(25) {
            return self.dice.below(sent) as usize;
        }
        let posting = self.invent();
        self.expectations.write(posting)
    }

    fn invent(&mut self) -> Posting {
        let severity = self.severity();
        match self.dice.chance(30) {
            true => self.expectations.akto(severity, 1 + self.dice.below(4) as usize),
            false => self.expectations.adrian(severity, self.dice.below(self.amount.padding) as usize),
        }
    }

    /// No more paced events than the destinations can be told in the time.
    fn severity(&mut self) -> &'static str {
        let elapsed = self.share.begun.elapsed().as_secs_f64();
        for (place, word) in ["critical", "high", "medium"].into_iter().enumerate() {
            let allowed = elapsed * self.amount.paced[place];
            if (self.share.counts[place].load(Ordering::Relaxed) as f64) < allowed {
                self.share.counts[place].fetch_add(1, Ordering::Relaxed);
                return word;
            }
        }
        "low"
    }
}

/// Below the gateway's limits: 5 s for the first head, 15 s between two requests.
const IDLE_LIMIT: Duration = Duration::from_secs(4);
