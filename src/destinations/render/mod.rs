//! What every destination says, before it takes the shape of one place.
//!
//! [`Brief`] holds the words in the order of the house: severity and title, who did what to what, when and from where,
//! one link. Its texts are redacted ([`redact`]) and free of control characters ([`plain`]), but **not escaped**: each
//! destination cuts ([`cut`]) and escapes at its last step, because only it knows its markup. [`ocsf`] is the other
//! projection, for machines: complete and not redacted.

mod brief;
pub mod cut;
pub mod ocsf;
pub mod plain;
pub mod redact;

pub use brief::{Brief, Deed, Fact};
