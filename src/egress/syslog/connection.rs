//! One connection to a collector, or a socket for datagrams.

use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::super::address;
use super::super::certificate;
use super::super::handshake::{self, Protocol};
use super::super::tls::Tls;
use super::recent::Recent;
use crate::destinations::{Collector, Fault, Reply, Transport};

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    collector: Arc<Collector>,
    link: Link,
    /// A batch was written, and the peer neither closed the connection nor spoke.
    is_proven: bool,
    opened: Instant,
}

#[derive(Debug)]
enum Link {
    Stream(Box<dyn Duplex>),
    Datagrams(UdpSocket),
}

/// What is written to and read from.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug> Duplex for T {}

impl Connection {
    /// Connects to the first address that takes a connection, and waits a moment: a peer that does not want us, such as one
    /// that demands a certificate, says so after the connection stands.
    pub async fn open(collector: &Arc<Collector>, tls: &Tls) -> Result<Self, Reply> {
        let failed = |error: &io::Error| failed(collector, error);
        let addresses = address::resolve(&collector.host, collector.port).await.map_err(|error| failed(&error))?;
        let link = match collector.transport {
            Transport::Udp => Link::Datagrams(datagrams(&addresses).await.map_err(|error| failed(&error))?),
            Transport::Tcp => Link::Stream(Box::new(connect(&addresses).await.map_err(|error| failed(&error))?)),
            Transport::Tls => {
                let stream = connect(&addresses).await.map_err(|error| failed(&error))?;
                let secured = tls.connect(&collector.tls, &collector.host, stream).await;
                Link::Stream(Box::new(secured.map_err(|error| unsecured(collector, &error))?))
            }
        };
        let mut connection = Self { collector: Arc::clone(collector), link, is_proven: false, opened: Instant::now() };
        if let Link::Stream(stream) = &mut connection.link {
            let watched = heard(stream, WATCHED).await;
            // A collector refuses a certificate only after the handshake, as TLS 1.3 has it.
            watched.map_err(|error| match collector.transport {
                Transport::Tls if certificate::refused(&error, &collector.tls).is_some() => {
                    unsecured(collector, &error)
                }
                _ => failed(&error),
            })?;
        }
        Ok(connection)
    }

    /// The connection, where it leads to this collector and the peer has not closed it. What became of it is noted.
    pub async fn if_usable(mut self, collector: &Collector, recent: &mut Recent) -> Option<Self> {
        if *self.collector != *collector {
            recent.clear();
            self.close().await;
            return None;
        }
        match &mut self.link {
            // The address of a name may change, and no datagram ever fails for it.
            Link::Datagrams(_) => (self.opened.elapsed() < DATAGRAMS_KEPT).then_some(self),
            Link::Stream(stream) => match heard(stream, Duration::ZERO).await {
                Ok(()) => Some(self),
                Err(error) => {
                    recent.ended(error.kind());
                    if error.kind() != io::ErrorKind::UnexpectedEof {
                        let destination = &self.collector.destination;
                        tracing::warn!(destination, %error, "the connection to a collector broke; what it may not have read is written again");
                    }
                    None
                }
            },
        }
    }

    /// Whether what is written to it may be read later, and lost before.
    pub fn is_stream(&self) -> bool {
        matches!(self.link, Link::Stream(_))
    }

    /// Writes the messages. The connection is lost where they were not written to the end.
    pub async fn write(mut self, messages: &[Bytes], recent: &mut Recent) -> Result<Self, Fault> {
        let watched = if self.is_proven { Duration::ZERO } else { WATCHED };
        match &mut self.link {
            Link::Stream(stream) => write_frames(stream, messages, watched).await.map_err(|error| {
                recent.ended(error.kind());
                Fault { may_have_arrived: true, detail: error.to_string() }
            })?,
            Link::Datagrams(socket) => send_each(socket, messages, watched).await?,
        }
        self.is_proven = true;
        Ok(self)
    }

