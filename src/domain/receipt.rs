//! One authenticated request, stored raw: the unit of acknowledgement.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Headers, ReceiptId, SourceName, Timestamp};

/// A stored request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The id that the vendor was told.
    pub id: ReceiptId,
    /// The source that took it.
    pub source: SourceName,
    /// When its last byte arrived.
    pub received_at: Timestamp,
    /// The `Content-Type`, as sent.
    pub content_type: Option<String>,
    /// How the body is encoded.
    pub encoding: Encoding,
    /// The body, byte for byte as it came.
    pub body: Bytes,
}

/// How the stored body is encoded on top of its content type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As it is.
    #[default]
    Identity,
    /// gzip (RFC 1952), or so the sender says.
    Gzip,
    /// In a way that is not read here, or in several.
    Unknown,
}

impl Encoding {
    /// What the `Content-Encoding` of a request says.
    pub fn of(headers: &Headers) -> Self {
        if headers.all("content-encoding").next().is_none() {
            return Self::Identity;
        }
        match headers.only("content-encoding").map(str::to_ascii_lowercase).as_deref() {
            Some("identity" | "") => Self::Identity,
            Some("gzip" | "x-gzip") => Self::Gzip,
            _ => Self::Unknown,
        }
    }

    /// How a body is encoded whose `Content-Encoding` says this without being signed: the sender of a captured request
    /// may have added the header, changed it or left it out, so what can be told by the body itself counts.
    pub fn of_body(self, body: &[u8]) -> Self {
        match self {
            _ if body.starts_with(GZIP_MAGIC) => Self::Gzip,
            Self::Unknown if !begins_as_text(body) => Self::Unknown,
            _ => Self::Identity,
        }
    }

    /// The word in `Content-Encoding` and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Unknown => "unknown",
        }
    }

    /// The encoding of that word in the store.
    pub fn from_word(word: &str) -> Self {
        [Self::Identity, Self::Gzip].into_iter().find(|one| one.as_str() == word).unwrap_or(Self::Unknown)
    }
}

/// Whether the body begins as text does, in UTF-8 or with a mark of UTF-16: JSON also where bytes in it are no UTF-8.
fn begins_as_text(body: &[u8]) -> bool {
    let beginning = body.get(..BEGINNING_BYTES).unwrap_or(body);
    match beginning.trim_ascii_start() {
        [b'{' | b'[' | b'"', ..] | [0xfe, 0xff, ..] | [0xff, 0xfe, ..] => true,
        // A character may be cut off at the end.
        _ => std::str::from_utf8(beginning).map_or_else(|fault| fault.error_len().is_none(), |_| true),
    }
}

/// RFC 1952, section 2.3.1.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
/// So much is looked at to tell whether a body is text.
const BEGINNING_BYTES: usize = 512;

/// What processing a receipt found, beside its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Note {
    /// The vendor's test message: it makes no event.
    Ping,
    /// An authentic body with nothing in it.
    Empty,
    /// It was not valid in the vendor's format and was read all the same.
    Repaired,
    /// It was not understood, and became one event of type `unparsed`.
    Unparsed,
    /// It was read, and no field that its source knows was in an event of it.
    Unrecognized,
    /// Its row in the store cannot be read: no event of it is told before it is repaired and replayed.
    Unreadable,
}

impl Note {
    /// The word in the store and on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Empty => "empty",
            Self::Repaired => "repaired",
            Self::Unparsed => "unparsed",
            Self::Unrecognized => "unrecognized",
            Self::Unreadable => "unreadable",
        }
    }

    /// The note of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Ping, Self::Empty, Self::Repaired, Self::Unparsed, Self::Unrecognized, Self::Unreadable]
            .into_iter()
            .find(|note| note.as_str() == word)
    }
}
