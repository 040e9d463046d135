//! A stand-in of a forward proxy: tunnels by `CONNECT` (RFC 9110, 9.3.6), and requests in the absolute form (RFC 9112, 3.2.2).
//!
//! It is strict about what a client must send to a proxy, and notes everything that is not exactly so: the form of the target,
//! `Host`, credentials, one request a connection. Names are resolved by it alone, from a list.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// The account that the stand-in knows, where it wants to know who comes.
pub const USER: &str = "gatepost@acme";

/// Its password.
pub const PASSWORD: &str = "standin:proxy-password";

/// What the proxy does with requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conduct {
    /// Lets through who needs no credentials.
    #[default]
    Open,
    /// Lets through who has the credentials.
    Guarded,
    /// Answers with this status and lets nothing through.
    Refuse(u16),
    /// Answers with something else than HTTP.
    Garbage,
    /// Answers with a head that has no end.
    Endless,
    /// Closes the connection without an answer.
    Close,
    /// Answers nothing.
    Silent,
}

/// A running proxy. It stops, and its port is free again, when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    conduct: Conduct,
    names: HashMap<String, SocketAddr>,
    seen: Vec<String>,
    heads: Vec<String>,
    faults: Vec<String>,
}

/// Starts a proxy on a free port of 127.0.0.1.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub fn start() -> io::Result<Proxy> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let (address, shared) = (listener.local_addr()?, Arc::new(Shared::default()));
    let (stop, stopped) = oneshot::channel();
    let serving = Arc::clone(&shared);
    let thread = std::thread::Builder::new().name("stand-in proxy".to_owned()).spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            tokio::select! {
                () = serve(listener, serving) => {}
                _ = stopped => {}
            }
        });
    })?;
    Ok(Proxy { address, shared, stop: Some(stop), thread: Some(thread) })
}

impl Proxy {
    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Behaves so from now on.
    pub fn set(&self, conduct: Conduct) {
        self.shared.state().conduct = conduct;
    }

    /// Resolves this name, which no other resolver knows, to this address.
    pub fn resolve(&self, name: &str, address: SocketAddr) {
        self.shared.state().names.insert(name.to_owned(), address);
    }

    /// The first line of each request, without the version, oldest first.
    pub fn seen(&self) -> Vec<String> {
        self.shared.state().seen.clone()
    }

    /// Everything that it could read: the heads of requests.
    pub fn heads(&self) -> Vec<String> {
        self.shared.state().heads.clone()
    }

    /// What clients did wrong.
    pub fn faults(&self) -> Vec<String> {
        self.shared.state().faults.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // A connection that breaks is the client's affair.
            drop(answer(stream, &shared).await);
        });
    }
}

async fn answer(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let (text, rest) = read_head(&mut stream).await?;
    let conduct = {
        let mut state = shared.state();
        state.heads.push(text.clone());
        state.conduct
    };
    let head = match Head::read(&text) {
        Ok(head) => head,
        Err(fault) => {
            shared.state().faults.push(format!("{fault}: {}", text.lines().next().unwrap_or_default()));
            return refuse(&mut stream, 400).await;
        }
    };
    shared.state().seen.push(format!("{} {}", head.method, head.target));
    match conduct {
        Conduct::Open => through(stream, &head, rest, shared).await,
        Conduct::Guarded if head.has_credentials() => through(stream, &head, rest, shared).await,
        Conduct::Guarded => refuse(&mut stream, 407).await,
        Conduct::Refuse(status) => refuse(&mut stream, status).await,
        Conduct::Garbage => stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await,
        Conduct::Endless => loop {
            stream.write_all(&[b'x'; 1024]).await?;
        },
        Conduct::Close => Ok(()),
        Conduct::Silent => std::future::pending().await,
    }
}

