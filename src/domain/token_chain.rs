//! Access tokens that expire, each of which comes with a refresh token that is good for one renewal: a chain that begins with the
//! refresh token in the configuration.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{Secret, Timestamp};

/// What stands for a chain: the SHA-256 of the refresh token that it begins with. Destinations that are set to the same refresh
/// token share a chain, and another refresh token in the configuration begins another one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId([u8; 32]);

impl ChainId {
    /// The chain that begins with this refresh token.
    pub fn of(first: &Secret) -> Self {
        Self(Sha256::digest(first.expose()).into())
    }

    /// As it is kept.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A few digits tell chains apart.
impl fmt::Debug for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, ..] = self.0;
        write!(f, "ChainId({first:02x}{second:02x}…)")
    }
}

/// An access token and how long it is good, by the wall clock.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// What requests carry.
    pub value: Secret,
    /// From then on another one is fetched.
    pub renew_at: Timestamp,
    /// From then on it is not accepted.
    pub expires_at: Timestamp,
}

/// What a renewal has given.
#[derive(Clone, Debug)]
pub struct TokenPair {
    /// For requests.
    pub access: AccessToken,
    /// For the next renewal.
    pub refresh: Secret,
}

/// What a request that needs a token knows.
#[derive(Clone, Debug)]
pub struct TokenQuery {
    /// The chain.
    pub chain: ChainId,
    /// The refresh token that it begins with: what is used where nothing is kept yet.
    pub first: Secret,
    /// An access token that is not accepted any more.
    pub refused: Option<Secret>,
}

impl TokenQuery {
    /// Whether the access token is another than the one that is not accepted.
    pub fn accepts(&self, token: &AccessToken) -> bool {
        self.refused.as_ref().is_none_or(|refused| !refused.ct_eq(&token.value))
    }
}

/// What is to be done for a token.
#[derive(Debug)]
pub enum TokenState {
    /// Nothing: this one is good.
    Good(AccessToken),
    /// Another process has the right to renew it just now.
    Busy {
        /// The one that is kept, if it has not expired.
        current: Option<AccessToken>,
    },
    /// It is the caller's to renew.
    Renew {
        /// The right to it.
        renewal: Renewal,
        /// The one that is kept, if it has not expired.
        current: Option<AccessToken>,
    },
}

/// The right to use a refresh token, for a limited time. Its generation makes a late answer fail instead of overwriting what a later
/// renewal has written.
#[derive(Debug)]
pub struct Renewal {
    /// The chain.
    pub chain: ChainId,
    /// Which renewal of the chain it is.
    pub generation: i64,
    /// The refresh token.
    pub refresh: Secret,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_told_by_its_first_refresh_token_and_shows_nothing_of_it() {
        let [one, same, other] =
            ["xoxe-1-one", "xoxe-1-one", "xoxe-1-other"].map(|first| ChainId::of(&Secret::new(first)));
        assert_eq!(one, same);
        assert_ne!(one, other);
        assert_eq!(one.as_bytes().len(), 32);
        assert!(!format!("{one:?}").contains("xoxe") && format!("{one:?}").len() < 20, "{one:?}");
    }

    #[test]
    fn only_the_token_that_was_refused_is_not_accepted() {
        let at = Timestamp::from_millis(0);
        let token = |value: &str| AccessToken { value: Secret::new(value), renew_at: at, expires_at: at };
        let first = Secret::new("first");
        let query = |refused: Option<&str>| TokenQuery {
            chain: ChainId::of(&first),
            first: first.clone(),
            refused: refused.map(Secret::new),
        };
        assert!(query(None).accepts(&token("a")) && query(Some("b")).accepts(&token("a")));
        assert!(!query(Some("a")).accepts(&token("a")));
    }
}
