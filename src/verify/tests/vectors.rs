//! Requests that vendors print in their documentation and suites.

use std::path::PathBuf;

use serde::Deserialize;

use super::shapes;
use super::*;

/// The body that Secureagentics prints, line by line; the tag over it was computed with OpenSSL.
const SECUREAGENTICS_PRINTED: &str = r#"{
  "id": "evt_abc123",
  "type": "alert.triggered",
  "timestamp": "2024-01-15T10:30:00Z",
  "data": {
    "alert_id": "alrt_xyz",
    "agent_id": "agt_abc123",
    "details": "Rate limit exceeded: 150 prompts/min"
  }
}"#;

#[test]
fn github_s_example_verifies() {
    let verifier = verifier(Scheme::Hmac(shapes::github()), &["It's a Secret to Everybody"]);
    let tag = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let authentic = request(&[("X-Hub-Signature-256", tag)], "Hello, World!");
    assert_eq!(judge(&verifier, &authentic, seconds(0)), Ok(Some(0)));
    assert_no_bit_can_flip(&verifier, &authentic, seconds(0));
    let upper = format!("sha256={}", tag.trim_start_matches("sha256=").to_uppercase());
    assert_eq!(
        judge(&verifier, &request(&[("x-hub-signature-256", &upper)], "Hello, World!"), seconds(0)),
        Ok(Some(0))
    );
}

#[test]
fn secureagentics_printed_body_verifies_with_and_without_the_prefix() {
    let verifier = verifier(Scheme::Hmac(shapes::secureagentics()), &["your-signing-secret"]);
    let tag = "10f1f2379cdc01fb595b8979ecea72523c88a03ea3605f743d57ee03d076e5b2";
    for value in [tag.to_owned(), format!("sha256={tag}")] {
        let authentic = request(&[("X-Secureagentics-Signature", &value)], SECUREAGENTICS_PRINTED);
        assert_eq!(judge(&verifier, &authentic, seconds(0)), Ok(Some(0)));
        assert_no_bit_can_flip(&verifier, &authentic, seconds(0));
    }
    let other = request(&[("X-Secureagentics-Signature", &format!("sha512={tag}"))], SECUREAGENTICS_PRINTED);
    assert_eq!(judge(&verifier, &other, seconds(0)), Err(Refusal::SignatureMismatch));
}

#[test]
fn standard_webhooks_suites_agree() {
    let verifier = verifier(Scheme::Hmac(shapes::standard_webhooks()), &["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]);
    let body = r#"{"email":"test@example.com","username":"test_user"}"#;
    let now = seconds(1_649_367_553);
    let judge_value = |value: &str| {
        let id = ("webhook-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk");
        let lines = [id, ("webhook-timestamp", "1649367553"), ("webhook-signature", value)];
        judge(&verifier, &request(&lines, body), now)
    };
    let tag = "tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";
    let bad = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
    for good in [format!("v1,{tag}"), format!("{bad} v2,x v1,{tag}"), format!("v1,{tag} v1a,AAAA")] {
        assert_eq!(judge_value(&good), Ok(Some(0)), "{good}");
    }
    for wrong in [tag, "v1,", "v1,tZ1I4/hD", &format!("v2,{tag}"), &format!("v1a,{tag}"), bad, &format!("{bad},{tag}")]
    {
        assert_eq!(judge_value(wrong), Err(Refusal::SignatureMismatch), "{wrong}");
    }
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    secret: String,
    headers: std::collections::BTreeMap<String, String>,
    body: String,
}

#[test]
fn collected_vectors_verify_at_their_own_time_and_no_bit_can_flip() {
    let Some(text) = shared("samples/vectors.json") else { return };
    let vectors: Vec<Vector> = serde_json::from_str(&text).unwrap();
    assert_eq!(vectors.len(), 7);
    for vector in &vectors {
        let (scheme, now) = match vector.name.as_str() {
            "github-official" => (shapes::github(), 0),
            "standard-webhooks-1" => (shapes::standard_webhooks(), 1_614_265_330),
            "slack-official" => (shapes::slack(), 1_531_420_618),
            "pagerduty-v3" => (shapes::pagerduty(), 0),
            "stripe" => (shapes::stripe(), 1_492_774_577),
            "secureagentics" => (shapes::secureagentics(), 0),
            "grafana-plain" => (shapes::grafana(), 0),
            other => panic!("no scheme for {other}"),
        };
        let timed = scheme.timestamp.is_some();
        let verifier = verifier(Scheme::Hmac(scheme), &[&vector.secret]);
        let lines: Vec<(&str, &str)> = vector.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let authentic = request(&lines, vector.body.as_str());
        assert_eq!(judge(&verifier, &authentic, seconds(now)), Ok(Some(0)), "{}", vector.name);
        assert_no_bit_can_flip(&verifier, &authentic, seconds(now));
        let later = judge(&verifier, &authentic, seconds(now + 3600));
        assert_eq!(later, if timed { Err(Refusal::TimestampStale) } else { Ok(Some(0)) }, "{}", vector.name);
    }
}

/// Flips every bit of every header value and of the body, one by one. Only a letter's case may change unpunished.
fn assert_no_bit_can_flip(verifier: &Verifier, authentic: &Request, now: Timestamp) {
    let lines: Vec<(String, Vec<u8>)> =
        authentic.headers.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
    let hexadecimal = |byte: u8| byte.is_ascii_hexdigit() && byte.is_ascii_alphabetic();
    for (line, (_, value)) in lines.iter().enumerate() {
        let encoded = value.ends_with(b"=");
        for at in 0..value.len() * 8 {
            let mut changed = lines.clone();
            let byte = &mut changed[line].1[at / 8];
            let before = *byte;
            *byte ^= 1 << (at % 8);
            let case_only = hexadecimal(before) && before.eq_ignore_ascii_case(byte) && !encoded;
            let mut headers = Headers::default();
            changed.iter().for_each(|(name, value)| headers.push(name, value.as_slice()));
            let verdict = verifier.verify(Request { headers, ..authentic.clone() }, now);
            assert!(verdict.is_err() || case_only, "bit {at} of {}", lines[line].0);
        }
    }
    for at in 0..authentic.body.len() * 8 {
        let mut body = authentic.body.to_vec();
        body[at / 8] ^= 1 << (at % 8);
        let verdict = verifier.verify(Request { body: body.into(), ..authentic.clone() }, now);
        assert_eq!(verdict.err(), Some(Refusal::SignatureMismatch), "bit {at} of the body");
    }
}

/// A file of the collection of facts beside the project, which not every machine has.
fn shared(path: &str) -> Option<String> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("GATEPOST_SHARED").map_or_else(beside, PathBuf::from);
    match std::fs::read_to_string(folder.join(path)) {
        Ok(text) => Some(text),
        Err(_) if std::env::var("GATEPOST_REQUIRE_SHARED").is_ok_and(|value| value == "1") => {
            panic!("{} not found", folder.join(path).display())
        }
        Err(_) => {
            println!("skipped: {} not found", folder.join(path).display());
            None
        }
    }
}
