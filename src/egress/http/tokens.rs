//! Access tokens of one destination: fetched when they are needed, kept until shortly before they expire, and renewed once where the
//! destination does not accept them any more.
//!
//! Whatever happens where tokens come from, the destination was sent nothing then: a client that is not known is the operator's
//! affair, and an endpoint that is away is tried again. Requests that come while a token is fetched wait for that one.

mod client_credentials;
mod ready;
mod rotating;

use std::sync::Arc;

use super::unrepeated::without;
use super::way::Way;
use crate::destinations::{Connection, Grant, HttpReply, HttpRequest, Reply};
use crate::domain::Secret;
use client_credentials::ClientCredentials;
use ready::{Failure, Ready};
use rotating::Chain;

pub use rotating::Chains;

/// The tokens of one destination.
#[derive(Debug)]
pub struct Tokens {
    own: ClientCredentials,
    chain: Option<Arc<Chain>>,
}

impl Tokens {
    /// The tokens of a destination with these settings.
    pub fn of(connection: &Connection, chains: &Chains) -> Self {
        let chain = match &connection.grant {
            Some(Grant::RefreshToken(rotating)) => Some(chains.find(rotating.chain())),
            Some(Grant::ClientCredentials(_)) | None => None,
        };
        Self { own: ClientCredentials::default(), chain }
    }

    /// Sends one request, where its settings say so with a token, and once more with another where the destination does not accept
    /// the first.
    pub async fn exchange(&self, way: &Arc<Way>, connection: &Arc<Connection>, request: &HttpRequest) -> Reply {
        let Some(grant) = &connection.grant else { return way.exchange(request).await };
        let ready = match self.ready(way, connection, None).await {
            Ok(ready) => ready,
            Err(failure) => return failure.into_reply(),
        };
        let reply = way.exchange(&authorized(request, &ready.token)).await;
        let is_refused = matches!(&reply, Reply::Http(answer) if is_refused(grant, answer));
        if ready.is_new || !is_refused {
            return without(reply, ready.token.expose_str());
        }
        match self.ready(way, connection, Some(&ready.token)).await {
            Ok(renewed) => {
                without(way.exchange(&authorized(request, &renewed.token)).await, renewed.token.expose_str())
            }
            Err(failure) => failure.into_reply(),
        }
    }

    async fn ready(
        &self,
        way: &Arc<Way>,
        connection: &Arc<Connection>,
        refused: Option<&Secret>,
    ) -> Result<Ready, Failure> {
        match (&connection.grant, &self.chain) {
            (Some(Grant::ClientCredentials(oauth)), _) => self.own.ready(way, oauth, refused).await,
            (_, Some(chain)) => chain.ready(way, connection, refused).await,
            _ => Err(Failure::Away("no access token is set up; this is a defect of gatepost".to_owned())),
        }
    }
}

fn is_refused(grant: &Grant, answer: &HttpReply) -> bool {
    match grant {
        Grant::ClientCredentials(_) => answer.status == 401,
        Grant::RefreshToken(rotating) => rotating.dialect.is_refused(answer),
    }
}

fn authorized(request: &HttpRequest, token: &Secret) -> HttpRequest {
    let request = HttpRequest {
        method: request.method,
        url: request.url.clone(),
        headers: request.headers.clone(),
        content_type: request.content_type,
        body: request.body.clone(),
    };
    request.header("Authorization", Secret::new([b"Bearer ", token.expose()].concat()))
}
