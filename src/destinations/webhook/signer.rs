//! One key of Standard Webhooks 1.0.0: a shared secret (`v1`, HMAC-SHA256) or a private key (`v1a`, ed25519).
//!
//! The kind of the key decides: `whsec_` is a shared secret, `whsk_` a private key. What is signed is the same for both: id,
//! time and the body as it goes over the wire.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::signature::Ed25519KeyPair;

use crate::domain::{Secret, Timestamp};
use crate::settings::Section;
use crate::verify::{HmacScheme, Scheme, Verifier};

/// What signs with one key.
// One or two of them live as long as the destination.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
pub(super) enum Signer {
    /// With a shared secret.
    Symmetric(Verifier),
    /// With a private key, whose public key the receiver has.
    Asymmetric(Ed25519KeyPair),
}

impl Signer {
    /// Of the secret in the setting `key`; `None` where it is at fault.
    pub fn of(section: &Section, key: &'static str, secret: &Secret) -> Option<Self> {
        let text = secret.expose();
        if text.starts_with(PUBLIC) {
            let fix = "the receiver has that one; sign with the private key, `whsk_` and base64";
            section.fault(key, "is a public key, with which nothing can be signed", fix);
            return None;
        }
        let signer = match text.strip_prefix(PRIVATE) {
            Some(encoded) => private(encoded).map(Self::Asymmetric),
            None => shared(secret).map(Self::Symmetric),
        };
        if signer.is_none() {
            let (what, fix) = if text.starts_with(PRIVATE) {
                (
                    "is not a private ed25519 key of Standard Webhooks",
                    "give `whsk_` and base64 of the 32 bytes of its seed",
                )
            } else {
                let fix = "give it as the receiver shows it, `whsec_` and base64; `openssl rand -base64 32` makes one";
                ("is not a secret of Standard Webhooks with 24 to 64 bytes", fix)
            };
            section.fault(key, what, fix);
        }
        signer
    }

    /// The signature with its version, as it stands in the header.
    pub fn sign(&self, id: &str, now: Timestamp, body: &[u8]) -> Option<Secret> {
        match self {
            Self::Symmetric(verifier) => {
                let lines = verifier.sign(body, now, id).into_iter();
                lines.filter(|(name, _)| name == SIGNATURE).map(|(_, value)| value).next()
            }
            Self::Asymmetric(key) => {
                let signed = [format!("{id}.{}.", seconds(now)).as_bytes(), body].concat();
                Some(Secret::new(format!("v1a,{}", STANDARD.encode(key.sign(&signed)))))
            }
        }
    }
}