    /// Says goodbye, which over TLS is an alert that a collector waits for.
    pub async fn close(self) {
        if let Link::Stream(mut stream) = self.link {
            // The connection ends either way.
            drop(stream.shutdown().await);
        }
    }
}

/// RFC 6587, 3.4.1: before each message stands its length.
async fn write_frames(stream: &mut Box<dyn Duplex>, messages: &[Bytes], watched: Duration) -> io::Result<()> {
    let mut frames = Vec::with_capacity(messages.iter().map(|message| message.len() + LENGTH_BYTES).sum());
    for message in messages {
        write!(frames, "{} ", message.len())?;
        frames.extend_from_slice(message);
    }
    stream.write_all(&frames).await?;
    stream.flush().await?;
    heard(stream, watched).await
}

/// A datagram each. A port where nothing listens is reported after the datagram, if at all.
async fn send_each(socket: &UdpSocket, messages: &[Bytes], watched: Duration) -> Result<(), Fault> {
    for (number, message) in messages.iter().enumerate() {
        let sent = socket.send(message).await;
        sent.map_err(|error| Fault { may_have_arrived: number > 0, detail: error.to_string() })?;
    }
    let mut nothing = [0; 1];
    match timeout(watched, socket.recv(&mut nothing)).await {
        Ok(Err(error)) => Err(Fault { may_have_arrived: true, detail: error.to_string() }),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

/// Reads what the peer says within `patience`, which is nothing. An end of the connection is `UnexpectedEof`.
async fn heard(stream: &mut Box<dyn Duplex>, patience: Duration) -> io::Result<()> {
    let mut said = [0; 256];
    loop {
        let Ok(read) = timeout(patience, stream.read(&mut said)).await else { return Ok(()) };
        match read? {
            0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection")),
            length => {
                let said = said.get(..length).unwrap_or_default();
                if let Some((_, what)) = OTHERS.iter().find(|(beginning, _)| said.starts_with(beginning)) {
                    return Err(io::Error::other(*what));
                }
            }
        }
    }
}

async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addresses).await?;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, KEEPALIVE_AFTER)?;
    sockopt::set_tcp_keepintvl(&stream, KEEPALIVE_EVERY)?;
    sockopt::set_tcp_keepcnt(&stream, KEEPALIVE_COUNT)?;
    sockopt::set_tcp_user_timeout(&stream, UNACKNOWLEDGED_MS_MAX)?;
    Ok(stream)
}

async fn datagrams(addresses: &[SocketAddr]) -> io::Result<UdpSocket> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        match socket.connect(address).await {
            Ok(()) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn unsecured(collector: &Collector, error: &io::Error) -> Reply {
    let peer = format!("{}:{}", collector.host, collector.port);
    handshake::failed(&peer, Protocol::Syslog, &collector.tls, error)
}

/// Nothing was written.
fn failed(collector: &Collector, error: &io::Error) -> Reply {
    let detail = format!("{}:{}: {error}", collector.host, collector.port);
    Reply::Failed(Fault { may_have_arrived: false, detail })
}

/// What other services answer, and what that means.
const OTHERS: &[(&[u8], &str)] = &[
    (b"HTTP/", "what answers there is a web server: correct the port"),
    (b"SSH-", "what answers there is an SSH server: correct the port"),
    (b"\x15\x03", "what answers there speaks TLS: write tls://"),
];
/// How long a new connection is watched before and after its first batch.
const WATCHED: Duration = Duration::from_millis(250);
/// A peer that is silent for so long is asked whether it is there, so often and so many times.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEPALIVE_COUNT: u32 = 3;
/// How long what was written may stay without the acknowledgement of the peer's system.
const UNACKNOWLEDGED_MS_MAX: u32 = 20_000;
const DATAGRAMS_KEPT: Duration = Duration::from_secs(60);
const LENGTH_BYTES: usize = 8;
