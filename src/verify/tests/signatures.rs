//! HMAC schemes at their edges: times, ids, lists, doubled lines, secrets that are none.

use super::shapes::{self, text, time_in};
use super::*;
use crate::verify::{HmacScheme, KeyEncoding, SignedPart, TimestampFormat, VerifierError};

const NOW: i64 = 1_750_000_000;

#[test]
fn the_tolerance_holds_to_the_second_both_ways() {
    for shape in shapes::all() {
        let Scheme::Hmac(HmacScheme { timestamp: Some(_), .. }) = &shape.scheme else { continue };
        let verifier = verifier(shape.scheme, &shape.secrets);
        for (offset, late) in [(0, false), (300, false), (-300, false), (301, true), (-301, true), (1 << 32, true)] {
            let request = signed(&verifier, b"{}", seconds(NOW + offset));
            let expected = if late { Err(Refusal::TimestampStale) } else { Ok(Some(0)) };
            assert_eq!(slot_of(&verifier, &request, seconds(NOW)), expected, "{} {offset}", shape.name);
        }
    }
}

#[test]
fn a_stale_time_is_told_only_to_those_who_signed_it() {
    let (own, other) = (slack_with("first-secret"), slack_with("other-secret"));
    let request = signed(&other, b"{}", seconds(NOW - 9_999));
    assert_eq!(slot_of(&own, &request, seconds(NOW)), Err(Refusal::SignatureMismatch));
    assert_eq!(slot_of(&other, &request, seconds(NOW)), Err(Refusal::TimestampStale));
}

#[test]
fn a_time_that_overflows_or_is_none_is_stale_even_when_signed() {
    for time in ["999999999999", "9223372036854775807", "18446744073709551616", "-1750000000", "+1750000000", "now"] {
        let request = slack_request(time);
        assert_eq!(
            slot_of(&slack_with("first-secret"), &request, seconds(NOW)),
            Err(Refusal::TimestampStale),
            "{time}"
        );
    }
    assert_eq!(slot_of(&slack_with("first-secret"), &slack_request("1750000000"), seconds(NOW)), Ok(Some(0)));
    for extreme in [i64::MIN, i64::MAX] {
        let verdict =
            slot_of(&slack_with("first-secret"), &slack_request("1750000000"), Timestamp::from_millis(extreme));
        assert_eq!(verdict, Err(Refusal::TimestampStale));
    }
}

#[test]
fn a_time_that_is_missing_doubled_or_not_ascii_is_refused() {
    let verifier = slack_with("first-secret");
    let request = signed(&verifier, b"{}", seconds(NOW));
    let name = "x-slack-request-timestamp";
    for (values, refusal) in [
        (&[][..], Refusal::SignatureMissing),
        (&[""], Refusal::SignatureMissing),
        (&["1750000000", "1750000000"], Refusal::SignatureMismatch),
        (&["１７５０００００００"], Refusal::SignatureMismatch),
        (&["01750000000"], Refusal::SignatureMismatch),
        (&["1750000000,1750000000"], Refusal::SignatureMismatch),
    ] {
        assert_eq!(slot_of(&verifier, &with_lines(&request, name, values), seconds(NOW)), Err(refusal), "{values:?}");
    }
}

#[test]
fn the_time_in_a_list_stands_there_once() {
    let verifier = verifier(Scheme::Hmac(shapes::stripe()), &["first-secret"]);
    let request = signed(&verifier, b"{}", seconds(NOW));
    let value = request.headers.only("stripe-signature").unwrap().to_owned();
    let (time, tag) = value.split_once(',').unwrap();
    for good in [format!("{tag},{time}"), format!("{value},v0=00"), format!(" {time} , {tag} ,")] {
        let request = with_lines(&request, "stripe-signature", &[&good]);
        assert_eq!(slot_of(&verifier, &request, seconds(NOW)), Ok(Some(0)), "{good}");
    }
    for (bad, refusal) in [
        (tag.to_owned(), Refusal::SignatureMissing),
        (time.to_owned(), Refusal::SignatureMismatch),
        (format!("{time},{value}"), Refusal::SignatureMismatch),
        (format!("{value},t=1"), Refusal::SignatureMismatch),
        (value.replace(',', ";"), Refusal::SignatureMismatch),
    ] {
        let request = with_lines(&request, "stripe-signature", &[&bad]);
        assert_eq!(slot_of(&verifier, &request, seconds(NOW)), Err(refusal), "{bad}");
    }
}

