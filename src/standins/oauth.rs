//! A stand-in of a token endpoint: OAuth 2.0, client credentials (RFC 6749, 4.4).
//!
//! It takes the client's id and secret in the body, and refuses everything that the grant does not have.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::terminal::Card;
use super::wire::{Answer, Arrived};
use super::{Service, StandIn};

/// The client that the stand-in knows.
pub const CLIENT_ID: &str = "gatepost-client";

/// Its secret.
pub const CLIENT_SECRET: &str = "standin-client-secret/+&=";

/// The only scope that it gives tokens for, beside none.
pub const SCOPE: &str = "alerts.write incidents.read";

/// Starts a stand-in on a free port of 127.0.0.1.
///
/// # Errors
/// Where no port can be bound or no thread can be started.
pub async fn start() -> std::io::Result<StandIn<TokenEndpoint>> {
    StandIn::start(TokenEndpoint { given: Vec::new(), next: Vec::new(), lifetime: Some(3600), answer: None }, 0).await
}

impl StandIn<TokenEndpoint> {
    /// The value of `token_url`.
    pub fn url(&self) -> String {
        format!("{}{PATH}", self.base_url())
    }

    /// Gives this token next, instead of one of its own.
    pub fn issue(&self, token: &str) {
        self.shared.service().next.push(token.to_owned());
    }

    /// How long tokens live from now on, in seconds; `None` is not said.
    pub fn set_lifetime(&self, seconds: Option<u64>) {
        self.shared.service().lifetime = seconds;
    }

    /// Answers every good request so from now on: the status and the document.
    pub fn answer_with(&self, answer: Option<(u16, &'static str)>) {
        self.shared.service().answer = answer;
    }

    /// The tokens that were given, oldest first.
    pub fn given(&self) -> Vec<String> {
        self.shared.service().given.clone()
    }
}

/// The state of the stand-in.
#[derive(Debug)]
pub struct TokenEndpoint {
    given: Vec<String>,
    next: Vec<String>,
    lifetime: Option<u64>,
    answer: Option<(u16, &'static str)>,
}

impl TokenEndpoint {
    fn token(&mut self, request: &Arrived) -> Answer {
        if request.media_type() != "application/x-www-form-urlencoded" || !request.query.is_empty() {
            return error(400, "invalid_request", "the parameters are not in a form");
        }
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        let form: BTreeMap<&str, &str> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let is_known = |name: &&str| ["grant_type", "client_id", "client_secret", "scope"].contains(name);
        // RFC 6749, 3.2: no parameter more than once.
        if form.len() != pairs.len() || !form.keys().all(is_known) || request.headers.only("authorization").is_some() {
            return error(400, "invalid_request", "more than the grant has");
        }
        if form.get("grant_type") != Some(&"client_credentials") {
            return error(400, "unsupported_grant_type", "only client_credentials");
        }
        if form.get("client_id") != Some(&CLIENT_ID) || form.get("client_secret") != Some(&CLIENT_SECRET) {
            let secret = form.get("client_secret").unwrap_or(&"");
            return error(401, "invalid_client", &format!("no client has the secret {secret}"));
        }
        if form.get("scope").is_some_and(|scope| *scope != SCOPE) {
            return error(400, "invalid_scope", "the client may not have it");
        }
        if let Some((status, body)) = self.answer {
            return Answer::text(status, body);
        }
        let token =
            if self.next.is_empty() { format!("standin-token-{}", self.given.len() + 1) } else { self.next.remove(0) };
        self.given.push(token.clone());
        let mut document = json!({ "access_token": token, "token_type": "bearer" });
        if let Some(seconds) = self.lifetime {
            document["expires_in"] = json!(seconds);
        }
        Answer::json(200, &document).header("Cache-Control", "no-store")
    }
}

impl Service for TokenEndpoint {
    const NAME: &'static str = "Token endpoint";

    fn answer(&mut self, request: &Arrived) -> Answer {
        match (request.path.as_str(), request.method.as_str()) {
            (PATH, "POST") => self.token(request),
            (PATH, _) => Answer::text(405, "").header("Allow", "POST"),
            _ => Answer::text(404, ""),
        }
    }

    fn refuse_credentials(&self, _request: &Arrived) -> Answer {
        error(401, "invalid_client", "no such client")
    }

    fn throttle(&self, _request: &Arrived, retry_after: Option<Duration>) -> Answer {
        error(429, "temporarily_unavailable", "too many requests").retry_after(retry_after)
    }

    fn effects(&self) -> usize {
        self.given.len()
    }

    fn mentions(&self, text: &str) -> usize {
        self.given.iter().filter(|token| token.contains(text)).count()
    }

    fn cards(&self) -> Vec<Card> {
        Vec::new()
    }
}

fn error(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(status, &json!({ "error": error, "error_description": description }))
}

const PATH: &str = "/oauth_token.do";
