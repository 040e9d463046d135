//! Signing as the vendor would, for `gatepost send` and the demo.

use super::key::MacKey;
use super::scheme::{HmacScheme, TimestampFormat, TimestampRule};
use super::signature::{Context, SignatureVerifier};
use super::verifier::{Kind, Verifier};
use crate::domain::{Secret, Timestamp};

impl Verifier {
    /// The header lines that authenticate `body`, sent at `now` as `id`, made with the first secret. Values are
    /// secrets: they are all that a sender needs. Empty where nothing has to be shown.
    ///
    /// `id` is used where the scheme has an id header; it is sent as it is, so an id that the scheme forbids makes a
    /// request that is refused.
    pub fn sign(&self, body: &[u8], now: Timestamp, id: &str) -> Vec<(String, Secret)> {
        match &self.kind {
            Kind::Signature(verifier) => {
                let lines = verifier.keys.first().map(|key| verifier.sign(key, body, now, id));
                lines.unwrap_or_default()
            }
            Kind::Token(verifier) => {
                let line = |secret: &Secret| {
                    let value = [verifier.scheme.prefix.as_bytes(), secret.expose()].concat();
                    (verifier.scheme.header.clone(), Secret::new(value))
                };
                self.secrets.first().map(line).into_iter().collect()
            }
            Kind::Unsigned | Kind::Decoy(_) => Vec::new(),
        }
    }
}

impl SignatureVerifier {
    fn sign(&self, key: &MacKey, body: &[u8], now: Timestamp, id: &str) -> Vec<(String, Secret)> {
        let scheme = &self.scheme;
        let time = scheme.timestamp.as_ref().map(|rule| written(now, rule.format));
        let context = Context { timestamp: time.as_deref(), id: Some(id) };
        let tag = key.tag(context.pieces(&scheme.signed, body)).encode(scheme.encoding, scheme.algorithm);
        let mut signature = format!("{}{tag}", scheme.prefix);
        let mut lines = Vec::new();
        if let Some(header) = &scheme.id_header {
            lines.push((header.clone(), Secret::new(id)));
        }
        if let (Some(rule), Some(time)) = (&scheme.timestamp, &time) {
            let item = format!("{}{time}", rule.prefix);
            match shared(scheme, rule) {
                Some(separator) => signature = format!("{item}{separator}{signature}"),
                None => lines.push((rule.header.clone(), Secret::new(item))),
            }
        }
        lines.push((scheme.header.clone(), Secret::new(signature)));
        lines
    }
}

/// The separator, where time and signature are in one header.
fn shared(scheme: &HmacScheme, rule: &TimestampRule) -> Option<char> {
    rule.separator.filter(|_| rule.header == scheme.header)
}

fn written(time: Timestamp, format: TimestampFormat) -> String {
    match format {
        TimestampFormat::Unix => time.as_millis().div_euclid(1000).to_string(),
        TimestampFormat::UnixMillis => time.as_millis().to_string(),
        TimestampFormat::Rfc3339 => time.to_string(),
    }
}
