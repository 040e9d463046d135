//! Shared tokens: the header alone decides, so that intake can refuse before it reads a body.

use sha2::{Digest, Sha256};

use super::lines::single;
use super::refusal::Flaw;
use super::scheme::TokenScheme;
use super::tag::{Tag, slot_of};
use super::verifier_error::VerifierError;
use crate::domain::{Headers, Secret};

/// A token scheme with its tokens hashed. Comparing hashes of one length hides the token's length as well.
pub(super) struct TokenVerifier {
    pub(super) scheme: TokenScheme,
    hashes: Vec<Tag>,
}

impl TokenVerifier {
    pub(super) fn new(scheme: TokenScheme, secrets: &[Secret]) -> Result<Self, VerifierError> {
        let prepare = |(index, secret): (usize, &Secret)| {
            let position = index + 1;
            if fits_header(secret.expose()) {
                Ok(hash(secret.expose()))
            } else {
                Err(VerifierError::NoToken { position })
            }
        };
        let hashes = secrets.iter().enumerate().map(prepare).collect::<Result<_, _>>()?;
        Ok(Self { scheme, hashes })
    }

    /// The slot of the token that the header holds.
    pub(super) fn verify(&self, headers: &Headers) -> Result<usize, Flaw> {
        self.matching(self.token(self.value(headers)?)?)
    }

    /// The header's value.
    pub(super) fn value<'h>(&self, headers: &'h Headers) -> Result<&'h str, Flaw> {
        single(headers, &self.scheme.header)
    }

    /// What stands after the prefix. The scheme's name is compared without regard to case, and any number of blanks
    /// may follow it (RFC 9110, 11.1 and 11.4).
    pub(super) fn token<'v>(&self, value: &'v str) -> Result<&'v str, Flaw> {
        let prefix = self.scheme.prefix.as_str();
        if value.eq_ignore_ascii_case(prefix.trim_end()) && !prefix.is_empty() {
            return Err(Flaw::missing(format!("there is no token after '{prefix}'")));
        }
        match value.split_at_checked(prefix.len()) {
            Some((start, token)) if start.eq_ignore_ascii_case(prefix) => Ok(token.trim_start_matches(' ')),
            _ => Err(Flaw::mismatch(format!("it does not begin with '{prefix}'"))),
        }
    }

    /// The slot of the token. All are compared; no hit ends it early.
    pub(super) fn matching(&self, token: &str) -> Result<usize, Flaw> {
        let hashed = hash(token.as_bytes());
        slot_of(self.hashes.iter().map(|known| known.ct_eq(&hashed)))
            .ok_or_else(|| Flaw::mismatch("the token is none of this source's secrets".to_owned()))
    }
}

fn hash(token: &[u8]) -> Tag {
    Tag::padded(&Sha256::digest(token))
}

/// Whether a header can carry the token so that it arrives as it left.
fn fits_header(token: &[u8]) -> bool {
    let ends_well = !token.starts_with(b" ") && !token.ends_with(b" ");
    ends_well && token.iter().all(|byte| (b' '..=b'~').contains(byte))
}