/// The header lines of one request: id, time, and the signatures of all keys with a blank between them.
pub(super) fn lines(signers: &[Signer], id: &str, now: Timestamp, body: &[u8]) -> [(&'static str, Secret); 3] {
    let signatures = signers.iter().filter_map(|signer| signer.sign(id, now, body));
    let signatures: Vec<Secret> = signatures.collect();
    let joined = signatures.iter().map(Secret::expose).collect::<Vec<_>>().join(&b' ');
    [(ID, Secret::new(id)), (TIMESTAMP, Secret::new(seconds(now))), (SIGNATURE, Secret::new(joined))]
}

fn seconds(time: Timestamp) -> String {
    time.as_millis().div_euclid(1000).to_string()
}

fn shared(secret: &Secret) -> Option<Verifier> {
    let bytes = decoded(secret.expose().strip_prefix(SHARED)?)?;
    let verifier = Verifier::new(Scheme::Hmac(HmacScheme::standard_webhooks()), vec![secret.clone()]).ok();
    verifier.filter(|_| SECRET_BYTES.contains(&bytes.expose().len()))
}

/// The specification does not say whether the public key stands behind the seed, so both are taken.
fn private(encoded: &[u8]) -> Option<Ed25519KeyPair> {
    let bytes = decoded(encoded)?;
    match bytes.expose().split_at_checked(SEED_BYTES)? {
        (seed, []) => Ed25519KeyPair::from_seed_unchecked(seed).ok(),
        (seed, public) => Ed25519KeyPair::from_seed_and_public_key(seed, public).ok(),
    }
}

fn decoded(encoded: &[u8]) -> Option<Secret> {
    STANDARD.decode(encoded).or_else(|_| STANDARD_NO_PAD.decode(encoded)).ok().map(Secret::new)
}

const SHARED: &[u8] = b"whsec_";
const PRIVATE: &[u8] = b"whsk_";
const PUBLIC: &[u8] = b"whpk_";
const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";
/// Standard Webhooks 1.0.0: a symmetric secret has 24 to 64 bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// RFC 8032, 5.1.5.
const SEED_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use ring::signature::{ED25519, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;
    use crate::destinations::testing;

    fn signer(text: &str) -> Option<Signer> {
        let secret = Secret::new(text);
        match text.as_bytes().strip_prefix(PRIVATE) {
            Some(encoded) => private(encoded).map(Signer::Asymmetric),
            None => shared(&secret).map(Signer::Symmetric),
        }
    }

    #[test]
    fn signatures_are_those_of_the_specification() {
        let Some(vectors) = testing::shared("standard-webhooks.vectors.json") else { return };
        let valid = vectors["valid"].as_array().unwrap();
        assert!(valid.iter().any(|vector| vector["scheme"] == "v1a"));
        for vector in valid {
            let text = |key: &str| vector[key].as_str();
            let body = match text("body_base64") {
                Some(encoded) => STANDARD.decode(encoded).unwrap(),
                None => text("body_utf8").unwrap().as_bytes().to_vec(),
            };
            let now = Timestamp::from_millis(vector["webhook-timestamp"].as_i64().unwrap() * 1000);
            let id = text("webhook-id").unwrap();
            let signer = signer(text("secret").or(text("secret_key")).unwrap()).unwrap();
            let [(_, said_id), (_, said_time), (_, signature)] = lines(&[signer], id, now, &body);
            assert_eq!(signature.expose_str(), text("webhook-signature"), "{vector}");
            assert_eq!(said_id.expose_str(), Some(id));
            assert_eq!(said_time.expose_str().unwrap(), vector["webhook-timestamp"].to_string());
            if let Some(public) = text("public_key") {
                let public = STANDARD.decode(public.strip_prefix("whpk_").unwrap()).unwrap();
                let tag = signature.expose_str().unwrap().strip_prefix("v1a,").map(|tag| STANDARD.decode(tag).unwrap());
                let signed = [format!("{id}.{}.", seconds(now)).as_bytes(), &body].concat();
                let key = UnparsedPublicKey::new(&ED25519, public);
                assert!(key.verify(&signed, tag.as_deref().unwrap()).is_ok());
                let other = [&signed[..], b"!"].concat();
                assert!(key.verify(&other, tag.as_deref().unwrap()).is_err());
            }
        }
    }

    #[test]
    fn a_private_key_may_carry_its_public_key_which_must_be_its_own() {
        let Some(vectors) = testing::shared("standard-webhooks.vectors.json") else { return };
        let is_asymmetric = |vector: &&Value| vector["scheme"] == "v1a";
        let vector = vectors["valid"].as_array().unwrap().iter().find(is_asymmetric).unwrap();
        let bytes = |key: &str| STANDARD.decode(&vector[key].as_str().unwrap()[5..]).unwrap();
        let (seed, public) = (bytes("secret_key"), bytes("public_key"));
        let key = |bytes: &[u8]| signer(&format!("whsk_{}", STANDARD.encode(bytes)));
        let signed = |signer: Signer| signer.sign("a", Timestamp::from_millis(0), b"b").unwrap().expose().to_vec();
        let both = key(&[&seed[..], &public].concat()).unwrap();
        assert_eq!(signed(both), signed(key(&seed).unwrap()));
        assert!(key(&[&seed[..], &seed].concat()).is_none(), "the public key of another");
        for length in [0, 31, 33, 63, 65] {
            assert!(key(&vec![7; length]).is_none(), "{length}");
        }
    }
}
