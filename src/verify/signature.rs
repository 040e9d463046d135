//! HMAC schemes: what the headers hold, whether a secret made it, and when.
//!
//! The steps stand alone so that [`Verifier::explain`](super::Verifier::explain) walks through the very ones that
//! [`Verifier::verify`](super::Verifier::verify) takes.

use std::time::Duration;

use super::key::{MacKey, key_bytes};
use super::lines::{items, single};
use super::refusal::Flaw;
use super::scheme::{HmacScheme, SignedPart, TimestampFormat};
use super::tag::{Tag, slot_of};
use super::verifier_error::VerifierError;
use crate::domain::{Headers, Secret, Timestamp};

/// An HMAC scheme with its keys prepared.
pub(super) struct SignatureVerifier {
    pub(super) scheme: HmacScheme,
    pub(super) keys: Vec<MacKey>,
}

/// What of the signed content is in headers, as sent.
#[derive(Clone, Copy, Default)]
pub(super) struct Context<'h> {
    pub(super) timestamp: Option<&'h str>,
    pub(super) id: Option<&'h str>,
}

impl SignatureVerifier {
    pub(super) fn new(scheme: HmacScheme, secrets: &[Secret]) -> Result<Self, VerifierError> {
        let prepare = |(index, secret)| {
            let position = index + 1;
            let key = key_bytes(scheme.key_encoding, secret).ok_or(VerifierError::NotDecodable { position })?;
            if key.is_empty() {
                return Err(VerifierError::EmptySecret { position });
            }
            MacKey::new(scheme.algorithm, &key).ok_or(VerifierError::NotDecodable { position })
        };
        let keys = secrets.iter().enumerate().map(prepare).collect::<Result<_, _>>()?;
        Ok(Self { scheme, keys })
    }

    /// Whether the header is part of what is signed.
    pub(super) fn signs_header(&self, name: &str) -> bool {
        let is_id = self.scheme.id_header.as_deref() == Some(name);
        let is_time = self.scheme.timestamp.as_ref().is_some_and(|rule| rule.header == name);
        let signed = |part: &SignedPart| match part {
            SignedPart::Id => is_id,
            SignedPart::Timestamp => is_time,
            SignedPart::Body | SignedPart::Literal(_) => false,
        };
        self.scheme.signed.iter().any(signed)
    }

    /// Whether the time is part of what is signed.
    pub(super) fn signs_time(&self) -> bool {
        self.scheme.timestamp.is_some() && self.scheme.signed.contains(&SignedPart::Timestamp)
    }

    /// The slot of the secret that signed the request.
    pub(super) fn verify(&self, headers: &Headers, body: &[u8], now: Timestamp) -> Result<usize, Flaw> {
        let candidates = self.candidates(self.value(headers)?)?;
        let context = Context { timestamp: self.timestamp(headers)?, id: self.id(headers)? };
        let slot = self.matching(&candidates, &context, body)?;
        // Last, so that only holders of a secret can probe the clock.
        self.age(context.timestamp, now)?;
        Ok(slot)
    }

