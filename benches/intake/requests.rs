//! The requests, written and signed before the clock runs.

use std::ops::Range;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The secret of the source `bench`.
pub const SECRET: &str = "bench-bench-bench-bench-bench-be";

/// For whom a request is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `POST /webhooks/bench`, an alert of Secureagentics with its signature.
    Alert,
    /// The same alert with the signature where qhook looks for it.
    Qhook,
    /// `POST /api/v2/alerts`, a list of one alert: what Alertmanager takes. It knows no signatures.
    Alertmanager,
}

/// Distinct signed requests of about 1 KB, as bytes of HTTP/1.1. Cheap to clone and to take parts of.
#[derive(Clone)]
pub struct Requests {
    bytes: Arc<Vec<u8>>,
    places: Arc<Vec<Range<usize>>>,
    part: Range<usize>,
    from: usize,
}

impl Requests {
    /// Makes `count` requests whose events are numbered from `from`.
    pub fn sign(shape: Shape, count: usize, from: usize) -> Self {
        let mut bytes = Vec::with_capacity(count * 1_400);
        let mut places = Vec::with_capacity(count);
        for number in from..from + count {
            let begin = bytes.len();
            write(shape, number, &mut bytes);
            places.push(begin..bytes.len());
        }
        Self { bytes: Arc::new(bytes), places: Arc::new(places), part: 0..count, from }
    }

    /// A piece of them.
    pub fn part(&self, begin: usize, count: usize) -> Self {
        let begin = (self.part.start + begin).min(self.part.end);
        let part = begin..(begin + count).min(self.part.end);
        Self { part, ..self.clone() }
    }

    pub fn len(&self) -> usize {
        self.part.len()
    }

    pub fn get(&self, index: usize) -> &[u8] {
        &self.bytes[self.places[self.part.start + index].clone()]
    }

    /// The number of the event in the request at `index`.
    pub fn number(&self, index: usize) -> usize {
        self.from + self.part.start + index
    }
}

fn write(shape: Shape, number: usize, bytes: &mut Vec<u8>) {
    let (path, signature, body) = match shape {
        Shape::Alert => ("/webhooks/bench", Some("x-secureagentics-signature"), alert(number)),
        Shape::Qhook => ("/webhooks/bench", Some("x-webhook-signature"), alert(number)),
        Shape::Alertmanager => ("/api/v2/alerts", None, alertmanager(number)),
    };
    let signature = signature.map_or_else(String::new, |header| format!("{header}: {}\r\n", sign(&body)));
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\ncontent-type: application/json\r\n\
         {signature}content-length: {}\r\n\r\n",
        body.len()
    );
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(body.as_bytes());
}

/// HMAC-SHA256 in hexadecimal.
pub fn sign(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// An alert as Secureagentics sends it, filled up to 1,024 bytes. Its number stands in its id, and once more where every
/// destination shows it: that is how [`receiver`](super::receiver) knows what has arrived.
pub fn alert(number: usize) -> String {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let mut body = format!(
        "{{\"id\":\"evt_{number:012}\",\"type\":\"alert.triggered\",\"timestamp\":\"{now}\",\"data\":\
         {{\"alert_id\":\"alrt_{:04}\",\"agent_id\":\"agt_{:04}\",\
         \"details\":\"Rate limit exceeded: {} prompts/min ({MARK}{number:012})\",\"context\":\"",
        number % 37,
        number % 1_009,
        100 + number % 900
    );
    fill_up(&mut body, 1_021);
    body.push_str("\"}}");
    body
}

/// The number of an alert, found in whatever a destination was told.
pub fn number_in(told: &[u8]) -> Option<usize> {
    let mark = told.windows(MARK.len()).position(|part| part == MARK.as_bytes())? + MARK.len();
    std::str::from_utf8(told.get(mark..mark + 12)?).ok()?.parse().ok()
}

const MARK: &str = "number-";

fn alertmanager(number: usize) -> String {
    let mut body = format!(
        "[{{\"labels\":{{\"alertname\":\"bench\",\"id\":\"evt_{number:012}\"}},\
         \"annotations\":{{\"summary\":\"Rate limit exceeded\",\"context\":\""
    );
    fill_up(&mut body, 1_020);
    body.push_str("\"}}]");
    body
}

fn fill_up(body: &mut String, length: usize) {
    while body.len() < length {
        body.push(char::from(b'a' + u8::try_from(body.len() * 7 % 26).unwrap_or(0)));
    }
}
