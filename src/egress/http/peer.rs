//! Who was to answer, and what it means that no answer came.

use std::error::Error;

use url::Url;

use super::super::handshake::{self, Protocol};
use super::super::{causes, certificate};
use crate::destinations::{Fault, Proxy, Reply, TlsSettings};

/// Who was to answer, for messages: host and port, never the path, which may be a credential.
pub struct Peer {
    name: String,
    is_https: bool,
}

impl Peer {
    /// The host of an address.
    pub fn of(url: &Url) -> Self {
        let port = url.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
        Self { name: format!("{}{port}", url.host_str().unwrap_or_default()), is_https: url.scheme() == "https" }
    }

    /// The same, named with the proxy on the way.
    pub fn through(self, proxy: &Proxy) -> Self {
        Self { name: format!("{}, through the proxy {}:{}", self.name, proxy.host, proxy.port), ..self }
    }

    /// Host and port.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A sentence about it.
    pub fn says(&self, what: &str) -> String {
        format!("{}: {what}", self.name)
    }

    /// What came instead of an answer. Certificates of both sides are looked at before a request is read.
    pub fn failed(&self, error: &reqwest::Error, settings: &TlsSettings) -> Reply {
        let may_have_arrived = !(error.is_connect() || error.is_builder());
        let limit = match (error.is_timeout(), may_have_arrived) {
            (true, true) => Some("no answer within 10 s"),
            (true, false) => Some("no connection within 5 s"),
            (false, _) => None,
        };
        self.broken(error, settings, may_have_arrived, limit)
    }

    /// What a failure means. `limit` says which limit of time was passed, if one was.
    pub fn broken(
        &self,
        error: &(dyn Error + 'static),
        settings: &TlsSettings,
        may_have_arrived: bool,
        limit: Option<&str>,
    ) -> Reply {
        if let Some(why) = certificate::refused(error, settings) {
            return Reply::NotSent(self.says(&why));
        }
        let cause = limit.or_else(|| self.likely_cause(error)).map_or_else(|| root_cause(error), str::to_owned);
        Reply::Failed(Fault { may_have_arrived, detail: self.says(&cause) })
    }

    fn likely_cause(&self, error: &(dyn Error + 'static)) -> Option<&'static str> {
        if self.is_https {
            handshake::likely_cause(error, Protocol::Http)
        } else {
            handshake::likely_cause_without_tls(error)
        }
    }
}

/// The innermost message: it names the cause, and unlike the outer ones never the URL.
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let text = causes::chain(error).last().unwrap_or(error).to_string();
    if text.contains("://") { "the request failed".to_owned() } else { text }
}
