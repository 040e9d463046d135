//! Access tokens for the credentials of a client (RFC 6749, 4.4): kept in memory until shortly before they expire.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::super::peer::Peer;
use super::super::way::Way;
use super::ready::{Failure, Ready};
use crate::destinations::{HttpReply, HttpRequest, Method, OAuth, Reply};
use crate::domain::Secret;

/// The tokens of one destination.
#[derive(Debug, Default)]
pub struct ClientCredentials(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    token: Option<Token>,
    /// The last failure, for those that waited for it.
    failed: Option<(Instant, Failure)>,
}

#[derive(Clone, Debug)]
struct Token {
    value: Secret,
    /// From then on another one is fetched.
    renewed_at: Instant,
}

impl ClientCredentials {
    /// A token that is good as far as is known, and another than `refused`.
    pub async fn ready(&self, way: &Way, oauth: &OAuth, refused: Option<&Secret>) -> Result<Ready, Failure> {
        let asked = Instant::now();
        let mut kept = self.0.lock().await;
        let is_good = |token: &&Token| {
            let is_refused = refused.is_some_and(|refused| refused.ct_eq(&token.value));
            !is_refused && Instant::now() < token.renewed_at
        };
        if let Some(token) = kept.token.as_ref().filter(is_good) {
            return Ok(Ready { token: token.value.clone(), is_new: false });
        }
        if let Some((_, failure)) = kept.failed.as_ref().filter(|(at, _)| *at >= asked) {
            return Err(failure.clone());
        }
        kept.token = None;
        match fetch(way, oauth).await {
            Ok(token) => {
                let ready = Ready { token: token.value.clone(), is_new: true };
                kept.token = Some(token);
                Ok(ready)
            }
            Err(failure) => {
                kept.failed = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }
}

async fn fetch(way: &Way, oauth: &OAuth) -> Result<Token, Failure> {
    let asked = Instant::now();
    let endpoint = Endpoint { oauth, name: Peer::of(&oauth.token_url).name().to_owned() };
    match timeout(FETCH_TIMEOUT, way.exchange(&token_request(oauth))).await {
        Ok(Reply::Http(answer)) => endpoint.token(&answer, asked),
        // Both name the endpoint's host.
        Ok(Reply::Failed(fault)) => Err(Failure::Away(format!("no access token: {}", fault.detail))),
        Ok(Reply::NotSent(why)) => Err(Failure::Refused(format!("no access token: {why}"))),
        Ok(Reply::Appended | Reply::Mailed(_) | Reply::Written) => Err(endpoint.away("gave another kind of answer")),
        Err(_) => Err(endpoint.away("gave no answer within 5 s")),
    }
}

/// RFC 6749, 4.4.2, with the client's id and secret in the body (2.3.1), as ServiceNow wants them.
fn token_request(oauth: &OAuth) -> HttpRequest {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &oauth.client_id)
        .append_pair("client_secret", oauth.client_secret.expose_str().unwrap_or_default());
    if let Some(scope) = &oauth.scope {
        form.append_pair("scope", scope);
    }
    let request = HttpRequest {
        method: Method::Post,
        url: oauth.token_url.clone(),
        headers: Vec::new(),
        content_type: "application/x-www-form-urlencoded",
        body: Bytes::from(form.finish()),
    };
    request.header("Accept", Secret::new("application/json"))
}

/// What the token endpoint answered.
struct Endpoint<'o> {
    oauth: &'o OAuth,
    /// Host and port.
    name: String,
}

