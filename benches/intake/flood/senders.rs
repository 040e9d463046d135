//! The flood: threads that post the events of one source as fast as they are answered.
//!
//! As a vendor does, a thread repeats an event until it is answered 200, and then writes the next.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::super::requests::SECRET;
use super::Flooding;

/// Where the server listens now: after a kill it is another port.
pub type Address = Arc<RwLock<SocketAddr>>;

/// The threads.
pub struct Senders {
    begun: Instant,
    accepted: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    /// The time to each answer, and when the last one came.
    threads: Vec<JoinHandle<(Vec<Duration>, Instant)>>,
}

/// What was sent.
pub struct Sent {
    /// Events that were answered 200, each once.
    pub accepted: usize,
    /// From the first request to the last answer.
    pub took: Duration,
    /// The time to each answer, ascending.
    pub latencies: Vec<Duration>,
}

impl Senders {
    /// Posts events until there are `limit`, or until [`Self::end`].
    pub fn start(flooding: &Flooding, address: &Address, limit: usize) -> Self {
        let next = Arc::new(AtomicUsize::new(0));
        let (accepted, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let threads = (0..CONNECTIONS).map(|_| {
            let (flooding, address, next) = (*flooding, Arc::clone(address), Arc::clone(&next));
            let (accepted, is_over) = (Arc::clone(&accepted), Arc::clone(&is_over));
            std::thread::spawn(move || {
                let (mut connection, mut latencies, mut last) = (None, Vec::new(), Instant::now());
                while !is_over.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= limit {
                        break;
                    }
                    let request = flooding.request(number);
                    let begun = Instant::now();
                    while post(&mut connection, &address, &request) != Some(200) {
                        std::thread::sleep(AGAIN);
                    }
                    last = Instant::now();
                    latencies.push(last - begun);
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
                (latencies, last)
            })
        });
        let threads = threads.collect();
        Self { begun: Instant::now(), accepted, is_over, threads }
    }

    /// How many were answered 200 until now.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Whether all were answered.
    pub fn have_ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Ends the flood: what is under way is answered first.
    pub fn end(self) -> Sent {
        self.is_over.store(true, Ordering::Relaxed);
        let (mut latencies, mut last) = (Vec::new(), self.begun);
        for thread in self.threads {
            let Ok((of_thread, ended)) = thread.join() else { continue };
            latencies.extend(of_thread);
            last = last.max(ended);
        }
        let took = last - self.begun;
        latencies.sort_unstable();
        Sent { accepted: latencies.len(), took, latencies }
    }
}

/// Posts to gatepost's source, with the source's token.
pub fn request(path: &str, body: &str) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {SECRET}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// Posts once; the status of the answer, or nothing where none came. The connection is kept while it stands.
pub fn post(connection: &mut Option<TcpStream>, address: &Address, request: &[u8]) -> Option<u16> {
    let answered = connection.take().map_or_else(|| connect(address), Ok).and_then(|mut stream| {
        stream.write_all(request)?;
        let answer = read_answer(&mut stream)?;
        Ok((stream, answer))
    });
    let (stream, (status, closes)) = answered.ok()?;
    *connection = (!closes).then_some(stream);
    Some(status)
}

fn connect(address: &Address) -> io::Result<TcpStream> {
    let address = *address.read().unwrap_or_else(PoisonError::into_inner);
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    Ok(stream)
}

/// The status, and whether the other side closes the connection.
fn read_answer(stream: &mut TcpStream) -> io::Result<(u16, bool)> {
    let (mut buffer, mut filled) = ([0; 4_096], 0);
    loop {
        let read = stream.read(&mut buffer[filled..])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        let text = String::from_utf8_lossy(&buffer[..filled]).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let length = header("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            let status = status.ok_or_else(|| io::Error::other("an answer without a status"))?;
            return Ok((status, header("connection:") == Some("close")));
        }
    }
}

/// Connections of the flood, a thread each.
const CONNECTIONS: usize = 64;
/// How soon an event is sent again that was not taken.
const AGAIN: Duration = Duration::from_millis(20);
const ANSWER_MAX: Duration = Duration::from_secs(30);
