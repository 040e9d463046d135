//! Requests that vendors print in their documentation and suites.

use serde::Deserialize;

use super::shapes;
use super::*;
use crate::verify::HmacScheme;

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

const SECUREAGENTICS_PRINTED_TAG: &str = "10f1f2379cdc01fb595b8979ecea72523c88a03ea3605f743d57ee03d076e5b2";

const GITHUB_PRINTED_SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

#[test]
fn github_s_example_verifies() {
    let verifier = verifier(Scheme::Hmac(shapes::github()), &["It's a Secret to Everybody"]);
    let tag = GITHUB_PRINTED_SIGNATURE;
    let authentic = request(&[("X-Hub-Signature-256", tag)], "Hello, World!");
    assert_eq!(slot_of(&verifier, &authentic, seconds(0)), Ok(Some(0)));
    let upper = format!("sha256={}", tag.trim_start_matches("sha256=").to_uppercase());
    assert_eq!(
        slot_of(&verifier, &request(&[("x-hub-signature-256", &upper)], "Hello, World!"), seconds(0)),
        Ok(Some(0))
    );
}

#[test]
fn secureagentics_printed_body_verifies_with_and_without_the_prefix() {
    let verifier = verifier(Scheme::Hmac(shapes::secureagentics()), &["your-signing-secret"]);
    let tag = SECUREAGENTICS_PRINTED_TAG;
    for value in [tag.to_owned(), format!("sha256={tag}")] {
        let authentic = request(&[("X-Secureagentics-Signature", &value)], SECUREAGENTICS_PRINTED);
        assert_eq!(slot_of(&verifier, &authentic, seconds(0)), Ok(Some(0)));
    }
    let other = request(&[("X-Secureagentics-Signature", &format!("sha512={tag}"))], SECUREAGENTICS_PRINTED);
    assert_eq!(slot_of(&verifier, &other, seconds(0)), Err(Refusal::SignatureMismatch));
}

#[test]
fn standard_webhooks_suites_agree() {
    let verifier = verifier(Scheme::Hmac(shapes::standard_webhooks()), &["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]);
    let body = r#"{"email":"test@example.com","username":"test_user"}"#;
    let now = seconds(1_649_367_553);
    let slot_of_value = |value: &str| {
        let id = ("webhook-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk");
        let lines = [id, ("webhook-timestamp", "1649367553"), ("webhook-signature", value)];
        slot_of(&verifier, &request(&lines, body), now)
    };
    let tag = "tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";
    let bad = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
    for good in [format!("v1,{tag}"), format!("{bad} v2,x v1,{tag}"), format!("v1,{tag} v1a,AAAA")] {
        assert_eq!(slot_of_value(&good), Ok(Some(0)), "{good}");
    }
    for wrong in [tag, "v1,", "v1,tZ1I4/hD", &format!("v2,{tag}"), &format!("v1a,{tag}"), bad, &format!("{bad},{tag}")]
    {
        assert_eq!(slot_of_value(wrong), Err(Refusal::SignatureMismatch), "{wrong}");
    }
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    secret: String,
    headers: std::collections::BTreeMap<String, String>,
    body: String,
}

/// A request that a vendor prints, with the moment at which it is fresh.
pub(super) struct Printed {
    pub(super) name: String,
    pub(super) scheme: HmacScheme,
    pub(super) secret: String,
    pub(super) request: Request,
    pub(super) now: Timestamp,
}

/// Those above, and the collected ones where the collection is.
pub(super) fn printed() -> Vec<Printed> {
    let one = |name: &str, scheme: HmacScheme, secret: &str, (lines, body): (&[(&str, &str)], &str), now: i64| {
        let (name, secret) = (name.to_owned(), secret.to_owned());
        Printed { name, scheme, secret, request: request(lines, body), now: seconds(now) }
    };
    let github = ("x-hub-signature-256", GITHUB_PRINTED_SIGNATURE);
    let secureagentics = ("x-secureagentics-signature", SECUREAGENTICS_PRINTED_TAG);
    let standard: [(&str, &str); 3] = [
        ("webhook-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
        ("webhook-timestamp", "1649367553"),
        ("webhook-signature", "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="),
    ];
    let standard_body = r#"{"email":"test@example.com","username":"test_user"}"#;
    let mut all = vec![
        one("github printed", shapes::github(), "It's a Secret to Everybody", (&[github], "Hello, World!"), 0),
        one(
            "secureagentics printed",
            shapes::secureagentics(),
            "your-signing-secret",
            (&[secureagentics], SECUREAGENTICS_PRINTED),
            0,
        ),
        one(
            "standard-webhooks suite",
            shapes::standard_webhooks(),
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            (&standard, standard_body),
            1_649_367_553,
        ),
    ];
    all.extend(collected());
    all
}

fn collected() -> Vec<Printed> {
    let Some(path) = crate::needs::shared("samples/vectors.json") else { return Vec::new() };
    let vectors: Vec<Vector> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(vectors.len(), 7);
    let printed = |vector: Vector| {
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
        let lines: Vec<(&str, &str)> = vector.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let request = request(&lines, vector.body.as_str());
        Printed { name: vector.name, scheme, secret: vector.secret, request, now: seconds(now) }
    };
    vectors.into_iter().map(printed).collect()
}

/// That no bit of them can flip is tried with the mutants.
#[test]
fn what_vendors_print_verifies_at_its_own_time() {
    for Printed { name, scheme, secret, request, now } in printed() {
        let timed = scheme.timestamp.is_some();
        let verifier = verifier(Scheme::Hmac(scheme), &[&secret]);
        assert_eq!(slot_of(&verifier, &request, now), Ok(Some(0)), "{name}");
        let later = slot_of(&verifier, &request, Timestamp::from_millis(now.as_millis() + 3_600_000));
        assert_eq!(later, if timed { Err(Refusal::TimestampStale) } else { Ok(Some(0)) }, "{name}");
    }
}
