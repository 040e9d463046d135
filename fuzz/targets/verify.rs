//! A signed request that the fuzzer has damaged is authentic only where nothing that is verified has
//! changed; and whatever `verify` says, `explain` says too.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use gatepost::domain::{Headers, Request, Secret, Timestamp};
use gatepost::verify::{
    Algorithm, Finding, HmacScheme, KeyEncoding, Scheme, SignatureEncoding, SignedPart, TimestampFormat, TimestampRule,
    TokenScheme, Verifier,
};
use libfuzzer_sys::fuzz_target;

/// A source, and what its requests are made of.
struct Specimen {
    verifier: Verifier,
    scheme: Scheme,
}

type Line = (String, Vec<u8>);

/// Damage: which, where, with what.
type Blow = (u8, u16, Vec<u8>);

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW_SECONDS: i64 = 1_750_000_000;
const TOLERANCE_SECONDS: u64 = 300;

static SPECIMENS: LazyLock<Vec<Specimen>> = LazyLock::new(|| {
    let time = |header: &str, format| TimestampRule {
        header: header.to_owned(),
        prefix: String::new(),
        separator: None,
        format,
        tolerance: Duration::from_secs(TOLERANCE_SECONDS),
    };
    let text = |text: &str| SignedPart::Literal(text.to_owned());
    let plain = HmacScheme { prefix: "sha256=".into(), prefix_optional: true, ..HmacScheme::sha256_hex("x-sig") };
    let stripe = HmacScheme {
        prefix: "v1=".into(),
        separator: Some(','),
        signed: vec![SignedPart::Timestamp, text("."), SignedPart::Body],
        timestamp: Some(TimestampRule {
            prefix: "t=".into(),
            separator: Some(','),
            ..time("x-sig", TimestampFormat::Unix)
        }),
        ..HmacScheme::sha256_hex("x-sig")
    };
    let standard = HmacScheme {
        encoding: SignatureEncoding::Base64,
        prefix: "v1,".into(),
        separator: Some(' '),
        signed: vec![SignedPart::Id, text("."), SignedPart::Timestamp, text("."), SignedPart::Body],
        key_encoding: KeyEncoding::Whsec,
        timestamp: Some(time("x-time", TimestampFormat::Unix)),
        id_header: Some("x-id".into()),
        ..HmacScheme::sha256_hex("x-sig")
    };
    let wide = HmacScheme {
        algorithm: Algorithm::Sha512,
        encoding: SignatureEncoding::Base64,
        signed: vec![SignedPart::Body, SignedPart::Timestamp],
        timestamp: Some(time("x-time", TimestampFormat::Rfc3339)),
        ..HmacScheme::sha256_hex("x-sig")
    };
    let token = TokenScheme { header: "x-sig".into(), prefix: "Bearer ".into() };
    let hmac = [plain, stripe, standard, wide].map(Scheme::Hmac);
    let specimen = |scheme: Scheme| {
        let secrets = vec![Secret::new(SECRET), Secret::new("c2Vjb25kIHNlY3JldCBvZiBzb21lIGxlbmd0aA")];
        Specimen { verifier: Verifier::new(scheme.clone(), secrets).expect("a sound scheme"), scheme }
    };
    hmac.into_iter().chain([Scheme::Token(token)]).map(specimen).collect()
});

fuzz_target!(|data: (u8, i16, String, Vec<u8>, Vec<Blow>)| {
    let (which, seconds_off, id, body, blows) = data;
    let specimen = &SPECIMENS[usize::from(which) % SPECIMENS.len()];
    let id: String = id.chars().filter(char::is_ascii_alphanumeric).take(64).chain(['1']).collect();
    let now = Timestamp::from_millis(NOW_SECONDS * 1000);
    let stated = Timestamp::from_millis((NOW_SECONDS + i64::from(seconds_off)) * 1000);
    let signed: Vec<Line> = specimen
        .verifier
        .sign(&body, stated, &id)
        .into_iter()
        .map(|(name, value)| (name, value.expose().to_vec()))
        .collect();
    let (mut lines, mut damaged) = (signed.clone(), body.clone());
    for blow in blows.iter().take(8) {
        strike(blow, &mut lines, &mut damaged);
    }
    let mut headers = Headers::default();
    lines.iter().for_each(|(name, value)| headers.push(name, value.as_slice()));
    let request = Request { headers, body: damaged.clone().into(), received_at: now };

    let untouched = lines == signed && damaged == body;
    let is_late = u64::from(seconds_off.unsigned_abs()) > TOLERANCE_SECONDS && specimen.is_timed();
    let early = specimen.verifier.precheck(&request.headers);
    // An explanation tries out mistakes and costs ten verifications.
    let said = (which >= 0xc0).then(|| specimen.verifier.explain(&request, now));
    let accepted = specimen.verifier.verify(request, now).is_ok();
    if let Some(said) = said {
        let explained = said.iter().all(|check| check.finding != Finding::Failed);
        assert_eq!(accepted, explained, "verify and explain disagree: {said:?}");
    }
    assert!(early.is_ok() || !accepted, "refused early, and accepted");
    if untouched {
        assert_eq!(accepted, !is_late, "an untouched request");
    } else if accepted {
        assert!(!is_late, "accepted after its time");
        specimen.assert_same(&signed, &lines, body == damaged);
    }
});

