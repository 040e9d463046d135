//! What would have made a refused request authentic: common mistakes, tried one by one.
//!
//! Only the operator sees this, on a command line that holds the secrets anyway; intake never runs it. A finding names
//! the mistake and nothing of the key or the tag.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::base64_text::decode_base64;
use super::key::{MacKey, key_bytes};
use super::scheme::{KeyEncoding, SignedPart};
use super::signature::{Context, SignatureVerifier, match_any};
use super::tag::Tag;
use super::token::TokenVerifier;
use crate::domain::{Headers, Request, Secret, Timestamp};

/// A signed request under examination.
pub(super) struct Suspect<'s> {
    pub(super) verifier: &'s SignatureVerifier,
    pub(super) secrets: &'s [Secret],
    pub(super) request: &'s Request,
    pub(super) now: Timestamp,
}

/// What to look at when a well-formed signature was made by none of the secrets. Never empty.
pub(super) fn of_signature(suspect: &Suspect<'_>, candidates: &[Tag], context: &Context<'_>) -> Vec<String> {
    let trial = Trial { suspect, candidates, context };
    let mut hints = Vec::new();
    if suspect.request.body.len() <= BODY_BYTES_MAX {
        hints.extend(trial.bodies());
        hints.extend(trial.templates());
    }
    hints.extend(trial.keys());
    if hints.is_empty() {
        hints.push("it was made with a different secret or over a different body".to_owned());
    }
    hints
}

/// Where a token is that does not stand where it should.
pub(super) fn of_token(verifier: &TokenVerifier, headers: &Headers) -> Vec<String> {
    let mut hints = Vec::new();
    for (name, value) in headers.iter().filter_map(|(name, value)| Some((name, std::str::from_utf8(value).ok()?))) {
        let Some(how) =
            TOKEN_TRIALS.iter().find(|(_, read)| read(value).is_some_and(|t| verifier.matching(&t).is_ok()))
        else {
            continue;
        };
        hints.push(format!("a secret of this source stands in the header {} {}", name.escape_debug(), how.0));
    }
    hints
}

/// Headers that look as if they held the signature that is missing where it should be.
pub(super) fn other_headers(headers: &Headers, expected: &str) -> Vec<String> {
    let looks = |name: &str| ["signature", "hmac", "digest"].iter().any(|word| name.contains(word));
    let others = headers.iter().map(|(name, _)| name).filter(|name| *name != expected && looks(name));
    others.map(|name| format!("the request has a header {}: is it that one?", name.escape_debug())).collect()
}

/// One refused signature, to be tried against changes of what it should have signed.
struct Trial<'t> {
    suspect: &'t Suspect<'t>,
    candidates: &'t [Tag],
    context: &'t Context<'t>,
}

impl Trial<'_> {
    fn bodies(&self) -> Vec<String> {
        let verifier = self.suspect.verifier;
        let fits = |body: &[u8]| self.fits(&verifier.keys, &verifier.scheme.signed, body);
        let found =
            BODY_TRIALS.iter().filter(|(_, change)| change(&self.suspect.request.body).is_some_and(|b| fits(&b)));
        found.map(|(what, _)| format!("it fits the body {what}: the bytes were changed on their way here")).collect()
    }

    fn templates(&self) -> Vec<String> {
        let verifier = self.suspect.verifier;
        let possible = |signed: &[SignedPart]| {
            let known = |part: &SignedPart| match part {
                SignedPart::Timestamp => self.context.timestamp.is_some(),
                SignedPart::Id => self.context.id.is_some(),
                SignedPart::Body | SignedPart::Literal(_) => true,
            };
            signed.iter().all(known) && *signed != verifier.scheme.signed
        };
        let fits = |signed: &[SignedPart]| self.fits(&verifier.keys, signed, &self.suspect.request.body);
        let found = templates().into_iter().filter(|(_, signed)| possible(signed) && fits(signed));
        found.map(|(template, _)| format!("it fits other signed content: signed = \"{template}\"")).collect()
    }

    fn keys(&self) -> Vec<String> {
        let scheme = &self.suspect.verifier.scheme;
        let mut hints = Vec::new();
        for (index, secret) in self.suspect.secrets.iter().enumerate() {
            for (what, read) in KEY_TRIALS {
                let key = read(secret).and_then(|key| MacKey::new(scheme.algorithm, &key));
                if key.is_some_and(|key| self.fits(&[key], &scheme.signed, &self.suspect.request.body)) {
                    hints.push(format!("it fits secret {} {what}", index + 1));
                }
            }
        }
        hints
    }

    fn fits(&self, keys: &[MacKey], signed: &[SignedPart], body: &[u8]) -> bool {
        match_any(keys, self.candidates, || self.context.pieces(signed, body)).is_some()
    }
}

fn without_last_newline(body: &[u8]) -> Option<Vec<u8>> {
    let shorter = body.strip_suffix(b"\n")?;
    Some(shorter.strip_suffix(b"\r").unwrap_or(shorter).to_vec())
}

fn with_end(body: &[u8], end: &[u8]) -> Option<Vec<u8>> {
    Some([body, end].concat())
}

fn trimmed(bytes: &[u8]) -> Option<Vec<u8>> {
    let trimmed = bytes.trim_ascii();
    (trimmed != bytes).then(|| trimmed.to_vec())
}

