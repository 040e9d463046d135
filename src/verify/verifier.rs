//! The verifier of one source.

use std::fmt;

use super::decoy::Decoy;
use super::refusal::{Flaw, Refusal};
use super::scheme::Scheme;
use super::signature::SignatureVerifier;
use super::token::TokenVerifier;
use super::verified::Verified;
use super::verifier_error::{SECRET_BYTES_MAX, SECRETS_MAX, VerifierError};
use crate::domain::{Headers, Request, Secret, Timestamp};

/// Decides whether the sender of a request holds one of a source's secrets.
///
/// Made once a source, when the configuration is read; its keys are prepared then, so that a request costs one copy of
/// a hash state and the hash itself for each secret. It prints without its secrets.
pub struct Verifier {
    pub(super) kind: Kind,
    /// As given. Signing and explaining need them; verifying uses the prepared form.
    pub(super) secrets: Vec<Secret>,
}

/// What the scheme became once it met its secrets.
pub(super) enum Kind {
    Signature(SignatureVerifier),
    Token(TokenVerifier),
    Unsigned,
    /// `None` where no key could be prepared: it refuses all the same.
    Decoy(Option<Decoy>),
}

impl Verifier {
    /// Prepares a verifier for 1 to 4 secrets, which are tried in every request; none for [`Scheme::DangerUnsigned`].
    ///
    /// # Errors
    /// When the scheme could not verify what it seems to, or a secret cannot be its key. [`Verifier::from_settings`]
    /// decides how long a secret must be.
    pub fn new(scheme: Scheme, secrets: Vec<Secret>) -> Result<Self, VerifierError> {
        if let Some(fault) = scheme.faults().into_iter().next() {
            return Err(VerifierError::Scheme(fault));
        }
        let kind = match scheme {
            Scheme::DangerUnsigned if secrets.is_empty() => Kind::Unsigned,
            Scheme::DangerUnsigned => return Err(VerifierError::UnsignedWithSecrets),
            Scheme::Hmac(scheme) => Kind::Signature(SignatureVerifier::new(scheme, usable(&secrets)?)?),
            Scheme::Token(scheme) => Kind::Token(TokenVerifier::new(scheme, usable(&secrets)?)?),
        };
        Ok(Self { kind, secrets })
    }

    /// A verifier for sources that do not exist: it never accepts, and takes as long about it as an HMAC source with
    /// one secret takes for a wrong signature, under a key that is random for each process. Names cannot be told from
    /// each other by the time of the refusal, and to try names is not the cheaper attack.
    pub fn decoy() -> Self {
        Self { kind: Kind::Decoy(Decoy::new()), secrets: Vec::new() }
    }

    /// What the headers alone tell, for intake to refuse before it takes in a large body. A token is verified in full;
    /// of a signature only that its one header line is there and is not empty.
    ///
    /// # Errors
    /// The refusal that [`Verifier::verify`] would give to the same headers, whatever the body.
    pub fn precheck(&self, headers: &Headers) -> Result<(), Refusal> {
        match &self.kind {
            Kind::Signature(verifier) => verifier.value(headers).map(drop)?,
            Kind::Token(verifier) => verifier.verify(headers).map(drop)?,
            Kind::Unsigned | Kind::Decoy(_) => {}
        }
        Ok(())
    }

    /// Verifies a request over its raw bytes, at the present moment `now`.
    ///
    /// # Errors
    /// Why it is not authentic. [`Refusal::TimestampStale`] is told only to those whose signature is right.
    pub fn verify(&self, request: Request, now: Timestamp) -> Result<Verified, Refusal> {
        let slot = self.slot(&request, now)?;
        Ok(Verified::new(request, slot))
    }

    /// Whether it takes unauthenticated requests.
    pub fn is_unsigned(&self) -> bool {
        matches!(self.kind, Kind::Unsigned)
    }

    /// Whether a secret authenticates the value of the header `name` (lower case). A token authenticates the whole
    /// request; a signature only what it is computed over.
    pub fn vouches_for_header(&self, name: &str) -> bool {
        match &self.kind {
            Kind::Signature(verifier) => verifier.signs_header(name),
            Kind::Token(_) => true,
            Kind::Unsigned | Kind::Decoy(_) => false,
        }
    }

    /// Whether the time of the request is part of what is signed, so that a captured one goes stale.
    pub fn signs_time(&self) -> bool {
        match &self.kind {
            Kind::Signature(verifier) => verifier.signs_time(),
            Kind::Token(_) | Kind::Unsigned | Kind::Decoy(_) => false,
        }
    }

    /// The text of the time that the headers of a verified request state, where it is part of what is signed.
    pub fn signed_time<'h>(&self, headers: &'h Headers) -> Option<&'h str> {
        match &self.kind {
            Kind::Signature(verifier) if verifier.signs_time() => verifier.timestamp(headers).ok().flatten(),
            _ => None,
        }
    }

    /// Whether a captured request stays authentic without an end, although its captor could not have made it: it is signed,
    /// and its time is not. With a captured token any request can be made.
    pub fn is_replayable(&self) -> bool {
        matches!(&self.kind, Kind::Signature(verifier) if !verifier.signs_time())
    }

    /// Whether the headers alone decide, so that [`Verifier::precheck`] is the whole check.
    pub fn is_token(&self) -> bool {
        matches!(self.kind, Kind::Token(_))
    }

    /// The slot that matched; `Ok(None)` where nothing had to.
    pub(super) fn slot(&self, request: &Request, now: Timestamp) -> Result<Option<usize>, Flaw> {
        match &self.kind {
            Kind::Signature(verifier) => verifier.verify(&request.headers, &request.body, now).map(Some),
            Kind::Token(verifier) => verifier.verify(&request.headers).map(Some),
            Kind::Unsigned => Ok(None),
            Kind::Decoy(Some(decoy)) => decoy.verify(&request.body).map(Some),
            Kind::Decoy(None) => Err(Flaw::mismatch("there is no such source".to_owned())),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut output = f.debug_struct("Verifier");
        match &self.kind {
            Kind::Signature(verifier) => output.field("scheme", &verifier.scheme),
            Kind::Token(verifier) => output.field("scheme", &verifier.scheme),
            Kind::Unsigned => output.field("scheme", &Scheme::DangerUnsigned),
            Kind::Decoy(_) => output.field("scheme", &"decoy"),
        };
        output.field("secrets", &self.secrets.len()).finish()
    }
}

fn usable(secrets: &[Secret]) -> Result<&[Secret], VerifierError> {
    if secrets.is_empty() {
        return Err(VerifierError::NoSecret);
    }
    if secrets.len() > SECRETS_MAX {
        return Err(VerifierError::TooManySecrets { count: secrets.len() });
    }
    for (index, secret) in secrets.iter().enumerate() {
        let position = index + 1;
        if secret.is_empty() {
            return Err(VerifierError::EmptySecret { position });
        }
        if secret.len() > SECRET_BYTES_MAX {
            return Err(VerifierError::LongSecret { position, bytes: secret.len() });
        }
    }
    Ok(secrets)
}
