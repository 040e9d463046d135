//! HTTP through a proxy that the operator has named: a tunnel (CONNECT, RFC 9110, 9.3.6) for https, in which TLS is spoken
//! with the destination, and the absolute form (RFC 9112, 3.2.2) for http.
//!
//! Each request has a connection of its own. What the proxy says before the tunnel stands is told apart from what the
//! destination says: nothing was sent then. Without a tunnel only a 407 is known to be the proxy's.

use std::io;
use std::time::Duration;

use hyper::client::conn::http1;
use hyper::http::{self, HeaderMap, Uri, uri};
use hyper_util::rt::TokioIo;
use reqwest::Body;
use reqwest::header::{CONNECTION, HOST, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use url::{Position, Url};

use super::super::address;
use super::super::handshake::{self, Protocol};
use super::super::tls::Tls;
use super::peer::Peer;
use crate::destinations::{Fault, Proxy, Reply, TlsSettings};

/// A proxy, and TLS with what is behind it.
#[derive(Debug)]
pub struct Proxied {
    proxy: Proxy,
    tls: Tls,
    settings: TlsSettings,
}

/// A request whose header lines are checked.
pub struct Prepared<'r> {
    /// The method.
    pub method: reqwest::Method,
    /// Where to.
    pub url: &'r Url,
    /// The header lines of the destination.
    pub headers: HeaderMap,
    /// The body.
    pub body: bytes::Bytes,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Proxied {
    /// Requests through `proxy`.
    pub fn new(proxy: Proxy, tls: Tls, settings: TlsSettings) -> Self {
        Self { proxy, tls, settings }
    }

    /// What `Proxy-Authorization` holds after the scheme.
    pub fn credential(&self) -> Option<&str> {
        self.proxy.authorization.as_ref()?.expose_str()?.split(' ').nth(1)
    }

    /// Sends one request and waits for the head of the answer, within these limits of time.
    ///
    /// # Errors
    /// What came instead of an answer of the destination.
    pub async fn exchange(
        &self,
        request: Prepared<'_>,
        connect: Duration,
        until: Instant,
    ) -> Result<reqwest::Response, Reply> {
        let peer = Peer::of(request.url).through(&self.proxy);
        let opened = timeout_at(until.min(Instant::now() + connect), self.open(request.url)).await;
        let stream = match opened {
            Ok(opened) => opened?,
            Err(_) => return Err(unreached(&peer, "no connection within 5 s")),
        };
        let message = self.message(request).map_err(|error| unreached(&peer, &error.to_string()))?;
        let response = match timeout_at(until, talk(stream, message)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(peer.broken(&error, &self.settings, true, None)),
            Err(error) => return Err(peer.broken(&error, &self.settings, true, Some("no answer within 10 s"))),
        };
        if response.status() == reqwest::StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Err(Reply::NotSent(self.wants_credentials(407)));
        }
        Ok(response.map(Body::wrap).into())
    }

    /// A connection on which the request may be written.
    async fn open(&self, url: &Url) -> Result<Box<dyn Stream>, Reply> {
        let failed =
            |error: io::Error| Reply::Failed(Fault { may_have_arrived: false, detail: self.said(&error.to_string()) });
        let addresses = address::resolve(&self.proxy.host, self.proxy.port).await.map_err(failed)?;
        let mut stream = TcpStream::connect(addresses.as_slice()).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        if url.scheme() != "https" {
            return Ok(Box::new(stream));
        }
        let authority = authority(url);
        stream.write_all(&self.connect(&authority)).await.map_err(failed)?;
        match read_head(&mut stream).await.map_err(failed)? {
            200..300 => {}
            status => return Err(self.refused(&authority, status)),
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        match self.tls.connect(&self.settings, host, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(handshake::failed(&authority, Protocol::Http, &self.settings, &error)),
        }
    }

    /// The request for a tunnel.
    fn connect(&self, authority: &str) -> Vec<u8> {
        let mut head =
            format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {AGENT}\r\n").into_bytes();
        if let Some(credentials) = &self.proxy.authorization {
            head.extend_from_slice(b"Proxy-Authorization: ");
            head.extend_from_slice(credentials.expose());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    /// What it means that the proxy does not let us through: nothing was sent to the destination.
    fn refused(&self, authority: &str, status: u16) -> Reply {
        let why = match status {
            // tinyproxy says 401 where credentials are wrong.
            401 | 407 => return Reply::NotSent(self.wants_credentials(status)),
            403 => format!("does not allow connections to {authority} (403): allow them there"),
            500..600 => format!("cannot reach {authority} ({status})"),
            _ => format!("gives no connection to {authority} ({status})"),
        };
        Reply::Failed(Fault { may_have_arrived: false, detail: self.said(&format!("it {why}")) })
    }

    fn wants_credentials(&self, status: u16) -> String {
        self.said(&match self.proxy.authorization {
            Some(_) => format!(
                "it does not accept the credentials ({status}): correct the user in `proxy`, or `proxy_password`"
            ),
            None => format!("it wants credentials ({status}): write the user in `proxy`, and set `proxy_password`"),
        })
    }

    fn said(&self, what: &str) -> String {
        format!("the proxy {}:{}: {what}", self.proxy.host, self.proxy.port)
    }

    /// The request as it stands within a tunnel, or as a proxy wants it without one.
    fn message(&self, request: Prepared<'_>) -> Result<http::Request<Body>, http::Error> {
        let is_tunnelled = request.url.scheme() == "https";
        let from = if is_tunnelled { Position::BeforePath } else { Position::BeforeScheme };
        let target: Uri = request.url[from..Position::AfterQuery]
            .parse()
            .map_err(|error: uri::InvalidUri| http::Error::from(error))?;
        let mut message = http::Request::new(Body::from(request.body));
        *message.method_mut() = request.method;
        *message.uri_mut() = target;
        *message.headers_mut() = request.headers;
        let headers = message.headers_mut();
        headers.insert(HOST, HeaderValue::from_str(&request.url[Position::BeforeHost..Position::AfterPort])?);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if let Some(credentials) = self.proxy.authorization.as_ref().filter(|_| !is_tunnelled) {
            let mut value = HeaderValue::from_bytes(credentials.expose())?;
            value.set_sensitive(true);
            headers.insert(PROXY_AUTHORIZATION, value);
        }
        Ok(message)
    }
}

/// Nothing was sent.
fn unreached(peer: &Peer, cause: &str) -> Reply {
    Reply::Failed(Fault { may_have_arrived: false, detail: peer.says(cause) })
}

async fn talk(
    stream: Box<dyn Stream>,
    message: http::Request<Body>,
) -> Result<http::Response<hyper::body::Incoming>, hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer, or when nothing waits for that any more. What breaks it is the request's own error.
    tokio::spawn(async move { drop(connection.await) });
    sender.send_request(message).await
}

/// Host and port, as CONNECT wants them.
fn authority(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443))
}

/// The status of the proxy's answer, of which everything up to the blank line is read and nothing beyond: what follows is the
/// tunnel.
async fn read_head(stream: &mut TcpStream) -> io::Result<u16> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_BYTES_MAX {
            return Err(io::Error::other("its answer has no end: is it an HTTP proxy?"));
        }
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(io::Error::other("it closed the connection without an answer"));
            }
            Err(error) => return Err(error),
        }
    }
    status(&head).ok_or_else(|| io::Error::other("what answers there is no HTTP proxy: correct `proxy`"))
}

/// `HTTP/1.1 200 Connection established`
fn status(head: &[u8]) -> Option<u16> {
    let line = head.strip_prefix(b"HTTP/1.")?;
    let code = line.get(1..5)?.strip_prefix(b" ")?;
    std::str::from_utf8(code).ok()?.parse().ok()
}

const AGENT: &str = concat!("gatepost/", env!("CARGO_PKG_VERSION"));
/// More than any proxy says before a tunnel.
const HEAD_BYTES_MAX: usize = 16 << 10;

#[cfg(test)]
mod tests;
