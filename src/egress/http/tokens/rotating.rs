//! Access tokens that are renewed with a refresh token that is good once (RFC 6749, 6).
//!
//! The newest refresh token is written before anything goes out with the access token that came with it. A renewal is a task of its
//! own, so that a request that is given up does not take an answer with it that used up a refresh token. After a lost answer the same
//! refresh token is tried again at once: vendors take it for a short time more.
//!
//! A token is renewed long before it expires. While that fails the present one is used, so that a fault where tokens are renewed
//! delays nothing at first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, sleep, timeout};

use super::super::super::token_keeper::{KeepError, TokenKeeper};
use super::super::way::Way;
use super::ready::{Failure, Ready};
use crate::destinations::{Connection, Grant, Renewed, Reply, Rotating};
use crate::domain::{AccessToken, ChainId, Renewal, Secret, Timestamp, TokenPair, TokenQuery, TokenState};

/// All chains of refresh tokens. Destinations with the same one share it, also over a reload.
#[derive(Clone, Debug)]
pub struct Chains {
    keeper: Arc<dyn TokenKeeper>,
    known: Arc<Mutex<HashMap<ChainId, Arc<Chain>>>>,
}

impl Chains {
    /// Chains whose tokens are kept there.
    pub fn new(keeper: Arc<dyn TokenKeeper>) -> Self {
        Self { keeper, known: Arc::default() }
    }

    /// The chain, which is made where it is not known yet.
    pub fn find(&self, id: ChainId) -> Arc<Chain> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(Chain { keeper: Arc::clone(&self.keeper), state: Arc::default() });
        Arc::clone(known.entry(id).or_insert_with(make))
    }

    /// Waits for the renewals that are under way, so that what they give is written, but not for long.
    pub async fn settle(&self) {
        let known: Vec<Arc<Chain>> =
            self.known.lock().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect();
        let all = async {
            for chain in known {
                // What cannot be written now has been logged.
                chain.state.lock().await.keep(chain.keeper.as_ref()).await;
            }
        };
        if timeout(SETTLE_TIMEOUT, all).await.is_err() {
            tracing::warn!("an access token was still being renewed at the end of the time to stop");
        }
    }
}

/// The tokens that a chain has now.
#[derive(Debug)]
pub struct Chain {
    keeper: Arc<dyn TokenKeeper>,
    /// Held during a renewal, so that there is one at a time.
    state: Arc<tokio::sync::Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<AccessToken>,
    /// What a renewal gave and could not be written yet.
    unkept: Option<(Renewal, TokenPair)>,
    /// The last failure, for those that waited for it.
    failed: Option<(Instant, Failure)>,
    /// Until then the present token is used until it expires.
    paused_until: Option<Instant>,
}

impl Chain {
    /// A token that is good as far as is known, and another than `refused`.
    pub async fn ready(
        &self,
        way: &Arc<Way>,
        connection: &Arc<Connection>,
        refused: Option<&Secret>,
    ) -> Result<Ready, Failure> {
        let asked = Instant::now();
        let state = Arc::clone(&self.state).lock_owned().await;
        if let Some(token) = state.good(self.keeper.now(), refused) {
            return Ok(Ready { token: token.value.clone(), is_new: false });
        }
        if let Some((_, failure)) = state.failed.as_ref().filter(|(at, _)| *at >= asked) {
            return Err(failure.clone());
        }
        let renewing = Renewing {
            state,
            keeper: Arc::clone(&self.keeper),
            way: Arc::clone(way),
            connection: Arc::clone(connection),
            refused: refused.cloned(),
        };
        let renewed = tokio::spawn(renewing.run()).await;
        renewed.unwrap_or_else(|_| Err(Failure::Away("no access token: renewing it failed within gatepost".to_owned())))
    }
}

impl State {
    fn good(&self, now: Timestamp, refused: Option<&Secret>) -> Option<&AccessToken> {
        let is_paused = self.paused_until.is_some_and(|until| Instant::now() < until);
        let until = |token: &AccessToken| if is_paused { token.expires_at } else { token.renew_at };
        let is_refused = |token: &AccessToken| refused.is_some_and(|refused| refused.ct_eq(&token.value));
        self.current.as_ref().filter(|token| now < until(token) && !is_refused(token))
    }

