//! Clients that dawdle and clients that want our memory.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::book::{Book, Posting, credentials, request_of};
use super::dice::Dice;
use super::gateway::Gateway;
use super::oracle::{self, Allowance};
use super::wire::{self, Broken, Wire};
use super::world::{AKTO_SECRET, World};
use super::{TURN, percentile};

/// How a client dawdles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Dawdle {
    /// Half a head, and nothing more.
    Head,
    /// A head that comes a byte at a time.
    DripHead,
    /// Half a body, and nothing more.
    Body,
    /// A body that comes a byte at a time.
    DripBody,
    /// A forged request, and then half a head: the server times the first head of a connection only.
    SecondHead,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_closed_and_slow_down_nobody() {
    let _turn = TURN.lock().await;
    let mut dice = Dice::of("slow clients");
    let world = World::new().await;
    let book = Arc::new(Book::new(&mut dice));
    let gateway = Gateway::ready(&world, &book).await;
    let stop = Arc::new(AtomicBool::new(false));
    let honest = {
        let (book, stop, address) = (Arc::clone(&book), Arc::clone(&stop), world.public);
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            let mut wire = Wire::open(address).await.unwrap();
            while !stop.load(Ordering::Relaxed) {
                let posting = book.write(book.low(200));
                let begun = Instant::now();
                assert_eq!(book.post(posting, &mut wire).await.unwrap().status, 200);
                latencies.push(begun.elapsed());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            latencies
        })
    };
    let kinds = [Dawdle::Head, Dawdle::DripHead, Dawdle::Body, Dawdle::DripBody, Dawdle::SecondHead];
    let slow: Vec<_> = (0..SLOW_CLIENTS)
        .map(|place| {
            let kind = kinds[place % kinds.len()];
            tokio::spawn(dawdle(kind, world.public, Arc::clone(&book)))
        })
        .collect();
    let mut lasted: Vec<(Dawdle, Duration, Option<u16>)> = Vec::new();
    for client in slow {
        lasted.push(client.await.unwrap());
    }
    stop.store(true, Ordering::Relaxed);
    let latencies = honest.await.unwrap();
    let (p99, worst) = (percentile(&latencies, 0.99), percentile(&latencies, 1.0));
    println!("slow clients: {} honest requests beside them: p99 {p99:?}, worst {worst:?}", latencies.len());
    let mut faults = Vec::new();
    for kind in kinds {
        let of_kind: Vec<_> = lasted.iter().filter(|(found, ..)| *found == kind).collect();
        let longest = of_kind.iter().map(|(_, lasted, _)| *lasted).max().unwrap_or_default();
        println!(
            "slow clients: {} of {kind:?} were closed within {longest:?}, answer {:?}",
            of_kind.len(),
            of_kind[0].2
        );
        if longest > limit_of(kind) + Duration::from_secs(3) {
            faults.push(format!("{kind:?} lasted {longest:?}"));
        }
    }
    assert!(faults.is_empty(), "{faults:?}");
    assert!(p99 < HONEST_LIMIT, "p99 of the honest client: {p99:?}");
    gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    oracle::judge(&world, &book, Allowance::default());
}

