//! The verifier of sources that do not exist.

use std::sync::OnceLock;

use super::key::MacKey;
use super::refusal::Flaw;
use super::scheme::Algorithm;
use super::tag::Tag;

/// Hashes the body under a random key, compares, and refuses.
///
/// It does what a wrong signature costs at an HMAC source with one secret, so that the time of an answer does not tell
/// names that exist from names that do not, and guessing names is no cheaper than guessing signatures.
pub(super) struct Decoy {
    key: MacKey,
    never: Tag,
}

impl Decoy {
    pub(super) fn new() -> Option<Self> {
        MacKey::new(Algorithm::Sha256, process_key()).map(|key| Self { key, never: Tag::padded(process_key()) })
    }

    /// Always an error: whatever the comparison says, nothing can be addressed to a source that does not exist.
    pub(super) fn verify(&self, body: &[u8]) -> Result<usize, Flaw> {
        // Without the box the comparison could be left out, as nothing depends on it.
        std::hint::black_box(self.key.tag([body].into_iter()).ct_eq(&self.never).unwrap_u8());
        Err(Flaw::mismatch("there is no such source".to_owned()))
    }
}

/// One for the life of the process. Should the system have no randomness, it is zero; nothing is accepted under it
/// either way.
#[allow(clippy::disallowed_methods, reason = "a key that is never told, and that nothing depends on")]
fn process_key() -> &'static [u8; 32] {
    static KEY: OnceLock<[u8; 32]> = OnceLock::new();
    KEY.get_or_init(|| {
        let mut key = [0; 32];
        match getrandom::fill(&mut key) {
            Ok(()) => key,
            Err(_) => [0; 32],
        }
    })
}
