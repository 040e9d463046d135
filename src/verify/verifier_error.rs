//! Why a scheme and secrets do not make a verifier, and how many and how long secrets may be.

use super::scheme_error::SchemeError;

/// Scheme and secrets do not make a verifier. Positions count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifierError {
    /// No secret at all: nothing could be verified.
    #[error("there is no secret")]
    NoSecret,
    /// A rotation needs two.
    #[error("there are {count} secrets, more than {SECRETS_MAX}")]
    TooManySecrets {
        /// How many.
        count: usize,
    },
    /// HMAC takes an empty key without complaint, and then any sender can sign.
    #[error("secret {position} is empty")]
    EmptySecret {
        /// Which secret.
        position: usize,
    },
    /// Longer than any vendor's.
    #[error("secret {position} has {bytes} bytes, more than {SECRET_BYTES_MAX}")]
    LongSecret {
        /// Which secret.
        position: usize,
        /// Its length.
        bytes: usize,
    },
    /// The scheme wants a key in base64.
    #[error("secret {position} is not base64, which the scheme's key is written in")]
    NotDecodable {
        /// Which secret.
        position: usize,
    },
    /// A header cannot carry it unchanged.
    #[error("secret {position} is no token: a header carries printable ASCII without blanks around it")]
    NoToken {
        /// Which secret.
        position: usize,
    },
    /// Secrets that are never compared look like protection and are none.
    #[error("the scheme takes unauthenticated requests, so its secrets protect nothing")]
    UnsignedWithSecrets,
    /// The scheme itself is at fault.
    #[error("the scheme's {} cannot be used", .0.setting())]
    Scheme(#[source] SchemeError),
}

/// Enough for two rotations at once; each costs a hash over the body of every request.
pub(super) const SECRETS_MAX: usize = 4;
/// A token and its prefix must fit into a header line as [`super::lines`] takes it.
pub(super) const SECRET_BYTES_MAX: usize = 4000;
