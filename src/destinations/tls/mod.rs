//! Whom a connection of TLS trusts: the setting `ca_file`, which is the same at every destination that speaks TLS.
//!
//! Read by the destinations that have a connection of their own, mail and syslog, and for all that speak HTTP. `egress::tls`
//! makes connections of it. Certificates are always verified: there is no setting that leaves it out.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::settings::Section;

/// Whom a connection of TLS trusts. The default: the authorities of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// The only authorities that may sign the receiver's certificate, at least one; `None`: those that the system trusts.
    pub authorities: Option<Vec<CertificateDer<'static>>>,
}

impl TlsSettings {
    /// The settings that this reads.
    pub const KEYS: &[&str] = &["ca_file"];

    /// Reads `ca_file`; `None` where it is at fault.
    pub fn read(section: &Section) -> Option<Self> {
        let authorities = if section.has("ca_file") { Some(authorities(section)?) } else { None };
        Some(Self { authorities })
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
