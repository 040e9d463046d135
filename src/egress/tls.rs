//! TLS of connections that are not HTTP: the same versions, provider and trust as those that are.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

/// What connections of TLS are made with. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// With the authorities that the system trusts; read once, as for HTTP.
    system: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl Tls {
    /// With these authorities, or with those of the system.
    ///
    /// # Errors
    /// Where an authority is no certificate, or the system has none.
    pub fn config(&self, authorities: Option<&[CertificateDer<'static>]>) -> Result<Arc<ClientConfig>, rustls::Error> {
        match authorities {
            Some(authorities) => of_authorities(authorities).map(Arc::new),
            None => match self.system.get() {
                Some(config) => Ok(Arc::clone(config)),
                None => {
                    let config = Arc::new(builder()?.with_platform_verifier()?.with_no_client_auth());
                    Ok(Arc::clone(self.system.get_or_init(|| config)))
                }
            },
        }
    }
}

fn of_authorities(authorities: &[CertificateDer<'static>]) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone())?;
    }
    Ok(builder()?.with_root_certificates(roots).with_no_client_auth())
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
}
