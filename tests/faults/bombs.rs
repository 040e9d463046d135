//! Bodies that are small on the wire and large in memory, from clients with and without a secret.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use gatepost::store::{Access, EventFilter, Page, Queries, SqliteStore};

use super::clients::Honest;
use super::dice::Dice;
use super::expectations::Expectations;
use super::gateway::Gateway;
use super::strace::Strace;
use super::wire::{self, Broken, Wire};
use super::world::{ADRIAN_SECRET, AKTO_SECRET, World};
use super::{is_long, schedule};

/// A body that takes much memory.
struct Bomb {
    name: &'static str,
    encoding: &'static str,
    body: Vec<u8>,
    /// The answer to a client that holds the secret.
    status: u16,
    /// How many are sent at once.
    copies: u8,
}

/// Who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    /// Without a token.
    Tokenless,
    /// With an invalid signature, which can be checked only when the whole body is there.
    Forger,
    /// With the token.
    Authentic,
}

/// Up to a megabyte on the wire, for sources that take a megabyte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bomb_costs_no_memory() {
    schedule::measured_while_busy(small_bodies).await;
}

async fn small_bodies() {
    let mut dice = Dice::of("bombs");
    let world = World::new().await;
    let expectations = Arc::new(Expectations::new(&mut dice));
    write_config(&world, "1MiB");
    let gateway = Gateway::ready(&world, &expectations).await;
    for _ in 0..50 {
        let posting = expectations.write(expectations.akto("LOW", 4));
        assert_eq!(expectations.post_once(posting, world.public).await, Some(200));
    }
    let honest = Honest::start(&expectations, world.public);
    let mut expected_events = 0;
    for bomb in small_bombs() {
        for sender in [Sender::Tokenless, Sender::Forger, Sender::Authentic] {
            gateway.dispatched(Duration::from_secs(60)).await;
            let before = gateway.rss_reset_kib();
            let posts = (0..bomb.copies).map(|place| {
                let request = request_of(&bomb, "akto", sender, place);
                tokio::spawn(status_of(request, world.public))
            });
            for post in posts.collect::<Vec<_>>() {
                let wanted = if sender == Sender::Authentic { bomb.status } else { 401 };
                assert_eq!(post.await.unwrap(), Some(wanted), "{} from a {sender:?}", bomb.name);
            }
            if sender == Sender::Authentic && bomb.status == 200 {
                expected_events += usize::from(bomb.copies);
            }
            gateway.dispatched(Duration::from_secs(60)).await;
            let rise = gateway.memory_kib("VmHWM").saturating_sub(before);
            let Bomb { name, body, copies, .. } = &bomb;
            println!("bombs: {copies} × {name} of {} B from a {sender:?}: peak rose by {rise} KiB", body.len());
            assert!(rise <= SMALL_RISE_KIB, "{} from a {sender:?}: the peak rose by {rise} KiB", bomb.name);
        }
    }
    let before = gateway.rss_reset_kib();
    let posts = (0..4).map(|_| tokio::spawn(endless(world.public)));
    for post in posts.collect::<Vec<_>>() {
        assert_eq!(post.await.unwrap(), Some(413));
    }
    let rise = gateway.memory_kib("VmHWM").saturating_sub(before);
    println!("bombs: 4 that do not end: peak rose by {rise} KiB");
    assert!(rise <= SMALL_RISE_KIB, "the peak rose by {rise} KiB");
    honest.stop("bombs").await;
    assert!(unparsed(&world) >= expected_events, "what was answered 200 is told in some form");
    gateway.stop().await;
}

/// For a source that takes large bodies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_is_read_within_its_bounds() {
    schedule::measured_while_busy(large_bodies).await;
}

