//! Every shape of scheme that vendors use, and that each verifies what it signs itself.

use std::time::Duration;

use super::*;
use crate::verify::{
    Algorithm, HmacScheme, KeyEncoding, SignatureEncoding, SignedPart, TimestampFormat, TimestampRule, TokenScheme,
};

pub(super) fn time_in(header: &str, format: TimestampFormat) -> TimestampRule {
    let tolerance = Duration::from_secs(300);
    TimestampRule { header: header.to_owned(), prefix: String::new(), separator: None, format, tolerance }
}

pub(super) fn text(literal: &str) -> SignedPart {
    SignedPart::Literal(literal.to_owned())
}

pub(super) fn github() -> HmacScheme {
    HmacScheme { prefix: "sha256=".to_owned(), ..HmacScheme::sha256_hex("X-Hub-Signature-256") }
}

pub(super) fn secureagentics() -> HmacScheme {
    HmacScheme {
        prefix: "sha256=".to_owned(),
        prefix_optional: true,
        ..HmacScheme::sha256_hex("X-Secureagentics-Signature")
    }
}

pub(super) fn standard_webhooks() -> HmacScheme {
    HmacScheme::standard_webhooks()
}

pub(super) fn slack() -> HmacScheme {
    HmacScheme {
        prefix: "v0=".to_owned(),
        signed: vec![text("v0:"), SignedPart::Timestamp, text(":"), SignedPart::Body],
        timestamp: Some(time_in("x-slack-request-timestamp", TimestampFormat::Unix)),
        ..HmacScheme::sha256_hex("X-Slack-Signature")
    }
}

pub(super) fn pagerduty() -> HmacScheme {
    HmacScheme { prefix: "v1=".to_owned(), separator: Some(','), ..HmacScheme::sha256_hex("X-PagerDuty-Signature") }
}

pub(super) fn stripe() -> HmacScheme {
    let timestamp = TimestampRule {
        prefix: "t=".to_owned(),
        separator: Some(','),
        ..time_in("stripe-signature", TimestampFormat::Unix)
    };
    HmacScheme {
        prefix: "v1=".to_owned(),
        separator: Some(','),
        signed: vec![SignedPart::Timestamp, text("."), SignedPart::Body],
        timestamp: Some(timestamp),
        ..HmacScheme::sha256_hex("Stripe-Signature")
    }
}

pub(super) fn grafana() -> HmacScheme {
    HmacScheme::sha256_hex("X-Grafana-Alerting-Signature")
}

/// SHA-512, base64, a key in base64, milliseconds.
fn wide() -> HmacScheme {
    HmacScheme {
        algorithm: Algorithm::Sha512,
        encoding: SignatureEncoding::Base64,
        key_encoding: KeyEncoding::Base64,
        signed: vec![SignedPart::Timestamp, text(":"), SignedPart::Body],
        timestamp: Some(time_in("x-wide-time", TimestampFormat::UnixMillis)),
        ..HmacScheme::sha256_hex("x-wide")
    }
}

/// The body first and nothing between it and an RFC 3339 time.
fn fusion() -> HmacScheme {
    HmacScheme {
        encoding: SignatureEncoding::Base64,
        signed: vec![SignedPart::Body, SignedPart::Timestamp],
        timestamp: Some(time_in("x-cs-delivery-timestamp", TimestampFormat::Rfc3339)),
        ..HmacScheme::sha256_hex("X-Cs-Primary-Signature")
    }
}

/// SHA-512 in hexadecimal with a prefix, over the body alone.
fn vault() -> HmacScheme {
    HmacScheme {
        algorithm: Algorithm::Sha512,
        prefix: "sha512=".to_owned(),
        ..HmacScheme::sha256_hex("X-HCP-Radar-Signature")
    }
}

/// A scheme and three secrets fit for it.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) scheme: Scheme,
    pub(super) secrets: [&'static str; 3],
}

pub(super) fn all() -> Vec<Shape> {
    let plain = ["first-secret-of-some-length-0123", "second-secret-of-some-length-012", "third"];
    let whsec =
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_b25lIG1vcmUga2V5"];
    let base64 = ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "b25lIG1vcmUga2V5"];
    let hmac = |name, scheme, secrets| Shape { name, scheme: Scheme::Hmac(scheme), secrets };
    let token = |name, header: &str, prefix: &str| {
        let scheme = TokenScheme { header: header.to_owned(), prefix: prefix.to_owned() };
        Shape { name, scheme: Scheme::Token(scheme), secrets: plain }
    };
    vec![
        hmac("github", github(), plain),
        hmac("secureagentics", secureagentics(), plain),
        hmac("standard-webhooks", standard_webhooks(), whsec),
        hmac("slack", slack(), plain),
        hmac("pagerduty", pagerduty(), plain),
        hmac("stripe", stripe(), plain),
        hmac("grafana", grafana(), plain),
        hmac("wide", wide(), base64),
        hmac("fusion", fusion(), plain),
        hmac("vault", vault(), plain),
        token("bearer", "authorization", "Bearer "),
        token("bare", "x-api-key", ""),
    ]
}

#[test]
fn every_shape_verifies_what_it_signs() {
    let now = seconds(1_750_000_000);
    let bodies: [&[u8]; 5] = [b"", b"{\"a\":1}", b"\xff\x00\xfe", b"x.y\n", "ünï".as_bytes()];
    for Shape { name, scheme, secrets } in all() {
        let verifier = verifier(scheme, &secrets);
        for body in bodies {
            assert_eq!(slot_of(&verifier, &signed(&verifier, body, now), now), Ok(Some(0)), "{name}");
        }
    }
}

#[test]
fn every_shape_takes_every_secret_of_a_rotation_and_no_other() {
    let now = seconds(1_750_000_000);
    for Shape { name, scheme, secrets } in all() {
        let rotating = verifier(scheme.clone(), &secrets);
        for (slot, secret) in secrets.iter().enumerate() {
            let request = signed(&verifier(scheme.clone(), &[secret]), b"{}", now);
            assert_eq!(slot_of(&rotating, &request, now), Ok(Some(slot)), "{name}");
            let others: Vec<&str> = secrets.iter().filter(|other| *other != secret).copied().collect();
            let others = verifier(scheme.clone(), &others);
            assert_eq!(slot_of(&others, &request, now), Err(Refusal::SignatureMismatch), "{name}");
        }
    }
}

#[test]
fn nothing_signed_is_missing_everywhere() {
    for Shape { name, scheme, secrets } in all() {
        let verifier = verifier(scheme, &secrets);
        let refusal = Refusal::SignatureMissing;
        assert_eq!(slot_of(&verifier, &request(&[], "{}"), seconds(0)), Err(refusal), "{name}");
        assert_eq!(verifier.precheck(&Headers::default()), Err(refusal), "{name}");
    }
}
