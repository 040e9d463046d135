//! Local pagers, as PagerDuty answers: they take what they are told and note when.
//!
//! Much less than the stand-ins of the fault tests: those are strict and keep everything, which would be measured with it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::requests::number_in;

/// The settings in `gatepost.toml` of a pager there.
pub fn pager_settings(address: SocketAddr) -> String {
    format!(
        "type = \"pagerduty\"\nurl = \"http://{address}\"\n\
         routing_key = {{ value = \"0000000000000000000000000bench00\" }}"
    )
}

const ANSWER: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 42\r\n\r\n\
    {\"status\":\"success\",\"dedup_key\":\"bench00\"}";

/// Pagers on a thread of their own. They stop with the value.
pub struct Receivers {
    pub all: Vec<SocketAddr>,
    arrivals: Vec<Arc<Arrivals>>,
    _stop: oneshot::Sender<()>,
}

/// What came to one pager: each event's first arrival, and whatever held no number.
#[derive(Default)]
pub struct Arrivals(Mutex<(BTreeMap<usize, Instant>, usize)>);

impl Receivers {
    /// Starts so many on free ports of 127.0.0.1.
    pub fn start(count: usize) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let mut all = Vec::new();
        let mut arrivals = Vec::new();
        let mut listeners = Vec::new();
        for _ in 0..count {
            let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
            listener.set_nonblocking(true)?;
            all.push(listener.local_addr()?);
            arrivals.push(Arc::<Arrivals>::default());
            listeners.push(listener);
        }
        let served: Vec<_> = listeners.into_iter().zip(arrivals.clone()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            runtime.block_on(async {
                for (listener, arrivals) in served {
                    tokio::spawn(listen(listener, arrivals));
                }
                // It ends when its sender is dropped.
                drop(stopped.await);
            });
        });
        Ok(Self { all, arrivals, _stop: stop })
    }

    /// When each event arrived first at the pager of that place; and how many messages held no number.
    pub fn arrivals(&self, place: usize) -> (BTreeMap<usize, Instant>, usize) {
        self.arrivals[place].0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn listen(listener: std::net::TcpListener, arrivals: Arc<Arrivals>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(converse(stream, Arc::clone(&arrivals)));
    }
}

/// Ends with its connection, which the other side may close at any time.
async fn converse(mut stream: TcpStream, arrivals: Arc<Arrivals>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(8_192);
    loop {
        let length = loop {
            if let Some(length) = request_length(&buffer).filter(|length| buffer.len() >= *length) {
                break length;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        arrivals.note(&buffer[..length], Instant::now());
        buffer.drain(..length);
        stream.write_all(ANSWER).await?;
    }
}

impl Arrivals {
    fn note(&self, request: &[u8], now: Instant) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match number_in(request) {
            Some(number) => {
                held.0.entry(number).or_insert(now);
            }
            None => held.1 += 1,
        }
    }
}

/// The length of head and body together, once the head is there.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let lines = std::str::from_utf8(&bytes[..head]).ok()?.split("\r\n").filter_map(|line| line.split_once(": "));
    let length =
        lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).find_map(|(_, v)| v.parse().ok());
    Some(head + 4 + length.unwrap_or(0))
}
