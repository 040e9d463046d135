//! A stand-in of a collector of logs: syslog over TCP with octet counting, over TLS, or over UDP.
//!
//! It reads messages by the grammar of RFC 5424 and notes everything that is not exactly so; a frame that is too long or has
//! no length ends the connection. It answers nothing, as collectors do, unless it is told to misbehave.

mod grammar;

pub use grammar::{Element, Received, parse};

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{oneshot, watch};
use tokio_rustls::TlsAcceptor;

use super::Shortfall;
use super::terminal::{Card, Line};

/// How the collector behaves towards connections that come, and those that stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conduct {
    /// Reads everything.
    #[default]
    Take,
    /// Closes each connection at once, as a collector does whose list of senders does not have us.
    Close,
    /// Closes each connection after one message.
    CloseAfterOne,
    /// Reads nothing.
    Deaf,
    /// Says this to what comes.
    Answer(&'static [u8]),
}

/// A running collector. It stops, and its port is free again, when it is dropped.
#[derive(Debug)]
pub struct Collector {
    scheme: &'static str,
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    noted: Mutex<Noted>,
    conduct: watch::Sender<Conduct>,
    changes: watch::Sender<usize>,
    frame_bytes_max: usize,
}

#[derive(Debug, Default)]
struct Noted {
    messages: Vec<(Vec<u8>, Received)>,
    faults: Vec<String>,
    connections: usize,
    goodbyes: usize,
}

/// Where messages come in.
enum Ingress {
    Stream(TcpListener, Option<TlsAcceptor>),
    Datagrams(UdpSocket),
}

/// Starts a collector on a free TCP port of 127.0.0.1.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub async fn start_tcp() -> io::Result<Collector> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    Collector::start("tcp", listener.local_addr()?, Ingress::Stream(listener, None))
}

/// The same with TLS, with a certificate and its key in PEM.
///
/// # Errors
/// Where no port can be bound, no thread can be started, or certificate and key do not fit.
pub async fn start_tls(certificate: &[u8], key: &[u8]) -> io::Result<Collector> {
    let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(certificate).collect();
    let (chain, key) =
        (chain.map_err(io::Error::other)?, PrivateKeyDer::from_pem_slice(key).map_err(io::Error::other)?);
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(io::Error::other)?;
    start_tls_with(Arc::new(config)).await
}

/// The same with a server's side of TLS that is prepared, such as one that wants a certificate.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub async fn start_tls_with(config: Arc<ServerConfig>) -> io::Result<Collector> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    Collector::start("tls", address, Ingress::Stream(listener, Some(TlsAcceptor::from(config))))
}

/// Starts a collector of datagrams on a free port of 127.0.0.1.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub async fn start_udp() -> io::Result<Collector> {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await?;
    Collector::start("udp", socket.local_addr()?, Ingress::Datagrams(socket))
}

impl Collector {
    fn start(scheme: &'static str, address: SocketAddr, ingress: Ingress) -> io::Result<Self> {
        let (conduct, changes) = (watch::channel(Conduct::Take).0, watch::channel(0).0);
        let shared = Arc::new(Shared { noted: Mutex::default(), conduct, changes, frame_bytes_max: FRAME_BYTES_MAX });
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&shared);
        // Sockets belong to the runtime that made them, so they change hands as the system knows them.
        let ingress = Handed::from(ingress)?;
        let thread = std::thread::Builder::new().name("stand-in syslog".to_owned()).spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async {
                let Ok(ingress) = ingress.take() else { return };
                tokio::select! {
                    () = serving.serve(ingress) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { scheme, address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// The value of `address`: `tcp://127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// How many messages have come since this was last asked; they are forgotten.
    pub fn forget_messages(&self) -> usize {
        std::mem::take(&mut self.shared.noted().messages).len()
    }

    /// Behaves so from now on, and ends every connection that stands.
    pub fn set(&self, conduct: Conduct) {
        self.shared.conduct.send_replace(conduct);
    }

    /// The messages, oldest first, each as often as it came.
    pub fn messages(&self) -> Vec<Received> {
        self.shared.noted().messages.iter().map(|(_, read)| read.clone()).collect()
    }

    /// The messages byte for byte, without their lengths.
    pub fn raw(&self) -> Vec<Vec<u8>> {
        self.shared.noted().messages.iter().map(|(raw, _)| raw.clone()).collect()
    }

    /// The messages as a person reads them, one card each, oldest first.
    pub fn cards(&self) -> Vec<Card> {
        let card = |raw: &Vec<u8>| Card {
            heading: "Syslog · a message".to_owned(),
            lines: vec![Line::normal(String::from_utf8_lossy(raw))],
        };
        self.raw().iter().map(card).collect()
    }

    /// What was not as RFC 5424 and RFC 6587 have it.
    pub fn faults(&self) -> Vec<String> {
        self.shared.noted().faults.clone()
    }

    /// How many connections have come.
    pub fn connections(&self) -> usize {
        self.shared.noted().connections
    }

    /// How many connections the peer has ended between two messages, over TLS with an alert.
    pub fn goodbyes(&self) -> usize {
        self.shared.noted().goodbyes
    }

    /// Waits until there are at least `wanted` messages.
    ///
    /// # Errors
    /// How many there were instead when `timeout` was over.
    pub async fn wait_for(&self, wanted: usize, timeout: Duration) -> Result<(), Shortfall> {
        let mut changes = self.shared.changes.subscribe();
        let enough = async { changes.wait_for(|count| *count >= wanted).await.map(|_| ()) };
        match tokio::time::timeout(timeout, enough).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Shortfall { name: "a collector of logs", wanted, got: self.shared.noted().messages.len() }),
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A failure while a stand-in stops is of no interest any more.
            drop(thread.join());
        }
    }
}

/// Sockets between two runtimes.
enum Handed {
    Stream(std::net::TcpListener, Option<TlsAcceptor>),
    Datagrams(std::net::UdpSocket),
}

impl Handed {
    fn from(ingress: Ingress) -> io::Result<Self> {
        Ok(match ingress {
            Ingress::Stream(listener, tls) => Self::Stream(listener.into_std()?, tls),
            Ingress::Datagrams(socket) => Self::Datagrams(socket.into_std()?),
        })
    }