    /// Writes what is not written yet. Whether nothing is left to be written.
    async fn keep(&mut self, keeper: &dyn TokenKeeper) -> bool {
        let Some((renewal, tokens)) = self.unkept.take() else { return true };
        match keeper.keep(&renewal, &tokens).await {
            Ok(()) => tracing::info!("a new refresh token has been written after all"),
            // Both were given for the same refresh token, and the other one is kept.
            Err(KeepError::Superseded) => {}
            Err(KeepError::Fault(_)) => {
                self.unkept = Some((renewal, tokens));
                return false;
            }
            Err(KeepError::Stopped) => {}
        }
        true
    }
}

/// One renewal, with the chain for itself.
struct Renewing {
    state: OwnedMutexGuard<State>,
    keeper: Arc<dyn TokenKeeper>,
    way: Arc<Way>,
    connection: Arc<Connection>,
    refused: Option<Secret>,
}

impl Renewing {
    async fn run(mut self) -> Result<Ready, Failure> {
        let connection = Arc::clone(&self.connection);
        let Some(Grant::RefreshToken(rotating)) = &connection.grant else {
            return Err(Failure::Away("no access token is set up; this is a defect of gatepost".to_owned()));
        };
        if !self.state.keep(self.keeper.as_ref()).await {
            return self.fail(rotating, Failure::Away(format!("no access token: {UNWRITTEN}")));
        }
        match self.claim(rotating).await {
            Ok(Claimed::Token(token)) => Ok(Ready { token, is_new: false }),
            Ok(Claimed::Right(renewal)) => self.renew(rotating, renewal).await,
            Err(failure) => self.fail(rotating, failure),
        }
    }

    /// A token that is kept, or the right to fetch one.
    async fn claim(&mut self, rotating: &Rotating) -> Result<Claimed, Failure> {
        let begun = Instant::now();
        loop {
            let query =
                TokenQuery { chain: rotating.chain(), first: rotating.first.clone(), refused: self.refused.clone() };
            let claimed = self.keeper.claim(query).await;
            match claimed.map_err(|why| Failure::Away(format!("no access token: the store cannot be used ({why})")))? {
                TokenState::Good(token) => {
                    self.state.current = Some(token.clone());
                    return Ok(Claimed::Token(token.value));
                }
                TokenState::Renew { renewal, current } => {
                    self.state.current = current;
                    return Ok(Claimed::Right(renewal));
                }
                TokenState::Busy { current: Some(token) } => {
                    self.state.current = Some(token.clone());
                    self.state.paused_until = Some(Instant::now() + BUSY_PAUSE);
                    return Ok(Claimed::Token(token.value));
                }
                TokenState::Busy { current: None } if begun.elapsed() < BUSY_WAIT => sleep(BUSY_STEP).await,
                TokenState::Busy { current: None } => return Err(Failure::Away(BUSY.to_owned())),
            }
        }
    }

    async fn renew(&mut self, rotating: &Rotating, renewal: Renewal) -> Result<Ready, Failure> {
        // Counted from the question, because the time of the answer's way is not known.
        let asked = self.keeper.now();
        let mut renewed = self.fetch(rotating, &renewal, FETCH_TIMEOUT).await;
        if matches!(renewed, Renewed::Doubtful(_)) {
            renewed = self.fetch(rotating, &renewal, SECOND_TIMEOUT).await;
        }
        let failure = match renewed {
            Renewed::Tokens { access, refresh, lifetime } => {
                let expires_at = asked.plus(lifetime);
                let renew_at = expires_at.minus(margin(lifetime));
                let access = AccessToken { value: access, renew_at, expires_at };
                return Ok(self.renewed(rotating, renewal, TokenPair { access, refresh }).await);
            }
            Renewed::Refused(why) => Failure::Refused(why),
            Renewed::Away(why) | Renewed::Doubtful(why) => Failure::Away(why),
        };
        if let Err(why) = self.keeper.give_up(renewal).await {
            tracing::debug!(%why, "the right to renew a token could not be given back; it ends by itself");
        }
        self.fail(rotating, failure)
    }

