//! HTTP requests out.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use url::{Host, Url};

use super::address::{GuardedResolver, is_allowed};
use super::certificate;
use super::handshake::{self, Protocol};
use super::tls::Tls;
use crate::destinations::{Fault, HttpReply, HttpRequest, Method, Reply, TlsSettings};
use crate::domain::Headers;

/// A client with one connection pool.
#[derive(Clone, Debug)]
pub struct Client(reqwest::Client);

/// The connections to the outside cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// TLS cannot be set up: the system has no authorities, for example.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
}

impl Client {
    /// Prepares the pool.
    #[allow(clippy::disallowed_methods, reason = "this is the one client")]
    pub fn new(tls: &Tls) -> Result<Self, ClientError> {
        let config = tls.config(&TlsSettings::default())?;
        let client = reqwest::Client::builder()
            .user_agent(concat!("gatepost/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .dns_resolver(Arc::new(GuardedResolver))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .no_proxy()
            .tls_backend_preconfigured(Arc::unwrap_or_clone(config))
            .build()
            .map_err(ClientError::Http)?;
        Ok(Self(client))
    }

    /// Sends one request.
    pub async fn send(&self, request: HttpRequest) -> Reply {
        if let Some(refusal) = refused_host(&request) {
            return Reply::Failed(refusal);
        }
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Patch => reqwest::Method::PATCH,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(request.content_type));
        for (name, value) in &request.headers {
            let parsed = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.expose()));
            let (Ok(name), Ok(mut value)) = parsed else {
                let detail = format!("the header {name} or its value holds characters that no header may hold");
                return Reply::Failed(Fault { may_have_arrived: false, detail });
            };
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let receiver = Receiver::of(&request.url);
        match self.0.request(method, request.url).headers(headers).body(request.body).send().await {
            Ok(response) => read(response).await,
            Err(error) => receiver.failed(&error),
        }
    }
}

/// A host that is an address is not resolved, so it is checked here.
fn refused_host(request: &HttpRequest) -> Option<Fault> {
    let ip = match request.url.host()? {
        Host::Ipv4(ip) => ip.into(),
        Host::Ipv6(ip) => ip.into(),
        Host::Domain(_) => return None,
    };
    let detail = format!("{ip} is a link-local or reserved address, where no destination may be");
    (!is_allowed(ip)).then_some(Fault { may_have_arrived: false, detail })
}

async fn read(mut response: reqwest::Response) -> Reply {
    let status = response.status().as_u16();
    let mut headers = Headers::default();
    for (name, value) in response.headers() {
        headers.push(name.as_str(), value.as_bytes());
    }
    let mut body = BytesMut::new();
    let mut truncated = false;
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = HttpReply::BODY_BYTES_MAX - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    truncated = true;
                    break;
                }
            }
            Ok(None) => break,
            Err(_) => {
                truncated = true;
                break;
            }
        }
    }
    Reply::Http(HttpReply { status, headers, body: body.freeze(), truncated })
}

/// Who was to answer, for messages: host and port, never the path, which may be a credential.
struct Receiver {
    name: String,
    is_https: bool,
}

impl Receiver {
    fn of(url: &Url) -> Self {
        let port = url.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
        Self { name: format!("{}{port}", url.host_str().unwrap_or_default()), is_https: url.scheme() == "https" }
    }

    /// What came instead of an answer. A certificate is looked at before anything is sent.
    fn failed(&self, error: &reqwest::Error) -> Reply {
        match certificate::refused(error, &TlsSettings::default()) {
            Some(why) if error.is_connect() => Reply::NotSent(format!("{}: {why}", self.name)),
            _ => Reply::Failed(self.fault_of(error)),
        }
    }

    /// What a failure means. Only what fails before a connection stands is sure not to have arrived.
    fn fault_of(&self, error: &reqwest::Error) -> Fault {
        let may_have_arrived = !(error.is_connect() || error.is_builder());
        let cause = match (error.is_timeout(), may_have_arrived) {
            (true, true) => "no answer within 10 s".to_owned(),
            (true, false) => "no connection within 5 s".to_owned(),
            (false, _) => self.likely_cause(error).map_or_else(|| root_cause(error), str::to_owned),
        };
        Fault { may_have_arrived, detail: format!("{}: {cause}", self.name) }
    }

    fn likely_cause(&self, error: &reqwest::Error) -> Option<&'static str> {
        match self.is_https {
            true => handshake::likely_cause(error, Protocol::Http),
            false => handshake::likely_cause_without_tls(error),
        }
    }
}

/// The innermost message: it names the cause, and unlike the outer ones never the URL.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    if text.contains("://") { "the request failed".to_owned() } else { text }
}

/// Name, connection and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The whole exchange.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Receivers close idle connections; one that gatepost closes first cannot fail during a request.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(10);
