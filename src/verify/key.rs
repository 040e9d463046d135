//! Prepared HMAC keys.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use super::base64_text::decode_base64;
use super::scheme::{Algorithm, KeyEncoding};
use super::tag::Tag;
use crate::domain::Secret;

/// A key whose two padded blocks are hashed already, so that a request costs a copy of the state instead of two blocks.
#[derive(Clone)]
pub(super) enum MacKey {
    Sha256(Box<Hmac<Sha256>>),
    Sha512(Box<Hmac<Sha512>>),
}

impl MacKey {
    /// Prepares `key`. `None` is for the type only: HMAC takes keys of every length (RFC 2104, 3).
    pub(super) fn new(algorithm: Algorithm, key: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Sha256 => Hmac::new_from_slice(key).ok().map(|mac| Self::Sha256(Box::new(mac))),
            Algorithm::Sha512 => Hmac::new_from_slice(key).ok().map(|mac| Self::Sha512(Box::new(mac))),
        }
    }

    /// The tag over the pieces, one after the other. Nothing is copied together, so a large body costs no memory.
    pub(super) fn tag<'p>(&self, pieces: impl Iterator<Item = &'p [u8]>) -> Tag {
        match self {
            Self::Sha256(mac) => Tag::padded(&finish(mac.as_ref().clone(), pieces)),
            Self::Sha512(mac) => Tag::padded(&finish(mac.as_ref().clone(), pieces)),
        }
    }
}

/// The key's bytes behind the secret's text; `None` where the text is not what the encoding asks for.
pub(super) fn key_bytes(encoding: KeyEncoding, secret: &Secret) -> Option<Zeroizing<Vec<u8>>> {
    match encoding {
        KeyEncoding::Utf8 => Some(Zeroizing::new(secret.expose().to_vec())),
        KeyEncoding::Base64 => decode_base64(secret.expose()).map(Zeroizing::new),
        KeyEncoding::Whsec => {
            let text = secret.expose();
            decode_base64(text.strip_prefix(b"whsec_".as_slice()).unwrap_or(text)).map(Zeroizing::new)
        }
    }
}

fn finish<'p, M: Mac>(mut mac: M, pieces: impl Iterator<Item = &'p [u8]>) -> Vec<u8> {
    pieces.for_each(|piece| mac.update(piece));
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::SignatureEncoding;

    #[test]
    fn tags_are_those_of_rfc_4231() {
        let tag = |algorithm| {
            let key = MacKey::new(algorithm, &[0x0b; 20]).unwrap();
            key.tag([b"Hi ".as_slice(), b"", b"There"].into_iter()).encode(SignatureEncoding::Hex, algorithm)
        };
        assert_eq!(tag(Algorithm::Sha256), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        let sha512 = "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854";
        assert_eq!(tag(Algorithm::Sha512), sha512);
    }
    #[test]
    fn a_secret_becomes_the_key_as_its_encoding_says() {
        let bytes = |encoding, text: &str| key_bytes(encoding, &Secret::new(text)).map(|key| key.to_vec());
        assert_eq!(bytes(KeyEncoding::Utf8, "whsec_Zm9v"), Some(b"whsec_Zm9v".to_vec()));
        assert_eq!(bytes(KeyEncoding::Whsec, "whsec_Zm9v"), Some(b"foo".to_vec()));
        assert_eq!(bytes(KeyEncoding::Whsec, "Zm9v"), Some(b"foo".to_vec()));
        assert_eq!(bytes(KeyEncoding::Base64, "Zm9v"), Some(b"foo".to_vec()));
        assert_eq!(bytes(KeyEncoding::Base64, "whsec_Zm9v"), None);
        assert_eq!(bytes(KeyEncoding::Whsec, "whsec_whsec_Zm9v"), None);
    }
}