#[test]
fn an_id_is_single_short_and_without_the_character_that_ends_it() {
    let verifier = verifier(Scheme::Hmac(shapes::standard_webhooks()), &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
    let slot_of_id = |id: &str| {
        let mut headers = Headers::default();
        for (name, value) in verifier.sign(b"{}", seconds(NOW), id) {
            headers.push(&name, value.expose());
        }
        slot_of(&verifier, &Request { headers, ..request(&[], "{}") }, seconds(NOW))
    };
    assert_eq!(slot_of_id("a"), Ok(Some(0)));
    assert_eq!(slot_of_id(&"a".repeat(256)), Ok(Some(0)));
    assert_eq!(slot_of_id(&"a".repeat(257)), Err(Refusal::SignatureMismatch));
    assert_eq!(slot_of_id("a.b"), Err(Refusal::SignatureMismatch));
    assert_eq!(slot_of_id(""), Err(Refusal::SignatureMissing));
    let doubled = with_lines(&signed(&verifier, b"{}", seconds(NOW)), "webhook-id", &["msg_2ab", "msg_2ab"]);
    assert_eq!(slot_of(&verifier, &doubled, seconds(NOW)), Err(Refusal::SignatureMismatch));
}

#[test]
fn bytes_cannot_move_between_an_id_and_the_body_before_it() {
    let signed_parts = vec![SignedPart::Body, text("--"), SignedPart::Id];
    let id_header = Some("x-id".to_owned());
    let scheme = HmacScheme { signed: signed_parts, id_header, ..HmacScheme::sha256_hex("x-sig") };
    let verifier = verifier(Scheme::Hmac(scheme), &["first-secret"]);
    let lines = verifier.sign(b"alert--one", seconds(NOW), "7");
    let tag = lines.iter().find(|(name, _)| name == "x-sig").unwrap().1.expose_str().unwrap().to_owned();
    let slot_of_split =
        |body: &str, id: &str| slot_of(&verifier, &request(&[("x-sig", &tag), ("x-id", id)], body), seconds(0));
    assert_eq!(slot_of_split("alert--one", "7"), Ok(Some(0)));
    assert_eq!(slot_of_split("alert", "one--7"), Err(Refusal::SignatureMismatch));
}

#[test]
fn eight_candidates_are_looked_at_and_nine_refused() {
    let verifier = verifier(Scheme::Hmac(shapes::pagerduty()), &["first-secret"]);
    let request = signed(&verifier, b"{}", seconds(NOW));
    let good = request.headers.only("x-pagerduty-signature").unwrap().to_owned();
    let wrong = format!("v1={}", "00".repeat(32));
    for at in 0..9 {
        let mut list = vec![wrong.clone(); 7];
        list.insert(at.min(7), good.clone());
        let eight = with_lines(&request, "x-pagerduty-signature", &[&list.join(",")]);
        assert_eq!(slot_of(&verifier, &eight, seconds(NOW)), Ok(Some(0)));
        list.push(wrong.clone());
        let nine = with_lines(&request, "x-pagerduty-signature", &[&list.join(",")]);
        assert_eq!(slot_of(&verifier, &nine, seconds(NOW)), Err(Refusal::SignatureMismatch));
    }
    let strangers = format!("{},{good}", ["v2=00"; 20].join(","));
    let request = with_lines(&request, "x-pagerduty-signature", &[&strangers]);
    assert_eq!(slot_of(&verifier, &request, seconds(NOW)), Ok(Some(0)));
}

#[test]
fn what_cannot_verify_is_no_verifier() {
    let plain = || Scheme::Hmac(shapes::grafana());
    let made = |scheme, secrets: &[&str]| {
        Verifier::new(scheme, secrets.iter().map(|text| Secret::new(*text)).collect()).err().unwrap()
    };
    assert_eq!(made(plain(), &[]), VerifierError::NoSecret);
    assert_eq!(made(plain(), &["a"; 5]), VerifierError::TooManySecrets { count: 5 });
    assert_eq!(made(plain(), &["a", ""]), VerifierError::EmptySecret { position: 2 });
    let long = "a".repeat(4001);
    assert_eq!(made(plain(), &[&long]), VerifierError::LongSecret { position: 1, bytes: 4001 });
    for key_encoding in [KeyEncoding::Whsec, KeyEncoding::Base64] {
        let scheme = || Scheme::Hmac(HmacScheme { key_encoding, ..shapes::grafana() });
        assert_eq!(made(scheme(), &["Zm9v", "not base64"]), VerifierError::NotDecodable { position: 2 });
    }
    let whsec = Scheme::Hmac(shapes::standard_webhooks());
    assert_eq!(made(whsec, &["whsec_"]), VerifierError::EmptySecret { position: 1 });
    assert_eq!(made(Scheme::DangerUnsigned, &["a"]), VerifierError::UnsignedWithSecrets);
    let bodiless = Scheme::Hmac(HmacScheme { signed: vec![], ..shapes::grafana() });
    assert_eq!(made(bodiless, &["a"]).to_string(), "the scheme's signed cannot be used");
}

#[test]
fn unsigned_says_so_and_the_decoy_never_accepts() {
    let unsigned = verifier(Scheme::DangerUnsigned, &[]);
    let verified = unsigned.verify(request(&[("a", "b")], "{}"), seconds(0)).unwrap();
    assert!(unsigned.is_unsigned() && verified.is_unsigned());
    assert_eq!((verified.slot(), &verified.body()[..], verified.headers().only("a")), (None, &b"{}"[..], Some("b")));
    let (headers, body, received_at) = verified.into_parts();
    assert_eq!((headers.iter().count(), body.len(), received_at), (1, 2, Timestamp::default()));
    let decoy = Verifier::decoy();
    for shape in shapes::all() {
        let request = signed(&verifier(shape.scheme, &shape.secrets), b"{}", seconds(NOW));
        assert_eq!(slot_of(&decoy, &request, seconds(NOW)), Err(Refusal::SignatureMismatch));
    }
    assert_eq!(slot_of(&decoy, &request(&[], ""), seconds(NOW)), Err(Refusal::SignatureMismatch));
    assert!(decoy.sign(b"", seconds(NOW), "1").is_empty() && !decoy.is_unsigned());
}

#[test]
fn a_verifier_prints_without_its_secrets_and_crosses_threads() {
    fn crosses_threads<T: Send + Sync>(_: &T) {}
    for shape in shapes::all() {
        let verifier = verifier(shape.scheme, &shape.secrets);
        crosses_threads(&verifier);
        let printed = format!("{verifier:?}");
        assert!(printed.starts_with("Verifier { scheme:") && printed.ends_with("secrets: 3 }"), "{printed}");
        assert!(!shape.secrets.iter().any(|secret| printed.contains(secret)), "{printed}");
    }
    assert_eq!(format!("{:?}", Verifier::decoy()), "Verifier { scheme: \"decoy\", secrets: 0 }");
}

#[test]
fn a_time_that_is_not_signed_still_has_to_be_near() {
    let timestamp = Some(time_in("x-time", TimestampFormat::Unix));
    let scheme = HmacScheme { timestamp, ..HmacScheme::sha256_hex("x-sig") };
    let verifier = verifier(Scheme::Hmac(scheme), &["first-secret"]);
    let request = signed(&verifier, b"{}", seconds(NOW));
    assert_eq!(slot_of(&verifier, &request, seconds(NOW)), Ok(Some(0)));
    assert_eq!(slot_of(&verifier, &request, seconds(NOW + 301)), Err(Refusal::TimestampStale));
}

/// The request with other lines of that name.
fn with_lines(request: &Request, name: &str, values: &[&str]) -> Request {
    let mut headers = Headers::default();
    request.headers.iter().filter(|(line, _)| *line != name).for_each(|(line, value)| headers.push(line, value));
    values.iter().for_each(|value| headers.push(name, *value));
    Request { headers, ..request.clone() }
}

fn slack_with(secret: &str) -> Verifier {
    verifier(Scheme::Hmac(shapes::slack()), &[secret])
}

/// A request whose tag is right for whatever text stands for the time: the scheme without its rule signs it.
fn slack_request(time: &str) -> Request {
    let signed = vec![text(&format!("v0:{time}:")), SignedPart::Body];
    let signer = HmacScheme { timestamp: None, signed, ..shapes::slack() };
    let lines = verifier(Scheme::Hmac(signer), &["first-secret"]).sign(b"{}", seconds(0), "");
    let tag = lines[0].1.expose_str().unwrap().to_owned();
    request(&[("x-slack-signature", &tag), ("x-slack-request-timestamp", time)], "{}")
}
