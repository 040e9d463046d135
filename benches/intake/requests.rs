//! The requests, written and signed before the clock runs.

use std::ops::Range;
use std::rc::Rc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The secret of the source `bench`.
pub const SECRET: &str = "bench-bench-bench-bench-bench-be";

/// Distinct signed requests of about 1 KB, as bytes of HTTP/1.1.
pub struct Requests {
    bytes: Rc<Vec<u8>>,
    places: Rc<Vec<Range<usize>>>,
    count: usize,
}

impl Requests {
    /// Makes `count` requests whose event ids are numbered from `from`.
    pub fn sign(count: usize, from: usize) -> Result<Self, hmac::digest::InvalidLength> {
        let key = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
        let mut bytes = Vec::with_capacity(count * 1_400);
        let mut places = Vec::with_capacity(count);
        for number in from..from + count {
            let body = body(number);
            let mut mac = key.clone();
            mac.update(body.as_bytes());
            let signature = hex::encode(mac.finalize().into_bytes());
            let begin = bytes.len();
            let head = format!(
                "POST /webhooks/bench HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\ncontent-type: application/json\r\n\
                 x-secureagentics-signature: {signature}\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            bytes.extend_from_slice(head.as_bytes());
            bytes.extend_from_slice(body.as_bytes());
            places.push(begin..bytes.len());
        }
        Ok(Self { bytes: Rc::new(bytes), places: Rc::new(places), count })
    }

    /// The first `count` of them, to be sent again.
    pub fn first(&self, count: usize) -> Self {
        Self { bytes: Rc::clone(&self.bytes), places: Rc::clone(&self.places), count: count.min(self.count) }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn get(&self, index: usize) -> &[u8] {
        &self.bytes[self.places[index].clone()]
    }
}

/// An alert as Secureagentics sends it, filled up to 1,024 bytes.
fn body(number: usize) -> String {
    let mut body = format!(
        "{{\"id\":\"evt_{number:012}\",\"type\":\"alert.triggered\",\"timestamp\":\"2026-01-15T10:30:00Z\",\"data\":\
         {{\"alert_id\":\"alrt_{:04}\",\"agent_id\":\"agt_{:04}\",\"details\":\"Rate limit exceeded: {} prompts/min\",\
         \"context\":\"",
        number % 37,
        number % 1_009,
        100 + number % 900
    );
    while body.len() < 1_021 {
        body.push(char::from(b'a' + u8::try_from(body.len() * 7 % 26).unwrap_or(0)));
    }
    body.push_str("\"}}");
    body
}