async fn large_bodies() {
    let mut dice = Dice::of("large bodies");
    let world = World::new().await;
    write_config(&world, "64MiB");
    let expectations = Arc::new(Expectations::new(&mut dice));
    let gateway = Gateway::ready(&world, &expectations).await;
    for bomb in large_bombs() {
        gateway.dispatched(Duration::from_secs(120)).await;
        let (before, told_before) = (gateway.rss_reset_kib(), unparsed(&world));
        let honest = Honest::start(&expectations, world.public);
        let begun = Instant::now();
        let status = status_of(request_of(&bomb, "akto", Sender::Authentic, 0), world.public).await;
        assert_eq!(status, Some(bomb.status), "{}", bomb.name);
        let answered = begun.elapsed();
        gateway.dispatched(Duration::from_secs(180)).await;
        let drained = begun.elapsed();
        let peak = gateway.memory_kib("VmHWM");
        println!(
            "large bodies: {} of {} B: RSS {before} KiB before, peak {peak} KiB; answered in {answered:?}, done in {drained:?}",
            bomb.name,
            bomb.body.len()
        );
        assert!(peak <= LARGE_PEAK_KIB, "{}: the peak was {peak} KiB", bomb.name);
        assert!(unparsed(&world) > told_before, "{}: what was not read is told", bomb.name);
        honest.stop_beside_large(bomb.name).await;
    }
    gateway.stop().await;
}

/// A body of 64 MiB is 128 commits, and a disk may take 50 ms for each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_has_the_time_that_its_size_takes() {
    schedule::measured(slow_disk).await;
}

async fn slow_disk() {
    let mut dice = Dice::of("slow disk");
    let folder = tempfile::tempdir().unwrap();
    let world = World::new().await;
    write_config(&world, "64MiB");
    let expectations = Arc::new(Expectations::new(&mut dice));
    let Some(strace) = Strace::new(folder.path().join("calls"), "fdatasync") else { return };
    let mut gateway = Gateway::start_under(&world, &strace.inject("fdatasync:delay_enter=50000"));
    gateway.first_answer(&expectations).await;
    let mut body = vec![b' '; LARGE_BYTES];
    (body[0], body[LARGE_BYTES - 1]) = (b'[', b']');
    let headers = [("Authorization".to_owned(), format!("Bearer {AKTO_SECRET}"))];
    let request = wire::post("/webhooks/akto", &headers, &body);
    let begun = Instant::now();
    assert_eq!(status_of(request.clone(), world.public).await, Some(200));
    let took = begun.elapsed();
    println!("slow disk: 64 MiB were answered after {took:?}");
    assert!(took > Duration::from_secs(4), "the disk was not slow");
    let begun = Instant::now();
    assert_eq!(status_of(request, world.public).await, Some(200));
    let again = begun.elapsed();
    println!("slow disk: when they came again, after {again:?}");
    schedule::within("a repetition that is not written again", again, Duration::from_secs(4));
    gateway.stop().await;
}

/// Akto's largest export: 5,000 records, 25 MB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_export_is_read_within_its_bounds() {
    schedule::measured_while_busy(largest_export).await;
}

async fn largest_export() {
    let mut dice = Dice::of("export");
    let world = World::new().await;
    world.write_config(&world.config_text().replace("body_limit = \"1MiB\"", "body_limit = \"64MiB\""));
    let expectations = Arc::new(Expectations::new(&mut dice));
    let gateway = Gateway::ready(&world, &expectations).await;
    let payload = "A".repeat(4_800);
    let record = |n: usize| {
        format!(
            r#"{{"id":"export-{n}","filterId":"SQLInjection","severity":"LOW","latestApiEndpoint":"/v1/orders/{n}","latestApiOrig":"{{\"method\":\"POST\",\"path\":\"/v1/orders\",\"requestPayload\":\"{payload}\"}}"}}"#
        )
    };
    let body = format!("[{}]", (0..5_000).map(record).collect::<Vec<_>>().join(","));
    assert!(body.len() > 24_000_000);
    let posting =
        expectations.write(super::expectations::Posting { source: "akto", body: body.into_bytes(), events: 5_000 });
    let honest = Honest::start(&expectations, world.public);
    let before = gateway.rss_reset_kib();
    assert_eq!(expectations.post_once(posting, world.public).await, Some(200));
    gateway.dispatched(Duration::from_secs(180)).await;
    let peak = gateway.memory_kib("VmHWM");
    println!("export: RSS {before} KiB before, peak {peak} KiB");
    assert!(peak <= LARGE_PEAK_KIB, "the peak was {peak} KiB");
    honest.stop_beside_large("export").await;
    gateway.drained(Duration::from_secs(60)).await;
    gateway.stop().await;
    println!("export: {}", super::oracle::check(&world, &expectations, super::oracle::Allowance::default()));
}

