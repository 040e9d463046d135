//! One way for requests: straight, by a pool of connections, or through a proxy; with settings of its own.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use tokio::time::{Instant, timeout_at};
use url::Host;

use super::super::address::{GuardedResolver, is_allowed};
use super::super::tls::Tls;
use super::peer::Peer;
use super::proxied::{Prepared, Proxied};
use super::unrepeated::without;
use crate::destinations::{Connection, Fault, HttpReply, HttpRequest, Method, Reply, TlsSettings};
use crate::domain::Headers;

/// How requests go out, and what connections are made with.
#[derive(Debug)]
pub struct Way {
    route: Route,
    tls: TlsSettings,
}

#[derive(Debug)]
enum Route {
    Straight(reqwest::Client),
    Proxied(Proxied),
}

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

impl ClientError {
    /// What is at the bottom of it.
    pub fn cause(&self) -> String {
        match self {
            Self::Tls(error) => error.to_string(),
            Self::Http(error) => error.to_string(),
        }
    }
}

impl Way {
    /// Prepares the way.
    ///
    /// # Errors
    /// Where TLS or the client cannot be set up.
    pub fn new(tls: &Tls, connection: &Connection) -> Result<Self, ClientError> {
        let settings = connection.tls.clone();
        let route = match connection.proxy.clone() {
            Some(proxy) => Route::Proxied(Proxied::new(proxy, tls.clone(), settings.clone())),
            None => Route::Straight(Self::pool(tls, &settings)?),
        };
        Ok(Self { route, tls: settings })
    }

    /// No proxy of the environment is used.
    #[allow(clippy::disallowed_methods, reason = "this is where clients are made")]
    fn pool(tls: &Tls, settings: &TlsSettings) -> Result<reqwest::Client, ClientError> {
        let config = tls.config(settings)?;
        reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .dns_resolver(Arc::new(GuardedResolver))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .no_proxy()
            .tls_backend_preconfigured(Arc::unwrap_or_clone(config))
            .build()
            .map_err(ClientError::Http)
    }

    /// Sends one request and waits for the answer.
    pub async fn exchange(&self, request: &HttpRequest) -> Reply {
        if let Some(refusal) = refused_host(request) {
            return Reply::Failed(refusal);
        }
        let headers = match headers_of(request) {
            Ok(headers) => headers,
            Err(fault) => return Reply::Failed(fault),
        };
        let (method, body, until) = (method_of(request.method), request.body.clone(), Instant::now() + TOTAL_TIMEOUT);
        let answered = match &self.route {
            Route::Straight(client) => {
                let sent = client.request(method, request.url.clone()).headers(headers).body(body).send().await;
                sent.map_err(|error| Peer::of(&request.url).failed(&error, &self.tls))
            }
            Route::Proxied(proxied) => {
                let prepared = Prepared { method, url: &request.url, headers, body };
                proxied.exchange(prepared, CONNECT_TIMEOUT, until).await
            }
        };
        match answered {
            Ok(response) => without(read(response, until).await, self.credential()),
            Err(reply) => reply,
        }
    }

    /// What the proxy is shown, without its scheme: a proxy that reads http may repeat it.
    fn credential(&self) -> Option<&str> {
        match &self.route {
            Route::Straight(_) => None,
            Route::Proxied(proxied) => proxied.credential(),
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
    let detail =
        format!("{ip} is a link-local or reserved address, or that of a cloud's metadata, where no destination may be");
    (!is_allowed(ip)).then_some(Fault { may_have_arrived: false, detail })
}

fn method_of(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Patch => reqwest::Method::PATCH,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
    }
}

/// The header lines, whose values are credentials as far as is known here.
fn headers_of(request: &HttpRequest) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(request.content_type));
    for (name, value) in &request.headers {
        let parsed = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.expose()));
        let (Ok(name), Ok(mut value)) = parsed else {
            let detail = format!("the header {name} or its value holds characters that no header may hold");
            return Err(Fault { may_have_arrived: false, detail });
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Reads what is read of a body; what has not come `until` then is missing.
async fn read(mut response: reqwest::Response, until: Instant) -> Reply {
    let status = response.status().as_u16();
    let mut headers = Headers::default();
    for (name, value) in response.headers() {
        headers.push(name.as_str(), value.as_bytes());
    }
    let mut body = BytesMut::new();
    let mut truncated = false;
    loop {
        match timeout_at(until, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                let room = HttpReply::BODY_BYTES_MAX - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    truncated = true;
                    break;
                }
            }
            Ok(Ok(None)) => break,
            Ok(Err(_)) | Err(_) => {
                truncated = true;
                break;
            }
        }
    }
    Reply::Http(HttpReply { status, headers, body: body.freeze(), truncated })
}

const USER_AGENT: &str = concat!("gatepost/", env!("CARGO_PKG_VERSION"));
/// Name, connection and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The whole exchange.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Receivers close idle connections; one that gatepost closes first cannot fail during a request.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(10);