/// Changes the header lines or the body.
fn strike((what, place, with): &Blow, lines: &mut Vec<Line>, body: &mut Vec<u8>) {
    let place = usize::from(*place);
    let line = place % lines.len().max(1);
    let deep = place / lines.len().max(1);
    match (what % 12, lines.get_mut(line)) {
        (0, Some((_, value))) if !value.is_empty() => {
            let at = deep / 8 % value.len();
            value[at] ^= 1 << (deep % 8);
        }
        (1, Some((_, value))) => *value = with.clone(),
        (2, Some((_, value))) => {
            let at = deep % (value.len() + 1);
            value.splice(at..at, with.iter().copied());
        }
        (3, Some((_, value))) if !value.is_empty() => {
            value.remove(deep % value.len());
        }
        (4, Some((_, value))) => value.truncate(deep),
        (5, Some(line)) => {
            let copy = line.clone();
            lines.push(copy);
        }
        (6, Some(_)) => drop(lines.remove(line)),
        (7, Some((name, _))) => {
            let name = name.clone();
            lines.insert(deep % (lines.len() + 1), (name, with.clone()));
        }
        (8, _) if !body.is_empty() => {
            let at = place / 8 % body.len();
            body[at] ^= 1 << (place % 8);
        }
        (9, _) => {
            let at = place % (body.len() + 1);
            body.splice(at..at, with.iter().copied());
        }
        (10, _) => body.truncate(place),
        (11, Some((_, value))) => {
            // Bytes that move from the body into a header.
            let at = deep % (body.len() + 1);
            value.extend(body.drain(..at));
        }
        _ => {}
    }
}

impl Specimen {
    fn is_timed(&self) -> bool {
        matches!(&self.scheme, Scheme::Hmac(HmacScheme { timestamp: Some(_), .. }))
    }

    /// What must still be there in an accepted request: another tag cannot be made without the secret.
    fn assert_same(&self, signed: &[Line], lines: &[Line], same_body: bool) {
        let value = |lines: &[Line], name: &str| -> String {
            let mut values = lines.iter().filter(|(line, _)| line == name).map(|(_, value)| value.clone());
            let value = values.next().unwrap_or_default();
            assert!(values.next().is_none(), "two lines of {name} were accepted");
            String::from_utf8(value).expect("a header that is no text was accepted").trim().to_owned()
        };
        let (before, after) = (value(signed, "x-sig"), value(lines, "x-sig"));
        match &self.scheme {
            Scheme::Hmac(scheme) => {
                let tag = before.rsplit_once(&scheme.prefix).filter(|_| !scheme.prefix.is_empty());
                let tag = tag.map_or(before.as_str(), |(_, tag)| tag);
                let found = match scheme.encoding {
                    SignatureEncoding::Hex => after.to_ascii_lowercase().contains(tag),
                    SignatureEncoding::Base64 => after.contains(tag.trim_end_matches('=')),
                };
                assert!(found, "accepted without the tag: {after}");
                assert!(same_body, "accepted with another body");
                if let Some(rule) = &scheme.timestamp {
                    if rule.header == "x-sig" {
                        let time = before.split(',').next().expect("a time");
                        let times: Vec<&str> =
                            after.split(',').map(str::trim).filter(|item| item.starts_with("t=")).collect();
                        assert_eq!(times, [time], "accepted with another time");
                    } else {
                        assert_eq!(value(signed, &rule.header), value(lines, &rule.header), "another time");
                    }
                }
                if let Some(header) = &scheme.id_header {
                    assert_eq!(value(signed, header), value(lines, header), "another id");
                }
            }
            Scheme::Token(_) => assert!(after.ends_with(SECRET), "accepted without the token: {after}"),
            Scheme::DangerUnsigned => unreachable!("no specimen is unsigned"),
        }
    }
}
