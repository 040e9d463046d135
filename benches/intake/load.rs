//! The load: one thread, kept connections, each with at most one request under way.
//!
//! It shares the machine with the server that it measures, so it does little: one write, one read, one look at the
//! answer. Every answer is checked; a single wrong one ends the run.
//!
//! In a closed loop a connection asks again as soon as it is answered: that shows how much can be taken. In an open loop
//! requests are due at a fixed rate, whatever the server does, and their time counts from the moment at which they were
//! due: a server that stands still for a second is seen by all requests of that second, not only by those under way.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

use super::requests::Requests;

/// When requests are sent.
#[derive(Clone, Copy)]
pub enum Rhythm {
    /// As soon as the one before is answered.
    Closed,
    /// So many a second.
    Open(f64),
}

/// How long the load is on, and over how many connections.
#[derive(Clone, Copy)]
pub struct Load {
    pub connections: usize,
    pub rhythm: Rhythm,
    pub warm_up: Duration,
    pub window: Duration,
}

/// What an answer must be: 200, and this in its body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    pub body: &'static str,
    /// Whether each request may be sent only once; otherwise they are repeated in a cycle.
    pub once: bool,
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
    /// How many different ones they were: all of them, or fewer where they were repeated.
    pub distinct: usize,
    /// When each request was answered, by its place; in an open loop only.
    pub answers: Vec<(usize, Instant)>,
}

impl Load {
    /// A closed loop.
    pub fn closed(connections: usize, warm_up: Duration, window: Duration) -> Self {
        Self { connections, rhythm: Rhythm::Closed, warm_up, window }
    }

    /// An open loop.
    pub fn open(connections: usize, per_second: f64, warm_up: Duration, window: Duration) -> Self {
        Self { connections, rhythm: Rhythm::Open(per_second), warm_up, window }
    }

    /// Whether the rate is given.
    pub fn is_open(&self) -> bool {
        matches!(self.rhythm, Rhythm::Open(_))
    }

    /// How many requests an open loop needs.
    pub fn needs(&self) -> usize {
        match self.rhythm {
            Rhythm::Closed => 0,
            Rhythm::Open(per_second) => ((self.warm_up + self.window).as_secs_f64() * per_second) as usize + 1,
        }
    }

    /// Sends.
    pub fn run(self, address: SocketAddr, requests: &Requests, expected: Expected) -> io::Result<Outcome> {
        let mut drive = Drive::begin(self, address, requests, expected)?;
        drive.send_what_is_due(drive.begun)?;
        while drive.under_way() > 0 || drive.due(Instant::now()).is_some() {
            drive.turn()?;
        }
        Ok(drive.end())
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rhythm {
            Rhythm::Closed => write!(f, "{} connections", self.connections),
            Rhythm::Open(per_second) => write!(f, "{per_second:.0}/s"),
        }
    }
}

struct Drive<'r> {
    load: Load,
    requests: &'r Requests,
    expected: Expected,
    connections: Vec<Connection>,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    idle: VecDeque<usize>,
    begun: Instant,
    begin: Instant,
    end: Instant,
    last: Instant,
    next: usize,
    latencies: Vec<Duration>,
    answers: Vec<(usize, Instant)>,
}

struct Connection {
    stream: TcpStream,
    /// The request, and when it was due.
    under_way: (usize, Instant),
    buffer: Vec<u8>,
    filled: usize,
}

impl<'r> Drive<'r> {
    fn begin(load: Load, address: SocketAddr, requests: &'r Requests, expected: Expected) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(load.connections);
        for place in 0..load.connections {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            epoll::add(&epoll, &stream, epoll::EventData::new_u64(place as u64), epoll::EventFlags::IN)?;
            let under_way = (0, Instant::now());
            connections.push(Connection { stream, under_way, buffer: vec![0; ANSWER_BYTES_MAX], filled: 0 });
        }
        let begun = Instant::now();
        let begin = begun + load.warm_up;
        Ok(Self {
            load,
            requests,
            expected,
            idle: (0..connections.len()).collect(),
            events: Vec::with_capacity(connections.len().max(1)),
            connections,
            epoll,
            begun,
            begin,
            end: begin + load.window,
            last: begin,
            next: 0,
            latencies: Vec::with_capacity(requests.len()),
            answers: Vec::new(),
        })
    }

    fn under_way(&self) -> usize {
        self.connections.len() - self.idle.len()
    }

