//! How requests of a source are signed, as data.

use std::time::Duration;

/// A way to tell an authentic request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// A keyed hash over the raw body and what the scheme puts around it.
    Hmac(HmacScheme),
    /// A shared token in a header.
    Token(TokenScheme),
    /// Nothing: requests are not authenticated. Only behind `danger_unsigned = true`.
    DangerUnsigned,
}

/// HMAC with everything that vendors do differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HmacScheme {
    /// The hash.
    pub algorithm: Algorithm,
    /// The header that holds the signature, in lower case.
    pub header: String,
    /// How the signature is written.
    pub encoding: SignatureEncoding,
    /// What stands before a signature: `sha256=`, `v0=`, `v1,`. Candidates without it are passed over.
    pub prefix: String,
    /// A candidate without the prefix counts as well.
    pub prefix_optional: bool,
    /// What stands between several signatures in one header; `None` where there is only one.
    pub separator: Option<char>,
    /// What is signed.
    pub signed: Vec<SignedPart>,
    /// How the secret's text becomes the key.
    pub key_encoding: KeyEncoding,
    /// The time that the sender states, where the scheme has one.
    pub timestamp: Option<TimestampRule>,
    /// The header that `{id}` in the signed content stands for, in lower case.
    pub id_header: Option<String>,
}

impl HmacScheme {
    /// HMAC-SHA256 in hexadecimal over the body alone, in `header`: what most vendors do.
    pub fn sha256_hex(header: &str) -> Self {
        Self {
            algorithm: Algorithm::Sha256,
            header: header.to_ascii_lowercase(),
            encoding: SignatureEncoding::Hex,
            prefix: String::new(),
            prefix_optional: false,
            separator: None,
            signed: vec![SignedPart::Body],
            key_encoding: KeyEncoding::Utf8,
            timestamp: None,
            id_header: None,
        }
    }

    /// Standard Webhooks 1.0.0 with symmetric keys (`v1`): id, time and body, five minutes of tolerance.
    pub fn standard_webhooks() -> Self {
        let dot = || SignedPart::Literal(".".to_owned());
        Self {
            encoding: SignatureEncoding::Base64,
            prefix: "v1,".to_owned(),
            separator: Some(' '),
            signed: vec![SignedPart::Id, dot(), SignedPart::Timestamp, dot(), SignedPart::Body],
            key_encoding: KeyEncoding::Whsec,
            timestamp: Some(TimestampRule {
                header: "webhook-timestamp".to_owned(),
                prefix: String::new(),
                separator: None,
                format: TimestampFormat::Unix,
                tolerance: Duration::from_secs(300),
            }),
            id_header: Some("webhook-id".to_owned()),
            ..Self::sha256_hex("webhook-signature")
        }
    }
}

/// The hash of an [`HmacScheme`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureEncoding {
    /// Hexadecimal in either case.
    Hex,
    /// Base64 with the standard alphabet, padded or not.
    Base64,
}

/// How a secret's text becomes the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEncoding {
    /// The bytes of the text.
    Utf8,
    /// Standard Webhooks: the base64 after an optional `whsec_`.
    Whsec,
    /// The base64 of the whole text.
    Base64,
}

/// A piece of the signed content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedPart {
    /// Fixed text.
    Literal(String),
    /// The raw body.
    Body,
    /// The text of the timestamp, exactly as sent.
    Timestamp,
    /// The text of the id header, exactly as sent.
    Id,
}

/// Where the sender's time stands and how far it may be off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimestampRule {
    /// The header, in lower case.
    pub header: String,
    /// What stands before the time inside the header, where it is a list (`t=`); empty otherwise.
    pub prefix: String,
    /// What stands between the items of that list.
    pub separator: Option<char>,
    /// How the time is written.
    pub format: TimestampFormat,
    /// How far it may be from our clock, either way.
    pub tolerance: Duration,
}

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampFormat {
    /// Whole seconds since 1970.
    Unix,
    /// Whole milliseconds since 1970.
    UnixMillis,
    /// RFC 3339.
    Rfc3339,
}

/// A shared token in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenScheme {
    /// The header, in lower case.
    pub header: String,
    /// What stands before the token, `Bearer ` for instance; compared without regard to case. Empty for none.
    pub prefix: String,
}

impl TokenScheme {
    /// `Authorization: Bearer <secret>`.
    pub fn bearer() -> Self {
        Self { header: "authorization".to_owned(), prefix: "Bearer ".to_owned() }
    }
}
