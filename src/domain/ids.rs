//! Identifiers that gatepost makes: each kind is a type of its own.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
#[allow(clippy::disallowed_methods, reason = "this is where ids are made")]
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

/// The number by which people know an incident: `#4711`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentNumber(pub u64);

impl fmt::Display for IncidentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
