//! How the requests of a destination travel: the settings that are the same at every destination of HTTP.
//!
//! [`Kind::receiver`](super::Kind::receiver) reads them beside the settings of the kind itself, which knows nothing of them:
//! [`Connected`](super::connected::Connected) puts them to every request of the destination, and `egress::http` obeys them.

use std::sync::Arc;

use super::tls::TlsSettings;
use crate::settings::Section;

/// How the requests of a destination travel. The default is what a destination has that sets nothing of it.
#[derive(Debug, Default)]
pub struct Connection {
    /// Whom it trusts, and what it shows of itself.
    pub tls: TlsSettings,
}

/// What carries the messages of a kind of destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// HTTP: it takes the settings of a [`Connection`].
    Http,
    /// Something else, which has settings of its own.
    Own,
}

impl Carrier {
    /// The settings that a kind has beside its own, as JSON: name -> JSON Schema.
    pub fn schema(self) -> &'static str {
        match self {
            Self::Http => HTTP_SCHEMA,
            Self::Own => "{}",
        }
    }

    /// Reads those settings: `Some(None)` where none is set, `None` where one is at fault.
    pub(super) fn read(self, section: &Section) -> Option<Option<Arc<Connection>>> {
        if self == Self::Own {
            return Some(None);
        }
        let tls = TlsSettings::read(section);
        warn_of_plain_http(section);
        let connection = Connection { tls: tls? };
        let is_set = KEYS.iter().any(|key| section.has(key));
        Some(is_set.then(|| Arc::new(connection)))
    }
}

/// What is set for TLS has no effect on plain http.
fn warn_of_plain_http(section: &Section) {
    let is_plain = |key| section.has(key) && section.text(key).is_some_and(|url| url.trim().starts_with("http://"));
    if !["url", "api_url"].into_iter().any(is_plain) {
        return;
    }
    for key in TlsSettings::KEYS.iter().filter(|key| section.has(key)) {
        section.warn(key, "has no effect over plain http", "use https, or leave it out");
    }
}

const KEYS: &[&str] = TlsSettings::KEYS;

const HTTP_SCHEMA: &str = r##"{
  "ca_file": {"type": "string", "description": "PEM certificates of the authorities to trust instead of the system's"},
  "client_cert": {"type": "string", "description": "A PEM file with the certificate that gatepost shows, then those between it and an authority"},
  "client_key": {"description": "The key of client_cert in PEM: a file, or a secret",
    "oneOf": [{"type": "string"}, {"$ref": "#/$defs/secret"}]}
}"##;

#[cfg(test)]
mod tests;
