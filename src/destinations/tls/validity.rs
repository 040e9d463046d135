//! From when and until when a certificate is good (RFC 5280, 4.1.2.5).
//!
//! The crate that verifies certificates tells these times only of those that it refuses, so the few fields before them are
//! read here. Nothing is trusted on their account: they are for what `gatepost check` says.

use rustls::pki_types::CertificateDer;

use crate::domain::Timestamp;

/// The times of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: Timestamp,
    /// The last moment.
    pub not_after: Timestamp,
}

impl Validity {
    /// The times of this certificate; `None` where it is not one.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let mut outer = Der(certificate.as_ref());
        let mut certificate = Der(outer.element(SEQUENCE)?);
        let mut fields = Der(certificate.element(SEQUENCE)?);
        if fields.next_is(VERSION) {
            fields.element(VERSION)?;
        }
        fields.element(INTEGER)?;
        fields.element(SEQUENCE)?;
        fields.element(SEQUENCE)?;
        let mut validity = Der(fields.element(SEQUENCE)?);
        Some(Self { not_before: validity.time()?, not_after: validity.time()? })
    }
}

/// What is left to read of a DER encoding.
struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    fn next_is(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// The content of the next element, which must have this tag.
    fn element(&mut self, tag: u8) -> Option<&'d [u8]> {
        let (found, rest) = self.0.split_first()?;
        let (length, rest) = length(rest)?;
        if *found != tag || length > rest.len() {
            return None;
        }
        let (content, rest) = rest.split_at(length);
        self.0 = rest;
        Some(content)
    }

    fn time(&mut self) -> Option<Timestamp> {
        if self.next_is(UTC_TIME) {
            let text = std::str::from_utf8(self.element(UTC_TIME)?).ok()?;
            // RFC 5280, 4.1.2.5.1: two digits of the year, from 1950 to 2049.
            let century = if text.get(..2)? < "50" { "20" } else { "19" };
            return moment(&format!("{century}{text}"));
        }
        moment(std::str::from_utf8(self.element(GENERALIZED_TIME)?).ok()?)
    }
}

/// The length that begins here, and what follows it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if *first < 0x80 {
        return Some((usize::from(*first), rest));
    }
    let count = usize::from(*first & 0x7f);
    if !(1..=4).contains(&count) || rest.len() < count {
        return None;
    }
    let (digits, rest) = rest.split_at(count);
    Some((digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest))
}

/// `20261122101530Z`
fn moment(text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.len() == 14)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    let (date, time) =
        ([part(0, 4), part(4, 6), part(6, 8)].join("-"), [part(8, 10), part(10, 12), part(12, 14)].join(":"));
    Timestamp::parse(&format!("{date}T{time}Z"))
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The explicit tag 0, which certificates of version 1 do not have.
const VERSION: u8 = 0xa0;

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::pem::PemObject;

    fn der(name: &str) -> CertificateDer<'static> {
        let path = crate::destinations::testing::project("tests/fixtures/tls").join(name);
        CertificateDer::from_pem_file(path).unwrap()
    }

    #[test]
    fn the_times_are_those_that_openssl_shows() {
        for (name, begins, ends) in [
            ("good.pem", "2020-01-01T00:00:00Z", "2048-01-01T00:00:00Z"),
            ("expired.pem", "2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z"),
            ("early.pem", "2047-01-01T00:00:00Z", "2048-01-01T00:00:00Z"),
        ] {
            let [not_before, not_after] = [begins, ends].map(|time| Timestamp::parse(time).unwrap());
            assert_eq!(Validity::of(&der(name)), Some(Validity { not_before, not_after }), "{name}");
        }
        assert_eq!(moment("20500101000000Z"), Timestamp::parse("2050-01-01T00:00:00Z"));
        let utc_time = |text: &str| Der(&[&[UTC_TIME, 13][..], text.as_bytes()].concat()).time();
        assert_eq!(utc_time("491231235959Z"), Timestamp::parse("2049-12-31T23:59:59Z"));
        assert_eq!(utc_time("500101000000Z"), Timestamp::parse("1950-01-01T00:00:00Z"));
    }

    #[test]
    fn what_is_no_certificate_has_no_times_and_does_no_harm() {
        let whole = der("good.pem").to_vec();
        let before_the_times = 100;
        for end in 0..before_the_times {
            assert_eq!(Validity::of(&CertificateDer::from(whole[..end].to_vec())), None, "{end}");
        }
        for place in 0..whole.len() {
            for value in [0x00, 0x30, 0x80, 0x84, 0xff] {
                let mut changed = whole.clone();
                changed[place] = value;
                // Whatever is read, nothing panics.
                std::hint::black_box(Validity::of(&CertificateDer::from(changed)));
            }
        }
        for text in
            ["", "20261122101530", "2026112210153Z", "2026112210153\u{e9}Z", "20261322101530Z", "+0261122101530Z"]
        {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
