//! What a connection of TLS trusts and what it shows of itself: the settings `ca_file`, `client_cert` and `client_key`, which are
//! the same at every destination that speaks TLS.
//!
//! Read by the destinations that have a connection of their own, mail and syslog, and for all that speak HTTP. `egress::tls`
//! makes connections of it. Certificates are always verified: there is no setting that leaves it out.

mod identity;
mod validity;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::settings::Section;
pub use identity::Identity;

/// What a connection of TLS trusts and what it shows of itself. The default: the authorities of the system, and nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// The only authorities that may sign the receiver's certificate, at least one; `None`: those that the system trusts.
    pub authorities: Option<Vec<CertificateDer<'static>>>,
    /// What is shown to a receiver that asks for a certificate.
    pub identity: Option<Identity>,
}

impl TlsSettings {
    /// The settings that this reads.
    pub const KEYS: &[&'static str] = &["ca_file", "client_cert", "client_key"];

    /// Reads them; `None` where one is at fault.
    pub fn read(section: &Section) -> Option<Self> {
        let has_identity = section.has("client_cert") | section.has("client_key");
        let authorities = if section.has("ca_file") { authorities(section).map(Some) } else { Some(None) };
        let identity = if has_identity { Identity::read(section).map(Some) } else { Some(None) };
        Some(Self { authorities: authorities?, identity: identity? })
    }
}

fn authorities(section: &Section) -> Option<Vec<CertificateDer<'static>>> {
    let pem = section.file_content("ca_file")?;
    let read: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let can_sign = |certificate: &CertificateDer<'static>| RootCertStore::empty().add(certificate.clone()).is_ok();
    match read {
        Ok(all) if !all.is_empty() && all.iter().all(can_sign) => Some(all),
        _ => {
            let fix = "give it the certificate of the authority in PEM, between BEGIN CERTIFICATE and END CERTIFICATE";
            section.fault("ca_file", "holds no certificates", fix);
            None
        }
    }
}