/// Bodies of Akto up to this size. What cannot be read is kept and not told, or people would be told of ten thousand
/// records.
fn write_config(world: &World, body_limit: &str) {
    let text = world.config_text().replace("body_limit = \"1MiB\"", &format!("body_limit = \"{body_limit}\""));
    let (settings, _) = text.split_once("[[routes]]").unwrap();
    let route = "[[routes]]\nname = \"everything\"\nwhen = 'event.type != \"unparsed\"'\nto = [\"archive\"]\n";
    world.write_config(&format!("{settings}{route}"));
}

fn small_bombs() -> Vec<Bomb> {
    let fill = |piece: &str| piece.repeat(((1 << 20) - 64) / piece.len()).into_bytes();
    let list = |piece: &str| [b"[", fill(piece).as_slice(), b"0]"].concat();
    let object = |piece: &str| [b"{\"a\":[", fill(piece).as_slice(), b"0]}"].concat();
    let plain = |name, body| Bomb { name, encoding: "", body, status: 200, copies: 4 };
    let mut bombs = vec![
        Bomb { name: "gzip", encoding: "gzip", body: gzip(&zeros()), status: 413, copies: 4 },
        Bomb { name: "gzip in gzip", encoding: "gzip", body: gzip(&gzip(&zeros())), status: 200, copies: 4 },
        Bomb {
            name: "gzip, declared twice",
            encoding: "gzip, gzip",
            body: gzip(&gzip(&zeros())),
            status: 200,
            copies: 4,
        },
        Bomb { name: "gzip of tiny objects", encoding: "gzip", body: gzip(&list("{\"\":0},")), status: 200, copies: 1 },
        Bomb { name: "deflate", encoding: "deflate", body: deflate(&zeros()), status: 200, copies: 4 },
        Bomb { name: "zstd", encoding: "zstd", body: zstd_of_zeros(), status: 200, copies: 4 },
        // Never inflated, whatever it holds, but kept: there is no brotli here.
        Bomb { name: "brotli", encoding: "br", body: vec![0x5b; 1 << 10], status: 200, copies: 4 },
        plain("brackets", fill("[")),
        Bomb { name: "tiny objects", encoding: "", body: list("{\"\":0},"), status: 200, copies: 1 },
        plain("tiny objects in an object", object("{\"\":0},")),
    ];
    if is_long() {
        bombs.extend([
            plain("tiny lists", list("[0],")),
            plain("braces", fill("{\"a\":")),
            plain("empty texts", list("\"\",")),
            plain("bytes that are no text", vec![0xff; (1 << 20) - 64]),
            plain("doubled keys", [b"{", fill("\"a\":0,").as_slice(), b"\"b\":0}"].concat()),
            plain("keys", [b"{", keys(70_000).as_slice(), b"\"b\":0}"].concat()),
            plain("a long key", [b"{\"", fill("k").as_slice(), b"\":0}"].concat()),
        ]);
    }
    bombs
}