    /// The signature header's value.
    pub(super) fn value<'h>(&self, headers: &'h Headers) -> Result<&'h str, Flaw> {
        single(headers, &self.scheme.header)
    }

    /// The tags in the value that could be right. More than [`CANDIDATES_MAX`] are refused rather than cut off, so
    /// that what counts does not depend on the order.
    pub(super) fn candidates(&self, value: &str) -> Result<Vec<Tag>, Flaw> {
        let scheme = &self.scheme;
        let texts: Vec<&str> = items(value, scheme.separator).filter_map(|item| self.without_prefix(item)).collect();
        if texts.is_empty() {
            return Err(Flaw::mismatch(format!("no signature in it begins with '{}'", scheme.prefix)));
        }
        if texts.len() > CANDIDATES_MAX {
            return Err(Flaw::mismatch(format!("it holds {} signatures, more than {CANDIDATES_MAX}", texts.len())));
        }
        let mut tags = Vec::with_capacity(texts.len());
        let mut reason = String::new();
        for text in texts {
            match Tag::decode(text, scheme.encoding, scheme.algorithm) {
                Ok(tag) => tags.push(tag),
                Err(why) => reason = why,
            }
        }
        if tags.is_empty() { Err(Flaw::mismatch(reason)) } else { Ok(tags) }
    }

    /// The text of the time, where the scheme has one.
    pub(super) fn timestamp<'h>(&self, headers: &'h Headers) -> Result<Option<&'h str>, Flaw> {
        let Some(rule) = &self.scheme.timestamp else { return Ok(None) };
        let value = single(headers, &rule.header)?;
        let mut times = items(value, rule.separator).filter_map(|item| item.strip_prefix(rule.prefix.as_str()));
        match (times.next(), times.next()) {
            (Some(text), None) => Ok(Some(text)),
            (None, _) => Err(Flaw::missing(format!("the header {} has no '{}' with a time", rule.header, rule.prefix))),
            (_, Some(_)) => Err(Flaw::mismatch(format!("the header {} holds more than one time", rule.header))),
        }
    }

    /// The text of the id, where it is signed.
    pub(super) fn id<'h>(&self, headers: &'h Headers) -> Result<Option<&'h str>, Flaw> {
        let Some(header) = self.scheme.id_header.as_deref() else { return Ok(None) };
        let Some(at) = self.scheme.signed.iter().position(|part| *part == SignedPart::Id) else { return Ok(None) };
        let id = single(headers, header)?;
        if id.len() > ID_BYTES_MAX {
            return Err(Flaw::mismatch(format!("the id in {header} has {} bytes, more than {ID_BYTES_MAX}", id.len())));
        }
        match self.delimiters(at).into_iter().flatten().find(|delimiter| id.contains(*delimiter)) {
            Some(delimiter) => Err(Flaw::mismatch(format!("the id in {header} contains '{delimiter}', which ends it"))),
            None => Ok(Some(id)),
        }
    }

    /// The slot of the secret that made one of the candidates. All are compared with all; no hit ends it early.
    pub(super) fn matching(&self, candidates: &[Tag], context: &Context<'_>, body: &[u8]) -> Result<usize, Flaw> {
        match_any(&self.keys, candidates, || context.pieces(&self.scheme.signed, body))
            .ok_or_else(|| Flaw::mismatch("no secret of this source made this signature over this content".to_owned()))
    }

    /// How far the time is from `now`, where the scheme has one: zero where it has none.
    pub(super) fn age(&self, text: Option<&str>, now: Timestamp) -> Result<Duration, Flaw> {
        let (Some(rule), Some(text)) = (&self.scheme.timestamp, text) else { return Ok(Duration::ZERO) };
        let Some(time) = read_time(text, rule.format) else {
            return Err(Flaw::stale(format!("the time is not written as {}", words(rule.format))));
        };
        let distance = now.distance(time);
        if distance <= rule.tolerance {
            return Ok(distance);
        }
        let side = if time < now { "before" } else { "after" };
        let far = format!("{time} is {} s {side} our clock, which says {now}", distance.as_secs());
        Err(Flaw::stale(format!("{far}; {} s are tolerated", rule.tolerance.as_secs())))
    }

    fn without_prefix<'i>(&self, item: &'i str) -> Option<&'i str> {
        let stripped = item.strip_prefix(self.scheme.prefix.as_str());
        stripped.or_else(|| self.scheme.prefix_optional.then_some(item))
    }

    /// The characters between the id and the adjacent parts. An id that held one could move bytes to or from an
    /// adjacent part, and the signature would still match: Standard Webhooks forbids '.' for that reason.
    fn delimiters(&self, at: usize) -> [Option<char>; 2] {
        let literal = |part: Option<&SignedPart>| match part {
            Some(SignedPart::Literal(text)) => Some(text.clone()),
            _ => None,
        };
        let signed = &self.scheme.signed;
        let after = literal(signed.get(at + 1)).and_then(|text| text.chars().next());
        // A literal that begins the whole content has no part before it.
        let before = at.checked_sub(1).filter(|before| *before > 0).and_then(|before| literal(signed.get(before)));
        [after, before.and_then(|text| text.chars().last())]
    }
}

