//! The settings `refresh_token`, `client_id` and `client_secret`: access tokens that expire, each of which comes with the refresh
//! token for the next (RFC 6749, 6). `refresh_token` is the first of them; the later ones are kept in the store.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use url::Url;

use super::super::base;
use super::super::message::{HttpReply, HttpRequest, Method};
use crate::domain::{ChainId, Secret};
use crate::settings::Section;

/// Where a destination's access tokens come from.
#[derive(Debug)]
pub struct Rotating {
    /// The name of the destination, for what is said about it.
    pub destination: String,
    /// Where tokens are renewed.
    pub token_url: Url,
    /// The client's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// The refresh token that the operator has set.
    pub first: Secret,
    /// How the vendor answers.
    pub dialect: &'static dyn RotationDialect,
}

/// How one vendor's answers about tokens are read. Pure.
pub trait RotationDialect: Debug + Send + Sync {
    /// The base of the API unless another is set.
    fn base(&self) -> &'static str;

    /// Where below the base tokens are renewed.
    fn token_path(&self) -> &'static str;

    /// Whether it can be a refresh token; why not, and what to do, is recorded in the section.
    fn check(&self, section: &Section, refresh: &Secret) -> bool;

    /// Whether the answer to a request says that its access token is not accepted any more. Nothing was taken then.
    fn is_refused(&self, reply: &HttpReply) -> bool;

    /// What the answer to a renewal means. What it says holds no secret.
    fn read(&self, reply: &HttpReply) -> Renewed;
}

/// What the answer to a renewal means.
#[derive(Debug)]
pub enum Renewed {
    /// There are new tokens, and the refresh token is used up.
    Tokens {
        /// For requests.
        access: Secret,
        /// For the next renewal.
        refresh: Secret,
        /// How long the access token is good.
        lifetime: Duration,
    },
    /// The operator must act.
    Refused(String),
    /// Nothing was done, and it is tried again later.
    Away(String),
    /// The refresh token may have been used up. Vendors take it for a short time more, so it is tried again at once.
    Doubtful(String),
}

impl Rotating {
    /// The settings that this reads.
    pub const KEYS: &'static [&'static str] = &["refresh_token", "client_id", "client_secret"];

    /// Reads them; `None` where one is absent or at fault.
    pub(super) fn read(section: &Section, dialect: &'static dyn RotationDialect) -> Option<Self> {
        let base = base::setting(section, Some(dialect.base()));
        let first = Self::credential(section, "refresh_token");
        let client_id = section.required_text("client_id");
        let client_secret = Self::credential(section, "client_secret");
        let first = first.filter(|first| dialect.check(section, first));
        Some(Self {
            destination: section.name().to_owned(),
            token_url: base::join(&base?, dialect.token_path()),
            client_id: client_id?,
            client_secret: client_secret?,
            first: first?,
            dialect,
        })
    }

    fn credential(section: &Section, key: &'static str) -> Option<Secret> {
        let credential = section.required_secret(key)?;
        if credential.is_empty() || !credential.expose().iter().all(u8::is_ascii_graphic) {
            section.fault(key, "is empty or holds characters that no token has", "copy it anew");
            return None;
        }
        Some(credential)
    }

    /// What stands for the tokens, in the store.
    pub fn chain(&self) -> ChainId {
        ChainId::of(&self.first)
    }

    /// Asks for new tokens.
    pub fn renewal(&self, refresh: &Secret) -> HttpRequest {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token")
            .append_pair("client_id", &self.client_id)
            .append_pair("client_secret", self.client_secret.expose_str().unwrap_or_default())
            .append_pair("refresh_token", refresh.expose_str().unwrap_or_default());
        let request = HttpRequest {
            method: Method::Post,
            url: self.token_url.clone(),
            headers: Vec::new(),
            content_type: "application/x-www-form-urlencoded",
            body: Bytes::from(form.finish()),
        };
        request.header("Accept", Secret::new("application/json"))
    }
}
