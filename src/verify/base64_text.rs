//! Base64 as headers and secrets carry it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// Reads base64 with the standard alphabet, padded in full or not at all. Trailing bits must be zero (RFC 4648, 3.5),
/// so that one tag has no second spelling.
pub(super) fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let engine = if text.ends_with(b"=") { STANDARD } else { STANDARD_NO_PAD };
    engine.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_one_spelling_with_and_one_without_padding() {
        for good in ["Zg==", "Zg", "Zm8=", "Zm8", "Zm9v", "+/+/"] {
            assert!(decode_base64(good.as_bytes()).is_some(), "{good}");
        }
        for bad in ["Zg=", "Zh==", "Zh", "Z", "Zm9v=", "Zg==\n", " Zg==", "-_-_", "Zg==Zg==", "=", "Zm9=", "Ｚg=="] {
            assert!(decode_base64(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