impl Context<'_> {
    /// The signed content, piece by piece.
    pub(super) fn pieces<'p>(&'p self, signed: &'p [SignedPart], body: &'p [u8]) -> impl Iterator<Item = &'p [u8]> {
        signed.iter().map(move |part| match part {
            SignedPart::Literal(text) => text.as_bytes(),
            SignedPart::Body => body,
            SignedPart::Timestamp => self.timestamp.unwrap_or_default().as_bytes(),
            SignedPart::Id => self.id.unwrap_or_default().as_bytes(),
        })
    }
}

/// The first of `keys` that made one of the candidates over the pieces.
pub(super) fn match_any<'p, I>(keys: &[MacKey], candidates: &[Tag], pieces: impl Fn() -> I) -> Option<usize>
where
    I: Iterator<Item = &'p [u8]>,
{
    slot_of(keys.iter().map(|key| {
        let tag = key.tag(pieces());
        candidates.iter().fold(0.into(), |hit, candidate| hit | tag.ct_eq(candidate))
    }))
}

fn read_time(text: &str, format: TimestampFormat) -> Option<Timestamp> {
    match format {
        TimestampFormat::Unix => Timestamp::from_seconds(digits(text, SECONDS_DIGITS_MAX)?),
        TimestampFormat::UnixMillis => {
            let millis = digits(text, MILLIS_DIGITS_MAX)?;
            Some(Timestamp::from_millis(millis)).filter(|time| time.as_millis() == millis)
        }
        TimestampFormat::Rfc3339 => {
            let plausible = text.len() <= RFC3339_BYTES_MAX && text.starts_with(|c: char| c.is_ascii_digit());
            if plausible { Timestamp::parse(text) } else { None }
        }
    }
}

/// A whole number without sign or blanks. `parse` alone would take a '+'.
fn digits(text: &str, max: usize) -> Option<i64> {
    let plain = (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn words(format: TimestampFormat) -> &'static str {
    match format {
        TimestampFormat::Unix => "whole seconds since 1970",
        TimestampFormat::UnixMillis => "whole milliseconds since 1970",
        TimestampFormat::Rfc3339 => "RFC 3339",
    }
}

/// Two versions times a few rotated secrets; senders use at most three.
const CANDIDATES_MAX: usize = 8;
/// Standard Webhooks gives no bound; ids in the field have less than 64 bytes.
const ID_BYTES_MAX: usize = 256;
/// Beyond the year 9999, and far from what overflows.
const SECONDS_DIGITS_MAX: usize = 12;
/// The same in milliseconds.
const MILLIS_DIGITS_MAX: usize = 15;
/// Nanoseconds and an offset take 35.
const RFC3339_BYTES_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_digits_of_bounded_number_or_rfc_3339() {
        let unix = |text| read_time(text, TimestampFormat::Unix).map(Timestamp::as_millis);
        assert_eq!(unix("1614265330"), Some(1_614_265_330_000));
        assert_eq!(unix("0"), Some(0));
        for bad in ["", "-1", "+1", " 1", "1.0", "1e9", "0x10", "1614265330123", "999999999999", "１６", "²", "1_0"]
        {
            assert_eq!(unix(bad), None, "{bad}");
        }
        let millis = |text| read_time(text, TimestampFormat::UnixMillis).map(Timestamp::as_millis);
        assert_eq!(millis("1614265330123"), Some(1_614_265_330_123));
        for bad in ["999999999999999", "1614265330123000", "9223372036854775808", "-1"] {
            assert_eq!(millis(bad), None, "{bad}");
        }
        let rfc3339 = |text| read_time(text, TimestampFormat::Rfc3339).map(Timestamp::as_millis);
        assert_eq!(rfc3339("2021-02-25T15:02:10Z"), Some(1_614_265_330_000));
        assert_eq!(rfc3339("2021-02-25T16:02:10.000000000+01:00"), Some(1_614_265_330_000));
        for bad in ["1614265330", "+002021-02-25T15:02:10Z", "2021-02-25", "2021-02-25T15:02:10", &"2".repeat(41)] {
            assert_eq!(rfc3339(bad), None, "{bad}");
        }
    }
}
