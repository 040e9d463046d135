//! The mail server, from the setting `smtp` and what belongs to it.

use rustls::pki_types::ServerName;
use url::Url;

use crate::destinations::connection::Proxy;
use crate::destinations::{MailLogin, MailSecurity, MailServer, TlsSettings, userinfo};
use crate::settings::Section;

/// Reads `smtp`, `password` and the settings of TLS; `hello` is the name that gatepost gives itself.
pub fn read(section: &Section, hello: &str) -> Option<MailServer> {
    let address = section.required_text("smtp").and_then(|text| address(section, &text));
    let password = section.secret("password");
    let tls = TlsSettings::read(section);
    Proxy::refuse(section, "SMTP");
    let Address { host, port, security, user } = address?;
    let login = match (user, password) {
        (Some(user), Some(password)) => {
            if password.expose().iter().any(|byte| matches!(byte, b'\0' | b'\r' | b'\n')) {
                section.fault("password", "holds characters that no login can carry", "set the password alone");
                return None;
            }
            Some(MailLogin { user, password })
        }
        (Some(_), None) if section.has("password") => return None,
        (Some(_), None) => {
            section.fault("password", "is missing, and `smtp` names a user", "add password = { env = \"NAME\" }");
            return None;
        }
        (None, Some(_)) => {
            section.fault("smtp", "names no user, and there is a password", "write smtps://USER@HOST");
            return None;
        }
        (None, None) => None,
    };
    Some(MailServer { host, port, security, login, hello: hello.to_owned(), tls: tls? })
}

struct Address {
    host: String,
    port: u16,
    security: MailSecurity,
    user: Option<String>,
}

fn address(section: &Section, text: &str) -> Option<Address> {
    let fault = |message: &str, fix: &str| section.fault("smtp", message, fix);
    let Ok(url) = Url::parse(text.trim()) else {
        fault("is not a URL", "write it like smtps://user@smtp.example.com:465");
        return None;
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
    let is_tls = match url.scheme() {
        "smtps" => true,
        "smtp" => false,
        _ => {
            fault("is neither smtp nor smtps", "write smtps://HOST:465, or smtp://HOST:587 for STARTTLS");
            return None;
        }
    };
    if ServerName::try_from(host.as_str()).is_err() {
        fault("has no host", "write it like smtps://user@smtp.example.com:465");
        return None;
    }
    if url.password().is_some() {
        fault("holds a password", "set it as password = { env = \"NAME\" }");
        return None;
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        fault("has something after the port", "end it after the port");
        return None;
    }
    if host == EXAMPLE_HOST {
        section.warn("smtp", "still has the host of the example", "write the address of your own mail server");
    }
    let security = match (is_tls, is_loopback(&host)) {
        (true, _) => MailSecurity::Tls,
        (false, false) => MailSecurity::StartTls,
        (false, true) => MailSecurity::PlainOnLoopback,
    };
    let port = url.port().unwrap_or(match security {
        MailSecurity::Tls => 465,
        MailSecurity::StartTls => 587,
        MailSecurity::PlainOnLoopback => 25,
    });
    Some(Address { host, port, security, user: userinfo::user(section, "smtp", url.username())? })
}

/// By its name or its address as they are written; what a name resolves to is checked when it is connected to.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

const EXAMPLE_HOST: &str = "smtp.example.com";
