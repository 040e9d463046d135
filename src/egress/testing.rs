//! Servers of TLS and settings for tests, made of `tests/fixtures/tls`.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::destinations::{Identity, TlsSettings, testing};

fn fixture(name: &str) -> PathBuf {
    testing::project("tests/fixtures/tls").join(name)
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(fixture(name)).unwrap()
}

/// A server's side of TLS that speaks this version and wants a certificate of the clients' authority.
pub fn mutual(version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate("clients.pem")).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture("receiver.key")).unwrap();
    let certified = builder.with_client_cert_verifier(verifier).with_single_cert(vec![certificate("good.pem")], key);
    Arc::new(certified.unwrap())
}

/// The same for every client.
pub fn one_sided(name: &str) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture("receiver.key")).unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate(name)], key).unwrap())
}

/// Trusts the authority of the tests, and shows this certificate.
pub fn settings(client: Option<&str>) -> TlsSettings {
    let key = || PrivateKeyDer::from_pem_file(fixture("client.key")).unwrap();
    let identity = client.map(|name| Identity::of(vec![certificate(name)], key()).unwrap());
    TlsSettings { authorities: Some(vec![certificate("authority.pem")]), identity }
}

/// What a receiver that wants a certificate makes of each client: which one it shows, and what is said about that.
pub const CLIENTS: [(Option<&str>, Option<&str>); 4] = [
    (Some("client.pem"), None),
    (None, Some("it wants a client certificate")),
    (Some("client-stranger.pem"), Some("it does not accept the client certificate")),
    (Some("client-expired.pem"), Some("it does not accept the client certificate")),
];
