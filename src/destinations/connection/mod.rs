//! How the requests of a destination travel: the settings that are the same at every destination of HTTP.
//!
//! [`Kind::receiver`](super::Kind::receiver) reads them beside the settings of the kind itself, which knows nothing of them:
//! [`Connected`](super::connected::Connected) puts them to every request of the destination, and `egress::http` obeys them.

mod oauth;
mod proxy;
mod rotating;

pub use oauth::OAuth;
pub use proxy::Proxy;
pub use rotating::{Renewed, Rotating, RotationDialect};

use std::sync::Arc;

use super::tls::TlsSettings;
use crate::settings::Section;

/// How the requests of a destination travel. The default is what a destination has that sets nothing of it.
#[derive(Debug, Default)]
pub struct Connection {
    /// What it trusts, and what it shows of itself.
    pub tls: TlsSettings,
    /// What it goes through; `None`: nothing, whatever the environment says.
    pub proxy: Option<Proxy>,
    /// Where its access tokens come from, where it has no other credentials.
    pub grant: Option<Grant>,
}

/// Where access tokens come from.
#[derive(Debug)]
pub enum Grant {
    /// The client's own credentials.
    ClientCredentials(OAuth),
    /// A refresh token, another one each time.
    RefreshToken(Rotating),
}

/// What carries the messages of a kind of destination.
#[derive(Clone, Copy, Debug)]
pub enum Carrier {
    /// HTTP: it takes the settings of a [`Connection`], but for those of a [`Grant`].
    Http,
    /// HTTP: it takes `oauth` too, and sends no credentials of its own then.
    HttpOrOAuth {
        /// Where below the destination's base the token endpoint is unless `token_url` is set; `None`: nowhere.
        token_path: Option<&'static str>,
    },
    /// HTTP: it takes `refresh_token` too, and sends no credentials of its own then.
    HttpOrRotation(&'static dyn RotationDialect),
    /// Something else, which has settings of its own.
    Own,
}

/// The settings of every destination of HTTP, without the braces.
macro_rules! http_schema {
    () => {
        r##"
  "ca_file": {"type": "string", "description": "PEM certificates of the authorities to trust instead of the system's"},
  "client_cert": {"type": "string", "description": "A PEM file with the certificate that gatepost shows, then those between it and an authority"},
  "client_key": {"description": "The key of client_cert in PEM: a file, or a secret",
    "oneOf": [{"type": "string"}, {"$ref": "#/$defs/secret"}]},
  "proxy": {"type": "string", "description": "An HTTP proxy, http://HOST:PORT or http://USER@HOST:PORT", "pattern": "^http://"},
  "proxy_password": {"$ref": "#/$defs/secret", "description": "The password of the user in proxy"}"##
    };
}

/// The setting `oauth`.
macro_rules! oauth_schema {
    () => {
        r##"
  "oauth": {"type": "object", "description": "OAuth client credentials, instead of others", "additionalProperties": false,
    "required": ["client_id", "client_secret"], "properties": {
      "token_url": {"type": "string", "description": "The token endpoint", "format": "uri"},
      "client_id": {"type": "string", "description": "The client's id"},
      "client_secret": {"$ref": "#/$defs/secret", "description": "The client's secret"},
      "scope": {"type": "string", "description": "What the token is for"}}}"##
    };
}

/// The settings of a token that is renewed.
macro_rules! rotation_schema {
    () => {
        r##"
  "refresh_token": {"$ref": "#/$defs/secret", "description": "The first refresh token of an app with token rotation, instead of token"},
  "client_id": {"type": "string", "description": "The app's client id, with refresh_token"},
  "client_secret": {"$ref": "#/$defs/secret", "description": "The app's client secret, with refresh_token"}"##
    };
}

impl Carrier {
    /// The settings that a kind has beside its own, as JSON: name -> JSON Schema.
    pub fn schema(self) -> &'static str {
        match self {
            Self::Http => concat!("{", http_schema!(), "}"),
            Self::HttpOrOAuth { .. } => concat!("{", http_schema!(), ",", oauth_schema!(), "}"),
            Self::HttpOrRotation(_) => concat!("{", http_schema!(), ",", rotation_schema!(), "}"),
            Self::Own => "{}",
        }
    }

    /// Reads those settings: `Some(None)` where none is set, `None` where one is at fault.
    pub(super) fn read(self, section: &Section) -> Option<Option<Arc<Connection>>> {
        let grant = match self {
            Self::Own => return Some(None),
            Self::HttpOrOAuth { token_path } if section.has(OAuth::KEY) => {
                OAuth::read(section, token_path).map(|oauth| Some(Grant::ClientCredentials(oauth)))
            }
            Self::HttpOrRotation(dialect) if Rotating::KEYS.iter().any(|key| section.has(key)) => {
                Rotating::read(section, dialect).map(|rotating| Some(Grant::RefreshToken(rotating)))
            }
            Self::Http | Self::HttpOrOAuth { .. } | Self::HttpOrRotation(_) => Some(None),
        };
        let tls = TlsSettings::read(section);
        let proxy = Proxy::read(section);
        warn_of_plain_http(section);
        let connection = Connection { tls: tls?, proxy: proxy?, grant: grant? };
        let is_set =
            TlsSettings::KEYS.iter().chain(Proxy::KEYS).any(|key| section.has(key)) || connection.grant.is_some();
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

#[cfg(test)]
mod tests;