    /// One try with the refresh token.
    async fn fetch(&self, rotating: &Rotating, renewal: &Renewal, limit: Duration) -> Renewed {
        match timeout(limit, self.way.exchange(&rotating.renewal(&renewal.refresh))).await {
            Ok(Reply::Http(answer)) => rotating.dialect.read(&answer),
            Ok(Reply::Failed(fault)) if fault.may_have_arrived => {
                Renewed::Doubtful(format!("no access token: {}", fault.detail))
            }
            Ok(Reply::Failed(fault)) => Renewed::Away(format!("no access token: {}", fault.detail)),
            Ok(Reply::NotSent(why)) => Renewed::Refused(format!("no access token: {why}")),
            Ok(_) => Renewed::Doubtful("no access token: it was answered in another way".to_owned()),
            Err(_) => Renewed::Doubtful(format!("no access token: no answer within {} s", limit.as_secs())),
        }
    }

    /// Has the new tokens written before the first of them is used. Where that fails it goes on in the background: as long as this
    /// process lives, nothing is lost.
    async fn renewed(&mut self, rotating: &Rotating, renewal: Renewal, tokens: TokenPair) -> Ready {
        let destination = &rotating.destination;
        let ready = Ready { token: tokens.access.value.clone(), is_new: true };
        self.state.current = Some(tokens.access.clone());
        (self.state.failed, self.state.paused_until) = (None, None);
        match self.keeper.keep(&renewal, &tokens).await {
            Ok(()) | Err(KeepError::Superseded) => {
                tracing::info!(%destination, expires_at = %tokens.access.expires_at, "an access token has been renewed");
            }
            Err(fault) => {
                tracing::error!(%destination, reason = %fault, "a new refresh token cannot be written to the store; it is tried again");
                self.state.unkept = Some((renewal, tokens));
                let state = Arc::clone(OwnedMutexGuard::mutex(&self.state));
                tokio::spawn(keep_later(state, Arc::clone(&self.keeper)));
            }
        }
        ready
    }

    /// The present token, if there is one; else the failure.
    fn fail(&mut self, rotating: &Rotating, failure: Failure) -> Result<Ready, Failure> {
        let (now, destination, reason) = (self.keeper.now(), &rotating.destination, failure.why());
        let is_refused = |token: &AccessToken| self.refused.as_ref().is_some_and(|refused| refused.ct_eq(&token.value));
        let present = self.state.current.as_ref().filter(|token| now < token.expires_at && !is_refused(token));
        let Some(token) = present.cloned() else {
            self.state.failed = Some((Instant::now(), failure.clone()));
            return Err(failure);
        };
        let expires_at = token.expires_at;
        let pause = match &failure {
            Failure::Refused(_) => {
                tracing::error!(
                    %destination, %expires_at, reason,
                    "an access token cannot be renewed; its destination stops when it expires"
                );
                REFUSED_PAUSE
            }
            Failure::Away(_) => {
                tracing::warn!(%destination, %expires_at, reason, "an access token could not be renewed yet; it is still good");
                AWAY_PAUSE
            }
        };
        self.state.paused_until = Some(Instant::now() + pause);
        Ok(Ready { token: token.value, is_new: false })
    }
}

/// What the store answered to a request for a token.
enum Claimed {
    Token(Secret),
    Right(Renewal),
}

/// Writes what could not be written, as soon as it can be.
async fn keep_later(state: Arc<tokio::sync::Mutex<State>>, keeper: Arc<dyn TokenKeeper>) {
    loop {
        sleep(KEEP_INTERVAL).await;
        if state.lock().await.keep(keeper.as_ref()).await {
            return;
        }
    }
}

/// How long before its end a token is renewed: long enough for a fault where tokens are renewed to be mended.
fn margin(lifetime: Duration) -> Duration {
    MARGIN.min(lifetime / 4)
}

const UNWRITTEN: &str = "the store does not take the refresh token that was given last";
const BUSY: &str = "no access token: another process of gatepost renews it and does not come to an end";
/// Beside the ten seconds of the request itself there is room for both in a try.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
const SECOND_TIMEOUT: Duration = Duration::from_secs(3);
const MARGIN: Duration = Duration::from_secs(2 * 3600);
/// After a failure, while the present token is good.
const AWAY_PAUSE: Duration = Duration::from_secs(10);
const REFUSED_PAUSE: Duration = Duration::from_secs(600);
/// While another process renews.
const BUSY_PAUSE: Duration = Duration::from_secs(2);
const BUSY_WAIT: Duration = Duration::from_secs(6);
const BUSY_STEP: Duration = Duration::from_millis(200);
/// Beside the other times that stopping takes.
const SETTLE_TIMEOUT: Duration = Duration::from_millis(1500);
const KEEP_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