async fn through(mut stream: TcpStream, head: &Head, rest: Vec<u8>, shared: &Shared) -> io::Result<()> {
    let known = shared.state().names.get(head.host()).copied();
    let address = known.or_else(|| head.authority.parse().ok());
    let Some(address) = address else { return refuse(&mut stream, 502).await };
    let Ok(mut behind) = TcpStream::connect(address).await else { return refuse(&mut stream, 502).await };
    if head.method == "CONNECT" {
        stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 standin\r\n\r\n").await?;
    } else {
        behind.write_all(head.forwarded().as_bytes()).await?;
    }
    behind.write_all(&rest).await?;
    copy_bidirectional(&mut stream, &mut behind).await.map(drop)
}

async fn refuse(stream: &mut TcpStream, status: u16) -> io::Result<()> {
    let challenge = if status == 407 { "Proxy-Authenticate: Basic realm=\"standin\"\r\n" } else { "" };
    let page = "<html>an error page of the proxy</html>";
    let length = page.len();
    let head =
        format!("HTTP/1.1 {status} No\r\n{challenge}Content-Length: {length}\r\nConnection: close\r\n\r\n{page}");
    stream.write_all(head.as_bytes()).await?;
    stream.shutdown().await
}

/// The head of a request, and what was read beyond it.
async fn read_head(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&read).into_owned(), rest));
        }
        if stream.read_buf(&mut read).await? == 0 || read.len() > HEAD_BYTES_MAX {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
    }
}

/// A request to a proxy, as it must be.
struct Head {
    method: String,
    target: String,
    /// Host and port.
    authority: String,
    /// What the receiver is asked for.
    path: String,
    lines: BTreeMap<String, String>,
}

impl Head {
    fn read(text: &str) -> Result<Self, &'static str> {
        let mut lines = text.trim_end().split("\r\n");
        let first: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let [method, target, "HTTP/1.1"] = first.as_slice() else { return Err("no request line of HTTP/1.1") };
        let mut found = BTreeMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').ok_or("a line without a colon")?;
            if found.insert(name.to_ascii_lowercase(), value.trim().to_owned()).is_some() {
                return Err("a header line twice");
            }
        }
        let (authority, path) = if *method == "CONNECT" {
            ((*target).to_owned(), String::new())
        } else {
            let url = url::Url::parse(target).map_err(|_| "neither CONNECT nor the absolute form")?;
            if url.scheme() != "http" || !url.username().is_empty() || url.fragment().is_some() {
                return Err("an absolute form that no proxy takes");
            }
            let port = url.port_or_known_default().unwrap_or(80);
            let path = url[url::Position::BeforePath..].to_owned();
            (format!("{}:{port}", url.host_str().unwrap_or_default()), path)
        };
        if !authority.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) {
            return Err("no host and port");
        }
        let host = found.get("host").ok_or("no Host")?;
        if *host != authority && format!("{host}:80") != authority {
            return Err("a Host that is not that of the target");
        }
        if *method == "CONNECT" && (found.contains_key("authorization") || found.contains_key("content-length")) {
            return Err("something in CONNECT that is for the destination");
        }
        Ok(Self { method: (*method).to_owned(), target: (*target).to_owned(), authority, path, lines: found })
    }

    fn host(&self) -> &str {
        self.authority.rsplit_once(':').map_or("", |(host, _)| host)
    }

    fn has_credentials(&self) -> bool {
        let wanted = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
        self.lines.get("proxy-authorization") == Some(&wanted)
    }

    /// The request as the receiver gets it.
    fn forwarded(&self) -> String {
        let own = |name: &str| name.starts_with("proxy-") || name == "connection";
        let lines =
            self.lines.iter().filter(|(name, _)| !own(name)).map(|(name, value)| format!("{name}: {value}\r\n"));
        let lines: String = lines.collect();
        format!("{} {} HTTP/1.1\r\n{lines}connection: close\r\n\r\n", self.method, self.path)
    }
}

const HEAD_BYTES_MAX: usize = 64 << 10;
