//! What `gatepost verify` says, and what it never says.

use std::io::Write;

use super::shapes;
use super::*;
use crate::verify::{Finding, HmacScheme, KeyEncoding, TokenScheme};

const SECRET: &str = "first-secret-of-some-length-0123";
const NOW: i64 = 1_750_000_000;

fn lines(verifier: &Verifier, request: &Request, now: i64) -> Vec<String> {
    let checks = verifier.explain(request, seconds(now));
    let word = |finding| match finding {
        Finding::Passed => "ok",
        Finding::Failed => "FAILED",
        Finding::Hint => "hint",
    };
    checks.iter().map(|check| format!("{} {}: {}", word(check.finding), check.name, check.detail)).collect()
}

fn hints(verifier: &Verifier, request: &Request) -> Vec<String> {
    let hints = verifier.explain(request, seconds(NOW)).into_iter().filter(|check| check.finding == Finding::Hint);
    hints.map(|check| check.detail).collect()
}

#[test]
fn an_authentic_request_passes_every_step() {
    let verifier = verifier(
        Scheme::Hmac(shapes::standard_webhooks()),
        &["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    );
    let request = signed(&verifier, b"{}", seconds(NOW));
    assert_eq!(
        lines(&verifier, &request, NOW + 12),
        [
            "ok signature header: webhook-signature stands once",
            "ok signature: one signature of 32 bytes",
            "ok time header: it is there and well-formed",
            "ok id header: it is there and well-formed",
            "ok secret: secret 1 of 2 made it",
            "ok time: 12 s from our clock",
        ]
    );
    assert_eq!(
        lines(&verifier, &request, NOW + 400).last().unwrap(),
        "FAILED time: 2025-06-15T15:06:40.000Z is 400 s before our clock, which says 2025-06-15T15:13:20.000Z; \
         300 s are tolerated"
    );
}

#[test]
fn steps_after_the_first_failure_are_still_told() {
    let verifier = verifier(Scheme::Hmac(shapes::slack()), &[SECRET]);
    let lines = lines(&verifier, &request(&[("x-hub-signature-256", "sha256=00")], "{}"), NOW);
    assert_eq!(
        lines,
        [
            "FAILED signature header: the request has no header x-slack-signature",
            "hint signature header: the request has a header x-hub-signature-256: is it that one?",
            "FAILED time header: the request has no header x-slack-request-timestamp",
        ]
    );
}

#[test]
fn a_malformed_signature_says_what_is_wrong_with_it() {
    let verifier = verifier(Scheme::Hmac(shapes::github()), &[SECRET]);
    for (value, says) in [
        ("sha1=00", "no signature in it begins with 'sha256='"),
        ("sha256=", "it has 0 bytes instead of 32, so it is empty"),
        ("sha256=zz", "it is not hexadecimal"),
        (
            &format!("sha256={}", "a".repeat(40)),
            "it has 20 bytes instead of 32, which is the length of SHA-1; that is not accepted",
        ),
    ] {
        let request = request(&[("x-hub-signature-256", value)], "{}");
        assert!(lines(&verifier, &request, NOW).contains(&format!("FAILED signature: {says}")), "{value}");
    }
}

#[test]
fn a_body_that_was_changed_on_its_way_is_recognized() {
    let verifier = verifier(Scheme::Hmac(shapes::grafana()), &["another-secret", SECRET]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"{}").unwrap();
    let gzip = gzip.finish().unwrap();
    for (signed_body, arrived, what) in [
        (&b"{}"[..], &b"{}\n"[..], "without its last newline"),
        (b"{}", b"{}\r\n", "without its last newline"),
        (b"{}\n", b"{}", "with a newline at its end"),
        (b"{}\r\n", b"{}", "with a carriage return and a newline at its end"),
        (b"{}", b" {}\t", "without the blanks around it"),
        (b"a\nb\n", b"a\r\nb\r\n", "with its line ends as plain newlines"),
        (b"a\r\nb", b"a\nb", "with carriage returns in its line ends"),
        (b"{}", b"\xef\xbb\xbf{}", "without its byte order mark"),
        (
            br#"{"b":"x: \"y, z","a":[1,2]}"#,
            br#"{"b": "x: \"y, z", "a": [1, 2]}"#,
            "as JSON without blanks between its tokens",
        ),
        (
            br#"{"b": "x:\\", "a": [1, 2]}"#,
            br#"{"b":"x:\\","a":[1,2]}"#,
            "as JSON with a blank after each comma and colon",
        ),
        (br#"{"a":"e/f"}"#, br#"{"a":"\u0065\/f"}"#, "as JSON read and written again, with its keys in order"),
        (b"{\n  \"a\": 1\n}", b"{\"a\":1}", "as JSON read and written again, indented"),
        (b"{}", &gzip, "inflated, as it was before gzip"),
        (b"", b"{}", "emptied"),
    ] {
        let mut request = signed(&verifier, signed_body, seconds(NOW));
        request.body = Bytes::copy_from_slice(arrived);
        let expected = format!("it fits the body {what}: the bytes were changed on their way here");
        assert!(hints(&verifier, &request).contains(&expected), "{what}: {:?}", hints(&verifier, &request));
    }
}

#[test]
fn a_key_or_template_that_was_misread_is_recognized() {
    let base64 = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let text_key = verifier(Scheme::Hmac(shapes::grafana()), &[base64]);
    let base64_key = HmacScheme { key_encoding: KeyEncoding::Base64, ..shapes::grafana() };
    let base64_key = verifier(Scheme::Hmac(base64_key), &[base64]);
    let request = signed(&base64_key, b"{}", seconds(NOW));
    assert!(hints(&text_key, &request).contains(&"it fits secret 1 read as base64: key = \"base64\"".to_owned()));
    let request = signed(&text_key, b"{}", seconds(NOW));
    assert_eq!(hints(&base64_key, &request), ["it fits secret 1 as plain text: key = \"utf8\""]);
    let newline = verifier(Scheme::Hmac(shapes::grafana()), &[&format!("{base64}\n")]);
    let request = signed(&newline, b"{}", seconds(NOW));
    assert_eq!(hints(&text_key, &request), ["it fits secret 1 with a newline at its end: the sender's copy has one"]);
    let slack = verifier(Scheme::Hmac(shapes::slack()), &[SECRET]);
    let body_only = HmacScheme { signed: vec![crate::verify::SignedPart::Body], ..shapes::slack() };
    let request = signed(&verifier(Scheme::Hmac(body_only), &[SECRET]), b"{}", seconds(NOW));
    assert_eq!(hints(&slack, &request), ["it fits other signed content: signed = \"{body}\""]);
}

#[test]
fn when_nothing_fits_the_two_causes_are_named() {
    let other = verifier(Scheme::Hmac(shapes::grafana()), &["another-secret"]);
    let request = signed(&other, b"{\"a\": 1}", seconds(NOW));
    let own = verifier(Scheme::Hmac(shapes::grafana()), &[SECRET]);
    assert_eq!(hints(&own, &request), ["it was made with a different secret or over a different body"]);
}

#[test]
fn a_token_in_the_wrong_place_is_found() {
    let verifier = verifier(Scheme::Token(TokenScheme::bearer()), &[SECRET]);
    let basic =
        format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("u:{SECRET}")));
    for (name, value, how) in [
        ("authorization", SECRET.to_owned(), "authorization without any prefix"),
        ("authorization", format!("Token {SECRET}"), "authorization after another prefix"),
        ("authorization", format!("\"{SECRET}\""), "authorization in quotes"),
        ("authorization", basic, "authorization as the password of Basic credentials"),
        ("x-api-key", SECRET.to_owned(), "x-api-key without any prefix"),
    ] {
        let request = request(&[(name, &value)], "{}");
        assert_eq!(hints(&verifier, &request), [format!("a secret of this source stands in the header {how}")]);
    }
    let opened = request(&[("authorization", &format!("Bearer {SECRET}"))], "{}");
    assert_eq!(
        lines(&verifier, &opened, NOW),
        [
            "ok token header: authorization stands once",
            "ok prefix: it begins with 'Bearer '",
            "ok secret: the token is secret 1",
        ]
    );
}

#[test]
fn no_explanation_holds_a_secret_or_a_tag() {
    let now = seconds(NOW);
    for shape in shapes::all() {
        let own = verifier(shape.scheme.clone(), &shape.secrets);
        let stranger = verifier(shape.scheme.clone(), &shape.secrets[2..]);
        let arrived = signed(&own, b"{\"a\": 1}", now);
        let changed = Request { body: Bytes::from_static(b"{\"a\":1}\n"), ..arrived.clone() };
        let mut hidden: Vec<String> = shape.secrets.iter().map(|secret| (*secret).to_owned()).collect();
        for body in [&arrived.body, &changed.body, &Bytes::new()] {
            for signer in [&own, &stranger] {
                let tags = signer.sign(body, now, "msg_2ab").into_iter().filter(|(_, value)| value.len() > 20);
                let tags = tags.map(|(_, value)| value.expose_str().unwrap().to_owned());
                hidden.extend(
                    tags.map(|value| value.rsplit([',', '=']).find(|s| s.len() > 20).unwrap_or(&value).to_owned()),
                );
            }
        }
        hidden.retain(|text| text != &now.to_string());
        for (verifier, request) in [(&own, &arrived), (&own, &changed), (&stranger, &arrived), (&stranger, &changed)] {
            let told = format!("{:?}", verifier.explain(request, now));
            for text in &hidden {
                assert!(
                    !told.contains(text.as_str()) && !told.contains(&text.to_uppercase()),
                    "{}: {told}",
                    shape.name
                );
            }
        }
    }
}

#[test]
fn sources_without_a_check_say_so() {
    let unsigned = verifier(Scheme::DangerUnsigned, &[]);
    assert_eq!(
        lines(&unsigned, &request(&[], ""), NOW),
        ["hint scheme: danger_unsigned is set: unauthenticated senders are accepted"]
    );
    assert_eq!(lines(&Verifier::decoy(), &request(&[], ""), NOW), ["FAILED source: there is no such source"]);
}
