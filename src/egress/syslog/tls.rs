//! TLS to a collector (RFC 5425): its certificate is always verified, against the system's authorities or the operator's own.

use std::io;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::{certificate, handshake as causes};
use crate::destinations::{Collector, Fault, Reply};

/// Speaks TLS over the connection.
pub(super) async fn handshake(collector: &Arc<Collector>, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(collector.host.clone()).map_err(io::Error::other)?;
    // The system's authorities are read from files.
    let for_config = Arc::clone(collector);
    let config = tokio::task::spawn_blocking(move || config(&for_config)).await.map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config.map_err(io::Error::other)?)).connect(name, stream).await
}

fn config(collector: &Collector) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    if collector.authorities.is_empty() {
        return Ok(builder.with_platform_verifier()?.with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    for authority in &collector.authorities {
        roots.add(CertificateDer::from(authority.clone()))?;
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Why there is no TLS, and what to do.
pub(super) fn failed(collector: &Collector, error: &io::Error) -> Reply {
    let peer = format!("{}:{}", collector.host, collector.port);
    let of_tls = certificate::of_tls(error);
    if let Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) = of_tls {
        let whom = if collector.authorities.is_empty() { "this machine trusts" } else { "`ca_file` holds" };
        return Reply::Untrusted(format!(
            "{peer}: its certificate is signed by no authority that {whom}: name the authority's certificate in `ca_file`, \
             or have the collector send the whole chain"
        ));
    }
    if let Some(why) = certificate::refused(error) {
        return Reply::Untrusted(format!("{peer}: {why}"));
    }
    let cause = match of_tls {
        Some(rustls::Error::InvalidMessage(_)) => Some(NO_TLS),
        _ => causes::likely_cause(error, true),
    };
    let cause = cause.map_or_else(|| error.to_string(), str::to_owned);
    Reply::Failed(Fault { may_have_arrived: false, detail: format!("{peer}: {cause}") })
}

const NO_TLS: &str =
    "what answers there does not speak TLS: if it is a plain syslog port, write tcp:// or correct the port";