    /// Waits for answers or for the next request to be due, whatever comes first.
    fn turn(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let due = self.due(now).filter(|_| !self.idle.is_empty());
        let wait = due.map_or(STUCK_AFTER, |due| due.saturating_duration_since(now));
        let wait = Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: wait.subsec_nanos().into() };
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&wait)) {
            Ok(0) if due.is_none() => {
                return Err(io::Error::other(format!("no answer for {} s", STUCK_AFTER.as_secs())));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            let place = usize::try_from(event.data.u64()).map_err(io::Error::other)?;
            if let Some(length) = self.connections[place].read()? {
                let now = Instant::now();
                self.note(place, now);
                self.expected.check(&self.connections[place].buffer[..length])?;
                self.idle.push_back(place);
                self.send_what_is_due(now)?;
            }
        }
        self.events = events;
        self.send_what_is_due(Instant::now())
    }

    /// When the next request is due; `None` if there is none any more.
    fn due(&self, now: Instant) -> Option<Instant> {
        let due = match self.load.rhythm {
            Rhythm::Closed => now,
            Rhythm::Open(per_second) => self.begun + Duration::from_secs_f64(self.next as f64 / per_second),
        };
        let is_left = !self.expected.once || self.next < self.requests.len();
        (is_left && due < self.end).then_some(due)
    }

    fn send_what_is_due(&mut self, now: Instant) -> io::Result<()> {
        while let (Some(&place), Some(due)) = (self.idle.front(), self.due(now))
            && due <= now
        {
            let index = self.next;
            self.next += 1;
            if now > self.end + LATE_MAX {
                // It has waited for so long already, and would wait longer.
                self.latencies.push(now - due);
                continue;
            }
            self.idle.pop_front();
            let connection = &mut self.connections[place];
            connection.under_way = (index, due);
            // The one before is answered, so the socket's buffer takes this one as a whole.
            connection.stream.write_all(self.requests.get(index % self.requests.len()))?;
        }
        Ok(())
    }

    fn note(&mut self, place: usize, now: Instant) {
        let (index, due) = self.connections[place].under_way;
        let counts = match self.load.rhythm {
            Rhythm::Closed => due >= self.begin && now <= self.end,
            Rhythm::Open(_) => due >= self.begin,
        };
        if counts {
            self.latencies.push(now - due);
            self.last = now;
        }
        if matches!(self.load.rhythm, Rhythm::Open(_)) {
            self.answers.push((index, now));
        }
    }

    fn end(mut self) -> Outcome {
        self.latencies.sort_unstable();
        Outcome {
            latencies: self.latencies,
            elapsed: self.last.duration_since(self.begin),
            driven: self.begun.elapsed(),
            sent: self.next,
            distinct: self.next.min(self.requests.len()),
            answers: self.answers,
        }
    }
}

impl Connection {
    /// Reads what is there; the length of the answer once it is whole.
    fn read(&mut self) -> io::Result<Option<usize>> {
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed a connection")),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        let length = answer_length(&self.buffer[..self.filled])?.filter(|length| self.filled >= *length);
        if length.is_some() {
            self.filled = 0;
        }
        Ok(length)
    }
}

impl Expected {
    /// 200 with anything, again and again.
    pub const OK: Self = Self { body: "", once: false };

    /// Checks a whole answer.
    pub fn check(self, answer: &[u8]) -> io::Result<()> {
        let body = || answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(&[][..], |head| &answer[head..]);
        let word = self.body.as_bytes();
        let right = answer.starts_with(b"HTTP/1.1 200 ")
            && (word.is_empty() || body().windows(word.len()).any(|part| part == word));
        if right { Ok(()) } else { Err(io::Error::other(format!("wrong answer: {}", on_one_line(answer)))) }
    }
}

/// Asks once, on a connection of its own, for anything of any size.
pub fn ask(address: SocketAddr, request: &[u8], expected: Expected) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(STUCK_AFTER))?;
    stream.write_all(request)?;
    let mut connection =
        Connection { stream, under_way: (0, Instant::now()), buffer: vec![0; ANSWER_BYTES_MAX], filled: 0 };
    loop {
        if let Some(length) = connection.read()? {
            return expected.check(&connection.buffer[..length]);
        }
    }
}

/// The status line and the body of an answer, on one line.
fn on_one_line(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    format!("{} {}", head.lines().next().unwrap_or_default(), body.trim())
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

/// Longer than any answer of a contender.
const ANSWER_BYTES_MAX: usize = 4_096;
/// A server that answers nothing for so long ends the run with an error.
const STUCK_AFTER: Duration = Duration::from_secs(15);
/// So long after the end an open loop still sends what was due before it.
const LATE_MAX: Duration = Duration::from_secs(2);
