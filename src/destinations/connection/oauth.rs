//! The setting `oauth`: access tokens by the grant of client credentials (RFC 6749, 4.4) instead of credentials of the
//! destination's own.

use url::Url;

use super::super::base;
use crate::domain::Secret;
use crate::settings::Section;

/// Where a destination's access tokens come from.
#[derive(Debug)]
pub struct OAuth {
    /// The token endpoint.
    pub token_url: Url,
    /// The client's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// What the token is for, where the endpoint wants to be told.
    pub scope: Option<String>,
}

impl OAuth {
    /// The setting that this reads.
    pub const KEY: &'static str = "oauth";

    /// Reads it; `None` where it is absent or at fault. Without `token_url` the endpoint is `default_path` below the
    /// destination's base.
    pub(super) fn read(section: &Section, default_path: Option<&str>) -> Option<Self> {
        let own = section.section(Self::KEY)?;
        let token_url = match default_path {
            _ if own.has("token_url") => own.url("token_url"),
            Some(path) => base::setting(section, None).map(|base| base::join(&base, path)),
            None => {
                own.required_text("token_url");
                None
            }
        };
        let client_id = own.required_text("client_id");
        let client_secret = own.required_secret("client_secret");
        let scope = if own.has("scope") { own.required_text("scope").map(Some) } else { Some(None) };
        own.finish();
        Some(Self { token_url: token_url?, client_id: client_id?, client_secret: client_secret?, scope: scope? })
    }
}