/// How long the connection lasted, and what was answered.
async fn dawdle(kind: Dawdle, address: std::net::SocketAddr, book: Arc<Book>) -> (Dawdle, Duration, Option<u16>) {
    let posting = book.low(4_000);
    let request = request_of(&posting);
    let head = wire::head("/webhooks/adrian", &[credentials(&posting)]);
    let mut wire = Wire::open(address).await.unwrap();
    let mut begun = Instant::now();
    let drip = match kind {
        Dawdle::Head => {
            wire.send(&head[..40]).await.unwrap();
            &[][..]
        }
        Dawdle::DripHead => &head[..],
        Dawdle::Body => {
            wire.send(&request[..request.len() / 2]).await.unwrap();
            &[][..]
        }
        Dawdle::DripBody => {
            let body = request.len() - posting.body.len();
            wire.send(&request[..body]).await.unwrap();
            &request[body..]
        }
        Dawdle::SecondHead => {
            let forged = wire::post("/webhooks/adrian", &[], &posting.body);
            assert_eq!(wire.ask(&forged).await.unwrap().status, 401);
            begun = Instant::now();
            // It may be closed already.
            assert!(matches!(wire.send(&head[..40]).await, Ok(()) | Err(Broken::Unsent)));
            &[][..]
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(30), async {
        for byte in drip {
            if wire.send(&[*byte]).await.is_err() {
                break;
            }
            if let Ok(status) = tokio::time::timeout(Duration::from_millis(100), wire.closed()).await {
                return status;
            }
        }
        wire.closed().await
    });
    let status = ended.await.unwrap_or(None);
    (kind, begun.elapsed(), status)
}

/// Nothing after a refusal; the head within 5 s; of the body 5 s between two pieces and 10 s in all.
fn limit_of(kind: Dawdle) -> Duration {
    match kind {
        Dawdle::SecondHead => Duration::ZERO,
        Dawdle::Head | Dawdle::DripHead | Dawdle::Body => Duration::from_secs(5),
        Dawdle::DripBody => Duration::from_secs(10),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bomb_costs_no_memory() {
    let _turn = TURN.lock().await;
    let mut dice = Dice::of("bomb");
    let world = World::new().await;
    let book = Arc::new(Book::new(&mut dice));
    let gateway = Gateway::ready(&world, &book).await;
    for _ in 0..50 {
        let posting = book.write(book.akto("LOW", 4));
        assert_eq!(book.post_once(posting, world.public).await, Some(200));
    }
    gateway.drained(Duration::from_secs(30)).await;
    let before = gateway.memory_kib("VmHWM");
    let bomb = Arc::new(bomb());
    let posts = (0..8).map(|place| {
        let (bomb, address) = (Arc::clone(&bomb), world.public);
        tokio::spawn(
            async move { if place % 2 == 0 { inflating(&bomb, address).await } else { endless(address).await } },
        )
    });
    for post in posts.collect::<Vec<_>>() {
        assert_eq!(post.await.unwrap(), Some(413));
    }
    let rise = gateway.memory_kib("VmHWM").saturating_sub(before);
    println!("bomb: 4 of {} B for {BOMB_BYTES} B and 4 endless ones at once: peak rose by {rise} KiB", bomb.len());
    assert!(rise <= 32 << 10, "the peak rose by {rise} KiB");
    gateway.stop().await;
    oracle::judge(&world, &book, Allowance::default());
}

/// An authentic body that is small on the wire.
async fn inflating(bomb: &[u8], address: std::net::SocketAddr) -> Option<u16> {
    let posting = Posting { source: "akto", body: bomb.to_vec(), events: 0 };
    let headers = [credentials(&posting), ("Content-Encoding".to_owned(), "gzip".to_owned())];
    let request = wire::post("/webhooks/akto", &headers, bomb);
    Wire::open(address).await.ok()?.ask(&request).await.ok().map(|answer| answer.status)
}

/// A body without an announced length that does not end by itself.
async fn endless(address: std::net::SocketAddr) -> Option<u16> {
    let headers = [
        ("Authorization".to_owned(), format!("Bearer {AKTO_SECRET}")),
        ("Transfer-Encoding".to_owned(), "chunked".to_owned()),
    ];
    let mut wire = Wire::open(address).await.ok()?;
    wire.send(&wire::head("/webhooks/akto", &headers)).await.ok()?;
    wire.send(b"\r\n").await.ok()?;
    let mut chunk = b"10000\r\n".to_vec();
    chunk.extend(vec![b' '; 0x10000]);
    chunk.extend(b"\r\n");
    for _ in 0..(BOMB_BYTES >> 16) {
        if wire.send(&chunk).await.is_err() {
            break;
        }
    }
    wire.answer().await.ok().map(|answer| answer.status)
}

fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..(BOMB_BYTES >> 20) {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

const SLOW_CLIENTS: usize = 200;
const HONEST_LIMIT: Duration = Duration::from_millis(250);
const BOMB_BYTES: usize = 64 << 20;
