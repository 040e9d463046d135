//! The proxy of a destination: the settings `proxy` and `proxy_password`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use crate::destinations::userinfo;
use crate::domain::Secret;
use crate::settings::Section;

/// A proxy that is spoken to in plain HTTP.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The value of `Proxy-Authorization`, where it wants to know who we are.
    pub authorization: Option<Secret>,
}

impl Proxy {
    /// The settings that this reads.
    pub const KEYS: &[&'static str] = &["proxy", "proxy_password"];

    /// Says that messages of this protocol do not go through a proxy, where one is set.
    pub fn refuse(section: &Section, protocol: &str) {
        for key in Self::KEYS.iter().filter(|key| section.has(key)) {
            let message = format!("is for destinations that speak HTTP; {protocol} does not go through an HTTP proxy");
            let fix = "leave it out, and name a host that this machine reaches, such as a relay in its own network";
            section.fault(key, &message, fix);
        }
    }

    /// Reads them: `Some(None)` where none is set, `None` where one is at fault.
    pub(super) fn read(section: &Section) -> Option<Option<Self>> {
        let password = section.secret("proxy_password");
        if !section.has("proxy") {
            if section.has("proxy_password") {
                section.fault("proxy_password", "stands without 'proxy'", "add proxy = \"http://USER@HOST:3128\"");
                return None;
            }
            return Some(None);
        }
        let (url, user) = address(section)?;
        if password.is_none() && section.has("proxy_password") {
            return None;
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let authorization = authorization(section, user, password, &url)?;
        Some(Some(Self { host, port: url.port_or_known_default().unwrap_or(80), authorization }))
    }
}

fn address(section: &Section) -> Option<(Url, Option<String>)> {
    let text = section.required_text("proxy")?;
    let fault = |message: &str, fix: &str| {
        section.fault("proxy", message, fix);
        None
    };
    let Ok(url) = Url::parse(text.trim()) else { return fault("is not a URL", EXAMPLE) };
    if url.scheme() != "http" {
        let fix =
            "write http://HOST:PORT: to the proxy plain HTTP is spoken, and TLS with the destination goes through it";
        return fault("is no proxy that is reached by http", fix);
    }
    if url.password().is_some() {
        return fault("holds a password", "set it as proxy_password = { env = \"NAME\" }");
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return fault("has something after the port", "end it after the port");
    }
    let user = userinfo::user(section, "proxy", url.username())?;
    Some((url, user))
}

/// The value of the header (RFC 7617): `Some(None)` where neither user nor password is set.
fn authorization(
    section: &Section,
    user: Option<String>,
    password: Option<Secret>,
    url: &Url,
) -> Option<Option<Secret>> {
    let (user, password) = match (user, password) {
        (None, None) => return Some(None),
        (Some(user), Some(password)) => (user, password),
        (Some(_), None) => {
            let fix = "add proxy_password = { env = \"NAME\" }";
            section.fault("proxy_password", "is missing, and `proxy` names a user", fix);
            return None;
        }
        (None, Some(_)) => {
            section.fault("proxy", "names no user, and there is a password", "write http://USER@HOST:PORT");
            return None;
        }
    };
    if user.contains(':') {
        section.fault("proxy", "has a user with a colon, which no login can carry", "write another user");
        return None;
    }
    if password.expose().iter().any(u8::is_ascii_control) {
        section.fault("proxy_password", "holds characters that no login can carry", "set the password alone");
        return None;
    }
    let is_loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if !is_loopback {
        let fix = "be sure of the network in between, or let the proxy know this machine by its address";
        section.warn("proxy_password", "goes to the proxy unencrypted", fix);
    }
    let pair = Secret::new([user.as_bytes(), b":", password.expose()].concat());
    Some(Some(Secret::new(format!("Basic {}", STANDARD.encode(pair.expose())))))
}

const EXAMPLE: &str = "write it like http://proxy.example.com:3128";
