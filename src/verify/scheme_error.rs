//! What makes a scheme unusable, whether it is defined by a vendor or in the configuration.

use super::scheme::{HmacScheme, Scheme, SignedPart, TimestampRule, TokenScheme};

/// A scheme that cannot work, or would verify less than it seems to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemeError {
    /// No request could have such a header.
    #[error("is not a header name")]
    HeaderName(Place),
    /// The text before a value could not be in a header.
    #[error("is not printable ASCII of at most {PREFIX_BYTES_MAX} bytes")]
    Prefix(Place),
    /// The character occurs inside signatures or times, or is not printable.
    #[error("is a character that stands inside signatures")]
    Separator(Place),
    /// The prefix would be cut in two.
    #[error("contains the separator")]
    PrefixCut(Place),
    /// The signature says nothing about the body, or takes it twice.
    #[error("must contain {{body}} exactly once")]
    SignedBody,
    /// A placeholder other than the body stands twice.
    #[error("repeats a placeholder")]
    SignedTwice,
    /// The time is signed, but nothing says where it stands.
    #[error("has {{timestamp}}, but there is no timestamp table")]
    SignedTimestamp,
    /// The id is signed, but nothing says where it stands.
    #[error("has {{id}}, but there is no id_header")]
    SignedId,
    /// Time and signature share a header, but cannot be told apart.
    #[error("shares the signature's header, which needs a prefix and the same separator in both")]
    SharedHeader,
}

/// Which setting a [`SchemeError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `header`.
    Header,
    /// `prefix`.
    Prefix,
    /// `separator`.
    Separator,
    /// `id_header`.
    IdHeader,
    /// `timestamp.header`.
    TimestampHeader,
    /// `timestamp.prefix`.
    TimestampPrefix,
    /// `timestamp.separator`.
    TimestampSeparator,
}

impl SchemeError {
    /// The setting below `verify` that is at fault, such as `timestamp.header`.
    pub fn setting(self) -> &'static str {
        match self {
            Self::HeaderName(place) | Self::Prefix(place) | Self::Separator(place) | Self::PrefixCut(place) => {
                place.setting()
            }
            Self::SignedBody | Self::SignedTwice | Self::SignedTimestamp | Self::SignedId => "signed",
            Self::SharedHeader => "timestamp",
        }
    }

    /// What to do about it.
    pub fn fix(self) -> &'static str {
        match self {
            Self::HeaderName(_) => "write the header's name alone, like x-acme-signature",
            Self::Prefix(_) => "write what stands before the value, like sha256=",
            Self::Separator(_) => "write one of: , ; | or a blank",
            Self::PrefixCut(_) => "the separator stands between whole values: correct one of the two",
            Self::SignedBody => "write {body} where the raw body stands",
            Self::SignedTwice => "write each of {timestamp} and {id} at most once",
            Self::SignedTimestamp => "add timestamp = { header = \"…\" }, or remove it",
            Self::SignedId => "add id_header = \"…\", or remove it",
            Self::SharedHeader => "add prefix and separator to timestamp, like t= and a comma",
        }
    }
}

impl Place {
    fn setting(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Prefix => "prefix",
            Self::Separator => "separator",
            Self::IdHeader => "id_header",
            Self::TimestampHeader => "timestamp.header",
            Self::TimestampPrefix => "timestamp.prefix",
            Self::TimestampSeparator => "timestamp.separator",
        }
    }
}

impl Scheme {
    /// Everything that is wrong with the scheme, so that an operator can fix it in one go.
    pub(super) fn faults(&self) -> Vec<SchemeError> {
        let mut faults = Vec::new();
        match self {
            Self::Hmac(scheme) => faults_of_hmac(scheme, &mut faults),
            Self::Token(scheme) => faults_of_token(scheme, &mut faults),
            Self::DangerUnsigned => {}
        }
        faults
    }
}

fn faults_of_hmac(scheme: &HmacScheme, faults: &mut Vec<SchemeError>) {
    check_header(&scheme.header, Place::Header, faults);
    check_prefix(&scheme.prefix, scheme.separator, Place::Prefix, faults);
    check_separator(scheme.separator, Place::Separator, faults);
    if let Some(header) = &scheme.id_header {
        check_header(header, Place::IdHeader, faults);
    }
    if let Some(rule) = &scheme.timestamp {
        faults_of_timestamp(scheme, rule, faults);
    }
    faults_of_signed(scheme, faults);
}

fn faults_of_token(scheme: &TokenScheme, faults: &mut Vec<SchemeError>) {
    check_header(&scheme.header, Place::Header, faults);
    check_prefix(&scheme.prefix, None, Place::Prefix, faults);
}

fn faults_of_timestamp(scheme: &HmacScheme, rule: &TimestampRule, faults: &mut Vec<SchemeError>) {
    check_header(&rule.header, Place::TimestampHeader, faults);
    check_prefix(&rule.prefix, rule.separator, Place::TimestampPrefix, faults);
    check_separator(rule.separator, Place::TimestampSeparator, faults);
    let told_apart = !rule.prefix.is_empty() && rule.separator.is_some() && rule.separator == scheme.separator;
    if rule.header == scheme.header && !told_apart {
        faults.push(SchemeError::SharedHeader);
    }
}