fn large_bombs() -> Vec<Bomb> {
    let fill_bytes = LARGE_BYTES - 64;
    let fill = |piece: &str| piece.repeat(fill_bytes / piece.len()).into_bytes();
    let gzipped = |name, body: Vec<u8>| Bomb { name, encoding: "gzip", body: gzip(&body), status: 200, copies: 4 };
    let mut bombs = vec![gzipped("tiny records", [b"[", fill("{\"a\":1},").as_slice(), b"0]"].concat())];
    if is_long() {
        bombs.extend([
            gzipped("a million keys", [b"{", keys(1_000_000).as_slice(), b"\"b\":0}"].concat()),
            gzipped(
                "one large record",
                [b"[{\"filterId\":\"XSS\",\"a\":[", fill("{\"\":0},").as_slice(), b"0]}]"].concat(),
            ),
            gzipped("tiny objects in an object", [b"{\"a\":[", fill("{\"\":0},").as_slice(), b"0]}"].concat()),
            gzipped("one long text", [b"[{\"url\":\"", fill("a").as_slice(), b"\"}]"].concat()),
            gzipped("brackets", fill("[")),
            gzipped("bytes that are no text", vec![0xff; fill_bytes]),
            gzipped("torn objects", [b"[", fill("{\"},").as_slice()].concat()),
            gzipped("starts of items", fill("{\"apiCollectionId\":")),
        ]);
    }
    bombs
}

fn keys(count: usize) -> Vec<u8> {
    (0..count).map(|n| format!("\"k{n}\":{n},")).collect::<String>().into_bytes()
}

fn zeros() -> Vec<u8> {
    vec![0; LARGE_BYTES]
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// RFC 8878: a frame of blocks that each repeat one byte, 128 KiB from four.
fn zstd_of_zeros() -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    frame.extend((LARGE_BYTES as u32).to_le_bytes());
    let blocks = LARGE_BYTES >> 17;
    for block in 1..=blocks {
        let header = u32::from(block == blocks) | 1 << 1 | (1 << 17) << 3;
        frame.extend(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

/// The bomb as a request. `place` makes the bodies differ, so that none is a repetition.
fn request_of(bomb: &Bomb, source: &str, sender: Sender, place: u8) -> Vec<u8> {
    let mut headers = Vec::new();
    if !bomb.encoding.is_empty() {
        headers.push(("Content-Encoding".to_owned(), bomb.encoding.to_owned()));
    }
    let (mut source, mut body) = (source, bomb.body.clone());
    match sender {
        Sender::Tokenless => {}
        Sender::Forger => {
            source = "adrian";
            headers.push(("X-Secureagentics-Signature".to_owned(), hex::encode(&ADRIAN_SECRET.as_bytes()[..32])));
        }
        Sender::Authentic => headers.push(("Authorization".to_owned(), format!("Bearer {AKTO_SECRET}"))),
    }
    match bomb.encoding {
        // The time in the gzip header, which is not read.
        "gzip" => body[4] = place,
        _ => body.extend(vec![b' '; place.into()]),
    }
    body.truncate(body.len().min(LARGE_BYTES));
    wire::post(&format!("/webhooks/{source}"), &headers, &body)
}

async fn status_of(request: Vec<u8>, address: SocketAddr) -> Option<u16> {
    let mut wire = Wire::open(address).await.ok()?;
    // It may be answered before all of it has been read.
    assert!(matches!(wire.send(&request).await, Ok(()) | Err(Broken::Unsent)));
    wire.answer_within(Duration::from_secs(60)).await.ok().map(|answer| answer.status)
}

/// A body without an announced length that does not end by itself.
async fn endless(address: SocketAddr) -> Option<u16> {
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
    for _ in 0..(LARGE_BYTES >> 16) {
        if wire.send(&chunk).await.is_err() {
            break;
        }
    }
    wire.answer().await.ok().map(|answer| answer.status)
}

/// How many events say that something was not read.
fn unparsed(world: &World) -> usize {
    let store = SqliteStore::open(world.store(), Access::Operate).unwrap();
    let events = store.events(&Page { limit: 1_000_000, before: None }, &EventFilter::default()).unwrap();
    events.iter().filter(|row| row.event.kind == "unparsed").count()
}

const LARGE_BYTES: usize = 64 << 20;
/// What reading one body takes, twice: small and large bodies are read side by side, and each thread keeps what it freed.
const SMALL_RISE_KIB: u64 = 48 << 10;
/// 160 MB.
const LARGE_PEAK_KIB: u64 = 160_000_000 / 1024;
