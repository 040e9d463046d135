//! Tags: the fixed-length results of a MAC, read from text and compared in constant time.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::base64_text::decode_base64;
use super::scheme::{Algorithm, SignatureEncoding};

/// A tag. It has no `==` and does not print: the only comparison is [`Tag::ct_eq`].
///
/// Behind the algorithm's length it is filled with zeros, so that all comparisons look at the same number of bytes. A
/// tag of another length cannot be made: comparing up to the shorter length is how RUSTSEC-2024-0010 came to be.
pub(super) struct Tag([u8; TAG_BYTES_MAX]);

impl Tag {
    /// A tag that a MAC gave.
    pub(super) fn padded(bytes: &[u8]) -> Self {
        let mut tag = [0; TAG_BYTES_MAX];
        tag.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Self(tag)
    }

    /// Reads a tag that a sender gave. `Err` says why not, in words that hold nothing of the text.
    pub(super) fn decode(text: &str, encoding: SignatureEncoding, algorithm: Algorithm) -> Result<Self, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("it is {} characters long", text.len()));
        }
        if let (SignatureEncoding::Hex, Some(tag)) = (encoding, Self::from_hex(text, algorithm)) {
            return Ok(tag);
        }
        let bytes = match encoding {
            SignatureEncoding::Hex => hex::decode(text).ok(),
            SignatureEncoding::Base64 => decode_base64(text.as_bytes()),
        };
        match bytes {
            Some(bytes) if bytes.len() == algorithm.tag_bytes() => Ok(Self::padded(&bytes)),
            Some(bytes) => Err(wrong_length(bytes.len(), algorithm)),
            None => Err(not_encoded(text, encoding, algorithm)),
        }
    }

    /// Reads hexadecimal of the algorithm's length.
    fn from_hex(text: &str, algorithm: Algorithm) -> Option<Self> {
        let mut tag = [0; TAG_BYTES_MAX];
        hex::decode_to_slice(text, tag.get_mut(..algorithm.tag_bytes())?).ok()?;
        Some(Self(tag))
    }

    /// Writes the tag as a sender would.
    pub(super) fn encode(&self, encoding: SignatureEncoding, algorithm: Algorithm) -> String {
        let bytes = self.0.get(..algorithm.tag_bytes()).unwrap_or(&self.0);
        match encoding {
            SignatureEncoding::Hex => hex::encode(bytes),
            SignatureEncoding::Base64 => STANDARD.encode(bytes),
        }
    }

    /// Whether both are the same, in a time that does not depend on their bytes.
    pub(super) fn ct_eq(&self, other: &Tag) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

/// The first slot that hit. Every slot is looked at, whichever hit before.
pub(super) fn slot_of(hits: impl ExactSizeIterator<Item = Choice> + DoubleEndedIterator) -> Option<usize> {
    let mut found = NO_SLOT;
    for (slot, hit) in hits.enumerate().rev() {
        found.conditional_assign(&u64::try_from(slot).unwrap_or(NO_SLOT), hit);
    }
    usize::try_from(found).ok().filter(|_| found != NO_SLOT)
}

impl Algorithm {
    /// The length of its tags in bytes.
    pub(super) fn tag_bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => TAG_BYTES_MAX,
        }
    }
}

fn wrong_length(length: usize, algorithm: Algorithm) -> String {
    let known = match length {
        0 => ", so it is empty",
        20 => ", which is the length of SHA-1; that is not accepted",
        32 => ", which is the length of sha256",
        64 => ", which is the length of sha512",
        _ => "",
    };
    format!("it has {length} bytes instead of {}{known}", algorithm.tag_bytes())
}

