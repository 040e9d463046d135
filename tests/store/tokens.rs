//! Chains of refresh tokens: one renewal at a time, and the newest one survives.

use std::time::Duration;

use gatepost::domain::{AccessToken, ChainId, Renewal, Secret, TokenPair, TokenQuery, TokenState};
use gatepost::store::{Access, SqliteStore, StoreError, TokenChains};

use super::fixture::*;

const LEASE: Duration = Duration::from_secs(20);

fn query(first: &str, refused: Option<&str>) -> TokenQuery {
    let first = Secret::new(first);
    TokenQuery { chain: ChainId::of(&first), first, refused: refused.map(Secret::new) }
}

/// Good for 100 ms, and renewed after 60.
fn pair(number: u32, now: i64) -> TokenPair {
    let access = AccessToken {
        value: Secret::new(format!("access-{number}")),
        renew_at: at(now + 60),
        expires_at: at(now + 100),
    };
    TokenPair { access, refresh: Secret::new(format!("refresh-{number}")) }
}

fn text(secret: &Secret) -> &str {
    secret.expose_str().unwrap()
}

trait Claiming {
    fn claim(&self, query: TokenQuery, now: i64) -> TokenState;

    fn renewal(&self, query: TokenQuery, now: i64) -> Renewal {
        match self.claim(query, now) {
            TokenState::Renew { renewal, .. } => renewal,
            other => panic!("{other:?}"),
        }
    }

    fn good(&self, query: TokenQuery, now: i64) -> String {
        match self.claim(query, now) {
            TokenState::Good(token) => text(&token.value).to_owned(),
            other => panic!("{other:?}"),
        }
    }
}

impl Claiming for SqliteStore {
    fn claim(&self, query: TokenQuery, now: i64) -> TokenState {
        self.claim_renewal(query, LEASE, at(now)).wait().unwrap()
    }
}

#[test]
fn a_chain_begins_with_the_configured_token_and_goes_on_with_the_newest_over_restarts() {
    let fixture = Fixture::new();
    let first = fixture.store.renewal(query("configured", None), 0);
    assert_eq!(text(&first.refresh), "configured");
    fixture.store.keep_renewed(&first, &pair(1, 0)).wait().unwrap();
    let fixture = fixture.reopen();
    assert_eq!(fixture.store.good(query("configured", None), 59), "access-1");
    let second = fixture.store.renewal(query("configured", None), 60);
    assert_eq!(text(&second.refresh), "refresh-1");
    // The process ends before an answer is kept: the earlier one is still there, and is not waited for.
    let fixture = fixture.reopen();
    let again = fixture.store.renewal(query("configured", None), 61);
    assert_eq!(text(&again.refresh), "refresh-1");
    fixture.store.keep_renewed(&again, &pair(2, 61)).wait().unwrap();
    assert_eq!(fixture.store.good(query("configured", None), 62), "access-2");
}

#[test]
fn another_configured_token_begins_another_chain_and_the_former_one_is_still_known() {
    let fixture = Fixture::new();
    let first = fixture.store.renewal(query("configured", None), 0);
    fixture.store.keep_renewed(&first, &pair(1, 0)).wait().unwrap();
    let other = fixture.store.renewal(query("configured anew", None), 1);
    assert_eq!(text(&other.refresh), "configured anew");
    fixture.store.keep_renewed(&other, &pair(2, 1)).wait().unwrap();
    assert_eq!(fixture.store.good(query("configured anew", None), 2), "access-2");
    assert_eq!(fixture.store.good(query("configured", None), 2), "access-1");
}

#[test]
fn one_renewal_at_a_time_also_between_processes() {
    let fixture = Fixture::new();
    let first = fixture.store.renewal(query("configured", None), 0);
    fixture.store.keep_renewed(&first, &pair(1, 0)).wait().unwrap();
    let command = SqliteStore::open(&fixture.folder.path().join("test.db"), Access::Operate).unwrap();
    let renewal = command.renewal(query("configured", None), 70);
    let busy = |now| match fixture.store.claim(query("configured", None), now) {
        TokenState::Busy { current } => current.map(|token| text(&token.value).to_owned()),
        other => panic!("{other:?}"),
    };
    assert_eq!((busy(99).as_deref(), busy(100)), (Some("access-1"), None));
    command.keep_renewed(&renewal, &pair(2, 70)).wait().unwrap();
    assert_eq!(fixture.store.good(query("configured", None), 71), "access-2");
    // What was given up is free at once, and what was not is free when its time is over.
    let given_up = command.renewal(query("configured", None), 140);
    command.give_up_renewal(given_up).wait().unwrap();
    let late = command.renewal(query("configured", None), 141);
    assert!(matches!(fixture.store.claim(query("configured", None), 20_140), TokenState::Busy { .. }));
    let own = fixture.store.renewal(query("configured", None), 20_141);
    assert_eq!(command.keep_renewed(&late, &pair(3, 20_141)).wait(), Err(StoreError::LeaseLost));
    command.give_up_renewal(late).wait().unwrap();
    assert!(matches!(fixture.store.claim(query("configured", None), 20_142), TokenState::Busy { .. }));
    fixture.store.keep_renewed(&own, &pair(4, 20_142)).wait().unwrap();
    assert_eq!(command.good(query("configured", None), 20_143), "access-4");
}

#[test]
fn a_clock_that_was_set_back_does_not_keep_a_renewal_waiting() {
    let fixture = Fixture::new();
    fixture.store.renewal(query("configured", None), 10_000_000);
    fixture.store.renewal(query("configured", None), 0);
}

#[test]
fn a_token_that_was_refused_is_renewed_once() {
    let fixture = Fixture::new();
    let first = fixture.store.renewal(query("configured", None), 0);
    fixture.store.keep_renewed(&first, &pair(1, 0)).wait().unwrap();
    let TokenState::Renew { renewal, current } = fixture.store.claim(query("configured", Some("access-1")), 1) else {
        panic!()
    };
    assert!(current.is_none());
    fixture.store.keep_renewed(&renewal, &pair(2, 1)).wait().unwrap();
    // The next one that was refused the first finds the second.
    assert_eq!(fixture.store.good(query("configured", Some("access-1")), 2), "access-2");
}
