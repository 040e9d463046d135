//! The user in a URL such as `smtps://user@host`.

use crate::settings::Section;

/// The user of a URL, decoded: `Some(None)` where it names none, `None` where it is at fault.
pub(super) fn user(section: &Section, key: &str, encoded: &str) -> Option<Option<String>> {
    if encoded.is_empty() {
        return Some(None);
    }
    match percent_decoded(encoded).filter(|user| !user.chars().any(char::is_control)) {
        Some(user) => Some(Some(user)),
        None => {
            section.fault(key, "has a user that cannot be read", "write an @ in it as %40");
            None
        }
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut pieces = text.split('%');
    bytes.extend_from_slice(pieces.next()?.as_bytes());
    for piece in pieces {
        bytes.extend(hex::decode(piece.get(..2)?).ok()?);
        bytes.extend_from_slice(piece.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}
