//! Why a request is not authentic: what the sender is told, and what the operator is told.

/// Why a request is refused. The sentence is for the sender, who shows it to its users: it says nothing about how the
/// source is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// There is nothing to verify. The sender's fault.
    #[error("A header that must authenticate this request is missing.")]
    SignatureMissing,
    /// What there is does not fit the request. The sender's fault, or the secrets differ.
    #[error("The signature or token does not match this request.")]
    SignatureMismatch,
    /// The signature is right, but its time is not the present: a replay, or a clock that is off.
    #[error("The signed time of this request is too far from the present.")]
    TimestampStale,
}

impl Refusal {
    /// The stable code in the problem document (RFC 9457).
    pub fn code(self) -> &'static str {
        match self {
            Self::SignatureMissing => "signature-missing",
            Self::SignatureMismatch => "signature-mismatch",
            Self::TimestampStale => "timestamp-stale",
        }
    }
}

/// A [`Refusal`] with the reason that only the operator sees. The reason never holds a header's value, a tag or a
/// secret, because it ends in terminals and tickets.
#[derive(Debug)]
pub(super) struct Flaw {
    pub(super) refusal: Refusal,
    pub(super) reason: String,
}

impl Flaw {
    pub(super) fn missing(reason: String) -> Self {
        Self { refusal: Refusal::SignatureMissing, reason }
    }

    pub(super) fn mismatch(reason: String) -> Self {
        Self { refusal: Refusal::SignatureMismatch, reason }
    }

    pub(super) fn stale(reason: String) -> Self {
        Self { refusal: Refusal::TimestampStale, reason }
    }
}

impl From<Flaw> for Refusal {
    fn from(flaw: Flaw) -> Self {
        flaw.refusal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_stable_and_sentences_say_nothing_about_the_inside() {
        let all = [Refusal::SignatureMissing, Refusal::SignatureMismatch, Refusal::TimestampStale];
        assert_eq!(all.map(Refusal::code), ["signature-missing", "signature-mismatch", "timestamp-stale"]);
        for refusal in all {
            let sentence = refusal.to_string();
            assert!(sentence.len() < 80 && sentence.ends_with('.'), "{sentence}");
            for inside in ["hmac", "sha", "hex", "x-", "secret", "slot"] {
                assert!(!sentence.to_lowercase().contains(inside), "{sentence}");
            }
        }
    }
}
