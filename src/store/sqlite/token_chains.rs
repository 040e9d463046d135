//! Chains of refresh tokens: which access token is good, who may renew it, and the newest refresh token.

use std::time::Duration;

use rusqlite::{OptionalExtension, Transaction, params};

use super::super::{StoreError, Ticket, TokenChains};
use super::SqliteStore;
use crate::domain::{AccessToken, Renewal, Secret, Timestamp, TokenPair, TokenQuery, TokenState};

impl TokenChains for SqliteStore {
    fn claim_renewal(&self, query: TokenQuery, lease: Duration, now: Timestamp) -> Ticket<TokenState> {
        self.writer.write(move |transaction| claim(transaction, &query, lease, now))
    }

    fn keep_renewed(&self, renewal: &Renewal, tokens: &TokenPair) -> Ticket<()> {
        let (chain, generation, tokens) = (renewal.chain, renewal.generation, tokens.clone());
        self.writer.write(move |transaction| {
            let kept = transaction.prepare_cached(KEEP)?.execute(params![
                chain.as_bytes(),
                generation,
                tokens.refresh.expose(),
                tokens.access.value.expose(),
                tokens.access.renew_at.as_millis(),
                tokens.access.expires_at.as_millis(),
            ])?;
            if kept == 0 { Err(StoreError::LeaseLost) } else { Ok(()) }
        })
    }

    fn give_up_renewal(&self, renewal: Renewal) -> Ticket<()> {
        self.writer.write(move |transaction| {
            let mut free = transaction
                .prepare_cached("UPDATE token_chains SET renewing_until = 0 WHERE chain = ?1 AND generation = ?2")?;
            free.execute(params![renewal.chain.as_bytes(), renewal.generation])?;
            Ok(())
        })
    }
}

fn claim(
    transaction: &Transaction<'_>,
    query: &TokenQuery,
    lease: Duration,
    now: Timestamp,
) -> Result<TokenState, StoreError> {
    transaction
        .prepare_cached("INSERT OR IGNORE INTO token_chains (chain, refresh_token) VALUES (?1, ?2)")?
        .execute(params![query.chain.as_bytes(), query.first.expose()])?;
    let chain = transaction.prepare_cached(READ)?.query_row([query.chain.as_bytes()], Chain::read).optional()?;
    let chain = chain.ok_or_else(|| StoreError::Failed("a chain of tokens was not kept".to_owned()))?;
    let current = chain.access.filter(|token| query.accepts(token) && now < token.expires_at);
    if let Some(token) = current.as_ref().filter(|token| now < token.renew_at) {
        return Ok(TokenState::Good(token.clone()));
    }
    // A lease longer than any that is given was given before the clock was set back.
    if now < chain.renewing_until && chain.renewing_until <= now.plus(lease) {
        return Ok(TokenState::Busy { current });
    }
    let generation = chain.generation + 1;
    transaction
        .prepare_cached("UPDATE token_chains SET generation = ?2, renewing_until = ?3 WHERE chain = ?1")?
        .execute(params![query.chain.as_bytes(), generation, now.plus(lease).as_millis()])?;
    Ok(TokenState::Renew { renewal: Renewal { chain: query.chain, generation, refresh: chain.refresh }, current })
}

/// A row.
struct Chain {
    refresh: Secret,
    access: Option<AccessToken>,
    generation: i64,
    renewing_until: Timestamp,
}

impl Chain {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let time = |column: usize| row.get(column).map(Timestamp::from_millis);
        let (renew_at, expires_at) = (time(2)?, time(3)?);
        let access: Option<Vec<u8>> = row.get(1)?;
        Ok(Self {
            refresh: Secret::new(row.get::<_, Vec<u8>>(0)?),
            access: access.map(|value| AccessToken { value: Secret::new(value), renew_at, expires_at }),
            generation: row.get(4)?,
            renewing_until: time(5)?,
        })
    }
}

const READ: &str = "SELECT refresh_token, access_token, renew_at, expires_at, generation, renewing_until
    FROM token_chains WHERE chain = ?1";

const KEEP: &str = "UPDATE token_chains
    SET refresh_token = ?3, access_token = ?4, renew_at = ?5, expires_at = ?6, renewing_until = 0
    WHERE chain = ?1 AND generation = ?2";
