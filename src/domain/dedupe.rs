//! What makes two requests, or two events, the same.

use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{SourceName, Timestamp};

/// What makes two requests of one source the same: 16 bytes of a SHA-256 over the source's name and the vendor's
/// event id, or over the raw body where the vendor has no id: see [`RequestKey`]. The source is inside the hash, so that
/// one source's ids can never shadow another's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DedupeKey([u8; 16]);

impl DedupeKey {
    /// From the vendor's own event id.
    pub fn of_id(source: &SourceName, id: &str) -> Self {
        Self(digest(&[b"id", source.as_str().as_bytes(), id.as_bytes()]))
    }

    /// From an unauthenticated id, because the source is unsigned or the id is in a header that is not signed: it
    /// counts only together with the body, or an attacker could use up the ids of later events.
    pub fn of_id_and_body(source: &SourceName, id: &str, body: &[u8]) -> Self {
        Self(digest(&[b"id+body", source.as_str().as_bytes(), id.as_bytes(), body]))
    }

    /// The 16 bytes that the store keeps unique.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The keys by which a request may be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// What is recorded if the request is new.
    pub own: DedupeKey,
    /// What would have been recorded a while ago, where a request is known for a while only.
    pub earlier: Option<Box<[DedupeKey; 2]>>,
    /// The same with the request's id, where `own` leaves the id out: recorded beside it, to tell a retry from the same
    /// body under another id. Where there is no id, what [`RequestKey::of_body`] records.
    pub with_id: Option<DedupeKey>,
}

impl RequestKey {
    /// From the raw body, where there is no id. A repetition then cannot be told from the same thing happening again in
    /// the same words, and it counts as a repetition for at least `known_for`, for half as long again at most. `steady`
    /// is the present by the monotonic clock: a retry is recognized also when the wall clock is set.
    ///
    /// Time is divided into periods of half that length, and the period is a part of the key: what came in this period or
    /// in the two before is known.
    pub fn of_body(source: &SourceName, body: &[u8], known_for: Duration, steady: Timestamp) -> Self {
        let length = i64::try_from(known_for.as_millis() / 2).unwrap_or(i64::MAX).max(1);
        let period = steady.as_millis().div_euclid(length);
        let body = digest(&[b"body", source.as_str().as_bytes(), body]);
        let [own, last, before_last] =
            [0, 1, 2].map(|ago| DedupeKey(digest(&[b"period", &body, &(period - ago).to_le_bytes()])));
        Self { own, earlier: Some(Box::new([last, before_last])), with_id: None }
    }

    /// From the raw body alone, for as long as keys are kept, whatever id an unsigned header carries: a request that
    /// stays authentic for ever can be sent again under any id, or under none.
    pub fn of_replayable(source: &SourceName, id: Option<&str>, body: &[u8]) -> Self {
        let own = DedupeKey(digest(&[b"replayable", source.as_str().as_bytes(), body]));
        Self { own, earlier: None, with_id: Some(DedupeKey::of_id_and_body(source, id.unwrap_or_default(), body)) }
    }

    /// From the raw body and the text of its signed time, whatever id an unsigned header carries: until that time is too
    /// old, the request can be sent again under any id, or under none. A retry may be signed anew: it is known by its id and
    /// the body, and without an id as [`RequestKey::of_body`] says.
    pub fn of_timed(
        source: &SourceName,
        id: Option<&str>,
        signed_time: &str,
        body: &[u8],
        known_for: Duration,
        steady: Timestamp,
    ) -> Self {
        let own = DedupeKey(digest(&[b"timed", source.as_str().as_bytes(), signed_time.as_bytes(), body]));
        match id {
            Some(id) => Self { own, earlier: None, with_id: Some(DedupeKey::of_id_and_body(source, id, body)) },
            None => {
                let bare = Self::of_body(source, body, known_for, steady);
                Self { own, earlier: bare.earlier, with_id: Some(bare.own) }
            }
        }
    }
}

impl From<DedupeKey> for RequestKey {
    fn from(own: DedupeKey) -> Self {
        Self { own, earlier: None, with_id: None }
    }
}

impl fmt::Debug for DedupeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DedupeKey({})", hex::encode(self.0))
    }
}

/// What makes two events the same: 16 bytes of a SHA-256 over the source's name and either the vendor's id of the
/// event or the fields that identify it. Written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventKey([u8; 16]);

impl EventKey {
    /// From the parts that identify the event within its source. Parts are length-prefixed before they are hashed:
    /// `["ab", "c"]` and `["a", "bc"]` differ.
    pub fn of(source: &SourceName, parts: &[&str]) -> Self {
        let mut all: Vec<&[u8]> = vec![b"event", source.as_str().as_bytes()];
        all.extend(parts.iter().map(|part| part.as_bytes()));
        Self(digest(&all))
    }

    /// The 16 bytes that the store keeps unique.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// From the 16 bytes that the store keeps.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// From its 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 32];
        // The lengths agree, and hexadecimal digits are text.
        hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventKey({self})")
    }
}

impl serde::Serialize for EventKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for EventKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("an event key is 32 hexadecimal digits"))
    }
}

/// The first 16 bytes of SHA-256 over the parts, each preceded by its length.
fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let full = hasher.finalize();
    let mut short = [0; 16];
    short.copy_from_slice(&full[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_scoped_and_unambiguous() {
        let (a, b): (SourceName, SourceName) = ("a".parse().unwrap(), "b".parse().unwrap());
        assert_eq!(DedupeKey::of_id(&a, "1"), DedupeKey::of_id(&a, "1"));
        assert_ne!(DedupeKey::of_id(&a, "1"), DedupeKey::of_id(&b, "1"));
        assert_ne!(EventKey::of(&a, &["ab", "c"]), EventKey::of(&a, &["a", "bc"]));
        let key = EventKey::of(&a, &["x"]);
        assert_eq!(EventKey::parse(&key.to_string()), Some(key));
    }

    #[test]
    fn the_same_bytes_are_known_for_a_while_wherever_it_begins() {
        let (a, b): (SourceName, SourceName) = ("a".parse().unwrap(), "b".parse().unwrap());
        let (minute, start) = (Duration::from_secs(60), 1_795_000_000_000_i64);
        let of = |source, body: &[u8], millis| {
            RequestKey::of_body(source, body, minute, Timestamp::from_millis(start + millis))
        };
        let knows = |later: RequestKey, first: &RequestKey| {
            later.own == first.own || later.earlier.unwrap().contains(&first.own)
        };
        for begin in (0..60_000).step_by(997) {
            let first = &of(&a, b"1", begin);
            assert!((0..=60_000).step_by(499).all(|after| knows(of(&a, b"1", begin + after), first)), "{begin}");
            assert!(!knows(of(&a, b"1", begin + 90_000), first), "{begin}");
            assert!(!knows(of(&b, b"1", begin), first) && !knows(of(&a, b"2", begin), first));
        }
        let shortest = RequestKey::of_body(&a, b"1", Duration::ZERO, Timestamp::from_millis(i64::MIN));
        assert_ne!(shortest.own, DedupeKey::of_id(&a, "1"));
    }
}
