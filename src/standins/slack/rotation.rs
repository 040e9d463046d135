//! Token rotation of the app: access tokens that expire, refresh tokens that are good once, and `oauth.v2.access`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::refusal::Refusal;
use crate::domain::Timestamp;
use crate::standins::wire::Arrived;

/// The client id of the app.
pub const CLIENT_ID: &str = "60503450.61416";

/// Its secret.
pub const CLIENT_SECRET: &str = "standin-slack-secret";

/// The tokens of an app with token rotation.
#[derive(Debug)]
pub(super) struct Rotation {
    /// Access tokens and until when each is good, oldest first: at most two.
    good: Vec<(String, Timestamp)>,
    /// Access tokens that were good once, and why each is not any more.
    ended: Vec<(String, &'static str)>,
    /// Refresh tokens that were not used.
    fresh: Vec<String>,
    /// Those that were, and when.
    used: Vec<(String, Timestamp)>,
    lifetime: Duration,
    grace: Duration,
    given: usize,
}

impl Rotation {
    /// Tokens of an app that was given this refresh token.
    pub(super) fn new(first: &str) -> Self {
        Self {
            good: Vec::new(),
            ended: Vec::new(),
            fresh: vec![first.to_owned()],
            used: Vec::new(),
            lifetime: LIFETIME,
            grace: Duration::ZERO,
            given: 0,
        }
    }

    pub(super) fn given(&self) -> usize {
        self.given
    }

    pub(super) fn set_lifetime(&mut self, lifetime: Duration) {
        self.lifetime = lifetime;
    }

    pub(super) fn set_grace(&mut self, grace: Duration) {
        self.grace = grace;
    }

    /// Lets the access tokens that are good expire.
    pub(super) fn expire(&mut self) {
        self.ended.extend(self.good.drain(..).map(|(token, _)| (token, "token_expired")));
    }

    /// Revokes every refresh token.
    pub(super) fn revoke(&mut self) {
        self.fresh.clear();
        self.used.clear();
    }

    /// A refresh token that a person has generated in the settings of the app.
    pub(super) fn generate(&mut self, refresh: &str) {
        self.fresh.push(refresh.to_owned());
    }

    pub(super) fn is_fresh(&self, refresh: &str) -> bool {
        self.fresh.iter().any(|fresh| fresh == refresh)
    }

    /// Whether a request with this token may go on.
    pub(super) fn authorize(&mut self, token: &str, now: Timestamp) -> Result<(), Refusal> {
        let expired = self.good.iter().position(|(good, until)| good == token && *until <= now);
        if let Some(expired) = expired {
            let (token, _) = self.good.remove(expired);
            self.ended.push((token, "token_expired"));
        }
        if self.good.iter().any(|(good, _)| good == token) {
            return Ok(());
        }
        let ended = self.ended.iter().find(|(ended, _)| ended == token);
        Err(ended.map_or(Refusal::new("invalid_auth", "another token"), |(_, error)| {
            Refusal::new(error, "it was good once")
        }))
    }

    /// `oauth.v2.access` for a refresh token.
    pub(super) fn renew(&mut self, request: &Arrived) -> Result<Value, Refusal> {
        let refresh = refresh_token(request)?;
        let now = request.received_at;
        let is_used = |(used, at): &(String, Timestamp)| *used == refresh && now.since(*at) < self.grace;
        match self.fresh.iter().position(|fresh| *fresh == refresh) {
            Some(fresh) => self.used.push((self.fresh.remove(fresh), now)),
            None if self.used.iter().any(is_used) => {}
            None => return Err(Refusal::new("invalid_refresh_token", "it was used before, or is none")),
        }
        self.given += 1;
        let (access, next) = (format!("xoxe.xoxb-1-standin-{}", self.given), format!("xoxe-1-standin-{}", self.given));
        self.good.push((access.clone(), now.plus(self.lifetime)));
        // "If more than 2 tokens exist after the refresh, the oldest additional token will be revoked."
        while self.good.len() > 2 {
            let (oldest, _) = self.good.remove(0);
            self.ended.push((oldest, "token_revoked"));
        }
        self.fresh.push(next.clone());
        Ok(json!({
            "access_token": access, "expires_in": self.lifetime.as_secs(), "refresh_token": next, "token_type": "bot",
            "scope": "chat:write,channels:history", "bot_user_id": "U0STANDIN", "app_id": "A0STANDIN",
            "team": {"name": "stand-in", "id": "T0STANDIN"}, "enterprise": null,
        }))
    }
}

/// The refresh token of a good request.
fn refresh_token(request: &Arrived) -> Result<String, Refusal> {
    if request.media_type() != "application/x-www-form-urlencoded" {
        return Err(Refusal::new("invalid_post_type", "not a form"));
    }
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let form: BTreeMap<&str, &str> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let is_known = |name: &&str| ["grant_type", "client_id", "client_secret", "refresh_token"].contains(name);
    let is_bare = request.headers.only("authorization").is_none() && request.query.is_empty();
    if form.len() != pairs.len() || !form.keys().all(is_known) || !is_bare {
        return Err(Refusal::new("invalid_arguments", "more than a renewal has"));
    }
    let is = |name: &str, value: &str| form.get(name) == Some(&value);
    if !is("grant_type", "refresh_token") {
        return Err(Refusal::new("invalid_grant_type", "only refresh_token"));
    }
    if !is("client_id", CLIENT_ID) {
        return Err(Refusal::new("invalid_client_id", "another app"));
    }
    if !is("client_secret", CLIENT_SECRET) {
        return Err(Refusal::new("bad_client_secret", "another secret"));
    }
    form.get("refresh_token")
        .map(|token| (*token).to_owned())
        .ok_or_else(|| Refusal::new("invalid_refresh_token", "none"))
}

/// What Slack gives.
const LIFETIME: Duration = Duration::from_secs(43_200);
