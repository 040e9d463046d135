//! TLS of every connection, HTTP and other: the same versions, provider and trust.
//!
//! The one place that makes a configuration of TLS. `http`, `smtp` and `syslog` ask it for theirs.

use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::destinations::TlsSettings;

/// What connections of TLS are made with. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Tls {
    /// With the authorities that the system trusts, as they were when gatepost was started.
    system: Arc<ClientConfig>,
}

impl Tls {
    /// Reads the authorities of the system.
    ///
    /// # Errors
    /// Where there are none.
    pub fn new() -> Result<Self, rustls::Error> {
        Ok(Self { system: Arc::new(builder()?.with_platform_verifier()?.with_no_client_auth()) })
    }

    /// What connections with these settings are made with.
    ///
    /// # Errors
    /// Where an authority is no certificate.
    pub fn config(&self, settings: &TlsSettings) -> Result<Arc<ClientConfig>, rustls::Error> {
        if settings == &TlsSettings::default() {
            return Ok(Arc::clone(&self.system));
        }
        let mut config = match &settings.authorities {
            None => self.system.as_ref().clone(),
            Some(authorities) => of_authorities(authorities)?,
        };
        if let Some(identity) = &settings.identity {
            config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(identity.certified_key()));
            // A session that was begun without the certificate is not resumed with it.
            config.resumption = Resumption::default();
        }
        Ok(Arc::new(config))
    }

    /// Speaks TLS with `host`, a name or an address without brackets, over a connection that stands.
    ///
    /// # Errors
    /// Where the handshake fails; [`super::handshake::failed`] says what that means.
    pub async fn connect<S>(&self, settings: &TlsSettings, host: &str, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let config = self.config(settings).map_err(io::Error::other)?;
        TlsConnector::from(config).connect(name, stream).await
    }
}

fn of_authorities(authorities: &[CertificateDer<'static>]) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone())?;
    }
    Ok(builder()?.with_root_certificates(roots).with_no_client_auth())
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
}
