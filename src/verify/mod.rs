//! Whether a request is authentic: schemes as data, over the raw bytes, in constant time.
//!
//! `server::ingress` calls [`Verifier::precheck`] before it reads a body and [`Verifier::verify`] after; it is the only
//! maker of [`Verified`], and the store takes nothing else. `gatepost verify` calls [`Verifier::explain`], `gatepost
//! send` calls [`Verifier::sign`]. The module is pure: the present moment and the secrets are arguments. It does not
//! promise that an authentic request is harmless, only that its sender holds the secret; and it does not promise that
//! it is new: a scheme without a time can be replayed, which is why the store remembers dedupe keys.

mod base64_text;
mod decoy;
mod explain;
mod key;
mod lines;
mod refusal;
mod scheme;
mod scheme_error;
mod settings;
mod sign;
mod signature;
mod tag;
mod token;
mod trials;
mod verified;
mod verifier;
mod verifier_error;

pub use explain::{Check, Finding};
pub use refusal::Refusal;
pub use scheme::{
    Algorithm, HmacScheme, KeyEncoding, Scheme, SignatureEncoding, SignedPart, TimestampFormat, TimestampRule,
    TokenScheme,
};
pub use scheme_error::{Place, SchemeError};
pub use verified::Verified;
pub use verifier::Verifier;
pub use verifier_error::VerifierError;

#[cfg(test)]
mod tests;
