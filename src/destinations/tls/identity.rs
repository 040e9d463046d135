//! What a connection of TLS shows of itself: the settings `client_cert` and `client_key`.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::validity::Validity;
use crate::domain::Secret;
use crate::settings::Section;

/// A client certificate with the key that belongs to it. Printing it shows neither.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

impl Identity {
    /// Reads `client_cert`, a file, and `client_key`, a file or a secret. `None` where one of them is at fault or missing.
    pub(super) fn read(section: &Section) -> Option<Self> {
        for (key, other) in [("client_cert", "client_key"), ("client_key", "client_cert")] {
            if !section.has(other) {
                let fix = "set both: the certificate, and the key that belongs to it";
                section.fault(key, &format!("stands without '{other}'"), fix);
                return None;
            }
        }
        let chain = chain(section);
        let key = key(section);
        let (chain, key) = (chain?, key?);
        check_validity(section, chain.first()?)?;
        match Self::of(chain, key) {
            Ok(identity) => Some(identity),
            Err(rustls::Error::InconsistentKeys(_)) => {
                let fix = "name the key that the certificate was made for";
                section.fault("client_key", "does not belong to the certificate of 'client_cert'", fix);
                None
            }
            Err(_) => {
                let fix = "make an RSA key of at least 2048 bits, an ECDSA key of P-256 or P-384, or an Ed25519 key";
                section.fault("client_key", "is a key of a kind that TLS here does not know", fix);
                None
            }
        }
    }

    /// A chain, the certificate itself first, and the key of that.
    ///
    /// # Errors
    /// Where the key is none of the certificate's, or of a kind that is not known.
    pub fn of(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, rustls::Error> {
        Ok(Self(Arc::new(CertifiedKey::from_der(chain, key, &ring::default_provider())?)))
    }

    /// What rustls signs with.
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0)
    }
}

/// The same certificates. They hold the public key, so their private key is the same, too.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.0.cert == other.0.cert
    }
}

impl Eq for Identity {}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a client certificate in a chain of {}", self.0.cert.len())
    }
}

fn chain(section: &Section) -> Option<Vec<CertificateDer<'static>>> {
    let pem = section.file_content("client_cert")?;
    let read: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match read {
        Ok(chain) if !chain.is_empty() => Some(chain),
        _ => {
            let fix = "give it the client certificate in PEM, between BEGIN CERTIFICATE and END CERTIFICATE, then those of the \
                       authorities in between";
            section.fault("client_cert", "holds no certificates", fix);
            None
        }
    }
}

/// The key: the path of a file as a text, or a reference as any secret.
fn key(section: &Section) -> Option<PrivateKeyDer<'static>> {
    let pem = if section.is_table("client_key") {
        section.secret("client_key")?
    } else {
        Secret::new(section.secret_file_content("client_key")?)
    };
    match PrivateKeyDer::from_pem_slice(pem.expose()) {
        Ok(key) => Some(key),
        Err(_) => {
            let is_encrypted = String::from_utf8_lossy(pem.expose()).contains("ENCRYPTED");
            let (message, fix) = if is_encrypted {
                ("is encrypted, and gatepost has no passphrase", "decrypt it: openssl pkey -in KEY -out client.key")
            } else {
                ("holds no private key", "give it the key in PEM, between BEGIN PRIVATE KEY and END PRIVATE KEY")
            };
            section.fault("client_key", message, fix);
            None
        }
    }
}

/// Warns of a certificate that receivers refuse or will refuse soon. It is no fault: gatepost must start again after it has
/// expired, and only this destination stops. `None` where it cannot be read.
fn check_validity(section: &Section, certificate: &CertificateDer<'_>) -> Option<()> {
    let now = section.now();
    let Some(validity) = Validity::of(certificate) else {
        section.fault("client_cert", "holds a certificate that cannot be read", "have it made anew");
        return None;
    };
    let (begins, ends) = (validity.not_before.to_human(), validity.not_after.to_human());
    let (message, fix) = if now < validity.not_before {
        (format!("holds a certificate that begins at {begins}"), "set this machine's clock, or wait until then")
    } else if now > validity.not_after {
        (format!("holds a certificate that expired at {ends}, so the receiver refuses it"), "have it renewed")
    } else if validity.not_after.since(now) < EXPIRY_WARNED {
        (format!("holds a certificate that expires at {ends}"), "have it renewed before then")
    } else {
        return Some(());
    };
    section.warn("client_cert", &message, fix);
    Some(())
}

/// `check` warns so long before a certificate expires.
const EXPIRY_WARNED: std::time::Duration = std::time::Duration::from_secs(14 * 24 * 3600);
