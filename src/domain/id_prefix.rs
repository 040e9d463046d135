//! An id as people type it: whole, or its beginning.

use std::fmt;
use std::str::FromStr;

/// The first digits of an id, or all 32.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdPrefix {
    text: String,
    low: [u8; 16],
    high: [u8; 16],
}

/// The text is not the beginning of an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 hexadecimal digits with or without hyphens; its first {DIGITS_MIN} or more will do")]
pub struct IdPrefixError;

impl IdPrefix {
    /// The least id that begins so.
    pub fn low(&self) -> &[u8; 16] {
        &self.low
    }

    /// The greatest id that begins so.
    pub fn high(&self) -> &[u8; 16] {
        &self.high
    }

    /// Whether it is a whole id.
    pub fn is_whole(&self) -> bool {
        self.low == self.high
    }
}

impl FromStr for IdPrefix {
    type Err = IdPrefixError;

    fn from_str(text: &str) -> Result<Self, IdPrefixError> {
        let text = text.trim().to_ascii_lowercase();
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
        if !(DIGITS_MIN..=32).contains(&digits.len()) {
            return Err(IdPrefixError);
        }
        let bound = |filler: u8| {
            let mut whole = digits.clone();
            whole.resize(32, filler);
            let mut bytes = [0; 16];
            hex::decode_to_slice(whole, &mut bytes).map(|()| bytes).map_err(|_| IdPrefixError)
        };
        Ok(Self { low: bound(b'0')?, high: bound(b'f')?, text })
    }
}

/// As it was typed.
impl fmt::Display for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Fewer do not even tell the year.
const DIGITS_MIN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EventId;

    #[test]
    fn a_prefix_bounds_the_ids_that_begin_so() {
        let id = EventId::generate();
        let whole: IdPrefix = id.to_string().to_uppercase().parse().unwrap();
        assert!(whole.is_whole() && whole.low() == id.as_bytes());
        for digits in [4, 5, 8, 9, 10, 13, 35] {
            let prefix: IdPrefix = id.to_string()[..digits].parse().unwrap();
            assert!(!prefix.is_whole() && prefix.low() <= id.as_bytes() && id.as_bytes() <= prefix.high(), "{digits}");
        }
        assert_eq!("01a1f".parse::<IdPrefix>().unwrap().high()[..3], [0x01, 0xa1, 0xff]);
    }

    #[test]
    fn what_begins_no_id_is_refused() {
        for bad in ["", "01a", "evt_1234", "01a1-xyz9", "é123456", &"0".repeat(33)] {
            assert_eq!(bad.parse::<IdPrefix>(), Err(IdPrefixError), "{bad}");
        }
    }
}
