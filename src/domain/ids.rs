//! Identifiers: what the operator named, and what we number ourselves.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A name that the operator chose, fit for a URL path, a metric label and a log field:
/// 1 to 64 of `a-z`, `0-9`, `-`, `_`, beginning with a letter or a digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is not a [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or a digit")]
pub struct NameError;

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bytes = text.as_bytes();
        let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let begins_well = bytes.first().is_some_and(plain);
        let goes_on_well = bytes.iter().all(|byte| plain(byte) || matches!(byte, b'-' | b'_'));
        if begins_well && goes_on_well && bytes.len() <= 64 { Ok(Self(text.into())) } else { Err(NameError) }
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a source, as in `POST /webhooks/{source}`.
pub type SourceName = Name;
/// The name of a destination.
pub type DestinationName = Name;
/// The name of a route.
pub type RouteName = Name;

macro_rules! numbered {
    ($(#[$doc:meta])* $id:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $id(Uuid);

        impl $id {
            /// A new id; ids made later sort later (UUID version 7).
            pub fn generate() -> Self {
                Self(next_id())
            }

            /// The 16 bytes that the store keeps.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// From the 16 bytes that the store keeps.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The id as a UUID.
            pub fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $id {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::from_str(text).map(Self)
            }
        }
    };
}

numbered! {
    /// The id of a receipt: what the vendor is told with the 200.
    ReceiptId
}
numbered! {
    /// The id of an event.
    EventId
}
numbered! {
    /// The id of a delivery; also the idempotency token towards destinations that know one.
    DeliveryId
}
numbered! {
    /// The id of an incident; every remote key, label and token derives from it.
    IncidentId
}
numbered! {
    /// The id of a notification: one incident at one notifier.
    NotificationId
}

/// A UUID version 7 that is greater than all before it in this process: random once a millisecond, counted up within it
/// (RFC 9562, 6.2, method 2). Fresh randomness for each would be two calls into the system an id, four a request.
fn next_id() -> Uuid {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let mut last = LAST_ID.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = if now > *last >> 80 { Uuid::now_v7().as_u128() & !COUNTER_HEADROOM } else { 0 };
    *last = fresh.max(*last + 1);
    Uuid::from_u128(*last)
}

static LAST_ID: Mutex<u128> = Mutex::new(0);
/// The first random bit after the variant: left at zero, so that counting up never reaches the variant.
const COUNTER_HEADROOM: u128 = 1 << 61;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_held_to_their_alphabet() {
        for good in ["a", "adrian", "akto-eu_2", "0", &"x".repeat(64)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "Adrian", "a b", "a/b", "a.b", "é", "a\n", &"x".repeat(65)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_sort_by_age_and_survive_their_text_form() {
        let ids: Vec<EventId> = (0..10_000).map(|_| EventId::generate()).collect();
        assert!(ids.is_sorted_by(|earlier, later| earlier < later));
        assert!(ids.iter().all(|id| id.as_uuid().get_version_num() == 7));
        assert!(ids.iter().all(|id| id.as_uuid().get_variant() == uuid::Variant::RFC4122));
        let first = ids[0];
        assert_eq!(first.to_string().parse::<EventId>().unwrap(), first);
        assert_eq!(EventId::from_bytes(*first.as_bytes()), first);
    }
}
