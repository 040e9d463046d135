//! A proxy before a destination, for faults of networks and middle boxes that no service has by itself.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::ports::free_port;

/// What the proxy does with connections.
#[derive(Clone, Debug, Default)]
pub enum Mode {
    /// Everything goes through.
    #[default]
    Pass,
    /// Nothing listens.
    Refuse,
    /// Nothing ever answers: the queue of connections is full, and none is accepted.
    Deaf,
    /// Each connection is taken, and reset when something comes.
    Reset,
    /// Requests go through; of the answers a byte comes a second.
    Trickle,
    /// Requests go through; this comes before each answer.
    Preface(&'static [u8]),
    /// Requests go no further; the answer begins with this, and repeats that without end.
    Endless(Arc<[u8]>, Arc<[u8]>),
    /// Everything goes through, within TLS with this certificate.
    Tls(Arc<ServerConfig>),
}

impl Mode {
    /// An answer that begins with `head` and repeats `more` without end, 6 MB a second: enough to show in memory, and
    /// not so much that the machine is busy with nothing else.
    pub fn endless(head: &str, more: &str) -> Self {
        Self::Endless(head.as_bytes().into(), more.repeat((32 << 10) / more.len() + 1).as_bytes().into())
    }
}

/// A running proxy.
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    /// How many connections have got as far as to trust the certificate.
    trusted: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// A proxy before the port `to` of this machine.
    pub async fn start(to: u16) -> Self {
        // A port that stays its own while it does not listen.
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let listener = listen(address, 128).await;
        let (mode, seen) = watch::channel(Mode::Pass);
        let trusted = Arc::new(AtomicUsize::new(0));
        let responder = Responder { to, trusted: Arc::clone(&trusted) };
        let task = tokio::spawn(serve(listener, address, responder, seen));
        Self { address, mode, trusted, task }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Does this from now on, and ends every connection that stands.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// How many connections have got as far as to trust the certificate.
    pub fn trusted(&self) -> usize {
        self.trusted.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, address: SocketAddr, responder: Responder, mut mode: watch::Receiver<Mode>) {
    let mut listener = Some(listener);
    loop {
        let now = mode.borrow_and_update().clone();
        if matches!(now, Mode::Refuse | Mode::Deaf) {
            drop(listener.take());
            let _deaf = if matches!(now, Mode::Deaf) { Some(deaf(address).await) } else { None };
            if mode.changed().await.is_err() {
                return;
            }
            continue;
        }
        let open = match listener.take() {
            Some(open) => open,
            None => listen(address, 128).await,
        };
        tokio::select! {
            Ok((stream, _)) = open.accept() => {
                let (mut changes, responder) = (mode.clone(), responder.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = responder.carry(stream, now) => {}
                        _ = changes.changed() => {}
                    }
                });
            }
            changed = mode.changed() => if changed.is_err() { return },
        }
        listener = Some(open);
    }
}

/// Listens on an address that was just released: a process that is being started may still hold it.
async fn listen(address: SocketAddr, backlog: u32) -> TcpListener {
    for _ in 0..200 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        if let Ok(listener) = socket.bind(address).and_then(|()| socket.listen(backlog)) {
            return listener;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{address} does not become free");
}

/// A listener whose queue is full, and the connections that fill it.
async fn deaf(address: SocketAddr) -> (TcpListener, Vec<TcpStream>) {
    let listener = listen(address, 1).await;
    let mut waiting = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        waiting.push(connected.unwrap());
        assert!(waiting.len() < 100, "the queue of connections does not become full");
    }
    (listener, waiting)
}

/// What is done with one connection.
#[derive(Clone)]
struct Responder {
    to: u16,
    trusted: Arc<AtomicUsize>,
}

impl Responder {
    async fn carry(&self, mut stream: TcpStream, mode: Mode) {
        match mode {
            Mode::Refuse | Mode::Deaf => {}
            Mode::Reset => {
                // It may have gone already.
                drop(stream.read(&mut [0; 1]).await);
                stream.set_zero_linger().unwrap();
            }
            Mode::Pass => self.through(stream, &[], None).await,
            Mode::Trickle => self.through(stream, &[], Some(Duration::from_secs(1))).await,
            Mode::Preface(preface) => self.through(stream, preface, None).await,
            Mode::Endless(head, more) => {
                drop(stream.read(&mut [0; 16 << 10]).await);
                let mut piece = &head;
                while stream.write_all(piece).await.is_ok() {
                    piece = &more;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            Mode::Tls(config) => {
                // A client that does not like the certificate goes away.
                if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                    self.trusted.fetch_add(1, Ordering::Relaxed);
                    self.through(stream, &[], None).await;
                }
            }
        }
    }

    /// Both ways, until one side ends; of the answers a byte in each `interval`, if one is given.
    async fn through(&self, client: impl AsyncRead + AsyncWrite, preface: &[u8], interval: Option<Duration>) {
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.to)).await else { return };
        let (mut requests, mut to_client) = tokio::io::split(client);
        let (mut answers, mut to_server) = server.into_split();
        let there = async {
            let mut piece = vec![0; 16 << 10];
            while let Ok(count @ 1..) = requests.read(&mut piece).await {
                if to_server.write_all(&piece[..count]).await.is_err() {
                    break;
                }
            }
        };
        let back = async {
            let mut piece = vec![0; if interval.is_some() { 1 } else { 16 << 10 }];
            let mut before = preface;
            while let Ok(count @ 1..) = answers.read(&mut piece).await {
                let written = async {
                    to_client.write_all(std::mem::take(&mut before)).await?;
                    to_client.write_all(&piece[..count]).await?;
                    to_client.flush().await
                };
                if written.await.is_err() {
                    break;
                }
                tokio::time::sleep(interval.unwrap_or_default()).await;
            }
        };
        tokio::select! {
            () = there => {}
            () = back => {}
        }
    }
}

/// The authority that has signed all certificates but `stranger`; `tests/fixtures/tls/make` has made them.
pub fn authority() -> PathBuf {
    fixture("authority.pem")
}

/// Everything goes through, within TLS with the certificate of this name.
pub fn tls(certificate: &str) -> Mode {
    let chain = vec![CertificateDer::from_pem_file(fixture(&format!("{certificate}.pem"))).unwrap()];
    let key = PrivateKeyDer::from_pem_file(fixture("receiver.key")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    Mode::Tls(Arc::new(builder.with_single_cert(chain, key).unwrap()))
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}