impl Endpoint<'_> {
    fn token(&self, answer: &HttpReply, asked: Instant) -> Result<Token, Failure> {
        match answer.status {
            200..300 => self.read(answer, asked).ok_or_else(|| {
                self.refused(&format!("answered {} without an access token: correct `token_url`", answer.status))
            }),
            300..400 => Err(self.refused(&format!(
                "answered {}, a redirect, and redirects are not followed: set `token_url` to its final address",
                answer.status
            ))),
            407 => Err(self.refused("is behind a proxy that wants credentials (407): set `proxy`")),
            408 | 425 | 429 | 500.. => Err(self.away(&format!("answered {}", answer.status))),
            _ => Err(self.error(answer)),
        }
    }

    /// RFC 6749, 5.1.
    fn read(&self, answer: &HttpReply, asked: Instant) -> Option<Token> {
        let document = document(answer)?;
        let is_bearer = document["token_type"].as_str().is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
        let value = document["access_token"].as_str().filter(|token| is_bearer && is_token(token))?;
        let lifetime = lifetime(&document["expires_in"]);
        // Counted from the question, because the time of the answer's way is not known.
        Some(Token { value: Secret::new(value), renewed_at: asked + lifetime.saturating_sub(margin(lifetime)) })
    }

    /// RFC 6749, 5.2. Some endpoints use other words, or other statuses for them.
    fn error(&self, answer: &HttpReply) -> Failure {
        let document = document(answer).unwrap_or_default();
        let word = document["error"].as_str().unwrap_or_default();
        let fix = match (word, answer.status) {
            ("temporarily_unavailable", _) => return self.away(&format!("answered {} {word}", answer.status)),
            ("invalid_client" | "unauthorized_client", _) => CREDENTIALS,
            ("invalid_scope", _) => "correct `scope`",
            ("unsupported_grant_type" | "invalid_grant", _) => "allow the client the grant of client credentials there",
            (_, 404 | 405 | 410) => "correct `token_url`",
            _ => CREDENTIALS,
        };
        let said = self.quote(word, document["error_description"].as_str());
        self.refused(&format!("gives no token ({}{said}): {fix}", answer.status))
    }

    /// What the endpoint said, without the secret, which some repeat. Control characters are replaced where it is shown.
    fn quote(&self, word: &str, description: Option<&str>) -> String {
        let said = [Some(word), description].into_iter().flatten().filter(|text| !text.is_empty());
        let said: String = said.map(|text| format!(" {text}")).collect();
        let secret = self.oauth.client_secret.expose_str().unwrap_or_default();
        let said = if secret.is_empty() { said } else { said.replace(secret, "[secret]") };
        said.chars().take(QUOTE_CHARS_MAX).collect()
    }

    fn refused(&self, what: &str) -> Failure {
        Failure::Refused(self.says(what))
    }

    fn away(&self, what: &str) -> Failure {
        Failure::Away(self.says(what))
    }

    fn says(&self, what: &str) -> String {
        format!("no access token: the token endpoint {} {what}", self.name)
    }
}

fn document(answer: &HttpReply) -> Option<Value> {
    if answer.truncated { None } else { serde_json::from_slice(&answer.body).ok() }
}

/// What can stand in a header (RFC 6750, 2.1).
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= TOKEN_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A number of seconds, which some endpoints write as a text. Without one the token is kept for a while, and renewed when the
/// destination does not accept it any more.
fn lifetime(expires_in: &Value) -> Duration {
    let seconds = expires_in.as_u64().or_else(|| expires_in.as_str()?.parse().ok());
    seconds.map_or(LIFETIME_UNKNOWN, Duration::from_secs).min(LIFETIME_MAX)
}

/// How long before its end a token is renewed: a request must arrive with it.
fn margin(lifetime: Duration) -> Duration {
    MARGIN.min(lifetime / 2)
}

const CREDENTIALS: &str = "correct `client_id` and `client_secret`";
/// Beside the ten seconds of the request itself there is room for it in a try.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
const MARGIN: Duration = Duration::from_secs(60);
const LIFETIME_UNKNOWN: Duration = Duration::from_secs(600);
/// Longer ones are renewed all the same.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);
/// Those that hold claims are some kilobytes long.
const TOKEN_BYTES_MAX: usize = 16 << 10;
const QUOTE_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests;
