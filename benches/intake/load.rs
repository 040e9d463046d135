//! The load: a closed loop over kept connections on one thread.
//!
//! It shares the machine with the server that it measures, so it does little: one write, one read, one look at the
//! answer. Every answer is checked; a single wrong one ends the run.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use super::contenders::Expected;
use super::requests::Requests;

/// How long the load is on.
#[derive(Clone, Copy)]
pub struct Load {
    pub warm_up: Duration,
    pub window: Duration,
}

/// What was seen within the window.
pub struct Outcome {
    /// The time to each answer, ascending.
    pub latencies: Vec<Duration>,
    /// The length of the window; shorter than asked for when the requests ran out.
    pub elapsed: Duration,
    /// From the first request to the last answer, with the warm-up.
    pub driven: Duration,
    /// Requests sent, also outside the window.
    pub sent: usize,
}

struct Shared<'r> {
    requests: &'r Requests,
    expected: Expected,
    next: Cell<usize>,
    begin: Instant,
    end: Instant,
    last: Cell<Instant>,
    latencies: RefCell<Vec<Duration>>,
}

impl Load {
    /// Sends over `connections` connections, each with one request under way.
    pub fn run(
        self,
        address: SocketAddr,
        connections: usize,
        requests: &Requests,
        expected: Expected,
    ) -> io::Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(LocalSet::new().run_until(self.drive(address, connections, requests, expected)))
    }

    async fn drive(
        self,
        address: SocketAddr,
        connections: usize,
        requests: &Requests,
        expected: Expected,
    ) -> io::Result<Outcome> {
        let mut streams = Vec::with_capacity(connections);
        for _ in 0..connections {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let begun = Instant::now();
        let begin = begun + self.warm_up;
        let shared = Rc::new(Shared {
            requests,
            expected,
            next: Cell::new(0),
            begin,
            end: begin + self.window,
            last: Cell::new(begin),
            latencies: RefCell::new(Vec::with_capacity(requests.len())),
        });
        let loops = streams.into_iter().map(|stream| Shared::converse(Rc::clone(&shared), stream));
        let done = futures_util::future::try_join_all(loops);
        tokio::time::timeout(self.warm_up + self.window + STUCK_AFTER, done).await??;
        let mut latencies = shared.latencies.take();
        latencies.sort_unstable();
        let elapsed = shared.last.get().duration_since(begin);
        Ok(Outcome { latencies, elapsed, driven: begun.elapsed(), sent: shared.next.get().min(requests.len()) })
    }
}

impl Shared<'_> {
    /// One connection: ask, read, check, again.
    async fn converse(self: Rc<Self>, mut stream: TcpStream) -> io::Result<()> {
        let mut buffer = vec![0; 4_096];
        loop {
            let asked = Instant::now();
            let Some(request) = self.next_request(asked) else { return Ok(()) };
            stream.write_all(request).await?;
            let length = read_answer(&mut stream, &mut buffer).await?;
            self.expected.check(&buffer[..length])?;
            self.note(asked, Instant::now());
        }
    }

    /// Requests are sent once where repetitions count, and round and round where they do not.
    fn next_request(&self, now: Instant) -> Option<&[u8]> {
        let index = self.next.get();
        if now >= self.end || (self.expected == Expected::Accepted && index >= self.requests.len()) {
            return None;
        }
        self.next.set(index + 1);
        Some(self.requests.get(index % self.requests.len()))
    }

    fn note(&self, asked: Instant, answered: Instant) {
        if asked >= self.begin && answered <= self.end {
            self.latencies.borrow_mut().push(answered - asked);
            self.last.set(answered);
        }
    }
}

/// Reads one answer with a `content-length`; returns how many bytes it has.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed a connection"));
        }
        filled += read;
        if let Some(length) = answer_length(&buffer[..filled])?
            && filled >= length
        {
            return Ok(length);
        }
    }
}

/// The length of head and body together, once the head is there.
fn answer_length(bytes: &[u8]) -> io::Result<Option<usize>> {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let lines = std::str::from_utf8(&bytes[..head]).map_err(io::Error::other)?.split("\r\n");
    let length = lines
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.parse::<usize>().ok());
    length.map(|length| Some(head + 4 + length)).ok_or_else(|| io::Error::other("an answer has no length"))
}

/// A server that answers nothing for so long ends the run with an error.
const STUCK_AFTER: Duration = Duration::from_secs(15);