fn not_encoded(text: &str, encoding: SignatureEncoding, algorithm: Algorithm) -> String {
    let fits = |bytes: Option<Vec<u8>>| bytes.is_some_and(|bytes| bytes.len() == algorithm.tag_bytes());
    let url_safe = || URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
    match encoding {
        SignatureEncoding::Hex if fits(decode_base64(text.as_bytes())) => {
            "it is not hexadecimal, but it is base64 of the right length: encoding = \"base64\"".to_owned()
        }
        SignatureEncoding::Hex if text.contains('=') => {
            "it is not hexadecimal, and has a '=' inside: is prefix what stands before it?".to_owned()
        }
        SignatureEncoding::Hex => "it is not hexadecimal".to_owned(),
        SignatureEncoding::Base64 if fits(hex::decode(text).ok()) => {
            "it is not canonical base64, but it is hexadecimal of the right length: encoding = \"hex\"".to_owned()
        }
        SignatureEncoding::Base64 if fits(url_safe()) => {
            "it is base64 with the URL-safe alphabet, which is not accepted".to_owned()
        }
        SignatureEncoding::Base64 => "it is not canonical base64".to_owned(),
    }
}

/// SHA-512's length, the longest.
const TAG_BYTES_MAX: usize = 64;
/// SHA-512 in hexadecimal; nothing longer can be a tag.
const TEXT_BYTES_MAX: usize = 128;
/// What no slot is numbered.
const NO_SLOT: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str, encoding: SignatureEncoding) -> String {
        Tag::decode(text, encoding, Algorithm::Sha256).err().unwrap()
    }

    #[test]
    fn a_tag_is_read_in_its_encoding_only() {
        let (hex, base64) = ("ab".repeat(32), STANDARD.encode([0xab; 32]));
        let both = [(hex.clone(), SignatureEncoding::Hex), (base64.clone(), SignatureEncoding::Base64)];
        for (text, encoding) in both {
            let tag = Tag::decode(&text, encoding, Algorithm::Sha256).unwrap();
            assert!(bool::from(tag.ct_eq(&Tag::padded(&[0xab; 32]))));
            assert_eq!(tag.encode(encoding, Algorithm::Sha256), text);
            assert!(Tag::decode(&text, encoding, Algorithm::Sha512).is_err());
        }
        assert!(Tag::decode(&hex.to_uppercase(), SignatureEncoding::Hex, Algorithm::Sha256).is_ok());
        assert!(Tag::decode(base64.trim_end_matches('='), SignatureEncoding::Base64, Algorithm::Sha256).is_ok());
        assert!(reason(&base64, SignatureEncoding::Hex).contains("encoding = \"base64\""));
    }

    #[test]
    fn the_first_slot_that_hits_is_named() {
        let slot = |hits: &[u8]| slot_of(hits.iter().map(|hit| Choice::from(*hit)));
        assert_eq!([slot(&[]), slot(&[0]), slot(&[0, 0, 0])], [None; 3]);
        assert_eq!([slot(&[1]), slot(&[0, 1, 1]), slot(&[0, 0, 1])], [Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn what_is_no_tag_says_why() {
        for (text, says) in [
            ("", "it has 0 bytes instead of 32, so it is empty"),
            (&"ab".repeat(20), "it has 20 bytes instead of 32, which is the length of SHA-1; that is not accepted"),
            (&"ab".repeat(31), "it has 31 bytes instead of 32"),
            (&"ab".repeat(64), "it has 64 bytes instead of 32, which is the length of sha512"),
            (&"ab".repeat(65), "it is 130 characters long"),
            (&"a".repeat(63), "it is not hexadecimal"),
            ("sha256=abab", "it is not hexadecimal, and has a '=' inside: is prefix what stands before it?"),
        ] {
            assert_eq!(reason(text, SignatureEncoding::Hex), says);
        }
        let url_safe = URL_SAFE_NO_PAD.encode([0xfb; 32]);
        assert!(reason(&url_safe, SignatureEncoding::Base64).contains("URL-safe"));
        let mut trailing_bits = STANDARD.encode([0; 32]);
        trailing_bits.replace_range(42..43, "B");
        assert_eq!(reason(&trailing_bits, SignatureEncoding::Base64), "it is not canonical base64");
    }
}
