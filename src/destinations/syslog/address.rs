//! Where the collector is, and which authorities to trust there.

use rustls::pki_types::ServerName;
use url::{Host, Url};

use crate::destinations::{TlsSettings, Transport};
use crate::settings::Section;

/// The collector's address.
pub(super) struct Address {
    pub transport: Transport,
    pub host: String,
    pub port: u16,
}

/// Reads `address`; `None` where it is at fault.
pub(super) fn setting(section: &Section) -> Option<Address> {
    let text = section.required_text("address")?;
    let fault = |message: &str| {
        section.fault(
            "address",
            message,
            "write it like tls://logs.example.com:6514, tcp://HOST:601 or udp://HOST:514",
        );
        None
    };
    let Ok(url) = Url::parse(text.trim()) else { return fault("is not an address") };
    let Some((_, transport)) = Transport::ALL.into_iter().find(|(scheme, _)| *scheme == url.scheme()) else {
        return fault("is neither tls, tcp nor udp");
    };
    let bare = url.username().is_empty() && url.password().is_none();
    if !bare || !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return fault("holds more than a host and a port");
    }
    let host = match url.host() {
        Some(Host::Ipv6(ip)) => ip.to_string(),
        Some(host) => host.to_string(),
        None => String::new(),
    };
    if ServerName::try_from(host.as_str()).is_err() {
        return fault("names no host");
    }
    let port = url.port().unwrap_or(transport.port());
    if port == 0 {
        return fault("has the port 0");
    }
    warn(section, transport, &host);
    Some(Address { transport, host, port })
}

fn warn(section: &Section, transport: Transport, host: &str) {
    if host == "logs.example.com" {
        section.warn("address", "still has the host of the example", "write the address of your own collector");
    }
    let is_loopback = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    if transport != Transport::Tls && !is_loopback {
        let fix = "use tls://, or be sure of the network in between";
        section.warn("address", "goes unencrypted, and anyone in between can read and change events", fix);
    }
}

/// Reads the settings of TLS, which have a meaning over TLS only. `None` where they are at fault.
pub(super) fn tls(section: &Section, transport: Transport) -> Option<TlsSettings> {
    let settings = TlsSettings::read(section)?;
    let given = TlsSettings::KEYS.iter().find(|key| section.has(key));
    if let Some(key) = given.filter(|_| transport != Transport::Tls) {
        section.fault(key, "has a meaning only over TLS", "write a tls:// address, or leave it out");
        return None;
    }
    Some(settings)
}