    fn take(self) -> io::Result<Ingress> {
        Ok(match self {
            Self::Stream(listener, tls) => Ingress::Stream(TcpListener::from_std(listener)?, tls),
            Self::Datagrams(socket) => Ingress::Datagrams(UdpSocket::from_std(socket)?),
        })
    }
}

impl Shared {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(self: Arc<Self>, ingress: Ingress) {
        match ingress {
            Ingress::Stream(listener, tls) => self.accept(&listener, tls).await,
            Ingress::Datagrams(socket) => {
                let mut datagram = vec![0; 1 << 16];
                while let Ok(length) = socket.recv(&mut datagram).await {
                    self.note(datagram.get(..length).unwrap_or_default());
                }
            }
        }
    }

    async fn accept(self: Arc<Self>, listener: &TcpListener, tls: Option<TlsAcceptor>) {
        while let Ok((stream, _)) = listener.accept().await {
            self.noted().connections += 1;
            let (shared, tls) = (Arc::clone(&self), tls.clone());
            tokio::spawn(async move {
                let mut conduct = shared.conduct.subscribe();
                let now = *conduct.borrow_and_update();
                let talk = async {
                    match tls {
                        None => shared.talk(stream, now).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => shared.talk(stream, now).await,
                            Err(error) => Err(format!("TLS: {error}")),
                        },
                    }
                };
                tokio::select! {
                    Err(fault) = talk => shared.noted().faults.push(fault),
                    _ = conduct.changed() => {}
                    else => {}
                }
            });
        }
    }

    async fn talk(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, conduct: Conduct) -> Result<(), String> {
        match conduct {
            Conduct::Close => return Ok(()),
            Conduct::Deaf => std::future::pending().await,
            Conduct::Answer(answer) => {
                let mut some = [0; 1];
                let heard = stream.read(&mut some).await.map_err(|error| error.to_string())?;
                let said = if heard > 0 { stream.write_all(answer).await } else { Ok(()) };
                return said.map_err(|error| error.to_string());
            }
            Conduct::Take | Conduct::CloseAfterOne => {}
        }
        while let Some(message) = self.frame(&mut stream).await? {
            self.note(&message);
            if conduct == Conduct::CloseAfterOne {
                return Ok(());
            }
        }
        self.noted().goodbyes += 1;
        Ok(())
    }

    /// The next message; `None` at the end of the connection. RFC 6587, 3.4.1: `MSG-LEN SP SYSLOG-MSG`.
    async fn frame(&self, stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Vec<u8>>, String> {
        let mut length = String::new();
        loop {
            match stream.read_u8().await {
                Ok(b' ') => break,
                Ok(digit @ b'0'..=b'9')
                    if !(length.is_empty() && digit == b'0') && length.len() < LENGTH_DIGITS_MAX =>
                {
                    length.push(char::from(digit));
                }
                Ok(other) => return Err(format!("{other} is no part of a length")),
                Err(_) if length.is_empty() => return self.end(stream).await,
                Err(error) => return Err(format!("the connection ended within a length: {error}")),
            }
        }
        let length: usize = length.parse().map_err(|_| "a message has no length".to_owned())?;
        if length > self.frame_bytes_max {
            return Err(format!("a message of {length} bytes, where {} are taken", self.frame_bytes_max));
        }
        let mut message = vec![0; length];
        let read = stream.read_exact(&mut message).await;
        read.map_err(|error| format!("the connection ended within a message: {error}"))?;
        Ok(Some(message))
    }

    /// The end of the connection. Over TLS one without an alert may be an attacker's.
    async fn end(&self, stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Vec<u8>>, String> {
        let end = stream.read(&mut [0; 1]).await;
        end.map(|_| None).map_err(|error| format!("the connection ended without a word: {error}"))
    }

    fn note(&self, message: &[u8]) {
        let read = parse(message);
        let mut noted = self.noted();
        match read {
            Ok(read) => noted.messages.push((message.to_vec(), read)),
            Err(fault) => noted.faults.push(format!("{fault}: {}", String::from_utf8_lossy(message))),
        }
        let count = noted.messages.len();
        drop(noted);
        self.changes.send_replace(count);
    }
}

/// As much as rsyslog takes unless it is told otherwise.
const FRAME_BYTES_MAX: usize = 8096;
const LENGTH_DIGITS_MAX: usize = 9;

#[cfg(test)]
pub(crate) mod tests;
