//! Names that the operator chose. The name of a source, of a destination and of a route are types of their own, so that one
//! cannot be put in the place of another.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

/// The text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 64 of a-z, 0-9, '-' and '_', beginning with a letter or a digit")]
pub struct NameError;

macro_rules! named {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Fit for a URL path, a metric label and a log field: 1 to 64 of `a-z`, `0-9`, `-`, `_`, beginning with a letter or a
        /// digit.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                checked(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

named! {
    /// The name of a source, as in `POST /webhooks/{source}`.
    SourceName
}
named! {
    /// The name of a destination.
    DestinationName
}
named! {
    /// The name of a route.
    RouteName
}

impl SourceName {
    /// The source of what gatepost tells about itself. No configured source has this name.
    pub const OWN: &str = "gatepost";

    /// The source of what gatepost tells about itself.
    pub fn own() -> Self {
        Self(Self::OWN.into())
    }
}

impl RouteName {
    /// What stands in the place of a route where `[operator] to` asks for a destination.
    pub fn operator() -> Self {
        Self("operator".into())
    }
}

fn checked(text: &str) -> Result<Arc<str>, NameError> {
    let bytes = text.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let begins_well = bytes.first().is_some_and(plain);
    let goes_on_well = bytes.iter().all(|byte| plain(byte) || matches!(byte, b'-' | b'_'));
    if begins_well && goes_on_well && bytes.len() <= NAME_BYTES_MAX { Ok(text.into()) } else { Err(NameError) }
}

const NAME_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_held_to_their_alphabet() {
        for good in ["a", "adrian", "akto-eu_2", "0", &"x".repeat(64)] {
            assert!(good.parse::<SourceName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "Adrian", "a b", "a/b", "a.b", "é", "a\n", &"x".repeat(65)] {
            assert!(bad.parse::<SourceName>().is_err(), "{bad}");
            assert!(bad.parse::<DestinationName>().is_err(), "{bad}");
            assert!(bad.parse::<RouteName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_names_that_gatepost_gives_are_names() {
        assert_eq!(SourceName::OWN.parse(), Ok(SourceName::own()));
        assert_eq!("operator".parse(), Ok(RouteName::operator()));
    }

    #[test]
    fn names_are_checked_also_when_they_are_read_from_json() {
        assert_eq!(serde_json::from_str::<RouteName>("\"high\"").unwrap().as_str(), "high");
        assert!(serde_json::from_str::<RouteName>("\"High\"").is_err());
    }
}