fn without_carriage_returns(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    text.contains("\r\n").then(|| text.replace("\r\n", "\n").into_bytes())
}

fn with_carriage_returns(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    text.contains('\n').then(|| text.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes())
}

fn inflated(body: &[u8]) -> Option<Vec<u8>> {
    let mut output = Vec::new();
    let limit = u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX);
    GzDecoder::new(body).take(limit).read_to_end(&mut output).ok().map(|_| output)
}

fn rewritten(body: &[u8], write: fn(&Value) -> serde_json::Result<Vec<u8>>) -> Option<Vec<u8>> {
    serde_json::from_slice(body).ok().and_then(|value| write(&value).ok())
}

/// The JSON text with other blanks between its tokens and everything else as it was.
fn respaced(body: &[u8], comma: &[u8], colon: &[u8]) -> Option<Vec<u8>> {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).ok()?;
    let mut output = Vec::with_capacity(body.len());
    let (mut in_text, mut escaped) = (false, false);
    for byte in body {
        match byte {
            _ if in_text => {
                output.push(*byte);
                in_text = escaped || *byte != b'"';
                escaped = !escaped && *byte == b'\\';
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b',' => output.extend_from_slice(comma),
            b':' => output.extend_from_slice(colon),
            byte => {
                in_text = *byte == b'"';
                output.push(*byte);
            }
        }
    }
    Some(output)
}

fn templates() -> Vec<(&'static str, Vec<SignedPart>)> {
    let dot = || SignedPart::Literal(".".to_owned());
    let colon = || SignedPart::Literal(":".to_owned());
    let version = SignedPart::Literal("v0:".to_owned());
    use SignedPart::{Body, Id, Timestamp};
    vec![
        ("{body}", vec![Body]),
        ("{timestamp}.{body}", vec![Timestamp, dot(), Body]),
        ("{timestamp}:{body}", vec![Timestamp, colon(), Body]),
        ("{timestamp}{body}", vec![Timestamp, Body]),
        ("{body}{timestamp}", vec![Body, Timestamp]),
        ("{body}.{timestamp}", vec![Body, dot(), Timestamp]),
        ("v0:{timestamp}:{body}", vec![version, Timestamp, colon(), Body]),
        ("{id}.{timestamp}.{body}", vec![Id, dot(), Timestamp, dot(), Body]),
        ("{id}.{body}", vec![Id, dot(), Body]),
    ]
}

fn read_key(encoding: KeyEncoding, secret: &Secret) -> Option<Vec<u8>> {
    key_bytes(encoding, secret).filter(|key| !key.is_empty()).map(|key| key.to_vec())
}

fn after_first_word(value: &str) -> Option<String> {
    value.trim().split_once(' ').map(|(_, rest)| rest.trim().to_owned())
}

fn in_basic(value: &str) -> Option<String> {
    let pair = decode_base64(after_first_word(value)?.as_bytes())?;
    let pair = String::from_utf8(pair).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

type BodyTrial = (&'static str, fn(&[u8]) -> Option<Vec<u8>>);
type KeyTrial = (&'static str, fn(&Secret) -> Option<Vec<u8>>);
type TokenTrial = (&'static str, fn(&str) -> Option<String>);

const BODY_TRIALS: &[BodyTrial] = &[
    ("without its last newline", without_last_newline),
    ("with a newline at its end", |body| with_end(body, b"\n")),
    ("with a carriage return and a newline at its end", |body| with_end(body, b"\r\n")),
    ("without the blanks around it", trimmed),
    ("with its line ends as plain newlines", without_carriage_returns),
    ("with carriage returns in its line ends", with_carriage_returns),
    ("without its byte order mark", |body| body.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec)),
    ("as JSON without blanks between its tokens", |body| respaced(body, b",", b":")),
    ("as JSON with a blank after each comma and colon", |body| respaced(body, b", ", b": ")),
    ("as JSON read and written again, with its keys in order", |body| rewritten(body, serde_json::to_vec)),
    ("as JSON read and written again, indented", |body| rewritten(body, serde_json::to_vec_pretty)),
    ("inflated, as it was before gzip", inflated),
    ("emptied", |body| (!body.is_empty()).then(Vec::new)),
];

const KEY_TRIALS: &[KeyTrial] = &[
    ("as plain text: key = \"utf8\"", |secret| read_key(KeyEncoding::Utf8, secret)),
    ("read as base64 after whsec_: key = \"whsec\"", |secret| read_key(KeyEncoding::Whsec, secret)),
    ("read as base64: key = \"base64\"", |secret| read_key(KeyEncoding::Base64, secret)),
    ("read as hexadecimal, which the scheme has no word for", |secret| hex::decode(secret.expose()).ok()),
    ("with a newline at its end: the sender's copy has one", |secret| with_end(secret.expose(), b"\n")),
    ("without the blanks around it", |secret| trimmed(secret.expose())),
];

const TOKEN_TRIALS: &[TokenTrial] = &[
    ("without any prefix", |value| Some(value.trim().to_owned())),
    ("after another prefix", after_first_word),
    ("in quotes", |value| Some(value.trim().trim_matches('"').to_owned())),
    ("as the password of Basic credentials", in_basic),
];

/// Each change of the body is a copy and a hash of it; more than this makes the command line slow.
const BODY_BYTES_MAX: usize = 8 << 20;
