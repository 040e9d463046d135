//! Tests of the whole module: what vendors print, what attackers try, what operators mistype.

mod explanations;
mod mutants;
mod mutations;
mod settings;
mod shapes;
mod signatures;
mod tokens;
mod vectors;

use bytes::Bytes;

use super::{Refusal, Scheme, Verifier};
use crate::domain::{Headers, Request, Secret, Timestamp};

fn verifier(scheme: Scheme, secrets: &[&str]) -> Verifier {
    Verifier::new(scheme, secrets.iter().map(|text| Secret::new(*text)).collect()).unwrap()
}

fn request(lines: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Request {
    let headers: Headers = lines.iter().copied().collect();
    Request { headers, body: Bytes::from(body.into()), received_at: Timestamp::default() }
}

/// The request that the verifier itself would send.
fn signed(verifier: &Verifier, body: &[u8], now: Timestamp) -> Request {
    signed_as(verifier, body, now, "msg_2ab")
}

fn signed_as(verifier: &Verifier, body: &[u8], now: Timestamp, id: &str) -> Request {
    let mut headers = Headers::default();
    for (name, value) in verifier.sign(body, now, id) {
        headers.push(&name, value.expose());
    }
    Request { headers, body: Bytes::copy_from_slice(body), received_at: now }
}

/// The slot that matched, or the refusal. Explanation and precheck must tell the same, so every test asks all three.
fn slot_of(verifier: &Verifier, request: &Request, now: Timestamp) -> Result<Option<usize>, Refusal> {
    let verdict = verifier.verify(request.clone(), now).map(|verified| verified.slot());
    let checks = verifier.explain(request, now);
    let failed: Vec<_> = checks.iter().filter(|check| check.finding == super::Finding::Failed).collect();
    assert_eq!(verdict.is_ok(), failed.is_empty(), "{checks:?}");
    let only_late = failed.len() == 1 && failed.iter().all(|check| check.name == "time");
    assert_eq!(verdict == Err(Refusal::TimestampStale), only_late, "{checks:?}");
    if let Err(early) = verifier.precheck(&request.headers) {
        assert_eq!(verdict, Err(early));
    }
    verdict
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds).unwrap()
}
