//! Whether a request is authentic: schemes as data, over the raw bytes, in constant time.
//!
//! `server::ingress` calls [`Verifier::verify`] for every request; it is the only maker of [`Verified`], and the store
//! takes nothing else. The room is pure: the present moment and the secrets are arguments. It does not promise that an
//! authentic request is harmless, only that it comes from whoever holds the secret.

mod scheme;

pub use scheme::{
    Algorithm, HmacScheme, KeyEncoding, Scheme, SignatureEncoding, SignedPart, TimestampFormat, TimestampRule,
    TokenScheme,
};
