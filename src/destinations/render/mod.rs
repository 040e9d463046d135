//! What every destination says, before it takes the shape of one place.
//!
//! [`Summary`] holds the words in the order that is the same everywhere: severity and title, who did what to what, when and from where,
//! one link. Its texts are redacted ([`redact`]) and free of control characters ([`sanitize`]), but **not escaped**: each
//! destination cuts ([`truncate`]) and escapes at its last step, because only it knows its markup. [`ocsf`] is the other
//! projection, for machines: complete and not redacted.

pub mod ocsf;
pub mod redact;
pub mod sanitize;
mod summary;
pub mod truncate;

pub use summary::{Action, Fact, Summary};