fn faults_of_signed(scheme: &HmacScheme, faults: &mut Vec<SchemeError>) {
    let count = |part: SignedPart| scheme.signed.iter().filter(|other| **other == part).count();
    let (timestamps, ids) = (count(SignedPart::Timestamp), count(SignedPart::Id));
    if count(SignedPart::Body) != 1 {
        faults.push(SchemeError::SignedBody);
    }
    if timestamps > 1 || ids > 1 {
        faults.push(SchemeError::SignedTwice);
    }
    if timestamps > 0 && scheme.timestamp.is_none() {
        faults.push(SchemeError::SignedTimestamp);
    }
    if ids > 0 && scheme.id_header.is_none() {
        faults.push(SchemeError::SignedId);
    }
}

/// RFC 9110, 5.1: a field name is a token. Lower case, because that is how [`crate::domain::Headers`] keeps names.
fn check_header(name: &str, place: Place, faults: &mut Vec<SchemeError>) {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > HEADER_BYTES_MAX || !name.bytes().all(plain) {
        faults.push(SchemeError::HeaderName(place));
    }
}

fn check_prefix(prefix: &str, separator: Option<char>, place: Place, faults: &mut Vec<SchemeError>) {
    let printable = prefix.bytes().all(|b| (b' '..=b'~').contains(&b));
    if prefix.len() > PREFIX_BYTES_MAX || !printable || prefix.starts_with(' ') {
        faults.push(SchemeError::Prefix(place));
    }
    if separator.is_some_and(|separator| prefix.contains(separator)) {
        faults.push(SchemeError::PrefixCut(place));
    }
}

/// Hexadecimal, base64, whole numbers and RFC 3339 must survive the cut.
fn check_separator(separator: Option<char>, place: Place, faults: &mut Vec<SchemeError>) {
    let inside = |c: char| c.is_ascii_alphanumeric() || "+/=-:.".contains(c);
    let printable = |c: char| (' '..='~').contains(&c);
    if separator.is_some_and(|c| inside(c) || !printable(c)) {
        faults.push(SchemeError::Separator(place));
    }
}

/// Longer header names exist nowhere among vendors.
const HEADER_BYTES_MAX: usize = 128;
/// The longest known, Buildkite's `timestamp=`, has 10.
const PREFIX_BYTES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::verify::TimestampFormat;

    fn faults_after(change: impl FnOnce(&mut HmacScheme)) -> Vec<SchemeError> {
        let mut scheme = HmacScheme::sha256_hex("x-sig");
        change(&mut scheme);
        Scheme::Hmac(scheme).faults()
    }

    fn rule(header: &str, prefix: &str, separator: Option<char>) -> TimestampRule {
        let tolerance = Duration::from_secs(300);
        let (header, prefix) = (header.to_owned(), prefix.to_owned());
        TimestampRule { header, prefix, separator, format: TimestampFormat::Unix, tolerance }
    }

    #[test]
    fn a_scheme_that_signs_no_body_or_knows_no_header_is_at_fault() {
        assert_eq!(faults_after(|_| {}), []);
        assert_eq!(faults_after(|s| s.signed.clear()), [SchemeError::SignedBody]);
        assert_eq!(faults_after(|s| s.signed.push(SignedPart::Body)), [SchemeError::SignedBody]);
        assert_eq!(faults_after(|s| s.signed.push(SignedPart::Id)), [SchemeError::SignedId]);
        assert_eq!(faults_after(|s| s.signed.push(SignedPart::Timestamp)), [SchemeError::SignedTimestamp]);
        for name in ["", "X-Sig", "x sig", "x-sig:", "x-sïg"] {
            assert_eq!(faults_after(|s| s.header = name.into()), [SchemeError::HeaderName(Place::Header)], "{name}");
        }
        assert_eq!(faults_after(|s| s.id_header = Some("a b".into())), [SchemeError::HeaderName(Place::IdHeader)]);
    }

    #[test]
    fn what_would_be_cut_in_two_is_at_fault() {
        assert_eq!(faults_after(|s| s.prefix = "é".into()), [SchemeError::Prefix(Place::Prefix)]);
        for bad in ['a', '0', '=', '+', '/', '\n', 'é'] {
            assert_eq!(faults_after(|s| s.separator = Some(bad)), [SchemeError::Separator(Place::Separator)], "{bad}");
        }
        let cut = faults_after(|s| (s.prefix, s.separator) = ("v1,".into(), Some(',')));
        assert_eq!(cut, [SchemeError::PrefixCut(Place::Prefix)]);
    }

    #[test]
    fn a_shared_header_needs_prefix_and_separator() {
        let shared = |prefix: &str, separator| {
            faults_after(|s| (s.separator, s.timestamp) = (Some(','), Some(rule("x-sig", prefix, separator))))
        };
        assert_eq!(shared("t=", Some(',')), []);
        for (prefix, separator) in [("", Some(',')), ("t=", None), ("t=", Some(';'))] {
            assert_eq!(shared(prefix, separator), [SchemeError::SharedHeader], "{prefix} {separator:?}");
        }
    }
}
