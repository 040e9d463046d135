//! An HTTP/1.1 client that knows how far a request came: whether it went out whole, and whether a byte of an answer came.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// A connection that is kept open.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// No connection.
    Unreachable,
    /// The connection ended before the request was sent whole.
    Unsent,
    /// The request was sent whole at this time; the connection ended without a byte of an answer.
    Unanswered(Instant),
    /// The connection ended within the answer.
    Torn,
    /// Nothing happened for longer than any limit allows.
    Silent,
}

impl Wire {
    pub async fn open(address: SocketAddr) -> Result<Self, Broken> {
        Self::open_from(IpAddr::from([127, 0, 0, 1]), address).await
    }

    /// From another of the machine's own addresses.
    pub async fn open_from(from: IpAddr, address: SocketAddr) -> Result<Self, Broken> {
        let socket = TcpSocket::new_v4().map_err(|_| Broken::Unreachable)?;
        Self::connect(socket, from, address).await
    }

    /// With a small buffer for answers that are not read.
    pub async fn open_deaf(from: IpAddr, address: SocketAddr) -> Result<Self, Broken> {
        let socket = TcpSocket::new_v4().map_err(|_| Broken::Unreachable)?;
        socket.set_recv_buffer_size(2_048).map_err(|_| Broken::Unreachable)?;
        Self::connect(socket, from, address).await
    }

    async fn connect(socket: TcpSocket, from: IpAddr, address: SocketAddr) -> Result<Self, Broken> {
        socket.bind(SocketAddr::new(from, 0)).map_err(|_| Broken::Unreachable)?;
        let connecting = timeout(Duration::from_secs(5), socket.connect(address));
        let stream = connecting.await.map_err(|_| Broken::Silent)?.map_err(|_| Broken::Unreachable)?;
        stream.set_nodelay(true).map_err(|_| Broken::Unreachable)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends some bytes, whatever they are.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.stream.write_all(bytes).await.map_err(|_| Broken::Unsent)
    }

    /// Sends a request and waits for its answer.
    pub async fn ask(&mut self, request: &[u8]) -> Result<Answer, Broken> {
        self.send(request).await?;
        self.answer().await
    }

    /// Waits for an answer.
    pub async fn answer(&mut self) -> Result<Answer, Broken> {
        self.answer_within(PATIENCE).await
    }

    /// Waits for an answer, for as long as this.
    pub async fn answer_within(&mut self, patience: Duration) -> Result<Answer, Broken> {
        let sent_at = Instant::now();
        let whole = timeout(patience, async {
            loop {
                if let Some(answer) = self.parse() {
                    return Ok(answer);
                }
                match self.stream.read_buf(&mut self.buffer).await {
                    Ok(1..) => {}
                    _ if self.buffer.is_empty() => return Err(Broken::Unanswered(sent_at)),
                    _ => return Err(Broken::Torn),
                }
            }
        });
        whole.await.unwrap_or(Err(Broken::Silent))
    }

    /// Waits until the other side closes, and says whether an answer came before.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(1..) => {}
                _ => return self.parse().map(|answer| answer.status),
            }
        }
    }

    /// Waits until the other side closes, and takes nothing of what it sent.
    pub async fn closed_unread(&mut self) {
        loop {
            match self.stream.ready(Interest::READABLE).await {
                Ok(ready) if !ready.is_read_closed() => tokio::time::sleep(Duration::from_millis(100)).await,
                _ => return,
            }
        }
    }

    /// Takes a whole answer off the buffer.
    fn parse(&mut self) -> Option<Answer> {
        let end = self.buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let length = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        if self.buffer.len() < end + length {
            return None;
        }
        let body = self.buffer[end..end + length].to_vec();
        self.buffer.drain(..end + length);
        Some(Answer { status, head, body })
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A POST with a body of known length.
pub fn post(path: &str, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut request = head(path, headers);
    request.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
    request.extend(body);
    request
}

/// The head of a POST without its end.
pub fn head(path: &str, headers: &[(String, String)]) -> Vec<u8> {
    let mut head = format!("POST {path} HTTP/1.1\r\nHost: gatepost\r\nContent-Type: application/json\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.into_bytes()
}

/// A GET on a connection of its own.
pub async fn get(address: SocketAddr, path: &str) -> Result<Answer, Broken> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    Wire::open(address).await?.ask(request.as_bytes()).await
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Longer than every limit of the gateway.
const PATIENCE: Duration = Duration::from_secs(20);
