//! Servers of HTTP and TLS, and settings, for tests, made of `tests/fixtures/tls`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::destinations::{Identity, TlsSettings, testing};

fn fixture(name: &str) -> PathBuf {
    testing::project("tests/fixtures/tls").join(name)
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(fixture(name)).unwrap()
}

/// A server's side of TLS that speaks this version and wants a certificate of the clients' authority.
pub fn mutual(version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate("clients.pem")).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture("receiver.key")).unwrap();
    let certified = builder.with_client_cert_verifier(verifier).with_single_cert(vec![certificate("good.pem")], key);
    Arc::new(certified.unwrap())
}

/// The same for every client.
pub fn one_sided(name: &str) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture("receiver.key")).unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate(name)], key).unwrap())
}

/// Trusts the authority of the tests, and shows this certificate.
pub fn settings(client: Option<&str>) -> TlsSettings {
    let key = || PrivateKeyDer::from_pem_file(fixture("client.key")).unwrap();
    let identity = client.map(|name| Identity::of(vec![certificate(name)], key()).unwrap());
    TlsSettings { authorities: Some(vec![certificate("authority.pem")]), identity }
}

/// What a receiver that wants a certificate makes of each client: which one it shows, and what is said about that.
pub const CLIENTS: [(Option<&str>, Option<&str>); 4] = [
    (Some("client.pem"), None),
    (None, Some("it wants a client certificate")),
    (Some("client-stranger.pem"), Some("it does not accept the client certificate")),
    (Some("client-expired.pem"), Some("it does not accept the client certificate")),
];

/// The forms in which a URL can hold an address that no request may go to.
pub const FORBIDDEN: [&str; 15] = [
    "169.254.169.254",
    "169.254.169.254.",
    "2852039166",
    "0xa9fea9fe",
    "0xA9.0xFE.0xA9.0xFE",
    "0251.0376.0251.0376",
    "169.16689662",
    "%31%36%39.254.169.254",
    "0",
    "255.255.255.255",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[fe80::1]",
    "[fd00:ec2::254]",
];

/// A receiver on loopback, and the requests that it has read, each as one text.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    /// The requests, oldest first.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Forgets them.
    pub fn forget(&self) {
        self.requests.lock().unwrap().clear();
    }
}

/// Answers each request with what `answer` makes of it, over TLS where there is a configuration, and closes the connection.
pub async fn receiver(
    config: Option<Arc<ServerConfig>>,
    answer: impl Fn(&str) -> String + Send + Sync + 'static,
) -> Receiver {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (address, requests) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let (acceptor, noted, answer) = (config.map(TlsAcceptor::from), Arc::clone(&requests), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, noted, answer) = (acceptor.clone(), Arc::clone(&noted), Arc::clone(&answer));
            tokio::spawn(async move {
                let stream: Box<dyn Duplex> = match acceptor {
                    None => Box::new(stream),
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => Box::new(stream),
                        Err(_) => return,
                    },
                };
                serve(stream, &noted, answer.as_ref()).await;
            });
        }
    });
    Receiver { address, requests }
}

/// A 200 with this body.
pub fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

async fn serve(mut stream: Box<dyn Duplex>, noted: &Mutex<Vec<String>>, answer: &(dyn Fn(&str) -> String + Sync)) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        if !stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
            return;
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let answer = answer(&request);
    noted.lock().unwrap().push(request);
    // A client that has read enough closes the connection.
    drop(stream.write_all(answer.as_bytes()).await);
    drop(stream.shutdown().await);
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0)
}
